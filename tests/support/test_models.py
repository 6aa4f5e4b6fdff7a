"""The models: their log densities written out with SciPy, their names and their shapes."""

import doctest

import numpy as np
import pytest
import xarray as xr
from pymc.model.transform.conditioning import remove_value_transforms
from pytensor.compile.mode import Mode
from scipy import stats

from support import datasets, models
from tooling.audit import builders

# Each density is evaluated a few times only, so compiling it would cost more than it saves.
UNCOMPILED = Mode(linker="py", optimizer="fast_compile")

INSTRUCTORS = datasets.instructors()
SCHOOLS = datasets.eight_schools()
KINDS = datasets.simulate_schools_with_covariate(np.random.default_rng(42))
SURVEY = datasets.survey()
HOSPITALS = datasets.hospitals()
RATS = datasets.rat_tumours()
TRIALS = datasets.bcg_trials()
HOUSES = datasets.radon()
PENICILLIN = datasets.penicillin()

BUILDERS = {
    builders.instructors_complete: INSTRUCTORS,
    builders.instructors_none: INSTRUCTORS,
    builders.instructors_partial: INSTRUCTORS,
    builders.schools_centred: SCHOOLS,
    models.schools_noncentred: SCHOOLS,
    builders.schools_complete: SCHOOLS,
    builders.schools_none: SCHOOLS,
    builders.schools_covariate: KINDS,
    models.survey_hierarchical: SURVEY,
    models.hospitals_hierarchical: HOSPITALS,
    builders.hospitals_none: HOSPITALS,
    builders.rats_hierarchical: RATS,
    builders.rats_logit_normal: RATS,
    builders.trials_student: TRIALS,
    builders.trials_latitude: TRIALS,
    builders.houses_intercepts: HOUSES,
    builders.houses_slopes: HOUSES,
    builders.penicillin_crossed: PENICILLIN,
}


def log_density(model, point):
    """Evaluate a model's joint log density at a point on the constrained scale."""
    constrained = remove_value_transforms(model)
    evaluate = constrained.compile_logp(jacobian=False, mode=UNCOMPILED)
    return float(evaluate(point))


def normal(x, mean, sd):
    return stats.norm(mean, sd).logpdf(x).sum()


def half_normal(x, sd):
    return stats.halfnorm(scale=sd).logpdf(x).sum()


def dirichlet(x, weights):
    return stats.dirichlet(weights).logpdf(x)


def random_point(rng, groups=8, responses=4, regions=6):
    """Draw values for every name a model may have; none is drawn from its prior."""
    return {
        "mu": rng.normal(20, 20),
        "beta": rng.normal(0, 10),
        "tau": rng.uniform(0.1, 20),
        "sigma": rng.uniform(5, 25),
        "sigmas": rng.uniform(5, 25, groups),
        "theta": rng.normal(20, 20, groups),
        "theta_raw": rng.normal(0, 2, groups),
        "alpha": rng.uniform(0.2, 12),
        "pi0": rng.dirichlet(np.full(responses, 3.0)),
        "pi": rng.dirichlet(np.full(responses, 3.0), size=regions),
        "mu_log": rng.normal(),
        "sigma_log": rng.uniform(0.05, 2),
        "lam_raw": rng.normal(0, 2, groups),
        "lam": rng.uniform(0.1, 5, groups),
    }


@pytest.fixture(params=[11, 12, 13])
def rng(request):
    return np.random.default_rng(request.param)


def pick(point, *names):
    return {name: point[name] for name in names}


# One test per model: the sum of the log densities the text writes down.


def test_instructors_complete(rng):
    p = pick(random_point(rng), "mu", "sigma")
    score = INSTRUCTORS["score"].values
    expected = normal(p["mu"], 50, 25) + half_normal(p["sigma"], 15) + normal(score, p["mu"], p["sigma"])
    assert log_density(builders.instructors_complete(INSTRUCTORS), p) == pytest.approx(expected)


def test_instructors_none(rng):
    point = random_point(rng, groups=5)
    p = {"theta": point["theta"], "sigma": point["sigmas"]}
    expected = normal(p["theta"], 50, 25) + half_normal(p["sigma"], 15)
    for i in range(5):
        own = INSTRUCTORS["score"].values[INSTRUCTORS["instructor"] == f"Instructor {i + 1}"]
        expected += normal(own, p["theta"][i], p["sigma"][i])
    assert log_density(builders.instructors_none(INSTRUCTORS), p) == pytest.approx(expected)


