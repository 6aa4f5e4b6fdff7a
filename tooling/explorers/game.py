"""A game of guesses: true effects, by the reader, by the raw effects and by a model that knows as much.

Rounds are dealt and scored in the page, by ``tooling/extra/explorers/game.js``.
"""

import altair as alt
import numpy as np
import xarray as xr

from support.figures.style import BLACK, BLUE, GREY, PURPLE, SKY, VERMILLION
from tooling.explorers.explorer import Explorer

WIDTH = 330
REACH = 3.6  # standard deviations of the least precise report: how far the axis goes to each side

DESCRIPTION = """
Each school has its raw effect, an open circle, with a thin bar of one standard error to each side, and below
it the reader's guess, a diamond that can be moved. A dashed vertical line marks the mean of the population,
with a band of one standard deviation to each side. In the page a button shows the true effects, upright
strokes, and the model's estimates, filled circles; a sentence has the sums of squared errors of the reader,
the raw effects and the model, in this round and on average over all rounds played.
"""


def game(standard_error: xr.DataArray, *, mu: float, tau: float, rng: np.random.Generator) -> Explorer:
    """Let a reader guess true effects, and see who does better over many rounds.

    Parameters
    ----------
    standard_error : xarray.DataArray
        Of the schools (SAT points), over ``school``.
    mu, tau : float
        Mean and standard deviation of the population (SAT points), known to the reader and to the model.
    rng : numpy.random.Generator
        For the round that is shown where no script deals one.

    Returns
    -------
    Explorer

    See Also
    --------
    tooling.explorers.shrinkage : The estimates that win it.

    Examples
    --------
    >>> error = xr.DataArray([3.0, 12.0], dims="school", coords={"school": ["A", "B"]})
    >>> game(error, mu=8, tau=6, rng=np.random.default_rng(1)).name
    'game'
    """
    error = standard_error.values
    names, raw = standard_error["school"].values, rng.normal(mu, np.hypot(tau, error)).round(1)
    rows = [
        {"name": f"{name} ± {sd:g}", "error": float(sd), "raw": float(y), "guess": float(y)}
        for name, sd, y in zip(names, error, raw, strict=True)
    ]
    reach = np.ceil(REACH * np.hypot(tau, error.max()))
    ends = float(mu - reach), float(mu + reach)
    base = alt.Chart(alt.Data(values=rows, name="game")).transform_calculate(
        low="datum.raw - datum.error",
        high="datum.raw + datum.error",
        words="datum.name + ': guess ' + format(datum.guess, '.1~f')",
    )
    base = base.encode(y=alt.Y("name:N", title="school, and standard error"))
    known = f"dashed: mean {mu}, stroke: truth, filled: model"
    title = alt.Title(["open: raw effect ± error, diamond: your guess", known])
    chart = alt.layer(*_population(mu, tau, ends), *_marks(base))
    return Explorer(
        chart.properties(width=WIDTH, height=250, title=title),
        name="game",
        description=DESCRIPTION,
        numbers={"name": "school", "raw": "raw effect", "guess": "guess", "model": "model", "truth": "truth"},
        model={"rows": rows, "error": error.tolist(), "mu": mu, "tau": tau, "ends": ends},
    )


def _population(mu, tau, ends):
    """Draw what is known of the true effects."""
    base = alt.Chart(alt.Data(values=[{"mu": mu, "low": mu - tau, "high": mu + tau}]))
    x = alt.X("low:Q", title="effect (SAT points)", axis=alt.Axis(tickCount=5))
    band = base.mark_rect(color=SKY, opacity=0.25).encode(x=x.scale(domain=ends, nice=False), x2="high:Q")
    line = base.mark_rule(color=VERMILLION, strokeDash=[6, 3], strokeWidth=2).encode(x="mu:Q")
    return band, line


def _marks(base):
    """Draw raw effects and guesses; truths and the model's estimates once there are any."""
    raw, shown = base.encode(yOffset=alt.value(12)), base.transform_filter("isValid(datum.truth)")
    model = shown.encode(yOffset=alt.value(38))  # what may have no marks has no name, and so no aria
    guess = base.mark_point(shape="diamond", size=130, fill=PURPLE, stroke=BLACK, opacity=1)
    return (
        raw.mark_rule(color=GREY).encode(x="low:Q", x2="high:Q"),
        raw.mark_point(size=70, color=BLACK, filled=False, strokeWidth=2)
        .encode(x="raw:Q")
        .properties(name="numbers"),
        shown.mark_tick(size=38, thickness=3, color=BLACK, aria=False).encode(x="truth:Q"),
        model.mark_point(size=110, color=BLUE, filled=True, opacity=1, aria=False).encode(x="model:Q"),
        guess.encode(x="guess:Q").properties(name="grip"),
    )
