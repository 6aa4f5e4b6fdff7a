"""Exact posteriors under a Student-t population against nested sums, closed forms, limits and invariances."""

import numpy as np
import pytest
import xarray as xr
from scipy import special, stats

import hierarchical_exact as exact
from hierarchical_exact.student import _Groups

Y, SIGMA = np.array([1.0, -0.4, 0.3, 4.0]), np.array([0.4, 0.7, 0.5, 0.3])
PRIORS = {"mu": stats.norm(0.5, 1.5), "tau": stats.gamma(5, scale=0.15)}
# Log risk ratios of 13 trials of a vaccine (Colditz et al., 1994) and their standard errors, rounded.
TRIALS = np.array([-0.889, -1.585, -1.348, -1.442, -0.218, -0.786, -1.621, 0.012, -0.469, -1.371, -0.339])
TRIALS = np.append(TRIALS, [0.446, -0.017])
ERRORS = np.array([0.571, 0.441, 0.644, 0.141, 0.226, 0.083, 0.472, 0.063, 0.238, 0.270, 0.111, 0.730, 0.267])


class Nested:
    """Sums over a grid of mu, tau and a theta that all groups share, with no mixture in it."""

    def __init__(self, y, sigma, mu, tau, nu):
        self.mu = np.linspace(-4.0, 5.0, 91)
        u = np.linspace(-4.0, 1.6, 60)
        self.tau = np.exp(u)
        self.theta = np.linspace(-7.0, 8.0, 3001)  # beyond, no y allows it
        step = self.theta[1] - self.theta[0]
        normal = stats.norm.pdf(y, self.theta[:, None], sigma[:, None].T) * step
        parts = normal * np.ones_like(self.theta)[:, None], normal * self.theta[:, None]
        parts = np.concatenate([*parts, normal * self.theta[:, None] ** 2], axis=1)
        found = np.empty((len(self.mu), len(self.tau), 3, len(y)))
        for k, tau_k in enumerate(self.tau):
            population = stats.t.pdf(self.theta, nu, self.mu[:, None], tau_k)
            found[:, k] = (population @ parts).reshape(len(self.mu), 3, len(y))
        self.each = found[:, :, 0]
        weight = self.each.prod(axis=2) * mu.pdf(self.mu)[:, None] * tau.pdf(self.tau) * self.tau
        weight *= (self.mu[1] - self.mu[0]) * (u[1] - u[0])
        self.evidence = weight.sum()
        self.weight = weight / self.evidence
        self.moments = [np.tensordot(self.weight, found[:, :, k] / self.each) for k in (1, 2)]
        self.elpd = -np.log(np.tensordot(self.weight, 1 / self.each))
        self.new = [
            np.sum(self.weight * stats.t.cdf((x - self.mu[:, None]) / self.tau, nu)) for x in (-1.0, 0.5, 3.0)
        ]


@pytest.mark.parametrize("nu", [1.0, 4.0, 30.0])
def test_nested_sums_agree(nu):
    wanted = Nested(Y, SIGMA, **PRIORS, nu=nu)
    posterior = exact.student_t(Y, SIGMA, **PRIORS, nu=nu)
    assert np.exp(posterior.log_evidence) == pytest.approx(wanted.evidence, rel=1e-4)
    mean, square = wanted.moments
    theta = posterior["theta"]
    np.testing.assert_allclose(theta.mean(), mean, atol=2e-4)
    np.testing.assert_allclose(theta.sd(), np.sqrt(square - mean**2), rtol=1e-3)
    np.testing.assert_allclose(posterior.elpd_loo, wanted.elpd, atol=1e-3)
    np.testing.assert_allclose(posterior["theta_new"].cdf([-1.0, 0.5, 3.0]), wanted.new, atol=1e-4)
    at_mu, at_tau = wanted.weight.sum(axis=1), wanted.weight.sum(axis=0)
    assert posterior["mu"].mean() == pytest.approx(at_mu @ wanted.mu, abs=2e-4)
    assert posterior["tau"].mean() == pytest.approx(at_tau @ wanted.tau, abs=2e-4)


@pytest.mark.parametrize("tau", [1e-6, 0.01, 0.7, 30.0, 1e4])
def test_a_cauchy_population_has_voigt_s_profile(tau):
    """A Cauchy variable plus a Normal one, near the middle and where a group is odd."""
    mu = np.array([-3.0, 0.1, 0.9, 25.0])
    found, error = _Groups(Y, SIGMA, 1.0).moments(mu, np.full(4, tau), 0)
    wanted = special.voigt_profile(Y - mu[:, None], SIGMA, tau)
    np.testing.assert_allclose(found, np.log(wanted), atol=1e-7)
    assert error.max() < 1e-7


