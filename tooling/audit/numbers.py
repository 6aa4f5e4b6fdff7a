"""A verdict, computed, on each of the numbers that Section 5.8 states.

``tooling/audit/data/stated.yaml`` keeps the numbers as they are printed. For each group of them one function
below computes what is true. `judge` compares the two.
"""

import math
import re
import warnings
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr
import yaml
from scipy import stats
from scipy.optimize import minimize

import hierarchical_exact as exact
from hierarchical_exact import Marginal, Posterior
from support import datasets
from support.conventions import INTERVAL, TAILS
from support.monte_carlo import monte_carlo_error, shortest_interval
from tooling.audit import runs
from tooling.audit.posteriors import (
    covariate_posterior,
    hospitals_posterior,
    schools_posterior,
    strategies,
    survey_posterior,
)

VERDICTS = (
    "reproduced",
    "agrees",
    "run-dependent, inside",
    "run-dependent, outside",
    "not reproduced",
)

DRAWS = 8000
# Monte Carlo standard errors; fewer than for the samples of the pages, as there are fewer numbers to judge.
ALLOWED = 4.0


@dataclass(frozen=True)
class Fixed:
    """A true value.

    Attributes
    ----------
    value : float
    error : float
        Monte Carlo standard error of an estimate of it, with as many effective draws as the source states,
        or as the recorded runs have where it states none; for leave-one-out, the root mean square distance
        of runs from the value.
    own_error : float or None
        The same, with as many effective draws as the recorded runs have in the middle run, where the
        source states another number.
    """

    value: float
    error: float = 0.0
    own_error: float | None = None


@dataclass(frozen=True)
class Seen:
    """The smallest and the largest value in the recorded runs, of a quantity without a true value."""

    low: float
    high: float


Truth = Fixed | Seen


# The stated numbers and their verdicts -----------------------------------------------------


@cache
def stated() -> list[dict]:
    """Read the stated numbers, as text.

    Returns
    -------
    list of dict
        One per group: id, where (in the source), page (of this book), columns, rows.

    Examples
    --------
    >>> stated()[0]["rows"]["H"]
    ['0.90', '8.4']
    """
    with (files("tooling.audit") / "data" / "stated.yaml").open(encoding="utf8") as file:
        return yaml.load(file, yaml.BaseLoader)


def group_named(name: str) -> dict:
    """A group of stated numbers.

    Examples
    --------
    >>> group_named("exercise-4-width-ratio")["rows"]
    {'school 9 over school E': ['1.52']}
    """
    return next(group for group in stated() if group["id"] == name)


def number(group: dict, row: str, column: str) -> float:
    """A stated number of a group.

    Examples
    --------
    >>> number(group_named("example-shrinkage"), "H", "B")
    0.9
    """
    return float(group["rows"][row][group["columns"].index(column)])


def judge(text: str, truth: Truth) -> str:
    """Compare a stated number with the truth.

    Parameters
    ----------
    text : str
        The number as printed: its decimals say how finely it was stated.
    truth : Fixed or Seen

    Returns
    -------
    str
        ``reproduced``: the true value, rounded as printed. ``agrees``: within half a unit of the last digit
        and 4 Monte Carlo standard errors. ``not reproduced``: neither.
        ``run-dependent, inside`` or ``outside``: in or out of the range of the recorded runs.

    Raises
    ------
    ValueError
        If `text` is not a number in decimals, or `truth` not finite.

    Examples
    --------
    >>> judge("0.69", Fixed(81 / 117))
    'reproduced'
    >>> judge("6.49", Fixed(6.644))
    'not reproduced'
    >>> judge("27", Seen(19, 56))
    'run-dependent, inside'
    """
    # Exponents have decimals of their own, which nobody would count.
    if not re.fullmatch(r"-?\d+(\.\d+)?", text, re.ASCII):
        raise ValueError(f"text is {text!r}: give a number as it is printed, such as '8.00'")
    known = (truth.low, truth.high) if isinstance(truth, Seen) else (truth.value, truth.error)
    if not np.isfinite(known).all():
        raise ValueError(f"truth is {truth}: give finite numbers; an endless error agrees with anything")
    value = float(text)
    # Half a unit of the last digit, and a trifle for the representation of decimals.
    half = 0.5 * 10.0 ** -decimals(text) * (1 + 1e-9)
    if isinstance(truth, Seen):
        inside = truth.low - half <= value <= truth.high + half
        return "run-dependent, inside" if inside else "run-dependent, outside"
    distance = abs(value - truth.value)
    if distance <= half:
        return "reproduced"
    return "agrees" if distance <= half + ALLOWED * truth.error else "not reproduced"


