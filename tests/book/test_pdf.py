"""The book as one PDF, and its handouts: all of it is there, nothing is cut off, links lead somewhere."""

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
AUDIT = "chapters/audit.html"  # is looked up, and has no handout
HANDOUTS = HTML / "handouts"
# What readers of paper do not get: controls, folded code, and all of an explorer but its picture.
NOT_PRINTED = (
    "script, button, a.button, .headerlink, .audit-filter, details.hide, #how-far-you-are, .handout, "
    ".explorer > :not(.explorer-picture)"
)


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
def starts(pdf):
    """Return the number of the page on which each page of the book begins."""
    return [pdf.get_destination_page_number(item) + 1 for item in places(pdf.outline)]


@pytest.fixture(scope="module")
def extracted(pdf):
    """Return the text of each page of the PDF, and how far above its foot the last line stands."""
    return [extract(page) for page in pdf.pages]


@pytest.fixture(scope="module")
def texts(extracted):
    """Return the text of each page of the PDF."""
    return [text for text, _ in extracted]


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
        for summary in article.select("summary:not(.sd-summary-title)"):
            summary.decompose()
    return found


def squeeze(text):
    """Take out white space and the page numbers of references, and ligatures apart."""
    return re.sub(r"\bp\.\s\d+|\s+", "", unicodedata.normalize("NFKC", text))


def beginnings(article):
    """Return how headings, paragraphs and cells of tables begin, up to the first formula."""
    for tag in article.select("h1, h2, h3, h4, p, figcaption, td, th, dt, .sd-summary-text"):
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


def titles_of(articles):
    """Return the titles of the pages of the book."""
    return [" ".join(article.h1.get_text().split()) for article in articles.values()]


def test_bookmarks_and_contents_lead_to_every_page(pdf, texts, articles, starts):
    titles = titles_of(articles)
    assert [item.title for item in places(pdf.outline)] == titles
    assert starts == sorted(set(starts))
    assert starts[0] == 3, "after the cover and one page of contents"
    listed = squeeze("".join(texts[1 : starts[0] - 1]))
    for title, number in zip(titles, starts, strict=True):
        assert squeeze(title)[:20] in squeeze(texts[number - 1])
        assert f"{squeeze(title)}{number}" in listed
    assert sum(isinstance(item, list) for item in pdf.outline) > 20, "bookmarks of sections"


def test_each_page_has_its_chapter_at_the_head_and_its_number_at_the_foot(texts, articles, starts):
    ends = [*starts[1:], len(texts) + 1]
    for title, start, end in zip(titles_of(articles), starts, ends, strict=True):
        for number in range(start, end):
            said = squeeze(texts[number - 1])
            assert squeeze(title) in said, number
            assert re.search(rf"(^|\D){number}(\D|$)", texts[number - 1]), number


def test_references_to_other_pages_say_where_these_are(pdf):
    numbers = {name.removeprefix("/"): pdf.get_destination_page_number(place) + 1
               for name, place in pdf.named_destinations.items()}  # fmt: skip
    said = BeautifulSoup(DOCUMENT.read_text(), "html.parser").select("a > .pdf-number")
    assert len(said) > 100
    for number in said:
        target = number.parent["href"].removeprefix("#")
        assert number.get_text() == f"p. {numbers[target]}", target


def test_no_page_is_left_half_empty_before_the_end_of_its_chapter(pdf, extracted, starts):
    # The box around code and output is a line longer than its text.
    middle = float(pdf.pages[0].mediabox.height) / 2 + 20
    sparse = [
        number
        for number, (_, lowest) in enumerate(extracted, start=1)
        if number > 2 and number + 1 not in starts and number < len(extracted) and lowest > middle
    ]
    assert sparse == []


def extract(page):
    """Return the text of a page, and how far above its foot its last line is, in points; its number aside."""
    found = []

    def look(text, outer, inner, *_):
        height = inner[4] * outer[1] + inner[5] * outer[3] + outer[5]
        if text.strip() and height > MARGIN / 25.4 * 72:
            found.append(height)

    return page.extract_text(visitor_text=look), min(found, default=float("inf"))


def test_the_file_is_small(pdf):
    assert len(pdf.pages) > 100
    assert (DOCUMENT.parent / "partial-pooling.pdf").stat().st_size < 8e6


def said_in(path):
    """Return the text of a PDF."""
    return "".join(page.extract_text() for page in PdfReader(path).pages)


def test_each_chapter_and_the_exercises_have_a_handout_that_asks_and_does_not_answer(pdf, articles):
    chapters = [name for name in articles if name.startswith("chapters/") and name != AUDIT]
    assert 'class="handout"' not in (HTML / AUDIT).read_text()
    assert len(list(HANDOUTS.glob("*.pdf"))) == len(chapters) + 1
    for name in chapters:
        handout = squeeze(said_in(HANDOUTS / f"{Path(name).stem}.pdf"))
        assert squeeze(titles_of(articles)[list(articles).index(name)]) in handout
        for choice in articles[name].select(".question details"):
            question = squeeze(choice.select_one(".sd-summary-text").get_text().partition("\0")[0])
            reason = squeeze(choice.select_one(".sd-card-body").get_text().partition("\0")[0])
            assert question in handout, name
            assert len(reason) < 25 or reason[:60] not in handout, name
        assert f'href="../handouts/{Path(name).stem}.pdf"' in (HTML / name).read_text()
    together = squeeze(said_in(HANDOUTS / "exercises.pdf"))
    for name, article in articles.items():
        if name.startswith("exercises/"):
            assert squeeze(article.h1.get_text()) in together
            assert 'href="../handouts/exercises.pdf"' in (HTML / name).read_text()


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


def test_figures_are_drawings_and_not_pictures(pdf):
    parts = BeautifulSoup(DOCUMENT.read_text(), "html.parser").select(".pdf-page")
    pictures = {part["id"]: part.select("img:not([src$='.svg'])") for part in parts}
    # By ArviZ, and with hatches.
    assert {name for name, found in pictures.items() if found} == {
        "chapters/todays-code.html", "chapters/audit.html", "solutions/alpha-prior.html"
    }  # fmt: skip
    with_pictures = [number for number, page in enumerate(pdf.pages) if page["/Resources"].get("/XObject")]
    assert len(with_pictures) <= sum(map(len, pictures.values()))


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
