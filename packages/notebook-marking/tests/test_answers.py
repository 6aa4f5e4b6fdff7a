"""Recording answers: what `record` keeps, in which form, and what it says."""

import errno
import json
import unicodedata
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from notebook_marking.answers import Answers as AnyAnswers
from notebook_marking.forms import STATISTICS, plain

NAMES = ["A", "B", "C"]
FORMS = {
    "1": {
        "parts": {
            "a": {
                "factors": {"kind": "numbers", "shape": [2], "is": "the factors"},
                "ranks": {"kind": "numbers", "shape": [2], "is": "the ranks"},
                "most": {"kind": "choice", "options": NAMES, "is": "the largest"},
                "least": {"kind": "choice", "options": NAMES, "is": "the smallest"},
            },
            "d": {
                "factor": {"kind": "number", "is": "the factor"},
                "meaning": {"kind": "text", "is": "what it means"},
            },
        }
    }
}


def Answers(exercise="1", **options):
    return AnyAnswers(exercise, forms=FORMS, data=lambda exercise, student: {"": (exercise,)}, **options)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def number(**more):
    return {"kind": "number"} | more


@pytest.mark.parametrize(
    ("form", "value", "result"),
    [
        (number(), 3, 3.0),
        (number(), np.float32(0.5), 0.5),
        (number(), xr.DataArray(2.5), 2.5),
        ({"kind": "numbers", "shape": [2]}, (1, 2), [1.0, 2.0]),
        ({"kind": "numbers", "shape": [2]}, xr.DataArray([1.0, 2.0]), [1.0, 2.0]),
        ({"kind": "interval"}, np.array([0.0, 1.0]), [0.0, 1.0]),
        ({"kind": "choice", "options": ["A", "B"]}, " a ", "A"),
        ({"kind": "choice", "options": ["A", "B"]}, np.array("B"), "B"),
        ({"kind": "choice", "options": ["A", "B"]}, xr.DataArray("B"), "B"),
        ({"kind": "choice", "options": ["2", "3"]}, 3, "3"),
        ({"kind": "text"}, "  Because. ", "Because."),
    ],
)
def test_answers_in_their_form_are_brought_to_plain_numbers(form, value, result):
    assert plain(form, value) == result
    assert type(plain(form, value)) is type(result)


class Equal:
    """Claims to be equal to everything, and to be any number."""

    def __eq__(self, other):
        return True

    __hash__ = None

    def __float__(self):
        return 0.41


def test_the_data_are_drawn_once_however_many_answers_are_recorded(capsys):
    drawn = []
    answers = AnyAnswers("1", forms=FORMS, data=lambda *asked: drawn.append(asked) or {"": ([1, 2],)})
    for factors in ([0.25, 0.75], [0.5, 0.5]):
        answers.record("a", factors=factors, ranks=[1, 2])
    assert len(drawn) == 1
    assert capsys.readouterr().out


TABLE = pd.DataFrame({"B": [0.25, 0.75]}, index=["A", "B"])
INTERVAL = xr.Dataset({"tau": ("ci_bound", [0.25, 0.75])})


