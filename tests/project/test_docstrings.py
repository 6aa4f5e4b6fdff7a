"""What users call says what else there is, by names that exist."""

import ast
import doctest
import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("hierarchical_exact", "notebook_marking", "support", "tooling.explorers")
MODULES = [
    *ROOMS,
    *(
        found.name
        for room in ROOMS
        for found in pkgutil.walk_packages(import_module(room).__path__, f"{room}.")
        if not found.name.endswith("__main__")
    ),
]
# What users call: a module, and what of it; a star stands for all public functions and classes.
CALLED = {
    "hierarchical_exact": """normal normal_groups normal_sample poisson dirichlet_multinomial beta_binomial
        logit_normal student_t mixed marginal Marginal Posterior""",
    "hierarchical_exact.laws": "Law FromDensity",
    "hierarchical_exact.quadrature": "integrate",
    "hierarchical_exact.convolution": "convolve",
    "support.datasets": "*",
    "support.models": "*",
    "support.sampling": "*",
    "support.checks": "*",
    "support.monte_carlo": "*",
    "support.exercises": "Answers",
    "support.exercises.personal": "*",
    "notebook_marking.answers": "Answers",
    "notebook_marking.course": "Course",
    "notebook_marking.keys": "Key",
    "notebook_marking.marking": "mark",
    "notebook_marking.sandbox": "run check",
    "notebook_marking.running": "run_all",
    "notebook_marking.submissions": "find",
    "notebook_marking.scheme": "read_schemes",
    "tooling.audit.figures": "*",
} | dict.fromkeys(
    (
        name
        for name in MODULES
        if re.fullmatch(r"support\.figures\.(?!style|arguments)\w+|tooling\.explorers\.\w+", name)
    ),
    "*",
)


def own(module):
    """Public functions and classes that a module defines, by name."""
    return {
        name: thing
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and callable(thing)
        and getattr(thing, "__module__", None) == module.__name__
    }


def see_also(docstring):
    """Names under See Also."""
    found = re.search(r"^See Also\n-+\n(.*?)(?:\n\n|\Z)", inspect.cleandoc(docstring or ""), re.S | re.M)
    lines = found[1].splitlines() if found else []
    return [name for line in lines for name in line.split(" : ")[0].split(", ")]


def find(name, module):
    """What a name in a docstring of a module stands for: something there, or by its full name."""
    first, *rest = name.split(".")
    thing = getattr(module, first) if hasattr(module, first) and not rest else import_module(first)
    for place, part in enumerate(rest, start=2):
        if not hasattr(thing, part):
            import_module(".".join(name.split(".")[:place]))
        thing = getattr(thing, part)
    return thing


def unknown(docstring, module):
    """Names under See Also that stand for nothing, or for a whole module."""
    for name in see_also(docstring):
        try:
            if isinstance(find(name, module), ModuleType):
                yield name
        except (ImportError, AttributeError):
            yield name


@pytest.mark.parametrize("name", MODULES)
def test_what_a_docstring_refers_to_exists(name):
    module = import_module(name)
    for label, thing in own(module).items():
        methods = vars(thing).values() if inspect.isclass(thing) else ()
        for what in (thing, *methods):
            assert list(unknown(getattr(what, "__doc__", None), module)) == [], label


@pytest.mark.parametrize("name", CALLED)
def test_what_users_call_says_what_else_there_is(name):
    module = import_module(name)
    names = list(own(module)) if CALLED[name] == "*" else CALLED[name].split()
    assert names != []
    assert [label for label in names if see_also(getattr(module, label).__doc__) == []] == []


# The examples of other modules run in the tests of their own.
@pytest.mark.parametrize(
    "name", ["support.checks", "support.exercises", "support.exercises.personal", "support.monte_carlo"]
)
def test_examples_in_docstrings(name):
    assert doctest.testmod(import_module(name)).failed == 0


def test_an_unknown_name_is_found():
    docstring = "W.\n\nSee Also\n--------\nnormal, nothing : 2\nsupport.models : 3\n\nNotes\n-----\nx : y"
    assert list(unknown(docstring, import_module("hierarchical_exact"))) == ["nothing", "support.models"]


# One dialect: types stand in the signatures of what is documented in sections, and nowhere else ---------

PACKAGES = sorted(path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("packages/*/*/__init__.py"))
FILES = [
    file.relative_to(ROOT).as_posix()
    for room in (*PACKAGES, "support", "solutions/keys", "tooling")
    for file in sorted((ROOT / room).rglob("*.py"))
]


def otherwise_annotated(source):
    """Functions with a type too few or too many; protocols and Python's own names have no say."""
    tree, found = ast.parse(source), []
    protocols = [
        one
        for one in ast.walk(tree)
        if isinstance(one, ast.ClassDef) and "Protocol" in map(ast.unparse, one.bases)
    ]
    exempt = {id(method) for one in protocols for method in one.body}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or function.name == "__init__" or id(function) in exempt:
            continue
        arguments = ast.walk(function.args)
        types = [a.annotation for a in arguments if isinstance(a, ast.arg) and a.arg not in ("self", "cls")]
        types.append(function.returns)
        documented = "\n---" in (ast.get_docstring(function) or "")
        if any((one is None) == documented for one in types):
            found.append(function.name)
    return found


@pytest.mark.parametrize("file", FILES)
def test_what_is_documented_in_sections_is_annotated_and_nothing_else(file):
    assert otherwise_annotated((ROOT / file).read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    '''Sum.\n\n    Returns\n    -------\n    int\n    '''",
        "def f(x: int) -> int:\n    '''Sum.'''",
        "def f(x, y: int):\n    pass",
    ],
)
def test_another_dialect_is_found(source):
    assert otherwise_annotated(source) == ["f"]
