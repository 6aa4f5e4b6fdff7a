"""Reference for mixed models: a linear system at every point of a rule over the logs of scales and over rho.

The package absorbs the effects of one term and grows a lattice from the mode; here all effects and
coefficients are unknowns of one system, standardised by their priors, and the rule covers a rectangle.
"""

import numpy as np
from scipy import interpolate, ndimage, special

_FALL = 40.0
# Points that are solved at a time.
_BLOCK = 20_000


class Mixed:
    """Posterior of a mixed model with at most three unknown scales and correlations.

    Parameters
    ----------
    y, X, labels : arrays
        Observations, design (N, p), and (T, N) codes of the groups of T terms.
    beta : list of (mean, sd)
    scales : list of frozen distributions or floats
        Of sigma, then of each term, then of the slopes in the first term if they vary.
    nodes : int
        The steps are inversely proportional to it.
    x, rho : (N,) array and frozen distribution or float, optional
        The predictor whose slope varies, and the correlation.
    """

    furthest = 0.0

    def __init__(self, y, X, labels, beta, scales, nodes, x=None, rho=None):
        self.y, self.X, self.x = y, X, x
        self._mean, self._sd = np.array(beta).T
        self._priors = [*scales, *([] if x is None else [rho])]
        self._is_scale = [True] * len(scales) + [False] * (x is not None)
        self.loadings = [np.eye(codes.max() + 1)[codes] for codes in labels]
        unknown = [not isinstance(prior, float) for prior in self._priors]
        fine, first = (1.6 / nodes, 0.5) if sum(unknown) < 3 else (2.8 / nodes, 1.0)
        lines = []
        for i, prior in enumerate(self._priors):
            middle = np.log(prior.median()) if unknown[i] and self._is_scale[i] else 0.0
            lines.append(self._line(i, (middle - (20 if i else 14), middle + 16), first, 10))
        self._set_points(lines)
        log = self._solve()
        shape = [len(line) for line, _ in lines]
        around = ndimage.maximum_filter(log.reshape(shape), [3 if n > 1 else 1 for n in shape])
        live = self.z[:, log > log.max() - _FALL]
        ends = np.stack([live.min(axis=1) - first, live.max(axis=1) + first], axis=1)
        steps = np.minimum(fine, np.diff(ends, axis=1)[:, 0] / (3.5 * nodes))
        lines, before = [self._line(i, ends[i], steps[i], nodes + 4) for i in range(len(lines))], lines
        self._set_points(lines)
        # The second time only next to where something is.
        shape = [len(line) for line, _ in lines]
        near = [
            np.abs(z[:, None] - line[None]).argmin(axis=1)
            for (z, _), (line, _) in zip(lines, before, strict=True)
        ]
        kept = (around[np.ix_(*near)] > log.max() - _FALL).ravel()
        self.z, self.points, self.rule = self.z[:, kept], self.points[:, kept], self.rule[kept]
        log = self._solve()
        mass = self.rule * np.exp(log - log.max())
        self.log_evidence = log.max() + np.log(mass.sum())
        self.weights = mass / mass.sum()
        self._lines = {i: self._along(i, kept, shape, lines[i]) for i, free in enumerate(unknown) if free}

    def _line(self, i, ends, step, nodes):
        """Points and weights for the log of a scale, or for rho."""
        if isinstance(self._priors[i], float):
            value = self._priors[i]
            return np.array([np.log(value) if self._is_scale[i] else value]), np.ones(1)
        if not self._is_scale[i]:
            return special.roots_legendre(2 * nodes)
        line = np.arange(*ends, step)
        return line, np.full(len(line), step)

    def _set_points(self, lines):
        def grid(part):
            return np.stack([m.ravel() for m in np.meshgrid(*(line[part] for line in lines), indexing="ij")])

        self.z, self.rule = grid(0), grid(1).prod(axis=0)
        self.points = np.where(np.array(self._is_scale)[:, None], np.exp(self.z), self.z)

    def _along(self, i, kept, shape, line):
        """Distribution function and density along the variable of one line."""
        z, rule = line
        mass = np.zeros(len(kept))
        mass[kept] = self.weights
        density = mass.reshape(shape).sum(axis=tuple(j for j in range(len(shape)) if j != i)) / rule
        if self._is_scale[i]:
            density = interpolate.make_interp_spline(z, density, 7)
            return density.antiderivative(), density, z[0], z[-1]
        density = np.polynomial.Legendre.fit(z, density, len(z) - 1, domain=[-1, 1])
        return density.integ(lbnd=-1), density, -1.0, 1.0

    def _solve(self):
        """Log density at each point, and what laws need of it."""
        parts = [self._solved(self.points[:, k : k + _BLOCK]) for k in range(0, len(self.rule), _BLOCK)]
        log, self.mean, self.covariance = (np.concatenate(part) for part in zip(*parts, strict=True))
        for prior, point, z, is_scale in zip(self._priors, self.points, self.z, self._is_scale, strict=True):
            if not isinstance(prior, float):
                log = log + prior.logpdf(point) + (z if is_scale else 0.0)
        return np.where(np.isfinite(log), log, -np.inf)

    def _blocks(self, points):
        """Columns of the unknowns, for each point: coefficients, effects, what slopes have of their own."""
        yield np.broadcast_to(self.X * self._sd, (points.shape[1], *self.X.shape))
        for i, loading in enumerate(self.loadings):
            block = points[1 + i, :, None, None] * loading
            if self.x is not None and not i:
                tau, rho = points[-2:, :, None, None]
                sloped = tau * loading * self.x[:, None]
                block, own = block + rho * sloped, np.sqrt(1 - rho**2) * sloped
            yield block
        if self.x is not None:
            yield own

    def _solved(self, points):
        n, sigma = len(self.y), points[0]
        A = np.concatenate(list(self._blocks(points)), axis=2) / sigma[:, None, None]
        left = (self.y - self.X @ self._mean) / sigma[:, None]
        # With singular values of any size nothing cancels.
        u, s, v = np.linalg.svd(A)
        s = np.concatenate([s, np.zeros((len(s), max(A.shape[2] - n, 0)))], axis=1)
        seen = np.zeros((len(s), n))
        seen[:, : s.shape[1]] = s[:, :n]
        along = np.einsum("kni,kn->ki", u, left)
        solved = np.zeros(s.shape)
        solved[:, :n] = ((seen / (1 + seen**2)) * along)[:, : s.shape[1]]
        square = (along**2 / (1 + seen**2)).sum(axis=1)
        determinant = n * np.log(2 * np.pi * sigma**2) + np.log1p(s**2).sum(axis=1)
        covariance = (v.swapaxes(1, 2) / (1 + s**2)[:, None]) @ v
        return -0.5 * (determinant + square), np.einsum("kia,ki->ka", v, solved), covariance

    def coefficient(self, i):
        """Law of a coefficient."""
        mean, variance = self.mean[:, i], self.covariance[:, i, i]
        return 0.0, self._mean[i] + self._sd[i] * mean, self._sd[i] ** 2 * variance

    def effect(self, term, group):
        """Law of the effect of a group."""
        i = self._column(term, group)
        tau = self.points[1 + term]
        return 0.0, tau * self.mean[:, i], tau**2 * self.covariance[:, i, i]

    def slope(self, group):
        """Law of what a group's slope has beyond the common one."""
        i, j = self._column(0, group), self._column(len(self.loadings), group)
        tau, rho = self.points[-2:]
        own = np.sqrt(1 - rho**2)
        spread = rho**2 * self.covariance[:, i, i] + own**2 * self.covariance[:, j, j]
        spread += 2 * rho * own * self.covariance[:, i, j]
        return 0.0, tau * (rho * self.mean[:, i] + own * self.mean[:, j]), tau**2 * spread

    def _column(self, term, group):
        return len(self._sd) + sum(loading.shape[1] for loading in self.loadings[:term]) + group

    def moments(self, law):
        """Mean and sd of a law."""
        mean = self.weights @ law[1]
        return mean, np.sqrt(self.weights @ (law[2] + (law[1] - mean) ** 2))

    def cdf(self, law, x):
        """Distribution function of a law at x, and its density."""
        used = self.weights > 1e-15
        scale = np.sqrt(law[2][used])
        z = (x - law[1][used]) / scale
        density = np.exp(-0.5 * z**2) / (scale * np.sqrt(2 * np.pi))
        return float(self.weights[used] @ special.ndtr(z)), float(self.weights[used] @ density)

    def scale_moments(self, i):
        """Mean and sd of a scale, or of rho."""
        mean = self.weights @ self.points[i]
        return mean, np.sqrt(self.weights @ (self.points[i] - mean) ** 2)

    def scale_cdf(self, i, x):
        """Distribution function of a scale, or of rho, at x, and its density."""
        below, density, low, high = self._lines[i]
        at = np.log(x) if self._is_scale[i] else x
        z = np.clip(at, low, high)
        return float(below(z) - below(low)), float(density(z) * (z == at) / (x if self._is_scale[i] else 1.0))
