"""What one gets for nothing: answers that need no knowledge, handed in under many ids.

The numbers of ids are what a minute of computing allows; `python tests/exercises/test_without_knowledge.py`
takes 200 of each exercise.
"""

import sys
from collections import Counter
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import hierarchical_exact as exact
from notebook_marking import marking
from notebook_marking.course import Course
from notebook_marking.scheme import Choice, Posterior, Text
from support.conventions import INTERVAL, MU_PRIOR, TAILS, TAU_PRIOR
from support.exercises import personal

COURSE = Course.read(Path(__file__).parents[2])
IDS = dict.fromkeys(COURSE.schemes, 3)
IDS |= {"5.8.1": 50, "5.8.2": 20, "5.8.3": 20, "5.8.4": 20, "5.8.5": 8, "5.8.6": 15, "5.8.7": 5}
MOST = 0.05
# The same for everybody, and worth a point: whoever gives it has worked it out, or read it.
COMMON = {"5.8.1 d.factor", "5.8.2 a.log_determinant", "5.8.2 b.limit_mean", "5.8.2 b.limit_sd"}

# It has points only with a width, and a test of its own; what follows from each wrong width takes a second.
LONG = "5.8.3 c.reduction"


@cache
def key_of(exercise, student):
    return marking._right(COURSE, COURSE.schemes[exercise].page, exercise, student)  # computed once for both


def asked(exercise):
    """Return the answers that a machine marks."""
    entries = COURSE.schemes[exercise].entries()
    return {
        name: answer
        for name, answer in entries
        if not isinstance(answer, Text) and f"{exercise} {name}" != LONG
    }


def shares(exercise, strategies, count):
    """For each strategy, the mean share of the points, and that of each mark."""
    scheme, got = COURSE.schemes[exercise], {name: {} for name in strategies}
    for number in range(count):
        student = f"student{number:03}"
        for strategy, answers in strategies.items():
            parts = {}
            for name, value in answers(student).items():
                part, short = name.split(".")
                parts.setdefault(part, {})[short] = value
            content = {"exercise": exercise, "student": student, "parts": parts}
            run = SimpleNamespace(answers=content, status="finished", remarks=())
            marked = marking.mark(SimpleNamespace(student=student, problem=""), run, scheme, COURSE)
            assert not any("recorded in a form" in mark.reason for mark in marked.marks)
            for mark in marked.marks:
                name = f"{mark.part}.{mark.name}"
                share = (mark.points or 0) / scheme.out_of / count
                got[strategy][name] = got[strategy].get(name, 0) + share
    return got


def forged(answer, posterior):
    """Summary of no sample at all: the moments of another posterior, with the largest errors allowed."""
    quantities, ess = {}, answer.needs.ess * 1.001
    for name in answer.of:
        mean, sd = (np.asarray(getattr(posterior[name], which)()) for which in ("mean", "sd"))
        size = np.ones_like(sd)
        numbers = {"mean": mean, "sd": sd, "r_hat": size, "ess_bulk": ess * size, "ess_tail": ess * size}
        numbers |= {"mcse_mean": sd / ess**0.5, "mcse_sd": sd / ess**0.5}
        quantities[name] = {which: number.tolist() for which, number in numbers.items()}
    divergences = answer.needs.divergences_at_least or 0
    return {"chains": 4, "draws": 2000, "divergences": divergences, "quantities": quantities}


def right_for(exercise, student):
    """What is right for others: for the data of the text, the published solution."""
    found = {}
    for name, answer in asked(exercise).items():
        value = key_of(exercise, student)[name].value
        if isinstance(answer, Posterior):
            found[name] = forged(answer, value)
        elif isinstance(answer, Choice):
            found[name] = value if isinstance(value, str) else value[0]
        elif f"{exercise} {name}" not in COMMON:
            found[name] = np.asarray(value, float).tolist()
    return found


def typical(exercise):
    """The middle of what is right for three others: who has seen marked work knows it."""
    keys, found = [key_of(exercise, f"other{number}") for number in range(3)], {}
    for name, answer in asked(exercise).items():
        values = [key[name].value for key in keys]
        if isinstance(answer, Posterior):
            found[name] = forged(answer, {variable: middle(values, variable) for variable in answer.of})
        elif isinstance(answer, Choice):
            options = [option for value in values for option in np.atleast_1d(value).tolist()]
            found[name] = Counter(options).most_common(1)[0][0]
        elif f"{exercise} {name}" not in COMMON:
            found[name] = np.median(np.asarray(values, float), axis=0).tolist()
    return found


