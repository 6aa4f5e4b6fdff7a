"""Figures of the page dirichlet-multinomial."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from support.figures.arguments import Each
from support.figures.style import BLACK, BLUE, GREY, VERMILLION, WIDTH, listed, note, styled


@styled(
    count="region response=4",
    none="region response ci_bound=2",
    hierarchical="region response ci_bound=2",
    baseline="response",
)
def survey_intervals(
    count: xr.DataArray, none: xr.DataArray, hierarchical: xr.DataArray, baseline: xr.DataArray
) -> plt.Figure:
    """Regional shares, alone and pooled, one panel per response (Figure 5.44).

    Parameters
    ----------
    count : xarray.DataArray
        Respondents by region and response, (R, 4).
    none, hierarchical : xarray.DataArray
        Ends of the intervals without pooling and of the hierarchical model, over ``region``,
        ``response`` and ``ci_bound``.
    baseline : xarray.DataArray
        Estimated national shares over ``response``, drawn as vertical lines.

    See Also
    --------
    concentration : How alike the regions are.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from support import datasets
    >>> count = datasets.survey()["count"]
    >>> posterior = exact.dirichlet_multinomial(count, alpha=8.0, baseline=np.ones(4))
    >>> ends = posterior["pi"].hdi(0.89)
    >>> len(survey_intervals(count, ends, ends, posterior["pi0"].mean()).axes)
    4
    """
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 6.2), sharex=True, sharey=True)
    size = count.sum("response")
    raw = count / size
    rows = np.arange(size.size)
    names = [f"{name}\n$n$ = {n}" for name, n in zip(size["region"].values, size.values, strict=True)]
    looks = (
        (none, -0.16, {"color": VERMILLION, "linewidth": 2, "linestyle": (0, (3, 1))}, "no pooling"),
        (hierarchical, 0.16, {"color": BLUE, "linewidth": 3.5}, "hierarchical"),
    )
    for ax, response in zip(axes.flat, count["response"].values, strict=True):
        centre = float(baseline.sel(response=response))
        ax.axvline(centre, color=GREY, linestyle="--", linewidth=1.2, label="baseline")
        for ends, offset, look, label in looks:
            lower, upper = ends.sel(response=response).transpose("ci_bound", "region").values
            ax.hlines(rows + offset, lower, upper, label=label, **look)
        shares = raw.sel(response=response)
        ax.plot(shares, rows, "o", color=BLACK, markersize=5, zorder=3, label="raw share")
        ax.set_title(str(response))
        listed(ax, names, margin=0.5)
    axes[0, 0].set_xlim(left=0)
    for ax in axes[1]:
        ax.set_xlabel("share of respondents")
    handles, texts = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=4, columnspacing=1.0, handlelength=1.5)
    return figure


@styled(alpha="n +", likelihood="n", fine="m +", densities=Each("m", most=4))
def concentration(
    alpha: np.ndarray, likelihood: np.ndarray, fine: np.ndarray, densities: Mapping
) -> plt.Figure:
    """Likelihood of the concentration, above its posteriors under several priors (Figure 5.45).

    Parameters
    ----------
    alpha : (N,) array
        Concentrations of the upper panel; their range is that of both.
    likelihood : (N,) array
        Likelihood of alpha, relative to that of one set of shares for all regions.
    fine : (M,) array
        Concentrations of the lower panel.
    densities : mapping of str to (M,) array
        Posterior densities of log alpha by the name of their prior, at most four.

    See Also
    --------
    survey_intervals : What follows for the regions.

    Examples
    --------
    >>> alpha = np.geomspace(1, 1000, 50)
    >>> rising = np.exp(-20 / alpha)
    >>> len(concentration(alpha, rising, alpha, {"flat": rising}).axes)
    2
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.0), sharex=True)
    above.axhline(1, color=GREY, linestyle="--", linewidth=1.2)
    note(above, "all regions alike", (alpha[0], 1), (2, -14))
    above.plot(alpha, likelihood, color=BLACK)
    above.set(ylabel="relative likelihood\nof $\\alpha$", ylim=(0, 1.1))
    for (name, density), style in zip(densities.items(), ("-", "--", "-.", ":"), strict=False):
        below.plot(fine, density, linestyle=style, label=name)
    # Room for the legend above the curves.
    top = 1.5 * max(np.max(density) for density in densities.values())
    below.set(ylabel="posterior density\nof $\\log\\,\\alpha$", ylim=(0, top), yticks=[])
    below.set(xlabel=r"concentration $\alpha$", xscale="log", xlim=(alpha[0], alpha[-1]))
    below.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    below.legend(loc="upper center", ncols=2)
    return figure
