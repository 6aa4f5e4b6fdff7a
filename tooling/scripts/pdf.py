"""Print the built book as one PDF with Chromium: title page, contents, every page, working links.

The pages of ``_build/html`` are put one after the other into one document. So the PDF says what the pages
say, and nothing is executed, or read by Sphinx, a second time.
"""

import html
import sys
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import chromium
import yaml
from bs4 import BeautifulSoup
from build import KEPT, build, pages_in, prepare_cache, read_config
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject

from tooling.environment import alone, end_when_interrupted

ROOT = Path(__file__).resolve().parents[2]
STYLE = Path(__file__).with_suffix(".css")
# What only makes sense on a screen; of an explorer, all but its picture.
ON_SCREEN = "script, .headerlink, button, summary, .audit-filter, .explorer > :not(.explorer-picture)"
FOOTER = """\
<div style="font: 8pt Arial, 'Liberation Sans', sans-serif; width: 100%; text-align: center">
<span class="pageNumber"></span></div>"""


def main():
    """Build the book and print it."""
    if chromium.PATH is None:
        sys.exit(
            f"make pdf prints with Chromium, and none of {', '.join(chromium.NAMES)} was found: install it "
            "(Debian: apt install chromium) and run make pdf again."
        )
    end_when_interrupted(KEPT)
    folder = ROOT / "_build" / "pdf"
    document, output = folder / "book.html", folder / "partial-pooling.pdf"
    with alone(ROOT):
        built = build(ROOT, prepare_cache(ROOT)).parent
        folder.mkdir(exist_ok=True)
        pages = print_book(built, document, output)
    print(f"{pages} pages. Open {output}")


def print_book(built, document, output):
    """Print the pages of a built book; return their number."""
    draft = output.with_suffix(".part")
    numbers = {}
    # The page numbers in the contents are known once everything is printed.
    for _ in range(2):
        document.write_text(assemble(ROOT, built, numbers), encoding="utf8")
        print_pdf(document, draft)
        numbers = page_numbers(draft)
    name_bookmarks(draft, document)
    draft.replace(output)
    return len(PdfReader(output).pages)


def assemble(root, built, numbers):
    """Return all pages of a built book as one HTML document.

    Links between pages become links within it, and every id carries the name of its page. ``numbers`` are
    the page numbers of the titles in the contents.
    """
    names = [page.with_suffix(".html").as_posix() for page in pages_in(root / "_toc.yml")]
    pages = {name: BeautifulSoup((built / name).read_text("utf8"), "html.parser") for name in names}
    first = next(iter(pages.values()))
    mathematics = first.find("script", string=lambda text: text and "window.MathJax" in text)
    articles = {name: soup.select_one("article.bd-article") for name, soup in pages.items()}
    ids = {name: {tag["id"] for tag in article.select("[id]")} for name, article in articles.items()}
    for name, article in articles.items():
        prepare(article, name, ids, built)
    head = [*first.select("head link[rel=stylesheet]"), *first.select("head style")]
    for link in head:
        if link.has_attr("href"):
            link["href"] = (built / urlsplit(link["href"]).path).as_uri()
    config = read_config(root)
    parts = [
        f'<section class="pdf-page" id="{html.escape(name)}">{article.decode()}</section>'
        for name, article in articles.items()
    ]
    return f"""\
<!DOCTYPE html>
<html lang="{config["sphinx"]["config"]["language"]}" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8">
<title>{html.escape(config["title"])}</title>
{"".join(map(str, head))}
<link rel="stylesheet" href="{STYLE.as_uri()}">
{mathematics}
<script defer src="{(built / "mathjax" / "tex-mml-chtml.js").as_uri()}"></script>
</head>
<body>
<header class="pdf-cover">
<p class="pdf-title">{html.escape(config["title"])}</p>
<p>{html.escape(config["author"])}</p>
<p>{first.select_one(".extra_footer").get_text(" ", strip=True)}</p>
<p>{config["repository"]["url"]}</p>
</header>
{contents(root, articles, numbers)}
<main class="bd-content">
{"".join(parts)}
</main>
</body>
</html>
"""


def prepare(article, name, ids, built):
    """Make the article of a page a part of the whole: its links, ids, pictures and folded parts."""
    for tag in article.select(ON_SCREEN):
        tag.decompose()
    for tag in article.select("details"):
        tag.name = "div"
    for tag in article.select("img[src]"):
        tag["src"] = (built / unquote(urljoin(name, tag["src"]))).as_uri()
        tag.attrs.pop("loading", None)
    for tag in article.select("a[href]"):
        tag["href"] = link_within(tag["href"], name, ids)
    for tag in article.select("[id]"):
        tag["id"] = f"{name}:{tag['id']}"


def link_within(address, name, ids):
    """Return where a link on a page leads to in the whole document."""
    if urlsplit(address).scheme:
        return address
    page, label = urldefrag(urljoin(name, address))
    if page not in ids or (label and unquote(label) not in ids[page]):
        sys.exit(f"{name} links to {address}, which is no part of the book: mend the link.")
    return f"#{page}:{unquote(label)}" if label else f"#{page}"


def contents(root, articles, numbers):
    """Return the table of contents, by the parts of ``_toc.yml``, with page numbers as far as known."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf8"))
    lines = [entry(toc["root"], articles, numbers)]
    for part in toc["parts"]:
        lines.append(f'<p class="pdf-part">{html.escape(part["caption"])}</p>')
        lines += [entry(chapter["file"], articles, numbers) for chapter in part["chapters"]]
    return f'<nav class="pdf-contents"><p class="pdf-title">Contents</p>{"".join(lines)}</nav>'


def entry(file, articles, numbers):
    """Return one line of the contents."""
    name = f"{file}.html"
    title = articles[name].select_one("h1").get_text().strip()
    return (
        f'<p class="pdf-entry"><a href="#{name}"><span>{html.escape(title)}</span>'
        f"<span>{numbers.get(name, '')}</span></a></p>"
    )


def print_pdf(document, output):
    """Let Chromium print a document, once its mathematics is set."""
    with chromium.opened() as browser:
        page = browser.new_page()
        page.goto(document.as_uri(), wait_until="load", timeout=300_000)
        page.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => null)")
        page.pdf(
            path=output,
            format="A4",
            margin={"top": "20mm", "bottom": "20mm", "left": "20mm", "right": "20mm"},
            print_background=True,
            outline=True,
            tagged=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
        )


def page_numbers(path):
    """Return the pages, counted from 1, on which the pages of the book begin, by their names."""
    reader = PdfReader(path)
    return {
        name.removeprefix("/"): reader.get_destination_page_number(place) + 1
        for name, place in reader.named_destinations.items()
    }


def name_bookmarks(path, document):
    """Give each bookmark the title of its heading; Chromium writes parts of it twice."""
    soup = BeautifulSoup(document.read_text(encoding="utf8"), "html.parser")
    headings = soup.select("h1, h2, h3, h4, h5, h6")
    writer = PdfWriter(clone_from=path)
    bookmarks = flatten(writer.outline)
    for bookmark, heading in zip(bookmarks, headings, strict=True):
        title = " ".join(heading.get_text().split())
        bookmark.node[NameObject("/Title")] = TextStringObject(title)
    writer.write(path)


def flatten(outline):
    """Return the bookmarks of a nested outline in their order."""
    return [one for item in outline for one in (flatten(item) if isinstance(item, list) else [item])]


if __name__ == "__main__":
    main()
