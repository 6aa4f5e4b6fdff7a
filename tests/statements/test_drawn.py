"""What pictures show, as their texts say: held against the figures that the pages draw."""

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from drawing import drawn
from scipy import stats
from statements import ROOT, states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling.audit import numbers

SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"].values, SCHOOLS["standard_error"].values
STEIN = "chapters/bringing-together.md"
SURVEY = "chapters/dirichlet-multinomial.md"
EIGHT = "chapters/eight-schools.md"
LOO = "chapters/loo-comparison.md"
MATHS = "chapters/mathematical-structure.md"
WHEN = "chapters/when-hierarchical.md"
POOLING = "chapters/pooling-problem.md"
PROPORTIONS = "chapters/proportions.md"
RADON = "chapters/radon.md"
SOLUTION = "solutions/noncentred-reparameterisation.md"
SOLUTIONS_OUT = "solutions/leave-one-school-out.md"
TODAY = "chapters/todays-code.md"
PRACTICE = "chapters/practical-considerations.md"


def heights(ax):
    """Ordinates of the lines of a panel."""
    return [np.asarray(line.get_ydata(), float) for line in ax.lines]


def segments(collection):
    """Ends of the horizontal lines of a collection, (n, 2)."""
    return np.array([segment[:, 0] for segment in collection.get_segments()])


@states("chapters/calibration.md", "Four panels, each with a wiggly curve around zero and a grey band.")
@states(SURVEY, "Four panels, one per answer, with six regions each.")
@states(EIGHT, "Eight horizontal intervals, schools A to H,")
@states(LOO, "Two panels of horizontal error bars for complete, partial and no pooling.")
@states(MATHS, "Two scatter plots of theta 2 against theta 1 with equal axes.")
@states(
    MATHS, "Line plot of the estimate for school H against the effect reported by school A, from -60 to 120."
)
@states(
    "chapters/odd-group.md", "Three panels over the report of trial 1, from -6 to 8, with a solid curve for"
)
@states(
    POOLING, "Three panels with the same five rows, one for each instructor, from 8 students at the top to 18"
)
@states(PRACTICE, "Two curves of the restricted likelihood of tau.")
@states(RADON, "Four panels of radon on a logarithmic axis, basement to the left and first floor to")
@states(WHEN, "Four panels for 2, 4, 8 and 30 groups.")
@states(WHEN, "Three lines against the gap between kinds.")
@states(WHEN, "Two lines against the number of groups on logarithmic axes.")
@states(
    "solutions/alpha-prior.md", "Three panels of twelve stacked bars, one per imagined region, divided into"
)
@states("solutions/leave-one-school-out.md", "Three bell-shaped curves of the predicted report of school A.")
@states("solutions/tau-prior.md", "Three panels with densities of tau from 0 to 15 under three priors.")
@states(
    "solutions/unequal-regions.md",
    "Four panels, one per answer, with the density of the share in two regions.",
)
@states("chapters/recap.md", "Three bell curves over the effect of school E")
@pytest.mark.slow  # half a minute for all pictures of this file
def test_panels_and_lines_are_as_many_as_the_texts_say():
    panels = {
        ("chapters/calibration.md", "fig-5-66"): 4,
        (SURVEY, "fig-5-44"): 4,
        (LOO, "fig-5-36"): 2,
        (MATHS, "fig-5-40"): 2,
        ("chapters/odd-group.md", "fig-5-77"): 3,
        (POOLING, "fig-5-33"): 3,
        (PRACTICE, "fig-5-54"): 2,
        (WHEN, "fig-5-49"): 4,
        ("solutions/alpha-prior.md", "fig-5-64"): 3,
        ("solutions/tau-prior.md", "fig-5-62"): 3,
        ("solutions/unequal-regions.md", "fig-5-65"): 4,
    }
    for where, count in panels.items():
        assert len(drawn(*where).axes) == count, where
    titles = [ax.get_title() for ax in drawn(WHEN, "fig-5-49").axes]
    assert titles == [f"$J = {groups}$" for groups in (2, 4, 8, 30)]
    assert len(segments(drawn(EIGHT, "fig-5-35").axes[0].collections[0])) == 8
    for ax in drawn(SURVEY, "fig-5-44").axes:
        assert [len(segments(ends)) for ends in ax.collections] == [6, 6]
    assert len(drawn(LOO, "fig-5-36").axes[0].containers) == 3
    assert drawn(MATHS, "fig-5-40").axes[0].get_aspect() == 1
    assert drawn(MATHS, "fig-5-42").axes[0].lines[0].get_xdata()[[0, -1]].tolist() == [-60, 120]
    for ax in drawn("chapters/odd-group.md", "fig-5-77").axes:
        assert [line.get_linestyle() for line in ax.lines[:2]] == ["-", "--"]
        assert ax.lines[0].get_xdata()[[0, -1]].tolist() == [-6, 8]
    names = [text.get_text() for text in drawn(POOLING, "fig-5-33").axes[0].get_yticklabels()]
    assert len(names) == 5
    assert "8" in names[0]
    assert "18" in names[-1]
    bars = {len(ax.patches) for ax in drawn("solutions/alpha-prior.md", "fig-5-64").axes}
    assert bars == {12 * 4}
    tau = drawn("solutions/tau-prior.md", "fig-5-62").axes[0]
    assert tau.get_xlim() == (0, 15)
    assert len(tau.lines) == 3
    kinds, many = drawn(WHEN, "fig-5-50").axes[0], drawn(WHEN, "fig-5-51").axes[0]
    assert len(kinds.lines) == 3
    assert (many.get_xscale(), many.get_yscale()) == ("log", "log")
    curves = drawn("solutions/leave-one-school-out.md", "fig-5-63").axes[0].lines
    bells = [np.asarray(line.get_ydata()) for line in curves if len(line.get_xdata()) > 2]
    bells += heights(drawn("chapters/recap.md", "fig-5-39").axes[0])
    assert len(bells) == 3 + 3
    for bell in bells:  # up, then down
        assert (np.diff(np.sign(np.diff(bell))) < 0).sum() == 1


