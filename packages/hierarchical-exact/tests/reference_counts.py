"""References for posteriors of counts that share neither code nor method with the package."""

import numpy as np
from lines import FALL, Line
from numpy.polynomial import legendre
from reference import LONG, log_ends
from scipy import special, stats

LOG_2PI = float(np.log(2 * np.pi))


def known(prior):
    """Whether a prior is a number."""
    return isinstance(prior, (int, float))


# Beyond these, another sigma of the log rates makes no difference.
_DIFFERENT = 1e-12, 1e12


class _Point:
    """Stands for a line of a known variable."""

    def __init__(self, value, log_total):
        self.x = np.full((len(log_total), 1), value)
        self.weights, self.log_total, self.width = np.ones(self.x.shape), log_total, np.zeros(len(self.x))


def _moments(x, weights):
    mean = float((weights * x).sum())
    return mean, float(np.sqrt((weights * (x - mean) ** 2).sum()))


# -- Poisson counts with log-normal rates ------------------------------------------------------------


def _outer_cdf(nested, x):
    """Distribution function and density of the outer variable, of which the logarithm is integrated over."""
    below, density = nested.outer.below(np.log(x))
    return float(below[0]), float(density[0] / x)


def _inner_cdf(nested, x):
    """Distribution function and density of the inner variable, given each value of the outer one."""
    below, density = nested.inner.below(x)
    return float(nested.row_weights @ below), float(nested.row_weights @ density)


