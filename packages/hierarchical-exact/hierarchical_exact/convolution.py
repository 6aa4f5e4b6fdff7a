"""Convolutions of functions on the half-line, on a log scale and free of cancellation.

With x_k = alpha pi0_k, the posterior of a Dirichlet-Multinomial hierarchy is a product of
functions of one x_k each, and integrating over the simplex is convolving them: one dimension at a
time, whatever the number of categories. Each function is x^(power - 1) exp(L(x)) with L smooth in
log(1 + x).
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike
from scipy import special

from hierarchical_exact.quadrature import GAUSS, KRONROD, NODES, in_slices, inverse_cdf

_DEGREE = 15
_CHEBYSHEV_NODES = chebyshev.chebpts1(_DEGREE + 1)
_TO_CHEBYSHEV = np.linalg.inv(chebyshev.chebvander(_CHEBYSHEV_NODES, _DEGREE))

# Integrands below exp(-NEGLIGIBLE) of their peak are left out.
NEGLIGIBLE = 38.0
# The trapezoidal rule converges geometrically: if halving the step moved the sum by d, what is
# left is of the order of d squared.
_TRAPEZOID = 1e-6
_MOST_NODES = 2**15
# Largest difference between two rules for a law that is drawn from, and panels to begin with.
_DRAWN, _PANELS = 1e-7, 8
_ROUNDS = 40


class Factor:
    """A positive function x^(power - 1) exp(L(x)) of x > 0.

    L is tabulated as Chebyshev polynomials in log(1 + x), on panels that are added as they are
    asked for.

    Parameters
    ----------
    power : float
        Positive, so that the function is integrable at zero.
    log_smooth : callable
        L: takes and gives (n,) arrays.
    width : float
        Width of a panel in log(1 + x).
    """

    def __init__(self, power: float, log_smooth: Callable, width: float):
        self.power = power
        self.width = width
        self.error = 0.0
        self._log_smooth = log_smooth
        self._coefficients = np.empty((_DEGREE + 1, 0))

    def __call__(self, x):
        """L at x >= 0, an array of any shape."""
        x = np.asarray(x, dtype=float)
        if x.size == 0:
            return x
        place = np.log1p(x) / self.width
        panel = place.astype(int)
        self._extend(panel.max() + 1)
        local = 2 * (place - panel) - 1
        # Clenshaw's recurrence.
        current, previous = self._coefficients[_DEGREE][panel], 0.0
        for j in range(_DEGREE - 1, 0, -1):
            current, previous = (
                self._coefficients[j][panel] + 2 * local * current - previous,
                current,
            )
        return self._coefficients[0][panel] + local * current - previous

    def _extend(self, panels):
        known = self._coefficients.shape[1]
        if panels <= known:
            return
        new = np.arange(known, panels)[:, None]
        nodes = np.expm1((new + 0.5 * (1 + _CHEBYSHEV_NODES)) * self.width)
        values = self._log_smooth(nodes.ravel()).reshape(nodes.shape)
        coefficients = _TO_CHEBYSHEV @ values.T
        # What a further degree would add is smaller than the last two coefficients.
        self.error = max(self.error, float(np.abs(coefficients[-2:]).max()))
        self._coefficients = np.concatenate([self._coefficients, coefficients], axis=1)


def convolve(first: Factor, second: Factor) -> Factor:
    """Convolution of two factors, itself a factor.

    Parameters
    ----------
    first, second : Factor

    Returns
    -------
    Factor
        Computed where it is asked for.

    Raises
    ------
    ArithmeticError
        When it is asked for, if the peak of the integrand is not found or the sum does not converge.

    See Also
    --------
    pair : The convolutions of many factors.
    leave_one_out : Of all but each.
    log_integrand : What is integrated.

    Notes
    -----
    The trapezoidal rule over the log odds of a share, which converges geometrically [1]_.

    References
    ----------
    .. [1] Trefethen, L. N. and Weideman, J. A. C. (2014). The exponentially convergent trapezoidal rule.
       SIAM Review 56, 385-458.

    Examples
    --------
    >>> flat = Factor(1.0, np.zeros_like, 1.0)
    >>> triangle = convolve(flat, flat)  # the integral of 1 from 0 to x is x
    >>> triangle.power, bool(abs(triangle(np.array([3.0]))[0]) < 1e-9)
    (2.0, True)
    """

    def log_smooth(s):
        low, high = live_range(first, second, s)
        return _log_trapezoid(first, second, s, low, high)

    return Factor(first.power + second.power, log_smooth, first.width)


def log_integrand(first: Factor, second: Factor, s: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Log of what a convolution at s integrates over z = logit(x / s), less (power - 1) log s.

    Parameters
    ----------
    first, second : Factor
    s : (n,) array
        Where the convolution is evaluated.
    z : (n,) or (n, m) array
        Log odds of the share of s that goes to the first factor.

    Returns
    -------
    Array like z
    """
    s = np.reshape(s, (-1,) + (1,) * (np.ndim(z) - 1))
    share, rest = special.expit(z), special.expit(-z)
    return (
        first.power * special.log_expit(z)
        + second.power * special.log_expit(-z)
        + first(s * share)
        + second(s * rest)
    )


