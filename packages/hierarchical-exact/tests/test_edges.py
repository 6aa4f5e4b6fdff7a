"""Where the numbers once went wrong without a word: each against a truth of its own."""

from fractions import Fraction

import mpmath
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from reference import Groups, Normal
from reference_counts import Dirichlet, Poisson
from scipy import special, stats

import hierarchical_exact as exact
from hierarchical_exact import accuracy

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


def test_a_leave_one_out_density_of_what_all_else_contradicts():
    y, sigma, x = np.array([-10.18774977, 14.06151748]), np.array([0.00326972, 0.00414981]), [1980, 1986]
    mean, sd, slope = 498136.2, 274.6, 0.0872
    posterior = exact.normal(
        y, sigma, mu=stats.norm(mean, sd), tau=0.0, covariates=x, beta=stats.norm(0, slope)
    )

    def log_evidence(rows):
        with mpmath.workdps(60):
            design = mpmath.matrix([[mpmath.mpf(sd), mpmath.mpf(x[i]) * mpmath.mpf(slope)] for i in rows])
            covariance = design * design.T + mpmath.diag([mpmath.mpf(sigma[i]) ** 2 for i in rows])
            left = mpmath.matrix([mpmath.mpf(y[i]) - mpmath.mpf(mean) for i in rows])
            square = (left.T * mpmath.lu_solve(covariance, left))[0]
            log_determinant = mpmath.log(mpmath.det(covariance))
            return -(square + log_determinant + len(rows) * mpmath.log(2 * mpmath.pi)) / 2

    for j in (0, 1):
        expected = float(log_evidence([0, 1]) - log_evidence([1 - j]))
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


@pytest.mark.parametrize("y", [[5.0, 6.0], [5.0, 6.0, 7.0]])
def test_the_sd_of_a_mean_exists_if_that_of_an_unknown_sigma_does(y):
    # Under a flat mu its variance is the mean of sigma^2 / n, and sigma falls like sigma^-(n + 1).
    n, squares = len(y), np.var(y) * len(y)
    prior = stats.halfcauchy(scale=1)
    groups = exact.normal_groups(y, np.zeros(n), mu=None, tau=0.0, sigma=prior)
    sample = exact.normal_sample(y, mu=None, sigma=prior)

    def density(s, power):
        return s ** (power + 1 - n) * mpmath.exp(-squares / (2 * s**2)) / (1 + s**2)

    cuts = [0, 0.3, 1, 3, 10, 100, mpmath.inf]
    total = mpmath.quad(lambda s: density(s, 0), cuts)
    sd = np.inf if n == 2 else float(mpmath.sqrt(mpmath.quad(lambda s: density(s, 2), cuts) / total / n))
    for law in (groups["theta"].sel(group=0), sample["mu"]):
        assert law.mean() == pytest.approx(np.mean(y), abs=1e-9)
        assert law.sd() == pytest.approx(sd, rel=1e-6)
        upper = mpmath.quad(
            lambda s: density(s, 0) * mpmath.ncdf(-(6.5 - np.mean(y)) * n**0.5 / s) if s else 0, cuts
        )
        assert law.sf(6.5) == pytest.approx(float(upper / total), abs=1e-7)


def test_a_prior_whose_upper_quartile_is_no_number():
    # Up to the largest numbers next to all of the posterior is where 1 / tau, the prior, tells nothing.
    y, sigma, prior = Y[:5], SIGMA[:5], stats.invgamma(0.001, scale=0.001)
    truth, posterior = Normal(y, sigma, (0.0, 20.0), prior), exact.normal(y, sigma, mu=MU, tau=prior)
    assert posterior.log_evidence == pytest.approx(truth.log_evidence, abs=1e-7)
    mean, sd = truth.tau_moments()
    assert posterior["tau"].mean() == pytest.approx(mean, abs=1e-6 * sd)


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


def test_a_moment_on_a_far_tail_is_told():
    # One observation, and a covariate so large that beta's sd rests on tau near 1e16, a mass of 1e-10.
    y, sigma, m, s, scale, x, b = 8.6e9, 1.9e6, 1e10, 8e7, 2e6, 1.6e9, 4e7
    beta = exact.normal(
        [y], [sigma], mu=stats.norm(m, s), tau=stats.halfcauchy(scale=scale),
        covariates=[x], beta=stats.norm(0, b),
    )["beta"]  # fmt: skip
    # Given tau, beta is one coefficient of a regression; over the log of tau, by equal steps.
    u = np.arange(-10.0, 80, 0.01)
    rest = sigma**2 + s**2 + np.exp(2 * u)
    total = rest + (x * b) ** 2
    p = stats.halfcauchy.pdf(np.exp(u), scale=scale) * np.exp(u - 0.5 * (y - m) ** 2 / total) / np.sqrt(total)
    p /= p.sum()
    given, variance = x * b**2 * (y - m) / total, b**2 * rest / total
    mean = p @ given
    assert beta.sd() == pytest.approx(np.sqrt(p @ (variance + (given - mean) ** 2)), rel=1e-6)
    assert beta.mean() == pytest.approx(mean, abs=1e-6 * beta.sd())


@pytest.mark.parametrize(
    ("y", "sigma", "mu"),
    [
        ([1.0, 2, 3, 4], [1e-9, 1e9, 1e-9, 1e9], (0.0, 10.0)),
        ([1.0, 2, 1.5, 4, 5], [1e-9, 1e-9, 1e9, 1e9, 1e9], (0.0, np.inf)),
    ],
    ids=["mu", "flat"],
)
def test_a_flat_prior_of_tau_beside_very_precise_and_very_vague_groups(y, sigma, mu):
    # The mean of tau rests on eighteen decades: its density falls slowly from one size to the other.
    truth = Normal(np.array(y), np.array(sigma), mu, None)
    posterior = exact.normal(y, sigma, mu=None if np.isinf(mu[1]) else stats.norm(*mu), tau=None)
    mean, sd = truth.tau_moments()
    assert posterior["tau"].mean() == pytest.approx(mean, rel=1e-6)
    assert posterior["tau"].sd() == pytest.approx(sd, rel=1e-6)
    for j in range(len(y)):
        sd = truth.moments(truth.theta(j))[1]
        assert float(posterior["theta"].sd()[j]) == pytest.approx(float(sd), rel=1e-6)


def test_a_covariate_whose_digits_are_lost_is_refused():
    """One group has its own theta whatever beta is; mu and beta x are 1e20 wide."""
    call = {"mu": None, "tau": stats.halfcauchy(scale=250), "beta": stats.norm(0, 8.7e10)}
    with pytest.raises(ArithmeticError, match="subtract from each covariate its mean"):
        exact.normal([-6.7e8], [255.0], covariates=[1.6e9], **call)
    seconds = 1.7e12 + 1e3 * np.arange(8.0)
    schools = [28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18]
    priors = {"mu": None, "tau": stats.halfnorm(scale=10), "beta": stats.norm(0, 1)}
    with pytest.raises(
        ArithmeticError, match=r"covariates lie far from zero .*: subtract from each covariate its mean"
    ):
        exact.normal(*schools, covariates=seconds, **priors)
    assert exact.normal(*schools, covariates=seconds - seconds.mean(), **priors).error < 1e-6
    theta = exact.normal([-6.7e8], [255.0], covariates=[0.0], **call)["theta"]
    assert theta.quantile(0.9) + 6.7e8 == pytest.approx(255 * stats.norm.ppf(0.9), abs=1e-6 * 255)


