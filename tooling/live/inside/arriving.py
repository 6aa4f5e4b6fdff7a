"""Fetches packages when they are imported first, in a page and in a notebook of the browser."""

import importlib
import io
import json
import os
import sys
import zipfile
from collections.abc import Callable
from importlib.machinery import PathFinder

SITE = "/site"
NOT_HERE = (
    "{name} is not among the packages that run in the browser. Use those that this page imports, or open the "
    "page on Binder (the rocket at its top), where every package can be installed."
)
# Of Python's own stack: beyond it, infinite recursion would end the page's Python.
DEEPEST = 1500
# There is no compiler.
ENVIRONMENT = {"PYTENSOR_FLAGS": "linker=vm,cxx=,traceback__limit=0"}
NOT_FETCHED = (
    "{name} is needed here and could not be fetched. See that there is a network, and run the cell again. "
    "({error})"
)


def begin(index: str, fetch: Callable, unpack: Callable) -> "Packages":
    """Let Python find the packages that are to be had, those that are not there yet too.

    Parameters
    ----------
    index : str
        The list of files, as JSON.
    fetch : callable
        Of the worker: fetch a file by its name.
    unpack : callable
        Of the worker: put what an archive holds, whose files are stored as they are, into a folder.

    Returns
    -------
    Packages
        Takes the files that have come already.
    """
    os.environ.update(ENVIRONMENT)
    sys.path.insert(0, SITE)
    packages = Packages(json.loads(index), fetch, unpack)
    # First: PyMC may lie there from an import that a lost network ended.
    sys.meta_path.insert(0, FinderOfChanged(packages))
    # Last: what Python brings itself comes first.
    sys.meta_path.append(packages)
    return packages


def sentence(error):
    """Return what to say in place of a traceback: for a package that is not there or does not come."""
    if isinstance(error, ModuleNotFoundError) and error.name and "." not in error.name:
        return NOT_HERE.format(name=error.name)
    return str(error) if isinstance(error, NotFetched) else ""


def let_go():
    """Remove the files of compiled modules that are loaded: some 35 MB of a page that samples."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None) or ""
        if file.endswith(".so") and file.startswith(SITE) and os.path.exists(file):
            os.remove(file)


class NotFetched(ConnectionError):
    """No ImportError, which packages take to mean that they must do without."""


class Packages:
    """Finds a package that is imported for the first time by fetching the files that hold it."""

    def __init__(self, index, fetch, unpack):
        self.where = {module: file["name"] for file in index["files"] for module in file["modules"]}
        self.fetch, self.unpack = fetch, unpack
        self.here = set()

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002 (the import system passes it)
        """Fetch what holds a module at the top, and find it there."""
        if path is not None or self.where.get(name) in self.here | {None}:
            return None
        try:
            content = self.fetch(self.where[name])
        except Exception as error:  # of JavaScript
            raise NotFetched(NOT_FETCHED.format(name=name, error=error)) from None
        self.put(self.where[name], content)
        return PathFinder.find_spec(name)

    def put(self, file, content):
        """Unpack a file that was fetched, a ``Uint8Array`` of JavaScript."""
        self.here.add(file)
        with zipfile.ZipFile(io.BytesIO(content.to_bytes())) as archive:
            self.unpack(archive.read("files"), SITE)
        importlib.invalidate_caches()


class FinderOfChanged:
    """Finds what is changed once it is imported, fetched now or before, with a loader of ours."""

    def __init__(self, packages):
        self.packages = packages

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002 (the import system passes it)
        """Find it where it is, or fetch it."""
        if name not in CHANGES:
            return None
        spec = PathFinder.find_spec(name, path) or self.packages.find_spec(name, path)
        if spec is not None:
            spec.loader = Changing(spec.loader, CHANGES[name])
        return spec


class Changing:
    """Loads a module, and changes it."""

    def __init__(self, loader, change):
        self.loader = loader
        self.change = change

    def __getattr__(self, name):
        """Be the loader that it is in all else."""
        return getattr(self.loader, name)

    def exec_module(self, module):
        """Import it."""
        self.loader.exec_module(module)
        self.change(module)


def change_pymc(module):  # noqa: ARG001 (as every change is called)
    """Let ``pm.sample`` take nutpie, ours and as fast without a compiler; no thread, no process is needed."""
    sampling = sys.modules["pymc.sampling.mcmc"]
    sampling.NumbaLinker = object
    # As many chains as on a computer of four processors; those of PyMC's own samplers one after another.
    sampling._cpu_count = lambda: 4
    of_pymc = sampling.setup_cores_blas_cores
    sampling.setup_cores_blas_cores = lambda blas, chains, _, context: of_pymc(blas, chains, 1, context)
    progress = importlib.import_module("pymc.progress_bar.progress")
    progress.ProgressBarManager._create_backend = lambda *_, **__: progress.NullProgressBackend()
    importlib.import_module("rich.live")._RefreshThread.start = lambda _: None
    sys.setrecursionlimit(DEEPEST)


# What to do with a module, by its name.
CHANGES = {"pymc": change_pymc}
