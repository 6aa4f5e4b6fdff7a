"""The exact log-normal Poisson posterior against brute force, closed forms, identities and invariances.

The brute force here shares no code with the package: plain trapezoids on dense grids, and scipy's quad.
"""

import importlib
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.polynomial import hermite_e, legendre
from scipy import integrate, stats

import hierarchical_exact as exact

HOSPITALS = (
    np.array([3, 10, 3, 8, 1, 11, 10, 8]),
    np.array([2.1, 5.0, 1.3, 8.2, 0.7, 3.5, 6.1, 4.0]),
)
MU, SIGMA = stats.norm(0, 1), stats.halfnorm(scale=1)


def brute_force(y, e, mu_log, sigma_log):
    """Everything from trapezoids over mu_log, sigma_log and x; sigma_log must keep away from zero."""
    x = np.arange(-14, 12, 0.02)
    mu = np.arange(-5, 5, 0.1)
    log_sigma = np.linspace(*np.log(sigma_log.ppf([1e-9, 1 - 1e-12])), 60)
    sigma = np.exp(log_sigma)
    likelihood = stats.poisson.pmf(y, e * np.exp(x)[:, None])
    kernel = stats.norm.pdf(x, mu[:, None, None], sigma[:, None]).reshape(-1, len(x))
    c = kernel @ likelihood * 0.02
    cell = 0.1 * (log_sigma[1] - log_sigma[0])
    prior = (mu_log.pdf(mu)[:, None] * sigma_log.pdf(sigma) * sigma).ravel() * cell
    mu, sigma = (m.ravel() for m in np.meshgrid(mu, sigma, indexing="ij"))
    joint = prior * c.prod(axis=1)
    evidence = joint.sum()
    weights = joint / evidence
    density = np.divide(weights[:, None], c, out=np.zeros_like(c), where=c > 1e-250).T @ kernel * likelihood.T
    rates = np.exp(x)
    mean = density @ rates * 0.02
    evidence_without = np.array([(prior * np.delete(c, i, axis=1).prod(axis=1)).sum() for i in range(len(y))])
    return SimpleNamespace(
        x=x,
        log_evidence=np.log(evidence),
        elpd_loo=np.log(evidence) - np.log(evidence_without),
        mu=weights @ mu,
        mu_sd=np.sqrt(weights @ (mu - weights @ mu) ** 2),
        sigma=weights @ sigma,
        sigma_sd=np.sqrt(weights @ (sigma - weights @ sigma) ** 2),
        lam=mean,
        lam_sd=np.sqrt(density @ rates**2 * 0.02 - mean**2),
        lam_cdf=integrate.cumulative_simpson(density, dx=0.02, initial=0),
        new_cdf=integrate.cumulative_simpson(weights @ kernel, dx=0.02, initial=0),
        rep=(density * stats.poisson.pmf(2, e * rates[:, None]).T).sum(axis=1) * 0.02,
        conditional_mean=weights @ np.exp(mu + sigma**2 / 2),
        conditional_square=weights @ np.exp(2 * mu + 2 * sigma**2),
    )


