"""Checks of what users pass to the exact functions, with messages that say what to do."""

import contextlib
import numbers
import pickle
import reprlib
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike
from scipy import stats

from hierarchical_exact.laws import Curve, LogOdds
from hierarchical_exact.quadrature import Axis, integrate

# Dims and variables of results, which the data cannot have too.
_TAKEN = {"x", "quantile", "prob", "ci_bound", "sample", "chain", "draw", "other"}
_TAKEN |= {"y", "counts", "theta", "beta", "lam", "pi", "pi0"}
SHOWN = 8  # labels that are named to who asked for another
_LARGEST, _COUNTABLE = 1e100, 2.0**53
_QUARTILES = np.array([0.25, 0.5, 0.75])
# Tolerance of the integral of a prior's density, and how much of one may be missing.
_INTEGRATED, _MISSING = 1e-10, 1e-8


def vector(name: str, values: ArrayLike, *, like: np.ndarray | None = None) -> np.ndarray:
    """One-dimensional float array of finite numbers.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    values : array_like
    like : array, optional
        Array whose length `values` must share; a single number is repeated to it.

    Raises
    ------
    ValueError
        If the values are not finite numbers in one dimension, or the lengths differ.
    """
    array = real(name, values, "numbers")
    if like is not None and array.ndim == 0:
        array = np.full(len(like), float(array))
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} is an array of shape {array.shape}: give one dimension, not empty")
    if not np.all(np.isfinite(array)):
        bad = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"{name}[{bad}] is {array[bad]}: give finite numbers, or leave that one out")
    if like is not None and len(array) != len(like):
        raise ValueError(f"{name} is an array of {len(array)}: give one entry per group, {len(like)} of them")
    return array


def real(name, values, what):
    """Float array of its own of what NumPy takes, but for what it would take silently and wrongly."""
    if values is None:
        raise ValueError(f"{name} is None: give {what}")
    if np.ma.is_masked(values):
        raise ValueError(f"{name} is a masked array: leave the masked groups out, as by its compressed()")
    try:
        dtype = np.asarray(values).dtype
        if dtype.kind == "O":  # of Python's objects, which may be strings
            dtype = np.asarray(np.asarray(values).tolist()).dtype
        array = None if dtype.kind in "cSUMm" else np.array(values, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} is {reprlib.repr(values)}: give {what}") from error
    if array is None:
        given = "complex" if dtype.kind == "c" else f"an array of {dtype}"
        raise ValueError(f"{name} is {given}: give {what}")
    return array


def positive(name: str, array: np.ndarray) -> np.ndarray:
    """The array itself, if all its entries are positive.

    Raises
    ------
    ValueError
        If an entry is zero or negative.
    """
    if not np.all(array > 0):
        bad = np.unravel_index(int(np.flatnonzero(~(array > 0))[0]), array.shape)
        raise ValueError(
            f"{name}[{', '.join(map(str, bad))}] is {array[bad]:g}: give positive numbers (are the units "
            "right?), or leave that one out"
        )
    return array


def sized(name: str, array: Any) -> Any:
    """The array itself, if its squares and their inverses are floating-point numbers.

    Raises
    ------
    ValueError
        If an entry is neither zero nor between 1e-100 and 1e100.
    """
    size = np.abs(array)
    if np.any((size > _LARGEST) | ((size > 0) & (size < 1 / _LARGEST))):
        raise ValueError(f"{name} is between {size.min():g} and {size.max():g} in size: give other units")
    return array


def same_groups(*named: tuple[str, Any]) -> xr.DataArray | None:
    """Refuse labelled arguments whose groups are not those of the first that is labelled, which is returned.

    Parameters
    ----------
    *named : (str, Any)
        Names and values; a single number has no labels.

    Raises
    ------
    ValueError
        As `same_labels` raises it.
    """
    labelled = [(name, one) for name, one in named if isinstance(one, xr.DataArray) and one.ndim]
    for name, one in labelled[1:]:
        same_labels(name, one, *labelled[0])
    if not labelled:
        return None
    first = labelled[0][1]
    return first.isel(dict.fromkeys(first.dims[1:], 0), drop=True)