def decimals(text: str) -> int:
    """Decimals of a printed number.

    Examples
    --------
    >>> decimals("8.00"), decimals("27")
    (2, 0)
    """
    return len(text.partition(".")[2])


@cache
def verdicts() -> pd.DataFrame:
    """Judge every stated number.

    Returns
    -------
    pandas.DataFrame
        One row per number: group, where, page, row, column, stated (text), true, low, high, error, z,
        verdict and own_verdict. ``true`` is NaN where there is no true value; then low and high are the
        range of the recorded runs. ``z`` is the distance in standard errors, NaN where nothing is
        estimated. ``own_verdict`` is what the verdict would be with the effective draws of the recorded
        runs in place of those that the source states.

    Raises
    ------
    ValueError
        If a group has no function that computes its truth, or a number has no truth.

    Examples
    --------
    >>> table = verdicts()
    >>> len(table)
    292
    """
    rows = []
    for group in stated():
        if group["id"] not in _TRUTHS:
            raise ValueError(
                f"stated.yaml: no truth is computed for {group['id']!r}: add a function to _TRUTHS"
            )
        truths = _TRUTHS[group["id"]](group)
        for row, texts in group["rows"].items():
            for column, text in zip(group["columns"], texts, strict=True):
                if (row, column) not in truths:
                    raise ValueError(f"stated.yaml: {group['id']} has no truth for {row}, {column}")
                rows.append(_verdict(group, row, column, text, truths[row, column]))
    return pd.DataFrame(rows)


def _verdict(group, row, column, text, truth):
    """One row of the table."""
    known = isinstance(truth, Fixed)
    estimated = known and truth.error > 0
    return {
        "group": group["id"],
        "where": group["where"],
        "page": group["page"],
        "row": row,
        "column": column,
        "stated": text,
        "true": truth.value if known else np.nan,
        "low": np.nan if known else truth.low,
        "high": np.nan if known else truth.high,
        "error": truth.error if known else np.nan,
        "z": (float(text) - truth.value) / truth.error if estimated else np.nan,
        "verdict": judge(text, truth),
        "own_verdict": judge(text, _with_own_error(truth)),
    }


def _with_own_error(truth):
    """The truth, with the error of the recorded runs where the source states another."""
    if isinstance(truth, Fixed) and truth.own_error is not None:
        return replace(truth, error=truth.own_error)
    return truth


# Monte Carlo errors ------------------------------------------------------------------------


# Both of its ends are asked for in a row.
@lru_cache(maxsize=4)
def _hdi(marginal):
    return marginal.hdi(INTERVAL)


def central_width(draws: np.ndarray) -> float:
    """Width of the central 89% interval of draws of one quantity.

    Examples
    --------
    >>> round(float(central_width(np.arange(1001.0))), 6)
    890.0
    """
    return np.ptp(np.quantile(draws, TAILS))


_STATISTICS = {
    "sd": lambda draws: draws.std(ddof=1),
    "hdi_lower": lambda draws: shortest_interval(draws)[0],
    "hdi_upper": lambda draws: shortest_interval(draws)[1],
    "lower": lambda draws: np.quantile(draws, TAILS[0]),
    "upper": lambda draws: np.quantile(draws, TAILS[1]),
    "width": central_width,
}


