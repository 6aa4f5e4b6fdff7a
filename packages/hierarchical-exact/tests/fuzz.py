"""Random and nasty problems against independent references: is any answer wrong without a word?

``python fuzz.py --count 10000`` takes some two hours of processor time, half of that on two processors.
Each marginal is asked for moments, quantiles, far ones too, an interval and densities, each posterior for
its evidence and a leave-one-out density. It reports for each kind how many were right, refused (with an error
that says why), refused in part (some quantity or leave-one-out density, the others right), unresolved by the
reference, and wrong, which is what must not be. Three quarters are of the kind `normal`, whose reference is
cheap; of each other kind there are a hundred to five hundred (`SHARES`). Stopped early, it reports on those
that are done. A problem is its number: ``--only 123`` looks at one.
"""

import argparse
import functools
import os
import signal
import time
import traceback
import warnings
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import Pool

import numpy as np
from lines import Unresolved
from reference import Groups, Normal
from reference_counts import Dirichlet, Poisson, known
from reference_logit import Logit
from reference_mixed import Mixed
from reference_student import Student
from scipy import special, stats

import hierarchical_exact as exact

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
    tau = _scale_prior(rng, unit * 10 ** rng.uniform(-1, 1) if rng.random() < 0.7 else np.median(sigma))
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


def _scale_prior(rng, scale, *, flat=True):
    family = int(rng.integers(12))
    if family == 10 and flat:
        return None
    if family > 9:
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
    _check_left_out(errors, posterior, truth.log_evidence - rest.log_evidence, j)


def _check_law(errors, name, marginal, truth, law, power):
    scale = float(np.sqrt((law[2]).max()))
    if not scale > 0:
        return

    def moments():
        mean, sd = truth.moments(law)
        return law[0] + mean, sd

    _check_moments(errors, name, marginal, power, moments, float(abs(law[0])))
    _check_quantiles(errors, name, marginal, lambda x: truth.cdf(law, x), truth.furthest)


def _check_moments(errors, name, marginal, power, moments, origin):
    """A moment may be refused by itself. Near the limit of existence the reference is not exact enough."""
    if 2.9 < power < 3.4 or 1.9 < power < 2.4:
        exists = power > 3, power > 2
        got = [_or_refused(lambda: float(marginal.sd())), _or_refused(lambda: float(marginal.mean()))]
        for what, ours, theirs in zip(("sd", "mean"), got, exists, strict=True):
            if ours is not None and np.isfinite(ours) and not theirs:
                errors[f"{name} {what}"] = np.inf
        return
    mean, sd = moments()
    resolution = 4 * np.finfo(float).eps * (float(abs(mean)) + origin)
    got = _or_refused(lambda: float(marginal.mean()))
    if got is not None:
        if power <= 2:
            errors[f"{name} mean"] = 0.0 if np.isinf(got) else np.inf
        elif power > 3:
            errors[f"{name} mean"] = max(0.0, float(abs(got - mean)) - resolution) / sd
    got = _or_refused(lambda: float(marginal.sd()))
    if got is not None:
        if power <= 3:
            errors[f"{name} sd"] = 0.0 if np.isinf(got) else np.inf
        else:
            errors[f"{name} sd"] = max(0.0, abs(got - sd) - resolution) / sd


def _or_refused(ask, errors=None, name=""):
    """What is asked for; nothing if the package refuses it, as this very error says. Noted, if named."""
    try:
        return ask()
    except ArithmeticError as error:
        if type(error) is not ArithmeticError:
            raise
        if name:
            errors[f"{name} refused"] = 0.0
        return None


def _check_left_out(errors, posterior, expected, j=0):
    got = _or_refused(lambda: float(posterior.elpd_loo[j]), errors, "elpd_loo")
    if got is not None:
        errors["elpd_loo"] = abs(got - expected) / max(1.0, 1e-6 * abs(expected))


def _check_quantiles(errors, name, marginal, cdf, furthest=0.0, far=1e-5, *, by_log=False):
    """By how many sds quantiles are off, where the standardised density is at least a tenth, and more.

    The reference reckons with numbers as large as `furthest`, in extended precision, or with a log.
    Far quantiles are as far out as a hundredth of the probability beyond is more than 1e-7, or as is told.
    """
    x, ends = _points(errors, name, marginal, PROBABILITIES)
    if x is None:
        return

    def at(points):
        below, density = np.array([cdf(point) for point in points]).T
        digits = np.finfo(float).eps * np.abs(points) + np.finfo(np.longdouble).eps * furthest
        if by_log:
            digits *= np.maximum(1.0, np.abs(np.log(points)))
        return below, density, 4 * digits * density

    below, density, resolution = at(x)
    off = np.maximum(0.0, np.abs(below - PROBABILITIES) - resolution)
    errors[f"{name} quantiles"] = float((off / np.maximum(density * 0.4 * (x[3] - x[1]), 0.1)).max())
    inside, _, resolution = at(ends)
    errors[f"{name} hdi"] = max(0.0, abs(inside[1] - inside[0] - 0.89) - resolution.sum())
    q = np.array([far, 1 - far])
    beyond = _or_refused(lambda: marginal.quantile(q).values, errors, f"{name} far quantiles")
    if beyond is not None:
        below, _, resolution = at(beyond)
        off = np.maximum(0.0, np.abs(below - q) - resolution)
        errors[f"{name} far quantiles"] = float(off.max() / far)
    else:
        beyond = []
    # Twice as far out as the last of the five too, in the tail or beyond an end.
    points = np.unique([*x, *beyond, 2 * x[4] - x[2]])
    _check_density(errors, name, marginal, points, at, x[3] - x[1])


