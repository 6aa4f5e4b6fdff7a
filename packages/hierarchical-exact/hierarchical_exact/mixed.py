"""Exact posteriors of Gaussian mixed models: predictors, and effects of groups that may be crossed or nested.

Given the scales and correlations all else is Gaussian. The groups of one term are integrated one by one; what
is left is a regression on the predictors and the effects of the smaller terms (Henderson et al., 1959). The
scales and correlations, up to four, are integrated numerically.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from hierarchical_exact import accuracy, arguments
from hierarchical_exact.joint import Joint, normal
from hierarchical_exact.laws import NormalMixture
from hierarchical_exact.posterior import Marginal, Posterior, hyperparameter
from hierarchical_exact.quadrature import SLICE, hidden, in_slices
from hierarchical_exact.scales import UNSURE, has_kink, lattice_grid

# For up to three unknown scales and correlations, and for four; what may be left out of the lattice is less.
_TOLERANCES, _LIGHT = (1e-5, 1e-4), (1e-8, 1e-6)
# Steps of the lattice, in sds of each parameter given the others.
_STEPS = (1.1, 0.9, 0.7, 0.5, 0.35)
# Two interleaved lattices that differ by d are together about d^2 off, and surely less than this power of it.
_GAIN = 1.5
# Another lattice, by which expectations are checked: its step, and how far the two may differ, in tolerances,
# and how far its halves, lest a jump be passed over by chance.
_FINER, _AGREED, _JUMPED = 0.71, 2.0, 3e-4
_MOST_UNKNOWN = 4
# Sums that were not checked may be less exact.
_PREDICTED = 10
# Rules that differ by less tell a leave-one-out density to 1e-5.
_AGREEMENT, _SETTLED = 1e-4, 1e-6
_LEAST_COMPLEMENT = 1e-5
# Numbers that may be kept of all nodes at once.
_LARGEST = 1e8
# Squares in units of sigma^2 that leave no probability, and digits of y that sigma must not be made of.
_HOPELESS, _DIGITS = 1e8, 1e-13
_LOG_2PI = np.log(2 * np.pi)
# What is left of a predictor, relative to it, when others determine it.
_DETERMINED = 1e-9


def mixed(
    y: ArrayLike, X: ArrayLike, *, terms: Mapping, beta: Any, sigma: Any, tau: Any, rho: Any = None
) -> Posterior:
    """Exact posterior of a Gaussian mixed model: predictors, and effects of groups.

    ``y[n] ~ Normal(X[n] @ beta + u[group[n]] + ..., sigma)`` and ``u[i] ~ Normal(0, tau)``, with an effect
    for each term. In one of the terms a predictor's slope may vary too:
    ``u[group[n]] + u_slope[group[n]] * x[n]``, with ``tau_slope`` and the correlation ``rho`` of the two.

    Parameters
    ----------
    y : (N,) array or DataArray
        Observations.
    X : (N, p) array, DataFrame or DataArray
        Design: a column per coefficient, one of ones for the intercept. Labels of the columns name `beta`.
    terms : dict
        For each term its name and the (N,) labels of the groups: ``{"plate": plate, "batch": batch}``,
        crossed or nested (label nested groups so that all differ). For a varying slope the labels and the
        predictor: ``{"county": (county, floor)}``.
    beta : frozen scipy.stats.norm, float or None, or list of p of them
        Priors of the coefficients; a float is known, ``None`` is flat.
    sigma : frozen scipy.stats distribution on x >= 0, or positive float
        Prior of the sd of observations.
    tau : frozen scipy.stats distribution on x >= 0, or float, or dict of them
        Priors of the sds of the effects: one for all, or by term, that of a slope as ``"county_slope"``.
    rho : frozen scipy.stats distribution on [-1, 1], or float
        Prior of the correlation of intercepts and slopes, if slopes vary. The LKJ distribution is
        ``stats.beta(eta, eta, loc=-1, scale=2)``; 0 is no correlation.

    Returns
    -------
    Posterior
        Quantities ``beta``, ``sigma``, ``tau_county`` and ``u_county`` for a term ``county`` (with a slope
        ``tau_county_slope``, ``rho_county`` and ``u_county_slope``), and ``y_rep``: new data for the same
        groups and predictors. `elpd_loo` leaves out one observation at a time. It has a method ``predict``.

    Raises
    ------
    ValueError
        If an argument is not as described, or predictors determine each other.
    ArithmeticError
        If the accuracy, 1e-5 posterior sds (1e-4 with four unknown scales and correlations, and for
        quantiles of scales), is not reached, or the posterior is improper.

    See Also
    --------
    hierarchical_exact.normal_groups : One term without predictors, faster.
    Mixed : What it returns, with two more methods than any posterior.

    Notes
    -----
    Effects are absorbed as in [1]_; the trapezoidal rule over the logs of the scales converges
    exponentially [2]_.

    References
    ----------
    .. [1] Henderson, C. R., Kempthorne, O., Searle, S. R. and von Krosigk, C. M. (1959). The estimation of
       environmental and genetic trends from records subject to culling. Biometrics 15, 192-218.
    .. [2] Trefethen, L. N. and Weideman, J. A. C. (2014). The exponentially convergent trapezoidal rule.
       SIAM Review 56, 385-458.

    Examples
    --------
    Two crossed terms:

    >>> from scipy import stats
    >>> y = [27, 23, 26, 26, 22, 26, 28, 24, 27]
    >>> plate, batch = list("aaabbbccc"), list("ABCABCABC")
    >>> posterior = mixed(
    ...     y, np.ones((9, 1)), terms={"plate": plate, "batch": batch}, beta=stats.norm(25, 10),
    ...     sigma=stats.halfnorm(scale=2), tau=stats.halfnorm(scale=2),
    ... )
    >>> bool(posterior["u_batch"].sel(batch="B").mean() < -1)
    True
    >>> new_plate = posterior.predict([[1]], {"plate": [None], "batch": ["B"]})
    >>> bool(22 < new_plate.mean()[0] < 24)
    True
    """
    y, X = arguments.labelled(y, "observation"), arguments.labelled(X, "observation", "predictor")
    values = arguments.sized("y", arguments.vector("y", y))
    design, predictors = _design("X", X, len(values))
    factors = _factors(terms, len(values))
    rows = arguments.same_groups(("y", y), ("X", X), *_parts(terms, "observation"))
    beta_in_order = arguments.of_columns("beta", beta, "X", X)
    moments = _coefficient_priors(beta_in_order, design.shape[1])
    priors = _scale_priors(sigma, tau, rho, factors)
    unknown = sum(not isinstance(prior, float) for prior in priors.values())
    tolerance, light = _TOLERANCES[unknown > 3], _LIGHT[unknown > 3]

    def fit(kept, step):
        model = _Model(values[kept], design[kept], [factor.take(kept) for factor in factors], *moments)
        grid = lattice_grid(model.log_likelihood, priors, model.hints(priors), step=step, light=light)
        _require_noise(grid, model.given)
        return model, grid

    def build(step):
        fitted = _Fitted(*fit(slice(None), step), factors, design, tolerance)
        fitted.step = step
        # Where the finest lattice leaves a density of a scale unsure, that is refused by itself.
        blurred = unknown and step > _STEPS[-1] and not fitted.grid.unsure() < UNSURE
        levels.append(fitted.grid)
        # Another lattice tells where halves of one agree by chance, or differ by what is gone in their sum.
        moved = _apart(*levels[-2:]) if len(levels) > 1 else np.inf
        if not bent:
            moved = min(moved, fitted.grid.apart**_GAIN)
        error = np.inf if blurred else max(fitted.error(1.0 if bent else _GAIN), moved)
        return fitted, error

    bent = [name for name, prior in priors.items() if not isinstance(prior, float) and has_kink(prior)]
    levels = []
    because = (
        {"because": f"as the prior of {', '.join(bent)} has a kink or a jump", "instead": "a smooth one"}
        if bent
        else {}
    )
    fitted, error = accuracy.refine(build, tolerance=tolerance, integral_tolerances=_STEPS, **because)
    grid = fitted.grid
    if hiding := grid.hides(priors, bent) if unknown else ():
        raise hidden(hiding)
    units = arguments.labels(rows, len(values), dim="observation")
    marginals = {"beta": fitted.marginal(fitted.coefficients, predictors)}
    marginals |= {name: hyperparameter(grid, name) for name in priors}
    for factor in factors:
        for k, name in enumerate(factor.effects):
            marginals[name] = fitted.marginal(partial(fitted.effects, factor, k), factor.labels)
    marginals["y_rep"] = fitted.marginal(fitted.observations, units, noise=True)
    flat = np.isinf(moments[1]).any()

    def elpd_loo():
        if flat and len(values) == 1:
            raise ValueError(
                "beta=None is a flat prior, under which what elpd_loo leaves of one observation has no "
                "proper posterior: give more, or a proper prior"
            )
        whole = _Fitted(fitted.model, grid.whole(), factors, design, tolerance) if unknown else fitted
        variance = whole.grid.points["sigma"] ** 2

        def predictive(rows, nodes):
            mean, spread = whole.moments(whole.observations(np.arange(len(values))[rows]), nodes)
            rest = 1 - spread / variance[nodes, None]
            # Removing one observation undoes one update; where next to nothing is left it is found afresh.
            rest = np.where(rest > _LEAST_COMPLEMENT, rest, np.nan)
            total = variance[nodes, None] / rest
            return -0.5 * (_LOG_2PI + np.log(total) + ((values[rows] - mean) / rest) ** 2 / total)

        def evidence_without(left_out):
            kept = np.delete(np.arange(len(values)), left_out)
            if not len(kept):
                return 0.0
            found = np.nan
            for step in _STEPS[1:]:
                found, before = fit(kept, step)[1].log_evidence, found
                if abs(found - before) < _SETTLED:
                    return found
            raise ArithmeticError(
                f"without observation {left_out} the evidence does not settle, as what is left may say next "
                "to nothing of sigma: give sigma as a number or a prior bounded away from zero"
            )

        found = accuracy.leave_one_out(
            whole.grid, predictive, evidence_without, len(values), agreement=_AGREEMENT
        )
        return units.copy(data=found).rename("elpd_loo")

    all_priors = priors | {"beta": normal(*moments)}

    def draw(n, rng):
        draws = fitted.draw(n, rng)
        return draws | {"y_rep": rng.normal(fitted.means(draws), draws["sigma"][:, None])}

    def log_likelihood(draws):
        left = (values - fitted.means(draws)) / draws["sigma"][:, None]
        return -0.5 * (_LOG_2PI + left**2) - np.log(draws["sigma"])[:, None]

    return Mixed(
        marginals,
        None if flat else grid.log_evidence,
        elpd_loo,
        error,
        joint=Joint(draw, units.copy(data=values).rename("y"), log_likelihood, priors=all_priors),
        call=partial(mixed, y, X, terms=terms, beta=beta, sigma=sigma, tau=tau, rho=rho),
        fitted=fitted,
        columns=predictors if isinstance(X, xr.DataArray) else None,
        again=lambda: fit(slice(None), _FINER * fitted.step)[1] if unknown else None,
    )


class Mixed(Posterior):
    """Posterior of a mixed model, which also predicts and takes expectations of all scales together."""

    def __init__(self, *args, fitted, columns, again, **kwargs):
        super().__init__(*args, **kwargs)
        self._fitted, self._columns, self._again = fitted, columns, again

    def predict(self, X: ArrayLike, groups: Mapping, *, noise: bool = False) -> Marginal:
        """Predict observations, of groups in the data and of new ones.

        Parameters
        ----------
        X : (M, p) array, DataFrame or DataArray
            Their predictors, as in `mixed`.
        groups : dict
            For each term the (M,) labels, with ``None`` for a new group; with a varying slope the labels and
            the (M,) values of the predictor.
        noise : bool
            Whether for single observations, whose sd is larger by sigma, rather than for their mean.

        Returns
        -------
        Marginal
            One for each row of X.

        Raises
        ------
        ValueError
            If an argument is not as described, or a label is not in the data.
        ArithmeticError
            If ten times the error of `mixed` is exceeded.

        Examples
        --------
        >>> from scipy import stats
        >>> priors = {"sigma": stats.halfnorm(scale=2), "tau": stats.halfnorm(scale=2)}
        >>> y, shop = [3.1, 2.8, 5.2, 4.9], ["a", "a", "b", "b"]
        >>> posterior = mixed(y, np.ones((4, 1)), terms={"shop": shop}, beta=stats.norm(0, 10), **priors)
        >>> of_b, of_new = posterior.predict([[1], [1]], {"shop": ["b", None]}).sd().values
        >>> bool(of_b < of_new)
        True
        """
        X = arguments.labelled(X, "row", "predictor")
        design, _ = _design("X", X, len(X) if np.ndim(X) else 0)
        fitted = self._fitted
        if design.shape[1] != fitted.design.shape[1]:
            raise ValueError(
                f"X has {design.shape[1]} columns: give the {fitted.design.shape[1]} of the model"
            )
        if isinstance(X, xr.DataArray) and self._columns is not None:
            named = X[0].reset_coords(drop=True).rename({X.dims[1]: self._columns.dims[0]})
            arguments.same_labels("X", named, "beta", self._columns)
        if not isinstance(groups, Mapping) or set(groups) != {factor.name for factor in fitted.factors}:
            raise ValueError(
                f"groups is {groups!r}: give a dict of labels for each term, "
                f"{', '.join(factor.name for factor in fitted.factors)}"
            )
        rows = [factor.rows(groups[factor.name], len(design)) for factor in fitted.factors]
        given = arguments.same_groups(("X", X), *_parts(groups, "row"))
        labels = arguments.labels(given, len(design), dim="row")

        def sums(chosen):
            return fitted.sums(design[chosen], [(code[chosen], slope[chosen]) for code, slope in rows])

        checked = fitted.checked(sums, len(design))
        error = accuracy.error(fitted.law(sums, noise=noise), checked, fitted.grid) ** _GAIN
        if not error <= _PREDICTED * fitted.tolerance:
            raise ArithmeticError(
                f"the estimated error {error:.1e} stays above {_PREDICTED * fitted.tolerance:g}, perhaps "
                "since predictors are far from all in the data: give nearer ones"
            )
        found = fitted.marginal(sums, labels, noise=noise)
        found._origin = partial(self.predict, *deepcopy((X, groups)), noise=noise), ()
        return found

    def expect(self, f: Callable) -> float:
        """Posterior expectation of a function of the scales and correlations together.

        Parameters
        ----------
        f : callable
            Takes a dict of (K,) arrays by name, such as ``sigma`` and ``tau_county``; gives a (K,) array.

        Returns
        -------
        float

        Raises
        ------
        ArithmeticError
            If it does not converge.

        Examples
        --------
        The part of the variance that lies between groups:

        >>> from scipy import stats
        >>> priors = {"sigma": stats.halfnorm(scale=2), "tau": stats.halfnorm(scale=2)}
        >>> y, shop = [3.1, 2.8, 5.2, 4.9], ["a", "a", "b", "b"]
        >>> posterior = mixed(y, np.ones((4, 1)), terms={"shop": shop}, beta=stats.norm(0, 10), **priors)
        >>> share = posterior.expect(lambda s: s["tau_shop"]**2 / (s["tau_shop"]**2 + s["sigma"]**2))
        >>> bool(0.7 < share < 1)
        True
        """
        nodes = {name: values.copy() for name, values in self._fitted.grid.points.items()}
        values = arguments.real("f", arguments.function("f", f)(nodes), "a function whose values are numbers")
        if values.shape != self._fitted.grid.weights.shape or not np.isfinite(values).all():
            raise ValueError(
                "f gives something else than a finite number for each node: give an array like sigma"
            )
        found = self._fitted.grid.expectation(values)
        if np.isnan(found):
            raise ArithmeticError(
                "the expectation of f hangs on the farthest tails of the scales, if it exists at all: give a "
                "function that grows more slowly, or use quantiles"
            )
        if self._other is not None:
            # Two lattices that are no part of each other, of which one jumps elsewhere than the other.
            grid = self._other
            values = np.asarray(f({name: x.copy() for name, x in grid.points.items()}), dtype=float)
            size, fine = grid.weights @ np.abs(values), grid.expectation(values)
            moved = np.abs((grid.weights - grid.coarse) @ values)
            if not (abs(fine - found) <= _AGREED * self._fitted.tolerance * size and moved <= _JUMPED * size):
                raise ArithmeticError(
                    "the expectation of f does not converge: give a function without jumps (`cdf` gives "
                    "probabilities of one scale, and `sample` draws those of several)"
                )
            found = fine
        return float(found)

    @cached_property
    def _other(self):
        """The posterior of the scales on another, finer lattice; ``None`` where they are known."""
        return self._again()


# -- what users give --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Factor:
    """The groups of one term: a code for each observation, and the predictor whose slope varies, if any."""

    name: str
    labels: xr.DataArray
    code: np.ndarray
    slope: np.ndarray | None

    @property
    def effects(self):
        """Names of its effects."""
        return [f"u_{self.name}"] + ([f"u_{self.name}_slope"] if self.slope is not None else [])

    @property
    def scales(self):
        """Names of their sds."""
        return [name.replace("u_", "tau_", 1) for name in self.effects]

    def take(self, kept):
        """The same of some observations, groups without any left out."""
        _, code = np.unique(self.code[kept], return_inverse=True)
        return _Factor(self.name, self.labels, code, None if self.slope is None else self.slope[kept])

    def rows(self, groups, size):
        """Codes, -1 for new groups, and predictors of rows to predict."""
        labels, slope = _term(self.name, groups, size, with_slope=self.slope is not None, new=True)
        known = pd.Index(self.labels[self.name].values)
        missing = pd.isna(labels)
        code = np.full(size, -1)
        code[~missing] = known.get_indexer(labels[~missing])
        if (code[~missing] < 0).any():
            unknown = labels[~missing][code[~missing] < 0][0]
            raise ValueError(
                f"{unknown!r} is no {self.name} in the data: give one of them, or None for a new one"
            )
        return code, np.zeros(size) if slope is None else slope


def _design(name, X, size):
    """Design as an array, and labels of its columns."""
    columns = arguments.real(name, X, "numbers")
    if columns.ndim != 2 or len(columns) != size or not columns.size:
        raise ValueError(
            f"{name} is an array of shape {columns.shape}: give ({size}, p), a column of ones included"
        )
    if not np.isfinite(columns).all():
        raise ValueError(f"{name} is not finite everywhere: give finite numbers, or drop those observations")
    arguments.sized(name, columns)
    given = X[0] if isinstance(X, xr.DataArray) else None
    if given is not None:
        given = given.reset_coords(drop=True)
    return columns, arguments.labels(given, columns.shape[1], "predictor")


def _factors(terms, size):
    if not isinstance(terms, Mapping) or not terms:
        raise ValueError(f"terms is {terms!r}: give a dict of labels by the names of terms")
    found = []
    for name, given in terms.items():
        if not (isinstance(name, str) and name.isidentifier()):
            raise ValueError(f"{name!r} is the name of a term: give a name such as 'county'")
        arguments.free_dim(name)
        with_slope = isinstance(given, tuple)
        labels, slope = _term(name, given, size, with_slope=with_slope)
        code, names = pd.factorize(labels)
        names = xr.DataArray(np.arange(len(names)), dims=name, coords={name: names})
        found.append(_Factor(name, names, code, slope))
    if sum(factor.slope is not None for factor in found) > 1:
        raise ValueError("two terms have slopes: give one, as more has too many scales")
    effects = [name for factor in found for name in factor.effects]
    for name in effects:
        if effects.count(name) > 1:
            raise ValueError(f"{name!r} would be the effects of two terms: give one of them another name")
    return found


def _parts(terms, dim):
    """Labels and predictors of all terms, by name, with their own labels."""
    parts = [(name, part) for name, of in terms.items() for part in (of if isinstance(of, tuple) else (of,))]
    return [(name, arguments.labelled(part, dim)) for name, part in parts]


def _term(name, given, size, *, with_slope, new=False):
    """Labels of groups, and the predictor whose slope varies."""
    if with_slope and not (isinstance(given, tuple) and len(given) == 2):
        raise ValueError(
            f"{name} is {type(given).__name__}: give (labels, predictor), since its slope varies"
        )
    labels, slope = given if with_slope else (given, None)
    if not new:
        labels = arguments.group_labels(name, labels, size)
    elif np.shape(labels) != (size,):
        raise ValueError(f"{name} is an array of shape {np.shape(labels)}: give a label for each of {size}")
    else:
        labels = np.asarray(labels, dtype=object)
        # A Series makes NaN of None.
        as_given = not isinstance(given[0] if with_slope else given, pd.Series)
        if as_given and any(label is not None and pd.isna(label) for label in labels):
            raise ValueError(f"{name} has labels that are missing: give None for a new group")
    if slope is not None:
        slope = arguments.sized(
            f"the predictor of {name}", arguments.vector(f"the predictor of {name}", slope)
        )
        if len(slope) != size:
            raise ValueError(f"the predictor of {name} is an array of {len(slope)}: give {size} of them")
    return labels, slope


def _coefficient_priors(beta, size):
    """Means and sds of the priors of the coefficients."""
    given = list(beta) if np.ndim(beta) else [beta] * size
    if len(given) != size:
        raise ValueError(f"beta is a list of {len(given)}: give one prior per column of X, {size} of them")
    return np.array([arguments.normal_prior("beta", prior, flat=True) for prior in given]).T


def _scale_priors(sigma, tau, rho, factors):
    """Priors of all scales and correlations by their names."""
    priors = {"sigma": arguments.scale_prior("sigma", sigma)}
    if priors["sigma"] == 0.0:
        raise ValueError("sigma is 0: give the positive sd of observations, or its prior")
    names = [name.removeprefix("u_") for factor in factors for name in factor.effects]
    by_name = tau if isinstance(tau, Mapping) else dict.fromkeys(names, tau)
    if set(by_name) != set(names):
        raise ValueError(f"tau has {', '.join(map(repr, by_name))}: give priors for {', '.join(names)}")
    priors |= {f"tau_{name}": arguments.scale_prior("tau", by_name[name]) for name in names}
    sloped = [factor for factor in factors if factor.slope is not None]
    if not sloped and rho is not None:
        raise ValueError("rho is the correlation of intercepts and slopes, but no slope varies: leave it out")
    if sloped:
        priors[f"rho_{sloped[0].name}"] = _correlation_prior(rho)
    unknown = [name for name, prior in priors.items() if not isinstance(prior, float)]
    if len(unknown) > _MOST_UNKNOWN:
        raise ValueError(
            f"{', '.join(unknown)} are {len(unknown)} unknown scales and correlations: give all but "
            f"{_MOST_UNKNOWN} of them as numbers, or sample"
        )
    return priors


def _correlation_prior(rho):
    if rho is None:
        raise ValueError(
            "rho is None: give the prior of the correlation of intercepts and slopes, such as LKJ(2), "
            "stats.beta(2, 2, loc=-1, scale=2), or 0"
        )
    if arguments.is_number(rho):
        if not -1 <= rho <= 1:
            raise ValueError(f"rho is {rho!r}: give a correlation between -1 and 1, or its prior")
        return float(rho)
    prior = arguments.frozen("rho", rho)
    if prior.support()[0] < -1 or prior.support()[1] > 1:
        raise ValueError(f"rho is {prior.dist.name} with support {prior.support()}: give one within [-1, 1]")
    return prior


# -- the Gaussian part --------------------------------------------------------------------------------


class _Model:
    """The likelihood with all effects and coefficients integrated out, given scales and correlations.

    The groups of one term are absorbed: of its observations each group keeps one or two combinations, whose
    covariance is ``sigma^2 I + R G R'`` with G that of its effects, and the squares of what is left. C has
    the indicators of the other terms' groups and the predictors that are not known.
    """

    def __init__(self, y, design, factors, mean, sd):
        # That with a slope, or else that of most groups.
        self.absorbed = max(factors, key=lambda f: (f.slope is not None, f.code.max()))
        self.rest = [factor for factor in factors if factor is not self.absorbed]
        self.size, self.given = len(y), y
        known = sd == 0
        self.known, self.known_values = known, mean[known]
        free = design[:, ~known]
        self.scale = np.sqrt((free**2).mean(axis=0))
        self.scale[self.scale == 0] = 1.0
        free = free / self.scale
        y = y - design[:, known] @ mean[known]
        with np.errstate(divide="ignore"):
            self._precision = (sd[~known] * self.scale) ** -2.0
        self._flat = int((self._precision == 0).sum())
        _require_rank(free, self._precision)
        # All is reckoned from the least squares estimate, so that nothing cancels far from zero.
        self.centre = np.zeros(free.shape[1])
        for _ in range(2 if free.shape[1] else 0):  # the second time for the digits that the first has lost
            move = np.linalg.lstsq(free, y, rcond=None)[0]
            self.centre, y = self.centre + move, y - free @ move
        self.left = y
        prior_left = np.where(self._precision > 0, mean[~known] * self.scale - self.centre, 0.0)
        indicators = [np.eye(f.code.max() + 1)[f.code] for f in self.rest]
        self.sizes = [block.shape[1] for block in indicators]
        self.columns = sum(self.sizes) + free.shape[1]
        every = np.column_stack([*indicators, free, y])
        self._absorb(every)
        self.prior = np.concatenate([np.ones(sum(self.sizes)), self._precision])
        self._prior_times = np.concatenate([np.zeros(sum(self.sizes)), self._precision * prior_left])
        self._prior_square = float((self._precision * prior_left**2).sum())
        self.conflict = np.abs(y - free @ prior_left).max()

    def _absorb(self, every):
        factor = self.absorbed
        code, count = factor.code, np.bincount(factor.code)
        groups = len(count)

        def sums(columns):
            return np.stack([np.bincount(code, column, minlength=groups) for column in columns.T], axis=1)

        root = np.sqrt(count)
        first = sums(every) / root[:, None]
        left = every - (first / root[:, None])[code]
        triangle = [root]
        rows = [first]
        if factor.slope is not None:
            average = np.bincount(code, factor.slope) / count
            apart = factor.slope - average[code]
            length = np.sqrt(np.bincount(code, apart**2))
            size = np.sqrt(np.bincount(code, factor.slope**2))
            length = np.where(length > _DETERMINED * size, length, 0.0)
            unit = np.where(length[code] > 0, apart / np.where(length > 0, length, 1.0)[code], 0.0)
            second = sums(left * unit[:, None])
            left = left - unit[:, None] * second[code]
            triangle += [root * average, length]
            rows.append(second)
        self.rows = np.stack(rows, axis=1)  # (G, r, m + 1)
        self.within = left.T @ left
        # However well all effects and coefficients fit, this is left of the squares.
        fitted = np.linalg.lstsq(left[:, :-1], left[:, -1], rcond=None)[0]
        self._least = float(((left[:, -1] - left[:, :-1] @ fitted) ** 2).sum())
        # Groups with the same design are one group to the scales.
        triangle = np.stack(triangle, axis=1)
        distinct, self.kind = np.unique(triangle, axis=0, return_inverse=True)
        self.kind = self.kind.ravel()
        self.triangle, self.repeats = distinct.T, np.bincount(self.kind)
        pairs = [(0, 0)] if len(rows) == 1 else [(0, 0), (0, 1), (1, 1)]
        crossed = []
        for a, b in pairs:
            square = np.einsum("gi,gj->gij", rows[a], rows[b])
            square = square if a == b else square + square.transpose(0, 2, 1)
            total = np.zeros((len(distinct), *square.shape[1:]))
            np.add.at(total, self.kind, square)
            crossed.append(total.reshape(len(distinct), -1))
        self._crossed = np.concatenate(crossed)

    def hints(self, priors):
        """Plausible values of the scales and correlations, for the search."""
        spread = np.sqrt(np.diagonal(self.within)[-1] / max(self.size - len(self.rows), 1))
        scales = np.array([self.left.std(), spread, self.conflict])
        scales = scales[scales > 0]
        found = dict.fromkeys(priors, scales)
        if self.absorbed.slope is not None:
            name = self.absorbed.scales[1]
            found[name] = scales / max(np.abs(self.absorbed.slope).max(), 1e-100)
        return {
            name: np.array([-0.5, 0.0, 0.5]) if name.startswith("rho_") else values
            for name, values in found.items()
        }

    def log_likelihood(self, points):
        """Log likelihood (n,) of values of all scales and correlations, (n,) each by name."""
        found = np.full(len(points["sigma"]), -np.inf)
        # Where sigma is so small, nothing else can make up for the squares that are left.
        near = np.flatnonzero(self._least <= (_HOPELESS + 1000 * self.size) * points["sigma"] ** 2)
        parts = self._parts({name: x[near] for name, x in points.items()})
        found[near] = np.concatenate([np.empty(0), *(self.solve(part)[0] for part in parts)])
        return found

    def _parts(self, points):
        step = max(1, SLICE // (len(self.repeats) * 4 + (self.columns + 1) ** 2))
        size = len(points["sigma"])
        for start in range(0, size, step):
            yield {name: x[start : start + step] for name, x in points.items()}

    def effects_covariance(self, points):
        """Variances of the absorbed effects (K,), their covariance, and one less the squared correlation."""
        first = points[self.absorbed.scales[0]]
        if self.absorbed.slope is None:
            return first, None, None
        return first, points[self.absorbed.scales[1]], points[f"rho_{self.absorbed.name}"]

    def solve(self, points, *, roots=False):
        """Log likelihood, and perhaps mean (K, m) and root of the covariance (K, m, m) of what is left."""
        variance = points["sigma"][:, None] ** 2
        first, second, rho = self.effects_covariance(points)
        if second is None:
            (length,) = self.triangle
            determinant = variance + length**2 * first[:, None] ** 2
            weights = 1 / determinant
        else:
            a, b, c = self.triangle
            v, w = first[:, None] ** 2, second[:, None] ** 2
            both = (rho * first * second)[:, None]
            top, side, bottom = a**2 * v + 2 * a * b * both + b**2 * w, c * (a * both + b * w), c**2 * w
            # Of the determinant of R G R', which is a^2 c^2 |G|, nothing cancels.
            own = (a * c) ** 2 * v * w * ((1 - rho) * (1 + rho))[:, None]
            determinant = variance * (variance + top + bottom) + own
            weights = np.concatenate([variance + bottom, -side, variance + top], axis=1)
            weights = weights / np.tile(determinant, 3)
        n, m, r = len(variance), self.columns, self.rows.shape[1]
        cross = (weights @ self._crossed).reshape(n, m + 1, m + 1) + self.within / variance[:, :, None]
        scale = self._column_scales(points)
        precision = cross[:, :m, :m] * scale[:, :, None] * scale[:, None, :]
        precision[:, range(m), range(m)] += self.prior
        right = cross[:, :m, m] * scale + self._prior_times
        try:
            lower = np.linalg.cholesky(precision)
        except np.linalg.LinAlgError as error:
            exactly = self._least <= _DETERMINED**2 * (self.left**2).sum()
            cause = (
                "effects and predictors fit all observations exactly, so that the likelihood does not fall "
                "as sigma goes to zero, where numbers have too few digits"
                if exactly
                else "sigma may be so much smaller than the effects that numbers have too few digits"
            )
            raise ArithmeticError(
                f"{cause}: give sigma as a number or a prior bounded away from zero"
            ) from error
        half = np.linalg.solve(lower, right[:, :, None])[:, :, 0]
        square = np.maximum(cross[:, m, m] + self._prior_square - (half**2).sum(axis=1), 0.0)
        proper = self._precision[self._precision > 0]
        log_likelihood = -0.5 * (
            (self.size - self._flat) * _LOG_2PI
            + (self.size - r * len(self.kind)) * np.log(variance[:, 0])
            + np.log(determinant) @ self.repeats
            + 2 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
            - np.log(proper).sum()
            + square
        )
        if not roots:
            return (log_likelihood,)
        root = np.linalg.solve(lower, np.broadcast_to(np.eye(m), lower.shape)).transpose(0, 2, 1)
        mean = (root @ half[:, :, None])[:, :, 0] * scale
        return log_likelihood, mean, root * scale[:, :, None]

    def _column_scales(self, points):
        n = len(points["sigma"])
        scales = [
            np.repeat(points[f.scales[0]][:, None], s, axis=1)
            for f, s in zip(self.rest, self.sizes, strict=True)
        ]
        return np.concatenate([*scales, np.ones((n, len(self._precision)))], axis=1)

    def whitened(self, groups, points):
        """Of absorbed groups given the rest: effects ``mean - response @ c`` plus ``root @ noise``.

        Gives ``gain`` (K, J, r, r), which turns what is left of a group's rows into effects, and `root`, of
        that shape. The prior's root is taken out in front, so that nothing is inverted that may be singular.
        """
        variance = points["sigma"][:, None] ** 2
        first, second, rho = self.effects_covariance(points)
        kind = self.kind[groups]
        if second is None:
            length = self.triangle[0][kind]
            total = variance + length**2 * first[:, None] ** 2
            gain = first[:, None] ** 2 * length / total
            root = first[:, None] * np.sqrt(variance / total)
            return gain[:, :, None, None], root[:, :, None, None]
        a, b, c = (side[kind] for side in self.triangle)
        first, second, rho = first[:, None], second[:, None], rho[:, None]
        rest = np.sqrt((1 - rho) * (1 + rho))
        # F = R L with L = [[first, 0], [second rho, second rest]], over sigma.
        sigma = points["sigma"][:, None]
        f11, f12 = (a * first + b * second * rho) / sigma, b * second * rest / sigma
        f21, f22 = c * second * rho / sigma, c * second * rest / sigma
        n12, n22 = f11 * f12 + f21 * f22, 1 + f12**2 + f22**2
        both = a * c * first * second * rest / sigma**2  # the determinant of F, of which nothing cancels
        determinant = 1 + f11**2 + f21**2 + f12**2 + f22**2 + both**2
        # The inverse of 1 + F'F times F' by F' and the adjugate of F, and a root of that inverse,
        # element by element; then the prior's L in front.
        m11, m12, m21, m22 = f11 + both * f22, f21 - both * f12, f12 - both * f21, f22 + both * f11
        corner, end = np.sqrt(n22 / determinant), 1 / np.sqrt(n22)
        side, tail = second * rho, second * rest
        gain = np.stack([first * m11, first * m12, side * m11 + tail * m21, side * m12 + tail * m22], axis=-1)
        gain /= (determinant * sigma)[..., None]
        below = side * corner - tail * n12 / determinant / corner
        root = np.stack([first * corner, np.zeros_like(corner), below, tail * end], axis=-1)
        return tuple(of.reshape(*determinant.shape, 2, 2) for of in (gain, root))


def _apart(grid, finer):
    """How far two grids differ in the log evidence, and in means and sds, in sds."""
    found = [abs(grid.log_evidence - finer.log_evidence)]
    for name, x in finer.points.items():
        if np.ptp(x) > 0:
            mean = finer.weights @ x
            unit = np.sqrt(finer.weights @ (x - mean) ** 2)
            one, other = (np.arcsinh((each.points[name] - mean) / unit) for each in (grid, finer))
            found += [abs(grid.weights @ one**p - finer.weights @ other**p) for p in (1, 2)]
    return max(found)


def _require_noise(grid, y):
    """Refuse a sigma that numbers near those of y have no digits for."""
    heavy = grid.weights > _DIGITS * grid.weights.max()
    if grid.points["sigma"][heavy].min() < _DIGITS * np.abs(y).max():
        raise ArithmeticError(
            "the groups leave next to nothing of y for sigma, which makes it zero and the posterior "
            "improper, or nearly so: give sigma as a number or a prior bounded away from zero"
        )


def _require_rank(design, precision):
    """Refuse flat coefficients of predictors that others with flat priors determine."""
    flat = design[:, precision == 0]
    if flat.shape[1] and np.linalg.matrix_rank(flat, tol=_DETERMINED * np.sqrt(flat.size)) < flat.shape[1]:
        raise ValueError(
            "beta=None is a flat prior, under which columns of X that determine each other have no proper "
            "posterior: drop one, or give beta a proper prior"
        )


@dataclass(frozen=True)
class _Sums:
    """J sums of coefficients and effects: weights of C, and the group and the weights of absorbed effects.

    A group below 0 has no absorbed effect; `new` are weights of effects of new groups, by their terms.
    """

    offset: np.ndarray
    weights: np.ndarray
    group: np.ndarray
    effects: np.ndarray
    new: dict


class _Fitted:
    """A model, its grid, and the laws of all that is Gaussian."""

    def __init__(self, model, grid, factors, design, tolerance):
        self.tolerance = tolerance
        self.model, self.grid, self.factors, self.design = model, grid, factors, design
        if len(grid.weights) * (model.columns + 1) ** 2 > _LARGEST:
            raise ArithmeticError(
                f"{model.columns} effects that are not of the largest term, on {len(grid.weights)} nodes, "
                "are too many: give scales as numbers, or sample"
            )
        parts = [model.solve(part, roots=True) for part in model._parts(grid.points)]
        _, self.mean, self.root = (np.concatenate(part) for part in zip(*parts, strict=True))

    def error(self, gain=_GAIN):
        """Estimated error of all quantities, in posterior sds."""
        grid = self.grid
        checks = [(self.coefficients, self.design.shape[1])]
        checks += [
            (partial(self.effects, factor, k), factor.labels.size)
            for factor in self.factors
            for k in range(len(factor.effects))
        ]
        checks.append((self.newcomers, min(len(self.design), accuracy.FEWEST_CHECKED)))
        moved = [accuracy.error(self.law(sums), self.checked(sums, size), grid) for sums, size in checks]
        for x in grid.points.values():
            if np.ptp(x) > 0:
                x = np.arcsinh((x - grid.weights @ x) / np.sqrt(grid.weights @ (x - grid.weights @ x) ** 2))
                fine, coarse = (np.array([w @ x, w @ x**2]) for w in (grid.weights, grid.coarse))
                moved.append(np.abs(fine - coarse).max())
        return float(max(moved) ** gain)

    def checked(self, sums, size):
        """Which of some sums are checked."""
        return accuracy.checked(lambda some, nodes: self.moments(sums(some), nodes), size, self.grid)

    def law(self, sums, *, noise=False, told=False):
        """What makes the law of chosen sums, by some weights of the nodes.

        Moments of a law that is `told` are NaN where the grid cannot tell them. To the check of the grid they
        must not be: it would pass them over.
        """
        last = [(None, None)]

        def of(chosen, weights=self.grid.weights):
            known, moments = last[0]  # at once, as another thread may ask for others
            if chosen is not known:  # two rules are asked for in turn
                moments = self.moments(sums(chosen))
                last[0] = chosen, moments
            mean, variance = moments
            if noise:
                variance = variance + self.grid.points["sigma"][:, None] ** 2
            rules = {"expectation": self.grid.expectation if told else None, "coarse": self.grid.coarse}
            return NormalMixture(weights, mean, variance, lattice=True, **rules)

        return of

    def marginal(self, sums, labels, *, noise=False):
        """Marginal of sums, `sums` giving those chosen."""
        return Marginal(self.law(sums, noise=noise, told=True), labels, nodes=len(self.grid.weights))

    def moments(self, sums, nodes=slice(None)):
        """Mean and variance (K, J) of sums given the nodes."""
        room = len(sums.offset) * max(4, self.model.columns)
        found = in_slices(partial(self._moments, sums), room, np.arange(len(self.mean))[nodes])
        return found[:, 0], found[:, 1]

    def _moments(self, sums, nodes):
        model, points = self.model, {name: x[nodes] for name, x in self.grid.points.items()}
        mean, root = self.mean[nodes], self.root[nodes]
        weights = np.broadcast_to(sums.weights, (len(mean), *sums.weights.shape))
        of_mean, variance = np.zeros(1), np.zeros((len(mean), len(sums.offset)))
        with_group = np.flatnonzero(sums.group >= 0)
        if len(with_group):
            groups, effects = sums.group[with_group], sums.effects[with_group]
            gain, own = model.whitened(groups, points)
            each = [*enumerate(effects.T[:, :, None])]  # weights (J, 1) of rows r of (K, J, r, r)
            gain, own = (sum(x * of[:, :, r] for r, x in each) for of in (gain, own))
            variance[:, with_group] += (own**2).sum(axis=-1)
            rows = model.rows[groups]
            weights = weights.copy()
            moved = sum(gain[:, :, s, None] * rows[:, s] for s in range(rows.shape[1]))
            weights[:, with_group] -= moved[:, :, :-1]
            of_mean = np.zeros_like(variance)
            of_mean[:, with_group] = moved[:, :, -1]
        for name, new in sums.new.items():
            variance += self._new_variance(name, new, points)
        mean = sums.offset + of_mean + (weights @ mean[:, :, None])[:, :, 0]
        variance += ((weights @ root) ** 2).sum(axis=-1)
        return np.stack([mean, variance], axis=1)

    def _new_variance(self, name, new, points):
        """Variance (K, J) of effects of new groups of a term, with weights (J, r)."""
        scales = [points[f"tau_{name}"]] + ([points[f"tau_{name}_slope"]] if new.shape[1] > 1 else [])
        parts = [np.outer(scale, weight) for scale, weight in zip(scales, new.T, strict=True)]
        if len(parts) == 1:
            return parts[0] ** 2
        first, second = parts
        return first**2 + 2 * points[f"rho_{name}"][:, None] * first * second + second**2

    def sums(self, design, rows):
        """Sums for rows of a design, with codes and predictors of each factor in turn."""
        model = self.model
        size, start = len(design), 0
        weights = np.zeros((size, model.columns))
        free = ~model.known
        weights[:, sum(model.sizes) :] = design[:, free] / model.scale
        offset = design[:, ~free] @ model.known_values + (design[:, free] / model.scale) @ model.centre
        group, effects, new = np.full(size, -1), np.zeros((size, model.rows.shape[1])), {}
        by_name = dict(zip((factor.name for factor in self.factors), rows, strict=True))
        for name, (code, slope) in by_name.items():
            if name == model.absorbed.name:
                effects = np.stack([np.ones(size), slope], axis=1)[:, : effects.shape[1]]
                group = code
            if (code < 0).any():
                columns = effects if name == model.absorbed.name else np.ones((size, 1))
                new[name] = columns * (code < 0)[:, None]
        for factor, columns in zip(model.rest, model.sizes, strict=True):
            code, _ = by_name[factor.name]
            seen = np.flatnonzero(code >= 0)
            weights[seen, start + code[seen]] = 1.0
            start += columns
        return _Sums(offset, weights, group, effects, new)

    def coefficients(self, chosen):
        """Sums that are the coefficients of the predictors."""
        size = self.design.shape[1]
        alone = [(np.full(size, -2), np.zeros(size)) for _ in self.factors]
        found = self.sums(np.eye(size), alone)
        return _Sums(
            found.offset[chosen], found.weights[chosen], found.group[chosen], found.effects[chosen], {}
        )

    def effects(self, factor, k, chosen):
        """Sums that are the effects of one term."""
        code = np.arange(factor.labels.size)[chosen]
        size = len(code)
        rows = [(code if f is factor else np.full(size, -1), np.ones(size)) for f in self.factors]
        found = self.sums(np.zeros((size, self.design.shape[1])), rows)
        effects = found.effects
        if factor.name == self.model.absorbed.name:
            effects = np.zeros_like(effects)
            effects[:, k] = 1.0
        return _Sums(np.zeros(size), found.weights, found.group, effects, {})

    def observations(self, chosen):
        """Sums that are the means of observations."""
        rows = [
            (f.code[chosen], np.zeros(self.model.size)[chosen] if f.slope is None else f.slope[chosen])
            for f in self.factors
        ]
        return self.sums(self.design[chosen], rows)

    def newcomers(self, chosen):
        """Sums that are the means of observations, would their groups be new."""
        rows = [
            (np.full(len(self.design), -1), np.zeros(len(self.design)) if f.slope is None else f.slope)
            for f in self.factors
        ]
        spread = np.linspace(0, len(self.design) - 1, min(len(self.design), accuracy.FEWEST_CHECKED))
        at = spread.astype(int)[chosen]
        return self.sums(self.design[at], [(code[at], slope[at]) for code, slope in rows])

    def draw(self, n, rng):
        """Joint draws of scales, coefficients and effects, (n, ...) each by name."""
        model = self.model
        scales = self.grid.sample(n, rng)
        found = {name: [] for name in ("beta", *(name for f in self.factors for name in f.effects))}
        for points in model._parts(scales):
            size = len(points["sigma"])
            _, mean, root = model.solve(points, roots=True)
            c = mean + np.einsum("kab,kb->ka", root, rng.standard_normal(mean.shape))
            gain, own = model.whitened(np.arange(len(model.kind)), points)
            left = model.rows[:, :, -1] - np.einsum("gsm,km->kgs", model.rows[:, :, :-1], c)
            effects = np.einsum("kgrs,kgs->kgr", gain, left)
            effects += np.einsum("kgrs,kgs->kgr", own, rng.standard_normal(effects.shape))
            for k, name in enumerate(model.absorbed.effects):
                found[name].append(effects[:, :, k])
            start = 0
            for factor, columns in zip(model.rest, model.sizes, strict=True):
                found[factor.effects[0]].append(c[:, start : start + columns])
                start += columns
            beta = np.empty((size, self.design.shape[1]))
            beta[:, model.known] = model.known_values
            beta[:, ~model.known] = (model.centre + c[:, start:]) / model.scale
            found["beta"].append(beta)
        return scales | {name: np.concatenate(parts) for name, parts in found.items()}

    def means(self, draws):
        """Means of the observations given draws, (n, N)."""
        total = draws["beta"] @ self.design.T
        for factor in self.factors:
            total = total + draws[factor.effects[0]][:, factor.code]
            if factor.slope is not None:
                total = total + draws[factor.effects[1]][:, factor.code] * factor.slope
        return total
