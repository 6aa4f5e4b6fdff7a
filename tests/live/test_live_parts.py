"""What runs in the page, tried where it can be without a browser and without what it fetches."""

import importlib.util
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import numpy as np
import playwright
import pytest
import rpds
from browsing import build_book, serving
from bs4 import BeautifulSoup
from statements import states

from tooling.live import archives, assemble, lite, quick_start
from tooling.live.policy import policy

pytest_plugins = ["browsing"]
ROOT = Path(__file__).resolve().parents[2]
LIVE = ROOT / "tooling" / "live"
# Runs cells as the worker does, in a process of its own, for it takes Python's streams.
DRIVER = """
import io, json, sys, zipfile
sys.path[:0] = {folders!r}
import arriving, cells
messages, packages = [], {packages!r}
class Bytes(bytes):
    to_bytes = lambda self: bytes(self)
def fetch(name):
    messages.append({{"fetched": name}})
    return Bytes(open(packages[name], "rb").read())
arriving.SITE, cells.HOME = {site!r}, {site!r}
out = sys.stdout
arriving.begin({index!r}, fetch, lambda content, to: zipfile.ZipFile(io.BytesIO(content)).extractall(to))
cells.start(lambda text: messages.append(json.loads(text)), "chapters")
for number, source in enumerate({sources!r}, start=1):
    messages.append({{"outcome": cells.run(source, f"cell {{number}}", {expect!r}, {lenient!r})}})
out.write(json.dumps(messages))
"""


