"""The built book in Chromium: fixtures for tests that look at pages as a reader does.

A test module asks for them by ``pytest_plugins = ["browsing"]``. The browser finds no other host than
this one, as if the network were cut off.
"""

import gzip
import os
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sphinx_external_toc.parsing import parse_toc_yaml

from tooling.scripts import chromium

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
CHAPTERS = [f"{name}.html" for name in parse_toc_yaml(ROOT / "_toc.yml")]
OTHERS = ["genindex.html", "prf-prf.html", "search.html"]  # what Sphinx adds
# Already small; what GitHub Pages would send as it is.
COMPRESSED = {".png", ".woff", ".woff2", ".gz", ".zip"}
# How long a test waits for what merely may be complete: much longer than a busy machine takes.
PATIENCE = 120_000  # milliseconds
expect.set_options(timeout=PATIENCE)


def build_book():
    """Build the book, unless it is there and fresh; return the folder of its pages.

    One process of a run does it for all: others would wait for whatever holds the book, such as its printing.
    """
    run, done = os.environ.get("PYTEST_XDIST_TESTRUNUID"), HTML.parent / ".tested"
    if run and done.exists() and done.read_text() == run:
        return HTML
    result = subprocess.run(
        [sys.executable, ROOT / "tooling/scripts" / "build.py"], capture_output=True, text=True
    )
    if result.returncode:
        pytest.fail(f"the book cannot be built:\n{result.stdout}{result.stderr}", pytrace=False)
    done.write_text(run or "")
    return HTML


def pages(folder=HTML):
    """Return the addresses of all pages of a built book, from its first folder."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    # What cells in the page need is no part of what Sphinx builds, and has tests of its own.
    return sorted(name for name in found if not name.startswith(("_static/", "live/")))


@cache
def compressed(path, changed):
    """Return what a file is sent as, until it has changed."""
    return gzip.compress(path.read_bytes(), mtime=0)


class Handler(SimpleHTTPRequestHandler):
    """Sends text compressed, as the servers of public pages do."""

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        if not path.is_file():
            self.send_error(404)
            return
        plain = path.suffix in COMPRESSED
        body = path.read_bytes() if plain else compressed(path, path.stat().st_mtime_ns)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        if not plain:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # who has gone on to another page
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@contextmanager
def serving(folder, handler=Handler):
    """Serve a folder on this machine; give the address, which ends with a slash."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def offline():
    """Start a browser that finds no other host."""
    return chromium.opened("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")


def skip(words):
    """Skip the test; CI takes no such excuse, unless the machine is to be bare."""
    refuse = pytest.fail if "CI" in os.environ and "BOOK_BARE" not in os.environ else pytest.skip
    refuse(words)


def need_chromium():
    """Skip the test where there is no Chromium."""
    if chromium.PATH is None:
        skip("Chromium is not installed (Debian: apt install chromium)")


@pytest.fixture(scope="session")
def browser():
    """Return Chromium; without it, the test is skipped."""
    need_chromium()
    with offline() as browser:
        browser.new_page, browser.new_context = patient(browser.new_page), patient(browser.new_context)
        yield browser


def patient(make):
    """Let what is made, a page or a context, wait as long as a busy machine may need."""

    def made(**options):
        found = make(**options)
        found.set_default_timeout(PATIENCE)
        return found

    return made


@pytest.fixture(scope="session")
def site(browser):
    """Return the address of the built book, served on this machine."""
    with serving(build_book()) as address:
        yield address


@pytest.fixture
def page(browser):
    """Return a new page, which must not log an error."""
    errors = []
    page = browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    page.close()
    assert errors == []


@contextmanager
def page_with(browser, *scripts):
    """Give an empty page with these scripts of explorers."""
    page = browser.new_page()
    for script in scripts:
        page.add_script_tag(path=ROOT / "tooling/extra/explorers" / script)
    yield page
    page.close()


def open_explorer(page, address, name):
    """Return an explorer of a page that can be used, with its table of numbers open."""
    page.goto(address)
    explorer = page.locator(f"#explorer-{name}")
    explorer.locator("xpath=self::*[@data-ready]").wait_for(state="attached")
    explorer.locator("summary").press("Enter")
    return explorer


def settled(explorer):
    """Return the explorer once it shows what it was last told."""
    explorer.evaluate("explorer => explorer.view.runAsync().then(() => null)")
    return explorer
