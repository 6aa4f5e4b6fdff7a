"""Log densities and gradients against PyTensor's, draws against known posteriors, refusals by name."""

import json
import re
from pathlib import Path

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from arviz_stats import bfmi, diagnose, ess, rhat
from scipy import special, stats

import page_nuts
from page_nuts import engine

pytestmark = pytest.mark.slow  # PyTensor works out each model's graph

SCHOOLS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
GROUP = np.array([0, 0, 1, 2, 2, 2])
SCORES = np.array([50.0, 61, 55, 70, 66, 58])


def noncentred():
    mu, tau = pm.Normal("mu", 0, 20), pm.HalfNormal("tau", 10)
    raw = pm.Normal("raw", shape=8)
    pm.Normal("y", pm.Deterministic("theta", mu + tau * raw), ERRORS, observed=SCHOOLS)


def centred():
    mu, tau = pm.Normal("mu", 0, 20), pm.HalfNormal("tau", 10)
    pm.Normal("y", pm.Normal("theta", mu, tau, shape=8), ERRORS, observed=SCHOOLS)


def groups():
    theta, sigma = pm.Normal("theta", 50, 25, shape=3), pm.HalfNormal("sigma", 15, shape=3)
    pm.Normal("y", theta[GROUP], sigma[GROUP], observed=SCORES)


def counts():
    rate = pm.Gamma("rate", 1, 0.5, shape=3)
    pm.Poisson("y", rate * np.array([1.0, 2, 0.5]), observed=[3, 4, 0])


def survey():
    alpha = pm.Exponential("alpha", 1.0)
    share = pm.Dirichlet("share", np.ones(3))
    region = pm.Dirichlet("region", alpha * share, shape=(2, 3))
    pm.Multinomial("y", [10, 7], region, observed=[[2, 3, 5], [1, 1, 5]])


def wide():
    """What no other has: tails, a bounded parameter, slices, extremes, conditions."""
    x, nu = pm.Normal("x", shape=(2, 3)), pm.Exponential("nu", 0.1)
    p = pm.Beta("p", 2, 3)
    pm.StudentT("t", nu=nu, mu=x[0, 1:], sigma=2, shape=2)
    pm.Bernoulli("b", p, observed=[1, 0, 1])
    y = pt.concatenate([x[:, 0], pm.math.maximum(x[1], 0.1)])
    pm.Potential("a", -pt.sum(y**2 + 1) / 10 + pt.max(x) + pt.switch(x[0, 0] > 0, x[0, 0], pt.sin(x[1, 1])))
    pm.Potential("c", pt.log1p(pt.exp(x.T)).sum(axis=1).min() + pm.math.sigmoid(x).sum())


def slopes():
    """Correlated intercepts and slopes, standardised."""
    chol, _, _ = pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=pm.HalfNormal.dist(1.0, shape=2))
    z = pm.Normal("z", shape=(2, 3))
    own = pm.Deterministic("own", (chol @ z).T)
    pm.Normal("y", own[GROUP, 0] + own[GROUP, 1] * SCORES / 60, 1.0, observed=SCORES / 60)


def correlated():
    """The same, not standardised, and three correlations by themselves."""
    chol, _, _ = pm.LKJCholeskyCov("chol", n=3, eta=1.5, sd_dist=pm.Exponential.dist(1.0, shape=3))
    own = pm.MvNormal("own", pm.Normal("mu", shape=3), chol=chol, shape=(4, 3))
    pm.Normal("y", own.sum(axis=1), 2.0, observed=[1.0, 3, 2, 0])
    pm.Potential("even", -pt.sum(pm.LKJCorr("corr", n=3, eta=2.0) ** 2))


def proportions():
    ability = pm.Normal("ability", shape=3)
    pm.Binomial("y", n=[10, 12, 3], logit_p=ability, observed=[3, 0, 3])
    mean, size = pm.Beta("mean", 2, 2), pm.Gamma("size", 2, 0.1)
    p = pm.Beta("p", mean * size, (1 - mean) * size, shape=2)
    pm.Binomial("x", n=[20, 5], p=p, observed=[20, 1])
    pm.BetaBinomial("z", n=[9, 4], alpha=mean * size, beta=(1 - mean) * size, observed=[9, 0])


def odd_group():
    nu, tau = pm.Gamma("nu", 2, 0.1), pm.HalfStudentT("tau", nu=4, sigma=5)
    theta = pm.StudentT("theta", nu=nu, mu=pm.Cauchy("mu", 0, 5), sigma=tau, shape=8)
    pm.Normal("y", theta, ERRORS, observed=SCHOOLS)
    share = pm.Beta("share", 1, 4)
    spread = [pm.math.sqrt(ERRORS**2 + (scale * tau) ** 2) for scale in (1, 5)]
    kinds = [pm.Normal.dist(0, sd) for sd in spread]
    pm.Mixture("w", w=pt.stack([1 - share, share]), comp_dists=kinds, observed=SCHOOLS)


def matrices():
    """Products, decompositions and solutions, of one matrix and of several; sums that run on."""
    x, a = pm.Normal("x", shape=(3, 2)), pm.Normal("a", shape=(3, 2, 2))
    cov = a @ pt.swapaxes(a, 1, 2) + np.eye(2)
    pm.MvNormal("y", x, cov=cov, observed=np.arange(6.0).reshape(3, 2))
    pm.MvNormal("z", x[0], cov=cov[1], observed=[1.0, 2.0])
    pm.Potential("b", -pt.sum((SCORES[:3] @ x) ** 2) / 9000 - x[0] @ x[1] + pt.dot(x, x[2]).prod())
    pm.Potential("c", pt.cumprod(x, axis=1).sum() - (pt.cumsum(x, axis=0) ** 2).sum() + pt.arctan(x).sum())
    pm.Potential("d", pt.linalg.cholesky(cov[2].T, lower=False).sum())


BEYOND = [slopes, correlated, proportions, odd_group, matrices]
MODELS = [noncentred, centred, groups, counts, survey, wide, *BEYOND]


def model_of(build):
    with pm.Model() as model:
        build()
    return model


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_log_density_and_gradient_are_those_of_pytensor(build):
    model = model_of(build)
    compiled = page_nuts.compile_pymc_model(model)
    reference = model.logp_dlogp_function(ravel_inputs=True, mode="FAST_COMPILE")
    reference.set_extra_values({})
    points = np.random.default_rng(5).normal(size=(3, compiled.start.size))
    for point in points:
        value, gradient = reference(point)
        ours, slope = compiled.log_density(point)
        assert ours == pytest.approx(float(value), rel=1e-12)
        np.testing.assert_allclose(slope, gradient, rtol=1e-12, atol=1e-12 * np.abs(gradient).max())


def test_special_functions_against_scipy():
    x = np.concatenate([np.geomspace(1e-8, 1e6, 400), np.linspace(0.9, 3.1, 221)])
    source = engine_source("lgamma"), engine_source("digamma")
    lgamma, digamma = (engine.run(text, {"x": x}, {})["out"] for text in source)
    np.testing.assert_allclose(lgamma, special.gammaln(x), rtol=2e-14, atol=2e-15)
    np.testing.assert_allclose(digamma, special.digamma(x), rtol=2e-14, atol=2e-15)
    x = np.concatenate([x, -x])
    softplus = engine.run(engine_source("softplus"), {"x": x}, {})["out"]
    np.testing.assert_allclose(softplus, np.logaddexp(0, x), rtol=1e-15)
    small, large = np.geomspace(1e-18, 0.1, 50), np.linspace(5, 700, 50)
    log1mexp = engine.run(engine_source("log1mexp"), {"x": -np.r_[small, large]}, {})["out"]
    # Of small x it is log(x - x²/2 + x³/6 - …), of large ones -exp(-x) - exp(-2x)/2 - …
    terms = np.arange(1, 12)[:, None]
    near = np.log((-((-small) ** terms) / special.factorial(terms)).sum(axis=0))
    far = -(np.exp(-large) ** terms / terms).sum(axis=0)
    np.testing.assert_allclose(log1mexp, np.r_[near, far], rtol=1e-14)


