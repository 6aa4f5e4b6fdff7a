"""The edition for a class: no trace of a solution in it, and the full book stays as it is."""

import json
import re
import runpy
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import jupytext
import pytest
import yaml
from bs4 import BeautifulSoup
from front_matter import NOTEBOOK

ROOT = Path(__file__).resolve().parents[2]
BUILD = runpy.run_path(str(ROOT / "tooling/scripts/build.py"))
NO_PAGES = {"README.md", "INSTRUCTORS.md", "CONTRIBUTING.md", "CHANGELOG.md"}
RUN = 8  # so many words in a row, found nowhere else, are a trace

EXERCISE = """\
(exercise-1)=
# Exercise 1

:::{seealso}
[Worked solution](solution-1)
:::

What is six times seven?
"""
SOLUTION = """\
(solution-1)=
# Solution 1

The [exercise](exercise-1) asks for a product. Whoever adds seven to itself, five times over, finds forty-two.

```{code-cell} ipython3
product_of_both = 6 * 7
print("It is", product_of_both)
```
"""
WORDS = """\
# Words

For all.

<!-- not for a class -->
For readers of the solutions: [the first](solution-1).

<!-- end -->
<!-- for a class
For a class, which has [the exercise](exercise-1) only.
-->
"""
TOC = {
    "format": "jb-book",
    "root": "intro",
    "chapters": [
        {"file": "exercises/one", "sections": [{"file": "solutions/one"}]},
        {"file": "solutions/two"},
        {"file": "chapters/one"},
    ],
}


def write(path, text):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)