def test_an_sd_is_not_told_about_another_point_than_the_mean():
    """Where the mean of mu, hundreds of sds from its prior's, could not be told, the sd was 5 % too large."""
    y, sigma, x = (
        np.array([9.47488696, 11.57790308]),
        np.array([1.38054939, 3.20028755]),
        np.array([1964.0, 1952]),
    )
    mu, beta, tau = (377095.4068, 865.6157), (0.0, 0.034444607), stats.halfnorm(scale=2.9823873)
    call = {"mu": stats.norm(*mu), "tau": tau, "covariates": x, "beta": stats.norm(*beta)}
    table = exact.normal(y, sigma, **call).summary()
    truth = Normal(y, sigma, mu, tau, x, beta)
    for name, law in (("mu", truth.mu()), ("theta_new", truth.theta_new()), ("beta", truth.beta())):
        sd = table.loc[name if name in table.index else f"{name}[0]", "sd"]
        assert np.isnan(sd) or sd == pytest.approx(float(truth.moments(law)[1]), rel=1e-6)


@pytest.mark.parametrize(("y", "sigma", "mu"), [([12019.0, 9997.0], [0.9546, 0.5078], (9998.0, 79.3))])
def test_left_out_beside_an_odd_group(y, sigma, mu):
    """Two groups force tau to two thousand times its prior's median; one alone leaves it there."""
    y, sigma, tau = np.array(y), np.array(sigma), stats.lognorm(0.3, scale=0.1)
    whole = Normal(y, sigma, mu, tau).log_evidence
    alone = [Normal(y[j : j + 1], sigma[j : j + 1], mu, tau).log_evidence for j in (1, 0)]
    posterior = exact.normal(y, sigma, mu=stats.norm(*mu), tau=tau)
    np.testing.assert_allclose(posterior.elpd_loo, whole - np.array(alone), atol=1e-6)


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


def test_equal_observations_with_a_prior_that_hardly_keeps_sigma_from_zero():
    # The search for the mass comes to where squares of sigma are no numbers.
    posterior = exact.normal_groups([1.0, 1, 3], [0, 0, 1], mu=0.0, tau=1.0, sigma=stats.gamma(1.2))
    # By equal steps of the log of sigma, which converge exponentially.
    s = np.exp(np.arange(-250, 6, 0.01))
    mass = s**0.2 * np.exp(-s - 1 / (s**2 + 2) - 4.5 / (s**2 + 1)) / np.sqrt((s**2 + 2) * (s**2 + 1))
    assert posterior["sigma"].mean() == pytest.approx(mass @ s / mass.sum(), rel=1e-6)


@pytest.mark.parametrize("mu_log", [stats.norm(0, 100), stats.cauchy(0, 1)], ids=["wide", "Cauchy"])
def test_wide_priors_of_the_log_rate_are_not_refused(mu_log):
    posterior = exact.poisson([30, 41, 26], [10.0, 12.0, 9.0], mu_log=mu_log, sigma_log=0.0)
    counts, exposure = 97, 31.0

    def density(x, power=0):
        return mpmath.exp(counts * x - exposure * mpmath.exp(x)) * float(mu_log.pdf(float(x))) * x**power

    total, first = (mpmath.quad(lambda x, k=k: density(x, k), [-1, 0.5, 1, 1.14, 1.3, 2, 3]) for k in (0, 1))
    assert posterior["mu_log"].mean() == pytest.approx(float(first / total), abs=1e-7)


def test_what_contradicts_or_cannot_be_meant_is_named():
    with pytest.raises(ArithmeticError, match=r"mu is a difference of numbers near .*, too large"):
        exact.normal(
            [1e17, 1.00000001e17], [1e6, 1e9], mu=stats.norm(2e10, 2e5), tau=stats.halfcauchy(scale=3e8)
        )
    with pytest.raises(ArithmeticError, match="data and priors contradict each other"):
        exact.normal([1.0, 2.0], [1.0, 1.0], mu=MU, tau=stats.halfnorm(scale=1e-300))
    with pytest.raises(ValueError, match="y is a masked array"):
        exact.normal(np.ma.masked_array(Y, Y < 0), SIGMA, mu=MU, tau=TAU)
    with pytest.raises(ValueError, match="y is complex"):
        exact.normal(Y + 1j, SIGMA, mu=MU, tau=TAU)
    with pytest.raises(ValueError, match="mu is cauchy: give a Normal prior"):
        exact.normal_groups(Y, np.arange(8) % 3, mu=stats.cauchy(), tau=TAU, sigma=TAU)


def test_data_so_far_from_zero_that_digits_are_missing_say_so():
    def normal(shift):
        return exact.normal(Y + shift, SIGMA, mu=None, tau=TAU)

    def groups(shift):
        return exact.normal_groups(Y + shift, np.arange(8) % 3, mu=None, tau=TAU, sigma=TAU)

    for make, nearer in ((normal, 2.0**34), (groups, 2.0**37)):
        for far in (1e12, 1e14):
            with pytest.raises(
                ArithmeticError, match=r"near 1e\+1[24] have too few digits .*: give y and the prior"
            ):
                make(far)
        # As long as there is an answer, those that are not far from zero are as near it.
        tau, same = make(nearer)["tau"], make(0.0)["tau"]
        assert tau.mean() == pytest.approx(same.mean(), abs=1e-6 * same.sd())
    with pytest.raises(ArithmeticError, match="stays above 1e-06, perhaps since a prior is too heavy-tailed"):
        accuracy.refine(lambda _: (None, 1.0), tolerance=1e-6)


def test_labels_in_another_order_are_refused_by_name():
    schools = xr.DataArray(Y, dims="school", coords={"school": list("ABCDEFGH")})
    years = schools.copy(data=YEARS)
    turned = {"sigma": schools.copy(data=SIGMA)[::-1], "covariates": years[::-1]}
    with pytest.raises(ValueError, match=r"sigma is labelled .* give sigma\.reindex_like\(y\)"):
        exact.normal(schools, turned["sigma"], mu=MU, tau=TAU)
    with pytest.raises(ValueError, match="covariates is labelled"):
        exact.normal(schools, SIGMA, mu=MU, tau=TAU, covariates=turned["covariates"], beta=MU)
    two = xr.DataArray(np.column_stack([YEARS, YEARS**2]), dims=("year", "power"))
    with pytest.raises(ValueError, match="give it the dim of y, 'school'"):
        exact.normal(schools, SIGMA, mu=MU, tau=TAU, covariates=two, beta=MU)
    with pytest.raises(ValueError, match="group is labelled"):
        exact.normal_groups(schools, years[::-1], mu=MU, tau=TAU, sigma=TAU)
    with pytest.raises(ValueError, match="exposure is labelled"):
        exact.poisson(abs(schools), turned["sigma"], mu_log=MU, sigma_log=TAU)


