"""make says what it needs, and passes on names as they are given."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tooling import environment

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


def make(project, *arguments, **variables):
    return subprocess.run(
        ["make", *arguments],
        cwd=project,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_the_command_line_says_what_a_command_does(project):
    plain = make(project, "test").stdout
    of_the_shell = {
        "SEED": "42",
        "SAMPLER": "x",
        "CLASS": "1",
        "LIVE": "0",
        "PAGE": "x",
        "OUT": "x",
        "PORT": "1",
    }
    assert "<packages><tests>" in plain
    assert make(project, "test", **of_the_shell).stdout == plain
    assert "<packages><tests>" not in make(project, "test", "SEED=42").stdout
    assert make(project, "book", **of_the_shell).stdout == make(project, "book").stdout
    assert make(project, "book", "CLASS=0", "LIVE=1").stdout == make(project, "book").stdout
    assert "<--class>" in make(project, "book", "CLASS=1").stdout
    assert "<--without>" in make(project, "book", "LIVE=0").stdout
    assert make(project, "page", **of_the_shell).returncode == 2
    assert make(project, "serve", **of_the_shell).stdout.endswith("<tooling/scripts/serve.py><8000>")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        *(("page", "PAGE"), ("expect", "PAGE"), ("test", "SEED"), ("test", "SAMPLER"), ("book", "CLASS")),
        *(("calibration", "MODEL"), ("page-sampler", "MODEL"), ("bench", "PART"), ("fuzz", "COUNT")),
        *(("book", "LIVE"), ("serve", "PORT"), ("grade", "OUT")),
    ],
)
def test_no_value_is_run(project, target, name):
    make(project, target, f"{name}=$(shell touch x)y$(shell touch x)")
    assert not (project / "x").exists()


def test_a_port_that_is_taken_or_none_is_named_in_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port in (str(taken.getsockname()[1]), "70000", "many"):
            command = [sys.executable, ROOT / "tooling/scripts/serve.py", port]
            run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            assert run.returncode == 1
            assert re.fullmatch(rf"PORT={port} cannot be used \(.*\): give another, .*\n", run.stderr)


# What stands in for the first slow import: Ctrl-C comes while it lasts.
INTERRUPTED = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
@pytest.mark.parametrize(
    ("command", "module"),
    [
        (["tooling/scripts/build.py"], "psutil"),
        (["tooling/scripts/compile_kernels.py"], "support"),
        (["-m", "notebook_marking"], "psutil"),
        (["-m", "notebook_marking.desk"], "http"),
    ],
)
def test_ctrl_c_while_a_command_starts_ends_it_without_a_traceback(command, module, tmp_path):
    (tmp_path / f"{module}.py").write_text(INTERRUPTED)
    known = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}:{ROOT / 'packages/notebook-marking'}"}
    run = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path if command[0] == "-m" else ROOT,
        env=known,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (-signal.SIGINT, "")


def test_every_command_refuses_settings_beside_the_pages(tmp_path):
    (tmp_path / "tooling").mkdir()
    shutil.copy(ROOT / "tooling/environment.py", tmp_path / "tooling")
    command = [sys.executable, "-E", tmp_path / "tooling/environment.py", "-c", "print('ran')"]
    assert subprocess.check_output(command, text=True) == "ran\n"
    (tmp_path / "matplotlibrc").touch()
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout == ""
    assert "would change the figures of all pages" in run.stderr


def test_settings_of_jupyterlab_that_were_cut_are_dropped_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(environment, "HOME", tmp_path)
    folder = tmp_path / ".jupyter/labconfig"
    folder.mkdir(parents=True)
    for name, text in {"whole": "{}", "cut": '{"disabled', "empty": ""}.items():
        (folder / f"{name}.json").write_text(text)
    environment.drop_cut_settings()
    assert [path.stem for path in folder.iterdir()] == ["whole"]
    assert capsys.readouterr().err.count("is damaged; it is dropped") == 2


def test_packages_without_git_are_refused_in_one_sentence(tmp_path):
    (tmp_path / "tooling/scripts").mkdir(parents=True)
    shutil.copy(ROOT / "tooling/scripts/packages.py", tmp_path / "tooling/scripts")
    command = [sys.executable, tmp_path / "tooling/scripts/packages.py"]
    run = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stderr.startswith("make packages needs git and a clone")


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


def test_what_waits_is_run_as_often_as_asked_and_nothing_stays_at_work(project):
    shutil.copy(ROOT / "tooling/scripts/steady.sh", project / "tooling/scripts")
    done = make(project, "steady", "COUNT=3")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"Run \d of \d", done.stdout) == ["Run 1 of 3", "Run 2 of 3", "Run 3 of 3"]
    busy = [
        one
        for one in psutil.process_iter(["cmdline"])
        if "tooling/scripts/steady.sh" in (one.info["cmdline"] or ())
    ]
    assert [one for one in busy if one.cwd() == str(project)] == []
    (project / ".venv/bin/python").write_text("#!/bin/sh\nexit 1\n")
    failed = make(project, "steady")
    assert failed.returncode == 2
    assert failed.stdout == "Run 1 of 20\n"


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
