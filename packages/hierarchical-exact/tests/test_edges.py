"""Where the numbers once went wrong without a word: each against a truth of its own."""

import mpmath
import numpy as np
import pytest
from reference import Normal
from scipy import stats

import hierarchical_exact as exact

Y = np.array([28, 8, -3, 7, -1, 1, 18, 12.0])
SIGMA = np.array([15, 10, 16, 11, 9, 11, 10, 18.0])
MU, TAU = stats.norm(0, 20), stats.halfnorm(scale=10)
YEARS = np.arange(2001.0, 2009.0)


@pytest.mark.parametrize(
    ("y", "sigma", "mu"),
    [
        ([0, 1e-3, 2e-3, 1e5, -1e5], [1e-6, 1e-6, 1e-6, 1e6, 1e6], (0.0, np.inf)),
        ([0.3, 0.5, 1, 2, 3], [1e-8, 1e-4, 1, 1e4, 1e8], (0.0, 20.0)),
        ([0.3, 0.4, 1e8], [1e-8, 1e-3, 1e8], (0.0, np.inf)),
    ],
    ids=["a million times better", "sixteen decades", "flat"],
)
def test_standard_errors_of_very_different_sizes(y, sigma, mu):
    y, sigma = np.array(y, dtype=float), np.array(sigma)
    truth = Normal(y, sigma, mu, TAU)
    posterior = exact.normal(y, sigma, mu=None if np.isinf(mu[1]) else stats.norm(*mu), tau=TAU)
    mean, sd = truth.tau_moments()
    assert posterior["tau"].mean() == pytest.approx(mean, abs=1e-6 * sd)
    assert posterior["tau"].sd() == pytest.approx(sd, rel=1e-6)
    if np.isfinite(mu[1]):
        assert posterior.log_evidence == pytest.approx(truth.log_evidence, abs=1e-7)
    j = int(np.argmin(sigma))
    rest = Normal(np.delete(y, j), np.delete(sigma, j), mu, TAU)
    expected = truth.log_evidence - rest.log_evidence
    assert float(posterior.elpd_loo[j]) == pytest.approx(expected, abs=1e-6)


def test_complete_pooling_of_a_precise_and_a_vague_group():
    mu = exact.normal([0.3, 1e8], [1e-8, 1e8], mu=None, tau=0)["mu"]
    with mpmath.workdps(50):
        precise, vague = mpmath.mpf(1e-8) ** -2, mpmath.mpf(1e8) ** -2
        mean = (mpmath.mpf(0.3) * precise + mpmath.mpf(1e8) * vague) / (precise + vague)
    assert abs(mu.mean() - float(mean)) < 1e-6 * mu.sd()


def test_a_precise_group_far_from_the_prior_stays_where_it_was_measured():
    posterior = exact.normal([0.3, 0.7], [1e-8, 1.0], mu=stats.norm(1e9, 10), tau=1e8)
    # The prior pulls it by sigma^2 / (sigma^2 + tau^2) of a thousand million: nothing.
    assert abs(posterior["theta"].mean().values[0] - 0.3) < 1e-6 * 1e-8
    assert posterior["theta"].sd().values[0] == pytest.approx(1e-8, rel=1e-9)


@pytest.mark.parametrize("name", ["mu", "theta_new", "theta"])
def test_quantiles_far_from_zero_are_those_near_it(name):
    q = np.array([1e-6, 0.05, 0.5, 0.95, 1 - 1e-6])
    near = exact.normal(Y, SIGMA, mu=MU, tau=TAU)[name]
    far = exact.normal(Y + 2.0**30, SIGMA, mu=stats.norm(2.0**30, 20), tau=TAU)[name]
    shift = far.quantile(q) - 2.0**30 - near.quantile(q)
    assert float(np.abs(shift / near.sd()).max()) < 1e-7


def test_flat_priors_leave_three_groups_without_a_mean():
    posterior = exact.normal(Y[:3], SIGMA[:3], mu=None, tau=None)
    for name in ("mu", "tau", "theta_new"):
        assert posterior[name].mean() == np.inf
        assert np.isfinite(posterior[name].quantile(0.5))
    assert np.isfinite(posterior["theta"].mean()).all()


@pytest.mark.parametrize("shape", [0.5, 0.98, 1.0, 1.02, 1.04, 1.5])
def test_moments_of_tau_near_the_limit_of_their_existence(shape):
    # With one group the posterior of tau falls like tau to minus (shape + 2): an sd needs a shape above 1.
    tau = exact.normal([1.0], [1.0], mu=stats.norm(0, 1), tau=stats.lomax(shape))["tau"]

    def density(t, power):
        # In s = log t, so that quad sees the tail.
        variance = 2 + mpmath.exp(2 * t)
        log_p = -(shape + 1) * mpmath.log1p(mpmath.exp(t)) - mpmath.log(variance) / 2 - 1 / (2 * variance)
        return mpmath.exp(log_p + (power + 1) * t)

    cuts = [-60, -10, -4, 0, 4, 10, 30, 100, 400, 2000, 8000]
    total, first, second = (mpmath.quad(lambda t, k=k: density(t, k), cuts) for k in range(3))
    mean = float(first / total)
    assert tau.mean() == pytest.approx(mean, rel=1e-6)
    if shape <= 1:
        assert tau.sd() == np.inf
    else:
        assert tau.sd() == pytest.approx(float(mpmath.sqrt(second / total - mean**2)), rel=1e-6)


