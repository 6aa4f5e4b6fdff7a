"""Figures of the solution leave-one-school-out."""

import matplotlib.pyplot as plt
import numpy as np

from support.figures.arguments import Each
from support.figures.style import GREY, WIDTH, note, strategy, styled


@styled(x="n", curves=Each("n", most=3, among=("complete", "partial", "none")), report="")
def left_out_report(x: np.ndarray, curves: dict, report: float) -> plt.Figure:
    """Figure 5.63: the report of a school that was left out, as several models predict it.

    Parameters
    ----------
    x : (n,) array
        Reports (SAT points).
    curves : dict of str to (n,) array
        Predictive density by model, at most three.
    report : float
        The report that came (SAT points).

    See Also
    --------
    support.figures.loo_comparison : The scores of all reports, each left out in turn.

    Examples
    --------
    >>> x = np.linspace(-60, 60, 61)
    >>> figure = left_out_report(x, {"complete": np.exp(-((x / 15) ** 2) / 2)}, 28.0)
    >>> len(figure.axes)
    1
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 3.6))
    ax.axvline(report, color=GREY, linewidth=1.5, linestyle=":")
    for label, density in curves.items():
        name = f"{label} pooling".replace("none", "no")
        colour, style, marker = strategy(name)
        ax.plot(x, density, color=colour, linestyle=style, label=name)
        ax.plot(report, np.interp(report, x, density), color=colour, marker=marker)
    note(ax, "the report", (report, 0.97), (6, 0), xycoords=("data", "axes fraction"), va="top")
    ax.set(xlabel="report of the school left out (SAT points)", ylabel="predictive density")
    ax.set(xlim=(x[0], x[-1]), ylim=(0, None), yticks=[])
    ax.legend(loc="upper left")
    return figure
