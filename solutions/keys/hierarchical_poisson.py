"""Exercise 5.8.3: hospitals with log-normal rates, with and without pooling."""

import numpy as np
from scipy import optimize, stats

import hierarchical_exact as exact
from notebook_marking.keys import Key
from solutions.keys.common import CENTRAL, NEW_DRAWS, hdi, monte_carlo_error, wider, width
from support.conventions import INTERVAL, TAILS

SMALLEST = "hospital 5"
PRIOR_SHAPE, PRIOR_RATE = 1.0, 0.5  # of the vague Gamma prior without pooling


class _Marginal:
    """A distribution of SciPy as a marginal."""

    def __init__(self, distribution):
        self.quantile = distribution.ppf


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
    # As NumPy's numbers: a width of zero makes the reduction infinite, and so wrong.
    used = np.array([earlier.get("c.width_hierarchical", pooled), earlier.get("c.width_no_pooling", single)])
    return {
        "b.posterior": Key(posterior),
        "c.width_hierarchical": Key(pooled, monte_carlo_error(width, lam)),
        "c.width_no_pooling": Key(single, monte_carlo_error(width, _Marginal(alone))),
        "c.reduction": Key(
            100 * (1 - used[0] / used[1]),
            monte_carlo_error(lambda x, y: 100 * (1 - width(x) / width(y)), lam, _Marginal(alone)),
        ),
        "d.hdi": Key(
            new_hdi, monte_carlo_error(hdi, new, draws=NEW_DRAWS), {CENTRAL: new.quantile(TAILS).values}
        ),
        "d.wider": Key(wider(np.ptp(new_hdi), pooled, ("new hospital", SMALLEST))),
    }


def shortest_width(distribution):
    """Width of the shortest interval that holds 89% of a distribution with one peak."""

    def between(below):
        return distribution.ppf(below + INTERVAL) - distribution.ppf(below)

    return optimize.minimize_scalar(
        between, bounds=(0, 1 - INTERVAL), method="bounded", options={"xatol": 1e-12}
    ).fun