@pytest.mark.parametrize(
    "value",
    [
        TABLE,
        TABLE["B"],
        TABLE.T,
        TABLE["B"].astype(object),
        TABLE["B"].astype("Float64"),
        TABLE["B"].astype(str),
        pd.Index([0.25, 0.75]),
        INTERVAL,
        INTERVAL["tau"].expand_dims("chain"),
        xr.DataTree.from_dict({"posterior": INTERVAL}),
        xr.Dataset({"lower": 0.25, "upper": 0.75}),
        {"A": 0.25, "B": 0.75},
        {"A": 0.25, "B": 0.75}.values(),
        (x / 4 for x in (1, 3)),
        map(Fraction, ("1/4", "3/4")),
        [Decimal("0.25"), Decimal("0.75")],
        [np.array([0.25]), np.array([0.75])],
        [xr.DataArray(0.25), xr.DataArray(0.75)],
        np.array([0.25, 0.75 + 0j]),
        np.matrix([0.25, 0.75]),
        np.ma.array([0.25, 0.75]),
        np.float32([0.25, 0.75]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_numbers_may_be_in_any_container(value):
    assert plain({"kind": "interval"}, value) == [0.25, 0.75]


@pytest.mark.parametrize(
    "value", [Equal(), [0.41], "0.41", np.array([[0.41]]), pd.Series([0.41]), xr.Dataset({"B": 0.41})]
)
def test_one_number_may_be_in_any_container(value):
    number = plain({"kind": "number"}, value)
    assert (type(number), number) == (float, 0.41)


@pytest.mark.parametrize("value", [["A"], pd.Series(["A"]), xr.DataArray(["a"]), np.array([["A"]])])
def test_a_choice_may_be_in_any_container(value):
    assert plain({"kind": "choice", "options": ["A", "B"]}, value) == "A"


@pytest.mark.parametrize(
    ("form", "value", "message"),
    [
        (number(), "0,5", "one number, not '0,5'"),
        (number(), None, "not every number is finite"),
        (number(), np.datetime64("2026-03-05"), "one number, not "),
        (number(), {1.0}, "one number, not {1.0}"),
        (number(), True, "not True"),
        (number(), 1 + 2j, "one number"),
        (number(), [1.0, 2.0], "not an array of shape"),
        ({"kind": "numbers", "shape": [2]}, ["1", "two"], "two numbers, not "),
        ({"kind": "numbers", "shape": [2]}, [..., ...], "two numbers, not "),
        ({"kind": "numbers", "shape": [2, 3]}, np.ones((3, 2)), "2 x 3 numbers, not an array of shape"),
        (number(), float("nan"), "not every number is finite"),
        (number(range=[0, 1]), 86.2, "86.2 is outside the possible range, 0 to 1"),
        (number(range=[0, float("inf")], unit="points"), -1, "at least 0 points"),
        ({"kind": "numbers", "shape": [8]}, np.zeros(7), r"give 8 numbers, not an array of shape \(7,\)"),
        ({"kind": "numbers", "shape": [8]}, 3.0, "give 8 numbers, not a single number"),
        ({"kind": "numbers", "shape": [2]}, [[1], [1, 2]], "inhomogeneous"),
        ({"kind": "interval"}, (2.0, 1.0), "lower end first"),
        ({"kind": "choice", "options": ["A", "B"]}, "C", "give one of 'A', 'B'"),
        ({"kind": "choice", "options": ["A", "B"]}, ["A", "B"], "not among the options"),
        ({"kind": "text"}, 3, "text in quotes"),
        ({"kind": "text"}, "  ", "empty"),
        ({"kind": "text"}, "x" * 10_001, "at most 10000"),
        ({"kind": "posterior", "of": {"tau": []}}, {"tau": 3}, "what sample"),
        ({"kind": "posterior", "of": {"tau": []}}, [1, 2], "what sample"),
    ],
)
def test_other_answers_are_refused_with_a_message_that_says_what_to_give(form, value, message):
    with pytest.raises(ValueError, match=message):
        plain(form, value)


def kept(folder="."):
    return json.loads(Path(folder, "answers/1.json").read_text())


def test_answers_made_again_go_on_from_what_was_recorded(capsys):
    Answers(student="ada").record("a", most="A", least="B")
    again = Answers(student="ada")
    again.record("d", factor=1)
    assert kept()["parts"] == {"a": {"most": "A", "least": "B"}, "d": {"factor": 1.0}}
    assert kept()["notes"] == ["`Answers` was made again after (a)"]
    again.record("a", most="C")
    assert kept()["parts"]["a"] == {"most": "C", "least": "B"}
    assert "(a) recorded: most, least" in capsys.readouterr().out


def test_answers_with_another_id_keep_apart_whose_each_part_is():
    Answers(student="ada").record("a", most="A")
    Answers().record("d", factor=1)
    assert kept()["students"] == {"a": "ada", "d": ""}
    Answers().record("a", least="B")  # on other data, so that nothing of the old goes with it
    assert kept()["parts"]["a"] == {"least": "B"}


def test_answers_made_side_by_side_keep_apart_whose_each_part_is():
    first, second = Answers(), Answers(student="ada")
    first.record("a", most="A")
    second.record("d", factor=1)
    assert (kept()["student"], kept()["students"]) == ("ada", {"a": "", "d": "ada"})


@pytest.mark.parametrize("again", ["Ada", " ada ", "ADA"])
def test_an_id_in_other_letters_is_the_same_student(again):
    Answers(student="ada").record("a", most="A", least="B")
    Answers(student=again).record("a", most="C")
    assert kept()["parts"]["a"] == {"most": "C", "least": "B"}


def test_an_id_in_decomposed_letters_is_that_in_composed_ones():
    assert Answers(student=unicodedata.normalize("NFD", "josé")).student == "josé"


def test_the_place_of_answers_is_fixed_when_they_are_made(tmp_path, monkeypatch):
    answers = Answers()
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    answers.record("d", factor=1)
    assert kept(tmp_path)["parts"] == {"d": {"factor": 1.0}}


def fit(tau, diverging=None, **more):
    """A fit in the form in which PyMC returns it."""
    variables = {"tau": (["chain", "draw"], tau)} | more
    diverging = np.zeros(tau.shape, bool) if diverging is None else diverging
    sample_stats = xr.Dataset({"diverging": (["chain", "draw"], diverging)})
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables), "sample_stats": sample_stats})


