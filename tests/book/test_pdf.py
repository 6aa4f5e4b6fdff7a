"""The book as one PDF: all of it is there, nothing is cut off, and its links and bookmarks lead somewhere."""

import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from browsing import CHAPTERS, HTML
from bs4 import BeautifulSoup
from pypdf import PdfReader

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]
ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "_build/pdf/book.html"
MARGIN = 20  # mm, on every side of A4
# What readers of paper do not get: controls, and all of an explorer but its picture.
NOT_PRINTED = "script, button, summary, .headerlink, .audit-filter, .explorer > :not(.explorer-picture)"


@pytest.fixture(scope="module")
def pdf(browser):
    """Print the book as make does; return a reader of the file."""
    result = subprocess.run(
        [sys.executable, ROOT / "tooling/scripts/pdf.py"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    path = re.search(r"\d+ pages\. Open (.+\.pdf)$", result.stdout, re.MULTILINE)[1]
    return PdfReader(path)


@pytest.fixture(scope="module")
def texts(pdf):
    """Return the text of each page of the PDF."""
    return [page.extract_text() for page in pdf.pages]


@pytest.fixture(scope="module")
def text(texts):
    """Return all of it without its white space, which depends on where lines end."""
    return squeeze("".join(texts))


@pytest.fixture(scope="module")
def articles():
    """Return what the pages of the built book say, by their names."""
    soups = {name: BeautifulSoup((HTML / name).read_text(), "html.parser") for name in CHAPTERS}
    found = {name: soup.select_one("article.bd-article") for name, soup in soups.items()}
    for article in found.values():
        for tag in article.select(NOT_PRINTED):
            tag.decompose()
        for tag in article.select(".math"):
            tag.string = "\0"
    return found


def squeeze(text):
    """Take out white space, and ligatures apart."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def beginnings(article):
    """Return how headings, paragraphs and cells of tables begin, up to the first formula."""
    for tag in article.select("h1, h2, h3, h4, p, figcaption, td, th, dt"):
        if beginning := squeeze(tag.get_text().partition("\0")[0])[:30]:
            yield beginning


def test_it_has_the_text_of_every_page(text, articles):
    for name, article in articles.items():
        missing = [start for start in beginnings(article) if start not in text]
        assert missing == [], name
    assert sum(1 for article in articles.values() for _ in beginnings(article)) > 3000


def test_it_has_every_line_of_code_and_output(text, articles):
    for name, article in articles.items():
        lines = [line for pre in article.select("pre") for line in pre.get_text().splitlines()]
        assert [line for line in lines if squeeze(line) not in text] == [], name


def test_no_reference_is_open_and_all_mathematics_is_set(texts):
    for number, said in enumerate(texts, start=1):
        assert "??" not in said, number
        assert not re.search(r"\\\(|\\\[|\\begin\{|Math input error|\{ref\}|\{glue", said), number


def places(outline):
    """Return the bookmarks of the pages of the book, which are the topmost."""
    return [item for item in outline if not isinstance(item, list)]


def test_bookmarks_and_contents_lead_to_every_page(pdf, texts, articles):
    titles = [" ".join(article.h1.get_text().split()) for article in articles.values()]
    bookmarks = places(pdf.outline)
    assert [item.title for item in bookmarks] == titles
    numbers = [pdf.get_destination_page_number(item) + 1 for item in bookmarks]
    assert numbers == sorted(set(numbers))
    listed = squeeze(texts[1])
    for title, number in zip(titles, numbers, strict=True):
        assert squeeze(title)[:20] in squeeze(texts[number - 1])
        assert f"{squeeze(title)}{number}" in listed
        assert texts[number - 1].split()[-1] == str(number), "the number at its foot"
    assert sum(isinstance(item, list) for item in pdf.outline) > 20, "bookmarks of sections"


def test_its_links_lead_to_places_within_or_to_public_addresses(pdf, articles):
    known = pdf.named_destinations
    within = outside = 0
    for page in pdf.pages:
        for annotation in page.get("/Annots", []):
            link = annotation.get_object()
            if "/Dest" in link:
                assert str(link["/Dest"]) in known
                within += 1
            elif link["/A"]["/S"] == "/GoTo":
                assert str(link["/A"]["/D"]) in known
                within += 1
            else:
                assert re.match(r"https?://(?!127\.|localhost)", link["/A"]["/URI"]), link["/A"]["/URI"]
                outside += 1
    internal = sum(len(article.select("a.internal")) for article in articles.values())
    assert within >= internal + len(CHAPTERS), "each link, and each line of the contents"
    assert outside > 10


def test_it_has_every_figure_with_its_description(pdf, articles, text):
    described = sorted(
        " ".join(node["/Alt"].split())
        for node in elements(pdf)
        if node.get("/S") == "/Figure" and "/Alt" in node
    )
    pictures = [img for article in articles.values() for img in article.select("img")]
    assert described == sorted(" ".join(img["alt"].split()) for img in pictures)
    assert len(pictures) > 30
    for article in articles.values():
        for caption in article.select("figcaption strong"):
            assert squeeze(caption.get_text()) in text


def elements(pdf):
    """Return the elements of the tagged PDF's structure."""
    waiting = [pdf.trailer["/Root"]["/StructTreeRoot"]]
    while waiting:
        node = waiting.pop().get_object()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            yield node
            waiting += [node.raw_get("/K")] if "/K" in node else []


def test_nothing_is_cut_off(pdf, browser):
    width = round((210 - 2 * MARGIN) / 25.4 * 96)
    page = browser.new_page(viewport={"width": width, "height": 970})
    page.emulate_media(media="print")
    page.goto(DOCUMENT.as_uri(), timeout=300_000)
    page.evaluate("MathJax.startup.promise.then(() => null)")
    wide = page.evaluate("""() => [...document.querySelectorAll("main *, nav *")]
        .filter((tag) => tag.getClientRects().length && !tag.closest("mjx-assistive-mml, svg"))
        .filter((tag) => tag.getBoundingClientRect().right > innerWidth + 1
            || (getComputedStyle(tag).overflowX !== "visible" && tag.clientWidth
                && tag.scrollWidth > tag.clientWidth + 1))
        .map((tag) => `${tag.tagName} ${tag.className}: ${tag.textContent.slice(0, 60)}`)""")
    page.close()
    assert wide == []


def test_explorers_are_there_as_pictures(pdf, articles):
    explorers = BeautifulSoup(DOCUMENT.read_text(), "html.parser").select(".explorer")
    assert len(explorers) == sum(len(article.select(".explorer")) for article in articles.values())
    for explorer in explorers:
        assert explorer.select_one("img.explorer-picture[alt]")
        assert not explorer.select_one("input, script, table, .explorer-chart")


def test_without_chromium_it_says_what_to_install():
    result = subprocess.run(
        [sys.executable, ROOT / "tooling/scripts/pdf.py"],
        env={**os.environ, "PATH": "/nowhere"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert "apt install chromium" in result.stderr
