"""The quadrature against integrals known in closed form."""

import numpy as np
import pytest
from numpy.polynomial import legendre
from scipy import stats

from hierarchical_exact import quadrature
from hierarchical_exact.laws import Curve
from hierarchical_exact.quadrature import Axis, integrate, prior_axis


@pytest.mark.parametrize(("rule", "degree"), [(quadrature.KRONROD, 22), (quadrature.GAUSS, 13)])
def test_rules_are_exact_up_to_their_degree_and_not_beyond(rule, degree):
    powers = np.arange(0, degree + 1)
    sums = (rule * quadrature.NODES ** powers[:, None]).sum(axis=1)
    np.testing.assert_allclose(sums, np.where(powers % 2 == 0, 2 / (powers + 1), 0), atol=3e-16)
    # Monomials of the next even degrees are nearly exact too; the Legendre polynomial is not.
    beyond = legendre.legval(quadrature.NODES, np.eye(degree + 3)[degree + 2 - degree % 2])
    assert abs((rule * beyond).sum()) > 1e-3


@pytest.mark.parametrize(
    "prior",
    [
        stats.halfnorm(scale=10),
        stats.halfcauchy(scale=5),
        stats.gamma(0.3, scale=2),
        stats.lognorm(2.0),
        stats.uniform(0, 7),
        stats.uniform(6, 1e-6),
        stats.gamma(1e6, scale=1e-5),
        stats.invgamma(3.0, scale=2.0),
        stats.halfnorm(loc=2, scale=1e-4),
    ],
    ids=lambda prior: prior.dist.name,
)
def test_a_prior_integrates_to_one_with_its_own_moments_and_quantiles(prior):
    grid = integrate(prior.logpdf, [prior_axis("x", prior)])
    assert abs(grid.log_evidence) < 1e-8
    x = grid.points["x"]
    assert grid.expectation(x) == pytest.approx(prior.mean(), rel=1e-8)
    curve = Curve([grid.curve("x")], prior.mean(), prior.std())
    q = np.array([1e-3, 0.055, 0.5, 0.945, 0.999])
    group = np.zeros(5, dtype=int)
    np.testing.assert_allclose(curve.quantile(q, group), prior.ppf(q), rtol=1e-7)
    points = prior.ppf(q)
    np.testing.assert_allclose(curve.cdf(points, group), q, rtol=1e-6)
    np.testing.assert_allclose(curve.pdf(points, group), prior.pdf(points), rtol=1e-5)


def test_moments_that_do_not_exist_are_infinite():
    # Student t with 2 degrees of freedom, folded: a mean of sqrt(2) but no variance.
    prior = stats.halfcauchy()
    grid = integrate(prior.logpdf, [prior_axis("x", prior)])
    assert grid.expectation(grid.points["x"]) == np.inf
    grid = integrate(lambda x: np.log(2) + stats.t(2).logpdf(x), [Axis("x", np.ones(1), lower=0.0)])
    assert grid.expectation(grid.points["x"]) == pytest.approx(np.sqrt(2), rel=1e-7)
    assert grid.expectation(grid.points["x"] ** 2) == np.inf


def test_two_dimensions_with_strong_correlation():
    rho = 0.9
    law = stats.multivariate_normal([1.0, -2.0], [[4.0, rho * 6.0], [rho * 6.0, 9.0]])
    axes = [Axis("a", np.array([0.0, 3.0])), Axis("b", np.array([-5.0, 5.0]))]
    grid = integrate(lambda a, b: law.logpdf(np.column_stack([a, b])), axes)
    assert abs(grid.log_evidence) < 1e-9
    a, b = grid.points["a"], grid.points["b"]
    assert grid.weights @ a == pytest.approx(1.0, abs=1e-9)
    assert grid.weights @ ((a - 1) * (b + 2)) == pytest.approx(rho * 6.0, rel=1e-8)


def test_a_narrow_peak_far_from_the_hints_is_found():
    grid = integrate(stats.norm(1e4, 1e-3).logpdf, [Axis("x", np.array([0.0, 1.0]))])
    assert abs(grid.log_evidence) < 1e-8
    assert grid.expectation(grid.points["x"]) == pytest.approx(1e4, rel=1e-12)


def test_an_improper_density_is_refused():
    with pytest.raises(ArithmeticError, match="does not decay"):
        integrate(lambda x: -np.log(x), [Axis("x", np.ones(1), lower=0.0)])


def test_the_two_rules_bound_the_error():
    # A kink in mid-panel is the hardest case: the estimate must still cover the true error.
    grid = integrate(lambda x: -np.abs(x - 0.3), [Axis("x", np.array([0.0, 1.0]))], tolerance=1e-7)
    error = abs(np.exp(grid.log_evidence) / 2 - 1)
    assert error < 1e-6


def test_draws_come_from_both_dimensions_together():
    """A correlated Normal of x and log(s): every second moment within Monte Carlo error."""
    rho, n = 0.9, 20_000

    def log_density(x, s):
        z = np.log(s)
        return -0.5 * (x**2 - 2 * rho * x * z + z**2) / (1 - rho**2) - z

    axes = [quadrature.Axis("x", np.zeros(1)), quadrature.Axis("s", np.ones(1), lower=0.0)]
    draws = quadrature.integrate(log_density, axes).sample(n, np.random.default_rng(2))
    x, z = draws["x"], np.log(draws["s"])
    for product, expected in (
        (x, 0),
        (z, 0),
        (x * x, 1),
        (z * z, 1),
        (x * z, rho),
        (x * x * z * z, 1 + 2 * rho**2),
    ):
        assert abs(product.mean() - expected) < 4 * product.std() / np.sqrt(n)
    assert stats.kstest((x - rho * z) / np.sqrt(1 - rho**2), "norm").pvalue > 1e-3
