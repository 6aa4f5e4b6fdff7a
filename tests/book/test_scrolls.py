"""What scrolls sideways shows that there is more, until its end is reached."""

import pytest
import reading
from playwright.sync_api import expect

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]
# A table, a formula and an output that are wider than a phone.
PLACES = {
    "table": ("when-hierarchical", ".pst-scrollable-table-container"),
    "formula": ("dirichlet-multinomial", "mjx-container"),
    "output": ("when-hierarchical", ".cell_output pre"),
}


@pytest.mark.parametrize("place", PLACES)
def test_it_fades_until_it_is_scrolled_to_its_end(page, site, place):
    name, selector = PLACES[place]
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site}chapters/{name}.html")
    wide = page.locator(f".bd-article {selector}[data-goes-on]").first
    wide.wait_for(state="attached")
    assert wide.evaluate("e => e.scrollWidth > e.clientWidth")
    assert wide.evaluate("e => getComputedStyle(e).maskImage").startswith("linear-gradient")
    handle = wide.element_handle()
    handle.evaluate("e => e.scrollTo(e.scrollWidth, 0)")
    page.wait_for_function("e => !('goesOn' in e.dataset)", arg=handle)
    assert handle.evaluate("e => getComputedStyle(e).maskImage") == "none"
    handle.evaluate("e => e.scrollTo(0, 0)")
    page.wait_for_function("e => 'goesOn' in e.dataset", arg=handle)


def test_what_fits_does_not_fade(page, site):
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{site}chapters/when-hierarchical.html")
    page.evaluate("MathJax.startup.promise.then(() => null)")
    page.evaluate(reading.SETTLED, "resized")
    assert page.locator(".bd-article .pst-scrollable-table-container").count() > 0
    # What scrolls is looked at again while the page settles.
    expect(page.locator(".bd-article [data-goes-on]")).to_have_count(0)
