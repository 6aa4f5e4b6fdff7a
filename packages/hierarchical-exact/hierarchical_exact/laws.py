"""One-dimensional distributions, several at a time, as exact posteriors are made of them.

`Law` says what a marginal asks of them. `FromDensity` gives all of it to whoever knows a density, a mean
and an sd; the others are faster, or exact where a density is not enough.
"""

from functools import cached_property, partial, wraps
from typing import Any, Protocol

import numpy as np
from numpy.polynomial import legendre
from scipy import special

from hierarchical_exact.quadrature import KRONROD, NODES, TO_LEGENDRE, Axis, in_slices, integrate, root

# Nodes that together weigh less than this do not move a distribution function visibly.
_LIGHT = 1e-13
# Probable values of a count that are listed at most.
_MOST_COUNTS = 250_000
# A density that integrates to one but for this much is taken for one.
_MISSING = 1e-7
# Arrays of this size stay in the processor's cache.
_BLOCK = 2**15
# Points of a density, after arcsinh, and steps of Newton's method, to find where it is highest.
_LINES, _STEPS = (np.linspace(-3, 3, 41), np.linspace(-4, 4, 241)), 12
# For the search neighbouring nodes are merged into about so many, if their sds differ by less than this.
_FEW, _ALIKE = 32, 1.05
# A step of Newton's method as small as this is its last.
_SETTLED = 1e-5
# Nearer to 0 and 1 probabilities are too few digits for the stated accuracy of quantiles.
TAIL = 1e-7
# A density that its two rules tell more differently, relative to itself or to a tenth over the width, is not
# told; nor is one of which as much comes from nodes as light as that.
_APART, _NEXT_TO_NOTHING = 1e-3, 1e-9
# Two halves of a lattice that differ by less tell a density together to 1e-3 of its height.
_WAVE, _ALONG_A_WAVE = 5e-3, np.exp([-0.3, -0.15, 0.0, 0.15, 0.3])
# A scale so small beside the width is that of a point; what adds less to a density adds nothing.
_POINT, _ADDS = 1e-3, 1e-12
# Logs of densities are followed as far as this; a polynomial of them must be as exact, or serves only
# where the density's own is worse.
_LEAST_LOG, _SMOOTH = -700.0, 1e-6
# Panels are split, so often at most, until the probability of a part of one is told to this.
_SHARP, _SPLITS = 1e-9, 4
# The probability beyond a quantile is right to twice this part of itself.
_BEYOND = 0.005
# A density whose polynomial is less exact, in parts of its height, is not told.
_ROUGH = 1e-4
# Nor is a number that lies further from its neighbours, in widths of what it says something of.
_COARSE = 2e-6


def require_digits(values, width):
    """Return values, unless numbers as large have too few digits for what is so narrow."""
    with np.errstate(invalid="ignore"):
        coarse = (width > 0) & (np.spacing(np.abs(values)) > _COARSE * width)
    if coarse.any():
        raise ArithmeticError(
            f"numbers near {np.abs(values[coarse]).max():.2g} have too few digits to tell what is "
            f"{np.broadcast_to(width, values.shape)[coarse].min():.2g} wide: give data and prior of mu less "
            "one number near them, or as a number what is as good as known"
        )
    return values


