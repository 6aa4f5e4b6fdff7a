"""The command that marks a class: its messages, its exit status, and one class from folder to grades."""

import csv
import fcntl
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from notebook_marking import __main__ as command
from notebook_marking import sandbox
from notebook_marking.course import Course
from notebook_marking.runs import Run
from notebook_marking.submissions import Submission

COURSE = Path(__file__).resolve().parent / "course"
EXERCISE = "1"


@pytest.fixture
def folders(tmp_path):
    """Return a folder of submissions and one for output, which is not there yet."""
    (tmp_path / "submitted").mkdir()
    return tmp_path / "submitted", tmp_path / "marked"


@pytest.fixture
def class_of(monkeypatch):
    """Let the command find these runs, by student, and run nothing."""

    def pretend(runs):
        submissions = [Submission(name, EXERCISE, Path(f"{name}.ipynb"), "") for name in runs]
        monkeypatch.setattr(command, "find", lambda *_: submissions)
        monkeypatch.setattr(command, "run_all", lambda *_, **__: list(runs.values()))
        monkeypatch.setattr(sandbox, "check", lambda **_: None)

    return pretend


def refused(capsys, *arguments):
    """Run the command with arguments that it refuses; return what it says."""
    with pytest.raises(SystemExit) as stopped:
        command.main([str(argument) for argument in arguments])
    assert stopped.value.code == command.CANNOT_RUN
    return capsys.readouterr().err


def mark_class(folders, *options):
    return command.main([*map(str, folders), "--course", str(COURSE), *options])


def grades(out):
    with (out / "grades.csv").open(newline="") as file:
        return {row["student_id"]: row for row in csv.DictReader(file)}


# Wrong use ---------------------------------------------------------------------------------


def test_help_has_an_example_and_the_exit_statuses(capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "notebook-marking ~/course/submitted ~/course/marked" in text
    for status in (command.ALL_MARKED, command.CANNOT_RUN, command.NEEDS_HUMAN):
        assert f"\n  {status}  " in text


def test_wrong_arguments_are_named_and_nothing_is_written(folders, capsys, monkeypatch):
    submitted, out = folders
    assert "SUBMISSIONS=nowhere is not there: give" in refused(capsys, "nowhere", out)
    for inside in (submitted, submitted / "marked", submitted / "x" / ".." / "marked"):
        assert "is in SUBMISSIONS: give a folder outside it" in refused(capsys, submitted, inside)
    (submitted.parent / "link").symlink_to(submitted)
    assert "is in SUBMISSIONS" in refused(capsys, submitted, submitted.parent / "link" / "marked")
    (submitted.parent / "file").write_text("")
    assert "is a file: give a folder" in refused(capsys, submitted, submitted.parent / "file")
    assert "--jobs is 0: give at least 1" in refused(capsys, submitted, out, "--jobs", "0")
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    words = refused(capsys, submitted, out, "--dask", "tcp://host:8786")
    assert "--dask is tcp://host:8786, and the package distributed is not installed: install it" in words
    assert not out.exists()
    assert list(submitted.iterdir()) == []


def test_nothing_is_written_among_other_files(folders, capsys):
    submitted, out = folders
    for other in (COURSE, COURSE / "worked"):
        assert "give a new folder, or the OUT of an earlier run" in refused(capsys, submitted, other)
    for own in ("sums", "worked"):
        assert mark_class((submitted, COURSE / own / "new")) == command.CANNOT_RUN
        assert "among the course's own files: give a folder elsewhere" in capsys.readouterr().err
    (out / "runs").mkdir(parents=True)
    assert mark_class(folders) == command.CANNOT_RUN
    assert "holds no notebook" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_a_second_run_of_the_same_out_waits(folders, class_of, capsys, monkeypatch):
    class_of({"ada": recorded(a={"total": 7.0})})
    folders[1].mkdir()
    lock = (folders[1] / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    real, waited = fcntl.flock, []

    def flock(file, how):
        if not how & fcntl.LOCK_NB:
            waited.append(capsys.readouterr().err)
            lock.close()
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert mark_class(folders) == command.ALL_MARKED
    assert waited == [f"waiting for another run that writes to {folders[1]}\n"]


def test_only_the_exercises_asked_for_are_marked(folders, class_of, capsys):
    class_of({"ada": recorded(a={"total": 7.0})})
    assert mark_class(folders, "--exercise", "1") == command.ALL_MARKED
    assert mark_class(folders, "--exercise", "3") == command.CANNOT_RUN
    assert "--exercise is '3': give one of '1', '2'" in capsys.readouterr().err


def test_answers_on_the_data_of_the_text_are_reported_where_ids_are_required(folders, class_of, capsys):
    class_of({"ada": recorded(a={"total": 7.0})})
    assert mark_class(folders, "--require-id") == command.NEEDS_HUMAN
    assert "ada, 1: recorded without an id" in capsys.readouterr().out
    class_of({"ada": Run("finished", {"exercise": "1", "student": "Ada", "parts": {"a": {"total": 16.0}}})})
    assert mark_class(folders, "--require-id") == command.ALL_MARKED


def test_a_folder_that_is_no_course_is_named(folders, capsys):
    assert mark_class(folders, "--course", "nowhere") == command.CANNOT_RUN
    assert "course is 'nowhere': give a folder whose pyproject.toml has" in capsys.readouterr().err


def test_a_folder_without_notebooks_is_said_to_be_one(folders, capsys):
    assert mark_class(folders, "--trust") == command.CANNOT_RUN
    assert "holds no notebook: it should hold <student>/" in capsys.readouterr().err


def test_a_missing_sandbox_is_not_replaced_by_none(folders, class_of, capsys, monkeypatch):
    real = sandbox.check
    class_of({"ada": Run("no answers", {})})
    monkeypatch.setattr(sandbox, "check", real)
    monkeypatch.setattr(sandbox, "installed", lambda: None)
    assert mark_class(folders) == command.CANNOT_RUN
    message = capsys.readouterr().err
    assert "apt install bubblewrap" in message
    assert "--trust" in message
    assert not (folders[1] / "grades.csv").exists()


def test_a_broken_table_of_marks_is_known_before_anything_runs(folders, class_of, capsys, monkeypatch):
    class_of({"ada": Run("no answers", {})})
    monkeypatch.setattr(command, "run_all", lambda *_, **__: pytest.fail("it ran"))
    (folders[1] / "review").mkdir(parents=True)
    (folders[1] / "review/marks.csv").write_text("student,points\n")
    assert mark_class(folders) == command.CANNOT_RUN
    assert "marks.csv:1: there is no column" in capsys.readouterr().err


def test_a_gradebook_without_a_column_for_the_exercise_is_known_before_anything_runs(
    folders, class_of, tmp_path, capsys, monkeypatch
):
    class_of({"ada": Run("no answers", {})})
    monkeypatch.setattr(command, "run_all", lambda *_, **__: pytest.fail("it ran"))
    (tmp_path / "book.csv").write_text("Student,ID,Exercise 2\nAda,1,\n")
    assert mark_class(folders, "--gradebook", str(tmp_path / "book.csv")) == command.CANNOT_RUN
    assert "book.csv:1: no column is for exercise 1: name one so" in capsys.readouterr().err


def test_a_gradebook_of_an_earlier_run_is_said_to_be_one(folders, class_of, tmp_path, capsys):
    class_of({"ada": recorded(a={"total": 7.0})})
    (tmp_path / "book.csv").write_text("Student,ID,Exercise 1\nPoints Possible,,10\nada,1,\n")
    old = f"{folders[1] / 'gradebook.csv'} is of an earlier run: add --gradebook"
    assert mark_class(folders, "--gradebook", str(tmp_path / "book.csv")) == command.ALL_MARKED
    said = capsys.readouterr().out
    assert old not in said
    assert "book.csv gives 10 points for 1, which has 8.5" in said
    assert mark_class(folders) == command.ALL_MARKED
    assert old in capsys.readouterr().out


def test_who_counts_as_in_time_for_want_of_a_time_is_counted(folders, class_of, capsys, monkeypatch):
    facts = {"ada": {"due": "2026-03-05"}, "bob": {"late": True}, "cy": {}}
    class_of({name: recorded(a={"total": 7.0}) for name in facts})
    found = [replace(one, **facts[one.student]) for one in command.find()]
    monkeypatch.setattr(command, "find", lambda *_: found)
    for options, count in (((), 1), (("--due", "2026-03-05"), 2)):
        mark_class(folders, *options)
        assert f"For {count} submissions nothing says when" in capsys.readouterr().out


def test_a_stopped_run_says_that_it_goes_on(folders, class_of, capsys, monkeypatch):
    class_of({"ada": Run("no answers", {})})

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run_all", stopped)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as of_caller:
        assert mark_class(folders) == command.CANNOT_RUN
        of_caller.communicate(b"\n")
    assert of_caller.returncode == 0, "what the calling program had started was ended too"
    assert "the same command goes on" in capsys.readouterr().err


def test_a_stopped_run_waits_for_the_folders_that_it_has_yet_to_remove(folders, class_of, monkeypatch):
    class_of({"ada": Run("no answers", {})})
    made = queue.SimpleQueue()

    def removes_slowly():
        with sandbox._folder() as folder:
            made.put(Path(folder))
            time.sleep(0.5)

    def stopped(*_, **__):
        threading.Thread(target=removes_slowly, daemon=True).start()
        made.put(made.get())  # once it is there
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run_all", stopped)
    assert mark_class(folders) == command.CANNOT_RUN
    assert not made.get().exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_whatever_stops_it_leaves_no_notebook_at_work_and_no_folder(folders, tmp_path, name):
    submitted, out = folders
    started = tmp_path / "started"
    cell = f"import os, time\nopen({str(started)!r}, 'w').write(str(os.getpid()) + '.')\ntime.sleep(600)"
    (submitted / "ada_1.md").write_text(f"```{{code-cell}}\n{cell}\n```\n")
    (tmp_path / "temporary").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "notebook_marking", submitted, out, "--course", COURSE, "--trust"],
        cwd=COURSE,
        env=os.environ | {"TMPDIR": str(tmp_path / "temporary")},
        stderr=subprocess.PIPE,
        text=True,
        # Below nohup it is ignored from the start, and stays so.
        preexec_fn=lambda: signal.signal(getattr(signal, name), signal.SIG_DFL),
    )
    while process.poll() is None and not (started.exists() and started.read_text().endswith(".")):
        time.sleep(0.05)
    notebook = psutil.Process(int(started.read_text()[:-1]))
    process.send_signal(getattr(signal, name))
    assert "the same command goes on from here" in process.communicate(timeout=60)[1]
    assert process.returncode == command.CANNOT_RUN
    gone, _ = psutil.wait_procs([notebook], timeout=60)
    assert gone
    assert not list((tmp_path / "temporary").iterdir())


