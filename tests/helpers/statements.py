"""What the book's own sentences assert, and the tests that check it."""

import ast
import csv
import functools
import re
import sys
import unicodedata
from pathlib import Path

from sphinx_external_toc.parsing import parse_toc_yaml

from myst_nbval.pages import code_cells, read

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted([*ROOT.glob("chapters/*.md"), *ROOT.glob("solutions/*.md")])
IMPORTED = [ROOT / "support/conventions.py", ROOT / "support/models.py"]
PRIORS = ROOT / "tests/statements/priors.txt"
# Of SciPy, and of PyMC but what is no distribution.
DISTRIBUTION = re.compile(
    r"stats\.(?!kstest)[a-z]\w*\([^()]*\)$|pm\.(?!Model|Data|Deterministic|Potential)[A-Z]\w*\('"
)
GLUED = re.compile(r"\{glue:text\}`[^`]*`")
ROLE = re.compile(r"\{[\w:-]+\}`([^`<]*?)(?: ?<[^`]*>)?`")
FOLLOWS = re.compile(r"</?span[^>]*>")  # around a number that follows an explorer
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
CHOICE = re.compile(
    r"^:::\{dropdown\} ([^\n]+)\n:class-container: (right|wrong)\n\n(.*?)^:::$", re.DOTALL | re.MULTILINE
)
CHARACTERS = {"hat": "-hat", "tilde": "-tilde", "bar": "-bar", "lambda": "λ", "infty": "∞", "to": "→"}
CHARACTERS |= {"mapsto": "↦", "approx": "≈", "sim": "∼", "sqrt": "√", "mid": "|", "pm": "±", "cdot": "·"}
CHARACTERS |= {"cdots": "…", "dots": "…", "sum": "∑", "prod": "∏"}
QUESTION = re.compile(r"^::::\{admonition\} Predict\n:class: question\n(.*?)^::::$", re.DOTALL | re.MULTILINE)


def states(page, words):
    """Say that a test checks a sentence; the words must stand on the page, marks of emphasis aside.

    A number that the page computes is written as an ellipsis. `stated` reads the words from the source.
    """
    return lambda test: test


def without_roles(text):
    """Return a text with what its roles and links show in their place."""
    return LINK.sub(r"\1", ROLE.sub(r"\1", GLUED.sub("…", FOLLOWS.sub("", text))))


def plain(text):
    """Return the words of a page as a reader sees them, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"\*+|`", "", without_roles(text))).replace("\\", "")


def listed(words):
    """Return a statement as the audit lists it, which sets no formulas: with characters for TeX's names."""
    words = without_roles(words)
    if not {"$", "\\"} & {*words}:
        return plain(words)
    words = re.sub(r"\\t?frac\{?(\d)\}?\{?(\d)\}?", r"\1/\2", words).replace("\\log\\", "log \\")
    words = re.sub(
        r"\\(hat|tilde|bar)\s*(\\?[A-Za-z]+)", lambda found: found[2] + CHARACTERS[found[1]], words
    )
    words = re.sub(r"\\([A-Za-z]+)", lambda found: _character(found[1]), words)
    words = re.sub(r"(√|\^)\{(?!\([^()]*\)\})([^{}]*[ /][^{}]*)\}", r"\1(\2)", words)
    return plain(re.sub(r"\\[,;!]|[${}]", "", words))


def _character(name):
    try:
        return CHARACTERS.get(name) or unicodedata.lookup(f"Greek small letter {name}")
    except KeyError:
        return name if len(name) < 4 else ""  # as log, and as text or boldsymbol


def questions(text):
    """Choices (words, right or wrong, reason) of each question of a page."""
    return [CHOICE.findall(question) for question in QUESTION.findall(text)]


def stated():
    """Return page and words of every statement that a test checks, with the name of the test, by page."""
    found, order = [], list(parse_toc_yaml(ROOT / "_toc.yml"))
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        body = ast.parse(path.read_text("utf-8")).body
        named = {
            line.targets[0].id: line.value
            for line in body
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)
        }
        for function in body:
            for decorator in getattr(function, "decorator_list", ()):
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "states":
                    arguments = [named.get(getattr(one, "id", ""), one) for one in decorator.args]
                    page, words = map(ast.literal_eval, arguments)
                    found.append((page, words, function.name))
    return sorted(found, key=lambda row: order.index(row[0].removesuffix(".md")))


@functools.cache
def priors():
    """Return the distributions that pages and what they import write down, as lines ``file: call``."""
    pages = [(path, [cell.source for cell, _ in code_cells(read(path))]) for path in NOTEBOOKS]
    code = [(path, [path.read_text("utf-8")]) for path in IMPORTED]
    found = {}
    for path, sources in pages + code:
        for call in (node for source in sources for node in ast.walk(ast.parse(source))):
            words = ast.unparse(call) if isinstance(call, ast.Call) else ""
            if DISTRIBUTION.match(words):
                found[f"{path.relative_to(ROOT).as_posix()}: {words}"] = None
    return tuple(found)


if __name__ == "__main__":  # writes what the audit page lists, and for which priors all that was checked
    sys.path.insert(0, str(ROOT))
    from tooling.audit.tables import STATEMENTS

    PRIORS.write_text("\n".join(priors()) + "\n", encoding="utf8")
    rows = [(page, listed(words), test) for page, words, test in stated()]  # before the file is emptied
    with STATEMENTS.open("w", encoding="utf8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("page", "words", "test"), *rows])
