"""Joint draws of all quantities of a posterior, with labels, and in the form that ArviZ takes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from numbers import Real

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special, stats


@dataclass(frozen=True)
class Joint:
    """How a model draws from its joint posterior.

    Attributes
    ----------
    draw : callable
        Takes n and a random generator; gives arrays of n rows by the names of the quantities, of new data
        under ``y_rep``.
    observed : xarray.DataArray
        The data, with their name and labels.
    log_likelihood : callable
        Takes what `draw` gives; gives the (n, ...) log likelihoods of the units given their parameters.
    units : xarray.DataArray, optional
        Labels of the units, where they are not those of the data.
    priors : dict
        By the names of quantities: frozen distributions or partial calls that give them, concentrations
        (K,) of a Dirichlet prior, and numbers and ``None`` for what is known or flat, which has no draws.
    """

    draw: Callable
    observed: xr.DataArray
    log_likelihood: Callable
    units: xr.DataArray | None = None
    priors: dict = field(default_factory=dict)

    def sample(self, n, rng, labels):
        """Draws as a dataset with the dim ``sample``, of the quantities that have labels (or ``None``)."""
        return _dataset(self.draw(_count("n", n), _generator(rng)), labels)

    def to_datatree(self, chains, draws, rng, labels):
        """Draws, new data, log likelihoods, priors and the data, in ArviZ's groups."""
        chains, draws = _count("chains", chains), _count("draws", draws)
        raw = self.draw(chains * draws, _generator(rng))
        labels = {name: _plain(one) for name, one in labels.items()}
        sampled = _dataset(raw, labels)
        observed = _plain(self.observed.copy())
        name, units = observed.name, observed if self.units is None else _plain(self.units)
        groups = {
            "posterior": sampled.drop_vars("y_rep"),
            "posterior_predictive": sampled[["y_rep"]].rename(y_rep=name),
            "log_likelihood": xr.Dataset({name: _labelled(self.log_likelihood(raw), units)}),
        }
        priors = {of: one() if isinstance(one, partial) else one for of, one in self.priors.items()}
        proper = {of: one for of, one in priors.items() if not (one is None or isinstance(one, float))}
        of_priors = {of: _prior(one, raw[of], rng) for of, one in proper.items()}
        for place, key in enumerate(("prior", "log_prior") if of_priors else ()):
            values = {of: one[place] for of, one in of_priors.items()}
            groups[key] = _dataset(values, {of: labels[of] if values[of].ndim > 1 else None for of in values})
        groups = {key: _in_chains(dataset, chains, draws) for key, dataset in groups.items()}
        return xr.DataTree.from_dict(groups | {"observed_data": observed.to_dataset()})


def compare(draws):
    """Shares of the draws in which a group is above each other, and the greatest, with standard errors."""
    dim, n, labels = draws.dims[1], len(draws), draws.coords
    # Without the labels of the groups, which may be of several levels.
    draws = draws.drop_vars([name for name, one in labels.items() if dim in one.dims])
    others, top = draws.rename({dim: "other"}), draws == draws.max(dim)
    above = [(one > others).mean("sample") for one in draws.transpose(dim, ...)]
    found = xr.Dataset({"greater": xr.concat(above, dim), "best": (top / top.sum(dim)).mean("sample")})
    if dim in labels:
        found = found.assign_coords(labels[dim].coords).assign_coords(other=labels[dim].values)
    # Nothing seen in n draws may well be one in n.
    error = np.maximum(np.sqrt(found * (1 - found) / n), 1 / n)
    return found.merge(error.rename({name: f"{name}_error" for name in found}))


def normal(mean, sd):
    """Normal priors as `Joint` takes them; ``None`` if one of them is known or flat.

    SciPy is slow to make them, and most posteriors are never asked for draws of a prior.
    """
    return partial(stats.norm, mean, sd) if np.all((np.asarray(sd) > 0) & np.isfinite(sd)) else None


def _prior(prior, draws, rng):
    """Draws of a prior in the shape of others, and its log density at these."""
    if isinstance(prior, np.ndarray):
        constant = special.gammaln(prior.sum()) - special.gammaln(prior).sum()
        return rng.dirichlet(prior, len(draws)), constant + special.xlogy(prior - 1, draws).sum(axis=1)
    return prior.ppf(rng.random(draws.shape)), prior.logpdf(draws)


def _generator(rng):
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: give np.random.default_rng(seed)")
    return rng


def _count(name, value):
    if isinstance(value, bool) or not (
        isinstance(value, Real) and 0 < value < np.inf and value == int(value)
    ):
        raise ValueError(f"{name} is {value!r}: give a positive whole number")
    return int(value)


def _dataset(draws, labels):
    """Draws of the quantities that have labels (or ``None``)."""
    return xr.Dataset({name: _labelled(draws[name], label) for name, label in labels.items()})


def _labelled(values, labels):
    """Draws with the labels of their groups."""
    if labels is None:
        return xr.DataArray(values.reshape(len(values)), dims="sample")
    shape = (len(values), *labels.shape)
    return xr.DataArray(values.reshape(shape), dims=("sample", *labels.dims), coords=labels.coords)


def _plain(labels):
    """Labels as ArviZ takes them: of each group another; text for intervals, categories and pairs."""
    for dim in () if labels is None else labels.dims:
        index = labels.indexes.get(dim)
        if index is None:
            labels = labels.assign_coords({dim: np.arange(labels.sizes[dim])})
            continue
        if isinstance(index.dtype, np.dtype) and index.nlevels == 1 and index.is_unique:
            continue
        names = pd.Series([str(label) for label in index], dtype=object)
        number = names.groupby(names).cumcount() + 1
        names = names.where(number == 1, names + " (" + number.astype(str) + ")")
        levels = {one for one in labels.coords if labels.coords[one].dims == (dim,)}
        labels = labels.drop_vars(levels).assign_coords({dim: names.to_numpy()})
    return labels


def _in_chains(dataset, chains, draws):
    """Independent draws, cut into chains."""
    values = {
        name: (("chain", "draw", *one.dims[1:]), one.values.reshape(chains, draws, *one.shape[1:]))
        for name, one in dataset.items()
    }
    return xr.Dataset(values, dataset.coords).assign_coords(chain=np.arange(chains), draw=np.arange(draws))
