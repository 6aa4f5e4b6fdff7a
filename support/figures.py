"""The figures of the book: one function per numbered figure, data in, Figure out.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; line styles, markers and
labels repeat what colour says, so that every figure also reads in grey. Orange and sky blue stand out too
little from white (less than 3 to 1) for lines and dots: they fill areas with an outline. The size and the
type are chosen for a phone: a figure is 6 inches wide, and its smallest text is 11 points.
"""

import functools

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from scipy.optimize import isotonic_regression

BLACK, GREY = "#000000", "#6b6b6b"
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE = "#56B4E9", "#CC79A7"

WIDTH = 6.0  # inches; on a phone 1 inch is shown on about 60 pixels

STYLE = {
    "figure.dpi": 180,
    "figure.figsize": (WIDTH, 3.8),
    "figure.constrained_layout.use": True,
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=[BLUE, VERMILLION, GREEN, PURPLE, BLACK]),
    "lines.linewidth": 2,
}


def styled(draw):
    """Give a figure function the book's style, and let the notebook show its Figure once."""

    @functools.wraps(draw)
    def wrapper(*args, **kwargs):
        with plt.rc_context(STYLE):
            figure = draw(*args, **kwargs)
        # A figure left open would be shown twice: by the inline backend and as the cell's result.
        plt.close(figure)
        return figure

    return wrapper


# -- opening of the section, recap -----------------------------------------------


@styled
def shrinkage_slopes(effect, standard_error, partial, complete):
    """Draw raw effects, their partially pooled estimates and the pooled one (Figure 5.37).

    Parameters
    ----------
    effect, standard_error : xarray.DataArray
        Raw effects and their standard errors over ``school`` (SAT points), both (J,).
    partial : xarray.DataArray
        Estimates under partial pooling (SAT points), (J,).
    complete : float
        The estimate that all schools share under complete pooling (SAT points).

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from support import datasets
    >>> data = datasets.eight_schools()
    >>> partial = exact.normal(data["effect"], data["standard_error"])["theta"].mean()
    >>> figure = shrinkage_slopes(data["effect"], data["standard_error"], partial, 7.4)
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.4))
    names = [str(name) for name in effect["school"].values]
    raw = effect.values
    places = _spread(raw, gap=0.07 * np.ptp(raw))
    noisy = standard_error.values > float(standard_error.median())
    for i, name in enumerate(names):
        # Precision shows in the dots: the less noise, the larger.
        axes.plot(
            [0, 1],
            [raw[i], partial.values[i]],
            color=VERMILLION if noisy[i] else BLUE,
            linestyle="--" if noisy[i] else "-",
            marker="o",
            markersize=90 / standard_error.values[i],
            markeredgecolor="white",
        )
        axes.plot([1, 2], [partial.values[i], complete], color=GREY, linewidth=0.8, linestyle=":")
        label = f"{name}  {raw[i]:g}".replace("-", "\N{MINUS SIGN}")
        axes.text(-0.12, places[i], label, ha="right", va="center")
    axes.plot(2, complete, marker="D", markersize=10, color=BLACK)
    axes.text(2, complete + 0.06 * np.ptp(raw), f"{complete:.1f}", ha="center")
    axes.set(xlim=(-0.45, 2.3), ylabel="effect (SAT points)")
    axes.set_xticks([0, 1, 2], ["each school\nalone", "partial\npooling", "all schools\nas one"])
    # On top, the columns are named before they are seen.
    axes.tick_params(axis="x", length=0, labeltop=True, labelbottom=False, labelsize=12)
    axes.spines["bottom"].set_visible(False)
    return figure


@styled
def pooling_dial(tau, conditional_mean, density, effect):
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

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import xarray as xr
    >>> tau = np.array([0.0, 10.0])
    >>> schools = {"school": ["A", "B"]}
    >>> means = xr.DataArray([[8, 8], [15, 6]], dims=["tau", "school"], coords=schools)
    >>> raw = xr.DataArray([28, 3], dims="school", coords=schools)
    >>> figure = pooling_dial(tau, means, [0.1, 0.0], raw)
    """
    figure, (top, bottom) = plt.subplots(2, figsize=(WIDTH, 4.8), sharex=True, height_ratios=[3, 1])
    end = tau[-1]
    places = _spread(effect.values, gap=0.07 * np.ptp(effect.values))
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


