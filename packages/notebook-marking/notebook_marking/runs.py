"""What a submission may use, and what became of it.

Here what comes out of a sandbox is read. A hostile notebook can send anything, so nothing of it is taken on
trust: the text of answers is parsed strictly, and words for the student are cut to what can be printed.
"""

import json
import math
import signal
from dataclasses import dataclass
from typing import NamedTuple

MIB = 1024**2
# In the order of the sandbox: how it ended, then what it left, then how its cells went.
STATUSES = (
    "finished",
    "out of time",
    "out of memory",
    "too much output",
    "stopped",
    "not a notebook",
    "no answers",
    "invalid answers",
    "not run",
)
TROUBLES = ("not a notebook", "out of memory", "out of time", "too much output")
LONGEST_REMARK = 300
MOST_REMARKS = 60
# The marking's form is eight levels deep.
DEEPEST = 20
LARGEST_WHOLE = 2**63
# Each cell sends a few messages; a file of answers, escaped, fills four times its size at most.
MOST_LINES = 4000
LONGEST_LINE = 4 * MIB
MOST_CONTAINERS = 200_000  # lists and objects in one message: empty ones fill a hundred times their text
MESSAGES = ("started", "cell", "remark", "trouble", "answers", "invalid", "done")
# What bubblewrap says where ordinary users may make no namespaces.
NAMESPACES_REFUSED = ("uid map: ", "creating new namespace", "create new namespace", "RTM_NEWADDR")
ALLOW_NAMESPACES = (
    "This system lets ordinary users make no sandbox, or none here. On Ubuntu 24.04 or later, allow it with "
    "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`, elsewhere with `sudo sysctl "
    "user.max_user_namespaces=10000`; inside a container, run it with more rights, or mark outside it."
)


class SandboxError(RuntimeError):
    """The machinery failed: this is no fault of the submission."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes
    ----------
    seconds, cell_seconds, cpu_seconds : float
        Wall time of the notebook and of each cell, and CPU time of all its processes.
    memory : int
        Resident memory of all its processes, in bytes.
    processes : int
        Processes and threads at one time.
    scratch : int
        Size of its writable folder, in bytes.
    answers : int
        Size of its file of answers, in bytes.
    output : int
        Characters that a cell may print.
    notebook : int
        Size of the notebook itself, in bytes.
    """

    seconds: float = 900
    cell_seconds: float = 300
    cpu_seconds: int = 1800
    memory: int = 3072 * MIB
    processes: int = 128
    scratch: int = 256 * MIB
    answers: int = 1_000_000
    output: int = 10_000_000
    notebook: int = 20_000_000


@dataclass(frozen=True)
class Run:
    """What became of a submission in the sandbox.

    Attributes
    ----------
    status : str
        One of `STATUSES`. Answers count whatever it is: a notebook that ran out of time in its last part has
        recorded those before.
    answers : dict
        What the notebook recorded: plain JSON with finite numbers, in which anything else may be wrong.
    remarks : tuple of str
        What the student should know, such as ``code cell 4: NameError: …``; untrusted text of at most 300
        printable characters each.
    """

    status: str
    answers: dict
    remarks: tuple[str, ...] = ()


class Ended(NamedTuple):
    """How a sandbox ended: what was sent, what it complained of, and why it was killed, if so."""

    messages: bytes
    errors: bytes
    killed: str
    code: int | None


def read(ended: Ended, limits: Limits) -> Run:
    r"""Make a result of what came out of a sandbox.

    Parameters
    ----------
    ended : Ended
        How it ended.
    limits : Limits
        What it was allowed.

    Returns
    -------
    Run
        Whatever was sent.

    Raises
    ------
    SandboxError
        If the notebook was not even begun.

    Examples
    --------
    >>> read(Ended(b'{"started": true}\n{"done": true}\n', b"", "", 0), Limits())
    Run(status='no answers', answers={}, remarks=())
    """
    messages = list(_messages(ended.messages))
    if not any("started" in message for message in messages):
        raise SandboxError(_complaint(ended))
    remarks = [message["remark"] for message in messages if isinstance(message.get("remark"), str)]
    answers, fault = _last_answers(messages, limits)
    status = _ending(messages, ended)
    if status and status not in (message.get("trouble") for message in messages):
        remarks.append(f"{_place(messages)}ended the run: {status}")
    if fault:
        remarks.append(fault)
    status = status or ("invalid answers" if fault else "finished" if answers else "no answers")
    return Run(status, answers, tuple(_printable(remark) for remark in remarks[-MOST_REMARKS:]))


