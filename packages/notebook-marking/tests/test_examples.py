"""The examples in docstrings and in the README are the real thing."""

import csv
import doctest
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

import notebook_marking
from notebook_marking.__main__ import main
from notebook_marking.course import Course

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(notebook_marking.__path__)])
def test_examples_in_docstrings(name):
    assert doctest.testmod(import_module(f"notebook_marking.{name}")).failed == 0


def test_the_example_of_the_readme(bubblewrap, tmp_path, monkeypatch):
    files = re.findall(r"^`([\w/.]+)`:\n\n(`{3,})\w*\n(.*?)^\2$", README, re.MULTILINE | re.DOTALL)
    assert sum(text.count("\n") for _, _, text in files) <= 35
    for name, _, text in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = re.search(r"^    notebook-marking (.+)$", README, re.MULTILINE)[1]
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 0
    with Path("marked/grades.csv").open(encoding="utf-8", newline="") as table:
        (row,) = csv.DictReader(table)
    assert (row["student_id"], row["score"], row["max_score"]) == ("ada", "2.0", "2.0")
    # What students are told is what the scheme has for them.
    mine = import_module("mine")
    assert {
        name: {"parts": form["parts"]} for name, form in Course.read("book").forms().items()
    } == mine.FORMS
