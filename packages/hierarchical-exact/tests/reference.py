"""References for the exact posteriors that share no code, and no formula, with the package.

Given the scales, the Normal model is a regression. Here its determinants, coefficients and squares are sums
over subsets of rows (Cauchy-Binet): sums of terms of one sign, which cannot cancel however unlike the groups
are. Scales are integrated by Gauss-Legendre panels over their logs, in extended precision.
"""

from itertools import combinations

import numpy as np
from lines import Line, Unresolved
from numpy.polynomial import legendre
from scipy import special

LONG = np.longdouble
NODES, WEIGHTS = (part.astype(LONG) for part in legendre.leggauss(20))
FALL = 70.0


class Normal:
    """Exact posterior of `hierarchical_exact.normal`, with at most one covariate.

    Parameters
    ----------
    y, sigma : (J,) arrays
    mu, beta : (mean, sd)
        An sd of zero is a known value, an infinite one a flat prior.
    tau : frozen distribution, float or None
    x : (J,) array or None
    """

    def __init__(self, y, sigma, mu, tau, x=None, beta=None):
        self.size, self.tau = len(y), tau
        self.y, self.variance = y.astype(LONG), sigma.astype(LONG) ** 2
        self.centre = LONG(y[np.argmin(sigma)])
        design = np.ones((len(y), 1)) if x is None else np.column_stack([np.ones(len(y)), x])
        z = self.y - self.centre
        priors = [(LONG(mu[0]) - self.centre, LONG(mu[1]))]
        if x is not None:
            priors.append((LONG(beta[0]), LONG(beta[1])))
        free = [k for k, (_, sd) in enumerate(priors) if sd > 0]
        for k, (mean, sd) in enumerate(priors):
            if sd == 0:
                z = z - design[:, k] * mean
        self.known = priors[0][0] if priors[0][1] == 0 else None
        self.z = z
        rows, scales, flat = [np.column_stack([design[:, free], z]).astype(LONG)], [], 0
        for position, k in enumerate(free):
            mean, sd = priors[k]
            if np.isinf(sd):
                flat += 1
                continue
            row = np.zeros(len(free) + 1, dtype=LONG)
            row[position], row[-1] = 1, mean
            rows.append(row[None])
            scales.append(sd)
        self.rows, self.prior_sd = np.concatenate(rows), np.array(scales, dtype=LONG)
        self.furthest = float(np.abs(self.rows[:, -1]).max())
        self.p, self.flat = len(free), flat
        self.sets = list(combinations(range(len(self.rows)), self.p))
        self.minors = np.array([_det(self.rows[list(s), : self.p]) for s in self.sets], dtype=LONG)
        self.larger = list(combinations(range(len(self.rows)), self.p + 1))
        self.larger_minors = np.array([_det(self.rows[list(s)]) for s in self.larger], dtype=LONG)
        self.sigma = None
        self._integrate()

    def _noise(self, sigma, j=slice(None)):
        """Variances of the rows."""
        return self.variance[j]

    def _sums(self, tau, sigma=None):
        """Variances (K, J), weights of all rows (K, R), and their products over the sets."""
        variance = self._noise(sigma) + tau[:, None] ** 2
        weight = np.concatenate(
            [1 / variance, np.broadcast_to(self.prior_sd**-2, (len(tau), len(self.prior_sd)))], 1
        )
        return variance, weight, _products(weight, self.sets)

    def log_likelihood(self, tau, sigma=None):
        """Log p(y | tau), (K,)."""
        tau = np.asarray(tau, dtype=LONG)
        variance, weight, products = self._sums(tau, sigma)
        determinant = products @ self.minors**2
        return -0.5 * (
            (self.size - self.flat) * np.log(2 * LONG(np.pi))
            + np.log(variance).sum(axis=1)
            + np.log(determinant)
            + 2 * np.log(self.prior_sd).sum()
            + self._square(weight, determinant)
        )

    def _square(self, weight, determinant):
        """Weighted squares that the regression leaves, (K,)."""
        return (_products(weight, self.larger) @ self.larger_minors**2) / determinant

    def _integrate(self):
        if isinstance(self.tau, float):
            self.u, self.weights = None, np.ones(1, dtype=LONG)
            self.points = np.array([self.tau], dtype=LONG)
            self.log_evidence = float(self.log_likelihood(self.points)[0])
            return
        self.lower = 0.0 if self.tau is None else float(self.tau.support()[0])
        upper = np.inf if self.tau is None else float(self.tau.support()[1])
        self.ends = _live(self._log_f, -650.0, min(600.0, np.log(upper - self.lower)))
        panels, before = 30, None
        while True:
            u, weights = _panels(*self.ends, panels)
            log_f = self._log_f(u)
            peak = log_f.max()
            mass = weights * np.exp(log_f - peak)
            total = mass.sum()
            shape = mass / total
            middle = (shape * u).sum()
            now = np.array([peak + np.log(total), middle, (shape * (u - middle) ** 2).sum()], dtype=float)
            if before is not None and np.all(np.abs(now - before) < 1e-10 * (1 + np.abs(now))):
                break
            if panels > 2000:
                raise Unresolved
            panels, before = 2 * panels, now
        self.panels, self.peak, self.total = panels, peak, total
        self.u, self.weights, self.points = u, shape, LONG(self.lower) + np.exp(u)
        self.log_evidence = float(now[0])

    def _log_f(self, u):
        tau = LONG(self.lower) + np.exp(np.asarray(u, dtype=LONG))
        with np.errstate(over="ignore"):
            prior = 0.0 if self.tau is None else self.tau.logpdf(tau.astype(float))
        return self.log_likelihood(tau) + prior + u

    # -- answers: each about an origin of its own, so that no digit is lost -------------------------

    def tau_moments(self):
        mean = (self.weights * self.points).sum()
        return float(mean), float(np.sqrt((self.weights * (self.points - mean) ** 2).sum()))

    def tau_cdf(self, x):
        """Distribution function and density of tau."""
        if x <= self.lower:
            return 0.0, 0.0
        end = np.log(LONG(x) - LONG(self.lower))
        if end <= self.ends[0]:
            return 0.0, 0.0
        if end >= self.ends[1]:
            return 1.0, 0.0
        u, weights = _panels(self.ends[0], end, self.panels)
        below = (weights * np.exp(self._log_f(u) - self.peak)).sum() / self.total
        density = np.exp(self._log_f(np.array([end], dtype=LONG))[0] - self.peak) / self.total
        return float(below), float(density / (LONG(x) - LONG(self.lower)))

    def _coefficients(self, position):
        """Conditional mean and variance of a coefficient, about the centre."""
        _, weight, products = self._sums(self.points, self.sigma)
        determinant = products @ self.minors**2
        replaced = self.rows[:, : self.p].copy()
        replaced[:, position] = self.rows[:, -1]
        other = np.array([_det(replaced[list(s)]) for s in self.sets], dtype=LONG)
        mean = (products @ (self.minors * other)) / determinant
        rest = np.delete(self.rows[:, : self.p], position, axis=1)
        smaller = list(combinations(range(len(self.rows)), self.p - 1))
        minors = np.array([_det(rest[list(s)]) for s in smaller], dtype=LONG)
        return mean, (_products(weight, smaller) @ minors**2) / determinant

    def mu(self):
        """Law of mu: origin, conditional means about it, conditional variances."""
        if self.known is not None:
            zero = np.zeros(len(self.points), dtype=LONG)
            return self.centre + self.known, zero, zero
        return self.centre, *self._coefficients(0)

    def beta(self):
        return LONG(0), *self._coefficients(self.p - 1)

    def theta_new(self):
        origin, mean, variance = self.mu()
        return origin, mean, variance + self.points**2

    def theta(self, j):
        """Law of theta[j], about y[j]."""
        left = self.z[j] + np.zeros(len(self.points), dtype=LONG)
        spread = np.zeros(len(self.points), dtype=LONG)
        if self.p:
            _, weight, products = self._sums(self.points, self.sigma)
            determinant = products @ self.minors**2
            with_j = np.array([_det(self.rows[[*s, j]]) for s in self.sets], dtype=LONG)
            left = (products @ (self.minors * with_j)) / determinant
            smaller = list(combinations(range(len(self.rows)), self.p - 1))
            minors = np.array([_det(self.rows[[*s, j], : self.p]) for s in smaller], dtype=LONG)
            spread = (_products(weight, smaller) @ minors**2) / determinant
        noise = self._noise(self.sigma, j)
        total = noise + self.points**2
        shrinkage = noise / total
        return self.y[j], -shrinkage * left, self.points**2 * shrinkage + shrinkage**2 * spread

    def moments(self, law):
        """Mean, and sd, of a law; the mean is about its origin."""
        _, mean, variance = law
        centre = (self.weights * mean).sum()
        return centre, float(np.sqrt((self.weights * (variance + (mean - centre) ** 2)).sum()))

    def cdf(self, law, x):
        """Distribution function and density of a law."""
        origin, mean, variance = law
        sd = np.sqrt(variance)
        standard = ((LONG(x) - origin - mean) / sd).astype(float)
        density = self.weights * np.exp(-0.5 * standard**2) / sd
        return float(self.weights @ special.ndtr(standard).astype(LONG)), float(
            density.sum() / np.sqrt(2 * np.pi)
        )


class Groups(Normal):
    """Exact posterior of `hierarchical_exact.normal_groups`: averages whose noise is sigma / sqrt(size).

    Parameters
    ----------
    y, codes : (N,) arrays
        Observations, and the positions of their groups.
    mu : (mean, sd)
    tau, sigma : frozen distribution, float or None
    nodes : int
    """

    def __init__(self, y, codes, mu, tau, sigma, nodes=14):
        self.observed, self.codes = y.astype(LONG), codes
        self.sizes = np.bincount(codes).astype(LONG)
        averages = np.array([self.observed[codes == j].sum() for j in range(len(self.sizes))]) / self.sizes
        self.within = ((self.observed - averages[codes]) ** 2).sum()
        self._sigma_prior, self.nodes = sigma, nodes
        super().__init__(averages, np.ones(len(averages)), mu, tau)

    def _noise(self, sigma, j=slice(None)):
        return sigma**2 / self.sizes[j] if isinstance(j, int) else sigma[:, None] ** 2 / self.sizes[j]

    def _square(self, weight, determinant):
        """Of so many groups fewer terms, which do not cancel either: squares about the fitted mean."""
        if not self.p:
            return super()._square(weight, determinant)
        z = self.rows[:, -1]
        middle = (weight @ z) / determinant
        return (weight * (z - middle[:, None]) ** 2).sum(axis=1)

    def log_likelihood(self, tau, sigma):
        freedom = len(self.observed) - self.size
        return super().log_likelihood(tau, sigma) - 0.5 * (
            freedom * np.log(2 * LONG(np.pi) * sigma**2) + np.log(self.sizes).sum() + self.within / sigma**2
        )

    def _integrate(self):
        self.outer = self.inner = None
        if not isinstance(self._sigma_prior, float):
            self.outer = Line(self._log_outer, *log_ends(self._sigma_prior), self.nodes, nested=True)
        u = np.array([np.log(self._sigma_prior)]) if self.outer is None else self.outer.x[0]
        over = np.ones(1) if self.outer is None else self.outer.weights[0]
        sigma = np.exp(u.astype(LONG))
        if isinstance(self.tau, float):
            self.points, self.sigma, self.weights = np.full(len(u), LONG(self.tau)), sigma, over.astype(LONG)
            log_total = self.log_likelihood(self.points, sigma)
        else:
            self.inner = self._inner(sigma, self.nodes)
            self.points = np.exp(self.inner.x.astype(LONG)).ravel()
            self.sigma = np.repeat(sigma, self.inner.x.shape[1])
            self.weights = (over[:, None] * self.inner.weights).ravel().astype(LONG)
            log_total = self.inner.log_total
        self.over = over
        self.log_evidence = float(log_total[0] if self.outer is None else self.outer.log_total[0])
        if self.outer is not None and self.inner is not None:
            self._refuse_a_second_peak()

    def _refuse_a_second_peak(self, size=100):
        """Lines follow one peak: data may have another, where the other scale explains them."""
        largest = float(max(np.abs(self.rows[:, -1]).max(), np.sqrt(self.within)))
        least = min(float(np.exp(self.outer.low[0])), float(np.exp(self.inner.low.min())), largest / 1e4)
        scale = np.exp(np.linspace(np.log(least), np.log(5 * largest), size))
        tau, sigma = (part.ravel() for part in np.meshgrid(scale, scale))

        def log_f(tau, sigma):
            prior = 0.0 if self.tau is None else self.tau.logpdf(tau)
            value = self.log_likelihood(tau.astype(LONG), sigma.astype(LONG)).astype(float)
            return value + prior + self._sigma_prior.logpdf(sigma) + np.log(tau * sigma)

        top = log_f(self.points.astype(float), self.sigma.astype(float)).max()
        u = np.log(sigma)
        elsewhere = (u < self.outer.low) | (u > self.outer.high)
        if elsewhere.any() and log_f(tau[elsewhere], sigma[elsewhere]).max() > top - FALL / 2:
            raise Unresolved

    def _log_outer(self, u, nodes):
        sigma = np.exp(u[0].astype(LONG))
        if isinstance(self.tau, float):
            value = self.log_likelihood(np.full(len(sigma), LONG(self.tau)), sigma)
        else:
            value = self._inner(sigma, nodes).log_total
        return (value.astype(float) + self._sigma_prior.logpdf(np.exp(u[0])) + u[0])[None]

    def _inner(self, sigma, nodes):
        """Line of log tau for each sigma."""
        low, high = (-300.0, 250.0) if self.tau is None else log_ends(self.tau)

        def log_f(v):
            tau = np.exp(v.astype(LONG)).ravel()
            prior = 0.0 if self.tau is None else self.tau.logpdf(np.exp(v))
            value = self.log_likelihood(tau, np.repeat(sigma, v.shape[1]))
            return value.astype(float).reshape(v.shape) + prior + v

        rows = np.ones(len(sigma))
        return Line(log_f, low * rows, high * rows, nodes)

    def scale_moments(self, name):
        """Mean and sd of tau or sigma."""
        x = {"tau": self.points, "sigma": self.sigma}[name]
        mean = (self.weights * x).sum()
        return float(mean), float(np.sqrt((self.weights * (x - mean) ** 2).sum()))

    def scale_cdf(self, name, x):
        """Distribution function and density of tau or sigma."""
        if name == "sigma":
            below, density = (float(part[0]) for part in self.outer.below(np.log(x)))
        else:
            below, density = (float(self.over @ part) for part in self.inner.below(np.log(x)))
        return below, density / x

    def replicate(self, n):
        """Law of a new observation beside observation n."""
        origin, mean, variance = self.theta(int(self.codes[n]))
        return origin, mean, variance + self.sigma**2


