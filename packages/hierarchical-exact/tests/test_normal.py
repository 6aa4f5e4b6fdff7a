"""Exact Normal posteriors against closed forms, brute-force integration and a published reference."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

import hierarchical_exact as exact

DATA = Path(__file__).parent / "data"
Y = np.array([28, 8, -3, 7, -1, 1, 18, 12.0])
SIGMA = np.array([15, 10, 16, 11, 9, 11, 10, 18.0])
MU, TAU = stats.norm(0, 20), stats.halfnorm(scale=10)


def brute_force(y, sigma, mu, tau, *, nodes=1201, width=12.0):
    """Sum over a dense rectangle of (mu, tau); theta by its textbook conditional. Shares no code."""
    high = tau.isf(1e-40)
    # Trapezoid sums converge fast in u with tau = exp(u).
    u = np.linspace(np.log(1e-9), np.log(high), nodes)
    t = np.exp(u)
    centre, spread = mu.mean(), mu.std()
    low, top = centre - width * spread, centre + width * spread
    m = np.linspace(low, top, 241)
    log_p = mu.logpdf(m)[:, None] + tau.logpdf(t) + u
    for y_j, s_j in zip(y, sigma, strict=True):
        log_p = log_p + stats.norm.logpdf(y_j, m[:, None], np.sqrt(s_j**2 + t**2))
    p = np.exp(log_p - log_p.max())
    step = (u[1] - u[0]) * (m[1] - m[0])
    evidence = np.log(p.sum() * step) + log_p.max()
    p /= p.sum()
    theta, second = [], []
    for y_j, s_j in zip(y, sigma, strict=True):
        precision = 1 / s_j**2 + 1 / t**2
        mean = (y_j / s_j**2 + m[:, None] / t**2) / precision
        theta.append((p * mean).sum())
        second.append((p * (mean**2 + 1 / precision)).sum())
    theta, second = np.array(theta), np.array(second)
    tau_mean = (p * t).sum()
    mu_mean = (p * m[:, None]).sum()
    return {
        "log_evidence": evidence,
        "tau": (tau_mean, np.sqrt((p * t**2).sum() - tau_mean**2)),
        "mu": (mu_mean, np.sqrt((p * m[:, None] ** 2).sum() - mu_mean**2)),
        "theta": (theta, np.sqrt(second - theta**2)),
        "tau_median": np.exp(np.interp(0.5, np.cumsum(p.sum(axis=0)), u + 0.5 * (u[1] - u[0]))),
    }


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    y=st.lists(st.floats(-30, 30), min_size=1, max_size=6),
    sigma=st.floats(2, 20),
    mu_sd=st.floats(3, 20),
    tau=st.sampled_from(
        [stats.halfnorm(scale=10), stats.halfnorm(scale=1), stats.gamma(2, scale=3), stats.expon(scale=5)]
    ),
)
def test_small_problems_agree_with_brute_force(y, sigma, mu_sd, tau):
    y = np.array(y)
    sigmas = sigma * (1 + 0.3 * np.arange(len(y)))
    mu = stats.norm(1.0, mu_sd)
    posterior = exact.normal(y, sigmas, mu=mu, tau=tau)
    truth = brute_force(y, sigmas, mu, tau)
    # The rectangle's own error: tau below 1e-9 is left out, and mu has steps of a tenth of an sd.
    assert posterior.log_evidence == pytest.approx(truth["log_evidence"], abs=1e-7)
    for name in ("tau", "mu", "theta"):
        np.testing.assert_allclose(posterior[name].mean(), truth[name][0], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(posterior[name].sd(), truth[name][1], rtol=2e-6)
    # The median is interpolated linearly between nodes a fiftieth apart.
    assert posterior["tau"].quantile(0.5) == pytest.approx(truth["tau_median"], rel=1e-4)


def test_eight_schools_to_a_millionth_by_adaptive_quadrature():
    """SciPy's QUADPACK on the collapsed posterior of tau, to 1e-12."""
    prior = stats.halfnorm(scale=10)

    def unnormalised(tau, power=0):
        variance = SIGMA**2 + tau**2
        covariance = np.diag(variance) + 400.0  # mu integrated out: mu ~ Normal(0, 20)
        density = stats.multivariate_normal(np.zeros(8), covariance).pdf(Y)
        return density * prior.pdf(tau) * tau**power

    moments = [
        integrate.quad(unnormalised, 0, 90, args=(k,), epsabs=0, epsrel=1e-11, limit=200)[0] for k in range(3)
    ]
    posterior = exact.normal(Y, SIGMA, mu=MU, tau=TAU)
    mean = moments[1] / moments[0]
    assert posterior.log_evidence == pytest.approx(np.log(moments[0]), abs=1e-9)
    assert posterior["tau"].mean() == pytest.approx(mean, rel=1e-8)
    assert posterior["tau"].sd() == pytest.approx(np.sqrt(moments[2] / moments[0] - mean**2), rel=1e-8)
    for x in (0.01, 1.0, 5.0, 20.0):
        below = integrate.quad(unnormalised, 0, x, epsabs=0, epsrel=1e-11)[0] / moments[0]
        assert posterior["tau"].cdf(x) == pytest.approx(below, rel=1e-7)
        assert posterior["tau"].pdf(x) == pytest.approx(unnormalised(x) / moments[0], rel=1e-7)


