"""What the exact functions return: a posterior, and a marginal for each of its quantities."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from operator import attrgetter, getitem
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike
from scipy import special
from scipy.optimize import elementwise

from hierarchical_exact import arguments, joint
from hierarchical_exact.laws import TAIL, Curve, Frozen, FrozenCounts, NormalMixture, require_digits
from hierarchical_exact.quadrature import SLICE, Grid, PointGrid, told

# Groups are handled in slices, unless all their laws may be kept.
_KEPT = 2_000_000
# Expectations: how far they are followed, in standard Normal deviates, and how well they must agree.
_REACH = 8.0
# Of another rule, by which steps that are multiples of each other are checked: part of a step, and its start.
_OTHER, _START = 0.618, 0.309
_AGREEMENT = 1e-7
# Nodes at which a function that will not converge is given up.
_MOST_NODES = 2**14
# Probability of counts that are left out on each side.
_RARE = 1e-15
_MOST_COUNTS = 10**5
# What probabilities at whole numbers sum to, but for this, is one.
_WHOLE = 1e-9
# Intervals that are tried at first, of all groups together, and how often more closely.
_SCANNED, _SCANS = 2000, 8


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
    origin : (callable, tuple), optional
        What makes this marginal of which arguments; it is pickled as these.
    alike : (J,) array of int, optional
        Position in the law of each entry of `labels`, where entries have one law in common.

    See Also
    --------
    marginal : From a frozen distribution of SciPy.
    Posterior : Marginals by the names of their quantities.
    hierarchical_exact.laws.FromDensity : The law of a marginal of your own.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from scipy import stats
    >>> priors = {"mu": stats.norm(0, 20), "tau": stats.halfnorm(scale=10)}
    >>> posterior = exact.normal([28, 8, -3], [15, 10, 16], **priors)
    >>> bool(0.05 < posterior["tau"].cdf(1.0) < 0.2)
    True
    """

    def __init__(
        self,
        law: Callable,
        labels: xr.DataArray | None = None,
        nodes: int = 1,
        origin: tuple | None = None,
        alike: np.ndarray | None = None,
    ):
        self._origin, self._alike = origin, alike
        self._law = law
        self._labels = labels
        self._nodes = max(nodes, 1)
        self._cache = None
        self._known_moments = None

    def __reduce__(self):
        """Where it comes from, which is where a pickle finds it again."""
        if self._origin is None:
            raise TypeError("this marginal cannot be pickled: pickle its posterior, or what it was made of")
        return self._origin

    def __repr__(self):
        """Mean and sd of a scalar; labels of groups."""
        if self._labels is None:
            mean, sd = (f"{value[0]:.4g}" for value in self._moments())
            return f"<exact marginal: {mean} ± {sd}>".replace("nan", "unknown")
        return f"<exact marginals {_shape(self._labels)}>"

    @property
    def size(self):
        """Number of groups; 1 for a scalar quantity."""
        return 1 if self._labels is None else self._labels.size

    def sel(self, **labels: Any) -> "Marginal":
        """Marginal of the groups with these labels, as in xarray.

        Raises
        ------
        KeyError
            If there is no such dim or label.

        Examples
        --------
        >>> import hierarchical_exact as exact
        >>> exact.normal([28, 8, -3], [15, 10, 16], mu=0, tau=5)["theta"].sel(group=1)
        <exact marginal: 1.6 ± 4.472>
        """
        if self._labels is None:
            raise KeyError("this quantity is a scalar, which has no groups to select: use it as it is")
        positions = xr.DataArray(
            np.arange(self.size).reshape(self._labels.shape),
            dims=self._labels.dims,
            coords=self._labels.coords,
        )
        try:
            positions = positions.sel(**labels)
        except (KeyError, pd.errors.InvalidIndexError) as error:
            known = {dim: positions[dim].values[: arguments.SHOWN].tolist() for dim in positions.dims}
            raise KeyError(f"no groups with {labels} here: give labels such as {known}") from error
        if not positions.size:
            raise ValueError(f"{labels} are no labels at all: give one or more")
        chosen, alike = np.atleast_1d(positions.values).ravel(), None
        if self._alike is not None:
            chosen, alike = np.unique(self._alike[chosen], return_inverse=True)
        law = _subset(self._law, chosen)
        origin = (partial(self.sel, **labels), ())
        return Marginal(law, positions if positions.ndim else None, self._nodes, origin, alike)

    def mean(self) -> float | xr.DataArray:
        """Posterior mean; infinite where it does not exist.

        Examples
        --------
        >>> from scipy import stats
        >>> round(marginal(stats.beta(2, 3)).mean(), 4), marginal(stats.invgamma(1)).mean()
        (0.4, inf)
        """
        mean, sd = self._moments()
        return self._wrap(require_digits(told(mean), sd))

    def sd(self) -> float | xr.DataArray:
        """Posterior standard deviation; infinite where it does not exist.

        Examples
        --------
        >>> from scipy import stats
        >>> round(marginal(stats.expon()).sd(), 4), marginal(stats.t(2)).sd()
        (1.0, inf)
        """
        return self._wrap(told(self._moments()[1]))

    def cdf(self, x: ArrayLike) -> float | xr.DataArray:
        """Probability of at most x. An array x adds the dim ``x``.

        Examples
        --------
        >>> from scipy import stats
        >>> marginal(stats.norm()).cdf([0, 1.96]).values.round(4).tolist()
        [0.5, 0.975]
        """
        return self._at(x, "cdf", "x")

    def sf(self, x: ArrayLike) -> float | xr.DataArray:
        """Probability of more than x, to the absolute accuracy of `cdf`. An array x adds the dim ``x``.

        Examples
        --------
        >>> from scipy import stats
        >>> round(marginal(stats.expon()).sf(1), 4)
        0.3679
        """
        return 1 - self.cdf(x)

    def pdf(self, x: ArrayLike) -> float | xr.DataArray:
        """Density at x, or the probability of x for counts. An array x adds the dim ``x``.

        Raises
        ------
        ArithmeticError
            Where it is not told to 1e-4 of its height (in `mixed` 1e-3), as next to a cusp: where mu is known
            and tau may be zero, say.

        Examples
        --------
        >>> from scipy import stats
        >>> round(marginal(stats.norm()).pdf(0), 4), round(marginal(stats.binom(2, 0.5)).pdf(1), 4)
        (0.3989, 0.5)
        """
        values = self._at(x, "told_pdf", "x")
        if np.isnan(values).any():
            raise ArithmeticError(
                "the density has a cusp so near that it cannot be told: ask for it further away, or `cdf` on "
                "both sides"
            )
        return values

    def quantile(self, q: ArrayLike) -> float | xr.DataArray:
        """Quantile for probability q, strictly between 0 and 1. An array q adds the dim ``quantile``.

        Raises
        ------
        ValueError
            If q does not lie strictly between 0 and 1; or, unless the quantity has a distribution of SciPy,
            is within 1e-7 of either (1e-4 for groups of `student_t` and proportions of `logit_normal`; 1e-3
            for a new group of `student_t`, and for scales and correlations of `mixed`).
        ArithmeticError
            If numbers as large have too few digits to tell it, as 1e9 has for an sd of 1e-3; of means alike.

        Examples
        --------
        >>> from scipy import stats
        >>> round(marginal(stats.expon()).quantile(0.5), 4)
        0.6931
        """
        return self._at(self._probabilities("q", q), "quantile", "quantile")

    def expect(self, f: Callable) -> float | xr.DataArray:
        """Posterior expectation of a function of the quantity.

        Parameters
        ----------
        f : callable
            Takes values of the quantity, a DataArray with the dim ``x`` (and those of the groups); gives
            the function's, an array of the same shape, or a DataArray with ``x`` among its dims, where
            other labelled arrays may have come in.

        Returns
        -------
        float, or DataArray with the dims that `f` gives, without ``x``.

        Raises
        ------
        ValueError
            If `f` gives something else, or values that are not finite.
        ArithmeticError
            If it does not converge to 1e-7 of the expectation of the absolute value: the function jumps
            (ask `cdf` for a probability), or the expectation does not exist.

        Notes
        -----
        With x = Q(Phi(t)), Q the quantile function, it is the expectation over a standard Normal t. The
        trapezoidal rule takes it, which converges exponentially for smooth functions [1]_. Its step is
        halved, from a quarter on, until two results agree; of a function that is smooth but for a peak
        between its nodes it sees the former only.

        References
        ----------
        .. [1] Trefethen, L. N. and Weideman, J. A. C. (2014). The exponentially convergent trapezoidal rule.
           SIAM Review 56, 385-458.

        Examples
        --------
        >>> import hierarchical_exact as exact
        >>> from scipy import stats
        >>> uniform = exact.marginal(stats.uniform(0, 1))
        >>> round(uniform.expect(lambda x: x**2), 6)
        0.333333
        """
        if self._is_discrete:
            return _as_float(self._expect_counts(f))
        step = 0.25
        t = np.arange(-_REACH, _REACH + 0.5 * step, step)
        total, size, edge = self._weighed(f, t)
        while True:
            t = np.arange(-_REACH + 0.5 * step, _REACH, step)
            added, added_size, _ = self._weighed(f, t)
            finer, size = total + added, size + added_size
            allowed = _AGREEMENT * 0.5 * step * size
            agree = np.all(np.abs(step * total - 0.5 * step * finer) <= allowed)
            # Where all nodes have zeros, what is not zero may lie between them.
            if agree and (np.all(size > 0) or np.all((size > 0) | self._vanishes(f))):
                break
            if t.size > _MOST_NODES:
                raise ArithmeticError(
                    "the expectation of f does not converge: give a function without jumps (`cdf` gives "
                    "probabilities) that does not grow faster than the tails of the posterior fall"
                )
            total, step = finer, 0.5 * step
        # What oscillates may look alike at steps that are multiples of each other.
        part = _OTHER * step
        other, _, _ = self._weighed(f, np.arange(-_REACH + _START * part, _REACH, part))
        if np.any(np.abs(part * other - 0.5 * step * finer) > allowed):
            raise ArithmeticError(
                "the expectation of f does not converge: give a function that oscillates less, or sample"
            )
        if np.any(edge > allowed):
            raise ArithmeticError(
                "the expectation of f hangs on the farthest tails of the posterior, if it exists at all: "
                "give a function that grows more slowly, or use quantiles"
            )
        return _as_float(0.5 * step * finer)

    def _vanishes(self, f):
        """Whether f is zero at each of many points along where the quantity may lie."""
        ends = self._at(special.ndtr(np.array([-_REACH, _REACH])), "quantile", "x").drop_vars("x")
        low, part = ends.isel(x=0), xr.DataArray(np.linspace(0, 1, _MOST_NODES), dims="x")
        return (_values(f, low + (ends.isel(x=1) - low) * part) == 0).all("x")

    def _weighed(self, f, t):
        """Sum of f, and of its absolute value, with Normal weights over t; the larger of its ends."""
        weight = xr.DataArray(np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi), dims="x")
        x = self._at(special.ndtr(t), "quantile", "x").drop_vars("x")
        terms = weight * _values(f, x)
        size = np.abs(terms)
        return terms.sum("x"), size.sum("x"), size.isel(x=[0, -1]).max("x")

    def _expect_counts(self, f):
        support, probability, edge = [], [], []
        for law, count in self._laws():
            values = np.stack([law.support(j) for j in range(count)], axis=1).astype(float)
            group = np.tile(np.arange(count), len(values))
            support.append(values)
            probability.append(law.pdf(values.ravel(), group).reshape(values.shape))
            edge.append(law.open_ends() * probability[-1])
        most = max(map(len, support))
        parts = [
            self._joined([np.pad(part, ((0, most - len(part)), (0, 0)), mode) for part in parts])
            for parts, mode in ((support, "edge"), (probability, "constant"), (edge, "constant"))
        ]
        x, weight, edge = (self._wrap(part, "x", range(most)).drop_vars("x") for part in parts)
        values = _values(f, x)
        if np.any((edge * np.abs(values)).max("x") > _AGREEMENT * (weight * np.abs(values)).sum("x")):
            raise ArithmeticError(
                "the expectation of f hangs on counts too rare to list, if it exists at all: give a function "
                "that grows more slowly, or use quantiles"
            )
        return (weight * values).sum("x")

    def hdi(self, prob: float) -> xr.DataArray:
        """Highest density interval: the shortest one that holds probability `prob`.

        Parameters
        ----------
        prob : float or sequence of float
            Probability inside, strictly between 0 and 1; several add the dim ``prob``.

        Returns
        -------
        xarray.DataArray
            With the dim ``ci_bound``: lower, upper.

        Raises
        ------
        ValueError
            If `prob` does not lie strictly between 0 and 1, or is as near to either as `quantile` refuses.

        Examples
        --------
        >>> from scipy import stats
        >>> marginal(stats.norm(0, 1)).hdi(0.95).values.round(2).tolist()
        [-1.96, 1.96]
        """
        prob = self._probabilities("prob", prob, TAIL)
        if prob.ndim:
            several = xr.DataArray(prob, dims="prob", coords={"prob": prob}, name="prob")
            return xr.concat([self.hdi(one) for one in prob], several)
        bounds = self._joined([np.empty((2, 0)), *(_hdi(law, prob, count) for law, count in self._laws())])
        return self._wrap(bounds, "ci_bound", ["lower", "upper"])

    # -- how it works ---------------------------------------------------------------------------

    def _probabilities(self, name, q, least=0.0):
        law = next(self._laws())[0]
        q, end = arguments.real(name, q, "probabilities"), max(getattr(law, "tail", TAIL), least)
        if q.ndim > 1 or not q.size or not np.all((q > 0) & (q < 1) & (q >= end) & (q <= 1 - end)):
            rest = f" and not within {end:g} of either, where tails are not told" if end else ", such as 0.89"
            raise ValueError(f"{name} is {q}: give probabilities strictly between 0 and 1{rest}")
        return q

    @property
    def _is_discrete(self):
        return next(self._laws())[0].discrete

    def _laws(self):
        """Law and number of groups, slice by slice."""
        size = self.size if self._alike is None else self._alike.max() + 1
        if size <= max(1, _KEPT // self._nodes):
            if self._cache is None:
                self._cache = self._law(slice(0, size))
            yield self._cache, size
            return
        step = max(1, SLICE // self._nodes)
        for start in range(0, size, step):
            stop = min(start + step, size)
            yield self._law(slice(start, stop)), stop - start

    def _joined(self, parts):
        """Values of all slices, (..., J); those of a law in common wherever it belongs."""
        values = np.concatenate(parts, axis=-1)
        return values if self._alike is None else values[..., self._alike]

    def _moments(self):
        """Means and sds, found in one pass over the groups; NaN where they cannot be told."""
        if self._known_moments is None:
            parts = [(law.mean(), law.sd()) for law, _ in self._laws()]
            self._known_moments = [self._joined(part) for part in zip(*parts, strict=True)]
        return self._known_moments

    def _at(self, x, method, dim):
        """Evaluate at points x, for every group."""
        if self._labels is not None and set(self._labels.dims) & set(getattr(x, "dims", ())):
            raise ValueError(
                f"{dim} has a value for each group, and each group would be asked at all: give them to one "
                "group, `sel`, at a time"
            )
        x = arguments.real(dim, x, "a number, or one dimension of them")
        if x.ndim > 1:
            raise ValueError(f"{dim} is an array of shape {x.shape}: give a number, or one dimension")
        if np.isnan(x).any():
            raise ValueError(f"{dim} is {x}: give numbers")
        flat = np.atleast_1d(x)
        parts = []
        for law, count in self._laws():
            points, group = np.repeat(flat, count), np.tile(np.arange(count), len(flat))
            value = getattr(law, method, law.pdf)(points, group)  # most laws have no other `told_pdf`
            parts.append(value.reshape(len(flat), count))
        values = self._joined(parts)
        if x.ndim == 0:
            return self._wrap(values[0])
        return self._wrap(values, dim, flat)

    def _wrap(self, values, dim=None, points=()):
        """Label an array of shape (J,), or (m, J) for points along another dim."""
        if dim is None:
            if self._labels is None:
                return float(values[0])
            return xr.DataArray(
                np.array(values).reshape(self._labels.shape),  # not what is kept here
                dims=self._labels.dims,
                coords=self._labels.coords,
            )
        if self._labels is None:
            return xr.DataArray(values[:, 0], dims=dim, coords={dim: points})
        values = np.moveaxis(values.reshape(len(points), *self._labels.shape), 0, -1)
        coords = {dim: points, **self._labels.coords}
        return xr.DataArray(values, dims=(*self._labels.dims, dim), coords=coords)


def marginal(distribution: Any) -> Marginal:
    """Marginal of a frozen distribution of SciPy: a conjugate posterior, or a prior to compare with.

    Parameters
    ----------
    distribution : frozen scipy.stats distribution
        Continuous or discrete, with numbers as parameters.

    Returns
    -------
    Marginal
        A scalar, with `mean`, `sd`, `cdf`, `pdf`, `quantile`, `hdi` and `expect`.

    Raises
    ------
    ValueError
        If it is anything else.

    See Also
    --------
    Marginal : What it returns.
    hierarchical_exact.laws.FromDensity : The law of a distribution that SciPy does not have.

    Examples
    --------
    The 95% highest density interval of an exponential distribution starts at zero:

    >>> from scipy import stats
    >>> [round(float(end), 4) for end in marginal(stats.expon()).hdi(0.95)]
    [0.0, 2.9957]
    """
    law = _frozen_law(arguments.of_old_style(distribution))
    try:
        origin = marginal, (arguments.lasting(distribution),)
    except TypeError:  # SciPy's cannot be pickled either
        origin = None
    return Marginal(lambda _: law, origin=origin)


def _shape(labels):
    """Dims and sizes of labels, as text."""
    return "(" + ", ".join(f"{dim}: {size}" for dim, size in labels.sizes.items()) + ")"


def _frozen_law(distribution):
    if not (hasattr(distribution, "dist") and (hasattr(distribution, "pdf") or hasattr(distribution, "pmf"))):
        raise ValueError(
            f"distribution is {distribution!r}: give a frozen distribution of scipy.stats, as stats.gamma(2)"
        )
    ends = np.asarray(distribution.support(), dtype=float)
    if ends.ndim > 1 or np.isnan(ends).any():
        raise ValueError(
            f"distribution is {distribution.dist.name} with {distribution.args} {distribution.kwds}: give "
            "valid numbers as parameters"
        )
    # A discrete distribution of SciPy has a `pdf` too, which fails.
    if not hasattr(distribution, "pmf"):
        return Frozen(distribution)
    first = int(np.floor(distribution.ppf(_RARE)))
    if distribution.sf(first + _MOST_COUNTS) > _RARE:
        raise ValueError(
            f"distribution is {distribution.dist.name} with more than {_MOST_COUNTS} probable values: give "
            "one with fewer"
        )
    counts = np.arange(first, int(distribution.ppf(1 - _RARE)) + 2)
    if not abs(distribution.pmf(counts).sum() - 1) < _WHOLE:
        raise ValueError(
            f"distribution is {distribution.dist.name} on {ends[0]:g} to {ends[1]:g}, not all of it at whole "
            "numbers: give one of counts"
        )
    return FrozenCounts(distribution, counts)


def hyperparameter(grid: Grid | PointGrid, name: str) -> Marginal:
    """Marginal of one hyperparameter of a grid: a curve, or a point where it is known.

    Parameters
    ----------
    grid : Grid or PointGrid
        See `hierarchical_exact.quadrature.hyperparameter_grid`.
    name : str
        Name of the hyperparameter.

    Returns
    -------
    Marginal
    """
    x = grid.points[name]
    if isinstance(grid, PointGrid) or np.ptp(x) == 0:
        point = NormalMixture(np.ones(1), x[:1, None], np.zeros((1, 1)))
        return Marginal(lambda _: point)
    tail = getattr(grid, "tail", TAIL)  # of a lattice
    return Marginal(
        lambda _: Curve([grid.curve(name)], lambda: grid.expectation(x), lambda: grid.sd(name), tail)
    )


class Posterior(Mapping):
    """An exact posterior: ``posterior["tau"]`` is the marginal of tau.

    It is a mapping from the names of its quantities to their marginals.

    Parameters
    ----------
    marginals : dict of str to Marginal
    log_evidence : float or None
        Log marginal likelihood; ``None`` under an improper prior.
    elpd_loo : callable
        Computes the leave-one-out log densities when they are first asked for.
    error : float
        Estimated error of means, sds and quantiles, in posterior sds.
    joint : hierarchical_exact.joint.Joint, optional
        How it is drawn from.
    groups : hierarchical_exact.groups.Groups, optional
        Exact comparisons of its groups.
    call : callable, optional
        Makes it again, which is what unpickling does; itself to be pickled.

    Attributes
    ----------
    error : float
        The same: how far two rules of integration differ, which is more than the better one is off. It
        counts the hyperparameters; what is integrated later, as the rates of `poisson`, meets the
        tolerance of its function or is refused.

    See Also
    --------
    Marginal : One of its quantities.
    hierarchical_exact.normal, hierarchical_exact.normal_groups : Posteriors of Normal models.
    hierarchical_exact.poisson, hierarchical_exact.dirichlet_multinomial : Posteriors of counts.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from scipy import stats
    >>> priors = {"mu": stats.norm(0, 20), "tau": stats.halfnorm(scale=10)}
    >>> posterior = exact.normal([28, 8, -3], [15, 10, 16], **priors)
    >>> posterior
    <exact posterior of mu, tau, theta_new, theta (group: 3), y_rep (group: 3)>
    >>> posterior.elpd_loo.dims, posterior.error < 1e-6, "tau" in posterior
    (('group',), True, True)
    """

    def __init__(self, marginals, log_evidence, elpd_loo, error, *, joint=None, groups=None, call=None):
        taken = {}
        for one in marginals.values():
            for dim in () if one._labels is None else one._labels.dims:
                labels = one._labels[dim].values
                if not np.array_equal(taken.setdefault(dim, labels), labels):
                    raise ValueError(
                        f"{dim!r} is a dim of two things, as observations and groups: give them other names"
                    )
        for name in set(taken) & set(marginals):
            raise ValueError(
                f"{name!r} is a dim of the data, and a quantity of the posterior: rename the dim"
            )
        self.error = error
        self.joint = joint
        self._marginals = marginals
        self._log_evidence = log_evidence
        self._leave_one_out = elpd_loo
        self._elpd_loo = None
        self._groups = groups
        self._call = self._uncopied = None
        try:
            self._call = arguments.lasting(call)
        except TypeError as error:
            self._uncopied = error.with_traceback(None)
        if call is not None:
            for name, one in marginals.items():
                one._origin = getitem, (self, name)
        if groups is not None:
            groups.origin = attrgetter("groups"), (self,)

    def __reduce__(self):
        """The call that makes it."""
        if self._uncopied:
            raise self._uncopied
        if self._call is None:
            raise TypeError(
                "this posterior does not know the call that makes it, and cannot be pickled: give call to "
                "Posterior"
            )
        return self._call, ()

    def __getitem__(self, name):
        """Marginal of a quantity."""
        if name not in self._marginals:
            raise KeyError(f"no quantity {name!r} here: give one of {', '.join(self._marginals)}")
        return self._marginals[name]

    def __iter__(self):
        """Names of the quantities."""
        return iter(self._marginals)

    def __len__(self):
        """Number of quantities."""
        return len(self._marginals)

    def __repr__(self):
        """Names of the quantities, and their groups."""
        labels = self._labels().items()
        names = [name if label is None else f"{name} {_shape(label)}" for name, label in labels]
        return f"<exact posterior of {', '.join(names)}>"

    def summary(self, prob: float = 0.89) -> pd.DataFrame:
        """Table of mean, sd and highest density interval of every quantity and group.

        Parameters
        ----------
        prob : float
            Probability inside the intervals.

        Returns
        -------
        pandas.DataFrame
            With ``mean``, ``sd``, ``lower`` and ``upper``, by names such as ``theta[A]``. A moment that
            cannot be told is NaN.

        See Also
        --------
        hierarchical_exact.Marginal.hdi : The interval of one quantity.

        Examples
        --------
        >>> import hierarchical_exact as exact
        >>> exact.normal([3, -5], [4, 4], mu=0, tau=3).summary().loc["theta[0]", ["mean", "sd"]].tolist()
        [1.08, 2.4]
        """
        if np.ndim(prob):
            raise ValueError(f"prob is {prob!r}: give one probability, and `hdi` several")
        return pd.concat([_summary(name, one, prob) for name, one in self.items()])

    def sample(self, n: int, rng: np.random.Generator) -> xr.Dataset:
        """Draw from the joint posterior of all quantities, new groups and new data.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        xarray.Dataset
            Each quantity with the dim ``sample``. One sample is one state of the world: its groups
            come from its hyperparameters, its new data from its groups, and shares add to one.

        Raises
        ------
        ValueError
            If an argument is not as described, or the model has no joint draws.

        See Also
        --------
        hierarchical_exact.Posterior.to_datatree : The draws as ArviZ takes them.

        Examples
        --------
        The probability that the first of three groups has the greatest mean:

        >>> import hierarchical_exact as exact
        >>> from scipy import stats
        >>> priors = {"mu": stats.norm(0, 20), "tau": stats.halfnorm(scale=10)}
        >>> posterior = exact.normal([28, 8, -3], [15, 10, 16], **priors)
        >>> draws = posterior.sample(4000, np.random.default_rng(1))
        >>> bool(abs((draws["theta"].idxmax("group") == 0).mean() - 0.526) < 0.04)
        True
        """
        return self._joint().sample(n, rng, self._labels())

    def compare(self, name: str, n: int, rng: np.random.Generator) -> xr.Dataset:
        """Estimate from joint draws how the groups stand to each other, in any model.

        Parameters
        ----------
        name : str
            A quantity with groups, such as ``lam``.
        n : int
            Number of draws.
        rng : numpy.random.Generator

        Returns
        -------
        xarray.Dataset
            ``greater``, the probability that a group exceeds each ``other``; ``best``, that none exceeds it,
            which equal groups share; ``greater_error`` and ``best_error``, their Monte Carlo standard errors.

        Raises
        ------
        ValueError
            If the quantity has no groups, or as `sample`.

        See Also
        --------
        hierarchical_exact.groups.Groups : The same of Normal models, exactly.

        Examples
        --------
        >>> import hierarchical_exact as exact
        >>> from scipy import stats
        >>> priors = {"mean": stats.beta(1, 1), "concentration": stats.expon(scale=20)}
        >>> posterior = exact.beta_binomial([9, 1], [20, 20], **priors)
        >>> bool(posterior.compare("theta", 4000, np.random.default_rng(1))["best"][0] > 0.9)
        True
        """
        if self[name]._labels is None:
            raise ValueError(f"name is {name!r}, which has no groups: give a quantity that has")
        return joint.compare(self.sample(n, rng)[name])

    def to_datatree(
        self, *, chains: int = 4, draws: int = 1000, rng: np.random.Generator | None = None
    ) -> xr.DataTree:
        """Joint draws as ArviZ takes them, for its plots, summaries and checks.

        Parameters
        ----------
        chains, draws : int
            Draws are independent; they come in chains because ArviZ asks for some.
        rng : numpy.random.Generator, optional
            By default a new one, so that results differ from call to call.

        Returns
        -------
        xarray.DataTree
            Groups ``posterior``, ``posterior_predictive`` (new data, under the name of the data),
            ``log_likelihood``, ``observed_data``, and ``prior`` and ``log_prior`` of hyperparameters under
            a proper prior (of coefficients: where all have one, and none is known). ArviZ's plots of priors
            have a dim ``group`` or ``alpha`` of their own: rename what bears that name.

        Raises
        ------
        ValueError
            As `sample`.

        See Also
        --------
        hierarchical_exact.Posterior.sample : The draws as one Dataset.

        Examples
        --------
        >>> import hierarchical_exact as exact
        >>> tree = exact.normal([3, -5], [4, 4], mu=0, tau=3).to_datatree(chains=2, draws=500)
        >>> dict(tree["posterior"]["theta"].sizes)
        {'chain': 2, 'draw': 500, 'group': 2}
        """
        rng = np.random.default_rng() if rng is None else rng
        return self._joint().to_datatree(chains, draws, rng, self._labels())

    @property
    def groups(self) -> Any:
        """Exact comparisons of the groups of a Normal model.

        Raises
        ------
        ValueError
            For other models.

        See Also
        --------
        hierarchical_exact.groups.Groups : What can be compared.
        hierarchical_exact.Posterior.compare : Comparisons in any model, from draws.

        Examples
        --------
        >>> import hierarchical_exact as exact
        >>> exact.normal([3, -5], [4, 4], mu=0, tau=3).groups.difference(0, 1)
        <exact marginal: 2.88 ± 3.394>
        """
        if self._groups is None:
            raise ValueError(
                "groups are compared exactly in `normal` and `normal_groups`: take `compare` or `sample` here"
            )
        return self._groups

    def _joint(self):
        if self.joint is None:
            raise ValueError("this posterior has no joint draws: give joint to Posterior")
        return self.joint

    def _labels(self):
        return {name: one._labels for name, one in self.items()}

    @property
    def log_evidence(self) -> float:
        """Log marginal likelihood of the data.

        Raises
        ------
        ValueError
            Under an improper prior, which leaves it undefined.

        See Also
        --------
        hierarchical_exact.Posterior.elpd_loo : How well each unit is predicted by the others.

        Examples
        --------
        >>> import hierarchical_exact as exact
        >>> from scipy import stats
        >>> posterior = exact.normal([3, -5], [4, 4], mu=0, tau=3)
        >>> bool(np.isclose(posterior.log_evidence, stats.norm(0, 5).logpdf([3, -5]).sum()))
        True
        """
        if self._log_evidence is None:
            raise ValueError(
                "log_evidence is undefined under an improper flat prior (mu=None or tau=None): give proper "
                "priors"
            )
        return self._log_evidence

    @property
    def elpd_loo(self) -> xr.DataArray:
        """Leave-one-out log predictive densities, one per unit; their sum is the elpd.

        See Also
        --------
        hierarchical_exact.Posterior.log_evidence : How well all units are predicted by the priors.

        Examples
        --------
        Where mu and tau are known, a group learns nothing from the others:

        >>> import hierarchical_exact as exact
        >>> from scipy import stats
        >>> posterior = exact.normal([3, -5], [4, 4], mu=0, tau=3)
        >>> bool(np.allclose(posterior.elpd_loo, stats.norm(0, 5).logpdf([3, -5])))
        True
        """
        if self._elpd_loo is None:
            self._elpd_loo = self._leave_one_out()
        return self._elpd_loo.copy()


def _summary(name, one, prob):
    """Rows of one quantity in the table of a posterior."""
    labels = one._labels
    rows = [name]
    if labels is not None:
        names = [labels[dim].values for dim in labels.dims]
        rows = [f"{name}[{', '.join(map(str, label))}]" for label in product(*names)]
    mean, sd = one._moments()
    lower, upper = one.hdi(prob).values.reshape(-1, 2).T
    return pd.DataFrame({"mean": mean, "sd": sd, "lower": lower, "upper": upper}, index=rows)


class _Chosen:
    """Some of the groups of a law."""

    def __init__(self, law, chosen):
        self._inner, self._chosen = law, chosen
        self.lower, self.upper, self.discrete = law.lower, law.upper, law.discrete
        self.tail = getattr(law, "tail", TAIL)

    def mean(self):
        return self._inner.mean()[self._chosen]

    def sd(self):
        return self._inner.sd()[self._chosen]

    def cdf(self, x, group):
        return self._inner.cdf(x, self._chosen[group])

    def pdf(self, x, group):
        return self._inner.pdf(x, self._chosen[group])

    def told_pdf(self, x, group):
        return getattr(self._inner, "told_pdf", self._inner.pdf)(x, self._chosen[group])

    def quantile(self, q, group):
        return self._inner.quantile(q, self._chosen[group])

    def support(self, group):
        return self._inner.support(self._chosen[group])

    def open_ends(self):
        return self._inner.open_ends()[:, self._chosen]


def _subset(law, chosen):
    """Law of the chosen groups only, built from the slice that holds them."""

    def of(groups):
        mine = chosen[groups]
        start = int(mine.min())
        return _Chosen(law(slice(start, int(mine.max()) + 1)), mine - start)

    return of


def _values(f, x):
    """Values of a user's function at x, checked."""
    values = arguments.function("f", f)(x)
    numbers = arguments.real("f(x)", values, "a function whose values are numbers")
    like = values if isinstance(values, xr.DataArray) else x
    if numbers.shape != like.shape:
        raise ValueError(
            f"f is a function with values of shape {numbers.shape} for x of shape {x.shape}: give a value "
            "for each x, or a DataArray with the dim 'x'"
        )
    values = like.copy(data=numbers)
    if "x" not in values.dims:
        raise ValueError(f"f is a function with values of dims {values.dims}: give them the dim 'x' too")
    if not np.all(np.isfinite(values)):
        bad = x.where(~np.isfinite(values)).values
        raise ValueError(
            f"f is not finite for x from {np.nanmin(bad):g} to {np.nanmax(bad):g}: give a function that is "
            "finite wherever the quantity may lie"
        )
    return values


def _as_float(value):
    return float(value) if value.ndim == 0 else value


def _hdi(law, prob, count):
    """Shortest intervals, (2, J)."""
    if law.discrete:
        return _discrete_hdi(law, prob, count)
    whole, groups = (law._inner, law._chosen) if isinstance(law, _Chosen) else (law, np.arange(count))
    if not isinstance(whole, NormalMixture):
        return _scanned_hdi(law, prob, count)
    bounds, found = whole.shortest(prob, groups)
    rest = np.flatnonzero(~found)
    if len(rest):
        bounds[:, rest] = _scanned_hdi(_Chosen(law, rest), prob, len(rest))
    return bounds


def _scan_tails(law, prob, tails, groups):
    """Lower tails of the shortest intervals from a scan, (J,), those next to them, and which are final."""
    tail, group = tails.ravel(), np.tile(groups, len(tails))
    lower = law.quantile(tail, group).reshape(tails.shape)
    length = law.quantile(np.minimum(tail + prob, 1 - 1e-12), group).reshape(tails.shape) - lower
    column, best = np.arange(len(groups)), np.argmin(length, axis=0)
    chosen, shortest = tails[best, column], length[best, column]
    first, last = tails[np.maximum(best - 1, 0), column], tails[np.minimum(best + 1, len(tails) - 1), column]

    def slope(tail, group):
        group = group.astype(int)
        first, last = (law.pdf(law.quantile(part, group), group) for part in (tail, tail + prob))
        with np.errstate(invalid="ignore"):  # of a point mass both are infinite
            return first - last

    inside = (slope(first, groups) < 0) & (slope(last, groups) > 0)
    if inside.any():
        some = groups[inside]
        root = elementwise.find_root(
            slope,
            (first[inside], last[inside]),
            args=(some.astype(float),),
            tolerances={"xrtol": 1e-10, "xatol": 0.0},
        ).x
        of_root = law.quantile(root + prob, some) - law.quantile(root, some)
        better = of_root <= shortest[inside] * (1 + 1e-9)
        chosen[inside] = np.where(better, root, chosen[inside])
        inside[inside] = better
    # At an end of all tails, or among equals, there is nothing more to find.
    equal = np.isclose(length.max(axis=0), shortest, rtol=1e-9)
    return chosen, (first, last), inside | (best == 0) | (best == len(tails) - 1) | equal


def _scanned_hdi(law, prob, count):
    """Shortest intervals, (2, J): a scan over the lower tail, then equal densities at both ends."""
    fine = np.linspace(0.002, 0.998, int(np.clip(_SCANNED // count, 41, 401)))
    ends = np.array([1e-9, 1 - 1e-9]) * (1 - prob)
    tails = np.repeat(np.concatenate([ends[:1], fine * (1 - prob), ends[1:]])[:, None], count, axis=1)
    chosen, left = np.empty(count), np.arange(count)
    for _ in range(_SCANS):
        chosen[left], apart, found = _scan_tails(law, prob, tails, left)
        # Where the density jumps, it need not be equal at the ends of the shortest: look more closely.
        tails = apart[0] + (apart[1] - apart[0]) * np.linspace(0, 1, 41)[:, None]
        tails, left = tails[:, ~found], left[~found]
        if not len(left):
            break
    groups = np.arange(count)
    low, high = law.quantile(chosen, groups), law.quantile(chosen + prob, groups)
    # A density that only falls (or only rises) is densest at the boundary itself, or piled up there.
    for end, at_end, tail in ((law.lower, chosen == ends[0], prob), (law.upper, chosen == ends[1], 1 - prob)):
        other = law.quantile(np.full(count, tail), groups)
        at_end &= np.abs(other - end) <= (high - low) * (1 + 1e-9)  # there may be none next to the boundary
        at_end |= (low <= end) if end == law.lower else (high >= end)
        low = np.where(at_end, np.minimum(other, end), low)
        high = np.where(at_end, np.maximum(other, end), high)
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
