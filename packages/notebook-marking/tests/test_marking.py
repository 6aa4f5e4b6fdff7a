"""Marking what was recorded against the key: what is right, what follows, what is no sample."""

from types import SimpleNamespace

import numpy as np
import pytest

from notebook_marking import marking
from notebook_marking.keys import Key
from notebook_marking.runs import Run
from notebook_marking.scheme import Needs, Scheme

ADA = SimpleNamespace(student="ada", problem="")
# The sample's summary of a standard Normal, from 4000 independent draws.
FIT = {
    "mean": 0.01, "sd": 1.0, "mcse_mean": 0.0158, "mcse_sd": 0.0112,
    "ess_bulk": 4000.0, "ess_tail": 4000.0, "r_hat": 1.0,
}  # fmt: skip


@pytest.fixture
def marks(course):
    """Marks of what ada recorded in the first exercise, by part and name; and what to look at."""

    def of(parts, *, student="ada", exercise="1"):
        run = Run("finished", {"exercise": exercise, "student": student, "parts": parts})
        marked = marking.mark(ADA, run, course.schemes[exercise], course)
        return {f"{one.part}.{one.name}": one for one in marked.marks} | {"flags": marked.flags}

    return of


def fit(*, chains=4, draws=1000, divergences=0, **statistics):
    quantities = {"mu": FIT | statistics}
    return {"chains": chains, "draws": draws, "divergences": divergences, "quantities": quantities}


def test_right_answers_get_all_points(marks):
    found = marks(
        {
            "a": {"total": 16.05, "largest": "third"},
            "b": {"twice": 32.3, "explanation": "Because."},
            "c": {"mean": 16 / 3 + 0.39, "fit": fit()},
        }
    )
    assert found.pop("flags") == ()
    assert {name: (one.state, one.points) for name, one in found.items()} == {
        "a.total": ("right", 2),
        "a.largest": ("right", 1),
        "b.twice": ("right", 1),
        "b.explanation": ("review", None),
        "c.mean": ("right", 1),
        "c.fit.mu": ("right", 1),
    }


@pytest.mark.parametrize(
    ("parts", "name", "reason"),
    [
        ({"a": {"total": 16.11}}, "a.total", "you gave 16.11, and 16 is right"),
        ({"a": {"total": 140.0}}, "a.total", "this is what one gets by taking the product"),
        ({"a": {"largest": "first"}}, "a.largest", "you chose first; it is third"),
        ({"b": {"twice": 32.4}}, "b.twice", "and 32 is right"),
        ({"c": {"mean": 16 / 3 + 0.51}}, "c.mean", "within 4 Monte Carlo errors: 0.4"),
    ],
)
def test_wrong_answers_get_none_and_say_why(marks, parts, name, reason):
    found = marks(parts)
    assert (found[name].state, found[name].points) == ("wrong", 0)
    assert reason in found[name].reason
    assert found["flags"] == ()


@pytest.mark.parametrize(
    ("parts", "name", "right", "hint"),
    [
        ({"a": {"total": 16.11}}, "a.total", "16 is", "you gave 16.11, too large"),
        ({"a": {"total": 140.0}}, "a.total", "16 is", "this is what one gets by taking the product"),
        ({"a": {"largest": "first"}}, "a.largest", "third", "you chose first, which it is not"),
        ({"c": {"mean": 4.0}}, "c.mean", "5.33", "you gave 4, too small"),
        ({"c": {"fit": fit(mean=-2.0)}}, "c.fit.mu", "0 is right", "its mean is -2, too small"),
        (
            {"c": {"fit": fit(r_hat=1.2)}},
            "c.fit.mu",
            "",
            "R-hat is 1.200, above 1.01: the chains do not agree",
        ),
    ],
)
def test_a_hint_says_what_is_wrong_and_not_what_is_right(marks, parts, name, right, hint):
    mark = marks(parts)[name]
    assert right in mark.reason
    assert mark.hint == hint


def test_a_posterior_that_cannot_be_told_costs_nothing_else(course, marks, monkeypatch):
    """Of the hospitals of some students, the engine knows no exact mean."""

    def mean():
        raise ArithmeticError("the tail decays too slowly")

    unknown = SimpleNamespace(mean=mean, sd=mean)
    real = course.key(course.schemes["1"].page, course.data("1", "ada"))
    key = SimpleNamespace(right=real | {"c.fit": Key({"mu": unknown})})
    monkeypatch.setattr(marking, "_Keys", lambda *_: key)
    found = marks({"a": {"total": 16.0}, "c": {"fit": fit()}})
    assert (found["a.total"].points, found["c.fit.mu"].points) == (2, None)
    assert found["c.fit.mu"].reason == marking.NO_KEY
    assert marks({"c": {"fit": fit(r_hat=1.2)}})["c.fit.mu"].points == 0