def test_a_posterior_is_reduced_to_plain_numbers():
    rng = np.random.default_rng(58)
    tau = rng.normal(3.0, 2.0, (4, 1000))
    diverging = np.arange(4000).reshape(4, 1000) < 7
    theta = (["chain", "draw", "school"], rng.normal(0, [1.0, 5.0], (4, 1000, 2)))
    form = {"kind": "posterior", "of": {"tau": [], "theta": [2]}}
    summary = plain(form, fit(tau, diverging, theta=theta))
    assert (summary["chains"], summary["draws"], summary["divergences"]) == (4, 1000, 7)
    found = summary["quantities"]["tau"]
    assert set(found) == set(STATISTICS)
    assert found["mean"] == pytest.approx(tau.mean())
    assert found["sd"] == pytest.approx(tau.std(ddof=1))
    # Independent draws: the errors are those of the textbook, and the ESS is about their number.
    assert found["mcse_mean"] == pytest.approx(2 / 4000**0.5, rel=0.2)
    assert found["mcse_sd"] == pytest.approx(2 / 8000**0.5, rel=0.2)
    assert found["ess_bulk"] == pytest.approx(4000, rel=0.2)
    assert found["r_hat"] == pytest.approx(1, abs=0.01)
    assert np.shape(summary["quantities"]["theta"]["mean"]) == (2,)
    json.dumps(summary, allow_nan=False)


@pytest.mark.parametrize(
    ("idata", "message"),
    [
        (fit(np.zeros((1, 100))), "at least two chains"),
        (fit(np.zeros((4, 100))), "does not vary"),
        (fit(np.full((4, 100), np.nan)), "not finite"),
        (
            xr.DataTree.from_dict({"posterior": xr.Dataset({"mu": (["chain", "draw"], np.ones((4, 9)))})}),
            "'tau'",
        ),
        (fit(np.ones((4, 9))).children["posterior"], "what sample"),
        (
            xr.DataTree.from_dict(
                {"posterior": fit(np.random.default_rng(1).normal(size=(4, 9)))["posterior"]}
            ),
            "sample_stats",
        ),
    ],
)
def test_a_posterior_that_says_nothing_is_refused(idata, message):
    with pytest.raises(ValueError, match=message):
        plain({"kind": "posterior", "of": {"tau": []}}, idata)


def test_a_notebook_writes_one_file_of_answers(capsys):
    answers = Answers(student="ada")
    answers.record("a", factors=..., most=...)
    assert not answers.path.exists()
    answers.record("a", factors=[0.5] * 2, most=..., least="B")
    answers.record("d", factor=0.4)
    assert json.loads(answers.path.read_text("utf-8")) == {
        "exercise": "1",
        "student": "ada",
        "parts": {"a": {"factors": [0.5] * 2, "least": "B"}, "d": {"factor": 0.4}},
    }
    assert [path.name for path in answers.path.parent.iterdir()] == ["1.json"]
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "(a) not answered yet: factors, ranks, most, least",
        "(a) recorded: factors, least",
        "(a) not answered yet: ranks, most",
        "(d) recorded: factor",
        "(d) not answered yet: meaning",
    ]


@pytest.mark.parametrize("kind", ["xarray", "dataset", "series", "table", "dict", "another's labels", "list"])
def test_what_has_the_labels_of_the_data_is_put_into_their_order(kind):
    data = xr.DataArray([28.0, 8.0], coords={"school": ["A", "B"]})
    answers = AnyAnswers("1", forms=FORMS, data=lambda *_: {"": (data,), "d": (3,)})
    value = xr.DataArray([0.7, 0.4], coords={"school": ["B", "A"]}, name="factor")
    series = value.to_series()
    values = {"dataset": value.to_dataset(), "series": series, "table": series.to_frame()}
    values |= {"dict": series.to_dict()}
    values |= {"another's labels": series.rename({"A": "C"}), "list": [0.7, 0.4], "xarray": value}
    answers.record("a", factors=values[kind])
    right = [0.7, 0.4] if kind in ("another's labels", "list") else [0.4, 0.7]
    assert kept()["parts"]["a"]["factors"] == right


def test_what_lies_within_is_put_into_the_order_of_the_data_too():
    """In tables by columns, in lists and dicts, in the draws of a fit; and for data of pandas."""
    labels = ["B", "A"]
    data = xr.DataArray([[1.0, 2], [3, 4]], coords={"school": ["A", "B"], "answer": ["no", "yes"]})
    for given in (data, data.to_pandas()):
        answers = AnyAnswers("1", forms=FORMS, data=lambda *_, given=given: {"": (given,)})
        turned = data.isel(school=[1, 0], answer=[1, 0]).to_pandas()
        np.testing.assert_array_equal(answers._in_order(turned), data)
        series = pd.Series([0.7, 0.4], index=labels)
        for value in ([series, series], {"first": series, "second": series}):
            found = answers._in_order(value)
            each = list(found.values()) if isinstance(found, dict) else found
            assert [one.tolist() for one in each] == [[0.4, 0.7]] * 2
        assert answers._in_order(series.to_dict()) == [0.4, 0.7]
        draws = xr.DataArray([[[2.0, 1]]], dims=("chain", "draw", "school"), coords={"school": labels})
        tree = xr.DataTree.from_dict({"posterior": draws.to_dataset(name="theta")})
        assert answers._in_order(tree)["posterior"]["theta"].values.ravel().tolist() == [1, 2]


