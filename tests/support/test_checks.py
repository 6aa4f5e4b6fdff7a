"""Verdicts on sampled posteriors: right, wrong, and too few draws."""

import numpy as np
import pytest
import xarray as xr

import hierarchical_exact as exact
from support import checks, datasets
from support.conventions import MU_PRIOR, TAU_PRIOR


@pytest.fixture(scope="module")
def posterior():
    schools = datasets.eight_schools()
    return exact.normal(schools["effect"], schools["standard_error"], mu=MU_PRIOR, tau=TAU_PRIOR)


def draws_from(posterior, *, seed, draws=1000, shift=0.0, spread=1.0):
    """Joint draws, four chains of them, perhaps spoilt."""
    tree = posterior.to_datatree(draws=draws, rng=np.random.default_rng(seed))
    for name in NAMES:
        values, centre = tree["posterior"][name], posterior[name].mean()
        tree["posterior"][name] = centre + spread * (values - centre) + shift
    return tree


NAMES = ["mu", "tau", "theta"]


def test_draws_of_the_exact_posterior_agree(posterior):
    comparison = checks.compare(draws_from(posterior, seed=1), posterior, NAMES)
    assert comparison.agrees
    assert len(comparison.table) == 2 * 10
    np.testing.assert_allclose(
        comparison.table["z"],
        (comparison.table["sampled"] - comparison.table["exact"]) / comparison.table["mcse"],
    )


@pytest.mark.slow
def test_z_is_standard_normal_when_the_draws_are_right(posterior):
    """Over 40 seeds the squared z of the means is a mean of chi-squared variables."""
    squares = []
    for seed in range(100, 140):
        table = checks.compare(draws_from(posterior, seed=seed), posterior, ["mu", "tau"]).table
        squares += list(table.loc[table["statistic"] == "mean", "z"] ** 2)
    # Two quantities in each of 40 runs: 80 chi-squared variables with one degree of freedom.
    assert abs(np.mean(squares) - 1) < 4 * np.sqrt(2 / 80)


@pytest.mark.parametrize(("spoilt", "statistic"), [({"shift": 1.5}, "mean"), ({"spread": 1.3}, "sd")])
def test_a_wrong_posterior_differs(posterior, spoilt, statistic):
    comparison = checks.compare(draws_from(posterior, seed=2, **spoilt), posterior, NAMES)
    assert not comparison.agrees
    verdicts = comparison.table.loc[comparison.table["statistic"] == statistic, "verdict"]
    assert (verdicts == "differs").all()
    assert "differs" in str(comparison)


def test_too_few_draws_are_called_that(posterior):
    comparison = checks.compare(draws_from(posterior, seed=3, draws=20), posterior, NAMES)
    assert (comparison.table["verdict"] == "too few draws").any()
    assert not (comparison.table["verdict"] == "differs").any()


@pytest.mark.slow
def test_the_print_is_the_same_for_every_seed(posterior):
    prints = {
        str(checks.compare(draws_from(posterior, seed=seed), posterior, NAMES)) for seed in range(20, 40)
    }
    assert len(prints) == 1
    assert "mu        mean        7.45  7.5 ± 1.0  agrees" in prints.pop()


@pytest.mark.slow
def test_more_precision_is_printed_when_it_is_asked_for(posterior):
    sampled = draws_from(posterior, seed=4, draws=25_000)
    coarse = checks.compare(sampled, posterior, ["mu"]).table["tolerance"][0]
    fine = checks.compare(sampled, posterior, ["mu"], ess=50_000).table["tolerance"][0]
    assert fine <= coarse / 10
    # At least the demanded precision, rounded up to 1, 2 or 5 times a power of ten.
    assert 1 <= fine / (4 * posterior["mu"].sd() / np.sqrt(50_000)) <= 2.5


def test_labels_not_positions_are_compared(posterior):
    sampled = draws_from(posterior, seed=5)
    reversed_order = xr.DataTree.from_dict(
        {"posterior": sampled["posterior"].to_dataset().isel(school=slice(None, None, -1))}
    )
    assert checks.compare(reversed_order, posterior, NAMES).agrees


@pytest.mark.parametrize(
    ("quantities", "message"),
    [(["sigma"], "'sigma' was not sampled; there are mu, tau, theta")],
)
def test_missing_quantities_are_named(posterior, quantities, message):
    with pytest.raises(ValueError, match=message):
        checks.compare(draws_from(posterior, seed=6), posterior, quantities)


def test_dims_and_labels_must_be_the_same(posterior):
    sampled = draws_from(posterior, seed=7)
    schools = datasets.eight_schools()
    unlabelled = exact.normal(
        schools["effect"].values, schools["standard_error"].values, mu=MU_PRIOR, tau=TAU_PRIOR
    )
    with pytest.raises(ValueError, match="give the exact function a DataArray"):
        checks.compare(sampled, unlabelled, ["theta"])
    with pytest.raises(ValueError, match="posterior"):
        checks.compare(posterior, posterior, ["theta"])
    with pytest.raises(ValueError, match="ess must be positive"):
        checks.compare(sampled, posterior, ["theta"], ess=0)
