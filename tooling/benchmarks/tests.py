"""Time the tests in a fresh copy whose environment is ready: all, the quick ones, those of one page."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(".venv", ".tools", "_build", "__pycache__")
PAGE = "chapters/eight-schools.md"
ONE_PAGE = [".venv/bin/python", "-m", "pytest", "-q", "--nbval-lax", PAGE]


def main():
    """Print one JSON line for each measurement."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # as a clone's is: the sandbox's user reads it too
        book = shutil.copytree(ROOT, Path(folder, "book"), ignore=NOT_COPIED)
        seconds(book, "make", "setup")
        report("make test", seconds(book, "make", "test"), target=480)
        report("make test-quick", seconds(book, "make", "test-quick"), target=45)
        report(f"tests of one page with its sampling ({PAGE})", seconds(book, *ONE_PAGE), target=None)


def seconds(book, *command):
    """Run a command, which must succeed, and return how long it took."""
    # As from a terminal: nothing of the environment that runs this file.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=book, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return time.perf_counter() - start


def report(what, value, *, target):
    """Print a measurement; ``target`` is the most it should take, in seconds."""
    print(json.dumps({"what": what, "value": round(value, 1), "unit": "s", "target": target}), flush=True)


if __name__ == "__main__":
    main()
