"""What the worked solutions say of their results."""

import numpy as np
import pytest
from scipy import integrate, stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAILS, TAU_PRIOR
from tooling.audit import runs

SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"].values, SCHOOLS["standard_error"].values
A, B, C, D, E, F, G, H = range(8)


def fit(tau, mu=MU_PRIOR):
    return exact.normal(EFFECT, ERROR, mu=mu, tau=tau)


def average_factors(posterior):
    return np.array([posterior["tau"].expect(lambda t, e=e: e**2 / (e**2 + t**2)) for e in ERROR])


@pytest.fixture(scope="module")
def book():
    return fit(TAU_PRIOR)


@pytest.fixture(scope="module")
def flat():
    return fit(None, mu=None)


# -- shrinkage by arithmetic ------------------------------------------------------------------------

FACTOR = ERROR**2 / (ERROR**2 + 36)
FORMULA = EFFECT - FACTOR * (EFFECT - 8)


@states("solutions/shrinkage-arithmetic.md", "Even the smallest factor, that of E, exceeds one half")
@states("solutions/shrinkage-arithmetic.md", "D and F have the same standard error, so they share rank 4")
@states("solutions/shrinkage-arithmetic.md", "which lowers every school by 0.4 to 0.5 points")
@states(
    "solutions/shrinkage-arithmetic.md", "The average factor is larger than the factor at 6 for all eight"
)
@states("solutions/shrinkage-arithmetic.md", "By this alone A and G come down, C, E and F come up.")
@states("solutions/shrinkage-arithmetic.md", "the covariance is a hundredth of a point")
def test_from_the_formula_to_the_posterior(book):
    assert FACTOR.min() == FACTOR[E] > 0.5
    assert stats.rankdata(-FACTOR, method="min")[[D, F]].tolist() == [4, 4]
    mu, factors = book["mu"].mean(), average_factors(book)
    lowered = FACTOR * (8 - mu)
    assert 0.35 < lowered.min() < lowered.max() < 0.5
    assert (factors > FACTOR).all()
    harder = -(factors - FACTOR) * (EFFECT - mu)
    assert (harder[[A, G]] < -0.4).all()
    assert (harder[[C, E, F]] > 0.1).all()
    covariance = book["theta"].mean().values - (EFFECT - factors * (EFFECT - mu))
    assert abs(covariance).max() < 0.0105


@states("solutions/shrinkage-arithmetic.md", "for all schools except E, *smaller*")
@states(
    "solutions/shrinkage-arithmetic.md", "All eight posterior means lie further from 8 than the formula's"
)
def test_what_flat_priors_do_to_the_same_column(flat):
    assert (average_factors(flat) < FACTOR).tolist() == [name != "E" for name in "ABCDEFGH"]
    means = flat["theta"].mean().values
    assert (abs(means - 8) > abs(FORMULA - 8)).all()


@states("solutions/shrinkage-arithmetic.md", "One report in eleven would be that high")
@states("solutions/shrinkage-arithmetic.md", "noise is the better explanation of most of the 28")
@states("solutions/shrinkage-arithmetic.md", "It is the third-largest, after H with 18 and C with 16")
def test_is_it_fair_to_school_a(book):
    rest = exact.normal(EFFECT[1:], ERROR[1:], mu=MU_PRIOR, tau=TAU_PRIOR)["theta_new"]
    above = rest.expect(lambda theta: stats.norm.sf(28, theta, 15))
    assert 1 / 12 < above < 1 / 10
    assert 1 - book["theta"].cdf(28.0).values[A] < 0.03
    assert np.argsort(-ERROR)[:3].tolist() == [H, C, A]


@states("solutions/shrinkage-arithmetic.md", "At $\\tau = 6$ school I keeps most of its own data.")
@states("solutions/shrinkage-arithmetic.md", "Here it is shrunk most in points.")
def test_a_precise_school_and_the_largest_effect(book):
    assert 25 / 61 < 0.5 < book["tau"].expect(lambda tau: 25 / (25 + tau**2))
    assert abs(EFFECT - book["theta"].mean().values).argmax() == A == EFFECT.argmax()
    assert (ERROR**2 / (ERROR**2 + 6**2) * abs(EFFECT - 8)).argmax() == A


# -- who decides tau ----------------------------------------------------------------------------------