def summary_truth(marginal: Marginal, statistic: str, ess: float, own_ess: float | None = None) -> Fixed:
    """Exact statistic of a scalar quantity, with the Monte Carlo error of `ess` draws.

    Parameters
    ----------
    marginal : Marginal
    statistic : {"mean", "sd", "hdi_lower", "hdi_upper", "lower", "upper", "width"}
        The ends of the 89% highest density interval, and those and the width of the central one.
    ess : float
        Effective draws that the source states.
    own_ess : float, optional
        Those of the recorded runs.

    Returns
    -------
    Fixed
    """
    sizes = [ess] if own_ess is None else [ess, own_ess]
    if statistic == "mean":
        return Fixed(marginal.mean(), *(marginal.sd() / math.sqrt(size) for size in sizes))
    if statistic == "sd":
        value = marginal.sd()
    elif statistic.startswith("hdi"):
        value = float(_hdi(marginal).sel(ci_bound=statistic.removeprefix("hdi_")))
    else:
        lower, upper = np.asarray(marginal.quantile(TAILS))
        value = float({"lower": lower, "upper": upper, "width": upper - lower}[statistic])
    errors = [monte_carlo_error(_STATISTICS[statistic], marginal, draws=size) for size in sizes]
    return Fixed(value, *errors)


def marginal_of(posterior: Posterior, quantity: str) -> Marginal:
    """Marginal of a quantity such as ``tau`` or ``theta[E]``.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from support.conventions import MU_PRIOR, TAU_PRIOR
    >>> schools = datasets.eight_schools()
    >>> posterior = exact.normal(schools["effect"], schools["standard_error"], mu=MU_PRIOR, tau=TAU_PRIOR)
    >>> round(marginal_of(posterior, "theta[E]").mean(), 2)
    5.53
    """
    name, _, label = quantity.rstrip("]").partition("[")
    if not label:
        return posterior[name]
    dim = posterior[name].mean().dims[-1]
    return posterior[name].sel(**{dim: label})


# What is true of each group ----------------------------------------------------------------


def _seen(column):
    """Range of a quantity over all recorded runs, both samplers together."""
    values = runs.recorded()[column].to_numpy()
    return Seen(float(np.nanmin(values)), float(np.nanmax(values)))


def _own_ess(column):
    """Effective draws in the middle one of the recorded runs."""
    return float(runs.recorded()[column].median())


# The effective draws that stand behind a statistic.
_BEHIND = {"mean": "ess_bulk", "sd": "ess_bulk"} | dict.fromkeys(
    ("hdi_lower", "hdi_upper", "lower", "upper", "width"), "ess_tail"
)


def _fit_summary(posterior, fit):
    """Truths of a printed summary of a fit, whose labels are those of the posterior."""

    def truths(group):
        result = {}
        for row in group["rows"]:
            marginal = marginal_of(posterior(), row)
            for statistic in ("mean", "sd", "hdi_lower", "hdi_upper"):
                kind = _BEHIND[statistic]
                sizes = number(group, row, kind), _own_ess(f"{fit}/{row}/{kind}")
                result[row, statistic] = summary_truth(marginal, statistic, *sizes)
            for statistic in ("r_hat", "ess_bulk", "ess_tail"):
                result[row, statistic] = _seen(f"{fit}/{row}/{statistic}")
        return result

    return truths


def _shrink(y, sigma, *, mu=8.0, tau=6.0):
    """Shrinkage factor and shrunken estimate, for mu and tau as the source rounds them."""
    factor = sigma**2 / (sigma**2 + tau**2)
    return factor, (1 - factor) * y + factor * mu


def _example_shrinkage(group):
    schools = datasets.eight_schools()
    factor, shrunk = _shrink(schools["effect"], schools["standard_error"])
    result = {}
    for row in group["rows"]:
        result[row, "B"] = Fixed(factor.sel(school=row).item())
        result[row, "shrunk"] = Fixed(shrunk.sel(school=row).item())
    return result


