"""How the groups of a Normal hierarchy stand to each other: contrasts, covariances, ranks, without draws.

Given the hyperparameters the group means are jointly Normal: each has a variance of its own, and what they
have in common comes from the coefficients.
"""

from collections.abc import Hashable

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike
from scipy import special

from hierarchical_exact import accuracy, arguments
from hierarchical_exact.laws import NormalMixture
from hierarchical_exact.posterior import Marginal
from hierarchical_exact.quadrature import told

_SLICE = 2_000_000
# Largest error of a probability, as two rules tell it, and of a contrast's distribution function.
_TOLERANCE = 1e-5
# Standard Normal variables are followed as far as this, in steps from one to a 16th.
_REACH = 5.5
_FINEST = 1 / 16
# Probability of the nodes that are left out.
_NEGLECTED = 1e-7
# A difference d between the Gauss and the Kronrod rule means an error of the latter of about d^1.5
# (Piessens et al., 1983, QUADPACK).
_GAIN = 1.5
# Working arrays of this size stay in the processor's cache.
_CACHE = 2**17
# Largest weight of a group, and one over the smallest.
_LARGEST = 1e50
# Groups that differ by less, relative to their size, are equal.
_ROUNDING = 2e-15


class Groups:
    """Exact comparisons of the group means theta of `normal` and `normal_groups`.

    Parameters
    ----------
    hierarchy : hierarchical_exact.normal._Hierarchy
        The Gaussian parts of the posterior, given the hyperparameters.
    labels : xarray.DataArray
        One entry per group.

    See Also
    --------
    hierarchical_exact.Posterior : Has it as ``posterior.groups``; its `sample` compares groups of all models.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from scipy import stats
    >>> effect, error = [28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18]
    >>> groups = exact.normal(effect, error, mu=stats.norm(0, 20), tau=stats.halfnorm(scale=10)).groups
    >>> round(groups.difference(0, 2).mean(), 2), round(groups.difference(0, 2).sf(0.0), 3)
    (3.45, 0.649)
    >>> groups.best().values.round(3).tolist()
    [0.221, 0.109, 0.09, 0.106, 0.06, 0.08, 0.199, 0.134]
    """

    def __init__(self, hierarchy, labels):
        self._hierarchy, self._labels = hierarchy, labels
        self._grid = hierarchy.grid
        self.origin = None

    def __reduce__(self):
        """The posterior whose groups they are."""
        return self.origin

    def combination(self, weights: ArrayLike) -> Marginal:
        """Marginal of a weighted sum of the group means.

        Parameters
        ----------
        weights : (J,) array
            Such as 1 and -1 for two groups and 0 for all others.

        Raises
        ------
        ValueError
            If there is not one finite weight per group, in the order of their labels, or all are zero; or
            the largest is not between 1e-50 and 1e50.
        ArithmeticError
            If its distribution function is not exact to 1e-5.
        """
        weights = arguments.labelled(weights, *self._labels.dims)
        arguments.same_labels("weights", weights, "theta", self._labels)
        if np.shape(weights) != self._labels.shape:
            raise ValueError(
                f"weights is an array of shape {np.shape(weights)}: give one for each of "
                f"{self._labels.size} groups"
            )
        weights = arguments.vector("weights", weights)
        if not weights.any():
            raise ValueError("weights is 0 for all groups: give one that is not")
        if not 1 / _LARGEST < (largest := np.abs(weights).max()) < _LARGEST:
            raise ValueError(
                f"weights go up to {largest:g}: give numbers nearer to 1, whose squares are numbers"
            )
        used = np.flatnonzero(weights)
        nodes = len(self._grid.weights)
        mean, own, loading = np.zeros(nodes), np.zeros(nodes), 0.0
        size, spread = np.zeros((2, nodes))  # of what is added, to tell what is left from rounding
        step = max(1, _SLICE // nodes)
        for start in range(0, len(used), step):
            some = used[start : start + step]
            of_each, variance, loadings = self._given(some)
            mean += of_each @ weights[some]
            size += np.abs(of_each) @ np.abs(weights[some])
            spread += np.linalg.norm(loadings, axis=-1) @ np.abs(weights[some])
            own += variance @ weights[some] ** 2
            loading = loading + np.einsum("kjp,j->kp", loadings, weights[some])
        variance = own + (loading**2).sum(axis=-1)
        equal = (np.abs(mean) <= _ROUNDING * size) & (variance <= (_ROUNDING * spread) ** 2)
        mean[equal], variance = 0.0, np.where(equal, 0.0, variance)[:, None]

        def law(chosen=self._grid.weights):
            moments = mean[:, None], variance
            rules = {"expectation": self._grid.expectation, "coarse": self._grid.coarse}
            return NormalMixture(chosen, *moments, **rules)

        if not accuracy.shift(law, self._grid) ** _GAIN <= _TOLERANCE:
            raise ArithmeticError(
                "the combination has not converged, perhaps since the prior of a scale is too extreme: "
                "give a narrower one, or take draws"
            )
        return Marginal(lambda _: law(), origin=(Groups.combination, (self, weights)))

    def difference(self, first: Hashable, second: Hashable) -> Marginal:
        """Marginal of the mean of one group less that of another, both by their labels.

        Raises
        ------
        KeyError
            If there is no such label.
        ValueError
            If several groups have it, or it is the same group twice.
        """
        weights = np.zeros(self._labels.size)
        weights[self._place(first)] += 1
        weights[self._place(second)] -= 1
        return self.combination(weights)

    def mean(self):
        """Marginal of the mean of all groups, which knows more than mu does."""
        return self.combination(np.full(self._labels.size, 1 / self._labels.size))

    def covariance(self):
        """Posterior covariances of the group means; the second dim is ``other``."""
        everyone = np.arange(self._labels.size)
        mean, own, loadings = self._given(everyone)
        deviation = mean - self._grid.weights @ mean
        result = np.empty((len(everyone), len(everyone)))
        for j in everyone:
            values = np.einsum("kjp,kp->kj", loadings, loadings[:, j]) + deviation * deviation[:, [j]]
            values[:, j] += own[:, j]
            result[j] = self._grid.expectation(values)
        return self._matrix(told(result))

    def correlation(self):
        """Posterior correlations of the group means, as `covariance`."""
        covariance = self.covariance()
        sd = np.sqrt(np.diagonal(covariance))
        if not sd.all():
            raise ValueError("a group is known, which has no correlation: take the covariances")
        return covariance / np.outer(sd, sd)

    def greater(self):
        """Probability that each group's mean is greater than that of each ``other`` group."""
        mean, own, loadings = self._given(np.arange(self._labels.size))
        result = np.zeros((2, self._labels.size, self._labels.size))
        for k in self._kept():
            apart = loadings[k][:, None] - loadings[k]
            sd = np.sqrt(own[k][:, None] + own[k] + (apart**2).sum(axis=-1))
            above, size = mean[k][:, None] - mean[k], np.abs(mean[k])
            spread = np.linalg.norm(loadings[k], axis=-1)
            equal = sd <= _ROUNDING * np.maximum(spread[:, None], spread)
            equal &= np.abs(above) <= _ROUNDING * np.maximum(size[:, None], size)
            with np.errstate(divide="ignore", invalid="ignore"):
                higher = np.where(equal, 0.0, special.ndtr(above / sd))
            weights = np.array([self._grid.weights[k], self._grid.coarse[k]])
            result += weights[:, None, None] * np.nan_to_num(higher)
        _require_agreement(*result)
        np.fill_diagonal(result[0], 0.0)
        return self._matrix(result[0])

    def best(self) -> xr.DataArray:
        """Probability that each group's mean is the greatest of all, to 1e-5.

        Raises
        ------
        ValueError
            With covariates, or if all groups are known to be equal.
        ArithmeticError
            If the accuracy is not reached.

        Notes
        -----
        Given mu and tau the group means are independent, so that the probability is an integral over one
        of them. It is taken, as that over mu, by the trapezoidal rule, whose step is halved until two
        results agree. The cost grows with the square of the number of groups: with hundreds of them, count
        in draws.
        """
        if len(self._hierarchy.coefficients.known) > 1:
            raise ValueError("best compares groups without covariates: count in posterior.sample instead")
        if not self._grid.points["tau"].any():
            raise ValueError(
                "tau is 0, which makes all groups equal, so that none is best: give a prior of tau, or a "
                "positive number"
            )
        step, found = 1.0, np.inf
        while step >= _FINEST:
            before, (found, coarse) = found, self._best(step)
            # Halving the step squares the error, and more than that.
            if np.abs(found - before).max() ** 2 < _TOLERANCE and abs(found.sum() - 1) < 0.1 * _TOLERANCE:
                _require_agreement(found, coarse)
                return self._labels.copy(data=found)
            step /= 2
        raise ArithmeticError(
            "the probabilities have not converged, as the groups are known so unequally: count in "
            "posterior.sample instead"
        )

    # -- how it works ---------------------------------------------------------------------------

    def _place(self, label):
        """Position of the group of this label."""
        names = pd.Index(self._labels[self._labels.dims[0]].values)
        found = np.flatnonzero(names == label)
        if not found.size:
            raise KeyError(f"no group {label!r} here: give one of {names[: arguments.SHOWN].tolist()}")
        if found.size > 1:
            raise ValueError(f"{label!r} is the label of {found.size} groups: give weights to combination")
        return found[0]

    def _kept(self):
        """Nodes that matter to a probability."""
        order = np.argsort(self._grid.weights)
        return np.sort(order[np.cumsum(self._grid.weights[order]) > _NEGLECTED])

    def _given(self, groups):
        """Means, own variances (K, j) and loadings (K, j, p) of group means given the hyperparameters."""
        shrinkage, *_ = self._hierarchy.parts(groups)
        mean, _ = self._hierarchy.theta(groups)
        design, root = self._hierarchy.coefficients.design[groups], self._hierarchy.root
        loadings = shrinkage[:, :, None] * np.einsum("jp,kpq->kjq", design, root)
        return mean, shrinkage * self._grid.points["tau"][:, None] ** 2, loadings

    def _best(self, step):
        """Probabilities by both rules for the hyperparameters, (2, J)."""
        nodes, of_nodes = _normal_rule(step)
        hierarchy, tau = self._hierarchy, self._grid.points["tau"]
        shrinkage, left, _, total = hierarchy.parts(np.arange(self._labels.size))
        rules = np.stack([self._grid.weights, self._grid.coarse])
        kept = self._kept()
        # mu at its nodes moves what is left of y; a single node where it is known. All depends on it gently.
        at_mu, of_mu = _normal_rule(2 * step) if hierarchy.root.shape[2] else (np.zeros(1), np.ones(1))
        root = hierarchy.root.sum(axis=(1, 2))
        result = np.zeros((2, self._labels.size))
        everyone = range(self._labels.size)
        chunk = max(1, _CACHE // (len(nodes) * len(at_mu)))
        for some in (kept[start : start + chunk] for start in range(0, len(kept), chunk)):
            moved = (root[some, None] * at_mu)[:, :, None]
            # By group, node, place of mu, and place of the group's own mean.
            weight = (tau[some, None] ** 2 / total[some]).T[:, :, None, None]
            centre = weight * (left[some].T[:, :, None, None] - moved)
            sd = (tau[some, None] * np.sqrt(shrinkage[some])).T[:, :, None, None]
            for i in everyone:
                of_i, chance = centre[i] + sd[i] * nodes, 1.0
                for j in everyone:
                    if j != i:
                        chance = chance * special.ndtr((of_i - centre[j]) / sd[j])
                result[:, i] += rules[:, some] @ (chance * np.ones_like(of_i) @ of_nodes @ of_mu)
        return result

    def _matrix(self, values):
        (dim,) = self._labels.dims
        coords = dict(self._labels.coords)
        if dim in coords:
            coords["other"] = coords[dim].values
        return xr.DataArray(values, dims=(dim, "other"), coords=coords)


def _normal_rule(step):
    """Trapezoidal rule for expectations under the standard Normal."""
    nodes = np.arange(-_REACH, _REACH + step, step)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


def _require_agreement(fine, coarse):
    """Refuse probabilities that two rules tell differently."""
    error = np.abs(fine - coarse).max() ** _GAIN
    if error > _TOLERANCE:
        raise ArithmeticError(
            f"the estimated error {error:.1e} stays above {_TOLERANCE:g}: count in posterior.sample instead"
        )