def same_labels(name: str, values: Any, other_name: str, other: Any) -> None:
    """Refuse two DataArrays whose groups, along their first dim, have other names or another order.

    Anything but two DataArrays is taken to be in the same order.

    Raises
    ------
    ValueError
        If their dims, or the labels along them, differ.
    """
    if not (isinstance(values, xr.DataArray) and isinstance(other, xr.DataArray)):
        return
    dim = other.dims[0]
    if values.dims[:1] != other.dims[:1]:
        raise ValueError(f"{name} is an array over {values.dims}: give it the dim of {other_name}, {dim!r}")
    if dim in other.coords and dim in values.coords:
        ours, theirs = other[dim].values, values[dim].values
        if not np.array_equal(ours, theirs):
            raise ValueError(
                f"{name} is labelled {theirs} along {dim!r}, but {other_name} {ours}: give "
                f"{name}.reindex_like({other_name})"
            )


def of_columns(name: str, values: Any, other_name: str, table: Any) -> Any:
    """Values without their labels, if these are the labels of the columns of a table, in their order.

    Raises
    ------
    ValueError
        If they are not, or the columns have no labels and the values any but 0, 1, ...
    """
    values = labelled(values)
    if not isinstance(values, xr.DataArray) or values.ndim != 1:
        return values
    ours = values[values.dims[0]].values
    theirs = np.arange(len(ours))
    if isinstance(table, xr.DataArray) and table.ndim == 2:
        theirs = table[table.dims[1]].values
    if not np.array_equal(ours, theirs):
        raise ValueError(
            f"{name} is labelled {ours}, but the columns of {other_name} {theirs}: give it in their order, "
            "with their labels or as a list"
        )
    return list(values.values)


def counts(name: str, values: ArrayLike) -> np.ndarray:
    """Float array of non-negative whole numbers, of any shape.

    Raises
    ------
    ValueError
        If an entry is negative, fractional or not finite.
    """
    array = real(name, values, "counts")
    wrong = ~(np.isfinite(array) & (array >= 0) & (array == np.floor(array)))
    if array.size == 0:
        raise ValueError(f"{name} is empty, of shape {array.shape}: give counts")
    if wrong.any():
        raise ValueError(
            f"{name} is not all whole numbers ({array[wrong][0]}): give raw counts 0, 1, 2, ..., not "
            "proportions"
        )
    if array.max() > _COUNTABLE:
        raise ValueError(f"{name} is up to {array.max():g}: give counts below 9e15, which numbers tell apart")
    return array


def labelled(values, *dims):
    """A pandas Series or DataFrame as a DataArray with its labels; anything else as it is.

    Dims without a name in pandas get those given, by default ``group``.
    """
    if not isinstance(values, (pd.Series, pd.DataFrame)):
        return values
    for axis in values.axes:
        if not isinstance(axis.name, str | None):
            raise ValueError(f"{axis.name!r} is the name of labels: give text, such as 'group'")
    if values.ndim == 2 and values.index.name == values.columns.name is not None:
        raise ValueError(f"both index and columns of a table are named {values.index.name!r}: rename one")
    array = xr.DataArray(values)
    names = dict(zip(array.dims, dims or ("group", "covariate"), strict=False))
    return array.rename({old: new for old, new in names.items() if str(old).startswith("dim_")})


def group_labels(name: str, given: ArrayLike, size: int) -> np.ndarray:
    """Label of the group of each of `size` observations.

    Raises
    ------
    ValueError
        If there are more or fewer, one is missing, or text stands beside anything else.
    """
    try:
        shape, array = np.shape(given), np.asarray(given)
    except (TypeError, ValueError):  # no array at all
        shape = None
    if shape != (size,):
        what = f"an array of shape {shape}" if shape else f"{type(given).__name__}"
        raise ValueError(f"{name} is {what}: give a label for each of {size} observations")
    # Beside text NumPy makes text of whatever else there is, of a missing label too.
    single = np.asarray(given, dtype=object)
    if np.ma.is_masked(given) or pd.isna(single).any():
        raise ValueError(f"{name} has labels that are missing: give each observation its group, or drop it")
    kinds = {type(label).__name__ for label in single if not isinstance(label, str)}
    if array.dtype.kind == "U" and kinds:
        raise ValueError(f"{name} has labels of text and of {', '.join(kinds)}: give one kind")
    # Whole numbers of many digits become decimal ones beside such, or beside others of another sign.
    if array.dtype.kind == "f" and not hasattr(given, "dtype"):
        for label, taken in zip(single.tolist(), array.tolist(), strict=True):
            if label != taken:
                raise ValueError(
                    f"{name} has label {label!r}, which would be {taken:g}: give text, or ids below 9e15"
                )
    return array


