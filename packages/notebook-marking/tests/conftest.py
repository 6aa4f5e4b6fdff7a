"""A small course, and a sandbox if there can be one."""

import os
from pathlib import Path

import pytest

from notebook_marking import sandbox
from notebook_marking.course import Course


@pytest.fixture(scope="session")
def course():
    return Course.read(Path(__file__).parent / "course")


@pytest.fixture
def bubblewrap():
    """Make sure that there is a sandbox to test, where there can be one."""
    if not sandbox.installed() and "CI" not in os.environ:  # where it must be
        pytest.skip("bubblewrap is not installed: the sandbox is not tested")
    sandbox.bubblewrap(sandbox.Limits())