@pytest.mark.parametrize(
    "make",
    [
        lambda: exact.poisson([10**9], [1.0], mu_log=stats.norm(20, 1), sigma_log=0.5),
        lambda: exact.poisson([10**13], [1.0], mu_log=stats.norm(30, 1), sigma_log=0.0),
        lambda: exact.dirichlet_multinomial([[10**9, 10**9]], alpha=2.0, baseline=[1, 1]),
    ],
    ids=["a thousand million", "ten million million", "shares of two thousand million"],
)
def test_counts_too_many_to_list_are_refused(make):
    posterior = make()
    with pytest.raises(ArithmeticError, match="too many to list: use the law"):
        posterior["y_rep"].mean()


@pytest.mark.parametrize(
    ("y", "mu"), [(Y, (8.0, 1e-6)), (np.append(Y[:7], 1e6), (0.0, 20.0))], ids=["narrow prior", "outlier"]
)
def test_a_narrow_prior_and_an_outlier_are_not_refused(y, mu):
    truth, posterior = Normal(y, SIGMA, mu, TAU), exact.normal(y, SIGMA, mu=stats.norm(*mu), tau=TAU)
    assert posterior.log_evidence == pytest.approx(truth.log_evidence, abs=1e-6)
    mean, sd = truth.tau_moments()
    assert posterior["tau"].mean() == pytest.approx(mean, abs=1e-6 * sd)
    for j in (0, 7):
        mean, sd = truth.moments(truth.theta(j))
        assert float(posterior["theta"].mean()[j]) == pytest.approx(float(mean + y[j]), abs=1e-6 * sd)


@pytest.mark.parametrize("unit", [1.0, 1e4])
def test_tau_is_as_large_as_data_and_prior_are_apart_if_that_is_likelier(unit):
    # Near the scale of its prior tau has a mode of its own, a million nats lower.
    y, sigma = 1e4 * unit * np.ones(3), 1e-3 * unit * np.array([10, 1, 0.1])
    mu, tau = (2e5 * unit, 90 * unit), stats.lognorm(0.3, scale=1e-5 * unit)
    truth, posterior = Normal(y, sigma, mu, tau), exact.normal(y, sigma, mu=stats.norm(*mu), tau=tau)
    assert posterior.log_evidence == pytest.approx(truth.log_evidence, abs=1e-6)
    assert posterior["tau"].mean() == pytest.approx(truth.tau_moments()[0], rel=1e-6)
    codes = np.arange(3)
    grouped = exact.normal_groups(y, codes, mu=stats.norm(*mu), tau=tau, sigma=1e-3 * unit)
    log_evidence = Groups(y, codes, mu, tau, 1e-3 * unit).log_evidence
    assert grouped.log_evidence == pytest.approx(log_evidence, abs=1e-5)


def test_year_and_its_square_are_a_regression_in_fifty_digits():
    columns = np.column_stack([YEARS, YEARS**2])
    priors = [stats.norm(0, 10), stats.norm(0, 0.01)]
    posterior = exact.normal(Y, SIGMA, mu=None, tau=5.0, covariates=columns, beta=priors)
    with mpmath.workdps(50):
        design = mpmath.matrix([[1, x, x**2] for x in map(mpmath.mpf, YEARS)])
        weight = mpmath.diag([1 / (mpmath.mpf(s) ** 2 + 25) for s in SIGMA])
        precision = design.T * weight * design + mpmath.diag(
            [0, 1 / mpmath.mpf(100), 1 / mpmath.mpf(0.01) ** 2]
        )
        covariance = precision**-1
        mean = covariance * (design.T * weight * mpmath.matrix(Y))
        expected = [[float(mean[i]), float(mpmath.sqrt(covariance[i, i]))] for i in range(3)]
    sd = np.append(posterior["mu"].sd(), posterior["beta"].sd())
    np.testing.assert_allclose(sd, np.array(expected)[:, 1], rtol=1e-7)
    off = np.append(posterior["mu"].mean(), posterior["beta"].mean()) - np.array(expected)[:, 0]
    assert np.all(np.abs(off) < 1e-6 * sd)


# -- counts, and an unknown sigma --------------------------------------------------------------------


@pytest.mark.parametrize("shape", [0.02, 0.05, 0.3])
def test_an_interval_of_a_share_piled_up_at_an_end_holds_what_it_says(shape):
    # Without counts the shares of the baseline are what their prior says: Beta.
    posterior = exact.dirichlet_multinomial([[0, 0]], alpha=1.0, baseline=[50, shape])
    for category, beta in ((0, stats.beta(50, shape)), (1, stats.beta(shape, 50))):
        low, high = posterior["pi0"].sel(category=category).hdi(0.89).values
        assert beta.cdf(high) - beta.cdf(low) == pytest.approx(0.89, abs=1e-5)
        assert (low, high)[category == 0] == 1 - category


@pytest.mark.slow  # the reference integrates over each variable inside the other
@pytest.mark.parametrize(
    ("table", "alpha", "baseline"),
    [
        ([[3, 1], [0, 4]], 1e-3, [1, 1]),
        ([[30, 10], [55, 20]], 1e8, [1, 2]),
        ([[40_000, 60_000], [70_000, 10]], 1e8, [1, 1]),
        ([[3, 1], [2, 9]], stats.halfcauchy(scale=1e4), [1, 1]),
        ([[10**6, 3 * 10**6], [10**5, 10**5]], stats.halfnorm(scale=1e4), [1e4, 1e4]),
        ([[10**8, 1], [10**8, 0]], stats.expon(scale=10), [0.3, 2]),
    ],
    ids=["tiny alpha", "large alpha", "large both", "wide prior", "big counts", "hundred million"],
)
def test_two_categories_at_extremes(table, alpha, baseline):
    truth = Dirichlet(table, alpha, baseline)
    posterior = exact.dirichlet_multinomial(table, alpha=alpha, baseline=baseline)
    assert posterior.log_evidence == pytest.approx(truth.log_evidence, abs=1e-5)
    y, n = table[0][0], sum(table[0])
    cases = {
        "pi0": (truth.baseline_moments(), truth.baseline_cdf),
        "pi_new": (truth.share_moments(0, 0), lambda z: truth.share_cdf(z, 0, 0)),
        "pi": (truth.share_moments(y, n), lambda z: truth.share_cdf(z, y, n)),
    }
    for name, ((mean, sd), cdf) in cases.items():
        one = {"category": 0} | ({"group": 0} if name == "pi" else {})
        marginal = posterior[name].sel(**one)
        assert marginal.mean() == pytest.approx(mean, abs=1e-5 * sd)
        assert marginal.sd() == pytest.approx(sd, rel=1e-5)
        for x in np.clip(mean + sd * np.array([-1.5, -0.5, 0.5, 1.5]), 1e-9, 1 - 1e-9):
            assert float(marginal.cdf(x)) == pytest.approx(cdf(special.logit(x))[0], abs=2e-5)


