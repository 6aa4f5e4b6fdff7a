"""Figures of the solution tau-prior."""

import matplotlib.pyplot as plt
import numpy as np

from support.figures.arguments import Each
from support.figures.style import BLUE, GREEN, VERMILLION, WIDTH, curves, styled


@styled(tau="n", panels=Each(Each("n", most=3)))
def priors_and_schools(tau: np.ndarray, panels: dict) -> plt.Figure:
    """Figure 5.62: posterior of tau under several priors, for more and more schools.

    Parameters
    ----------
    tau : (n,) array
        Grid of the between-school standard deviation, from 0 (SAT points).
    panels : dict of str to dict of str to (n,) array
        By number of schools, then by prior (at most three): the posterior density of tau.

    See Also
    --------
    support.figures.practical_considerations.prior_sensitivity : What follows for a school.

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
        curves(ax, tau, densities, looks)
        ax.set(ylim=(0, None), yticks=[], xlim=(0, tau[-1]), ylabel="density")
        ax.set_title(title, loc="right", y=0.7)
        ax.spines["left"].set_visible(False)
    axes[-1, 0].set(xlabel=r"$\tau$ (SAT points)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure
