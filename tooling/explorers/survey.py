"""How alike are the regions: the concentration alpha, from each region for itself to one baseline for all."""

import altair as alt
import numpy as np
import xarray as xr

from hierarchical_exact.posterior import Posterior
from support.figures.style import BLACK, BLUE, GREY, VERMILLION
from tooling.explorers.explorer import Explorer, steps

WIDTH = 230
MARGIN = 66  # right of the chart, for the weights
CHOSEN = "datum.alpha == alpha && datum.response == response"
COLUMNS = ["quantity", "n", "raw", "estimate", "weight", "raw_text", "estimate_text"]
HEADS = {
    "quantity": "quantity",
    "n": "n",
    "raw_text": "own share",
    "estimate_text": "estimate",
    "weight": "B",
}

DESCRIPTION = """
A slider sets alpha, the concentration, and buttons one of the answers. Above, each {group}, from the fewest
{unit} to the most, has its own share of this answer, an open circle, and its estimate for this alpha, a
filled one, joined by a line; beside it stands B, the weight of the national baseline, which is a dashed
vertical line. At the smallest alpha each estimate is almost its own share, at the largest almost the
baseline. Below, over alpha, the likelihood, a solid curve that rises, and the posterior under the page's
prior, a dashed one with a peak, each as a part of its height; a line marks the chosen alpha.
"""


