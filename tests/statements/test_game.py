"""What is said of the game of guesses."""

import numpy as np
import pytest
from scipy import optimize
from statements import states

SIGMA, MU, TAU = np.array([3.0, 6.0, 9.0, 12.0, 15.0]), 8.0, 6.0
B = SIGMA**2 / (SIGMA**2 + TAU**2)


def cost(share):
    """Expected squared error of each school, if a guess goes this share of the way to mu."""
    return (1 - share) ** 2 * SIGMA**2 + share**2 * TAU**2


@states("chapters/mathematical-structure.md", "the raw effects beat the model in about one round in thirteen")
def test_the_raw_effects_seldom_win():
    rng = np.random.default_rng(58)
    truth = rng.normal(MU, TAU, (100_000, 5))
    raw = rng.normal(truth, SIGMA)
    losses = [((guess - truth) ** 2).sum(axis=1) for guess in (raw, raw + B * (MU - raw))]
    assert (losses[0] < losses[1]).mean() == pytest.approx(1 / 13, abs=4 * np.sqrt(1 / 13 / 100_000))


@states("chapters/mathematical-structure.md", "far less than the reports themselves")
@states("chapters/mathematical-structure.md", "Who pulls all schools by one share does best at …, for …")
@states(
    "chapters/mathematical-structure.md",
    "The model does better, since it pulls each school by a share of its own",
)
def test_costs_of_the_rules():
    assert cost(1).sum() < 0.4 * cost(0).sum()
    best = optimize.minimize_scalar(lambda share: cost(share).sum(), bounds=(0, 1), method="bounded")
    assert best.x == pytest.approx((SIGMA**2).sum() / (SIGMA**2 + TAU**2).sum(), abs=1e-5)
    assert cost(B).sum() < best.fun < cost(1).sum()


@states("chapters/mathematical-structure.md", "takes $b = B_i$, the least of all")
def test_the_model_s_share_costs_least():
    shares = np.linspace(0, 1, 1001)[:, None]
    assert (cost(shares) >= cost(B) - 1e-12).all()
    np.testing.assert_allclose(cost(B), (1 - B) * SIGMA**2)
