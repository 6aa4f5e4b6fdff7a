"""What a reader sees below a cell is what the tests compared, to the letter, with numbers for intervals."""

from pathlib import Path

import pandas as pd
import pytest
from browsing import HTML, build_book
from bs4 import BeautifulSoup
from sphinx_external_toc.parsing import parse_toc_yaml

from myst_nbval.intervals import INTERVAL, outside
from myst_nbval.pages import code_cells, read

pytest_plugins = ["browsing"]
pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    name: (ROOT / f"{name}.md").read_text(encoding="utf8") for name in parse_toc_yaml(ROOT / "_toc.yml")
}
# The book does not run the exercises, which nobody has filled in.
PAGES = [name for name, text in SOURCES.items() if "{code-cell}" in text and "execution_mode" not in text]
UNSEEN = {"remove-cell", "remove-output"}


@pytest.fixture(scope="module", autouse=True)
def _built():
    build_book()


def stated(page):
    """Return the stated output of every code cell that a reader sees, or nothing."""
    cells = [cell.metadata for cell, _ in code_cells(read(ROOT / f"{page}.md"))]
    seen = [header for header in cells if "remove-cell" not in header.get("tags", [])]
    return [header.get("expect") if not UNSEEN & set(header.get("tags", [])) else None for header in seen]


def outputs(page):
    """Return the output of every code cell in the built page."""
    soup = BeautifulSoup((HTML / f"{page}.html").read_text(encoding="utf8"), "html.parser")
    return [cell.select_one(".cell_output") for cell in soup.select("div.cell")]


def is_as_stated(text, output):
    """Tell whether an output shows a stated text: as it is, or as a table of its words, in order."""
    parts = [part.get_text().removesuffix("\n") + "\n" for part in output.select("pre")]
    for picture in output.select("pre, style, script, figcaption, .explorer"):
        picture.decompose()
    table = output.get_text(" ").split()
    if table:
        return outside(" ".join(text.split()), " ".join(table)) == []
    printed = "".join(parts).rstrip("\n")
    return outside(text.rstrip("\n"), printed) == [] and not INTERVAL.search(printed)


@pytest.mark.parametrize("page", PAGES)
def test_every_stated_output_is_shown_as_it_is_stated(page):
    texts, shown = stated(page), outputs(page)
    assert len(texts) == len(shown)
    for text, output in zip(texts, shown, strict=True):
        assert text is None or (output is not None and is_as_stated(text, output)), text


def test_a_table_with_a_row_lost_swapped_or_repeated_would_be_noticed():
    table = pd.DataFrame({"mean": [1.5, 2.5, 1.5], "share of it": [3, 4, 4]}, index=["A", "B", "C"])
    text = table.to_string()
    for rows in ("ABC", "AB", "ACB", "ABCC", "ABB"):
        output = BeautifulSoup(table.loc[list(rows)].to_html(), "html.parser")
        assert is_as_stated(text, output) == (rows == "ABC"), rows


def test_a_page_that_shows_other_text_would_be_noticed():
    assert sum(text is not None for page in PAGES for text in stated(page)) > 100
    assert sum(len(output.select("pre")) for page in PAGES for output in outputs(page) if output) > 100
