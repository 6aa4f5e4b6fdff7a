"""Calibration: what it must find, what it must not, and that the recorded study is what the code gives."""

import inspect
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

import hierarchical_exact as exact
from support import models
from tooling.audit import builders, calibration, page_sampler, records
from tooling.audit.calibration import CASES, FAULTS, distances_notice, ranks_notice, sets_needed, simulate


def test_every_model_of_the_book_is_covered():
    found = {
        name: one
        for room in (models, builders)
        for name, one in inspect.getmembers(room, inspect.isfunction)
        if not name.startswith("_")
    }
    assert {name: case.build for name, case in CASES.items()} == found


# Few data sets where a posterior takes long; gross faults show all the same.
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_data_have_the_form_of_their_design_and_exact_posteriors_are_calibrated(name):
    case = CASES[name]
    sets = {
        "hospitals_hierarchical": 8,
        "survey_hierarchical": 12,
        "instructors_partial": 20,
        "rats_hierarchical": 8,
        "trials_student": 8,
        "rats_logit_normal": 2,
        "houses_intercepts": 12,
        "houses_slopes": 4,
        "penicillin_crossed": 12,
    }.get(name, 60)
    pairs = simulate(case, sets, seed=3)
    design, (_, data) = case.design(), pairs[0]
    assert data[case.outcome].sizes == design[case.outcome].sizes
    assert not data[case.outcome].equals(design[case.outcome])
    places = calibration.exact_places(pairs, case.solve)
    # All quantities and models together: once in a thousand runs of this file.
    smallest = min(stats.kstest(column, "uniform").pvalue for _, column in places.items())
    assert smallest > 1e-3 / len(CASES) / places.shape[1]


@pytest.mark.slow
def test_a_wrong_prior_is_found_and_the_right_one_is_not():
    case = CASES["schools_noncentred"]
    pairs = simulate(case, 100, seed=3)
    right = calibration.exact_places(pairs, case.solve)[["mu", "tau"]]
    wrong = calibration.exact_places(pairs, FAULTS["half-Normal(5) for 10"])[["mu", "tau"]]
    assert not ranks_notice(right)
    assert ranks_notice(wrong)


def test_the_jacobian_of_the_square_makes_a_rayleigh_prior():
    """Who takes the half-Normal density of tau for that of v = tau² has a density of tau times 2 tau."""
    tau = np.linspace(0.5, 30, 60)
    left_out = stats.halfnorm(scale=10).pdf(tau) * 2 * tau
    ratio = left_out / stats.rayleigh(scale=10).pdf(tau)
    assert ratio == pytest.approx(np.full(60, ratio[0]))


@pytest.mark.slow
def test_ranks_take_more_data_sets_than_distances_by_the_effective_draws():
    """A shift of 0.2 sds, seen through the true value (error 1) and through a mean of 400 draws (0.05)."""
    rng = np.random.default_rng(1)
    places = pd.DataFrame({"a": stats.norm.cdf(rng.normal(0.2, 1, 2000))})
    z = pd.DataFrame({"a": rng.normal(0.2 * 20, 1, 2000)})
    assert sets_needed(ranks_notice, places) >= 100
    assert sets_needed(distances_notice, z) == 1
    fair = pd.DataFrame({"a": rng.normal(0, 1, 2000)})
    assert np.isinf(sets_needed(distances_notice, fair))


@pytest.mark.parametrize("notices", [ranks_notice, distances_notice])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_verdict_rests_on_what_is_not_a_number(notices, bad):
    with pytest.raises(ValueError, match="gives tau that are not finite: give"):
        notices(pd.DataFrame({"mu": [0.5, 0.4], "tau": [0.5, bad]}))


def test_chains_that_stand_still_are_no_fit():
    """Their Monte Carlo error is not known, so that no distance from the exact mean could be too large."""
    draws = {"mu": np.ones((2, 50)), "tau": np.random.default_rng(1).normal(size=(2, 50))}
    told = {name: np.zeros((2, 50), dtype=int) for name in ("n_steps", "diverging")}
    fit = az.from_dict({"posterior": draws, "sample_stats": told})
    marginals = dict.fromkeys(draws, exact.marginal(stats.norm()))
    with pytest.raises(ValueError, match="from the exact means of mu: give"):
        page_sampler._held(fit, marginals)
    fit["posterior"]["mu"][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"fit gives .*mcse.* not finite: give"):
        calibration._held(fit, dict.fromkeys(draws, 0.3), marginals)


