"""Figures of the page recap."""

import matplotlib.pyplot as plt
import numpy as np

from support.figures.style import BLUE, GREY, SKY, VERMILLION, WIDTH, styled


@styled(grid="n", prior="n", likelihood="n", posterior="n", xlabel=str)
def prior_to_posterior(
    grid: np.ndarray, prior: np.ndarray, likelihood: np.ndarray, posterior: np.ndarray, *, xlabel: str
) -> plt.Figure:
    """Draw prior, likelihood and posterior of one quantity (Figure 5.39).

    Parameters
    ----------
    grid : numpy.ndarray
        Values of the quantity, (K,).
    prior, likelihood, posterior : numpy.ndarray
        Their densities on the grid, the likelihood scaled to area 1, (K,) each.
    xlabel : str
        The quantity and its unit.

    See Also
    --------
    support.figures.when_hierarchical.few_groups : Prior and posterior of tau.

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
