"""The explorers' frame, and the dial for eight schools."""

import json
import re
from pathlib import Path

import altair as alt
import numpy as np
import pytest
import vl_convert
import xarray as xr
from browsing import open_explorer, settled

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from support.figures.style import BLUE
from support.outputs import EXPLORER
from tooling import explorers
from tooling.rendering import Renderer

pytest_plugins = ["browsing"]
ROOT = Path(__file__).resolve().parents[2]
SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"], SCHOOLS["standard_error"]


def dial(settings):
    """Return the first explorer, over these values of tau."""
    tau = xr.DataArray(settings, dims="tau", coords={"tau": settings})
    fits = [exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=value) for value in settings]
    return explorers.shrinkage(
        xr.concat([fit["theta"].mean() for fit in fits], dim=tau),
        EFFECT,
        ERROR**2 / (ERROR**2 + tau**2),
        tau.copy(data=[fit["mu"].mean() for fit in fits]),
        exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)["tau"].pdf(settings).rename(x="tau"),
    )


def values_in(spec):
    """Return all inline data of a chart, one list of rows for each."""
    if isinstance(spec, list):
        return [rows for part in spec for rows in values_in(part)]
    if not isinstance(spec, dict):
        return []
    own = [spec["data"]["values"]] if "values" in spec.get("data", {}) else []
    return own + [rows for part in spec.values() for rows in values_in(part)]


# What the chart is given -----------------------------------------------------------------------


def test_the_dial_takes_other_groups_in_other_units():
    trials = datasets.bcg_trials()
    effect, error = trials["effect"], trials["standard_error"]
    tau = xr.DataArray([0.0, 0.5, 1.0], dims="tau", coords={"tau": [0.0, 0.5, 1.0]})
    factor = error**2 / (error**2 + tau**2)
    explorer = explorers.shrinkage(
        (1 - factor) * effect - 0.7 * factor, effect, factor, 0 * tau - 0.7, np.exp(-tau)
    )
    rows, _ = values_in(explorer.spec())
    assert {(row["tau"], row["trial"]) for row in rows} == {(t, j) for t in tau.values for j in range(1, 14)}
    assert "each trial has its raw effect" in explorer.description
    text = json.dumps(explorer.spec())
    assert "school" not in text + explorer.description
    assert "(log risk ratio)" in text
    assert "SAT" not in text
    assert explorer.numbers["trial"] == "trial"


def test_the_dial_has_the_exact_estimates_of_each_setting():
    settings = np.arange(0, 50.5, 12.5)
    schools, _ = values_in(dial(settings).spec())
    rows = {(row["tau"], row["school"]): row for row in schools}
    assert len(rows) == 5 * 8
    for (tau, school), row in rows.items():
        y, s = (float(values.sel(school=school)) for values in (EFFECT, ERROR))
        # By hand: mu given tau is Normal, with the prior Normal(0, 20).
        weights = 1 / (ERROR.values**2 + tau**2)
        mu = (weights @ EFFECT.values) / (weights.sum() + 20**-2)
        factor = s**2 / (s**2 + tau**2)
        assert row["B"] == pytest.approx(factor, abs=5e-4)
        assert row["centre"] == pytest.approx(mu, abs=5e-4)
        assert row["estimate"] == pytest.approx(factor * mu + (1 - factor) * y, abs=5e-4)
        assert row["raw"] == y
    ends = {tau: [rows[tau, school]["estimate"] for school in "ABCDEFGH"] for tau in (0, 50)}
    assert np.ptp(ends[0]) == 0
    assert abs(np.array(ends[50]) - EFFECT.values).max() < 0.12 * np.ptp(EFFECT.values)


def test_the_setting_that_the_dial_begins_with_is_one_of_its_rows():
    spec = dial(np.arange(0, 50.5, 0.5)).spec()
    (tau,) = [parameter for parameter in spec["params"] if parameter["name"] == "tau"]
    slider = tau["bind"]
    settings = np.arange(slider["min"], slider["max"] + slider["step"] / 2, slider["step"])
    for rows in values_in(spec):
        assert sorted({row["tau"] for row in rows}) == pytest.approx(settings)
    assert tau["value"] in settings


# How it is shown -------------------------------------------------------------------------------


class Written:
    """Stands for MyST-NB's renderer: keeps the file that it is given."""

    source = "chapters/page.md"

    def write_file(self, path, content, *, overwrite):
        self.path, self.content = path, content
        return "/" + path[0]


