"""The Eight Schools model for anybody's eight numbers: the exact posterior, found in the page itself.

Given tau, the posterior is Normal; what is left is one integral over tau, from 0 to where the prior ends. Its
integrand is even in tau, and analytic up to the smallest standard error s from the real axis, so the
trapezoidal rule with step h errs by about exp(-2 pi s / h) (Trefethen and Weideman, SIAM Review 56, 2014,
385-458). Requiring s of at least a twentieth of the prior's scale makes this about a millionth.
"""

import altair as alt
import xarray as xr

from support.figures.style import BLACK, BLUE, GREY, VERMILLION
from tooling.explorers.explorer import Explorer

WIDTH = 330
STEPS = 300
# A half-Normal distribution has 3e-12 of its probability beyond as many scales.
SCALES = 7
# Of a standard error, as a part of the scale of tau's prior.
SMALLEST = 0.05
# What the density of tau may still be at the end of the integral, as a part of its height.
AT_THE_END = 1e-6

PROPER = "toNumber(scale_mu) > 0 && toNumber(scale_tau) > 0"

DESCRIPTION = """
Sixteen fields hold the effects and standard errors of eight schools, two more the scales of the priors of mu
and tau; all can be changed. Above, each school has its report, an open circle with a thin bar of one standard
error to each side, and below it the posterior mean of its effect, a filled circle with a thick bar of one
posterior standard deviation to each side; a dashed vertical line marks the posterior mean of mu. Below, the
posterior density of tau, filled, and its prior, dashed. Effects too far apart for the prior of tau get no
answer, but a sentence that says so.
"""


def own(effect: xr.DataArray, standard_error: xr.DataArray) -> Explorer:
    """Let a reader edit the reports of eight schools, and see their exact posterior.

    Parameters
    ----------
    effect, standard_error : xarray.DataArray
        The reports to begin with (SAT points), over ``school``.

    Returns
    -------
    Explorer
        With Normal(0, 20) for mu and half-Normal(10) for tau to begin with.

    Raises
    ------
    ValueError
        If the two do not have the same schools.

    Examples
    --------
    >>> from support import datasets
    >>> data = datasets.eight_schools()
    >>> own(data["effect"], data["standard_error"]).name
    'own'
    """
    names = [str(name) for name in effect["school"].values]
    if names != [str(name) for name in standard_error["school"].values]:
        raise ValueError("effect and standard_error have different schools: give both for the same")
    fields = []
    for name, y, error in zip(names, effect.values, standard_error.values, strict=True):
        fields += [
            _field(f"effect_{name}", f"{name} effect ", y),
            _field(f"error_{name}", f"{name} error ", error),
        ]
    fields += [_field("scale_mu", "mu scale ", 20), _field("scale_tau", "tau scale ", 10)]
    chart = alt.vconcat(_schools(names), _tau(names), spacing=34).add_params(*fields)
    numbers = {"name": "quantity", "report": "report", "error": "error", "mean": "mean", "sd": "sd"}
    return Explorer(chart, name="own", description=DESCRIPTION, numbers=numbers, link=True)


def _field(name, label, value):
    """Return a parameter that a field for a number sets."""
    return alt.param(name=name, value=float(value), bind=alt.BindInput(input="number", name=label))


# Each school at each tau ----------------------------------------------------------------------


def _grid(names):
    """Return a chart whose rows are schools times settings of tau, with their weights.

    It has no rows if the integral would end too early: the effects are too far apart for the prior of tau.
    Fields: ``name``, ``report`` y, ``error`` s, ``tau``, ``precision`` and ``centre`` of mu given tau,
    ``density`` and ``weight`` of tau.
    """
    return _everything(names).transform_filter(f"datum.at_the_end < {AT_THE_END}")


