"""What a class and its teacher get: complete, adding up, harmless whatever strangers write, never lost."""

import csv
import errno
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bs4 import BeautifulSoup

from notebook_marking import plain, reports, review, rosters
from notebook_marking.marking import Mark, Marked
from notebook_marking.runs import Run
from notebook_marking.scheme import Scheme
from notebook_marking.submissions import Submission, find

NBGRADER = [
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
    "raw_score", "late_submission_penalty", "score", "max_score",
]  # fmt: skip
SCHEME = Scheme(
    id="5.8.1",
    page="shrinkage-arithmetic",
    title="Shrinkage Arithmetic",
    parts={
        "a": {
            "answers": {
                "factors": {
                    "kind": "number",
                    "is": r"the factor $B$ at $\tau$",
                    "points": 2,
                    "relative": 0.1,
                },
                "most": {"kind": "choice", "options": ["A", "B"], "is": "the school", "points": 1},
            }
        },
        "b": {
            "answers": {
                "explanation": {
                    "kind": "text",
                    "is": "why they differ",
                    "rubric": [
                        {"points": 1, "for": "mu is not 8"},
                        {"points": 1.5, "for": "tau is small"},
                    ],
                }
            }
        },
    },
)
SCHEMES = {"5.8.1": SCHEME}
SOLUTION = Path(__file__).resolve().parent / "course" / "worked" / "sums.md"
COURSE = SimpleNamespace(schemes=SCHEMES, page=lambda scheme: SOLUTION)
HOSTILE = [
    "<script>alert(1)</script>",
    "</title><script>alert(2)</script>",
    '"><img src=x onerror=alert(3)>',
    "=cmd()|'/C calc'!A0",
    "+1+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1",
    "../../x",
    "a/b",
    "..",
    "",
    'O\'Neil, "Q"',
    "Ada",
    "ada",
    "two\nlines",
    "\x1b[31mred\x00",
    "\u202egnp.exe",
    "lone \ud800 surrogate",
    "{{ 7 * 7 }}{% raw %}",
    "x" * 300,
    "CON",
    "ﬁ",
]


def submission(student="ada", exercise="5.8.1", problem=""):
    return Submission(student, exercise, Path(f"submitted/{exercise}.ipynb"), problem)


def marked(student="ada", text="Because mu is not 8.", reason="", remarks=(), flags=()):
    """One submission: two points of three, and a text that waits unless it is empty."""
    prose = Mark("b", "explanation", None, 2.5, "review", "")
    if not text:
        prose = replace(prose, points=0, state="missing")
    marks = (
        Mark("a", "factors", 2, 2, "right", ""),
        Mark("a", "most", 0, 1, "wrong", reason or "Look at the standard errors again."),
        prose,
    )
    texts = {"b.explanation": text} if text else {}
    return Marked(submission(student), Run("finished", {}, tuple(remarks)), marks, texts, tuple(flags))


def lost(student="eve", status="out of time", problem="", exercise="5.8.1"):
    """A submission from which nothing came back."""
    return Marked(submission(student, exercise, problem), Run(status, {}, ()), (), {}, ())


def make(out, *classes):
    """Write everything for a class, as the command does."""
    report = reports.report(classes, COURSE, out)
    reports.write(report.files, out)
    return report


def rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def fill(out, **cells):
    """Fill in the only row of the table, or the one of a student, as a human would."""
    path = out / "review/marks.csv"
    table = rows(path)
    row = next(row for row in table if row["student"] == cells.get("student", row["student"]))
    row |= cells
    save(path, table)


def save(path, table, encoding="utf-8", **options):
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(table[0]), **options)
    writer.writeheader()
    writer.writerows(table)
    path.write_bytes(stream.getvalue().encode(encoding))


def soup(path):
    return BeautifulSoup(path.read_text(), "html.parser")


def everything(out):
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}


# Complete, and adding up -------------------------------------------------------------------


