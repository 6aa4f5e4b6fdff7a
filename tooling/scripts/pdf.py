"""Print the built book as one PDF with Chromium, and a handout for each chapter and for the exercises.

The pages of ``_build/html`` are put one after the other into one document. So the PDF says what the pages
say, and nothing is executed, or read by Sphinx, a second time.

Why Chromium: it sets the mathematics and the style of the pages as they are, tags what it prints, and knows
running heads. It cannot write the page number of a reference, so these come from the document printed before.
"""

import hashlib
import html
import json
import shutil
import sys
from binascii import a2b_base64
from itertools import accumulate
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import chromium
import pikepdf
import yaml
from bs4 import BeautifulSoup
from build import KEPT, build, pages_in, prepare_cache, read_config

from tooling.environment import alone, end_when_interrupted, replace

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "_build" / "pdf" / "figures"
STYLE = Path(__file__).with_suffix(".css")
# What only makes sense on a screen: folded code too; of an explorer, all but its picture.
ON_SCREEN = (
    "script, .headerlink, button, a.button, details.hide, summary, .audit-filter, .handout, "
    "#how-far-you-are, .explorer > :not(.explorer-picture)"
)
# Who looks a word, a work or a verdict up there finds it by its name.
IN_ORDER = ("glossary.html", "references.html", "chapters/audit.html")
# What is looked up, and asks nothing.
WITHOUT_HANDOUT = ("chapters/audit.html",)
CHARACTERS = 1_900  # on a printed page, about


def main():
    """Build the book and print it."""
    if chromium.PATH is None:
        sys.exit(
            f"make pdf prints with Chromium, and none of {', '.join(chromium.NAMES)} was found: install it "
            "(Debian: apt install chromium) and run make pdf again."
        )
    end_when_interrupted(KEPT)
    folder = ROOT / "_build" / "pdf"
    output = folder / "partial-pooling.pdf"
    with alone(ROOT):
        cache = prepare_cache(ROOT)
        built = build(ROOT, cache).parent
        write_figures(cache)
        with chromium.opened() as browser:
            pages = print_book(browser, built, folder / "book.html", output)
            handouts = print_handouts(browser, built, folder)
    print(f"{handouts} handouts, linked from their pages, in {built / 'handouts'}")
    print(f"{pages} pages. Open {output}")


def write_figures(cache):
    """Write the figures of all notebooks as drawings, under the names that MyST-NB gives their pictures."""
    shutil.rmtree(FIGURES, ignore_errors=True)
    FIGURES.mkdir(parents=True)
    for path in cache.glob("executed/*/base.ipynb"):
        try:
            cells = json.loads(path.read_text(encoding="utf8"))["cells"]
        except ValueError:  # cut, and of a page that has changed since: the build made anew what it needs
            continue
        for output in (output for cell in cells for output in cell.get("outputs", ())):
            data = output.get("data", {})
            if {"image/png", "image/svg+xml"} <= set(data):
                name = hashlib.sha256(a2b_base64("".join(data["image/png"]))).hexdigest()
                (FIGURES / f"{name}.svg").write_text("".join(data["image/svg+xml"]), encoding="utf8")


def print_book(browser, built, document, output):
    """Print the pages of a built book; return their number."""
    draft = output.with_suffix(".part")
    expected, numbers = None, {}
    # Where everything stands is known once it is printed; a number longer than the one guessed may move it.
    while expected != numbers:
        document.write_text(book(ROOT, built, numbers), encoding="utf8")
        print_pdf(browser, document, draft)
        expected, numbers = numbers, page_numbers(draft)
    finish(draft, document)
    draft.replace(output)
    with pikepdf.open(output) as pdf:
        return len(pdf.pages)


def print_handouts(browser, built, folder):
    """Print each chapter and all exercises for a class, link the pages to these; return their number."""
    names = names_in(ROOT)
    chapters = [name for name in names if name.startswith("chapters/") and name not in WITHOUT_HANDOUT]
    sets = {Path(name).stem: [name] for name in chapters}
    sets["exercises"] = [name for name in names if name.startswith("exercises/")]
    place = built / "handouts"
    place.mkdir(exist_ok=True)
    for title, pages in sets.items():
        document = folder / "handout.html"
        document.write_text(handout(ROOT, built, pages), encoding="utf8")
        draft = document.with_suffix(".part")
        print_pdf(browser, document, draft)
        finish(draft, document)
        draft.replace(place / f"{title}.pdf")
        for name in pages:
            link_handout(built / name, f"../handouts/{title}.pdf")
    return len(sets)


