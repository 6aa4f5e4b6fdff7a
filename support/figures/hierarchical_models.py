"""Figures of the page hierarchical-models."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from support.figures.style import BLACK, BLUE, GREY, SKY, WIDTH, spread, strategy, styled


@styled(effect="school", standard_error="school +", partial="school", complete="")
def shrinkage_slopes(
    effect: xr.DataArray, standard_error: xr.DataArray, partial: xr.DataArray, complete: float
) -> plt.Figure:
    """Draw raw effects, their partially pooled estimates and the pooled one (Figure 5.37).

    Parameters
    ----------
    effect, standard_error : xarray.DataArray
        Raw effects and their standard errors over ``school`` (SAT points), both (J,).
    partial : xarray.DataArray
        Estimates under partial pooling (SAT points), (J,).
    complete : float
        The estimate that all schools share under complete pooling (SAT points).

    See Also
    --------
    pooling_dial : The estimates for every tau.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from support import datasets
    >>> data = datasets.eight_schools()
    >>> from support.conventions import MU_PRIOR, TAU_PRIOR
    >>> effect, error = data["effect"], data["standard_error"]
    >>> partial = exact.normal(effect, error, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"].mean()
    >>> figure = shrinkage_slopes(data["effect"], data["standard_error"], partial, 7.4)
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.4))
    names = [str(name) for name in effect["school"].values]
    raw = effect.values
    places = spread(raw, gap=0.07 * np.ptp(raw))
    noisy = standard_error.values > float(standard_error.median())
    for i, name in enumerate(names):
        # Precision shows in the dots: the less noise, the larger.
        axes.plot(
            [0, 1],
            [raw[i], partial.values[i]],
            color=BLUE,
            linestyle="--" if noisy[i] else "-",
            marker="o",
            markersize=90 / standard_error.values[i],
            markeredgecolor="white",
        )
        axes.plot([1, 2], [partial.values[i], complete], color=GREY, linewidth=0.8, linestyle=":")
        label = f"{name}  " + f"{raw[i]:g}".replace("-", "\N{MINUS SIGN}")
        axes.text(-0.12, places[i], label, ha="right", va="center")
    colour, _, marker = strategy("complete pooling")
    axes.plot(2, complete, marker=marker, markersize=10, color=colour)
    axes.text(2, complete + 0.06 * np.ptp(raw), f"{complete:.1f}", ha="center")
    axes.set(xlim=(-0.45, 2.3), ylabel="effect (SAT points)")
    axes.set_xticks([0, 1, 2], ["each school\nalone", "partial\npooling", "all schools\nas one"])
    # On top, the columns are named before they are seen.
    axes.tick_params(axis="x", length=0, labeltop=True, labelbottom=False, labelsize=12)
    axes.spines["bottom"].set_visible(False)
    return figure


@styled(tau="k", conditional_mean="tau=k school", density="k", effect="school")
def pooling_dial(
    tau: np.ndarray, conditional_mean: xr.DataArray, density: ArrayLike, effect: xr.DataArray
) -> plt.Figure:
    """Draw the estimates as tau grows, above the posterior density of tau (Figure 5.38).

    Parameters
    ----------
    tau : numpy.ndarray
        Grid of between-school standard deviations, from 0 (SAT points), (K,).
    conditional_mean : xarray.DataArray
        Posterior means of the school effects given tau, with dims ``tau`` and ``school``.
    density : array_like
        Posterior density of tau on the grid, (K,).
    effect : xarray.DataArray
        Raw effects over ``school`` (SAT points), (J,).

    See Also
    --------
    shrinkage_slopes : The estimates when tau is unknown.

    Examples
    --------
    >>> tau = np.array([0.0, 10.0])
    >>> schools = {"school": ["A", "B"]}
    >>> means = xr.DataArray([[8, 8], [15, 6]], dims=["tau", "school"], coords=schools)
    >>> raw = xr.DataArray([28, 3], dims="school", coords=schools)
    >>> figure = pooling_dial(tau, means, [0.1, 0.0], raw)
    """
    figure, (top, bottom) = plt.subplots(2, figsize=(WIDTH, 4.8), sharex=True, height_ratios=[3, 1])
    end = tau[-1]
    places = spread(effect.values, gap=0.07 * np.ptp(effect.values))
    for i, name in enumerate(effect["school"].values):
        line = conditional_mean.sel(school=name)
        top.plot(tau, line, color=BLUE, linewidth=1.5)
        raw = float(effect[i])
        top.plot([end, 1.2 * end], [line[-1], raw], color=GREY, linewidth=0.8, linestyle=":")
        top.plot(1.2 * end, raw, marker="o", color=BLACK, markersize=5)
        top.text(1.24 * end, places[i], str(name), ha="left", va="center")
    top.set(ylabel="estimated effect\n(SAT points)")
    top.set_title("all as one", loc="left")
    top.set_title("each alone", loc="right")
    bottom.fill_between(tau, density, facecolor=SKY, edgecolor=BLUE)
    bottom.set(xlabel=r"between-school sd $\tau$ (SAT points)", yticks=[], ylabel="posterior\nof $\\tau$")
    bottom.set_ylim(bottom=0)
    bottom.set_xticks([*range(0, int(end) + 1, 5), 1.2 * end], [*range(0, int(end) + 1, 5), r"$\infty$"])
    return figure