@states(
    "chapters/calibration.md",
    "of the exact posterior and of the non-centred sampler stay inside their bands.",
)
@states("chapters/calibration.md", "leaves its band almost everywhere.")
@pytest.mark.slow
def test_curves_and_bands_of_calibration():
    outside = []
    for ax in drawn("chapters/calibration.md", "fig-5-66").axes:
        line = next(line for line in ax.lines if len(line.get_xdata()) > 2)
        band = ax.collections[0].get_paths()[0].vertices
        x = np.asarray(line.get_xdata())
        inside = [
            band[np.isclose(band[:, 0], at, atol=1e-9), 1].min() - 1e-9
            <= y
            <= band[np.isclose(band[:, 0], at, atol=1e-9), 1].max() + 1e-9
            for at, y in zip(x, line.get_ydata(), strict=True)
            if np.isclose(band[:, 0], at, atol=1e-9).any()
        ]
        outside.append(1 - np.mean(inside))
    assert outside[0] == outside[1] == 0
    assert outside[3] > 0.8


@states("chapters/audit.md", "Nineteen horizontal bars, one per group of stated numbers, split by verdict.")
@states("chapters/audit.md", "its length is how many numbers it holds")
@pytest.mark.slow
def test_bars_of_the_audit():
    ax = drawn("chapters/audit.md", "fig-5-61").axes[0]
    length = {}
    for bar in ax.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        length[row] = length.get(row, 0) + bar.get_width()
    held = numbers.verdicts()["group"].value_counts()
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert len(length) == len(names) == 19
    assert [length[row] for row in range(19)] == [held[name] for name in names]


@states(STEIN, "James-Stein starts at 2, rises, and comes close to 8 without reaching it.")
@states(STEIN, "Bottom: they scatter around a value three standard errors away from it.")
@states(
    STEIN, "James-Stein estimators are in their positive-part form, which never shrinks beyond the average."
)
@pytest.mark.slow
def test_risks_that_are_drawn():
    curve = max(heights(drawn(STEIN, "fig-5-67").axes[0]), key=np.ptp)
    assert curve[0] == pytest.approx(2, abs=0.01)
    assert (np.diff(curve) > 0).all()
    assert 7.5 < curve[-1] < 8
    first = [
        {line.get_label(): line.get_ydata()[0] for line in ax.lines} for ax in drawn(STEIN, "fig-5-55").axes
    ]
    fixed = [next(risk for label, risk in one.items() if "fixed" in label) for one in first]
    assert fixed[0] == pytest.approx(2, abs=0.01)
    assert fixed[1] > 7
    # With equal true means the average costs 1, and each other direction its noise less what is shrunk.
    s = np.linspace(1e-4, 80, 200_001)
    kept = np.maximum(1 - 1 / s, 0)
    risk = 1 + np.trapezoid(kept**2 * s * stats.chi2(3).pdf(s), s) - 4
    four = [
        line for line in drawn(STEIN, "fig-5-56").axes[0].lines if line.get_label() == "J = 4, James-Stein"
    ]
    assert four[0].get_ydata()[0] == pytest.approx(risk, abs=0.005)


