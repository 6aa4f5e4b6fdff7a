"""What the keys of several exercises share."""

import numpy as np

from hierarchical_exact import Marginal
from notebook_marking.keys import Key
from support.conventions import INTERVAL
from support.monte_carlo import monte_carlo_error, shortest_interval

NEAR = 0.03  # two widths that differ by less are hard to tell apart in a sample
EFFECTIVE_DRAWS = 2000  # what a sampled number must be worth; four chains of 2000 draws give more
NEW_DRAWS = 4000  # the same for a new group, drawn afresh for each draw of the hyperparameters
# Misunderstandings that several exercises know.
CENTRAL = "giving a central interval in place of the shortest one"
OWN = "giving the weight of a group's own data"
TURNED = "taking the difference the other way round"


def width(draws: np.ndarray) -> float:
    """Width of the shortest interval that holds 89% of the draws.

    Examples
    --------
    >>> float(width(np.arange(101.0)))
    89.0
    """
    return np.ptp(shortest_interval(draws))


def hdi(marginal: Marginal, draws: float, mistakes: dict) -> Key:
    """Key of the 89% HDI of a quantity that is sampled.

    Both ends have the larger of their errors: an interval that begins at the bound of its quantity has in
    samples a lower end that errs to one side only, and goes far beyond four of its standard errors.

    Examples
    --------
    >>> from hierarchical_exact import marginal
    >>> from scipy import stats
    >>> key = hdi(marginal(stats.expon()), 2000, {})
    >>> key.value.round(2).tolist(), bool(key.error[0] == key.error[1])
    ([0.0, 2.21], True)
    """
    errors = monte_carlo_error(shortest_interval, marginal, draws=draws)
    return Key(marginal.hdi(INTERVAL).values, np.full(2, errors.max()), mistakes)


def wider(first: float, second: float, names: tuple) -> tuple:
    """Which of two intervals is the wider one.

    Parameters
    ----------
    first, second : float
        Their widths.
    names : tuple of str
        Their names.

    Returns
    -------
    tuple of str
        What is right: one name, or all there is if the widths are too close to be told apart in a sample.

    Examples
    --------
    >>> wider(2.0, 1.0, ("new", "old"))
    ('new',)
    """
    if abs(first / second - 1) < NEAR:
        return *names, "equally wide"
    return names[:1] if first > second else names[1:]


def mean_weight(alpha: Marginal, size: float) -> float:
    """Posterior mean of the weight of the baseline in a region of this size.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from scipy import stats
    >>> bool(abs(mean_weight(exact.marginal(stats.uniform(0, 1)), 1.0) - 1 + np.log(2)) < 1e-6)
    True
    """
    return alpha.expect(lambda a: a / (a + size))
