"""Which files belong to the repository."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def listed(*options):
    """Return the names of the files that git knows; where there is no git, the test is skipped."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone: only git knows which files belong to the repository")
    command = ["git", "ls-files", *options]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return found.stdout.splitlines()


def listed_and_new():
    """Return the names of the files that git knows or would take."""
    return listed("--cached", "--others", "--exclude-standard")
