"""The sampler, with the interface of nutpie as far as this book and PyMC use it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

import numpy as np
import pymc as pm
import pymc.initial_point
import pytensor.tensor as pt
import xarray as xr
from arviz_base import from_dict
from pymc.pytensorf import join_nonshared_inputs

from page_nuts import engine
from page_nuts.graph import Unsupported, translate

# What PyMC passes to nutpie and what changes no draw.
IDLE = {"cores", "progress_bar", "progress_callback", "progress_template", "progress_style", "progress_rate"}
IDLE_TO_COMPILE = {"backend", "gradient_backend", "freeze_model"}
KEPT_ONLY = {
    "save_warmup": "tuning draws are not kept here (discard_tuned_samples of PyMC)",
    "store_unconstrained": "draws are kept in the model's own scale (include_transformed of PyMC)",
}
# A chain of draws, and what follows from each of them.
PROGRAM = """((arrays, settings) => {{
{special}
{nuts}
const density = ({density})(arrays);
const derived = ({derived})(arrays);
const size = arrays.start.length;
const out = new Float64Array(1 + size);
const result = chain((x, gradient) => {{
  if (!density(x, out)) return -Infinity;
  gradient.set(out.subarray(1));
  return out[0];
}}, arrays.start, settings);
const values = new Float64Array(settings.derived);
result.derived = new Float64Array(settings.draws * settings.derived);
for (let i = 0; i < settings.draws; i++) {{
  if (!derived(result.draws.subarray(i * size, (i + 1) * size), values)) values.fill(NaN);
  result.derived.set(values, i * settings.derived);
}}
return result;
}})"""
DENSITY = """((arrays, settings) => {{
{special}
const out = new Float64Array({size});
const valid = ({density})(arrays)(arrays.start, out);
return {{ valid: Float64Array.of(valid ? 1 : 0), out }};
}})"""


@dataclass(frozen=True)
class Compiled:
    """A model as JavaScript.

    Attributes
    ----------
    density, derived : str
        Functions of JavaScript: the log density with its gradient, and what is kept of each draw.
    start : numpy.ndarray
        Where chains begin, before jitter, in the unconstrained space.
    shapes : dict of tuple
        What is kept, by name, with its shape.
    data : dict of numpy.ndarray
        The values of ``pm.Data``, by name.
    places : dict of str
        The names of the data in JavaScript.
    coords, dims : dict
        Of the model.
    fixed : tuple of str
        The names of data that are used as places (an index), and so stay as they were at compilation.
    """

    density: str
    derived: str
    start: np.ndarray
    shapes: dict
    data: dict
    places: dict
    coords: dict
    dims: dict
    fixed: tuple = ()

    def with_data(self, **values: np.ndarray) -> Compiled:
        """Return the model with other data of the same shapes.

        Parameters
        ----------
        **values : numpy.ndarray
            The data, by name.

        Returns
        -------
        Compiled

        Raises
        ------
        ValueError
            If the model has no data of that name, or of another shape, or uses them as places.
        """
        for name, value in values.items():
            if name not in self.data:
                raise ValueError(f"{name} is no data of the model: give {', '.join(self.data) or 'none'}")
            if np.shape(value) != self.data[name].shape:
                raise ValueError(f"{name} has shape {np.shape(value)}: give {self.data[name].shape}")
            if name in self.fixed and not np.array_equal(value, self.data[name]):
                raise ValueError(f"{name} is used as places, which are fixed: compile the model with the new")
        return replace(self, data={**self.data, **{k: np.asarray(v) for k, v in values.items()}})

    def log_density(self, point):
        """Return the log density at a point of the unconstrained space, and its gradient."""
        program = DENSITY.format(special=_text("special.js"), density=self.density, size=1 + self.start.size)
        result = engine.run(program, {**self._arrays(), "start": point}, {})
        value, gradient = result["out"][0], result["out"][1:]
        return (float(value) if result["valid"][0] else -np.inf), gradient

    def _arrays(self):
        return {place: self.data[name] for name, place in self.places.items()}


def compile_pymc_model(
    model: pm.Model,
    *,
    var_names: Sequence[str] | None = None,
    initial_points: Mapping | None = None,
    **others: object,
) -> Compiled:
    """Write a model as JavaScript.

    Parameters
    ----------
    model : pymc.Model
        With continuous parameters only.
    var_names : sequence of str, optional
        What is kept of each draw; all parameters and deterministic quantities if None.
    initial_points : dict, optional
        Where chains begin, before jitter: values of parameters by name, in the model's own scale.
    **others
        What PyMC passes to nutpie and what makes no difference here.

    Returns
    -------
    Compiled

    Raises
    ------
    TypeError
        If there is an argument that nothing here knows.
    ValueError
        If the model has no variable of a name.
    Unsupported
        If the model has an operation that cannot be written in JavaScript, or discrete parameters.
    """
    if model.discrete_value_vars:
        names = ", ".join(variable.name for variable in model.discrete_value_vars)
        raise Unsupported(f"{names}: discrete parameters cannot be sampled by NUTS")
    _check_known(others, IDLE_TO_COMPILE, "compile_pymc_model", ("var_names", "initial_points"))
    wanted = [v.name for v in model.unobserved_RVs] if var_names is None else _names(var_names)
    _check_names("var_names", wanted, [v.name for v in model.unobserved_value_vars])
    kept = [v for v in model.unobserved_value_vars if v.name in wanted]
    point = _start(model, initial_points or {})
    outputs, x = join_nonshared_inputs(point, [model.logp(), *kept], model.value_vars)
    start = np.concatenate([np.ravel(point[v.name]) for v in model.value_vars]).astype(float)
    # Beside the middle, where nothing happens to be zero.
    near = [start + 0.1]
    density, data, _, fixed = translate([x], [outputs[0], pt.grad(outputs[0], x)], near)
    derived, more, shapes, placing = translate([x], outputs[1:], near)
    if [v.name for v in more] != [v.name for v in data[: len(more)]]:
        data, derived = _merged(data, more, derived)
    dims = {name: list(of) for name, of in model.named_vars_to_dims.items() if name in wanted}
    coords = {name: np.asarray(values) for name, values in model.coords.items() if values is not None}
    return Compiled(
        density,
        derived,
        start,
        dict(zip([v.name for v in kept], shapes, strict=True)),
        {v.name: np.asarray(v.get_value()) for v in data},
        {v.name: f"s{place}" for place, v in enumerate(data)},
        coords,
        dims,
        tuple(dict.fromkeys(v.name for v in [*fixed, *placing])),
    )


def _start(model, initial_points):
    named = {getattr(key, "name", key): value for key, value in initial_points.items()}
    _check_names("initial_points", named, [v.name for v in model.free_RVs])
    begin = pymc.initial_point.make_initial_point_fn(model=model, overrides=named, return_transformed=True)
    return begin(0)


def _merged(data, others, derived):
    """Give the data of the second function the names that they have in the first."""
    every = list(dict.fromkeys([*data, *others]))
    for place, variable in reversed(list(enumerate(others))):
        derived = derived.replace(f"shared.s{place}", f"shared.t{every.index(variable)}")
    return every, derived.replace("shared.t", "shared.s")


def sample(
    compiled: Compiled,
    *,
    draws: int | None = None,
    tune: int | None = None,
    chains: int | None = None,
    seed: int | None = None,
    target_accept: float = 0.8,
    maxdepth: int = 10,
    save_warmup: bool = False,
    store_unconstrained: bool = False,
    **others: object,
) -> xr.DataTree:
    """Draw from a model by NUTS, chains side by side in a page whose browser lets Python wait.

    Parameters
    ----------
    compiled : Compiled
        The model.
    draws, tune, chains : int
        Kept and tuning draws of each chain, and chains; if None 1000, 1000 and 4.
    seed : int, optional
        The same seed gives the same draws in the same browser.
    target_accept : float
        Acceptance rate that tuning aims at.
    maxdepth : int
        Most doublings of a trajectory.
    save_warmup, store_unconstrained : bool
        False only: neither tuning draws nor those in the unconstrained space are kept.
    **others
        What PyMC passes to nutpie and what makes no difference here.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` and ``sample_stats``, as nutpie's.

    Raises
    ------
    TypeError
        If there is an argument that nothing here knows.
    ValueError
        If an argument is out of its range; the message names it.
    RuntimeError
        If no start with a finite log density is found.

    References
    ----------
    .. [1] Hoffman, M. D. and Gelman, A. (2014). The No-U-Turn sampler. Journal of Machine Learning Research
       15, 1593-1623.
    .. [2] Betancourt, M. (2017). A conceptual introduction to Hamiltonian Monte Carlo. arXiv:1701.02434.
    """
    _check_known(others, IDLE, "sample", ("draws", "tune", "chains", "seed", "target_accept", "maxdepth"))
    draws, chains = _whole("draws", draws, 1000, 1), _whole("chains", chains, 4, 1)
    tune, maxdepth = _whole("tune", tune, 1000, 0), _whole("maxdepth", maxdepth, 10, 1)
    if not 0 < target_accept < 1:
        raise ValueError(f"target_accept is {target_accept!r}: give a number between 0 and 1")
    for name, value in {"save_warmup": save_warmup, "store_unconstrained": store_unconstrained}.items():
        if value:
            raise ValueError(f"{name} is {value!r}: give False, since {KEPT_ONLY[name]}")
    program = PROGRAM.format(
        special=_text("special.js"),
        nuts=_text("nuts.js"),
        density=compiled.density,
        derived=compiled.derived,
    )
    sizes = [int(np.prod(shape)) for shape in compiled.shapes.values()]
    settings = {
        "draws": draws,
        "tune": tune,
        "target": target_accept,
        "depth": maxdepth,
        "seed": secrets.randbits(32) if seed is None else int(seed),
        "derived": sum(sizes),
    }
    arrays = {**compiled._arrays(), "start": compiled.start}
    results = engine.run_each(program, arrays, [{**settings, "chain": chain} for chain in range(chains)])
    return _tree(compiled, results, sizes, draws, tune)


def _tree(compiled, results, sizes, draws, tune):
    derived = np.stack([result["derived"].reshape(draws, -1) for result in results])
    ends = np.cumsum([0, *sizes])
    posterior = {
        name: derived[:, :, ends[place] : ends[place + 1]].reshape(len(results), draws, *shape)
        for place, (name, shape) in enumerate(compiled.shapes.items())
    }
    stacked = {name: np.stack([result[name] for result in results]) for name in results[0]}
    statistics = {
        "diverging": stacked["diverging"].astype(bool),
        "n_steps": stacked["n_steps"].astype(int),
        "depth": stacked["depth"].astype(int),
        "reached_max_treedepth": stacked["reached"].astype(bool),
        "mean_tree_accept": stacked["acceptance_rate"],
        "logp": stacked["lp"],
        "energy": stacked["energy"],
        "step_size": stacked["step_size"],
    }
    tree = from_dict(
        {"posterior": posterior, "sample_stats": statistics}, coords=compiled.coords, dims=compiled.dims
    )
    settings = {"settings": {"num_tune": tune, "num_draws": draws}}
    tree["sample_stats"].attrs["inference_library_settings"] = json.dumps(settings)
    return tree


def _check_known(given, idle, function, known):
    for name in given:
        if name not in idle:
            raise TypeError(f"{function} knows no {name}: give {', '.join(known)}")


def _names(given):
    return [given] if isinstance(given, str) else [getattr(name, "name", name) for name in given]


def _check_names(argument, given, known):
    for name in given:
        if name not in known:
            raise ValueError(f"{argument} has {name!r}, no variable of the model: give {', '.join(known)}")


def _whole(name, value, default, least):
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} is {value!r}: give a whole number, at least {least}")
    return int(value)


def _text(name):
    return files("page_nuts").joinpath(name).read_text(encoding="utf8")