@styled
def prior_to_posterior(grid, prior, likelihood, posterior, *, xlabel):
    """Draw prior, likelihood and posterior of one quantity (Figure 5.39).

    Parameters
    ----------
    grid : numpy.ndarray
        Values of the quantity, (K,).
    prior, likelihood, posterior : numpy.ndarray
        Their densities on the grid, the likelihood scaled to area 1, (K,) each.
    xlabel : str
        The quantity and its unit.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> grid = np.linspace(0, 1, 5)
    >>> figure = prior_to_posterior(grid, grid, 1 - grid, grid * (1 - grid), xlabel="x")
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.2))
    axes.fill_between(grid, posterior, color=SKY, alpha=0.4, linewidth=0)
    axes.plot(grid, posterior, color=BLUE, label="posterior")
    axes.plot(grid, likelihood, color=VERMILLION, linestyle="--", label="likelihood (scaled)")
    axes.plot(grid, prior, color=GREY, linestyle=":", label="prior")
    axes.set(xlim=(grid[0], grid[-1]), ylim=(0, None), yticks=[], xlabel=xlabel, ylabel="density")
    axes.legend(loc="upper right")
    return figure


def _spread(values, gap):
    """Move label positions apart, as little as needed, until neighbours are `gap` apart."""
    values = np.asarray(values, dtype=float)
    order = np.argsort(values, kind="stable")
    sorted_values = values[order]
    # Least squares under "at least a gap apart" is isotonic regression of the values less k gaps.
    steps = gap * np.arange(values.size)
    spread = isotonic_regression(sorted_values - steps).x + steps
    places = np.empty_like(spread)
    places[order] = spread
    return places


# -- pooling problem, mathematical structure -----------------------------------------------


@styled
def pooling_comparison(estimates, sizes, grand_mean, *, truth=None):
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

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import xarray as xr
    >>> sizes = xr.DataArray([8, 18], coords={"group": ["first", "second"]})
    >>> ends = {"lower": ("group", [65.0, 57.0]), "upper": ("group", [75.0, 63.0])}
    >>> alone = xr.Dataset({"mean": ("group", [70.0, 60.0]), **ends})
    >>> len(pooling_comparison({"No pooling": alone}, sizes, 65.0).axes)
    1
    """
    figure, axes = plt.subplots(
        1, len(estimates), figsize=(WIDTH, 4.6), sharex=True, sharey=True, squeeze=False
    )
    rows = np.arange(sizes.size)
    looks = ((VERMILLION, "s"), (BLUE, "o"), (GREEN, "D"))
    for ax, (strategy, estimate), (colour, marker) in zip(axes[0], estimates.items(), looks, strict=False):
        ax.axvline(grand_mean, color=GREY, linestyle="--", linewidth=1.2, label="mean of all")
        ax.hlines(rows, estimate["lower"], estimate["upper"], color=colour, linewidth=3)
        ax.plot(estimate["mean"], rows, marker, color=colour, markersize=8)
        if truth is not None:
            below = rows + 0.22
            ax.plot(truth, below, "x", color=BLACK, markersize=7, markeredgewidth=1.8, label="true mean")
        ax.set_title(strategy.replace(" ", "\n"))
        ax.tick_params(axis="y", length=0)
    names = sizes[sizes.dims[0]].values
    labels = [f"{name}\n$n$ = {size}" for name, size in zip(names, sizes.values, strict=True)]
    axes[0, 0].set_yticks(rows, labels)
    axes[0, 0].set_ylim(sizes.size - 0.5, -0.5)
    axes[0, len(estimates) // 2].set_xlabel("mean exam score (points)")
    handles, texts = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=2)
    return figure


@styled
def plate_diagram():
    """Plates of a three-level hierarchical model (Figure 5.34a, equation hierarchical-joint).

    Returns
    -------
    matplotlib.figure.Figure
        Circles are random quantities, shaded where observed; a plate repeats what it holds.

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
    nodes = {
        r"$\mu$": (0.95, 4.2),
        r"$\tau$": (2.25, 4.2),
        r"$\theta_i$": (1.6, 2.65),
        "$y_{ij}$": (1.6, 1.2),
    }
    radius = 0.38
    for symbol, centre in nodes.items():
        shade = "#c8c8c8" if "y" in symbol else "white"
        ax.add_patch(Circle(centre, radius, facecolor=shade, edgecolor=BLACK, linewidth=1.5, zorder=2))
        ax.text(*centre, symbol, ha="center", va="center", fontsize=17, zorder=3)
    for start, end in ((r"$\mu$", r"$\theta_i$"), (r"$\tau$", r"$\theta_i$"), (r"$\theta_i$", "$y_{ij}$")):
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


@styled
def shrinkage_factors(standard_error, posterior_tau, *, largest_tau=25.0, marked_tau=6.0):
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

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from support import datasets
    >>> schools = datasets.eight_schools()
    >>> posterior = exact.normal(schools["effect"], schools["standard_error"])
    >>> len(shrinkage_factors(schools["standard_error"], posterior["tau"]).axes)
    2
    """
    figure, (ax, below) = plt.subplots(
        2, 1, figsize=(WIDTH, 5.2), sharex=True, gridspec_kw={"height_ratios": [4, 1]}
    )
    tau = np.linspace(0, largest_tau, 401)
    dim = standard_error.dims[0]
    sigmas = np.unique(standard_error.values)
    heights = _spread(sigmas**2 / (sigmas**2 + largest_tau**2), gap=0.06)
    shades = plt.cm.viridis(np.linspace(0.0, 0.55, sigmas.size))
    for sigma, shade, height in zip(sigmas, shades, heights, strict=True):
        names = standard_error[dim].values[standard_error.values == sigma]
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