def engine_source(function):
    text = page_nuts.sampling._text("special.js")
    return f"(({{ x }}) => {{ {text}\n return {{ out: x.map({function}) }}; }})"


def test_draws_of_normals_with_any_scale_have_their_moments():
    scales = np.array([0.01, 1.0, 100.0])
    with pm.Model() as model:
        pm.Normal("x", [1.0, 2.0, 3.0], scales, shape=3)
    idata = page_nuts.sample(page_nuts.compile_pymc_model(model), draws=2000, tune=1000, seed=11)
    x = idata["posterior"]["x"]
    assert float(rhat(idata)["x"].max()) < 1.01
    size = ess(idata)["x"].values
    assert (size > 2000).all()
    # Four Monte Carlo errors of the mean; of the standard deviation, for Normals, those of half the variance.
    error = 4 * scales / np.sqrt(size)
    assert (np.abs(x.mean(("chain", "draw")).values - [1, 2, 3]) < error).all()
    spread = ess((x - x.mean(("chain", "draw"))) ** 2).values
    assert (np.abs(x.std(("chain", "draw")).values - scales) < 4 * scales / np.sqrt(2 * spread)).all()
    assert not idata["sample_stats"]["diverging"].any()


def test_draws_follow_a_conjugate_posterior_in_every_quantile():
    with pm.Model() as model:
        pm.Gamma("rate", 1, 0.5)
        pm.Poisson("y", model["rate"], observed=[3, 5, 4])
    idata = page_nuts.sample(page_nuts.compile_pymc_model(model), draws=4000, tune=1000, seed=12)
    rate = idata["posterior"]["rate"].values
    for level in np.linspace(0.05, 0.95, 10):
        below = (rate < stats.gamma(13, scale=1 / 3.5).ppf(level)).astype(float)
        error = np.sqrt(level * (1 - level) / float(ess(below)))
        assert abs(below.mean() - level) < 4 * error


def test_steps_are_accepted_at_least_as_often_as_asked_for():
    with pm.Model() as model:
        pm.Normal("x", shape=10)
    compiled = page_nuts.compile_pymc_model(model)
    steps = []
    for target in (0.6, 0.95):
        idata = page_nuts.sample(compiled, draws=500, tune=500, seed=6, target_accept=target)
        # The step is averaged as its logarithm: more are accepted than the target, but for a few hundredths.
        assert float(idata["sample_stats"]["mean_tree_accept"].mean()) > target - 0.05
        steps.append(float(idata["sample_stats"]["step_size"].mean()))
    assert steps[0] > 1.5 * steps[1]


def test_a_scale_below_zero_has_no_density():
    with pm.Model() as model:
        pm.Normal("y", 0, pm.Normal("scale"), observed=[1.0, 2.0])
    compiled = page_nuts.compile_pymc_model(model)
    assert np.isfinite(compiled.log_density([0.5])[0])
    assert compiled.log_density([-0.5])[0] == -np.inf


def test_what_is_no_covariance_has_no_density():
    with pm.Model() as model:
        r = pm.Normal("r")
        cov = pt.stack([pt.stack([1.0, r]), pt.stack([r, 1.0])])
        pm.MvNormal("y", np.zeros(2), cov=cov, observed=[1.0, 2.0])
    compiled = page_nuts.compile_pymc_model(model)
    exact = stats.norm.logpdf(0.5) + stats.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]).logpdf([1, 2])
    assert compiled.log_density([0.5])[0] == pytest.approx(exact, rel=1e-13)
    assert compiled.log_density([1.5])[0] == -np.inf


def test_only_what_is_wanted_is_kept():
    compiled = page_nuts.compile_pymc_model(model_of(noncentred), var_names=["tau", "theta"])
    idata = page_nuts.sample(compiled, draws=5, tune=5, chains=1, seed=1)
    assert {name: values.shape for name, values in idata["posterior"].items()} == {
        "tau": (1, 5),
        "theta": (1, 5, 8),
    }