def link_handout(page, address):
    """Put a link to its handout at the end of a page, unless there is one."""
    text = page.read_text(encoding="utf8")
    link = f'<p class="handout"><a href="{address}">Handout for paper (PDF)</a></p>'
    if link not in text:
        replace(page, text.replace("</article>", f"{link}\n</article>", 1))


def book(root, built, numbers):
    """Return all pages of a built book as one HTML document.

    Links between pages become links within it, and every id carries the name of its page. ``numbers`` are
    the page numbers of what is linked to, as far as they are known.
    """
    articles = read_articles(built, names_in(root))
    ids = ids_of(articles)
    first = read(built / next(iter(articles)))
    config = read_config(root)
    numbers = numbers or guesses(articles)
    for name, article in articles.items():
        print_answers(article, set_choices(article))
        prepare(article, name, ids, built)
        number_references(article, name, numbers)
    titles = {name: title_of(article) for name, article in articles.items()}
    cover = f"""\
<header class="pdf-cover">
<p class="pdf-title">{html.escape(config["title"])}</p>
<p>{html.escape(config["author"])}</p>
<p>{first.select_one(".extra_footer").get_text(" ", strip=True)}</p>
<p>{config["repository"]["url"]}</p>
</header>
{contents(root, titles, numbers)}"""
    return assemble(root, built, articles, cover)


def handout(root, built, names):
    """Return pages as an HTML document for a class: what they ask stands there, and no answer."""
    articles = read_articles(built, names)
    ids = ids_of(articles)
    for name, article in articles.items():
        set_choices(article)
        for tag in article.select(".correction"):
            tag.decompose()
        for tag in article.select("a[href]"):
            if not urlsplit(tag["href"]).scheme and urldefrag(urljoin(name, tag["href"])).url not in articles:
                tag.unwrap()  # it leads to what is not in the hand
        prepare(article, name, ids, built)
    return assemble(root, built, articles)


