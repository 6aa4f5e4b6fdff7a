"""What is written into the header of a cell is what its page then states, whatever the text."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from myst_nbval.pages import code_cells, read
from myst_nbval.writing import replace, with_stated

FRONT_MATTER = "---\njupytext: {text_representation: {format_name: myst}}\n---\n\n"
HEADERS = (
    "",
    "---\ntags: [hide-input]\n---\n",
    "---\nexpect: |2\n   old\n \n  text\ntags: [hide-input]\n---\n",
    '---\nexpect: "old"\n--- \n',
)
# What YAML, MyST or a page may take for something else.
PIECES = ["", " ", "  ", "\t", "\n", "\n\n", "x", "~[6.9, 7.9]", ":", "# no", "'", '"', "\\", "- a", "{", "|"]
PIECES += ["expect: |", "tags: [a]", "---", "...", "```", "~~~", "<<", "%", "\r\n", "\r", "é", "€", "😀"]
PIECES += ["\0", "\x1b", "\x85", "\xa0", "\u2028", "\ufeff"]


@pytest.mark.parametrize("end_of_line", ["\n", "\r\n"])
@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(), st.sampled_from(HEADERS))
@example("\n  indented after an empty line", "")
@example("x\n \nblanks alone", "")
@example("```\nthe end of a cell", "")
def test_every_text_is_read_as_it_was_written(tmp_path_factory, end_of_line, text, header):
    stated = text.rstrip("\n")  # nobody sees how many lines are empty at the end
    page = f"{FRONT_MATTER}```{{code-cell}}\n{header}print(1)\n```\n\n```{{code-cell}}\n2\n```\n"
    page = page.replace("\n", end_of_line)
    line = page[: page.index("```{")].count("\n") + 1
    file = tmp_path_factory.getbasetemp() / "page.md"
    file.write_bytes(with_stated(page, {line: stated}).encode("utf-8"))
    (first, _), (second, _) = code_cells(read(file))
    assert first.metadata["expect"].rstrip("\n") == stated
    assert first.metadata.get("tags", []) == (["hide-input"] if "tags" in header else [])
    assert (first.source, second.source) == ("print(1)", "2")
    written = file.read_bytes().decode("utf-8")
    assert written.count("\r\n") == (written.count("\n") if end_of_line == "\r\n" else 0)
    assert with_stated(written, {line: stated}) == written


def test_two_commands_that_write_a_page_have_drafts_of_their_own(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("old")
    drafts = set()
    monkeypatch.setattr("shutil.copymode", lambda _, draft: drafts.add(draft))
    for number in (1, 2):
        monkeypatch.setattr("os.getpid", lambda number=number: number)
        replace(page, b"new")
    assert len(drafts) == 2
    assert list(tmp_path.iterdir()) == [page]
