"""Where words are explained, and which works are listed."""

import re

from statements import ROOT, plain, states

# The chapters in their order, by what the glossary calls them.
RECAP = tuple(f"5.{section}" for section in range(1, 8))
CHAPTERS = {
    "hierarchical-models": ("5.8",),
    "recap": RECAP,
    "pooling-problem": ("5.8.1",),
    "mathematical-structure": ("5.8.2",),
    "eight-schools": ("5.8.3",),
    "dirichlet-multinomial": ("5.8.4",),
    "loo-comparison": ("5.8.5",),
    "when-hierarchical": ("5.8.6",),
    "practical-considerations": ("practical considerations",),
    "calibration": ("is the sampler right?",),
    "bringing-together": ("bringing it together",),
}


def prose(chapter):
    """The text of a chapter without code and labels."""
    text = (ROOT / "chapters" / f"{chapter}.md").read_text("utf-8")
    return re.sub(r"^```\{code-cell\}.*?^```|^\([^\n]*\)=$", "", text, flags=re.DOTALL | re.MULTILINE)


def entries():
    """The words of each entry of the glossary, and the chapter that it names."""
    body = (ROOT / "glossary.md").read_text("utf-8").split(":sorted:")[1]
    body = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", body)
    for entry in body.strip("`\n").split("\n\n"):
        words = [line for line in entry.split("\n") if line and not line.startswith(" ")]
        [place] = re.findall(r"\(([^()]*)\)\.$", " ".join(entry.split()))
        yield words, next(chapter for chapter, names in CHAPTERS.items() if place in names)


def linked(words, text):
    """Whether a text links one of the words to the glossary."""
    return any(re.search(rf"{{term}}`[^`]*{re.escape(word)}", text, re.IGNORECASE) for word in words)


def used(words, text):
    """Whether a text has one of the words, which may be in the plural."""
    return any(re.search(rf"\b{re.escape(word)}s?\b", plain(text), re.IGNORECASE) for word in words)


@states("glossary.md", "The number or name in brackets is the page that explains the word")
@states("glossary.md", "page before it that uses the word links to its entry here.")
def test_words_are_linked_before_they_are_explained():
    order = list(CHAPTERS)
    assert len(list(entries())) > 30
    for words, chapter in entries():
        text = prose(chapter)
        assert linked(words, text) or used(words, text), (words, chapter)
        for earlier in order[: order.index(chapter)]:
            text = prose(earlier)
            assert linked(words, text) or not used(words, text), (words, earlier)


def test_every_work_listed_is_cited():
    works = re.findall(r"^@\w+\{(\w+),", (ROOT / "references.bib").read_text("utf-8"), re.MULTILINE)
    pages = [page for folder in ("chapters", "solutions") for page in (ROOT / folder).glob("*.md")]
    text = "".join(page.read_text("utf-8") for page in [*pages, ROOT / "intro.md"])
    cited = {key.strip() for keys in re.findall(r"\{cite:\w+\}`([^`]*)`", text) for key in keys.split(",")}
    assert set(works) == cited
