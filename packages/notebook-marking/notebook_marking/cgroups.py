"""A limit of memory that the kernel keeps itself, where systemd can be asked for it (cgroups, version 2).

The watchdog looks ten times a second, the kernel at every page. The kernel's limit is a tenth higher, so that
the watchdog, which says what happened, comes first where it is fast enough.
"""

import os
import subprocess
from contextlib import suppress
from functools import cache

ROOT = "/sys/fs/cgroup"
PAGE = 4096  # bytes, of which the kernel counts whole ones
SPARE = 1.1
MOST_SECONDS = 10
# Print the limit that holds, if a descriptor that was passed on is still open.
PROBE = '[ -e "/proc/self/fd/$0" ] && cat "$1$(sed -n s/^0:://p /proc/self/cgroup)/memory.max"'
ABSENT = (
    "The kernel kept no account of each notebook's memory, as no systemd gives it a control group here: it "
    "was counted from outside, ten times a second."
)


@cache
def scope(memory: int) -> tuple[str, ...]:
    """Return the start of a command that runs the rest in a control group of its own.

    Parameters
    ----------
    memory : int
        Limit of the watchdog, in bytes.

    Returns
    -------
    tuple of str
        Empty where there is no such group: no systemd, or one that keeps no such limit. It was tried.

    See Also
    --------
    environment : With which the command has to be started.

    Examples
    --------
    >>> all(isinstance(word, str) for word in scope(10**9))
    True
    """
    most = int(SPARE * memory) // PAGE * PAGE
    user = () if os.geteuid() == 0 else ("--user",)
    limits = ("-p", f"MemoryMax={most}", "-p", "MemorySwapMax=0")
    words = ("systemd-run", *user, "--scope", "--quiet", "--collect", *limits, "--", "/usr/bin/env", "-i")
    reading, writing = os.pipe()
    try:
        with suppress(OSError, subprocess.TimeoutExpired):
            probe = subprocess.run(
                [*words, "/bin/sh", "-c", PROBE, str(reading), ROOT],
                env=environment(),
                pass_fds=(reading,),
                capture_output=True,
                timeout=MOST_SECONDS,
            )
            if probe.stdout.strip() == str(most).encode():
                return words
    finally:
        os.close(reading)
        os.close(writing)
    return ()


def environment() -> dict[str, str]:
    """Return what systemd-run must know. Of this nothing gets to what it runs.

    An ordinary user's systemd is in the folder that the login made, whether or not this process was told.

    Examples
    --------
    >>> sorted(environment())[0]
    'PATH'
    """
    return {"PATH": os.environ.get("PATH", os.defpath), "XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}"}
