"""Sampling: settings, quietness, repeatability, diagnostics, and draws from the right posterior."""

import doctest
import os
import subprocess
import sys

import arviz as az
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from support import conventions, datasets, models, sampling
from tooling.audit import builders

SCHOOLS = datasets.eight_schools()
SHORT = {"draws": 200, "tune": 300, "chains": 2, "report": False}
both_samplers = pytest.mark.parametrize("sampler", sampling.SAMPLERS)


@pytest.fixture(scope="module")
def model():
    """The quickest model of the book; its posterior is known in closed form."""
    return builders.schools_complete(SCHOOLS)


# Settings from the environment.


def test_without_settings_the_seed_is_42_and_the_sampler_nutpie():
    assert conventions._settings({}) == (42, "nutpie")


@pytest.mark.slow
def test_settings_come_from_the_environment():
    settings = {"BOOK_SEED": "2025", "BOOK_SAMPLER": "pymc"}
    assert conventions._settings(settings) == (2025, "pymc")
    report = "from support import sampling; print(sampling.SEED, sampling.SAMPLER)"
    run = subprocess.run(
        [sys.executable, "-c", report],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["2025", "pymc"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOOK_SEED", ""),
        ("BOOK_SEED", "-1"),
        ("BOOK_SEED", "4.2"),
        ("BOOK_SEED", "forty-two"),
        ("BOOK_SEED", str(2**32)),
        ("BOOK_SAMPLER", ""),
        ("BOOK_SAMPLER", "NUTPIE"),
        ("BOOK_SAMPLER", "stan"),
    ],
)
def test_nonsense_in_the_environment_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is '{value}': set it to"):
        conventions._settings({name: value})


# What sample returns and prints.


@pytest.mark.sampling
@both_samplers
def test_draws_have_the_sizes_and_groups_asked_for(model, sampler):
    idata = sampling.sample(model, sampler=sampler, **SHORT)
    assert dict(idata["posterior"]["mu"].sizes) == {"chain": 2, "draw": 200}
    assert idata["observed_data"]["y"].values.tolist() == SCHOOLS["effect"].values.tolist()
    assert "log_likelihood" not in idata.children
    for name in ("diverging", "n_steps"):
        assert idata["sample_stats"][name].dims == ("chain", "draw")
    assert idata["sample_stats"]["diverging"].dtype == bool
    assert int(idata["sample_stats"]["n_steps"].min()) >= 1


@pytest.mark.sampling
@both_samplers
def test_arrays_keep_the_labels_of_the_data(sampler):
    idata = sampling.sample(builders.schools_none(SCHOOLS), sampler=sampler, **SHORT)
    theta = idata["posterior"]["theta"]
    assert theta.dims == ("chain", "draw", "school")
    assert theta.sel(school="E").shape == (2, 200)


