"""The built book in Chromium: fixtures for tests that look at pages as a reader does.

A test module asks for them by ``pytest_plugins = ["browsing"]``. The browser finds no other host than
this one, as if the network were cut off.
"""

import fcntl
import gzip
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
CHAPTERS = [f"{name}.html" for name in parse_toc_yaml(ROOT / "_toc.yml")]
OTHERS = ["genindex.html", "prf-prf.html", "search.html"]  # what Sphinx adds
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Already small; what GitHub Pages would send as it is.
COMPRESSED = {".png", ".woff", ".woff2", ".gz", ".zip"}


@contextmanager
def building():
    """Keep other test processes from building the book at the same time."""
    (ROOT / "_build").mkdir(exist_ok=True)
    with (ROOT / "_build" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_book():
    """Build the book, unless it is there and fresh; return the folder of its pages."""
    with building():
        result = subprocess.run(
            [sys.executable, ROOT / "scripts" / "build.py"], capture_output=True, text=True
        )
    if result.returncode:
        pytest.fail(f"the book cannot be built:\n{result.stdout}{result.stderr}", pytrace=False)
    return HTML


def pages(folder=HTML):
    """Return the addresses of all pages of a built book, from its first folder."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    return sorted(name for name in found if not name.startswith("_static/"))


class Handler(SimpleHTTPRequestHandler):
    """Sends text compressed, as the servers of public pages do."""

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        if path.suffix not in COMPRESSED:
            body = gzip.compress(body, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@contextmanager
def serving(folder):
    """Serve a folder on this machine; give the address, which ends with a slash."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


@contextmanager
def chromium():
    """Start a browser that finds no other host."""
    # Shared memory is scarce in containers.
    arguments = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-dev-shm-usage"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="session")
def browser():
    """Return Chromium; without it, the test is skipped."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt install chromium)")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def site(browser):
    """Return the address of the built book, served on this machine."""
    with serving(build_book()) as address:
        yield address
