"""Exact posteriors under a Normal population of log odds: sums over dense grids, other rules, invariances."""

import numpy as np
import pytest
import xarray as xr
from scipy import special, stats
from test_binomial import RATS, TUMOURS

import hierarchical_exact as exact
from hierarchical_exact import logit

PRIORS = {"mu": stats.norm(-2, 1), "tau": stats.halfnorm(scale=1)}
Y, N = [0, 3, 9, 2], [6, 8, 9, 40]


def by_sums(y, n, mu, tau, x):
    """Posterior under `PRIORS` by sums over grids of mu, tau and each group's log odds."""
    prior = stats.norm.pdf(mu[:, None], -2, 1) * stats.halfnorm.pdf(tau)
    population = stats.norm.pdf(x, mu[:, None, None], tau[:, None]).reshape(-1, len(x)) * (x[1] - x[0])
    likelihood = stats.binom.pmf(y, n, special.expit(x)[:, None])
    each = population @ likelihood
    weight = prior.ravel() * each.prod(axis=1)
    evidence = weight.sum() * (mu[1] - mu[0]) * (tau[1] - tau[0])
    weight = weight / weight.sum()
    joint = (weight[:, None] / each).T @ population * likelihood.T
    return {
        "mu": weight @ np.repeat(mu, len(tau)),
        "tau": weight @ np.tile(tau, len(mu)),
        "theta": joint @ special.expit(x),
        "below": joint[:, x < -2].sum(axis=1) + 0.5 * joint[:, np.isclose(x, -2)].sum(axis=1),
        "new": weight @ population @ special.expit(x),
        "elpd": -np.log(weight @ (1 / each)),
        "log_evidence": np.log(evidence),
    }


def agree(posterior, found, near):
    for name in ("mu", "tau"):
        assert posterior[name].mean() == pytest.approx(found[name], abs=near), name
    assert posterior["theta_new"].mean() == pytest.approx(found["new"], abs=near)
    assert posterior.log_evidence == pytest.approx(found["log_evidence"], abs=near)
    np.testing.assert_allclose(posterior["theta"].mean(), found["theta"], atol=near)
    np.testing.assert_allclose(
        posterior["theta"].cdf(special.expit(-2)), found["below"], atol=max(near, 4e-4)
    )
    np.testing.assert_allclose(posterior.elpd_loo, found["elpd"], atol=near)


@pytest.mark.slow
def test_tumours_of_rats_by_sums():
    mu, tau, x = np.linspace(-2.9, -1.1, 46), np.linspace(0.02, 1.9, 48), np.arange(-440, 201) * 0.025
    agree(exact.logit_normal(TUMOURS, RATS, **PRIORS), by_sums(TUMOURS, RATS, mu, tau, x), 1e-6)


def test_few_groups_by_sums():
    """Here tau may be next to nothing: midpoints, each wider than a step of x."""
    mu, tau, x = np.linspace(-6, 3, 100), (np.arange(70) + 0.5) * 0.075, np.arange(-1000, 801) * 0.02
    agree(exact.logit_normal(Y, N, **PRIORS), by_sums(Y, N, mu, tau, x), 1e-3)


@pytest.mark.parametrize("tau", [1e-9, 0.01, 0.06, 0.3, 1.0, 3.9, 4.1, 40.0])
def test_all_rules_of_a_group_agree(tau):
    """Those with nodes of their own for each integral have a mode and ends for each."""
    groups = logit._Groups(np.array([0.0, 3, 50, 7, 0]), np.array([20.0, 9, 50, 1000, 0]))
    mu, scales = np.array([-6.0, -2.0, 0.5]), tau * np.array([1.0, 1.3, 0.9])
    found = groups.moments(mu, scales, 2)
    alone = groups._one_by_one(groups.y, groups.n, mu, scales, 2)
    alone[0] += special.gammaln(groups.n + 1) - special.gammaln(groups.y + 1)
    alone[0] -= special.gammaln(groups.n - groups.y + 1)
    np.testing.assert_allclose(found[0], alone[0], atol=2e-7)
    np.testing.assert_allclose(found[2:], alone[2:], atol=1e-9)
    assert found[1].max() < 1e-8
    # Of no trials nothing is known.
    np.testing.assert_allclose(found[0][:, 4], 0, atol=1e-9)


