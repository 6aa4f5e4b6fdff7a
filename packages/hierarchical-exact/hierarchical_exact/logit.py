"""Exact posteriors of proportions in groups under a Normal population of log odds.

Given mu and tau the groups are independent, and each contributes the integral of a Binomial probability over
its log odds x, by equal steps; mu and tau are integrated in turn.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy import special, stats

from hierarchical_exact import accuracy, arguments
from hierarchical_exact.binomial import check_trials
from hierarchical_exact.joint import Joint
from hierarchical_exact.laws import Counts, FromDensity, LogOdds
from hierarchical_exact.posterior import Marginal, Posterior, hyperparameter
from hierarchical_exact.quadrature import KRONROD, NODES, SLICE, Axis, prior_axis
from hierarchical_exact.shares import averaged_binomial
from hierarchical_exact.student import (
    TAIL_OF_GROUPS,
    Fitted,
    Populations,
    Reweighted,
    integrator,
    log_mixture,
    scores_of,
)

_TOLERANCE, _ROUGH, _INTEGRAL_TOLERANCES = 1e-5, 1e-3, (1e-6, 1e-8, 1e-10)
# Rules that differ by less tell a leave-one-out density to 1e-7.
_AGREEMENT = 1e-5
# The integrand of a group is followed until it has fallen by this many nats. The error of equal steps is
# exp(-2 (pi / step)^2) where it is like a Normal density, exp(-pi^2 / step) where like that of a Gamma's log.
_FALL, _STEP, _STEP_IN_SDS = 27.0, 0.35, 0.6
_MOST_STEPS, _NEWTON, _NEAR, _TO_END = 500, 100, 0.01, 6
# Nodes that all groups share pay up to so many for each, unless a sum is too small for a number.
_SHARED, _UNDERFLOW = 100, 1e-200
# Populations wider than this, and the longest steps then; those narrow to all likelihoods, and their rule.
_WIDE, _LONG, _NARROW = 4.0, 0.08, 0.5
_HERMITE = special.roots_hermitenorm(11)
_HERMITE = _HERMITE[0], _HERMITE[1] / _HERMITE[1].sum()
_LIGHT, _NARROWEST = 1e-11, 1e-5
# How far a population narrower than the panels of mu is followed, in its sds.
_REACH, _PARTS = 9.0, 4
_MOST_TRIALS = 1e6
# Of so many groups each is told by nodes that tell all; of fewer, nodes must tell all but one too.
_MANY = 30


def logit_normal(successes: ArrayLike, trials: ArrayLike, *, mu: Any, tau: Any) -> Posterior:
    """Exact posterior of proportions under a Normal population of log odds.

    ``successes[j] ~ Binomial(trials[j], theta[j])`` and ``logit(theta[j]) ~ Normal(mu, tau)``, the model of
    a logistic regression with an intercept that varies.

    Parameters
    ----------
    successes : (J,) array or DataArray
        Number of successes; a DataArray's dim and coords label the results.
    trials : (J,) array, DataArray or int
        Number of trials; none are a group of which nothing is known but its population.
    mu : frozen scipy.stats.norm
        Prior of the population mean of the log odds.
    tau : frozen scipy.stats distribution on x >= 0, or positive float
        Prior of their sd; a float is known.

    Returns
    -------
    Posterior
        Quantities ``mu`` and ``tau`` (log odds), ``theta`` (the proportion of each group), ``theta_new`` (of
        a new group) and ``y_rep`` (new successes of the same groups, in as many trials).

    Raises
    ------
    ValueError
        If an argument is not as described.
    ArithmeticError
        If the accuracy is not reached: 1e-5 in every mean, sd (in sds) and distribution function.

    See Also
    --------
    hierarchical_exact.beta_binomial : A Beta population of proportions.
    hierarchical_exact.poisson : Counts of rare events, with exposure.

    Notes
    -----
    The integral over a group's log odds has no closed form; the trapezoidal rule converges
    exponentially [1]_.

    References
    ----------
    .. [1] Trefethen, L. N. and Weideman, J. A. C. (2014). The exponentially convergent trapezoidal rule.
       SIAM Review 56, 385-458.

    Examples
    --------
    >>> tumours, rats = [0, 0, 2, 5, 9, 4], [20, 20, 20, 20, 48, 14]
    >>> posterior = logit_normal(tumours, rats, mu=stats.norm(-2, 1), tau=stats.halfnorm(scale=1))
    >>> bool(4 / 14 > posterior["theta"].mean().sel(group=5) > posterior["theta_new"].mean())
    True
    """
    successes, trials, y, n = check_trials(successes, trials)
    if np.any(n > _MOST_TRIALS):
        raise ValueError(f"trials has {n.max():g}: give at most {_MOST_TRIALS:g}, or use normal for log odds")
    mean, sd = arguments.normal_prior("mu", mu)
    if sd == 0:
        raise ValueError(f"mu is {mu!r}: give a Normal prior, such as stats.norm(0, 2); it cannot be known")
    tau = arguments.scale_prior("tau", tau)
    if tau == 0.0:
        raise ValueError("tau is 0: give the positive sd of the population, or its prior")
    priors = {"mu": stats.norm(mean, sd), "tau": tau}

    def fit(kept, tolerance):
        groups = _Groups(y[kept], n[kept])
        logits = special.logit((groups.y + 0.5) / (groups.n + 1))
        noise = np.sqrt((groups.n + 1) / (groups.y + 0.5) / (groups.n - groups.y + 0.5))
        axes = [prior_axis("mu", priors["mu"], logits)]
        if not isinstance(tau, float):
            scales = np.append(np.quantile(noise, [0, 0.5, 1]), logits.std())
            axes.append(prior_axis("tau", tau, scales[scales > 0]))

        grid_of = integrator(groups, axes, priors)
        if len(groups.y) > _MANY:
            return _Fit(groups, grid_of(lambda each: each.sum(axis=1), tolerance), None)
        rough = grid_of(lambda each: each.sum(axis=1), _ROUGH)
        scores = scores_of(groups, rough)
        return _Fit(groups, grid_of(lambda each: log_mixture(each, scores), tolerance), scores)

    def build(tolerance):
        fitted = fit(slice(None), tolerance)
        return fitted, fitted.error()

    fitted, error = accuracy.refine(build, tolerance=_TOLERANCE, integral_tolerances=_INTEGRAL_TOLERANCES)
    grid = fitted.grid
    names = arguments.labels(successes if isinstance(successes, xr.DataArray) else trials, len(y))
    marginals = {name: hyperparameter(grid, name) for name in priors}
    marginals["theta"] = Marginal(lambda groups: _Proportions(fitted, groups), names)
    new = _Proportions(fitted, None)
    marginals["theta_new"] = Marginal(lambda _: new)
    marginals["y_rep"] = Marginal(fitted.replicated, names)

    def elpd_loo():
        def evidence_without(left_out):
            kept = np.delete(np.arange(len(y)), left_out)
            return fit(kept, _INTEGRAL_TOLERANCES[-1]).grid.log_evidence if len(kept) else 0.0

        def log_predictive(units, nodes):
            return fitted.log_each[np.ix_(nodes, np.arange(len(y))[units])]

        found = accuracy.leave_one_out(grid, log_predictive, evidence_without, len(y), agreement=_AGREEMENT)
        return names.copy(data=found).rename("elpd_loo")

    def draw(size, rng):
        draws = grid.sample(size, rng)
        draws["theta"] = special.expit(fitted.groups.draw(draws["mu"], draws["tau"], rng))
        draws["theta_new"] = special.expit(rng.normal(draws["mu"], draws["tau"]))
        return draws | {"y_rep": rng.binomial(n.astype(int), draws["theta"])}

    def log_likelihood(draws):
        return stats.binom.logpmf(y, n, draws["theta"])

    return Posterior(
        marginals,
        grid.log_evidence,
        elpd_loo,
        error,
        joint=Joint(draw, names.copy(data=y.astype(int)).rename("successes"), log_likelihood, priors=priors),
        call=partial(logit_normal, successes, trials, mu=mu, tau=tau),
    )


@dataclass(frozen=True)
class _Groups:
    """Integrals over the groups' log odds given mu and tau. Groups with the same counts are one to them."""

    y: np.ndarray
    n: np.ndarray

    def moments(self, mu, tau, order):
        """Log probability of each group, its error if moments are asked for, and those of its proportion."""
        distinct, place = np.unique(np.stack([self.y, self.n]), axis=1, return_inverse=True)
        y, n = distinct
        found = np.empty((2 + order, len(mu), len(y)))
        # No population can be told from a narrower one than this.
        tau = np.maximum(tau, _NARROWEST / np.sqrt(self.n.max() + 1))
        # Those with a similar tau need similar nodes.
        by_scale = np.argsort(tau, kind="stable")
        parts = np.split(by_scale, np.flatnonzero(np.diff(np.floor(0.5 * np.log2(tau[by_scale])))) + 1)
        for part in parts:
            some = mu[part], tau[part]
            given = _narrow(y, n, *some, order)
            given = _shared(y, n, *some, order) if given is None else given
            found[:, part] = self._one_by_one(y, n, *some, order) if given is None else given
        found[0] += special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1)
        return found[:, :, place.ravel()]

    def _one_by_one(self, y, n, mu, tau, order):
        """As `moments`, with nodes of its own for each integral."""
        found = np.empty((2 + order, len(mu), len(y)))
        for some, x, weight, log_peak in self._nodes(y, n, mu, tau):
            total = weight.sum(axis=2)
            # Half the nodes make the root of the error that all make, and at the ends nothing may be left.
            half = 2 * weight[..., ::2].sum(axis=2)
            found[0, some] = log_peak + np.log(total)
            found[1, some] = (half / total - 1) ** 2 + (weight[..., 0] + weight[..., -1]) / total
            theta = special.expit(x)
            for k in range(1, order + 1):
                weight = weight * theta
                found[1 + k, some] = weight.sum(axis=2) / total
        return found

    def draw(self, mu, tau, rng):
        """Log odds of the groups given mu and tau, (K, J).

        All steps are shifted by one random part of a step: whatever it is, they have the same sum.
        """
        found = np.empty((len(mu), len(self.y)))
        for some, x, weight, _ in self._nodes(self.y, self.n, mu, tau, rng):
            with np.errstate(divide="ignore"):
                chosen = (np.log(weight) + rng.gumbel(size=x.shape)).argmax(axis=2)
            found[some] = np.take_along_axis(x, chosen[..., None], axis=2)[..., 0]
        return found

    def _nodes(self, y, n, mu, tau, rng=None):
        """Give for parts of mu and tau nodes and weights (k, J, m), relative to a peak, and its log."""
        # Those with a similar tau need similar nodes.
        by_scale = np.argsort(tau, kind="stable")
        size = max(1, SLICE // (64 * len(y)))
        for start in range(0, len(mu), size):
            part = by_scale[start : start + size]
            centre, spread = mu[part, None], tau[part, None]
            mode, width = _mode(y, n, centre, spread)
            peak = _log_chance(y, n, mode) - 0.5 * ((mode - centre) / spread) ** 2
            left, right = (_end(y, n, centre, spread, mode, peak, side) for side in (-1, 1))
            shortest = np.minimum(_STEP, _STEP_IN_SDS * width)
            steps = ((left + right) / shortest).max(axis=1)
            wide = steps > _MOST_STEPS
            # Where all failed, or none, a wide population leaves a plateau that ends within a unit.
            slow = ((np.arcsinh(mode + right) - np.arcsinh(mode - left)) * _bent(n) / shortest).max(axis=1)
            for rows in np.flatnonzero(wide), np.flatnonzero(~wide):
                count = 2 * np.ceil(np.where(wide, slow, steps)[rows] / 2).astype(int)
                inner = max(1, SLICE // (len(y) * count.max(initial=1)))
                for first in range(0, len(rows), inner):
                    some = rows[first : first + inner]
                    places = np.arange(count[first : first + inner].max() + 1)
                    shift = 0.0 if rng is None else rng.uniform(-0.5, 0.5, (len(some), len(y), 1))
                    placed = _growing if wide[some[0]] else _even
                    ends = (array[some, :, None] for array in (mode, left, right))
                    x, distance, step = placed(*ends, places[-1], places + shift)
                    far = (mode - centre)[some, :, None] + distance
                    log_density = _log_chance(y[:, None], n[:, None], x) - peak[some, :, None]
                    log_density -= 0.5 * (far / spread[some, :, None]) ** 2
                    log_peak = peak[some] - np.log(spread[some]) - 0.5 * np.log(2 * np.pi)
                    yield part[some], x, step * np.exp(log_density), log_peak


def _even(mode, left, right, count, places):
    """Nodes in equal steps, their distances from the mode, which may be too small to be seen, and weights."""
    step = (left + right) / count
    distance = step * places - left
    return mode + distance, distance, step


def _growing(mode, left, right, count, places):
    """As `_even`, in equal steps of arsinh(x)."""
    low, high = np.arcsinh(mode - left), np.arcsinh(mode + right)
    step = (high - low) / count
    z = low + step * places
    return np.sinh(z), np.sinh(z) - mode, step * np.cosh(z)


def _bent(n):
    """How many times as far from zero as one unit the likelihoods of so many trials may bend."""
    return np.log(np.exp(4) * (n.max() + 1))


def _narrow(y, n, mu, tau, order):
    """As `_Groups.moments` by Hermite's rule, or ``None`` unless narrow to all likelihoods."""
    slope = np.abs(y - n * special.expit(mu[:, None])).max(axis=1)
    if (tau * np.maximum(slope, np.sqrt(max(n.max(), 1)))).max() > _NARROW:
        return None
    found = np.zeros((2 + order, len(mu), len(y)))
    for start in range(0, len(mu), size := max(1, SLICE // (len(_HERMITE[0]) * len(y)))):
        some = slice(start, start + size)
        x = (mu[some, None] + tau[some, None] * _HERMITE[0])[:, None]
        log_chance = _log_chance(y[:, None], n[:, None], x)
        top = log_chance.max(axis=2)
        weight = np.exp(log_chance - top[..., None]) * _HERMITE[1]
        total, theta = weight.sum(axis=2), special.expit(x)
        found[0, some] = np.log(total) + top
        for k in range(1, order + 1):
            found[1 + k, some] = (weight * theta**k).sum(axis=2) / total
    return found


def _shared(y, n, mu, tau, order):
    """As `_Groups.moments`, with the same nodes for all, or ``None`` where that is too many."""
    corners = np.array(
        [[centre, spread] for centre in (mu.min(), mu.max()) for spread in (tau.min(), tau.max())]
    )
    centre, spread = corners[:, :1], corners[:, 1:]
    mode, width = _mode(y, n, centre, spread)
    peak = _log_chance(y, n, mode) - 0.5 * ((mode - centre) / spread) ** 2
    left, right = (_end(y, n, centre, spread, mode, peak, side) for side in (-1, 1))
    low, high = (mode - left).min(), (mode + right).max()
    longest = min(_STEP, _STEP_IN_SDS * width.min())
    wide = tau.min() > _WIDE
    if wide:  # in equal steps of arsinh(x): as short where the likelihoods bend, longer where they do not
        low, high = np.arcsinh([low, high])
        longest = min(longest / _bent(n), _LONG)
    steps = 2 * np.ceil((high - low) / longest / 2)
    if not steps < _SHARED * len(y):
        return None
    x, step = np.linspace(low, high, int(steps) + 1, retstep=True)
    if wide:
        x, step = np.sinh(x), step * np.cosh(x)
    log_chance = _log_chance(y[:, None], n[:, None], x)
    top = log_chance.max(axis=1)
    chance, theta = np.exp(log_chance - top[:, None]), special.expit(x)
    found = np.empty((2 + order, len(mu), len(y)))
    size = max(1, SLICE // len(x))
    for some in (slice(start, start + size) for start in range(0, len(mu), size)):
        kernel = step * np.exp(-0.5 * ((x - mu[some, None]) / tau[some, None]) ** 2)
        total = kernel @ chance.T
        if not (total > _UNDERFLOW).all():
            return None
        found[0, some] = np.log(total / np.sqrt(2 * np.pi) / tau[some, None]) + top
        if order:
            half = 2 * (kernel[:, ::2] @ chance[:, ::2].T)
            ends = kernel[:, [0, -1]] @ chance[:, [0, -1]].T
            found[1, some] = (half / total - 1) ** 2 + ends / total
        for k in range(1, order + 1):
            found[1 + k, some] = kernel @ (chance * theta**k).T / total
    return found


def _log_chance(y, n, x):
    """Log of the Binomial probability given log odds x, but for the number of ways."""
    return y * x - n * (np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))


def _mode(y, n, centre, spread):
    """Mode of the integrand, near enough, and the sd that its curvature there gives."""
    pull = spread**2 * (y - n * special.expit(centre))
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(n > 0, special.logit(y / n), centre)
    # Where all failed or none, a wide population does not go on for ever.
    bound = 1 + np.log1p(n * spread**2)
    own = np.clip(own, np.minimum(centre, 0.0) - bound, np.maximum(centre, 0.0) + bound)
    # It lies between the population's mean and what either alone would say.
    far = np.where(
        pull > 0, np.minimum(centre + pull, np.maximum(own, centre)), np.maximum(centre + pull, own)
    )
    low, high = np.minimum(centre, far), np.maximum(centre, far)
    x = np.clip(centre + np.clip(pull, -1, 1), low, high)
    before = np.inf
    for _ in range(_NEWTON):
        theta, rest = special.expit(x), special.expit(-x)
        slope = y * rest - (n - y) * theta - (x - centre) / spread**2
        low, high = np.where(slope > 0, x, low), np.where(slope > 0, high, x)
        bend = n * theta * rest
        precision = bend + spread**-2.0
        # Near the mode; and where a wide population leaves it flat, where both pulls are the same.
        if (np.abs(slope) < _NEAR * np.minimum(np.sqrt(precision), np.maximum(1 / spread, bend))).all():
            break
        x = x + slope / precision
        # Newton's steps may alternate between two flat ends.
        good = (low <= x) & (x <= high) & (np.abs(slope) < 0.5 * before)
        x, before = np.where(good, x, 0.5 * (low + high)), np.abs(slope)
    return x, 1 / np.sqrt(precision)


def _end(y, n, centre, spread, mode, peak, side):
    """How far from the mode the integrand has fallen by `_FALL` nats, by Newton's steps from beyond."""
    # There the integrand falls at least like the population; or, once a chance has halved, like its power.
    with np.errstate(divide="ignore"):
        distance = np.logaddexp(np.log(2), -side * mode) + 2 * _FALL / (n * special.expit(-side * mode))
    distance = np.minimum(distance, spread * np.sqrt(2 * _FALL))
    for _ in range(_TO_END):
        x, from_centre = mode + side * distance, mode - centre + side * distance
        left = peak - _FALL - _log_chance(y, n, x) + 0.5 * (from_centre / spread) ** 2
        slope = side * (y - n * special.expit(x) - from_centre / spread**2)
        distance = distance + np.where(left > 0, left / slope, 0.0)
    return distance


class _NormalPopulations(Populations):
    """The population's density of log odds, averaged over mu and tau with any weights."""

    def __init__(self, grid):
        super().__init__(grid, 1.0)
        self._reach = np.diff(self._pairs)[:, 0]
        self._constant = 1 / np.sqrt(2 * np.pi)

    def _kernel(self, z):
        return np.exp(-0.5 * z**2)

    def _pieces(self, low, high):
        ends = np.linspace(*np.clip([low, high], -_REACH, _REACH), _PARTS + 1)
        for left, right in pairwise(ends):
            v = 0.5 * (left + right) + 0.5 * (right - left) * NODES[:, None]
            yield v, 0.5 * (right - left) * KRONROD[:, None] * np.exp(-0.5 * v**2)


class _Fit(Fitted):
    """Groups of which successes are counted."""

    remedy = "a prior of tau with less mass near zero"

    def __init__(self, groups, grid, scores):
        mu, tau = grid.points["mu"], grid.points["tau"]
        self.log_each, inner, self._first, self._second = groups.moments(mu, tau, 2)
        super().__init__(groups, grid if scores is None else Reweighted(grid, self.log_each, scores), inner)
        self._populations = _NormalPopulations(self.grid)

    @cached_property
    def new(self):
        """Mean and sd of a new group's proportion, (1,) each: that of a group of which nothing is known."""
        nothing = _Groups(np.zeros(1), np.zeros(1))
        _, _, first, second = nothing.moments(self.grid.points["mu"], self.grid.points["tau"], 2)
        mean = self.grid.weights @ first
        return mean, np.sqrt(np.maximum(self.grid.weights @ second - mean**2, 0.0))

    def _moments(self, weights):
        mean = weights @ self._first
        return mean, np.sqrt(np.maximum(weights @ self._second - mean**2, 0.0))

    def _density(self, group):
        if group is None:
            y = n = 0.0
            factor, ways = np.zeros(len(self.grid.weights)), 0.0
            middle, width = (self.grid.weights @ self.grid.points[name] for name in ("mu", "tau"))
        else:
            y, n, factor = self.groups.y[group], self.groups.n[group], -self.log_each[:, group]
            ways = special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1)
            mean, sd = self.mean[group], self.sd[group]
            middle, width = special.logit(mean), sd / (mean * (1 - mean))
        without = self._populations.weighed(factor)

        def log_density(x):
            with np.errstate(divide="ignore"):
                return _log_chance(y, n, x) + ways + np.log(without(x))

        # Over the log odds themselves: those beyond 36 are all one proportion in floating-point numbers.
        return log_density, Axis("x", middle + width * np.array([-2.0, 0.0, 2.0]))

    def replicated(self, groups):
        """Law of new successes of a slice of the groups."""
        chosen = np.arange(len(self.mean))[groups]
        found = np.zeros((int(self.groups.n[chosen].max()) + 1, len(chosen)))
        for column, group in enumerate(chosen):
            grid, size = self.table(group), int(self.groups.n[group])
            chances = averaged_binomial(grid.points["x"], grid.weights[None], np.arange(size + 1), size)
            found[: size + 1, column] = chances[0]
        return Counts(found, 0, self.groups.n[chosen])


class _Proportions(FromDensity):
    """Laws of some groups' proportions, or of a new one's (``None``)."""

    lower, upper, tail = 0.0, 1.0, TAIL_OF_GROUPS

    def __init__(self, fitted, groups):
        self._fitted = fitted
        self._groups = [None] if groups is None else np.arange(len(fitted.mean))[groups]

    def mean(self):
        """Means, (J,)."""
        return self._fitted.new[0] if self._groups[0] is None else self._fitted.mean[self._groups]

    def sd(self):
        """Standard deviations, (J,)."""
        return self._fitted.new[1] if self._groups[0] is None else self._fitted.sd[self._groups]

    def _tabulate(self, j, hints):
        _, intervals, density = self._fitted.table(self._groups[j]).curve("x")
        return LogOdds("theta", hints, 0.0, 1.0), intervals, density
