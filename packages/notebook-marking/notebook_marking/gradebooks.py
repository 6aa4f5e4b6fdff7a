"""The way back: a learning system's own table of grades, with the points of a class filled in.

It is what the system exports (Canvas: Grades, Export; Moodle: the assignment's grading worksheet, or the
grader report as CSV) and takes again; nothing in it changes but the cells of those who have all their points.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from notebook_marking import rosters
from notebook_marking.marking import Marked
from notebook_marking.plain import spreadsheet

# The columns by which a system knows a student, and what they are on a roster.
KNOWN_AS = {
    "student": "name",
    "id": "canvas",
    "sis login id": "login",
    "sis user id": "user",
    "full name": "name",
    "identifier": "moodle",
    "email address": "email",
    "id number": "number",
    "username": "login",
}
WHOLE_NAME = ("first name", "last name")
GRADE = "grade"


def fill(path: Path, marked: Sequence[Marked]) -> tuple[str, list[str]]:
    """Fill in a table of grades.

    Parameters
    ----------
    path : pathlib.Path
        What the system exported.
    marked : sequence of Marked
        The class, with the marks of humans.

    Returns
    -------
    tuple of (str, list of str)
        The table as text, and the students who are not in it.

    Raises
    ------
    ValueError
        If no column is known that says who is who, or none is for an exercise that was marked.
    """
    content, delimiter = spreadsheet(path)
    table = list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter))
    header = [name.strip() for name in table[0]] if table else []
    lines = rosters.make([_known(header, row) | {"line": str(i)} for i, row in enumerate(table)][1:])
    if not any(name.lower() in (*KNOWN_AS, *WHOLE_NAME) for name in header):
        raise ValueError(f"{path}:1: no column says who is who: give the table that Canvas or Moodle exports")
    exercises = {one.submission.exercise for one in marked if one.marks}
    columns = {exercise: _column(header, exercise, exercises) for exercise in exercises}
    if None in columns.values():
        lacking = min(exercise for exercise, column in columns.items() if column is None)
        raise ValueError(
            f"{path}:1: no column is for exercise {lacking}: write {lacking} into the name of one"
        )
    missing = []
    for one in marked:
        names = [one.submission.student, *(one.submission.ids or ())]
        row = lines.find([("name", one.submission.name), *(("", name) for name in names)])
        if row is None:
            missing.append(one.submission.student)
        elif one.marks and all(mark.points is not None for mark in one.marks):
            cells = table[int(row["line"])]
            cells += [""] * (len(header) - len(cells))
            cells[columns[one.submission.exercise]] = f"{one.points:g}"
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(table)
    return stream.getvalue(), missing


def _known(header, row):
    """Return what a row says of its student, by the columns of a roster."""
    cells = {name.lower(): cell.strip() for name, cell in zip(header, row, strict=False)}
    found = {KNOWN_AS[name]: cell for name, cell in cells.items() if name in KNOWN_AS}
    whole = " ".join(cells.get(name, "") for name in WHOLE_NAME).strip()
    return {"name": whole} | found if whole else found


def _column(header, exercise, exercises):
    """Return the place of the column for an exercise; that of the only one may be called Grade."""
    number = re.compile(rf"(?<![\d.]){re.escape(exercise)}(?!\.?\d)")
    named = [place for place, name in enumerate(header) if number.search(name)]
    plain = (
        [place for place, name in enumerate(header) if name.lower() == GRADE] if len(exercises) == 1 else []
    )
    return next(iter(named or plain), None)
