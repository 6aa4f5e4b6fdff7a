"""Hold the sampler of the pages against exact posteriors and nutpie: make page-sampler."""

import argparse
import os
from pathlib import Path

import pandas as pd
import playwright

from tooling.audit import page_sampler
from tooling.audit.calibration import CASES, ordered
from tooling.environment import end_when_interrupted, replace

DATA = Path(__file__).resolve().parents[2] / "tooling" / "audit" / "data"


def main():
    """Make the fits, model by model, and write each into its place among those there are."""
    end_when_interrupted("The models that were finished are recorded.")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=CASES, help="fit this one only, and keep the others")
    model = parser.parse_args().model
    # Node, which runs here what a browser runs in the page, comes with Playwright.
    os.environ["PATH"] += os.pathsep + str(Path(playwright.__file__).parent / "driver")
    for name in [model] if model else CASES:
        print(name, flush=True)
        write(DATA / "page_sampler.csv", page_sampler.fits(name))
        write(DATA / "page_places.csv", page_sampler.places(name))


def write(path, made):
    """Put the rows of one model among the others, to as many digits as matter."""
    others = pd.read_csv(path) if path.exists() else made.iloc[:0]
    table = ordered([others[~others["model"].isin(made["model"])], made])
    replace(path, table.to_csv(index=False, float_format="%.4g"))


if __name__ == "__main__":
    main()
