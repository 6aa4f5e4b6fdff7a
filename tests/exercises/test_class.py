"""A whole class is marked by the command: every notebook gets what it must, hostile neighbours or not."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from filling import notebook

from notebook_marking.course import Course
from notebook_marking.scheme import Text

ROOT = Path(__file__).resolve().parents[2]
CLASS = yaml.safe_load((ROOT / "tests" / "exercises" / "class.yaml").read_text("utf-8"))
HOSTILE = ROOT / "packages" / "notebook-marking" / "tests" / "hostile"
EXPECTED = yaml.safe_load((HOSTILE / "expected.yaml").read_text("utf-8"))
# Of the hostile ones those that end soon under the limits of a real class; the others run under short ones
# in the tests of the package.
SOON = sorted(
    name
    for name, entry in EXPECTED.items()
    if entry["status"] in {"finished", "stopped", "not a notebook", "no answers", "invalid answers"}
    and "limits" not in entry
)
INJECTION = "<img src=x onerror=alert(1)>=cmd()"
SCHEMES = Course.read(ROOT).schemes
# The answers of all worked solutions, as their pages record them, are marked in `test_marking.py`.
WITHOUT_SAMPLING = [SCHEMES[exercise] for exercise in ("5.8.1", "5.8.6")]

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="session")
def marked(tmp_path_factory):
    """Output of the command on the class."""
    folder = tmp_path_factory.mktemp("class")
    submitted = folder / "submitted"
    submitted.mkdir()
    for entry in CLASS:
        suffix = entry.get("suffix", ".md")
        (submitted / f"{entry['student']}_{entry['exercise']}{suffix}").write_text(notebook(entry), "utf-8")
    for scheme in WITHOUT_SAMPLING:
        solution = (ROOT / "solutions" / f"{scheme.page}.md").read_bytes()
        (submitted / f"teacher_{scheme.page}.md").write_bytes(solution)
    for name in SOON:
        file = HOSTILE / name
        (submitted / f"{file.stem}_5.8.1{file.suffix}").write_bytes(file.read_bytes())
    (submitted / f"{INJECTION}_5.8.1.md").write_text(notebook(CLASS[0]), "utf-8")
    (submitted / "link_5.8.1.md").symlink_to("complete_5.8.1.md")
    command = [sys.executable, "-m", "notebook_marking", str(submitted), str(folder / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stdout + done.stderr  # prose waits for a human
    return folder / "out"


def results(out, student, exercise):
    """Marks of one submission, from what Gradescope is given."""
    return json.loads((out / "gradescope" / f"{student}_{exercise}" / "results.json").read_text("utf-8"))


def answers_of(exercise):
    """Names that are marked, and what they are worth; the variables of a posterior one by one."""
    worth = {}
    for name, answer in SCHEMES[exercise].entries():
        points = answer.points if hasattr(answer, "points") else answer.out_of
        if isinstance(points, dict):
            worth |= {f"{name}.{variable}": value for variable, value in points.items()}
        else:
            worth[name] = points
    return worth


def marks_in(out, student, exercise):
    """Marks by part and name."""
    return {
        re.sub(r"\((\w)\) ", r"\1.", test["name"]): test for test in results(out, student, exercise)["tests"]
    }


@pytest.mark.parametrize("entry", CLASS, ids=[entry["student"] for entry in CLASS])
def test_each_notebook_gets_what_it_must(marked, entry):
    found = marks_in(marked, entry["student"], entry["exercise"])
    worth = answers_of(entry["exercise"])
    lost = dict.fromkeys(worth, "") if entry["lost"] == "all" else entry["lost"]
    prose = {name for name, answer in SCHEMES[entry["exercise"]].entries() if isinstance(answer, Text)}
    assert set(found) == set(worth)
    assert set(lost) <= set(worth)
    for name, test in found.items():
        assert test["max_score"] == worth[name]
        if name in lost:  # of several numbers some may be right
            several = getattr(dict(SCHEMES[entry["exercise"]].entries()).get(name), "kind", "") == "numbers"
            assert test["score"] < worth[name] if several else test["score"] == 0, name
            assert re.search(lost[name], test["output"]), f"{name}: {test['output']}"
        elif name in prose:
            assert "waits for a human" in test["output"], name
        else:
            assert test["score"] == worth[name], f"{name}: {test['output']}"
        if name in entry.get("follow", ()):
            assert "given your" in test["output"], name
    output = results(marked, entry["student"], entry["exercise"])["output"]
    for words in entry.get("remarks", ()):
        assert words in output


@pytest.mark.parametrize("scheme", WITHOUT_SAMPLING, ids=[scheme.id for scheme in WITHOUT_SAMPLING])
def test_the_worked_solution_gets_all_that_a_machine_gives(marked, scheme):
    found = marks_in(marked, "teacher", scheme.id)
    assert results(marked, "teacher", scheme.id)["output"] == ""
    prose = {name for name, answer in scheme.entries() if isinstance(answer, Text)}
    for name, test in found.items():
        if name in prose:
            assert "waits for a human" in test["output"]
        else:
            assert test["score"] == test["max_score"], f"{name}: {test['output']}"


def test_every_notebook_has_a_row(marked):
    with (marked / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = {(entry["student"], entry["exercise"]) for entry in CLASS}
    expected |= {("teacher", scheme.id) for scheme in WITHOUT_SAMPLING}
    others = {*(Path(name).stem for name in SOON), INJECTION, "link"}  # two files of one student: one row
    everything = [*expected, *((name, "5.8.1") for name in others)]
    assert sorted((row["student_id"], row["assignment"]) for row in rows) == sorted(everything)
    for row in [row for row in rows if (row["student_id"], row["assignment"]) in expected]:
        tests = marks_in(marked, row["student_id"], row["assignment"])
        assert float(row["score"]) == pytest.approx(sum(test["score"] for test in tests.values()))


def rows_of(marked):
    """Rows of the table of grades, by student, of exercise 5.8.1."""
    with (marked / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["student_id"]: row for row in csv.DictReader(file) if row["assignment"] == "5.8.1"}


@pytest.mark.parametrize("name", [*(Path(name).stem for name in SOON), "link"])
def test_nothing_hostile_gains_a_mark(marked, name):
    row = rows_of(marked)[name]
    assert float(row["score"]) == 0
    assert float(row["max_score"]) == SCHEMES["5.8.1"].out_of


def test_a_hostile_name_costs_no_marks_and_reaches_no_page_as_markup(marked):
    prose = sum(answer.out_of for _, answer in SCHEMES["5.8.1"].entries() if isinstance(answer, Text))
    assert float(rows_of(marked)[INJECTION]["score"]) == SCHEMES["5.8.1"].out_of - prose
    for page in marked.rglob("*.html"):
        assert "<img" not in page.read_text("utf-8")


def test_what_a_human_must_look_at_is_flagged(marked):
    with (marked / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        notes = {row["student_id"]: row["note"] for row in csv.DictReader(file)}
    for entry in CLASS:
        if "flag" in entry:
            assert entry["flag"] in notes[entry["student"]]


def test_make_says_what_is_missing():
    for given in ([], ["SUBMISSIONS=x"], ["OUT=x"]):
        process = subprocess.run(
            ["make", "-n", "grade", *given], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert process.returncode != 0
        assert "make grade SUBMISSIONS=folder OUT=folder" in process.stderr
    odd = ["SUBMISSIONS=$(shell touch pwned) a'b", "OUT=$x", "OPTIONS=--roster 'c $y.csv'"]
    words = ["make", "-n", "grade", *odd]
    process = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert r"'$(shell touch pwned) a'\''b' '$x' --roster 'c $y.csv'" in process.stdout
    assert not (ROOT / "pwned").exists()
    both = ["SUBMISSIONS=a b", "OUT=c", "OPTIONS=--jobs 2"]
    words = ["make", "-n", "grade", *both]
    process = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "-m notebook_marking 'a b' 'c' --jobs 2" in process.stdout
