"""What an explorer is: a chart with controls, its description, and its numbers as a table."""

import sys
from collections.abc import Sequence

# As in tooling/environment.py, which a page does not import: it makes the next one quick.
sys.modules.setdefault("rfc3987_syntax", None)

import altair as alt  # noqa: E402

from support.outputs import EXPLORER  # noqa: E402

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
CONFIG = {
    "background": "white",
    "padding": 6,
    "view": {"stroke": None},
    "font": "Arial, Liberation Sans, sans-serif",
    "axis": {"labelFontSize": 14, "titleFontSize": 14, "titleFontWeight": "normal", "grid": False},
    "legend": {"labelFontSize": 14, "titleFontSize": 14, "titleFontWeight": "normal"},
    "title": {"fontSize": 14, "anchor": "start", "fontWeight": "normal"},
    "text": {"fontSize": 14},
}


class Explorer:
    """An interactive figure that a notebook shows as its cell's result.

    JupyterLab draws the chart itself. The built book makes a picture of it, for paper and for readers
    without scripts, and puts the chart with its controls in the picture's place where scripts run.

    Parameters
    ----------
    chart : altair.TopLevelMixin
        The chart. Its controls are parameters bound to input elements, whose ``name`` says what they set.
    name : str
        Short name in lower case, used in addresses.
    description : str
        What there is to see and to set, for those who do not see it.
    numbers : dict
        Columns of the table that shows the chart's numbers as text: field to heading. Its rows are those
        of the views whose name begins with ``numbers``.
    model : dict, optional
        What the explorer's own script computes with: ``tooling/extra/explorers/<name>.js``.
    form : dict, optional
        The fields of groups that a reader may enter, to begin with: ``groups`` as lines of text,
        ``scale_mu`` and ``scale_tau``. The page then also offers a link that carries them.

    See Also
    --------
    tooling.explorers.shrinkage : One of them.

    Notes
    -----
    The marks of a view named ``grip`` can be moved in the built book, by mouse, touch and arrow keys: with a
    form, each changes the report of its group; otherwise, the parameter named like the field of their x.

    Examples
    --------
    >>> chart = alt.Chart(alt.Data(values=[{"x": 1}]), name="numbers").mark_point().encode(x="x:Q")
    >>> Explorer(chart, name="one", description="One point.", numbers={"x": "place"})
    Explorer one: One point.
    """

    def __init__(
        self,
        chart: alt.TopLevelMixin,
        *,
        name: str,
        description: str,
        numbers: dict[str, str],
        model: dict | None = None,
        form: dict | None = None,
    ):
        self.chart = chart
        self.name = name
        self.description = " ".join(description.split())
        self.numbers = numbers
        self.model = model
        self.form = form

    def __repr__(self):
        """Return what stands for the chart where only text can."""
        return f"Explorer {self.name}: {self.description}"

    def spec(self) -> dict:
        """Return the chart as Vega-Lite, with what the book adds under ``usermeta``.

        Returns
        -------
        dict
        """
        chart = self.chart.properties(description=self.description)
        with alt.data_transformers.enable("default", consolidate_datasets=False):
            spec = chart.to_dict()
        # Pairs, because a notebook may be kept with the keys of its objects sorted.
        explorer = {"name": self.name, "numbers": list(self.numbers.items()), "form": self.form}
        if self.model:
            explorer["model"] = self.model
        return {**spec, "$schema": SCHEMA, "config": CONFIG, "usermeta": {"explorer": explorer}}

    def _repr_mimebundle_(self, include=None, exclude=None):  # noqa: ARG002 (IPython passes them)
        return {EXPLORER: self.spec(), "text/plain": repr(self)}


def steps(name: str, values: Sequence[float], *, start: float, title: str) -> list[alt.Parameter]:
    """Return a slider over a list of values, and the value at which it stands.

    The slider itself counts places in the list, as HTML's sliders have equal steps. In the built book it says
    the value; JupyterLab shows the place, so the chart should say the value too.

    Parameters
    ----------
    name : str
        Of the parameter that holds the value; that of the slider is ``<name>_step``.
    values : sequence of float
        In the order of the slider.
    start : float
        The value that is set at first.
    title : str
        What the slider sets, with its unit.

    Returns
    -------
    list of altair.Parameter

    See Also
    --------
    Explorer : What the parameters are for.

    Examples
    --------
    >>> slider, value = steps("tau", [0.1, 1, 10], start=1, title="tau ")
    >>> slider.param.value, value.param.expr
    (1, '[0.1, 1, 10][tau_step]')
    """
    values = list(values)
    bind = alt.binding_range(min=0, max=len(values) - 1, step=1, name=title)
    slider = alt.param(name=f"{name}_step", value=values.index(start), bind=bind)
    return [slider, alt.param(name=name, expr=f"{values}[{name}_step]")]