@pytest.mark.parametrize("explorer", [dial(np.arange(0, 50.5, 0.5)), explorers.own(EFFECT, ERROR)], ids=repr)
def test_the_book_shows_a_picture_with_a_description_and_keeps_the_chart(explorer):
    output = type("Output", (), {"mime_type": EXPLORER, "content": json.loads(json.dumps(explorer.spec()))})
    written = Written()
    before, picture, after = Renderer.handle_mime(written, output, inline=False)
    assert picture["alt"] == explorer.description
    assert len(picture["alt"]) > 200
    assert written.content.startswith(b"<svg")
    spec = re.search(r'<script type="application/json">(.*)</script>', before.astext())[1]
    compiled = json.loads(spec)
    controls = {one["name"] for one in explorer.spec().get("params", ()) if "bind" in one}
    assert {signal["name"] for signal in compiled.get("signals", ()) if "bind" in signal} == controls
    rows = [one["values"] for one in compiled["data"] if "values" in one]
    assert all(values in rows for values in values_in(explorer.spec()))
    html = before.astext() + after.astext()
    assert html.count("<div") == html.count("</div>")
    other = type("Output", (), {"mime_type": "text/html", "content": ""})
    assert Renderer.handle_mime(written, other, inline=False) is None


def test_each_page_keeps_the_picture_of_its_own_dial():
    """The dials of schools and of trials have one name; the last page's picture once stood on all."""
    output = type("Output", (), {"mime_type": EXPLORER, "content": dial(np.arange(3.0)).spec()})
    paths = set()
    for source in ("chapters/hierarchical-models.md", "chapters/odd-group.md"):
        written = Written()
        written.source = source
        Renderer.handle_mime(written, output, inline=False)
        paths.add(written.path[0])
    assert len(paths) == 2


def test_no_text_of_a_chart_can_end_the_script_around_it():
    chart = alt.Chart(alt.Data(values=[{"x": "</script><script>alert(1)</script>"}])).mark_point()
    explorer = explorers.Explorer(chart, name="x", description="</script>", numbers={"x": "<b>"})
    output = type("Output", (), {"mime_type": EXPLORER, "content": explorer.spec()})
    before, *_ = Renderer.handle_mime(Written(), output, inline=False)
    assert before.astext().count("</script>") == 1
    assert "<b>" not in before.astext()


def test_the_bundle_needs_nothing_from_elsewhere():
    # Addresses stand in it as names of formats and in messages; none is imported.
    imports = r"""(?:\bimport\b[^;]{0,80}from\s*|import\()["']https?:"""
    assert not re.search(imports, vl_convert.javascript_bundle())


def test_plain_text_stands_in_where_no_chart_can_be_shown():
    bundle = dial(np.arange(0, 2.5, 0.5))._repr_mimebundle_()
    assert set(bundle) == {EXPLORER, "text/plain"}
    assert "slider" in bundle["text/plain"]


# In the browser --------------------------------------------------------------------------------


def rows_of(explorer):
    """Return the table of numbers: name of a row to its cells."""
    rows = settled(explorer).locator("tbody tr").all()
    cells = [row.locator("th, td").all_inner_texts() for row in rows]
    return {first: rest for first, *rest in cells}


@pytest.mark.browser
@pytest.mark.slow
def test_the_slider_moves_by_keyboard_and_the_table_follows(site, page):
    explorer = open_explorer(page, site + "chapters/hierarchical-models.html", "shrinkage")
    slider = explorer.locator("input")
    slider.focus()
    page.keyboard.press("Home")
    common = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0)["mu"].mean()
    assert {row[1] for row in rows_of(explorer).values()} == {f"{common:.2f}"}
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    estimates = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=6)["theta"].mean()
    rows = rows_of(explorer)
    assert len(rows) == 8
    for school, (raw, estimate, factor) in rows.items():
        sigma = float(ERROR.sel(school=school))
        assert float(raw) == float(EFFECT.sel(school=school))
        assert float(estimate) == pytest.approx(float(estimates.sel(school=school)), abs=0.006)
        assert float(factor) == pytest.approx(sigma**2 / (sigma**2 + 36), abs=0.006)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("name", ["intro", "chapters/hierarchical-models"])