def test_the_same_seed_gives_the_same_draws_and_another_gives_others():
    compiled = page_nuts.compile_pymc_model(model_of(noncentred))
    first, again, other = (
        page_nuts.sample(compiled, draws=50, tune=50, chains=2, seed=seed)["posterior"]["tau"].values
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, other)


def test_streams_of_neighbouring_seeds_and_chains_have_nothing_in_common():
    source = Path(page_nuts.__file__).with_name("nuts.js").read_text()
    seeds, chains, numbers = 250, 4, 40
    draw = """(_, { seeds, chains, numbers }) => {
      const all = [];
      for (let seed = 0; seed < seeds; seed++)
        for (let chain = 0; chain < chains; chain++) {
          const random = generator(seed, chain);
          for (let i = 0; i < numbers; i++) all.push(random.uniform());
        }
      return { all: new Float64Array(all) };
    }"""
    settings = {"seeds": seeds, "chains": chains, "numbers": numbers}
    drawn = engine.run(f"{source}\n{draw}", {}, settings)["all"].reshape(seeds, chains, numbers)
    assert stats.kstest(drawn[:, :, 0].ravel(), "uniform").pvalue > 1e-4
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > 1e-4
    standard = (drawn - 0.5) * np.sqrt(12)
    for shift in range(-5, 6):
        part = standard[:, :, max(0, shift) : numbers + min(0, shift)]
        other = standard[:, :, max(0, -shift) : numbers + min(0, -shift)]
        for one, two in (
            (part[:, 1:], other[:, :-1]),
            (part[1:], other[:-1]),
            (part[1:, :-1], other[:-1, 1:]),
        ):
            products = (one * two).ravel()
            assert abs(products.mean()) < 4.5 / np.sqrt(len(products))


def test_a_funnel_diverges():
    with pm.Model() as model:
        scale = pm.Normal("scale", 0, 3)
        pm.Normal("x", 0, pm.math.exp(scale / 2), shape=9)
    compiled = page_nuts.compile_pymc_model(model)
    # Of forty such fits five had none: of five all, three times in a hundred thousand.
    fits = [
        page_nuts.sample(compiled, draws=500, tune=500, seed=seed)["sample_stats"] for seed in range(3, 8)
    ]
    assert sum(fit["diverging"].sum() for fit in fits) > 0


def test_other_data_is_as_another_model():
    def build(y):
        with pm.Model() as model:
            pm.Normal("y", pm.Normal("mu", 0, 1), pm.Data("sd", y), observed=[1.0, 2.0])
        return model

    one, two = np.array([1.0, 1.0]), np.array([0.1, 3.0])
    changed = page_nuts.compile_pymc_model(build(one)).with_data(sd=two)
    fresh = page_nuts.compile_pymc_model(build(two))
    assert changed.log_density([0.4])[0] == pytest.approx(fresh.log_density([0.4])[0], rel=1e-14)
    with pytest.raises(ValueError, match="sdd is no data of the model: give sd"):
        changed.with_data(sdd=two)
    with pytest.raises(ValueError, match=r"sd has shape \(3,\): give \(2,\)"):
        changed.with_data(sd=np.ones(3))


def test_data_are_told_apart_by_what_they_are_and_not_by_name():
    import pytensor

    def build(names):
        x = pm.Normal("x")
        first, second = (
            pytensor.shared(np.array(v), name=n) for v, n in zip(([1.0, 2], [3.0, 5]), names, strict=True)
        )
        pm.Deterministic("second", second * x)
        pm.Potential("p", (first * x).sum() - (second * x**2).sum())

    for names in (("a", "a"), (None, None), ("a", "b")):
        compiled = page_nuts.compile_pymc_model(model_of(lambda names=names: build(names)))
        exact = stats.norm.logpdf(0.5) + 0.5 * 3 - 0.25 * 8
        assert compiled.log_density([0.5])[0] == pytest.approx(exact, rel=1e-13)
        draws = page_nuts.sample(compiled, draws=5, tune=5, chains=1, seed=1)["posterior"]
        np.testing.assert_allclose(draws["second"], draws["x"].values[..., None] * [3, 5], rtol=1e-14)
        if names == ("a", "a"):
            with pytest.raises(
                ValueError, match="a is the name of 2 shared variables of the model: give none"
            ):
                compiled.with_data(a=np.ones(2))
    changed = compiled.with_data(b=np.array([1, 1]))
    assert changed.log_density([0.5])[0] == pytest.approx(exact + 0.25 * 6, rel=1e-13)


