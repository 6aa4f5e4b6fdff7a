"""What the pages on comparison, decisions and practice say."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, special, stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import LARGEST_Z, MU_PRIOR, TAU_PRIOR
from tooling.audit import numbers, runs

ROOT = Path(__file__).resolve().parents[2]
SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"].values, SCHOOLS["standard_error"].values
HIGH = (0.055, 0.945)


def schools(tau, error=ERROR, effect=EFFECT, mu=MU_PRIOR):
    return exact.normal(effect, error, mu=mu, tau=tau)


def school_a(tau):
    return schools(tau)["theta"].quantile(HIGH).values[0]


def factor(error, tau):
    return error**2 / (error**2 + tau**2)


# -- recap -------------------------------------------------------------------------------------------


@states("chapters/recap.md", "which a correct sampler exceeds about once in 150,000 times")
@states("chapters/recap.md", "the book makes about a thousand such comparisons")
@states("chapters/audit.md", "a correct sampler exceeds them once in 16,000 numbers")
@states("chapters/recap.md", "a quarter of the 4000 draws")
@states("chapters/recap.md", "there it is $\\text{Beta}(2, 2)$")
@states("chapters/recap.md", "The log evidence falls by almost the logarithm of ten")
@states("chapters/recap.md", "The posterior hardly moves and neither does LOO.")
@states("chapters/recap.md", "The posterior of $\\tau$ is highest at zero.")
def test_small_facts_of_the_recap():
    assert 1 / (2 * stats.norm.sf(LARGEST_Z)) == pytest.approx(150_000, rel=0.03)
    assert 1 / (2 * stats.norm.sf(numbers.ALLOWED)) == pytest.approx(16_000, rel=0.02)
    pages = "".join(page.read_text("utf-8") for page in sorted(ROOT.glob("[cs]*/*.md")))
    counted = map(int, re.findall(r": (\d+) of \1 agree$", pages, re.MULTILINE))
    assert sum(counted) + pages.count("] ± ~[") == pytest.approx(1000, rel=0.2)
    assert pytest.approx(1 / 4) == (1 - 0.6) / (1 + 0.6)
    two = stats.dirichlet(np.ones(4)).rvs(20_000, random_state=58)[:, :2].sum(axis=1)
    assert stats.kstest(two, stats.beta(2, 2).cdf).pvalue > 1e-3
    one, wide = (exact.normal(EFFECT, ERROR, mu=stats.norm(0, sd), tau=0) for sd in (20, 200))
    fall = one.log_evidence - wide.log_evidence
    assert 0.9 * np.log(10) < fall < np.log(10)
    assert abs(one.elpd_loo.sum() - wide.elpd_loo.sum()) < 0.1
    assert abs(one["mu"].mean() - wide["mu"].mean()) < 0.1 * one["mu"].sd()
    density = np.asarray(schools(TAU_PRIOR)["tau"].pdf(np.linspace(0, 30, 200)))
    assert density.argmax() == 0


# -- comparison by leave-one-out ----------------------------------------------------------------------


@states("chapters/loo-comparison.md", "The likelihood of these data is highest at $\\tau = 0$")
@states("chapters/loo-comparison.md", "a tighter prior for $\\tau$ would bring partial pooling closer")
@states("chapters/loo-comparison.md", "five of the eight schools have $k > 0.7$")
@states(
    "chapters/loo-comparison.md",
    "more than two standard errors in the first case, about five in the second",
)
@states("chapters/loo-comparison.md", "Partial pooling predicts A and G better")
@states("chapters/loo-comparison.md", "It pays for that room a little in each of the other six.")
@states("chapters/loo-comparison.md", "it equals the log evidence")
def test_what_the_comparison_of_three_strategies_says():
    likelihood = [schools(tau).log_evidence for tau in (0.0, 0.5, 1, 2, 5, 10, 20)]
    assert (np.diff(likelihood) < 0).all()
    complete, partial, none = schools(0), schools(TAU_PRIOR), exact.normal(EFFECT, ERROR, mu=0, tau=20)
    tight = schools(stats.halfnorm(scale=5))
    assert partial.log_evidence < tight.log_evidence < complete.log_evidence
    assert (factor(20, ERROR) > 0.7).sum() == 5
    elpd = [fit.elpd_loo.values for fit in (complete, partial, none)]
    z = [(elpd[0] - other).sum() / (np.sqrt(8) * (elpd[0] - other).std(ddof=1)) for other in elpd[1:]]
    assert 2 < z[0] < 3
    assert round(z[1]) == 5
    better = elpd[1] > elpd[0]
    assert better.tolist() == [True, False, False, False, False, False, True, False]
    assert none.log_evidence == pytest.approx(elpd[2].sum())


def scores(y, taus):
    """Leave-one-out densities of data sets (set, school), by p(y | y without it) = p(y) / p(without)."""
    log, density = 0.0, []
    taus = np.atleast_1d(taus)
    prior = TAU_PRIOR.logpdf(taus) if taus.size > 1 else np.zeros(1)

    def marginal(values, error):
        total = []
        for tau in taus:
            covariance = np.diag(error**2 + tau**2) + 400
            total.append(np.atleast_1d(stats.multivariate_normal(cov=covariance).logpdf(values)))
        return special.logsumexp(np.array(total) + prior[:, None], axis=0)

    log = marginal(y, ERROR)
    for i in range(8):
        rest = np.arange(8) != i
        density.append(log - marginal(y[:, rest], ERROR[rest]))
    return np.array(density).T


@states(
    "chapters/loo-comparison.md",
    "On average the usual standard error is below the true standard deviation of the difference, where "
    "$\\tau$ is 15 or 20 by about two fifths.",
)
@states("chapters/loo-comparison.md", "Partial pooling seldom comes first")
@states("chapters/loo-comparison.md", "computed from eight numbers is itself a poor estimate")
@states(
    "chapters/loo-comparison.md",
    "complete pooling falls from about 0.8 at zero to about 0.1 at 20, no pooling rises from under 0.1 to "
    "about 0.7, partial pooling stays between 0.1 and 0.25",
)
@states("chapters/loo-comparison.md", "the median is slightly negative at small tau and then rises")
@states(
    "solutions/leave-one-school-out.md",
    "A standard error from eight differences is itself a poor estimate, and more often too small",
)
def test_what_eight_points_can_tell():
    rng = np.random.default_rng(58)
    grid = 0.5 + np.arange(0, 60, 1.0)
    exactly = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR).elpd_loo.values
    assert scores(EFFECT[None], grid)[0] == pytest.approx(exactly, abs=1e-3)
    wins = {}
    for tau in (0, 10, 20):
        y = rng.normal(rng.normal(8, tau, (2000, 8)), ERROR)
        partial, complete = scores(y, grid), scores(y, 0.0)
        none = stats.norm.logpdf(y, 0, np.hypot(20, ERROR))
        gain = (partial - complete).sum(axis=1)
        usual = np.sqrt(8) * (partial - complete).std(axis=1, ddof=1)
        assert usual.mean() < 0.95 * gain.std()
        assert usual.std() > 0.4 * usual.mean()
        assert (usual < gain.std()).mean() > 0.6
        totals = [each.sum(axis=1) for each in (complete, partial, none)]
        wins[tau] = np.bincount(np.argmax(totals, axis=0), minlength=3) / len(y)
        assert 0.1 < wins[tau][1] < 0.25
        if tau == 20:
            assert usual.mean() / gain.std() == pytest.approx(0.6, abs=0.06)
        assert (np.median(gain) < 0) == (tau == 0)
    assert wins[0] == pytest.approx([0.82, 0.12, 0.06], abs=0.03)
    assert wins[20] == pytest.approx([0.09, 0.20, 0.71], abs=0.04)


@states("chapters/loo-comparison.md", "can do no better than its prior")
@states("chapters/loo-comparison.md", "For no pooling, the estimate from draws is too high")
@states("chapters/loo-comparison.md", "The order does not, nor do the weights to one decimal")
def test_estimates_from_draws():
    recorded = runs.recorded().filter(regex="^loo/").dropna()
    none = exact.normal(EFFECT, ERROR, mu=0, tau=20)
    assert none.elpd_loo.values == pytest.approx(stats.norm.logpdf(EFFECT, 0, np.hypot(20, ERROR)), abs=1e-6)
    assert len(recorded) > 40
    assert (recorded["loo/no pooling/elpd_loo"] > none.elpd_loo.values.sum() + 0.1).all()
    names = ("complete pooling", "partial pooling", "no pooling")
    assert (recorded[[f"loo/{name}/rank" for name in names]] == [0, 1, 2]).all(axis=None)
    assert (recorded[[f"loo/{name}/weight" for name in names]].round(1) == [1, 0, 0]).all(axis=None)


@states("chapters/loo-comparison.md", "A wider prior brings the estimates nearer to the raw effects")
@states("chapters/loo-comparison.md", "A narrower one shrinks all schools toward zero, and makes it better.")
@states("chapters/loo-comparison.md", "so the score measures how well the prior's 20 was chosen.")
@states(
    "chapters/loo-comparison.md", "So the elpd of no pooling does not measure how well it estimates schools."
)
def test_the_elpd_of_no_pooling_measures_its_prior():
    fits = [exact.normal(EFFECT, ERROR, mu=0, tau=sd) for sd in (2, 5, 10, 20, 50, 100)]
    assert (np.diff([fit.elpd_loo.sum() for fit in fits]) < 0).all()
    away = [abs(fit["theta"].mean().values - EFFECT).max() for fit in fits]
    assert (np.diff(away) < 0).all()
    assert away[-1] < 1


# -- when to use ---------------------------------------------------------------------------------------


@states(
    "chapters/when-hierarchical.md",
    "With 2 and 4 groups and noisy data the posterior of tau lies almost on the dashed half-Normal prior; "
    "with 30 groups it is a hump around 8, tall and narrow when the groups are measured precisely",
)
@states(
    "chapters/when-hierarchical.md", "Line with markers rising from about 0.5 for groups of two observations"
)
@states("chapters/when-hierarchical.md", "the group with two observations gains most")
def test_pictures_of_few_groups_and_of_small_ones():
    grid = np.linspace(0.01, 40, 800)

    def density(groups, error):
        y = stats.norm.ppf((np.arange(groups) + 0.5) / groups)
        y = 8 + y / y.std(ddof=1) * np.hypot(8, error)
        return np.asarray(schools(TAU_PRIOR, np.full(groups, float(error)), y)["tau"].pdf(grid))

    for groups in (2, 4):
        assert np.trapezoid(np.minimum(density(groups, 10), TAU_PRIOR.pdf(grid)), grid) > 0.93
    noisy, precise = density(30, 10), density(30, 2)
    assert [grid[one.argmax()] for one in (noisy, precise)] == pytest.approx([8, 8], abs=0.7)
    assert precise.max() > 2 * noisy.max()
    left = np.sqrt(1 - factor(20 / np.sqrt(np.array([2, 256])), 8))
    assert left == pytest.approx([0.5, 1], abs=0.02)


@states("chapters/when-hierarchical.md", "Complete pooling is right only when $\\tau = 0$.")
@states("chapters/when-hierarchical.md", "So it is where $\\tau$ is about 5.")
@states("chapters/when-hierarchical.md", "… of the time.")
@states("chapters/when-hierarchical.md", "It does not know that schools differ from the mean.")
@states("chapters/when-hierarchical.md", "For complete pooling the answer has a closed form.")
@states("chapters/when-hierarchical.md", "is Normal with variance $\\tau^2 + \\mathrm{Var}(\\hat\\mu)$")
def test_complete_pooling_of_a_new_school():
    weights = ERROR**-2 / (ERROR**-2).sum()
    half = stats.norm.ppf(0.945) / np.sqrt((ERROR**-2).sum())

    def coverage(tau):
        error = np.sqrt(tau**2 + (weights**2 * (ERROR**2 + tau**2)).sum())
        return 1 - 2 * stats.norm.sf(half / error)

    held = [coverage(tau) for tau in (0, 5, 10, 20)]
    assert held == pytest.approx([0.89, 0.67, 0.43, 0.23], abs=0.005)


@states("chapters/when-hierarchical.md", "Hence the limit $\\sqrt2$.")
@states("chapters/when-hierarchical.md", "and the ratio grows like $J^{1/4}$")
@states("chapters/when-hierarchical.md", "Even data without any spread leave them $\\sqrt 2$ times as large")
def test_the_hierarchical_model_never_becomes_complete_pooling():
    def ratio(groups, typical):
        y = 10 * stats.norm.ppf((np.arange(groups) + 0.5) / groups)
        y = y * np.sqrt((groups - 1) / groups) * 10 / y.std() if typical else np.zeros(groups)
        theta = exact.normal(y, 10.0, mu=None, tau=TAU_PRIOR)["theta"]
        return theta.sd().values.mean() / (10 / np.sqrt(groups))

    assert ratio(2000, typical=False) == pytest.approx(np.sqrt(2), rel=0.01)
    small, large = ratio(200, typical=True), ratio(3200, typical=True)
    assert large / small == pytest.approx(2, rel=0.1)
    assert small > np.sqrt(2)


@states(
    "chapters/when-hierarchical.md",
    "Both gaps vanish in absolute terms as groups are added, but relative to complete pooling neither ever "
    "closes.",
)
@states("chapters/when-hierarchical.md", "The ratio in Figure 5.51 never falls to 1.")
@states("chapters/when-hierarchical.md", "stays more cautious")
@states("chapters/when-hierarchical.md", "The difference vanishes in points, but not in proportion.")
@states("chapters/when-hierarchical.md", "Compared with how well the grand mean is known, it is not.")
@states("chapters/when-hierarchical.md", "Complete pooling is the right model here, and it assumes more.")
def test_the_price_of_not_knowing_that_tau_is_zero():
    """Groups that are alike, with standard errors of 10 and a flat prior of mu: one integral over S."""
    tau = np.concatenate([np.geomspace(1e-4, 0.5, 500), np.linspace(0.51, 60, 1500)])

    def kept(groups, square):
        variance = 1 + tau**2 / 100
        log = -0.5 * (groups - 1) * np.log(variance) - 0.5 * square / variance + TAU_PRIOR.logpdf(tau)
        density = np.exp(log - log.max())
        return np.trapezoid(density * (1 - 1 / variance), tau) / np.trapezoid(density, tau)

    def ratio(groups):
        place, weight = np.polynomial.legendre.leggauss(30)
        squares = stats.chi2(groups - 1).ppf((1 + place) / 2)
        left = [kept(groups, square) ** 2 * square for square in squares]
        return np.sqrt(1 + weight @ left / 2)

    ratios = np.array([ratio(groups) for groups in (8, 100, 10_000)])
    assert (np.diff(ratios) > 0).all()
    assert ratios[0] == pytest.approx(1.25, abs=0.01)
    assert ratios[-1] == pytest.approx(np.sqrt(2), abs=0.01)
    assert (np.diff((ratios - 1) * 10 / np.sqrt([8, 100, 10_000])) < 0).all()


@states(
    "chapters/when-hierarchical.md",
    "The standard error that repeated sampling of people would show is $\\sqrt{8^2/12 + 4^2/72} =$",
)
@states("chapters/when-hierarchical.md", "it counts measurements as if they were people")
def test_measurements_are_not_people():
    rng = np.random.default_rng(58)
    people = rng.normal(0, 8, (20_000, 12, 1)) + rng.normal(0, 4, (20_000, 12, 6))
    means = people.mean(axis=(1, 2))
    assert means.std() == pytest.approx(np.sqrt(8**2 / 12 + 4**2 / 72), rel=4 / np.sqrt(2 * 20_000))
    assert (people.reshape(20_000, 72).std(axis=1, ddof=1) / np.sqrt(72)).mean() < means.std() / 2


# -- practical considerations --------------------------------------------------------------------------


@states(
    "chapters/practical-considerations.md",
    "The lower end of school A's central interval hardly moves, and the upper end moves a lot",
)
@states(
    "chapters/practical-considerations.md",
    "they share the lower end near zero, while the upper end lies between 14, under half-Normal(1), and 26, "
    "under the flat prior.",
)
@states(
    "chapters/practical-considerations.md", "half-Normal(1) is concentrated below 2, the others are highest"
)
@states("chapters/practical-considerations.md", "flat and uniform(0, 100) give the same posterior")
@states("chapters/practical-considerations.md", "By … points.")
@states("chapters/practical-considerations.md", "Between *tight* and vague priors it does.")
@states(
    "chapters/practical-considerations.md",
    "Between uniform priors up to 50, 100 or 200 school A sees no difference",
)
@states("chapters/practical-considerations.md", "Among vague priors the differences are small.")
@states("chapters/practical-considerations.md", "Among vague priors the data decide.")
@states("chapters/practical-considerations.md", "and the vague ones that the upper end moves")
@states(
    "chapters/practical-considerations.md", "decides the matter by itself: it leaves $\\tau$ below … (95%)."
)
def test_what_the_prior_of_tau_does_to_school_a():
    tight, book = school_a(stats.halfnorm(scale=1)), school_a(TAU_PRIOR)
    vague, flat = school_a(stats.halfcauchy(scale=25)), school_a(None)
    ends = np.array([tight, book, school_a(stats.halfcauchy(scale=5)), vague, flat])
    assert np.ptp(ends[:, 0]) < 1
    assert np.ptp(ends[:, 1]) > 10
    assert abs(vague[1] - flat[1]) < 2
    assert min(vague[1], flat[1]) - tight[1] > 10
    assert (ends[:, 1].argmin(), ends[:, 1].argmax()) == (0, 4)
    assert tight[1] == pytest.approx(14, abs=0.5)
    assert flat[1] == pytest.approx(26, abs=0.5)
    assert abs(ends[:, 0]).max() < 1
    assert schools(stats.halfnorm(scale=1))["tau"].cdf(2.0) > 0.95
    grid = np.linspace(0.01, 12, 100)
    for prior in (stats.halfnorm(scale=5), TAU_PRIOR, stats.halfcauchy(scale=25), None):
        assert (np.diff(np.asarray(schools(prior)["tau"].pdf(grid))) < 0).all()
    uniform = np.array([school_a(stats.uniform(0, top)) for top in (50, 100, 200)])
    assert np.ptp(uniform, axis=0).max() < 0.05
    assert uniform[1] == pytest.approx(flat, abs=0.005)


@states("chapters/practical-considerations.md", "Below 5 the likelihood falls by a fifth only")
@states(
    "chapters/practical-considerations.md",
    "On the Eight Schools the restricted likelihood has its maximum at zero.",
)
@states("chapters/practical-considerations.md", "The curve falls from the start.")
@states(
    "chapters/practical-considerations.md",
    "With a flat $\\mu$ and three groups the likelihood of $\\tau$ falls only like $\\tau^{-2}$",
)
@states(
    "chapters/practical-considerations.md",
    "With our $\\text{Normal}(0, 20)$ for $\\mu$ the tail falls like $\\tau^{-3}$, which is heavy still.",
)
@states("solutions/tau-prior.md", "it falls like $\\tau^{-(J-1)}$")
def test_the_likelihood_of_tau():
    def restricted(tau, y=EFFECT, error=ERROR):
        v = error**2 + tau**2
        mu = (y / v).sum() / (1 / v).sum()
        return -0.5 * (np.log(v).sum() + np.log((1 / v).sum()) + ((y - mu) ** 2 / v).sum())

    curve = [restricted(tau) for tau in np.linspace(0, 60, 301)]
    assert (np.diff(curve) < 0).all()
    assert np.exp(restricted(5) - restricted(0)) == pytest.approx(0.8, abs=0.01)
    assert schools(5.0).log_evidence - schools(0.0).log_evidence > np.log(0.75)
    for groups in (3, 5, 8):
        y, error = EFFECT[:groups], ERROR[:groups]
        slope = (restricted(2e4, y, error) - restricted(1e4, y, error)) / np.log(2)
        assert slope == pytest.approx(-(groups - 1), abs=1e-3)
    far = [schools(tau, ERROR[:3], EFFECT[:3]).log_evidence for tau in (1e4, 2e4)]
    assert np.diff(far) / np.log(2) == pytest.approx(-3, abs=1e-3)


@states(
    "chapters/practical-considerations.md",
    "Their errors grow from … to … points, as the simulation below shows, and … of their 89% intervals hold "
    "the truth.",
)
@states(
    "chapters/practical-considerations.md", "Where they differ by much it can hurt, a noisy minority most."
)
@states("chapters/practical-considerations.md", "What they borrow is a wrong mean.")
@pytest.mark.slow  # 120 data sets, each with its exact posterior
def test_a_noisy_minority_is_hurt():
    rng = np.random.default_rng(58)
    error = np.repeat([10.0, 5.0], [2, 6])
    squares, held = [], []
    for _ in range(120):
        theta = rng.normal(5 + np.repeat([25.0, 0.0], [2, 6]), 2)
        posterior = schools(TAU_PRIOR, error=error, effect=rng.normal(theta, error))["theta"]
        squares.append(((posterior.mean().values - theta)[:2] ** 2).mean())
        low, high = posterior.quantile(HIGH).values[:2].T
        held.append(((low < theta[:2]) & (theta[:2] < high)).mean())
    # Without pooling the mean squared error is 100.
    grown = np.sqrt(np.mean(squares)) / 10
    error_of_it = np.std(squares) / np.sqrt(120) / (2 * 100 * grown)
    assert abs(grown - 1.5) < 0.1 + 4 * error_of_it
    assert np.mean(held) - 4 * np.std(held) / np.sqrt(120) < 0.5


@states(
    "chapters/practical-considerations.md", "Most of that spread is noise, and the curve has taken it off."
)
@states("chapters/practical-considerations.md", "A plugged-in zero then makes all schools alike")
@states("chapters/practical-considerations.md", "that are as narrow as that of the {term}`grand mean`")
def test_what_reml_does_with_the_eight_schools():
    assert EFFECT.std(ddof=1) == pytest.approx(10, abs=0.6)
    assert (ERROR**2).mean() > EFFECT.var(ddof=1)
    plugged = exact.normal(EFFECT, ERROR, mu=None, tau=0.0)
    assert np.ptp(plugged["theta"].mean().values) < 1e-6
    assert plugged["theta"].sd().values == pytest.approx(np.full(8, plugged["mu"].sd()), rel=1e-4)


@states("chapters/practical-considerations.md", "while the average $B$ falls from 0.84 to 0.10")
def test_where_the_lead_changes():
    """Which form leads is held in `test_effective_draws_cross`."""

    def average(size):
        tau = schools(TAU_PRIOR, error=ERROR / np.sqrt(size))["tau"]
        return np.mean([tau.expect(lambda t, e=e: factor(e, t)) for e in ERROR / np.sqrt(size)])

    assert average(4) < 0.5 < average(1)
    assert average(1) == pytest.approx(0.84, abs=0.005)
    assert average(16) == pytest.approx(0.10, abs=0.005)


@states(
    "chapters/practical-considerations.md",
    "The data fix each $\\theta_i$, which is then nearly independent of $\\tau$.",
)
def test_what_the_data_fix_does_not_hang_on_tau():
    largest = []
    for size in (1, 256):
        draws = schools(TAU_PRIOR, error=ERROR / np.sqrt(size)).sample(20_000, np.random.default_rng(58))
        log_tau = np.log(draws["tau"].values)
        largest.append(max(abs(np.corrcoef(theta, log_tau)[0, 1]) for theta in draws["theta"].values.T))
    # A correlation of draws is known to 0.007.
    assert largest[1] < 0.12
    assert largest[0] > 0.2


# -- the survey ------------------------------------------------------------------------------------------


@states(
    "chapters/dirichlet-multinomial.md",
    "It rises up to an $\\alpha$ of thousands, and from there to {term}`complete pooling` falls by less than "
    "a thousandth",
)
@states("chapters/dirichlet-multinomial.md", "the likelihood climbs to an $\\alpha$ of thousands")
@states("chapters/dirichlet-multinomial.md", "Region 2, with 120 respondents, moves least.")
@states("chapters/dirichlet-multinomial.md", "Its raw shares lie furthest from the baseline")
@states("chapters/dirichlet-multinomial.md", "Region 5 has the widest interval for every answer")
@states("chapters/dirichlet-multinomial.md", "8 of the … that speak for the region.")
@states("chapters/dirichlet-multinomial.md", "All four are indeed within")
@states("chapters/dirichlet-multinomial.md", "region 5 lies close to the baseline already.")
@states("chapters/dirichlet-multinomial.md", "is largest in the smallest region.")
def test_what_the_survey_says():
    count = datasets.survey()["count"]

    def likelihood(alpha):
        return exact.dirichlet_multinomial(count, alpha=float(alpha), baseline=np.ones(4)).log_evidence

    limit = likelihood(1e8)
    peak = optimize.minimize_scalar(
        lambda log: -likelihood(np.exp(log)),
        bounds=np.log([100, 1e6]),
        method="bounded",
        options={"xatol": 0.05},
    )
    assert 1000 < np.exp(peak.x) < 10_000
    assert 0 <= -peak.fun - limit < 1e-3
    fit = exact.dirichlet_multinomial(count, alpha=stats.expon(), baseline=stats.dirichlet(np.ones(4)))
    raw = count / count.sum("response")
    moved = abs(fit["pi"].mean() - raw).sum("response") / 2
    assert str(moved.idxmin("region").item()) == "region 2"
    assert str(moved.idxmax("region").item()) == "region 3"
    away = abs(raw - fit["pi0"].mean()).sum("response")
    assert str(away.idxmax("region").item()) == "region 3"
    assert away.sel(region="region 5") < away.median()
    assert str(count.sum("response").idxmin("region").item()) == "region 5"
    low, high = (fit["pi"].quantile(HIGH).isel(quantile=i) for i in (0, 1))
    assert set((high - low).idxmax("region").values.tolist()) == {"region 5"}
    assert round(100 * 8 / 43) == 19


# -- restored from the source ------------------------------------------------------------------------


@states("chapters/dirichlet-multinomial.md", "it has one peak, inside, and vanishes where a share is zero")
@states("chapters/dirichlet-multinomial.md", "it grows without bound as any share nears zero")
def test_a_dirichlet_density_is_gathered_inside_or_at_the_edges():
    high, low = stats.dirichlet([1.2, 2, 5]), stats.dirichlet([0.9, 0.5, 0.2])
    rng = np.random.default_rng(20261127)
    one, other = rng.dirichlet(np.ones(3), (2, 1000))
    # Concave logarithm, so one peak; at it the derivative along the simplex vanishes.
    middle = [high.logpdf(p) for p in (one + other) / 2]
    ends = [(high.logpdf(p) + high.logpdf(q)) / 2 for p, q in zip(one, other, strict=True)]
    assert np.all(np.array(middle) >= np.array(ends))
    peak = np.array([0.2, 1, 4]) / 5.2
    assert all(high.logpdf(peak) > high.logpdf(p) for p in one)
    for k in range(3):
        edge = [np.insert(np.full(2, (1 - share) / 2), k, share) for share in (1e-9, 1e-60, 1e-300)]
        assert np.all(np.diff([high.logpdf(p) for p in edge]) < -1)
        assert np.all(np.diff([low.logpdf(p) for p in edge]) > 1)


@states("chapters/practical-considerations.md", "a school's effect is what its report says")
@states("chapters/practical-considerations.md", "the $z$ that gives this effect is pinned to")
@states("chapters/practical-considerations.md", "which opens towards small $\\tau$")
@states("chapters/practical-considerations.md", "is predicted as if it could not differ from the others")
def test_a_wide_prior_pins_the_standardised_effects():
    tau, mu = np.array([1.0, 10, 100, 300, 1000])[:, None], 8.0
    y, sigma = EFFECT[:3], ERROR[:3]
    sd = sigma / np.hypot(tau, sigma)  # of z given mu and tau, and its mean
    mean = (y - mu) * tau / (tau**2 + sigma**2)
    posterior = exact.normal(y, sigma, mu=stats.norm(mu, 1e-9), tau=100.0)["theta"]
    assert posterior.sd().values == pytest.approx(100 * sd[2], rel=1e-6)
    assert posterior.mean().values == pytest.approx(mu + 100 * mean[2], abs=1e-6)
    assert np.all(np.diff(sd, axis=0) < 0)
    large = tau[:, 0] >= 300
    assert np.all(sd[large] < 0.06)
    assert np.all(np.abs(mu + tau * mean - y)[large] < 0.1)
    at_zero = exact.normal(EFFECT, ERROR, mu=None, tau=0)
    assert at_zero["theta_new"].sd() == pytest.approx(at_zero["mu"].sd(), rel=1e-9)