class Poisson:
    """Exact posterior of `hierarchical_exact.poisson`: over mu given sigma, and over sigma.

    The log rate of a group has a density: the population's, given all other groups, times its own likelihood.
    """

    def __init__(self, y, e, mu, sigma, nodes=14):
        self.y, self.log_e = np.asarray(y, dtype=float), np.log(np.asarray(e, dtype=float))
        self.mu, self.sigma, self.nodes = mu, sigma, nodes
        if known(sigma):
            u = np.log([[max(sigma, 1e-12)]])
            self.outer = _Point(u[0, 0], self._log_outer(u, nodes)[0])
        else:
            self.outer = Line(self._log_outer, *log_ends(sigma), nodes, nested=True)
        self.log_evidence = float(self.outer.log_total[0])
        self.scale, self.row_weights = np.exp(self.outer.x[0]), self.outer.weights[0]
        self.likely_scale = np.clip(self.scale, *_DIFFERENT)
        self.inner = self._inner(self.likely_scale, nodes)

    def _log_outer(self, u, nodes):
        scale = np.exp(u[0])
        prior = 0.0 if known(self.sigma) else self.sigma.logpdf(scale) + u[0]
        return (self._inner(np.clip(scale, *_DIFFERENT), nodes).log_total + prior)[None]

    def _inner(self, scale, nodes):
        """Line of mu for each sigma."""
        if known(self.mu):
            return _Point(self.mu, self._log_given(np.full((len(scale), 1), self.mu), scale, nodes)[:, 0])
        middle, low = self.mu.ppf([0.5, 1e-300])
        ends = np.clip([low, 2 * middle - low], *self.mu.support())
        ends = np.clip(ends, -1e3, 1e3)[:, None] * np.ones(len(scale))

        def log_f(mu, nodes):
            return self._log_given(mu, scale, nodes) + self.mu.logpdf(mu)

        return Line(log_f, *ends, nodes, nested=True)

    def _log_given(self, mu, scale, nodes):
        """Log p(y | mu, sigma), (R, m)."""
        return sum(self._log_group(j, mu, scale[:, None], nodes) for j in range(len(self.y)))

    def _log_group(self, j, mu, scale, nodes):
        """Log of the integral over x of Normal(x | mu, sigma) Poisson(y | e exp(x)), which has one peak."""
        y, log_e = self.y[j], self.log_e[j]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):

            def slope(x):
                return y - np.exp(log_e + x) - (x - mu) / scale**2

            own = np.log(y) - log_e if y else np.minimum(mu, -log_e) - np.log1p(scale**2) - 1
            low, high = np.minimum(mu, own), np.maximum(mu, own)
            for _ in range(14):
                middle = 0.5 * (low + high)
                rising = slope(middle) > 0
                low, high = np.where(rising, middle, low), np.where(rising, high, middle)
            mode = high  # The slope is concave: from the right Newton's method does not overshoot.
            for _ in range(7):
                mode = np.clip(mode + slope(mode) / (np.exp(log_e + mode) + scale**-2), low, high)
            mean, left_over = np.exp(log_e + mode), slope(mode)

            def fall(d):
                grown = np.where(mean > 1e-250, mean * (np.expm1(d) - d), np.exp(log_e + mode + d))
                return 0.5 * (d / scale) ** 2 + grown - left_over * d

            ratio = FALL / mean
            reach = {
                1: np.minimum(9.2 * scale, np.log1p(ratio + np.sqrt(2 * ratio)) + 1e-6),
                -1: np.minimum(9.2 * scale, 2 + ratio + np.sqrt(2 * ratio)),
            }
            x, w = special.roots_legendre(2 * nodes)
            total = 0.0
            for sign, far in reach.items():
                near = np.zeros(mu.shape)
                for _ in range(22):
                    middle = 0.5 * (near + far)
                    beyond = fall(sign * middle) > FALL
                    near, far = np.where(beyond, near, middle), np.where(beyond, middle, far)
                for start, stop in ((0.0, 0.35), (0.35, 1.0)):
                    half = 0.5 * (stop - start) * far
                    for node, weight in zip(x, w, strict=True):
                        d = sign * (start * far + half * (1 + node))
                        total = total + weight * half * np.exp(-fall(d))
            peak = y * (log_e + mode) - mean - special.gammaln(y + 1) - 0.5 * ((mode - mu) / scale) ** 2
            return peak - np.log(scale) - 0.5 * LOG_2PI + np.log(total)

    def _log_likelihood(self, j, x):
        mean = self.log_e[j] + x
        return self.y[j] * mean - np.exp(np.minimum(mean, 700.0)) - special.gammaln(self.y[j] + 1)

    def _own(self, j):
        """What its own count says of x, more or less."""
        return np.log(max(self.y[j], 0.5)) - self.log_e[j]

    # -- answers ------------------------------------------------------------------------------------

    def sigma_moments(self):
        return _moments(self.scale, self.row_weights)

    def sigma_cdf(self, x):
        """Distribution function and density of sigma."""
        return _outer_cdf(self, x)

    def mu_moments(self):
        return _moments(self.inner.x, self.inner.weights * self.row_weights[:, None])

    def mu_cdf(self, x):
        """Distribution function and density of mu."""
        return _inner_cdf(self, x)

    def log_rate(self, j=None):
        """Lines of the log rate of group j, or of a new group, one for each sigma."""
        mu, scale = self.inner.x, self.likely_scale[:, None]
        own = 0.0 if j is None else self._log_group(j, mu, scale, self.nodes)
        with np.errstate(divide="ignore"):
            log_mass = np.log(self.inner.weights) - own
        # Where Normal(x | mu, sigma) is a spike between the nodes of mu, mu is taken from x instead.
        narrow = scale[:, 0] < 0.2 * self.inner.width
        wide = ~narrow
        t, t_weights = special.roots_hermitenorm(40)
        log_t = np.log(t_weights / t_weights.sum())
        rest = self.inner.less(own) if narrow.any() else None

        def log_f(x):
            result = np.empty(x.shape)
            z = (x[wide, :, None] - mu[wide, None]) / scale[wide, None]
            result[wide] = _log_sum(log_mass[wide, None] - 0.5 * z * z) - np.log(scale[wide]) - 0.5 * LOG_2PI
            if narrow.any():
                points = x[narrow, :, None] - scale[narrow, None] * t
                value = rest.at(points.reshape(len(points), -1), narrow).reshape(points.shape) + log_t
                result[narrow] = _log_sum(value) - self.inner.log_total[narrow, None]
            return result if j is None else result + self._log_likelihood(j, x)

        # Where its own counts contradict the population, the rate lies between the two.
        own = mu if j is None else self._own(j)
        reach = 9.2 * scale[:, 0]
        low, high = np.minimum(mu, own).min(axis=1), np.maximum(mu, own).max(axis=1)
        return Line(log_f, low - reach, high + reach, self.nodes, fall=36.0)


def _log_sum(terms):
    """Log of the sum of exponentials over the last axis."""
    with np.errstate(divide="ignore"):
        peak = np.maximum(terms.max(axis=-1), -1e300)
        return peak + np.log(np.exp(terms - peak[..., None]).sum(axis=-1))


# -- counts in categories ----------------------------------------------------------------------------


