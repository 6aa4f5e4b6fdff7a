"""A page and its code cells as tests.

nbval collects ``.ipynb`` files only, and compares what it is asked to compare. This collector reads a
MyST notebook as the build does, makes each code cell a test, and compares every one of them: a cell must
run and print exactly what its header states under ``expect:``, with numbers in the intervals that it states.
A cell that states nothing must print nothing, unless one of its tags says why it cannot be held to an output.
"""

import difflib
import html
import re
from collections import Counter, defaultdict
from itertools import groupby, takewhile

import pytest
import yaml
from IPython.core.displayhook import DisplayHook
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME
from myst_nb.core.read import (
    MystMetadataParsingError,
    is_myst_markdown_notebook,
    read_myst_markdown_notebook,
)
from nbformat import ValidationError
from nbval.kernel import CURRENT_ENV_KERNEL_NAME
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from myst_nbval import intervals
from myst_nbval.rules import Rules
from myst_nbval.writing import replace, with_stated

# What MyST-NB shows as a picture, and what a book's explorers are.
FIGURES = {"image/png", "image/jpeg", "image/gif", "image/svg+xml"}
# How front matter makes a page, whatever else is wrong with it.
MENTIONS = re.compile(r"file_format\W+mystnb|format_name\W+myst\b")
EXPLORER = "application/vnd.vegalite."
NO_TAGS = "there is none, for pytest's setting myst_nbval_uncompared names none"


def read(path):
    """Read a page as the build does."""
    return read_myst_markdown_notebook(path.read_text(encoding="utf-8-sig"), add_source_map=True, path=path)


def is_page(path):
    """Tell whether a file with front matter is a MyST notebook, or says so where it cannot be read."""
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    front = text.split("\n---", 1)[0].removeprefix("---")
    try:
        return is_myst_markdown_notebook(text) or (bool(MENTIONS.search(front)) and not _parses(front))
    except AttributeError:  # a text where MyST-NB looks for settings
        return True


def _parses(front):
    try:
        return isinstance(yaml.safe_load(front), dict)
    except yaml.YAMLError:
        return False


def repeated(text, line):
    """Return the keys that the header of the cell at a line has more than once; YAML keeps the last."""
    first, *lines = [*text.splitlines()[line:], ""]
    if first.rstrip() == "---":
        header = takewhile(lambda one: one.rstrip() != "---", lines)
    else:
        header = takewhile(lambda one: one.startswith(":"), [first, *lines])
    keys = Counter(found[1] for one in header if (found := re.match(r":?([\w-]+):", one)))
    return [key for key, times in keys.items() if times > 1]


def code_cells(notebook):
    """Return the code cells of a page that was read, each with the line at which it stands."""
    lines = notebook.metadata["source_map"]
    return [
        (cell, line) for cell, line in zip(notebook.cells, lines, strict=True) if cell.cell_type == "code"
    ]


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
        self.text = self.path.read_bytes()
        try:
            self.nb = read(self.path)
            text = self.text.decode("utf-8-sig")
            is_myst_markdown_notebook(text)  # or raises
        except (MystMetadataParsingError, ValidationError) as error:
            raise self.CollectError(f"{self.path}: {error}") from error
        except UnicodeDecodeError as error:
            raise self.CollectError(f"{self.path}: {error}: save it as UTF-8") from error
        except (AttributeError, TypeError, ValueError, yaml.YAMLError) as error:
            raise self.CollectError(f"{self.path}: its front matter cannot be read: {error}") from error
        for _, line in code_cells(self.nb):
            for key in repeated(text, line):
                raise self.CollectError(f"{self.path}, line {line}: the header has {key!r} twice: keep one")
        self.passed = set()
        self.to_state = {}
        # Each environment calls its own kernel so: the one that is meant is that of the test.
        kernel = self.nb.metadata.setdefault("kernelspec", {})
        if kernel.get("name", NATIVE_KERNEL_NAME) == NATIVE_KERNEL_NAME:
            kernel["name"] = CURRENT_ENV_KERNEL_NAME
        for number, (cell, line) in enumerate(code_cells(self.nb), start=1):
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

    def teardown(self):
        """Stop the kernel, and write what the cells say that their headers should state, if asked to."""
        super().teardown()
        if not self.to_state:
            return
        if self.path.read_bytes() != self.text:  # its lines are no longer those of the cells
            pytest.fail(
                f"{self.path} was edited while it ran: nothing is written, run it again", pytrace=False
            )
        replace(self.path.resolve(), with_stated(self.text.decode("utf8"), self.to_state).encode("utf8"))

    def note_passed(self, cell, outputs):
        """Keep what a cell has shown; when all have passed, tell the book."""
        cell.outputs = outputs
        for output in outputs:
            if output.output_type == "execute_result":  # nbval runs cells without counting them
                output.execution_count = cell.execution_count
        self.passed.add(cell.execution_count)
        if len(self.passed) == len(code_cells(self.nb)):
            self.ihook.pytest_myst_nbval_passed(path=self.path, notebook=self.nb)