def test_published_reference_of_eight_schools():
    """posteriordb: mu ~ Normal(0, 5), tau ~ half-Cauchy(5), 10,000 independent draws."""
    reference = json.loads((DATA / "posteriordb-eight-schools.json").read_text())
    posterior = exact.normal(Y, SIGMA, mu=stats.norm(0, 5), tau=stats.halfcauchy(scale=5))
    mean = np.append(posterior["theta"].mean(), [posterior["mu"].mean(), posterior["tau"].mean()])
    sd = np.append(posterior["theta"].sd(), [posterior["mu"].sd(), posterior["tau"].sd()])
    z = (np.array(reference["mean_value"]) - mean) / reference["mcse_mean_value"]
    assert np.abs(z).max() < 4
    square = np.array(reference["mean_squared_value"]) - (mean**2 + sd**2)
    assert np.abs(square / reference["mcse_mean_squared_value"]).max() < 4


def test_known_scales_are_conjugate():
    # No pooling: every school by itself, theta ~ Normal(0, 20).
    alone = exact.normal(Y, SIGMA, mu=0, tau=20)
    variance = 1 / (1 / 400 + 1 / SIGMA**2)
    np.testing.assert_allclose(alone["theta"].mean(), variance * Y / SIGMA**2, rtol=1e-12)
    np.testing.assert_allclose(alone["theta"].sd(), np.sqrt(variance), rtol=1e-12)
    log_p = stats.norm.logpdf(Y, 0, np.sqrt(400 + SIGMA**2))
    assert alone.log_evidence == pytest.approx(log_p.sum(), rel=1e-12)
    # With one datum per group a left-out school is predicted from its prior alone.
    np.testing.assert_allclose(alone.elpd_loo, log_p, rtol=1e-10)
    # Complete pooling: a precision-weighted mean.
    together = exact.normal(Y, SIGMA, mu=MU, tau=0)
    precision = 1 / 400 + (1 / SIGMA**2).sum()
    assert together["mu"].mean() == pytest.approx((Y / SIGMA**2).sum() / precision, rel=1e-12)
    assert together["mu"].sd() == pytest.approx(precision**-0.5, rel=1e-12)
    np.testing.assert_allclose(together["theta"].mean(), together["mu"].mean(), rtol=1e-12)
    interval = stats.norm(together["mu"].mean(), together["mu"].sd()).interval(0.89)
    np.testing.assert_allclose(together["mu"].hdi(0.89), interval, rtol=1e-8)


@pytest.mark.parametrize("prior", [stats.uniform(6, 1e-9), stats.halfnorm(loc=6, scale=1e-6)])
def test_a_tau_prior_at_a_point_is_a_known_tau(prior):
    point, known = exact.normal(Y, SIGMA, mu=MU, tau=prior), exact.normal(Y, SIGMA, mu=MU, tau=6)
    np.testing.assert_allclose(point["theta"].mean(), known["theta"].mean(), rtol=1e-6)
    np.testing.assert_allclose(point["theta"].hdi(0.89), known["theta"].hdi(0.89), rtol=1e-5)
    assert point.log_evidence == pytest.approx(known.log_evidence, abs=1e-5)


def test_elpd_loo_is_a_ratio_of_evidences():
    posterior = exact.normal(Y, SIGMA, mu=MU, tau=TAU)
    for j in range(8):
        rest = exact.normal(np.delete(Y, j), np.delete(SIGMA, j), mu=MU, tau=TAU)
        assert float(posterior.elpd_loo[j]) == pytest.approx(
            posterior.log_evidence - rest.log_evidence, abs=1e-7
        )