def test_one_integral_by_scipy():
    groups = logit._Groups(np.array([7.0]), np.array([1000.0]))
    u = np.linspace(-12, 12, 200_001)
    chance = stats.binom.pmf(7, 1000, special.expit(-3.0 + 0.8 * u)) * stats.norm.pdf(u)
    wanted = np.log(chance.sum() * (u[1] - u[0]))
    assert groups.moments(np.array([-3.0]), np.array([0.8]), 0)[0].item() == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("y", "n", "mu", "tau"),
    [
        pytest.param(1265, 1269, -11.99469074170956, 0.11743578127631253, id="Newton alternates"),
        pytest.param(4, 4, -10.8, 4.8e19, id="all in a wide population"),
        pytest.param(0, 1000, 3.0, 1e6, id="none in a wide population"),
    ],
)
def test_the_mode_and_the_ends_of_an_integral_are_found(y, n, mu, tau):
    mode, width = logit._mode(np.array([y]), np.array([n]), np.array([[mu]]), np.array([[tau]]))

    def log_density(x):
        return y * special.log_expit(x) + (n - y) * special.log_expit(-x) - 0.5 * ((x - mu) / tau) ** 2

    peak = log_density(mode)
    for side in (-1, 1):
        assert log_density(mode + side * width) < peak + 0.01
        end = logit._end(y, n, mu, tau, mode, peak, side)
        assert log_density(mode + side * end) == pytest.approx(peak - logit._FALL, abs=1)


def test_successes_and_failures_may_be_exchanged():
    y, n = np.array(Y), np.array(N)
    one = exact.logit_normal(y, n, **PRIORS)
    other = exact.logit_normal(n - y, n, mu=stats.norm(2, 1), tau=PRIORS["tau"])
    assert one.log_evidence == pytest.approx(other.log_evidence, abs=1e-6)
    np.testing.assert_allclose(one["theta"].quantile(0.2), 1 - other["theta"].quantile(0.8), atol=1e-5)
    assert one["theta_new"].sd() == pytest.approx(other["theta_new"].sd(), abs=1e-5)


def test_a_group_without_trials_is_a_new_group():
    posterior = exact.logit_normal([3, 9, 0], [8, 10, 0], **PRIORS)
    for q in (0.05, 0.5, 0.95):
        new = posterior["theta_new"].quantile(q)
        assert posterior["theta"].quantile(q).values[2] == pytest.approx(new, abs=1e-6)
    assert posterior.elpd_loo.values[2] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("tau", [0.3, 5.0, 300.0])
def test_without_any_trials_there_is_only_the_prior(tau):
    posterior = exact.logit_normal([0], [0], mu=stats.norm(1, 0.5), tau=tau)
    u = np.linspace(-10, 10, 400_001)
    theta, weight = special.expit(1 + np.hypot(0.5, tau) * u), stats.norm.pdf(u) / stats.norm.pdf(u).sum()
    mean = weight @ theta
    for marginal in (posterior["theta"].sel(group=0), posterior["theta_new"]):
        assert marginal.mean() == pytest.approx(mean, abs=1e-5)
        assert marginal.sd() == pytest.approx(np.sqrt(weight @ (theta - mean) ** 2), rel=1e-5)


def test_many_trials_leave_a_normal_population_of_known_log_odds():
    x = np.array([-1.2, -0.4, 0.3, 1.1])
    n = np.full(4, 1_000_000)
    posterior = exact.logit_normal((special.expit(x) * n).round(), n, **PRIORS)
    error = np.sqrt(1 / (n * special.expit(x) * special.expit(-x)))
    normal = exact.normal(x, error, **PRIORS)
    for name in ("mu", "tau"):
        assert posterior[name].mean() == pytest.approx(normal[name].mean(), abs=1e-4)


def test_joint_draws_have_the_marginals():
    posterior = exact.logit_normal(Y, N, **PRIORS)
    draws = posterior.sample(4000, np.random.default_rng(17))
    for name in ("mu", "tau", "theta", "theta_new"):
        for q in (0.1, 0.5, 0.9):
            below = (draws[name] < posterior[name].quantile(q)).mean("sample")
            assert np.abs(below - q).max() < 4.5 * np.sqrt(q * (1 - q) / 4000), (name, q)
    apart = draws["y_rep"].mean("sample") - posterior["y_rep"].mean()
    assert (np.abs(apart) < 4.5 * posterior["y_rep"].sd() / np.sqrt(4000)).all()
    tree = posterior.to_datatree(draws=50, rng=np.random.default_rng(1))
    wanted = stats.binom.logpmf(Y, N, tree["posterior"]["theta"])
    np.testing.assert_allclose(tree["log_likelihood"]["successes"], wanted, rtol=1e-9)


