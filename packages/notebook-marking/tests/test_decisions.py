"""What a teacher decides: marks with reasons, what being late takes away; and whose marks have moved."""

import csv
import io
import time as clock
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup

from notebook_marking import decisions, gradebooks, marking, plain, reports, rosters
from notebook_marking.marking import Mark, Marked
from notebook_marking.runs import Run
from notebook_marking.scheme import Scheme
from notebook_marking.submissions import Submission, absent

PARTS = {
    "a": {
        "answers": {
            "factors": {"kind": "number", "is": "the factor", "points": 2, "relative": 0.1},
            "most": {"kind": "choice", "options": ["A", "B"], "is": "the school", "points": 1},
        }
    },
    "b": {
        "answers": {"explanation": {"kind": "text", "is": "why", "rubric": [{"points": 2.5, "for": "all"}]}}
    },
}
SOLUTION = Path(__file__).parent / "course" / "worked" / "sums.md"
DUE = plain.moment("2026-03-05 12:00+00:00")


def overrides(out, *lines):
    plain.write(out / "overrides.csv", decisions.HEADER + "\n".join(lines) + "\n")


def course_of(parts):
    scheme = Scheme(id="5.8.1", page="shrinkage-arithmetic", title="Shrinkage Arithmetic", parts=parts)
    return SimpleNamespace(schemes={"5.8.1": scheme}, page=lambda scheme: SOLUTION)


COURSE = course_of(PARTS)


def submission(student="ada", exercise="5.8.1"):
    return Submission(student, exercise, Path("work.ipynb"))


def marked(student="ada", text="Because.", flags=()):
    """Two points of three, and a text that waits unless it is empty."""
    prose = Mark("b", "explanation", None if text else 0, 2.5, "review" if text else "missing")
    marks = (Mark("a", "factors", 2, 2, "right"), Mark("a", "most", 0, 1, "wrong", "B is right"), prose)
    texts = {"b.explanation": text} if text else {}
    return Marked(submission(student), Run("finished", {}), marks, texts, tuple(flags))


def rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def fill(out, points):
    """Fill in the only row of the table of marks."""
    path = out / "review/marks.csv"
    [row] = rows(path)
    path.write_text(f"{','.join(row)}\n{','.join((row | {'points': points}).values())}\n")


def soup(path):
    return BeautifulSoup(path.read_text(), "html.parser")


def make(out, *classes, course=COURSE, **rules):
    report = reports.report(classes, course, out, **rules)
    reports.write(report.files, out)
    return report


def handed_in(time="", name="ada", **facts):
    one = marked(name)
    return replace(one, submission=replace(one.submission, time=time, **facts))


# Overrides ---------------------------------------------------------------------------------


def test_a_teacher_s_mark_counts_everywhere_with_its_reason(tmp_path):
    close = "(a) most: you gave 7, too small; this is so close that a human should look at it"
    one = marked(flags=[close])
    make(tmp_path, one)
    assert rows(tmp_path / "overrides.csv") == []
    overrides(
        tmp_path,
        'ADA,5.8.1,a.most,"0,5","Your drawing, on paper, is right."',
        "ada,5.8.1,(b) explanation,2,Oral.",
    )
    report = make(tmp_path, one)
    [row] = rows(tmp_path / "grades.csv")
    assert (row["score"], row["state"], row["note"]) == ("4.5", "marked", "")
    assert not report.needs_human
    page = soup(tmp_path / "feedback/ada.html").get_text()
    assert "decided by a human" in page
    assert "Your drawing, on paper, is right. (it had 0 points)" in page
    assert "Oral. (a human had not marked it)" in page
    assert rows(tmp_path / "moved.csv")[0]["why"] == (
        "overrides.csv: Your drawing, on paper, is right. (it had 0 points)"
    )
    overrides(tmp_path)
    make(tmp_path, one)
    assert rows(tmp_path / "moved.csv")[-1]["why"] == "no longer in overrides.csv"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("ada,5.8.1,a.most,2,why", "points is '2': give a number from 0 to 1"),
        ("ada,5.8.1,a.most,much,why", "points is 'much': give a number from 0 to 1"),
        ("ada,5.8.1,a.most,,why", "points is '': give a number from 0 to 1"),
        ("ada,5.8.1,a.most,1,", "reason is empty"),
        ("ada,5.8.1,a.mots,1,why", "answer is 'a.mots': give one of late, a.factors, a.most, b.explanation"),
        ("ada,05.08.2001,a.most,1,why", "exercise is '05.08.2001': give one of '5.8.1'"),
        (",5.8.1,a.most,1,why", "student is empty"),
        ("ada,5.8.1,a.most,1,why,not", "more cells than columns"),
        ("ada,5.8.1,a.most,0,why\nAda,5.8.1,a.most,1,why", "stands in line 2 already"),
    ],
)
def test_a_row_that_cannot_be_taken_is_named_and_nothing_is_written(tmp_path, line, fault):
    overrides(tmp_path, line)
    with pytest.raises(ValueError, match=r"overrides\.csv:\d: ") as refused:
        make(tmp_path, marked())
    assert fault in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["overrides.csv"]