def log_ends(prior):
    """Ends of the log of a scale, within numbers, (1,) each."""
    lower, upper = (float(end) for end in prior.support())
    with np.errstate(divide="ignore"):
        return np.array([max(np.log(lower), -300.0)]), np.array([min(np.log(upper), 250.0)])


def _products(weight, sets):
    """Products of weights over each set, (K, S)."""
    result = np.ones((len(weight), len(sets)), dtype=LONG)
    for position, rows in enumerate(sets):
        for row in rows:
            result[:, position] *= weight[:, row]
    return result


def _det(rows):
    """Determinant of at most three rows, as differences from the first."""
    n = len(rows)
    if n == 0:
        return LONG(1)
    if n == 1:
        return rows[0, 0]
    if n == 2:
        return rows[0, 0] * rows[1, 1] - rows[0, 1] * rows[1, 0]
    if np.all(rows[:, 0] == 1):
        a, b = rows[1] - rows[0], rows[2] - rows[0]
        return a[1] * b[2] - a[2] * b[1]
    return sum((-1) ** k * rows[0, k] * _det(np.delete(rows[1:], k, axis=1)) for k in range(3))


def _panels(low, high, count):
    """Nodes and weights of Gauss-Legendre panels of equal width."""
    edges = np.linspace(LONG(low), LONG(high), count + 1)
    half = 0.5 * np.diff(edges)[:, None]
    middle = 0.5 * (edges[1:] + edges[:-1])[:, None]
    return (middle + half * NODES).ravel(), (half * WEIGHTS).ravel()


