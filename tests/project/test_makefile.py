"""make says what it needs, and passes on names as they are given."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path):
    """Return a project whose set-up is done and whose Python prints its arguments."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\n")
    python.chmod(0o755)
    (tmp_path / "tooling/scripts").mkdir(parents=True)
    (tmp_path / "tooling/scripts/setup.sh").write_text("")
    return tmp_path


def make(project, *arguments):
    return subprocess.run(["make", *arguments], cwd=project, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["a folder", "it's", 'the "best"', "$HOME", "$(touch x)`touch x`", "ä#;&*"])
def test_names_reach_the_command_as_they_are(project, name):
    marked = make(project, "grade", f"SUBMISSIONS={name}", f"OUT={name}/out")
    assert marked.stdout.endswith(f"<-m><notebook_marking><{name}><{name}/out>"), marked.stderr
    shown = make(project, "page", f"PAGE={name}.md")
    assert shown.stdout.endswith(f"<--only><{name}.md>"), shown.stderr
    assert not (project / "x").exists()


COMMANDS = "".join((ROOT / name).read_text() for name in ("Makefile", "tooling/scripts/setup.sh"))
SCRIPTS = sorted(
    set(re.findall(r"\btooling/[\w/]+\.py\b", COMMANDS))
    - {
        "tooling/environment.py",  # becomes another program
        "tooling/scripts/settings_of_uv.py",  # done in no time, by a Python without packages
    }
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_ctrl_c_ends_every_command_without_a_traceback(script):
    assert "end_when_interrupted(" in (ROOT / script).read_text("utf-8")


def test_what_fetches_packages_knows_where_the_user_gets_them(project):
    """In the project's own environment there is no index, no proxy and no certificate of the user's."""
    assert make(project, "packages").stdout == "<-E><tooling/scripts/packages.py>"


def test_clean_takes_all_that_was_built_and_cached_and_leaves_the_environment(project):
    listed = (ROOT / ".gitignore").read_text().split()
    ours = [name.strip("/") for name in listed if not any(mark in name.strip("/") for mark in "/*")]
    for name in [*ours, ".venv/home"]:
        (project / name).mkdir(exist_ok=True)
    assert make(project, "clean").returncode == 0
    # Byte code and an editor's drafts lie everywhere; a hand-out is the teacher's.
    kept = {".venv", ".tools", "__pycache__", ".ipynb_checkpoints", "handout"}
    assert {name for name in ours if (project / name).exists()} == kept
    assert (project / ".venv/bin/python").exists()
    assert not (project / ".venv/home").exists()


@pytest.mark.parametrize("target", ["page", "grade"])
def test_what_is_missing_is_said_in_one_sentence(project, target):
    process = make(project, target)
    assert process.returncode == 2
    assert len(process.stderr.splitlines()) == 1
    assert f"make {target} " in process.stderr
    assert process.stdout == ""