def run(tmp_path, *sources, packages=None, expect=None, lenient=None):
    """Run cells; return what the page would be told."""
    files = {path.name: str(path) for path in packages or []}
    index = {"files": [{"name": p.name, "modules": archives.modules(p)} for p in packages or []]}
    driver = DRIVER.format(
        folders=[str(LIVE / "inside"), str(ROOT / "packages/myst-nbval/myst_nbval")],
        packages=files,
        site=str(tmp_path),
        index=json.dumps(index),
        sources=sources,
        expect=expect,
        lenient=lenient,
    )
    done = subprocess.run([sys.executable, "-c", driver], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_cell_shows_what_it_prints_and_its_last_value(tmp_path):
    assert run(tmp_path, "x = 6\nprint('six', x)\nx * 7", "x + 1;", "_, x") == [
        {"kind": "stream", "name": "stdout", "text": "six 6\n"},
        {"kind": "execute_result", "data": {"text/plain": "42"}},
        {"outcome": "finished"},
        {"outcome": "finished"},
        {"kind": "execute_result", "data": {"text/plain": "(42, 6)"}},
        {"outcome": "finished"},
    ]


def test_an_error_is_told_from_the_cell_on(tmp_path):
    (error, outcome) = run(tmp_path, "def f(x):\n    return 1 / x\n\nf(0)")
    assert outcome == {"outcome": "failed"}
    lines = error["text"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == '  File "<cell 1>", line 4, in <module>'
    assert "    return 1 / x" in lines
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert "cells.py" not in error["text"]


def test_what_a_hidden_cell_asserts_is_passed_over_where_something_above_was_changed(tmp_path):
    source = "assert 1 > 2\nprint('after')"
    assert run(tmp_path, source)[-1] == {"outcome": "failed"}
    assert run(tmp_path, source, lenient=True) == [
        {"kind": "stream", "name": "stdout", "text": "after\n"},
        {"outcome": "finished"},
    ]


def test_what_is_printed_without_end_is_sent_in_few_pieces_and_cut(tmp_path):
    *pieces, ended = run(tmp_path, "for number in range(300_000):\n    print(number)", "print('next')")[:-1]
    text = "".join(piece["text"] for piece in pieces if piece.get("kind") == "stream")
    assert text.startswith("0\n1\n2\n")
    assert text.count("… and more: 200,000 characters of a cell are shown.") == 1
    assert len(text) < 200_100
    assert len(pieces) < 100
    assert ended["text"] == "next\n"  # each cell has as much


def test_a_figure_that_an_error_leaves_is_shown_with_its_cell(tmp_path):
    drawn = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nraise ValueError('late')"
    messages = run(tmp_path, drawn, "1")
    kinds = [message.get("kind", message.get("outcome")) for message in messages]
    assert kinds == ["display_data", "error", "failed", "execute_result", "finished"]


def test_an_error_of_syntax_and_an_exit_are_told_too(tmp_path):
    broken, first, left, second = run(tmp_path, "for", "raise SystemExit(3)")
    assert broken["text"].endswith("SyntaxError: invalid syntax\n")
    assert left["text"].endswith("SystemExit: 3\n")
    assert [first, second] == [{"outcome": "failed"}] * 2


@pytest.mark.parametrize(
    "source",
    [
        "%pip install shapes",
        "x = 1\n!ls -l",
        "%%bash\nls",
        "files = !ls",
        "%timeit sum(range(9))",
        "for x in 1, 2:\n    %time x",
        "print?",
        "?print",
    ],
)
def test_a_command_to_jupyter_gets_a_sentence(tmp_path, source):
    error, outcome = run(tmp_path, source)
    assert outcome == {"outcome": "failed"}
    assert "is a command to Jupyter, and a page runs Python only" in error["text"]
    assert "Traceback" not in error["text"]


@pytest.mark.parametrize("source", ["7 %", "print('a' 'b'\n% c)d", "eval('%pip')", "x = 3 !"])
def test_other_errors_of_syntax_stay_what_they_are(tmp_path, source):
    error, _ = run(tmp_path, source)
    assert "SyntaxError" in error["text"]
    assert "Jupyter" not in error["text"]


def test_a_cell_that_asks_is_told_that_nobody_answers(tmp_path):
    error, _ = run(tmp_path, "name = input('Your name? ')")
    assert error["text"].endswith("EOFError: a cell in the page cannot ask: write the answer into the code\n")


def test_what_ipython_displays_has_a_form_that_the_page_shows(tmp_path):
    source = r"""
import base64
from IPython.display import HTML, Image, Javascript, Latex, Markdown, clear_output, display
print("gone")
clear_output()
display(Markdown("**bold** $x < y$\n\n|a|\n|-|\n|1|"))
display(HTML("<b>b</b>"), Javascript("1"))
display(Image(base64.b64decode("iVBORw0KGgoAAAANSUhEUg==")))
Latex(r"It is $$\tau_1$$" "\n\n" r"\begin{align}a &= b\\c\end{align}")"""
    gone, cleared, *told, outcome = run(tmp_path, source)
    assert outcome == {"outcome": "finished"}, told
    assert gone["text"] == "gone\n"
    assert cleared == {"kind": "clear"}
    markdown, html, script, image, latex = [message["data"] for message in told]
    assert r"<strong>bold</strong>" in markdown["text/html"]
    assert r"\(x &lt; y\)" in markdown["text/html"]
    assert "<td>1</td>" in markdown["text/html"]
    assert html["text/html"] == "<b>b</b>"
    assert script["application/javascript"] == "1"
    assert image["image/png"].strip() == "iVBORw0KGgoAAAANSUhEUg=="
    assert r"\begin{align}a &amp;= b\\c\end{align}" in latex["text/html"]
    assert r"\[\tau_1\]" in latex["text/html"]


def test_a_figure_is_shown_where_the_cell_says_so(tmp_path):
    source = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint('after')"
    kinds = [message.get("kind", message.get("outcome")) for message in run(tmp_path, source)]
    assert kinds == ["display_data", "stream", "finished"]


def test_a_package_that_is_not_there_gets_a_sentence(tmp_path):
    error, _ = run(tmp_path, "import nosuchpackage")
    assert error["text"].startswith("nosuchpackage is not among the packages that run in the browser.")
    assert "Traceback" not in error["text"]


def test_a_package_that_does_not_come_gets_a_sentence(tmp_path):
    archive = tmp_path / "shapes-1.0.zip"
    archives.pack(archive, [("shapes/__init__.py", b"area = 3")])
    lost = f"import os\nos.remove({str(archive)!r})"
    # Not to be taken for a package that one can do without.
    careful = "try:\n    import shapes\nexcept ImportError:\n    pass"
    told = run(tmp_path, lost, careful, packages=[archive])
    assert told[-2]["text"].startswith(
        "shapes is needed here and could not be fetched. See that there is a network"
    )
    assert told[-1] == {"outcome": "failed"}


def test_a_package_is_fetched_when_it_is_imported_first(tmp_path):
    archive = tmp_path / "shapes-1.0.zip"
    archives.pack(archive, [("shapes/__init__.py", b"area = 3"), ("shapes-1.0.dist-info/METADATA", b"")])
    told = run(tmp_path, "1", "from shapes import area\narea", "import shapes", packages=[archive])
    assert [t for t in told if "fetched" in t] == [{"fetched": "shapes-1.0.zip"}]
    assert told.index({"fetched": "shapes-1.0.zip"}) == 2
    assert told[3] == {"kind": "execute_result", "data": {"text/plain": "3"}}


@states("intro.md", "Sampling works too, by a sampler of the book's own that stands in for nutpie")
def test_plain_pymc_takes_the_sampler_of_the_page(tmp_path):
    archive = tmp_path / "pymc-6.0.zip"
    asks = b"class NumbaLinker:\n    pass\ndef takes(linker):\n    return isinstance(linker, NumbaLinker)\n"
    asks += b"def setup_cores_blas_cores(blas, chains, cores, context):\n    return cores\n"
    bar = b"class ProgressBarManager:\n    pass\nNullProgressBackend = str\n"
    files = [
        ("pymc/sampling/mcmc.py", asks),
        ("pymc/progress_bar/progress.py", bar),
        ("pymc/__init__.py", b"import needed, pymc.sampling.mcmc"),
        ("rich/live.py", b"class _RefreshThread:\n    pass\n"),
        ("pymc-6.0.dist-info/METADATA", b""),
    ]
    archives.pack(archive, files)
    needed = tmp_path / "needed-1.0.zip"
    archives.pack(needed, [("needed/__init__.py", b"")])
    alone = "import os, sys\nsys.path[:] = [path for path in sys.path if 'site-packages' not in path]\n"
    # The network is lost between PyMC and what it imports, and comes back.
    lost = f"{alone}os.rename({str(needed)!r}, 'away')\nimport pymc"
    again = (
        f"os.rename('away', {str(needed)!r})\nimport pymc\nfrom pymc.sampling import mcmc\nmcmc.takes('vm')"
    )
    # As many chains as on a computer of four processors, one after another.
    chains = "mcmc._cpu_count(), mcmc.setup_cores_blas_cores(1, 4, 4, None)"
    told = run(tmp_path, lost, again, chains, packages=[archive, needed])
    shown = [one["data"]["text/plain"] for one in told if "data" in one]
    assert shown == ["True", "(4, 1)"]
    (said,) = [message["text"] for message in told if message.get("kind") == "error"]
    assert said.startswith("needed is needed here and could not be fetched")


PLAIN = """
import multiprocessing.process, threading, sys
def start(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = multiprocessing.process.BaseProcess.start = start
sys.path[:0] = [{inside!r}]
import arriving
arriving.begin('{{"files": []}}', None, None)
import pymc as pm
with pm.Model():
    pm.Normal("y", pm.Normal("x"), observed=[1.0, 2.0])
    idata = pm.sample()
    pm.compute_log_likelihood(idata)
    pm.sample_posterior_predictive(idata, extend_inferencedata=True)
    pm.find_MAP()
    two = pm.sample(5, tune=5, cores=2)
    own = pm.sample(5, tune=5, nuts_sampler="pymc")
print(*(fit["posterior"].sizes["chain"] for fit in (two, own)))
print(dict(idata["posterior"].sizes), idata["posterior"].attrs["tuning_steps"], sorted(idata.children))
def endless():
    return endless()
try:
    endless()
except RecursionError:
    print(sys.getrecursionlimit())
"""


@pytest.mark.slow
def test_plain_sampling_needs_no_thread_and_tunes_four_chains(tmp_path):
    path = tmp_path / "plain.py"
    path.write_text(PLAIN.format(inside=str(LIVE / "inside")))
    shutil.copy(LIVE / "stand_ins/nutpie.py", tmp_path)
    node = Path(playwright.__file__).parent / "driver"
    environment = {**os.environ, "PYTHON_CPU_COUNT": "2", "PATH": f"{os.environ['PATH']}{os.pathsep}{node}"}
    done = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    chains, sizes, deepest = done.stdout.splitlines()[-3:]
    assert sizes.startswith("{'chain': 4, 'draw': 1000} 1000 ")
    assert chains == "2 4"  # two where two cores are asked for, as anywhere; those of PyMC's own sampler
    assert "log_likelihood" in sizes
    assert "posterior_predictive" in sizes
    assert deepest == "1500"
    assert "Sampling" not in done.stdout  # no table of a bar


@pytest.mark.parametrize(
    "source",
    [
        "for number in range(5000):\n    display(number)",
        "'a' * 1_000_000",
    ],
)
def test_what_is_shown_without_end_is_cut_too(tmp_path, source):
    *shown, outcome = run(tmp_path, source)
    assert outcome == {"outcome": "finished"}
    assert len(shown) <= 1000
    texts = "".join(message["data"]["text/plain"] for message in shown)
    assert texts.count("… and more: 200,000 characters of a cell are shown.") == 1
    assert len(texts) < 200_100


def test_a_table_without_end_is_cut_to_text(tmp_path):
    source = "class Table:\n    _repr_html_ = lambda self: '<p>' * 100_000\nTable()"
    shown, _, after, _ = run(tmp_path, source, "1")
    assert set(shown["data"]) == {"text/plain"}
    assert after["data"] == {"text/plain": "1"}


def test_streams_that_a_cell_replaces_are_back_in_the_next(tmp_path):
    told = run(tmp_path, "import io, sys\nsys.stdout = io.StringIO()\nprint('lost')", "print('seen')")
    assert {"kind": "stream", "name": "stdout", "text": "seen\n"} in told


def test_tables_and_figures_have_the_forms_that_a_notebook_gives_them(tmp_path):
    told = run(
        tmp_path,
        "import pandas as pd\npd.DataFrame({'a': [1]})",
        "import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()",
        "display(figure)\nfigure",
    )
    shown = [message["data"] for message in told if "data" in message]
    assert {"text/plain", "text/html"} == set(shown[0])
    # Left open, displayed, and the last value: three pictures.
    assert [set(data) for data in shown[1:]] == [{"text/plain", "image/png"}] * 3


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        ("print('mean 7.4')\n'± 2'", "different"),
        ("print('mean 7.4')", "stated"),
        ("print('mean   6.9', end='')", "stated"),
        ("print('mean 9.4')", "different"),
        ("import sys\nprint('mean 7.0')\nprint('noise', file=sys.stderr)", "stated"),
    ],
)
def test_what_is_printed_is_compared_as_in_the_tests_of_pages(tmp_path, source, outcome):
    assert run(tmp_path, source, expect="mean ~[6.9, 7.9]\n")[-1] == {"outcome": outcome}


