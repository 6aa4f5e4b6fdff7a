"""Submissions in the sandbox: hostile ones harm nobody and lose only what is theirs.

The notebooks are in tests/submissions/hostile, what must become of each in expected.yaml beside them. Those
that look around record what they could reach, so that a sandbox with a hole fails their test.
"""

import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import yaml
from myst_nb.core.read import read_myst_markdown_notebook

from notebook_marking import inside, runs, sandbox, watching
from notebook_marking.runs import MIB, Ended, Limits, Run, SandboxError, SandboxMissing
from notebook_marking.sandbox import This, command, run

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = ROOT / "tests" / "submissions" / "hostile"
EXPECTED = yaml.safe_load((HOSTILE / "expected.yaml").read_text(encoding="utf8"))
PAGES = [*sorted((ROOT / "chapters").glob("*.md")), *sorted((ROOT / "solutions").glob("*.md"))]
LIMITS = Limits(seconds=40, cell_seconds=3, cpu_seconds=60, memory=400 * MIB, processes=40, scratch=64 * MIB)


@pytest.fixture
def bubblewrap():
    """Make sure that there is a sandbox to test: without one, nothing here means anything."""
    if "BOOK_SKIP_SANDBOX" in os.environ:
        pytest.skip("BOOK_SKIP_SANDBOX is set: the sandbox is not tested")
    sandbox.check("bubblewrap")


def running(chosen):
    """Return the processes that are chosen, by their user and their command, and have not ended."""
    found = psutil.process_iter(["uids", "cmdline", "status"])
    return [
        process
        for process in found
        if process.info["status"] != "zombie"
        and chosen(getattr(process.info["uids"], "real", None), process.info["cmdline"] or [])
    ]


def page(*cells):
    """Return a MyST notebook of these code cells."""
    return "".join(f"```{{code-cell}}\n{cell}\n```\n" for cell in cells).encode()


# Hostile notebooks ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPECTED)
def test_a_hostile_notebook_gets_what_it_must(name, bubblewrap):
    expected = EXPECTED[name]
    limits = replace(LIMITS, **expected.get("limits", {}))
    result = run((HOSTILE / name).read_bytes(), Path(name).suffix, "5.8.1", limits=limits)
    found = {"found": expected["found"]} if "found" in expected else {}
    assert (result.status, result.answers) == (expected["status"], expected.get("answers", found)), result
    for words in expected.get("remarks", []):
        assert any(words in remark for remark in result.remarks), result
    assert len(result.remarks) <= runs.MOST_REMARKS
    assert all(len(remark) <= 300 and remark.isprintable() for remark in result.remarks)


def test_every_hostile_notebook_is_in_the_table():
    assert {path.name for path in HOSTILE.iterdir()} - {"expected.yaml"} == EXPECTED.keys()


@pytest.mark.parametrize("name", ["left-behind.md", "fork-bomb.md", "stubborn-loop.md", "memory-hogs.md"])
def test_no_process_outlives_its_sandbox(name, bubblewrap, monkeypatch):
    mine = sandbox.FIRST_USER + sandbox.USERS + os.getpid()  # other sandboxes may be at work
    monkeypatch.setattr(sandbox, "FIRST_USER", mine)
    monkeypatch.setattr(sandbox, "USERS", 1)
    assert run(page("1"), ".md", "5.8.1").status == "no answers"
    run((HOSTILE / name).read_bytes(), ".md", "5.8.1", limits=replace(LIMITS, seconds=4))
    assert running(lambda user, words: user == mine or (os.geteuid() and words[-1:] == ["86399"])) == []


