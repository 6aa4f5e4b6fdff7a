"""Estimating the error of an exact posterior, from the two rules that share its nodes."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from hierarchical_exact.quadrature import SLICE, Grid

# With very many groups the error is estimated on some, spread evenly over them: on most of these where there
# are few nodes, on least where there are many.
CHECKED_GROUPS, FEWEST_CHECKED, CHECKED = 200, 30, 500_000
# Besides, on those whose laws hang most on the hyperparameters, as so many nodes tell.
_ODDEST, _TYPICAL = 10, 9
_EXTREME = 1e3
# The log of a weight below which its quotient by a chance is not told to a billionth.
_DIGITS = 1e6
# A unit is odd if its log density is so much lower than another's, and so many can all be left out in turn.
_ODD, _FEW = 30.0, 100


def refine(
    build: Callable,
    *,
    tolerance: float,
    integral_tolerances: Sequence[float] = (1e-9, 1e-11, 1e-13),
    because: str = "perhaps since a prior is too heavy-tailed for these data, or a group too far from others",
    instead: str = "a lighter one, or leave that group out",
) -> tuple[Any, float]:
    """Build a posterior with ever tighter integrals until its error estimate meets a tolerance.

    Parameters
    ----------
    build : callable
        Takes the tolerance of the integral; gives the result and its estimated error.
    tolerance : float
        Largest error in means, sds and quantiles, relative to the sd of each quantity.
    integral_tolerances : sequence of float
        Tolerances of the integral to try in turn.
    because, instead : str
        What to say where it is not met: the cause, and what to give.

    Returns
    -------
    object
        The result that met the tolerance.
    float
        Its estimated error.

    Raises
    ------
    ArithmeticError
        If it is not met.
    """
    for integral_tolerance in integral_tolerances:
        result, error = build(integral_tolerance)
        if error <= tolerance:
            return result, error
    raise ArithmeticError(
        f"the estimated error {error:.1e} of the posterior stays above {tolerance:g}, {because}: "
        f"give {instead}"
    )


def shift(law: Callable, grid: Grid) -> float:
    """Largest movement between the two rules of the distribution function of a single quantity.

    It needs no moments, and so serves a new group where those may not exist.

    Parameters
    ----------
    law : callable
        Takes weights, gives the law.
    grid : Grid
        With `weights` and `coarse`.

    Returns
    -------
    float
    """
    fine, coarse = law(grid.weights), law(grid.coarse)
    (middle,), (width,) = fine.middle_and_width
    x = middle + width * np.array([-30.0, -8.0, -2.0, -0.7, 0.0, 0.7, 2.0, 8.0, 30.0])
    group = np.zeros(len(x), dtype=int)
    return float(np.abs(fine.cdf(x, group) - coarse.cdf(x, group)).max())


def checked(moments: Callable, size: int, grid: Grid) -> np.ndarray:
    """Groups on which the error is estimated: some spread evenly, and the oddest.

    Parameters
    ----------
    moments : callable
        Takes a slice of the groups and positions of nodes, gives (k, j) conditional means and variances.
    size : int
        Number of groups.
    grid : Grid

    Returns
    -------
    (m,) array of int
    """
    number = np.clip(CHECKED // len(grid.weights), FEWEST_CHECKED, CHECKED_GROUPS)
    if size <= number:
        return np.arange(size)
    share = (np.arange(_TYPICAL) + 0.5) / _TYPICAL
    nodes = np.minimum(np.searchsorted(np.cumsum(grid.weights), share), len(grid.weights) - 1)
    apart = np.empty(size)
    step = SLICE // _TYPICAL
    for some in (slice(start, start + step) for start in range(0, size, step)):
        mean, variance = moments(some, nodes)
        with np.errstate(divide="ignore", invalid="ignore"):
            apart[some] = np.nan_to_num(np.ptp(mean, axis=0) / np.sqrt(variance.min(axis=0)))
    evenly = np.linspace(0, size - 1, number).astype(int)
    return np.union1d(evenly, np.argpartition(apart, -_ODDEST)[-_ODDEST:])


def error(law: Callable, groups: np.ndarray, grid: Grid) -> float:
    """Largest movement of mean, sd and quantiles between the two rules, in posterior sds.

    Parameters
    ----------
    law : callable
        Takes group positions and weights, gives their law.
    groups : (m,) array of int
        See `checked`.
    grid : Grid
        With `weights` and `coarse`.

    Returns
    -------
    float
    """
    fine, coarse = law(groups, grid.weights), law(groups, grid.coarse)
    mean, sd = fine.mean(), fine.sd()
    usable = np.isfinite(mean) & np.isfinite(sd) & (sd > 0)
    if not usable.any():
        return 0.0
    mean, sd = mean[usable], sd[usable]
    with np.errstate(invalid="ignore"):
        moved = [
            np.abs(coarse.mean()[usable] - mean) / sd,
            np.abs(coarse.sd()[usable] - sd) / sd,
        ]
    # Where one is zero, by the phase of a wave, another is not.
    offsets = np.array([-1.5, -0.4, 0.0, 0.4, 1.5])[:, None]
    x, position = (mean + offsets * sd).ravel(), np.tile(np.flatnonzero(usable), len(offsets))
    density = fine.pdf(x, position) * np.tile(sd, len(offsets))
    shift = np.abs(fine.cdf(x, position) - coarse.cdf(x, position))
    # Where there is next to no density, the quantile there is no quantity of interest.
    moved.append(np.where(density > 1e-3, shift / np.maximum(density, 1e-3), 0.0))
    return float(np.max(np.concatenate(moved)))


def leave_one_out(grid, log_predictive, evidence_without, size, *, agreement=1e-8):
    """Log density of each unit given all the others.

    1 / p(y_j | the others) is the posterior mean of 1 / p(y_j | the others, hyperparameters). Where that mean
    rests on the edge of the grid, or its two rules differ, the evidence of the others is integrated afresh.

    `log_predictive` takes a slice of the units and positions of nodes, gives (n, j) log densities;
    `evidence_without` takes the position of a unit, gives the log evidence of all the others.
    """
    evidence_without = cache(evidence_without)  # asked for twice beside an odd unit
    # Where a unit makes a node too light for a number, the others may not: its weight is known by its log.
    log_weights, gauss = _in_logs(grid)
    nodes = np.flatnonzero(np.isfinite(log_weights))
    log_weights, gauss = log_weights[nodes, None], gauss[nodes]
    # As small a weight, divided by as small a chance, has lost its digits.
    edge = grid.at_edge[nodes] | (log_weights[:, 0] < -_DIGITS)
    lost = np.where(log_weights < -_DIGITS, -1e-15 * log_weights, 0.0)
    result = np.empty(size)
    step = max(1, SLICE // len(nodes))
    for start in range(0, size, step):
        units = slice(start, min(start + step, size))
        terms = log_weights - log_predictive(units, nodes) + lost
        largest = terms.max(axis=0)
        terms -= largest
        np.exp(terms, out=terms)
        total = terms.sum(axis=0)
        result[units] = -(np.log(total) + largest)
        reliable = np.abs(gauss @ terms / total - 1) < agreement
        # What the others contradict by tens of sds hangs on a difference that has lost its digits.
        reliable &= np.abs(result[units]) < _EXTREME
        reliable &= (terms[edge] < 1e-4 * agreement * total).all(axis=0)
        for j in np.flatnonzero(~reliable) + start:
            result[j] = grid.log_evidence - evidence_without(j)
    # Beside an odd unit the others, without one more, may lie where this grid does not reach.
    if size <= _FEW and np.ptp(result) > _ODD:
        return np.array([grid.log_evidence - evidence_without(j) for j in range(size)])
    return result


def _in_logs(grid):
    """Logs of a grid's weights, and how many times as heavy its coarse rule makes each node."""
    if isinstance(grid, Grid):
        return grid.log_weights, grid.gauss
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(grid.weights), grid.coarse / grid.weights
