"""The way back: a learning system's own table of grades, with the points of a class filled in.

It is what the system exports (Canvas: Grades, Export; Moodle: the assignment's grading worksheet, or the
grader report as CSV) and takes again; nothing in it changes but the cells of those who have all their points.
"""

import csv
import io
import re
from dataclasses import replace

from notebook_marking import rosters
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
TIME = "Last modified (submission)"


def fill(path, marked):
    """Fill in a table of grades; return it as text, with the students who are not in it."""
    content, delimiter = spreadsheet(path)
    table = list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter))
    header = [name.strip() for name in table[0]] if table else []
    lines = rosters.make([_known(header, row) | {"line": str(i)} for i, row in enumerate(table)][1:])
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
        elif one.marks and not waits(one):
            cells = table[int(row["line"])]
            cells += [""] * (len(header) - len(cells))
            cells[columns[one.submission.exercise]] = f"{one.score:g}"
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(table)
    return stream.getvalue(), missing


def with_times(path, submissions):
    """Add when each was handed in, where only Moodle's worksheet says it; refuse what is no table."""
    content, delimiter = spreadsheet(path)
    reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter, restval="")
    if not any(name.strip().lower() in (*KNOWN_AS, *WHOLE_NAME) for name in reader.fieldnames or ()):
        raise ValueError(f"{path}:1: no column says who is who: give the table that Canvas or Moodle exports")
    if TIME not in reader.fieldnames:
        return list(submissions)
    lines = rosters.make([_known(list(row), row.values()) | {"time": row[TIME]} for row in reader])
    found = []
    for one in submissions:
        row = lines.find([("name", one.name), *(("", name) for name in (one.student, *(one.ids or ())))])
        found.append(replace(one, time=row["time"]) if row and not one.time else one)
    return found


def waits(one):
    """Tell whether there are no points yet: a human must give them, or nothing was handed in."""
    decided = any(mark.state == "decided" for mark in one.marks)
    return any(mark.points is None for mark in one.marks) or (one.submission.absent and not decided)


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
    plain = [place for place, name in enumerate(header) if name.lower() == GRADE and len(exercises) == 1]
    return next(iter(named or plain), None)
