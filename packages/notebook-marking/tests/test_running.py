"""Running a class: every submission gets its run, whatever happens to the others or to this process."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from notebook_marking import sandbox
from notebook_marking.running import run_all
from notebook_marking.runs import Limits, Run, SandboxError
from notebook_marking.sandbox import View
from notebook_marking.submissions import Submission

HOSTILE = Path(__file__).resolve().parent / "hostile"
LIMITS = Limits(seconds=30, cell_seconds=10)


pytestmark = pytest.mark.usefixtures("bubblewrap")


@pytest.fixture
def submissions(tmp_path):
    """Return submissions of three students; each records a number of its own."""
    return [submission(tmp_path, name, number) for number, name in enumerate(["ada", "bob", "eve"])]


def submission(folder, student, number):
    """Write one notebook, which records a number."""
    path = folder / f"{student}_5.8.1.md"
    dump = f"json.dump({{'number': {number}}}, open('answers/5.8.1.json', 'w'))"
    path.write_text(f"```{{code-cell}}\nimport json, os\nos.mkdir('answers')\n{dump}\n```\n")
    return Submission(student, "5.8.1", path)


def finished(*numbers):
    """Return the runs that record these numbers."""
    return [Run("finished", {"number": number}) for number in numbers]


@pytest.fixture
def calls(monkeypatch):
    """Count the sandboxes that are started."""
    started = []

    def run(notebook, *arguments, **options):
        started.append(notebook)
        return true_run(notebook, *arguments, **options)

    true_run = sandbox.run
    monkeypatch.setattr(sandbox, "run", run)
    return started


def test_each_is_run_once_and_in_order(submissions, tmp_path, calls):
    store = tmp_path / "runs"
    assert run_all(submissions, store, limits=LIMITS, progress=False) == finished(0, 1, 2)
    assert len(calls) == 3
    assert run_all(submissions[::-1], store, limits=LIMITS) == finished(2, 1, 0)
    assert len(calls) == 3


def test_a_changed_notebook_is_run_again(submissions, tmp_path, calls):
    store = tmp_path / "runs"
    run_all(submissions, store, limits=LIMITS)
    submission(tmp_path, "bob", 7)
    assert run_all(submissions, store, limits=LIMITS) == finished(0, 7, 2)
    assert len(calls) == 4


@pytest.mark.parametrize("change", [{"limits": replace(LIMITS, seconds=31)}, {"trust": True}])
def test_other_limits_or_no_sandbox_run_it_again(submissions, tmp_path, calls, change):
    options = {"limits": LIMITS, **change}
    run_all(submissions[:1], tmp_path / "runs", limits=LIMITS)
    run_all(submissions[:1], tmp_path / "runs", **options)
    assert len(calls) == 2


def test_the_same_notebook_for_another_exercise_is_not_the_same(submissions, tmp_path):
    other = replace(submissions[0], exercise="5.8.3")
    runs = run_all([submissions[0], other], tmp_path / "runs", limits=LIMITS)
    assert [run.status for run in runs] == ["finished", "no answers"]


def test_equal_notebooks_are_run_once_and_count_for_each(tmp_path, calls):
    submissions = [submission(tmp_path, name, 5) for name in ("ada", "bob")]
    assert run_all(submissions, tmp_path / "runs", limits=LIMITS) == finished(5, 5)
    assert len(calls) == 1


def test_what_has_a_problem_is_not_run(submissions, tmp_path, calls):
    submissions[1] = Submission("bob", "", tmp_path / "nothing", "it is a folder")
    runs = run_all(submissions, tmp_path / "runs", limits=LIMITS)
    assert runs == [*finished(0), Run("not run", {}, ("it is a folder",)), *finished(2)]
    assert len(calls) == 2


@pytest.mark.slow
def test_hostile_submissions_harm_no_others(submissions, tmp_path):
    names = ["killed.md", "fork-bomb.md", "memory-hog.md", "nested.ipynb", "answers-deep.md", "kills-all.md"]
    class_ = [Submission(f"mallory {name}", "5.8.1", HOSTILE / name) for name in names]
    class_[2:2] = submissions
    limits = Limits(seconds=60, cell_seconds=15, memory=600 * 1024**2, processes=50)
    runs = run_all(class_, tmp_path / "runs", limits=limits, jobs=3)
    assert runs[2:5] == finished(0, 1, 2)
    statuses = [run.status for run in runs[:2] + runs[5:]]
    assert statuses == [
        *("stopped", "out of time", "out of memory", "not a notebook", "invalid answers", "finished")
    ]


TELLS_PROCESSORS = """```{code-cell}
import contextlib, json, os
with contextlib.suppress(PermissionError):
    os.sched_setaffinity(0, range(os.cpu_count()))
os.mkdir('answers')
json.dump({'processors': sorted(os.sched_getaffinity(0))}, open('answers/5.8.1.json', 'w'))
```
"""


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_each_run_keeps_to_its_own_processors(tmp_path, jobs):
    class_ = []
    for number in range(6):
        class_.append(submission(tmp_path, f"student {number}", 0))
        class_[-1].path.write_text(TELLS_PROCESSORS + "x" * number)
    runs = run_all(class_, tmp_path / "runs", limits=LIMITS, jobs=jobs)
    allowed = sorted(os.sched_getaffinity(0))
    shares = {tuple(run.answers["processors"]) for run in runs}
    if jobs <= len(allowed):
        assert sum(map(len, shares)) == len({one for share in shares for one in share})
        assert shares <= {tuple(allowed[job::jobs]) for job in range(jobs)}
    else:
        assert all(len(share) == 1 for share in shares)
    # What it started has changed nothing for this process.
    assert sorted(os.sched_getaffinity(0)) == allowed


def test_a_fault_of_the_machinery_loses_no_other_run(submissions, tmp_path, monkeypatch):
    store = tmp_path / "runs"
    true_run = sandbox.run

    def run(notebook, *arguments, **options):
        if b"'number': 1}" in notebook:
            raise OSError("no more processes")
        return true_run(notebook, *arguments, **options)

    monkeypatch.setattr(sandbox, "run", run)
    with pytest.raises(SandboxError, match=r"1 of 3 notebooks.*bob_5.8.1.md: OSError: no more processes"):
        run_all(submissions, store, limits=LIMITS)
    assert len(list(store.iterdir())) == 2
    monkeypatch.setattr(sandbox, "run", true_run)
    assert run_all(submissions, store, limits=LIMITS) == finished(0, 1, 2)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"status": "right", "answers": {}, "remarks": []}']
)
def test_a_stored_run_that_cannot_be_read_is_run_again(submissions, tmp_path, calls, content):
    store = tmp_path / "runs"
    run_all(submissions[:1], store, limits=LIMITS)
    (stored,) = store.iterdir()
    stored.write_text(content)
    assert run_all(submissions[:1], store, limits=LIMITS) == finished(0)
    assert len(calls) == 2
    assert json.loads(stored.read_text())["status"] == "finished"


@pytest.mark.parametrize("change", ["edited", "renamed", "installed"])
def test_what_notebooks_import_decides_whether_they_are_run_again(
    submissions, course, tmp_path, calls, monkeypatch, change
):
    shutil.copytree(course.root / "sums", tmp_path / "book" / "fruits")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "book"), *sys.path])
    options = {"view": View(("fruits",), str(tmp_path / "book")), "limits": LIMITS}
    store = tmp_path / "runs"
    run_all(submissions[:1], store, **options)
    (tmp_path / "book/solution.md").write_text("not imported")
    run_all(submissions[:1], store, **options)
    assert len(calls) == 1
    if change == "edited":
        (tmp_path / "book/fruits/personal.py").write_text("data = None")
    elif change == "renamed":
        (tmp_path / "book/fruits/personal.py").rename(tmp_path / "book/fruits/other.py")
    else:
        (tmp_path / "book/extra-1.dist-info").mkdir()
        (tmp_path / "book/extra-1.dist-info/METADATA").write_text("Name: extra\nVersion: 1\n")
    run_all(submissions[:1], store, **options)
    assert len(calls) == 2


def test_a_class_that_was_killed_goes_on(submissions, tmp_path, calls):
    """Kill the process once the first two are stored and the third is at work."""
    store = tmp_path / "runs"
    wait = tmp_path / "wait_5.8.1.md"
    wait.write_text("```{code-cell}\nimport time\ntime.sleep(60)\n```\n")
    class_ = [*submissions, Submission("wait", "5.8.1", wait)]
    code = (
        # What is installed is part of a run's key, and found on this path, to which tests may have added.
        f"import sys\nsys.path[:] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from notebook_marking.running import run_all\n"
        "from notebook_marking.runs import Limits\n"
        "from notebook_marking.submissions import Submission\n"
        f"paths = {[str(one.path) for one in class_]!r}\n"
        "submissions = [Submission(str(i), '5.8.1', Path(path)) for i, path in enumerate(paths)]\n"
        f"run_all(submissions, {str(store)!r}, limits=Limits(seconds=30, cell_seconds=10), jobs=1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while len(list(store.glob("[!.]*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run_all(submissions, store, limits=LIMITS) == finished(0, 1, 2)
    assert calls == []
    assert len(list(store.glob("[!.]*.json"))) == 3  # the one that was at work will run again


@pytest.mark.slow
def test_a_cluster_of_two_workers_gives_the_same(submissions, tmp_path):
    distributed = pytest.importorskip("distributed")
    class_ = [*submissions, Submission("mallory", "5.8.1", HOSTILE / "killed.md")]
    local = run_all(class_, tmp_path / "local", limits=LIMITS)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        runs = run_all(class_, tmp_path / "cluster", limits=LIMITS, dask=cluster.scheduler_address)
    assert runs == local
    assert local[:3] == finished(0, 1, 2)
