"""What the search of the built book finds, and paper."""

import re

import pytest
import reading
from browsing import CHAPTERS, HTML

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.mark.parametrize("served", [True, False], ids=["served", "from disk"])
def test_the_search_finds_a_term_of_every_page(browser, site, served):
    folder = site if served else f"{HTML.as_uri()}/"
    page = browser.new_page()
    missing = []
    for name in CHAPTERS:
        title = re.search(r"<h1>(.*?)<", (HTML / name).read_text())[1]
        words = max(re.findall(r"[A-Za-z-]{4,}", title), key=len)
        page.goto(f"{folder}search.html?q={words}")
        page.wait_for_selector("#search-results p.search-summary:not(:empty), #search-results li")
        page.wait_for_function(
            "!/Searching|Preparing/.test(document.querySelector('#search-results').innerText)"
        )
        found = page.locator("#search-results li a").evaluate_all("links => links.map((a) => a.pathname)")
        if not any(path.endswith(name) for path in found):
            missing.append(f"{words}: {name}")
    page.close()
    assert missing == []


def test_paper_has_what_is_to_be_read_and_nothing_else(browser, site):
    with reading.visiting(browser, site, "chapters/eight-schools.html") as visit:
        visit.page.emulate_media(media="print")
        for selector in (
            ".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", ".prev-next-footer",
            "button.copybtn", "#pst-back-to-top",
        ):  # fmt: skip
            for element in visit.page.locator(selector).all():
                assert not element.is_visible(), selector
        assert visit.page.locator(".bd-article").is_visible()
        cut = visit.page.evaluate("""() => [...document.querySelectorAll(".bd-article pre")]
          .filter((e) => getComputedStyle(e).whiteSpace !== "pre-wrap")
          .map((e) => e.textContent.slice(0, 60))""")
        assert cut == []