def test_every_submission_has_a_row_whatever_became_of_it(tmp_path):
    classes = [
        marked("ada"),
        marked("bob", text=""),
        lost("eve"),
        lost("mallory", "not a notebook", problem="a symbolic link"),
        lost("trent", "no answers", exercise=""),
        lost("trent", "no answers", exercise="9.9"),
        marked("ada"),
    ]
    make(tmp_path, *classes)
    table = rows(tmp_path / "grades.csv")
    assert list(table[0])[: len(NBGRADER)] == NBGRADER
    assert sorted(row["student_id"] for row in table) == sorted(one.submission.student for one in classes)
    by_student = {row["student_id"]: row for row in table}
    assert by_student["bob"]["score"] == by_student["bob"]["raw_score"] == "2.0"
    assert by_student["bob"]["max_score"] == "5.5"
    assert [by_student[name]["state"] for name in ("ada", "bob", "eve", "mallory")] == [
        "waits",
        "marked",
        "problem",
        "problem",
    ]
    assert by_student["eve"]["score"] == "0.0"
    assert "out of time" in by_student["eve"]["note"]
    assert "symbolic link" in by_student["mallory"]["note"]
    assert by_student["trent"]["max_score"] == ""
    assert len(list((tmp_path / "gradescope").glob("*/results.json"))) == len(classes)
    assert len(list((tmp_path / "feedback").glob("*.html"))) == 5


@pytest.mark.parametrize("name", ["Last01 Two, Ada B", "Ada B Last01"])
def test_grades_have_the_name_and_address_of_the_roster(tmp_path, name):
    known = rosters.make([{"id": "ada", "name": name, "email": "ada@school.example", "due": ""}])
    work = tmp_path / "sub" / "ada_5.8.1.md"
    work.parent.mkdir()
    work.write_text("```{code-cell}\n1\n```")
    [submission] = find(work.parent, {"shrinkage-arithmetic": "5.8.1"}, known)
    make(tmp_path, replace(marked("ada"), submission=submission))
    [row] = rows(tmp_path / "grades.csv")
    last = "Last01 Two" if "," in name else "Last01"
    assert (row["last_name"], row["first_name"], row["email"]) == (last, "Ada B", "ada@school.example")


def test_the_time_is_that_of_nbgrader(tmp_path):
    one = marked()
    times = {"ada": "2026-11-22 10:11:12.13 UTC", "bob": "=1", "cid": ""}
    for student in times:  # whose file this is, nobody knows
        plain.write(tmp_path / student / "timestamp.txt", "1999-01-01 00:00:00 UTC")
    classes = [
        replace(
            one,
            submission=replace(one.submission, student=name, time=when, path=tmp_path / name / "5.8.1.ipynb"),
        )
        for name, when in times.items()
    ]
    make(tmp_path / "out", *classes)
    written = [row["timestamp"] for row in rows(tmp_path / "out/grades.csv")]
    assert written == ["2026-11-22 10:11:12.13 UTC", "'=1", ""]


def test_totals_are_the_sums_of_points_everywhere(tmp_path):
    make(tmp_path, marked("ada"), marked("bob"))
    fill(tmp_path, student="ada", points="0.1")
    make(tmp_path, marked("ada"), marked("bob"))
    assert [row["score"] for row in rows(tmp_path / "grades.csv")] == ["2.1", "2.0"]
    result = json.loads((tmp_path / "gradescope/ada_5.8.1/results.json").read_text())
    assert result["score"] == 2.1 == pytest.approx(sum(test["score"] for test in result["tests"]))
    assert sum(test["max_score"] for test in result["tests"]) == SCHEME.out_of == 5.5
    assert [test.get("status") for test in result["tests"]] == ["passed", "failed", "failed"]
    page = soup(tmp_path / "feedback/ada.html")
    assert page.select_one(".total").get_text(" ", strip=True) == "2.1 of 5.5 points"
    assert [part.get_text() for part in page.select("h3 small")] == ["2 of 3", "0.1 of 2.5"]
    waits = json.loads((tmp_path / "gradescope/bob_5.8.1/results.json").read_text())["tests"][2]
    assert "status" not in waits
    assert "waits" in waits["output"]
    total = soup(tmp_path / "feedback/bob.html").select_one(".total").get_text(" ", strip=True)
    assert "2 of 5.5 points" in total
    assert "2.5 more" in total


@pytest.mark.parametrize(("points", "status"), [(0.75, "failed"), (2.0, "passed"), (None, None)])
def test_gradescope_takes_points_of_any_kind_of_number(points, status):
    one = Marked(
        Submission("ada", "5.8.1", Path("x.md")),
        None,
        (Mark("a", "factors", points and np.float64(points), 2, "partly"),),
    )
    [test] = json.loads(reports.gradescope(one, {"5.8.1": SCHEME}))["tests"]
    assert test.get("status") == status