def test_elpd_loo_of_an_outlier_that_reaches_beyond_the_grid():
    y = np.append(np.zeros(12), 60.0)
    posterior = exact.normal(y, np.ones(13), mu=MU, tau=stats.halfnorm(scale=30))
    rest = exact.normal(y[:-1], np.ones(12), mu=MU, tau=stats.halfnorm(scale=30))
    difference = posterior.log_evidence - rest.log_evidence
    assert float(posterior.elpd_loo[-1]) == pytest.approx(difference, abs=1e-7)


def test_chain_rule_of_the_evidence_and_the_predictive_density():
    """p(y, y9) = p(y) p(y9 | y), and a new school's prediction integrates its density."""
    posterior = exact.normal(Y, SIGMA, mu=MU, tau=TAU)
    both = exact.normal(np.append(Y, 5.0), np.append(SIGMA, 12.0), mu=MU, tau=TAU)
    predictive, _ = integrate.quad(
        lambda theta: posterior["theta_new"].pdf(theta) * stats.norm.pdf(5.0, theta, 12.0),
        -150,
        150,
        limit=200,
    )
    assert both.log_evidence - posterior.log_evidence == pytest.approx(np.log(predictive), abs=1e-7)


@pytest.mark.slow
@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(-1e3, 1e3), st.floats(0.01, 1e3))
def test_permutation_shift_and_scale(seed, shift, scale):
    rng = np.random.default_rng(seed)
    y, sigma = rng.normal(0, 10, 6), rng.uniform(3, 12, 6)
    order = rng.permutation(6)
    base = exact.normal(y, sigma, mu=MU, tau=TAU)
    moved = exact.normal(
        scale * y[order] + shift,
        scale * sigma[order],
        mu=stats.norm(shift, 20 * scale),
        tau=stats.halfnorm(scale=10 * scale),
    )
    atol = 1e-6 * scale * 10
    np.testing.assert_allclose(
        moved["theta"].mean(), scale * base["theta"].mean()[order] + shift, rtol=1e-8, atol=atol
    )
    np.testing.assert_allclose(moved["tau"].hdi(0.89), scale * base["tau"].hdi(0.89), rtol=1e-4, atol=atol)
    assert moved.log_evidence == pytest.approx(base.log_evidence - 6 * np.log(scale), abs=1e-6)


@pytest.mark.slow
def test_new_data_of_one_group_have_one_law():
    y, group = [71.0, 75, 62, 80, 66, 70], list("aabaab")
    priors = {"mu": stats.norm(50, 25), "tau": stats.halfnorm(scale=10), "sigma": stats.halfnorm(scale=15)}
    new = exact.normal_groups(y, group, **priors)["y_rep"]
    assert [laws for _, laws in new._laws()] == [2]
    square = new.expect(lambda x: x**2 + x["observation"] * 0)
    np.testing.assert_allclose(square, new.sd() ** 2 + new.mean() ** 2, rtol=1e-7)
    for ask in (
        lambda m: m.mean(),
        lambda m: m.hdi(0.9),
        lambda m: m.quantile([0.1, 0.6]),
        lambda m: m.cdf(70),
    ):
        every, some = ask(new), ask(new.sel(observation=[4, 1, 5, 2]))
        np.testing.assert_allclose(some, every.sel(observation=[4, 1, 5, 2]), rtol=1e-12)
        np.testing.assert_allclose(ask(new.sel(observation=2)), every.sel(observation=5), rtol=1e-12)
        assert np.any(every.sel(observation=0) != every.sel(observation=2))


def test_a_group_without_information_is_a_new_group():
    posterior = exact.normal(np.append(Y, 0.0), np.append(SIGMA, 1e9), mu=MU, tau=TAU)
    assert posterior["theta"].mean().values[-1] == pytest.approx(posterior["theta_new"].mean(), rel=1e-6)
    assert posterior["theta"].sd().values[-1] == pytest.approx(posterior["theta_new"].sd(), rel=1e-6)
    without = exact.normal(Y, SIGMA, mu=MU, tau=TAU)
    assert posterior["tau"].mean() == pytest.approx(without["tau"].mean(), rel=1e-6)


