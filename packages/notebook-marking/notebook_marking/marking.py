"""Marking answers against exact keys. Nothing of a student's code runs here: answers are numbers and text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import jsonschema
import numpy as np

from notebook_marking.answers import LONGEST_NOTES, plain_id
from notebook_marking.forms import LONGEST_TEXT, STATISTICS
from notebook_marking.keys import Key
from notebook_marking.runs import Run
from notebook_marking.scheme import Choice, Posterior, Scheme, Text

if TYPE_CHECKING:  # marking one's own answers needs no sandbox, which is for Linux
    from notebook_marking.course import Course
    from notebook_marking.submissions import Submission

LARGEST_Z = 4  # Monte Carlo errors that an honest sample may be off
MOST_FAULTS = 50
NO_KEY = "the exact posterior cannot be told for these data: a human gives the points, in overrides.csv"
WITHOUT_ID = "recorded without an id, on the data of the text, to which all know the answers"
# Of fewer numbers one may be right by chance; fewer are held against the key, more against its pattern.
FEWEST, FEW, ALIKE = 3, 4, 0.9
CLOSE_Z = 5  # between the two a human should look: honest samples get there, though seldom
MANY = 10  # of so many numbers one is often as far off, and its error is an estimate


@dataclass(frozen=True)
class Mark:
    """What one answer got, and why.

    Parameters
    ----------
    part, name : str
        Which answer; the variables of a posterior are marked one by one, as ``fit.lam``.
    points : float or None
        Points given; None as long as a human has to mark it.
    out_of : float
        Points to be had.
    state : str
        ``right``, ``follow-through`` (right, given a wrong earlier answer), ``partly`` (some numbers are
        right), ``wrong``, ``alone`` (right, but without points for want of another answer), ``missing``,
        ``review``, ``marked`` (by a human) or ``decided`` (by a teacher).
    reason : str
        Why points were lost; may quote the student's answer.
    hint : str
        The same without what is right; empty where `reason` does not say that either.
    mistake : str
        The misunderstanding that leads to this answer, if it is a typical one.
    alone : Mark or None
        What it would be but for another answer, without which it has no points.
    """

    part: str
    name: str
    points: float | None
    out_of: float
    state: str
    reason: str = ""
    hint: str = ""
    mistake: str = ""
    alone: "Mark | None" = None

    @property
    def label(self):
        """The answer, as people name it: ``(a) factors``."""
        return f"({self.part}) {self.name}"

    @property
    def answer(self):
        """The answer, as files name it: ``a.factors``."""
        return f"{self.part}.{self.name}"


class Why(NamedTuple):
    """Why an answer is wrong, in full and without what is right; both empty if it is not."""

    reason: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Marked:
    """A submission with its marks.

    Parameters
    ----------
    submission : Submission
        What was handed in.
    run : Run or None
        What came of running it; None if it could not be run at all.
    marks : tuple of Mark
        One for each answer, in the order of the scheme.
    texts : dict of str to str
        The prose answers, by part and name.
    flags : tuple of str
        What a human should look at, and the student may read.
    private : tuple of str
        What a human should look at, and no student may read: it may name others.
    penalty : float
        Points that are taken away because it was late.
    late : str
        Why they are.
    owners : dict of str to str
        Whose data each part was recorded with, by the ids in the notebook; empty for the data of the text.
    """

    submission: "Submission"
    run: object
    marks: tuple[Mark, ...]
    texts: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    penalty: float = 0.0
    late: str = ""
    owners: dict[str, str] = field(default_factory=dict)

    @property
    def points(self):
        """Points given so far, free of errors such as that of 0.1 + 0.2."""
        return total(mark.points for mark in self.marks)

    @property
    def score(self):
        """Points less what being late takes away."""
        return max(total([self.points, -self.penalty]), 0.0)


def total(points: Iterable[float | None]) -> float:
    """Sum of points, of which some may still be unknown.

    Examples
    --------
    >>> total([0.1, None, 0.2])
    0.3
    """
    return round(sum(number for number in points if number is not None), 9)


def that_count(marked):
    """One submission for each student and exercise: beside one that cannot be read another may count."""
    found = {}
    for one in marked:
        name = one.submission.student, one.submission.exercise
        if name not in found or found[name].submission.problem:
            found[name] = one
    return list(found.values())


def mark(
    submission: "Submission", run: Run | None, scheme: Scheme, course: "Course", *, require_id: bool = False
) -> Marked:
    """Mark what one notebook recorded.

    Parameters
    ----------
    submission : Submission
        Whose it is: the key is that of this student's data.
    run : Run or None
        What came of running it; None if it could not be run.
    scheme : Scheme
        Of the exercise.
    course : Course
        Whose data and keys count.
    require_id : bool
        Report answers on the data of the text, which all can know.

    Returns
    -------
    Marked
        A mark for every answer of the scheme, whatever was handed in.

    See Also
    --------
    notebook_marking.running.run_all : Runs what is to be marked.
    Marked : What it returns.
    notebook_marking.reports.report : Writes grades and feedback.
    """
    recorded = run.answers if run else {}
    answers, faults, flags = read_answers(recorded, scheme)
    owners, strange = _whose_data(recorded, submission, scheme)
    if require_id and answers and "" in owners.values():
        strange += (WITHOUT_ID,)
    marks, texts, credible = [], {}, {}
    for name, answer in scheme.entries():
        part, short = name.split(".")
        keys = _Keys(course, scheme, owners[part])
        if name not in answers:
            marks += _nothing(part, short, answer, faults.get(name) or _why_missing(submission, run))
            continue
        if isinstance(answer, Text):
            texts[name] = answers[name]
            marks.append(Mark(part, short, None, answer.out_of, "review"))
        elif isinstance(answer, Posterior):
            marks += _mark_posterior(part, short, answer, answers, keys.right[name].value)
        else:
            own = [full for full in answer.follows if full in credible and owners[full[0]] == owners[part]]
            earlier = {full: credible[full] for full in own}
            marks.append(_mark_value(part, short, answer, answers, keys, earlier))
            if _credible(answer, answers[name], marks[-1], keys.right[name]):
                credible[name] = marks[-1]
    prose = {name for name, answer in scheme.entries() if isinstance(answer, Text)}  # handed in or not
    most = sum(mark.out_of for mark in marks if mark.answer not in prose) / 2
    marks = together(_capped(marks, most), scheme)
    close = [f"{mark.label}: {mark.hint}" for mark in marks if CLOSE in mark.hint]
    lost = _why_lost(submission, run, marks)
    owners = {part: owners[part] for part in dict.fromkeys(name[0] for name in answers)}
    return Marked(submission, run, marks, texts, (*lost, *strange, *flags, *close), owners=owners)


def unmarked(scheme, reason):
    """Return marks without points, one for each answer of an exercise."""
    return tuple(
        mark for name, answer in scheme.entries() for mark in _nothing(*name.split("."), answer, reason)
    )


def _nothing(part, name, answer, reason):
    """No points for an answer that is not there."""
    if isinstance(answer, Posterior):
        return [
            Mark(part, f"{name}.{variable}", 0.0, points, "missing", reason)
            for variable, points in answer.points.items()
        ]
    return [Mark(part, name, 0.0, answer.out_of, "missing", reason)]


def _why_missing(submission, run):
    """Say why there is no answer."""
    if submission.problem or run is None:
        return f"not marked: {submission.problem or 'the notebook could not be run'}"
    if run.status != "finished":
        return f"not recorded before the notebook stopped ({run.status})"
    return "not answered"


def _why_lost(submission, run, marks):
    """Say what took points from a student who may have given no wrong answer."""
    if submission.problem or run is None or run.status not in ("finished", "no answers"):
        return ()  # the trouble is known
    cells = [remark for remark in run.remarks if remark.startswith("code cell")]
    # A cell that ran without a package may have done its work.
    failed = min(cells, key=lambda remark: " ran without the package " in remark, default="")
    if run.status == "no answers":
        return (f"no answers were recorded: {failed or '; '.join(run.remarks) or 'yet no cell failed'}",)
    missing = dict.fromkeys(mark.label for mark in marks if mark.state == "missing")
    return (f"not recorded: {', '.join(missing)}; {failed}",) if missing and failed else ()


def _whose_data(recorded, submission, scheme):
    """Id whose data the key of each part belongs to, and what a human should look at."""
    known = recorded if isinstance(recorded, dict) else {}
    by_part = known.get("students") if isinstance(known.get("students"), dict) else {}
    own, ids = plain_id(submission.student), getattr(submission, "ids", ())
    owners, strange, ever = {}, {}, {"", own}
    for part in scheme.parts:
        used = by_part.get(part, known.get("student", ""))
        used = plain_id(used) if isinstance(used, str) else ""
        owners[part] = used
        ever.add(used)
        if ids is not None and used not in ("", own, *map(plain_id, ids)):
            owners[part] = own
            strange[
                f"recorded under the id {used[:64]!r}; marked with the data of {submission.student!r}"
            ] = 1
    signed = known.get("student", "")
    if isinstance(signed, str) and plain_id(signed) not in ever:
        strange[f"signed as {signed[:64]!r}, of whom no part is"] = 1
    if len(set(owners.values())) > 1:
        strange["recorded under several ids; each part is marked with the data of its own"] = 1
    return owners, tuple(strange)


# What a notebook left behind -------------------------------------------------------------------


def read_answers(recorded: object, scheme: Scheme) -> tuple:
    """Take from a file of answers those that have the right form.

    Parameters
    ----------
    recorded : object
        What the file holds; it may hold anything.
    scheme : Scheme
        Of the exercise.

    Returns
    -------
    answers : dict
        Well-formed answers, by part and name.
    faults : dict of str to str
        What is wrong with others.
    flags : tuple of str
        What should not be in the file at all.
    """
    if not recorded:
        return {}, {}, ()
    faults, flags = {}, []
    for error in jsonschema.Draft202012Validator(answers_schema(scheme)).iter_errors(recorded):
        # More of them would say nothing new, and take long.
        if len(faults) + len(flags) > MOST_FAULTS:
            break
        path = [str(step) for step in error.absolute_path]
        message = error.message if len(error.message) < 200 else f"{error.message[:200]}…"
        if len(path) >= 3:
            faults[f"{path[1]}.{path[2]}"] = f"recorded in a form that `record` does not write: {message}"
        else:
            flags.append(f"the answers hold what `record` does not write: {message}")
    parts = recorded.get("parts") if isinstance(recorded, dict) else None
    if not isinstance(parts, dict) or recorded.get("exercise") != scheme.id:
        return {}, faults, tuple(flags)
    known = {name for name, _ in scheme.entries()}
    answers = {
        f"{part}.{name}": value
        for part, values in parts.items()
        if isinstance(values, dict)
        for name, value in values.items()
        if f"{part}.{name}" in known and f"{part}.{name}" not in faults
    }
    for name in [name for name, value in answers.items() if not _is_finite(value)]:
        del answers[name]
        faults[name] = "recorded numbers are not finite"
    return answers, faults, tuple(flags)


def _is_finite(value):
    """Whether all numbers in a value are finite, which a JSON schema cannot say."""
    if isinstance(value, dict):
        return all(_is_finite(entry) for entry in value.values())
    if isinstance(value, list):
        return all(_is_finite(entry) for entry in value)
    return isinstance(value, str) or abs(value) < 1e300


def answers_schema(scheme):
    """Return the JSON schema of the file that `record` writes for an exercise."""
    parts = {
        letter: _object({name: _schema(answer) for name, answer in part.answers.items()}, required=())
        for letter, part in scheme.parts.items()
    }
    student = {"type": "string", "maxLength": 64}
    notes = {"type": "array", "maxItems": LONGEST_NOTES, "items": {"type": "string", "maxLength": 200}}
    return _object(
        {
            "exercise": {"const": scheme.id},
            "student": student,
            "parts": _object(parts, required=()),
            "students": _object(dict.fromkeys(parts, student), required=()),
            "notes": notes,
        },
        required=("exercise", "student", "parts"),
    )


def _schema(answer):
    """Return the JSON schema of one answer."""
    if isinstance(answer, Text):
        return {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
    if isinstance(answer, Choice):
        return {"enum": list(answer.options)}
    if isinstance(answer, Posterior):
        count = {"type": "integer", "minimum": 0, "maximum": 10_000_000}
        quantities = {
            name: _object({statistic: _numbers(shape) for statistic in STATISTICS})
            for name, shape in answer.of.items()
        }
        return _object(
            {"chains": count, "draws": count, "divergences": count, "quantities": _object(quantities)}
        )
    lowest, highest = answer.range
    return _numbers(answer.shape, minimum=lowest, maximum=highest)


def _object(properties, required=None):
    """Return the schema of an object with these entries and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties if required is None else required),
        "additionalProperties": False,
    }


