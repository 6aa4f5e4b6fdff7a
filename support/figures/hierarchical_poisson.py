"""Figures of the solution hierarchical-poisson."""

import matplotlib.pyplot as plt
import numpy as np

from support.figures.arguments import Each
from support.figures.style import BLACK, BLUE, GREEN, GREY, SKY, VERMILLION, WIDTH, styled


@styled(
    x="n",
    densities=Each("n", most=3, names="density"),
    intervals=Each("2", names="density"),
    xlabel=str,
    draws="*",
)
def new_group(
    x: np.ndarray, densities: dict, intervals: dict, *, xlabel: str, draws: np.ndarray | None = None
) -> plt.Figure:
    """Figures 5.58 and 5.59: densities of a new group and of known ones, with their intervals.

    Parameters
    ----------
    x : (n,) array
        Where the densities are given.
    densities : dict of str to (n,) array
        By label, at most three.
    intervals : dict of str to (2,) array
        Ends of the interval of each density, drawn as a bar below it.
    xlabel : str
        The quantity and its unit.
    draws : array, optional
        Draws whose histogram is shown behind the densities.

    See Also
    --------
    support.figures.pooling_problem.pooling_comparison : The groups that there are.

    Examples
    --------
    >>> x = np.linspace(-3, 3, 61)
    >>> figure = new_group(x, {"new": np.exp(-x * x / 2)}, {"new": (-1.6, 1.6)}, xlabel="effect")
    >>> len(figure.axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 4.2))
    looks = ((BLUE, "-", "o"), (VERMILLION, "--", "s"), (GREEN, "-.", "^"))
    top = max(np.max(density) for density in densities.values())
    if draws is not None:
        bins = np.linspace(x[0], x[-1], 61)
        # Draws beyond the axis count too, or the bars would be too high for the curve.
        weights = np.full(np.size(draws), 1 / (np.size(draws) * (bins[1] - bins[0])))
        look = {"histtype": "stepfilled", "facecolor": (SKY, 0.5), "edgecolor": GREY, "linewidth": 1}
        ax.hist(np.ravel(draws), bins, weights=weights, label="draws", **look)
    for row, (label, (colour, style, marker)) in enumerate(zip(densities, looks, strict=False), start=1):
        ax.plot(x, densities[label], color=colour, linestyle=style, label=label)
        ends, height = intervals[label], -0.07 * row * top
        ax.plot(ends, [height] * 2, color=colour, linestyle=style, marker=marker, markersize=7, clip_on=False)
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.set(xlabel=xlabel, ylabel="density", yticks=[], xlim=(x[0], x[-1]))
    ax.set_ylim(-0.07 * (len(densities) + 0.7) * top, 1.12 * top)
    ax.spines["left"].set_visible(False)
    ax.legend(loc="upper right")
    return figure
