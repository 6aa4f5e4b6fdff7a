"""What the search of the built book finds, and paper."""

import re

import pytest
import reading
from browsing import CHAPTERS, HTML

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]

# Until the page is among the hits, or all of them stand there: the search says last how many it found.
FOUND = """(name) => {
  const links = [...document.querySelectorAll("#search-results li a")];
  const said = /found (\\d+) page/.exec(document.querySelector("#search-results").innerText);
  const hits = document.querySelectorAll("#search-results ul.search > li").length;
  if (links.some((link) => link.pathname.endsWith(name))) return "found";
  return said && hits === Number(said[1]) && "missing";
}"""


@pytest.mark.parametrize("served", [True, False], ids=["served", "from disk"])
def test_the_search_finds_a_term_of_every_page(browser, site, served):
    folder = site if served else f"{HTML.as_uri()}/"
    page = browser.new_page()
    missing = []
    for name in CHAPTERS:
        title = re.search(r"<h1>(.*?)<", (HTML / name).read_text())[1]
        words = max(re.findall(r"[A-Za-z-]{4,}", title), key=len)
        page.goto(f"{folder}search.html?q={words}", wait_until="domcontentloaded")
        if page.wait_for_function(FOUND, arg=name).json_value() == "missing":
            missing.append(f"{words}: {name}")
    page.close()
    assert missing == []


def test_paper_has_what_is_to_be_read_and_nothing_else(browser, site):
    with reading.visiting(browser, site, "chapters/eight-schools.html") as visit:
        visit.page.emulate_media(media="print")
        for selector in (
            ".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", ".prev-next-footer",
            "button.copybtn",
        ):  # fmt: skip
            for element in visit.page.locator(selector).all():
                assert not element.is_visible(), selector
        assert visit.page.locator(".bd-article").is_visible()
        cut = visit.page.evaluate("""() => [...document.querySelectorAll(".bd-article pre")]
          .filter((e) => getComputedStyle(e).whiteSpace !== "pre-wrap")
          .map((e) => e.textContent.slice(0, 60))""")
        assert cut == []


# What readers type: the first hit is the entry of the glossary, or a section that explains it.
QUERIES = {
    "shrinkage": "term-shrinkage", "partial pooling": "term-partial-pooling",
    "complete pooling": "term-complete-pooling", "no pooling": "term-no-pooling",
    "shrinkage factor": "term-shrinkage-factor", "borrowing strength": "term-borrowing-strength",
    "exchangeability": "term-exchangeability", "hyperprior": "term-hyperprior",
    "hyperparameter": "term-hyperparameter", "grand mean": "term-grand-mean", "funnel": "term-funnel",
    "divergence": "term-divergence", "NUTS": "term-NUTS", "r-hat": "term-R-hat", "ESS": "term-ESS",
    "elpd": "term-elpd", "LOO": "term-LOO", "pareto k": "term-Pareto-k",
    "posterior predictive": "term-posterior-predictive", "REML": "term-REML", "BLUP": "term-BLUP",
    "james-stein": "term-James-Stein-estimator", "concentration": "term-concentration",
    # American spellings
    "non-centered": "chapters/eight-schools.html",
    "noncentered parameterization": "term-non-centred-parameterisation",
    "centered parameterization": "term-centred-parameterisation",
    # words of neighbours
    "multilevel": "term-multilevel-model", "multilevel model": "term-multilevel-model",
    "mixed model": "term-mixed-model", "random effects": "term-random-effects", "lme4": "term-lme4",
    "hierarchical model": "term-hierarchical-model",
    # sections
    "calibration": "chapters/calibration.html",
}  # fmt: skip


def test_the_first_hit_is_what_explains_the_words(page, site):
    first = {}
    for words in QUERIES:
        page.goto(f"{site}search.html?q={words}")
        page.wait_for_function("/found/.test(document.querySelector('.search-summary')?.innerText)")
        first[words] = page.locator("#search-results li a").first.get_attribute("href") or ""
    assert {words: hit for words, hit in first.items() if QUERIES[words] not in hit} == {}


def test_a_hit_in_the_glossary_says_what_the_word_means(page, site):
    page.goto(f"{site}search.html?q=noncentered parameterization")
    hit = page.locator("#search-results li").first
    hit.locator("p.context").wait_for()
    assert hit.locator("a").inner_text() == "non centred parameterisation (glossary)"
    assert "standard Normal variables" in hit.locator("p.context").inner_text()
    hit.locator("a").click()
    assert page.locator("dt:target").inner_text().startswith("non-centred parameterisation")
