"""The data: what they say, where they come from, and that the simulators draw as the source does."""

import doctest
import re
import subprocess
import sys
from importlib import resources

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import optimize, stats

import hierarchical_exact as exact
from support import datasets
from tooling.scripts import instructors

STORED = [
    datasets.eight_schools,
    datasets.survey,
    datasets.hospitals,
    datasets.instructors,
    datasets.rat_tumours,
    datasets.radon,
    datasets.penicillin,
    datasets.bcg_trials,
]
SIMULATORS = [
    datasets.simulate_survey,
    datasets.simulate_hospitals,
    datasets.simulate_schools_with_covariate,
]
PROVENANCE = {"title", "source", "section", "licence", "who", "when", "note"}

# What the source prints, and what its generating code gives with the seeds it names. Neither is
# wrong as data; they are two data sets, and the book says so.
SURVEY_PRINTED = [
    [8, 19, 10, 8],
    [28, 39, 28, 25],
    [13, 31, 12, 4],
    [21, 26, 15, 18],
    [9, 11, 9, 6],
    [27, 37, 17, 14],
]
SURVEY_GENERATED = [
    [3, 35, 1, 6],
    [18, 26, 11, 65],
    [3, 31, 18, 8],
    [21, 32, 24, 3],
    [10, 9, 7, 9],
    [7, 30, 20, 38],
]
RATES_PRINTED = [1.39, 2.06, 2.47, 1.05, 1.51, 3.08, 1.63, 2.03]
RATES_GENERATED = [1.98, 0.88, 2.59, 2.90, 0.51, 0.75, 1.78, 1.36]
EVENTS_PRINTED = [3, 10, 3, 8, 1, 11, 10, 8]
EVENTS_GENERATED = [4, 4, 7, 23, 0, 4, 10, 4]


def same(first: xr.Dataset, second: xr.Dataset) -> bool:
    """Compare values, dimensions and coordinates, whatever the provenance."""
    return first.equals(second)


@pytest.mark.parametrize("load", STORED)
def test_stored_data_say_where_they_come_from(load):
    data = load()
    assert set(data.attrs) == PROVENANCE
    assert all(isinstance(text, str) and text for text in data.attrs.values())


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_simulated_data_say_where_they_come_from(simulate):
    data = simulate(np.random.default_rng(1))
    assert set(data.attrs) == PROVENANCE
    assert simulate.__name__ in data.attrs["source"]


@pytest.mark.parametrize("load", STORED)
def test_every_numeric_variable_has_a_unit_and_every_dimension_has_labels(load):
    data = load()
    for name, variable in data.data_vars.items():
        if np.issubdtype(variable.dtype, np.number):
            assert variable.attrs["units"], name
    assert set(data.dims) == set(data.coords)


def test_every_table_has_a_description_and_the_readme_lists_all():
    folder = resources.files("support") / "data"
    files = {file.name for file in folder.iterdir()}
    stored = {load.__name__ for load in STORED}
    assert {f"{name}.{suffix}" for name in stored for suffix in ("csv", "yaml")} <= files
    readme = (folder / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE)
    assert sorted(listed) == sorted({name.split(".")[0] for name in files} - {"README"})


def test_eight_schools_are_rubins():
    data = datasets.eight_schools()
    assert "".join(data["school"].values) == "ABCDEFGH"
    assert data["effect"].values.tolist() == [28, 8, -3, 7, -1, 1, 18, 12]
    assert data["standard_error"].values.tolist() == [15, 10, 16, 11, 9, 11, 10, 18]


def test_survey_is_as_printed_and_adds_up_to_the_sample_sizes():
    data = datasets.survey()
    assert data["count"].dims == ("region", "response")
    assert data["response"].values.tolist() == ["SA", "A", "D", "SD"]
    assert data["region"].values.tolist() == [f"region {r}" for r in range(1, 7)]
    assert data["count"].values.tolist() == SURVEY_PRINTED
    assert data["count"].sum("response").values.tolist() == list(datasets.SURVEY_SIZES)