@states("solutions/tau-prior.md", "*The reports settle* that $\\tau$ is hardly larger than 15 or so")
@states("solutions/tau-prior.md", "every prior above shrinks it by more than half")
@states("solutions/tau-prior.md", "lets typical schools differ by ten points")
@states("solutions/tau-prior.md", "The half-Normal with scale 2 learns next to nothing.")
@states("solutions/tau-prior.md", "Two lines of code apart, and a school gains a point and a half")
@states("solutions/tau-prior.md", "Between 0 and 5 they have hardly anything to say")
def test_what_eight_reports_settle(book, flat):
    priors = (stats.halfnorm(scale=2), TAU_PRIOR, stats.halfcauchy(scale=25), None)
    for prior in priors:
        posterior = fit(prior)
        assert posterior["theta"].mean().values[A] < 28 / 2
        assert posterior["tau"].quantile(0.9) < 15
    tight = fit(priors[0])["tau"]
    assert tight.quantile(0.5) == pytest.approx(priors[0].median(), abs=0.1)
    assert priors[1].median() * np.sqrt(2) == pytest.approx(10, abs=0.6)
    gained = flat["theta"].mean().values[A] - book["theta"].mean().values[A]
    assert gained == pytest.approx(1.5, abs=0.15)
    assert 0.75 < np.exp(fit(5.0).log_evidence - fit(0.0).log_evidence) < 1


@states("solutions/tau-prior.md", "so it takes **three** schools")
@states("solutions/tau-prior.md", "the probability that all schools are practically alike climbs to one")
@states("solutions/tau-prior.md", "the uniform priors up to 100 and to 1000 and the flat one agree")
def test_flat_in_something():
    for groups, finite in ((2, False), (3, True)):
        if finite:
            exact.normal(EFFECT[:groups], ERROR[:groups], mu=None, tau=None)
        else:
            with pytest.raises(ValueError, match="no proper posterior"):
                exact.normal(EFFECT[:groups], ERROR[:groups], mu=None, tau=None)

    def alike(low):
        """From the likelihood alone, on the scale of log tau."""
        grid = np.geomspace(low, 100, 400)
        covariances = (400 + np.diag(ERROR**2 + tau**2) for tau in grid)
        likelihood = np.array([stats.multivariate_normal.pdf(EFFECT, cov=cov) for cov in covariances])
        below = grid <= 1
        parts = [np.trapezoid(likelihood[part], np.log(grid[part])) for part in (below, ~below)]
        return parts[0] / sum(parts)

    assert 0.5 < alike(0.1) < alike(1e-3) < alike(1e-6) < 1
    assert [fit(prior)["tau"].cdf(1.0) for prior in (stats.uniform(0, 100), None)] == pytest.approx(
        [fit(stats.uniform(0, 1000))["tau"].cdf(1.0)] * 2, abs=5e-4
    )


@states(
    "solutions/tau-prior.md",
    "With 8 schools half-Normal(2) gives a high curve that ends near 5, the two wide priors low ones that "
    "reach beyond 15. With 32 schools the wide priors agree and end near 8, and with 128 schools all three "
    "end near 4",
)
@states("solutions/tau-prior.md", "With eight schools the prior decides, with 128 the data do.")
@states("solutions/tau-prior.md", "it hardly falls over the first few points")
@states("solutions/tau-prior.md", "limits of … and of infinity come down to … and …")
@states(
    "solutions/tau-prior.md",
    "With 128 such schools a sceptic and an enthusiast would give nearly the same account.",
)
def test_more_schools_settle_it():
    priors = (stats.halfnorm(scale=2), TAU_PRIOR, stats.halfcauchy(scale=25))

    def taus(copies):
        y, error = np.tile(EFFECT, copies), np.tile(ERROR, copies)
        return [exact.normal(y, error, mu=MU_PRIOR, tau=prior)["tau"] for prior in priors]

    ends = {copies: [tau.quantile(0.99) for tau in taus(copies)] for copies in (1, 4, 16)}
    assert ends[1][0] == pytest.approx(5, abs=0.3)
    assert min(ends[1][1:]) > 15
    assert ends[4][1:] == pytest.approx([8, 8], abs=0.5)
    assert ends[16] == pytest.approx([4] * 3, abs=0.9)
    few, many = ([tau.quantile(0.5) for tau in taus(copies)] for copies in (1, 16))
    assert np.ptp(few) > 10 * np.ptp(many)
    assert fit(3.0).log_evidence - fit(0.0).log_evidence > np.log(0.9)
    assert fit(None)["tau"].quantile(0.95) < 18


# -- a new school --------------------------------------------------------------------------------------


