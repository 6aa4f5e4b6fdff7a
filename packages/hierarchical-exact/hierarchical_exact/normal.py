"""Exact posteriors of Normal hierarchies: known standard errors, or a common unknown sigma.

Given the scales tau and sigma, everything else is Gaussian: mu and beta are a weighted regression, and
each group's mean is a precision-weighted average (Gelman et al., 2013, *Bayesian Data Analysis*,
section 5.4). The scales are integrated numerically.
"""

from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from hierarchical_exact import accuracy, arguments, joint
from hierarchical_exact.groups import Groups
from hierarchical_exact.joint import Joint
from hierarchical_exact.laws import NormalMixture
from hierarchical_exact.posterior import Marginal, Posterior, hyperparameter
from hierarchical_exact.quadrature import hyperparameter_grid, lattice, ridge_grid

_TOLERANCE_ONE = 1e-6
_TOLERANCE_TWO = 1e-5

# Larger ones would be slow, or would not fit into memory.
_LARGEST = 2_000_000
_LOG_2PI = np.log(2 * np.pi)
_LEAST_COMPLEMENT = 1e-5
# Rules that differ by less, in posterior sds, are one.
_AGREED = 1e-8
# So many groups of one observation each, and most of all, make a ridge.
_RIDGE = 20
# Equal observations let both scales go to zero, unless priors fall there at least as this power of them: then
# no more than 1e-9 of the posterior lies where variances are smaller than numbers can well be.
_SLOWEST, _LEAST = 0.06, 1e-300
# Of the squares of what is left; the others' sigma may then lie where the grid of all does not reach.
_CLOSER = 0.1
# Nodes of less weight do not move the law of a group mean.
_LIGHT = 1e-15
# So much of all, and of its squares, moves nothing that new data are asked.
_UNFELT = 1e-12
# Numbers that are coarser, relative to the scale of the data, may be why digits are missing.
_FEWEST_DIGITS = 1e-7
# A covariate so many sds from zero leaves few digits to what is made of it.
_FAR = 1e6
# Of so few groups an unknown sigma may leave the means without an sd.
_FEW = 4