def test_gradescope_gets_only_the_fields_that_it_knows(tmp_path):
    make(tmp_path, marked(remarks=["cell 3: NameError"]))
    result = json.loads((tmp_path / "gradescope/ada_5.8.1/results.json").read_text())
    assert set(result) <= {"score", "output", "output_format", "visibility", "extra_data", "tests"}
    assert result["output"] == "cell 3: NameError"
    for test in result["tests"]:
        known = {"name", "score", "max_score", "status", "output", "output_format", "visibility"}
        assert set(test) <= known
        assert test["visibility"] in {"hidden", "after_due_date", "after_published", "visible"}


def test_feedback_says_what_was_wrong_and_why(tmp_path):
    reason = "You gave the variance, not the standard deviation."
    make(tmp_path, marked(reason=reason, remarks=["cell 4: KeyError: 'x'"]), lost("eve"))
    page = soup(tmp_path / "feedback/ada.html")
    (wrong,) = page.select("li.wrong")
    assert "the school" in wrong.get_text()
    assert "You gave the variance" in wrong.get_text()
    (right,) = page.select("li.right")
    assert "the factor B at τ" in right.get_text()
    assert "cell 4: KeyError: 'x'" in page.get_text()
    (waits,) = page.select("li.review")
    assert "waits for a human" in waits.get_text()
    assert "out of time" in soup(tmp_path / "feedback/eve.html").select_one(".trouble").get_text()


def test_hints_say_nothing_of_what_is_right(tmp_path):
    wrong = Mark("a", "factors", 0, 2, "wrong", "you gave 1, and 7.25 is right", "you gave 1, too small")
    one = replace(marked(), marks=(wrong,))
    for hints in (False, True):
        reports.write(reports.report([one], COURSE, tmp_path, hints=hints).files, tmp_path)
        for name in ("feedback/ada.html", "gradescope/ada_5.8.1/results.json"):
            text = (tmp_path / name).read_text()
            assert ("7.25" in text, "too small" in text) == (not hints, hints)
        assert ("Hints only" in (tmp_path / "feedback/ada.html").read_text()) == hints


def test_what_names_other_students_is_for_the_teacher_only(tmp_path):
    one = replace(marked(), private=("(b) explanation: the same text as 'bob'",))
    assert "the same text as 'bob'" in make(tmp_path, one).summary
    assert "the same text as 'bob'" in rows(tmp_path / "grades.csv")[0]["note"]
    for name in ("feedback/ada.html", "gradescope/ada_5.8.1/results.json"):
        assert "bob" not in (tmp_path / name).read_text()


def test_the_summary_counts_what_there_is(tmp_path):
    classes = [marked("ada"), marked("bob", text=""), marked("cid", flags=["odd id"]), lost("eve")]
    report = make(tmp_path, *classes)
    lines = [line.split() for line in report.summary.splitlines()]
    assert lines[0] == ["4", "submissions", "of", "4", "students"]
    assert [line[0] for line in lines[1:4]] == ["1", "2", "1"]
    assert "  cid, 5.8.1: odd id\n  eve, 5.8.1: out of time\n" in report.summary
    assert "2 prose answers to mark" in report.summary
    assert lines[-1] == ["5.8.1", "4", "1.5", "of", "5.5", "(a)", "0", "(b)", "0"]
    assert report.needs_human
    assert not make(tmp_path / "other", marked("bob", text="")).needs_human


# Marks by a human --------------------------------------------------------------------------


def test_human_marks_are_merged_once_and_stay(tmp_path):
    make(tmp_path, marked())
    fill(tmp_path, points="1.5", comment="tau is missing")
    assert not make(tmp_path, marked()).needs_human
    first = everything(tmp_path)
    assert rows(tmp_path / "grades.csv")[0]["score"] == "3.5"
    assert "tau is missing" in soup(tmp_path / "feedback/ada.html").select_one("li.marked").get_text()
    for _ in range(2):
        make(tmp_path, marked())
        assert everything(tmp_path) == first


def test_what_a_human_typed_is_never_altered(tmp_path):
    make(tmp_path, marked("ada"), marked("bob"))
    comment = '=good, "very"\nsecond line'
    typed = {"points": " 2,5 ", "comment": comment, "my own column": "x", "student": "ada"}
    path = tmp_path / "review/marks.csv"
    table = [row | {"my own column": ""} for row in rows(path)]
    next(row for row in table if row["student"] == "ada").update(typed)
    save(path, list(reversed(table)))
    make(tmp_path, marked("bob"), marked("cid"), marked("ada"))
    kept = {row["student"]: row for row in rows(path)}
    assert {name: kept["ada"][name] for name in typed} == typed
    assert kept["bob"]["points"] == kept["cid"]["points"] == ""
    assert rows(tmp_path / "grades.csv")[0]["score"] == "4.5"


