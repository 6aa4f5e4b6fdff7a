"""The figures of the book: one function per numbered figure, data in, Figure out.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; line styles, markers and
labels repeat what colour says, so that every figure also reads in grey. The size and the type are chosen
for a phone: a figure is 6 inches wide, and its smallest text is 11 points.
"""

import functools

import matplotlib.pyplot as plt
import numpy as np

BLACK, GREY = "#000000", "#6b6b6b"
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW = "#56B4E9", "#CC79A7", "#F0E442"

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
    "axes.prop_cycle": plt.cycler(color=[BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK]),
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


# -- when hierarchical, practical considerations, bringing together: figures 5.44 to 5.52 --------
