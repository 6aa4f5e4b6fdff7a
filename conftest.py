"""Tests, and the notebooks that they run, have the environment of the project's commands; none runs twice."""

import os
import signal
from pathlib import Path

import pytest

from tooling import environment

KEPT = "Pages that had passed are kept for the build."
environment.end_when_interrupted(KEPT)
environment.enter()
begun_with = []  # the fingerprint of all that pages import


def pytest_addoption(parser):
    """Declare what `make test-live` asks for."""
    parser.addoption("--every-page", action="store_true", help="run the cells of every page in Chromium")


def pytest_configure(config):
    """Let Ctrl-C end all at once, and say what had failed; pytest would wait for its workers."""

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
