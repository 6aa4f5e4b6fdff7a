"""An interrupted build, a damaged cache, strange surroundings: the next build is right, nothing is left."""

import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
import yaml
from front_matter import NOTEBOOK
from jupyter_cache.base import CacheBundleIn
from pytensor.configparser import parse_config_string

from notebook_marking import sandbox
from tooling import environment
from tooling.scripts import build as scripts_build

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "tooling/scripts/build.py"
HEADER = NOTEBOOK + "# A page\n\n```{code-cell} ipython3\n"
QUICK = HEADER + "---\nexpect: quick\n---\nprint('quick')\n```\n"
# The first to run leaves a mark and waits, as a long computation does.
WAITS = "import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(600)\n"
SLOW = HEADER + WAITS + "```\n"
# What a machine may say of itself that a page must not show.
STRANGE = {
    "MPLBACKEND": "Agg",
    "IPYTHONDIR": "{home}/ipython",
    "MATPLOTLIBRC": "{home}",
    "MPLCONFIGDIR": "{home}",
    "JUPYTER_CONFIG_DIR": "{home}",
    "PYTENSOR_FLAGS": "floatX=float32",
    "COLUMNS": "20",
    "FORCE_COLOR": "1",
    "LC_ALL": "C",
    "TZ": "Asia/Tokyo",
    "USER": "ada",
    "CI": "true",
    "GITHUB_SHA": "0",
    "HTTPS_PROXY": "http://127.0.0.1:9",
}
PROBE = """\
import os, time
import matplotlib.pyplot as plt
import pandas as pd
print("touched" in globals(), plt.rcParams["figure.facecolor"], time.tzname[0], pd.options.display.width)
print(sorted(name for name in os.environ if name in {names} and "home" not in os.environ[name]))
```

```{{code-cell}} ipython3
---
mystnb: {{figure: {{caption: "A line"}}, image: {{alt: "A line from left to right"}}}}
---
plt.plot([0, 1]);
```
"""


@pytest.fixture
def book(tmp_path):
    """Return a book of two pages, the one quick, the other slow."""
    root = tmp_path / "book"
    (root / "chapters").mkdir(parents=True)
    (root / "support").mkdir()
    for name in ("requirements.txt", "support/__init__.py", "references.bib"):
        (root / name).write_text("")
    config = {"title": "Small", "execute": {"timeout": 600}, "sphinx": {"config": {}}}
    (root / "_config.yml").write_text(yaml.safe_dump(config))
    toc = {"format": "jb-book", "root": "chapters/quick", "chapters": [{"file": "chapters/slow"}]}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))
    (root / "chapters/quick.md").write_text(QUICK)
    (root / "chapters/slow.md").write_text(SLOW)
    return root


@pytest.fixture
def project(book):
    """Return the small book with the project's own commands, set up already."""
    shutil.copytree(ROOT / "tooling/scripts", book / "tooling/scripts")
    for name in ("Makefile", "conftest.py", "pyproject.toml", "tooling/__init__.py"):
        shutil.copy(ROOT / name, book / name)
    shutil.copy(environment.__file__, book / "tooling")
    (book / "tooling/scripts/setup.sh").write_text("")
    (book / ".venv").symlink_to(sys.prefix)
    for name in ("exercises", "solutions", "packages", "tests/audit", "tests/book"):
        (book / name).mkdir(parents=True)
    for name in ("bin", "tooling/benchmarks"):
        (book / name).mkdir()
    (book / "tests/book/test_published.py").touch()
    (book / "tooling/benchmarks/slow.py").write_text(WAITS.replace("'started'", f"'{book}/chapters/started'"))
    (book / "bin/chromium").touch(0o755)
    return book


