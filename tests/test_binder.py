"""What Binder gives a reader: the lock, Python 3.13, and pages that open and run as notebooks."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lab import Server

ROOT = Path(__file__).resolve().parent.parent
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
    files = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(files, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    server = Server(tmp_path, root, ["--LabApp.expose_app_in_browser=True"])
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.mark.slow
def test_a_page_opens_as_a_notebook_in_jupyterlab_and_runs(server):
    settings = server.ask("lab/api/settings/@jupyterlab/docmanager-extension:plugin")
    viewers = settings["schema"]["properties"]["defaultViewers"]["default"]
    assert viewers.get("markdown") == "Jupytext Notebook"

    client, cells = server.open(PAGE)
    assert cells
    try:
        for number, source in enumerate(cells, start=1):
            reply = client.execute_interactive(
                source, timeout=300, allow_stdin=False, output_hook=lambda message: None
            )
            content = reply["content"]
            assert content["status"] == "ok", f"cell {number}: {content.get('evalue')}"
    finally:
        client.stop_channels()


# What the notebook in front shows: its cells, whether they are in view or not.
IN_FRONT = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.widgets.map((cell) => cell.model).filter((cell) => cell.type === "code");
  return cells.map((cell) => ({
    source: cell.sharedModel.getSource(),
    number: cell.executionCount,
    outputs: cell.outputs.toJSON().map((output) => output.output_type),
  }));
}"""
FINISHED = f"""() => {{
  const cells = ({IN_FRONT})().filter((cell) => cell.source.trim());
  const failed = cells.some((cell) => cell.outputs.includes("error"));
  return failed || cells.every((cell) => cell.number !== null);
}}"""


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("page", ["chapters/hierarchical-models.md", "exercises/shrinkage-arithmetic.md"])
def test_a_click_on_a_page_opens_a_notebook_that_runs(server, browser, page):
    folder, name = page.split("/")
    lab = browser.new_page(viewport={"width": 1300, "height": 900})
    lab.goto(f"{server.address}lab?token={server.token}")
    files = lab.locator(".jp-DirListing-item")
    files.filter(has_text=re.compile(rf"^{folder}")).first.dblclick(timeout=120_000)
    files.filter(has_text=re.compile(rf"^{re.escape(name)}")).first.dblclick()
    lab.locator(".jp-NotebookPanel").wait_for(timeout=60_000)
    assert lab.locator(".jp-FileEditor").count() == 0, "a text editor, not a notebook"
    lab.locator(".jp-Notebook h1").first.wait_for()
    lab.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=120_000)

    lab.get_by_role("menuitem", name="Run", exact=True).click()
    lab.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    lab.wait_for_function(FINISHED, timeout=300_000)
    cells = lab.evaluate(IN_FRONT)
    ran = [cell for cell in cells if cell["source"].strip()]
    assert len(ran) > 2
    assert [cell["number"] for cell in ran] == list(range(1, len(ran) + 1))
    assert all("error" not in cell["outputs"] for cell in ran)
    assert any(cell["outputs"] for cell in ran)
    lab.close()


@pytest.mark.slow
@pytest.mark.browser
def test_the_address_that_binder_opens_shows_a_notebook(server, browser):
    lab = browser.new_page()
    lab.goto(f"{server.address}lab/tree/{PAGE}?token={server.token}")
    lab.locator(".jp-NotebookPanel .jp-Notebook h1").first.wait_for(timeout=120_000)
    assert lab.locator(".jp-FileEditor").count() == 0
    lab.close()
