"""What the learning systems make of a class's files: whose a file is, when it came, what it was called.

Known by their names are the exports of

- Canvas, ``<name>[_LATE]_<user>_<submission>_<file>``;
- Moodle, ``<First Last>_<number>_assignsubmission_file_`` as a folder or before a file's name;
- Blackboard, ``<assignment>_<user>_attempt_<time>_<file>``;
- Brightspace, ``<user>-<number> - <First Last> - <Mar 5, 2026 222 PM>`` as a folder or before a file's name;
- Gradescope, folders ``submission_<number>`` beside a ``submission_metadata.yml``;
- GitHub Classroom, a repository for each student, ``<assignment>-<user>``;
- nbgrader, ``submitted/<student>/<assignment>/<notebook>``;

and files of one folder, ``<student>_<exercise>``. In all others a student of the roster is known by a name in
that of the folder or file, as in ``Last, First(user)`` of Sakai. Zip files are looked into wherever they lie.

Moodle names a team in the place of a student, or (until 4.0) before each, ``<team>-<First Last>``. In a
student's folder OpenOLAT has ``1_task``, ``2_submissions``, ``3_corrections``, ``4_revisions_1``,
``5_corrections_1``, …, ``6_assessment``; Sakai, ``Submission attachment(s)``, ``Feedback Attachment(s)``.
"""

import errno
import logging
import os
import re
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import yaml

METADATA = "submission_metadata.yml"
# What systems and editors leave beside a student's files; hidden files too.
LITTER = {"__MACOSX", "Thumbs.db", "desktop.ini", "node_modules", "__pycache__"}
CANVAS = re.compile(r"(?P<name>.+?)(?P<late>_LATE)?_(?P<user>\d+)_(?P<number>\d+)_(?P<file>.+)")
MOODLE = re.compile(
    r"(?P<name>.+?)(?:_(?P<number>\d+))?_assignsubmission_(?:file|onlinetext)(?:_(?P<file>.*))?"
)
BLACKBOARD = re.compile(r"(?P<whose>.+?_.+?)_attempt_(?P<time>[\d-]{10,19})(?:_(?P<file>.+))?(?:\.txt)?")
BRIGHTSPACE = re.compile(
    r"(?P<user>\d+)-\d+ ?- ?(?P<name>.+?) ?- ?(?P<day>\w+ \d+, \d{4}) (?P<hour>\d{1,2})(?P<minute>\d\d)"
    r" (?P<half>[AP]M)(?: ?- ?(?P<file>.+))?"
)
FORMS = (MOODLE, BLACKBOARD, BRIGHTSPACE, CANVAS)
# Folders of what a student handed in, and of what a teacher put beside it.
HANDED_IN = re.compile(r"\d+_(?:submissions|revisions_\d+)|submission attachment\(s\)", re.IGNORECASE)
GIVEN = re.compile(r"\d+_(?:task|corrections(?:_\d+)?|assessment)|feedback attachment\(s\)", re.IGNORECASE)
LATE = "Late_submission.txt"  # which OpenOLAT puts beside what came late
OWN = re.compile(r"solutions|grades\.csv|.+\.xlsx")  # what lies beside the folders of all students there
DRAFTS = "Working files"  # of Teams, beside `Submitted files`
GRADESCOPE = re.compile(r"submission_\d+")
BRANCH = re.compile(r"-(?:main|master)$")
# What all zip files together may hold, and one that lies deeper than the class's.
LARGEST_ZIP, LARGEST_INNER = 2_000_000_000, 200_000_000
MOST_ENTRIES = 100_000
DEEPEST_ZIP = 3
LONGEST_NAME = 255  # bytes
FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Found:
    """A file, and what its place says of it.

    Attributes
    ----------
    place : tuple of str
        Names of the folders and zip files in which it lies, and its own.
    path : pathlib.Path
        Where it can be read.
    names : tuple of tuple of (str, str)
        Columns of a roster and names of the student in them, the best first; none where the place says none.
    system : str
        Which layout this is: ``canvas``, ``moodle``, …, ``folders`` or ``flat``.
    file : str
        What the student called it.
    time : str
        When it was handed in, as the system says; empty where it does not.
    late : bool
        Whether the system says that it was late.
    team : tuple of tuple of (str, str)
        `names` of each who handed it in, where several did together.
    number : str
        What tells this student from others of the same name, where the system has it.
    given : bool
        Whether a teacher put it there, beside what was handed in.
    """

    place: tuple[str, ...]
    path: Path
    names: tuple[tuple[str, str], ...] = ()
    system: str = "flat"
    file: str = ""
    time: str = ""
    late: bool = False
    team: tuple[tuple[tuple[str, str], ...], ...] = ()
    number: str = ""
    given: bool = False


def files(top, scratch, students):
    """Find all files of a class, with what their places say."""
    unpack = _Unpacking(scratch)
    folder = top if top.is_dir() else unpack(top, LARGEST_ZIP)
    if folder is None:
        raise ValueError(f"folder is {str(top)!r}, which is no zip file that can be read: give a folder")
    listed = _without_drafts(list(_listed(folder, (), unpack)))
    while outer := _zips_of_classes(listed, students) or _wrapper(listed, students):
        listed = _without_drafts([replace(one, place=one.place[one.place[0] in outer :]) for one in listed])
    metadata = {found.place[:-1]: _gradescope(found.path) for found in listed if found.place[-1] == METADATA}
    repositories = _repositories(listed)
    others = [found for found in listed if found.place[-1] != METADATA]
    # What a student's own folder holds may look like an export; where all lie in exports, these are exports.
    deep = all(any(map(_is_exported, found.place)) for found in others if len(found.place) > 1)
    system = _system([found.place for found in others], deep)
    found = [one for found in others for one in _recognised(found, metadata, repositories, system, students)]
    return _handed_in(found)


# Files ---------------------------------------------------------------------------------------


def _listed(folder, place, unpack, depth=0):
    """Yield files below a folder, sorted, without hidden ones and litter."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield Found(place or (folder.name,), folder)
        return
    empty = True
    for entry in entries:
        hidden = entry.name.startswith("._") or (entry.name[0] == "." and not _whose(entry.name))
        if hidden or entry.name in LITTER:
            continue
        empty = False
        path, inner = Path(entry.path), (*place, os.fsencode(entry.name).decode(errors="backslashreplace"))
        if entry.is_dir(follow_symlinks=False):
            yield from _listed(path, inner, unpack, depth)
        elif entry.is_file(follow_symlinks=False) and entry.name.lower().endswith(".zip"):
            most = LARGEST_INNER if place else LARGEST_ZIP
            unpacked = unpack(path, most) if depth < DEEPEST_ZIP else None
            if unpacked is None:
                yield Found(inner, path)
            else:
                yield from _listed(unpacked, inner, unpack, depth + 1)
        else:
            yield Found(inner, path)
    if empty and place:
        yield Found(place, folder)


class _Unpacking:
    """Unpacks zip files into new folders, until all together would hold too much."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.bytes, self.entries = LARGEST_ZIP, MOST_ENTRIES

    def __call__(self, path, most):
        """Unpack a zip file, each file with its own time; None if that cannot be done."""
        folder = self.scratch / str(len(list(self.scratch.iterdir())))
        folder.mkdir()
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
                size = sum(entry.file_size for entry in entries)
                if len(entries) > self.entries or size > min(most, self.bytes):
                    return None
                self.bytes, self.entries = self.bytes - size, self.entries - len(entries)
                for entry in entries:
                    _extract(archive, entry, folder)
        except (zipfile.BadZipFile, RuntimeError, ValueError, EOFError, OSError) as error:
            if getattr(error, "errno", 0) in FULL:
                raise OSError(f"{path}: {error.strerror}: make room for what is in it") from None
            return None  # broken, encrypted, or of a kind of its own
        return folder


def _extract(archive, entry, folder):
    entry.filename = _written(entry)
    target = Path(archive.extract(entry, folder))
    with suppress(ValueError, OverflowError, OSError):
        seconds = time.mktime((*entry.date_time, 0, 0, -1))
        os.utime(target, (seconds, seconds))


def _written(entry):
    """Return a name in a zip file: Macs do not say that it is UTF-8, an old Windows has the other slash."""
    name = entry.filename
    if not entry.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    parts = name.replace("\\", "/").split("/")
    return "/".join(part if len(part.encode()) < LONGEST_NAME else _short(part, entry) for part in parts)


