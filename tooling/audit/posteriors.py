"""The exact posteriors that the audit holds the source against, each computed once."""

from functools import cache

import numpy as np
from scipy import stats

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_LOG_PRIOR, MU_PRIOR, SIGMA_LOG_PRIOR, TAU_PRIOR
from tooling.audit.runs import COVARIATE_SEED


@cache
def schools_posterior():
    """Exact posterior of Eight Schools under the section's model."""
    schools = datasets.eight_schools()
    return exact.normal(schools["effect"], schools["standard_error"], mu=MU_PRIOR, tau=TAU_PRIOR)


@cache
def flat_posterior():
    """Exact posterior of Eight Schools under flat priors on mu and tau."""
    schools = datasets.eight_schools()
    return exact.normal(schools["effect"], schools["standard_error"], mu=None, tau=None)


@cache
def survey_posterior():
    """Exact posterior of the survey as printed."""
    return exact.dirichlet_multinomial(datasets.survey()["count"], alpha=stats.expon(), baseline=np.ones(4))


@cache
def hospitals_posterior():
    """Exact posterior of the hospitals as printed."""
    hospitals = datasets.hospitals()
    return exact.poisson(
        hospitals["count"], hospitals["exposure"], mu_log=MU_LOG_PRIOR, sigma_log=SIGMA_LOG_PRIOR
    )


@cache
def covariate_posterior():
    """Exact posterior for the twelve schools that the code of Solution 5.8.4 (d) generates."""
    schools = datasets.simulate_schools_with_covariate(np.random.default_rng(COVARIATE_SEED))
    return exact.normal(
        schools["effect"],
        schools["standard_error"],
        mu=MU_PRIOR,
        tau=TAU_PRIOR,
        covariates=schools["private"],
        beta=stats.norm(0, 10),
    )


@cache
def strategies():
    """Exact posteriors of the three models that the section compares on the Eight Schools."""
    schools = datasets.eight_schools()
    data = schools["effect"], schools["standard_error"]
    return {
        "complete": exact.normal(*data, mu=MU_PRIOR, tau=0),
        "partial": schools_posterior(),
        "none": exact.normal(*data, mu=0, tau=20),
    }
