"""Exact posteriors by integrating the hyperparameters numerically (section 5.8 of the book).

Given the hyperparameters, each group's posterior is a known distribution, so every marginal is a finite
mixture: weights on a grid of hyperparameters, and a conditional distribution at each node.
"""

from hierarchical_exact.dirichlet import dirichlet_multinomial
from hierarchical_exact.normal import normal, normal_groups, normal_sample
from hierarchical_exact.poisson import poisson

__all__ = ["dirichlet_multinomial", "normal", "normal_groups", "normal_sample", "poisson"]
