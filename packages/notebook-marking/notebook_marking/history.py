"""Whose marks have moved since an earlier run, and why."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from notebook_marking import plain
from notebook_marking.decisions import LATE
from notebook_marking.marking import that_count

COLUMNS = ("time", "student", "exercise", "answer", "before", "now", "why")
LONGEST = 160


def update(path, marked, schemes):
    """Compare a class with what was kept of it."""
    kept, marked = _read(path), that_count(marked)
    now = {
        "schemes": {
            f"{exercise} {name}": answer.model_dump(mode="json", by_alias=True)
            for exercise, scheme in schemes.items()
            for name, answer in scheme.entries()
        },
        "marks": kept["marks"] | {_name(one): _facts(one) for one in marked},
    }
    moved = [
        row
        for one in marked
        if (before := kept["marks"].get(_name(one)))
        for row in _moved(one, before, now["marks"][_name(one)], kept["schemes"], now["schemes"])
    ]
    return now | {"moved": [*kept["moved"], *moved]}, moved


def table(moved: Sequence[dict]) -> str:
    """All marks that ever moved, as CSV.

    Examples
    --------
    >>> table([]).strip()
    'time,student,exercise,answer,before,now,why'
    """
    return plain.table(COLUMNS, ({name: plain.defuse(str(row[name])) for name in COLUMNS} for row in moved))


def _read(path):
    """Read what was kept; nothing where there is nothing, or something else."""
    empty = {"schemes": {}, "marks": {}, "moved": []}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {name: type(empty[name])(kept[name]) for name in empty}
    except (OSError, ValueError, KeyError, TypeError):
        return empty


def _name(one):
    return json.dumps([one.submission.student, one.submission.exercise])


def _facts(one):
    """Return what is kept of one submission: of each mark its points, its state, and a hash of the answer."""
    recorded = one.run.answers.get("parts") if one.run and isinstance(one.run.answers, dict) else None
    facts = {}
    for mark in one.marks:
        part = recorded.get(mark.part) if isinstance(recorded, dict) else None
        given = part.get(mark.name.partition(".")[0]) if isinstance(part, dict) else None
        digest = hashlib.sha256(json.dumps(given).encode()).hexdigest()[:16]
        facts[mark.answer] = [mark.points, mark.out_of, mark.state, digest]
    return facts | {LATE: [0.0 - one.penalty, 0.0, "late", ""]}


def _moved(one, before, now, old, new):
    """Yield the marks of one submission that have moved."""
    changed = [name for name in now if name in before and before[name][0] != now[name][0]]
    for name in changed:
        if before[name][0] is None and now[name][2] == "marked":
            continue  # prose, marked for the first time
        yield {
            "time": f"{datetime.now():%Y-%m-%d %H:%M}",
            "student": one.submission.student,
            "exercise": one.submission.exercise,
            "answer": name,
            "before": _points(before[name]),
            "now": _points(now[name]),
            "why": _why(one, name, before, now, old, new, changed),
        }


def _points(fact):
    points, out_of = fact[:2]
    return f"{'-' if points is None else f'{points:g}'}{f' of {out_of:g}' if out_of else ''}"


def _why(one, name, before, now, old, new, changed):
    """Say why a mark has moved."""
    if name == LATE:
        return one.late or "not late any more"
    said = next((mark.reason for mark in one.marks if mark.answer == name), "")
    if now[name][2] == "decided":
        return f"overrides.csv: {said}"
    if before[name][2] == "decided":
        return "no longer in overrides.csv"
    if before[name][3] != now[name][3]:
        return "another answer was handed in"
    if now[name][2] in ("marked", "review"):
        return f"review/marks.csv: {said}".removesuffix(": ")
    entry = f"{one.submission.exercise} {'.'.join(name.split('.')[:2])}"
    was, is_now = old.get(entry, {}), new.get(entry, {})
    if was and was != is_now:
        words = (f"{key}: {was.get(key)} → {is_now[key]}" for key in is_now if was.get(key) != is_now[key])
        return f"the scheme has changed: {', '.join(words)}"[:LONGEST]
    only = [other for one in is_now.get("only_with") or () for other in one.split(" or ")]
    rests = [*(is_now.get("follows") or ()), *only]
    due_to = [other for other in rests if any(f"{each}.".startswith(f"{other}.") for each in changed)]
    return f"it rests on {', '.join(due_to)}" if due_to else "the key, the data or the marking has changed"


def words(moved):
    """What has moved, for the terminal: for each reason, how many marks and whose."""
    groups = {}
    for row in moved:
        groups.setdefault((row["exercise"], row["answer"], row["why"]), []).append(row)
    lines = []
    for (exercise, answer, why), rows in groups.items():
        who = [f"{plain.one_line(row['student'])} {row['before']} → {row['now']}" for row in rows[:5]]
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        lines.append(f"  {exercise} {answer}: {', '.join(who)}{more} ({plain.one_line(why)})")
    return ["", "Moved since the last run (all of them are in moved.csv):", *lines] if lines else []
