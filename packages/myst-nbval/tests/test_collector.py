"""The collector that runs pages: what it must accept and, above all, what it must refuse."""

import json
import sys

import pytest

from myst_nbval.pages import code_cells, read
from myst_nbval.rules import Rules

pytest_plugins = ["pytester"]
# By name, so that they are there when pytest is told to load none by itself.
PLUGINS = ("-p", "nbval", "-p", "myst_nbval", "-p", "no:cacheprovider")
RULES = Rules({"draws": "seeds differ", "timing": "times differ"}, ["given"], ["source"])
SETTINGS = """
[pytest]
myst_nbval_uncompared =
    draws: seeds differ
    timing: times differ
myst_nbval_tags = given
myst_nbval_keys = source
"""

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
    """Run pages of the given cells, and return what pytest says."""

    def run(*cells, options=("--nbval-lax",), settings=SETTINGS, front_matter=FRONT_MATTER, more_pages=()):
        pytester.makeini(settings)
        pages = pytester.mkdir("pages")
        for number, page in enumerate([cells, *more_pages], start=1):
            (pages / f"page{number}.md").write_text(front_matter + "".join(page))
        return pytester.runpytest(*PLUGINS, *options, "pages")

    return run


def assert_all_fail(result, cells):
    """Every cell fails, each by its own name."""
    result.assert_outcomes(failed=len(cells))


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
        cell("import random\nprint(random.random())", tags=["draws", "hide-input"]),
        cell(RICH, tags=["draws"]),
    ]
    run_page(*cells).assert_outcomes(passed=len(cells))


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
        ["*pages/page1.md, line 14, code cell 1: does not print*", "-x = 2", "+x = 3"]
    )


def test_a_raising_cell_fails_and_cells_after_it_are_still_compared(run_page):
    failing = [
        cell("print('done')\n1 / 0"),
        cell("print('done')\n1 / 0", expect="done"),
        cell("print('done')\nraise SystemExit", expect="done"),
        cell("print('x = 3')", expect="x = 2"),
    ]
    result = run_page(*failing, cell("print('x = 2')", expect="x = 2"))
    result.assert_outcomes(failed=len(failing), passed=1)
    result.stdout.fnmatch_lines(["pages/page1.md, line 14, code cell 1: *", "*ZeroDivisionError*"])


@pytest.mark.slow  # waits for time limits and for a kernel that has died
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
        cell("pass", tags=["draws"]),
    ]
    result = run_page(*cells)
    assert_all_fail(result, cells)
    result.stdout.fnmatch_lines(
        [
            "*pages/page1.md, line 14, code cell 1: prints",
            "x = 3",
            "and states no output*expect: |*draws, timing.",
        ]
    )


WRONG_HEADERS = {
    "expects: |\n  x = 2": "'expects'",
    "Expect: |\n  x = 2": "'Expect'",
    "load: page.md": "'load'",
    "mystnb: {output_stderr: show}": "`mystnb: output_stderr`",
    "mystnb:": "`mystnb: None`: write below it figure or image",
    "mystnb: image": "`mystnb: image`: write below it figure or image",
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
    "tags: [Timing]": "'Timing'",
    "tags: [timing]\nexpect: |\n  x = 2": "keep one",
    "chapter: 3": "'chapter'",
    "tags: [slow]": "'slow'",
}


@pytest.mark.parametrize("header", WRONG_HEADERS)
def test_wrong_headers_are_found_without_running(tmp_path, header):
    page = tmp_path / "page.md"
    page.write_text(FRONT_MATTER + raw_cell("print('x = 2')", header))
    [(found, line)] = code_cells(read(page))
    [fault] = RULES.faults(found.metadata)
    assert WRONG_HEADERS[header] in fault
    assert line == 14


def test_wrong_headers_fail_when_run(run_page):
    cells = [raw_cell("print('x = 2')", header) for header in WRONG_HEADERS if header != "load: page.md"]
    assert_all_fail(run_page(*cells), cells)


def test_headers_that_cannot_be_read_are_refused(run_page):
    not_yaml = raw_cell("print('x = 2')", "expect: |\n  x = 2\n tags: [timing")
    not_a_list = raw_cell("print('x = 2')", "tags: timing")
    result = run_page(not_yaml, more_pages=[[not_a_list]])
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["*page1.md: *could not be read: *YAML*", "*page2.md: 'timing' is not of type*"]
    )


def test_a_key_that_a_header_has_twice_is_refused(run_page):
    twice = raw_cell("print(2)", "expect: |\n  1\n  expect: 1\nexpect: |\n  2")
    options = "\n```{code-cell}\n:tags: [given]\n:tags: [draws]\nprint(2)\n```\n"
    once = raw_cell("print('expect: 2')", "expect: |\n  expect: 2\ntags: [given]")
    result = run_page(twice, more_pages=[[options], [once]])
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["*page1.md, line 14: *'expect' twice*", "*page2.md, line 14: *'tags' twice*"]
    )