def build(book, *options):
    """Run the build as make does, and return what it says."""
    process = subprocess.run(
        [sys.executable, ROOT / "tooling/scripts/build.py", book, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "Traceback" not in process.stdout + process.stderr
    return process.stdout


# What goes into it -------------------------------------------------------------------------


def test_the_contents_lose_solutions_wherever_they_stand():
    assert BUILD["toc_for_class"](TOC)["chapters"] == [{"file": "exercises/one"}, {"file": "chapters/one"}]
    parts = [{"caption": "A", "chapters": [{"file": "solutions/x"}]}, {"chapters": [{"file": "y"}]}]
    assert BUILD["toc_for_class"]({"parts": parts}) == {"parts": [{"chapters": [{"file": "y"}]}]}
    plain = {"root": "intro", "chapters": [{"file": "a", "sections": [{"file": "b"}]}]}
    assert BUILD["toc_for_class"](plain) == plain


def test_a_page_says_to_a_class_what_it_should():
    text = BUILD["text_for_class"](WORDS)
    assert text == "# Words\n\nFor all.\n\nFor a class, which has [the exercise](exercise-1) only.\n"
    assert "solution" not in BUILD["text_for_class"](EXERCISE)
    assert BUILD["text_for_class"](SOLUTION) == SOLUTION


def test_every_mark_in_a_page_is_closed():
    for path, text in pages_for_class(ROOT).items():
        for mark in ("<!-- not for a class", "<!-- for a class", "<!-- end -->"):
            assert mark not in text, path


def test_no_page_for_a_class_leads_to_a_solution():
    names = set().union(*(re.findall(r"^\(([\w-]+)\)=", page, re.MULTILINE) for page in solutions(ROOT)))
    assert len(names) > 8
    pages = pages_for_class(ROOT)
    assert len(pages) > 15
    for path, text in pages.items():
        targets = re.findall(r"\]\(#?([^)]+)\)|`[^`<]*<?([^`<>]+)>?`", text)
        leading = {target for pair in targets for target in pair if target}
        assert leading & names == set(), path
        assert not any("solutions/" in target for target in leading), path


@pytest.mark.slow
def test_a_small_book_in_both_editions(tmp_path):
    for name in ("_config.yml", "references.bib", "requirements.txt"):
        write(tmp_path / name, (ROOT / name).read_text())
    for name in ("tooling/extensions", "tooling/extra", "_static", "tooling/templates"):
        shutil.copytree(ROOT / name, tmp_path / name)
    write(tmp_path / "support/__init__.py", "")
    write(tmp_path / "_toc.yml", yaml.safe_dump(TOC))
    write(tmp_path / "intro.md", WORDS)
    write(tmp_path / "exercises/one.md", NOTEBOOK + EXERCISE)
    write(tmp_path / "solutions/one.md", NOTEBOOK + SOLUTION)
    write(tmp_path / "solutions/two.md", "# Another solution\n\nNothing.\n")
    write(tmp_path / "chapters/one.md", NOTEBOOK + "# One\n\n```{code-cell} ipython3\nprint(5 - 4)\n```\n")

    build(tmp_path)
    full = tmp_path / "_build/html"
    before = {path: path.read_bytes() for path in full.rglob("*") if path.is_file()}
    said = build(tmp_path, "--class")
    html = tmp_path / "_build/class/html"
    assert f"Open {html / 'index.html'}" in said
    assert "0 of 2 notebooks to execute" in said, "both editions share what was executed"
    assert traces(html, tmp_path) == []
    assert "For a class" in (html / "intro.html").read_text()
    assert "Worked solution" not in (html / "exercises/one.html").read_text()

    assert {path: path.read_bytes() for path in full.rglob("*") if path.is_file()} == before
    assert "Worked solution" in (full / "exercises/one.html").read_text()
    assert (full / "solutions/one.html").exists()
    assert traces(full, tmp_path) != []
    # A sentence, a line of code or a label that gets into the edition is found.
    sentence = "whoever ADDS seven to <b>itself</b>, five times over"
    for trace in (sentence, "product_of_both = 6 * 7", "solution-1"):
        write(html / "stray.html", f"<p>{trace}</p>")
        assert traces(html, tmp_path) != [], trace
    write(html / "stray.html", "<p>Harmless</p>")
    write(html / "_sources/stray.md", "Whoever adds seven to itself, five times over")
    assert traces(html, tmp_path) != []


# The book ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_book_for_a_class_has_no_trace_of_a_solution():
    build(ROOT, "--class")
    html = ROOT / "_build/class/html"
    exercises = {path.stem for path in (ROOT / "exercises").glob("*.md")}
    assert exercises
    assert exercises <= {path.stem for path in (html / "exercises").glob("*.html")}
    assert traces(html, ROOT) == []
    audit = (html / "chapters/audit.html").read_text()
    assert 'id="audit-eight-schools-summary"' in audit
    assert "This edition is for a class" in audit
    for name in ("stated", "claims"):
        for entry in yaml.safe_load((ROOT / f"tooling/audit/data/{name}.yaml").read_text()):
            shown = f'id="audit-{entry["id"]}"' in audit
            assert shown == (not entry["page"].startswith("solutions/")), entry["id"]


def traces(html, book):
    """Return what in a built edition comes from the solutions, and from nowhere else."""
    engine = (book / "packages/hierarchical-exact").rglob("*.py")  # its reference is in the edition, too
    known = [*pages_for_class(book).values(), *(path.read_text() for path in engine)]
    secrets = solution_runs(book).difference(*map(runs, known))
    # How every comparison ends, on pages of all kinds, after whatever number.
    secrets = {run for run in secrets if "quantiles 5 50 95" not in " ".join(run)}
    lines = {line for line in solution_lines(book) if not any(line in page for page in known)}
    label = re.compile(r"^\((solution-[\w-]+)\)=", re.MULTILINE)
    labels = {name for page in solutions(book) for name in label.findall(page)}
    found = []
    for path in sorted(html.rglob("*")):
        if not path.is_file() or "_static" in path.parts or "mathjax" in path.parts:
            continue
        text = readable(path)
        if (path.parent / path.stem).name in {"solutions"} or "solutions" in path.relative_to(html).parts:
            found.append(f"{path}: a page of the solutions")
        found += [f"{path}: label {label}" for label in labels if re.search(rf"\b{label}\b", text)]
        found += [f"{path}: {' '.join(run)}" for run in secrets & runs(text)]
        found += [f"{path}: {line}" for line in lines if line in text]
        if "solutions/" in text:
            found.append(f"{path}: an address in solutions/")
    return found


def pages_for_class(book):
    """Return what the pages of the edition say, by their paths."""
    paths = [*book.glob("*.md"), *book.glob("chapters/*.md"), *book.glob("exercises/*.md")]
    return {path: BUILD["text_for_class"](path.read_text()) for path in paths if path.name not in NO_PAGES}


def solutions(book):
    return [path.read_text() for path in (book / "solutions").glob("*.md")]


def runs(text):
    """Return all runs of so many words in a text, whatever stands between them."""
    words = re.findall(r"\w+", text.lower())
    return set(zip(*(words[start:] for start in range(RUN)), strict=False))


def solution_runs(book):
    return set().union(*(runs(text) for text in solutions(book)))


def solution_lines(book):
    """Return the lines of code in the solutions that are long enough to be nobody else's."""
    notebooks = [jupytext.reads(text, fmt="md:myst") for text in solutions(book)]
    cells = [cell.source for nb in notebooks for cell in nb.cells if cell.cell_type == "code"]
    return {line for cell in cells for line in cell.splitlines() if len(line) >= 20}


def readable(path):
    """Return the text of a file as a reader or a search finds it, markup removed."""
    data = path.read_bytes()
    if path.name == "objects.inv":
        return zlib.decompress(data.split(b"\n", 4)[4]).decode()
    text = data.decode(errors="ignore")
    if path.suffix == ".html":
        soup = BeautifulSoup(text, "html.parser")
        names = [tag[key] for key in ("href", "id") for tag in soup.select(f"[{key}]")]
        # The word between them belongs to no run of words.
        return " XXX ".join([soup.get_text(), *names])
    if path.name == "searchindex.js":
        return json.dumps(json.loads(text[len("Search.setIndex(") : text.rindex(")")]))
    return text
