"""What a sampler reports about the section's models, seed by seed.

Divergences, effective sample sizes and R-hat have no true value: they vary from run to run. A stated
one can only be held against the range that many runs span. `measure` makes one run; ``make study``
makes them all and writes ``tooling/audit/data/runs.csv``, which `recorded` reads.

How to read a range: had the stated run been one more of n runs like ours, it would lie outside of their range
with probability 2 / (n + 1), whatever the distribution. So to lie inside shows nothing but that the number
is possible; to lie outside of many runs is evidence that it comes from other software or another model.
"""

import warnings

import arviz as az
import numpy as np
import pandas as pd

from support import datasets, models
from support.conventions import INTERVAL, TAILS
from support.sampling import SAMPLERS, sample
from tooling.audit import builders, records

# Chosen before any run was looked at: the source's seed and those that follow it.
SEEDS = tuple(range(42, 62))
# More seeds for the two forms of Eight Schools, on which most of the stated diagnostics are.
MORE_SEEDS = tuple(range(62, 72))
# What the compiled code is for: the machine's own processor, or any of its family. The draws differ.
PROCESSORS = ("native", "generic")
SEEDS_GENERIC = tuple(range(42, 47))
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
    values, partial = _parameterisations(settings)
    for target in (0.95, 0.99):
        values |= _centred(target, settings)
    complete = sample(builders.schools_complete(schools), log_likelihood=True, **settings)
    none = sample(builders.schools_none(schools), log_likelihood=True, **settings)
    values |= _comparison({"partial pooling": partial, "no pooling": none, "complete pooling": complete})
    values |= _counts(settings)
    fit = sample(builders.schools_covariate(covariate), **settings)
    values |= _diagnostics("covariate", fit, ["mu", "beta", "tau"])
    return values


def measure_parameterisations(sampler: str, seed: int) -> dict[str, float]:
    """Fit only the two forms of Eight Schools, at a target of 0.90, and return what `measure` says of them.

    Parameters
    ----------
    sampler : {"nutpie", "pymc"}
    seed : int

    Returns
    -------
    dict

    Examples
    --------
    >>> values = measure_parameterisations("nutpie", 42)  # doctest: +SKIP
    >>> values["non-centred/tau/ess_bulk"] > values["centred-0.90/tau/ess_bulk"]  # doctest: +SKIP
    True
    """
    return _parameterisations({"sampler": sampler, "seed": seed, "report": False})[0]


def _parameterisations(settings):
    """What can be said of the centred and the non-centred fit at 0.90, and the latter."""
    fit = sample(models.schools_noncentred(datasets.eight_schools()), log_likelihood=True, **settings)
    quantities = ["mu", "tau", "theta"]
    values = _geometry("non-centred", fit) | _diagnostics("non-centred", fit, quantities)
    return _centred(0.90, settings) | values, fit


def _counts(settings):
    """What can be said of the survey and of the hospitals, with the groups whose widths the source states."""
    fit = sample(models.survey_hierarchical(datasets.survey()), **settings)
    values = _diagnostics("survey", fit, ["alpha", "pi0"])
    region = fit["posterior"].to_dataset()[["pi"]].sel(region="region 5", drop=True)
    values |= _effective_for_width("survey/region 5", region)
    fit = sample(models.hospitals_hierarchical(datasets.hospitals()), **settings)
    values |= _diagnostics("hospitals", fit, ["lam"])
    return values | _effective_for_width("hospitals", fit["posterior"].to_dataset()[["lam"]])


def _effective_for_width(fit_name, draws):
    """Effective draws for the width of the central 89% interval: harmonic mean of those for its ends."""
    lower, upper = (az.ess(draws, method="quantile", prob=tail) for tail in TAILS)
    ess = 2 / (1 / lower + 1 / upper)
    return {
        f"{fit_name}/{name}{label}/ess_width": round(value)
        for name in draws.data_vars
        for label, value in _entries(ess[name])
    }


def _centred(target, settings):
    """What can be said of a centred fit."""
    name = f"centred-{target:.2f}"
    fit = sample(builders.schools_centred(datasets.eight_schools()), target_accept=target, **settings)
    return _geometry(name, fit) | _diagnostics(name, fit, ["tau"])


def recorded() -> pd.DataFrame:
    """Read the recorded runs, one column per value of `measure`.

    Returns
    -------
    pandas.DataFrame
        Indexed by sampler, processor and seed. A value is NaN where a run did not measure it.

    Examples
    --------
    >>> recorded().index[0]
    ('nutpie', 'native', 42)
    """
    return records.read("runs", index_col=("sampler", "processor", "seed"))


def title(table):
    """How many seeds of each sampler, and with code for which processor, a table of runs has."""
    counts = table.groupby(level=["sampler", "processor"]).size()
    return ", ".join(f"{n} seeds of {sampler} with {kind} code" for (sampler, kind), n in counts.items())


def tasks(processor):
    """Runs of the study on one kind of processor: sampler, seed, and whether all models are fitted."""
    if processor == "generic":
        return [(sampler, seed, False) for sampler in SAMPLERS for seed in SEEDS_GENERIC]
    return [(sampler, seed, seed in SEEDS) for sampler in SAMPLERS for seed in SEEDS + MORE_SEEDS]


def _diagnostics(fit_name, fit, quantities):
    """Divergences, and for each quantity R-hat and effective sample sizes."""
    divergences = {f"{fit_name}/divergences": int(fit["sample_stats"]["diverging"].sum())}
    return divergences | _quantities(fit_name, fit["posterior"].to_dataset()[quantities])


def _quantities(fit_name, draws):
    """R-hat and effective sample sizes of all draws."""
    values = {}
    statistics = {
        "r_hat": az.rhat(draws),
        "ess_bulk": az.ess(draws, method="bulk"),
        # ArviZ's own default is the 11% and 89% quantiles; the definition has 5% and 95%.
        "ess_tail": az.ess(draws, method="tail", prob=(0.05, 0.95)),
    }
    for statistic, result in statistics.items():
        for name in draws.data_vars:
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
    if fit_name == "centred-0.90":  # where divergences are many
        moved = np.diff(tau, axis=1) != 0
        values["moved_at_divergences"] = moved[diverging[:, 1:]].mean()
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
