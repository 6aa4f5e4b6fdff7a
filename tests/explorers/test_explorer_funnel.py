"""The explorer of the funnel: exact laws given tau, and steps that are stable below their limit only."""

import numpy as np
import pytest

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling import explorers
from tooling.explorers.funnel import given_tau, longest_step

SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"].values, SCHOOLS["standard_error"].values
POSTERIOR = exact.normal(SCHOOLS["effect"], SCHOOLS["standard_error"], mu=MU_PRIOR, tau=TAU_PRIOR)
TAU = POSTERIOR["tau"]
SETTINGS = [0.05, 1, 20]
FORMS = ("centred", "non-centred")


def law(tau, form):
    """Return mean and covariance given one tau."""
    mean, precision = given_tau([tau], EFFECT, ERROR, mu_sd=20, form=form)
    return mean[0], np.linalg.inv(precision[0])


@pytest.fixture(scope="module")
def spec():
    rng = np.random.default_rng(58)
    effect, error = SCHOOLS["effect"], SCHOOLS["standard_error"]
    return explorers.funnel(effect, error, TAU, mu_sd=20, tau_sd=10, settings=SETTINGS, rng=rng).spec()


@pytest.mark.parametrize("tau", [0.05, 1.0, 20.0])
def test_law_given_tau_is_the_exact_posterior_with_tau_known(tau):
    mean, covariance = law(tau, "centred")
    known = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=tau)
    assert mean[0] == pytest.approx(known["mu"].mean(), abs=1e-6)
    assert covariance[0, 0] ** 0.5 == pytest.approx(known["mu"].sd(), rel=1e-6)
    np.testing.assert_allclose(mean[1:], known["theta"].mean(), atol=1e-6)
    np.testing.assert_allclose(covariance.diagonal()[1:] ** 0.5, known["theta"].sd(), rtol=1e-6)


@pytest.mark.parametrize("tau", [0.05, 1.0, 20.0])
def test_both_forms_are_one_law(tau):
    mean, covariance = law(tau, "non-centred")
    # theta = mu + tau theta_raw
    to_centred = np.diag([1.0] + [tau] * len(EFFECT))
    to_centred[1:, 0] = 1
    expected_mean, expected = law(tau, "centred")
    np.testing.assert_allclose(to_centred @ mean, expected_mean, atol=1e-6)
    np.testing.assert_allclose(to_centred @ covariance @ to_centred.T, expected, rtol=1e-6)


def furthest(precision, step):
    """Return how far the leapfrog integrator gets in 2000 steps from a place near the middle."""
    position, momentum = np.full(len(precision), 0.1), np.zeros(len(precision))
    reached = 0.0
    for _ in range(2000):
        momentum = momentum - step / 2 * precision @ position
        position = position + step * momentum
        momentum = momentum - step / 2 * precision @ position
        reached = max(reached, np.abs(position).max())
        if reached > 1e6:
            break
    return reached


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tau", [0.1, 5.0])
def test_leapfrog_is_stable_below_the_limit_and_not_above(form, tau):
    precision = given_tau([tau], EFFECT, ERROR, mu_sd=20, form=form)[1]
    limit = longest_step(precision, np.ones(9))[0]
    assert furthest(precision[0], 0.98 * limit) < 100
    assert furthest(precision[0], 1.02 * limit) > 1e6


def test_units_of_the_step_are_the_posterior_standard_deviations():
    # In these units the exact sd of each coordinate is 1.
    sd = np.array([POSTERIOR["mu"].sd(), *POSTERIOR["theta"].sd().values])
    precision = given_tau(SETTINGS, EFFECT, ERROR, mu_sd=20, form="centred")[1]
    limits = explorers.step_limits(SETTINGS, EFFECT, ERROR, TAU, mu_sd=20)
    np.testing.assert_allclose(limits["centred"], longest_step(precision, sd), rtol=0.005)


def test_at_small_tau_one_limit_is_proportional_and_the_other_constant():
    small = np.array([1e-3, 2e-3])
    limits = explorers.step_limits(small, EFFECT, ERROR, TAU, mu_sd=20)
    assert limits["centred"][1] / limits["centred"][0] == pytest.approx(2, rel=1e-3)
    assert limits["non-centred"][1] == pytest.approx(limits["non-centred"][0], rel=1e-4)
    # Without units: nine directions of a star with eight arms, of which one has the eigenvalue 9 / tau ** 2.
    precision = given_tau(small, EFFECT, ERROR, mu_sd=20, form="centred")[1]
    np.testing.assert_allclose(longest_step(precision, np.ones(9)), 2 * small / 3, rtol=1e-3)


def test_every_setting_has_its_rows_with_the_exact_interval(spec):
    rows = {(row["tau"], row["form"]): row for row in spec["data"]["values"]}
    assert set(rows) == {(tau, form) for tau in SETTINGS for form in FORMS}
    limits = explorers.step_limits(SETTINGS, EFFECT, ERROR, TAU, mu_sd=20)
    for (tau, form), row in rows.items():
        # theta_A - mu = (1 - B) (y - mu) + noise, with the exact law of mu given tau.
        kept = tau**2 / (tau**2 + ERROR[0] ** 2)
        mu = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=float(tau))["mu"]
        middle = kept * (EFFECT[0] - mu.mean())
        sd = np.sqrt((kept * mu.sd()) ** 2 + kept * ERROR[0] ** 2)
        unit = 1 if form == "centred" else tau
        assert row["lower"] == pytest.approx((middle - 1.598193 * sd) / unit, rel=1e-3)
        assert row["upper"] == pytest.approx((middle + 1.598193 * sd) / unit, rel=1e-3)
        assert row["step"] == pytest.approx(limits[form][SETTINGS.index(tau)], rel=1e-3)
        assert float(row["step_text"]) == pytest.approx(row["step"], rel=0.05)


def test_draws_are_those_of_the_posterior_in_both_panels(spec):
    centred, noncentred = (panel["layer"][0]["data"]["values"] for panel in spec["vconcat"][0]["hconcat"])
    tau = np.array([draw["tau"] for draw in centred])
    difference = np.array([draw["value"] for draw in centred])
    assert np.isfinite(difference).all()
    assert len(tau) == 400
    assert tau.tolist() == [draw["tau"] for draw in noncentred]
    np.testing.assert_allclose(difference / tau, [draw["value"] for draw in noncentred], rtol=1e-3)
    assert (tau < 1).mean() == pytest.approx(TAU.cdf(1.0), abs=1 / 400)
    # Measured in the sd of their slice, the differences are standard Normal.
    z = []
    for place, value in zip(tau, difference, strict=True):
        mean, covariance = law(place, "centred")
        sd = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
        z.append((value - (mean[1] - mean[0])) / sd)
    assert np.mean(z) == pytest.approx(0, abs=4 / 20)
    assert np.std(z) == pytest.approx(1, abs=4 / np.sqrt(800))


def test_description_names_what_there_is(spec):
    for word in ("slider", "centred", "non-centred", "400 draws", "funnel", "band", "step", "89%"):
        assert word in spec["description"]
