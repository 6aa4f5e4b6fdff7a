"""Run one notebook inside the sandbox, and pass on the answers that it records.

:mod:`notebook_marking.sandbox` starts this file as a program of its own, which imports nothing of
``notebook_marking``. The request and the notebook come in by standard input; messages go out by standard
output, one line of JSON each:

- ``{"started": true}``: everything is set up, and what follows is the notebook's doing;
- ``{"cell": 4}``: the fourth code cell begins;
- ``{"remark": "code cell 4: NameError: …"}``: something for the student to read;
- ``{"trouble": "out of time"}``: a status, if the notebook has no worse one;
- ``{"answers": "{…}"}``: the text of the file of answers, whenever a cell has changed it;
- ``{"invalid": "…"}``: why that file cannot be passed on;
- ``{"done": true}``: the notebook came to its end.

The notebook's cells run in this process, so a hostile one can send any message itself. It gains nothing:
the messages can say only what an honest notebook could have recorded.

No Jupyter kernel is started, which would cost most of the time: cells run in IPython's shell, with its
magics and top-level ``await``. What they show is counted and thrown away.
"""

import ast
import io
import json
import os
import re
import resource
import signal
import stat
import sys
from pathlib import Path

LONGEST_REMARK = 300
MOST_REMARKS = 50
MOST_MISSING = 10
PYTHON = ("python", "ipython")
# Twice as much address space as memory, and this on top: libraries reserve far more than they use.
ADDRESS_SPACE = 8 * 1024**3
OPEN_FILES = 256


class OutOfTime(KeyboardInterrupt):
    """A cell took longer than it may; like Ctrl-C, so that ``except Exception`` does not hide it."""


class TooMuchOutput(KeyboardInterrupt):
    """A cell printed more than it may."""


# What goes in and out ------------------------------------------------------------------------


class Messages:
    """Lines of JSON to the process outside."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.encode = json.JSONEncoder().encode
        self.remarks = 0

    def send(self, **message):
        """Send one line."""
        line = (self.encode(message) + "\n").encode()
        while line:
            line = line[os.write(self.descriptor, line) :]

    def remark(self, text):
        """Send a remark for the student, if there were not too many already."""
        self.remarks += 1
        if self.remarks <= MOST_REMARKS:
            self.send(remark=text[:LONGEST_REMARK])


def read_request():
    """Return the request (a dict, the first line of standard input) and the notebook (bytes)."""
    request, _, notebook = sys.stdin.buffer.read().partition(b"\n")
    return json.loads(request), notebook


class Output(io.TextIOBase):
    """Standard output and error of the cells: counts what is written and keeps nothing."""

    encoding = "utf-8"

    def __init__(self, most):
        self.most = most
        self.count = 0
        self.buffer = Bytes(self)

    def add(self, length):
        """Count some more, and interrupt the cell that writes too much."""
        self.count += length
        if self.count > self.most:
            raise TooMuchOutput(f"more than {self.most:,} characters were printed")

    def write(self, text):
        """Count a text."""
        if not isinstance(text, str):
            raise TypeError(f"write() needs a text, not {type(text).__name__}")
        self.add(len(text))
        return len(text)

    def writable(self):
        """Say that one may write."""
        return True

    def fileno(self):
        """Return the descriptor that leads nowhere, for subprocesses."""
        return 1


class Bytes(io.RawIOBase):
    """The ``buffer`` of `Output`."""

    def __init__(self, output):
        self.output = output

    def writable(self):
        """Say that one may write."""
        return True

    def write(self, data):
        """Count some bytes."""
        length = memoryview(data).nbytes
        self.output.add(length)
        return length


# Reading notebooks ---------------------------------------------------------------------------


def read_cells(notebook, suffix):
    """Return the sources of a notebook's code cells; None for a cell that cannot be read.

    Raises ValueError, with words for the student, if it is not a notebook.
    """
    try:
        text = notebook.decode("utf-16" if notebook[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("the file is not text in UTF-8") from error
    return read_jupyter(text) if suffix == ".ipynb" else read_myst(text)


def read_jupyter(text):
    """Return the sources of the code cells of a Jupyter notebook (format 4, or 3, which has sheets)."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("the file is not JSON, so not a Jupyter notebook") from error
    cells = cells_of(content)
    if isinstance(content, dict) and isinstance(content.get("worksheets"), list):
        cells = [cell for sheet in content["worksheets"] for cell in cells_of(sheet) or ()]
    if not isinstance(cells, list):
        raise ValueError("the file has no list of cells, so it is not a Jupyter notebook of format 3 or 4")
    check_language(language_of(content.get("metadata")))
    return [
        source_of(cell) for cell in cells if not isinstance(cell, dict) or cell.get("cell_type") == "code"
    ]


