"""Break the book in single ways, one at a time, and see that the tests notice each.

A test that never fails proves nothing. tests/project/mutants.yaml lists changes that no test may let pass: a
digit of a stated output, a value in the data, a sign in an integral, a verdict. Each is made in a scratch
copy of the repository (never in the repository itself), the narrowest tests that ought to notice it are run
there, and it is undone. First the same tests run on the unbroken copy, where they must pass.

``python tooling/scripts/mutants.py --only survey`` runs those in whose description or file a text stands.
"""

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import yaml

from tooling.environment import end_when_interrupted

ROOT = Path(__file__).resolve().parents[2]
EXECUTED = Path("_build/execution")
LIST = Path("tests/project/mutants.yaml")
PYTEST = [
    *("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"),
    *("-p", "nbval.plugin", "-p", "myst_nbval.plugin"),
    *("--nbval-lax", "--nbval-cell-timeout=300", "--nbval-kernel-startup-timeout=300"),
]
LONGEST = 900  # seconds for one selection of tests
# pytest's exit codes: tests failed; the run was cut short, as by an error in a file of tests or a page.
NOTICED = {1, 2}


@dataclass(frozen=True)
class Mutation:
    """A change that the tests must notice.

    Attributes
    ----------
    what : str
        What the change stands for.
    file : str
        Where, from the root of the repository.
    old, new : str
        The text there, which must stand in the file exactly once, and what takes its place.
    tests : tuple of str
        What pytest is to run.
    """

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, root):
        """Make the change; return why it cannot be made, or nothing."""
        path = root / self.file
        text = path.read_text(encoding="utf8") if path.exists() else ""
        if text.count(self.old) != 1:
            return f"the old text stands {text.count(self.old)} times in {self.file}, not once"
        path.write_text(text.replace(self.old, self.new), encoding="utf8")
        return ""


@dataclass(frozen=True)
class Result:
    """What became of a mutation: caught, survived or not applicable, and by what or why."""

    mutation: Mutation
    outcome: str
    detail: str
    seconds: float


def main():
    """Run the mutations; exit with 1 unless all are caught."""
    end_when_interrupted("The book itself is as it was.")
    parser = argparse.ArgumentParser(description="Break the book; the tests must notice.")
    parser.add_argument("--only", default="", help="a text in the description or file of a mutation")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="copies to work in at a time")
    options = parser.parse_args()
    if not ((options.root / ".git").exists() and shutil.which("git")):
        sys.exit("make mutants needs git and a clone: git says which files are to be copied.")
    mutations = [m for m in load(options.root / LIST) if options.only in f"{m.what} {m.file}"]
    started = time.monotonic()
    results = run(options.root, mutations, options.jobs)
    print(report(results, time.monotonic() - started))
    sys.exit(not results or any(result.outcome != "caught" for result in results))


def load(path):
    """Read the list of mutations."""
    entries = yaml.safe_load(path.read_text(encoding="utf8"))
    return [Mutation(**entry | {"tests": tuple(entry["tests"].split())}) for entry in entries]


def run(root, mutations, jobs):
    """Return the result of each mutation, in their order."""
    with ExitStack() as stack, ThreadPoolExecutor(jobs) as pool:
        copies = queue.SimpleQueue()
        for _ in range(jobs):
            copies.put(copy_of(root, stack))
        check_unbroken(pool, copies, list(dict.fromkeys(m.tests for m in mutations)))
        tasks = [pool.submit(in_a_copy, copies, judge, mutation) for mutation in mutations]
        for number, task in enumerate(as_completed(tasks), start=1):
            result = task.result()
            print(f"[{number}/{len(tasks)}] {result.outcome:<8} {result.mutation.what}", flush=True)
        return [task.result() for task in tasks]


def copy_of(root, stack):
    """Copy what git tracks, as it is in the working tree, to a folder that the stack removes."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-")))
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():  # a deleted file may be listed still
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / name)
    if (root / EXECUTED).exists():  # tests that need the built book then wait for Sphinx only
        shutil.copytree(root / EXECUTED, folder / EXECUTED)
    check_imports(root, folder)
    return folder


def check_imports(root, folder):
    """End the run if a copy would test other code than its own."""
    packages = [*root.glob("*/__init__.py"), *root.glob("packages/*/*/__init__.py")]
    for name in sorted(path.parent.name for path in packages):
        imported = python(folder, "-c", f"import {name}; print({name}.__file__)").stdout.strip()
        if not imported.startswith(str(folder.resolve())):
            sys.exit(f"mutants: the copy imports {imported!r}, not its own {name}: nothing would be tested")


def python(folder, *arguments):
    """Run Python in a copy, whose packages come before the installed ones."""
    places = [folder, *sorted(folder.glob("packages/*"))]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(place.resolve()) for place in places),
        # Byte code is kept by size and second: a changed digit could go unseen.
        "PYTHONDONTWRITEBYTECODE": "1",
        # Importing the other plugins takes longer than most of the tests.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )


def in_a_copy(copies, function, *arguments):
    """Call a function with a copy that nobody else uses meanwhile."""
    folder = copies.get()
    try:
        return function(folder, *arguments)
    finally:
        copies.put(folder)


def check_unbroken(pool, copies, selections):
    """Run every selection on unbroken copies; a failure there ends the run."""
    tasks = {pool.submit(in_a_copy, copies, python, *PYTEST, *tests): tests for tests in selections}
    for number, task in enumerate(as_completed(tasks), start=1):
        process, tests = task.result(), " ".join(tasks[task])
        print(f"[{number}/{len(tasks)}] unbroken {tests}", flush=True)
        if process.returncode != 0:
            pool.shutdown(cancel_futures=True)
            sys.exit(f"mutants: {tests} fails without any change:\n{process.stdout}{process.stderr}")


def judge(folder, mutation):
    """Make one change in a copy, run its tests there and undo it."""
    started = time.monotonic()
    path = folder / mutation.file
    before = path.read_bytes() if path.exists() else None
    fault = mutation.apply(folder)
    if fault:
        return Result(mutation, "not applicable", fault, 0.0)
    try:
        process = python(folder, *PYTEST, *mutation.tests)
    finally:
        path.write_bytes(before)
    seconds = time.monotonic() - started
    if process.returncode in NOTICED:
        failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", process.stdout, re.MULTILINE)
        return Result(mutation, "caught", failed[1] if failed else "an error", seconds)
    if process.returncode == 0:
        return Result(mutation, "survived", "all tests passed", seconds)
    return Result(mutation, "not applicable", (process.stdout + process.stderr).strip()[-300:], seconds)


def report(results, seconds):
    """Return the table of results and the line that sums them up."""
    rows = [("outcome", "change", "file", "noticed by, or why not", "s")]
    rows += [
        (r.outcome, r.mutation.what, r.mutation.file, " ".join(r.detail.split()), f"{r.seconds:.0f}")
        for r in results
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    caught = sum(result.outcome == "caught" for result in results)
    summary = f"{caught} of {len(results)} changes caught in {seconds / 60:.1f} minutes"
    return "\n".join(["", *(line.rstrip() for line in lines), "", summary])


if __name__ == "__main__":
    main()