# The archives --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("numpy/core.py", True),
        ("numpy/core.so", False),
        ("pandas/tests/test_a.py", False),
        ("scipy/special.pyi", False),
        ("arviz-1.dist-info/METADATA", True),
    ],
)
def test_only_what_can_run_is_sent(name, kept):
    assert archives.is_run(name) == kept
    assert archives.is_run("numpy/core.so", compiled=True)


def held(archive):
    """Return what an archive that is sent holds, by name."""
    with zipfile.ZipFile(archive) as opened, zipfile.ZipFile(io.BytesIO(opened.read("files"))) as piece:
        assert opened.read("names").decode().split("\n") == piece.namelist()
        return {name: piece.read(name).decode() for name in piece.namelist()}


def test_an_archive_depends_on_its_contents_only(tmp_path):
    members = [("b.py", b"b"), ("a.py", b"a"), ("a-1.dist-info/METADATA", b"Name: a")]
    for make in (archives.write, archives.pack):
        make(tmp_path / "one.zip", members)
        make(tmp_path / "two.zip", members[::-1])
        assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert archives.modules(tmp_path / "one.zip") == ["a", "b"]
    assert held(tmp_path / "one.zip") == {name: content.decode() for name, content in members}


def test_what_is_not_as_listed_is_refused(tmp_path, monkeypatch):
    carried = tmp_path / "carried"
    carried.mkdir()
    for line in (LIVE / "wheels.txt").read_text().splitlines():
        (carried / line.split()[1]).write_bytes(b"something else")
    monkeypatch.setattr(assemble, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(assemble, "CARRIED", carried)
    with pytest.raises(SystemExit, match=r"^pyodide.mjs is not what Pyodide's lock says"):
        assemble.compiled()
    assert not list((tmp_path / "cache").rglob("*.mjs"))


def test_another_loader_than_the_known_one_is_refused():
    known = "".join(f"{old} " for old in quick_start.LOOP)
    assert quick_start.shorten(known.encode()).decode().split() != known.split()
    with pytest.raises(SystemExit, match="times, not once: see LOOP in"):
        quick_start.shorten(known.replace("GOT={}", "G={}").encode())


def test_what_cannot_be_compiled_is_said_and_stays_for_the_next_command(tmp_path, monkeypatch):
    (tmp_path / "pyodide").mkdir()
    archives.write(tmp_path / "sources/shapes-1.0.zip", [("shapes/__init__.py", b"area = 3")])
    engine = tmp_path / "engine"
    engine.write_text("#!/bin/sh\necho out of order >&2\nexit 1\n")
    engine.chmod(0o755)
    monkeypatch.setattr(quick_start, "compute_driver_executable", lambda: (engine, ""))
    with pytest.raises(SystemExit, match="Packages for the page could not be compiled: out of order"):
        quick_start.compile_sources(tmp_path)
    assert (tmp_path / "sources/shapes-1.0.zip").exists()
    # An engine that works: what was left is packed and gone from there.
    archives.pack(tmp_path / "packed/shapes-1.0.zip", [("shapes/__init__.py", b"area = 3")])
    compiled = f"cp -r {tmp_path}/packed {tmp_path}/sources/compiled"
    engine.write_text(f"#!/bin/sh\n{compiled}\n")
    (tmp_path / "files").mkdir()
    quick_start.compile_sources(tmp_path)
    assert archives.modules(tmp_path / "files/shapes-1.0.zip") == ["shapes"]
    assert not (tmp_path / "sources").exists()


def test_of_two_commands_at_once_one_waits(tmp_path, monkeypatch):
    def complete(folder, *, without, for_class):
        folder.mkdir()  # or fails
        time.sleep(0.1)
        folder.rmdir()

    monkeypatch.setattr(assemble, "ROOT", tmp_path)
    monkeypatch.setattr(assemble, "complete", complete)
    monkeypatch.setattr(sys, "argv", ["assemble.py", str(tmp_path)])
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: assemble.main(), range(3))) == [None] * 3


