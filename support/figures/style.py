"""What all figures share.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; line styles, markers and
labels repeat what colour says, so that every figure also reads in grey. Orange and sky blue stand out too
little from white (less than 3 to 1) for lines and dots: they fill areas with an outline. The size and the
type are chosen for a phone: a figure is 6 inches wide, and its smallest text is 11 points.
"""

import functools
import inspect
import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import Collection
from matplotlib.patches import Patch
from scipy.optimize import isotonic_regression

from support.figures.arguments import checked

BLACK, GREY = "#000000", "#6b6b6b"
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE = "#56B4E9", "#CC79A7"

# One look for each strategy in the whole book: colour, line and marker.
STRATEGIES = {"complete": (GREEN, "-.", "s"), "partial": (BLUE, "-", "o"), "no": (VERMILLION, "--", "^")}

# Two kinds of results that are no strategies, the one to be avoided first.
PAIR = STRATEGIES["no"], STRATEGIES["partial"]

WIDTH = 6.0  # inches; on a phone 1 inch is shown on about 60 pixels

MANY = 1000  # dots that a drawing does not hold one by one

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


# What the docstring of each figure says of the arguments that are checked, before what else there is to see.
RAISES = """\
Raises
------
ValueError
    If an argument has another form, is empty or holds numbers that are not finite; it is named.

See Also
"""


def styled(draw=None, /, **forms):
    """Check what a figure function is given, draw in the book's style, and let the notebook show it once.

    Its docstring says what is refused.
    """
    if draw is None:
        return functools.partial(styled, **forms)
    signature = inspect.signature(draw)

    @functools.wraps(draw)
    def wrapper(*args, **kwargs):
        given = signature.bind(*args, **kwargs)
        given.arguments = checked(given.arguments, forms)
        before = set(plt.get_fignums())
        try:
            with plt.rc_context(STYLE):
                figure = draw(*given.args, **given.kwargs)
        except BaseException:
            # Half a figure would be shown beside the error.
            for number in set(plt.get_fignums()) - before:
                plt.close(number)
            raise
        if not figure.findobj(is_large):
            figure._repr_svg_ = functools.partial(vector, figure)
        # A figure left open would be shown twice: by the inline backend and as the cell's result.
        plt.close(figure)
        return figure

    if forms:
        wrapper.__doc__ = (inspect.getdoc(draw) or "").replace("See Also\n", RAISES, 1)
    return wrapper


def is_large(marks):
    """Tell whether marks take less room in a picture than drawn on paper: many dots, or what is hatched."""
    dots = marks.get_offsets() if isinstance(marks, Collection) else ()
    return len(dots) > MANY or (isinstance(marks, Collection | Patch) and bool(marks.get_hatch()))


def vector(figure):
    """Return a figure as SVG, for paper: the same at each run."""
    file = io.StringIO()
    with plt.rc_context({"svg.hashsalt": "book"}):
        figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    return file.getvalue()


def strategy(name):
    """Return colour, line and marker of the strategy of this name, as "No pooling"."""
    return STRATEGIES[name.split()[0].lower()]


def curves(ax, x, heights, looks, **more):
    """Draw a line for each label, with its colour, its line and, where the look has one, its marker."""
    for (label, y), look in zip(heights.items(), looks[: len(heights)], strict=True):
        ax.plot(x, y, label=label, **dict(zip(("color", "linestyle", "marker"), look, strict=False)), **more)


def note(ax, text, place, beside, **more):
    """Write words in grey so many points beside a place."""
    ax.annotate(text, place, beside, textcoords="offset points", color=GREY, **more)


def listed(ax, names, margin=0.6):
    """Name the rows at heights 0, 1, ..., from top to bottom."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 1 + margin, -margin)
    ax.tick_params(axis="y", length=0)


def spread(values, gap):
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
