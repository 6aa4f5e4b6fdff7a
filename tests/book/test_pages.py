"""The collector that runs the pages: what it must accept and, above all, what it must refuse."""

import functools
import re
import subprocess
from pathlib import Path

import jupytext
import pytest
import yaml
from myst_nb.core.read import is_myst_markdown_notebook
from sphinx_external_toc.parsing import parse_toc_yaml

from myst_nbval.plugin import NOTEBOOK_FOLDERS, code_cells, header_faults

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(page for folder in NOTEBOOK_FOLDERS for page in (ROOT / folder).glob("*.md"))
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]

# Every output that the source prints below its code, by its group in the audit.
PRINTED_BY_THE_SOURCE = {
    "example-shrinkage",
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

# The pages of the book, without running them ---------------------------------------------------


@functools.cache
def cells_of(page):
    """Code cells of a page, read once."""
    return code_cells(page)


def book_sources():
    """Every page of the book, whether it has code or not."""
    toc = {ROOT / f"{name}.md" for name in parse_toc_yaml(ROOT / "_toc.yml")}
    return sorted(toc | set(PAGES))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_headers_let_every_output_be_compared(page):
    faults = [
        f"{page.name}, line {line}: the code cell {fault}"
        for cell, line in cells_of(page)
        for fault in header_faults(cell.metadata)
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


def test_stated_names_outputs_of_the_source():
    known = PRINTED_BY_THE_SOURCE | STATED_IN_WORDS
    unknown = {output: cells for output, cells in stated().items() if output not in known}
    assert not unknown


def test_the_audit_knows_every_stated_output():
    groups = yaml.safe_load((ROOT / "tooling" / "audit" / "data" / "stated.yaml").read_text(encoding="utf8"))
    assert {group["id"] for group in groups} == PRINTED_BY_THE_SOURCE | STATED_IN_WORDS


# Small pages, run by the collector ---------------------------------------------------------------

FRONT_MATTER = """\
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
"""


# What is compared, the plain text, is less than what a page shows, the HTML.
RICH = "class Rich:\n    __repr__ = lambda _: 'x'\n    _repr_html_ = lambda _: '<b>x = 3</b>'\nRich()"


def raw_cell(source, header=""):
    """A code cell with any header, in YAML."""
    header = f"---\n{header}\n---\n" if header else ""
    return f"\n```{{code-cell}} ipython3\n{header}{source}\n```\n"


def cell(source, expect=None, tags=()):
    """A code cell that states what it prints."""
    header = [f"tags: [{', '.join(tags)}]"] if tags else []
    if expect is not None:
        header += ["expect: |2", *(f"  {line}" for line in expect.splitlines())]
    return raw_cell(source, "\n".join(header))


@pytest.fixture
def run_page(pytester):
    """Run pages of the given cells under the book's own collector, and return what pytest says."""

    def run(*cells, folder="chapters", options=("--nbval-lax",), more_pages=()):
        pytester.makeconftest((ROOT / "conftest.py").read_text())
        pages = pytester.mkdir(folder)
        for number, page in enumerate([cells, *more_pages], start=1):
            (pages / f"page{number}.md").write_text(FRONT_MATTER + "".join(page))
        return pytester.runpytest(*options, "--nbval-current-env", "-p", "no:cacheprovider", folder)

    return run


def assert_all_fail(result, cells):
    """Every cell fails, each by its own name."""
    result.assert_outcomes(failed=len(cells))


@pytest.mark.slow
def test_what_holds_passes(run_page):
    figure = (
        "import sys\nimport matplotlib.pyplot as plt\n"
        "print('warning 1', file=sys.stderr)\nprint('x')\nplt.plot([1, 2]);"
    )
    cells = [
        cell("x = 2\nprint('x =', x)", expect="x = 2"),
        cell("x + 1", expect="3"),
        cell("print('a')\nprint('b')\nx", expect="a\nb\n2"),
        cell("print('  aligned')", expect="  aligned"),
        cell("y = 3"),
        cell("y;"),
        cell(figure, expect="x"),
        cell("import pandas as pd\npd.DataFrame({'a': [1.5]})", expect="     a\n0  1.5"),
        cell("from myst_nb import glue\nglue('y', y, display=False)", tags=["remove-cell"]),
        cell("import random\nprint(random.random())", tags=["raw-sampler-output", "hide-input"]),
        cell(RICH, tags=["audit-table"]),
    ]
    run_page(*cells).assert_outcomes(passed=len(cells))


@pytest.mark.slow
def test_what_does_not_hold_fails(run_page):
    cells = [
        cell("print('x = 3')", expect="x = 2"),
        cell("1 + 1", expect="3"),
        cell("pass", expect="x = 2"),
        cell("%%capture\nprint('x = 2')", expect="x = 2"),
        cell("print('x = 2')\nprint('more')", expect="x = 2"),
        cell("print('x = 2')\n7", expect="x = 2"),
        cell("print('x = 2')", expect="x = 2\nmore"),
        cell("print('x  = 2')", expect="x = 2"),
        cell("# NBVAL_SKIP\nprint('x = 3')", expect="x = 2"),
        cell("# NBVAL_IGNORE_OUTPUT\nprint('x = 3')", expect="x = 2"),
    ]
    result = run_page(*cells)
    assert_all_fail(result, cells)
    result.stdout.fnmatch_lines(
        ["*chapters/page1.md, line 14, code cell 1: does not print*", "-x = 2", "+x = 3"]
    )


@pytest.mark.slow
def test_a_raising_cell_fails_and_cells_after_it_are_still_compared(run_page):
    failing = [
        cell("print('done')\n1 / 0"),
        cell("print('done')\n1 / 0", expect="done"),
        cell("print('done')\nraise SystemExit", expect="done"),
        cell("print('x = 3')", expect="x = 2"),
    ]
    result = run_page(*failing, cell("print('x = 2')", expect="x = 2"))
    result.assert_outcomes(failed=len(failing), passed=1)
    result.stdout.fnmatch_lines(["chapters/page1.md, line 14, code cell 1: *", "*ZeroDivisionError*"])


@pytest.mark.slow
def test_an_endless_cell_and_a_dead_kernel_fail(run_page):
    swallowing = "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('x = 2')"
    result = run_page(
        cell("while True:\n    pass"),
        options=("--nbval-lax", "--nbval-cell-timeout=2"),
        more_pages=[
            [cell(swallowing, expect="x = 2"), cell("print(1)", expect="1")],
            [cell("import os\nos._exit(0)"), cell("print(1)", expect="1")],
        ],
    )
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] >= 3
    assert "passed" not in outcomes


@pytest.mark.slow
def test_nothing_is_shown_without_being_stated(run_page):
    html = "from IPython.display import HTML, Markdown, clear_output, display\n"
    object_name = "<IPython.core.display.{} object>"
    cells = [
        cell("print('x = 3')"),
        cell("print('nan, mostly')"),
        cell("1 + 1"),
        cell("print(1, end=''); print(2)", tags=["hide-output", "remove-output", "remove-cell"]),
        cell("import subprocess, time\nsubprocess.run(['echo', '3'])\ntime.sleep(0.5);"),
        cell(f"{html}HTML('<b>3</b>')"),
        cell(f"{html}HTML('<b>3</b>')", expect=object_name.format("HTML")),
        cell(f"{html}Markdown('**3**')", expect=object_name.format("Markdown")),
        cell(RICH, expect="x"),
        cell(f"{html}display({{'application/json': '3'}}, raw=True)"),
        cell(f"{html}shown = display('x', display_id=True)\nshown.update('y')", expect="'x'"),
        cell(f"{html}display('x', display_id='a');", expect="'x'"),
        cell(f"{html}print('x')\nclear_output()\nprint('y')", expect="x\ny"),
        cell("pass", tags=["raw-sampler-output"]),
    ]
    result = run_page(*cells)
    assert_all_fail(result, cells)
    result.stdout.fnmatch_lines(
        [
            "*chapters/page1.md, line 14, code cell 1: prints",
            "x = 3",
            "and states no output*expect: |*raw-sampler-output, *versions*.",
        ]
    )


WRONG_HEADERS = {
    "expects: |\n  x = 2": "'expects'",
    "Expect: |\n  x = 2": "'Expect'",
    "load: page.md": "'load'",
    "mystnb: {output_stderr: show}": "`mystnb: output_stderr`",
    "expect:": "None",
    'expect: ""': "''",
    "expect: |\n": "''",
    "expect: 2": "2 under",
    "expect: 1.50": "1.5 under",
    "expect: true": "True under",
    "expect: 2026-11-22": "datetime.date",
    "expect: [x = 2]": "['x = 2']",
    "tags: [nbval-skip]": "'nbval-skip'",
    "tags: [nbval-ignore-output]": "'nbval-ignore-output'",
    "tags: [nbval-check-output]": "'nbval-check-output'",
    "tags: [raises-exception]": "'raises-exception'",
    "tags: [skip-execution]": "'skip-execution'",
    "tags: [raw_sampler_output]": "'raw_sampler_output'",
    "tags: [timing]\nexpect: |\n  x = 2": "keep one",
    "stated: eight-schools-summary": "no `expect`",
}


@pytest.mark.parametrize("header", WRONG_HEADERS)
def test_wrong_headers_are_found_without_running(tmp_path, header):
    page = tmp_path / "page.md"
    page.write_text(FRONT_MATTER + raw_cell("print('x = 2')", header))
    [(found, line)] = code_cells(page)
    [fault] = header_faults(found.metadata)
    assert WRONG_HEADERS[header] in fault
    assert line == 14


@pytest.mark.slow
def test_wrong_headers_fail_when_run(run_page):
    cells = [raw_cell("print('x = 2')", header) for header in WRONG_HEADERS if header != "load: page.md"]
    assert_all_fail(run_page(*cells), cells)


@pytest.mark.slow
def test_headers_that_cannot_be_read_are_refused(run_page):
    not_yaml = raw_cell("print('x = 2')", "expect: |\n  x = 2\n tags: [timing")
    not_a_list = raw_cell("print('x = 2')", "tags: timing")
    result = run_page(not_yaml, more_pages=[[not_a_list]])
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["*page1.md: *could not be read: *YAML*", "*page2.md: 'timing' is not of type*"]
    )


@pytest.mark.slow
def test_patterns_that_blur_outputs_are_ignored(run_page, pytester):
    pytester.makefile(
        ".cfg",
        blur=r"""
[numbers]
regex: [0-9]+
replace: NUMBER
""",
    )
    options = ("--nbval", "--nbval-sanitize-with", "blur.cfg")
    result = run_page(cell("print('x = 3')", expect="x = 2"), options=options)
    result.assert_outcomes(failed=1)


@pytest.mark.slow
def test_solutions_are_collected_too(run_page):
    result = run_page(cell("print(1)", expect="2"), folder="solutions")
    result.assert_outcomes(failed=1)


@pytest.mark.slow
def test_pages_are_left_alone_without_nbval(run_page):
    result = run_page(cell("1 / 0"), options=())
    result.assert_outcomes()
