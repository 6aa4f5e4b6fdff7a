"""Checks of what users pass to the exact functions, with messages that say what to do."""

import numbers
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike
from scipy import stats


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
    array = _real(name, values, "numbers")
    if like is not None and array.ndim == 0:
        array = np.full(len(like), float(array))
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} is an array of shape {array.shape}: give one dimension, not empty")
    if not np.all(np.isfinite(array)):
        bad = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"{name}[{bad}] is {array[bad]}: give finite numbers, or leave that group out")
    if like is not None and len(array) != len(like):
        raise ValueError(f"{name} is an array of {len(array)}: give one entry per group, {len(like)} of them")
    return array


def _real(name, values, what):
    """Float array of what NumPy would take, but for what it would take silently and wrongly."""
    if np.ma.is_masked(values):
        raise ValueError(f"{name} is a masked array: leave the masked groups out, as by its compressed()")
    if np.iscomplexobj(values):
        raise ValueError(f"{name} is complex: give real {what}")
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {values!r}: give {what}") from error


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
            "right?), or leave that group out"
        )
    return array


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


def counts(name: str, values: ArrayLike) -> np.ndarray:
    """Float array of non-negative whole numbers, of any shape.

    Raises
    ------
    ValueError
        If an entry is negative, fractional or not finite.
    """
    array = _real(name, values, "counts")
    wrong = ~(np.isfinite(array) & (array >= 0) & (array == np.floor(array)))
    if array.size == 0 or wrong.any():
        first = array[wrong].ravel()[0] if wrong.any() else "empty"
        raise ValueError(
            f"{name} is not all whole numbers ({first}): give raw counts 0, 1, 2, ..., not proportions"
        )
    return array


def labelled(values, *dims):
    """A pandas Series or DataFrame as a DataArray with its labels; anything else as it is.

    Dims without a name in pandas get those given, by default ``group``.
    """
    if not isinstance(values, (pd.Series, pd.DataFrame)):
        return values
    array = xr.DataArray(values)
    names = dict(zip(array.dims, dims or ("group", "covariate"), strict=False))
    return array.rename({old: new for old, new in names.items() if str(old).startswith("dim_")})


def labels(values, size, dim="group"):
    """Labels for per-group results: the data's own dim and coords, or 0, 1, ... along `dim`."""
    if isinstance(values, xr.DataArray) and values.ndim == 1:
        name = values.dims[0]
        coords = {name: values.coords[name]} if name in values.coords else {}
        return xr.DataArray(np.arange(size), dims=name, coords=coords)
    return xr.DataArray(np.arange(size), dims=dim, coords={dim: np.arange(size)})


class _OfOldStyle:
    """One of SciPy's new distributions, such as ``stats.Normal()``, with the methods of a frozen one."""

    def __init__(self, distribution):
        self.dist, self.args, self.kwds = self, (), {}
        self.name = repr(distribution)
        self.pdf, self.logpdf = distribution.pdf, distribution.logpdf
        self.cdf, self.sf, self.ppf = distribution.cdf, distribution.ccdf, distribution.icdf
        self.mean, self.std = distribution.mean, distribution.standard_deviation
        self.support = distribution.support


def of_old_style(distribution):
    """A frozen distribution for SciPy's new ones and for a histogram; anything else as it is."""
    if isinstance(distribution, stats.rv_histogram):
        return distribution.freeze()
    if isinstance(distribution, stats.Normal):
        return stats.norm(distribution.mean(), distribution.standard_deviation())
    if hasattr(distribution, "icdf") and not isinstance(distribution, type):
        return _OfOldStyle(distribution)
    return distribution


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
    if np.any(np.isnan(prior.support())):
        raise ValueError(_invalid(name, prior))
    return prior


def _invalid(name, prior):
    return f"{name} is {prior.dist.name} with {prior.args} {prior.kwds}: give valid parameters"


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
    if isinstance(prior, numbers.Real):
        if not (np.isfinite(prior) and prior >= 0):
            raise ValueError(f"{name} is {prior!r}: give a finite number that is not negative, or a prior")
        return float(prior)
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
    if isinstance(prior, numbers.Real):
        if not np.isfinite(prior):
            raise ValueError(f"{name} is {prior!r}: give a finite number, or a prior")
        return float(prior), 0.0
    prior = frozen(name, prior)
    if not isinstance(getattr(prior, "dist", None), type(stats.norm)):
        raise ValueError(
            f"{name} is {prior.dist.name}: give a Normal prior, stats.norm(mean, sd), since it is integrated "
            "analytically"
        )
    mean, sd = float(prior.mean()), float(prior.std())
    if not (np.isfinite(mean) and sd > 0):
        raise ValueError(_invalid(name, prior))
    return mean, sd