class PageCell(IPyNbCell):
    """A code cell that states what it prints, or prints nothing."""

    def __init__(self, *args, line, **kwargs):
        super().__init__(*args, **kwargs)
        self.line = line
        self.compared = False
        self.shown = []

    def runtest(self):
        """Run the cell; it passes only when its output was compared, within the time allowed."""
        self.parent.changed_outputs = False
        with pytest.MonkeyPatch.context() as patch:
            # nbval's own moves all that is printed to where the first of it was.
            patch.setattr("nbval.plugin.coalesce_streams", joined)
            super().runtest()
        if self.parent.timed_out:  # and the cell swallowed the interrupt
            self.raise_cell_error(f"took longer than {self.config.option.nbval_cell_timeout:g} seconds")
        if not self.compared:
            self.raise_cell_error("was not compared: nbval no longer works as this collector needs it to")
        self.parent.note_passed(self.cell, self.shown)

    @property
    def rules(self):
        """What headers may say in this book."""
        return self.config.stash[Rules.KEY]

    @property
    def exemptions(self):
        """Tags that say why the cell is not compared."""
        return [tag for tag in self.cell.metadata.get("tags", []) if tag in self.rules.uncompared]

    def compare_outputs(self, test, ref, skip_compare=None):  # noqa: ARG002
        """Hold what a reader sees against what the header states."""
        header = self.cell.metadata
        for fault in self.rules.faults(header):
            self.raise_cell_error(fault)
        if self.parent.changed_outputs:
            self.raise_cell_error(
                "changes an output after showing it, which cannot be compared: show it once"
            )
        # nbval runs cells without history, where IPython overlooks a closing semicolon.
        if DisplayHook.semicolon_at_end_of_expression(self.cell.source):
            test = [output for output in test if output.output_type != "execute_result"]
        printed = self.printed(test)
        self.shown = test
        self.compared = True
        if not self.exemptions and ("\r" in printed or "\b" in printed):
            self.raise_cell_error(
                "prints a carriage return or a backspace, which hide text before them: print each line once"
            )
        if self.exemptions and not printed:
            self.raise_cell_error(f"prints nothing and needs no tag {', '.join(self.exemptions)}: remove it")
        if not self.exemptions:
            expect = header.get("expect", "").rstrip("\n")
            self.compare(self.refreshed(expect, self.printed(test, intervals.KIND)), printed)
        return True

    def refreshed(self, expect, to_state):
        """Return what the header states, once it is what the cell says that it should state."""
        says = any(intervals.KIND in output.get("data", {}) for output in self.shown)
        if to_state == expect or not says:
            return expect
        if not self.config.option.myst_nbval_write:
            self.raise_cell_error(
                "states another output than it works out; --myst-nbval-write writes into the header:\n\n"
                + to_state
            )
        self.parent.to_state[self.line] = to_state
        return to_state

    def compare(self, expect, printed):
        """Fail unless the text printed is the text stated, each number in its interval."""
        outside = intervals.outside(expect, printed)
        if outside == []:
            return
        if outside:
            self.raise_cell_error(f"prints {', and '.join(outside)}:\n\n{printed}")
        if not expect:
            self.raise_cell_error(
                f"prints\n\n{printed}\n\nand states no output. Write it in the cell's header under "
                "`expect: |`; if it cannot be the same on every machine, print the conclusion that can, "
                f"or say why not by a tag: {', '.join(self.rules.uncompared) or NO_TAGS}."
            )
        difference = difflib.unified_diff(
            *intervals.difference(expect, printed), "stated in the header", "printed", lineterm=""
        )
        self.raise_cell_error("does not print what its header states:\n\n" + "\n".join(difference))

    def printed(self, outputs, kind=None):
        """Return the text that a reader sees, without stderr, which no page shows, and figures.

        Where an output has text of another kind, and this is asked for, that stands in its place.
        """
        text = ""
        for output in outputs:
            if output.output_type == "stream":
                text += output.text if output.name == "stdout" else ""
            elif output.output_type in ("display_data", "execute_result"):
                other = output.data.get(kind)
                text += self.shown_as_text(output.data) if other is None else f"{other}\n"
        return text.rstrip("\n")

    def shown_as_text(self, data):
        """Return the plain text of an output, having made sure that it lacks nothing a reader sees."""
        # What `glue` puts aside for the prose is not shown by the cell itself.
        kinds = {kind for kind in data if not kind.startswith("application/papermill.record/")}
        kinds -= {intervals.KIND}
        rich = kinds & {"text/html", "text/markdown", "text/latex"}
        figure = {kind for kind in kinds if kind in FIGURES or kind.startswith(EXPLORER)}
        unknown = kinds - rich - figure - {"text/plain"}
        if unknown:
            self.raise_cell_error(f"shows {', '.join(sorted(unknown))}, which cannot be compared: print text")
        if figure and not rich:
            return ""
        plain = data.get("text/plain", "")
        for kind in sorted(rich):
            visible = without_tags(data[kind]) if kind == "text/html" else data[kind]
            missing = words(visible) - words(plain)
            if missing and not self.exemptions:
                self.raise_cell_error(
                    f"shows {', '.join(sorted(missing))} as {kind}, but not in the plain text that is "
                    "compared: print text, or give the object shown a fuller __repr__"
                )
        return plain + "\n" if kinds else ""

    def raise_cell_error(self, message, *args, **kwargs):
        """Fail this cell's test, naming page, line and cell."""
        place = f"{self.parent.nodeid}, line {self.line}, code cell {self.cell_num}"
        super().raise_cell_error(f"{place}: {message}", *args, **kwargs)

    def repr_failure(self, excinfo):
        """Describe a failure, beginning with the line that pytest repeats in its summary."""
        error = excinfo.value
        if not isinstance(error, NbCellError):
            return super().repr_failure(excinfo)
        return f"{error}\n\nThe cell:\n{error.source}\n{error.inner_traceback or ''}"


def joined(outputs):
    """Return outputs in their order, with what is printed between two that are shown joined by stream."""
    found = []
    for printed, some in groupby(outputs, key=lambda one: one.output_type == "stream"):
        streams = {}
        for one in some:
            if printed and one.name in streams:
                streams[one.name].text += one.text
            else:
                found.append(one)
                streams[one.get("name")] = one
    return found


def without_tags(text):
    """Return what a reader sees of HTML."""
    visible = re.sub(r"<(style|script)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)
    return html.unescape(visible)


def words(text):
    """Count the words and numbers of a text, with signs and per cents."""
    plain = text.replace("\N{MINUS SIGN}", "-")
    return Counter(re.findall(r"(?:(?<!\w)[-+])?\w+(?:[.,]\w+)*%?", plain))
