"""What belongs to whom: the user's arrays, what a posterior keeps, and the labels of its groups."""

import tracemalloc
from fractions import Fraction

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import hierarchical_exact as exact

EFFECT = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERROR = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
GROUP = np.array([0, 0, 1, 1, 2, 2, 2, 3])
SCHOOLS = list("ABCDEFGH")
MU, TAU = stats.norm(0, 20), stats.halfnorm(scale=10)
X = np.column_stack([np.ones(8), np.arange(8.0)])
COUNTS, SIZES = np.array([3.0, 10, 3, 8]), np.array([20.0, 50, 13, 82])
TABLE = np.array([[5.0, 2, 1], [3, 3, 3], [9, 1, 4]])
SHARES = {"mean": stats.beta(1, 1), "concentration": stats.gamma(2, scale=20)}
# Data that the functions take, and what makes a posterior of them.
MODELS = {
    "normal": ((EFFECT, ERROR), lambda y, sigma: exact.normal(y, sigma, mu=MU, tau=TAU)),
    "student_t": (
        (EFFECT[:3], ERROR[:3]),
        lambda y, sigma: exact.student_t(y, sigma, nu=4, mu=MU, tau=TAU),
    ),
    "normal_groups": (
        (EFFECT, GROUP),
        lambda y, group: exact.normal_groups(y, group, mu=MU, tau=TAU, sigma=TAU),
    ),
    "normal_sample": ((EFFECT,), lambda y: exact.normal_sample(y, mu=MU, sigma=TAU)),
    "mixed": (
        (EFFECT, X, GROUP),
        lambda y, X, group: exact.mixed(y, X, terms={"of": group}, beta=MU, sigma=TAU, tau=TAU),
    ),
    "poisson": (
        (COUNTS, SIZES),
        lambda y, e: exact.poisson(y, e, mu_log=stats.norm(0, 1), sigma_log=stats.halfnorm(scale=1)),
    ),
    "beta_binomial": ((COUNTS, SIZES), lambda y, n: exact.beta_binomial(y, n, **SHARES)),
    "logit_normal": (
        (COUNTS, SIZES),
        lambda y, n: exact.logit_normal(y, n, mu=stats.norm(-2, 1), tau=stats.halfnorm(scale=1)),
    ),
    "dirichlet_multinomial": (
        (TABLE, np.ones(3)),
        lambda table, base: exact.dirichlet_multinomial(table, alpha=stats.expon(), baseline=base),
    ),
}


def told(posterior):
    """Much of what a posterior can be asked."""
    found = [posterior[name].mean() for name in posterior] + [posterior[name].sd() for name in posterior]
    draws = posterior.sample(3, np.random.default_rng(1))
    tree = posterior.to_datatree(chains=1, draws=2, rng=np.random.default_rng(1))
    found += [*draws.data_vars.values(), *tree["observed_data"].data_vars.values()]
    return [np.array(one) for one in (*found, posterior.elpd_loo)]


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def test_a_posterior_does_not_change_with_the_user_s_arrays(model):
    data, build = model
    mine = [array.copy() for array in data]
    posterior, expected = build(*mine), told(build(*data))
    for array in mine:
        array[...] = array[::-1].copy() + 1
    for found, right in zip(told(posterior), expected, strict=True):
        np.testing.assert_array_equal(found, right)


def test_a_posterior_does_not_change_with_what_it_has_returned(model):
    data, build = model
    posterior = build(*data)
    expected = told(posterior)
    answers = [one for name in posterior for one in (posterior[name].mean(), posterior[name].sd())]
    answers += [posterior.elpd_loo, posterior.to_datatree(draws=2, rng=np.random.default_rng(1))]
    for answer in answers:
        if isinstance(answer, xr.DataTree):
            answer["observed_data"].dataset.to_array().values[...] = 7
            for array in answer["observed_data"].data_vars.values():
                array.values[...] = 7
        elif not isinstance(answer, float):
            answer.values[...] = 7
    for found, right in zip(told(posterior), expected, strict=True):
        np.testing.assert_array_equal(found, right)


def test_what_an_expectation_is_given_is_its_own():
    data, build = MODELS["mixed"]
    posterior = build(*data)
    before = posterior["sigma"].mean()

    def careless(scales):
        scales["sigma"] *= 1000
        return scales["sigma"]

    assert posterior.expect(careless) == pytest.approx(1000 * before, rel=1e-4)
    assert posterior["sigma"].mean() == before
    for f in (3, None, "sigma"):
        with pytest.raises(ValueError, match=r"f is .*: give a function"):
            posterior.expect(f)
        with pytest.raises(ValueError, match=r"f is .*: give a function"):
            posterior["sigma"].expect(f)


@pytest.mark.parametrize("width", [0.4, 0.02])
def test_a_function_that_is_zero_but_between_nodes_is_refused(width):
    """The nodes of the rule for a standard Normal are multiples of a quarter, an eighth, ..."""
    standard = exact.marginal(stats.norm())
    for start in (0.01, 0.13, 1.26):
        end = start + 0.1 * width
        with pytest.raises(ArithmeticError, match="without jumps"):
            standard.expect(lambda x: ((x > start) & (x < end)) * 1.0)  # noqa: B023
    assert standard.expect(lambda x: 0 * x) == 0
    # Of several groups one may be all zero, as with a weight of zero.
    groups = exact.normal(EFFECT, ERROR, mu=MU, tau=TAU)["theta"]
    weight = xr.DataArray([0.0, *np.ones(7)], dims="group")
    found = groups.expect(lambda x: weight * x)
    np.testing.assert_allclose(found, weight * groups.mean(), rtol=1e-6)


# -- labels -----------------------------------------------------------------------------------------


def frame():
    return pd.DataFrame(X, columns=["one", "x"], index=SCHOOLS)


def of_places(X, group, y=EFFECT):
    return exact.mixed(y, X, terms={"of": group}, beta=MU, sigma=TAU, tau=TAU)


def test_labels_of_any_argument_are_those_of_the_groups():
    for found in (
        exact.normal(EFFECT, pd.Series(ERROR, index=SCHOOLS), mu=MU, tau=TAU)["theta"],
        exact.normal(EFFECT, ERROR, covariates=frame()[["x"]], beta=MU, mu=MU, tau=TAU)["theta"],
        exact.student_t(EFFECT, pd.Series(ERROR, index=SCHOOLS), nu=4, mu=MU, tau=TAU)["theta"],
    ):
        assert found.mean()["group"].values.tolist() == SCHOOLS
    assert of_places(frame(), GROUP)["y_rep"].mean()["observation"].values.tolist() == SCHOOLS


@pytest.mark.parametrize(
    "build",
    [
        lambda good, bad: exact.normal(EFFECT, good["x"] + 1, covariates=bad["x"], beta=MU, mu=MU, tau=TAU),
        lambda good, bad: exact.normal(good["x"], ERROR, covariates=bad, beta=MU, mu=MU, tau=TAU),
        lambda good, bad: of_places(good, bad["x"] > 3),
        lambda good, bad: of_places(bad, GROUP, y=good["x"]),
        lambda good, bad: of_places(X, (good["x"] > 3, bad["x"])),
    ],
)
def test_labels_in_another_order_are_refused_whichever_argument_has_them(build):
    with pytest.raises(ValueError, match=r"is labelled .* give \w+\.reindex_like\(\w+\)"):
        build(frame(), frame()[::-1])


