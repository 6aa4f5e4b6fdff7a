"""What the page on calibration says of its own."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling.audit import calibration, numbers, records

ERROR = datasets.eight_schools()["standard_error"].values


@states(
    "chapters/calibration.md",
    "So if someone hands us a posterior, the true value must lie in it like a draw from it",
)
@states("chapters/calibration.md", "A sampler returns the prior for every data set, whatever the data are.")
@states(
    "chapters/calibration.md",
    "The true value is a draw from the prior, so that its place in the prior is uniform.",
)
@states("chapters/calibration.md", "Uniform places are necessary and not sufficient.")
@states("chapters/calibration.md", "So their places in right posteriors are uniform")
@states("chapters/calibration.md", "the posterior probability below the true value is uniform over data sets")
@states("chapters/calibration.md", "The test passes a sampler that returns the prior")
def test_right_posteriors_and_the_prior_both_pass():
    """One group, where everything is closed: theta Normal(0, 1), y Normal(theta, 1)."""
    rng = np.random.default_rng(1)
    theta = rng.normal(size=20_000)
    y = rng.normal(theta)
    for place in (stats.norm(y / 2, np.sqrt(0.5)).cdf(theta), stats.norm.cdf(theta)):
        assert stats.kstest(place, "uniform").pvalue > 1e-3
    assert stats.kstest(stats.norm(y / 2, 0.6).cdf(theta), "uniform").pvalue < 1e-6


@states(
    "chapters/calibration.md",
    "To find a shift of a given size, ranks need about ESS times as many data sets.",
)
@states("chapters/calibration.md", "It falls to half of the shift only at $S = 4/\\text{shift}^2$.")
@states(
    "chapters/calibration.md", "Against an exact posterior it takes about that number divided by the ESS."
)
@states(
    "chapters/calibration.md",
    "posterior standard deviations takes more than $4/\\delta^2$ data sets to see by ranks.",
)
def test_what_a_shift_takes():
    """A z-test on as many true values as there are draws in all fits sees as much as one on their means."""
    shift, ess = 0.1, 400
    assert 1 / np.sqrt(4 / shift**2) == pytest.approx(shift / 2)
    for sets in (1, 4, 16):
        by_distance = shift * np.sqrt(ess) * np.sqrt(sets)
        by_truth = shift * np.sqrt(ess * sets)
        assert by_distance == pytest.approx(by_truth)


@states(
    "chapters/calibration.md",
    "The distances tell with one data set, and with five so do the ranks of the likelihood, which binds "
    "parameters and data.",
)
@states("chapters/calibration.md", "if it looks at parameters only")
def test_ranks_of_the_likelihood_see_that_the_data_are_hardly_used():
    """Of a hundred data sets, five by five: whether a test at a quarter of 5% notices."""
    rng, wrong, draws = np.random.default_rng(58), ERROR**2, 99
    places = []
    for _ in range(100):
        tau, mu = TAU_PRIOR.rvs(random_state=rng), MU_PRIOR.rvs(random_state=rng)
        theta = rng.normal(mu, tau, ERROR.size)
        y = rng.normal(theta, ERROR)
        sampled = exact.normal(y, wrong, mu=MU_PRIOR, tau=TAU_PRIOR).sample(draws, rng)["theta"].values
        own, others = (stats.norm.logpdf(y, one, wrong).sum(axis=-1) for one in (theta, sampled))
        places.append(((others < own).sum() + 0.5) / (draws + 1))
    noticed = [stats.kstest(five, "uniform").pvalue < 0.05 / 4 for five in np.reshape(places, (20, 5))]
    assert np.mean(noticed) >= 0.9


@states(
    "chapters/calibration.md",
    "where variances are taken for standard deviations, each posterior is nearly the prior",
)
@states(
    "chapters/calibration.md",
    "It takes away most of the posterior near zero, by far more than the centred form does.",
)
def test_what_two_of_the_faults_do():
    schools = datasets.eight_schools()
    vague = exact.normal(schools["effect"], ERROR**2, mu=MU_PRIOR, tau=TAU_PRIOR)
    grid = np.linspace(0, 40, 401)
    overlap = np.trapezoid(np.minimum(vague["tau"].pdf(grid), TAU_PRIOR.pdf(grid)), grid)
    assert overlap > 0.97
    right = calibration.solve_schools(schools)["tau"].cdf(1.0)
    left_out = calibration.FAULTS["Jacobian of tau² left out"](schools)["tau"].cdf(1.0)
    assert left_out < right / 4


@states(
    "chapters/calibration.md",
    "The centred form misses the neck of the funnel and so makes $\\tau$ a little too large in most fits",
)
def test_the_centred_form_is_shifted_up():
    taus = calibration.recorded().query("model == 'schools_centred' and quantity == 'tau'")
    assert (taus["shift"] > 0).mean() > 0.6
    assert taus["shift"].mean() > 4 * taus["shift"].std() / np.sqrt(len(taus))


@states("chapters/calibration.md", "which should be 1. One model stands out")
def test_one_model_stands_out():
    recorded = calibration.recorded()
    z = recorded["shift"] / recorded["mcse"]
    distance = np.sqrt((z**2).groupby(recorded["model"]).mean())
    assert distance.idxmax() == "schools_centred"
    assert distance.drop("schools_centred").max() < 1.3 < distance["schools_centred"]


@states(
    "chapters/calibration.md",
    "are … at most, in the centred form and, as large, in the trials with a Student-t population.",
)
@states(
    "chapters/calibration.md",
    "in the centred form they are …, with a p of …, where the smallest p of the … other quantities is ….",
)
@states("chapters/calibration.md", "the first twenty data sets of each model, or all where there are fewer.")
def test_the_sampler_of_the_pages_was_given_the_same():
    own, theirs = records.read("page_places"), calibration.recorded()
    sets = theirs.groupby("model")["set"].nunique()
    assert own.groupby("model")["set"].nunique().to_dict() == sets.clip(upper=20).to_dict()
    z = own["shift"] / own["mcse"]
    distance = np.sqrt((z**2).groupby(own["model"]).mean())
    # Within a data set quantities go together: as many squares as sets, whose root has this error.
    error = 1 / np.sqrt(2 * own.groupby("model")["set"].nunique())
    assert (distance < 1 + 3 * error).all()
    largest = distance.sort_values().tail(2)
    assert set(largest.index) == {"schools_centred", "trials_student"}
    assert np.ptp(largest) < 0.005
    total = (z**2).groupby([own["model"], own["quantity"]]).agg(["sum", "size"])
    p = pd.Series(stats.chi2(total["size"]).sf(total["sum"]), total.index) * len(total)
    assert p.idxmin() == ("schools_centred", "tau")
    assert p.min() < 0.05 < p.nsmallest(2).iloc[1]


@states("chapters/calibration.md", "The survey has four data sets only")
@states("chapters/calibration.md", "The same study was made of every model that has a builder")
def test_every_model_was_studied():
    recorded = calibration.recorded()
    sets = recorded.groupby("model")["set"].nunique()
    assert (sets["survey_hierarchical"], sets["houses_slopes"]) == (4, 8)
    assert sets.drop(["survey_hierarchical", "houses_slopes"]).min() >= 40
    assert set(sets.index) == set(calibration.CASES)


@states(
    "chapters/audit.md",
    "The table of the eight schools is all reproduced, and the arithmetic of Exercise 1 nearly all. Of the "
    "two simulated data sets hardly a number is, apart from the exposures.",
)
@states("chapters/audit.md", "and most effective sample sizes lie outside the range of our runs")
@states(
    "chapters/audit.md",
    "All of its standard deviations and most of its means are too far from the exact ones",
)
@states("chapters/audit.md", "Most of the arithmetic is right; most of the simulated data and of the output")
@states("chapters/audit.md", "more than half are wrong or out of reach")
@states("chapters/audit.md", "The largest table is the summary of the Eight Schools posterior.")
@pytest.mark.slow  # judges every number
def test_the_picture_of_the_verdicts():
    table = numbers.verdicts()
    held = table["verdict"].isin(["reproduced", "agrees", "run-dependent, inside"])
    holds = held.groupby(table["group"]).mean()
    assert holds["eight-schools-data"] == 1
    arithmetic = table["group"].str.match("exercise-1|example")
    assert 0.8 < held[arithmetic].mean() < 1
    drawn = table["group"].isin(["survey-counts", "exercise-3-data"]) & (table["column"] != "exposure")
    assert held[drawn].mean() < 0.1
    sizes = table["column"].str.startswith("ess") & table["verdict"].str.startswith("run")
    assert (table["verdict"][sizes] == "run-dependent, outside").mean() > 0.8
    largest = table[table["group"] == table["group"].mode()[0]].set_index("column")
    assert largest["group"].iloc[0] == "eight-schools-summary"
    assert (largest.loc["sd", "verdict"] == "not reproduced").all()
    assert 0.5 < (largest.loc["mean", "verdict"] == "not reproduced").mean() < 1
    fits = table["group"].str.contains("summary|diagnostics|predictive|widths|loo|covariate|new-school|width")
    assert held[fits].mean() < 0.5