def test_instructors_partial(rng):
    p = pick(random_point(rng, groups=5), "mu", "tau", "sigma", "theta_raw")
    expected = normal(p["mu"], 50, 25) + half_normal(p["tau"], 10) + half_normal(p["sigma"], 15)
    expected += normal(p["theta_raw"], 0, 1)
    for i in range(5):
        own = INSTRUCTORS["score"].values[INSTRUCTORS["instructor"] == f"Instructor {i + 1}"]
        expected += normal(own, p["mu"] + p["tau"] * p["theta_raw"][i], p["sigma"])
    assert log_density(builders.instructors_partial(INSTRUCTORS), p) == pytest.approx(expected)


def test_schools_centred(rng):
    p = pick(random_point(rng), "mu", "tau", "theta")
    expected = normal(p["mu"], 0, 20) + half_normal(p["tau"], 10)
    expected += normal(p["theta"], p["mu"], p["tau"])
    expected += normal(SCHOOLS["effect"], p["theta"], SCHOOLS["standard_error"])
    assert log_density(builders.schools_centred(SCHOOLS), p) == pytest.approx(expected)


def test_schools_noncentred(rng):
    p = pick(random_point(rng), "mu", "tau", "theta_raw")
    theta = p["mu"] + p["tau"] * p["theta_raw"]
    expected = normal(p["mu"], 0, 20) + half_normal(p["tau"], 10) + normal(p["theta_raw"], 0, 1)
    expected += normal(SCHOOLS["effect"], theta, SCHOOLS["standard_error"])
    assert log_density(models.schools_noncentred(SCHOOLS), p) == pytest.approx(expected)


def test_schools_complete(rng):
    p = pick(random_point(rng), "mu")
    expected = normal(p["mu"], 0, 20)
    expected += normal(SCHOOLS["effect"], p["mu"], SCHOOLS["standard_error"])
    assert log_density(builders.schools_complete(SCHOOLS), p) == pytest.approx(expected)


def test_schools_none(rng):
    p = pick(random_point(rng), "theta")
    expected = normal(p["theta"], 0, 20)
    expected += normal(SCHOOLS["effect"], p["theta"], SCHOOLS["standard_error"])
    assert log_density(builders.schools_none(SCHOOLS), p) == pytest.approx(expected)


def test_schools_covariate(rng):
    p = pick(random_point(rng, groups=12), "mu", "beta", "tau", "theta_raw")
    theta = p["mu"] + p["beta"] * np.repeat([0, 1], [8, 4]) + p["tau"] * p["theta_raw"]
    expected = normal(p["mu"], 0, 20) + normal(p["beta"], 0, 10) + half_normal(p["tau"], 10)
    expected += normal(p["theta_raw"], 0, 1)
    expected += normal(KINDS["effect"], theta, KINDS["standard_error"])
    assert log_density(builders.schools_covariate(KINDS), p) == pytest.approx(expected)


def multinomial(pi):
    rows = zip(SURVEY["count"].values, pi, strict=True)
    return sum(stats.multinomial(count.sum(), p).logpmf(count) for count, p in rows)


def test_survey_hierarchical(rng):
    p = pick(random_point(rng), "alpha", "pi0", "pi")
    expected = stats.expon().logpdf(p["alpha"])
    expected += dirichlet(p["pi0"], np.ones(4)) + multinomial(p["pi"])
    expected += sum(dirichlet(row, p["alpha"] * p["pi0"]) for row in p["pi"])
    assert log_density(models.survey_hierarchical(SURVEY), p) == pytest.approx(expected)


def poisson(lam):
    exposed = lam * HOSPITALS["exposure"].values
    return stats.poisson(exposed).logpmf(HOSPITALS["count"].values).sum()


def test_hospitals_hierarchical(rng):
    p = pick(random_point(rng), "mu_log", "sigma_log", "lam_raw")
    lam = np.exp(p["mu_log"] + p["sigma_log"] * p["lam_raw"])
    expected = normal(p["mu_log"], 0, 1) + half_normal(p["sigma_log"], 1)
    expected += normal(p["lam_raw"], 0, 1) + poisson(lam)
    assert log_density(models.hospitals_hierarchical(HOSPITALS), p) == pytest.approx(expected)


