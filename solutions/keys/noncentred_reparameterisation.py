"""Exercise 5.8.2: the change of variables, and the two fits of the Eight Schools."""

import numpy as np

import hierarchical_exact as exact
from notebook_marking.keys import Key
from solutions.keys.common import CENTRAL, EFFECTIVE_DRAWS, hdi
from support.conventions import MU_PRIOR, TAILS, TAU_PRIOR

TAU = 5.0


def key(data, earlier):  # noqa: ARG001
    """Exact answers; data: effects and standard errors."""
    effect, error = data[""]
    posterior = exact.normal(effect, error, mu=MU_PRIOR, tau=TAU_PRIOR)
    first = float(error[0])
    raw_sd = first / np.hypot(first, TAU)
    log_determinant = effect.size * np.log(TAU)
    return {
        "a.log_determinant": Key(
            log_determinant,
            mistakes={
                "taking the map the other way, from theta": -log_determinant,
                "leaving out the logarithm": TAU**effect.size,
                "counting one school only": np.log(TAU),
            },
        ),
        "b.limit_mean": Key(0.0),
        "b.limit_sd": Key(1.0),
        "b.raw_sd": Key(
            raw_sd,
            mistakes={
                "giving the variance": raw_sd**2,
                "giving the standard deviation of theta": TAU * raw_sd,
                "giving that of the prior": 1.0,
            },
        ),
        "c.centred": Key(posterior),
        "c.noncentred": Key(posterior),
        "c.hdi": hdi(posterior["tau"], EFFECTIVE_DRAWS, {CENTRAL: posterior["tau"].quantile(TAILS).values}),
    }
