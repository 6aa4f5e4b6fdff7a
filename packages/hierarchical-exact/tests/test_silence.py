"""What was answered wrongly without a word: each right now, or refused."""

import threading
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import integrate, special, stats
from test_belongings import MODELS

import hierarchical_exact as exact
from hierarchical_exact.scales import has_kink

Y = np.array([28, 8, -3, 7, -1, 1, 18, 12.0])
SIGMA = np.array([15, 10, 16, 11, 9, 11, 10, 18.0])
MU, TAU = stats.norm(0, 20), stats.halfnorm(scale=10)
LOG_RATES = {"mu_log": stats.norm(0, 1), "sigma_log": stats.halfnorm(scale=1)}
SHOPS = {"sigma": stats.halfnorm(scale=2), "tau": stats.halfnorm(scale=2), "beta": stats.norm(0, 10)}


def shops(**priors):
    y = [3.1, 2.8, 5.2, 4.9, 4.0, 4.4]
    return exact.mixed(y, np.ones((6, 1)), terms={"shop": list("aabbcc")}, **(SHOPS | priors))


# -- densities --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "low", "high"),
    [
        (
            lambda: exact.logit_normal([0, 5, 9], [20, 48, 14], mu=stats.norm(-1, 1.5), tau=0.2)["theta_new"],
            0.001,
            0.9,
        ),
        (
            lambda: exact.normal_sample(
                [71, 75, 80, 62, 66], mu=70.0, sigma=stats.beta(3, 3, loc=2, scale=10)
            )["sigma"],
            2.01,
            11.99,
        ),
        (lambda: exact.normal(Y, SIGMA, mu=MU, tau=TAU)["tau"], 0.01, 40),
    ],
    ids=["narrow population", "prior that vanishes", "schools"],
)
def test_a_density_is_the_slope_of_its_distribution_function(build, low, high):
    marginal, step = build(), 1e-5 * (high - low)
    x = np.linspace(low, high, 801)
    slope = (marginal.cdf(x + step).values - marginal.cdf(x - step).values) / (2 * step)
    np.testing.assert_allclose(marginal.pdf(x).values, slope, atol=1e-6 * slope.max())


def test_a_density_of_a_point_mass_is_infinite_there():
    tau = exact.normal([1.0, 2], 1.0, mu=0, tau=2.0)["tau"]
    assert tau.pdf([1.9, 2.0, 2.1]).values.tolist() == [0.0, np.inf, 0.0]


def test_a_density_next_to_a_cusp_is_right_or_refused():
    posterior = exact.normal(Y, SIGMA, mu=5.0, tau=TAU)
    new, tau = posterior["theta_new"], posterior["tau"]
    for distance in (1e-6, 0.1, 20.0):

        def given(log_tau, distance=distance):
            scale = np.exp(log_tau)
            return stats.norm.pdf(distance, 0, scale) * tau.pdf(scale) * scale

        expected = integrate.quad(given, np.log(distance) - 4, 5, limit=300, epsrel=1e-9)[0]
        assert new.pdf(5 + distance) == pytest.approx(expected, rel=1e-7)
    group, difference = posterior["theta"].sel(group=0), posterior.groups.difference(0, 1)
    for marginal, cusp in ((new, 5.0), (group, 5.0), (difference, 0.0)):
        with pytest.raises(ArithmeticError, match="cusp"):
            marginal.pdf(cusp)


# -- equal groups -----------------------------------------------------------------------------------


def test_of_equal_groups_none_is_greater():
    groups = exact.normal(Y, SIGMA, mu=MU, tau=0.0).groups
    assert not groups.greater().values.any()
    for weights in ([1, -1, 0, 0, 0, 0, 0, 0], [0.3, 0.3, 0.4, -1, 0, 0, 0, 0]):
        assert groups.combination(weights).sf(0.0) == 0


def test_weights_whose_squares_are_no_numbers_are_refused():
    groups = exact.normal(Y[:2], SIGMA[:2], mu=MU, tau=TAU).groups
    for size in (1e160, 1e-200):
        with pytest.raises(ValueError, match="nearer to 1"):
            groups.combination([size, -size])
    assert groups.combination([1e40, -1e40]).sd() == pytest.approx(1e40 * groups.difference(0, 1).sd())