def test_flat_priors_against_quadpack_and_their_limits():
    posterior = exact.normal(Y, SIGMA, mu=None, tau=None)

    def unnormalised(tau, power=0):
        weight = 1 / (SIGMA**2 + tau**2)
        centre = (weight * Y).sum() / weight.sum()
        square = (weight * (Y - centre) ** 2).sum()
        return np.sqrt(weight.prod() / weight.sum()) * np.exp(-0.5 * square) * tau**power

    total, first = (
        integrate.quad(unnormalised, 0, np.inf, args=(k,), epsabs=0, epsrel=1e-11)[0] for k in (0, 1)
    )
    assert posterior["tau"].mean() == pytest.approx(first / total, rel=1e-7)
    with pytest.raises(ValueError, match="log_evidence"):
        _ = posterior.log_evidence
    # A wide Normal and a wide half-Normal tend to it.
    wide = exact.normal(Y, SIGMA, mu=stats.norm(0, 1e5), tau=stats.halfnorm(scale=1e5))
    np.testing.assert_allclose(wide["theta"].mean(), posterior["theta"].mean(), rtol=1e-5)
    np.testing.assert_allclose(wide.elpd_loo, posterior.elpd_loo, atol=1e-5)


def test_moments_of_tau_under_flat_priors_exist_as_theory_says():
    # The posterior of tau falls like tau^-(J - 1): a mean needs J >= 4 and a variance J >= 5.
    sds = []
    for size, mean_exists, sd_exists in ((3, False, False), (4, True, False), (5, True, True)):
        tau = exact.normal(Y[:size], SIGMA[:size], mu=None, tau=None)["tau"]
        assert np.isfinite(tau.mean()) == mean_exists
        assert np.isfinite(tau.sd()) == sd_exists
        assert np.isfinite(tau.quantile(0.5))
        sds.append(tau.sd())


@pytest.mark.parametrize(
    ("size", "mu", "tau", "refused"),
    [
        (1, None, stats.halfnorm(), False),
        (1, stats.norm(), None, True),
        (2, stats.norm(), None, False),
        (2, None, None, True),
        (3, None, None, False),
    ],
)
def test_improper_posteriors_are_refused(size, mu, tau, refused):
    if refused:
        with pytest.raises(ValueError, match=r"no proper posterior: .*proper prior"):
            exact.normal(Y[:size], SIGMA[:size], mu=mu, tau=tau)
    else:
        exact.normal(Y[:size], SIGMA[:size], mu=mu, tau=tau)
        with pytest.raises(ValueError, match="elpd_loo"):
            _ = exact.normal(Y[:size], SIGMA[:size], mu=mu, tau=tau).elpd_loo


def test_degenerate_data_work():
    one = exact.normal([3.0], [2.0], mu=MU, tau=TAU)
    assert one["theta"].sd().item() < 2.0
    same = exact.normal(np.full(8, 7.0), np.full(8, 10.0), mu=MU, tau=TAU)
    assert np.ptp(same["theta"].mean().values) < 1e-12
    assert same["mu"].mean() < same["theta"].mean().values[0] < 7
    # tau's posterior is densest at zero, so its interval starts there.
    assert same["tau"].hdi(0.89)[0] == 0
    piled = exact.normal(np.zeros(50), np.full(50, 1.0), mu=MU, tau=stats.halfcauchy(scale=1e-3))
    assert 0 < piled["tau"].mean() < 0.1


def test_a_covariate_against_the_full_gaussian_posterior():
    rng = np.random.default_rng(202)
    x = np.repeat([0.0, 1.0], [5, 3])
    posterior = exact.normal(Y, SIGMA, mu=MU, tau=6, covariates=x, beta=stats.norm(0, 10))
    design = np.column_stack([np.ones(8), x])
    precision = design.T @ np.diag(1 / (SIGMA**2 + 36)) @ design + np.diag([1 / 400, 1 / 100])
    covariance = np.linalg.inv(precision)
    mean = covariance @ design.T @ (Y / (SIGMA**2 + 36))
    assert posterior["mu"].mean() == pytest.approx(mean[0], rel=1e-10)
    assert posterior["beta"].mean() == pytest.approx(mean[1], rel=1e-10)
    assert posterior["beta"].sd() == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-10)
    full = np.diag(SIGMA**2 + 36) + 400 + 100 * np.outer(x, x)
    log_p = stats.multivariate_normal(np.zeros(8), full).logpdf(Y)
    assert posterior.log_evidence == pytest.approx(log_p, rel=1e-10)
    # A covariate that is all zeros changes nothing and leaves beta at its prior.
    plain = exact.normal(Y, SIGMA, mu=MU, tau=TAU)
    zero = exact.normal(Y, SIGMA, mu=MU, tau=TAU, covariates=np.zeros(8), beta=stats.norm(0, 10))
    assert zero.log_evidence == pytest.approx(plain.log_evidence, abs=1e-9)
    assert zero["beta"].sd() == pytest.approx(10.0, rel=1e-9)
    two = exact.normal(Y, SIGMA, mu=MU, tau=TAU, covariates=rng.normal(size=(8, 2)), beta=stats.norm(0, 10))
    assert two["beta"].mean().dims == ("covariate",)


