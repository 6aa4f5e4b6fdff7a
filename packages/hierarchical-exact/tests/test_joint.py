"""Joint draws against exact moments and distribution functions, within Monte Carlo error."""

import pickle
from functools import cache

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import hierarchical_exact as exact

EFFECT, ERROR = [28.0, 8, -3, 7, -1, 1, 18, 12], [15.0, 10, 16, 11, 9, 11, 10, 18]
MU, TAU = stats.norm(0, 20), stats.halfnorm(scale=10)
SCORES = [71.0, 75, 80, 62, 66, 58, 90, 85]
TABLE = xr.DataArray(
    [[12, 3, 5], [8, 8, 4], [0, 2, 18]],
    dims=("region", "response"),
    coords={"region": ["north", "east", "south"], "response": ["yes", "no", "other"]},
)
BUILD = {
    "normal": lambda: exact.normal(EFFECT, ERROR, mu=MU, tau=TAU),
    "with covariates": lambda: exact.normal(
        [1.0, 2, 3, 4, 7],
        1.0,
        mu=MU,
        tau=stats.halfnorm(scale=3),
        covariates=np.array([[0, 1.0], [1, 1], [2, 3], [3, 0], [5, 1]]),
        beta=stats.norm(0, 3),
    ),
    "normal_groups": lambda: exact.normal_groups(
        SCORES, list("aaabbbcc"), mu=stats.norm(50, 25), tau=TAU, sigma=stats.halfnorm(scale=15)
    ),
    "normal_sample": lambda: exact.normal_sample(SCORES, mu=stats.norm(50, 25), sigma=TAU),
    "poisson": lambda: exact.poisson(
        [5, 0, 40], [2.0, 1.5, 3.0], mu_log=stats.norm(0, 1), sigma_log=stats.halfnorm(scale=0.4)
    ),
    "dirichlet_multinomial": lambda: exact.dirichlet_multinomial(
        TABLE, alpha=stats.expon(scale=5), baseline=[0.5, 1, 1]
    ),
    "beta_binomial": lambda: exact.beta_binomial(
        [3, 0, 9], [10, 4, 12], mean=stats.beta(1, 2), concentration=stats.expon(scale=5)
    ),
}
MODELS = {name: cache(build) for name, build in BUILD.items()}
N = 4000
LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
# A right sampler exceeds it once in 16,000 comparisons.
LIMIT = 4.0


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    """A posterior and its joint draws."""
    posterior = MODELS[request.param]()
    return posterior, posterior.sample(N, np.random.default_rng(58))


@pytest.mark.slow
def test_every_marginal_of_the_draws_is_the_exact_one(model):
    posterior, draws = model
    assert list(draws) == list(posterior)
    for name, marginal in posterior.items():
        below = np.asarray(marginal.quantile(LEVELS)).reshape(-1, len(LEVELS))
        size = len(below)
        # Counts do not reach a level exactly: compare with the probability that they do reach.
        reached = np.asarray(marginal.cdf(below.ravel())).reshape(size, size, len(LEVELS))
        probability = reached[np.arange(size), np.arange(size)]
        found = (draws[name].values.reshape(N, size, 1) <= below).mean(axis=0)
        z = (found - probability) / np.sqrt(probability * (1 - probability) / N + 1e-12)
        assert np.abs(z).max() < LIMIT, name


def test_the_sd_of_the_mean_effect_and_the_best_school():
    posterior = MODELS["normal"]()
    theta = posterior.sample(40_000, np.random.default_rng(7))["theta"]
    mean, best = theta.mean("group"), theta.argmax("group")
    exact_sd = posterior.groups.mean().sd()
    # The kurtosis of a mixture of Normals exceeds that of one: 2.5 in place of 2.
    assert mean.std().item() == pytest.approx(exact_sd, rel=LIMIT * np.sqrt(2.5 / 4 / 40_000))
    probability = posterior.groups.best()
    found = np.bincount(best, minlength=8) / 40_000
    assert np.all(np.abs(found - probability) < LIMIT * np.sqrt(probability * (1 - probability) / 40_000))