def _check_density(errors, name, marginal, x, at, width):
    """By which part of the height densities are off, seen from the reference at these points."""
    ours = _or_refused(lambda: marginal.pdf(x).values, errors, f"{name} density")
    if ours is not None:
        _, density, resolution = at(x)
        off, height = np.abs(ours - density) - resolution / width, density.max()
        for i in np.flatnonzero(off > OF_DENSITY * height):
            # Next to a cusp the reference must know how near.
            digits = resolution[i] / density[i]
            near = [float(x[i] - digits), float(x[i] + digits)]
            off[i] -= np.abs(at(near)[1] - density[i]).max()
        errors[f"{name} density"] = max(0.0, float((off / height).max()))


def _points(errors, name, marginal, probabilities):
    """Quantiles and the interval, or nothing, where they are refused."""
    asked = [lambda: marginal.quantile(np.array(probabilities)).values, lambda: marginal.hdi(0.89).values]
    found = [_or_refused(ask, errors, name) for ask in asked]
    if any(part is None for part in found):
        return None, None
    errors[f"{name} not numbers"] = np.inf if any(np.isnan(part).any() for part in found) else 0.0
    return found


# -- Normal groups with an unknown sigma in common ---------------------------------------------------


def groups_problem(seed):
    """Arguments of `exact.normal_groups`, or with a single group and tau = 0 of `exact.normal_sample`."""
    rng = np.random.default_rng([seed, 1])
    sample = rng.random() < 0.25
    sizes = rng.choice([1, 1, 2, 3, 8], 1 if sample else int(rng.choice([2, 3, 4])))
    unit = 10.0 ** rng.choice([0, 0, 0, -6, 6])
    codes = np.repeat(np.arange(len(sizes)), sizes)
    within, between = unit * 10 ** rng.uniform(-1, 1), unit * rng.choice([0, 0.1, 1, 10, 1000])
    shift = unit * rng.choice([0, 0, 10, 1e4])
    y = shift + rng.normal(0, between, len(sizes))[codes] + rng.normal(0, within, len(codes))
    if rng.random() < 0.1:
        y[-1] += unit * 10 ** rng.uniform(1, 4)
    if rng.random() < 0.1:
        y = np.round(y / unit) * unit
    kind = rng.choice(["norm", "norm", "wide", "flat", "known"])
    mean = shift + unit * rng.normal(0, 2)
    mu = {
        "norm": (mean, unit * 10 ** rng.uniform(-1, 2)),
        "wide": (mean, unit * 10 ** rng.uniform(2, 8)),
        "flat": (0.0, np.inf),
        "known": (mean, 0.0),
    }[kind]
    sigma = _scale_prior(rng, unit * 10 ** rng.uniform(-1, 1), flat=False)
    if sigma == 0.0:
        sigma = within
    tau = 0.0 if sample else _scale_prior(rng, unit * 10 ** rng.uniform(-1, 1))
    return {"y": y, "codes": codes, "mu": mu, "tau": tau, "sigma": sigma}


def ridge_problem(seed):
    """Arguments of `exact.normal_groups` with one observation in most groups: tau and sigma trade."""
    rng = np.random.default_rng([seed, 4])
    sizes = np.append(np.ones(rng.integers(21, 25), dtype=int), rng.integers(2, 4, rng.integers(0, 3)))
    codes = np.repeat(np.arange(len(sizes)), sizes)
    unit, shift = 10.0 ** rng.choice([0, 0, -6, 6]), rng.choice([0, 0, 1e4])
    within, between = 10 ** rng.uniform(-1, 1, 2)
    y = unit * (shift + rng.normal(0, between, len(sizes))[codes] + rng.normal(0, within, len(codes)))
    mu = [(unit * shift, unit * 10 ** rng.uniform(0, 3)), (0.0, np.inf)][int(rng.random() < 0.2)]
    tau, sigma = (
        [
            stats.halfnorm(scale=scale),
            stats.expon(scale=scale),
            stats.halfcauchy(scale=scale),
            stats.gamma(rng.choice([0.5, 2.0]), scale=scale),
            stats.lognorm(1.0, scale=scale),
            stats.uniform(0, 200 * scale),
        ][int(rng.integers(6))]
        for scale in unit * 10 ** rng.uniform(-0.5, 1.5, 2)
    )
    return {"y": y, "codes": codes, "mu": mu, "tau": tau, "sigma": sigma}


def groups_call(problem):
    """The package's answer."""
    priors = {"mu": _prior(problem["mu"]), "sigma": problem["sigma"]}
    if _is_sample(problem):
        return exact.normal_sample(problem["y"], **priors)
    return exact.normal_groups(problem["y"], problem["codes"], tau=problem["tau"], **priors)


def _is_sample(problem):
    return not problem["codes"].any()


