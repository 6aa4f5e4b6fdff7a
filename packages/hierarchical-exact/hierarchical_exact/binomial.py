"""Exact posteriors of proportions in groups: successes out of trials, with a Beta population.

A Beta population is `dirichlet_multinomial` with two categories, under its own names.
"""

import numbers
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy import special, stats

from hierarchical_exact import arguments
from hierarchical_exact.dirichlet import dirichlet_multinomial
from hierarchical_exact.joint import Joint
from hierarchical_exact.posterior import Posterior


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
    hierarchical_exact.dirichlet_multinomial : More categories than two; this function calls it.

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
    >>> priors = {"mean": stats.beta(1, 1), "concentration": stats.expon(scale=20)}
    >>> posterior = beta_binomial(tumours, rats, **priors)
    >>> bool(4 / 14 > posterior["theta"].mean().sel(group=5) > posterior["theta_new"].mean())
    True
    """
    successes, trials, y, n = _check_data(successes, trials)
    names = arguments.labels(successes if isinstance(successes, xr.DataArray) else trials, len(y))
    dim = names.dims[0]
    category = "category" if dim != "category" else "outcome"
    table = names.copy(data=y).expand_dims({category: ["success", "failure"]}, -1).copy()
    table.loc[{category: "failure"}] = n - y
    whole = dirichlet_multinomial(table, alpha=_concentration(concentration), baseline=_shapes("mean", mean))
    success = {category: "success"}
    marginals = {
        "mean": whole["pi0"].sel(**success),
        "concentration": whole["alpha"],
        "theta": whole["pi"].sel(**success),
        "theta_new": whole["pi_new"].sel(**success),
        "y_rep": whole["y_rep"].sel(**success),
    }

    def draw(size, rng):
        draws = whole.joint.draw(size, rng)
        first = {name: draws[name][..., 0] for name in ("pi0", "pi", "pi_new", "y_rep")}
        return {
            "mean": first["pi0"],
            "concentration": draws["alpha"],
            "theta": first["pi"],
            "theta_new": first["pi_new"],
            "y_rep": first["y_rep"],
        }

    def log_likelihood(draws):
        theta = draws["theta"]
        chosen = special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1)
        return chosen + special.xlogy(y, theta) + special.xlog1py(n - y, -theta)

    return Posterior(
        marginals,
        whole.log_evidence,
        lambda: whole.elpd_loo,
        whole.error,
        joint=Joint(draw, names.copy(data=y).rename("successes"), log_likelihood),
        call=partial(beta_binomial, successes, trials, mean=mean, concentration=concentration),
    )


# -- arguments ----------------------------------------------------------------------------------


def _check_data(successes, trials):
    """Successes and trials as given, with labels, and as arrays (J,)."""
    successes, trials = arguments.labelled(successes), arguments.labelled(trials)
    y = arguments.counts("successes", successes)
    if y.ndim != 1:
        raise ValueError(
            f"successes is an array of shape {y.shape}: give one dimension, one number per group"
        )
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


def _concentration(prior):
    """The prior of the concentration, checked under its own name."""
    if isinstance(prior, numbers.Real) and not 0 < prior < np.inf:
        raise ValueError(
            f"concentration is {prior!r}: give a frozen distribution, such as stats.expon(scale=10), or a "
            "positive finite number (for complete pooling a large one, say 1e8)"
        )
    return arguments.scale_prior("concentration", prior)
