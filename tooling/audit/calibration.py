"""Simulation-based calibration: whether posteriors are right for data that their own model has made.

Parameters are drawn from the prior and data from the parameters, by the book's own builders
(`simulate`). The place of each true parameter in its posterior, as a probability, is then
uniform, if the posterior is right. `exact_places` finds it in exact posteriors; `sampled_places` finds it in
sampled ones, and holds these against the exact ones. ``make calibration`` does both many times and keeps the
results in ``data/``, which `recorded` reads.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
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
from tooling.audit import builders, records

# A rank is counted among so many draws, which lie far enough apart in a good fit to be nearly independent.
RANKED = 99
SETTINGS = {"draws": 1000, "tune": 1000, "chains": 4, "target_accept": 0.90, "progress_bar": False}
OUTCOME = "outcome"
SEED, FAULT_SEED = 58, 581
# Data sets of each model in the recorded study; the survey's sampler is slow where alpha is small, and exact
# posteriors with slopes take seconds.
SETS = {"schools_centred": 200, "schools_noncentred": 200, "survey_hierarchical": 4, "houses_slopes": 8}
USUAL_SETS = 40
_EXAM = {"mu": stats.norm(50, 25), "sigma": stats.halfnorm(scale=15)}


@dataclass(frozen=True)
class Case:
    """A model with its exact posterior.

    Attributes
    ----------
    build : callable
        Makes the model of a data set.
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


def _solve_rats(data):
    priors = {"mean": stats.beta(1, 1), "concentration": stats.gamma(2, scale=20)}
    posterior = exact.beta_binomial(data["tumours"], data["rats"], **priors)
    return _scalars(posterior, ("mean", "concentration", "theta"))


def _solve_logit_normal(data):
    priors = {"mu": stats.norm(-2, 1), "tau": stats.halfnorm(scale=1)}
    return _scalars(exact.logit_normal(data["tumours"], data["rats"], **priors), ("mu", "tau", "theta"))


def _solve_trials_student(data):
    priors = {"mu": stats.norm(0, 1), "tau": stats.halfnorm(scale=1)}
    posterior = exact.student_t(data["effect"], data["standard_error"], nu=4, **priors)
    return _scalars(posterior, ("mu", "tau", "theta"))


def _solve_trials_latitude(data):
    priors = {"mu": stats.norm(0, 1), "tau": stats.halfnorm(scale=1), "beta": stats.norm(0, 0.5)}
    tens = (data["latitude"] - 33) / 10
    return solve_schools(data, ("mu", "beta", "tau", "theta"), covariates=tens, **priors)


def _solve_houses(data, *, slopes=False):
    county, floor = data["of_county"].values, data["floor"].values
    uranium = data["uranium"].sel(county=county).values
    half = stats.halfnorm(scale=1)
    posterior = exact.mixed(
        data["log_radon"].values,
        pd.DataFrame({"intercept": 1.0, "floor": floor, "uranium": uranium}),
        terms={"county": (county, floor) if slopes else county},
        beta=stats.norm(0, 2),
        sigma=half,
        tau=half,
        rho=stats.beta(2, 2, loc=-1, scale=2) if slopes else None,
    )
    of_slopes = ("tau_county_slope", "rho_county", "u_county_slope") if slopes else ()
    return _scalars(posterior, ("beta", "sigma", "tau_county", "u_county", *of_slopes))


def _solve_penicillin(data):
    zones = data["diameter"].stack(zone=("plate", "batch"))
    half = stats.halfnorm(scale=2)
    posterior = exact.mixed(
        zones.values,
        pd.DataFrame({"mu": np.ones(zones.size)}),
        terms={name: zones[name].values for name in ("plate", "batch")},
        beta=stats.norm(20, 10),
        sigma=half,
        tau=half,
    )
    found = _scalars(posterior, ("beta", "sigma", "tau_plate", "tau_batch", "u_plate"))
    return {"mu": found.pop("beta[mu]")} | found


def _houses_design():
    """The first 150 houses, of the first counties."""
    data = datasets.radon().isel(house=slice(150))
    return data.sel(county=np.unique(data["of_county"]))


