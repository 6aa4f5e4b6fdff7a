"""Figures of the page when-hierarchical."""

import matplotlib.pyplot as plt
import numpy as np

from support.figures.arguments import Each
from support.figures.style import BLUE, GREY, PAIR, PURPLE, VERMILLION, WIDTH, curves, note, strategy, styled


@styled(tau="n", prior="n", posteriors=Each(Each("n", most=2), most=4, exactly=True))
def few_groups(tau: np.ndarray, prior: np.ndarray, posteriors: dict) -> plt.Figure:
    """Figure 5.49: the posterior of tau against its prior, for more and more groups.

    Parameters
    ----------
    tau : (n,) array
        Where the densities are given.
    prior : (n,) array
        Prior density of tau.
    posteriors : dict of int to dict of str to (n,) array
        For each of four numbers of groups, posterior densities by label, at most two.

    See Also
    --------
    near_zero : What few groups cost where tau is zero.

    Examples
    --------
    >>> tau = np.linspace(0, 20, 51)
    >>> falling = np.exp(-tau)
    >>> len(few_groups(tau, falling, {groups: {"flat": falling} for groups in (2, 4, 8, 16)}).axes)
    4
    """
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.4), sharex=True)
    for ax, (groups, densities) in zip(axes.flat, posteriors.items(), strict=True):
        ax.plot(tau, prior, color=GREY, linestyle="--", label="prior")
        curves(ax, tau, densities, ((BLUE, "-"), (VERMILLION, "-.")))
        ax.set(title=f"$J = {groups}$", yticks=[], ylim=(0, None), xlim=(0, tau[-1]))
    figure.supxlabel(r"between-group sd $\tau$", fontsize=12)
    figure.supylabel("density", fontsize=12)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


@styled(sizes="n +", narrowing="n", equal_size="+", equal_narrowing="")
def group_sizes(
    sizes: np.ndarray, narrowing: np.ndarray, *, equal_size: float, equal_narrowing: float
) -> plt.Figure:
    """Figure 5.48: how much partial pooling narrows intervals, by the size of the group.

    Parameters
    ----------
    sizes : (J,) array
        Observations per group.
    narrowing : (J,) array
        Posterior sd of each group's mean, partial pooling over no pooling.
    equal_size : float
        Size of the groups in the comparison data set.
    equal_narrowing : float
        The same ratio there.

    See Also
    --------
    support.figures.pooling_problem.pooling_comparison : The intervals themselves.

    Examples
    --------
    >>> len(group_sizes([2, 20], [0.4, 0.9], equal_size=5, equal_narrowing=0.7).axes)
    1
    """
    figure, ax = plt.subplots()
    ax.axhline(1, color=GREY, linestyle="--", linewidth=1)
    ax.plot(sizes, narrowing, "o-", color=BLUE, label="unequal groups")
    diamond = {"color": VERMILLION, "markersize": 9, "label": "all groups equally large"}
    ax.plot(equal_size, equal_narrowing, "D", **diamond)
    note(ax, "no pooling", (sizes[0], 1), (0, -15))
    ax.set_xscale("log")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel="observations in the group", ylabel="sd, partial over no pooling", ylim=(0, 1.08))
    ax.legend(loc="lower right")
    return figure


@styled(gap="n", errors=Each("n", most=3))
def two_kinds(gap: np.ndarray, errors: dict) -> plt.Figure:
    """Figure 5.50: the error of three strategies as two kinds of groups move apart.

    Parameters
    ----------
    gap : (n,) array
        Difference between the means of the two kinds, in SAT points.
    errors : dict of str to (n,) array
        Root mean squared error of the group means, by strategy.

    See Also
    --------
    group_sizes : What pooling gains where all groups are of one kind.

    Examples
    --------
    >>> errors = {"no pooling": [5, 5], "one centre": [4, 5], "two centres": [3, 3]}
    >>> len(two_kinds([0, 20], errors).axes)
    1
    """
    figure, ax = plt.subplots()
    looks = (strategy("no pooling"), (PURPLE, ":", "D"), strategy("partial pooling"))
    curves(ax, gap, errors, looks)
    ax.set(xlabel="true gap between the two kinds (SAT points)", xticks=gap)
    ax.set(ylabel="error of group means (RMSE)", ylim=(0, None))
    ax.legend(loc="lower right")
    return figure


@styled(groups="n +", ratios=Each("n +", most=2))
def near_zero(groups: np.ndarray, ratios: dict) -> plt.Figure:
    """Figure 5.51: intervals of a hierarchical model against complete pooling's when tau is zero.

    Parameters
    ----------
    groups : (n,) array
        Number of groups.
    ratios : dict of str to (n,) array
        Posterior sd of a group's mean over complete pooling's, by kind of data.

    See Also
    --------
    few_groups : The posterior of tau itself.

    Examples
    --------
    >>> len(near_zero([2, 8], {"equal": [2.0, 1.5], "unequal": [3.0, 2.0]}).axes)
    1
    """
    figure, ax = plt.subplots()
    curves(ax, groups, ratios, PAIR)
    ax.axhline(1, color=GREY, linewidth=1)
    ax.axhline(np.sqrt(2), color=GREY, linestyle=":", linewidth=1.5)
    note(ax, r"$\sqrt{2}$", (groups[-1], np.sqrt(2)), (-4, 9))
    note(ax, "complete pooling", (groups[-1], 1), (0, 6), ha="right")
    ax.set(xscale="log", yscale="log", xlabel="number of groups $J$", ylabel="sd over complete pooling's")
    ax.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    ax.minorticks_off()
    ax.legend(loc="upper left")
    return figure
