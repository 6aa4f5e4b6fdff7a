"""Posterior of up to four scales and correlations, on a lattice that grows from where the mass is.

The trapezoidal rule converges exponentially for smooth densities that decay in all directions (Trefethen and
Weideman, 2014). Each parameter is mapped to the whole line so that its density decays at both ends like
the exponential of an exponential (Takahasi and Mori, 1974), which keeps the lattice small. It is made of two,
each in the middles of the other's cells: how far the two differ says how exact they are together.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise, product

import numpy as np
from scipy import optimize, special
from scipy.interpolate import make_interp_spline

from hierarchical_exact.quadrature import (
    KRONROD,
    LARGEST_LOG,
    NODES,
    PointGrid,
    in_slices,
    missed,
    summits,
)

# Nodes whose density is below exp(-_NEGLIGIBLE) of the peak end the lattice.
_NEGLIGIBLE = 22.0
# Ends of the variables of integration: nothing may be left there. Moments are followed less far.
_LOWEST, _HIGHEST, _SIDE, _MOMENTS = -4.5, 40.0, 3.9, 12.0
_MOST_NODES = 1_500_000
# Points of each axis at which the search starts.
_TRIED = 13
# What nodes at the rim may add to a moment, relative to its terms, and how far the lattices may differ on it:
# the square of an sd moves by twice what the sd itself may.
_RIM, _MOVED = 1e-6, 5e-3
# Densities below this part of their peak are not drawn as curves, whose integrals may be off by so much.
_FAINT, UNSURE = 1e-7, 1e-5
# How much of the posterior may hang on mass of a smooth prior, and of one with a kink, that is missed.
_HIDDEN = 1e-6, 1e-3
# Orders of the differences that tell what alternates in a density.
_LEAST_ORDER, _ORDERS = 8, 26
# Width of the kernel about each node that proposes draws, in steps, and how far a bound is raised.
_KERNEL, _RAISED = 0.35, 1.1
# Places where a prior may have a kink, and how often they are looked at ten times as closely.
_WATCHED, _ZOOMS = 8, 6


@dataclass(frozen=True)
class Line:
    """One parameter, mapped to the whole line.

    Parameters
    ----------
    lower, upper : float
        Ends of its support, the first finite.
    unit : float
        Distance from `lower` near which the posterior lies, for an infinite `upper`.
    """

    lower: float
    upper: float
    unit: float = 1.0

    @property
    def logarithmic(self):
        """Whether there is no upper end: a density at the lower one is that next to it."""
        return not np.isfinite(self.upper)

    @property
    def limits(self):
        """Ends of the variable of integration."""
        return (_LOWEST, _HIGHEST) if self.logarithmic else (-_SIDE, _SIDE)

    def to_x(self, z):
        """Value of the parameter."""
        z = np.asarray(z, dtype=float)
        with np.errstate(over="ignore", under="ignore"):
            if self.logarithmic:
                return self.lower + self.unit * np.exp(z - np.exp(-z))
            return self.lower + (self.upper - self.lower) * special.expit(np.pi * np.sinh(z))

    def to_z(self, x):
        """Variable of integration; infinite at the ends of the support."""
        above = np.maximum(np.asarray(x, dtype=float) - self.lower, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.logarithmic:
                log = np.log(above / self.unit)
                return np.where(above > 0, log + special.wrightomega(-log), -np.inf)
            return np.arcsinh(special.logit(np.minimum(above / (self.upper - self.lower), 1.0)) / np.pi)

    def log_jacobian(self, z):
        """Log of dx/dz."""
        with np.errstate(over="ignore", under="ignore"):
            if self.logarithmic:
                return np.log(self.unit) + z - np.exp(-z) + np.log1p(np.exp(-z))
            odds = np.pi * np.sinh(z)
            log_slope = special.log_expit(odds) + special.log_expit(-odds)
            return np.log(np.pi * (self.upper - self.lower) * np.cosh(z)) + log_slope


class Lattice:
    """Posterior of the parameters as nodes and weights (see `hierarchical_exact.quadrature.Grid`).

    Attributes
    ----------
    points : dict of str to (K,) array
        Value of each parameter at the nodes, known ones too.
    weights, coarse : (K,) arrays
        Posterior probabilities of the nodes by both lattices, and by one of them.
    apart : float
        How far any half of the nodes that is a lattice differs from all (see `_halves_apart`).
    at_edge : (K,) array of bool
        Nodes at the rim.
    log_evidence : float
        Log of the integral of the density.
    tail : float
        Probabilities nearer to 0 and 1 have no quantile to the stated accuracy.
    """

    tail = 1e-3

    def __init__(self, log_f, lines, known, places, values, live, origin, step, light):
        self._log_f, self._lines, self._known, self._step = log_f, lines, known, step
        peak = values.max()
        density = np.exp(values - peak)
        self.log_evidence = float(peak + np.log(density.sum() * step.prod() / 2))
        self._sums = {}
        for i, name in enumerate(lines):
            where, row = np.unique(places[:, i], return_inverse=True)
            # On this line each of the two lattices has every other point.
            height = np.bincount(row, density) * np.delete(step, i).prod()
            self._sums[name] = origin[i] + 0.5 * step[i] * where, height / (density.sum() * step.prod() / 2)
        # A light node may have a large scale, and matter to its sd.
        far = 0.5 * step * places * [line.logarithmic for line in lines.values()]
        kept = np.zeros(len(density), dtype=bool)
        for beyond in (np.zeros(len(density)), *far.T):
            matters = density * np.exp(2 * np.clip(beyond, 0, _MOMENTS))
            order = np.argsort(matters)
            kept[order[np.cumsum(matters[order]) > light * matters.sum()]] = True
        z = origin + 0.5 * step * places
        self.apart = _halves_apart(places, z, density / density.sum())
        self._nodes = z, density, places[:, 0] % 2 == 0, ~live
        self._keep(np.flatnonzero(kept))

    def _keep(self, kept):
        self._z, density, even, self.at_edge = (part[kept] for part in self._nodes)
        self.weights, coarse = density / density.sum(), density * even
        self.coarse = coarse / coarse.sum()
        self.points = self._points(self._z)

    def whole(self):
        """The same with the lightest nodes too, on which what a posterior is divided by may hang."""
        other = copy.copy(self)
        other._keep(np.flatnonzero(self._nodes[1]))
        return other

    def _points(self, z):
        points = {name: line.to_x(z[:, i]) for i, (name, line) in enumerate(self._lines.items())}
        return points | {name: np.full(len(z), value) for name, value in self._known.items()}

    def expectation(self, values):
        """Posterior mean of values at the nodes, (K,) or (K, J); NaN where it is not known."""
        values = np.asarray(values)
        total, size = self.weights @ values, self.weights @ np.abs(values)
        rim = self.weights[self.at_edge] @ np.abs(values[self.at_edge])
        moved = np.abs((self.weights - self.coarse) @ values)
        return np.where((rim > _RIM * size) | (moved > _MOVED * size), np.nan, total)[()]

    def sd(self, name):
        """Posterior sd of a parameter; NaN as its `expectation`."""
        x = self.points[name]
        return np.sqrt(self.expectation((x - self.weights @ x) ** 2))

    @cached_property
    def _curves(self):
        """Of each parameter places, its density as a function, and by how much its integrals may be off."""
        found = {}
        for name, (z, height) in self._sums.items():
            bright = np.flatnonzero(height > _FAINT * height.max())
            bright = slice(bright[0], bright[-1] + 1)
            z, height = z[bright], height[bright]
            density, unsure = _interpolated(z, height)
            found[name] = z, density, max(unsure, _alternating(height) * (z[1] - z[0]))
        return found

    def unsure(self):
        """By how much distribution functions of single parameters may be off."""
        return max(unsure for _, _, unsure in self._curves.values())

    def curve(self, name):
        """Density of one parameter on panels (see `Grid.curve`)."""
        found, unsure = self._panels(name)
        if not unsure < UNSURE:
            raise ArithmeticError(
                f"the density of {name} is unsure by {unsure:.1e}, perhaps since its prior is not smooth: "
                "give a smooth one"
            )
        return found

    def _panels(self, name):
        """The same, and by how much its integrals may be off."""
        z, density, unsure = self._curves[name]
        edges = np.linspace(z[0], z[-1], 2 + len(z) // 4)
        pairs = np.stack([edges[:-1], edges[1:]], axis=1)
        half, middle = 0.5 * np.diff(pairs, axis=1), pairs.mean(axis=1)[:, None]
        density = density(middle + half * NODES)
        unsure = max(unsure, abs((half * KRONROD * density).sum() - 1))
        return (self._lines[name], pairs, density), unsure

    def hides(self, priors, bent):
        """Names of the parameters whose priors, some of them bent, have mass missed between the nodes."""
        return [
            name
            for name in self._lines
            if missed(priors[name], *self._panels(name)[0], _HIDDEN[name in bent])
        ]

    def sample(self, n, rng):
        """Draws of the parameters, (n,) each, by name: kernels about the nodes, rejected where too dense."""
        kernel, chosen = _KERNEL * self._step, self.weights > _FAINT * self.weights.max()
        centres, weights = self._z[chosen], self.weights[chosen] / self.weights[chosen].sum()
        scale = np.sqrt(2 * np.pi) ** len(kernel) * kernel.prod()

        def proposed(*z):
            apart = (np.subtract.outer(*one) ** 2 for one in zip(z, centres.T, strict=True))
            apart = sum(square / width**2 for square, width in zip(apart, kernel, strict=True))
            return np.exp(-0.5 * apart) @ weights / scale

        def log_ratio(z):
            """Log of the density over that of the proposals."""
            return self._log_f(z) - self.log_evidence - np.log(in_slices(proposed, len(centres), *z.T))

        def propose(size):
            z = centres[rng.choice(len(centres), size, p=weights)]
            return z + kernel * rng.standard_normal(z.shape)

        heavy = np.argsort(weights)[-1000:]
        bound = log_ratio(np.concatenate([centres[heavy], propose(1000)])).max() + np.log(_RAISED)
        kept = np.empty((0, len(kernel)))
        while len(kept) < n:
            z = propose(int(1.5 * (n - len(kept))) + 10)
            ratio = log_ratio(z)
            if ratio.max() > bound:  # then all that was kept was kept too often
                bound, kept = ratio.max() + np.log(_RAISED), kept[:0]
                continue
            kept = np.concatenate([kept, z[np.log(rng.uniform(size=len(z))) < ratio - bound]])
        return self._points(kept[:n])


def lattice_grid(
    log_likelihood: Callable, priors: dict, hints: dict, *, step: float, light: float
) -> Lattice | PointGrid:
    """Posterior of up to four parameters, some of which may be known.

    Parameters
    ----------
    log_likelihood : callable
        Takes a dict of (n,) arrays by name, gives (n,) log likelihoods.
    priors : dict of str to frozen distribution or float
        With a finite lower end; a float is a known value.
    hints : dict of str to array
        Plausible values, for the search.
    step : float
        Distance of the nodes, in sds of each parameter given the others.
    light : float
        Nodes that weigh no more than this together are left out.

    Returns
    -------
    Lattice or PointGrid

    Raises
    ------
    ArithmeticError
        If the density does not decay, or the lattice would be too large.
    """
    known = {name: prior for name, prior in priors.items() if isinstance(prior, float)}
    unknown = {name: prior for name, prior in priors.items() if name not in known}
    if not unknown:
        points = {name: np.array([value]) for name, value in known.items()}
        return PointGrid(points, log_likelihood(points)[0])
    tried = {}
    for name, prior in unknown.items():
        lower, upper = (float(end) for end in prior.support())
        near = np.concatenate([hints[name], prior.ppf([0.01, 0.25, 0.5, 0.75, 0.99])])
        near = near[(near > lower) & (near < upper) & np.isfinite(near)]
        tried[name] = Line(lower, upper, np.median(near) - lower), near

    def density(lines):
        def log_f(z):
            values = {name: line.to_x(z[:, i]) for i, (name, line) in enumerate(lines.items())}
            with np.errstate(all="ignore"):
                found = sum(
                    unknown[name].logpdf(x) + lines[name].log_jacobian(z[:, i])
                    for i, (name, x) in enumerate(values.items())
                )
                inside = np.flatnonzero(found > -np.inf)
                every = {
                    name: values[name][inside] if name in values else np.full(len(inside), known[name])
                    for name in priors
                }
                if len(inside):
                    found[inside] += log_likelihood(every)
            if np.isnan(found).any() or (found == np.inf).any():
                raise ArithmeticError(
                    f"the posterior density of {', '.join(lines)} is not finite everywhere, perhaps since a "
                    "prior has a density without bound: give one with a bounded density"
                )
            return found

        return log_f

    lines = {name: line for name, (line, _) in tried.items()}
    axes = [_spread(line.to_z(near), line.limits) for line, near in tried.values()]
    mesh = np.array(list(product(*axes)))
    values = density(lines)(mesh)
    # Where data and priors contradict each other there may be several tops, the highest not where it seems.
    shape = tuple(map(len, axes))
    starts = mesh[np.ravel_multi_index(summits(values.reshape(shape)).T, shape)]
    tops = np.stack([_climb(density(lines), start) for start in starts])
    mode = tops[density(lines)(tops).argmax()]
    # The same with units near the mode, where the map is gentle.
    units = {name: line.to_x(mode[i]) - line.lower for i, (name, line) in enumerate(lines.items())}
    moved = {name: Line(line.lower, line.upper, units[name]) for name, line in lines.items()}

    def moved_z(z):
        pairs = zip(lines.values(), moved.values(), strict=True)
        return np.stack([new.to_z(old.to_x(z[:, i])) for i, (old, new) in enumerate(pairs)], axis=1)

    log_f = density(moved)
    mode = _climb(log_f, moved_z(mode[None])[0])
    peak = log_f(mode[None])[0]
    if peak > LARGEST_LOG:
        raise ArithmeticError(
            "effects and predictors fit the data so nearly that the likelihood goes on to rise as sigma goes "
            "to zero: give sigma as a number or a prior bounded away from zero"
        )
    steps = step * _widths(log_f, mode, peak)
    others = moved_z(np.concatenate([tops, mesh[values > values.max() - _NEGLIGIBLE]]))
    seeds = np.concatenate([mode[None], others[np.isfinite(others).all(axis=1)]])
    grown = _grow(log_f, list(moved.items()), mode, steps, np.round((seeds - mode) / steps).astype(int) * 2)
    return Lattice(log_f, moved, known, *grown, mode, steps, light)


def _halves_apart(places, z, weights):
    """Largest part of the evidence, or of a moment, by which a half of the nodes differs from all.

    A wave along a diagonal is summed alike by both lattices. It shows in another half, with every other plane
    of nodes across it: 2^d - 1 halves are lattices.
    """
    d = places.shape[1]
    phases = [2 * places[:, 0]]
    phases += [places[:, i] + sign * places[:, j] for i, j in combinations(range(d), 2) for sign in (1, -1)]
    if d == 4:
        phases += [places @ [1, 1, 1, sign] for sign in (1, -1)]
    z = z - weights @ z
    z = np.arcsinh(z / np.sqrt(weights @ z**2))
    moments = weights[:, None] * np.column_stack([np.ones(len(z)), z, z**2])
    return max(float(np.abs((1 - phase % 4) @ moments).max()) for phase in phases)


def has_kink(prior):
    """Whether the slope of a prior's log density jumps, or the density does, where most of its mass is."""
    with np.errstate(all="ignore"):
        x = np.linspace(*prior.ppf([1e-4, 1 - 1e-4]), 1001)
        width, step = x[-1] - x[0], x[1] - x[0]
        bend = np.nan_to_num(np.abs(np.diff(prior.logpdf(x), 2)))
        # A kink stands out from what is beside it; what only grows towards an end does not.
        beside = np.pad(np.maximum(bend[:-6], bend[6:]), 3, constant_values=np.inf)
        places = np.argsort(bend / np.maximum(beside, 1e-6 * bend.max()))[-_WATCHED:]
        places, bend = x[1 + places], bend[places] / step
        # Of a smooth density slopes at ever nearer points are ever more alike.
        for _ in range(_ZOOMS):
            near = places[:, None] + step * np.linspace(-1.2, 1.2, 25)
            step = near[0, 1] - near[0, 0]
            bends = np.nan_to_num(np.abs(np.diff(prior.logpdf(near), 2, axis=1))) / step
            best = bends.argmax(axis=1)
            rows = np.arange(len(places))
            sharp = bends[rows, best] > 0.5 * bend
            places, bend = near[rows, best + 1][sharp], bends[rows, best][sharp]
            if not len(places):
                return False
    return bool((bend * width > 1e-3).any())