def test_marginals_are_distributions():
    posterior = exact.normal(Y, SIGMA, mu=MU, tau=TAU)
    q = np.array([0.01, 0.055, 0.5, 0.945, 0.99])
    for name in posterior:
        marginal = posterior[name]
        x = marginal.quantile(q)
        if marginal.size == 1:
            np.testing.assert_allclose([marginal.cdf(v) for v in x.values], q, atol=1e-9)
        low, high = (marginal.hdi(0.89).sel(ci_bound=end) for end in ("lower", "upper"))
        shortest = marginal.quantile(0.945) - marginal.quantile(0.055)
        assert np.all(high - low <= shortest + 1e-9)
    theta = posterior["theta"].sel(group=0)
    low, high = theta.hdi(0.89).values
    assert theta.cdf(high) - theta.cdf(low) == pytest.approx(0.89, abs=1e-8)
    assert theta.pdf(high) == pytest.approx(theta.pdf(low), rel=1e-5)
    area, _ = integrate.quad(theta.pdf, -100, 100, limit=200)
    assert area == pytest.approx(1, abs=1e-8)


def test_replicated_data_add_the_noise():
    posterior = exact.normal(Y, SIGMA, mu=MU, tau=TAU)
    np.testing.assert_allclose(posterior["y_rep"].mean(), posterior["theta"].mean(), rtol=1e-12)
    np.testing.assert_allclose(
        posterior["y_rep"].sd(), np.sqrt(posterior["theta"].sd() ** 2 + SIGMA**2), rtol=1e-10
    )


def test_results_carry_the_labels_of_the_data():
    effect = xr.DataArray(Y, dims="school", coords={"school": list("ABCDEFGH")})
    posterior = exact.normal(effect, SIGMA, mu=MU, tau=TAU)
    assert posterior["theta"].mean().dims == ("school",)
    assert posterior["theta"].hdi(0.89).dims == ("school", "ci_bound")
    assert float(posterior.elpd_loo.sel(school="A")) == pytest.approx(float(posterior.elpd_loo[0]))
    one = posterior["theta"].sel(school="E")
    assert one.mean() == pytest.approx(float(posterior["theta"].mean().sel(school="E")))
    assert one.quantile(0.3) == pytest.approx(
        float(posterior["theta"].quantile(0.3).sel(school="E")), rel=1e-9
    )
    with pytest.raises(KeyError, match="lambda"):
        posterior["lambda"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sigma": [1, 0]}, r"sigma\[1\] is 0: give positive numbers"),
        ({"sigma": [1, -2]}, r"sigma\[1\] is -2: give positive"),
        ({"y": [1, np.nan]}, r"y\[1\] is nan: give finite numbers"),
        ({"sigma": [1, 2, 3]}, "sigma is an array of 3: give one entry per group, 2"),
        ({"y": []}, "y is an array of .*: give one dimension"),
        ({"y": ["a", "b"]}, "y is .*: give numbers"),
        ({"tau": stats.norm(0, 1)}, "tau is norm with support from -inf: give a prior without mass below"),
        ({"tau": -1.0}, "tau is -1.0: give a finite number that is not negative"),
        ({"tau": "half-Normal"}, "tau is .half-Normal.: give a frozen scipy.stats"),
        ({"tau": stats.halfnorm(scale=-1)}, "tau is halfnorm with .*: give valid parameters"),
        ({"mu": stats.cauchy(0, 1)}, "mu is cauchy: give a Normal prior"),
        ({"covariates": [1, 2, 3], "beta": stats.norm(0, 1)}, r"covariates is an array .*: give \(2,\)"),
        ({"covariates": [1, 2]}, "beta is None: give a proper Normal prior"),
        ({"beta": stats.norm(0, 1)}, "give covariates too"),
    ],
)
def test_bad_input_is_named(arguments, message):
    arguments = {"y": [1.0, 2.0], "sigma": [1.0, 2.0], "mu": MU, "tau": TAU} | arguments
    with pytest.raises(ValueError, match=message):
        exact.normal(**arguments)


def test_standard_errors_in_another_order_than_the_effects_are_refused():
    names = {"school": list("ABCDEFGH")}
    y = xr.DataArray(Y, dims="school", coords=names)
    sigma = xr.DataArray(SIGMA, dims="school", coords=names)
    with pytest.raises(ValueError, match=r"(?s)sigma is labelled .*: give sigma.reindex_like\(y\)"):
        exact.normal(y, sigma[::-1], mu=MU, tau=TAU)
    with pytest.raises(ValueError, match=r"sigma is an array over .*: give it the dim of y, 'school'"):
        exact.normal(y, sigma.rename(school="site"), mu=MU, tau=TAU)
    assert (
        exact.normal(y, sigma[::-1].reindex_like(y), mu=MU, tau=TAU)["mu"].mean()
        == exact.normal(Y, SIGMA, mu=MU, tau=TAU)["mu"].mean()
    )


