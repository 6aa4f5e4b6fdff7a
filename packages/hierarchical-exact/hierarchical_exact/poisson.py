"""Exact posterior of the log-normal Poisson hierarchy: event counts of groups with known exposure.

Given the population (mu_log, sigma_log) the groups are independent, and each contributes the integral
of a Poisson probability over its log-normal rate. The population is integrated over in turn. Rates are
handled by their logs, x = log(lam).
"""

import numbers
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.polynomial import chebyshev, legendre
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from hierarchical_exact import accuracy, arguments
from hierarchical_exact.joint import Joint
from hierarchical_exact.laws import Counts, Curve, FromDensity, NormalMixture, listed
from hierarchical_exact.posterior import Marginal, Posterior, hyperparameter
from hierarchical_exact.quadrature import (
    GAUSS,
    KRONROD,
    LARGEST,
    NODES,
    SLICE,
    SMALLEST,
    TO_LEGENDRE,
    Axis,
    hyperparameter_grid,
    in_slices,
    integrate,
    lattice,
)

_TOLERANCE = 1e-5
# Tolerances of the population's integral, to try in turn.
_INTEGRALS = 1e-6, 1e-8, 1e-10
# Panels on either side of the mode of a rate, where all groups have panels alike: to try in turn.
_SIDES = (4, 6)
# Stands for sigma_log = 0: all rates equal, but still a width to divide by.
_NO_SPREAD = 1e-100
# Arrays hold at most about this many numbers; working arrays of inner loops stay in the cache.
_SLICE = 2_000_000
_BLOCK = 16384
_LOG_2PI = np.log(2 * np.pi)
# Rounds of rejection; each takes more than half of what is left.
_MOST_ROUNDS = 200
# So many groups stand for more of them far from the peak of the likelihood; near it that is a polynomial, of
# the first of these degrees whose last terms are small.
_MANY, _DEGREES, _NEGLECTED = 200, (6, 9, 13, 20), 1e-8
# All nodes of a lattice err by less than the 1.4th power of what half of them do.
_HALF = 1e-4
# Beyond the ends of the nodes there may be so many times what is at them.
_BEYOND = 100
# Nodes of less weight have no part in the moments of rates.
_LIGHT = 1e-25
# A shift of the distribution function moves quantiles by this many times as much, in posterior sds,
# where the standardised density is a tenth: at the 5% and 95% quantiles of a Normal.
_QUANTILE_SHIFT = 10.0


def poisson(counts: ArrayLike, exposure: ArrayLike, *, mu_log: Any, sigma_log: Any) -> Posterior:
    """Exact posterior of event rates under a log-normal population.

    ``counts[i] ~ Poisson(lam[i] * exposure[i])`` and ``log(lam[i]) ~ Normal(mu_log, sigma_log)``.

    Parameters
    ----------
    counts : (J,) array or DataArray
        Number of events; a DataArray's dim and coords label the results.
    exposure : (J,) array, DataArray or float
        Exposure, such as thousands of patient-days; rates are per unit of exposure.
    mu_log : frozen scipy.stats distribution, or float
        Prior of the population mean of the log rates; a float is known.
    sigma_log : frozen scipy.stats distribution on x >= 0, or float
        Prior of their sd; a float is known, and 0 is complete pooling.

    Returns
    -------
    Posterior
        Quantities ``mu_log``, ``sigma_log``, ``lam`` (one per group), ``lam_new`` (the rate of a new
        group) and ``y_rep`` (new counts of the same groups, with the same exposure).

    Raises
    ------
    ValueError
        If an argument is not as described.
    ArithmeticError
        If the accuracy, 1e-5 posterior sds, is not reached.

    See Also
    --------
    hierarchical_exact.dirichlet_multinomial : Counts in several categories.
    hierarchical_exact.marginal : Marginal of a conjugate posterior, such as the Gamma of a single rate.

    Notes
    -----
    The model of exercise 5.8.3. The mean or sd of ``lam_new`` is infinite where the prior of sigma_log
    has too heavy a tail: under halfnorm(scale=1) the sd always is, because E[lam_new**2] contains
    ``exp(2 * sigma_log**2)``.

    Examples
    --------
    >>> priors = {"mu_log": stats.norm(0, 1), "sigma_log": stats.halfnorm(scale=1)}
    >>> posterior = poisson([3, 10, 3, 8], [2.1, 5.0, 1.3, 8.2], **priors)
    >>> bool(1 < posterior["lam"].mean()[0] < 2)
    True
    """
    counts, exposure = arguments.labelled(counts), arguments.labelled(exposure)
    data = _Data(*_check_data(counts, exposure))
    priors = {
        "mu_log": _location_prior("mu_log", mu_log),
        "sigma_log": arguments.scale_prior("sigma_log", sigma_log),
    }
    if priors["sigma_log"] == 0.0:
        priors["sigma_log"] = _NO_SPREAD
    grid, error = accuracy.refine(
        lambda tolerance: _fit(data, priors, tolerance),
        tolerance=_TOLERANCE,
        integral_tolerances=_INTEGRALS,
    )
    rates = _Rates(data, priors, grid)
    names = arguments.labels(counts if isinstance(counts, xr.DataArray) else exposure, len(data.y))
    marginals = {name: hyperparameter(grid, name) for name in priors}
    if priors["sigma_log"] == _NO_SPREAD:
        marginals["sigma_log"] = Marginal(lambda _: _point(0.0))
    nodes = 1000 if len(data.y) > _MANY // 2 and rates.few else len(grid.weights) // 4
    marginals["lam"] = Marginal(rates.lam, names, nodes=nodes)
    marginals["lam_new"] = Marginal(lambda _: rates.lam_new())
    marginals["y_rep"] = Marginal(rates.y_rep, names, nodes=rates.count_nodes())

    def elpd_loo():
        nodes = rates.few or grid

        def predictive(groups, some):
            return data.log_marginals(nodes.points["mu_log"][some], nodes.points["sigma_log"][some], groups)

        values = accuracy.leave_one_out(
            nodes, predictive, lambda j: _evidence_without(data, priors, j), len(data.y), agreement=_TOLERANCE
        )
        return xr.DataArray(values, dims=names.dims, coords=names.coords, name="elpd_loo")

    observed = names.copy(data=data.y.astype(int)).rename("counts")

    def draw(n, rng):
        population = grid.sample(n, rng)
        mu, sigma = population["mu_log"], population["sigma_log"]
        x = _draw_logs(data.y, data.log_e, mu[:, None], sigma[:, None], rng)
        if priors["sigma_log"] == _NO_SPREAD:
            population["sigma_log"] = np.zeros(n)
        new = np.exp(mu + sigma * rng.standard_normal(n))
        return population | {"lam": np.exp(x), "lam_new": new, "y_rep": rng.poisson(np.exp(data.log_e + x))}

    def log_likelihood(draws):
        return data.log_rate_likelihood(np.log(draws["lam"]), slice(None))

    return Posterior(
        marginals,
        grid.log_evidence,
        elpd_loo,
        error,
        joint=Joint(draw, observed, log_likelihood, priors=priors),
        call=partial(poisson, counts, exposure, mu_log=mu_log, sigma_log=sigma_log),
    )


# -- arguments ----------------------------------------------------------------------------------


def _check_data(counts, exposure):
    """Counts (J,) and logs of the exposure (J,)."""
    y = arguments.counts("counts", counts)
    if y.ndim != 1:
        raise ValueError(f"counts is an array of shape {y.shape}: give one dimension, one count per group")
    e = arguments.positive("exposure", arguments.vector("exposure", exposure, like=y))
    arguments.same_labels("exposure", exposure, "counts", counts)
    return y, np.log(e)


def _location_prior(name, prior):
    """A known value as a float, or a frozen distribution."""
    if prior is None:
        raise ValueError(f"{name} is None: give a proper prior, such as stats.norm(0, 1)")
    if isinstance(prior, numbers.Real):
        return arguments.normal_prior(name, prior)[0]
    return arguments.told_apart(name, arguments.frozen(name, prior))


# -- the population -----------------------------------------------------------------------------


