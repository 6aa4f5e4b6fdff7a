"""Pages opened and saved by JupyterLab, VS Code or Jupytext stay as they were, but for what was edited."""

import difflib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupytext.config import load_jupytext_configuration_file
from repository import listed

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("chapters", "exercises", "solutions")
PAGES = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))
PAGES = [page for page in PAGES if page.read_text(encoding="utf8").startswith("---\n")]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
# What JupyterLab and VS Code add to a notebook that they run and save.
OF_LAB = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3", "version": "3.13.0"},
    "toc-autonumbering": False,
    "widgets": {},
}
OF_CELLS = {"trusted": True, "slideshow": {"slide_type": ""}, "vscode": {"languageId": "python"}}


@pytest.fixture(scope="module")
def settings():
    """Return the settings of the project, as Jupytext reads them."""
    return load_jupytext_configuration_file(str(ROOT / ".jupytext.py"))


def saved(notebook, settings):
    """Return the text that Jupytext writes."""
    return jupytext.writes(notebook, fmt="md", config=settings)


def run_by_lab(page, settings):
    """Return the notebook of a page as JupyterLab has it after running it."""
    notebook = jupytext.read(page, config=settings)
    notebook.metadata.update(OF_LAB)
    for cell in notebook.cells:
        cell.metadata.update(OF_CELLS)
    return notebook


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_page_that_an_editor_ran_and_saved_is_the_same(page, settings):
    notebook = run_by_lab(page, settings)
    assert saved(notebook, settings) == page.read_text(encoding="utf8")
    # In a file of its own, as `jupytext --sync` finds it, a notebook has its keys sorted.
    # What JSON cannot hold, such as infinity, would keep JupyterLab from opening it.
    kept = nbformat.reads(json.dumps(notebook, sort_keys=True, allow_nan=False), as_version=4)
    assert saved(kept, settings) == page.read_text(encoding="utf8")


def test_every_other_text_is_saved_as_it_is(settings):
    texts = {name for name in listed() if name.endswith(".md") and "/hostile/" not in name} - set(NAMES)
    assert len(texts) > 20
    changed = [
        name
        for name in texts
        if saved(run_by_lab(ROOT / name, settings), settings) != (ROOT / name).read_text(encoding="utf8")
    ]
    assert changed == []


def test_the_style_of_one_page_stays_in_it(tmp_path):
    """A new page, the last of all, whose tags are in quotes."""
    new, old = ("solutions/zeta.md", "solutions/tau-prior.md")
    for name in [".jupytext.py", *NAMES]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    text = (tmp_path / old).read_text(encoding="utf8")
    assert "tags: [answer, remove-cell]" in text
    text = text.replace("tags: [answer, remove-cell]", 'tags: ["answer", "remove-cell"]')
    (tmp_path / new).write_text(text + "\nAnd a sentence of its own.\n", encoding="utf8")
    settings = load_jupytext_configuration_file(str(tmp_path / ".jupytext.py"))
    for name in (new, old):
        page = tmp_path / name
        assert saved(run_by_lab(page, settings), settings) == page.read_text(encoding="utf8"), name


def test_an_edited_header_changes_only_there(settings):
    page = ROOT / "solutions" / "shrinkage-arithmetic.md"
    notebook = jupytext.read(page, config=settings)
    cell = next(cell for cell in notebook.cells if "answer" in cell.metadata.get("tags", []))
    cell.metadata["expect"] = "  two lines:\nthe first indented\n"
    before = page.read_text(encoding="utf8").splitlines()
    after = saved(notebook, settings).splitlines()
    changes = [line for line in difflib.unified_diff(before, after, n=0) if line[0] in "+-"][2:]
    assert changes == [
        "-expect: |",
        "-  (a) recorded: factors, ranks, most, least",
        "+expect: |2",
        "+    two lines:",
        "+  the first indented",
    ]


def test_an_edited_marking_scheme_keeps_the_other_keys(settings):
    page = ROOT / "solutions" / "shrinkage-arithmetic.md"
    notebook = jupytext.read(page, config=settings)
    notebook.metadata["exercise"]["parts"]["a"]["answers"]["factors"]["points"] = 3
    text = saved(notebook, settings)
    assert jupytext.reads(text, fmt="md:myst").metadata["exercise"] == notebook.metadata["exercise"]
    before, after = page.read_text(encoding="utf8").split("exercise:\n"), text.split("exercise:\n")
    assert after[0] == before[0]
    assert after[1].split("\n---\n", 1)[1] == before[1].split("\n---\n", 1)[1]


