"""What is listed as common to two students, and what is not."""

import pytest

from notebook_marking import marking, reports, similar
from notebook_marking.runs import Run
from notebook_marking.submissions import Submission

TEXT = "Because the standard error of this school is large, its report says little."
MODEL = "because of   this.\nAnd of that."


def flags(course, *students, ids=(), path="{}.md"):
    """Flags of a class: each student has an id, and answers by part."""
    marked = []
    for name, (used, parts) in zip("abcd", students, strict=False):
        run = Run("finished", {"exercise": "1", "student": used, "parts": parts})
        submission = Submission(
            f"student{name}", "1", path.format(name), ids=ids or (used,) if ids is not None else None
        )
        marked.append(marking.mark(submission, run, course.schemes["1"], course))
    return [one.private for one in similar.flagged(marked, course)]


def test_identical_prose_is_listed_however_it_is_set(course):
    first, second, third = flags(
        course,
        ("ada", {"b": {"explanation": TEXT}}),
        ("bob", {"b": {"explanation": TEXT.upper().replace(" ", "\n")}}),
        ("cy", {"b": {"explanation": TEXT + " Or so it seems to me."}}),
    )
    assert first == ("(b) explanation: the same text as 'studentb'",)
    assert second == ("(b) explanation: the same text as 'studenta'",)
    assert third == ()


def test_one_notebook_of_a_team_is_like_itself(course):
    one = ("ada", {"a": {"total": 16.012345}, "b": {"explanation": TEXT}})
    assert flags(course, one, one, ids=("ada", "bob"), path="team.md") == [(), ()]
    assert all(flags(course, one, one, ids=("ada", "bob")))


def test_short_prose_may_be_the_same(course):
    assert flags(course, *[("ada", {"b": {"explanation": "Because it is."}})] * 2) == [(), ()]


def test_the_model_answer_is_known(course, monkeypatch):
    monkeypatch.setattr(similar, "SHORTEST", 10)
    assert flags(course, ("ada", {"b": {"explanation": MODEL}})) == [
        ("(b) explanation: the text of the model answer",)
    ]


@pytest.mark.parametrize(("total", "listed"), [(16.012345, True), (16.0, False)])
def test_equal_numbers_for_different_data_are_listed(course, total, listed):
    first, second = flags(course, ("ada", {"a": {"total": total}}), ("adalbert", {"a": {"total": total}}))
    assert first == (("(a) total: the same numbers for other data as 'studentb'",) if listed else ())
    assert bool(second) == listed


def test_equal_right_numbers_on_the_same_data_are_not(course):
    number = 16.012345
    assert flags(course, ("ada", {"a": {"total": number}}), ("Ada", {"a": {"total": number}})) == [(), ()]


def test_an_id_that_two_used_is_named(course):
    parts = {"a": {"total": 16.0}}
    found = flags(course, ("ada", parts), ("ada", parts), ("bob", parts), ids=None)
    assert found == [("the id of 'studentb'",), ("the id of 'studenta'",), ()]


@pytest.mark.parametrize(
    "value", [[[1.5], [2.5, [3.5]]], [[]], [None, {"a": 1}], {"quantities": 1}, True, "x"]
)
def test_answers_of_any_shape_harm_nobody(course, value):
    parts = {"a": {"total": value}, "b": value, "z": {"": value}}
    assert len(flags(course, ("ada", parts), ("bobby", parts))) == 2


def test_a_submission_without_marks_is_left_as_it_is(course):
    marked = marking.Marked(Submission("a", "", "x", "not run"), Run("not run", {}), ())
    assert similar.flagged([marked], course) == [marked]


def test_a_hand_written_map_of_ids_hides_nothing(course):
    """Marked is by the ids of the parts, and so is what two have in common."""
    parts = {"a": {"total": 16.0}}
    forged = {"exercise": "1", "student": "bob", "students": dict.fromkeys("abc", "ada"), "parts": parts}
    honest = {"exercise": "1", "student": "ada", "parts": parts}
    marked = [
        marking.mark(
            Submission(name, "1", name, ids=None), Run("finished", answers), course.schemes["1"], course
        )
        for name, answers in (("one", honest), ("two", forged))
    ]
    assert marked[1].flags == ("signed as 'bob', of whom no part is",)
    assert [one.private for one in similar.flagged(marked, course)] == [
        ("the id of 'two'",),
        ("the id of 'one'",),
    ]
    text = forged | {"students": dict.fromkeys("abc", "")}
    found = marking.mark(
        Submission("two", "1", "x", ids=None), Run("finished", text), course.schemes["1"], course
    )
    assert "with the data of the text" in reports.note(found)
