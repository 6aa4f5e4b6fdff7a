"""What a reader waits for on Binder: JupyterLab on one core, from the first cell to the first result.

Everything is as after the image was built: installed, its kernels compiled, nothing of it in memory yet.
Binder's limit of 2 GiB is not enforced here; the most memory used at any time is measured instead.
"""

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

from lab import Server  # noqa: E402

# Pages, and what the cell says whose result a reader waits for: the first cell, the first fit.
FIRST = ("chapters/hierarchical-models.md", "")
FIT = ("chapters/eight-schools.md", "sample(")
SHOWN = {"stream", "display_data", "execute_result"}


def main():
    """Measure and print one JSON object a line."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for what, (page, words) in (("first result", FIRST), ("first sampled posterior", FIT)):
        forget_files()
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder))
            try:
                start, ready, result, memory = launch(server, page, words)
            finally:
                server.stop()
        if page == FIRST[0]:
            report("launch: JupyterLab answers", start, "s")
            report("launch: a page's kernel is ready", ready, "s")
        report(f"launch: first cell to {what}", result, "s")
        report(f"launch: first cell to {what}, peak memory", memory, "GiB", 2)


def forget_files():
    """Let the system forget what it keeps in memory of the files of the environment."""
    for path in (ROOT / ".venv").rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def launch(server, page, words):
    """Return seconds until server, kernel and result are there, and the peak memory (GiB)."""
    begin = time.perf_counter()
    server.start()
    started = time.perf_counter()
    client, cells = server.open(page)
    opened = time.perf_counter()
    finished, peak = threading.Event(), [0]
    watcher = threading.Thread(target=watch, args=(server.process.pid, finished, peak))
    watcher.start()
    result = None
    for source in cells:
        shown = []
        reply = client.execute_interactive(
            source,
            timeout=300,
            allow_stdin=False,
            output_hook=lambda message, to=shown: to.append(message["msg_type"]),
        )
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"{page}: {reply['content']}")
        if words in source and SHOWN.intersection(shown):
            result = time.perf_counter()
            break
    finished.set()
    watcher.join()
    client.stop_channels()
    return started - begin, opened - started, result - opened, peak[0] / 2**30


def watch(pid, finished, peak):
    """Note the most memory that a process and its children use, until told to finish."""
    while not finished.wait(0.1):
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        used = 0
        for process in family:
            try:
                used += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        peak[0] = max(peak[0], used)


def report(what, value, unit, target=None):
    """Print a measurement; ``target`` is the most it should be."""
    print(json.dumps({"what": what, "value": value, "unit": unit, "target": target}), flush=True)


if __name__ == "__main__":
    main()
