"""Adaptive Gauss-Kronrod integration over hyperparameters that keeps its nodes.

A hyperparameter posterior becomes a finite set of nodes with weights. Two rules share the nodes: the
15-point Kronrod rule, whose answer is used, and the 7-point Gauss rule inside it, whose difference
from the first bounds the error (Piessens et al., 1983, QUADPACK).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike

# QUADPACK's rule on [-1, 1], half of it; a test checks its degree of exactness.
# Nodes, Kronrod's weights and those of Gauss.
_HALF = """
0.991455371120812639206854697526329 0.022935322010529224963732008058970 0
0.949107912342758524526189684047851 0.063092092629978553290700663189204 0.129484966168869693270611432679082
0.864864423359769072789712788640926 0.104790010322250183839876322541518 0
0.741531185599394439863864773280788 0.140653259715525918745189590510238 0.279705391489276667901467771423780
0.586087235467691130294144691693013 0.169004726639267902826583426598550 0
0.405845151377397166906606412076961 0.190350578064785409913256402421014 0.381830050505118944950369775488975
0.207784955007898467600689403773245 0.204432940075298892414161999234649 0
0.000000000000000000000000000000000 0.209482141084727828012999174891714 0.417959183673469387755102040816327
"""
_HALF_NODES, _HALF_KRONROD, _HALF_GAUSS = np.array(_HALF.split(), dtype=float).reshape(-1, 3).T
NODES = np.concatenate([-_HALF_NODES[:-1], _HALF_NODES[::-1]])
KRONROD = np.concatenate([_HALF_KRONROD[:-1], _HALF_KRONROD[::-1]])
GAUSS = np.concatenate([_HALF_GAUSS[:-1], _HALF_GAUSS[::-1]])
# Values at the nodes -> Legendre coefficients of the polynomial through them.
TO_LEGENDRE = np.linalg.inv(legendre.legvander(NODES, len(NODES) - 1))

# A density below exp(-NEGLIGIBLE) of its peak is left out.
NEGLIGIBLE = 45.0
# Beyond this distance from the mode (in log x) a power tail is followed for the mass alone: moments
# whose integrand has not decayed there are reported as infinite.
TAIL = 80.0
SMALLEST, LARGEST = -650.0, 290.0
# Log densities as far from zero as this are good to 1e-7.
LARGEST_LOG = 1e8
# Terms at an end of the grid that are smaller, relative to all, do not matter to a moment: over a log, where
# a power never ends, and over a quantity itself.
_HEAVY, _HEAVY_PLAIN = 1e-13, 1e-9
# A moment for which the two rules differ by more, relative to its terms, is not vouched for.
_MOVED = 1e-5
# For one that is to be told, on all panels together.
_TOLD = 1e-7
_ROUNDS = 60
# Of several tops so many are climbed, in so many steps, each four times as fine.
_CLIMBED, _ZOOMS = 6, 5
# Arrays of this size stay in the processor's cache.
SLICE = 2**17
# Steps and reach of a lattice, in posterior sds, and how near its moments must be to those of the grid.
_STEP, _REACH, _SAME = 0.75, 7.0, 5e-6
# Mass of a prior that may be missed: absolute, as a part of a panel's, and times the likelihood.
_LEAST_GAP, _PART_OF_GAP, _MATTERS = 1e-11, 1e-6, 1e-6
# Where a prior beyond the grid is looked at, in parts of its mass there, and at how many values of another.
_PARTS, _LOOKS = np.array([0.001, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.999]), 24
# More panels than this on an axis mean noise or a singularity, which halving does not cure.
_PANELS = 300


def in_slices(function, room, *arrays):
    """Values (n,) of a function of arrays (n,), of so many entries at a time that `room` numbers each fit."""
    step = max(1, SLICE // room)
    starts = range(0, max(1, len(arrays[0])), step)
    return np.concatenate([function(*(one[i : i + step] for one in arrays)) for i in starts])


@dataclass(frozen=True)
class Axis:
    """One hyperparameter, and the scale on which it is integrated.

    Parameters
    ----------
    name : str
        Name of the hyperparameter.
    hints : array
        Values of the hyperparameter near which the posterior may lie, such as quantiles of its prior
        and the scale of the data. The search for the mass starts from them.
    lower, upper : float
        Ends of the support. With a finite `lower`, integration runs over ``log(x - lower)``, on which
        a density that piles up at the boundary is smooth; otherwise over ``x`` itself.
    jumps : sequence of float
        Where the density jumps, which must be between panels.
    """

    name: str
    hints: np.ndarray
    lower: float = -np.inf
    upper: float = np.inf
    jumps: Sequence[float] = ()

    @property
    def logarithmic(self):
        """Whether integration runs over ``log(x - lower)``."""
        return np.isfinite(self.lower)

    @property
    def limits(self):
        """Ends of the range in the integration variable z."""
        if not self.logarithmic:
            return -np.inf, self.upper
        with np.errstate(divide="ignore"):
            return SMALLEST, min(LARGEST, np.log(self.upper - self.lower))

    def to_z(self, x):
        """Integration variable of x; ``-inf`` at the lower end of the support."""
        if not self.logarithmic:
            return np.asarray(x, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(np.maximum(np.asarray(x, dtype=float) - self.lower, 0.0))

    def to_x(self, z):
        """Value of the hyperparameter at z."""
        return self.lower + np.exp(z) if self.logarithmic else np.asarray(z, dtype=float)

    def log_jacobian(self, z):
        """Log of dx/dz."""
        return z if self.logarithmic else np.zeros_like(z)


def prior_axis(name: str, prior: Any, hints: Sequence[float] = ()) -> Axis:
    """Axis for a hyperparameter with a frozen scipy.stats prior, or ``None`` for a flat one on x >= 0.

    Examples
    --------
    >>> from scipy import stats
    >>> prior_axis("tau", stats.halfnorm(scale=10)).lower
    0.0
    """
    hints = np.atleast_1d(np.asarray(hints, dtype=float))
    if prior is None:
        return Axis(name, hints, lower=0.0)
    lower, upper = (float(end) for end in prior.support())
    with np.errstate(all="ignore"):
        quantiles = prior.ppf([0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999])
    jumps = np.asarray(getattr(getattr(prior, "dist", None), "_hbins", ()), dtype=float)  # of a histogram
    if jumps.size:
        _, place, unit = prior.dist._parse_args(*prior.args, **prior.kwds)
        jumps = place + unit * jumps
    middles = 0.5 * (jumps[1:] + jumps[:-1])
    hints = np.concatenate([hints, quantiles, jumps, middles])
    return Axis(name, hints, lower=lower, upper=upper, jumps=jumps)


class Grid:
    """Posterior of the hyperparameters as nodes and weights.

    Attributes
    ----------
    points : dict of str to (K,) array
        Value of each hyperparameter at the nodes.
    weights, coarse : (K,) arrays
        Posterior probabilities of the nodes by the Kronrod rule and by the Gauss rule inside it.
    log_weights, gauss : (K,) arrays
        Logs of the weights, of those too that are too light for a number; how many times as heavy the coarse
        rule makes each node.
    log_evidence : float
        Log of the integral of the density.
    """

    def __init__(self, axes, intervals, cells):
        self._axes = {axis.name: axis for axis in axes}
        self._intervals = {axis.name: np.array(pairs) for axis, pairs in zip(axes, intervals, strict=True)}
        log_f = _assemble(intervals, cells)
        peak = log_f.max()
        self._density = np.exp(log_f - peak)
        kronrod, gauss = _weights(intervals, KRONROD), _weights(intervals, GAUSS)
        total = (self._density * kronrod).sum()
        self.log_evidence = float(peak + np.log(total))
        self.log_weights = (log_f - self.log_evidence + np.log(kronrod)).ravel()
        self._density /= total
        self.weights = (self._density * kronrod).ravel()
        coarse = (self._density * gauss).ravel()
        self.coarse = coarse / coarse.sum()
        self.gauss = (gauss / kronrod).ravel() / coarse.sum()
        mesh = np.meshgrid(
            *(axis.to_x(_nodes(pairs)).ravel() for axis, pairs in zip(axes, intervals, strict=True)),
            indexing="ij",
        )
        self.points = {axis.name: x.ravel() for axis, x in zip(axes, mesh, strict=True)}
        self._edges = _open_edges(axes, intervals)
        self.at_edge = np.zeros(len(self.weights), dtype=bool)
        for edge in self._edges:
            self.at_edge |= edge.outer

    def expectation(self, values: ArrayLike) -> float | np.ndarray:
        """Posterior mean of values given at the nodes; infinite where the integral diverges.

        NaN where nobody can tell: where the tail has not taken the shape of a power where the grid ends, or
        where the two rules differ.

        Parameters
        ----------
        values : (K,) or (K, J) array

        Returns
        -------
        float or (J,) array
        """
        values = np.asarray(values)
        terms = (values.T * self.weights).T
        total = terms.sum(axis=0)
        # Terms of both signs may cancel: a tail is heavy when it matters to their size.
        size = np.abs(terms).sum(axis=0)
        for edge in self._edges:
            outer = np.abs(terms[edge.outer]).sum(axis=0) / edge.outer_weight
            heavy = outer > edge.heavy * size
            if not np.any(heavy):
                continue
            inner, middle = (
                np.abs(terms[nodes]).sum(axis=0) / weight
                for nodes, weight in ((edge.inner, edge.inner_weight), (edge.middle, edge.middle_weight))
            )
            # A power of x falls exponentially in its log: what lies beyond the grid is known then.
            with np.errstate(divide="ignore", invalid="ignore"):
                before = 2 * np.log(inner / middle) / edge.distance
                decay = 2 * np.log(middle / outer) / edge.distance
                beyond = (
                    terms[edge.outer].sum(axis=0) / edge.outer_weight / decay * np.exp(-decay * edge.rest)
                )
            settled = np.abs(decay - before) <= 1e-8 + 1e-6 * np.abs(decay)
            # One that does not settle may do anything; one that hastens leaves at most this much.
            small = (decay > 0) & (decay >= before) & (np.abs(beyond) < 1e-9 * size)
            total = total + np.where(heavy, np.where(decay > 1e-7, beyond, np.inf), 0.0)
            total = np.where(heavy & ~settled & ~small, np.nan, total)
        # Where the weights are small the grid is coarse, though values may be large there.
        moved = np.abs(values.T @ (self.weights - self.coarse))
        return np.where((moved > _MOVED * size) & np.isfinite(total), np.nan, total)[()]

    def sd(self, name):
        """Posterior sd of a hyperparameter; infinite or NaN as its `expectation`."""
        x = self.points[name]
        mean = self.expectation(x)
        return root(self.expectation((x - (mean if np.isfinite(mean) else 0.0)) ** 2), mean)

    def sample(self, n, rng):
        """Draw hyperparameters from their joint posterior: (n,) values of each, by name."""
        known = {name: np.full(n, x[0]) for name, x in self.points.items() if name not in self._axes}
        return self._draw(n, rng) | known

    def _draw(self, n, rng):
        """Draws of the variables of integration, before they are mapped to others."""
        uniforms = rng.uniform(size=(len(self._axes), n))
        first, *second = self._axes.values()
        _, pairs, density = Grid.curve(self, first.name)
        z, panel, local = inverse_cdf(pairs, np.broadcast_to(density, (n, *density.shape)), uniforms[0])
        draws = {first.name: first.to_x(z)}
        if second:
            # The density of the second, where the first has been drawn, by the polynomials of its panel.
            basis = legendre.legvander(local, len(NODES) - 1) @ TO_LEGENDRE
            pairs = self._intervals[second[0].name]
            along = np.empty((n, self._density.shape[1]))
            for p in np.unique(panel):
                rows = slice(p * len(NODES), (p + 1) * len(NODES))
                along[panel == p] = basis[panel == p] @ self._density[rows]
            along = np.maximum(along, 0.0).reshape(n, len(pairs), len(NODES))
            draws[second[0].name] = second[0].to_x(inverse_cdf(pairs, along, uniforms[1])[0])
        return draws

    def curve(self, name: str) -> tuple[Axis, np.ndarray, np.ndarray]:
        """Density of one hyperparameter, as panels of node values in its integration variable.

        Returns
        -------
        axis : Axis
        intervals : (P, 2) array
        density : (P, 15) array
        """
        position = list(self._axes).index(name)
        pairs = self._intervals[name]
        density = self._density
        for other in reversed(range(len(self._axes))):
            if other != position:
                weights = _line_weights(list(self._intervals.values())[other], KRONROD)
                density = np.tensordot(density, weights, axes=([other], [0]))
        return self._axes[name], pairs, density.reshape(len(pairs), -1)


def root(square, mean):
    """Sd from an expected square. If it is not about the mean, which cannot be told, it is too large: NaN."""
    return np.sqrt(np.where(np.isnan(mean) & np.isfinite(square), np.nan, square))[()]


def told(moments):
    """Return these moments, or refuse them if one of them is not known."""
    if np.isnan(moments).any():
        raise ArithmeticError(
            "the tail of the posterior decays too slowly to tell this moment, it is too large a number, or "
            "it hangs on few nodes: use quantiles, choose other groups by sel, or take a prior with a "
            "lighter tail"
        )
    return moments


def integrate(
    log_density: Callable[..., np.ndarray],
    axes: list[Axis],
    *,
    tolerance: float = 1e-9,
    moments: bool = False,
    priors: dict | None = None,
) -> Grid:
    """Integrate a density over one or two hyperparameters, refining until it has converged.

    Parameters
    ----------
    log_density : callable
        Takes one (n,) array per axis, gives the (n,) log densities.
    axes : list of Axis
        The hyperparameters.
    tolerance : float
        Largest difference between the Kronrod and the Gauss rule, relative to the integral.
    moments : bool
        Whether to go on until means and sds of scales are told too, if they can be. The density must then be
        as good where it is small.
    priors : dict of str to frozen distribution, optional
        Factors of the density, whose own mass on each panel must be what their distribution functions say.

    Returns
    -------
    Grid

    Raises
    ------
    ArithmeticError
        If the integral does not converge, or misses mass of a prior.

    See Also
    --------
    Axis : A hyperparameter, and the scale on which it is integrated.
    hyperparameter_grid : The same from a likelihood and priors.

    Notes
    -----
    Panels are halved until the 15-point Kronrod rule and the 7-point Gauss rule inside it agree [1]_.

    References
    ----------
    .. [1] Piessens, R., de Doncker-Kapenga, E., Überhuber, C. W. and Kahaner, D. K. (1983). QUADPACK: A
       Subroutine Package for Automatic Integration. Springer.

    Examples
    --------
    >>> axis = Axis("x", np.array([0.0, 1.0]))
    >>> grid = integrate(lambda x: -0.5 * x**2, [axis])
    >>> bool(round(grid.log_evidence, 6) == round(0.5 * np.log(2 * np.pi), 6))
    True
    """

    def log_f(*z):
        jacobian = sum(axis.log_jacobian(v) for axis, v in zip(axes, z, strict=True))
        x = [axis.to_x(v) for axis, v in zip(axes, z, strict=True)]
        with np.errstate(over="ignore", under="ignore", divide="ignore"):
            value = log_density(*x) + jacobian
        if np.any(np.isnan(value)) or np.any(value == np.inf):
            raise ArithmeticError(
                f"the posterior density of {', '.join(axis.name for axis in axes)} is not finite everywhere, "
                "perhaps since a prior has a density without bound: give one with a bounded density"
            )
        return value

    priors = priors or {}
    for _ in range(2):  # the second time with what lies beyond the box of the first
        grid = _refined(log_f, axes, tolerance, moments, priors)
        beyond = _beyond(log_f, grid, axes, priors)
        if not any(map(len, beyond)):
            return grid
        axes = [replace(axis, hints=np.append(axis.hints, x)) for axis, x in zip(axes, beyond, strict=True)]
    raise hidden([axis.name for axis, x in zip(axes, beyond, strict=True) if len(x)])


def _refined(log_f, axes, tolerance, moments, priors):
    """Grid over the box where the density was seen, with panels halved until both rules agree."""
    low, high = _bracket(log_f, axes)
    intervals = []
    for axis, a, b in zip(axes, low, high, strict=True):
        panels = 6
        if len(axes) == 1 and tolerance < 1e-9 and axes[0].logarithmic:
            # What is asked at the nodes may bend within a unit of a log where the density does not.
            panels = max(panels, int(np.ceil((b - a) / (3 if tolerance > 1e-12 else 1.5))))
        jumps = axis.to_z(np.asarray(axis.jumps, dtype=float))
        edges = np.union1d(np.linspace(a, b, panels + 1), jumps[(jumps > a) & (jumps < b)])
        intervals.append(list(pairwise(edges)))
    cells, grid, missed = {}, None, []
    for _ in range(_ROUNDS):
        _evaluate(log_f, intervals, cells)
        flagged = _unconverged(intervals, _assemble(intervals, cells), tolerance)
        if not any(flagged):
            grid = Grid(axes, intervals, cells)
            missed = flagged = _missed(grid, axes, priors)
            if not any(missed):
                flagged = _untold(grid, axes, intervals, cells) if moments else []
            if not any(flagged):
                return grid
        intervals = [_split(pairs, bad) for pairs, bad in zip(intervals, flagged, strict=True)]
        if max(map(len, intervals)) > _PANELS:
            break
    if grid and not any(missed):
        return grid
    if grid:
        raise hidden([axis.name for axis, bad in zip(axes, missed, strict=True) if bad])
    raise ArithmeticError(
        f"integration over {', '.join(axis.name for axis in axes)} does not converge to {tolerance:g}, "
        "perhaps since a prior is noisy, singular or too extreme for these data: give a smooth one, nearer "
        "to them"
    )


def _bracket(log_f, axes):
    """Box that holds all but a negligible part of the mass, in the integration variables."""
    per_axis = 65 if len(axes) == 1 else 25
    low, high, hints = [], [], []
    for axis in axes:
        z = axis.to_z(axis.hints)
        z = z[np.isfinite(z)]
        hints.append(z)
        width = 5.0 if axis.logarithmic else max(1.0, np.ptp(z))
        low.append(max(axis.limits[0], z.min() - width))
        high.append(min(axis.limits[1], z.max() + width))
    sharpen = False
    for attempt in range(_ROUNDS):
        lines = [
            np.unique(np.concatenate([np.linspace(a, b, per_axis), z[(z > a) & (z < b)]]))
            for a, b, z in zip(low, high, hints, strict=True)
        ]
        mesh = np.meshgrid(*lines, indexing="ij")
        values = log_f(*(m.ravel() for m in mesh)).reshape(mesh[0].shape)
        places = summits(values)
        # Where data and priors contradict each other, the lines must pass through the highest top.
        if attempt == 0 and len(places) > 1:
            tops = _climbed(log_f, lines, places)
            hints = [np.append(z, top) for z, top in zip(hints, tops.T, strict=True)]
            continue
        profiles = [values] if len(axes) == 1 else [values.max(axis=1), values.max(axis=0)]
        if sharpen:
            profiles = [_sharpened(log_f, lines, values, i) for i in (0, 1)]
        ends = [
            _live_range(axis, line, profile, line[profile.argmax()])
            for axis, line, profile in zip(axes, lines, profiles, strict=True)
        ]
        old = np.subtract(high, low)
        low, high = (list(end) for end in zip(*ends, strict=True))
        new = np.subtract(high, low)
        # The mode on a plateau moves with the lines, and the end of a tail with it, for ever.
        settled = attempt > _ROUNDS // 2 or np.all((new > 0.6 * old) & (new <= old))
        if settled and (sharpen or len(axes) == 1):
            _require_digits(max(profile.max() for profile in profiles))
            _require_decay(axes, lines, profiles)
            return low, high
        sharpen = len(axes) == 2 and (sharpen or settled or attempt > 8)
    raise ArithmeticError(
        "no bounds of the posterior were found, perhaps since a prior is too heavy-tailed: give a lighter one"
    )


def summits(values: np.ndarray) -> np.ndarray:
    """Where log densities on a mesh are finite and no neighbour exceeds them: the highest six.

    Parameters
    ----------
    values : array
        One dimension per axis of the mesh.

    Returns
    -------
    (k, dimensions) array of int
        Indices, that of the highest value first.

    Raises
    ------
    ArithmeticError
        If none is finite.

    See Also
    --------
    integrate : Whose search begins from them.

    Examples
    --------
    >>> summits(np.array([0.0, 2.0, 1.0, 3.0, -np.inf])).tolist()
    [[3], [1]]
    """
    if not np.isfinite(values.max()):
        raise ArithmeticError(
            "the posterior density vanishes wherever it was tried, perhaps since a prior is narrower, or "
            "further from the data, than numbers reach: give other units, or a number for what is known"
        )
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(values, 1, constant_values=-np.inf), (3,) * values.ndim
    ).reshape(*values.shape, -1)
    highest = np.isfinite(values) & (values == around.max(axis=-1))
    return np.argwhere(highest)[np.argsort(-values[highest])][:_CLIMBED]


def _climbed(log_f, lines, places):
    """Tops (k, axes) near nodes of a mesh, given by their indices."""
    place = np.stack([line[i] for line, i in zip(lines, places.T, strict=True)], axis=1)
    steps = [np.pad(np.diff(line), 1) for line in lines]
    reach = np.stack(
        [np.maximum(step[i], step[i + 1]) for step, i in zip(steps, places.T, strict=True)], axis=1
    )
    mesh = np.meshgrid(*[np.linspace(-1, 1, 9)] * len(lines), indexing="ij")
    offsets = np.stack([m.ravel() for m in mesh])
    for _ in range(_ZOOMS):
        near = place[:, None] + reach[:, None] * offsets.T
        found = log_f(*near.reshape(-1, len(lines)).T).reshape(near.shape[:2])
        place, reach = near[np.arange(len(place)), found.argmax(axis=1)], reach / 4
    return place


def _sharpened(log_f, lines, values, i):
    """Profile of the density along axis i: a ridge may be narrower than the other axis' lines are apart."""
    other, rows = lines[1 - i], np.arange(len(lines[i]))
    best = values.argmax(axis=1 - i)
    low, high = other[np.maximum(best - 1, 0)], other[np.minimum(best + 1, len(other) - 1)]
    profile = values.max(axis=1 - i)
    for _ in range(2):
        points = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 13)
        pair = np.broadcast_to(lines[i][:, None], points.shape).ravel(), points.ravel()
        found = log_f(*(pair if i == 0 else pair[::-1])).reshape(points.shape)
        best = found.argmax(axis=1)
        low, high = points[rows, np.maximum(best - 1, 0)], points[rows, np.minimum(best + 1, 12)]
        profile = np.maximum(profile, found.max(axis=1))
    return profile


