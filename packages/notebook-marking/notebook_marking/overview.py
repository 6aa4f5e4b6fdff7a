"""A page for the teacher: how each question went, what was misunderstood, who needs help."""

import re
from collections import Counter
from itertools import groupby

from notebook_marking import plain, reports
from notebook_marking.marking import total

# What a bar is made of, from left to right.
KINDS = {
    "right": "right",
    "partly": "partly right",
    "wrong": "not right",
    "missing": "missing",
    "review": "waits",
}
BINS = 10
MOST_CAUSES = 3
LITTLE = 0.5  # of the points that could be had so far


def page(marked, course):
    """Make the page of a class."""
    there = [one for one in marked if one.marks and not one.submission.absent]
    exercises = []
    for exercise, scheme in course.schemes.items():
        theirs = [one for one in there if one.submission.exercise == exercise]
        if theirs:
            names = dict.fromkeys((mark.part, mark.name) for one in theirs for mark in one.marks)
            questions = [_question(name, theirs, scheme) for name in names]
            title = reports.title(exercise, scheme)
            bins = _distribution(theirs, scheme.out_of)
            exercises.append({"title": title, "count": len(theirs), "bins": bins, "questions": questions})
    return reports.fill("class.html", exercises=exercises, kinds=KINDS, helped=_who_needs_help(marked))


def _distribution(theirs, out_of):
    """Count submissions by tenths of the points to be had."""
    counts = Counter(min(int(BINS * one.score / out_of), BINS - 1) for one in theirs)
    most = max(counts.values())
    return [
        {
            "from": i * out_of / BINS,
            "to": (i + 1) * out_of / BINS,
            "count": counts[i],
            "share": counts[i] / most,
        }
        for i in range(BINS)
    ]


def _question(name, theirs, scheme):
    """Say how one question went."""
    marks = [mark for one in theirs for mark in one.marks if (mark.part, mark.name) == name]
    counts = Counter(map(_kind, marks))
    bar, start = [], 0.0
    for kind in KINDS:
        share = 100 * counts[kind] / len(marks)
        bar.append({"kind": kind, "start": start, "share": share, "count": counts[kind]})
        start += share
    known = [mark.points / mark.out_of for mark in marks if mark.points is not None]
    causes = Counter(cause for mark in marks if (cause := _cause(mark)))
    return {
        "label": marks[0].label,
        "what": reports.meaning(marks[0], scheme),
        "bar": bar,
        "mean": 100 * sum(known) / len(known) if known else None,
        "causes": causes.most_common(MOST_CAUSES),
    }


def _kind(mark):
    """Return the piece of the bar in which a mark is."""
    if mark.points is None or mark.state == "missing":
        return "review" if mark.points is None else "missing"
    return "right" if mark.points >= mark.out_of else "partly" if mark.points else "wrong"


def _cause(mark):
    """Say what is behind a lost point, in words that are the same for different data."""
    if mark.points is None or mark.points >= mark.out_of or mark.state in ("missing", "marked", "decided"):
        return ""
    words = mark.mistake or mark.hint or mark.reason
    return plain.one_line(re.sub(r"-?\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b", "…", words))[:150]


def _who_needs_help(marked):
    """Students with few of the points that they could have so far, the fewest first."""
    found = []
    ordered = sorted(marked, key=lambda one: one.submission.student)
    for student, theirs in groupby(ordered, key=lambda one: one.submission.student):
        theirs = list(theirs)
        marks = [mark for one in theirs for mark in one.marks if mark.points is not None]
        got, out_of = total(mark.points for mark in marks), total(mark.out_of for mark in marks)
        if not marks or got < LITTLE * out_of:
            lost = [f"{one.submission.exercise}: {what}" for one in theirs if (what := _lost(one))]
            share = got / out_of if out_of else 0.0
            name = theirs[0].submission.name
            found.append(
                {"student": student, "name": name, "got": got, "out_of": out_of, "share": share, "lost": lost}
            )
    return sorted(found, key=lambda one: (one["share"], one["student"]))


def _lost(one):
    """Say where a submission lost most."""
    if one.submission.absent:
        return reports.ABSENT
    words = [reports.trouble(one)] if reports.trouble(one) else []
    by_part = {}
    for mark in one.marks:
        if mark.points is not None:
            by_part[mark.part] = by_part.get(mark.part, 0) + mark.out_of - mark.points
    lost = sorted((part for part in by_part if by_part[part]), key=by_part.get, reverse=True)
    return ", ".join([*words, *(f"({part}) {-by_part[part]:g}" for part in lost[:3])])