def test_a_hint_for_what_is_close_is_one_too(marks):
    found = marks({"c": {"mean": 16 / 3 + 0.45}})
    assert found["flags"] == (f"(c) mean: {found['c.mean'].hint}",)
    assert "5.33" not in found["flags"][0]


def test_keys_that_are_data_mark_as_modules_do(marks):
    found = marks({"a": {"ends": [1, 4.05], "span": 4, "sign": "not negative"}}, exercise="2")
    assert (found["a.ends"].state, found["a.sign"].state) == ("right", "right")
    assert found["a.span"].reason.endswith("this is what one gets by counting both ends")


def test_what_follows_from_a_wrong_answer_gets_its_points_and_nothing_else_does(marks):
    found = marks({"a": {"total": 10.0}, "b": {"twice": 20.0}})
    assert (found["a.total"].points, found["b.twice"].points) == (0, 1)
    assert found["b.twice"].reason == "worked out correctly from your (a) total"
    assert marks({"b": {"twice": 20.0}})["b.twice"].points == 0
    assert marks({"a": {"total": 10.0}, "b": {"twice": 21.0}})["b.twice"].points == 0


def test_a_miss_of_four_to_five_errors_is_for_a_human(marks):
    found = marks({"c": {"mean": 16 / 3 + 0.45}})
    assert found["c.mean"].points == 0
    assert "so close that a human should look" in found["flags"][0]


def test_the_id_decides_whose_key_counts(marks):
    assert marks({"a": {"total": 7.0}}, student="")["a.total"].points == 2
    assert marks({"a": {"total": 16.0}}, student=" ADA ")["a.total"].points == 2
    # Right for an id of that length, without an id, for ada.
    for total, points in ((25.0, 0), (7.0, 0), (16.0, 2)):
        stranger = marks({"a": {"total": total}}, student="arthur")
        assert stranger["a.total"].points == points
        assert stranger["flags"] == ("recorded under the id 'arthur'; marked with the data of 'ada'",)


NO_SAMPLE = "these numbers are not the summary of a sample"


@pytest.mark.parametrize(
    ("summary", "reason"),
    [
        (fit(chains=1, draws=4000), NO_SAMPLE),
        (fit(ess_bulk=16_001.0, mcse_mean=0.0079), NO_SAMPLE),
        (fit(sd=0.0), NO_SAMPLE),
        (fit(mcse_sd=0.0), NO_SAMPLE),
        (fit(divergences=4001), NO_SAMPLE),
        (fit(mcse_mean=0.05), NO_SAMPLE),
        (fit(mean=100.0, mcse_mean=1e6, mcse_sd=1e6), NO_SAMPLE),
        (fit(mean=100.0, mcse_mean=1e6, mcse_sd=1e6, ess_bulk=1e12, ess_tail=1e12), NO_SAMPLE),
        (fit(mcse_mean=0.005), NO_SAMPLE),
        (fit(divergences=3), "3 transitions diverged: such a sample cannot be trusted"),
        (fit(r_hat=1.011), "R-hat is 1.011, above 1.01"),
        (fit(ess_tail=299.0), "too few effective draws: 299, where 400 are needed"),
        (fit(mean=0.07), "its mean is 0.07, and 0 is right: 4 Monte Carlo errors apart; this is so close"),
        # Errors that fit the standard deviation, and would excuse anything.
        (fit(mean=100.0, sd=1e6, mcse_mean=16e3, mcse_sd=1e6), "its mean is 100, and 0 is right"),
        (fit(mean=0.2), "its mean is 0.2, and 0 is right: 13 Monte Carlo errors apart"),
        (fit(sd=1.1, mcse_mean=0.0174), "its sd is 1.1, and 1 is right: 9 Monte Carlo errors apart"),
    ],
)
def test_a_poor_sample_or_none_gets_nothing(marks, summary, reason):
    mark = marks({"c": {"fit": summary}})["c.fit.mu"]
    assert (mark.state, mark.points) == ("wrong", 0)
    assert reason in mark.reason


