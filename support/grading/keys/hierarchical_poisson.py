"""Exercise 5.8.3: hospitals with log-normal rates, with and without pooling."""

import numpy as np
from scipy import optimize, stats

from support import exact
from support.grading.keys import Key
from support.grading.keys.sampling import INTERVAL, hdi, monte_carlo_error, width

SMALLEST = "hospital 5"
PRIOR_SHAPE, PRIOR_RATE = 1.0, 0.5  # of the vague Gamma prior without pooling
NEAR = 0.03  # two widths that differ by less are hard to tell apart in a sample


class _Drawn:
    """A distribution of SciPy, drawn from like a marginal."""

    def __init__(self, distribution):
        self.distribution = distribution

    def sample(self, n, rng):
        return self.distribution.rvs(n, random_state=rng)


def key(data, earlier):
    """Exact answers; data: counts and exposures."""
    count, exposure = data[""]
    posterior = exact.poisson(count, exposure)
    lam, new = posterior["lam"].sel(hospital=SMALLEST), posterior["lam_new"]
    alone = stats.gamma(
        PRIOR_SHAPE + float(count.sel(hospital=SMALLEST)),
        scale=1 / (PRIOR_RATE + float(exposure.sel(hospital=SMALLEST))),
    )
    pooled, single = np.ptp(lam.hdi(INTERVAL).values), shortest_width(alone)
    new_hdi = new.hdi(INTERVAL).values
    used = {"pooled": earlier.get("c.width_hierarchical", pooled), "single": earlier.get("c.width_no_pooling", single)}
    return {
        "b.fit": Key(posterior),
        "c.width_hierarchical": Key(pooled, monte_carlo_error(width, lam)),
        "c.width_no_pooling": Key(single, monte_carlo_error(width, _Drawn(alone))),
        "c.reduction": Key(
            100 * (1 - used["pooled"] / used["single"]),
            monte_carlo_error(lambda x, y: 100 * (1 - width(x) / width(y)), lam, _Drawn(alone)),
        ),
        "d.hdi": Key(new_hdi, monte_carlo_error(hdi, new)),
        "d.wider": Key(wider(np.ptp(new_hdi), pooled, "new hospital", "hospital 5")),
    }


def shortest_width(distribution):
    """Width of the shortest interval that holds 89% of a distribution.

    Examples
    --------
    >>> round(shortest_width(stats.norm()), 3)
    3.196
    """

    def between(tail):
        return distribution.ppf(tail + INTERVAL) - distribution.ppf(tail)

    found = optimize.minimize_scalar(between, bounds=(0, 1 - INTERVAL), method="bounded", options={"xatol": 1e-9})
    return float(found.fun)


def wider(first, second, name, other):
    """Which of two widths is the larger one; both names if they are too close to tell.

    Examples
    --------
    >>> wider(2.0, 1.0, "new", "old")
    ('new',)
    """
    if abs(first / second - 1) < NEAR:
        return name, other
    return (name,) if first > second else (other,)
