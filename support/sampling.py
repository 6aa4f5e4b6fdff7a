"""Sampling, in one place: draws, chains, seed, sampler, quietness and diagnostics."""

import os
from dataclasses import dataclass
from typing import Literal

import arviz as az
import numpy as np
import pymc as pm
import xarray as xr

from support.conventions import LARGEST_SEED, SAMPLER, SAMPLERS, SEED


@dataclass(frozen=True)
class Diagnostics:
    """What to look at before a posterior is used; printed as one line.

    Attributes
    ----------
    divergences : int
        Divergent transitions after tuning, all chains together.
    r_hat : float
        Largest rank-normalised R-hat of all quantities; NaN with a single chain, and where that of any
        quantity is unknown.
    ess : float
        Smallest effective sample size of all quantities, the lesser of bulk and tail (Vehtari
        et al., 2021; the tail is that of the 5% and 95% quantiles).
    quantity : str
        The quantity with that effective sample size, for example ``theta[E]``.
    r_hat_of : str
        The quantity with that R-hat; empty with a single chain.

    See Also
    --------
    diagnose : What returns it, and by which definitions.
    """

    divergences: int
    r_hat: float
    ess: float
    quantity: str
    r_hat_of: str = ""

    def __str__(self):
        """Return the line that :func:`sample` prints."""
        unknown = f"unknown ({self.r_hat_of or 'one chain'})"
        r_hat = unknown if np.isnan(self.r_hat) else f"{self.r_hat:.2f}"
        ess = "unknown" if np.isnan(self.ess) else f"{self.ess:.0f}"
        return f"divergences {self.divergences}, worst R-hat {r_hat}, smallest ESS {ess} ({self.quantity})"


def sample(
    model: pm.Model,
    *,
    target_accept: float = 0.90,
    draws: int = 2000,
    tune: int = 1000,
    chains: int = 4,
    seed: int = SEED,
    sampler: Literal["nutpie", "pymc"] = SAMPLER,
    log_likelihood: bool = False,
    report: bool = True,
) -> xr.DataTree:
    """Draw from the posterior by NUTS, quietly, and print one line of diagnostics.

    nutpie gives no warning about divergences, R-hat or effective sample size, so this does:
    see :func:`diagnose`. The same seed gives the same draws on one machine, and other draws on
    another kind of processor.

    Parameters
    ----------
    model : pymc.Model
        The model, for example from :mod:`support.models`.
    target_accept : float
        Acceptance rate that tuning aims at, between 0 and 1 (0.90 as in Section 5.8).
    draws, tune : int
        Kept and tuning iterations per chain.
    chains : int
        Number of chains.
    seed : int
        Seed of the sampler; ``SEED`` comes from the environment variable ``BOOK_SEED``.
    sampler : {"nutpie", "pymc"}
        Which NUTS; ``SAMPLER`` comes from the environment variable ``BOOK_SAMPLER``.
    log_likelihood : bool
        Add the pointwise log likelihood, which leave-one-out comparison needs.
    report : bool
        Print the diagnostics; turn off in loops that print their own.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior``, ``sample_stats``, ``observed_data`` and, if asked for,
        ``log_likelihood``. Whatever the sampler, ``sample_stats`` holds ``diverging`` and
        ``n_steps`` (leapfrog steps), each of shape (chain, draw).

    Raises
    ------
    ValueError
        If an argument is out of its range; the message names it.

    See Also
    --------
    diagnose : The diagnostics that it prints.
    support.checks.compare : Verdict on the draws, where the exact posterior is known.
    pymc.sample : What it calls.

    References
    ----------
    .. [1] Hoffman, M. D. and Gelman, A. (2014). The No-U-Turn sampler: Adaptively setting path lengths in
       Hamiltonian Monte Carlo. Journal of Machine Learning Research 15, 1593-1623.

    Examples
    --------
    >>> from support import datasets, models
    >>> model = models.schools_noncentred(datasets.eight_schools())
    >>> idata = sample(model, draws=200, tune=200, chains=2, report=False)
    >>> dict(idata["posterior"]["mu"].sizes)
    {'chain': 2, 'draw': 200}
    """
    _check_model(model)
    _check_number(target_accept, "target_accept", above=0, below=1)
    _check_whole(draws, "draws", minimum=4)  # R-hat splits each chain: two draws per half
    _check_whole(tune, "tune", minimum=1)
    _check_whole(chains, "chains", minimum=1)
    _check_whole(seed, "seed", minimum=0, maximum=LARGEST_SEED)
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler is {sampler!r}: give one of {', '.join(SAMPLERS)}")
    # nutpie runs chains in threads. PyMC's own NUTS would fork a process whose other threads
    # may hold locks, and on small models starting processes costs more than it saves.
    cores = min(chains, os.cpu_count() or 1) if sampler == "nutpie" else 1
    with model:
        idata = pm.sample(
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            random_seed=seed,
            nuts_sampler=sampler,
            nuts={"target_accept": target_accept},
            progressbar=False,
            quiet=True,
            compute_convergence_checks=False,
        )
        if log_likelihood:
            pm.compute_log_likelihood(idata, progressbar=False)
    if report:
        print(diagnose(idata))
    return idata


