"""Jupytext's settings: a page that JupyterLab, VS Code or ``jupytext`` saves stays as its author wrote it.

Jupytext would drop the marking schemes, add its version, and write every header in a style of its own, with
``expect: |`` as a quoted string. So a key in a header whose value is the same keeps the text that stands in
the pages, and a new value is written as authors write it.
"""

import json
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

import yaml
from jupytext import myst

FOLDERS = ("chapters", "exercises", "solutions")
HEADER = re.compile(r"^---\n(.*?\n)---$", re.MULTILINE | re.DOTALL)
KEY = re.compile(r"^\w.*\n(?:[ \n].*\n?)*", re.MULTILINE)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one, where it was compiled
VERSIONS = ("format_version", "jupytext_version")

c = get_config()  # noqa: F821 (Jupytext runs this file)
c.notebook_metadata_filter = ",".join(
    ["exercise", "mystnb", *(f"-jupytext.text_representation.{name}" for name in VERSIONS)]
)
# What editors note for themselves stays out of the pages.
c.cell_metadata_filter = "expect,mystnb,stated,tags,-all"


class Dumper(myst.CompactDumper):
    """Write text of several lines as a block."""


def represent_text(dumper, text):
    """Choose how a text is written."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, represent_text)


def written():
    """Return the text of every key in the headers of all pages, by the key and its value."""
    root = Path(__file__).parent
    pages = [page for folder in FOLDERS for page in sorted((root / folder).glob("*.md"))]
    texts = {}
    for page in pages:
        texts |= written_in(page, page.stat().st_mtime_ns)
    return texts


@cache
def written_in(page, changed):  # noqa: ARG001 (makes a changed page be read again)
    """Return the text of every key in the headers of one page, by the key and its value."""
    texts = {}
    for header in HEADER.findall(page.read_text(encoding="utf8")):
        for text in KEY.findall(header):
            # Lines between two rules need be no header.
            with suppress(yaml.YAMLError):
                texts[same(yaml.load(text, Loader=LOADER))] = text
    return texts


def same(data):
    """Return a text that is the same for equal data."""
    return json.dumps(data, sort_keys=True, default=str)


def dump_yaml_blocks(data, compact=True):  # noqa: FBT002 (Jupytext passes it so)
    """Write a header, in place of Jupytext's function of this name."""
    data = json.loads(json.dumps(data))
    if data.get("kernelspec", {}).get("name") == "python3":
        # Each editor has its own name for the kernel.
        data["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    known = written()
    # `jupytext` and `kernelspec` come first in a page.
    keys = data if compact else sorted(data, key=lambda key: key not in ("jupytext", "kernelspec"))
    parts = [
        known.get(same({key: data[key]}))
        or yaml.dump({key: data[key]}, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1e6)
        for key in keys
    ]
    text = "".join(parts)
    lines = text.splitlines()
    if compact and all(line and line[0].isalpha() for line in lines):
        return "".join(f":{line}\n" for line in lines) + "\n"
    return f"---\n{text}---\n"


myst.dump_yaml_blocks = dump_yaml_blocks