def test_bad_questions_are_refused():
    tau = exact.normal(Y, SIGMA, mu=MU, tau=TAU)["tau"]
    with pytest.raises(ValueError, match=r"q is 1\.0: give probabilities strictly between 0 and 1"):
        tau.quantile(1.0)
    with pytest.raises(ValueError, match=r"prob is 89\.0: give probabilities strictly between 0 and 1"):
        tau.hdi(89)
    with pytest.raises(ValueError, match="prob is an array of <U3: give probabilities"):
        tau.hdi("0.5")


def test_a_value_for_each_group_is_not_taken_for_points_at_which_all_are_asked():
    theta = exact.normal(xr.DataArray(Y, dims="school"), SIGMA, mu=MU, tau=TAU)["theta"]
    with pytest.raises(ValueError, match=r"x has a value for each group.*to one group, `sel`, at a time"):
        theta.cdf(xr.DataArray(Y, dims="school"))
    points = theta.cdf(xr.DataArray([0.0, 1.0], dims="point"))
    np.testing.assert_array_equal(points, theta.cdf([0.0, 1.0]))


# -- unknown common sigma -------------------------------------------------------------------------

SCORES = np.array([71.0, 75, 80, 62, 66, 90, 84, 88, 79])
SECTION = np.array(["a", "a", "a", "b", "b", "c", "c", "c", "c"])
PRIORS = {
    "mu": stats.norm(50, 25),
    "tau": stats.halfnorm(scale=10),
    "sigma": stats.halfnorm(scale=15),
}


def dense_normal_groups(y, group, priors):
    """Marginal likelihood by the full N-dimensional Gaussian on a dense grid of (tau, sigma)."""
    same = (group[:, None] == group[None, :]).astype(float)
    u, v = np.linspace(np.log(1e-6), np.log(60), 400), np.linspace(np.log(0.3), np.log(90), 200)
    log_p = np.empty((len(u), len(v)))
    for j, log_sigma in enumerate(v):
        for i, log_tau in enumerate(u):
            covariance = np.exp(2 * log_sigma) * np.eye(len(y)) + np.exp(2 * log_tau) * same + 625.0
            factor = np.linalg.cholesky(covariance)
            whitened = np.linalg.solve(factor, y - 50)
            log_p[i, j] = -0.5 * whitened @ whitened - np.log(np.diag(factor)).sum()
    log_p += priors["tau"].logpdf(np.exp(u))[:, None] + u[:, None]
    log_p += priors["sigma"].logpdf(np.exp(v)) + v - 0.5 * len(y) * np.log(2 * np.pi)
    p = np.exp(log_p - log_p.max())
    total = p.sum() * (u[1] - u[0]) * (v[1] - v[0])
    p /= p.sum()
    return {
        "log_evidence": np.log(total) + log_p.max(),
        "tau": (p.sum(axis=1) @ np.exp(u)),
        "sigma": (p.sum(axis=0) @ np.exp(v)),
    }


@pytest.mark.slow
def test_normal_groups_agree_with_the_full_gaussian_on_a_dense_grid():
    posterior = exact.normal_groups(SCORES, SECTION, **PRIORS)
    truth = dense_normal_groups(SCORES, SECTION, PRIORS)
    # The dense grid leaves out tau below 1e-6, of prior probability 8e-8.
    assert posterior.log_evidence == pytest.approx(truth["log_evidence"], abs=1e-5)
    assert posterior["tau"].mean() == pytest.approx(truth["tau"], rel=1e-5)
    assert posterior["sigma"].mean() == pytest.approx(truth["sigma"], rel=1e-5)


def test_normal_groups_with_known_sigma_are_the_known_variance_model():
    groups = exact.normal_groups(SCORES, SECTION, mu=PRIORS["mu"], tau=PRIORS["tau"], sigma=6.0)
    averages = [SCORES[name == SECTION].mean() for name in "abc"]
    known = exact.normal(averages, 6 / np.sqrt([3, 2, 4]), mu=PRIORS["mu"], tau=PRIORS["tau"])
    np.testing.assert_allclose(groups["theta"].mean(), known["theta"].mean(), rtol=1e-8)
    np.testing.assert_allclose(groups["theta"].sd(), known["theta"].sd(), rtol=1e-8)
    assert groups["tau"].quantile(0.9) == pytest.approx(known["tau"].quantile(0.9), rel=1e-7)


