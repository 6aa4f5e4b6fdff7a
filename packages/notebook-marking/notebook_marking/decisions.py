"""What a teacher decides: any mark, in ``OUT/overrides.csv``, and what being late takes away."""

import math
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notebook_marking.answers import plain_id
from notebook_marking.marking import Mark, together
from notebook_marking.plain import MORE_CELLS, defuse, handed_in, moment, one_line, spreadsheet
from notebook_marking.review import number
from notebook_marking.scheme import Posterior

COLUMNS = ("student", "exercise", "answer", "points", "reason")
HEADER = ",".join(COLUMNS) + "\n"
LATE = "late"  # stands for an answer: the points that being late takes away
DAY = timedelta(days=1)
HOW_LATE = (
    "late, says the system, but not by how much: write what it takes away into overrides.csv, under `late`"
)


@dataclass(frozen=True)
class Override:
    """A mark that a teacher gives, whatever the marking says; one line of the table."""

    line: int
    student: str
    exercise: str
    answer: str
    points: float
    reason: str


@dataclass(frozen=True)
class Lateness:
    """When a class must hand in, and what each day takes away that has begun since.

    Attributes
    ----------
    due : datetime or None
        For all who have no date of their own on the roster.
    each : float
        Points for each day, or per cent of the points to be had.
    percent : bool
        Which of the two.
    """

    due: datetime | None = None
    each: float = 0.0
    percent: bool = False


NEVER = Lateness()


def lateness(text: str) -> Lateness:
    """Read what being late takes away each day: points, or per cent of the points to be had.

    Examples
    --------
    >>> lateness("10%").each
    10.0
    >>> lateness("-1")
    Traceback (most recent call last):
    ValueError: '-1' is no rule: give the points that each day takes away, or per cent, as in 10%
    """
    each = number(text.strip().removesuffix("%"))
    if not each >= 0:
        raise ValueError(
            f"{text!r} is no rule: give the points that each day takes away, or per cent, as in 10%"
        )
    return Lateness(each=each, percent=text.strip().endswith("%"))


def read(path, schemes):
    """Read the table of a teacher's own marks."""
    if not path.exists():
        return []
    reader = spreadsheet(path)
    lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if lacking:
        raise ValueError(
            f"{path}:1: there is no column {', '.join(lacking)}: let the first line be {HEADER.strip()}"
        )
    found = {}
    for row in reader:
        if not any(row.values()):
            continue
        where = f"{path}:{reader.line_num}"
        one = _override(reader.line_num, row, schemes, where)
        if (twice := found.setdefault((plain_id(one.student), one.exercise, one.answer), one)) is not one:
            raise ValueError(
                f"{where}: this answer stands in line {twice.line} already: leave one of the two"
            )
    return list(found.values())


def _override(line, row, schemes, where):
    """Return one row, checked."""
    if row.get(None):
        raise ValueError(f"{where}: {MORE_CELLS}")
    student, exercise, answer, points, reason = (row[name].strip() for name in COLUMNS)
    if not student:
        raise ValueError(f"{where}: student is empty: give the id that grades.csv has")
    if exercise not in schemes:
        raise ValueError(f"{where}: exercise is {exercise!r}: give one of {', '.join(map(repr, schemes))}")
    most = {LATE: schemes[exercise].out_of} | _answers(schemes[exercise])
    answer = re.sub(r"^\((\w+)\) *", r"\1.", answer)  # as feedback names it
    if answer not in most:
        raise ValueError(f"{where}: answer is {answer!r}: give one of {', '.join(most)}")
    if not 0 <= number(points) <= most[answer]:
        raise ValueError(f"{where}: points is {points!r}: give a number from 0 to {most[answer]:g}")
    if not reason:
        raise ValueError(f"{where}: reason is empty: say why, for the student")
    return Override(line, student, exercise, answer, number(points), reason)


def _answers(scheme):
    """Return the points to be had for each mark of an exercise."""
    found = {}
    for name, answer in scheme.entries():
        if isinstance(answer, Posterior):
            found |= {f"{name}.{variable}": points for variable, points in answer.points.items()}
        else:
            found[name] = answer.out_of
    return found


def apply(marked, overrides, schemes):
    """Put a teacher's own marks in the place of others, with what rests on them."""
    rows = {}
    for one in overrides:
        rows.setdefault((plain_id(one.student), one.exercise), {})[one.answer] = one
    found, used = [], set()
    for one in marked:
        student = one.submission.student
        keys = [(plain_id(name), one.submission.exercise) for name in (student, defuse(student))]
        key = next((key for key in keys if key in rows), None)
        used.add(key)
        found.append(_decided(one, rows[key], schemes[one.submission.exercise]) if key else one)
    strays = [one for one in overrides if (plain_id(one.student), one.exercise) not in used]
    nobody = "there is no submission of"
    return found, [
        f"overrides.csv:{one.line}: {nobody} {one_line(one.student)} for {one.exercise}" for one in strays
    ]


def _decided(one, rows, scheme):
    """Put the rows for one submission into its marks."""
    marks, settled = [], []
    for mark in one.marks:
        row = rows.get(mark.answer)
        if row:
            was = "a human had not marked it" if mark.points is None else f"it had {mark.points:g} points"
            reason = f"{row.reason} ({was})"
            mark = Mark(mark.part, mark.name, row.points, mark.out_of, "decided", reason)
            settled.append(f"{mark.label}: ")
        marks.append(mark)
    marks = together(marks, scheme)
    flags = tuple(flag for flag in one.flags if not flag.startswith(tuple(settled)))
    late = rows.get(LATE)
    if late:
        private = tuple(flag for flag in one.private if flag != HOW_LATE)
        words = f"{late.reason} (decided by a human)"
        one = replace(one, penalty=late.points, late=words, private=private)
    return replace(one, marks=marks, flags=flags)


def late(one, rule, out_of):
    """Take away what a submission loses by being late."""
    due = moment(one.submission.due) or rule.due
    if due is None or one.submission.absent:
        return one
    when = handed_in(one.submission.time)
    if when is None:
        return replace(one, private=(*one.private, HOW_LATE)) if one.submission.late else one
    # A minute lasts to its end, and a day from one hour to the same hour, when clocks are changed too.
    end = due if due.second else due.replace(second=59, microsecond=999_999)
    if when <= end:
        return one
    days = max(1, math.ceil((when.replace(tzinfo=None) - end.replace(tzinfo=None)) / DAY))
    each = rule.each * (out_of / 100 if rule.percent else 1)
    penalty = round(min(days * each, out_of), 9)
    words = f"handed in {when:%Y-%m-%d %H:%M}, due {due:%Y-%m-%d %H:%M}: {days} day{'s' * (days != 1)} late"
    return replace(one, penalty=penalty, late=f"{words}, {each:g} points for each day" if each else words)
