"""Exact posteriors of proportions in groups: successes out of trials, with a Beta population.

A Beta population is that of `hierarchical_exact.dirichlet` with two categories, under its own names.
"""

from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy import stats

from hierarchical_exact import arguments
from hierarchical_exact.dirichlet import Solutions, concentration_prior
from hierarchical_exact.joint import Joint
from hierarchical_exact.posterior import Posterior

# Quantities, and their names where there are more categories than two.
_GENERAL = {"mean": "pi0", "concentration": "alpha", "theta": "pi", "theta_new": "pi_new", "y_rep": "y_rep"}


def beta_binomial(successes: ArrayLike, trials: ArrayLike, *, mean: Any, concentration: Any) -> Posterior:
    """Exact posterior of proportions under a Beta population.

    ``successes[j] ~ Binomial(trials[j], theta[j])`` and ``theta[j] ~ Beta(a, b)``, with
    ``a = mean * concentration`` and ``b = (1 - mean) * concentration``.

    Parameters
    ----------
    successes : (J,) array or DataArray
        Number of successes; a DataArray's dim and coords label the results.
    trials : (J,) array, DataArray or int
        Number of trials; none are a group of which nothing is known but its population.
    mean : frozen scipy.stats.beta, or stats.uniform(0, 1)
        Prior of the population mean.
    concentration : frozen scipy.stats distribution on x >= 0, or float
        Prior of ``a + b``, which is larger the more alike the groups are; a float is known.

    Returns
    -------
    Posterior
        Quantities ``mean`` and ``concentration``, ``theta`` (the proportion of each group), ``theta_new`` (of
        a new group) and ``y_rep`` (new successes of the same groups, in as many trials).

    Raises
    ------
    ValueError
        If an argument is not as described.
    ArithmeticError
        If the accuracy is not reached: 1e-5 in every mean, sd (in sds) and distribution function.

    See Also
    --------
    hierarchical_exact.dirichlet_multinomial : More categories than two; the same of two.
    hierarchical_exact.logit_normal : A Normal population of log odds.

    Notes
    -----
    The model of [1]_, chapter 5, under proper priors. The integral over the groups' proportions has a
    closed form.

    References
    ----------
    .. [1] Gelman, A., Carlin, J. B., Stern, H. S., Dunson, D. B., Vehtari, A. and Rubin, D. B. (2013).
       Bayesian Data Analysis, 3rd ed. Chapman and Hall/CRC.

    Examples
    --------
    >>> tumours, rats = [0, 0, 2, 5, 9, 4], [20, 20, 20, 20, 48, 14]
    >>> priors = {"concentration": stats.expon(scale=20), "mean": stats.beta(1, 1)}
    >>> posterior = beta_binomial(tumours, rats, **priors)
    >>> bool(4 / 14 > posterior["theta"].mean().sel(group=5) > posterior["theta_new"].mean())
    True
    """
    successes, trials, y, n = check_trials(successes, trials)
    names = arguments.labels(successes if isinstance(successes, xr.DataArray) else trials, len(y))
    table, shapes = np.column_stack([y, n - y]), _shapes("mean", mean)
    prior = concentration_prior("concentration", concentration)
    solutions = Solutions(table, prior, shapes, "concentration")
    marginals = {
        "mean": solutions.marginal(Solutions.baseline_law, None),
        "concentration": solutions.alpha,
        "theta": solutions.marginal(Solutions.share_law, names, step=2),
        "theta_new": solutions.marginal(Solutions.new_law, None),
        "y_rep": solutions.marginal(Solutions.count_law, names, step=2),
    }

    priors = {"mean": stats.beta(*shapes), "concentration": prior}

    def draw(size, rng):
        draws = solutions.draw(size, rng)
        return {
            name: draws[general] if general == "alpha" else draws[general][..., 0]
            for name, general in _GENERAL.items()
        }

    def log_likelihood(draws):
        return stats.binom.logpmf(y, n, draws["theta"])

    return Posterior(
        marginals,
        solutions.log_evidence,
        lambda: names.copy(data=solutions.elpd_loo()).rename("elpd_loo"),
        solutions.error,
        joint=Joint(draw, names.copy(data=y.astype(int)).rename("successes"), log_likelihood, priors=priors),
        call=partial(beta_binomial, successes, trials, mean=mean, concentration=concentration),
    )


# -- arguments ----------------------------------------------------------------------------------


def check_trials(successes, trials):
    """Give successes and trials with their labels, and as arrays (J,)."""
    successes, trials = arguments.labelled(successes), arguments.labelled(trials)
    y = arguments.counts("successes", successes)
    if y.ndim != 1:
        raise ValueError(f"successes is an array of shape {y.shape}: give one dimension, a number per group")
    n = arguments.vector("trials", arguments.counts("trials", trials), like=y)
    arguments.same_labels("trials", trials, "successes", successes)
    if np.any(y > n):
        j = int(np.flatnonzero(y > n)[0])
        raise ValueError(
            f"successes[{j}] is {y[j]:g} of trials[{j}] = {n[j]:g}: give no more successes than trials "
            "(are the two exchanged, or is the second one failures?)"
        )
    return successes, trials, y, n


def _shapes(name, prior):
    """Both parameters of a Beta prior, or of another that is one, such as the uniform."""
    given, prior = prior, arguments.of_old_style(prior)
    if hasattr(prior, "dist"):
        prior = arguments.frozen(name, prior)
        given, mean = prior.dist.name, prior.mean()
        shapes = np.array([mean, 1 - mean]) * (mean * (1 - mean) / prior.std() ** 2 - 1)
        if tuple(prior.support()) == (0, 1) and np.all(shapes > 0):
            x = prior.ppf([0.1, 0.4, 0.9])
            if np.allclose(prior.pdf(x), stats.beta(*shapes).pdf(x), rtol=1e-6, atol=0):
                return shapes
    raise ValueError(f"{name} is {given}: give a Beta prior between 0 and 1, such as stats.beta(1, 1)")
