"""Figures of the page odd-group."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator

from support.figures.arguments import Each
from support.figures.style import BLACK, BLUE, GREY, VERMILLION, WIDTH, listed, spread, styled

# One look for each population in all figures of the page.
POPULATIONS = {"Normal": (BLUE, "-"), "Student-t": (BLACK, "--")}


@styled(effect="trial", standard_error="trial +", author="trial text")
def trials(effect: xr.DataArray, standard_error: xr.DataArray, author: xr.DataArray) -> plt.Figure:
    """Risk ratios of trials with two standard errors, in order (Figure 5.76).

    Parameters
    ----------
    effect, standard_error : xarray.DataArray
        Log risk ratios over ``trial``, and their standard errors.
    author : xarray.DataArray
        Label of each trial.

    Returns
    -------
    matplotlib.figure.Figure
        The area of a mark grows with the inverse of the squared standard error.

    See Also
    --------
    latitudes : The same against the latitude.

    Examples
    --------
    >>> from support import datasets
    >>> data = datasets.bcg_trials()
    >>> len(trials(data["effect"], data["standard_error"], data["author"]).axes)
    1
    """
    effect = effect.sortby(effect)
    error = standard_error.sel(trial=effect["trial"])
    figure, ax = plt.subplots(figsize=(WIDTH, 4.8))
    rows = np.arange(effect.size)
    ax.axvline(1, color=GREY, linestyle="--", linewidth=1)
    ax.hlines(rows, np.exp(effect - 2 * error), np.exp(effect + 2 * error), color=BLUE)
    ax.scatter(np.exp(effect), rows, s=_area(error), marker="s", color=BLUE, zorder=3)
    names = [f"{author.sel(trial=n).item()}  {n}" for n in effect["trial"].values]
    listed(ax, names, margin=0.7)
    _ratios(ax.xaxis, ax.set_xscale, [0.1, 0.25, 0.5, 1, 2, 4])
    ax.set_xlabel("risk ratio, vaccinated to others")
    return figure


@styled(report="n", found=Each({"mu": "n", "own": "n", "other": "n"}, among=POPULATIONS))
def moved(report: np.ndarray, found: dict) -> plt.Figure:
    """What becomes of three estimates when one report moves, by population (Figure 5.77).

    Parameters
    ----------
    report : (n,) array
        Values given to the report (log risk ratio).
    found : dict of str to dict
        By population, ``Normal`` and ``Student-t``, (n,) arrays: ``mu``; ``own``, the estimate of the
        group that is moved; and ``other``, that of another one.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels below each other: mu; the report less its estimate; the other estimate.

    See Also
    --------
    trials : The reports as they are.

    Examples
    --------
    >>> report = np.linspace(-4, 4, 9)
    >>> one = {"mu": report / 13, "own": report, "other": report / 2}
    >>> len(moved(report, {"Normal": one, "Student-t": one}).axes)
    3
    """
    figure, axes = plt.subplots(3, 1, sharex=True, figsize=(WIDTH, 6.6))
    for name, one in found.items():
        colour, line = POPULATIONS[name]
        for ax, values in zip(axes, (one["mu"], report - one["own"], one["other"]), strict=True):
            ax.plot(report, values, line, color=colour, label=name)
    titles = (
        "Mean of the population",
        "Report less estimate, of the moved trial",
        "Estimate of another small trial",
    )
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, loc="left")
    axes[1].axhline(0, color=GREY, linestyle=":", linewidth=1)
    axes[0].legend()
    axes[2].set_xlabel("report of the moved trial (log risk ratio)")
    return figure


@styled(distance="n", risk=Each("n", among=POPULATIONS), error="+")
def risks(distance: np.ndarray, risk: dict, error: float) -> plt.Figure:
    """Mean squared error of the estimate of one group, by its distance from the mean (Figure 5.78).

    Parameters
    ----------
    distance : (n,) array
        True effect less the mean of the population.
    risk : dict of str to (n,) array
        Mean squared error, by population, ``Normal`` and ``Student-t``.
    error : float
        Standard error of the report, whose square is the risk without pooling.

    See Also
    --------
    moved : What an odd group does to the others.

    Examples
    --------
    >>> distance = np.linspace(0, 4, 9)
    >>> len(risks(distance, {"Normal": distance**2, "Student-t": distance}, 0.5).axes)
    1
    """
    figure, ax = plt.subplots()
    for name, values in risk.items():
        colour, line = POPULATIONS[name]
        ax.plot(distance, values, line, color=colour, label=f"{name} population")
    ax.axhline(error**2, color=VERMILLION, linestyle=":", label="no pooling")
    ax.set(xlabel="distance of the true effect from the mean", ylabel="mean squared error")
    ax.set_ylim(0, 4 * error**2)
    ax.legend()
    return figure


@styled(
    effect="trial",
    standard_error="trial +",
    latitude="trial",
    line={"latitude": "n", "mean": "n", "low": "n", "high": "n"},
)
def latitudes(
    effect: xr.DataArray, standard_error: xr.DataArray, latitude: xr.DataArray, line: dict
) -> plt.Figure:
    """Risk ratios of trials against latitude, with the line of the population's mean (Figure 5.79).

    Parameters
    ----------
    effect, standard_error, latitude : xarray.DataArray
        Log risk ratios over ``trial``, their standard errors, and degrees from the equator.
    line : dict of str to (n,) array
        ``latitude``, and there of the population's mean the posterior ``mean``, and the ends ``low`` and
        ``high`` of an interval (log risk ratios).

    See Also
    --------
    trials : The same in the order of the effects.

    Examples
    --------
    >>> from support import datasets
    >>> data = datasets.bcg_trials()
    >>> at = np.array([10.0, 60.0])
    >>> line = {"latitude": at, "mean": -at / 40, "low": -at / 30, "high": -at / 50}
    >>> len(latitudes(data["effect"], data["standard_error"], data["latitude"], line).axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 4.6))
    ax.fill_between(line["latitude"], np.exp(line["low"]), np.exp(line["high"]), color=GREY, alpha=0.25, lw=0)
    ax.plot(line["latitude"], np.exp(line["mean"]), color=VERMILLION)
    ax.axhline(1, color=GREY, linestyle="--", linewidth=1)
    ax.scatter(
        latitude, np.exp(effect), s=_area(standard_error), color=BLUE, edgecolors="white", linewidths=0.5
    )
    _ratios(ax.yaxis, ax.set_yscale, [0.2, 0.5, 1, 1.5])
    # Some trials were made in one place.
    places = {}
    for degrees in np.unique(latitude):
        here = effect[(latitude == degrees).values]
        for number, height in zip(here["trial"].values, spread(here, 0.16), strict=True):
            places[number] = degrees, np.exp(height)
    halo = [withStroke(linewidth=3, foreground=ax.get_facecolor())]
    for number, at in places.items():
        ax.annotate(str(number), at, (11, -4), textcoords="offset points", path_effects=halo)
    ax.set(xlabel="latitude (degrees from the equator)", ylabel="risk ratio")
    return figure


def _area(standard_error):
    """Area of a mark by the information in its report; the smallest must be seen too."""
    return 12 + standard_error**-2


def _ratios(axis, set_scale, ticks):
    """A logarithmic axis with these ticks only."""
    set_scale("log")
    axis.set_minor_locator(NullLocator())
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
