"""Exact posterior of the Dirichlet-Multinomial hierarchy.

Given the concentration alpha, the posterior of the baseline pi0 is a product of functions of one
pi0_k each on the simplex. Integrating it is convolving those functions
(`hierarchical_exact.convolution`), so that only alpha and one pi0_k at a time are left: a grid in two
dimensions, on which every share of a region is a mixture of Beta distributions.
"""

import numbers
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy import special, stats

from hierarchical_exact import arguments
from hierarchical_exact.convolution import (
    Factor,
    draw_shares,
    leave_one_out,
    live_range,
    log_binomial,
    log_integrand,
    pair,
)
from hierarchical_exact.joint import Joint
from hierarchical_exact.laws import Counts
from hierarchical_exact.posterior import Marginal, Posterior, hyperparameter
from hierarchical_exact.quadrature import hyperparameter_grid, in_slices
from hierarchical_exact.shares import FURTHEST, Shares, binomial_counts, tabulate

# Estimated error of every mean, sd (in sds) and distribution function, and of the log evidence.
_TOLERANCE = 1e-5
_LEVELS = 3

# Beyond this ratio of the variances of pi0 and of pi given pi0, laws are interpolated linearly in
# 1 / alpha towards the law of pi0 itself. What that neglects is of the order of 1 / ratio squared.
_WIDEST_RATIO = 200.0
# Nodes of less probability are left out.
_NEGLIGIBLE = 1e-12
# Probability allowed where that interpolation would be wrong.
_NEGLECTED = 1e-7
_TINY = 1e-300


def dirichlet_multinomial(counts: ArrayLike, *, alpha: Any, baseline: Any) -> Posterior:
    """Exact posterior of the Dirichlet-Multinomial hierarchy.

    ``counts[r] ~ Multinomial(n[r], pi[r])``, ``pi[r] ~ Dirichlet(alpha * pi0)`` and
    ``pi0 ~ Dirichlet(baseline)``.

    Parameters
    ----------
    counts : (R, K) array or DataArray
        Counts of K categories in R groups; groups without any counts are new groups. A
        DataArray's dims and coords label the results, the first dim being that of the groups;
        plain arrays get the dims ``group`` and ``category``.
    alpha : frozen scipy.stats distribution on x >= 0, or float
        Prior of the concentration; a float is known.
    baseline : frozen scipy.stats.dirichlet, or (K,) array
        Prior of the baseline, or its concentrations.

    Returns
    -------
    Posterior
        Quantities ``alpha``, ``pi0`` (by category), ``pi`` (by group and category), ``pi_new`` (a
        new group) and ``y_rep`` (new counts for the same groups, as many as they had). `elpd_loo`
        has one entry per group: its counts predicted from all the other groups.

    Raises
    ------
    ValueError
        If an argument is not as described.
    ArithmeticError
        If the accuracy is not reached: 1e-5 in every mean, sd (in sds) and distribution function.

    See Also
    --------
    hierarchical_exact.poisson : Counts of events with known exposure.
    hierarchical_exact.marginal : Marginal of a conjugate posterior, such as the Beta of a single share.

    Notes
    -----
    The model of section 5.8.4. Everything is integrated with an estimate of its error and refined
    until that is small enough.

    Examples
    --------
    >>> posterior = dirichlet_multinomial(
    ...     [[12, 3, 5], [8, 8, 4]],
    ...     alpha=stats.expon(scale=5),
    ...     baseline=stats.dirichlet([1, 1, 1]),
    ... )
    >>> posterior["pi"].mean().dims
    ('group', 'category')
    >>> bool(0.45 < posterior["pi"].mean().sel(group=0, category=0) < 12.5 / 21)
    True
    """
    counts = arguments.labelled(counts, "group", "category")
    table = _table(counts)
    labels = _labels(counts, table)
    concentrations = _concentrations(baseline, table.shape[1])
    columns = counts[0] if isinstance(counts, xr.DataArray) else counts
    arguments.same_labels("baseline", arguments.labelled(baseline, "category"), "counts", columns)
    prior = concentration_prior("alpha", alpha)
    solutions = Solutions(table, prior, concentrations)
    alone = labels.isel({labels.dims[0]: 0}, drop=True)
    groups = labels.isel({labels.dims[1]: 0}, drop=True)
    marginals = {
        "alpha": solutions.alpha,
        "pi0": solutions.marginal(Solutions.baseline_law, alone),
        "pi": solutions.marginal(Solutions.share_law, labels),
        "pi_new": solutions.marginal(Solutions.new_law, alone),
        "y_rep": solutions.marginal(Solutions.count_law, labels),
    }
    priors = {"alpha": prior, "pi0": concentrations}
    observed, totals = labels.copy(data=table.astype(int)).rename("counts"), table.sum(axis=1)

    def log_likelihood(draws):
        coefficient = special.gammaln(totals + 1) - special.gammaln(table + 1).sum(axis=1)
        return coefficient + special.xlogy(table, draws["pi"]).sum(axis=2)

    return Posterior(
        marginals,
        solutions.log_evidence,
        lambda: groups.copy(data=solutions.elpd_loo()).rename("elpd_loo"),
        solutions.error,
        joint=Joint(solutions.draw, observed, log_likelihood, groups, priors),
        call=partial(dirichlet_multinomial, counts, alpha=alpha, baseline=baseline),
    )


