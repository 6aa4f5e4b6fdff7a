"""Let pytest run the book's pages: ``pytest --nbval-lax chapters``.

nbval collects ``.ipynb`` files only. This collector reads a MyST notebook through jupytext and
makes each code cell a test: the cell must run, and where its header states an output under
``expect:``, it must print exactly that.
"""

from collections import defaultdict

import jupytext
from IPython.core.displayhook import DisplayHook
from myst_nb.core.read import is_myst_markdown_notebook
from nbformat.v4 import new_output
from nbval.plugin import IPyNbCell, IPyNbFile

NOTEBOOK_FOLDERS = {"chapters", "solutions"}


def pytest_collect_file(file_path, parent):
    """Collect MyST notebooks when nbval is asked for."""
    options = parent.config.option
    is_page = file_path.suffix == ".md" and file_path.parent.name in NOTEBOOK_FOLDERS
    if not (is_page and (options.nbval or options.nbval_lax)):
        return None
    if not is_myst_markdown_notebook(file_path.read_text(encoding="utf8")):
        return None
    return Page.from_parent(parent, path=file_path)


class Page(IPyNbFile):
    """A MyST notebook; its kernel runs in the page's folder, as in the build."""

    def collect(self):
        """Yield one test for each code cell."""
        self.nb = jupytext.read(self.path, fmt="md:myst")
        cells = [cell for cell in self.nb.cells if cell.cell_type == "code"]
        for number, cell in enumerate(cells, start=1):
            tags = cell.metadata.get("tags", [])
            expect = cell.metadata.get("expect")
            if expect is None and "nbval-check-output" in tags:
                raise self.CollectError(
                    f"{self.path}: code cell {number} asks for its output to be checked, "
                    "but states none: add `expect:` to its header."
                )
            # nbval silently compares nothing in a cell without an execution count.
            cell.execution_count = number
            cell.outputs = [] if not expect else [new_output("stream", text=str(expect))]
            options = defaultdict(
                bool,
                check=expect is not None,
                check_exception="raises-exception" in tags,
                skip="nbval-skip" in tags,
            )
            yield PageCell.from_parent(
                self, name=f"cell {number}", cell_num=number, cell=cell, options=options
            )


class PageCell(IPyNbCell):
    """A code cell that states what it prints."""

    def compare_outputs(self, test, ref, skip_compare=None):
        """Compare the text that a reader sees, however the cell came to show it."""
        # nbval runs cells without history, where IPython overlooks a closing semicolon.
        if DisplayHook.semicolon_at_end_of_expression(self.cell.source):
            test = [output for output in test if output.output_type != "execute_result"]
        return super().compare_outputs(printed(test), printed(ref), skip_compare)


def printed(outputs):
    """Return the text of outputs as one stdout stream, without stderr and without figures."""
    text = ""
    for output in outputs:
        if output.output_type == "stream" and output.name == "stdout":
            text += output.text
        elif output.output_type in ("display_data", "execute_result"):
            is_figure = any(kind.startswith("image/") for kind in output.data)
            text += "" if is_figure else output.data.get("text/plain", "") + "\n"
    # Trailing newlines are not seen, and YAML adds one.
    return [new_output("stream", text=text.rstrip("\n") + "\n")]
