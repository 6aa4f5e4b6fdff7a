"""The way back: a learning system's own table of grades, with the points of a class filled in.

It is what the system exports (Canvas: Grades, Export; Moodle: the assignment's grading worksheet, or the
grader report as CSV) and takes again; nothing in it changes but the cells of those who have all their points.
"""

import csv
import io
import math
import re
from collections import Counter
from dataclasses import replace

from notebook_marking import rosters
from notebook_marking.marking import that_count
from notebook_marking.plain import spreadsheet
from notebook_marking.review import number

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
DECIMAL_COMMA = re.compile(r"\d+,\d{1,2}")
SHARES = re.compile(r"\((?:percentage|letter)\)$", re.IGNORECASE)
POSSIBLE, MAXIMUM = "Points Possible", "Maximum Grade"
TIME = "Last modified (submission)"


def fill(path, marked):
    """Fill in a table of grades; return it as text, with the students who are not in it."""
    reader = spreadsheet(path)
    table = [reader.fieldnames, *reader.reader] if reader.fieldnames else []
    header = [name.strip() for name in table[0]] if table else []
    lines = [_known(header, row) | {"line": i} for i, row in enumerate(table)][1:]
    columns = _columns(path, header, {one.submission.exercise for one in marked if one.marks})
    # A point would make a date of 6.7 where a spreadsheet expects a comma.
    comma = any(DECIMAL_COMMA.fullmatch(cell.strip()) for row in table for cell in row)
    rows = _rows(lines, [one.submission for one in marked])
    missing = {}  # in their order, each once
    for one in that_count(marked):
        row = rows.get(one.submission.student)
        if row is None:
            missing[one.submission.student] = True
        elif one.marks and not waits(one):
            cells = table[row["line"]]
            cells += [""] * (len(header) - len(cells))
            points = f"{one.score:g}"
            cells[columns[one.submission.exercise]] = points.replace(".", ",") if comma else points
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=reader.reader.dialect.delimiter, lineterminator="\n").writerows(table)
    return stream.getvalue(), list(missing)


def other_points(path, out_of):
    """Say which exercises have other points in a table than here: ours would be a share of those there."""
    reader = spreadsheet(path)
    header = [name.strip() for name in reader.fieldnames or ()]
    columns, rows = _columns(path, header, out_of), list(reader.reader)
    # Canvas has a row of what is to be had, Moodle's worksheet a column.
    most = next((row for row in rows if row and row[0].strip() == POSSIBLE), ())
    if MAXIMUM in header and rows:
        most = [rows[0][header.index(MAXIMUM)]] * len(header)
    found = {exercise: number(most[place].strip()) for exercise, place in columns.items() if most[place:]}
    return [
        f"{path.name} gives {most:g} points for {exercise}, which has {out_of[exercise]:g}: change it there."
        for exercise, most in found.items()
        if math.isfinite(most) and most != out_of[exercise]
    ]


def with_times(path, submissions, exercises=()):
    """Add when each was handed in, where only Moodle's worksheet says it; refuse what cannot be filled in."""
    reader = spreadsheet(path)
    reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
    if not any(name.lower() in (*KNOWN_AS, *WHOLE_NAME) for name in reader.fieldnames):
        raise ValueError(f"{path}:1: no column says who is who: give the table that Canvas or Moodle exports")
    _columns(path, reader.fieldnames, exercises)
    if TIME not in reader.fieldnames:
        return list(submissions)
    header = reader.fieldnames
    lines = [_known(header, [row[name] for name in header]) | {"time": row[TIME]} for row in reader]
    rows = _rows(lines, submissions)
    found = []
    for one in submissions:
        row = rows.get(one.student)
        found.append(replace(one, time=row["time"]) if row and not one.time else one)
    return found


def _rows(lines, submissions):
    """Return the rows of a table by student; one that is two students' is nobody's."""
    table = rosters.make(lines)
    rows = {one.student: _row(table, one) for one in submissions}
    taken = Counter(id(row) for row in rows.values())
    return {student: row for student, row in rows.items() if row and taken[id(row)] == 1}


def _row(table, one):
    """Find the row of a student: by what the roster says of the system, else by id and name, which agree."""
    systems = {*KNOWN_AS.values()} - {"name"}
    own = [(column, value) for column, value in one.cells if column in systems]
    number = dict(own).get("canvas", "")  # there, or a name
    # An id may look like another's number in Canvas or Moodle.
    others = [(column, one.student) for column in systems - {"canvas", "moodle"}]
    for names in (own, [*others, ("name", one.name or one.student)]):
        found = {id(row): row for each in names if (row := table.find([each]))}
        if found:
            _, row = found.popitem()
            other = number.isdigit() and row.get("canvas", number) != number  # of the same name
            return None if found or other else row
    return None


def waits(one):
    """Tell whether there are no points yet: a human must give them, or nothing came that could have any."""
    states = {mark.state for mark in one.marks}
    nothing = one.submission.problem or states == {"missing"}
    return any(mark.points is None for mark in one.marks) or bool(nothing and "decided" not in states)


def _known(header, row):
    """Return what a row says of its student, by the columns of a roster."""
    cells = {name.lower(): cell.strip() for name, cell in zip(header, row, strict=False)}
    found = {KNOWN_AS[name]: cell for name, cell in cells.items() if name in KNOWN_AS}
    if "moodle" in found:  # Participant 301
        found["moodle"] = re.sub(r"^\D+(?=\d+$)", "", found["moodle"])
    whole = " ".join(cells.get(name, "") for name in WHOLE_NAME).strip()
    return {"name": whole} | found if whole else found


def _columns(path, header, exercises):
    """Return the place of the column for each exercise; that of the only one may be called Grade."""
    columns = {}
    for exercise in sorted(exercises):
        number = re.compile(rf"(?<![\d.]){re.escape(exercise)}(?!\.?\d)")
        found = [place for place, name in enumerate(header) if number.search(name)]
        # Moodle may have a column of percentages beside that of points.
        found = [place for place in found if not SHARES.search(header[place])] or found
        if not found and len(exercises) == 1:
            found = [place for place, name in enumerate(header) if name.lower() == GRADE]
        if len(found) > 1 or set(found) & set(columns.values()):
            names = ", ".join(repr(header[place]) for place in found)
            raise ValueError(
                f"{path}:1: {names} could be for exercise {exercise}: give each one column of its own"
            )
        if not found:
            raise ValueError(
                f"{path}:1: no column is for exercise {exercise}: name one so, or use --exercise"
            )
        columns[exercise] = found[0]
    return columns
