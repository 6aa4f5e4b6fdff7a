"""The archives in which packages are sent to a page: what goes into them, and how they are written."""

import os
import shutil
import zipfile
from pathlib import Path

NEVER = {"tests", "__pycache__", "sample_data", "include", "doc", "docs", "answers"}
NOT_RUN = {".pyi", ".h", ".a", ".c", ".pyx", ".pxd", ".pyc", ".so", ".map", ".md", ".rst", ".f", ".cpp"}
MOMENT = (1980, 1, 1, 0, 0, 0)  # of every file in an archive: the same book, the same bytes


def is_run(name, *, compiled=False):
    """Tell whether a file of a package can be of use in a page."""
    path = Path(name)
    if path.suffix == ".so":
        return compiled
    return not (NEVER & set(path.parts)) and path.suffix not in NOT_RUN and path.name != "RECORD"


def write(target, members, kind=zipfile.ZIP_DEFLATED, level=9):
    """Write an archive at once or not at all; what a package says of itself so that any Python reads it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_suffix(".new")
    with zipfile.ZipFile(new, "w") as archive:
        for name, content in sorted(members):
            stated = name.endswith("METADATA")
            how = (zipfile.ZIP_DEFLATED, 9) if stated else (kind, level)
            archive.writestr(zipfile.ZipInfo(name, MOMENT), content, *how)
    new.replace(target)


def replace(target, content):
    """Write a file at once or not at all."""
    new = target.with_suffix(".new")
    new.write_bytes(content)
    new.replace(target)


def modules(archive):
    """Return the names that an archive lets a page import."""
    with zipfile.ZipFile(archive) as opened:
        tops = {name.partition("/")[0] for name in opened.namelist()}
    names = {top.partition(".")[0] for top in tops if not top.endswith((".dist-info", ".libs", ".pth"))}
    return sorted(name for name in names if name.isidentifier())


def link(source, target):
    """Put a file in a second place without its bytes, or with them where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
