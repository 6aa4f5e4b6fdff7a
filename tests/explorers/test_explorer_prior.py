"""The explorer of the prior of tau: its numbers are those of the exact posterior."""

import json
import re

import numpy as np
import pytest
import xarray as xr
from scipy import integrate, stats

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR
from tooling import explorers

SCHOOLS = datasets.eight_schools()
FAMILIES = {
    "half-Normal": lambda scale: stats.halfnorm(scale=scale),
    "half-Cauchy": lambda scale: stats.halfcauchy(scale=scale),
    "uniform": lambda scale: stats.uniform(0, scale),
}
SCALES = [1, 10, 100]


def fit(prior):
    return exact.normal(SCHOOLS["effect"], SCHOOLS["standard_error"], mu=MU_PRIOR, tau=prior)


@pytest.fixture(scope="module")
def explorer():
    return explorers.prior(FAMILIES, SCALES, fit, SCHOOLS["effect"])


@pytest.fixture(scope="module")
def rows(explorer):
    return {(row["family"], row["scale"]): row for row in explorer.spec()["data"]["values"]}


def test_every_setting_has_its_row_and_every_row_a_setting(explorer, rows):
    parameters = {parameter["name"]: parameter for parameter in explorer.spec()["params"]}
    families = parameters["family"]["bind"]["options"]
    assert parameters["prior_scale"]["expr"] == f"{SCALES}[prior_scale_step]"
    assert parameters["prior_scale_step"]["bind"]["max"] == len(SCALES) - 1
    assert set(rows) == {(family, scale) for family in families for scale in SCALES}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scale", SCALES)
def test_numbers_are_those_of_the_exact_posterior(rows, family, scale):
    prior, row = FAMILIES[family](scale), rows[family, scale]
    posterior = fit(prior)
    theta, tau = posterior["theta"], posterior["tau"]
    named = dict(zip(row["quantity"], row["estimate"], strict=True))
    means = [named[f"school {school}"] for school in SCHOOLS["school"].values]
    np.testing.assert_allclose(means, theta.mean(), atol=0.0051)
    np.testing.assert_allclose(row["lower"][:8], theta.quantile(0.055), atol=0.0051)
    np.testing.assert_allclose(row["upper"][:8], theta.quantile(0.945), atol=0.0051)
    assert named["τ, 95% limit: prior"] == pytest.approx(prior.ppf(0.95), abs=0.0051)
    assert named["τ, 95% limit: posterior"] == pytest.approx(tau.quantile(0.95), abs=0.0051)
    for name, factor in (("half scale", 0.5), ("twice", 2)):
        other = fit(FAMILIES[family](factor * scale))["theta"].sel(school="A").mean()
        assert named[f"school A: {name}"] == pytest.approx(other, abs=0.0051)
    assert row["raw"][:8] == SCHOOLS["effect"].values.tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_densities_belong_to_prior_and_posterior(explorer, rows, family):
    grid = json.loads(explorer.spec()["vconcat"][0]["layer"][0]["transform"][1]["calculate"])
    prior = FAMILIES[family](10)
    for name, law in (("prior", prior), ("posterior", fit(prior)["tau"])):
        drawn = rows[family, 10][name]
        assert len(drawn) == len(grid)
        assert np.isfinite(drawn).all()
        np.testing.assert_allclose(drawn, law.pdf(np.array(grid)), atol=0.002)


def test_overlap_has_the_closed_form_of_two_half_normals():
    # With zero effects and mu = 0, and standard errors far larger than tau, the likelihood is flat.
    prior = stats.halfnorm(scale=1)
    flat = exact.normal(np.zeros(3), 1e4, mu=0.0, tau=prior)
    assert explorers.overlap(prior, flat) == pytest.approx(1, abs=1e-6)
    # The posterior of half-Normal(3), held against the prior half-Normal(1): they cross once.
    wide = stats.halfnorm(scale=3)
    other = exact.normal(np.zeros(3), 1e4, mu=0.0, tau=wide)
    crossing = np.sqrt(np.log(9) / (1 - 1 / 9))
    area = wide.cdf(crossing) + prior.sf(crossing)
    assert explorers.overlap(prior, other) == pytest.approx(area, abs=1e-5)


def test_overlap_is_the_integral_of_the_smaller_density():
    prior = stats.halfcauchy(scale=25)
    posterior = fit(prior)
    area, _ = integrate.quad(
        lambda tau: min(prior.pdf(tau), posterior["tau"].pdf(tau)), 0, 200, points=[5, 15], limit=200
    )
    assert explorers.overlap(prior, posterior) == pytest.approx(area, abs=1e-3)


def test_a_tight_prior_decides_everything_and_a_wide_one_little(rows):
    place = rows["half-Normal", 1]["quantity"].index("overlap, %")
    share = {setting: row["estimate"][place] for setting, row in rows.items()}
    assert share["half-Normal", 1] > 99
    assert share["half-Normal", 1] > share["half-Normal", 10] > share["half-Normal", 100]
    tiny = explorers.overlap(stats.halfnorm(scale=0.01), fit(stats.halfnorm(scale=0.01)))
    assert tiny == pytest.approx(1, abs=1e-4)


def test_description_names_what_there_is(explorer):
    for word in ("Buttons", "slider", "prior", "posterior", "shaded", "89%", "raw effect", "half of it"):
        assert word in explorer.description


def test_groups_are_called_as_in_the_data():
    effect = xr.DataArray([0.2, 2.4, -1.0], {"clinic": ["O'Hara", "B", "C"]}, attrs={"units": "mmol"})
    error = xr.full_like(effect, 0.5)
    families = {"half-Normal": lambda scale: stats.halfnorm(scale=scale)}
    made = explorers.prior(
        families, [1.0], lambda prior: exact.normal(effect, error, mu=stats.norm(0, 5), tau=prior), effect
    )
    text = json.dumps(made.spec()) + made.description
    assert "chool" not in text
    assert "SAT" not in text
    assert "mmol" in text
    (row,) = made.spec()["data"]["values"]
    assert row["quantity"][:3] == ["clinic O'Hara", "clinic B", "clinic C"]
    assert "Clinic b" not in text
    assert "Clinic B: " in text
    (axis,) = re.findall(r'"domain": \[([^]]*)\]', text)
    assert [float(end) for end in axis.split(",")] == [min(row["lower"][:3]), max(row["upper"][:3])]