def test_of_many_numbers_one_may_be_further_off_than_one_alone():
    """Twenty-four comparisons, with errors that are themselves estimates, exceed four errors now and then."""
    for size, off, expected in ((4, 4.5, False), (12, 4.5, True), (12, 5.5, False)):
        each = {name: np.full(size, value) for name, value in FIT.items()}
        each["mean"] = np.append(FIT["mcse_mean"] * off, np.zeros(size - 1))
        exact = SimpleNamespace(mean=lambda n=size: np.zeros(n), sd=lambda n=size: np.ones(n))
        answer = SimpleNamespace(needs=Needs())
        assert (not any(marking._why_off(answer, each, exact))) == expected


def test_a_fair_sample_that_lacks_far_draws_is_not_refused():
    """Of a long tail: its sd comes out too small, and so does the error of it."""
    size = 600
    draws = np.random.default_rng(58).standard_t(5, size=(10_000, size))
    sd, right = draws.std(axis=1), np.sqrt(5 / 3)
    fourth = ((draws - draws.mean(axis=1, keepdims=True)) ** 4).mean(axis=1)
    error = np.sqrt((fourth - sd**4) / size) / (2 * sd)
    exact = SimpleNamespace(mean=lambda: 0.0, sd=lambda: right)
    answer, refused = SimpleNamespace(needs=Needs(ess=size)), 0
    small = sd < right
    for each, mcse in zip(sd[small], error[small], strict=True):
        summary = {name: np.array(value) for name, value in FIT.items()}
        summary |= {"mean": np.array(0.0), "sd": each, "mcse_sd": mcse}
        refused += any(marking._why_off(answer, summary, exact))
    # By the error that it reports, more of them are far off than the one in 30,000 of a Normal law.
    assert ((right - sd) / error > marking.LARGEST_Z).sum() > 10
    assert refused < 6


@pytest.mark.parametrize(
    "summary",
    [
        fit(chains=2, draws=2000),
        fit(ess_bulk=16_000.0, mcse_mean=0.0079),
        fit(divergences=2),
        fit(ess_tail=301.0),
        fit(r_hat=1.01),
    ],
)
def test_a_sample_at_the_edge_of_what_is_one_counts(marks, summary):
    assert marks({"c": {"fit": summary}})["c.fit.mu"].points == 1


# What a notebook may leave behind ------------------------------------------------------------


@pytest.mark.parametrize("recorded", [{}, {"parts": []}, {"exercise": "1", "parts": None}, [], "x", 3])
def test_anything_may_be_in_the_file(course, recorded):
    marked = marking.mark(ADA, Run("finished", recorded), course.schemes["1"], course)
    assert [one.points for one in marked.marks] == [0] * 6
    assert marked.points == 0


def test_marks_cannot_be_recorded_and_what_has_no_form_costs_only_itself(marks):
    parts = {
        "a": {"total": "16", "largest": "third", "points": 100},
        "b": {"twice": True, "explanation": 3},
        "c": {"mean": 10**400, "fit": fit() | {"points": 5}},
        "z": {"x": 1},
    }
    found = marks(parts)
    flags = found.pop("flags")
    assert {name for name, one in found.items() if one.points} == {"a.largest"}
    assert "recorded in a form that `record` does not write" in found["a.total"].reason
    assert len(flags) >= 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), True, None, 10**400, "16"])
def test_what_is_no_finite_number_gets_nothing(marks, value):
    assert marks({"a": {"total": value}})["a.total"].points == 0


def test_answers_to_another_exercise_do_not_count(course):
    recorded = {"exercise": "2", "student": "ada", "parts": {"a": {"total": 16.0}}}
    assert marking.mark(ADA, Run("finished", recorded), course.schemes["1"], course).points == 0


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (None, "not marked: a link"),
        (Run("out of time", {}), "not recorded before the notebook stopped (out of time)"),
        (Run("finished", {}), "not answered"),
    ],
)
def test_the_reason_for_a_missing_answer_says_what_happened(course, run, reason):
    submission = SimpleNamespace(student="ada", problem="" if run else "a link")
    marked = marking.mark(submission, run, course.schemes["1"], course)
    assert {one.reason for one in marked.marks} == {reason}


# Points that are lost without a wrong answer ---------------------------------------------------


def marked_run(course, run, submission=ADA, **rules):
    return marking.mark(submission, run, course.schemes["1"], course, **rules)