def test_groups_with_labels_of_two_levels_are_compared():
    labels = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["city", "school"])
    posterior = exact.normal(pd.Series(Y[:3], index=labels), SIGMA[:3], mu=MU, tau=TAU)
    found = posterior.compare("theta", 4000, np.random.default_rng(1))
    assert found["best"].indexes["group"].tolist() == labels.tolist()
    assert found["other"].values.tolist() == labels.tolist()
    np.testing.assert_allclose(found["greater"], posterior.groups.greater(), atol=0.03)
    np.testing.assert_allclose(found["best"], posterior.groups.best(), atol=0.03)
    with pytest.raises(ValueError, match="n is True"):
        posterior.compare("theta", n=True, rng=np.random.default_rng(1))


def test_equal_groups_share_being_best_among_draws():
    found = exact.normal(Y, SIGMA, mu=MU, tau=0.0).compare("theta", 10, np.random.default_rng(1))
    np.testing.assert_allclose(found["best"], 1 / 8)
    assert not found["greater"].any()


# -- counts -----------------------------------------------------------------------------------------


def test_quantiles_of_counts_are_scipy_s_however_rare():
    poisson = stats.poisson(1000)
    for q in (1e-20, 1e-12, 0.5, 1 - 1e-15):
        assert exact.marginal(poisson).quantile(q) == poisson.ppf(q)
    coins = exact.marginal(stats.binom(30, 0.5))
    assert [coins.quantile(stats.binom(30, 0.5).cdf(k)) for k in range(25)] == list(range(25))
    with pytest.raises(ValueError, match="within 1e-07 of either"):
        exact.poisson([3, 10], [2.1, 5], **LOG_RATES)["y_rep"].quantile(1e-13)


def test_expectations_of_counts_that_diverge_are_refused():
    geometric = exact.marginal(stats.geom(0.5))
    assert geometric.expect(lambda x: 1.2**x) == pytest.approx(0.5 * 1.2 / (1 - 0.6))
    for base in (1.99, 3.0):
        with pytest.raises(ArithmeticError, match="too rare to list"):
            geometric.expect(lambda x, base=base: base**x)
    # The last count that is possible may have all the weight.
    last = exact.marginal(stats.binom(20, 0.5)).expect(lambda x: 1.0 * (x == 20))
    assert last == pytest.approx(0.5**20)
    coins = exact.beta_binomial([9, 1], [10, 10], mean=stats.beta(1, 1), concentration=3.0)["y_rep"]
    expected = coins.expect(lambda x: 1.0 * (x == 10))
    np.testing.assert_allclose(expected, coins.pdf(10))


def test_discrete_distributions_off_the_whole_numbers_are_refused():
    halves = stats.rv_discrete(values=([0.5, 1.5, 2.5], [0.2, 0.3, 0.5]))()
    for one in (stats.binom(3, 0.5, loc=0.5), halves):
        with pytest.raises(ValueError, match="not all of it at whole numbers"):
            exact.marginal(one)


@pytest.mark.skipif(not hasattr(stats, "Binomial"), reason="SciPy is older")
def test_new_discrete_distributions_are_counts_and_no_priors():
    coins = exact.marginal(stats.Binomial(n=10, p=0.5))
    assert coins.pdf(5) == pytest.approx(stats.binom(10, 0.5).pmf(5))
    assert coins.hdi(0.89).values.tolist() == exact.marginal(stats.binom(10, 0.5)).hdi(0.89).values.tolist()
    with pytest.raises(ValueError, match="of whole numbers"):
        exact.normal(Y, SIGMA, mu=MU, tau=stats.Binomial(n=10, p=0.5))


# -- expectations and tails -------------------------------------------------------------------------


@pytest.mark.parametrize("frequency", [3, 25, 50, 100])
def test_expectations_of_what_oscillates(frequency):
    normal = exact.marginal(stats.norm())
    try:
        found = normal.expect(lambda x: np.cos(frequency * x))
    except ArithmeticError:
        return
    assert found == pytest.approx(np.exp(-0.5 * frequency**2), abs=1e-7)


def test_expectations_of_jumps_are_refused_by_a_mixed_model():
    posterior = shops()
    for bound in (0.8, 1.0, 1.3, 1.7, 2.2):
        with pytest.raises(ArithmeticError, match="does not converge"):
            posterior.expect(lambda s, bound=bound: 1.0 * (s["tau_shop"] > bound * s["sigma"]))
    assert posterior.expect(lambda s: s["tau_shop"]) == pytest.approx(posterior["tau_shop"].mean(), rel=1e-5)


