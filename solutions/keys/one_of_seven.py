"""Exercise 5.8.9: seven trials, one of which reports far more than the others."""

import numpy as np
import xarray as xr
from scipy import stats

import hierarchical_exact as exact
from notebook_marking.keys import Key

PRIORS = {"mu": stats.norm(0, 1), "tau": stats.halfnorm(scale=1)}
WEAK = 0.5


def key(data, earlier):  # noqa: ARG001
    """Exact answers; data: effects and standard errors of seven trials."""
    effect, error = data[""]
    odd, noisiest = effect.idxmax().item(), error.idxmax().item()
    both = solve(effect, error)
    weak = solve(effect, error.where(error["trial"] != odd, WEAK))
    rest = effect["trial"] != odd
    six = exact.normal(effect[rest], error[rest], **PRIORS)
    report, own = effect.sel(trial=odd).item(), np.array([error.sel(trial=odd).item(), WEAK])

    return {
        "a.fit": Key(both[1]),
        "b.scales": means([posterior["tau"] for posterior in both]),
        "b.noisy": means([posterior["theta"].sel(trial=noisiest) for posterior in both]),
        "c.above": above(six, report, own),
        "d.weak": means([posterior["theta"].sel(trial=odd) for posterior in weak]),
    }


def above(six, report, own):
    """Key of the probability of such a report, with either standard error."""
    mu, tau, new = (six[name] for name in ("mu", "tau", "theta_new"))

    def reported(law):
        return np.array([law.expect(lambda x, sd=sd: stats.norm.sf(report, x, sd)) for sd in own])

    return Key(
        reported(new),
        mistakes={
            "leaving out the error of the report": np.full(2, new.sf(report)),
            "leaving out what trials differ by": reported(mu),
            "taking posterior means for mu and tau": stats.norm.sf(
                report, mu.mean(), np.hypot(tau.mean(), own)
            ),
        },
    )


def means(marginals):
    """Key of the posterior means of two quantities, Normal population first."""
    found = np.array([marginal.mean() for marginal in marginals])
    return Key(found, mistakes={"giving them the other way round": found[::-1]})


def solve(effect: xr.DataArray, error: xr.DataArray) -> tuple[exact.Posterior, exact.Posterior]:
    """Exact posteriors with a Normal and with a Student-t population.

    Examples
    --------
    >>> alike = xr.DataArray([0.1, 0.0, -0.1], dims="trial", coords={"trial": [1, 2, 3]})
    >>> [abs(round(posterior["mu"].mean(), 3)) for posterior in solve(alike, 0 * alike + 0.2)]
    [0.0, 0.0]
    """
    return exact.normal(effect, error, **PRIORS), exact.student_t(effect, error, nu=4, **PRIORS)