def test_the_sandbox_leaves_nothing_on_disk(bubblewrap, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    run((HOSTILE / "disk.md").read_bytes(), ".md", "5.8.1", limits=LIMITS)
    run((HOSTILE / "answers-not-text.md").read_bytes(), ".md", "5.8.1", limits=LIMITS)
    assert list(tmp_path.iterdir()) == []
    assert not Path("/tmp/evil").exists()


def test_nothing_of_our_environment_gets_in(bubblewrap, monkeypatch):
    monkeypatch.setenv("BOOK_SECRET_OF_THE_TEST", "key")
    cells = page(
        "import glob, json, os\nos.mkdir('answers')",
        "seen = list(os.environ.values())\n"
        "for path in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline'):\n"
        "    try:\n"
        "        seen.append(open(path).read())\n"
        "    except OSError:\n"
        "        pass\n"
        "names = [name for name in os.environ if name.startswith('BOOK')]\n"
        "found = {'key': any('key' in text.split() for text in seen), 'names': names}\n"
        "json.dump(found, open('answers/5.8.1.json', 'w'))",
    )
    assert run(cells, ".md", "5.8.1", limits=LIMITS).answers == {"key": False, "names": []}


def test_without_a_sandbox_the_same_notebook_sees_what_is_there():
    """Else what reads.md records would show nothing."""
    result = run((HOSTILE / "reads.md").read_bytes(), ".md", "5.8.1", engine="trust", limits=LIMITS)
    read = result.answers["found"]["read"]
    scheme = ROOT / "packages/notebook-marking/notebook_marking/scheme.py"
    assert {str(ROOT / "solutions"), str(scheme), "/etc/passwd"} <= set(read)
    result = run((HOSTILE / "memory-in-files.md").read_bytes(), ".md", "5.8.1", engine="trust", limits=LIMITS)
    assert result.answers["found"]["found"] == ["memfd", "segment"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's sandboxes have users of their own")
def test_each_run_of_roots_is_a_user_of_its_own(bubblewrap):
    cell = (
        "import json, os\nos.mkdir('answers')\njson.dump({'user': os.getuid()}, open('answers/x.json', 'w'))"
    )
    users = {run(page(cell), ".md", "x", limits=LIMITS).answers["user"] for _ in range(3)}
    assert len(users) == 3
    assert min(users) >= sandbox.FIRST_USER


# Honest notebooks ----------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["bubblewrap", "trust"])
def test_answers_come_out_and_faults_are_named(engine, request):
    if engine == "bubblewrap":
        request.getfixturevalue("bubblewrap")
    cells = page(
        "from support.datasets import eight_schools\nimport json, os\nos.mkdir('answers')",
        "undefined",
        "effect = eight_schools()['effect'].values.tolist()\n"
        "json.dump({'effect': effect}, open('answers/5.8.1.json', 'w'))",
    )
    assert run(cells, ".md", "5.8.1", engine=engine) == Run(
        "finished",
        {"effect": [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]},
        ("code cell 2: NameError: name 'undefined' is not defined",),
    )


@pytest.mark.sampling
@pytest.mark.slow
def test_a_model_is_fitted_within_the_default_limits(bubblewrap):
    cells = page(
        "import json, os\nfrom support import datasets, models, sampling",
        "idata = sampling.sample(models.schools_noncentred(datasets.eight_schools()))",
        "os.mkdir('answers')\n"
        "mean = float(idata['posterior']['mu'].mean())\n"
        "json.dump({'mean': mean}, open('answers/5.8.1.json', 'w'))",
    )
    result = run(cells, ".md", "5.8.1")
    assert (result.status, result.remarks) == ("finished", ())
    assert 2 < result.answers["mean"] < 8


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_light_reader_finds_the_cells_that_the_build_finds(path):
    text = path.read_text(encoding="utf8")
    notebook = read_myst_markdown_notebook(text, path=path)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert [source.strip() for source in inside.read_myst(text)] == [source.strip() for source in cells]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("```{code-cell}\na\n```\n", ["a"]),
        ("```{code-cell} ipython3\n:tags: [x]\n:other: y\n\na\n:b\n```", ["\na\n:b"]),
        ("```{code-cell}\n---\ntags: [x]\n---\na\n---\n```", ["a\n---"]),
        ("````{code-cell}\n```\n````\n", ["```"]),
        ("````{note}\n```{code-cell}\na\n```\n````\n", []),
        ("~~~{code-cell}\na\n~~~", ["a"]),
        ("```python\na\n```\n```{code-cell}\nb\n```", ["b"]),
        ("```{code-cell}\na", ["a"]),
        ("    ```{code-cell}\n    a\n    ```\n", []),
        ("<!--\n```{code-cell}\na\n```\n-->\n```{code-cell}\nb\n```", ["b"]),
        ("\r\n```{code-cell}\r\na\r\nb\r\n```\r\n", ["a\nb"]),
    ],
)
def test_code_cells_of_a_myst_notebook(text, cells):
    assert inside.read_cells(text.encode(), ".md") == cells


# What comes out ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "[]",
            "1",
            "null",
            "NaN",
            "{",
            '{"a": NaN}',
            '{"a": -Infinity}',
            '{"a": 1e999}',
            '{"a": -1e999}',
        ),
        *(
            '{"a": 9223372036854775808}',
            '{"a": ' + "9" * 5000 + "}",
            '{"a": 1, "a": 1}',
            '{"a": {"b": 1, "b": 2}}',
        ),
        *('{"a": "\\ud800"}', '{"\\udc00": 1}', '{"a": "\ud800"}', '{"a": ' + "[" * 20 + "]" * 20 + "}"),
        *('{"a": ' + "[" * 90_000 + "}", '{"a": "' + "x" * 100_000 + '"}'),
    ],
)
def test_malformed_answers_are_refused(text):
    with pytest.raises(ValueError, match=r"it |Expecting"):
        runs.parse(text, 100_000)


def test_well_formed_answers_are_read_as_they_are():
    text = '{"a": {"b": [1, -2.5, 1e300, "ü\\u0000=<b>", true, null]}, "points": 9223372036854775807}'
    numbers = [1, -2.5, 1e300, "ü\0=<b>", True, None]
    assert runs.parse(text, 1000) == {"a": {"b": numbers}, "points": 2**63 - 1}


