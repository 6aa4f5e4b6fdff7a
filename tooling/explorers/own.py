"""The Normal model for anybody's groups: their exact posterior, found in the page itself.

What the chart begins with comes from :mod:`hierarchical_exact`. In the built book ``own.js`` works out the
same for whatever a reader enters or moves; the tests hold it against that package.
"""

import math

import altair as alt
import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

import hierarchical_exact as exact
from support.figures.style import BLACK, BLUE, GREY, VERMILLION
from tooling.explorers.explorer import Explorer

WIDTH = 330
FEWEST, MOST = 2, 50
SCALE_MU, SCALE_TAU = 20, 10

DESCRIPTION = """
A field holds a line for each of 2 to 50 groups: its name, its effect and its standard error; two more hold
the scales of the priors of μ and τ. All can be changed, and the effects be moved in the chart, too. Above,
each group has its report, an open circle with a thin bar of one standard error to each side, and below it the
posterior mean of its effect θ, a filled circle with a thick bar of one posterior standard deviation to each
side; a dashed vertical line marks the posterior mean of μ. Below, the posterior density of τ, filled, and its
prior, dashed.
"""


def own(effect: xr.DataArray, standard_error: xr.DataArray) -> Explorer:
    """Let a reader enter, paste and move the reports of groups, and see their exact posterior.

    Parameters
    ----------
    effect, standard_error : xarray.DataArray
        The reports to begin with, over one dimension that names 2 to 50 groups.

    Returns
    -------
    Explorer
        With Normal(0, 20) for mu and half-Normal(10) for tau to begin with.

    Raises
    ------
    ValueError
        If the two do not have the same groups, or there are too few or too many.

    See Also
    --------
    tooling.explorers.shrinkage : The same for the Eight Schools.

    Examples
    --------
    >>> from support import datasets
    >>> data = datasets.eight_schools()
    >>> own(data["effect"], data["standard_error"]).name
    'own'
    """
    names, others = ([str(name) for name in one[one.dims[0]].values] for one in (effect, standard_error))
    if names != others:
        raise ValueError("effect and standard_error have different groups: give both for the same")
    if not FEWEST <= len(names) <= MOST:
        raise ValueError(f"effect has {len(names)} groups: give {FEWEST} to {MOST}")
    data = _data(names, effect.values, standard_error.values)
    lines = [f"{row['name']}\t{row['report']:.12g}\t{row['error']:.12g}" for row in data["groups"]]
    numbers = {"name": "group", "report": "report", "error": "error", "mean": "mean", "sd": "sd"}
    return Explorer(
        alt.vconcat(_reports(data), _tau(data), spacing=48),
        name="own",
        description=DESCRIPTION,
        numbers={field if field == "name" else f"{field}_text": head for field, head in numbers.items()},
        form={"groups": "\n".join(lines), "scale_mu": SCALE_MU, "scale_tau": SCALE_TAU},
    )


def _data(names, effect, standard_error):
    """Return the rows of each part of the chart, as ``own.js`` finds them for other numbers."""
    prior = {"mu": stats.norm(0, SCALE_MU), "tau": stats.halfnorm(scale=SCALE_TAU)}
    posterior = exact.normal(effect, standard_error, **prior)
    # As many as show three digits of the smallest standard error, and no less than two.
    decimals = max(2, 2 - math.floor(math.log10(min(standard_error))))
    theta, mu, tau = (posterior[name] for name in ("theta", "mu", "tau"))
    moments = {"mean": theta.mean().values, "sd": theta.sd().values}
    groups = pd.DataFrame({"name": names, "report": effect, "error": standard_error, **moments})
    common = pd.DataFrame({"name": ["μ", "τ"], "mean": [mu.mean(), tau.mean()], "sd": [mu.sd(), tau.sd()]})
    values = np.linspace(0, float(tau.quantile(0.9999)), 100)
    curve = {"tau": values, "density": tau.pdf(values).values, "prior": prior["tau"].pdf(values)}
    return {
        "groups": groups.assign(place=range(len(names)), decimals=decimals).to_dict("records"),
        "common": common.assign(decimals=decimals).to_dict("records"),
        "curve": pd.DataFrame(curve).to_dict("records"),
    }


