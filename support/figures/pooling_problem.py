"""Figures of the page pooling-problem."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from support.figures.arguments import Each
from support.figures.style import BLACK, GREY, STRATEGIES, WIDTH, listed, strategy, styled


@styled(
    sizes="~group",
    estimates=Each({"mean": "~group", "lower": "~group", "upper": "~group"}, most=3, among=STRATEGIES),
    grand_mean="",
    truth="~group",
)
def pooling_comparison(
    estimates: Mapping, sizes: xr.DataArray, grand_mean: float, *, truth: xr.DataArray | None = None
) -> plt.Figure:
    """Group means under several pooling strategies, one panel each (Figure 5.33).

    Parameters
    ----------
    estimates : mapping of str to xarray.Dataset
        Strategies by name, at most three: ``mean`` and the ends ``lower`` and ``upper`` of an interval,
        each (group,).
    sizes : xarray.DataArray
        Observations per group, (group,); its labels are shown from top to bottom.
    grand_mean : float
        Where the vertical line stands, in the units of the estimates.
    truth : xarray.DataArray, optional
        True group means, (group,), drawn as crosses.

    See Also
    --------
    support.figures.hierarchical_models.shrinkage_slopes : The same for the Eight Schools.

    Examples
    --------
    >>> sizes = xr.DataArray([8, 18], coords={"group": ["first", "second"]})
    >>> ends = {"lower": ("group", [65.0, 57.0]), "upper": ("group", [75.0, 63.0])}
    >>> alone = xr.Dataset({"mean": ("group", [70.0, 60.0]), **ends}, coords=sizes.coords)
    >>> len(pooling_comparison({"No pooling": alone}, sizes, 65.0).axes)
    1
    """
    figure, axes = plt.subplots(
        1, len(estimates), figsize=(WIDTH, 4.6), sharex=True, sharey=True, squeeze=False
    )
    rows = np.arange(sizes.size)
    names = sizes[sizes.dims[0]].values
    labels = [f"{name}\n$n$ = {size}" for name, size in zip(names, sizes.values, strict=True)]
    for ax, (name, estimate) in zip(axes[0], estimates.items(), strict=True):
        colour, _, marker = strategy(name)
        ax.axvline(grand_mean, color=GREY, linestyle="--", linewidth=1.2, label="mean of all")
        ax.hlines(rows, estimate["lower"], estimate["upper"], color=colour, linewidth=3)
        ax.plot(estimate["mean"], rows, marker, color=colour, markersize=8)
        if truth is not None:
            below = rows + 0.22
            ax.plot(truth, below, "x", color=BLACK, markersize=7, markeredgewidth=1.8, label="true mean")
        ax.set_title(name.replace(" ", "\n"))
        listed(ax, labels, margin=0.5)
    axes[0, len(estimates) // 2].set_xlabel("mean exam score (points)")
    handles, texts = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=2)
    return figure