@states("solutions/new-group-prediction.md", "School 9 is wider, by a quarter.")
@states(
    "solutions/new-group-prediction.md",
    "with $\\sigma_E = 9$ and a $\\tau$ of around 5, $w$ is below a quarter",
)
@states("solutions/new-group-prediction.md", "A precise report would make the difference much larger")
@states("solutions/new-group-prediction.md", "Coaching will probably help there")
@states(
    "solutions/new-group-prediction.md",
    "Here the distribution is so nearly symmetric that it makes no difference",
)
def test_school_9_beside_school_e(book):
    def width(marginal):
        return np.ptp(np.asarray(marginal.quantile(TAILS)))

    new, old = book["theta_new"], book["theta"].quantile(TAILS).values[E]
    assert width(new) / np.ptp(old) == pytest.approx(1.25, abs=0.05)
    assert 25 / (25 + 81) < 0.25
    precise = ERROR.copy()
    precise[E] = 1
    sharp = exact.normal(EFFECT, precise, mu=MU_PRIOR, tau=TAU_PRIOR)
    assert width(sharp["theta_new"]) > 5 * np.ptp(sharp["theta"].quantile(TAILS).values[E])
    assert new.cdf(0.0) < 0.15
    assert np.asarray(new.hdi(0.89)) == pytest.approx(np.asarray(new.quantile(TAILS)), abs=0.05)


@states("solutions/new-group-prediction.md", "Its posterior is its prior, here $\\text{Normal}(0, 10)$")
@states("solutions/new-group-prediction.md", "*no* number of private ones is enough")
def test_what_no_number_of_private_schools_mends():
    """Without between-school spread and with private schools known exactly, for the known design."""
    posterior = exact.normal(
        EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR, covariates=np.zeros(8), beta=stats.norm(0, 10)
    )
    assert posterior["beta"].sd() == pytest.approx(10, rel=1e-3)
    public = np.linspace(8, 16, 8)
    spread = 1 / (1 / (public**2 + 4**2)).sum() ** 0.5
    needed = 5 / (stats.norm.ppf(0.945) + stats.norm.ppf(0.8))
    assert spread > needed


@states(
    "solutions/new-group-prediction.md",
    "trusts the private schools with high reports less, as these have large standard errors",
)
@states("solutions/new-group-prediction.md", "is closer to the centre of the prior than most")
@states("solutions/new-group-prediction.md", "Another seed would have told another story.")
def test_four_private_schools():
    def study(seed):
        data = datasets.simulate_schools_with_covariate(np.random.default_rng(seed))
        return [data[name].values for name in ("effect", "standard_error", "private")]

    effect, error, private = study(42)
    order = np.argsort(effect[private == 1])
    errors = error[private == 1][order]
    assert errors[2:].min() > errors[:2].max()
    assert 2 * stats.norm.sf(5, scale=10) > 0.5

    def beta(seed):
        y, sigma, kind = study(seed)
        return exact.normal(y, sigma, mu=MU_PRIOR, tau=TAU_PRIOR, covariates=kind, beta=stats.norm(0, 10))[
            "beta"
        ].mean()

    assert np.ptp([beta(seed) for seed in range(40, 50)]) > 5


# -- hospitals --------------------------------------------------------------------------------------------


@states("solutions/hierarchical-poisson.md", "seven of the eight counts are their expected values rounded")
@states(
    "solutions/hierarchical-poisson.md", "For the printed data $\\sigma_{\\log}$ comes out at half of that."
)
@states(
    "solutions/hierarchical-poisson.md", "Hospital 3, the second-smallest, gains more in HDI than hospital 5."
)
@states(
    "solutions/hierarchical-poisson.md",
    "The other large ones, hospitals 7 and 2, gain about a quarter or more.",
)
@states("solutions/hierarchical-poisson.md", "where its events raise its rate, its interval grows with it.")
@states(
    "solutions/hierarchical-poisson.md", "all eight gain, and hospital 5, with the fewest events, the most."
)
def test_who_gains_among_the_hospitals():
    data = datasets.hospitals()
    count, exposure = data["count"].values, data["exposure"].values
    assert ((exposure * data["true_rate"].values).round() == count).sum() == 7
    pooled = exact.poisson(count, exposure, mu_log=stats.norm(0, 1), sigma_log=stats.halfnorm(scale=1))
    assert pooled["sigma_log"].mean() == pytest.approx(0.3, abs=0.03)
    alone = stats.gamma(1 + count, scale=1 / (0.5 + exposure))
    gain = 1 - np.ptp(pooled["lam"].hdi(0.89).values, axis=1) / np.array(
        [np.ptp(shortest(1 + k, 0.5 + e)) for k, e in zip(count, exposure, strict=True)]
    )
    assert gain[2] > gain[4]
    assert gain[3] < 0
    assert (gain[[6, 1]] > 0.24).all()
    logs = np.log(pooled["lam"].quantile(TAILS).values)
    log_gain = 1 - np.ptp(logs, axis=1) / np.log(alone.ppf(0.945) / alone.ppf(0.055))
    assert (log_gain > 0).all()
    assert log_gain.argmax() == count.argmin() == 4
    more = np.where(np.arange(8) == 4, 8, count)
    raised = exact.poisson(more, exposure, mu_log=stats.norm(0, 1), sigma_log=stats.halfnorm(scale=1))
    assert np.ptp(pooled["lam"].hdi(0.89).values[4]) < np.ptp(pooled["lam_new"].hdi(0.89).values)
    assert np.ptp(raised["lam"].hdi(0.89).values[4]) > np.ptp(raised["lam_new"].hdi(0.89).values)


