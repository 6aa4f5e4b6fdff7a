"""Who decides tau: the prior of tau, by family and scale, beside the posterior that it leads to."""

import functools
import json
from collections.abc import Callable, Sequence

import altair as alt
import numpy as np
import xarray as xr

from hierarchical_exact.posterior import Posterior
from support.conventions import TAILS
from support.figures.style import BLACK, BLUE, VERMILLION
from tooling.explorers.explorer import Explorer, steps

WIDTH = 340
LARGEST_TAU = 30
CHOSEN = "datum.family == family && datum.scale == prior_scale"

DESCRIPTION = """
Buttons offer families of priors for tau, the standard deviation between groups ({group}), and a slider their
scale. Above, the density of the prior, a dashed curve, and that of the posterior, a solid one; the area below
both is shaded. Three lines of text follow: how much of the posterior was in the prior already, which is that
area; up to where tau reaches, before and after the data; and the estimate of the one with the largest
effect, for this scale, half of it and twice as much. Below, each {group}'s raw effect, an open circle, and
its estimate, a filled one, on its 89% interval with equal tails.
"""


def prior(
    families: dict[str, Callable],
    scales: Sequence[float],
    fit: Callable[..., Posterior],
    effect: xr.DataArray,
) -> Explorer:
    """Let a reader choose the prior of tau, and see how much it decides.

    Parameters
    ----------
    families : dict of str to callable
        By name: takes a scale, gives the frozen scipy.stats distribution of tau.
    scales : sequence of float
        The settings of the scale.
    fit : callable
        Takes a prior of tau, gives the exact posterior, with ``tau`` and ``theta``.
    effect : xarray.DataArray
        Raw effects, over one dim, the groups, such as ``school``; its attribute ``units`` is shown.

    Returns
    -------
    Explorer

    See Also
    --------
    overlap : What it calls the part that the prior held.

    Examples
    --------
    >>> from scipy import stats
    >>> import hierarchical_exact as exact
    >>> from support.conventions import MU_PRIOR
    >>> from support import datasets
    >>> data = datasets.eight_schools()
    >>> def fit(prior):
    ...     return exact.normal(data["effect"], data["standard_error"], mu=MU_PRIOR, tau=prior)
    >>> prior({"uniform": lambda limit: stats.uniform(0, limit)}, [5, 10], fit, data["effect"]).name
    'prior'
    """
    (group,) = effect.dims
    unit = f" ({effect.attrs['units']})" if "units" in effect.attrs else ""
    tau = _grid(scales)

    @functools.cache
    def posterior(family, scale):
        return fit(families[family](scale))

    def row(family, scale):
        fits = [posterior(family, factor * scale) for factor in (1, 0.5, 2)]
        prior = families[family](scale)
        curves = {"prior": _short(prior.pdf(tau), 4), "posterior": _short(fits[0]["tau"].pdf(tau), 4)}
        return {"family": family, "scale": scale, **curves, **_quantities(prior, fits, effect)}

    rows = [row(family, scale) for family in families for scale in scales]
    ends = [value for row in rows for name in ("raw", "lower", "upper") for value in row[name][: effect.size]]
    parts = _densities(tau, unit), _verdict(effect), _groups(effect, unit, [min(ends), max(ends)])
    chart = alt.vconcat(*parts, spacing=8, data=alt.Data(values=rows))
    choose = alt.binding_radio(options=list(families), name="family ")
    family = alt.param(name="family", value=next(iter(families)), bind=choose)
    scale = steps("prior_scale", scales, start=scales[len(scales) // 2], title=f"scale{unit} ")
    heads = {"quantity": "quantity", "raw": "raw effect", "estimate": "value"}
    numbers = heads | {"lower": "89% from", "upper": "to"}
    description = DESCRIPTION.format(group=group)
    return Explorer(chart.add_params(family, *scale), name="prior", description=description, numbers=numbers)


def overlap(prior: object, posterior: Posterior) -> float:
    """Return the area below both densities of tau: the part of the posterior that the prior held already.

    Parameters
    ----------
    prior : frozen scipy.stats distribution
        Of tau.
    posterior : hierarchical_exact.posterior.Posterior
        Under this prior.

    Returns
    -------
    float
        1 if the data changed nothing, toward 0 if prior and posterior have nothing in common.

    See Also
    --------
    prior : Where it is shown.

    Examples
    --------
    >>> from scipy import stats
    >>> import hierarchical_exact as exact
    >>> from support.conventions import MU_PRIOR
    >>> sharp = stats.halfnorm(scale=0.1)
    >>> round(overlap(sharp, exact.normal([28, 8, -3], [15, 10, 16], mu=MU_PRIOR, tau=sharp)), 2)
    1.0
    """
    # The posterior lies above the prior at no larger tau than its own tail reaches.
    tau = np.linspace(0, posterior["tau"].quantile(1 - 1e-6), 2001)
    gained = np.maximum(posterior["tau"].pdf(tau).values - prior.pdf(tau), 0)
    return float(1 - np.trapezoid(gained, tau))


def _grid(scales):
    """Values of tau: denser toward zero, and on both sides of where a uniform prior may end."""
    ends = np.array([scale for scale in scales if scale < LARGEST_TAU], dtype=float)
    even = LARGEST_TAU * np.linspace(0, 1, 41) ** 2
    return np.unique(np.concatenate([even, ends, ends + 0.01]))


def _short(values, digits=2):
    return np.round(np.asarray(values, dtype=float), digits).tolist()


def _quantities(prior, fits, effect):
    """Columns of the table: the groups, then what the verdict is made of."""
    (group,) = effect.dims
    posterior, half, twice = fits
    theta, largest = posterior["theta"], effect.idxmax().item()
    ends = theta.quantile(TAILS).transpose("quantile", ...).sel({group: effect[group]})
    names = {
        "overlap, %": 100 * overlap(prior, posterior),
        "τ, 95% limit: prior": prior.ppf(0.95),
        "τ, 95% limit: posterior": posterior["tau"].quantile(0.95),
        f"{group} {largest}: half scale": half["theta"].sel(**{group: largest}).mean(),
        f"{group} {largest}: twice": twice["theta"].sel(**{group: largest}).mean(),
    }
    missing = [None] * len(names)
    return {
        "quantity": _names(effect) + list(names),
        "raw": effect.values.tolist() + missing,
        "estimate": _short([*theta.mean().sel({group: effect[group]}).values, *names.values()], 6),
        "lower": _short(ends[0]) + missing,
        "upper": _short(ends[1]) + missing,
    }


def _densities(tau, unit):
    """Draw prior and posterior of tau, and the area below both."""
    base = (
        alt.Chart()
        .transform_filter(CHOSEN)
        .transform_calculate(tau=str(_short(tau)))
        .transform_flatten(["tau", "prior", "posterior"])
        .transform_calculate(both="min(datum.prior, datum.posterior)")
        .encode(x=alt.X("tau:Q", title=f"τ{unit}"))
    )
    area = base.mark_area(color=BLUE, opacity=0.25).encode(y=alt.Y("both:Q", axis=None))
    before = base.mark_line(color=VERMILLION, strokeDash=[6, 3]).encode(y="prior:Q")
    after = base.mark_line(color=BLUE, strokeWidth=2.5).encode(y="posterior:Q")
    # The chart says what is set, for paper and for JupyterLab, whose slider shows the place in the list.
    legend = "dashed: prior, solid: posterior, shaded: in both"
    title = alt.Title(alt.ExprRef(f"[family + ', scale ' + prior_scale, '{legend}']"))
    return alt.layer(area, before, after).properties(width=WIDTH, height=110, title=title)


def _verdict(effect):
    """Write how much the prior decided."""
    (group,), largest, last = effect.dims, effect.idxmax().item(), effect.size
    first = f"{group[:1].upper()}{group[1:]} {largest}: "

    def number(place, digits=1):
        return f"format(datum.estimate[{place}], '.{digits}f')"

    limits = f"{number(last + 1)} + ' before, ' + {number(last + 2)} + ' after the data'"
    rescaled = f"' (half the scale: ' + {number(last + 3)} + ', twice: ' + {number(last + 4)} + ')'"
    lines = [
        f"{number(last)} + '% of the posterior was in the prior already'",
        f"'95% limit of τ: ' + {limits}",
        f"{json.dumps(first)} + {number(effect.values.argmax())} + {rescaled}",
    ]
    base = alt.Chart().transform_filter(CHOSEN)
    texts = [
        base.transform_calculate(line=line)
        .mark_text(align="left", baseline="top", x=0, y=22 * place, fontWeight=weight)
        .encode(text="line:N")
        for place, (line, weight) in enumerate(zip(lines, ["bold", "normal", "normal"], strict=True))
    ]
    return alt.layer(*texts).properties(width=WIDTH, height=60)


def _names(effect):
    """Return what the groups are called, as ``school A``."""
    (group,) = effect.dims
    return [f"{group} {name}" for name in effect[group].values]


def _groups(effect, unit, domain):
    """Draw the intervals, with the raw effects."""
    order = _names(effect.sortby(effect, ascending=False))
    base = (
        alt.Chart()
        .transform_filter(CHOSEN)
        .transform_flatten(["quantity", "raw", "estimate", "lower", "upper"])
    )
    table = base.mark_point(opacity=0, aria=False).properties(name="numbers")
    axis = alt.Axis(tickCount=5)
    x = alt.X("lower:Q", title=f"effect{unit}", axis=axis).scale(domain=domain, nice=False, padding=4)
    groups = (
        base.transform_filter("isValid(datum.raw)")
        .transform_calculate(
            words="datum.quantity + ': ' + format(datum.estimate, '.1f') + ', 89% from '"
            " + format(datum.lower, '.1f') + ' to ' + format(datum.upper, '.1f')"
        )
        .encode(y=alt.Y("quantity:N", sort=order, title=None), tooltip="words:N")
    )
    interval = groups.mark_rule(color=BLUE, strokeWidth=3).encode(x=x, x2="upper:Q")
    estimate = groups.mark_point(size=110, color=BLUE, filled=True, opacity=1).encode(x="estimate:Q")
    raw = groups.mark_point(size=70, color=BLACK, filled=False, strokeWidth=2).encode(x="raw:Q")
    title = alt.Title("open: raw effect, filled: estimate, bar: 89%, equal tails")
    return alt.layer(table, interval, estimate, raw).properties(
        width=WIDTH, height=210 * len(order) // 8, title=title
    )
