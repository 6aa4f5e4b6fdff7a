"""Marking: every point is had by the right answer and lost by plausible wrong ones."""

import functools
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
import yaml
from scipy import stats

import hierarchical_exact as exact
from notebook_marking import marking
from notebook_marking.course import Course
from notebook_marking.forms import plain
from notebook_marking.scheme import Choice, Posterior, Text
from support import conventions, datasets
from support.conventions import MU_LOG_PRIOR, MU_PRIOR, SIGMA_LOG_PRIOR, TAU_PRIOR
from support.exercises import Answers, forms, personal
from tooling.scripts import build

ROOT = Path(__file__).parents[2]
TABLES = Path(__file__).parent / "answers"
COURSE = Course.read(ROOT)
SCHEMES = COURSE.schemes
SUBMITTED = SimpleNamespace(student="ada", problem="")


def mark(submission, run, scheme):
    return marking.mark(submission, run, scheme, COURSE)


def run_of(scheme, parts, *, student="", status="finished", **extra):
    """What a notebook leaves behind that recorded these answers."""
    answers = {"exercise": scheme.id, "student": student, "parts": parts} | extra
    return SimpleNamespace(answers=answers, status=status, remarks=())


def recorded(scheme, values, student=""):
    """The same for answers by part and name, reduced as `record` does."""
    parts = {}
    for name, value in values.items():
        part, short = name.split(".")
        form = forms()[scheme.id]["parts"][part][short]
        parts.setdefault(part, {})[short] = plain(form, value(form) if callable(value) else value)
    return run_of(scheme, parts, student=student)


def draws(posterior, *, chains=4, size=2000, divergences=0, transform=None, only=()):
    """Independent draws from exact marginals, in the form in which PyMC returns its own."""

    def tree(form):
        rng = np.random.default_rng([58, divergences])
        probability = (np.arange(400) + 0.5) / 400  # the scales of `mixed` tell none below .001
        variables = {}
        for name, shape in form["of"].items():
            quantiles = posterior[name].quantile(probability)
            values = np.asarray(quantiles.transpose(..., "quantile")).reshape(-1, len(probability))
            sample = [np.interp(rng.random(chains * size), probability, row) for row in values]
            sample = np.reshape(np.transpose(sample), (chains, size, *shape))
            if transform and name in only:
                sample = transform(sample)
            dims = ["chain", "draw", *[f"{name}_{i}" for i in range(len(shape))]]
            variables[name] = (dims, sample)
        diverging = np.arange(chains * size).reshape(chains, size) < divergences
        sample_stats = xr.Dataset({"diverging": (["chain", "draw"], diverging)})
        return xr.DataTree.from_dict({"posterior": xr.Dataset(variables), "sample_stats": sample_stats})

    return tree


@functools.cache
def key_of(exercise, student=""):
    return COURSE.key(SCHEMES[exercise].page, personal.data(exercise, student))


@functools.cache
def right_answers(exercise, student=""):
    """The right answer to everything, as a student would give it; prose is some prose."""
    right = {}
    for name, answer in SCHEMES[exercise].entries():
        if isinstance(answer, Text):
            right[name] = "Because."
            continue
        value = key_of(exercise, student)[name].value
        if isinstance(answer, Posterior):
            right[name] = draws(value, divergences=answer.needs.divergences_at_least or 0)
        elif isinstance(answer, Choice):
            right[name] = value if isinstance(value, str) else value[0]
        else:
            right[name] = value
    return right


@functools.cache
def newest_source():
    """When a page's answers last changed their meaning: the time of the newest file that pages import."""
    return max(path.stat().st_mtime for path in build.imported(ROOT))


def worked_answers(scheme):
    """The file that the page of a worked solution writes; the page is run if it is older than its sources."""
    page = ROOT / "solutions" / f"{scheme.page}.md"
    file = page.parent / "answers" / f"{scheme.id}.json"
    if not file.exists() or file.stat().st_mtime < max(newest_source(), page.stat().st_mtime):
        done = build.execute(page, build.read_notebook(page), timeout=300)
        assert done.err is None, done.err
    return json.loads(file.read_text("utf-8"))


