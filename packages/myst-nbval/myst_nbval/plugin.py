"""Let pytest run the book's pages: ``pytest --nbval-lax chapters``.

nbval collects ``.ipynb`` files only, and compares what it is asked to compare. This collector reads a
MyST notebook as the build does, makes each code cell a test, and compares every one of them: a cell must
run and print exactly what its header states under ``expect:``. A cell that states nothing must print
nothing, unless one of the tags in `NOT_COMPARED` says why it cannot be held to an output.
"""

import difflib
import html
import re
from collections import defaultdict

import pytest
from IPython.core.displayhook import DisplayHook
from myst_nb.core.read import (
    MystMetadataParsingError,
    is_myst_markdown_notebook,
    read_myst_markdown_notebook,
)
from nbformat import ValidationError
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

# What students hand in is no test, and some of it is broken on purpose.
collect_ignore = ["tests/submissions"]

NOTEBOOK_FOLDERS = {"chapters", "exercises", "solutions"}

# The only reasons for which a cell may print without being compared.
NOT_COMPARED = {
    "raw-sampler-output": "draws differ between seeds, samplers and kinds of processor",
    "timing": "a measured time differs from run to run",
    "versions": "the versions of what is installed change with every upgrade",
    "audit-table": "tests/test_audit.py holds its hundreds of entries one by one",
}
# Tags that say how a cell is shown.
SHOWN = {"hide-input", "hide-output", "hide-cell", "remove-input", "remove-output", "remove-cell"}
# Tags that say what becomes of a solution's cell in the exercise: kept, or kept without its values.
FOR_STUDENTS = {"given", "answer"}
OTHER_TAGS = SHOWN | FOR_STUDENTS
KEYS = {"expect", "stated", "tags", "mystnb"}
# Other keys below `mystnb` would show what is not compared, or hide what is.
MYSTNB_KEYS = {"image", "figure"}


def pytest_collect_file(file_path, parent):
    """Collect MyST notebooks when nbval is asked for."""
    options = parent.config.option
    is_page = file_path.suffix == ".md" and file_path.parent.name in NOTEBOOK_FOLDERS
    if not (is_page and (options.nbval or options.nbval_lax)):
        return None
    if not is_myst_markdown_notebook(file_path.read_text(encoding="utf8")):
        return None
    return Page.from_parent(parent, path=file_path)


def code_cells(path):
    """Return the code cells of a page, each with the line at which it stands."""
    text = path.read_text(encoding="utf8")
    notebook = read_myst_markdown_notebook(text, add_source_map=True, path=path)
    lines = notebook.metadata["source_map"]
    return [
        (cell, line) for cell, line in zip(notebook.cells, lines, strict=True) if cell.cell_type == "code"
    ]


def header_faults(header):
    """Say what in a cell's header would keep its output from being compared as it should."""
    faults = [
        f"has the header key {key!r}, which means nothing here: use {', '.join(sorted(KEYS))}"
        for key in header
        if key not in KEYS
    ]
    faults += [
        f"has `mystnb: {key}`, which changes what is shown: use {', '.join(sorted(MYSTNB_KEYS))}"
        for key in header.get("mystnb", {})
        if key not in MYSTNB_KEYS
    ]
    expect = header.get("expect", "none")
    if not (isinstance(expect, str) and expect.strip()):
        faults.append(
            f"states {expect!r} under `expect`: write `expect: |` and below it, indented, the text that "
            "the cell prints; a cell that prints nothing needs no `expect`"
        )
    if "stated" in header and "expect" not in header:
        faults.append("has `stated`, but no `expect` that answers what the source states")
    return faults + tag_faults(header)


def tag_faults(header):
    """Say which of a header's tags would keep the cell's output from being compared as it should."""
    tags = header.get("tags", [])
    faults = [
        f"has the tag {tag!r}, which is not known: use {', '.join([*NOT_COMPARED, *sorted(OTHER_TAGS)])}"
        for tag in tags
        if tag not in OTHER_TAGS and tag not in NOT_COMPARED
    ]
    if "expect" in header:
        faults += [
            f"states its output and has the tag {tag!r} ({NOT_COMPARED[tag]}): keep one of the two"
            for tag in tags
            if tag in NOT_COMPARED
        ]
    return faults


class Page(IPyNbFile):
    """A MyST notebook; its kernel runs in the page's folder, as in the build."""

    def setup(self):
        """Start the kernel, in an environment as in the build.

        IPython would not catch what subprocesses print if it knew that it is being tested.
        """
        with pytest.MonkeyPatch.context() as environment:
            environment.delenv("PYTEST_CURRENT_TEST", raising=False)
            super().setup()

    def collect(self):
        """Yield one test for each code cell."""
        try:
            cells = code_cells(self.path)
        except (MystMetadataParsingError, ValidationError) as error:
            raise self.CollectError(f"{self.path}: {error}") from error
        for number, (cell, line) in enumerate(cells, start=1):
            # nbval silently compares nothing in a cell without an execution count.
            cell.execution_count = number
            cell.outputs = []
            yield PageCell.from_parent(
                self,
                name=f"cell {number}",
                cell_num=number,
                cell=cell,
                options=defaultdict(bool, check=True),
                line=line,
            )

    def get_kernel_message(self, timeout=None, stream="iopub"):
        """Pass on a message, having noted any that changes outputs, or lets later ones change them.

        nbval overlooks these messages, the build does not.
        """
        message = super().get_kernel_message(timeout, stream)
        has_identity = message["content"].get("transient", {}).get("display_id")
        if has_identity or message["msg_type"] in ("update_display_data", "clear_output"):
            self.changed_outputs = True
        return message