def test_quantiles_end_where_they_are_no_longer_told():
    with pytest.raises(ValueError, match=r"within 0\.001 of either"):
        shops()["tau_shop"].quantile(1e-4)
    student = exact.student_t(Y[:3], SIGMA[:3], mu=MU, tau=5.0, nu=4.0)
    with pytest.raises(ValueError, match=r"within 0\.0001 of either"):
        student["theta"].sel(group=0).quantile(1e-5)
    with pytest.raises(ValueError, match="within 1e-07 of either"):
        exact.marginal(stats.norm()).hdi(1e-15)


# -- priors -----------------------------------------------------------------------------------------


def _parts(build, priors, weights):
    logs = [np.log(w) + build(prior).log_evidence for prior, w in zip(priors, weights, strict=True) if w]
    return np.logaddexp.reduce(logs)


@pytest.mark.skipif(not hasattr(stats, "Mixture"), reason="SciPy is older")
def test_narrow_parts_of_priors_are_found():
    def rates(mu_log):
        return exact.poisson(
            [3, 10, 3, 8], [2.1, 5, 1.3, 8.2], mu_log=mu_log, sigma_log=stats.halfnorm(scale=1)
        )

    both = [stats.Normal(mu=0, sigma=3), stats.Normal(mu=0.4, sigma=1e-4)]
    spike = rates(stats.Mixture(both, weights=[0.7, 0.3])).log_evidence
    assert spike == pytest.approx(_parts(rates, both, [0.7, 0.3]), abs=1e-6)


def _with_spike(at, width):
    """A half-Normal prior with three tenths of its mass next to `at`."""
    parts = [(0.7, stats.halfnorm(scale=5)), (0.3, stats.norm(at, width))]

    class WithSpike(stats.rv_continuous):
        def _pdf(self, x):
            return sum(weight * part.pdf(x) for weight, part in parts)

        def _cdf(self, x):
            return sum(weight * part.cdf(x) for weight, part in parts)

        def _ppf(self, q):
            return parts[0][1].ppf(q)

    return WithSpike(a=0, name="spike")()


def test_narrow_parts_are_found_where_two_scales_trade():
    y = np.random.default_rng(1).normal(0, 3, 24)

    def singles(tau):
        return exact.normal_groups(y, range(24), mu=stats.norm(0, 5), tau=tau, sigma=stats.halfnorm(scale=5))

    broad, wide = stats.halfnorm(scale=5), stats.truncnorm(-16.5, np.inf, 1.7, 0.1)
    found = singles(_with_spike(1.7, 0.1)).log_evidence
    assert found == pytest.approx(_parts(singles, [broad, wide], [0.7, 0.3]), abs=1e-7)
    with pytest.raises(ArithmeticError, match="the prior of tau has mass that integration does not find"):
        singles(_with_spike(1.7, 1e-8))


def test_narrow_parts_are_not_passed_over_by_the_lattice_of_scales():
    with pytest.raises(
        ArithmeticError, match="the prior of tau_shop has mass that integration does not find"
    ):
        shops(tau=_with_spike(1.1, 1e-5))


def test_a_far_part_of_a_prior_is_found_by_the_lattice_of_scales():
    y = np.array([3.1, 2.8, 1305.2, 1304.9, -696.0, -695.6])
    priors = SHOPS | {"tau": _with_spike(1000, 100)}
    found = exact.mixed(y, np.ones((6, 1)), terms={"shop": list("aabbcc")}, **priors).log_evidence
    far = exact.mixed(
        y,
        np.ones((6, 1)),
        terms={"shop": list("aabbcc")},
        **(SHOPS | {"tau": stats.truncnorm(-10, 10, 1000, 100)}),
    ).log_evidence
    assert found == pytest.approx(np.log(0.3) + far, abs=1e-5)


def _written_as_density(density, lower=0.0):
    """A prior of which nobody has written the distribution function."""

    class Written(stats.rv_continuous):
        def _pdf(self, x):
            return density(x)

    return Written(a=lower, name="written")()


