"""What a sampler reports about the section's models, seed by seed.

Divergences, effective sample sizes and R-hat have no true value: they vary from run to run. A stated
one can only be held against the range that many runs span. `measure` makes one run; ``make study``
makes them all and writes ``tooling/audit/data/runs.csv``, which `recorded` reads.
"""

import warnings
from functools import cache
from importlib.resources import files

import arviz as az
import numpy as np
import pandas as pd

from support import datasets, models
from support.conventions import INTERVAL
from support.sampling import SAMPLERS, sample

# Chosen before any run was looked at: the source's seed and those that follow it.
SEEDS = tuple(range(42, 62))
COVARIATE_SEED = 42


def measure(sampler: str, seed: int) -> dict[str, float]:
    """Fit the models of the section once, and return what can be said about the draws.

    Parameters
    ----------
    sampler : {"nutpie", "pymc"}
    seed : int

    Returns
    -------
    dict
        Values named ``fit/statistic`` or ``fit/quantity/statistic``, for example
        ``centred-0.90/divergences`` and ``non-centred/tau/ess_bulk``.

    Examples
    --------
    >>> values = measure("nutpie", 42)  # doctest: +SKIP
    >>> values["non-centred/tau/ess_bulk"] > values["centred-0.90/tau/ess_bulk"]  # doctest: +SKIP
    True
    """
    schools = datasets.eight_schools()
    covariate = datasets.simulate_schools_with_covariate(np.random.default_rng(COVARIATE_SEED))
    settings = {"sampler": sampler, "seed": seed, "report": False}
    values = {}
    for target in (0.90, 0.95, 0.99):
        fit = sample(models.schools_centred(schools), target_accept=target, **settings)
        values |= _geometry(f"centred-{target:.2f}", fit) | _diagnostics(
            f"centred-{target:.2f}", fit, ["tau"]
        )
    partial = sample(models.schools_noncentred(schools), log_likelihood=True, **settings)
    values |= _geometry("non-centred", partial) | _diagnostics("non-centred", partial, ["mu", "tau", "theta"])
    complete = sample(models.schools_complete(schools), log_likelihood=True, **settings)
    none = sample(models.schools_none(schools), log_likelihood=True, **settings)
    values |= _comparison({"partial pooling": partial, "no pooling": none, "complete pooling": complete})
    survey = sample(models.survey_hierarchical(datasets.survey()), **settings)
    values |= _diagnostics("survey", survey, ["alpha", "pi0"])
    fit = sample(models.schools_covariate(covariate), **settings)
    values |= _diagnostics("covariate", fit, ["mu", "beta", "tau"])
    return values


def recorded() -> pd.DataFrame:
    """Read the recorded runs: one row per sampler and seed, one column per value of `measure`.

    Returns
    -------
    pandas.DataFrame
        Indexed by sampler and seed.

    Examples
    --------
    >>> int(recorded().loc["nutpie"].index[0])
    42
    """
    return _read().copy()


@cache
def _read():
    with (files("tooling.audit") / "data" / "runs.csv").open(encoding="utf8") as file:
        return pd.read_csv(file, index_col=["sampler", "seed"])


def tasks():
    """Sampler and seed of every run of the study."""
    return [(sampler, seed) for sampler in SAMPLERS for seed in SEEDS]


def _diagnostics(fit_name, fit, quantities):
    """Divergences, and for each quantity R-hat and effective sample sizes."""
    values = {f"{fit_name}/divergences": int(fit["sample_stats"]["diverging"].sum())}
    posterior = fit["posterior"].to_dataset()[quantities]
    statistics = {
        "r_hat": az.rhat(posterior),
        "ess_bulk": az.ess(posterior, method="bulk"),
        # ArviZ's own default is the 11% and 89% quantiles; the definition has 5% and 95%.
        "ess_tail": az.ess(posterior, method="tail", prob=(0.05, 0.95)),
    }
    for statistic, result in statistics.items():
        for name in quantities:
            for label, value in _entries(result[name]):
                digits = 4 if statistic == "r_hat" else 0
                values[f"{fit_name}/{name}{label}/{statistic}"] = round(value, digits)
    return values


def _entries(array):
    """Label in brackets and value of each entry of an array with at most one dim."""
    if array.ndim == 0:
        return [("", float(array))]
    return [(f"[{label}]", float(value)) for label, value in array.to_series().items()]


def _geometry(fit_name, fit):
    """Where a fit of Eight Schools went, how it fared there, and how long its trajectories were."""
    tau = fit["posterior"]["tau"].values
    diverging = fit["sample_stats"]["diverging"].values.astype(bool)
    steps = fit["sample_stats"]["n_steps"].values
    lower, upper = az.hdi(tau.ravel(), prob=INTERVAL)
    values = {
        "tau_mean": tau.mean(),
        "tau_below_1": (tau < 1).mean(),
        "tau_hdi_lower": lower,
        "tau_hdi_upper": upper,
        # The chain stays near the point from which a divergent trajectory set out.
        "tau_at_divergences": np.median(tau[diverging]) if diverging.any() else np.nan,
        "steps_mean": steps.mean(),
        "steps_5_to_20": ((steps >= 5) & (steps <= 20)).mean(),
    }
    return {f"{fit_name}/{name}": round(float(value), 4) for name, value in values.items()}


def _comparison(fits):
    """What az.compare reports, and how many schools have a Pareto k above 0.7."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter")
        table = az.compare(fits, round_to="none")
        pareto_k = {name: az.loo(fit, pointwise=True).pareto_k for name, fit in fits.items()}
    columns = {"rank": "rank", "elpd": "elpd_loo", "weight": "weight", "se": "se", "dse": "dse"}
    values = {}
    for name in fits:
        for column, statistic in columns.items():
            values[f"loo/{name}/{statistic}"] = round(float(table.loc[name, column]), 4)
        values[f"loo/{name}/k_above_0.7"] = int((pareto_k[name] > 0.7).sum())
    return values
