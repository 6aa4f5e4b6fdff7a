"""Cells that run in the page, in Chromium, with nothing but the folder of the built book to ask.

What this needs ``make test`` fetches once, with the user's own settings of where packages come from; where
it cannot be had, these tests are skipped. Of the pages, two run here; ``make test-live`` runs every cell of
every page.
"""

import gzip
import io
import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

import nbformat
import pytest
import reading
from browsing import CHAPTERS, HTML, ROOT
from bs4 import BeautifulSoup
from living import (
    EIGHT_SCHOOLS,
    EXERCISE,
    MOST_BYTES,
    change_the_prior,
    code,
    do_exercise,
    ended,
    memory,
    run,
    write,
)
from scipy import stats
from statements import states

import hierarchical_exact as exact
from myst_nbval.pages import code_cells, read
from support import datasets

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]

# Runs the cells of a page one after another, as the page's own script does.
RUN_ALL = r"""
async ([folder, cells]) => {
  const worker = new Worker("../live/worker.js", { type: "module" });
  const ask = (question, show) => new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data }) => {
      if (data.kind === "done") resolve(data.outcome);
      else if (data.kind === "failed") reject(new Error(data.text));
      else if (data.kind !== "progress") show(data);
    };
    worker.postMessage(question);
  });
  const shown = [];
  await ask({ kind: "start", folder }, () => {});
  for (const [place, [source, expect]] of cells.entries()) {
    const outputs = [];
    const question = { kind: "run", source, label: `cell ${place + 1}`, expect: expect ?? undefined };
    const outcome = await ask(question, (data) => outputs.push(data));
    const text = outputs.map((data) => data.text ?? data.data["text/plain"]).join("\n");
    shown.push([outcome, text, outputs.flatMap((data) => Object.keys(data.data ?? {}))]);
  }
  self.kept = worker; // with its memory, until the page is closed
  return shown;
}
"""
# The longest first, so that at the end no processor waits for another.
EVERY_PAGE = [
    path.relative_to(ROOT).as_posix()
    for path in sorted(
        (path for folder in ("chapters", "exercises", "solutions") for path in (ROOT / folder).glob("*.md")),
        key=lambda path: (-path.stat().st_size, path.as_posix()),
    )
]
QUICK = ["chapters/recap.md", "solutions/shrinkage-arithmetic.md"]


# The width of a picture, once the browser has read it.
DRAWN = "async (image) => { await image.decode(); return image.naturalWidth; }"

# What a student writes into the last cell of an exercise.
LAST = """\
factor = 5**2 / (5**2 + tau_hat**2)
meaning = "A precise school keeps more of its own result, for its factor is small."
answers.record("d", factor=factor, meaning=meaning)"""


# Workers that are stopped from now on, for a test to speak for them.
KEEP_THE_STOPPED = """() => {
  const Ordinary = Worker;
  window.stopped = [];
  window.Worker = class extends Ordinary {
    terminate() {
      super.terminate();
      stopped.push(this);
    }
  };
}"""

SINCE = "You have changed this since it ran: Run brings it up to date."


