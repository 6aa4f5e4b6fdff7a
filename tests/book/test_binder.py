"""What Binder gives a reader: the lock, Python 3.13, and pages that open and run as notebooks."""

import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest
from lab import Server
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
from repository import listed_and_new

ROOT = Path(__file__).resolve().parents[2]
PAGE = "chapters/mathematical-structure.md"
pytest_plugins = ["browsing"]


def test_binder_takes_the_same_python_and_lock():
    version = (ROOT / ".python-version").read_text().strip()
    assert (ROOT / "runtime.txt").read_text().strip() == f"python-{version}"
    assert os.access(ROOT / "postBuild", os.X_OK)
    # A folder of Binder's own, or a conda list, would take the place of requirements.txt.
    for other in ("binder", ".binder", "environment.yml", "Pipfile", "setup.py"):
        assert not (ROOT / other).exists()


def test_the_lock_holds_what_plain_pip_can_install():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert len(pinned) > 100
    for line in pinned:
        assert re.match(r"[\w.-]+==[^ ]+ .*\\$", line), f"not an exact version with hashes: {line}"
    assert not re.search(r"https?://|file:", "\n".join(lines)), "the address of an index"


@pytest.fixture
def server(tmp_path):
    """Return JupyterLab on the files of the repository, copied: what is opened may be saved."""
    root = tmp_path / "repository"
    for name in listed_and_new():
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    server = Server(tmp_path, root, ["--LabApp.expose_app_in_browser=True"])
    try:
        server.start()
        yield server
    finally:
        server.stop()


