"""The exports of learning systems, made here from their descriptions, with invented names."""

import errno
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from notebook_marking import exports, reports, rosters, submissions
from notebook_marking.marking import Marked
from notebook_marking.submissions import ZIPPED, find, read

EXERCISES = {"shrinkage-arithmetic": "5.8.1", "tau-prior": "5.8.5"}
ROSTER = """\
id,name,canvas,moodle,blackboard,gradescope,github,email
student01,Ada O'Last01,101,,ada_b,9001,ada-b,ada@school.example
student02,"Last02, Bo Jörg",102,,bo,9002,bo,bo@school.example
"""
LITTER = ("__MACOSX/._nb.ipynb", ".DS_Store", "Thumbs.db", ".ipynb_checkpoints/nb-checkpoint.ipynb")


def notebook(exercise="5.8.1", student="student01", more=""):
    """Write a notebook as Jupyter keeps it; its stub names the exercise."""
    code = f'{more}answers = Answers("{exercise}", student="{student}")'
    cell = {"cell_type": "code", "source": code.splitlines(keepends=True)}
    return json.dumps({"nbformat": 4, "cells": [cell]})


ADA, BO, TUTOR, UNSIGNED = (notebook(student=name) for name in ("student01", "student02", "tutor", ""))
METADATA = """\
submission_11:
  :submitters:
  - :name: Ada O'Last01
    :sid: '9001'
    :email: ada@school.example
  :created_at: 2026-03-05 14:22:33.123456000 Z
  :score: 0.0
submission_12:
  :submitters:
  - :name: Bo Jörg Last02
    :sid:
    :email: bo@school.example
  :created_at: 2026-03-06 09:00:00.000000000 Z
"""
MARK = "assignsubmission_file"
# For each layout: what lies where.
LAYOUTS = {
    "canvas": {
        "olast01ada_LATE_101_7001_Copy of work-1.ipynb": ADA,
        "last02bojorg_102_7002_HOMEWORK.IPYNB": BO,
    },
    "canvas, by name": {"olast01ada_555_7001_nb.ipynb": ADA, "last02bojorg_556_7002_nb.ipynb": BO},
    "moodle, folders": {
        f"Ada O'Last01_301_{MARK}_/my work.ipynb": ADA,
        f"Bo Jörg Last02_302_{MARK}/nb.ipynb": BO,
        "Bo Jörg Last02_302_assignsubmission_onlinetext/onlinetext.html": "<p>",
    },
    "moodle": {
        f"Ada O'Last01_301_{MARK}_nb (1).ipynb": ADA,
        f"BO JÖRG LAST02_302_{MARK}_Shrinkage_Arithmetic.ipynb": BO,
    },
    "blackboard": {
        "Week 8_ada_b_attempt_2026-03-05-14-22-33_nb.ipynb": ADA,
        "Week 8_ada_b_attempt_2026-03-05-14-22-33.txt": "Name: Ada O'Last01",
        "Week 8_bo_attempt_2026-03-06-09-00-00_nb.ipynb": BO,
    },
    "gradescope": {
        "assignment_5_export/submission_metadata.yml": METADATA,
        "assignment_5_export/submission_11/nb.ipynb": ADA,
        "assignment_5_export/submission_12/deep/er/nb.ipynb": BO,
    },
    "github": {
        "pooling-submissions/pooling-ada-b/exercises/shrinkage-arithmetic.ipynb": ADA,
        "pooling-submissions/pooling-ada-b/README.md": "# Read me",
        "pooling-submissions/pooling-ada-b/.github/workflows/x.yml": "",
        "pooling-submissions/pooling-bo/nb.ipynb": BO,
        "pooling-submissions/pooling-bo/.git/HEAD": "",
    },
    "github, bare": {"pooling-ada-b/exercises/nb.ipynb": ADA, "pooling-bo/nb.ipynb": BO},
    "github, branches": {"pooling-ada-b-main/nb.ipynb": ADA, "pooling-bo-master/exercises/nb.ipynb": BO},
    "brightspace": {
        "1234-5678 - Ada O'Last01- Mar 5, 2026 222 PM - my work.ipynb": ADA,
        "1235-5678 - Bo Jörg Last02 - Mar 6, 2026 1100 AM - nb.ipynb": BO,
        "index.html": "x",
    },
    "brightspace, folders": {
        "1234-5678 - Ada O'Last01- Mar 5, 2026 222 PM/my work.ipynb": ADA,
        "1235-5678 - Bo Jörg Last02 - Mar 6, 2026 1100 AM/nb.ipynb": BO,
    },
    "sakai": {
        "Week 8/O'Last01, Ada(ada)/Submission attachment(s)/nb.ipynb": ADA,
        "Week 8/Last02, Bo Jörg(student02)/Submission attachment(s)/nb.ipynb": BO,
    },
    "sakai, with feedback": {
        "Week 8/O'Last01, Ada(ada)/Submission attachment(s)/nb.ipynb": ADA,
        "Week 8/O'Last01, Ada(ada)/Feedback Attachment(s)/nb.ipynb": TUTOR,
        "Week 8/Last02, Bo Jörg(student02)/Submission attachment(s)/nb.ipynb": BO,
        "Week 8/Last02, Bo Jörg(student02)/Feedback Attachment(s)/nb.pdf": "x",
        "Week 8/grades.csv": "x",
    },
    "openolat": {
        "ita_8_2026-03-09/O'Last01_Ada_student01/1_task/5.8.1.ipynb": TUTOR,
        "ita_8_2026-03-09/O'Last01_Ada_student01/2_submissions/nb.ipynb": ADA,
        "ita_8_2026-03-09/O'Last01_Ada_student01/3_corrections/nb.ipynb": TUTOR,
        "ita_8_2026-03-09/Last02_Bo Jörg_student02/1_submissions/nb.ipynb": notebook(student="before"),
        "ita_8_2026-03-09/Last02_Bo Jörg_student02/2_corrections/nb.pdf": "x",
        "ita_8_2026-03-09/Last02_Bo Jörg_student02/3_revisions_1/3_corrections/nb.ipynb": BO,
        "ita_8_2026-03-09/Last02_Bo Jörg_student02/4_corrections_1/nb.ipynb": TUTOR,
        "ita_8_2026-03-09/Last02_Bo Jörg_student02/5_assessment/nb.ipynb": TUTOR,
        "ita_8_2026-03-09/solutions/5.8.1.ipynb": TUTOR,
        "ita_8_2026-03-09/Course.xlsx": "x",
    },
    "ilias": {
        "Week 8/Submissions/O'Last01_Ada_student01_4711/20260305142233_nb.ipynb": ADA,
        "Week 8/Submissions/Last02_Bo Jörg_student02_4712/20260305142233_nb.ipynb": BO,
    },
    "teams": {
        "Submitted files/Ada O'Last01/Week 8/Version 1/nb.ipynb": ADA,
        "Submitted files/Bo Jörg Last02/Week 8/Version 1/nb.ipynb": BO,
    },
    "google": {
        "Week 8/Ada O'Last01 - Copy of nb.ipynb": ADA,
        "Week 8/Bo Jörg Last02 - nb.ipynb": BO,
    },
    "names and emoji": {
        "O'Last01, Ada_📈 nb 🎉.ipynb": ADA,
        "BO@school.example_nb.ipynb": BO,
    },
    "nbgrader": {"course/submitted/student01/w/nb.ipynb": ADA, "course/submitted/student02/w/nb.ipynb": BO},
    "flat": {"student01_shrinkage-arithmetic.ipynb": ADA, "student02_5.8.1-1.ipynb": BO},
}


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def zipped(files, path):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def shape(files, how, folder):
    """Put files there as a teacher may have them: unpacked, as a zip file, or a zip file in a folder."""
    folder.mkdir()
    if how == "folder":
        write(folder, files)
        return folder
    if how == "zips of students":
        for number, (name, text) in enumerate(files.items()):
            if name.endswith(("ipynb", "IPYNB")) and "/" not in name:
                stem = name.rpartition(".")[0]
                zipped({f"work {number}/nb.ipynb": text}, folder / f"{stem}.zip")
            else:
                write(folder, {name: text})
        return folder
    zipped(files, folder / "export 1.zip")
    return folder / "export 1.zip" if how == "zip" else folder


