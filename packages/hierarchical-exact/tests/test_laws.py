"""Marginals of laws known in closed form: expectations, SciPy's distributions, laws given by a density."""

import numpy as np
import pytest
import xarray as xr
from scipy import integrate, special, stats

import hierarchical_exact as exact
from hierarchical_exact.laws import Curve, FromDensity, NormalMixture
from hierarchical_exact.posterior import Marginal
from hierarchical_exact.quadrature import NODES, Axis

Q = np.array([1e-6, 0.055, 0.5, 0.945, 1 - 1e-6])


class Betas(FromDensity):
    """Beta distributions, one per group, known by their density."""

    lower, upper = 0.0, 1.0

    def __init__(self, a, b, height=1.0):
        self._a, self._b, self._height = np.asarray(a), np.asarray(b), height

    def mean(self):
        return stats.beta.mean(self._a, self._b)

    def sd(self):
        return stats.beta.std(self._a, self._b)

    def density(self, x, j):
        return self._height * stats.beta.pdf(x, self._a[j], self._b[j])


class OneDensity(FromDensity):
    """The density of a distribution of SciPy, and nothing else of it."""

    def __init__(self, distribution, lower, upper):
        self._distribution, self.lower, self.upper = distribution, lower, upper

    def mean(self):
        return np.atleast_1d(self._distribution.mean())

    def sd(self):
        return np.atleast_1d(self._distribution.std())

    def density(self, x, j):
        return self._distribution.pdf(x)


# -- expectations -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distribution", "f", "expected"),
    [
        (stats.gamma(2), lambda x: x**3, 24),
        (stats.gamma(0.3), lambda x: 1 / (1 + x), special.hyperu(0.3, 0.3, 1)),
        (stats.halfcauchy(), lambda x: 1 / (1 + x**2), 0.5),
        (stats.beta(0.2, 0.3), np.sqrt, special.beta(0.7, 0.3) / special.beta(0.2, 0.3)),
        (stats.norm(3, 2), np.exp, np.exp(5)),
        (stats.uniform(0, 2), np.exp, np.expm1(2) / 2),
        (stats.norm(0, 1), abs, np.sqrt(2 / np.pi)),
        (stats.poisson(3), lambda x: x**2, 12),
        (stats.binom(5, 0.4), lambda x: 2**x, 1.4**5),
    ],
    ids=lambda value: value.dist.name if hasattr(value, "dist") else "",
)
def test_expectations_known_in_closed_form(distribution, f, expected):
    assert exact.marginal(distribution).expect(f) == pytest.approx(expected, rel=2e-7)


def test_expectations_of_a_posterior_are_its_own_moments_and_quadpack_s_integrals():
    posterior = exact.normal([28, 8, -3], [15, 10, 16], mu=stats.norm(0, 20), tau=stats.halfnorm(scale=10))
    tau, theta = posterior["tau"], posterior["theta"]
    assert tau.expect(lambda x: x) == pytest.approx(tau.mean(), rel=1e-8)
    np.testing.assert_allclose(theta.expect(lambda x: x), theta.mean(), rtol=1e-8)
    np.testing.assert_allclose(theta.expect(lambda x: (x - theta.mean()) ** 2), theta.sd() ** 2, rtol=1e-8)
    shrinkage, _ = integrate.quad(lambda x: 225 / (225 + x**2) * tau.pdf(x), 0, np.inf, epsabs=1e-10)
    assert tau.expect(lambda x: 225 / (225 + x**2)) == pytest.approx(shrinkage, abs=1e-8)


def test_an_expectation_has_the_labels_of_what_comes_in():
    tau = exact.marginal(stats.halfnorm(scale=10))
    sigma = xr.DataArray([15.0, 10.0], dims="school", coords={"school": ["A", "B"]})
    factor = tau.expect(lambda x: sigma**2 / (sigma**2 + x**2))
    assert factor.dims == ("school",)
    assert factor.sel(school="B").item() == pytest.approx(tau.expect(lambda x: 100 / (100 + x**2)), rel=1e-12)
    y_rep = exact.dirichlet_multinomial([[3, 1], [200, 5]], alpha=2.0, baseline=[1, 1])["y_rep"]
    np.testing.assert_allclose(y_rep.expect(lambda x: x), y_rep.mean(), rtol=1e-12)


