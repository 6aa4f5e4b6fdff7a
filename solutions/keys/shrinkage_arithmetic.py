"""Exercise 5.8.1: the shrinkage formula at mu = 8 and tau = 6."""

import numpy as np
from scipy import stats

from notebook_marking.keys import Key

MU, TAU, PRECISE = 8.0, 6.0, 5.0
REVERSED = "taking shrinkage the wrong way round"
ROOTS = "using standard deviations in place of variances"


def key(data, earlier):
    """Exact answers; data: effects and standard errors."""
    effect, error = data[""]
    factors = (error**2 / (error**2 + TAU**2)).values
    used = np.asarray(earlier.get("a.factors", factors))
    estimates = (1 - used) * effect.values + used * MU
    shrunk = np.asarray(earlier.get("b.estimates", estimates))
    y, sigma = effect.values, error.values
    largest = int(y.argmax())
    raw, taken = y[largest], 100 * (y[largest] - shrunk[largest])
    schools = effect["school"].values
    return {
        "a.factors": Key(factors, mistakes={REVERSED: 1 - factors, ROOTS: sigma / (sigma + TAU)}),
        "a.ranks": Key(
            stats.rankdata(-factors.round(9), method="min"),
            mistakes={REVERSED: stats.rankdata(factors.round(9), method="min")},
        ),
        "a.most": Key(str(schools[factors.argmax()])),
        "a.least": Key(str(schools[factors.argmin()])),
        "b.estimates": Key(estimates, mistakes={"interchanging the weights": used * y + (1 - used) * MU}),
        "c.reduction": Key(
            taken / raw,
            mistakes={
                "giving a fraction in place of a percentage": taken / raw / 100,
                "giving what is left in place of what is taken away": 100 - taken / raw,
            }
            | ({"measuring from mu in place of from zero": taken / (raw - MU)} if raw != MU else {}),
        ),
        "d.factor": Key(
            PRECISE**2 / (PRECISE**2 + TAU**2),
            mistakes={
                REVERSED: TAU**2 / (PRECISE**2 + TAU**2),
                ROOTS: PRECISE / (PRECISE + TAU),
            },
        ),
    }