# -- arguments ----------------------------------------------------------------------------------


def _table(counts):
    """Counts as a float array of shape (R, K)."""
    table = arguments.counts("counts", counts)
    if table.ndim != 2:
        raise ValueError(
            f"counts is an array of shape {table.shape}: give a table with one row per group, [[3, 1, 2]] "
            "for a single one"
        )
    if table.shape[1] < 2:
        raise ValueError(
            f"counts is a table of shape {table.shape}: give at least two categories (columns), the second "
            "one for all the others"
        )
    return table


def _labels(counts, table):
    """Labels of groups and categories."""
    dims, coords = ("group", "category"), {}
    if isinstance(counts, xr.DataArray):
        dims = tuple(map(arguments.free_dim, counts.dims))
        coords = {name: counts.coords[name] for name in dims if name in counts.coords}
    else:
        coords = {dim: np.arange(size) for dim, size in zip(dims, table.shape, strict=True)}
    return xr.DataArray(np.arange(table.size).reshape(table.shape), dims=dims, coords=coords)


def _concentrations(baseline, size):
    """Concentrations of the baseline's prior, (K,)."""
    given = baseline.alpha if isinstance(baseline, type(stats.dirichlet([1, 1]))) else baseline
    if hasattr(given, "logpdf"):
        raise ValueError(
            f"baseline is {baseline!r}: give a frozen stats.dirichlet or an array of its concentrations, "
            f"such as stats.dirichlet(np.ones({size}))"
        )
    values = arguments.positive("baseline", arguments.vector("baseline", given))
    if len(values) != size:
        raise ValueError(
            f"baseline is an array of {len(values)}: give one concentration per category, {size} of them"
        )
    return values


def concentration_prior(name, prior):
    """Frozen prior on x >= 0, or a positive float."""
    if prior is None or (isinstance(prior, numbers.Real) and not 0 < prior < np.inf):
        raise ValueError(
            f"{name} is {prior!r}: give a frozen distribution, such as stats.expon(scale=10), or a positive "
            "finite number (for complete pooling a large one, say 1e8)"
        )
    return arguments.scale_prior(name, prior)


# -- the likelihood of alpha ----------------------------------------------------------------------


def _draw_dirichlet(a, rng):
    """Draw shares from Dirichlet distributions along the last axis, however small the concentrations."""
    # A Gamma variable of shape a is one of shape a + 1 times a power of a uniform one.
    log_gamma = np.log(rng.standard_gamma(a + 1)) - rng.exponential(size=a.shape) / np.maximum(a, _TINY)
    return special.softmax(log_gamma, axis=-1)


class _Likelihood:
    """Likelihood of alpha, with pi and pi0 integrated out.

    With x_k = alpha pi0_k, the counts of a group have probability
    (n / prod y_k) prod x_k / alpha times binomial coefficients C(x_k + y_k - 1, y_k - 1) over
    C(alpha + n - 1, n - 1), the products over the categories with y_k > 0.

    Parameters
    ----------
    table : (R, K) array
    concentrations : (K,) array
    width : float
        Width of the panels on which convolutions are tabulated.
    """

    def __init__(self, table, concentrations, width):
        totals = table.sum(axis=1)
        self._totals = np.unique(totals[totals > 0], return_counts=True)
        positive = table > 0
        self._power = float(positive.sum() - (totals > 0).sum())
        self._constant = (
            np.log(totals[totals > 0]).sum()
            - np.log(table[positive]).sum()
            - special.gammaln(concentrations).sum()
            + special.gammaln(concentrations.sum())
        )
        self.factors = [
            Factor(b + seen.sum(), _log_counts(column[seen]), width)
            for b, column, seen in zip(concentrations, table.T, positive.T, strict=True)
        ]
        self.tree = pair(self.factors)
        self.total, self.others = self.tree[0], leave_one_out(self.tree)

    def __call__(self, alpha):
        """Log likelihood, (n,)."""
        sizes, repeats = self._totals
        groups = log_binomial(alpha[:, None], sizes - 1) @ repeats
        return self._constant + self._power * np.log(alpha) - groups + self.total(alpha)

    @property
    def error(self):
        """Estimated error of the tabulated logs."""
        return max(factor.error for factor in [self.total, *self.factors, *self.others])