@styled
def dependent_pairs(given, marginal):
    """Two group parameters, given the hyperparameters and without knowing them (Figure 5.40).

    Parameters
    ----------
    given, marginal : array_like
        Draws of two group parameters, (n, 2), with hyperparameters fixed and drawn afresh.

    Returns
    -------
    matplotlib.figure.Figure

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


@styled
def information_flow(estimates, observed, *, source="A", target="H"):
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

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import xarray as xr
    >>> line = xr.DataArray([1.0, 2.0], coords={"y_A": [0.0, 50.0]})
    >>> len(information_flow({"partial pooling": line}, 28.0).axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 4.0))
    looks = ((VERMILLION, "--", "s"), (GREEN, "-", "D"), (BLUE, "-.", "o"))
    for (strategy, means), (colour, line, marker) in zip(estimates.items(), looks, strict=False):
        tried = means[means.dims[0]]
        ax.plot(tried, means, line, color=colour, marker=marker, markevery=4, markersize=6, label=strategy)
    ax.axvline(observed, color=GREY, linestyle=":", linewidth=1.2)
    ax.annotate(
        "reported",
        (observed, 0.02),
        (4, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        color=GREY,
    )
    ax.set(
        xlabel=f"effect reported by school {source} (SAT points)",
        ylabel=f"estimate for school {target}\n(SAT points)",
    )
    figure.legend(loc="outside upper center", ncols=2)
    return figure


# -- eight schools, LOO comparison -----------------------------------------------


@styled
def funnel(centred, noncentred, *, school="A", draws=1500):
    """The funnel in the coordinates of both samplers, divergences marked (Figure 5.34).

    Parameters
    ----------
    centred, noncentred : xarray.DataTree
        Fits of the same data: ``posterior`` with ``tau``, ``theta`` (school) and, non-centred,
        ``theta_raw`` (school); ``sample_stats`` with ``diverging``.
    school : str
        Whose effect is drawn.
    draws : int
        How many draws each panel shows; divergent ones are shown all.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels that share a logarithmic axis of tau: the centred draws, the non-centred ones in the
        coordinate that is sampled, and the same draws as effects.

    Examples
    --------
    >>> import arviz as az
    >>> rng = np.random.default_rng(1)
    >>> draws = {"tau": rng.uniform(1, 9, (2, 50)), "theta": rng.normal(size=(2, 50, 1))}
    >>> groups = {
    ...     "posterior": {**draws, "theta_raw": draws["theta"]},
    ...     "sample_stats": {"diverging": rng.random((2, 50)) < 0.1},
    ... }
    >>> dims = {"theta": ["school"], "theta_raw": ["school"]}
    >>> fit = az.from_dict(groups, coords={"school": ["A"]}, dims=dims)
    >>> len(funnel(fit, fit).axes)
    3
    """
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 4.2), sharey=True)
    panels = (
        (centred, "theta", r"$\theta_{%s}$", "centred"),
        (noncentred, "theta_raw", r"$\tilde{\theta}_{%s}$", "non-centred\nas sampled"),
        (noncentred, "theta", r"$\theta_{%s}$", "non-centred\nas effects"),
    )
    for ax, (idata, name, symbol, title) in zip(axes, panels, strict=True):
        tau = idata["posterior"]["tau"].values.ravel()
        value = idata["posterior"][name].sel(school=school).values.ravel()
        diverging = idata["sample_stats"]["diverging"].values.ravel()
        step = max(1, len(tau) // draws)
        ax.plot(value[::step], tau[::step], ".", color=BLUE, markersize=2, label="draw")
        ax.plot(
            value[diverging],
            tau[diverging],
            "x",
            color=BLACK,
            markersize=6,
            markeredgewidth=1.6,
            label="divergence",
        )
        ax.set(title=title, xlabel=symbol % school)
    axes[0].set(ylabel=r"$\tau$ (SAT points, log scale)", yscale="log", ylim=(0.03, 40))
    axes[0].set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
    axes[0].set_xlim(axes[2].get_xlim())
    handles, labels = axes[0].get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=2)
    legend.legend_handles[0].set_markersize(8)
    return figure


@styled
def forest(estimates, grand_mean):
    """Posterior intervals, posterior means and raw effects of all groups (Figure 5.35).

    Parameters
    ----------
    estimates : xarray.Dataset
        ``mean`` (school), ``hdi`` (school, ci_bound) and ``effect`` (school), in SAT points.
    grand_mean : float
        Posterior mean of mu, where the vertical line stands.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import xarray as xr
    >>> hdi = (("school", "ci_bound"), [[-1.0, 20.3], [-1.4, 16.5]])
    >>> values = {"mean": ("school", [9.8, 7.6]), "effect": ("school", [28.0, 8.0]), "hdi": hdi}
    >>> schools = xr.Dataset(values, coords={"school": ["A", "B"]})
    >>> len(forest(schools, 7.5).axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 5.0))
    rows = np.arange(estimates.sizes["school"])
    lower, upper = estimates["hdi"].transpose("ci_bound", "school").values
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.axvline(grand_mean, color=VERMILLION, linestyle="--", linewidth=1.5, label=r"posterior mean of $\mu$")
    ax.hlines(rows, lower, upper, color=BLUE, linewidth=3, label="89% HDI")
    ax.plot(estimates["mean"], rows, "o", color=BLUE, markersize=9, label=r"posterior mean of $\theta_i$")
    ax.plot(
        estimates["effect"], rows, "o", markerfacecolor="white", color=BLACK, markersize=8, label="raw effect"
    )
    ax.set_yticks(rows, estimates["school"].values)
    ax.set(xlabel="effect of coaching (SAT points)", ylabel="school", ylim=(rows[-1] + 0.6, -0.6))
    ax.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@styled
def loo_comparison(elpd_loo, sampled):
    """Leave-one-out scores of models, and their differences from the best one (Figure 5.36).

    Parameters
    ----------
    elpd_loo : mapping of str to (n,) array
        Exact leave-one-out log densities by model, one per unit.
    sampled : mapping of str to float
        Sum of the same densities, estimated from draws.

    Returns
    -------
    matplotlib.figure.Figure
        Above, the sums with two standard errors; below, the differences from the best with theirs.

    Examples
    --------
    >>> exact = {"one": [-3.0, -4.0], "two": [-3.2, -4.1]}
    >>> len(loo_comparison(exact, {"one": -7.1, "two": -7.2}).axes)
    2
    """
    scores = {name: np.asarray(values) for name, values in elpd_loo.items()}
    best = max(scores, key=lambda name: scores[name].sum())
    rows = np.arange(len(scores))
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 5.2))
    for ax, reference in zip(axes, (None, best), strict=True):
        for row, (name, values) in zip(rows, scores.items(), strict=True):
            shown = values - (0 if reference is None else scores[reference])
            offset = 0 if reference is None else sampled[reference]
            ax.errorbar(
                shown.sum(),
                row,
                xerr=2 * np.sqrt(shown.size) * shown.std(),
                fmt="o",
                color=BLUE,
                markersize=8,
                capsize=5,
                elinewidth=2.5,
                label="exact, with 2 standard errors" if row == 0 else None,
            )
            ax.plot(
                sampled[name] - offset,
                row + 0.28,
                "D",
                color=VERMILLION,
                markerfacecolor="white",
                markersize=7,
                label="estimated from draws (PSIS)" if row == 0 else None,
            )
        ax.set_yticks(rows, scores)
        ax.set_ylim(rows[-1] + 0.6, -0.5)
        ax.tick_params(axis="y", length=0)
    axes[0].set_xlabel("elpd (higher is better)")
    axes[1].set_xlabel(f"elpd minus that of {best}")
    axes[1].axvline(0, color=GREY, linestyle="--", linewidth=1)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper center", ncols=1)
    return figure


