"""Every page of the built book as a reader sees it: by day and by night, on a desk and on a phone.

A page is loaded once for each theme; the window then shrinks to that of a phone. What is measured and
what counts as a fault is in ``reading.py``.
"""

import re

import pytest
import reading
from browsing import HTML, ROOT, pages
from sphinx_external_toc.parsing import parse_toc_yaml

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]

CHAPTERS = [f"{name}.html" for name in parse_toc_yaml(ROOT / "_toc.yml")]
OTHERS = ["genindex.html", "prf-prf.html", "search.html"]
COLOURS = ["color-contrast", "link-in-text-block"]


def test_every_page_is_among_those_looked_at(site):
    assert {*CHAPTERS, *OTHERS, "index.html"} == set(pages())
    assert "url=intro.html" in (HTML / "index.html").read_text()


@pytest.mark.parametrize("name", [*CHAPTERS, *OTHERS])
def test_a_page_by_day(browser, site, name):
    with reading.visiting(browser, site, name) as visit:
        faults = [
            *reading.requests_elsewhere(visit),
            *reading.script_errors(visit),
            *reading.weight(visit),
            *reading.mathematics(visit),
            *reading.missing_alternatives(visit),
            *reading.faint_figures(visit),
            *reading.accessibility(visit),
        ]
        visit.restyle("light", reading.PHONE)
        faults += reading.sideways(visit)
        if name in CHAPTERS:
            links = visit.page.locator(".prev-next-area a").count()
            assert links == (1 if name in (CHAPTERS[0], CHAPTERS[-1]) else 2)
    assert faults == []


@pytest.mark.parametrize("name", [*CHAPTERS, *OTHERS])
def test_a_page_by_night(browser, site, name):
    with reading.visiting(browser, site, name, theme="dark") as visit:
        assert visit.page.evaluate("document.documentElement.dataset.theme") == "dark"
        faults = [
            *reading.script_errors(visit),
            *reading.faint_figures(visit),
            *reading.accessibility(visit, COLOURS),
        ]
        visit.restyle("dark", reading.PHONE)
        faults += reading.accessibility(visit, ["scrollable-region-focusable", "target-size"])
    assert faults == []


@pytest.mark.parametrize("name", [*CHAPTERS, *OTHERS])
def test_a_page_is_there_at_once(browser, site, name):
    for _ in range(reading.LOADS):  # until one is fast enough: others may be using the machine
        first_content, ready, _ = reading.fastest(browser, site, name, loads=1)
        if first_content < reading.FIRST_CONTENT and ready < reading.READY:
            return
    pytest.fail(f"first content after {first_content:.2f} s, ready after {ready:.2f} s, at the last try")


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
        page.wait_for_function("!/Searching|Preparing/.test(document.querySelector('#search-results').innerText)")
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


# Each check can fail ------------------------------------------------------------------------


BROKEN = {
    "requests_elsewhere": '<img alt="a picture elsewhere" src="http://elsewhere.example/picture.png">',
    "script_errors": "<script>thereIsNoSuchFunction()</script>",
    "mathematics": r'<span class="math notranslate nohighlight">\(\nosuchmacro\)</span>',
    "missing_alternatives": '<img src="../_static/logo.svg">',
    "accessibility": '<p style="color: #bbb; background: #fff">Hardly to be read</p>',
    "sideways": '<div style="width: 700px">Wide</div>',
    "weight": '<img alt="a very heavy picture" src="heavy.png">',
    "faint_figures": '<img alt="a faint picture" src="faint.png" width="50" height="50">',
}


@pytest.mark.parametrize("check", BROKEN)
def test_a_page_that_is_broken_on_purpose_is_found(browser, site, check, tmp_path):
    name = "exercises/shrinkage-arithmetic.html"
    text = (HTML / name).read_text()
    assert text.count("</h1>") == 2
    before, heading, after = text.rpartition("</h1>")
    broken = before + heading + BROKEN[check] + after

    def answer(route):
        if route.request.url.endswith("heavy.png"):
            route.fulfill(body=b"0" * 1_000_000, content_type="image/png")
        elif route.request.url.endswith("faint.png"):
            route.fulfill(body=faint_picture(), content_type="image/png")
        elif route.request.url.endswith(name):
            route.fulfill(body=broken, content_type="text/html")
        else:
            route.fallback()

    def faults(alter):
        context = browser.new_context(viewport={"width": 390, "height": 844})
        page = context.new_page()
        if alter:
            page.route("**/*", answer)
        visit = reading.Visit(page, site + name, site)
        found = getattr(reading, check)(visit)
        context.close()
        return found

    assert faults(alter=False) == []
    assert len(faults(alter=True)) >= 1


def faint_picture():
    """A grey line on nothing."""
    picture = reading.Image.new("RGBA", (50, 50), (255, 255, 255, 0))
    picture.paste((200, 200, 200, 255), (0, 20, 50, 30))
    target = reading.io.BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()
