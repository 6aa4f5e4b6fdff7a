"""Random and nasty problems against an independent reference: is any answer wrong without a word?

``python fuzz.py --count 10000`` reports for each kind how many were right, refused (with an error that says
why) and wrong, which is what must not be. A problem is its number: ``--only 123`` looks at one.
"""

import argparse
import os
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import Pool

import numpy as np
from reference import Normal, Unresolved
from scipy import stats

import hierarchical_exact as exact

# Errors in posterior sds, or in the log for densities: twice what the package states.
TOLERANCE = 2e-6
PROBABILITIES = (0.01, 0.1, 0.5, 0.9, 0.99)


@dataclass
class Outcome:
    """What became of a problem."""

    seed: int
    verdict: str
    detail: str
    problem: str
    worst: dict = field(default_factory=dict)


# -- the Normal model with known standard errors ---------------------------------------------------


def normal_problem(seed):
    """Arguments of `exact.normal`: ordinary, and nasty in every way thought of."""
    rng = np.random.default_rng(seed)
    size = int(rng.choice([1, 2, 3, 4, 5, 6, 8]))
    span = rng.choice([0.3, 0.3, 1, 2, 4, 8])  # decades between the standard errors, on both sides
    unit = 10.0 ** rng.choice([0, 0, 0, -6, 6, -9, 9])
    sigma = unit * 10 ** rng.uniform(-span, span, size)
    if rng.random() < 0.2:
        sigma[:] = sigma[0]
    tau = _tau_prior(rng, unit * 10 ** rng.uniform(-1, 1) if rng.random() < 0.7 else np.median(sigma))
    scatter = rng.choice([0, 1, 1, 1, 10, 1000]) * unit
    shift = unit * rng.choice([0, 0, 0, 10, 1e4, 1e8])
    y = shift + rng.normal(0, 1, size) * np.hypot(sigma * rng.choice([1, 1, 0]), scatter)
    if rng.random() < 0.1:
        y[0] += unit * 10 ** rng.uniform(1, 6)
    mean, sd = shift + unit * rng.normal(0, 3), unit * 10 ** rng.uniform(-1, 2)
    if rng.random() < 0.2:
        mean, sd = unit * 10 ** rng.uniform(0, 6), unit * 10 ** rng.uniform(-6, 6)
    kind = rng.choice(["norm", "norm", "norm", "flat", "known"])
    mu = {"norm": (mean, sd), "flat": (0.0, np.inf), "known": (mean, 0.0)}[kind]
    x = beta = None
    if rng.random() < 0.3:
        x = {
            0: rng.integers(0, 2, size).astype(float),
            1: rng.integers(1950, 2025, size).astype(float),
            2: rng.uniform(1.5e9, 1.7e9, size).round(),
            3: rng.normal(0, 1, size),
        }[int(rng.integers(4))]
        width = max(np.ptp(x), 1.0)
        beta = 0.0, unit / width * 10 ** rng.uniform(-1, 2)
    return {"y": y, "sigma": sigma, "mu": mu, "tau": tau, "x": x, "beta": beta}


def _tau_prior(rng, scale):
    family = int(rng.integers(12))
    if family == 10:
        return None
    if family == 11:
        return float(rng.choice([0.0, scale]))
    return [
        stats.halfnorm(scale=scale),
        stats.halfnorm(scale=scale),
        stats.halfcauchy(scale=scale),
        stats.expon(scale=scale),
        stats.gamma(rng.choice([0.3, 2.0, 50.0]), scale=scale),
        stats.invgamma(rng.choice([0.5, 3.0]), scale=scale),
        stats.lognorm(rng.choice([0.3, 1.0, 3.0]), scale=scale),
        stats.lomax(rng.choice([0.5, 1.5, 4.0]), scale=scale),
        stats.uniform(0, scale),
        stats.uniform(scale, rng.choice([1e-6, 1.0]) * scale),
    ][family]


def _prior(pair):
    mean, sd = pair
    return None if np.isinf(sd) else float(mean) if sd == 0 else stats.norm(mean, sd)


