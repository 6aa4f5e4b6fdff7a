"""Show what a cell prints as it was printed, and as the tests compare it; what it tells them is not shown.

A kernel sends the text in pieces, cut wherever it happened to be flushed. MyST-NB ends each piece with a
line break of its own, and takes away blank lines.
"""

from myst_nb.core import render

from support.outputs import STATED


def joined(outputs):
    """Join the pieces of each stream between two other outputs; stderr stands after stdout."""
    result, streams = [], {}
    for output in outputs:
        if output["output_type"] != "stream":
            result, streams = [*result, *in_order(streams), shown(output)], {}
        elif output["name"] in streams:
            streams[output["name"]]["text"] += output["text"]
        else:
            streams[output["name"]] = output.copy()
    return [*result, *in_order(streams)]


def shown(output):
    """Return an output without what it would have the page's header state."""
    if STATED not in output.get("data", {}):
        return output
    output = output.copy()
    output["data"] = {kind: value for kind, value in output["data"].items() if kind != STATED}
    return output


def in_order(streams):
    """Return the streams there are, standard output first."""
    return [streams[name] for name in ("stdout", "stderr") if name in streams]


def setup(app):  # noqa: ARG001 (Sphinx passes it)
    """Put the function in the place of MyST-NB's own."""
    render.coalesce_streams = joined
    return {"parallel_read_safe": True, "parallel_write_safe": True}