@states("intro.md", "what you write stays on your device")
def test_a_reader_runs_and_changes_cells(opened):
    open_page, asked = opened
    page = open_page("chapters/recap.html")
    # Before a press, nothing but the script and its style.
    of_live = [address for address in asked if "live/" in address]
    assert of_live == ["live/page.js", "live/page.css"]
    cell = page.locator(".cell-6")
    printed = cell.locator(".cell_output pre").first.inner_text()

    assert run(cell) == "As stated. 2 cells above ran first."
    assert cell.locator(".live-output pre").inner_text() == printed
    assert not cell.locator(".live-replaced").is_visible()
    # The cells above have shown theirs too: a figure, with its caption.
    figure = page.locator(".cell-2 .live-output")
    assert figure.locator("img").evaluate(DRAWN) > 600
    assert figure.locator("figcaption").inner_text().startswith("Figure 5.39")

    # What has run does not run again; an edited cell is the reader's own.
    cell.get_by_role("button", name="Edit").click()
    editor = cell.get_by_role("textbox")
    assert page.evaluate("document.activeElement.className") == "live-editor"
    editor.fill('print("mine")\nimport nosuchpackage')
    editor.press("Shift+Enter")
    assert ended(cell) == "This cell ended with an error."
    assert cell.locator(".live-text").inner_text() == "mine\n"
    assert cell.locator(".live-error").inner_text().startswith("nosuchpackage is not among the packages")
    editor.fill("if True:")
    editor.press("Enter")
    editor.type("B")
    assert editor.input_value() == "if True:\n    B"
    editor.fill("round(B, 3)")
    assert run(cell) == "Your own result."
    assert cell.locator(".live-output").inner_text() == "0.168"
    editor.fill("round(B, 2)")
    assert cell.locator(".live-status").inner_text() == SINCE
    editor.fill("round(B, 3)")

    # It is kept, shown again and not run.
    asked.clear()
    page.reload(wait_until="load")
    assert cell.get_by_role("textbox").input_value() == "round(B, 3)"
    assert cell.locator(".cell_output pre").first.inner_text() == printed
    assert not [address for address in asked if "worker" in address]
    cell.get_by_role("button", name="Reset").click()
    assert cell.get_by_role("textbox").count() == 0
    page.reload(wait_until="load")
    assert cell.get_by_role("textbox").count() == 0

    # Stop ends whatever runs, and says what that means.
    page.evaluate(KEEP_THE_STOPPED)
    cell.get_by_role("button", name="Edit").click()
    cell.get_by_role("textbox").fill("while True:\n    pass")
    cell.get_by_role("button", name="Run", exact=True).click()
    cell.get_by_text("Running …").wait_for()
    cell.get_by_role("button", name="Stop").click()
    assert ended(cell).startswith("Stopped. Python has forgotten all values")
    # Of ours nothing stands among the reader's names.
    cell.get_by_role("textbox").fill("{'sys', 'js', 'arriving', 'cells', 'pyodide'} & {*globals()}")
    cell.get_by_role("button", name="Run", exact=True).click()
    cell.get_by_text("Loading Python").wait_for()
    # What was stopped may end seconds later, with an error: the next goes on.
    page.evaluate("() => stopped[0].dispatchEvent(new ErrorEvent('error'))")
    assert ended(cell) == "Your own result. 2 cells above ran first."
    assert cell.locator(".live-text").inner_text() == "set()"


