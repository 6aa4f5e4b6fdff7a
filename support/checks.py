"""Sampled posteriors against exact ones: verdicts that rest on the Monte Carlo error."""

from collections.abc import Sequence
from dataclasses import dataclass

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from hierarchical_exact.posterior import Posterior
from support.conventions import LARGEST_Z


@dataclass(frozen=True)
class Comparison:
    """A sampled posterior against an exact one.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per value: quantity, statistic, sampled, mcse, exact, z, tolerance, verdict. The sampled
        values are raw: they differ from machine to machine.

    See Also
    --------
    compare : What returns it.
    """

    table: pd.DataFrame

    @property
    def agrees(self):
        """Whether every verdict is ``agrees``."""
        return bool((self.table["verdict"] == "agrees").all())

    def __str__(self):
        """Return the table as it is on every machine.

        A sampled value is printed in steps of twice its tolerance, counted from the exact value: within
        the tolerance the print does not change from one run to the next.
        """
        rows = [("quantity", "statistic", "exact", "sampled", "verdict")]
        for row in self.table.itertuples():
            steps = round((row.sampled - row.exact) / (2 * row.tolerance))
            sampled = row.exact + 2 * row.tolerance * steps
            places = max(0, int(np.ceil(-np.log10(row.tolerance) - 1e-9)), int(row.tolerance < 10))
            rows.append(
                (
                    row.quantity,
                    row.statistic,
                    f"{row.exact:.{places + 1}f}",
                    f"{sampled:.{places}f} ± {row.tolerance:.{places}f}",
                    row.verdict,
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = []
        for quantity, statistic, exact, sampled, verdict in rows:
            line = (
                f"{quantity:<{widths[0]}}  {statistic:<{widths[1]}}  {exact:>{widths[2]}}  "
                f"{sampled:>{widths[3]}}  {verdict}"
            )
            lines.append(line.rstrip())
        return "\n".join(lines)


def compare(
    sampled: xr.DataTree, exact: Posterior, quantities: Sequence[str], *, ess: int = 400
) -> Comparison:
    """Compare the means and sds of a sampled posterior with the exact ones.

    A value ``agrees`` when it lies within 4 Monte Carlo standard errors of the exact one and these are
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
        Independent draws whose precision is demanded; it sets the tolerance that is printed.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If a quantity is missing on either side, or its dims or labels differ.

    See Also
    --------
    support.sampling.sample : Where the draws come from.
    hierarchical_exact.Posterior : What they are compared with.
    arviz.mcse : Where the errors come from.

    Notes
    -----
    Monte Carlo standard errors as in Vehtari et al. (2021), by ArviZ.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from support.conventions import MU_PRIOR, TAU_PRIOR
    >>> from support import datasets, models, sampling
    >>> schools = datasets.eight_schools()
    >>> posterior = exact.normal(schools["effect"], schools["standard_error"], mu=MU_PRIOR, tau=TAU_PRIOR)
    >>> idata = sampling.sample(models.schools_noncentred(schools))  # doctest: +SKIP
    >>> print(compare(idata, posterior, ["mu"]))  # doctest: +SKIP
    quantity  statistic  exact    sampled  verdict
    mu        mean        7.45  7.5 ± 1.0  agrees
    mu        sd          4.53  4.5 ± 1.0  agrees
    """
    if ess < 1:
        raise ValueError(f"ess must be positive, but is {ess}; 400 is usual")
    draws = _draws(sampled, exact, quantities)
    estimates = {
        "mean": (draws.mean(["chain", "draw"]), _mcse(draws, "mean")),
        "sd": (draws.std(["chain", "draw"], ddof=1), _mcse(draws, "sd")),
    }
    rows = []
    for name in quantities:
        truth = {"mean": exact[name].mean(), "sd": exact[name].sd()}
        sd = _like(truth["sd"], draws[name], name)
        for label, position in _labels(sd):
            tolerance = _round_up(LARGEST_Z * float(sd.values[position]) / np.sqrt(ess))
            for statistic, (value, mcse) in estimates.items():
                target = _like(truth[statistic], draws[name], name)
                rows.append(
                    _row(
                        f"{name}{label}",
                        statistic,
                        float(value[name].values[position]),
                        float(mcse[name].values[position]),
                        float(target.values[position]),
                        tolerance,
                    )
                )
    return Comparison(pd.DataFrame(rows))


def _draws(sampled, exact, quantities):
    """Posterior draws of the quantities, checked to be there on both sides."""
    try:
        posterior = sampled["posterior"].to_dataset()
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            "sampled must be a DataTree with a group 'posterior', as sample() returns"
        ) from error
    for name in quantities:
        if name not in posterior:
            raise ValueError(f"quantities: {name!r} was not sampled; there are {', '.join(posterior)}")
        if name not in exact.quantities:
            raise ValueError(
                f"quantities: no exact {name!r} is known; there are {', '.join(exact.quantities)}"
            )
    return posterior[list(quantities)]


def _mcse(draws, method):
    """Monte Carlo standard errors, as a Dataset."""
    result = az.mcse(draws, method=method)
    return result.to_dataset() if isinstance(result, xr.DataTree) else result


def _like(values, draws, name):
    """Exact values in the order of the draws' own dims and labels."""
    dims = [dim for dim in draws.dims if dim not in ("chain", "draw")]
    if not isinstance(values, xr.DataArray):
        values = xr.DataArray(values)
    if set(values.dims) != set(dims):
        raise ValueError(
            f"{name} has the dims {dims} where it was sampled and {list(values.dims)} where it is exact; "
            "give the exact function a DataArray with the model's dims"
        )
    try:
        return values.transpose(*dims).sel({dim: draws[dim] for dim in dims})
    except KeyError as error:
        raise ValueError(f"the labels of {name} differ between the sampled and the exact one") from error


def _labels(values):
    """Label in brackets and position of each entry."""
    for position in np.ndindex(values.shape):
        names = [str(values[dim].values[i]) for dim, i in zip(values.dims, position, strict=True)]
        yield (f"[{', '.join(names)}]" if names else ""), position


def _round_up(value):
    """Smallest of 1, 2, 5 times a power of ten that is at least the value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(power * step for step in (1, 2, 5, 10) if power * step >= value * (1 - 1e-9)))


def _row(quantity, statistic, sampled, mcse, exact, tolerance):
    """Verdict on one value."""
    z = (sampled - exact) / mcse
    if not np.isfinite(z) or LARGEST_Z * mcse > tolerance:
        verdict = "too few draws"
    else:
        verdict = "agrees" if abs(z) <= LARGEST_Z else "differs"
    return {
        "quantity": quantity,
        "statistic": statistic,
        "sampled": sampled,
        "mcse": mcse,
        "exact": exact,
        "z": z,
        "tolerance": tolerance,
        "verdict": verdict,
    }
