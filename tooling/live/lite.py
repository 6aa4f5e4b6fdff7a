"""The book's notebooks in the browser: JupyterLite, whose kernel is the Python of the cells in the page.

Its two wheels hold JavaScript that any static host can send; their Python, which builds sites, is not used.
"""

import json
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import nbformat

from tooling.live.archives import link, pack, replace

SETTINGS = Path(__file__).resolve().parent / "jupyter-lite.json"
APP = "carrier/jupyterlite_core/jupyterlite-app-*.tgz"  # below .cache/live
CARRIER = SETTINGS.with_name("carrier.txt")
# Of JupyterLite: the app for one notebook, that for a folder, that for other files, and what they share.
SENT = re.compile(
    r"(notebooks|tree|edit)/|build/(?!lab/|repl/|consoles/)|(config-utils|service-worker)\.js$"
    r"|index\.html$|jupyter-lite\.ipynb$|manifest\.webmanifest$|icon-\w+\.png$"
)
EXTENSION = "@jupyterlite/pyodide-kernel-extension"
KERNEL = ("ipykernel", "pyodide_kernel")  # its wheels that are installed in Python
FIRST = """\
*This notebook is a page of the book, and it runs in your browser. It loads Python when it is opened, unless
your browser has it already; nothing is sent to a server. What you change is kept in this browser, on this
device only; File, Download gives you the notebook as a file. A sampler of the book's own stands in for
nutpie.*"""
HAND_IN = """

*To hand it in: write your id into the first code cell, run all cells, save, and take the file from File,
Download.*"""
# What the app asks for, and is content to find empty.
EMPTY = {
    "build/schemas/all_federated.json": [],
    "api/translations/all.json": {"data": {"en": {"displayName": "English", "nativeName": "English"}}},
    "api/translations/en.json": {"data": {}, "message": ""},
}
LONG_AGO = "2000-01-01T00:00:00Z"  # what a reader has changed is newer
# JupyterLab asks whether a file has changed since it was last saved. While it is being saved by itself, a
# reader's Save takes that for somebody else's change: let one end before the next begins.
SAVE = "async save(){await this.ready,await this._save()}"
SAVE_IN_TURN = (
    "async save(){await this.ready;const last=this._lastSave;"
    "this._lastSave=(async()=>{try{await last}catch{}await this._save()})();await this._lastSave}"
)


def version():
    """Return the version of JupyterLite."""
    return re.search(r"jupyterlite-core==(\S+)", CARRIER.read_text(encoding="utf8"))[1]


def unpack(carried, target):
    """Take out of the two wheels what a browser needs."""
    [app] = carried.parent.glob(APP)
    extension = carried / "share/jupyter/labextensions" / EXTENSION
    new = target.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    with tarfile.open(app) as archive:
        for member in archive:
            member.path = member.path.removeprefix("package/")
            if member.isfile() and SENT.match(member.path) and not member.path.endswith(".map"):
                archive.extract(member, new, filter="data")
    shutil.copytree(
        extension, new / "extensions" / EXTENSION, ignore=shutil.ignore_patterns("*.map", "*.whl", "all.json")
    )
    for name in KERNEL:
        [wheel] = extension.glob(f"static/pypi/{name}-*.whl")
        with zipfile.ZipFile(wheel) as opened:
            members = [(info.filename, opened.read(info)) for info in opened.infolist()]
        pack(new / "kernel" / f"{'-'.join(wheel.name.split('-')[:2])}.zip", members)
    settings = json.loads(SETTINGS.read_text(encoding="utf8"))
    built = json.loads((extension / "package.json").read_text(encoding="utf8"))["jupyterlab"]["_build"]
    settings["jupyter-config-data"]["federated_extensions"] = [{"name": EXTENSION, **built}]
    for name, content in {**EMPTY, "jupyter-lite.json": settings}.items():
        dump(content, new / name)
    new.replace(target)


def put(unpacked, target, sources, stay=frozenset()):
    """Fill the folder of the built book with JupyterLite and notebooks, but those of pages that stay."""
    shutil.copytree(unpacked, target, copy_function=link, ignore=shutil.ignore_patterns("kernel"))
    save_in_turn(target)
    folders = {}
    for path in sorted(set(sources.rglob("*.ipynb")) - stay):
        notebook = nbformat.read(path, as_version=4)
        if any(cell.cell_type == "code" for cell in notebook.cells):
            name = path.relative_to(sources)
            place = target / "files" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(for_browser(notebook, hand_in=name.parts[0] == "exercises"), place)
            folders.setdefault(name.parent, []).append(entry(name, "notebook", place.stat().st_size))
    folders.setdefault(Path(), []).extend([entry(name, "directory") for name in folders if name.parts])
    for folder, entries in folders.items():
        dump(
            {**entry(folder, "directory"), "content": entries},
            target / "api/contents" / folder / "all.json",
        )


def save_in_turn(target):
    """Let a notebook be saved once at a time."""
    [core] = target.glob("build/jlab_core.*.js")
    code = core.read_text(encoding="utf8")
    if code.count(SAVE) != 1:
        raise ValueError(
            f"{core.name} saves in another way than {SAVE!r}: give lite.SAVE that of this release"
        )
    replace(core, code.replace(SAVE, SAVE_IN_TURN).encode())  # what was fetched, to which it is a link, stays


def dump(content, path):
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf8")


def for_browser(notebook, *, hand_in):
    """Return a page's notebook with what a reader should know of the browser in its first cell."""
    notebook.cells[0].source = FIRST + (HAND_IN if hand_in else "")
    notebook.metadata = {
        "kernelspec": {"name": "python", "display_name": "Python (Pyodide)", "language": "python"},
        "language_info": {"name": "python"},
    }
    return notebook


def entry(path, kind, size=None):
    """Return what Jupyter is told of a file or a folder."""
    name = path.name if path.parts else ""
    times = {"created": LONG_AGO, "last_modified": LONG_AGO}
    form = "json" if kind == "directory" else None
    about = {"name": name, "path": path.as_posix() if path.parts else "", "type": kind, "size": size}
    return {**about, "format": form, "mimetype": None, "content": None, "writable": True, **times}