def live_range(first, second, s):
    """Ends in z, (n,) each, between which the integrand is not negligible; it has one peak."""
    # Left of the peak it falls as exp(power z) once the share is tiny, and so on the right.
    low = np.full(len(s), -50.0 - 50.0 / first.power)
    high = np.full(len(s), 50.0 + 50.0 / second.power)
    lines = np.linspace(0, 1, 33)
    rows = np.arange(len(s))
    for _ in range(_ROUNDS):
        z = low[:, None] + (high - low)[:, None] * lines
        values = log_integrand(first, second, s, z)
        live = values > values.max(axis=1, keepdims=True) - NEGLIGIBLE
        start = np.maximum(live.argmax(axis=1) - 1, 0)
        stop = np.minimum(len(lines) - live[:, ::-1].argmax(axis=1), len(lines) - 1)
        new_low, new_high = z[rows, start], z[rows, stop]
        done = np.all(new_high - new_low > 0.7 * (high - low))
        low, high = new_low, new_high
        if done:
            return low, high
    raise ArithmeticError(
        "the peak of a convolution was not found, perhaps since a prior is too extreme for the counts: "
        "give priors nearer to what the data say"
    )


def _log_trapezoid(first, second, s, low, high):
    """Log of the integral over z, (n,), by the trapezoidal rule with as many nodes as it takes."""
    result = np.empty(len(s))
    left = np.arange(len(s))
    intervals = 64
    while intervals <= _MOST_NODES:
        step = (high - low)[left] / intervals
        z = low[left, None] + step[:, None] * np.arange(intervals + 1)
        values = log_integrand(first, second, s[left], z)
        peak = values.max(axis=1)
        density = np.exp(values - peak[:, None])
        total = density.sum(axis=1)
        moved = np.abs(2 * density[:, ::2].sum(axis=1) / total - 1)
        result[left] = peak + np.log(total * step)
        left = left[moved > _TRAPEZOID]
        if len(left) == 0:
            return result
        intervals *= 2
    raise ArithmeticError(
        "a convolution has not converged, perhaps since counts are too large or a prior is too extreme: "
        "give priors nearer to what the data say"
    )


def log_binomial(x: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Log of Gamma(x + n + 1) / (Gamma(x + 1) Gamma(n + 1)), accurate for large arguments too.

    Examples
    --------
    >>> round(float(np.exp(log_binomial(3.0, 2.0))), 9)  # 5 choose 2
    10.0
    """
    large, small = np.maximum(x, n), np.minimum(x, n)
    base = large + 1
    direct = special.gammaln(base + small) - special.gammaln(base)
    # Stirling's series for the difference, in which nothing large cancels.
    stirling = (
        (base - 0.5) * np.log1p(small / base)
        + small * (np.log(base + small) - 1)
        + _stirling_rest(base + small)
        - _stirling_rest(base)
    )
    return np.where(base > 20, stirling, direct) - special.gammaln(small + 1)


def _stirling_rest(x):
    """Terms of Stirling's series for log Gamma(x) that vanish for large x."""
    inverse = 1 / np.maximum(x, 20.0)
    square = inverse**2
    return inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))


def pair(factors):
    """Tree of the convolutions of factors, at least two: (convolution, left tree, right tree)."""
    if len(factors) == 1:
        return factors[0], None, None
    middle = len(factors) // 2
    left, right = pair(factors[:middle]), pair(factors[middle:])
    return convolve(left[0], right[0]), left, right


def leave_one_out(tree, outside=None):
    """For each factor of a tree, the convolution of all the others and of what lies outside the tree.

    The work is linear in their number.
    """
    _, left, right = tree
    if left is None:
        return [outside]
    beside_left = right[0] if outside is None else convolve(outside, right[0])
    beside_right = left[0] if outside is None else convolve(outside, left[0])
    return leave_one_out(left, beside_left) + leave_one_out(right, beside_right)


def draw_shares(tree: tuple, total: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw how a total is divided among the factors of a tree, in proportion to their product.

    Parameters
    ----------
    tree : tuple
        See `pair`.
    total : (n,) array
    rng : numpy.random.Generator

    Returns
    -------
    (n, K) array
        Logs of the shares, which add to one.
    """
    _, left, right = tree
    if left is None:
        return np.zeros((len(total), 1))
    draw = partial(_draw_log_odds, left[0], right[0])
    z = in_slices(draw, _PANELS * len(NODES), total, rng.uniform(size=len(total)))
    parts = [
        special.log_expit(side)[:, None] + draw_shares(branch, total * special.expit(side), rng)
        for branch, side in ((left, z), (right, -z))
    ]
    return np.concatenate(parts, axis=1)


def _draw_log_odds(first, second, s, probability):
    """Quantiles of the log odds of the first factor's share of s, on as many panels as it takes."""
    low, high = live_range(first, second, s)
    result, left = np.empty(len(s)), np.arange(len(s))
    panels = _PANELS
    while panels * len(NODES) <= _MOST_NODES:
        edges = low[left, None] + (high - low)[left, None] * np.linspace(0, 1, panels + 1)
        pairs = np.stack([edges[:, :-1], edges[:, 1:]], axis=2)
        z = pairs.mean(axis=2, keepdims=True) + 0.5 * np.diff(pairs, axis=2) * NODES
        values = log_integrand(first, second, s[left], z.reshape(len(left), -1)).reshape(z.shape)
        density = np.exp(values - values.max(axis=(1, 2), keepdims=True))
        fine, coarse = ((density @ rule).sum(axis=1) for rule in (KRONROD, GAUSS))
        result[left] = inverse_cdf(pairs, density, probability[left])[0]
        left = left[np.abs(coarse - fine) > _DRAWN * fine]
        if len(left) == 0:
            return result
        panels *= 2
    raise ArithmeticError(
        "the law of a share has not converged, perhaps since a prior is too extreme for the counts: give "
        "priors nearer to what the data say"
    )
