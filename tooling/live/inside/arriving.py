"""Fetches packages when they are imported first, in a page and in a notebook of the browser."""

import importlib
import io
import json
import os
import sys
import zipfile
from collections.abc import Callable
from importlib.machinery import PathFinder, SourceFileLoader

SITE = "/site"
NOT_HERE = (
    "{name} is not among the packages that run in the browser. Use those that this page imports, or open the "
    "page on Binder (the rocket at its top), where every package can be installed."
)
# There is no compiler.
ENVIRONMENT = {"PYTENSOR_FLAGS": "linker=vm,cxx=,traceback__limit=0"}
NOT_FETCHED = (
    "{name} is needed here and could not be fetched. See that there is a network, and run the cell again. "
    "({error})"
)


def begin(index: str, fetch: Callable) -> "Packages":
    """Let Python find the packages that are to be had, those that are not there yet too.

    Parameters
    ----------
    index : str
        The list of files, as JSON.
    fetch : callable
        Of the worker: fetch a file by its name.

    Returns
    -------
    Packages
        Takes the files that have come already.
    """
    os.environ.update(ENVIRONMENT)
    sys.path.insert(0, SITE)
    packages = Packages(json.loads(index), fetch)
    # Last: what Python brings itself comes first.
    sys.meta_path.append(packages)
    return packages


def sentence(error):
    """Return what to say in place of a traceback: for a package that is not there or does not come."""
    if isinstance(error, ModuleNotFoundError) and error.name and "." not in error.name:
        return NOT_HERE.format(name=error.name)
    return str(error) if isinstance(error, NotFetched) else ""


class NotFetched(ConnectionError):
    """No ImportError, which packages take to mean that they must do without."""


class Packages:
    """Finds a package that is imported for the first time by fetching the files that hold it."""

    def __init__(self, index, fetch):
        self.where = {module: file["name"] for file in index["files"] for module in file["modules"]}
        self.fetch = fetch
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
        spec = PathFinder.find_spec(name)
        if name == "pymc":
            spec.loader = PyMC(name, spec.origin)
        return spec

    def put(self, file, content):
        """Unpack a file that was fetched, a ``Uint8Array`` of JavaScript."""
        self.here.add(file)
        zipfile.ZipFile(io.BytesIO(content.to_bytes())).extractall(SITE)
        importlib.invalidate_caches()


class PyMC(SourceFileLoader):
    """PyMC, which takes nutpie for ``pm.sample`` only beside a compiler; the page's is as fast without."""

    def exec_module(self, module):
        """Import it, and let any way of evaluation do."""
        super().exec_module(module)
        sys.modules["pymc.sampling.mcmc"].NumbaLinker = object
