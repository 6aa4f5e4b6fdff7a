"""Figures of the page eight-schools."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from support.figures.arguments import Each
from support.figures.style import BLACK, BLUE, GREY, VERMILLION, WIDTH, listed, styled

# What is drawn of a fit.
FIT = {
    "posterior": {"tau": "chain draw +", "theta": "chain draw school"},
    "sample_stats": {"diverging": "chain draw"},
}
RAW_TOO = FIT | {"posterior": FIT["posterior"] | {"theta_raw": "chain draw school"}}


@styled(centred=FIT, noncentred=RAW_TOO, school=str, draws="+")
def funnel(
    centred: xr.DataTree, noncentred: xr.DataTree, *, school: str = "A", draws: int = 1500
) -> plt.Figure:
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

    See Also
    --------
    chain_shares : How well each chain sees its neck.
    support.models.schools_noncentred : The non-centred model.

    References
    ----------
    .. [1] Neal, R. M. (2003). Slice sampling. The Annals of Statistics 31, 705-767.

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
    schools = centred["posterior"]["theta"]["school"].values
    if school not in schools:
        raise ValueError(f"school is {school!r}: give one of {', '.join(map(str, schools))}")
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 4.2), sharey=True)
    panels = (
        (centred, "theta", r"$\theta_{%s}$", "centred"),
        (noncentred, "theta_raw", r"$\tilde{\theta}_{%s}$", "non-centred\nas sampled"),
        (noncentred, "theta", r"$\theta_{%s}$", "non-centred\nas effects"),
    )
    for ax, (idata, name, symbol, title) in zip(axes, panels, strict=True):
        tau = idata["posterior"]["tau"].values.ravel()
        value = idata["posterior"][name].sel(school=school).values.ravel()
        diverging = idata["sample_stats"]["diverging"].values.ravel().astype(bool)
        step = max(1, int(len(tau) // draws))
        ax.plot(value[::step], tau[::step], ".", color=BLUE, markersize=2, label="draw")
        cross = {"color": BLACK, "markersize": 6, "markeredgewidth": 1.6, "label": "divergence"}
        ax.plot(value[diverging], tau[diverging], "x", **cross)
        ax.set(title=title, xlabel=symbol % school)
    axes[0].set(ylabel=r"$\tau$ (SAT points, log scale)", yscale="log", ylim=(0.03, 40))
    axes[0].set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
    axes[0].set_xlim(axes[2].get_xlim())
    handles, labels = axes[0].get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=2)
    legend.legend_handles[0].set_markersize(8)
    return figure


@styled(estimates={"mean": "school", "hdi": "school ci_bound=2", "effect": "school"}, grand_mean="")
def forest(estimates: xr.Dataset, grand_mean: float) -> plt.Figure:
    """Posterior intervals, posterior means and raw effects of all groups (Figure 5.35).

    Parameters
    ----------
    estimates : xarray.Dataset
        ``mean`` (school), ``hdi`` (school, ci_bound) and ``effect`` (school), in SAT points.
    grand_mean : float
        Posterior mean of mu, where the vertical line stands.

    See Also
    --------
    support.figures.hierarchical_models.shrinkage_slopes : The same estimates beside the raw effects.

    Examples
    --------
    >>> hdi = (("school", "ci_bound"), [[-1.0, 20.3], [-1.4, 16.5]])
    >>> values = {"mean": ("school", [9.8, 7.6]), "effect": ("school", [28.0, 8.0]), "hdi": hdi}
    >>> schools = xr.Dataset(values, coords={"school": ["A", "B"]})
    >>> len(forest(schools, 7.5).axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 5.0))
    rows = np.arange(estimates["mean"].size)
    lower, upper = estimates["hdi"].values.T
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.axvline(grand_mean, color=VERMILLION, linestyle="--", linewidth=1.5, label=r"posterior mean of $\mu$")
    ax.hlines(rows, lower, upper, color=BLUE, linewidth=3, label="89% HDI")
    ax.plot(estimates["mean"], rows, "o", color=BLUE, markersize=9, label=r"posterior mean of $\theta_i$")
    ax.plot(
        estimates["effect"], rows, "o", markerfacecolor="white", color=BLACK, markersize=8, label="raw effect"
    )
    listed(ax, estimates["mean"]["school"].values)
    ax.set(xlabel="effect of coaching (SAT points)", ylabel="school")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@styled(shares=Each("c", names="sampler"), divergences=Each("c", names="sampler"), exact="")
def chain_shares(shares: Mapping, divergences: Mapping, exact: float) -> plt.Figure:
    """How much of the funnel's neck each chain has seen (Figure 5.43).

    Parameters
    ----------
    shares : mapping of str to (chain,) array
        By sampler, each chain's share of draws in the neck.
    divergences : mapping of str to (chain,) array
        Divergent transitions of the same chains.
    exact : float
        Posterior probability of the neck.

    See Also
    --------
    funnel : The neck itself.

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
        cross = {"color": VERMILLION, "label": "chain with divergences" if row == 0 else None}
        ax.plot(values[diverged], height[diverged], "x", markersize=7, markeredgewidth=2, **cross)
        dot = {"color": BLUE, "label": "chain without" if row == len(shares) - 1 else None}
        ax.plot(values[~diverged], height[~diverged], "o", markersize=6, **dot)
    listed(ax, shares)
    ax.set_xscale("symlog", linthresh=0.3, linscale=1.5)
    ax.set_xlim(-0.012, 1.1)
    ax.set_xticks([0, 0.1, 0.2, 0.3, 1], ["0", "0.1", "0.2", "0.3", "1"])
    ax.minorticks_off()
    ax.set_xlabel(r"share of the chain's draws with $\tau < 1$")
    figure.legend(loc="outside upper center", ncols=2)
    return figure