@pytest.mark.parametrize(
    ("run", "flag"),
    [
        (Run("no answers", {}), "no answers were recorded: yet no cell failed"),
        (
            Run("no answers", {}, ("code cell 1: ImportError: x", "code cell 2: NameError: y")),
            "no answers were recorded: code cell 1: ImportError: x",
        ),
        (
            Run("no answers", {}, ("answers were recorded for another exercise, 2: they do not count",)),
            "no answers were recorded: answers were recorded for another exercise",
        ),
        (
            Run(
                "finished",
                {"exercise": "1", "student": "ada", "parts": {"a": {"total": 16.0, "largest": "third"}}},
                (
                    "code cell 3 ran without the package x, which the course does not have: do without it",
                    "code cell 3: ZeroDivisionError: division by zero",
                ),
            ),
            "not recorded: (b) twice, (b) explanation, (c) mean, (c) fit.mu; code cell 3: ZeroDivisionError",
        ),
    ],
)
def test_whoever_may_have_lost_points_without_a_wrong_answer_is_looked_at(course, run, flag):
    assert marked_run(course, run).flags[0].startswith(flag)


def test_parts_that_are_only_not_done_need_nobody(course):
    run = Run("finished", {"exercise": "1", "student": "ada", "parts": {"a": {"total": 16.0}}})
    assert marked_run(course, run).flags == ()


def test_each_part_is_marked_with_the_data_of_its_own_id(course):
    content = {
        "exercise": "1",
        "student": "",
        "parts": {"a": {"total": 16.0}, "b": {"twice": 14.0}},
        "students": {"a": "ada", "b": ""},
        "notes": ["`Answers` was made again after (a)"],
    }
    found = marked_run(course, Run("finished", content))
    assert {one.name: one.state for one in found.marks if one.name in ("total", "twice")} == {
        "total": "right",
        "twice": "right",
    }
    assert found.flags == ("recorded under several ids; each part is marked with the data of its own",)


def test_where_nobody_said_who_it_is_the_recorded_id_counts(course):
    content = {"exercise": "1", "student": "Ada", "parts": {"a": {"total": 16.0}}}
    for ids, state in ((None, "right"), (("ada", "x1"), "right"), ((), "wrong")):
        handed_in = SimpleNamespace(student="Last01 First01", problem="", ids=ids)
        found = marked_run(course, Run("finished", content), handed_in)
        assert found.marks[0].state == state
        assert bool(found.flags) == (state == "wrong")


# Points for what is right, and for nothing else -------------------------------------------------

VALUES = np.array([1.0, 2.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0])


def invented(given, *, key=VALUES, mistakes=None):
    """Marks of answers to an invented exercise, whose second and third answers follow from the first."""
    numbers = {"kind": "numbers", "shape": [8], "is": "x", "absolute": 0.01}
    answers = {
        "list": numbers | {"points": 2},
        "double": numbers | {"points": 2, "follows": ["a.list"]},
        "best": {
            "kind": "choice",
            "options": list("abcdefgh"),
            "is": "x",
            "points": 1,
            "follows": ["a.list"],
        },
        "fact": {"kind": "number", "is": "x", "points": 1, "relative": 0.001, "only_with": ["a.list"]},
        "either": {
            "kind": "number",
            "is": "x",
            "points": 1,
            "absolute": 0.1,
            "only_with": ["a.fact or a.same"],
        },
        "same": {"kind": "number", "is": "x", "points": 6, "relative": 0.001},
        "prose": {"kind": "text", "is": "x", "rubric": [{"points": 8, "for": "x"}]},
    }
    scheme = Scheme(id="9", page="p", title="T", parts={"a": {"answers": answers}})

    def key_of(page, data, earlier=None):
        used = np.asarray((earlier or {}).get("a.list", key))
        found = {"a.list": Key(key, mistakes=mistakes or {}), "a.double": Key(2 * used)}
        return found | {
            "a.best": Key("abcdefgh"[used.argmax()]),
            "a.fact": Key(0.41),
            "a.same": Key(1234.5),
            "a.either": Key(3.0),
        }

    course = type("Course", (), {"data": lambda *_: None, "key": staticmethod(key_of)})()
    content = {"exercise": "9", "student": "ada", "parts": {"a": given}}
    return {one.name: one for one in marking.mark(ADA, Run("finished", content), scheme, course).marks}


def test_arrays_give_points_for_each_number():
    found = invented({"list": [*VALUES[:7], 0.0], "fact": 0.41})
    assert (found["list"].state, found["list"].points) == ("partly", 2 * 7 / 8)
    assert type(found["list"].points) is float  # as reports and JSON need it
    assert found["list"].reason.startswith("1 of 8 numbers are wrong, number 8")
    assert found["fact"].points == 1


