"""What every figure keeps to: its marks and words stand out from white, in colours and by contrast."""

import doctest
import functools
import inspect
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from reading import luminance
from scipy import stats

import hierarchical_exact as exact
from support import datasets, figures
from support.figures import style
from tooling.audit import figures as of_the_audit

DRAWN = {
    name: function
    for name, function in (vars(figures) | vars(of_the_audit)).items()
    if inspect.isfunction(function) and hasattr(function, "__wrapped__")
}
# WCAG 2.1, success criteria 1.4.11 and 1.4.3: what must be seen, and what must be read.
SEEN, READ = 3.0, 4.5


def contrast(colour, alpha=None):
    """Contrast of a colour on white paper, which shows through it where it is translucent."""
    *rgb, opacity = to_rgba(colour, alpha)
    shown = 255 * (opacity * np.array(rgb) + 1 - opacity)
    return 1.05 / (luminance(shown) + 0.05)


def faint(figure):
    """Return the marks and words of a figure that do not stand out from white."""
    grid = {line for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for line in axis.get_gridlines()}
    for artist in set(figure.findobj(lambda one: one.get_visible())) - grid:
        needed, colours = SEEN, []
        if isinstance(artist, Text) and artist.get_text():
            needed, colours = READ, [artist.get_color()]
        elif isinstance(artist, Line2D) and len(artist.get_xdata()):
            if artist.get_linestyle() != "None":
                colours.append(artist.get_color())
            if artist.get_marker() not in ("None", None):
                colours.append(best(artist.get_markerfacecolor(), artist.get_markeredgecolor()))
        elif isinstance(artist, LineCollection):
            colours = list(artist.get_colors())
        elif isinstance(artist, PathCollection):
            colours = list(artist.get_facecolors())
        elif isinstance(artist, Rectangle) and artist.axes and artist is not artist.axes.patch:
            colours = [best(artist.get_facecolor(), artist.get_edgecolor())]
        for colour in colours:
            if contrast(colour, artist.get_alpha()) < needed:
                yield f"{artist}: {contrast(colour, artist.get_alpha()):.2f}"


def best(*colours):
    """Of inside and outline, the one that stands out more; an inside of "none" is transparent."""
    return max(colours, key=contrast)


def example(name, monkeypatch, wrapper=None):
    """Return the figures that the example in the docstring of a function draws."""
    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    function = DRAWN[name]
    test = doctest.DocTestParser().get_doctest(
        function.__doc__, function.__wrapped__.__globals__ | {name: wrapper or function}, name, None, 0
    )
    outcome = doctest.DocTestRunner(verbose=False).run(test)
    assert outcome.failed == 0
    monkeypatch.undo()
    for figure in drawn:
        plt.close(figure)
    return drawn


@pytest.mark.parametrize("name", DRAWN)
def test_marks_and_words_stand_out(name, monkeypatch):
    drawn = example(name, monkeypatch)
    assert drawn != [], "the example in its docstring draws it"
    assert [fault for figure in drawn for fault in faint(figure)] == []


@pytest.mark.parametrize("name", DRAWN)
def test_a_strategy_looks_the_same_in_all_figures(name, monkeypatch):
    colours = {f"{strategy} pooling": look[0] for strategy, look in style.STRATEGIES.items()}
    assert len(set(colours.values())) == 3
    for figure in example(name, monkeypatch):
        for line in figure.findobj(Line2D):
            label = str(line.get_label()).lower()
            if label in colours:
                assert line.get_color() == colours[label], label
        for ax in figure.axes:
            # Where a panel or a row is one strategy, all that has a marker there has its colour.
            title = ax.get_title().replace("\n", " ").lower()
            rows = [text.get_text().lower() for text in ax.get_yticklabels()]
            for line in ax.lines:
                if title in colours and line.get_marker() in "so^":
                    assert line.get_color() == colours[title], title
                if line.get_marker() in ("s", "o", "^") and line.get_ydata()[0] in range(len(rows)):
                    assert line.get_color() == colours.get(rows[int(line.get_ydata()[0])], line.get_color())


SCHOOLS = datasets.eight_schools()


def turned(array):
    """The same data in the opposite order."""
    return array.isel({array.dims[0]: slice(None, None, -1)})