def _complaint(ended):
    words = ended.errors.decode(errors="replace").strip() or "it said nothing"
    if any(sign.lower() in words.lower() for sign in NAMESPACES_REFUSED):
        words += f"\n{ALLOW_NAMESPACES}"
    return f"the sandbox did not start ({ended.killed or f'exit status {ended.code}'}): {words}"


def _messages(content):
    """Yield the messages that can be read, of those that an honest notebook might send."""
    for line in content.split(b"\n", MOST_LINES)[:MOST_LINES]:
        if len(line) > LONGEST_LINE or line.count(b"{") + line.count(b"[") > MOST_CONTAINERS:
            continue
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(message, dict):  # of which nothing else is kept: it might fill our memory
            yield {name: message[name] for name in MESSAGES if isinstance(message.get(name), (str, int))}


def _ending(messages, ended):
    """Return the status that says how the run went, or "" if it went well."""
    if ended.killed:
        return ended.killed
    if not any("done" in message for message in messages):
        # bubblewrap passes on the signal that ended the process, as a shell does.
        by_clock = ended.code in (-signal.SIGXCPU, 128 + signal.SIGXCPU)
        return "out of time" if by_clock else "stopped"
    troubles = {str(message.get("trouble")) for message in messages}
    return next((trouble for trouble in TROUBLES if trouble in troubles), "")


def _place(messages):
    cells = [message["cell"] for message in messages if type(message.get("cell")) is int]
    return f"code cell {cells[-1]} " if cells and 0 < cells[-1] < LARGEST_WHOLE else "the notebook "


def _last_answers(messages, limits):
    """Return the answers that were sent last, and what is wrong with them."""
    sent = [message for message in messages if "answers" in message or "invalid" in message]
    if not sent:
        return {}, ""
    if "invalid" in sent[-1]:
        return {}, f"the answers cannot be read: {sent[-1]['invalid']}"
    try:
        return parse(sent[-1]["answers"], limits.answers), ""
    except ValueError as error:
        return {}, f"the answers cannot be read: {error}"


def parse(text: str, most: int) -> dict:
    """Parse a file of answers of at most so many bytes; ValueError if it is not plain JSON of finite numbers.

    Examples
    --------
    >>> parse('{"exercise": "5.8.1"}', 100)
    {'exercise': '5.8.1'}
    """
    if not isinstance(text, str):
        raise ValueError("it is not text")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise ValueError("it is not Unicode") from error
    if size > most:
        raise ValueError(f"it is larger than {most:,} bytes")
    try:
        answers = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(answers, dict):
        raise ValueError("it is not a JSON object")
    _check_values(answers)
    return answers


def _object(pairs):
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("it names something twice")
    return content


def _refuse_constant(name):
    raise ValueError(f"it holds {name}, which is not a finite number")


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it holds {text[:20]}, which is not a finite number")
    return number


def _whole(text):
    if len(text) > 20 or abs(int(text)) >= LARGEST_WHOLE:
        raise ValueError(f"it holds {text[:20]}…, which is too large a whole number")
    return int(text)


def _check_values(answers):
    """Refuse deep nesting, which later code might not survive, and halves of characters."""
    level = [answers]
    for _ in range(DEEPEST):
        level = [value for container in level for value in _inside(container)]
        if not level:
            return
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")


def _inside(container):
    """Return the dicts and lists in a container, having looked at its texts."""
    values = [*container.values(), *container.keys()] if isinstance(container, dict) else container
    for value in values:
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise ValueError("it holds text that is not Unicode") from error
    return [value for value in values if isinstance(value, (dict, list))]


def _printable(text):
    """Cut a text from inside to what can be shown on one line."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * LONGEST_REMARK])
    return " ".join(shown.split())[:LONGEST_REMARK]
