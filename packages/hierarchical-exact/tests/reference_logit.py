"""Reference for proportions under a Normal population of log odds: nested Gauss-Legendre rules."""

import numpy as np
from lines import FALL
from reference_counts import LOG_2PI, Poisson
from scipy import special


class Logit(Poisson):
    """Exact posterior of `hierarchical_exact.logit_normal`; only a group's own integral is another."""

    def __init__(self, y, n, mu, tau, nodes=14):
        self.n = np.asarray(n, dtype=float)
        super().__init__(y, np.ones(len(y)), mu, tau, nodes)

    def _log_group(self, j, mu, scale, nodes):
        """Log of the integral over x of Normal(x | mu, scale) Binomial(y | n, expit(x)): one peak."""
        y, n = self.y[j], self.n[j]

        def slope(x):
            return y - n * special.expit(x) - (x - mu) / scale**2

        # The mode is between the population's mean and what the counts say, which may be infinite.
        beyond = 1 + np.log1p(n * scale**2)
        own = special.logit(y / n) if 0 < y < n else mu
        low = np.minimum(mu, 0.0) - beyond if n and y == 0 else np.minimum(mu, own)
        high = np.maximum(mu, 0.0) + beyond if n and y == n else np.maximum(mu, own)
        for _ in range(30):
            middle = 0.5 * (low + high)
            rising = slope(middle) > 0
            low, high = np.where(rising, middle, low), np.where(rising, high, middle)
        mode = 0.5 * (low + high)
        for _ in range(5):
            theta = special.expit(mode)
            mode = np.clip(mode + slope(mode) / (n * theta * (1 - theta) + scale**-2), low, high)
        theta, rest, left_over = special.expit(mode), special.expit(-mode), slope(mode)

        def fall(d, sign):
            """How much lower the log of the integrand is at a distance d from the mode."""
            ahead, behind = (rest, theta) if sign > 0 else (theta, rest)
            bent = np.log(behind + ahead * np.exp(-d)) + d * ahead
            bent = np.where(d < 1, np.log1p(ahead * np.expm1(-d)) + d * ahead, bent)
            return 0.5 * (d / scale) ** 2 + n * bent - sign * left_over * d

        points, rule = special.roots_legendre(2 * nodes)
        total = 0.0
        for sign in (1, -1):
            far = np.log(9.2 * scale) + np.zeros(mu.shape)
            near = far - 0.1 - 0.5 * np.log1p(n * scale**2 / 4)
            for _ in range(16):
                middle = 0.5 * (near + far)
                beyond = fall(np.exp(middle), sign) > FALL
                near, far = np.where(beyond, near, middle), np.where(beyond, middle, far)
            far = np.exp(far)
            for start, stop in ((0.0, 0.1), (0.1, 0.35), (0.35, 1.0)):
                half = 0.5 * (stop - start) * far
                for node, weight in zip(points, rule, strict=True):
                    d = start * far + half * (1 + node)
                    total = total + weight * half * np.exp(-fall(d, sign))
        peak = self._log_likelihood(j, mode) - 0.5 * ((mode - mu) / scale) ** 2
        return peak - np.log(scale) - 0.5 * LOG_2PI + np.log(total)

    def _log_likelihood(self, j, x):
        return self.log_chance(self.y[j], self.n[j], x)

    @staticmethod
    def log_chance(y, n, x):
        """Log probability of y successes of n at log odds x; SciPy's fails at tiny shares."""
        ways = special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1)
        return y * special.log_expit(x) + (n - y) * special.log_expit(-x) + ways

    def _own(self, j):
        return special.logit((self.y[j] + 0.5) / (self.n[j] + 1))
