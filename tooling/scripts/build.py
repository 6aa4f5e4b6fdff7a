"""Execute the notebooks in parallel, then build the book's HTML; any fault fails the build.

The outputs of executed notebooks are kept in a cache below ``_build/execution``, each as soon as it is
finished, so that an interrupted build goes on where it was. The cache's folder is
named after a fingerprint of everything a notebook depends on besides itself: the code and data that
pages import, the lock, what is installed, the interpreter, the kind of processor and the ``BOOK_*``
variables. Within the folder, jupyter-cache finds a notebook by its code cells; a changed cell header counts
as a change too.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import platform
import re
import shutil
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tooling import environment  # first, for it makes the next ones quick, and lets Ctrl-C end them

# isort: split
import psutil
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.read import (
    MystMetadataParsingError,
    is_myst_markdown_notebook,
    read_myst_markdown_notebook,
)
from nbformat import NotebookNode
from sphinx_external_toc.parsing import parse_toc_yaml

from tooling import kernels

ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
NOT_SOURCES = {"__pycache__", "_build", "answers", "benchmarks", "node_modules", "tests"}
# What pages import: folders, or files that make their folder a package. No page imports what tests it.
IMPORTED = ("support", "tooling/audit", "tooling/explorers", "packages/*/*/__init__.py")
NOT_IMPORTED = {"myst_nbval", "page_nuts"}  # what tests pages, and what runs in a reader's browser only
# What the book is made of. Whatever else lies beside it, such as a class's work and marks, gets nowhere.
BOOK = set(
    """
    CHANGELOG.md CITATION.cff CONTRIBUTING.md INSTRUCTORS.md LICENSE LICENSE-TEXT Makefile README.md
    _config.yml _static _toc.yml chapters conftest.py exercises glossary.md intro.md packages postBuild
    pyproject.toml references.bib references.md requirements.txt runtime.txt solutions support tooling
    """.split()  # noqa: SIM905
)
SOLUTIONS = "solutions"
ADDED = ("live/", "handouts/")  # what other commands put into the built book
KEPT = "The notebooks that were finished are kept."
# Comments in a page: what the edition for a class leaves out, and what it has instead.
NOT_FOR_CLASS = re.compile(r"^ *<!-- not for a class -->\n.*?^ *<!-- end -->\n", re.MULTILINE | re.DOTALL)
FOR_CLASS = re.compile(r"^<!-- for a class\n(.*?)^-->\n", re.MULTILINE | re.DOTALL)
# The link of a generated exercise to its solution.
SEE_SOLUTION = re.compile(r"^:::\{seealso\}\n[^\n]*\(solution-[\w-]+\)[^\n]*\n:::\n", re.MULTILINE)


def main():
    """Build the book, or preview one page of it, and exit with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("root", nargs="?", type=Path, default=root, help="folder of the book")
    parser.add_argument("--only", metavar="PAGE", type=Path, help="preview one page, without the gate")
    parser.add_argument("--class", dest="for_class", action="store_true", help="leave out the solutions")
    options = parser.parse_args()
    root = options.root.resolve()
    environment.enter(root)
    environment.end_when_interrupted(KEPT)
    try:
        with environment.alone(root):
            index = made(root, options)
    except PermissionError as error:
        sys.exit(f"{error.filename} belongs to another user: {environment.MAKE_IT_YOURS}")
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        sys.exit(f"{error.filename} is damaged (a folder for a file, or the reverse): run make clean first.")
    seconds = time.time() - psutil.Process().create_time()
    print(f"Finished in {seconds:.1f} s. Open {index}")


def made(root, options):
    """Make what the options ask for; return the path of its first page."""
    if options.only is not None:
        return preview(root, options.only)
    if options.for_class:
        return build_for_class(root)
    return build(root, prepare_cache(root))


def build(root, cache_path):
    """Execute all pages, build the HTML and return the path of its first page."""
    pages = pages_in(root / "_toc.yml")
    html = root / "_build" / "html"
    stamp = root / "_build" / "built-from"
    sources = hash_sources(root, cache_path)
    if is_as_built(stamp, sources, html):
        print("Nothing has changed since the last build")
    else:
        stamp.unlink(missing_ok=True)
        execute_pages(root, pages, cache_path)
        run_sphinx(root, cache_path)
        check_unchanged(cache_path)
        sizes = json.dumps(sizes_in(html))
        environment.replace(stamp, f"{sources}\n{sizes}")
    return html / "index.html"