def _fit(data, priors, tolerance):
    """Posterior grid of the population, and the estimated error of its means, sds and quantiles."""
    grid = _integrate_population(data, priors, tolerance)
    moved = [0.0]
    for name, prior in priors.items():
        if isinstance(prior, float):
            continue
        x = grid.points[name]
        moved.append(_QUANTILE_SHIFT * _largest_shift(grid, name, priors))
        mean, sd = grid.expectation(x), grid.sd(name)
        if np.isnan(sd) and tolerance == _INTEGRALS[0]:  # a finer grid may tell it
            return grid, np.inf
        if np.isfinite(sd):
            coarse_mean = grid.coarse @ x
            coarse_sd = np.sqrt(grid.coarse @ (x - coarse_mean) ** 2)
            moved += [abs(coarse_mean - mean) / sd, abs(coarse_sd / sd - 1)]
    return grid, max(moved)


def _largest_shift(grid, name, priors):
    """Largest difference of a distribution function, at the ends of panels, between the two rules."""
    difference = _tensor(grid, priors, grid.weights - grid.coarse)
    along = difference.sum(axis=1 if name == "mu_log" else 0)
    return np.abs(np.cumsum(along.reshape(-1, len(NODES)).sum(axis=1))).max()


def _tensor(grid, priors, values):
    """Values at the nodes as an array over mu_log and sigma_log."""
    known = isinstance(priors["sigma_log"], float)
    nodes = 1 if known else len(NODES) * len(grid.curve("sigma_log")[1])
    return values.reshape(-1, nodes)


def _integrate_population(data, priors, tolerance):
    """Posterior grid of mu_log and sigma_log."""
    grid = hyperparameter_grid(data.log_likelihood, priors, data.hints(), tolerance=tolerance)
    if data.near_peak is not None:
        inside, _ = data.near_peak(np.stack([grid.points["mu_log"], np.log(grid.points["sigma_log"])]))
        if grid.weights[~inside].sum() > 1e-10:  # the priors have moved the posterior: sum over all groups
            data.near_peak = None
            return _integrate_population(data, priors, tolerance)
    return grid


def _evidence_without(data, priors, j):
    """Log evidence of all groups but one."""
    if len(data.y) == 1:
        return 0.0
    rest = _Data(np.delete(data.y, j), np.delete(data.log_e, j))
    return _integrate_population(rest, priors, 1e-8).log_evidence


def _point(value, size=1):
    """Law of quantities that are known."""
    return NormalMixture(np.ones(1), np.full((1, size), value), np.zeros((1, size)))


# -- one group, given the population ---------------------------------------------------------------


def _log_largest(y):
    """Log of the largest Poisson probability of a count, max over the mean."""
    large = np.maximum(y, 100.0)
    stirling = -0.5 * (_LOG_2PI + np.log(large)) - 1 / (12 * large) + 1 / (360 * large**3)
    return np.where(y < 100, special.xlogy(y, y) - y - special.gammaln(y + 1), stirling)


def _log_poisson(y, log_mean):
    """Log Poisson probability, as the largest one less a deviance, so that large counts do not cancel."""
    with np.errstate(over="ignore"):
        from_peak = log_mean - np.log(np.maximum(y, 1.0))
        deviance = y * (np.expm1(from_peak) - from_peak)
        return np.where(y > 0, _log_largest(y) - deviance, -np.exp(log_mean))


def _ends(sigma, log_mean, fall, beyond=0.0):
    """How far (in units of sigma) left and right of its mode the integrand falls by `fall` nats.

    A factor ``exp(beyond * t)`` has the same effect as a Normal density so much further to the right.

    At a distance t it has fallen by ``t**2 / 2 + mean * (exp(sigma * t) - 1 - sigma * t)``, where `mean`
    is the Poisson mean at the mode. Each term alone gives a bound.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        normal = np.sqrt(2 * fall)
        log_scaled = np.log(fall) - log_mean
        scaled = np.exp(np.minimum(log_scaled, 600.0))
        right = np.where(log_scaled < 600, np.log1p(scaled + np.sqrt(2 * scaled)), log_scaled) / sigma
        left = 0.5 * (scaled + np.sqrt(scaled**2 + 8 * scaled)) / sigma
    return np.fmin(left, normal), np.fmin(right, normal + beyond)


def _midpoints(n):
    """Equal steps: the best rule for a smooth integrand that vanishes at both ends."""
    return (np.arange(n) + 0.5) / n, np.full(n, 1 / n)


def _gauss(n):
    """Gauss-Legendre rule on [0, 1]."""
    x, w = legendre.leggauss(n)
    return 0.5 * (x + 1), 0.5 * w


# Largest sigma of each rule, how far the integrand is followed (in nats), and nodes per panel; the first is
# Laplace's. The relative error is below 1e-10 for sigma <= 1, 1e-9 for sigma <= 10 and 1e-6 for any sigma.
_RULES = (
    (0.003, 0.0, None),
    (0.5, 23.0, _midpoints(24)),
    (1.0, 23.0, _midpoints(32)),
    (np.inf, 32.0, _gauss(16)),
)


def _panels(left, right, sigma, rule_sigma):
    """Panels (start, width) on which an integrand is smooth enough for one rule."""
    if np.isfinite(rule_sigma):
        return [(-left, left + right)]
    # With a wide population the integrand bends near its mode and drops near its right end, both
    # within a few units of x, and is nearly straight between.
    bend = np.minimum(0.5 * left, 8 / sigma)
    drop = np.maximum(0.5 * right, right - 6 / sigma)
    return [(-left, left - bend), (-bend, bend), (np.zeros_like(drop), drop), (drop, right - drop)]


def _mode(y, log_e, mu, sigma):
    """Mode of Normal(x | mu, sigma) Poisson(y | e exp(x)), and its distance from mu in sigmas.

    Setting the derivative to zero gives ``w + log(w) = log(sigma**2 e) + mu + sigma**2 y`` for
    ``w = sigma**2 e exp(x)``, which Wright's omega function solves.
    """
    log_scale = 2 * np.log(sigma) + log_e
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        omega = special.wrightomega(log_scale + mu + sigma**2 * y)
        # Two forms of one solution; each is free of cancellation where it is used.
        x = np.where(omega > 1, np.log(omega) - log_scale, mu + sigma**2 * y - omega)
        distance = np.where(omega > 1, (x - mu) / sigma, sigma * y - omega / sigma)
    return x, distance


def _laplace(mean, sigma):
    """Log integral of ``exp(-fall(t)) / sqrt(2 pi)`` (see `_ends`), and the first two moments of t.

    To the order after Laplace's: what is left is smaller than sigma**4.
    """
    precision = 1 + mean * sigma**2
    skewed = mean * sigma**2 / precision
    fourth, sixth = skewed * sigma**2 / precision, skewed**2 * sigma**2 / precision
    log_total = -0.5 * np.log(precision) + np.log1p(-fourth / 8 + 5 * sixth / 24)
    second = (1 - fourth / 2 + 5 * sixth / 4) / precision
    return log_total, -0.5 * skewed * sigma / precision, second


def _group_integrals(y, log_e, mu, sigma, rule, of=None):
    """Log of the integral over x of one group's integrand; mean and variance ``of`` "logs" or "rates"."""
    mode, distance = _mode(y, log_e, mu, sigma)
    log_mean = np.minimum(log_e + mode, 690.0)
    mean = np.exp(log_mean)
    largest_sigma, fall, on_panel = rule
    log_peak = _log_poisson(y, log_e + mode) - 0.5 * distance**2
    if on_panel is None:
        log_total, first, second = _laplace(mean, sigma)
        moved, variance = sigma * first, sigma**2 * (second - first**2)
        if of == "rates":
            moved = np.expm1(moved + 0.5 * variance)
            variance = (1 + moved) ** 2 * np.expm1(variance)
        return log_peak + log_total, *_moments(mode, moved, variance, of)
    nodes, weights = on_panel
    left, right = _ends(sigma, log_mean, fall, 2 * sigma if of == "rates" else 0.0)
    # Squares of rates are numbers relative to the mode, or else to a higher place.
    above = np.maximum(sigma * right - 300, 0.0) if of == "rates" else 0.0
    all_numbers = mean.all()

    def fallen(step):
        with np.errstate(over="ignore"):
            grown = np.expm1(step)
        grown -= step
        if all_numbers:
            return np.multiply(mean, grown, out=grown)
        # A mean below the smallest number may grow into the range of numbers all the same.
        with np.errstate(invalid="ignore"):
            return np.where(mean > 0, mean * grown, np.exp(log_mean + step))

    total, first, second = (np.zeros_like(mode) for _ in range(3))
    for start, width in _panels(left, right, sigma, largest_sigma):
        for node, weight in zip(nodes, weights, strict=True):
            t = start + width * node
            exponent = -0.5 * t * t
            exponent -= fallen(sigma * t)
            term = np.exp(exponent, out=exponent)
            term *= weight * width
            total += term
            if of:
                value = np.expm1(sigma * t - above) if of == "rates" else sigma * t
                term *= value
                first += term
                term *= value
                second += term
    log_integral = log_peak + np.log(total) - 0.5 * _LOG_2PI
    if not of:
        return log_integral, None, None
    moved = first / total
    return log_integral, *_moments(mode + above, moved, second / total - moved**2, of)