class _Coefficients:
    """Regression of group means on a design with a Gaussian prior, for many variance vectors at once.

    Coefficients known exactly are moved to an offset; flat ones have zero prior precision. All is reckoned
    from the solution at `variance`, the smallest there can be, so that nothing cancels where some groups
    are known a million times better than others.
    """

    def __init__(self, y, design, mean, sd, variance):
        mean, sd = np.asarray(mean, dtype=float), np.asarray(sd, dtype=float)
        known = sd == 0
        self.known, self.known_values = known, mean[known]
        self.y, self.design = y, design[:, ~known]
        self._prior_root = 1 / sd[~known]
        self._flat = int((self._prior_root == 0).sum())
        # How far the data are from the prior: where they conflict, tau may be as large.
        self.conflict = np.abs(y - design @ mean).max() if np.isfinite(sd).all() else 0.0
        self.offset = design[:, known] @ mean[known]
        self.centre = np.zeros(len(self._prior_root))
        # In extended precision: fitted values far from zero have fewer digits than what is left of y.
        residual = _less(y.astype(np.longdouble), design[:, known], mean[known])
        self.residual = residual.astype(float)
        self._prior_residual = mean[~known]
        for _ in range(2):  # the second time for the digits that the first has lost
            move = self.solve(variance[None])[0][0]
            self.centre = self.centre + move
            residual = _less(residual, self.design, move)
            self.residual = residual.astype(float)
            self._prior_residual = self._prior_residual - move
        self.offset = self.offset + self.design @ self.centre

    def solve(self, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients less their centre, root of their covariance and log likelihood, given variances.

        Parameters
        ----------
        variance : (K, J) array

        Returns
        -------
        mean : (K, p) array
        root : (K, p, p) array
            The covariance is ``root @ root.T``.
        log_likelihood : (K,) array
        """
        weight = 1 / variance
        mean, root, log_determinant = self._regress(weight)
        square = _added(mean, self.design)  # in place: of a million groups each step takes its time
        np.square(np.subtract(self.residual, square, out=square), out=square)
        square *= weight  # summed in pairs, lest a million roundings add up
        prior_left = self._prior_root * (self._prior_residual - mean)
        log_likelihood = -0.5 * (
            (variance.shape[1] - self._flat) * _LOG_2PI
            - np.log(weight, out=weight).sum(axis=1)
            + log_determinant
            - 2 * np.log(self._prior_root[self._prior_root > 0]).sum()
            + square.sum(axis=1)
            + (prior_left**2).sum(axis=1)
        )
        return mean, root, log_likelihood

    def _regress(self, weight):
        """Mean, root of the covariance and log determinant of the precision of the coefficients."""
        p = self.design.shape[1]
        if p == 0:
            return np.zeros((len(weight), 0)), np.zeros((len(weight), 0, 0)), np.zeros(len(weight))
        if p == 1:
            column, prior = self.design[:, 0], self._prior_root[0] ** 2
            precision = weight @ column**2 + prior
            mean = (weight @ (column * self.residual) + prior * self._prior_residual[0]) / precision
            return mean[:, None], precision[:, None, None] ** -0.5, np.log(precision)
        # Rows in order of their size keep Householder's reflections accurate row by row (Higham, 2002).
        scale = np.sqrt(weight)
        rows = np.concatenate(
            [
                scale[:, :, None] * np.column_stack([self.design, self.residual]),
                np.broadcast_to(
                    np.column_stack([np.diag(self._prior_root), self._prior_root * self._prior_residual]),
                    (len(weight), p, p + 1),
                ),
            ],
            axis=1,
        )
        order = np.argsort(-np.abs(rows[:, :, :p]).max(axis=2), axis=1)
        rows = np.take_along_axis(rows, order[:, :, None], axis=1)
        q, r = np.linalg.qr(rows[:, :, :p])
        diagonal = np.abs(np.diagonal(r, axis1=1, axis2=2))
        if np.any(diagonal == 0):
            raise ArithmeticError(
                "the coefficients are not determined: drop a covariate that the others determine, or give "
                "beta a narrower prior"
            )
        root = np.linalg.inv(r)
        right = np.einsum("knp,kn->kp", q, rows[:, :, p])
        return np.einsum("kab,kb->ka", root, right), root, 2 * np.log(diagonal).sum(axis=1)

    def fitted(self, groups, mean, root):
        """What is added to the offset of some groups, and its variance, (K, j)."""
        rows = self.design[groups]
        spread = np.zeros((len(mean), len(rows)))
        for column in range(root.shape[2]):
            spread += _added(root[:, :, column], rows) ** 2
        return _added(mean, rows), spread

    def of(self, y):
        """The same for other groups, whose means are all mu."""
        other = copy(self)
        other.y, other.offset = y, np.full(len(y), self.offset[0])
        other.residual, other.design = y - other.offset, np.ones((len(y), self.design.shape[1]))
        return other

    def coefficient(self, position, mean, root):
        """Mean and variance (K,) of one coefficient, known or not."""
        if self.known[position]:
            value = self.known_values[self.known[:position].sum()]
            return np.full(len(mean), value), np.zeros(len(mean))
        column = int((~self.known[:position]).sum())
        return self.centre[column] + mean[:, column], (root[:, column] ** 2).sum(axis=1)


def _added(coefficients, rows):
    """What coefficients (K, p) add to groups with rows (J, p); NumPy is slow to multiply single columns."""
    return coefficients * rows[:, 0] if rows.shape[1] == 1 else coefficients @ rows.T


def _less(y, design, coefficients):
    """What is left of y; column by column, since two numbers of one size are subtracted without error."""
    for column, coefficient in zip(design.T, coefficients, strict=True):
        y = y - column.astype(y.dtype) * coefficient
    return y


class _Hierarchy:
    """Group means y with variances, given the scales: everything that is Gaussian."""

    def __init__(self, coefficients, grid, noise, solution):
        self.coefficients, self.grid = coefficients, grid
        self._noise = noise
        self._few = len(coefficients.y) <= _FEW
        self._tau2 = grid.points["tau"] ** 2
        self.mean, self.root = solution
        self.use(grid.weights)

    def parts(self, groups, nodes=slice(None)):
        """What the law of the group means is made of, (K, j) each.

        Shrinkage towards the fitted mean, what is left of y there, leverage of the group, total variance.
        """
        noise = self._noise(groups, nodes)
        total = self._tau2[nodes, None] + noise
        fitted, spread = self.coefficients.fitted(groups, self.mean[nodes], self.root[nodes])
        return noise / total, self.coefficients.residual[groups] - fitted, spread / total, total

    def theta(self, groups, nodes=slice(None)):
        """Conditional mean and variance of the group means, (K, j)."""
        shrinkage, left, leverage, total = self.parts(groups, nodes)
        y, fitted = self.coefficients.y[groups], self.coefficients.offset[groups]
        # Reckoned from the nearer end: a precise group from its own y, another from the fitted mean. That is
        # not taken from what is left of y, lest equal groups differ by a rounding.
        weight = self._tau2[nodes, None] / total
        fitted = fitted + _added(self.mean[nodes], self.coefficients.design[groups])
        mean = np.where(shrinkage < 0.5, y - shrinkage * left, fitted + weight * left)
        return mean, total * shrinkage * (weight + shrinkage * leverage)

    def checked(self):
        """Groups on which the error is estimated."""
        return accuracy.checked(self.theta, len(self.coefficients.y), self.grid)

    def use(self, weights):
        """Take these weights for the laws of group means, and of the nodes only those that matter."""
        # A light node may have a large tau, and matter to an sd.
        size = 1 + self._tau2 / np.maximum(self._tau2[weights.argmax()], np.finfo(float).tiny)
        self.nodes = np.flatnonzero((weights * size > _LIGHT * weights.max()) | self._few)
        self._weights = weights[self.nodes]

    def settle(self, error):
        """Of two rules that agree take the one of half the nodes, where there is much to do."""
        if error < _AGREED and len(self.nodes) * len(self.coefficients.y) > _LARGEST:
            self.use(self.grid.coarse)

    def theta_law(self, groups, weights=None):
        """Law of some group means, by other weights if given."""
        expectation = self.grid.expectation if self._few and weights is not self.grid.coarse else None
        weights = self._weights if weights is None else weights[self.nodes]
        coarse = self.grid.coarse[self.nodes]
        return NormalMixture(weights, *self.theta(groups, self.nodes), expectation=expectation, coarse=coarse)

    def theta_new(self, weights):
        """Law of a new group's mean, whose covariates are zero, by some weights of the nodes."""
        mean, variance = self.coefficients.coefficient(0, self.mean, self.root)
        return NormalMixture(weights, mean[:, None], (variance + self._tau2)[:, None])

    def without(self, groups, nodes):
        """Log density (K, j) of a group's y given all the other groups."""
        _, left, leverage, total = self.parts(groups, nodes)
        rest = _complement(leverage)
        return _log_normal(left / rest, total / rest)


def _draw(coefficients, grid, noise, n, rng):
    """Joint draws of the hyperparameters, of the group means and of a new group's mean.

    `noise` takes hyperparameters and gives the variances of the group means' estimates, (n or 1, J).
    """
    scales = grid.sample(n, rng)
    tau = scales["tau"][:, None]
    total = noise(scales) + tau**2
    mean, root, _ = coefficients.solve(total)
    drawn = mean + np.einsum("nab,nb->na", root, rng.standard_normal(mean.shape))
    known = np.zeros_like(root)
    every = [coefficients.coefficient(i, drawn, known)[0] for i in range(len(coefficients.known))]
    fitted = _added(drawn, coefficients.design)
    left = coefficients.residual - fitted
    shrinkage = noise(scales) / total
    near, far = coefficients.y - shrinkage * left, coefficients.offset + fitted + tau**2 / total * left
    theta = np.where(shrinkage < 0.5, near, far)
    theta = theta + tau * np.sqrt(shrinkage) * rng.standard_normal(theta.shape)
    new = every[0] + scales["tau"] * rng.standard_normal(n)
    return scales | {"mu": every[0], "beta": np.stack(every, axis=1)[:, 1:], "theta": theta, "theta_new": new}


def normal(
    y: ArrayLike,
    sigma: ArrayLike,
    *,
    mu: Any,
    tau: Any,
    covariates: ArrayLike | None = None,
    beta: Any = None,
) -> Posterior:
    """Exact posterior of the Normal hierarchy with known standard errors.

    ``y[j] ~ Normal(theta[j], sigma[j])`` and ``theta[j] ~ Normal(mu + covariates[j] @ beta, tau)``.

    Parameters
    ----------
    y : (J,) array or DataArray
        Observed effects; a DataArray's dim and coords label the results.
    sigma : (J,) array or float
        Known standard errors, in the units of y.
    mu : frozen scipy.stats.norm, float or None
        Prior of the population mean; a float is known, ``None`` is flat.
    tau : frozen scipy.stats distribution on x >= 0, float or None
        Prior of the population sd; a float is known (0 is complete pooling), ``None`` is flat.
    covariates : (J,) or (J, p) array, optional
        Group-level predictors.
    beta : frozen scipy.stats.norm, or list of p of them, optional
        Prior of the coefficients; needed with `covariates`.

    Returns
    -------
    Posterior
        Quantities ``mu``, ``tau``, ``theta`` and, with covariates, ``beta``; ``theta_new`` (a new group
        whose covariates are zero) and ``y_rep`` (new data for the same groups).

    Raises
    ------
    ValueError
        If an argument is not as described, or the posterior would be improper.
    ArithmeticError
        If the accuracy, 1e-6 posterior sds, is not reached.

    See Also
    --------
    normal_groups : Several observations per group, with a common unknown sd.
    hierarchical_exact.Posterior : What it returns.

    Notes
    -----
    The model of section 5.8.3, equation (eight-schools-model). Given tau, all the rest is Gaussian ([1]_,
    section 5.4). The example has the data of [2]_.

    References
    ----------
    .. [1] Gelman, A., Carlin, J. B., Stern, H. S., Dunson, D. B., Vehtari, A. and Rubin, D. B. (2013).
       Bayesian Data Analysis, 3rd ed. Chapman and Hall/CRC.
    .. [2] Rubin, D. B. (1981). Estimation in parallel randomized experiments. Journal of Educational
       Statistics 6, 377-401.

    Examples
    --------
    >>> from scipy import stats
    >>> effect, error = [28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18]
    >>> posterior = normal(effect, error, mu=stats.norm(0, 20), tau=stats.halfnorm(scale=10))
    >>> round(posterior["mu"].mean(), 1)
    7.5
    """
    y, sigma, covariates = (arguments.labelled(one) for one in (y, sigma, covariates))
    values = arguments.sized("y", arguments.vector("y", y))
    noise_sd = arguments.vector("sigma", sigma, like=values)
    arguments.sized("sigma", arguments.positive("sigma", noise_sd))
    groups = arguments.same_groups(("y", y), ("sigma", sigma), ("covariates", covariates))
    mean, sd = arguments.normal_prior("mu", mu, flat=True)
    tau = arguments.scale_prior("tau", tau, flat=True)
    design, means, sds, beta_labels = _design(covariates, beta, values, mean, sd)
    _require_proper(len(values), flat_mu=np.isinf(sd), flat_tau=tau is None)
    noise = noise_sd**2

    def fit(kept, tolerance):
        coefficients = _Coefficients(values[kept], design[kept], means, sds, noise[kept])
        kept_noise = noise[kept]
        step = max(1, _LARGEST // len(kept_noise))

        def solve(tau):
            # In one place, as of a million groups the memory of each sum takes its time to get.
            total = np.empty((min(step, len(tau)), len(kept_noise)))
            parts = [
                coefficients.solve(np.add(kept_noise, some[:, None] ** 2, out=total[: len(some)]))
                for some in (tau[i : i + step] for i in range(0, len(tau), step))
            ]
            return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

        scales = *np.quantile(noise_sd[kept], [0, 0.5, 1]), coefficients.residual.std(), coefficients.conflict
        hints = {"tau": _positive(*scales)}
        grid = hyperparameter_grid(lambda tau: solve(tau)[2], {"tau": tau}, hints, tolerance=tolerance)
        return coefficients, grid, solve

    def build(tolerance):
        coefficients, grid, solve = fit(slice(None), tolerance)
        solution = solve(grid.points["tau"])[:2]
        hierarchy = _Hierarchy(coefficients, grid, lambda groups, _: noise[None, groups], solution)
        error = accuracy.error(hierarchy.theta_law, hierarchy.checked(), grid)
        hierarchy.settle(error)
        return hierarchy, max(error, accuracy.shift(hierarchy.theta_new, grid))

    try:
        hierarchy, error = accuracy.refine(build, tolerance=_TOLERANCE_ONE, **_cause(values, noise_sd.min()))
    except ArithmeticError as refused:
        spread = design.std(axis=0)
        if not ((spread > 0) & (np.abs(design.mean(axis=0)) > _FAR * spread)).any():
            raise
        raise ArithmeticError(
            f"covariates lie far from zero ({refused}): subtract from each covariate its mean"
        ) from refused
    grid = hierarchy.grid
    names = arguments.labels(groups, len(values))
    marginals = _hyper_marginals(hierarchy, beta_labels)
    marginals["theta"] = Marginal(hierarchy.theta_law, names, nodes=len(hierarchy.nodes))
    marginals["y_rep"] = _replicated(hierarchy, names, lambda groups, _: noise[None, groups])

    def elpd_loo():
        _require_proper(len(values) - 1, flat_mu=np.isinf(sd), flat_tau=tau is None, loo=True)

        evidence_without = _evidence_without(fit, len(values))
        found = accuracy.leave_one_out(grid, hierarchy.without, evidence_without, len(values))
        return names.copy(data=found).rename("elpd_loo")

    def draw(n, rng):
        draws = _draw(hierarchy.coefficients, grid, lambda _: noise[None], n, rng)
        return draws | {"y_rep": rng.normal(draws["theta"], noise_sd)}

    def log_likelihood(draws):
        return _log_normal(values - draws["theta"], noise)

    proper = np.isfinite(sd) and tau is not None
    priors = {"mu": joint.normal(mean, sd), "tau": tau}
    if beta_labels:
        priors["beta"] = joint.normal(means[1:], sds[1:])
    return Posterior(
        marginals,
        grid.log_evidence if proper else None,
        elpd_loo,
        error,
        joint=Joint(draw, names.copy(data=values).rename("y"), log_likelihood, priors=priors),
        groups=Groups(hierarchy, names),
        call=partial(normal, y, sigma, mu=mu, tau=tau, covariates=covariates, beta=beta),
    )


def normal_groups(y: ArrayLike, group: ArrayLike, *, mu: Any, tau: Any, sigma: Any) -> Posterior:
    """Exact posterior of the Normal hierarchy whose groups share one unknown sigma.

    ``y[n] ~ Normal(theta[group[n]], sigma)`` and ``theta[i] ~ Normal(mu, tau)``.

    Parameters
    ----------
    y : (N,) array or DataArray
        Observations.
    group : (N,) array
        Label of the group of each observation; groups are reported in order of first appearance. A
        DataArray with a name gives its name to the group dim.
    mu : frozen scipy.stats.norm, float or None
    tau : frozen scipy.stats distribution on x >= 0, float or None
        Priors, as in `normal`.
    sigma : frozen scipy.stats distribution on x >= 0, or float
        Prior of the sd within groups.

    Returns
    -------
    Posterior
        Quantities ``mu``, ``tau``, ``sigma``, ``theta`` (one per group), ``theta_new``, and ``y_rep``
        (one per observation). `elpd_loo` leaves out one observation at a time.

    Raises
    ------
    ValueError
        If an argument is not as described, or the posterior would be improper.
    ArithmeticError
        If the accuracy, 1e-5 posterior sds, is not reached.

    See Also
    --------
    normal : One estimate per group, with its known standard error.
    normal_sample : One group by itself, or all as one.

    Notes
    -----
    The partial-pooling model of section 5.8.1. Given tau and sigma, all the rest is Gaussian ([1]_,
    section 5.4).

    References
    ----------
    .. [1] Gelman, A., Carlin, J. B., Stern, H. S., Dunson, D. B., Vehtari, A. and Rubin, D. B. (2013).
       Bayesian Data Analysis, 3rd ed. Chapman and Hall/CRC.

    Examples
    --------
    >>> from scipy import stats
    >>> posterior = normal_groups(
    ...     [71, 75, 80, 62, 66], ["a", "a", "a", "b", "b"], mu=stats.norm(50, 25),
    ...     tau=stats.halfnorm(scale=10), sigma=stats.halfnorm(scale=15),
    ... )
    >>> posterior["theta"].mean().sel(group="a") > posterior["theta"].mean().sel(group="b")
    <xarray.DataArray ()> Size: 1B
    array(True)
    """
    y, group = arguments.labelled(y, "observation"), arguments.labelled(group, "observation")
    values = arguments.sized("y", arguments.vector("y", y))
    arguments.same_labels("group", group, "y", y)
    codes, names = _groups(group, values)
    mean, sd = arguments.normal_prior("mu", mu, flat=True)
    tau = arguments.scale_prior("tau", tau, flat=True)
    sigma = arguments.scale_prior("sigma", sigma)
    if sigma == 0.0:
        raise ValueError("sigma is 0: give the positive sd within groups, or its prior")
    size = len(names)
    _require_proper(size, flat_mu=np.isinf(sd), flat_tau=tau is None)

    def fit(kept, tolerance):
        y_kept = values[kept]
        _, code = np.unique(codes[kept], return_inverse=True)
        count = np.bincount(code)
        averages, left = _averages(y_kept, code)
        within = float((left**2).sum())
        freedom = len(y_kept) - len(count)
        known_mu = None if sd else mean
        _require_spread(
            "y" if len(y_kept) == len(values) else "what elpd_loo leaves of y",
            y_kept,
            within,
            freedom,
            known_mu,
            tau,
            sigma,
        )
        # Groups of one size are one group to mu, tau and sigma, but for the spread of their averages.
        sizes, member, repeats = np.unique(count, return_inverse=True, return_counts=True)
        centres, left = _averages(averages, member)
        between = np.bincount(member, weights=left**2)
        coefficients = _Coefficients(centres, np.ones((len(sizes), 1)), [mean], [sd], 1 / (sizes * repeats))

        def variances(tau, sigma):
            return np.maximum(sigma[:, None] ** 2 / sizes + tau[:, None] ** 2, _LEAST)

        def log_likelihood(tau, sigma):
            variance = variances(tau, sigma)
            return coefficients.solve(variance / repeats)[2] - 0.5 * (
                (np.log(variance) + _LOG_2PI) @ (repeats - 1)
                + (between / variance).sum(axis=1)
                + np.log(repeats).sum()
                + freedom * (_LOG_2PI + 2 * np.log(sigma))
                + (repeats * np.log(sizes)).sum()
                + (within / sigma**2 if within else 0.0)
            )

        scale = np.sqrt(within / freedom) if freedom else 0.0
        hints = {
            "tau": _positive(averages.std(), scale, y_kept.std(), coefficients.conflict),
            "sigma": _positive(scale, y_kept.std(), coefficients.conflict),
        }
        priors = {"tau": tau, "sigma": sigma}
        build_grid = ridge_grid if _is_ridge(count, priors, y_kept.std()) else hyperparameter_grid
        grid = build_grid(log_likelihood, priors, hints, tolerance=tolerance)
        all_groups = coefficients.of(averages)

        def on(nodes):
            sigma2 = nodes.points["sigma"] ** 2
            solution = coefficients.solve(variances(nodes.points["tau"], nodes.points["sigma"]) / repeats)
            return _Hierarchy(all_groups, nodes, lambda j, some: sigma2[some, None] / count[j], solution[:2])

        return on, grid, count, lambda: lattice(log_likelihood, priors, grid)

    def build(tolerance):
        on, grid, count, few = fit(slice(None), tolerance)
        hierarchy = of_groups = on(grid)
        checked = hierarchy.checked()
        error = accuracy.error(hierarchy.theta_law, checked, grid)
        if size > max(_FEW, _LARGEST // len(hierarchy.nodes)) and (few := few()):
            # Few nodes may stand for all, where there is much to do; densities too are then told by these.
            both = {id(grid.weights): hierarchy, id(grid.coarse): on(replace(few, coarse=few.weights))}
            apart = accuracy.error(lambda groups, rule: both[id(rule)].theta_law(groups), checked, grid)
            of_groups = both[id(grid.coarse)] if apart < _AGREED else hierarchy
        hierarchy.settle(error)
        narrowest = grid.weights @ grid.points["sigma"] / np.sqrt(count.max())
        rounding = np.spacing(np.abs(values).max()) / narrowest
        error = max(error, accuracy.shift(hierarchy.theta_new, grid), rounding)
        return (hierarchy, of_groups, count), error

    (hierarchy, of_groups, count), error = accuracy.refine(
        build, tolerance=_TOLERANCE_TWO, **_cause(values, values.std())
    )
    grid = hierarchy.grid
    sigma2 = grid.points["sigma"] ** 2
    marginals = _hyper_marginals(hierarchy, None)
    marginals["sigma"] = hyperparameter(grid, "sigma")
    marginals["theta"] = Marginal(of_groups.theta_law, names, nodes=len(of_groups.nodes))
    units = arguments.labels(y, len(values), dim="observation")
    # One law for all observations of a group.
    noise = of_groups.grid.points["sigma"] ** 2
    marginals["y_rep"] = _replicated(of_groups, units, lambda _, nodes: noise[nodes, None], codes)

    def elpd_loo():
        closer = _closer_without(values, codes) & (not isinstance(sigma, float))

        def predictive(units, nodes):
            found = _observation_without(
                hierarchy.parts(codes[units], nodes),
                sigma2[nodes, None],
                count[codes[units]],
                values[units] - hierarchy.coefficients.y[codes[units]],
            )
            return np.where(closer[units], np.nan, found)  # NaN: found afresh

        if tau is None or np.isinf(sd):
            alone = size - int((count == 1).any())
            _require_proper(alone, flat_mu=np.isinf(sd), flat_tau=tau is None, loo=True)
        evidence_without = _evidence_without(fit, len(values))
        found = accuracy.leave_one_out(grid, predictive, evidence_without, len(values))
        return units.copy(data=found).rename("elpd_loo")

    def draw(n, rng):
        draws = _draw(hierarchy.coefficients, grid, lambda d: d["sigma"][:, None] ** 2 / count, n, rng)
        return draws | {"y_rep": rng.normal(draws["theta"][:, codes], draws["sigma"][:, None])}

    def log_likelihood(draws):
        return _log_normal(values - draws["theta"][:, codes], draws["sigma"][:, None] ** 2)

    proper = np.isfinite(sd) and tau is not None
    priors = {"mu": joint.normal(mean, sd), "tau": tau, "sigma": sigma}
    return Posterior(
        marginals,
        grid.log_evidence if proper else None,
        elpd_loo,
        error,
        joint=Joint(draw, units.copy(data=values).rename("y"), log_likelihood, priors=priors),
        groups=Groups(hierarchy, names),
        call=partial(normal_groups, y, group, mu=mu, tau=tau, sigma=sigma),
    )


def normal_sample(y: ArrayLike, *, mu: Any, sigma: Any) -> Posterior:
    """Exact posterior of one Normal sample with unknown mean and sd.

    ``y[n] ~ Normal(mu, sigma)``: one group by itself (no pooling), or all groups as one (complete pooling).

    Parameters
    ----------
    y : (N,) array or DataArray
        Observations.
    mu : frozen scipy.stats.norm, float or None
    sigma : frozen scipy.stats distribution on x >= 0, or float
        Priors, as in `normal_groups`.

    Returns
    -------
    Posterior
        Quantities ``mu``, ``sigma`` and ``y_rep`` (one per observation). `elpd_loo` leaves out one
        observation at a time.

    Raises
    ------
    ValueError, ArithmeticError
        As `normal_groups`.

    See Also
    --------
    normal_groups : Groups whose means come from a common population.
    hierarchical_exact.marginal : Marginal of a conjugate posterior.

    Notes
    -----
    The complete-pooling and no-pooling models of section 5.8.1.

    Examples
    --------
    >>> from scipy import stats
    >>> posterior = normal_sample(
    ...     [71, 75, 80], mu=stats.norm(50, 25), sigma=stats.halfnorm(scale=15)
    ... )
    >>> bool(70 < posterior["mu"].mean() < 76)
    True
    """
    y = arguments.labelled(y, "observation")
    units = arguments.labels(y, len(arguments.vector("y", y)), dim="observation")
    # A name that the dim of y can hardly have: it is in no result.
    whole = normal_groups(y, xr.zeros_like(units).rename("_all"), mu=mu, tau=0.0, sigma=sigma)
    marginals = {name: whole[name] for name in ("mu", "sigma", "y_rep")}
    log_evidence = None if mu is None else whole.log_evidence
    return Posterior(
        marginals,
        log_evidence,
        lambda: whole.elpd_loo,
        whole.error,
        joint=whole.joint,
        call=partial(normal_sample, y, mu=mu, sigma=sigma),
    )


# -- pieces -------------------------------------------------------------------------------------


def _design(covariates, beta, values, mean, sd):
    """Design matrix with an intercept, prior means and sds of its coefficients, labels of beta."""
    intercept = np.ones((len(values), 1))
    if covariates is None:
        if beta is not None:
            raise ValueError("beta is a prior of the coefficients of covariates: give covariates too")
        return intercept, [mean], [sd], None
    columns = arguments.real("covariates", covariates, "numbers")
    scalar = columns.ndim == 1
    columns = columns.reshape(-1, 1) if scalar else columns
    if columns.ndim != 2 or len(columns) != len(values) or not columns.size:
        raise ValueError(
            f"covariates is an array of shape {np.shape(covariates)}: give ({len(values)},) or "
            f"({len(values)}, p)"
        )
    if not np.all(np.isfinite(columns)):
        raise ValueError("covariates is not finite everywhere: give finite numbers, or drop those groups")
    arguments.sized("covariates", columns)
    p = columns.shape[1]
    beta = arguments.of_columns("beta", beta, "covariates", None if scalar else covariates)
    priors = list(beta) if np.ndim(beta) else [beta] * p
    if len(priors) != p:
        raise ValueError(f"beta is a list of {len(priors)}: give one prior per covariate, {p} of them")
    moments = [arguments.normal_prior("beta", prior) for prior in priors]
    means, sds = zip((mean, sd), *moments, strict=True)
    given = covariates[0] if isinstance(covariates, xr.DataArray) and not scalar else None
    labels = None if scalar else arguments.labels(given, p, "covariate")
    return np.hstack([intercept, columns]), list(means), list(sds), (labels, p)


def _require_proper(size, *, flat_mu, flat_tau, loo=False):
    """Refuse improper posteriors: p(y | tau) falls like tau^-(J - 1), or tau^-J with a proper mu."""
    needed = (2 if flat_tau else 0) + (1 if flat_mu else 0)
    if size < needed:
        which = " and ".join(name for name, flat in (("mu", flat_mu), ("tau", flat_tau)) if flat)
        what = "the groups that elpd_loo leaves" if loo else f"{size} groups"
        raise ValueError(
            f"{which}=None is a flat prior, under which {what} have no proper "
            f"posterior: give at least {needed} groups, or a proper prior"
        )


def _require_spread(what, y, within, freedom, mu, tau, sigma):
    """Refuse data without any spread where the priors let sigma, or tau too, go to zero with them."""
    alike = np.ptp(y) == 0 and mu in (None, y[0])
    together = len(y) - (mu is None), [sigma] if tau == 0.0 else [tau, sigma]
    for constant, (power, scales) in ((within == 0 and tau != 0.0, (freedom, [sigma])), (alike, together)):
        if constant and sum(map(_slope_at_zero, scales)) - power < _SLOWEST:
            raise ValueError(
                f"{what} is constant {'everywhere' if alike else 'within every group'}, which makes sigma "
                "zero and the posterior improper, or nearly so: give sigma as a number or a prior bounded "
                "away from zero"
            )


def _closer_without(values, codes):
    """Observations without which their group, or all, spread so much less that sigma may be elsewhere."""
    found = np.zeros(len(values), dtype=bool)
    for group in (codes, np.zeros_like(codes)):
        count = np.bincount(group)[group]
        squares = _averages(values, group)[1] ** 2
        lost = squares * count / np.maximum(count - 1, 1)
        found |= squares.sum() - lost < _CLOSER * squares.sum()
    return found


def _slope_at_zero(prior):
    """Power of a scale of its prior density over the log, near zero; infinite where it is kept from there."""
    if prior is None:
        return 1.0
    if isinstance(prior, float) or prior.support()[0] > 0:
        return np.inf
    with np.errstate(all="ignore"):
        low, high = prior.logpdf(np.array([1e-150, 1e-140]))
    return 1 + (high - low) / np.log(1e10) if low > -np.inf else np.inf


def _cause(y, scale):
    """What to say where y is so far from zero that numbers have too few digits for its scale."""
    largest = np.abs(y).max()
    if np.spacing(largest) < _FEWEST_DIGITS * scale:
        return {}
    return {
        "because": f"as numbers near {largest:.2g} have too few digits to tell apart what is {scale:.2g} "
        "wide",
        "instead": "y and the prior of mu less one number near all of y",
    }


def _averages(values, codes):
    """Averages of groups, and what is left of the values: of equal ones nothing, not even rounding."""
    first = np.empty(codes.max() + 1)
    first[codes[::-1]] = values[::-1]
    left = values - first[codes]
    mean = np.bincount(codes, weights=left) / np.bincount(codes)
    return first + mean, left - mean[codes]


def _groups(group, values):
    """Group codes in order of first appearance, and labels of the groups."""
    codes, names = pd.factorize(arguments.group_labels("group", group, len(values)))
    dim = "group"
    if isinstance(group, xr.DataArray) and group.name:
        dim = arguments.free_dim(str(group.name))
    return codes, xr.DataArray(np.arange(len(names)), dims=dim, coords={dim: names})


def _positive(*values):
    """Usable hints for a scale."""
    kept = [float(value) for value in values if np.isfinite(value) and value > 0]
    return np.array(kept or [1.0])


def _mixture(grid, mean, variance, labels=None):
    """Marginal of a quantity with conditional moments (K,) or (K, m)."""
    mean, variance = mean.reshape(len(mean), -1), variance.reshape(len(variance), -1)

    def law(groups):
        moments = mean[:, groups], variance[:, groups]
        return NormalMixture(grid.weights, *moments, expectation=grid.expectation, coarse=grid.coarse)

    return Marginal(law, labels, nodes=len(grid.weights))


def _require_digits(weights, centre, mean, variance):
    """Refuse a mu that is a small difference of numbers too large to have digits for it."""
    rounding = np.spacing(np.abs(centre))
    lost = rounding > np.maximum(1e-7 * np.sqrt(variance), 100 * np.spacing(np.abs(mean)))
    if weights @ lost > 1e-6:
        raise ArithmeticError(
            f"mu is a difference of numbers near {centre:.2g}, too large to tell its digits, as data and "
            "priors contradict each other: give both in the same units, or a wider prior"
        )


def _require_fitted_digits(hierarchy):
    """Refuse means of groups that are small differences of numbers too large to have digits for them."""
    heaviest = [hierarchy.grid.weights.argmax()]
    design, root = np.abs(hierarchy.coefficients.design), np.abs(hierarchy.root[heaviest[0]])
    largest = (design @ root).max(axis=1, initial=0.0)
    if (np.spacing(largest) > 1e-7 * np.sqrt(hierarchy.theta(slice(None), heaviest)[1][0])).any():
        raise ArithmeticError(
            f"means of groups are differences of numbers near {largest.max():.2g}, too large to tell their "
            "digits: subtract from each covariate its mean, or give beta a narrower prior"
        )


def _hyper_marginals(hierarchy, beta_labels):
    """Marginals of mu, tau, theta_new and beta."""
    grid, coefficients = hierarchy.grid, hierarchy.coefficients
    mean, root = hierarchy.mean, hierarchy.root
    mu = coefficients.coefficient(0, mean, root)
    if not coefficients.known[0]:
        _require_digits(grid.weights, coefficients.centre[0], *mu)
    marginals = {"mu": _mixture(grid, *mu), "tau": hyperparameter(grid, "tau")}
    if beta_labels is not None:
        _require_fitted_digits(hierarchy)
        labels, p = beta_labels
        moments = [coefficients.coefficient(1 + i, mean, root) for i in range(p)]
        means, variances = (np.column_stack(part) for part in zip(*moments, strict=True))
        marginals["beta"] = _mixture(grid, means, variances, labels)
    marginals["theta_new"] = _mixture(grid, mu[0], mu[1] + grid.points["tau"] ** 2)
    return marginals


def _replicated(hierarchy, labels, noise, codes=None):
    """Marginal of new data: a group's mean plus noise. `codes` maps observations to groups."""
    grid = hierarchy.grid
    nodes, expectation = np.arange(len(grid.weights)), getattr(grid, "expectation", None)  # not of a lattice
    if len(nodes) * len(hierarchy.coefficients.y) > _LARGEST:
        # All but what moves neither a distribution function nor a variance.
        share = grid.weights * sum(x**2 / (grid.weights @ x**2) for x in grid.points.values() if x.any())
        order = np.argsort(share)
        nodes, expectation = np.sort(order[np.cumsum(share[order]) > _UNFELT]), None
    weights = grid.weights[nodes]

    def law(groups):
        mean, variance = hierarchy.theta(groups, nodes)
        variance = variance + noise(groups, nodes)
        return NormalMixture(weights, mean, variance, expectation=expectation, coarse=grid.coarse[nodes])

    return Marginal(law, labels, nodes=len(nodes), alike=codes)


def _evidence_without(fit, size):
    """Log evidence of all observations but one, by its position; of none it is 0."""
    if size == 1:
        return lambda _: 0.0
    return lambda left_out: fit(np.delete(np.arange(size), left_out), 1e-11)[1].log_evidence


def _log_normal(deviation, variance):
    """Log Normal density."""
    return -0.5 * (_LOG_2PI + np.log(variance) + deviation**2 / variance)


def _complement(leverage):
    """One less the leverage; NaN where too few digits are left of that, so that it is found afresh."""
    return np.where(leverage < 1 - _LEAST_COMPLEMENT, 1 - leverage, np.nan)


def _observation_without(parts, sigma2, size, from_average):
    """Log density (K, n) of observations given all the others, from the `parts` of their groups."""
    shrinkage, left, leverage, _ = parts
    # Removing one observation from a Gaussian posterior of its group mean undoes one update. What is left
    # is one less the variance of that mean over the noise.
    rest = (1 - 1 / size) + shrinkage / size * _complement(leverage)
    return _log_normal((from_average + shrinkage * left) / rest, sigma2 / rest)


def _is_ridge(count, priors, spread):
    """Whether tau and sigma are known little but for the sum of their squares, and free to trade."""
    singles = count[count == 1].sum()
    known = [prior for prior in priors.values() if isinstance(prior, float)]
    ends = [prior.support() for prior in priors.values() if prior is not None and prior not in known]
    free = not known and all(lower == 0 and upper > 10 * spread for lower, upper in ends)
    return free and singles > max(_RIDGE, 0.5 * len(count))
