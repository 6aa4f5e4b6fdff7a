"""Repeat the study of calibration: make calibration, or for one model make calibration MODEL=schools_none.

Every model of the book is fitted to data that it has made itself, and held against its exact posterior; and
the faults that are made on purpose are counted. The result is dated and small: a page and the tests read it.
"""

import argparse
import datetime as dt
import platform
from importlib.metadata import version
from pathlib import Path

import yaml

from tooling.audit import calibration
from tooling.environment import end_when_interrupted, replace

DATA = Path(__file__).resolve().parents[2] / "tooling" / "audit" / "data"
PACKAGES = ("pymc", "nutpie", "pytensor", "arviz", "arviz-stats", "numpy", "numba")
NOTE = """\
Each model was fitted by nutpie, with 4 chains of 1000 tuning and 1000 kept draws, to data sets that it had
made itself, and each fit was held against the exact posterior (calibration.csv). For each fault that was
made on purpose in an exact posterior of Eight Schools: how many data sets it takes to notice it (faults.csv).
"""


def main():
    """Make the fits, count the faults, and write calibration.csv, faults.csv and calibration.yaml."""
    end_when_interrupted("Nothing was written.")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=calibration.CASES, help="fit this one only, and keep the others")
    model = parser.parse_args().model
    if model:
        recorded = calibration.recorded()
        write_fits([recorded[recorded["model"] != model], fitted(model)])
        return
    tables, faults = [fitted(name) for name in calibration.CASES], calibration.faults()
    write_fits(tables)
    write_faults(faults, dt.date.today().isoformat())


def fitted(name):
    """Fit a model to the data sets that it makes."""
    pairs = calibration.data_sets(name)
    print(f"{name}: {len(pairs)} data sets", flush=True)
    return calibration.sampled_places(calibration.CASES[name], pairs).assign(model=name)


def write_fits(tables):
    """Write the fits, in the order of the models, to as many digits as matter."""
    replace(DATA / "calibration.csv", calibration.ordered(tables).to_csv(index=False, float_format="%.4g"))


def write_faults(faults, when):
    """Write what the faults gave, and when and with what all was run."""
    replace(DATA / "faults.csv", faults.to_csv(float_format="%.3g"))
    replace(DATA / "calibration.yaml", yaml.safe_dump(description(when), sort_keys=False, allow_unicode=True))


def description(when):
    """Say what was run, when and with which versions."""
    return {
        "title": "Simulation-based calibration of every model",
        "source": "This book: tooling.audit.calibration, run by make calibration",
        "licence": "MIT, as the rest of the code",
        "who": "The authors of this book",
        "when": when,
        "note": NOTE.replace("\n", " ").strip(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }


if __name__ == "__main__":
    main()