def _require_digits(peak):
    """Refuse a density whose logs are so large that their differences have no digits left."""
    if abs(peak) > LARGEST_LOG:
        raise ArithmeticError(
            f"the log of the posterior density is {peak:.2g}, too large to tell its differences, as data and "
            "priors contradict each other: give both in the same units, or wider priors"
        )


def _require_decay(axes, lines, profiles):
    """Refuse a density that has not decayed at the smallest or largest numbers there are."""
    for axis, line, profile in zip(axes, lines, profiles, strict=True):
        for end, limit in ((0, SMALLEST), (-1, LARGEST)):
            if axis.logarithmic and line[end] == limit and profile[end] > profile.max() - 20:
                raise ArithmeticError(
                    f"the posterior of {axis.name} does not decay towards "
                    f"{'zero' if end == 0 else 'infinity'}, as far as numbers reach: give proper priors with "
                    "lighter tails, and other units if these are near 1e-300 or 1e300"
                )


def _live_range(axis, line, profile, mode):
    """Shrunken or widened ends of one axis, given the profile of the density along it."""
    # Second moments must have decayed too, or the power tail be long enough to call them infinite.
    moment = 2 * np.clip(line - mode, 0, None) * (line < mode + TAIL) * axis.logarithmic
    live = np.flatnonzero(
        (profile >= profile.max() - NEGLIGIBLE)
        | (profile + moment > profile.max() - NEGLIGIBLE) & (profile > profile.max() - 600)
    )
    first, last = live[0], live[-1]
    # Mass at an end may lie far beyond it: go on by ever larger steps.
    width = 2 * (line[-1] - line[0])
    smallest, largest = axis.limits
    low = line[first - 1] if first > 0 else max(smallest, line[0] - width)
    high = line[last + 1] if last < len(line) - 1 else min(largest, line[-1] + width)
    return low, high