@pytest.fixture
def roster(tmp_path_factory):
    path = tmp_path_factory.mktemp("class") / "roster.csv"
    path.write_text(ROSTER, encoding="utf-8")
    return rosters.read(path)


@pytest.mark.parametrize("how", ["folder", "zip", "zip in a folder", "zips of students"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read(tmp_path, roster, layout, how):
    files = LAYOUTS[layout] | dict.fromkeys(LITTER, "x")
    found = find(shape(files, how, tmp_path / "sub"), EXERCISES, roster)
    assert [(one.student, one.exercise, one.problem) for one in found if one.student == "student01"] == [
        ("student01", "5.8.1", "")
    ]
    assert {one.student for one in found} == {"student01", "student02"}
    assert len(found) == 2
    for one in found:
        assert f'student=\\"{one.student}\\"' in read(one).decode()
        assert one.suffix == ".ipynb"
        assert not one.stranger
        assert one.student in one.ids


def test_who_got_a_task_and_handed_in_nothing_has_handed_in_nothing(tmp_path, roster):
    write(tmp_path, {"Last01_Ada_student01/2_submissions/nb.ipynb": ADA, "bo/1_task/5.8.1.ipynb": TUTOR})
    assert [one.student for one in find(tmp_path, EXERCISES, roster)] == ["student01"]
    bo = find(tmp_path, EXERCISES)[-1]
    assert (bo.student, bo.problem) == ("bo", "no notebook was handed in, but 1_task/5.8.1.ipynb")


@pytest.mark.parametrize("counts", ["1_submissions", "3_revisions_1"])
def test_openolat_says_beside_the_files_that_they_came_late(tmp_path, roster, counts):
    files = {
        "Last01_Ada_student01/1_submissions/Late_submission.txt": "Late",
        f"Last01_Ada_student01/{counts}/nb.ipynb": ADA,
        "Last02_Bo Jörg_student02/1_submissions/Extended_submission.txt": "Extended",
        "Last02_Bo Jörg_student02/1_submissions/nb.ipynb": BO,
    }
    write(tmp_path, files)
    found = find(tmp_path, EXERCISES, roster)
    assert [(one.student, one.problem, one.late) for one in found] == [
        ("student01", "", True),
        ("student02", "", False),
    ]
    write(tmp_path / "own", {"ada/Late_submission.txt": "", "ada/nb.ipynb": ADA})
    assert not find(tmp_path / "own", EXERCISES)[0].late


def test_drafts_in_teams_are_not_handed_in_and_this_is_said_once(tmp_path, roster, caplog):
    names = ("Ada O'Last01", "Bo Jörg Last02")
    drafts = {f"Student Work/Working files/{name}/Week 8/nb.ipynb": BO for name in names}
    write(
        tmp_path / "1", drafts | {"Student Work/Submitted files/Ada O'Last01/Week 8/Version 1/nb.ipynb": ADA}
    )
    assert [one.student for one in find(tmp_path / "1", EXERCISES, roster)] == ["student01"]
    [said] = caplog.messages
    assert said == "what lies in `Working files` are drafts, which nobody has handed in: left out (files: 2)"
    assert [one.student for one in find(tmp_path / "1", EXERCISES)] == ["Ada O'Last01"]
    write(tmp_path / "2", drafts)
    assert find(tmp_path / "2", EXERCISES, roster) == []
    write(tmp_path / "3", {"Working files/student01/nb.ipynb": ADA, "Working files/student02/nb.ipynb": BO})
    assert len(find(tmp_path / "3", EXERCISES, roster)) == 2  # a teacher's own folder


@pytest.mark.parametrize("names", [("8_revisions_3", "10_revisions_4"), ("Version 9", "Version 10")])
def test_of_what_is_as_old_the_higher_number_counts(tmp_path, names):
    write(tmp_path, {f"ada/{name}/nb.ipynb": ADA for name in names})
    [ada] = find(tmp_path, EXERCISES)
    assert ada.path.parent.name == names[1]


def test_a_students_own_folder_may_be_called_as_a_systems(tmp_path):
    write(tmp_path / "1", {"ada/1_task/nb.ipynb": ADA, "bo/3_corrections/nb.ipynb": BO})
    assert {one.problem for one in find(tmp_path / "1", EXERCISES)} == {""}
    moodle = {f"A B_1_{MARK}_/1_task/nb.ipynb": ADA, f"C D_2_{MARK}_/2_submissions/nb.ipynb": BO}
    write(tmp_path / "2", moodle)
    assert {one.student: one.problem for one in find(tmp_path / "2", EXERCISES)} == {"A B": "", "C D": ""}


def test_the_newest_is_that_of_the_latest_time_not_of_the_last_letters(tmp_path, roster):
    folders = [f"1234-5678 - Ada O'Last01- {day}, 2026 222 PM" for day in ("Mar 5", "Mar 10", "Feb 28")]
    write(tmp_path, {f"{folder}/nb.ipynb": ADA for folder in folders})
    [ada] = find(tmp_path, EXERCISES, roster)
    assert ada.time == "Mar 10, 2026, 2:22 PM"
    assert len(ada.others) == 2


def test_a_stranger_is_nobody_of_the_class_though_the_letters_are_alike(tmp_path):
    (tmp_path / "roster.csv").write_text("id,name\nmuller,Ann Last01\n", encoding="utf-8")
    known = rosters.read(tmp_path / "roster.csv")
    write(tmp_path / "in", {"müller/nb.ipynb": BO, "muller/nb.ipynb": BO})
    found = {one.student: one.stranger for one in find(tmp_path / "in", EXERCISES, known)}
    assert found == {"müller": True, "muller": False}


def test_the_time_is_that_of_the_system_and_never_a_file_of_the_students(tmp_path, roster):
    times = {}
    for number, layout in enumerate(
        ("blackboard", "brightspace, folders", "gradescope", "moodle, folders", "nbgrader", "canvas")
    ):
        folder = tmp_path / str(number)
        write(folder, LAYOUTS[layout])
        for path in list(folder.rglob("*.ipynb")):
            (path.parent / "timestamp.txt").write_text("1999-01-01 00:00:00 UTC")
        (ada,) = [one for one in find(folder, EXERCISES, roster) if one.student == "student01"]
        times[layout] = ada.time[:19], ada.late
    assert times == {
        "blackboard": ("2026-03-05 14:22:33", False),
        "brightspace, folders": ("Mar 5, 2026, 2:22 P", False),
        "gradescope": ("2026-03-05 14:22:33", False),
        "moodle, folders": ("", False),
        "nbgrader": ("", False),
        "canvas": ("", True),
    }
    # Where nbgrader itself collected, it wrote the time.
    (folder / "course").mkdir()
    write(tmp_path / "own", {"gradebook.db": "", "submitted/ada/w/5.8.1.ipynb": ADA})
    (tmp_path / "own/submitted/ada/w/timestamp.txt").write_text("2026-11-22 10:11:12.13 UTC\n")
    assert find(tmp_path / "own", EXERCISES)[0].time == "2026-11-22 10:11:12.13 UTC"


def test_without_a_roster_the_systems_name_is_taken(tmp_path):
    expected = {
        "canvas": {"olast01ada", "last02bojorg"},
        "moodle": {"Ada O'Last01", "BO JÖRG LAST02"},
        "blackboard": {"ada_b", "bo"},
        "brightspace": {"Ada O'Last01", "Bo Jörg Last02"},
        "gradescope": {"9001", "bo@school.example"},
        "github": {"ada-b", "bo"},
    }
    for layout, names in expected.items():
        write(tmp_path / layout, LAYOUTS[layout])
        found = find(tmp_path / layout, EXERCISES)
        assert {one.student for one in found} == names
        assert {one.ids for one in found} == {None}


def test_students_of_one_name_are_two(tmp_path):
    files = {f"A B_{number}_{MARK}_/nb.ipynb": ADA for number in (1, 2)}
    write(tmp_path, files)
    assert {one.student for one in find(tmp_path, EXERCISES)} == {"A B (1)", "A B (2)"}
    rows = ({"id": "a1", "name": "A B"}, {"id": "a2", "name": "B, A"})
    assert all(one.stranger for one in find(tmp_path, EXERCISES, rosters.make(rows)))


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ([f"A B_{number}_{MARK}_/nb.ipynb" for number in (1, 2)], "'1', '2'"),
        ([f"ba_{number}_700{number}_nb.ipynb" for number in (1, 2)], "'1', '2'"),
        (["B, Ä/nb.ipynb", "B, A/nb.ipynb"], "'B, A', 'B, Ä'"),
    ],
)
def test_two_of_one_name_of_whom_the_roster_has_one_are_named(tmp_path, files, names):
    write(tmp_path, dict.fromkeys(files, UNSIGNED))
    [one] = find(tmp_path, EXERCISES, rosters.make(({"id": "a1", "name": "A B"}, {"id": "c", "name": "C"})))
    words = f"handed in as {names}: if these are two students, the roster needs both"
    assert words in reports.concerns(Marked(one, None, ()))


def test_a_number_in_moodle_that_has_anothers_name_is_named(tmp_path):
    """As that of a team, which may be the number of a student."""
    roster = rosters.make([{"id": f"a{i}", "name": f"Ada Last0{i}", "moodle": f"30{i}"} for i in range(4)])
    names = ("Green_301", "Last02, A._302", "ADALAST03_303")
    write(tmp_path, {f"{name}_{MARK}_/nb.ipynb": UNSIGNED for name in names})
    found = {one.student: one.doubt for one in find(tmp_path, EXERCISES, roster)}
    words = "its number in Moodle is this student's, its name is 'Green': a team's name belongs into `team`"
    assert found == {"a1": words, "a2": "", "a3": ""}


def test_students_in_a_folder_that_is_nobodys_are_told_by_their_ids(tmp_path):
    """As in "Classroom/Week 8/", into which a teacher has saved what came by mail."""
    write(tmp_path, {"Classroom/Week 8/a.ipynb": ADA, "Classroom/Week 8/b.ipynb": BO})
    found = find(tmp_path, EXERCISES)
    assert {one.student: one.others for one in found} == {
        "Classroom (student01)": (),
        "Classroom (student02)": (),
    }
    assert {one.ids for one in found} == {None}
    write(tmp_path / "own", {"student01/w/a.ipynb": ADA, "student01/w/b.ipynb": BO})
    (one,) = find(tmp_path / "own", EXERCISES)
    assert (one.student, one.others) == ("student01", ("a.ipynb",))


@pytest.mark.parametrize(
    ("files", "students"),
    [
        (("In/Week 8/a.ipynb", "In/Week 8/b.ipynb"), {"In (Week 8 a)", "In (Week 8 b)"}),
        (("In/Ann/nb.ipynb", "In/Bo/nb.ipynb", "In/Bo/nb-1.ipynb"), {"In (Ann nb)", "In (Bo nb)"}),
        (("Class/Ann/5.8.1.ipynb", "Class/Bo/5.8.1.ipynb"), {"Class (Ann)", "Class (Bo)"}),
        (("pooling_ann.ipynb", "pooling_bo.ipynb"), {"pooling (pooling_ann)", "pooling (pooling_bo)"}),
        (("ann/Version 1/nb.ipynb", "ann/Version 2/nb.ipynb"), {"ann"}),
    ],
)  # fmt: skip
def test_unsigned_notebooks_in_a_folder_that_may_be_nobodys_stay_apart(tmp_path, files, students):
    write(tmp_path, dict.fromkeys(files, UNSIGNED))
    found = find(tmp_path, EXERCISES)
    assert {one.student for one in found} == students
    named = [submissions.UNSIGNED in reports.concerns(Marked(one, None, ())) for one in found]
    assert named == [len(students) > 1] * len(found)


def test_the_data_of_who_is_not_on_the_roster_are_those_of_the_id_in_the_notebook(tmp_path, roster):
    write(tmp_path, {"student01+student02/nb.ipynb": ADA, "ann_5.8.1.ipynb": BO})
    assert {one.ids for one in find(tmp_path, EXERCISES, roster)} == {None}


def test_beside_one_that_is_signed_each_file_stays_apart(tmp_path, roster):
    files = {"Week 8/a.ipynb": UNSIGNED, "Week 8/a (1).ipynb": UNSIGNED}
    write(tmp_path / "1", files | {"Week 8/c.ipynb": BO})
    found = {one.student: bool(one.doubt) for one in find(tmp_path / "1", EXERCISES)}
    assert found == {"Week 8 (a.ipynb)": True, "Week 8 (a (1).ipynb)": True, "Week 8 (student02)": False}
    write(tmp_path / "2", files)
    found = {one.student: one.stranger for one in find(tmp_path / "2", EXERCISES, roster)}
    assert found == {"Week 8 (a.ipynb)": True, "Week 8 (a (1).ipynb)": True}


def test_files_with_names_of_the_roster_count_in_whatever_folder(tmp_path, roster):
    names = ("Ada O'Last01 - nb.ipynb", "Last02, Bo Jörg.ipynb")
    write(tmp_path, {f"Classroom/Week 8/{name}": ADA for name in names})
    assert {one.student for one in find(tmp_path, EXERCISES, roster)} == {"student01", "student02"}


