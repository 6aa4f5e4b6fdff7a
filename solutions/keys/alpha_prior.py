"""Exercise 5.8.7: what the counts and what the prior say about the concentration."""

import numpy as np
from scipy import optimize, stats

import hierarchical_exact as exact
from notebook_marking.keys import Key
from solutions.keys.common import CENTRAL, OWN, TURNED, mean_weight
from support.conventions import INTERVAL, TAILS

ALPHAS, TESTED = np.array([1.0, 8.0, 50.0]), (2.0, 8.0, 30.0, 100.0)
SPREAD = 0.05
INFINITE = 1e8
PRIOR_MEANS = (1, 5, 20, 50)
UNIFORM = np.ones(4)


def key(data, earlier):  # noqa: ARG001
    """Exact answers; data: counts by region and response."""
    (count,) = data[""]
    share = float(count.sel(response="SA").sum() / count.sum())
    smallest = int(count.sum("response").min())
    fits = {mean: solve(count, stats.expon(scale=mean)) for mean in PRIOR_MEANS}
    alphas = {mean: fit["alpha"] for mean, fit in fits.items()}
    new = [fits[mean]["pi_new"].sel(response="SA").sd() for mean in (1, 20)]
    variances = share * (1 - share) / (ALPHAS + 1)
    weights = np.array([mean_weight(alpha, smallest) for alpha in alphas.values()])
    tested = np.array([log_likelihood(count, alpha) for alpha in (*TESTED, INFINITE)])
    return {
        "a.spreads": Key(np.sqrt(variances), mistakes={"giving variances": variances}),
        "a.needed": Key(share * (1 - share) / SPREAD**2 - 1),
        "a.weight": Key(float(stats.expon.expect(lambda alpha: alpha / (alpha + smallest)))),
        "b.log_ratios": Key(tested[:-1] - tested[-1], mistakes={TURNED: tested[-1] - tested[:-1]}),
        "b.fall": Key(fall(count, tested[-1])),
        "c.means": Key(
            np.array([alpha.mean() for alpha in alphas.values()]),
            mistakes={"giving the means of the priors": PRIOR_MEANS},
        ),
        "c.hdi": Key(alphas[20].hdi(INTERVAL).values, mistakes={CENTRAL: alphas[20].quantile(TAILS).values}),
        "c.weights": Key(weights, mistakes={OWN: 1 - weights}),
        "d.new_region": Key(np.array(new, dtype=float)),
    }


def solve(count, alpha):
    """Exact posterior with this prior of alpha, or a known alpha."""
    return exact.dirichlet_multinomial(count, alpha=alpha, baseline=UNIFORM)


def log_likelihood(count, alpha):
    """Log probability of the counts given alpha, with the shares and the baseline integrated out."""
    return solve(count, float(alpha)).log_evidence


def fall(count, at_infinity):
    """How far the log likelihood falls from its highest point to an infinite alpha."""
    grid = np.geomspace(0.5, 1e5, 21)
    values = [log_likelihood(count, alpha) for alpha in grid]
    best = int(np.argmax(values))
    ends = np.log(grid[[max(best - 1, 0), min(best + 1, grid.size - 1)]])
    # A parabola's top is found to the square of this tolerance.
    found = optimize.minimize_scalar(
        lambda log_alpha: -log_likelihood(count, np.exp(log_alpha)),
        bounds=ends,
        method="bounded",
        options={"xatol": 0.01},
    )
    return max(-float(found.fun) - at_infinity, 0.0)
