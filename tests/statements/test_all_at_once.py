"""Data replicated for all schools at once, by sums over mu and tau; their spread by the integral of Imhof."""

import numpy as np
import pytest
from by_hand import EFFECT, ERROR, TAU, ByHand
from scipy import integrate, stats
from statements import states

LARGEST = EFFECT.max()
SPREAD = ((EFFECT - EFFECT.mean()) ** 2).sum()
NODES, SHARES = np.polynomial.hermite_e.hermegauss(41)
SHARES = SHARES / SHARES.sum()


def largest(mass, mean_mu, sd_mu, same, effect=EFFECT, error=ERROR):
    """Probability that the largest of eight new reports is as large as ours; `mass` is that of each tau."""
    total = 0
    for tau, weight, middle, sd in zip(TAU, mass, mean_mu, sd_mu, strict=True):
        mu = middle + sd * NODES[:, None]
        pulled = error**2 / (error**2 + tau**2) if same else 1.0
        mean = pulled * mu + (1 - pulled) * effect
        variance = error**2 + (error**2 * (1 - pulled) if same else tau**2)
        below = stats.norm.cdf((effect.max() - mean) / np.sqrt(variance)).prod(axis=1)
        total += weight * (1 - SHARES @ below)
    return total


def wider(tau):
    """Probability that eight reports, with this sd between schools, are spread as far as ours."""
    scale = np.sqrt(ERROR**2 + tau**2)
    weights = np.linalg.eigvalsh(scale[:, None] * (np.eye(8) - 1 / 8) * scale)[1:]

    def density(u):
        angle = np.arctan(weights * u).sum() / 2 - SPREAD * u / 2
        return np.sin(angle) / (u * np.prod((1 + (weights * u) ** 2) ** 0.25))

    return 0.5 + integrate.quad(density, 0, np.inf, limit=500)[0] / np.pi


@pytest.fixture(scope="module")
def posterior():
    return ByHand()


@states(
    "chapters/eight-schools.md",
    "The largest of our effects is the 28 of school A, and another report from A would be as large",
)
@states(
    "chapters/eight-schools.md", "So it would be if only A could have the largest. But any of the eight may"
)
@states("chapters/eight-schools.md", "C and H report with larger standard errors.")
@states("chapters/eight-schools.md", "The largest of eight noisy reports is large by selection.")
@states("chapters/eight-schools.md", "Each school by itself seldom reaches 28; one of eight often does.")
@states("chapters/eight-schools.md", "no estimate is above 11.")
def test_one_of_eight_is_often_as_large_as_no_school_by_itself_is(posterior):
    assert EFFECT.argmax() == 0
    sd = np.sqrt(ERROR**2 + posterior.sd**2)
    each = stats.norm.sf((LARGEST - posterior.theta) / sd)
    sd_mu = np.sqrt(posterior.variance_mu)
    assert each.max() < 0.17
    assert largest(posterior.mass, posterior.mean_mu, sd_mu, same=True) == pytest.approx(0.440, abs=1e-3)
    assert list(np.flatnonzero(ERROR[0] < ERROR)) == [2, 7]
    assert posterior.theta.max() < 11


@states(
    "chapters/eight-schools.md",
    "a largest effect of 28 and a spread of 10.4 are what the model makes without effort.",
)
@states("chapters/eight-schools.md", "our eight lie closer together than it expects")
@states("chapters/eight-schools.md", "noise alone would spread them as far in two data sets of three")
@states("chapters/eight-schools.md", "The same schools and other schools hardly differ")
def test_no_statistic_is_in_a_tail(posterior):
    prior = stats.halfnorm(scale=10).pdf(TAU)
    prior /= prior.sum()
    sd_mu = np.sqrt(posterior.variance_mu)
    known, twenty = np.zeros_like(TAU), np.full_like(TAU, 20.0)
    same, other = (largest(posterior.mass, posterior.mean_mu, sd_mu, same=same) for same in (True, False))
    assert other == pytest.approx(0.448, abs=1e-3)
    assert other - same < 0.01
    assert largest(prior, known, twenty, same=False) == pytest.approx(0.402, abs=1e-3)
    chances = np.array([wider(tau) for tau in TAU[::20]])  # at every point of tau
    for mass, expected in ((posterior.mass, 0.760), (prior, 0.819)):
        assert mass @ np.interp(TAU, TAU[::20], chances) == pytest.approx(expected, abs=2e-3)
    assert wider(0.0) == pytest.approx(2 / 3, abs=0.015)
    assert np.sqrt(SPREAD / 7) == pytest.approx(10.4, abs=0.05)


@states(
    "chapters/eight-schools.md",
    "with small standard errors the first check can pass whatever the population.",
)
def test_small_errors_let_the_first_check_pass_and_not_the_second():
    effect, error = np.array([-3.0, -2, -1, 0, 1, 2, 3, 60]), np.full(8, 0.1)
    posterior = ByHand(effect, error)
    sd_mu = np.sqrt(posterior.variance_mu)
    first, second = (
        largest(posterior.mass, posterior.mean_mu, sd_mu, same, effect, error) for same in (True, False)
    )
    assert first == pytest.approx(0.5, abs=0.01)
    assert second < 0.2
