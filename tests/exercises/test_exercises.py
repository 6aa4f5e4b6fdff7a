"""Exercises: what the student gets, and what `record` accepts."""

import ast
import importlib.util
import json
import re
from pathlib import Path

import jupytext
import numpy as np
import pytest

from notebook_marking.course import Course
from notebook_marking.scheme import PUBLIC, Text, read_scheme
from support.exercises import forms, personal

ROOT = Path(__file__).resolve().parents[2]
SCHEMES = Course.read(ROOT).schemes
PAGES = {scheme.page: scheme for scheme in SCHEMES.values()}


def script():
    """Return tooling/scripts/exercises.py as a module."""
    path = ROOT / "tooling/scripts/exercises.py"
    spec = importlib.util.spec_from_file_location("exercises_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = script()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# One source ------------------------------------------------------------------------------------


@pytest.mark.quick
def test_generated_files_are_fresh():
    wanted = SCRIPT.generate()
    stale = [
        path.name for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text
    ]
    left = {path.name for path in SCRIPT.EXERCISES.glob("*.md")} - {path.name for path in wanted}
    assert not stale, f"run `make exercises`: {stale}"
    assert not left, f"no solution has the name of {left} in exercises/: remove it, or move it away"


def test_what_is_not_generated_stays_and_what_was_changed_is_kept_aside(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(SCRIPT, "EXERCISES", tmp_path)
    monkeypatch.setattr(SCRIPT, "RECORD", tmp_path / ".generated")
    page = tmp_path / "shrinkage-arithmetic.md"
    text = (ROOT / "exercises" / page.name).read_text()
    wanted = {page: text, SCRIPT.RECORD: f"{SCRIPT.line(page, text.encode())}\n"}
    SCRIPT.write(wanted)
    changes = [
        text.replace("factors = ...", "factors = [0.5]"),
        text.replace('student=""', 'student="ada"'),
        text.replace("## Hand in", "My note: ask about tau.\n\n## Hand in"),
        text.replace("## Hand in", "```{code-cell} ipython3\n1 + 1\n```\n\n## Hand in"),
        text + "\n",
        text.replace("## Hand in", "D\udce9j\udce0 vu\n\n## Hand in"),  # in Latin-1
    ]
    for number, changed in enumerate(changes, start=1):
        assert changed != text
        page.write_text(changed, errors="surrogateescape")
        SCRIPT.write(wanted)
        assert page.read_text() == text
        aside = page.with_name(f"{page.name}.changed-{number}")
        assert f"{page.name} is not as it was generated: it is kept as {aside}" in capsys.readouterr().out
        assert aside.read_text(errors="surrogateescape") == changed
    newer = text.replace("how it works", "how")  # of a changed solution
    SCRIPT.write({page: newer, SCRIPT.RECORD: f"{SCRIPT.line(page, newer.encode())}\n"})
    assert page.read_text() == newer
    SCRIPT.write(wanted)
    assert len(list(tmp_path.glob("*.changed-*"))) == len(changes)
    mine = tmp_path / "mine.md"
    mine.write_text("# Mine\n")
    page.unlink()
    with pytest.raises(SystemExit, match=r"mine\.md in .* has no solution of that name"):
        SCRIPT.write(wanted)
    assert mine.exists()
    assert not page.exists()
    (tmp_path / ".#mine.md").symlink_to("nowhere")  # an editor's lock
    mine.unlink()
    SCRIPT.write(wanted)


def test_a_changed_solution_makes_the_exercise_stale(tmp_path):
    source = (ROOT / "solutions" / "shrinkage-arithmetic.md").read_text("utf-8")
    assert "work out $B_i" in source
    (tmp_path / "shrinkage-arithmetic.md").write_text(source.replace("work out $B_i", "find $B_i"), "utf-8")
    changed = SCRIPT.exercise(tmp_path / "shrinkage-arithmetic.md")
    assert changed != (ROOT / "exercises" / "shrinkage-arithmetic.md").read_text("utf-8")


def solution_only(page):
    """Lines of prose and code that only the solution has, by hand: all below `### Solution`."""
    lines, in_solution = [], False
    for line in (ROOT / "solutions" / f"{page}.md").read_text("utf-8").splitlines():
        if line.startswith("## "):
            in_solution = not line.startswith("## (")
        elif line.startswith("### Solution"):
            in_solution = True
        if in_solution:
            lines.append(line.strip())
    return [line for line in lines if len(line) >= 25]


@pytest.mark.parametrize("page", PAGES)
def test_each_answer_says_in_which_form_it_is_wanted(page):
    text = (ROOT / "exercises" / f"{page}.md").read_text("utf-8")
    for name, answer in PAGES[page].entries():
        lines = [line for line in text.splitlines() if line.startswith(f"- `{name[2:]}`: ")]
        assert lines, name
        if getattr(answer, "unit", ""):
            assert any(f"in {answer.unit}" in line for line in lines), name
        elif getattr(answer, "range", ()) == (0, 1):  # a share, not per cent
            assert any("from 0 to 1" in line for line in lines), name


@pytest.mark.parametrize("page", PAGES)
def test_nothing_of_the_solution_is_left_in_the_exercise(page):
    exercise = (ROOT / "exercises" / f"{page}.md").read_text("utf-8")
    stub_lines = {line.strip() for cell in stubs(page) for line in cell.splitlines()}
    left = [line for line in solution_only(page) if line in exercise and line not in stub_lines]
    assert solution_only(page) != []
    assert left == []


def stubs(page):
    """Code of the cells that students fill in."""
    notebook = jupytext.read(ROOT / "exercises" / f"{page}.md", fmt="md:myst")
    return [cell.source for cell in notebook.cells if ".record(" in cell.source and cell.cell_type == "code"]


@pytest.mark.parametrize("page", PAGES)
def test_stubs_hold_no_values(page):
    """All that a stub assigns is `...`, and all it records is assigned there."""
    for source in stubs(page):
        *assignments, record = ast.parse(source).body
        names = [node.targets[0].id for node in assignments]
        assert all(isinstance(node.value, ast.Constant) and node.value.value is ... for node in assignments)
        call = record.value
        assert {keyword.value.id for keyword in call.keywords if keyword.arg != "of"} <= set(names)
        # Comments are the solution's own words, and may not hold its numbers.
        comments = [line for line in source.splitlines() if line.startswith("#")]
        assert not re.search(r"\d\.\d", " ".join(comments))


@pytest.mark.parametrize("page", PAGES)
def test_nothing_of_the_scheme_but_its_public_part_is_left(page):
    scheme = PAGES[page]
    exercise = (ROOT / "exercises" / f"{page}.md").read_text("utf-8")
    public = json.dumps(forms()[scheme.id], ensure_ascii=False)
    for name, answer in scheme.entries():
        part, short = name.split(".")
        assert set(forms()[scheme.id]["parts"][part][short]) <= set(PUBLIC)
        if isinstance(answer, Text):
            for criterion in answer.rubric:
                assert criterion.criterion not in exercise
                assert criterion.criterion not in public
    for word in ("relative", "absolute", "sampled", "follows", "rubric", "needs", "points"):
        assert f'"{word}"' not in public


@pytest.mark.parametrize("page", PAGES)
def test_every_answer_is_asked_for_and_worth_something(page):
    scheme = PAGES[page]
    exercise = (ROOT / "exercises" / f"{page}.md").read_text("utf-8")
    for name, answer in scheme.entries():
        assert f"- `{name.split('.')[1]}`: {answer.meaning} (" in exercise
        assert answer.out_of > 0
        needs = getattr(answer, "needs", None)
        if needs and needs.divergences_at_least is None:  # else marks would ask for what nobody was told
            assert f"; at least {needs.ess:g} effective draws; " in exercise
    assert len(stubs(page)) == len(scheme.parts)
    assert exercise.count("The cells of a worked solution run in") == len(scheme.parts)


def test_every_exercise_of_the_source_is_there_with_all_its_parts():
    parts = {number: "".join(scheme.parts) for number, scheme in SCHEMES.items()}
    assert {number: parts[number] for number in ("5.8.1", "5.8.2", "5.8.3", "5.8.4")} == {
        "5.8.1": "abcd",
        "5.8.2": "abc",
        "5.8.3": "abcd",
        "5.8.4": "abcd",
    }
    assert {"try-unequal-regions", "5.8.5", "5.8.6", "5.8.7"} <= set(SCHEMES)


@pytest.mark.parametrize("page", PAGES)
def test_exercise_and_solution_lead_to_each_other(page):
    label = SCRIPT.label(PAGES[page])
    assert f"](solution-{label})" in (ROOT / "exercises" / f"{page}.md").read_text("utf-8")
    assert f"](exercise-{label})" in (ROOT / "solutions" / f"{page}.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("absolute: 0.006", "tolerance: 0.006", "tolerance"),
        ("absolute: 0.006", "", "give one of"),
        ("absolute: 0.006", "relative: 0.005, absolute: 0.1", "give one of"),
        ("follows: [a.factors]", "follows: [d.factor]", "does not come before"),
        ("points: 2", "points: -2", "greater than 0"),
        ("kind: choice", "kind: menu", "menu"),
        ("range: [0, 1]", "range: [0, .inf]", "which no notebook can hold: write inf, without a dot"),
    ],
)
def test_a_mistake_in_a_scheme_is_named(tmp_path, old, new, message):
    source = (ROOT / "solutions" / "shrinkage-arithmetic.md").read_text("utf-8")
    assert old in source
    page = tmp_path / "shrinkage-arithmetic.md"
    page.write_text(source.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=message):
        read_scheme(page)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  data: schools", "  data: pupils", "`data` of the exercise is 'pupils': give one of schools, "),
        ("(solution-5-8-1)=\n", "", r"there is no '\(solution-5-8-1\)="),
        ("](exercise-5-8-1)", "](exercise-5-8-2)", r"there is no '\]\(exercise-5-8-1\)': begin the page as"),
        (
            'most = "H"\n',
            "",
            r"part \(a\): most is recorded as 'most', which the cell does not assign: assign",
        ),
        ("factors=factors, ranks", "factors=B, ranks", r"part \(a\): factors is recorded as 'B', which the"),
        (
            "ranks=ranks, most=most",
            "most=most",
            r"\(a\): it records factors, most, least, the scheme has factors, r",
        ),
        (
            "factors = B\n",
            "factors = B\nprint(B)\n",
            r"\(a\): the cell tagged `answer` has 'print\(B\)', which stu",
        ),
        ("factors = B\n", "factors = other = B\n", r"has 'factors = other = B', which students would get"),
        (
            'record(\n    "a"',
            'record(\n    "b"',
            r"part \(a\): the cell tagged `answer` does not end in answers.r",
        ),
        ("factor = B_I\n", "factor = (\n", r"part \(d\): the cell tagged `answer` is not Python"),
        (
            "tags: [answer, remove-cell]\nexpect: |\n  (d)",
            "expect: |\n  (d)",
            "parts a, b, c have a cell tagged",
        ),
    ],
)
def test_a_page_that_is_no_exercise_is_refused(tmp_path, old, new, message):
    page = tmp_path / "shrinkage-arithmetic.md"
    source = (ROOT / "solutions" / page.name).read_text("utf-8")
    assert old in source
    page.write_text(source.replace(old, new), "utf-8")
    with pytest.raises(ValueError, match=r"solutions/shrinkage-arithmetic\.md.*" + message):
        SCRIPT.exercise(page)


