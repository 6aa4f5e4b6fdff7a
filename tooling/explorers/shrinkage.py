"""One dial for all groups: every setting of tau, from complete to no pooling."""

import json

import altair as alt
import numpy as np
import xarray as xr

from support.figures.style import BLACK, BLUE, GREY, VERMILLION
from tooling.explorers.explorer import Explorer

WIDTH = 330

DESCRIPTION = """
A slider sets τ, the standard deviation between {group}s, and so does a knob in the chart. Above, each {group}
has its raw effect, an open circle, and its estimate for this τ, a filled one, joined by a line; beside it
stands B, the weight of the common mean, which is a dashed vertical line. At τ = 0 all estimates lie on that
line; at the largest τ each lies close to its raw effect. Below, the posterior density of τ, with the knob at
the chosen value.
"""


def shrinkage(
    estimates: xr.DataArray,
    effect: xr.DataArray,
    factors: xr.DataArray,
    centre: xr.DataArray,
    density: xr.DataArray,
) -> Explorer:
    """Let a reader turn tau, and see the raw effects slide to their estimates.

    Parameters
    ----------
    estimates : xarray.DataArray
        Posterior means of the effects given tau, with dims ``tau`` and that of the groups.
    effect : xarray.DataArray
        Raw effects, over one dim, the groups, such as ``school``; its attribute ``units`` is shown.
    factors : xarray.DataArray
        Shrinkage factors B, with dims ``tau`` and that of the groups.
    centre : xarray.DataArray
        Posterior mean of mu given tau, over ``tau``.
    density : xarray.DataArray
        Posterior density of tau, over ``tau``; its grid is the slider's, in equal steps from 0. The dial
        starts near its mean.

    Returns
    -------
    Explorer

    See Also
    --------
    support.figures.hierarchical_models.pooling_dial : The same, printed.

    Examples
    --------
    >>> import numpy as np
    >>> tau = xr.DataArray([0.0, 5.0], dims="tau", coords={"tau": [0.0, 5.0]})
    >>> effect = xr.DataArray([28.0, 8.0], dims="school", coords={"school": ["A", "B"]})
    >>> factor, line = 225 / (225 + tau**2) + 0 * effect, 10 + 0 * tau
    >>> shrinkage(factor * 10 + (1 - factor) * effect, effect, factor, line, np.exp(-tau)).name
    'shrinkage'
    """
    (group,) = effect.dims
    unit = f" ({effect.attrs['units']})" if "units" in effect.attrs else ""
    tau = estimates["tau"].values
    slider = alt.binding_range(
        min=float(tau[0]), max=float(tau[-1]), step=float(tau[1] - tau[0]), name=f"τ{unit} "
    )
    start = float(tau[np.abs(tau - _mean(density)).argmin()])
    chosen = alt.param(name="tau", value=start, bind=slider)
    parts = {"raw": effect, "estimate": estimates, "B": factors, "centre": centre, "density": density}
    everything = xr.Dataset(parts).transpose("tau", group).to_dataframe().reset_index()
    chart = alt.vconcat(
        _groups(everything[["tau", group, "raw", "estimate", "B", "centre"]], effect, unit),
        _posterior(everything.drop_duplicates("tau")[["tau", "density"]], unit),
        spacing=12,
    )
    numbers = {group: group, "raw": "raw effect", "estimate": "estimate", "B": "B"}
    description = DESCRIPTION.format(group=group)
    return Explorer(chart.add_params(chosen), name="shrinkage", description=description, numbers=numbers)


def _mean(density):
    """Mean of tau, by the trapezoidal rule."""
    mass = density.integrate("tau")
    return float((density["tau"] * density).integrate("tau") / mass)


def _groups(rows, effect, unit):
    """Draw the effects, and their estimates for the chosen tau."""
    (group,) = effect.dims
    order = effect.sortby(effect, ascending=False)[group].values.tolist()
    data = alt.Data(values=rows.round(3).to_dict("records"))
    low, high = float(effect.min()), float(effect.max())
    # On the right there is room for the column of factors.
    domain = [low - 0.1 * (high - low), high + 0.42 * (high - low)]
    digits = ".1f" if high - low > 10 else ".2f"
    x = alt.X("raw:Q", title=f"effect{unit}").scale(domain=domain, nice=False)
    base = (
        alt.Chart(data)
        .transform_filter("abs(datum.tau - tau) < 0.001")
        .transform_joinaggregate(least="min(estimate)", greatest="max(estimate)")
        .transform_calculate(
            weight="'B = ' + format(datum.B, '.2f')",
            kept="1 - datum.B",
            below="datum.raw - datum.estimate",
            words=f"datum.{group} + ': ' + datum.raw + ', estimate ' + format(datum.estimate, '.2f')"
            " + ', ' + datum.weight",
            says=f"datum.{group} == {json.dumps(order[0])} ? 'τ = ' + tau + ': estimates from '"
            f" + format(datum.least, '{digits}') + ' to ' + format(datum.greatest, '{digits}') : null",
        )
        .encode(y=alt.Y(f"{group}:N", sort=order, title=group), tooltip="words:N")
    )
    shift = base.mark_rule(color=GREY).encode(x=x, x2="estimate:Q")
    raw = base.mark_point(size=70, color=BLACK, filled=False, strokeWidth=2).encode(x=x)
    estimate = base.mark_point(size=110, color=BLUE, filled=True, opacity=1).encode(x="estimate:Q")
    factor = base.mark_text(align="right", x=WIDTH).encode(text="weight:N").properties(name="numbers")
    line = base.mark_rule(color=VERMILLION, strokeDash=[6, 3], strokeWidth=2).encode(
        x="mean(centre):Q", y=alt.value(0), y2=alt.value("height"), tooltip=alt.Undefined
    )
    # The title is the legend, and heads the column of factors.
    title = alt.Title("open: raw effect, filled: estimate, dashed: mean")
    return alt.layer(line, shift, raw, estimate, factor).properties(
        width=WIDTH, height=230 * len(order) // 8, title=title
    )


def _posterior(rows, unit):
    """Draw the posterior of tau, with the chosen value."""
    base = alt.Chart(alt.Data(values=rows.round(5).to_dict("records")))
    x = alt.X("tau:Q", title=f"τ{unit}")
    area = base.mark_area(color=BLUE, opacity=0.3, line={"color": BLUE}).encode(
        x=x, y=alt.Y("density:Q", title="posterior", axis=None)
    )
    chosen = base.transform_filter("abs(datum.tau - tau) < 0.001").encode(x=x)
    chosen = chosen.transform_calculate(name="'τ'", words="'τ = ' + datum.tau")
    rule = chosen.mark_rule(color=BLACK, strokeWidth=2)
    knob = chosen.mark_point(size=220, filled=True, color=BLACK, opacity=1).encode(y=alt.value(45))
    title = alt.Title(alt.expr("'τ = ' + tau + ', and its posterior'"))
    parts = alt.layer(area, rule, knob.properties(name="grip"))
    return parts.properties(width=WIDTH, height=90, title=title)
