"""Exercise 5.8.4: a ninth school, and schools of two kinds."""

import numpy as np
from scipy import stats

import hierarchical_exact as exact
from notebook_marking.keys import Key
from solutions.keys.common import CENTRAL, EFFECTIVE_DRAWS, NEW_DRAWS, hdi, wider, width
from support.conventions import INTERVAL, MU_PRIOR, TAILS, TAU_PRIOR
from support.monte_carlo import monte_carlo_error

OBSERVED = "E"


def key(data, earlier):  # noqa: ARG001
    """Exact answers; data: eight schools, and for (d) twelve schools of two kinds."""
    effect, error = data[""]
    posterior = exact.normal(effect, error, mu=MU_PRIOR, tau=TAU_PRIOR)
    new, observed = posterior["theta_new"], posterior["theta"].sel(school=OBSERVED)
    tau = posterior["tau"]
    ratio = np.ptp(new.hdi(INTERVAL).values) / np.ptp(observed.hdi(INTERVAL).values)
    kinds_effect, kinds_error, private = data["d"]
    kinds = exact.normal(
        kinds_effect,
        kinds_error,
        mu=MU_PRIOR,
        tau=TAU_PRIOR,
        covariates=private.values,
        beta=stats.norm(0, 10),
    )
    return {
        "a.mean": Key(new.mean(), monte_carlo_error(np.mean, new, draws=NEW_DRAWS)),
        "a.hdi": hdi(
            new, NEW_DRAWS, {"leaving out the spread between schools": posterior["mu"].hdi(INTERVAL).values}
        ),
        # Of theta_9, nearly symmetric, both kinds of interval are one within Monte Carlo error.
        "a.spread": hdi(tau, EFFECTIVE_DRAWS, {CENTRAL: tau.quantile(TAILS).values}),
        "b.ratio": Key(
            ratio,
            monte_carlo_error(lambda x, y: width(x) / width(y), new, observed, draws=EFFECTIVE_DRAWS),
            {"dividing the other way round": 1 / ratio},
        ),
        "b.wider": Key(wider(ratio, 1.0, ("school 9", "school E"))),
        "d.posterior": Key(kinds),
    }