def _spread(z, limits):
    """Places along a line at which the search starts."""
    low, high = np.clip([z.min() - 1, z.max() + 1], limits[0] + 1, min(limits[1] - 1, 12))
    return np.linspace(low, high, _TRIED)


def _climb(log_f, z):
    """Mode of a density, from a place near it."""
    found = optimize.minimize(
        lambda z: -log_f(z[None])[0], z, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-3}
    )
    return found.x


def _interpolated(z, height):
    """A density between the places where it is known, and by how much its integrals may be off.

    What the nodes of one place add up to is the density there. Its log is smooth, unless it is a mixture of
    laws that differ much: then its root is smoother.
    """
    line, found = np.linspace(z[0], z[-1], 8 * len(z)), []
    for there, back, degree in ((np.log, np.exp, 7), (np.sqrt, np.square, 5), (np.sqrt, np.square, 7)):
        spline = make_interp_spline(z, there(height), k=min(degree, len(z) - 1))
        found.append(lambda x, back=back, spline=spline: back(spline(x)))
    below = [np.cumsum(density(line)) * (line[1] - line[0]) for density in found]
    apart = [np.abs(one - other).max() for one, other in pairwise(below)]
    return (found[0], apart[0]) if apart[0] < UNSURE else (found[1], apart[1])