@states(SURVEY, "dashed without pooling and solid for the hierarchical model")
@states(SURVEY, "The vertical line is the posterior mean of the national baseline.")
@states(SURVEY, "the likelihood of the concentration given the survey, relative to complete pooling")
@states(SURVEY, "The horizontal axis is logarithmic.")
def test_the_survey_drawn():
    survey = datasets.survey()["count"]
    fit = exact.dirichlet_multinomial(survey, alpha=stats.expon(scale=1), baseline=np.ones(4))
    for k, ax in enumerate(drawn(SURVEY, "fig-5-44").axes):
        none, hierarchical = ax.collections
        assert np.isfinite(none.get_linestyle()[0][1] or [0]).all()
        assert none.get_linestyle()[0][1] is not None  # dashes
        assert hierarchical.get_linestyle()[0][1] is None
        assert ax.lines[0].get_xdata()[0] == pytest.approx(fit["pi0"].mean().values[k], abs=1e-3)
    assert {ax.get_xscale() for ax in drawn(SURVEY, "fig-5-45").axes} == {"log"}


@states(MATHS, "At the top, outside the boxes, the unshaded circles mu and tau.")
@states(MATHS, "An arrow leads from each to the unshaded circle theta i, inside the outer box")
@states(MATHS, "An arrow leads from theta i to the shaded circle y i j in the inner box")
@states(MATHS, "Diagram with circles and two nested rounded boxes.")
def test_plates():
    patches = drawn(MATHS, "fig-5-34a").axes[0].patches
    kinds = {kind: [p for p in patches if type(p).__name__ == kind] for kind in ("Circle", "FancyBboxPatch")}
    mu, tau, theta, y = kinds["Circle"]
    outer, inner = [box.get_bbox() for box in kinds["FancyBboxPatch"]]

    def holds(box, circle):
        return box.contains(*circle.center)

    assert not any(holds(box, one) for box in (outer, inner) for one in (mu, tau))
    assert holds(outer, theta)
    assert not holds(inner, theta)
    assert holds(inner, y)
    assert outer.x0 < inner.x0 < inner.x1 < outer.x1
    assert outer.y0 < inner.y0 < inner.y1 < outer.y1
    white = [circle.get_facecolor()[:3] == (1, 1, 1) for circle in (mu, tau, theta, y)]
    assert white == [True, True, True, False]
    arrows = [p for p in patches if type(p).__name__ == "FancyArrowPatch"]
    assert len(arrows) == 3
    for arrow, (start, end) in zip(arrows, ((mu, theta), (tau, theta), (theta, y)), strict=True):
        first, last = map(np.array, arrow._posA_posB)
        assert np.linalg.norm(first - start.center) == pytest.approx(start.radius)
        assert np.linalg.norm(last - end.center) == pytest.approx(end.radius)


@states(MATHS, "a small round cloud around the point 8, 8")
@states(MATHS, "a long cloud that stretches along the rising diagonal")
@states(MATHS, "The dotted line marks what A really reported.")
def test_clouds():
    left, right = (np.array(ax.lines[0].get_data()) for ax in drawn(MATHS, "fig-5-40").axes)
    assert left.mean(axis=1) == pytest.approx([8, 8], abs=1)
    small, long = (np.linalg.eigh(np.cov(cloud)) for cloud in (left, right))
    assert small[0][1] < 1.3 * small[0][0]
    assert long[0][1] > 4 * long[0][0]
    assert long[0][1] > 8 * small[0][1]
    assert abs(long[1][:, 1]) == pytest.approx([np.sqrt(0.5)] * 2, abs=0.05)
    assert np.prod(long[1][:, 1]) > 0
    dotted = [line for line in drawn(MATHS, "fig-5-42").axes[0].lines if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in dotted] == [EFFECT[0]]


@states(POOLING, "Complete pooling gives everyone one value.")
@states(POOLING, "No pooling follows each section.")
@states(POOLING, "Partial pooling moves each section part of the way to the others.")
def test_instructors_drawn():
    data = datasets.instructors()
    means = data["score"].groupby(data["instructor"]).mean().values
    points = [
        next(np.asarray(line.get_xdata(), float) for line in ax.lines if line.get_marker() in "so^")
        for ax in drawn(POOLING, "fig-5-33").axes
    ]
    by_title = dict(
        zip(
            [ax.get_title().split()[0].lower() for ax in drawn(POOLING, "fig-5-33").axes], points, strict=True
        )
    )
    assert np.ptp(by_title["complete"]) < 1e-6
    assert by_title["no"] == pytest.approx(means, abs=1.5)
    common = np.mean(by_title["partial"])
    moved = (by_title["partial"] - by_title["no"]) / (common - by_title["no"])
    assert ((moved > 0) & (moved < 1)).all()


@states(PRACTICE, "(under half-Normal(1) the curve leaves the panel)")
@states(WHEN, "Pooling with the kind as covariate stays near 5 throughout.")
@states(WHEN, "Solid: standard errors of 10, as in the Eight Schools.")
@states(WHEN, "Dash-dotted: standard errors of 2.")
@states(WHEN, "shows the densities behind eight rows of the table.")
@states(WHEN, "A ratio of 1 would mean that the model reduces to complete pooling.")
@pytest.mark.slow
def test_lines_of_practice():
    ax = drawn(PRACTICE, "fig-5-53").axes[0]
    tops = [curve.max() for curve in heights(ax)]
    assert [top > ax.get_ylim()[1] for top in tops] == [True] + [False] * 4
    assert max(heights(drawn(WHEN, "fig-5-50").axes[0])[2]) < 6
    assert min(heights(drawn(WHEN, "fig-5-50").axes[0])[2]) > 4
    axes = drawn(WHEN, "fig-5-49").axes
    assert sum(line.get_linestyle() in ("-", "-.") for ax in axes for line in ax.lines) == 8
    for ax in axes:
        looks = {line.get_linestyle(): str(line.get_label()) for line in ax.lines}
        assert "10" in looks["-"]
        assert "2" in looks["-."]
    assert np.median(ERROR) == 11
    one = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0.0)
    assert one["theta"].sd().values == pytest.approx(np.full(8, one["mu"].sd()))


@states(RADON, "along a rising dashed line")
@states(
    RADON, "Intervals are short for counties with many houses and long for those with few, whose dots mostly"
)
@states(RADON, "with 116 houses, lies below the line with a short interval.")
@states(RADON, "the own line falls steeply, the pooled one between it and the common one")
@states(RADON, "The dashed line is the geometric mean of all houses.")
@states(RADON, "Dots are houses.")
@pytest.mark.slow
def test_radon_drawn():
    data = datasets.radon()
    county = data["of_county"].values
    houses = {name: (county == name).sum() for name in np.unique(county)}
    ax = drawn(RADON, "fig-5-80").axes[0]
    assert np.exp(np.log(data["radon"].values).mean()) == pytest.approx(
        next(line for line in ax.lines).get_ydata()[0], abs=1e-6
    )
    ax = drawn(RADON, "fig-5-81").axes[0]
    line = next(line for line in ax.lines if line.get_linestyle() == "--")
    dots = next(line for line in ax.lines if line.get_marker() == ".")
    assert np.diff(line.get_ydata()) > 0
    at, mean = (np.asarray(values) for values in dots.get_data())
    above = mean - np.interp(at, line.get_xdata(), line.get_ydata())
    length = np.array([np.ptp(segment[:, 1]) for segment in ax.collections[0].get_segments()])
    number = np.array([houses[name] for name in data["county"].values])
    assert len(mean) == len(length) == 85
    assert length[number > 30].max() < length[number < 5].min()
    last = number.argmax()
    assert (abs(above)[number < 5] < 0.1).mean() > 0.8
    assert abs(above[last]) > 0.1
    assert number[last] == 116
    assert above[last] < 0
    assert length[last] < 0.25 < np.median(length)
    panels = {ax.get_title(loc="left").split(",")[0]: ax for ax in drawn(RADON, "fig-5-82").axes}
    assert list(panels) == ["Redwood", "Marshall", "Winona", "St. Louis"]
    below = [text.get_text() for text in panels["Winona"].get_xticklabels()]
    assert below == ["basement", "first floor"]
    for name, ax in panels.items():
        assert ax.get_yscale() == "log"
        assert len(ax.collections[0].get_offsets()) == houses[name]
        alone, one, own = (np.diff(np.log(line.get_ydata()))[0] for line in ax.lines)
        if name in ("Marshall", "Winona"):
            assert alone < -2 < own < one < 0
        if name == "St. Louis":
            assert np.ptp([alone, one, own]) < 0.12