@pytest.mark.parametrize(
    "prior",
    [stats.gamma(2), stats.halfcauchy(0, 5), stats.truncnorm(-30, 30, 50, 0.5), stats.uniform(0, 7)],
    ids=["gamma", "heavy", "narrow and far", "jump"],
)
def test_priors_of_which_only_the_density_is_written(prior):
    def schools(tau):
        return exact.normal(Y, SIGMA, mu=MU, tau=tau)

    found, expected = schools(_written_as_density(prior.pdf)), schools(prior)
    assert found.log_evidence == pytest.approx(expected.log_evidence, abs=1e-8)
    assert found["tau"].quantile(0.9) == pytest.approx(expected["tau"].quantile(0.9), rel=1e-7)


def _part_hidden(x):
    return 0.7 * stats.halfnorm.pdf(x, 0, 10) + 0.3 * stats.norm.pdf(x, 3.3, 1e-5)


def test_densities_that_hide_a_part_or_are_no_densities_are_refused():
    for density, total in ((_part_hidden, "0.7"), (lambda x: 2 * np.exp(-x), "2")):
        with pytest.raises(ValueError, match=f"integrates to {total}, not to one: give"):
            exact.normal(Y, SIGMA, mu=MU, tau=_written_as_density(density))


@pytest.mark.skipif(not hasattr(stats, "make_distribution"), reason="SciPy is older")
def test_new_distributions_of_which_only_the_density_is_written():
    class Hiding:
        __make_distribution_version__ = "1.16.0"
        parameters, support = {}, {"endpoints": (0, np.inf)}

        def pdf(self, x):
            return _part_hidden(x)

    with pytest.raises(ValueError, match=r"integrates to 0\.7, not to one: give"):
        exact.normal(Y, SIGMA, mu=MU, tau=stats.make_distribution(Hiding())())


@pytest.mark.skipif(not hasattr(stats, "Mixture"), reason="SciPy is older")
def test_distributions_that_contradict_themselves_are_refused():
    narrow = stats.truncate(stats.Normal(mu=1.1, sigma=1e-5), lb=0)
    broad = stats.truncate(stats.Normal(mu=0, sigma=2), lb=0)
    with pytest.raises(ValueError, match="give a distribution whose probabilities add up to one"):
        exact.normal(Y, SIGMA, mu=MU, tau=stats.Mixture([broad, narrow], weights=[0.7, 0.3]))


@pytest.mark.skipif(not hasattr(stats, "Mixture"), reason="SciPy is older")
@pytest.mark.parametrize("width", [3, 0.01])
@pytest.mark.parametrize("sigma_log", [0.1, stats.halfnorm(scale=0.1)], ids=["known", "unknown"])
def test_a_part_of_a_prior_far_from_where_the_density_was_seen_is_found(width, sigma_log):
    def no_events(mu_log):
        return exact.poisson([0], [1.0], mu_log=mu_log, sigma_log=sigma_log)

    both, weights = [stats.Normal(mu=5, sigma=3), stats.Normal(mu=-600, sigma=width)], [0.9995, 0.0005]
    found = no_events(stats.Mixture(both, weights=weights)).log_evidence
    assert found == pytest.approx(_parts(no_events, both, weights), abs=1e-7)


@pytest.mark.parametrize(("place", "unit"), [(0.0, 1.0), (1.0, 2.0)])
def test_bins_of_histograms_are_found(place, unit):
    edges, mass = np.array([0, 1, 2, 9, 10.0]), [0.3, 0.6995, 0.0, 0.0005]
    bins = [stats.uniform(place + unit * a, unit * (b - a)) for a, b in pairwise(edges)]

    def schools(tau):
        return exact.normal(Y, SIGMA, mu=MU, tau=tau)

    found = schools(stats.rv_histogram((mass, edges), density=False)(loc=place, scale=unit)).log_evidence
    assert found == pytest.approx(_parts(schools, bins, mass), abs=1e-7)


def test_densities_of_rates_under_a_histogram_of_mu_log():
    histogram = stats.rv_histogram(([1, 3, 2], [-3, -1, 1, 3]), density=False)
    rates = exact.poisson([3, 10], [2.1, 5], mu_log=histogram, sigma_log=stats.halfnorm(scale=1))["lam"]
    with pytest.raises(ArithmeticError, match="the prior of mu_log jumps and sigma_log may be zero"):
        rates.quantile(0.1)
    assert (rates.mean() > 0).all()


