"""Figures of the page practical-considerations."""

import matplotlib.pyplot as plt
import numpy as np

from support.figures.arguments import Each
from support.figures.style import BLACK, BLUE, GREEN, PAIR, PURPLE, SKY, VERMILLION, WIDTH, curves, styled


@styled(sizes="n +", ess=Each(Each("n +", most=2), most=2, exactly=True))
def parameterisations(sizes: np.ndarray, ess: dict) -> plt.Figure:
    """Figure 5.52: effective sample size of both parameterisations as the data grow.

    Parameters
    ----------
    sizes : (n,) array
        How many times the data of the Eight Schools.
    ess : dict of str to dict of str to (n,) array
        For each of two quantities (a panel), effective draws by parameterisation, centred first.

    See Also
    --------
    support.figures.eight_schools.funnel : Why they differ.

    Examples
    --------
    >>> curves = {"centred": [300, 2000], "non-centred": [2000, 300]}
    >>> len(parameterisations([1, 100], {"mu": curves, "tau": curves}).axes)
    2
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.2), sharex=True, sharey=True)
    for ax, (quantity, by_form) in zip(axes, ess.items(), strict=True):
        curves(ax, sizes, by_form, PAIR)
        ax.set(title=quantity, xscale="log", yscale="log")
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.set_yticks([100, 300, 1000, 3000, 10_000], ["100", "300", "1000", "3000", "10000"])
        ax.minorticks_off()
        ax.grid(axis="y", color="#dddddd", linewidth=0.8)
    figure.supxlabel("data per school, times the original", fontsize=12)
    axes[0].set_ylabel("effective draws of 4000")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


@styled(tau="n", densities=Each("n", most=5, exactly=True, names="prior"), school=Each("3", names="prior"))
def prior_sensitivity(tau: np.ndarray, densities: dict, school: dict) -> plt.Figure:
    """Figure 5.53: Eight Schools under several priors of tau.

    Parameters
    ----------
    tau : (n,) array
        Where the densities are given.
    densities : dict of str to (n,) array
        Posterior density of tau, by prior, of which there are five.
    school : dict of str to (3,) array
        Lower end, mean and upper end of the 89% interval of school A, by prior.

    See Also
    --------
    support.figures.tau_prior.priors_and_schools : The same for more schools.

    References
    ----------
    .. [1] Gelman, A. (2006). Prior distributions for variance parameters in hierarchical models. Bayesian
       Analysis 1, 515-534.

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


@styled(tau="n", panels=Each(("n", "", ""), most=2, exactly=True))
def restricted_likelihood(tau: np.ndarray, panels: dict) -> plt.Figure:
    """Figure 5.54: the restricted likelihood of tau, its maximum and the posterior mean.

    Parameters
    ----------
    tau : (n,) array
        Where the restricted likelihoods are given.
    panels : dict of str to tuple
        For each of two data sets: restricted likelihood (n,) scaled to a density, REML estimate, posterior
        mean.

    See Also
    --------
    prior_sensitivity : The posterior under several priors.

    References
    ----------
    .. [1] Patterson, H. D. and Thompson, R. (1971). Recovery of inter-block information when block sizes are
       unequal. Biometrika 58, 545-554.

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
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure
