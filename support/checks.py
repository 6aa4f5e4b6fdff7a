"""Sampled posteriors against exact ones: verdicts that rest on the Monte Carlo error."""

from collections.abc import Sequence
from dataclasses import dataclass

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from hierarchical_exact.posterior import Posterior
from support.conventions import LARGEST_Z
from support.monte_carlo import Estimate, Report

QUANTILES = (0.05, 0.50, 0.95)


@dataclass(frozen=True)
class Comparison:
    """A sampled posterior against an exact one.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per value: quantity, statistic, exact, sampled, mcse, demanded (the largest error that is
        enough), z and verdict. The statistics are mean, sd and, for quantiles, the share of draws below the
        exact one.

    See Also
    --------
    compare : What returns it.
    """

    table: pd.DataFrame

    @property
    def agrees(self):
        """Whether every verdict is ``agrees``."""
        return bool((self.table["verdict"] == "agrees").all())

    def report(self) -> Report:
        """Means and sds, and of the quantiles those that do not agree.

        Returns
        -------
        support.monte_carlo.Report
            What is shown of the comparison.
        """
        below = self.table["statistic"].str.startswith("below")
        agrees = self.table["verdict"] == "agrees"
        rows = [_printed(row) for row in self.table[~below | ~agrees].itertuples()]
        # As wide as the intervals, so that the columns are the same for every run.
        width = max(len(f"{end:{form}} ± {end:{form}}") for *_, form, one in rows for end in one.within)
        widths = [max(len("quantity"), *(len(row[0]) for row in rows)), max(len(row[2]) for row in rows)]
        report = Report()
        line = f"{{:<{widths[0]}}}  {{:<9}}  {{:>{widths[1]}}}  {{}}  {{}}"
        report.line(line, "quantity", "statistic", "exact", "sampled".rjust(width), "verdict")
        for name, statistic, exact, verdict, form, one in rows:
            blanks = " " * (width - len(f"{one:{form}}"))
            report.line(line.replace("{}", blanks + f"{{:{form}}}", 1), name, statistic, exact, one, verdict)
        asked = ", ".join(f"{q:.0%}" for q in QUANTILES)
        report.line("quantiles {}: {} of {} agree", asked, (below & agrees).sum(), below.sum())
        return report

    def __str__(self):
        """Return what is shown."""
        return str(self.report())

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.report()._repr_mimebundle_(include, exclude)


def _printed(row):
    """What is printed of a row, in the order of the columns, with its format and the number sampled."""
    form = f".{max(0, 1 - int(np.floor(np.log10(row.demanded))))}f"
    one = _estimate(row.sampled, row.mcse, row.exact, row.demanded)
    return row.quantity, row.statistic, f"{row.exact:{form}}", row.verdict, form, one


def _estimate(sampled, mcse, exact, demanded):
    """What was sampled, which any run must have within the demanded errors of the exact value."""
    far = LARGEST_Z * demanded
    return Estimate(sampled, mcse, (exact - far, exact + far), (0.0, demanded))


def compare(
    sampled: xr.DataTree, exact: Posterior, quantities: Sequence[str], *, ess: int = 400
) -> Comparison:
    """Compare means, sds and 5%, 50% and 95% quantiles of a sampled posterior with the exact ones.

    A value ``agrees`` when it lies within 4.5 Monte Carlo standard errors of the exact one and these are
    as small as those of `ess` independent draws; it ``differs`` beyond them; and where the draws cannot
    tell, the verdict is ``too few draws``.

    Parameters
    ----------
    sampled : xarray.DataTree
        With a group ``posterior``, as `support.sampling.sample` returns it.
    exact : Posterior
        Of the same model and data, with the same dim names.
    quantities : sequence of str
        Names of the quantities, the same in both.
    ess : int
        Independent draws whose precision is demanded.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If there is no quantity, one is missing on either side, or its dims or labels differ.

    See Also
    --------
    support.sampling.sample : Where the draws come from.
    hierarchical_exact.Posterior : What they are compared with.
    arviz.ess : What the draws are worth.

    Notes
    -----
    The Monte Carlo standard errors are those of as many independent draws from the exact posterior as the
    effective sample size says, by ArviZ as in Vehtari et al. (2021). A quantile is compared as the share of
    draws below the exact one: a mean, whose error needs no estimate of the density.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from support.conventions import MU_PRIOR, TAU_PRIOR
    >>> from support import datasets, models, sampling
    >>> schools = datasets.eight_schools()
    >>> posterior = exact.normal(schools["effect"], schools["standard_error"], mu=MU_PRIOR, tau=TAU_PRIOR)
    >>> idata = sampling.sample(models.schools_noncentred(schools))  # doctest: +SKIP
    >>> print(compare(idata, posterior, ["mu"]))  # doctest: +SKIP
    quantity  statistic  exact      sampled  verdict
    mu        mean        7.45  7.41 ± 0.07  agrees
    mu        sd          4.53  4.49 ± 0.06  agrees
    quantiles 5%, 50%, 95%: 3 of 3 agree
    """
    _check_ess(ess)
    if isinstance(quantities, str) or not len(quantities):
        raise ValueError(f"quantities is {quantities!r}: give a list of one or more names")
    draws = _draws(sampled, exact, quantities)
    rows = []
    for name in quantities:
        found = list(_statistics(draws[name], exact[name], ess))
        for label, position in _labels(found[0][1]):
            rows += [
                _row(f"{name}{label}", statistic, *(float(part.values[position]) for part in parts))
                for statistic, *parts in found
            ]
    return Comparison(pd.DataFrame(rows))