def test_data_are_copied_and_must_be_like_those_before():
    xarray = pytest.importorskip("xarray")
    with pm.Model(coords={"row": [0, 1], "column": [0, 1]}) as model:
        table = pm.Data("table", np.ones((2, 2)), dims=("row", "column"))
        pm.Poisson("y", pm.math.exp(pm.Normal("m")) * table[0], observed=pm.Data("count", [1, 2]))
    compiled = page_nuts.compile_pymc_model(model)
    new = np.full((2, 2), 2.0)
    changed = compiled.with_data(table=new)
    before = changed.log_density([0.3])[0]
    assert before != compiled.log_density([0.3])[0]
    new[:] = 7.0
    assert changed.log_density([0.3])[0] == before
    assert compiled.with_data(count=[1.0, 2.0]).log_density([0.3]) == compiled.log_density([0.3])
    for name, value, said in [
        ("table", [[1.0, np.nan], [1, 1]], "table has values that are not finite"),
        ("table", [["a", "b"], ["c", "d"]], "table is of the kind <U1: give float64"),
        ("table", np.ma.masked_equal([[1.0, 2], [3, 4]], 2), "table has missing values"),
        (
            "table",
            xarray.DataArray(new, dims=("column", "row")),
            r"table has dims .*: give \('row', 'column'\)",
        ),
        ("table", np.ones(4), r"table has shape \(4,\): give \(2, 2\)"),
        ("count", [1.5, 2.0], "count is float64, with values that are no int"),
    ]:
        with pytest.raises(ValueError, match=said):
            compiled.with_data(**{name: value})


def test_pymc_takes_it_for_nutpie(monkeypatch):
    import sys
    import types

    import pymc.sampling.mcmc as mcmc

    stand_in = types.ModuleType("nutpie")
    stand_in.__dict__.update(vars(page_nuts), __version__="0.16.10+page")
    monkeypatch.setitem(sys.modules, "nutpie", stand_in)
    monkeypatch.setattr(mcmc, "NUTPIE_INSTALLED", True)
    with pm.Model(coords={"school": list("ABCDEFGH")}):
        mu = pm.Normal("mu", 0, 20)
        pm.Normal("y", pm.Deterministic("twice", 2 * mu), ERRORS, observed=SCHOOLS, dims="school")
        idata = pm.sample(50, tune=50, chains=2, nuts_sampler="nutpie", progressbar=False, random_seed=1)
    assert set(idata["posterior"].data_vars) == {"mu", "twice"}
    assert idata["observed_data"]["y"].dims == ("school",)
    np.testing.assert_allclose(idata["posterior"]["twice"], 2 * idata["posterior"]["mu"], rtol=1e-14)


def line():
    pm.Normal("x", 0, 1)


def test_what_is_none_is_as_it_is_by_default():
    compiled = page_nuts.compile_pymc_model(model_of(line))
    plain = page_nuts.sample(compiled, draws=None, tune=None, chains=None, seed=4)
    stated = page_nuts.sample(compiled, draws=1000, tune=1000, chains=4, seed=4)
    assert np.array_equal(plain["posterior"]["x"], stated["posterior"]["x"])
    assert plain["posterior"]["x"].shape == (4, 1000)
    settings = plain["sample_stats"].attrs["inference_library_settings"]
    assert json.loads(settings) == {"settings": {"num_tune": 1000, "num_draws": 1000}}