@pytest.mark.parametrize(
    ("front_matter", "message"),
    [
        ("---\nfile_format: mystnb\ntitle: [a\n---\n", "*page.md: *"),
        (FRONT_MATTER.replace("kernelspec:", "kernelspec: :"), "*page.md: *"),
        ("---\njupytext: myst\n---\n", "*page.md: its front matter cannot be read*"),
        ("---\nfile_format: mystnb\ntitle: Z\xfcrich\n---\n", "*page.md: *: save it as UTF-8*"),
    ],
)
def test_front_matter_that_cannot_be_read_is_refused_by_name(run_page, pytester, front_matter, message):
    (pytester.mkdir("pages2") / "page.md").write_bytes((front_matter + cell("1 / 0")).encode("latin-1"))
    result = run_page(cell("print(3)", expect="3"), options=("--nbval-lax", "pages2"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_a_page_may_begin_with_a_byte_order_mark(run_page):
    result = run_page(cell("print(3)", expect="2"), front_matter="\ufeff" + FRONT_MATTER)
    result.assert_outcomes(failed=1)


def test_without_nbval_itself_pages_are_left_alone(run_page, pytester):
    run_page(cell("1 / 0"), options=())
    result = pytester.runpytest("-p", "no:nbval", "-p", "myst_nbval", "-p", "no:cacheprovider", "pages")
    result.assert_outcomes()
    assert "AttributeError" not in result.stdout.str()


def test_what_is_printed_and_what_is_shown_keep_their_order(run_page):
    source = "print(1)\ndisplay('two')\nprint(3)\ndisplay('four')\nprint(5)"
    right, moved = cell(source, "1\n'two'\n3\n'four'\n5"), cell(source, "1\n3\n5\n'two'\n'four'")
    run_page(right, moved).assert_outcomes(passed=1, failed=1)


def test_what_a_carriage_return_would_hide_fails(run_page):
    cells = [cell(r"print('secret\rshown')", "shown"), cell(r"print('ab\bc')", "ac")]
    assert_all_fail(run_page(*cells), cells)


def rich(plain, kind, text):
    """A cell that shows one text and states another."""
    data = {"text/plain": plain, kind: text}
    return cell(f"from IPython.display import display\ndisplay({data!r}, raw=True)", plain)


def test_what_is_shown_may_not_say_other_things_than_what_is_compared(run_page):
    other = [
        rich("x = 3", "text/html", "<b>x = -3</b>"),
        rich("x = 3", "text/html", "x = \N{MINUS SIGN}3"),
        rich("x = 3", "text/html", "x = 3%"),
        rich("x = 3", "text/html", "x = 3 3"),
        rich("a", "text/markdown", "a <b c> d"),
        rich("x", "image/webp", "AAAA"),
    ]
    same = [
        rich("x = -3%", "text/html", "<b>x = \N{MINUS SIGN}3%</b>"),
        rich("a half-normal", "text/html", "a <i>half-normal</i>"),
        rich("a &lt; b", "text/markdown", "a &lt; b"),
    ]
    run_page(*other, *same).assert_outcomes(failed=len(other), passed=len(same))


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


def test_pages_are_left_alone_without_nbval(run_page):
    result = run_page(cell("1 / 0"), options=())
    result.assert_outcomes()


# Intervals -------------------------------------------------------------------------------------


def test_numbers_may_lie_anywhere_in_their_intervals(run_page):
    holds = [
        cell("print('mean 7.41 ± 0.07 agrees')", "mean ~[7.00, 7.80] ± ~[0.00, 0.20] agrees"),
        cell("print('7.0 and 7.8')", "~[7.0, 7.8] and ~[7.0, 7.8]"),
        cell("print('mean  -3\\nsd    12')", "mean ~[-4, 4]\nsd ~[9, 13]"),
        cell("print('58%, +0.2')", "~[50, 60]%, ~[0.1, 0.3]"),
        cell("print('[7.0, 7.8] ~ 3')", "[7.0, 7.8] ~ 3"),
    ]
    run_page(*holds).assert_outcomes(passed=len(holds))


def test_a_number_outside_and_any_other_text_fail(run_page):
    fails = [
        cell("print('mean 8.12 agrees')", "mean ~[7.00, 7.80] agrees"),
        cell("print('mean 7.41 differs')", "mean ~[7.00, 7.80] agrees"),
        cell("print('mean 7.4 agrees')", "mean ~[7.00, 7.80] agrees"),
        cell("print('mean 7.412 agrees')", "mean ~[7.00, 7.80] agrees"),
        cell("print('mean nan agrees')", "mean ~[7.00, 7.80] agrees"),
        cell("print('mean  agrees')", "mean ~[7.00, 7.80] agrees"),
        cell("print('mean~[7.00, 7.80] agrees')", "mean ~[7.00, 7.80] agrees"),
        cell("print('7.41\\na  b')", "~[7.00, 7.80]\na b"),
        cell("print('7.41\\n7.41')", "~[7.00, 7.80]"),
        cell("print('-7.41')", "~[7.00, 7.80]"),
    ]
    result = run_page(*fails)
    assert_all_fail(result, fails)
    result.stdout.fnmatch_lines(
        ["*code cell 1: prints 8.12 where ~[[]7.00, 7.80] is stated:", "*mean 8.12 agrees"]
    )
    result.stdout.fnmatch_lines(["* 7.41", "-a b", "+a  b"])


@pytest.mark.parametrize(
    "wrong", ["~[7, 7.8]", "~[7.8, 7.0]", "~[7.0,7.8]", "~[7.0]", "~[7.0, 7.8", "~[a, b]", "~[7., 8.]", "~[]"]
)
def test_what_is_meant_as_an_interval_and_is_none_is_a_fault(wrong):
    [fault] = RULES.faults({"expect": f"mean {wrong} and ~[1, 2]"})
    assert f"states '{wrong}" in fault
    assert "write ~[low, high]" in fault


# A cell that says what its header should state.
STATING = """
class Mean:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": "mean 7.4", "application/vnd.myst-nbval.expect": "mean ~[7.0, 7.8]"}
"""


def test_stale_intervals_are_found_and_written(run_page, pytester):
    good = cell(f"{STATING}print('first')\nMean()", "first\nmean ~[7.0, 7.8]")
    stale = [
        cell("Mean()", "mean ~[7.0, 7.9]"),
        cell("Mean()", "mean 7.4"),
        cell("Mean()"),
        cell("print(' second')\nMean()", "mean ~[7.0, 7.9]", tags=["hide-input"]),
    ]
    others = [cell("print('x')", "y"), cell("print('mean 7.4')", "mean ~[7.0, 7.9]")]
    result = run_page(good, *stale, *others)
    result.assert_outcomes(passed=2, failed=len(stale) + 1)
    result.stdout.fnmatch_lines(["*cell 2: states another output than it works out; --myst-nbval-write *"])
    page = pytester.path / "pages" / "page1.md"
    before = page.read_text()
    again = pytester.runpytest(*PLUGINS, "--nbval-lax", "--myst-nbval-write", "pages")
    again.assert_outcomes(passed=len(stale) + 2, failed=1)
    fresh = [
        cell("Mean()", "mean ~[7.0, 7.8]"),
        cell("Mean()", "mean ~[7.0, 7.8]"),
        cell("Mean()", "mean ~[7.0, 7.8]"),
        cell("print(' second')\nMean()", " second\nmean ~[7.0, 7.8]", tags=["hide-input"]),
    ]
    expected = (FRONT_MATTER + good + "".join(fresh + others)).replace("|2\n  mean", "|\n  mean")
    assert page.read_text().replace("|2\n  mean", "|\n  mean") == expected
    assert before != page.read_text()
    assert [path.name for path in page.parent.iterdir() if path.name.endswith(".new")] == []


def test_what_a_cell_works_out_is_written_where_it_has_no_interval(run_page, pytester):
    exact = STATING.replace("7.4", "7.4, 40 draws").replace("~[7.0, 7.8]", "7.4, 40 draws")
    run_page(cell(f"{exact}Mean()", "mean 7.4, 30 draws")).assert_outcomes(failed=1)
    again = pytester.runpytest(*PLUGINS, "--nbval-lax", "--myst-nbval-write", "pages")
    again.assert_outcomes(passed=1)
    assert "expect: |\n  mean 7.4, 40 draws\n" in (pytester.path / "pages" / "page1.md").read_text()


def test_a_page_that_is_edited_while_it_runs_is_left_alone(run_page, pytester):
    edits = "page = pathlib.Path('page1.md')\npage.write_text('# Other\\n' + page.read_text())"
    page = pytester.path / "pages" / "page1.md"
    run_page(
        cell(f"{STATING}import pathlib\nif pathlib.Path('now').exists(): exec({edits!r})"),
        cell("Mean()", "mean 7.4"),
    )
    before = page.read_text()
    page.with_name("now").touch()
    again = pytester.runpytest(*PLUGINS, "--nbval-lax", "--myst-nbval-write", "pages")
    again.assert_outcomes(passed=2, errors=1)
    again.stdout.fnmatch_lines(["*page1.md was edited while it ran: nothing is written, run it again*"])
    assert page.read_text() == "# Other\n" + before


# Settings of a book ------------------------------------------------------------------------------


def test_what_a_book_allows_is_allowed(run_page):
    header = "source: table 3\ntags: [given, hide-input]\nexpect: |\n  3"
    run_page(raw_cell("print(3)", header)).assert_outcomes(passed=1)


def test_without_settings_every_output_is_compared_and_only_tags_of_myst_nb_are_known(run_page):
    shown = cell("pass", tags=["hide-input", "remove-cell"])
    others = [
        cell("print(3)", tags=["timing"]),
        cell("pass", tags=["given"]),
        raw_cell("pass", "source: table 3"),
        cell("print(3)"),
    ]
    result = run_page(*others, shown, settings="[pytest]")
    result.assert_outcomes(failed=len(others), passed=1)
    result.stdout.fnmatch_lines(["*by a tag: there is none, *myst_nbval_uncompared names none."])


@pytest.mark.parametrize("entry", ["timing", "timing:", ": a reason"])
def test_a_tag_without_a_reason_ends_the_run(run_page, entry):
    result = run_page(cell("pass"), settings=f"[pytest]\nmyst_nbval_uncompared = {entry}\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*myst_nbval_uncompared is '{entry}': give 'tag: reason'*"])


# Which files are pages, and where they run -----------------------------------------------------------

WHERE = "import os, sys\nprint(sys.prefix)\nprint(os.getcwd())"


def test_a_page_runs_in_this_environment_and_in_its_own_folder(run_page, pytester, monkeypatch):
    another = pytester.mkdir("jupyter") / "kernels/python3/kernel.json"
    another.parent.mkdir(parents=True)
    another.write_text('{"argv": ["no-such-python"], "display_name": "Python 3", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(pytester.path / "jupyter"))
    result = run_page(cell(WHERE, expect=f"{sys.prefix}\n{pytester.path / 'pages'}"))
    result.assert_outcomes(passed=1)


def test_a_page_may_leave_its_kernel_unnamed(run_page):
    front_matter = "---\nfile_format: mystnb\n---\n"
    run_page(cell("print(3)", expect="3"), front_matter=front_matter).assert_outcomes(passed=1)


def test_another_kernel_is_not_replaced_unless_that_is_asked_for(run_page):
    front_matter = FRONT_MATTER.replace("name: python3", "name: no-such")
    result = run_page(cell("print(3)", expect="3"), front_matter=front_matter)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*NoSuchKernel*no-such*"])


def test_the_current_environment_may_be_asked_for(run_page):
    front_matter = FRONT_MATTER.replace("name: python3", "name: no-such")
    options = ("--nbval-lax", "--nbval-current-env")
    result = run_page(cell("print(3)", expect="3"), front_matter=front_matter, options=options)
    result.assert_outcomes(passed=1)


def test_texts_that_are_no_notebooks_are_left_alone(run_page, pytester):
    texts = ["# Title\n", "---\ntitle: A page\n---\n", "---\ntitle: myst, or so\n---\n", "---\n", ""]
    pytester.mkdir("texts")
    for number, text in enumerate(texts):
        (pytester.path / "texts" / f"{number}.md").write_text(text + cell("1 / 0"))
    pytester.runpytest(*PLUGINS, "--nbval-lax", "texts").assert_outcomes()


def test_pytest_starts_without_importing_what_only_pages_need(pytester):
    pytester.makepyfile("import sys\n\ndef test(): assert not {'IPython', 'myst_nb'} & set(sys.modules)")
    pytester.makefile(".md", README="# No notebook\n")
    pytester.runpytest_subprocess(*PLUGINS, "--nbval-lax", ".").assert_outcomes(passed=1)


def test_a_page_that_has_passed_is_handed_to_the_book_with_what_it_showed(run_page, pytester):
    pytester.makeconftest(
        """
        import json

        def pytest_myst_nbval_passed(path, notebook):
            cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
            with open("handed.jsonl", "a") as file:
                print(json.dumps([path.name, [cell.outputs for cell in cells]]), file=file)
        """
    )
    passing = [cell("x = 6 * 7"), cell("print(x)", "42"), cell("x + 1", "43"), cell("x + 2;")]
    failing = [cell("print(1)", "1"), cell("print(2)", "3")]
    run_page(*passing, more_pages=[failing]).assert_outcomes(passed=5, failed=1)
    (line,) = (pytester.path / "handed.jsonl").read_text().splitlines()
    name, (nothing, printed, shown, silent) = json.loads(line)
    assert name == "page1.md"
    assert nothing == silent == []
    assert printed == [{"output_type": "stream", "name": "stdout", "text": "42\n"}]
    assert shown[0]["data"] == {"text/plain": "43"}
    assert shown[0]["execution_count"] == 3
