"""Numbers in the text that follow an explorer: as stated at first and without scripts, then as it shows."""

import re
from pathlib import Path

import pytest
from browsing import open_explorer, settled
from scipy import stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling import explorers

pytest_plugins = ["browsing"]

CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"
SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"], SCHOOLS["standard_error"]


def turn_the_dial(explorer):
    explorer.locator("input").press("End")
    explorer.locator("input").press("ArrowLeft")
    tau = 49.5
    kept = 1 - ERROR**2 / (ERROR**2 + tau**2)
    a = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=tau)["theta"].mean().sel(school="A").item()
    shares = [f"{kept.sel(school=name).item():.0%}" for name in "HE"]
    return ["49.5", *shares, f"{a:.1f}", f"{28 - a:.1f}"]


def turn_the_dial_of_trials(explorer):
    explorer.locator("input").press("End")
    explorer.locator("input").press("ArrowLeft")
    trials = datasets.bcg_trials()
    known = exact.normal(trials["effect"], trials["standard_error"], mu=stats.norm(0, 1), tau=1.45)
    return ["1.45", f"{known['theta'].mean().sel(trial=12):.2f}"]


def slide_down_the_funnel(explorer):
    explorer.locator("input[name=tau_step]").press("Home")
    tau = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)["tau"]
    limits = explorers.step_limits([0.02], EFFECT, ERROR, tau, mu_sd=20)
    return ["0.02", *(f"{limits[form][0]:#.2g}" for form in ("centred", "non-centred"))]


def move_all_below_zero(explorer):
    explorer.locator("textarea").fill("A, -60, 15\nB, -10, 10")
    posterior = exact.normal([-60, -10], [15, 10], mu=MU_PRIOR, tau=TAU_PRIOR)
    return [f"{posterior[name].mean():.1f}".replace("-", "\N{MINUS SIGN}") for name in ("tau", "mu")]


def take_a_tight_prior(explorer):
    explorer.locator("input[type=range]").press("Home")
    explorer.locator("input:checked").press("ArrowDown")
    prior = stats.halfcauchy(scale=1)
    posterior = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=prior)
    a = posterior["theta"].mean().sel(school="A").item()
    return ["half-Cauchy", "1", f"{100 * explorers.overlap(prior, posterior):.0f}", f"{a:.1f}"]


def raise_the_concentration(explorer):
    explorer.locator("input[type=range]").press("End")
    n = datasets.survey()["count"].sum("response")
    return ["1000", *(f"{1000 / (1000 + n.sel(region=f'region {place}').item()):.0%}" for place in (5, 2))]


FOLLOWED = {
    ("shrinkage", "hierarchical-models"): turn_the_dial,
    ("shrinkage", "odd-group"): turn_the_dial_of_trials,
    ("funnel", "eight-schools"): slide_down_the_funnel,
    ("own", "eight-schools"): move_all_below_zero,
    ("prior", "practical-considerations"): take_a_tight_prior,
    ("survey", "dirichlet-multinomial"): raise_the_concentration,
}


def numbers(page, name):
    return page.locator(f'[data-follows^="{name}/"]').all_inner_texts()


@states(
    "intro.md", "Numbers underlined with dots follow the figure beside them, when you move something in it."
)
@states(
    "chapters/eight-schools.md",
    "For the groups in the figure the posterior mean of $\\tau$ is …, that of $\\mu$ ….",
)
@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(("name", "chapter"), FOLLOWED)
def test_numbers_in_the_text_follow_the_explorer(browser, page, site, name, chapter):
    move = FOLLOWED[name, chapter]
    address = f"{site}chapters/{chapter}.html"
    context = browser.new_context(java_script_enabled=False)
    without_scripts = context.new_page()
    without_scripts.goto(address)
    stated = numbers(without_scripts, name)
    assert not without_scripts.locator(".follows").count()
    context.close()
    explorer = open_explorer(page, address, name)
    assert numbers(page, name) == stated
    followed = move(explorer)
    settled(explorer)
    assert followed != stated
    assert numbers(page, name) == followed
    assert page.locator(".follows").first.get_attribute("title") == "follows the figure"
    explorer.get_by_role("button", name="Start again").click()
    page.wait_for_function(
        "([name, stated]) => [...document.querySelectorAll(`[data-follows^='${name}/']`)]"
        ".map((e) => e.innerText).join() === stated",
        arg=[name, ",".join(stated)],
    )


def test_each_number_that_follows_is_in_the_text_after_its_explorer():
    found = set()
    for path in sorted(CHAPTERS.glob("*.md")):
        text = path.read_text("utf8")
        for match in re.finditer(r'<span data-follows="(\w+)/', text):
            before, after = text[: match.start()], text[match.start() :]
            assert f"explorers.{match[1]}(" in before.rpartition("\n### ")[2]
            assert after.index("</span>") < 100
            found.add((match[1], path.stem))
    assert found == {*FOLLOWED}
