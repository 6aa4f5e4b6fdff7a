"""A sentence that counts or says always, never, most is quoted by a test, or listed as no assertion."""

import re
from pathlib import Path

from statements import ROOT, plain, stated

LIST = Path(__file__).with_name("no_assertions.txt")
PAGES = ["intro.md", "glossary.md"] + [
    path.relative_to(ROOT).as_posix()
    for room in ("chapters", "solutions")
    for path in (ROOT / room).glob("*.md")
]
COUNTS = re.compile(
    r"(?<![\w.])\d+(?:[.,]\d+)*"
    r"|\b(?:always|never|most(?:ly)?|half|none|every|all|only|at (?:least|most)|twice|nearly"
    r"|as (?:many|much))\b",
    re.IGNORECASE,
)
NAMED = re.compile(
    r"\b(?:Figure|Section|Solution|Exercise)s? [\d.]+\w?|\b5\.\d[\d.]*"
)  # no numbers of their own
LEFT_OUT = re.compile(
    r"\A---\n.*?\n---\n|^```\{(?!admonition|prf).*?^```$|^```bash.*?^```$|^\$\$.*?^\$\$$"
    r"|^<!-- for a class.*?-->$|^ *<!--.*?-->$|^\([^\n]*\)=$|^\s*:\w+:[^\n]*$|\$[^$]*\$",
    re.DOTALL | re.MULTILINE,
)
PART = re.compile(r"\n\s*\n|\n(?=\s*[-*] |\d\. |\||#|:)")  # paragraphs, items, rows, headings
END = re.compile(r"(?<=[.?!:])\s+(?=[A-Z(“\"])")


def sentences(text):
    """Sentences of a page's prose, each in one line: no headings, rows of tables, directives or questions."""
    for part in PART.split(LEFT_OUT.sub(" ", text)):
        for sentence in END.split(plain(part).strip()):
            if len(sentence) > 25 and not re.match(r"[#|:`<{]", sentence) and sentence[-1] != "?":
                yield sentence


def squeezed(text):
    return re.sub(r"\W", "", plain(LEFT_OUT.sub(" ", text)))


def unquoted(text, quotes):
    """Sentences that count, of which no quoted words hold a part or the whole."""
    for sentence in sentences(text):
        own = squeezed(sentence)
        if COUNTS.search(NAMED.sub("", sentence)) and not any(one in own or own in one for one in quotes):
            yield sentence


def open_sentences():
    """Those of all pages, each behind its page's name."""
    quotes = {page: [] for page in PAGES}
    for page, words, _ in stated():
        quotes.setdefault(page, []).append(squeezed(words))
    return {
        f"{page}: {sentence}"
        for page in PAGES
        for sentence in unquoted((ROOT / page).read_text("utf-8"), quotes[page])
    }


def test_what_is_new_and_counts_is_quoted():
    listed = set(LIST.read_text("utf-8").splitlines())
    new = sorted(open_sentences() - listed)
    help_ = (
        "quote each by `@states` over a test that computes it, or add it, if it asserts nothing, to "
        + LIST.name
    )
    assert not new, "\n".join([help_, *new])


def test_the_list_is_sorted_and_holds_nothing_that_is_gone_or_quoted():
    listed = LIST.read_text("utf-8").splitlines()
    assert listed == sorted(set(listed))
    assert sorted(set(listed) - open_sentences()) == []


def test_a_new_sentence_is_seen():
    text = (
        "---\na: 1\n---\n# All 7 titles that are here\n\nMost schools gain something here. Does it always?\n"
    )
    assert list(unquoted(text, [])) == ["Most schools gain something here."]
    assert list(unquoted(text, [squeezed("schools **gain**")])) == []
    assert list(
        unquoted("See Figure 5.3, where $x = 3$ stands alone.\n\n- It has 12 parts, and more.\n", [])
    ) == ["- It has 12 parts, and more."]
