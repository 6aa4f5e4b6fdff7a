"""Exercises: what the student gets, and what `record` accepts."""

import ast
import importlib.util
import json
import re
from pathlib import Path

import jupytext
import numpy as np
import pytest
import xarray as xr

from notebook_marking.course import Course
from notebook_marking.forms import STATISTICS, plain
from notebook_marking.scheme import PUBLIC, Text, read_scheme
from support.exercises import Answers, forms, personal

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


def test_generated_files_are_fresh():
    wanted = SCRIPT.generate()
    stale = [
        path.name for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text
    ]
    left = {path.name for path in SCRIPT.EXERCISES.glob("*.md")} - {path.name for path in wanted}
    assert not stale, f"run `make exercises`: {stale}"
    assert not left, f"run `make exercises`, which removes {left}"


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
def test_nothing_of_the_solution_is_left_in_the_exercise(page):
    exercise = (ROOT / "exercises" / f"{page}.md").read_text("utf-8")
    stub_lines = {line.strip() for cell in stubs(page) for line in cell.splitlines()}
    left = [line for line in solution_only(page) if line in exercise and line not in stub_lines]
    assert len(solution_only(page)) > 50
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
    ],
)
def test_a_mistake_in_a_scheme_is_named(tmp_path, old, new, message):
    source = (ROOT / "solutions" / "shrinkage-arithmetic.md").read_text("utf-8")
    assert old in source
    page = tmp_path / "shrinkage-arithmetic.md"
    page.write_text(source.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=message):
        read_scheme(page)


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


# Recording -------------------------------------------------------------------------------------


def number(**more):
    return {"kind": "number"} | more


@pytest.mark.parametrize(
    ("form", "value", "result"),
    [
        (number(), 3, 3.0),
        (number(), np.float32(0.5), 0.5),
        (number(), xr.DataArray(2.5), 2.5),
        ({"kind": "numbers", "shape": [2]}, (1, 2), [1.0, 2.0]),
        ({"kind": "numbers", "shape": [2]}, xr.DataArray([1.0, 2.0]), [1.0, 2.0]),
        ({"kind": "interval"}, np.array([0.0, 1.0]), [0.0, 1.0]),
        ({"kind": "choice", "options": ["A", "B"]}, " a ", "A"),
        ({"kind": "choice", "options": ["A", "B"]}, np.array("B"), "B"),
        ({"kind": "choice", "options": ["A", "B"]}, xr.DataArray("B"), "B"),
        ({"kind": "choice", "options": ["2", "3"]}, 3, "3"),
        ({"kind": "text"}, "  Because. ", "Because."),
    ],
)
def test_answers_in_their_form_are_brought_to_plain_numbers(form, value, result):
    assert plain(form, value) == result
    assert type(plain(form, value)) is type(result)


class Equal:
    """Claims to be equal to everything, and to be any number."""

    def __eq__(self, other):
        return True

    __hash__ = None

    def __float__(self):
        return 0.41


@pytest.mark.parametrize(
    ("form", "value", "message"),
    [
        (number(), "0.5", "one number, not '0.5'"),
        (number(), True, "not True"),
        (number(), 1 + 2j, "one number"),
        (number(), [1.0], "not an array of shape"),
        (number(), Equal(), "one number, not "),
        (number(), float("nan"), "not every number is finite"),
        (number(range=[0, 1]), 86.2, "86.2 is outside the possible range, 0 to 1"),
        (number(range=[0, float("inf")], unit="points"), -1, "at least 0 points"),
        ({"kind": "numbers", "shape": [8]}, np.zeros(7), r"give 8 numbers, not an array of shape \(7,\)"),
        ({"kind": "numbers", "shape": [8]}, 3.0, "give 8 numbers, not a single number"),
        ({"kind": "numbers", "shape": [2]}, [[1], [1, 2]], "cannot be read as numbers"),
        ({"kind": "interval"}, (2.0, 1.0), "lower end first"),
        ({"kind": "choice", "options": ["A", "B"]}, "C", "give one of 'A', 'B'"),
        ({"kind": "choice", "options": ["A", "B"]}, ["A"], "not among the options"),
        ({"kind": "text"}, 3, "text in quotes"),
        ({"kind": "text"}, "  ", "empty"),
        ({"kind": "text"}, "x" * 10_001, "at most 10000"),
        ({"kind": "posterior", "of": {"tau": []}}, {"tau": 3}, "what sample"),
        ({"kind": "posterior", "of": {"tau": []}}, [1, 2], "what sample"),
    ],
)
def test_other_answers_are_refused_with_a_message_that_says_what_to_give(form, value, message):
    with pytest.raises(ValueError, match=message):
        plain(form, value)


def fit(tau, diverging=None, **more):
    """A fit in the form in which PyMC returns it."""
    variables = {"tau": (["chain", "draw"], tau)} | more
    diverging = np.zeros(tau.shape, bool) if diverging is None else diverging
    sample_stats = xr.Dataset({"diverging": (["chain", "draw"], diverging)})
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables), "sample_stats": sample_stats})