def _everything(names):
    """Return the rows of :func:`_grid`, also if the integral ends too early."""
    effects = ", ".join(f"toNumber(effect_{name})" for name in names)
    errors = ", ".join(f"toNumber(error_{name})" for name in names)
    rows = alt.Data(values=[{"place": place, "name": name} for place, name in enumerate(names)])
    return (
        alt.Chart(rows)
        .transform_calculate(report=f"[{effects}][datum.place]", error=f"[{errors}][datum.place]")
        .transform_filter(f"{_usable('datum.report', 'datum.error')} && {PROPER}")
        .transform_calculate(step=f"sequence({STEPS + 1})")
        .transform_flatten(["step"])
        .transform_calculate(width=f"{SCALES} * scale_tau / {STEPS}")
        .transform_calculate(tau="datum.step * datum.width")
        .transform_calculate(variance="pow(datum.error, 2) + pow(datum.tau, 2)")
        .transform_calculate(
            log_variance="log(datum.variance)",
            inverse="1 / datum.variance",
            weighted="datum.report / datum.variance",
            square="pow(datum.report, 2) / datum.variance",
        )
        .transform_joinaggregate(
            logs="sum(log_variance)",
            inverses="sum(inverse)",
            sums="sum(weighted)",
            squares="sum(square)",
            groupby=["step"],
        )
        # Given tau, mu is Normal with this precision and centre.
        .transform_calculate(precision="datum.inverses + pow(scale_mu, -2)")
        .transform_calculate(centre="datum.sums / datum.precision")
        .transform_calculate(
            log_density="-0.5 * (datum.logs + log(datum.precision) + datum.squares"
            " - datum.sums * datum.centre + pow(datum.tau / scale_tau, 2))"
        )
        .transform_joinaggregate(highest="max(log_density)")
        .transform_calculate(relative="exp(datum.log_density - datum.highest)")
        .transform_calculate(last=f"datum.step === {STEPS} ? datum.relative : 0")
        .transform_joinaggregate(at_the_end="max(last)")
        # The trapezoidal rule gives both ends half the weight.
        .transform_calculate(mass=f"datum.relative * (datum.step % {STEPS} ? 1 : 0.5)")
        .transform_joinaggregate(total="sum(mass)", groupby=["name"])
        .transform_calculate(
            weight="datum.mass / datum.total", density="datum.relative / datum.total / datum.width"
        )
    )


def _moments(chart, mean, variance, groupby):
    """Average over tau a conditional mean and variance, into the fields ``mean`` and ``sd``."""
    return (
        chart.transform_calculate(conditional=mean)
        .transform_calculate(
            first="datum.weight * datum.conditional",
            second=f"datum.weight * ({variance} + pow(datum.conditional, 2))",
        )
        .transform_aggregate(mean="sum(first)", squares="sum(second)", groupby=groupby)
        .transform_calculate(sd="sqrt(datum.squares - pow(datum.mean, 2))")
    )


# What is shown --------------------------------------------------------------------------------


def _schools(names):
    """Draw reports and posteriors."""
    grid = _grid(names).transform_calculate(B="pow(datum.error, 2) / datum.variance")
    effects = _moments(
        grid,
        mean="datum.B * datum.centre + (1 - datum.B) * datum.report",
        variance="(1 - datum.B) * pow(datum.error, 2) + pow(datum.B, 2) / datum.precision",
        groupby=["name", "report", "error"],
    ).transform_calculate(
        low="datum.report - datum.error",
        high="datum.report + datum.error",
        below="datum.mean - datum.sd",
        above="datum.mean + datum.sd",
    )
    school = alt.Y("name:N", title="school").scale(domain=names)
    x = alt.X("low:Q", title="effect (SAT points)", axis=alt.Axis(tickCount=5))
    report = effects.encode(y=school, yOffset=alt.value(13))
    estimate = effects.encode(y=school, yOffset=alt.value(25))
    layers = [
        _common(names)
        .mark_rule(color=VERMILLION, strokeDash=[6, 3], strokeWidth=2)
        .encode(x="mean:Q")
        .properties(name="numbers_mu"),
        report.mark_rule(color=GREY).encode(x=x, x2="high:Q"),
        report.mark_point(size=60, color=BLACK, filled=False, strokeWidth=2).encode(x="report:Q"),
        estimate.mark_rule(color=BLUE, strokeWidth=3).encode(x="below:Q", x2="above:Q"),
        estimate.mark_point(size=90, color=BLUE, filled=True, opacity=1)
        .encode(x="mean:Q")
        .properties(name="numbers"),
    ]
    return alt.layer(*layers).properties(width=WIDTH, height=300, title=_message(names))


