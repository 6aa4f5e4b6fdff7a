"""Figures of the solution unequal-regions."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from support.figures.arguments import Each, at_most
from support.figures.style import BLUE, GREY, VERMILLION, WIDTH, styled


@styled(x="n", densities=Each("k n", most=2), raw="r k", baseline="response=k")
def unequal_regions(x: np.ndarray, densities: dict, raw: np.ndarray, baseline: xr.DataArray) -> plt.Figure:
    """Figure 5.65: posterior of the shares in a small and in a large region.

    Parameters
    ----------
    x : (n,) array
        Shares at which the densities are given.
    densities : dict of str to (K, n) array
        By region, at most two: the density of each of the K shares, at most four.
    raw : (2, K) array
        Raw shares of the same regions.
    baseline : xarray.DataArray
        Posterior mean of the baseline over ``response``, (K,).

    See Also
    --------
    support.figures.dirichlet_multinomial.survey_intervals : All regions, by their intervals.

    Examples
    --------
    >>> x = np.linspace(0, 1, 51)
    >>> baseline = xr.DataArray([0.6, 0.4], dims="response", coords={"response": ["yes", "no"]})
    >>> figure = unequal_regions(x, {"n = 10": np.ones((2, 51))}, np.array([[0.5, 0.5]]), baseline)
    >>> len(figure.axes)
    4
    """
    at_most(4, baseline=baseline)
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 4.6), sharex=True)
    looks = ((VERMILLION, "--", "s"), (BLUE, "-", "o"))
    for k, (ax, name) in enumerate(zip(axes.flat, baseline["response"].values, strict=False)):
        for (label, density), shares, (colour, style, marker) in zip(
            densities.items(), raw, looks, strict=False
        ):
            ax.plot(x, density[k], color=colour, linestyle=style, label=label)
            ax.plot(shares[k], 0, color=colour, marker=marker, markersize=8, clip_on=False, zorder=3)
        ax.axvline(float(baseline[k]), color=GREY, linewidth=1.5, linestyle=":", label="baseline")
        ax.set(ylim=(0, 27), yticks=[], xlim=(0, x[-1]))
        ax.set_title(str(name), loc="right", y=0.8)
        ax.spines["left"].set_visible(False)
    for ax in axes[-1]:
        ax.set(xlabel="share of the region")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure
