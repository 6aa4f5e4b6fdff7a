"""What draws are worth: the Monte Carlo error of what is computed from them."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from scipy import special

from hierarchical_exact import Marginal
from support.conventions import INTERVAL

SETS = 200  # sets of draws; the error is then known to 5%
# Dense in both tails; between quantiles this close, a straight line is as good as the distribution.
PROBABILITIES = special.ndtr(np.linspace(-5, 5, 401))


def monte_carlo_error(
    statistic: Callable, *marginals: Marginal, draws: float | Sequence[float]
) -> float | np.ndarray:
    """Standard error of a statistic of draws, found by drawing from exact marginals.

    Parameters
    ----------
    statistic : callable
        Takes one array of draws for each marginal, and returns a number or an array. The draws come in
        ascending order, each marginal's by itself: nothing may depend on their order.
    *marginals : hierarchical_exact.Marginal
        Scalar marginals, drawn from independently.
    draws : float or sequence of float
        Effective draws in a sample: one number, or one for each marginal.

    Returns
    -------
    float or numpy.ndarray
        Standard deviation of the statistic over repeated samples, in its units and of its shape.

    See Also
    --------
    support.checks.compare : Verdicts on a posterior that was sampled, from the errors that ArviZ finds.

    Examples
    --------
    The mean of standard Normal draws has the error one over the root of their number:

    >>> import hierarchical_exact as exact
    >>> from scipy import stats
    >>> error = monte_carlo_error(np.mean, exact.marginal(stats.norm()), draws=2000)
    >>> bool(abs(error * 2000**0.5 - 1) < 0.2)
    True
    """
    sizes = np.broadcast_to(draws, len(marginals))
    samples = [
        np.interp(_uniforms(58 + position, round(size)), PROBABILITIES, quantiles(marginal))
        for position, (marginal, size) in enumerate(zip(marginals, sizes, strict=True))
    ]
    return np.std([statistic(*sample) for sample in zip(*samples, strict=True)], axis=0, ddof=1)


def shortest_interval(draws: np.ndarray) -> np.ndarray:
    """Shortest interval that holds 89% of the draws.

    Parameters
    ----------
    draws : numpy.ndarray
        Draws of one quantity, of any shape.

    Returns
    -------
    numpy.ndarray
        Its ends, (2,), as `arviz.hdi` has them, but quick enough for thousands of samples.

    See Also
    --------
    arviz.hdi : The same, of labelled draws.
    hierarchical_exact.Marginal.hdi : That of an exact marginal.

    Examples
    --------
    >>> shortest_interval(np.arange(101.0)).tolist()
    [0.0, 89.0]
    """
    ordered = np.sort(np.ravel(draws), kind="stable")  # made for what is in order
    inside = int(np.floor(INTERVAL * ordered.size))
    start = np.argmin(ordered[inside:] - ordered[: ordered.size - inside])
    return ordered[[start, start + inside]]


# Several statistics of a marginal are asked for in a row.
@lru_cache(maxsize=4)
def quantiles(marginal: Marginal) -> np.ndarray:
    """Quantiles of a scalar marginal at `PROBABILITIES`, (401,).

    See Also
    --------
    monte_carlo_error : What they are for.
    hierarchical_exact.Marginal.quantile : At any probability.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from scipy import stats
    >>> round(float(quantiles(exact.marginal(stats.norm()))[200]), 6)
    0.0
    """
    return np.asarray(marginal.quantile(PROBABILITIES))


@lru_cache(maxsize=8)
def _uniforms(seed, size):
    """Sets of uniform draws, each in order: what is made of them is then in order too, and quick to sort."""
    return np.sort(np.random.default_rng(seed).uniform(size=(SETS, size)), axis=1)
