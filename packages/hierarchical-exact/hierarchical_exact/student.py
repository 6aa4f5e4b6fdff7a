"""Exact posteriors of effects with known standard errors under a Student-t population: some may be odd.

A Student-t variable is a Normal one whose precision varies as a Gamma variable. Given mu, tau and a group's
own precision, all is Gaussian; mu, tau and the precisions, group by group, are integrated numerically.
"""

import numbers
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike
from scipy import special, stats

from hierarchical_exact import accuracy, arguments
from hierarchical_exact.joint import Joint
from hierarchical_exact.laws import FromDensity, require_digits
from hierarchical_exact.posterior import Marginal, Posterior, hyperparameter
from hierarchical_exact.quadrature import (
    KRONROD,
    NODES,
    SLICE,
    TO_LEGENDRE,
    Axis,
    Grid,
    in_slices,
    integrate,
    prior_axis,
)

# Probabilities of groups nearer to 0 and 1, and of a new group whose tails are heavy, have no quantile to the
# stated accuracy.
TAIL_OF_GROUPS, _TAIL_OF_NEW = 1e-4, 1e-3
_TOLERANCE = 1e-5
_ROUGH, _INTEGRAL_TOLERANCES = 1e-3, (1e-6, 1e-8, 1e-10)
# Rules that differ by less tell a leave-one-out density to 1e-7.
_AGREEMENT = 1e-5
# What is left out of an integral over one group, as a log, and the step of its trapezoidal rule: it is
# analytic for half pi on both sides, so that the error is exp(-pi^2 / step), or less than the Normal's.
_NEGLIGIBLE, _STEP, _STEP_IN_SDS = 24.0, 0.35, 0.55
_LEAST = -300.0
# Nodes of less weight do not move a law.
_LIGHT = 1e-11
# A panel of mu has nodes enough for a population as wide as this part of it, or as far from it.
_RESOLVED, _NEAR = 0.5, 0.25
# How well the two rules must agree on a density, and how near to one its integral must be.
_TABULATED, _MISSING = 1e-7, 5e-7


