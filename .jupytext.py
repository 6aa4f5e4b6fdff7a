"""Jupytext's settings: a page that JupyterLab, VS Code or ``jupytext`` saves stays as its author wrote it.

Jupytext would drop the marking schemes, add its version, and write every header in a style of its own, with
``expect: |`` as a quoted string. So a key in a header whose value is the same keeps the text that stands in
the pages, and a new value is written as authors write it.
"""

import json
import re
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import yaml
from jupytext import jupytext, myst
from jupytext.header import insert_jupytext_info_and_filter_metadata as filtered

FOLDERS = ("chapters", "exercises", "solutions", "packages/notebook-marking/tests/course/worked")
HEADER = re.compile(r"^---\n(.*?\n)---$", re.MULTILINE | re.DOTALL)
KEY = re.compile(r"^\w.*\n(?:[ \n].*\n?)*", re.MULTILINE)
# What would end the cell, and lines of blanks, which MyST empties: no block can hold them.
NO_BLOCK = re.compile(r"^[ \t]*(?:`{3}|~{3})|^[ \t]+$", re.MULTILINE)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one, where it was compiled
# What editors note for themselves stays out of the pages; whatever else stands there, an author wrote.
OF_EDITORS = """language_info,widgets,toc,
toc-autonumbering,toc-showcode,toc-showmarkdowntxt,toc-showtags,vscode,colab,
celltoolbar,varInspector,hide_input,accelerator,interpreter,orig_nbformat,anaconda-cloud,papermill,nbTranslate,
deepnote,deepnote_notebook_id,deepnote_execution_queue,execution,nteract,gist,signature,kernel_info"""
OF_EDITORS_IN_CELLS = """ExecuteTime,autoscroll,collapsed,colab,deletable,execution,heading_collapsed,hidden,
id,jupyter,outputId,pycharm,scrolled,slideshow,trusted,vscode,nteract,papermill,button,new_sheet,run_control,tox"""
# Neither do versions and settings from here.
OF_JUPYTEXT = """jupytext.text_representation.format_version,jupytext.text_representation.jupytext_version,
jupytext.cell_metadata_filter,jupytext.notebook_metadata_filter"""
# What Jupytext lets through anyhow. For all else a page says so itself, in
# `notebook_metadata_filter`: a Jupyter that does not read this file would save it without its scheme.
ANYHOW = {"jupytext", "kernelspec", "orphan", "tocdepth"}

c = get_config()  # noqa: F821 (Jupytext runs this file)


def without(names):
    """Return a filter that lets all but some names through."""
    return ",".join(["all", *(f"-{name.strip()}" for name in names.split(","))])


c.cell_metadata_filter = without(OF_EDITORS_IN_CELLS)


class Dumper(myst.CompactDumper):
    """Write text of several lines as a block."""


def represent_text(dumper, text):
    """Choose how a text is written."""
    style = '"' if NO_BLOCK.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, represent_text)


def pages():
    """Return all pages, without an editor's locks: links beside them that lead nowhere."""
    places = (Path(__file__).parent / folder for folder in FOLDERS)
    return [page for place in places for page in sorted(place.glob("[!.]*.md")) if page.is_file()]


def saved_as(notebook):
    """Return all pages, last where a notebook is saved: the shortest that holds most of its cells."""
    texts = {page: page.read_text(encoding="utf8") for page in pages()}
    held = {page: sum(cell.source in text for cell in notebook.cells) for page, text in texts.items()}
    return sorted(texts, key=lambda page: (held[page], -len(texts[page])))


def written(pages):
    """Return the text of every header of pages, and of every key in it, by what it says."""
    texts = {}
    for page in pages:
        texts |= written_in(page, page.stat().st_mtime_ns)
    return texts


@cache
def written_in(page, changed):  # noqa: ARG001 (makes a changed page be read again)
    """Return the same of one page."""
    texts = {}
    for header in HEADER.findall(page.read_text(encoding="utf8")):
        for text in (*KEY.findall(header), header):
            # Lines between two rules need be no header.
            with suppress(yaml.YAMLError):
                texts[same(yaml.load(text, Loader=LOADER))] = text
    return texts


def same(data):
    """Return a text that is the same for equal data."""
    return json.dumps(data, sort_keys=True, default=str)


def dump_yaml_blocks(data, compact=True, *, known):  # noqa: FBT002 (Jupytext passes it so)
    """Write a header, in place of Jupytext's function of this name."""
    data = json.loads(json.dumps(data))
    if data.get("kernelspec", {}).get("name") == "python3":
        # Each editor has its own name for the kernel.
        data["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    # `jupytext` and `kernelspec` come first in a page.
    keys = data if compact else sorted(data, key=lambda key: key not in ("jupytext", "kernelspec"))
    parts = [
        known.get(same({key: data[key]}))
        or yaml.dump({key: data[key]}, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1e6)
        for key in keys
    ]
    # As a whole first: a notebook in a file of its own has its keys sorted.
    text = known.get(same(data)) or "".join(parts)
    lines = text.splitlines()
    if compact and all(line and line[0].isalpha() for line in lines):
        return "".join(f":{line}\n" for line in lines) + "\n"
    return f"---\n{text}---\n"


def notebook_to_myst(notebook, **options):
    """Write a page, in place of Jupytext's function of this name."""
    for cell in notebook.cells:
        if cell.metadata.get("editable", False):  # as each cell is whose properties were looked at
            del cell.metadata["editable"]
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
    myst.dump_yaml_blocks = partial(dump_yaml_blocks, known=written(saved_as(notebook)))
    return myst.notebook_to_myst(notebook, **options)


def filter_header(metadata, fmt, *arguments, **others):
    """Choose what a page's header has, in place of Jupytext's function of this name.

    A setting of Jupytext's would have a say in Markdown without a header too, and give it one.
    """
    wanted = {"notebook_metadata_filter": without(f"{OF_EDITORS},{OF_JUPYTEXT}")}
    if fmt.get("format_name") != "myst":
        return filtered(metadata, wanted | fmt, *arguments, **others)
    header = filtered(metadata, fmt | wanted, *arguments, **others)
    if more := sorted(set(header) - ANYHOW):
        settings = header.get("jupytext", {}) | {"notebook_metadata_filter": ",".join(more)}
        header["jupytext"] = dict(sorted(settings.items()))
    return header


jupytext.notebook_to_myst = notebook_to_myst
jupytext.insert_jupytext_info_and_filter_metadata = filter_header