@styled
def chain_shares(shares, divergences, exact):
    """How much of the funnel's neck each chain has seen (Figure 5.43).

    Parameters
    ----------
    shares : mapping of str to (chain,) array
        By sampler, each chain's share of draws in the neck.
    divergences : mapping of str to (chain,) array
        Divergent transitions of the same chains.
    exact : float
        Posterior probability of the neck.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> len(chain_shares({"centred": [0.02, 0.1]}, {"centred": [9, 0]}, 0.13).axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 3.9))
    ax.axvline(exact, color=BLACK, linestyle="--", linewidth=1.5, label="exact")
    for row, (name, values) in enumerate(shares.items()):
        values, diverged = np.asarray(values), np.asarray(divergences[name]) > 0
        # Spread over the row, or chains that agree would hide one another.
        height = row + 0.5 * (np.argsort(np.argsort(values)) / max(len(values) - 1, 1) - 0.5)
        ax.plot(
            values[diverged],
            height[diverged],
            "x",
            color=VERMILLION,
            markersize=7,
            markeredgewidth=2,
            label="chain with divergences" if row == 0 else None,
        )
        ax.plot(
            values[~diverged],
            height[~diverged],
            "o",
            color=BLUE,
            markersize=6,
            label="chain without" if row == len(shares) - 1 else None,
        )
    ax.set_yticks(range(len(shares)), shares)
    ax.set_ylim(len(shares) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_xscale("symlog", linthresh=0.3, linscale=1.5)
    ax.set_xlim(-0.012, 1.1)
    ax.set_xticks([0, 0.1, 0.2, 0.3, 1], ["0", "0.1", "0.2", "0.3", "1"])
    ax.minorticks_off()
    ax.set_xlabel(r"share of the chain's draws with $\tau < 1$")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


@styled
def selection_by_loo(tau, wins, difference):
    """Which pooling strategy LOO prefers, data set by data set, against the true tau (Figure 5.47).

    Parameters
    ----------
    tau : (n,) array
        True between-group standard deviations.
    wins : mapping of str to (n,) array
        Share of the data sets in which each strategy, at most three, has the highest score.
    difference : (n, 3) array
        Score of partial minus complete pooling: lower, middle and upper quantile over the data sets.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> wins = {"complete": [0.8, 0.2], "partial": [0.2, 0.8]}
    >>> len(selection_by_loo([0, 10], wins, [[-0.5, -0.3, 0.8], [-0.5, 0.5, 4.0]]).axes)
    2
    """
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 6.0), sharex=True)
    looks = ((BLUE, "-", "o"), (GREEN, "--", "D"), (VERMILLION, "-.", "s"))
    for (strategy, share), (colour, style, marker) in zip(wins.items(), looks, strict=False):
        axes[0].plot(tau, share, style, color=colour, marker=marker, markersize=7, label=strategy)
    axes[0].set(ylabel="share of data sets won", ylim=(-0.03, 1.03))
    axes[0].legend(loc="upper center", ncols=1)
    lower, middle, upper = np.transpose(difference)
    axes[1].fill_between(tau, lower, upper, facecolor=(SKY, 0.35), edgecolor=BLUE, label="9 of 10 data sets")
    axes[1].plot(tau, middle, "D--", color=GREEN, markersize=7, label="median")
    axes[1].axhline(0, color=BLACK, linewidth=1)
    axes[1].set(xlabel=r"true between-school sd $\tau$ (SAT points)", ylabel="elpd, partial\nminus complete")
    axes[1].legend(loc="upper left")
    return figure


@styled
def pointwise_loo(exact, sampled, pareto_k, *, good_k=0.7):
    """Leave-one-out density of each unit, exact and from draws, one panel per model (Figure 5.46).

    Parameters
    ----------
    exact, sampled : mapping of str to (school,) DataArray
        Leave-one-out log densities by model, at most three.
    pareto_k : mapping of str to (school,) DataArray
        Pareto k of the sampled ones.
    good_k : float
        Above it, an estimate is marked as unreliable.

    Returns
    -------
    matplotlib.figure.Figure

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
        flagged = pareto_k[name].values > good_k
        estimate = sampled[name].values
        ax.hlines(rows, truth, estimate, color=GREY, linewidth=1)
        ax.plot(truth, rows, "o", color=BLUE, markersize=7, label="exact")
        looks = ((~flagged, "D", "from draws"), (flagged, "x", rf"from draws, $\hat k > {good_k}$"))
        for chosen, marker, label in looks:
            ax.plot(
                estimate[chosen],
                rows[chosen],
                marker,
                color=VERMILLION,
                markerfacecolor="none",
                markersize=8,
                markeredgewidth=1.8,
                label=label,
            )
        ax.set_title(name.replace(" ", "\n"))
        ax.tick_params(axis="y", length=0)
    axes[0, 0].set_yticks(rows, truth["school"].values)
    axes[0, 0].set_ylim(rows[-1] + 0.6, -0.6)
    axes[0, 0].set_ylabel("school left out")
    figure.supxlabel("log predictive density", fontsize=12)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