@pytest.mark.slow  # ten thousand groups, and sums over two planes
@pytest.mark.parametrize(("rate", "spread"), [(0.01, 1.0), (0.003, 2.0)])
def test_rare_events_with_equal_exposures_lie_on_a_ridge(rate, spread):
    rng = np.random.default_rng([77, 10_000])
    counts = rng.poisson(rate * np.exp(rng.normal(0, spread, 10_000)))
    mu_log, sigma_log = stats.norm(0, 10), stats.halfnorm(scale=5)
    posterior = exact.poisson(counts, 1.0, mu_log=mu_log, sigma_log=sigma_log)
    # By sums over the log of the mean rate, mu + sigma^2 / 2, along and across the ridge.
    height = np.log(counts.mean()) + np.linspace(-1.2, 1.8, 161)
    # Midpoints: what is summed is an even function of sigma, for which they converge exponentially.
    sigma = 0.02 * (np.arange(200) + 0.5)
    t, weight = special.roots_hermitenorm(160)
    mu = height[:, None] - 0.5 * sigma**2
    values, repeats = np.unique(counts, return_counts=True)
    rates = np.exp(mu[..., None] + sigma[:, None] * t)
    log_p = sum(
        m * np.log(stats.poisson.pmf(k, rates) @ weight / weight.sum())
        for k, m in zip(values, repeats, strict=True)
    )
    log_p = log_p + mu_log.logpdf(mu) + sigma_log.logpdf(sigma)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    for name, x in (("mu_log", mu), ("sigma_log", np.broadcast_to(sigma, mu.shape))):
        mean = (p * x).sum()
        sd = np.sqrt((p * (x - mean) ** 2).sum())
        assert posterior[name].mean() == pytest.approx(mean, abs=1e-4 * sd)
        assert posterior[name].sd() == pytest.approx(sd, rel=1e-4)


@pytest.mark.slow  # nested integrals
@pytest.mark.parametrize("mu_log", [stats.norm(0, 100), stats.cauchy(0, 1)], ids=["wide", "Cauchy"])
def test_wide_priors_of_the_log_rate_beside_an_unknown_spread(mu_log):
    y, e, sigma_log = [30, 4, 26], [10.0, 12.0, 9.0], stats.halfnorm(scale=1)
    truth = Poisson(y, e, mu_log, sigma_log)
    posterior = exact.poisson(y, e, mu_log=mu_log, sigma_log=sigma_log)
    assert posterior.log_evidence == pytest.approx(truth.log_evidence, abs=1e-6)
    for q in (0.01, 0.5, 0.99):
        assert truth.mu_cdf(posterior["mu_log"].quantile(q))[0] == pytest.approx(q, abs=1e-5)
        assert truth.sigma_cdf(posterior["sigma_log"].quantile(q))[0] == pytest.approx(q, abs=1e-5)


@pytest.mark.slow  # nested integrals
@pytest.mark.parametrize("sample", [False, True], ids=["groups", "sample"])
def test_a_wide_prior_of_mu_beside_an_unknown_sigma(sample):
    y, prior = np.array([71.0, 75, 80, 62, 66, 69]), stats.halfnorm(scale=15)
    codes = np.zeros(6, dtype=int) if sample else np.array([0, 0, 0, 1, 1, 2])
    mu, tau = stats.norm(0, 1e6), stats.halfnorm(scale=10)
    if sample:
        posterior, truth = exact.normal_sample(y, mu=mu, sigma=prior), Groups(y, codes, (0, 1e6), 0.0, prior)
    else:
        posterior = exact.normal_groups(y, codes, mu=mu, tau=tau, sigma=prior)
        truth = Groups(y, codes, (0, 1e6), tau, prior)
    assert posterior.log_evidence == pytest.approx(truth.log_evidence, abs=1e-6)
    mean, sd = truth.scale_moments("sigma")
    assert posterior["sigma"].mean() == pytest.approx(mean, abs=1e-5 * sd)
    mean, sd = truth.moments(truth.mu())
    assert posterior["mu"].mean() == pytest.approx(float(mean + truth.centre), abs=1e-5 * sd)
    assert posterior["mu"].sd() == pytest.approx(sd, rel=1e-5)


def test_the_error_is_there_to_be_seen_and_covers_the_true_one():
    posterior = exact.normal(Y, SIGMA, mu=MU, tau=TAU)
    truth = Normal(Y, SIGMA, (0.0, 20.0), TAU)
    assert 0 < posterior.error <= 1e-6
    for j in range(8):
        mean, sd = truth.moments(truth.theta(j))
        off = abs(float(posterior["theta"].mean()[j]) - float(mean + Y[j])) / sd
        assert off <= posterior.error


def test_a_rate_below_the_smallest_number_is_refused_and_nothing_else():
    mu_log = stats.norm(-5, 120)
    posterior = exact.poisson([0], [1.8], mu_log=mu_log, sigma_log=0.5)
    truth = Poisson([0], [1.8], mu_log, 0.5, nodes=96)
    for q in (0.01, 0.5, 0.99):
        assert truth.mu_cdf(posterior["mu_log"].quantile(q))[0] == pytest.approx(q, abs=1e-6)
    with pytest.raises(ArithmeticError, match="lam does not decay towards zero, as far as numbers reach"):
        posterior["lam"].quantile(0.5)
    # Its moments are those of rates near one: the k-th is the evidence of k events more, but for a constant.
    log_evidence = [Poisson([k], [1.8], mu_log, 0.5, nodes=96).log_evidence for k in range(3)]
    mean, square = (k * np.exp(log_evidence[k] - log_evidence[0]) / 1.8**k for k in (1, 2))
    sd = np.sqrt(square - mean**2)
    assert posterior["lam"].mean().item() == pytest.approx(mean, abs=1e-5 * sd)
    assert posterior["lam"].sd().item() == pytest.approx(sd, rel=1e-5)


@pytest.mark.slow  # nested integrals
def test_moments_of_a_rate_of_which_next_to_nothing_is_known():
    # With next to no exposure the sd of a rate is that of a new one, exp(Normal), cut off at 1e9.
    y, e = np.array([66.0, 152, 28, 0]), np.array([41.2, 84.5, 14.0, 1e-9])
    priors = {"mu_log": stats.norm(0, 1), "sigma_log": stats.halfnorm(scale=1)}
    lam = exact.poisson(y, e, **priors)["lam"]
    # The k-th moment is the evidence of k events more, but for a constant.
    log_evidence = [
        Poisson(np.append(y[:3], k), e, *priors.values()).log_evidence + special.gammaln(k + 1)
        for k in range(3)
    ]
    mean, square = (np.exp(log_evidence[k] - log_evidence[0]) / e[3] ** k for k in (1, 2))
    sd = np.sqrt(square - mean**2)
    assert float(lam.mean()[3]) == pytest.approx(mean, abs=1e-5 * sd)
    assert float(lam.sd()[3]) == pytest.approx(sd, rel=1e-5)
    others = exact.poisson(y[:3], e[:3], **priors)["lam"]
    np.testing.assert_allclose(lam.sel(group=[0, 1, 2]).sd(), others.sd(), rtol=1e-6)