def _numbers(shape, **limits):
    """Return the schema of numbers in a shape."""
    schema = {"type": "number", **limits}
    for size in reversed(shape):
        schema = {"type": "array", "items": schema, "minItems": size, "maxItems": size}
    return schema


# Numbers and choices ---------------------------------------------------------------------------


class _Keys:
    """What is right for the data of one student, also if earlier answers were other than right."""

    def __init__(self, course, scheme, student):
        self.course, self.scheme, self.student = course, scheme, student

    @property
    def right(self):
        return _right(self.course, self.scheme.page, self.scheme.id, self.student)

    def following(self, earlier):
        """Return what is right given the student's earlier answers."""
        data = self.course.data(self.scheme.id, self.student)
        with np.errstate(all="ignore"):
            return self.course.key(self.scheme.page, data, earlier)


@lru_cache(maxsize=64)
def _right(course, page, exercise, student):
    """Return the key, computed once for all who have these data."""
    with np.errstate(all="ignore"):  # for some data a misunderstanding leads to no number
        return course.key(page, course.data(exercise, student))


def _mark_value(part, name, answer, answers, keys, earlier):
    """Mark numbers or a choice, against the key and then against what follows from earlier answers."""
    given = answers[f"{part}.{name}"]
    key = keys.right[f"{part}.{name}"]
    share, why = _compare(answer, given, key)
    if share < 1 and earlier:
        names = [f"({full[0]}) {full[2:]}" for full in earlier]
        follows = keys.following({full: answers[full] for full in earlier})[f"{part}.{name}"]
        followed, _ = _compare(answer, given, follows)
        if followed == 1 and all(mark.state == "right" for mark in earlier.values()):
            return Mark(part, name, answer.out_of, answer.out_of, "right")
        made_up = isinstance(answer, Choice) and not all(mark.points for mark in earlier.values())
        if followed > share and not made_up:
            reason = f"worked out correctly from your {' and '.join(names)}"
            return Mark(part, name, followed * answer.out_of, answer.out_of, "follow-through", reason)
    if share == 1:
        return Mark(part, name, answer.out_of, answer.out_of, "right")
    mistake = _mistake(answer, given, key)
    if mistake:
        # Numbers that a misunderstanding leaves as they are show no knowledge.
        hint = f"this is what one gets by {mistake}"
        share, why = 0.0, Why(f"{why.reason}; {hint}", hint)
    state = "partly" if share else "wrong"
    return Mark(part, name, share * answer.out_of, answer.out_of, state, *why, mistake)


def _credible(answer, given, mark, key):
    """Tell whether an earlier answer was worked out, though perhaps wrongly, and not made up."""
    if mark.points:
        return True
    if isinstance(answer, Choice) or _says_nothing(given, key):
        return False
    if _mistake(answer, given, key):
        return True
    given, value = np.ravel(given).astype(float), np.ravel(key.value).astype(float)
    if given.size < FEW:
        return bool((abs(given - value) <= abs(value).max() / 2).all())
    with np.errstate(all="ignore"):  # numbers may be next to nothing, or huge
        return bool(abs(np.corrcoef(given, value)[0, 1]) > ALIKE) if np.ptp(value) else False


def _says_nothing(given, key):
    """Tell whether all numbers of an array are the same where they should not be."""
    return np.size(given) > 1 and np.ptp(given) == 0 < np.ptp(np.asarray(key.value, float))


def _capped(marks, most):
    """Let what follows from wrong answers have no more than so many points."""
    found, rest = [], most
    for mark in marks:
        if mark.state == "follow-through" and mark.points > rest:
            reason = f"{mark.reason}; of what follows from wrong answers no more than {most:g} points count"
            mark = replace(mark, points=rest, reason=reason)
        rest -= mark.points if mark.state == "follow-through" else 0
        found.append(mark)
    return found