# -- survey -----------------------------------------------


@styled
def survey_intervals(count, none, hierarchical, baseline):
    """Regional shares, alone and pooled, one panel per response (Figure 5.44).

    Parameters
    ----------
    count : xarray.DataArray
        Respondents by region and response, (R, K).
    none, hierarchical : xarray.DataArray
        Ends of the intervals without pooling and of the hierarchical model, over ``region``,
        ``response`` and ``ci_bound``.
    baseline : xarray.DataArray
        Estimated national shares over ``response``, drawn as vertical lines.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from support import datasets
    >>> count = datasets.survey()["count"]
    >>> posterior = exact.dirichlet_multinomial(count, alpha=8.0, baseline=np.ones(4))
    >>> ends = posterior["pi"].hdi(0.89)
    >>> len(survey_intervals(count, ends, ends, posterior["pi0"].mean()).axes)
    4
    """
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 6.2), sharex=True, sharey=True)
    size = count.sum("response")
    raw = count / size
    rows = np.arange(size.size)
    looks = (
        (none, -0.16, {"color": VERMILLION, "linewidth": 2, "linestyle": (0, (3, 1))}, "no pooling"),
        (hierarchical, 0.16, {"color": BLUE, "linewidth": 3.5}, "hierarchical"),
    )
    for ax, response in zip(axes.flat, count["response"].values, strict=True):
        centre = float(baseline.sel(response=response))
        ax.axvline(centre, color=GREY, linestyle="--", linewidth=1.2, label="baseline")
        for ends, offset, look, label in looks:
            lower, upper = ends.sel(response=response).transpose("ci_bound", "region").values
            ax.hlines(rows + offset, lower, upper, label=label, **look)
        shares = raw.sel(response=response)
        ax.plot(shares, rows, "o", color=BLACK, markersize=5, zorder=3, label="raw share")
        ax.set_title(str(response))
        ax.tick_params(axis="y", length=0)
    names = [f"{name}\n$n$ = {n}" for name, n in zip(size["region"].values, size.values, strict=True)]
    axes[0, 0].set_yticks(rows, names)
    axes[0, 0].set_ylim(size.size - 0.5, -0.5)
    axes[0, 0].set_xlim(left=0)
    for ax in axes[1]:
        ax.set_xlabel("share of respondents")
    handles, texts = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=4, columnspacing=1.0, handlelength=1.5)
    return figure


@styled
def concentration(alpha, likelihood, fine, densities):
    """Likelihood of the concentration, above its posteriors under several priors (Figure 5.45).

    Parameters
    ----------
    alpha : (N,) array
        Concentrations of the upper panel; their range is that of both.
    likelihood : (N,) array
        Likelihood of alpha, relative to that of one set of shares for all regions.
    fine : (M,) array
        Concentrations of the lower panel.
    densities : mapping of str to (M,) array
        Posterior densities of log alpha by the name of their prior, at most four.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> alpha = np.geomspace(1, 1000, 50)
    >>> rising = np.exp(-20 / alpha)
    >>> len(concentration(alpha, rising, alpha, {"flat": rising}).axes)
    2
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.0), sharex=True)
    above.axhline(1, color=GREY, linestyle="--", linewidth=1.2)
    above.annotate("all regions alike", (alpha[0], 1), (2, -14), textcoords="offset points", color=GREY)
    above.plot(alpha, likelihood, color=BLACK)
    above.set(ylabel="relative likelihood\nof $\\alpha$", ylim=(0, 1.1))
    for (name, density), style in zip(densities.items(), ("-", "--", "-.", ":"), strict=False):
        below.plot(fine, density, linestyle=style, label=name)
    # Room for the legend above the curves.
    top = 1.5 * max(np.max(density) for density in densities.values())
    below.set(ylabel="posterior density\nof $\\log\\,\\alpha$", ylim=(0, top), yticks=[])
    below.set(xlabel=r"concentration $\alpha$", xscale="log", xlim=(alpha[0], alpha[-1]))
    below.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    below.legend(loc="upper center", ncols=2)
    return figure


# -- when hierarchical, practical considerations, bringing together ------------------------------


@styled
def few_groups(tau, prior, posteriors):
    """Figure 5.49: the posterior of tau against its prior, for more and more groups.

    Parameters
    ----------
    tau : (n,) array
        Where the densities are given.
    prior : (n,) array
        Prior density of tau.
    posteriors : dict of int to dict of str to (n,) array
        For each number of groups, posterior densities by label, at most two.

    Returns
    -------
    matplotlib.figure.Figure

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
        for (label, density), colour, style in zip(
            densities.items(), (BLUE, VERMILLION), ("-", "-."), strict=False
        ):
            ax.plot(tau, density, color=colour, linestyle=style, label=label)
        ax.set(title=f"$J = {groups}$", yticks=[], ylim=(0, None), xlim=(0, tau[-1]))
    figure.supxlabel(r"between-group sd $\tau$", fontsize=12)
    figure.supylabel("density", fontsize=12)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


