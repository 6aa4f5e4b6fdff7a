"""Marks that a human gives to prose: a table to fill in, which is checked when it is read again.

The table is `review/marks.csv`. A row is found by its code, made of letters, because a spreadsheet may turn
an id or the number of an exercise into a number or a date. What a human has typed is never altered.
"""

import ast
import math
from dataclasses import dataclass, replace
from functools import cache
from textwrap import dedent

import jupytext

from notebook_marking import plain

# The human fills in `points` and `comment`. The student comes last, so that the column is easily hidden.
COLUMNS = ("code", "exercise", "answer", "out of", "points", "comment", "text", "note", "student")
NEEDED = {"code", "points", "comment", "text"}
CHANGED = "the text has changed since it was marked: mark it again, or clear the cell under `text`"
NO_SUBMISSION = "there is no submission any more"
GONE = "marked earlier, but now there is no text: look at the submission"


@dataclass(frozen=True)
class Task:
    """One prose answer of one submission, which a human marks.

    Attributes
    ----------
    student, exercise : str
    answer : str
        Part and name, as in ``b.explanation``.
    out_of : float
        Points of its rubric.
    text : str
        What the student wrote; empty if there is no answer.
    """

    student: str
    exercise: str
    answer: str
    out_of: float
    text: str

    @property
    def code(self):
        """Name of the row, the same in every run."""
        return plain.letters(f"{self.student}\0{self.exercise}\0{self.answer}", 12)

    @property
    def version(self):
        """Name of the text, another one when the text has changed."""
        return plain.letters(self.text, 8)


def tasks(classes, schemes):
    """Prose answers of all submissions, given or not, in an order that tells nothing of the student."""
    found = {}
    for marked in classes:
        student, exercise = marked.submission.student, marked.submission.exercise
        for name, answer in schemes[exercise].entries() if exercise in schemes else ():
            if answer.kind == "text":
                task = Task(student, exercise, name, answer.out_of, marked.texts.get(name, ""))
                # Of two submissions by one student, the one that has a text.
                if task.text or task.code not in found:
                    found[task.code] = task
    return sorted(found.values(), key=lambda task: (task.exercise, task.answer, task.code))


# Reading -----------------------------------------------------------------------------------


def read(path):
    """Read the table of marks: the number of the line and the cells of each row that is not empty."""
    if not path.exists():
        return []
    reader = plain.spreadsheet(path)
    lacking = NEEDED - set(reader.fieldnames or ())
    if lacking:
        raise ValueError(
            f"{path}:1: there is no column {', '.join(sorted(lacking))}: put the first line back, "
            f"{','.join(COLUMNS)}"
        )
    # The line of a row with line breaks in a cell is its last.
    return [(reader.line_num, row) for row in reader if any(row.values())]


def merge(classes, schemes, rows, path="marks.csv"):
    """Put the marks that a human gave in their places; return the class, and the rows to write."""
    known = {task.code: task for task in tasks(classes, schemes)}
    filled, faults, gone = {}, [], []
    for line, row in rows:
        code = row["code"].strip()
        marks = row["points"].strip() or row["comment"].strip()
        own = any(value.strip() for name, value in row.items() if name and name not in COLUMNS)
        if not (marks or (own and code in known)):
            continue
        if code not in known and (lost := _without_submission(row, code, schemes)):
            gone.append({name: value for name, value in row.items() if name} | {"note": lost})
            continue
        fault = _fault(row, known.get(code), code in filled)
        if fault:
            faults.append(f"{path}:{line}: {fault}")
        filled[code] = row
    if faults:
        raise ValueError("\n".join(faults))
    table = [_row(task, filled.get(code)) for code, task in known.items() if task.text or code in filled]
    return [_with_human_marks(marked, known, filled) for marked in classes], table + gone


