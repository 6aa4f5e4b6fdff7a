"""Tests, and the notebooks that they run, have the environment of the project's commands; none runs twice."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from tooling import environment

KEPT = "Pages that had passed are kept for the build."
environment.end_when_interrupted(KEPT)
environment.enter()
begun_with = []  # the fingerprint of all that pages import
LASTING = Path(__file__).parent / "tests" / "lasting.txt"
NOT_QUICK = {"slow", "sampling", "browser"}


def pytest_addoption(parser):
    """Declare what `make test-live` asks for, and what writes the list of tests that are not quick."""
    parser.addoption("--every-page", action="store_true", help="run the cells of every page in Chromium")
    parser.addoption("--list-lasting", action="store_true", help=f"write {LASTING.name} anew, of what is run")


def lasting():
    """List the tests that are not quick, by what has been written down; a copy without tests has no list."""
    return set(LASTING.read_text("utf-8").splitlines()) if LASTING.exists() else set()


def function(nodeid):
    """Leave a test's parameters out of its name."""
    return nodeid.split("[")[0]


class Lasting:
    """Writes down which of the tests that were run took more than a fifth of a second."""

    def __init__(self):
        self.seconds = Counter()

    def pytest_runtest_logreport(self, report):
        """Add what a test's set-up, its call or its end took."""
        if ".py::" in report.nodeid and not NOT_QUICK & set(report.keywords):
            self.seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self):
        """Write the list; what has not been run stays as it was."""
        run = {function(name) for name in self.seconds}
        lines = lasting() - run | {function(name) for name, seconds in self.seconds.items() if seconds > 0.2}
        LASTING.write_text("\n".join([*sorted(lines), ""]), "utf-8")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark as quick what is neither marked as something else nor on the list of what lasts."""
    listed = lasting()
    for item in items:
        marked = NOT_QUICK & {mark.name for mark in item.iter_markers()}
        if not marked and function(item.nodeid) not in listed:
            item.add_marker("quick")


def pytest_configure(config):
    """Let Ctrl-C end all at once, and say what had failed; pytest would wait for its workers."""
    if config.getoption("--list-lasting") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Lasting())

    def write(words):
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter:  # which workers do not have
            reporter.summary_failures()
            reporter.write_line(words)
            reporter.flush()

    environment.end_when_interrupted(KEPT, write)


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart():
    """Let Ctrl-C reach no worker while it starts: it would show where it was."""
    environment.hold_back(signal.SIG_BLOCK)
    try:
        return (yield)
    finally:
        environment.hold_back(signal.SIG_UNBLOCK)


def is_published():
    """Tell whether pages run as the build runs them."""
    return not {"BOOK_SEED", "BOOK_SAMPLER"} & set(os.environ)


def pytest_collection_finish(session):
    """Let many pages share one import of what they import."""
    pages = {item.path for item in session.items if type(item).__module__ == "myst_nbval.pages"}
    if pages and is_published():
        from tooling.scripts import build  # slow to import

        begun_with.append(build.fingerprint(Path(__file__).parent))
    if pages:
        from tooling import kernels  # slow to import

        kernels.use(len(pages))


def pytest_myst_nbval_passed(path, notebook):
    """Keep what a page has shown for the build, which then publishes what was tested."""
    if not is_published():
        return
    from tooling.scripts import build  # slow to import

    build.keep(Path(__file__).parent, path, notebook, begun_with[0])
