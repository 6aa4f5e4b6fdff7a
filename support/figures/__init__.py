"""The figures of the book: one function per numbered figure, data in, Figure out.

Each module is named like the page that shows its figures first.
"""

from support.figures.alpha_prior import imagined_regions
from support.figures.bringing_together import smallest_number_of_groups, stein_risk
from support.figures.dirichlet_multinomial import concentration, survey_intervals
from support.figures.eight_schools import chain_shares, forest, funnel
from support.figures.hierarchical_models import pooling_dial, shrinkage_slopes
from support.figures.hierarchical_poisson import new_group
from support.figures.leave_one_school_out import left_out_report
from support.figures.loo_comparison import loo_comparison, pointwise_loo, selection_by_loo
from support.figures.mathematical_structure import (
    dependent_pairs,
    information_flow,
    plate_diagram,
    shrinkage_factors,
)
from support.figures.new_group_prediction import covariate_precision
from support.figures.odd_group import latitudes, moved, risks, trials
from support.figures.pooling_problem import pooling_comparison
from support.figures.practical_considerations import (
    parameterisations,
    prior_sensitivity,
    restricted_likelihood,
)
from support.figures.radon import county_slopes
from support.figures.recap import prior_to_posterior
from support.figures.tau_prior import priors_and_schools
from support.figures.unequal_regions import unequal_regions
from support.figures.when_hierarchical import few_groups, group_sizes, near_zero, two_kinds