def test_hospitals_are_as_printed():
    data = datasets.hospitals()
    assert data["hospital"].values.tolist() == [f"hospital {h}" for h in range(1, 9)]
    assert data["exposure"].values.tolist() == list(datasets.HOSPITAL_EXPOSURE)
    assert data["true_rate"].values.tolist() == RATES_PRINTED
    assert data["count"].values.tolist() == EVENTS_PRINTED


def test_tumours_of_rats_have_the_published_totals():
    """BDA3, chapter 5: 70 earlier groups, 14 of them without a tumour, and 4 of 14 rats in the last."""
    data = datasets.rat_tumours()
    tumours, rats = data["tumours"].values, data["rats"].values
    assert data["experiment"].values.tolist() == list(range(1, 72))
    assert (tumours.sum(), rats.sum()) == (267, 1739)
    assert (tumours == 0).sum() == 14
    assert (tumours[-1], rats[-1]) == (4, 14)
    # Method of moments on the earlier groups, as published: mean 0.136, sd 0.103, so that Beta(1.4, 8.6).
    share = tumours[:-1] / rats[:-1]
    mean, sd = share.mean(), share.std(ddof=1)
    total = mean * (1 - mean) / sd**2 - 1
    assert (round(mean, 3), round(sd, 3)) == (0.136, 0.103)
    assert (round(mean * total, 1), round((1 - mean) * total, 1)) == (1.4, 8.6)


def restricted_likelihood(design, y, variance):
    """Variance between groups, coefficients and their standard errors by REML, written out."""

    def regression(tau2):
        weight = 1 / (variance + tau2)
        information = (design.T * weight) @ design
        coefficients = np.linalg.solve(information, design.T @ (weight * y))
        return weight, information, coefficients

    def loss(tau2):
        weight, information, coefficients = regression(tau2)
        left = y - design @ coefficients
        return np.linalg.slogdet(information)[1] - np.log(weight).sum() + weight @ left**2

    tau2 = optimize.minimize_scalar(loss, bounds=(0, 2), method="bounded", options={"xatol": 1e-9}).x
    _, information, coefficients = regression(tau2)
    return tau2, coefficients, np.sqrt(np.diag(np.linalg.inv(information)))


def test_bcg_trials_give_the_published_estimates():
    """REML of the log risk ratios, without and with latitude, as metafor's manual has them."""
    data = datasets.bcg_trials()
    y, variance = data["effect"].values, data["standard_error"].values ** 2
    assert int(data["vaccinated"].sum() + data["control"].sum()) == 357347
    tau2, (mu,), (error,) = restricted_likelihood(np.ones((13, 1)), y, variance)
    assert [round(float(x), 4) for x in (tau2, mu, error)] == [0.3132, -0.7145, 0.1798]
    design = np.column_stack([np.ones(13), data["latitude"].values])
    tau2, coefficients, _ = restricted_likelihood(design, y, variance)
    assert tau2 == pytest.approx(0.0764, abs=1e-4)  # the published one stopped a little early
    assert [round(float(x), 4) for x in coefficients] == [0.2515, -0.0291]


def test_exact_posteriors_of_bcg_trials_have_the_published_estimates_as_limits():
    """Priors as good as flat: the evidence of a known tau is the restricted likelihood."""
    flat = stats.norm(0, 1e6)
    data = datasets.bcg_trials()
    y, sigma, latitude = (data[name].values for name in ("effect", "standard_error", "latitude"))
    for more, tau2, expected in (
        ({}, 0.3132, {"mu": -0.7145}),
        ({"covariates": latitude, "beta": flat}, 0.0764, {"mu": 0.2515, "beta": -0.0291}),
    ):

        def solve(tau, more=more):
            return exact.normal(y, sigma, mu=flat, tau=float(tau), **more)

        best = optimize.minimize_scalar(
            lambda tau: -solve(tau).log_evidence, bounds=(0.05, 1), method="bounded"
        ).x
        assert best**2 == pytest.approx(tau2, abs=1e-4)
        for name, value in expected.items():
            assert np.ravel(solve(tau2**0.5)[name].mean())[0] == pytest.approx(value, abs=1e-4)
    assert exact.normal(y, sigma, mu=flat, tau=0.3132**0.5)["mu"].sd() == pytest.approx(0.1798, abs=1e-4)


