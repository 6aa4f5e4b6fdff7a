"""The mutations still apply, and what runs them tells the caught from the survivors."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from repository import git

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tooling/scripts/mutants.py"


def load_script():
    spec = importlib.util.spec_from_file_location("mutants", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module
    spec.loader.exec_module(module)
    return module


mutants = load_script()
MUTATIONS = mutants.load(ROOT / mutants.LIST)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what.replace(" ", "-"))
def test_each_mutation_still_applies(mutation):
    assert (ROOT / mutation.file).read_text(encoding="utf8").count(mutation.old) == 1
    assert mutation.new != mutation.old
    for selection in mutation.tests:
        path, *names = selection.split("::")
        text = (ROOT / path).read_text(encoding="utf8")
        for name in names:
            assert f"def {name.split('[')[0]}(" in text


def test_mutations_cover_what_the_book_promises():
    files = [mutation.file for mutation in MUTATIONS]
    assert len(MUTATIONS) >= 20
    assert len({(m.file, m.old, m.new) for m in MUTATIONS}) == len(MUTATIONS)
    assert len({mutation.what for mutation in MUTATIONS}) == len(MUTATIONS)
    stated = {m.file for m in MUTATIONS if m.file in m.tests and re.search(r"\d", m.old)}
    assert len(stated) >= 4, "a digit of a stated output on several pages"
    assert len({file for file in files if file.startswith("packages/hierarchical-exact/")}) >= 4
    for place in ("support/data/", "support/checks.py", "support/models.py", "tooling/audit/"):
        assert any(file.startswith(place) for file in files), place
    assert any("} The source differs" in m.old and "} The source differs" not in m.new for m in MUTATIONS)


# -- on a small repository ----------------------------------------------------------------------------

CODE = "FACTOR = 2\nUNUSED = 3\n\n\ndef double(x):\n    return FACTOR * x\n"
TESTS = "from support import double\n\n\ndef test_double():\n    assert double(4) == 8\n"
CAUGHT = {"what": "a factor", "file": "support/__init__.py", "old": "FACTOR = 2", "new": "FACTOR = 3"}
SURVIVOR = {"what": "unused", "file": "support/__init__.py", "old": "UNUSED = 3", "new": "UNUSED = 4"}
TWICE = {"what": "two places", "file": "support/__init__.py", "old": "FACTOR", "new": "DIVISOR"}
BROKEN = {"what": "no import", "file": "tests/test_a.py", "old": "import double", "new": "import triple"}


@pytest.fixture
def repository(tmp_path):
    """Return a small repository, with a file that git does not know and a change not yet committed."""
    folder = tmp_path / "repository"
    files = {"support/__init__.py": "", "tests/test_a.py": TESTS, "left_behind.txt": ""}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    subprocess.run([git(), "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", "support", "tests"], cwd=folder, check=True)
    (folder / "support/__init__.py").write_text(CODE)
    return folder


def run(repository, *changes):
    entries = [{"tests": "tests/test_a.py"} | change for change in changes]
    listed = repository / mutants.LIST
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text(yaml.safe_dump(entries))
    before = {path: path.read_bytes() for path in repository.rglob("*.*") if path.is_file()}
    process = subprocess.run(
        [sys.executable, SCRIPT, "--root", repository, "--jobs", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    after = {path: path.read_bytes() for path in repository.rglob("*.*") if path.is_file()}
    assert after == before, "the repository itself must stay as it was"
    return process


@pytest.mark.slow
def test_a_run_in_which_all_are_caught_succeeds(repository):
    process = run(repository, CAUGHT)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "1 of 1 changes caught" in process.stdout


@pytest.mark.slow
def test_each_outcome_is_reported_as_what_it_is(repository):
    process = run(repository, CAUGHT, SURVIVOR, TWICE, BROKEN, CAUGHT | {"what": "again"})
    assert process.returncode == 1
    *rows, _, last = process.stdout.splitlines()[-7:]
    outcomes = [re.split("  +", row) for row in rows]
    package = "support/__init__.py"
    assert [row[:4] for row in outcomes] == [
        ["caught", "a factor", package, "tests/test_a.py::test_double"],
        ["survived", "unused", package, "all tests passed"],
        ["not applicable", "two places", package, f"the old text stands 2 times in {package}, not once"],
        ["caught", "no import", "tests/test_a.py", "tests/test_a.py"],
        ["caught", "again", package, "tests/test_a.py::test_double"],
    ]
    assert last.startswith("3 of 5 changes caught")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"tests": "tests/test_a.py"}, "tests/test_a.py fails without any change"),
        ({"tests": "tests/test_b.py"}, "tests/test_b.py fails without any change"),
    ],
    ids=["tests that fail", "no such tests"],
)
def test_tests_that_do_not_pass_without_a_change_end_the_run(repository, change, fault):
    if change["tests"] == "tests/test_a.py":
        (repository / "support/__init__.py").write_text(CODE.replace("2", "5"))
    process = run(repository, SURVIVOR | change)
    assert process.returncode == 1
    assert fault in process.stderr
    assert "survived" not in process.stdout


@pytest.mark.slow
def test_a_copy_that_imports_another_package_ends_the_run(repository):
    command = ["git", "rm", "-q", "-f", "--cached", "support/__init__.py"]
    subprocess.run(command, cwd=repository, check=True)
    process = run(repository, CAUGHT)
    assert process.returncode == 1
    assert "not its own" in process.stderr
