"""What commands generate and the repository keeps is fresh: the lock, the benchmarks, the picture.

The instructors' scores are generated too: tests/support/test_datasets.py makes them again.
"""

import re
import runpy
import tomllib
from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.quick


def stale(dependencies, lock):
    """Return what makes a lock stale: dependencies it lacks, has no longer, or has too old."""
    entries = re.findall(r"^([\w.-]+)==([^ ]+)[^\n]*\n((?:[ ]+[^\n]*\n)+)", lock, re.MULTILINE)
    versions = {canonicalize_name(name): version for name, version, _ in entries}
    direct = {canonicalize_name(name) for name, _, rest in entries if "partial-pooling-book (" in rest}
    wanted = [Requirement(text) for text in dependencies]
    names = {canonicalize_name(requirement.name) for requirement in wanted}
    found = [f"{name} is missing" for name in sorted(names - direct)]
    found += [f"{name} is no longer asked for" for name in sorted(direct - names)]
    for requirement in wanted:
        version = versions.get(canonicalize_name(requirement.name))
        if version and not requirement.specifier.contains(version):
            found.append(f"{requirement} is asked for, the lock has {version}")
    return found


def test_the_lock_is_compiled_from_the_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = stale(project["dependencies"], (ROOT / "requirements.txt").read_text())
    assert found == [], "run `make lock`"


@pytest.mark.parametrize(
    ("dependencies", "fault"),
    [
        (["ruff", "pymc>=6", "extra"], ["extra is missing"]),
        (["ruff"], ["pymc is no longer asked for"]),
        (["ruff", "pymc>=7"], ["pymc>=7 is asked for, the lock has 6.4.0"]),
        # numpy stands in the lock, but only because pymc needs it.
        (["ruff", "pymc", "numpy"], ["numpy is missing"]),
        (["Ruff", "pymc"], []),
    ],
)
def test_a_stale_lock_is_found(dependencies, fault):
    hashes = " \\\n    --hash=sha256:0\n"
    lock = (
        f"numpy==2.5{hashes}    # via pymc\n"
        f"pymc==6.4.0 ; x{hashes}    # via partial-pooling-book (pyproject.toml)\n"
        f"ruff==0.17{hashes}    # via\n    #   other\n    #   partial-pooling-book (pyproject.toml)\n"
    )
    assert stale(dependencies, lock) == fault


@pytest.fixture
def bench():
    """Return what the script of the benchmarks defines."""
    return runpy.run_path(str(ROOT / "tooling/scripts/bench.py"))


def test_the_table_of_benchmarks_shows_what_was_measured(bench):
    table = bench["table"](bench["recorded"]())
    assert (ROOT / "tooling/benchmarks/README.md").read_text() == table, "run `make bench`"


def test_what_was_measured_has_its_script(bench):
    scripts = {path.stem for path in (ROOT / "tooling/benchmarks").glob("*.py")}
    assert set(bench["recorded"]()) <= scripts


def test_the_first_page_states_the_waits_that_were_measured(bench):
    measured = {result["what"]: result["value"] for result in bench["recorded"]()["launch"]["results"]}
    text = " ".join((ROOT / "intro.md").read_text().split())
    first, fit = map(int, re.search(r"after about (\d+) seconds.+?after about (\d+)\.", text).groups())
    assert first == pytest.approx(measured["launch: first cell to first result"], rel=0.3)
    assert fit == pytest.approx(measured["launch: first cell to first sampled posterior"], rel=0.3)


def test_the_picture_of_the_readme_is_the_figure_of_the_book(tmp_path):
    picture = runpy.run_path(str(ROOT / "tooling/scripts/picture.py"))
    picture["draw"](tmp_path / "again.png")
    # A tolerance for versions of the font renderer; a moved dot differs by more.
    difference = compare_images(picture["PICTURE"], tmp_path / "again.png", tol=5)
    assert difference is None, f"run `make picture`: {difference}"
    assert picture["PICTURE"].stat().st_size < 100_000
    assert f"]({picture['PICTURE'].relative_to(ROOT)})" in (ROOT / "README.md").read_text()


def test_a_stale_picture_is_found(tmp_path, monkeypatch):
    picture = runpy.run_path(str(ROOT / "tooling/scripts/picture.py"))
    schools = picture["datasets"].eight_schools()
    schools["effect"].loc["A"] = 26
    monkeypatch.setattr(picture["datasets"], "eight_schools", lambda: schools)
    picture["draw"](tmp_path / "again.png")
    assert compare_images(picture["PICTURE"], tmp_path / "again.png", tol=5) is not None


def test_the_list_of_lasting_tests_has_no_dead_names():
    for line in (ROOT / "tests/lasting.txt").read_text("utf-8").splitlines():
        file, name = line.split("::")
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), line
