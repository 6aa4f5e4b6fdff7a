"""What a class and its teacher get: grades, feedback, results for Gradescope, prose to mark, a summary.

Every text of a student goes through `plain` and, into pages, through Jinja's escaping.
"""

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from notebook_marking import decisions, history, plain, review
from notebook_marking.course import Course
from notebook_marking.marking import Marked, total

# How a run may end without anybody having to look at it.
FINE = ("finished", "no answers")
# The columns of nbgrader's export, and two of our own after them.
GRADE_COLUMNS = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
    "raw_score", "late_submission_penalty", "score", "max_score", "state", "note",
)  # fmt: skip
STATES = {
    "right": "right",
    "follow-through": "right, given your earlier answer",
    "partly": "partly right",
    "wrong": "not right",
    "alone": "right, yet without points",
    "missing": "not answered",
    "review": "waits for a human to mark it",
    "marked": "marked by a human",
    "decided": "decided by a human",
}
STRANGER = "not on the roster: add the student there, or a team of Moodle in the column `team`"
ABSENT = "nothing handed in"
PASSED = ("failed", "passed")


@dataclass(frozen=True)
class Report:
    """What became of a class.

    Attributes
    ----------
    files : dict of str to str
        Every file by its path within the folder of the output.
    summary : str
        For the terminal.
    needs_human : bool
        Whether a human must mark or look at something.
    marked : tuple of Marked
        All submissions, with the marks of humans.
    """

    files: dict[str, str]
    summary: str
    needs_human: bool
    marked: tuple[Marked, ...] = ()


def report(
    marked: Sequence[Marked],
    course: Course,
    out: Path,
    *,
    lateness: decisions.Lateness = decisions.NEVER,
    hints: bool = False,
) -> Report:
    """Put everything together; nothing is written.

    Parameters
    ----------
    marked : sequence of Marked
        All submissions, in any order.
    course : Course
        Whose exercises they are.
    out : pathlib.Path
        Folder of the output, in which a human may have filled in ``review/marks.csv`` and ``overrides.csv``.
    lateness : Lateness
        When the class must hand in, and what being late takes away.
    hints : bool
        Tell students no more than hints: nothing of what is right.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If one of these tables has a row that cannot be taken as it is.
    """
    schemes, marks = course.schemes, out / "review" / "marks.csv"
    marked, table = review.merge(marked, schemes, review.read(marks), marks)
    gone = [row["note"] for row in table if row["note"].startswith(review.NO_SUBMISSION)]
    marked = [decisions.late(one, lateness, out_of(one, schemes) or 0) for one in marked]
    marked, strays = decisions.apply(marked, decisions.read(out / "overrides.csv", schemes), schemes)
    marked = sorted(
        marked, key=lambda one: (one.submission.student, one.submission.exercise, str(one.submission.path))
    )
    kept, moved = history.update(out / "history.json", marked, schemes)
    files = {"grades.csv": grades(marked, schemes, lateness.due)}
    for student, theirs in groupby(marked, key=lambda one: one.submission.student):
        files[f"feedback/{plain.file_name(student)}.html"] = feedback(
            student, list(theirs), schemes, hints=hints
        )
    for one in marked:
        if not one.submission.absent:
            name = "_".join(map(plain.file_name, (one.submission.student, one.submission.exercise)))
            name = _unused(files, f"gradescope/{name}", "/results.json")
            files[name] = gradescope(one, schemes, hints=hints)
    files |= review_pages(marked, course, table)
    # In Excel a table is UTF-8 only if it begins with this mark.
    files["review/marks.csv"] = "\ufeff" + review.table_text(table)
    if not (out / "overrides.csv").exists():
        files["overrides.csv"] = decisions.HEADER
    files["history.json"] = json.dumps(kept, indent=1) + "\n"
    if kept["moved"]:
        files["moved.csv"] = "\ufeff" + history.table(kept["moved"])
    text = "\n".join([summary(marked, schemes, out, [*gone, *strays]), *history.words(moved)])
    return Report(files, text, bool(gone or strays) or any(map(needs_human, marked)), tuple(marked))


def write(files, out):
    """Write files, each whole or not at all, and none that stands there already with the same text."""
    for name, text in files.items():
        path = out / name
        if not path.exists() or path.read_bytes() != text.encode():
            plain.write(path, text)


def leftovers(files, out):
    """Pages of an earlier run that this run did not write, such as those of a student who has left."""
    pages = [path for folder in ("feedback", "review") for path in (out / folder).glob("*.html")]
    pages += (out / "gradescope").glob("*/results.json")
    return sorted({str(path.relative_to(out)) for path in pages} - set(files))


def _unused(taken, start, end):
    """Path that no other submission has: a student may have handed in an exercise twice."""
    number, name = 1, f"{start}{end}"
    while name in taken:
        number += 1
        name = f"{start}_{number}{end}"
    return name


# Facts about one submission ----------------------------------------------------------------


def out_of(one, schemes):
    """Points to be had, None where the exercise is unknown."""
    scheme = schemes.get(one.submission.exercise)
    return scheme.out_of if scheme else None


def waiting(one):
    """Marks that a human must give."""
    return [mark for mark in one.marks if mark.points is None]


def trouble(one):
    """What went wrong with the submission as a whole; empty if nothing did."""
    if one.submission.absent:
        return ""
    if one.submission.problem or one.run is None:
        return plain.one_line(one.submission.problem) or "not run"
    return "" if one.run.status in FINE else one.run.status


def remarks(one):
    """What the run reported, in the student's words: errors of cells and the like."""
    return one.run.remarks if one.run and not one.submission.problem else ()


def state(one):
    """One word for what became of a submission."""
    if one.submission.absent:
        return ABSENT
    if trouble(one):
        return "problem"
    return "waits" if needs_human(one) else "marked"


def needs_human(one):
    """Tell whether a human must mark or look at something."""
    return bool(waiting(one) or concerns(one))


def concerns(one):
    """What a human should look at, besides prose to mark; each on one line."""
    why = remarks(one)[-1:] if trouble(one) else ()
    unknown = STRANGER * one.submission.stranger
    words = (trouble(one), *why, unknown, one.submission.doubt, *one.flags, *one.private)
    return [plain.one_line(text) for text in words if text]


def note(one):
    """What a human should know about a submission, on one line."""
    words = concerns(one)
    words += [text for text in _notes(one) if text not in words]
    if one.submission.others:
        words.append(
            f"also handed in, and not marked: {', '.join(map(plain.one_line, one.submission.others))}"
        )
    if one.late or one.submission.late:
        words.append(plain.one_line(one.late) or "late, says the system")
    if "" in one.owners.values():
        words.append("with the data of the text")
    if waiting(one):
        names = ", ".join(mark.label for mark in waiting(one))
        words.append(f"to be marked by you: {names}")
    return "; ".join(words)


def _notes(one):
    """What the notebook itself noted while it recorded."""
    notes = one.run.answers.get("notes", ()) if one.run and isinstance(one.run.answers, dict) else ()
    return (
        [plain.one_line(text) for text in notes if isinstance(text, str)] if isinstance(notes, list) else []
    )


# Tables ------------------------------------------------------------------------------------


def grades(marked, schemes, due=None):
    """Grades of all submissions as CSV, in the columns of nbgrader's export."""
    rows = []
    for one in marked:
        highest, name = out_of(one, schemes), one.submission.name
        last, _, first = name.partition(",") if "," in name else name.rpartition(" ")[::-1]
        rows.append(
            {
                "assignment": plain.defuse(one.submission.exercise),
                "duedate": one.submission.due or (f"{due:%Y-%m-%d %H:%M}" if due else ""),
                "timestamp": plain.defuse(one.submission.time),
                "student_id": plain.defuse(one.submission.student),
                "last_name": plain.defuse(last),
                "first_name": plain.defuse(first),
                "email": plain.defuse(one.submission.email),
                "raw_score": float(one.points),
                "late_submission_penalty": float(one.penalty),
                "score": float(one.score),
                "max_score": "" if highest is None else float(highest),
                "state": state(one),
                "note": plain.defuse(note(one)),
            }
        )
    return plain.table(GRADE_COLUMNS, rows)


def gradescope(one, schemes, *, hints=False):
    """Results of one submission in the format that Gradescope reads from an autograder."""
    tests = [
        {
            "name": mark.label,
            "score": mark.points or 0,
            "max_score": mark.out_of,
            "output": ": ".join(filter(None, (STATES[mark.state], plain.clean(_reason(mark, hints))))),
            "output_format": "text",
            "visibility": "after_published",
            # What a human still marks is neither.
            **({} if mark.points is None else {"status": PASSED[bool(mark.points >= mark.out_of)]}),
        }
        for mark in one.marks
    ]
    result = {
        "score": one.score,
        "output": "\n".join(
            filter(None, (trouble(one), _lost_late(one), *map(plain.one_line, remarks(one))))
        ),
        "output_format": "text",
        "visibility": "after_published",
        "extra_data": {"exercise": one.submission.exercise, "max_score": out_of(one, schemes)},
        "tests": tests,
    }
    return json.dumps(result, indent=1) + "\n"


# Pages -------------------------------------------------------------------------------------


def feedback(student, theirs, schemes, *, hints=False):
    """Page for one student, made of that student's submissions only."""
    exercises = [_exercise(one, schemes, hints=hints) for one in theirs]
    return fill("feedback.html", student=student, exercises=exercises, hints=hints)


def _exercise(one, schemes, *, hints):
    """What a student is told about one exercise."""
    scheme = schemes.get(one.submission.exercise)
    parts = []
    for letter, marks in groupby(one.marks, key=lambda mark: mark.part):
        rows = [_told(mark, scheme, hints=hints) for mark in marks]
        got, most = (total(row[name] for row in rows) for name in ("points", "out_of"))
        parts.append({"letter": letter, "marks": rows, "points": {"got": got, "out_of": most}})
    return {
        "title": title(one.submission.exercise, scheme),
        "file": one.submission.path.name,
        "trouble": trouble(one),
        "absent": one.submission.absent,
        "late": _lost_late(one),
        "remarks": (*remarks(one), *_notes(one), *one.flags),
        "parts": parts,
        "score": one.score,
        "out_of": out_of(one, schemes),
        "waiting": total(mark.out_of for mark in waiting(one)),
    }


def _lost_late(one):
    """What a student is told about being late."""
    return f"{one.late}: {one.penalty:g} points are taken away" if one.late else ""


def _reason(mark, hints):
    """Why points were lost; with hints alone, nothing of what is right."""
    return (hints and mark.hint) or mark.reason


def _told(mark, scheme, *, hints):
    """What a student is told about one mark."""
    return {
        "what": meaning(mark, scheme),
        "state": mark.state,
        "says": STATES[mark.state],
        "points": mark.points,
        "out_of": mark.out_of,
        "reason": _reason(mark, hints),
    }


def meaning(mark, scheme):
    """What an answer is; a variable of a posterior has its name behind a point."""
    name, _, variable = mark.name.partition(".")
    part = scheme.parts.get(mark.part) if scheme else None
    if part is None or name not in part.answers:
        return mark.name
    text = in_words(part.answers[name].meaning)
    return f"{text}: {variable}" if variable else text


def title(exercise, scheme):
    """Return the title of an exercise, as people read it."""
    if scheme is None:
        return f"Exercise {exercise}" if exercise else "Unknown exercise"
    return in_words(scheme.title if exercise.startswith("try-") else f"{exercise} {scheme.title}")


def in_words(text: str) -> str:
    r"""Text with its formulas as letters, for pages without mathematics.

    Examples
    --------
    >>> in_words(r"the factors $B_i$ and $\tau$, in points")
    'the factors B_i and τ, in points'
    """
    return re.sub(r"\$([^$]*)\$", lambda formula: re.sub(r"\\([A-Za-z]+)", _greek, formula[1]), text)


def _greek(command):
    name = command[1]
    case = "CAPITAL" if name[0].isupper() else "SMALL"
    try:
        return unicodedata.lookup(f"GREEK {case} LETTER {name.upper()}")
    except KeyError:
        return name


def review_pages(marked, course, table):
    """Pages with all answers to one prose question, and how to mark them."""
    given = {row["code"].strip(): row for row in table}
    tasks = [task for task in review.tasks(marked, course.schemes) if task.text]
    pages = {}
    for (exercise, name), answers in groupby(tasks, key=lambda task: (task.exercise, task.answer)):
        scheme = course.schemes[exercise]
        letter, _, answer = name.partition(".")
        asked = scheme.parts[letter].answers[answer]
        pages[f"review/{exercise}-{letter}-{answer}.html"] = fill(
            "review.html",
            title=f"{title(exercise, scheme)}, part ({letter})",
            meaning=in_words(asked.meaning),
            rubric=[(criterion.points, in_words(criterion.criterion)) for criterion in asked.rubric],
            out_of=asked.out_of,
            model=review.model_answers(course.page(scheme)).get(name, ""),
            answers=[
                {"code": task.code, "version": task.version, "text": task.text, "row": given[task.code]}
                for task in answers
            ],
        )
    return pages