def test_what_a_human_typed_into_a_column_of_their_own_stays_before_there_are_points(tmp_path):
    make(tmp_path, marked("ada"), marked("bob"))
    path = tmp_path / "review/marks.csv"
    save(path, [row | {"second reader": f"for {row['student']}"} for row in rows(path)])
    make(tmp_path, marked("ada"), marked("cid"))
    assert {row["student"]: row["second reader"] for row in rows(path)} == {"ada": "for ada", "cid": ""}


def test_a_comment_without_points_stays_and_the_answer_still_waits(tmp_path):
    make(tmp_path, marked())
    fill(tmp_path, comment="ask a colleague")
    assert make(tmp_path, marked()).needs_human
    assert rows(tmp_path / "review/marks.csv")[0]["comment"] == "ask a colleague"
    assert "colleague" not in (tmp_path / "feedback/ada.html").read_text()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path, encoding):
    make(tmp_path, marked("0012"))
    path = tmp_path / "review/marks.csv"
    table = rows(path)
    # What spreadsheets do to ids with zeros, to dates, and to rows below the table.
    table[0] |= {"points": "1,5", "student": "12", "exercise": "05.08.2001", "comment": "très bien"}
    save(path, [*table, dict.fromkeys(table[0], "")], encoding, delimiter=";", lineterminator="\r\n")
    make(tmp_path, marked("0012"))
    (row,) = rows(path)
    assert (row["student"], row["exercise"], row["comment"]) == ("0012", "5.8.1", "très bien")
    assert rows(tmp_path / "grades.csv")[0]["score"] == "3.5"


def test_the_marks_of_a_submission_that_is_gone_are_kept_and_its_student_is_named(tmp_path):
    make(tmp_path, marked("ada"), marked("=bob"))
    fill(tmp_path, student="'=bob", points="2", comment="good", exercise="05.08.2001")
    assert not make(tmp_path, marked("ada", text=""), marked("=bob")).needs_human
    for _ in range(2):
        report = make(tmp_path, marked("ada"))
        assert report.needs_human
        assert "there is no submission any more by =bob for 5.8.1, b.explanation" in report.summary
        kept = {row["student"]: row for row in rows(tmp_path / "review/marks.csv")}
        assert (kept["'=bob"]["points"], kept["'=bob"]["comment"]) == ("2", "good")
    make(tmp_path, marked("ada"), marked("=bob"))
    assert [row["score"] for row in rows(tmp_path / "grades.csv")] == ["4.0", "2.0"]


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ({"points": "3"}, "points is '3': give a number from 0 to 2.5"),
        ({"points": "-1"}, "points is '-1'"),
        ({"points": "nan"}, "points is 'nan'"),
        ({"points": "1e999"}, "points is '1e999'"),
        ({"points": "two"}, "points is 'two'"),
        ({"points": "1_0"}, "points is '1_0'"),
        ({"points": "1", "code": "nobody"}, "no prose answer has the code 'nobody'"),
        ({"comment": "x", "code": ""}, "no prose answer has the code ''"),
        ({"points": "1", "student": "bob,x"}, "there are more cells than columns"),
    ],
)
def test_a_row_that_cannot_be_taken_is_named_and_nothing_is_written(tmp_path, cells, fault):
    make(tmp_path, marked("ada"), marked("bob"))
    path = tmp_path / "review/marks.csv"
    table = rows(path)
    line = 2 + [row["student"] for row in table].index("bob")
    table[line - 2] |= cells
    save(path, table)
    path.write_text(path.read_text().replace('"bob,x"', "bob,x"))
    before = everything(tmp_path)
    with pytest.raises(ValueError, match=r"marks\.csv") as caught:
        make(tmp_path, marked("ada"), marked("bob"), marked("cid"))
    assert str(caught.value).startswith(f"{tmp_path}/review/marks.csv:{line}: {fault}")
    assert everything(tmp_path) == before


def test_all_faults_of_the_table_are_named_at_once(tmp_path):
    make(tmp_path, marked("ada"), marked("bob"))
    path = tmp_path / "review/marks.csv"
    table = [row | {"points": "1"} for row in rows(path)]
    save(path, [*table, table[0], table[1] | {"points": "x"}])
    with pytest.raises(ValueError, match="a second time") as caught:
        make(tmp_path, marked("ada"), marked("bob"))
    assert [text.split(":")[1] for text in str(caught.value).splitlines()] == ["4", "5"]


