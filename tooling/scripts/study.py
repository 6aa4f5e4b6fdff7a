"""Repeat the fits of the section over seeds and samplers: make study.

Runs that are already made are kept in _build/study/, in a folder named after all that they depend on, so
that an interrupted study goes on.
"""

import argparse
import datetime as dt
import os
import platform
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import yaml
from build import fingerprint, replace
from joblib import Memory, Parallel, delayed

from tooling.audit import runs
from tooling.environment import end_when_interrupted

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tooling" / "audit" / "data"
PACKAGES = ("pymc", "nutpie", "pytensor", "arviz", "arviz-stats", "numpy", "numba")
NOTE = """\
Divergences, effective sample sizes, R-hat and leave-one-out comparisons of the section's models,
with 4 chains of 1000 tuning and 2000 kept draws. The draws depend on the processor, so that another
machine gives other runs, with a similar range.
"""


def main():
    """Make the runs and write runs.csv and runs.yaml."""
    end_when_interrupted("The runs that were finished are kept.")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    jobs = parser.parse_args().jobs
    memory = Memory(ROOT / "_build" / "study" / fingerprint(ROOT), verbose=0)
    measure = memory.cache(runs.measure)
    tasks = runs.tasks()
    # PyMC's own NUTS takes longest, so it comes first.
    results = Parallel(n_jobs=jobs, verbose=10)(delayed(measure)(*task) for task in reversed(tasks))
    index = pd.MultiIndex.from_tuples(tasks, names=["sampler", "seed"])
    table = pd.DataFrame(results[::-1], index=index)
    replace(DATA / "runs.csv", table.to_csv())
    replace(DATA / "runs.yaml", yaml.safe_dump(description(), sort_keys=False, allow_unicode=True))
    print(f"{len(table)} runs of {table.shape[1]} values are in {DATA / 'runs.csv'}")


def description():
    """Say what was run, when and with which versions."""
    return {
        "title": f"{len(runs.SEEDS)} seeds on each of {len(runs.SAMPLERS)} samplers",
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