def diagnose(idata: xr.DataTree) -> Diagnostics:
    """Count divergences, and find the worst R-hat and the smallest effective sample size.

    What has one value in all chains, as the diagonal of correlations, is left out. Any other quantity whose
    diagnostics are not numbers, as that of chains that stand still, counts as the worst.

    Parameters
    ----------
    idata : xarray.DataTree
        With groups ``posterior`` and ``sample_stats``, as :func:`sample` returns.

    Returns
    -------
    Diagnostics
        Prints as ``divergences 0, worst R-hat 1.00, smallest ESS 2412 (tau)``.

    Raises
    ------
    ValueError
        If ``idata`` lacks one of the two groups or the divergences, or nothing in it varies.

    See Also
    --------
    sample : Draws and diagnostics at once.
    arviz.rhat, arviz.ess : Where its numbers come from.

    References
    ----------
    .. [1] Vehtari, A., Gelman, A., Simpson, D., Carpenter, B. and Bürkner, P.-C. (2021). Rank-normalization,
       folding, and localization: An improved R-hat for assessing convergence of MCMC. Bayesian Analysis
       16, 667-718.

    Examples
    --------
    >>> draws = np.random.default_rng(1).normal(size=(4, 500))
    >>> diverging = np.zeros((4, 500), dtype=bool)
    >>> groups = {"posterior": {"mu": draws}, "sample_stats": {"diverging": diverging}}
    >>> diagnose(az.from_dict(groups)).divergences
    0
    """
    for group in ("posterior", "sample_stats"):
        if group not in getattr(idata, "children", ()):
            raise ValueError(f"idata has no group {group!r}: give what support.sampling returns")
    if "diverging" not in idata["sample_stats"]:
        raise ValueError("idata['sample_stats'] has no 'diverging': give what support.sampling returns")
    draws = idata["posterior"].to_dataset()
    over = ["chain", "draw"]
    varies = _flat(draws.max(over, skipna=False) != draws.min(over, skipna=False))
    if not any(varies.values()):
        raise ValueError("idata['posterior'] has the same value in all draws: give draws of what varies")
    bulk = _flat(az.ess(draws, method="bulk"))
    # ArviZ's own default is the 11% and 89% quantiles; the definition has 5% and 95%.
    tail = _flat(az.ess(draws, method="tail", prob=(0.05, 0.95)))
    ess = {
        quantity: float(np.minimum(bulk[quantity], tail[quantity])) for quantity in bulk if varies[quantity]
    }
    quantity = min(ess, key=lambda name: -np.inf if np.isnan(ess[name]) else ess[name])
    r_hat, r_hat_of = np.nan, ""
    if draws.sizes["chain"] > 1:
        of_each = _flat(az.rhat(draws))
        r_hat_of = max(ess, key=lambda name: np.inf if np.isnan(of_each[name]) else of_each[name])
        r_hat = of_each[r_hat_of]
    divergences = int(idata["sample_stats"]["diverging"].sum())
    return Diagnostics(divergences, r_hat, ess[quantity], quantity, r_hat_of)


def _flat(statistics):
    """Name every number of a data set of per-quantity statistics, as in ``theta[E]``."""
    named = {}
    for name, array in statistics.data_vars.items():
        labels = [array[dim].values for dim in array.dims]
        for position, value in np.ndenumerate(array.values):
            index = ", ".join(str(label[i]) for label, i in zip(labels, position, strict=True))
            named[f"{name}[{index}]" if index else name] = float(value)
    return named


def _check_model(model):
    if not isinstance(model, pm.Model):
        raise ValueError(
            f"model is a {type(model).__name__}: give a pymc.Model, for example from support.models"
        )


def _check_number(value, name, *, above, below):
    real = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not (real and above < value < below):
        raise ValueError(f"{name} is {value!r}: give a number between {above} and {below}")


def _check_whole(value, name, *, minimum, maximum=np.inf):
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not (whole and minimum <= value <= maximum):
        limits = f"at least {minimum}" if maximum == np.inf else f"from {minimum} to {maximum}"
        raise ValueError(f"{name} is {value!r}: give a whole number {limits}")
