"""What pytest calls. All that is slow to import waits until there is a page."""

import codecs

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
    # Without nbval there are no such options.
    asked = getattr(options, "nbval", False) or getattr(options, "nbval_lax", False)
    if file_path.suffix != ".md" or not asked:
        return None
    start = file_path.read_bytes().removeprefix(codecs.BOM_UTF8)
    if not (start.startswith(b"---") and b"myst" in start.split(b"\n---", 1)[0]):
        return None

    from myst_nbval.pages import Page, is_page

    return Page.from_parent(parent, path=file_path) if is_page(file_path) else None
