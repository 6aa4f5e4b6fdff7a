"""Run every script in tooling/benchmarks/ and write what they measured beside them.

Each script prints one JSON object a line, with ``what``, ``value``, ``unit`` and ``target`` (the
most it should be, or null). Results go to a dated file and to the table in tooling/benchmarks/README.md.
"""

import datetime as dt
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from tooling.environment import end_when_interrupted

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
INTRODUCTION = """\
# Benchmarks

Measured by `make bench` on {date}: {machine}.

| what | measured | target |
| --- | ---: | ---: |
"""


def main():
    """Measure, then write the dated file and the table."""
    end_when_interrupted("Nothing was written: measurements count only when all were made.")
    results = [result for script in sorted(FOLDER.glob("*.py")) for result in measure(script)]
    date = dt.datetime.now(dt.UTC).date().isoformat()
    machine = (
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}"
    )
    record = {"date": date, "machine": machine, "results": results}
    (FOLDER / "results" / f"{date}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf8")
    (FOLDER / "README.md").write_text(table(record), encoding="utf8")
    print(table(record))


def measure(script):
    """Return the measurements that one script prints."""
    print(f"tooling/benchmarks/{script.name}", file=sys.stderr, flush=True)
    # A session of its own: Ctrl-C reaches this process only, which ends all others.
    process = subprocess.run(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, check=True, start_new_session=True
    )
    return [json.loads(line) for line in process.stdout.splitlines()]


def table(record):
    """Return the text of tooling/benchmarks/README.md."""
    return INTRODUCTION.format(**record) + "".join(map(row, record["results"]))


def row(result):
    """Return one line of the table."""
    target = "" if result["target"] is None else f"{result['target']:g}"
    measured = f"{result['value']:.3g} {result['unit']}"
    return f"| {result['what']} | {measured} | {target} |\n"


if __name__ == "__main__":
    main()
