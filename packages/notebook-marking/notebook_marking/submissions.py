"""Find the notebooks of a class, whatever else lies beside them.

Two layouts are known:

- nbgrader's, ``submitted/<student>/<assignment>/<notebook>``; the folder given may be ``submitted`` itself or
  the one that holds it;
- flat, ``<student>_<exercise>.ipynb``; a student's id may have underscores.

A notebook ends in ``.ipynb`` or ``.md``. Its exercise is known from its name: the exercise's number
(``5.8.1``) or the name of its page (``shrinkage-arithmetic``).

Nothing that a student may have meant as a submission is passed over in silence: what cannot be run is found
all the same, with the problem. Left out are hidden files and folders (``.ipynb_checkpoints``) and, in
nbgrader's layout, other files beside a notebook (``timestamp.txt``, data). Links are never followed, not even
to folders.

Of several notebooks of one student for one exercise, the first by path is run; the others get a problem that
names it, so that a teacher who wants another one knows what to delete.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from notebook_marking.runs import Limits

SUFFIXES = (".ipynb", ".md")
KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
# What nbgrader keeps in the folder of a course.
COURSE = {"source", "release", "submitted", "autograded", "feedback", "exchange"}
LOCKED = "it cannot be read: you have no permission"


@dataclass(frozen=True)
class Submission:
    """One notebook handed in.

    Attributes
    ----------
    student : str
        As the folder or file names the student: untrusted text, which may hold anything but ``/``.
    exercise : str
        Number of the exercise, for example ``5.8.1``; if there is no such exercise, what stands in its place.
    path : pathlib.Path
        The notebook.
    problem : str
        Why it cannot be run, or "".
    """

    student: str
    exercise: str
    path: Path
    problem: str = ""


def find(folder: str | os.PathLike, exercises: Mapping[str, str]) -> list[Submission]:
    """Find all submissions in a folder.

    Parameters
    ----------
    folder : path
        In either layout, see :mod:`notebook_marking.submissions`.
    exercises : mapping
        Number of each exercise by the name of its page.

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
    if not root.is_dir():
        raise ValueError(f"folder is {str(folder)!r}: give the folder that holds the submissions")
    root = _of_course(root)
    found = []
    for entry in _entries(root):
        if not entry.is_dir(follow_symlinks=False):
            found.append(_flat(entry))
        elif os.access(entry.path, os.R_OK | os.X_OK):
            found += _of_student(entry)
        else:
            found.append(Submission(_text(entry.name), "", Path(entry.path), LOCKED))
    known = {**exercises, **{number: number for number in exercises.values()}}
    return _without_repeats([_checked(submission, known) for submission in found])


def _of_course(root):
    """Return the folder of the submissions, which nbgrader keeps beside others of the course."""
    inner = root / "submitted"
    if inner.is_symlink() or not inner.is_dir():
        return root
    beside = [
        path.name
        for path in root.iterdir()
        if path.name not in COURSE
        and (path.suffix in SUFFIXES or any(found for end in SUFFIXES for found in path.glob(f"*/*{end}")))
    ]
    if beside:
        raise ValueError(
            f"folder {str(root)!r} holds a folder `submitted`, and submissions beside it, such as "
            f"{beside[0]!r}: put them all in one place"
        )
    return inner


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


def _entries(folder):
    """Return what lies in a folder, sorted, without what is hidden."""
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)


def _of_student(student):
    """Yield what lies in a student's folder of nbgrader's layout."""
    name = _text(student.name)
    for assignment in _entries(student):
        if assignment.is_dir(follow_symlinks=False):
            if os.access(assignment.path, os.R_OK | os.X_OK):
                yield from _of_assignment(name, assignment)
            else:
                yield Submission(name, _text(assignment.name), Path(assignment.path), LOCKED)
        elif assignment.name.endswith(SUFFIXES) or assignment.is_symlink():
            problem = "" if assignment.is_symlink() else "it lies beside the assignments' folders, not in one"
            yield Submission(name, _stem(assignment.name), Path(assignment.path), problem)


def _of_assignment(student, folder):
    """Yield the notebooks of an assignment, or the folder if there is none."""
    entries = _entries(folder)
    notebooks = [entry for entry in entries if entry.name.endswith(SUFFIXES)]
    for entry in notebooks:
        yield Submission(student, _stem(entry.name), Path(entry.path))
    deeper = [
        path
        for entry in entries
        if entry not in notebooks and entry.is_dir(follow_symlinks=False)
        for path in _deeper(entry)
    ]
    if deeper:
        more = f" (and {len(deeper) - 1} more)" if len(deeper) > 1 else ""
        problem = f"it lies in a folder below its assignment's{more}"
        yield Submission(student, _stem(deeper[0].name), deeper[0], problem)
    if not (notebooks or deeper):
        yield Submission(student, _text(folder.name), Path(folder.path), "the folder holds no notebook")


def _deeper(folder):
    """Yield notebooks in folders where none should be."""
    for place, folders, names in os.walk(folder.path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if name.endswith(SUFFIXES))


def _flat(entry):
    """Read student and exercise from a file's name."""
    is_notebook = entry.name.endswith(SUFFIXES)
    stem = _stem(entry.name) if is_notebook else os.path.splitext(_text(entry.name))[0]
    student, _, exercise = stem.rpartition("_")
    problem = ""
    if not student:
        student, exercise, problem = exercise, "", "its name is not <student>_<exercise>"
    if not is_notebook:
        problem = "it is no notebook"
    return Submission(student, exercise, Path(entry.path), "" if entry.is_symlink() else problem)


def _checked(submission, known):
    """Name the exercise by its number, and the problem if there is one."""
    exercise = known.get(submission.exercise, submission.exercise)
    problem = submission.problem or _problem(submission.path)
    if not problem and submission.exercise not in known:
        problem = "there is no exercise of this name"
    return replace(submission, exercise=exercise, problem=problem)


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
    return f"it is larger than {most:,} bytes" if status.st_size > most else ""


def _without_repeats(found):
    """Let the first of several submissions of one student for one exercise count."""
    found = sorted(found, key=lambda submission: os.fsencode(submission.path))
    first = {}
    for i, submission in enumerate(found):
        if submission.problem:
            continue
        who = submission.student, submission.exercise
        if who in first:
            problem = f"{_text(first[who].name)} is run for this exercise: keep the one that counts"
            found[i] = replace(submission, problem=problem)
        else:
            first[who] = submission.path
    return found


def _stem(name):
    """Return a file's name without the end that makes it a notebook."""
    name = _text(name)
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def _text(name):
    """Return a file's name as text that can be written as UTF-8."""
    return os.fsencode(name).decode(errors="backslashreplace")
