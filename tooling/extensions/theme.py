"""What the theme and its extensions bring into every page: less of it, and accessible."""

import html
import io
import re
import textwrap
from pathlib import Path

from docutils import nodes
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from PIL import Image

EMPTY_HEADER = re.compile(r"<th(?: class=\"head\")?>(?:<p></p>)?</th>")  # of pandas, and of docutils
# A number that a cell has computed for the text.
NEGATIVE = re.compile(r'(<span class="pasted-text">)-(?=\d)')
# A bracket before a formula, and what follows it without a space, belong on the formula's line.
BESIDE_FORMULA = re.compile(r"\(?<span class=\"math [^>]*>[^<]*</span>[.,;:?!)]*")
PICTURE = "_static/readme.png"
FONTS = Path("_static", "vendor", "fontawesome", "webfonts")
# The icons on the pages, by the names of Font Awesome. `_static/book.css` puts these small fonts before
# the whole ones, which a browser fetches only for an icon that is missing here.
ICONS = {
    "fa-solid-900": [
        # buttons
        *("angle-down", "angle-left", "angle-right", "arrow-up", "bars", "code", "download", "expand"),
        *("file", "file-pdf", "list", "magnifying-glass", "rocket", "xmark"),
        # light and dark
        *("circle-half-stroke", "moon", "sun"),
        # boxes
        *("bell", "book", "circle-exclamation", "circle-info", "circle-question", "flask"),
        *("lightbulb", "pen-to-square", "share", "triangle-exclamation"),
    ],
    "fa-brands-400": ["github"],
}


def leave_out_thebe(app, page, template, context, tree):  # noqa: ARG001 (Sphinx passes them)
    """Leave out Thebe, which runs cells in the page by code from elsewhere and is not switched on.

    Its configuration is put in twice, which is an error in the browser's console.
    """
    for kind in ("css_files", "script_files"):
        context[kind] = [file for file in context.get(kind, []) if not is_of_thebe(file)]


def is_of_thebe(file):
    """Tell whether a script or a style sheet is part of Thebe."""
    body = getattr(file, "attributes", {}).get("body", "")
    return "sphinx-thebe" in str(getattr(file, "filename", file)) or "THEBE_JS_URL" in body


def correct_markup(app, page, template, context, tree):  # noqa: ARG001
    """Mend what axe-core finds: headers without a name, a role that fits no list; and how the text is set."""
    if "body" in context:
        body = EMPTY_HEADER.sub("<td></td>", context["body"])
        body = BESIDE_FORMULA.sub(r'<span class="unbroken">\g<0></span>', body)
        body = NEGATIVE.sub("\\g<1>\N{MINUS SIGN}", body)
        context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')


def describe(app, page, template, context, tree):  # noqa: ARG001
    """Say what a page is about where searches and links to it show that: its first words and a picture."""
    if tree is None:
        return
    words = next((part.astext() for part in tree.findall(nodes.paragraph)), "")
    about = {
        "og:type": "article",
        "og:site_name": app.config.project,
        "og:title": html.unescape(re.sub("<.*?>", "", context["title"])),
        "og:description": textwrap.shorten(words, 200, placeholder=" …"),
    }
    if app.config.html_baseurl:  # a picture needs a full address
        about["og:image"] = f"{app.config.html_baseurl.rstrip('/')}/{PICTURE}"
    for name, content in (*about.items(), ("description", about["og:description"])):
        kind = "property" if name.startswith("og:") else "name"
        context["metatags"] += f'<meta {kind}="{name}" content="{html.escape(content)}">\n'


def write_icons(app, error):
    """Write fonts with the icons on the pages only, for a few KB in place of 270."""
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir, "_static", "icons")
    folder.mkdir(exist_ok=True)
    for name, icons in ICONS.items():
        font = TTFont(Path(app.outdir, FONTS, f"{name}.ttf"), recalcTimestamp=False)
        subsetter = Subsetter(Options(notdef_outline=True))
        subsetter.populate(glyphs=icons)
        subsetter.subset(font)
        font.flavor = "woff"
        font.save(folder / f"{name}.woff")


def shrink_pictures(app, error):
    """Write figures with a palette of 96 colours: a third of the bytes, the same to look at."""
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir, "_images").glob("*.png"):
        smaller = io.BytesIO()
        with Image.open(path) as picture:
            on_white = Image.alpha_composite(
                Image.new("RGBA", picture.size, "white"), picture.convert("RGBA")
            ).convert("RGB")
        on_white.quantize(96, dither=Image.Dither.NONE).save(smaller, "PNG", optimize=True)
        if smaller.tell() < path.stat().st_size:
            path.write_bytes(smaller.getvalue())


def setup(app):
    """Connect all to Sphinx, after what they alter."""
    app.connect("html-page-context", leave_out_thebe, priority=900)
    app.connect("html-page-context", correct_markup, priority=900)
    app.connect("html-page-context", describe)
    app.connect("build-finished", write_icons)
    app.connect("build-finished", shrink_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
