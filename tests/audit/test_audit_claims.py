"""The verdicts on the source's claims, and the facts behind them by another way than the audit's."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import integrate, linalg, optimize, special, stats

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling.audit import claims, numbers, runs

ROOT = Path(__file__).resolve().parents[2]

EXPECTED = {
    "pooling-compromise": "holds with a condition",
    "pooling-new-group": "holds with a condition",
    "marginal-dependence": "holds",
    "shrinkage-limits": "holds",
    "school-e-lowest-b": "holds",
    "funnel-mechanism": "holds",
    "target-accept": "holds with a condition",
    "funnel-bias": "does not hold",
    "cylinder": "holds with a condition",
    "ess-sixfold": "does not hold",
    "forest-a-g": "does not hold",
    "forest-grand-mean": "holds with a condition",
    "forest-c-e": "holds",
    "forest-widths": "holds with a condition",
    "ppc-sd": "does not hold",
    "nuts-cost": "holds with a condition",
    "pi0-recovery": "holds with a condition",
    "alpha-about-10": "does not hold",
    "region-5-widest": "holds with a condition",
    "every-category-narrower": "does not hold",
    "partial-first": "does not hold",
    "none-over-complete": "does not hold",
    "loo-no-warnings": "does not hold",
    "few-groups": "holds with a condition",
    "tau-near-zero": "holds with a condition",
    "centred-when-rich": "holds",
    "scales-to-many": "holds with a condition",
    "tau-prior-sensitivity": "holds with a condition",
    "half-cauchy-25": "does not hold",
    "reml-shrinks": "holds",
    "reml-boundary": "holds",
    "agree-when-many": "holds with a condition",
    "bad-pooling": "holds with a condition",
    "stein": "holds",
    "e1b-reason": "holds with a condition",
    "e2-jacobian": "holds with a condition",
    "e3-largest-gain": "does not hold",
    "e3-new-wider": "holds",
    "e4-new-wider": "does not hold",
    "e4-beta": "does not hold",
    "missing-references": "holds",
    "instructor-sizes": "does not hold",
    "james-stein-target": "does not hold",
    "school-b-less": "a matter of convention",
    "complete-pooling-75": "holds with a condition",
    "pull-not-chosen": "holds with a condition",
    "school-e-own-data": "does not hold",
    "mu-8-tau-6": "does not hold",
    "tau-up-to-20": "holds",
    "funnel-first": "does not hold",
    "plot-no-funnel": "does not hold",
    "map-labeller": "does not hold",
    "ess-one-sixth": "does not hold",
    "large-data-cost": "holds with a condition",
    "percentiles-called-hdi": "does not hold",
    "survey-one-fit": "does not hold",
    "runs-in-order": "does not hold",
    "heterogeneity-explains": "does not hold",
    "errors-above-differences": "does not hold",
    "best-with-15-to-500": "holds with a condition",
    "complete-cannot-predict": "does not hold",
    "none-unbiased": "holds with a condition",
    "advantage-below-10": "holds",
    "carries-through": "holds with a condition",
    "second-largest": "does not hold",
    "other-seven": "does not hold",
    "forest-other-six": "holds with a condition",
    "decades-before": "does not hold",
    "moments-make-normal": "holds with a condition",
    "minus-8-to-23": "does not hold",
    "more-students-less-pull": "holds with a condition",
    "no-reason": "holds with a condition",
    "urn": "holds",
    "both-more-moderate": "holds with a condition",
    "mu-prior-wide": "holds",
    "divergences-reported": "holds with a condition",
    "same-distribution": "holds",
    "a-c-h-shrunk-more": "a matter of convention",
    "ppc-compatible": "holds",
    "log-posterior-terms": "holds with a condition",
    "dirichlet-around-mean": "holds with a condition",
    "common-regionally": "holds with a condition",
    "alpha-moderate-agreement": "does not hold",
    "all-similar": "holds with a condition",
    "small-but-consistent": "holds with a condition",
    "partial-closer": "holds with a condition",
    "partial-bias-small": "holds with a condition",
    "helps-smallest-most": "holds with a condition",
    "non-centred-default": "holds with a condition",
    "plug-in-understates": "holds with a condition",
    "28-mostly-noise": "holds",
    "harmless-gradient": "does not hold",
    "poisson-funnel-pair": "does not hold",
    "more-private-sharpen": "holds with a condition",
    "proposal-rejected": "does not hold",
    "no-step-for-both": "holds with a condition",
    "cluster-at-large-tau": "holds with a condition",
    "summary-converged": "holds",
    "favours-no-value": "holds with a condition",
    "errors-known": "holds with a condition",
    "tau-called-variance": "does not hold",
    "formula-is-mean": "holds",
    "linked-only-through": "holds with a condition",
    "relabelling": "holds with a condition",
    "dirichlet-ones-uniform": "holds",
    "dirichlet-conjugate": "holds",
    "variance-order": "holds",
    "equal-and-large": "holds",
    "frequentist-fixed": "holds with a condition",
    "school-i-factor": "holds with a condition",
    "model-separates": "does not hold",
}


@pytest.fixture(scope="module")
def table():
    return claims.findings().set_index("id")


@pytest.fixture(scope="module")
def evidence(table):
    return table["evidence"].to_dict()


# -- the table itself ---------------------------------------------------------------------------


@pytest.mark.slow
def test_every_claim_is_judged_once_and_in_order(table):
    assert list(table.index) == list(EXPECTED)
    assert list(table.columns) == ["where", "claim", "verdict", "evidence", "page"]
    assert not table.isna().any().any()


@pytest.mark.slow
def test_the_verdicts_are_those_that_were_reviewed(table):
    assert table["verdict"].to_dict() == EXPECTED
    assert set(EXPECTED.values()) <= set(claims.VERDICTS)


@pytest.mark.slow
def test_evidence_holds_a_number_and_the_condition_where_there_is_one(table):
    assert table["evidence"].str.contains(r"\d").all()
    assert not table["evidence"].str.contains(r"\b(?:nan|inf)\b|xarray", regex=True).any()
    named = table["evidence"].str.startswith("Condition: ")
    assert (named == (table["verdict"] == "holds with a condition")).all()


def test_a_condition_is_said():
    with pytest.raises(ValueError, match="condition is empty: say"):
        claims._judged("evidence", plainly=False, conditionally=True)


@pytest.mark.parametrize(
    ("claim", "facts", "verdict"),
    [
        ("divergences-reported", {"warns": {"pymc": True, "nutpie": True}}, "holds"),
        ("divergences-reported", {"warns": {"pymc": False, "nutpie": False}}, "does not hold"),
        ("large-data-cost", {"observations": 20}, "holds"),
        ("large-data-cost", {"observations": 5}, "does not hold"),
        ("funnel-first", {"Betancourt and Girolami": 2001, "Neal": 2003}, "holds"),
        ("best-with-15-to-500", {"fewest": 15, "most": 5000}, "holds"),
        ("best-with-15-to-500", {"fewest": 5, "most": 500}, "does not hold"),
    ],
)
def test_other_facts_give_other_verdicts(monkeypatch, claim, facts, verdict):
    monkeypatch.setattr(claims, "_facts", lambda _: facts)
    assert claims._CHECKS[claim]().verdict == verdict


def test_a_claim_without_a_check_is_refused(monkeypatch):
    monkeypatch.delitem(claims._CHECKS, "stein")
    with pytest.raises(ValueError, match=r"differ in \['stein'\]"):
        claims.findings()


# -- the pages ----------------------------------------------------------------------------------


def page_of(claim):
    """Text and label of the section that treats a claim."""
    file, _, label = claim["page"].partition("#")
    return (ROOT / file).read_text(encoding="utf8"), label


def section(text, label):
    """What stands from a label to the next labelled heading of its level."""
    after = text.partition(f"\n({label})=\n")[2]
    level = len(re.match("#*", after)[0]) or 2
    return re.split(rf"^\([\w-]+\)=\n#{{1,{level}}} ", after, flags=re.MULTILINE)[0]


def corrections(text):
    pattern = r"^```\{admonition\} The source differs here\n(.*?)^```$"
    return re.findall(pattern, text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "box"),
    [
        (path.name, box)
        for folder in ("chapters", "solutions")
        for path in sorted((ROOT / folder).glob("*.md"))
        for box in corrections(path.read_text(encoding="utf8"))
    ],
)
def test_every_correction_has_its_row_in_the_audit(page, box):
    rows = {claim["id"] for claim in claims.stated()} | {group["id"] for group in numbers.stated()}
    assert {name for name in re.findall(r"<audit-([a-z0-9-]+)>`", box) if name in rows}, page


@pytest.mark.parametrize("claim", claims.stated(), ids=lambda claim: claim["id"])
def test_the_page_treats_the_claim_and_links_to_its_entry(claim):
    text, label = page_of(claim)
    assert text.count(f"\n({label})=\n") == 1
    link = f"<audit-{claim['id']}>`"
    assert link in section(text, label)
    if EXPECTED[claim["id"]] == "does not hold":
        assert any(link in box for box in corrections(text))


def test_no_page_links_to_the_entry_of_a_claim_that_there_is_not():
    known = {claim["id"] for claim in claims.stated()}
    stated = (ROOT / "tooling/audit/data/stated.yaml").read_text()
    groups = set(re.findall(r"^- id: (\S+)$", stated, re.MULTILINE))
    pages = [
        page.read_text() for folder in ("chapters", "solutions") for page in (ROOT / folder).glob("*.md")
    ]
    linked = {name for text in pages for name in re.findall(r"<audit-([a-z0-9-]+)>`", text)}
    labels = {name for text in pages for name in re.findall(r"^\(audit-([a-z0-9-]+)\)=$", text, re.MULTILINE)}
    assert linked <= known | groups | labels


def test_the_references_of_the_book_hold_what_the_source_lacks():
    keys = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "references.bib").read_text(), re.MULTILINE))
    assert {"GelmanBDA3", "Gelman2006scale"} < keys


# -- other numbers give other verdicts ------------------------------------------------------------


def recorded_runs(**columns):
    """Forty runs with these values in every one, and plausible ones elsewhere."""
    values = {
        "centred-0.90/tau_mean": 5.3,
        "centred-0.90/tau_below_1": 0.05,
        "centred-0.90/tau_at_divergences": 0.8,
        "centred-0.90/divergences": 60,
        "centred-0.90/moved_at_divergences": 0.5,
        "centred-0.90/tau_hdi_upper": 10.0,
        "centred-0.95/divergences": 20,
        "centred-0.99/divergences": 3,
        "centred-0.90/tau/ess_bulk": 300,
        "non-centred/tau/ess_bulk": 3000,
        "non-centred/divergences": 0,
        "non-centred/steps_5_to_20": 0.98,
        "centred-0.90/steps_5_to_20": 0.6,
        "centred-0.95/steps_5_to_20": 0.4,
        "centred-0.99/steps_5_to_20": 0.1,
        "centred-0.99/steps_mean": 30.0,
        "loo/no pooling/k_above_0.7": 4,
        "non-centred/tau/r_hat": 1.001,
    }
    tasks = [(sampler, "native", seed) for sampler in ("nutpie", "pymc") for seed in runs.SEEDS]
    index = pd.MultiIndex.from_tuples(tasks, names=["sampler", "processor", "seed"])
    return pd.DataFrame(values | columns, index=index)


@pytest.mark.parametrize(
    ("claim", "columns", "verdict"),
    [
        ("funnel-mechanism", {}, "holds"),
        ("funnel-mechanism", {"centred-0.90/tau_at_divergences": 9.0}, "does not hold"),
        ("target-accept", {}, "holds"),
        ("target-accept", {"centred-0.99/divergences": [0, 3] * 20}, "does not hold"),
        ("target-accept", {"centred-0.99/divergences": [0, 3, 3, 3] * 10}, "holds with a condition"),
        ("target-accept", {"centred-0.99/divergences": 90}, "does not hold"),
        ("funnel-bias", {"centred-0.90/tau_mean": 4.0}, "does not hold"),
        ("cylinder", {}, "holds"),
        ("cylinder", {"non-centred/divergences": [0, 0, 0, 2] * 10}, "holds with a condition"),
        ("cylinder", {"non-centred/divergences": 30}, "does not hold"),
        ("ess-sixfold", {"non-centred/tau/ess_bulk": 1800}, "holds"),
        ("ess-sixfold", {"non-centred/tau/ess_bulk": [1200, 4800] * 20}, "holds with a condition"),
        ("ess-sixfold", {"non-centred/tau/ess_bulk": 4800}, "does not hold"),
        ("divergences-reported", {}, "holds with a condition"),
        ("divergences-reported", {"centred-0.90/divergences": [0, 60] * 20}, "does not hold"),
        ("nuts-cost", {}, "holds with a condition"),
        ("nuts-cost", {"centred-0.95/steps_5_to_20": 0.9, "centred-0.99/steps_5_to_20": 0.9}, "holds"),
        ("nuts-cost", {"non-centred/steps_5_to_20": 0.2}, "does not hold"),
        ("proposal-rejected", {}, "does not hold"),
        ("proposal-rejected", {"centred-0.90/moved_at_divergences": 0.0}, "holds"),
        ("cluster-at-large-tau", {}, "holds with a condition"),
        ("cluster-at-large-tau", {"centred-0.90/tau_mean": 12.0}, "holds"),
        ("cluster-at-large-tau", {"centred-0.90/tau_below_1": 0.2}, "does not hold"),
        ("summary-converged", {}, "holds"),
        (
            "summary-converged",
            {"non-centred/tau/r_hat": [1.001, 1.001, 1.02, 1.001] * 10},
            "holds with a condition",
        ),
        ("summary-converged", {"non-centred/tau/ess_bulk": 700}, "does not hold"),
    ],
)
def test_other_runs_give_other_verdicts(monkeypatch, claim, columns, verdict):
    monkeypatch.setattr(runs, "recorded", partial(recorded_runs, **columns))
    assert claims._CHECKS[claim]().verdict == verdict


def test_another_posterior_gives_another_verdict(monkeypatch):
    vague = exact.normal(*claims._schools(), mu=MU_PRIOR, tau=None)
    monkeypatch.setattr(claims, "schools_posterior", lambda: vague)
    assert claims._CHECKS["forest-a-g"]().verdict == "holds"
    wide = exact.dirichlet_multinomial(
        datasets.survey()["count"], alpha=stats.expon(scale=10), baseline=stats.dirichlet(np.ones(4))
    )
    monkeypatch.setattr(claims, "survey_posterior", lambda: wide)
    assert claims._CHECKS["every-category-narrower"]().verdict == "holds"
    spread = {
        "complete": exact.normal(np.array([-90.0, 0, 90]), 10.0, mu=MU_PRIOR, tau=0),
        "partial": exact.normal(np.array([-90.0, 0, 90]), 10.0, mu=MU_PRIOR, tau=TAU_PRIOR),
        "none": exact.normal(np.array([-90.0, 0, 90]), 10.0, mu=0, tau=100),
    }
    monkeypatch.setattr(claims, "strategies", lambda: spread)
    assert claims._CHECKS["none-over-complete"]().verdict == "holds"
    assert claims._CHECKS["complete-cannot-predict"]().verdict == "holds"
    assert claims._CHECKS["all-similar"]().verdict == "does not hold"
    assert claims._CHECKS["small-but-consistent"]().verdict == "does not hold"
    precise = exact.normal(claims._schools()[0], 1.0, mu=MU_PRIOR, tau=TAU_PRIOR)
    monkeypatch.setattr(claims, "schools_posterior", lambda: precise)
    assert claims._CHECKS["28-mostly-noise"]().verdict == "does not hold"
    monkeypatch.setattr(claims, "MU_PRIOR", stats.norm(0, 2))
    assert claims._CHECKS["mu-prior-wide"]().verdict == "does not hold"


def test_another_prior_or_other_errors_give_another_verdict(monkeypatch):
    uniform = stats.uniform(0, 60)
    monkeypatch.setattr(claims, "TAU_PRIOR", uniform)
    assert claims._CHECKS["favours-no-value"]().verdict == "holds"
    small = exact.normal(claims._schools()[0], 1.0, mu=MU_PRIOR, tau=uniform)
    monkeypatch.setattr(claims, "schools_posterior", lambda: small)
    assert claims._CHECKS["errors-known"]().verdict == "does not hold"
    at_six = exact.normal(*claims._schools(), mu=MU_PRIOR, tau=6.0)
    monkeypatch.setattr(claims, "schools_posterior", lambda: at_six)
    assert claims._CHECKS["school-i-factor"]().verdict == "holds"


def test_many_regions_that_differ_agree_moderately(monkeypatch):
    apart = datasets.survey()
    apart["count"][:] = np.tile([[30, 5, 5, 5], [5, 30, 5, 5], [5, 5, 30, 5]], (2, 1))
    monkeypatch.setattr(datasets, "survey", lambda: apart)
    assert claims._CHECKS["alpha-moderate-agreement"]().verdict == "holds"


def test_instructors_far_apart_are_predicted_no_worse_by_the_prior(monkeypatch):
    data = datasets.instructors()
    place = xr.DataArray([5.0, 25.0, 50.0, 75.0, 95.0], {"name": np.unique(data["instructor"])}, "name")
    apart = data.assign(score=data["score"] / 10 + place.sel(name=data["instructor"]).drop_vars("name"))
    monkeypatch.setattr(datasets, "instructors", lambda: apart)
    assert claims._CHECKS["pooling-new-group"]().verdict == "does not hold"


def test_a_prior_that_holds_no_instructor_predicts_none(monkeypatch):
    monkeypatch.setitem(claims._EXAM_APART, "mu", 400.0)
    assert claims._CHECKS["pooling-new-group"]().verdict == "holds"


# -- Eight Schools by brute force: multivariate Normal densities on a dense grid of tau -----------

EFFECT = np.array([28, 8, -3, 7, -1, 1, 18, 12.0])
SIGMA = np.array([15, 10, 16, 11, 9, 11, 10, 18.0])
A, B, C, D, E, F, G, H = range(8)
TAU = np.arange(0.005, 80, 0.01)


def log_likelihood(tau, effect=EFFECT, sigma=SIGMA, mu_sd=20.0):
    """Log density of the effects given tau, with mu integrated."""
    covariance = np.diag(sigma**2 + tau**2) + mu_sd**2
    return stats.multivariate_normal(np.zeros(len(effect)), covariance).logpdf(effect)


@pytest.fixture(scope="module")
def brute_force():
    """Weights of the grid of tau, and conditional means and covariances of (mu, theta)."""
    weight = np.exp([log_likelihood(tau) for tau in TAU]) * stats.halfnorm(scale=10).pdf(TAU)
    means, covariances = [], []
    for tau in TAU:
        # Prior precision of (mu, theta) with the data's on top.
        precision = np.zeros((9, 9))
        precision[0, 0] = 1 / 20**2 + 8 / tau**2
        precision[0, 1:] = precision[1:, 0] = -1 / tau**2
        precision[1:, 1:] = np.diag(1 / tau**2 + 1 / SIGMA**2)
        covariance = np.linalg.inv(precision)
        means.append(covariance[:, 1:] @ (EFFECT / SIGMA**2))
        covariances.append(np.diag(covariance))
    return weight / weight.sum(), np.array(means), np.array(covariances)


def moments(brute_force):
    weight, mean, variance = brute_force
    average = weight @ mean
    return average, np.sqrt(weight @ (variance + mean**2) - average**2)


def hdi_width(density, grid):
    """Width of the set of highest density that holds 89%, for a density with one peak."""
    order = density.argsort()[::-1]
    inside = order[: np.searchsorted(np.cumsum(density[order]) / density.sum(), 0.89) + 1]
    return np.ptp(grid[inside])


@pytest.mark.slow
def test_tau_is_too_large_without_the_stem(brute_force, evidence):
    weight = brute_force[0]
    mean, stem = weight @ TAU, weight[TAU < 1].sum()
    without = weight[TAU > 1] @ TAU[TAU > 1] / (1 - stem)
    assert without > mean
    for number in (f"{mean:.2f}", f"{without:.2f}", f"{stem:.1%}"):
        assert number in evidence["funnel-bias"]


@pytest.mark.slow
def test_means_of_the_forest_plot(brute_force, evidence):
    mean, _ = moments(brute_force)
    assert f"{mean[1 + A]:.2f} and {mean[1 + G]:.2f}" in evidence["forest-a-g"]
    assert f"{mean[0]:.2f}" in evidence["forest-grand-mean"]
    assert f"{mean[1 + B]:.2f}" in evidence["forest-grand-mean"]


@pytest.mark.slow
def test_widths_of_the_forest_plot_do_not_follow_sigma(brute_force, evidence):
    weight, mean, variance = brute_force
    grid = np.arange(-60, 80, 0.01)
    coarse = slice(5, None, 10)
    widths = {}
    for school in (A, H, E, B):
        laws = stats.norm(mean[coarse, 1 + school], np.sqrt(variance[coarse, 1 + school]))
        density = np.zeros(grid.size)
        for part in np.array_split(np.arange(weight[coarse].size), 40):
            law = stats.norm(laws.mean()[part], laws.std()[part])
            density += law.pdf(grid[:, None]) @ weight[coarse][part]
        widths[school] = hdi_width(density, grid)
    assert widths[A] > widths[H] + 0.3
    assert widths[E] > widths[B] + 0.05
    found = re.findall(r"\d+\.\d\d", evidence["forest-widths"])
    assert [float(number) for number in found] == pytest.approx([widths[s] for s in (A, H, E, B)], abs=0.04)


@pytest.mark.slow
def test_school_b_moves_further_than_a_noisier_one(brute_force, evidence):
    mean, _ = moments(brute_force)
    points = np.abs(EFFECT - mean[1:])
    factor = brute_force[0] @ (SIGMA**2 / (SIGMA**2 + TAU[:, None] ** 2))
    assert points[B] > points[D]
    assert all(factor[B] < factor[school] for school in (A, C, D, F, H))
    assert f"{points[B]:.2f} points" in evidence["school-b-less"]
    assert f"{points[D]:.2f} points" in evidence["school-b-less"]


@pytest.mark.slow
def test_replicated_sds_exceed_the_standard_errors(brute_force, evidence):
    _, sd = moments(brute_force)
    excess = np.hypot(sd[1:], SIGMA) / SIGMA - 1
    assert f"{excess.min():.0%} to {excess.max():.0%}" in evidence["ppc-sd"]


@pytest.mark.slow
def test_a_ninth_school_is_a_quarter_wider_than_school_e(brute_force, evidence):
    weight, mean, variance = brute_force

    def central_width(centre, spread):
        def cdf(x):
            return weight @ stats.norm.cdf(x, centre, spread)

        ends = [optimize.brentq(lambda x, p=p: cdf(x) - p, -100, 100) for p in (0.055, 0.945)]
        return ends[1] - ends[0]

    new = central_width(mean[:, 0], np.sqrt(variance[:, 0] + TAU**2))
    known = central_width(mean[:, 1 + E], np.sqrt(variance[:, 1 + E]))
    assert 1.2 < new / known < 1.3
    assert f"{new / known - 1:.0%} wider" in evidence["e4-new-wider"]


@pytest.mark.slow
def test_most_of_tau_lies_below_6(brute_force, evidence):
    weight = brute_force[0]
    median = TAU[np.searchsorted(np.cumsum(weight), 0.5)]
    assert f"{weight[TAU < 6].sum():.0%} lies below 6" in evidence["e1b-reason"]
    stated = float(re.search(r"median (\d\.\d\d)", evidence["e1b-reason"]).group(1))
    assert stated == pytest.approx(median, abs=0.01)


@pytest.mark.slow
def test_leave_one_out_by_refitting(evidence):
    tau = TAU[::5]
    prior = stats.halfnorm(scale=10).pdf(tau)

    def partial_pooling(effect, sigma):
        values = [log_likelihood(t, effect, sigma) for t in tau]
        return special.logsumexp(values, b=prior * (tau[1] - tau[0]))

    def complete_pooling(effect, sigma):
        return log_likelihood(0.0, effect, sigma)

    def leave_one_out(evidence_of):
        whole = evidence_of(EFFECT, SIGMA)
        return sum(whole - evidence_of(np.delete(EFFECT, i), np.delete(SIGMA, i)) for i in range(8))

    complete, pooled = leave_one_out(complete_pooling), leave_one_out(partial_pooling)
    none = stats.norm.logpdf(EFFECT, 0, np.hypot(20, SIGMA)).sum()
    assert complete > pooled > none
    for elpd in (complete, pooled, none):
        assert f"{elpd:.2f}" in evidence["partial-first"]
    assert f"{none:.2f}" in evidence["none-over-complete"]


@pytest.mark.slow
def test_pareto_k_is_where_moments_of_the_weights_end(evidence):
    # 1 / p(y | theta) has a finite moment of order m under Normal(., v) if and only if m < sigma^2 / v.
    variance = 1 / (1 / SIGMA**2 + 1 / 20**2)
    assert f"in {(variance / SIGMA**2 > 0.7).sum()} of 8" in evidence["loo-no-warnings"]
    for sigma2, v in ((81.0, variance[E]), (324.0, variance[H])):

        def log_term(theta, order, sigma2=sigma2, v=v):
            return order * theta**2 / (2 * sigma2) - theta**2 / (2 * v)

        below, above = 0.99 * sigma2 / v, 1.01 * sigma2 / v
        assert log_term(1e4, below) < -1e3
        assert log_term(1e4, above) > 1e3


def test_reml_is_zero_on_eight_schools_by_error_contrasts():
    # REML is the likelihood of contrasts that are free of mu.
    contrasts = linalg.null_space(np.ones((1, 8))).T

    def log_restricted(tau):
        covariance = contrasts @ np.diag(SIGMA**2 + tau**2) @ contrasts.T
        return stats.multivariate_normal(np.zeros(7), covariance).logpdf(contrasts @ EFFECT)

    values = [log_restricted(tau) for tau in np.linspace(0, 40, 401)]
    assert np.argmax(values) == 0
    assert claims._plug_in(EFFECT, SIGMA)[0] == 0
    # A set with an inner maximum, found by another method.
    rng = np.random.default_rng(7)
    effect = rng.normal(8, np.hypot(20, SIGMA))

    def negative(tau):
        covariance = contrasts @ np.diag(SIGMA**2 + tau**2) @ contrasts.T
        return -stats.multivariate_normal(np.zeros(7), covariance).logpdf(contrasts @ effect)

    best = optimize.minimize_scalar(negative, bounds=(0, 100), method="bounded").x
    assert claims._plug_in(effect, SIGMA)[0] == pytest.approx(best, abs=0.1)


@pytest.mark.slow
def test_half_cauchy_depends_on_the_unit(evidence):
    def school_a(unit):
        grid = TAU[::5]
        scale = 25 / unit
        weight = stats.halfcauchy(scale=scale).pdf(grid) * np.exp([log_likelihood(tau) for tau in grid])
        precision = 1 / (SIGMA**2 + grid[:, None] ** 2)
        mu = (precision * EFFECT).sum(axis=1) / (precision.sum(axis=1) + 1 / 20**2)
        share = SIGMA[A] ** 2 * precision[:, A]
        return weight @ ((1 - share) * EFFECT[A] + share * mu) / weight.sum()

    for unit in (1, 0.01, 100):
        assert f"{school_a(unit):.1f}" in evidence["half-cauchy-25"]


# -- other models -------------------------------------------------------------------------------


def test_shrinkage_has_the_limits_of_the_claim():
    for sigma, tau, limit in ((1e4, 1.0, 5.0), (1.0, 1e4, -3.0), (9.0, 1e-3, 5.0)):
        posterior = exact.normal([-3.0], sigma, mu=5.0, tau=tau)
        assert posterior["theta"].mean().item() == pytest.approx(limit, abs=1e-4)


@pytest.mark.slow
def test_group_parameters_are_dependent_until_mu_and_tau_are_given(evidence):
    rng = np.random.default_rng(1)
    mu, tau = rng.normal(0, 20, 400_000), np.abs(rng.normal(0, 10, 400_000))
    first, second = mu + tau * rng.normal(size=(2, mu.size))
    correlation = np.corrcoef(first, second)[0, 1]
    assert correlation == pytest.approx(0.8, abs=0.005)
    assert f"is {correlation:.2f} before" in evidence["marginal-dependence"]
    narrow = (np.abs(mu - 8) < 1) & (np.abs(tau - 6) < 0.5)
    # Within the slice mu still varies a little, by 1 / 3 of variance against 36.
    assert abs(np.corrcoef(first[narrow], second[narrow])[0, 1]) < 4 / np.sqrt(narrow.sum()) + 0.01


@pytest.mark.slow
def test_alpha_by_importance_sampling_from_the_prior(evidence):
    rng = np.random.default_rng(2)
    count = datasets.survey()["count"].values
    alpha = np.arange(0.5, 40)
    baseline = rng.dirichlet(np.ones(4), 20_000)
    parameters = alpha[:, None, None] * baseline
    log_p = np.zeros((alpha.size, len(baseline)))
    for row in count:
        log_p += (special.gammaln(parameters + row) - special.gammaln(parameters)).sum(axis=-1)
        log_p += (special.gammaln(alpha) - special.gammaln(alpha + row.sum()))[:, None]
    weight = np.exp(special.logsumexp(log_p, axis=1) - alpha)
    mean = weight @ alpha / weight.sum()
    assert mean == pytest.approx(8.13, abs=0.15)
    stated = float(re.search(r"mean is (\d+\.\d\d)", evidence["alpha-about-10"]).group(1))
    assert mean == pytest.approx(stated, abs=0.15)


@pytest.mark.slow
def test_hospitals_by_a_dense_grid(evidence):
    data = datasets.hospitals()
    count, exposure = data["count"].values, data["exposure"].values
    log_rate = np.linspace(-5, 4, 901)
    rate, step = np.exp(log_rate), log_rate[1] - log_rate[0]
    likelihood = stats.poisson.pmf(count[:, None], exposure[:, None] * rate)
    mu, sigma = np.linspace(-2.5, 3, 56), np.linspace(0.025, 3.5, 70)
    nodes = np.array(np.meshgrid(mu, sigma)).reshape(2, -1)
    population = stats.norm.pdf(log_rate, nodes[0][:, None], nodes[1][:, None])
    each = population @ likelihood.T * step
    weight = each.prod(axis=1) * stats.norm.pdf(nodes[0]) * stats.halfnorm.pdf(nodes[1])
    gain = {}
    for hospital in (2, 3, 4, 6):
        pooled = (weight / each[:, hospital]) @ population * likelihood[hospital] / rate
        alone = stats.gamma(1 + count[hospital], scale=1 / (0.5 + exposure[hospital])).pdf(rate)
        even = np.linspace(0.01, 12, 12_000)
        widths = [hdi_width(np.interp(even, rate, density), even) for density in (pooled, alone)]
        gain[hospital] = 1 - widths[0] / widths[1]
    assert gain[2] > gain[4] > gain[6] > 0.2
    assert gain[3] < -0.05
    for hospital, share in gain.items():
        assert f"{abs(share):.0%}" in evidence["e3-largest-gain"], hospital + 1


@pytest.mark.slow
def test_the_covariate_by_generalised_least_squares(evidence):
    data = datasets.simulate_schools_with_covariate(np.random.default_rng(42))
    effect, sigma = data["effect"].values, data["standard_error"].values
    design = np.column_stack([np.ones(12), data["private"].values])
    prior = np.diag([20.0**2, 10.0**2])
    tau = np.arange(0.025, 60, 0.05)
    weights, means, squares = [], [], []
    for value in tau:
        noise = np.diag(sigma**2 + value**2)
        weights.append(stats.multivariate_normal(np.zeros(12), noise + design @ prior @ design.T).pdf(effect))
        covariance = np.linalg.inv(np.linalg.inv(prior) + design.T @ np.linalg.inv(noise) @ design)
        mean = (covariance @ design.T @ np.linalg.inv(noise) @ effect)[1]
        means.append(mean)
        squares.append(mean**2 + covariance[1, 1])
    weight = np.array(weights) * stats.halfnorm(scale=10).pdf(tau)
    weight /= weight.sum()
    mean = weight @ means
    assert f"{mean:.1f} ± {np.sqrt(weight @ squares - mean**2):.1f}" in evidence["e4-beta"]


@pytest.mark.slow
def test_four_precise_groups_tell_more_about_tau_than_four_noisy_ones(evidence):
    def overlap(sigma):
        q = stats.norm.ppf((np.arange(4) + 0.5) / 4)
        effect = q / q.std(ddof=1) * np.hypot(8, sigma)
        prior = stats.halfnorm(scale=10)

        def joint(tau):
            return np.exp(log_likelihood(tau, effect, np.full(4, float(sigma)))) * prior.pdf(tau)

        total = integrate.quad(joint, 0, 100, limit=200)[0]
        return integrate.quad(lambda tau: min(joint(tau) / total, prior.pdf(tau)), 0, 30, limit=500)[0]

    assert f"shares {overlap(10):.0%}" in evidence["few-groups"]
    assert f"it is {overlap(2):.0%}" in evidence["few-groups"]


# -- Stein's theorem ----------------------------------------------------------------------------


def test_james_stein_risk_by_simulation():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(400_000, 3))
    for spread in (0.0, 1.0, 3.0):
        theta = spread * np.array([1, -1, 0.5])
        y = theta + noise
        loss = (((1 - 1 / (y**2).sum(axis=1, keepdims=True)) * y - theta) ** 2).sum(axis=1)
        # The loss at the fixed point has no variance: use its own standard error with room for the tail.
        error = 5 * loss.std() / np.sqrt(len(loss))
        assert claims._james_stein_risk(3, (theta**2).sum()) == pytest.approx(loss.mean(), abs=error)


def test_toward_the_average_three_means_lose_and_four_gain():
    rng = np.random.default_rng(4)

    def excess(means, spread):
        """Risk of the positive-part estimator with constant 1, minus that of the raw means."""
        theta = np.resize([1.0, -1.0], means)
        theta = (theta - theta.mean()) / theta.std() * spread
        y = theta + rng.normal(size=(400_000, means))
        around = y - y.mean(axis=1, keepdims=True)
        keep = 1 - np.minimum(1, 1 / (around**2).sum(axis=1, keepdims=True))
        estimate = y.mean(axis=1, keepdims=True) + keep * around
        difference = ((estimate - theta) ** 2 - (y - theta) ** 2).sum(axis=1)
        return difference.mean(), 4 * difference.std() / np.sqrt(len(difference))

    for spread in (2.0, 3.0):
        value, error = excess(3, spread)
        assert value > error
    for spread in (0.0, 1.0, 2.0, 3.0):
        value, error = excess(4, spread)
        assert value < -error
    largest = max(excess(3, spread)[0] for spread in (2.0, 2.5, 3.0))
    assert claims._worst_excess(3, 1) == pytest.approx(largest, abs=0.01)


def test_condition_numbers_by_the_normal_limit():
    # With so much data theta is known, and theta-tilde moves with mu and tau: one direction per school
    # that mu or log tau can move all the others along.
    rich = claims._condition_numbers(1e6)
    assert rich[0] == pytest.approx(1, abs=0.2)
    assert rich[1] > 10_000


def test_leapfrog_steps_grow_with_the_fourth_root_of_the_dimension():
    # Beskos et al. (2013): the step of constant acceptance shrinks like the dimension to the power -1/4.
    growth = claims._leapfrog_steps(1000) / claims._leapfrog_steps(10)
    assert growth == pytest.approx(100**0.25, rel=0.3)


# -- claims transcribed last, by other ways --------------------------------------------------------


@pytest.mark.slow
def test_school_i_and_a_flat_prior_of_tau(brute_force, evidence):
    average = brute_force[0] @ (25 / (25 + TAU**2))
    assert f"it is {average:.2f}" in evidence["school-i-factor"]
    assert average > 0.5 > 25 / 61 > 0.4
    flat = np.exp([log_likelihood(tau) for tau in TAU])
    assert f"would be {flat @ TAU / flat.sum():.1f} with" in evidence["favours-no-value"]


@pytest.mark.slow
def test_a_step_that_is_stable_and_one_that_is_not(evidence):
    """Leapfrog in mu and the centred effects, at the recorded limits and a hundredth beyond."""
    limits = re.findall(r"\d\.\d+", evidence["no-step-for-both"])
    for tau, printed in zip((10.0, 0.5, 0.01), (limits[0], limits[2], limits[4]), strict=True):
        place = 10.0 ** -len(printed.partition(".")[2]) / 2
        grown = []
        for step in (0.99 * (float(printed) - place), 1.01 * (float(printed) + place)):
            mu, theta = 1.0, np.linspace(-1, 1, 8) * tau
            momentum = np.ones(9)
            for _ in range(300):
                for half in (0, 1):
                    pull = (theta - mu) / tau**2
                    momentum -= step / 2 * np.append(pull + theta / SIGMA**2, mu / 20**2 - pull.sum())
                    if not half:
                        theta, mu = theta + step * momentum[:8], mu + step * momentum[8]
            grown.append(abs(mu))
        assert grown[0] < 1e4 < 1e8 < grown[1]


@pytest.mark.slow
def test_uniform_shares_by_throwing_stones(evidence):
    """Three cuts of a stick: the shares of a Dirichlet with ones; the density is one over the volume."""
    inside = (np.random.default_rng(58).random((1_000_000, 3)).sum(axis=1) < 1).mean()
    assert 1 / inside == pytest.approx(6, abs=4 * 36 * np.sqrt(inside * (1 - inside) / 1e6))
    assert "its density is 6 at" in evidence["dirichlet-ones-uniform"]


@pytest.mark.slow
def test_variances_of_three_estimates_by_simulation(evidence):
    rng = np.random.default_rng(58)
    y = rng.normal(0, SIGMA, (200_000, 8))
    found = [np.sqrt((y @ SIGMA**-2.0 / (SIGMA**-2.0).sum()).var())]
    for tau in (1, 5, 20):
        weight = 1 / (SIGMA**2 + tau**2)
        factor = SIGMA[H] ** 2 * weight[H]
        found.append(((1 - factor) * y[:, H] + factor * (y @ weight / weight.sum())).std())
    printed = [float(number) for number in re.findall(r"\d+\.\d", evidence["variance-order"])]
    assert printed == pytest.approx(found, abs=0.05 + 4 * 11 / np.sqrt(2 * 200_000))


@pytest.mark.slow
def test_beta_by_a_grid(evidence):
    """The ninth school's covariate: probability of a negative beta, from multivariate Normal densities."""
    data = datasets.simulate_schools_with_covariate(np.random.default_rng(42))
    x, y, sigma = (data[name].values.astype(float) for name in ("private", "effect", "standard_error"))
    below, total = 0.0, 0.0
    for tau in np.arange(0.05, 60, 0.1):
        covariance = np.diag(sigma**2 + tau**2) + 20**2 + 100 * np.outer(x, x)
        gain = 100 * x @ np.linalg.inv(covariance)
        law = stats.norm(gain @ y, np.sqrt(100 - gain @ (100 * x)))
        weight = stats.multivariate_normal(np.zeros(12), covariance).pdf(y) * stats.halfnorm(scale=10).pdf(
            tau
        )
        below, total = below + weight * law.cdf(0), total + weight
    assert f"negative with probability {below / total:.2f}" in evidence["model-separates"]


@pytest.mark.slow
def test_reports_that_change_places(evidence):
    order = [C, B, A, D, E, F, G, H]
    weight, mean = [], []
    for tau in TAU[5::10]:
        covariance = np.diag(SIGMA**2 + tau**2) + 20**2
        y = EFFECT[order]
        weight.append(
            stats.multivariate_normal(np.zeros(8), covariance).pdf(y) * stats.halfnorm(scale=10).pdf(tau)
        )
        mean.append((tau**2 * np.eye(8)[C] + 20**2) @ np.linalg.solve(covariance, y))
    average = np.dot(weight, mean) / np.sum(weight)
    assert f"that of 28 would give {average:.2f}" in evidence["relabelling"]