def test_rows_to_predict_go_by_the_names_of_their_columns():
    posterior = of_places(frame(), GROUP)
    new = pd.DataFrame({"one": [1.0, 1.0], "x": [20.0, 3.0]}, index=["p", "q"])
    found = posterior.predict(new, {"of": pd.Series([2, None], index=["p", "q"])})
    assert found.mean()["row"].values.tolist() == ["p", "q"]
    by_place = posterior.predict(new.to_numpy(), {"of": [2, None]})
    np.testing.assert_array_equal(found.mean().values, by_place.mean().values)
    for columns in (new[["x", "one"]], new.rename(columns={"x": "z"})):
        with pytest.raises(ValueError, match=r"X is labelled .* but beta .*: give X.reindex_like\(beta\)"):
            posterior.predict(columns, {"of": [2, None]})
    with pytest.raises(ValueError, match=r"of is labelled .* but X"):
        posterior.predict(new, {"of": pd.Series([2, 2], index=["q", "p"])})
    for X_new, groups, words in ((3, {"of": [2]}, "X is an array of shape"), (new, None, "groups is None")):
        with pytest.raises(ValueError, match=words):
            posterior.predict(X_new, groups)


def test_one_dim_of_two_things_is_refused():
    long = pd.Series(EFFECT, index=pd.Index(GROUP, name="school"))
    for build in (
        lambda: exact.normal_groups(EFFECT, pd.Series(GROUP, name="observation"), mu=MU, tau=TAU, sigma=TAU),
        lambda: exact.normal_groups(
            long, pd.Series(GROUP, index=long.index, name="school"), mu=MU, tau=TAU, sigma=TAU
        ),
        lambda: exact.mixed(EFFECT, X, terms={"observation": GROUP}, beta=MU, sigma=TAU, tau=TAU),
    ):
        with pytest.raises(ValueError, match=r"is a dim of two things, .*: give them other names"):
            build()


@pytest.mark.parametrize(
    ("index", "names"),
    [
        (pd.Index(list("abcd")), list("abcd")),
        (pd.Index([3, 1, 2, 7]), ["3", "1", "2", "7"]),
        (pd.CategoricalIndex(list("abcd")), list("abcd")),
        (pd.Index(list("abba")), ["a", "b", "b (2)", "a (2)"]),
        (
            pd.MultiIndex.from_product([["a", "b"], [1, 2]]),
            [f"({one!r}, {n})" for one in "ab" for n in (1, 2)],
        ),
        (pd.IntervalIndex.from_breaks(range(5)), ["(0, 1]", "(1, 2]", "(2, 3]", "(3, 4]"]),
    ],
    ids=lambda given: type(given).__name__,
)
def test_arviz_takes_labels_of_every_kind(index, names):
    posterior = exact.normal(pd.Series(EFFECT[:4], index=index), ERROR[:4], mu=MU, tau=TAU)
    tree = posterior.to_datatree(draws=50, rng=np.random.default_rng(1))
    assert list(az.summary(tree, var_names=["theta"]).index) == [f"theta[{name}]" for name in names]
    assert np.isfinite(az.loo(tree).elpd)
    for group in ("posterior_predictive", "observed_data", "log_likelihood"):
        assert [str(one) for one in tree[group]["group"].values] == names


@pytest.mark.parametrize("dim", ["group", "student"])
def test_a_sample_has_no_groups_whatever_its_dim_is_called(dim):
    y = xr.DataArray(EFFECT, dims=dim, coords={dim: SCHOOLS})
    found = exact.normal_sample(y, mu=MU, sigma=TAU)
    assert found["y_rep"].mean()[dim].values.tolist() == SCHOOLS
    assert found["mu"].mean() == exact.normal_sample(EFFECT, mu=MU, sigma=TAU)["mu"].mean()


def test_effects_of_two_terms_have_two_names():
    terms = {"a": (GROUP, X[:, 1]), "a_slope": GROUP[::-1]}
    with pytest.raises(ValueError, match="'u_a_slope' would be the effects of two terms"):
        exact.mixed(EFFECT, X, terms=terms, beta=MU, sigma=TAU, tau=TAU, rho=0)


