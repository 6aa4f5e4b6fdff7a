"""The collector that runs the pages: what it must accept and, above all, what it must refuse."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parent.parent

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
"""


def cell(source, expect=None, tags=()):
    lines = ["", "```{code-cell} ipython3"]
    if expect is not None or tags:
        lines.append("---")
        if tags:
            lines.append(f"tags: [{', '.join(tags)}]")
        if expect is not None:
            lines += ["expect: |", *(f"  {line}" for line in expect.splitlines())]
        lines.append("---")
    return "\n".join([*lines, source, "```", ""])


@pytest.fixture
def run_page(pytester):
    """Run a page of the given cells under the book's own collector."""

    def run(*cells, folder="chapters", options=("--nbval-lax",)):
        pytester.makeconftest((ROOT / "conftest.py").read_text())
        page = pytester.mkdir(folder) / "page.md"
        page.write_text(HEADER + "".join(cells))
        return pytester.runpytest(
            *options, "--nbval-current-env", "-p", "no:cacheprovider", folder
        )

    return run


def test_stated_outputs_that_hold_pass(run_page):
    result = run_page(
        cell("x = 2\nprint('x =', x)", expect="x = 2"),
        cell("x + 1", expect="3"),
        cell("print('a')\nprint('b')\nx", expect="a\nb\n2"),
        cell("print('not stated')"),
    )
    result.assert_outcomes(passed=4)


def test_stated_outputs_that_do_not_hold_fail(run_page):
    wrong = [
        ("print('x = 3')", "x = 2"),
        ("1 + 1", "3"),
        ("pass", "x = 2"),
        ("print('x = 2')\nprint('more')", "x = 2"),
        ("print('x = 2')\n7", "x = 2"),
        ("print('x = 2')", "x = 2\nmore"),
        ("print('unexpected')", ""),
    ]
    result = run_page(*[cell(source, expect=expect) for source, expect in wrong])
    result.assert_outcomes(failed=len(wrong))


def test_a_raising_cell_fails_and_names_its_error(run_page):
    source = "print('done')\n1 / 0"
    result = run_page(cell(source), cell(source, expect="done"))
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*ZeroDivisionError*"])


def test_stderr_figures_and_silenced_results_are_not_compared(run_page):
    source = (
        "import sys\nimport matplotlib.pyplot as plt\n"
        "print('warning', file=sys.stderr)\nprint('x')\nplt.plot([1, 2]);"
    )
    result = run_page(cell(source, expect="x"))
    result.assert_outcomes(passed=1)


def test_a_check_without_a_stated_output_is_refused(run_page):
    result = run_page(cell("1 + 1", tags=["nbval-check-output"]))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*states none*"])


def test_solutions_are_collected_too(run_page):
    result = run_page(cell("print(1)", expect="2"), folder="solutions")
    result.assert_outcomes(failed=1)


def test_pages_are_left_alone_without_nbval(run_page):
    result = run_page(cell("1 / 0"), options=())
    result.assert_outcomes()