@pytest.mark.parametrize(
    "files",
    [
        {f"W_{user}_attempt_2026-03-05-14-22-33_nb.ipynb": ADA for user in ("a_1", "b_1")},
        {
            "submission_metadata.yml": METADATA.replace("9001", "").replace("ada@", "bo@"),
            **{f"submission_{number}/nb.ipynb": ADA for number in (11, 12)},
        },
        {"ada.zip": {"nb.ipynb": ADA}, "bo.zip": {"nb.ipynb": ADA}},
        {"ada.zip": {"work/nb.ipynb": ADA}, "bo.zip": {"work/nb.ipynb": BO, "work/x.csv": ""}},
        {"out.zip": {"week 8/in.zip": {"ada/nb.ipynb": ADA, "bo/w/nb.ipynb": BO}}},
        {"week 8": {"in.zip": {"ada_5.8.1.md": "x", "bo_5.8.1.md": "x"}}},
        {f"g{n}/A B_{n}_{MARK}_/nb.ipynb": ADA for n in (1, 2)},
        {"week 7.zip": {"ada/nb.ipynb": ADA}, "week 8.zip": {"bo/nb.ipynb": BO}},
    ],
)
def test_two_students_never_become_one(tmp_path, files):
    lay(files, tmp_path)
    assert len({one.student for one in find(tmp_path, EXERCISES)}) == 2


def lay(files, folder):
    """Put files there, zip files with what they hold."""
    for name, content in files.items():
        if not isinstance(content, dict):
            write(folder, {name: content})
        elif not name.endswith(".zip"):
            lay(content, folder / name)
        else:
            lay(content, folder / f"{name}, unpacked")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted((folder / f"{name}, unpacked").rglob("*")):
                    archive.write(path, path.relative_to(folder / f"{name}, unpacked"))
            shutil.rmtree(folder / f"{name}, unpacked")


def test_one_student_is_one_however_the_name_is_written(tmp_path, roster):
    names = ("Zoë_5.8.1.ipynb", "Zoe\N{COMBINING DIAERESIS}_5.8.1.ipynb", "zoë_shrinkage-arithmetic-1.ipynb")
    write(tmp_path, dict.fromkeys(names, ADA))
    (one,) = find(tmp_path, EXERCISES)
    assert len(one.others) == 2


@pytest.mark.parametrize("name", ["Bo Jörg Last02", "בר כהן", "محمد", "O'Néil-Šimůnek", "李 明", "विद्या"])
def test_names_of_any_script_come_through_every_zip_file(tmp_path, name):
    """A Mac's zip file has UTF-8 and does not say so; an old Windows writes the other slash."""
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for student in (name, "ada"):
            archive.writestr(f"week 8\\{student}_7_{MARK}_\\nb.ipynb", ADA)
    content = path.read_bytes()
    for entry, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # where a header says that it is UTF-8
        at = content.find(entry)
        while at >= 0:
            content = content[: at + flags] + b"\0\0" + content[at + flags + 2 :]
            at = content.find(entry, at + 1)
    path.write_bytes(content)
    assert {one.student for one in find(path, EXERCISES)} == {name, "ada"}


@pytest.mark.parametrize(
    "planted",
    [
        f"Bo Jörg Last02_302_{MARK}_/nb.ipynb",
        "x_bo_attempt_2027-03-05-14-22-33_nb.ipynb",
        "more.zip/submission_12/nb.ipynb",
        "submission_12/nb.ipynb",
    ],
)
def test_nobody_hands_in_under_anothers_name(tmp_path, roster, planted):
    """What looks like an export in a student's own folder is that student's."""
    files = {"student02/nb.ipynb": BO, "student01/submission_metadata.yml": METADATA}
    if ".zip/" in planted:
        first, _, rest = planted.partition("/")
        lay({f"student01/{first}": {rest: BO, "submission_metadata.yml": METADATA}}, tmp_path)
    write(tmp_path, files | ({} if ".zip/" in planted else {f"student01/{planted}": BO}))
    found = find(tmp_path, EXERCISES, roster)
    assert {one.student: one.path.parent.name for one in found}["student02"] == "student02"
    assert [one.student for one in found if one.others] == []


def test_a_folder_under_version_control_is_whose_name_it_has(tmp_path):
    write(tmp_path, {"ada-bo/nb.ipynb": ADA, "ada-bo/.git/HEAD": "", "bo/nb.ipynb": BO})
    found = find(tmp_path, EXERCISES, rosters.make(({"id": "ada-bo"}, {"id": "bo"})))
    assert [(one.student, one.others) for one in found] == [("ada-bo", ()), ("bo", ())]


@pytest.mark.parametrize(
    ("text", "problem"), [("{", "the file is not JSON"), (notebook("7"), "there is no exercise of this name")]
)
def test_a_repository_with_one_notebook_that_says_nothing_is_handed_in_all_the_same(
    tmp_path, roster, text, problem
):
    write(tmp_path / "sub", LAYOUTS["github"] | {"pooling-submissions/pooling-bo/nb.ipynb": text})
    found = find(tmp_path / "sub", EXERCISES, roster, EXERCISES.values())
    [bo] = [one for one in found if one.student == "student02"]
    assert problem in bo.problem
    assert bo.path.name == "nb.ipynb"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_a_notebook_is_read_in_each_encoding_that_says_what_it_is(tmp_path, encoding):
    (tmp_path / "student01_work.ipynb").write_bytes(ADA.encode(encoding))
    [found] = find(tmp_path, EXERCISES)
    assert (found.exercise, found.problem) == ("5.8.1", "")


