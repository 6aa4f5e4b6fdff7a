"""What the exact functions return: a posterior, and a marginal for each of its quantities."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from scipy.optimize import elementwise

# Groups are handled in slices, so that no array holds more than this many numbers.
_SLICE = 2_000_000


class Marginal:
    """Posterior distribution of one quantity: a scalar, or one value per group.

    Parameters
    ----------
    law : callable
        Takes a slice of the groups and gives their law (see `hierarchical_exact.laws`).
    labels : xarray.DataArray or None
        One entry per group; its dims and coords label the results. ``None`` for a scalar quantity.
    nodes : int
        Size of the mixture, which decides how many groups are handled at a time.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> posterior = exact.normal([28, 8, -3], [15, 10, 16])
    >>> bool(0.05 < posterior["tau"].cdf(1.0) < 0.2)
    True
    """

    def __init__(self, law: Callable, labels: xr.DataArray | None = None, nodes: int = 1):
        self._law = law
        self._labels = labels
        self._nodes = max(nodes, 1)
        self._cache = None
        self._known_moments = None

    @property
    def size(self):
        """Number of groups; 1 for a scalar quantity."""
        return 1 if self._labels is None else self._labels.size

    def sel(self, **labels):
        """Marginal of the groups with these labels, as in xarray.

        Raises
        ------
        KeyError
            If there is no such dim or label.
        """
        if self._labels is None:
            raise KeyError("this quantity is a scalar; it has no groups to select")
        positions = xr.DataArray(
            np.arange(self.size).reshape(self._labels.shape),
            dims=self._labels.dims,
            coords=self._labels.coords,
        ).sel(**labels)
        chosen = np.atleast_1d(positions.values).ravel()
        law = _subset(self._law, chosen)
        return Marginal(law, positions if positions.ndim else None, self._nodes)

    def mean(self):
        """Posterior mean; infinite where it does not exist."""
        return self._wrap(self._moments()[0])

    def sd(self):
        """Posterior standard deviation; infinite where it does not exist."""
        return self._wrap(self._moments()[1])

    def cdf(self, x):
        """Probability of at most x. An array x adds the dim ``x``."""
        return self._at(x, "cdf", "x")

    def pdf(self, x):
        """Density at x, or the probability of x for counts. An array x adds the dim ``x``."""
        return self._at(x, "pdf", "x")

    def quantile(self, q):
        """Quantile for probability q, strictly between 0 and 1. An array q adds the dim ``quantile``.

        Raises
        ------
        ValueError
            If q does not lie strictly between 0 and 1.
        """
        q = np.asarray(q, dtype=float)
        if not np.all((q > 0) & (q < 1)):
            raise ValueError(f"q must lie strictly between 0 and 1, but is {q}; 0.5 is the median")
        return self._at(q, "quantile", "quantile")

    def hdi(self, prob):
        """Highest density interval: the shortest one that holds probability `prob`.

        Parameters
        ----------
        prob : float
            Probability inside, strictly between 0 and 1.

        Returns
        -------
        xarray.DataArray
            With the dim ``ci_bound``: lower, upper.

        Raises
        ------
        ValueError
            If `prob` does not lie strictly between 0 and 1.
        """
        if not (np.isscalar(prob) and 0 < prob < 1):
            raise ValueError(f"prob must be a number strictly between 0 and 1, but is {prob!r}; say 0.89")
        bounds = [np.empty((2, 0))]
        bounds += [_hdi(law, prob, count) for law, count in self._laws()]
        bounds = np.concatenate(bounds, axis=1)
        return self._wrap(bounds, xr.DataArray(["lower", "upper"], dims="ci_bound"))

    def sample(self, n, rng):
        """Draw n independent values (for each group independently of the others given the node).

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        numpy.ndarray for a scalar, xarray.DataArray with the dim ``sample`` for groups.
        """
        if not isinstance(rng, np.random.Generator):
            raise TypeError(
                f"rng must be a numpy.random.Generator, but is {rng!r}; use np.random.default_rng(seed)"
            )
        draws = np.concatenate([law.sample(n, rng) for law, _ in self._laws()], axis=1)
        wrapped = self._wrap(draws, xr.DataArray(np.arange(n), dims="sample"))
        return wrapped.values if self._labels is None else wrapped

    # -- how it works ---------------------------------------------------------------------------

    def _laws(self):
        """Law and number of groups, slice by slice."""
        step = max(1, _SLICE // self._nodes)
        if self.size <= step:
            if self._cache is None:
                self._cache = self._law(slice(0, self.size))
            yield self._cache, self.size
            return
        for start in range(0, self.size, step):
            stop = min(start + step, self.size)
            yield self._law(slice(start, stop)), stop - start

    def _moments(self):
        """Means and sds, both from one pass over the groups."""
        if self._known_moments is None:
            parts = [(law.mean(), law.sd()) for law, _ in self._laws()]
            self._known_moments = tuple(np.concatenate(part) for part in zip(*parts, strict=True))
        return self._known_moments

    def _at(self, x, method, dim):
        """Evaluate at points x, for every group."""
        x = np.asarray(x, dtype=float)
        if x.ndim > 1:
            raise ValueError(f"{dim} must be a number or one-dimensional, but has shape {x.shape}")
        flat = np.atleast_1d(x)
        parts = []
        for law, count in self._laws():
            points, group = np.repeat(flat, count), np.tile(np.arange(count), len(flat))
            if method == "quantile":
                value = _quantile(law, points, group)
            else:
                value = getattr(law, method)(points, group)
            parts.append(value.reshape(len(flat), count))
        values = np.concatenate(parts, axis=1)
        if x.ndim == 0:
            return self._wrap(values[0])
        return self._wrap(values, xr.DataArray(flat, dims=dim, coords={dim: flat}))

    def _wrap(self, values, leading=None):
        """Label an array of shape (J,) or (m, J)."""
        if leading is None:
            if self._labels is None:
                return float(values[0])
            return xr.DataArray(
                values.reshape(self._labels.shape),
                dims=self._labels.dims,
                coords=self._labels.coords,
            )
        dim = leading.dims[0]
        coords = {dim: leading.values}
        if self._labels is None:
            return xr.DataArray(values[:, 0], dims=dim, coords=coords)
        coords |= dict(self._labels.coords)
        shape = (len(leading), *self._labels.shape)
        array = xr.DataArray(values.reshape(shape), dims=(dim, *self._labels.dims), coords=coords)
        return array.transpose(..., dim)


class Posterior:
    """An exact posterior: ``posterior["tau"]`` is the marginal of tau.

    Parameters
    ----------
    marginals : dict of str to Marginal
    log_evidence : float or None
        Log marginal likelihood; ``None`` under an improper prior.
    elpd_loo : callable
        Computes the leave-one-out log densities when they are first asked for.
    """

    def __init__(self, marginals, log_evidence, elpd_loo):
        self._marginals = marginals
        self._log_evidence = log_evidence
        self._leave_one_out = elpd_loo
        self._elpd_loo = None

    @property
    def quantities(self):
        """Names of the quantities."""
        return list(self._marginals)

    def __getitem__(self, name):
        """Marginal of a quantity."""
        if name not in self._marginals:
            raise KeyError(f"no quantity {name!r} here; there are {', '.join(self._marginals)}")
        return self._marginals[name]

    def __repr__(self):
        """Names of the quantities."""
        return f"<exact posterior of {', '.join(self._marginals)}>"

    @property
    def log_evidence(self):
        """Log marginal likelihood of the data.

        Raises
        ------
        ValueError
            Under an improper prior, which leaves it undefined.
        """
        if self._log_evidence is None:
            raise ValueError(
                "log_evidence is undefined under an improper flat prior (mu=None or tau=None); "
                "give proper priors"
            )
        return self._log_evidence

    @property
    def elpd_loo(self):
        """Leave-one-out log predictive densities, one per unit; their sum is the elpd."""
        if self._elpd_loo is None:
            self._elpd_loo = self._leave_one_out()
        return self._elpd_loo


class _Chosen:
    """Some of the groups of a law."""

    def __init__(self, law, chosen):
        self._inner, self._chosen = law, chosen
        self.lower, self.upper, self.discrete = law.lower, law.upper, law.discrete
        if hasattr(law, "quantile"):
            self.quantile = lambda q, group: law.quantile(q, chosen[group])

    def mean(self):
        return self._inner.mean()[self._chosen]

    def sd(self):
        return self._inner.sd()[self._chosen]

    def cdf(self, x, group):
        return self._inner.cdf(x, self._chosen[group])

    def pdf(self, x, group):
        return self._inner.pdf(x, self._chosen[group])

    def bracket(self, q, group):
        return self._inner.bracket(q, self._chosen[group])

    def support(self, group):
        return self._inner.support(self._chosen[group])

    def sample(self, n, rng):
        return self._inner.sample(n, rng)[:, self._chosen]


def _subset(law, chosen):
    """Law of the chosen groups only, built from the slice that holds them."""

    def of(groups):
        mine = chosen[groups]
        start = int(mine.min())
        return _Chosen(law(slice(start, int(mine.max()) + 1)), mine - start)

    return of


def _quantile(law, q, group):
    """Quantiles of a law, by the law's own method or by solving cdf(x) = q."""
    if hasattr(law, "quantile"):
        return law.quantile(q, group)
    low, high = law.bracket(q, group)
    # A bracket of no width is a point mass: the quantile is that point.
    point = ~(high > low)
    width = np.where(point, 1.0, high - low)
    result = elementwise.find_root(
        lambda x, q, group: law.cdf(x, group.astype(int)) - q,
        (low - 1e-12 * width, np.where(point, low + 1.0, high + 1e-12 * width)),
        args=(q, group.astype(float)),
        tolerances={"xrtol": 1e-12, "xatol": 0.0, "fatol": 1e-15},
    )
    if not np.all(result.success | point):
        raise ArithmeticError("a quantile was not found; the posterior may be degenerate")
    return np.where(point, low, result.x)