@pytest.mark.parametrize("name", ["normal", "with covariates", "normal_groups"])
def test_covariances_of_the_draws_are_the_exact_ones(name):
    posterior = MODELS[name]()
    theta = posterior.sample(20_000, np.random.default_rng(9))["theta"].values
    deviation = theta - np.asarray(posterior["theta"].mean())
    products = deviation[:, :, None] * deviation[:, None]
    error = products.std(axis=0) / np.sqrt(len(theta))
    assert np.all(np.abs(products.mean(axis=0) - posterior.groups.covariance().values) < LIMIT * error)


def test_shares_add_to_one_and_counts_to_theirs():
    draws = MODELS["dirichlet_multinomial"]().sample(500, np.random.default_rng(4))
    for name in ("pi0", "pi", "pi_new"):
        np.testing.assert_allclose(draws[name].sum("response"), 1, rtol=1e-13)
    assert (draws["y_rep"].sum("response") == TABLE.sum("response")).all()


def assert_zero_mean(draws):
    """Within Monte Carlo error."""
    z = draws.mean("sample") / draws.std("sample") * np.sqrt(draws.sizes["sample"])
    assert float(np.abs(z).max()) < LIMIT


@pytest.mark.slow
def test_shares_and_counts_go_together_as_they_should():
    """Dirichlet and Multinomial: E[pi | pi0, alpha, y] and the covariances of new counts given shares."""
    posterior = MODELS["dirichlet_multinomial"]()
    draws = posterior.sample(N, np.random.default_rng(5))
    total = TABLE.sum("response")
    expected = (draws["alpha"] * draws["pi0"] + TABLE) / (draws["alpha"] + total)
    shares, counts = draws["pi"] - expected, draws["y_rep"] - total * draws["pi"]
    for weight in (1.0, draws["alpha"], draws["pi0"]):
        assert_zero_mean(shares * weight)
    for weight in (1.0, draws["pi"]):
        assert_zero_mean(counts * weight)
    assert_zero_mean(shares**2 - expected * (1 - expected) / (draws["alpha"] + total + 1))
    assert_zero_mean(counts**2 - total * draws["pi"] * (1 - draws["pi"]))


def test_rates_and_counts_go_together_as_they_should():
    """Score of the conditional law: its mean is zero, and that of x times it minus one (Stein's identity)."""
    posterior = MODELS["poisson"]()
    draws = posterior.sample(N, np.random.default_rng(6))
    y, e = np.array([5, 0, 40]), np.array([2.0, 1.5, 3.0])
    x = np.log(draws["lam"])
    score = y - e * draws["lam"] - (x - draws["mu_log"]) / draws["sigma_log"] ** 2
    for weight in (1.0, draws["sigma_log"], draws["mu_log"]):
        # Weighed by the variance of the population, as the score has none where that is tiny.
        assert_zero_mean(score * draws["sigma_log"] ** 2 * weight)
    assert_zero_mean((1 + (x - draws["mu_log"]) * score) * draws["sigma_log"] ** 2)
    assert_zero_mean(draws["y_rep"] - e * draws["lam"])


@pytest.mark.slow
def test_extreme_rates_and_shares_are_drawn():
    """Nothing overflows: large counts, none at all, a population without spread, tiny concentrations."""
    rng = np.random.default_rng(8)
    wide = exact.poisson([0, 10**9], [1e-3, 1e3], mu_log=stats.norm(0, 10), sigma_log=stats.halfnorm(scale=5))
    lam = wide.sample(400, rng)["lam"]
    assert abs(lam[:, 1].mean() / 1e6 - 1) < LIMIT / np.sqrt(400 * 1e9)
    assert (lam[:, 0] < 1e5).all()
    faint = exact.poisson([0, 1], [1e-320, 1.0], mu_log=stats.norm(0, 50), sigma_log=stats.halfnorm(scale=20))
    assert np.isfinite(np.log(faint.sample(400, rng)["lam"])).all()
    equal = exact.poisson([3, 5], [1.0, 2.0], mu_log=stats.norm(0, 1), sigma_log=0).sample(50, rng)
    assert (equal["lam"][:, 0] == equal["lam"][:, 1]).all()
    assert (equal["sigma_log"] == 0).all()
    point = exact.poisson([3, 5], [1.0, 2.0], mu_log=0.0, sigma_log=0).sample(5, rng)
    assert (point["lam"] == 1).all()
    tiny = exact.dirichlet_multinomial([[3, 0], [0, 0]], alpha=1e-3, baseline=[1, 1]).sample(400, rng)
    np.testing.assert_allclose(tiny["pi"].sum("category"), 1, rtol=1e-13)
    pooled = exact.dirichlet_multinomial([[3, 4], [9, 0]], alpha=1e8, baseline=[1, 1]).sample(50, rng)
    np.testing.assert_allclose(pooled["pi"][:, 0], pooled["pi0"], atol=1e-3)