def test_stop_ends_a_fetch_that_does_not_end_by_itself(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    waiting = []
    page.route("**/_sources/**", lambda route: waiting.append(route))
    cell = page.locator(".cell-6")
    for presses in (1, 2):
        with page.expect_request("**/_sources/**"):
            cell.get_by_role("button", name="Run", exact=True).click()
        cell.get_by_text("Loading Python").wait_for()
        cell.get_by_role("button", name="Stop").click()
        assert ended(cell).startswith("Stopped.")
        assert len(waiting) == presses
    assert page.workers == []


@pytest.mark.parametrize(
    ("theme", "size", "name", "number"),
    [
        ("light", reading.PHONE, "chapters/recap.html", 6),
        ("dark", reading.DESKTOP, "chapters/recap.html", 6),
        ("dark", reading.PHONE, "exercises/shrinkage-arithmetic.html", 5),
    ],
)
def test_the_buttons_are_accessible_and_fit(opened, live, theme, size, name, number, browser):
    visit = reading.visiting(browser, live, name)
    with visit as seen:
        seen.restyle(theme, size)
        cell = seen.page.locator(f".cell-{number}")
        cell.get_by_role("button", name="Edit").click()
        rules = ["scrollable-region-focusable", "target-size"] if size == reading.PHONE else []
        # The loader of what runs is part of a page, and nothing else is before a press.
        faults = [*reading.weight(seen), *reading.sideways(seen)]
        assert [*faults, *reading.accessibility(seen, rules or None)] == []


def test_what_has_run_and_what_is_sent_are_accessible(live, browser):
    with reading.visiting(browser, live, "chapters/recap.html", theme="dark", size=reading.PHONE) as seen:
        cell = seen.page.locator(".cell-2")
        write(cell, "print('more')\n1 / 0")
        assert run(cell) == "This cell ended with an error."
        assert [*reading.sideways(seen), *reading.accessibility(seen)] == []
    with reading.visiting(browser, live, "live/about.html") as seen:
        assert [*reading.script_errors(seen), *reading.accessibility(seen)] == []


def with_hidden(page, place, source):
    """Let the page have one more cell, hidden, before that of this number."""

    def answer(route):
        notebook = json.loads((HTML / "_sources/chapters/recap.ipynb").read_text(encoding="utf8"))
        where = [cell["id"] for cell in notebook["cells"]].index(f"cell-{place}")
        hidden = {"cell_type": "code", "id": "cell-99", "metadata": {}, "source": source, "outputs": []}
        notebook["cells"].insert(where, hidden)
        route.fulfill(json=notebook)

    page.route("**/_sources/chapters/recap.ipynb", answer)


def test_what_rests_on_a_change_runs_again_and_says_so(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    # As many pages have: it computes a number of the text, and checks that the text says it rightly.
    with_hidden(page, 8, "doubled = 2 * x\nassert x == 1\ntripled = 3 * x\nraise ValueError('of the text')")
    first, second, third, fourth = (page.locator(f".cell-{number}") for number in (2, 4, 6, 8))
    imports = "import numpy as np\nfrom scipy import stats\n"
    write(first, f"{imports}x = 3")
    write(third, "squared = x**2")
    write(fourth, "print(squared, doubled, tripled)")
    assert run(fourth) == "Your own result. 4 cells above ran first."
    assert fourth.locator(".live-text").inner_text() == "9 6 9\n"
    assert second.locator(".live-status").inner_text() == "This follows from what you changed above."
    assert third.locator(".live-status").inner_text() == "Your own result."
    # A cell by itself: what has run below it says that it is of before.
    write(first, f"{imports}x = 5")
    assert run(first) == "Your own result."
    outdated = "Something above has changed since this ran: Run brings it up to date."
    assert [cell.locator(".live-status").inner_text() for cell in (third, fourth)] == [outdated, outdated]
    assert run(fourth) == "Your own result. 3 cells above ran first."
    assert fourth.locator(".live-text").inner_text() == "25 10 15\n"
    # What is run again as it was changes nothing below.
    assert run(third) == run(fourth) == "Your own result."
    # All above, from the first; while it runs neither that button nor Shift+Enter ends it.
    write(third, "while True:\n    pass")
    for _ in range(2):
        fourth.get_by_role("button", name="Run all above").click()
    fourth.get_by_role("textbox").press("Shift+Enter")
    fourth.get_by_text("First the cells above: 3 of 4, 1 of them hidden …").wait_for()
    fourth.get_by_role("button", name="Stop").click()
    assert ended(fourth).startswith("Stopped.")
    write(third, "squared = x**2")
    fourth.get_by_role("button", name="Run all above").click()
    assert ended(fourth) == "The 4 cells above have run."


def leads_to(page, name):
    """Return the box and the text of what a link to this id leads to; there is one such."""
    [found] = page.locator(f"[id='{name}']").all()
    return found.bounding_box(), found.inner_text()


def test_links_lead_to_what_stands_in_the_place_of_the_printed_output(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    cell = page.locator(".cell-2")
    _, printed = leads_to(page, "fig-5-39")
    caption = cell.locator("figcaption").inner_text()
    assert caption.startswith("Figure 5.39")
    for source, shown in {
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])": "",
        "x = 3": "This run has shown nothing.",
        "1 / 0": "Traceback",
        'from IPython.display import HTML\nHTML("<b id=fig-5-39>mine</b>")': "mine",
    }.items():
        write(cell, source)
        run(cell)
        assert shown in cell.locator(".live-output").inner_text()
        assert cell.locator("figcaption:visible").all_inner_texts() == [caption], source
        box, _ = leads_to(page, "fig-5-39")
        assert box["height"] > 0, source
    cell.get_by_role("button", name="Reset").click()
    assert leads_to(page, "fig-5-39")[1] == printed
    assert cell.locator(".live-output").count() == 0


def test_paper_has_what_the_reader_has_changed_marked_so_and_all_else_as_printed(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    mine, printed = page.locator(".cell-4"), page.locator(".cell-2")
    text = code(mine)
    write(mine, "print('x' * 3)")
    assert run(mine).startswith("Your own result.")
    printed.get_by_role("button", name="Edit").click()  # and left as it is
    page.emulate_media(media="print")
    assert mine.locator(".cell_output:visible").all_inner_texts() == ["xxx\n"]
    assert mine.locator(".cell_input").inner_text() == "print('x' * 3)"
    marks = [
        mine.locator(name).evaluate("part => getComputedStyle(part, '::before').content")
        for name in (".cell_input", ".live-output")
    ]
    assert marks == ['"The reader’s own:"'] * 2
    assert printed.locator(".live-output").is_hidden()
    assert printed.locator("figure:visible").count() == 1
    assert printed.locator(".cell_input pre").is_visible()
    assert page.locator(":is(button, textarea, .live-status):visible").count() == 0
    page.emulate_media(media="screen")
    assert mine.get_by_role("textbox").is_visible()
    assert mine.locator(".cell_input pre").text_content() == text


def test_an_error_of_a_hidden_cell_of_the_book_is_shown_where_the_reader_is(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    with_hidden(page, 4, "raise RuntimeError('a fault of the book')")
    cell = page.locator(".cell-4")
    assert run(cell) == "A cell above, cell 2, ended with an error."
    assert cell.locator(".live-error").inner_text().endswith("RuntimeError: a fault of the book\n")
    cell.get_by_role("button", name="Reset").click()
    assert cell.locator(".live-error").count() == 0


def test_a_second_click_ends_nothing_and_a_printing_loop_can_be_stopped(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    cell = page.locator(".cell-2")
    write(cell, "while True:\n    print('more')")
    cell.get_by_role("button", name="Run", exact=True).dblclick()
    cell.get_by_text("characters of a cell are shown").wait_for()
    assert len(cell.locator(".live-text").inner_text()) < 200_100
    cell.get_by_role("button", name="Stop").click()
    assert ended(cell).startswith("Stopped.")
    # What was stopped has not run, whatever it was before.
    write(cell, "1")
    assert run(cell) == "Your own result."
    # What is written while a cell runs has not run.
    write(cell, "import time\ntime.sleep(2)")
    cell.get_by_role("button", name="Run", exact=True).click()
    cell.get_by_text("Running …").wait_for()
    write(cell, "2")
    assert ended(cell) == SINCE


def test_two_tabs_and_two_books_keep_what_was_written_in_each(opened, live):
    open_page, _ = opened
    page, other = open_page("chapters/recap.html"), open_page("chapters/recap.html")
    write(page.locator(".cell-4"), "1")
    write(other.locator(".cell-6"), "2")
    page.reload(wait_until="load")
    assert [page.locator(f".cell-{n}").get_by_role("textbox").input_value() for n in (4, 6)] == ["1", "2"]
    page.locator(".cell-4").get_by_role("button", name="Reset").click()
    other.reload(wait_until="load")
    assert other.locator(".cell-4").get_by_role("textbox").count() == 0
    assert other.locator(".cell-6").get_by_role("textbox").input_value() == "2"
    [name] = [name for name in page.evaluate("Object.keys(localStorage)") if name.startswith("cells of")]
    assert name == f"cells of {urllib.parse.urlsplit(live).path}chapters/recap"


@states("intro.md", "A chart with controls is drawn anew where you change its cell or one above")
def test_a_chart_follows_the_reader(opened):
    open_page, _ = opened
    page = open_page("chapters/hierarchical-models.html")
    explorer = page.locator("#explorer-shrinkage")  # others stay, for they come with a model for their script
    cell = page.locator(".cell", has=explorer)
    edit = cell.get_by_role("button", name="Edit")
    edit.click()
    text = cell.get_by_role("textbox").input_value()
    run(cell)
    assert cell.locator(".live-note").inner_text() == "The chart with its controls is the printed one."
    assert explorer.is_visible()
    write(cell, f"effect = effect + 40\n{text}")
    assert run(cell).startswith("Your own result.")
    cell.locator(".live-chart svg.marks").wait_for()
    assert not explorer.is_visible()
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert "invert" in cell.locator(".live-chart svg").evaluate("chart => getComputedStyle(chart).filter")
    # Whatever comes before it, there is one, on paper too.
    write(cell, f"print('first')\n{text}")
    run(cell)
    cell.locator(".live-chart svg.marks").wait_for()
    for media in ("screen", "print"):
        page.emulate_media(media=media)
        assert cell.locator("svg.marks:visible").count() == 1


def test_a_lost_network_is_said_and_a_press_tries_again(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    page.context.set_offline(True)
    cell = page.locator(".cell-4")
    assert run(cell) == "The code of this page could not be fetched. Press Run to try again."
    page.context.set_offline(False)
    # While Python loads: its loader, what it loads, and a package.
    for part in ("**/pyodide/pyodide.mjs", "**/pyodide/*.gz", "**/live/files/numpy*"):
        page.context.route(part, lambda route: route.abort("internetdisconnected"))
        lost = "Python could not be fetched: see that there is a network. Press Run to try again."
        assert run(cell) == lost
        page.context.unroute(part)
    page.context.set_offline(False)
    assert run(cell) == "Finished. One cell above ran first."
    # Lost later, when a cell imports what is not there yet.
    page.context.set_offline(True)
    write(cell, "import altair")
    assert run(cell) == "This cell ended with an error."
    said = cell.locator(".live-error").inner_text()
    assert said.startswith("altair is needed here and could not be fetched. See that there is a network")
    assert "Traceback" not in said
    page.context.set_offline(False)
    write(cell, "import altair as a; print(a.__name__)")
    assert run(cell) == "Your own result."
    assert cell.locator(".live-text").inner_text() == "altair\n"


def download(page, folder):
    """Press the button for it; return the path of the notebook and what is said."""
    box = page.get_by_role("group", name="Hand in from this page")
    with page.expect_download() as awaited:
        box.get_by_role("button").click()
    path = folder / awaited.value.suggested_filename
    awaited.value.save_as(path)
    box.locator(".live-status").wait_for()
    return path, box.locator(".live-status").inner_text()


def test_a_student_does_an_exercise_to_its_mark(opened, tmp_path):
    open_page, asked = opened
    page = open_page(EXERCISE)
    hand_in = page.get_by_role("group", name="Hand in from this page")
    assert "kept in this browser, on this device only" in hand_in.inner_text()

    # The page as it is: no student, nothing run.
    path, said = download(page, tmp_path)
    assert path.name == "shrinkage-arithmetic.ipynb"
    assert "5 cells have not run as the code stands" in said
    assert "No student is named" in said
    path.unlink()

    first, answer, last = (page.locator(name) for name in (".cell-2", ".cell-5", ".cell-11"))
    write(last, LAST)
    do_exercise(page)
    assert answer.locator(".live-output").inner_text().split("\n") == [
        "(a) recorded: factors, ranks, most, least",
        *(f"(a) {name}: right" for name in ("factors", "ranks", "most", "least")),
        "",
    ]

    # What draws and samples is not fetched for it.
    assert not [address for address in asked if re.search("files/(matplotlib|pymc|arviz)", address)]

    # The next day the work is still there.
    page.reload(wait_until="load")
    assert 'student="student01"' in first.get_by_role("textbox").input_value()
    assert run(last) == "Your own result. 4 cells above ran first."
    submitted = tmp_path / "submitted"
    path, said = download(page, submitted)
    assert (path.name, said) == (
        "student01_5.8.1.ipynb",
        "student01_5.8.1.ipynb is in your downloads: hand it in.",
    )
    # The answers alone too, as the exercise speaks of them.
    with page.expect_download() as awaited:
        hand_in.get_by_role("link", name="5.8.1.json").click()
    recorded = json.loads(Path(awaited.value.path()).read_text("utf8"))
    assert "student01" in json.dumps(recorded)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    recorded = [out.text for cell in notebook.cells for out in cell.get("outputs", [])]
    assert recorded[0].startswith("(a) recorded: factors, ranks, most, least\n")

    out = tmp_path / "marked"
    command = [sys.executable, "-m", "notebook_marking", str(submitted), str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stdout + done.stderr  # prose waits for a human
    result = json.loads((out / "gradescope/student01_5.8.1/results.json").read_text("utf-8"))
    marks = {test["name"]: (test["score"], test["max_score"]) for test in result["tests"]}
    assert [marks[f"(a) {name}"] for name in ("factors", "ranks", "most", "least")] == [
        (2, 2),
        (1, 1),
        (0.5, 0.5),
        (0.5, 0.5),
    ], marks
    assert marks["(d) factor"] == (1, 1)
    assert marks["(b) estimates"] == (0, 2)


def test_a_reader_changes_a_prior_and_runs_both_models(opened, every_page):
    open_page, _ = opened
    page = open_page(EIGHT_SCHOOLS)
    said = change_the_prior(page)
    assert said.startswith("This follows from what you changed above. ")
    # The forest plot, and the comparison with the exact posterior, of which both are those of this prior.
    assert page.locator(".cell-2 .live-output img").evaluate(DRAWN) > 600
    shown = page.locator(".cell-6 .live-output").inner_text()
    wide = posterior_of(25)["tau"]
    assert f"tau  {wide.mean():.2f} ± {wide.sd():.2f}" in shown
    compared = page.locator(".cell-22 .live-output").inner_text()
    assert f"{wide.mean():.2f}" in compared
    assert "outside" not in compared
    diagnosed = page.locator(".cell-38 .live-output tbody tr").first.locator("td").all_inner_texts()
    centred, noncentred = map(int, diagnosed)
    assert centred > noncentred


def posterior_of(scale):
    """Return the exact posterior of Eight Schools under another prior of tau."""
    schools = datasets.eight_schools()
    effect, error = schools["effect"], schools["standard_error"]
    return exact.normal(effect, error, mu=stats.norm(0, 20), tau=stats.halfnorm(scale=scale))


def test_a_browser_that_keeps_nothing_says_so(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    cell = page.locator(".cell-6")
    write(cell, "1")
    assert cell.locator(".live-status").inner_text().startswith("This browser keeps nothing")


def test_what_was_written_for_another_edition_is_not_lost(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    kept = json.dumps({"cell-6": {"printed": "B = other", "text": "mine"}})
    key = f"cells of {urllib.parse.urlsplit(page.url).path.removesuffix('.html')}"
    page.evaluate("([key, text]) => localStorage.setItem(key, text)", [key, kept])
    page.reload(wait_until="load")
    cell = page.locator(".cell-6")
    assert cell.get_by_role("textbox").input_value() == "mine"
    assert "The book has since changed this cell" in cell.locator(".live-status").inner_text()


def test_what_was_written_stays_with_its_code(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    printed = page.locator(".cell-6 .cell_input pre").text_content().removesuffix("\n")
    written = {"cell-4": {"printed": printed, "text": "mine"}, "cell-99": {"printed": "x", "text": "lost"}}
    key = f"cells of {urllib.parse.urlsplit(page.url).path.removesuffix('.html')}"
    page.evaluate("([key, text]) => localStorage.setItem(key, text)", [key, json.dumps(written)])
    for _ in range(2):  # and so it is kept
        page.reload(wait_until="load")
        assert page.locator(".cell-4").get_by_role("textbox").count() == 0
        assert page.locator(".cell-6").get_by_role("textbox").input_value() == "mine"
        assert "has since changed" not in page.locator(".cell-6 .live-status").inner_text()
        assert page.locator(".live-gone pre").text_content() == "lost"


def test_a_book_that_has_changed_is_reloaded_first(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")

    def other(route):
        text = (HTML / "_sources/chapters/recap.ipynb").read_text(encoding="utf8")
        notebook = json.loads(text)
        next(cell for cell in notebook["cells"] if cell["id"] == "cell-4")["source"] = "1"
        route.fulfill(json=notebook)

    page.route("**/_sources/chapters/recap.ipynb", other)
    said = run(page.locator(".cell-4"))
    assert said == "The book has changed since this page was opened: reload the page."


def test_warnings_are_shown_where_the_reader_has_written(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    cell = page.locator(".cell-2")
    write(
        cell, "import sys, warnings\nwarnings.warn('take care')\nprint('out')\nprint('err', file=sys.stderr)"
    )
    assert run(cell) == "Your own result."
    texts = cell.locator(".live-warning").all_inner_texts()
    assert "UserWarning: take care" in texts[0]
    assert "err" in texts[-1]
    assert cell.locator(".live-text:not(.live-warning)").inner_text() == "out\n"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('answers = exercises.Answers("5.8.1", student = "a1")', "a1_5.8.1.ipynb"),
        (
            '# Answers("5.8.1", student="old")\nanswers = Answers("5.8.1", student="müller")',
            "müller_5.8.1.ipynb",
        ),
    ],
)
def test_the_download_is_named_after_the_student(opened, tmp_path, line, name):
    open_page, _ = opened
    page = open_page(EXERCISE)
    write(page.locator(".cell-2"), line)
    path, _ = download(page, tmp_path)
    assert path.name == name


def test_plain_sampling_works_in_the_page(opened, every_page):
    open_page, _ = opened
    cell = open_page("chapters/recap.html").locator(".cell-2")
    write(
        cell,
        """\
import pymc as pm
with pm.Model():
    pm.Normal("y", pm.Normal("x"), observed=[1.0, 2.0])
    idata = pm.sample(random_seed=1)
    pm.sample_posterior_predictive(idata, extend_inferencedata=True)
print(idata["posterior"].attrs["tuning_steps"], idata["posterior"].sizes["draw"])
def endless():
    return endless()
try:
    endless()
except RecursionError:
    print("ends")""",
    )
    run(cell)
    assert cell.locator(".live-text:not(.live-warning)").inner_text() == "1000 1000\nends\n"


def test_chains_run_side_by_side_and_give_the_same_draws(opened, every_page):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    cell = page.locator(".cell-2")
    write(
        cell,
        """\
import numpy as np, pymc as pm, page_nuts
from page_nuts import engine
import js
with pm.Model() as model:
    pm.Normal("x", 0, 1)
compiled = page_nuts.compile_pymc_model(model)
together = page_nuts.sample(compiled, draws=100, tune=100, chains=4, seed=1)["posterior"]["x"].values
each = engine.run_each
engine.run_each = lambda program, arrays, settings: [each(program, arrays, [own])[0] for own in settings]
alone = page_nuts.sample(compiled, draws=100, tune=100, chains=4, seed=1)["posterior"]["x"].values
fetched = js.performance.getEntriesByType("resource")
print(sum(entry.name.endswith("chain.js") for entry in fetched), np.array_equal(together, alone))
print(together.shape, np.unique(together[:, 0]).size)
with model:
    print(pm.sample(progressbar=False)["posterior"]["x"].shape)""",
    )
    run(cell)
    told = " ".join(cell.locator(".live-text:not(.live-warning)").all_inner_texts())
    assert told.split() == ["4", "True", "(4,", "100)", "4", "(4,", "1000)"]


# Workers of chains that meet with something, and are counted when they are ended.
MEETING = """
[self.ended, self.answered] = [new Set(), new Set()];
self.Worker = class extends (self.Ordinary ??= self.Worker) {{
  constructor(...given) {{
    super(...given);
    this.addEventListener("message", () => answered.add(this));
    setTimeout(() => {{ if ({event}) this.dispatchEvent({event}); }}, 0);
  }}
  terminate() {{
    self.ended.add(this);
    super.terminate();
  }}
}};
"""
CHAINS = '''\
import js
from pyodide.code import run_js
from pyodide.ffi import JsException, run_sync, to_js
run_js("""{meeting}""")
settings = to_js([{{"seed": seed}} for seed in (1, 2, 3)], dict_converter=js.Object.fromEntries)
try:
    print([one.draws for one in run_sync(js.runAside("""{program}""", None, settings))])
except JsException as error:
    print(error)
print(js.answered.size, "answered", js.ended.size, "ended")'''
DIES = "(_, {seed}) => { for (; seed === 3;); return seed === 2 ? null.draws : { draws: seed }; }"
DRAWS = "(_, {seed}) => ({ draws: seed })"


def test_an_error_of_a_chain_is_said_and_ends_the_others(opened):
    open_page, _ = opened
    cell = open_page("chapters/recap.html").locator(".cell-2")
    more = "Run the cell again; fewer draws need less memory"
    dies = "new ErrorEvent('error', { message: 'out of memory' })"
    for event, program, said in [
        ("null", DRAWS, r"\[1, 2, 3\]\n3 answered"),  # under the policy for hosts
        ("null", DIES, rf"Error: chain 2 of 3: Cannot read properties of null .*\. {more}"),
        (dies, DRAWS, rf"Error: chain 1 of 3: out of memory\. {more}"),
        ("new Event('error')", DRAWS, r"\[1, 2, 3\]"),  # without workers: here
    ]:
        write(cell, CHAINS.format(meeting=MEETING.format(event=event), program=program))
        assert run(cell) == "Your own result."
        shown = cell.locator(".live-text:not(.live-warning)").inner_text()
        assert re.fullmatch(rf"{said}(\n\d answered)? 3 ended\n", shown), shown


def sent(live, name):
    """Return a file of what cells need, unpacked if the server has packed it."""
    with urllib.request.urlopen(f"{live}live/{name}") as answer:
        content = answer.read()
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


@states(
    "intro.md",
    "Python into the page, about 26 MB, or some 40 in all with figures and sampling",
)
def test_the_first_number_comes_within_thirty_megabytes(live):
    index = json.loads(sent(live, "index.json"))
    core = index["core"] + len(gzip.compress(sent(live, "pyodide/pyodide.asm.mjs")))
    first = core + sum(file["bytes"] for file in index["files"] if "cells" in file["first"])
    assert 25e6 < first < 27e6 < 30e6
    recorded = json.loads((ROOT / "tooling/benchmarks/results/live.json").read_text("utf-8"))
    [figure] = [row["value"] for row in recorded["results"] if row["what"].endswith("another prior, bytes")]
    assert 38e6 < figure < 42e6


def test_packages_are_sent_as_the_byte_code_of_the_python_that_reads_it(live, opened):
    whole = set()
    for file in json.loads(sent(live, "index.json"))["files"]:
        names = zipfile.ZipFile(io.BytesIO(sent(live, f"files/{file['name']}"))).read("names")
        if b".py\n" in names + b"\n":
            whole.add(file["name"])
    # The book's own, which readers may want to read, and the small ones that JupyterLite brings.
    assert {name.partition("-")[0] for name in whole} <= {"book", "ipykernel", "pyodide_kernel"}
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    loaded = "import json, numpy\nprint(json.__cached__[-3:], numpy.__file__[-3:])\nnumpy.zeros(2)[5]"
    [[outcome, text, _]] = page.evaluate(RUN_ALL, ["chapters", [[loaded, None]]])
    assert outcome == "failed"
    assert text.startswith("pyc pyc")
    assert "index 5 is out of bounds" in text


def test_every_block_of_code_has_its_buttons(live):
    for name in CHAPTERS:
        soup = BeautifulSoup((HTML / name).read_text(encoding="utf8"), "html.parser")
        notebook = HTML / "_sources" / name.replace(".html", ".ipynb")
        ids = (
            {cell["id"] for cell in json.loads(notebook.read_text())["cells"]} if notebook.exists() else set()
        )
        blocks = soup.select("div.cell_input")
        assert bool(blocks) == bool(soup.select("script[data-page]")), name
        for block in blocks:
            numbers = [word for word in block.find_parent("div", "cell")["class"] if word.startswith("cell-")]
            assert len(numbers) == 1, name
            assert numbers[0] in ids, name


def test_every_cell_shows_what_it_states(opened, live, page_name):
    open_page, _ = opened
    cells = [cell for cell, _ in code_cells(read(ROOT / page_name))]
    page = open_page(page_name.replace(".md", ".html"))
    wanted = [[cell.source, cell.metadata.get("expect")] for cell in cells]
    faults = []
    shown = page.evaluate(RUN_ALL, [page_name.rpartition("/")[0], wanted])
    for number, (cell, (outcome, text, kinds)) in enumerate(zip(cells, shown, strict=True), 1):
        expect = cell.metadata.get("expect")
        drawn = any(kind.startswith(("image/", "application/vnd.vega")) for kind in kinds)
        if {"image", "figure"} & {*cell.metadata.get("mystnb", {})} and not drawn:
            faults.append(f"cell {number} draws nothing")
        if outcome == "failed" or (outcome == "stated") != (expect is not None):
            faults.append(f"cell {number} {outcome}; it states\n{expect}\nand shows\n{text}")
    assert faults == []
    assert memory() < MOST_BYTES


def pytest_generate_tests(metafunc):
    """Run two pages, or with ``--every-page`` all."""
    if "page_name" in metafunc.fixturenames:
        metafunc.parametrize("page_name", EVERY_PAGE if metafunc.config.option.every_page else QUICK)
