"""The foot of each page: when the book was built, and with which versions."""

import platform
from importlib.metadata import version

from sphinx.util.i18n import format_date

PACKAGES = {"PyMC": "pymc", "nutpie": "nutpie", "ArviZ": "arviz", "NumPy": "numpy", "SciPy": "scipy"}


def foot(language):
    """Return the sentence; ``SOURCE_DATE_EPOCH`` sets its date, as it does elsewhere in Sphinx."""
    *others, last = [f"{name} {version(package)}" for name, package in PACKAGES.items()]
    date = format_date("%d %B %Y", language=language).lstrip("0")
    python = f"Python {platform.python_version()}"
    return f"Built on {date} with {', '.join([python, *others])} and {last}."


def add_foot(app, page, template, context, tree):  # noqa: ARG001 (Sphinx passes them)
    """Put the sentence where the theme has room for it."""
    context["theme_extra_footer"] = foot(app.config.language)


def setup(app):
    """Connect to Sphinx."""
    app.connect("html-page-context", add_foot)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
