"""Kinds of output by which cells speak to what builds and tests pages: light, as each build imports them."""

STATED = "application/vnd.myst-nbval.expect"  # what the header of a cell is to state
# The version that JupyterLab shows by itself; what the charts use is the same in Vega-Lite 5 and 6.
EXPLORER = "application/vnd.vegalite.v5+json"
