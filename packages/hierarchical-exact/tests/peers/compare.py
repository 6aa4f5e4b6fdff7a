"""Put the same problems to hierarchical-exact and to its peers, in one run, and keep what they say.

    python tests/peers/compare.py

It runs `peers.R` beside it, which says what it needs, and writes `tests/data/peers.json`; the table in the
README is made of that file, and a test compares the two.
"""

import datetime as dt
import json
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
from scipy import stats

import hierarchical_exact as exact

HERE = Path(__file__).parent
KEPT = HERE.parent / "data" / "peers.json"
# Colditz et al. (1994), as in metafor's dat.bcg: cases of tuberculosis and others among those vaccinated,
# then among those who were not, and the latitude.
TRIALS = np.array(
    [
        [4, 119, 11, 128, 44],
        [6, 300, 29, 274, 55],
        [3, 228, 11, 209, 42],
        [62, 13536, 248, 12619, 52],
        [33, 5036, 47, 5761, 13],
        [180, 1361, 372, 1079, 44],
        [8, 2537, 10, 619, 19],
        [505, 87886, 499, 87892, 13],
        [29, 7470, 45, 7232, 27],
        [17, 1699, 65, 1600, 42],
        [186, 50448, 141, 27197, 18],
        [5, 2493, 3, 2338, 33],
        [27, 16886, 29, 17825, 33],
    ]
)
SCHOOLS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def log_risk_ratios():
    """Log risk ratios of the trials, their standard errors, and the latitudes."""
    cases, others, control_cases, control_others, latitude = TRIALS.T
    y = np.log(cases / (cases + others)) - np.log(control_cases / (control_cases + control_others))
    variance = 1 / cases - 1 / (cases + others) + 1 / control_cases
    return y, np.sqrt(variance - 1 / (control_cases + control_others)), latitude


def posterior(problem, tau=None):
    """Exact posterior of a problem; with its own prior of tau, or a known one."""
    if problem == "Eight Schools":
        return exact.normal(*SCHOOLS, mu=stats.norm(0, 20), tau=tau or stats.halfnorm(scale=10))
    y, error, latitude = log_risk_ratios()
    tau = tau or stats.halfnorm(scale=0.5)
    if problem == "BCG":
        return exact.normal(y, error, mu=None, tau=tau)
    # As good as flat: the slope's posterior sd is .008.
    return exact.normal(y, error, mu=None, tau=tau, covariates=latitude, beta=stats.norm(0, 1000))


def moments(problem, tau=None):
    """Means and sds of a problem's hyperparameters."""
    found = {}
    for name, marginal in posterior(problem, tau).items():
        if name in ("mu", "tau", "beta"):
            found |= {name: marginal.mean(), f"{name}_sd": marginal.sd()}
    return found


def difference(result):
    """Largest difference of means and sds from the exact ones, and its unit."""
    values, peer = result["values"], result["peer"]
    known = values["tau"] if peer.startswith("metafor") else None
    right = moments(result["problem"], known)
    names = [name for name in ("tau", "mu", "beta") if f"{name}_sd" in values]
    if f"{names[0]}_ess" in values:
        errors = [right[f"{name}_sd"] / np.sqrt(values[f"{name}_ess"]) for name in names]
        moved = [abs(values[n] - right[n]) / e for n, e in zip(names, errors, strict=True)]
        return max(moved), "Monte Carlo errors"
    moved = [abs(values[n] - right[n]) / right[f"{n}_sd"] for n in names]
    moved += [abs(values[f"{n}_sd"] / right[f"{n}_sd"] - 1) for n in names]
    return max(moved), "standard errors" if known else "posterior sds"


def table(kept):
    """The table of the README."""
    lines = [
        "| peer | problem | largest difference | its seconds | ours |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    ours = kept["seconds"]
    for result in kept["results"]:
        moved, unit = difference(result)
        shown = f"{moved:.1f}" if moved > 0.1 else f"{moved:.0e}".replace("e-0", "e-")
        shown = "under 1e-8" if moved < 1e-8 else shown
        seconds = ours[result["problem"]]
        times = f"{result['seconds']:.2f} | {seconds:.3f}"
        lines.append(f"| {result['peer']} | {result['problem']} | {shown} {unit} | {times} |")
    return "\n".join(lines) + "\n"


def seconds(problem):
    """Processor seconds of one posterior with its moments, the median of several."""
    times = []
    for _ in range(9):
        start = time.process_time()
        moments(problem)
        times.append(time.process_time() - start)
    return statistics.median(times)


def main():
    """Run all, keep the results and print the table."""
    command = ["Rscript", str(HERE / "peers.R")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    *results, versions = [json.loads(line) for line in lines if line.startswith("{")]
    kept = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        **versions,
        "seconds": {name: seconds(name) for name in ("BCG", "BCG, latitude", "Eight Schools")},
        "results": results,
    }
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf8")
    print(table(kept), end="")


if __name__ == "__main__":
    main()
