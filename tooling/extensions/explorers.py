"""Explorers in the built book: their scripts, once for the whole book, and what other pages show of them."""

from pathlib import Path
from typing import ClassVar

import vl_convert
from docutils import nodes
from docutils.parsers.rst.directives import unchanged_required
from sphinx.util.docutils import SphinxDirective

FOLDER = "explorers"
SHARED = ("grips.js", "explorers.js")
# Some explorers have a script of their own, of the same name.
OWN = sorted({path.name for path in (Path(__file__).parents[1] / "extra" / FOLDER).glob("*.js")} - {*SHARED})


class ExplorerOf(SphinxDirective):
    """The place for the explorer of another page, which is not computed again."""

    option_spec: ClassVar = {"page": unchanged_required}

    def run(self):
        """Return the empty place."""
        return [nodes.container(classes=["cell_output"], explorer_of=self.options["page"])]


def fill_places(app, document, page):  # noqa: ARG001 (Sphinx passes it)
    """Put the explorers of other pages in their places; a preview of one page has none."""
    for place in document.findall(nodes.container):
        if (other := place.get("explorer_of")) in app.env.all_docs:
            found = app.env.get_doctree(other).findall(nodes.raw)
            start = next(part for part in found if 'class="explorer"' in part.astext())
            place.extend(part.deepcopy() for part in start.parent)


def add_scripts(app, page, template, context, tree):  # noqa: ARG001 (Sphinx passes them)
    """Let a page with an explorer load the scripts."""
    body = context.get("body", "")
    if 'class="explorer"' not in body:
        return
    own = [script for script in OWN if f'id="explorer-{script.removesuffix(".js")}"' in body]
    # The last one starts the explorers, so the others must be there before.
    for script in ("vega.js", *own, *SHARED):
        app.add_js_file(f"../{FOLDER}/{script}", loading_method="defer")


def write_vega(app, error):
    """Write Vega and Vega-Embed as one script; the others are in ``tooling/extra/``."""
    folder = Path(app.outdir, FOLDER)
    # Seconds' work, for nothing where no page has an explorer.
    if error is None and any(Path(app.outdir, "_images").glob("explorer-*.svg")):
        folder.mkdir(exist_ok=True)
        # In a function, because its short names are also those of other scripts.
        script = f"(() => {{\n{vl_convert.javascript_bundle()}\n}})();\n"
        (folder / "vega.js").write_text(script, encoding="utf8")


def setup(app):
    """Connect all to Sphinx."""
    app.add_directive("explorer", ExplorerOf)
    app.connect("doctree-resolved", fill_places)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", write_vega)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