def test_radon_has_the_published_counts_and_estimates():
    """Gelman and Hill (2006), chapter 12: 919 houses, 85 counties, and the regression on the floor alone."""
    data = datasets.radon()
    names, houses = np.unique(data["of_county"], return_counts=True)
    assert (len(names), houses.sum(), houses.min(), houses.max()) == (85, 919, 1, 116)
    assert set(names) == set(data["county"].values)
    log_radon, floor = np.log(data["radon"]), data["floor"]
    assert floor.sum() == 153
    basement = log_radon[floor == 0].mean().item()
    assert (round(basement, 2), round(log_radon[floor == 1].mean().item() - basement, 2)) == (1.33, -0.61)


@pytest.mark.parametrize(
    ("predictors", "coefficients", "errors", "scales"),
    [
        (["intercept", "floor"], [1.46, -0.69], [0.05, 0.07], [0.33, 0.76]),
        (["intercept", "floor", "uranium"], [1.47, -0.67, 0.72], [0.04, 0.07, 0.09], [0.16, 0.76]),
    ],
)
def test_radon_has_the_published_reml_estimates_as_limits(predictors, coefficients, errors, scales):
    """Gelman and Hill (2006), pages 259 and 266, by lmer: coefficients, their errors, between and within."""
    data = datasets.radon()
    county = data["of_county"].values
    columns = {"intercept": 1.0, "floor": data["floor"].values}
    columns["uranium"] = data["uranium"].sel(county=county).values
    given = np.log(data["radon"].values), pd.DataFrame(columns)[predictors]

    def solve(log_scales, beta):
        tau, sigma = map(float, np.exp(log_scales))
        return exact.mixed(*given, terms={"county": county}, beta=beta, sigma=sigma, tau=tau)

    wide = stats.norm(0, 1e4)
    found = optimize.minimize(
        lambda scales: -solve(scales, wide).log_evidence, np.log(scales), method="Nelder-Mead"
    )
    assert np.exp(found.x).round(2).tolist() == scales
    beta = solve(found.x, None)["beta"]
    assert beta.mean().values.round(2).tolist() == coefficients
    assert beta.sd().values.round(2).tolist() == errors


def test_penicillin_has_the_published_mean_and_estimates():
    """Of a balanced design REML is the analysis of variance: lme4 prints these to four digits."""
    diameter = datasets.penicillin()["diameter"].transpose("plate", "batch").values
    assert round(diameter.mean(), 4) == 22.9722
    plate, batch = diameter.mean(axis=1, keepdims=True), diameter.mean(axis=0)
    left = ((diameter - plate - batch + diameter.mean()) ** 2).sum() / (23 * 5)
    found = [left, plate.var(ddof=1) - left / 6, batch.var(ddof=1) - left / 24]
    assert np.sqrt(found).round(4).tolist() == [0.5499, 0.8467, 1.9316]


def test_instructors_come_from_their_seed():
    result = subprocess.run([sys.executable, instructors.__file__], capture_output=True, check=True)
    assert result.stdout == (resources.files("support") / "data" / "instructors.csv").read_bytes()
    assert str(instructors.SEED) in datasets.instructors().attrs["source"]


def test_instructors_have_the_sizes_of_the_book_and_possible_scores():
    data = datasets.instructors()
    labels, sizes = np.unique(data["instructor"], return_counts=True)
    assert labels.tolist() == [f"Instructor {i}" for i in range(1, 6)]
    assert sizes.tolist() == [8, 12, 14, 16, 18]
    score = data["score"].values
    assert score.min() >= 0
    assert score.max() <= 100
    assert np.array_equal(score, score.round(1))
    assert data["student"].values.tolist() == list(range(1, 69))


# The source's generating steps, written down again with NumPy alone.


def test_simulate_survey_draws_as_the_source_does():
    rng = np.random.default_rng(2025)
    rows = []
    for size in [45, 120, 60, 80, 35, 95]:
        proportions = rng.dirichlet(8.0 * np.array([0.25, 0.35, 0.25, 0.15]))
        rows.append(rng.multinomial(size, proportions))
    after = rng.random()

    ours = np.random.default_rng(2025)
    data = datasets.simulate_survey(ours)
    assert np.array_equal(data["count"], rows)
    assert ours.random() == after  # the generator is left in the same state


