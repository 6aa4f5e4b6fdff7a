"""Find the notebooks of a class in what a learning system exports, whatever else lies beside them.

Where a notebook lies says whose it is (:mod:`notebook_marking.exports`), a roster under which id. Its
exercise is read from its cells, ``Answers("5.8.1")``; where they name none, from its name: the exercise's
number or the name of its page. A notebook that names several exercises is a submission for each.

Nothing that a student may have meant as a submission is passed over in silence: what cannot be run is found
all the same, with the problem. Left out are hidden files and what systems leave behind, and other files
beside a student's notebooks. Links are never followed, not even to folders.

Of several notebooks of one student for one exercise, the newest that has any code is run; the others are
named.
"""

import os
import re
import stat
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path

from notebook_marking import exports, inside
from notebook_marking.answers import plain_id
from notebook_marking.plain import handed_in
from notebook_marking.rosters import DUE, NOBODY, Roster
from notebook_marking.runs import Limits

SUFFIX = re.compile(r"\.(ipynb|md)(?:\.(?:txt|json))?$", re.IGNORECASE)  # browsers add the second
KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
# What nbgrader keeps in the folder of a course.
COURSE = {"source", "release", "submitted", "autograded", "feedback", "exchange"}
LOCKED = "it cannot be read: you have no permission"
ZIPPED = "it cannot be unpacked: it is broken, encrypted, too large or too deep in other zip files"
UNSIGNED = "nothing says whose it is: no id is in it, and others for this exercise lie beside it"
SEVERAL = "handed in as {}: if these are two students, the roster needs both"
MISNAMED = "its number in Moodle is this student's, its name is {!r}: a team's name belongs into `team`"
NO_EXERCISE = "there is no exercise of this name"
# What copies are called, and how systems number what is handed in again.
COPY = re.compile(r"^(?:copy of|kopie von)[ _]+", re.IGNORECASE)
VERSION = re.compile(r"(?:version|attempt|versuch)?[-_ ]*\d{1,2}", re.IGNORECASE)
PIECES = re.compile(r"[_()\[\]]|\s-+\s|-+\s|\s-+")
AGAIN = r"(?P<again>(?:[-_ ]*\(\d+\)|-\d+|[-_ ]+copy[-_ ]?\d*)*)"
NAMED = re.compile(r"""^[^#\n]*\bAnswers\(\s*(?:exercise\s*=\s*)?["']([^"'\n]+)["']""", re.MULTILINE)
SIGNED = re.compile(r"""^[^#\n]*\bAnswers\([^)]*?\bstudent\s*=\s*["']([^"'\n]+)["']""", re.MULTILINE)
HEADING = re.compile(rb"# Exercise ([\w.-]+):")
NEARLY = 10  # seconds within which files are equally new


@dataclass(frozen=True)
class Submission:
    """One notebook handed in.

    Attributes
    ----------
    student : str
        The id on the roster; else as the folder or file names the student: untrusted text, which may hold
        anything but ``/``.
    exercise : str
        Number of the exercise, for example ``5.8.1``; if there is no such exercise, what stands in its place.
    path : pathlib.Path
        The notebook.
    problem : str
        Why it cannot be run, or "".
    time : str
        When it was handed in, as the system that collected it says; "" where that does not.
    late : bool
        Whether the system calls it late.
    others : tuple of str
        What else the student handed in for this exercise.
    name, email : str
        The student's name and address on the roster.
    ids : tuple of str or None
        What the student or the team may give as id, in the form that counts; None where that is unknown.
    stranger : bool
        Whether there is a roster on which this student is not.
    doubt : str
        Why it may be another student's, or "".
    due : str
        By when this student must hand in, if the roster says so.
    absent : bool
        Whether nothing was handed in, by a student on the roster.
    cells : tuple of (str, str)
        Columns of the roster, and what they say of the student.
    """

    student: str
    exercise: str
    path: Path
    problem: str = ""
    time: str = ""
    late: bool = False
    others: tuple[str, ...] = ()
    name: str = ""
    email: str = ""
    ids: tuple[str, ...] | None = ()
    stranger: bool = False
    doubt: str = ""
    due: str = ""
    absent: bool = False
    cells: tuple[tuple[str, str], ...] = ()

    @property
    def suffix(self):
        """Format of the notebook: ``.ipynb`` or ``.md``."""
        found = SUFFIX.search(self.path.name)
        return f".{found[1].lower()}" if found else self.path.suffix


