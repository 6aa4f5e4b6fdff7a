"""What the last page says of penicillin on plates, by the exact posterior."""

import pytest
from scipy import stats
from statements import states

import hierarchical_exact as exact
from support import datasets

DIAMETER = datasets.penicillin()["diameter"].stack(zone=("plate", "batch"))


def solve(scale):
    prior = stats.halfnorm(scale=scale)
    terms = {name: DIAMETER[name].values for name in ("plate", "batch")}
    call = {"terms": terms, "beta": stats.norm(20, 10), "sigma": prior, "tau": prior}
    return exact.mixed(DIAMETER.values, [[1.0]] * DIAMETER.size, **call)


@pytest.fixture(scope="module")
def posterior():
    return solve(2)


@states("chapters/bringing-together.md", "So the centred form suits both.")
@states(
    "chapters/bringing-together.md",
    "that the data say where each plate and each batch lies.",
)
def test_the_data_say_where_plates_and_batches_lie(posterior):
    """The weight of the population is small for each."""
    for name, zones in (("plate", 6), ("batch", 24)):
        weight = posterior.expect(
            lambda s, n=zones, of=name: s["sigma"] ** 2 / (s["sigma"] ** 2 + n * s[f"tau_{of}"] ** 2)
        )
        assert weight < 0.1


@states("chapters/bringing-together.md", "theirs, and there the prior counts.")
def test_another_prior_moves_the_scale_of_batches(posterior):
    other = solve(1)
    moved = {
        name: other[name].mean() / posterior[name].mean() for name in ("tau_plate", "tau_batch", "sigma")
    }
    assert moved["tau_batch"] < 0.85
    assert min(moved["tau_plate"], moved["sigma"]) > 0.95


@states("chapters/bringing-together.md", "plates differ less than half as much as batches.")
@states("chapters/bringing-together.md", "Batches differ most.")
@states("chapters/bringing-together.md", "The standard deviations are printed below.")
def test_a_new_batch_is_less_certain_than_a_new_plate(posterior):
    assert posterior["tau_plate"].mean() < 0.5 * posterior["tau_batch"].mean()
    zones = {"plate": [None, "a"], "batch": ["A", None]}
    old_batch, new_batch = posterior.predict([[1], [1]], zones, noise=True).sd().values
    assert 2 * old_batch < new_batch
