"""Docstrings of the exact engine on its page of reference, in NumPy's format.

Each counts its references from one. As footnotes of one page they would clash, so they become a list.
"""

import re

REFERENCE, REFERRED = re.compile(r"^\.\. \[(\d+)\] "), re.compile(r"(\[\d+\])_")


def list_references(app, what, name, obj, options, lines):  # noqa: ARG001 (Sphinx passes them)
    """Make a numbered list of the references of a docstring."""
    lines[:] = [REFERRED.sub(r"\1", REFERENCE.sub(r"\1. ", line)) for line in lines]


def setup(app):
    """Connect to Sphinx."""
    for extension in ("sphinx.ext.autodoc", "sphinx.ext.napoleon"):
        app.setup_extension(extension)
    app.connect("autodoc-process-docstring", list_references)
    app.config.autodoc_typehints = "none"
    app.config.autodoc_member_order = "bysource"
    app.config.napoleon_google_docstring = False
    app.config.nitpick_ignore_regex = [("py:.*", ".*")]  # types are told in words, not linked
    return {"parallel_read_safe": True, "parallel_write_safe": True}