def start(command, folder, **variables):
    return subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def build(book, **variables):
    process = start([sys.executable, BUILD, book], book, **variables)
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kept(book):
    """Return the files of the executed notebooks that are kept."""
    return list(book.glob("_build/execution/*/executed/*/base.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "number"),
    [("book", "INT"), ("pdf", "INT"), ("test", "INT"), ("bench", "INT"), ("bench", "TERM")],
)
def test_ctrl_c_ends_a_command_at_once_and_what_was_finished_is_kept(project, target, number):
    runs_pages = target != "bench"
    process = start(["make", target], project, PATH=f"{project / 'bin'}:{os.environ['PATH']}")
    assert wait_for((project / "chapters/started").exists)
    assert wait_for(lambda: len(kept(project)) == runs_pages)
    started = psutil.Process(process.pid).children(recursive=True)
    begin = time.monotonic()
    os.killpg(process.pid, getattr(signal, f"SIG{number}"))
    output, errors = process.communicate(timeout=60)
    assert time.monotonic() - begin < 20  # a busy machine is slow, and the page would take ten minutes
    assert process.returncode != 0
    assert "Traceback" not in output + errors
    assert "Interrupted." in output + errors
    assert wait_for(lambda: not any(alive(child) for child in started), seconds=30)
    assert len(kept(project)) == runs_pages
    assert not list(project.glob("tooling/benchmarks/*.md"))


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.6, 1, 2, 4])
def test_ctrl_c_ends_the_tests_without_a_traceback_while_they_start(project, seconds):
    """As Python, pytest, its workers and their kernels do, one after the other."""
    for number in range(4):  # enough for kernels that share one import
        shutil.copy(project / "chapters/slow.md", project / f"chapters/slow{number}.md")
    process = start(["make", "test"], project)
    time.sleep(seconds)
    started = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in output + errors
    assert wait_for(lambda: not any(alive(child) for child in started), seconds=30)


