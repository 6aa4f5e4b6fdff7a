"""Runs code cells in the page, within Pyodide: what they print and show goes to the page, piece by piece.

The worker calls :func:`start` once and :func:`run` for each cell.
"""

import ast
import builtins
import io
import json
import linecache
import os
import re
import sys
import time
import traceback
from base64 import b64encode
from collections.abc import Callable
from html import escape

import arriving
import intervals  # of myst_nbval, which lies beside this file in the page

HOME = "/home/pyodide"
# What IPython asks an object for, the fullest first.
KINDS = {
    "application/vnd.vegalite.v5+json": "_repr_vegalite_",
    "text/html": "_repr_html_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_",
    "application/javascript": "_repr_javascript_",
    "text/latex": "_repr_latex_",
    "text/markdown": "_repr_markdown_",
}
# What Jupyter takes for commands, in a line that is no Python.
COMMAND = re.compile(r"\s*([\w, ]+=\s*)?(%{1,2}[a-zA-Z]|[!?])|.*\?\s*$")
NO_COMMANDS = (
    "{line} is a command to Jupyter, and a page runs Python only. It needs no installation: what is to be "
    "had comes when it is imported; timeit.timeit(…) measures time, and help(…) explains. Take the line out, "
    "or open the page on Binder (the rocket at its top), where commands work."
)
NO_INPUT = "a cell in the page cannot ask: write the answer into the code"
# What a cell has printed, as the tests of the pages compare it.
printed = []
# Characters that a cell may print, and as many that it may show, and seconds between what is sent: a loop
# that never ends fills no page.
MOST, PAUSE = 200_000, 0.05


class Stream(io.TextIOBase):
    """Passes on what is printed, lines that come at once together."""

    def __init__(self, name):
        self.name = name
        self.begun = ""
        self.room = MOST
        self.sent = 0.0

    def write(self, text):
        """Send the lines that are complete to the page, unless others have just been sent."""
        if self.room > len(self.begun):
            self.begun += text
        if "\n" in text and time.monotonic() > self.sent + PAUSE:
            self.flush()
        return len(text)

    def flush(self):
        """Send what there is, as far as there is room."""
        if self.begun and self.room:
            text = self.begun[: self.room]
            self.room -= len(text)
            text += "" if self.room else f"\n… and more: {MOST:,} characters of a cell are shown.\n"
            send({"kind": "stream", "name": self.name, "text": text})
            printed.extend([text] if self.name == "stdout" else [])
        self.begun = ""
        self.sent = time.monotonic()

    def writable(self):
        """Say that it can be written to."""
        return True


def start(post: Callable, folder: str) -> None:
    """Make all ready for the first cell of a page.

    Parameters
    ----------
    post : callable
        Of the worker: send JSON to the page.
    folder : str
        The folder of the page in the book, which cells find themselves in.
    """
    global send, namespace, streams, room
    send = lambda message: post(json.dumps(message))  # noqa: E731
    os.environ["MPLBACKEND"] = "agg"  # there is no screen
    streams = Stream("stdout"), Stream("stderr")
    room = Room()
    place = f"{HOME}/{folder}"
    os.makedirs(place, exist_ok=True)
    os.chdir(place)
    builtins.display = display
    builtins.input = refuse
    arriving.CHANGES["IPython.core.display_functions"] = lambda module: vars(module).update(
        display=display, clear_output=clear
    )
    arriving.CHANGES["matplotlib.pyplot"] = lambda module: vars(module).update(show=show_open_figures)
    namespace = sys.modules["__main__"].__dict__


def run(source, label, expect=None, lenient=None):
    """Run a cell; return ``failed`` or ``finished``; for one with an output, ``stated`` or ``different``.

    What a ``lenient`` cell asserts is passed over.
    """
    name = f"<{label}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    printed.clear()
    sys.stdout, sys.stderr = streams  # whatever an earlier cell has put in their place
    for stream in streams:
        stream.room = MOST
    room.left = MOST
    try:
        try:
            execute(ast.parse(source, name), name, source, optimize=1 if lenient else -1)
        finally:  # what was drawn before an error is no figure of the next cell
            show_open_figures()
        flush()
        arriving.let_go()
    except BaseException as error:  # whatever a reader's code raises is shown
        flush()
        send({"kind": "error", "text": describe(error)})
        return "failed"
    if expect is None:
        return "finished"
    agrees = intervals.outside(expect.rstrip("\n"), "".join(printed).rstrip("\n")) == []
    return "stated" if agrees else "different"