def test_a_row_for_nobody_is_listed_and_what_a_teacher_wrote_stays(tmp_path):
    overrides(tmp_path, "eve,5.8.1,a.most,1,why")
    before = (tmp_path / "overrides.csv").read_bytes()
    report = make(tmp_path, marked(text=""))
    assert "overrides.csv:2: there is no submission of eve for 5.8.1" in report.summary
    assert report.needs_human
    assert (tmp_path / "overrides.csv").read_bytes() == before


def test_marks_of_posteriors_are_known_by_their_variables(tmp_path):
    fit = {"kind": "posterior", "is": "a fit", "of": {"mu": [], "tau": []}, "points": {"mu": 2}}
    scheme = Scheme(id="1", page="x", title="X", parts={"c": {"answers": {"fit": fit}}})
    overrides(tmp_path, "ada,1,c.fit.mu,1,why")
    [one] = decisions.read(tmp_path / "overrides.csv", {"1": scheme})
    mark = Mark("c", "fit.mu", 0, 2, "wrong")
    [decided], _ = decisions.apply([Marked(submission("ada", "1"), None, (mark,))], [one], {"1": scheme})
    assert decided.points == 1


def test_what_has_points_only_with_an_answer_has_them_again_once_a_teacher_gives_that_its_own(tmp_path):
    number = {"kind": "number", "is": "x", "points": 1, "relative": 0.1}
    chain = {"c": number | {"only_with": ["a.b"]}, "b": number | {"only_with": ["a.a"]}, "a": number}
    scheme = Scheme(id="1", page="x", title="X", parts={"a": {"answers": chain}})
    marks = (Mark("a", "c", 1, 1, "right"), Mark("a", "b", 1, 1, "right"), Mark("a", "a", 0, 1, "wrong"))
    one = Marked(submission("ada", "1"), None, marking.together(marks, scheme))
    assert [mark.points for mark in one.marks] == [0, 0, 0]
    for line, points in (("ada,1,a.a,0.5,why", [1, 1, 0.5]), ("ada,1,a.b,1,why", [1, 1, 0])):
        overrides(tmp_path, line)
        rows = decisions.read(tmp_path / "overrides.csv", {"1": scheme})
        [decided], _ = decisions.apply([one], rows, {"1": scheme})
        assert [mark.points for mark in decided.marks] == points
    waiting = (*marks[:2], Mark("a", "a", None, 1, "review"))
    assert [mark.points for mark in marking.together(waiting, scheme)] == [1, 1, None]


# Late --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "rule", "penalty"),
    [
        ("2026-03-05 12:00:00 UTC", "1", 0),
        ("2026-03-05 12:00:59.5 UTC", "1", 0),  # in the minute that is shown
        ("2026-03-05 12:01:00 UTC", "1", 1),
        ("2026-03-06 12:00:00 UTC", "1", 1),
        ("2026-03-06 12:01:00 UTC", "1", 2),
        ("2026-03-06T13:30:00+01:00", "10%", 1.1),
        ("2026-03-06 04:30:00.123456 -0800", "10%", 1.1),
        ("2026-03-05 13:00:00.5 Z", "10%", 0.55),
        ("2026-03-25 13:00:00 UTC", "10%", 5.5),
    ],
)
def test_each_day_that_has_begun_takes_its_points(time, rule, penalty):
    lateness = replace(decisions.lateness(rule), due=DUE)
    assert decisions.late(handed_in(time), lateness, 5.5).penalty == pytest.approx(penalty)


@pytest.mark.parametrize(("due", "time"), [("10-24", "10-25"), ("03-28", "03-29")])
def test_a_day_in_which_clocks_are_changed_is_one_day(monkeypatch, due, time):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    clock.tzset()
    try:
        rule = replace(decisions.lateness("1"), due=plain.moment(f"2026-{due} 23:59"))
        assert decisions.late(handed_in(f"2026-{time} 23:30"), rule, 5.5).penalty == 1
    finally:
        monkeypatch.undo()
        clock.tzset()


def test_a_penalty_is_shown_everywhere_and_takes_no_more_than_there_is(tmp_path):
    lateness = replace(decisions.lateness("1"), due=DUE)
    make(tmp_path, handed_in("2026-03-06 11:00:00 UTC"), lateness=lateness)
    [row] = rows(tmp_path / "grades.csv")
    assert [row[name] for name in ("raw_score", "late_submission_penalty", "score")] == ["2.0", "1.0", "1.0"]
    assert row["duedate"]
    page = soup(tmp_path / "feedback/ada.html").get_text()
    assert "1 of 5.5 points" in page
    assert "1 day late, 1 points for each day: 1 points are taken away" in page
    assert '"score": 1.0' in (tmp_path / "gradescope/ada_5.8.1/results.json").read_text()
    make(tmp_path, handed_in("2026-03-16 11:00:00 UTC"), lateness=lateness)
    assert rows(tmp_path / "grades.csv")[0]["score"] == "0.0"


def test_an_extension_on_the_roster_counts_before_the_date_of_all(tmp_path):
    late = decisions.late(
        handed_in("2026-03-07 11:00:00 UTC", due="2026-03-07 12:00+00:00"), decisions.Lateness(DUE, 1), 5
    )
    assert late.penalty == 0
    path = tmp_path / "roster.csv"
    path.write_text("id,name,due\nada,A,2026-03-07\nbob,B,\n")
    assert rosters.read(path).find([("id", "ada")])["due"] == "2026-03-07"
    assert rosters.read(path).find([("", "2026-03-07")]) is None
    assert plain.moment("2026-03-07").hour == 23
    path.write_text("id,due\nada,7.3.2026\n")
    with pytest.raises(ValueError, match=r"roster\.csv:2: due is '7\.3\.2026': give a date and a time"):
        rosters.read(path)


def test_late_without_a_time_needs_a_human_who_may_decide(tmp_path):
    one, rule = handed_in(late=True), {"lateness": decisions.Lateness(DUE, 1)}
    assert "not by how much" in make(tmp_path, one, **rule).summary
    overrides(tmp_path, "ada,5.8.1,late,0.5,Half a day.", "ada,5.8.1,b.explanation,1,Oral.")
    report = make(tmp_path, one, **rule)
    assert not report.needs_human
    assert [row["score"] for row in rows(tmp_path / "grades.csv")] == ["2.5"]
    assert (
        "Half a day. (decided by a human): 0.5 points are taken away"
        in soup(tmp_path / "feedback/ada.html").get_text()
    )


@pytest.mark.parametrize("text", ["", "soon", "5/3/2026 12:00", "Donnerstag, 5. März 2026"])
def test_a_time_that_could_be_misread_is_none(text):
    assert plain.handed_in(text) is None


def test_moodle_s_worksheet_says_when(tmp_path):
    path = tmp_path / "grades.csv"
    path.write_text(
        "Identifier,Full name,Grade,Last modified (submission)\n"
        'Participant 301,"First01 Last01",,"Thursday, 5 March 2026, 2:22 PM"\n'
        'Participant 302,"First02 Last02",,-\n'
    )
    classes = [submission("first01 last01"), submission("first02 last02"), submission("eve")]
    times = [plain.handed_in(one.time) for one in gradebooks.with_times(path, classes)]
    assert times == [datetime(2026, 3, 5, 14, 22).astimezone(), None, None]


# Nothing handed in ---------------------------------------------------------------------------