def _short(part, entry):
    """Return a name that no file system can hold without its middle: its start and its end say what it is."""
    start, end = part.encode()[: LONGEST_NAME // 2], part.encode()[-LONGEST_NAME // 4 :]
    return f"{start.decode(errors='ignore')}~{entry.header_offset}~{end.decode(errors='ignore')}"


# Places --------------------------------------------------------------------------------------


def _zips_of_classes(listed, students):
    """Return the zip files at the top that hold a class, not what one student handed in."""
    zips = {found.place[0] for found in listed if _zipped(found.place, students)}
    return {name for name in zips if len(zips) == 1 or not _of_one(name, listed, students)}


def _zipped(place, students):
    """Tell whether a file lies in a zip file whose name is no student's."""
    first = place[0]
    return len(place) > 1 and first.lower().endswith(".zip") and not (_whose(first) or students.named(first))


def _of_one(name, listed, students):
    """Tell whether a zip file among others holds the work of one student: nothing in it says whose it is."""
    inner = [found.place[1:] for found in listed if found.place[0] == name]
    while len({place[0] for place in inner}) == 1 and all(len(place) > 1 for place in inner):
        if _is_named(inner[0][0], students):
            return False
        inner = [place[1:] for place in inner]
    loose = [place[0] for place in inner if len(place) == 1]
    return bool(loose) and not any(_is_named(name, students) for name in {place[0] for place in inner})


def _is_named(name, students):
    """Tell whether a system, or a class's rule, has named a file or folder."""
    return name == METADATA or bool(BRANCH.search(name) or students.named(name) or _is_exported(name))


def _is_exported(name):
    """Tell whether a system names so what one student handed in."""
    return bool(GRADESCOPE.fullmatch(name) or _whose(name))


def _whose(name):
    """Match the name that a system gives to what a student handed in."""
    return next((match for form in FORMS if (match := form.fullmatch(name))), None)


def _without_drafts(listed):
    """Leave out the drafts in Teams, ``Working files/<student>/<assignment>/<file>``, and say so."""
    kept = [one for one in listed if one.place[0] != DRAFTS or len(one.place) < 4]
    if count := len(listed) - len(kept):
        words = "what lies in `%s` are drafts, which nobody has handed in: left out (files: %s)"
        logging.getLogger(__name__).warning(words, DRAFTS, count)
    return kept


class _System(NamedTuple):
    """A learning system: its form of names, whether it names what lies in folders too, how tasks begin."""

    form: re.Pattern
    deep: bool
    task: str


def _system(places, deep):
    """Return the system whose form most names have: what follows in a name is the student's own."""
    names = {next(filter(_whose, place if deep else place[:1]), "") for place in places}
    form = max(FORMS, key=lambda form: sum(bool(form.fullmatch(name)) for name in names))
    whose = {match["whose"] for name in names if form is BLACKBOARD and (match := form.fullmatch(name))}
    return _System(form, deep, _start(whose, "_"))


def _wrapper(listed, students):
    """Return the one folder in which all lies, as a set, if it is a class's and not a student's."""
    first = {found.place[0] for found in listed}
    inner = [found.place[1:] for found in listed]
    if len(first) != 1 or not all(inner):
        return set()
    (outer,) = first
    inner = [place[_zipped(place, students) :] for place in inner]
    if _is_exported(outer) or students.on_roster(outer):
        return set()
    deep = any(len(place) > 2 for place in inner)
    if outer in ("submitted", "Submitted files"):  # of nbgrader or Teams
        return first if deep else set()
    known = any(place[0] == METADATA or _whose(place[0]) for place in inner)
    flat = all(len(place) == 1 and students.named(place[0]) for place in inner)
    folders = {place[0] for place in inner if len(place) > 1}
    signed = {students.named(place[-1]) for place in inner}
    flat |= len(signed) > 1 and "" not in signed
    several = len(folders) > 1 and (deep or all(name.startswith(_slug(outer)) for name in folders))
    # One deeper, as in "Week 8/Submissions/", names of one student may be that student's own.
    within = {students.on_roster(name) for place in inner for name in place[1:-1]} - {""}
    listed = any(students.on_roster(name) for name in folders) or len(within) > 1
    return first if known or flat or several or listed or folders == {"submitted"} else set()


def _slug(outer):
    """Return how the repositories in a folder of GitHub Classroom begin."""
    return outer.removesuffix("submissions") or outer


def _repositories(listed):
    """Return the folders that are students' repositories, and how all their names begin."""
    folders = {found.place[0]: found for found in listed if len(found.place) > 1}
    found = set()
    for name, one in folders.items():
        folder = one.path.parents[len(one.place) - 2]
        if BRANCH.search(name) or any((folder / mark).is_dir() for mark in (".git", ".github")):
            found.add(name)
    found |= {one.place[0] for one in listed if len(one.place) == 3 and one.place[1] == "exercises"}
    # A repository whose files say nothing is known by its neighbours.
    if found and len({name.partition("-")[:2] for name in folders}) == 1:
        found = set(folders)
    return found, _start({BRANCH.sub("", name) for name in found}, "-")


def _start(names, sign):
    """Return how all of several names begin, up to a sign."""
    starts = [name[: i + 1] for name in names for i, each in enumerate(name) if each == sign]
    common = [start for start in starts if len(names) > 1 and all(name.startswith(start) for name in names)]
    return max(common, key=len, default="")


def _recognised(found, metadata, repositories, system, students):
    """Yield a file once for each student whose it is."""
    place = found.place
    for i, name in enumerate(place if system.deep else place[:1]):
        rest = "/".join(place[i + 1 :])
        if place[:i] in metadata and GRADESCOPE.fullmatch(name):
            known = metadata[place[:i]].get(name, {})
            when = str(known.get(":created_at") or "")
            found = replace(found, system="gradescope", file=rest, time=when, number=name)
            team = [_names_in_gradescope(one) or (("", name),) for one in known.get(":submitters") or [{}]]
            yield from (replace(found, names=names, team=tuple(team)) for names in team)
            return
        match = system.form.fullmatch(name) or _whose(name)
        form, file = match and match.re, rest or (match and match["file"]) or ""
        if form is MOODLE:
            number = match["number"] or ""  # those in no team hand in as one team without a number
            names = (("moodle", match["name"]), ("moodle", number), ("name", match["name"]))
            found = replace(found, system="moodle", names=names, file=file, number=number)
            team, own = students.roster.team(match["name"])
            yield from [replace(found, names=names, team=team) for names in own] or [found]
            return
        if form is BLACKBOARD:
            day, clock = match["time"][:10], match["time"][11:].replace("-", ":")
            names = _ends("blackboard", match["whose"], "_", system.task)
            when, whole = f"{day} {clock}".strip(), names[0][1]
            yield replace(found, system="blackboard", names=names, file=file, time=when, number=whole)
            return
        if form is BRIGHTSPACE:
            names = (("brightspace", match["user"]), ("brightspace", match["name"]), ("name", match["name"]))
            when = f"{match['day']}, {match['hour']}:{match['minute']} {match['half']}"
            found = replace(found, system="brightspace", names=names, file=file)
            yield replace(found, time=when, number=match["user"])
            return
        if form is CANVAS and i == 0:
            names = (("canvas", match["user"]), ("canvas", match["name"]), ("name", match["name"]))
            found = replace(found, system="canvas", names=names, file=file)
            yield replace(found, late=bool(match["late"]), number=match["user"])
            return
    if place[0] in repositories[0] and len(place) > 1:
        name, start = BRANCH.sub("", place[0]), repositories[1]
        names = (("id", name), *_ends("github", name, "-", start), ("", name.removeprefix(start)))
        yield replace(found, system="github", names=names, file="/".join(place[1:]))
    elif len(place) > 1 or found.path.is_dir():
        zipped = place[0].lower().endswith(".zip")
        student = (students.named(place[0]) or place[0][:-4]) if zipped else place[0]
        names = (("id", student), ("", student), ("id", students.on_roster(student)), ("id", student))
        yield replace(found, system="folders", names=names, file=place[-1])
    else:
        yield replace(found, file=place[0])


def _handed_in(found):
    """Tell what a teacher put beside a student's work from that, where a system has folders for both."""
    split = [(one, *_split(one)) for one in found]
    handed_in = {owner for _, owner, step, _ in split if HANDED_IN.fullmatch(step)}
    late = {owner for _, owner, step, rest in split if HANDED_IN.fullmatch(step) and rest == (LATE,)}
    if not handed_in:
        return found  # what a student's own folders are called says nothing
    told = []
    for one, owner, step, rest in split:
        if HANDED_IN.fullmatch(step):
            told.append(replace(one, place=owner + rest, late=owner in late))
        elif step and owner not in handed_in:
            told.append(replace(one, place=(*owner, rest[-1]), file="/".join((step, *rest)), given=True))
        elif not (step or OWN.fullmatch(owner[0])):
            told.append(one)
    return told


def _split(found):
    """Split a place at the first folder in a student's that is a system's own; if there is one."""
    place = found.place
    within = range(1, len(place) - 1) if found.system == "folders" else ()
    own = (at for at in within if HANDED_IN.fullmatch(place[at]) or GIVEN.fullmatch(place[at]))
    at = next(own, len(place))
    return place[:at], "".join(place[at : at + 1]), place[at + 1 :]


def _ends(column, name, sign, start):
    """Return a name without its first words, the shortest last: a user's name may hold the sign too.

    None is shorter than what tells it from the others, which begin in the same way.
    """
    words = name.split(sign)
    ends = [sign.join(words[first:]) for first in range(1, len(words))]
    ends = [end for end in ends if len(end) >= len(name.removeprefix(start)) or not start] or [name]
    return tuple((where, end) for end in ends for where in (column, "id"))


def _names_in_gradescope(submitter):
    """Return what Gradescope knows of a student."""
    keys = (("id", ":sid"), ("email", ":email"), ("name", ":name"))
    known = [(column, str(submitter[key])) for column, key in keys if submitter.get(key)]
    return (*(("gradescope", name) for _, name in known), *known[::-1])


def _gradescope(path):
    """Read what Gradescope wrote beside the folders of submissions; nothing where it is something else."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    entries = content.items() if isinstance(content, dict) else ()
    return {name: known for name, known in entries if isinstance(known, dict)}
