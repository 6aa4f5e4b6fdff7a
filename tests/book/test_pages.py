"""The book's own pages, without running them."""

import functools
import re
import subprocess
from collections import Counter
from pathlib import Path

import jupytext
import pytest
import yaml
from myst_nb.core.read import is_myst_markdown_notebook
from sphinx_external_toc.parsing import parse_toc_yaml
from statements import questions

from myst_nbval.intervals import INTERVAL
from myst_nbval.pages import code_cells, read
from myst_nbval.rules import Rules

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK_FOLDERS = ("chapters", "exercises", "solutions")
PAGES = sorted(page for folder in NOTEBOOK_FOLDERS for page in (ROOT / folder).glob("*.md"))
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]

# Every output that the source prints below its code, by its group in the audit.
PRINTED_BY_THE_SOURCE = {
    "example-shrinkage",
    "eight-schools-data",
    "eight-schools-summary",
    "eight-schools-diagnostics",
    "eight-schools-predictive",
    "survey-counts",
    "survey-summary",
    "survey-interval-widths",
    "loo-comparison",
    "exercise-1-factors",
    "exercise-1-estimates",
    "exercise-2-diagnostics",
    "exercise-3-data",
    "exercise-4-new-school",
    "exercise-4-covariate",
}
# Numbers that it states in words only, which may have a counterpart too.
STATED_IN_WORDS = {
    "exercise-1-school-a",
    "exercise-1-precise-school",
    "exercise-3-width",
    "exercise-4-width-ratio",
}
COLUMN = 79  # characters of code that fit a page in a wide window: `_static/book.css`
FOLDED = {"hide-input", "remove-input", "hide-cell", "remove-cell"}


@functools.cache
def cells_of(page):
    """Code cells of a page, read once."""
    return code_cells(read(page))


def book_sources():
    """Every page of the book, whether it has code or not."""
    toc = {ROOT / f"{name}.md" for name in parse_toc_yaml(ROOT / "_toc.yml")}
    return sorted(toc | set(PAGES))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_headers_let_every_output_be_compared(page, pytestconfig):
    rules = Rules.of(pytestconfig)
    faults = [
        f"{page.name}, line {line}: the code cell {fault}"
        for cell, line in cells_of(page)
        for fault in rules.faults(cell.metadata)
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_front_matter_does_not_change_how_a_page_is_executed(page):
    front_matter = yaml.safe_load(page.read_text(encoding="utf8").split("---")[1])
    # A solution holds its marking scheme; an exercise, which is not filled in, is not run by the build.
    more = {"solutions": {"exercise"}, "exercises": {"mystnb"}}.get(page.parent.name, set())
    assert set(front_matter) == {"jupytext", "kernelspec"} | more
    assert front_matter.get("mystnb", {"execution_mode": "off"}) == {"execution_mode": "off"}
    assert front_matter["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_jupyter_opens_the_cells_that_are_tested(page):
    notebook = jupytext.read(page, fmt="md:myst")
    opened = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tested = [cell for cell, _ in cells_of(page)]
    assert [cell.source for cell in opened] == [cell.source for cell in tested]
    assert [dict(cell.metadata) for cell in opened] == [dict(cell.metadata) for cell in tested]


def test_no_code_cell_is_left_out():
    cell_directive = re.compile(r"^\s*(?:`{3,}|~{3,}|:{3,})\s*\{code-cell\}", re.MULTILINE)
    of_the_class_edition = re.compile(r"^<!-- for a class.*?^-->$", re.MULTILINE | re.DOTALL)
    for source in book_sources():
        text = of_the_class_edition.sub("", source.read_text(encoding="utf8"))
        count = len(cell_directive.findall(text))
        if count:
            assert source in PAGES, f"{source}: pages with code belong into {NOTEBOOK_FOLDERS}"
            assert is_myst_markdown_notebook(text), f"{source}: has no jupytext header"
            assert len(cells_of(source)) == count, f"{source}: a code cell stands inside something else"
    for folder in NOTEBOOK_FOLDERS:
        assert not list((ROOT / folder).rglob("[!.]*.ipynb")), "notebooks are written as .md pages"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_code_and_stated_outputs_fit_the_column(page):
    for cell, _ in cells_of(page):
        folded = FOLDED & set(cell.metadata.get("tags", []))
        shown = "" if folded else cell.source
        # A number takes no more room than the ends of its interval.
        printed = INTERVAL.sub(r"\2", str(cell.metadata.get("expect", "")))
        lines = [*shown.splitlines(), *printed.splitlines()]
        assert not [line for line in lines if len(line) > COLUMN]


def test_only_the_audit_leaves_its_tables_to_other_tests():
    users = {
        page.name
        for page in PAGES
        for found, _ in cells_of(page)
        if "audit-table" in found.metadata.get("tags", [])
    }
    assert users <= {"audit.md"}


def test_the_book_does_not_show_stderr_which_is_not_compared():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    assert config["execute"]["stderr_output"] == "remove"


def test_make_test_runs_every_folder_with_pages():
    command = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True)
    for page in PAGES:
        assert re.search(rf"\s{page.parent.name}(\s|$)", command.stdout), page


@functools.cache
def stated():
    """Ids of the source's outputs, with the cells that answer them."""
    answers = {}
    for page in PAGES:
        for cell, line in cells_of(page):
            if "stated" in cell.metadata:
                answers.setdefault(cell.metadata["stated"], []).append(f"{page.name}, line {line}")
    return answers


@pytest.mark.parametrize("output", sorted(PRINTED_BY_THE_SOURCE))
def test_every_output_of_the_source_has_its_counterpart(output):
    assert output in stated(), f"give a cell with `expect` the header key `stated: {output}`"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_answers_the_source_states_its_output(page):
    for cell, line in cells_of(page):
        assert "stated" not in cell.metadata or "expect" in cell.metadata, f"{page.name}, line {line}"


def test_stated_names_outputs_of_the_source():
    known = PRINTED_BY_THE_SOURCE | STATED_IN_WORDS
    unknown = {output: cells for output, cells in stated().items() if output not in known}
    assert not unknown


def test_the_audit_knows_every_stated_output():
    groups = yaml.safe_load((ROOT / "tooling" / "audit" / "data" / "stated.yaml").read_text(encoding="utf8"))
    assert {group["id"] for group in groups} == PRINTED_BY_THE_SOURCE | STATED_IN_WORDS


# Questions -------------------------------------------------------------------------------------

# The audit is looked up rather than read, and the routes lead to what asks.
WITHOUT_QUESTIONS = ("chapters/audit.md", "chapters/routes.md")
WITH_QUESTIONS = [name for name in NAMES if name.startswith("chapters/") and name not in WITHOUT_QUESTIONS]


@pytest.mark.parametrize("name", WITH_QUESTIONS)
def test_a_chapter_asks_before_it_tells(name):
    found = questions((ROOT / name).read_text("utf8"))
    assert len(found) >= 3
    for choices in found:
        assert sorted(verdict for _, verdict, _ in choices) == ["right", "wrong", "wrong"]
        assert all(reason.strip() for _, _, reason in choices)


def test_right_answers_do_not_stand_in_the_same_place():
    places = Counter(
        [verdict for _, verdict, _ in choices].index("right")
        for name in WITH_QUESTIONS
        for choices in questions((ROOT / name).read_text("utf8"))
    )
    assert set(places) == {0, 1, 2}
    assert max(places.values()) <= 0.6 * sum(places.values())
