"""How numbers and formulas stand in the text of the built pages."""

import re

import pytest
from browsing import CHAPTERS, HTML, build_book

pytestmark = pytest.mark.slow
HYPHEN, MINUS = "-", "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def texts():
    """Return the HTML of the pages."""
    build_book()
    return [(HTML / name).read_text(encoding="utf8") for name in CHAPTERS]


def test_computed_numbers_in_the_text_have_a_minus_sign(texts):
    computed = [number for text in texts for number in re.findall(r'"pasted-text">([^<]+)<', text)]
    assert len(computed) > 200
    assert [number for number in computed if re.match(rf"{HYPHEN}\d", number)] == []
    assert sum(number.startswith(MINUS) for number in computed) > 5


def test_punctuation_stays_with_its_formula(texts):
    unbroken = r'<span class="unbroken">\(?<span class="math [^>]*>[^<]*</span>[.,;:?!)]*</span>'
    kept = [one for text in texts for one in re.findall(unbroken, text)]
    assert len(kept) > 100
    # None is left outside: a formula, its span closed, and at once a mark.
    left = r'<span class="math [^>]*>[^<]*</span>[.,;:?!)]'
    assert sum(len(re.findall(left, text)) for text in texts) == sum(
        bool(re.search(left, one)) for one in kept
    )