def groups_errors(problem, posterior, nodes):
    """Errors of everything that the posterior says, by name."""
    y, codes, mu, tau, sigma = problem.values()
    truth = Groups(y, codes, mu, tau, sigma, nodes)
    # Moments near the limit of their existence are the business of the other family.
    light = _is_light(tau) and _is_light(sigma) and np.isfinite(mu[1])
    power = np.inf if light else 3.2
    errors = {}
    if np.isfinite(mu[1]) and tau is not None:
        errors["evidence"] = abs(posterior.log_evidence - truth.log_evidence)
    for name, prior in (("tau", tau), ("sigma", sigma)):
        if not known(prior):
            moments = functools.partial(truth.scale_moments, name)
            _check_moments(errors, name, posterior[name], power, moments, 0.0)
            _check_quantiles(
                errors, name, posterior[name], functools.partial(truth.scale_cdf, name), by_log=True
            )
    laws = {} if mu[1] == 0 else {"mu": (posterior["mu"], truth.mu())}
    laws["y_rep"] = posterior["y_rep"].sel(observation=0), truth.replicate(0)
    if not _is_sample(problem):
        laws["theta"] = posterior["theta"].sel(group=0), truth.theta(0)
        laws["theta_new"] = posterior["theta_new"], truth.theta_new()
    for name, (marginal, law) in laws.items():
        _check_law(errors, name, marginal, truth, law, power)
    if light and len(y) > 1:
        without = Groups(y[1:], _without_gaps(codes[1:]), mu, tau, sigma, nodes)
        _check_left_out(errors, posterior, truth.log_evidence - without.log_evidence)
    return errors


def _check_scale(errors, name, prior, marginal, moments, cdf):
    """Errors of a scale, unless it is known."""
    if not known(prior):
        _check_moments(errors, name, marginal, np.inf if _is_light(prior) else 3.2, moments, 0.0)
        _check_quantiles(errors, name, marginal, cdf, by_log=True)


def _check_weighted(errors, name, marginal, values, weights):
    """Errors of the mean and sd of what has values with weights."""
    mean = float((weights * values).sum())
    sd = float(np.sqrt((weights * (values - mean) ** 2).sum()))
    _check_moments(errors, name, marginal, np.inf, lambda: (mean, sd), 0.0)


def _is_light(prior):
    """Whether every moment of a scale exists whatever the data are."""
    if prior is None:
        return False
    return known(prior) or prior.dist.name in ("halfnorm", "expon", "gamma", "uniform")


# -- a Student-t population -------------------------------------------------------------------------


def student_problem(seed):
    """Arguments of `exact.student_t`, groups far from all others among them."""
    rng = np.random.default_rng([seed, 5])
    size = int(rng.choice([1, 2, 3]))
    unit = 10.0 ** rng.choice([0, 0, 0, -6, 6])
    sigma = unit * 10 ** rng.uniform(-1, 1, size) * 10 ** (rng.uniform(-2, 2, size) * (rng.random() < 0.2))
    scale = unit * 10 ** rng.uniform(-1, 1)
    y = unit * rng.normal(0, rng.choice([0, 1, 10]), size) + rng.normal(0, sigma)
    if rng.random() < 0.3:
        y[0] += unit * 10 ** rng.uniform(1, 3)
    tau = _scale_prior(rng, scale, flat=False)
    mu = stats.norm(unit * rng.normal(0, 2), unit * 10 ** rng.uniform(-0.5, 2))
    nu = float(rng.choice([1.0, 1.5, 2.0, 3.0, 4.0, 7.0, 30.0]))
    return {"y": y, "sigma": sigma, "mu": mu, "tau": tau or scale, "nu": nu}


def student_call(problem):
    """The package's answer."""
    return exact.student_t(**problem)


def student_errors(problem, posterior, nodes):
    """Errors of everything that the posterior says, by name."""
    truth = Student(**problem, nodes=nodes)
    mu, tau, nu = problem["mu"], problem["tau"], problem["nu"]
    errors = {"evidence": abs(posterior.log_evidence - truth.log_evidence)}
    # A posterior of tau that is a power prior's has the moments of the other families.
    _check_moments(errors, "mu", posterior["mu"], np.inf, truth.mu_moments, abs(mu.mean()))
    _check_quantiles(errors, "mu", posterior["mu"], truth.mu_cdf)
    _check_scale(errors, "tau", tau, posterior["tau"], truth.tau_moments, truth.tau_cdf)
    line, theta = truth.theta(0), posterior["theta"].sel(group=0)
    _check_weighted(errors, "theta", theta, line.x, line.weights)
    _check_line(errors, "theta", theta, line, lambda x: (x, 1.0))
    line, middle, width = truth.theta_new()

    def standardised(x):
        return np.arcsinh((x - middle) / width), 1 / np.hypot(width, x - middle)

    _check_line(errors, "theta_new", posterior["theta_new"], line, standardised, far=1e-3)
    if nu <= 2 and np.isfinite(posterior["theta_new"].sd()):
        errors["theta_new sd"] = np.inf
    if len(problem["y"]) > 1:
        rest = Student(problem["y"][1:], problem["sigma"][1:], mu, tau, nu, nodes)
        _check_left_out(errors, posterior, truth.log_evidence - rest.log_evidence)
    return errors


def _check_line(errors, name, marginal, line, to, far=1e-4):
    """Quantiles and interval against a line whose integral is one; `to` gives its variable and the slope."""
    errors[f"{name} reference"] = abs(float(line.log_total[0]))

    def cdf(x):
        t, slope = to(x)
        below, density = line.below(t)
        return float(below[0]), float(density[0] * slope)

    _check_quantiles(errors, name, marginal, cdf, far=far)


# -- Poisson counts ---------------------------------------------------------------------------------


