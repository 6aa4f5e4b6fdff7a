"""Exact posteriors of proportions against sums over a dense grid, a published posterior and invariances."""

import pickle

import numpy as np
import pytest
import xarray as xr
from scipy import special, stats

import hierarchical_exact as exact

# Tarone (1982), as in Gelman et al. (2013, table 5.1): tumours of rats, and rats, in 71 experiments.
TUMOURS = [0] * 14 + [1] * 8 + [2] * 9 + [1, 5, 2, 5, 3, 2, 7, 7, 3, 3, 2, 9, 10]
TUMOURS += [4] * 7 + [10, 4, 4, 4, 5, 11, 12, 5, 5, 6, 5, 6, 6, 6, 6, 16, 15, 15, 9, 4]
RATS = [20] * 7 + [19] * 4 + [18, 18, 17] + [20] * 4 + [19, 19, 18, 18, 25, 24, 23] + [20] * 6
RATS += [10, 49, 19, 46, 27, 17, 49, 47, 20, 20, 13, 48, 50] + [20] * 7 + [48, 19, 19, 19, 22, 46, 49]
RATS += [20, 20, 23, 19, 22, 20, 20, 20, 52, 46, 47, 24, 14]


def test_tumours_of_rats_have_the_published_beta_population():
    """Under the prior (alpha + beta)^(-5/2) of BDA3, the means of alpha and beta are 2.4 and 14.3."""
    assert (len(TUMOURS), sum(TUMOURS), sum(RATS)) == (71, 267, 1739)
    # In mean and concentration that is uniform and kappa^(-3/2), here from 0.001 on.
    posterior = exact.beta_binomial(
        TUMOURS, RATS, mean=stats.uniform(0, 1), concentration=stats.pareto(0.5, scale=1e-3)
    )
    m, k = np.meshgrid(np.linspace(0.08, 0.22, 71), np.exp(np.linspace(0.5, 6, 200)), indexing="ij")
    y, n = np.array(TUMOURS), np.array(RATS)
    log_p = -0.5 * np.log(k)  # kappa^(-3/2), and the step of a log
    for one, size in zip(y, n, strict=True):
        log_p += special.betaln(m * k + one, (1 - m) * k + size - one) - special.betaln(m * k, (1 - m) * k)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    assert (p * m * k).sum() == pytest.approx(2.4, abs=0.05)
    assert (p * (1 - m) * k).sum() == pytest.approx(14.3, abs=0.2)
    # The tail of the concentration, which has no mean, is in neither this table nor the book's.
    assert np.isinf(posterior["concentration"].mean())
    whole = posterior["concentration"].cdf(np.exp(6))
    for cut in (10.0, 20.0, 40.0):
        assert posterior["concentration"].cdf(cut) / whole == pytest.approx(p[k < cut].sum(), abs=0.01)
    last = (p * (m * k + y[-1]) / (k + n[-1])).sum()
    assert posterior["theta"].mean()[-1] == pytest.approx(last, rel=1e-3)


def test_beta_binomial_is_dirichlet_multinomial_with_two_categories():
    y, n = xr.DataArray([3, 0, 7], dims="lot", coords={"lot": list("abc")}), np.array([9, 5, 7])
    posterior = exact.beta_binomial(y, n, mean=stats.beta(2, 3), concentration=stats.expon(scale=5))
    whole = exact.dirichlet_multinomial(
        np.stack([y, n - y], axis=1), alpha=stats.expon(scale=5), baseline=[2, 3]
    )
    assert posterior.log_evidence == pytest.approx(whole.log_evidence, abs=1e-9)
    np.testing.assert_allclose(posterior.elpd_loo, whole.elpd_loo)
    shares, baseline = whole["pi"].mean(), whole["pi0"].mean()
    assert posterior["theta"].mean().sel(lot="b") == pytest.approx(float(shares[1, 0]), rel=1e-9)
    assert posterior["mean"].mean() == pytest.approx(float(baseline[0]), rel=1e-9)


def test_a_uniform_prior_of_the_mean_is_a_beta_prior_however_it_is_written():
    known = exact.beta_binomial([3, 1], [10, 20], mean=stats.beta(1, 1), concentration=5)
    for mean in (stats.uniform(0, 1), stats.Uniform(a=0, b=1), stats.beta(1, 1, loc=0)):
        posterior = exact.beta_binomial([3, 1], [10, 20], mean=mean, concentration=5)
        assert posterior.log_evidence == pytest.approx(known.log_evidence, abs=1e-9)
    skewed = exact.beta_binomial([3, 1], [10, 20], mean=stats.beta(2, 1), concentration=5)
    wanted = stats.make_distribution(stats.beta)(a=2.0, b=1.0)
    again = exact.beta_binomial([3, 1], [10, 20], mean=wanted, concentration=5)
    assert again.log_evidence == pytest.approx(skewed.log_evidence, abs=1e-9)