def test_the_book_within_has_what_pages_import_and_what_answers_are_checked_by(tmp_path, monkeypatch):
    monkeypatch.setattr(assemble, "CACHE", tmp_path)
    archive = assemble.own()
    assert {
        "support",
        "tooling",
        "hierarchical_exact",
        "notebook_marking",
        "myst_nb",
        "rpds",
        "watermark",
    } <= set(archives.modules(archive))
    assert {
        "support/data/forms.json",
        "pyproject.toml",
        "solutions/tau-prior.md",
        "solutions/keys/tau_prior.py",
    } <= set(held(archive))


def test_a_class_gets_no_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(assemble, "CACHE", tmp_path)
    names = held(assemble.own(for_class=True))
    text = " ".join(names.values())
    assert "support/exercises/__init__.py" in names
    assert not [name for name in names if name.startswith(("solutions/", "tooling/audit/", "pyproject"))]
    # No line of a key, and no group of the audit's that is an exercise's.
    keys = {line.strip() for path in ROOT.glob("solutions/keys/*.py") for line in path.open(encoding="utf8")}
    assert not [line for line in keys if line.startswith("return ") and len(line) > 40 and line in text]
    assert "exercise-1-factors" not in text


def test_pages_of_a_class_that_import_the_audit_stay_as_printed(tmp_path):
    script = '<script data-page="x" defer="defer" src="../_static/../live/page.js"></script>\n<p>'
    for name, source in {"a": "from tooling.audit import runs", "b": "import numpy"}.items():
        page, notebook = tmp_path / f"{name}.html", tmp_path / f"_sources/{name}.ipynb"
        notebook.parent.mkdir(exist_ok=True)
        page.write_text(script)
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), notebook)
    assert assemble.stay_as_printed(tmp_path) == {tmp_path / "_sources/a.ipynb"}
    assert [(tmp_path / f"{name}.html").read_text() for name in "ab"] == ["<p>", script]