def test_who_handed_in_nothing_has_a_row_and_no_zero_in_a_gradebook(tmp_path):
    roster = rosters.make([{"id": "ada", "name": "Ada"}, {"id": "bob", "name": "Bob"}])
    [none] = absent([marked("ada").submission], roster, {"5.8.1"})
    stray = Submission("bob", "", Path("essay.ipynb"), "there is no exercise of this name")
    [but] = absent([marked("ada").submission, stray], roster, {"5.8.1"})
    assert "for 5.8.1: bob (but essay.ipynb)" in make(tmp_path / "but", Marked(but, None, ())).summary
    lost = Mark("a", "most", 0, 1, "missing", "not marked: nothing was handed in")
    nothing = Marked(none, Run("not run", {}, ()), (lost,))
    report = make(tmp_path, marked(text=""), nothing)
    assert not report.needs_human
    assert "Nothing handed in for 5.8.1: bob" in report.summary
    assert "1 submission of 1 student" in report.summary
    assert [row["state"] for row in rows(tmp_path / "grades.csv")] == ["marked", "nothing handed in"]
    assert "Nothing was handed in." in soup(tmp_path / "feedback/bob.html").get_text()
    table = tmp_path / "canvas.csv"
    table.write_text("Student,ID,5.8.1\nAda,1,\nBob,2,\n")
    assert gradebooks.fill(table, report.marked)[0] == "Student,ID,5.8.1\nAda,1,2\nBob,2,\n"
    overrides(tmp_path, "bob,5.8.1,a.most,1,On paper.")
    assert "Bob,2,1" in gradebooks.fill(table, make(tmp_path, marked(text=""), nothing).marked)[0]


# What has moved ------------------------------------------------------------------------------


def moved(out):
    text = (out / "moved.csv").read_text(encoding="utf-8-sig") if (out / "moved.csv").exists() else ""
    return [
        (row["answer"], row["before"], row["now"], row["why"]) for row in csv.DictReader(io.StringIO(text))
    ]


def test_marks_that_move_are_listed_with_their_reason(tmp_path):
    one = replace(marked(), run=Run("finished", {"parts": {"a": {"factors": 1.0, "most": "A"}}}))
    assert "Moved" not in make(tmp_path, one).summary
    fill(tmp_path, points="1")  # marked for the first time, which is no move
    assert "Moved" not in make(tmp_path, one).summary
    assert moved(tmp_path) == []

    fill(tmp_path, points="2")
    assert "5.8.1 b.explanation: ada 1 of 2.5 → 2 of 2.5 (review/marks.csv)" in make(tmp_path, one).summary

    parts = deepcopy(PARTS)
    parts["a"]["answers"]["most"] |= {"points": 3}
    changed = course_of(parts)
    better = replace(
        one, marks=(one.marks[0], replace(one.marks[1], points=3, out_of=3, state="right"), one.marks[2])
    )
    make(tmp_path, better, course=changed)
    assert moved(tmp_path)[-1] == ("a.most", "0 of 1", "3 of 3", "the scheme has changed: points: 1.0 → 3.0")

    answers = {"parts": {"a": {"factors": 2.0, "most": "A"}}}
    other = replace(
        better, run=Run("finished", answers), marks=(replace(one.marks[0], points=1), *better.marks[1:])
    )
    make(tmp_path, other, course=changed)
    assert moved(tmp_path)[-1] == ("a.factors", "2 of 2", "1 of 2", "another answer was handed in")

    key = replace(other, marks=(replace(one.marks[0], points=2), *better.marks[1:]))
    make(tmp_path, key, course=changed)
    assert moved(tmp_path)[-1] == (
        "a.factors",
        "1 of 2",
        "2 of 2",
        "the key, the data or the marking has changed",
    )
    assert len(moved(tmp_path)) == 4
    before = (tmp_path / "moved.csv").read_bytes()
    assert "Moved" not in make(tmp_path, key, course=changed).summary
    assert (tmp_path / "moved.csv").read_bytes() == before


def test_a_mark_that_moves_is_listed_though_a_file_beside_it_cannot_be_read(tmp_path):
    unread = replace(submission(), path=Path("x.zip"), problem="it is broken")
    one = marked()
    beside = Marked(unread, None, tuple(replace(mark, points=0, state="missing") for mark in one.marks))
    for _ in range(2):
        assert "Moved" not in make(tmp_path, one, beside).summary
    make(tmp_path, replace(one, marks=(replace(one.marks[0], points=1), *one.marks[1:])), beside)
    assert [move[:3] for move in moved(tmp_path)] == [("a.factors", "2 of 2", "1 of 2")]


def test_a_broken_history_is_begun_anew(tmp_path):
    plain.write(tmp_path / "history.json", '{"marks": 3')
    assert "Moved" not in make(tmp_path, marked()).summary
    make(tmp_path, marked())
