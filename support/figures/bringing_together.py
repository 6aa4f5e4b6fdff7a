"""Figures of the page bringing-together."""

import matplotlib.pyplot as plt
import numpy as np

from support.figures.arguments import Each
from support.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    VERMILLION,
    WIDTH,
    curves,
    strategy,
    styled,
)


@styled(spread="n", panels=Each(Each("n", most=4)), groups="")
def stein_risk(spread: np.ndarray, panels: dict, *, groups: int) -> plt.Figure:
    """Total risk of shrinkage estimators against the spread of the true means (Figures 5.55 and 5.67).

    Parameters
    ----------
    spread : (n,) array
        Standard deviation of the true means, in standard errors.
    panels : dict of str to dict of str to (n,) array
        For each panel, total risk by estimator, in squared standard errors.
    groups : int
        Number of groups, which is the risk of no pooling.

    See Also
    --------
    smallest_number_of_groups : From how many groups on it pays.

    References
    ----------
    .. [1] James, W. and Stein, C. (1961). Estimation with quadratic loss. Proceedings of the Fourth Berkeley
       Symposium on Mathematical Statistics and Probability 1, 361-379.

    Examples
    --------
    >>> curves = {name: [2.0, 7.0] for name in ("Stein", "positive part", "Bayes", "oracle")}
    >>> len(stein_risk([0, 3], {"towards zero": curves, "towards the mean": curves}, groups=8).axes)
    2
    """
    size = (WIDTH, 0.6 + 3.4 * len(panels))
    figure, axes = plt.subplots(len(panels), 1, figsize=size, sharex=True, sharey=True, squeeze=False)
    axes = axes.ravel()
    looks = ((PURPLE, "-."), (BLACK, ":"), (BLUE, "-"), (BLUE, (0, (6, 1, 1, 1, 1, 1))))
    none, line, _ = strategy("no pooling")
    for ax, (title, risks) in zip(axes, panels.items(), strict=True):
        ax.axhline(groups, color=none, linestyle=line, label="no pooling")
        curves(ax, spread, risks, looks)
        ax.set(title=title, ylim=(0, groups * 1.15), xlim=(0, spread[-1]), ylabel="total risk")
    axes[-1].set_xlabel("sd of the true means, in standard errors")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


@styled(spread="n", differences=Each("n", most=4))
def smallest_number_of_groups(spread: np.ndarray, differences: dict) -> plt.Figure:
    """Figure 5.56: risk minus that of no pooling, for three to five groups.

    Parameters
    ----------
    spread : (n,) array
        Standard deviation of the true means, in standard errors.
    differences : dict of str to (n,) array
        Total risk minus the number of groups, by estimator.

    See Also
    --------
    stein_risk : The risks themselves.

    Examples
    --------
    >>> differences = {f"{groups} groups": [-0.4, -0.1] for groups in (3, 4, 5, 6)}
    >>> len(smallest_number_of_groups([0, 3], differences).axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 4.4))
    looks = ((VERMILLION, "--"), (PURPLE, "-."), (GREEN, ":"), (BLUE, "-"))
    ax.axhline(0, color=GREY, linewidth=1.5)
    curves(ax, spread, differences, looks)
    words = {"textcoords": "offset points", "ha": "right", "color": GREY}
    ax.annotate("worse than no pooling", (spread[-1], 0), (0, 40), **words)
    ax.annotate("better", (spread[-1], 0), (0, -52), **words)
    ax.set(xlim=(0, spread[-1]), ylim=(-0.6, 0.3))
    ax.set(xlabel="sd of the true means, in standard errors", ylabel="risk minus no pooling's")
    ax.legend(loc="lower right")
    return figure