@pytest.mark.parametrize(
    ("distribution", "f"),
    [
        (stats.halfcauchy(), lambda x: x),
        (stats.norm(), lambda x: x > 0.3),
        (stats.norm(), lambda x: np.exp(x**2 / 2)),
        (stats.t(2.2), lambda x: x**2),
        (stats.t(3.5), lambda x: x**2),
    ],
    ids=["no mean", "a jump", "no expectation", "a tail that matters", "a tail that matters a little"],
)
def test_an_expectation_that_cannot_be_vouched_for_is_refused(distribution, f):
    with pytest.raises(ArithmeticError, match="give a function"):
        exact.marginal(distribution).expect(f)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (0.5, "f is 0.5: give a function"),
        (lambda x: x * 1j, r"f\(x\) is complex: give a function whose values are numbers"),
        (lambda x: "mean", r"f\(x\) is an array of .*: give a function whose values are numbers"),
        (lambda x: 3.0, r"f is a function with values of shape \(\).*give a value for each x"),
        (lambda x: x.sum("x"), "give them the dim 'x' too"),
        (lambda x: x.where(x < 1), r"f is not finite for x from 1 to 7"),
    ],
)
def test_functions_that_are_none_are_refused(f, message):
    with pytest.raises(ValueError, match=message):
        exact.marginal(stats.norm()).expect(f)


# -- distributions of SciPy -------------------------------------------------------------------------


def test_a_distribution_of_scipy_as_a_marginal():
    gamma = stats.gamma(2, scale=3)
    marginal = exact.marginal(gamma)
    assert (marginal.mean(), marginal.sd()) == (gamma.mean(), gamma.std())
    np.testing.assert_allclose(marginal.quantile(Q), gamma.ppf(Q))
    np.testing.assert_allclose(marginal.cdf([1.0, 5.0]), gamma.cdf([1, 5]))
    low, high = marginal.hdi(0.89).values
    assert gamma.cdf(high) - gamma.cdf(low) == pytest.approx(0.89, abs=1e-9)
    assert gamma.pdf(high) == pytest.approx(gamma.pdf(low), rel=1e-6)


def test_moments_that_scipy_does_not_know_are_infinite():
    marginal = exact.marginal(stats.cauchy())
    assert (marginal.mean(), marginal.sd()) == (np.inf, np.inf)


def test_a_discrete_distribution_of_scipy_as_a_marginal():
    marginal = exact.marginal(stats.poisson(3))
    assert marginal.mean() == pytest.approx(3, rel=1e-12)
    assert marginal.quantile(0.5) == 3
    np.testing.assert_allclose(marginal.pdf([0.0, 2.0, 2.5]), [np.exp(-3), 4.5 * np.exp(-3), 0])
    low, high = marginal.hdi(0.89).values
    assert stats.poisson(3).cdf(high) - stats.poisson(3).cdf(low - 1) >= 0.89


@pytest.mark.parametrize(
    ("distribution", "message"),
    [
        (stats.gamma, "distribution is .*give a frozen distribution of scipy.stats"),
        (stats.norm([0, 1], 1), "give valid numbers as parameters"),
        (stats.gamma(-1), "give valid numbers as parameters"),
        (stats.zipf(1.5), "distribution is zipf with more than 100000 probable values"),
    ],
)
def test_what_is_no_distribution_is_refused(distribution, message):
    with pytest.raises(ValueError, match=message):
        exact.marginal(distribution)


# -- laws known by their density --------------------------------------------------------------------


def test_a_law_known_by_its_density_gives_all_the_rest():
    a, b = np.array([0.5, 3.0, 40.0, 1e4]), np.array([4.0, 2.0, 1.0, 2e6])
    law, group = Betas(a, b), np.repeat(np.arange(4), len(Q))
    expected = stats.beta.ppf(np.tile(Q, 4), a[group], b[group])
    np.testing.assert_allclose(law.quantile(np.tile(Q, 4), group), expected, rtol=1e-6)
    np.testing.assert_allclose(law.cdf(expected, group), np.tile(Q, 4), rtol=1e-5)


@pytest.mark.parametrize(
    ("distribution", "lower", "upper"),
    [
        (stats.norm(1e4, 1e-3), -np.inf, np.inf),
        (stats.t(3), -np.inf, np.inf),
        (stats.gamma(0.4, scale=5), 0.0, np.inf),
        (stats.expon(7, 2), 7.0, np.inf),
        (stats.halfcauchy(), 0.0, np.inf),
        (stats.truncnorm(-3, 1), -3.0, 1.0),
        (stats.beta(2, 3, loc=-5, scale=10), -5.0, 5.0),
    ],
    ids=lambda value: value.dist.name if hasattr(value, "dist") else "",
)
def test_densities_on_every_kind_of_support(distribution, lower, upper):
    law = OneDensity(distribution, lower, upper)
    expected = distribution.ppf(Q)
    quantiles = law.quantile(Q, np.zeros(len(Q), dtype=int))
    np.testing.assert_allclose(distribution.cdf(quantiles), Q, rtol=1e-5)
    assert np.all(np.abs(quantiles - expected)[1:-1] < 1e-7 * np.ptp(expected[1:-1]))


def test_a_density_without_bound_at_the_upper_end_is_refused():
    """Between the last numbers below one there is more of it than may be lost."""
    with pytest.raises(ArithmeticError):
        Betas([2.0], [0.2]).cdf(np.array([0.5]), np.array([0]))


def test_a_density_that_is_none_is_refused():
    with pytest.raises(ArithmeticError, match="density of group 0 integrates to 2, not to one"):
        Betas([2.0], [3.0], height=2.0).cdf(np.array([0.5]), np.array([0]))
    with pytest.raises(ArithmeticError, match="not to one: give a normalised one"):
        OneDensity(stats.norm(), 0.0, np.inf).cdf(np.array([0.5]), np.array([0]))


def test_a_density_is_tabulated_once_whatever_is_asked():
    rng = np.random.default_rng(4)
    a, b = rng.uniform(1, 20, 100), rng.uniform(1, 100, 100)
    law = Betas(a, b)
    marginal = Marginal(lambda _: law, xr.DataArray(np.arange(100), dims="group"))
    marginal.cdf(0.5)
    law.density = None  # it is not needed any more
    low, high = marginal.hdi(0.89).values.T
    np.testing.assert_allclose(stats.beta.cdf(high, a, b) - stats.beta.cdf(low, a, b), 0.89, atol=1e-7)


@pytest.mark.parametrize("prob", [0.05, 0.5, 0.89])
@pytest.mark.parametrize("heights", [[0, 3, 1, 2, 0, 1], [1, 0, 0, 2, 1, 3], [2, 2, 0, 1, 3, 0]])
def test_intervals_under_densities_that_jump_and_vanish_are_the_shortest_of_thousands(heights, prob):
    histogram = stats.rv_histogram((np.array(heights), [0, 1, 1.3, 4, 5, 5.2, 7]), density=True)
    tail = np.linspace(0, 1 - prob, 4001)[1:-1]
    posterior = exact.normal([1.0, 6, 3], [1, 1, 2], mu=stats.norm(0, 3), tau=histogram)
    for marginal in (exact.marginal(histogram), posterior["tau"]):
        low, high = marginal.hdi(prob).values
        lengths = marginal.quantile(tail + prob).values - marginal.quantile(tail).values
        assert marginal.cdf(high) - marginal.cdf(low) == pytest.approx(prob, abs=1e-8)
        assert high - low <= lengths.min() * (1 + 1e-6)


@pytest.mark.parametrize("prob", [0.05, 0.89, 0.99])
def test_intervals_of_mixtures_are_the_shortest_of_thousands(prob):
    rng = np.random.default_rng(35)
    weights = rng.dirichlet(np.ones(6))
    # The last groups have two peaks, or one that is narrow.
    mean = 100 + np.hstack([rng.normal(0, 1, (6, 5)), rng.normal(0, 5, (6, 5)), np.zeros((6, 1))])
    sd = np.hstack([rng.uniform(0.7, 1.5, (6, 10)), 10.0 ** np.arange(-3, 3)[:, None]])
    law = NormalMixture(weights, mean, sd**2)
    labels = xr.DataArray(np.arange(11), dims="group")
    marginal = Marginal(lambda groups: NormalMixture(weights, mean[:, groups], sd[:, groups] ** 2), labels)
    low, high = marginal.hdi(prob).values.T
    groups = np.arange(11)
    assert law.cdf(high, groups) - law.cdf(low, groups) == pytest.approx(prob, abs=1e-12)
    tails = np.linspace(0, 1 - prob, 3001)[1:-1]
    tail, group = np.repeat(tails, 11), np.tile(groups, len(tails))
    lengths = law.quantile(tail + prob, group) - law.quantile(tail, group)
    assert np.all(high - low <= lengths.reshape(-1, 11).min(axis=0) * (1 + 1e-9))
    found = law.shortest(prob, groups)[1]
    assert found[:5].all()
    assert not found.all()


def test_parts_of_wide_panels_are_told_as_well_as_the_panels():
    """Two rules that agree on the mass of a panel say nothing of its parts."""
    intervals = np.array([[-12.0, -4.0], [-4.0, 4.0], [4.0, 12.0]])
    density = stats.norm.pdf(intervals.mean(axis=1)[:, None] + 4 * NODES)
    curve = Curve([(Axis("x", []), intervals, density)] * 2, np.zeros(2), np.ones(2))
    x = np.linspace(-5, 5, 101)
    for group in (0, 1):
        group = np.full(len(x), group)
        np.testing.assert_allclose(curve.cdf(x, group), stats.norm.cdf(x), atol=2e-9)
        np.testing.assert_allclose(curve.quantile(stats.norm.cdf(x), group), x, rtol=1e-5, atol=1e-8)
