"""Put the same problems to hierarchical-exact and to its peers, in one run, and keep what they say.

    OMP_NUM_THREADS=1 python tests/peers/compare.py

It runs `peers.R` and `nuts.py` beside it, which say what they need, and writes `tests/data/peers.json`; the
tables in the README are made of that file, and a test compares them. Without R it prints what nutpie says.
"""

import datetime as dt
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

import hierarchical_exact as exact

HERE = Path(__file__).parent
KEPT = HERE.parent / "data" / "peers.json"
BOOK = json.loads((HERE.parent / "data" / "problems.json").read_text(encoding="utf8"))
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


def penicillin(sigma, tau, beta):
    """Posterior of the diameters, plates and batches crossed."""
    terms = {"plate": np.repeat(np.arange(24), 6), "batch": np.tile(np.arange(6), 24)}
    diameter = BOOK["penicillin"]["diameter"]
    return exact.mixed(diameter, np.ones((144, 1)), terms=terms, beta=beta, sigma=sigma, tau=tau)


def radon(slopes, **priors):
    """Posterior of the log of radon in houses, with an intercept for each county and perhaps a slope."""
    county, floor, reading = map(np.array, BOOK["radon"].values())
    term = (county, floor) if slopes else county
    X = np.stack([np.ones(len(floor)), floor], axis=1)
    return exact.mixed(np.log(reading), X, terms={"county": term}, **priors)


def posterior(problem, known=None):
    """Exact posterior of a problem; with its own priors of the scales, or with known values."""
    half = stats.halfnorm
    y, error, latitude = log_risk_ratios()
    if problem == "Eight Schools":
        return exact.normal(*SCHOOLS, mu=stats.norm(0, 20), tau=half(scale=10))
    if problem == "BCG":
        return exact.normal(y, error, mu=None, tau=known["tau"] if known else half(scale=0.5))
    if problem == "BCG, latitude":
        # As good as flat: the slope's posterior sd is .008.
        beta = {"covariates": latitude, "beta": stats.norm(0, 1000)}
        return exact.normal(y, error, mu=None, tau=known["tau"] if known else half(scale=0.5), **beta)
    if problem == "BCG, Student-t":
        return exact.student_t(y, error, mu=stats.norm(0, 1), tau=half(scale=1), nu=4)
    if problem == "instructors":
        score, instructor = BOOK[problem].values()
        priors = {"mu": stats.norm(50, 25), "tau": half(scale=10), "sigma": half(scale=15)}
        return exact.normal_groups(score, instructor, **priors)
    if problem == "penicillin":
        if known:
            tau = {"plate": known["tau_plate"], "batch": known["tau_batch"]}
            return penicillin(known["sigma"], tau, None)
        return penicillin(half(scale=2), half(scale=2), stats.norm(23, 10))
    if problem.startswith("radon"):
        slopes = problem == "radon, slopes"
        if known:
            priors = {"beta": None, "sigma": known["sigma"], "tau": {"county": known["tau_county"]}}
            priors["tau"] |= {"county_slope": known["tau_county_slope"]} if slopes else {}
            return radon(slopes, **priors, rho=known.get("rho_county"))
        priors = {"beta": stats.norm(0, 10), "sigma": half(scale=1), "tau": half(scale=1)}
        return radon(slopes, **priors, rho=stats.beta(2, 2, loc=-1, scale=2) if slopes else None)
    if problem == "rats, log odds":
        return exact.logit_normal(*BOOK["rats"].values(), mu=stats.norm(-2, 1), tau=half(scale=1))
    if problem == "hospitals":
        return exact.poisson(*BOOK[problem].values(), mu_log=stats.norm(0, 1), sigma_log=half(scale=1))
    if problem == "survey":
        return exact.dirichlet_multinomial(BOOK[problem]["count"], alpha=stats.expon(), baseline=[1, 1, 1, 1])
    tumours, rats = BOOK["rats"].values()
    concentration = stats.gamma(2, scale=20)
    return exact.beta_binomial(tumours, rats, mean=stats.uniform(0, 1), concentration=concentration)


