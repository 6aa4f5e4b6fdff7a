"""Run a sandbox's command to its end, or to the first limit that it breaks."""

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Sequence
from contextlib import contextmanager, suppress

import psutil

from notebook_marking.runs import MIB, MOST_LINES, Ended, Limits, SandboxError

# The messages of thirty cells that each fill the file of answers would not be more.
MOST_MESSAGES = 32 * MIB
KEPT_OF_ERRORS = 4000
# How often the watchdog looks, in seconds.
PERIOD = 0.1


def watch(
    words: list[str],
    content: bytes,
    limits: Limits,
    *,
    environment: dict[str, str],
    folder: str,
    descriptors: Sequence[int] = (),
    processors: Collection[int] | None = None,
) -> Ended:
    r"""Run a command, watch what it uses, and gather what it writes.

    Examples
    --------
    >>> watch(["/bin/echo", "hello"], b"", Limits(), environment={}, folder="/")
    Ended(messages=b'hello\n', errors=b'', killed='', code=0)
    """
    try:
        with _only_on(processors):
            process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd=folder,
                pass_fds=descriptors,
                start_new_session=True,
            )
    except OSError as error:
        raise SandboxError(f"cannot start {words[0]}: {error}") from error
    watchdog = Watchdog(process, limits)
    threading.Thread(target=_feed, args=(process, content), daemon=True).start()
    messages, errors = bytearray(), bytearray()
    try:
        killed = _listen(process, watchdog, messages, errors)
        if not killed:
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
    finally:
        watchdog.end()
    process.stdout.close()
    process.stderr.close()
    return Ended(bytes(messages), bytes(errors), killed, process.returncode)


@contextmanager
def _only_on(processors):
    """Keep this thread on some processors for a while: a process that it starts inherits them."""
    if processors is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _feed(process, content):
    """Write the standard input, unless nobody reads it."""
    with suppress(OSError):
        process.stdin.write(content)
    with suppress(OSError):
        process.stdin.close()


def _listen(process, watchdog, messages, errors):
    """Gather what the process writes until it ends; return why it must be killed, if so."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, messages)
        selector.register(process.stderr, selectors.EVENT_READ, errors)
        while True:
            has_ended = process.poll() is not None
            ready = selector.select(0 if has_ended else PERIOD)
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                key.data.extend(chunk)
                watchdog.lines += chunk.count(b"\n")
                if not chunk:
                    selector.unregister(key.fileobj)
            del errors[KEPT_OF_ERRORS:]
            if process.stdout.fileno() not in selector.get_map() or (has_ended and not ready):
                return ""
            if reason := watchdog.reason(len(messages)):
                return reason


class Watchdog:
    """Adds up, from outside, what all processes of a sandbox use together, and ends them."""

    def __init__(self, process: subprocess.Popen, limits: Limits):
        self.process = process
        self.limits = limits
        self.deadline = time.monotonic() + limits.seconds
        self.next = 0.0
        self.lines = 0
        self.seen: set[psutil.Process] = set()

    def reason(self, length):
        """Say which limit is broken, if any, after messages of this length."""
        now = time.monotonic()
        if now > self.deadline:
            return "out of time"
        if length > MOST_MESSAGES or self.lines > MOST_LINES:
            return "too much output"
        if now < self.next:
            return ""
        self.next = now + PERIOD
        return self._reason(self.tree())

    def _reason(self, tree):
        self.seen.update(tree)
        # The kernel refuses more, in bubblewrap; this is for where it does not count.
        if len(tree) > 2 * self.limits.processes:
            return "stopped"
        if sum(map(_seconds, tree)) > self.limits.cpu_seconds:
            return "out of time"
        if sum(map(_resident, tree)) <= self.limits.memory:
            return ""
        # Forked processes share memory, which counts once only.
        return "out of memory" if sum(map(_proportional, tree)) > self.limits.memory else ""

    def tree(self):
        """Return all processes that descend from the sandbox's first."""
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.Error:
            return []

    def end(self):
        """End all processes; with bubblewrap's first, the kernel ends all in its sandbox."""
        self.seen.update(self.tree())
        for process in self.seen:
            with suppress(psutil.Error):
                process.kill()
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        patience = time.monotonic() + 5
        while any(map(_lives, self.seen)) and time.monotonic() < patience:
            time.sleep(0.01)


def _lives(process):
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _seconds(process):
    """CPU time of a process and of its children that have ended."""
    try:
        return sum(process.cpu_times()[:4])
    except psutil.Error:
        return 0.0


def _resident(process):
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def _proportional(process):
    """Memory of a process, with its share of what it shares."""
    try:
        return process.memory_full_info().pss
    except psutil.NoSuchProcess:
        return 0
    except (psutil.Error, AttributeError):
        return _resident(process)