def _nodes(pairs):
    """Nodes of all panels, (P, 15)."""
    a, b = np.array(pairs).T[:, :, None]
    return 0.5 * (a + b) + 0.5 * (b - a) * NODES


def _line_weights(pairs, rule):
    """Weights of a rule on all panels of one axis, flattened to (15 P,)."""
    a, b = np.array(pairs).T[:, :, None]
    return (0.5 * (b - a) * rule).ravel()


def _weights(intervals, rule):
    """Tensor-product weights, one dimension per axis."""
    weights = np.array(1.0)
    for pairs in intervals:
        weights = np.multiply.outer(weights, _line_weights(pairs, rule))
    return weights


def _evaluate(log_f, intervals, cells):
    """Fill in the cells whose density is not known yet, all in one call."""
    new = [key for key in product(*intervals) if key not in cells]
    if not new:
        return
    dimension, size = len(intervals), len(NODES)
    z = [np.empty((len(new),) + (size,) * dimension) for _ in intervals]
    for i, array in enumerate(z):
        shape = [1] * (dimension + 1)
        shape[0], shape[i + 1] = len(new), size
        array[...] = _nodes([key[i] for key in new]).reshape(shape)
    values = log_f(*(array.ravel() for array in z)).reshape(z[0].shape)
    cells.update(zip(new, values, strict=True))