def test_a_known_tau_and_labels():
    y = xr.DataArray(Y, dims="lot", coords={"lot": list("abcd")})
    posterior = exact.logit_normal(y, N, mu=PRIORS["mu"], tau=0.3)
    assert posterior["tau"].mean() == 0.3
    assert posterior["theta"].sel(lot="c").mean() > posterior["theta"].sel(lot="a").mean()
    # The narrower the population, the more alike.
    wide = exact.logit_normal(y, N, mu=PRIORS["mu"], tau=3.0)["theta"].mean()
    assert np.ptp(wide.values) > np.ptp(posterior["theta"].mean().values)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"successes": [7, 3, 9, 2]}, r"successes\[0\] is 7 of trials\[0\] = 6"),
        ({"trials": 10_000_000}, "trials has 1e"),
        ({"mu": None}, "mu is None"),
        ({"mu": 0.0}, "mu is 0.0"),
        ({"mu": stats.cauchy(0, 1)}, "mu is cauchy"),
        ({"tau": 0.0}, "tau is 0"),
        ({"tau": None}, "tau is None"),
        ({"tau": stats.norm(0, 1)}, "tau is norm"),
    ],
)
def test_what_is_not_as_described_is_refused(changed, message):
    call = {"successes": Y, "trials": N, **PRIORS} | changed
    with pytest.raises(ValueError, match=message):
        exact.logit_normal(call.pop("successes"), call.pop("trials"), **call)


@pytest.mark.parametrize("tau", [30.0, 300.0, 1e4, 1e9])
def test_populations_far_wider_than_a_likelihood_make_either_outcome_as_probable(tau):
    """The mean of a proportion is 1/2 by symmetry, and so is that of its seventh power as tau grows."""
    symmetric = exact.logit_normal([0], [1], mu=stats.norm(0, 1), tau=tau)
    assert np.exp(symmetric.log_evidence) == pytest.approx(0.5, rel=1e-8)
    seven = exact.logit_normal([0], [7], mu=stats.norm(0, 1), tau=tau)
    # Where the log odds x are near zero E[(1 - theta)^7] loses the harmonic number 1 + 1/2 + ... + 1/6 of x.
    near = 0.5 - sum(1 / k for k in range(1, 7)) / np.sqrt(2 * np.pi) / np.hypot(1, tau)
    assert np.exp(seven.log_evidence) == pytest.approx(near, abs=10 / tau**3 + 1e-9)


@pytest.mark.slow
def test_leaving_out_a_precise_group_beside_others_gives_the_ratio_of_evidences():
    """Without it the population may be narrow and elsewhere, where with it no number is small enough."""
    y, n, tau = np.array([220_935, 0, 151]), np.array([441_571, 1, 313]), stats.halfnorm(scale=2.4)
    posterior, others = (
        exact.logit_normal(a, b, mu=stats.norm(1.6, 1.4), tau=tau) for a, b in ((y, n), (y[1:], n[1:]))
    )
    ratio = posterior.log_evidence - others.log_evidence
    assert posterior.elpd_loo.values[0] == pytest.approx(ratio, abs=1e-6)


@pytest.mark.parametrize(
    ("y", "n", "mean", "sd", "tau"),
    [
        ([6, 331511], [11, 582509], 3.33, 0.36, stats.expon(scale=1.5)),
        ([1], [1], 2.2, 1.04, stats.invgamma(3, scale=0.73)),
        ([3, 8], [8, 9], 0.0, 3.0, stats.halfcauchy(scale=3)),
    ],
    ids=["wide beside many trials", "one trial", "heavy"],
)
def test_a_proportion_next_to_one_is_a_failure_next_to_zero(y, n, mean, sd, tau):
    """Of a wide population some lie so near to one that floating-point numbers end before."""
    y, n = np.array(y), np.array(n)
    successes = exact.logit_normal(y, n, mu=stats.norm(mean, sd), tau=tau)["theta_new"]
    failures = exact.logit_normal(n - y, n, mu=stats.norm(-mean, sd), tau=tau)["theta_new"]
    assert failures.sf(0.0) == 1
    for q in (0.9, 0.99, 0.999, 1 - 1e-4):
        rest = 1 - successes.quantile(q)  # with as many digits as one has
        slack = np.finfo(float).eps
        assert failures.cdf(rest - slack) * 0.99 < 1 - q < failures.cdf(rest + slack) * 1.01
    assert successes.cdf([-0.1, 0.0, 1.0, 1.1]).values.tolist() == [0, 0, 1, 1]
    assert successes.pdf([-0.1, 1.1]).values.tolist() == [0, 0]


def test_replicated_counts_of_a_proportion_next_to_an_end():
    # SciPy's own chances end in an overflow at one of the nodes.
    mu, tau = (
        stats.norm(0.4138311487923788, 0.1495129275203666),
        stats.invgamma(3.0, scale=0.36304117265540836),
    )
    posterior = exact.logit_normal([0, 7, 0], [2, 273, 6], mu=mu, tau=tau)
    for group, n in enumerate([2, 273, 6]):
        counts, theta = posterior["y_rep"].sel(group=group), posterior["theta"].sel(group=group)
        assert counts.pdf(np.arange(n + 1)).sum() == pytest.approx(1, abs=1e-9)
        assert counts.mean() == pytest.approx(n * theta.mean(), rel=1e-6)