def test_rates_without_events_have_moments_though_their_tails_are_heavy():
    # A power of the log rate, until the exposure ends it: what the sd rests on is a mass of 1e-5.
    e, mu_log, sigma_log = np.array([8.0, 0.5, 0.14]), stats.norm(-5, 1.8), stats.invgamma(3, scale=0.5)
    lam = exact.poisson([0, 0, 0], e, mu_log=mu_log, sigma_log=sigma_log)["lam"]
    # By equal steps of mu, of the log of sigma, and of the standardised log rate.
    mu, u, z = np.linspace(-23, 13, 91), np.arange(-4.0, 7, 0.1), np.arange(-12, 12.05, 0.1)
    expected = []
    for j in range(3):
        moments = np.empty((3, len(mu), len(u)))
        for column, sigma in enumerate(np.exp(u)):
            x = mu[:, None] + sigma * z
            # The exposure bends the integrand within a unit of x: by steps of x where sigma is wide. It does
            # nothing to the rates below exp(-30), which add nothing to the moments.
            x = x if sigma < 0.8 else np.arange(-30, 6, 0.08)[None] + 0.04
            density = stats.norm.pdf(x, mu[:, None], sigma) * np.exp(-e[j] * np.exp(x)) * (x[0, 1] - x[0, 0])
            for k in range(3):
                moments[k, :, column] = (density * np.exp(k * x)).sum(axis=1)
            if sigma >= 0.8:
                moments[0, :, column] += stats.norm.cdf(-30, mu, sigma)
        expected.append(moments)
    prior = mu_log.pdf(mu)[:, None] * sigma_log.pdf(np.exp(u)) * np.exp(u)
    for j, moments in enumerate(expected):
        others = prior * np.prod([expected[i][0] for i in range(3) if i != j], axis=0)
        total, mean, square = ((others * moment).sum() for moment in moments)
        mean, square = mean / total, square / total
        assert float(lam.mean()[j]) == pytest.approx(mean, rel=1e-5)
        assert float(lam.sd()[j]) == pytest.approx(np.sqrt(square - mean**2), rel=1e-5)


# -- what is given ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        ["1", "2", "3"],
        np.array(["2020-01-01"] * 3, dtype="M8[D]"),
        np.arange(3).astype("m8[s]"),
        [[1], [2, 3], [4]],
        [10**400, 1, 2],
        None,
        [1.0, np.nan, 2.0],
        np.ones(3) + 0j,
        np.ma.masked_array([1.0, 2.0, 3.0], [0, 0, 1]),
    ],
    ids=["strings", "dates", "durations", "ragged", "too large", "None", "NaN", "complex", "masked"],
)
def test_what_is_no_number_is_refused_by_the_name_of_its_argument(given):
    for name, call in {
        "y": lambda: exact.normal(given, 1.0, mu=MU, tau=TAU),
        "sigma": lambda: exact.normal([1, 2, 3.0], given, mu=MU, tau=TAU),
        "covariates": lambda: exact.normal([1, 2, 3.0], 1.0, mu=MU, tau=TAU, covariates=given, beta=MU),
        "counts": lambda: exact.poisson(given, 1.0, mu_log=MU, sigma_log=TAU),
        "exposure": lambda: exact.poisson([1, 2, 3], given, mu_log=MU, sigma_log=TAU),
        "baseline": lambda: exact.dirichlet_multinomial([[1, 2, 3]], alpha=1.0, baseline=given),
    }.items():
        if name == "covariates" and given is None:
            continue
        with pytest.raises(ValueError, match=rf"^{name}(\[\d\])? is "):
            call()
    with pytest.raises(ValueError, match=r"^y(\[\d\])? is "):
        exact.normal_sample(given, mu=MU, sigma=TAU)


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e170, 1e300])
def test_sizes_whose_squares_are_no_numbers_are_refused_by_name(size):
    with pytest.raises(ValueError, match="sigma is between"):
        exact.normal(Y, size, mu=MU, tau=TAU)
    with pytest.raises(ValueError, match="mu is norm with quartiles"):
        exact.normal(Y, SIGMA, mu=stats.norm(0, size), tau=TAU)
    with pytest.raises(ValueError, match="covariates is between"):
        exact.normal(Y, SIGMA, mu=MU, tau=TAU, covariates=YEARS * size, beta=MU)
    with pytest.raises(ValueError, match="mu_log is norm with quartiles"):
        exact.poisson([1, 2], 1.0, mu_log=stats.norm(0, size), sigma_log=1.0)
    with pytest.raises(ValueError, match="tau is between"):
        exact.normal(Y, SIGMA, mu=MU, tau=size)


def test_a_prior_is_one_distribution_with_numbers():
    for prior in (stats.norm([0, 1], 1), stats.norm(0, np.inf), stats.norm(0, -1)):
        with pytest.raises(ValueError, match=r"mu is norm with .*: give valid parameters"):
            exact.normal(Y, SIGMA, mu=prior, tau=TAU)
        with pytest.raises(ValueError, match=r"mu_log is norm with .*: give valid parameters"):
            exact.poisson([1, 2], 1.0, mu_log=prior, sigma_log=1.0)
    for scale in ([1, 2], np.inf, np.nan, 0):
        with pytest.raises(ValueError, match=r"tau is halfnorm with .*: give valid parameters"):
            exact.normal(Y, SIGMA, mu=MU, tau=stats.halfnorm(scale=scale))


@pytest.mark.parametrize("missing", [None, np.nan, np.ma.masked])
def test_observations_without_a_group_are_refused(missing):
    group = np.array(list("aabbccdd"), dtype=object)
    group = np.ma.masked_array(group, group == "d") if missing is np.ma.masked else group
    if missing is not np.ma.masked:
        group[3] = missing
    with pytest.raises(ValueError, match="group has labels that are missing"):
        exact.normal_groups(Y, group, mu=MU, tau=TAU, sigma=TAU)
    mixed = np.array([1, "a"] * 4, dtype=object)
    assert exact.normal_groups(Y, mixed, mu=MU, tau=TAU, sigma=TAU)["theta"].mean().group.values.tolist() == [
        1,
        "a",
    ]


@pytest.mark.parametrize(
    "dim", ["x", "quantile", "prob", "ci_bound", "sample", "chain", "other", "y", "theta"]
)
def test_a_dim_that_results_use_is_refused(dim):
    with pytest.raises(ValueError, match=f"'{dim}' is a dim of the data"):
        exact.normal(xr.DataArray(Y, dims=dim), SIGMA, mu=MU, tau=TAU)


def test_concentrations_in_another_order_of_categories_are_refused():
    counts = xr.DataArray([[1, 2, 3]], dims=("r", "c"), coords={"c": list("abc")})
    turned = xr.DataArray([1.0, 2, 3], dims="c", coords={"c": list("cba")})
    with pytest.raises(ValueError, match="baseline is labelled"):
        exact.dirichlet_multinomial(counts, alpha=1.0, baseline=turned)
    with pytest.raises(ValueError, match="baseline is labelled"):
        exact.dirichlet_multinomial(counts.to_pandas(), alpha=1.0, baseline=turned.to_pandas())


def test_a_light_tail_of_tau_counts_for_the_sd_of_a_group():
    # The density of tau falls like tau to minus four: its second moment rests on six decades.
    y, sigma, prior = np.array([1.6, -0.1]), np.array([21.7, 0.155]), stats.invgamma(3, scale=1.5e-7)
    theta = exact.normal(y, sigma, mu=0.0, tau=prior)["theta"]
    truth = Normal(y, sigma, (0.0, 0.0), prior)
    for j in (0, 1):
        sd = truth.moments(truth.theta(j))[1]
        assert float(theta.sd()[j]) == pytest.approx(float(sd), rel=1e-7)


