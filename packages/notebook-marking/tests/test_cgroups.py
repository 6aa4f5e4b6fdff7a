"""The kernel's own limit of memory: where systemd keeps one it is asked for.

A stand-in for systemd-run writes down what it is asked for and runs the rest, as the real one does.
"""

import os
import subprocess
from pathlib import Path

import pytest

from notebook_marking import cgroups
from notebook_marking.runs import Limits, Run
from notebook_marking.sandbox import run

STAND_IN = """#!/bin/sh
echo "$XDG_RUNTIME_DIR" > {log}
while [ "$1" != -- ]; do echo "$1" >> {log}; shift; done
shift
exec "$@"
"""
PAGE = b"```{code-cell}\nprint(6 * 7)\n```\n"


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    """Return the file in which a stand-in for systemd-run writes what it is asked for."""
    program, log = tmp_path / "bin/systemd-run", tmp_path / "asked"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(log=log))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    # As where the grader runs in an environment of its own.
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    groups = Path("/proc/self/cgroup").read_text().splitlines()
    own = next((line.removeprefix("0::/") for line in groups if line.startswith("0::/")), "")
    group = tmp_path / "cgroup" / own
    group.mkdir(parents=True)
    monkeypatch.setattr(cgroups, "ROOT", str(tmp_path / "cgroup"))
    cgroups.scope.cache_clear()
    yield log, group / "memory.max"
    cgroups.scope.cache_clear()


def test_where_the_kernel_keeps_the_limit_it_is_asked_for(systemd):
    log, limit = systemd
    limits = Limits()
    most = int(1.1 * limits.memory) // 4096 * 4096
    limit.write_text(f"{most}\n")
    words = cgroups.scope(limits.memory)
    # What systemd-run must know, nobody inside may read.
    assert subprocess.check_output([*words, "/usr/bin/env"], env=cgroups.environment()) == b""
    log.unlink()
    assert run(PAGE, ".md", "5.8.1", limits=limits) == Run("no answers", {}, ())
    asked = log.read_text().split()
    assert asked[0] == f"/run/user/{os.geteuid()}"
    assert {"--scope", f"MemoryMax={most}", "MemorySwapMax=0"} <= set(asked)
    assert ("--user" in asked) == (os.geteuid() != 0)


@pytest.mark.parametrize("said", ["max\n", "1000000\n", None])
def test_a_limit_that_does_not_hold_is_not_relied_on(systemd, said):
    """As where systemd has no account of memory to give to users: it takes the limit and does nothing."""
    _, limit = systemd
    if said:
        limit.write_text(said)
    assert cgroups.scope(Limits().memory) == ()


@pytest.mark.parametrize("program", ["exit 1", "exec 3<&- 4<&- 5<&- 6<&- 7<&-; true", None])
def test_a_systemd_that_cannot_is_done_without(systemd, program, tmp_path, monkeypatch):
    if program is None:
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        (tmp_path / "bin/systemd-run").write_text(f"#!/bin/sh\n{program}\n")
    assert cgroups.scope(Limits().memory) == ()