def student_t(y: ArrayLike, sigma: ArrayLike, *, mu: Any, tau: Any, nu: float) -> Posterior:
    """Exact posterior of effects with known standard errors under a Student-t population.

    ``y[j] ~ Normal(theta[j], sigma[j])`` and ``theta[j] ~ StudentT(nu, mu, tau)``: as `normal`, but with
    groups that may lie far from all others, which are then pulled less, and move mu and tau less.

    Parameters
    ----------
    y : (J,) array or DataArray
        Observed effects; a DataArray's dim and coords label the results.
    sigma : (J,) array or float
        Known standard errors, in the units of y.
    mu : frozen scipy.stats.norm
        Prior of the population's centre.
    tau : frozen scipy.stats distribution on x >= 0, or positive float
        Prior of the population's scale; a float is known. The population's sd is larger by the root of
        ``nu / (nu - 2)``.
    nu : float
        Degrees of freedom, known and at least 1: the fewer, the odder groups may be.

    Returns
    -------
    Posterior
        Quantities ``mu``, ``tau``, ``theta``, ``theta_new`` (a new group, whose sd is infinite if nu is not
        above 2) and ``y_rep`` (new data for the same groups).

    Raises
    ------
    ValueError
        If an argument is not as described.
    ArithmeticError
        If the accuracy, 1e-5 posterior sds, is not reached.

    See Also
    --------
    hierarchical_exact.normal : A Normal population, the limit of large nu; also with covariates.

    Notes
    -----
    The mixture of [1]_: a Student-t variable is Normal given a Gamma one. The integrals over the latter are
    taken by the trapezoidal rule over its log [2]_.

    References
    ----------
    .. [1] West, M. (1984). Outlier models and prior distributions in Bayesian linear regression. Journal of
       the Royal Statistical Society B 46, 431-439.
    .. [2] Trefethen, L. N. and Weideman, J. A. C. (2014). The exponentially convergent trapezoidal rule.
       SIAM Review 56, 385-458.

    Examples
    --------
    >>> priors = {"mu": stats.norm(0, 20), "tau": stats.halfnorm(scale=10)}
    >>> posterior = student_t([2, 3, 1, 2, 40], [3, 3, 3, 3, 3], nu=4, **priors)
    >>> bool(posterior["theta"].mean()[4] > 37), posterior["mu"].quantile(0.5) < 5
    (True, True)
    """
    y, sigma = arguments.labelled(y), arguments.labelled(sigma)
    values = arguments.sized("y", arguments.vector("y", y))
    noise = arguments.vector("sigma", sigma, like=values)
    arguments.sized("sigma", arguments.positive("sigma", noise))
    require_digits(values, 0.2 * noise)  # some are lost on the way
    named = arguments.same_groups(("y", y), ("sigma", sigma))
    mean, sd = arguments.normal_prior("mu", mu)
    if sd == 0:
        raise ValueError(f"mu is {mu!r}: give a Normal prior, such as stats.norm(0, 10); it cannot be known")
    tau = arguments.scale_prior("tau", tau)
    if tau == 0.0:
        raise ValueError("tau is 0: give the positive scale of the population, its prior, or use normal")
    if isinstance(nu, bool) or not (isinstance(nu, numbers.Real) and 1 <= nu < np.inf):
        raise ValueError(f"nu is {nu!r}: give a finite number of degrees of freedom, at least 1, such as 4")
    priors = {"mu": stats.norm(mean, sd), "tau": tau}

    def fit(kept, tolerance):
        groups = _Groups(values[kept], noise[kept], float(nu))
        scales = values[kept].std(), *np.quantile(noise[kept], [0, 0.5, 1])
        axes = [prior_axis("mu", priors["mu"], values[kept])]
        if not isinstance(tau, float):
            axes.append(prior_axis("tau", tau, [scale for scale in scales if scale > 0]))

        grid_of = integrator(groups, axes, priors)
        rough = grid_of(lambda each: each.sum(axis=1), _ROUGH)
        scores = scores_of(groups, rough)
        return _Fit(groups, grid_of(lambda each: log_mixture(each, scores), tolerance), scores)

    def build(tolerance):
        fitted = fit(slice(None), tolerance)
        return fitted, fitted.error()

    fitted, error = accuracy.refine(build, tolerance=_TOLERANCE, integral_tolerances=_INTEGRAL_TOLERANCES)
    grid, size = fitted.grid, len(values)
    names = arguments.labels(named, size)
    marginals = {name: hyperparameter(grid, name) for name in priors}
    marginals["theta"] = Marginal(lambda groups: _Means(fitted, groups), names)
    new = _NewMean(fitted)
    marginals["theta_new"] = Marginal(lambda _: new)
    marginals["y_rep"] = Marginal(lambda groups: _Replicated(fitted, groups), names)

    def elpd_loo():
        def evidence_without(left_out):
            kept = np.delete(np.arange(size), left_out)
            return fit(kept, _INTEGRAL_TOLERANCES[-1]).grid.log_evidence if size > 1 else 0.0

        def log_predictive(units, nodes):
            return fitted.log_each[np.ix_(nodes, np.arange(size)[units])]

        found = accuracy.leave_one_out(grid, log_predictive, evidence_without, size, agreement=_AGREEMENT)
        return names.copy(data=found).rename("elpd_loo")

    def draw(n, rng):
        draws = grid.sample(n, rng)
        draws["theta"] = fitted.groups.draw(draws["mu"], draws["tau"], rng)
        draws["theta_new"] = draws["mu"] + draws["tau"] * rng.standard_t(nu, n)
        return draws | {"y_rep": rng.normal(draws["theta"], noise)}

    def log_likelihood(draws):
        return stats.norm.logpdf(values, draws["theta"], noise)

    return Posterior(
        marginals,
        grid.log_evidence,
        elpd_loo,
        error,
        joint=Joint(draw, names.copy(data=values).rename("y"), log_likelihood, priors=priors),
        call=partial(student_t, y, sigma, mu=mu, tau=tau, nu=nu),
    )