def is_as_built(stamp, sources, html):
    """Tell whether a folder holds what was built from these sources, each file in its size."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        before, _, sizes = stamp.read_text(encoding="utf8").partition("\n")
        return before == sources and json.loads(sizes).items() <= sizes_in(html).items()
    return False


def sizes_in(html):
    """Return the sizes of the files that Sphinx wrote; of pages, to which others add, whether they end."""
    found = {path.relative_to(html).as_posix(): path for path in html.rglob("*") if path.is_file()}
    return {
        name: is_whole(path) if path.suffix == ".html" else path.stat().st_size
        for name, path in found.items()
        if not name.startswith(ADDED)
    }


def is_whole(path):
    """Tell whether a page is there down to its last tag."""
    return path.read_bytes().rstrip().endswith(b"</html>")


def is_edited(cache_path):
    """Tell whether what pages import is no longer that for which a folder of the cache was made."""
    return fingerprint(cache_path.parents[2]) != cache_path.name


def check_unchanged(cache_path):
    """End the build, and keep none of its outputs, if what pages import was edited while they ran."""
    if is_edited(cache_path):
        shutil.rmtree(cache_path)
        sys.exit("\nWhat the pages import was edited while they ran: run make book again.")


def preview(root, page):
    """Execute and build one page; references to other pages stay unresolved."""
    if not (root / page).is_file():
        sys.exit(f"PAGE={page} is not a file: give a page such as chapters/recap.md.")
    if not (root / page).resolve().is_relative_to(root):
        sys.exit(f"PAGE={page} does not lie in {root}: give a page such as chapters/recap.md.")
    page = (root / page).resolve().relative_to(root)
    output = root / "_build" / "preview"
    output.mkdir(parents=True, exist_ok=True)
    cache_path = prepare_cache(root)
    execute_pages(root, [page], cache_path)
    name = page.with_suffix("").as_posix()
    toc = output / "_toc.yml"
    toc.write_text(yaml.safe_dump({"format": "jb-book", "root": name}))
    config = write_config(root, output, cache_path)
    made = output / "_build" / "html" / f"{name}.html"
    made.unlink(missing_ok=True)
    if not jupyter_book(root, config, output, "--toc", str(toc)) or not made.is_file():
        sys.exit(f"\n{page} could not be built: see the messages above.")
    return made


def pages_in(toc):
    """Return the paths of the book's pages, relative to its root, in reading order."""
    names = parse_toc_yaml(toc)
    return [Path(f"{name}.md") for name in names]


# The edition for a class -------------------------------------------------------------------


def build_for_class(root):
    """Build the book from a copy that has no solutions; return the path of its first page.

    What is not in the copy cannot get into a page, the search index or a download. Both editions
    take the outputs of their notebooks from one cache.
    """
    folder = root / "_build" / "class"
    copy_without_solutions(root, folder / "book")
    index = build(folder / "book", prepare_cache(root))
    html = folder / "html"
    shutil.rmtree(html, ignore_errors=True)
    shutil.copytree(index.parent, html)
    return html / index.name


def copy_without_solutions(root, copy):
    """Copy the sources of the book, except the solutions and what pages say of them."""
    (copy / "_build").mkdir(parents=True, exist_ok=True)
    for path in copy.iterdir():
        if path.is_dir() and path.name != "_build":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
    for path in sources_of(root):
        name = path.relative_to(root)
        if name.parts[0] == SOLUTIONS:
            continue
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if name.suffix == ".md":
            text = text_for_class(path.read_text(encoding="utf8"))
            (copy / name).write_text(text, encoding="utf8")
        else:
            shutil.copy2(path, copy / name)
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf8"))
    (copy / "_toc.yml").write_text(yaml.safe_dump(toc_for_class(toc), sort_keys=False), encoding="utf8")


def text_for_class(text):
    """Take out what a page has for readers of the solutions, put in what it has for a class."""
    return FOR_CLASS.sub(r"\1", SEE_SOLUTION.sub("", NOT_FOR_CLASS.sub("", text)))