def test_a_moment_that_cannot_be_told_is_refused_and_nothing_else():
    tau = exact.normal([1.0], [1.0], mu=None, tau=stats.lognorm(30))["tau"]
    with pytest.raises(ArithmeticError, match="too slowly to tell this moment"):
        tau.mean()
    assert tau.quantile(0.5) == pytest.approx(1, rel=1e-5)


def test_covariates_far_from_zero_are_centred_ones():
    centred = exact.normal(Y, SIGMA, mu=None, tau=TAU, covariates=YEARS - 2000, beta=stats.norm(0, 1))
    years = exact.normal(Y, SIGMA, mu=None, tau=TAU, covariates=YEARS, beta=stats.norm(0, 1))
    stamps = exact.normal(
        Y, SIGMA, mu=None, tau=TAU, covariates=2.0**30 + YEARS * 2.0**20, beta=stats.norm(0, 2.0**-20)
    )
    for other, unit in ((years, 1), (stamps, 2.0**-20)):
        assert other["beta"].mean() / unit == pytest.approx(centred["beta"].mean(), rel=1e-7)
        assert other["beta"].sd() / unit == pytest.approx(centred["beta"].sd(), rel=1e-7)
        np.testing.assert_allclose(other["theta"].mean(), centred["theta"].mean(), rtol=1e-7)


def test_a_covariate_given_twice_shares_its_coefficient():
    # The sum of two coefficients Normal(0, 1) is Normal(0, sqrt(2)); their difference is not touched.
    once = exact.normal(Y, SIGMA, mu=MU, tau=TAU, covariates=YEARS - 2004, beta=stats.norm(0, 2**0.5))
    columns = np.column_stack([YEARS - 2004, YEARS - 2004])
    twice = exact.normal(Y, SIGMA, mu=MU, tau=TAU, covariates=columns, beta=stats.norm(0, 1))
    np.testing.assert_allclose(twice["beta"].mean(), once["beta"].mean() / 2, rtol=1e-8)
    np.testing.assert_allclose(twice["beta"].sd(), np.sqrt(once["beta"].sd() ** 2 / 4 + 0.5), rtol=1e-8)
    assert twice.log_evidence == pytest.approx(once.log_evidence, abs=1e-8)


def test_equal_observations_with_a_prior_that_keeps_sigma_from_zero():
    prior = stats.invgamma(2, scale=1)
    posterior = exact.normal_sample([4.0, 4.0, 4.0], mu=0.0, sigma=prior)

    def density(s, power):
        return s ** (power - 3 - 3) * mpmath.exp(-1 / s - 3 * 16 / (2 * s**2))

    total, first = (mpmath.quad(lambda s, k=k: density(s, k), [0, 1, 4, 20, mpmath.inf]) for k in (0, 1))
    assert posterior["sigma"].mean() == pytest.approx(float(first / total), rel=1e-6)
    with pytest.raises(ValueError, match="improper"):
        exact.normal_sample([4.0, 4.0, 4.0], mu=None, sigma=stats.halfnorm())
    grouped = exact.normal_groups([4.0, 4.0, 4.0], ["a", "a", "a"], mu=4.0, tau=0, sigma=prior)
    # Nothing but the prior and the powers of sigma: inverse gamma with three more.
    assert grouped["sigma"].mean() == pytest.approx(stats.invgamma(5, scale=1).mean(), rel=1e-6)


@pytest.mark.parametrize("mu_log", [stats.norm(0, 100), stats.cauchy(0, 1)], ids=["wide", "Cauchy"])
def test_wide_priors_of_the_log_rate_are_not_refused(mu_log):
    posterior = exact.poisson([30, 41, 26], [10.0, 12.0, 9.0], mu_log=mu_log, sigma_log=0.0)
    counts, exposure = 97, 31.0

    def density(x, power=0):
        return mpmath.exp(counts * x - exposure * mpmath.exp(x)) * float(mu_log.pdf(float(x))) * x**power

    total, first = (mpmath.quad(lambda x, k=k: density(x, k), [-1, 0.5, 1, 1.14, 1.3, 2, 3]) for k in (0, 1))
    assert posterior["mu_log"].mean() == pytest.approx(float(first / total), abs=1e-7)


def test_what_contradicts_or_cannot_be_meant_is_named():
    with pytest.raises(ArithmeticError, match="data and priors contradict each other"):
        exact.normal([1.0, 2.0], [1.0, 1.0], mu=MU, tau=stats.halfnorm(scale=1e-300))
    with pytest.raises(ValueError, match="y is a masked array"):
        exact.normal(np.ma.masked_array(Y, Y < 0), SIGMA, mu=MU, tau=TAU)
    with pytest.raises(ValueError, match="y is complex"):
        exact.normal(Y + 1j, SIGMA, mu=MU, tau=TAU)
    huge = exact.poisson([10**13], [1.0], mu_log=stats.norm(30, 1), sigma_log=0.0)
    with pytest.raises(ArithmeticError, match="too many to list"):
        huge["y_rep"].mean()


def test_the_error_is_there_to_be_seen_and_covers_the_true_one():
    posterior = exact.normal(Y, SIGMA, mu=MU, tau=TAU)
    truth = Normal(Y, SIGMA, (0.0, 20.0), TAU)
    assert 0 < posterior.error <= 1e-6
    for j in range(8):
        mean, sd = truth.moments(truth.theta(j))
        off = abs(float(posterior["theta"].mean()[j]) - float(mean + Y[j])) / sd
        assert off <= posterior.error
