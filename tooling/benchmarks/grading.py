"""Marking: seconds and memory of submissions with and without fits, and nbgrader on the same."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import jupytext
import psutil
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

from filling import notebook  # noqa: E402

CLASS = yaml.safe_load((ROOT / "tests" / "exercises" / "class.yaml").read_text("utf-8"))
BY_NAME = {entry["student"]: entry for entry in CLASS}


def main():
    """Measure and print one JSON object a line."""
    subprocess.run([ROOT / "tooling/scripts" / "nbgrader.sh"], check=True)
    forty = marking("complete", 40)
    report("marking: light submission, of 40", forty[0], "s")
    report("marking: light submission, of 40, peak memory", forty[1], "GiB")
    many = marking("complete", 400)
    report("marking: light submission, of 400", many[0], "s")
    report("marking: light submission, of 400, peak memory", many[1], "GiB")
    report("marking: growth of time per submission from 40 to 400", many[0] / forty[0], "times", 1.2)
    fits = marking("hospitals", 8)
    report("marking: submission with two fits, of 8", fits[0], "s")
    report("marking: submission with two fits, of 8, peak memory", fits[1], "GiB")
    rival = nbgrader(40)
    report("nbgrader autograde: light submission, of 40", rival, "s")
    report("marking: time as a share of nbgrader's", forty[0] / rival, "times", 1 / 3)


def marking(name, count):
    """Return seconds per submission and peak memory (GiB) of a class, each with data of its own."""
    with tempfile.TemporaryDirectory() as folder:
        submitted = Path(folder, "submitted")
        submitted.mkdir()
        for number in range(count):
            student = f"student{number}"
            (submitted / f"{student}_{BY_NAME[name]['exercise']}.md").write_text(
                filled(name, student), "utf-8"
            )
        command = [sys.executable, "-m", "notebook_marking", str(submitted), str(Path(folder, "out"))]
        seconds, memory = measure(command, ROOT, expected=3)
    return seconds / count, memory


def nbgrader(count):
    """Return seconds per submission of nbgrader, which runs the same notebooks and marks nothing."""
    programs = ROOT / "_build" / "nbgrader" / "bin"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "nbgrader_config.py").write_text('get_config().CourseDirectory.course_id = "course"\n')
        write_notebook(
            Path(folder, "source", "pooling"), (ROOT / "exercises" / "shrinkage-arithmetic.md").read_text()
        )
        for number in range(count):
            student = f"student{number}"
            write_notebook(Path(folder, "submitted", student, "pooling"), filled("complete", student))
        environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
        program = str(programs / "nbgrader")
        subprocess.run(
            [program, "generate_assignment", "pooling", "--create"],
            cwd=folder, env=environment, check=True, capture_output=True,
        )  # fmt: skip
        seconds, _ = measure([program, "autograde", "pooling", "--create"], folder, environment)
        assert len(list(Path(folder, "autograded").glob("*/pooling/*.ipynb"))) == count
    return seconds / count


def filled(name, student):
    """Return a notebook of the imaginary class, with data for this student."""
    return notebook(BY_NAME[name] | {"data": student})


def write_notebook(folder, text):
    """Write a notebook as nbgrader wants it."""
    folder.mkdir(parents=True)
    jupytext.write(jupytext.reads(text, fmt="md:myst"), folder / "shrinkage-arithmetic.ipynb")


def measure(command, folder, environment=None, expected=0):
    """Run a command; return seconds, and the largest resident memory of all its processes in GiB."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    largest = [0]
    watcher = threading.Thread(target=watch, args=(process, largest))
    watcher.start()
    errors = process.communicate()[1]
    seconds = time.perf_counter() - start
    watcher.join()
    if process.returncode != expected:
        sys.exit(f"{command} ended with {process.returncode}:\n{errors.decode()[-2000:]}")
    return seconds, largest[0] / 1024**3


def watch(process, largest):
    """Note the largest resident memory of a process and all below it, until it ends."""
    while process.poll() is None:
        total = 0
        try:
            root = psutil.Process(process.pid)
            family = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            break
        for member in family:
            try:
                total += member.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        largest[0] = max(largest[0], total)
        time.sleep(0.2)


def report(what, value, unit, target=None):
    """Print one result."""
    print(json.dumps({"what": what, "value": value, "unit": unit, "target": target}), flush=True)


if __name__ == "__main__":
    main()
