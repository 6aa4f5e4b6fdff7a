"""Pages as notebooks in the browser: JupyterLite, with nothing but the folder of the built book to ask."""

import json
import subprocess
import sys
import time
from contextlib import suppress

import nbformat
import pytest
from browsing import PATIENCE, ROOT
from living import EIGHT_SCHOOLS, MOST_MILLISECONDS
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
from playwright.sync_api import expect

from myst_nbval import intervals
from myst_nbval.pages import code_cells, read

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]
# What a student writes into the last cell of an exercise.
WRITTEN = """\
factor = 5**2 / (5**2 + tau_hat**2)
meaning = ...
answers.record("d", factor=factor, meaning=meaning)"""
# The kernel has started, and waits.
IDLE = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
# Each cell waits, runs or has run.
BEGUN = """() => {
  const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")];
  return prompts.length > 0 && prompts.every(prompt => !/^\\[ *\\]:$/.test(prompt.textContent.trim()));
}"""
# The kernel has run all that it was given.
ENDED = """() => {
  const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")];
  return prompts.length > 0 && prompts.every(prompt => /^\\[\\d+\\]:$/.test(prompt.textContent.trim()));
}"""


def open_notebook(page):
    """Press the button of a page; return its notebook once it stands there."""
    page.get_by_role("button", name="Launch interactive content").click()
    with page.context.expect_page() as opened:
        page.locator(".live-notebook").click()
    notebook = opened.value
    notebook.locator(".jp-CodeCell").first.wait_for()
    notebook.locator(IDLE).wait_for()
    return notebook


def write(texts):
    """Write into cells; what comes faster than any hand may be overwritten by what they held: look again."""
    for _ in range(10):
        for editor, text in texts.items():
            editor.fill(text)
        time.sleep(1)
        if all(editor.inner_text().split() == text.split() for editor, text in texts.items()):
            return


def run_all(notebook):
    """Run all cells from a fresh kernel on; again, if the menu closed before it took the click."""
    for _ in range(3):
        command(notebook, "Run", "Run All Cells")
        with suppress(PlaywrightTimeoutError):
            notebook.wait_for_function(BEGUN, timeout=PATIENCE)
            break
    notebook.wait_for_function(ENDED)


def command(notebook, menu, name):
    """Choose a command from a menu."""
    notebook.get_by_role("menuitem", name=menu, exact=True).click()
    notebook.get_by_role("menuitem", name=name).first.click()


def download(notebook, path):
    """Save a notebook, and take it from its menu; return its code cells."""
    notebook.keyboard.press("Control+s")
    with notebook.expect_download() as awaited:
        command(notebook, "File", "Download")
    awaited.value.save_as(path)
    content = nbformat.read(path, as_version=4)
    nbformat.validate(content)
    return [cell for cell in content.cells if cell.cell_type == "code"]


def printed(cell):
    """Return what a cell shows, as the tests of the pages compare it."""
    shown = [
        output.text if output.output_type == "stream" else output.data["text/plain"] + "\n"
        for output in cell.outputs
        if output.get("name") == "stdout" or "image/png" not in output.get("data", {"image/png": ""})
    ]
    return "".join(shown)


def faults(cells, name):
    """Return the cells that do not show what the page states."""
    stated = [cell.metadata.get("expect") for cell, _ in code_cells(read(ROOT / name))]
    found = []
    for number, (intended, cell) in enumerate(zip(stated, cells, strict=True), 1):
        shown = printed(cell)
        if intended is not None and intervals.outside(intended.rstrip("\n"), shown.rstrip("\n")) != []:
            found.append(f"cell {number} states\n{intended}\nand shows\n{shown}")
    return found