@pytest.mark.slow
def test_the_command_that_vs_code_runs_leaves_pages_alone(tmp_path):
    for name in [".jupytext.py", *NAMES]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    jupytext_command = Path(sys.executable).with_name("jupytext")
    for arguments in (["--sync"], ["--to", "md:myst"]):
        subprocess.run([jupytext_command, *arguments, *NAMES], cwd=tmp_path, check=True, capture_output=True)
        changed = [name for name in NAMES if (tmp_path / name).read_bytes() != (ROOT / name).read_bytes()]
        assert changed == [], arguments


@pytest.mark.slow
def test_two_editors_that_save_at_once_leave_all_pages_as_they_were(tmp_path):
    for name in [".jupytext.py", *NAMES]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    command = [Path(sys.executable).with_name("jupytext"), "--to", "md:myst"]
    editors = [subprocess.Popen([*command, *NAMES[start::2]], cwd=tmp_path) for start in (0, 1)]
    assert [editor.wait() for editor in editors] == [0, 0]
    assert [name for name in NAMES if (tmp_path / name).read_bytes() != (ROOT / name).read_bytes()] == []


# What ends a block of YAML, or the cell, or is emptied in it.
NASTY = [
    "```\nmore",
    "a\n  \nb",
    "\n  indented",
    "a\n~~~~",
    " x\ny",
    "a\tb\n",
    "a: b\n# c",
    "'\n\"",
    "\ufeff\u2028\n",
]


@pytest.mark.parametrize("text", NASTY)
def test_an_output_of_any_kind_is_saved_as_it_is(settings, text):
    page = ROOT / "solutions" / "shrinkage-arithmetic.md"
    notebook = jupytext.read(page, config=settings)
    cell = next(cell for cell in notebook.cells if "answer" in cell.metadata.get("tags", []))
    cell.metadata["expect"] = text
    again = jupytext.reads(saved(notebook, settings), fmt="md:myst")
    assert [one.source for one in again.cells] == [one.source for one in notebook.cells]
    (found,) = (one for one in again.cells if one.source == cell.source)
    assert found.metadata["expect"] == text


SAVE = """import json, sys
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class
manager = build_sync_jupytext_contents_manager_class(LargeFileManager)()
manager.root_dir, page, manager.allow_hidden = sys.argv[1], sys.argv[2], sys.argv[3] == "hidden"
content = manager.get(page, type="notebook", content=True)["content"]
content["metadata"]["widgets"] = {}
manager.save({"type": "notebook", "content": content, "format": "json"}, page)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["solutions/shrinkage-arithmetic.md", "exercises/shrinkage-arithmetic.md"])
@pytest.mark.parametrize("root", ["above", "beside"])
def test_a_jupyter_that_reads_no_settings_of_the_project_keeps_the_headers(tmp_path, name, root):
    page = tmp_path / name
    page.parent.mkdir()
    shutil.copy(ROOT / ".jupytext.py", tmp_path)
    shutil.copy(ROOT / name, page)
    before = jupytext.read(page, fmt="md:myst")
    place = (tmp_path, name, "no") if root == "above" else (page.parent, page.name, "hidden")
    subprocess.run([sys.executable, "-c", SAVE, *map(str, place)], check=True, capture_output=True)
    after = jupytext.read(page, fmt="md:myst")
    for key in ("exercise", "mystnb"):
        assert after.metadata.get(key) == before.metadata.get(key)
    assert "widgets" not in after.metadata
    assert [cell.metadata for cell in after.cells] == [cell.metadata for cell in before.cells]


def test_what_an_author_writes_into_a_header_stays_and_names_itself(settings, tmp_path):
    front = "title: Mine\nauthors:\n  - name: Ada\nhtml_meta:\n  description: What it says\n"
    start, rest = (ROOT / "chapters/recap.md").read_text(encoding="utf8").split("\n---\n", 1)
    cell = "```{code-cell} ipython3\n---\neditable: false\nmystnb: {a: Show}\n---\nx = 1\n```\n"
    filters = "  notebook_metadata_filter: authors,html_meta,title\n"
    text = start.replace("  text_representation:", filters + "  text_representation:")
    text = f"{text}\n{front}---\n{rest}\n{cell}"
    page = tmp_path / "new.md"
    page.write_text(text.replace(filters, ""), encoding="utf8")
    notebook = run_by_lab(page, settings)
    for one in notebook.cells:  # as JupyterLab does once its properties are shown
        one.metadata.setdefault("editable", True)
        one.metadata.setdefault("tags", [])
    found = jupytext.reads(saved(notebook, settings), fmt="md:myst")
    wanted = jupytext.reads(text, fmt="md:myst")
    assert found.metadata == wanted.metadata
    assert [one.metadata for one in found.cells] == [one.metadata for one in wanted.cells]