def together(marks, scheme):
    """Take the points of answers that have some only with others, where these have none."""
    needed = {name: getattr(answer, "only_with", ()) for name, answer in scheme.entries()}
    before, marks = None, [mark.alone or mark for mark in marks]
    while marks != before:  # what is taken from one may be what another needs
        before = marks
        # What waits for a human may yet have points.
        counted = [f"{mark.answer}." for mark in marks if mark.points != 0]
        marks = [_with(mark, needed.get(mark.answer, ()), counted) for mark in marks]
    return tuple(marks)


def _with(mark, needed, counted):
    """Take the points of one answer if one of those that it needs does not count."""
    starts = {one: tuple(f"{other}." for other in one.split(" or ")) for one in needed}
    lacking = [one for one, start in starts.items() if not any(name.startswith(start) for name in counted)]
    if not (lacking and mark.points) or mark.state == "decided":
        return mark
    names = " and ".join(re.sub(r"(\w)\.(\w+)", r"(\1) \2", one) for one in lacking)
    reason = f"it has points only with {names}"
    state = "alone" if mark.points == mark.out_of else "wrong"
    return replace(mark, points=0.0, state=state, reason=reason, hint="", alone=mark)


def _mistake(answer, given, right):
    """Name the misunderstanding that leads to an answer, if it is a typical one."""
    for name, value in right.mistakes.items():
        if _compare(answer, given, Key(value, right.error))[0] == 1:
            return name
    return ""


