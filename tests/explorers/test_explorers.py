"""The explorers' frame, the dial for eight schools, and the posterior that the page itself works out."""

import json
import re
from pathlib import Path

import altair as alt
import numpy as np
import pytest
import vl_convert
import xarray as xr
from browsing import open_explorer, settled
from scipy import stats

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
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


def test_different_schools_are_refused():
    with pytest.raises(ValueError, match="different schools"):
        explorers.own(EFFECT, ERROR.assign_coords(school=list("HGFEDCBA")))


# How it is shown -------------------------------------------------------------------------------


class Written:
    """Stands for MyST-NB's renderer: keeps the file that it is given."""

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
    controls = {one["name"] for one in explorer.spec()["params"] if "bind" in one}
    assert {signal["name"] for signal in compiled["signals"] if "bind" in signal} == controls
    rows = [one["values"] for one in compiled["data"] if "values" in one]
    assert all(values in rows for values in values_in(explorer.spec()))
    html = before.astext() + after.astext()
    assert html.count("<div") == html.count("</div>")
    other = type("Output", (), {"mime_type": "text/html", "content": ""})
    assert Renderer.handle_mime(written, other, inline=False) is None


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
    slider = explorer.get_by_role("slider")
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


def exact_own(effect, error, scale_mu=20.0, scale_tau=10.0):
    priors = {"mu": stats.norm(0, scale_mu), "tau": stats.halfnorm(scale=scale_tau)}
    return exact.normal(effect, error, **priors)


CASES = {
    "the book's": (EFFECT.values, ERROR.values, 20.0, 10.0),
    # The smallest standard error that the page takes, beside large ones, and a prior of another size.
    "uneven": ([60, 8, -3, 7, -1, 1, 18, 12.5], [0.5, 10, 16, 3, 0.75, 11, 40, 18], 20.0, 10.0),
    "wide prior": ([200, 8, -150, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18], 100.0, 100.0),
    "an outlier": ([200, 8, -3, 7, -1, 1, 18, 12], ERROR.values, 20.0, 10.0),
    "equal": ([5] * 8, [2] * 8, 20.0, 1.0),
}


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_page_s_own_integral_is_exact_and_the_link_carries_the_data(site, page, case):
    effect, error, scale_mu, scale_tau = CASES[case]
    settings = {f"effect_{school}": y for school, y in zip("ABCDEFGH", effect, strict=True)}
    settings |= {f"error_{school}": s for school, s in zip("ABCDEFGH", error, strict=True)}
    settings |= {"scale_mu": scale_mu, "scale_tau": scale_tau}
    explorer = open_explorer(page, site + "chapters/eight-schools.html", "own")
    for name, value in settings.items():
        explorer.locator(f"input[name={name}]").fill(str(value))
    posterior = exact_own(effect, error, scale_mu, scale_tau)
    settled(explorer)
    found = page.evaluate("""() => {
        const view = document.querySelector("#explorer-own").view;
        const names = Object.keys(view._runtime.data);
        const rows = names.flatMap((name) => { try { return view.data(name); } catch { return []; } });
        return rows.filter((row) => row.sd !== undefined).map((row) => [row.name, row.mean, row.sd]);
    }""")
    moments = {name: (mean, sd) for name, mean, sd in found}
    means, sds = posterior["theta"].mean().values, posterior["theta"].sd().values
    wanted = {school: (means[i], sds[i]) for i, school in enumerate("ABCDEFGH")}
    wanted |= {name: (posterior[name].mean(), posterior[name].sd()) for name in ("mu", "tau")}
    assert set(moments) == set(wanted)
    for name, pair in wanted.items():
        assert moments[name] == pytest.approx(pair, rel=2e-5, abs=2e-5), name
    table = rows_of(explorer)
    address = explorer.locator(".explorer-link").get_attribute("href")
    again = open_explorer(page, address, "own")
    assert rows_of(again) == table


@pytest.mark.browser
@pytest.mark.slow
def test_a_school_without_usable_numbers_is_left_out_and_named(site, page):
    explorer = open_explorer(page, site + "chapters/eight-schools.html", "own")
    explorer.locator("input[name=effect_C]").fill("")
    explorer.locator("input[name=error_H]").fill("0")
    kept = [school for school in "ABCDEFGH" if school not in "CH"]
    at = {"school": kept}
    posterior = exact_own(EFFECT.sel(at), ERROR.sel(at))
    rows = rows_of(explorer)
    assert set(rows) == {*kept, "mu", "tau"}
    for i, school in enumerate(kept):
        assert rows[school][2] == f"{posterior['theta'].mean().values[i]:.2f}"
    assert "left out, effect missing or error below 0.5: C H" in explorer.locator("svg").text_content()
    explorer.locator("input[name=scale_tau]").fill("0")
    assert "the scales must be above 0" in settled(explorer).locator("svg").text_content()
    explorer.locator("input[name=scale_tau]").fill("10")
    assert rows_of(explorer) == rows


@pytest.mark.browser
@pytest.mark.slow
def test_effects_too_far_apart_for_the_prior_get_no_answer(site, page):
    explorer = open_explorer(page, site + "chapters/eight-schools.html", "own")
    rows = rows_of(explorer)
    # Under the half-Normal(10), tau would be near 96: beyond the end of the page's integral, which is 70.
    assert exact_own(EFFECT.where(EFFECT["school"] != "A", 1000), ERROR)["tau"].mean() > 90
    explorer.locator("input[name=effect_A]").fill("1000")
    assert rows_of(explorer) == {}
    assert "no answer: too far apart" in explorer.locator("svg").text_content()
    explorer.locator("input[name=effect_A]").fill("28")
    assert rows_of(explorer) == rows
    assert "no answer" not in explorer.locator("svg").text_content()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("scripts", [True, False])
def test_there_is_a_picture_on_paper_and_without_scripts(site, browser, scripts):
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto(site + "chapters/hierarchical-models.html")
    picture = page.locator("#explorer-shrinkage .explorer-picture")
    if scripts:
        page.locator("#explorer-shrinkage[data-ready]").wait_for(state="attached")
        assert not picture.is_visible()
        page.emulate_media(media="print")
        assert not page.locator("#explorer-shrinkage .explorer-chart").is_visible()
        assert not page.locator("#explorer-shrinkage .explorer-controls").is_visible()
    assert picture.is_visible()
    assert picture.evaluate("image => image.naturalWidth") > 300
    context.close()


@pytest.mark.parametrize("name", ["shrinkage", "own", "prior", "survey", "funnel"])
def test_a_heading_before_each_explorer_says_what_to_try(name):
    pages = [page.read_text(encoding="utf8") for page in (ROOT / "chapters").glob("*.md")]
    (text,) = [text for text in pages if f"explorers.{name}(" in text]
    before = text[: text.index(f"explorers.{name}(")]
    heading = before.rsplit("\n### ", 1)[1]
    assert heading.startswith("Try it: ")
    assert "```{code-cell}" in heading
    assert heading.count("```{code-cell}") == 1