def cells_of(content):
    """Return the list of cells; None where there is none."""
    cells = content.get("cells") if isinstance(content, dict) else None
    return cells if isinstance(cells, list) else None


def language_of(metadata):
    """Return the language of a Jupyter notebook; nothing where it does not say."""
    for part, name in (("language_info", "name"), ("kernelspec", "language")):
        entry = metadata.get(part) if isinstance(metadata, dict) else None
        if isinstance(entry, dict) and isinstance(entry.get(name), str):
            return entry[name]
    return ""


def check_language(language):
    """Refuse a notebook of another language."""
    if language and not language.lower().startswith(PYTHON):
        raise ValueError(f"the notebook is written in {language[:40]}, not in Python")


def source_of(cell):
    """Return the source of a cell, which may be a text or a list of lines; None if it is neither."""
    source = cell.get("source", cell.get("input")) if isinstance(cell, dict) else None
    lines = [source] if isinstance(source, str) else source
    if not (isinstance(lines, list) and all(isinstance(line, str) for line in lines)):
        return None
    return "".join(lines)


def read_myst(text):
    """Return the sources of the code cells of a MyST notebook.

    Code cells are fences with ``{code-cell}`` that stand in no other fence and in no comment, as in
    MyST-NB, whose own reader takes seconds to import.
    """
    front = re.match(r"---\r?\n(.*?)\n---\r?\n", text, re.DOTALL)
    language = re.search(r"^ +language: *(\S+)", front[1], re.MULTILINE) if front else None
    check_language(language[1].strip("'\"") if language else "")
    cells, fence, lines, comment = [], None, [], False
    for line in text.splitlines():
        if fence is None and (comment or re.match(r" {0,3}<!--", line)):
            comment = "-->" not in line
        elif fence is None:
            fence = re.match(r" {0,3}(`{3,}|~{3,}) *(\S*)", line)
            lines = []
        elif re.fullmatch(rf" {{0,3}}{re.escape(fence[1][0])}{{{len(fence[1])},}} *", line):
            if fence[2] == "{code-cell}":
                cells.append(without_header(lines))
            fence = None
        else:
            lines.append(line)
    if fence is not None and fence[2] == "{code-cell}":
        cells.append(without_header(lines))  # as in CommonMark, a fence may end with the file
    return cells


def without_header(lines):
    """Return a code cell's text without its YAML header, or its lines of options."""
    if lines and lines[0].rstrip() == "---":
        end = next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), 0)
        return "\n".join(lines[end + 1 :]) if end else "\n".join(lines)
    start = next((i for i, line in enumerate(lines) if not re.match(r":\w[\w-]*:", line)), len(lines))
    return "\n".join(lines[start:])


# The process itself --------------------------------------------------------------------------


