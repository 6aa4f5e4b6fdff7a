"""What pytest calls. All that is slow to import waits until there is a page."""

import pytest

from myst_nbval import hooks
from myst_nbval.rules import SETTINGS, Rules


def pytest_addhooks(pluginmanager):
    """Declare what a book may ask to be told."""
    pluginmanager.add_hookspecs(hooks)


def pytest_addoption(parser):
    """Declare the settings that a book may make."""
    for name, (kind, what) in SETTINGS.items():
        parser.addini(name, what, type=kind)
    parser.addoption(
        "--myst-nbval-write",
        action="store_true",
        help="write into the headers of pages the intervals that their cells work out",
    )


def pytest_configure(config):
    """Read the settings, so that a wrong one ends the run before any page."""
    try:
        config.stash[Rules.KEY] = Rules.of(config)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_collect_file(file_path, parent):
    """Collect MyST notebooks when nbval is asked for."""
    options = parent.config.option
    if file_path.suffix != ".md" or not (options.nbval or options.nbval_lax):
        return None
    text = file_path.read_text(encoding="utf8")
    if not (text.startswith("---") and "myst" in text.split("\n---", 1)[0]):
        return None

    from myst_nb.core.read import is_myst_markdown_notebook

    from myst_nbval.pages import Page

    return Page.from_parent(parent, path=file_path) if is_myst_markdown_notebook(text) else None