def test_weights_of_groups_go_by_their_labels():
    y = xr.DataArray(EFFECT, dims="school", coords={"school": SCHOOLS})
    groups = exact.normal(y, ERROR, mu=MU, tau=TAU).groups
    weights = xr.DataArray([1.0, -1, 0, 0, 0, 0, 0, 0], dims="school", coords={"school": SCHOOLS})
    expected = groups.difference("A", "B").mean()
    for given in (weights, weights.to_series(), weights.values, weights.values.tolist()):
        assert groups.combination(given).mean() == expected
    for given, words in (
        (weights[::-1], r"weights is labelled .* but theta"),
        (np.ma.masked_array(weights.values, np.array("B") == SCHOOLS), "weights is a masked array"),
        (weights.values * 1j, "weights is complex"),
        (["1"] * 8, "weights is an array of <U1"),
        (np.zeros(8), "weights is 0 for all groups"),
        (1.0, "weights is an array of shape"),
    ):
        with pytest.raises(ValueError, match=words):
            groups.combination(given)
    with pytest.raises(KeyError, match="no group 'Z' here: give one of"):
        groups.difference("A", "Z")
    twice = exact.normal(pd.Series(EFFECT, index=["A", *SCHOOLS[:-1]]), ERROR, mu=MU, tau=TAU)
    with pytest.raises(ValueError, match="'A' is the label of 2 groups"):
        twice.groups.difference("A", "B")
    with pytest.raises(ValueError, match="a group is known"):
        exact.normal(EFFECT, ERROR, mu=0, tau=0).groups.correlation()


@pytest.mark.parametrize("rho", [0.5, Fraction(1, 2), np.float32(0.5)])
def test_a_known_correlation_is_a_number_of_any_type(rho):
    terms = {"of": (GROUP, X[:, 1])}
    rough = EFFECT + np.array([3, -3, 5, -5, 2, -9, 4, 0])
    found = exact.mixed(rough, X, terms=terms, beta=MU, sigma=stats.expon(5, 3), tau=2.0, rho=rho)
    assert found["sigma"].mean() == pytest.approx(
        exact.mixed(rough, X, terms=terms, beta=MU, sigma=stats.expon(5, 3), tau=2.0, rho=0.5)["sigma"].mean()
    )


def test_truth_values_and_arrays_of_priors_are_no_priors():
    for tau in (True, np.True_, stats.Uniform(a=[0.0, 0], b=[1.0, 2])):
        with pytest.raises(ValueError, match="tau is"):
            exact.normal(EFFECT, ERROR, mu=MU, tau=tau)
    with pytest.raises(ValueError, match="rho is True"):
        exact.mixed(EFFECT, X, terms={"of": (GROUP, X[:, 1])}, beta=MU, sigma=TAU, tau=TAU, rho=True)


def test_a_single_standard_error_may_be_labelled_data_without_dims():
    y = pd.Series(EFFECT, index=SCHOOLS)
    found = exact.normal(y, xr.DataArray(12.0), mu=MU, tau=TAU)
    assert found["mu"].mean() == exact.normal(y, 12.0, mu=MU, tau=TAU)["mu"].mean()


def test_nothing_asked_is_no_answer():
    posterior = exact.normal(pd.Series(EFFECT, index=["A", *SCHOOLS[:-1]]), ERROR, mu=MU, tau=TAU)
    with pytest.raises(ValueError, match=r"prob is .*: give one probability"):
        posterior.summary([0.5, 0.89])
    with pytest.raises(ValueError, match="prob is"):
        posterior["theta"].hdi([])
    with pytest.raises((ValueError, KeyError), match="labels"):
        posterior["theta"].sel(group=[])
    assert posterior["theta"].sel(group="A").mean().size == 2


def test_many_points_and_draws_take_little_memory(model):
    """A page of a browser has 4 GB at most, of which it gives nothing back."""
    data, build = model
    posterior = build(*data)
    tracemalloc.start(1)
    for name in posterior:
        posterior[name].quantile(np.linspace(0.01, 0.99, 301))
        posterior[name].cdf(np.linspace(0, 1, 301))
    posterior.sample(5000, np.random.default_rng(58))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 80e6
