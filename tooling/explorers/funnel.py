"""One posterior in two coordinate systems: the funnel, the step that fits each of its slices, and balls.

The balls roll in the page, by ``tooling/extra/explorers/funnel.js``.
"""

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from hierarchical_exact.posterior import Marginal
from support.figures.style import BLACK, BLUE, GREY, VERMILLION
from tooling.explorers.explorer import Explorer, steps

WIDTH, PANEL = 340, 152
DRAWS = 400
LOWEST_TAU, HIGHEST_TAU = 0.01, 30.0
WITHIN_89 = stats.norm.ppf(0.945)
FORMS = ("centred", "non-centred")
STEPS = [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1]  # of the balls

DESCRIPTION = """
A slider sets tau, the standard deviation between schools. Two panels show the same 400 draws from the
posterior, with tau upwards on a logarithmic axis. Left, in centred coordinates, the difference between the
effect of one school and mu: a funnel that narrows to nothing as tau goes down. Right, in non-centred
coordinates, this difference divided by tau: a band of nearly the same width at every tau. Curves enclose 89%
of the posterior at each tau; on a dotted line at the chosen tau, a thick bar marks this interval. Below, over
tau, the longest stable step of the leapfrog integrator, both on logarithmic axes: a solid curve for the
centred form, which falls in proportion to tau once tau is small, and a dashed one for the non-centred form,
which hardly changes. A line marks the chosen tau, and the two steps stand above in figures; a dotted level is
the step of the balls, which another slider sets. In the page, buttons release one ball or a hundred at the
chosen tau: one draws its path in both panels; if it diverges, a cross marks where its energy was last right.
Of a hundred only the crosses are drawn, and a sentence counts them.
"""


def funnel(
    effect: xr.DataArray,
    standard_error: xr.DataArray,
    tau: Marginal,
    *,
    mu_sd: float,
    tau_sd: float,
    settings: Sequence[float],
    rng: np.random.Generator,
) -> Explorer:
    """Let a reader slide down the funnel, see its slices and the step that fits each, and release balls.

    Parameters
    ----------
    effect, standard_error : xarray.DataArray
        Of the schools (SAT points), over ``school``; drawn is the first of them.
    tau : Marginal
        Exact posterior of tau.
    mu_sd : float
        Standard deviation of the prior of mu, a Normal around 0 (SAT points).
    tau_sd : float
        Scale of the prior of tau, a half-Normal (SAT points).
    settings : sequence of float
        The settings of tau (SAT points), in rising order.
    rng : numpy.random.Generator
        For the draws.

    Returns
    -------
    Explorer

    See Also
    --------
    support.figures.eight_schools.funnel : The funnel of a fit, printed.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from support.conventions import MU_PRIOR, TAU_PRIOR
    >>> from support import datasets
    >>> data = datasets.eight_schools()
    >>> effect, error = data["effect"], data["standard_error"]
    >>> tau, rng = exact.normal(effect, error, mu=MU_PRIOR, tau=TAU_PRIOR)["tau"], np.random.default_rng(1)
    >>> funnel(effect, error, tau, mu_sd=20, tau_sd=10, settings=[0.1, 1, 10], rng=rng).name
    'funnel'
    """

    def conditional(values, form="centred"):
        return given_tau(values, effect.values, standard_error.values, mu_sd=mu_sd, form=form)

    def laws(values):
        limits = step_limits(values, effect.values, standard_error.values, tau, mu_sd=mu_sd)
        mean, sd = _difference(*conditional(values))
        for form, step in limits.items():
            unit = 1 if form == "centred" else np.asarray(values)
            ends = {"lower": (mean - WITHIN_89 * sd) / unit, "upper": (mean + WITHIN_89 * sd) / unit}
            yield pd.DataFrame({"form": form, "tau": values, **ends, "step": step})

    draws = pd.DataFrame({"tau": _equally_probable(tau)})
    draws["centred"] = rng.normal(*_difference(*conditional(draws["tau"])))
    draws["non-centred"] = draws["centred"] / draws["tau"]
    curves = pd.concat(laws(np.geomspace(LOWEST_TAU, HIGHEST_TAU, 49)))
    school = effect["school"].values[0]
    titles = {
        "centred": f"θ of {school} \N{MINUS SIGN} μ",
        "non-centred": f"(θ of {school} \N{MINUS SIGN} μ) / τ",
    }
    panels = [_panel(form, titles[form], draws, curves) for form in FORMS]
    chart = alt.vconcat(
        alt.hconcat(*panels, spacing=8), _step(curves), spacing=8, data=_values(pd.concat(laws(settings)))
    ).properties(title="dots: draws; curves and bar: 89% at a τ; \N{MULTIPLICATION SIGN}: divergence")
    sliders = [
        *steps("tau", settings, start=settings[len(settings) // 2], title="τ (SAT points) "),
        *steps("epsilon", STEPS, start=STEPS[3], title="step of the balls "),
    ]
    numbers = {"form": "form", "lower": "89% from", "upper": "to", "step_text": "longest stable step"}
    model = rolling(effect.values, standard_error.values, tau, mu_sd=mu_sd, tau_sd=tau_sd)
    chart = chart.add_params(*sliders)
    return Explorer(chart, name="funnel", description=DESCRIPTION, numbers=numbers, model=model)


def step_limits(
    values: np.ndarray, effect: np.ndarray, standard_error: np.ndarray, tau: Marginal, *, mu_sd: float
) -> dict[str, np.ndarray]:
    """Return the longest stable step of the leapfrog integrator in the slice at each tau, in both forms.

    Each coordinate has its posterior standard deviation as its unit, as after tuning.

    Parameters
    ----------
    values : (K,) array
        Where tau is held (SAT points), positive.
    effect, standard_error : (J,) array
        Of the schools (SAT points).
    tau : Marginal
        Exact posterior of tau.
    mu_sd : float
        Standard deviation of the prior of mu, a Normal around 0 (SAT points).

    Returns
    -------
    dict of str to (K,) array
        For the forms "centred" and "non-centred".

    See Also
    --------
    longest_step : The limit for any precision.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from support.conventions import MU_PRIOR, TAU_PRIOR
    >>> effect, error = [28, 8, -3], [15, 10, 16]
    >>> tau = exact.normal(effect, error, mu=MU_PRIOR, tau=TAU_PRIOR)["tau"]
    >>> limits = step_limits([0.1, 0.2], effect, error, tau, mu_sd=20)
    >>> bool(abs(limits["centred"][1] / limits["centred"][0] - 2) < 0.01)
    True
    """
    limits = {}
    for form in FORMS:
        known = {"mu_sd": mu_sd, "form": form}
        spread = _spread(*given_tau(_equally_probable(tau), effect, standard_error, **known))
        limits[form] = longest_step(given_tau(values, effect, standard_error, **known)[1], spread)
    return limits


def given_tau(
    tau: np.ndarray, effect: np.ndarray, standard_error: np.ndarray, *, mu_sd: float, form: str
) -> tuple:
    """Return the Gaussian law of (mu, theta) or (mu, theta_raw) given tau and the data.

    Parameters
    ----------
    tau : (K,) array
        Between-school standard deviations (SAT points), positive.
    effect, standard_error : (J,) array
        Of the schools (SAT points).
    mu_sd : float
        Standard deviation of the prior of mu, a Normal around 0 (SAT points).
    form : {"centred", "non-centred"}
        Which coordinates: theta, or theta_raw = (theta - mu) / tau.

    Returns
    -------
    mean : (K, 1 + J) array
        Of mu and of the schools' coordinates.
    precision : (K, 1 + J, 1 + J) array
        Inverse of their covariance.

    See Also
    --------
    rolling : What the balls do there.

    Notes
    -----
    Minus the second derivatives of the log density of the model (eight-schools-model), in the coordinates of
    (noncentred-reparam).

    Examples
    --------
    >>> mean, precision = given_tau([1.0], [28, 8, -3], [15, 10, 16], mu_sd=20, form="centred")
    >>> mean.shape, precision.shape
    ((1, 4), (1, 4, 4))
    """
    tau, effect = np.asarray(tau, float)[:, None], np.asarray(effect, float)
    weight = 1 / np.square(np.asarray(standard_error, float))
    schools = np.arange(1, len(effect) + 1)
    precision = np.zeros((len(tau), len(effect) + 1, len(effect) + 1))
    linear = np.zeros((len(tau), len(effect) + 1))
    if form == "centred":
        own, with_mu, of_mu = 1 / tau**2 + weight, -1 / tau**2, len(effect) / tau[:, 0] ** 2
        linear[:, 1:] = weight * effect
    else:
        own, with_mu, of_mu = 1 + tau**2 * weight, tau * weight, weight.sum()
        linear[:, 0], linear[:, 1:] = (weight * effect).sum(), tau * weight * effect
    precision[:, schools, schools] = own
    precision[:, 0, 1:] = precision[:, 1:, 0] = with_mu
    precision[:, 0, 0] = of_mu + 1 / mu_sd**2
    return np.linalg.solve(precision, linear[..., None])[..., 0], precision


def rolling(
    effect: np.ndarray, standard_error: np.ndarray, tau: Marginal, *, mu_sd: float, tau_sd: float
) -> dict:
    """Return what a ball needs in order to roll: the model, and the unit of each coordinate.

    Parameters
    ----------
    effect, standard_error : (J,) array
        Of the schools (SAT points).
    tau : Marginal
        Exact posterior of tau.
    mu_sd, tau_sd : float
        Scales of the priors, a Normal around 0 and a half-Normal (SAT points).

    Returns
    -------
    dict
        ``effect``, ``error``, ``mu_sd``, ``tau_sd``, and under ``unit`` for each form the posterior standard
        deviations of mu, log tau and the schools' coordinates.

    See Also
    --------
    given_tau : The law that they follow.

    Examples
    --------
    >>> import hierarchical_exact as exact
    >>> from support.conventions import MU_PRIOR, TAU_PRIOR
    >>> effect, error = [28, 8, -3], [15, 10, 16]
    >>> tau = exact.normal(effect, error, mu=MU_PRIOR, tau=TAU_PRIOR)["tau"]
    >>> len(rolling(effect, error, tau, mu_sd=20, tau_sd=10)["unit"]["centred"])
    5
    """
    values = _equally_probable(tau)
    unit = {}
    for form in FORMS:
        spread = _spread(*given_tau(values, effect, standard_error, mu_sd=mu_sd, form=form))
        unit[form] = [float(f"{one:.3g}") for one in np.insert(spread, 1, np.log(values).std())]
    data = {"effect": np.asarray(effect, float).tolist(), "error": np.asarray(standard_error, float).tolist()}
    return {**data, "mu_sd": mu_sd, "tau_sd": tau_sd, "unit": unit}


def longest_step(precision: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the step below which the leapfrog integrator is stable in a Gaussian.

    Parameters
    ----------
    precision : (K, D, D) array
        Inverse covariances.
    spread : (D,) array
        The unit of each coordinate: what a tuned sampler takes for its standard deviation.

    Returns
    -------
    (K,) array
        Twice the smallest standard deviation in any direction, in these units.

    See Also
    --------
    step_limits : The limits in the funnel.

    Notes
    -----
    The stability limit of Neal (2011), *MCMC using Hamiltonian dynamics*.

    Examples
    --------
    >>> longest_step(np.diag([1.0, 4.0])[None], np.ones(2)).tolist()
    [1.0]
    """
    scaled = precision * np.outer(spread, spread)
    return 2 / np.sqrt(np.linalg.eigvalsh(scaled)[:, -1])


def _equally_probable(tau):
    """Values of tau at equal steps of probability."""
    return tau.quantile((np.arange(DRAWS) + 0.5) / DRAWS).values


def _spread(mean, precision):
    """Posterior standard deviations of the coordinates, over equally probable tau."""
    variance = np.linalg.inv(precision).diagonal(axis1=1, axis2=2)
    return np.sqrt(variance.mean(axis=0) + mean.var(axis=0))


def _difference(mean, precision):
    """Mean and sd of theta - mu of the first school, from the centred coordinates."""
    contrast = np.zeros(mean.shape[1])
    contrast[:2] = -1, 1
    return mean @ contrast, np.sqrt(contrast @ np.linalg.inv(precision) @ contrast)


def _values(frame):
    """Rows for the chart, to four digits; the step also as text, since the table shows two decimals."""
    rounded = frame.copy()
    for name in frame.columns.drop("form", errors="ignore"):
        rounded[name] = [float(f"{value:.4g}") for value in frame[name]]
    if "step" in frame:
        rounded["step_text"] = [f"{value:#.2g}" for value in frame["step"]]
    return alt.Data(values=rounded.to_dict("records"))


def _panel(form, title, draws, curves):
    """Draw the posterior in the coordinates of one form, with the slice at the chosen tau."""
    centred = form == "centred"
    y_axis = alt.Axis(values=[0.01, 0.1, 1, 10], title="τ" if centred else None, labels=centred)
    y = alt.Y("tau:Q", axis=y_axis).scale(type="log", domain=[LOWEST_TAU, HIGHEST_TAU], nice=False)
    x = alt.X("value:Q", title=title).scale(domain=[-20, 35] if centred else [-4, 4], nice=False)
    points = draws[["tau", form]].rename(columns={form: "value"})
    cloud = alt.Chart(_values(points)).mark_point(size=8, color=GREY, filled=True, opacity=0.6, clip=True)
    ends = curves[curves["form"] == form].melt(["form", "tau"], ["lower", "upper"], "end", "value")
    envelope = alt.Chart(_values(ends[["tau", "value"]].assign(place=ends["end"].eq("upper") * 1)))
    lines = envelope.mark_line(color=BLUE, clip=True).encode(x=x, y=y, detail="place:N", order="tau:Q")
    chosen = alt.Chart().transform_filter(f"datum.tau == tau && datum.form == '{form}'")
    level = chosen.mark_rule(color=BLACK, strokeDash=[2, 2]).encode(y="tau:Q")
    bar = chosen.mark_rule(color=BLACK, strokeWidth=5).encode(x="lower:Q", x2="upper:Q", y="tau:Q")
    heading = alt.Title(form, frame="group")
    parts = alt.layer(cloud.encode(x=x, y=y), lines, level, bar, *_balls(form, x, y))
    return parts.properties(width=PANEL, height=220, title=heading)


def _balls(form, x, y):
    """Draw what the page's script says of the balls: a path, a ball, and where one was lost."""
    # None at first: what has no marks has no name, and so no aria.
    look = {"clip": True, "aria": False}

    def of(kind):
        balls = alt.Chart(alt.NamedData("balls"))
        return balls.transform_filter(f"datum.form == '{form}' && datum.kind == '{kind}'")

    dots = {"size": 12, "color": VERMILLION, "aria": False}
    path = of("path").mark_line(color=VERMILLION, strokeWidth=1.5, point=dots, **look)
    ball = of("ball").mark_point(size=110, color=VERMILLION, filled=True, opacity=1, **look)
    lost = of("lost").mark_point(shape="cross", angle=45, size=70, color=BLACK, filled=True, **look)
    return path.encode(x=x, y=y, order="place:Q"), ball.encode(x=x, y=y), lost.encode(x=x, y=y)


def _step(curves):
    """Draw the longest stable step of both forms over tau."""
    tau_axis = alt.Axis(values=[0.01, 0.1, 1, 10])
    x = alt.X("tau:Q", title="τ (SAT points)", axis=tau_axis).scale(
        type="log", domain=[LOWEST_TAU, HIGHEST_TAU], nice=False
    )
    step_axis = alt.Axis(values=[0.001, 0.01, 0.1, 1], title=None)
    y = alt.Y("step:Q", axis=step_axis).scale(type="log", nice=False, padding=6)
    parts = []
    # The two steps in figures are the legend, above the chart from either side.
    looks = [
        (FORMS[0], BLUE, [1, 0], "solid", {"align": "left", "x": 0}),
        (FORMS[1], VERMILLION, [6, 3], "dashed", {"align": "right", "x": WIDTH}),
    ]
    for form, color, dash, look, place in looks:
        data = _values(curves.loc[curves["form"] == form, ["tau", "step"]])
        parts.append(alt.Chart(data).mark_line(color=color, strokeDash=dash).encode(x=x, y=y))
        chosen = alt.Chart().transform_filter(f"datum.tau == tau && datum.form == '{form}'")
        point = chosen.mark_point(size=110, color=color, filled=True, opacity=1)
        parts.append(point.encode(x="tau:Q", y="step:Q"))
        label = chosen.transform_calculate(label=f"'{look}, {form}: ' + datum.step_text")
        parts.append(label.mark_text(y=-12, **place).encode(text="label:N"))
    table = alt.Chart().transform_filter("datum.tau == tau")
    rule = table.mark_rule(color=BLACK).encode(x="tau:Q").properties(name="numbers")
    title = alt.Title(alt.ExprRef("'longest stable step at τ = ' + tau"))
    balls = alt.Chart(alt.Data(values=[{}])).transform_calculate(step="epsilon")
    level = balls.mark_rule(color=BLACK, strokeDash=[2, 2]).encode(y="step:Q")
    return alt.layer(*parts, rule, level).properties(width=WIDTH, height=120, title=title)
