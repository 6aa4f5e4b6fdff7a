"""Each room imports only from those below it, each module from those before it; the root is explained."""

import ast
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager
from repository import listed

from myst_nbval.pages import code_cells, read

ROOT = Path(__file__).resolve().parents[2]

# For each room: its folder, the rooms that it may import, and the order of its modules. A pattern stands for
# modules that do not know each other; a module imports only from those before it.
ROOMS = {
    "hierarchical_exact": (
        "packages/hierarchical-exact/hierarchical_exact",
        (),
        """quadrature scales laws arguments joint posterior accuracy groups normal poisson convolution shares
        dirichlet binomial student logit [a-z]* __init__""",
    ),
    "notebook_marking": (
        "packages/notebook-marking/notebook_marking",
        (),
        """__init__ inside seccomp cgroups plain runs watching sandbox forms answers rosters exports
        submissions scheme keys course review running marking checking decisions history similar
        gradebooks reports overview desk __main__""",
    ),
    "myst_nbval": (
        "packages/myst-nbval/myst_nbval",
        (),
        """__init__ hooks intervals writing rules pages plugin""",
    ),
    "page_nuts": ("packages/page-nuts/page_nuts", (), """engine loops graph sampling __init__"""),
    "support": (
        "support",
        ("hierarchical_exact", "notebook_marking"),
        """__init__ conventions outputs monte_carlo datasets models sampling checks
        figures.arguments figures.style figures.[a-z]* figures.__init__
        exercises.personal exercises.__init__""",
    ),
    "solutions": (
        "solutions/keys",
        ("hierarchical_exact", "notebook_marking", "support"),
        """keys.common keys.*""",
    ),
    "tooling": (
        "tooling",
        ("hierarchical_exact", "notebook_marking", "page_nuts", "support"),
        """__init__ environment kernels rendering audit.__init__ audit.records audit.builders audit.runs
        audit.posteriors audit.numbers audit.explanations audit.sensitivity audit.claims audit.inventory
        audit.figures audit.tables audit.calibration audit.page_sampler
        explorers.explorer explorers.[a-z]* explorers.__init__
        live.__init__ live.archives live.quick_start live.translate live.lite live.policy live.assemble
        live.inside.* live.stand_ins.*
        scripts.build scripts.* extensions.* benchmarks.*""",
    ),
}
# What pages import of the book.
FOR_PAGES = ("hierarchical_exact", "support", "tooling.audit", "tooling.explorers")


def files(room):
    """Modules of a room by name, with their files; a package is named by its __init__."""
    folder, _, _ = ROOMS[room]
    base = ROOT / folder if (ROOT / folder).name == room else (ROOT / folder).parent
    return {
        ".".join((room, *path.relative_to(base).with_suffix("").parts)): path
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


MODULES = {name: path for room in ROOMS for name, path in files(room).items()}


def imports(source):
    """Full names of all that a source imports, within functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are by full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(name):
    """The module of the project in which an imported name is found, or None."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        stem = ".".join(parts[:end])
        for found in (stem, f"{stem}.__init__"):
            if found in MODULES:
                return found
    return None


def rank(module):
    """Place of a module in the order of its room."""
    room, _, name = module.partition(".")
    places = [i for i, pattern in enumerate(ROOMS[room][2].split()) if fnmatchcase(name, pattern)]
    assert places, f"{module} has no place in the order of its room: give it one in ROOMS"
    return places[0]


def faults(module, source):
    """Imports that the rule forbids."""
    room = module.split(".")[0]
    allowed = ROOMS[room][1]
    for name in imports(source):
        other, found = name.split(".")[0], module_of(name)
        if other in ROOMS and other not in (room, *allowed):
            yield f"{module} imports {name}: {room} may import {', '.join(allowed) or 'no other room'}"
        elif other == room and found and rank(found) >= rank(module):
            yield f"{module} imports {name}, which comes after it"
        elif other == "pymc" and room not in ("page_nuts", "support", "tooling"):
            yield f"{module} imports PyMC"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_comes_before_it(module):
    assert list(faults(module, MODULES[module].read_text(encoding="utf8"))) == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("support.checks", "from tooling.audit import numbers", "support may import hierarchical_exact"),
        ("hierarchical_exact.normal", "import support", "no other room"),
        ("support.datasets", "def f():\n    from support import models", "comes after it"),
        ("support.figures.recap", "from support.figures.radon import county_slopes", "comes after it"),
        ("solutions.keys.tau_prior", "from tooling.audit.numbers import judge", "solutions may import"),
        ("solutions.keys.tau_prior", "import solutions.keys.alpha_prior", "comes after it"),
        ("notebook_marking.marking", "import pymc as pm", "PyMC"),
        ("myst_nbval.rules", "from myst_nbval import pages", "comes after it"),
    ],
)
def test_what_is_forbidden_is_found(module, source, fault):
    [found] = faults(module, source)
    assert fault in found


PAGES = sorted(p for folder in ("chapters", "exercises", "solutions") for p in (ROOT / folder).glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_imports_what_is_made_for_pages(page):
    of_the_book = {*ROOMS, *(path.stem for path in ROOT.glob("tests/helpers/*.py"))}
    for cell, line in code_cells(read(page)):
        for name in imports(TransformerManager().transform_cell(cell.source)):
            if name.split(".")[0] in of_the_book:
                assert f"{name}.".startswith(tuple(f"{room}." for room in FOR_PAGES)), f"line {line}: {name}"


def test_each_room_keeps_to_its_number_of_lines():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf8")
    table = dict(re.findall(r"^\| `([\w/-]+)/` \|.*\| ([\d,]+) \|$", text, re.MULTILINE))
    assert len(table) == len(ROOMS)
    for folder, budget in table.items():
        code = [path for path in (ROOT / folder).rglob("*.py") if "tests" not in path.parts]
        lines = sum(len(path.read_text(encoding="utf8").splitlines()) for path in code)
        assert lines <= int(budget.replace(",", "")), folder


def test_every_entry_of_the_root_is_explained():
    entries = {name.split("/")[0] for name in listed()}
    text = "".join((ROOT / name).read_text(encoding="utf8") for name in ("README.md", "CONTRIBUTING.md"))
    explained = {
        name for name in entries if any(mark in text for mark in (f"`{name}`", f"`{name}/", f"]({name})"))
    }
    assert entries - explained == set()