def read(path):
    """Return a file that a cell has written beside the page, or None."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf8") as file:
        return file.read()


def execute(tree, name, source, optimize):
    """Run the statements of a cell, and show the value of the last."""
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec", optimize=optimize), namespace)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
        if value is not None and not source.rstrip().endswith(";"):
            namespace["_"] = value
            show(value, "execute_result")


def flush():
    """Send what was printed and not yet sent."""
    sys.stdout.flush()
    sys.stderr.flush()


def describe(error):
    """Return the traceback from the cell on; for a package that is not there or does not come, a sentence."""
    if sentence := arriving.sentence(error):
        return sentence
    here = isinstance(error, SyntaxError) and str(error.filename).startswith("<cell ")
    if here and COMMAND.match(error.text or ""):
        return NO_COMMANDS.format(line=error.text.strip())
    shown = traceback.TracebackException.from_exception(error)
    shown.stack = traceback.StackSummary.from_list([f for f in shown.stack if f.filename != __file__])
    return "".join(shown.format())


def refuse(prompt=""):  # noqa: ARG001 (as ``input`` is called)
    """Say that nobody can be asked, in the place of ``input``."""
    raise EOFError(NO_INPUT)


class Room:
    """What a cell may still show."""

    def __init__(self):
        self.left = MOST

    def take(self, data):
        """Return what fits of the forms of an object; None for what follows the last that is shown."""
        if self.left <= 0:
            return None
        texts = {kind: text for kind, text in data.items() if kind.startswith("text/")}
        # Pictures are few characters to a reader, and a loop of them has an end too.
        self.left -= max([len(texts.get("text/html", texts["text/plain"])), MOST // 1000])
        if self.left > 0:
            return data
        # Cut HTML is none.
        kept = {kind: text for kind, text in data.items() if kind not in texts}
        more = f"\n… and more: {MOST:,} characters of a cell are shown.\n"
        return {**kept, "text/plain": texts["text/plain"][: MOST // 2] + more}


def display(*values, **_):
    """Show values, as IPython does."""
    for value in values:
        show(value, "display_data")


def clear(wait=False):  # noqa: ARG001, FBT002 (as in IPython)
    """Take away what the cell has shown."""
    flush()
    printed.clear()
    send({"kind": "clear"})


def show(value, kind):
    """Send an object to the page in the forms that it has."""
    data = bundle(value)
    data.pop(intervals.KIND, None)  # what an author is told
    flush()
    data = room.take(data)
    if data is None:
        return
    send({"kind": kind, "data": data})
    if "text/html" in data or not any(form.startswith(("image/", "application/vnd.vega")) for form in data):
        printed.append(data["text/plain"] + "\n")


def bundle(value):
    """Return the forms of an object: MIME type and text."""
    given = getattr(value, "_repr_mimebundle_", None)
    if given is not None and not isinstance(value, type):
        data = given()
        data = data[0] if isinstance(data, tuple) else data
        if data:
            return readable({"text/plain": repr(value), **data})
    data = {"text/plain": plain(value)}
    if is_figure(value):
        return {**data, "image/png": picture(value)}
    for kind, method in KINDS.items():
        form = None if isinstance(value, type) else getattr(value, method, lambda: None)()
        if form is not None:
            data[kind] = b64encode(form).decode() if isinstance(form, bytes) else form
    return readable(data)


def readable(data):
    """Return the forms of an object with one that a page can show, for Markdown and LaTeX."""
    written = data.get("text/markdown", data.get("text/latex"))
    if written is None or any(kind == "text/html" or kind.startswith("image/") for kind in data):
        return data
    from markdown_it import MarkdownIt
    from mdit_py_plugins.amsmath import amsmath_plugin
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    def formula(tex, how):  # as MathJax finds it
        return escape(rf"\[{tex}\]" if how["display_mode"] else rf"\({tex}\)")

    markdown = MarkdownIt("commonmark").enable("table").use(amsmath_plugin)
    markdown.use(dollarmath_plugin, double_inline=True, renderer=formula)
    return {**data, "text/html": markdown.render(written)}


def plain(value):
    """Return an object as text; the larger collections line by line, as in IPython."""
    if type(value) in (dict, list, set, tuple, frozenset):
        from pprint import pformat

        return pformat(value, sort_dicts=False, width=79)
    return repr(value)


def is_figure(value):
    """Tell a figure of Matplotlib."""
    return "matplotlib" in sys.modules and isinstance(value, sys.modules["matplotlib.figure"].Figure)


def picture(figure):
    """Return a figure as PNG, as the notebook's own backend draws it."""
    target = io.BytesIO()
    figure.savefig(target, format="png", bbox_inches="tight")
    return b64encode(target.getvalue()).decode()


def show_open_figures(*_, **__):
    """Show the figures that a cell has left open, and close them: at its end, or where it says so."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    try:
        for number in pyplot.get_fignums():
            show(pyplot.figure(number), "display_data")
    finally:
        pyplot.close("all")