class Law(Protocol):
    """What a marginal asks of its law: J distributions, one per group, or a single one.

    Points x and probabilities q have shape (n,), and so has `group`, the position of the distribution
    that each of them belongs to.

    Attributes
    ----------
    lower, upper : float
        Ends of the support, of all J together; infinite where there is none.
    discrete : bool
        Whether the values are whole numbers. Then `pdf` is their probability, and the law has a method
        ``support(group)``, which gives the (M,) values of one distribution, from the smallest up.

    See Also
    --------
    FromDensity : All the methods, from a density and two moments.
    hierarchical_exact.Marginal : What users see of a law.

    Examples
    --------
    Two groups, Normal around 0 and around 1; the median of the first, then of both:

    >>> law = NormalMixture(np.ones(1), np.array([[0.0, 1.0]]), np.ones((1, 2)))
    >>> law.cdf(np.array([0.0]), np.array([0])).round(6).tolist()
    [0.5]
    >>> law.cdf(np.array([0.0, 1.0]), np.array([0, 1])).round(6).tolist()
    [0.5, 0.5]
    """

    lower: float
    upper: float
    discrete: bool

    def mean(self) -> np.ndarray:
        """Means, (J,); infinite where there is none."""

    def sd(self) -> np.ndarray:
        """Standard deviations, (J,); infinite where there is none."""

    def cdf(self, x: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Distribution function at x, (n,)."""

    def pdf(self, x: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Density at x, (n,); zero outside the support."""

    def quantile(self, q: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Quantiles, (n,), for 0 < q < 1."""


class FromDensity:
    """A law that needs no more than `mean`, `sd` and `density`: derive your own from it.

    The density of each group is integrated once, when more than moments is first asked for, over the
    log odds of a quantity with two finite ends, the log of the distance from a single lower one, or the
    quantity itself. From then on it is tabulated, so that it may be slow to compute.

    Attributes
    ----------
    lower, upper : float
        Ends of the support, infinite unless the subclass says otherwise.

    Raises
    ------
    ArithmeticError
        If the density does not integrate to one within 1e-7. One that grows without bound towards a finite
        upper end is refused too, since numbers are too sparse there: turn the quantity round, as failures
        in place of successes; next to zero there are numbers enough.

    See Also
    --------
    Law : What it provides.
    hierarchical_exact.Marginal : What users see of a law.

    Examples
    --------
    >>> class Exponential(FromDensity):
    ...     lower = 0.0
    ...
    ...     def mean(self):
    ...         return np.ones(1)
    ...
    ...     def sd(self):
    ...         return np.ones(1)
    ...
    ...     def density(self, x, j):
    ...         return np.exp(-x)
    >>> median = Exponential().quantile(np.array([0.5]), np.array([0]))
    >>> bool(np.isclose(median[0], np.log(2), rtol=1e-9))
    True
    """

    lower, upper = -np.inf, np.inf
    discrete, tail = False, TAIL

    def mean(self):
        """Means, (J,); infinite where there is none."""
        raise NotImplementedError

    def sd(self):
        """Standard deviations, (J,); infinite where there is none."""
        raise NotImplementedError

    def density(self, x, j):
        """Density of group j at x, (n,)."""
        raise NotImplementedError

    def cdf(self, x, group):
        """Distribution function at x, (n,)."""
        return self._curve.cdf(x, group)

    def pdf(self, x, group):
        """Density at x, (n,)."""
        return self._curve.pdf(x, group)

    def told_pdf(self, x, group):
        """Density at x, (n,); NaN where it is not told."""
        return self._curve.told_pdf(x, group)

    def quantile(self, q, group):
        """Quantiles, (n,)."""
        return self._curve.quantile(q, group)

    @cached_property
    def _curve(self):
        mean, sd = self.mean(), self.sd()
        with np.errstate(invalid="ignore"):
            hints = mean + np.array([[-2.0], [0.0], [2.0]]) * sd
        hints = [column[(column > self.lower) & (column < self.upper)] for column in hints.T]
        return Curve([self._tabulate(j, near) for j, near in enumerate(hints)], mean, sd)

    def _tabulate(self, j, hints):
        """Density of one group on the nodes of its panels."""
        finite = hints[np.isfinite(hints)]
        inside = 0.5 * (self.lower + self.upper) if np.isfinite(self.lower + self.upper) else self.lower + 1.0
        kind = LogOdds if np.isfinite([self.lower, self.upper]).all() else Axis
        axis = kind("x", np.append(finite, inside) if np.isfinite(inside) else finite, self.lower, self.upper)

        def log_density(x):
            with np.errstate(divide="ignore"):
                return np.log(self.density(x, j))

        grid = integrate(log_density, [axis])
        if abs(np.expm1(grid.log_evidence)) > _MISSING:
            raise ArithmeticError(
                f"the density of group {j} integrates to {np.exp(grid.log_evidence):.8g}, not to one: "
                "give a normalised one, and the ends of its support as lower and upper"
            )
        return grid.curve("x")


class LogOdds(Axis):
    """Axis of a quantity between two ends, integrated over its log odds."""

    logarithmic = False
    # Beyond, an upper end of one is reached in floating-point numbers.
    limits = (-700.0, 36.0)

    def to_z(self, x):
        """Log odds of x."""
        share = (np.asarray(x, dtype=float) - self.lower) / (self.upper - self.lower)
        return special.logit(np.clip(share, 0.0, 1.0))

    def to_x(self, z):
        """Quantity with these log odds."""
        return self.lower + (self.upper - self.lower) * special.expit(z)

    def log_jacobian(self, z):
        """Log of dx/dz."""
        return np.log(self.upper - self.lower) + special.log_expit(z) + special.log_expit(-z)


class _OfSciPy:
    """What a law takes from its frozen distribution of SciPy, which tells tails as far as anybody asks."""

    tail = 0.0

    def mean(self):
        """Mean, (1,)."""
        return _finite_or_infinite(self._distribution.mean())

    def sd(self):
        """Standard deviation, (1,)."""
        return _finite_or_infinite(self._distribution.std())

    def cdf(self, x, group):  # noqa: ARG002
        """Distribution function at x, (n,)."""
        return self._distribution.cdf(x)


class Frozen(_OfSciPy):
    """Law of a frozen distribution of SciPy, the continuous ones.

    Parameters
    ----------
    distribution : frozen scipy.stats distribution
    """

    discrete = False

    def __init__(self, distribution: Any):
        self._distribution = distribution
        self.lower, self.upper = (float(end) for end in distribution.support())

    def pdf(self, x, group):  # noqa: ARG002
        """Density at x, (n,)."""
        return self._distribution.pdf(x)

    def quantile(self, q, group):  # noqa: ARG002
        """Quantiles, (n,)."""
        return self._distribution.ppf(q)


def _finite_or_infinite(moment):
    """SciPy's moment as (1,); one that does not exist is infinite."""
    return np.array([moment if np.isfinite(moment) else np.inf])


def _in_slices(method):
    """Let a method take as many of its points (n,) at a time as the nodes of the mixture leave room for."""

    @wraps(method)
    def sliced(law, x, group):
        return in_slices(partial(method, law), len(law._components[0]), x, group)

    return sliced


class NormalMixture:
    """A finite mixture over the nodes of a grid: one Normal distribution per node and group.

    Parameters
    ----------
    weights : (K,) array
        Posterior probabilities of the nodes.
    mean, variance : (K, J) arrays
        Conditional moments; a variance of zero is a point mass.
    expectation : callable, optional
        Posterior mean of (K, J) values; by default the weighted sum. A grid's own `expectation` knows
        when the integral diverges.
    coarse : (K,) array, optional
        Weights by another rule, for `told_pdf`.
    lattice : bool
        Whether the nodes are a lattice. Then the two rules may differ by waves in the log of the distance
        from a cusp, and agree by chance on each of them, so that `told_pdf` looks on both sides too.
    """

    lower, upper = -np.inf, np.inf
    discrete = False

    def __init__(self, weights, mean, variance, *, expectation=None, coarse=None, lattice=False):
        self._weights, self._coarse, self._lattice = weights, coarse, lattice
        self._conditional_mean, self._conditional_variance = mean, variance
        self._expectation = expectation or (lambda values: weights @ values)

    def mean(self):
        """Posterior means, (J,)."""
        return self._mean

    def sd(self):
        """Posterior standard deviations, (J,)."""
        return self._sd

    @cached_property
    def _middle(self):
        """Points near the means, about which the moments are taken, lest they cancel."""
        return self._conditional_mean[np.argmax(self._weights)]

    @cached_property
    def _mean(self):
        # There is a mean only where the absolute value has one. The terms are positive, so that rounding
        # in equal means is not taken for a tail, and have no kink, for the rules to agree on them.
        deviation = self._conditional_mean - self._middle
        size = np.sqrt(self._conditional_variance + deviation**2)
        expected = self._expectation(size)
        with np.errstate(invalid="ignore"):
            moved = self._expectation(deviation + size) - expected
        return self._middle + np.where(np.isposinf(expected), np.inf, moved)

    @cached_property
    def _sd(self):
        centre = np.where(np.isfinite(self._mean), self._mean, self._middle)
        square = self._expectation(self._conditional_variance + (self._conditional_mean - centre) ** 2)
        return root(square, self._mean)

    @cached_property
    def _components(self):
        """Weights, means and sds of the nodes that matter to a distribution function."""
        order = np.argsort(self._weights)
        kept = np.sort(order[np.cumsum(self._weights[order]) > _LIGHT])
        weights = self._weights[kept]
        self._moved = None if self._coarse is None else self._coarse[kept] - weights
        return (
            weights / weights.sum(),
            self._conditional_mean[kept],
            np.sqrt(self._conditional_variance[kept]),
        )

    def _standardise(self, x, group):
        _, mean, scale = self._components
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (x - mean[:, group]) / scale[:, group]
        return np.where(np.isnan(z), np.inf, z)

    @_in_slices
    def cdf(self, x, group):
        """Distribution function at x, (n,)."""
        # Unlike a product of matrices this adds in one order, however many points: no fall by rounding.
        return np.vecdot(special.ndtr(self._standardise(x, group)).T, self._components[0])

    @_in_slices
    def pdf(self, x, group):
        """Density at x, (n,)."""
        return np.vecdot(self._densities(x, group).T, self._components[0])

    @_in_slices
    def told_pdf(self, x, group):
        """Density at x, (n,); NaN where it hangs on nodes too far apart for it, or too light."""
        weights, *_ = self._components
        density = self._densities(x, group)
        value, light = weights @ density, weights < _NEXT_TO_NOTHING * weights.max()
        with np.errstate(divide="ignore", invalid="ignore"):
            least = _APART * self._height(value, group)
            lost = weights[light] @ density[light] > least
            if self._lattice:
                lost |= self._waves(x, group)
            elif self._coarse is not None:
                lost |= np.abs(self._moved @ density) > least
            lost |= self._goes_on(weights[:, None] * density, group)
        return np.where(lost & np.isfinite(value), np.nan, value)

    def _waves(self, x, group):
        """Whether halves of a lattice differ within half a wave of x, seen from the narrowest node."""
        weights, mean, scale = self._components
        middle, apart = mean[scale[:, group].argmin(axis=0), group], np.zeros(len(x), dtype=bool)
        for part in _ALONG_A_WAVE:
            density = self._densities(middle + part * (x - middle), group)
            apart |= np.abs(self._moved @ density) > _WAVE * self._height(weights @ density, group)
        return apart

    def _height(self, density, group):
        """A density, or a tenth over the width where that is more."""
        return np.maximum(density, 0.1 / self.middle_and_width[1][group])

    def _goes_on(self, parts, group):
        """Whether narrower nodes would add to parts (k, n) of a density without end, as they do on a cusp.

        So it is where the narrowest are points beside the width, and of two decades of them the first adds
        no less than the second.
        """
        scale = self._components[2][:, group]
        relative = scale / scale.min(axis=0)
        first, second = (
            np.where((relative >= x) & (relative < 10 * x), parts, 0).sum(axis=0) for x in (1, 10)
        )
        adds = (first + second > _ADDS * parts.sum(axis=0)) & (first > 0.3 * second)
        return adds & (scale.min(axis=0) < _POINT * self.middle_and_width[1][group])

    def _densities(self, x, group):
        """Densities of the nodes that matter, (k, n)."""
        _, mean, scale = self._components
        with np.errstate(divide="ignore", invalid="ignore"):
            density = np.exp(-0.5 * self._standardise(x, group) ** 2) / scale[:, group]
        # A point mass has no finite density where it lies, and none elsewhere.
        density = np.where((scale[:, group] == 0) & (mean[:, group] == x), np.inf, np.nan_to_num(density))
        return density / np.sqrt(2 * np.pi)

    def quantile(self, q, group):
        """Quantiles, (n,)."""
        origin, unit = self.middle_and_width
        result = origin[group].astype(float)
        spread = np.flatnonzero(unit[group] > 0)
        result[spread] += self._distance(np.asarray(q, dtype=float)[spread], group[spread])
        return require_digits(result, unit[group])

    @cached_property
    def middle_and_width(self):
        """A middle and a width of each distribution: the medians of its nodes' own."""
        weights, mean, scale = self._components
        middle = _weighted_median(mean, weights)
        return middle, _weighted_median(scale + np.abs(mean - middle), weights)

    @_in_slices
    def _distance(self, q, group):
        """Quantiles less their distribution's origin, by Newton's method in a shrinking bracket.

        It is solved for t with x = origin + unit sinh(t), so that neither a far origin costs digits nor a
        heavy tail steps; and for the nearer tail.
        """
        weights, mean, scale = self._components
        origin, unit = self.middle_and_width
        mean, scale, unit = mean[:, group] - origin[group], scale[:, group], unit[group]
        sign, tail = np.where(q < 0.5, 1.0, -1.0), np.minimum(q, 1 - q)
        reach = special.ndtri(q)
        ends = np.arcsinh((mean + reach * scale) / unit)
        # Rounding must not put the quantile outside when all components are nearly the same.
        low, high = ends.min(axis=0) - 1e-9, ends.max(axis=0) + 1e-9
        t = np.clip(np.arcsinh(reach), low, high)
        last, active = high - low, np.arange(len(q))
        for _ in range(200):
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                z = (unit[active] * np.sinh(t[active]) - mean[:, active]) / scale[:, active]
                z = np.where(np.isnan(z), np.inf, z)
                slope = weights @ np.nan_to_num(np.exp(-0.5 * z * z) / scale[:, active])
                slope *= unit[active] * np.cosh(t[active]) / np.sqrt(2 * np.pi)
                value = sign[active] * (weights @ special.ndtr(sign[active] * z) - tail[active])
                move = -value / slope
            here = t[active]
            low[active] = np.where(value < 0, here, low[active])
            high[active] = np.where(value > 0, here, high[active])
            inside = (here + move >= low[active]) & (here + move <= high[active])
            inside &= np.abs(move) <= 0.5 * last[active]
            middle = 0.5 * (low[active] + high[active])
            t[active] = np.where(value == 0, here, np.where(inside, here + move, middle))
            last[active] = np.abs(t[active] - here)
            # The step after a Newton step is about its square; noise must not keep the search going.
            done = (last[active] <= 1e-14 * (1 + np.abs(here))) | (np.abs(value) <= 4e-16 * tail[active])
            done |= inside & (last[active] <= 1e-8 * (1 + np.abs(here)))
            active = active[~done]
            if not len(active):
                return unit * np.sinh(t)
        raise ArithmeticError(
            "a quantile was not found, as the posterior is next to a single value: ask for another "
            "probability, or give as a number what is known"
        )

    def shortest(self, prob, groups):
        """Shortest intervals that hold `prob`, (2, n), and whether each was found."""
        weights, mean, scale = self._components
        middle, unit = (values[groups] for values in self.middle_and_width)
        ends, found = np.zeros((2, len(groups))), np.zeros(len(groups), dtype=bool)
        step = max(1, _BLOCK // len(weights))
        for some in (slice(start, start + step) for start in range(0, len(groups), step)):
            these, centre, width = groups[some], middle[some], unit[some]
            with np.errstate(all="ignore"):
                nodes = weights, (mean[:, these] - centre) / width, scale[:, these] / width
                few = _merged(*nodes)
                for line in _LINES:
                    start, told = _highest(*few, prob, line)
                    start, _ = _levelled(*few, prob, start, told)
                    shortest, found[some] = _levelled(*nodes, prob, start, told)
                    found[some] &= np.abs(shortest).max(axis=0) < np.sinh(line[-1])
                    if found[some].all():
                        break
            ends[:, some] = centre + width * shortest
        return require_digits(ends, unit), found


def listed(first: float, last: float) -> np.ndarray:
    """Counts from the first to the last, unless they are too many.

    Raises
    ------
    ArithmeticError
        If they would fill the memory.
    """
    if not last - first < _MOST_COUNTS:
        raise ArithmeticError(
            f"new counts between {first:.2g} and {last:.2g} are too many to list: use the law of the rates "
            "or shares, which says as much about counts so large"
        )
    return np.arange(first, last + 1)


def _merged(weights, mean, scale):
    """A mixture of few: neighbouring nodes as one if their Normal distributions nearly are, else as it is."""
    first = np.unique(np.floor(_FEW * np.cumsum(weights)), return_index=True)[1]
    least, most = np.minimum.reduceat(scale, first), np.maximum.reduceat(scale, first)
    share = np.add.reduceat(weights, first)[:, None]
    centre, square = (np.add.reduceat(weights[:, None] * x, first) / share for x in (mean, mean**2))
    variance = least * most + square - centre**2
    if np.all((most < _ALIKE * least) & (variance < (_ALIKE * least) ** 2)):
        return share[:, 0], centre, np.sqrt(variance)
    return weights, mean, scale


def _heights(weights, mean, scale, x):
    """Standardised points x (J,), and what each node adds to the densities there, (K, J)."""
    standard = (x - mean) / scale
    return standard, weights[:, None] / (scale * np.sqrt(2 * np.pi)) * np.exp(-0.5 * standard**2)


def _highest(weights, mean, scale, prob, line):
    """Where mixtures about zero and about one wide are highest, (2, J), and for which this line tells it.

    Its points are in arcsinh. By the trapezoidal rule these and what lies beyond sum to one, if they resolve
    the density; and however many peaks there are, where it is highest must be an interval.
    """
    slopes, line = np.cosh(line) * (line[1] - line[0]), np.sinh(line)
    height = np.array([_heights(weights, mean, scale, x)[1].sum(axis=0) for x in line])
    mass = height * slopes[:, None]
    mass[[0, -1]] *= 0.5
    beyond = weights @ (special.ndtr((line[0] - mean) / scale) + special.ndtr((mean - line[-1]) / scale))
    told = (beyond < 0.01) & (np.abs(mass.sum(axis=0) + beyond - 1) < 1e-4)
    order = np.argsort(-height, axis=0)
    sorted_mass = np.take_along_axis(mass, order, axis=0)
    highest = np.zeros(height.shape, dtype=bool)
    np.put_along_axis(highest, order, np.cumsum(sorted_mass, axis=0) - sorted_mass < prob, axis=0)
    told &= (np.pad(highest, ((1, 0), (0, 0)))[:-1] < highest).sum(axis=0) == 1
    first, last = line[highest.argmax(axis=0)], line[::-1][highest[::-1].argmax(axis=0)]
    return np.stack([first - 0.1, last + 0.1]), told


def _levelled(weights, mean, scale, prob, ends, wanted):
    """Ends of equal density and `prob` apart, by Newton's method from others, and which of them are found."""
    for _ in range(_STEPS):
        below, slope, density = np.empty((3, *ends.shape))
        for end in (0, 1):
            standard, height = _heights(weights, mean, scale, ends[end])
            density[end], below[end] = height.sum(axis=0), weights @ special.ndtr(standard)
            slope[end] = -(height * standard / scale).sum(axis=0) / density[end]
        (f, g), (rise, fall) = density, slope
        missing, higher = prob - (below[1] - below[0]), np.log(g / f)
        move = -np.stack([g * higher + fall * missing, f * higher + rise * missing]) / (f * fall - g * rise)
        ends = ends + np.clip(move, -0.5, 0.5)
        # The step after the last would be about its square.
        found = wanted & (np.abs(move).max(axis=0) < _SETTLED) & (rise > 0) & (fall < 0)
        if (found | ~wanted).all():
            break
    return ends, found


class Counts:
    """J distributions on the integers first, first + 1, ..., first + M.

    Parameters
    ----------
    probabilities : (M + 1, J) array
        Probability of each count; what lies outside is negligible.
    first : int or (J,) array
        Smallest count of each distribution, so that large counts need no row for each smaller one.
    last : float or (J,) array
        Largest count that is possible.
    """

    discrete, lowest = True, 0.0

    def __init__(self, probabilities, first=0, last=np.inf):
        self._probabilities = probabilities / probabilities.sum(axis=0)
        self._cumulative = np.cumsum(self._probabilities, axis=0)
        self._first = np.broadcast_to(np.asarray(first, dtype=int), probabilities.shape[1:])
        self._last = len(probabilities) - 1
        self._support = self._first + np.arange(len(probabilities))[:, None]
        self.lower, self.upper = float(self._first.min()), float(self._support.max())
        self._possible = last

    def support(self, group):
        """Counts of one distribution, (M + 1,)."""
        return self._support[:, group]

    def open_ends(self):
        """Which counts are the first or last of those listed, but not of those possible, (M + 1, J)."""
        last = self._support[
            self._last - (self._probabilities[::-1] > 0).argmax(axis=0), np.arange(len(self._first))
        ]
        at_first = (self._support == self._first) & (self._first > self.lowest)
        return at_first | (self._support == last) & (last < self._possible)

    def mean(self):
        """Means, (J,)."""
        return (self._support * self._probabilities).sum(axis=0)

    def sd(self):
        """Standard deviations, (J,)."""
        deviation = self._support - self.mean()
        return np.sqrt((deviation**2 * self._probabilities).sum(axis=0))

    def cdf(self, x, group):
        """Probability of a count of at most x, (n,)."""
        row = np.clip(np.floor(x) - self._first[group], -1, self._last).astype(int)
        return np.where(row < 0, 0.0, self._cumulative[row, group])

    def pdf(self, x, group):
        """Probability of the count x, (n,); zero between the integers."""
        row = np.clip(np.floor(x) - self._first[group], 0, self._last).astype(int)
        return np.where(row + self._first[group] == x, self._probabilities[row, group], 0.0)

    def quantile(self, q, group):
        """Smallest count whose cumulative probability reaches q, (n,)."""
        # Cumulative probabilities are exact but for rounding, and the last is 1: at a jump q has reached it.
        reached = self._cumulative[:, group] >= q * (1 - 1e-14)
        return (self._first[group] + reached.argmax(axis=0)).astype(float)


class FrozenCounts(_OfSciPy, Counts):
    """Law of a frozen discrete distribution of SciPy, which is asked for what is not listed.

    Parameters
    ----------
    distribution : frozen scipy.stats distribution
    counts : (M,) array
        Its probable values.
    """

    def __init__(self, distribution, counts):
        lowest, last = distribution.support()
        super().__init__(distribution.pmf(counts)[:, None], counts[0], last)
        self._distribution, self.lowest = distribution, lowest

    def pdf(self, x, group):  # noqa: ARG002
        """Probability of the count x, (n,); zero between the integers."""
        return np.where(np.floor(x) == x, self._distribution.pmf(x), 0.0)

    def quantile(self, q, group):  # noqa: ARG002
        """Smallest count whose cumulative probability reaches q, (n,)."""
        found = np.asarray(self._distribution.ppf(q), dtype=float)
        return np.where(self._distribution.cdf(found - 1) >= q, found - 1, found)


class Curve:
    """J densities, each known on the Gauss-Kronrod nodes of its panels.

    Parameters
    ----------
    curves : list of (axis, intervals, density)
        As `Grid.curve` returns them: the axis that maps the integration variable to x, the (P, 2) ends of
        the panels and the (P, 15) densities with respect to the integration variable.
    mean, sd : (J,) arrays, or callables that give them
        Moments, computed from the grid; a callable is asked when the moment is first asked for.
    tail : float, optional
        Quantiles of probabilities nearer to 0 and 1 are not told.
    """

    discrete = False

    def __init__(self, curves, mean, sd, tail=TAIL):
        self.tail = tail
        self._moments = {"mean": mean, "sd": sd}
        self.lower = min(axis.lower for axis, _, _ in curves)
        self.upper = max(axis.upper for axis, _, _ in curves)
        self._axes, self._axis_of = _distinct([axis for axis, _, _ in curves])
        self._logarithmic = np.array([axis.logarithmic for axis, _, _ in curves])
        self._bound = np.array([axis.lower for axis, _, _ in curves])
        sizes = [len(intervals) for _, intervals, _ in curves]
        group = np.repeat(np.arange(len(curves)), sizes)
        intervals, density = (np.concatenate([curve[i] for curve in curves]) for i in (1, 2))
        of_group, intervals, density = _sharpened(group, intervals, density)
        self._sizes = np.bincount(of_group)
        self._start = np.cumsum(self._sizes) - self._sizes
        self._low, self._high = intervals.T
        half = 0.5 * (self._high - self._low)
        # Rows of integrated coefficients that start from zero at the left end of each panel.
        plain = density @ TO_LEGENDRE.T
        integral = legendre.legint(plain, lbnd=-1, axis=1) * half[:, None]
        mass = legendre.legval(1.0, integral.T)
        total = np.add.reduceat(mass, self._start)
        self._integral = (integral / total[of_group, None]).T
        # Panels of each group in a row, so that a point finds its panel among those of its group.
        self._lows = self._in_rows(self._low, np.inf)
        cumulative = np.cumsum(self._in_rows(mass, 0.0), axis=1) / total[:, None]
        self._before = np.hstack([np.zeros((len(total), 1)), cumulative[:, :-1]])
        of_log, smooth = _of_logs(density)
        of_log[:, 0] -= np.log(total)[of_group]
        plain = plain / total[of_group, None]
        highest = np.maximum(density.max(axis=1), np.finfo(float).tiny) / total[of_group]
        rough, rough_plain = _last(of_log), _last(plain) / highest
        self._plain = ~smooth | ((rough > _SMOOTH) & (rough > rough_plain))
        rough = np.where(self._plain, rough_plain, rough) * highest
        self._rough = rough / np.maximum.reduceat(highest, self._start)[of_group]
        self._coefficients = np.where(self._plain[:, None], plain, of_log).T

    def _in_rows(self, values, filler):
        rows = np.full((len(self._sizes), self._sizes.max()), filler)
        group = np.repeat(np.arange(len(self._sizes)), self._sizes)
        rows[group, np.arange(len(values)) - self._start[group]] = values
        return rows

    def mean(self):
        """Means, (J,)."""
        return self._moment("mean")

    def sd(self):
        """Standard deviations, (J,)."""
        return self._moment("sd")

    def _moment(self, name):
        if callable(self._moments[name]):
            self._moments[name] = self._moments[name]()
        return np.atleast_1d(self._moments[name])

    def cdf(self, x, group):
        """Distribution function at x, (n,)."""
        z = self._map("to_z", x, group)
        lowest, highest = self._ends(group)
        inside = self._cdf_z(np.clip(z, lowest, highest), group)
        return np.where(z <= lowest, 0.0, np.where(z >= highest, 1.0, inside))

    def pdf(self, x, group):
        """Density at x, (n,)."""
        z = self._map("to_z", x, group)
        lowest, highest = self._ends(group)
        # At the bound itself, whose log is minus infinity, the density is that next to it.
        z = np.where(self._logarithmic[group], np.maximum(z, lowest), z)
        beyond = (z < lowest) | (z > highest) | (x < self._bound[group])
        z = np.clip(z, lowest, highest)
        log_density = self._log_pdf_z(z, group) - self._map("log_jacobian", z, group)
        return np.exp(np.where(beyond, -np.inf, log_density))

    def told_pdf(self, x, group):
        """Density at x, (n,); NaN where no polynomial follows it, as on a cusp."""
        panel, *_ = self._locate(self._map("to_z", x, group), group)
        return np.where(self._rough[panel] > _ROUGH, np.nan, self.pdf(x, group))

    def quantile(self, q, group):
        """Quantiles, (n,)."""
        last = self._sizes[group] - 1
        q = np.asarray(q)
        found = (self._before[group] <= q[:, None]).sum(axis=1) - 1
        panel = self._start[group] + np.clip(found, 0, last)
        width = self._high[panel] - self._low[panel]
        # Newton's method kept inside a shrinking bracket. From its middle, since beyond all digits, where the
        # distribution function may turn, it must stay on this side.
        low, high = self._low[panel].copy(), self._high[panel].copy()
        z, left = 0.5 * (low + high), np.arange(len(width))
        for _ in range(60):  # those that are left: a few take many more steps than the others
            at, of = z[left], group[left]
            excess = self._cdf_z(at, of) - q[left]
            low[left], high[left] = np.where(excess < 0, at, low[left]), np.where(excess < 0, high[left], at)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                step = at - excess / np.exp(self._log_pdf_z(at, of))
            inside = (step > low[left]) & (step < high[left])
            moved = np.where(inside, step, 0.5 * (low[left] + high[left]))
            moved = np.where(np.abs(excess) <= 1e-15 * q[left], at, moved)  # what is left is rounding
            z[left] = moved
            left = left[np.abs(moved - at) > 1e-13 * width[left] + 4 * np.spacing(np.abs(at))]
            if not len(left):
                break
        x = self._map("to_x", z, group)
        beyond = np.minimum(q, 1 - q)  # which may be less than `TAIL` by rounding
        off = np.flatnonzero((np.abs(self.cdf(x, group) - q) > _BEYOND * beyond) & (beyond > 0.5 * TAIL))
        # Right to rounding, or its log has too few digits.
        ends = x[off] + 4 * np.spacing(np.abs(x[off])) * np.array([[-1], [1]])
        low, high = (self.cdf(end, group[off]) for end in ends)
        if ((low > q[off]) | (high < q[off])).any():
            raise ArithmeticError(
                "a quantile lies so near to the end of its prior that there are no digits for it: give a "
                "prior with an end further away, or ask for `cdf` there"
            )
        return x

    def _map(self, method, values, group):
        """Apply a method of each group's axis."""
        if len(self._axes) == 1:
            return getattr(self._axes[0], method)(values)
        result = np.empty(len(values))
        for code, axis in enumerate(self._axes):
            mine = self._axis_of[group] == code
            result[mine] = getattr(axis, method)(values[mine])
        return result

    def _ends(self, group):
        """Ends of the grid of each group in the integration variable."""
        first = self._start[group]
        return self._low[first], self._high[first + self._sizes[group] - 1]

    def _locate(self, z, group):
        """Panel of each point, its number within the group, and the point on [-1, 1]."""
        number = np.clip((self._lows[group] <= z[:, None]).sum(axis=1) - 1, 0, self._sizes[group] - 1)
        panel = self._start[group] + number
        low, high = self._low[panel], self._high[panel]
        return panel, number, np.clip(2 * (z - low) / (high - low) - 1, -1, 1)

    def _cdf_z(self, z, group):
        panel, number, local = self._locate(z, group)
        inside = legendre.legval(local, self._integral[:, panel], tensor=False)
        return np.clip(self._before[group, number] + inside, 0, 1)

    def _log_pdf_z(self, z, group):
        panel, _, local = self._locate(z, group)
        value, plain = legendre.legval(local, self._coefficients[:, panel], tensor=False), self._plain[panel]
        with np.errstate(divide="ignore"):
            return np.where(plain, np.log(np.maximum(value, 0.0)), value)


def _of_logs(density):
    """Coefficients of the log of a density on its panels, and whether it is one throughout.

    The log is close to linear in the tails, where the density itself is not. Where that is cut, vanishes or
    bends, its log is no polynomial, and oscillates: the density itself is.
    """
    with np.errstate(divide="ignore"):
        log_density = np.maximum(np.log(density), _LEAST_LOG)
    return log_density @ TO_LEGENDRE.T, ~(log_density <= _LEAST_LOG).any(axis=1)


def _last(coefficients):
    """Largest of the last coefficients of each panel: how much a polynomial may be off."""
    return np.abs(coefficients[:, -3:]).max(axis=1)


def _sharpened(group, intervals, density):
    """Panels on which the density itself is a polynomial, from those on which its log is one.

    The rules that converge on the mass of a panel say nothing of the mass of its parts.
    """
    for _ in range(_SPLITS):
        of_log, smooth = _of_logs(density)
        half = 0.5 * np.diff(intervals)[:, 0]
        mass, missed = half * (density @ KRONROD), half * _last(density @ TO_LEGENDRE.T)
        wide = (
            smooth
            & (missed > _SHARP * np.bincount(group, mass)[group])
            & (_last(of_log) * mass < 0.1 * missed)
        )
        if not wide.any():
            break
        old = np.repeat(np.arange(len(group)), 1 + wide)
        split, second = wide[old], np.diff(old, prepend=-1) == 0
        first, middle = split & ~second, intervals.mean(axis=1)[old]
        group, intervals, density = group[old], intervals[old], density[old]
        intervals[second, 0], intervals[first, 1] = middle[second], middle[first]
        local = 0.5 * (NODES + np.where(second, 1, -1)[split, None])
        density[split] = np.exp(legendre.legval(local.T, of_log[old[split]].T[:, None], tensor=False)).T
        # The mass of the whole is known better than that of the halves.
        parts = 0.5 * np.diff(intervals)[:, 0] * (density @ KRONROD)
        whole = old[split]
        density[split] *= (mass[whole] / np.bincount(old, parts)[whole])[:, None]
    return group, intervals, density


def _weighted_median(values, weights):
    """Medians of columns of values, (J,)."""
    order = np.argsort(values, axis=0)
    row = (np.cumsum(weights[order], axis=0) < 0.5 * weights.sum()).sum(axis=0)
    row = np.minimum(row, len(values) - 1)
    return values[order[row, np.arange(values.shape[1])], np.arange(values.shape[1])]


def _distinct(axes):
    """Axes that differ in how they map points, and which of them each group has."""
    keys = [(type(axis), axis.lower, axis.upper) for axis in axes]
    codes = {key: code for code, key in enumerate(dict.fromkeys(keys))}
    first = dict(zip(reversed(keys), reversed(axes), strict=True))
    return [first[key] for key in codes], np.array([codes[key] for key in keys])
