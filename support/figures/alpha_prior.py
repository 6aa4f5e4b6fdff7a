"""Figures of the solution alpha-prior."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from support.figures.arguments import Each, at_most
from support.figures.style import BLACK, BLUE, ORANGE, SKY, WIDTH, styled


@styled(panels=Each("r k"), responses="k text")
def imagined_regions(panels: dict, responses: Sequence) -> plt.Figure:
    """Figure 5.64: shares of the answers in imagined regions, for several concentrations.

    Parameters
    ----------
    panels : dict of str to (R, K) array
        By title: the shares of K answers, at most four, in R regions.
    responses : sequence of str
        Names of the K answers.

    See Also
    --------
    support.figures.dirichlet_multinomial.concentration : What the data say of the concentration.

    Examples
    --------
    >>> shares = np.array([[0.5, 0.5], [0.2, 0.8]])
    >>> figure = imagined_regions({"alike": shares}, ["yes", "no"])
    >>> len(figure.axes[0].patches)
    4
    """
    at_most(4, responses=responses)
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 3.4), sharey=True, squeeze=False)
    looks = ((BLUE, ""), (SKY, "..."), ("#d9d9d9", ""), (ORANGE, "///"))
    for ax, (title, shares) in zip(axes[0], panels.items(), strict=True):
        rows = np.arange(len(shares))
        left = np.zeros(len(shares))
        for share, name, (colour, hatch) in zip(shares.T, responses, looks, strict=False):
            ax.barh(rows, share, left=left, color=colour, hatch=hatch, edgecolor=BLACK, label=name)
            left += share
        ax.set(title=title, xlim=(0, 1), yticks=[], xticks=[0, 0.5, 1])
        ax.set_xticklabels(["0", "0.5", "1"])
        ax.spines["left"].set_visible(False)
    axes[0, 0].set(ylabel="imagined regions")
    axes[0, len(panels) // 2].set(xlabel="shares of the answers")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(responses))
    return figure