def test_a_page_runs_as_a_notebook(opened, tmp_path):
    open_page, asked = opened
    notebook = open_notebook(open_page("chapters/recap.html"))
    notebook.get_by_text("kept in this browser, on this device only").wait_for()
    run_all(notebook)
    assert faults(download(notebook, tmp_path / "recap.ipynb"), "chapters/recap.md") == []
    figure = notebook.locator(".jp-CodeCell").nth(0).locator("img")
    assert figure.evaluate("async (image) => (await image.decode(), image.naturalWidth)") > 400
    # Python and its packages are those of the pages: no second copy of them is sent.
    assert [name for name in asked if "lite/" in name and name.endswith((".whl", ".zip", ".wasm"))] == []
    # What is not there gets a sentence.
    editor = notebook.locator(".jp-CodeCell .cm-content").first
    editor.fill("import nosuchpackage")
    editor.press("Shift+Enter")
    notebook.get_by_text("nosuchpackage is not among the packages that run in the browser").wait_for()
    assert notebook.get_by_text("Traceback").count() == 0


# The browser tells late that it has written a file, as on a busy machine; and counts them.
SLOWLY = """
window.written = 0;
const { set } = Object.getOwnPropertyDescriptor(IDBTransaction.prototype, "oncomplete");
Object.defineProperty(IDBTransaction.prototype, "oncomplete", { set(tell) {
  const isFile = this.mode === "readwrite" && this.objectStoreNames.contains("files");
  set.call(this, function (event) {
    if (!isFile) return tell.call(this, event);
    window.written += 1;
    setTimeout(() => tell.call(this, event), 3000);
  });
} });
"""


def test_a_reader_who_saves_while_the_notebook_saves_itself_is_not_asked_who_changed_it(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    page.context.add_init_script(SLOWLY)
    notebook = open_notebook(page)
    notebook.locator(".jp-CodeCell .cm-content").first.fill("1 + 1")
    before = notebook.evaluate("window.written")
    notebook.wait_for_function(f"window.written > {before}")  # after ten seconds, by itself
    notebook.keyboard.press("Control+s")
    notebook.wait_for_function(f"window.written > {before + 1} || document.querySelector('.jp-Dialog')")
    assert notebook.get_by_role("dialog").count() == 0


def test_a_page_that_samples_runs_as_a_notebook(opened, every_page, tmp_path):
    open_page, _ = opened
    notebook = open_notebook(open_page(EIGHT_SCHOOLS))
    run_all(notebook)
    cells = download(notebook, tmp_path / "eight-schools.ipynb")
    assert faults(cells, EIGHT_SCHOOLS.replace(".html", ".md")) == []


def test_a_student_does_an_exercise_in_a_notebook(opened, tmp_path):
    open_page, _ = opened
    notebook = open_notebook(open_page("exercises/shrinkage-arithmetic.html"))
    editors = notebook.locator(".jp-CodeCell .cm-content")
    given = code_cells(read(ROOT / "exercises/shrinkage-arithmetic.md"))[0][0].source
    write({editors.last: WRITTEN, editors.first: given.replace('student=""', 'student="student01"')})
    expect(editors.first).to_contain_text('student="student01"')
    run_all(notebook)
    submitted = tmp_path / "submitted/student01_5.8.1.ipynb"
    submitted.parent.mkdir()
    assert printed(download(notebook, submitted)[-1]).startswith("(d) recorded: factor\n")

    # The next day the work is still there, and so are the answers beside it.
    notebook.reload()
    expect(editors.first).to_contain_text('student="student01"', timeout=MOST_MILLISECONDS / 5)
    page = open_page("live/lite/tree/index.html?path=exercises/answers")
    page.get_by_text("5.8.1.json").wait_for()

    command_line = [sys.executable, "-m", "notebook_marking", submitted.parent, tmp_path / "marked"]
    done = subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stdout + done.stderr  # prose may wait for a human
    result = json.loads((tmp_path / "marked/gradescope/student01_5.8.1/results.json").read_text("utf-8"))
    marks = {test["name"]: (test["score"], test["max_score"]) for test in result["tests"]}
    assert marks["(d) factor"] == (1, 1), marks