def poisson_problem(seed):
    """Arguments of `exact.poisson`."""
    rng = np.random.default_rng([seed, 2])
    size = int(rng.choice([1, 2, 3]))
    exposure = 10.0 ** rng.choice([0, 0, -9, 6]) * 10 ** rng.uniform(-1, 1, size)
    if rng.random() < 0.3:
        exposure[:] = exposure[0]
    expected = 10.0 ** rng.choice([-2, 0, 0.5, 1, 1, 2, 4, 7])
    spread = rng.choice([0, 0.2, 1, 3])
    counts = rng.poisson(np.minimum(expected * np.exp(rng.normal(0, spread, size)), 1e9)).astype(float)
    middle = np.log(expected) - np.log(exposure).mean()
    priors = [
        stats.norm(middle + rng.normal(), 10 ** rng.uniform(-0.5, 0.5)),
        stats.norm(middle + rng.normal(), 10 ** rng.uniform(-0.5, 0.5)),
        stats.norm(middle, 100),
        stats.norm(middle + 3 * rng.normal(), 10 ** rng.uniform(-6, -1)),
        float(middle + rng.normal()),
        stats.cauchy(middle, 1) if counts.all() else stats.norm(middle, 10),
    ]
    mu = priors[int(rng.integers(len(priors)))]
    sigma = _scale_prior(rng, 10 ** rng.uniform(-1, 0.5), flat=False)
    return {"counts": counts, "exposure": exposure, "mu_log": mu, "sigma_log": sigma}


def poisson_call(problem):
    """The package's answer."""
    return exact.poisson(**problem)


def poisson_errors(problem, posterior, nodes):
    """Errors of everything that the posterior says, by name."""
    y, e, mu, sigma = problem.values()
    truth = Poisson(y, e, mu, sigma, nodes)
    errors = {"evidence": abs(posterior.log_evidence - truth.log_evidence)}
    power = np.inf if _is_light(sigma) else 3.2
    _check_scale(errors, "sigma_log", sigma, posterior["sigma_log"], truth.sigma_moments, truth.sigma_cdf)
    if not known(mu):
        _check_moments(errors, "mu_log", posterior["mu_log"], power, truth.mu_moments, 0.0)
        _check_quantiles(errors, "mu_log", posterior["mu_log"], truth.mu_cdf)
    if known(mu) and sigma == 0:
        return errors
    for name, j in (("lam", 0), ("lam_new", None)):
        line, rows = truth.log_rate(j), truth.row_weights
        marginal = posterior[name] if j is None else posterior[name].sel(group=j)
        if j is not None:
            # All groups but one, and its own counts: the density of its rate integrates to one.
            errors["reference"] = float(rows @ np.abs(line.log_total))
            # Where no rate lies its square need not be a number.
            rate, weights = np.exp(np.minimum(line.x, 300.0)), line.weights * rows[:, None]
            _check_weighted(errors, name, marginal, rate, weights)
            _check_counts(errors, posterior["y_rep"].sel(group=j), weights, rate * e[j])

        def cdf(x, line=line, rows=rows):
            below, density = line.below(np.log(x))
            return float(rows @ below), float(rows @ density / x)

        _check_quantiles(errors, name, marginal, cdf)
    if len(y) > 1:
        rest = Poisson(y[1:], e[1:], mu, sigma, nodes)
        _check_left_out(errors, posterior, truth.log_evidence - rest.log_evidence)
    return errors


def _check_counts(errors, marginal, weights, mean):
    points = _or_refused(lambda: marginal.quantile(np.array([0.1, 0.5, 0.9])).values)
    for point in [] if points is None else points:  # there may be too many to list
        below = float((weights * special.gammaincc(point + 1, mean)).sum())
        errors[f"y_rep cdf {point:g}"] = abs(float(marginal.cdf(point)) - below)


# -- counts in categories ---------------------------------------------------------------------------


def dirichlet_problem(seed):
    """Arguments of `exact.dirichlet_multinomial`."""
    rng = np.random.default_rng([seed, 3])
    categories, rows = int(rng.choice([2, 2, 2, 3])), int(rng.choice([1, 2, 3]))
    largest = rng.choice([0, 1, 1, 2, 4, 8]) if categories == 2 else rng.choice([0.5, 1])
    sizes = np.round(10 ** rng.uniform(0, largest, rows))
    shares = rng.dirichlet(np.full(categories, 10.0 ** rng.uniform(-1, 1)), rows)
    if rng.random() < 0.5:
        shares[:] = shares[0]
    table = np.array([rng.multinomial(int(n), p) for n, p in zip(sizes, shares, strict=True)], dtype=float)
    if rng.random() < 0.1:
        table[0] = 0
    alpha = _scale_prior(rng, 10 ** rng.uniform(-1, 2), flat=False)
    if known(alpha):
        alpha = float(10.0 ** rng.uniform(-3, 8))
    baseline = 10.0 ** rng.uniform(-0.5, 0.5, categories)
    if rng.random() < 0.3:
        baseline = 10.0 ** rng.uniform(-1, 4, categories)
    return {"counts": table, "alpha": alpha, "baseline": baseline}


def dirichlet_call(problem):
    """The package's answer."""
    return exact.dirichlet_multinomial(**problem)


def dirichlet_errors(problem, posterior, nodes):
    """Errors of everything that the posterior says, by name."""
    marginals = {name: posterior[name] for name in ("alpha", "pi0", "pi_new", "pi", "y_rep")}
    for name in ("pi0", "pi_new", "pi", "y_rep"):
        marginals[name] = marginals[name].sel(category=0)
    return _share_errors(*problem.values(), posterior, marginals, nodes)


