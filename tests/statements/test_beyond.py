"""What else the pages beyond 5.8 assert: rates of tumours, radon in houses, and trials of a vaccine."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statements import states

import hierarchical_exact as exact
from support import datasets

RATS = datasets.rat_tumours()
Y, N = RATS["tumours"].values, RATS["rats"].values
MEAN, KAPPA = stats.beta(1, 1), stats.gamma(2, scale=20)
RADON = datasets.radon()
LOG, COUNTY = np.log(RADON["radon"].values), RADON["of_county"].values
HOUSES = pd.Series(LOG).groupby(COUNTY).size()
HALF = stats.halfnorm(scale=1)
TRIALS = datasets.bcg_trials()
EFFECT, ERROR, LATITUDE = (TRIALS[name].values for name in ("effect", "standard_error", "latitude"))
PRIORS = {"mu": stats.norm(0, 1), "tau": HALF}
MADRAS = 7


@pytest.fixture(scope="module")
def rates():
    return exact.beta_binomial(Y, N, mean=MEAN, concentration=KAPPA)


@pytest.fixture(scope="module")
def draws(rates):
    return rates.sample(8000, np.random.default_rng(58))["theta"].values


# -- rates ----------------------------------------------------------------------------------------------


@states("chapters/proportions.md", "with two answers in place of four.")
@states("chapters/proportions.md", "the Beta distribution is the {term}`conjugate prior` of a Binomial count")
@states("chapters/proportions.md", "By {eq}`beta-shrinkage` all 71 rates can be integrated by hand.")
@states("chapters/proportions.md", "The population counts like $\\kappa$ more trials")
def test_the_survey_with_two_answers(rates):
    # The package's other model, with the answers yes and no.
    other = exact.dirichlet_multinomial(np.stack([Y, N - Y], axis=1), alpha=KAPPA, baseline=np.ones(2))
    assert other["pi"].mean().values[:, 0] == pytest.approx(rates["theta"].mean().values, abs=1e-4)
    assert other["alpha"].mean() == pytest.approx(rates["concentration"].mean(), rel=1e-3)
    known = exact.beta_binomial(Y[:5], N[:5], mean=stats.beta(14e6, 86e6), concentration=20.0)
    law = stats.beta(2.8 + Y[:5], 17.2 + N[:5] - Y[:5])
    assert known["theta"].mean().values == pytest.approx(law.mean(), abs=1e-5)
    # Integrated by hand: the probability of a count is that of a Beta-Binomial.
    log = stats.betabinom(N[:5], 2.8, 17.2).logpmf(Y[:5]).sum()
    assert known.log_evidence == pytest.approx(log, abs=1e-3)


@states("chapters/proportions.md", "The mean of the population is … ± … and its concentration … ± ….")
@states("chapters/proportions.md", "How much of this is the prior's doing?")
@states("chapters/proportions.md", "None is known well")
@states("chapters/proportions.md", "each draw is independent of the others.")
@states("chapters/proportions.md", "A rank is a function of all rates together.")
@states("chapters/proportions.md", "To be the highest it must be higher than all 70 at once.")
@states("chapters/proportions.md", "That would be so if the data said nothing.")
@states("chapters/proportions.md", "Ranks and comparisons need the joint posterior.")
def test_draws_and_ranks(rates, draws):
    assert draws.shape == (8000, 71)
    later = [np.corrcoef(draws[1:, k], draws[:-1, k])[0, 1] for k in (0, 30, 69)]
    assert abs(np.array(later)).max() < 4 / np.sqrt(8000)
    error = rates["theta"].sd().values / np.sqrt(8000)
    assert abs((draws.mean(axis=0) - rates["theta"].mean().values) / error).max() < 4.5
    rank = (-draws).argsort(axis=1).argsort(axis=1)
    assert rank.std(axis=0).min() > 3
    # Rates drawn each by itself have other ranks: that of the highest is another experiment's more often.
    beaten = (draws[:, [69]] > np.delete(draws, 69, axis=1)).mean(axis=0)
    highest = (draws.argmax(axis=1) == 69).mean()
    assert highest < beaten.min() / 2
    silent = exact.beta_binomial(np.zeros(71), np.zeros(71), mean=MEAN, concentration=KAPPA)
    winner = np.bincount(
        silent.sample(7100, np.random.default_rng(58))["theta"].values.argmax(axis=1), minlength=71
    )
    assert stats.chisquare(winner).pvalue > 1e-4


@states("chapters/proportions.md", "is an integral over one of them, here a sum over log odds.")
@states("chapters/proportions.md", "Estimates that are extreme by chance are pulled in")
@states("chapters/proportions.md", "each pair is looked at as if nothing were known of the others.")
@states("chapters/proportions.md", "because the estimates have moved.")
@states("chapters/proportions.md", "Partial pooling moves the estimates instead")
@states(
    "chapters/proportions.md",
    "the correction leaves the estimates where they are and asks for more evidence.",
)
def test_pairs(rates, draws):
    # One pair for a known population: an integral over one rate, against draws of both.
    one, other = (stats.beta(2.8 + Y[k], 17.2 + N[k] - Y[k]) for k in (69, 0))
    u = (np.arange(4000) + 0.5) / 4000
    above = other.cdf(one.ppf(u)).mean()
    rng = np.random.default_rng(58)
    simulated = (one.rvs(100_000, random_state=rng) > other.rvs(100_000, random_state=rng)).mean()
    assert above == pytest.approx(simulated, abs=4 * 0.5 / np.sqrt(100_000))
    raw = (1 + Y) / (2 + N)
    pooled = rates["theta"].mean().values
    extreme = np.argsort(raw)[[0, 1, 2, -3, -2, -1]]
    assert (abs(pooled - pooled.mean()) < abs(raw - raw.mean()))[extreme].all()
    # Simulated with one rate for all: the differences that no pooling claims are gone with the estimates.
    count = rng.binomial(N, 0.15)
    fit = exact.beta_binomial(count, N, mean=MEAN, concentration=KAPPA)["theta"].mean().values
    assert np.ptp(fit) < 0.4 * np.ptp((1 + count) / (2 + N))


@states("chapters/proportions.md", "Their estimates differ by half a hundredth, and are uncertain by four.")
@states("chapters/proportions.md", "Their estimates differ by less than a hundredth.")
@states(
    "chapters/proportions.md",
    "Beta or logit-Normal mattered little for the experiments that had been seen. It did in the",
)
@states("chapters/proportions.md", "So both populations have an exact answer")
@states("chapters/proportions.md", "What depends on the choice are the tails")
@states("chapters/proportions.md", "These data hardly say which is right.")
def test_two_forms_of_the_population(rates):
    other = exact.logit_normal(Y, N, mu=stats.norm(-2, 1), tau=HALF)
    apart = abs(other["theta"].mean().values - rates["theta"].mean().values)
    assert apart[Y == 0].mean() == pytest.approx(0.005, abs=0.002)
    assert rates["theta"].sd().values[Y == 0].mean() == pytest.approx(0.04, abs=0.006)
    assert apart[N > 40].max() < 0.01
    assert (apart / rates["theta"].sd().values).max() < 0.25
    new = [one["theta_new"] for one in (rates, other)]
    low = [float(one.cdf(0.01)) for one in new]
    assert low[0] > 2 * low[1]
    assert abs(np.log(float(new[0].sf(0.4)) / float(new[1].sf(0.4)))) > 0.4
    assert abs(rates.log_evidence - other.log_evidence) < 4


# -- radon ----------------------------------------------------------------------------------------------


def houses(*columns):
    x = pd.DataFrame({"intercept": np.ones(LOG.size), "floor": RADON["floor"].values.astype(float)})
    x["uranium"] = RADON["uranium"].sel(county=COUNTY).values
    return exact.mixed(
        LOG, x[["intercept", *columns]], terms={"county": COUNTY}, beta=stats.norm(0, 2), sigma=HALF, tau=HALF
    )


@pytest.fixture(scope="module")
def full():
    return houses("floor", "uranium")


@states("chapters/radon.md", "What uranium explained is now part of the differences between counties.")
@states("chapters/radon.md", "is the sd of what is left of the counties' means, and more is left.")
@states("chapters/radon.md", "A predictor that is left out does not take its variance with it.")
@states(
    "chapters/radon.md",
    "A predictor of groups explains part of $\\tau$: here uranium halved it. A predictor of observations "
    "explains part of $\\sigma$ and may make $\\tau$ smaller or larger: here the floor made it larger.",
)
@states(
    "solutions/ten-counties.md",
    "A predictor of groups explains differences between groups, never those within.",
)
@states("solutions/ten-counties.md", "Houses of one county it cannot tell")
def test_what_predictors_explain(full):
    tau, sigma = "tau_county", "sigma"
    no_uranium, no_floor = houses("floor"), houses("uranium")
    assert no_uranium[tau].mean() > 1.7 * full[tau].mean()
    assert no_uranium[sigma].mean() == pytest.approx(full[sigma].mean(), abs=0.01)
    assert no_floor[sigma].mean() > full[sigma].mean() + 2 * full[sigma].sd()
    assert no_floor[tau].mean() < 0.85 * full[tau].mean()
    # A predictor of observations whose mean differs between groups, and explains all but the noise of both.
    rng, group = np.random.default_rng(58), np.repeat(np.arange(20), 5)
    x = group / 10 - 1 + rng.normal(0, 1, 100)
    y = x + rng.normal(0, 0.5, 100)
    designs = {"without": np.ones((100, 1)), "with": np.column_stack([np.ones(100), x])}
    found = {
        name: exact.mixed(y, X, terms={"group": group}, beta=stats.norm(0, 2), sigma=HALF, tau=HALF)
        for name, X in designs.items()
    }
    for scale in ("sigma", "tau_group"):
        assert found["with"][scale].mean() < 0.7 * found["without"][scale].mean(), scale
    # The variance does not go: what uranium explained is found again in tau, within a third.
    uranium = RADON["uranium"].values
    slope = full["beta"].mean().values[2]
    gained = no_uranium[tau].mean() ** 2 - full[tau].mean() ** 2
    assert gained == pytest.approx(slope**2 * uranium.var(), rel=0.35)


@states(
    "chapters/radon.md",
    "A single house differs from its county's mean by $\\sigma$, next to which all else is small.",
)
@states("chapters/radon.md", "In predicting a single observation $\\sigma$ counts for more than $\\tau$ here")
@states("chapters/radon.md", "What counts is the information of each county")
@states("chapters/radon.md", "A single house is another matter.")
@states("solutions/ten-counties.md", "A county with many houses is better known than a new one in its mean")
@states("chapters/radon.md", "In St. Louis there are 116 houses.")
@states(
    "solutions/ten-counties.md",
    "What is asked for is a single house, so $\\sigma$ belongs to its prediction.",
)
def test_a_single_house(full):
    sigma, tau = full["sigma"].mean(), full["tau_county"].mean()
    assert sigma**2 / (sigma**2 + tau**2) > 0.9
    weight = sigma**2 / (sigma**2 + HOUSES * tau**2)
    assert HOUSES["St. Louis"] == 116
    known, new = (tau**2 * w for w in (weight.min(), 1.0))  # what is left of a county's own effect
    assert new > 5 * known
    assert np.sqrt((sigma**2 + new) / (sigma**2 + known)) < 1.05
    assert (weight > 0.5).sum() > 70
    assert weight.min() < 0.35


@states("chapters/radon.md", "For each house we know the floor on which it was measured, for each county")
@states(
    "chapters/radon.md", "What counts is the information of each county, and half of them have five houses"
)
@states("chapters/radon.md", "Each group is pulled towards its own point of the line.")
@states("chapters/radon.md", "is a {term}`partial pooling` of the county with a line")
@states("chapters/radon.md", "Five houses were measured in Redwood.")
def test_towards_the_line():
    assert RADON["floor"].size == LOG.size == 919
    assert RADON["uranium"].size == 85
    assert set(np.unique(RADON["floor"].values)) == {0, 1}
    assert HOUSES["Redwood"] == 5
    # Two counties of three houses with the same reports and other uranium end at other places.
    y = np.array([1.2, 1.4, 1.0, 1.2, 1.4, 1.0, 0.2, 0.3, 0.1, 2.3, 2.2, 2.4])
    x = pd.DataFrame({"intercept": 1.0, "uranium": np.repeat([-0.5, 0.5, -1, 1.0], 3)})
    county = np.repeat(["low", "high", "lowest", "highest"], 3)
    fit = exact.mixed(y, x, terms={"county": county}, beta=stats.norm(0, 2), sigma=HALF, tau=HALF)
    u = fit["u_county"].mean().to_series()
    b = fit["beta"].mean().values
    mean = {name: b[0] + b[1] * value + u[name] for name, value in (("low", -0.5), ("high", 0.5))}
    assert mean["high"] > mean["low"] + 0.02
    assert mean["low"] < 1.2 < mean["high"]


# -- odd groups -----------------------------------------------------------------------------------------


def moved(report):
    return np.append(report, EFFECT[1:])


@pytest.fixture(scope="module")
def far():
    """Normal and Student-t populations, with trial 1 where it is, at +2 and at +8."""
    return {
        at: (exact.normal(moved(at), ERROR, **PRIORS), exact.student_t(moved(at), ERROR, nu=4, **PRIORS))
        for at in (EFFECT[0], 2.0, 8.0)
    }


@states("chapters/odd-group.md", "The mean follows, but the pull toward it dies away meanwhile.")
@states("chapters/odd-group.md", "They had borrowed from each other.")
@states(
    "chapters/odd-group.md", "One odd group makes $\\tau$ large, and a large $\\tau$ is {term}`no pooling`."
)
@states("chapters/odd-group.md", "It does not so much pull the others as it sets them free")
@states(
    "chapters/odd-group.md", "Under the Normal population it pulls the mean farther and farther, to … at +8."
)
@states(
    "chapters/odd-group.md",
    "That is the damage: the other twelve, as much alike as before, are not pooled any",
)
@states("chapters/odd-group.md", "$\\tau$ grows, and {term}`shrinkage` ends for all.")
@states("chapters/odd-group.md", "at +8 it shortens the report by …, Student-t by ….")
@states("chapters/odd-group.md", "A Student-t population makes room mostly for the odd one.")
@states("chapters/odd-group.md", "In truth the population must be learned, and an odd group disturbs that.")
@pytest.mark.slow  # three Student-t populations
def test_one_report_far_away(far):
    normal = [far[at][0] for at in far]
    mu, tau = ([fit[name].mean() for fit in normal] for name in ("mu", "tau"))
    assert mu[0] < mu[1] < mu[2]
    assert tau[0] < tau[1] < tau[2]
    distance = [abs(fit["theta"].mean().values - EFFECT)[1:].max() for fit in normal]
    assert distance[2] < 0.4 * distance[0]
    # Nobody is drawn after the mean: the largest move of another estimate is far less than that of the mean.
    drawn = normal[2]["theta"].mean().values[1:] - normal[0]["theta"].mean().values[1:]
    assert abs(np.median(drawn)) < 0.1 * (mu[2] - mu[0])
    student = far[8.0][1]
    assert student["mu"].mean() < far[2.0][1]["mu"].mean()
    kept = [abs(fit["theta"].mean().values - EFFECT)[1:].max() for fit in (far[EFFECT[0]][1], student)]
    assert kept[1] > 0.5 * kept[0]
    short = [8 - fit["theta"].mean().values[0] for fit in far[8.0]]
    assert short[1] < short[0]


@states(
    "chapters/odd-group.md",
    "each group has a precision of its own, $w_j / \\tau^2$, where $w_j$ is 1 on average, and small for",
)
@states("chapters/odd-group.md", "Then the population is wide for that group, which is left alone.")
@states(
    "chapters/odd-group.md",
    "Only far from the mean does it pull less, and a Normal population has few groups",
)
@states("chapters/odd-group.md", "by sums: over $\\mu$ and $\\tau$, and for each group over $w_j$.")
def test_precisions_of_their_own():
    w = stats.gamma(2, scale=0.5).ppf((np.arange(20_000) + 0.5) / 20_000)
    for x in (0.0, 1.0, 5.0):
        mixed = (stats.norm(0, 1 / np.sqrt(w)).pdf(x)).mean()
        assert mixed == pytest.approx(stats.t(4).pdf(x), rel=2e-3)

    def expected(x):
        mass = stats.norm(0, 1 / np.sqrt(w)).pdf(x)
        return mass @ w / mass.sum()

    assert w.mean() == pytest.approx(1, abs=1e-3)
    near, odd = expected(0.7), expected(8.0)
    assert 0.8 < near < 1.3
    assert odd < 0.1
    # The pull, as the slope of the log density: less than that of a Normal of the same scale only far out.
    scale = 0.75
    pull = [(5 * x / scale**2 / (4 + (x / scale) ** 2), x) for x in (0.3, 4.0)]
    assert pull[0][0] > pull[0][1]
    assert pull[1][0] < pull[1][1]
    assert stats.norm.sf(4) < 1e-4


@states("chapters/odd-group.md", "One effect for all trials is out of the question")
@states("chapters/odd-group.md", "So it would be if all trials had one effect.")
@states("chapters/odd-group.md", "the few cases of the smaller count decide")
@states("chapters/odd-group.md", "Of the population a large group is one group.")
@states("chapters/odd-group.md", "is information of its own, and none of the models below may drop it.")
@states("chapters/odd-group.md", "and its standard error comes from the counts")
@states(
    "chapters/odd-group.md",
    "the data leave no doubt that trials differ, so that no {term}`funnel` troubles the sampler.",
)
def test_what_a_standard_error_says():
    weight = ERROR**-2
    common = weight @ EFFECT / weight.sum()
    assert stats.chi2(12).sf((weight * (EFFECT - common) ** 2).sum()) < 1e-15
    one = exact.normal(EFFECT, ERROR, mu=None, tau=0.0)["mu"]
    assert exact.normal(EFFECT, ERROR, **PRIORS)["tau"].cdf(0.25) < 1e-3  # nothing in a neck

    def influence(tau):
        """What a point in the report of Madras moves the mean of the population."""
        up = EFFECT + (np.arange(13) == MADRAS)
        return [exact.normal(y, ERROR, mu=None, tau=tau)["mu"].mean() for y in (EFFECT, up)]

    none, some = influence(0.0), influence(0.6)
    assert none[1] - none[0] == pytest.approx(weight[MADRAS] / weight.sum())
    assert none[1] - none[0] > 0.4
    assert 1 / 13 < some[1] - some[0] < 0.13
    assert one.mean() == pytest.approx(common)
    cases = np.stack([TRIALS["vaccinated_cases"].values, TRIALS["control_cases"].values])
    persons = np.stack([TRIALS["vaccinated"].values, TRIALS["control"].values])
    assert pytest.approx(np.sqrt((1 / cases - 1 / persons).sum(axis=0)), rel=1e-3) == ERROR
    smaller = 1 / cases.min(axis=0) / (1 / cases - 1 / persons).sum(axis=0)
    assert smaller.min() > 0.5
    # Standard errors all alike, as large on average, give another mean and other estimates.
    alike = exact.normal(EFFECT, np.full(13, ERROR.mean()), **PRIORS)
    right = exact.normal(EFFECT, ERROR, **PRIORS)
    assert abs(alike["theta"].mean().values - right["theta"].mean().values).max() > 0.2


@states(
    "chapters/odd-group.md",
    "A report that is a few of its own standard errors away does little harm; the same distance is expensive "
    "in a large trial.",
)
@states("chapters/odd-group.md", "A predictor can explain an odd group, and reveal another.")
@states("chapters/odd-group.md", "They lean towards less effect in the south, and hardly know how much:")
@states("chapters/odd-group.md", "It *knows* that it does not know, and is not surprised.")
@states(
    "chapters/odd-group.md", "Oddness is no property of a group. It is a property of a group *and a model*"
)
def test_odd_for_whom():
    def with_error(error, report=2.0):
        sigma = np.where(np.arange(13) == 0, error, ERROR)
        return exact.normal(moved(report), sigma, **PRIORS)["tau"].mean()

    rest = exact.normal(EFFECT[1:], ERROR[1:], **PRIORS)["tau"].mean()
    assert with_error(1.5) < 1.15 * rest
    assert with_error(0.06) > 1.4 * rest

    def place(j, covariates):
        """Probability of a report below the true one, from the other trials."""
        kept = np.arange(13) != j
        more = {}
        if covariates:  # trial j stays, with an error so large that it says nothing
            more = {"covariates": (np.append(LATITUDE[kept], LATITUDE[j]) - 33) / 10}
            more["beta"] = stats.norm(0, 0.5)
        y, sigma = (np.append(one[kept], last) for one, last in ((EFFECT, 0.0), (ERROR, 1e6)))
        fit = exact.normal(y, sigma, **PRIORS, **more)["theta"].sel(group=12)
        return float(fit.expect(lambda x: stats.norm.cdf(EFFECT[j], x, ERROR[j])))

    madras, seventh = ([place(j, covariates) for covariates in (False, True)] for j in (MADRAS, 6))
    assert abs(madras[1] - 0.5) < abs(madras[0] - 0.5)
    assert seventh[1] < seventh[0] / 5
    beyond = LATITUDE > 40
    slope = exact.normal(
        EFFECT[beyond],
        ERROR[beyond],
        **PRIORS,
        covariates=(LATITUDE[beyond] - 33) / 10,
        beta=stats.norm(0, 0.5),
    )["beta"]
    assert slope.sd() > 0.5 * 0.5
    assert 0.85 < slope.cdf(0.0) < 0.95
    assert np.ptp(LATITUDE[beyond]) <= 13
