"""Figures of the page mathematical-structure."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from numpy.typing import ArrayLike

from hierarchical_exact import Marginal
from support.figures.arguments import Each
from support.figures.style import (
    BLACK,
    BLUE,
    GREY,
    SKY,
    STRATEGIES,
    VERMILLION,
    WIDTH,
    note,
    spread,
    strategy,
    styled,
)


@styled
def plate_diagram() -> plt.Figure:
    """Plates of a three-level hierarchical model (Figure 5.34a, equation hierarchical-joint).

    Returns
    -------
    matplotlib.figure.Figure
        Circles are random quantities, shaded where observed; a plate repeats what it holds.

    See Also
    --------
    dependent_pairs : What the arrows say of two groups.

    Examples
    --------
    >>> len(plate_diagram().axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 4.8))
    ax.set(xlim=(0, 6), ylim=(0, 4.8), aspect="equal")
    ax.set_axis_off()
    plates = {"groups": (0.15, 0.1, 2.9, 3.25), "observations": (0.45, 0.25, 2.3, 1.5)}
    for left, bottom, width, height in plates.values():
        plate = FancyBboxPatch((left, bottom), width, height, "round,pad=0,rounding_size=0.1", fill=False)
        ax.add_patch(plate)
    mu, tau, theta, y = r"$\mu$", r"$\tau$", r"$\theta_i$", "$y_{ij}$"
    nodes = {mu: (0.95, 4.2), tau: (2.25, 4.2), theta: (1.6, 2.65), y: (1.6, 1.2)}
    radius = 0.38
    for symbol, centre in nodes.items():
        shade = "#c8c8c8" if symbol == y else "white"
        ax.add_patch(Circle(centre, radius, facecolor=shade, edgecolor=BLACK, linewidth=1.5, zorder=2))
        ax.text(*centre, symbol, ha="center", va="center", fontsize=17, zorder=3)
    for start, end in ((mu, theta), (tau, theta), (theta, y)):
        first, last = np.array(nodes[start]), np.array(nodes[end])
        step = (last - first) / np.linalg.norm(last - first) * radius
        arrow = FancyArrowPatch(
            first + step, last - step, arrowstyle="-|>", mutation_scale=18, shrinkA=0, shrinkB=0, color=BLACK
        )
        ax.add_patch(arrow)
    ax.text(2.95, 1.9, r"$i = 1, \ldots, J$", ha="right", fontsize=12)
    ax.text(2.65, 0.36, r"$j = 1, \ldots, n_i$", ha="right", fontsize=12)
    levels = (
        "hyperparameters,\nwith their hyperpriors",
        "one parameter\nfor each group",
        "observations\n(known)",
    )
    for text, height in zip(levels, (4.2, 2.65, 1.2), strict=True):
        ax.text(3.3, height, text, va="center", fontsize=12)
    return figure


@styled(standard_error="~group +", posterior_tau=Marginal, largest_tau="+", marked_tau="")
def shrinkage_factors(
    standard_error: xr.DataArray,
    posterior_tau: Marginal,
    *,
    largest_tau: float = 25.0,
    marked_tau: float = 6.0,
) -> plt.Figure:
    """Shrinkage factor of each group against tau, above the posterior of tau (Figure 5.41).

    Parameters
    ----------
    standard_error : xarray.DataArray
        Known standard errors, (group,), in the units of tau; groups that share one share a line.
    posterior_tau : hierarchical_exact.posterior.Marginal
        Exact posterior of tau, whose density is drawn underneath.
    largest_tau : float
        End of the horizontal axis.
    marked_tau : float
        Where the lowest and the highest curve are marked by their values.

    See Also
    --------
    support.figures.hierarchical_models.pooling_dial : The estimates that they lead to.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from support import datasets
    >>> schools = datasets.eight_schools()
    >>> from support.conventions import MU_PRIOR, TAU_PRIOR
    >>> effect, error = schools["effect"], schools["standard_error"]
    >>> posterior = exact.normal(effect, error, mu=MU_PRIOR, tau=TAU_PRIOR)
    >>> len(shrinkage_factors(schools["standard_error"], posterior["tau"]).axes)
    2
    """
    figure, (ax, below) = plt.subplots(
        2, 1, figsize=(WIDTH, 5.2), sharex=True, gridspec_kw={"height_ratios": [4, 1]}
    )
    tau = np.linspace(0, largest_tau, 401)
    dim = standard_error.dims[0]
    sigmas = np.unique(standard_error.values)
    heights = spread(sigmas**2 / (sigmas**2 + largest_tau**2), gap=0.06)
    shades = plt.cm.viridis(np.linspace(0.0, 0.55, sigmas.size))
    for sigma, shade, height in zip(sigmas, shades, heights, strict=True):
        names = map(str, standard_error[dim].values[standard_error.values == sigma])
        factor = sigma**2 / (sigma**2 + tau**2)
        ax.plot(tau, factor, color=shade)
        label = rf"{', '.join(names)} ($\sigma$ = {sigma:g})"
        ax.text(largest_tau * 1.02, height, label, va="center", fontsize=11)
    for sigma, offset in ((sigmas[0], (-6, -14)), (sigmas[-1], (8, 4))):
        factor = sigma**2 / (sigma**2 + marked_tau**2)
        ax.plot(marked_tau, factor, "o", color=VERMILLION, markeredgecolor=BLACK, zorder=4)
        side = "right" if offset[0] < 0 else "left"
        ax.annotate(f"{factor:.2f}", (marked_tau, factor), offset, textcoords="offset points", ha=side)
    ax.axvline(marked_tau, color=GREY, linestyle=":", linewidth=1.2)
    ax.set(ylabel="shrinkage factor $B_i$", ylim=(0, 1.02), xlim=(0, largest_tau))
    density = posterior_tau.pdf(tau[1:])
    below.fill_between(tau[1:], density, facecolor=SKY, edgecolor=BLUE)
    below.set(ylabel="posterior\n" + r"of $\tau$", yticks=[], ylim=(0, None))
    below.axvline(marked_tau, color=GREY, linestyle=":", linewidth=1.2)
    below.set_xlabel(r"standard deviation between groups, $\tau$")
    return figure