@states("solutions/alpha-prior.md", "At alpha 8 all four answers appear, in very different parts.")
@states("solutions/alpha-prior.md", "At alpha 73 the twelve bars look much alike.")
@states(
    "solutions/unequal-regions.md",
    "are narrow peaks, those of the region with 10 low and wide in three of the four",
)
@states(
    "solutions/unequal-regions.md",
    "the peaks stand on theirs, the wide curves are drawn from theirs toward a dotted line, the",
)
@states("solutions/unequal-regions.md", "The vertical axis is cut off.")
def test_bars_and_peaks_of_regions():
    spread = []
    for ax in drawn("solutions/alpha-prior.md", "fig-5-64").axes:
        width = np.reshape([bar.get_width() for bar in ax.patches], (4, 12))
        spread.append(width.std(axis=1).mean())
    middle = drawn("solutions/alpha-prior.md", "fig-5-64").axes[1]
    width = np.reshape([bar.get_width() for bar in middle.patches], (4, 12))
    assert (width > 0).all()
    assert np.ptp(width, axis=1).min() > 0.3
    assert spread[2] < 0.06 < 0.1 < spread[1] < spread[0]
    cut = []
    for ax in drawn("solutions/unequal-regions.md", "fig-5-65").axes:
        curves = [line for line in ax.lines if len(line.get_xdata()) > 2]
        dots = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
        baseline = next(line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 2)
        x = np.asarray(curves[0].get_xdata())
        small, large = (np.asarray(line.get_ydata()) for line in curves)
        means = [np.trapezoid(x * curve, x) / np.trapezoid(curve, x) for curve in (small, large)]
        if dots[0] > 0:  # else it piles up there
            assert large.max() > 2 * small.max()
        assert x[large.argmax()] == pytest.approx(dots[1], abs=0.01)
        assert min(dots[0], baseline) < means[0] < max(dots[0], baseline)
        cut.append(max(small.max(), large.max()) > ax.get_ylim()[1])
    assert any(cut)


@states(
    "solutions/new-group-prediction.md",
    "Two falling lines of the posterior standard deviation of beta against",
)
@states(
    "solutions/new-group-prediction.md", "at which four studies of five would show a difference of 5 points"
)
@states(
    "solutions/hierarchical-poisson.md",
    "Two density curves over rates from 0 to 5, each with a bar for its 89%",
)
@pytest.mark.slow
def test_lines_of_solutions():
    ax = drawn("solutions/new-group-prediction.md", "fig-5-60").axes[0]
    falling = [line for line in ax.lines if len(line.get_xdata()) > 2]
    assert len(falling) == 2
    for line in falling:
        assert (np.diff(line.get_ydata()) < 0).all()
        assert line.get_xdata()[[0, -1]].tolist() == [4, 128]
    needed = next(line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == ":")
    # An 89% interval is off zero when the estimate is 1.6 sd away from it: in four cases of five.
    assert stats.norm.cdf(5 / needed - stats.norm.ppf(0.945)) == pytest.approx(0.8, abs=0.02)
    ax = drawn("solutions/hierarchical-poisson.md", "fig-5-58").axes[0]
    curves = [line for line in ax.lines if len(line.get_xdata()) > 2]
    assert len(curves) == 2
    assert ax.get_xlim() == (0, 5)


@states(PROPORTIONS, "Circles for 71 experiments, larger the more rats they had.")
@states(PROPORTIONS, "each circle with an area in proportion to the number of rats")
@states(PROPORTIONS, "One horizontal line for each of 71 experiments, in the order of their estimates,")
@states(PROPORTIONS, "each circle is one, and where several coincide the colour is stronger")
@pytest.mark.slow
def test_rats_drawn():
    rats = datasets.rat_tumours()["rats"].values
    marks = [
        max(drawn(PROPORTIONS, name).axes[0].collections, key=lambda one: len(one.get_offsets()))
        for name in ("fig-5-72", "fig-5-73")
    ]
    assert [len(one.get_offsets()) for one in marks] == [71, 71]
    assert marks[0].get_alpha() < 1
    assert np.ptp(marks[1].get_sizes() / rats) < 1e-9
    ax = drawn(PROPORTIONS, "fig-5-74").axes[0]
    assert len(segments(ax.collections[0])) == 71
    mean = np.asarray(ax.lines[0].get_xdata())
    assert len(mean) == 71
    assert (np.diff(mean) > -1).all()  # nearly the order of mean ranks