def _eight_schools_data(group):
    schools = datasets.eight_schools()
    return {
        (row, column): Fixed(schools[column].sel(school=row).item())
        for row in group["rows"]
        for column in group["columns"]
    }


_FITS = {"centred": "centred-0.90", "non-centred": "non-centred"}


def _eight_schools_diagnostics(group):
    result = {}
    for row in group["rows"]:
        result[row, "divergences"] = _seen(f"{_FITS[row]}/divergences")
        result[row, "ess_tau"] = _seen(f"{_FITS[row]}/tau/ess_bulk")
    return result


def _eight_schools_predictive(group):
    observed = datasets.eight_schools()["effect"]
    summary = group_named("eight-schools-summary")
    result = {}
    for row in group["rows"]:
        # A replicated effect adds independent noise to a draw of theta, whose draws are the fewer.
        sizes = (
            number(summary, f"theta[{row}]", "ess_bulk"),
            _own_ess(f"non-centred/theta[{row}]/ess_bulk"),
        )
        marginal = schools_posterior()["y_rep"].sel(school=row)
        result[row, "observed"] = Fixed(observed.sel(school=row).item())
        result[row, "replicated_mean"] = summary_truth(marginal, "mean", *sizes)
        result[row, "replicated_sd"] = summary_truth(marginal, "sd", *sizes)
    return result


def _survey_counts(group):
    counts = datasets.simulate_survey(np.random.default_rng(2025))["count"]
    return {
        (row, column): Fixed(counts.sel(region=row, response=column).item())
        for row in group["rows"]
        for column in group["columns"]
    }


def _survey_interval_widths(group):
    counts = datasets.survey()["count"].sel(region="region 5")
    pi = survey_posterior()["pi"].sel(region="region 5")
    result = {}
    for row in group["rows"]:
        own = 1 + counts.sel(response=row).item()
        alone = exact.marginal(stats.beta(own, 4 + counts.sum().item() - own))
        result[row, "no_pooling"] = summary_truth(alone, "width", DRAWS)
        ess = _own_ess(f"survey/region 5/pi[{row}]/ess_width")
        result[row, "hierarchical"] = summary_truth(pi.sel(response=row), "width", ess)
    return result


def _loo_comparison(group):
    names = {"partial pooling": "partial", "no pooling": "none", "complete pooling": "complete"}
    elpd = {row: strategies()[name].elpd_loo for row, name in names.items()}
    total = {name: values.sum().item() for name, values in elpd.items()}
    ranking = sorted(total, key=total.get, reverse=True)
    # The source's table ranks this first, so that its differences are those from it.
    reference = next(row for row in group["rows"] if number(group, row, "rank") == 0)
    weight = stacking_weights(elpd)
    result = {}
    for row in group["rows"]:
        true = {
            "elpd_loo": total[row],
            "weight": round(weight[row], 6),
            # ArviZ divides by n - 1 here, and by n for differences.
            "se": math.sqrt(elpd[row].size) * elpd[row].std(ddof=1).item(),
        }
        for column, value in true.items():
            # The error of an estimate by importance sampling has no simple form: take that of the runs.
            estimates = runs.recorded()[f"loo/{row}/{column}"]
            result[row, column] = Fixed(value, math.sqrt(((estimates - value) ** 2).mean()))
        result[row, "rank"] = Fixed(ranking.index(row))
        result[row, "dse"] = _error_of_difference(names[row], names[reference])
    return result


def _error_of_difference(name, reference):
    """Standard error of a difference in elpd, and how far estimates of it lie off.

    az.compare takes differences from the model that it ranks first, which in the recorded runs is another
    than in the source's. So the estimates are made here, from draws of the exact posteriors.
    """

    def standard_error(difference):
        return math.sqrt(difference.shape[-1]) * np.std(difference, axis=-1)

    value = float(standard_error((strategies()[name].elpd_loo - strategies()[reference].elpd_loo).values))
    estimates = standard_error(_estimated_elpd(name) - _estimated_elpd(reference))
    return Fixed(value, math.sqrt(np.mean(np.square(estimates - value))))


