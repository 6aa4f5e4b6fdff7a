"""Which files belong to the repository."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def git():
    """Return git's command; without it, the test is skipped."""
    return shutil.which("git") or pytest.skip("git is not installed")


def listed(*options):
    """Return the names of the files that git knows; where it knows none, the test is skipped."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone: only git knows which files belong to the repository")
    command = [git(), "ls-files", *options]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:  # as in a clone of another user's
        pytest.skip(f"git does not say which files belong to the repository: {found.stderr.splitlines()[0]}")
    return found.stdout.splitlines()


def listed_and_new():
    """Return the names of the files that git knows or would take."""
    return listed("--cached", "--others", "--exclude-standard")
