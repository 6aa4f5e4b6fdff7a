"""Figures of the page radon."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from support.figures.arguments import Each
from support.figures.style import BLUE, GREEN, GREY, VERMILLION, WIDTH, styled

# One look for each way to estimate a county's line, as for the strategies of the whole book.
LOOKS = [(VERMILLION, "--"), (GREEN, "-."), (BLUE, "-")]


@styled(
    data={"radon": "house +", "floor": "house", "of_county": "house text"},
    lines=Each(Each("2", most=4, exactly=True, names="county"), most=3, exactly=True),
)
def county_slopes(data: xr.Dataset, lines: dict) -> plt.Figure:
    """Radon by floor in four counties, with the lines of three estimates (Figure 5.82).

    Parameters
    ----------
    data : xarray.Dataset
        ``radon`` (pCi/L), ``floor`` and ``of_county`` over ``house``.
    lines : dict of str to dict
        By estimate the lines of counties: by name a (2,) array, log radon in the basement and on the
        first floor.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each county; each dot is a house.

    See Also
    --------
    support.datasets.radon : The data.

    Examples
    --------
    >>> from support import datasets
    >>> names = ["Redwood", "Marshall", "Winona", "St. Louis"]
    >>> lines = {label: dict.fromkeys(names, [1.5, 0.8]) for label in ("alone", "one slope", "own slopes")}
    >>> houses = datasets.radon()[["radon", "floor", "of_county"]]
    >>> len(county_slopes(houses, lines).axes)
    4
    """
    names = list(next(iter(lines.values())))
    unknown = sorted(set(names) - set(data["of_county"].values))
    if unknown:
        raise ValueError(f"lines has {', '.join(unknown)}, of which data has no house: give counties of data")
    figure, axes = plt.subplots(2, 2, sharex=True, sharey=True, figsize=(WIDTH, 5.6))
    for ax, name in zip(axes.flat, names, strict=True):
        radon, floor = (data[of].values[data["of_county"].values == name] for of in ("radon", "floor"))
        beside = np.linspace(-0.12, 0.12, radon.size)
        ax.scatter(floor + beside, radon, s=14, color=GREY, alpha=0.8, lw=0)
        for (label, by_name), (colour, line) in zip(lines.items(), LOOKS, strict=True):
            ax.plot([0, 1], np.exp(by_name[name]), line, color=colour, label=label)
        ax.set_title(f"{name}, {radon.size} houses", loc="left", fontsize=12)
    axes[0, 0].set(xticks=[0, 1], xticklabels=["basement", "first floor"], xlim=(-0.4, 1.4), yscale="log")
    axes[0, 0].set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
    axes[0, 0].minorticks_off()
    figure.supylabel("radon (pCi/L)", fontsize=12)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