def test_a_right_answer_without_points_is_called_right():
    found = invented({"list": [2.0] * 8, "fact": 0.41})["fact"]
    assert (found.state, found.points) == ("alone", 0)
    assert found.reason == "it has points only with (a) list"
    assert invented({"list": [2.0] * 8, "fact": 0.5})["fact"].state == "wrong"


@pytest.mark.parametrize(
    ("other", "points"), [({"same": 1234.5}, 1), ({"list": VALUES.tolist(), "fact": 0.41}, 1), ({}, 0)]
)
def test_one_of_two_answers_is_enough_where_one_is_asked_for(other, points):
    found = invented(other | {"either": 3.0})["either"]
    assert (found.points, found.reason) == (
        points,
        "" if points else "it has points only with (a) fact or (a) same",
    )


@pytest.mark.parametrize("guess", [[2.0] * 8, [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.1]])
def test_a_constant_gets_nothing_and_nothing_follows_from_it(guess):
    given = {"list": guess, "double": [2 * x for x in guess], "best": "a", "fact": 0.41}
    assert {one.points for one in invented(given).values()} == {0}


@pytest.mark.parametrize(
    ("earlier", "state"),
    [
        (VALUES**1.5, "follow-through"),  # of the right pattern
        (21 - VALUES, "follow-through"),
        (np.array([5.0, 1.0, 9.0, 2.0, 6.0, 5.0, 3.0, 5.0]), "wrong"),  # made up
        (np.array([1.0, 2.0, 2.0, 0.1, 9.0, 2.0, 6.0, 5.0]), "follow-through"),  # partly right
    ],
)
def test_points_follow_from_what_was_worked_out_not_from_what_was_made_up(earlier, state):
    found = invented({"list": earlier.tolist(), "double": (2 * earlier).tolist()})
    assert found["double"].state == state
    known = invented({"list": earlier.tolist(), "double": (2 * earlier).tolist()}, mistakes={"it": earlier})
    assert known["double"].state == "follow-through"


def test_a_choice_follows_only_where_something_is_right():
    earlier = 21 - VALUES
    assert invented({"list": earlier.tolist(), "best": "a"})["best"].points == 0
    assert invented({"list": [*VALUES[:7], 0.0], "best": "g"})["best"].state == "follow-through"


def test_what_follows_is_capped_and_says_so(monkeypatch):
    given = {"list": (21 - VALUES).tolist(), "double": (42 - 2 * VALUES).tolist()}
    found = invented(given)
    assert found["double"].points == 2  # of 13 points that a machine gives, half may follow
    marks = marking._capped([found["double"], found["double"]], 3)
    assert [mark.points for mark in marks] == [2, 1]
    assert "no more than 3 points" in marks[1].reason


def test_half_of_the_points_of_a_machine_may_follow_whether_prose_was_handed_in_or_not(monkeypatch):
    most = []
    monkeypatch.setattr(marking, "_capped", lambda marks, points: most.append(points) or marks)
    for more in ({}, {"prose": "words"}):
        invented({"list": VALUES.tolist()} | more)
    assert most == [6.5, 6.5]


@pytest.mark.parametrize(
    ("given", "right"), [(1230.0, True), (1234.5, True), (1240.0, False), (1200.0, False)]
)
def test_three_significant_digits_are_enough(given, right):
    assert (invented({"same": given})["same"].points == 6) == right


def test_what_has_no_points_of_a_posterior_must_agree_too(course):
    answer = (
        Scheme(
            id="9",
            page="p",
            title="T",
            parts={
                "a": {
                    "answers": {
                        "fit": {
                            "kind": "posterior",
                            "is": "x",
                            "of": {"mu": [], "nu": []},
                            "points": {"mu": 1},
                        }
                    }
                }
            },
        )
        .parts["a"]
        .answers["fit"]
    )
    exact = {
        "mu": SimpleNamespace(mean=lambda: 0.0, sd=lambda: 1.0),
        "nu": SimpleNamespace(mean=lambda: 5.0, sd=lambda: 1.0),
    }
    for mean, points in ((5.0, 1), (0.01, 0)):
        content = fit() | {"quantities": {"mu": FIT, "nu": FIT | {"mean": mean}}}
        (mark,) = marking._mark_posterior("a", "fit", answer, {"a.fit": content}, exact)
        assert mark.points == points
