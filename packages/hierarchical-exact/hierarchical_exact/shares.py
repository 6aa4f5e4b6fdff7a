"""Laws of shares between zero and one, tabulated over their log odds."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from hierarchical_exact.convolution import log_binomial
from hierarchical_exact.laws import Curve, listed
from hierarchical_exact.quadrature import Axis, Grid, in_slices, integrate

# Log odds beyond which a share is zero or one in floating-point numbers, and the least log slope.
FURTHEST = 745.0
_LOG_TINY = -690.0
# A difference d between the Gauss and the Kronrod rule means an error of the latter of about
# d^1.5 (Piessens et al., 1983, QUADPACK).
KRONROD_GAIN = 1.5


@dataclass
class Tabulated:
    """Law of one share: a grid over its log odds, and the probability beyond its ends.

    Parameters
    ----------
    grid : Grid
    below, above : float
        Probability that the share is zero, or one, in floating-point numbers.
    """

    grid: Grid
    below: float
    above: float

    @property
    def inside(self):
        """Probability that lies on the grid."""
        return 1 - self.below - self.above


class _LogOdds(Axis):
    """Axis over log odds, as far as floating-point numbers reach."""

    limits = (-FURTHEST, FURTHEST)


def tabulate(
    densities: Callable,
    z: np.ndarray,
    weights: np.ndarray,
    beyond: tuple[float, float] | None = None,
    *,
    tolerance: float,
) -> tuple[Tabulated, float]:
    """Integrate a density over log odds.

    Parameters
    ----------
    densities : callable
        Takes (n,) log odds; gives (m, n) densities: the best; by a rule for the hyperparameters
        that is coarser, as Gauss is than Kronrod; and perhaps with half the nodes of a trapezoidal
        rule, and with a cruder approximation whose difference is as large as the error.
    z, weights : (M,) arrays
        Where the probability is, roughly.
    beyond : (float, float), optional
        Probability below and above the log odds that floating-point shares can have; without it
        the grid reaches as far as the density does.
    tolerance : float
        Of the integral.

    Returns
    -------
    law : Tabulated
    error : float
        Estimated error of the distribution function.
    """

    def log_density(z):
        with np.errstate(divide="ignore"):
            return np.log(densities(z)[0])

    hints = _quantiles(z, weights)
    axis = Axis("z", hints) if beyond is None else _LogOdds("z", np.clip(hints, *_LogOdds.limits))
    grid = integrate(log_density, [axis], tolerance=tolerance)
    law = Tabulated(grid, *(float(tail) for tail in beyond or (0.0, 0.0)))
    best, *worse = densities(grid.points["z"])
    best = np.maximum(best, np.finfo(float).tiny)
    moved = [law.inside * (grid.weights @ np.abs(other / best - 1)) for other in worse]
    # With half its nodes, a trapezoidal rule makes the square root of the error it makes with all.
    gains = (KRONROD_GAIN, 2, 1)
    error = sum(change**gain for change, gain in zip(moved, gains, strict=False))
    return law, float(error + abs(np.exp(grid.log_evidence) - law.inside))


def _quantiles(z, weights):
    """Quantiles of z, to find the mass by."""
    order = np.argsort(z)
    cumulative = np.cumsum(weights[order])
    wanted = np.array([1e-3, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999]) * cumulative[-1]
    return z[order][np.minimum(np.searchsorted(cumulative, wanted), len(z) - 1)]


class Shares:
    """Laws of J shares (see `hierarchical_exact.laws`).

    Parameters
    ----------
    compute : callable
        Gives the list of J `Tabulated` laws; called when more than moments is asked for.
    mean, sd : (J,) arrays
    """

    lower, upper, discrete = 0.0, 1.0, False

    def __init__(self, compute: Callable, mean: np.ndarray, sd: np.ndarray):
        self._compute = compute
        self._mean, self._sd = mean, sd

    @cached_property
    def _laws(self):
        laws = self._compute()
        curves = [(_Share(), *law.grid.curve("z")[1:]) for law in laws]
        below, inside = np.array([(law.below, law.inside) for law in laws]).T
        return Curve(curves, self._mean, self._sd), below, inside

    def mean(self):
        """Means, (J,)."""
        return self._mean

    def sd(self):
        """Standard deviations, (J,)."""
        return self._sd

    def cdf(self, x, group):
        """Distribution function at x, (n,)."""
        curve, below, inside = self._laws
        probability = below[group] + inside[group] * curve.cdf(x, group)
        return np.where(x < 0, 0.0, np.where(x >= 1, 1.0, probability))

    def pdf(self, x, group):
        """Density at x, (n,)."""
        curve, _, inside = self._laws
        return inside[group] * curve.pdf(x, group)

    def quantile(self, q, group):
        """Quantiles, (n,)."""
        curve, below, inside = self._laws
        within = (q - below[group]) / inside[group]
        result = curve.quantile(np.clip(within, 0, 1), group)
        return np.where(within <= 0, 0.0, np.where(within >= 1, 1.0, result))


class _Share:
    """Axis of a share that is integrated over its log odds."""

    lower, upper, logarithmic = 0.0, 1.0, True

    def to_z(self, x):
        """Log odds."""
        return special.logit(np.clip(x, 0, 1))

    def to_x(self, z):
        """Share; SciPy's function gives zero below 1e-308 already."""
        return np.exp(special.log_expit(z))

    def log_jacobian(self, z):
        """Log of dx/dz, as far as numbers reach."""
        return np.maximum(special.log_expit(z) + special.log_expit(-z), _LOG_TINY)


def binomial_counts(
    law: Tabulated, n: float, mean: float, sd: float, *, tolerance: float
) -> tuple[float, np.ndarray]:
    """Law of a count out of n that is Binomial given the share.

    Parameters
    ----------
    law : Tabulated
        Of the share.
    n : float
    mean, sd : float
        Of the share.
    tolerance : float
        Largest estimated error of the distribution function.

    Returns
    -------
    first : float
        First count with a probability that is not negligible.
    probabilities : (M,) array
        Of the counts from there on.

    Raises
    ------
    ArithmeticError
        If the accuracy is not reached.
    """
    spread = np.sqrt(n * mean * (1 - mean) + (n * sd) ** 2)
    for deviations in (12, 50, np.inf):
        first = max(0.0, np.floor(n * mean - deviations * spread - 40))
        last = min(n, np.ceil(n * mean + deviations * spread + 40))
        rules = np.stack([law.grid.weights, law.grid.coarse])
        fine, coarse = averaged_binomial(law.grid.points["z"], rules, listed(first, last), n)
        missing = abs(fine.sum() - 1)
        if missing < 0.01 * tolerance:
            break
    if max(missing, np.abs(fine - coarse).sum() ** KRONROD_GAIN) > tolerance:
        raise ArithmeticError(
            "the law of y_rep has not converged, perhaps since a prior is too extreme for the counts: give "
            "one nearer to them"
        )
    fine *= law.inside
    if first == 0:
        fine[0] += law.below
    if last == n:
        fine[-1] += law.above
    return first, fine


def averaged_binomial(z, weights, counts, n):
    """Probabilities of counts out of n, averaged over the log odds z with weights (R, K), (R, M)."""
    powers = np.stack([special.log_expit(z), special.log_expit(-z)])

    def averaged(y):
        y = y[:, None]
        return np.exp(log_binomial(n - y, y) + np.hstack([y, n - y]) @ powers) @ weights.T

    return in_slices(averaged, len(z), counts).T