@dataclass(frozen=True)
class _Groups:
    """Integrals over the groups' own precisions, which are relative to 1 / tau^2, given mu and tau."""

    y: np.ndarray
    sigma: np.ndarray
    nu: float

    def moments(self, mu, tau, order):
        """Log density of each y, its error, and moments of its group's shrinkage up to `order`, (n, J) each.

        The shrinkage of a group is the weight of mu in its mean.
        """
        found = np.empty((2 + order, len(mu), len(self.y)))
        # Those with a similar tau need similar nodes.
        by_scale = np.argsort(tau, kind="stable")
        step = max(1, SLICE // (64 * len(self.y)))
        for start in range(0, len(mu), step):
            some = by_scale[start : start + step]
            shrinkage, log_weight = self._nodes(mu[some], tau[some])
            # Far from its mean a population with light tails has a density too small for a number.
            top = log_weight.max(axis=2)
            log_weight -= top[..., None]
            weight = np.exp(log_weight, out=log_weight)
            total = weight.sum(axis=2)
            # Half the nodes make the root of the error that all make, and at their end nothing may be left.
            half = 2 * weight[..., ::2].sum(axis=2)
            found[0, some] = top + np.log(total) - np.log(self.sigma) - 0.5 * np.log(2 * np.pi)
            found[1, some] = (half / total - 1) ** 2 + weight[..., 0] / total
            for k in range(1, order + 1):
                weight *= shrinkage
                found[1 + k, some] = weight.sum(axis=2) / total
        return found

    def draw(self, mu, tau, rng):
        """Means of the groups given mu and tau, (n, J)."""

        def drawn(mu, tau):
            shrinkage, log_weight = self._nodes(mu, tau)
            # Nodes as dense as these are drawn from as the density itself would be.
            chosen = (log_weight + rng.gumbel(size=log_weight.shape)).argmax(axis=2)
            chosen = np.take_along_axis(shrinkage, chosen[..., None], axis=2)[..., 0]
            return rng.normal(self.y - chosen * (self.y - mu[:, None]), self.sigma * np.sqrt(1 - chosen))

        return in_slices(drawn, 64 * len(self.y), mu, tau)

    def _nodes(self, mu, tau):
        """Shrinkage and log weight at the nodes, (n, J, m) each."""
        apart = np.abs(self.y - mu[:, None]) / self.sigma
        x = self._log_precisions(apart.max(axis=0), tau.min())
        log_gamma = 0.5 * self.nu * (x - np.exp(x) + np.log(0.5 * self.nu)) - special.gammaln(0.5 * self.nu)
        with np.errstate(over="ignore", under="ignore"):
            ratio = (tau[:, None] / self.sigma) ** 2
            # The variance of y is sigma^2 over the shrinkage.
            shrinkage = 1 / (1 + ratio[..., None] * np.exp(-x))
            log_density = 0.5 * (np.log(shrinkage) - apart[..., None] ** 2 * shrinkage)
        return shrinkage, log_density + log_gamma + np.log(x[1] - x[0])

    def _log_precisions(self, apart, tau):
        """Nodes in equal steps, for y at most so many standard errors from mu, (J,), and this tau or more."""
        # The Gamma density of a log, relative to its top, is exp(nu / 2 (x - exp(x) + 1)).
        fall = 2 * _NEGLIGIBLE / self.nu
        left, right = -(1 + fall) - special.lambertw(-np.exp(-(1 + fall)), [0, -1]).real
        # A group that is odd wants a precision near (tau / distance)^2, if the Gamma density lets it.
        with np.errstate(divide="ignore"):
            wanted = 2 * np.log(min(1, tau / (apart * self.sigma).max()))
        let = -(apart.max() ** 2 / self.nu + fall)
        left = min(left, max(wanted, let, _LEAST) - 2 * _NEGLIGIBLE / (self.nu + 1))
        step = min(_STEP, _STEP_IN_SDS * np.sqrt(2 / self.nu))
        return np.arange(np.floor(left / step), np.ceil(right / step) + 1) * step


def integrator(groups, axes, priors):
    """Return what integrates over mu and tau, told how the log likelihoods (n, J) of groups combine."""
    tau = priors["tau"]

    def grid_of(log_likelihood, tolerance):
        def log_density(mu, *free):
            (scale,) = free or (np.full(len(mu), tau),)
            log_prior = priors["mu"].logpdf(mu) + (tau.logpdf(scale) if free else 0.0)
            return log_prior + log_likelihood(groups.moments(mu, scale, 0)[0])

        grid = integrate(log_density, axes, tolerance=tolerance, priors=priors)
        grid.points.setdefault("tau", np.full(len(grid.weights), tau))
        return grid

    return grid_of


def scores_of(groups, rough):
    """Log evidence of all groups less that of all but each, (J,), from a rough grid."""
    heavy = rough.weights > _LIGHT
    each = groups.moments(rough.points["mu"][heavy], rough.points["tau"][heavy], 0)[0]
    return -special.logsumexp(-each, axis=0, b=rough.weights[heavy, None])


def log_mixture(each, scores):
    """Log of the likelihood (n,) plus those without one group each, divided by their evidence, roughly.

    The law of a group's mean is made of what the others say of mu and tau, which the grid must tell too.
    """
    everyone = each.sum(axis=1)
    with np.errstate(invalid="ignore"):
        without = np.nan_to_num(everyone[:, None] - each + scores, nan=-np.inf)
        return np.logaddexp(everyone, special.logsumexp(without, axis=1))


class Reweighted(Grid):
    """The grid of a mixture with the weights of the likelihood; `each` and `scores` made the mixture."""

    def __init__(self, grid, each, scores):
        self.__dict__ |= grid.__dict__
        with np.errstate(invalid="ignore"):
            log_ratio = each.sum(axis=1) - log_mixture(each, scores)
        # Far from a group's data a Normal-like population has a density too small for a number.
        log_ratio[np.isnan(log_ratio)] = -np.inf
        ratio = np.exp(log_ratio)
        total = grid.weights @ ratio
        self.weights = grid.weights * ratio / total
        self.log_weights = grid.log_weights + log_ratio - np.log(total)
        self.coarse = grid.coarse * ratio / (grid.coarse @ ratio)
        self.gauss = grid.gauss * total / (grid.coarse @ ratio)
        self._density = self._density * ratio.reshape(self._density.shape) / total
        self.log_evidence = grid.log_evidence + float(np.log(total))


class Fitted:
    """The posterior of mu and tau on a grid, and what the laws of the groups are made of.

    A kind of groups gives `_moments`, the mean and sd of each under any weights, and `_density`, the log
    density of one group and its axis.
    """

    remedy = ""

    def __init__(self, groups, grid, inner):
        self.groups, self.grid, self._inner, self._tables = groups, grid, inner, {}
        self.mean, self.sd = self._moments(grid.weights)

    def error(self):
        """Largest movement of means and sds between two rules, in sds, and what the inner ones add."""
        mean, sd = self._moments(self.grid.coarse)
        moved = [np.abs(mean - self.mean) / self.sd, np.abs(sd / self.sd - 1)]
        for x in (self.grid.points["mu"], np.log(self.grid.points["tau"])):
            fine, coarse = (
                [w @ x, np.sqrt(w @ (x - w @ x) ** 2)] for w in (self.grid.weights, self.grid.coarse)
            )
            if np.ptp(x) > 0:
                moved.append(np.abs(np.subtract(fine, coarse)) / fine[1])
        return float(np.concatenate(moved).max() + (self.grid.weights @ self._inner).sum())

    def table(self, group):
        """Density of one group, or of a new one where it has number ``None``, as a grid."""
        if group not in self._tables:
            self._tables[group] = self.whole(*self._density(group), f"group {group}")
        return self._tables[group]

    def whole(self, log_density, axis, what):
        """A density as a grid. Its integral, found in another way, is one: an independent check."""
        grid = integrate(log_density, [axis], tolerance=_TABULATED)
        if abs(np.expm1(grid.log_evidence)) > _MISSING:
            raise ArithmeticError(
                f"the density of {what} integrates to {np.exp(grid.log_evidence):.8g}: ask for mean and sd, "
                f"or take {self.remedy}"
            )
        return grid


class _Fit(Fitted):
    """Groups whose means are known with an error."""

    remedy = "more degrees of freedom, or a prior of tau with less mass near zero"

    def __init__(self, groups, grid, scores):
        mu, tau = grid.points["mu"], grid.points["tau"]
        self.log_each, inner, first, second = groups.moments(mu, tau, 2)
        apart = groups.y - mu[:, None]
        self._given = groups.y - apart * first
        self._variance = groups.sigma**2 * (1 - first) + apart**2 * np.maximum(second - first**2, 0)
        super().__init__(groups, Reweighted(grid, self.log_each, scores), inner)
        self.populations = Populations(self.grid, groups.nu)

    def _moments(self, weights):
        mean = weights @ self._given
        return mean, np.sqrt(weights @ (self._variance + (self._given - mean) ** 2))

    def _density(self, group):
        y, sigma = self.groups.y[group], self.groups.sigma[group]
        without = self.populations.weighed(-self.log_each[:, group])

        def log_density(x):
            with np.errstate(divide="ignore"):
                return stats.norm.logpdf(y, x, sigma) + np.log(without(x))

        return log_density, Axis("x", self.mean[group] + np.array([-2.0, 0.0, 2.0]) * self.sd[group])


class Populations:
    """The population's density, averaged over mu and tau with any weights.

    A panel of mu has nodes enough for a population that is wide, or far away. Where it is narrow and near,
    the polynomial through the panel's nodes is integrated in a variable on which the density is smooth.
    """

    def __init__(self, grid, nu):
        _, self._pairs, _ = grid.curve("mu")
        width = np.diff(self._pairs)[:, 0]
        shape = (len(width) * len(NODES), -1)
        self._weights, self._nu = grid.weights.reshape(shape), nu
        self._line = (0.5 * width[:, None] * KRONROD).reshape(-1, 1)
        self._mu = grid.points["mu"].reshape(shape)[:, 0]
        self._scale = grid.points["tau"].reshape(shape)[0] * np.sqrt(nu)
        self._constant = np.exp(-special.betaln(0.5, 0.5 * nu))  # the kernel's
        heavy = self._weights.reshape(len(width), len(NODES), -1).sum(axis=1) > _LIGHT
        self._narrow = heavy & (self._scale < _RESOLVED * width[:, None])
        self._reach = _NEAR * width

    def _kernel(self, z):
        return np.exp(-0.5 * (self._nu + 1) * np.log1p(z**2))

    def _pieces(self, low, high):
        """Rules for the kernel between ends (n,): nodes and weights, (m, n) each, piece by piece."""
        # z = sinh(v), on both sides of zero.
        ends = np.arcsinh(np.stack([low, np.clip(0.0, low, high), high]))
        for left, right in pairwise(ends):
            v = 0.5 * (left + right) + 0.5 * (right - left) * NODES[:, None]
            yield np.sinh(v), 0.5 * (right - left) * KRONROD[:, None] * np.cosh(v) ** -self._nu

    def weighed(self, log_factor):
        """The density as a function of x, with the posterior's weights times a factor (K,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = np.exp(np.log(self._weights) + log_factor.reshape(self._weights.shape))
        weights = np.nan_to_num(weights)  # where a density is too small for a number
        of_mu, of_tau = np.nonzero(self._weights > _LIGHT * self._weights.max())
        mu, scale = self._mu[of_mu], self._scale[of_tau]
        plain = weights[of_mu, of_tau] / scale
        panel = of_mu // len(NODES)
        narrow = self._narrow[panel, of_tau]
        low, high = (self._pairs[panel] + np.outer(self._reach, [-1, 1])[panel]).T
        polynomials = (weights / self._line).reshape(len(self._pairs), len(NODES), -1)
        polynomials = np.einsum("pnk,mn->mpk", polynomials, TO_LEGENDRE)

        def density(x):
            found = self._near(x, polynomials)
            step = max(1, SLICE // len(mu))
            for start in range(0, len(x), step):
                at = x[start : start + step, None]
                kernel = self._kernel((at - mu) / scale)
                kernel[narrow & (low < at) & (at < high)] = 0.0
                found[start : start + step] += kernel @ plain
            return np.maximum(self._constant * found, 0.0)

        return density

    def _near(self, x, polynomials):
        """Integrals over panels of mu with a narrow population near x, summed for each x, (n,)."""
        low, high = self._pairs.T
        close = (low - self._reach < x[:, None]) & (x[:, None] < high + self._reach)
        of_x, panel, of_tau = np.nonzero(close[..., None] & self._narrow)
        scale, middle = self._scale[of_tau], x[of_x]
        found = np.zeros(len(x))
        for z, weights in self._pieces((low[panel] - middle) / scale, (high[panel] - middle) / scale):
            local = (2 * (middle + scale * z) - low[panel] - high[panel]) / (high - low)[panel]
            density = legendre.legval(local, polynomials[:, panel, of_tau][:, None], tensor=False)
            found += np.bincount(of_x, (weights * density).sum(axis=0), minlength=len(x))
        return found


class _Means(FromDensity):
    """Laws of some groups' means."""

    tail = TAIL_OF_GROUPS

    def __init__(self, fitted, groups):
        self._fitted, self._groups = fitted, np.arange(len(fitted.mean))[groups]

    def mean(self):
        """Means, (J,)."""
        return self._fitted.mean[self._groups]

    def sd(self):
        """Standard deviations, (J,)."""
        return self._fitted.sd[self._groups]

    def _tabulate(self, j, hints):  # noqa: ARG002
        return self._fitted.table(self._groups[j]).curve("x")


class _Replicated(_Means):
    """Laws of new data for some groups."""

    def sd(self):
        """Standard deviations, (J,)."""
        return np.hypot(super().sd(), self._fitted.groups.sigma[self._groups])

    def density(self, x, j):
        """Density at x, (n,)."""
        group = self._groups[j]
        grid = self._fitted.table(group)
        return stats.norm.pdf(x[:, None], grid.points["x"], self._fitted.groups.sigma[group]) @ grid.weights

    def _tabulate(self, j, hints):
        return FromDensity._tabulate(self, j, hints)


@dataclass(frozen=True)
class _Stretched(Axis):
    """Axis of a quantity with heavy tails, integrated over its inverse hyperbolic sine."""

    centre: float = 0.0
    scale: float = 1.0

    def to_z(self, x):
        """Inverse hyperbolic sine of the standardised quantity."""
        return np.arcsinh((np.asarray(x, dtype=float) - self.centre) / self.scale)

    def to_x(self, z):
        """Quantity with this inverse hyperbolic sine."""
        return self.centre + self.scale * np.sinh(z)

    def log_jacobian(self, z):
        """Log of dx/dz."""
        return np.log(self.scale) + np.logaddexp(z, -z) - np.log(2)


class _NewMean(FromDensity):
    """Law of a new group's mean."""

    tail = _TAIL_OF_NEW

    def __init__(self, fitted):
        self._fitted = fitted

    def mean(self):
        """Mean, (1,); infinite where there is none."""
        grid = self._fitted.grid
        exists = self._fitted.groups.nu > 1
        return np.array([grid.expectation(grid.points["mu"]) if exists else np.inf])

    def sd(self):
        """Standard deviation, (1,); infinite where there is none."""
        grid, nu = self._fitted.grid, self._fitted.groups.nu
        if nu <= 2:
            return np.array([np.inf])
        return np.sqrt([grid.sd("mu") ** 2 + grid.expectation(grid.points["tau"] ** 2) * nu / (nu - 2)])

    def _tabulate(self, j, hints):  # noqa: ARG002
        grid = self._fitted.grid
        mu, tau = grid.points["mu"], grid.points["tau"]
        centre = grid.weights @ mu
        middle = np.exp(grid.weights @ np.log(tau))
        scale = np.sqrt(grid.weights @ (mu - centre) ** 2) + middle
        axis = _Stretched("x", centre + scale * np.array([-1.0, 0.0, 1.0]), centre=centre, scale=scale)
        density = self._fitted.populations.weighed(np.zeros(len(mu)))

        def log_density(x):
            with np.errstate(divide="ignore"):
                return np.log(density(x))

        return self._fitted.whole(log_density, axis, "a new group").curve("x")
