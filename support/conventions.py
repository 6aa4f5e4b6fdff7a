"""What the whole book does in one way: how wide an interval is, and how far a sampler may stray."""

import numpy as np
from scipy import stats

# Probability of the intervals, those of highest density and the central ones, as ArviZ has it.
INTERVAL = 0.89
# Where the central interval of that probability begins and ends, as probabilities.
TAILS = np.array([0.055, 0.945])
# A correct sampler strays further than this many standard errors once in 16,000 comparisons.
LARGEST_Z = 4.0
# Priors of Eight Schools and of the hospitals, as the section has them and `models` builds them.
MU_PRIOR, TAU_PRIOR = stats.norm(0, 20), stats.halfnorm(scale=10)
MU_LOG_PRIOR, SIGMA_LOG_PRIOR = stats.norm(0, 1), stats.halfnorm(scale=1)
