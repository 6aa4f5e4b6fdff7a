"""The sampler, with the interface of nutpie as far as this book and PyMC use it."""

from __future__ import annotations

import json
import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

import numpy as np
import pymc as pm
import pymc.initial_point
import pytensor.tensor as pt
import xarray as xr
from arviz_base import from_dict
from pymc.exceptions import SamplingError
from pymc.pytensorf import join_nonshared_inputs, rewrite_pregrad
from pytensor.graph.basic import Variable

from page_nuts import engine
from page_nuts.graph import Unsupported, translate

# What PyMC passes to nutpie and what changes no draw.
IDLE = {"cores", "progress_bar", "progress_callback", "progress_template", "progress_style", "progress_rate"}
IDLE_TO_COMPILE = {"backend", "gradient_backend", "freeze_model"}
KEPT_ONLY = {
    "save_warmup": "tuning draws are not kept here (discard_tuned_samples of PyMC)",
    "store_unconstrained": "draws are kept in the model's own scale (include_transformed of PyMC)",
}
NO_START = "no start with a finite log density was found"  # as nuts.js says it
LARGEST_SEED = 2**32 - 1  # the generator is one of 32 bits
# A chain of draws, and what follows from each of them.
PROGRAM = """((arrays, settings) => {{
{special}
{nuts}
const density = ({density})(arrays);
const derived = ({derived})(arrays);
const size = settings.size;
const here = new Float64Array(size); // products of matrices take parts of it
const out = new Float64Array(1 + size);
const start = arrays.start.subarray(settings.chain * size, (settings.chain + 1) * size);
const result = chain((x, gradient) => {{
  for (let i = 0; i < size; i++) here[i] = x[i];
  if (density(here, out) !== undefined) return -Infinity;
  for (let i = 0; i < size; i++) gradient[i] = out[1 + i];
  return out[0];
}}, start, settings);
const values = new Float64Array(settings.derived);
result.derived = new Float64Array(settings.draws * settings.derived);
for (let i = 0; i < settings.draws; i++) {{
  const failure = derived(result.draws.subarray(i * size, (i + 1) * size), values);
  if (failure !== undefined) throw new Error(`draw ${{i}} of chain ${{settings.chain}}: ${{failure}}`);
  result.derived.set(values, i * settings.derived);
}}
return result;
}})"""
ONCE = """((arrays, settings) => {{
{special}
const out = new Float64Array(settings.size);
const failure = ({function})(arrays)(arrays.point, out);
return {{ valid: Float64Array.of(failure === undefined ? 1 : 0), out }};
}})"""