def moments(problem, known=None):
    """Means and sds, (n,) each, of all that samplers report."""
    found = {}
    for name, marginal in posterior(problem, known).items():
        if name != "y_rep" and not name.endswith("_new"):
            found |= {name: np.ravel(marginal.mean()), f"{name}_sd": np.ravel(marginal.sd())}
    return found


def difference(result):
    """Largest difference of means and sds from the exact ones, and its unit."""
    values, plugged = result["values"], result["peer"].startswith(("metafor", "lme4"))
    right = moments(result["problem"], values if plugged else None)
    values = {name: np.array(value) for name, value in values.items()}
    moved, sampled = [], any(name.endswith("_ess") for name in values)
    for name in right.keys() & values.keys():
        if f"{name}_ess" in values:
            error = right[f"{name}_sd"] / np.sqrt(values[f"{name}_ess"])
            moved.append(np.abs(values[name] - right[name]) / error)
        elif name.endswith("_sd") and not sampled:
            moved.append(np.abs(values[name] / right[name] - 1))
        elif not sampled and np.all(right[f"{name}_sd"] > 0):
            moved.append(np.abs(values[name] - right[name]) / right[f"{name}_sd"])
    unit = "standard errors" if plugged else "posterior sds"
    return np.concatenate(moved).max(), "Monte Carlo errors" if sampled else unit


def table(kept):
    """The first table of the README: how far each peer's answer is from ours, and what it took."""
    lines = [
        "| peer | problem | largest difference | its seconds | ours |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    for result in kept["results"]:
        if result["peer"] != "nutpie":
            times = f"{result['seconds']:.2f} | {kept['seconds'][result['problem']]:.3f}"
            lines.append(f"| {result['peer']} | {result['problem']} | {_agreement(result)} | {times} |")
    return "\n".join(lines) + "\n"


def sampler_table(kept):
    """The second: what nutpie takes for means to a hundredth of a posterior sd."""
    lines = [
        "| problem | function | largest difference | nutpie's seconds | ours | ratio |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for result in kept["results"]:
        if result["peer"] == "nutpie":
            name = result["problem"]
            ours, theirs = kept["seconds"][name], result["seconds"]
            function = f"`{posterior(name).__reduce__()[0].func.__name__}`"
            ratio = f"{theirs / ours:.{0 if theirs > 10 * ours else 1}f}"
            lines.append(
                f"| {name} | {function} | {_agreement(result)} | {theirs:.2f} | {ours:.3f} | {ratio} |"
            )
    return "\n".join(lines) + "\n"


def _agreement(result):
    moved, unit = difference(result)
    shown = f"{moved:.1f}" if moved > 0.1 else f"{moved:.0e}".replace("e-0", "e-")
    return f"{'under 1e-8' if moved < 1e-8 else shown} {unit}"


def seconds(problem):
    """Processor seconds of one posterior with its moments, the median of several."""
    times = []
    while len(times) < 9 and sum(times) < 10:
        start = time.process_time()
        moments(problem)
        times.append(time.process_time() - start)
    return statistics.median(times)


def said(command):
    """What a peer's script prints: results, and in the last line versions."""
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    *results, last = [json.loads(line) for line in lines if line.startswith("{")]
    return results, last["versions"]


def main():
    """Run all, keep the results and print the tables."""
    if not (with_r := shutil.which("Rscript")):
        print("There is no Rscript here: R's peers are left out, and nothing is written.")
    with tempfile.TemporaryDirectory() as tables:
        for name in ("rats", "radon"):
            pd.DataFrame(BOOK[name]).to_csv(Path(tables) / f"{name}.csv", index=False)
        commands = [["Rscript", str(HERE / "peers.R"), tables]] if with_r else []
        answers = [said(command) for command in [*commands, [sys.executable, str(HERE / "nuts.py")]]]
    results = [result for found, _ in answers for result in found]
    kept = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "versions": {name: value for _, versions in answers for name, value in versions.items()},
        "seconds": {name: seconds(name) for name in dict.fromkeys(r["problem"] for r in results)},
        "results": results,
    }
    if with_r:
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf8")
    print(table(kept), sampler_table(kept), sep="\n", end="")


if __name__ == "__main__":
    main()