def test_simulate_hospitals_draws_as_the_source_does():
    rng = np.random.default_rng(42)
    exposure = np.array([2.1, 5.0, 1.3, 8.2, 0.7, 3.5, 6.1, 4.0])
    rates = rng.lognormal(0.5, 0.6, size=8)
    events = rng.poisson(rates * exposure)
    after = rng.random()

    ours = np.random.default_rng(42)
    data = datasets.simulate_hospitals(ours)
    assert np.array_equal(data["exposure"], exposure)
    assert np.array_equal(data["true_rate"], rates)
    assert np.array_equal(data["count"], events)
    assert ours.random() == after


def test_simulate_schools_draws_as_the_source_does():
    rng = np.random.default_rng(42)
    kind = np.repeat([0.0, 1.0], [8, 4])
    true_effects = 8.0 + 5.0 * kind + rng.normal(0, 4.0, 12)
    errors = rng.uniform(8, 16, 12)
    effects = rng.normal(true_effects, errors)
    after = rng.random()

    ours = np.random.default_rng(42)
    data = datasets.simulate_schools_with_covariate(ours)
    assert np.array_equal(data["private"], kind)
    assert np.array_equal(data["true_effect"], true_effects)
    assert np.array_equal(data["standard_error"], errors)
    assert np.array_equal(data["effect"], effects)
    assert ours.random() == after


def test_printed_survey_is_not_what_the_code_gives():
    generated = datasets.simulate_survey(np.random.default_rng(2025))["count"]
    printed = datasets.survey()["count"]
    assert generated.values.tolist() == SURVEY_GENERATED
    assert printed.values.tolist() == SURVEY_PRINTED
    # The sample sizes agree; 22 of the 24 counts do not.
    assert (generated.sum("response") == printed.sum("response")).all()
    assert int((generated != printed).sum()) == 22


def test_printed_hospitals_are_not_what_the_code_gives():
    generated = datasets.simulate_hospitals(np.random.default_rng(42))
    printed = datasets.hospitals()
    assert generated["true_rate"].values.round(2).tolist() == RATES_GENERATED
    assert generated["count"].values.tolist() == EVENTS_GENERATED
    assert printed["true_rate"].values.tolist() == RATES_PRINTED
    assert printed["count"].values.tolist() == EVENTS_PRINTED
    # Not one rate agrees; of the counts only hospital 7's does.
    assert (generated["true_rate"].round(2) != printed["true_rate"]).all()
    assert int((generated["count"] != printed["count"]).sum()) == 7


@pytest.mark.parametrize(
    ("stored", "simulate", "truth"),
    [
        (datasets.survey, datasets.simulate_survey, {"true_proportion"}),
        (datasets.hospitals, datasets.simulate_hospitals, set()),
    ],
)
def test_simulated_data_have_the_form_of_the_stored(stored, simulate, truth):
    stored, simulated = stored(), simulate(np.random.default_rng(3))
    assert set(simulated.data_vars) == set(stored.data_vars) | truth
    for name, variable in stored.data_vars.items():
        assert simulated[name].dims == variable.dims
        assert simulated[name].dtype == variable.dtype
        assert simulated[name].attrs == variable.attrs
    assert all(simulated[name].equals(stored[name]) for name in stored.coords)


# Limits in which the answer is known.


def test_a_huge_concentration_makes_all_regions_alike():
    data = datasets.simulate_survey(np.random.default_rng(5), concentration=1e12)
    expected = np.broadcast_to(datasets.SURVEY_BASELINE, (6, 4))
    np.testing.assert_allclose(data["true_proportion"], expected, atol=1e-5)


def test_proportions_sum_to_one_with_any_number_of_responses():
    data = datasets.simulate_survey(np.random.default_rng(5), sizes=[10, 20], baseline=[0.6, 0.4])
    np.testing.assert_allclose(data["true_proportion"].sum("response"), 1)
    assert data["response"].values.tolist() == ["response 1", "response 2"]


