"""Finding submissions: both layouts, and names and files that mean harm."""

import json
import os
from pathlib import Path

import pytest

from notebook_marking.submissions import NO_EXERCISE, ZIPPED, find, read

EXERCISES = {"shrinkage-arithmetic": "5.8.1", "hierarchical-poisson": "5.8.3", "unequal-regions": "5.8.T"}
NOTEBOOK = "shrinkage-arithmetic.ipynb"


def make(folder, *names):
    """Make small files, with their folders."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def found(folder):
    """Return student, exercise and problem of all submissions, by path in the folder."""
    return {
        os.path.relpath(submission.path, folder): (
            submission.student,
            submission.exercise,
            submission.problem,
        )
        for submission in find(folder, EXERCISES)
    }


@pytest.mark.parametrize("given", [".", "submitted"])
def test_nbgraders_layout(tmp_path, given):
    make(
        tmp_path / "submitted",
        "ada/week 8/shrinkage-arithmetic.ipynb",
        "ada/week 8/hierarchical-poisson.md",
        "ada/week 8/timestamp.txt",
        "ada/week 8/.ipynb_checkpoints/shrinkage-arithmetic.ipynb",
        "bob_b/week 8/5.8.3.ipynb",
    )
    assert {Path(name).name: row for name, row in found(tmp_path / given).items()} == {
        "shrinkage-arithmetic.ipynb": ("ada", "5.8.1", ""),
        "hierarchical-poisson.md": ("ada", "5.8.3", ""),
        "5.8.3.ipynb": ("bob_b", "5.8.3", ""),
    }


def test_the_flat_layout(tmp_path):
    names = [
        "ada_5.8.1.ipynb",
        "bob_b_c_shrinkage-arithmetic.md",
        "ada_unequal-regions.ipynb",
        ".hidden_5.8.1.md",
    ]
    make(tmp_path, *names)
    assert found(tmp_path) == {
        "ada_5.8.1.ipynb": ("ada", "5.8.1", ""),
        "bob_b_c_shrinkage-arithmetic.md": ("bob_b_c", "5.8.1", ""),
        "ada_unequal-regions.ipynb": ("ada", "5.8.T", ""),
    }


def test_what_cannot_be_run_is_found_with_its_problem(tmp_path):
    unknown = "there is no exercise of this name"
    broken = f"{unknown}; the file is not JSON, so not a Jupyter notebook"
    make(
        tmp_path,
        *("ada_5.8.9.ipynb", "shrinkage-arithmetic.ipynb", "_5.8.1.ipynb", "ada_5.8.1.pdf", "ada_5.8.1.html"),
        *("bob/week/essay.ipynb", "bob/shrinkage-arithmetic.md", "bob/week/sub/hierarchical-poisson.md"),
        "eve/week/answers.zip",
    )
    (tmp_path / "zoe" / "week").mkdir(parents=True)
    assert found(tmp_path) == {
        "ada_5.8.9.ipynb": ("ada", "5.8.9", broken),
        "shrinkage-arithmetic.ipynb": ("shrinkage-arithmetic", "", "its name is not <student>_<exercise>"),
        "_5.8.1.ipynb": ("5.8.1", "", "its name is not <student>_<exercise>"),
        "ada_5.8.1.pdf": ("ada", "5.8.1", "it is no notebook"),
        "ada_5.8.1.html": ("ada", "5.8.1", "it is no notebook"),
        "bob/week/essay.ipynb": ("bob", "essay", broken),
        "bob/shrinkage-arithmetic.md": ("bob", "5.8.1", ""),
        "bob/week/sub/hierarchical-poisson.md": ("bob", "5.8.3", ""),
        "eve/week/answers.zip": ("eve", "", ZIPPED),
        "zoe/week": ("zoe", "week", "the folder holds no notebook"),
    }
    other = {"metadata": {"language_info": {"name": "R"}}, "cells": []}
    (tmp_path / "bob/week/essay.ipynb").write_text(json.dumps(other))
    assert found(tmp_path)["bob/week/essay.ipynb"][2].startswith(f"{unknown}; the notebook is written in R")


def test_files_that_are_none(tmp_path):
    make(tmp_path, "gradebook/5.8.1.ipynb", "bob/week/5.8.1.ipynb")
    week = tmp_path / "eve" / "week"
    week.mkdir(parents=True)
    (week / "5.8.1.ipynb").symlink_to("/etc/passwd")
    (week / "5.8.3.md").symlink_to(tmp_path / "bob/week/5.8.1.ipynb")
    (week / "unequal-regions.md").mkdir()
    os.mkfifo(week / "hierarchical-poisson.ipynb")
    (tmp_path / "eve" / "folder").symlink_to(tmp_path / "bob" / "week")
    (tmp_path / "mallory").symlink_to(tmp_path / "bob")
    (tmp_path / "mallory_5.8.1.md").symlink_to("nowhere")
    large = tmp_path / "bob" / "week" / "5.8.3.ipynb"
    with large.open("wb") as file:
        file.truncate(20_000_001)
    problems = {name: problem for name, (_, _, problem) in found(tmp_path).items()}
    link = "it is a symbolic link, which is not followed"
    assert problems == {
        "gradebook/5.8.1.ipynb": "",
        "bob/week/5.8.1.ipynb": "",
        "bob/week/5.8.3.ipynb": "it is larger than 20,000,000 bytes: clear its outputs",
        "eve/week/5.8.1.ipynb": link,
        "eve/week/5.8.3.md": link,
        "eve/week/unequal-regions.md": "it is a folder",
        "eve/week/hierarchical-poisson.ipynb": "it is a pipe",
        "eve/folder": link,
        "mallory": link,
        "mallory_5.8.1.md": link,
    }


CODE = {".md": "```{code-cell}\n1\n```\n", ".ipynb": '{"cells": [{"cell_type": "code", "source": "1"}]}'}


def write(path, age=0, text=None):
    """Write a notebook with some code, so many seconds old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CODE[path.suffix] if text is None else text)
    os.utime(path, (1_700_000_000 - age,) * 2)