IDLE = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
# The code cells of the notebook in front, whether they are in view or not.
IN_FRONT = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.widgets.map((cell) => cell.model).filter((cell) => cell.type === "code");
  return cells.filter((cell) => cell.sharedModel.getSource().trim()).map((cell) => ({
    number: cell.executionCount,
    outputs: Array.from({ length: cell.outputs.length }, (_, index) => cell.outputs.get(index).type),
  }));
}"""


def run_all(lab):
    """Choose Run, Run All Cells; again, if the menu closed before it took the click."""
    for _ in range(3):
        lab.get_by_role("menuitem", name="Run", exact=True).click()
        item = lab.get_by_role("menuitem", name="Run All Cells", exact=True)
        item.hover()
        item.click()
        prompt = lab.locator(".jp-InputPrompt", has_text=re.compile(r"\[[*\d]"))
        with suppress(PlaywrightTimeoutError):
            return prompt.first.wait_for(state="attached", timeout=15_000)
        lab.keyboard.press("Escape")
    return pytest.fail("the menu starts no cell")


def ran(lab):
    """Return the code cells of the notebook in front, once each has run or one has failed."""
    deadline, idle = time.monotonic() + 300, 0
    while time.monotonic() < deadline:
        cells = lab.evaluate(IN_FRONT)
        failed = any("error" in cell["outputs"] for cell in cells)
        if failed or all(cell["number"] is not None for cell in cells):
            lab.locator(IDLE).wait_for()
            return lab.evaluate(IN_FRONT)
        idle = idle + 1 if lab.locator(IDLE).count() else 0
        if idle == 20:  # on a busy machine a click may meet the menu's line for one cell
            run_all(lab)
        lab.wait_for_timeout(1000)
    pytest.fail(f"not all cells have run within five minutes: {cells}")


def opened(server, lab, page, way):
    """Open a page, by the address that Binder opens or by clicks on its folder and its name."""
    query = f"?token={server.token}"
    if way == "by its address":
        lab.goto(f"{server.address}lab/tree/{page}{query}")
    else:
        lab.goto(f"{server.address}lab{query}")
        files = lab.locator(".jp-DirListing-item")
        for name in page.split("/"):
            files.filter(has_text=re.compile(rf"^{re.escape(name)}")).first.dblclick()
    lab.locator(".jp-NotebookPanel .jp-Notebook h1").first.wait_for()
    assert lab.locator(".jp-FileEditor").count() == 0, "a text editor, not a notebook"
    lab.locator(IDLE).wait_for()


def wait_for_save(lab, file, before, wanted):
    """Wait until a page has been written since it was changed last, and holds what is wanted."""
    deadline = time.monotonic() + 60

    def saved():
        return file.stat().st_mtime_ns != before and file.read_bytes() == wanted

    # It is written in place, perhaps once more than was asked, so that it may be cut when it is looked at.
    while not saved() and time.monotonic() < deadline:
        lab.wait_for_timeout(50)
    assert file.stat().st_mtime_ns != before, f"JupyterLab has not saved {file}"
    assert file.read_bytes() == wanted, file


# Open a page as a notebook, all with one kernel, and edit and mend it once that is known; say whether it was
# then saved by itself, within two minutes from the start.
AUTOSAVED = """(path) => {
  const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
  const open = async () => {
    const kernel = window.kernel && { id: window.kernel };
    const how = { path, factory: "Jupytext Notebook", kernel };
    const panel = await window.jupyterapp.commands.execute("docmanager:open", how);
    await panel.context.ready;
    await panel.sessionContext.ready;
    const session = panel.sessionContext.session;
    while (session.kernel?.status !== "idle") await pause(0.1);
    await session.kernel.info;
    window.kernel = session.kernel.id;
    const source = panel.content.widgets[0].model.sharedModel;
    source.setSource(source.getSource() + " ");
    source.setSource(source.getSource().slice(0, -1));
    while (panel.context.model.dirty) await pause(0.1);
    panel.dispose();
    return true;
  };
  return Promise.race([open(), pause(120).then(() => false)]);
}"""


@pytest.mark.slow
@pytest.mark.browser
def test_every_page_is_as_it_was_when_it_is_saved_by_itself(server, browser):
    plugin = "lab/api/settings/@jupyterlab/docmanager-extension:plugin"
    server.ask(plugin, {"raw": '{"autosaveInterval": 1}'}, method="PUT")
    pages = [name for name in listed_and_new() if name.startswith(("chapters/", "exercises/", "solutions/"))]
    pages = {name: (ROOT / name).read_bytes() for name in pages if name.endswith(".md")}
    lab = browser.new_page()
    lab.goto(f"{server.address}lab?token={server.token}")
    lab.wait_for_function("window.jupyterapp?.restored.then(() => true)")
    for name, text in pages.items():
        file = server.root / name
        before = file.stat().st_mtime_ns
        assert lab.evaluate(AUTOSAVED, name), f"{name} cannot be opened or is not saved"
        wait_for_save(lab, file, before, text)
    lab.close()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(
    ("page", "way"),
    [
        (PAGE, "by its address"),
        ("solutions/shrinkage-arithmetic.md", "by its address"),
        ("exercises/shrinkage-arithmetic.md", "by clicks"),
        ("chapters/hierarchical-models.md", "by clicks"),
    ],
)
def test_a_page_opens_as_a_notebook_that_runs_and_is_saved_as_it_was(server, browser, page, way):
    settings = server.ask("lab/api/settings/@jupyterlab/docmanager-extension:plugin")
    viewers = settings["schema"]["properties"]["defaultViewers"]["default"]
    assert viewers.get("markdown") == "Jupytext Notebook"

    file = server.root / page
    before = file.stat().st_mtime_ns
    lab = browser.new_page(viewport={"width": 1300, "height": 900})
    opened(server, lab, page, way)
    run_all(lab)
    cells = ran(lab)
    assert len(cells) > 2
    assert [cell["number"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not any("error" in cell["outputs"] for cell in cells)
    assert any(cell["outputs"] for cell in cells)

    lab.keyboard.press("Control+s")
    wait_for_save(lab, file, before, (ROOT / page).read_bytes())
    lab.close()
