"""The archives in which packages are sent to a page: what goes into them, and how they are written."""

import io
import os
import shutil
import zipfile
from pathlib import Path

NEVER = {"tests", "__pycache__", "sample_data", "include", "doc", "docs", "answers"}
NOT_RUN = {".pyi", ".h", ".a", ".c", ".pyx", ".pxd", ".pyc", ".so", ".map", ".md", ".rst", ".f", ".cpp"}
MOMENT = (1980, 1, 1, 0, 0, 0)  # of every file in an archive: the same book, the same bytes
DEFLATED = (zipfile.ZIP_DEFLATED, 9)


def is_run(name, *, compiled=False):
    """Tell whether a file of a package can be of use in a page."""
    path = Path(name)
    if path.suffix == ".so":
        return compiled
    return not (NEVER & set(path.parts)) and path.suffix not in NOT_RUN and path.name != "RECORD"


def write(target, members, how=DEFLATED):
    """Write an archive of names with contents."""
    replace(target, archived((*member, how) for member in members))


def pack(target, members, how=DEFLATED):
    """Write what is sent: all files in one piece, which is smaller and opened sooner than each by itself.

    Beside it are their names and what the package says of itself, for any Python to read.
    """
    names = "\n".join(sorted(name for name, _ in members))
    piece = archived((*member, (zipfile.ZIP_STORED,)) for member in members)
    stated = [(name, content, DEFLATED) for name, content in members if name.endswith("METADATA")]
    replace(target, archived([*stated, ("names", names, DEFLATED), ("files", piece, how)]))


def archived(members):
    """Return an archive of names with contents, and how each is compressed."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content, how in sorted(members):
            archive.writestr(zipfile.ZipInfo(name, MOMENT), content, *how)
    return made.getvalue()


def replace(target, content):
    """Write a file at once or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_suffix(".new")
    new.write_bytes(content)
    new.replace(target)


def modules(archive):
    """Return the names that an archive lets a page import."""
    with zipfile.ZipFile(archive) as opened:
        tops = {name.partition("/")[0] for name in opened.read("names").decode().split("\n")}
    names = {top.partition(".")[0] for top in tops if not top.endswith((".dist-info", ".libs", ".pth"))}
    return sorted(name for name in names if name.isidentifier())


def link(source, target):
    """Put a file in a second place without its bytes, or with them where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
