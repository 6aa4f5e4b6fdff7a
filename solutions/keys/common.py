"""What several keys need: misunderstandings, and the Monte Carlo error of what a student computes from draws.

That error is found by drawing from the exact posterior.
"""

import numpy as np

from support.conventions import INTERVAL

NEAR = 0.03  # two widths that differ by less are hard to tell apart in a sample
EFFECTIVE_DRAWS = 2000  # what a sampled number must be worth; four chains of 2000 draws give more
NEW_DRAWS = 4000  # the same for a new group, drawn afresh for each draw of the hyperparameters
REPEATS = 200  # the error is then known to about 5%
# Misunderstandings that several exercises know.
CENTRAL = "giving a central interval in place of the shortest one"
OWN = "giving the weight of a group's own data"
TURNED = "taking the difference the other way round"


def monte_carlo_error(statistic, *marginals, draws=EFFECTIVE_DRAWS):
    """Standard error of a statistic of draws.

    Parameters
    ----------
    statistic : callable
        Takes one array of draws for each marginal, and returns a number or an array.
    *marginals : hierarchical_exact.posterior.Marginal
        Scalar marginals, drawn from independently by their quantiles.
    draws : int
        Effective draws in a sample.

    Returns
    -------
    float or numpy.ndarray
        Standard deviation of the statistic over repeated samples.

    Examples
    --------
    The mean of standard Normal draws has the error one over the root of their number:

    >>> import hierarchical_exact as exact
    >>> known = exact.normal([0.0], [1e9], mu=0.0, tau=1.0)
    >>> error = monte_carlo_error(np.mean, known["theta_new"])
    >>> bool(abs(error * EFFECTIVE_DRAWS**0.5 - 1) < 0.2)
    True
    """
    rng = np.random.default_rng(58)
    # Between quantiles this close, a straight line is as good as the distribution.
    probability = (np.arange(2000) + 0.5) / 2000
    quantiles = [np.asarray(marginal.quantile(probability)) for marginal in marginals]
    samples = (
        [np.interp(rng.random(draws), probability, values) for values in quantiles] for _ in range(REPEATS)
    )
    return np.std([statistic(*sample) for sample in samples], axis=0, ddof=1)


def hdi(draws):
    """Shortest interval that holds 89% of the draws, (2,).

    Examples
    --------
    >>> hdi(np.arange(101.0)).tolist()
    [0.0, 89.0]
    """
    ordered = np.sort(np.ravel(draws))
    inside = int(np.floor(INTERVAL * ordered.size))
    start = np.argmin(ordered[inside:] - ordered[: ordered.size - inside])
    return ordered[[start, start + inside]]


def width(draws):
    """Width of the shortest interval that holds 89% of the draws.

    Examples
    --------
    >>> float(width(np.arange(101.0)))
    89.0
    """
    return np.ptp(hdi(draws))


def wider(first, second, names):
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
