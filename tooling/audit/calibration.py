"""Simulation-based calibration: whether posteriors are right for data that their own model has made.

Parameters are drawn from the prior and data from the parameters, by the builders of `support.models`
themselves (`simulate`). The place of each true parameter in its posterior, as a probability, is then
uniform, if the posterior is right. `exact_places` finds it in exact posteriors; `sampled_places` finds it in
sampled ones, and holds these against the exact ones. ``make calibration`` does both many times and keeps the
results in ``data/``, which `recorded` reads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import arviz as az
import numpy as np
import nutpie
import pandas as pd
import pymc as pm
import pytensor
import xarray as xr
from scipy import stats

import hierarchical_exact as exact
from hierarchical_exact import Marginal
from support import datasets, models
from support.conventions import MU_LOG_PRIOR, MU_PRIOR, SIGMA_LOG_PRIOR, TAU_PRIOR

# A rank is counted among so many draws, which lie far enough apart in a good fit to be nearly independent.
RANKED = 99
SETTINGS = {"draws": 1000, "tune": 1000, "chains": 4, "target_accept": 0.90, "progress_bar": False}
OUTCOME = "outcome"
SEED = 58
_EXAM = {"mu": stats.norm(50, 25), "sigma": stats.halfnorm(scale=15)}


@dataclass(frozen=True)
class Case:
    """A model with its exact posterior.

    Attributes
    ----------
    build : callable
        Makes the model of a data set, in `support.models`.
    design : callable
        Makes a data set with the sizes and errors that the simulated ones are to have.
    outcome : str
        The variable of the data set that the model explains.
    solve : callable
        Gives the exact marginals of a data set: scalars, named as in ``theta[A]``.
    """

    build: Callable[[xr.Dataset], pm.Model]
    design: Callable[[], xr.Dataset]
    outcome: str
    solve: Callable[[xr.Dataset], dict[str, Marginal]]


# The models --------------------------------------------------------------------------------


def solve_schools(
    data: xr.Dataset, names: tuple[str, ...] = ("mu", "tau", "theta"), **changed: Any
) -> dict[str, Marginal]:
    """Exact marginals of schools, under the section's model or one that is changed.

    Parameters
    ----------
    data : xarray.Dataset
        ``effect`` and ``standard_error`` over ``school`` (SAT points).
    names : tuple of str
        Quantities that are wanted.
    **changed
        Options of `hierarchical_exact.normal` that take the place of the section's priors.

    Returns
    -------
    dict of Marginal

    Examples
    --------
    >>> round(solve_schools(datasets.eight_schools())["tau"].mean(), 2)
    4.81
    """
    priors = {"mu": MU_PRIOR, "tau": TAU_PRIOR} | changed
    return _scalars(exact.normal(data["effect"], data["standard_error"], **priors), names)


def _scalars(posterior, names):
    """Marginals of all entries of these quantities, by names such as ``theta[A]``."""
    found = {}
    for name in names:
        marginal = posterior[name]
        labels = marginal.mean()
        if np.ndim(labels) == 0:
            found[name] = marginal
        else:
            (dim,) = labels.dims
            found |= {f"{name}[{label}]": marginal.sel(**{dim: label}) for label in labels[dim].values}
    return found


def _solve_instructors_none(data):
    found = {}
    for name in pd.unique(data["instructor"].values):
        own = exact.normal_sample(data["score"][data["instructor"] == name], **_EXAM)
        found |= {f"theta[{name}]": own["mu"], f"sigma[{name}]": own["sigma"]}
    return found


def _solve_instructors_partial(data):
    posterior = exact.normal_groups(data["score"], data["instructor"], tau=TAU_PRIOR, **_EXAM)
    return _scalars(posterior, ("mu", "tau", "sigma", "theta"))


def _solve_covariate(data):
    names = ("mu", "beta", "tau", "theta")
    return solve_schools(data, names, covariates=data["private"], beta=stats.norm(0, 10))


def _solve_survey(data):
    posterior = exact.dirichlet_multinomial(data["count"], alpha=stats.expon(), baseline=np.ones(4))
    return _scalars(posterior, ("alpha", "pi0"))


def _solve_hospitals(data):
    priors = {"mu_log": MU_LOG_PRIOR, "sigma_log": SIGMA_LOG_PRIOR}
    return _scalars(exact.poisson(data["count"], data["exposure"], **priors), ("mu_log", "sigma_log", "lam"))


def _solve_hospitals_none(data):
    shape, rate = 1 + data["count"], 0.5 + data["exposure"]
    return {
        f"lam[{name}]": exact.marginal(
            stats.gamma(shape.sel(hospital=name).item(), scale=1 / rate.sel(hospital=name).item())
        )
        for name in data["hospital"].values
    }


def _covariate_design():
    return datasets.simulate_schools_with_covariate(np.random.default_rng(42))


def _schools(build, solve):
    return Case(build, datasets.eight_schools, "effect", solve)


# Every model of `support.models`, and with them every exact posterior.
CASES = {
    "instructors_complete": Case(
        models.instructors_complete,
        datasets.instructors,
        "score",
        lambda data: _scalars(exact.normal_sample(data["score"], **_EXAM), ("mu", "sigma")),
    ),
    "instructors_none": Case(models.instructors_none, datasets.instructors, "score", _solve_instructors_none),
    "instructors_partial": Case(
        models.instructors_partial, datasets.instructors, "score", _solve_instructors_partial
    ),
    "schools_centred": _schools(models.schools_centred, solve_schools),
    "schools_noncentred": _schools(models.schools_noncentred, solve_schools),
    "schools_complete": _schools(models.schools_complete, partial(solve_schools, names=("mu",), tau=0.0)),
    "schools_none": _schools(models.schools_none, partial(solve_schools, names=("theta",), mu=0.0, tau=20.0)),
    "schools_covariate": Case(models.schools_covariate, _covariate_design, "effect", _solve_covariate),
    "survey_hierarchical": Case(models.survey_hierarchical, datasets.survey, "count", _solve_survey),
    "hospitals_hierarchical": Case(
        models.hospitals_hierarchical, datasets.hospitals, "count", _solve_hospitals
    ),
    "hospitals_none": Case(models.hospitals_none, datasets.hospitals, "count", _solve_hospitals_none),
}


# Posteriors of Eight Schools that are wrong on purpose --------------------------------------


def _errors(data, change):
    return data.assign(standard_error=change(data["standard_error"]))


FAULTS = {
    # Who moves on v = tau² and takes the density of tau for that of v leaves out dtau/dv = 1 / (2 tau).
    # The prior of tau is then in truth proportional to tau times the half-Normal density: a Rayleigh law.
    "Jacobian of tau² left out": partial(solve_schools, tau=stats.rayleigh(scale=10)),
    "variances taken for sds": lambda data: solve_schools(_errors(data, np.square)),
    "half-Normal(5) for 10": partial(solve_schools, tau=stats.halfnorm(scale=5)),
    "half-Normal(8) for 10": partial(solve_schools, tau=stats.halfnorm(scale=8)),
    "standard errors 10% too large": lambda data: solve_schools(_errors(data, lambda sd: 1.1 * sd)),
}


# Data that a model has made ------------------------------------------------------------------


def simulate(case: Case, sets: int, *, seed: int = SEED) -> list[tuple[dict[str, float], xr.Dataset]]:
    """Draw parameters from the prior, and data from the parameters.

    Parameters
    ----------
    case : Case
    sets : int
        How many data sets.
    seed : int

    Returns
    -------
    list of (true parameters by name, data set)

    Examples
    --------
    >>> truth, data = simulate(CASES["schools_complete"], 1)[0]
    >>> sorted(truth), data["effect"].sizes["school"]
    (['mu'], 8)
    """
    design = case.design()
    model = case.build(design)
    made = pm.sample_prior_predictive(draws=sets, model=model, random_seed=seed)
    (outcome,) = made["prior_predictive"].to_dataset().data_vars.values()
    prior = made["prior"].to_dataset()
    pairs = []
    for i in range(sets):
        at = {"chain": 0, "draw": i}
        values = outcome.isel(at).drop_vars(["chain", "draw"])
        pairs.append((_named(prior.isel(at)), design.assign({case.outcome: values})))
    return pairs


def _named(dataset):
    """All entries of a dataset, by names such as ``theta[A]``."""
    found = {}
    for name, array in dataset.data_vars.items():
        if array.ndim == 0:
            found[name] = array.item()
        elif array.ndim == 1:
            found |= {f"{name}[{label}]": value for label, value in array.to_series().items()}
    return found


# What becomes of the true parameters ---------------------------------------------------------


def exact_places(
    pairs: list[tuple[dict[str, float], xr.Dataset]], solve: Callable[[xr.Dataset], dict[str, Marginal]]
) -> pd.DataFrame:
    """Places of the true parameters in the posteriors that a function gives.

    Parameters
    ----------
    pairs : list
        True parameters and data, as `simulate` returns them.
    solve : callable
        Gives the marginals of a data set: a case's own, or one of `FAULTS`.

    Returns
    -------
    pandas.DataFrame
        One row per data set, one column per quantity: the posterior probability below the true value.
        If the posteriors are right, each column is uniform.

    Examples
    --------
    >>> case = CASES["schools_complete"]
    >>> places = exact_places(simulate(case, 5), case.solve)
    >>> bool(((places > 0) & (places < 1)).all(axis=None))
    True
    """
    rows = []
    for truth, data in pairs:
        rows.append({name: float(marginal.cdf(truth[name])) for name, marginal in solve(data).items()})
    return pd.DataFrame(rows)


def sampled_places(
    case: Case, pairs: list[tuple[dict[str, float], xr.Dataset]], *, seed: int = SEED
) -> pd.DataFrame:
    """Fit data sets by NUTS, and hold the draws against the true parameters and the exact posteriors.

    The model is compiled once, with its data as something that can be exchanged: a fit then takes a tenth of
    a second.

    Parameters
    ----------
    case : Case
    pairs : list
        True parameters and data, as `simulate` returns them.
    seed : int
        Seed of the sampler for the first data set; each takes the next one.

    Returns
    -------
    pandas.DataFrame
        One row per data set and quantity: ``set``; ``quantity``; ``place`` of the true value among `RANKED`
        draws (its rank as a probability); ``exact_place`` in the exact posterior; ``shift`` of the sampled
        mean from the exact one, in exact sds; its Monte Carlo standard error ``mcse``, as ArviZ finds it, in
        the same unit; and ``divergences`` of the fit.

    See Also
    --------
    support.checks.compare : The same comparison for one data set.

    Examples
    --------
    >>> case = CASES["schools_complete"]
    >>> table = sampled_places(case, simulate(case, 2))  # doctest: +SKIP
    >>> bool((abs(table["shift"]) < 5 * table["mcse"]).all())  # doctest: +SKIP
    True
    """
    compiled = nutpie.compile_pymc_model(_exchangeable(case.build(case.design())))
    tables = []
    for i, (truth, data) in enumerate(pairs):
        fit = nutpie.sample(
            compiled.with_data(**{OUTCOME: data[case.outcome].values}), seed=seed + i, **SETTINGS
        )
        tables.append(_held(fit, truth, case.solve(data)).assign(set=i))
    table = pd.concat(tables).reset_index()
    return table[["set", "quantity", "place", "exact_place", "shift", "mcse", "divergences"]]


def _exchangeable(model):
    """Turn the observed values of a model into data that a compiled model may exchange."""
    (variable,) = model.observed_RVs
    fixed = model.rvs_to_values[variable]
    free = pytensor.shared(np.asarray(fixed.data), name=OUTCOME, shape=fixed.type.shape)
    model.rvs_to_values[variable] = free
    del model.values_to_rvs[fixed]
    model.values_to_rvs[free] = variable
    return model


def _held(fit, truth, marginals):
    """One fit against the truth and the exact posterior, by quantity."""
    draws = fit["posterior"].to_dataset()
    means, errors = _named(draws.mean(["chain", "draw"])), _named(az.mcse(draws, method="mean"))
    flat = draws.stack(sample=("chain", "draw"))
    ranked = flat.isel(sample=np.linspace(0, flat.sizes["sample"] - 1, RANKED).round().astype(int))
    below = _named((ranked < _like(ranked, truth)).sum("sample"))
    divergences = int(fit["sample_stats"]["diverging"].sum())
    rows = {}
    for name, marginal in marginals.items():
        sd = marginal.sd()
        rows[name] = {
            "place": (below[name] + 0.5) / (RANKED + 1),
            "exact_place": marginal.cdf(truth[name]),
            "shift": (means[name] - marginal.mean()) / sd,
            "mcse": errors[name] / sd,
            "divergences": divergences,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("quantity")


def _like(draws, truth):
    """True values in the shape of the draws; NaN where none is known."""
    found = {}
    for name, array in draws.data_vars.items():
        one = array.isel(sample=0, drop=True)
        if one.ndim == 0:
            found[name] = truth[name]
        elif one.ndim == 1:
            (dim,) = one.dims
            found[name] = one.copy(data=[truth[f"{name}[{label}]"] for label in one[dim].values])
        else:
            found[name] = xr.full_like(one, np.nan)
    return xr.Dataset(found)
