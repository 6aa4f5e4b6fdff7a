"""Draw the picture of README.md: the book's first figure, Eight Schools under three strategies."""

import sys
from pathlib import Path

import hierarchical_exact as exact
from support import datasets, figures
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling.environment import end_when_interrupted

PICTURE = Path(__file__).resolve().parents[2] / "_static" / "readme.png"


def draw(path):
    """Draw the figure, from the exact posterior, into a file."""
    schools = datasets.eight_schools()
    effect, error = schools["effect"], schools["standard_error"]
    partial = exact.normal(effect, error, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"].mean()
    complete = exact.normal(effect, error, mu=MU_PRIOR, tau=0)["mu"].mean()
    figure = figures.shrinkage_slopes(effect, error, partial, complete)
    # No version of Matplotlib in the file: it would differ where the picture does not.
    figure.savefig(path, dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    end_when_interrupted("The picture is as it was.")
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
