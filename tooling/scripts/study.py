"""Repeat the fits of the section over seeds, samplers and kinds of compiled code: make study.

Runs that are already made are kept in _build/study/, in a folder named after all that they depend on, so
that an interrupted study goes on. Code for any processor of the family is made in a process of its own,
because the compiler asks once, at its start, for which processor it works.
"""

import argparse
import datetime as dt
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import yaml
from build import fingerprint
from joblib import Memory, Parallel, delayed

from tooling.audit import runs, sensitivity
from tooling.environment import end_when_interrupted, replace

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tooling" / "audit" / "data"
PACKAGES = ("pymc", "nutpie", "pytensor", "arviz", "arviz-stats", "numpy", "numba")
NOTE = """\
Divergences, effective sample sizes, R-hat and leave-one-out comparisons of the section's models,
with 4 chains of 1000 tuning and 2000 kept draws. The draws depend on the processor, so that another
machine gives other runs, with a similar range. Further seeds, and code compiled for any processor of the
family (NUMBA_CPU_NAME=generic), have the two forms of Eight Schools only, at a target_accept of 0.90.
"""
COMPILED_FOR = {"native": {}, "generic": {"NUMBA_CPU_NAME": "generic"}}


def main():
    """Make the runs and write runs.csv and runs.yaml, and what comparisons can see."""
    end_when_interrupted("The runs that were finished are kept.")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--processor", choices=runs.PROCESSORS, help="make the runs of this kind only")
    arguments = parser.parse_args()
    if arguments.processor:
        made(arguments.processor, arguments.jobs)
        return
    tables = []
    for processor in runs.PROCESSORS:
        command = [sys.executable, __file__, "--processor", processor, "--jobs", str(arguments.jobs)]
        subprocess.run(command, env=os.environ | COMPILED_FOR[processor], check=True)
        tables.append(made(processor, arguments.jobs))
    table = pd.concat(tables).sort_index(kind="stable")
    replace(DATA / "runs.csv", table.to_csv())
    replace(DATA / "runs.yaml", yaml.safe_dump(description(table), sort_keys=False, allow_unicode=True))
    sensitivity.write()
    print(f"{len(table)} runs of {table.shape[1]} values are in {DATA / 'runs.csv'}")


def made(processor, jobs):
    """Make the runs of one kind of processor, or take those that were kept."""
    memory = Memory(ROOT / "_build" / "study" / fingerprint(ROOT) / processor, verbose=0)
    measures = [memory.cache(runs.measure_parameterisations), memory.cache(runs.measure)]
    tasks = runs.tasks(processor)
    # PyMC's own NUTS takes longest, so it comes first.
    results = Parallel(n_jobs=jobs, verbose=10)(
        delayed(measures[everything])(sampler, seed) for sampler, seed, everything in reversed(tasks)
    )
    index = [(sampler, processor, seed) for sampler, seed, _ in tasks]
    names = ["sampler", "processor", "seed"]
    return pd.DataFrame(results[::-1], index=pd.MultiIndex.from_tuples(index, names=names))


def description(table):
    """Say what was run, when and with which versions."""
    return {
        "title": runs.title(table),
        "source": "This book: tooling.audit.runs.measure, run by make study",
        "section": "5.8.3, 5.8.4, 5.8.5, Solutions 5.8.2 and 5.8.4",
        "licence": "MIT, as the rest of the code",
        "who": "The authors of this book",
        "when": dt.date.today().isoformat(),
        "note": NOTE.replace("\n", " ").strip(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }


if __name__ == "__main__":
    main()