def free_dim(name):
    """The name of a dim, unless results have another use for it."""
    if name in _TAKEN:
        raise ValueError(f"{name!r} is a dim of the data, but has a meaning in results: rename it")
    return name


def labels(values, size, dim="group"):
    """Labels for per-group results: the data's own dim and coords, or 0, 1, ... along `dim`."""
    if isinstance(values, xr.DataArray) and values.ndim == 1:
        name = free_dim(values.dims[0])
        coords = {name: values.coords[name]} if name in values.coords else {}
        return xr.DataArray(np.arange(size), dims=name, coords=coords)
    return _counted(size, dim)


@lru_cache(maxsize=16)
def _counted(size, dim):
    return xr.DataArray(np.arange(size), dims=dim, coords={dim: np.arange(size)})


class _OfOldStyle:
    """One of SciPy's new distributions, such as ``stats.Normal()``, with the methods of a frozen one."""

    def __init__(self, distribution):
        self.dist, self.args, self.kwds, self.distribution = self, (), {}, distribution
        self.name = repr(distribution)
        self.pdf, self.logpdf = distribution.pdf, distribution.logpdf
        self.cdf, self.sf, self.ppf = distribution.cdf, distribution.ccdf, distribution.icdf
        self.mean, self.std = distribution.mean, distribution.standard_deviation
        self.support = distribution.support
        # Continuous ones have a `pmf` too, which is zero.
        if any(kind.__name__ == "DiscreteDistribution" for kind in type(distribution).__mro__):
            self.pmf = distribution.pmf


def of_old_style(distribution):
    """A frozen distribution for SciPy's new ones and for a histogram; anything else as it is."""
    if isinstance(distribution, stats.rv_histogram):
        return distribution.freeze()
    shifted = type(distribution).__name__ == "ShiftedScaledDistribution"
    if isinstance(distribution._dist if shifted else distribution, stats.Normal):
        return stats.norm(distribution.mean(), distribution.standard_deviation())
    if hasattr(distribution, "icdf") and not isinstance(distribution, type):
        return _OfOldStyle(distribution)
    return distribution


def lasting(given: Any) -> Any:
    """A copy of a call, of its data and priors: SciPy copies some of its new distributions as others.

    Raises
    ------
    TypeError
        If it comes back from a pickle as another, as ``abs(stats.Normal(mu=0, sigma=5))``, or not at all.
    """
    if isinstance(given, partial):
        return partial(given.func, *deepcopy(given.args), **lasting(given.keywords))
    if isinstance(given, Mapping):
        return {name: lasting(one) for name, one in given.items()}
    if isinstance(given, list | tuple):
        return [lasting(one) for one in given]  # of a named tuple too
    if not isinstance(prior := of_old_style(given), _OfOldStyle):
        return prior if _is_of_numbers(prior) else deepcopy(prior)
    new = prior.distribution
    try:
        same = np.array_equal(pickle.loads(pickle.dumps(new)).icdf(_QUARTILES), new.icdf(_QUARTILES))
    except (AttributeError, TypeError, pickle.PicklingError):
        same = False
    if same:
        return new
    raise TypeError(
        f"{prior.name} is a prior that SciPy does not pickle as it is: give a frozen distribution, such as "
        "stats.halfnorm(scale=5) or stats.truncnorm, to pickle what is made of it"
    )