@styled
def group_sizes(sizes, narrowing, *, equal_size, equal_narrowing):
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

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> len(group_sizes([2, 20], [0.4, 0.9], equal_size=5, equal_narrowing=0.7).axes)
    1
    """
    figure, ax = plt.subplots()
    ax.axhline(1, color=GREY, linestyle="--", linewidth=1)
    ax.plot(sizes, narrowing, "o-", color=BLUE, label="unequal groups")
    ax.plot(
        equal_size, equal_narrowing, "D", color=VERMILLION, markersize=9, label="all groups equally large"
    )
    ax.annotate("no pooling", (sizes[0], 1), xytext=(0, -15), textcoords="offset points", color=GREY)
    ax.set_xscale("log")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel="observations in the group", ylabel="sd, partial over no pooling", ylim=(0, 1.08))
    ax.legend(loc="lower right")
    return figure


@styled
def two_kinds(gap, errors):
    """Figure 5.50: the error of three strategies as two kinds of groups move apart.

    Parameters
    ----------
    gap : (n,) array
        Difference between the means of the two kinds, in SAT points.
    errors : dict of str to (n,) array
        Root mean squared error of the group means, by strategy.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> errors = {"none": [5, 5], "one centre": [4, 5], "two centres": [3, 3]}
    >>> len(two_kinds([0, 20], errors).axes)
    1
    """
    figure, ax = plt.subplots()
    looks = ((GREY, ":", "s"), (VERMILLION, "--", "^"), (BLUE, "-", "o"))
    for (label, error), (colour, style, marker) in zip(errors.items(), looks, strict=True):
        ax.plot(gap, error, color=colour, linestyle=style, marker=marker, label=label)
    ax.set(
        xlabel="true gap between the two kinds (SAT points)",
        ylabel="error of group means (RMSE)",
        ylim=(0, None),
        xticks=gap,
    )
    ax.legend(loc="lower right")
    return figure


@styled
def near_zero(groups, ratios):
    """Figure 5.51: intervals of a hierarchical model against complete pooling's when tau is zero.

    Parameters
    ----------
    groups : (n,) array
        Number of groups.
    ratios : dict of str to (n,) array
        Posterior sd of a group's mean over complete pooling's, by kind of data.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> len(near_zero([2, 8], {"equal": [2.0, 1.5], "unequal": [3.0, 2.0]}).axes)
    1
    """
    figure, ax = plt.subplots()
    looks = ((VERMILLION, "--", "^"), (BLUE, "-", "o"))
    for (label, ratio), (colour, style, marker) in zip(ratios.items(), looks, strict=True):
        ax.plot(groups, ratio, color=colour, linestyle=style, marker=marker, label=label)
    ax.axhline(1, color=GREY, linewidth=1)
    ax.axhline(np.sqrt(2), color=GREY, linestyle=":", linewidth=1.5)
    ax.annotate(
        r"$\sqrt{2}$", (groups[-1], np.sqrt(2)), xytext=(-4, 9), textcoords="offset points", color=GREY
    )
    ax.annotate(
        "complete pooling", (groups[-1], 1), xytext=(0, 6), textcoords="offset points", color=GREY, ha="right"
    )
    ax.set(xscale="log", yscale="log", xlabel="number of groups $J$", ylabel="sd over complete pooling's")
    ax.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    ax.minorticks_off()
    ax.legend(loc="upper left")
    return figure


@styled
def parameterisations(sizes, ess):
    """Figure 5.52: effective sample size of both parameterisations as the data grow.

    Parameters
    ----------
    sizes : (n,) array
        How many times the data of the Eight Schools.
    ess : dict of str to dict of str to (n,) array
        For each quantity (a panel), effective draws by parameterisation, centred first.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> curves = {"centred": [300, 2000], "non-centred": [2000, 300]}
    >>> len(parameterisations([1, 100], {"mu": curves, "tau": curves}).axes)
    2
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.2), sharex=True, sharey=True)
    looks = ((VERMILLION, "--", "^"), (BLUE, "-", "o"))
    for ax, (quantity, curves) in zip(axes, ess.items(), strict=True):
        for (label, values), (colour, style, marker) in zip(curves.items(), looks, strict=True):
            ax.plot(sizes, values, color=colour, linestyle=style, marker=marker, label=label)
        ax.set(title=quantity, xscale="log", yscale="log")
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.set_yticks([100, 300, 1000, 3000, 10_000], ["100", "300", "1000", "3000", "10000"])
        ax.minorticks_off()
        ax.grid(axis="y", color="#dddddd", linewidth=0.8)
    figure.supxlabel("data per school, times the original", fontsize=12)
    axes[0].set_ylabel("effective draws of 4000")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


@styled
def prior_sensitivity(tau, densities, school):
    """Figure 5.53: Eight Schools under several priors of tau.

    Parameters
    ----------
    tau : (n,) array
        Where the densities are given.
    densities : dict of str to (n,) array
        Posterior density of tau, by prior.
    school : dict of str to (3,) array
        Lower end, mean and upper end of the 89% interval of school A, by prior.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> tau = np.linspace(0, 20, 51)
    >>> densities = {name: np.exp(-tau) for name in ("flat", "half-normal", "half-t", "gamma", "half-Cauchy")}
    >>> len(prior_sensitivity(tau, densities, {name: (-2.0, 10.0, 25.0) for name in densities}).axes)
    2
    """
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(WIDTH, 6.2), height_ratios=(3, 2.4))
    looks = ((BLUE, "-"), (VERMILLION, "--"), (GREEN, "-."), (PURPLE, ":"), (BLACK, (0, (6, 1, 1, 1, 1, 1))))
    for position, (label, (colour, style)) in enumerate(zip(densities, looks, strict=True)):
        top.plot(tau, densities[label], color=colour, linestyle=style, label=label)
        low, centre, high = school[label]
        bottom.plot([low, high], [position] * 2, color=colour, linestyle=style)
        bottom.plot(centre, position, "o", color=colour)
    top.set(xlabel=r"between-school sd $\tau$ (SAT points)", ylabel="posterior density", yticks=[])
    # The tightest prior would flatten all other curves: let its peak leave the panel.
    peaks = sorted(np.max(density) for density in densities.values())
    top.set(xlim=(0, tau[-1]), ylim=(0, 1.3 * peaks[-2]))
    top.legend(title="prior of $\\tau$", title_fontsize=11)
    bottom.set_yticks(range(len(school)), list(school))
    bottom.invert_yaxis()
    bottom.margins(y=0.12)
    bottom.set_xlabel(r"effect $\theta_A$ (SAT points): mean and 89% interval")
    return figure


