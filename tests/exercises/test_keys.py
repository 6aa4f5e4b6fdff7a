"""Keys of the source's exercises, against arithmetic and integrals done in another way."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

import hierarchical_exact as exact
from notebook_marking.course import Course
from solutions.keys.common import EFFECTIVE_DRAWS, NEW_DRAWS, wider, width
from support.conventions import MU_LOG_PRIOR, MU_PRIOR, SIGMA_LOG_PRIOR, TAU_PRIOR
from support.exercises import personal
from support.monte_carlo import shortest_interval

key = Course.read(Path(__file__).parents[2]).key
EFFECT = [28, 8, -3, 7, -1, 1, 18, 12]
ERROR = [15, 10, 16, 11, 9, 11, 10, 18]


def test_shrinkage_in_fractions():
    """mu = 8 and tau = 6, exactly."""
    found = key("shrinkage-arithmetic", personal.data("5.8.1"))
    factors = [Fraction(s**2, s**2 + 36) for s in ERROR]
    estimates = [(1 - b) * y + b * 8 for b, y in zip(factors, EFFECT, strict=True)]
    np.testing.assert_allclose(found["a.factors"].value, [float(b) for b in factors], rtol=1e-14)
    np.testing.assert_allclose(found["b.estimates"].value, [float(t) for t in estimates], rtol=1e-14)
    assert found["c.reduction"].value == pytest.approx(float(100 * (28 - estimates[0]) / 28))
    assert found["d.factor"].value == pytest.approx(25 / 61)
    assert (found["a.most"].value, found["a.least"].value) == ("H", "E")


def test_the_reduction_is_that_of_the_largest_effect_of_the_student():
    effect, error = personal.data("5.8.1", "ada")[""]
    found = key("shrinkage-arithmetic", personal.data("5.8.1", "ada"))
    y, s = max(zip(effect.values, error.values, strict=True))
    b = s**2 / (s**2 + 36)
    assert found["c.reduction"].value == pytest.approx(100 * b * (y - 8) / y)


def tau_density(tau):
    """Unnormalised posterior density of tau, with theta and mu integrated out by hand."""
    y, s = np.array(EFFECT, float), np.array(ERROR, float)
    variance = np.diag(s**2 + tau**2) + 400.0
    return stats.multivariate_normal(cov=variance).pdf(y) * stats.halfnorm(scale=10).pdf(tau)


def test_the_interval_of_tau():
    found = key("noncentred-reparameterisation", personal.data("5.8.2"))
    grid = np.linspace(0, 60, 1201)
    density = np.array([tau_density(tau) for tau in grid])
    cumulative = integrate.cumulative_trapezoid(density, grid, initial=0)
    # The density falls from zero on, so the shortest interval begins there.
    assert (np.diff(density) <= 0).all()
    upper = np.interp(0.89, cumulative / cumulative[-1], grid)
    np.testing.assert_allclose(found["c.hdi"].value, [0, upper], atol=2e-3)


def test_the_raw_scale():
    """For known mu and tau, theta_raw has the precision 1 + (tau / sigma)^2: prior and data."""
    found = key("noncentred-reparameterisation", personal.data("5.8.2"))
    assert found["b.raw_sd"].value == pytest.approx(1 / np.sqrt(1 + (5 / 15) ** 2))
    assert found["a.log_determinant"].value == pytest.approx(np.linalg.slogdet(5 * np.eye(8))[1])


def test_the_widths_of_hospital_5():
    found = key("hierarchical-poisson", personal.data("5.8.3"))
    # Without pooling: Gamma(1 + 1, 0.5 + 0.7), whose shortest interval a dense grid finds.
    tail = np.linspace(0, 0.11, 200_001)
    alone = stats.gamma(2, scale=1 / 1.2)
    shortest = (alone.ppf(tail + 0.89 - 1e-15) - alone.ppf(tail)).min()
    assert found["c.width_no_pooling"].value == pytest.approx(shortest, rel=1e-5)
    pooled = found["c.width_hierarchical"].value
    assert found["c.reduction"].value == pytest.approx(100 * (shortest - pooled) / shortest, rel=1e-4)


def test_the_reduction_follows_from_the_widths_of_the_student():
    earlier = {"c.width_hierarchical": 1.0, "c.width_no_pooling": 4.0}
    assert key("hierarchical-poisson", personal.data("5.8.3"), earlier)["c.reduction"].value == pytest.approx(
        75
    )


def test_the_ninth_school():
    """Its variance is that of mu plus the mean square of tau."""
    found = key("new-group-prediction", personal.data("5.8.4"))
    posterior = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)
    assert found["a.mean"].value == pytest.approx(posterior["mu"].mean())
    variance = posterior["mu"].sd() ** 2 + posterior["tau"].mean() ** 2 + posterior["tau"].sd() ** 2
    # Four thousand draws were asked for; their mean has this error.
    assert found["a.mean"].error == pytest.approx(np.sqrt(variance / 4000), rel=0.15)


@pytest.mark.parametrize("student", ["", "ada", "bob"])
def test_honest_intervals_are_right(student):
    """Intervals from other draws of the same posterior: no more than one in 200 is refused.

    The interval of tau begins at zero, so that the lower end of a sample's lies above it, and often far.
    """
    found = key("new-group-prediction", personal.data("5.8.4", student))
    posterior = exact.normal(*personal.data("5.8.4", student)[""], mu=MU_PRIOR, tau=TAU_PRIOR)
    hospitals = exact.poisson(
        *personal.data("5.8.3", student)[""], mu_log=MU_LOG_PRIOR, sigma_log=SIGMA_LOG_PRIOR
    )
    rate = key("hierarchical-poisson", personal.data("5.8.3", student))["d.hdi"]
    probability = (np.arange(5000) + 0.5) / 5000
    rng = np.random.default_rng(584)
    for right, marginal, size in (
        (found["a.hdi"], posterior["theta_new"], NEW_DRAWS),
        (found["a.spread"], posterior["tau"], EFFECTIVE_DRAWS),
        (rate, hospitals["lam_new"], NEW_DRAWS),
    ):
        quantiles = marginal.quantile(probability).values
        samples = (np.interp(rng.random(size), probability, quantiles) for _ in range(200))
        off = [abs(shortest_interval(sample) - right.value) / right.error for sample in samples]
        assert (np.max(off, axis=1) > 4).sum() <= 1


def test_the_width_of_draws():
    assert width(np.array([stats.norm.ppf(p) for p in (np.arange(20_000) + 0.5) / 20_000])) == pytest.approx(
        2 * stats.norm.ppf(0.945), rel=1e-3
    )


def test_widths_too_close_to_tell_leave_every_answer_open():
    assert wider(1.0, 2.0, ("a", "b")) == ("b",)
    assert set(wider(1.0, 1.01, ("a", "b"))) == {"a", "b", "equally wide"}