def normal_call(problem):
    """The package's answer."""
    covariates = {} if problem["x"] is None else {"covariates": problem["x"], "beta": _prior(problem["beta"])}
    return exact.normal(
        problem["y"], problem["sigma"], mu=_prior(problem["mu"]), tau=problem["tau"], **covariates
    )


def tail_power(problem):
    """The posterior density of tau falls like tau to minus this."""
    tau = problem["tau"]
    if isinstance(tau, float):
        return np.inf
    power = len(problem["y"]) - int(np.isinf(problem["mu"][1]))
    if tau is None:
        return power
    if np.isfinite(tau.support()[1]):
        return np.inf
    heavy = {"halfcauchy": 2.0, "invgamma": 1.0, "lomax": 1.0}
    if tau.dist.name not in heavy:
        return np.inf
    return power + heavy[tau.dist.name] + (tau.args[0] if tau.args else 0.0)


def normal_errors(problem, posterior):
    """Errors of everything that the posterior says, by name."""
    truth = Normal(
        problem["y"], problem["sigma"], problem["mu"], problem["tau"], problem["x"], problem["beta"]
    )
    power = tail_power(problem)
    errors = {}
    if np.isfinite(problem["mu"][1]) and problem["tau"] is not None:
        errors["evidence"] = abs(posterior.log_evidence - truth.log_evidence)
    if truth.u is not None:
        _check_moments(errors, "tau", posterior["tau"], power, lambda: truth.tau_moments(), 0.0)
        _check_quantiles(errors, "tau", posterior["tau"], truth.tau_cdf)
    heavy = {"theta_new": power, "mu": power if np.isinf(problem["mu"][1]) else np.inf}
    laws = {"mu": truth.mu, "theta_new": truth.theta_new}
    if problem["mu"][1] == 0:
        del laws["mu"]
    if problem["x"] is not None:
        laws["beta"] = truth.beta
    for name, make in laws.items():
        _check_law(errors, name, posterior[name], truth, make(), heavy.get(name, np.inf))
    for j in sorted({0, int(np.argmin(problem["sigma"]))}):
        marginal = posterior["theta"].sel(group=j)
        _check_law(errors, f"theta[{j}]", marginal, truth, truth.theta(j), np.inf)
    _check_loo(errors, problem, posterior, truth)
    return errors


def _check_loo(errors, problem, posterior, truth):
    y, x = problem["y"], problem["x"]
    needed = int(np.isinf(problem["mu"][1])) + 2 * (problem["tau"] is None)
    if len(y) - 1 < max(needed, 1):
        return
    j = int(np.argmin(problem["sigma"]))
    rest = Normal(
        np.delete(y, j),
        np.delete(problem["sigma"], j),
        problem["mu"],
        problem["tau"],
        None if x is None else np.delete(x, j),
        problem["beta"],
    )
    expected = truth.log_evidence - rest.log_evidence
    errors["elpd_loo"] = abs(float(posterior.elpd_loo[j]) - expected) / max(1.0, 1e-6 * abs(expected))


def _check_law(errors, name, marginal, truth, law, power):
    scale = float(np.sqrt((law[2]).max()))
    if not scale > 0:
        return

    def moments():
        mean, sd = truth.moments(law)
        return law[0] + mean, sd

    _check_moments(errors, name, marginal, power, moments, float(abs(law[0])))
    _check_quantiles(errors, name, marginal, lambda x: truth.cdf(law, x))


def _check_moments(errors, name, marginal, power, moments, origin):
    """A moment may be refused by itself. Near the limit of existence the reference is not exact enough."""
    if 2.9 < power < 3.4 or 1.9 < power < 2.4:
        exists = power > 3, power > 2
        got = [_or_refused(marginal.sd), _or_refused(marginal.mean)]
        for what, ours, theirs in zip(("sd", "mean"), got, exists, strict=True):
            if ours is not None and np.isfinite(ours) and not theirs:
                errors[f"{name} {what}"] = np.inf
        return
    mean, sd = moments()
    resolution = 4 * np.finfo(float).eps * (float(abs(mean)) + origin)
    got = _or_refused(marginal.mean)
    if got is not None:
        if power <= 2:
            errors[f"{name} mean"] = 0.0 if np.isinf(got) else np.inf
        elif power > 3:
            errors[f"{name} mean"] = max(0.0, float(abs(got - mean)) - resolution) / sd
    got = _or_refused(marginal.sd)
    if got is not None:
        if power <= 3:
            errors[f"{name} sd"] = 0.0 if np.isinf(got) else np.inf
        else:
            errors[f"{name} sd"] = max(0.0, abs(got - sd) - resolution) / sd


