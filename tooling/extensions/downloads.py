"""The downloads of each page: what the menu says of them, and notebooks that open anywhere."""

from pathlib import Path

import nbformat

NAMES = {
    "download-notebook-button": (
        "Notebook (.ipynb)",
        "Download this page as a Jupyter notebook; it runs in the environment of the book",
    ),
    "download-source-button": (
        "Source (.md)",
        "Download the source of this page, a notebook too where Jupytext is installed",
    ),
    "download-pdf-button": ("Print (.pdf)", "Print this page, or save it as PDF"),
}


def name_downloads(app, page, template, context, tree):  # noqa: ARG001 (Sphinx passes them)
    """Put words in the place of the theme's bare file suffixes."""
    for group in context["header_buttons"]:
        for button in group.get("buttons", []):
            if button.get("label") in NAMES:
                button["text"], button["tooltip"] = NAMES[button["label"]]


def clean_notebooks(app, error):
    """Leave in the notebooks only what Jupyter needs.

    MyST-NB's notes are of no use to it, and Jupytext's header would pair the notebook with a source that
    the reader does not have. Cells are numbered, in place of ids that differ from build to build.
    """
    if error is None:
        for path in Path(app.outdir, "_sources").rglob("*.ipynb"):
            notebook = nbformat.read(path, as_version=4)
            notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
            for number, cell in enumerate(notebook.cells, start=1):
                cell.id = f"cell-{number}"
            nbformat.write(notebook, path)


def setup(app):
    """Connect to Sphinx, after the theme."""
    app.connect("html-page-context", name_downloads, priority=900)
    app.connect("build-finished", clean_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
