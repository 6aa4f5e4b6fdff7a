"""The sampler of the pages: every model, seed by seed, beside nutpie and the exact posteriors.

The book's own data are fitted many times (`fits`), and data that each model has made itself once (`places`).
``make page-sampler`` does both and writes ``data/page_sampler.csv`` and ``data/page_places.csv``.
"""

import arviz as az
import numpy as np
import nutpie
import pandas as pd

import page_nuts
from tooling.audit import calibration
from tooling.audit.calibration import CASES, SETTINGS, named

# Chosen before any fit was looked at: those of `tooling.audit.runs`.
SEEDS = tuple(range(42, 62))
SEEDS_BESIDE = SEEDS[:5]  # of nutpie, whose draws are judged elsewhere
# The first of the data sets that nutpie is given in the study of calibration.
SETS = 20
FAR = 4  # Monte Carlo standard errors
# As many as in the recorded runs, whose divergences are counted.
LONGER = {"schools_centred": {"draws": 2000}, "schools_noncentred": {"draws": 2000}}


def fits(name: str) -> pd.DataFrame:
    """Fit a model to the book's own data by the sampler of the pages and by nutpie.

    Parameters
    ----------
    name : str
        One of `tooling.audit.calibration.CASES`.

    Returns
    -------
    pandas.DataFrame
        A row per sampler and seed: the number of known ``quantities``; how many of their means lie ``far``
        from the exact ones, by more than `FAR` Monte Carlo standard errors, and the largest ``distance`` in
        these; the largest ``r_hat``, the smallest bulk ``ess``, leapfrog ``steps`` and ``divergences`` of the
        kept draws.

    See Also
    --------
    tooling.audit.runs.measure : What other samplers report, without exact posteriors.

    Examples
    --------
    >>> fits("schools_complete")["quantities"].unique().tolist()  # doctest: +SKIP
    [1]
    """
    case = CASES[name]
    data = case.design()
    marginals = case.solve(data)
    rows = []
    for sampler, seeds in ((page_nuts, SEEDS), (nutpie, SEEDS_BESIDE)):
        compiled = sampler.compile_pymc_model(case.build(data))
        for seed in seeds:
            fit = sampler.sample(compiled, seed=seed, **SETTINGS | LONGER.get(name, {}))
            rows.append({"model": name, "sampler": sampler.__name__, "seed": seed, **_held(fit, marginals)})
    return pd.DataFrame(rows)


def _held(fit, marginals):
    """One fit against the exact posterior, and what it says of itself."""
    draws, told = fit["posterior"].to_dataset(), fit["sample_stats"]
    means, errors = named(draws.mean(["chain", "draw"])), named(az.mcse(draws, method="mean"))
    with np.errstate(all="ignore"):  # refused below
        z = np.array(
            [np.divide(abs(means[name] - marginals[name].mean()), errors[name]) for name in marginals]
        )
    if not np.isfinite(z).all():
        unknown = ", ".join(name for name, one in zip(marginals, z, strict=True) if not np.isfinite(one))
        raise ValueError(f"fit has no distance from the exact means of {unknown}: give draws that vary")
    r_hat, ess = named(az.rhat(draws)), named(az.ess(draws, method="bulk"))
    return {
        "quantities": len(z),
        "far": int((~(z <= FAR)).sum()),
        "distance": z.max(),
        "r_hat": max(r_hat[name] for name in marginals),
        "ess": min(ess[name] for name in marginals),
        "steps": int(told["n_steps"].sum()),
        "divergences": int(told["diverging"].sum()),
    }


def places(name: str) -> pd.DataFrame:
    """Fit data sets that a model has made itself by the sampler of the pages.

    Parameters
    ----------
    name : str
        One of `tooling.audit.calibration.CASES`.

    Returns
    -------
    pandas.DataFrame
        As `tooling.audit.calibration.sampled_places` returns it, and ``model``.

    Examples
    --------
    >>> places("schools_complete")["set"].nunique()  # doctest: +SKIP
    20
    """
    pairs = calibration.data_sets(name)[:SETS]
    return calibration.sampled_places(CASES[name], pairs, sampler=page_nuts).assign(model=name)