def test_what_is_left_of_large_numbers_keeps_its_digits():
    y = np.array([10003.09, 9997.66, 9996.51, 10002.12])
    sigma, x = (
        np.array([1.1e-4, 2.4e-4, 5.2e-4, 9.3e-3]),
        np.array([1654602462.0, 1591666521, 1508667187, 1656364597]),
    )
    evidence = exact.normal(y, sigma, mu=MU, tau=0.0, covariates=x, beta=stats.norm(0, 1e-9)).log_evidence
    with mpmath.workdps(50):
        values, stamps = mpmath.matrix(y), mpmath.matrix(x)
        covariance = mpmath.ones(4) * 400 + stamps * stamps.T * mpmath.mpf(1e-9) ** 2
        covariance += mpmath.diag([mpmath.mpf(s) ** 2 for s in sigma])
        square = (values.T * mpmath.lu_solve(covariance, values))[0]
        expected = -(square + mpmath.log(mpmath.det(covariance)) + 4 * mpmath.log(2 * mpmath.pi)) / 2
    assert evidence == pytest.approx(float(expected), abs=1e-6)


def test_a_mean_that_does_not_exist_is_infinite_though_its_tail_is_far_away():
    # The mean of mu does not exist as that of tau does not, whose tail matters a thousand million sds beyond.
    posterior = exact.normal(
        [0.0],
        [1.55e-9],
        mu=None,
        tau=stats.halfcauchy(scale=3.2e-10),
        covariates=[1.7e9],
        beta=stats.norm(0, 1.4e-10),
    )
    assert posterior["mu"].mean() == np.inf


def test_a_power_tail_of_the_log_rate_has_the_moments_that_exist():
    # A count of zero leaves the lower tail of Student's t with four degrees of freedom, whose sd exists.
    prior = stats.t(4, loc=-3, scale=1)
    mu_log = exact.poisson([0], [2.0], mu_log=prior, sigma_log=0.0)["mu_log"]
    x = -3 + np.sinh(np.arange(-20, 6, 0.001))
    mass = prior.pdf(x) * np.exp(-2 * np.exp(x)) * np.hypot(1, x + 3)
    mean = mass @ x / mass.sum()
    assert mu_log.mean() == pytest.approx(mean, abs=1e-5)
    assert mu_log.sd() == pytest.approx(np.sqrt(mass @ (x - mean) ** 2 / mass.sum()), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [stats.halfnorm(), stats.gamma(1.2), stats.expon(scale=3)])
def test_equal_observations_with_priors_that_hardly_keep_both_scales_from_zero(sigma):
    # The posterior falls towards zero as a tenth power of the scales only: squares are no numbers there.
    tau = stats.gamma(1.9 if sigma.dist.name == "gamma" else 2.1)
    posterior = exact.normal_groups([1.0, 1.0, 1.0], list("abc"), mu=1.0, tau=tau, sigma=sigma)
    # Over the logs of r, the root of the sum of squares, and of tau / sigma, by equal steps.
    log_r, z = np.meshgrid(np.arange(-400.0, 6, 0.1), np.arange(-40, 40, 0.1), indexing="ij")
    u, v = log_r - np.logaddexp(0, -2 * z) / 2, log_r - np.logaddexp(0, 2 * z) / 2
    log_p = tau.logpdf(np.exp(u)) + u + sigma.logpdf(np.exp(v)) + v - 3 * log_r
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    for name, x in (("tau", np.exp(u)), ("sigma", np.exp(v))):
        mean = (p * x).sum()
        sd = np.sqrt((p * (x - mean) ** 2).sum())
        assert posterior[name].mean() == pytest.approx(mean, abs=1e-5 * sd)
        assert posterior[name].sd() == pytest.approx(sd, rel=1e-5)
        assert posterior[name].cdf(0.1) == pytest.approx((p * (x <= 0.1)).sum(), abs=1e-3)


@pytest.mark.parametrize("upper", [0.25, 0.5])
def test_the_sd_of_a_scale_below_a_bound_is_told(upper):
    """A single count tells next to nothing of sigma_log: its posterior is nearly the uniform prior."""
    posterior = exact.poisson([0], 2.0, mu_log=stats.norm(0, 1), sigma_log=stats.uniform(0, upper))
    s, x = np.meshgrid(np.arange(0.5, 200) / 200 * upper, np.arange(-8, 8, 0.05), indexing="ij")
    # log(lam) is Normal(0, sqrt(1 + sigma^2)) with mu_log integrated out.
    p = (stats.norm.pdf(x, scale=np.sqrt(1 + s**2)) * np.exp(-2 * np.exp(x))).sum(axis=1)
    mean = p @ s[:, 0] / p.sum()
    assert posterior["sigma_log"].mean() == pytest.approx(mean, rel=1e-5)
    sd = np.sqrt(p @ (s[:, 0] - mean) ** 2 / p.sum())
    assert posterior["sigma_log"].sd() == pytest.approx(sd, rel=2e-5)  # midpoints: (1 / 200)^2


def test_equal_observations_have_closed_forms():
    # Three factors of 1 / sigma turn a Gamma prior into one with a shape of three less.
    for y in ([4.0, 4.0, 4.0], [0.1, 0.1, 0.1], [1e9 / 3] * 3):
        sample = exact.normal_sample(y, mu=y[0], sigma=stats.gamma(3.1))
        assert sample["sigma"].mean() == pytest.approx(0.1, rel=1e-5)
        assert sample["sigma"].sd() == pytest.approx(0.1**0.5, rel=1e-5)
        # A mean that is not known takes one of the three.
        flat = exact.normal_sample(y, mu=None, sigma=stats.gamma(2.5))
        assert flat["sigma"].mean() == pytest.approx(0.5, rel=1e-5)


def test_equal_observations_are_improper_where_sigma_can_vanish_and_only_there():
    three = [0.1, 0.1, 0.1]
    refused = [
        (three, [0, 0, 0], 0.1, 0.0, stats.gamma(3)),
        (three, [0, 1, 2], 0.1, stats.gamma(2), stats.halfnorm()),
        (three, [0, 1, 2], None, stats.halfnorm(), stats.uniform(0, 1)),
        (three, [0, 0, 1], 0.1, 1.0, stats.halfnorm()),
        ([1, 1, 3, 3], [0, 0, 1, 1], 0.0, stats.halfnorm(), stats.halfnorm()),
    ]
    for y, group, mu, tau, sigma in refused:
        with pytest.raises(ValueError, match=r"y is constant .* improper, or nearly so: give sigma as"):
            exact.normal_groups(y, group, mu=mu, tau=tau, sigma=sigma)
    # They are equal, but not to mu, or not to each other.
    s = np.exp(np.arange(-4, 4, 0.001))
    p = s * stats.halfnorm.pdf(s) * s**-3 * np.exp(-1.5 * (4 / s) ** 2)
    known = exact.normal_sample([4.0, 4.0, 4.0], mu=0.0, sigma=stats.halfnorm())
    assert known["sigma"].mean() == pytest.approx(p @ s / p.sum(), rel=1e-6)
    pooled = exact.normal_groups([1, 1, 3, 3], [0, 0, 1, 1], mu=None, tau=0.0, sigma=stats.halfnorm())
    sample = exact.normal_sample([1, 1, 3, 3], mu=None, sigma=stats.halfnorm())
    assert pooled["sigma"].mean() == pytest.approx(sample["sigma"].mean(), rel=1e-9)
    # Without the 2 nothing is left that keeps sigma from zero.
    with pytest.raises(ValueError, match="what elpd_loo leaves of y is constant everywhere"):
        exact.normal_sample([1.0, 1.0, 2.0], mu=None, sigma=stats.halfnorm()).elpd_loo.sum()