def test_one_group_with_a_known_cauchy_population():
    """y - mu is Voigt; with mu's Normal prior its Normal part is wider."""
    posterior = exact.student_t([2.0], [0.5], mu=stats.norm(0, 1.2), tau=0.4, nu=1.0)
    wanted = special.voigt_profile(2.0, np.hypot(0.5, 1.2), 0.4)
    assert posterior.log_evidence == pytest.approx(np.log(wanted), abs=1e-7)
    assert posterior.elpd_loo.item() == pytest.approx(np.log(wanted), abs=1e-6)
    assert posterior["tau"].mean() == 0.4
    # Without data: mu plus a Cauchy variable is Voigt too.
    x = np.array([-2.0, 0.0, 3.0])
    prior = exact.student_t([2.0], [1e6], mu=stats.norm(0, 1.2), tau=0.4, nu=1.0)
    np.testing.assert_allclose(prior["theta_new"].pdf(x), special.voigt_profile(x, 1.2, 0.4), atol=1e-6)


@pytest.mark.parametrize(("y", "sigma"), [(Y, SIGMA), (TRIALS, ERRORS)])
def test_many_degrees_of_freedom_are_a_normal_population(y, sigma):
    normal, limit = exact.normal(y, sigma, **PRIORS), exact.student_t(y, sigma, **PRIORS, nu=1e7)
    assert limit.log_evidence == pytest.approx(normal.log_evidence, abs=1e-5)
    for name in ("mu", "tau", "theta", "theta_new", "y_rep"):
        scale = np.max(normal[name].sd())
        for q in (0.05, 0.5, 0.95):
            apart = np.abs(limit[name].quantile(q) - normal[name].quantile(q))
            assert np.max(apart) < 1e-4 * scale, (name, q)
    np.testing.assert_allclose(limit.elpd_loo, normal.elpd_loo, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("nu", [1.0, 2.0, 4.0, 12.5])
def test_densities_of_the_trials_integrate_to_one_and_have_the_moments(nu):
    """The moments come from a mixture, the densities from the Student-t density itself."""
    posterior = exact.student_t(TRIALS, ERRORS, mu=stats.norm(0, 1), tau=stats.halfnorm(scale=0.5), nu=nu)
    theta = posterior["theta"]
    np.testing.assert_allclose(theta.expect(lambda x: x), theta.mean(), atol=1e-5)
    np.testing.assert_allclose(
        np.sqrt(theta.expect(lambda x: x**2) - theta.mean() ** 2), theta.sd(), rtol=1e-4
    )
    np.testing.assert_allclose(theta.cdf(theta.quantile(0.3).values[4]).values[4], 0.3, atol=1e-7)


def test_draws_have_the_exact_laws():
    posterior = exact.student_t(TRIALS, ERRORS, mu=stats.norm(0, 1), tau=stats.halfnorm(scale=0.5), nu=3.0)
    draws = posterior.sample(20_000, np.random.default_rng(4))
    for name in ("mu", "tau", "theta", "theta_new", "y_rep"):
        for q in (0.1, 0.5, 0.9):
            below = (draws[name] < posterior[name].quantile(q)).mean("sample")
            assert np.abs(below - q).max() < 4.5 * np.sqrt(q * (1 - q) / 20_000), (name, q)


def test_units_origin_and_order_do_not_matter():
    posterior = exact.student_t(Y, SIGMA, **PRIORS, nu=3.0)
    order = [2, 0, 3, 1]
    mu, tau = stats.norm(100 - 5 * 0.5, 5 * 1.5), stats.gamma(5, scale=5 * 0.15)
    other = exact.student_t(100 - 5 * Y[order], 5 * SIGMA[order], mu=mu, tau=tau, nu=3.0)
    wanted = 100 - 5 * posterior["theta"].quantile(0.2).values[order]
    np.testing.assert_allclose(other["theta"].quantile(0.8), wanted, atol=1e-4)
    assert other["tau"].quantile(0.7) == pytest.approx(5 * posterior["tau"].quantile(0.7), rel=1e-5)
    assert other.log_evidence == pytest.approx(posterior.log_evidence - 4 * np.log(5), abs=1e-6)
    np.testing.assert_allclose(other.elpd_loo, posterior.elpd_loo.values[order] - np.log(5), atol=1e-5)


def test_a_group_far_away_is_left_alone_and_leaves_the_others_alone():
    """Under a Normal population neither holds."""
    y, sigma = np.append(Y[:3], 0.0), np.full(4, 0.5)
    moved, pulled = {}, {}
    for nu in (4.0, 1e7):
        near, far = (
            exact.student_t(np.append(y[:3], last), sigma, **PRIORS, nu=nu)["theta"].mean().values
            for last in (10.0, 15.0)
        )
        moved[nu], pulled[nu] = np.abs(far - near)[:3].max(), 15 - far[3]
    assert moved[4.0] < 0.02 < moved[1e7]
    assert pulled[4.0] < 0.1 < pulled[1e7]


def test_labels_and_heavy_tails():
    y = xr.DataArray(Y, dims="trial", coords={"trial": list("abcd")})
    posterior = exact.student_t(y, SIGMA, **PRIORS, nu=2)
    assert posterior["theta"].sel(trial="d").mean() > posterior["theta"].sel(trial="a").mean()
    assert np.isinf(posterior["theta_new"].sd())
    assert posterior["theta_new"].mean() == pytest.approx(posterior["mu"].mean())
    assert np.isinf(exact.student_t(Y, SIGMA, **PRIORS, nu=1)["theta_new"].mean())
    known = exact.student_t(Y, SIGMA, mu=PRIORS["mu"], tau=0.7, nu=5)
    population = known["theta_new"].sd() ** 2 - known["mu"].sd() ** 2
    assert population == pytest.approx(0.7**2 * 5 / 3, rel=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"nu": 0.5}, "nu is 0.5"),
        ({"nu": np.inf}, "nu is inf"),
        ({"nu": None}, "nu is None"),
        ({"mu": 0.0}, "mu is 0.0"),
        ({"mu": None}, "mu is None"),
        ({"mu": stats.cauchy(0, 1)}, "mu is cauchy"),
        ({"tau": 0.0}, "tau is 0"),
        ({"tau": None}, "tau is None"),
        ({"tau": stats.norm(0, 1)}, "tau is norm"),
        ({"sigma": [0.1, 0.0, 1, 1]}, r"sigma\[1\] is 0"),
    ],
)
def test_what_is_not_as_described_is_refused(changed, message):
    arguments = {"sigma": SIGMA, **PRIORS, "nu": 4} | changed
    with pytest.raises(ValueError, match=message):
        exact.student_t(Y, **arguments)