def test_a_known_effect_and_no_spread():
    posterior = exact.normal(EFFECT, ERROR, mu=5.0, tau=0)
    draws = posterior.sample(10, np.random.default_rng(1))
    assert (draws["theta"] == 5).all()
    assert (draws["theta_new"] == 5).all()


# -- as ArviZ takes them ----------------------------------------------------------------------------


def test_a_datatree_has_arviz_s_groups():
    posterior = MODELS["dirichlet_multinomial"]()
    tree = posterior.to_datatree(chains=2, draws=50, rng=np.random.default_rng(1))
    groups = {"posterior", "posterior_predictive", "log_likelihood", "observed_data", "prior", "log_prior"}
    assert set(tree.children) == groups
    assert tree["posterior"]["pi"].dims == ("chain", "draw", "region", "response")
    assert "y_rep" not in tree["posterior"]
    assert tree["posterior_predictive"]["counts"].sizes == {
        "chain": 2,
        "draw": 50,
        "region": 3,
        "response": 3,
    }
    assert tree["log_likelihood"]["counts"].dims == ("chain", "draw", "region")
    xr.testing.assert_identical(tree["observed_data"]["counts"], TABLE.rename("counts"))
    same = posterior.sample(100, np.random.default_rng(1))["alpha"].values.reshape(2, 50)
    np.testing.assert_array_equal(tree["posterior"]["alpha"], same)


def test_log_likelihoods_are_scipy_s():
    tree = MODELS["normal_groups"]().to_datatree(chains=1, draws=4, rng=np.random.default_rng(2))
    theta = tree["posterior"]["theta"].sel(group=list("aaabbbcc")).values
    sigma = tree["posterior"]["sigma"].values[..., None]
    np.testing.assert_allclose(tree["log_likelihood"]["y"], stats.norm.logpdf(SCORES, theta, sigma))
    tree = MODELS["poisson"]().to_datatree(chains=1, draws=4, rng=np.random.default_rng(2))
    expected = stats.poisson.logpmf([5, 0, 40], tree["posterior"]["lam"].values * [2.0, 1.5, 3.0])
    np.testing.assert_allclose(tree["log_likelihood"]["counts"], expected)
    tree = MODELS["dirichlet_multinomial"]().to_datatree(chains=1, draws=4, rng=np.random.default_rng(2))
    expected = stats.multinomial.logpmf(TABLE.values, TABLE.values.sum(1), tree["posterior"]["pi"].values)
    np.testing.assert_allclose(tree["log_likelihood"]["counts"], expected)


def test_draws_and_densities_of_priors_are_scipy_s():
    """The draws by a test of their uniform probabilities, of which one in 10,000 would fail."""
    rng = np.random.default_rng(58)
    tree = MODELS["dirichlet_multinomial"]().to_datatree(chains=1, draws=N, rng=rng)
    pi0 = stats.dirichlet([0.5, 1, 1])
    expected = pi0.logpdf(tree["posterior"]["pi0"].values[0].T)
    np.testing.assert_allclose(tree["log_prior"]["pi0"].values[0], expected, rtol=1e-9)
    share = tree["prior"]["pi0"].sel(response="yes").values[0]
    assert stats.kstest(share, stats.beta(0.5, 2).cdf).pvalue > 1e-4
    tree = MODELS["with covariates"]().to_datatree(chains=1, draws=N, rng=rng)
    assert tree["log_prior"]["beta"].dims == ("chain", "draw", "covariate")
    for name, prior in {"mu": MU, "tau": stats.halfnorm(scale=3), "beta": stats.norm(0, 3)}.items():
        np.testing.assert_allclose(tree["log_prior"][name], prior.logpdf(tree["posterior"][name]))
        assert stats.kstest(tree["prior"][name].values.ravel(), prior.cdf).pvalue > 1e-4


