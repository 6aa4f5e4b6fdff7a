"""Figures of the solution new-group-prediction."""

import matplotlib.pyplot as plt
import numpy as np

from support.figures.arguments import Each
from support.figures.style import GREY, PAIR, WIDTH, curves, note, styled


@styled(sizes="n +", sds=Each("n", most=2), needed="")
def covariate_precision(sizes: np.ndarray, sds: dict, *, needed: float) -> plt.Figure:
    """Figure 5.60: how well the effect of a kind of school can be known, by the number of schools.

    Parameters
    ----------
    sizes : (n,) array
        Number of private schools.
    sds : dict of str to (n,) array
        Posterior standard deviation of the covariate's coefficient, by design, at most two.
    needed : float
        Standard deviation at which the effect would usually show.

    See Also
    --------
    support.datasets.simulate_schools_with_covariate : Data of such a design.

    Examples
    --------
    >>> figure = covariate_precision(np.array([4, 16]), {"8 public": np.array([6.5, 5.0])}, needed=2.0)
    >>> len(figure.axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 4.2))
    curves(ax, sizes, sds, PAIR)
    ax.axhline(needed, color=GREY, linestyle=":", linewidth=1.5)
    note(ax, "enough for an effect of 5 points to show", (sizes[0], needed), (0, -15))
    ax.set(xscale="log", ylim=(0, None), xlabel="private schools")
    ax.set_ylabel(r"posterior sd of $\beta$ (SAT points)")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.legend(loc="upper right")
    return figure