def _without_submission(row, code, schemes):
    """Say whose a row is that was made for a submission of an earlier run; empty if it is none."""
    student = (row.get("student") or "").strip().removeprefix("'")
    # Not from its other cells, which a spreadsheet may have made dates of.
    for exercise, scheme in schemes.items():
        for name, _ in scheme.entries():
            if Task(student, exercise, name, 0, "").code == code:
                return f"{NO_SUBMISSION} by {student} for {exercise}, {name}: its row is kept"
    return ""


def _fault(row, task, twice):
    """Say what is wrong with a row that a human filled in, and what to do."""
    if any(row.get(None, ())):
        return "there are more cells than columns: put quotes around a cell that has commas"
    if task is None:
        return (
            f"no prose answer has the code {row['code']!r}: undo the change of the code, put the submission "
            "back, or move the row to another file"
        )
    if twice:
        return f"the code {row['code']} stands here a second time: leave one of the two rows"
    points = row["points"].strip()
    if points and not 0 <= number(points) <= task.out_of:
        return f"points is {points!r}: give a number from 0 to {task.out_of:g}, with a point for decimals"
    return ""


def number(text: str) -> float:
    """Number in a cell, nan if it is none; spreadsheets may have put a comma for the point.

    Examples
    --------
    >>> number("2,5"), number("two")
    (2.5, nan)
    """
    try:
        found = float(text.replace(",", ".")) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def _row(task, row):
    """Row of the table: what a human typed stays as it is."""
    fresh = {
        "code": task.code,
        "exercise": task.exercise,
        "answer": task.answer,
        "out of": f"{task.out_of:g}",
        "points": "",
        "comment": "",
        "text": task.version,
        "note": "",
        "student": plain.defuse(task.student),
    }
    if row is None:
        return fresh
    typed = {name: value for name, value in row.items() if name and name not in fresh}
    typed |= {"points": row["points"], "comment": row["comment"]}
    if _changed(task, row):
        typed |= {"text": row["text"], "note": CHANGED if task.text else GONE}
    return fresh | typed


def _changed(task, row):
    """Tell whether a human marked another text than there is now."""
    seen = row["text"].strip()
    return bool(row["points"].strip()) and bool(seen) and seen != task.version


def _with_human_marks(marked, known, filled):
    """Replace the marks that wait for a human by what a human gave; flag what does not fit any more."""
    marks, flags = [], list(marked.flags)
    for mark in marked.marks:
        task = Task(marked.submission.student, marked.submission.exercise, mark.answer, mark.out_of, "")
        row = filled.get(task.code)
        if row is None or not row["points"].strip():
            marks.append(mark)
            continue
        if _changed(known[task.code], row):
            flags.append(f"{mark.label}: {CHANGED if mark.state == 'review' else GONE}")
        if mark.state == "review":
            points = number(row["points"].strip())
            mark = replace(mark, points=points, state="marked", reason=row["comment"].strip())
        marks.append(mark)
    return replace(marked, marks=tuple(marks), flags=tuple(flags))


# Writing -----------------------------------------------------------------------------------


def table_text(table: list[dict]) -> str:
    """Table of marks as text, with further columns that a human may have added.

    Examples
    --------
    >>> table_text([]).strip()
    'code,exercise,answer,out of,points,comment,text,note,student'
    """
    extra = dict.fromkeys(name for row in table for name in row if name not in COLUMNS)
    return plain.table([*COLUMNS, *extra], table)


@cache
def model_answers(page):
    """Prose answers that a worked solution records itself."""
    notebook = jupytext.read(page, fmt="md:myst")
    found = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and "answer" in cell.metadata.get("tags", []):
            found |= _recorded_texts(ast.parse(cell.source))
    return found


def _recorded_texts(tree):
    """Texts that one cell assigns and records."""
    texts, found = {}, {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            texts |= {name.id: node.value.value for name in node.targets if isinstance(name, ast.Name)}
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node.value.args:
            part = ast.literal_eval(node.value.args[0])
            for keyword in node.value.keywords:
                text = texts.get(getattr(keyword.value, "id", None))
                if isinstance(text, str):
                    found[f"{part}.{keyword.arg}"] = dedent(text).strip()
    return found