@dataclass(frozen=True)
class Compiled:
    """A model as JavaScript.

    Attributes
    ----------
    model : pymc.Model
        What was compiled.
    density, derived : str
        Functions of JavaScript: the log density with its gradient, and what is kept of each draw.
    point : dict of numpy.ndarray
        Where chains begin, before jitter, in the unconstrained space, by variable.
    begin : callable or None
        Where each chain begins, by a seed, if that is drawn from the prior.
    shapes : dict of tuple
        What is kept, by name, with its shape.
    shared : tuple of pytensor.compile.sharedvalue.SharedVariable
        ``pm.Data`` and other shared variables, which JavaScript calls ``s0``, ``s1`` and so on.
    values : tuple of numpy.ndarray
        Their values.
    coords, dims : dict
        Of the model.
    fixed : tuple of str
        The names of data that are used as places (an index), and so stay as they were at compilation.
    """

    model: pm.Model
    density: str
    derived: str
    point: dict
    begin: Callable | None
    shapes: dict
    shared: tuple
    values: tuple
    coords: dict
    dims: dict
    fixed: tuple = ()

    @property
    def start(self):
        """Where chains begin, as one vector."""
        return _flat(self.point)

    def with_data(self, **values: np.ndarray) -> Compiled:
        """Return the model with other data of the same shapes.

        Parameters
        ----------
        **values : numpy.ndarray
            The data, by name; they are copied.

        Returns
        -------
        Compiled

        Raises
        ------
        ValueError
            If the model has no data of that name or several, or uses them as places, or if values have
            another shape, other dims or another kind than the model's, are missing or not finite.
        """
        names = [variable.name for variable in self.shared]
        new = list(self.values)
        for name, value in values.items():
            if names.count(name) != 1:
                known = ", ".join(sorted({n for n in names if n and names.count(n) == 1})) or "none"
                many = f"the name of {names.count(name)} shared variables" if name in names else "no data"
                raise ValueError(f"{name} is {many} of the model: give {known}")
            place = names.index(name)
            dims = self.model.named_vars_to_dims.get(name)
            new[place] = _as_before(name, value, self.values[place], dims)
            if name in self.fixed and not np.array_equal(new[place], self.values[place]):
                raise ValueError(f"{name} is used as places, which are fixed: compile the model with the new")
        return replace(self, values=tuple(new))

    def log_density(self, point):
        """Return the log density at a point of the unconstrained space, and its gradient."""
        size = self.start.size
        if np.shape(point) != (size,):
            raise ValueError(f"point has shape {np.shape(point)}: give ({size},), one number per parameter")
        result = self._once(self.density, point, 1 + size)
        value, gradient = result["out"][0], result["out"][1:]
        return (float(value) if result["valid"][0] else -np.inf), gradient

    def _once(self, function, point, size):
        program = ONCE.format(special=_text("special.js"), function=function)
        return engine.run(program, {**self._arrays(), "point": point}, {"size": size})

    def _arrays(self):
        return {f"s{place}": value for place, value in enumerate(self.values)}


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
    if not isinstance(model, pm.Model):
        raise ValueError(f"model is a {type(model).__name__}: give a pymc.Model")
    if not model.free_RVs:
        raise ValueError("model has no free variables: there is nothing to sample")
    if model.discrete_value_vars:
        names = ", ".join(model.values_to_rvs[value].name for value in model.discrete_value_vars)
        raise Unsupported(
            f"{names}: discrete parameters cannot be sampled by NUTS: sum over their values, as pm.Mixture "
            'does, or use pm.sample without nuts_sampler="nutpie", which takes other steps'
        )
    _check_known(others, IDLE_TO_COMPILE, "compile_pymc_model", ("var_names", "initial_points"))
    wanted = [v.name for v in model.unobserved_RVs] if var_names is None else _names(var_names)
    _check_names("var_names", wanted, [v.name for v in model.unobserved_value_vars])
    if not wanted:
        raise ValueError("var_names is empty: give None, or names")
    kept = [v for v in model.unobserved_value_vars if v.name in wanted]
    point, begin = _begin(model, initial_points or {})
    # Made stable before gradients are taken, as PyMC does: the logarithm of a softmax, say.
    outputs, x = join_nonshared_inputs(point, [rewrite_pregrad(model.logp()), *kept], model.value_vars)
    gradient = pt.grad(outputs[0], x, disconnected_inputs="ignore")
    # Beside the middle, where nothing happens to be zero, or the same.
    near, shared = _flat(point) + 0.1 + 0.01 * np.sin(np.arange(len(_flat(point)))), []
    density = translate([x], [outputs[0], gradient], [near], shared, check_bounds=model.check_bounds)
    derived = translate([x], outputs[1:], [near], shared, check_bounds=model.check_bounds)
    dims = {name: list(of) for name, of in model.named_vars_to_dims.items() if name in wanted}
    coords = {name: np.asarray(values) for name, values in model.coords.items() if values is not None}
    compiled = Compiled(
        model,
        density.source,
        derived.source,
        point,
        begin,
        {v.name: value.shape for v, value in zip(kept, derived.values, strict=True)},
        tuple(shared),
        tuple(_frozen(variable.get_value()) for variable in shared),
        coords,
        dims,
        tuple(dict.fromkeys(v.name for v in [*density.places, *derived.places] if v.name)),
    )
    for written in (density, derived):
        _check_written(compiled, written, near)
    return compiled


def _begin(model, initial_points):
    """Return where chains begin and, if that is drawn from the prior, a function of a seed that draws it."""
    named = {getattr(key, "name", key): value for key, value in initial_points.items()}
    _check_names("initial_points", named, [v.name for v in (*model.free_RVs, *model.value_vars)])
    chosen = [*named, *(value for value in model.rvs_to_initial_values.values() if value is not None)]
    shapes = model.eval_rv_shapes() if chosen else {}  # which takes a while
    for name, value in named.items():
        if not isinstance(value, (str, Variable)) and np.shape(value) != shapes[name]:
            raise ValueError(f"initial_points has {name!r} of shape {np.shape(value)}: give {shapes[name]}")
    drawn = pymc.initial_point.make_initial_point_fn(model=model, overrides=named, return_transformed=True)

    def begin(seed):
        point = drawn(seed)
        return {value.name: point[value.name] for value in model.value_vars}

    point, other = begin(0), begin(1)
    for value in model.value_vars:
        name, begun = model.values_to_rvs[value].name, point[value.name]
        if begun.shape != shapes.get(value.name, begun.shape):
            given = f"a value of shape {begun.shape}, unconstrained"
            raise ValueError(
                f"{name} begins at {given}: give initial values of its own, {shapes[value.name]}"
            )
        if not np.isfinite(begun).all():
            raise ValueError(f"{name} begins at {begun}, unconstrained: give initial values of its support")
    varies = any(not np.array_equal(point[name], other[name]) for name in point)
    return point, begin if varies else None


def _flat(point):
    return np.concatenate([np.ravel(value) for value in point.values()]).astype(float)


def _frozen(value):
    value = np.array(value)
    value.flags.writeable = False
    return value


def _as_before(name, value, old, dims):
    """Return a copy of data in the place of others, of which it must be like."""
    if dims and getattr(value, "dims", dims) != tuple(dims):
        raise ValueError(f"{name} has dims {value.dims}: give {tuple(dims)}")
    if np.shape(value) != old.shape:
        raise ValueError(f"{name} has shape {np.shape(value)}: give {old.shape}")
    if np.ma.is_masked(value):
        raise ValueError(f"{name} has missing values: give all")
    given = np.asarray(value)
    if given.dtype.kind not in "biuf":
        raise ValueError(f"{name} is of the kind {given.dtype}: give {old.dtype}")
    if (np.isfinite(old) & ~np.isfinite(given)).any():
        raise ValueError(f"{name} has values that are not finite: give numbers")
    new = _frozen(given.astype(old.dtype))
    if old.dtype.kind != "f" and not np.array_equal(new, given):
        raise ValueError(f"{name} is {given.dtype}, with values that are no {old.dtype}: give {old.dtype}")
    return new