@cache
def _estimated_elpd(name):
    """Twenty estimates of a model's leave-one-out densities, (20, school), each from draws of its own."""
    schools, estimates = datasets.eight_schools(), []
    effect, error = schools["effect"].values, schools["standard_error"].values
    for repetition in range(20):
        rng = np.random.default_rng([repetition, list(strategies()).index(name)])
        theta = strategies()[name].sample(DRAWS, rng)["theta"].values.reshape(4, -1, effect.size)
        log_likelihood = stats.norm.logpdf(effect, theta, error)
        draws = az.from_dict({"posterior": {"theta": theta}, "log_likelihood": {"y": log_likelihood}})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Estimated shape parameter")
            estimates.append(az.loo(draws, pointwise=True).elpd_i.values)
    return np.array(estimates)


def stacking_weights(elpd: dict[str, xr.DataArray]) -> dict[str, float]:
    """Weights of the mixture of models that would have predicted the left-out groups best.

    Parameters
    ----------
    elpd : dict of xarray.DataArray
        Leave-one-out log predictive density of each group, per model.

    Returns
    -------
    dict of float
        They sum to 1 (Yao et al., 2018, *Bayesian Analysis* 13(3), equation 4).

    Examples
    --------
    >>> better, worse = xr.DataArray([-1.0, -2.0]), xr.DataArray([-2.0, -3.0])
    >>> round(stacking_weights({"better": better, "worse": worse})["better"], 6)
    1.0
    """
    density = np.exp(np.stack([values.values for values in elpd.values()]))
    start = np.full(len(elpd), 1 / len(elpd))
    result = minimize(
        lambda weights: -np.log(weights @ density).sum(),
        start,
        jac=lambda weights: -(density / (weights @ density)).sum(axis=1),
        bounds=[(0, 1)] * len(elpd),
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-12},
    )
    return dict(zip(elpd, result.x.tolist(), strict=True))


def _exercise_1_factors(group):
    schools = datasets.eight_schools()
    factor, _ = _shrink(schools["effect"], schools["standard_error"])
    # Schools with equal factors keep the order of the data, as in the source.
    ranking = factor["school"].values[np.argsort(-factor.values, kind="stable")].tolist()
    result = {(row, "B"): Fixed(factor.sel(school=row).item()) for row in group["rows"]}
    return result | {(row, "rank"): Fixed(ranking.index(row) + 1) for row in group["rows"]}


def _exercise_1_estimates(group):
    schools = datasets.eight_schools()
    _, shrunk = _shrink(schools["effect"], schools["standard_error"])
    return {(row, "shrunk"): Fixed(shrunk.sel(school=row).item()) for row in group["rows"]}


def _exercise_1_school_a(_group):
    schools = datasets.eight_schools().sel(school="A")
    effect = schools["effect"].item()
    _, shrunk = _shrink(effect, schools["standard_error"].item())
    return {("reduction", "percent"): Fixed(100 * (effect - shrunk) / effect)}


def _exercise_1_precise_school(_group):
    factor, _ = _shrink(0.0, 5.0)
    return {
        ("school I", "B"): Fixed(factor),
        ("school I", "percent_own_data"): Fixed(100 * (1 - factor)),
    }


def _exercise_2_diagnostics(group):
    result = {}
    for row in group["rows"]:
        result[row, "divergences"] = _seen(f"{_FITS[row]}/divergences")
        result[row, "r_hat"] = _seen(f"{_FITS[row]}/tau/r_hat")
        result[row, "ess"] = _seen(f"{_FITS[row]}/tau/ess_bulk")
        sizes = number(group, row, "ess"), _own_ess(f"{_FITS[row]}/tau/ess_tail")
        for end in ("hdi_lower", "hdi_upper"):
            result[row, end] = summary_truth(schools_posterior()["tau"], end, *sizes)
    return result


