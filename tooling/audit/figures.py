"""The figure of the audit's page."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from support.figures.style import BLACK, BLUE, SKY, VERMILLION, WIDTH, styled


@styled
def verdict_bars(counts: pd.DataFrame) -> plt.Figure:
    """Figure 5.61: how many of the source's numbers got which verdict, by where they are stated.

    Parameters
    ----------
    counts : pandas.DataFrame
        One row per group of numbers, one column per verdict (at most five, from best to worst).

    Returns
    -------
    matplotlib.figure.Figure

    See Also
    --------
    tooling.audit.tables.counts : The same in numbers.

    Examples
    --------
    >>> counts = pd.DataFrame({"reproduced": [4, 0], "not reproduced": [0, 7]}, index=["example", "table"])
    >>> len(verdict_bars(counts).axes[0].patches)
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