@pytest.mark.parametrize(
    "more",
    ['{"cells": [', '"kernelspec": {"language": "R"}', "\xff", "x" * 20_000_000, "EX = 1; Answers(EX)"],
)
def test_the_heading_names_the_exercise_of_a_notebook_that_is_broken(tmp_path, more):
    text = json.dumps({"cells": [{"cell_type": "markdown", "source": ["# Exercise 5.8.5: Who?\n"]}]}) + more
    write(tmp_path / "sub", {"student01/week/nb.ipynb": ADA})
    (tmp_path / "sub/student01/week/other.ipynb").write_bytes(text.encode("latin-1"))
    assert sorted(one.exercise for one in find(tmp_path / "sub", EXERCISES)) == ["5.8.1", "5.8.5"]


def test_who_handed_in_no_notebook_has_a_row(tmp_path, roster):
    write(tmp_path, {f"Ada O'Last01_301_{MARK}_/essay.pdf": "x", f"Ada O'Last01_301_{MARK}_/a.docx": "x"})
    (one,) = find(tmp_path, EXERCISES, roster)
    assert (one.student, one.exercise, one.problem) == (
        *("student01", ""),
        "no notebook was handed in, but a.docx, essay.pdf",
    )
    assert not one.stranger


def test_who_is_not_on_the_roster_is_marked_and_named(tmp_path, roster):
    write(tmp_path, {"zoe_5.8.1.ipynb": ADA})
    (one,) = find(tmp_path, EXERCISES, roster)
    assert (one.student, one.stranger, one.problem) == ("zoe", True, "")


def test_a_group_on_gradescope_has_a_row_for_each(tmp_path, roster):
    both = METADATA.replace("submission_12:\n  :submitters:\n", "").replace(
        "  :created_at: 2026-03-05 14:22:33.123456000 Z\n  :score: 0.0\n", ""
    )
    write(tmp_path, {"submission_metadata.yml": both, "submission_11/nb.ipynb": ADA})
    found = find(tmp_path, EXERCISES, roster)
    assert sorted((one.student, one.path.name) for one in found) == [
        ("student01", "nb.ipynb"),
        ("student02", "nb.ipynb"),
    ]
    # Its data are those of one of them, and marked so for both.
    assert all({"student01", "student02"} <= {*one.ids} for one in found)


TEAMS = """\
id,name,team
student01,Ada Last01,Red_1
student02,Bo Last02,red 1
student03,Cy Last03,Blue
student04,Di Last04,Ada Last01
"""


@pytest.mark.parametrize(
    "names",
    [
        ["Red 1_77", "Blue"],
        ["Red 1-Ada Last01_301", "Red 1-Bo Last02_302", "Blue-Cy Last03_303"],
    ],
)
def test_each_of_a_team_in_moodle_has_what_the_team_handed_in(tmp_path, names):
    content = {"R": ADA, "B": notebook(student="student03")}
    for number, form in enumerate(
        ("{}_assignsubmission_file_/nb.ipynb", "{}_assignsubmission_file_nb.ipynb")
    ):
        folder = tmp_path / str(number)
        write(folder, {form.format(name): content[name[0]] for name in names})
        found = {one.student: one for one in find(folder, EXERCISES, members(tmp_path, TEAMS))}
        assert {name: one.ids for name, one in found.items()} == {
            "student01": ("student01", "student02"),
            "student02": ("student02", "student01"),
            "student03": ("student03",),
        }
        assert not any(one.stranger or one.others for one in found.values())


@pytest.mark.parametrize("name", ["Green", "Red 1-Cy Last03", "Red 1-Zoe", "Red 1_77-Ada Last01"])
def test_who_is_in_no_team_is_a_stranger_of_whom_the_summary_says_what_to_do(tmp_path, name):
    write(tmp_path, {f"{name}_77_{MARK}_/nb.ipynb": ADA})
    [one] = find(tmp_path, EXERCISES, members(tmp_path, TEAMS))
    assert one.stranger
    assert reports.concerns(Marked(one, None, ()))[-1].endswith("or a team of Moodle in the column `team`")


def test_a_student_is_no_team_of_that_name_and_no_id_of_a_team_counts_elsewhere(tmp_path):
    write(tmp_path, {f"Ada Last01_301_{MARK}_/nb.ipynb": ADA})
    [one] = find(tmp_path, EXERCISES, members(tmp_path, TEAMS))
    assert (one.student, one.ids) == ("student01", ("student01",))


def test_a_notebook_of_two_exercises_is_two_submissions(tmp_path):
    write(tmp_path, {"ada/w/all.ipynb": notebook(more='old = Answers("5.8.5")\n# Answers("5.8.9")\n')})
    assert sorted(one.exercise for one in find(tmp_path, EXERCISES)) == ["5.8.1", "5.8.5"]


@pytest.mark.parametrize("content", [b"", b"PK", "bomb", "climbing"])
def test_a_zip_file_that_means_harm_does_none(tmp_path, content, monkeypatch):
    monkeypatch.setattr(exports, "LARGEST_ZIP", 1_000_000)
    folder = tmp_path / "sub"
    path = folder / f"A B_1_{MARK}_/nb.zip"
    path.parent.mkdir(parents=True)
    if content == "bomb":
        zipped({"x": " " * 1_000_001}, path)
    elif content == "climbing":
        zipped({"../../../climbed.ipynb": ADA, "/climbed.ipynb": ADA}, path)
    else:
        path.write_bytes(content)
    found = find(folder, EXERCISES)
    assert not list(tmp_path.rglob("climbed*"))
    assert not Path("/climbed.ipynb").exists()
    if content == "climbing":
        assert [one.exercise for one in found] == ["5.8.1"]
    else:
        assert [(one.student, one.problem) for one in found] == [("A B", ZIPPED)]


