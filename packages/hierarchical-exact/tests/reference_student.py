"""Reference for effects under a Student-t population that shares neither code nor method with the package."""

from itertools import pairwise

import numpy as np
from lines import Line
from numpy.polynomial import legendre
from reference import log_ends
from reference_counts import LOG_2PI, _inner_cdf, _log_sum, _moments, _outer_cdf, _Point, known
from scipy import special

# Beyond this many standard errors nothing is left of a group's likelihood, up to fifty degrees of freedom.
_FAR = 80.0
# A narrower population, in standard errors, makes no difference.
_NARROW = 1e-10
# Values of tau with a smaller weight say nothing of a mean.
_LIGHT = 1e-10
# Panels on either side of a population's centre.
_BESIDE = 16


class Student:
    """Exact posterior of `hierarchical_exact.student_t`: over mu given tau, and over the log of tau.

    A group's likelihood is an integral over its mean, on panels about the observation and about mu. The mean
    has a density: the population's, given all other groups, times its own likelihood.
    """

    def __init__(self, y, sigma, mu, tau, nu, nodes=14):
        self.y, self.s = np.asarray(y, dtype=float), np.asarray(sigma, dtype=float)
        self.mu, self.tau, self.nu, self.nodes = mu, tau, nu, nodes
        self._constant = (
            special.gammaln(0.5 * (nu + 1)) - special.gammaln(0.5 * nu) - 0.5 * np.log(np.pi * nu)
        )
        if known(tau):
            u = np.log([[tau]])
            self.outer = _Point(u[0, 0], self._log_outer(u, nodes)[0])
        else:
            self.outer = Line(self._log_outer, *log_ends(tau), nodes, nested=True)
        self.log_evidence = float(self.outer.log_total[0])
        self.scale, self.row_weights = np.exp(self.outer.x[0]), self.outer.weights[0]
        self.inner = self._inner(self.scale, nodes)

    def _log_outer(self, u, nodes):
        scale = np.exp(u[0])
        prior = 0.0 if known(self.tau) else self.tau.logpdf(scale) + u[0]
        return (self._inner(scale, nodes).log_total + prior)[None]

    def _inner(self, scale, nodes):
        """Line of mu for each tau."""
        mean, sd = self.mu.mean(), self.mu.std()
        ends = (mean + 37 * sd * np.array([[-1.0], [1.0]])) * np.ones(len(scale))

        def log_f(mu, nodes):
            each = (self._log_group(j, mu, scale[:, None], nodes) for j in range(len(self.y)))
            return sum(each) + self.mu.logpdf(mu)

        return Line(log_f, *ends, nodes, nested=True)

    def _log_group(self, j, mu, scale, nodes):
        """Log of the integral of Normal(y | theta, sigma) StudentT(theta | nu, mu, tau), (R, m)."""
        apart, r = np.abs(self.y[j] - mu) / self.s[j], np.maximum(scale / self.s[j], _NARROW)
        steps = np.append([-10.0, -5, -2.5, -1], np.arange(0, min(apart.max(), _FAR - 10) + 10, 2.5))
        beside = r / 3 * (300 / r) ** np.linspace(0, 1, _BESIDE)[:, None, None]
        edges = [apart[None] + np.zeros_like(beside[:1]), apart - beside, apart + beside]
        edges += [np.broadcast_to(step, (1, *apart.shape)) for step in steps]
        edges = np.sort(np.clip(np.concatenate(edges), -10, steps[-1]), axis=0)

        def log_f(z):
            return -0.5 * z * z - 0.5 * (self.nu + 1) * np.log1p(((apart - z) / r) ** 2 / self.nu)

        top = log_f(edges).max(axis=0)
        x, w = special.roots_legendre(nodes // 2 + 3)
        total = np.zeros(apart.shape)
        for start, stop in pairwise(edges):
            half = 0.5 * (stop - start)
            for node, weight in zip(x, w, strict=True):
                total += weight * half * np.exp(log_f(start + half * (1 + node)) - top)
        return top + np.log(total) + self._constant - np.log(r * self.s[j]) - 0.5 * LOG_2PI

    # -- answers ------------------------------------------------------------------------------------

    def tau_moments(self):
        return _moments(self.scale, self.row_weights)

    def tau_cdf(self, x):
        """Distribution function and density of tau."""
        return _outer_cdf(self, x)

    def mu_moments(self):
        return _moments(self.inner.x, self.inner.weights * self.row_weights[:, None])

    def mu_cdf(self, x):
        """Distribution function and density of mu."""
        return _inner_cdf(self, x)

    def theta(self, j):
        """Line of the mean of group j, whose integral must be one."""
        own = self._log_group(j, self.inner.x, self.scale[:, None], self.nodes)
        population = self._population(self.inner.less(own))

        def log_f(x, nodes):
            z = (self.y[j] - x) / self.s[j]
            return population(x, nodes) - 0.5 * z * z - np.log(self.s[j]) - 0.5 * LOG_2PI

        reach = 10 * self.s[j]
        return Line(log_f, [self.y[j] - reach], [self.y[j] + reach], self.nodes, fall=36.0, nested=True)

    def theta_new(self):
        """Line of the inverse hyperbolic sine of a new group's mean, standardised by what comes with it."""
        middle, _ = self.mu_moments()
        width = float(np.exp(self.row_weights @ np.log(self.scale)))
        population = self._population(self.inner)

        def log_f(t, nodes):
            return (
                population(middle + width * np.sinh(t), nodes)
                + np.log(width)
                + np.logaddexp(t, -t)
                - np.log(2)
            )

        return Line(log_f, [-60.0], [60.0], self.nodes, fall=36.0, nested=True), middle, width

    def _population(self, line):
        """Log density of a mean as a function of x (1, m) and nodes, by a line of mu for each tau."""
        rows = self.row_weights > _LIGHT
        # As for the groups: narrower than numbers tell x apart it is a spike that no node finds.
        scale = np.maximum(self.scale[rows, None], _NARROW * self.s.min())
        edges = line.edges[rows]
        log_rows = np.log(self.row_weights[rows]) - self.inner.log_total[rows]

        def one(x, gauss, weight):
            beside = scale / 3 * (3 * np.ptp(edges) / scale + 3) ** np.linspace(0, 1, _BESIDE)
            cuts = np.concatenate([edges, x + np.zeros_like(scale), x - beside, x + beside], axis=1)
            cuts = np.sort(np.clip(cuts, edges[:, :1], edges[:, -1:]), axis=1)
            half = 0.5 * np.diff(cuts, axis=1)[..., None]
            mu = (cuts[:, :-1, None] + half * (1 + gauss)).reshape(len(scale), -1)
            with np.errstate(divide="ignore"):
                log_rule = np.log(half * weight).reshape(mu.shape)
            log_t = (
                self._constant
                - np.log(scale)
                - 0.5 * (self.nu + 1) * np.log1p(((x - mu) / scale) ** 2 / self.nu)
            )
            return float(_log_sum((_log_sum(log_rule + log_t + line.at(mu, rows)) + log_rows)[None])[0])

        return lambda x, nodes: np.array([[one(value, *legendre.leggauss(nodes)) for value in x[0]]])