def _share_errors(table, alpha, baseline, posterior, marginals, nodes):
    """Errors of the shares of the first category."""
    truth = Dirichlet(table, alpha, baseline, nodes)
    errors = {"evidence": abs(posterior.log_evidence - truth.log_evidence)}
    _check_scale(errors, "alpha", alpha, marginals["alpha"], truth.alpha_moments, truth.alpha_cdf)
    y, n = float(table[0, 0]), float(table[0].sum())
    of = {
        "pi0": (marginals["pi0"], truth.baseline_moments, truth.baseline_cdf),
        "pi_new": (
            marginals["pi_new"],
            lambda: truth.share_moments(0.0, 0.0),
            lambda z: truth.share_cdf(z, 0.0, 0.0),
        ),
        "pi": (
            marginals["pi"].sel(group=0),
            lambda: truth.share_moments(y, n),
            lambda z: truth.share_cdf(z, y, n),
        ),
    }
    for name, (marginal, moments, cdf) in of.items():
        _check_moments(errors, name, marginal, np.inf, moments, 0.0)
        _check_shares(errors, name, marginal, cdf)
    if 0 < n <= 1000:
        for count in {y, 0.0, n}:
            _check_chance(errors, marginals["y_rep"].sel(group=0), count, truth.count_pmf(count, y, n))
    if len(table) > 1:
        rest = Dirichlet(table[1:], alpha, baseline, nodes)
        _check_left_out(errors, posterior, truth.log_evidence - rest.log_evidence)
    return errors


def _check_shares(errors, name, marginal, cdf, far=1e-5):
    """As for other quantities; near zero and one only as far as numbers resolve a share."""
    probabilities = 0.01, 0.5, 0.99
    points, ends = _points(errors, name, marginal, probabilities)
    if points is None:
        return
    errors[f"{name} quantiles"] = max(
        max(0.0, below - q, q - above)
        for q, point in zip(probabilities, points, strict=True)
        for below, above in [_around(cdf, float(point))]
    )
    q = np.array([far, 1 - far])
    beyond = _or_refused(lambda: marginal.quantile(q).values, errors, f"{name} far quantiles")
    if beyond is not None:
        around = [_around(cdf, float(point)) for point in beyond]
        off = [max(0.0, below - one, one - above) for one, (below, above) in zip(q, around, strict=True)]
        errors[f"{name} far quantiles"] = max(off) / far
    # Of the log odds, whose density is nowhere infinite.
    told = np.array([x for x in [*points, *(() if beyond is None else beyond)] if 1e-290 < x < 1 - 1e-9])
    ours = _or_refused(lambda: marginal.pdf(told).values, errors, f"{name} density") if told.size else None
    if ours is not None:
        density = np.array([cdf(special.logit(x))[1] for x in told])
        off = np.abs(ours * told * (1 - told) - density) - 4 * np.finfo(float).eps * density / (1 - told)
        errors[f"{name} density"] = max(0.0, float((off / density.max()).max()))
    (_, low), (high, _) = ends = [_around(cdf, float(end)) for end in ends]
    most = ends[1][1] - ends[0][0]
    errors[f"{name} hdi"] = max(0.0, 0.89 - most, high - low - 0.89)


def _check_chance(errors, counts, count, chance):
    ours = _or_refused(lambda: float(counts.pdf(count)), errors, "y_rep")
    if ours is not None:
        errors[f"y_rep pmf {count:g}"] = abs(ours - chance)


def _around(cdf, x):
    """Distribution function just below and just above a share, which differ next to zero and one."""
    if 1e-290 < x < 1 - 1e-9:
        at, density = cdf(special.logit(x))
        slack = 4 * np.finfo(float).eps * density / (1 - x)
        return at - slack, at + slack
    below, above = np.nextafter(x, 0.0), np.nextafter(x, 1.0)
    return (
        cdf(special.logit(below))[0] if below > 0 else 0.0,
        cdf(special.logit(above))[0] if above < 1 else 1.0,
    )


# -- proportions ------------------------------------------------------------------------------------


def _trials(rng):
    """Successes and trials of groups, some of which have none."""
    size = int(rng.choice([1, 2, 3, 5]))
    trials = np.round(10 ** rng.uniform(0, rng.choice([1, 1, 2, 4, 6]), size))
    centre, spread = rng.choice([0, 0, -3, 6]), rng.choice([0, 0.3, 1, 3])
    successes = rng.binomial(trials.astype(int), special.expit(rng.normal(centre, spread, size)))
    empty = rng.random(size) < 0.05
    return np.where(empty, 0.0, successes), np.where(empty, 0.0, trials)


def beta_problem(seed):
    """Arguments of `exact.beta_binomial`."""
    rng = np.random.default_rng([seed, 7])
    successes, trials = _trials(rng)
    concentration = _scale_prior(rng, 10 ** rng.uniform(-1, 3), flat=False)
    if known(concentration):
        concentration = float(10.0 ** rng.uniform(-3, 6))
    mean = stats.uniform(0, 1)
    if rng.random() < 0.7:
        mean = stats.beta(*10.0 ** rng.uniform(-0.5, rng.choice([0.5, 0.5, 3]), 2))
    return {"successes": successes, "trials": trials, "mean": mean, "concentration": concentration}


def beta_call(problem):
    """The package's answer."""
    return exact.beta_binomial(**problem)


def beta_errors(problem, posterior, nodes):
    """Errors of everything that the posterior says: those of two categories."""
    y, n, mean, concentration = problem.values()
    baseline = np.array(mean.args if mean.dist.name == "beta" else [1.0, 1.0])
    names = {"alpha": "concentration", "pi0": "mean", "pi_new": "theta_new", "pi": "theta", "y_rep": "y_rep"}
    marginals = {name: posterior[ours] for name, ours in names.items()}
    return _share_errors(np.column_stack([y, n - y]), concentration, baseline, posterior, marginals, nodes)