def fill(template, **values):
    """Fill a template; its style is the only thing that a browser may load or run."""
    environment, style, digest = _environment()
    return environment.get_template(template).render(style=style, digest=digest, **values)


@cache
def _environment():
    """Return what fills templates, read once for all pages, with their style and its hash."""
    folder = files("notebook_marking") / "templates"
    style = (folder / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    names = ("page.html", "feedback.html", "review.html", "class.html", "desk.html")
    environment = Environment(
        autoescape=True,
        loader=DictLoader({name: (folder / name).read_text(encoding="utf-8") for name in names}),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: plain.clean(value) if type(value) is str else value,
    )
    environment.filters["points"] = lambda number: f"{number:g}"
    return environment, Markup(style), digest


# The summary -------------------------------------------------------------------------------


def summary(marked, schemes, out, gone=()):
    """Lines for the terminal: how many submissions became what, and how each exercise went."""
    absent = [one for one in marked if one.submission.absent]
    marked = [one for one in marked if not one.submission.absent]
    states = [state(one) for one in marked]
    students = {one.submission.student for one in marked}
    prose = sum(len(waiting(one)) for one in marked)
    lines = [
        f"{_count(len(marked), 'submission')} of {_count(len(students), 'student')}",
        f"  {states.count('marked'):4} marked",
        f"  {states.count('waits'):4} to be marked or looked at by a human",
        f"  {states.count('problem'):4} not run to the end",
    ]
    names = {}
    for one in absent:
        but = f" (but {', '.join(one.submission.others)})" if one.submission.others else ""
        names.setdefault(one.submission.exercise, []).append(plain.one_line(one.submission.student + but))
    for exercise in sorted(names):
        lines += ["", f"Nothing handed in for {exercise}: {', '.join(names[exercise])}"]
    if any(map(concerns, marked)) or gone:
        lines += [
            "",
            "Look at:",
            *(f"  {_who(one)}: {'; '.join(concerns(one))}"[:300] for one in marked if concerns(one)),
        ]
        lines += [f"  {plain.one_line(text)}" for text in gone]
    repeated = [one for one in marked if one.submission.others]
    if repeated:
        lines += ["", "Handed in more than once, of which the newest counts:"]
        lines += [
            f"  {_who(one)}: not {', '.join(map(plain.one_line, one.submission.others))}"[:200]
            for one in repeated
        ]
    if prose:
        lines += ["", f"{_count(prose, 'prose answer')} to mark: read {out / 'review'}/*.html,"]
        lines += [f"fill in {out / 'review' / 'marks.csv'}, and run the command again."]
    return "\n".join([*lines, "", *_exercise_table(marked, schemes)])


def _who(one):
    """Student and exercise, or file."""
    what = plain.one_line(one.submission.exercise) or plain.one_line(one.submission.path.name)
    return f"{plain.one_line(one.submission.student)}, {what}"


def _exercise_table(marked, schemes):
    """Mean score of each exercise, and how many submissions got full marks in each part."""
    lines = []
    for exercise, scheme in schemes.items():
        theirs = [one for one in marked if one.submission.exercise == exercise]
        if not theirs:
            continue
        mean = sum(one.score for one in theirs) / len(theirs)
        full = "  ".join(f"({letter}) {_full(theirs, letter)}" for letter in scheme.parts)
        lines.append(f"{exercise:10}  {len(theirs):11}  {mean:5.1f} of {scheme.out_of:<4g}  {full}")
    return ["exercise    submissions  mean           full marks in", *lines] if lines else []


def _full(theirs, letter):
    """How many submissions got all points of a part."""
    parts = [[mark for mark in one.marks if mark.part == letter] for one in theirs]
    return sum(bool(marks) and all((mark.points or 0) >= mark.out_of for mark in marks) for marks in parts)


def _count(number, noun):
    return f"{number} {noun}" + "s" * (number != 1)