@pytest.mark.parametrize("tune", [0, 1, 2, 5, 9, 12, 20, 34, 60])
def test_chains_move_after_few_tuning_draws(tune):
    with pm.Model() as model:
        pm.Normal("x", 0, 1, shape=3)
    idata = page_nuts.sample(page_nuts.compile_pymc_model(model), draws=200, tune=tune, seed=8)
    for values in idata["posterior"]["x"].values:
        assert np.unique(values[:, 0]).size > 100
    assert 0.4 < float(idata["sample_stats"]["mean_tree_accept"].mean()) < 0.999


def test_the_energy_is_that_of_the_draw_with_its_momentum():
    with pm.Model() as model:
        pm.Normal("x", 0, 1, shape=5)
    idata = page_nuts.sample(page_nuts.compile_pymc_model(model), draws=2000, tune=1000, seed=9)
    kinetic = (idata["sample_stats"]["energy"] + idata["sample_stats"]["logp"]).values
    assert (kinetic > 0).all()
    # Half a chi-square of five, whatever the masses.
    assert abs(kinetic.mean() - 2.5) < 4 * np.sqrt(2.5 / float(ess(kinetic)))
    assert (np.abs(bfmi(idata)["energy"].values - 1) < 0.25).all()
    assert not idata["sample_stats"]["reached_max_treedepth"].any()


def test_where_trajectories_are_too_short_it_is_recorded():
    compiled = page_nuts.compile_pymc_model(model_of(noncentred))
    statistics = page_nuts.sample(compiled, draws=100, tune=100, seed=1, maxdepth=1)["sample_stats"]
    assert statistics["reached_max_treedepth"].mean() > 0.5
    assert int(statistics["depth"].max()) == 1


def test_a_trajectory_ends_within_one_turn():
    """Of one Normal the orbit is a circle: what is doubled has not yet gone half of it."""
    with pm.Model() as model:
        pm.Normal("x", 0, 1)
    compiled = page_nuts.compile_pymc_model(model)
    statistics = page_nuts.sample(compiled, draws=500, tune=1000, seed=11, target_accept=0.999)[
        "sample_stats"
    ]
    turns = statistics["n_steps"] * statistics["step_size"] / (2 * np.pi)
    assert statistics["depth"].max() > 4
    assert turns.max() < 1.2, "turns go as the root of the masses, which may miss by a third"


def test_diagnose_reads_what_is_recorded():
    idata = page_nuts.sample(page_nuts.compile_pymc_model(model_of(line)), draws=500, tune=500, seed=1)
    failed, found = diagnose(idata, show_diagnostics=False, return_diagnostics=True)
    assert not failed
    assert {"divergent", "treedepth", "bfmi"} <= set(found)


def density_matches(build, points):
    model = model_of(build)
    compiled = page_nuts.compile_pymc_model(model)
    reference = model.compile_logp(mode="FAST_COMPILE")
    (name,) = [v.name for v in model.value_vars]
    shape = model.initial_point()[name].shape
    for point in points:
        expected = float(reference({name: np.reshape(point, shape)}))
        assert compiled.log_density(np.ravel(point))[0] == pytest.approx(expected, rel=1e-12)


def thrice():
    a = pm.Exponential("a", 1)
    pm.Multinomial("y", 6, pm.math.stack([a, a, a]) / (3 * a), observed=[1, 2, 3])
    pm.Potential("b", pt.sum(pt.stack([a, 1.0, a]) * np.array([1.0, 2, 3])))


def whole():
    x = pm.Normal("x")
    pm.Potential("i", pt.cast(x, "int64") * 0.3 + pt.cast(x, "bool") * 0.5)


def truths():
    x = pm.Normal("x")
    one, two = x > 0.5, x > -0.5
    pm.Potential("t", (one + two) * 0.7 + (one & ~two) * 0.2 + (one | two) * 0.1 + pt.any(two) * 0.3)


