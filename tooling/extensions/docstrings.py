"""Reference pages from docstrings, each of which counts its references from 1."""

import re


def number_apart(app, what, name, obj, options, lines):  # noqa: ARG001 (Sphinx passes all)
    """Give the references of a docstring names that no other docstring has."""
    own = name.replace("_", "-").rpartition("hierarchical-exact.")[2].replace(".", "-")
    lines[:] = [re.sub(r"\[(\d+)\]", rf"[{own}-\1]", line) for line in lines]


def setup(app):
    """Register with Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("autodoc-process-docstring", number_apart)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