@styled
def restricted_likelihood(tau, panels):
    """Figure 5.54: the restricted likelihood of tau, its maximum and the posterior mean.

    Parameters
    ----------
    tau : (n,) array
        Where the restricted likelihoods are given.
    panels : dict of str to tuple
        For each data set: restricted likelihood (n,) scaled to a density, REML estimate, posterior mean.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> tau = np.linspace(0, 20, 51)
    >>> len(restricted_likelihood(tau, {name: (np.exp(-tau), 0.0, 1.0) for name in ("one", "two")}).axes)
    2
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.8), sharex=True)
    for ax, (title, (density, estimate, mean)) in zip(axes, panels.items(), strict=True):
        ax.fill_between(tau, density, color=SKY, alpha=0.35, linewidth=0)
        ax.plot(tau, density, color=BLUE)
        height = np.interp(estimate, tau, density)
        ax.plot(estimate, height, "D", color=VERMILLION, markersize=9, clip_on=False, label="REML estimate")
        ax.axvline(mean, color=BLACK, linestyle="--", linewidth=1.5, label="posterior mean")
        ax.set(title=title, yticks=[], xlim=(0, tau[-1]), ylim=(0, None))
    axes[0].set_ylabel("restricted likelihood")
    figure.supxlabel(r"between-school sd $\tau$ (SAT points)", fontsize=12)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


@styled
def stein_risk(spread, panels, *, groups):
    """Figure 5.55: total risk of shrinkage estimators against the spread of the true means.

    Parameters
    ----------
    spread : (n,) array
        Standard deviation of the true means, in standard errors.
    panels : dict of str to dict of str to (n,) array
        For each panel, total risk by estimator, in squared standard errors.
    groups : int
        Number of groups, which is the risk of no pooling.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> curves = {name: [2.0, 7.0] for name in ("Stein", "positive part", "Bayes", "oracle")}
    >>> len(stein_risk([0, 3], {"towards zero": curves, "towards the mean": curves}, groups=8).axes)
    2
    """
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 7.4), sharex=True, sharey=True)
    looks = ((GREEN, "-."), (VERMILLION, "--"), (BLUE, "-"), (PURPLE, ":"))
    for ax, (title, risks) in zip(axes, panels.items(), strict=True):
        ax.axhline(groups, color=GREY, linewidth=1.5, label="no pooling")
        for (label, risk), (colour, style) in zip(risks.items(), looks, strict=True):
            ax.plot(spread, risk, color=colour, linestyle=style, label=label)
        ax.set(title=title, ylim=(0, groups * 1.15), xlim=(0, spread[-1]), ylabel="total risk")
    axes[-1].set_xlabel("sd of the true means, in standard errors")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


@styled
def smallest_number_of_groups(spread, differences):
    """Figure 5.56: risk minus that of no pooling, for three to five groups.

    Parameters
    ----------
    spread : (n,) array
        Standard deviation of the true means, in standard errors.
    differences : dict of str to (n,) array
        Total risk minus the number of groups, by estimator.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> differences = {f"{groups} groups": [-0.4, -0.1] for groups in (3, 4, 5, 6)}
    >>> len(smallest_number_of_groups([0, 3], differences).axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 4.4))
    looks = ((VERMILLION, "--"), (PURPLE, "-."), (GREEN, ":"), (BLUE, "-"))
    ax.axhline(0, color=GREY, linewidth=1.5)
    for (label, difference), (colour, style) in zip(differences.items(), looks, strict=True):
        ax.plot(spread, difference, color=colour, linestyle=style, label=label)
    ax.annotate(
        "worse than no pooling", (spread[-1], 0), (0, 40), textcoords="offset points", ha="right", color=GREY
    )
    ax.annotate("better", (spread[-1], 0), (0, -52), textcoords="offset points", ha="right", color=GREY)
    ax.set(xlim=(0, spread[-1]), ylim=(-0.6, 0.3))
    ax.set(xlabel="sd of the true means, in standard errors", ylabel="risk minus no pooling's")
    ax.legend(loc="lower right")
    return figure


# -- solutions of the exercises -------------------------------------------------------------------


@styled
def new_group(x, densities, intervals, *, xlabel, draws=None):
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

    Returns
    -------
    matplotlib.figure.Figure

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