@pytest.mark.parametrize("build", [thrice, whole, truths], ids=lambda build: build.__name__)
def test_numbers_are_those_of_their_kind_and_repeated_ones_count_each_time(build):
    density_matches(build, [0.2, 1.7, -1.7, 2.3, 0.0])


def test_a_concentration_may_be_repeated():
    with pm.Model() as model:
        a = pm.Exponential("a", 1)
        pm.Dirichlet("p", pt.stack([a, a, a]))
    compiled = page_nuts.compile_pymc_model(model)
    reference = model.compile_logp(mode="FAST_COMPILE")
    expected = float(reference({"a_log__": np.array(0.3), "p_simplex__": np.array([0.1, -0.4])}))
    assert compiled.log_density(np.array([0.3, 0.1, -0.4]))[0] == pytest.approx(expected, rel=1e-12)


def test_there_may_be_many_constants():
    y = np.random.default_rng(2).normal(size=70_000)

    def many():
        pm.Normal("y", pm.Normal("x", shape=2)[(y > 0).astype(int)], 1 + y**2, observed=y)

    density_matches(many, [[0.3, -0.2]])


def test_an_index_held_in_data_is_fixed():
    def build():
        theta = pm.Normal("theta", shape=3)
        pm.Normal("y", theta[pm.Data("group", GROUP)] + pm.Data("more", np.ones(6)), 1.0, observed=SCORES)

    density_matches(build, [[1.0, 2.0, 3.0]])
    compiled = page_nuts.compile_pymc_model(model_of(build))
    assert compiled.fixed == ("group",)
    assert compiled.with_data(more=np.zeros(6), group=GROUP).fixed == ("group",)
    with pytest.raises(ValueError, match="group is used as places, which are fixed: compile the model"):
        compiled.with_data(group=GROUP[::-1])


def test_chains_begin_where_asked():
    with pm.Model() as model:
        pm.Normal("x", 0, 1000)
        pm.HalfNormal("s", 1000)
    compiled = page_nuts.compile_pymc_model(model, initial_points={"x": 500.0, model["s"]: np.exp(3.0)})
    assert compiled.start == pytest.approx([500, 3])
    with pytest.raises(ValueError, match="initial_points has 'z', no variable of the model: give x, s"):
        page_nuts.compile_pymc_model(model, initial_points={"z": 1})
    with pytest.raises(
        ValueError, match="s begins at nan, unconstrained: give initial values of its support"
    ):
        page_nuts.compile_pymc_model(model, initial_points={"s": -1.0})
    with pytest.raises(ValueError, match=r"initial_points has 'x' of shape \(2,\): give \(\)"):
        page_nuts.compile_pymc_model(model, initial_points={"x": [1.0, 2.0]})


def test_each_chain_begins_at_a_draw_of_its_own_where_asked():
    with pm.Model() as model:
        pm.Normal("x", 0, 1e6, initval="prior")
    compiled = page_nuts.compile_pymc_model(model)
    fit = page_nuts.sample(compiled, draws=1, tune=0, chains=4, seed=3)["posterior"]["x"].values.ravel()
    assert np.abs(np.diff(np.sort(fit))).min() > 100
    again = page_nuts.sample(compiled, draws=1, tune=0, chains=4, seed=3)["posterior"]["x"].values.ravel()
    assert np.array_equal(fit, again)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"max_treedept": 5}, TypeError, "sample knows no max_treedept: give draws, tune, chains"),
        ({"draws": 0}, ValueError, "draws is 0: give a whole number, at least 1"),
        ({"tune": -1}, ValueError, "tune is -1"),
        ({"chains": 1.5}, ValueError, "chains is 1.5"),
        ({"maxdepth": 0}, ValueError, "maxdepth is 0"),
        ({"maxdepth": -1}, ValueError, "maxdepth is -1"),
        ({"tune": 2.5}, ValueError, "tune is 2.5: give a whole number, at least 0"),
        ({"draws": True}, ValueError, "draws is True"),
        ({"seed": -1}, ValueError, "seed is -1: give a whole number, at least 0, at most 4294967295"),
        ({"seed": 2**32}, ValueError, "seed is 4294967296"),
        ({"seed": 1.5}, ValueError, "seed is 1.5"),
        ({"target_accept": 1.0}, ValueError, "target_accept is 1.0: give a number between 0 and 1"),
        ({"target_accept": np.nan}, ValueError, "target_accept is nan"),
        ({"target_accept": "high"}, ValueError, "target_accept is 'high'"),
        ({"save_warmup": True}, ValueError, "save_warmup is True: give False, since tuning draws"),
        ({"store_unconstrained": True}, ValueError, "store_unconstrained is True: give False"),
    ],
)
def test_arguments_that_would_do_nothing_are_refused(arguments, kind, message):
    compiled = page_nuts.compile_pymc_model(model_of(line))
    with pytest.raises(kind, match=re.escape(message)):
        page_nuts.sample(compiled, **arguments)
    with pytest.raises(ValueError, match="compiled is a Model: give what compile_pymc_model returns"):
        page_nuts.sample(model_of(line))
    with pytest.raises(ValueError, match=r"point has shape \(2,\): give \(1,\)"):
        compiled.log_density([1.0, 2.0])