def logit_problem(seed):
    """Arguments of `exact.logit_normal`."""
    rng = np.random.default_rng([seed, 8])
    successes, trials = _trials(rng)
    tau = _scale_prior(rng, 10 ** rng.uniform(-1.5, 0.7), flat=False) or 0.1
    mu = stats.norm(rng.normal(0, 2), 10 ** rng.choice([rng.uniform(-0.5, 0.7), rng.uniform(-4, 1)]))
    return {"successes": successes, "trials": trials, "mu": mu, "tau": tau}


def logit_call(problem):
    """The package's answer."""
    return exact.logit_normal(**problem)


def logit_errors(problem, posterior, nodes):
    """Errors of everything that the posterior says, by name."""
    y, n, mu, tau = problem.values()
    truth = Logit(y, n, mu, tau, nodes)
    errors = {"evidence": abs(posterior.log_evidence - truth.log_evidence)}
    _check_moments(errors, "mu", posterior["mu"], np.inf, truth.mu_moments, abs(mu.mean()))
    _check_quantiles(errors, "mu", posterior["mu"], truth.mu_cdf)
    _check_scale(errors, "tau", tau, posterior["tau"], truth.sigma_moments, truth.sigma_cdf)
    rows = truth.row_weights
    for name, j in (("theta", 0), ("theta_new", None)):
        line, marginal = truth.log_rate(j), posterior[name] if j is None else posterior[name].sel(group=j)
        errors[f"{name} reference"] = float(rows @ np.abs(line.log_total))
        theta, weights = special.expit(line.x), line.weights * rows[:, None]
        _check_weighted(errors, name, marginal, theta, weights)

        def cdf(z, line=line):
            below, density = line.below(z)
            return float(rows @ below), float(rows @ density)

        _check_shares(errors, name, marginal, cdf, far=1e-4)
        if j is not None and 0 < n[j] <= 1000:
            for count in {y[j], 0.0, n[j]}:
                chance = float((weights * np.exp(truth.log_chance(count, n[j], line.x))).sum())
                _check_chance(errors, posterior["y_rep"].sel(group=j), count, chance)
    if len(y) > 1:
        rest = Logit(y[1:], n[1:], mu, tau, nodes)
        _check_left_out(errors, posterior, truth.log_evidence - rest.log_evidence)
    return errors


# -- mixed models -----------------------------------------------------------------------------------


def mixed_problem(seed):
    """Arguments of `exact.mixed` with at most two unknown scales: one term, or two with a known sigma."""
    rng = np.random.default_rng([seed, 6])
    size, terms = int(rng.integers(5, 9)), int(rng.choice([1, 1, 2]))
    unit = 10.0 ** rng.choice([0, 0, 0, -6, 6])
    labels = [rng.integers(0, rng.choice([2, 3, 5]), size) for _ in range(terms)]
    labels = [_without_gaps(codes) for codes in labels]
    X = np.column_stack([np.ones(size), rng.normal(rng.choice([0, 50]), 1, size)])[:, : rng.choice([1, 2])]
    y = _observed(rng, X, labels, unit)
    if rng.random() < 0.1:
        y[0] += unit * 10 ** rng.uniform(1, 3)
    scales = _random_scales(rng, terms + 1, unit)
    known_at = 0 if terms == 2 else int(rng.choice([-1, -1, 0, 1]))
    if known_at >= 0:
        scales[known_at] = float(unit * 10 ** rng.uniform(-1, 1))
    beta = [(unit * rng.normal(), unit * 10 ** rng.uniform(-0.5, 2)) for _ in X.T]
    return {"y": y, "X": X, "labels": labels, "beta": beta, "scales": scales}


def wider_problem(seed):
    """Arguments of `exact.mixed` with three unknowns: sigma and two terms, or a slope that varies."""
    rng = np.random.default_rng([seed, 9])
    size, sloped = int(rng.integers(5, 7)), rng.random() < 0.6
    unit = 10.0 ** rng.choice([0, 0, 0, -6, 6])
    labels = [rng.integers(0, rng.choice([2, 3]), size) for _ in range(1 if sloped else 2)]
    labels = [_without_gaps(codes) for codes in labels]
    x = rng.normal(rng.choice([0, 0, 5]), 1, size)
    X = np.column_stack([np.ones(size), x])[:, : 1 + sloped]
    y = _observed(rng, X, labels, unit)
    scales = _random_scales(rng, 3, unit)
    beta = [(unit * rng.normal(), unit * 10 ** rng.uniform(-0.5, 2)) for _ in X.T]
    problem = {"y": y, "X": X, "labels": labels, "beta": beta, "scales": scales}
    if sloped:
        eta, known_rho = rng.choice([1.0, 2.0, 4.0]), rng.random() < 0.4
        problem |= {"x": x, "rho": float(rng.uniform(-1, 1)) if known_rho else stats.beta(eta, eta, -1, 2)}
        if not known_rho:
            scales[rng.integers(3)] = float(unit * 10 ** rng.uniform(-1, 1))
    return problem


def _observed(rng, X, labels, unit):
    """Observations around a regression, with effects of the groups of each term."""
    size = len(X)
    y = unit * (X @ rng.normal(0, 1, X.shape[1]) + rng.normal(0, 10 ** rng.uniform(-1, 1), size))
    for codes in labels:
        y += unit * rng.normal(0, rng.choice([0, 1, 10]), size)[codes]
    return y


def _random_scales(rng, count, unit):
    """Priors of scales, of five families."""
    families = [stats.halfnorm, stats.expon, lambda scale: stats.gamma(2, scale=scale)]
    families += [lambda scale: stats.lognorm(1, scale=scale), lambda scale: stats.invgamma(3, scale=scale)]
    return [families[rng.integers(5)](scale=unit * 10 ** rng.uniform(-1, 1)) for _ in range(count)]


