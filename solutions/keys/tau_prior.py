"""Exercise 5.8.5: what the data and what the prior say about tau."""

import numpy as np
from scipy import optimize, stats

import hierarchical_exact as exact
from notebook_marking.keys import Key
from solutions.keys.common import OWN, TURNED
from support.conventions import MU_PRIOR

MU_SD = 20.0
TAUS = (2.0, 5.0, 10.0, 20.0)
PRIORS = (stats.halfnorm(scale=2), stats.halfnorm(scale=10), stats.halfcauchy(scale=25), None)
LOWEST, HIGHEST = (1e-1, 1e-3, 1e-6), 100.0
COPIES = (1, 4, 16)


def key(data, earlier):  # noqa: ARG001
    """Exact answers; data: effects and standard errors of schools."""
    effect, error = (np.asarray(values) for values in data[""])
    relative = log_likelihood(np.array([0.0, *TAUS]), effect, error)
    fits = [exact.normal(effect, error, mu=MU_PRIOR, tau=prior) for prior in PRIORS]
    largest = int(effect.argmax())
    factors = np.array([mean_factor(fit, error[largest]) for fit in fits])
    gaps = np.array([gap(copies, effect, error) for copies in COPIES])
    return {
        "a.ratios": Key(np.exp(relative[1:] - relative[0])),
        "a.tenth": Key(last_tenth(effect, error)),
        "b.medians": Key(
            np.array([fit["tau"].quantile(0.5) for fit in fits]),
            mistakes={"giving means in place of medians": [fit["tau"].mean() for fit in fits]},
        ),
        "b.effects": Key(np.array([fit["theta"].mean().values[largest] for fit in fits])),
        "b.factors": Key(factors, mistakes={OWN: 1 - factors}),
        "c.near_zero": Key(np.array([below_one(low, effect, error) for low in LOWEST])),
        "c.groups": Key("3"),
        "d.gaps": Key(gaps, mistakes={TURNED: -gaps}),
    }


def log_likelihood(tau: np.ndarray, effect: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Log density (K,) of the reports for each tau (K,), with mu ~ Normal(0, 20) integrated out.

    Examples
    --------
    >>> value = log_likelihood(np.array([3.0]), np.array([4.0]), np.array([12.0]))
    >>> bool(np.isclose(value[0], stats.norm.logpdf(4, 0, np.sqrt(3**2 + 12**2 + 20**2))))
    True
    """
    variance = error**2 + tau[:, None] ** 2
    precision = (1 / variance).sum(axis=1) + 1 / MU_SD**2
    square = (effect**2 / variance).sum(axis=1) - (effect / variance).sum(axis=1) ** 2 / precision
    log_determinant = np.log(variance).sum(axis=1) + np.log(precision * MU_SD**2)
    return -0.5 * (effect.size * np.log(2 * np.pi) + log_determinant + square)


def last_tenth(effect, error):
    """Largest tau whose likelihood is a tenth of the maximum; the curve's tail falls like a power of tau."""
    grid = np.linspace(0, 40 * max(effect.std(), error.max()), 8001)
    values = log_likelihood(grid, effect, error)
    target = values.max() - np.log(10)
    last = np.flatnonzero(values >= target)[-1]
    return optimize.brentq(
        lambda tau: log_likelihood(np.array([tau]), effect, error)[0] - target, grid[last], grid[last + 1]
    )


def mean_factor(fit, sigma):
    """Posterior mean of the shrinkage factor of a school with this standard error."""
    return fit["tau"].expect(lambda tau: sigma**2 / (sigma**2 + tau**2))


def below_one(low, effect, error):
    """Posterior probability of tau < 1 under a log-uniform prior."""
    return float(exact.normal(effect, error, mu=MU_PRIOR, tau=stats.loguniform(low, HIGHEST))["tau"].cdf(1.0))


def gap(copies, effect, error):
    """Posterior median of tau under half-Cauchy(25) minus that under half-Normal(2), with repeated data."""
    effect, error = np.tile(effect, copies), np.tile(error, copies)
    tight, wide = (
        exact.normal(effect, error, mu=MU_PRIOR, tau=prior)["tau"].quantile(0.5) for prior in PRIORS[::2]
    )
    return wide - tight
