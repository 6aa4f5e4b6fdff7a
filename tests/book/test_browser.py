"""Every page of the built book as a reader sees it, by day and by night, on a desk and on a phone.

A page is loaded once; then the window shrinks to that of a phone and grows again, and night falls. What is
measured and what counts as a fault is in ``reading.py``, and each check can fail, as the last test shows.
"""

import pytest
import reading
from browsing import CHAPTERS, HTML, OTHERS, pages

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]

# Rules of axe-core; all others look for what is the same by day and by night.
COLOURS = ["color-contrast", "link-in-text-block"]
ON_A_PHONE = ["scrollable-region-focusable", "target-size"]
ABOUT_CODE = "chapters/todays-code.html"


def test_every_page_is_among_those_looked_at(site):
    assert {*CHAPTERS, *OTHERS, "index.html"} == set(pages())
    assert "url=intro.html" in (HTML / "index.html").read_text()


@pytest.mark.parametrize("name", [*CHAPTERS, *OTHERS])
def test_a_page_by_day_and_by_night(browser, site, name, record_property):
    with reading.visiting(browser, site, name) as visit:
        # Measured here, and held against their targets by `make bench`: a busy machine is no fault of a page.
        record_property("first content, s", visit.first_content)
        record_property("ready, s", visit.ready)
        faults = [
            *reading.weight(visit),
            *reading.mathematics(visit),
            *reading.missing_alternatives(visit),
            *reading.faint_figures(visit),
        ]
        if name.startswith("chapters/") and name != ABOUT_CODE:
            faults += [*reading.much_code(visit), *reading.late_picture(visit)]
        faults += [*reading.crowded_corrections(visit), *reading.keyboard_stops(visit)]
        visit.restyle("light", reading.PHONE)
        faults += reading.small_letters(visit)
        faults += [*reading.sideways(visit), *reading.accessibility(visit, ON_A_PHONE)]
        visit.restyle("light", reading.DESKTOP)
        faults += reading.accessibility(visit)
        visit.restyle("dark", reading.DESKTOP)
        faults += [*reading.faint_figures(visit), *reading.accessibility(visit, COLOURS)]
        assert visit.page.evaluate("document.documentElement.dataset.theme") == "dark"
        faults += reading.skip_link(visit)
        faults += [*reading.requests_elsewhere(visit), *reading.script_errors(visit)]
        if name in CHAPTERS:
            links = visit.page.locator(".prev-next-area a").count()
            assert links == (1 if name in (CHAPTERS[0], CHAPTERS[-1]) else 2)
    assert faults == []


@pytest.mark.parametrize("name", ["intro.html", "chapters/hierarchical-models.html", "search.html"])
def test_the_keyboard_is_seen_wherever_it_stops(browser, site, name):
    with reading.visiting(browser, site, name) as visit:
        assert reading.unseen_stops(visit) == []


# Each check can fail ------------------------------------------------------------------------


BROKEN = {
    "requests_elsewhere": '<img alt="a picture elsewhere" src="http://elsewhere.example/picture.png">',
    "script_errors": "<script>thereIsNoSuchFunction()</script>",
    "mathematics": r'<span class="math notranslate nohighlight">\(\nosuchmacro\)</span>',
    "missing_alternatives": '<img src="../_static/logo.svg">',
    "accessibility": '<p style="color: #bbb; background: #fff">Hardly to be read</p>',
    "sideways": '<div style="width: 700px">Wide</div>',
    "weight": '<img alt="a very heavy picture" src="heavy.png">',
    "crowded_corrections": 2 * '<div class="correction">The source differs here</div>',
    "skip_link": '<script>addEventListener("load", () => '
    "document.querySelector('#pst-skip-link').remove())</script>",
    "late_picture": '<div style="height: 10000px"></div><figure><img alt="late" src="wide.png"></figure>',
    "unseen_stops": "<style>#plain:focus-visible { outline: none !important }</style>"
    '<button id="plain">x</button>',
    "much_code": '<div class="cell_input" style="height: 10000px"></div>',
    # Late, because the page's own script makes no stop of it.
    "keyboard_stops": '<mjx-container id="stop">x</mjx-container><script>addEventListener("load", () => '
    "setTimeout(() => (document.getElementById('stop').tabIndex = 0), 200))</script>",
    "small_letters": '<img alt="a picture of a narrow" src="wide.png" style="width: 200px !important">',
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
        elif route.request.url.endswith("wide.png"):
            route.fulfill(body=faint_picture(1100), content_type="image/png")
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


def faint_picture(width=50):
    """A grey line on nothing."""
    picture = reading.Image.new("RGBA", (width, 50), (255, 255, 255, 0))
    picture.paste((200, 200, 200, 255), (0, 20, 50, 30))
    target = reading.io.BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()