def test_a_prior_that_piles_up_at_zero_is_refused_or_right():
    """Half the prior below 1e-3: the density of a precise group may not be told then."""
    priors = {"mu": stats.norm(0, 1), "tau": stats.loguniform(1e-6, 1)}
    theta = exact.student_t(TRIALS, ERRORS, **priors, nu=4.0)["theta"]
    try:
        np.testing.assert_allclose(theta.expect(lambda x: x), theta.mean(), atol=1e-5)
    except ArithmeticError as error:
        assert "integrates to" in str(error)  # noqa: PT017


def test_a_population_close_to_normal_beside_a_group_far_from_it():
    # Where mu is far from the data, densities of thirty degrees of freedom are too small for numbers.
    mu, tau, y, sigma = stats.norm(-2.5, 60), stats.halfnorm(scale=2.4), 90.0, 5.9
    posterior = exact.student_t([y], [sigma], mu=mu, tau=tau, nu=30)
    # Over mu by equal steps, over tau by midpoints, over the mean by equal steps.
    m, t = np.arange(20.0, 160, 0.5), (np.arange(60) + 0.5) * 0.25
    x = y + sigma * np.arange(-9, 9.01, 0.02)
    likelihood = stats.norm.pdf(y, x, sigma) * 0.02 * sigma
    given = np.array([stats.t.pdf(x, 30, m[:, None], scale) @ likelihood for scale in t])
    p = given * mu.pdf(m) * tau.pdf(t)[:, None]
    assert posterior["mu"].mean() == pytest.approx((p * m).sum() / p.sum(), abs=1e-4)
    assert posterior.log_evidence == pytest.approx(np.log(p.sum() * 0.5 * 0.25), abs=1e-4)


def test_a_new_group_whose_density_has_not_all_its_mass_is_refused():
    """Of a population that may be a spike .03 % were missing: quantiles were off by 1e-4 sds."""
    mu, tau = stats.norm(1.548656574, 0.520851), stats.gamma(0.3, scale=0.402562)
    posterior = exact.student_t([-0.52381941], [0.59450734], mu=mu, tau=tau, nu=30.0)
    assert np.isfinite(posterior["theta_new"].sd())
    with pytest.raises(ArithmeticError, match=r"of a new group integrates to 0\.9997"):
        posterior["theta_new"].quantile(0.5)


@pytest.mark.slow
def test_leaving_out_a_precise_group_under_light_tails_gives_the_ratio_of_evidences():
    """Without it the population may be narrow and elsewhere, where its density is too small for a number."""
    y, sigma = np.array([0.5, 0.3]), np.array([1e-4, 0.3])
    priors = {"mu": stats.norm(0, 2), "tau": stats.halfnorm(scale=0.1), "nu": 100}
    posterior, other = exact.student_t(y, sigma, **priors), exact.student_t(y[1:], sigma[1:], **priors)
    ratio = posterior.log_evidence - other.log_evidence
    assert posterior.elpd_loo.values[0] == pytest.approx(ratio, abs=1e-6)