@styled(given="n 2", marginal="m 2")
def dependent_pairs(given: ArrayLike, marginal: ArrayLike) -> plt.Figure:
    """Two group parameters, given the hyperparameters and without knowing them (Figure 5.40).

    Parameters
    ----------
    given, marginal : array_like
        Draws of two group parameters, (n, 2), with hyperparameters fixed and drawn afresh.

    See Also
    --------
    plate_diagram : Why they depend on each other.

    Examples
    --------
    >>> pairs = np.random.default_rng(1).normal(size=(100, 2))
    >>> len(dependent_pairs(pairs, pairs).axes)
    2
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.7), sharex=True, sharey=True)
    panels = {
        r"given $\mu$ and $\tau$": (given, BLUE, "o"),
        r"$\mu$ and $\tau$ unknown": (marginal, VERMILLION, "^"),
    }
    for ax, (title, (pairs, colour, marker)) in zip(axes, panels.items(), strict=True):
        first, second = np.asarray(pairs).T
        ax.plot(first, second, marker, color=colour, markersize=2, linestyle="none")
        ax.set_title(title)
        ax.set_aspect("equal")
        ax.set_xlabel(r"$\theta_1$", fontsize=14)
    limit = 1.02 * np.abs(np.concatenate([given, marginal])).max()
    axes[0].set(xlim=(-limit, limit), ylim=(-limit, limit))
    axes[0].set_ylabel(r"$\theta_2$", fontsize=14)
    return figure


@styled(estimates=Each("~tried", most=3, among=STRATEGIES), observed="", source=str, target=str)
def information_flow(
    estimates: Mapping, observed: float, *, source: str = "A", target: str = "H"
) -> plt.Figure:
    """One group's estimate against the datum of another, by pooling strategy (Figure 5.42).

    Parameters
    ----------
    estimates : mapping of str to xarray.DataArray
        For each strategy, at most three: posterior means of the target over the values tried for the
        source's datum, which are the coordinate of the only dim.
    observed : float
        The value that the source really reported.
    source, target : str
        Names of the two schools.

    See Also
    --------
    dependent_pairs : Why one group tells of another.

    Examples
    --------
    >>> line = xr.DataArray([1.0, 2.0], coords={"y_A": [0.0, 50.0]})
    >>> len(information_flow({"partial pooling": line}, 28.0).axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 4.0))
    for name, means in estimates.items():
        colour, line, marker = strategy(name)
        tried = means[means.dims[0]]
        ax.plot(tried, means, line, color=colour, marker=marker, markevery=4, markersize=6, label=name)
    ax.axvline(observed, color=GREY, linestyle=":", linewidth=1.2)
    note(ax, "reported", (observed, 0.02), (4, 0), xycoords=("data", "axes fraction"))
    ax.set_xlabel(f"effect reported by school {source} (SAT points)")
    ax.set_ylabel(f"estimate for school {target}\n(SAT points)")
    figure.legend(loc="outside upper center", ncols=2)
    return figure
