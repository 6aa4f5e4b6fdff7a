"""Interactive figures that need no kernel: data in, :class:`Explorer` out.

Each is a Vega-Lite chart with controls, made with Altair; its numbers come from :mod:`hierarchical_exact`
when the page is run, or from the chart's own expressions, which the tests hold against that package.
"""

from tooling.explorers.explorer import Explorer
from tooling.explorers.funnel import funnel, step_limits
from tooling.explorers.game import game
from tooling.explorers.own import own
from tooling.explorers.prior import overlap, prior
from tooling.explorers.shrinkage import shrinkage
from tooling.explorers.survey import survey

__all__ = ["Explorer", "funnel", "game", "overlap", "own", "prior", "shrinkage", "step_limits", "survey"]