def _assemble(intervals, cells):
    """Log density on the whole tensor of nodes, one dimension per axis."""
    size = len(NODES)
    if len(intervals) == 1:
        return np.concatenate([cells[(pair,)] for pair in intervals[0]])
    counts = [len(pairs) for pairs in intervals]
    stacked = np.array([cells[key] for key in product(*intervals)])
    stacked = stacked.reshape(*counts, size, size).transpose(0, 2, 1, 3)
    return stacked.reshape(counts[0] * size, counts[1] * size)


def _untold(grid, axes, intervals, cells):
    """For each axis, the panels too coarse for a mean or sd of a scale that the grid does not tell."""
    log_f = _assemble(intervals, cells)
    flagged = [set() for _ in axes]
    for i, axis in enumerate(axes):
        if not axis.logarithmic:
            continue
        z = np.moveaxis(np.broadcast_to(_nodes(intervals[i]).ravel(), np.moveaxis(log_f, i, -1).shape), -1, i)
        for power, moment in ((1, grid.expectation(grid.points[axis.name])), (2, grid.sd(axis.name))):
            if np.isnan(moment):
                for bad, more in zip(flagged, _unconverged(intervals, log_f + power * z, _TOLD), strict=True):
                    bad |= more
    return flagged


def _missed(grid, axes, priors):
    """For each axis, the panels on which the rule misses mass of a prior that may matter."""
    return [missed(priors.get(axis.name), *grid.curve(axis.name)) for axis in axes]