def test_versions_and_licences_stand_side_by_side(tmp_path):
    archive = tmp_path / "numpy.zip"
    stated = b"Name: numpy\nVersion: 1.2.3\nClassifier: License :: OSI Approved :: BSD License\n"
    archives.pack(archive, [("numpy-1.2.3.dist-info/METADATA", stated), ("numpy/__init__.py", b"")])
    archives.pack(tmp_path / "book.zip", [("support/__init__.py", b"")])
    soup = BeautifulSoup(assemble.versions([archive, tmp_path / "book.zip"]), "html.parser")
    rows = [[cell.text for cell in row.find_all(["th", "td"])] for row in soup.select("tbody tr")]
    assert rows[1][:3] == ["Python", "3.14", platform.python_version()]
    assert rows[2][0] == "JupyterLite"
    assert rows[3:] == [["numpy", "1.2.3", np.__version__, "BSD License"]]


def test_without_what_it_fetches_no_page_promises_anything(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(assemble, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(sys, "argv", ["assemble.py", str(tmp_path)])
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "worker.js").write_text("left from an earlier build")
    assemble.main()
    assert [path.name for path in (tmp_path / "live").iterdir()] == ["page.js"]
    assert (tmp_path / "live" / "page.js").read_text() == assemble.EMPTY
    assert capsys.readouterr().out.endswith("Cells do not run in the page\n")  # it may wait for a build


@pytest.mark.browser
def test_a_book_without_live_parts_promises_and_loads_nothing_and_says_so(browser, tmp_path):
    html = tmp_path / "html"
    shutil.copytree(build_book(), html, copy_function=archives.link)
    assemble.leave_out(html / "live")
    context = browser.new_context()
    asked, faults = [], []
    context.on("request", lambda request: asked.append(request.url))
    context.on("response", lambda answer: faults.append(answer.url) if answer.status >= 400 else None)
    context.on("weberror", lambda found: faults.append(str(found.error)))
    with serving(html) as address:
        page = context.new_page()
        for name in ("chapters/recap.html", "exercises/shrinkage-arithmetic.html"):
            page.goto(address + name, wait_until="load")
            assert page.locator(".extra_footer").inner_text().endswith("names other ways.")
            assert page.locator("[class*='live-']").count() == 0
            assert page.get_by_role("button", name=re.compile("^(Run|Edit|Reset|Download for)")).count() == 0
            page.get_by_role("button", name="Launch interactive content").click()
            assert page.locator(".dropdown-launch-buttons .dropdown-item:visible").count() == 1  # Binder
    assert faults == []
    assert {url.removeprefix(address) for url in asked if "live/" in url} == {"live/page.js"}
    context.close()


def test_the_stand_in_for_watermark_gives_the_versions_of_what_is_imported():
    spec = importlib.util.spec_from_file_location("stand_in", LIVE / "stand_ins" / "watermark.py")
    ours = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ours)
    said = ours.watermark(python=True, iversions=True, globals_={"np": np, "s": sys, "n": 3})
    assert said == f"Python version: {platform.python_version()}\n\nnumpy: {np.__version__}"