def test_what_is_compiled_is_what_was_asked_for():
    model = model_of(noncentred)
    with pytest.raises(ValueError, match="var_names has 'taus', no variable of the model: give mu, "):
        page_nuts.compile_pymc_model(model, var_names=["tau", "taus"])
    with pytest.raises(TypeError, match="compile_pymc_model knows no jitter: give var_names"):
        page_nuts.compile_pymc_model(model, jitter=False)
    assert page_nuts.compile_pymc_model(model, var_names="tau").shapes == {"tau": ()}
    with pytest.raises(ValueError, match="var_names is empty: give None, or names"):
        page_nuts.compile_pymc_model(model, var_names=[])
    with pytest.raises(ValueError, match=r"model is a dict: give a pymc\.Model"):
        page_nuts.compile_pymc_model({})
    with pytest.raises(ValueError, match="model has no free variables: there is nothing to sample"):
        page_nuts.compile_pymc_model(model_of(lambda: pm.Normal("y", 0, 1, observed=1.0)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: pm.Potential("d", pt.linalg.det(pm.Normal("x", shape=(2, 2)))),
            "the operation (MatrixInverse|SLogDet|Det) cannot run in a page",
        ),
        (lambda: pm.Poisson("n", 3), "n: discrete parameters cannot be sampled by NUTS"),
        (
            lambda: pm.Potential("b", ~pt.cast(pm.Normal("x"), "int64") * 0.1),
            "the operation Invert cannot run in a page bit by bit",
        ),
        (
            lambda: pm.Potential("i", pt.arange(3.0)[pt.cast(pm.Normal("x"), "int64")]),
            "the operation .* cannot run in a page at places that depend on the parameters",
        ),
        (lambda: pm.Potential("e", pt.erf(pm.Normal("x"))), "the operation Erf cannot run in a page"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(build, message):
    with pytest.raises(page_nuts.Unsupported, match=message):
        page_nuts.compile_pymc_model(model_of(build))


def test_the_example_of_the_readme_runs():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    names = {}
    exec(example, names)
    x = names["idata"]["posterior"]["x"]
    assert abs(float(x.mean())) < 4 / np.sqrt(float(ess(x.values)))


def test_a_model_without_a_start_is_refused():
    with pm.Model() as model:
        pm.Potential("never", pt.switch(pm.Normal("x") > pm.Data("limit", 0.0), 0.0, -np.inf))
    compiled = page_nuts.compile_pymc_model(model)
    said = r"no start with a finite .*\{'x': 0.0\}.*'x': -0.92, 'never': -inf.*not finite: never\. Give"
    with pytest.raises(RuntimeError, match=said):
        page_nuts.sample(compiled.with_data(limit=1e6), draws=5, tune=5, chains=1, seed=1)
    assert page_nuts.sample(compiled, draws=5, tune=5, chains=1, seed=1)["posterior"]["x"].min() > 0