def test_hospitals_none(rng):
    p = pick(random_point(rng), "lam")
    # Gamma with shape 1 and rate 0.5, that is, scale 2.
    expected = stats.gamma(1, scale=2).logpdf(p["lam"]).sum() + poisson(p["lam"])
    assert log_density(builders.hospitals_none(HOSPITALS), p) == pytest.approx(expected)


def test_rats_hierarchical(rng):
    p = {"mean": rng.uniform(), "concentration": rng.uniform(1, 90), "theta": rng.uniform(size=71)}
    a = p["mean"] * p["concentration"]
    # Gamma with shape 2 and rate 0.05, that is, scale 20; the mean is uniform.
    expected = stats.gamma(2, scale=20).logpdf(p["concentration"])
    expected += stats.beta(a, p["concentration"] - a).logpdf(p["theta"]).sum()
    expected += stats.binom(RATS["rats"].values, p["theta"]).logpmf(RATS["tumours"].values).sum()
    assert log_density(builders.rats_hierarchical(RATS), p) == pytest.approx(expected)


def test_rats_logit_normal(rng):
    p = {"mu": rng.normal(-2, 1), "tau": rng.uniform(0.1, 2), "z": rng.normal(size=71)}
    expected = normal(p["mu"], -2, 1) + half_normal(p["tau"], 1) + normal(p["z"], 0, 1)
    theta = 1 / (1 + np.exp(-p["mu"] - p["tau"] * p["z"]))
    expected += stats.binom(RATS["rats"].values, theta).logpmf(RATS["tumours"].values).sum()
    assert log_density(builders.rats_logit_normal(RATS), p) == pytest.approx(expected)


def test_trials_student(rng):
    p = pick(random_point(rng, groups=13), "mu", "tau", "theta")
    expected = normal(p["mu"], 0, 1) + half_normal(p["tau"], 1)
    expected += stats.t(4, p["mu"], p["tau"]).logpdf(p["theta"]).sum()
    expected += normal(TRIALS["effect"], p["theta"], TRIALS["standard_error"])
    assert log_density(builders.trials_student(TRIALS), p) == pytest.approx(expected)


def test_trials_latitude(rng):
    p = pick(random_point(rng, groups=13), "mu", "beta", "tau", "theta_raw")
    centre = p["mu"] + p["beta"] * (TRIALS["latitude"].values - 33) / 10
    expected = normal(p["mu"], 0, 1) + normal(p["beta"], 0, 0.5) + normal(p["theta_raw"], 0, 1)
    theta = centre + p["tau"] * p["theta_raw"]
    expected += half_normal(p["tau"], 1) + normal(TRIALS["effect"], theta, TRIALS["standard_error"])
    assert log_density(builders.trials_latitude(TRIALS), p) == pytest.approx(expected)


def houses_density(p, intercepts, slopes):
    """Log density of the houses and of what both of their models have."""
    county = [list(HOUSES["county"].values).index(name) for name in HOUSES["of_county"].values]
    uranium = HOUSES["uranium"].values[county]
    mean = p["beta"][0] + p["beta"][2] * uranium + intercepts[county]
    mean += (p["beta"][1] + slopes[county]) * HOUSES["floor"].values
    found = normal(p["beta"], 0, 2) + half_normal(p["sigma"], 1) + normal(p["z"], 0, 1)
    return found + normal(np.log(HOUSES["radon"].values), mean, p["sigma"])


def test_houses_intercepts(rng):
    p = {"beta": rng.normal(0, 2, 3), "sigma": 0.8, "tau_county": 0.4, "z": rng.normal(size=85)}
    expected = half_normal(0.4, 1) + houses_density(p, 0.4 * p["z"], np.zeros(85))
    assert log_density(builders.houses_intercepts(HOUSES), p) == pytest.approx(expected)


def test_houses_slopes(rng):
    p = {"beta": rng.normal(0, 2, 3), "sigma": 0.8, "z": rng.normal(size=(2, 85))}
    first, second, rho = 0.4, 0.7, 0.3
    rest = np.sqrt(1 - rho**2)
    p["chol"] = np.array([first, second * rho, second * rest])
    expected = half_normal(first, 1) + half_normal(second, 1)
    # LKJ of two effects is a Beta density; the factor's elements have the Jacobian second / rest.
    expected += stats.beta(2, 2, -1, 2).logpdf(rho) + np.log(rest / second)
    slopes = second * (rho * p["z"][0] + rest * p["z"][1])
    expected += houses_density(p, first * p["z"][0], slopes)
    assert log_density(builders.houses_slopes(HOUSES), p) == pytest.approx(expected)