def give_up_root(user):
    """Become an ordinary user for good."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def set_limits(limits, *, sandboxed):
    """Limit what this process and its children may use; without a sandbox, as far as the system lets us."""
    seconds = limits["cpu_seconds"]
    bounds = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_CPU: (seconds, seconds + 1),  # between the two, a signal says why
        resource.RLIMIT_AS: (2 * limits["memory"] + ADDRESS_SPACE,) * 2,
        resource.RLIMIT_FSIZE: (limits["scratch"],) * 2,
        resource.RLIMIT_NOFILE: (OPEN_FILES,) * 2,
    }
    if sandboxed:  # else the user's other processes would count too
        bounds[resource.RLIMIT_NPROC] = (limits["processes"],) * 2
    for kind, bound in bounds.items():
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            bound = tuple(min(part, most) for part in bound)
        try:
            resource.setrlimit(kind, bound)
        except (OSError, ValueError):  # macOS knows no limit of address space
            if sandboxed:
                raise


class CacheFinder:
    """Gives a library its cache when it is first imported; never finds anything itself.

    Compiling would take a notebook with PyMC half a minute, so its cache in the writable folder gets
    links to what this computer has compiled already. The originals cannot be changed through them: they are
    read-only, and whoever writes a cache writes a new file and then renames it.
    """

    def __init__(self, caches):
        self.caches = dict(caches)

    def find_spec(self, name, *_):
        """Link the files of a library's cache."""
        if name not in self.caches:
            return
        source, target = self.caches.pop(name)
        for folder, _, files in os.walk(source):
            place = Path(target, os.path.relpath(folder, source))
            place.mkdir(parents=True, exist_ok=True)
            for file in files:
                if os.access(Path(folder, file), os.R_OK):
                    (place / file).symlink_to(Path(folder, file))


def leave_standard_streams(output):
    """Let descriptors 0, 1 and 2 lead nowhere, and Python's own streams to the count."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.stdin = io.StringIO()
    sys.stdout = sys.stderr = output


# Running cells -------------------------------------------------------------------------------


def start_shell():
    """Return IPython's shell, without history, tracebacks or questions."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Shell(InteractiveShell):
        def ask_exit(self):
            """Go on after ``exit()``: whoever leaves it in a cell loses no later answer."""

        def enable_matplotlib(self, gui=None):
            """Draw nothing that nobody will see, whatever ``%matplotlib`` asks for."""
            return gui, "agg"

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    shell = Shell.instance(config=config)
    for name in ("showtraceback", "showsyntaxerror", "showindentationerror"):
        setattr(shell, name, lambda *_, **__: None)
    return shell


def interrupt(*_):
    """Interrupt the cell that takes too long (a signal handler)."""
    raise OutOfTime


def run_cell(shell, source, seconds):
    """Run one cell; return the exception that ended it, or None."""
    try:
        # Again every second: the cell may catch an interrupt.
        signal.setitimer(signal.ITIMER_REAL, seconds, 1)
        try:
            result = shell.run_cell(source, store_history=True)
            return result.error_before_exec or result.error_in_exec
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt as error:
        return error


def run_without_missing(shell, source, seconds, remark):
    """Run a cell like `run_cell`; where a package is missing, run it again without importing it."""
    for _ in range(MOST_MISSING):
        error = run_cell(shell, source, seconds)
        shorter = None
        if isinstance(error, ModuleNotFoundError) and isinstance(error.name, str):
            shorter = without_import(shell, source, error.name)
        if shorter is None:
            return error
        remark(f"ran without the package {error.name}, which the course does not have: do without it")
        source = shorter
    return error


def without_import(shell, source, name):
    """Return a cell without its imports of a package; None if it has none that stands by itself."""

    def is_missing(module):
        return f"{module}.".startswith(f"{name}.")

    tree = ast.parse(shell.transform_cell(source))
    found = False
    for node in tree.body:
        kept = getattr(node, "names", [])
        if isinstance(node, ast.Import):
            kept = [alias for alias in node.names if not is_missing(alias.name)]
        elif isinstance(node, ast.ImportFrom) and is_missing(node.module):
            kept = []
        if len(kept) < len(getattr(node, "names", [])):
            found = True
            node.names = kept
    tree.body = [node for node in tree.body if getattr(node, "names", True)]
    return ast.unparse(tree) if found else None


