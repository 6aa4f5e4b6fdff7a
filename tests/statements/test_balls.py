"""What is said of the balls in the funnel."""

import inspect

import leapfrog
import numpy as np
import pymc as pm
import pytest
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling import explorers
from tooling.explorers.funnel import rolling

SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"].values, SCHOOLS["standard_error"].values
COUNT = 4000


@pytest.fixture(scope="module")
def tau():
    return exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)["tau"]


@pytest.fixture(scope="module")
def released(tau):
    """Return a function from tau and step to the share of balls that diverge, in both forms."""
    model = rolling(EFFECT, ERROR, tau, mu_sd=20, tau_sd=10)

    def shares(start, step):
        lost = leapfrog.diverging(start, step, model, COUNT, np.random.default_rng(58).standard_normal)
        return lost["centred"].mean(), lost["non-centred"].mean()

    return shares


@states("chapters/eight-schools.md", "propose and Stan and PyMC use")
def test_the_limit_of_pymc():
    assert inspect.signature(pm.step_methods.hmc.base_hmc.BaseHMC.__init__).parameters["Emax"].default == 1000


@states("chapters/eight-schools.md", "a step of 0.2 is well below the limit")
@states("chapters/eight-schools.md", "about one ball in twenty diverges in the centred form")
@states("chapters/eight-schools.md", "From 1 it is about five in six, and from 0.5 nearly all.")
@states("chapters/eight-schools.md", "In the non-centred form none is lost.")
def test_how_many_balls_diverge(released, tau):
    assert explorers.step_limits([5.0], EFFECT, ERROR, tau, mu_sd=20)["centred"][0] > 2 * 0.2
    shares = np.array([released(start, 0.2) for start in (5.0, 1.0, 0.5)])
    error = np.sqrt(0.14 / COUNT)
    np.testing.assert_allclose(shares[:2, 0], [1 / 20, 5 / 6], atol=4 * error)
    assert shares[2, 0] > 0.95
    assert (shares[:, 1] < 1 / 1000).all()


@pytest.mark.slow
@states("chapters/eight-schools.md", "by rolling down into the neck")
def test_balls_from_the_mouth_are_lost_in_the_neck(tau):
    model = rolling(EFFECT, ERROR, tau, mu_sd=20, tau_sd=10)
    places, momentum = leapfrog.starts(5.0, model, COUNT, np.random.default_rng(58).standard_normal)
    start = places["centred"]
    lost = leapfrog.roll(start, momentum, 0.2, "centred", model)[-1]
    # With steps short enough to be right, how deep do the same balls come?
    lowest = np.full(COUNT, 5.0)
    for time in np.arange(0.25, 6.25, 0.25):
        position = leapfrog.roll(start, momentum, 0.025, "centred", model, time=time)[0]
        lowest = np.minimum(lowest, np.exp(position[:, 1]))
    # Where the step is too long for the slice, and where it is not.
    limit = explorers.step_limits(lowest, EFFECT, ERROR, tau, mu_sd=20)["centred"]
    assert (limit[lost] < 0.2).mean() > 0.75
    assert (limit[~lost] < 0.2).mean() < 0.25


@states("chapters/eight-schools.md", "Steps of 0.02 save nearly every centred ball from 0.5 too")
@states("chapters/eight-schools.md", "from 0.1 even they are too long")
def test_short_steps_save_balls_for_a_while(released):
    assert released(0.5, 0.02)[0] < 0.02
    assert released(0.1, 0.02)[0] > 0.95