def _or_refused(ask):
    try:
        return float(ask())
    except ArithmeticError:
        return None


def _check_quantiles(errors, name, marginal, cdf):
    """By how many sds quantiles are off, where the standardised density is at least a tenth."""
    x = marginal.quantile(np.array(PROBABILITIES)).values
    scale = 0.4 * (x[3] - x[1])
    worst = 0.0
    for q, point in zip(PROBABILITIES, x, strict=True):
        below, density = cdf(point)
        resolution = 4 * np.finfo(float).eps * abs(point) * density
        worst = max(worst, max(0.0, abs(below - q) - resolution) / max(density * scale, 0.1))
    errors[f"{name} quantiles"] = worst
    low, high = marginal.hdi(0.89).values
    (first, lower), (second, upper) = cdf(low), cdf(high)
    resolution = 4 * np.finfo(float).eps * (abs(low) * lower + abs(high) * upper)
    errors[f"{name} hdi"] = max(0.0, abs(second - first - 0.89) - resolution)


KINDS = {"normal": (normal_problem, normal_call, normal_errors)}


def judge(task):
    """Outcome of one problem."""
    kind, seed = task
    make, call, compare = KINDS[kind]
    problem = make(seed)
    text = ", ".join(f"{name}={_show(value)}" for name, value in problem.items())
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            posterior = call(problem)
            errors = compare(problem, posterior)
    except (ValueError, ArithmeticError) as error:
        if isinstance(error, (np.linalg.LinAlgError, OverflowError, ZeroDivisionError, FloatingPointError)):
            return Outcome(seed, "crashed", repr(error), text)
        return Outcome(seed, "refused", str(error), text)
    except Unresolved:
        return Outcome(seed, "unresolved", "the reference did not converge", text)
    except Exception as error:
        return Outcome(seed, "crashed", repr(error), text)
    bad = {name: error for name, error in errors.items() if not error <= TOLERANCE}
    return Outcome(
        seed, "wrong" if bad else "right", " ".join(f"{k}:{v:.1e}" for k, v in bad.items()), text, errors
    )


def _show(value):
    if hasattr(value, "dist"):
        return f"{value.dist.name}{value.args}{value.kwds}"
    return np.array2string(value, separator=",") if isinstance(value, np.ndarray) else repr(value)


def run(kind, seeds, jobs):
    """Outcomes of many problems, in any order."""
    if jobs == 1:
        yield from (judge((kind, seed)) for seed in seeds)
        return
    with Pool(jobs) as pool:
        yield from pool.imap_unordered(judge, [(kind, seed) for seed in seeds], chunksize=8)


def main():
    """Print what became of the problems; exit with 1 if any answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="problems of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first problem")
    parser.add_argument("--kind", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--only", type=int, help="one problem, shown in full")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    failed = False
    for kind in KINDS if options.kind == "all" else [options.kind]:
        seeds = (
            range(options.first, options.first + options.count) if options.only is None else [options.only]
        )
        started, verdicts, reasons = time.monotonic(), Counter(), Counter()
        for outcome in run(kind, seeds, options.jobs if options.only is None else 1):
            verdicts[outcome.verdict] += 1
            if outcome.verdict in ("wrong", "crashed") or options.only is not None:
                print(
                    f"{kind} {outcome.seed} {outcome.verdict}: {outcome.detail}\n    {outcome.problem}",
                    flush=True,
                )
            if outcome.verdict == "refused":
                reasons[outcome.detail.split(":")[0][:100]] += 1
            if options.only is not None:
                print(outcome.worst)
        print(f"{kind}: {dict(verdicts)} in {time.monotonic() - started:.0f} s")
        for reason, count in reasons.most_common():
            print(f"    refused {count:5d}  {reason}")
        failed = failed or verdicts["wrong"] + verdicts["crashed"] > 0
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
