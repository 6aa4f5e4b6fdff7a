"""The audit as tables for its page: searchable, with a link from each entry to the page it concerns."""

import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath

import pandas as pd
from docutils.nodes import make_id
from jinja2 import Environment, StrictUndefined

from tooling.audit import claims, numbers, records

# Entries are linked from the folder of the audit's own page.
FOLDER = PurePosixPath("chapters")
# Sentences of the book and the tests that check them, as these quote them: tests/helpers/statements.py.
STATEMENTS = Path(__file__).parent / "data" / "statements.csv"


@dataclass(frozen=True)
class Table:
    """A table that a notebook shows as HTML.

    Attributes
    ----------
    html : str
    summary : str
        Shown where there is no HTML.
    """

    html: str
    summary: str

    def _repr_html_(self):
        return self.html

    def __repr__(self):
        """Return the summary, for notebooks without HTML."""
        return self.summary


def number_table(*, solutions: bool = True) -> Table:
    """Every stated number, with what is true and the verdict.

    Parameters
    ----------
    solutions : bool
        Whether to list what belongs to the solutions, which a class must not see.

    Returns
    -------
    Table

    Examples
    --------
    >>> print(number_table())
    292 stated numbers in 19 groups
    """
    verdicts = _rows(numbers.verdicts(), solutions)
    entries = []
    for name, group in verdicts.groupby("group", sort=False):
        first = group.iloc[0]
        rows = [
            (
                row.row,
                row.column.replace("_", " "),
                row.stated,
                _truth(row),
                _distance(row),
                row.own_verdict if row.own_verdict != row.verdict else "",
                row.verdict,
            )
            for row in group.itertuples()
        ]
        entries.append({"id": name, "title": first["where"], "link": link(first["page"]), "rows": rows})
    return _table(
        entries,
        caption="The stated numbers",
        columns=("of", "what", "stated", "true", "off by (s.e.)", "with our ESS", "verdict"),
        verdicts=numbers.VERDICTS,
        example="tau hdi",
        unit=f"stated numbers in {len(entries)} groups",
    )


def claim_table(*, solutions: bool = True) -> Table:
    """Every claim in words, with the evidence and the verdict.

    Parameters
    ----------
    solutions : bool
        Whether to list what belongs to the solutions, which a class must not see.

    Returns
    -------
    Table

    Examples
    --------
    >>> print(claim_table())  # doctest: +SKIP
    70 claims
    """
    entries = [
        {
            "id": row.id,
            "title": f"{row.where}: {row.claim}",
            "link": link(row.page),
            "rows": [(row.evidence, row.verdict)],
        }
        for row in _rows(claims.findings(), solutions).itertuples()
    ]
    return _table(
        entries,
        caption="The claims in words",
        columns=("evidence", "verdict"),
        verdicts=claims.VERDICTS,
        example="funnel",
        unit="claims",
    )


def statement_table(*, solutions: bool = True) -> Table:
    """Sentences of the book that a test checks, with what the test is about.

    Parameters
    ----------
    solutions : bool
        Whether to list what belongs to the solutions, which a class must not see.

    Returns
    -------
    Table

    Examples
    --------
    >>> print(statement_table())  # doctest: +SKIP
    27 statements
    """
    entries = [
        {
            "id": f"statements-{PurePosixPath(page).stem}",
            "title": PurePosixPath(page).stem.replace("-", " ").capitalize(),
            "link": link(page).removesuffix("#"),
            "rows": [
                (row.words, row.test.removeprefix("test_").replace("_", " "), "checked") for row in rows
            ],
        }
        for page, rows in (
            (page, list(group.itertuples()))
            for page, group in _rows(records.read("statements"), solutions).groupby("page", sort=False)
        )
    ]
    return _table(
        entries,
        caption="Statements of the book",
        columns=("statement", "what is computed", "verdict"),
        verdicts=("checked",),
        example="schools",
        unit="statements",
    )


def counts(verdicts: pd.Series, order: tuple[str, ...]) -> str:
    """Lines with the number of each verdict.

    Examples
    --------
    >>> print(counts(pd.Series(["agrees", "agrees", "reproduced"]), ("reproduced", "agrees")))
    reproduced  1
    agrees      2
    """
    width = max(map(len, order))
    return "\n".join(f"{verdict:{width}}  {int((verdicts == verdict).sum())}" for verdict in order)


def link(page: str) -> str:
    """Address of a place in the built book, seen from the audit's page.

    Parameters
    ----------
    page : str
        File and label, as in ``solutions/name.md#label``.

    Returns
    -------
    str

    Examples
    --------
    >>> link("chapters/eight-schools.md#eight-schools-summary")
    'eight-schools.html#eight-schools-summary'
    >>> link("solutions/shrinkage-arithmetic.md#ch5_1")
    '../solutions/shrinkage-arithmetic.html#ch5-1'
    """
    file, _, label = page.partition("#")
    path = PurePosixPath(file).with_suffix(".html")
    relative = path.name if path.parent == FOLDER else f"../{path}"
    return f"{relative}#{make_id(label)}"


def _rows(table, solutions):
    """All rows, or those whose page is no solution."""
    return table if solutions else table[~table["page"].str.startswith("solutions/")]


def _truth(row):
    """The true value, one decimal finer than it is stated; or the range of the recorded runs."""
    places = numbers.decimals(row.stated)
    if math.isnan(row.true):
        return f"{row.low:.{places}f} to {row.high:.{places}f} in runs"
    # A count or a rank has no decimals to add.
    places += not (row.true == round(row.true) and places == 0)
    return f"{row.true:.{places}f}"


def _distance(row):
    return "" if math.isnan(row.z) else f"{row.z:+.1f}"


def _table(entries, *, unit, **values):
    """Fill the template."""
    source = (files("tooling.audit") / "table.html").read_text(encoding="utf8")
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)
    count = sum(len(entry["rows"]) for entry in entries)
    return Table(template.render(entries=entries, count=count, **values), f"{count} {unit}")