@pytest.mark.slow
def test_labels_and_not_positions_pair_arrays():
    effect, error = SCHOOLS["effect"], SCHOOLS["standard_error"]
    trials = datasets.bcg_trials()
    line = {"latitude": np.array([10.0, 60.0]), "mean": np.zeros(2), "low": -np.ones(2), "high": np.ones(2)}
    loo = {"no pooling": -error / 3}
    alone = {"No pooling": xr.Dataset({"mean": effect, "lower": effect - 9, "upper": effect + 9})}
    count = datasets.survey()["count"]
    ends = xr.concat([count / 500, count / 400], "ci_bound")
    share = count.mean("region") / 200
    pairs = [
        (
            figures.shrinkage_slopes(effect, error, effect / 2, 7.4),
            figures.shrinkage_slopes(effect, turned(error), turned(effect / 2), 7.4),
        ),
        (
            figures.latitudes(trials["effect"], trials["standard_error"], trials["latitude"], line),
            figures.latitudes(
                trials["effect"], turned(trials["standard_error"]), turned(trials["latitude"]), line
            ),
        ),
        (
            figures.pointwise_loo(loo, loo, {"no pooling": error / 20}),
            figures.pointwise_loo(
                loo, {"no pooling": turned(loo["no pooling"])}, {"no pooling": turned(error / 20)}
            ),
        ),
        (
            figures.pooling_comparison(alone, error, 8.0, truth=effect),
            figures.pooling_comparison(
                {"No pooling": alone["No pooling"].isel(school=slice(None, None, -1))},
                error,
                8.0,
                truth=turned(effect),
            ),
        ),
        (
            figures.survey_intervals(count, ends, ends, share),
            figures.survey_intervals(count, ends.isel(region=slice(None, None, -1)), ends, share),
        ),
    ]
    for right, other in pairs:
        assert style.vector(right) == style.vector(other)


def test_other_labels_are_refused():
    error = SCHOOLS["standard_error"].isel(school=slice(1, None))
    with pytest.raises(ValueError, match=r"standard_error has the labels .*: give both the same"):
        figures.shrinkage_slopes(SCHOOLS["effect"], error, SCHOOLS["effect"], 7.4)


def test_a_hyphen_in_a_name_stays_a_hyphen():
    names = {"school": ["a-b", "c"]}
    one = xr.DataArray([-3.0, 5.0], coords=names)
    drawn = figures.shrinkage_slopes(one, abs(one), one, 1.0)
    assert "a-b  \N{MINUS SIGN}3" in {text.get_text() for text in drawn.findobj(Text)}


def test_a_figure_that_cannot_be_drawn_is_not_left_open():
    open_before = plt.get_fignums()

    @style.styled
    def half():
        plt.subplots()
        raise KeyError

    with pytest.raises(KeyError):
        half()
    assert plt.get_fignums() == open_before


@pytest.mark.parametrize("labels", [{}, {"group": [1, 2]}])
def test_groups_may_have_numbers_or_no_labels(labels):
    error = xr.DataArray([1.0, 2.0], coords=labels, dims="group")
    assert figures.shrinkage_factors(error, exact.marginal(stats.halfnorm(scale=5))).axes


FOUR, FIVE = ({name: np.ones(3) for name in "abcde"[:size]} for size in (4, 5))
X = np.arange(3.0)
BASELINE = xr.DataArray(np.ones(5) / 5, coords={"response": list("abcde")})
COUNTIES = ["x", "Lake", "Lyon", "Wadena"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: figures.imagined_regions({"a": np.ones((2, 5))}, list("abcde")), "responses has 5"),
        (lambda: figures.new_group(X, FOUR, FOUR, xlabel="x"), "densities has 4 entries: give at most 3"),
        (
            lambda: figures.unequal_regions(X, {"a": np.ones((5, 3))}, np.ones((1, 5)), BASELINE),
            "baseline has 5 entries: give at most 4",
        ),
        (lambda: figures.prior_sensitivity(X, FOUR, FOUR), "densities has 4 entries: give 5"),
        (lambda: figures.parameterisations(X + 1, FOUR), "ess has 4 entries: give 2"),
        (lambda: figures.imagined_regions({"a": np.ones((2, 3))}, ["a", "b"]), "responses has the length 2"),
        (
            lambda: figures.stein_risk(X, {"a": {"Stein": X[:2]}}, groups=8),
            r"panels\['a'\]\['Stein'\] has the",
        ),
        (
            lambda: figures.stein_risk(X, {"a": FIVE}, groups=8),
            "panels\\['a'\\] has 5 entries: give at most 4",
        ),
        (
            lambda: figures.selection_by_loo(X, {"some pooling": X}, np.ones((3, 3))),
            "wins has the name 'some",
        ),
        (
            lambda: figures.selection_by_loo(X, {"no pooling": X}, np.ones((2, 3))),
            "difference has the length 2",
        ),
        (lambda: figures.few_groups(X, X, FIVE), "posteriors has 5 entries: give 4"),
        (
            lambda: figures.county_slopes(
                datasets.radon(), dict.fromkeys("abc", dict.fromkeys(COUNTIES, X[:2]))
            ),
            "lines has x, of which data has no house: give",
        ),
    ],
)
def test_what_would_be_left_out_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


# Each argument has a form ------------------------------------------------------------------------

OURS = {name: function for name, function in DRAWN.items() if function.__module__.startswith("support.")}


@functools.cache
def given(name):
    """Return the arguments by name of the first call in the example of a function."""
    calls = []

    def record(*args, **kwargs):
        calls.append(inspect.signature(OURS[name]).bind(*args, **kwargs).arguments)
        return OURS[name](*args, **kwargs)

    with pytest.MonkeyPatch.context() as monkeypatch:
        example(name, monkeypatch, record)
    if name == "funnel":  # whose example gives one fit for both
        calls[0]["centred"] = xr.DataTree.from_dict(
            {
                group: calls[0]["centred"][group].to_dataset().drop_vars("theta_raw", errors="ignore")
                for group in ("posterior", "sample_stats")
            }
        )
    return calls[0]