def _covariate_design():
    return datasets.simulate_schools_with_covariate(np.random.default_rng(42))


def _schools(build, solve):
    return Case(build, datasets.eight_schools, "effect", solve)


# Every model of `builders` and `support.models`, and with them every exact posterior.
CASES = {
    "instructors_complete": Case(
        builders.instructors_complete,
        datasets.instructors,
        "score",
        lambda data: _scalars(exact.normal_sample(data["score"], **_EXAM), ("mu", "sigma")),
    ),
    "instructors_none": Case(
        builders.instructors_none, datasets.instructors, "score", _solve_instructors_none
    ),
    "instructors_partial": Case(
        builders.instructors_partial, datasets.instructors, "score", _solve_instructors_partial
    ),
    "schools_centred": _schools(builders.schools_centred, solve_schools),
    "schools_noncentred": _schools(models.schools_noncentred, solve_schools),
    "schools_complete": _schools(builders.schools_complete, partial(solve_schools, names=("mu",), tau=0.0)),
    "schools_none": _schools(
        builders.schools_none, partial(solve_schools, names=("theta",), mu=0.0, tau=20.0)
    ),
    "schools_covariate": Case(builders.schools_covariate, _covariate_design, "effect", _solve_covariate),
    "survey_hierarchical": Case(models.survey_hierarchical, datasets.survey, "count", _solve_survey),
    "hospitals_hierarchical": Case(
        models.hospitals_hierarchical, datasets.hospitals, "count", _solve_hospitals
    ),
    "hospitals_none": Case(builders.hospitals_none, datasets.hospitals, "count", _solve_hospitals_none),
    "rats_hierarchical": Case(builders.rats_hierarchical, datasets.rat_tumours, "tumours", _solve_rats),
    "rats_logit_normal": Case(
        builders.rats_logit_normal, datasets.rat_tumours, "tumours", _solve_logit_normal
    ),
    "trials_student": Case(builders.trials_student, datasets.bcg_trials, "effect", _solve_trials_student),
    "trials_latitude": Case(builders.trials_latitude, datasets.bcg_trials, "effect", _solve_trials_latitude),
    "houses_intercepts": Case(builders.houses_intercepts, _houses_design, "log_radon", _solve_houses),
    "houses_slopes": Case(
        builders.houses_slopes, _houses_design, "log_radon", partial(_solve_houses, slopes=True)
    ),
    "penicillin_crossed": Case(
        builders.penicillin_crossed, datasets.penicillin, "diameter", _solve_penicillin
    ),
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
        pairs.append((named(prior.isel(at)), design.assign({case.outcome: values})))
    return pairs


def named(dataset: xr.Dataset) -> dict[str, float]:
    """All entries of a dataset, by names such as ``theta[A]``.

    Parameters
    ----------
    dataset : xarray.Dataset
        Those of its variables with more than one dim are left out.

    Returns
    -------
    dict of float

    Examples
    --------
    >>> named(xr.Dataset({"mu": 1.0, "theta": ("school", [2.0])}, coords={"school": ["A"]}))
    {'mu': 1.0, 'theta[A]': 2.0}
    """
    found = {}
    for name, array in dataset.data_vars.items():
        if array.ndim == 0:
            found[name] = array.item()
        elif array.ndim == 1:
            found |= {f"{name}[{label}]": value for label, value in array.to_series().items()}
    return found


def data_sets(name: str) -> list[tuple[dict[str, float], xr.Dataset]]:
    """Make the data sets of a model that the recorded study is about.

    Parameters
    ----------
    name : str
        One of `CASES`.

    Returns
    -------
    list of (true parameters by name, data set)
        As `simulate` returns them, which makes others where it is asked for fewer.

    Examples
    --------
    >>> len(data_sets("schools_complete"))
    40
    """
    return simulate(CASES[name], SETS.get(name, USUAL_SETS))


def ordered(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put rows of several models into one table, in the order of `CASES`, the ``model`` first.

    Parameters
    ----------
    tables : iterable of pandas.DataFrame
        With the column ``model``.

    Returns
    -------
    pandas.DataFrame

    Examples
    --------
    >>> names = ["schools_none", "schools_complete"]
    >>> ordered([pd.DataFrame({"model": [name]}) for name in names])["model"].tolist()
    ['schools_complete', 'schools_none']
    """
    order = list(CASES)
    table = pd.concat(tables).sort_values("model", key=lambda names: names.map(order.index), kind="stable")
    return table[["model", *(column for column in table if column != "model")]]


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
    case: Case,
    pairs: list[tuple[dict[str, float], xr.Dataset]],
    *,
    seed: int = SEED,
    sampler: ModuleType = nutpie,
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
    sampler : module
        `nutpie`, or one with its functions, such as `page_nuts`.

    Returns
    -------
    pandas.DataFrame
        One row per data set and quantity that is `watched`: ``set``; ``quantity``; ``place`` of the true
        value among `RANKED`
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
    compiled = sampler.compile_pymc_model(_exchangeable(case.build(case.design())))
    tables = []
    for i, (truth, data) in enumerate(pairs):
        of_set = compiled.with_data(**{OUTCOME: data[case.outcome].values})
        fit = sampler.sample(of_set, seed=seed + i, **SETTINGS)
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
    means, errors = named(draws.mean(["chain", "draw"])), named(az.mcse(draws, method="mean"))
    flat = draws.stack(sample=("chain", "draw"))
    ranked = flat.isel(sample=np.linspace(0, flat.sizes["sample"] - 1, RANKED).round().astype(int))
    below = named((ranked < _like(ranked, truth)).sum("sample"))
    divergences = int(fit["sample_stats"]["diverging"].sum())
    rows = {}
    for name in watched(marginals):
        marginal = marginals[name]
        sd = marginal.sd()
        rows[name] = {
            "place": (below[name] + 0.5) / (RANKED + 1),
            "exact_place": marginal.cdf(truth[name]),
            "shift": (means[name] - marginal.mean()) / sd,
            "mcse": errors[name] / sd,
            "divergences": divergences,
        }
    return _finite("fit", pd.DataFrame.from_dict(rows, orient="index")).rename_axis("quantity")


def _finite(name, table):
    """The table, made sure that no verdict rests on what is not a number."""
    bad = table.columns[~np.isfinite(table).all()]
    if len(bad):
        raise ValueError(f"{name} gives {', '.join(map(str, bad))} that are not finite: give finite numbers")
    return table


def watched(names: Iterable[str]) -> list[str]:
    """Scalars, and of each array the first entry.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    list of str

    Examples
    --------
    >>> watched(["mu", "theta[A]", "theta[B]"])
    ['mu', 'theta[A]']
    """
    first = {}
    for name in names:
        first.setdefault(name.partition("[")[0], name)
    return list(first.values())


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


# How many data sets it takes -------------------------------------------------------------------

LEVEL, POWER = 0.05, 0.9
SIZES = (1, 2, 3, 5, 10, 15, 25, 50, 75, 100, 150, 200, 300, 400, 600, 800)


def ranks_notice(places: pd.DataFrame) -> bool:
    """Whether classic calibration rejects: Kolmogorov and Smirnov's test of each quantity, by Bonferroni.

    Parameters
    ----------
    places : pandas.DataFrame
        One row per data set, one column per quantity.

    Returns
    -------
    bool

    Examples
    --------
    >>> grid = (np.arange(100) + 0.5) / 100
    >>> ranks_notice(pd.DataFrame({"tau": grid})), ranks_notice(pd.DataFrame({"tau": grid**2}))
    (False, True)
    """
    smallest = min(stats.kstest(column, "uniform").pvalue for _, column in _finite("places", places).items())
    return bool(smallest < LEVEL / places.shape[1])


def distances_notice(z: pd.DataFrame) -> bool:
    """Whether sampled means lie too far from exact ones: a chi-square test of each quantity, by Bonferroni.

    Parameters
    ----------
    z : pandas.DataFrame
        Distances in Monte Carlo standard errors: one row per data set, one column per quantity.

    Returns
    -------
    bool

    Examples
    --------
    >>> distances_notice(pd.DataFrame({"tau": [0.5, -1.2]})), distances_notice(pd.DataFrame({"tau": [4.0]}))
    (False, True)
    """
    smallest = stats.chi2(len(z)).sf(np.square(_finite("z", z)).sum().max())
    return bool(smallest < LEVEL / z.shape[1])


def sets_needed(
    notices: Callable[[pd.DataFrame], bool], table: pd.DataFrame, *, studies: int = 100, seed: int = SEED
) -> float:
    """Smallest number of data sets with which a test notices a fault in nine of ten studies.

    Parameters
    ----------
    notices : callable
        `ranks_notice` or `distances_notice`.
    table : pandas.DataFrame
        What it takes, for many data sets, of which studies are drawn at random.
    studies : int
        How many of each size.
    seed : int

    Returns
    -------
    float
        One of `SIZES`; infinite where none that is at most half of the data sets is enough.

    Examples
    --------
    >>> sets_needed(distances_notice, pd.DataFrame({"tau": np.full(100, 5.0)}))
    1.0
    """
    rng = np.random.default_rng(seed)
    for size in SIZES:
        if size > len(table) / 2:
            break
        rows = (rng.choice(len(table), size, replace=False) for _ in range(studies))
        if np.mean([notices(table.iloc[row]) for row in rows]) >= POWER:
            return float(size)
    return np.inf


def faults(sets: int = 5000, *, ess: int = 400, seed: int = FAULT_SEED) -> pd.DataFrame:
    """How many data sets each fault takes, by ranks and by distances from the exact posterior.

    The faults are those of exact posteriors, so that nothing but the fault is wrong. The sampled mean of a
    fit with `ess` effective draws is theirs plus Normal noise.

    Parameters
    ----------
    sets : int
        Simulated data sets.
    ess : int
        Effective draws of a fit.
    seed : int

    Returns
    -------
    pandas.DataFrame
        Indexed by fault: ``ranks`` and ``distances``, numbers of data sets; the mean ``shift`` of the
        posterior mean of tau, in its sds.
    """
    case = CASES["schools_noncentred"]
    pairs = simulate(case, sets, seed=seed)
    rng = np.random.default_rng(seed)
    right = [_moments(case.solve(data)) for _, data in pairs]
    rows = {}
    for name, solve in FAULTS.items():
        places, z, shifts = [], [], []
        for (truth, data), moments in zip(pairs, right, strict=True):
            marginals = solve(data)
            places.append({one: marginals[one].cdf(truth[one]) for one in moments})
            shift = {one: (marginals[one].mean() - mean) / sd for one, (mean, sd) in moments.items()}
            noise = {one: rng.normal(0, marginals[one].sd() / sd) for one, (_, sd) in moments.items()}
            z.append({one: shift[one] * np.sqrt(ess) + noise[one] for one in moments})
            shifts.append(shift["tau"])
        rows[name] = {
            "ranks": sets_needed(ranks_notice, pd.DataFrame(places), studies=400),
            "distances": sets_needed(distances_notice, pd.DataFrame(z), studies=400),
            "shift": np.mean(shifts),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("fault")


def _moments(marginals):
    """Mean and sd of what is watched."""
    return {name: (marginals[name].mean(), marginals[name].sd()) for name in watched(marginals)}


# What was recorded -----------------------------------------------------------------------------


def recorded() -> pd.DataFrame:
    """Read the recorded fits: ``model`` and the columns of `sampled_places`.

    Returns
    -------
    pandas.DataFrame

    Examples
    --------
    >>> set(recorded()["model"]) == set(CASES)
    True
    """
    return records.read("calibration")


def recorded_faults() -> pd.DataFrame:
    """Read what `faults` gave.

    Returns
    -------
    pandas.DataFrame

    Examples
    --------
    >>> list(recorded_faults().index) == list(FAULTS)
    True
    """
    return records.read("faults", index_col="fault")
