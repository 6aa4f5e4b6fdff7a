"""Verdicts on sampled posteriors: right, wrong, and too few draws."""

import re

import arviz as az
import numpy as np
import pytest
import xarray as xr

import hierarchical_exact as exact
from myst_nbval import intervals
from support import checks, datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from support.monte_carlo import PROBABILITIES, _quantiles


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
    assert len(comparison.table) == 5 * 10
    table = comparison.table
    np.testing.assert_allclose(table["z"], (table["sampled"] - table["exact"]) / table["mcse"])


def test_what_was_sampled_is_printed_with_its_own_error(posterior):
    """A chain whose mean is 7.95, where 7.45 is exact, says so."""
    draws = draws_from(posterior, seed=8)
    mu = draws["posterior"]["mu"]
    draws["posterior"]["mu"] = mu - mu.mean() + posterior["mu"].mean() + 0.5
    mcse = float(az.mcse(draws["posterior"]["mu"]))
    text = str(checks.compare(draws, posterior, ["mu"]))
    assert f" 7.45 7.95 ± {mcse:.2f} differs" in " ".join(text.split())


def test_the_errors_demanded_are_those_of_independent_draws(posterior):
    """Means, sds and shares of many samples scatter as much as is demanded of a sample of that size."""
    sets = np.random.default_rng(58).uniform(size=(2000, 100))
    tau = np.interp(sets, PROBABILITIES, _quantiles(posterior["tau"]))
    table = checks.compare(draws_from(posterior, seed=1), posterior, ["tau"], ess=100).table
    demanded = table.set_index("statistic")["demanded"]
    scatter = {
        "mean": tau.mean(axis=1),
        "sd": tau.std(axis=1, ddof=1),
        "below 5%": (sets < 0.05).mean(axis=1),
    }
    for statistic, values in scatter.items():
        assert demanded[statistic] == pytest.approx(values.std(), rel=0.1)


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


@pytest.mark.parametrize(
    ("spoilt", "statistics"), [({"spread": 1.2}, {"below 5%", "below 95%"}), ({"shift": 1.2}, {"below 50%"})]
)
def test_quantiles_are_compared_and_named_where_they_differ(posterior, spoilt, statistics):
    comparison = checks.compare(draws_from(posterior, seed=2, **spoilt), posterior, ["mu"])
    differing = comparison.table.loc[comparison.table["verdict"] == "differs", "statistic"]
    assert statistics <= set(differing)
    assert all(f"mu        {statistic}" in str(comparison) for statistic in statistics)
    assert f"{3 - len([s for s in differing if s.startswith('below')])} of 3 agree" in str(comparison)


@pytest.mark.slow
def test_every_run_prints_what_one_states(posterior):
    stated = {
        checks.compare(draws_from(posterior, seed=seed), posterior, NAMES).report().stated()
        for seed in range(20, 25)
    }
    assert len(stated) == 1
    [text] = stated
    assert "mu        mean       7.45" in text
    for seed in range(20, 25):
        printed = str(checks.compare(draws_from(posterior, seed=seed), posterior, NAMES))
        assert intervals.outside(text, printed) == []
        assert intervals.outside(text, printed.replace("mean       7.45    7", "mean       7.45    9")) != []


def test_the_interval_is_that_of_the_demanded_draws(posterior):
    text = checks.compare(draws_from(posterior, seed=20), posterior, ["mu"]).report().stated()
    low, high, least, most = map(float, re.findall(r"-?\d+\.\d+(?=[],])", text)[:4])
    error = posterior["mu"].sd() / 20
    assert low == pytest.approx(posterior["mu"].mean() - 4.5 * error, abs=0.01)
    assert high == pytest.approx(posterior["mu"].mean() + 4.5 * error, abs=0.01)
    assert least == 0
    assert most == pytest.approx(error, abs=0.01)


@pytest.mark.parametrize(("below", "verdict"), [(184, "agrees"), (172, "differs")])
def test_draws_that_miss_a_tail_by_chance_are_not_called_different(posterior, below, verdict):
    """Of 5,000 draws, 250 should be below the 5% quantile, give or take 15.4: 4.3 errors, or 5.1.

    By the share sampled, the first would be 5.0 errors away.
    """
    rng = np.random.default_rng(58)
    u = np.concatenate([rng.uniform(0, 0.05, below), rng.uniform(0.05, 1, 5000 - below)])
    draws = az.from_dict(
        {"posterior": {"mu": posterior["mu"].quantile(rng.permutation(u)).values.reshape(4, -1)}}
    )
    table = checks.compare(draws, posterior, ["mu"]).table.set_index("statistic")
    assert table.loc["below 5%", "sampled"] == below / 5000
    assert table.loc["below 5%", "verdict"] == verdict


def test_labels_not_positions_are_compared(posterior):
    sampled = draws_from(posterior, seed=5)
    reversed_order = xr.DataTree.from_dict(
        {"posterior": sampled["posterior"].to_dataset().isel(school=slice(None, None, -1))}
    )
    assert checks.compare(reversed_order, posterior, NAMES).agrees


@pytest.mark.parametrize(
    ("quantities", "message"),
    [(["sigma"], "'sigma', which was not sampled: give some of mu, tau, theta")],
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
    with pytest.raises(ValueError, match="ess is 0: give a positive number"):
        checks.compare(sampled, posterior, ["theta"], ess=0)


def test_a_share_has_the_error_of_its_draws():
    draws = xr.DataArray(np.random.default_rng(58).uniform(size=(4, 2500)), dims=("chain", "draw"))
    one = checks.share(draws < 0.2, 0.2, ess=1600)
    assert abs(one.value - 0.2) < 4 * one.error
    assert one.error == pytest.approx(0.4 / 100, rel=0.1)
    assert one.within == pytest.approx((0.155, 0.245))
    assert one.error_within == pytest.approx((0, 0.01))


@pytest.mark.parametrize("arguments", [{"exact": 1.3}, {"exact": np.nan}, {"exact": 0.2, "ess": -5}])
def test_a_share_is_of_a_probability(arguments):
    draws = xr.DataArray(np.zeros((4, 25), dtype=bool), dims=("chain", "draw"))
    with pytest.raises(ValueError, match=r"^(?:exact|ess) is .*: give"):
        checks.share(draws, **arguments)


@pytest.mark.parametrize("arguments", [{"ess": np.nan}, {"quantities": []}, {"quantities": "mu"}])
def test_nothing_agrees_by_having_nothing_to_compare(posterior, arguments):
    with pytest.raises(ValueError, match=r"^(?:ess|quantities) is .*: give"):
        checks.compare(draws_from(posterior, seed=7), posterior, **{"quantities": ["mu"]} | arguments)