def toc_for_class(entry):
    """Return a table of contents, or a part of one, without the solutions."""
    if isinstance(entry, list):
        kept = [toc_for_class(item) for item in entry if not is_solution(item)]
        return [item for item in kept if set(item) - {"caption", "numbered"}]
    if isinstance(entry, dict):
        parts = {key: toc_for_class(value) for key, value in entry.items()}
        return {key: value for key, value in parts.items() if value != []}
    return entry


def is_solution(entry):
    """Tell whether an entry of the table of contents is a worked solution."""
    return isinstance(entry, dict) and str(entry.get("file", "")).startswith(f"{SOLUTIONS}/")


# The cache ---------------------------------------------------------------------------------


def fingerprint(root):
    """Hash all that the outputs of a notebook depend on, besides the notebook."""
    digest = hashlib.sha256()
    # What is installed need not be what the lock says.
    installed = sorted(path.name for path in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))
    libraries = os.environ.get("LD_LIBRARY_PATH", "")
    for value in (sys.version, platform.machine(), libraries, *sorted(book_variables()), *installed):
        digest.update(f"{value}\0".encode())
    add_files(digest, root, [root / "requirements.txt", *imported(root)])
    return digest.hexdigest()[:16]


def imported(root):
    """Return the files of all that pages import."""
    found = [path for pattern in IMPORTED for path in sorted(root.glob(pattern))]
    folders = [path if path.is_dir() else path.parent for path in found]
    return [path for folder in folders if folder.name not in NOT_IMPORTED for path in files_below(folder)]


def book_variables():
    """Return the environment variables that change what notebooks compute."""
    return [f"{name}={value}" for name, value in os.environ.items() if name.startswith("BOOK_")]


def sources_of(root):
    """Return every file that the book is made of."""
    return [path for path in files_below(root) if path.relative_to(root).parts[0] in BOOK]


def files_below(folder):
    """Return every file in a folder, except hidden ones and what tools leave behind."""
    found = []
    for place, folders, files in folder.walk():
        # Not even looked into: the environment alone has tens of thousands of files.
        folders[:] = [name for name in folders if not is_left_behind(name)]
        found += [place / name for name in files if not is_left_behind(name) and (place / name).is_file()]
    return sorted(found)


def is_left_behind(name):
    """Tell whether a file or folder belongs to a tool rather than to the book's sources."""
    return name in NOT_SOURCES or name.startswith(".") or name.endswith(".egg-info")


def add_files(digest, root, paths):
    """Add names and contents of files to a hash."""
    for path in paths:
        digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())


def prepare_cache(root):
    """Return the cache folder for the present fingerprint, having removed those of others."""
    parent = root / "_build" / "execution"
    current = parent / fingerprint(root)
    current.mkdir(parents=True, exist_ok=True)
    for other in parent.iterdir():
        if other.is_dir() and other != current:
            shutil.rmtree(other)
    return current


# Execution ---------------------------------------------------------------------------------


def execute_pages(root, pages, cache_path):
    """Execute the notebooks that the cache does not hold, the longest first."""
    cache = open_cache(cache_path)
    notebooks = {page: nb for page in pages if (nb := read_notebook(root / page)) and is_executed(nb)}
    missing = [page for page, nb in notebooks.items() if not is_cached(cache, nb)]
    print(f"{len(missing)} of {len(notebooks)} notebooks to execute", flush=True)
    if not missing:
        return

    kernels.use(len(missing))
    record = cache_path.parent / "seconds.json"
    seconds = read_seconds(record)
    timeout = read_config(root)["execute"]["timeout"]
    # A page that never ran is likely to take the longer the longer it is.
    missing.sort(
        key=lambda page: (seconds.get(page.as_posix(), float("inf")), (root / page).stat().st_size),
        reverse=True,
    )
    failures = []
    with ThreadPoolExecutor(max_workers=number_of_cores()) as pool:
        jobs = {pool.submit(execute, root / page, notebooks[page], timeout): page for page in missing}
        for job in as_completed(jobs):
            page = jobs[job]
            error = job.exception() or job.result().err
            if error:
                failures.append(describe_failure(page, notebooks[page], error))
                print(f"  {page}  FAILED", flush=True)
                continue
            result = job.result()
            if faults := missing_pictures(notebooks[page]):
                failures.append("\n".join(f"{page}:{fault}" for fault in faults))
                print(f"  {page}  FAILED", flush=True)
                continue
            if is_edited(cache_path):
                pool.shutdown(cancel_futures=True)
                check_unchanged(cache_path)
            bundle = CacheBundleIn(result.nb, str(root / page), data={"execution_seconds": result.time})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            seconds[page.as_posix()] = round(result.time, 2)
            print(f"  {page}  {result.time:.1f} s{remarks(result.nb)}", flush=True)
    environment.replace(record, json.dumps(seconds, indent=1, sort_keys=True))
    if failures:
        sys.exit("\n\n".join(["", *failures, f"{len(failures)} notebook(s) failed"]))


