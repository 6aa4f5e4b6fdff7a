"""Every number in the source's text, one by one, with what covers it."""

import pandas as pd

from tooling.audit import records

# What covers a number, in the order of the table: what can be right or wrong comes first.
COVERAGE = {
    "number": "stated numbers, and where they are repeated",
    "claim": "parts of a claim in words",
    "arithmetic": "steps of arithmetic, done again by a test",
    "definition": "choices: priors, designs, simulated truths",
    "setting": "settings: draws, seeds, widths of intervals",
    "enumeration": "how many things are named or follow",
    "name": "names: Eight Schools, region 5",
    "notation": "notation: exponents, indices, limits",
    "code": "indices and formats in code",
    "numbering": "numbers of sections, figures, steps",
    "reference": "years, volumes, pages of works",
    "layout": "widths on the page",
}


def inventory() -> pd.DataFrame:
    """Read the inventory, as text.

    Returns
    -------
    pandas.DataFrame
        For each number its section, its place there (counted from 1), the kind of text, a word or two
        before and after, the number itself, what covers it (a key of ``COVERAGE``) and which: an entry of
        the stated numbers, a claim, or what was calculated.

    Examples
    --------
    >>> inventory().query("coverage == 'arithmetic'").iloc[0][["token", "of"]].tolist()
    ['81', '9**2']
    """
    return records.read("inventory", dtype=str, keep_default_na=False)


def coverage() -> pd.Series:
    """Count the numbers of the source's text by what covers them.

    Returns
    -------
    pandas.Series

    Examples
    --------
    >>> int(coverage()["widths on the page"])
    14
    """
    counts = inventory()["coverage"].value_counts()
    return pd.Series({words: int(counts.get(key, 0)) for key, words in COVERAGE.items()})