def _moments(mode, moved, variance, of):
    """Mean and variance of x or, where they are relative to that of the mode, of rates."""
    if of == "rates":
        return np.exp(mode) * (1 + moved), np.exp(2 * mode) * variance
    return mode + moved, variance


def _draw_logs(y, log_e, mu, sigma, rng):
    """Draw the logs of the rates given the population and the counts, (n, J), by rejection.

    The log density, less its peak, is concave in the distance t from the mode (see `_ends`): it lies below
    its tangents near the places where it has fallen by one, and below zero between them.
    """
    mode, _ = _mode(y, log_e, mu, sigma)
    log_mean = np.minimum(log_e + mode, 690.0)
    mean, ends = np.exp(log_mean), _ends(sigma, log_mean, 1.0)

    def fall(t, at):
        """By how much the log density has fallen at t, and its slope."""
        m, s = mean[at], sigma[at]
        with np.errstate(over="ignore", invalid="ignore"):
            # A mean below the smallest number may grow into the range of numbers all the same.
            grown = np.where(m > 0, m * np.expm1(s * t), np.exp(log_mean[at] + s * t))
        return 0.5 * t * t + grown - m * s * t, t + s * grown

    result = np.empty(mode.shape)
    open_ = np.indices(mode.shape).reshape(2, -1)
    sigma = np.broadcast_to(sigma, mode.shape)
    for _ in range(_MOST_ROUNDS):
        if not open_.size:
            return mode + sigma * result
        at = tuple(open_)
        tangents = []
        for side, end in zip((-1.0, 1.0), ends, strict=True):
            fallen, slope = fall(side * end[at], at)
            tangents.append((end[at] - fallen / (side * slope), side * slope))
        (left, left_slope), (right, right_slope) = tangents
        areas = np.stack([1 / left_slope, left + right, 1 / right_slope])
        part = (rng.uniform(size=len(left)) * areas.sum(axis=0) > np.cumsum(areas, axis=0)).sum(axis=0)
        beyond = rng.exponential(size=len(left))
        t = np.where(
            part == 1,
            rng.uniform(size=len(left)) * (left + right) - left,
            np.where(part == 0, -left - beyond / left_slope, right + beyond / right_slope),
        )
        hat = np.where(part == 1, 0.0, beyond)
        taken = rng.exponential(size=len(left)) > fall(t, at)[0] - hat
        result[at] = np.where(taken, t, np.nan)
        open_ = open_[:, ~taken]
    raise ArithmeticError(
        "a rate cannot be drawn, as the population is too extreme: give sigma_log a prior with less mass "
        "far from zero"
    )


def _polynomial(f, start, step):
    """Polynomial of a function of points (2, n) within ten times its widths of its peak.

    ``None`` where there is no peak, or none so smooth. Steps of `step` should show its curvature.
    """
    options = {"xatol": 0.1 * step, "fatol": 0.1, "maxfev": 200}
    middle = optimize.minimize(lambda z: -f(z[:, None])[0], start, method="Nelder-Mead", options=options).x
    around = np.array([[0, 1, -1, 0, 0, 1, -1], [0, 0, 0, 1, -1, 1, -1]])
    centre, *pairs = f(middle[:, None] + step * around)
    first, second, both = np.add(pairs[::2], pairs[1::2]) - 2 * centre
    cross = 0.5 * (both - first - second)
    determinant = first * second - cross**2
    if not (first < 0 < determinant):
        return None
    half = 10 * step * np.sqrt(-np.array([second, first]) / determinant)
    for degree in _DEGREES:
        line = chebyshev.chebpts1(degree + 1)
        mesh = np.stack(np.meshgrid(line, line, indexing="ij")).reshape(2, -1)
        transform = np.linalg.inv(chebyshev.chebvander(line, degree))
        values = f(middle[:, None] + half[:, None] * mesh).reshape(len(line), -1)
        coefficients = transform @ values @ transform.T
        last = max(np.abs(coefficients[-2:]).max(), np.abs(coefficients[:, -2:]).max())
        if last < _NEGLECTED:
            return _NearPeak(middle, half, coefficients)
    return None


@dataclass
class _NearPeak:
    """Polynomial on a rectangle around a peak."""

    peak: np.ndarray
    half: np.ndarray
    coefficients: np.ndarray

    def __call__(self, z):
        """Whether points (2, n) lie within the rectangle, and values there, or where they leave it."""
        local = (z - self.peak[:, None]) / self.half[:, None]
        distance = np.abs(local).max(axis=0)
        return distance <= 1, chebyshev.chebval2d(*(local / np.maximum(distance, 1)), self.coefficients)