@pytest.mark.parametrize(
    ("files", "counts"),
    [
        ({"ada/1/5.8.1.md": 100, "ada/1/shrinkage-arithmetic.ipynb": 0, "ada/2/5.8.1.ipynb": 50}, 1),
        ({"ada_5.8.1.ipynb": 0, "ada_5.8.1-1.ipynb": 0}, 1),
        ({"ada_5.8.1 (2).ipynb": 0, "ada_5.8.1 (10).ipynb": 0, "ada_shrinkage-arithmetic.md": 0}, 1),
        ({"ada_5.8.1.ipynb": 0, "Copy of ada_5.8.1.ipynb": 60}, 0),
        ({"ada_5.8.1.md": 0, "ada_Shrinkage_Arithmetic-Copy1.ipynb": 300}, 0),
    ],
)
def test_the_newest_of_several_counts_and_the_others_are_named(tmp_path, files, counts):
    for name, age in files.items():
        write(tmp_path / name, age)
    (one,) = find(tmp_path, EXERCISES)
    others = [Path(name).name for name in files]
    assert one.path == tmp_path / list(files)[counts]
    del others[counts]
    assert sorted(one.others) == sorted(others)
    assert (one.student, one.exercise, one.problem) == ("ada", "5.8.1", "")


@pytest.mark.parametrize(
    "empty", ["", "{}", '{"cells": []}', '{"cells": [{"cell_type": "code", "source": " "}]}']
)
def test_an_empty_file_never_takes_the_place_of_work(tmp_path, empty):
    write(tmp_path / "ada_5.8.1.ipynb", 5000)
    write(tmp_path / "ada_5.8.1-1.ipynb", 0, empty)
    (one,) = find(tmp_path, EXERCISES)
    assert (one.path.name, one.others) == ("ada_5.8.1.ipynb", ("ada_5.8.1-1.ipynb",))


def test_hostile_names_are_kept(tmp_path):
    names = [
        "=cmd()",
        "<script>alert(1)<",
        "a\nb",
        "..",
        "...",
        "a b",
        "ü",
        "-rf",
        "x" * 200,
        "con~",
        "a;b",
        "$(id)",
    ]
    for name in names:
        (tmp_path / f"{name}_5.8.1.md").touch()
    submissions = find(tmp_path, EXERCISES)
    # Those that begin with a dot are hidden files.
    assert {submission.student for submission in submissions} == set(names) - {"..", "..."}


