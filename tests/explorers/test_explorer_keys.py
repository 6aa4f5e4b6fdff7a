"""Explorers in a browser: keys, mouse and finger set them, and their tables follow with the exact numbers."""

import numpy as np
import pytest
from browsing import open_explorer, settled
from playwright.sync_api import expect
from scipy import stats

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling import explorers

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]

SCHOOLS = datasets.eight_schools()


def test_prior(page, site):
    prior = open_explorer(page, site + "chapters/practical-considerations.html", "prior")
    slider = prior.locator("input[type=range]")
    slider.press("Home")
    settled(prior)
    assert slider.get_attribute("aria-valuetext") == "1"
    assert prior.locator("output").inner_text() == "1"
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    settled(prior)
    assert slider.get_attribute("aria-valuetext") == "5"
    prior.locator("input:checked").press("ArrowDown")
    settled(prior)
    tau = stats.halfcauchy(scale=5)
    posterior = exact.normal(SCHOOLS["effect"], SCHOOLS["standard_error"], mu=MU_PRIOR, tau=tau)
    theta = posterior["theta"].sel(school="G")
    row = prior.locator("tbody tr", has_text="school G").locator("td")
    shown = [float(text) for text in row.all_inner_texts()]
    np.testing.assert_allclose(
        shown, [18, theta.mean(), theta.quantile(0.055), theta.quantile(0.945)], atol=0.0051
    )
    limit = prior.locator("tbody tr", has_text="95% limit: posterior").locator("td").nth(1)
    assert float(limit.inner_text()) == pytest.approx(posterior["tau"].quantile(0.95), abs=0.0051)


def test_survey(page, site):
    survey = open_explorer(page, site + "chapters/dirichlet-multinomial.html", "survey")
    slider = survey.locator("input[type=range]")
    slider.press("End")
    settled(survey)
    assert slider.get_attribute("aria-valuetext") == "1000"
    slider.press("ArrowLeft")
    survey.locator("input:checked").press("ArrowDown")
    settled(survey)
    count = datasets.survey()["count"]
    posterior = exact.dirichlet_multinomial(count, alpha=500.0, baseline=stats.dirichlet(np.ones(4)))
    estimate = posterior["pi"].mean().sel(region="region 3", response="A").item()
    row = survey.locator("tbody tr", has_text="region 3").locator("td")
    shown = [float(text) for text in row.all_inner_texts()]
    np.testing.assert_allclose(shown, [60, 31 / 60, estimate, 500 / 560], atol=0.0051)


def hands(browser):
    """Give two ways to press a control at a part of its length: a mouse, and a finger on a phone."""
    for phone in (False, True):
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 900}
        context = browser.new_context(viewport=size, has_touch=phone)
        page = context.new_page()

        def press(control, part, page=page, phone=phone):
            control.scroll_into_view_if_needed()
            box = control.bounding_box()
            x, y = box["x"] + part * box["width"], box["y"] + box["height"] / 2
            if phone:
                page.touchscreen.tap(x, y)
                return
            page.mouse.move(box["x"] + box["width"] / 2, y)
            page.mouse.down()
            page.mouse.move(x, y, steps=4)
            page.mouse.up()

        yield page, press
        context.close()


@pytest.mark.parametrize(
    ("chapter", "name", "scales"),
    [
        ("practical-considerations", "prior", ["1", "10", "100"]),
        ("dirichlet-multinomial", "survey", ["1", "30", "1000"]),
    ],
)
def test_mouse_and_finger_set_the_slider_and_the_table_follows(browser, site, chapter, name, scales):
    tables = []
    for page, press in hands(browser):
        explorer = open_explorer(page, f"{site}chapters/{chapter}.html", name)
        slider = explorer.locator("input[type=range]")
        shown = []
        for part, scale in zip((0.01, 0.5, 0.99), scales, strict=True):
            press(slider, part)
            expect(slider).to_have_attribute("aria-valuetext", scale)  # a tap takes its time
            settled(explorer)
            shown.append(explorer.locator("tbody").inner_text())
        assert len(set(shown)) == 3
        tables.append(shown)
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("chapter", "name", "asked", "choices"),
    [
        (
            "practical-considerations",
            "prior",
            "family",
            ["half-Normal", "half-Cauchy", "exponential", "uniform up to the scale"],
        ),
        ("dirichlet-multinomial", "survey", "answer", ["SA", "A", "D", "SD"]),
    ],
)
def test_mouse_and_finger_choose_and_the_table_follows(browser, site, chapter, name, asked, choices):
    tables = []
    for page, press in hands(browser):
        explorer = open_explorer(page, f"{site}chapters/{chapter}.html", name)
        group = explorer.get_by_role("radiogroup", name=asked)
        assert group.get_by_role("radio").count() == len(choices)
        shown = {}
        for choice in [*choices[1:], choices[0]]:  # the first is chosen already
            press(group.get_by_text(choice, exact=True), 0.5)
            expect(group.get_by_role("radio", name=choice, exact=True)).to_be_checked()
            settled(explorer)
            shown[choice] = explorer.locator("tbody").inner_text()
        assert len(set(shown.values())) == len(choices)
        tables.append(shown)
        press(group.get_by_role("radio").last, 0.5)
        explorer.get_by_role("button", name="Start again").click()
        settled(explorer)
        assert group.get_by_role("radio").first.is_checked()
        assert explorer.locator("tbody").inner_text() == shown[choices[0]]
    assert tables[0] == tables[1]


def test_funnel(page, site):
    funnel = open_explorer(page, site + "chapters/eight-schools.html", "funnel")
    slider = funnel.locator("input[name=tau_step]")
    slider.press("End")
    settled(funnel)
    assert slider.get_attribute("aria-valuetext") == "20"
    slider.press("ArrowLeft")
    settled(funnel)
    effect, error = SCHOOLS["effect"], SCHOOLS["standard_error"]
    tau = exact.normal(effect, error, mu=MU_PRIOR, tau=TAU_PRIOR)["tau"]
    limits = explorers.step_limits([10], effect, error, tau, mu_sd=20)
    rows = funnel.locator("tbody tr")
    shown = dict(zip(rows.locator("th").all_inner_texts(), rows.all(), strict=True))
    assert set(shown) == set(limits)
    for form, (step,) in limits.items():
        cell = shown[form].locator("td").last
        assert float(cell.inner_text()) == pytest.approx(step, rel=0.05)