def given_names(exercise):
    """What the set-up cells of an exercise define: its data, by the student's names."""
    page = SCHEMES[exercise].page
    text = (ROOT / "exercises" / f"{page}.md").read_text(encoding="utf-8")
    names = {}
    answers = Answers(exercise)
    for line in text.splitlines():
        if re.match(r"[a-z_, ]+ = answers\.data\(|mu_hat, ", line):
            exec(line, {"answers": answers}, names)
    return names


def table_of(scheme):
    """Wrong answers by part and name."""
    path = TABLES / f"{scheme.page}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


def entries():
    """Every wrong answer of the tables."""
    return [
        pytest.param(scheme, name, entry["wrong"], id=f"{scheme.id} {name}: {entry['because']}")
        for scheme in SCHEMES.values()
        for name, wrong in table_of(scheme).items()
        for entry in wrong
    ]


def marks_of(marked, name):
    """Marks of one answer, or of the variables of one posterior."""
    part, short = name.split(".")
    return [one for one in marked.marks if one.part == part and one.name.split(".")[0] == short]


# Every point discriminates ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("student", ["", "ada", "bob"])
@pytest.mark.parametrize("exercise", SCHEMES)
def test_right_answers_get_all_points(exercise, student):
    scheme = SCHEMES[exercise]
    run = recorded(scheme, right_answers(exercise, student), student)
    marked = mark(SimpleNamespace(student=student, problem=""), run, scheme)
    prose = sum(answer.out_of for _, answer in scheme.entries() if isinstance(answer, Text))
    assert [one for one in marked.marks if one.state not in ("right", "review")] == []
    assert marked.points == scheme.out_of - prose
    assert sum(one.out_of for one in marked.marks) == scheme.out_of
    assert not marked.flags


@pytest.mark.slow
@pytest.mark.parametrize("student", ["", "ada", "bob"])
@pytest.mark.parametrize("exercise", SCHEMES)
def test_three_significant_digits_are_enough(exercise, student):
    scheme = SCHEMES[exercise]
    kinds = ("number", "numbers", "interval")
    names = [name for name, answer in scheme.entries() if answer.kind in kinds]
    right = right_answers(exercise, student)
    rounded = {name: np.vectorize(lambda x: float(f"{x:.3g}"))(right[name]) for name in names}
    marked = mark(
        SimpleNamespace(student=student, problem=""), recorded(scheme, right | rounded, student), scheme
    )
    assert [one for one in marked.marks if one.state not in ("right", "review")] == []


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "name", "wrong"), entries())
def test_wrong_answers_lose_their_points(scheme, name, wrong):
    value = key_of(scheme.id)[name].value
    right = value[0] if isinstance(value, tuple) else value
    names = {"np": np, "stats": stats, "exact": exact, "datasets": datasets, "draws": draws, "right": right}
    names |= {"mu_prior": MU_PRIOR, "tau_prior": TAU_PRIOR}
    names |= {"mu_log_prior": MU_LOG_PRIOR, "sigma_log_prior": SIGMA_LOG_PRIOR}
    given = eval(wrong, names | given_names(scheme.id))
    marked = mark(SUBMITTED, recorded(scheme, {name: given}), scheme)
    lost = [one for one in marks_of(marked, name) if one.points < one.out_of]
    assert lost, f"{given} got all points"
    assert all(one.reason for one in lost)


@pytest.mark.parametrize("exercise", SCHEMES)
def test_each_answer_has_two_wrong_ones(exercise):
    scheme = SCHEMES[exercise]
    table = table_of(scheme)
    marked_by_machine = {name for name, answer in scheme.entries() if not isinstance(answer, Text)}
    assert set(table) == marked_by_machine
    assert {name for name, wrong in table.items() if len(wrong) < 2} == set()