class PageCell(IPyNbCell):
    """A code cell that states what it prints, or prints nothing."""

    def __init__(self, *args, line, **kwargs):
        super().__init__(*args, **kwargs)
        self.line = line
        self.compared = False

    def runtest(self):
        """Run the cell; it passes only when its output was compared, within the time allowed."""
        self.parent.changed_outputs = False
        super().runtest()
        if self.parent.timed_out:  # and the cell swallowed the interrupt
            self.raise_cell_error(f"took longer than {self.config.option.nbval_cell_timeout:g} seconds")
        if not self.compared:
            self.raise_cell_error("was not compared: nbval no longer works as this collector needs it to")

    @property
    def exemptions(self):
        """Tags that say why the cell is not compared."""
        return [tag for tag in self.cell.metadata.get("tags", []) if tag in NOT_COMPARED]

    def compare_outputs(self, test, ref, skip_compare=None):  # noqa: ARG002
        """Hold what a reader sees against what the header states."""
        header = self.cell.metadata
        for fault in header_faults(header):
            self.raise_cell_error(fault)
        if self.parent.changed_outputs:
            self.raise_cell_error(
                "changes an output after showing it, which cannot be compared: show it once"
            )
        # nbval runs cells without history, where IPython overlooks a closing semicolon.
        if DisplayHook.semicolon_at_end_of_expression(self.cell.source):
            test = [output for output in test if output.output_type != "execute_result"]
        printed = self.printed(test)
        self.compared = True
        if self.exemptions and not printed:
            self.raise_cell_error(f"prints nothing and needs no tag {', '.join(self.exemptions)}: remove it")
        if not self.exemptions:
            self.compare(header.get("expect", "").rstrip("\n"), printed)
        return True

    def compare(self, expect, printed):
        """Fail unless the text printed is the text stated, up to newlines at the end."""
        if printed == expect:
            return
        if not expect:
            self.raise_cell_error(
                f"prints\n\n{printed}\n\nand states no output. Write it in the cell's header under "
                "`expect: |`; if it cannot be the same on every machine, print the conclusion that can "
                f"(support.checks helps), or say why not by a tag: {', '.join(NOT_COMPARED)}."
            )
        difference = difflib.unified_diff(
            expect.split("\n"), printed.split("\n"), "stated in the header", "printed", lineterm=""
        )
        self.raise_cell_error("does not print what its header states:\n\n" + "\n".join(difference))

    def printed(self, outputs):
        """Return the text that a reader sees, without stderr, which no page shows, and figures."""
        text = ""
        for output in outputs:
            if output.output_type == "stream":
                text += output.text if output.name == "stdout" else ""
            elif output.output_type in ("display_data", "execute_result"):
                text += self.shown_as_text(output.data)
        return text.rstrip("\n")

    def shown_as_text(self, data):
        """Return the plain text of an output, having made sure that it lacks nothing a reader sees."""
        # What `glue` puts aside for the prose is not shown by the cell itself.
        kinds = {kind for kind in data if not kind.startswith("application/papermill.record/")}
        rich = kinds & {"text/html", "text/markdown", "text/latex"}
        figure = {kind for kind in kinds if kind.startswith(("image/", "application/vnd.vegalite."))}
        unknown = kinds - rich - figure - {"text/plain"}
        if unknown:
            self.raise_cell_error(f"shows {', '.join(sorted(unknown))}, which cannot be compared: print text")
        if figure and not rich:
            return ""
        plain = data.get("text/plain", "")
        for kind in sorted(rich):
            missing = words(data[kind]) - words(plain)
            if missing and not self.exemptions:
                self.raise_cell_error(
                    f"shows {', '.join(sorted(missing))} as {kind}, but not in the plain text that is "
                    "compared: print text, or give the object shown a fuller __repr__"
                )
        return plain + "\n" if kinds else ""

    def raise_cell_error(self, message, *args, **kwargs):
        """Fail this cell's test, naming page, line and cell."""
        place = f"{self.path.parent.name}/{self.path.name}, line {self.line}, code cell {self.cell_num}"
        super().raise_cell_error(f"{place}: {message}", *args, **kwargs)

    def repr_failure(self, excinfo):
        """Describe a failure, beginning with the line that pytest repeats in its summary."""
        error = excinfo.value
        if not isinstance(error, NbCellError):
            return super().repr_failure(excinfo)
        return f"{error}\n\nThe cell:\n{error.source}\n{error.inner_traceback or ''}"


def words(text):
    """Return the words and numbers that a reader sees in a text or in HTML."""
    visible = re.sub(r"<(style|script)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)
    return set(re.findall(r"\w+(?:[.,]\w+)*", html.unescape(visible)))
