"""Exercise 5.8.2: the change of variables, and the two fits of the Eight Schools."""

import numpy as np

from support import exact
from support.grading.keys import Key
from support.grading.keys.sampling import INTERVAL, hdi, monte_carlo_error

TAU = 5.0


def key(data, earlier):  # noqa: ARG001
    """Exact answers; data: effects and standard errors."""
    effect, error = data[""]
    posterior = exact.normal(effect, error)
    first = float(error[0])
    return {
        "a.log_determinant": Key(effect.size * np.log(TAU)),
        "b.limit_mean": Key(0.0),
        "b.limit_sd": Key(1.0),
        "b.raw_sd": Key(first / np.hypot(first, TAU)),
        "c.centred": Key(posterior),
        "c.noncentred": Key(posterior),
        "c.hdi": Key(posterior["tau"].hdi(INTERVAL).values, monte_carlo_error(hdi, posterior["tau"])),
    }