@pytest.mark.sampling
@both_samplers
def test_the_same_seed_gives_the_same_draws_and_another_does_not(model, sampler):
    first, again, other = (
        sampling.sample(model, sampler=sampler, seed=seed, **SHORT)["posterior"]["mu"].values
        for seed in (7, 7, 8)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.sampling
@both_samplers
def test_only_the_diagnostics_are_printed(model, sampler, capfd):
    idata = sampling.sample(model, sampler=sampler, **SHORT | {"report": True})
    printed = capfd.readouterr()
    assert printed.out == f"{sampling.diagnose(idata)}\n"
    assert printed.err == ""


@pytest.mark.sampling
@both_samplers
def test_nothing_is_printed_without_a_report(model, sampler, capfd):
    sampling.sample(model, sampler=sampler, log_likelihood=True, **SHORT)
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""


@pytest.mark.sampling
@both_samplers
def test_the_log_likelihood_is_that_of_the_draws(model, sampler):
    idata = sampling.sample(model, sampler=sampler, log_likelihood=True, **SHORT)
    mu = idata["posterior"]["mu"].values[..., None]
    likelihood = stats.norm(mu, SCHOOLS["standard_error"].values)
    expected = likelihood.logpdf(SCHOOLS["effect"].values)
    log_likelihood = idata["log_likelihood"]["y"]
    assert log_likelihood.dims == ("chain", "draw", "school")
    np.testing.assert_allclose(log_likelihood, expected, rtol=1e-10)


@pytest.mark.sampling
@both_samplers
def test_a_higher_target_accept_gives_smaller_steps(sampler):
    step = {
        target: sampling.sample(
            models.schools_noncentred(SCHOOLS), sampler=sampler, target_accept=target, **SHORT
        )["sample_stats"]["step_size"].mean()
        for target in (0.6, 0.99)
    }
    assert step[0.99] < step[0.6] / 2


@pytest.mark.sampling
@both_samplers
def test_draws_come_from_the_posterior(model, sampler):
    # Normal prior, Normal data, known standard errors: precisions add.
    precision = 1 / 20**2 + (1 / SCHOOLS["standard_error"] ** 2).sum()
    mean = (SCHOOLS["effect"] / SCHOOLS["standard_error"] ** 2).sum() / precision
    exact = stats.norm(float(mean), float(precision**-0.5))
    idata = sampling.sample(model, sampler=sampler, seed=5, report=False)
    uniform = exact.cdf(idata["posterior"]["mu"])  # uniform on (0, 1) if the draws are right
    ess = float(az.ess(uniform))
    assert uniform.mean() == pytest.approx(1 / 2, abs=4 * (1 / 12 / ess) ** 0.5)
    assert uniform.std() == pytest.approx(12**-0.5, rel=0.05)


@pytest.mark.sampling
def test_one_chain_works_and_says_that_r_hat_is_unknown(model, capfd):
    sampling.sample(model, **SHORT | {"chains": 1, "report": True})
    assert "worst R-hat unknown (one chain)" in capfd.readouterr().out


# Diagnostics.


def tree(draws, diverging=0):
    """Make a DataTree from draws by name, each of shape (chain, draw) or (chain, draw, group)."""
    shape = next(iter(draws.values())).shape[:2]
    flags = np.zeros(shape, dtype=bool)
    flags.flat[:diverging] = True
    groups = {"posterior": draws, "sample_stats": {"diverging": flags}}
    return az.from_dict(groups, coords={"school": ["A", "B"]}, dims={"theta": ["school"]})


def test_independent_draws_pass():
    draws = np.random.default_rng(1).normal(size=(4, 2000))
    found = sampling.diagnose(tree({"mu": draws}, diverging=3))
    assert found.divergences == 3
    assert found.r_hat == pytest.approx(1, abs=0.005)
    assert found.ess == pytest.approx(8000, rel=0.15)
    assert str(found) == f"divergences 3, worst R-hat 1.00, smallest ESS {found.ess:.0f} (mu)"


def test_a_chain_elsewhere_is_found_and_named():
    rng = np.random.default_rng(2)
    theta = rng.normal(size=(4, 500, 2))
    theta[0, :, 1] += 3
    found = sampling.diagnose(tree({"mu": rng.normal(size=(4, 500)), "theta": theta}))
    assert found.r_hat > 1.2
    assert found.quantity == "theta[B]"
    assert found.ess < 50


def test_poor_tails_are_found_too():
    # The middle of the distribution is drawn independently, the lower end in one long block.
    rng = np.random.default_rng(3)
    draws = np.abs(rng.normal(size=(4, 1000)))
    draws[:, 400:460] *= -1
    found = sampling.diagnose(tree({"mu": draws}))
    bulk = float(az.ess(draws, method="bulk"))
    tail = float(az.ess(draws, method="tail", prob=(0.05, 0.95)))
    assert tail < bulk / 2
    assert found.ess == pytest.approx(tail)


@pytest.mark.parametrize("first", ["mu", "theta"])
def test_chains_that_stand_still_are_the_worst_whatever_the_order(first):
    """Four chains at two values have no R-hat; they are named, and not called one chain."""
    rng = np.random.default_rng(4)
    still = np.repeat([[1.0], [1.0], [2.0], [2.0]], 100, axis=1)
    theta = rng.normal(size=(4, 100, 2))
    theta[1, 5, 0] = np.nan
    draws = {"mu": still, "theta": theta}
    found = sampling.diagnose(tree({name: draws[name] for name in sorted(draws, reverse=first == "theta")}))
    assert not found.r_hat < 1.1
    assert "one chain" not in str(found)
    assert f"smallest ESS unknown ({found.quantity})" in str(found)
    assert found.quantity == "theta[A]"


def test_an_unknown_r_hat_is_named():
    draws = np.random.default_rng(5).normal(size=(4, 100, 2))
    draws[2, 7, 1] = np.nan
    assert "worst R-hat unknown (theta[B]), smallest ESS unknown (theta[B])" in str(
        sampling.diagnose(tree({"theta": draws}))
    )


def test_what_never_varies_is_left_out():
    rng = np.random.default_rng(6)
    mu = rng.normal(size=(4, 500))
    alone, beside = (sampling.diagnose(tree(of)) for of in ({"mu": mu}, {"one": np.ones((4, 500)), "mu": mu}))
    assert alone == beside
    assert np.isfinite(alone.r_hat)


@pytest.mark.parametrize("idata", [None, {"mu": np.zeros((2, 10))}, xr.Dataset()])
def test_what_has_no_groups_is_refused(idata):
    with pytest.raises(ValueError, match="idata has no group 'posterior': give"):
        sampling.diagnose(idata)


def test_draws_without_divergences_or_variation_are_refused():
    with pytest.raises(ValueError, match="has the same value in all draws: give"):
        sampling.diagnose(tree({"mu": np.zeros((2, 10))}))
    idata = tree({"mu": np.random.default_rng(7).normal(size=(2, 10))})
    del idata["sample_stats"]["diverging"]
    with pytest.raises(ValueError, match="has no 'diverging': give"):
        sampling.diagnose(idata)


@pytest.mark.parametrize("group", ["posterior", "sample_stats"])
def test_a_missing_group_is_named(group):
    idata = tree({"mu": np.zeros((2, 10))})
    del idata[group]
    with pytest.raises(ValueError, match=f"idata has no group '{group}': give"):
        sampling.diagnose(idata)


# Bad arguments.


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("target_accept", value) for value in (0, 1, -0.5, np.nan, "high", True)),
        *(("draws", value) for value in (0, 3, 100.0, "many")),
        *(("tune", value) for value in (0, -1, 2.5)),
        *(("chains", value) for value in (0, -4, None)),
        *(("seed", value) for value in (-1, 1.5, 2**32, None, True)),
        ("sampler", "stan"),
    ],
)
def test_bad_arguments_are_named_with_a_remedy(model, argument, value):
    with pytest.raises(ValueError, match=f"^{argument} is .*: give "):
        sampling.sample(model, **{argument: value})


def test_what_is_not_a_model_is_refused():
    with pytest.raises(ValueError, match=r"model is a Dataset: give a pymc\.Model"):
        sampling.sample(SCHOOLS)


@pytest.mark.sampling
def test_the_examples_in_the_docstrings_hold():
    result = doctest.testmod(sampling)
    assert result.attempted > 5
    assert result.failed == 0


def test_a_fit_can_be_kept_and_read_again(tmp_path):
    fit = xr.DataTree.from_dict({"posterior": xr.Dataset({"mu": (("chain", "draw"), np.eye(2))})})
    fit.to_netcdf(tmp_path / "fit.nc")
    assert (xr.open_datatree(tmp_path / "fit.nc")["posterior/mu"].values == np.eye(2)).all()
