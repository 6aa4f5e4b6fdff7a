"""Time the build of the book: from nothing, with nothing changed, with one page edited.

The book is built in a copy, by the same command as ``make book``, in an environment that
``make setup`` has made ready: the samplers' kernels are compiled, no page has been executed.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EDITED = "chapters/eight-schools.md"
NOT_COPIED = shutil.ignore_patterns(".venv", ".tools", ".git", "_build", "__pycache__")


def main():
    """Print one JSON line for each measurement."""
    with tempfile.TemporaryDirectory() as folder:
        book = shutil.copytree(ROOT, Path(folder) / "book", ignore=NOT_COPIED)
        report("cold build", build(book), target=100)
        report("build with nothing changed", build(book), target=3)
        with (book / EDITED).open("a", encoding="utf8") as page:
            page.write('\n```{code-cell} ipython3\nprint("one more cell")\n```\n')
        report(f"build with {EDITED} edited", build(book), target=None)


def build(book):
    """Build the book and return the seconds it took."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, book / "tooling/scripts/build.py", book],
        stdout=sys.stderr,
        check=True,
    )
    return time.perf_counter() - start


def report(what, seconds, *, target):
    """Print a measurement; ``target`` is the most it should take, in seconds."""
    result = {"what": what, "value": round(seconds, 2), "unit": "s", "target": target}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