@states(
    "chapters/odd-group.md",
    "Thirteen rows, each with a square and a line on a logarithmic axis of risk ratios",
)
@states("chapters/odd-group.md", "Thirteen numbered circles, latitude from 13 to 55 degrees")
@states("chapters/odd-group.md", "Most circles lie near it.")
@pytest.mark.slow
def test_trials_drawn():
    ax = drawn("chapters/odd-group.md", "fig-5-76").axes[0]
    assert ax.get_xscale() == "log"
    assert len(ax.get_yticklabels()) == 13
    trials = datasets.bcg_trials()
    assert (trials["latitude"].min(), trials["latitude"].max()) == (13, 55)
    ax = drawn("chapters/odd-group.md", "fig-5-79").axes[0]
    assert [len(one.get_offsets()) for one in ax.collections][1] == len(ax.texts) == 13
    line = ax.lines[0]
    near = np.interp(trials["latitude"], line.get_xdata(), np.log(line.get_ydata()))
    assert (abs(trials["effect"].values - near) < 0.4).sum() > 13 / 2


def funnel(ax):
    """Abscissa and tau of the draws of a panel, and of its crosses."""
    dots, crosses = (np.array(line.get_data(), float) for line in ax.lines[:2])
    return dots, crosses


def widths(dots):
    """Spread in three slices of tau, from the neck up."""
    order = np.argsort(dots[1])
    return [np.ptp(np.quantile(dots[0][part], [0.05, 0.95])) for part in np.array_split(order, 3)]


@states(
    EIGHT, "Left, centred: a funnel that narrows downwards and stops short of small tau, with crosses for"
)
@states(
    EIGHT,
    "Middle, the standard Normal variable of the non-centred form: a band of about equal width at every",
)
@states(EIGHT, "Right, the same draws as effects: a complete funnel whose neck goes on down.")
@states(EIGHT, "Left: the centred fit; crosses are divergences, and below them the neck is missing.")
@states(EIGHT, "about equally wide everywhere")
@states(EIGHT, "The funnel is still there, this time with its neck.")
@states(EIGHT, "The left panel breaks off where the crosses are.")
@states(EIGHT, "it is close to a cylinder, as the source says")
@states(
    SOLUTION,
    "a funnel that breaks off above the smallest values of tau, with crosses for divergences near its",
)
@states(
    SOLUTION, "Middle, the non-centred fit in its own coordinate: a band of even width down to small tau."
)
@states(SOLUTION, "Right, the same draws as effects: a funnel with its whole neck.")
@states(
    SOLUTION, "Left and right show the same posterior, once as the centred form sampled it and once as the"
)
@pytest.mark.slow
@pytest.mark.parametrize(("page", "name"), [(EIGHT, "fig-5-34"), (SOLUTION, "fig-5-57")])
def test_funnels(page, name):
    (left, crosses), (middle, _), (right, _) = map(funnel, drawn(page, name).axes)
    np.testing.assert_allclose(middle[1], right[1])  # the same draws
    assert left[1].min() > 3 * right[1].min()
    assert np.median(crosses[1]) < np.median(left[1])
    assert left[1].min() < np.quantile(crosses[1], 0.25)
    assert (np.diff(widths(left)) > 0).all()
    assert widths(right)[2] > 1.5 * widths(right)[0]
    assert max(widths(middle)) < 1.5 * min(widths(middle))


@states(
    EIGHT, "lie mostly left of the line, many near zero, and nearly all are crosses, chains with divergences"
)
@states(EIGHT, "At 0.95 and 0.99 they stay scattered; at 0.99 fewer are crosses.")
@states(EIGHT, "Non-centred chains are circles close to the line.")
@states(EIGHT, "The axis is linear up to 0.3 and compressed beyond.")
@pytest.mark.slow
def test_shares_of_chains():
    ax = drawn(EIGHT, "fig-5-43").axes[0]
    line = ax.lines[0].get_xdata()[0]
    rows = [ax.lines[1 + 2 * row : 3 + 2 * row] for row in range(4)]
    crosses = [len(cross.get_xdata()) for cross, _ in rows]
    shares = [np.concatenate([np.asarray(mark.get_xdata(), float) for mark in row]) for row in rows]
    assert [len(one) for one in shares] == [12] * 4
    assert (shares[0] < line).sum() > 6
    assert crosses[0] >= 10
    assert crosses[1] + crosses[2] < 2 * crosses[0]
    assert crosses[2] < min(crosses[:2])
    assert crosses[3] <= 1
    assert abs(shares[3] - line).max() < 0.06
    off = [abs(one - line).mean() for one in shares]
    assert 2 * off[3] < min(off[:3])
    assert ax.xaxis.get_transform().linthresh == 0.3


