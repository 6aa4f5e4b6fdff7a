"""Figures of the page loo-comparison."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np

from support.figures.arguments import Each
from support.figures.style import (
    BLACK,
    BLUE,
    GREY,
    SKY,
    STRATEGIES,
    VERMILLION,
    WIDTH,
    curves,
    listed,
    strategy,
    styled,
)


@styled(elpd_loo=Each("n", among=STRATEGIES))
def loo_comparison(elpd_loo: Mapping) -> plt.Figure:
    """Leave-one-out scores of models, and their differences from the best one (Figure 5.36).

    Parameters
    ----------
    elpd_loo : mapping of str to (n,) array
        Exact leave-one-out log densities by model, one per unit.

    Returns
    -------
    matplotlib.figure.Figure
        Above, the sums with two standard errors; below, the differences from the best with theirs.

    See Also
    --------
    pointwise_loo : The same unit by unit.
    selection_by_loo : Which model wins in data sets of known truth.

    References
    ----------
    .. [1] Vehtari, A., Gelman, A. and Gabry, J. (2017). Practical Bayesian model evaluation using
       leave-one-out cross-validation and WAIC. Statistics and Computing 27, 1413-1432.

    Examples
    --------
    >>> len(loo_comparison({"no pooling": [-3.0, -4.0], "partial pooling": [-3.2, -4.1]}).axes)
    2
    """
    scores = {name: np.asarray(values) for name, values in elpd_loo.items()}
    best = max(scores, key=lambda name: scores[name].sum())
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 4.2))
    for ax, reference in zip(axes, (None, best), strict=True):
        for row, (name, values) in enumerate(scores.items()):
            shown = values - (0 if reference is None else scores[reference])
            colour, _, marker = strategy(name)
            look = {"fmt": marker, "color": colour, "markersize": 8, "capsize": 5, "elinewidth": 2.5}
            ax.errorbar(shown.sum(), row, xerr=2 * np.sqrt(shown.size) * shown.std(ddof=1), **look)
        listed(ax, scores)
        ax.set_ylim(top=-0.5)
    axes[0].set_xlabel("elpd (higher is better)")
    axes[1].set_xlabel(f"elpd minus that of {best}")
    axes[1].axvline(0, color=GREY, linestyle="--", linewidth=1)
    return figure


@styled(tau="n", wins=Each("n", most=3, among=STRATEGIES), difference="n 3")
def selection_by_loo(tau: np.ndarray, wins: Mapping, difference: np.ndarray) -> plt.Figure:
    """Which pooling strategy LOO prefers, data set by data set, against the true tau (Figure 5.47).

    Parameters
    ----------
    tau : (n,) array
        True between-group standard deviations.
    wins : mapping of str to (n,) array
        Share of the data sets in which each strategy, at most three, has the highest score.
    difference : (n, 3) array
        Score of partial minus complete pooling: lower, middle and upper quantile over the data sets.

    See Also
    --------
    loo_comparison : The scores of one data set.

    Examples
    --------
    >>> wins = {"complete pooling": [0.8, 0.2], "partial pooling": [0.2, 0.8]}
    >>> len(selection_by_loo([0, 10], wins, [[-0.5, -0.3, 0.8], [-0.5, 0.5, 4.0]]).axes)
    2
    """
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 6.0), sharex=True)
    curves(axes[0], tau, wins, [strategy(name) for name in wins], markersize=7)
    axes[0].set(ylabel="share of data sets won", ylim=(-0.03, 1.03))
    axes[0].legend(loc="upper center", ncols=1)
    lower, middle, upper = np.transpose(difference)
    axes[1].fill_between(tau, lower, upper, facecolor=(SKY, 0.35), edgecolor=BLUE, label="9 of 10 data sets")
    axes[1].plot(tau, middle, "o-", color=BLUE, markersize=7, label="median")
    axes[1].axhline(0, color=BLACK, linewidth=1)
    axes[1].set(xlabel=r"true between-school sd $\tau$ (SAT points)", ylabel="elpd, partial\nminus complete")
    axes[1].legend(loc="upper left")
    return figure


@styled(
    exact=Each("school", most=3, names="model"),
    sampled=Each("school", names="model"),
    pareto_k=Each("school", names="model"),
    good_k="",
)
def pointwise_loo(exact: Mapping, sampled: Mapping, pareto_k: Mapping, *, good_k: float = 0.7) -> plt.Figure:
    """Leave-one-out density of each unit, exact and from draws, one panel per model (Figure 5.46).

    Parameters
    ----------
    exact, sampled : mapping of str to (school,) DataArray
        Leave-one-out log densities by model, at most three.
    pareto_k : mapping of str to (school,) DataArray
        Pareto k of the sampled ones.
    good_k : float
        Above it, an estimate is marked as unreliable.

    See Also
    --------
    loo_comparison : The sums, and their differences.

    References
    ----------
    .. [1] Vehtari, A., Simpson, D., Gelman, A., Yao, Y. and Gabry, J. (2024). Pareto smoothed importance
       sampling. Journal of Machine Learning Research 25, 1-58.

    Examples
    --------
    >>> import xarray as xr
    >>> values = {"one": xr.DataArray([-3.0, -4.0], coords={"school": ["A", "B"]})}
    >>> k = {"one": xr.DataArray([0.2, 0.8], coords={"school": ["A", "B"]})}
    >>> len(pointwise_loo(values, values, k).axes)
    1
    """
    figure, axes = plt.subplots(1, len(exact), figsize=(WIDTH, 4.6), sharex=True, sharey=True, squeeze=False)
    for ax, (name, truth) in zip(axes[0], exact.items(), strict=True):
        rows = np.arange(truth.size)
        k, estimate = pareto_k[name], sampled[name]
        flagged, estimate = k.values > good_k, estimate.values
        ax.hlines(rows, truth, estimate, color=GREY, linewidth=1)
        ax.plot(truth, rows, "o", color=BLUE, markersize=7, label="exact")
        look = {"color": VERMILLION, "markerfacecolor": "none", "markersize": 8, "markeredgewidth": 1.8}
        looks = ((~flagged, "D", "from draws"), (flagged, "x", rf"from draws, $\hat k > {good_k}$"))
        for chosen, marker, label in looks:
            ax.plot(estimate[chosen], rows[chosen], marker, label=label, **look)
        ax.set_title(name.replace(" ", "\n"))
        listed(ax, truth["school"].values)
    axes[0, 0].set_ylabel("school left out")
    axes[0, 0].margins(x=0.08)
    figure.supxlabel("log predictive density", fontsize=12)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure
