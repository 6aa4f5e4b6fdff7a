"""A fixed sample of the random and nasty problems that `make fuzz` takes ten thousand of."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fuzz
import numpy as np
import pytest
from fuzz import judge, normal_call, normal_errors, normal_problem
from lines import Unresolved
from reference import Groups


@pytest.mark.parametrize(
    ("kind", "seeds"),
    [
        ("normal", range(5)),
        pytest.param(
            "normal",
            [*range(5, 25), 101394, 801695, 800135, 800188, 900326, 81005937, 83003668, 83006771, 88001927],
            marks=pytest.mark.slow,
        ),
        # Nested integrals take their time: the cheapest problems of the first dozen.
        pytest.param("groups", [1, 7, 900017, 96000215], marks=pytest.mark.slow),
        pytest.param("ridge", [3], marks=pytest.mark.slow),
        pytest.param("student", [1, 3], marks=pytest.mark.slow),
        pytest.param("poisson", [0, 10, 11, 920012, 86000043], marks=pytest.mark.slow),
        pytest.param(
            "mixed",
            [1, 4, 15, 102, 5000003, 5000011, 5000043, 7000006, 7000037, 96000138],
            marks=pytest.mark.slow,
        ),
        pytest.param("wider", [1, 84000001], marks=pytest.mark.slow),
        pytest.param("dirichlet", [0, 4, 800180, 96000081], marks=pytest.mark.slow),
        pytest.param("beta_binomial", [0, 1, 2], marks=pytest.mark.slow),
        pytest.param("logit_normal", [1, 2, 96000002, 96000025, 96000083], marks=pytest.mark.slow),
    ],
)
def test_no_answer_is_wrong_without_a_word(kind, seeds):
    outcomes = [judge((kind, seed)) for seed in seeds]
    bad = [outcome for outcome in outcomes if outcome.verdict not in ("right", "in part", "refused")]
    assert not bad
    # Refusing everything would never be wrong.
    answered = Counter(outcome.verdict for outcome in outcomes)
    assert answered["right"] + answered["in part"] > 0.8 * len(seeds)


def test_the_reference_notices_an_answer_to_another_question():
    problem = normal_problem(3)
    posterior = normal_call(problem | {"y": problem["y"] + 1e-3 * problem["sigma"]})
    assert max(normal_errors(problem, posterior).values()) > 1e-5


def test_tolerances_are_twice_what_the_readme_states():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf8")
    stated = dict(re.findall(r"^\|.*\| `(\w+)` \| (1e-\d)", readme, re.MULTILINE))
    names = {"groups": "normal_groups", "ridge": "normal_groups", "student": "student_t", "wider": "mixed"}
    names |= {"dirichlet": "dirichlet_multinomial"}
    for kind in fuzz.KINDS:
        assert fuzz.limit(kind, "mu mean") == 2 * float(stated[names.get(kind, kind)]), kind
    (of_scale,) = re.findall(r"of quantiles of scales and with four unknown ones (1e-\d)", readme)
    assert fuzz.limit("wider", "tau_t0 quantiles") == 2 * float(of_scale)
    ((of_height, in_mixed),) = re.findall(r"to (1e-\d) of its height \(in `mixed` to (1e-\d)\)", readme)
    assert fuzz.limit("normal", "tau density") == 2 * float(of_height)
    assert fuzz.limit("mixed", "rho_t0 density") == 2 * float(in_mixed)
    assert "right to a hundredth of itself or to 1e-7" in readme.replace("\n", " ")
    assert fuzz.limit("poisson", "lam far quantiles") == 0.02


def test_wrong_densities_and_far_quantiles_are_noticed():
    problem = normal_problem(3)
    posterior = normal_call(problem)
    truth = fuzz.Normal(*(problem[name] for name in ("y", "sigma", "mu", "tau", "x", "beta")))

    class Slip(type(posterior["tau"])):
        def pdf(self, x):
            return super().pdf(x) * (1 + 1e-3)

        def quantile(self, q):
            found = super().quantile(q)
            return found * (1 + 0.02 * (np.asarray(q) > 0.999))

    slip = Slip(posterior["tau"]._law)
    errors = {}
    fuzz._check_quantiles(errors, "tau", slip, truth.tau_cdf)
    bad = {name for name, error in errors.items() if error > fuzz.limit("normal", name)}
    assert bad == {"tau far quantiles", "tau density"}


def test_a_reference_that_followed_the_lesser_of_two_peaks_settles_nothing():
    with pytest.raises(Unresolved):
        Groups(*fuzz.groups_problem(103040008).values())


def test_a_reference_that_takes_too_long_settles_nothing(monkeypatch):
    monkeypatch.setattr(fuzz, "LONGEST_REFERENCE", 0.001)
    assert judge(("groups", 1)).verdict == "unresolved"


@pytest.mark.slow
def test_a_run_that_is_stopped_prints_its_counts():
    command = [sys.executable, fuzz.__file__, "--kind", "normal", "--jobs", "2", "--seconds"]
    for seconds in ("4", "60"):  # a busy machine may not have come to a problem sooner
        run = subprocess.run([*command, seconds], capture_output=True, text=True, timeout=120, check=True)
        assert run.stdout.startswith("stopped early")
        assert run.stderr == ""
        if "'right': " in run.stdout:
            return
    pytest.fail(f"nothing is counted: {run.stdout}")