def changed(value, how):
    """Yield a value with a fault, wherever it has numbers or labels."""
    if isinstance(value, xr.DataTree):
        value = {group: value[group].to_dataset() for group in value.children}
    if isinstance(value, Mapping) and not isinstance(value, xr.Dataset):
        yield from ({**value, key: one} for key in value for one in changed(value[key], how))
        if how in ("empty", "type"):
            yield {} if how == "empty" else 1.5
    elif isinstance(value, xr.Dataset):
        yield from ({**value, key: one} for key in value for one in changed(value[key], how))
    elif isinstance(value, tuple | list) and not np.ndim(value[0]) and isinstance(value[0], str):
        if how in ("empty", "short"):
            yield value[:0] if how == "empty" else value[:-1]
    elif isinstance(value, tuple) and np.ndim(value[0]):
        yield from (
            (*value[:i], one, *value[i + 1 :]) for i in range(len(value)) for one in changed(value[i], how)
        )
    elif isinstance(value, xr.DataArray) and value.dtype.kind == "U":
        yield from ()
    elif how == "nan":
        yield value * np.nan if isinstance(value, xr.DataArray) else np.asarray(value, float) * np.nan
    elif how == "type":
        yield "word"
    elif isinstance(value, xr.DataArray) and how == "labels":
        yield from (
            value.assign_coords({dim: [f"{one}?" for one in value[dim].values]}) for dim in value.coords
        )
    elif isinstance(value, xr.DataArray) and how == "dims":
        yield value.expand_dims("other")
    elif isinstance(value, xr.DataArray) and how in ("empty", "short"):
        yield from (value.isel({dim: slice(0 if how == "empty" else -1)}) for dim in value.dims)
    elif how == "dims":
        yield np.asarray(value)[None, None]
    elif np.ndim(value) and how in ("empty", "short"):
        yield np.asarray(value)[: 0 if how == "empty" else -1]


# Of one array alone any length, and any labels, are right.
ALONE = {"dependent_pairs", "imagined_regions", "information_flow", "shrinkage_factors", "unequal_regions"}


@pytest.mark.parametrize("how", ["nan", "empty", "dims", "short", "labels", "type"])
@pytest.mark.parametrize("name", sorted(set(OURS) - {"plate_diagram"}))
def test_what_cannot_be_drawn_is_refused_by_name(name, how):
    arguments = given(name)
    names = "|".join(inspect.signature(OURS[name]).parameters)
    if how in ("short", "labels") and name in ALONE:
        return
    faults = 0
    for argument, value in arguments.items():
        if isinstance(value, str | exact.Marginal):
            continue
        for wrong in changed(value, how):
            faults += 1
            with pytest.raises(ValueError, match=rf"^({names})\b.*(give|:)"):
                OURS[name](**arguments | {argument: wrong})
    assert faults or how in ("labels", "short")


@pytest.mark.parametrize("name", OURS)
def test_what_is_refused_stands_in_the_docstring(name):
    raises = "\nRaises\n------\nValueError\n" in inspect.cleandoc(OURS[name].__doc__)
    assert raises == bool(inspect.signature(OURS[name]).parameters)


def test_what_is_faint_is_found():
    figure, ax = plt.subplots()
    ax.plot([0, 1], [0, 1], color=style.ORANGE)
    ax.plot([0, 1], [0, 1], "o", color=style.SKY)
    ax.plot([0, 1], [0, 1], color=style.BLACK, alpha=0.2)
    ax.hlines([0], 0, 1, color="#aaaaaa")
    ax.scatter([0], [0], color=style.SKY)
    ax.bar([0], [1], color=style.SKY, edgecolor="white")
    ax.text(0, 0, "faint", color="#808080")
    assert len(list(faint(figure))) == 7
    plt.close(figure)


def test_contrast_is_that_of_the_standard():
    # Black on white, and the least grey that passes 4.5 (WCAG's known #767676).
    assert contrast("black") == pytest.approx(21)
    assert contrast("#767676") > 4.5 > contrast("#777777")


# On paper ----------------------------------------------------------------------------------------


@style.styled
def cloud(count):
    """Draw dots."""
    figure, ax = plt.subplots()
    ax.scatter(np.arange(count), np.arange(count))
    return figure


def test_a_figure_is_drawn_for_paper_the_same_each_time():
    figure = cloud(10)
    drawing = figure._repr_svg_()
    assert drawing.startswith("<?xml")
    assert drawing == figure._repr_svg_() == cloud(10)._repr_svg_()
    assert "dc:date" not in drawing


@style.styled
def bars(hatch):
    """Draw two bars."""
    figure, ax = plt.subplots()
    ax.bar([0, 1], [1, 2], hatch=hatch)
    return figure


def test_many_dots_and_hatches_stay_pictures_on_paper_too():
    drawn = [cloud(style.MANY), cloud(style.MANY + 1), bars(None), bars("//")]
    assert [hasattr(figure, "_repr_svg_") for figure in drawn] == [True, False, True, False]
