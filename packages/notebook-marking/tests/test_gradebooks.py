"""Grades on their way back: what a system exported comes back with points, and otherwise as it was."""

import csv
import io
from dataclasses import replace

import pytest

from notebook_marking import gradebooks
from notebook_marking.marking import Mark, Marked
from notebook_marking.runs import Run
from notebook_marking.submissions import Submission

CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Exercise 5.8.1 (4412),Exercise 5.8.10 (4413),Final Score
"    Points Possible",,,,,13,9,(read only)
"Last01, Ada",101,u1,ada@school.example,S1,,7,
"Last02, Bo Jörg",102,u2,bo@school.example,S1,,,
"Last03, Cy",103,u3,cy@school.example,S1,3,,
"""
MOODLE = """\
\ufeffIdentifier,Full name,Email address,Status,Grade,Maximum Grade,Last modified (submission)
Participant 301,Ada Last01,ada@school.example,Submitted for grading,,13.00,"Thursday, 5 March 2026"
Participant 302,Bo Jörg Last02,bo@school.example,Submitted for grading,-,13.00,"Friday, 6 March 2026"
Participant 303,Cy Last03,cy@school.example,No submission,3,13.00,-
"""
REPORT = """\
First name;Last name;ID number;Assignment: 5.8.1 (Real)
Ada;Last01;s1;-
Bo Jörg;Last02;s2;-
Cy;Last03;s3;3
"""


def one(student, points, *, name="", ids=(), exercise="5.8.1"):
    marks = (Mark("a", "x", 2.5, 5, "right"), Mark("a", "y", points, 8, "right" if points else "review"))
    submission = Submission(student, exercise, "x.ipynb", name=name, ids=ids)
    return Marked(submission, Run("finished", {}), marks)


def filled(tmp_path, text, classes):
    path = tmp_path / "export.csv"
    path.write_text(text, encoding="utf-8")
    found, missing = gradebooks.fill(path, classes)
    return list(csv.reader(io.StringIO(found), delimiter=";" if ";" in text else ",")), missing


def test_a_system_s_number_stands_in_its_own_column_only(tmp_path):
    """Ada's number in Canvas is Bo's in the table, and her name there is another."""
    cells = (("id", "student01"), ("name", "Ada Byron"), ("canvas", "s2"), ("number", "s1"))
    ada = one("student01", 4.0, name="Ada Byron", ids=("student01", "ada byron", "s2", "s1"))
    ada = replace(ada, submission=replace(ada.submission, cells=cells))
    rows, missing = filled(tmp_path, REPORT, [ada])
    assert [row[3] for row in rows] == ["Assignment: 5.8.1 (Real)", "6.5", "-", "3"]
    assert missing == []
    elsewhere = replace(ada, submission=replace(ada.submission, cells=cells[:3]))
    rows, missing = filled(tmp_path, REPORT, [elsewhere])
    assert [row[3] for row in rows[1:]] == ["-", "-", "3"]
    assert missing == ["student01"]


@pytest.mark.parametrize(("canvas", "points"), [("999", ""), ("101", "6.5"), ("ada l", "6.5")])
def test_who_has_the_name_and_another_number_is_another(tmp_path, canvas, points):
    ada = one("x", 4.0, name="Ada Last01")
    cells = (("name", "Ada Last01"), ("canvas", canvas))
    ada = replace(ada, submission=replace(ada.submission, cells=cells))
    rows, missing = filled(tmp_path, CANVAS, [ada])
    assert rows[2][5] == points
    assert missing == ["x"] * (not points)


def test_of_points_and_percentages_the_points_are_filled_in(tmp_path):
    both = "\n".join(f"{line};{line.split(';')[-1]}" for line in REPORT.splitlines())
    both = both.replace("(Real);Assignment: 5.8.1 (Real)", "(Percentage);Assignment: 5.8.1 (Real)")
    rows, _ = filled(tmp_path, both, [one("x", 4.0, name="Ada Last01")])
    assert rows[1][3:] == ["-", "6.5"]


@pytest.mark.parametrize(
    ("header", "exercises"),
    [
        ("Student,Homework 5.8.1 and 5.8.2", ("5.8.1", "5.8.2")),
        ("Student,5.8.1 draft,5.8.1", ("5.8.1",)),
    ],
)
def test_columns_that_could_be_for_several_exercises_are_refused(tmp_path, header, exercises):
    path = tmp_path / "book.csv"
    path.write_text(f"{header}\nAda Last01,,\n")
    with pytest.raises(ValueError, match=r"could be for exercise .*: give each one column of its own"):
        gradebooks.with_times(path, [], exercises)


@pytest.mark.parametrize(("text", "column"), [(CANVAS, 5), (MOODLE, 4), (REPORT, 3)])
@pytest.mark.parametrize("known", ["roster", "system"])
def test_points_come_into_their_cells_and_nothing_else_changes(tmp_path, text, column, known):
    if known == "roster":
        classes = [
            one("student01", 4.0, name="Ada Last01", ids=("student01", "101", "ada@school.example")),
            one("student02", 0.5, name="Last02, Bo Jörg"),
        ]
    else:
        classes = [one("last01ada", 4.0, ids=None), one("Bo Jörg Last02", 0.5, ids=None)]
    before = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=";" if ";" in text else ","))
    after, missing = filled(tmp_path, text, classes)
    first = next(i for i, row in enumerate(before) if "Last01" in " ".join(row))
    before[first][column], before[first + 1][column] = "6.5", "3"
    assert after == before
    assert missing == []


def test_who_waits_for_a_human_has_no_points_yet_and_who_is_not_there_is_named(tmp_path):
    marks = tuple(replace(mark, points=0.0, state="missing") for mark in one("u2", 0.0).marks)
    nothing = replace(one("u2", 0.0), marks=marks)  # out of time before the first, or not to be marked
    unread = replace(one("u3", 0.0), submission=replace(one("u3", 0.0).submission, problem="a link"))
    table, missing = filled(tmp_path, CANVAS, [one("u1", None), *[one("zoe", 4.0)] * 2, nothing, unread])
    assert [row[5] for row in table[2:]] == ["", "", "3"]  # as they were
    assert missing == ["zoe"]
    decided = replace(nothing, marks=(replace(nothing.marks[0], points=1, state="decided"),))
    assert filled(tmp_path, CANVAS, [decided])[0][3][5] == "1"


@pytest.mark.parametrize("text", [MOODLE, REPORT])
def test_where_the_comma_is_the_decimal_sign_points_have_it_too(tmp_path, text):
    """A spreadsheet that expects it would take 6.5 for the sixth of May."""
    text = text.replace("13.00", '"13,00"').replace(";3\n", ";3,00\n")
    after, _ = filled(tmp_path, text, [one("student01", 4.0, name="Ada Last01")])
    assert any("6,5" in row for row in after)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b\n1,2\n", ":1: no column says who is who"),
        (CANVAS.replace("5.8.1 (", "One ("), ":1: no column is for exercise 5.8.1"),
    ],
)
def test_another_table_is_refused(tmp_path, text, fault):
    path = tmp_path / "book.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=fault):
        gradebooks.with_times(path, [], {"5.8.1"})  # before anything runs


def signed(student, points, **cells):
    """A submission of one whom a roster knows."""
    cells = {"id": student} | cells
    found = one(student, points, name=cells.get("name", ""), ids=(student,))
    return replace(found, submission=replace(found.submission, cells=tuple(cells.items())))


def test_an_id_is_no_number_of_the_system_and_a_partners_row_stays_as_it_is(tmp_path):
    """Class numbers look like Canvas's numbers of others; a column of the roster holds another's id."""
    ada, bo = signed("102", 4.0, name="Last01, Ada"), signed("101", 0.5, name="Last02, Bo Jörg")
    rows, missing = filled(tmp_path, CANVAS, [ada, bo])
    assert ([row[5] for row in rows[2:4]], missing) == (["6.5", "3"], [])
    ada, bo = signed("s2", 4.0, name="Ada Last01", partner="s1"), signed("s1", 0.5, partner="s2")
    rows, missing = filled(tmp_path, REPORT, [ada, bo])
    assert [row[3] for row in rows[1:]] == ["3", "-", "3"]  # the name says one row, the id another's
    assert missing == ["s2"]


def test_a_row_that_two_find_is_nobodys(tmp_path):
    rows, missing = filled(
        tmp_path, REPORT, [signed("x", 4.0, name="Ada Last01"), signed("y", 1.0, number="s1")]
    )
    assert [row[3] for row in rows[1:]] == ["-", "-", "3"]
    assert missing == ["x", "y"]


def test_the_number_of_a_participant_finds_its_row(tmp_path):
    rows, missing = filled(tmp_path, MOODLE, [signed("x", 4.0, name="A. L.", moodle="301")])
    assert (rows[1][4], missing) == ("6.5", [])


def test_a_table_with_a_picture_in_a_cell_or_a_cell_too_many_is_read(tmp_path):
    long = MOODLE.replace("No submission", "x" * 200_000)
    rows, _ = filled(tmp_path, long, [signed("x", 4.0, moodle="301")])
    assert rows[1][4] == "6.5"
    path = tmp_path / "more.csv"
    path.write_text(MOODLE.replace("13.00,-\n", "13.00,-,more\n"), encoding="utf-8")
    (found,) = gradebooks.with_times(path, [signed("x", 4.0, moodle="302").submission])
    assert found.time == "Friday, 6 March 2026"


def test_a_file_that_cannot_be_read_takes_no_points_of_the_one_beside_it(tmp_path):
    """A teacher's own mark is for the student, and so stands in both rows: one of them has all the others."""
    whole = signed("x", 4.0, name="Ada Last01")
    unread = replace(whole, submission=replace(whole.submission, problem="it is a folder"))
    decided = (replace(whole.marks[0], state="decided"), Mark("a", "y", 0.0, 8, "missing"))
    for both in ([whole, replace(unread, marks=decided)], [replace(unread, marks=decided), whole]):
        rows, _ = filled(tmp_path, REPORT, both)
        assert rows[1][3] == "6.5"


@pytest.mark.parametrize("text", [CANVAS, MOODLE, MOODLE.replace("13.00", '"13,00"')])
def test_a_column_with_other_points_than_the_exercise_is_named(tmp_path, text):
    """Else 6.5 points of 13 would be 6.5 of 100 there."""
    path = tmp_path / "book.csv"
    path.write_text(text, encoding="utf-8")
    assert gradebooks.other_points(path, {"5.8.1": 13}) == []
    [words] = gradebooks.other_points(path, {"5.8.1": 12.5})
    assert words == "book.csv gives 13 points for 5.8.1, which has 12.5: change it there."
    path.write_text(REPORT, encoding="utf-8")  # which does not say
    assert gradebooks.other_points(path, {"5.8.1": 12.5}) == []