def test_a_posterior_is_reduced_to_plain_numbers():
    rng = np.random.default_rng(58)
    tau = rng.normal(3.0, 2.0, (4, 1000))
    diverging = np.arange(4000).reshape(4, 1000) < 7
    theta = (["chain", "draw", "school"], rng.normal(0, [1.0, 5.0], (4, 1000, 2)))
    form = {"kind": "posterior", "of": {"tau": [], "theta": [2]}}
    summary = plain(form, fit(tau, diverging, theta=theta))
    assert (summary["chains"], summary["draws"], summary["divergences"]) == (4, 1000, 7)
    found = summary["quantities"]["tau"]
    assert set(found) == set(STATISTICS)
    assert found["mean"] == pytest.approx(tau.mean())
    assert found["sd"] == pytest.approx(tau.std(ddof=1))
    # Independent draws: the errors are those of the textbook, and the ESS is about their number.
    assert found["mcse_mean"] == pytest.approx(2 / 4000**0.5, rel=0.2)
    assert found["mcse_sd"] == pytest.approx(2 / 8000**0.5, rel=0.2)
    assert found["ess_bulk"] == pytest.approx(4000, rel=0.2)
    assert found["r_hat"] == pytest.approx(1, abs=0.01)
    # 89% of a Normal variable lie within 1.598 standard deviations.
    assert found["lower"] == pytest.approx(3 - 1.598 * 2, abs=0.4)
    assert found["upper"] == pytest.approx(3 + 1.598 * 2, abs=0.4)
    assert np.shape(summary["quantities"]["theta"]["mean"]) == (2,)
    json.dumps(summary, allow_nan=False)


@pytest.mark.parametrize(
    ("idata", "message"),
    [
        (fit(np.zeros((1, 100))), "at least two chains"),
        (fit(np.zeros((4, 100))), "does not vary"),
        (fit(np.full((4, 100), np.nan)), "not finite"),
        (
            xr.DataTree.from_dict({"posterior": xr.Dataset({"mu": (["chain", "draw"], np.ones((4, 9)))})}),
            "'tau'",
        ),
        (fit(np.ones((4, 9))).children["posterior"], "what sample"),
        (
            xr.DataTree.from_dict(
                {"posterior": fit(np.random.default_rng(1).normal(size=(4, 9)))["posterior"]}
            ),
            "sample_stats",
        ),
    ],
)
def test_a_posterior_that_says_nothing_is_refused(idata, message):
    with pytest.raises(ValueError, match=message):
        plain({"kind": "posterior", "of": {"tau": []}}, idata)


def test_a_notebook_writes_one_file_of_answers(capsys):
    answers = Answers("5.8.1", student="ada")
    answers.record("a", factors=..., most=...)
    assert not answers.path.exists()
    answers.record("a", factors=[0.5] * 8, most=..., least="E")
    answers.record("d", factor=0.4)
    assert json.loads(answers.path.read_text("utf-8")) == {
        "exercise": "5.8.1",
        "student": "ada",
        "parts": {"a": {"factors": [0.5] * 8, "least": "E"}, "d": {"factor": 0.4}},
    }
    assert [path.name for path in answers.path.parent.iterdir()] == ["5.8.1.json"]
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "(a) not answered yet: factors, ranks, most, least",
        "(a) recorded: factors, least",
        "(a) not answered yet: ranks, most",
        "(d) recorded: factor",
        "(d) not answered yet: meaning",
    ]


def test_one_malformed_answer_does_not_cost_the_others():
    answers = Answers("5.8.1")
    with pytest.raises(ValueError, match=r"\(a\) not recorded: most .*'Z' is not among the options"):
        answers.record("a", factors=[0.5] * 8, most="Z", least="E")
    recorded = json.loads(answers.path.read_text("utf-8"))["parts"]["a"]
    assert set(recorded) == {"factors", "least"}


def test_what_cannot_be_kept_spoils_nothing(monkeypatch):
    """An answer that JSON cannot hold is refused by itself; later ones are kept."""
    answers = Answers("5.8.1")
    monkeypatch.setattr("notebook_marking.answers.plain", lambda form, value, of: value)
    with pytest.raises(TypeError):
        answers.record("d", factor=object())
    answers.record("d", factor=0.4)
    assert json.loads(answers.path.read_text("utf-8"))["parts"] == {"d": {"factor": 0.4}}


def test_recording_says_nothing_of_right_and_wrong(capsys):
    for factors in ([0.0] * 8, [0.5] * 8):
        Answers("5.8.1").record("a", factors=factors, most="A", least="A")
    first, second = capsys.readouterr().out.strip().split("\n(a) rec")
    second = "(a) rec" + second
    assert first == second == "(a) recorded: factors, most, least\n(a) not answered yet: ranks"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exercise": "5.8.9"}, "exercise is '5.8.9': give one of"),
        ({"exercise": "5.8.1", "student": "../x"}, "student is '../x': give your id"),
        ({"exercise": "5.8.1", "student": 7}, "student is 7"),
        ({"exercise": "5.8.1", "student": "x" * 65}, "at most 64"),
    ],
)
def test_wrong_use_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Answers(**arguments)


def test_unknown_parts_and_names_are_named():
    answers = Answers("5.8.1")
    with pytest.raises(ValueError, match="no part 'e': give one of a, b, c, d"):
        answers.record("e", x=1)
    with pytest.raises(ValueError, match=r"part \(a\) asks for factors, ranks, most, least, not for factor"):
        answers.record("a", factor=1)
    with pytest.raises(ValueError, match="part 'a' has no data of its own"):
        answers.data("a")