def test_what_is_known_or_flat_has_no_prior_to_draw_from():
    known = exact.normal([3.0, -5, 1], 4.0, mu=0, tau=3).to_datatree(chains=1, draws=4)
    assert not {"prior", "log_prior"} & set(known.children)
    flat = exact.normal([3.0, -5, 1], 4.0, mu=None, tau=TAU).to_datatree(chains=1, draws=4)
    assert list(flat["log_prior"]) == ["tau"]


def test_weights_of_a_weaker_prior_give_the_posterior_under_that():
    """With tau known, the prior of mu to a power of .8 is one of a variance that is 1.25 times as large."""
    posterior = exact.normal(EFFECT, ERROR, mu=stats.norm(0, 5), tau=3.0)
    tree = posterior.to_datatree(chains=1, draws=N, rng=np.random.default_rng(58))
    weights = np.exp(-0.2 * tree["log_prior"]["mu"].values)
    mu = tree["posterior"]["mu"].values - posterior["mu"].mean()
    weaker = exact.normal(EFFECT, ERROR, mu=stats.norm(0, 5 * np.sqrt(1.25)), tau=3.0)["mu"]
    ratio = (weights * mu).mean() / weights.mean()
    error = np.std(weights * (mu - ratio)) / weights.mean() / np.sqrt(N)
    assert abs(ratio + posterior["mu"].mean() - weaker.mean()) < LIMIT * error


@pytest.mark.filterwarnings("ignore")
def test_arviz_compares_priors_and_posteriors():
    names = xr.DataArray(EFFECT, dims="school")
    tree = exact.normal(names, ERROR, mu=MU, tau=TAU).to_datatree(rng=np.random.default_rng(58))
    # tau hangs on its prior, theta on the data.
    table = az.psense_summary(tree)
    assert table.loc["tau", "prior"] > table.loc["tau", "likelihood"]
    assert table.loc["theta[0]", "prior"] < table.loc["theta[0]", "likelihood"]
    shown = az.plot_prior_posterior(tree, var_names=["mu", "tau"], backend="none")
    assert set(shown.viz["dist"].data_vars) == {"mu", "tau"}


def test_arviz_plots_counts_as_counts_and_groups_without_labels():
    tree = MODELS["poisson"]().to_datatree(draws=50, rng=np.random.default_rng(58))
    for group in ("observed_data", "posterior_predictive"):
        assert np.issubdtype(tree[group]["counts"].dtype, np.integer)
    assert az.plot_ppc_rootogram(tree, backend="none")
    names = xr.DataArray(EFFECT, dims="school")
    tree = exact.normal(names, ERROR, mu=MU, tau=TAU).to_datatree(draws=50, rng=np.random.default_rng(58))
    assert tree["posterior"]["school"].values.tolist() == list(range(8))
    assert az.plot_rank(tree, backend="none")


@pytest.mark.parametrize(
    ("n", "rng", "message"),
    [
        (10, 42, r"rng is 42: give np\.random"),
        (0, np.random.default_rng(1), "n is 0: give a positive whole number"),
        (2.5, np.random.default_rng(1), "n is 2.5: give a positive whole number"),
        ("ten", np.random.default_rng(1), "n is 'ten': give a positive whole number"),
        (np.inf, np.random.default_rng(1), "n is inf: give a positive whole number"),
    ],
)
def test_bad_requests_for_draws_are_refused(n, rng, message):
    with pytest.raises(ValueError, match=message):
        MODELS["normal"]().sample(n, rng)


@pytest.mark.parametrize("bad", [{"chains": 0}, {"draws": -5}, {"chains": -2, "draws": -50}, {"draws": 0.5}])
def test_bad_numbers_of_chains_and_draws_are_refused_by_name(bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError, match=f"{name} is {value}: give a positive whole number"):
        MODELS["normal"]().to_datatree(**bad)


# -- what a statistician expects of the object --------------------------------------------------------


def test_a_posterior_is_a_mapping_with_a_table():
    posterior = MODELS["normal"]()
    assert "tau" in posterior
    assert "sigma" not in posterior
    assert list(posterior) == ["mu", "tau", "theta_new", "theta", "y_rep"]
    table = posterior.summary(0.5)
    assert list(table.columns) == ["mean", "sd", "lower", "upper"]
    assert len(table) == 19
    theta = posterior["theta"]
    np.testing.assert_array_equal(table.loc["theta[0]"], [*_moments(theta, 0), *theta.hdi(0.5)[0]])
    table = MODELS["dirichlet_multinomial"]().summary()
    assert table.loc["pi[south, other]", "mean"] > 0.7
    assert repr(posterior["tau"]) == "<exact marginal: 4.806 ± 3.719>"
    assert repr(posterior["theta"]) == "<exact marginals (group: 8)>"