def _is_of_numbers(prior):
    """Whether a frozen distribution has no arrays that might be changed; SciPy is slow to copy it."""
    if not isinstance(prior, stats.distributions.rv_frozen) or isinstance(prior.dist, stats.rv_histogram):
        return False
    return all(map(is_number, (*prior.args, *prior.kwds.values())))


class _Integrated:
    """A prior of which only the density is written down, with a distribution function of its integrals.

    SciPy's own, which integrates anew from one end to each point, is slow and passes narrow parts over.
    """

    def __init__(self, name, prior):
        self.dist, self.args, self.kwds = prior.dist, prior.args, prior.kwds
        self.pdf, self.logpdf, self.support = prior.pdf, prior.logpdf, prior.support
        self.mean, self.std = prior.mean, prior.std
        lower, upper = (float(end) for end in prior.support())
        place, unit = 0.0, 1.0
        if hasattr(prior.dist, "_parse_args"):
            _, place, unit = prior.dist._parse_args(*prior.args, **prior.kwds)
        far, bounded = unit * np.geomspace(1e-8, 1e8, 401), np.isfinite([lower, upper]).all()
        between = np.linspace(lower, upper, 201) if bounded else []
        near = np.concatenate([place - far, place + far, lower + far, between])
        axis = LogOdds if bounded else Axis
        axis = axis(name, near[(near > lower) & (near < upper)], lower, upper)
        try:
            with np.errstate(all="ignore"):
                grid = integrate(prior.logpdf, [axis], tolerance=_INTEGRATED)
        except ArithmeticError as error:
            raise ValueError(
                f"{name} is {prior.dist.name}, whose density cannot be integrated ({error}): give it a "
                "distribution function (_cdf)"
            ) from error
        total = np.exp(grid.log_evidence)
        if not abs(total - 1) < _MISSING:
            raise ValueError(
                f"{name} is {prior.dist.name}, whose density integrates to {total:.9g}, not to one: give a "
                "normalised one and, for a part too narrow to be found, its distribution function (_cdf)"
            )
        self._curve = Curve([grid.curve(name)], np.nan, np.nan, tail=0.0)

    def _at(self, method, values):
        flat = np.ravel(np.asarray(values, dtype=float))
        return method(flat, np.zeros(len(flat), dtype=int)).reshape(np.shape(values))[()]

    def cdf(self, x):
        """Distribution function."""
        return self._at(self._curve.cdf, x)

    def sf(self, x):
        """One less the distribution function."""
        return 1 - self.cdf(x)

    def ppf(self, q):
        """Quantiles, the ends of the support for 0 and 1."""
        inside = self._at(self._curve.quantile, np.clip(q, 0, 1))
        lower, upper = self.support()
        return np.where(np.equal(q, 0), lower, np.where(np.equal(q, 1), upper, inside))[()]


def _has_cdf(prior):
    """Whether somebody has written down its distribution function."""
    if isinstance(prior.dist, stats.rv_continuous):
        return type(prior.dist)._cdf is not stats.rv_continuous._cdf
    if not isinstance(prior, _OfOldStyle):
        return hasattr(prior, "cdf")
    return all(map(_has_formula, getattr(prior.distribution, "components", [prior.distribution])))


def _has_formula(distribution):
    """Whether one of SciPy's new distributions has a distribution function other than by quadrature."""
    for method in ("cdf", "ccdf", "logcdf", "logccdf"):
        with contextlib.suppress(NotImplementedError):
            getattr(distribution, method)(distribution.support()[0], method="formula")
            return True
    return hasattr(distribution, "_dist") and _has_formula(distribution._dist)  # of one that is truncated


