"""Exercise 5.8.3: hospitals with log-normal rates, with and without pooling."""

import numpy as np
from scipy import stats

import hierarchical_exact as exact
from notebook_marking.keys import Key
from solutions.keys.common import CENTRAL, EFFECTIVE_DRAWS, NEW_DRAWS, hdi, wider, width
from support.conventions import INTERVAL, MU_LOG_PRIOR, SIGMA_LOG_PRIOR, TAILS
from support.monte_carlo import monte_carlo_error

SMALLEST = "hospital 5"
PRIOR_SHAPE, PRIOR_RATE = 1.0, 0.5  # of the vague Gamma prior without pooling


def key(data, earlier):
    """Exact answers; data: counts and exposures."""
    count, exposure = data[""]
    posterior = exact.poisson(count, exposure, mu_log=MU_LOG_PRIOR, sigma_log=SIGMA_LOG_PRIOR)
    lam, new = posterior["lam"].sel(hospital=SMALLEST), posterior["lam_new"]
    shape = PRIOR_SHAPE + float(count.sel(hospital=SMALLEST))
    rate = PRIOR_RATE + float(exposure.sel(hospital=SMALLEST))
    alone = exact.marginal(stats.gamma(shape, scale=1 / rate))
    pooled, single = (np.ptp(marginal.hdi(INTERVAL).values) for marginal in (lam, alone))
    new_hdi = hdi(new, NEW_DRAWS, {CENTRAL: new.quantile(TAILS).values})
    # As NumPy's numbers: a width of zero makes the reduction infinite, and so wrong.
    used = np.array([earlier.get("c.width_hierarchical", pooled), earlier.get("c.width_no_pooling", single)])
    return {
        "b.posterior": Key(posterior),
        "c.width_hierarchical": Key(pooled, monte_carlo_error(width, lam, draws=EFFECTIVE_DRAWS)),
        "c.width_no_pooling": Key(single, monte_carlo_error(width, alone, draws=EFFECTIVE_DRAWS)),
        "c.reduction": Key(
            100 * (1 - used[0] / used[1]),
            monte_carlo_error(
                lambda x, y: 100 * (1 - width(x) / width(y)), lam, alone, draws=EFFECTIVE_DRAWS
            ),
        ),
        "d.hdi": new_hdi,
        "d.wider": Key(wider(np.ptp(new_hdi.value), pooled, ("new hospital", SMALLEST))),
    }