def _exercise_3_data(group):
    hospitals = datasets.simulate_hospitals(np.random.default_rng(42))
    return {
        (row, column): Fixed(hospitals[column].sel(hospital=row).item())
        for row in group["rows"]
        for column in group["columns"]
    }


def _exercise_3_width(_group):
    hospitals = datasets.hospitals().sel(hospital="hospital 5")
    lam = hospitals_posterior()["lam"].sel(hospital="hospital 5")
    # Without pooling the source takes a Gamma(1, 0.5) prior; the posterior is a Gamma again.
    alone = exact.marginal(
        stats.gamma(1 + hospitals["count"].item(), scale=1 / (0.5 + hospitals["exposure"].item()))
    )

    def narrower(pooled, single):
        return 100 * (1 - np.ptp(pooled) / np.ptp(single))

    def narrower_in_draws(pooled, single):
        return narrower(shortest_interval(pooled), shortest_interval(single))

    # Without pooling the draws are taken to be independent, as they nearly are.
    sizes = _own_ess("hospitals/lam[hospital 5]/ess_width"), DRAWS
    error = monte_carlo_error(narrower_in_draws, lam, alone, draws=sizes)
    truth = narrower(lam.hdi(INTERVAL).values, alone.hdi(INTERVAL).values)
    return {("hospital 5", "percent_narrower"): Fixed(float(truth), error)}


def _new_and_old_school():
    """Marginals of the new school and of school E, with the quantity whose draws stand behind them."""
    posterior = schools_posterior()
    return {
        # One draw for each draw of mu and tau, of which tau has the fewer effective ones.
        "school 9": (posterior["theta_new"], "tau"),
        "school E": (posterior["theta"].sel(school="E"), "theta[E]"),
    }


def _sizes(quantity, kind):
    """Effective draws of a quantity of the non-centred fit: stated, and of the recorded runs."""
    stated_size = number(group_named("eight-schools-summary"), quantity, kind)
    return stated_size, _own_ess(f"non-centred/{quantity}/{kind}")


def _exercise_4_new_school(group):
    return {
        (row, statistic): summary_truth(marginal, statistic, *_sizes(quantity, _BEHIND[statistic]))
        for row, (marginal, quantity) in _new_and_old_school().items()
        for statistic in group["columns"]
    }


def _exercise_4_width_ratio(_group):
    marginals, quantities = zip(*_new_and_old_school().values(), strict=True)
    widths = [float(np.diff(np.asarray(marginal.quantile(TAILS)))[0]) for marginal in marginals]
    sizes = zip(*(_sizes(quantity, "ess_tail") for quantity in quantities), strict=True)
    errors = [
        monte_carlo_error(lambda new, old: central_width(new) / central_width(old), *marginals, draws=ess)
        for ess in sizes
    ]
    return {("school 9 over school E", "ratio"): Fixed(widths[0] / widths[1], *errors)}


_TRUTHS = {
    "example-shrinkage": _example_shrinkage,
    "eight-schools-data": _eight_schools_data,
    "eight-schools-summary": _fit_summary(schools_posterior, "non-centred"),
    "eight-schools-diagnostics": _eight_schools_diagnostics,
    "eight-schools-predictive": _eight_schools_predictive,
    "survey-counts": _survey_counts,
    "survey-summary": _fit_summary(survey_posterior, "survey"),
    "survey-interval-widths": _survey_interval_widths,
    "loo-comparison": _loo_comparison,
    "exercise-1-factors": _exercise_1_factors,
    "exercise-1-estimates": _exercise_1_estimates,
    "exercise-1-school-a": _exercise_1_school_a,
    "exercise-1-precise-school": _exercise_1_precise_school,
    "exercise-2-diagnostics": _exercise_2_diagnostics,
    "exercise-3-data": _exercise_3_data,
    "exercise-3-width": _exercise_3_width,
    "exercise-4-new-school": _exercise_4_new_school,
    "exercise-4-width-ratio": _exercise_4_width_ratio,
    "exercise-4-covariate": _fit_summary(covariate_posterior, "covariate"),
}
