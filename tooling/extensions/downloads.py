"""The downloads of each page: what the menu says of them, and notebooks that open anywhere."""

import re
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, SoupStrainer

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


# What a page needs to run outside of the book.
GET = """\
*This notebook is a page of [{title}]({url}). It needs packages of that book, which one line installs into a
recent Python (3.12 or later); then restart the kernel:*

    %pip install {packages}
"""
PACKAGES = ("", "packages/hierarchical-exact", "packages/notebook-marking")
LABEL = re.compile(r"^\([\w.:-]+\)=\n", re.MULTILINE)
NAMED = re.compile(r"\{(?:ref|term|doc)\}`([^`<]+?)(?:\s*<[^`>]*>)?`")
WORKS = re.compile(r"\{cite:([pt])\}`([^`]+)`")
EQUATION = re.compile(r"\{eq\}`[^`]+`")
COMPUTED = re.compile(r"\{glue:text\}`([^`:]+)[^`]*`")
OPENS = re.compile(r"\s*(?:`{3,}|:{3,})\{([\w:-]+)\}\s*(.*)")
CLOSES = re.compile(r"\s*(`{3,}|:{3,})")
FOLLOWS = re.compile(r"</?span[^>]*>")  # around what follows an explorer
PASTED = SoupStrainer(class_="pasted-text")
OPTION = re.compile(r"\s*:[\w-]+:")


def plain(text, computed):
    """Return Markdown of MyST as any notebook shows it; ``computed`` gives its numbers in order."""
    text = FOLLOWS.sub("", LABEL.sub("", text))
    text = NAMED.sub(lambda role: " ".join(role[1].split()), text)
    text = WORKS.sub(lambda role: f"({role[2]})" if role[1] == "p" else role[2], text)
    text = EQUATION.sub("the equation", text)
    text = COMPUTED.sub(lambda role: next(computed, f"`{role[1]}`"), text)
    return "\n".join(without_directives(text.splitlines()))


def without_directives(lines):
    """Yield what directives hold, below their titles in bold."""
    kinds, options = [], False
    for line in lines:
        if opening := OPENS.match(line):
            kind, title = opening.groups()
            kinds.append(kind)
            options = True
            yield "$$" if kind == "math" else f"**{title}**" if title and kind != "figure" else ""
        elif kinds and CLOSES.fullmatch(line.rstrip()):
            yield "$$" if kinds.pop() == "math" else ""
        elif not (options and OPTION.match(line)):
            options = False
            yield line


def first_cell(config, repository):
    """Return the cell that says what to install."""
    source = f"git+{repository['url']}@{repository['branch']}"
    packages = [f'"{source}{f"#subdirectory={folder}" if folder else ""}"' for folder in PACKAGES]
    text = GET.format(title=config.html_title, url=repository["url"], packages=" ".join(packages))
    return nbformat.v4.new_markdown_cell(text)


def clean_notebooks(app, error):
    """Leave in the notebooks only what Jupyter needs, and say first what they need.

    MyST-NB's notes are of no use to it, and Jupytext's header would pair the notebook with a source that
    the reader does not have. Cells are numbered, in place of ids that differ from build to build.
    """
    if error is None:
        options = app.config.html_theme_options
        repository = {"url": options["repository_url"], "branch": options["repository_branch"]}
        folder = Path(app.outdir, "_sources")
        for path in folder.rglob("*.ipynb"):
            notebook = nbformat.read(path, as_version=4)
            page = Path(app.outdir, path.relative_to(folder)).with_suffix(".html")
            shown = BeautifulSoup(page.read_text(encoding="utf8"), "html.parser", parse_only=PASTED)
            computed = iter([number.get_text() for number in shown.select(".pasted-text")])
            for cell in notebook.cells:
                if cell.cell_type == "markdown":
                    cell.source = plain(cell.source, computed)
            notebook.cells.insert(0, first_cell(app.config, repository))
            notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
            for number, cell in enumerate(notebook.cells):
                cell.id = f"cell-{number}"  # from one on as on the page, whose cells run by these ids
            nbformat.write(notebook, path)


def setup(app):
    """Connect to Sphinx, after the theme."""
    app.connect("html-page-context", name_downloads, priority=900)
    app.connect("build-finished", clean_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