def keep(root: Path, path: Path, executed: NotebookNode, begun_with: str) -> None:
    """Put a page that was executed elsewhere, with outputs to its code cells, into the cache.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the book.
    path : pathlib.Path
        The page; one that the build does not execute is left alone.
    executed : nbformat.NotebookNode
        Its cells, executed as they stand in the page now.
    begun_with : str
        The fingerprint before any page ran: the times of files, as of one moved here, say little.
    """
    notebook = read_notebook(path)
    if path.relative_to(root) not in pages_in(root / "_toc.yml") or not is_executed(notebook):
        return
    if sources(notebook) != sources(executed) or begun_with != fingerprint(root):
        return  # what ran is no longer what stands there
    for cell, other in zip(notebook.cells, executed.cells, strict=True):
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = other.execution_count, other.outputs
    if missing_pictures(notebook):  # the build will say so
        return
    bundle = CacheBundleIn(notebook, str(path))
    with environment.alone(root):
        open_cache(prepare_cache(root)).cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def sources(notebook):
    """Return the kind and the text of each cell."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def open_cache(path):
    """Return the cache in a folder; one that is damaged is made anew."""
    try:
        cache = get_cache(path)
        cache.list_cache_records()
    except Exception as error:  # of SQLite, or of a layer above it
        print(f"{path} is damaged ({type(error).__name__}) and is made again", flush=True)
        shutil.rmtree(path)
        path.mkdir()
        cache = get_cache(path)
    for place in (path / "executed").glob("*"):
        if not (place / "base.ipynb").is_file():  # killed between the folder and its file
            print(f"{place} is damaged and is made again", flush=True)
            drop(place)
    return cache


def read_seconds(record):
    """Return the seconds that each page took when it ran last."""
    try:
        return {page: float(value) for page, value in json.loads(record.read_text(encoding="utf8")).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError):
        print(f"{record} is damaged and is made again", flush=True)
        return {}


def drop(path):
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_notebook(path):
    """Return the notebook that Sphinx will see in this page, or None for plain prose."""
    if not path.is_file():
        sys.exit(f"{path}: no such page, though the table of contents names it.")
    text = path.read_text(encoding="utf8")
    if not is_myst_markdown_notebook(text):
        return None
    try:
        return read_myst_markdown_notebook(text, add_source_map=True, path=path)
    except MystMetadataParsingError as error:
        sys.exit(f"{path}: {error}\nIts header, between the lines ---, must be valid YAML.")


def is_executed(notebook):
    """Tell whether the build runs a notebook: an exercise that nobody has filled in has nothing to show."""
    return notebook.metadata.get("mystnb", {}).get("execution_mode") != "off"


def is_cached(cache, notebook):
    """Tell whether the cache holds this notebook, with the same cells and cell headers."""
    try:
        record = cache.match_cache_notebook(notebook)
        cached = cache.get_cache_bundle(record.pk).nb
    except KeyError:
        return False
    except Exception:  # a build was killed while it wrote, or the file is damaged
        print(f"  what is kept of a notebook in {cache.path} is damaged: it is executed again", flush=True)
        return False
    headers = [header(cell) for cell in notebook.cells if cell.cell_type == "code"]
    return headers == [header(cell) for cell in cached.cells]


def header(cell):
    """Return the header of a code cell, without what executing it has added."""
    return {key: value for key, value in cell.metadata.items() if key != "execution"}


def execute(path, notebook, timeout):
    """Execute one notebook in its own folder, each cell within so many seconds."""
    return single_nb_execution(
        notebook,
        cwd=str(path.parent),
        timeout=timeout,
        startup_timeout=timeout,  # a minute is too short where the disk is busy
        allow_errors=False,
        # The kernel would remark on the transport that every local Jupyter uses.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )


def number_of_cores():
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def remarks(notebook):
    """Say what a notebook wrote to stderr: pages do not show it, authors should know it."""
    lines = [
        output.text.strip().splitlines()[0]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr" and output.text.strip()
    ]
    return "".join(f"\n    stderr: {line}" for line in dict.fromkeys(lines))


def describe_failure(page, notebook, error):
    """Name the page, the cell and its line, and give the traceback."""
    number, line = failing_cell(notebook)
    trace = ANSI_COLOUR.sub("", str(error)).strip()
    return f"{page}:{line}: code cell {number} failed\n{trace}"


def missing_pictures(notebook):
    """Name the code cells whose header announces a picture that was not drawn, by source line and number."""
    cells = zip(notebook.cells, notebook.metadata["source_map"], strict=True)
    code = [(cell, line) for cell, line in cells if cell.cell_type == "code"]
    return [
        f"{line}: code cell {number} shows no picture, but its header has `mystnb: image` or `figure`"
        for number, (cell, line) in enumerate(code, start=1)
        if {"image", "figure"} & set(cell.metadata.get("mystnb", {})) and not shows_picture(cell)
    ]


def shows_picture(cell):
    """Tell whether an executed cell shows an image or a chart."""
    kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
    return any(kind.startswith(("image/", "application/vnd.vega")) for kind in kinds)


def failing_cell(notebook):
    """Return number (from 1) and source line of the first code cell that did not finish."""
    lines = notebook.metadata.get("source_map", [])
    number = line = 0
    for cell, start in zip(notebook.cells, lines, strict=True):
        if cell.cell_type != "code":
            continue
        number, line = number + 1, start
        raised = any(output.output_type == "error" for output in cell.outputs)
        if raised or cell.execution_count is None:
            break
    return number, line


# Sphinx ------------------------------------------------------------------------------------


def run_sphinx(root, cache_path):
    """Build the HTML from nothing.

    Sphinx's own updating would repeat neither the warnings of pages that it read before, nor
    pages whose outputs or bibliography changed without a change in the page.
    """
    output = root / "_build"
    for folder in ("html", ".doctrees", "jupyter_execute"):
        drop(output / folder)
    config = write_config(root, output, cache_path)
    if not jupyter_book(root, config, root, "-n", "-W", "--keep-going"):
        sys.exit("\nThe build failed: see the warnings above; each one is an error here.")


def hash_sources(root, cache_path):
    """Hash every source file of the book together with the fingerprint of the outputs."""
    digest = hashlib.sha256(cache_path.name.encode())
    add_files(digest, root, sources_of(root))
    return digest.hexdigest()


def write_config(root, output, cache_path):
    """Derive from _config.yml a configuration that takes outputs from the cache."""
    config = read_config(root)
    config["execute"].update(execute_notebooks="cache", cache=str(cache_path))
    # Jupyter Book looks for extensions from the folder of the configuration.
    extensions = config["sphinx"].get("local_extensions", {})
    config["sphinx"]["local_extensions"] = {name: str(root / folder) for name, folder in extensions.items()}
    path = output / "_config.yml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf8")
    return path


def read_config(root):
    """Return the settings in _config.yml."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf8"))


def jupyter_book(root, config, output, *flags):
    """Run Jupyter Book's own command, within this process; return whether it succeeded.

    A process of its own would import Sphinx a second time. Warnings and errors go to stderr.
    """
    from jupyter_book.cli.main import main as jupyter_book_command  # slow to import

    command = ["build", str(root), "--config", str(config), "--path-output", str(output)]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            jupyter_book_command.main([*command, *flags, "--quiet"], standalone_mode=False)
    except (RuntimeError, SystemExit):
        return False
    return True


if __name__ == "__main__":
    main()