def test_a_table_without_its_columns_or_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "review/marks.csv"
    plain.write(path, "student,mark\nada,2\n")
    with pytest.raises(ValueError, match="put the first line back"):
        make(tmp_path, marked())
    make_bytes = "code,points,comment,text\nx,1,é,\n".encode("latin-1")
    path.write_bytes(make_bytes)
    with pytest.raises(ValueError, match="save it as `CSV UTF-8`"):
        make(tmp_path, marked())
    assert path.read_bytes() == make_bytes


def test_a_mark_stays_but_is_flagged_when_the_text_changes_or_goes(tmp_path):
    make(tmp_path, marked(text="one"))
    fill(tmp_path, points="2")
    for text, note in (("two", review.CHANGED), ("", review.GONE)):
        for _ in range(2):
            report = make(tmp_path, marked(text=text))
            assert report.needs_human
            (row,) = rows(tmp_path / "review/marks.csv")
            assert (row["points"], row["note"]) == ("2", note)
            assert note in rows(tmp_path / "grades.csv")[0]["note"]
    assert rows(tmp_path / "grades.csv")[0]["score"] == "2.0"  # no text, no points for it
    assert not make(tmp_path, marked(text="one")).needs_human
    make(tmp_path, marked(text="two"))
    assert rows(tmp_path / "grades.csv")[0]["score"] == "4.0"
    fill(tmp_path, text="")  # as the note says, for a mark that is still right
    assert not make(tmp_path, marked(text="two")).needs_human


def test_a_mark_survives_a_run_that_failed(tmp_path):
    make(tmp_path, marked())
    fill(tmp_path, points="2")
    make(tmp_path, lost("ada"))
    assert rows(tmp_path / "review/marks.csv")[0]["points"] == "2"
    make(tmp_path, marked())
    assert rows(tmp_path / "grades.csv")[0]["score"] == "4.0"


def test_review_pages_show_all_answers_with_rubric_in_an_order_that_tells_nothing(tmp_path):
    students = [f"student{number}" for number in range(8)]
    classes = [marked(student, text=f"Text of {number}") for number, student in enumerate(students)]
    make(tmp_path, *classes)
    path = tmp_path / "review/5.8.1-b-explanation.html"
    page = soup(path)
    texts = [text.get_text() for text in page.select("article .text")]
    assert sorted(texts) == [f"Text of {number}" for number in range(8)]
    assert texts != sorted(texts)
    assert "mu is not 8" in page.select_one("aside").get_text()
    assert "1.5" in page.select_one("aside").get_text()
    assert not any(student in page.get_text() for student in students)
    codes = [row["code"] for row in rows(tmp_path / "review/marks.csv")]
    assert [article["id"] for article in page.select("article")] == codes
    assert all(code.isalpha() for code in codes)
    before = path.read_bytes()
    make(tmp_path, *reversed(classes))
    assert path.read_bytes() == before


# Strangers ---------------------------------------------------------------------------------