def _live(log_f, low, high):
    """Ends between which the density, or its second moment, has not fallen by FALL nats."""
    first, last, top = low, high, _highest(log_f, low, high)
    for _ in range(40):
        u = np.sort(np.append(np.linspace(low, high, 400), top))
        value = log_f(u)
        mode = u[np.argmax(value)]
        raised = value + 2 * np.clip(u - mode, 0, None)
        alive = np.flatnonzero(
            (value > value.max() - FALL) | (raised > value.max() - FALL) & (value > -np.inf)
        )
        new_low = max(first, u[max(alive[0] - 1, 0)])
        new_high = min(last, u[min(alive[-1] + 1, len(u) - 1)])
        if (new_high - new_low) > 0.7 * (high - low):
            return new_low, new_high
        low, high = new_low, new_high
    raise Unresolved


def _highest(log_f, low, high):
    """Where the density is highest: every top of a grid is climbed, since the highest may be between two."""
    u = np.linspace(low, high, 4000)
    value = np.pad(log_f(u), 1, constant_values=-np.inf)
    tops = u[(value[1:-1] > value[:-2]) & (value[1:-1] >= value[2:])]
    step = u[1] - u[0]
    while step > 1e-6:
        near = np.clip(tops[:, None] + step * np.linspace(-1, 1, 21), low, high)
        tops = near[np.arange(len(near)), log_f(near.ravel()).reshape(near.shape).argmax(axis=1)]
        step /= 10
    return tops[np.argmax(log_f(tops))]