def test_normal_groups_leave_one_out_is_a_ratio_of_evidences():
    posterior = exact.normal_groups(SCORES, SECTION, **PRIORS)
    for n in (0, 3, 8):
        rest = exact.normal_groups(np.delete(SCORES, n), np.delete(SECTION, n), **PRIORS)
        difference = posterior.log_evidence - rest.log_evidence
        assert float(posterior.elpd_loo[n]) == pytest.approx(difference, abs=1e-5)


def test_normal_sample_against_quadpack():
    y = SCORES[:5]
    posterior = exact.normal_sample(y, mu=stats.norm(50, 25), sigma=stats.halfnorm(scale=15))

    def unnormalised(sigma, power=0):
        covariance = sigma**2 * np.eye(5) + 625.0
        density = stats.multivariate_normal(np.full(5, 50.0), covariance).pdf(y)
        return density * stats.halfnorm(scale=15).pdf(sigma) * sigma**power

    total, first = (
        integrate.quad(unnormalised, 1e-3, 150, args=(k,), epsabs=0, epsrel=1e-10, points=[6, 12])[0]
        for k in (0, 1)
    )
    assert posterior.log_evidence == pytest.approx(np.log(total), abs=1e-7)
    assert posterior["sigma"].mean() == pytest.approx(first / total, rel=1e-7)


def test_normal_groups_name_and_order_their_groups():
    score = xr.DataArray(SCORES, dims="student")
    instructor = xr.DataArray(SECTION[::-1], dims="student", name="instructor")
    posterior = exact.normal_groups(score, instructor, **PRIORS)
    theta = posterior["theta"].mean()
    assert theta.dims == ("instructor",)
    assert list(theta["instructor"].values) == ["c", "b", "a"]
    assert posterior.elpd_loo.dims == ("student",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"group": ["a"]}, "group is an array of .*: give a label for each of 3 observations"),
        ({"sigma": None}, "sigma is None: give a proper prior"),
        ({"sigma": 0}, "sigma is 0: give the positive sd"),
        ({"sigma": stats.norm(1, 1)}, "sigma is norm with .*: give a prior without mass below"),
        ({"y": [4.0, 4.0, 9.0]}, "y is constant within every group"),
    ],
)
def test_bad_groups_are_named(arguments, message):
    arguments = {"y": [1.0, 2.0, 5.0], "group": ["a", "a", "b"], **PRIORS} | arguments
    with pytest.raises(ValueError, match=message):
        exact.normal_groups(**arguments)


@pytest.mark.slow
def test_a_million_groups_recover_the_population():
    """Recovery within 4 standard errors at J = 100,000; the benchmark runs a million."""
    rng = np.random.default_rng(11)
    size = 100_000
    sigma = rng.uniform(1, 5, size)
    theta = rng.normal(3, 2, size)
    posterior = exact.normal(rng.normal(theta, sigma), sigma, mu=MU, tau=TAU)
    assert abs(posterior["mu"].mean() - 3) < 4 * posterior["mu"].sd()
    assert abs(posterior["tau"].mean() - 2) < 4 * posterior["tau"].sd()
    z = (theta - posterior["theta"].mean().values) / posterior["theta"].sd().values
    assert abs(z.mean()) < 4 / np.sqrt(size)
    assert abs((z**2).mean() - 1) < 4 * np.sqrt(2 / size)
    assert isinstance(posterior["theta"].mean(), xr.DataArray)


def test_few_nodes_stand_for_all_in_many_groups(monkeypatch):
    """Moments, quantiles and intervals; and without them the same."""
    rng = np.random.default_rng(58)
    group = np.repeat(np.arange(1000), rng.integers(1, 9, 1000))
    y = rng.normal(rng.normal(50, 5, 1000)[group], 8)
    priors = {"mu": stats.norm(50, 25), "tau": stats.halfnorm(scale=10), "sigma": stats.halfnorm(scale=15)}
    few = exact.normal_groups(y, group, **priors)
    monkeypatch.setattr(import_module("hierarchical_exact.normal"), "lattice", lambda *_: None)
    many = exact.normal_groups(y, group, **priors)
    assert few["theta"]._nodes < 300 < 1000 < many["theta"]._nodes
    for name, dim in (("theta", "group"), ("y_rep", "observation")):
        one, other = (of[name].sel(**{dim: np.arange(0, 1000, 90)}) for of in (few, many))
        for ask in (lambda m: m.mean(), lambda m: m.quantile([0.001, 0.5, 0.9]), lambda m: m.hdi(0.89)):
            assert float(abs((ask(one) - ask(other)) / other.sd()).max()) < 1e-6
        assert float(abs(one.sd() / other.sd() - 1).max()) < 1e-6
    low, high = few["theta"].hdi(0.89).values.T
    some = few["theta"].sel(group=7)
    np.testing.assert_allclose(some.pdf(low[7]), some.pdf(high[7]), rtol=1e-6)
    assert some.cdf(high[7]) - some.cdf(low[7]) == pytest.approx(0.89, abs=1e-9)