def find(
    folder: str | os.PathLike, exercises: Mapping[str, str], roster: Roster = NOBODY, asked: Collection = ()
) -> list[Submission]:
    """Find all submissions in a folder or zip file.

    Parameters
    ----------
    folder : path
        In any layout of :mod:`notebook_marking.exports`.
    exercises : mapping
        Number of each exercise by the name of its page.
    roster : Roster
        The class.
    asked : collection of str
        The exercises that are to be marked, if not all. What names no exercise is for the only one that is
        asked for or handed in, if its student handed in nothing else for that.

    Returns
    -------
    list of Submission
        Sorted by path.

    Raises
    ------
    ValueError
        If there is no such folder.

    See Also
    --------
    read : The content of one of them.
    notebook_marking.running.run_all : Runs them.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "ada_5.8.1.md").touch()
    >>> (folder / "ada_5.8.9.md").touch()
    >>> [(s.student, s.exercise, s.problem) for s in find(folder, {"shrinkage-arithmetic": "5.8.1"})]
    [('ada', '5.8.1', ''), ('ada', '5.8.9', 'there is no exercise of this name')]
    """
    root = Path(folder)
    if not root.exists():
        raise ValueError(f"folder is {str(folder)!r}: give the folder that holds the submissions")
    names = _Names(exercises, roster)
    top, collected = _of_course(root) if root.is_dir() else (root, False)
    listed = exports.files(top, Path(_scratch().name), names)
    others = [file for file in listed if file.system != "flat"]
    exported = any(file.system != "folders" for file in others)
    flat = [file for file in listed if file.system == "flat"]
    flat = [file for file in flat if SUFFIX.search(file.place[-1]) or _is_zip(file) or not exported]
    found = [one for file in flat for one in _flat(file, names)]
    deep = {_owner(file)[:3] for file in others if len(file.place) > 2}
    for owner, theirs in groupby(sorted(others, key=_owner), key=_owner):
        found += _of_student(list(theirs), names, folders=owner[:3] in deep)
    if collected:
        found = [(file, replace(one, time=_timestamp(file))) for file, one in found]
    found = [_checked(_identified(one, file, roster), file) for file, one in found]
    return _without_repeats(_for_the_only_one(found, set(asked), names), names)


@cache
def _scratch():
    """Return the folder for what comes out of zip files; it goes with this process."""
    return tempfile.TemporaryDirectory(prefix="submissions-", ignore_cleanup_errors=True)


def _of_course(root):
    """Return the folder of the submissions, and whether nbgrader collected them into it, which says when."""
    inner = root / "submitted"
    if inner.is_symlink() or not inner.is_dir():
        return root, False
    beside = [
        path.name
        for path in root.iterdir()
        if path.name not in COURSE
        and (SUFFIX.search(path.name) or any(SUFFIX.search(found.name) for found in path.glob("*/*")))
    ]
    deeper = any(SUFFIX.search(path.name) for path in inner.glob("*/*/*"))
    if beside and not deeper and any(SUFFIX.search(path.name) for path in inner.glob("*/*")):
        return root, False  # a student of that name
    if beside:
        raise ValueError(
            f"folder {str(root)!r} holds a folder `submitted`, and submissions beside it, such as "
            f"{beside[0]!r}: put them all in one place"
        )
    return inner, any((root / name).is_file() for name in ("gradebook.db", "nbgrader_config.py"))


def _timestamp(file):
    """Return the time that nbgrader wrote when it collected a notebook, beside all that was handed in."""
    if len(file.place) < 3:
        return ""
    file = file.path.parents[len(file.place) - 3] / "timestamp.txt"
    try:
        return "" if file.is_symlink() else file.read_text(encoding="utf-8", errors="replace")[:100].strip()
    except OSError:
        return ""