class Dirichlet:
    """Exact posterior of `hierarchical_exact.dirichlet_multinomial` for the first category.

    Shares are broken off one by one, each a variable of its own, so that K categories are K - 1 integrals,
    one inside the other; alpha is one more.
    """

    def __init__(self, table, alpha, baseline, nodes=14):
        self.table, self.alpha, self.nodes = np.asarray(table, dtype=float), alpha, nodes
        self.baseline = np.asarray(baseline, dtype=float)
        self.totals = self.table.sum(axis=1)
        self._tables = {}
        self.constant = float(_lgamma(self.totals + LONG(1)).sum() - _lgamma(self.table + LONG(1)).sum())
        if known(alpha):
            u = np.array([[np.log(alpha)]])
            self.outer = _Point(u[0, 0], self._log_outer(u, nodes)[0])
        else:
            self.outer = Line(self._log_outer, *log_ends(alpha), nodes, nested=True)
        self.log_evidence = float(self.outer.log_total[0])
        self.row_weights = self.outer.weights[0]
        self.concentration = np.exp(self.outer.x[0])
        if known(alpha):
            self.concentration[:] = alpha
        self.inner = self._split(0, self.concentration, nodes)

    def _log_outer(self, u, nodes):
        alpha = np.exp(u[0])
        prior = 0.0 if known(self.alpha) else self.alpha.logpdf(alpha) + u[0]
        if known(self.alpha):
            alpha[:] = self.alpha
        value = self._split(0, alpha, nodes).log_total + prior + self.constant
        for n in self.totals:
            value = value - _rising(alpha, n)
        return value[None]

    def _split(self, k, mass, nodes):
        """Line of the log odds of category k's share of the mass that is left, (R,) of it."""
        own, others = self.baseline[k], self.baseline[k + 1 :].sum()
        mass = mass.astype(LONG)[:, None]

        def log_f(z):
            z = z.astype(LONG)
            share, rest = 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))
            value = -own * np.log1p(np.exp(-z)) - others * np.log1p(np.exp(z))
            value = value + sum(_rising(mass * share, y) for y in self.table[:, k])
            return (value + self._rest(k + 1, mass * rest)).astype(float) - special.betaln(own, others)

        reach = np.ones(len(mass))
        return Line(log_f, -(60 + 60 / own) * reach, (60 + 60 / others) * reach, nodes)

    def _rest(self, k, mass):
        if k == self.table.shape[1] - 1:
            return sum(_rising(mass, y) for y in self.table[:, k])
        # A smooth function of the log of the mass: tabulated on pieces of two units.
        v = np.log(mass.astype(float))
        piece = np.floor(v / 2).astype(int)
        x, _ = legendre.leggauss(self.nodes)
        known_ones = self._tables.setdefault(k, {})
        missing = np.setdiff1d(piece, list(known_ones))
        if len(missing):
            values = self._split(k, np.exp(2 * missing[:, None] + 1 + x).ravel(), self.nodes).log_total
            basis = np.linalg.inv(legendre.legvander(x, self.nodes - 1)).T
            known_ones.update(zip(missing, values.reshape(len(missing), -1) @ basis, strict=True))
        first = min(known_ones)
        table = np.zeros((max(known_ones) - first + 1, self.nodes))
        for position, coefficients in known_ones.items():
            table[position - first] = coefficients
        return legendre.legval(v - 2 * piece - 1, np.moveaxis(table[piece - first], -1, 0), tensor=False)

    # -- answers ------------------------------------------------------------------------------------

    def alpha_moments(self):
        return _moments(self.concentration, self.row_weights)

    def alpha_cdf(self, x):
        """Distribution function and density of alpha."""
        return _outer_cdf(self, x)

    def baseline_moments(self):
        return _moments(special.expit(self.inner.x), self.inner.weights * self.row_weights[:, None])

    def baseline_cdf(self, z):
        """Probability that the log odds of the share in the baseline are at most z, and their density."""
        return _inner_cdf(self, z)

    def shapes(self, y, n):
        """Shapes (A, m) of the Beta law of a group's share, given alpha and the baseline."""
        alpha, z = self.concentration[:, None], self.inner.x
        return alpha * special.expit(z) + y, alpha * special.expit(-z) + (n - y)

    def share_moments(self, y, n):
        """Mean and sd of the share of a group with y of n counts; none is a new group."""
        a, b = self.shapes(y, n)
        weights = self.inner.weights * self.row_weights[:, None]
        mean = float((weights * a / (a + b)).sum())
        variance = a * b / ((a + b) ** 2 * (a + b + 1)) + (a / (a + b) - mean) ** 2
        return mean, float(np.sqrt((weights * variance).sum()))

    def share_cdf(self, z, y, n):
        """Probability that the log odds of that share are at most z, and their density.

        For each alpha the Beta law of the share, as a function of the baseline, is a step where its middle
        is at z: pieces about there are cut anew.
        """
        alpha = self.concentration
        p = float(special.expit(z))
        q = float(special.expit(-z))
        step = np.clip((p * (alpha + n) - y) / alpha, 1e-12, 1 - 1e-12)
        middle = special.logit(step) if n else np.full(len(alpha), z)
        slope = np.maximum(special.expit(middle) * special.expit(-middle), 1e-300)
        width = np.sqrt(p * q / (alpha + n + 1)) * (alpha + n) / alpha / slope
        width = np.clip(width, 1e-9, 3.0)
        cuts = [middle]
        for distance in (0.7, 2, 4, 8, 16):
            cuts += [middle - distance * width, middle + distance * width]
        edges = np.clip(np.stack(cuts, axis=1), self.inner.low[:, None], self.inner.high[:, None])
        edges = np.sort(np.concatenate([edges, self.inner.edges], axis=1), axis=1)
        half = 0.5 * np.diff(edges, axis=1)
        nodes, rule = special.roots_legendre(self.nodes)
        points = ((edges[:, :-1] + half)[..., None] + half[..., None] * nodes).reshape(len(alpha), -1)
        mass = (half[..., None] * rule).reshape(len(alpha), -1)
        mass *= np.exp(self.inner.at(points) - self.inner.log_total[:, None]) * self.row_weights[:, None]
        matters = mass > 1e-13
        mass, points = mass[matters], points[matters]
        alpha = np.broadcast_to(alpha[:, None], matters.shape)[matters]
        a, b = alpha * special.expit(points) + y, alpha * special.expit(-points) + (n - y)
        with np.errstate(over="ignore", under="ignore"):
            # Near zero numbers have fewer digits than the power that the law is there.
            power = np.exp(a * z - special.gammaln(a + 1) - special.gammaln(b) + special.gammaln(a + b))
            above = np.exp(-b * z - special.gammaln(b + 1) - special.gammaln(a) + special.gammaln(a + b))
        below = special.betainc(a, b, p) if p <= 0.5 else special.betaincc(b, a, q)
        below = power if z < -300 else 1 - above if z > 300 else below
        log_density = a * special.log_expit(z) + b * special.log_expit(-z) - special.betaln(a, b)
        return float((mass * below).sum()), float((mass * np.exp(log_density)).sum())

    def count_pmf(self, count, y, n):
        """Probability of a new count of n in the group that had y."""
        a, b = self.shapes(y, n)
        weights = self.inner.weights * self.row_weights[:, None]
        return float((weights * stats.betabinom.pmf(count, n, a, b)).sum())