def _moments(marginal, position):
    return marginal.mean()[position], marginal.sd()[position]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_whatever_is_asked_of_a_quantity_hangs_together(name):
    posterior = MODELS[name]()
    table, draws = posterior.summary(0.5), posterior.sample(3, np.random.default_rng(1))
    tree = posterior.to_datatree(chains=2, draws=2, rng=np.random.default_rng(1))
    assert len(table) == sum(one.size for one in posterior.values())
    assert list(posterior) == list(posterior.keys())
    for quantity, whole in posterior.items():
        assert f" {quantity}" in repr(posterior)
        mean = whole.mean()
        dims = getattr(mean, "dims", ())
        assert draws[quantity].dims == ("sample", *dims)
        assert (quantity in tree["posterior"]) == (quantity != "y_rep")
        first = {dim: mean[dim].values[0] for dim in dims}
        one = whole.sel(**first) if dims else whole
        assert one.mean() == pytest.approx(float(mean.sel(first) if dims else mean), rel=1e-12)
        assert pickle.loads(pickle.dumps(one)).sd() == one.sd()
        label = f"{quantity}[{', '.join(map(str, first.values()))}]" if dims else quantity
        intervals = one.hdi([0.5, 0.89])
        row = table.loc[label].values.astype(float)
        np.testing.assert_allclose(row, [one.mean(), one.sd(), *intervals[0]], atol=1e-6 * one.sd())
        assert intervals[1, 0] <= intervals[0, 0] < intervals[0, 1] <= intervals[1, 1]
        q = np.array([0.2, 0.4, 0.7])
        x = one.quantile(q).values
        np.testing.assert_allclose(one.sf(x), 1 - one.cdf(x))
        assert np.all(np.diff(x) >= 0)
        _check_law(one, q, x, intervals.values)


def _check_law(one, q, x, intervals):
    """Distribution function, density, quantiles, intervals and expectations of a scalar."""
    counts = np.all(x == np.floor(x))

    def cdf(x):
        return one.cdf(x).values

    low, high = intervals.T
    if counts:
        np.testing.assert_allclose(one.pdf(x), cdf(x) - cdf(x - 1), rtol=1e-9)
        assert np.all((cdf(x) >= q) & (cdf(x - 1) < q))
        assert np.all(cdf(high) - cdf(low - 1) >= [0.5 - 1e-9, 0.89 - 1e-9])
        k = np.arange(0.0, one.quantile(1 - 1e-7) + 1)
        middle = 0.5 + 0.5 * float((one.pdf(k) ** 2).sum())
    else:
        step = 1e-4 * (x[2] - x[0])
        np.testing.assert_allclose(one.pdf(x), (cdf(x + step) - cdf(x - step)) / (2 * step), rtol=1e-4)
        np.testing.assert_allclose(cdf(x), q, atol=1e-9)
        # A share may be zero, as numbers go, with a probability of its own.
        np.testing.assert_allclose(cdf(high) - cdf(np.nextafter(low, -1)), [0.5, 0.89], atol=1e-6)
        middle = 0.5
    assert one.expect(lambda x: cdf(x.values)) == pytest.approx(middle, abs=1e-6)


def test_upper_tails_and_several_intervals():
    tau = MODELS["normal"]()["tau"]
    assert tau.sf(5.0) == 1 - tau.cdf(5.0)
    several = tau.hdi([0.5, 0.89])
    assert several.dims == ("prob", "ci_bound")
    xr.testing.assert_equal(several.sel(prob=0.89, drop=True), tau.hdi(0.89))


@pytest.mark.parametrize("name", MODELS)
def test_a_pickled_posterior_is_the_same(name):
    posterior = MODELS[name]()
    again = pickle.loads(pickle.dumps(posterior))
    assert again.log_evidence == posterior.log_evidence
    assert list(again) == list(posterior)
    one = next(iter(posterior))
    assert pickle.loads(pickle.dumps(posterior[one])).mean() == posterior[one].mean()


