"""A course: where the worked solutions and the keys of its exercises are, and what its notebooks import.

A folder is a course if its ``pyproject.toml`` says so::

    [tool.notebook-marking]
    solutions = "solutions"  # MyST pages; the front matter of each has the marking scheme
    keys = "solutions/keys"  # for each page one module with `key(data, earlier)`, or one YAML file
    data = "mine.own:data"   # (exercise, student) -> data of that student; without it, keys get None
    packages = ["mine"]      # what notebooks import; they see nothing else of the course
"""

import importlib
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notebook_marking import keys
from notebook_marking.keys import Key
from notebook_marking.sandbox import View, find_package
from notebook_marking.scheme import Scheme, read_schemes

SETTINGS = {"solutions": str, "keys": str, "data": str, "packages": list}


@dataclass(frozen=True, eq=False)
class Course:
    """A course, as its ``pyproject.toml`` describes it; made by `read`.

    Attributes
    ----------
    root : pathlib.Path
        Its folder, of which a notebook sees nothing but the packages.
    solutions, keys : pathlib.Path
        Folders of the worked solutions and of the keys.
    data : callable
        Takes the names of exercise and student; returns what the key of that exercise takes.
    packages : tuple of str
        Names of the packages and modules that notebooks import.
    schemes : dict of str to Scheme
        Marking schemes by the id of the exercise.

    See Also
    --------
    notebook_marking.scheme.read_schemes : How its schemes are read.
    notebook_marking.marking.mark : What marks by it.

    Examples
    --------
    >>> Course.read("/nowhere")
    Traceback (most recent call last):
    ValueError: course is '/nowhere': give a folder whose pyproject.toml has [tool.notebook-marking]
    """

    root: Path
    solutions: Path
    keys: Path
    data: Callable[[str, str], Any]
    packages: tuple[str, ...]
    schemes: dict[str, Scheme]

    @classmethod
    def read(cls, folder: Path) -> "Course":
        """Read and check the description of a course.

        Its folder comes first on ``sys.path``, so that data, keys and packages may lie in it.

        Parameters
        ----------
        folder : path
            The one with the ``pyproject.toml``.

        Returns
        -------
        Course

        Raises
        ------
        ValueError
            If a setting, a scheme or a key is missing or wrong; the message says which, and what to give.
        """
        root = Path(folder).resolve()
        settings = _settings(root, folder)
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        solutions, key_folder = (_folder(root, name, settings) for name in ("solutions", "keys"))
        packages = tuple(settings.get("packages", ()))
        for package in packages:
            _check_package(package, root, solutions, key_folder)
        schemes = read_schemes(solutions)
        if not schemes:
            raise ValueError(f"solutions is {settings['solutions']!r}: give a folder with pages (.md)")
        for scheme in schemes.values():
            keys.check(key_folder, scheme)
        return cls(root, solutions, key_folder, _data(settings), packages, schemes)

    def key(self, page: str, data: object, earlier: dict | None = None) -> dict[str, Key]:
        """Answers of one exercise.

        Parameters
        ----------
        page : str
            Name of the exercise's page, without its ending.
        data : object
            As `data` returns it.
        earlier : dict, optional
            What to take for earlier answers in place of what is right, by part and name.

        Returns
        -------
        dict of str to Key
            By part and name, such as ``"a.factors"``.
        """
        return keys.load(self.root, self.keys, page)(data, earlier or {})

    @property
    def view(self):
        """What a notebook may see of the course."""
        return View(self.packages, str(self.root))

    def forms(self):
        """Return the public part of all schemes, by the id of the exercise: what `Answers` takes."""
        return {name: scheme.forms() for name, scheme in self.schemes.items()}

    def page(self, scheme):
        """Return the worked solution of an exercise."""
        return self.solutions / f"{scheme.page}.md"


def _settings(root, given):
    """Return the section of ``pyproject.toml``, in which every word is known and of its type."""
    try:
        text = (root / "pyproject.toml").read_text(encoding="utf-8")
        settings = tomllib.loads(text)["tool"]["notebook-marking"]
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"course is {str(given)!r}, whose pyproject.toml is not TOML: {error}") from error
    except (OSError, KeyError):
        raise ValueError(
            f"course is {str(given)!r}: give a folder whose pyproject.toml has [tool.notebook-marking]"
        ) from None
    for name, value in settings.items():
        if name not in SETTINGS:
            raise ValueError(f"[tool.notebook-marking] has {name!r}: give only {', '.join(SETTINGS)}")
        if not isinstance(value, SETTINGS[name]):
            raise ValueError(f"{name} is {value!r}: give a {'text' if SETTINGS[name] is str else 'list'}")
    return settings


def _folder(root, name, settings):
    """Return a folder inside the course."""
    if name not in settings:
        raise ValueError(f"[tool.notebook-marking] has no {name!r}: give the folder of the {name}")
    folder = (root / settings[name]).resolve()
    if not folder.is_dir() or root not in folder.parents:
        raise ValueError(f"{name} is {settings[name]!r}: give a folder inside the course")
    return folder


def _check_package(name, root, *hidden):
    """Refuse a package that is not there, or that would show what no notebook may see."""
    if not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"packages has {name!r}: give the names of packages, without dots")
    places = find_package(name)
    if not places:
        raise ValueError(f"packages has {name!r}, which is not found: install it, or put it into the course")
    for place in places:
        shows = [folder for folder in (root, *hidden) if place in (folder, *folder.parents)]
        if shows or any(folder in place.parents for folder in hidden):
            raise ValueError(
                f"packages has {name!r}, with which notebooks would see {place}: "
                "give packages that hold neither solutions nor keys, and lie beside them"
            )


def _data(settings):
    """Return the callable that is named ``package.module:function``."""
    if "data" not in settings:
        return lambda exercise, student: None  # noqa: ARG005
    module, _, function = settings["data"].partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"data is {settings['data']!r}: give module:function, which can be imported ({error})"
        ) from error
    if not callable(found):
        raise ValueError(f"data is {settings['data']!r}, which is no function: give module:function")
    return found