def guesses(articles):
    """Return about the page on which each article begins, by its name."""
    before = [0, *accumulate(len(article.get_text()) for article in articles.values())]
    return {name: 3 + length // CHARACTERS for name, length in zip(articles, before, strict=False)}


def read_articles(built, names):
    """Return the articles of built pages, by name."""
    return {name: read(built / name).select_one("article.bd-article") for name in names}


def read(path):
    """Return a document of HTML."""
    return BeautifulSoup(path.read_text(encoding="utf8"), "html.parser")


def names_in(root):
    """Return the names of the built pages of the book, in reading order."""
    return [page.with_suffix(".html").as_posix() for page in pages_in(root / "_toc.yml")]


def title_of(article):
    """Return the title of a prepared article, on one line."""
    return " ".join(article.h1.get_text().split())


def ids_of(articles):
    """Return the ids in each article, by its name."""
    return {name: {tag["id"] for tag in article.select("[id]")} for name, article in articles.items()}


def assemble(root, built, articles, cover=""):
    """Return prepared articles as one HTML document, each below its title as a running head."""
    first = built / next(iter(articles))
    soup = read(first)
    mathematics = soup.find("script", string=lambda text: text and "window.MathJax" in text)
    links = soup.select("head link[rel=stylesheet]")
    for link in links:
        link["href"] = (first.parent / urlsplit(link["href"]).path).as_uri()
    config = read_config(root)
    heads, parts = [], []
    for number, (name, article) in enumerate(articles.items()):
        title = json.dumps(title_of(article), ensure_ascii=False)
        heads.append(f"@page part-{number} {{ @top-left {{ content: {title} }} }}")
        start = f'<section class="pdf-page" id="{html.escape(name)}" style="page: part-{number}">'
        parts.append(f"{start}{article.decode()}</section>")
    return f"""\
<!DOCTYPE html>
<html lang="{config["sphinx"]["config"]["language"]}" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8">
<title>{html.escape(config["title"])}</title>
{"".join(map(str, [*links, *soup.select("head style")]))}
<link rel="stylesheet" href="{STYLE.as_uri()}">
<style>@page {{ @top-right {{ content: {json.dumps(config["title"], ensure_ascii=False)} }} }}
@page cover {{ @top-right {{ content: none }} }}
{"".join(heads)}</style>
{mathematics}
<script defer src="{(built / "mathjax" / "tex-mml-chtml.js").as_uri()}"></script>
</head>
<body>
{cover}
<main class="bd-content">
{"".join(parts)}
</main>
</body>
</html>
"""


def set_choices(article):
    """Number the questions of a page and list the choices of each; return what is said of these."""
    answers = []
    for number, question in enumerate(article.select(".question"), start=1):
        question.select_one(".admonition-title").append(f" ({number})")
        choices = BeautifulSoup('<ol class="pdf-choices" type="a"></ol>', "html.parser").ol
        folded = question.select("details")
        folded[0].insert_before(choices)
        for letter, choice in zip("abcdefgh", folded, strict=False):
            line = BeautifulSoup("<li></li>", "html.parser").li
            line.extend(choice.select_one(".sd-summary-text").contents)
            choices.append(line)
            verdict = "right" if "right" in choice["class"] else "wrong"
            answers.append((f"{number} ({letter}), {verdict}:", choice.extract().select_one(".sd-card-body")))
    return answers


def print_answers(article, answers):
    """Put what is said of the choices at the end of a page."""
    for label, body in answers:
        body["class"] = "pdf-answer"
        body.p.insert(0, f"{label} ")
        article.append(body)


def prepare(article, name, ids, built):
    """Make the article of a page a part of the whole: its links, ids, pictures and folded parts."""
    for tag in article.select(ON_SCREEN):
        tag.decompose()
    for tag in article.select("details"):
        tag.name = "div"
    for tag in article.select("img[src]"):
        picture = built / unquote(urljoin(name, tag["src"]))
        drawing = FIGURES / f"{picture.stem}.svg"
        tag["src"] = (drawing if drawing.exists() else picture).as_uri()
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


def number_references(article, name, numbers):
    """Put its page number behind each reference that leads to another page of the book."""
    for tag in article.select("a.internal[href^='#']"):
        target = tag["href"].removeprefix("#")
        if not target.startswith((name, *IN_ORDER)):
            number = numbers.get(target) or numbers[target.partition(":")[0]]
            tag.append(BeautifulSoup(f' <span class="pdf-number">p. {number}</span>', "html.parser"))


def contents(root, titles, numbers):
    """Return the table of contents, by the parts of ``_toc.yml``, with page numbers."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf8"))
    lines = [entry(toc["root"], titles, numbers)]
    for part in toc["parts"]:
        lines.append(f'<p class="pdf-part">{html.escape(part["caption"])}</p>')
        lines += [entry(chapter["file"], titles, numbers) for chapter in part["chapters"]]
    return f'<nav class="pdf-contents"><p class="pdf-title">Contents</p>{"".join(lines)}</nav>'


def entry(file, titles, numbers):
    """Return one line of the contents."""
    name = f"{file}.html"
    return (
        f'<p class="pdf-entry"><a href="#{name}"><span>{html.escape(titles[name])}</span>'
        f"<span>{numbers[name]}</span></a></p>"
    )


def print_pdf(browser, document, output):
    """Let Chromium print a document, once its mathematics is set; its style has the size of the paper."""
    page = browser.new_page()
    page.goto(document.as_uri(), wait_until="load", timeout=300_000)
    page.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => null)")
    page.pdf(path=output, prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
    page.close()


def page_numbers(path):
    """Return the pages, counted from 1, on which what is linked to stands, by its name in the document."""
    with pikepdf.open(path) as pdf:
        numbers = {page.objgen: number for number, page in enumerate(pdf.pages, start=1)}
        return {name.removeprefix("/"): numbers[place[0].objgen] for name, place in pdf.Root.Dests.items()}


def finish(path, document):
    """Give each bookmark the title of its heading (Chromium writes parts of it twice), and pack the file."""
    headings = read(document).select("h1, h2, h3, h4, h5, h6")
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        with pdf.open_outline() as outline:
            for bookmark, heading in zip(flatten(outline.root), headings, strict=True):
                bookmark.title = " ".join(heading.get_text().split())
        pdf.save(path, object_stream_mode=pikepdf.ObjectStreamMode.generate)


def flatten(bookmarks):
    """Return nested bookmarks in their order."""
    return [one for bookmark in bookmarks for one in (bookmark, *flatten(bookmark.children))]


if __name__ == "__main__":
    main()
