"""What the whole book does in one way: intervals, priors, seed, sampler, and how far a sampler may stray.

Two environment variables change what every page does, for those who want to see whether a
result depends on it:

- ``BOOK_SEED``: the seed, a whole number (default 42);
- ``BOOK_SAMPLER``: ``nutpie`` (default) or ``pymc``, PyMC's own NUTS.
"""

import os

import numpy as np
from scipy import stats

# Probability of the intervals, those of highest density and the central ones, as ArviZ has it.
INTERVAL = 0.89
# Where the central interval of that probability begins and ends, as probabilities.
TAILS = np.array([0.055, 0.945])
# A correct sampler strays further than this many standard errors once in 150,000 comparisons, and the
# pages and their tests make about a thousand: one run of them all in a hundred and fifty.
LARGEST_Z = 4.5
# Priors of Eight Schools and of the hospitals, as the section has them and `models` builds them.
MU_PRIOR, TAU_PRIOR = stats.norm(0, 20), stats.halfnorm(scale=10)
MU_LOG_PRIOR, SIGMA_LOG_PRIOR = stats.norm(0, 1), stats.halfnorm(scale=1)
USUAL_SEED = 42
SAMPLERS = ("nutpie", "pymc")
# Seeds are 32-bit in both samplers' interfaces.
LARGEST_SEED = 2**32 - 1


def _settings(environment):
    """Read the book's seed and sampler from the environment, and refuse nonsense."""
    seed = environment.get("BOOK_SEED", str(USUAL_SEED))
    if not (seed.isascii() and seed.isdigit() and int(seed) <= LARGEST_SEED):
        raise ValueError(
            f"The environment variable BOOK_SEED is {seed!r}: "
            f"set it to a whole number from 0 to {LARGEST_SEED}, or unset it"
        )
    sampler = environment.get("BOOK_SAMPLER", "nutpie")
    if sampler not in SAMPLERS:
        raise ValueError(
            f"The environment variable BOOK_SAMPLER is {sampler!r}: "
            f"set it to one of {', '.join(SAMPLERS)}, or unset it"
        )
    return int(seed), sampler


SEED, SAMPLER = _settings(os.environ)