@pytest.mark.parametrize(
    ("size", "pairs", "odd"), [(2000, 400, 80.0), (5000, 10, 100.0), (20_000, 1000, 200.0)]
)
def test_an_odd_group_is_told_as_well_wherever_it_stands(size, pairs, odd):
    """Its mean is known so much worse than the scales that nodes near enough for all others are too few."""
    rng = np.random.default_rng(2)
    count = np.ones(size, dtype=int)
    count[-pairs:] = 2
    group = np.repeat(np.arange(size), count)
    y = rng.normal(rng.normal(0, 1, size)[group], 1)
    y[7] = odd
    scale = stats.halfnorm(scale=10)
    sigma = stats.lognorm(0.08) if pairs == 10 else scale
    found = []
    for place in (7, 0):
        moved = y.copy()
        moved[[7, place]] = y[[place, 7]]
        posterior = exact.normal_groups(moved, group, mu=stats.norm(0, 10), tau=scale, sigma=sigma)
        theta = posterior["theta"].sel(group=place)
        x = theta.mean() + theta.sd() * np.linspace(-3, 3, 7)
        found.append([*theta.quantile([0.01, 0.5]).values, *theta.cdf(x).values, *theta.pdf(x).values])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_groups_of_one_observation_against_a_sum_over_both_scales():
    rng = np.random.default_rng(2026)
    group = np.append(np.arange(23), [0, 1])
    y = rng.normal(0, 1, 23)[group] + rng.normal(0, 1.5, 25)
    # Even functions of both scales, so that the trapezoidal rule converges at once.
    step = 0.06
    line = step * np.arange(100)
    tau, sigma = (x.ravel() for x in np.meshgrid(line, line[1:], indexing="ij"))
    same = (group[:, None] == group).astype(float)
    log_density = np.concatenate(
        [
            _log_multivariate_normal(
                y, 100 + t[:, None, None] ** 2 * same + s[:, None, None] ** 2 * np.eye(25)
            )
            for t, s in zip(np.split(tau, 100), np.split(sigma, 100), strict=True)
        ]
    )
    log_density += stats.halfnorm(scale=3).logpdf(tau) + stats.halfnorm(scale=2).logpdf(sigma)
    mass = np.exp(log_density - log_density.max()) * np.where(tau == 0, 0.5, 1.0)
    posterior = exact.normal_groups(
        y, group, mu=stats.norm(0, 10), tau=stats.halfnorm(scale=3), sigma=stats.halfnorm(scale=2)
    )
    log_evidence = log_density.max() + np.log(mass.sum() * step**2)
    assert posterior.log_evidence == pytest.approx(log_evidence, abs=1e-5)
    mass /= mass.sum()
    for name, x in (("tau", tau), ("sigma", sigma)):
        for f in (np.square, lambda x: np.exp(-4 * x**2)):
            assert posterior[name].expect(f) == pytest.approx(mass @ f(x), rel=1e-5)
    assert posterior["theta_new"].sd() ** 2 == pytest.approx(
        mass @ tau**2 + posterior["mu"].sd() ** 2, rel=1e-5
    )


def _log_multivariate_normal(y, covariance):
    """Log density at y of centred Normals, (K,)."""
    root = np.linalg.cholesky(covariance)
    standard = np.linalg.solve(root, np.broadcast_to(y[:, None], (len(root), len(y), 1)))[..., 0]
    log_determinant = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    return -0.5 * ((standard**2).sum(axis=1) + len(y) * np.log(2 * np.pi)) - log_determinant


def test_what_is_written_on_a_result_stays_there():
    def mean():
        return exact.normal([1.0, 2, 3], 1.0, mu=MU, tau=TAU)["theta"].mean()

    first = mean()
    first["group"].attrs["units"] = "schools"
    assert mean()["group"].attrs == {}
    with pytest.raises(ValueError, match="read-only"):
        first["group"].values[0] = 9
