"""The build on a small book of its own: what fails it, and what is executed again."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from front_matter import NOTEBOOK
from nbformat.v4 import new_output

from tooling.scripts import build as scripts_build

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]

PAGE = (
    NOTEBOOK
    + """\
# Page {name}

A link to {{ref}}`the glossary <words>`, and mathematics: $\\boldsymbol{{\\theta}}$.

```{{code-cell}} ipython3
{code}
```
"""
)
MODULE_PAGE = PAGE.format(name="one", code="from support import numbers\nprint(numbers.ANSWER)")
DATA_PAGE = PAGE.format(
    name="two",
    code="""\
---
mystnb: {image: {alt: "A line"}, figure: {caption: "**Figure 1** — the caption", name: "fig-1"}}
---
import matplotlib.pyplot as plt
import numpy as np
from myst_nb import glue
number = open("../support/data/number.txt").read()
plt.plot([0, 1])
plt.title(number)
print(f"The data say {number}")
glue("number", np.float64(number) / 1000, display=False)""",
).replace("# Page two", "# Page two\n\nOf a thousand: {glue:text}`number:.2f`.")


WORDS = """\
(words)=
# Words

Nothing to execute here.

```{glossary}
pooling
  What some do, and some do not.

partial pooling
  {term}`pooling`, in part.
```
"""


@pytest.fixture(scope="module")
def built_book(tmp_path_factory):
    """Build a small book with the configuration of the real one and two notebooks, once."""
    root = tmp_path_factory.mktemp("books") / "book"
    for name in ("_config.yml", "references.bib", "requirements.txt"):
        write(root / name, (ROOT / name).read_text())
    for name in ("tooling/extensions", "tooling/extra", "_static", "tooling/templates"):
        shutil.copytree(ROOT / name, root / name)
    toc = "format: jb-book\nroot: intro\nchapters:\n"
    write(root / "_toc.yml", toc + "  - file: chapters/one\n  - file: chapters/two\n")
    write(root / "intro.md", WORDS)
    write(root / "chapters/one.md", MODULE_PAGE)
    write(root / "chapters/two.md", DATA_PAGE)
    # What tests and benchmarks leave beside the pages is none of the book's business.
    for name in (".pytest_cache", ".tools", "benchmarks", "tests/data", "support/data"):
        write(root / name / "README.md", "# Not a page\n")
    write(root / "support/__init__.py", "")
    write(root / "support/numbers.py", "ANSWER = 4711\n")
    write(root / "support/data/number.txt", "1234")
    process = build(root)
    assert executed(process) == {"one", "two"}
    last_line = process.stdout.strip().splitlines()[-1]
    assert re.fullmatch(r"Finished in [\d.]+ s\. Open .*_build/html/index\.html", last_line)
    return root


@pytest.fixture
def book(built_book, tmp_path):
    """Return a copy of the built book, which a test may change and build again."""
    return shutil.copytree(built_book, tmp_path / "book")


def write(path, text):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)


def build(book):
    """Run the build as make does; return the finished process."""
    return subprocess.run(
        [sys.executable, ROOT / "tooling/scripts/build.py", book],
        capture_output=True,
        text=True,
        check=False,
    )


def executed(process):
    """Return the names of the pages that a successful build says it executed."""
    assert process.returncode == 0, process.stdout + process.stderr
    return set(re.findall(r"^  chapters/(\w+)\.md  [\d.]+ s", process.stdout, re.MULTILINE))


def shown(book, name):
    """Return what a reader sees of a page."""
    html = (book / "_build/html/chapters" / f"{name}.html").read_text()
    return BeautifulSoup(html, "html.parser").find("article").get_text()


def test_outputs_are_shown_and_nothing_is_executed_twice(book):
    assert "4711" in shown(book, "one")
    assert "The data say 1234" in shown(book, "two")
    assert executed(build(book)) == set()
    assert "4711" in shown(book, "one")


def test_a_page_that_was_lost_or_cut_short_is_made_again(book):
    page = book / "_build/html/chapters/one.html"
    whole = page.read_bytes()
    page.write_bytes(whole[:-20])
    assert executed(build(book)) == set()
    assert page.read_bytes() == whole
    page.unlink()
    assert executed(build(book)) == set()
    assert page.read_bytes() == whole


def test_the_same_sources_make_the_same_pages_to_the_byte(book):
    """Twice from the same outputs, in two processes."""

    def made():
        assert executed(build(book)) == set()
        html = book / "_build/html"
        return {path.relative_to(html): path.read_bytes() for path in html.rglob("*") if path.is_file()}

    (book / "_build/built-from").unlink()
    first = made()
    (book / "_build/built-from").unlink()
    second = made()
    assert first.keys() == second.keys()
    assert [name for name, content in first.items() if content != second[name]] == []
    assert any("fig" in name.stem or name.suffix == ".png" for name in first)


def test_only_the_edited_page_is_executed_again(book):
    with (book / "chapters/one.md").open("a") as page:
        page.write("\n```{code-cell} ipython3\nprint(6 * 7, 'more')\n```\n")
    assert executed(build(book)) == {"one"}
    assert "42 more" in shown(book, "one")


def test_what_was_executed_elsewhere_is_published_and_not_executed_again(book):
    path = book / "chapters/one.md"
    write(path, MODULE_PAGE + "\n```{code-cell} ipython3\nprint('another cell')\n```\n")
    notebook = scripts_build.read_notebook(path)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells, start=1):
        cell.execution_count = number
        cell.outputs = [new_output("stream", name="stdout", text=f"shown by cell {number}\n")]
    scripts_build.keep(book, path, notebook, scripts_build.fingerprint(book))
    assert executed(build(book)) == set()
    assert "shown by cell 2" in shown(book, "one")


def test_what_was_executed_before_an_edit_is_not_kept(book):
    page, module = book / "chapters/one.md", book / "support/numbers.py"
    notebook = scripts_build.read_notebook(page)
    cache = scripts_build.open_cache(scripts_build.prepare_cache(book))
    before, begun = module.read_text(), scripts_build.fingerprint(book)
    cache.clear_cache()
    write(module, "ANSWER = 5\n")
    os.utime(module, (0, 0))  # as of one that was moved here
    scripts_build.keep(book, page, notebook, begun)
    write(module, before)
    write(page, MODULE_PAGE.replace("ANSWER)", "ANSWER + 1)"))
    scripts_build.keep(book, page, notebook, begun)
    assert cache.list_cache_records() == []
    write(page, MODULE_PAGE)
    scripts_build.keep(book, page, notebook, begun)
    assert len(cache.list_cache_records()) == 1


def test_an_edit_to_a_module_while_pages_run_keeps_nothing(book):
    edits = "import pathlib\npathlib.Path('../support/numbers.py').write_text('ANSWER = 5\\n')"
    write(book / "chapters/two.md", PAGE.format(name="two", code=edits))
    process = build(book)
    assert process.returncode == 1
    assert "edited while they ran: run make book again" in process.stderr
    write(book / "chapters/two.md", DATA_PAGE)
    assert "one" in executed(build(book))


def test_an_edit_that_is_undone_after_a_failure_has_left_nothing(book):
    """One page runs with the edit and passes; the other makes it, and fails."""
    module = book / "support/numbers.py"
    before = module.read_text()
    waits = "import pathlib, time\nwhile not pathlib.Path('edited').exists(): time.sleep(.05)\n"
    one = MODULE_PAGE.replace("from support", waits + "from support")
    edits = f"import pathlib\npathlib.Path({str(module)!r}).write_text('ANSWER = 5\\n')\n"
    two = PAGE.format(name="two", code=f"{edits}pathlib.Path('edited').touch()\n1 / 0")
    write(book / "chapters/one.md", one)
    write(book / "chapters/two.md", two)
    assert build(book).returncode == 1
    assert module.read_text() != before
    module.write_text(before)
    write(book / "chapters/two.md", DATA_PAGE)
    assert "one" in executed(build(book))
    assert "4711" in shown(book, "one")


@pytest.mark.parametrize("name", ["searchindex.js", "_static", "chapters/one.html"])
def test_a_damaged_book_is_built_again(book, name):
    assert "Nothing has changed" in build(book).stdout
    path = book / "_build/html" / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.write_bytes(b"")
    assert "Nothing has changed" not in build(book).stdout
    assert path.is_dir() or path.stat().st_size > 100


def test_a_preview_says_where_its_page_is_or_that_there_is_none(book, tmp_path):
    def preview(page):
        command = [sys.executable, ROOT / "tooling/scripts/build.py", book, "--only", page]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    for page in ("chapters/one.md", book / "chapters/one.md"):
        process = preview(page)
        assert process.returncode == 0, process.stderr
        assert Path(process.stdout.rstrip().partition("Open ")[2]).is_file()
    write(tmp_path / "elsewhere.md", MODULE_PAGE)
    process = preview(tmp_path / "elsewhere.md")
    assert process.returncode == 1
    assert "does not lie in" in process.stderr
    config = (book / "_config.yml").read_text()
    write(book / "_config.yml", config.replace("extra_extensions: [", "extra_extensions: [no_such, "))
    process = preview("chapters/one.md")
    assert process.returncode == 1
    assert process.stderr.endswith("chapters/one.md could not be built: see the messages above.\n")


def test_a_number_edited_in_a_module_reaches_the_page(book):
    write(book / "support/numbers.py", "ANSWER = 4712\n")
    assert "one" in executed(build(book))
    assert "4712" in shown(book, "one")


def test_a_number_edited_in_a_data_file_reaches_the_page(book):
    write(book / "support/data/number.txt", "5678")
    assert "two" in executed(build(book))
    assert "The data say 5678" in shown(book, "two")
    assert "Of a thousand: 5.68." in shown(book, "two")


def test_an_edited_caption_or_sentence_reaches_the_page(book):
    write(book / "chapters/two.md", DATA_PAGE.replace("the caption", "a better caption"))
    write(book / "chapters/one.md", MODULE_PAGE.replace("A link", "Another link"))
    assert executed(build(book)) == {"two"}
    assert "a better caption" in shown(book, "two")
    assert "Another link" in shown(book, "one")


def test_the_fingerprint_covers_all_that_outputs_depend_on(tmp_path, monkeypatch):
    fingerprint = runpy.run_path(str(ROOT / "tooling/scripts/build.py"))["fingerprint"]
    write(tmp_path / "requirements.txt", "numpy==2.0\n")
    fingerprints = [fingerprint(tmp_path)]
    package = "packages/some-package"
    for name in (
        "requirements.txt",
        "support/new/module.py",
        "support/data/number.txt",
        "tooling/audit/data/stated.yaml",
        "tooling/explorers/prior.py",
        f"{package}/some_package/__init__.py",
        f"{package}/some_package/data/table.csv",
    ):
        write(tmp_path / name, "changed")
        fingerprints.append(fingerprint(tmp_path))
    (tmp_path / "support/data/number.txt").rename(tmp_path / "support/data/renamed.txt")
    fingerprints.append(fingerprint(tmp_path))
    monkeypatch.setenv("BOOK_SEED", "7")
    fingerprints.append(fingerprint(tmp_path))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    fingerprints.append(fingerprint(tmp_path))
    write(tmp_path / "site/matplotlib-3.9.0.dist-info/RECORD", "")
    monkeypatch.setattr("sysconfig.get_path", lambda name: tmp_path / "site")
    fingerprints.append(fingerprint(tmp_path))
    (tmp_path / "site/matplotlib-3.9.0.dist-info").rename(tmp_path / "site/matplotlib-3.10.0.dist-info")
    fingerprints.append(fingerprint(tmp_path))
    monkeypatch.setattr("platform.machine", lambda: "another kind of processor")
    fingerprints.append(fingerprint(tmp_path))
    monkeypatch.setattr("sys.version", "another interpreter")
    fingerprints.append(fingerprint(tmp_path))
    assert len(set(fingerprints)) == len(fingerprints)

    plugin = "packages/myst-nbval/myst_nbval/__init__.py"
    for name in ("support/__pycache__/module.pyc", "chapters/one.md", f"{package}/README.md", plugin):
        write(tmp_path / name, "of no consequence")
    assert fingerprint(tmp_path) == fingerprints[-1]


def test_raising_cells_fail_the_build_each_time(book):
    broken = MODULE_PAGE + "\n```{code-cell} ipython3\nvalue = 0\n1 / value\n```\n"
    write(book / "chapters/one.md", broken)
    write(book / "chapters/two.md", PAGE.format(name="two", code="import os\nos._exit(1)"))
    line = broken.splitlines().index("value = 0")
    for _ in range(2):
        process = build(book)
        assert process.returncode == 1
        assert f"chapters/one.md:{line}: code cell 2 failed" in process.stderr
        assert "ZeroDivisionError: division by zero" in process.stderr
        assert "1 / value" in process.stderr
        assert re.search(r"chapters/two\.md:\d+: code cell 1 failed\nKernel died", process.stderr)
        assert "Open" not in process.stdout


def test_a_broken_reference_fails_the_build_each_time(book):
    write(book / "chapters/one.md", MODULE_PAGE.replace("<words>", "<no-such-label>"))
    for _ in range(2):
        process = build(book)
        assert process.returncode == 1
        assert "no-such-label" in process.stderr
        assert "chapters/one.md" in process.stderr


def test_a_page_that_is_missing_or_unreadable_fails_the_build(book):
    write(book / "chapters/two.md", PAGE.format(name="two", code="---\na: b: c\n---\n1 + 1"))
    process = build(book)
    assert process.returncode == 1
    assert re.match(r".*chapters/two\.md: Code cell 1 at line \d+", process.stderr)

    (book / "chapters/two.md").unlink()
    process = build(book)
    assert process.returncode == 1
    assert "chapters/two.md: no such page" in process.stderr


def test_pages_load_nothing_from_elsewhere(built_book):
    html = built_book / "_build/html"
    pages = [path for path in html.rglob("*.html") if "_static" not in path.parts]
    assert len(pages) >= 4
    for path in pages:
        soup = BeautifulSoup(path.read_text(), "html.parser")
        for address in loaded(soup):
            assert not re.match(r"(https?:)?//", address), f"{path.name} loads {address}"
            if not address.startswith("data:"):
                file = (path.parent / address.split("?")[0].split("#")[0]).resolve()
                assert file.exists(), f"{path.name} loads {address}, which is not there"
    for path in html.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", path.read_text()), path


def test_each_notebook_has_a_button_that_opens_it_on_binder(built_book):
    for name in ("one", "two"):
        html = (built_book / "_build/html/chapters" / f"{name}.html").read_text()
        addresses = [link["href"] for link in BeautifulSoup(html, "html.parser").select("a[href]")]
        (binder,) = [address for address in addresses if "mybinder.org" in address]
        assert binder.endswith(f"?urlpath=lab/tree/chapters/{name}.md")


def loaded(soup):
    """Return the addresses that a browser fetches to show a page."""
    for tag in soup.select("script[src], img[src], iframe[src], source[src], video[src]"):
        yield tag["src"]
    for tag in soup.select("link[href]"):
        if set(tag["rel"]) & {"stylesheet", "preload", "icon", "modulepreload", "manifest"}:
            yield tag["href"]
