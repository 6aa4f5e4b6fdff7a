"""Let cells run in the page: number them as in the page's notebook, and load the script that runs them.

The script is empty until `tooling/live/assemble.py` has put into the built book what it needs.
"""

from pathlib import Path

from docutils import nodes

from tooling.live.assemble import EMPTY

SCRIPT = "live/page.js"


def number_cells(app, document):  # noqa: ARG001 (Sphinx passes it)
    """Give each code cell the id that its notebook gives it as a class."""
    for cell in document.findall(nodes.container):
        if cell.get("nb_element") == "cell_code":
            cell["classes"].append(f"cell-{cell['cell_index'] + 1}")


def add_script(app, page, template, context, tree):  # noqa: ARG001 (Sphinx passes them)
    """Let a page with code cells load the script."""
    if 'class="cell_input ' in context.get("body", ""):
        app.add_js_file(f"../{SCRIPT}", loading_method="defer", **{"data-page": page})


def write_empty(app, error):
    """Write the script as it is where no cells run."""
    if error is None and app.builder.format == "html":
        path = Path(app.outdir, SCRIPT)
        path.parent.mkdir(exist_ok=True)
        path.write_text(EMPTY, encoding="utf8")


def setup(app):
    """Connect all to Sphinx."""
    app.connect("doctree-read", number_cells)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", write_empty)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