def mixed_call(problem):
    """The package's answer."""
    sloped = "x" in problem
    names = ["t0", "t0_slope"] if sloped else [f"t{i}" for i in range(len(problem["labels"]))]
    terms = {f"t{i}": codes for i, codes in enumerate(problem["labels"])}
    if sloped:
        terms["t0"] = terms["t0"], problem["x"]
    return exact.mixed(
        problem["y"],
        problem["X"],
        terms=terms,
        beta=[_prior(pair) for pair in problem["beta"]],
        sigma=problem["scales"][0],
        tau=dict(zip(names, problem["scales"][1:], strict=True)),
        rho=problem.get("rho"),
    )


def mixed_errors(problem, posterior, nodes):
    """Errors of everything that the posterior says, by name."""
    y, X, labels, beta, scales, *slope = problem.values()
    truth = Mixed(y, X, labels, beta, scales, nodes, *slope)
    errors = {"evidence": abs(posterior.log_evidence - truth.log_evidence)}
    names = ["sigma", "tau_t0", "tau_t0_slope", "rho_t0"] if slope else ["sigma", "tau_t0", "tau_t1"]
    for i, (name, prior) in enumerate(zip(names, [*scales, *slope[1:]], strict=False)):
        if known(prior):
            continue
        moments, cdf = (functools.partial(f, i) for f in (truth.scale_moments, truth.scale_cdf))
        # An inverse gamma leaves as many moments as nobody can tell from numbers.
        light = name == "rho_t0" or _is_light(prior)
        _check_moments(errors, name, posterior[name], np.inf if light else 3.2, moments, 0.0)
        _check_quantiles(errors, name, posterior[name], cdf, far=1e-3)
    for i in range(X.shape[1]):
        marginal = posterior["beta"].sel(predictor=i)
        _check_law(errors, f"beta[{i}]", marginal, truth, truth.coefficient(i), np.inf)
    for i, codes in enumerate(labels):
        group = int(codes[0])
        _check_effect(errors, f"u_t{i}", posterior, i, group, truth, truth.effect(i, group))
    if slope:
        _check_effect(errors, "u_t0_slope", posterior, 0, int(labels[0][0]), truth, truth.slope(labels[0][0]))
        slope = slope[0][1:], slope[1]
    rest = Mixed(y[1:], X[1:], [_without_gaps(c[1:]) for c in labels], beta, scales, nodes, *slope)
    _check_left_out(errors, posterior, truth.log_evidence - rest.log_evidence)
    return errors


def _without_gaps(codes):
    return np.unique(codes, return_inverse=True)[1]


def _check_effect(errors, name, posterior, term, group, truth, law):
    _check_law(errors, name, posterior[name].sel(**{f"t{term}": group}), truth, law, np.inf)


# Problem, answer, errors, and tolerance: twice what the package states, in posterior sds, or in the log for
# densities.
KINDS = {
    "normal": (normal_problem, normal_call, lambda *task: normal_errors(*task[:2]), 2e-6),
    "groups": (groups_problem, groups_call, groups_errors, 2e-5),
    "ridge": (ridge_problem, groups_call, groups_errors, 2e-5),
    "student": (student_problem, student_call, student_errors, 2e-5),
    "mixed": (mixed_problem, mixed_call, mixed_errors, 2e-5),
    "wider": (wider_problem, mixed_call, mixed_errors, 2e-5),
    "poisson": (poisson_problem, poisson_call, poisson_errors, 2e-5),
    "dirichlet": (dirichlet_problem, dirichlet_call, dirichlet_errors, 2e-5),
    "beta_binomial": (beta_problem, beta_call, beta_errors, 2e-5),
    "logit_normal": (logit_problem, logit_call, logit_errors, 2e-5),
}

# The same of a far quantile, in parts of the probability beyond it; of a density, in parts of its height; of
# the quantiles of a scale of `mixed`, polynomials between the planes of a lattice; and of a density there.
OF_FAR, OF_DENSITY, OF_SCALE, OF_MIXED_DENSITY = 2e-2, 2e-4, 2e-4, 2e-3


def limit(kind, name):
    """Largest error of a quantity."""
    if name.endswith("far quantiles"):
        return OF_FAR
    mixed = kind in ("mixed", "wider")
    if name.endswith("density"):
        return OF_MIXED_DENSITY if mixed else OF_DENSITY
    of_scale = mixed and name.startswith(("sigma", "tau", "rho"))
    return OF_SCALE if of_scale and name.endswith(("quantiles", "hdi")) else KINDS[kind][3]


# How many of ten thousand problems are of each kind. A reference that nests integrals takes seconds, another
# a twentieth of one: no kind has less than a hundred.
SHARES = {
    "normal": 7700,
    "groups": 500,
    "ridge": 100,
    "student": 100,
    "mixed": 500,
    "wider": 100,
    "poisson": 150,
    "dirichlet": 400,
    "beta_binomial": 300,
    "logit_normal": 150,
}

# Processor seconds for an answer and for its reference: of nested integrals few take more.
LONGEST_ANSWER, LONGEST_REFERENCE = 60, 60