def _hdi(law, prob, count):
    """Shortest intervals, (2, J): a scan over the lower tail, then equal densities at both ends."""
    groups = np.arange(count)
    if law.discrete:
        return _discrete_hdi(law, prob, count)
    tails = np.concatenate([[1e-9], np.linspace(0.002, 0.998, 41), [1 - 1e-9]]) * (1 - prob)
    tail, group = np.repeat(tails, count), np.tile(groups, len(tails))
    lower = _quantile(law, tail, group).reshape(-1, count)
    upper = _quantile(law, np.minimum(tail + prob, 1 - 1e-12), group).reshape(-1, count)
    best = np.argmin(upper - lower, axis=0)

    def ends(tail, group):
        return _quantile(law, tail, group), _quantile(law, tail + prob, group)

    def slope(tail, group):
        group = group.astype(int)
        a, b = ends(tail, group)
        return law.pdf(a, group) - law.pdf(b, group)

    first = tails[np.maximum(best - 1, 0)]
    last = tails[np.minimum(best + 1, len(tails) - 1)]
    at_first, at_last = slope(first, groups), slope(last, groups)
    inside = (at_first < 0) & (at_last > 0)
    chosen = np.where(at_first >= 0, first, last)
    if inside.any():
        root = elementwise.find_root(
            slope,
            (first[inside], last[inside]),
            args=(groups[inside].astype(float),),
            tolerances={"xrtol": 1e-10, "xatol": 0.0},
        )
        chosen[inside] = root.x
    low, high = ends(chosen, groups)
    # A density that only falls (or only rises) is densest at the boundary itself.
    falling, rising = ~inside & (chosen == tails[0]), ~inside & (chosen == tails[-1])
    if falling.any() and np.isfinite(law.lower):
        low[falling] = law.lower
        high[falling] = _quantile(law, np.full(falling.sum(), prob), groups[falling])
    if rising.any() and np.isfinite(law.upper):
        high[rising] = law.upper
        low[rising] = _quantile(law, np.full(rising.sum(), 1 - prob), groups[rising])
    return np.stack([low, high])


def _discrete_hdi(law, prob, count):
    """Shortest run of counts that holds at least `prob`; the most probable one among equals."""
    bounds = np.empty((2, count))
    for j in range(count):
        support = law.support(j)
        cumulative = law.cdf(support.astype(float), np.full(len(support), j))
        below = np.concatenate([[0.0], cumulative[:-1]])
        last = np.searchsorted(cumulative, below + prob - 1e-12)
        possible = np.flatnonzero(last < len(support))
        length = last[possible] - possible
        ties = possible[length == length.min()]
        start = ties[np.argmax(cumulative[last[ties]] - below[ties])]
        bounds[:, j] = support[start], support[last[start]]
    return bounds