def test_the_dial_is_turned_in_the_chart_by_keys_and_the_mouse(site, page, name):
    explorer = open_explorer(page, f"{site}{name}.html", "shrinkage")
    knob, slider = explorer.get_by_role("slider", name="τ", exact=True), explorer.locator("input")
    for key, tau in {"End": 50, "PageDown": 45, "Home": 0, "ArrowUp": 0.5, "ArrowLeft": 0}.items():
        knob.press(key)
        settled(explorer)
        assert float(slider.input_value()) == tau
        assert knob.get_attribute("aria-valuetext") == f"τ = {tau}"
    knob.scroll_into_view_if_needed()
    axis = explorer.locator(".explorer-chart svg").bounding_box()
    box = knob.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + axis["width"] / 8, y)
    page.mouse.move(x + axis["width"] / 4, y)
    tau = float(slider.input_value())
    assert 10 < tau < 20
    page.mouse.move(axis["x"] - 9, y)
    settled(explorer)
    assert float(slider.input_value()) == 0  # no further than the axis
    page.mouse.move(x + axis["width"] / 4, y)
    page.mouse.up()
    assert float(slider.input_value()) == tau
    estimates = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=tau)["theta"].mean()
    for school, (_, estimate, _) in rows_of(explorer).items():
        assert float(estimate) == pytest.approx(float(estimates.sel(school=school)), abs=0.006)
    low, high = estimates.min(), estimates.max()
    words = f"τ = {tau:g}: estimates from {low:.1f} to {high:.1f}".replace("-", "\N{MINUS SIGN}")
    explorer.locator(".explorer-says", has_text=words).wait_for(state="attached")
    explorer.get_by_role("button", name="Start again").click()
    settled(explorer)
    assert float(slider.input_value()) == 5


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("chapters/hierarchical-models.html#shrinkage", r"\w: -?\d+, estimate [\d.]+, B = [\d.]+"),
        ("chapters/dirichlet-multinomial.html#survey", r"region \d: [\d.]+%, estimate [\d.]+%"),
        ("chapters/practical-considerations.html#prior", r"school \w: [\d.]+, 89% from .?[\d.]+ to [\d.]+"),
    ],
)
def test_a_mark_says_its_numbers_to_who_points_at_it(site, page, name, words):
    address, _, name = name.partition("#")
    explorer = open_explorer(page, site + address, name)
    chart = explorer.locator(".explorer-chart svg")
    chart.scroll_into_view_if_needed()
    marks = [mark for mark in chart.locator(".mark-symbol path").all() if mark.get_attribute("fill") == BLUE]
    box = marks[-1].bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    assert re.fullmatch(words, page.locator("#vg-tooltip-element.visible").inner_text())


@pytest.mark.browser
@pytest.mark.slow
def test_a_finger_turns_the_dial(site, browser):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    explorer = open_explorer(page, site + "chapters/hierarchical-models.html", "shrinkage")
    knob = explorer.get_by_role("slider", name="τ", exact=True)
    knob.scroll_into_view_if_needed()
    box, touch = knob.bounding_box(), context.new_cdp_session(page)
    for kind, way in (("touchStart", 0), *(("touchMove", 10 * step) for step in range(1, 9))):
        point = {"x": box["x"] + box["width"] / 2 + way, "y": box["y"] + box["height"] / 2}
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    settled(explorer)
    assert 12 < float(knob.get_attribute("aria-valuenow")) < 25
    context.close()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("name", ["intro", "chapters/hierarchical-models"])
def test_there_is_a_picture_without_scripts_and_the_chart_as_it_was_left_on_paper(
    site, browser, name, scripts
):
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto(f"{site}{name}.html")
    picture = page.locator("#explorer-shrinkage .explorer-picture")
    if scripts:
        page.locator("#explorer-shrinkage[data-ready]").wait_for(state="attached")
        page.locator("#explorer-shrinkage input").press("End")
        page.emulate_media(media="print")
        assert not picture.is_visible()
        assert not page.locator("#explorer-shrinkage .explorer-controls").is_visible()
        chart = page.locator("#explorer-shrinkage .explorer-chart svg")
        assert chart.is_visible()
        assert "τ = 50, and its posterior" in chart.text_content()
    else:
        assert picture.is_visible()
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("async (image) => (await image.decode(), image.naturalWidth)") > 300
        assert not page.locator(".explorer button, .explorer form").first.is_visible()
    context.close()


@pytest.mark.parametrize("name", ["shrinkage", "own", "prior", "survey", "funnel", "game"])
def test_a_heading_before_each_explorer_says_what_to_try(name):
    pages = [page.read_text(encoding="utf8") for page in (ROOT / "chapters").glob("*.md")]
    shown = [text for text in pages if f"explorers.{name}(" in text]
    assert shown
    for text in shown:
        before = text[: text.index(f"explorers.{name}(")]
        heading = before.rsplit("\n### ", 1)[1]
        assert heading.startswith("Try it: ")
        assert heading.count("```{code-cell}") == 1