class _Data:
    """Counts y and log exposures log_e, both (J,)."""

    def __init__(self, y, log_e):
        self.y, self.log_e = y, log_e

    def log_marginals(self, mu, sigma, groups=slice(None)):
        """Log p(y_i | mu, sigma), (n, j): each group's integral over its rate."""
        return self._integrals(mu, sigma, groups, None)[0]

    def moments(self, mu, sigma, groups, of):
        """Mean and variance of "logs" or "rates" given the population and the group's count, (n, j) each."""
        return self._integrals(mu, sigma, groups, of)[1:]

    def _integrals(self, mu, sigma, groups, of):
        y, log_e = self.y[groups], self.log_e[groups]
        parts = [np.empty((len(mu), len(y))) for _ in range(3 if of else 1)]
        rule_of_node = np.searchsorted([rule[0] for rule in _RULES], sigma)
        for position, rule in enumerate(_RULES):
            nodes = np.flatnonzero(rule_of_node == position)
            step = max(1, _BLOCK // len(y))
            for start in range(0, len(nodes), step):
                some = nodes[start : start + step]
                values = _group_integrals(y, log_e, mu[some, None], sigma[some, None], rule, of)
                for part, value in zip(parts, values, strict=False):  # moments if asked for
                    part[some] = value
        return parts

    def log_likelihood(self, mu, sigma):
        """Log p(y | mu, sigma), (n,). That of many groups is a polynomial near its peak.

        Far from there, where it can only have fallen further, some groups stand for all: enough to see that.
        """
        if self.near_peak is None:
            return self.summed(mu, sigma)
        z = np.stack([mu, np.log(sigma)])
        inside, total = self.near_peak(z)
        some = np.argsort(np.log(self.y + 0.5) - self.log_e)[:: len(self.y) // _MANY]
        few, peak = _Data(self.y[some], self.log_e[some]), self.near_peak.peak
        far = np.append(mu[~inside], peak[0]), np.append(sigma[~inside], np.exp(peak[1]))
        fallen = np.subtract(*np.split(few.summed(*far), [-1])) * len(self.y) / len(some)
        total[~inside] = np.minimum(total[~inside], self.near_peak(peak[:, None])[1] + fallen)
        return total

    @cached_property
    def near_peak(self):
        """Polynomial of the log likelihood (see `_polynomial`), or None."""
        if len(self.y) < 2 * _MANY:
            return None
        logs = np.log(self.y + 0.5) - self.log_e
        spread = max(logs.var() - (1 / (self.y + 0.5)).mean(), 0.01)
        return _polynomial(
            lambda z: self.summed(z[0], np.exp(np.clip(z[1], -30.0, 30.0))),
            np.array([logs.mean(), 0.5 * np.log(spread)]),
            1 / np.sqrt(len(logs)),
        )

    @cached_property
    def _distinct(self):
        pairs, multiplicity = np.unique(np.stack([self.y, self.log_e]), axis=1, return_counts=True)
        return _Data(*pairs), multiplicity

    def summed(self, mu, sigma):
        """Sum over the groups. Those of equal count and exposure are evaluated once."""
        distinct, multiplicity = self._distinct
        total = np.zeros(len(mu))
        for start in range(0, len(distinct.y), _BLOCK):
            groups = slice(start, start + _BLOCK)
            step = max(1, _SLICE // len(distinct.y[groups]))
            for first in range(0, len(mu), step):
                nodes = slice(first, first + step)
                log_c = distinct.log_marginals(mu[nodes], sigma[nodes], groups)
                total[nodes] += log_c @ multiplicity[groups]
        return total

    def log_rate_likelihood(self, x, groups):
        """Log p(y_i | x_i) with x (..., j)."""
        return _log_poisson(self.y[groups], self.log_e[groups] + x)

    def hints(self):
        """Values of mu_log and sigma_log near which their posterior may lie."""
        logs = np.log(self.y + 0.5) - self.log_e
        pooled = np.log(self.y.sum() + 0.5) - special.logsumexp(self.log_e)
        steps = np.array([-3.0, -1.0, 0.0, 1.0, 3.0])
        noise = 1 / np.sqrt(self.y.sum() + 1)
        spread = logs.std()
        middle = logs.mean() + spread / np.sqrt(len(logs)) * steps
        mu = np.concatenate([pooled + noise * steps, middle, [logs.min(), logs.max()]])
        sigma = np.array([spread, noise, 1 / np.sqrt(self.y.mean() + 1)])
        return {"mu_log": mu, "sigma_log": sigma[sigma > 0]}


# -- the rates ----------------------------------------------------------------------------------


class _Line:
    """Nodes of one hyperparameter: on panels where it is unknown, a single one where it is known."""

    def __init__(self, axis, pairs):
        self.axis, self.pairs = axis, pairs
        z = _nodes(pairs).ravel()
        half = 0.5 * (pairs[:, 1] - pairs[:, 0])[:, None]
        self.x = axis.to_x(z)
        self.log_jacobian = axis.log_jacobian(z)
        self.weights = (half * KRONROD).ravel()
        self.coarse = (half * GAUSS).ravel()
        self.edges = axis.to_x(np.append(pairs[:, 0], pairs[-1, 1]))

    @classmethod
    def known(cls, value):
        """The line of a known hyperparameter."""
        line = cls.__new__(cls)
        line.axis = line.pairs = None
        line.x = line.edges = np.array([value])
        line.weights = line.coarse = np.ones(1)
        line.log_jacobian = np.zeros(1)
        return line


def _nodes(pairs):
    """Nodes of panels, (P, 15)."""
    pairs = np.asarray(pairs)
    return 0.5 * pairs.sum(axis=1)[:, None] + 0.5 * np.diff(pairs, axis=1) * NODES


class _Population:
    """Posterior of (mu_log, sigma_log) on a tensor of nodes fine enough for the laws of single rates.

    The density of a rate at one point, as a function of sigma_log, has features as wide as sigma_log
    itself, which the joint density need not have. So panels of sigma_log span a limited ratio. Cells of
    the tensor without mass are left out.
    """

    def __init__(self, data, priors, grid, ratio):
        self.data = data
        self.mu, self.sigma, mass = _lines(grid, priors)
        self.finest = self.sigma.x[0]
        if self.sigma.pairs is not None:
            self.finest = _finest_scale(grid, priors)
            pairs, parent = _limit_ratio(self.sigma.axis, self.sigma.pairs, self.finest, ratio)
            self.sigma, mass = _Line(self.sigma.axis, pairs), mass[:, parent]
        cell = len(self.mu.x) // len(mass), len(self.sigma.x) // mass.shape[1]
        self._live = np.kron(mass > 1e-16, np.ones(cell, dtype=bool))
        mesh = np.meshgrid(self.mu.x, self.sigma.x, indexing="ij")
        self._mu, self._sigma = (m[self._live] for m in mesh)
        self._stored = None
        if len(self._mu) * len(data.y) <= 2 * _SLICE:
            self._stored = data.log_marginals(self._mu, self._sigma)
            log_likelihood = self._stored.sum(axis=1)
        else:
            log_likelihood = data.log_likelihood(self._mu, self._sigma)
        log_prior = _log_prior(priors["mu_log"], self.mu)[:, None]
        log_prior = log_prior + _log_prior(priors["sigma_log"], self.sigma)
        # Density with respect to the integration variables.
        self.log_density = np.full(self._live.shape, _NOTHING)
        self.log_density[self._live] = log_likelihood + log_prior[self._live] - grid.log_evidence
        self.log_density = np.maximum(self.log_density, _NOTHING)
        self.weights = self._weigh(self.mu.weights, self.sigma.weights)
        self.widest = self._widest_panels()

    def _weigh(self, mu_rule, sigma_rule):
        return np.exp(self.log_density) * np.outer(mu_rule, sigma_rule)

    def _widest_panels(self):
        """Largest panels of mu that matter to each sigma."""
        if self.mu.pairs is None:
            return np.zeros(len(self.sigma.x))
        mass = self.weights.reshape(len(self.mu.pairs), len(NODES), -1).sum(axis=1)
        matters = mass > 1e-10 * mass.sum(axis=0)
        return np.where(matters, np.diff(self.mu.edges)[:, None], 0).max(axis=0)

    def log_marginals(self, groups):
        """Log p(y_i | node), (M, S, j)."""
        if self._stored is None:
            log_c = self.data.log_marginals(self._mu, self._sigma, groups)
        else:
            log_c = self._stored[:, groups]
        result = np.zeros((*self._live.shape, log_c.shape[1]))
        result[self._live] = log_c
        return result

    def nodes(self):
        """Hyperparameters and weights of the nodes of the coarser rule that matter."""
        weights = self._weigh(self.mu.coarse, self.sigma.coarse)[self._live]
        chosen = weights > 1e-12
        return self._mu[chosen], self._sigma[chosen], weights[chosen] / weights[chosen].sum()

    def reach(self, groups):
        """Ends of the ranges that hold the x of some groups, or of a new group (``None``), (2, j)."""
        mu, sigma, weights = self._mu, self._sigma, self.weights[self._live]
        matters = weights > 1e-17
        mu, sigma, weights = mu[matters], sigma[matters], weights[matters]
        fall = np.maximum(32.0 + np.log(weights / weights.max()), 1.0)[:, None]
        mu, sigma = mu[:, None], sigma[:, None]
        if groups is None:
            middle, left = mu, np.sqrt(2 * fall)
            right = left
        else:
            y, log_e = self.data.y[groups], self.data.log_e[groups]
            middle = _mode(y, log_e, mu, sigma)[0]
            left, right = _ends(sigma, np.minimum(log_e + middle, 690.0), fall)
        return np.stack([(middle - sigma * left).min(axis=0), (middle + sigma * right).max(axis=0)])


def _lines(grid, priors):
    """Lines of both hyperparameters and masses of the cells, without outer panels that hold none."""
    lines = {}
    for name, prior in priors.items():
        if isinstance(prior, float):
            lines[name] = _Line.known(prior)
        else:
            axis, pairs, _ = grid.curve(name)
            lines[name] = _Line(axis, pairs)
    mu, sigma = lines["mu_log"], lines["sigma_log"]
    panels = [1 if line.pairs is None else len(line.pairs) for line in (mu, sigma)]
    size = [len(line.x) // count for line, count in zip((mu, sigma), panels, strict=True)]
    mass = grid.weights.reshape(panels[0], size[0], panels[1], size[1]).sum(axis=(1, 3))
    kept = []
    for other in (1, 0):
        live = np.flatnonzero(mass.sum(axis=other) > 1e-13)
        kept.append(slice(live[0], live[-1] + 1))
    mu, sigma = (
        line if line.pairs is None else _Line(line.axis, line.pairs[some])
        for line, some in zip((mu, sigma), kept, strict=True)
    )
    return mu, sigma, mass[tuple(kept)]


def _log_prior(prior, line):
    """Log prior density with respect to the integration variable."""
    return line.log_jacobian + (0.0 if isinstance(prior, float) else prior.logpdf(line.x))


def _finest_scale(grid, priors):
    """Value of sigma_log below which the density of a rate no longer depends on it.

    That is well below the sd of mu_log given sigma_log, and never above all but 1e-10 of the posterior.
    """
    sigma, points, mass = (
        _tensor(grid, priors, values)
        for values in (grid.points["sigma_log"], grid.points["mu_log"], grid.weights)
    )
    total = mass.sum(axis=0)
    smallest = sigma[0, np.searchsorted(np.cumsum(total), 1e-10)]
    if len(mass) == 1:
        return smallest
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (mass * points).sum(axis=0) / total
        sd = np.sqrt((mass * (points - centre) ** 2).sum(axis=0) / total)
    return max(smallest, 0.03 * sd[total > 1e-12 * total.max()].min())


def _limit_ratio(axis, pairs, finest, ratio):
    """Split panels of sigma_log so that none above `finest` spans more than a factor exp(ratio).

    Also gives, for each new panel, the position of the old one.
    """
    result, parent = [], []
    for position, (a, b) in enumerate(pairs):
        low, high = max(axis.to_x(a), finest), axis.to_x(b)
        cuts = np.array([a, b])
        if high > low and np.log(high / low) > ratio:
            parts = int(np.ceil(np.log(high / low) / ratio))
            inner = axis.to_z(np.geomspace(low, high, parts + 1)[:-1])
            cuts = np.concatenate([[a], inner[inner > a + 1e-9 * (b - a)], [b]])
        result += pairwise(cuts)
        parent += [position] * (len(cuts) - 1)
    return np.array(result), np.array(parent)


_LOCAL_RULE = _gauss(32)
_REACH = 8.0
_MOST_PANELS = 1000
# Log density that stands for none.
_NOTHING = -1e6
# A table ends where the density has fallen by 32 nats; it falls on by at least as many over as long again.
_FALL = 32.0


def _hermite(n):
    """Rule for expectations under the standard Normal."""
    nodes, weights = special.roots_hermitenorm(n)
    return nodes, weights / weights.sum()


# Rules, and largest sigma of each, relative to the panels on which its integrand is a polynomial.
_HERMITE_LIMITS = (1e-5, 5e-3, 5e-2, 0.15)
_HERMITE_RULES = (_hermite(1), _hermite(3), _hermite(8), _hermite(16))


class _Predictive:
    """Log density of x_i given all but the group's own count, times a constant, for several groups.

    That is the integral of Normal(x | mu, sigma) p(mu, sigma | y) / p(y_i | mu, sigma), so that its
    product with the likelihood p(y_i | x) is the posterior density of x_i. It is smooth where the
    posterior of the population is, however narrow the likelihood: it is tabulated as polynomials on
    panels.

    Parameters
    ----------
    population : _Population
    log_marginals : (M, S, j) array
        Log p(y_i | node); zeros for a new group.
    reach : (2, j) array
        Ends of the ranges of x.
    log_peak : callable
        Takes low and high ends of panels (P, 1), gives (P, j) upper bounds of log p(y_i | x).
    """

    def __init__(self, population, log_marginals, reach, log_peak):
        self._population = population
        self._log_ratio = population.log_density[:, :, None] - log_marginals
        self._sigmas = np.flatnonzero(population.weights.sum(axis=0) > 1e-15)
        self.low, self.high = reach[0].min(), reach[1].max()
        self._tabulate(log_peak)

    def __call__(self, x, group):
        """Log density of one group at x, (n,)."""
        return self._interpolate(self._table, x, group)

    def coarse_ratio(self, x, group):
        """Log of the same density by the coarser rule over sigma_log, less the log density."""
        return self._interpolate(self._difference, np.clip(x, self.low, self.high), group)

    def _interpolate(self, table, x, group):
        inside = np.clip(x, self.low, self.high)
        position = np.clip(np.searchsorted(self._left, inside, side="right") - 1, 0, len(self._left) - 1)
        left, right = self._left[position], self._right[position]
        local = 2 * (inside - left) / (right - left) - 1
        coefficients = table[position, :, group].T
        value = legendre.legval(local, coefficients, tensor=False)
        outside = x != inside
        if outside.any():
            # Beyond the table, where next to nothing is left, the tail falls on as a straight line.
            slope = legendre.legval(local, legendre.legder(coefficients), tensor=False) * 2 / (right - left)
            slope = np.maximum(np.where(x < inside, slope, -slope), _FALL / (self.high - self.low))
            value = value - np.where(outside, slope * np.abs(x - inside), 0.0)
        return value

    def _tabulate(self, log_peak):
        pending, done = self._first_panels(), []
        largest = -np.inf
        while len(pending):
            shape = (len(pending), len(NODES), -1)
            fine, coarse = (v.reshape(shape) for v in self._evaluate(_nodes(pending).ravel()))
            coefficients = np.einsum("dn,png->pdg", TO_LEGENDRE, fine)
            difference = np.einsum("dn,png->pdg", TO_LEGENDRE, coarse - fine)
            # Bound of the mass of each panel: errors count where there is mass.
            log_mass = fine.max(axis=1) + log_peak(pending[:, :1], pending[:, 1:])
            log_mass += np.log(np.diff(pending, axis=1))
            largest = np.maximum(largest, log_mass.max(axis=0))
            error = np.abs(coefficients[:, -2:]).sum(axis=1)
            bad = (error * np.exp(np.minimum(log_mass - largest, 0)) > 1e-8).any(axis=1)
            done += zip(pending[~bad], coefficients[~bad], difference[~bad], strict=True)
            middle = 0.5 * pending[bad].sum(axis=1)
            halves = [(pending[bad, 0], middle), (middle, pending[bad, 1])]
            pending = np.concatenate([np.stack(half, axis=1) for half in halves])
            if len(pending) + len(done) > _MOST_PANELS:
                raise ArithmeticError(
                    "the density of the rates was not resolved, perhaps since a prior is too narrow or "
                    "jumps: give a smooth and wider one, or a number for what is known"
                )
        done.sort(key=lambda panel: panel[0][0])
        ends, self._table, self._difference = (np.array(c) for c in zip(*done, strict=True))
        self._left, self._right = ends.T

    def _first_panels(self):
        """Panels of mu_log itself, continued outwards by panels that double in width."""
        edges, axis = self._population.mu.edges, self._population.mu.axis
        if axis and axis.logarithmic:  # panels close to the lower end are narrower than a rate can tell
            edges = edges[(edges == edges[0]) | (edges > axis.lower + 0.3 * self._population.finest)]
        if len(edges) == 1:
            first = last = max(0.3 * self._population.finest, 1e-14 * abs(edges[0]))
        else:
            first, last = edges[1] - edges[0], edges[-1] - edges[-2]
        doubling = np.cumsum(2.0 ** np.arange(300))
        edges = np.concatenate([edges[0] - first * doubling[::-1], edges, edges[-1] + last * doubling])
        inside = edges[(edges > self.low) & (edges < self.high)]
        edges = np.concatenate([[self.low], inside, [self.high]])
        wide = np.diff(edges) > 1e-9 * np.diff(edges).min(initial=np.inf, where=np.diff(edges) > 0)
        return np.stack([edges[:-1], edges[1:]], axis=1)[wide]

    def _evaluate(self, x):
        """Log density by both rules over sigma_log, (n, j) each."""
        sigma = self._population.sigma
        by_sigma = np.stack([self._given_sigma(s, x) for s in self._sigmas])
        peak = by_sigma.max(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = np.exp(by_sigma - peak)
            fine, coarse = (
                np.log(np.tensordot(weights[self._sigmas], scaled, axes=1)) + peak
                for weights in (sigma.weights, sigma.coarse)
            )
        return fine, coarse

    def _given_sigma(self, s, x):
        """Log of the integral over mu_log at one sigma_log, (n, j)."""
        population = self._population
        sigma = population.sigma.x[s]
        if sigma >= 0.15 * population.widest[s]:
            # The nodes of mu_log are close enough together to resolve Normal(x | mu, sigma).
            matters = population.weights[:, s] > 1e-20
            kernel = -0.5 * ((x[:, None] - population.mu.x[matters]) / sigma) ** 2
            log_mass = self._log_ratio[matters, s] + np.log(population.mu.weights[matters, None])
            return _log_dot(kernel, log_mass) - np.log(sigma) - 0.5 * _LOG_2PI
        return self._given_small_sigma(s, x, sigma)

    def _given_small_sigma(self, s, x, sigma):
        """The same where Normal(x | mu, sigma) is a spike between nodes: interpolate the rest instead."""
        edges, axis = self._population.mu.edges, self._population.mu.axis
        reach, near = _REACH * sigma, np.zeros(len(x), dtype=bool)
        # Of a rule a place asks as much as the narrowest panel within reach.
        touched = (edges[:-1] < x[:, None] + reach) & (edges[1:] > x[:, None] - reach)
        relative = sigma / np.where(touched, np.diff(edges), np.inf).min(axis=1)
        for end in (axis.lower, axis.upper):
            near |= np.abs(x - end) < reach
        rule_of_x = np.where(near, len(_HERMITE_RULES), np.searchsorted(_HERMITE_LIMITS, relative))
        result = np.empty((len(x), self._log_ratio.shape[2]))
        for position in np.unique(rule_of_x):
            some = rule_of_x == position
            result[some] = self._smoothed(s, x[some], sigma, position)
        return result

    def _smoothed(self, s, x, sigma, position):
        """The integral by one rule; the last is cut at the ends of panels, between which all is smooth."""
        edges = self._population.mu.edges
        low, high = edges[[0, -1]]
        if position < len(_HERMITE_RULES):
            nodes, weights = _HERMITE_RULES[position]
            mu = x[:, None] - sigma * nodes
            log_weights = np.where((mu >= low) & (mu <= high), np.log(weights), -np.inf)
        else:
            nodes, weights = _LOCAL_RULE
            start = np.maximum(x - _REACH * sigma, low)
            stop = np.maximum(np.minimum(x + _REACH * sigma, high), start)
            first = np.searchsorted(edges, start, side="right") - 1
            count = (np.searchsorted(edges, stop) - first).max()
            reached = np.minimum(first[:, None] + np.arange(max(count, 1) + 1), len(edges) - 1)
            cuts = np.clip(edges[reached], start[:, None], stop[:, None])
            width = np.diff(cuts, axis=1)[:, :, None]
            mu = (cuts[:, :-1, None] + width * nodes).reshape(len(x), -1)
            with np.errstate(divide="ignore"):
                log_weights = np.log(width / sigma * weights).reshape(mu.shape)
            log_weights -= 0.5 * (((x[:, None] - mu) / sigma) ** 2 + _LOG_2PI)
        values = self._log_ratio_at(s, np.clip(mu, low, high).ravel())
        values = values.reshape(*mu.shape, -1) + log_weights[:, :, None]
        peak = values.max(axis=1)
        shift = np.where(np.isfinite(peak), peak, 0.0)
        with np.errstate(divide="ignore"):
            return np.log(np.exp(values - shift[:, None]).sum(axis=1)) + shift

    def _log_ratio_at(self, s, mu):
        """Interpolated log p(mu, sigma | y) / p(y_i | mu, sigma) per unit of mu, (n, j)."""
        axis, pairs = self._population.mu.axis, self._population.mu.pairs
        values = self._log_ratio[:, s].reshape(len(pairs), len(NODES), -1)
        z = np.clip(axis.to_z(mu), pairs[0, 0], pairs[-1, 1])
        position = np.clip(np.searchsorted(pairs[:, 0], z, side="right") - 1, 0, len(pairs) - 1)
        low, high = pairs[position].T
        basis = legendre.legvander(2 * (z - low) / (high - low) - 1, len(NODES) - 1) @ TO_LEGENDRE
        result = np.empty((len(z), values.shape[2]))
        for p in np.unique(position):
            mine = position == p
            result[mine] = basis[mine] @ values[p]
        return result - axis.log_jacobian(z)[:, None]


def _log_dot(log_a, log_b):
    """Log of exp(log_a) @ exp(log_b), without overflow."""
    row, column = log_a.max(axis=1, keepdims=True), log_b.max(axis=0)
    if log_b.size == 0 or (column - log_b.min(axis=0)).max() < 300:
        return np.log(np.exp(log_a - row) @ np.exp(log_b - column)) + row + column
    # Terms that matter could underflow: groups in extreme conflict are summed one by one.
    return np.stack([special.logsumexp(log_a + b, axis=1) for b in log_b.T], axis=1)


# Tolerance of the integral (first as it was fitted) and largest ratio spanned by a panel of sigma_log.
_LEVELS = ((None, 2.0), (1e-9, 1.0), (1e-11, 0.5))


class _Rates:
    """Laws of lam, lam_new and y_rep, computed when first asked for."""

    def __init__(self, data, priors, grid):
        self._data, self._priors, self._grid = data, priors, grid
        self._grids, self._populations = {0: grid}, {}
        self._latest = None, None
        both_known = isinstance(priors["mu_log"], float) and isinstance(priors["sigma_log"], float)
        self._equal = None
        if both_known and priors["sigma_log"] == _NO_SPREAD:
            self._equal = np.exp(priors["mu_log"])

    @cached_property
    def few(self):
        """The population on a lattice, where that is exact."""
        if self._priors["sigma_log"] == _NO_SPREAD:
            return None
        return lattice(self._data.log_likelihood, self._priors, self._grid)

    def lam(self, groups):
        """Law of the rates of a slice of the groups."""
        if self._equal is not None:
            return _point(self._equal, len(self._data.y[groups]))
        return _Law(lambda: self._moments(groups), lambda: self._curves(groups))

    def _moments(self, groups):
        """Means and sds, (2, j), NaN where they cannot be told."""
        for nodes, tolerance in self._ever_finer():
            with np.errstate(all="ignore"):  # what is not finite is not taken
                found, error = self._summed(groups, nodes)
            if (told := error <= tolerance).all():
                break
        # What hangs on populations of hardly any weight has a grid of its own.
        for place in np.flatnonzero(~told):
            j, found[:, place] = np.arange(len(self._data.y))[groups][place], np.nan
            with suppress(ArithmeticError):
                first, second = (self._moment(j, power) for power in (1, 2))
                if second - first**2 > _CANCELLED * second:
                    found[:, place] = first, np.sqrt(second - first**2)
        return found

    def _moment(self, j, power):
        """E[lam[j]**power]: but for a constant, the evidence of so many more events over that of the data."""
        more = self._data.y.copy()
        more[j] += power
        log_constant = special.gammaln(more[j] + 1) - special.gammaln(self._data.y[j] + 1)
        log_moment = log_constant - power * self._data.log_e[j] - self._grid_of(1).log_evidence
        log_moment += _integrate_population(_Data(more, self._data.log_e), self._priors, 1e-10).log_evidence
        return np.exp(log_moment) if log_moment < LARGEST else np.nan

    def _ever_finer(self):
        """Nodes of the population, and by how much two rules may differ on them."""
        if self.few:
            yield self.few, _HALF
        for level in (0, 1):
            yield self._grid_of(level), _TOLERANCE

    def _summed(self, groups, nodes):
        """Means and sds as sums over the population, (2, j), and by how many sds two rules differ, (j,)."""
        used = np.flatnonzero(nodes.weights > _LIGHT)
        mu, sigma = nodes.points["mu_log"][used], nodes.points["sigma_log"][used]
        mean, variance = self._data.moments(mu, sigma, groups, "rates")
        weights, found = nodes.weights[used], []
        mean -= (centre := mean[weights.argmax()].copy())
        for rule in (weights, nodes.coarse[used]):
            first = rule @ mean
            found.append(np.stack([centre + first, np.sqrt(rule @ (variance + (mean - first) ** 2))]))
        fine, coarse = found
        # Hardly anything may be left at the ends of the nodes.
        edge = nodes.at_edge[used]
        ends = weights[edge] @ (variance[edge] + mean[edge] ** 2) / fine[1] ** 2
        return fine, np.abs((fine - coarse) / fine[1]).max(axis=0) + _BEYOND * ends

    def lam_new(self):
        """Law of the rate of a new group."""
        if self._equal is not None:
            return _point(self._equal)
        moments = lru_cache(self._new_moments)
        return Curve([self._resolve(self._new_curve)], lambda: moments()[0], lambda: moments()[1])

    def y_rep(self, groups):
        """Law of new counts of a slice of the groups, at the same exposures.

        The support is a window that leaves out less than 1e-12 of the probability, so that counts in
        the millions need tens of thousands of entries, not millions.
        """
        log_e = self._data.log_e[groups]
        windows = []
        for j, (log_lam, weights) in enumerate(self._rate_nodes(groups)):
            windows.append(_replicated(log_lam + log_e[j], weights))
        first = np.array([window[0] for window in windows])
        probabilities = np.zeros((max(len(window[1]) for window in windows), len(windows)))
        for j, (_, column) in enumerate(windows):
            probabilities[: len(column), j] = column
        return Counts(probabilities, first)

    def count_nodes(self):
        """About how many numbers the law of one group holds at most."""
        largest = np.max(self._data.y)
        return max(len(self._grid.weights) // 4, int(30 * np.sqrt(largest + 1)))

    def _rate_nodes(self, groups):
        """Log rates and their weights, group by group."""
        if self._equal is not None:
            point = np.log([self._equal]), np.ones(1)
            return [point] * len(self._data.y[groups])
        return [
            (_nodes(pairs).ravel(), _Line(axis, pairs).weights * density.ravel())
            for axis, pairs, density in self._curves(groups)
        ]

    def _population(self, level):
        if level not in self._populations:
            grid = self._grid_of(level)
            self._populations[level] = _Population(self._data, self._priors, grid, _LEVELS[level][1])
        return self._populations[level]

    def _grid_of(self, level):
        if level not in self._grids:
            self._grids[level] = _integrate_population(self._data, self._priors, _LEVELS[level][0])
        return self._grids[level]

    def _resolve(self, build):
        """Build curves on ever finer nodes of the population until they are accurate."""
        if self._jumps:  # densities have cusps at each jump: to resolve them takes minutes, or fails
            raise ArithmeticError(
                "the prior of mu_log jumps and sigma_log may be zero, so that densities of rates have cusps: "
                "give mu_log a prior without jumps, or sigma_log one bounded away from zero"
            )
        for level in range(len(_LEVELS)):
            result, error = build(self._population(level))
            if error <= _TOLERANCE:
                return result
        raise ArithmeticError(
            f"the estimated error {error:.1e} of the rates stays above {_TOLERANCE:g}, perhaps since "
            "a prior is too narrow or too heavy-tailed for these data: give a number for what is known, or "
            "a lighter prior"
        )

    @cached_property
    def _jumps(self):
        """Whether the prior of mu_log jumps inside its support while sigma_log may be next to zero."""
        mu, sigma = self._priors["mu_log"], self._priors["sigma_log"]
        if isinstance(mu, float) or isinstance(sigma, float) or sigma.support()[0] > 0:
            return False
        axis, pairs, _ = self._grid.curve("mu_log")
        low, high = axis.to_x(pairs[[0, -1], [0, 1]])
        return any(low < jump < high for jump in axis.jumps)

    def _curves(self, groups):
        """Curves of the rates of a slice of the groups."""
        key = groups.start, groups.stop
        latest, curves = self._latest  # at once, as another thread may ask for others
        if latest != key:
            curves = None
            with np.errstate(all="ignore"):  # what is not finite is not taken
                for panels in _SIDES if self.few else ():
                    curves = curves or _mixtures(self._data, self.few, groups, panels)
            curves = curves or self._resolve(lambda population: self._group_curves(population, groups))
            self._latest = key, curves
        return curves

    def _group_curves(self, population, groups):
        data, reach = self._data, population.reach(groups)
        y, log_e = data.y[groups], data.log_e[groups]
        with np.errstate(divide="ignore"):
            top = np.log(y) - log_e

        def log_peak(low, high):
            return data.log_rate_likelihood(np.clip(top, low, high), groups)

        predictive = _Predictive(population, population.log_marginals(groups), reach, log_peak)
        mean, sd = self._log_moments(population, groups)
        curves, error = [], 0.0
        for j in range(len(y)):

            def log_density(lam, j=j):
                x = np.log(lam)
                return predictive(x, j) + _log_poisson(y[j], log_e[j] + x) - x

            grid = _integrate_rate(log_density, mean[j], sd[j])
            error = max(error, _rate_error(grid, predictive, j, mean[j], sd[j]))
            curves.append(grid.curve("lam"))
        return curves, error

    def _log_moments(self, population, groups):
        """Mean and sd of x by way of its conditional moments, (j,) each."""
        mu, sigma, weights = population.nodes()
        size = len(self._data.y[groups])
        step = max(1, _SLICE // size)
        total = np.zeros(size), np.zeros(size)
        for start in range(0, len(mu), step):
            some = slice(start, start + step)
            mean, variance = self._data.moments(mu[some], sigma[some], groups, "logs")
            if start == 0:
                # Squares are taken about one of the means, lest they cancel.
                centre = mean[0]
            total[0][:] += weights[some] @ (mean - centre)
            total[1][:] += weights[some] @ (variance + (mean - centre) ** 2)
        return centre + total[0], np.sqrt(total[1] - total[0] ** 2)

    def _new_curve(self, population):
        mu, sigma, weights = population.nodes()
        mean = weights @ mu
        sd = np.sqrt(weights @ ((mu - mean) ** 2 + sigma**2))
        shape = *population.log_density.shape, 1
        predictive = _Predictive(
            population, np.zeros(shape), population.reach(None), lambda low, _: np.zeros_like(low)
        )

        def log_density(lam):
            x = np.log(lam)
            return predictive(x, 0) - x

        grid = _integrate_rate(log_density, mean, sd)
        return grid.curve("lam"), _rate_error(grid, predictive, 0, mean, sd)

    def _new_moments(self):
        """Mean and sd of the rate of a new group, infinite where they do not exist."""
        mu, sigma = self._grid.points["mu_log"], self._grid.points["sigma_log"]
        with np.errstate(over="ignore", invalid="ignore"):
            conditional_mean = np.exp(mu + 0.5 * sigma**2)
            mean = self._grid.expectation(conditional_mean)
            spread = conditional_mean**2 * np.expm1(sigma**2) + (conditional_mean - mean) ** 2
            variance = self._grid.expectation(spread)
        if np.isfinite(mean) and np.isfinite(variance):
            return mean, np.sqrt(variance)
        first, second = self._raw_moment(1), self._raw_moment(2)
        return first, np.sqrt(second - first**2) if np.isfinite(second) else second

    def _raw_moment(self, power):
        """E[lam_new**power], followed into the far tail of sigma_log.

        It contains exp(power**2 sigma_log**2 / 2), which a prior with a Gaussian tail may balance
        exactly: what is left then falls like a power of sigma_log, or does not fall at all.
        """
        prior, priors = self._priors["sigma_log"], dict(self._priors)
        open_ended = not isinstance(prior, float) and prior.support()[1] > _FAR
        slope = self._tail_slope(power) if open_ended else -np.inf
        if slope > -0.05:
            return np.inf
        if open_ended:
            priors["sigma_log"] = _UpTo(prior, _FAR)

        def log_tilted(mu, sigma):
            return self._data.summed(mu, sigma) + power * mu + 0.5 * (power * sigma) ** 2

        tilted = hyperparameter_grid(log_tilted, priors, self._data.hints(), tolerance=1e-6)
        log_moment = tilted.log_evidence - self._grid.log_evidence
        if log_moment > 700:  # it exists, but is no floating-point number
            return np.nan
        moment = np.exp(log_moment)
        if open_ended:
            _, pairs, density = tilted.curve("sigma_log")
            if np.isclose(pairs[-1, 1], np.log(_FAR)):
                moment *= 1 - density[-1, -1] / slope
        return moment

    def _tail_slope(self, power):
        """Power of sigma_log with which the integrand of E[lam_new**power] falls, per unit of its log."""
        sigma = np.array([0.1 * _FAR, _FAR])
        hints = np.concatenate([self._grid.points["mu_log"][[0, -1]], self._data.hints()["mu_log"]])
        mu_prior = self._priors["mu_log"]
        profile = []
        for s in sigma:
            far = power * s**2 / len(self._data.y)
            mu = np.concatenate([hints, [0.5 * far, far]])
            if isinstance(mu_prior, float):
                mu = np.array([mu_prior])
            value = self._data.summed(mu, np.full(len(mu), s)) + power * mu
            if not isinstance(mu_prior, float):
                value = value + mu_prior.logpdf(mu)
            tilt = 0.5 * (power * s) ** 2 + self._priors["sigma_log"].logpdf(s) + np.log(s)
            profile.append(value.max() + tilt)
        return (profile[1] - profile[0]) / np.log(10.0)


# An sd from raw moments takes at least this part of them.
_CANCELLED = 1e-3


class _Law(FromDensity):
    """Laws of rates: moments that need no densities, and curves for all else."""

    lower = 0.0

    def __init__(self, moments, curves):
        self._moments, self._curves = lru_cache(moments), curves

    def mean(self):
        """Means, (J,)."""
        return self._moments()[0]

    def sd(self):
        """Standard deviations, (J,)."""
        return self._moments()[1]

    @cached_property
    def _curve(self):
        return Curve(self._curves(), self.mean, self.sd)


# Beyond this sigma_log, squares of it lose the digits that a power tail is made of.
_FAR = 1e4


class _UpTo:
    """A prior of sigma_log cut off at a far point."""

    def __init__(self, prior, upper):
        self._prior, self._upper = prior, upper
        self.logpdf, self.ppf = prior.logpdf, prior.ppf

    def support(self):
        """Ends of the support."""
        return self._prior.support()[0], self._upper


def _shared_panels(data, mu, sigma, middle, groups, panels):
    """As many panels for each of some groups, (j, P, 2): from far below the mode of its rate to far above.

    Ends reach far enough for the outermost nodes of the population, and the mode is that of its middle.
    """
    y, log_e = data.y[groups], data.log_e[groups]
    outer = np.array([mu.argmin(), mu.argmax(), sigma.argmin(), sigma.argmax(), middle])
    mu, sigma = mu[outer, None], sigma[outer, None]
    mode = _mode(y, log_e, mu, sigma)[0]
    left, right = _ends(sigma, np.minimum(log_e + mode, 690.0), 32.0)
    low, high = (mode - sigma * left).min(axis=0), (mode + sigma * right).max(axis=0)
    inner = np.linspace(0, 1, panels + 1)[:, None]
    edges = np.concatenate([low + (mode[-1] - low) * inner, mode[-1] + (high - mode[-1]) * inner[1:]]).T
    return np.stack([edges[:, :-1], edges[:, 1:]], axis=2)


def _mixtures(data, few, groups, panels):
    """Curves of rates as mixtures over few nodes of the population, or ``None``.

    Many groups take one sweep. The mass given the middle of the population must be that of its own
    integral, distribution functions the same by half the nodes, and densities polynomials on their panels.
    """
    used = few.weights > 1e-10
    mu, sigma = few.points["mu_log"][used], few.points["sigma_log"][used]
    rules = np.stack([few.weights, few.coarse], axis=1)[used]
    middle, y, log_e = rules[:, 0].argmax(), data.y[groups, None], data.log_e[groups, None]
    pairs = _shared_panels(data, mu, sigma, middle, groups, panels)
    half = 0.5 * np.diff(pairs, axis=2)
    x = (pairs.mean(axis=2)[:, :, None] + half * NODES).reshape(len(y), -1)
    weights = (half * KRONROD).reshape(x.shape)
    log_likelihood = _log_poisson(y, log_e + x)
    highest = log_likelihood.max(axis=1, keepdims=True)
    likelihood = np.exp(log_likelihood - highest)
    # The log of Normal(x | mu, sigma) is a product of two matrices.
    far = mu - mu[middle]
    kernel = np.stack(
        [-0.5 / sigma**2, far / sigma**2, -0.5 * (far / sigma) ** 2 - np.log(sigma) - 0.5 * _LOG_2PI]
    )
    density, given = np.empty((*x.shape, 2)), np.empty((len(y), len(mu)))
    step = max(1, SLICE // (x.shape[1] * len(mu)))
    for start in range(0, len(y), step):
        some = slice(start, start + step)
        from_middle = x[some, :, None] - mu[middle]
        terms = np.exp(np.concatenate([from_middle**2, from_middle, np.ones_like(from_middle)], 2) @ kernel)
        terms *= likelihood[some, :, None]
        given[some] = np.einsum("jtq,jt->jq", terms, weights[some])
        density[some] = terms @ (rules / given[some, :, None])
    mass = (density * weights[:, :, None]).reshape(*half.shape[:2], -1, 2).sum(axis=2)
    density = density[:, :, 0].reshape(*half.shape[:2], -1)
    own = data.log_marginals(mu[[middle]], sigma[[middle]], groups)[0]
    # The integral of a Legendre polynomial is at most about one over its degree.
    last = np.abs(density @ TO_LEGENDRE[-2:].T).max(axis=2) * half[:, :, 0] / len(NODES)
    error = _QUANTILE_SHIFT * max(
        np.abs(np.expm1(np.log(given[:, middle]) + highest[:, 0] - own)).max(),
        np.abs(np.cumsum(mass[:, :, 0] - mass[:, :, 1], axis=1)).max(),
        last.max(),
    )
    if not error <= _TOLERANCE:
        return None
    axis = Axis("lam", np.ones(1), lower=0.0)
    return [(axis, *one) for one in zip(pairs, density, strict=True)]


def _integrate_rate(log_density, mean, sd):
    """Grid of one rate, given mean and sd of its log for a start."""
    steps = np.array([-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0])
    hints = np.exp(np.clip(mean + sd * steps, SMALLEST, LARGEST))
    axes = [Axis("lam", hints, lower=0.0)]
    grid = integrate(log_density, axes, tolerance=1e-7)
    # The two rules may agree on a density by chance, and then not on its moments.
    return integrate(log_density, axes, tolerance=1e-9) if np.isnan(grid.sd("lam")) else grid


def _rate_error(grid, predictive, j, mean, sd):
    """Estimated error of a curve, in units of the posterior sd.

    Three comparisons: its mass with one, which it has if all integrals agree; mean and sd of x with
    those found without it; its distribution function with the coarser rule over sigma_log.
    """
    x, weights = np.log(grid.points["lam"]), grid.weights
    found = weights @ x
    found_sd = np.sqrt(weights @ (x - found) ** 2)
    shift = np.cumsum(weights * np.expm1(predictive.coarse_ratio(x, j)))
    return max(
        _QUANTILE_SHIFT * abs(np.expm1(grid.log_evidence)),
        abs(found - mean) / sd,
        abs(found_sd / sd - 1),
        _QUANTILE_SHIFT * np.abs(shift).max(),
    )


def _replicated(log_mean, weights):
    """First count and probabilities of Poisson counts mixed over means in increasing order."""
    cumulative = np.cumsum(weights) / weights.sum()
    lowest = np.exp(log_mean[np.searchsorted(cumulative, 1e-13)])
    highest = np.exp(log_mean[min(np.searchsorted(cumulative, 1 - 1e-13), len(log_mean) - 1)])
    first, last = stats.poisson.ppf(1e-13, lowest), stats.poisson.isf(1e-13, highest)
    counts = listed(max(first, 0.0), last + 1)

    def average(counts):
        return np.exp(_log_poisson(counts[:, None], log_mean)) @ weights

    return counts[0], in_slices(average, len(log_mean), counts)