def _alternating(height):
    """Largest integral, in spacings, of what alternates in a density: where its two lattices differ on it.

    Differences of a high order leave it, and next to nothing of what is smooth; how high must be tried.
    """
    left = np.full(len(height), np.inf)
    for order in range(_LEAST_ORDER, min(_ORDERS, len(height)), 2):
        signs = special.binom(order, np.arange(order + 1)) * (-1.0) ** np.arange(order + 1) / 2**order
        inner = slice(order // 2, len(height) - order // 2)
        left[inner] = np.minimum(left[inner], np.abs(np.convolve(np.log(height), signs, "valid")))
    inner = slice(_LEAST_ORDER // 2, -_LEAST_ORDER // 2)  # next to the ends nearly nothing is left
    return (left * height)[inner].max(initial=0.0) / np.pi


def _widths(log_f, mode, peak):
    """Distances along each axis at which the density falls by half a unit of its log, both sides' mean."""
    distances = np.geomspace(1e-5, 4, 140)
    widths = np.empty(len(mode))
    for i in range(len(mode)):
        sides = []
        for sign in (-1, 1):
            z = np.repeat(mode[None], len(distances), axis=0)
            z[:, i] += sign * distances
            below = log_f(z) < peak - 0.5
            sides.append(distances[below.argmax()] if below.any() else distances[-1])
        widths[i] = np.mean(sides)
    return widths


def _grow(log_f, lines, origin, step, seeds):
    """Nodes of both lattices, as places in half steps, their log densities, and which are not at the rim."""
    d = len(origin)
    base = 2**14
    power = base ** np.arange(d, dtype=np.int64)  # not 32 bits, which is what a browser's numbers have
    moves = np.concatenate([2 * np.eye(d, dtype=int), -2 * np.eye(d, dtype=int)])

    def keys(places):
        if (np.abs(places) > base // 2 - 4).any():
            raise _too_many(lines)
        return (places + base // 2) @ power

    def places_of(keys):
        return keys[:, None] // power % base - base // 2

    limits = np.array([line.limits for _, line in lines]).T
    half_lines = np.array([line.logarithmic for _, line in lines])
    frontier = np.unique(keys(np.concatenate([seeds, seeds + 1])))
    seen, found, peak = np.empty(0, dtype=int), [], -np.inf
    while len(frontier):
        places = places_of(frontier)
        z = origin + 0.5 * step * places
        value = np.full(len(z), -np.inf)
        inside = ((z > limits[0]) & (z < limits[1])).all(axis=1)
        value[inside] = log_f(z[inside])
        peak = max(peak, value.max())
        # Second moments must have decayed too.
        moment = 2 * np.clip(z - origin, 0, None) @ half_lines
        live = value > peak - _NEGLIGIBLE
        near = (z < _MOMENTS).all(axis=1)
        beyond = [name for i, (name, _) in enumerate(lines) if _outside(z[live], step, limits, i)]
        if beyond:
            raise ArithmeticError(
                f"the posterior of {', '.join(beyond)} does not decay towards an end of its support, as if "
                "it were improper: give a prior that keeps the parameter from there"
            )
        live |= (value + moment > peak - _NEGLIGIBLE) & near
        found.append((places, value, live))
        seen = np.sort(np.concatenate([seen, frontier]), kind="stable")  # which merges what is in order
        if len(seen) > _MOST_NODES:
            raise _too_many(lines)
        beside = np.unique(keys((places[live][:, None] + moves).reshape(-1, d)))
        at = np.searchsorted(seen, beside).clip(max=len(seen) - 1)
        frontier = beside[seen[at] != beside]
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def _outside(z, step, limits, i):
    """Whether some nodes are next to a limit of one axis."""
    return bool(((z[:, i] - step[i] <= limits[0, i]) | (z[:, i] + step[i] >= limits[1, i])).any())


def _too_many(lines):
    return ArithmeticError(
        f"the posterior of {', '.join(name for name, _ in lines)} needs more than {_MOST_NODES} nodes, as "
        "where the data tell little of one of them: give one as a number, or narrower priors"
    )