def _chart(data, name):
    """Return a chart of some of the rows, which stand under their name in the page."""
    return alt.Chart(alt.InlineData(values=data[name], name=name))


def _in_words(chart):
    """Add the numbers of each row as text."""
    form = "'.' + datum.decimals + 'f'"
    return chart.transform_calculate(
        mean_text=f"format(datum.mean, {form})", sd_text=f"format(datum.sd, {form})"
    )


def _reports(data):
    """Draw reports and posteriors."""
    effects = _in_words(_chart(data, "groups")).transform_calculate(
        low="datum.report - datum.error",
        high="datum.report + datum.error",
        below="datum.mean - datum.sd",
        above="datum.mean + datum.sd",
        report_text="replace('' + datum.report, '-', '−')",  # as in what is formatted
        error_text="'' + datum.error",
        words="datum.name + ': ' + datum.report_text + ' ± ' + datum.error_text"
        " + ', estimate ' + datum.mean_text + ' ± ' + datum.sd_text",
    )
    group = alt.Y("name:N", title=None, axis=alt.Axis(labelLimit=110)).sort(field="place")
    x = alt.X("low:Q", title="effect", axis=alt.Axis(tickCount=5)).scale(zero=False)
    report = effects.encode(y=group, yOffset=alt.value(10), tooltip="words:N")
    estimate = effects.encode(y=group, yOffset=alt.value(22), tooltip="words:N")
    line = {"color": VERMILLION, "strokeDash": [6, 3], "strokeWidth": 2}
    layers = [
        _common(data, "μ").mark_rule(**line).encode(x="mean:Q", tooltip="says:N"),
        report.mark_rule(color=GREY).encode(x=x, x2="high:Q"),
        report.mark_point(size=80, color=BLACK, filled=False, strokeWidth=2)
        .encode(x="report:Q")
        .properties(name="grip"),
        estimate.mark_rule(color=BLUE, strokeWidth=3).encode(x="below:Q", x2="above:Q"),
        estimate.mark_point(size=90, color=BLUE, filled=True, opacity=1)
        .encode(x="mean:Q")
        .properties(name="numbers"),
    ]
    legend = [
        "open: report ± error, filled: posterior of θ ± sd",
        "dashed, above: mean of μ; below: prior of τ",
    ]
    return alt.layer(*layers).properties(width=WIDTH, height=alt.Step(32), title=alt.Title(legend))


def _common(data, sign):
    """Return what is the same for all groups, as one row with a sentence."""
    rows = _in_words(_chart(data, "common")).transform_filter(f"datum.name == '{sign}'")
    return rows.transform_calculate(
        says=f"'posterior of {sign}: mean ' + datum.mean_text + ', sd ' + datum.sd_text"
    )


def _tau(data):
    """Draw prior and posterior of tau, below its mean and standard deviation in words, and those of mu."""
    curve = _chart(data, "curve")
    x, y = alt.X("tau:Q", title="τ", axis=alt.Axis(tickCount=6)), alt.Y("density:Q", axis=None)
    words = [
        _common(data, sign)
        .mark_text(align="left", x=0, y=y)
        .encode(text="says:N")
        .properties(name=f"numbers_{name}")
        for name, sign, y in (("mu", "μ", -32), ("tau", "τ", -14))
    ]
    layers = [
        curve.mark_area(color=BLUE, opacity=0.3, line={"color": BLUE}).encode(x=x, y=y),
        curve.mark_line(color=BLACK, strokeDash=[4, 3], strokeWidth=1.5).encode(x=x, y="prior:Q"),
        *words,
    ]
    return alt.layer(*layers).properties(width=WIDTH, height=110)