@states(
    "solutions/hierarchical-poisson.md",
    "hospitals 3 and 4 lose: their raw rates are the highest, and pooling lowers them",
)
@states("solutions/hierarchical-poisson.md", "On the log scale hospital 5 again gains the most")
@states("solutions/hierarchical-poisson.md", "Both lie well within their posteriors.")
def test_hospitals_of_the_code():
    data = datasets.simulate_hospitals(np.random.default_rng(42))
    count, exposure = data["count"].values, data["exposure"].values
    pooled = exact.poisson(count, exposure, mu_log=stats.norm(0, 1), sigma_log=stats.halfnorm(scale=1))
    alone = stats.gamma(1 + count, scale=1 / (0.5 + exposure))
    logs = np.log(pooled["lam"].quantile(TAILS).values)
    gain = 1 - np.ptp(logs, axis=1) / np.log(alone.ppf(0.945) / alone.ppf(0.055))
    assert np.flatnonzero(gain < 0).tolist() == [2, 3]
    assert gain.argmax() == 4
    assert sorted(np.argsort(count / exposure)[-2:]) == [2, 3]
    assert (pooled["lam"].mean().values < alone.mean())[[2, 3]].all()
    for name, value in (("mu_log", 0.5), ("sigma_log", 0.6)):
        assert 0.1 < pooled[name].cdf(value) < 0.9


@states("solutions/hierarchical-poisson.md", "a transition or two may diverge")
@states("solutions/hierarchical-poisson.md", "The narrow place is where $\\sigma_{\\log}$ is *large*")
@states("solutions/hierarchical-poisson.md", "So little of the posterior lies there")
def test_where_the_standardised_rates_get_narrow():
    data = datasets.hospitals()
    count, exposure = data["count"].values, data["exposure"].values
    z = np.linspace(-8, 8, 4001)

    def narrowest(sigma):
        log = stats.norm.logpdf(z) + stats.poisson.logpmf(
            count[:, None], exposure[:, None] * np.exp(0.5 + sigma * z)
        )
        mass = np.exp(log - log.max(axis=1, keepdims=True))
        mass /= mass.sum(axis=1, keepdims=True)
        return np.sqrt(mass @ z**2 - (mass @ z) ** 2).min()

    assert narrowest(0.05) > 0.95
    assert narrowest(1.5) < 0.25
    pooled = exact.poisson(count, exposure, mu_log=stats.norm(0, 1), sigma_log=stats.halfnorm(scale=1))
    assert pooled["sigma_log"].cdf(1.0) > 0.98
    diverging = runs.recorded()["hospitals/divergences"].dropna()
    assert 0 < diverging.max() <= 2


def shortest(shape, rate):
    """HDI of a Gamma distribution, by search over the lower tail."""
    law = stats.gamma(shape, scale=1 / rate)
    lower = np.linspace(0, 0.11, 2201)
    ends = law.ppf(np.array([lower, lower + 0.89]))
    return ends[:, np.ptp(ends, axis=0).argmin()]


@states(
    "solutions/hierarchical-poisson.md",
    "(A scale below one half in the prior of $\\sigma_{\\log}$ would make it",
)
@states("solutions/hierarchical-poisson.md", "It is infinite.")
def test_the_mean_square_of_a_new_rate():
    def up_to(scale, limit):
        prior = stats.halfnorm(scale=scale).logpdf
        return integrate.quad(lambda s: np.exp(2 * s**2 + prior(s)), 0, limit, limit=200)[0]

    assert up_to(0.49, 60) == pytest.approx(up_to(0.49, 80), rel=1e-6)
    assert up_to(0.51, 20) > 10 * up_to(0.51, 10)
    assert up_to(1, 6) > 100 * up_to(1, 4)