@pytest.mark.slow
@pytest.mark.parametrize("exercise", SCHEMES)
def test_each_variable_of_a_posterior_can_lose_its_points(exercise):
    """A posterior that is wrong in one variable loses the points of that one only."""
    scheme = SCHEMES[exercise]
    for name, answer in scheme.entries():
        if not isinstance(answer, Posterior) or answer.needs.divergences_at_least:
            continue
        for variable in answer.points:

            def shift(sample):
                return sample + sample.std()

            given = draws(key_of(exercise)[name].value, transform=shift, only=[variable])
            marked = mark(SUBMITTED, recorded(scheme, {name: given}), scheme)
            states = {one.name: one.state for one in marks_of(marked, name)}
            expected = {f"{name.split('.')[1]}.{other}": "right" for other in answer.points}
            assert states == expected | {f"{name.split('.')[1]}.{variable}": "wrong"}


# Fairness --------------------------------------------------------------------------------------


def test_a_wrong_earlier_value_costs_its_points_once():
    scheme = SCHEMES["5.8.1"]
    effect, error = personal.data("5.8.1")[""]
    factors = (error / (error + 6)).values  # a mistake in (a), carried on correctly
    estimates = (1 - factors) * effect.values + factors * 8
    values = {
        "a.factors": factors,
        "b.estimates": estimates,
        "c.reduction": 100 * (28 - estimates[0]) / 28,
    }
    marked = mark(SUBMITTED, recorded(scheme, values), scheme)
    states = {f"{one.part}.{one.name}": (one.state, one.points) for one in marked.marks}
    assert states["a.factors"] == ("wrong", 0)
    assert states["b.estimates"] == ("follow-through", 2)
    assert states["c.reduction"] == ("follow-through", 1)


def followed():
    """Every answer that may build on an earlier one, with that."""
    return [
        pytest.param(scheme, name, earlier, id=f"{scheme.id} {name} from {earlier}")
        for scheme in SCHEMES.values()
        for name, answer in scheme.entries()
        for earlier in getattr(answer, "follows", ())
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "name", "earlier"), followed())
def test_one_slip_costs_its_own_points_only_where_the_scheme_lets_others_follow(scheme, name, earlier):
    """The largest number of the earlier answer is wrong, and what comes after it is worked out from that."""
    right = right_answers(scheme.id)
    slip = np.array(right[earlier], float)
    slip.flat[abs(slip).argmax()] *= 0.6
    slip = slip.tolist()
    own = COURSE.key(scheme.page, personal.data(scheme.id), {earlier: slip})[name].value
    marked = mark(SUBMITTED, recorded(scheme, right | {earlier: slip, name: own}), scheme)
    [first], [second] = marks_of(marked, earlier), marks_of(marked, name)
    assert first.points < first.out_of
    if first.points == 0 and earlier in dict(scheme.entries())[name].only_with:
        assert (second.state, second.points) == ("alone", 0)
        assert second.reason == f"it has points only with {first.label}"
    else:
        assert (second.state, second.points) == ("follow-through", second.out_of)
        assert first.label in second.reason


def test_a_right_answer_after_a_wrong_one_is_right():
    scheme = SCHEMES["5.8.1"]
    right = right_answers("5.8.1")
    marked = mark(SUBMITTED, recorded(scheme, right | {"a.factors": [0.5] * 8}), scheme)
    states = {f"{one.part}.{one.name}": one.state for one in marked.marks}
    assert states["a.factors"] == "wrong"
    assert states["b.estimates"] == states["c.reduction"] == "right"


