"""The sampler of pages against PyTensor's gradients and the exact posteriors, for the models of the book."""

import os
from pathlib import Path

import numpy as np
import playwright
import pytest
from scipy import stats

import hierarchical_exact as exact
import page_nuts
from support import checks, datasets, models
from support.sampling import diagnose
from tooling.audit import builders

# Node, which runs here what a browser runs in the page, comes with Playwright.
os.environ["PATH"] += os.pathsep + str(Path(playwright.__file__).parent / "driver")

BUILDERS = {
    "instructors": ("complete", "none", "partial"),
    "schools": ("centred", "noncentred", "complete", "none"),
    "hospitals": ("hierarchical", "none"),
    "survey": ("hierarchical",),
    "rats": ("hierarchical",),
    "trials": ("student", "latitude"),
}
DATA = {
    "instructors": datasets.instructors,
    "schools": datasets.eight_schools,
    "hospitals": datasets.hospitals,
    "survey": datasets.survey,
    "rats": datasets.rat_tumours,
    "trials": datasets.bcg_trials,
}


@pytest.mark.sampling
@pytest.mark.parametrize("name", [f"{data}_{form}" for data, forms in BUILDERS.items() for form in forms])
def test_the_log_density_of_each_builder_is_that_of_pytensor(name):
    build = getattr(builders, name, None) or getattr(models, name)
    model = build(DATA[name.partition("_")[0]]())
    compiled = page_nuts.compile_pymc_model(model)
    reference = model.logp_dlogp_function(ravel_inputs=True)
    reference.set_extra_values({})
    point = np.random.default_rng(19).normal(size=compiled.start.size) / 2
    value, gradient = reference(point)
    ours, slope = compiled.log_density(point)
    assert ours == pytest.approx(float(value), rel=1e-12)
    np.testing.assert_allclose(slope, gradient, rtol=1e-11, atol=1e-12 * np.abs(gradient).max())


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