def test_penicillin_crossed(rng):
    p = {"mu": rng.normal(20, 10), "tau_plate": 0.9, "tau_batch": 2.1, "sigma": 0.5}
    p |= {"u_plate": rng.normal(size=24), "batch_mean": rng.normal(20, 3, size=6)}
    expected = normal(p["mu"], 20, 10) + sum(half_normal(p[name], 2) for name in list(p)[1:4])
    expected += normal(p["u_plate"], 0, 0.9) + normal(p["batch_mean"], p["mu"], 2.1)
    zones = p["u_plate"][:, None] + p["batch_mean"]
    expected += normal(PENICILLIN["diameter"].values, zones, 0.5)
    assert log_density(builders.penicillin_crossed(PENICILLIN), p) == pytest.approx(expected)


# How the densities of different models must be related.


def test_centred_and_noncentred_differ_by_the_jacobian(rng):
    p = random_point(rng)
    raw = pick(p, "mu", "tau", "theta_raw")
    direct = pick(p, "mu", "tau") | {"theta": p["mu"] + p["tau"] * p["theta_raw"]}
    centred = log_density(builders.schools_centred(SCHOOLS), direct)
    noncentred = log_density(models.schools_noncentred(SCHOOLS), raw)
    assert noncentred == pytest.approx(centred + 8 * np.log(p["tau"]))  # tau^J


def test_covariate_of_zero_leaves_the_noncentred_model_times_the_prior_of_beta(rng):
    p = pick(random_point(rng), "mu", "tau", "theta_raw", "beta")
    data = SCHOOLS.assign(private=("school", np.zeros(8)))
    without = log_density(models.schools_noncentred(SCHOOLS), pick(p, "mu", "tau", "theta_raw"))
    expected = without + normal(p["beta"], 0, 10)
    assert log_density(builders.schools_covariate(data), p) == pytest.approx(expected)


def test_the_order_of_students_does_not_matter(rng):
    p = pick(random_point(rng, groups=5), "mu", "tau", "sigma", "theta_raw")
    # Keep the first student of each section in place, so that the sections keep their order.
    order = np.concatenate([[0, 8, 20, 34, 50], rng.permutation(68)])
    _, first = np.unique(order, return_index=True)
    shuffled = INSTRUCTORS.isel(student=order[np.sort(first)])
    assert log_density(builders.instructors_partial(shuffled), p) == pytest.approx(
        log_density(builders.instructors_partial(INSTRUCTORS), p)
    )


def test_the_order_of_dimensions_does_not_matter(rng):
    p = pick(random_point(rng), "alpha", "pi0", "pi")
    turned = SURVEY.transpose("response", "region")
    assert log_density(models.survey_hierarchical(turned), p) == pytest.approx(
        log_density(models.survey_hierarchical(SURVEY), p)
    )


# Names, labels and shapes.


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_every_array_has_named_dimensions_with_the_labels_of_the_data(build):
    data = BUILDERS[build]
    model = build(data)
    for name, variable in model.named_vars.items():
        if name.startswith("chol"):  # PyMC makes these, with no names for their dims
            continue
        dims = model.named_vars_to_dims.get(name, ())
        assert len(dims) == variable.ndim, name
        shape = tuple(variable.shape.eval(mode=UNCOMPILED))
        assert shape == tuple(len(model.coords[dim]) for dim in dims), name
    own = {
        "instructor": [f"Instructor {i}" for i in range(1, 6)],
        "predictor": ["intercept", "floor", "uranium"],
        "effect": ["intercept", "slope"],
    }
    for dim, labels in model.coords.items():
        assert list(labels) == (own[dim] if dim in own else data[dim].values.tolist())


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_variables_have_the_names_of_the_book(build):
    model = build(BUILDERS[build])
    assert set(model.named_vars) <= {
        *("mu", "tau", "theta", "theta_raw", "sigma", "beta", "y"),
        *("alpha", "pi0", "pi", "counts"),
        *("mu_log", "sigma_log", "lam", "lam_raw"),
        *("mean", "concentration"),
        *("tau_county", "u_county", "z", "chol", "chol_corr", "chol_stds"),
        *("tau_county_slope", "rho_county", "u_county_slope"),
        *("tau_plate", "tau_batch", "u_plate", "batch_mean"),
    }
    observed = "counts" if build.__name__.startswith("survey") else "y"
    assert [variable.name for variable in model.observed_RVs] == [observed]