def test_names_that_are_no_text_are_shown_as_text(tmp_path):
    for name in (b"\xff_5.8.1.md", b"\xfe_5.8.1.md"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    submissions = find(tmp_path, EXERCISES)
    assert {submission.student for submission in submissions} == {"\\xff", "\\xfe"}
    assert [submission.problem for submission in submissions] == ["", ""]
    assert [read(submission) for submission in submissions] == [b"", b""]


def test_a_file_that_becomes_a_link_is_not_read(tmp_path):
    make(tmp_path, "ada_5.8.1.md", "key")
    submission = find(tmp_path, EXERCISES)[0]
    submission.path.unlink()
    submission.path.symlink_to(tmp_path / "key")
    with pytest.raises(OSError, match="symbolic links"):
        read(submission)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named(tmp_path):
    make(tmp_path, "ada_5.8.1.md", "bob/week/5.8.1.md", "eve/week/5.8.1.md")
    for name in ("ada_5.8.1.md", "bob", "eve/week"):
        (tmp_path / name).chmod(0)
    try:
        assert {problem for _, _, problem in found(tmp_path).values()} == {
            "it cannot be read: you have no permission"
        }
    finally:
        for name in ("bob", "eve/week"):
            (tmp_path / name).chmod(0o700)


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match="folder is"):
        find(tmp_path / "nothing", EXERCISES)


def test_submissions_beside_a_folder_of_submissions_are_not_passed_over(tmp_path):
    folder = tmp_path / "course"
    (folder / "submitted" / "eve" / "one").mkdir(parents=True)
    (folder / "submitted" / "eve" / "one" / "5.8.1.md").touch()
    (folder / "source" / "one").mkdir(parents=True)
    (folder / "source" / "one" / "5.8.1.md").touch()
    assert [found.student for found in find(folder, {"page": "5.8.1"})] == ["eve"]
    (folder / "ada_5.8.1.md").touch()
    with pytest.raises(ValueError, match=r"submissions beside it, such as 'ada_5\.8\.1\.md'"):
        find(folder, {"page": "5.8.1"})


def test_a_link_named_submitted_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "ada_5.8.1.md").touch()
    folder = tmp_path / "course"
    folder.mkdir()
    (folder / "submitted").symlink_to(tmp_path / "elsewhere")
    assert [(found.student, bool(found.problem)) for found in find(folder, {"page": "5.8.1"})] == [
        ("submitted", True)
    ]


def test_a_student_may_be_called_submitted(tmp_path):
    make(tmp_path, "submitted/week/5.8.1.md", "ada/week/5.8.1.md")
    assert {one.student for one in find(tmp_path, EXERCISES)} == {"ada", "submitted"}


def nameless(student=""):
    """A notebook that names its exercise in no way that can be read."""
    source = f'number = "5.8.1"; answers = Answers(number, student="{student}")'
    return json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": source}]})


def test_what_names_no_exercise_is_for_the_only_one(tmp_path):
    make(tmp_path, "ada_5.8.1.ipynb", "cy/work.ipynb")
    for name in ("ada_work.ipynb", "bob_work.ipynb"):
        (tmp_path / name).write_text(nameless())
    assert found(tmp_path) == {
        "ada_5.8.1.ipynb": ("ada", "5.8.1", ""),
        "ada_work.ipynb": ("ada", "work", NO_EXERCISE),
        "bob_work.ipynb": ("bob", "5.8.1", ""),
        "cy/work.ipynb": ("cy", "5.8.1", "the file is not JSON, so not a Jupyter notebook"),
    }
    assert [one.exercise for one in find(tmp_path, EXERCISES, asked=["5.8.3"])].count("5.8.3") == 3


def test_of_several_that_name_no_exercise_one_counts_and_two_students_stay_two(tmp_path):
    """Else one has two rows, and the points of the older may come into a gradebook, or two have one page."""
    make(tmp_path, "ada/x", "bo_5.8.1.ipynb", "Week 8/x")
    for name in ("ada/old.ipynb", "ada/new.ipynb"):
        (tmp_path / name).write_text(nameless("ada"))
    os.utime(tmp_path / "ada/old.ipynb", (0, 0))
    for student in ("cy", "di"):
        (tmp_path / f"Week 8/{student}.ipynb").write_text(nameless(student))
    assert [(one.student, one.path.name, one.others) for one in find(tmp_path, EXERCISES)] == [
        ("Week 8 (cy)", "cy.ipynb", ()),
        ("Week 8 (di)", "di.ipynb", ()),
        ("ada", "new.ipynb", ("old.ipynb",)),
        ("bo", "bo_5.8.1.ipynb", ()),
    ]