# The recorded study --------------------------------------------------------------------------


def test_the_recorded_study_has_every_model_and_fault():
    recorded = calibration.recorded()
    sets = recorded.groupby("model")["set"].nunique().to_dict()
    assert sets == {name: calibration.SETS.get(name, calibration.USUAL_SETS) for name in CASES}
    assert list(calibration.recorded_faults().index) == list(FAULTS)
    path = Path(calibration.__file__).with_name("data") / "calibration.yaml"
    assert set(yaml.safe_load(path.read_text("utf8"))) >= {"when", "versions", "machine", "note"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["schools_noncentred", "instructors_complete", "hospitals_none"])
def test_recorded_places_in_exact_posteriors_are_those_found_again(name):
    pairs = calibration.data_sets(name)[:2]
    again = calibration.exact_places(pairs, CASES[name].solve)
    recorded = calibration.recorded().query("model == @name and set < 2")
    for row in recorded.itertuples():
        assert again.loc[row.set, row.quantity] == pytest.approx(row.exact_place, rel=1e-3)


@pytest.mark.sampling
def test_a_recorded_fit_made_again_is_like_it():
    pairs = calibration.data_sets("schools_noncentred")[:2]
    again = calibration.sampled_places(CASES["schools_noncentred"], pairs)
    recorded = calibration.recorded().query("model == 'schools_noncentred' and set < 2")
    assert list(again["quantity"]) == list(recorded["quantity"])
    # Two Monte Carlo errors, and ranks among 99 draws.
    apart = again["shift"].to_numpy() - recorded["shift"].to_numpy()
    assert (np.abs(apart) < 5 * np.hypot(again["mcse"], recorded["mcse"].to_numpy())).all()
    assert np.abs(again["place"].to_numpy() - recorded["place"].to_numpy()).max() < 0.3


@pytest.mark.parametrize("recorded", ["calibration", "page_places"])
def test_the_distances_of_all_but_the_centred_form_are_those_of_a_right_sampler(recorded):
    found = mean_squares(records.read(recorded)).drop("schools_centred")
    wrong = found[found["mean"] > found["limit"]]
    assert wrong.empty, wrong


def mean_squares(recorded):
    """Of distances in Monte Carlo errors, with what those of a right sampler stay below."""
    squares = (recorded["shift"] / recorded["mcse"]) ** 2
    found = squares.groupby([recorded["model"], recorded["quantity"]]).agg(["mean", "size"])
    # ArviZ's errors are estimates themselves; a fifth is allowed for that.
    return found.assign(limit=1.2**2 * stats.chi2(found["size"]).isf(1e-4) / found["size"])


def test_the_distances_of_the_centred_form_are_not():
    tau = mean_squares(calibration.recorded()).loc[("schools_centred", "tau")]
    assert tau["mean"] > 2 * tau["limit"]


def test_the_sampler_of_the_pages_was_given_the_same_data_and_ranks_are_uniform():
    """All but the centred form's, for the same reason."""
    keys = ["model", "set", "quantity"]
    ours = records.read("page_places").set_index(keys)
    theirs = calibration.recorded().set_index(keys)
    assert set(ours.index) == {key for key in theirs.index if key[1] < page_sampler.SETS}
    np.testing.assert_allclose(ours["exact_place"], theirs.loc[ours.index, "exact_place"], rtol=1e-3)
    tau = ours["place"].loc["schools_centred", :, "tau"]
    assert ((tau < 0.01).sum(), tau.size) == (4, 20)  # as the README of the sampler says
    ranks = ours["place"].drop("schools_centred").groupby(["model", "quantity"])
    smallest = ranks.agg(lambda places: stats.kstest(places, "uniform").pvalue).min()
    assert smallest > 1e-3 / ranks.ngroups
