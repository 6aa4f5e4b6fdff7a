"""Run a sandbox's command to its end, or to the first limit that it breaks."""

import os
import re
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
# Files open at a time in all processes, of which each socket may fill some hundred kilobytes; and files in
# memory, of which an empty one takes one.
MOST_OPEN = 1024
MOST_FILES = 50_000
LONGEST_LOOK = 0.02  # seconds for what takes longest
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
SHARE = re.compile(rb"^(?:Pss|SwapPss):\s*(\d+)", re.MULTILINE)
MEMORY = re.compile(rb"^Vm(?:RSS|Swap|PTE):\s*(\d+)", re.MULTILINE)
TABLES = re.compile(rb"^VmPTE:\s*(\d+)", re.MULTILINE)  # no process shares them, and no share counts them


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
        self.shares: dict[int, int] = {}
        self.measured: dict[int, float] = {}

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
        if len(tree) > 2 * self.limits.processes or sum(map(_open_files, tree)) > MOST_OPEN:
            return "stopped"
        if sum(map(_seconds, tree)) > self.limits.cpu_seconds:
            return "out of time"
        if any(_files_in_memory(process) > MOST_FILES for process in tree[1:3]):  # the first is outside
            return "out of memory"
        if sum(map(_resident, tree)) <= self.limits.memory:
            return ""
        # Forked processes share memory, which counts once only.
        return "out of memory" if self._shares(tree) > self.limits.memory else ""

    def _shares(self, tree):
        """Return the memory of all, a few measured anew: the kernel takes a millisecond for each."""
        self.shares = {process.pid: self.shares.get(process.pid, 0) for process in tree}
        start = time.monotonic()
        # Those never measured come first, then those that waited longest.
        for process in sorted(tree, key=lambda one: self.measured.get(one.pid, 0.0)):
            if time.monotonic() - start > LONGEST_LOOK:
                break
            self.shares[process.pid] = _proportional(process)
            self.measured[process.pid] = time.monotonic()
        return sum(self.shares.values())

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
    with suppress(OSError, ValueError, IndexError):
        fields = _read(process, "stat").rpartition(b")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS
    try:
        return sum(process.cpu_times()[:4])
    except psutil.Error:
        return 0.0


def _resident(process):
    """Memory of a process, with what is swapped and the tables of its pages."""
    with suppress(OSError):
        return 1024 * sum(map(int, MEMORY.findall(_read(process, "status"))))
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def _read(process, name):
    """Read what the kernel says of a process, which psutil does in ten times the time."""
    with open(f"/proc/{process.pid}/{name}", "rb", buffering=0) as file:
        return file.read()


def _open_files(process):
    with suppress(OSError):
        return len(os.listdir(f"/proc/{process.pid}/fd"))
    return 0


def _files_in_memory(process):
    """Files in the writable folders that a process has to itself."""
    count = 0
    with suppress(OSError):
        for place in ("/tmp", "/dev/shm"):
            own = f"/proc/{process.pid}/root{place}"
            if os.stat(own).st_dev != os.stat(place).st_dev:
                found = os.statvfs(own)
                count += found.f_files - found.f_ffree
    return count


def _proportional(process):
    """Memory of a process, with its share of what it shares, and the tables of its pages."""
    with suppress(OSError):
        found = SHARE.findall(_read(process, "smaps_rollup")) + TABLES.findall(_read(process, "status"))
        return 1024 * sum(map(int, found))
    try:
        return process.memory_full_info().pss
    except psutil.NoSuchProcess:
        return 0
    except (psutil.Error, AttributeError):
        return _resident(process)
