"""What two students can hardly have found apart from each other, for the teacher to look at."""

import json
import re
from dataclasses import replace

from notebook_marking import review
from notebook_marking.rosters import plain_name

SHORTEST = 40  # letters and digits of a text that nobody else is likely to write
FEWEST = 3  # numbers that are hardly equal by chance
MOST_NAMES = 5


def flagged(marked, course):
    """Add to each submission what it has in common with others."""
    groups = {}
    for one in marked:
        for sign in _signs(one):
            groups.setdefault(sign, []).append(one)
    return [replace(one, private=(*one.private, *_words(one, groups, course))) for one in marked]


def _signs(one):
    """Return what would be remarkable in a second submission: kind, exercise, answer and content."""
    exercise = one.submission.exercise
    found = [("text", exercise, name, plain_name(text)) for name, text in one.texts.items()]
    found = [sign for sign in found if len(sign[3]) >= SHORTEST]
    if one.submission.ids is None:
        found += [("id", exercise, "", used) for used in {*one.owners.values()} - {""}]
    parts = one.run.answers.get("parts") if one.marks and one.run else None
    for part, answers in parts.items() if isinstance(parts, dict) else ():
        for name, value in answers.items() if isinstance(answers, dict) else ():
            if f"{part}.{name}" not in one.texts and _is_own(value):
                found.append(("numbers", exercise, f"{part}.{name}", json.dumps(value)))
    return found


def _is_own(value):
    """Tell whether numbers are too many, or one has too many digits, to be equal by chance."""
    if isinstance(value, dict):
        return True
    if isinstance(value, list):
        return len(set(re.findall(r"\d+\.\d+", json.dumps(value)))) >= FEWEST
    return isinstance(value, float) and value != float(f"{value:.4g}")


def _words(one, groups, course):
    """Say what a submission has in common, and with whom."""
    scheme = course.schemes.get(one.submission.exercise)
    models = review.model_answers(course.page(scheme)) if scheme and one.texts else {}
    found = []
    for kind, exercise, name, content in _signs(one):
        label = f"({name[0]}) {name[2:]}" if name else ""
        if kind == "text" and content == plain_name(models.get(name, "")):
            found.append(f"{label}: the text of the model answer")
        others = [
            other for other in groups[kind, exercise, name, content] if _differs(other, one, kind, name)
        ]
        if kind == "numbers" and not any(_is_wrong(each, name) for each in (one, *others)):
            continue  # right for both: the same for everybody
        names = list(dict.fromkeys(repr(other.submission.student) for other in others))
        if names:
            what = {
                "text": "the same text as",
                "numbers": "the same numbers for other data as",
                "id": "the id of",
            }
            more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
            found.append(f"{label}: {what[kind]} {', '.join(names[:MOST_NAMES])}{more}".removeprefix(": "))
    return found


def _differs(other, one, kind, name):
    same = any(
        getattr(other.submission, name) == getattr(one.submission, name) for name in ("student", "path")
    )
    return not same and (kind != "numbers" or other.owners.get(name[0]) != one.owners.get(name[0]))


def _is_wrong(one, name):
    """Tell whether an answer lost points."""
    return any(
        mark.points is not None and mark.points < mark.out_of
        for mark in one.marks
        if f"{mark.part}.{mark.name.partition('.')[0]}" == name
    )