def _log_counts(column):
    """Log of the product of the binomial coefficients of one category."""
    values, repeats = np.unique(column, return_counts=True)

    def log_smooth(x):
        return log_binomial(x[:, None], values - 1) @ repeats

    return partial(in_slices, log_smooth, max(1, len(values)))


# -- the posterior --------------------------------------------------------------------------------


@dataclass
class _Baseline:
    """Posterior of one pi0_k on a grid: for each node of alpha, log odds z.

    Attributes
    ----------
    alpha, z : (M,) arrays
        The nodes; alpha is held down where pi0 is much wider than pi given pi0.
    weights : (4, M) array
        Their probabilities; the same by the coarser rule for alpha, with every other z, and with
        alpha held down further.
    rest : (4, A) array
        Probability left at each node of alpha for the law of pi0 itself, likewise.
    rest_weights : (M,) array
        How it is spread over the nodes.
    mean, variance : (A,) arrays
        Of pi0_k given alpha.
    error : float
        By how much the probabilities failed to sum to one (each category splits the integral in
        its own way, so that this checks the convolutions), and the moments change with the step.
    """

    alpha: np.ndarray
    z: np.ndarray
    weights: np.ndarray
    rest: np.ndarray
    rest_weights: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    error: float


class _Solution:
    """The posterior at one level of refinement: halved steps and tighter tolerances at each."""

    def __init__(self, table, prior, concentrations, name, level):
        self._level = level
        self.likelihood = _Likelihood(table, concentrations, 0.5**level)
        self.grid = hyperparameter_grid(
            self.likelihood,
            {name: prior},
            {name: np.array([1.0, 1.0 + table.sum()])},
            tolerance=10.0 ** -(9 + 2 * level),
        )
        self.alpha = hyperparameter(self.grid, name)
        weights = self.grid.weights
        kept = weights > 0.1 * _NEGLIGIBLE * weights.max()
        self._name, self._alpha = name, self.grid.points[name][kept]
        self._weights = np.stack([weights[kept], self.grid.coarse[kept]])
        self._weights /= self._weights.sum(axis=1, keepdims=True)
        self._log_total = self.likelihood.total(self._alpha)
        self._nodes = lru_cache(maxsize=None)(self._find_nodes)
        self._share = lru_cache(maxsize=None)(self._find_share)

    @property
    def error(self):
        """Estimated error of the log evidence and of the moments of alpha."""
        x, moved = self.grid.points[self._name][:, None], 0.0
        # A moment that cannot be told is refused when it is asked for.
        if np.isfinite(self.grid.sd(self._name)):
            rules = np.stack([self.grid.weights, self.grid.coarse])
            moved = _moved(*_moments(rules, x.T, np.zeros_like(x.T)))
        return max(self.likelihood.error, moved)

    # Below, k is a category, and y of n are the counts of a group in it.

    def baseline_moments(self, k):
        """Mean and sd of pi0_k, and their estimated error."""
        nodes = self._nodes(k)
        mean, sd = _moments(self._weights, nodes.mean, nodes.variance)
        return (mean[0], sd[0]), nodes.error + _moved(mean, sd)

    def share_moments(self, k, y, n):
        """Mean and sd of pi_k, and their estimated error."""
        nodes = self._nodes(k)
        total = self._alpha + n
        a, spread = self._alpha * nodes.mean + y, self._alpha**2 * nodes.variance
        within = (a * (total - a) - spread) / (total**2 * (total + 1))
        mean, sd = _moments(self._weights, a / total, within + spread / total**2)
        return (mean[0], sd[0]), nodes.error + _moved(mean, sd)

    def baseline(self, k):
        """Law of pi0_k, and its estimated error."""
        nodes = self._nodes(k)
        z, weights = nodes.z, nodes.weights[0] + nodes.rest_weights

        def densities(z):
            return self._weights @ self._baseline_densities(k, z)

        law, error = tabulate(densities, z, weights, tolerance=0.1 * _TOLERANCE)
        return law, error + nodes.error

    def share(self, k, y, n):
        """Law of pi_k, and its estimated error."""
        return self._share(k, float(y), float(n))

    def _find_share(self, k, y, n):
        nodes = self._nodes(k)
        kept = nodes.weights.max(axis=0) > _NEGLIGIBLE * nodes.weights.max()
        alpha, z, weights = nodes.alpha[kept], nodes.z[kept], nodes.weights[:, kept]
        a = np.maximum(alpha * special.expit(z) + y, _TINY)
        b = np.maximum(alpha * special.expit(-z) + n - y, _TINY)
        beyond = (
            weights[0] @ _beyond(a, b) + nodes.rest_weights @ (nodes.z < -FURTHEST),
            weights[0] @ _beyond(b, a) + nodes.rest_weights @ (nodes.z > FURTHEST),
        )
        mixture = _beta_mixture(a, b, weights)
        held = np.flatnonzero(nodes.rest[0] > 0)

        def densities(z):
            value = mixture(z)
            if len(held):
                value += nodes.rest[:, held] @ self._baseline_densities(k, z, held)
            return value

        centres = special.digamma(a) - special.digamma(b)
        law, error = tabulate(densities, centres, weights[0], beyond, tolerance=0.1 * _TOLERANCE)
        return law, error + nodes.error

    def _log_baseline(self, k, z, rows=slice(None)):
        """Log density of logit pi0_k at z, given one node of alpha of `rows` per row of z."""
        factor, others = self.likelihood.factors[k], self.likelihood.others[k]
        log_total = self._log_total[rows].reshape((-1,) + (1,) * (np.ndim(z) - 1))
        return log_integrand(factor, others, self._alpha[rows], z) - log_total

    def _baseline_densities(self, k, z, rows=slice(None)):
        """Density of logit pi0_k at z (n,) given each of some nodes of alpha, (A, n)."""
        z = np.broadcast_to(z, (len(self._alpha[rows]), len(z)))
        return np.exp(self._log_baseline(k, z, rows))

    def _find_nodes(self, k):
        low, high, rate, held = self._spacing(k)
        rows, z, mass, alternate = self._line(k, np.arange(len(held)), low, high, rate, held)
        total = np.bincount(rows, mass)
        mass /= total[rows]
        every_other = np.where(alternate, mass, 0.0)
        every_other /= np.bincount(rows, every_other)[rows]
        given = [_given_alpha(rows, weights, special.expit(z)) for weights in (mass, every_other)]
        moments = [_moments(self._weights[:1], *one) for one in given]
        share = held / self._alpha
        fine, coarse = (self._weights * share)[:, rows] * mass
        weights = np.stack([fine, coarse, np.where(alternate, 2 * fine, 0.0), fine])
        rest = self._weights[[0, 1, 0, 0]] * (1 - share)
        nodes = _Baseline(
            alpha=held[rows],
            z=z,
            weights=weights,
            rest=rest,
            rest_weights=rest[0, rows] * mass,
            mean=given[0][0],
            variance=given[0][1],
            # A trapezoidal rule's error is about squared where its step is halved.
            error=float(self._weights[0] @ np.abs(total - 1)) + _moved(*np.hstack(moments)) ** 2,
        )
        if np.any(share < 1):
            self._hold_lower(k, nodes, rows, low, high, rate, held)
        return nodes

    def _hold_lower(self, k, nodes, rows, low, high, rate, held):
        """Let the last row of weights hold alpha at half the value: a check of its effect."""
        chosen = np.flatnonzero(held < self._alpha)
        nodes.weights[3, np.isin(rows, chosen)] = 0.0
        lower, z, mass, _ = self._line(k, chosen, low, high, rate, 0.5 * held)
        mass /= np.bincount(lower, mass)[lower]
        share = 0.5 * held / self._alpha
        added = np.zeros((4, len(z)))
        added[3] = (self._weights[0] * share)[lower] * mass
        nodes.rest[3, chosen] = (self._weights[0] * (1 - share))[chosen]
        nodes.weights = np.hstack([nodes.weights, added])
        nodes.alpha = np.concatenate([nodes.alpha, 0.5 * held[lower]])
        nodes.z = np.concatenate([nodes.z, z])
        nodes.rest_weights = np.concatenate([nodes.rest_weights, np.zeros(len(z))])

    def _line(self, k, chosen, low, high, rate, alpha):
        """Nodes of a trapezoidal rule over the log odds of pi0_k, for the chosen nodes of alpha.

        Its variable is t = rate z + 2 sqrt(alpha) arcsin(sqrt(pi0_k)), in which the law of pi_k
        given pi0_k is equally wide everywhere.

        Gives (M,) arrays: positions of nodes of alpha; log odds; probabilities; whether in every other place.
        """
        step = 0.8 / 2**self._level
        rows, z, jacobian, alternate = [], [], [], []
        for row in chosen:
            line = np.linspace(low[row], high[row], 2049)
            t = _stabilised(line, rate[row], alpha[row])
            wanted = np.arange(t[0], t[-1] + step, step)
            found = np.interp(wanted, t, line)
            for _ in range(4):
                excess = _stabilised(found, rate[row], alpha[row]) - wanted
                found = found - excess * _slope(found, rate[row], alpha[row])
            rows.append(np.full(len(found), row))
            z.append(found)
            jacobian.append(step * _slope(found, rate[row], alpha[row]))
            alternate.append(np.arange(len(found)) % 2 == 0)
        rows, z, jacobian = (np.concatenate(part) for part in (rows, z, jacobian))
        mass = jacobian * np.exp(self._log_baseline(k, z, rows))
        return rows, z, mass, np.concatenate(alternate)

    def _spacing(self, k):
        """For each node of alpha: ends of the log odds of pi0_k, rate in t, alpha held down."""
        factor, others = self.likelihood.factors[k], self.likelihood.others[k]
        low, high = live_range(factor, others, self._alpha)
        z = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 257)
        density = np.exp(self._log_baseline(k, z))
        density /= density.sum(axis=1, keepdims=True)
        centre = (density * z).sum(axis=1, keepdims=True)
        variance = (density * (z - centre) ** 2).sum(axis=1)
        # Given pi0_k, logit pi_k has about the variance 1 / (alpha pi0_k (1 - pi0_k)).
        slope = special.expit(z) * special.expit(-z)
        steepest = np.where(density > 1e-9, slope, 0.0).max(axis=1)
        # Where alpha pi0_k is small that law is wide whatever alpha is: leave nothing much there.
        tail = np.minimum(_NEGLECTED / np.maximum(self._weights[0], _NEGLECTED), 0.5)[:, None]
        cumulative = np.cumsum(density, axis=1)
        inside = (cumulative > tail) & (cumulative < 1 - tail)
        edge = np.where(inside, slope, np.inf).min(axis=1)
        edge = np.clip(edge, _TINY, steepest)
        held = np.maximum(_WIDEST_RATIO / (variance * steepest), 100 / edge) * 4**self._level
        rate = np.sqrt(np.maximum(1 / variance, 2.56))
        return low, high, rate, np.minimum(self._alpha, held)