def test_what_is_no_array_of_labels_is_refused():
    priors = {"mu": MU, "tau": TAU, "sigma": 1.0}
    for group, given in (([[0, 1], [2]], "list"), (xr.Dataset(), "Dataset"), ({0, 1, 2}, "set"), (0, "int")):
        with pytest.raises(ValueError, match=f"group is {given}: give a label for each of 3"):
            exact.normal_groups([1.0, 2.0, 4.0], group, **priors)


def test_strings_among_objects_are_no_numbers():
    for values in (np.array([3, "1", 4], dtype=object), pd.Series(["3", "1", "4"], dtype=object)):
        with pytest.raises(ValueError, match="y is an array of <U"):
            exact.normal(values, 1.0, mu=MU, tau=TAU)
    assert exact.normal(np.array([3, 1, 4], dtype=object), 1.0, mu=MU, tau=TAU).error < 1e-6


def test_numbers_of_other_types_are_known_values():
    half = Fraction(1, 2)
    posterior = exact.normal(Y, SIGMA, mu=half, tau=half, covariates=YEARS - 2004, beta=half)
    same = exact.normal(Y, SIGMA, mu=0.5, tau=0.5, covariates=YEARS - 2004, beta=0.5)
    assert posterior.log_evidence == same.log_evidence
    assert exact.poisson([3], 1.0, mu_log=half, sigma_log=half).log_evidence < 0
    assert exact.beta_binomial([3], [4], mean=stats.beta(1, 1), concentration=half).log_evidence < 0
    with pytest.raises(ValueError, match="beta is array"):
        exact.normal(Y, SIGMA, mu=MU, tau=TAU, covariates=YEARS, beta=np.array(1.0))


def mixed_groups(y, group, *, mu, tau, sigma):
    """The model of `normal_groups` as a mixed one."""
    terms = {"group": group}
    return exact.mixed(y, np.ones((len(y), 1)), terms=terms, beta=mu, tau=tau, sigma=sigma)


@pytest.mark.parametrize(
    ("fit", "y", "group", "priors"),
    [
        # The others agree within each group, and explain the two groups by tau as well as by sigma.
        (
            exact.normal_groups,
            [9.0, 10, 10, 2],
            [0, 0, 0, 1],
            {"mu": stats.norm(-2, 0.6), "tau": stats.uniform(0, 1.4), "sigma": stats.gamma(0.3, scale=2.3)},
        ),
        (
            mixed_groups,
            [1.0, 1, 1, 0, 0, 1],
            [0, 1, 1, 0, 0, 1],
            {"mu": stats.norm(0, 2), "tau": stats.halfnorm(scale=2), "sigma": stats.halfnorm()},
        ),
    ],
    ids=["normal_groups", "mixed"],
)
def test_an_observation_without_which_sigma_is_zero_has_no_leave_one_out_density(fit, y, group, priors):
    posterior = fit(y, group, **priors)
    with pytest.raises(
        (ValueError, ArithmeticError), match=r"makes (sigma|it) zero and the posterior improper"
    ):
        posterior.elpd_loo.sum()


@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-8])
@pytest.mark.parametrize("fit", [exact.normal_groups, mixed_groups])
def test_an_observation_without_which_sigma_is_tiny(fit, apart):
    y, group = np.array([0, apart, 1, 3]), np.array([0, 0, 0, 1])
    priors = {"mu": MU, "tau": TAU, "sigma": stats.gamma(0.3)}
    whole, rest = fit(y, group, **priors), fit(y[[0, 1, 3]], group[[0, 1, 3]], **priors)
    assert float(whole.elpd_loo[2]) == pytest.approx(whole.log_evidence - rest.log_evidence, abs=1e-5)


def test_tables_and_counts_that_cannot_be_told_apart_are_refused():
    table = pd.DataFrame([[3, 1], [4, 2]], index=pd.Index(["a", "b"], name="r"))
    with pytest.raises(ValueError, match="both index and columns of a table are named 'r'"):
        exact.dirichlet_multinomial(table.rename_axis(columns="r"), alpha=1.0, baseline=[1, 1])
    for call in (
        lambda: exact.dirichlet_multinomial([[3e50, 1]], alpha=1.0, baseline=[1, 1]),
        lambda: exact.poisson([1e16], 1.0, mu_log=MU, sigma_log=TAU),
        lambda: exact.beta_binomial([1], [1e30], mean=stats.beta(1, 1), concentration=1.0),
    ):
        with pytest.raises(ValueError, match="give counts below 9e15"):
            call()


def test_a_moment_that_is_too_large_a_number_is_not_called_infinite():
    # The mean of exp(2 sigma^2) under sigma <= 20 is about exp(800).
    priors = {"mu_log": stats.norm(0, 1), "sigma_log": stats.uniform(0, 20)}
    new = exact.poisson([3, 10, 3, 8], 2.0, **priors)["lam_new"]
    assert 1e70 < new.mean() < 1e90
    with pytest.raises(ArithmeticError, match="too large a number"):
        new.sd()


def test_of_two_tops_of_a_contradicted_posterior_the_higher_one_is_found():
    """Either tau or sigma may carry what the priors of both forbid; the heights are those of the density."""
    y, group = np.array([9059.3, 9059.2, 10055.4, 9725.9, 9725.5]), np.array([0, 0, 1, 2, 2])
    tau, sigma, mu = stats.halfnorm(scale=1.43), stats.expon(scale=0.1326), 9999.35
    posterior = exact.normal_groups(y, group, mu=mu, tau=tau, sigma=sigma)
    lattice = exact.mixed(
        y, np.ones((5, 1)), terms={"g": group}, beta=stats.norm(mu, 1e-3), sigma=sigma, tau=tau
    )

    t, s = np.linspace(30, 45, 301), np.linspace(0.02, 3, 1001)[:, None]
    pairs = [stats.norm.logpdf(d, 0, np.sqrt(2) * s) for d in (0.1, 0.4)]
    means = [stats.norm.logpdf(m, mu, np.hypot(t, s / np.sqrt(2))) for m in (9059.25, 9725.7)]
    log_f = (
        sum(pairs)
        + sum(means)
        + stats.norm.logpdf(10055.4, mu, np.hypot(t, s))
        + tau.logpdf(t)
        + sigma.logpdf(s)
    )
    weight = np.exp(log_f - log_f.max())
    evidence = log_f.max() + np.log(weight.sum() * (t[1] - t[0]) * (s[1, 0] - s[0, 0]))
    assert posterior.log_evidence == pytest.approx(evidence, abs=1e-4)
    assert posterior["tau"].mean() == pytest.approx((weight.sum(axis=0) @ t) / weight.sum(), rel=1e-6)
    assert lattice["tau_g"].mean() == pytest.approx(posterior["tau"].mean(), rel=1e-4)


def test_what_is_no_number_has_no_probability():
    posterior = exact.normal([28, 8, -3], [15, 10, 16], mu=stats.norm(0, 10), tau=stats.halfnorm(scale=10))
    for given, said in (
        (np.nan, "x is nan"),
        ([0, np.nan], "x is"),
        (None, "x is None"),
        ("a", "x is"),
        (1j, "x is"),
    ):
        for method in ("cdf", "sf", "pdf"):
            with pytest.raises(ValueError, match=said):
                getattr(posterior["mu"], method)(given)
    assert posterior["mu"].cdf([-np.inf, np.inf]).values.tolist() == [0, 1]