@pytest.mark.slow
@settings(max_examples=5, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(st.lists(st.tuples(st.integers(0, 25), st.floats(0.3, 8.0)), min_size=1, max_size=4))
def test_small_problems_agree_with_brute_force(groups):
    y, e = (np.array(column) for column in zip(*groups, strict=True))
    mu_log, sigma_log = stats.norm(0.2, 0.6), stats.gamma(9, scale=0.06)
    expected = brute_force(y, e, mu_log, sigma_log)
    posterior = exact.poisson(y, e, mu_log=mu_log, sigma_log=sigma_log)
    assert posterior.log_evidence == pytest.approx(expected.log_evidence, abs=1e-7)
    np.testing.assert_allclose(posterior.elpd_loo, expected.elpd_loo, atol=1e-6)
    assert posterior["mu_log"].mean() == pytest.approx(expected.mu, abs=1e-6)
    assert posterior["mu_log"].sd() == pytest.approx(expected.mu_sd, rel=1e-5)
    assert posterior["sigma_log"].mean() == pytest.approx(expected.sigma, rel=1e-5)
    assert posterior["sigma_log"].sd() == pytest.approx(expected.sigma_sd, rel=1e-5)
    lam = posterior["lam"]
    np.testing.assert_allclose(lam.mean(), expected.lam, rtol=1e-6)
    np.testing.assert_allclose(lam.sd(), expected.lam_sd, rtol=1e-5)
    points = np.arange(500, 900, 25)
    at = np.exp(expected.x[points])
    np.testing.assert_allclose(lam.cdf(at), expected.lam_cdf[:, points], atol=2e-6)
    np.testing.assert_allclose(posterior["lam_new"].cdf(at), expected.new_cdf[points], atol=2e-6)
    np.testing.assert_allclose(posterior["y_rep"].pdf(2), expected.rep, rtol=1e-5)


@pytest.mark.slow
def test_evidence_agrees_with_nested_integration():
    y, e = [4, 0], [2.0, 1.5]
    nodes, weights = legendre.leggauss(8)
    weights = weights / 2

    def marginal(y, e, mu, sigma):
        def integrand(t):
            return stats.poisson.pmf(y, e * np.exp(mu + sigma * t)) * stats.norm.pdf(t)

        return integrate.quad(integrand, -9, 9, epsabs=1e-9, epsrel=1e-8)[0]

    expected = 0.0
    for mu, mu_weight in zip(0.25 + 0.75 * nodes, weights, strict=True):
        for sigma, sigma_weight in zip(0.5 + 0.4 * nodes, weights, strict=True):
            inner = marginal(y[0], e[0], mu, sigma) * marginal(y[1], e[1], mu, sigma)
            expected += mu_weight * sigma_weight * inner
    priors = {"mu_log": stats.uniform(-0.5, 1.5), "sigma_log": stats.uniform(0.1, 0.8)}
    posterior = exact.poisson(y, e, **priors)
    assert posterior.log_evidence == pytest.approx(np.log(expected), abs=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [1e-4, 0.03, 0.4, 0.8, 1.7, 6.0, 40.0])
@pytest.mark.parametrize(("y", "e"), [(0, 0.01), (0, 3.0), (1, 0.5), (40, 2.0), (120, 50.0), (10**6, 1e5)])
def test_known_population_is_one_integral_per_group(y, e, sigma):
    mu = 0.7
    log_rate = np.log(max(y, 0.3) / e)
    centre = np.clip(log_rate, mu - 8 * sigma, mu + 8 * sigma)
    step = 1 / np.hypot(1 / sigma, np.sqrt(y + 0.1))
    cuts = np.unique(
        np.clip(
            np.concatenate([centre + step * np.arange(-50, 51, 5), mu + sigma * np.arange(-36, 37, 2)]),
            mu - 40 * sigma,
            mu + 40 * sigma,
        )
    )
    # Rates beyond a thousand times the data's have no likelihood, and may overflow.
    cuts = np.unique(np.minimum(cuts, max(cuts[0] + sigma, np.log(1000 * (y + 1) / e))))
    log_top = stats.poisson.logpmf(y, y)

    def integrand(x):
        return np.exp(stats.poisson.logpmf(y, e * np.exp(x)) - log_top) * stats.norm.pdf(x, mu, sigma)

    pieces = [
        integrate.quad(integrand, *ends, epsabs=0, epsrel=1e-11, limit=200)[0] for ends in pairwise(cuts)
    ]
    posterior = exact.poisson([y], [e], mu_log=mu, sigma_log=sigma)
    total = sum(pieces)
    if total == 0:
        assert posterior.log_evidence < -600
    else:
        # scipy's own logpmf is good to about 1e-9 for a million.
        assert posterior.log_evidence == pytest.approx(np.log(total) + log_top, abs=2e-7)


def test_known_population_gives_independent_rates():
    y, e = HOSPITALS
    posterior = exact.poisson(y, e, mu_log=0.5, sigma_log=0.6)
    lam, log_evidence = posterior["lam"], 0.0
    for i in (0, 4, 5):

        def density(rate, i=i):
            return stats.lognorm.pdf(rate, 0.6, scale=np.exp(0.5)) * stats.poisson.pmf(y[i], e[i] * rate)

        total = integrate.quad(density, 0, 30, points=[1, 2, 4], epsabs=1e-14)[0]
        mean = integrate.quad(lambda r: r * density(r), 0, 30, points=[1, 2, 4], epsabs=1e-14)[0] / total
        below = integrate.quad(density, 0, 2.0, epsabs=1e-14)[0] / total
        marginal = lam.sel(group=i)
        assert marginal.mean() == pytest.approx(mean, rel=1e-7)
        assert marginal.cdf(2.0) == pytest.approx(below, abs=1e-7)
        assert marginal.pdf(2.0) == pytest.approx(density(2.0) / total, rel=1e-6)
        assert posterior.elpd_loo[i] == pytest.approx(np.log(total), abs=1e-8)
    log_evidence = float(posterior.elpd_loo.sum())
    assert posterior.log_evidence == pytest.approx(log_evidence, abs=1e-9)
    new = stats.lognorm(0.6, scale=np.exp(0.5))
    assert posterior["lam_new"].mean() == pytest.approx(new.mean(), rel=1e-9)
    assert posterior["lam_new"].sd() == pytest.approx(new.std(), rel=1e-9)
    q = np.array([0.01, 0.5, 0.99])
    np.testing.assert_allclose(posterior["lam_new"].quantile(q), new.ppf(q), rtol=1e-7)


def complete_pooling():
    """Posterior density of the common log rate, by quad."""
    y, e = HOSPITALS

    def density(x):
        return stats.norm.pdf(x) * np.prod(stats.poisson.pmf(y, e * np.exp(x)))

    total = integrate.quad(density, -2, 3, points=[0.5], epsabs=0, epsrel=1e-12)[0]
    return density, total


@pytest.mark.parametrize("sigma_log", [0, 1e-7])
def test_complete_pooling_is_one_integral(sigma_log):
    density, total = complete_pooling()
    posterior = exact.poisson(*HOSPITALS, mu_log=MU, sigma_log=sigma_log)
    assert posterior.log_evidence == pytest.approx(np.log(total), abs=1e-8)
    below = integrate.quad(density, -2, np.log(1.8), epsabs=0, epsrel=1e-12)[0] / total
    assert posterior["mu_log"].cdf(np.log(1.8)) == pytest.approx(below, abs=1e-7)
    np.testing.assert_allclose(posterior["lam"].cdf(1.8), below, atol=1e-6)
    assert posterior["lam_new"].cdf(1.8) == pytest.approx(below, abs=1e-6)
    mean = integrate.quad(lambda x: np.exp(x) * density(x), -2, 3, points=[0.5], epsabs=0)[0] / total
    np.testing.assert_allclose(posterior["lam"].mean(), mean, rtol=1e-7)
    assert posterior["lam_new"].mean() == pytest.approx(mean, rel=1e-7)


def small_spread(sigmas, weights, group):
    """Density of one log rate for small sigma_log: expectations over Normal steps by Gauss-Hermite."""
    y, e = HOSPITALS
    steps, step_weights = hermite_e.hermegauss(12)
    step_weights = step_weights / step_weights.sum()
    x = np.linspace(-0.4, 1.5, 4001)
    density = np.zeros_like(x)
    for sigma, weight in zip(sigmas, weights, strict=True):
        for step, step_weight in zip(steps, step_weights, strict=True):
            mu = x - sigma * step
            others = stats.norm.pdf(mu)
            for j in np.delete(np.arange(len(y)), group):
                rates = e[j] * np.exp(mu + sigma * steps[:, None])
                others = others * (step_weights @ stats.poisson.pmf(y[j], rates))
            density += weight * step_weight * others
    density *= stats.poisson.pmf(y[group], e[group] * np.exp(x))
    cdf = integrate.cumulative_simpson(density, x=x, initial=0)
    return x, density / cdf[-1], cdf / cdf[-1]


@pytest.mark.parametrize(("low", "high"), [(0.0008, 0.0012), (0.03, 0.05)])
def test_small_spread_leaves_no_comb(low, high):
    # The population's sd is far smaller than the distance of its mean's nodes.
    nodes, weights = legendre.leggauss(3)
    sigmas, weights = 0.5 * (low + high) + 0.5 * (high - low) * nodes, weights / 2
    group = 3
    x, density, cdf = small_spread(sigmas, weights, group)
    posterior = exact.poisson(*HOSPITALS, mu_log=MU, sigma_log=stats.uniform(low, high - low))
    marginal = posterior["lam"].sel(group=group)
    at = slice(400, 3600, 19)
    rates = np.exp(x[at])
    np.testing.assert_allclose(marginal.cdf(rates), cdf[at], atol=2e-6)
    np.testing.assert_allclose(marginal.pdf(rates) * rates, density[at], atol=2e-6 * density.max())
    quantiles = marginal.quantile([0.05, 0.5, 0.95]).values
    np.testing.assert_allclose(np.log(quantiles), np.interp([0.05, 0.5, 0.95], cdf, x), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sigma_log",
    [SIGMA, stats.gamma(0.3, scale=1), stats.halfcauchy(scale=0.5), stats.uniform(0.2, 0.4), 0.7],
    ids=["halfnorm", "gamma piled at zero", "halfcauchy", "uniform", "known"],
)
def test_mean_rate_is_a_ratio_of_evidences(sigma_log):
    # lam Pois(y | e lam) = (y + 1) / e Pois(y + 1 | e lam), so E[lam | y] is a ratio of evidences.
    y, e = HOSPITALS
    posterior = exact.poisson(y, e, mu_log=MU, sigma_log=sigma_log)
    one = exact.poisson(y + (np.arange(8) == 4), e, mu_log=MU, sigma_log=sigma_log)
    two = exact.poisson(y + 2 * (np.arange(8) == 4), e, mu_log=MU, sigma_log=sigma_log)
    first = (y[4] + 1) / e[4] * np.exp(one.log_evidence - posterior.log_evidence)
    second = first * (y[4] + 2) / e[4] * np.exp(two.log_evidence - one.log_evidence)
    marginal = posterior["lam"].sel(group=4)
    assert marginal.mean() == pytest.approx(first, rel=1e-6)
    assert marginal.sd() == pytest.approx(np.sqrt(second - first**2), rel=1e-5)


@pytest.mark.slow
def test_probabilities_of_all_counts_sum_to_one():
    priors = {"mu_log": stats.norm(-0.5, 0.4), "sigma_log": stats.uniform(0.1, 0.3)}
    total = sum(np.exp(exact.poisson([k], [1.0], **priors).log_evidence) for k in range(30))
    assert total == pytest.approx(1, abs=1e-6)
    alone = exact.poisson([2], [1.5], **priors).log_evidence
    both = [exact.poisson([2, k], [1.5, 0.5], **priors).log_evidence for k in range(22)]
    assert np.log(np.exp(both).sum()) == pytest.approx(alone, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "y",
    [HOSPITALS[0], np.array([3, 10, 3, 8, 60, 11, 10, 8]), np.zeros(8)],
    ids=["source", "outlier", "zeros"],
)
def test_leaving_one_out_is_a_difference_of_evidences(y):
    e = HOSPITALS[1]
    posterior = exact.poisson(y, e, mu_log=MU, sigma_log=SIGMA)
    for i in (0, 4):
        rest = exact.poisson(np.delete(y, i), np.delete(e, i), mu_log=MU, sigma_log=SIGMA)
        expected = posterior.log_evidence - rest.log_evidence
        assert posterior.elpd_loo[i] == pytest.approx(expected, abs=1e-7)


def test_one_hospital_is_left_out_to_the_prior():
    posterior = exact.poisson([4], [2.0], mu_log=MU, sigma_log=SIGMA)
    assert posterior.elpd_loo[0] == pytest.approx(posterior.log_evidence)


@pytest.mark.slow
def test_the_order_of_hospitals_does_not_matter():
    y, e = HOSPITALS
    order = np.array([3, 0, 7, 5, 1, 2, 6, 4])
    first, second = (
        exact.poisson(y, e, mu_log=MU, sigma_log=SIGMA),
        exact.poisson(y[order], e[order], mu_log=MU, sigma_log=SIGMA),
    )
    assert first.log_evidence == pytest.approx(second.log_evidence, abs=1e-10)
    for name in ("lam", "y_rep"):
        np.testing.assert_allclose(first[name].mean()[order], second[name].mean(), rtol=1e-9)
    np.testing.assert_allclose(first["lam"].hdi(0.89)[order], second["lam"].hdi(0.89), rtol=1e-6)
    np.testing.assert_allclose(first.elpd_loo[order], second.elpd_loo, atol=1e-9)


@pytest.mark.slow
def test_a_hospital_without_exposure_changes_nothing():
    y, e = HOSPITALS
    without = exact.poisson(y, e, mu_log=MU, sigma_log=SIGMA)
    posterior = exact.poisson(np.append(y, 0), np.append(e, 1e-9), mu_log=MU, sigma_log=SIGMA)
    assert posterior.log_evidence == pytest.approx(without.log_evidence, abs=1e-7)
    assert posterior.elpd_loo[8] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(posterior["lam"].mean()[:8], without["lam"].mean(), rtol=1e-6)
    q = np.array([0.01, 0.1, 0.5, 0.9, 0.99])
    idle = posterior["lam"].sel(group=8)
    for new in (posterior["lam_new"], without["lam_new"]):
        np.testing.assert_allclose(idle.quantile(q), new.quantile(q), rtol=1e-5)


@pytest.mark.slow
def test_units_of_exposure_shift_the_population():
    y, e = HOSPITALS
    first = exact.poisson(y, e, mu_log=MU, sigma_log=SIGMA)
    second = exact.poisson(y, 1000 * e, mu_log=stats.norm(-np.log(1000), 1), sigma_log=SIGMA)
    assert first.log_evidence == pytest.approx(second.log_evidence, abs=1e-8)
    assert first["mu_log"].mean() - np.log(1000) == pytest.approx(second["mu_log"].mean(), abs=1e-8)
    assert first["sigma_log"].sd() == pytest.approx(second["sigma_log"].sd(), rel=1e-7)
    np.testing.assert_allclose(first["lam"].hdi(0.89) / 1000, second["lam"].hdi(0.89), rtol=1e-6)
    np.testing.assert_allclose(first["y_rep"].mean(), second["y_rep"].mean(), rtol=1e-8)


@pytest.mark.slow
def test_quantile_inverts_cdf():
    posterior = exact.poisson(*HOSPITALS, mu_log=MU, sigma_log=SIGMA)
    q = np.array([0.001, 0.055, 0.5, 0.945, 0.999])
    for name in ("mu_log", "sigma_log", "lam_new"):
        np.testing.assert_allclose(posterior[name].cdf(posterior[name].quantile(q).values), q, atol=1e-9)
    quantiles = posterior["lam"].quantile(q)
    for i, column in enumerate(quantiles.values.reshape(8, -1)):
        np.testing.assert_allclose(posterior["lam"].sel(group=i).cdf(column), q, atol=1e-9)
    counts = posterior["y_rep"].sel(group=4).quantile(0.7)
    assert posterior["y_rep"].sel(group=4).cdf(counts) >= 0.7
    assert posterior["y_rep"].sel(group=4).cdf(counts - 1) < 0.7


def test_highest_density_interval_is_the_shortest():
    marginal = exact.poisson(*HOSPITALS, mu_log=MU, sigma_log=SIGMA)["lam"].sel(group=4)
    low, high = marginal.hdi(0.89).values
    assert marginal.cdf(high) - marginal.cdf(low) == pytest.approx(0.89, abs=1e-8)
    assert marginal.pdf(low) == pytest.approx(marginal.pdf(high), rel=1e-4)
    for tail in (0.02, 0.05, 0.08):
        assert high - low < marginal.quantile(tail + 0.89) - marginal.quantile(tail)


def test_replicated_counts_mix_poissons_over_the_rate():
    y, e = HOSPITALS
    posterior = exact.poisson(y, e, mu_log=MU, sigma_log=SIGMA)
    lam, rep = posterior["lam"], posterior["y_rep"]
    np.testing.assert_allclose(rep.mean(), e * lam.mean(), rtol=1e-7)
    np.testing.assert_allclose(rep.sd(), np.sqrt(e * lam.mean() + (e * lam.sd()) ** 2), rtol=1e-6)


@pytest.mark.slow
def test_new_rate_has_finite_moments_only_under_a_light_prior():
    # E[lam_new**k] holds exp(k**2 sigma**2 / 2): a half-Normal prior must be narrower than 1 / k.
    y, e = np.array([5, 2, 9, 4]), np.array([2.0, 1.5, 3.0, 2.5])
    narrow = exact.poisson(y, e, mu_log=MU, sigma_log=stats.halfnorm(scale=0.3))["lam_new"]
    middle = exact.poisson(y, e, mu_log=MU, sigma_log=stats.halfnorm(scale=0.8))["lam_new"]
    default = exact.poisson(*HOSPITALS, mu_log=MU, sigma_log=SIGMA)["lam_new"]
    wide = exact.poisson(y, e, mu_log=MU, sigma_log=stats.halfcauchy(scale=0.3))["lam_new"]
    assert np.isfinite(narrow.mean())
    assert np.isfinite(narrow.sd())
    assert np.isfinite(middle.mean())
    assert middle.sd() == np.inf
    assert np.isfinite(default.mean())
    assert default.sd() == np.inf
    assert wide.mean() == np.inf
    one = exact.poisson([4], [2.0], mu_log=MU, sigma_log=SIGMA)["lam_new"]
    assert one.mean() == np.inf


@pytest.mark.slow
def test_new_rate_moments_agree_with_brute_force():
    y, e = np.array([5, 2, 9]), np.array([2.0, 1.5, 3.0])
    sigma_log = stats.beta(4, 4, loc=0.1, scale=0.8)
    expected = brute_force(y, e, stats.norm(0.3, 0.5), sigma_log)
    new = exact.poisson(y, e, mu_log=stats.norm(0.3, 0.5), sigma_log=sigma_log)["lam_new"]
    assert new.mean() == pytest.approx(expected.conditional_mean, rel=1e-5)
    sd = np.sqrt(expected.conditional_square - expected.conditional_mean**2)
    assert new.sd() == pytest.approx(sd, rel=1e-5)


@pytest.mark.slow
def test_new_rate_mean_with_a_power_tail():
    # Given sigma the mean is E[exp(mu)] exp(sigma**2 / 2), whose last factor cancels the prior's tail:
    # integrate the rest over log sigma, mu and Normal steps on dense grids.
    y, e = np.array([5, 2, 9, 4]), np.array([2.0, 1.5, 3.0, 2.5])
    log_sigma = np.linspace(np.log(1e-4), np.log(30), 100)
    sigma = np.exp(log_sigma)
    mu = np.arange(-4, 5.5, 0.2)
    t = np.arange(-8, 8, 0.01)
    steps = stats.norm.pdf(t) * 0.01
    inner = np.empty((len(mu), len(sigma), 4))
    for s, scale in enumerate(sigma):
        rates = np.exp(np.minimum(mu[:, None] + scale * t, 30))
        for j in range(4):
            inner[:, s, j] = stats.poisson.pmf(y[j], e[j] * rates) @ steps
    density = stats.norm.pdf(mu)[:, None] * inner.prod(axis=2) * sigma
    evidence = (density * np.exp(-0.5 * sigma**2)).sum()
    expected = (density * np.exp(mu)[:, None]).sum() / evidence
    new = exact.poisson(y, e, mu_log=MU, sigma_log=SIGMA)["lam_new"]
    # The integrand falls like sigma**-3 beyond sigma = 30.
    assert new.mean() == pytest.approx(expected, rel=1e-3)


def test_all_counts_zero():
    posterior = exact.poisson([0, 0, 0], [1.0, 2.0, 3.0], mu_log=MU, sigma_log=SIGMA)
    lam = posterior["lam"]
    assert np.all(np.diff(lam.mean()) < 0)
    assert lam.sel(group=0).hdi(0.89)[0] == 0
    assert posterior["y_rep"].sel(group=0).hdi(0.5)[1] == 0
    assert posterior["mu_log"].mean() < -1


@pytest.mark.slow
def test_very_large_counts_keep_their_rates():
    y, e = np.array([10**6, 1_200_000, 900_000]), np.full(3, 1e5)
    posterior = exact.poisson(y, e, mu_log=MU, sigma_log=SIGMA)
    # A flat prior of the log rates would give Gamma(y, e); the population moves them by far less.
    np.testing.assert_allclose(posterior["lam"].mean(), y / e, atol=0.01 * np.sqrt(y.max()) / 1e5)
    np.testing.assert_allclose(posterior["lam"].sd(), np.sqrt(y) / e, rtol=1e-4)
    np.testing.assert_allclose(posterior["y_rep"].sd(), np.sqrt(2 * y), rtol=1e-4)
    low, high = posterior["y_rep"].sel(group=1).hdi(0.89).values
    assert high - low == pytest.approx(2 * 1.598 * np.sqrt(2 * y[1]), rel=2e-3)


def test_very_large_equal_counts_pool():
    posterior = exact.poisson([10**6] * 4, [1e5] * 4, mu_log=MU, sigma_log=SIGMA)
    assert posterior["sigma_log"].mean() < 2e-3
    assert np.all(posterior["lam"].sd() < 0.01)
    np.testing.assert_allclose(posterior["lam"].mean(), 10, rtol=1e-4)


def test_a_narrow_prior_of_sigma_is_a_known_sigma():
    narrow = exact.poisson(*HOSPITALS, mu_log=MU, sigma_log=stats.uniform(0.5, 1e-9))
    known = exact.poisson(*HOSPITALS, mu_log=MU, sigma_log=0.5)
    assert narrow.log_evidence == pytest.approx(known.log_evidence, abs=1e-7)
    np.testing.assert_allclose(narrow["lam"].hdi(0.89), known["lam"].hdi(0.89), rtol=1e-6)
    assert narrow["lam_new"].sd() == pytest.approx(known["lam_new"].sd(), rel=1e-6)
    assert known["sigma_log"].mean() == 0.5
    assert known["sigma_log"].sd() == 0


def test_known_mean_of_the_population():
    # One group and known mu: the spread alone is integrated, by quad here.
    y, e, mu = 3, 2.0, 0.4
    sigma_log = stats.halfnorm(scale=0.5)
    t = np.arange(-9, 9, 0.01)

    def integrand(sigma, power=0):
        rates = np.exp(mu + sigma * t)
        inner = stats.norm.pdf(t) * stats.poisson.pmf(y, e * rates) * rates**power
        return inner.sum() * 0.01 * sigma_log.pdf(sigma)

    total, first = (integrate.quad(integrand, 0, 4, args=(power,), epsabs=1e-13)[0] for power in (0, 1))
    posterior = exact.poisson([y], [e], mu_log=mu, sigma_log=sigma_log)
    assert posterior.log_evidence == pytest.approx(np.log(total), abs=1e-8)
    assert posterior["lam"].mean()[0] == pytest.approx(first / total, rel=1e-7)
    # P(x < mu): the density of x has a logarithmic peak at mu, for all steps are from there.
    half = (t < -0.005) + 0.5 * (np.abs(t) <= 0.005)

    def below_mu(sigma):
        inner = half * stats.norm.pdf(t) * stats.poisson.pmf(y, e * np.exp(mu + sigma * t))
        return inner.sum() * 0.01 * sigma_log.pdf(sigma)

    below = integrate.quad(below_mu, 0, 4, epsabs=1e-13)[0] / total
    assert posterior["lam"].cdf(np.exp(mu))[0] == pytest.approx(below, abs=1e-5)


@pytest.mark.slow
def test_slices_of_groups_give_what_the_whole_gives(monkeypatch):
    whole = exact.poisson(*HOSPITALS, mu_log=MU, sigma_log=SIGMA)
    mean, interval, replicated = whole["lam"].mean(), whole["lam"].hdi(0.89), whole["y_rep"].hdi(0.89)
    monkeypatch.setattr("hierarchical_exact.posterior.SLICE", 1)
    # The package's attribute of that name is the function.
    module = importlib.import_module("hierarchical_exact.poisson")
    monkeypatch.setattr(module, "_SLICE", 60_000)
    sliced = exact.poisson(*HOSPITALS, mu_log=MU, sigma_log=SIGMA)
    np.testing.assert_allclose(sliced["lam"].mean(), mean, rtol=1e-7)
    np.testing.assert_allclose(sliced["lam"].hdi(0.89), interval, rtol=1e-6)
    np.testing.assert_array_equal(sliced["y_rep"].hdi(0.89), replicated)
    np.testing.assert_allclose(sliced.elpd_loo, whole.elpd_loo, atol=1e-9)


@pytest.mark.slow
def test_many_groups():
    rng = np.random.default_rng(7)
    e = rng.uniform(0.5, 5, size=60)
    y = rng.poisson(e * rng.lognormal(0.5, 0.4, size=60))
    posterior = exact.poisson(y, e, mu_log=MU, sigma_log=SIGMA)
    mean = posterior["lam"].mean()
    more = exact.poisson(y + (np.arange(60) == 47), e, mu_log=MU, sigma_log=SIGMA)
    expected = (y[47] + 1) / e[47] * np.exp(more.log_evidence - posterior.log_evidence)
    assert mean[47] == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(posterior["y_rep"].mean(), e * mean, rtol=1e-6)


@pytest.mark.slow
def test_results_carry_the_labels_of_the_data():
    y, e = HOSPITALS
    names = [f"hospital {i + 1}" for i in range(8)]
    counts = xr.DataArray(y, dims="hospital", coords={"hospital": names})
    exposure = xr.DataArray(e, dims="hospital", coords={"hospital": names})
    for posterior in (
        exact.poisson(counts, exposure, mu_log=MU, sigma_log=SIGMA),
        exact.poisson(y, exposure, mu_log=MU, sigma_log=SIGMA),
    ):
        assert posterior["lam"].mean().dims == ("hospital",)
        assert posterior.elpd_loo.dims == ("hospital",)
        assert posterior["lam"].sel(hospital="hospital 5").mean() > 0
    assert list(posterior) == ["mu_log", "sigma_log", "lam", "lam_new", "y_rep"]
    assert exact.poisson(y, e, mu_log=MU, sigma_log=SIGMA)["y_rep"].mean().dims == ("group",)
    with pytest.raises(ValueError, match=r"(?s)exposure is labelled .*: give exposure.reindex_like"):
        exact.poisson(counts, exposure[::-1], mu_log=MU, sigma_log=SIGMA)
    with pytest.raises(ValueError, match=r"exposure is an array over .*: give it the dim of counts"):
        exact.poisson(counts, exposure.rename(hospital="ward"), mu_log=MU, sigma_log=SIGMA)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counts": [3, -1]}, r"counts.*-1"),
        ({"counts": [3, 1.5]}, r"counts.*1\.5"),
        ({"counts": [3, np.nan]}, r"counts.*nan"),
        ({"counts": [[3, 1]]}, r"counts.*shape \(1, 2\)"),
        ({"counts": []}, r"counts"),
        ({"exposure": [1.0, 0.0]}, r"exposure\[1\].* is 0"),
        ({"exposure": [1.0, -2.0]}, r"exposure\[1\].* is -2"),
        ({"exposure": [1.0, np.nan]}, r"exposure\[1\] is nan"),
        ({"exposure": [1.0, 2.0, 3.0]}, r"exposure is an array of 3: .*2 of them"),
        ({"sigma_log": stats.norm(0, 1)}, r"sigma_log.*below zero"),
        ({"sigma_log": -0.5}, r"sigma_log.*-0\.5"),
        ({"sigma_log": None}, r"sigma_log is None: give a proper prior"),
        ({"sigma_log": stats.halfnorm}, r"sigma_log is .*: give a frozen"),
        ({"mu_log": stats.norm}, r"mu_log is .*: give a frozen"),
        ({"mu_log": None}, r"mu_log is None: give a proper prior"),
        ({"mu_log": np.inf}, r"mu_log.*inf"),
        ({"mu_log": "normal"}, r"mu_log is .*: give a frozen"),
        ({"mu_log": stats.norm(0, -1)}, r"mu_log is norm with .*: give valid parameters"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(arguments, message):
    with pytest.raises(ValueError, match=message):
        exact.poisson(
            **({"counts": [3, 1], "exposure": [1.0, 2.0], "mu_log": MU, "sigma_log": SIGMA} | arguments)
        )


@pytest.mark.parametrize(
    ("spread", "mu_log", "sigma_log"),
    [
        (0.6, stats.norm(0, 1), stats.halfnorm(scale=1)),
        (0.0, stats.norm(0, 1), stats.halfnorm(scale=1)),  # the likelihood has no peak
        (0.6, stats.norm(2, 0.02), stats.halfnorm(scale=1)),  # contradicts the data
        (0.6, 0.4, stats.expon()),
        (0.6, stats.norm(0, 1), 0.9),
    ],
)
def test_many_groups_are_summed_as_few_are(spread, mu_log, sigma_log, monkeypatch):
    rng = np.random.default_rng(450)
    y = rng.poisson(2 * np.exp(rng.normal(0.3, spread, 450)))
    posterior = exact.poisson(y, 2.0, mu_log=mu_log, sigma_log=sigma_log)
    monkeypatch.setattr(importlib.import_module("hierarchical_exact.poisson"), "_MANY", 1000)
    one_by_one = exact.poisson(y, 2.0, mu_log=mu_log, sigma_log=sigma_log)
    assert posterior.log_evidence == pytest.approx(one_by_one.log_evidence, abs=1e-7)
    for name in ("mu_log", "sigma_log"):
        ours, theirs = posterior[name], one_by_one[name]
        assert abs(ours.mean() - theirs.mean()) <= 1e-7 * theirs.sd()
        assert ours.sd() == pytest.approx(theirs.sd(), rel=1e-7)


@pytest.mark.slow  # 450 groups are fitted three times, and three of them one by one
def test_rates_of_many_groups_at_once_are_those_found_one_by_one(monkeypatch):
    rng = np.random.default_rng(451)
    exposure = rng.uniform(0.5, 20, 450)
    y = rng.poisson(exposure * np.exp(rng.normal(0.3, 0.6, 450)))
    order = np.argsort(y)
    order[[1, 2]], order[[225, 449]] = order[[225, 449]], order[[1, 2]]
    y, exposure, some = y[order], exposure[order], {"group": [0, 1, 2]}
    at_once = exact.poisson(y, exposure, mu_log=MU, sigma_log=SIGMA)
    module = importlib.import_module("hierarchical_exact.poisson")
    monkeypatch.setattr(module, "lattice", lambda *_: None)
    one_by_one = exact.poisson(y, exposure, mu_log=MU, sigma_log=SIGMA)["lam"].sel(**some)
    probabilities = [0.01, 0.5, 0.99]
    sd, quantiles = one_by_one.sd(), one_by_one.quantile(probabilities)
    monkeypatch.setattr(module, "_integrate_rate", None)  # which takes them one by one
    ours = at_once["lam"].sel(**some)
    assert abs(ours.mean() - one_by_one.mean()).max() < 1e-6 * sd.min()
    np.testing.assert_allclose(ours.sd(), sd, rtol=1e-6)
    assert (abs(ours.quantile(probabilities) - quantiles) < 1e-5 * sd).all()
    without = exact.poisson(np.delete(y, 2), np.delete(exposure, 2), mu_log=MU, sigma_log=SIGMA)
    expected = at_once.log_evidence - without.log_evidence
    assert at_once.elpd_loo.values[2] == pytest.approx(expected, abs=1e-6)


def test_moments_are_told_where_two_rules_agree_on_the_density_alone():
    """Refused once, though ordinary: the rules differed by 1e-5 on the mean of the seventh rate.

    The reference: 401 values of mu, 601 of sigma, and 160 Gauss-Hermite nodes for the log rate.
    """
    posterior = exact.poisson(
        [2, 3, 3, 20, 0, 2, 1, 1],
        [2.1, 5.0, 1.3, 8.2, 0.7, 3.5, 6.1, 4.0],
        mu_log=stats.norm(0, 1),
        sigma_log=stats.halfnorm(scale=1),
    )
    assert posterior["lam"].mean().values[6] == pytest.approx(0.36725868, abs=2e-6)
    assert posterior["lam"].sd().values[6] == pytest.approx(0.21808301, abs=2e-6)


def test_the_rule_for_small_sigma_meets_that_for_larger_ones():
    """Laplace's with its correction, from counts of none to 1e12 and means far from them."""
    module = importlib.import_module("hierarchical_exact.poisson")
    counts = np.array([0, 0, 1, 3, 10, 1000, 1e7, 1e12])
    for sigma in (1e-12, 1e-4, 1e-3, 0.003):
        for mu in (-9.0, -1.5, 0.0, 0.3, 3.0):
            given = (
                counts,
                np.array([0, 20, 5, 0, -3, 0, 12, 20.0]),
                np.full((1, 1), mu),
                np.full((1, 1), sigma),
            )
            ours = module._group_integrals(*given, module._RULES[0], "logs")
            fine = module._group_integrals(*given, (0.5, 60.0, module._midpoints(400)), "logs")
            np.testing.assert_allclose(ours[0], fine[0], rtol=1e-14, atol=1e-10)
            np.testing.assert_allclose((ours[1] - fine[1]) / np.sqrt(fine[2]), 0, atol=1e-9)
            np.testing.assert_allclose(ours[2], fine[2], rtol=1e-9)
            ours = module._group_integrals(*given, module._RULES[0], "rates")
            fine = module._group_integrals(*given, (0.5, 60.0, module._midpoints(400)), "rates")
            np.testing.assert_allclose((ours[1] - fine[1]) / np.sqrt(fine[2]), 0, atol=1e-8)
            np.testing.assert_allclose(ours[2], fine[2], rtol=1e-5)