def _compare(answer, given, right):
    """Return the share of an answer that is right, and what is wrong with the rest."""
    if isinstance(answer, Choice):
        options = (right.value,) if isinstance(right.value, str) else right.value
        chosen = f"you chose {given}"
        why = Why(f"{chosen}; it is {' or '.join(options)}", f"{chosen}, which it is not")
        return (1.0, Why()) if given in options else (0.0, why)
    given, value = np.asarray(given, float), np.asarray(right.value, float)
    distance = abs(given - value) / _tolerance(answer, value, right.error)
    # Not `> 1`: what cannot be compared is not right.
    outside = ~(distance <= 1)
    if not outside.any():
        return 1.0, Why()
    first = int(np.argmax(np.nan_to_num(distance, nan=np.inf).ravel()))
    of_many = f"{outside.sum()} of {given.size} numbers are wrong, number {first + 1} by the most: "
    there, true = given.ravel()[first], value.ravel()[first]
    gave = (of_many if given.size > 1 else "") + f"you gave {there:.6g}"
    text, hint = f"{gave}, and {true:.6g} is right", f"{gave}, too {'small' if there < true else 'large'}"
    if answer.sampled:
        text += f" (within {LARGEST_Z} Monte Carlo errors: {LARGEST_Z * np.ravel(right.error)[first]:.2g})"
        if distance.max() <= CLOSE_Z / LARGEST_Z:
            text, hint = text + CLOSE, hint + CLOSE
    # One of several may be right by chance, and one given throughout is right wherever the key repeats it.
    tolerance = np.ravel(_tolerance(answer, value, right.error))
    repeats = (abs(np.subtract.outer(value.ravel(), value.ravel())) <= tolerance).sum(axis=0).max()
    guessed = _says_nothing(given, right) or (given.size >= FEWEST and (~outside).sum() <= repeats)
    return (1 - float(outside.mean()) if answer.kind == "numbers" and not guessed else 0.0), Why(text, hint)


CLOSE = "; this is so close that a human should look at it"


def _tolerance(answer, value, error):
    """Return how far an answer may be from the key; three significant digits are always enough."""
    with np.errstate(divide="ignore"):
        rounding = np.where(value == 0, 0, 0.501 * 10.0 ** (np.floor(np.log10(abs(value))) - 2))
    if answer.sampled:
        return np.maximum(LARGEST_Z * np.asarray(error, float), rounding)
    if answer.absolute:
        return np.maximum(answer.absolute, rounding)
    return np.maximum(answer.relative * np.where(value == 0, 1.0, abs(value)), rounding)


# Posteriors ------------------------------------------------------------------------------------


def _mark_posterior(part, name, answer, answers, exact):
    """Mark each variable of a posterior."""
    summary = answers[f"{part}.{name}"]
    others = [
        value for other, value in answers.items() if other.startswith(f"{part}.") and value is not summary
    ]
    repeated = any(_same_fit(other, summary) for other in others)
    marks = []
    # What has no points of its own must agree too: one number could be guessed, or known for many data.
    silent = [name for name in answer.of if name not in answer.points]
    for variable, points in answer.points.items():
        statistics = {key: np.asarray(value, float) for key, value in summary["quantities"][variable].items()}
        wrong = "this is the same fit as the other one" if repeated and _shows_symptoms(answer) else ""
        wrong = wrong or _why_poor(answer.needs, summary, statistics)
        others = (_why_silent_off(answer, summary, name, exact) for name in silent)
        try:
            why = Why(wrong, wrong) if wrong else _why_off(answer, statistics, exact[variable])
            why = why if any(why) else next(filter(any, others), Why())
        except ArithmeticError:  # for a few data the exact mean cannot be told
            marks.append(Mark(part, f"{name}.{variable}", None, points, "review", NO_KEY))
            continue
        state = "wrong" if any(why) else "right"
        marks.append(Mark(part, f"{name}.{variable}", 0.0 if any(why) else points, points, state, *why))
    return marks