def test_zip_files_together_hold_no_more_than_one_may(tmp_path, monkeypatch):
    """One in another counts with it, and what a student packs is a tenth of what a class may have."""
    monkeypatch.setattr(exports, "LARGEST_ZIP", 10_000)
    monkeypatch.setattr(exports, "LARGEST_INNER", 4_000)
    inner = {f"{number}.zip": {"x.csv": "x" * 3000} for number in range(5)}
    lay(
        {f"B_2_{MARK}_/nb.ipynb": BO, f"A_1_{MARK}_/all.zip": inner, f"C_3_{MARK}_/x.zip": {"x": "x" * 4001}},
        tmp_path / "s",
    )
    found = find(tmp_path / "s", EXERCISES)
    assert {one.path.name: one.problem for one in found if one.student in "BC"} == {
        "nb.ipynb": "",
        "x.zip": ZIPPED,
    }
    refused = {one.path.name for one in found if one.student == "A"}
    assert 2 <= len(refused) < 5
    files = [path for path in Path(submissions._scratch().name).rglob("*.csv") if path.stat().st_size == 3000]
    assert len(refused) + len(files) == 5


@pytest.mark.parametrize("beside", [f"A_1_{MARK}_/nb.ipynb", "ada_5.8.1.ipynb", "ada/w/nb.ipynb"])
def test_a_broken_zip_file_of_half_a_class_is_named_beside_the_other_half(tmp_path, beside):
    zipped({beside: ADA}, tmp_path / "week 8 a.zip")
    write(tmp_path, {"week 8 b.zip": "PK"})
    assert {one.path.name: one.problem for one in find(tmp_path, EXERCISES)} == {
        Path(beside).name: "",
        "week 8 b.zip": ZIPPED,
    }


def test_a_name_that_begins_with_a_point_hides_nobody(tmp_path):
    write(tmp_path, {f"{name}_7_{MARK}_/nb.ipynb": ADA for name in (".NET", "._NET", "A B")})
    assert {one.student for one in find(tmp_path, EXERCISES)} == {".NET", "A B"}