@states(LOO, "Under no pooling most estimates lie to the right of the exact values,")
@states(LOO, "and several are marked by a cross for a large Pareto k.")
@states(
    LOO, "Three panels, complete, partial and no pooling, with the log predictive density of each school."
)
@pytest.mark.slow
def test_estimates_of_leave_one_out():
    figure = drawn(LOO, "fig-5-46")
    assert [ax.get_title().split()[0] for ax in figure.axes] == ["complete", "partial", "no"]
    truth, plain, crossed = (np.array(line.get_data(), float) for line in figure.axes[2].lines)
    ahead = np.concatenate([marks[0] - truth[0][marks[1].astype(int)] for marks in (plain, crossed)])
    assert len(ahead) == 8
    assert (ahead > 0).sum() >= 6
    assert ahead.sum() > 0.3
    assert crossed.shape[1] >= 2


@states(
    PRACTICE, "Two panels, for tau and for the worst school effect. The centred curves rise steeply between"
)
@states(PRACTICE, "cross the non-centred ones between one and sixteen times.")
@states(PRACTICE, "The non-centred curve of tau falls; that of the school effect has no such trend.")
@states(PRACTICE, "The numbers belong to one run; the crossing does not.")
@pytest.mark.slow
def test_effective_draws_cross():
    ends = []
    for ax in drawn(PRACTICE, "fig-5-52").axes:
        centred, noncentred = (np.asarray(line.get_ydata()) for line in ax.lines)
        ahead = (centred > noncentred).tolist()
        assert ahead in ([False, True, True, True, True], [False, False, True, True, True])
        assert centred[-1] > 4 * centred[0]
        assert centred[2] > 2 * centred[1]
        ends.append(noncentred[-1] / noncentred[0])
    assert ends[0] < 0.5
    assert ends[1] > 0.7


@states(
    TODAY,
    "Eight horizontal intervals, one per school, each with a thick inner and a thin outer part and a dot.",
)
@states(
    TODAY, "Three panels: the density of tau, the density of school A's effect, and the scatter of the effect"
)
@states(TODAY, "Draws marked in another colour, the divergences, lie near its narrow end.")
@states(
    TODAY,
    "Fifty thin staircases, the distribution functions of replicated sets of eight reports, and one thick",
)
@states(
    TODAY,
    "Two horizontal error bars, complete and partial pooling, that overlap nearly whole, with marks less "
    "than a point apart.",
)
@pytest.mark.slow
def test_pictures_by_arviz():
    rows = drawn(TODAY, "fig-5-68").axes[1]
    thin, thick = np.array([line.get_linewidth() for line in rows.lines]).reshape(2, 8)
    assert (thin < thick).all()
    spans = np.array([np.ptp(line.get_xdata()) for line in rows.lines]).reshape(2, 8)
    assert (spans[0] > spans[1]).all()
    assert sum(len(dot.get_offsets()) for dot in rows.collections) == 8
    panels = [ax for ax in drawn(TODAY, "fig-5-69").axes if ax.lines or ax.collections]
    assert [len(ax.lines) for ax in panels] == [1, 0, 1]
    clouds = [np.asarray(one.get_offsets()) for one in panels[1].collections]
    tau, marked = (np.concatenate([one[:, 0] for one in part]) for part in (clouds[:4], clouds[4:]))
    assert len(tau) == 8000
    assert len(marked) > 10
    assert np.median(marked) < np.median(tau) / 1.5
    # The two bars of the comparison: each of more than one unit, and overlapping nearly whole.
    source = (ROOT / TODAY).read_text("utf-8").split('name: "fig-5-71"')[1].split("```")[0]
    models = ((MU_PRIOR, 0.0), (MU_PRIOR, TAU_PRIOR))
    scores = [exact.normal(EFFECT, ERROR, mu=mu, tau=tau).elpd_loo.values for mu, tau in models]
    apart = scores[1] - scores[0]
    assert abs(apart.sum()) < 1
    table = {
        "elpd": [one.sum() for one in scores],
        "se": [np.sqrt(8) * one.std() for one in scores],
        "elpd_diff": [0.0, apart.sum()],
        "dse": [0.0, np.sqrt(8) * apart.std()],
    }
    comparison = pd.DataFrame(table, index=["complete pooling", "partial pooling"])
    exec(source.replace("---", ""), {"az": az, "comparison": comparison})
    ax = plt.gcf().axes[0]
    plt.close()
    bars = [np.asarray(line.get_xdata(), float) for line in ax.lines]
    bars = [one for one, line in zip(bars, ax.lines, strict=True) if np.ptp(one) > 0]
    assert len(bars) == 2
    (low, high), (other_low, other_high) = ([one.min(), one.max()] for one in bars)
    common = min(high, other_high) - max(low, other_low)
    assert common > 0.7 * max(high - low, other_high - other_low)
    colours = [line.get_color() for line in drawn(TODAY, "fig-5-70").axes[0].lines]
    assert (len(colours), colours.count("#000000")) == (51, 1)