def _why_silent_off(answer, summary, name, exact):
    """Say which variable without points disagrees with the exact posterior."""
    statistics = {key: np.asarray(value, float) for key, value in summary["quantities"][name].items()}
    poor = _why_poor(answer.needs, summary, statistics)
    why = Why(poor, poor) if poor else _why_off(answer, statistics, exact[name])
    return Why(*(f"{name} of the same fit: {text}" for text in why)) if any(why) else why


def _same_fit(other, summary):
    """Whether two summaries are of one and the same sample."""
    if not isinstance(other, dict):
        return False
    shared = set(other["quantities"]) & set(summary["quantities"])
    return bool(shared) and all(
        np.allclose(other["quantities"][name]["mean"], summary["quantities"][name]["mean"], rtol=1e-6, atol=0)
        for name in shared
    )


def _shows_symptoms(answer):
    """Whether the fit is to show what goes wrong."""
    return answer.needs.divergences_at_least is not None


def _why_poor(needs, summary, statistics):
    """Say why a sample is too poor to mean anything, or is no sample at all."""
    total = summary["chains"] * summary["draws"]
    smallest = min(statistics[name].min() for name in ("sd", "mcse_mean", "mcse_sd"))
    usual = statistics["mcse_mean"] * statistics["ess_bulk"] ** 0.5 / statistics["sd"] if smallest > 0 else 0
    if (
        smallest <= 0
        or summary["chains"] < 2
        or summary["divergences"] > total
        or statistics["ess_bulk"].max() > 4 * total
        or not ((usual > 1 / 3) & (usual < 3)).all()
    ):
        return "these numbers are not the summary of a sample"
    if needs.divergences_at_least is not None:
        if summary["divergences"] < needs.divergences_at_least:
            return f"{summary['divergences']} transitions diverged: this fit does not show what is asked for"
        return ""
    if needs.divergences is not None and summary["divergences"] > needs.divergences:
        return f"{summary['divergences']} transitions diverged: such a sample cannot be trusted"
    if statistics["r_hat"].max() > needs.r_hat:
        return f"R-hat is {statistics['r_hat'].max():.3f}, above {needs.r_hat:g}: the chains do not agree"
    ess = min(statistics["ess_bulk"].min(), statistics["ess_tail"].min())
    if ess < 0.75 * needs.ess:  # an estimate, of which students are told the whole
        return f"too few effective draws: {ess:.0f}, where {needs.ess:g} are needed"
    return ""


def _why_off(answer, statistics, exact):
    """Say which of mean and sd disagrees with the exact posterior."""
    mean, sd = np.asarray(exact.mean(), float), np.asarray(exact.sd(), float)
    if _shows_symptoms(answer):
        far = abs(statistics["mean"] - mean) > sd / 2
        other = "this is not the posterior of the model asked for"
        return Why(other, other) if far.any() else Why()
    # No sample that is good enough has larger errors than these; reported ones may be anything.
    largest = {"mean": 1.1 * sd / answer.needs.ess**0.5, "sd": 1.5 * sd / answer.needs.ess**0.5}
    most = LARGEST_Z if mean.size < MANY else CLOSE_Z
    # A sample that lacks far draws has too small an sd, and too small an error of it.
    lacking = {"mean": 1.0, "sd": np.maximum(sd / statistics["sd"], 1.0) ** 2}
    for statistic, value in (("mean", mean), ("sd", sd)):
        error = np.minimum(lacking[statistic] * statistics[f"mcse_{statistic}"], largest[statistic])
        z = abs(statistics[statistic] - value) / error
        if not (z <= most).all():
            worst = int(np.argmax(z))
            given, right = statistics[statistic].ravel()[worst], value.ravel()[worst]
            apart = f"{z.max():.0f} Monte Carlo errors apart"
            which = f" of number {worst + 1}" if z.size > 1 else ""
            close = CLOSE if z.max() <= most + CLOSE_Z - LARGEST_Z else ""
            return Why(
                f"its {statistic}{which} is {given:.4g}, and {right:.4g} is right: {apart}{close}",
                f"its {statistic}{which} is {given:.4g}, too {'small' if given < right else 'large'}{close}",
            )
    return Why()