def test_no_spread_of_log_rates_makes_all_rates_alike():
    data = datasets.simulate_hospitals(np.random.default_rng(5), mu_log=0.3, sigma_log=0)
    np.testing.assert_allclose(data["true_rate"], np.exp(0.3))


def test_no_spread_of_effects_leaves_the_covariate_alone():
    data = datasets.simulate_schools_with_covariate(
        np.random.default_rng(5), private=[0, 1, 1], mu=2, beta=3, tau=0
    )
    assert data["true_effect"].values.tolist() == [2, 5, 5]


def test_no_spread_at_all_gives_every_student_the_mean():
    data = instructors.simulate(np.random.default_rng(5), mu=61, tau=0, sigma=0)
    assert set(data["score"].values) == {61.0}


def test_scores_are_cut_off_at_the_ends_of_the_scale():
    rng = np.random.default_rng(5)
    data = instructors.simulate(rng, mu=100, tau=0, sigma=30, sizes=[400])
    assert data["score"].max() == 100
    assert data["score"].min() >= 0


def test_instructors_spread_as_the_generating_values_say():
    # 2000 sections of 50: standard errors of the two spreads are far below the tolerances.
    rng = np.random.default_rng(5)
    data = instructors.simulate(rng, sizes=[50] * 2000, mu=50, tau=3, sigma=6)
    assert data["true_mean"].values[::50].std() == pytest.approx(3, rel=0.06)
    assert (data["score"] - data["true_mean"]).std() == pytest.approx(6, rel=0.02)


@pytest.mark.parametrize(
    ("simulate", "arguments", "message"),
    [
        (datasets.simulate_survey, {"sizes": [45, 0]}, "sizes contains 0"),
        (datasets.simulate_survey, {"sizes": [45, 3.5]}, "sizes contains 3.5"),
        (datasets.simulate_survey, {"sizes": []}, "sizes has shape"),
        (datasets.simulate_survey, {"sizes": "many"}, "sizes is 'many'"),
        (datasets.simulate_survey, {"concentration": 0}, "concentration is 0"),
        (datasets.simulate_survey, {"concentration": np.inf}, "concentration is inf"),
        (datasets.simulate_survey, {"baseline": [0.5, 0.6]}, "divide it by its sum"),
        (datasets.simulate_survey, {"baseline": [1.0, 0.0]}, "baseline contains 0"),
        (datasets.simulate_hospitals, {"exposure": [1, -2]}, "exposure contains -2"),
        (datasets.simulate_hospitals, {"exposure": [[1, 2]]}, "exposure has shape"),
        (datasets.simulate_hospitals, {"mu_log": np.nan}, "mu_log is nan"),
        (datasets.simulate_hospitals, {"sigma_log": -0.1}, "sigma_log is -0.1"),
        (datasets.simulate_schools_with_covariate, {"private": [0, 2]}, "private contains 2"),
        (datasets.simulate_schools_with_covariate, {"beta": None}, "beta is None"),
        (datasets.simulate_schools_with_covariate, {"tau": -1}, "tau is -1"),
        (
            datasets.simulate_schools_with_covariate,
            {"standard_error_range": (16, 8)},
            "in this order",
        ),
        (datasets.simulate_survey, {"sizes": [-8]}, "sizes contains -8"),
    ],
)
def test_bad_arguments_are_named_with_a_remedy(simulate, arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        simulate(np.random.default_rng(1), **arguments)
    assert ": give " in str(error.value) or ": divide " in str(error.value)


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_a_bare_seed_is_refused(simulate):
    with pytest.raises(ValueError, match=r"numpy\.random\.default_rng\(seed\)"):
        simulate(42)


def test_the_examples_in_the_docstrings_hold():
    result = doctest.testmod(datasets)
    assert result.attempted > 10
    assert result.failed == 0


def test_data_keep_no_array_of_the_caller():
    exposure = np.array([1.0, 2.0])
    data = datasets.simulate_hospitals(np.random.default_rng(1), exposure=exposure)
    exposure[0] = 9.0
    assert data["exposure"].values.tolist() == [1.0, 2.0]