@pytest.mark.parametrize(
    ("build", "free"),
    [
        (builders.instructors_complete, 2),
        (builders.instructors_none, 10),
        (builders.instructors_partial, 8),
        (builders.schools_centred, 10),
        (models.schools_noncentred, 10),
        (builders.schools_complete, 1),
        (builders.schools_none, 8),
        (builders.schools_covariate, 15),
        (models.survey_hierarchical, 1 + 3 + 6 * 3),  # a simplex of four has three
        (models.hospitals_hierarchical, 10),
        (builders.hospitals_none, 8),
        (builders.rats_hierarchical, 73),
        (builders.rats_logit_normal, 73),
        (builders.trials_student, 15),
        (builders.trials_latitude, 16),
        (builders.houses_intercepts, 90),
        (builders.houses_slopes, 3 + 1 + 3 + 2 * 85),
        (builders.penicillin_crossed, 4 + 24 + 6),
    ],
)
def test_the_number_of_free_parameters(build, free):
    start = build(BUILDERS[build]).initial_point()
    assert sum(np.size(value) for value in start.values()) == free


def test_instructors_keep_the_order_of_the_data():
    data = xr.Dataset(
        {
            "score": ("student", [60.0, 70.0, 80.0, 90.0]),
            "instructor": ("student", ["Zoe", "Ann", "Zoe", "Mia"]),
        },
        coords={"student": [1, 2, 3, 4]},
    )
    model = builders.instructors_none(data)
    assert list(model.coords["instructor"]) == ["Zoe", "Ann", "Mia"]
    p = {"theta": np.array([61.0, 72.0, 93.0]), "sigma": np.array([4.0, 5.0, 6.0])}
    expected = normal(p["theta"], 50, 25) + half_normal(p["sigma"], 15)
    expected += normal([60, 80], 61, 4) + normal(70, 72, 5) + normal(90, 93, 6)
    assert log_density(model, p) == pytest.approx(expected)


@pytest.mark.parametrize("size", [1, 3])
def test_other_numbers_of_groups_work(size):
    schools = models.schools_noncentred(SCHOOLS.isel(school=slice(size)))
    assert schools.initial_point()["theta_raw"].shape == (size,)
    regions = models.survey_hierarchical(SURVEY.isel(region=slice(size)))
    assert sum(np.size(value) for value in regions.initial_point().values()) == 1 + 3 + 3 * size


@pytest.mark.parametrize(
    ("build", "data", "message"),
    [
        (models.schools_noncentred, SCHOOLS.drop_vars("effect"), "no variable 'effect'"),
        (models.schools_noncentred, SCHOOLS.assign(effect=SCHOOLS["effect"] * np.nan), "nan"),
        (models.schools_noncentred, -SCHOOLS, r"data\['standard_error'\]\[0\] is -15"),
        (models.survey_hierarchical, -SURVEY, r"data\['count'\] is not all whole numbers \(-8"),
        (models.survey_hierarchical, SURVEY / 3, r"data\['count'\] is not all whole numbers \(2\.66"),
        (models.survey_hierarchical, HOSPITALS, r"dims \('hospital',\): give it dims"),
        (models.hospitals_hierarchical, HOSPITALS * 0, r"data\['exposure'\]\[0\] is 0"),
        (models.hospitals_hierarchical, SURVEY, "give it dims"),
        (models.schools_noncentred, TRIALS, "give it dims"),
    ],
)
def test_bad_data_are_named_with_a_remedy(build, data, message):
    with pytest.raises(ValueError, match=message) as error:
        build(data)
    assert ": give " in str(error.value) or ": add " in str(error.value)


def test_the_examples_in_the_docstrings_hold():
    result = doctest.testmod(models)
    assert result.attempted >= 6
    assert result.failed == 0


def test_data_must_be_a_data_set_in_which_each_label_is_one_group():
    with pytest.raises(ValueError, match="data is a NoneType: give"):
        models.schools_noncentred(None)
    schools = datasets.eight_schools().assign_coords(school=list("ABCDEFGG"))
    with pytest.raises(ValueError, match="data has the label 'G' twice over 'school': give"):
        models.schools_noncentred(schools)