def test_successes_and_failures_may_be_exchanged():
    y, n = np.array([0, 3, 9, 2]), np.array([6, 8, 9, 40])
    one = exact.beta_binomial(y, n, mean=stats.beta(2, 3), concentration=stats.expon(scale=9))
    other = exact.beta_binomial(n - y, n, mean=stats.beta(3, 2), concentration=stats.expon(scale=9))
    assert one.log_evidence == pytest.approx(other.log_evidence, abs=1e-8)
    np.testing.assert_allclose(one["theta"].hdi(0.89)[:, ::-1], 1 - other["theta"].hdi(0.89), atol=1e-5)


def test_a_group_without_trials_is_a_new_group():
    priors = {"mean": stats.beta(1, 1), "concentration": stats.expon(scale=9)}
    posterior = exact.beta_binomial([3, 9, 0], [8, 10, 0], **priors)
    assert posterior["theta"].mean()[2] == pytest.approx(posterior["theta_new"].mean(), abs=1e-6)
    assert posterior.elpd_loo[2] == pytest.approx(0, abs=1e-6)


def test_joint_draws_have_the_marginals():
    priors = {"mean": stats.beta(1, 2), "concentration": stats.expon(scale=9)}
    posterior = exact.beta_binomial([0, 3, 12], [6, 8, 40], **priors)
    draws = posterior.sample(4000, np.random.default_rng(20261127))
    for name, one in posterior.items():
        z = (draws[name].mean("sample") - one.mean()) / (one.sd() / np.sqrt(4000))
        assert np.abs(z).max() < 4
        if name != "y_rep":
            distance = np.abs((draws[name] <= one.quantile(0.2)).mean("sample") - 0.2)
            assert distance.max() < 4 * 0.4 / np.sqrt(4000)
    tree = posterior.to_datatree(draws=50, rng=np.random.default_rng(1))
    expected = stats.binom.logpmf([0, 3, 12], [6, 8, 40], tree["posterior"]["theta"])
    np.testing.assert_allclose(tree["log_likelihood"]["successes"], expected, rtol=1e-9)
    again = pickle.loads(pickle.dumps(posterior))
    assert again["theta"].mean().equals(posterior["theta"].mean())


PRIORS = {"mean": stats.beta(1, 1), "concentration": stats.expon(scale=5)}


@pytest.mark.parametrize(
    ("successes", "trials", "message"),
    [
        ([3, 11], [10, 10], r"successes\[1\] is 11 of trials\[1\] = 10"),
        ([[3, 1]], [10, 10], "one dimension"),
        ([0.5, 1], [10, 10], "whole numbers"),
        ([3, 1], [10, -1], "trials is not all whole numbers"),
        ([3, 1], [10, 10, 10], "one entry per group"),
    ],
)
def test_bad_data_name_the_argument(successes, trials, message):
    with pytest.raises(ValueError, match=message):
        exact.beta_binomial(successes, trials, **PRIORS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": stats.norm(0, 1)}, "mean is norm"),
        ({"mean": None}, "mean is None: give a Beta prior"),
        ({"mean": 0.3}, "mean is 0.3: give a Beta prior"),
        ({"mean": stats.beta}, "give a Beta prior"),
        ({"mean": stats.triang(0.5)}, "mean is triang"),
        ({"mean": stats.beta([1, 2], 1)}, "give valid parameters"),
        ({"mean": stats.beta(1, 1, scale=2)}, "mean is beta"),
        ({"concentration": 0}, "concentration is 0"),
        ({"concentration": np.int64(0)}, "concentration is "),
        ({"concentration": None}, "concentration is None"),
        ({"concentration": stats.norm(0, 1)}, "concentration is norm"),
    ],
)
def test_bad_priors_of_a_beta_population_name_the_argument(change, message):
    with pytest.raises(ValueError, match=message):
        exact.beta_binomial([3, 1], [10, 10], **(PRIORS | change))


@pytest.mark.parametrize(
    ("concentration", "message"),
    [
        (stats.lomax(0.01), "posterior of concentration does not decay towards infinity"),
        (stats.gamma(1e10), "integration over concentration does not converge"),
        (1e-300, "concentration is between 1e-300"),
    ],
)
def test_what_fails_deep_inside_speaks_of_the_concentration(concentration, message):
    with pytest.raises((ValueError, ArithmeticError), match=message):
        exact.beta_binomial([3, 0, 4], [4, 0, 4], mean=stats.beta(1, 1), concentration=concentration)


@pytest.mark.parametrize("concentration", [1e16, 1e90])
def test_groups_that_are_known_to_be_alike_are_one(concentration):
    posterior = exact.beta_binomial([3, 0, 4], [4, 0, 4], mean=stats.beta(1, 1), concentration=concentration)
    q = np.array([0.05, 0.5, 0.95])
    for law in (posterior["mean"], posterior["theta_new"], posterior["theta"].sel(group=1)):
        np.testing.assert_allclose(law.quantile(q), stats.beta(8, 2).ppf(q), atol=1e-5)