@pytest.mark.parametrize(
    ("prior", "kink"),
    [
        (stats.triang(0.3, scale=3), True),
        (stats.laplace(3, 1), True),
        (stats.halfcauchy(), False),
        (stats.invgamma(0.5), False),
        (stats.beta(2, 2, loc=-1, scale=2), False),
    ],
    ids=["triang", "laplace", "halfcauchy", "invgamma", "beta"],
)
def test_kinks_of_priors_are_seen(prior, kink):
    assert has_kink(prior) is kink


def test_a_kink_is_not_trusted_to_a_smooth_rule():
    with pytest.raises(ArithmeticError, match="the prior of tau_shop has a kink"):
        shops(tau=stats.triang(0.34, loc=0, scale=3))


def test_two_observations_a_group_and_a_slope_are_refused_with_the_cause():
    x, y = np.tile([0.0, 1.0], 4), [1, 2, 2.5, 4, 3, 3.5, 5, 7]
    with pytest.raises(
        ArithmeticError, match=r"fit all observations exactly, so that the likelihood .*: give"
    ):
        exact.mixed(
            y,
            np.stack([np.ones(8), x], axis=1),
            terms={"group": (list("aabbccdd"), x)},
            rho=stats.beta(2, 2, loc=-1, scale=2),
            **SHOPS,
        )


# -- labels -----------------------------------------------------------------------------------------


def test_priors_of_coefficients_go_by_the_names_of_columns():
    x = pd.DataFrame({"size": np.arange(8.0), "age": np.arange(8.0) % 3})
    wide, narrow = stats.norm(0, 10), stats.norm(0, 0.1)
    priors = pd.Series({"age": narrow, "size": wide})
    with pytest.raises(ValueError, match="beta is labelled"):
        exact.normal(Y, SIGMA, mu=MU, tau=TAU, covariates=x, beta=priors)
    with pytest.raises(ValueError, match="beta is labelled"):
        exact.mixed(Y, x, terms={"g": list("aabbccdd")}, beta=priors, sigma=1.0, tau=1.0)
    ordered = exact.normal(Y, SIGMA, mu=MU, tau=TAU, covariates=x, beta=priors[["size", "age"]])
    listed = exact.normal(Y, SIGMA, mu=MU, tau=TAU, covariates=x, beta=[wide, narrow])
    xr.testing.assert_equal(ordered["beta"].mean(), listed["beta"].mean())


def test_labels_that_numpy_would_merge_are_refused():
    for labels in ([2**63, 2**63 + 1, -1], [2**53, 2**53 + 1, 0.5]):
        with pytest.raises(ValueError, match="give text, or ids below 9e15"):
            exact.normal_groups([1.0, 2, 3], labels, mu=MU, tau=TAU, sigma=1.0)


def test_missing_labels_are_no_new_groups():
    with pytest.raises(ValueError, match="give None for a new group"):
        shops().predict([[1.0], [1.0]], {"shop": ["a", np.nan]})