def survey(
    count: xr.DataArray, known: dict[float, Posterior], curves: xr.Dataset, complete: float
) -> Explorer:
    """Let a reader set the concentration, and see regions move between their own shares and the baseline.

    Parameters
    ----------
    count : xarray.DataArray
        How many gave which response, by region, over two dims of any names; its ``units`` are shown.
    known : dict of float to Posterior
        The settings of alpha, in rising order, each with the exact posterior for this alpha.
    curves : xarray.Dataset
        ``likelihood`` and ``posterior`` of alpha on any scale, over ``alpha``.
    complete : float
        The log evidence of complete pooling, to which the likelihood of alpha is relative in the table.

    Returns
    -------
    Explorer

    See Also
    --------
    support.figures.dirichlet_multinomial.survey_intervals : Its estimates with their intervals, printed.

    Examples
    --------
    >>> from scipy import stats
    >>> import hierarchical_exact as exact
    >>> from support import datasets
    >>> count, uniform = datasets.survey()["count"], stats.dirichlet([1, 1, 1, 1])
    >>> known = {a: exact.dirichlet_multinomial(count, alpha=a, baseline=uniform) for a in (1.0, 1000.0)}
    >>> curves = xr.Dataset({name: ("alpha", [0.0, 1.0]) for name in ("likelihood", "posterior")})
    >>> survey(count, known, curves.assign_coords(alpha=[1, 1000]), -52.2).name
    'survey'
    """
    (answer,) = next(iter(known.values()))["pi0"].mean().dims
    (group,) = set(count.dims) - {answer}
    unit = count.attrs.get("units", "counts")
    responses = count[answer].values.tolist()
    count = count.transpose(group, answer)
    count = count.isel({group: np.argsort(count.sum(answer).values, kind="stable")})
    rows = [row for alpha, posterior in known.items() for row in _rows(alpha, posterior, count, complete)]
    settings = list(known)
    choose = alt.binding_radio(options=responses, name="answer ")
    response = alt.param(name="response", value=responses[0], bind=choose)
    slider = steps("alpha", settings, start=settings[len(settings) // 3], title="α ")
    chart = alt.vconcat(_regions(count), _curves(curves, unit), spacing=8, data=alt.Data(values=rows))
    chart, description = chart.add_params(*slider, response), DESCRIPTION.format(group=group, unit=unit)
    return Explorer(chart, name="survey", description=description, numbers=HEADS)


def _rows(alpha, posterior, count, complete):
    """Give the columns of the table for each response: the regions, the baseline, the likelihood."""
    group, answer = count.dims
    size = count.sum(answer)
    shares, baseline = posterior["pi"].mean(), posterior["pi0"].mean()
    likelihood = np.exp(posterior.log_evidence - complete)
    for response in count[answer].values.tolist():
        chosen = {answer: response}
        raw, share = (count / size).sel(chosen), shares.sel(chosen).sel({group: count[group]})
        others = [baseline.sel(chosen).item(), likelihood]
        yield {
            "alpha": alpha,
            "response": response,
            "quantity": [
                *map(str, count[group].values),
                "baseline",
                "relative likelihood",
            ],
            "n": [*size.values.tolist(), None, None],
            "raw": [*np.round(raw.values, 4).tolist(), None, None],
            "estimate": [*np.round(share.values, 4).tolist(), *np.round(others, 4).tolist()],
            "weight": [*np.round((alpha / (alpha + size)).values, 4).tolist(), None, None],
            # The table shows two decimals of numbers; a share needs three, and a likelihood its size.
            "raw_text": [*(f"{one:.3f}" for one in raw.values), None, None],
            "estimate_text": [
                *(f"{one:.3f}" for one in share.values),
                f"{others[0]:.3f}",
                f"{likelihood:.2g}",
            ],
        }


def _regions(count):
    """Draw the regions between their own shares and the baseline."""
    everything = alt.Chart().transform_filter(CHOSEN).transform_flatten(COLUMNS)
    table = everything.mark_point(opacity=0, aria=False).properties(name="numbers")
    base = (
        everything.transform_filter("isValid(datum.raw)")
        .transform_calculate(
            label="datum.quantity + ', n = ' + datum.n",
            weight_label="'B = ' + format(datum.weight, '.2f')",
            words="datum.quantity + ': ' + format(datum.raw, '.1%')"
            " + ', estimate ' + format(datum.estimate, '.1%')",
        )
        .encode(y=alt.Y("label:N", sort=None, title=None), tooltip="words:N")
    )
    axis = alt.Axis(format="%", tickCount=4)
    x = alt.X("raw:Q", title="share of this answer", axis=axis).scale(zero=False, nice=False, padding=12)
    line = (
        everything.transform_filter("datum.quantity == 'baseline'")
        .mark_rule(color=VERMILLION, strokeDash=[6, 3], strokeWidth=2)
        .encode(x="estimate:Q")
    )
    shift = base.mark_rule(color=GREY).encode(x=x, x2="estimate:Q")
    raw = base.mark_point(size=70, color=BLACK, filled=False, strokeWidth=2).encode(x=x)
    estimate = base.mark_point(size=110, color=BLUE, filled=True, opacity=1).encode(x="estimate:Q")
    weight = base.mark_text(align="right", x=WIDTH + MARGIN).encode(text="weight_label:N")
    legend = "open: own share, filled: estimate, dashed: baseline"
    title = alt.Title(alt.ExprRef(f"['answer ' + response, '{legend}']"))
    parts = alt.layer(table, line, shift, estimate, raw, weight)
    return parts.properties(width=WIDTH, height=30 * len(count), title=title)


def _curves(curves, unit):
    """Draw the likelihood and the posterior of alpha, with the chosen value."""
    scaled = (curves / curves.max()).to_dataframe().reset_index().round(4)
    data = alt.Data(values=scaled[["alpha", "likelihood", "posterior"]].to_dict("records"))
    base = alt.Chart(data)
    axis = alt.Axis(values=[1, 10, 100, 1000], format="d")
    x = alt.X("alpha:Q", title=f"α ({unit})", axis=axis).scale(type="log", nice=False)
    likelihood = base.mark_line(color=BLUE, strokeWidth=2.5, interpolate="monotone").encode(
        x=x, y=alt.Y("likelihood:Q", axis=None)
    )
    posterior = base.mark_line(color=VERMILLION, strokeDash=[6, 3], interpolate="monotone").encode(
        x=x, y="posterior:Q"
    )
    chosen = (
        alt.Chart().transform_filter(CHOSEN).mark_rule(color=BLACK, strokeWidth=2).encode(x=alt.X("alpha:Q"))
    )
    title = alt.Title(alt.ExprRef("'α = ' + alpha + '; solid: likelihood, dashed: posterior'"))
    return alt.layer(likelihood, posterior, chosen).properties(width=WIDTH + MARGIN, height=90, title=title)