def _common(names):
    """Return the posterior of mu, as one row."""
    rows = _moments(_grid(names), mean="datum.centre", variance="1 / datum.precision", groupby=["name"])
    return _first(rows, "mu")


def _first(rows, name):
    """Keep one row of several that are the same but for the school, and name it."""
    return (
        rows.transform_window(row="row_number()")
        .transform_filter("datum.row === 1")
        .transform_calculate(name=f"'{name}'")
    )


def _tau(names):
    """Draw prior and posterior of tau, with its mean and standard deviation in words."""
    grid = _grid(names)
    rows = (
        grid.transform_aggregate(density="mean(density)", relative="mean(relative)", groupby=["step", "tau"])
        .transform_calculate(prior="2 * densityNormal(datum.tau, 0, scale_tau)")
        .transform_filter(f"datum.step <= {STEPS} * 3 / {SCALES} || datum.relative > 0.001")
    )
    x, y = alt.X("tau:Q", title="tau (SAT points)"), alt.Y("density:Q", axis=None)
    # tau times its density is not even: its slope at 0 adds a twelfth of a step (Euler and Maclaurin), which
    # the node at 0, with half its weight, contributes to the mean and not to the mean square.
    first = "datum.step ? datum.tau : datum.width / 6"
    variance = "(datum.step ? 0 : -pow(datum.width / 6, 2))"
    moments = _moments(grid, mean=first, variance=variance, groupby=["name"])
    words = _first(moments, "tau").transform_calculate(
        words="'posterior of tau: mean ' + format(datum.mean, '.2f') + ', sd ' + format(datum.sd, '.2f')"
    )
    layers = [
        rows.mark_area(color=BLUE, opacity=0.3, line={"color": BLUE}).encode(x=x, y=y),
        rows.mark_line(color=BLACK, strokeDash=[4, 3], strokeWidth=1.5).encode(x=x, y="prior:Q"),
        words.mark_text(align="left", x=0, y=-14).encode(text="words:N").properties(name="numbers_tau"),
        _too_far_apart(names).mark_text(align="left", x=0, y=-14).encode(text="words:N"),
    ]
    return alt.layer(*layers).properties(width=WIDTH, height=110)


def _too_far_apart(names):
    """Return one row that says why there is no answer; none where there is one."""
    rows = _first(_everything(names), "none").transform_filter(f"datum.at_the_end >= {AT_THE_END}")
    words = "no answer: too far apart for this scale of tau"
    return rows.transform_calculate(words=f"'{words}'")


def _message(names):
    """Say what is what; then which schools are left out, and why."""
    left_out = " + ".join(
        f"({_usable(f'toNumber(effect_{name})', f'toNumber(error_{name})')} ? '' : ' {name}')"
        for name in names
    )
    return alt.Title(
        alt.expr(
            f"['open: report ± error, filled: posterior ± sd', !({PROPER}) ? 'the scales must be above 0'"
            f" : ({left_out}) ? 'left out, effect missing or error below '"
            f" + format({SMALLEST} * scale_tau, '.3~r') + ':' + {left_out}"
            " : 'dashed, above: mean of mu; below: prior of tau']"
        )
    )


def _usable(report, error):
    """Return the expression that tells whether a school has numbers to work with."""
    return f"({report} !== null && isFinite({report}) && {error} >= {SMALLEST} * scale_tau)"