def test_masked_numbers_and_half_characters_cost_no_other_answer():
    answers = Answers()
    with pytest.raises(ValueError, match="some of the numbers are masked"):
        answers.record("a", factors=np.ma.array([0.5, 99], mask=[0, 1]), most="A")
    with pytest.raises(ValueError, match="character 3 of the text cannot be written"):
        answers.record("d", meaning="x \ud83d y", factor=1)
    assert kept()["parts"] == {"a": {"most": "A"}, "d": {"factor": 1.0}}


def test_an_answer_that_fails_in_a_way_of_its_own_does_not_cost_the_others():
    class Tensor:
        def __array__(self, *_, **__):
            raise RuntimeError("use detach()")

    with pytest.raises(ValueError, match=r"factors \(the factors\): use detach\(\)"):
        Answers().record("a", factors=Tensor(), least="B")
    assert kept()["parts"] == {"a": {"least": "B"}}


def test_one_malformed_answer_does_not_cost_the_others():
    answers = Answers()
    with pytest.raises(ValueError, match=r"\(a\) not recorded: most .*'Z' is not among the options"):
        answers.record("a", factors=[0.5] * 2, most="Z", least="B")
    recorded = json.loads(answers.path.read_text("utf-8"))["parts"]["a"]
    assert set(recorded) == {"factors", "least"}


def test_what_cannot_be_kept_spoils_nothing(monkeypatch):
    """An answer that JSON cannot hold is refused by itself; later ones are kept."""
    answers = Answers()
    monkeypatch.setattr("notebook_marking.answers.plain", lambda form, value, of: value)
    with pytest.raises(TypeError):
        answers.record("d", factor=object())
    answers.record("d", factor=0.4)
    assert json.loads(answers.path.read_text("utf-8"))["parts"] == {"d": {"factor": 0.4}}


@pytest.mark.parametrize("place", ["write_text", "mkdir"])
def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(monkeypatch, tmp_path, place):
    def fails(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, place, fails)
    words = rf"kept in {tmp_path}/answers \(Read-only file system\): copy the notebook into a folder"
    with pytest.raises(OSError, match=words):
        Answers().record("a", most="A")


def test_recording_says_nothing_of_right_and_wrong(capsys):
    for factors in ([0.0] * 2, [0.5] * 2):
        Answers().record("a", factors=factors, most="A", least="A")
    first, second = capsys.readouterr().out.strip().split("\n(a) rec")
    second = "(a) rec" + second
    assert first == second == "(a) recorded: factors, most, least\n(a) not answered yet: ranks"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exercise": "9"}, "exercise is '9': give one of"),
        ({"student": "../x"}, "student is '../x': give your id"),
        ({"student": 7}, "student is 7"),
        ({"student": "x" * 65}, "at most 64"),
    ],
)
def test_wrong_use_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Answers(**arguments)


def test_unknown_parts_and_names_are_named():
    answers = Answers()
    with pytest.raises(ValueError, match="no part 'e': give one of a, d"):
        answers.record("e", x=1)
    with pytest.raises(ValueError, match="this part asks for factors, ranks, most, least, not for factor"):
        answers.record("a", factor=1, most="A")
    assert kept()["parts"] == {"a": {"most": "A"}}  # a slip costs no other answer
    with pytest.raises(ValueError, match="part 'a' has no data of its own"):
        answers.data("a")


@pytest.mark.parametrize(
    "names",
    [["c ", "A", "b"], ["C", "A", "B"], [2, 0, 1], [3, 1, 2]],
    ids=["letters", "same", "from 0", "from 1"],
)
def test_names_that_mean_the_labels_are_put_into_their_order(names):
    data = xr.DataArray([1.0, 2, 3], coords={"school": list("ABC")})
    answers = AnyAnswers("1", forms=FORMS, data=lambda *_: {"": (data,)})
    series = pd.Series([0.3, 0.1, 0.2], index=names)
    assert list(answers._in_order(series)) == [0.1, 0.2, 0.3]
    assert answers._in_order(series.to_dict()) == [0.1, 0.2, 0.3]
    others = pd.Series([0.3, 0.1, 0.2], index=["School C", "School A", "School B"])
    for value in (others, others.to_dict()):
        with pytest.raises(
            ValueError, match="its names are 'School C', 'School A', 'School B': give those of"
        ):
            answers._in_order(value)
