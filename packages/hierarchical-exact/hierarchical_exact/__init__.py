"""Exact posteriors of hierarchical models, by integrating the hyperparameters numerically.

Given the hyperparameters, each group's posterior is a known distribution, so every marginal is a finite
mixture: weights on a grid of hyperparameters, and a conditional distribution at each node.
"""

from hierarchical_exact.binomial import beta_binomial
from hierarchical_exact.dirichlet import dirichlet_multinomial
from hierarchical_exact.logit import logit_normal
from hierarchical_exact.mixed import mixed
from hierarchical_exact.normal import normal, normal_groups, normal_sample
from hierarchical_exact.poisson import poisson
from hierarchical_exact.posterior import Marginal, Posterior, marginal
from hierarchical_exact.student import student_t

__all__ = [
    "Marginal",
    "Posterior",
    "beta_binomial",
    "dirichlet_multinomial",
    "logit_normal",
    "marginal",
    "mixed",
    "normal",
    "normal_groups",
    "normal_sample",
    "poisson",
    "student_t",
]
