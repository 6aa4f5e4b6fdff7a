"""The sampler of pages against PyTensor's gradients and the exact posteriors, for the models of the book."""

import os
from pathlib import Path

import arviz as az
import numpy as np
import playwright
import pytest
from scipy import stats

import hierarchical_exact as exact
import page_nuts
from support import checks, datasets, models
from support.sampling import diagnose
from tooling.audit import builders, page_sampler, records, runs
from tooling.audit.calibration import CASES

# Node, which runs here what a browser runs in the page, comes with Playwright.
os.environ["PATH"] += os.pathsep + str(Path(playwright.__file__).parent / "driver")

ROOT = Path(__file__).resolve().parents[2]
# The page's study of this sampler, of which a part is made again here.
RECORDED = records.read("page_sampler")


@pytest.mark.sampling
@pytest.mark.parametrize("name", CASES)
def test_the_log_density_of_each_builder_is_that_of_pytensor(name):
    model = CASES[name].build(CASES[name].design())
    compiled = page_nuts.compile_pymc_model(model)
    reference = model.logp_dlogp_function(ravel_inputs=True)
    reference.set_extra_values({})
    point = np.random.default_rng(19).normal(size=compiled.start.size) / 2
    value, gradient = reference(point)
    ours, slope = compiled.log_density(point)
    assert ours == pytest.approx(float(value), rel=1e-12)
    np.testing.assert_allclose(slope, gradient, rtol=1e-12)


# The recorded study --------------------------------------------------------------------------


def of_each(column):
    """Return a column of the recorded fits, for each seed and model, by sampler."""
    return RECORDED.pivot(index=["model", "seed"], columns="sampler", values=column)


def test_every_model_was_fitted_with_every_seed():
    found = RECORDED.groupby(["model", "sampler"])["seed"].agg(tuple).to_dict()
    seeds = {"page_nuts": page_sampler.SEEDS, "nutpie": page_sampler.SEEDS_BESIDE}
    assert found == {(name, sampler): seeds[sampler] for name in CASES for sampler in seeds}


def test_means_are_the_exact_ones_within_four_errors():
    """All but those of the centred form, whose chains the funnel stops, whatever the sampler."""
    others = RECORDED.query("model != 'schools_centred' and sampler == 'page_nuts'")
    # A Normal number lies beyond four with probability 6.3e-5; more than this once in a thousand studies.
    most = stats.binom(others["quantities"].sum(), 2 * stats.norm.sf(4)).isf(1e-3)
    assert others["far"].sum() <= most
    assert others.query("model != 'houses_slopes'")["r_hat"].max() < 1.02
    assert of_each("far").loc["schools_centred"].gt(0).any(axis=None)


def slow_chains():
    """Return how many fits of houses with slopes have an R-hat above 1.02, and how many there are."""
    fits = RECORDED.query("model == 'houses_slopes'")
    return (fits["r_hat"] > 1.02).groupby(fits["sampler"]).agg(["sum", "size"])


def test_chains_stay_where_slopes_hardly_vary_no_more_often_than_nutpies():
    slow = slow_chains()
    table = [
        (row["sum"], row["size"] - row["sum"]) for _, row in slow.loc[["page_nuts", "nutpie"]].iterrows()
    ]
    assert stats.fisher_exact(table, alternative="greater").pvalue > 1e-3


def test_effective_draws_for_a_gradient_are_at_least_half_of_nutpies():
    ratio = of_each("ess").groupby("model").median() / of_each("steps").groupby("model").median()
    worst = (ratio["page_nuts"] / ratio["nutpie"]).drop("schools_centred")
    assert worst.min() > 0.5, worst.sort_values().head()


def test_divergences_of_the_centred_form_are_in_the_range_of_the_recorded_runs():
    recorded = runs.recorded()["centred-0.90/divergences"].dropna()
    ours = of_each("divergences").loc["schools_centred", "page_nuts"]
    outside = (ours < recorded.min()) | (ours > recorded.max())
    # One more run of the same kind lies outside of n with probability 2 / (n + 1).
    assert outside.sum() <= stats.binom(len(ours), 2 / (len(recorded) + 1)).isf(1e-3)
    assert of_each("divergences").loc["schools_noncentred", "page_nuts"].max() <= 2