def test_a_zip_file_beside_work_is_named_if_it_cannot_be_unpacked(tmp_path):
    write(tmp_path, {f"A_1_{MARK}_/nb.ipynb": ADA, f"A_1_{MARK}_/newer.zip": "no zip"})
    assert {one.path.name: one.problem for one in find(tmp_path, EXERCISES)} == {
        "nb.ipynb": "",
        "newer.zip": ZIPPED,
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name\nada\n", ":1: there is no column id"),
        ("id,name,ID\nada,A,x\n", ":1: 'id' is the name of several columns"),
        ("id,name\nada,A\nAda,B\n", ":3: id 'Ada' stands here a second time"),
        ("id,name\n,A\n", ":2: id is ''"),
        ("id\na b\n", ":2: id is 'a b'"),
        ("\nsep=,\nid,name\n007,King, Ada\n", ":4: there are more cells than columns"),
    ],
)
def test_a_roster_that_cannot_be_is_refused(tmp_path, text, fault):
    path = tmp_path / "roster.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=fault):
        rosters.read(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("begin", ["", "sep={0}\r\n", "\n\n"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_a_roster_is_read_as_a_spreadsheet_writes_it(tmp_path, encoding, begin, sign):
    path = tmp_path / "roster.csv"
    rows = (["ID", "Name", "E-Mail", "more"], ["007", f'"King{sign} ""A"" Ada"', "ADA@school.example", ""])
    lines = "\r\n".join(sign.join(row) for row in rows)
    path.write_bytes((begin.format(sign) + lines + "\r\n").encode(encoding))
    [row] = rosters.read(path).rows
    assert (row["id"], row["name"], row["email"]) == ("007", f'King{sign} "A" Ada', "ADA@school.example")
    assert rosters.read(path).find([("", "ada@SCHOOL.example")]) == row


def test_a_name_in_a_file_counts_where_it_is_one_students_and_a_number_where_it_is_an_id(tmp_path):
    rows = ({"id": "8", "canvas": "581"}, {"id": "b1", "name": "Bo B"}, {"id": "b2", "name": "Bo B"})
    names = ("8 - nb.ipynb", "581 - nb.ipynb", "Bo B - nb.ipynb", "b1 - b2 - nb.ipynb", "zoe_b2_nb.ipynb")
    write(tmp_path, dict.fromkeys(names, ADA))
    found = {
        one.path.name: one.student
        for one in find(tmp_path, EXERCISES, rosters.make(rows))
        if not one.stranger
    }
    assert found == {"8 - nb.ipynb": "8", "zoe_b2_nb.ipynb": "b2"}


def test_ids_that_differ_in_a_sign_are_two():
    roster = rosters.make(({"id": "a.b"}, {"id": "ab"}))
    assert [roster.find([("id", name)])["id"] for name in ("a.b", "ab")] == ["a.b", "ab"]


CLASS = """\
id,name,canvas,tutor,partner
student01,Ada Last01,101,Smith,student02
student02,John Smith,102,,student01
"""


def members(folder, text=CLASS):
    path = folder / "roster.csv"
    path.write_text(text, encoding="utf-8")
    return rosters.read(path)


@pytest.mark.parametrize(
    ("real", "forged"),
    [
        ("ada_101_7001_x", "student02_attempt_2026-12-01-10-00-00_w"),
        ("ada_101_7001_x", "Bo_302_assignsubmission_file_w"),
        ("Week 8_student01_attempt_2026-03-09-10-00-00_x", "student02_attempt_2026-03-01-10-00-00_w"),
        ("Ada Last01_301_assignsubmission_file_x", "John Smith_302_assignsubmission_file_w"),
        ("11-22 - Ada Last01 - Mar 5, 2026 222 PM - x", "student02_attempt_2026-03-01-10-00-00_w"),
    ],
)
def test_what_a_student_calls_a_file_says_neither_whose_it_is_nor_when_it_came(tmp_path, real, forged):
    other = {
        "ada": "bo_102_7002_w.ipynb",
        "Week": "Week 8_student02_attempt_2026-03-08-10-00-00_w.ipynb",
        "Ada": "John Smith_302_assignsubmission_file_w.ipynb",
        "11-22": "33-44 - John Smith - Mar 6, 2026 222 PM - w.ipynb",
    }[real.split(" ")[0].split("_")[0]]
    write(tmp_path / "in", {f"{real}_{forged}.ipynb": ADA, other: BO})
    found = {one.student: one for one in find(tmp_path / "in", EXERCISES, members(tmp_path))}
    assert {name: f'student=\\"{name}\\"' in read(one).decode() for name, one in found.items()} == {
        "student01": True,
        "student02": True,
    }
    assert found["student01"].time[:10] in ("", "2026-03-09", "Mar 5, 2026"[:10])


def test_a_user_whose_name_ends_in_anothers_is_not_that_other(tmp_path):
    roster = members(
        tmp_path, "id,name,github,blackboard\nlee,Lee,lee,lee\nmax,Max,max,max\nanna,Anna,annalee,annalee\n"
    )
    write(
        tmp_path / "git", {f"pooling-{name}/exercises/nb.ipynb": ADA for name in ("lee", "anna-lee", "max")}
    )
    stranger = {one.student: one.stranger for one in find(tmp_path / "git", EXERCISES, roster)}
    assert stranger == {"anna-lee": True, "lee": False, "max": False}
    name = "Week 8_{}_attempt_2026-03-05-14-22-33_nb.ipynb"
    write(tmp_path / "bb", {name.format(user): ADA for user in ("lee", "anna_lee", "max")})
    stranger = {one.student: one.stranger for one in find(tmp_path / "bb", EXERCISES, roster)}
    assert stranger == {"anna_lee": True, "lee": False, "max": False}


def test_by_the_name_of_a_tutor_or_a_partner_nobody_is_known(tmp_path):
    roster = members(tmp_path)
    write(tmp_path / "in", {"Smith_5.8.1.ipynb": BO, "student02_5.8.1.ipynb": BO})
    found = {one.student: one for one in find(tmp_path / "in", EXERCISES, roster)}
    assert found["Smith"].stranger
    assert found["student02"].ids == ("student02", "102")


@pytest.mark.parametrize("name", ["w.rar", "w.html", "w.py", "w.tar.gz"])
@pytest.mark.parametrize("how", ["folder", "zip"])
def test_what_is_no_notebook_is_named_in_each_layout(tmp_path, name, how):
    files = {
        f"student01/{name}": "x",
        "student02/w.ipynb": BO,
        "student03/week-8/w.ipynb": ADA,
        "student03/a.pdf": "x",
    }
    found = find(shape(files, how, tmp_path / "in"), EXERCISES)
    assert [(one.student, one.problem) for one in found] == [
        ("student01", f"no notebook was handed in, but {name}"),
        ("student02", ""),
        ("student03", ""),
    ]


def test_the_time_of_nbgrader_lies_beside_all_that_was_handed_in(tmp_path):
    write(
        tmp_path,
        {
            "gradebook.db": "",
            "submitted/ada/w/x/5.8.1.ipynb": ADA,
            "submitted/ada/w/timestamp.txt": "2026-03-09",
        },
    )
    assert [one.time for one in find(tmp_path, EXERCISES)] == ["2026-03-09"]
    (tmp_path / "submitted/ada/w/x/timestamp.txt").write_text("2026-03-01")
    assert [one.time for one in find(tmp_path, EXERCISES)] == ["2026-03-09"]


def test_one_long_name_stops_no_class(tmp_path):
    long = [f"ada_101_7001_{'я' * 120}{end}.ipynb" for end in "ab"]
    zipped({long[0]: ADA, long[1]: notebook("5.8.5"), "bo_102_7002_w.ipynb": BO}, tmp_path / "in.zip")
    found = find(tmp_path / "in.zip", EXERCISES, members(tmp_path))
    assert {(one.student, one.exercise, one.problem) for one in found} == {
        ("student01", "5.8.1", ""),
        ("student01", "5.8.5", ""),
        ("student02", "5.8.1", ""),
    }


def test_a_full_disk_is_called_so(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    zipped({"ada_101_7001_w.ipynb": ADA}, tmp_path / "in.zip")
    monkeypatch.setattr(exports, "_extract", full)
    with pytest.raises(OSError, match=r"in\.zip: No space left on device: make room"):
        find(tmp_path / "in.zip", EXERCISES)


def test_ids_are_read_over_several_lines(tmp_path):
    cell = {"cell_type": "code", "source": 'answers = Answers(\n    "5.8.1",\n    student="student03",\n)'}
    third = json.dumps({"nbformat": 4, "cells": [cell]})
    write(
        tmp_path,
        {"Week 8/a.ipynb": ADA, "Week 8/b.ipynb": BO, "Week 8/c.ipynb": third, "Week 9/d.ipynb": ADA},
    )
    names = {one.student for one in find(tmp_path, EXERCISES)}
    assert names >= {f"Week 8 (student0{number})" for number in (1, 2, 3)}