def missed(prior: Any, axis: Any, pairs: np.ndarray, posterior: np.ndarray, matters: float = _MATTERS) -> set:
    """Which panels of a curve miss mass of a prior that may matter; of a flat one, or of a number, none does.

    Parameters
    ----------
    prior : frozen distribution, float or None
    axis, pairs, posterior
        As `Grid.curve` returns them.
    matters : float
        How much of the posterior may be missed.
    """
    if not hasattr(prior, "cdf"):
        return set()
    z = _nodes(pairs)
    with np.errstate(all="ignore"):
        density = np.exp(prior.logpdf(axis.to_x(z)) + axis.log_jacobian(z))
        found = (0.5 * (pairs[:, 1:] - pairs[:, :1]) * KRONROD * density).sum(axis=1)
        edges = axis.to_x(np.append(pairs[:, 0], pairs[-1, 1]))
        below, above = prior.cdf(edges), prior.sf(edges)
        # By the nearer tail, as differences of numbers near one have no digits.
        mass = np.where(above[:-1] < below[1:], -np.diff(above), np.diff(below))
        # How many times as likely as all of the prior makes them the data are, given each panel.
        likely = np.nan_to_num(np.where(density > 0, posterior / density, 0.0)).max(axis=1)
    # Where no node has a density nothing is known of them.
    likely[~(density > 0).any(axis=1)] = likely.max()
    gap, around = np.abs(mass - found), np.pad(likely, 1)
    around = np.maximum(np.maximum(around[:-2], around[2:]), likely)
    wide = gap > np.maximum(_LEAST_GAP, _PART_OF_GAP * np.maximum(mass, found))
    return set(np.flatnonzero(wide & (gap * around > matters)))