@pytest.mark.slow
def test_honest_samples_are_right():
    """Of many honest samples no more are refused than Monte Carlo error explains.

    At four errors on each side one comparison in 16,000 fails; 100 fits compare 20 values each, so that one
    failure is seen in one series of ten, and two in one of two hundred.
    """
    scheme = SCHEMES["5.8.3"]
    posterior = key_of("5.8.3")["b.posterior"].value
    form = forms()["5.8.3"]["parts"]["b"]["posterior"]
    refused = 0
    exact_sd = {name: np.asarray(posterior[name].sd()) for name in form["of"]}
    exact_mean = {name: np.asarray(posterior[name].mean()) for name in form["of"]}
    rng = np.random.default_rng(583)
    template = plain(form, draws(posterior)(form))
    for _ in range(100):
        summary = {**template, "quantities": {}}
        for name, shape in form["of"].items():
            old = template["quantities"][name]
            mean = rng.normal(exact_mean[name], old["mcse_mean"])
            sd = rng.normal(exact_sd[name], old["mcse_sd"])
            summary["quantities"][name] = {
                **old,
                "mean": np.asarray(mean).tolist(),
                "sd": np.asarray(sd).tolist(),
            }
            assert np.shape(mean) == tuple(shape)
        marked = mark(SUBMITTED, run_of(scheme, {"b": {"posterior": summary}}), scheme)
        refused += any(one.state == "wrong" for one in marks_of(marked, "b.posterior"))
    assert refused <= 1


def test_a_close_miss_goes_to_a_human():
    scheme = SCHEMES["5.8.4"]
    truth, ratio = key_of("5.8.4")["a.mean"], key_of("5.8.4")["b.ratio"].value
    for errors, flagged in ((3.9, False), (4.5, True), (5.5, False)):
        values = {"a.mean": truth.value + errors * truth.error, "b.ratio": ratio}
        marked = mark(SUBMITTED, recorded(scheme, values), scheme)
        (one,) = marks_of(marked, "a.mean")
        assert one.points == (1 if errors < 4 else 0)
        assert bool(marked.flags) == flagged


def test_data_of_ones_own_have_a_key_of_their_own():
    scheme = SCHEMES["5.8.1"]
    mine = recorded(scheme, right_answers("5.8.1", "ada"), student=" Ada ")
    assert marks_of(mark(SUBMITTED, mine, scheme), "a.factors")[0].state == "right"
    # Without an id the key is that of the source's data, and these are others.
    unnamed = recorded(scheme, right_answers("5.8.1", "ada"))
    assert marks_of(mark(SUBMITTED, unnamed, scheme), "a.factors")[0].state == "wrong"


def test_answers_under_another_id_are_marked_with_ones_own_data_and_flagged():
    scheme = SCHEMES["5.8.1"]
    copied = recorded(scheme, right_answers("5.8.1", "bob"), student="bob")
    marked = mark(SUBMITTED, copied, scheme)
    assert "bob" in marked.flags[0]
    assert marks_of(marked, "a.factors")[0].state == "wrong"
    for answers_of, state in (("ada", "right"), ("", "wrong")):
        run = recorded(scheme, right_answers("5.8.1", answers_of), student="bob")
        assert marks_of(mark(SUBMITTED, run, scheme), "a.factors")[0].state == state


@pytest.mark.parametrize("exercise", SCHEMES)
def test_typical_mistakes_are_wrong_and_are_named(exercise):
    scheme = SCHEMES[exercise]
    for name, entry in key_of(exercise).items():
        for mistake, value in entry.mistakes.items():
            marked = mark(SUBMITTED, recorded(scheme, {name: value}), scheme)
            (one,) = marks_of(marked, name)
            assert one.points == 0
            assert mistake in one.reason


# Sampled answers take a while where the pages did not just run, as they do in `make test`.
@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_the_worked_solution_gets_all_that_a_machine_gives(scheme):
    run = SimpleNamespace(answers=worked_answers(scheme), status="finished", remarks=())
    marked = mark(SUBMITTED, run, scheme)
    assert marked.flags == ()
    for one in marked.marks:
        assert one.state == "review" or one.points == one.out_of, f"{one.part}.{one.name}: {one.reason}"


def test_what_agrees_on_the_pages_is_close_to_right_at_least():
    """A few answers are judged, a thousand numbers of pages: beyond the first limit a human looks."""
    assert marking.LARGEST_Z <= conventions.LARGEST_Z <= marking.CLOSE_Z