def test_pickled_parts_are_the_same():
    groups = MODELS["normal"]().groups
    for part in (groups.mean(), groups.difference(0, 2), exact.marginal(stats.gamma(2))):
        assert pickle.loads(pickle.dumps(part)).mean() == part.mean()
    again = pickle.loads(pickle.dumps(MODELS["normal"]()))
    pd.testing.assert_frame_equal(again.summary(), MODELS["normal"]().summary())
    some = MODELS["normal"]()["theta"].sel(group=[1, 3])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(some)).mean(), some.mean())


def test_what_is_pickled_does_not_change_with_the_user_s_arrays():
    data = np.array(EFFECT)
    posterior = exact.normal(data, ERROR, mu=MU, tau=TAU)
    data += 100
    assert pickle.loads(pickle.dumps(posterior))["mu"].mean() == posterior["mu"].mean()
    scale, ends = np.array(3.0), np.linspace(0.0, 20.0, 41)
    for tau, array in (
        (stats.halfnorm(scale=scale), scale),
        (stats.rv_histogram((41 - ends[1:], ends)), ends),
    ):
        posterior = exact.normal(EFFECT, ERROR, mu=MU, tau=tau)
        array *= 3
        assert pickle.loads(pickle.dumps(posterior))["tau"].mean() == posterior["tau"].mean()


def test_what_comes_from_a_pickle_has_the_same_priors_or_is_refused():
    """SciPy 1.18 takes some of its new distributions for standard ones when it copies them."""
    normal, refused = stats.Normal(mu=0.0, sigma=5.0), 0
    for mu in (normal, normal * 2 + 1, MU):
        for tau in (abs(normal), stats.truncate(normal, lb=0.0), stats.exp(stats.Normal()), TAU):
            posterior = exact.normal(EFFECT, ERROR, mu=mu, tau=tau)
            try:
                again = pickle.loads(pickle.dumps(posterior))
            except TypeError as error:
                refused += 1
                assert "SciPy does not pickle as it is: give a frozen distribution" in str(error)  # noqa: PT017
            else:
                for name in ("mu", "tau"):
                    assert again[name].mean() == posterior[name].mean()
    assert refused <= 9
    made = exact.marginal(normal)
    assert pickle.loads(pickle.dumps(made)).sd() == made.sd() == 5


def test_data_with_labels_of_pandas():
    schools = pd.Index(list("ABCDEFGH"), name="school")
    effect, error = pd.Series(EFFECT, schools), pd.Series(ERROR, schools)
    posterior = exact.normal(effect, error, mu=MU, tau=TAU)
    assert posterior["theta"].mean().sel(school="A") == MODELS["normal"]()["theta"].mean()[0]
    assert posterior.groups.best().dims == ("school",)
    with pytest.raises(ValueError, match="sigma is labelled"):
        exact.normal(effect, error[::-1], mu=MU, tau=TAU)
    assert exact.normal(effect.rename_axis(None), error.values, mu=MU, tau=TAU)["theta"].mean().dims == (
        "group",
    )
    table = exact.dirichlet_multinomial(TABLE.to_pandas(), alpha=1, baseline=[1, 1, 1])
    assert table["pi"].mean().dims == ("region", "response")
    rates = exact.poisson(pd.Series([3, 5], ["a", "b"]), 1.0, mu_log=0.0, sigma_log=0.5)
    assert rates["lam"].mean().sel(group="b") > rates["lam"].mean().sel(group="a")
    frame = pd.DataFrame({"score": SCORES, "class": list("aaabbbcc")})
    scores = exact.normal_groups(
        frame["score"], frame["class"], mu=stats.norm(50, 25), tau=TAU, sigma=stats.halfnorm(scale=15)
    )
    np.testing.assert_array_equal(
        scores["theta"].mean().sel({"class": list("abc")}), MODELS["normal_groups"]()["theta"].mean()
    )


