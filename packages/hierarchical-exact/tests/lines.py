"""Integrals of positive functions with one peak, row by row: brute force for references.

A range is narrowed until it holds all but exp(-FALL) of the peak, cut at distances from the peak that grow
geometrically, and each piece gets a Gauss-Legendre rule. Whoever doubts an answer asks again with more nodes.
"""

import copy
from functools import partial

import numpy as np
from numpy.polynomial import legendre

FALL = 42.0


class Unresolved(Exception):
    """The reference itself did not converge."""


class Line:
    """Rows of functions of one variable.

    Parameters
    ----------
    log_f : callable
        Takes (R, m) points, gives the (R, m) logs; and `nodes`, for integrals of its own, if `nested`.
    low, high : (R,) arrays
        Ends between which to look.
    nodes : int
        Nodes of each piece.
    fall : float
        What lies further below the peak, in nats, is left out.
    nested : bool
        Whether the function is an integral itself. To look where it lies a third of the nodes will do.
    """

    def __init__(self, log_f, low, high, nodes, fall=FALL, *, nested=False):
        rows = len(low)
        look = partial(log_f, nodes=max(nodes // 3, 5)) if nested else log_f
        low, high = live(look, np.asarray(low, dtype=float), np.asarray(high, dtype=float), fall)
        left, right = live(look, low, high, 1.0)
        self.low, self.high, self.width = low, high, right - left
        cuts = [0.5 * (left + right)]
        for distance in (0, 1, 3, 9, 27):
            cuts += [left - distance * self.width, right + distance * self.width]
        self.edges = np.sort(np.stack([low, high, *np.clip(cuts, low, high)], axis=1), axis=1)
        self._nodes, self._rule = legendre.leggauss(nodes)
        self._to_legendre = np.linalg.inv(legendre.legvander(self._nodes, nodes - 1)).T
        pieces, weights = self._pieces(self.edges[:, 1:])
        self.x = pieces.reshape(rows, -1)
        self.values = log_f(self.x, nodes=nodes) if nested else log_f(self.x)
        self._interpolate()
        peak = self.values.max(axis=1, keepdims=True)
        mass = weights.reshape(rows, -1) * np.exp(self.values - peak)
        total = mass.sum(axis=1, keepdims=True)
        self.weights = mass / total
        self.log_total = (peak + np.log(total))[:, 0]

    def _pieces(self, stop):
        """Nodes and weights on each piece up to `stop`, (R, P, n)."""
        start = self.edges[:, :-1, None]
        half = 0.5 * (stop[..., None] - start)
        return start + half + half * self._nodes, half * self._rule

    def _interpolate(self):
        shape = *self.edges[:, 1:].shape, -1
        # Where some of a piece is cut off, its log is no polynomial: what has fallen so far is nothing.
        least = self.values.max(axis=1)[:, None, None] - 1.5 * FALL
        pieces = self.values.reshape(shape)
        cut = (pieces < -1e9).any(axis=-1, keepdims=True)
        coefficients = np.where(cut, np.maximum(pieces, least), pieces) @ self._to_legendre
        self._coefficients = np.ascontiguousarray(np.moveaxis(coefficients, -1, 0))

    def less(self, values):
        """The same line less some logs at its nodes, to interpolate."""
        other = copy.copy(self)
        other.values = self.values - values
        other._interpolate()
        return other

    def at(self, x, rows=slice(None)):
        """Log of the function of some rows at x (R, m) by interpolation; minus infinity outside."""
        edges, coefficients = self.edges[rows], self._coefficients[:, rows]
        piece = (edges[:, None, 1:-1] <= x[:, :, None]).sum(axis=2)
        row = np.arange(len(x))[:, None]
        start, stop = edges[row, piece], edges[row, piece + 1]
        local = 2 * (x - start) / np.maximum(stop - start, 1e-300) - 1
        value = legendre.legval(np.clip(local, -1, 1), coefficients[:, row, piece], tensor=False)
        return np.where((x >= edges[:, :1]) & (x <= edges[:, -1:]), value, -np.inf)

    def below(self, x):
        """Share of each row's integral below x, and the density there, (R,) each."""
        x = np.broadcast_to(np.asarray(x, dtype=float), self.low.shape)[:, None]
        points, weights = self._pieces(np.clip(x, self.edges[:, :-1], self.edges[:, 1:]))
        values = self.at(points.reshape(len(x), -1)).reshape(points.shape)
        total = self.log_total[:, None]
        # In rows that hardly count the polynomials may swing, but the peak is next to the highest node.
        highest = self.values.max(axis=1, keepdims=True) - total + 1
        share = (weights * np.exp(np.minimum(values - total[..., None], highest[..., None]))).sum(axis=(1, 2))
        return np.minimum(share, 1.0), np.exp(np.minimum(self.at(x) - total, highest))[:, 0]


def live(log_f, low, high, fall, points=25):
    """Ends of each row between which a function with one peak is within `fall` of it."""
    row = np.arange(len(low))
    for _ in range(60):
        x = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, points)
        x = np.minimum(x, high[:, None])  # by rounding it may lie beyond the end of a prior
        value = log_f(x)
        top = value.max(axis=1, keepdims=True)
        if not np.isfinite(top).all():
            raise Unresolved
        alive = value > top - fall
        first = np.maximum(alive.argmax(axis=1) - 1, 0)
        last = np.minimum(points - alive[:, ::-1].argmax(axis=1), points - 1)
        new_low, new_high = x[row, first], x[row, last]
        done = np.all(new_high - new_low > 0.7 * (high - low))
        low, high, points = new_low, new_high, 15  # once the peak is between two
        if done:
            return low, high
    raise Unresolved
