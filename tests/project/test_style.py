"""Style and spelling of everything in the repository, and the hooks that check them at each commit."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import codespell_lib
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
# American spellings that are British words too, in another sense.
BRITISH_TOO = {"biased", "license", "program", "programs", "story", "stories"}

# `make test-quick` has what the hooks have, whatever it takes.
pytestmark = pytest.mark.quick


def run(tool, *arguments, folder=ROOT):
    """Return what a tool finds."""
    process = subprocess.run(
        [BIN / tool, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0 or process.stdout, process.stderr
    return "" if process.returncode == 0 else process.stdout


def american_spellings():
    """Return the American spellings that codespell knows, with the British ones."""
    dictionary = Path(codespell_lib.__file__).parent / "data/dictionary_en-GB_to_en-US.txt"
    pairs = (line.split("->") for line in dictionary.read_text().split())
    return {american.rstrip(","): british for british, american in pairs}


def prose(text):
    """Return a Markdown file's words without code, formulas and addresses."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    code = r"^(`{3,}) *(?:\{code-cell\}|[a-z]+\n).*?^\1 *$"
    text = re.sub(code, "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub("^`{3,}.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)|https?://\S+", "", text)


def american(text):
    """Return the American spellings in the prose of a Markdown file."""
    spellings = american_spellings()
    words = {word.lower() for word in re.findall(r"[A-Za-z]+", prose(text))}
    return sorted(words & spellings.keys() - BRITISH_TOO)


def test_ruff_finds_nothing():
    assert run("ruff", "check", "--no-cache", "--output-format=concise") == ""


def test_codespell_finds_nothing():
    assert run("codespell") == ""


def test_a_misspelling_is_found_wherever_it_stands(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    misspelt = "rec" + "ieve"
    names = ["chapters/page.md", "support/code.py", ".github/workflows/book.yml", "_toc.yml", "a.csv"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {misspelt} word\n")
    for name in (".venv/x.md", "_build/x.md", "tooling/extra/x.js", "requirements.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {misspelt} word\n")
    found = run("codespell", folder=tmp_path)
    assert {line.split(":")[0].removeprefix("./") for line in found.splitlines()} == set(names)


def test_prose_is_spelt_the_british_way():
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name[0] not in "._"]
    paths = [*ROOT.glob("*.md"), *(path for folder in folders for path in folder.rglob("*.md"))]
    assert len(paths) > 15
    found = {str(path.relative_to(ROOT)): american(path.read_text()) for path in paths}
    assert {path: words for path, words in found.items() if words} == {}


def test_american_spelling_is_found_in_prose_and_left_alone_in_code():
    page = (
        "---\ncolor: x\n---\n# Color\nThe behavior of a `color` in [it](center.md), "
        "$center$.\n\n```{code-cell} ipython3\nplot(color='grey')\n```\n\n```{note}\nA neighbor.\n```\n"
    )
    assert american(page) == ["behavior", "color", "neighbor"]


def test_hooks_call_the_locked_tools_and_nothing_from_elsewhere():
    assert [repository["repo"] for repository in HOOKS] == ["local"]
    for hook in HOOKS[0]["hooks"]:
        assert hook["language"] == "system"
        assert not hook["pass_filenames"]
        tool, *arguments = hook["entry"].split()
        assert tool.startswith(".venv/bin/")
        assert (BIN / Path(tool).name).exists()
        for argument in arguments:
            assert not argument.endswith(".py") or (ROOT / argument).exists()


def test_examples_of_good_style_are_what_the_book_has():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    fenced = r"^(`{3,})(?:python|markdown)\n(.*?)^\1$"
    examples = [body for _, body in re.findall(fenced, text, re.DOTALL | re.MULTILINE)]
    assert len(examples) >= 5
    folders = ("support", "packages", "tooling", "tests", "chapters", "solutions")
    sources = [path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.[mp][dy]")]
    for example in examples:
        assert any(example in source for source in sources), f"found nowhere:\n{example}"
