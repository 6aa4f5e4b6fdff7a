"""The built book with what its cells need, for every browser."""

import re

import pytest
from browsing import Handler, serving, skip
from living import MOST_MILLISECONDS, assemble


@pytest.fixture(scope="module")
def assembled(browser, tmp_path_factory, request):
    """Return the folder of the built book with what its cells need, in one of its own."""
    folder = tmp_path_factory.mktemp("live") / "book"
    if not assemble(folder):
        say = pytest.fail if request.config.option.every_page else skip
        say("what cells in the page need could not be fetched")
    return folder


@pytest.fixture(scope="module")
def live(assembled):
    """Return the address of the book, below a path as GitHub Pages has it, under the policy for hosts."""
    policy = (assembled / "live/policy.txt").read_text(encoding="utf8").strip()

    class Guarded(Handler):
        def end_headers(self):
            self.send_header("Content-Security-Policy", policy)
            super().end_headers()

    with serving(assembled.parent, Guarded) as address:
        yield f"{address}book/"


@pytest.fixture
def every_page(request):
    """Leave a long test to ``make test-live``."""
    if not request.config.option.every_page:
        pytest.skip("make test-live runs it")


@pytest.fixture
def opened(browser, live):
    """Return a function that opens a page, and the addresses asked for since."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    asked, faults = [], []

    context.set_default_timeout(MOST_MILLISECONDS)
    context.on("request", lambda request: asked.append(request.url.removeprefix(live)))
    context.on("weberror", lambda found: faults.append(str(found.error)))
    context.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)

    def open_page(name):
        page = context.new_page()
        page.goto(live + name, wait_until="load")
        return page

    yield open_page, asked
    context.close()
    assert faults == []
    host = re.match(r"\w+://[^/]+/", live)[0]  # at whose root JupyterLite asks whether its worker lives
    assert [address for address in asked if re.match(f"(?!{host})\\w+://", address)] == []
