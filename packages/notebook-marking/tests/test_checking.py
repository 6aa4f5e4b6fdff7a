"""One's own answers, checked at once, by the key of one's own data: first a hint, then the reason."""

from pathlib import Path

import pytest

from notebook_marking import answers, checking, sandbox

COURSE = Path(__file__).resolve().parent / "course"


@pytest.fixture
def make(course, tmp_path, monkeypatch):
    """Make the answers of a student, in a folder that knows nothing of others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(answers, "_RECORDED", {})
    monkeypatch.setattr(checking, "_TRIED", {})

    def of(student="", folder=COURSE):
        forms = course.forms()
        return checking.Answers("1", forms=forms, data=course.data, student=student, course=folder)

    return of


def said(capsys, answers, part):
    capsys.readouterr()
    answers.check(part)
    return capsys.readouterr().out.splitlines()


def test_first_there_is_a_hint_and_then_the_reason(make, capsys):
    mine = make("ada")
    assert said(capsys, mine, "a") == ["(a) total: not answered yet", "(a) largest: not answered yet"]
    mine.record("a", total=140, largest="third")
    cause = "this is what one gets by taking the product"
    assert said(capsys, mine, "a") == [f"(a) total: not right yet: {cause}", "(a) largest: right"]
    reason = f"you gave 140, and 16 is right; {cause}"
    assert said(capsys, mine, "a") == [f"(a) total: not right yet: {reason}", "(a) largest: right"]
    mine.record("a", total=16)
    assert said(capsys, mine, "a") == ["(a) total: right", "(a) largest: right"]


def test_the_key_is_that_of_one_s_own_data(make, capsys):
    for student, total in (("", 7), ("ada", 16), ("bobby", 22)):
        mine = make(student)
        mine.record("a", total=total)
        assert said(capsys, mine, "a") == ["(a) total: right", "(a) largest: not answered yet"]


def test_what_follows_and_prose_are_checked_too(make, capsys):
    mine = make()
    mine.record("a", total=10)
    mine.record("b", twice=20, explanation="It is so.")
    follows = "(b) twice: right, given what came before: worked out correctly from your (a) total"
    rubric = "(b) explanation: does it say two is said; and times is said?"
    assert said(capsys, mine, "b") == [follows, rubric]
    model = ["(b) explanation: the worked solution says: Because of this.", "And of that."]
    assert said(capsys, mine, "b") == [follows, *model]


@pytest.mark.parametrize("folder", [None, COURSE / "sums", COURSE.parent])
def test_where_there_are_no_keys_that_is_said_and_nothing_fails(make, capsys, folder):
    mine = make(folder=folder)
    mine.record("a", total=10)
    [line] = said(capsys, mine, "a")
    assert line.startswith("(a) cannot be checked here")


def test_a_copy_without_solutions_says_so(make, capsys, tmp_path):
    (tmp_path / "pyproject.toml").write_text((COURSE / "pyproject.toml").read_text())
    assert "cannot be checked here" in said(capsys, make(folder=tmp_path), "a")[0]


def test_an_unknown_part_is_named(make):
    with pytest.raises(ValueError, match="has no part 'z': give one of a, b, c"):
        make().check("z")


@pytest.mark.usefixtures("bubblewrap")
def test_nothing_can_be_checked_in_the_sandbox(course):
    page = f"""```{{code-cell}}
from notebook_marking.checking import Answers
forms = {course.forms()!r}
mine = Answers("1", forms=forms, data=lambda *_: {{}}, course={str(COURSE)!r})
mine.record("a", total=140, largest="first")
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()) as said:
    mine.check("a")
mine.record("b", explanation=said.getvalue())
```"""
    run = sandbox.run(page.encode(), ".md", "1", view=course.view)
    assert run.answers["parts"]["b"]["explanation"].startswith("(a) cannot be checked here")