def test_the_stand_in_for_rpds_is_as_the_compiled_one():
    spec = importlib.util.spec_from_file_location("stand_in", LIVE / "stand_ins" / "rpds.py")
    ours = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ours)
    for module in (ours, rpds):
        one = module.HashTrieMap({"a": 1})
        two = one.insert("b", 2).update({"c": 3}).remove("a")
        assert (dict(one), dict(two)) == ({"a": 1}, {"b": 2, "c": 3})
        assert dict(module.HashTrieMap.convert({"a": 1})) == {"a": 1}
        assert set(module.HashTrieSet(["a"]).insert("b").update("c", ["d", "e"]).discard("e")) == {*"abcd"}
        assert list(module.List([2, 3]).push_front(1)) == [1, 2, 3]


# Notebooks -----------------------------------------------------------------------------------


def test_jupyterlite_gets_the_notebooks_of_pages_with_code_and_lists_them(tmp_path):
    sources, code = tmp_path / "sources", nbformat.v4.new_code_cell("1")
    for name, cells in {"chapters/a": [code], "exercises/b": [code], "chapters/prose": []}.items():
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Install."), *cells])
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, sources / f"{name}.ipynb")
    unpacked = tmp_path / "unpacked"
    (unpacked / "kernel").mkdir(parents=True)
    (unpacked / "build").mkdir()
    (unpacked / "build/jlab_core.1.js").write_text(f"{{{lite.SAVE}}}")
    lite.put(unpacked, tmp_path / "lite", sources)
    assert (tmp_path / "lite/build/jlab_core.1.js").read_text() == f"{{{lite.SAVE_IN_TURN}}}"
    assert lite.SAVE in (unpacked / "build/jlab_core.1.js").read_text()
    listed = {
        path.parent.relative_to(tmp_path / "lite/api/contents").as_posix(): [
            (one["path"], one["type"]) for one in json.loads(path.read_text())["content"]
        ]
        for path in (tmp_path / "lite/api").rglob("all.json")
    }
    assert listed == {
        ".": [("chapters", "directory"), ("exercises", "directory")],
        "chapters": [("chapters/a.ipynb", "notebook")],
        "exercises": [("exercises/b.ipynb", "notebook")],
    }
    assert not (tmp_path / "lite/kernel").exists()  # its archives are among the packages
    first = {
        name: nbformat.read(tmp_path / "lite/files" / f"{name}.ipynb", as_version=4).cells[0].source
        for name in ("chapters/a", "exercises/b")
    }
    assert "on this device only" in " ".join(first["chapters/a"].split())
    assert ["To hand it in" in text for text in first.values()] == [False, True]