@pytest.mark.parametrize(
    ("code", "killed", "status"),
    [
        (0, "", "stopped"),
        (-9, "", "stopped"),
        (152, "", "out of time"),
        (-9, "out of memory", "out of memory"),
    ],
)
def test_a_run_without_end_is_told_by_how_it_ended(code, killed, status):
    sent = b'{"started": true}\n{"cell": 2}\n{"answers": "{\\"a\\": 1}"}\n'
    result = runs.read(Ended(sent, b"", killed, code), Limits())
    assert result == Run(status, {"a": 1}, (f"code cell 2 ended the run: {status}",))


def test_a_sandbox_that_did_not_start_is_no_fault_of_the_submission():
    with pytest.raises(SandboxError, match=r"exit status 1\): no permission"):
        runs.read(Ended(b"", b"no permission\n", "", 1), Limits())


def test_where_no_sandbox_is_allowed_we_say_how_to_allow_it():
    errors = b"bwrap: setting up uid map: Permission denied"
    with pytest.raises(SandboxError, match=r"uid map: Permission denied\n.*apparmor_restrict"):
        runs.read(Ended(b"", errors, "", 1), Limits())


def test_too_large_a_notebook_is_not_begun():
    result = run(b"x" * 101, ".md", "5.8.1", engine="trust", limits=Limits(notebook=100))
    assert result == Run("not a notebook", {}, ("the file is larger than 100 bytes",))


# Engines -------------------------------------------------------------------------------------


def test_what_is_missing_is_named_with_the_way_to_install_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxMissing, match=r"apt install bubblewrap.*--trust"):
        run(b"", ".md", "5.8.1")
    with pytest.raises(SandboxMissing, match=r"podman.*--trust"):
        sandbox.check("podman")


def test_an_engine_that_fails_raises(bubblewrap, monkeypatch):
    monkeypatch.setattr(sandbox, "INSIDE", Path("/nowhere/inside.py"))
    with pytest.raises(SandboxError, match="did not start"):
        run(b"", ".md", "5.8.1")


@pytest.mark.parametrize(
    ("suffix", "exercise", "engine", "name"),
    [
        (".py", "5.8.1", "trust", "suffix"),
        (".md", "../x", "trust", "exercise"),
        (".md", "5.8.1", "jail", "engine"),
    ],
)
def test_wrong_arguments_are_refused(suffix, exercise, engine, name):
    with pytest.raises(ValueError, match=f"{name} is"):
        run(b"", suffix, exercise, engine=engine)


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_containers_keep_the_same_contract(engine, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    words = command(engine, LIMITS, This(name="notebook-1"))
    text = " ".join(words)
    for part in (
        f"/usr/bin/{engine} run --rm --interactive --name notebook-1",
        "--network none --read-only",
        "--cap-drop ALL --security-opt no-new-privileges",
        f"--memory {400 * MIB} --memory-swap {400 * MIB} --pids-limit 40",
        f"--tmpfs /tmp:rw,nosuid,nodev,mode=1777,size={64 * MIB}",
        f"--mount type=bind,src={ROOT}/support,dst={ROOT}/support,readonly",
        f"--tmpfs {ROOT}/packages/notebook-marking/notebook_marking:ro",
    ):
        assert part in text
    assert "--user 0" not in text
    mounts = [word for word in words if word.startswith("type=bind")]
    assert all(word.endswith(",readonly") for word in mounts)
    assert not any(f"src={ROOT}," in word or "solutions" in word for word in mounts)


def test_an_ordinary_user_gets_a_namespace_without_further_ones(bubblewrap):
    words = command("bubblewrap", LIMITS, This(user=None))
    start = words[: words.index("--proc")]
    assert {"--unshare-user", "--disable-userns", "--unshare-net", "--unshare-pid", "--clearenv"} <= set(
        start
    )
    demotion = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    tried = [*demotion, *start, "--ro-bind", "/", "/", "/bin/sh", "-c", "id -u; unshare -U true"]
    result = subprocess.run(tried, capture_output=True, text=True, check=False, cwd="/")
    assert result.stdout == "65534\n"
    assert result.returncode != 0


def test_a_project_below_the_folder_of_a_mount_is_hidden_but_for_support(monkeypatch):
    project = Path("/usr/src/book")
    monkeypatch.setattr(sandbox, "PACKAGE", project / "support")
    monkeypatch.setattr(Path, "is_dir", lambda self: True)
    assert sandbox._hidden_in(Path("/usr")) == [project]
    assert sandbox._hidden_in(project / "support") == [project / "packages/notebook-marking/notebook_marking"]
    assert sandbox._hidden_in(Path("/opt")) == []


def test_the_watchdog_ends_plain_processes_too():
    begin = time.monotonic()
    length = str(86400 + os.getpid())
    words = ["/bin/sh", "-c", f"setsid sleep {length} & echo started; sleep {length}"]
    ended = watching.watch(words, b"", Limits(seconds=1), environment={}, folder="/")
    assert (ended.messages, ended.killed) == (b"started\n", "out of time")
    assert time.monotonic() - begin < 20
    assert running(lambda user, words: words[-1:] == [length]) == []