def _bad(kind, problem, posterior):
    """Errors above the tolerance that a reference with more nodes confirms."""
    compare = KINDS[kind][2]

    def judged(nodes):
        errors = compare(problem, posterior, nodes)
        return errors, {name: error for name, error in errors.items() if not error <= limit(kind, name)}

    errors, bad = judged(14)
    if not bad or kind == "normal":
        return errors, bad
    seen = [errors]
    for nodes in (28, 56):
        finer, bad = judged(nodes)
        if not bad:
            return finer, bad
        seen.append(finer)
    # What a density lacks of its mass may be missing where a moment has its own.
    if any(e > 0.1 * limit(kind, name) for name, e in finer.items() if name.endswith("reference")):
        raise Unresolved
    if np.isnan(list(bad.values())).any():
        raise Unresolved("the reference is no number")
    finite = {name: error for name, error in bad.items() if np.isfinite(error)}
    if any(not abs(other[name] - error) < 0.3 * error for other in seen for name, error in finite.items()):
        raise Unresolved
    return finer, bad


@contextmanager
def _at_most(seconds, error):
    """Raise an error in what takes more processor time."""

    def give_up(*_):
        raise error

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def judge(task):
    """Outcome of one problem."""
    kind, seed = task
    make, call, *_ = KINDS[kind]
    problem = make(seed)
    text = ", ".join(f"{name}={_show(value)}" for name, value in problem.items())
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            with _at_most(LONGEST_ANSWER, TimeoutError(f"no answer within {LONGEST_ANSWER} s")):
                posterior = call(problem)
            with _at_most(LONGEST_REFERENCE, Unresolved(f"no reference within {LONGEST_REFERENCE} s")):
                errors, bad = _bad(kind, problem, posterior)
    except (ValueError, ArithmeticError) as error:
        # A refusal comes from the package's own lines, with words of its own.
        place = traceback.extract_tb(error.__traceback__)[-1].filename
        own = type(error) in (ValueError, ArithmeticError) and "hierarchical_exact" in place
        return Outcome(seed, "refused" if own else "crashed", str(error), text)
    except Unresolved as error:
        return Outcome(seed, "unresolved", str(error) or "the reference did not converge", text)
    except Exception as error:
        return Outcome(seed, "crashed", repr(error), text)
    refused = [name for name in errors if name.endswith("refused")]
    verdict = "wrong" if bad else "in part" if refused else "right"
    detail = " ".join(f"{name}:{error:.1e}" for name, error in bad.items()) or " and ".join(refused)
    return Outcome(seed, verdict, detail, text, errors)


def _show(value):
    if hasattr(value, "dist"):
        return f"{value.dist.name}{value.args}{value.kwds}"
    return np.array2string(value, separator=",") if isinstance(value, np.ndarray) else repr(value)


def run(tasks, jobs):
    """Outcomes of many problems, in any order, with their kinds."""
    if jobs == 1:
        yield from ((kind, judge((kind, seed))) for kind, seed in tasks)
        return
    with Pool(jobs, _leave_signals) as pool:
        yield from pool.imap_unordered(_judged, tasks)


def _leave_signals():
    """The parent ends its workers, whoever else is told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _judged(task):
    return task[0], judge(task)


class Report:
    """Counts what became of the problems, and shows what must not be."""

    def __init__(self, *, in_full):
        self._in_full, self._started = in_full, time.monotonic()
        self.verdicts, self._reasons = defaultdict(Counter), defaultdict(lambda: defaultdict(list))

    def add(self, kind, outcome):
        """Count one, and print it if it is bad or everything is wanted."""
        self.verdicts[kind][outcome.verdict] += 1
        if outcome.verdict in ("wrong", "crashed") or self._in_full:
            print(
                f"{kind} {outcome.seed} {outcome.verdict}: {outcome.detail}\n    {outcome.problem}",
                flush=True,
            )
        if outcome.verdict in ("refused", "in part", "unresolved"):
            self._reasons[kind][outcome.verdict, outcome.detail.split(":")[0][:100]].append(outcome.seed)
        if self._in_full:
            print(outcome.worst)

    def show(self):
        """Print the counts, and for each reason of a refusal the first seeds."""
        for kind, verdicts in self.verdicts.items():
            print(f"{kind}: {dict(verdicts)}")
            for (verdict, reason), seeds in self._reasons[kind].items():
                print(f"    {verdict} {len(seeds):5d}  {reason} ({', '.join(map(str, sorted(seeds)[:5]))})")
        done = sum(sum(verdicts.values()) for verdicts in self.verdicts.values())
        print(f"{done} problems in {time.monotonic() - self._started:.0f} s", flush=True)

    @property
    def failed(self):
        """Whether any answer was wrong."""
        return any(verdicts["wrong"] + verdicts["crashed"] for verdicts in self.verdicts.values())


def main():
    """Print what became of the problems; exit with 1 if any answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="problems, of all kinds together")
    parser.add_argument("--first", type=int, default=0, help="number of the first problem")
    parser.add_argument("--kind", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--only", type=int, help="one problem, shown in full")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=int, help="stop after this time, and report")
    options = parser.parse_args()
    counts = {kind: round(options.count * share / 10_000) for kind, share in SHARES.items()}
    if options.kind != "all":
        counts = {options.kind: options.count}
    # All kinds by turns, so that each has its share when it is cut off.
    tasks = [
        (place / count, kind, options.first + place)
        for kind, count in counts.items()
        for place in range(count)
    ]
    tasks = [(kind, seed) for _, kind, seed in sorted(tasks)]
    if options.only is not None:
        tasks, options.jobs = [(kind, options.only) for kind in counts], 1
    report = Report(in_full=options.only is not None)
    for stop in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(stop, _stop)
    signal.alarm(options.seconds or 0)
    try:
        for kind, outcome in run(tasks, options.jobs):
            report.add(kind, outcome)
    except KeyboardInterrupt:
        print(f"stopped early; --first {options.first} begins again, another number elsewhere")
    report.show()
    raise SystemExit(report.failed)


def _stop(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