def _beyond(log_f, grid, axes, priors):
    """For each axis, values of its prior beyond the grid, where these may matter to the posterior.

    The grid ends where the density is negligible, but it may rise again further off.
    """
    found = [np.empty(0) for _ in axes]
    looks = _LOOKS if len(axes) > 1 else 1

    def log_likelihood(i, x):
        """Highest over the other, if there is one, of x and of the prior there."""
        z = [np.repeat(axes[i].to_z(x), looks)] * len(axes)
        for j in set(range(len(axes))) - {i}:
            others = np.unique(axes[j].to_z(grid.points[axes[j].name]))
            places = np.linspace(0, len(others) - 1, looks).astype(int)
            z[j] = np.tile(others[places], len(x))
        log_prior = priors[axes[i].name].logpdf(x) + axes[i].log_jacobian(axes[i].to_z(x))
        return log_f(*z).reshape(len(x), looks).max(axis=1) - log_prior, log_prior

    for i, axis in enumerate(axes):
        prior = priors.get(axis.name)
        if not hasattr(prior, "cdf"):  # flat, or known
            continue
        _, pairs, posterior = grid.curve(axis.name)
        with np.errstate(all="ignore"):
            low, high = axis.to_x(pairs[[0, -1], [0, 1]])
            mode = axis.to_x(_nodes(pairs).ravel()[[posterior.argmax()]])
            at_mode, log_prior = log_likelihood(i, mode)
            for mass, parts in ((prior.cdf(low), _PARTS), (prior.sf(high), -_PARTS)):
                x = prior.ppf(mass * parts % 1)
                x = x[np.isfinite(x) & ((x < low) | (x > high)) & (x > axis.lower)]
                if mass > _LEAST_GAP and len(x):
                    log_share = np.log(mass) + log_likelihood(i, x)[0] - at_mode - log_prior
                    if (posterior.max() * np.exp(log_share) > _MATTERS).any():
                        found[i] = np.append(found[i], x)
    return found


def hidden(names):
    """The error that priors of these parameters have mass which was not found."""
    return ArithmeticError(
        f"the prior of {', '.join(names)} has mass that integration does not find: give one without a narrow "
        "part, or each part of it as a prior of its own"
    )


def _unconverged(intervals, log_f, tolerance):
    """For each axis, the positions of the panels on which the two rules differ too much."""
    peak = log_f.max()
    density, tolerance = np.exp(log_f - peak), max(tolerance, 4 * np.spacing(abs(peak)))
    lines = [_line_weights(pairs, KRONROD) for pairs in intervals]
    total = density
    for line in reversed(lines):
        total = total @ line
    flagged = []
    for i, pairs in enumerate(intervals):
        difference = lines[i] - _line_weights(pairs, GAUSS)
        along = np.moveaxis(density, i, 0) * difference.reshape(-1, *[1] * (density.ndim - 1))
        along = np.abs(along.reshape(len(pairs), len(NODES), -1).sum(axis=1))
        if density.ndim > 1:
            along = along @ lines[1 - i]
        error = along.ravel()
        flagged.append(set(np.flatnonzero(error > tolerance * total / len(pairs))))
    return flagged


def _split(pairs, bad):
    """Halve the flagged panels."""
    result = []
    for position, (a, b) in enumerate(pairs):
        if position in bad:
            middle = 0.5 * (a + b)
            result += [(a, middle), (middle, b)]
        else:
            result.append((a, b))
    return result


@dataclass(frozen=True)
class _Edge:
    """Nodes at one open end of the box, in the middle of the last panel and at its other side.

    With the distance of the outer from the inner ones, and of the end of the panel from the outer ones.
    """

    outer: np.ndarray
    middle: np.ndarray
    inner: np.ndarray
    outer_weight: float
    middle_weight: float
    inner_weight: float
    distance: float
    rest: float
    heavy: float