def _check_ess(ess):
    if not 1 <= ess < np.inf:  # nor NaN
        raise ValueError(f"ess is {ess}: give a positive number; 400 is usual")


def _statistics(draws, exact, ess):
    """Yield each statistic with its exact value, what was sampled, its error, and the error demanded."""
    over = ["chain", "draw"]
    mean, sd = _like(exact.mean(), draws), _like(exact.sd(), draws)
    centre = exact.mean()
    fourth = _like(exact.expect(lambda x: (x - centre) ** 4), draws)
    # The error of a single draw is known exactly; one made of draws that miss a tail would be too small.
    yield "mean", mean, draws.mean(over), sd / az.ess(draws, method="mean") ** 0.5, sd / ess**0.5
    single = np.sqrt(fourth - sd**4) / (2 * sd)
    yield "sd", sd, draws.std(over, ddof=1), single / az.ess(draws, method="sd") ** 0.5, single / ess**0.5
    for q in QUANTILES:
        below = (draws <= _like(exact.quantile(q), draws)).astype(float)
        share, single = xr.full_like(mean, q), (q * (1 - q)) ** 0.5
        error = single / az.ess(below, method="mean") ** 0.5
        yield f"below {q:.0%}", share, below.mean(over), error, xr.full_like(mean, single / ess**0.5)


def share(hits: xr.DataArray, exact: float, *, ess: int = 400) -> Estimate:
    """Share of draws that are hits, where the probability of a hit is known.

    Parameters
    ----------
    hits : xarray.DataArray
        True or false, (chain, draw).
    exact : float
        The probability.
    ess : int
        Independent draws whose precision is demanded.

    Returns
    -------
    support.monte_carlo.Estimate
        With its Monte Carlo standard error; it must lie within 4.5 demanded ones of the probability.

    Raises
    ------
    ValueError
        If `exact` is no probability between 0 and 1, or `ess` not positive.

    See Also
    --------
    compare : Whole posteriors.

    Examples
    --------
    >>> draws = xr.DataArray(np.random.default_rng(1).uniform(size=(4, 500)), dims=("chain", "draw"))
    >>> f"{share(draws < 0.3, 0.3):.2f}"
    '0.29 ± 0.01'
    """
    _check_ess(ess)
    if not 0 < exact < 1:
        raise ValueError(f"exact is {exact}: give a probability between 0 and 1")
    single = (exact * (1 - exact)) ** 0.5
    hits = hits.astype(float)
    error = single / float(az.ess(hits, method="mean")) ** 0.5
    return _estimate(float(hits.mean()), error, exact, single / ess**0.5)


def _draws(sampled, exact, quantities):
    """Posterior draws of the quantities, checked to be there on both sides."""
    try:
        posterior = sampled["posterior"].to_dataset()
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"sampled is a {type(sampled).__name__} without 'posterior': give what sample() returns"
        ) from error
    for name in quantities:
        if name not in posterior:
            raise ValueError(
                f"quantities has {name!r}, which was not sampled: give some of {', '.join(posterior)}"
            )
        if name not in exact:
            raise ValueError(
                f"quantities has {name!r}, which is not known exactly: give some of {', '.join(exact)}"
            )
    return posterior[list(quantities)]


def _like(values, draws):
    """Exact values in the order of the draws' own dims and labels."""
    dims = [dim for dim in draws.dims if dim not in ("chain", "draw")]
    if not isinstance(values, xr.DataArray):
        values = xr.DataArray(values)
    if set(values.dims) != set(dims):
        raise ValueError(
            f"{draws.name} has the dims {dims} where it was sampled and {list(values.dims)} where it is "
            "exact: give the exact function a DataArray with the model's dims"
        )
    try:
        return values.transpose(*dims).sel({dim: draws[dim] for dim in dims})
    except KeyError as error:
        raise ValueError(
            f"{draws.name} has other labels where it was sampled than where it is exact: give both the same"
        ) from error


def _labels(values):
    """Label in brackets and position of each entry."""
    for position in np.ndindex(values.shape):
        names = [str(values[dim].values[i]) for dim, i in zip(values.dims, position, strict=True)]
        yield (f"[{', '.join(names)}]" if names else ""), position


def _row(quantity, statistic, exact, sampled, mcse, demanded):
    """Verdict on one value."""
    z = (sampled - exact) / mcse if mcse > 0 else np.nan
    if not np.isfinite([z, mcse]).all() or mcse > demanded:
        verdict = "too few draws"
    else:
        verdict = "agrees" if abs(z) <= LARGEST_Z else "differs"
    return {
        "quantity": quantity,
        "statistic": statistic,
        "exact": exact,
        "sampled": sampled,
        "mcse": mcse,
        "demanded": demanded,
        "z": z,
        "verdict": verdict,
    }