def test_two_threads_ask_one_mixed_posterior():
    posterior = shops(sigma=1.0, tau=1.0)
    alone = {shop: float(posterior["u_shop"].sel(shop=shop).mean()) for shop in "abc"}
    told = []

    def ask(shop):
        told.extend(float(posterior["u_shop"].sel(shop=shop).mean()) == alone[shop] for _ in range(30))

    threads = [threading.Thread(target=ask, args=(shop,)) for shop in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 90
    assert all(told)


def test_a_density_on_a_cusp_is_refused_by_every_law():
    """Where mu is known and tau may be zero, that of a new group is infinite there."""
    known = exact.normal([1.0, 2.0], [1.0, 1.0], mu=0.5, tau=stats.expon())["theta_new"]
    rates = exact.poisson([3.0, 4.0], [0.4, 0.4], mu_log=3.1, sigma_log=stats.halfnorm())["lam_new"]
    for marginal, cusp in ((known, 0.5), (rates, np.exp(3.1))):
        with pytest.raises(ArithmeticError, match="cusp"):
            marginal.pdf(cusp)
        x = 1.5 * cusp
        slope = np.diff(marginal.cdf([0.999 * x, 1.001 * x]).values) / (0.002 * x)
        assert marginal.pdf(x) == pytest.approx(slope.item(), rel=1e-4)


def test_quantiles_that_have_no_digits_are_refused():
    """The data push tau against the end of its prior, within a few parts in 1e16 of its log."""
    end = 5.752215399917772e-10
    y = 1e-6 * np.array([-2.6, -0.7, 1.0, 0.9, 1.5, -1.2, -1.2, -0.4])
    tau = exact.normal(y, [end] * 8, mu=stats.norm(8e-9, 1e-9), tau=stats.uniform(0, end))["tau"]
    with pytest.raises(ArithmeticError, match="so near to the end of its prior"):
        tau.quantile(1 - 1e-6)


def test_moments_do_not_hang_on_what_lies_beyond_all_digits():
    """Next to 1 the distribution function is flat and turns: its inverse must stay where the density is."""
    count, exposure = [3, 10, 3, 8, 1, 11, 10, 8], [2.1, 5.0, 1.3, 8.2, 0.7, 3.5, 6.1, 4.0]
    scale = exact.poisson(count, exposure, mu_log=stats.norm(), sigma_log=stats.halfnorm())["sigma_log"]
    x = np.linspace(0, 8, 8001)
    centre, density = scale.mean(), scale.pdf(x).values
    expected = np.trapezoid((x - centre) ** 4 * density, x)
    assert scale.expect(lambda x: (x - centre) ** 4) == pytest.approx(expected, rel=1e-5)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("name", MODELS)
def test_beyond_every_end_probabilities_are_zero_and_one(name):
    data, build = MODELS[name]
    x = np.array([-np.inf, -1e300, -1.0, -1e-300, 0.0, 1e-300, 0.5, 1.0, 1 + 1e-15, 2.5, 1e300, np.inf])
    for marginal in build(*data).values():
        below, above = marginal.cdf(x), marginal.sf(x)
        np.testing.assert_allclose(below + above, 1, rtol=1e-12)
        assert (below.diff("x") >= -1e-15).all()
        assert (below == xr.concat([marginal.cdf(x[[i]]) for i in range(len(x))], "x")).all()
        np.testing.assert_allclose(below.isel(x=0), 0, atol=1e-12)
        np.testing.assert_allclose(below.isel(x=-1), 1, rtol=1e-12)
        assert (marginal.pdf([-1e300, np.inf]) == 0).all()


@pytest.mark.parametrize("far", [0.1, 28.0, 1e6 + 0.1, 1e7 + 0.1, 1e9])
@pytest.mark.parametrize("narrow", [10.0**-k for k in range(2, 14)])
@pytest.mark.parametrize("of_theta", [True, False])
def test_what_is_narrower_than_numbers_have_digits_for_is_right_or_refused(far, narrow, of_theta):
    """The data, or the prior, leave nothing else to say of theta, or of mu, than they do themselves."""
    wide = stats.norm(far, 10), [narrow]
    mu, sigma = wide if of_theta else (stats.norm(far, narrow), [1e3])
    asked = {
        "mean": (lambda one: one.mean(), 0.0),
        "quantile": (lambda one: one.quantile(0.9), special.ndtri(0.9)),
        "hdi": (lambda one: one.hdi(0.9).values[0], special.ndtri(0.05)),
    }
    told, refused = [], []
    for ask, right in asked.values():
        try:
            posterior = exact.normal([far], sigma, mu=mu, tau=stats.halfnorm(scale=1))
            one = posterior["theta"].sel(group=0) if of_theta else posterior["mu"]
            found = ask(one)
        except (ArithmeticError, ValueError) as error:
            refused.append(str(error))
        else:
            told.append((float(found) - far) / narrow - right)
    assert all("too few digits" in said or "a number for a known value" in said for said in refused)
    # Of the prior of mu, or of tau, both wide beside it, something is left in theta.
    assert np.abs(told).max(initial=0.0) < 2e-6 + (narrow / 5 if of_theta else narrow / 1e3)
    assert (len(told) == 3) == (np.spacing(far) < 2e-6 * narrow)


def test_too_few_digits_are_named_at_once_in_a_model_that_cannot_start():
    with pytest.raises(ArithmeticError, match="numbers near 1e\\+07 have too few digits"):
        exact.student_t([1e7, 1e7], [2e-9, 1.0], mu=stats.norm(1e7, 10), tau=stats.halfnorm(), nu=4)
