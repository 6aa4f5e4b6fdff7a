"""An interrupted build, a damaged cache, strange surroundings: the next build is right, nothing is left."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from tooling import environment

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "tooling/scripts/build.py"
HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A page

```{code-cell} ipython3
"""
QUICK = HEADER + "print('quick')\n```\n"
# The first to run leaves a mark and waits, as a long computation does.
SLOW = HEADER + "import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(600)\n```\n"
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


def start(book, **variables):
    return subprocess.Popen(
        [sys.executable, BUILD, book],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def build(book, **variables):
    process = start(book, **variables)
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def interrupted(book, number):
    """Build until one page is finished and the other runs, then send a signal."""
    process = start(book)
    for line in process.stdout:
        if "quick.md" in line:
            break
    assert wait_for((book / "chapters/started").exists)
    started = psutil.Process(process.pid).children(recursive=True)
    assert started, "no kernel runs"
    begin = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return time.monotonic() - begin, errors, started, process.returncode


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_an_interrupted_build_ends_at_once_and_the_next_goes_on(book, number):
    seconds, errors, started, status = interrupted(book, number)
    assert seconds < 3
    assert "Traceback" not in errors
    if number == signal.SIGKILL:
        assert status == -9
    else:
        assert status == 128 + number
        assert errors.strip() == "Interrupted. The notebooks that were finished are kept."
    # A kernel whose build was killed sees so by itself.
    assert wait_for(lambda: not any(alive(process) for process in started), seconds=30)
    (book / "chapters/slow.md").write_text(QUICK.replace("quick", "not so quick"))
    status, output, errors = build(book)
    assert status == 0, errors
    assert "1 of 2 notebooks to execute" in output


def alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
def test_damaged_caches_are_named_and_made_again(book):
    (book / "chapters/slow.md").write_text(QUICK.replace("quick", "not so quick"))
    assert build(book)[0] == 0
    execution = book / "_build/execution"
    (kept,) = (folder for folder in execution.iterdir() if folder.is_dir())
    html = (book / "_build/html/chapters/quick.html").read_text()
    for content in (b"", b'{"cut'):
        (execution / "seconds.json").write_bytes(content)
        notebook = next(kept.rglob("*.ipynb"))
        notebook.write_bytes(content)
        (book / "_build/built-from").unlink()
        status, output, errors = build(book)
        assert status == 0, errors
        assert "seconds.json is damaged" in output
        assert "1 of 2 notebooks to execute" in output
        (kept / "global.db").write_bytes(content or b"SQLite format 3\0 and no more")
        (book / "_build/built-from").unlink()
        status, output, errors = build(book)
        assert status == 0, errors
        assert f"{kept} is damaged" in output
        assert "2 of 2 notebooks to execute" in output
        assert (book / "_build/html/chapters/quick.html").read_text() == html


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
    assert not re.search("COLUMNS|LC_ALL", html.split("False white")[1].split("</pre>")[0])
    assert sorted(home.rglob("*")) == before
    status, output, _ = build(book)
    assert "Nothing has changed" in output


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


def test_only_what_is_known_remains_of_an_environment():
    given = {
        "PATH": "/bin",
        "HOME": "/home/u",
        "MPLBACKEND": "Agg",
        "PYTHONPATH": "/p",
        "BOOK_SEED": "7",
        "LANG": "de",
    }
    own = environment.own(given, "/book")
    assert own["PATH"] == "/bin"
    assert own["BOOK_SEED"] == "7"
    assert own["PYTHONPATH"] == "/book"
    assert "MPLBACKEND" not in own
    assert own["LANG"] == "C.UTF-8"
    assert own == environment.own(own, "/book") | {"GIT_CONFIG_GLOBAL": "/home/u/.gitconfig"}
    lab = environment.of_lab(given | {"DISPLAY": ":0"})
    assert lab["HOME"] == "/home/u"
    assert lab["DISPLAY"] == ":0"
    assert not {"MPLBACKEND", "PYTHONPATH"} & lab.keys()
    writes = {
        name: value for name, value in {**own, **lab}.items() if value.startswith("/home") and name != "HOME"
    }
    assert writes.keys() <= {"GIT_CONFIG_GLOBAL"}