def _lgamma(x):
    """Log of the gamma function in extended precision, by Stirling's series."""
    x = np.asarray(x, dtype=LONG)
    small = x < 20
    shifted = np.where(small, x + 20, x)
    product = np.ones(x.shape, dtype=LONG)
    low = np.where(small, x, 1)
    for i in range(20):
        product = product * (low + i)
    value = (shifted - LONG(0.5)) * np.log(shifted) - shifted + _stirling(shifted)
    return value + 0.5 * np.log(LONG(2 * np.pi)) - np.where(small, np.log(product), 0)


def _stirling(x):
    """What Stirling's formula leaves of the log of the gamma function."""
    square = 1 / (x * x)
    last = LONG(1) / 1680 - square * (LONG(1) / 1188 - square * (LONG(691) / 360360))
    return (LONG(1) / 12 - square * (LONG(1) / 360 - square * (LONG(1) / 1260 - square * last))) / x


def _rising(x, y):
    """Log of x (x + 1) ... (x + y - 1)."""
    if y <= 12:
        product = np.ones(x.shape, dtype=LONG)
        for i in range(int(y)):
            product = product * (x + i)
        return np.log(product)
    large = np.maximum(x, 1e6)
    growth = (large - LONG(0.5)) * np.log1p(y / large) + y * (np.log(large + y) - 1)
    growth = growth + _stirling(large + y) - _stirling(large)
    return np.where(x > 1e6, growth, _lgamma(x + y) - _lgamma(x))