# Exit status -------------------------------------------------------------------------------


def recorded(**parts):
    return Run("finished", {"exercise": EXERCISE, "student": "", "parts": parts})


def test_the_exit_status_says_whether_anything_needs_a_human(folders, class_of, capsys):
    class_of({"ada": recorded(a={"total": 7.0})})
    assert mark_class(folders) == command.ALL_MARKED
    assert grades(folders[1])["ada"]["state"] == "marked"
    assert "1 submission of 1 student" in capsys.readouterr().out

    for status in ("out of time", "not a notebook", "stopped", "invalid answers"):
        class_of({"ada": Run("no answers", {}), "eve": Run(status, {}, ("an error", "and this was why"))})
        assert mark_class(folders) == command.NEEDS_HUMAN
        assert grades(folders[1])["eve"]["state"] == "problem"
        assert f"eve, 1: {status}; and this was why" in capsys.readouterr().out


def test_prose_waits_for_a_human_until_it_is_marked(folders, class_of, capsys):
    class_of({"ada": recorded(b={"explanation": "Because."})})
    assert mark_class(folders) == command.NEEDS_HUMAN
    assert "marks.csv" in capsys.readouterr().out
    marks = folders[1] / "review/marks.csv"
    header, row = marks.read_text(encoding="utf-8-sig").splitlines()
    cells = dict(zip(header.split(","), row.split(","), strict=True)) | {"points": "1"}
    marks.write_text(f"{header}\n{','.join(cells.values())}\n")
    assert mark_class(folders) == command.ALL_MARKED
    assert grades(folders[1])["ada"]["score"] == "1.0"
    marks.write_text(marks.read_text().replace(",1,", ",one,"))
    assert mark_class(folders) == command.CANNOT_RUN
    assert "points is 'one'" in capsys.readouterr().err
    assert grades(folders[1])["ada"]["score"] == "1.0"


# One class ---------------------------------------------------------------------------------


NOTEBOOK = """```{code-cell}
from notebook_marking.answers import Answers
from sums.personal import data

forms = {"1": {"parts": {"a": {"total": {"kind": "number", "is": "the sum"}}}}}
answers = Answers("1", forms=forms, data=data, student="ada")
numbers = answers.data()
answers.record("a", total=%s)
```
"""


def test_a_class_from_its_notebooks_to_its_grades(bubblewrap, folders, capsys):
    submitted, out = folders
    for student, right in (("ada", "sum(numbers)"), ("bob", "...")):
        (submitted / student / EXERCISE).mkdir(parents=True)
        (submitted / student / EXERCISE / "sums.md").write_text(NOTEBOOK % right)
    (submitted / "eve_1.ipynb").write_text("{")
    assert mark_class(folders, "--jobs", "2") == command.NEEDS_HUMAN
    table = grades(out)
    assert {name: float(row["score"]) for name, row in table.items()} == {"ada": 2, "bob": 0, "eve": 0}
    assert {name: row["state"] for name, row in table.items()} == {
        "ada": "marked",
        "bob": "waits",
        "eve": "problem",
    }
    kept = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*.json")}
    assert len(kept) == 3
    assert "bob, 1: no answers were recorded: yet no cell failed" in capsys.readouterr().out
    (submitted / "eve_1.ipynb").unlink()
    assert mark_class(folders) == command.NEEDS_HUMAN
    assert {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*.json")} == kept
    said = capsys.readouterr().out
    assert f"{out / 'feedback/eve.html'} is left from an earlier run" in said
    assert "1 to be marked or looked at" in said


def test_an_error_in_marking_one_submission_costs_no_other_its_marks(monkeypatch):
    def fails(*arguments):
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr(command, "mark", fails)
    marked = command._mark(Submission("eve", EXERCISE, Path("x.md")), None, Course.read(COURSE))
    assert marked.flags == ("could not be marked: ZeroDivisionError: float division by zero",)
    assert [mark.points for mark in marked.marks] == [0] * 6  # which a teacher may override
