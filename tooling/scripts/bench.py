"""Run every script in tooling/benchmarks/ and write what they measured beside them.

Each script prints one JSON object a line, with ``what``, ``value``, ``unit`` and ``target`` (the
most it should be, or null). Results go to a dated file of its name and to the table in
tooling/benchmarks/README.md.
"""

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from tooling.environment import end_when_interrupted, replace

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
INTRODUCTION = """\
# Benchmarks

Measured by `make bench`, or one part of it by `make bench PART=live`; the machine stands in each part's file.

| part | on | what | measured | target |
| --- | --- | --- | ---: | ---: |
"""


def main():
    """Measure, and after each script write its results and the table."""
    end_when_interrupted("Measurements count when all of a script were made; those are written.")
    scripts = {path.stem: path for path in sorted(FOLDER.glob("*.py"))}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=scripts, help="run this script only, and keep what others measured")
    part = parser.parse_args().part
    machine = (
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}"
    )
    for name in [part] if part else scripts:
        results = measure(scripts[name])
        date = dt.datetime.now(dt.UTC).date().isoformat()
        record = {"date": date, "machine": machine, "results": results}
        path = FOLDER / "results" / f"{name}.json"
        replace(path, json.dumps(record, indent=1) + "\n")
        replace(FOLDER / "README.md", table(recorded()))
    print(table(recorded()))


def recorded():
    """Return what each script has measured last, by its name."""
    paths = sorted((FOLDER / "results").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf8")) for path in paths}


def measure(script):
    """Return the measurements that one script prints."""
    print(f"tooling/benchmarks/{script.name}", file=sys.stderr, flush=True)
    # A session of its own: Ctrl-C reaches this process only, which ends all others.
    process = subprocess.run(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, check=True, start_new_session=True
    )
    return [json.loads(line) for line in process.stdout.splitlines()]


def table(records):
    """Return the text of tooling/benchmarks/README.md."""
    return INTRODUCTION + "".join(
        row(name, record["date"], result) for name, record in records.items() for result in record["results"]
    )


def row(name, date, result):
    """Return one line of the table."""
    target = "" if result["target"] is None else f"{result['target']:g}"
    measured = f"{result['value']:.3g} {result['unit']}"
    return f"| [{name}](results/{name}.json) | {date} | {result['what']} | {measured} | {target} |\n"


if __name__ == "__main__":
    main()