def test_of_jupyterlite_only_what_its_three_apps_need_is_sent():
    sent = ["notebooks/index.html", "build/1.js", "build/tree/bundle.js", "index.html", "service-worker.js"]
    assert all(map(lite.SENT.match, sent))
    assert not any(
        map(lite.SENT.match, ["build/lab/bundle.js", "lab/index.html", "repl/index.html", "x.json"])
    )


@pytest.mark.browser
def test_under_the_policy_run_scripts_that_the_build_wrote_and_no_others(browser, tmp_path):
    ours = "<script>window.ours = 1</script><button onclick=\"window.pressed = '1 &amp; 2'\">Press</button>"
    theirs = '<script>window.theirs = 1</script><img src="none" onerror="window.theirs = 2">'
    (tmp_path / "built.html").write_text(f'<script type="application/json">[1]</script>{ours}')
    headers = {"content-type": "text/html", "content-security-policy": policy(tmp_path).strip()}
    page = browser.new_page()
    page.route("**", lambda route: route.fulfill(body=f"{ours}{theirs}", headers=headers))
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto("http://localhost/")
    page.get_by_text("Press").click()
    assert page.evaluate("[window.ours, window.pressed, window.theirs]") == [1, "1 & 2", None]
    assert sum("Content Security Policy" in text for text in said) == 2, said
    page.close()


def test_what_was_fetched_for_another_list_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(assemble, "CACHE", tmp_path)
    assert not assemble.is_fetched()
    # The set-up names the same files, or nothing it fetches would ever count.
    assert f"&& cat {' '.join(assemble.KEPT_FOR)})" in (ROOT / "tooling/scripts/setup.sh").read_text()
    listed = [(LIVE / name).read_text() for name in assemble.KEPT_FOR]
    (tmp_path / "stamp").write_text("".join(listed))
    assert assemble.is_fetched()
    (tmp_path / "stamp").write_text("of old\n" + "".join(listed))
    assert not assemble.is_fetched()


@pytest.mark.parametrize("damage", ["cut", "gone", "list", "carrier"])
def test_what_is_damaged_is_said_and_made_anew(damage, tmp_path, monkeypatch):
    cache = tmp_path / "live"
    monkeypatch.setattr(assemble, "CACHE", cache)
    for name in ("files/numpy-1.zip", "files/book-1.zip", "pyodide/pyodide.asm.wasm.gz", "lite/index.html"):
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text("whole")
    monkeypatch.setattr(assemble, "CARRIED", cache / "carrier/pyodide")
    assemble.CARRIED.mkdir(parents=True)
    app = cache / "carrier/jupyterlite_core/jupyterlite-app-1.tgz"
    app.parent.mkdir()
    app.touch()
    if damage == "carrier":  # and no list, as after a `make clean` that was stopped
        app.unlink()
    else:
        assemble.drop_if_damaged()  # nothing is known of what was there
        (cache / "sizes.json").write_text(json.dumps(assemble.sizes()))
    (cache / "files/book-1.zip").unlink()  # which follows the book
    (cache / "files/scipy-2.zip").write_text("new")
    if damage != "carrier":
        assemble.drop_if_damaged()
    if damage == "list":
        (cache / "sizes.json").write_text("")
    elif damage == "carrier":
        assert not (cache / "sizes.json").exists()
    elif damage == "gone":
        (cache / "lite/index.html").unlink()
    else:
        (cache / "pyodide/pyodide.asm.wasm.gz").write_text("")
    with pytest.raises(
        SystemExit, match=r"is damaged or gone: all of .* has been removed. Run make book again"
    ):
        assemble.drop_if_damaged()
    assert not cache.exists()