@pytest.mark.parametrize("command", [["-m", "stand_in", "given"], ["stand_in.py", "given"]])
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_command_starts_as_python_would_start_it_but_ends_silently(tmp_path, command, interrupted):
    """The signal comes during its first import."""
    (tmp_path / "stand_in.py").write_text("import slow, sys\nprint(__name__, sys.argv, sys.path[0])\n")
    (tmp_path / "slow.py").write_text(
        f"import os, signal\nif {interrupted}: os.kill(os.getpid(), signal.SIGINT)\n"
    )
    run, plain = (
        subprocess.run(
            [sys.executable, *before, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        for before in (["-ES", environment.__file__], [])
    )
    assert run.stdout == plain.stdout
    assert (run.returncode, run.stderr) == (-signal.SIGINT if interrupted else 0, "")


WRITES = """import sys
from pathlib import Path
from tooling import environment
for number in range(300):
    environment.replace(Path(sys.argv[1]), sys.argv[2] * 100_000)
"""


def test_who_reads_a_file_that_two_others_write_finds_it_whole(tmp_path):
    path = tmp_path / "forms.json"
    path.write_text("a")
    writers = [start([sys.executable, "-c", WRITES, path, letter], ROOT) for letter in "bc"]
    while any(writer.poll() is None for writer in writers):
        assert path.read_text() in ("a", "b" * 100_000, "c" * 100_000)
    assert [writer.communicate()[1] for writer in writers] == ["", ""]
    assert list(tmp_path.iterdir()) == [path]


WAITS_ITS_TURN = """import sys
from pathlib import Path
from tooling import environment
with environment.alone(Path(sys.argv[1])):
    print("alone", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nobody waits on Windows")
@pytest.mark.parametrize("how", ["ends", "is killed"])
def test_of_two_that_build_one_waits_for_the_other_and_says_so(tmp_path, how):
    command = [sys.executable, "-c", WAITS_ITS_TURN, tmp_path]
    first, second = (
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    said = {first.stdout.readline(): first, second.stdout.readline(): second}
    one, other = said["alone\n"], said["Another process builds this book: waiting for it\n"]
    one.communicate("\n") if how == "ends" else one.kill()
    assert other.stdout.readline() == "alone\n"
    other.communicate("\n")
    one.wait()


@pytest.mark.slow
def test_after_a_killed_build_the_next_is_right(book):
    # The cache is made; a page is kept, while the other runs; Sphinx begins; it writes pages.
    for moment in ("execution/*", "execution/*/executed/*/base.ipynb", "html", "html/chapters"):
        if moment == "html":
            assert len(kept(book)) == 1
            (book / "chapters/slow.md").write_text(QUICK.replace("quick", "not so quick"))
        process = start([sys.executable, BUILD, book], book)
        assert wait_for(lambda: process.poll() is not None or list(book.glob(f"_build/{moment}")))  # noqa: B023
        started = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        ended = process.poll() is not None  # on a busy machine it may be through already
        process.kill()
        # A kernel whose build was killed sees so by itself.
        assert wait_for(lambda: not any(map(alive, started)), seconds=30)  # noqa: B023
        process.communicate()
        assert process.returncode == (0 if ended else -signal.SIGKILL), moment
    status, output, errors = build(book)
    assert status == 0, errors
    assert "0 of 2 notebooks to execute" in output
    for name, printed in (("quick", "quick"), ("slow", "not so quick")):
        assert f"{printed}\n</pre>" in (book / f"_build/html/chapters/{name}.html").read_text()
    assert "Nothing has changed" in build(book)[1]


@pytest.mark.slow
def test_damaged_caches_are_named_and_made_again(book, capsys):
    (book / "chapters/slow.md").write_text(QUICK.replace("quick", "not so quick"))
    assert build(book)[0] == 0
    execution = book / "_build/execution"
    (folder,) = (path for path in execution.iterdir() if path.is_dir())
    html = (book / "_build/html/chapters/quick.html").read_text()
    pages = [scripts_build.read_notebook(book / f"chapters/{name}.md") for name in ("quick", "slow")]
    notebook = kept(book)[0]
    for content in (b"", b'{"cut'):
        (execution / "seconds.json").write_bytes(content)
        assert scripts_build.read_seconds(execution / "seconds.json") == {}
        assert "seconds.json is damaged" in capsys.readouterr().out
        notebook.write_bytes(content)
        cache = scripts_build.open_cache(folder)
        assert sum(scripts_build.is_cached(cache, page) for page in pages) == 1
        assert "is damaged: it is executed again" in capsys.readouterr().out
    notebook.unlink()  # as of a build that was killed between the folder and its file
    cache = scripts_build.open_cache(folder)
    assert f"{notebook.parent} is damaged and is made again" in capsys.readouterr().out
    (page,) = (page for page in pages if not scripts_build.is_cached(cache, page))
    cache.cache_notebook_bundle(CacheBundleIn(page, str(book)), check_validity=False, overwrite=True)
    for content in (b"", b"SQLite format 3\0 and no more"):
        (folder / "global.db").write_bytes(content)
        cache = scripts_build.open_cache(folder)
        assert f"{folder} is damaged" in capsys.readouterr().out
        assert sum(scripts_build.is_cached(cache, page) for page in pages) == 0
    (book / "_build/built-from").unlink()
    status, output, errors = build(book)
    assert status == 0, errors
    assert "2 of 2 notebooks to execute" in output
    assert (book / "_build/html/chapters/quick.html").read_text() == html
    (book / "_build/built-from").unlink()
    (book / "_build/built-from").mkdir()
    status, _, errors = build(book)
    assert status == 1
    assert "built-from is damaged (a folder for a file, or the reverse): run make clean first." in errors


def test_damaged_machine_code_is_dropped_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(environment, "HOME", tmp_path)
    folder = tmp_path / ".pytensor/numba"
    folder.mkdir(parents=True)
    whole = pickle.dumps("0.62") + pickle.dumps(("stamp", {"key": "a.1.nbc"}))
    files = {"a.nbi": whole, "a.1.nbc": whole, "b.nbi": b"", "b.1.nbc": whole[:-9], "other": b""}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    environment.drop_damaged()
    assert {path.name for path in folder.iterdir()} == {"a.nbi", "a.1.nbc", "other"}
    said = capsys.readouterr().err
    assert said.count("is damaged; it is dropped and made again") == 2
    assert f"{folder / 'b.nbi'} is damaged" in said


@pytest.mark.parametrize("folder", ["support", "solutions/keys", "tests/helpers"])
def test_a_module_of_the_same_time_and_size_is_read_anew(tmp_path, monkeypatch, folder):
    """As after the clock was set back, or a file came with its time from elsewhere."""
    monkeypatch.setattr(environment, "HOME", tmp_path)
    module = tmp_path / folder / "one.py"
    module.parent.mkdir(parents=True)
    (module.parent / ".#one.py").symlink_to("somebody@here.4711")  # the lock of an editor
    seen = []
    for value in (6, 7):
        module.write_text(f"value = {value}\n")
        os.utime(module, (1e9, 1e9))
        environment.drop_old_byte_code(tmp_path)
        program = [sys.executable, "-c", "import one; print(one.value)"]
        seen += [subprocess.check_output(program, cwd=module.parent, text=True)]
    assert seen == ["6\n", "7\n"]
    kept = list(module.parent.glob("__pycache__/*"))
    environment.drop_old_byte_code(tmp_path)
    assert kept == list(module.parent.glob("__pycache__/*")) != []


@pytest.mark.parametrize("damage", ["no text", "not readable", "a dead link"])
def test_what_another_user_left_of_the_sources_is_written_anew(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(environment, "HOME", tmp_path)
    known = tmp_path / "sources"
    environment.drop_old_byte_code(tmp_path)
    right = known.read_bytes()
    if damage == "a dead link":
        known.unlink()
        known.symlink_to(tmp_path / "nowhere/at all")
    else:
        known.write_bytes(b"\xff")
        known.chmod(0 if damage == "not readable" else 0o644)
    environment.drop_old_byte_code(tmp_path)
    assert known.read_bytes() == right
    assert list(tmp_path.iterdir()) == [known]
    known.unlink()
    known.mkdir()
    with pytest.raises(
        SystemExit, match=r"sources cannot be written .*: make the folder yours, as by `sudo chown"
    ):
        environment.drop_old_byte_code(tmp_path)


AS_ANOTHER = """import fcntl, os, sys
from pathlib import Path
from tooling import environment
environment.HOME = root = Path(sys.argv[1])
for name in (".pytensor/numba", "_build"):
    (root / name).mkdir(parents=True)
for name in (".pytensor/numba/a.nbi", "_build/.lock"):
    (root / name).write_bytes(b"x.")
    (root / name).chmod(0o600 if os.geteuid() == 0 else 0)
    (root / name).parent.chmod(0o555)
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
for step in (environment.drop_damaged, environment.alone(root).__enter__):
    try:
        step()
    except SystemExit as error:
        print(error)
"""


def test_what_another_user_keeps_to_himself_is_named_in_one_sentence():
    with tempfile.TemporaryDirectory() as folder:
        for place in Path(folder).parents:
            if place.stat().st_mode & 0o1 == 0:
                pytest.skip(f"{place} cannot be entered by another user")
        os.chmod(folder, 0o755)
        command = [sys.executable, "-c", AS_ANOTHER, f"{folder}/home"]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    first, second = run.stdout.splitlines()
    assert "a.nbi cannot be read or removed (Permission denied): make the folder yours" in first
    assert "_build/.lock belongs to another user: make the folder yours" in second


@pytest.mark.parametrize(
    "name",
    [
        "it's, a book",
        "one,two",
        'the "best"',
        "$HOME `x` ~",
        "a\\b",
        "#1; 100%=x",
        "äöü ∞",
        " blanks ",
        "'",
        "a=b,c=d",
    ],
)
def test_a_folders_name_may_have_blanks_commas_and_quotes(tmp_path, monkeypatch, name):
    monkeypatch.setattr(environment, "HOME", tmp_path / name)
    place = environment.HOME / ".pytensor"
    place.mkdir(parents=True)
    monkeypatch.setenv("PYTENSOR_FLAGS", environment.folders()["PYTENSOR_FLAGS"])
    assert parse_config_string(os.environ["PYTENSOR_FLAGS"]) == {"base_compiledir": str(place)}
    assert sandbox._caches()["pytensor"] == place
    # What notebooks are told when they are marked, which may not import the function above.
    told = sandbox.environment(str(environment.HOME))["PYTENSOR_FLAGS"]
    assert parse_config_string(told) == {"base_compiledir": str(place)}


@pytest.mark.slow
def test_the_surroundings_do_not_reach_the_pages(book, tmp_path):
    home = tmp_path / "home"
    (home / "ipython/profile_default/startup").mkdir(parents=True)
    (home / "ipython/profile_default/startup/00.py").write_text("touched = True\n")
    (home / "matplotlibrc").write_text("figure.facecolor: black\n")
    variables = {name: value.format(home=home) for name, value in STRANGE.items()} | {"HOME": str(home)}
    (book / "chapters/quick.md").write_text(HEADER + PROBE.format(names=sorted(STRANGE)))
    (book / "chapters/slow.md").write_text(QUICK)
    before = sorted(home.rglob("*"))
    status, _, errors = build(book, **variables)
    assert status == 0, errors
    html = (book / "_build/html/chapters/quick.html").read_text()
    assert "False white UTC 80" in html
    # What else there is of these, ipykernel sets itself.
    seen = html.split("False white")[1].split("</pre>")[0]
    assert not re.search("COLUMNS|LC_ALL|USER|CI|GITHUB|PROXY", seen)
    assert sorted(home.rglob("*")) == before
    status, output, _ = build(book)
    assert "Nothing has changed" in output


KERNEL = """import os, sys
from IPython.core.application import ENV_CONFIG_DIRS, SYSTEM_CONFIG_DIRS
SYSTEM_CONFIG_DIRS[:] = [sys.argv[1]]
if sys.argv[2] == "without ours":
    ENV_CONFIG_DIRS.clear()
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
app.initialize(["-f", sys.argv[1] + "/kernel.json"])
names = sorted({"started", "told", "of_kernels"} & set(app.shell.user_ns))
os.write(1, f"found: {names}".encode())
os._exit(0)
"""


@pytest.mark.parametrize(
    ("settings", "found"), [("with ours", []), ("without ours", ["of_kernels", "started"])]
)
def test_the_machines_settings_of_ipython_do_not_reach_the_pages(tmp_path, settings, found):
    (tmp_path / "startup").mkdir()
    (tmp_path / "startup/00.py").write_text("started = True\n")
    for name, line in {"ipython": "told = True", "ipython_kernel": "of_kernels = True"}.items():
        (tmp_path / f"{name}_config.py").write_text(f"c.InteractiveShellApp.exec_lines = [{line!r}]\n")
    command = [sys.executable, "-c", KERNEL, tmp_path, settings]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout.endswith(f"found: {found}"), run.stderr


@pytest.mark.parametrize("place", ["", "chapters"])
def test_settings_beside_the_pages_are_refused(book, place):
    environment.refuse_settings(book)
    (book / place / "matplotlibrc").write_text("figure.facecolor: black\n")
    with pytest.raises(SystemExit, match="would change the figures of all pages"):
        environment.refuse_settings(book)


@pytest.mark.slow
def test_a_figure_cell_without_a_picture_fails_the_build_each_time(book):
    page = HEADER + PROBE.format(names=[]).replace("plt.plot([0, 1]);", "print('<Figure>')")
    (book / "chapters/quick.md").write_text(page)
    (book / "chapters/slow.md").write_text(QUICK)
    line = next(n for n, text in enumerate(page.splitlines()) if text.startswith("mystnb")) - 1
    for _ in range(2):
        status, _, errors = build(book)
        assert status == 1
        assert f"chapters/quick.md:{line}: code cell 2 shows no picture" in errors


LEAVES = """import os, signal, sys, tempfile
from tooling import environment
if sys.argv[2] == "with pages":
    environment.enter()
environment.end_when_interrupted("That is all.")
file, name = tempfile.mkstemp()
print(name, flush=True)
os.system("exec 3>$(mktemp)")
if sys.argv[1] == "interrupted":
    signal.raise_signal(signal.SIGTERM)
"""


@pytest.mark.parametrize("how", ["ended", "interrupted"])
@pytest.mark.parametrize("place", ["sound", "missing", "book-of-ada"])
@pytest.mark.parametrize("what", ["with pages", "without"])
def test_nothing_stays_in_the_temporary_folder(tmp_path, how, place, what):
    sound = tmp_path / ("book-of-ada" if place == "book-of-ada" else "sound")
    sound.mkdir()
    # Where the one that is asked for cannot be written, Python takes another, at last the current one.
    run = subprocess.run(
        [sys.executable, "-c", LEAVES, how, what],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path / place)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == (143 if how == "interrupted" else 0), run.stderr
    left = Path(run.stdout.strip())
    assert left.parent.name.startswith("book-")
    assert (left.parent.parent == sound) == (place != "missing")
    assert not left.parent.exists()
    assert list(sound.iterdir()) == []


def test_only_what_is_known_remains_of_an_environment():
    given = {
        "PATH": "/bin",
        "HOME": "/home/u",
        "MPLBACKEND": "Agg",
        "PYTHONPATH": "/p",
        "BOOK_SEED": "7",
        "LANG": "de",
        "PYTEST_ADDOPTS": "-k nothing",
        "PYTEST_PLUGINS": "nowhere",
        "PYTEST_XDIST_WORKER": "gw0",
        "USER": "ada",
        "CI": "true",
        "GITHUB_TOKEN": "secret",
        "SSL_CERT_FILE": "/certs",
    }
    own = environment.own(given, "/book")
    assert own["PATH"] == "/bin"
    assert own["BOOK_SEED"] == "7"
    assert own["PYTHONPATH"] == "/book"
    assert not {"MPLBACKEND", "PYTEST_ADDOPTS", "PYTEST_PLUGINS"} & own.keys()
    assert own["PYTEST_XDIST_WORKER"] == "gw0"
    assert {"USER", "CI", "GITHUB_TOKEN", "SSL_CERT_FILE"} <= own.keys()
    assert own["LANG"] == "C.UTF-8"
    assert own == environment.own(own, "/book") | {"GIT_CONFIG_GLOBAL": "/home/u/.gitconfig"}
    of_page = environment.of_page(own | {"GITHUB_SHA": "0", "CI": "true", "HTTPS_PROXY": "http://p"})
    of_user = {"GIT_CONFIG_GLOBAL", "PYTEST_XDIST_WORKER", "USER", "CI", "GITHUB_TOKEN", "SSL_CERT_FILE"}
    assert of_page == {name: value for name, value in own.items() if name not in of_user}
    lab = environment.of_lab(given | {"DISPLAY": ":0"})
    assert lab["HOME"] == "/home/u"
    assert lab["DISPLAY"] == ":0"
    assert not {"MPLBACKEND", "PYTHONPATH"} & lab.keys()
    writes = {
        name: value for name, value in {**own, **lab}.items() if value.startswith("/home") and name != "HOME"
    }
    assert writes.keys() <= {"GIT_CONFIG_GLOBAL"}


FIGURES = """import sys
from pathlib import Path
import pdf
pdf.FIGURES = Path(sys.argv[1], "figures")
pdf.write_figures(Path(sys.argv[1]))
"""


def test_an_older_notebook_that_was_cut_keeps_no_pdf_from_being_made(tmp_path):
    notebook = tmp_path / "executed/old/base.ipynb"
    notebook.parent.mkdir(parents=True)
    notebook.write_text('{"cells": [')
    known = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tooling/scripts'}"}
    command = [sys.executable, "-c", FIGURES, tmp_path]
    run = subprocess.run(command, env=known, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert (tmp_path / "figures").is_dir()