def _open_edges(axes, intervals):
    """Ends of the box that are not ends of the support, where every integrand must have decayed."""
    sizes = [len(pairs) * len(NODES) for pairs in intervals]
    index = np.indices(sizes)
    edges = []
    for i, (axis, pairs) in enumerate(zip(axes, intervals, strict=True)):
        z, weights = _nodes(pairs).ravel(), _line_weights(pairs, KRONROD)
        ends = ((0, len(NODES) - 1, pairs[0][0]), (sizes[i] - 1, sizes[i] - len(NODES), pairs[-1][1]))
        for limit, (outer, inner, end) in zip(axis.limits, ends, strict=True):
            if end != limit or (axis.logarithmic and end in (SMALLEST, LARGEST)):
                edges.append(
                    _Edge(
                        outer=(index[i] == outer).ravel(),
                        middle=(index[i] == (outer + inner) // 2).ravel(),
                        inner=(index[i] == inner).ravel(),
                        outer_weight=weights[outer],
                        middle_weight=weights[(outer + inner) // 2],
                        inner_weight=weights[inner],
                        distance=abs(z[outer] - z[inner]),
                        rest=abs(end - z[outer]),
                        heavy=_HEAVY if axis.logarithmic else _HEAVY_PLAIN,
                    )
                )
    return edges


class PointGrid:
    """A grid of one node: nothing is left to integrate when every hyperparameter is known."""

    def __init__(self, points, log_evidence):
        self.points = points
        self.weights = self.coarse = np.ones(1)
        self.at_edge = np.zeros(1, dtype=bool)
        self.log_evidence, self.apart = float(log_evidence), 0.0

    def expectation(self, values):
        """Value at the node."""
        return np.asarray(values)[0]

    def sd(self, name):  # noqa: ARG002
        """What is known does not spread."""
        return 0.0

    def sample(self, n, rng):  # noqa: ARG002
        """The known values, n times."""
        return {name: np.full(n, x[0]) for name, x in self.points.items()}


@dataclass(frozen=True)
class Lattice:
    """A posterior near the Normal on a few hundred nodes, where a grid has thousands (see `Grid`)."""

    points: dict
    weights: np.ndarray
    coarse: np.ndarray
    at_edge: np.ndarray
    log_evidence: float


def lattice(log_likelihood: Callable, priors: dict, grid: Grid | PointGrid) -> Lattice | None:
    """The posterior of a grid in equal steps (the trapezoidal rule), or ``None`` where its moments differ.

    The coarser rule has every other node.

    Parameters
    ----------
    log_likelihood, priors
        With which `hyperparameter_grid` made the grid.
    grid : Grid or PointGrid
    """
    axes = [grid.curve(name)[0] for name, prior in priors.items() if not isinstance(prior, float)]
    if not axes:
        return None
    z = np.stack([axis.to_z(grid.points[axis.name]) for axis in axes])
    if not np.isfinite(z).all():
        return None
    centre = (z @ grid.weights)[:, None]
    try:
        root = np.linalg.cholesky((z - centre) * grid.weights @ (z - centre).T)
    except np.linalg.LinAlgError:  # a scale known to all its digits
        return None
    line = np.arange(-np.ceil(_REACH / _STEP), np.ceil(_REACH / _STEP) + 1)
    steps = np.stack(np.meshgrid(*[line] * len(axes))).reshape(len(axes), -1)
    distance = _STEP * np.linalg.norm(steps, axis=0)
    steps, distance = steps[:, distance < _REACH], distance[distance < _REACH]
    standard = _STEP * steps
    z = dict(zip((axis.name for axis in axes), centre + root @ standard, strict=True))
    points = {name: np.full(len(distance), prior) for name, prior in priors.items() if name not in z}
    with np.errstate(over="ignore", under="ignore"):
        points |= {axis.name: axis.to_x(z[axis.name]) for axis in axes}
        log_f = _joint(log_likelihood, priors)(*(points[name] for name in priors))
        log_f = log_f + sum(axis.log_jacobian(z[axis.name]) for axis in axes)
        fine = np.exp(log_f - grid.log_evidence) * np.linalg.det(_STEP * root)
    coarse = np.where(steps.sum(axis=0) % 2 == 0, 2 * fine, 0.0)
    for weights in (fine, coarse):
        moments = weights.sum(), standard @ weights, standard * weights @ standard.T
        if not all(
            np.abs(a - b).max() < _SAME for a, b in zip(moments, (1, 0, np.eye(len(axes))), strict=True)
        ):
            return None
    at_edge = distance > _REACH - 0.5
    return Lattice(points, fine / fine.sum(), coarse / coarse.sum(), at_edge, grid.log_evidence)


def inverse_cdf(
    pairs: np.ndarray, density: np.ndarray, probability: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quantiles of densities that are known on the Gauss-Kronrod nodes of their panels.

    Parameters
    ----------
    pairs : (P, 2) or (n, P, 2) array
        Ends of the panels.
    density : (n, P, 15) array
        Not necessarily normalised.
    probability : (n,) array

    Returns
    -------
    z : (n,) array
    panel : (n,) array of int
    local : (n,) array
        The place of z within its panel, on [-1, 1].
    """
    rows = np.arange(len(density))
    pairs = np.broadcast_to(pairs, (*density.shape[:2], 2))
    half = 0.5 * (pairs[..., 1] - pairs[..., 0])
    mass = np.cumsum(half * (density @ KRONROD), axis=1)
    wanted = probability * mass[:, -1]
    panel = np.minimum((mass < wanted[:, None]).sum(axis=1), density.shape[1] - 1)
    before = np.where(panel > 0, mass[rows, panel - 1], 0.0)
    integral = legendre.legint(density[rows, panel] @ TO_LEGENDRE.T, lbnd=-1, axis=1).T
    wanted = (wanted - before) / half[rows, panel]
    low, high = np.full(len(rows), -1.0), np.ones(len(rows))
    for _ in range(50):
        local = 0.5 * (low + high)
        below = legendre.legval(local, integral, tensor=False) < wanted
        low, high = np.where(below, local, low), np.where(below, high, local)
    return pairs[rows, panel].mean(axis=1) + half[rows, panel] * local, panel, local


def hyperparameter_grid(
    log_likelihood: Callable, priors: dict, hints: dict, *, tolerance: float
) -> "Grid | PointGrid":
    """Posterior grid of hyperparameters, some of which may be known.

    Parameters
    ----------
    log_likelihood : callable
        Takes one (n,) array per hyperparameter, gives (n,) log likelihoods.
    priors : dict of str to frozen distribution, float or None
        A float is a known value and ``None`` the flat prior on x >= 0.
    hints : dict of str to array
        Plausible values, for the search (see `Axis`).
    tolerance : float
        See `integrate`.

    Returns
    -------
    Grid or PointGrid
        `points` has every hyperparameter, the known ones too.
    """
    known = {name: prior for name, prior in priors.items() if isinstance(prior, float)}
    axes = [prior_axis(name, prior, hints[name]) for name, prior in priors.items() if name not in known]
    joint = _joint(log_likelihood, priors)

    def log_density(*unknown):
        values = dict(zip((axis.name for axis in axes), unknown, strict=True))
        size = len(unknown[0]) if unknown else 1
        return joint(*(values.get(name, np.full(size, known.get(name))) for name in priors))

    if not axes:
        points = {name: np.array([value]) for name, value in known.items()}
        log_evidence = log_density()[0]
        _require_digits(log_evidence)
        return PointGrid(points, log_evidence)
    grid = integrate(log_density, axes, tolerance=tolerance, moments=True, priors=priors)
    for name, value in known.items():
        grid.points[name] = np.full(len(grid.weights), value)
    return grid


def _joint(log_likelihood, priors):
    """Log density of the data and of the hyperparameters that are not known."""
    unknown = [
        (i, prior)
        for i, prior in enumerate(priors.values())
        if not (prior is None or isinstance(prior, float))
    ]

    def log_density(*values):
        return log_likelihood(*values) + sum(prior.logpdf(values[i]) for i, prior in unknown)

    return log_density


def ridge_grid(log_likelihood, priors, hints, *, tolerance):
    """Posterior grid of two scales of which little is known but the sum of their squares.

    As `hyperparameter_grid`, where the scales are tau and sigma, say, and both their priors smooth on x > 0.
    Integration runs over log(r), with r**2 = tau**2 + sigma**2, and over z = log(tau / sigma). To the
    logs of tau and sigma these are a shear, which leaves areas as they are.
    """
    (first, _), (second, _) = priors.items()
    joint = _joint(log_likelihood, priors)

    def log_density(u, v):
        """With respect to the logs of the scales, of which it takes the logs."""
        with np.errstate(over="ignore", under="ignore"):
            return joint(np.exp(u), np.exp(v)) + u + v

    def scales(log_r, z):
        return log_r - 0.5 * np.logaddexp(0, -2 * z), log_r - 0.5 * np.logaddexp(0, 2 * z)

    def sheared(r, z):
        log_r = np.log(r)
        return log_density(*scales(log_r, z)) - log_r

    axes = [
        Axis("r", np.hypot(*np.meshgrid(hints[first], hints[second])).ravel(), lower=0.0),
        Axis("z", np.array([-3.0, 0.0, 3.0])),
    ]
    try:
        grid = integrate(sheared, axes, tolerance=tolerance)
    except ArithmeticError as error:
        raise ArithmeticError(
            f"of two scales that trade neither prior may jump or be narrow ({error}): give smooth ones"
        ) from error
    logs = scales(np.log(grid.points["r"]), grid.points["z"])
    grid.points = {name: np.exp(log) for name, log in zip(priors, logs, strict=True)}
    return _Ridge(grid, log_density, scales, priors, tolerance)


class _Ridge(Grid):
    """Grid over r and z that answers for the two scales."""

    def __init__(self, grid, log_density, scales, priors, tolerance):
        self.__dict__ |= grid.__dict__
        self._scales, self._first = scales, next(iter(priors))
        self._log_density, self._tolerance = log_density, tolerance
        # At once, as what the grid misses of a prior shows along each scale.
        self._curves = {name: self._along(name, prior) for name, prior in priors.items()}

    def sample(self, n, rng):
        """Draws of the two scales, (n,) each, by name."""
        draws = self._draw(n, rng)
        logs = self._scales(np.log(draws["r"]), draws["z"])
        return {name: np.exp(log) for name, log in zip(self.points, logs, strict=True)}

    def curve(self, name):
        """Density of one scale (see `Grid.curve`)."""
        return self._curves[name]

    def _along(self, name, prior):
        """The same, from integrals across the ridge at each of its values."""
        matters = self.points[name][self.weights > 1e-3 * self.weights.max()]
        axis = prior_axis(name, prior, np.quantile(matters, [0, 0.5, 1]))

        def log_marginal(x):
            parts = [self._across(np.log(x[i : i + 64, None]), name) for i in range(0, len(x), 64)]
            return np.concatenate(parts) - np.log(x)

        grid = integrate(log_marginal, [axis], tolerance=self._tolerance, priors={name: prior})
        if abs(grid.log_evidence - self.log_evidence) > 100 * self._tolerance:
            raise hidden([name])
        return grid.curve(name)

    def _across(self, u, name):
        """Log of the integral over z where the log of one scale is u (n, 1); gives (n,).

        Panels end where the line crosses a panel of the grid, within which the density is smooth.
        """
        sign = -1 if name == self._first else 1
        z_edges, r_edges = (
            np.append(self._intervals[axis][:, 0], self._intervals[axis][-1, 1]) for axis in "zr"
        )
        twice = np.maximum(2 * (r_edges - u), 1e-300)
        with np.errstate(divide="ignore"):
            crossing = 0.5 * sign * (twice + np.log(-np.expm1(-twice)))
        low, high = np.sort(np.clip(crossing[:, [0, -1]], z_edges[0], z_edges[-1]), axis=1).T[:, :, None]
        edges = np.concatenate([np.broadcast_to(z_edges, (len(u), len(z_edges))), crossing], axis=1)
        edges = np.sort(np.clip(edges, low, high), axis=1)
        line, panel = np.nonzero(np.diff(edges, axis=1))
        a, b = edges[line, panel, None], edges[line, panel + 1, None]
        z, fixed = 0.5 * (a + b) + 0.5 * (b - a) * NODES, np.broadcast_to(u[line], (len(line), len(NODES)))
        scales = (fixed, fixed - z) if sign < 0 else (fixed + z, fixed)
        values = self._log_density(*(scale.ravel() for scale in scales)).reshape(z.shape)
        peak = np.full(len(u), -1e300)
        np.maximum.at(peak, line, values.max(axis=1))
        mass = (0.5 * (b - a) * KRONROD * np.exp(values - peak[line, None])).sum(axis=1)
        with np.errstate(divide="ignore"):
            return peak + np.log(np.bincount(line, mass, minlength=len(u)))
