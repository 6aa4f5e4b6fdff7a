"""Cells that run in the page, in Chromium, with nothing but the folder of the built book to ask.

What this needs ``make test`` fetches once, with the user's own settings of where packages come from; where
it cannot be had, these tests are skipped. Of the pages, two run here; ``make test-live`` runs every cell of
every page.
"""

import json
import re
import shutil
import subprocess
import sys

import pytest
import reading
from browsing import CHAPTERS, HTML, ROOT, build_book, serving
from bs4 import BeautifulSoup

from myst_nbval.pages import code_cells, read
from tooling.live.assemble import link

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]

MOST_MILLISECONDS = 600_000  # of a busy machine
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
    shown.push([outcome, outputs.map((data) => data.text ?? data.data["text/plain"]).join("\n")]);
  }
  worker.terminate();
  return shown;
}
"""
EVERY_PAGE = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("chapters", "solutions")
    for path in (ROOT / folder).glob("*.md")
)
QUICK = ["chapters/recap.md", "solutions/shrinkage-arithmetic.md"]


@pytest.fixture(scope="module")
def live(browser, tmp_path_factory):
    """Return the address of the built book with what its cells need, from a folder of its own."""
    build_book()
    folder = tmp_path_factory.mktemp("live") / "html"
    shutil.copytree(HTML, folder, copy_function=link)
    made = subprocess.run(
        [sys.executable, "tooling/live/assemble.py", folder],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    if made.stdout.startswith("Cells do not run"):
        pytest.skip("what cells in the page need could not be fetched")
    with serving(folder) as address:
        yield address


@pytest.fixture
def opened(browser, live):
    """Return a function that opens a page, and the addresses asked for since."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    asked, faults = [], []
    policy = re.search("^    (default-src .*)$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)[1]

    def under_policy(route):
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": policy})

    context.route(re.compile(r"(\.html|worker\.js)$"), under_policy)

    def open_page(name):
        page = context.new_page()
        page.set_default_timeout(MOST_MILLISECONDS)
        page.on("request", lambda request: asked.append(request.url.removeprefix(live)))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
        page.goto(live + name, wait_until="load")
        return page

    yield open_page, asked
    context.close()
    assert faults == []
    assert [address for address in asked if "://" in address] == []


def run(cell):
    """Press Run, and wait until it has ended; return what is said of it."""
    cell.get_by_role("button", name="Run", exact=True).click()
    return ended(cell)


def ended(cell):
    """Return what is said of a cell once nothing runs."""
    cell.get_by_role("button", name="Run", exact=True).wait_for()
    return cell.locator(".live-status").inner_text()


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
    assert figure.locator("img").evaluate("image => image.naturalWidth") > 600
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
    cell.get_by_role("button", name="Edit").click()
    cell.get_by_role("textbox").fill("while True:\n    pass")
    cell.get_by_role("button", name="Run", exact=True).click()
    cell.get_by_text("Running …").wait_for()
    cell.get_by_role("button", name="Stop").click()
    assert ended(cell).startswith("Stopped. Python has forgotten all values")
    cell.get_by_role("textbox").fill("'B' in globals()")
    assert run(cell) == "Your own result. 2 cells above ran first."


@pytest.mark.parametrize(("theme", "size"), [("light", reading.PHONE), ("dark", reading.DESKTOP)])
def test_the_buttons_are_accessible_and_fit(opened, live, theme, size, browser):
    visit = reading.visiting(browser, live, "chapters/recap.html")
    with visit as seen:
        seen.restyle(theme, size)
        cell = seen.page.locator(".cell-6")
        cell.get_by_role("button", name="Edit").click()
        rules = ["scrollable-region-focusable", "target-size"] if size == reading.PHONE else []
        assert [*reading.sideways(seen), *reading.accessibility(seen, rules or None)] == []


def test_a_lost_network_is_said_and_a_press_tries_again(opened):
    open_page, _ = opened
    page = open_page("chapters/recap.html")
    page.context.set_offline(True)
    cell = page.locator(".cell-4")
    assert run(cell).endswith("Press Run to try again.")
    page.context.set_offline(False)
    assert run(cell) == "Finished. One cell above ran first."


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
    cells = [cell for cell in cells if "versions" not in cell.metadata.get("tags", [])]
    page = open_page(page_name.replace(".md", ".html"))
    wanted = [[cell.source, cell.metadata.get("expect")] for cell in cells]
    faults = []
    for number, (outcome, text) in enumerate(
        page.evaluate(RUN_ALL, [page_name.rpartition("/")[0], wanted]), 1
    ):
        expect = wanted[number - 1][1]
        if outcome == "failed" or (outcome == "stated") != (expect is not None):
            faults.append(f"cell {number} {outcome}; it states\n{expect}\nand shows\n{text}")
    assert faults == []


def pytest_generate_tests(metafunc):
    """Run two pages, or with ``--every-page`` all."""
    if "page_name" in metafunc.fixturenames:
        metafunc.parametrize("page_name", EVERY_PAGE if metafunc.config.option.every_page else QUICK)