@styled
def covariate_precision(sizes, sds, *, needed):
    """Figure 5.60: how well the effect of a kind of school can be known, by the number of schools.

    Parameters
    ----------
    sizes : (n,) array
        Number of private schools.
    sds : dict of str to (n,) array
        Posterior standard deviation of the covariate's coefficient, by design, at most two.
    needed : float
        Standard deviation at which the effect would usually show.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = covariate_precision(np.array([4, 16]), {"8 public": np.array([6.5, 5.0])}, needed=2.0)
    >>> len(figure.axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 4.2))
    looks = ((VERMILLION, "--", "^"), (BLUE, "-", "o"))
    for (label, sd), (colour, style, marker) in zip(sds.items(), looks, strict=False):
        ax.plot(sizes, sd, color=colour, linestyle=style, marker=marker, label=label)
    ax.axhline(needed, color=GREY, linestyle=":", linewidth=1.5)
    ax.annotate(
        "enough for an effect of 5 points to show",
        (sizes[0], needed),
        (0, -15),
        textcoords="offset points",
        color=GREY,
    )
    ax.set(
        xscale="log", ylim=(0, None), xlabel="private schools", ylabel=r"posterior sd of $\beta$ (SAT points)"
    )
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.legend(loc="upper right")
    return figure


@styled
def priors_and_schools(tau, panels):
    """Figure 5.62: posterior of tau under several priors, for more and more schools.

    Parameters
    ----------
    tau : (n,) array
        Grid of the between-school standard deviation, from 0 (SAT points).
    panels : dict of str to dict of str to (n,) array
        By number of schools, then by prior (at most three): the posterior density of tau.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> tau = np.linspace(0, 15, 31)
    >>> figure = priors_and_schools(tau, {"8 schools": {"flat": np.exp(-tau)}})
    >>> len(figure.axes)
    1
    """
    figure, axes = plt.subplots(
        len(panels), figsize=(WIDTH, 1.7 * len(panels) + 0.7), sharex=True, squeeze=False
    )
    looks = ((VERMILLION, "--"), (BLUE, "-"), (GREEN, "-."))
    for ax, (title, densities) in zip(axes[:, 0], panels.items(), strict=True):
        for (label, density), (colour, style) in zip(densities.items(), looks, strict=False):
            ax.plot(tau, density, color=colour, linestyle=style, label=label)
        ax.set(ylim=(0, None), yticks=[], xlim=(0, tau[-1]), ylabel="density")
        ax.set_title(title, loc="right", y=0.7)
        ax.spines["left"].set_visible(False)
    axes[-1, 0].set(xlabel=r"$\tau$ (SAT points)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


@styled
def left_out_report(x, curves, report):
    """Figure 5.63: the report of a school that was left out, as several models predict it.

    Parameters
    ----------
    x : (n,) array
        Reports (SAT points).
    curves : dict of str to (n,) array
        Predictive density by model, at most three.
    report : float
        The report that came (SAT points).

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> x = np.linspace(-60, 60, 61)
    >>> figure = left_out_report(x, {"complete": np.exp(-((x / 15) ** 2) / 2)}, 28.0)
    >>> len(figure.axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 3.6))
    looks = ((GREEN, "-.", "s"), (BLUE, "-", "o"), (VERMILLION, "--", "^"))
    ax.axvline(report, color=GREY, linewidth=1.5, linestyle=":")
    for (label, density), (colour, style, marker) in zip(curves.items(), looks, strict=False):
        ax.plot(x, density, color=colour, linestyle=style, label=f"{label} pooling".replace("none", "no"))
        ax.plot(report, np.interp(report, x, density), color=colour, marker=marker)
    ax.annotate(
        "the report",
        (report, 0.97),
        (6, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        va="top",
        color=GREY,
    )
    ax.set(xlabel="report of the school left out (SAT points)", ylabel="predictive density")
    ax.set(xlim=(x[0], x[-1]), ylim=(0, None), yticks=[])
    ax.legend(loc="upper left")
    return figure


@styled
def imagined_regions(panels, responses):
    """Figure 5.64: shares of the answers in imagined regions, for several concentrations.

    Parameters
    ----------
    panels : dict of str to (R, K) array
        By title: the shares of K answers, at most four, in R regions.
    responses : sequence of str
        Names of the K answers.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> shares = np.array([[0.5, 0.5], [0.2, 0.8]])
    >>> figure = imagined_regions({"alike": shares}, ["yes", "no"])
    >>> len(figure.axes[0].patches)
    4
    """
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


@styled
def unequal_regions(x, densities, raw, baseline):
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

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import xarray as xr
    >>> x = np.linspace(0, 1, 51)
    >>> baseline = xr.DataArray([0.6, 0.4], dims="response", coords={"response": ["yes", "no"]})
    >>> figure = unequal_regions(x, {"n = 10": np.ones((2, 51))}, np.array([[0.5, 0.5]]), baseline)
    >>> len(figure.axes)
    4
    """
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


# -- audit --------------------------------------------------------------------------------------


@styled
def audit_verdicts(counts):
    """Figure 5.61: how many of the source's numbers got which verdict, by where they are stated.

    Parameters
    ----------
    counts : pandas.DataFrame
        One row per group of numbers, one column per verdict (at most five, from best to worst).

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> counts = pd.DataFrame({"reproduced": [4, 0], "not reproduced": [0, 7]}, index=["example", "table"])
    >>> len(audit_verdicts(counts).axes[0].patches)
    4
    """
    looks = ((BLUE, ""), (SKY, ""), ("#d9d9d9", ""), ("#a6a6a6", "..."), (VERMILLION, "///"))
    figure, ax = plt.subplots(figsize=(WIDTH, 0.36 * len(counts) + 1.5))
    rows = np.arange(len(counts))
    left = np.zeros(len(counts))
    for verdict, (colour, hatch) in zip(counts, looks[: counts.shape[1] - 1] + looks[-1:], strict=True):
        size = counts[verdict].to_numpy(float)
        ax.barh(rows, size, left=left, color=colour, hatch=hatch, edgecolor=BLACK, label=verdict)
        left += size
    for row, total in zip(rows, left, strict=True):
        place = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
        ax.annotate(f"{total:.0f}", (total, row), fontsize=11, **place)
    ax.set_yticks(rows, counts.index)
    ax.set(xlabel="numbers", ylim=(len(counts) - 0.4, -0.6))
    figure.legend(loc="outside upper center", ncols=2, handlelength=1.6, columnspacing=1.2)
    return figure
