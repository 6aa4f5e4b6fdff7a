"""Who is who: the ids of a class, and the names by which the learning systems know them.

A roster is a CSV file with the columns ``id`` and, if need be, ``name`` and one for each system (``canvas``,
``moodle``, ``blackboard``, ``gradescope``, ``github``, ``email``, …)::

    id,name,canvas,github
    student01,"Last01, First01",1234,first01

``id`` is what the student writes into the notebook; ``due``, as in ``2026-03-05 23:59``, a date of one's own;
``team``, with whom this one hands in, where Moodle has teams. By other columns, such as ``tutor`` or
``partner``, nobody is known: what stands there may be another's name.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from notebook_marking.answers import STUDENT_ID, plain_id
from notebook_marking.plain import MORE_CELLS, moment, spreadsheet

DUE, TEAM = "due", "team"
# The columns by which a student is known.
KNOWN = (
    *("id", "name", "email", "login", "user", "username", "number", "canvas", "moodle", "blackboard"),
    *("brightspace", "gradescope", "github", "sakai", "teams", "ilias", "nbgrader"),
)


@dataclass(frozen=True)
class Roster:
    """A class.

    Attributes
    ----------
    rows : tuple of dict
        One for each student, by the names of the columns.
    known : dict
        Row by form (`plain_id` or `plain_name`), column and name; None where two students share a name.
    """

    rows: tuple[dict, ...] = ()
    known: dict = field(default_factory=dict)

    def find(self, names: Sequence[tuple[str, str]]) -> dict | None:
        """Find a student.

        Parameters
        ----------
        names : sequence of tuple of (str, str)
            Column and name: the first that is one student's counts. An empty column stands for all.

        Returns
        -------
        dict or None
            The student's row.

        Examples
        --------
        >>> rows = ({"id": "student01", "name": "Ada King Lovelace"},)
        >>> make(rows).find([("canvas", "9"), ("name", "lovelaceadaking")])["id"]
        'student01'
        """
        for form in (plain_id, plain_name):
            for column, name in names:
                row = self.known.get((form, column, form(name)))
                if row:
                    return row
        return None

    def team(self, name):
        """Return the names of a team's members, and of those meant: in earlier versions of Moodle, of one."""
        if self.find([("name", name)]):
            return (), ()  # a student's
        teams, name = {}, plain_id(name)
        for row in self.rows:  # Moodle writes blanks for underscores
            teams.setdefault(plain_id(row.get(TEAM, "").replace("_", " ")), []).append((("id", row["id"]),))
        for start in teams.keys() - {""}:
            one = self.find([("name", name.removeprefix(f"{start}-"))])
            own = teams[start] if name == start else [(("id", one["id"]),)] if one else []
            if {*own} & {*teams[start]}:
                return tuple(teams[start]), own
        return (), ()


NOBODY = Roster()


def read(path):
    """Read a roster."""
    reader = spreadsheet(path)
    named = (name.strip().lower() for name in reader.fieldnames)
    reader.fieldnames = ["email" if name in ("e-mail", "mail", "email address") else name for name in named]
    for name in reader.fieldnames:
        if name and reader.fieldnames.count(name) > 1:
            raise ValueError(f"{path}:1: {name!r} is the name of several columns: keep one")
    if "id" not in reader.fieldnames:
        raise ValueError(f"{path}:1: there is no column id: give id, name, and one for each system")
    rows, seen = [], {}
    for cells in reader:
        if any(cells.get(None, ())):
            raise ValueError(f"{path}:{reader.line_num}: {MORE_CELLS}")
        row = {name: value.strip() for name, value in cells.items() if name and value}
        if not row:
            continue
        row = dict.fromkeys(reader.fieldnames, "") | row
        row["id"] = unicodedata.normalize("NFC", row["id"])
        if not STUDENT_ID.fullmatch(row["id"]):
            raise ValueError(
                f"{path}:{reader.line_num}: id is {row['id']!r}: give at most 64 letters, digits and . _-+@"
            )
        if plain_id(row["id"]) in seen:
            raise ValueError(f"{path}:{reader.line_num}: id {row['id']!r} stands here a second time")
        try:
            moment(row.get(DUE, ""))
        except ValueError as error:
            raise ValueError(f"{path}:{reader.line_num}: {DUE} is {row[DUE]!r}: {error}") from None
        seen[plain_id(row["id"])] = row
        rows.append(row)
    return make(rows)


def make(rows):
    """Make a roster of rows that are right."""
    known = {}
    for row in rows:
        keys = {
            key for column, value in row.items() if value and column in KNOWN for key in _keys(column, value)
        }
        for key in keys:
            known[key] = None if key in known else row
    return Roster(tuple(rows), known)


def _keys(column, value):
    """Return forms, columns and names by which a cell is found; a name's words may stand in any rotation."""
    if column != "name":
        return [(plain_id, where, plain_id(value)) for where in ("", column)]
    words = re.split(r"[\s,]+", value)
    loose = {plain_name("".join(words[start:] + words[:start])) for start in range(len(words))}
    return [(plain_name, where, name) for name in loose if name for where in ("", column)]


def plain_name(name: str) -> str:
    """Letters and digits of a name, without accents, in the form in which names are compared.

    Examples
    --------
    >>> plain_name("O'Néil, José")
    'oneiljose'
    """
    letters = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in letters if letter.isalnum())