def read(submission: Submission) -> bytes:
    """Read a submission that has no problem.

    Parameters
    ----------
    submission : Submission
        As :func:`find` found it.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    OSError
        If it is no longer there, or has become a link.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "ada_5.8.1.md")
    >>> _ = path.write_text("text")
    >>> read(Submission("ada", "5.8.1", path))
    b'text'
    """
    descriptor = os.open(submission.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(Limits().notebook + 1)


# Exercises -----------------------------------------------------------------------------------


class _Names:
    """The names of exercises and of students, as they are written into names of files."""

    def __init__(self, exercises, roster=NOBODY):
        self.roster = roster
        self.numbers = {_plain(name): number for name, number in exercises.items()}
        self.numbers |= {_plain(number): number for number in exercises.values()}
        spelt = sorted(map(re.escape, self.numbers), key=len, reverse=True)
        known = "|".join(name.replace(r"\-", "[-_ ]+") for name in spelt)
        self.whole = re.compile(rf"(?P<exercise>{known}){AGAIN}", re.IGNORECASE)
        self.end = re.compile(rf"(?P<student>.+)_(?P<exercise>{known}){AGAIN}", re.IGNORECASE | re.DOTALL)

    def named(self, name):
        """Return whose a file is if its name says so, as <student>_<exercise> or by a name on the roster."""
        stem = COPY.sub("", re.sub(r"\.zip$", "", _stem(name), flags=re.IGNORECASE))
        match = self.end.fullmatch(stem)
        return match["student"] if match else self.on_roster(stem)

    def on_roster(self, name):
        """Return the id of the one student whom a name names, between hyphens, underscores or brackets."""
        found = {row["id"] for piece in PIECES.split(name) if (row := self._row(piece))}
        return found.pop() if len(found) == 1 else ""

    def _row(self, piece):
        # A number may be that of an exercise or a week: it must be an id.
        anywhere = any(letter.isalpha() for letter in piece)
        return self.roster.find([("", piece)]) if anywhere else self.roster.known.get((plain_id, "id", piece))

    def number(self, name):
        """Return the number of the exercise that a file's name names, or what stands in its place."""
        stem = COPY.sub("", _stem(name))
        match = self.whole.fullmatch(stem) or self.end.fullmatch(stem)
        return self.numbers[_plain(match["exercise"])] if match else stem

    def in_cells(self, path):
        """Return the numbers of the exercises for which a notebook records answers, or of its heading."""
        named = NAMED.findall(_content(path)[0]) or _heading(path)
        return list(dict.fromkeys(filter(None, (self.numbers.get(_plain(name)) for name in named))))


def _plain(name):
    """Return a name without capitals, and with hyphens between words."""
    return re.sub(r"[-_ ]+", "-", name.strip().lower())


def _content(path):
    """Return the code of a notebook, and why it cannot be read."""
    status = path.lstat()
    return _content_at(path, status.st_mtime_ns, status.st_size)


@cache
def _content_at(path, *_):
    submission = Submission("", "", path)
    try:
        if problem := _problem(path):
            return "", problem
        cells = inside.read_cells(read(submission), submission.suffix)
    except (OSError, ValueError) as error:
        return "", str(error)
    return "\n".join(cell for cell in cells if cell and cell.strip()), ""


def _heading(path):
    """Return the exercise that a notebook's heading names, though it may be broken."""
    with suppress(OSError):
        return [name.decode() for name in HEADING.findall(read(Submission("", "", path)))[:1]]
    return []


# Students ------------------------------------------------------------------------------------


def _flat(file, names):
    """Yield what a file of one folder is: a submission for each exercise that it names."""
    if not SUFFIX.search(file.place[-1]):
        stem = os.path.splitext(file.place[-1])[0]
        student, _, exercise = stem.rpartition("_")
        problem = LOCKED if file.path.is_dir() else ZIPPED if _is_zip(file) else "it is no notebook"
        whose = names.on_roster(stem) or student or exercise
        problem = "" if file.path.is_symlink() else problem
        yield file, Submission(whose, exercise if student else "", file.path, problem)
        return
    stem = COPY.sub("", _stem(file.place[-1]))
    match = names.end.fullmatch(stem)
    student, _, exercise = stem.rpartition("_")
    if match:
        student, exercise = match["student"], names.numbers[_plain(match["exercise"])]
    elif listed := names.on_roster(stem):
        student, exercise = listed, exercise if student else stem
    problem = ""
    if not student:
        student, exercise, problem = exercise, "", "its name is not <student>_<exercise>"
    numbers = names.in_cells(file.path)
    if not (problem or numbers or match):
        problem = NO_EXERCISE
    for number in numbers or [exercise]:
        yield file, Submission(student, number, file.path, problem)


def _owner(file):
    """Return what is the same for all files of one student, in nbgrader's layout of one assignment."""
    assignment = file.place[1] if file.system == "folders" and len(file.place) > 2 else ""
    return file.system, file.names[-1][1], file.number, assignment


def _of_student(theirs, names, *, folders):
    """Yield a student's submissions; what is none only if there is nothing else, and no folders for work."""
    first = theirs[0]
    student = first.names[-1][1]
    if all(file.given for file in theirs):  # `absent` names who is on the roster
        return [] if names.roster.find(first.names) else [_instead(theirs, student)]
    found = [(file, one) for file in theirs if not file.given for one in _in_file(file, student, names)]
    if first.system == "github":  # a repository may hold notebooks that came with it
        found = [each for each in found if each[1].problem != NO_EXERCISE] or found
    if found:
        return found
    if first.system == "folders":
        folder = len(first.place) == 1 or first.path.is_dir() or first.path.is_symlink()
        if len(first.place) == 2 and not folder:
            return [] if folders else [_instead(theirs, student)]
        place = first.path if folder else first.path.parents[len(first.place) - 3]
        exercise = first.place[1] if len(first.place) > 1 else ""
        locked = folder and place.is_dir() and not os.access(place, os.R_OK | os.X_OK)
        problem = LOCKED if locked else "the folder holds no notebook"
        return [(first, Submission(student, names.number(exercise), place, problem))]
    return [_instead(theirs, student)]


def _instead(theirs, student):
    """Return the submission of one who handed in something else."""
    names = ", ".join(file.file or file.place[-1] for file in theirs[:3])
    return theirs[0], Submission(student, "", theirs[0].path, f"no notebook was handed in, but {names}")


def _is_zip(file):
    """Tell whether a file is a zip file, which then could not be unpacked."""
    return file.path.is_file() and file.place[-1].lower().endswith(".zip")


def _in_file(file, student, names):
    """Yield the submissions that a file is."""
    name = file.file.rpartition("/")[2] or file.place[-1]
    if file.path.is_symlink():
        yield Submission(student, names.number(name), file.path)
        return
    if _is_zip(file):
        yield Submission(student, "", file.path, ZIPPED)
    if not SUFFIX.search(name):
        return
    numbers = names.in_cells(file.path)
    named = names.number(name)
    known = named in names.numbers.values()
    prose = name.lower().endswith(".md") and not _content(file.path)[0]
    if prose and not known:
        return
    for number in numbers or [named]:
        yield Submission(student, number, file.path, "" if numbers or known else NO_EXERCISE)


def _identified(submission, file, roster):
    """Give a submission what the roster and the system know of its student."""
    row = roster.find(file.names or (("id", submission.student), ("", submission.student)))
    submission = replace(submission, time=submission.time or file.time, late=file.late)
    if row:  # a team's notebook has the data of one of them
        team = [known for names in file.team if (known := roster.find(names))]
        ids = dict.fromkeys(name for each in (row, *team) for name in _known(each, roster)["ids"])
        doubt = MISNAMED.format(file.names[0][1]) if _is_misnamed(file, row, roster) else ""
        return replace(submission, **_known(row, roster) | {"ids": tuple(ids), "doubt": doubt})
    stranger = roster is not NOBODY  # of whom no id is known, whatever the name
    own = file.system in ("flat", "folders") and not stranger
    return replace(submission, ids=() if own else None, stranger=stranger)


def _is_misnamed(file, row, roster):
    """Tell whether only the number in Moodle is this student's, which may be that of a team too."""
    if file.system != "moodle" or (other := roster.find(file.names[::2])) is row:
        return False
    own = re.findall(r"\w+", row.get("name", "").casefold())
    return bool(other or (own and not {*own} & {*re.findall(r"\w+", file.names[0][1].casefold())}))


def _known(row, roster):
    """Return what a row of the roster says of a student; what others have too is nobody's id."""
    own = [row[name] for name in row if roster.known.get((plain_id, name, plain_id(row[name]))) is row]
    ids = dict.fromkeys(map(plain_id, [row["id"], *own]))
    facts = {name: row.get(name, "") for name in ("name", "email", DUE)}
    cells = tuple((name, value) for name, value in row.items() if name != DUE and value)
    return {"student": row["id"], "ids": tuple(ids), "cells": cells, **facts}


def _for_the_only_one(found, asked, names):
    """Yield all, and let what names no exercise be for the only one, if there is only one."""
    numbers = {*names.numbers.values()}
    known = asked or {one.exercise for _, one in found} & numbers
    there = {one.student for _, one in found if one.exercise in known}
    for file, one in found:
        if len(known) == 1 and one.exercise not in numbers and one.student not in there:
            problem = one.problem.removeprefix(NO_EXERCISE).removeprefix("; ")
            one = replace(one, exercise=min(known), problem=problem)
        yield file, one


def absent(submissions, roster, exercises):
    """Return an empty submission for each student on the roster who handed in nothing for an exercise.

    What the student handed in that is for no exercise at all is named: it may have been meant for this one.
    """
    there = {(one.student, one.exercise) for one in submissions}
    strays = {}
    for one in submissions:
        if one.problem and one.exercise not in exercises:
            strays.setdefault(one.student, []).append(one.path.name)
    return [
        Submission(
            exercise=exercise,
            path=Path(),
            problem="nothing was handed in",
            absent=True,
            others=tuple(strays.get(row["id"], ())),
            **_known(row, roster),
        )
        for exercise in sorted(exercises)
        for row in roster.rows
        if (row["id"], exercise) not in there
    ]


def _checked(submission, file):
    """Name the problem of a submission, if there is one."""
    problem = submission.problem
    if problem == NO_EXERCISE:  # which may be since it cannot be read, as in another language
        problem = "; ".join(filter(None, (problem, _content(submission.path)[1])))
    problem = problem or _problem(submission.path)
    return file, replace(submission, problem=problem)


def _problem(path):
    """Say why a file cannot be run, from what it is."""
    status = path.lstat()
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFLNK:
        return "it is a symbolic link, which is not followed"
    if kind == stat.S_IFDIR:
        return "it is a folder"
    if kind != stat.S_IFREG:
        return f"it is {KINDS.get(kind, 'no file')}"
    if not os.access(path, os.R_OK):
        return LOCKED
    most = Limits().notebook
    return f"it is larger than {most:,} bytes: clear its outputs" if status.st_size > most else ""


# Repeats -------------------------------------------------------------------------------------


def _without_repeats(found, names):
    """Let the newest of several submissions of one student for one exercise count, and name the others."""
    by_name, groups, kept = {}, {}, []
    for file, one in found:
        by_name.setdefault((one.student, one.exercise), []).append((file, one))
    for file, one in (each for same in by_name.values() for each in _told_apart(same, names)):
        repeated = not one.problem and one.exercise
        key = plain_id(one.student), one.exercise, "" if repeated else one.path
        groups.setdefault(key, []).append((file, one))
    for group in groups.values():
        group.sort(key=_newness)
        *others, (_, last) = group
        who = sorted({file.number or file.names[0][1] for file, _ in group if file.names})
        doubt = SEVERAL.format(", ".join(map(repr, who))) if len(who) > 1 else last.doubt
        names = tuple(file.file or file.place[-1] for file, _ in others)
        kept.append(replace(last, others=names, doubt=doubt))
    return sorted(kept, key=lambda one: os.fsencode(one.path))


def _told_apart(same, names):
    """Yield what has one name, which students may share; a folder that is none's may hold what is of many."""
    numbers = [_number(file, one, names) for file, one in same]
    places = [_place(file, one, names, exactly=one.stranger or any(numbers)) for file, one in same]
    marks = [number or place for number, place in zip(numbers, places, strict=True)]
    several = len(set(marks)) > 1 and plain_id(same[0][1].student) not in numbers
    for (file, one), number, mark in zip(same, numbers, marks, strict=True):
        if mark and several:
            doubt = "" if number or one.stranger else UNSIGNED
            one = replace(one, student=f"{one.student} ({mark})", ids=None, doubt=doubt)
        yield file, one


def _number(file, one, names):
    """Return what tells students of one name apart: a system's number, or the id in the notebook."""
    if not _guessed(file, one, names):
        return file.number if one.ids is None else ""
    signed = SIGNED.findall(_content(one.path)[0])
    return plain_id(signed[-1]) if signed else ""


def _guessed(file, one, names):
    """Tell whether the name of a student may be another word in that of the folder or file."""
    flat = file.system == "flat" and not names.end.fullmatch(COPY.sub("", _stem(file.place[-1])))
    return (one.ids == () or one.stranger) and not one.problem and (file.system == "folders" or flat)


def _place(file, one, names, *, exactly):
    """Return what tells unsigned notebooks apart: where they lie; not how often they were handed in there."""
    if not _guessed(file, one, names):
        return ""
    *folders, name = file.place[file.system == "folders" :]
    if exactly:
        return " ".join([*folders, name])
    stem = re.fullmatch(rf"(.*?){AGAIN}", COPY.sub("", _stem(name)), re.IGNORECASE | re.DOTALL)[1]
    known = names.whole.fullmatch(stem)
    return " ".join([*(one for one in folders if not VERSION.fullmatch(one)), "" if known else stem]).strip()


def _newness(found):
    """Order files by whether they have code, then by age, then by what systems add to a name."""
    file, one = found
    again = re.fullmatch(rf".*?{AGAIN}", _stem(file.place[-1]), re.IGNORECASE | re.DOTALL)["again"]
    version = int("".join(re.findall(r"\d+", again)) or 0)
    age = round(one.path.lstat().st_mtime / NEARLY)
    time = handed_in(one.time)
    seconds = time.timestamp() if time else 0
    # Version 10 comes after Version 9.
    pieces = [(word, int(number or 0)) for word, number in re.findall(r"([^0-9]*)([0-9]*)", str(one.path))]
    return bool(_content(one.path)[0]), seconds, one.time, age, version, pieces


def _stem(name):
    """Return a file's name without the end that makes it a notebook."""
    return SUFFIX.sub("", name)
