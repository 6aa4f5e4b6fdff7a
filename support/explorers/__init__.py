"""Interactive figures that need no kernel: data in, :class:`Explorer` out.

Each is a Vega-Lite chart with controls, made with Altair; its numbers come from :mod:`support.exact` when the
page is run, or from the chart's own expressions, which the tests hold against :mod:`support.exact`.
"""

from support.explorers.explorer import Explorer
from support.explorers.funnel import funnel, step_limits
from support.explorers.own import own
from support.explorers.prior import overlap, prior
from support.explorers.shrinkage import shrinkage
from support.explorers.survey import survey

__all__ = ["Explorer", "funnel", "overlap", "own", "prior", "shrinkage", "step_limits", "survey"]