def _stabilised(z, rate, alpha):
    """Variable in which the law of a share given the baseline is equally wide everywhere."""
    return rate * z + 2 * np.sqrt(alpha) * np.arctan(np.exp(np.minimum(0.5 * z, 350.0)))


def _slope(z, rate, alpha):
    """dz/dt of that variable t."""
    return 1 / (rate + np.sqrt(alpha * special.expit(z) * special.expit(-z)))


def _moments(weights, mean, variance):
    """Mean and sd of a mixture, for each row of weights."""
    centre = (weights * mean).sum(axis=1)
    spread = variance + (mean - centre[:, None]) ** 2
    return centre, np.sqrt((weights * spread).sum(axis=1))


def _given_alpha(rows, weights, pi0):
    """Mean and variance of pi0_k at each node of alpha."""
    mean = np.bincount(rows, weights * pi0)
    return mean, np.bincount(rows, weights * (pi0 - mean[rows]) ** 2)


def _moved(mean, sd):
    """Largest difference between the two rules in mean and sd, in sds."""
    if sd[0] == 0:
        return 0.0
    return max(abs(mean[1] - mean[0]), abs(sd[1] - sd[0])) / sd[0]


def _beyond(a, b):
    """Probability that a Beta(a, b) variable is too small for a floating-point number."""
    # It is x^a / (a B(a, b)) for a tiny x.
    log_beta = special.gammaln(a + 1) + special.gammaln(b) - special.gammaln(a + b)
    return np.exp(-FURTHEST * a - log_beta)