def test_scipy_s_new_distributions_are_priors():
    old = MODELS["normal"]()
    new = exact.normal(
        EFFECT,
        ERROR,
        mu=stats.Normal() * 20,
        tau=stats.truncate(stats.Normal(mu=0, sigma=10), lb=0),
    )
    assert new["tau"].mean() == pytest.approx(old["tau"].mean(), rel=1e-6)
    assert new.log_evidence == pytest.approx(old.log_evidence, abs=1e-6)
    made = stats.make_distribution(stats.halfnorm)() * 10
    assert exact.normal(EFFECT, ERROR, mu=MU, tau=made)["tau"].sd() == pytest.approx(
        old["tau"].sd(), rel=1e-6
    )
    standard = exact.marginal(stats.Normal())
    assert standard.quantile(0.975) == pytest.approx(1.959964, abs=1e-6)
    assert exact.marginal(stats.Uniform(a=0, b=2)).mean() == pytest.approx(1)


@pytest.mark.parametrize(
    "build",
    [
        lambda prior: exact.normal_groups(SCORES, list("aaabbbcc"), mu=MU, tau=10.0, sigma=prior),
        lambda prior: exact.normal_sample(SCORES, mu=MU, sigma=prior),
        lambda prior: exact.poisson([5, 0, 40], [2.0, 1.5, 3.0], mu_log=1.0, sigma_log=prior),
        lambda prior: exact.dirichlet_multinomial(TABLE[:, :2], alpha=prior, baseline=[0.5, 1]),
        lambda prior: exact.beta_binomial([3, 0], [10, 4], mean=stats.beta(1, 2), concentration=prior),
    ],
    ids=["normal_groups", "normal_sample", "poisson", "dirichlet_multinomial", "beta_binomial"],
)
def test_every_scale_takes_a_histogram_and_a_new_distribution(build):
    """A histogram is a mixture of uniform priors, and its evidence that of theirs."""
    histogram = stats.rv_histogram((np.array([3, 1]), np.array([2.0, 5, 13])), density=False)
    parts = [build(stats.Uniform(a=2, b=5)), build(stats.uniform(5, 8))]
    expected = np.logaddexp(np.log(3 / 4) + parts[0].log_evidence, np.log(1 / 4) + parts[1].log_evidence)
    assert build(histogram).log_evidence == pytest.approx(expected, abs=1e-5)


def test_a_histogram_is_a_prior():
    """Its density jumps, between panels; against the sum over its bins, each a uniform prior."""
    histogram = stats.rv_histogram((np.array([3, 0, 2, 1]), np.array([0.0, 2, 5, 9, 40])), density=False)
    posterior = exact.normal(EFFECT, ERROR, mu=MU, tau=histogram)
    bins = [(0.5, 0, 2), (2 / 6, 5, 9), (1 / 6, 9, 40)]
    parts = [exact.normal(EFFECT, ERROR, mu=MU, tau=stats.uniform(a, b - a)) for _, a, b in bins]
    weights = np.array([p for p, _, _ in bins]) * np.exp([part.log_evidence for part in parts])
    assert posterior.log_evidence == pytest.approx(np.log(weights.sum()), abs=1e-7)
    weights /= weights.sum()
    assert posterior["tau"].mean() == pytest.approx(
        weights @ [part["tau"].mean() for part in parts], rel=1e-6
    )
    assert posterior["tau"].cdf(2.0) == pytest.approx(weights[0], abs=1e-6)
    draws = posterior.sample(N, np.random.default_rng(1))["tau"]
    assert abs((draws < 2).mean().item() - weights[0]) < LIMIT * 0.5 / np.sqrt(N)
    assert not ((draws > 2) & (draws < 5)).any()


@pytest.mark.parametrize("prob", [0.5, 0.89, 0.99])
def test_intervals_of_heavy_tails_are_students(prob):
    """New data under flat priors."""
    y = np.array([3.0, 5.0, 4.0, 9.0, 1.0, 2.0])
    new = exact.normal_sample(y, mu=None, sigma=stats.uniform(0, 1e5))["y_rep"]
    scale = np.sqrt(((y - y.mean()) ** 2).sum() / 4 * (1 + 1 / 6))
    expected = stats.t(4, y.mean(), scale).interval(prob)
    for some in (new.sel(observation=4), new.sel(observation=[1, 3])):
        np.testing.assert_allclose(np.atleast_2d(some.hdi(prob)) - expected, 0, atol=1e-5 * scale)
    # Not by the scan, which takes minutes where there are many nodes.
    [(law, laws)] = new._laws()
    assert laws == 1  # in common
    assert law.shortest(prob, np.arange(1))[1].all()