def test_hostile_names_and_texts_are_harmless_in_pages(tmp_path):
    make(tmp_path, *(marked(text, text=text, reason=text, remarks=[text], flags=[text]) for text in HOSTILE))
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) == len(HOSTILE) + 1
    for path in pages:
        page = soup(path)
        assert page.select("script, img, iframe, object, link, a, form, base, svg") == []
        assert not any(name.startswith("on") for tag in page.find_all() for name in tag.attrs)
        assert len(page.select("title")) == len(page.select("style")) == len(page.select("main")) == 1
        policy = page.select_one("meta[http-equiv=Content-Security-Policy]")["content"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "\x1b" not in path.read_text()
        assert "\u202e" not in path.read_text()
    text = "".join(soup(path).get_text() for path in pages)
    assert "<script>alert(1)</script>" in text
    assert "{{ 7 * 7 }}{% raw %}" in text


def test_hostile_names_stay_in_their_folder_and_never_share_a_file(tmp_path):
    out = tmp_path / "deep" / "out"
    make(out, *(marked(text) for text in HOSTILE))
    assert {path.name for path in tmp_path.iterdir()} == {"deep"}
    assert {path.name for path in out.parent.iterdir()} == {"out"}
    names = [path.name for path in (out / "feedback").iterdir()]
    assert len({name.lower() for name in names}) == len(HOSTILE)
    assert max(map(len, names)) < 100
    assert (out / "feedback/ada.html").exists()
    # A name made to be that of another student's file gets another file.
    assert plain.file_name(plain.file_name("../Ada")) != plain.file_name("../Ada")


def test_no_cell_of_a_table_is_a_formula_and_ids_are_still_those_of_the_students(tmp_path):
    make(tmp_path, *(marked(text, text=text, flags=[text]) for text in HOSTILE), lost(problem="=1+1"))
    for path in (tmp_path / "grades.csv", tmp_path / "review/marks.csv"):
        table = rows(path)
        assert len(table) >= len(HOSTILE) - 1  # one of the texts is empty
        for row in table:
            assert None not in row
            assert not any(cell.lstrip().startswith(plain.FORMULA) for cell in row.values())
            assert not any(character in cell for cell in row.values() for character in "\r\n\t\x00\x1b")
    ids = {row["student_id"] for row in rows(tmp_path / "grades.csv")}
    assert {"'=cmd()|'/C calc'!A0", "'+1+1", "'-2", "../../x", 'O\'Neil, "Q"', "ada", "Ada"} <= ids


def test_human_marks_reach_hostile_names(tmp_path):
    classes = [marked(text) for text in HOSTILE]
    make(tmp_path, *classes)
    path = tmp_path / "review/marks.csv"
    save(path, [row | {"points": "1"} for row in rows(path)])
    assert not make(tmp_path, *classes).needs_human
    assert {row["score"] for row in rows(tmp_path / "grades.csv")} == {"3.0"}


def test_no_student_s_page_has_anything_of_another(tmp_path):
    students = [f"id{number}of" for number in range(5)]
    classes = [
        marked(f"{name}-student", text=f"{name}-text", reason=f"{name}-reason", remarks=[f"{name}-remark"])
        for name in students
    ]
    make(tmp_path, *classes)
    fill(tmp_path, student="id3of-student", points="1", comment="id3of-comment")
    make(tmp_path, *classes)
    for name in students:
        mine = [(tmp_path / f"feedback/{name}-student.html").read_text()]
        mine.append((tmp_path / f"gradescope/{name}-student_5.8.1/results.json").read_text())
        for other in students:
            assert all((other in text) == (other == name) for text in mine)
    assert "id3of-comment" in (tmp_path / "feedback/id3of-student.html").read_text()


def test_the_summary_cannot_steer_a_terminal(tmp_path):
    summary = make(tmp_path, *(marked(text, flags=[text]) for text in HOSTILE)).summary
    assert all(character == "\n" or character.isprintable() for character in summary)


# Files -------------------------------------------------------------------------------------


def test_a_killed_write_leaves_the_old_file_and_the_next_run_mends_it(tmp_path, monkeypatch):
    make(tmp_path, marked())
    before = everything(tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    for name in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, killed)
            with pytest.raises(KeyboardInterrupt):
                make(tmp_path, marked(text=""))
        left = everything(tmp_path)
        assert {path: left[path] for path in before} == before
    make(tmp_path, marked(text=""))
    assert not list(tmp_path.rglob("*.part"))
    assert rows(tmp_path / "grades.csv")[0]["state"] == "marked"


def test_a_full_disk_is_named_and_leaves_the_old_files(tmp_path, monkeypatch):
    make(tmp_path, marked())
    before = everything(tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=rf"No space left on device: make room.*'{tmp_path}/"):
        make(tmp_path, marked(text=""))
    assert everything(tmp_path) == before


def test_pages_of_an_earlier_run_are_named(tmp_path):
    make(tmp_path, marked("ada"), marked("bob"))
    report = make(tmp_path, marked("ada", text=""))
    assert reports.leftovers(report.files, tmp_path) == [
        "feedback/bob.html",
        "gradescope/bob_5.8.1/results.json",
        "review/5.8.1-b-explanation.html",
    ]


def test_model_answers_are_the_texts_that_a_solution_records(tmp_path):
    page = """\
```{code-cell} ipython3
:tags: [answer, remove-cell]

number = 3
explanation = \"\"\"
    Because of this.
    And of that.
\"\"\"
answers.record("b", number=number, explanation=explanation)
```

```{code-cell} ipython3
explanation = "not recorded"
```
"""
    header = "---\njupytext: {text_representation: {format_name: myst}}\n---\n"
    (tmp_path / "page.md").write_text(header + page)
    found = review.model_answers(tmp_path / "page.md")
    assert found == {"b.explanation": "Because of this.\nAnd of that."}