@pytest.mark.parametrize("near", [1e-300, 1e-8, 1 - 1e-12])
def test_tails_beyond_the_digits_of_probabilities_are_refused(near):
    posterior = exact.normal([28, 8, -3], [15, 10, 16], mu=stats.norm(0, 10), tau=stats.halfnorm(scale=10))
    with pytest.raises(ValueError, match="and not within 1e-07 of either"):
        posterior["mu"].quantile(near)
    with pytest.raises(ValueError, match="and not within 1e-07 of either"):
        posterior["tau"].hdi(near)
    # What has a closed form is told as far as SciPy tells it.
    assert exact.marginal(stats.expon()).quantile(1e-12) == pytest.approx(1e-12, rel=1e-9)


def test_mirrored_tails_agree_as_far_as_they_are_told():
    y, sigma = np.array([28, 8, -3]), [15, 10, 16]
    one, other = (
        exact.normal(side, sigma, mu=stats.norm(0, 10), tau=stats.halfnorm(scale=10)) for side in (y, -y)
    )
    high, low = one["mu"].quantile(1 - 1e-7), other["mu"].quantile(1e-7)
    assert abs(high + low) < 1e-6 * one["mu"].sd()


def test_a_dim_cannot_have_the_name_of_a_quantity():
    """Draws of mu would otherwise be replaced by the labels."""
    for name in ("mu", "tau", "y_rep", 3):
        y = pd.Series([1.0, 2.0], index=pd.Index(["a", "b"], name=name))
        with pytest.raises(ValueError, match=f"{name!r} is "):
            exact.normal(y, [1, 1], mu=stats.norm(), tau=stats.halfnorm())


def test_missing_and_mixed_labels_are_refused_beside_text():
    """NumPy makes text of both: a group 'nan', and one of 1 and '1'."""
    h = stats.halfnorm(scale=5)
    for labels, said in (
        (["a", "a", np.nan], "labels that are missing"),
        (["1", "1", 1], "of text and of int"),
    ):
        with pytest.raises(ValueError, match=said):
            exact.normal_groups([1.0, 2, 3], labels, mu=None, tau=h, sigma=h)
        with pytest.raises(ValueError, match=said):
            exact.mixed([1.0, 2, 3], np.ones((3, 1)), terms={"c": labels}, beta=stats.norm(), sigma=h, tau=h)


def test_an_unknown_label_is_named_with_those_there_are():
    y = pd.Series([1.0, 2.0], index=pd.Index(["a", "b"], name="school"))
    theta = exact.normal(y, [1, 1], mu=stats.norm(), tau=stats.halfnorm())["theta"]
    for wrong in ({"school": "c"}, {"college": "a"}):
        with pytest.raises(KeyError, match=r"give labels such as {'school': \['a', 'b'\]}"):
            theta.sel(**wrong)


def told(ask, refusal):
    """An answer, or nothing where it is refused in these words."""
    try:
        return ask()
    except ArithmeticError as error:
        if refusal not in str(error):
            raise
        return None


def test_a_ridge_along_a_diagonal_is_not_passed_over():
    # Narrower away from the mode, it makes waves that both halves of a lattice sum alike.
    y = [9.553789610253661, 9.460097264808752, 11.271182276280147, 7.3816841054177695, -4.193759518309911]
    x = [
        -1.5012070980294614,
        1.1772897948303234,
        -1.3475538071732582,
        -2.1612723076027183,
        -0.10304440706468161,
    ]

    def log_evidence():
        return exact.mixed(
            y,
            np.column_stack([np.ones(5), x]),
            terms={"batch": ([0, 0, 0, 1, 1], x)},
            beta=[stats.norm(0.8488695367246294, 3.4745122420911674), stats.norm(1.01679621, 1.72699145)],
            sigma=0.3298406342949859,
            tau={"batch": stats.gamma(2, scale=3.6039752), "batch_slope": stats.expon(scale=1.24694666)},
            rho=stats.beta(2, 2, loc=-1, scale=2),
        ).log_evidence

    # Equal steps in log tau, log tau_slope and artanh rho, 360 of each, agree with 260 to 1e-9.
    assert told(log_evidence, refusal="estimated error") in (None, pytest.approx(-24.4234558, abs=2e-5))


@pytest.mark.parametrize("q", [1e-5, 0.5, 0.999, 1 - 1e-5])
def test_quantiles_next_to_the_end_of_a_prior_are_told_to_a_hundredth_of_the_tail(q):
    y, end = (
        [-898957287.0624194, -908227698.6108016, -921658113.4340576, -909974125.5821772],
        1822633.3286710368,
    )
    y = np.array([*y, -921707720.3284109, -914777102.5046778, -911529929.2955687, 7773579160.109777])
    posterior = exact.normal_sample(y, mu=None, sigma=stats.uniform(0, end))
    half = mpmath.mpf(((y - y.mean()) ** 2).sum()) / 2
    found = told(lambda: float(posterior["sigma"].quantile(q)), refusal="near to the end of its prior")
    if found is None:
        assert q > 0.5
        return
    with mpmath.workdps(40):  # sigma^-7 exp(-half / sigma^2) between 0 and the end
        below = mpmath.gammainc(3, half / mpmath.mpf(found) ** 2) / mpmath.gammainc(
            3, half / mpmath.mpf(end) ** 2
        )
        assert abs(below - q) < 0.01 * min(q, 1 - q)


def test_of_two_explanations_far_apart_the_likelier_is_told():
    """Two groups far from a known mu: a large sigma explains them e^111 times as well as a large tau."""
    y, mu = np.array([1124.6, 1124.0, 1123.8, 802.7, 803.3, 803.2, 804.6, 803.2, 801.5, 801.2, 803.1]), 0.5
    groups = np.repeat([0, 1], [3, 8])
    tau, sigma = stats.gamma(2, scale=0.24), stats.expon(scale=0.94)
    posterior = exact.normal_groups(y, groups, mu=mu, tau=tau, sigma=sigma)

    def explained(ends):
        """Log evidence and mean of sigma where (tau, sigma) lie between these ends, by Gauss and Legendre."""
        node, weight = np.polynomial.legendre.leggauss(300)
        half, middle = np.diff(ends)[:, 0] / 2, np.mean(ends, axis=1)
        t, s = (middle + half * node[:, None]).T
        log = tau.logpdf(t)[:, None] + sigma.logpdf(s) + np.log(np.outer(weight, weight) * half.prod())
        for v in (y[groups == group] - mu for group in (0, 1)):
            total = s**2 + v.size * t[:, None] ** 2
            log -= 0.5 * (v.size * np.log(2 * np.pi) + (v.size - 1) * np.log(s**2) + np.log(total))
            log -= 0.5 * (v @ v / s**2 - t[:, None] ** 2 / (s**2 * total) * v.sum() ** 2)
        mass = np.exp(log - log.max())
        return log.max() + np.log(mass.sum()), (mass @ s).sum() / mass.sum()

    evidence, mean = explained([[0, 6], [100, 330]])
    assert explained([[30, 150], [0.3, 5]])[0] < evidence - 100
    assert posterior.log_evidence == pytest.approx(evidence, abs=1e-6)
    assert posterior["sigma"].mean() == pytest.approx(mean, rel=1e-8)