def _check_written(compiled, written, point):
    """Compare what was written, at a point, with PyTensor's own results."""
    theirs = np.concatenate([np.ravel(value) for value in written.values]).astype(float)
    result = compiled._once(written.source, point, theirs.size)
    if result["valid"][0]:
        size = np.abs(theirs[np.isfinite(theirs)]).max(initial=1)
        wrong = ~np.isclose(result["out"], theirs, rtol=1e-6, atol=1e-6 * size, equal_nan=True)
        if wrong.any():
            raise Unsupported(
                f"what was written of this model gives {result['out'][wrong][0]} where PyTensor has "
                f'{theirs[wrong][0]}: please report it, and use pm.sample(nuts_sampler="pymc")'
            )


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
        From 0 to 4,294,967,295. The same seed gives the same draws of what is compiled, in the same browser.
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
    pymc.exceptions.SamplingError
        If no start with a finite log density is found; the message has the log density of each variable.
    RuntimeError
        If an assertion in a deterministic quantity fails at a draw.

    Warns
    -----
    UserWarning
        If a quantity is not a number at some draws.

    References
    ----------
    .. [1] Hoffman, M. D. and Gelman, A. (2014). The No-U-Turn sampler. Journal of Machine Learning Research
       15, 1593-1623.
    .. [2] Betancourt, M. (2017). A conceptual introduction to Hamiltonian Monte Carlo. arXiv:1701.02434.
    """
    if not isinstance(compiled, Compiled):
        raise ValueError(f"compiled is a {type(compiled).__name__}: give what compile_pymc_model returns")
    _check_known(others, IDLE, "sample", ("draws", "tune", "chains", "seed", "target_accept", "maxdepth"))
    draws, chains = _whole("draws", draws, 1000, 1), _whole("chains", chains, 4, 1)
    tune, maxdepth = _whole("tune", tune, 1000, 0), _whole("maxdepth", maxdepth, 10, 1)
    seed = _whole("seed", seed, secrets.randbits(32), 0, LARGEST_SEED)
    if not isinstance(target_accept, (int, float, np.number)) or not 0 < target_accept < 1:
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
        "target": float(target_accept),
        "depth": maxdepth,
        "seed": seed,
        "size": compiled.start.size,
        "derived": sum(sizes),
    }
    arrays = {**compiled._arrays(), "start": _starts(compiled, chains, seed)}
    try:
        results = engine.run_each(program, arrays, [{**settings, "chain": chain} for chain in range(chains)])
    except RuntimeError as error:
        if NO_START not in str(error):
            raise
        raise SamplingError(_without_start(compiled)) from None
    return _tree(compiled, results, sizes, draws, tune)


def _starts(compiled, chains, seed):
    """Return where each chain begins, before jitter."""
    if compiled.begin is None:
        return np.tile(compiled.start, chains)
    seeds = np.random.default_rng(seed).integers(2**30, size=chains)
    return np.concatenate([_flat(compiled.begin(int(own))) for own in seeds])


def _without_start(compiled):
    """Say which variables have no log density at the initial point."""
    data = dict(zip(compiled.shared, compiled.values, strict=True))
    point = {name: np.round(value, 2).tolist() for name, value in compiled.point.items()}
    terms = compiled.model.point_logps(compiled.point, givens=data)
    terms = {name: float(value) for name, value in terms.items()}
    bad = ", ".join(name for name, value in terms.items() if not np.isfinite(value)) or "none there"
    return (
        f"{NO_START}, within 1 of the initial point {point} (unconstrained). Log densities there: {terms}; "
        f"not finite: {bad}. Give other initial values (initvals of pm.sample), or see model.debug()."
    )


def _tree(compiled, results, sizes, draws, tune):
    derived = np.stack([result["derived"].reshape(draws, sum(sizes)) for result in results])
    ends = np.cumsum([0, *sizes])
    posterior = {
        name: derived[:, :, ends[place] : ends[place + 1]].reshape(len(results), draws, *shape)
        for place, (name, shape) in enumerate(compiled.shapes.items())
    }
    for name, values in posterior.items():
        missing = int(np.isnan(values.reshape(len(results) * draws, -1)).any(axis=1).sum())
        if missing:
            what = f"{name} is not a number in {missing} of {len(results) * draws} draws"
            warnings.warn(f"{what}: see how it is computed", UserWarning, stacklevel=3)
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


def _whole(name, value, default, least, most=None):
    if value is None:
        return default
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        upper = "" if most is None else f", at most {most}"
        raise ValueError(f"{name} is {value!r}: give a whole number, at least {least}{upper}")
    return int(value)


def _text(name):
    return files("page_nuts").joinpath(name).read_text(encoding="utf8")