@pytest.mark.sampling
def test_a_recorded_fit_made_again_is_the_same(monkeypatch):
    """Its draws follow from the seed alone: JavaScript's numbers are the same on any machine."""
    monkeypatch.setattr(page_sampler, "SEEDS", (42,))
    monkeypatch.setattr(page_sampler, "SEEDS_BESIDE", ())
    [again] = page_sampler.fits("schools_noncentred").itertuples()
    query = "model == 'schools_noncentred' and sampler == 'page_nuts' and seed == 42"
    [before] = RECORDED.query(query).itertuples()
    assert (again.far, again.steps, again.divergences) == (before.far, before.steps, before.divergences)
    assert again.distance == pytest.approx(before.distance, rel=1e-3)


def fitted(model, seed):
    compiled = page_nuts.compile_pymc_model(model)
    return page_nuts.sample(compiled, draws=2000, tune=1000, chains=4, seed=seed, target_accept=0.9)


@pytest.mark.sampling
def test_eight_schools_agree_with_the_exact_posterior():
    schools = datasets.eight_schools()
    effect, error = schools["effect"], schools["standard_error"]
    posterior = exact.normal(effect, error, mu=stats.norm(0, 20), tau=stats.halfnorm(scale=10))
    idata = fitted(models.schools_noncentred(schools), 58)
    told = diagnose(idata)
    assert (told.divergences, round(told.r_hat, 2)) == (0, 1.0)
    assert told.ess > 2000
    assert checks.compare(idata, posterior, ["mu", "tau", "theta"]).agrees
    # As the other samplers' in the same form, the centred model's chains are stopped by the funnel.
    assert diagnose(fitted(builders.schools_centred(schools), 58)).divergences > 10


@pytest.mark.sampling
@pytest.mark.parametrize(
    "plot",
    [
        "autocorr",
        "dist",
        "energy",
        "ess",
        "ess_evolution",
        "forest",
        "mcse",
        "parallel",
        "rank",
        "trace",
    ],
)
def test_plots_of_one_fit_are_drawn(plot, a_fit):
    getattr(az, f"plot_{plot}")(a_fit, backend="none")


@pytest.fixture(scope="module")
def a_fit():
    compiled = page_nuts.compile_pymc_model(models.schools_noncentred(datasets.eight_schools()))
    return page_nuts.sample(compiled, draws=200, tune=200, chains=2, seed=2)


def test_the_readme_of_the_sampler_states_what_is_recorded():
    text = " ".join((ROOT / "packages/page-nuts/README.md").read_text("utf8").split())
    ours = RECORDED.query("model != 'schools_centred' and sampler == 'page_nuts'")
    ratio = of_each("ess").groupby("model").median() / of_each("steps").groupby("model").median()
    times = ratio["page_nuts"] / ratio["nutpie"]
    assert set(RECORDED["model"]) == set(CASES)
    assert f"with {len(page_sampler.SEEDS)} seeds" in text
    funnel = RECORDED.query("model == 'schools_centred' and sampler == 'page_nuts'")["r_hat"].max()
    assert f"(R-hat up to {funnel:.2f} here)" in text
    assert "fewer than one posterior mean in a thousand" in text
    assert ours["far"].sum() < ours["quantities"].sum() / 1000
    assert "R-hat is below 1.01, except for houses with slopes" in text
    assert ours.query("model != 'houses_slopes'")["r_hat"].max() < 1.01
    slow = {name: f"{row['sum']} of {row['size']}" for name, row in slow_chains().iterrows()}
    assert f"in {slow['page_nuts']} fits, and in {slow['nutpie']} by nutpie" in text
    assert "between half as many effective draws as nutpie and a quarter more" in text
    assert 0.5 < times.min() < times.max() < 1.25