def _beta_mixture(a, b, weights):
    """Density of the log odds under mixtures of Beta(a, b), one for each row of weights."""
    powers = np.stack([a, b, -special.betaln(a, b)])

    def densities(z):
        terms = np.column_stack([special.log_expit(z), special.log_expit(-z), np.ones(len(z))])
        return np.exp(terms @ powers) @ weights.T

    return lambda z: in_slices(densities, len(a), z).T


class Solutions:
    """The posterior, refined as far as each quantity needs it; alpha goes by `name` in messages."""

    def __init__(self, table, prior, concentrations, name="alpha"):
        self._table, self._totals = table, table.sum(axis=1)
        self._arguments = prior, concentrations, name
        self._levels = []
        first = self._refine(lambda solution: (solution, solution.error))
        self.log_evidence, self.alpha, self.error = first.grid.log_evidence, first.alpha, first.error
        self._first = first

    def elpd_loo(self):
        """Log density of each group given all the others, (R,)."""
        others = (np.delete(self._table, r, axis=0) for r in range(len(self._table)))
        return np.array(
            [self.log_evidence - Solutions(rest, *self._arguments).log_evidence for rest in others]
        )

    def marginal(self, law, labels, step=1):
        """Marginal by one of the laws below, of every position or those a step apart."""
        positions = step * np.arange(1 if labels is None else labels.size)
        return Marginal(lambda chosen: law(self, positions[chosen]), labels)

    def draw(self, n, rng):
        """Joint draws of everything by name, with a dim of categories, but of alpha, (n,)."""
        alpha = self._first.grid.sample(n, rng)[self._arguments[-1]]
        pi0 = np.exp(draw_shares(self._first.likelihood.tree, alpha, rng))
        a = alpha[:, None] * pi0
        draws = {"alpha": alpha, "pi0": pi0, "pi": _draw_dirichlet(a[:, None] + self._table, rng)}
        new_counts = rng.multinomial(self._totals.astype(int), draws["pi"])
        return draws | {"pi_new": _draw_dirichlet(a, rng), "y_rep": new_counts}

    def _refine(self, compute):
        """First result, over the levels, whose estimated error is small enough."""
        for level in range(_LEVELS):
            if level == len(self._levels):
                self._levels.append(_Solution(self._table, *self._arguments, level))
            result, error = compute(self._levels[level])
            if error <= _TOLERANCE:
                return result
        raise ArithmeticError(
            f"the estimated error {error:.1e} of the posterior stays above {_TOLERANCE:g}, perhaps "
            f"since the prior of {self._arguments[-1]} is too extreme for these counts: give one nearer to "
            "them"
        )

    def baseline_law(self, categories):
        """Law of pi0."""
        return self._shares(_Solution.baseline_moments, _Solution.baseline, [(k,) for k in categories])

    def new_law(self, categories):
        """Law of pi_new."""
        whose = [(k, 0.0, 0.0) for k in categories]
        return self._shares(_Solution.share_moments, _Solution.share, whose)

    def share_law(self, positions):
        """Law of pi, by flattened position."""
        whose = [self._observed(position) for position in positions]
        return self._shares(_Solution.share_moments, _Solution.share, whose)

    def count_law(self, positions):
        """Law of y_rep, by flattened position: counts that are Binomial given pi."""
        columns = [self._replicate(*self._observed(position)) for position in positions]
        first = np.array([start for start, _ in columns])
        probabilities = np.zeros((max(len(column) for _, column in columns), len(columns)))
        for j, (_, column) in enumerate(columns):
            probabilities[: len(column), j] = column
        return Counts(probabilities, first, [self._observed(position)[2] for position in positions])

    def _replicate(self, *whose):
        law = self._refine(lambda solution: solution.share(*whose))
        mean, sd = self._refine(lambda solution: solution.share_moments(*whose))
        return binomial_counts(law, whose[2], mean, sd, tolerance=_TOLERANCE)

    def _observed(self, position):
        """Category, count in it, and all counts of the group."""
        r, k = divmod(int(position), self._table.shape[1])
        return k, self._table[r, k], self._totals[r]

    def _shares(self, moments, law, whose):
        mean, sd = np.transpose(
            [self._refine(lambda solution, one=one: moments(solution, *one)) for one in whose]
        )

        def compute():
            return [self._refine(lambda solution, one=one: law(solution, *one)) for one in whose]

        return Shares(compute, mean, sd)