@states(EIGHT, "Bars: 89% highest-density intervals. Filled circles: posterior means. Hollow circles: the")
@states(EIGHT, "Dashed line: posterior mean of $\\mu$.")
@states("chapters/hierarchical-models.md", "Right: one estimate for all.")
@states("chapters/hierarchical-models.md", "In the middle: each school's estimate under partial pooling.")
@states(LOO, "Above: elpd with two standard errors. Below: the difference from the best model, with two")
@states(WHEN, "The diamond stands for eight groups that are all large: there, pooling changes")
@states(SOLUTIONS_OUT, "The vertical line is the report that came; the height of a curve there is the")
def test_marks_of_the_schools():
    posterior = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)
    means = posterior["theta"].mean().values
    ax = drawn(EIGHT, "fig-5-35").axes[0]
    np.testing.assert_allclose(segments(ax.collections[0]), posterior["theta"].hdi(0.89).values, atol=1e-6)
    by_label = {str(line.get_label()): line for line in ax.lines}
    dashed, filled, hollow = (
        next(line for label, line in by_label.items() if part in label) for part in ("\\mu", "theta", "raw")
    )
    assert dashed.get_linestyle() == "--"
    assert dashed.get_xdata()[0] == pytest.approx(posterior["mu"].mean())
    np.testing.assert_allclose(filled.get_xdata(), means)
    np.testing.assert_allclose(hollow.get_xdata(), EFFECT)
    assert hollow.get_markerfacecolor() == "white" != filled.get_markerfacecolor()
    slopes = drawn("chapters/hierarchical-models.md", "fig-5-37").axes[0]
    ends = [line for line in slopes.lines if len(line.get_xdata()) > 1]
    middle = {round(float(np.interp(1, *map(np.asarray, line.get_data()))), 6) for line in ends}
    assert middle >= set(means.round(6))
    common = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0.0)["mu"].mean()
    assert np.ravel(slopes.lines[-1].get_data()) == pytest.approx([2, common])
    models = ((MU_PRIOR, 0.0), (MU_PRIOR, TAU_PRIOR), (0.0, 20.0))
    scores = [exact.normal(EFFECT, ERROR, mu=mu, tau=tau).elpd_loo.values for mu, tau in models]
    for ax, values in zip(drawn(LOO, "fig-5-36").axes, (scores, np.subtract(scores, scores[0])), strict=True):
        bars = [bar.lines[2][0].get_segments()[0][:, 0] for bar in ax.containers]
        half = [2 * np.sqrt(8) * np.std(one, ddof=1) for one in values]
        np.testing.assert_allclose(np.ptp(bars, axis=1) / 2, half, atol=1e-6)
        np.testing.assert_allclose(np.mean(bars, axis=1), np.sum(values, axis=1), atol=1e-6)
    # As long as two bars of one standard error each reach.
    (low, high), error = (
        np.sort([one.sum() for one in scores[:2]]),
        [np.sqrt(8) * one.std(ddof=1) for one in scores[:2]],
    )
    assert high - low < 0.25 * 2 * min(error)
    diamond = next(line for line in drawn(WHEN, "fig-5-48").axes[0].lines if line.get_marker() == "D")
    assert 0.98 < diamond.get_ydata()[0] < 1
    ax = drawn(SOLUTIONS_OUT, "fig-5-63").axes[0]
    assert ax.lines[0].get_xdata()[0] == EFFECT[0]
    heights_there = [line.get_ydata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
    left = [one[0] for one in scores]
    np.testing.assert_allclose(np.log(heights_there), left, atol=0.01)
