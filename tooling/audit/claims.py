"""What the source section claims in words, and whether it is so.

Each claim of ``data/claims.yaml`` has one function here, which computes the numbers that bear on it and
derives the verdict from them: other numbers would give another verdict. Where sampling noise or a
choice of data is unavoidable, the seeds are those of the page that treats the claim. What samplers do is
taken from the recorded runs (`tooling.audit.runs`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr
import yaml
from scipy import stats

import hierarchical_exact as exact
from support import datasets
from support.conventions import INTERVAL, MU_PRIOR, TAILS, TAU_PRIOR
from support.sampling import SAMPLERS
from tooling.audit import runs
from tooling.audit.numbers import group_named, number
from tooling.audit.posteriors import (
    flat_posterior,
    hospitals_posterior,
    schools_posterior,
    strategies,
    survey_posterior,
)

VERDICTS = ("holds", "holds with a condition", "does not hold", "a matter of convention")
HOLDS, WITH_CONDITION, DOES_NOT_HOLD, CONVENTION = VERDICTS


@dataclass(frozen=True)
class Finding:
    """A verdict on a claim, and the numbers that it rests on.

    Attributes
    ----------
    verdict : str
        One of `VERDICTS`.
    evidence : str
        One to three sentences for a reader, with the condition where there is one.
    """

    verdict: str
    evidence: str


def findings() -> pd.DataFrame:
    """Judge every claim.

    Returns
    -------
    pandas.DataFrame
        One row per claim, in the order of ``claims.yaml``: id, where, claim, verdict, evidence, page. The
        page is given as ``folder/file.md#label``.

    Raises
    ------
    ValueError
        If a claim has no check, or a check no claim.

    Examples
    --------
    >>> table = findings().set_index("id")  # doctest: +SKIP
    >>> table.loc["funnel-bias", "verdict"]  # doctest: +SKIP
    'does not hold'
    """
    claims = stated()
    unmatched = sorted({claim["id"] for claim in claims} ^ set(_CHECKS))
    if unmatched:
        raise ValueError(f"claims.yaml and the checks differ in {unmatched}; give each claim one check")
    rows = []
    for claim in claims:
        finding = _finding(claim["id"])
        rows.append(claim | {"verdict": finding.verdict, "evidence": finding.evidence})
    return pd.DataFrame(rows)[["id", "where", "claim", "verdict", "evidence", "page"]]


def stated() -> list[dict]:
    """Read the claims: id, where, claim, page and, for some, facts of each.

    Examples
    --------
    >>> stated()[0]["id"]
    'pooling-compromise'
    """
    return yaml.safe_load((files("tooling.audit") / "data" / "claims.yaml").read_text(encoding="utf8"))


_CHECKS: dict[str, Callable[[], Finding]] = {}


def _judges(claim):
    """Register the check of a claim."""

    def register(check):
        _CHECKS[claim] = check
        return check

    return register


def _judged(evidence, *, plainly, conditionally=False, condition=""):
    """Judge a claim by whether it is true as it stands, or at least under a condition."""
    if plainly:
        return Finding(HOLDS, evidence)
    if conditionally:
        if not condition:
            raise ValueError("condition is empty: say under which condition the claim holds")
        return Finding(WITH_CONDITION, f"Condition: {condition}. {evidence}")
    return Finding(DOES_NOT_HOLD, evidence)


def _by_measure(evidence, holds):
    """Judge a claim by whether it is true by each of several measures."""
    depends = Finding(CONVENTION, f"It depends on the measure. {evidence}")
    return depends if len(set(holds)) > 1 else _judged(evidence, plainly=holds[0])


@cache
def _finding(claim):
    """Judge a claim once."""
    return _CHECKS[claim]()


def _facts(claim):
    """What a claim is about, as the source states it."""
    return next(entry["facts"] for entry in _once() if entry["id"] == claim)


_once = cache(stated)


# -- shared by several claims -----------------------------------------------------------------


@cache
def _schools():
    """Return effects and standard errors of the Eight Schools."""
    schools = datasets.eight_schools()
    return schools["effect"], schools["standard_error"]


def _factor(sigma, tau):
    """Shrinkage factor B."""
    return sigma**2 / (sigma**2 + tau**2)


def _average_factor(sigma, tau):
    """Posterior mean of the shrinkage factor."""
    return tau.expect(lambda value: _factor(sigma, value))


def _width(marginal):
    """Width of the highest-density interval."""
    ends = marginal.hdi(INTERVAL)
    return ends.isel(ci_bound=1) - ends.isel(ci_bound=0)


def _central_width(marginal):
    """Width of the central interval."""
    ends = marginal.quantile(TAILS)
    return ends.isel(quantile=1) - ends.isel(quantile=0)


def _evenly_spread(groups, sd):
    """Effects at the quantiles of a Normal law, with this standard deviation exactly."""
    quantiles = stats.norm.ppf((np.arange(groups) + 0.5) / groups)
    return quantiles / quantiles.std(ddof=1) * sd


def _root_mean_square(errors):
    return float(np.sqrt(np.mean(np.square(errors))))


def _plug_in(y, sigma):
    """REML estimate of tau, and mean and sd of each theta given it (best linear unbiased prediction)."""
    tau = np.linspace(0, 5 * np.std(y), 2001)
    precision = 1 / (sigma**2 + tau[:, None] ** 2)
    mean = (precision * y).sum(axis=1) / precision.sum(axis=1)
    log_restricted = np.log(precision).sum(axis=1) - np.log(precision.sum(axis=1))
    log_restricted -= (precision * (y - mean[:, None]) ** 2).sum(axis=1)
    best = log_restricted.argmax()
    factor = _factor(sigma, tau[best])
    variance = (1 - factor) * sigma**2 + factor**2 / precision[best].sum()
    return tau[best], (1 - factor) * y + factor * mean[best], np.sqrt(variance)


def _recorded(column):
    """One column of the recorded runs, without the runs in which it has no value."""
    return runs.recorded()[column].dropna().to_numpy()


def _in_runs(column):
    """Introduce the recorded runs that have a value in this column to a reader."""
    count = runs.recorded()[column].notna().sum()
    return f"In {count} runs, of {len(SAMPLERS)} samplers,"


def _at(values, school):
    """Value of one school."""
    return values.sel(school=school).item()


# -- 5.8.1 and 5.8.2 --------------------------------------------------------------------------

_EXAM = {"mu": stats.norm(50, 25), "sigma": stats.halfnorm(scale=15)}
_EXAM_TAU = stats.halfnorm(scale=10)
# No pooling, but with one sigma for all instructors.
_EXAM_APART = {"mu": 50.0, "tau": 25.0, "sigma": _EXAM["sigma"]}


@_judges("pooling-compromise")
def _pooling_compromise():
    data = datasets.instructors()
    score, instructor = data["score"], data["instructor"]
    partial = exact.normal_groups(score, instructor, tau=_EXAM_TAU, **_EXAM)["theta"]
    names = partial.mean()["instructor"].values
    alone = [exact.normal_sample(score[instructor == name], **_EXAM)["mu"] for name in names]
    own_sigma = np.array([float(_central_width(marginal)) for marginal in alone])
    one_sigma = _central_width(exact.normal_groups(score, instructor, **_EXAM_APART)["theta"]).values
    pooled = _central_width(partial).values
    low, high = exact.normal_sample(score, **_EXAM)["mu"].quantile(TAILS).values
    truth = data["true_mean"].groupby(instructor).mean()
    missed = ((truth < low) | (truth > high)).sum().item()
    gain = 1 - pooled / one_sigma
    compromise = gain[0] > gain[-1] > 0 and high - low < min(pooled.min(), own_sigma.min()) and missed > 0
    return _judged(
        f"Then pooling narrows the interval of the section of 8 by {gain[0]:.0%} and that of 18 by "
        f"{gain[-1]:.0%}, but widens that of the outlying Instructor 3 by {-gain[2]:.0%}. With a sigma per "
        f"instructor it widens the section of 8 too, from {own_sigma[0]:.1f} points to {pooled[0]:.1f}. "
        f"Complete pooling is narrowest and misses {missed} of 5 true means.",
        plainly=compromise and gain.min() > 0 and own_sigma[0] > pooled[0],
        conditionally=compromise,
        condition="one sigma for all sections, and no outlying section",
    )


@_judges("pooling-new-group")
def _pooling_new_group():
    data, flat = datasets.instructors(), stats.norm(_EXAM_APART["mu"], _EXAM_APART["tau"])
    low, high = flat.ppf(TAILS)
    gains, held = [], 0
    for name in np.unique(data["instructor"]):
        rest = data["instructor"] != name
        fit = exact.normal_groups(data["score"][rest], data["instructor"][rest], tau=_EXAM_TAU, **_EXAM)
        average = data["score"][~rest].mean().item()
        gains.append(np.log(float(fit["theta_new"].pdf(average))) - flat.logpdf(average))
        held += low < average < high
    return _judged(
        f"No pooling does predict, with its prior: from {low:.0f} to {high:.0f} points, whatever the data. "
        f"It holds {held} of the {len(gains)} averages. Each instructor left out in turn, partial pooling "
        f"predicts {(np.array(gains) > 0).sum()} better, its log density higher by {sum(gains):.1f} in all.",
        # Fewer than such intervals would hold by bad luck.
        plainly=sum(gains) > 0 and stats.binom.cdf(held, len(gains), INTERVAL) < 0.01,
        conditionally=sum(gains) > 0,
        condition="to predict means to learn from the data",
    )


@_judges("instructor-sizes")
def _instructor_sizes():
    fewest, most, instructors, small, others = _facts("instructor-sizes").values()
    return _judged(
        f"A section of {small} is not one of {fewest} to {most}. The {small + others} students together "
        f"would fit, since {instructors} such sections hold {fewest * instructors} to {most * instructors}.",
        plainly=fewest <= small <= most and fewest * instructors <= small + others <= most * instructors,
    )


@_judges("marginal-dependence")
def _marginal_dependence():
    mu, tau = stats.norm(0, 20), stats.halfnorm(scale=10)
    marginal = mu.var() / (mu.var() + tau.var() + tau.mean() ** 2)
    pairs = 8 + 6 * np.random.default_rng(5821).normal(size=(2, 200_000))
    given, noise = np.corrcoef(pairs)[0, 1], 1 / np.sqrt(pairs.shape[1])
    return _judged(
        f"With the priors of the Eight Schools, the correlation of two group parameters is {marginal:.2f} "
        f"before any data. Given mu and tau it is zero (simulated: {given:.3f} ± {noise:.3f}).",
        plainly=abs(given) < 4 * noise < marginal,
    )


@_judges("shrinkage-limits")
def _shrinkage_limits():
    noisy, precise = _factor(100, 1), _factor(1, 100)
    rising = (np.diff(_factor(np.geomspace(1e-6, 1e6, 1000), 1.0)) >= 0).all()
    limits = np.allclose([_factor(1e6, 1.0), _factor(1e-6, 1.0)], [1, 0], atol=1e-9)
    return _judged(
        f"B = {noisy:.4f} for sigma = 100 and tau = 1, and {precise:.4f} for sigma = 1 and tau = 100.",
        plainly=rising and limits,
    )


@_judges("school-e-lowest-b")
def _school_e_lowest_b():
    _, error = _schools()
    factor = _factor(error, xr.DataArray(np.linspace(0.1, 50, 500), dims="tau"))
    lowest, highest = set(factor.idxmin("school").values), set(factor.idxmax("school").values)
    at_six = _factor(error, 6.0)
    return _judged(
        f"True for every tau. At tau = 6, B goes from {_at(at_six, 'E'):.2f} (E) to {_at(at_six, 'H'):.2f} "
        "(H).",
        plainly=lowest == {"E"} and highest == {"H"},
    )


# -- 5.8.3 ------------------------------------------------------------------------------------


@_judges("funnel-mechanism")
def _funnel_mechanism():
    median = schools_posterior()["tau"].quantile(0.5)
    at_divergences = _recorded("centred-0.90/tau_at_divergences")
    below = (at_divergences < median).mean()
    return _judged(
        f"{_in_runs('centred-0.90/tau_mean')} the divergences of the centred fit lay at a median tau of "
        f"{np.median(at_divergences):.1f} in the middle run, and below the exact posterior median of "
        f"{median:.1f} in {below:.0%} of the runs that had any.",
        plainly=below >= 0.9,
        conditionally=below >= 0.5,
        condition="in most runs, not in nearly all",
    )


@_judges("target-accept")
def _target_accept():
    columns = {target: f"centred-{target}/divergences" for target in ("0.90", "0.95", "0.99")}
    table = runs.recorded()[list(columns.values())].dropna()
    at = {target: table[column] for target, column in columns.items()}
    fewer = {target: (at[target] < at["0.90"]).mean() for target in ("0.95", "0.99")}
    some = {target: (at[target] > 0).mean() for target in ("0.95", "0.99")}
    share = [*fewer.values(), *some.values()]
    median = {target: np.median(values) for target, values in at.items()}
    return _judged(
        f"{_in_runs(columns['0.99'])} the median number of divergences was {median['0.90']:.0f} at 0.90, "
        f"{median['0.95']:.0f} at 0.95 and {median['0.99']:.0f} at 0.99. There were fewer than at 0.90 in "
        f"{fewer['0.95']:.0%} and {fewer['0.99']:.0%} of the runs, and any at all in {some['0.95']:.0%} and "
        f"{some['0.99']:.0%}.",
        plainly=min(share) == 1,
        conditionally=min(share) > 0.5,
        condition="as a rule, not in every run",
    )


@_judges("funnel-bias")
def _funnel_bias():
    tau = schools_posterior()["tau"]
    grid = np.linspace(0, 1, 1001)
    in_stem = np.trapezoid(grid * tau.pdf(grid), grid)
    without_stem = (tau.mean() - in_stem) / (1 - tau.cdf(1.0))
    sampled, below = _recorded("centred-0.90/tau_mean"), _recorded("centred-0.90/tau_below_1")
    too_large = (sampled > tau.mean()).sum()
    return _judged(
        f"The other way round: the stem is where tau is small. Exactly, tau has the mean {tau.mean():.2f}, "
        f"and {without_stem:.2f} without the {tau.cdf(1.0):.1%} below 1. "
        f"{_in_runs('centred-0.90/tau_mean')} the centred fit at 0.90 gave too large a mean in {too_large} "
        f"({np.median(sampled):.2f} in the middle run, with "
        f"{np.median(below):.1%} of its draws below 1).",
        plainly=without_stem < tau.mean() and too_large < sampled.size / 2,
    )


@_judges("cylinder")
def _cylinder():
    _, error = _schools()
    low, high = schools_posterior()["tau"].quantile(np.array([0.05, 0.95])).values
    # Given mu and tau, theta-tilde has the sd sqrt(B), and theta tau times that.
    raw = np.sqrt(_factor(error, high) / _factor(error, low))
    centred = raw * high / low
    even = (raw > 0.5).all().item()
    divergences = _recorded("non-centred/divergences")
    return _judged(
        f"Between tau = {low:.1f} and {high:.1f} (90% of the posterior) the sd of theta-tilde given mu and "
        f"tau falls to {_at(raw, 'E'):.0%} for E and {_at(raw, 'H'):.0%} for H, that of theta grows "
        f"{_at(centred, 'E'):.0f}- and {_at(centred, 'H'):.0f}-fold. "
        f"{_in_runs('non-centred/divergences')} {(divergences == 0).sum()} had no "
        f"divergence, and the worst {divergences.max():.0f} in 8000 draws.",
        plainly=even and (divergences == 0).all(),
        conditionally=even and np.median(divergences) <= 1,
        condition="few divergences, not none",
    )


@_judges("ess-sixfold")
def _ess_sixfold():
    table = runs.recorded()
    ratio = table["non-centred/tau/ess_bulk"] / table["centred-0.90/tau/ess_bulk"]
    # What is typical lies in the middle half of the runs.
    low, middle, high = ratio.quantile([0.25, 0.5, 0.75])
    return _judged(
        f"{_in_runs('non-centred/tau/ess_bulk')} the ratio was {middle:.1f} in the middle run, between "
        f"{low:.1f} and {high:.1f} in the middle half, and {ratio.min():.1f} to {ratio.max():.1f} "
        "altogether.",
        plainly=low >= 5 and high <= 7,
        conditionally=low <= 6 <= high,
        condition="six is one typical value among others; the ratio is no constant",
    )


@_judges("forest-a-g")
def _forest_a_g():
    (a, g), (flat_a, flat_g) = (
        posterior["theta"].mean().sel(school=["A", "G"]).values
        for posterior in (schools_posterior(), flat_posterior())
    )
    return _judged(
        f"The exact posterior means are {a:.2f} and {g:.2f}. Flat priors would give {flat_a:.2f} and "
        f"{flat_g:.2f}.",
        # The claim rounds to halves.
        plainly=abs(a - 11) <= 0.25 and abs(g - 10.5) <= 0.25,
    )


@_judges("forest-grand-mean")
def _forest_grand_mean():
    effect, _ = _schools()
    mean, mu = schools_posterior()["theta"].mean(), schools_posterior()["mu"].mean()
    between = np.sign(effect - mean) == np.sign(mean - mu)
    return _judged(
        f"The grand mean is {mu:.2f} ({flat_posterior()['mu'].mean():.2f} with flat priors). "
        f"{between.sum().item()} of 8 posterior means lie between it and the school's effect; that of B, "
        f"whose effect is 8, is {_at(mean, 'B'):.2f}.",
        plainly=between.all().item() and round(mu) == 8,
        conditionally=between.all().item(),
        condition=f"about 8 stands for {mu:.1f}",
    )


@_judges("forest-c-e")
def _forest_c_e():
    hdi = schools_posterior()["theta"].hdi(INTERVAL)
    crosses = (hdi.sel(ci_bound="lower") < 0) & (hdi.sel(ci_bound="upper") > 0)
    c, e = (" to ".join(f"{end:.1f}" for end in hdi.sel(school=school).values) for school in "CE")
    return _judged(
        f"The exact 89% intervals are {c} and {e}. But {crosses.sum().item()} of the 8 intervals hold zero.",
        plainly=crosses.sel(school=["C", "E"]).all().item(),
    )


@_judges("forest-widths")
def _forest_widths():
    _, error = _schools()
    smaller, larger = np.nonzero(error.values[:, None] < error.values)

    def reversed_pairs(width):
        return (width.values[smaller] >= width.values[larger]).sum()

    width = _width(schools_posterior()["theta"])
    known_tau = _width(exact.normal(*_schools(), mu=MU_PRIOR, tau=6.0)["theta"])
    return _judged(
        f"{reversed_pairs(width)} of {smaller.size} pairs of schools go the other way: A (sigma 15) is "
        f"{_at(width, 'A'):.2f} wide and H (18) {_at(width, 'H'):.2f}, E (9) {_at(width, 'E'):.2f} and B "
        f"(10) {_at(width, 'B'):.2f}. For a known tau of 6 it would be {reversed_pairs(known_tau)}.",
        plainly=reversed_pairs(width) == 0,
        conditionally=reversed_pairs(known_tau) == 0,
        condition="tau is known",
    )


@_judges("school-b-less")
def _school_b_less():
    effect, error = _schools()
    mean, mu = schools_posterior()["theta"].mean(), schools_posterior()["mu"].mean()
    factor = _average_factor(error, schools_posterior()["tau"])
    points, share = abs(effect - mean), (effect - mean) / (effect - mu)
    noisier = error["school"][error > _at(error, "B")]
    less = [bool((_at(m, "B") < m.sel(school=noisier)).all()) for m in (factor, points, share)]
    evidence = (
        f"B has the average factor {_at(factor, 'B'):.2f}, the noisier schools "
        f"{factor.sel(school=noisier).min().item():.2f} or more. In distance B moves {_at(points, 'B'):.2f} "
        f"points, {_at(share, 'B'):.1%} of its way to the grand mean, and the noisier D "
        f"{_at(points, 'D'):.2f} points, {_at(share, 'D'):.1%}."
    )
    return _by_measure(evidence, less)


@_judges("ppc-sd")
def _ppc_sd():
    _, error = _schools()
    excess = schools_posterior()["y_rep"].sd() / error - 1
    # Relative standard error of the sd of 8000 nearly Normal draws.
    noise = 1 / np.sqrt(2 * 8000)
    return _judged(
        f"The replicated sds are {excess.min().item():.0%} to {excess.max().item():.0%} larger than the "
        f"standard errors, where 8000 draws have a Monte Carlo error of {noise:.1%}.",
        plainly=(excess < 4 * noise).all().item(),
    )


@_judges("nuts-cost")
def _nuts_cost():
    fits = ("non-centred", "centred-0.90", "centred-0.95", "centred-0.99")
    share = {fit: _recorded(f"{fit}/steps_5_to_20") for fit in fits}
    middle = {fit: np.median(values) for fit, values in share.items()}
    return _judged(
        f"{_in_runs('centred-0.99/steps_mean')} {middle['non-centred']:.0%} of its trajectories had 5 to 20 "
        f"steps in the middle run, and at least {share['non-centred'].min():.0%}. In the centred form it was "
        f"{middle['centred-0.90']:.0%} at a target_accept of 0.90 and {middle['centred-0.99']:.0%} at 0.99.",
        plainly=min(middle.values()) > 0.5,
        conditionally=share["non-centred"].min() > 0.5,
        condition="the non-centred form",
    )


@_judges("missing-references")
def _missing_references():
    cited, listed = (set(works) for works in _facts("missing-references").values())
    missing = cited - listed
    return _judged(
        f"Of the {len(cited)} works cited in the source's text, {len(missing)} are not among the "
        f"{len(listed)} of its list. The references of this book have both.",
        plainly=missing == {"GelmanBDA3", "Gelman2006scale"},
    )


# -- 5.8.4 ------------------------------------------------------------------------------------


@_judges("pi0-recovery")
def _pi0_recovery():
    mean, sd = survey_posterior()["pi0"].mean().values, survey_posterior()["pi0"].sd().values
    off = np.abs(mean - datasets.SURVEY_BASELINE)
    printed = datasets.survey()["count"].values
    generated = datasets.simulate_survey(np.random.default_rng(2025))["count"].values
    differ, close = (generated != printed).sum(), (off < sd).all()
    return _judged(
        f"The posterior means are {', '.join(f'{value:.3f}' for value in mean)}, within "
        f"{(off / sd).max():.1f} posterior sds. But the code shown gives {differ} of the {printed.size} "
        "printed counts differently, so that these proportions did not generate them.",
        plainly=close and differ == 0,
        conditionally=close,
        condition="close to them, but not recovered",
    )


@_judges("alpha-about-10")
def _alpha_about_10():
    alpha = survey_posterior()["alpha"]
    error = alpha.sd() / np.sqrt(1547)
    return _judged(
        f"The exact posterior mean is {alpha.mean():.2f}, with an sd of {alpha.sd():.2f}; the Monte Carlo "
        f"error of 1547 effective draws would be {error:.2f}.",
        plainly=round(alpha.mean()) == 10,
    )


@_judges("region-5-widest")
def _region_5_widest():
    count = datasets.survey()["count"]
    size = count.sum("response")
    width = _width(survey_posterior()["pi"])
    weight = survey_posterior()["alpha"].expect(lambda alpha: alpha / (alpha + size))
    moved = abs(survey_posterior()["pi"].mean() - count / size).sum("response") / 2
    widest, narrowest = width.idxmax("region").values, width.idxmin("region").values
    by_weight = (widest == "region 5").all() and weight.idxmax() == "region 5"
    everywhere = (narrowest == "region 2").all() and moved.idxmax() == "region 5"
    on_average = width.mean("response").idxmin() == "region 2"
    return _judged(
        f"Region 5 is widest for {(widest == 'region 5').sum()} of 4 answers, with a weight of the baseline "
        f"of {weight[4].item():.0%} ({weight[1].item():.0%} in region 2); but region 3 moves furthest, by "
        f"{moved[2].item():.3f} against {moved[4].item():.3f}. Region 2 is narrowest for "
        f"{(narrowest == 'region 2').sum()} of 4 answers, and on average.",
        plainly=bool(by_weight and everywhere),
        conditionally=bool(by_weight and on_average),
        condition="pull means weight, not distance, and narrowest means on average over the answers",
    )


@_judges("every-category-narrower")
def _every_category_narrower():
    parameters = 1 + datasets.survey()["count"].sel(region="region 5").values
    share = stats.beta(parameters, parameters.sum() - parameters)
    alone = share.ppf(TAILS[1]) - share.ppf(TAILS[0])
    gain = 1 - _central_width(survey_posterior()["pi"].sel(region="region 5")).values / alone
    return _judged(
        f"Every interval is narrower, but by {gain.min():.0%} to {gain.max():.0%} only.",
        plainly=(abs(gain - 0.2) < 0.05).all(),
    )


# -- 5.8.5 ------------------------------------------------------------------------------------


def _elpd():
    """Exact leave-one-out score of each strategy."""
    return {name: posterior.elpd_loo.sum().item() for name, posterior in strategies().items()}


@_judges("partial-first")
def _partial_first():
    elpd = _elpd()
    return _judged(
        f"The exact elpd is {elpd['complete']:.2f} for complete, {elpd['partial']:.2f} for partial and "
        f"{elpd['none']:.2f} for no pooling. The first two are too close for eight schools to tell apart.",
        plainly=max(elpd, key=elpd.get) == "partial",
    )


@_judges("none-over-complete")
def _none_over_complete():
    elpd = _elpd()
    return _judged(
        f"The exact elpd of no pooling is {elpd['none']:.2f}, {elpd['complete'] - elpd['none']:.2f} below "
        f"complete pooling and {elpd['partial'] - elpd['none']:.2f} below partial pooling.",
        plainly=elpd["none"] > elpd["complete"],
    )


@_judges("loo-no-warnings")
def _loo_no_warnings():
    _, error = _schools()
    # The importance weights of a Normal model have a tail of exactly this shape.
    pareto_k = strategies()["none"]["theta"].sd() ** 2 / error**2
    above = (pareto_k > 0.7).sum().item()
    flagged = _recorded("loo/no pooling/k_above_0.7")
    return _judged(
        f"Without pooling the exact Pareto k is above 0.7 in {above} of 8 schools, and up to "
        f"{pareto_k.max().item():.2f}. {_in_runs('loo/no pooling/k_above_0.7')} {(flagged > 0).sum()} raised "
        "the warning.",
        plainly=above == 0 and (flagged == 0).mean() > 0.5,
    )


# -- 5.8.6 ------------------------------------------------------------------------------------


def _overlap(groups, sigma):
    """Area that posterior and prior of tau share, for typical data with tau = 8."""
    prior, grid = stats.halfnorm(scale=10), np.linspace(0, 30, 601)
    tau = exact.normal(_evenly_spread(groups, np.hypot(8, sigma)), sigma, mu=MU_PRIOR, tau=prior)["tau"]
    return np.trapezoid(np.minimum(tau.pdf(grid), prior.pdf(grid)), grid)


@_judges("few-groups")
def _few_groups():
    noisy, precise = ({groups: _overlap(groups, sigma) for groups in (4, 8)} for sigma in (10, 2))
    return _judged(
        "For four groups with standard errors of 10, and tau = 8, the posterior of tau shares "
        f"{noisy[4]:.0%} of its area with the prior; with standard errors of 2 it is {precise[4]:.0%}. Five "
        f"is no threshold: eight noisy groups still share {noisy[8]:.0%}.",
        plainly=precise[4] > 0.9 >= noisy[8],
        conditionally=noisy[4] > 0.9,
        condition="noisy groups",
    )


@_judges("tau-near-zero")
def _tau_near_zero():
    groups, sigma = 8, 10.0
    complete = sigma / np.sqrt(groups)
    y = _evenly_spread(groups, sigma)

    def width_ratio(tau):
        return exact.normal(y, sigma, mu=None, tau=tau)["theta"].sd()[groups // 2].item() / complete

    rng = np.random.default_rng(58)
    noise = [rng.normal(0, sigma, groups) for _ in range(60)]
    error = _root_mean_square(
        [exact.normal(row, sigma, mu=None, tau=TAU_PRIOR)["theta"].mean() for row in noise]
    )
    learnt, known = width_ratio(TAU_PRIOR), width_ratio(0.1)
    return _judged(
        f"With tau = 0.1 known, the sds of eight groups are {known:.2f} times that of complete "
        f"pooling; with tau learnt from typical data {learnt:.1f} times, and the error is {error:.1f} "
        f"points against {complete:.1f} ({sigma:.1f} without pooling).",
        plainly=learnt < 1.05 and error < 1.05 * complete,
        conditionally=known < 1.05,
        condition="tau is known to be near zero",
    )


# -- practical considerations -----------------------------------------------------------------


def _condition_numbers(data):
    """Condition number of the coordinates' correlation matrix, centred and non-centred.

    Each school has `data` times its pupils. Given tau all but log tau is Normal; an average over tau remains.
    """
    effect, error = (values.values for values in _schools())
    sigma = error / np.sqrt(data)
    tau = (
        exact.normal(effect, sigma, mu=MU_PRIOR, tau=TAU_PRIOR)["tau"]
        .quantile((np.arange(40_000) + 0.5) / 40_000)
        .values[:, None]
    )
    precision = 1 / (sigma**2 + tau**2)
    total = precision.sum(axis=1, keepdims=True) + 1 / 20**2
    mu = (precision * effect).sum(axis=1, keepdims=True) / total
    factor, zero, one = _factor(sigma, tau), np.zeros_like(tau), np.ones_like(tau)
    found = []
    for shift, scale in ((0, one), (1, tau)):  # theta, and (theta - mu) / tau
        slope = np.hstack([one, zero, (factor - shift) / scale])  # of mu in mu, log tau and groups
        mean = slope * mu + np.hstack([zero, np.log(tau), (1 - factor) * effect / scale])
        noise = np.r_[0, 0, ((1 - factor) * sigma**2 / scale**2).mean(axis=0)]
        covariance = np.cov(mean.T, ddof=0) + (slope / total).T @ slope / tau.size + np.diag(noise)
        sd = np.sqrt(np.diag(covariance))
        found.append(np.linalg.cond(covariance / np.outer(sd, sd)))
    return found


@_judges("centred-when-rich")
def _centred_when_rich():
    (poor_centred, poor), (rich_centred, rich) = _condition_numbers(1), _condition_numbers(256)
    return _judged(
        "With 256 times the data in each of the eight schools, the correlation matrix that the sampler "
        f"faces has the condition number {rich_centred:.1f} in the centred form and {rich:.1f} in the "
        f"non-centred one; with the data as they are it is {poor_centred:.1f} and {poor:.1f}. The effective "
        "draws of the sampler change the lead in the same way.",
        plainly=rich_centred < rich,
    )


def _leapfrog_steps(dimension):
    """Steps in a quarter turn around a standard Normal that are accepted with probability 0.9."""
    start, momentum = np.random.default_rng(58).normal(size=(2, 200, dimension))

    def acceptance(steps):
        step, q, p = np.pi / 2 / steps, start, momentum
        for _ in range(steps):
            half = p - step / 2 * q
            q = q + step * half
            p = half - step / 2 * q
        energy = (q**2 + p**2 - start**2 - momentum**2).sum(axis=1) / 2
        return np.minimum(1, np.exp(-energy)).mean()

    return next(steps for steps in range(1, 100) if acceptance(steps) >= 0.9)


@_judges("scales-to-many")
def _scales_to_many():
    growth = _leapfrog_steps(1000) / _leapfrog_steps(10)
    megabytes = 8000 * 2 * 10_000 * 8 / 1e6
    return _judged(
        f"L grows slowly: from 10 to 1000 standard Normals, an acceptance of 0.9 takes {growth:.1f} times "
        f"the leapfrog steps. The draws of theta and theta-tilde for 10,000 groups fill {megabytes:,.0f} "
        "MB.",
        plainly=growth == 1,
        conditionally=growth < 10 and megabytes > 1000,
        condition="O(J + N) is the cost of one gradient, and an iteration takes L of them",
    )


@_judges("tau-prior-sensitivity")
def _tau_prior_sensitivity():
    rng = np.random.default_rng(58)
    truth = rng.normal(0, 20, (20, 8))
    observed = rng.normal(truth, 10)
    tight = [
        exact.normal(row, 10, mu=MU_PRIOR, tau=stats.halfnorm(scale=1))["theta"].mean() for row in observed
    ]
    pooled, raw = _root_mean_square(np.array(tight) - truth), _root_mean_square(observed - truth)

    def limit(schools, width):
        effect, error = (values[:schools] for values in _schools())
        return exact.normal(effect, error, mu=None, tau=stats.uniform(0, width))["tau"].quantile(0.95)

    three, eight = ([limit(schools, width) for width in (100, 1000)] for schools in (3, 8))
    sensitive = [limits[1] > 1.1 * limits[0] for limits in (three, eight)]
    return _judged(
        f"With tau = 20, a half-Normal(1) prior has an error of {pooled:.1f}, no pooling {raw:.1f}. "
        f"A uniform prior up to 1000 instead of 100 moves the 95% limit of tau from {three[0]:.0f} to "
        f"{three[1]:.0f} with three schools, and from {eight[0]:.1f} to {eight[1]:.1f} with eight.",
        plainly=pooled > raw and all(sensitive),
        conditionally=pooled > raw and sensitive[0],
        condition="for a diffuse prior, very few groups",
    )


@_judges("half-cauchy-25")
def _half_cauchy_25():
    effect, error = _schools()

    def school_a(unit):
        prior = {"mu": stats.norm(0, 20 * unit), "tau": stats.halfcauchy(scale=25)}
        return _at(exact.normal(effect * unit, error * unit, **prior)["theta"].mean(), "A") / unit

    points, hundreds, hundredths = school_a(1), school_a(0.01), school_a(100)
    return _judged(
        "The paper's abstract suggests a uniform prior, and half-t priors, of which the half-Cauchy is "
        f"one, where groups are few. And 25 has a unit: school A gets {points:.1f} points, {hundreds:.1f} "
        f"if effects are written in hundreds of points, and {hundredths:.1f} in hundredths.",
        # What may be used without asking for the unit does not change with it.
        plainly=max(abs(hundreds - points), abs(hundredths - points)) < 0.1,
    )


@cache
def _fifty_schools():
    """Simulated effects with tau = 10, and their standard errors, those of the Eight Schools repeated."""
    sigma = np.resize(_schools()[1].values, 50)
    rng = np.random.default_rng(58)
    return rng.normal(rng.normal(8, 10, 50), sigma), sigma


@_judges("reml-shrinks")
def _reml_shrinks():
    y, sigma = _fifty_schools()
    tau, estimate, _ = _plug_in(y, sigma)
    apart = np.abs(estimate - exact.normal(y, sigma, mu=None, tau=tau)["theta"].mean()).max().item()
    own_tau, own, own_sd = _plug_in(*(values.values for values in _schools()))
    full = schools_posterior()["theta"]
    return _judged(
        f"For fifty simulated schools REML gives tau = {tau:.1f}, and its predictions equal the posterior "
        "means given this tau, under a flat prior on mu. On the Eight Schools it plugs in "
        f"{own_tau:.0f}, and A gets {own[0]:.1f} ± {own_sd[0]:.1f} instead of {_at(full.mean(), 'A'):.1f} ± "
        f"{_at(full.sd(), 'A'):.1f}.",
        plainly=apart < 1e-6,
    )


@_judges("reml-boundary")
def _reml_boundary():
    effect, error = (values.values for values in _schools())

    def share_at_zero(true_tau):
        data = np.random.default_rng(58).normal(8, np.hypot(true_tau, error), (500, 8))
        return np.mean([_plug_in(row, error)[0] == 0 for row in data])

    at_zero, at_five = share_at_zero(0), share_at_zero(5)
    tau = schools_posterior()["tau"]
    return _judged(
        f"With the standard errors of the Eight Schools, {at_zero:.0%} of 500 simulated data sets with tau "
        f"= 0 give exactly zero, and {at_five:.0%} with tau = 5. So do the Eight Schools, where the "
        f"posterior of tau is {tau.mean():.1f} ± {tau.sd():.1f}.",
        plainly=at_zero > 0.25 and _plug_in(effect, error)[0] == 0 and tau.sd() > 1,
    )


@_judges("agree-when-many")
def _agree_when_many():
    sigma = _fifty_schools()[1]

    def plug_in_over_full(true_tau):
        """REML's tau, and mean ratio of the standard deviations, for ten data sets of fifty schools."""
        rng = np.random.default_rng(58)
        data = [rng.normal(rng.normal(8, true_tau, 50), sigma) for _ in range(10)]
        plugged = [_plug_in(y, sigma) for y in data]
        full = [exact.normal(y, sigma, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"].sd().values for y in data]
        ratio = [np.mean(sd / posterior) for (_, _, sd), posterior in zip(plugged, full, strict=True)]
        return np.array([tau for tau, _, _ in plugged]), np.array(ratio)

    (_, wide), (estimate, narrow) = plug_in_over_full(10), plug_in_over_full(5)
    close = [(np.abs(ratio - 1) < 0.1).all() for ratio in (wide, narrow)]
    return _judged(
        f"In ten data sets of fifty schools with tau = 10, the plugged-in sds are {wide.min():.2f} to "
        f"{wide.max():.2f} times those of the posterior. With tau = 5 and the same standard errors they go "
        f"down to {narrow.min():.2f}, in a set where REML gives {estimate[narrow.argmin()]:.1f}.",
        plainly=all(close),
        conditionally=close[0],
        condition="the data determine tau",
    )


@_judges("bad-pooling")
def _bad_pooling():
    def errors(reading, gap):
        """Errors of the reading schools: raw, all pooled, and with the subject as covariate."""
        subject = np.repeat([0.0, 1.0], [8 - reading, reading])
        sigma = np.where(subject == 1, 10.0, 5.0)
        priors = {"mu": MU_PRIOR, "tau": TAU_PRIOR}
        known = priors | {"covariates": subject, "beta": stats.norm(0, 20)}
        rng = np.random.default_rng(58)
        losses = []
        for _ in range(40):
            theta = rng.normal(5 + gap * subject, 2)
            y = rng.normal(theta, sigma)
            fits = (exact.normal(y, sigma, **model)["theta"].mean().values for model in (priors, known))
            losses.append([(estimate - theta)[subject == 1] for estimate in (y, *fits)])
        return np.sqrt(np.mean(np.square(losses), axis=(0, 2)))

    (half_raw, half, half_known), (few_raw, few, few_known) = errors(4, 20), errors(2, 25)
    worse = half > half_known and few > few_known
    return _judged(
        f"Where 4 of 8 schools lie 20 points apart, their error is {half:.1f} against {half_known:.1f}, but "
        f"{half_raw:.1f} without any pooling. Only a minority fares worse than that too: for 2 of 8 "
        f"schools, 25 points apart, it is {few:.1f} against {few_known:.1f} and {few_raw:.1f}.",
        plainly=worse and half > 1.1 * half_raw and few > 1.1 * few_raw,
        conditionally=worse,
        condition="against a model that knows the two kinds",
    )


# -- closing section --------------------------------------------------------------------------


def _james_stein_risk(means, noncentrality):
    """Risk of James-Stein toward a fixed point, J - (J - 2)^2 E[1/S].

    S is a noncentral chi-square, so that E[1/S] is a Poisson average of those of central ones.
    """
    k = np.arange(1000)
    inverse = (stats.poisson(noncentrality / 2).pmf(k) / (means - 2 + 2 * k)).sum()
    return means - (means - 2) ** 2 * inverse


@_judges("stein")
def _stein():
    distances = [0.0, *np.geomspace(0.01, 500, 100)]
    three, eight = ([_james_stein_risk(means, distance) for distance in distances] for means in (3, 8))
    return _judged(
        "James-Stein toward a fixed point has the risk J - (J - 2)² E[1/S], below J everywhere. For three "
        f"means it is {three[0]:.2f} at the fixed point and still {three[-1]:.3f} at a squared distance of "
        f"{distances[-1]:.0f}; for eight, {eight[0]:.2f} and {eight[-1]:.2f}.",
        plainly=max(three) < 3 and max(eight) < 8,
    )


def _worst_excess(means, constant):
    """Largest risk of James-Stein toward the average minus that of no pooling, up to a spread of 5.

    The shrinkage factor is min(1, constant / S), with S over the directions around the average.
    """
    directions = means - 1
    root = np.linspace(1e-6, 20, 1001)
    keep = 1 - np.minimum(1, constant / root**2)

    def excess(spread):
        distance = means * spread**2
        law, next_law = (2 * root * stats.ncx2.pdf(root**2, directions + k, distance) for k in (0, 2))
        square = np.trapezoid(law * keep**2 * root**2, root)
        return square - 2 * distance * np.trapezoid(next_law * keep, root) + distance - directions

    return max(excess(spread) for spread in np.linspace(0, 5, 51))


@_judges("james-stein-target")
def _james_stein_target():
    three, four = _worst_excess(3, 1), _worst_excess(4, 1)
    return _judged(
        "Toward the grand mean the constant is J - 3, zero for three groups; with a constant of 1 their "
        f"risk exceeds that of no pooling by up to {three:.3f}. Four groups suffice: their risk stays at "
        f"least {-four:.3f} below, up to a spread of 5. J >= 3 is right for a fixed target.",
        plainly=three <= 0 and four <= 0,
    )


# -- solutions --------------------------------------------------------------------------------


@_judges("e1b-reason")
def _e1b_reason():
    _, error = _schools()
    tau, flat = schools_posterior()["tau"], flat_posterior()["tau"]

    def right(law):
        stronger = (_average_factor(error, law) > _factor(error, 6.0)).all().item()
        return law.mean() > law.quantile(0.5) and law.cdf(6.0) > 0.5 and stronger

    model_a, flat_a = (_at(_average_factor(error, law), "A") for law in (tau, flat))
    return _judged(
        f"There tau has median {tau.quantile(0.5):.2f} and mean {tau.mean():.2f}, {tau.cdf(6.0):.0%} lies "
        f"below 6, and A has the average factor {model_a:.2f} instead of {_factor(15, 6):.2f}. The means to "
        f"be explained belong to flat priors, with {flat.cdf(6.0):.0%} below 6 and a factor of {flat_a:.2f}.",
        plainly=right(tau) and right(flat),
        conditionally=right(tau),
        condition="under the model's own priors",
    )


@_judges("e2-jacobian")
def _e2_jacobian():
    schools, mu, tau = 8, 3.0, 1.7
    at, step = np.linspace(-2, 2, schools), 1e-6

    def determinant(change):
        plus, minus = (change(at + sign * step * np.eye(schools)) for sign in (1, -1))
        return np.linalg.det((plus - minus) / (2 * step))

    # The exercise defines theta-tilde from theta; the solution differentiates theta by theta-tilde.
    defined, inverse = determinant(lambda theta: (theta - mu) / tau), determinant(lambda raw: mu + tau * raw)
    return _judged(
        f"For J = {schools} and tau = {tau}, where tau^J is {tau**schools:.4f}, finite differences give "
        f"{inverse:.4f} for the map from theta-tilde to theta, and {defined:.4f} for the one that the "
        "exercise defines, from theta to theta-tilde.",
        plainly=np.isclose(defined, tau**schools, rtol=1e-6),
        conditionally=np.isclose(inverse, tau**schools, rtol=1e-6),
        condition="the transformation is the inverse of the one that the exercise defines",
    )


@_judges("e3-largest-gain")
def _e3_largest_gain():
    data = datasets.hospitals()
    exposure = data["exposure"].values
    shape, rate = 1 + data["count"].values, 0.5 + exposure
    alone = [_width(exact.marginal(stats.gamma(a, scale=1 / b))) for a, b in zip(shape, rate, strict=True)]
    gain = 1 - _width(hospitals_posterior()["lam"]).values / alone
    order, best = exposure.argsort(), gain.argmax()
    small, large, next_large = order[0], order[-1], order[-2]
    most = set(gain.argsort()[-2:]) == set(order[:2])
    return _judged(
        f"The two smallest do gain most, hospital {best + 1} (exposure {exposure[best]}) {gain[best]:.0%} "
        f"and hospital {small + 1} ({exposure[small]}) {gain[small]:.0%}. But the largest, hospital "
        f"{large + 1}, gets {-gain[large]:.0%} wider, and the next, hospital {next_large + 1}, gains "
        f"{gain[next_large]:.0%}.",
        plainly=most and (np.abs(gain[[large, next_large]]) < 0.05).all(),
    )


@_judges("e3-new-wider")
def _e3_new_wider():
    new = float(_central_width(hospitals_posterior()["lam_new"]))
    five = _central_width(hospitals_posterior()["lam"].sel(hospital="hospital 5")).item()
    return _judged(
        f"The exact central 89% interval of a new hospital's rate is {new:.2f} wide, that of hospital 5 "
        f"{five:.2f}: {new / five - 1:.0%} more.",
        plainly=new > five,
    )


@_judges("e4-new-wider")
def _e4_new_wider():
    def excess(posterior):
        known = _central_width(posterior["theta"].sel(school="E")).item()
        return float(_central_width(posterior["theta_new"])) / known - 1

    model, flat = excess(schools_posterior()), excess(flat_posterior())
    return _judged(
        f"Its central 89% interval is {model:.0%} wider. Flat priors would give {flat:.0%}.",
        plainly=abs(model - 0.5) <= 0.05,
    )


@_judges("e4-beta")
def _e4_beta():
    def posterior_of_beta(seed):
        data = datasets.simulate_schools_with_covariate(np.random.default_rng(seed))
        kind = {"covariates": data["private"].values, "beta": stats.norm(0, 10)}
        posterior = exact.normal(data["effect"], data["standard_error"], mu=MU_PRIOR, tau=TAU_PRIOR, **kind)
        return posterior["beta"]

    beta = posterior_of_beta(42)
    mean, sd = float(beta.mean()), float(beta.sd())
    others = np.array([float(posterior_of_beta(seed).mean()) for seed in range(43, 83)])
    near = (np.abs(others - 5) < 1).sum()
    return _judged(
        f"Wide it is, but for the source's seed the exact posterior of beta is {mean:.1f} ± {sd:.1f}. For "
        f"the 40 seeds after it, the mean lies within a point of 5 in {near}: where it centres is luck.",
        plainly=abs(mean - 5) < 1 < sd,
    )


# -- claims that further Corrections are about --------------------------------------------------


@_judges("complete-pooling-75")
def _complete_pooling_75():
    first, second, common = _facts("complete-pooling-75").values()
    low, high = ((first + second * weight) / (1 + weight) for weight in (2, 0.5))
    return _judged(
        f"The average of {first:.0f} and {second:.0f} is {(first + second) / 2:.0f}. With twice as many "
        f"students in either section it would be {low:.0f} or {high:.0f}.",
        plainly=abs(low - common) < 1 and abs(high - common) < 1,
        conditionally=(first + second) / 2 == common,
        condition="the two sections are of the same size, and the others lie around their average",
    )


@_judges("pull-not-chosen")
def _pull_not_chosen():
    scales = (2.5, 10, 25)
    effect, error = _schools()

    def pull(scale, spread):
        data = effect.mean() + spread * (effect - effect.mean())
        prior = {"mu": MU_PRIOR, "tau": stats.halfnorm(scale=scale)}
        return _at(_average_factor(error, exact.normal(data, error, **prior)["tau"]), "A")

    factors = [pull(scale, 1) for scale in scales]
    apart = pull(10, 3)
    return _judged(
        f"If the effects were three times as far apart, the average factor of A would be {apart:.2f} instead "
        f"of {factors[1]:.2f}. But it also depends on the prior of tau: it is {factors[0]:.2f} for a "
        f"half-Normal({scales[0]}), and {factors[2]:.2f} for a half-Normal({scales[2]}).",
        plainly=apart < factors[1] - 0.05 and max(factors) - min(factors) < 0.05,
        conditionally=apart < factors[1] - 0.05,
        condition="the analyst chooses the prior of tau, and with eight groups that is part of the pull",
    )


@_judges("school-e-own-data")
def _school_e_own_data():
    _, error = _schools()
    own = 1 - _at(_factor(error, 6.0), "E")
    above = 1 - schools_posterior()["tau"].cdf(_at(error, "E"))
    return _judged(
        f"At tau = 6 its own effect has a weight of {own:.0%}. It would be more than half for tau above "
        f"{_at(error, 'E'):.0f} only, which has the posterior probability {above:.0%}.",
        plainly=own > 0.5,
    )


@_judges("mu-8-tau-6")
def _mu_8_tau_6():
    mu, tau = (schools_posterior()[name].mean() for name in ("mu", "tau"))
    flat_mu, flat_tau = (flat_posterior()[name].mean() for name in ("mu", "tau"))
    return _judged(
        f"They are {mu:.2f} and {tau:.2f}. Flat priors would give {flat_mu:.2f} and {flat_tau:.2f}.",
        plainly=round(mu) == 8 and round(tau) == 6,
    )


@_judges("tau-up-to-20")
def _tau_up_to_20():
    below = TAU_PRIOR.cdf(20)
    return _judged(f"The prior puts {below:.1%} of its mass below 20 points.", plainly=0.9 < below < 0.99)


@_judges("funnel-first")
def _funnel_first():
    years = _facts("funnel-first")
    return _judged(
        f"The example and its shape are in Neal's paper of {years['Neal']} on slice sampling, which the "
        f"paper of {years['Betancourt and Girolami']} cites.",
        plainly=years["Betancourt and Girolami"] <= years["Neal"],
    )


@_judges("plot-no-funnel")
def _plot_no_funnel():
    low, high = schools_posterior()["tau"].quantile(np.array([0.05, 0.95])).values
    narrow, wide = (
        _at(exact.normal(*_schools(), mu=MU_PRIOR, tau=tau)["theta"].sd(), "A") for tau in (low, high)
    )
    return _judged(
        "The joint posterior of tau and theta of A belongs to the model, whatever the form. The sd of theta "
        f"of A is {narrow:.1f} at tau = {low:.1f} and {wide:.1f} at tau = {high:.1f}, the 5% and 95% "
        "quantiles of tau. It is tau and theta-tilde that show no funnel.",
        plainly=wide < 1.5 * narrow,
    )


@_judges("map-labeller")
def _map_labeller():
    # The keys that the source's code maps are names such as theta[0]; the variable is named theta.
    names = {f"theta[{i}]": name for i, name in enumerate("ABCDEFGH")}
    mapped, plain = az.labels.MapLabeller(var_name_map=names), az.labels.BaseLabeller()
    at = "theta", {"theta_dim_0": 0}, {"theta_dim_0": 0}
    label, unchanged = (labeller.make_label_flat(*at) for labeller in (mapped, plain))
    return _judged(
        f"It maps names of variables, and theta[0] is none: the row of A is still labelled {label!r}.",
        plainly=label != unchanged,
    )


@_judges("ess-one-sixth")
def _ess_one_sixth():
    group = group_named("eight-schools-diagnostics")
    centred, other = (number(group, row, "ess_tau") for row in ("centred", "non-centred"))
    return _judged(
        f"A sixth of {other:.0f} is {other / 6:.0f}, and {centred:.0f} is more.", plainly=centred < other / 6
    )


@_judges("large-data-cost")
def _large_data_cost():
    groups, observations = 8, _facts("large-data-cost")["observations"]
    share = observations / (groups + observations)
    return _judged(
        f"With {observations:,} observations in {groups} groups, {share:.1%} of the terms are those of the "
        f"likelihood. But a Normal group's scores enter it by number, mean and sum of squares only: three "
        f"numbers a group, {3 * groups / observations:.1%} of the work.",
        plainly=share > 0.5 and 3 * groups > observations / 2,
        conditionally=share > 0.5,
        condition="the observations are not summarised first",
    )


@_judges("percentiles-called-hdi")
def _percentiles_called_hdi():
    share = survey_posterior()["pi"].sel(region="region 5", response="SD")
    rate, school = hospitals_posterior()["lam_new"], schools_posterior()["theta_new"]
    gap = [1 - float(_width(one)) / float(_central_width(one)) for one in (share, rate, school)]
    return _judged(
        "The code of 5.8.4 and of Solutions 5.8.3 (d), 5.8.4 (a) and (b) takes the 5.5% and 94.5% "
        f"percentiles: central intervals. The HDI is {gap[0]:.1%} shorter for region 5's SD, {gap[1]:.1%} "
        f"for a new hospital, and {gap[2]:.1%} for a new school.",
        plainly=max(gap) < 0.001,
    )


@cache
def _survey_under(scale):
    """Mean of alpha, its sd, and the mean gain of region 5's intervals, for a prior mean of alpha."""
    counts = datasets.survey()["count"]
    posterior = exact.dirichlet_multinomial(counts, alpha=stats.expon(scale=scale), baseline=np.ones(4))
    own = 1 + counts.sel(region="region 5").values
    alone = np.ptp(stats.beta(own, own.sum() - own).ppf(TAILS[:, None]), axis=0)
    gain = 1 - _central_width(posterior["pi"].sel(region="region 5")).values / alone
    return posterior["alpha"].mean(), posterior["alpha"].sd(), gain.mean()


@_judges("survey-one-fit")
def _survey_one_fit():
    group = group_named("survey-summary")
    stated_mean, stated_sd = (number(group, "alpha", column) for column in ("mean", "sd"))
    targets = (stated_mean, stated_sd, 0.20)
    scales = np.geomspace(0.7, 14, 13)
    found = np.array([_survey_under(float(scale)) for scale in scales])
    # Each of the three rises with the prior mean of alpha.
    needed = [np.interp(target, found[:, i], scales) for i, target in enumerate(targets)]
    return _judged(
        f"Its mean of alpha would need an exponential prior with the mean {needed[0]:.1f}, its sd one with "
        f"{needed[1]:.1f}, and intervals narrower by 20% one with {needed[2]:.1f}; the section has 1.",
        plainly=max(needed) < 1.1 * min(needed),
    )


@_judges("runs-in-order")
def _runs_in_order():
    effects, survey = _schools()[0].shape, datasets.survey()["count"].shape
    try:
        np.broadcast_shapes(effects, survey)
    except ValueError:
        fits = False
    else:
        fits = True
    return _judged(
        f"By Section 5.8.5 its name y_obs stands for the counts of the survey, of shape {survey}, which do "
        f"not go with standard errors of shape {effects}: the first model there raises an error. The data of "
        "Eight Schools must be made anew before.",
        plainly=fits,
    )


@_judges("heterogeneity-explains")
def _heterogeneity_explains():
    elpd = _elpd()
    steps = {
        "partial over none": elpd["partial"] - elpd["none"],
        "partial over complete": elpd["partial"] - elpd["complete"],
        "none over complete": elpd["none"] - elpd["complete"],
    }
    effect, error = _schools()
    weight = 1 / error**2
    excess = (weight * (effect - (weight * effect).sum() / weight.sum()) ** 2).sum().item()
    return _judged(
        f"The exact differences are {', '.join(f'{value:+.2f} ({name})' for name, value in steps.items())}. "
        f"The effects differ by no more than their errors explain: chi-square {excess:.1f} on 7.",
        plainly=min(steps.values()) > 0,
    )


@_judges("errors-above-differences")
def _errors_above_differences():
    group = group_named("loo-comparison")
    first = number(group, "partial pooling", "elpd_loo")
    stated_pairs = [
        (first - number(group, row, "elpd_loo"), number(group, row, "dse"))
        for row in ("no pooling", "complete pooling")
    ]
    loo = {name: posterior.elpd_loo for name, posterior in strategies().items()}
    exact_pairs = []
    for name in ("none", "complete"):
        difference = loo[name] - loo["partial"]
        exact_pairs.append((difference.sum().item(), np.sqrt(8) * difference.std().item()))
    (none, none_error), (complete, complete_error) = stated_pairs
    return _judged(
        f"In its own table they are smaller: {none_error:.2f} for a difference of {none:.1f}, and "
        f"{complete_error:.2f} for {complete:.1f}. So are the exact ones: {exact_pairs[0][1]:.2f} for "
        f"{abs(exact_pairs[0][0]):.1f}, and {exact_pairs[1][1]:.2f} for {abs(exact_pairs[1][0]):.1f}.",
        plainly=all(error > abs(difference) for difference, error in stated_pairs + exact_pairs),
    )


@_judges("best-with-15-to-500")
def _best_with_15_to_500():
    # James-Stein toward the average reaches this share of what knowing mu and tau would gain.
    fewest, most = _facts("best-with-15-to-500").values()
    share = {groups: max(0, 1 - 3 / groups) for groups in (5, 8, fewest, most, 10 * most)}
    return _judged(
        "With equal errors, James-Stein toward the average reaches (J - 3) / J of the gain that knowing the "
        f"population would bring: {share[5]:.0%} for 5 groups, {share[8]:.0%} for 8, {share[fewest]:.0%} for "
        f"{fewest}, {share[most]:.1%} for {most} and {share[10 * most]:.2%} for {10 * most:,}.",
        # More groups than that gain nothing to speak of.
        plainly=share[fewest] > 0.5 and share[10 * most] - share[most] < 0.001,
        conditionally=share[fewest] > 0.5,
        condition="more groups are better still, and 15 is no threshold",
    )


@_judges("complete-cannot-predict")
def _complete_cannot_predict():
    complete, partial = strategies()["complete"], schools_posterior()
    width, honest = (float(_central_width(fit["theta_new"])) for fit in (complete, partial))
    elpd = _elpd()
    return _judged(
        f"It predicts {float(complete['theta_new'].mean()):.1f} for any new school, in an interval "
        f"{width:.0f} points wide, where partial pooling has {honest:.0f}. What it lacks is an honest width. "
        f"Reports left out it predicts with a log density of {elpd['complete']:.1f}, no pooling, which knows "
        f"its prior only, with {elpd['none']:.1f}.",
        plainly=elpd["complete"] <= elpd["none"],
    )


@_judges("none-unbiased")
def _none_unbiased():
    effect, error = _schools()
    estimate = strategies()["none"]["theta"].mean()
    pull = _at(_factor(error, 20.0), "H")
    return _judged(
        f"The raw effects have no bias. The section's own model without pooling has a Normal(0, 20) prior, "
        f"which takes {pull:.0%} off the true effect of H on average: {_at(effect, 'H'):.0f} becomes "
        f"{_at(estimate, 'H'):.1f}.",
        plainly=bool(np.allclose(estimate, effect)),
        conditionally=np.allclose(exact.normal(effect, error, mu=0.0, tau=1e6)["theta"].mean(), effect),
        condition="the prior of each group is flat",
    )


@_judges("advantage-below-10")
def _advantage_below_10():
    sigma = _schools()[1].values

    def ratio(groups, true_tau):
        """Plugged-in sd over that of the posterior, on average over ten data sets and all groups."""
        rng = np.random.default_rng(58)
        errors = np.resize(sigma, groups)
        found = []
        for _ in range(10):
            y = rng.normal(rng.normal(8, true_tau, groups), errors)
            full = exact.normal(y, errors, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"].sd().values
            found.append(np.mean(_plug_in(y, errors)[2] / full))
        return np.mean(found)

    few, many, small = ratio(8, 10), ratio(50, 10), ratio(50, 2)
    return _judged(
        "The sds that REML plugs in are, on average over ten data sets, "
        f"{few:.2f} of the posterior's for 8 groups with tau = 10, {many:.2f} for 50, and {small:.2f} for 50 "
        "with tau = 2.",
        plainly=few < many - 0.05 and small < many - 0.05,
    )


@_judges("carries-through")
def _carries_through():
    # Two classes in each of two schools, with known sds: of scores, of classes in a school, of schools.
    noise, between_classes, between_schools = 8.0, 4.0, 6.0
    school = np.kron(np.eye(2), np.ones((2, 2)))
    prior = between_classes**2 * np.eye(4) + between_schools**2 * school
    gain = prior @ np.linalg.inv(prior + noise**2 * np.eye(4))
    own, sister, other = gain[0, 0], gain[0, 1], gain[0, 2]
    variance = between_classes**2 + between_schools**2
    one_level = 1 - _factor(noise, np.sqrt(variance))
    return _judged(
        f"With known variances and a known mean, a class in a school keeps {own:.2f} of its own deviation, "
        f"and takes {sister:.2f} of its sister class's and {other:.2f} of that of a class elsewhere. The "
        f"formula with one B has {one_level:.2f}, and nothing from sisters: every level has a factor and a "
        "target of its own.",
        plainly=np.isclose(own, one_level) and np.isclose(sister, 0),
        conditionally=own > sister > other - 1e-12,
        condition="shrinkage has one factor and one target for each level",
    )


@_judges("second-largest")
def _second_largest():
    _, error = _schools()
    larger = error["school"][error > _at(error, "A")].values
    return _judged(f"{len(larger)} are larger, those of {' and '.join(larger)}.", plainly=len(larger) == 1)


@_judges("other-seven")
def _other_seven():
    effect, _ = _schools()
    others = effect.where(effect["school"] != "A", drop=True)
    return _judged(
        f"The mean of the other seven is {others.mean().item():.1f}, that of all eight "
        f"{effect.mean().item():.2f}.",
        plainly=abs(others.mean().item() - 8) <= 1,
    )


@_judges("forest-other-six")
def _forest_other_six():
    effect, _ = _schools()
    largest = effect.sel(school=["A", "G"]).min().item()
    others = effect.drop_sel(school=["A", "G"])
    return _judged(
        f"The six others report {others.mean().item():.1f} on average. But {others.idxmax().item()} reports "
        f"{others.max().item():.0f}: {others.max().item() - others.mean().item():.0f} above that average, "
        f"{largest - others.max().item():.0f} below {largest:.0f}.",
        plainly=others.max().item() <= largest / 2,
        conditionally=others.mean().item() <= largest / 2,
        condition="it is about their average",
    )


@_judges("decades-before")
def _decades_before():
    proof, hierarchies = _facts("decades-before").values()
    return _judged(
        f"Stein's proof is of {proof}, hierarchical priors for Normal means of {hierarchies} at the latest: "
        f"{hierarchies - proof} years.",
        plainly=hierarchies - proof >= 20,
    )


@_judges("moments-make-normal")
def _moments_make_normal():
    other, q = stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)), np.linspace(0.01, 0.99, 99)
    same = np.allclose((stats.norm(7.0, 3.0).ppf(q) - 7.0) / 3.0, stats.norm.ppf(q))
    return _judged(
        f"A uniform variable has mean {other.mean():.0f} and variance {other.var():.0f} too, and lies within "
        f"one sd with probability {np.diff(other.cdf([-1, 1]))[0]:.0%} instead of "
        f"{np.diff(stats.norm.cdf([-1, 1]))[0]:.0%}. theta-tilde is Normal because theta is, and an affine "
        "map keeps that.",
        plainly=np.allclose(other.ppf(q), stats.norm.ppf(q)),
        conditionally=same,
        condition="theta is Normal and the map is affine",
    )


@_judges("minus-8-to-23")
def _minus_8_to_23():
    new = schools_posterior()["theta_new"]
    low, high = np.asarray(new.quantile(TAILS))
    beyond = new.cdf(-8.0) + 1 - new.cdf(23.0)
    return _judged(
        f"The exact interval is {low:.1f} to {high:.1f}; only {beyond:.0%} of the predictions lie beyond -8 "
        f"and 23, not 11%. That the effect is likely positive holds: {1 - new.cdf(0.0):.0%}.",
        plainly=round(low) == -8 and round(high) == 23,
    )


# -- found by reading the source once more ------------------------------------------------------


@_judges("more-students-less-pull")
def _more_students_less_pull():
    data = datasets.instructors()
    score, instructor = data["score"], data["instructor"]
    partial = exact.normal_groups(score, instructor, tau=_EXAM_TAU, **_EXAM)
    theta = partial["theta"].mean()
    raw, size = score.groupby(instructor).mean(), score.groupby(instructor).count()
    share = ((theta - raw) / (partial["mu"].mean() - raw)).sel(instructor=theta["instructor"])
    by_size = share.sortby(size)
    points = abs(theta - raw)
    return _judged(
        f"From {size.min().item()} students to {size.max().item()}, the share of its way to the grand mean "
        f"that a section goes falls from {by_size[0].item():.0%} to {by_size[-1].item():.0%}. In points "
        f"{points.idxmax('instructor').item()} moves most, {points.max().item():.1f}, as it lies farthest "
        "out.",
        plainly=bool((np.diff(points.sortby(size)) < 0).all()),
        conditionally=bool((np.diff(by_size) < 0).all()),
        condition="pull is the share of the way",
    )


@_judges("no-reason")
def _no_reason():
    line = 0.9 ** abs(np.subtract.outer(np.arange(3), np.arange(3)))
    swapped = line[np.ix_([1, 0, 2], [1, 0, 2])]
    return _judged(
        "Three parameters in a row, with equal means and sds, of which neighbours are correlated by "
        f"{line[0, 1]:.1f}: none stands out, and yet swapping the first two changes the correlation of the "
        f"first and the third from {line[0, 2]:.2f} to {swapped[0, 2]:.2f}.",
        plainly=np.allclose(line, swapped),
        conditionally=np.allclose(np.diag(line), np.diag(swapped)),
        condition="nothing else tells the groups apart either, as who is whose neighbour",
    )


@_judges("urn")
def _urn():
    def red(draws):
        """Probability of red draws only, for a share of red that is uniform."""
        return stats.uniform().expect(lambda share: share**draws)

    return _judged(
        f"With a share of red about which nothing is known, every draw is red with probability {red(1):.2f}, "
        f"and the second with {red(2) / red(1):.2f} once the first was.",
        plainly=red(2) / red(1) > red(1) + 0.01,
    )


@_judges("both-more-moderate")
def _both_more_moderate():
    raw = np.array([-1.0, 12.0])
    estimate = raw - _factor(np.array([9.0, 18.0]), 6.0) * (raw - 8)
    return _judged(
        f"E and H come nearer to the grand mean, from {raw[0]:.0f} and {raw[1]:.0f} to {estimate[0]:.1f} and "
        f"{estimate[1]:.1f}. But the effect of E is larger than it was: {estimate[0]:.1f} is farther from "
        f"zero than {raw[0]:.0f}.",
        plainly=(abs(estimate) < abs(raw)).all(),
        conditionally=(abs(estimate - 8) < abs(raw - 8)).all(),
        condition="moderate means near the grand mean, not near zero",
    )


@_judges("mu-prior-wide")
def _mu_prior_wide():
    flat = exact.normal(*_schools(), mu=None, tau=TAU_PRIOR)["mu"]
    mu, reach = schools_posterior()["mu"], 2 * MU_PRIOR.std()
    beyond = flat.cdf(-reach) + 1 - flat.cdf(reach)
    return _judged(
        f"Without this prior the schools give {flat.mean():.1f} ± {flat.sd():.1f} for mu, and less than "
        f"{max(beyond, 1e-4):.2%} of it beyond ±{reach:.0f}; with it {mu.mean():.1f} ± {mu.sd():.1f}.",
        plainly=beyond < 0.01,
    )


@_judges("divergences-reported")
def _divergences_reported():
    found = _recorded("centred-0.90/divergences")
    warns = _facts("divergences-reported")["warns"]
    return _judged(
        f"{_in_runs('centred-0.90/divergences')} each had divergences, {found.min():.0f} to "
        f"{found.max():.0f} of them. They are counted with the draws; nutpie, the default today, prints no "
        "warning.",
        plainly=found.min() > 0 and all(warns.values()),
        conditionally=found.min() > 0 and any(warns.values()),
        condition="the sampler warns, or its count is looked at",
    )


@_judges("same-distribution")
def _same_distribution():
    mu, tau, q = 3.0, 1.7, np.linspace(0.01, 0.99, 99)
    apart = abs(mu + tau * stats.norm.ppf(q) - stats.norm(mu, tau).ppf(q)).max()
    return _judged(
        f"For mu = {mu:.0f} and tau = {tau}, no percentile of mu + tau theta-tilde is off that of Normal(mu, "
        f"tau) by more than {max(apart, 1e-9):.0e}.",
        plainly=apart < 1e-9,
    )


@_judges("a-c-h-shrunk-more")
def _a_c_h_shrunk_more():
    effect, error = _schools()
    mean = schools_posterior()["theta"].mean()
    factor, points = _average_factor(error, schools_posterior()["tau"]), abs(effect - mean)
    noisy = ["A", "C", "H"]
    more = [bool(m.sel(school=noisy).min() > m.drop_sel(school=noisy).max()) for m in (factor, points)]
    evidence = (
        f"Their average factors are {factor.sel(school=noisy).min().item():.2f} and more, the others' "
        f"{factor.drop_sel(school=noisy).max().item():.2f} and less. In points H moves "
        f"{_at(points, 'H'):.1f}, less than G ({_at(points, 'G'):.1f}) and E ({_at(points, 'E'):.1f})."
    )
    return _by_measure(evidence, more)


@_judges("ppc-compatible")
def _ppc_compatible():
    effect, _ = _schools()
    place = np.array([schools_posterior()["y_rep"].cdf(y).values[i] for i, y in enumerate(effect.values)])
    return _judged(
        f"The eight reports lie at {place.min():.0%} to {place.max():.0%} of their predictive distributions. "
        "The check is lenient, as each report has helped to estimate its own effect.",
        plainly=TAILS[0] < place.min() and place.max() < TAILS[1],
    )


@_judges("log-posterior-terms")
def _log_posterior_terms():
    # What the sum without the term gives to each tenfold of log tau near zero, and what the prior has there.
    without = [TAU_PRIOR.expect(lambda tau: 1 / tau, lb=10.0**k, ub=10.0 ** (k + 1)) for k in (-6, -3)]
    below = TAU_PRIOR.cdf(1e-3)
    return _judged(
        "NUTS moves in the logarithm of tau, whose density has the term log tau on top. Without it each "
        f"tenfold of tau toward zero would weigh as much as the one before ({without[0]:.2f} and "
        f"{without[1]:.2f}), so that all of the posterior were at zero; the prior has {below:.4f} below "
        "0.001.",
        plainly=without[0] < 0.01 * without[1],
        conditionally=below < 1e-3,
        condition="the sampler moves in tau itself",
    )


@_judges("dirichlet-around-mean")
def _dirichlet_around_mean():
    flat, above = stats.dirichlet(np.ones(4)), stats.dirichlet([1.1, 1.1, 1.1, 1.1])
    large = stats.dirichlet(20 * np.ones(4))
    skewed = np.array([1.1, 2.0, 5.0])
    peak, mean = (skewed - 1) / (skewed.sum() - 3), skewed / skewed.sum()
    sds = [np.sqrt(law.var()[0]) for law in (flat, above, large)]
    return _judged(
        f"With four concentrations of 1.1 a share scatters by {sds[1]:.2f}, hardly less than under the "
        f"uniform ({sds[0]:.2f}); with four of 20 by {sds[2]:.2f}. And the peak is not at the mean: for 1.1, "
        f"2 and 5 the first share has its peak at {peak[0]:.2f} and the mean {mean[0]:.2f}.",
        plainly=sds[1] < sds[0] / 2,
        conditionally=sds[2] < sds[0] / 2,
        condition="the concentrations are large, not merely above 1",
    )


@_judges("common-regionally")
def _common_regionally():
    rng, baseline = np.random.default_rng(58), np.array([0.25, 0.35, 0.25, 0.15])
    first = {a: (rng.dirichlet(a * baseline, 20_000).argmax(axis=1) == 1).mean() for a in (1, 8, 1000)}
    return _judged(
        "The answer that is most common nationally, with a share of 0.35, is so in a region with probability "
        f"{first[1]:.0%} at alpha = 1, {first[8]:.0%} at 8 and {first[1000]:.0%} at 1000 (simulated, ± "
        "0.4%).",
        plainly=min(first.values()) > 0.9,
        conditionally=first[1000] > 0.9 and first[1] < first[8],
        condition="alpha is large, or it is meant on average over regions",
    )


@_judges("alpha-moderate-agreement")
def _alpha_moderate_agreement():
    def log_likelihood(alpha):
        count = datasets.survey()["count"]
        return exact.dirichlet_multinomial(count, alpha=alpha, baseline=np.ones(4)).log_evidence

    alike = log_likelihood(1e8) - log_likelihood(10.0)
    return _judged(
        "The counts would be as likely with regions that are all the same as with any other agreement, and "
        f"{np.exp(alike):,.0f} times as likely as with alpha = 10. The moderate agreement is that of the "
        "prior.",
        plainly=alike < 0,
    )


@_judges("all-similar")
def _all_similar():
    elpd = {name: fit.elpd_loo.values for name, fit in strategies().items()}
    gap = {name: (elpd["complete"] - elpd[name]).sum() for name in ("partial", "none")}
    error = np.sqrt(8) * (elpd["complete"] - elpd["none"]).std(ddof=1)
    return _judged(
        f"Partial pooling lies {gap['partial']:.1f} behind complete pooling, but no pooling "
        f"{gap['none']:.1f}, which is {gap['none'] / error:.0f} of its standard errors.",
        plainly=max(abs(one) for one in gap.values()) < 1,
        conditionally=abs(gap["partial"]) < 1,
        condition="complete and partial pooling only",
    )


@_judges("small-but-consistent")
def _small_but_consistent():
    each = strategies()["partial"].elpd_loo - strategies()["none"].elpd_loo
    better = (each > 0).sum().item()
    return _judged(
        f"Partial pooling predicts {better} of 8 schools better than no pooling, and gains "
        f"{each.sum().item():.1f} in all, where the source has 0.6.",
        plainly=better == 8 and each.sum() < 1,
        conditionally=better == 8,
        condition="consistent, but not small",
    )


@_judges("partial-closer")
def _partial_closer():
    _, error = _schools()
    sigma = error.values
    noisy = sigma >= 15

    def errors(tau):
        """Root mean square errors for the noisy schools: partial and no pooling."""
        rng = np.random.default_rng(58)
        theta = rng.normal(8, tau, (60, 8))
        y = rng.normal(theta, sigma)
        partial = np.array(
            [exact.normal(row, sigma, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"].mean() for row in y]
        )
        none = y * (1 - _factor(sigma, 20.0))
        return [_root_mean_square((one - theta)[:, noisy]) for one in (partial, none)]

    near, far = errors(5), errors(20)
    return _judged(
        f"For schools A, C and H, in sixty data sets with tau = 5, the error is {near[0]:.1f} points with "
        f"partial pooling and {near[1]:.1f} without; with tau = 20, which the prior without pooling assumes, "
        f"{far[0]:.1f} and {far[1]:.1f}.",
        plainly=near[0] < near[1] and far[0] < far[1],
        conditionally=near[0] < near[1],
        condition="schools differ less than the prior without pooling says",
    )


@_judges("partial-bias-small")
def _partial_bias_small():
    _, error = _schools()
    factor = _factor(_at(error, "H"), 5.0)
    bias, spread = factor * 2 * 5.0, np.sqrt(1 - factor) * _at(error, "H")
    # Over the population, at evenly spread probabilities of a school's distance from mu.
    average = factor * stats.norm(0, 5.0).ppf((np.arange(1000) + 0.5) / 1000).mean()
    return _judged(
        f"With mu and tau = 5 known, the bias of H is {factor:.0%} of its distance from mu: {bias:.1f} "
        f"points for a school two sds out, twice the posterior sd of {spread:.1f}. Over all schools of the "
        "population it averages to zero.",
        plainly=bias < spread / 2,
        conditionally=abs(average) < spread / 100,
        condition="on average over groups, not for a noisy group that lies far out",
    )


@_judges("helps-smallest-most")
def _helps_smallest_most():
    size = np.array([2, 8, 32, 256])
    gain = 1 - np.sqrt(1 - _factor(20 / np.sqrt(size), 8.0))
    hospitals = datasets.hospitals()
    shape, rate = 1 + hospitals["count"].values, 0.5 + hospitals["exposure"].values
    alone = [_width(exact.marginal(stats.gamma(a, scale=1 / b))) for a, b in zip(shape, rate, strict=True)]
    counts = 1 - _width(hospitals_posterior()["lam"]).values / alone
    return _judged(
        f"With sigma = 20 and tau = 8 known, the interval of a group of 2 gets {gain[0]:.0%} narrower and "
        f"that of 256 {gain[-1]:.1%}. Among the hospitals, where spread grows with the rate, number "
        f"{counts.argmax() + 1} gains most and the smallest is number {rate.argmin() + 1}.",
        plainly=(np.diff(gain) < 0).all() and counts.argmax() == rate.argmin(),
        conditionally=(np.diff(gain) < 0).all(),
        condition="Normal groups with one sigma",
    )


@_judges("non-centred-default")
def _non_centred_default():
    (poor_centred, poor), (rich_centred, rich) = _condition_numbers(1), _condition_numbers(256)
    return _judged(
        f"The condition number is {poor:.1f} in the non-centred form and {poor_centred:.1f} in the centred "
        f"one for the Eight Schools as they are, but {rich:.1f} and {rich_centred:.1f} with 256 times the "
        "data.",
        plainly=poor < poor_centred and rich < rich_centred,
        conditionally=poor < poor_centred,
        condition="little data per group, or a small tau",
    )


@_judges("plug-in-understates")
def _plug_in_understates():
    _, _, few = _plug_in(*(values.values for values in _schools()))
    y, sigma = _fifty_schools()
    many = _plug_in(y, sigma)[2] / exact.normal(y, sigma, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"].sd().values
    ratio = few / schools_posterior()["theta"].sd().values
    return _judged(
        f"On the Eight Schools the plugged-in sds are {ratio.min():.2f} to {ratio.max():.2f} of the "
        f"posterior's. For fifty simulated schools with tau = 10 it is {many.min():.2f} to {many.max():.2f}, "
        "as REML's tau is above the posterior's.",
        plainly=ratio.max() < 1 and many.max() < 1,
        conditionally=ratio.max() < 1,
        condition="few groups, or a REML estimate near zero",
    )


@_judges("28-mostly-noise")
def _28_mostly_noise():
    theta = schools_posterior()["theta"]
    above = 1 - theta.cdf(28.0).sel(school="A").item()
    luck = 28 - _at(theta.mean(), "A")
    return _judged(
        f"A true effect of 28 or more has probability {above:.2f}; of the 28, {luck:.0f} points are noise on "
        "average.",
        plainly=above < 0.5 and luck > 14,
    )


@_judges("harmless-gradient")
def _harmless_gradient():
    mu, tau, raw, y, sigma, step = 8.0, 5.0, 0.4, 28.0, 15.0, 1e-5

    def log_likelihood(mu, tau):
        return stats.norm.logpdf(y, mu + tau * raw, sigma)

    by_tau = (log_likelihood(mu, tau + step) - log_likelihood(mu, tau - step)) / (2 * step)
    by_mu = (log_likelihood(mu + step, tau) - log_likelihood(mu - step, tau)) / (2 * step)
    return _judged(
        "The gradient goes through theta = mu + tau theta-tilde in every coordinate: for A at mu = "
        f"{mu:.0f}, tau = {tau:.0f} and theta-tilde = {raw}, the log likelihood has the derivative "
        f"{by_mu:.3f} by mu and {by_tau:.3f} by tau. What helps is that the density has no narrow place in "
        "these coordinates.",
        plainly=bool(np.isclose(by_mu, 0) and np.isclose(by_tau, 0)),
    )


@_judges("poisson-funnel-pair")
def _poisson_funnel_pair():
    # Before the data: sds of the log rate and of its standardised form at two scales.
    narrow, wide = 0.05, 1.0
    rates = [
        exact.normal([0.0], 1e9, mu=0.0, tau=sigma)["theta_new"].expect(lambda x: x**2) ** 0.5
        for sigma in (narrow, wide)
    ]
    log_rate = [float(one) for one in rates]
    standardised = [one / sigma for one, sigma in zip(log_rate, (narrow, wide), strict=True)]
    return _judged(
        f"Around mu_log the log rate scatters by {log_rate[0]:.2f} at sigma_log = {narrow} and by "
        f"{log_rate[1]:.0f} at {wide:.0f}, which is the funnel. Its standardised form scatters by "
        f"{standardised[0]:.0f} at both.",
        plainly=standardised[0] < standardised[1] / 2,
    )


@_judges("more-private-sharpen")
def _more_private_sharpen():
    # With tau = 4 known, standard errors spread evenly over the code's 8 to 16, and a flat prior of mu.
    def sd(public, private):
        known = [((np.linspace(8, 16, n) ** 2 + 4.0**2) ** -1).sum() for n in (public, private)]
        return (1 / 10**2 + 1 / (1 / known[0] + 1 / known[1])) ** -0.5

    four, many, both = sd(8, 4), sd(8, 10_000), sd(100, 100)
    return _judged(
        f"With tau = 4 known, the sd of beta falls from {four:.1f} with 4 private schools to {many:.1f} with "
        f"10,000, since the eight public ones stay as they are; with a hundred of each it is {both:.1f}.",
        plainly=many < 0.5,
        conditionally=many < four,
        condition="up to what eight public schools allow",
    )


# -- claims transcribed last --------------------------------------------------------------------


@_judges("proposal-rejected")
def _proposal_rejected():
    moved = _recorded("centred-0.90/moved_at_divergences")
    return _judged(
        "NUTS rejects no proposal: it draws from the points of the trajectory, as far as they were kept "
        f"before it diverged. {_in_runs('centred-0.90/moved_at_divergences')} the chain moved all the same "
        f"in {np.median(moved):.0%} of the draws whose trajectory diverged, in the middle run, and in no run "
        f"in less than {moved.min():.0%}.",
        plainly=moved.max() < 0.05,
    )


def _longest_step(tau):
    """Limit of the leapfrog integrator in mu and the centred effects, at this tau."""
    _, error = _schools()
    precision = np.diag(np.append(1 / error.values**2 + tau**-2, MU_PRIOR.std() ** -2 + error.size / tau**2))
    precision[-1, :-1] = precision[:-1, -1] = -(tau**-2)
    return 2 / np.sqrt(np.linalg.eigvalsh(precision)[-1])


@_judges("no-step-for-both")
def _no_step_for_both():
    wide, narrow, tiny = (_longest_step(tau) for tau in (10, 0.5, 0.01))
    below = schools_posterior()["tau"].cdf(0.01)
    return _judged(
        f"At tau = 10 a leapfrog step may be as long as {wide:.1f}, at 0.5 {narrow:.2f} and at 0.01 "
        f"{tiny:.4f}. What is stable at 0.5 is stable at 10 too, for {wide / narrow:.0f} times the steps, "
        f"where NUTS allows a thousand. But a step for every tau there is not: {below:.2%} of the posterior "
        "lies below 0.01.",
        plainly=wide / narrow > 1024,
        conditionally=tiny < 0.05 * narrow,
        condition="the narrow part is meant down to its end, or the steps are to cost no more",
    )


@_judges("cluster-at-large-tau")
def _cluster_at_large_tau():
    tau = schools_posterior()["tau"]
    mean, below, end = (_recorded(f"centred-0.90/tau_{name}") for name in ("mean", "below_1", "hdi_upper"))
    return _judged(
        f"{_in_runs('centred-0.90/tau_mean')} {np.median(below):.1%} of the draws lay below 1 in the middle "
        f"run, where the exact posterior has {tau.cdf(1.0):.1%}. But their mean was {np.median(mean):.1f}, "
        f"and the interval in which 89% of them lay closest together ended at {np.median(end):.1f}: not at a "
        "tau of 10, which the source calls large.",
        plainly=np.median(mean) > 10,
        conditionally=np.median(below) < tau.cdf(1.0),
        condition="it means that too few draws lie in the stem, not that most have a large tau",
    )


@_judges("summary-converged")
def _summary_converged():
    table = runs.recorded().filter(regex="^non-centred/(mu|tau|theta)")
    largest = table.filter(like="r_hat").max(axis=1).dropna()
    least = table.filter(like="ess").min(axis=1).dropna()
    return _judged(
        f"{_in_runs('non-centred/tau/r_hat')} no R-hat was above {largest.max():.3f}, and no bulk or tail "
        f"ESS below {least.min():,.0f}.",
        plainly=largest.max() < 1.005 and least.min() >= 1000,
        conditionally=largest.median() < 1.005 and least.median() >= 1000,
        condition="in most runs",
    )


@_judges("favours-no-value")
def _favours_no_value():
    mu, tau = schools_posterior()["mu"], schools_posterior()["tau"]
    flat = exact.normal(*_schools(), mu=None, tau=TAU_PRIOR)["mu"].mean()
    at_zero = exact.normal(*_schools(), mu=MU_PRIOR, tau=None)["tau"].mean()
    ratio = TAU_PRIOR.pdf(0) / TAU_PRIOR.pdf(20)
    return _judged(
        f"A flat prior of mu moves its mean from {mu.mean():.1f} to {flat:.1f} only. That of tau favours "
        f"zero: its density is {ratio:.1f} times that at 20, and the mean of {tau.mean():.1f} would be "
        f"{at_zero:.1f} with a flat one.",
        plainly=ratio < 2,
        conditionally=abs(flat - mu.mean()) < mu.sd() / 4,
        condition="mu is meant, not tau",
    )


@_judges("errors-known")
def _errors_known():
    effect, error = _schools()
    larger = exact.normal(effect, 1.1 * error, mu=MU_PRIOR, tau=TAU_PRIOR)
    moved = np.abs(larger["theta"].mean() - schools_posterior()["theta"].mean()).max().item()
    return _judged(
        "They are estimates too, of the spread between pupils. Were all of them 10% too small, no posterior "
        f"mean would be off by more than {moved:.2f} points.",
        plainly=moved < 0.05,
        conditionally=moved < 1,
        condition="each comes from many pupils, so that its own error is small",
    )


@_judges("tau-called-variance")
def _tau_called_variance():
    tau = 6.0
    variance = float(exact.normal(*_schools(), mu=8.0, tau=tau)["theta_new"].sd()) ** 2
    return _judged(
        f"In the source's model and code tau is the standard deviation: at tau = {tau:.0f} the effects have "
        f"the variance {variance:.0f}.",
        plainly=bool(np.isclose(variance, tau)),
    )


@_judges("formula-is-mean")
def _formula_is_mean():
    effect, error = _schools()
    by_formula = effect - _factor(error, 6.0) * (effect - 8)
    grid = np.linspace(-150, 150, 20_001)[:, None]
    density = stats.norm.pdf(grid, 8, 6) * stats.norm.pdf(effect.values, grid, error.values)
    apart = np.abs((grid * density).sum(axis=0) / density.sum(axis=0) - by_formula.values).max()
    return _judged(
        f"At mu = 8 and tau = 6, sums over a fine grid agree with it for all eight schools to {apart:.0e}.",
        plainly=apart < 1e-6,
    )


@_judges("linked-only-through")
def _linked_only_through():
    data = datasets.instructors()
    score, instructor = data["score"].values.copy(), data["instructor"].values
    fifth = instructor == instructor[-1]
    spread = np.where(fifth, score[fifth].mean() + 3 * (score - score[fifth].mean()), score)

    def sd(y, sigma):
        """Posterior sd of the first instructor's mean, with mu and tau known."""
        return exact.normal_groups(y, instructor, mu=75.0, tau=8.0, sigma=sigma)["theta"].sd()[0].item()

    shared = [sd(y, _EXAM["sigma"]) for y in (score, spread)]
    known = [sd(y, 10.0) for y in (score, spread)]
    return _judged(
        "The five instructors share sigma too. With mu and tau known, scores of the fifth that scatter three "
        f"times as far would widen the first's posterior from an sd of {shared[0]:.2f} to {shared[1]:.2f}; "
        f"with sigma known it stays at {known[0]:.2f}.",
        plainly=bool(np.isclose(*shared)),
        conditionally=bool(np.isclose(*known)),
        condition="the groups share no other parameter",
    )


@_judges("relabelling")
def _relabelling():
    effect, error = (values.values for values in _schools())
    order = np.array([2, 1, 0, 3, 4, 5, 6, 7])

    def means(y, sigma):
        return exact.normal(y, sigma, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"].mean().values

    plain, both, reports = (
        means(effect, error),
        means(effect[order], error[order]),
        means(effect[order], error),
    )
    return _judged(
        f"With its report and its standard error, A may change places with C: its mean stays {both[2]:.2f}. "
        f"Had C's report come with A's standard error and A's with C's, that of 28 would give "
        f"{reports[2]:.2f}, since the reports are not exchangeable.",
        plainly=np.allclose(plain[order], reports),
        conditionally=np.allclose(plain[order], both),
        condition="report and standard error go with the name",
    )


@_judges("dirichlet-ones-uniform")
def _dirichlet_ones_uniform():
    places = np.random.default_rng(58).dirichlet([0.5, 1, 2, 3], 1000)
    density = np.array([stats.dirichlet.pdf(place, np.ones(4)) for place in places])
    return _judged(
        f"For four shares its density is {density[0]:.0f} at each of a thousand places, which differ a lot.",
        plainly=np.allclose(density, density[0]),
    )


@_judges("dirichlet-conjugate")
def _dirichlet_conjugate():
    count, alpha = datasets.survey()["count"].values[0], np.array([2.0, 0.7, 3.0, 1.5])
    places = np.random.default_rng(58).dirichlet(np.ones(4), 1000).T
    joint = stats.dirichlet.logpdf(places, alpha) + stats.multinomial.logpmf(count, count.sum(), places.T)
    apart = np.ptp(joint - stats.dirichlet.logpdf(places, alpha + count))
    return _judged(
        "At a thousand places, prior times likelihood is the Dirichlet density with the counts added, up to "
        f"a factor that is the same to {max(apart, 1e-9):.0e}.",
        plainly=apart < 1e-6,
    )


@_judges("variance-order")
def _variance_order():
    sigma = _schools()[1].values
    complete, rows = sigma**-2.0 / (sigma**-2.0).sum(), {}
    for tau in (1, 5, 20):
        factor, weight = _factor(sigma, tau), 1 / (sigma**2 + tau**2)
        # How much each report counts in each estimate, with mu estimated at this tau.
        shares = np.diag(1 - factor) + factor[:, None] * weight / weight.sum()
        rows[tau] = np.sqrt(shares**2 @ sigma**2)
    alike = np.sqrt(complete**2 @ sigma**2)
    ordered = [alike < row.min() and (row < sigma).all() for row in rows.values()]
    return _judged(
        f"Around the true effects, the estimate for H scatters by {alike:.1f} points with complete pooling, "
        f"by {rows[1][-1]:.1f}, {rows[5][-1]:.1f} and {rows[20][-1]:.1f} with partial pooling at tau = 1, 5 "
        f"and 20, and by {sigma[-1]:.0f} without; the others are in the same order.",
        plainly=all(ordered),
    )


@_judges("equal-and-large")
def _equal_and_large():
    loss = {n: np.sqrt(1 / (1 - _factor(20 / np.sqrt(n), 8.0))) - 1 for n in (2, 256)}
    return _judged(
        f"With sigma = 20 and tau = 8 known, groups of 256 have an error larger by {loss[256]:.1%} than with "
        f"partial pooling, groups of 2 by {loss[2]:.0%}.",
        plainly=loss[256] < 0.05 < loss[2],
    )


@_judges("frequentist-fixed")
def _frequentist_fixed():
    y, sigma = _fifty_schools()
    tau, estimate, _ = _plug_in(y, sigma)
    spread = estimate.std(ddof=1) / y.std(ddof=1)
    fixed = y - _factor(sigma, 1e6) * (y - y.mean())
    return _judged(
        "The mixed model, of which the source speaks as the frequentist counterpart, draws them from a "
        f"population: for fifty simulated schools REML estimates tau = {tau:.1f}, and its predictions spread "
        f"{spread:.0%} as far as the reports. Fixed effects are the reports themselves.",
        plainly=spread > 0.99,
        conditionally=np.allclose(fixed, y),
        condition="models with fixed effects are meant, not mixed models",
    )


@_judges("school-i-factor")
def _school_i_factor():
    sigma, tau, factor = _facts("school-i-factor").values()
    _, error = _schools()
    average = float(_average_factor(sigma, schools_posterior()["tau"]))
    least = _factor(error, tau).min().item()
    return _judged(
        f"So it is at tau = {tau:.0f}, where the least of the eight is {least:.2f}. Averaged over what the "
        f"eight schools say about tau, it is {average:.2f}.",
        plainly=abs(average - factor) < 0.0005,
        conditionally=abs(_factor(sigma, tau) - factor) < 0.0005 and factor < least,
        condition="tau is 6",
    )


@_judges("model-separates")
def _model_separates():
    data = datasets.simulate_schools_with_covariate(np.random.default_rng(42))
    kind = {"covariates": data["private"].values, "beta": stats.norm(0, 10)}
    beta = exact.normal(data["effect"], data["standard_error"], mu=MU_PRIOR, tau=TAU_PRIOR, **kind)["beta"]
    below = np.ravel(beta.cdf(0.0)).item()
    narrower = 1 - float(beta.sd()) / kind["beta"].std()
    return _judged(
        f"For the source's seed beta is negative with probability {below:.2f}, and its posterior only "
        f"{narrower:.0%} narrower than its prior.",
        plainly=min(below, 1 - below) < 0.05,
    )