def middle(posteriors, variable):
    """Middle of the moments of one variable in several posteriors."""
    mean, sd = (
        np.median([np.asarray(getattr(each[variable], which)()) for each in posteriors], axis=0)
        for which in ("mean", "sd")
    )
    return SimpleNamespace(mean=lambda: mean, sd=lambda: sd)


def halves(exercise):
    """In each array the two numbers that the text's has most often: a student's have another order."""
    found = {}
    for name, answer in asked(exercise).items():
        if answer.kind == "numbers" and len(answer.shape) == 1:
            counts = Counter(np.asarray(key_of(exercise, "")[name].value, float).round(9).tolist())
            (first, _), (second, _) = (counts.most_common(2) * 2)[:2]
            half = answer.shape[0] // 2
            found[name] = [first] * half + [second] * (answer.shape[0] - half)
    return found


def constant(exercise, number, option):
    """The same number everywhere, as near to it as the range allows, and the same option."""
    found = {}
    for name, answer in asked(exercise).items():
        if isinstance(answer, Choice):
            found[name] = answer.options[option % len(answer.options)]
        elif not isinstance(answer, Posterior):
            value = np.full(answer.shape, float(np.clip(number, *answer.range)))
            found[name] = [value[0], value[0] + 1e-6] if answer.kind == "interval" else value.tolist()
    return found


def glance(exercise, student):
    """Each group by itself, and its error: reports as they are, rates, or shares."""
    first, *others = (np.asarray(values, float) for values in personal.data(exercise, student)[""])
    if exercise == "5.8.10":
        county = personal.data(exercise, student)[""][0]["county"].values
        means = pd.Series(np.log(first)).groupby(county).agg(["mean", "size"])
        return means["mean"].values, 0.7 / np.sqrt(means["size"].values)
    if exercise in ("5.8.3", "5.8.8"):
        return first / others[0], np.sqrt(first + 1) / others[0]
    if not others:
        sizes = first.sum(axis=1, keepdims=True)
        return first / sizes, np.sqrt((first + 1) / sizes) / np.sqrt(sizes)
    return first, others[0]


def naive(exercise, student, change):
    """What a glance at one's data gives, with all groups changed in some way, whatever is asked."""
    each, error = change(*glance(exercise, student))
    middle, spread = each.mean(), each.std() + error.mean() / 10
    found = {}
    for name, answer in asked(exercise).items():
        if isinstance(answer, Posterior):
            moments = {
                variable: (np.resize(each, shape), np.resize(error, shape)) if shape else (middle, spread)
                for variable, shape in answer.of.items()
            }
            found[name] = forged(
                answer, {variable: with_moments(*pair) for variable, pair in moments.items()}
            )
        elif isinstance(answer, Choice):
            found[name] = answer.options[0]
        elif f"{exercise} {name}" not in COMMON:
            value = np.clip(np.resize(each, answer.shape) if answer.shape else middle, *answer.range)
            found[name] = np.sort(value).tolist() if answer.kind == "interval" else value.tolist()
    return found


def with_moments(mean, sd):
    """A posterior of which no more is known."""
    return SimpleNamespace(mean=lambda: mean, sd=lambda: sd)


def pooled(each, error):
    """All groups as one."""
    weights = error**-2.0
    mean = np.average(each, weights=weights, axis=0)
    return np.resize(mean, each.shape), np.resize(weights.sum(axis=0) ** -0.5, each.shape)


NAIVE = {
    "unpooled": lambda each, error: (each, error),
    "pooled": pooled,
    "halfway": lambda each, error: ((each + pooled(each, error)[0]) / 2, error / np.sqrt(2)),
    "ordered": lambda each, error: (each.argsort(axis=0).argsort(axis=0) + 1.0, error),
    "turned": lambda each, error: (-each, error),
    "errors": lambda _, error: (error, error),
    "integers": lambda each, error: (each.round(), error.round() + 1),
    "prior": lambda each, _: (np.zeros_like(each), np.full_like(each, 10)),
}


def neighbours(exercise, student):
    """What is right for the next on the list."""
    return right_for(exercise, f"student{int(student[-3:]) + 1:03}")


def strategies(exercise):
    """Answers that nobody has to work out: functions of the student's id."""
    pairs = ((1, 0), (8, 1), (0, 2), (0.5, 3))
    same = {"published": right_for(exercise, ""), "typical": typical(exercise), "halves": halves(exercise)}
    same |= {pair: constant(exercise, *pair) for pair in pairs}
    found = {name: lambda _, values=values: values for name, values in same.items()}
    own = {name: partial(naive, exercise, change=change) for name, change in NAIVE.items()}
    return found | own | {"neighbours": partial(neighbours, exercise)}


@pytest.mark.slow
@pytest.mark.parametrize("exercise", IDS)
def test_what_others_know_and_constants_get_next_to_nothing(exercise):
    for strategy, got in shares(exercise, strategies(exercise), IDS[exercise]).items():
        earned = {name: round(share, 3) for name, share in got.items() if share > 0.002}
        assert sum(got.values()) <= MOST, (strategy, earned)


@pytest.mark.slow
@pytest.mark.parametrize("student", ["student001", "student002"])
def test_zero_a_wrong_sign_or_a_fraction_is_no_percentage(student):
    """The student's own widths say exactly by how many per cent one is narrower."""
    key = key_of("5.8.3", student)
    widths = {name: float(key[f"c.{name}"].value) for name in ("width_hierarchical", "width_no_pooling")}
    right = float(key["c.reduction"].value)
    assert abs(right) > 1.5  # else they would be one number
    for given, state in ((right, "right"), (-right, "wrong"), (0.0, "wrong"), (right / 100, "wrong")):
        content = {"exercise": "5.8.3", "student": student, "parts": {"c": widths | {"reduction": given}}}
        run = SimpleNamespace(answers=content, status="finished", remarks=())
        submission = SimpleNamespace(student=student, problem="")
        marks = marking.mark(submission, run, COURSE.schemes["5.8.3"], COURSE).marks
        states = {mark.name: mark.state for mark in marks if mark.part == "c"}
        assert states == {"width_hierarchical": "right", "width_no_pooling": "right", "reduction": state}


@pytest.mark.parametrize("student", ["student001", "student002"])
def test_a_central_interval_is_no_hdi_and_the_mean_of_schools_no_ninth_school(student):
    """Of theta_9, nearly symmetric, both intervals are nearly one: what tells them apart is that of tau."""
    posterior = exact.normal(*personal.data("5.8.4", student)[""], mu=MU_PRIOR, tau=TAU_PRIOR)
    new, tau, observed = posterior["theta_new"], posterior["tau"], posterior["theta"].sel(school="E")

    def shortest(marginal):
        return np.ravel(marginal.hdi(INTERVAL).values).tolist()

    def central(marginal):
        return np.ravel(marginal.quantile(TAILS).values).tolist()

    def points(drawn, interval):
        ends = {"hdi": interval(drawn), "spread": interval(tau)}
        ratio = float(np.ptp(ends["hdi"]) / np.ptp(interval(observed)))
        parts = {"a": ends | {"mean": float(drawn.mean())}, "b": {"ratio": ratio}}
        run = SimpleNamespace(
            answers={"exercise": "5.8.4", "student": student, "parts": parts}, status="finished", remarks=()
        )
        submission = SimpleNamespace(student=student, problem="")
        marks = marking.mark(submission, run, COURSE.schemes["5.8.4"], COURSE).marks
        return {mark.name: mark.points for mark in marks if mark.name in (*parts["a"], *parts["b"])}

    assert points(new, shortest) == {"mean": 1, "hdi": 1, "spread": 1, "ratio": 1}
    assert points(new, central) == {"mean": 1, "hdi": 0, "spread": 0, "ratio": 1}
    assert points(posterior["mu"], shortest) == {"mean": 0, "hdi": 0, "spread": 0, "ratio": 0}


def test_noise_alone_could_explain_the_reports_of_every_student():
    """So tau may be small, as the exercises say: the centred fit has its funnel."""
    for number in range(200):
        effect, error = personal.data("5.8.2", f"student{number:03}")[""]
        middle = np.average(effect, weights=error**-2)
        assert float((((effect - middle) / error) ** 2).sum()) < effect.size


if __name__ == "__main__":
    for name in sys.argv[1:] or IDS:
        found = shares(name, strategies(name), 200)
        print(name, {strategy: round(sum(got.values()), 3) for strategy, got in found.items()}, flush=True)
