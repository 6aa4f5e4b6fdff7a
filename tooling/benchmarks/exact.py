"""Time the exact posteriors, and see that their cost grows in proportion to the number of groups.

Each time is in processor seconds, the median of repeated calls in one process. What is large runs once, in a
process of its own whose peak memory is reported too.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR

REPEATS = 5
KIB_PER_GIB = 2**20


def main():
    """Print one JSON line for each measurement."""
    # First of all: as a peak counts what this process had when it began the other.
    for name in LARGE:
        command = [sys.executable, __file__, name]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        print(output, end="", flush=True)
    schools, survey, hospitals = datasets.eight_schools(), datasets.survey(), datasets.hospitals()
    instructors = datasets.instructors()
    cases = [
        (
            "exact: Eight Schools",
            0.020,
            lambda: exact.normal(schools["effect"], schools["standard_error"], mu=MU_PRIOR, tau=TAU_PRIOR),
        ),
        (
            "exact: instructors",
            0.100,
            lambda: exact.normal_groups(
                instructors["score"],
                instructors["instructor"],
                mu=stats.norm(50, 25),
                tau=stats.halfnorm(scale=10),
                sigma=stats.halfnorm(scale=15),
            ),
        ),
        (
            "exact: hospitals",
            0.500,
            lambda: exact.poisson(
                hospitals["count"],
                hospitals["exposure"],
                mu_log=stats.norm(0, 1),
                sigma_log=stats.halfnorm(scale=1),
            ),
        ),
        (
            "exact: survey",
            5.0,
            lambda: exact.dirichlet_multinomial(
                survey["count"], alpha=stats.expon(), baseline=stats.dirichlet(np.ones(4))
            ),
        ),
    ]
    for what, target, call in cases:
        report(what, median_seconds(call), target=target)
        report(f"{what}, with all means and sds", median_seconds(lambda: moments(call())), target=None)  # noqa: B023
    for what, target, call in beyond():
        seconds, posterior = timed(call)
        report(f"exact: {what}", seconds, target=target)
        both = seconds + timed(partial(moments, posterior))[0]
        report(f"exact: {what}, with all means and sds", both, target=None)
    for what, target, call in many_cases():
        report(f"exact: {what}", timed(call)[0], target=target)
    for size in (10_000, 100_000):
        report(f"exact: {size:,} Normal groups with means and sds", many_groups(size), target=None)


def timed(call):
    """Seconds of a call, and what it returns."""
    start = time.process_time()
    found = call()
    return time.process_time() - start, found


def median_seconds(call):
    """Median time of a call, after one to warm up."""
    call()
    return statistics.median(timed(call)[0] for _ in range(REPEATS))


def moments(posterior):
    """Compute the mean and sd of every quantity; some are put off until they are asked for."""
    for name in posterior:
        posterior[name].mean()
        posterior[name].sd()


def many_groups(size):
    """Seconds for the posterior of many Normal groups, with every group's mean and sd."""
    rng = np.random.default_rng(58)
    sigma = rng.uniform(1, 5, size)
    y = rng.normal(rng.normal(3, 2, size), sigma)
    start = time.process_time()
    theta = exact.normal(y, sigma, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"]
    theta.mean()
    theta.sd()
    return time.process_time() - start


def beyond():
    """Models of the pages beyond 5.8: what, the target in seconds, and a call."""
    half = stats.halfnorm(scale=1)
    rats, trials, houses = datasets.rat_tumours(), datasets.bcg_trials(), datasets.radon()
    counts = rats["tumours"], rats["rats"]
    shares = {"mean": stats.beta(1, 1), "concentration": stats.gamma(2, scale=20)}
    yield "rat tumours, Beta population", 1, lambda: exact.beta_binomial(*counts, **shares)
    odds = {"mu": stats.norm(-2, 1), "tau": half}
    yield "rat tumours, log odds", None, lambda: exact.logit_normal(*counts, **odds)
    effects = trials["effect"], trials["standard_error"]
    normal = {"mu": stats.norm(0, 1), "tau": half}
    yield "trials, Student-t population", None, lambda: exact.student_t(*effects, nu=4, **normal)
    county, floor = houses["of_county"].values, houses["floor"].values
    uranium = houses["uranium"].sel(county=county).values
    X = pd.DataFrame({"intercept": 1.0, "floor": floor, "uranium": uranium})
    log_radon = np.log(houses["radon"].values)
    priors = {"beta": stats.norm(0, 2), "sigma": half, "tau": half}
    yield (
        "radon, varying intercepts",
        1,
        lambda: exact.mixed(log_radon, X, terms={"county": county}, **priors),
    )
    rho = stats.beta(2, 2, loc=-1, scale=2)
    yield (
        "radon, varying slopes",
        20,
        lambda: exact.mixed(log_radon, X, terms={"county": (county, floor)}, rho=rho, **priors),
    )


def many_cases():
    """Where much is asked at once: what, the target in seconds, and a call."""
    rng = np.random.default_rng(58)
    sigma = rng.uniform(1, 5, 100_000)
    theta = exact.normal(rng.normal(3, np.hypot(2, sigma)), sigma, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"]
    yield "intervals of 100,000 Normal groups", 10, lambda: theta.hdi(0.89)
    five = np.repeat(np.arange(100_000), 5)
    y = rng.normal(rng.normal(3, 2, 100_000)[five], 4)
    within = stats.halfnorm(scale=5)
    means = exact.normal_groups(y, five, mu=MU_PRIOR, tau=TAU_PRIOR, sigma=within)["theta"]
    yield "intervals of 100,000 Normal groups under one unknown sigma", 10, lambda: means.hdi(0.89)
    exposure = rng.uniform(1, 20, 10_000)
    counts = rng.poisson(exposure * np.exp(rng.normal(0.5, 0.6, 10_000)))
    priors = {"mu_log": stats.norm(0, 1), "sigma_log": stats.halfnorm(scale=1)}
    yield "10,000 Poisson groups", 10, lambda: exact.poisson(counts, exposure, **priors)
    ten_times = np.tile(counts, 10), np.tile(exposure, 10) * rng.uniform(0.9, 1.1, 100_000)
    rates = "100,000 Poisson groups with means and sds of the rates"
    yield rates, 100, lambda: moments({"lam": exact.poisson(*ten_times, **priors)["lam"]})
    table = rng.multinomial(50, rng.dirichlet([3, 2, 1], 40))
    survey = exact.dirichlet_multinomial(table, alpha=stats.expon(scale=10), baseline=np.ones(3))
    yield "leave-one-out of 40 groups of counts in categories", 2, lambda: survey.elpd_loo


def single():
    """Seconds for 3,000 Normal groups, most of one observation, with an unknown sigma."""
    rng = np.random.default_rng(58)
    group = np.append(np.arange(3000), rng.integers(0, 3000, 300))
    score = rng.normal(0, 1, 3000)[group] + rng.normal(0, 1.5, 3300)
    scale = stats.halfnorm(scale=3)
    start = time.process_time()
    moments(exact.normal_groups(score, group, mu=stats.norm(0, 10), tau=scale, sigma=scale))
    return time.process_time() - start


# What runs by itself: its name, and the most seconds and GiB it should take.
LARGE = {
    "3,000 Normal groups, most of one observation": (single, 2, 1),
    "1,000,000 Normal groups with means and sds": (lambda: many_groups(1_000_000), 7, 0.5),
}


def alone(name):
    """Print the time and the peak memory of one of these."""
    call, seconds, memory = LARGE[name]
    report(f"exact: {name}", call(), target=seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_GIB
    report(f"exact: {name}, peak memory", peak, target=memory, unit="GiB")


def report(what, value, *, target, unit="s"):
    """Print one measurement."""
    print(json.dumps({"what": what, "value": value, "unit": unit, "target": target}), flush=True)


if __name__ == "__main__":
    alone(sys.argv[1]) if sys.argv[1:] else main()