def test_a_page_that_the_contents_lack_is_named(tmp_path):
    page = tmp_path / "new-page.md"
    page.write_text((ROOT / "solutions" / "shrinkage-arithmetic.md").read_text("utf-8"), "utf-8")
    with pytest.raises(
        ValueError, match=r"new-page\.md: exercises/new-page is not in _toc\.yml: name it there"
    ):
        SCRIPT.exercise(page)


# Data of one's own -----------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", SCHEMES)
def test_an_id_gives_the_same_data_always_and_another_id_others(exercise):
    def values(student):
        return [array.values for arrays in personal.data(exercise, student).values() for array in arrays]

    for ours, again in zip(values("ada"), values(" ADA"), strict=True):
        np.testing.assert_array_equal(ours, again)
    assert any(not np.array_equal(a, b) for a, b in zip(values("ada"), values("bob"), strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(values("ada"), values(""), strict=True))
    shapes = [array.shape for array in values("")]
    assert [array.shape for array in values("ada")] == shapes


def test_the_seed_is_the_documented_one():
    # printf '5.8.1:ada' | sha256sum | head -c 16
    assert f"{personal.seed('5.8.1', 'Ada'):016x}" == "eb718adc4c16c56e"


def test_the_packages_that_students_are_told_of_are_there_and_the_others_are_not():
    there, absent = re.search(
        r"packages of this book \((.*?)\).*?such as (.*?)\.\n", SCRIPT.HOW_IT_WORKS, re.S
    ).groups()
    modules = {"scikit-learn": "sklearn"}
    for names, expected in ((there, True), (absent, False)):
        for name in re.split(r",\s+|\s+or\s+", names):
            found = importlib.util.find_spec(modules.get(name, name.lower())) is not None
            assert found == expected, name


def test_an_id_that_is_a_number_is_refused():
    with pytest.raises(ValueError, match="student is 123: give the id as text, such as '123'"):
        personal.data("5.8.1", 123)