def describe(error, seconds):
    """Return a status, or "" for an ordinary error, and words for the student."""
    if isinstance(error, OutOfTime):
        return "out of time", f"took longer than {seconds:g} seconds"
    if isinstance(error, TooMuchOutput):
        return "too much output", str(error)
    status = "out of memory" if isinstance(error, MemoryError) else ""
    name = type(error).__name__
    try:
        return status, f"{name}: {error}".removesuffix(": ")
    except Exception:  # a class of the student's may fail in any way
        return status, name


def run_notebook(cells, request, messages, output):
    """Run all cells, whatever becomes of each, and pass on the answers after each."""
    shell = start_shell()
    signal.signal(signal.SIGALRM, interrupt)
    path = Path.cwd() / "answers" / f"{request['exercise']}.json"
    answers = AnswersFile(path, request["limits"]["answers"])
    for number, source in enumerate(cells, start=1):
        messages.send(cell=number)
        if source is None:
            messages.remark(f"code cell {number}: cannot be read: its source is not text")
            continue
        output.count = 0
        seconds = request["limits"]["cell_seconds"]
        place = f"code cell {number}"
        error = run_without_missing(
            shell, source, seconds, lambda words, at=place: messages.remark(f"{at} {words}")
        )
        if error is not None:
            status, words = describe(error, seconds)
            messages.remark(f"{place}: {words}")
            if status:
                messages.send(trouble=status)
        answers.pass_on(messages)
    others = answers.others()
    if others:
        messages.remark(f"answers were recorded for another exercise, {', '.join(others)}: they do not count")


class AnswersFile:
    """The file in which a notebook records its answers."""

    def __init__(self, path, most):
        self.path = path
        self.most = most
        self.passed = None

    def pass_on(self, messages):
        """Send the file's text, if it has changed, or why it cannot be sent."""
        try:
            text = self.read()
        except (OSError, ValueError) as error:
            messages.send(invalid=str(error)[:LONGEST_REMARK])
            return
        if text is not None and text != self.passed:
            messages.send(answers=text)
            self.passed = text

    def read(self):
        """Return the file's text, None without one; ValueError if it is no regular file, or too large."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(f"the file of answers cannot be opened: {error.strerror}") from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError("the file of answers is not a regular file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(self.most + 1)
        finally:
            os.close(descriptor)
        if len(content) > self.most:
            raise ValueError(f"the file of answers is larger than {self.most:,} bytes")
        return content.decode()

    def others(self):
        """Return the names of a few other exercises for which answers were recorded."""
        try:
            names = sorted(path.stem for path in self.path.parent.glob("*.json") if path != self.path)
        except OSError:
            return []
        return [name[:40] for name in names[:3]]


def main():
    """Set up the process, run the notebook, and end."""
    messages = Messages(os.dup(1))
    request, notebook = read_request()
    if request["user"] is not None:
        give_up_root(request["user"])
    set_limits(request["limits"], sandboxed=request["sandboxed"])
    sys.meta_path.insert(0, CacheFinder(request["caches"]))
    output = Output(request["limits"]["output"])
    leave_standard_streams(output)
    folder = Path("notebook")
    folder.mkdir()
    os.chdir(folder)
    os.environ["NOTEBOOK_MARKING_FOLDER"] = str(Path.cwd())
    places = [place for place in request["path"] if place not in sys.path]
    sys.path[:0] = ["", *places]  # the folder of the notebook first, as in Jupyter
    messages.send(started=True)
    try:
        cells = read_cells(notebook, request["suffix"])
    except ValueError as error:
        messages.remark(str(error))
        messages.send(trouble="not a notebook")
    else:
        run_notebook(cells, request, messages, output)
    messages.send(done=True)
    # Not by sys.exit: nothing that the notebook has left behind shall run any more.
    os._exit(0)


if __name__ == "__main__":
    main()
