"""Previews of what a link leads to, in the browser: by pointer and by keyboard."""

import re

import pytest

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]

# A page, a part of a link's address, and what its preview must show.
CASES = {
    "term": ("chapters/mathematical-structure", "#term-shrinkage-factor", "The weight"),
    "figure": ("chapters/mathematical-structure", "#fig-5-41", "Figure 5.41"),
    "equation": ("chapters/mathematical-structure", "#equation-shrinkage-formula", ""),
    "section": ("chapters/mathematical-structure", "eight-schools.html#eight-schools", "Eight Schools"),
    "citation": ("chapters/mathematical-structure", "references.html#", "Gelman"),
    "audit": ("chapters/mathematical-structure", "#audit-example-shrinkage", ""),
    "exercise": ("intro", "exercises/shrinkage-arithmetic.html", "Exercise 5.8.1"),
    "term, on the first page": ("intro", "#term-shrinkage", "group"),
}


def link_on(page, site, name, address):
    page.set_viewport_size({"width": 1200, "height": 900})
    page.goto(f"{site}{name}.html", wait_until="load")
    # Formulas that are set move what comes after them, and links from under the pointer.
    page.evaluate("Promise.resolve(window.MathJax?.startup?.promise).then(() => document.fonts.ready)")
    return page.locator(f'.bd-article a.reference[href*="{address}"]').first


@pytest.mark.parametrize("case", CASES)
def test_the_pointer_shows_where_a_link_leads(page, site, case):
    name, address, words = CASES[case]
    link = link_on(page, site, name, address)
    preview = page.get_by_role("tooltip")
    assert not preview.is_visible()
    link.hover()
    preview.wait_for()
    assert words in preview.inner_text()
    assert link.get_attribute("aria-describedby") == preview.get_attribute("id")
    assert preview.locator("[id], a, button, script").count() == 0, "no second place of that name"
    page.wait_for_function("preview => preview.style.top", arg=preview.element_handle())
    box = preview.bounding_box()
    assert box["height"] > 20
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1200
    page.keyboard.press("Escape")
    assert not preview.is_visible()
    assert link.get_attribute("aria-describedby") is None


@pytest.mark.parametrize("case", ["equation", "term"])
def test_mathematics_in_it_is_set(page, site, case):
    name, address, _ = CASES[case]
    link_on(page, site, name, address).hover()
    preview = page.get_by_role("tooltip")
    preview.locator("mjx-container").first.wait_for()
    assert not re.search(r"\\\(|\\\[|\\begin", preview.inner_text())


def test_a_picture_in_it_is_loaded(page, site):
    name, address, _ = CASES["figure"]
    link_on(page, site, name, address).hover()
    picture = page.get_by_role("tooltip").locator("img")
    picture.wait_for()
    page.wait_for_function("image => image.naturalWidth > 0", arg=picture.element_handle())


def test_the_keyboard_shows_it_too_and_escape_closes_it(page, site):
    link = link_on(page, site, "intro", "#term-shrinkage")
    preview = page.get_by_role("tooltip")
    page.locator('.bd-article a[href$="recap.html"]').first.focus()
    page.keyboard.press("Tab")
    page.wait_for_function("document.activeElement.getAttribute('href')?.endsWith('#term-shrinkage')")
    preview.wait_for()
    assert "toward the grand mean" in preview.inner_text()
    page.keyboard.press("Escape")
    assert not preview.is_visible()
    assert link.evaluate("link => link === document.activeElement"), "the keyboard stays where it was"


def test_it_stays_while_the_pointer_is_on_it_and_goes_after(page, site):
    link_on(page, site, "intro", "#term-shrinkage").hover()
    preview = page.get_by_role("tooltip")
    preview.wait_for()
    preview.hover()
    page.evaluate("new Promise((done) => setTimeout(done, 600))")  # it would have closed after 200
    assert preview.is_visible()
    page.mouse.move(5, 5)
    preview.wait_for(state="hidden")


def test_nothing_is_loaded_before_a_reader_asks(page, site):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    link = link_on(page, site, "intro", "#term-shrinkage")
    assert not any("glossary" in address for address in asked)
    link.hover()
    page.get_by_role("tooltip").wait_for()
    assert sum("glossary" in address for address in asked) == 1
    assert all(address.startswith(site) for address in asked)
