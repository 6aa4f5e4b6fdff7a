"""Reference for mixed models: a linear system at every point of a trapezoidal rule over the logs of scales.

The package absorbs the effects of one term and grows a lattice from the mode; here all effects and
coefficients are unknowns of one system, standardised by their priors, and the rule covers a rectangle.
"""

import numpy as np
from scipy import interpolate, special

_FALL = 40.0


class Mixed:
    """Posterior of a mixed model with at most two unknown scales.

    Parameters
    ----------
    y, X, labels : arrays
        Observations, design (N, p), and (T, N) codes of the groups of T terms.
    beta : list of (mean, sd)
    scales : list of frozen distributions or floats
        Of sigma, then of each term.
    nodes : int
        The steps are inversely proportional to it.
    """

    furthest = 0.0

    def __init__(self, y, X, labels, beta, scales, nodes):
        self.y, self.X = y, X
        self._mean, sd = np.array(beta).T
        self._sd, self._scales = sd, scales
        self.loadings = [np.eye(codes.max() + 1)[codes] for codes in labels]
        step = 1.6 / nodes
        lines = [
            np.log([scale])
            if isinstance(scale, float)
            else np.log(scale.median()) + np.arange(start, 16, 0.5)
            for scale, start in zip(scales, (-14, -20, -20), strict=False)
        ]
        for narrow in (False, True):  # the second time where something is
            shape = [len(line) for line in lines]
            self.points = np.exp(np.stack([m.ravel() for m in np.meshgrid(*lines, indexing="ij")]))
            log = self._log_density()
            if narrow:
                break
            live = np.log(self.points[:, log > log.max() - _FALL])
            ends = live.min(axis=1) - 1, live.max(axis=1) + 1
            lines = [
                np.arange(low, high, step) if len(line) > 1 else line
                for line, low, high in zip(lines, *ends, strict=True)
            ]
        steps = np.prod([step for line in lines if len(line) > 1])
        self.log_evidence = log.max() + np.log(np.exp(log - log.max()).sum() * steps)
        self.weights = np.exp(log - self.log_evidence) * steps
        self._lines = {}
        for i, line in enumerate(lines):
            if len(line) > 1:
                along = (
                    self.weights.reshape(shape).sum(axis=tuple(j for j in range(len(lines)) if j != i)) / step
                )
                self._lines[i] = interpolate.make_interp_spline(line, along, 7).antiderivative(), line

    def _log_density(self):
        """Log density over the logs of the scales, with what laws need of each point."""
        n, (sigma, *taus) = len(self.y), self.points
        blocks = [np.broadcast_to(self.X * self._sd, (len(sigma), *self.X.shape))]
        blocks += [tau[:, None, None] * loading for tau, loading in zip(taus, self.loadings, strict=True)]
        A = np.concatenate(blocks, axis=2) / sigma[:, None, None]
        left = (self.y - self.X @ self._mean) / sigma[:, None]
        # With singular values of any size nothing cancels.
        u, s, v = np.linalg.svd(A)
        s = np.concatenate([s, np.zeros((len(s), max(A.shape[2] - n, 0)))], axis=1)
        self.covariance = (v.swapaxes(1, 2) / (1 + s**2)[:, None]) @ v
        seen = np.zeros((len(s), n))
        seen[:, : s.shape[1]] = s[:, :n]
        along = np.einsum("kni,kn->ki", u, left)
        solved = np.zeros(s.shape)
        solved[:, :n] = ((seen / (1 + seen**2)) * along)[:, : s.shape[1]]
        self.mean = np.einsum("kia,ki->ka", v, solved)
        square = (along**2 / (1 + seen**2)).sum(axis=1)
        determinant = n * np.log(2 * np.pi * sigma**2) + np.log1p(s**2).sum(axis=1)
        log = -0.5 * (determinant + square)
        for scale, x in zip(self._scales, self.points, strict=True):
            if not isinstance(scale, float):
                log = log + scale.logpdf(x) + np.log(x)
        return np.where(np.isfinite(log), log, -np.inf)

    def coefficient(self, i):
        """Law of a coefficient."""
        return self._law(i, self._mean[i], self._sd[i])

    def effect(self, term, group):
        """Law of the effect of a group."""
        before = sum(loading.shape[1] for loading in self.loadings[:term])
        return self._law(len(self._sd) + before + group, 0.0, self.points[1 + term])

    def _law(self, column, origin, scale):
        """Conditional mean and variance of an unknown, in its own units."""
        mean, variance = self.mean[:, column], self.covariance[:, column, column]
        return 0.0, origin + scale * mean, scale**2 * variance

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
        """Mean and sd of a scale."""
        mean = self.weights @ self.points[i]
        return mean, np.sqrt(self.weights @ (self.points[i] - mean) ** 2)

    def scale_cdf(self, i, x):
        """Distribution function of a scale at x, and its density."""
        below, line = self._lines[i]
        z = np.clip(np.log(x), line[0], line[-1])
        return float(below(z) - below(line[0])), float(below.derivative()(z) / x)