def frozen(name: str, prior: Any) -> Any:
    """A prior as a frozen continuous scipy.stats distribution.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    prior = of_old_style(prior)
    # Families such as stats.norm have a logpdf too, but only frozen ones have parameters in `dist`.
    if not (hasattr(prior, "dist") and hasattr(prior, "logpdf")):
        raise ValueError(
            f"{name} is {prior!r}: give a frozen scipy.stats distribution, such as stats.halfnorm(scale=10)"
        )
    if hasattr(prior, "pmf"):
        raise ValueError(f"{name} is {prior.dist.name}, of whole numbers: give a continuous distribution")
    with np.errstate(all="ignore"):
        single = _is_single(prior) and not np.isnan(prior.support()).any()
        if single and not _has_cdf(prior):
            prior = _Integrated(name, prior)
        known = prior.ppf([0.01, 0.75]) if single else [np.nan, np.nan]
    # The upper quartile of one such as invgamma(0.001) is beyond the largest number.
    if np.any(np.isnan(known)) or not np.isfinite(known[0]):
        raise ValueError(f"{name} is {prior.dist.name} with {prior.args} {prior.kwds}: give valid parameters")
    below, above = prior.cdf(known[1]), prior.sf(known[1])
    if not abs(below + above - 1) < _MISSING:  # as SciPy has it of a narrow Normal that is truncated
        raise ValueError(
            f"{name} is {prior.dist.name}, of which {below:.9g} lies below {known[1]:g} and {above:.9g} "
            f"above: give a distribution whose probabilities add up to one"
        )
    return prior


def _is_single(prior):
    """Whether it is one distribution, not an array of them."""
    return all(np.ndim(one) == 0 for one in (*prior.args, *prior.kwds.values(), *prior.support()))


def is_number(value):
    """Whether it is a real number, and not a truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def function(name: str, given: Any) -> Any:
    """The function itself, if it can be called.

    Raises
    ------
    ValueError
        If it cannot.
    """
    if not callable(given):
        raise ValueError(f"{name} is {given!r}: give a function")
    return given


def told_apart(name: str, prior: Any) -> Any:
    """The prior of a location itself, if floating-point numbers tell its quartiles apart.

    Raises
    ------
    ValueError
        If it is narrower, or wider than they reach.
    """
    low, middle, high = prior.ppf([0.25, 0.5, 0.75])
    width, size = high - low, abs(middle)
    if not (1 / _LARGEST < width < _LARGEST and width > 1e-13 * size and size < _LARGEST):
        raise ValueError(
            f"{name} is {prior.dist.name} with quartiles {low:g} and {high:g}: give a number for a known "
            "value, a wider or narrower prior, or other units"
        )
    return prior


def scale_prior(name: str, prior: Any, *, flat: bool = False) -> Any:
    """Check the prior of a scale: a number (known), a distribution on x >= 0, or perhaps flat.

    Returns
    -------
    float, frozen distribution or None

    Raises
    ------
    ValueError
        If it allows negative values, or is none of these.
    """
    if prior is None:
        if flat:
            return None
        raise ValueError(f"{name} is None: give a proper prior, such as stats.halfnorm(scale=10)")
    if is_number(prior):
        if not 0 <= prior < np.inf:
            raise ValueError(f"{name} is {prior!r}: give a finite number that is not negative, or a prior")
        return sized(name, float(prior))
    prior = frozen(name, prior)
    if prior.support()[0] < 0:
        raise ValueError(
            f"{name} is {prior.dist.name} with support from {prior.support()[0]:g}: give a prior without "
            "mass below zero, such as stats.halfnorm, stats.halfcauchy or a truncated one"
        )
    return prior


def normal_prior(name: str, prior: Any, *, flat: bool = False) -> tuple[float, float]:
    """Mean and sd of a Normal prior; a number is known (sd 0), ``None`` is flat (sd infinite).

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if prior is None:
        if flat:
            return 0.0, np.inf
        raise ValueError(f"{name} is None: give a proper Normal prior, such as stats.norm(0, 10)")
    if is_number(prior):
        if not -np.inf < prior < np.inf:
            raise ValueError(f"{name} is {prior!r}: give a finite number, or a prior")
        return sized(name, float(prior)), 0.0
    prior = frozen(name, prior)
    if not isinstance(getattr(prior, "dist", None), type(stats.norm)):
        raise ValueError(
            f"{name} is {prior.dist.name}: give a Normal prior, stats.norm(mean, sd), since it is integrated "
            "analytically"
        )
    told_apart(name, prior)
    return float(prior.mean()), float(prior.std())
