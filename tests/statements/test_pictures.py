"""What the texts that stand for pictures say is to be seen, by exact posteriors and formulas."""

import numpy as np
import pandas as pd
import pytest
from by_hand import EFFECT, ERROR, ByHand
from scipy import optimize, stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_LOG_PRIOR, MU_PRIOR, SIGMA_LOG_PRIOR, TAU_PRIOR
from tooling.audit import runs

OWN = ByHand()
A, C, G, H = 0, 2, 6, 7
FLAT = {"mu": None, "tau": None}
TRIALS = datasets.bcg_trials()
RATIO = np.exp(TRIALS["effect"].values)
SIGMA, LATITUDE = TRIALS["standard_error"].values, TRIALS["latitude"].values
PRIORS = {"mu": stats.norm(0, 1), "tau": stats.halfnorm(scale=1)}
RATS = datasets.rat_tumours()
Y, N = RATS["tumours"].values, RATS["rats"].values


def schools(tau=TAU_PRIOR, mu=MU_PRIOR, y=EFFECT, sigma=ERROR):
    return exact.normal(y, sigma, mu=mu, tau=tau)


def near(*values):
    """Numbers as an alternative text rounds them."""
    return pytest.approx(values, abs=0.006)


# -- eight schools ---------------------------------------------------------------------------------------


@states(
    "chapters/hierarchical-models.md",
    "eight curves start at one common value of about 7 where tau is zero and",
)
@states("chapters/hierarchical-models.md", "the larger the dot, the more precise.")
@states("chapters/hierarchical-models.md", "are the curves averaged over this distribution.")
@states("chapters/eight-schools.md", "Hollow circles, the raw effects, are spread from minus 3 to 28.")
@states("chapters/eight-schools.md", "A dashed line marks the posterior mean of mu at about 7.5.")
@states("chapters/eight-schools.md", "a dashed line marks the exact share, 0.13.")
@states(
    "chapters/mathematical-structure.md",
    "Six falling curves of the shrinkage factor against tau from 0 to 25, all starting at 1.",
)
@states("chapters/mathematical-structure.md", "at tau 6 they are marked 0.69 and 0.90.")
def test_curves_over_tau():
    start = schools(0.0)["theta"].mean().values
    assert np.ptp(start) < 1e-9
    assert start[0] == pytest.approx(7, abs=0.5)
    far = schools(1e4)["theta"].mean().values
    assert far == pytest.approx(EFFECT, abs=0.01)
    assert OWN.mass @ OWN.given == pytest.approx(schools()["theta"].mean().values, abs=1e-3)
    assert (EFFECT.min(), EFFECT.max()) == (-3, 28)
    assert OWN.mu == pytest.approx(7.5, abs=0.1)
    assert round(schools()["tau"].cdf(1.0), 2) == 0.13
    assert len(np.unique(ERROR)) == 6
    lowest, highest = (e**2 / (e**2 + 36) for e in (ERROR.min(), ERROR.max()))
    assert (lowest, highest) == near(0.69, 0.90)


@states(
    "chapters/mathematical-structure.md",
    "No pooling is a horizontal line. Complete pooling is a rising straight line.",
)
@states("chapters/mathematical-structure.md", "with complete pooling the flow is in constant proportion")
@states(
    "chapters/mathematical-structure.md",
    "with partial pooling it slows down when A becomes too odd to belong",
)
@states("chapters/mathematical-structure.md", "only the left one is free of correlation")
def test_the_flow_from_a_to_h():
    reports = np.array([-60.0, -20, 28, 60, 90, 120])

    def of_h(mu, tau):
        return [schools(tau, mu, np.append(y, EFFECT[1:]))["theta"].mean().values[H] for y in reports]

    none, complete, partial = of_h(0.0, 20.0), of_h(MU_PRIOR, 0.0), of_h(MU_PRIOR, TAU_PRIOR)
    assert np.ptp(none) < 1e-9
    slope = np.diff(complete) / np.diff(reports)
    assert slope == pytest.approx(np.full(5, slope[0]))
    assert slope[0] > 0
    own = np.diff(partial) / np.diff(reports)
    assert own[2] > own[3] > own[4] > 0
    rng = np.random.default_rng(58)
    mu, tau = rng.normal(0, 20, 50_000), abs(rng.normal(0, 10, 50_000))
    left = 8 + 6 * rng.normal(size=(50_000, 2))
    right = mu[:, None] + tau[:, None] * rng.normal(size=(50_000, 2))
    assert abs(np.corrcoef(left.T)[0, 1]) < 4 / np.sqrt(50_000)
    assert np.corrcoef(right.T)[0, 1] == pytest.approx(0.8, abs=0.02)


@states(
    "chapters/loo-comparison.md",
    "Above, the elpd: about minus 30.5, minus 30.9 and minus 33.8, with long bars that all overlap.",
)
@states(
    "chapters/loo-comparison.md",
    "zero, minus 0.4 with a short bar, and minus 3.3 with a longer one that stays clear of zero.",
)
@states(
    "chapters/loo-comparison.md",
    "Under no pooling the estimates are too high, for most schools and in total.",
)
@states(
    "solutions/leave-one-school-out.md",
    "Complete and partial pooling are centred near 6, partial slightly lower and wider; no pooling "
    "is centred at 0 and much wider.",
)
@states(
    "chapters/loo-comparison.md",
    "and diamonds, the estimates from draws, coincide under complete and partial pooling.",
)
def test_bars_of_leave_one_out():
    models = ((MU_PRIOR, 0.0), (MU_PRIOR, TAU_PRIOR), (0.0, 20.0))
    scores = np.array([exact.normal(EFFECT, ERROR, mu=mu, tau=tau).elpd_loo.values for mu, tau in models])
    assert scores.sum(axis=1) == pytest.approx([-30.5, -30.9, -33.8], abs=0.05)
    error = scores.std(axis=1, ddof=1) * np.sqrt(8)
    first, second, third = scores.sum(axis=1)
    assert second + 2 * error[1] > first - 2 * error[0] + 3
    assert third + 2 * error[2] > max(first - 2 * error[0], second - 2 * error[1])
    away = (scores[1:] - scores[0]).std(axis=1, ddof=1) * np.sqrt(8)
    assert (second - first, third - first) == pytest.approx((-0.4, -3.3), abs=0.06)
    assert away[0] < away[1] / 2
    assert third - first + 2 * away[1] < 0
    recorded = runs.recorded()["loo/no pooling/elpd_loo"].dropna()
    assert recorded.min() > third
    for row, name in enumerate(("complete", "partial")):
        told = runs.recorded()[f"loo/{name} pooling/elpd_loo"].dropna()
        assert abs(told - scores[row].sum()).max() < 0.12
    rest = [exact.normal(EFFECT[1:], ERROR[1:], mu=mu, tau=tau)["theta_new"] for mu, tau in models]
    mean, sd = np.array([(one.mean(), np.hypot(one.sd(), 15)) for one in rest]).T
    assert mean == pytest.approx([6, 6, 0], abs=0.35)
    assert sd[0] < sd[1] < 1.15 * sd[0] < sd[2]


@states("solutions/new-group-prediction.md", "nearly symmetric with one peak near 7")
@states("solutions/new-group-prediction.md", "A bar below marks the 89% interval, from about -4 to 19.")
@states(
    "solutions/tau-prior.md",
    "With 32 schools the wide priors agree and end near 8, and with 128 schools all three end near 4, close",
)
@states("chapters/practical-considerations.md", "and the dashed posterior mean lies between 6 and 7.")
@states("chapters/practical-considerations.md", "it is a hump, and estimate and mean nearly coincide at 8.7.")
def test_densities_of_new_schools_and_of_tau():
    new, grid = schools()["theta_new"], np.linspace(-25, 40, 651)
    density = np.asarray(new.pdf(grid))
    assert grid[density.argmax()] == pytest.approx(7, abs=0.5)
    assert (np.diff(np.sign(np.diff(density))) != 0).sum() == 1
    assert np.ravel(new.hdi(0.89).values) == pytest.approx([-4, 19], abs=0.3)
    ends = {
        times: [
            schools(tau, y=np.tile(EFFECT, times), sigma=np.tile(ERROR, times))["tau"].quantile(0.99)
            for tau in (stats.halfnorm(scale=2), TAU_PRIOR, stats.halfcauchy(scale=25))
        ]
        for times in (4, 16)
    }
    assert ends[4][1:] == pytest.approx([8, 8], abs=0.5)
    assert ends[16] == pytest.approx([4, 4, 4], abs=0.9)
    assert 6 < exact.normal(EFFECT, ERROR, **FLAT)["tau"].mean() < 7
    rng, error = np.random.default_rng(58), np.resize(ERROR, 50)
    fifty = exact.normal(rng.normal(rng.normal(8, 10, 50), error), error, **FLAT)["tau"]
    tau = np.linspace(0, 30, 601)
    curve = np.asarray(fifty.pdf(tau))
    assert (tau[curve.argmax()], fifty.mean()) == pytest.approx((8.7, 8.7), abs=0.06)
    assert curve[0] < 0.1 * curve.max()


# -- Stein, and when to pool -------------------------------------------------------------------------------


@states(
    "chapters/bringing-together.md",
    "The measurements have risk 8 everywhere. James-Stein starts at 2, rises, and comes close to 8 without",
)
@states(
    "chapters/bringing-together.md",
    "When the fixed point is right, James-Stein toward it starts at 2, and the others between 1 and 3.",
)
@states("chapters/bringing-together.md", "With five groups the hierarchical model stays below zero.")
@states("chapters/bringing-together.md", "with no pooling flat at 8.")
@states("chapters/bringing-together.md", "The half-Normal prior gives a different bargain.")
@states(
    "chapters/bringing-together.md",
    "average, by the posterior mean of $B$ given $S$, which `hierarchical_exact` computes.",
)
def test_curves_of_risk():
    grid = np.linspace(1e-3, 900, 90_000)
    tau = np.linspace(0, 60, 2401)

    def share(s, groups, prior):
        """Posterior mean of B given S."""
        b = 1 / (1 + tau**2)
        log = 0.5 * (groups - 1) * np.log(b) - 0.5 * np.multiply.outer(s, b) + prior(tau)
        mass = np.exp(log - log.max(axis=1, keepdims=True))
        return mass @ b / mass.sum(axis=1)

    def risk(groups, lam, shrink):
        """Of shrinking toward the average; one direction is not shrunk."""

        def mean(values, freedom):
            law = stats.ncx2(freedom, lam) if lam else stats.chi2(freedom)
            return np.trapezoid(values * law.pdf(grid), grid)

        kept = 1 - shrink
        return 1 + mean(kept**2 * grid, groups - 1) - 2 * lam * mean(kept, groups + 1) + lam

    rng = np.random.default_rng(58)
    for spread in (0.0, 2.0, 40.0):
        theta = spread * np.linspace(-1, 1, 8)
        y = rng.normal(theta, 1, (100_000, 8))
        stein = (1 - 6 / (y**2).sum(axis=1))[:, None] * y
        loss = ((stein - theta) ** 2).sum(axis=1)
        limits = {0.0: (1.9, 2.1), 2.0: (2.5, 7.9), 40.0: (7.9, 8.1)}[spread]
        assert limits[0] < loss.mean() < limits[1]
        assert ((y - theta) ** 2).sum(axis=1).mean() == pytest.approx(8, abs=4 * 4 / np.sqrt(100_000))
    coarse = np.geomspace(1e-3, 900, 400)
    shares = {
        "flat": lambda groups: np.interp(grid, coarse, share(coarse, groups, np.zeros_like)),
        "half": lambda groups: np.interp(grid, coarse, share(coarse, groups, stats.halfnorm.logpdf)),
    }
    y = np.random.default_rng(58).normal(0, 2, 8)
    s = ((y - y.mean()) ** 2).sum()
    for name, prior in (("flat", None), ("half", stats.halfnorm(scale=1))):
        theta = exact.normal(y, 1.0, mu=None, tau=prior)["theta"].mean().values
        own = np.interp(s, grid, shares[name](8))
        assert (theta - y) / (y.mean() - y) == pytest.approx(np.full(8, own), abs=2e-3)
    assert risk(8, 0.0, shares["half"](8)) < 2.4
    assert risk(8, 200.0, shares["half"](8)) > 8 > risk(8, 200.0, shares["flat"](8))
    for name in ("flat", "half"):
        assert 1 < risk(8, 0.0, shares[name](8)) < 3.05
    assert risk(8, 0.0, np.minimum(5 / grid, 1)) < 3.05
    five = shares["flat"](5)
    assert max(risk(5, lam, five) for lam in (0.0, 1.0, 4.0, 10.0, 25.0, 60.0, 150.0)) < 5


@states(
    "chapters/when-hierarchical.md",
    "No pooling is flat at about 10. Pooling all starts near 5 and climbs toward no pooling.",
)
@states(
    "chapters/when-hierarchical.md",
    "With equal effects the ratio rises from about 1.3 and levels off at the square root of two.",
)
@states("chapters/when-hierarchical.md", "it rises steadily past 8 at ten thousand groups.")
@states("chapters/when-hierarchical.md", "Pooling all schools loses its benefit")
def test_lines_of_when_to_pool():
    rng, kind = np.random.default_rng(58), np.repeat([0.0, 1.0], 6)
    root = {}
    for gap in (0, 30):
        loss = []
        for _ in range(150):
            theta = 8 + gap * kind + rng.normal(0, 4, 12)
            y = rng.normal(theta, 10)
            loss.append([((one - theta) ** 2).mean() for one in (y, ByHand(y, np.full(12, 10.0)).theta)])
        root[gap] = np.sqrt(np.mean(loss, axis=0))
    assert [root[0][0], root[30][0]] == pytest.approx([10, 10], abs=0.7)
    assert root[0][1] == pytest.approx(5, abs=0.8)
    assert root[30][1] > 8
    equal, typical = [], []
    for groups in (4, 8, 100, 10_000):
        z = stats.norm.ppf((np.arange(groups) + 0.5) / groups)
        for y, found in ((np.full(groups, 8.0), equal), (8 + 10 * z / z.std(ddof=1), typical)):
            fit = exact.normal(y, 10.0, mu=None, tau=TAU_PRIOR)["theta"].sel(group=groups // 2)
            found.append(float(fit.sd()) / (10 / np.sqrt(groups)))
    assert equal[0] == pytest.approx(1.3, abs=0.05)
    assert (np.diff(equal) > 0).all()
    assert equal[-1] == pytest.approx(np.sqrt(2), abs=2e-3)
    assert (np.diff(typical) > 0).all()
    assert typical[-1] > 8


@states("solutions/new-group-prediction.md", "With 8 public schools the line levels off near 4 points.")
@states(
    "solutions/new-group-prediction.md",
    "it keeps falling and crosses a dotted line at about 2 points near 70 schools.",
)
@states("solutions/new-group-prediction.md", "more private ones soon stop helping")
def test_lines_of_private_schools():
    """Sd of beta where tau is 4, for standard errors at the quantiles of those that are drawn."""

    def sd(public, private, tau=4.0):
        error = [8 + 8 * (np.arange(n) + 0.5) / n for n in (public, private)]
        weight = [(1 / (e**2 + tau**2)).sum() for e in error]
        mean, both = sum(weight) + 1 / 400, weight[1]
        return np.sqrt(mean / (mean * (both + 1 / 100) - both**2))

    many = [sd(8, n) for n in (64, 128, 2000)]
    assert many[1] == pytest.approx(4, abs=0.5)
    assert many[0] - many[2] < 0.6
    assert sd(128, 128) < 2.05 < sd(50, 50)
    assert sd(70, 70) == pytest.approx(2.05, abs=0.2)


# -- the survey and the hospitals --------------------------------------------------------------------------


@states("chapters/dirichlet-multinomial.md", "Region 5 has the longest intervals in every panel.")
@states(
    "solutions/unequal-regions.md", "the small region's raw share is zero and its density piles up there."
)
@states("solutions/hierarchical-poisson.md", "Both peak near 1.65.")
@states("solutions/hierarchical-poisson.md", "and its bar is a little longer at both ends.")
@states(
    "solutions/hierarchical-poisson.md", "One event in 700 patient-days does not narrow the rate by much."
)
def test_intervals_and_densities():
    count = datasets.survey()["count"].values
    fit = exact.dirichlet_multinomial(count, alpha=stats.expon(scale=1), baseline=np.ones(4))["pi"]
    width = np.ptp(fit.hdi(0.89).transpose(..., "ci_bound").values, axis=-1)
    assert (width.argmax(axis=0) == 4).all()
    data = datasets.hospitals()
    fit = exact.poisson(
        data["count"].values, data["exposure"].values, mu_log=MU_LOG_PRIOR, sigma_log=SIGMA_LOG_PRIOR
    )
    grid = np.linspace(0.05, 5, 500)
    fifth = fit["lam"].sel(group=4)
    tops = [grid[np.asarray(one.pdf(grid)).argmax()] for one in (fit["lam_new"], fifth)]
    assert tops == pytest.approx([1.6, 1.6], abs=0.12)
    new, own = (np.ravel(one.hdi(0.89).values) for one in (fit["lam_new"], fifth))
    assert new[0] < own[0]
    assert own[1] < new[1] < own[1] + 0.6


# -- trials ----------------------------------------------------------------------------------------------


@states(
    "chapters/odd-group.md",
    "seven squares lie between 0.2 and 0.5, two between 0.6 and 0.75, and three, among them the "
    "largest square, that of Madras, between 0.8 and 1.05.",
)
@states("chapters/odd-group.md", "lies at 1.6, is small, and has a line from 0.36 to beyond 6.")
@states("chapters/odd-group.md", "The larger the square, the more a trial tells.")
@states("chapters/odd-group.md", "A line falls from 0.95 at 10 degrees to 0.23 at 60, in a grey band.")
@states(
    "chapters/odd-group.md", "Trial 12 lies far above, trial 7, at 19 degrees with a ratio of 0.2, far below."
)
def test_squares_and_the_line():
    ratio = np.round(RATIO, 2)
    counts = [
        ((low <= ratio) & (ratio <= high)).sum() for low, high in ((0.2, 0.5), (0.6, 0.75), (0.8, 1.05))
    ]
    assert counts == [7, 2, 3]
    assert 0.8 < RATIO[SIGMA.argmin()] < 1.05
    assert SIGMA.argmin() == 7
    last = RATIO.argmax()
    low, high = RATIO[last] * np.exp([-2 * SIGMA[last], 2 * SIGMA[last]])
    assert (round(RATIO[last], 1), round(low, 2)) == (1.6, 0.36)
    assert high > 6
    assert SIGMA.argmax() == last == 11
    fit = exact.normal(
        np.log(RATIO), SIGMA, **PRIORS, covariates=(LATITUDE - 33) / 10, beta=stats.norm(0, 0.5)
    )
    mean, slope = fit["mu"].mean(), fit["beta"].mean()
    line = [np.exp(mean + slope * (degrees - 33) / 10) for degrees in (10, 60)]
    assert np.round(line, 2).tolist() == [0.95, 0.23]
    away = np.log(RATIO) - mean - slope * (LATITUDE - 33) / 10
    assert (away.argmax(), away.argmin()) == (11, 6)
    assert (LATITUDE[6], round(RATIO[6], 1)) == (19, 0.2)


@states(
    "chapters/odd-group.md",
    "the solid curve rises from -0.94 to -0.06, the dashed one falls from -0.72 to -0.75 near -3, rises to "
    "-0.57 near 2 and falls again to -0.61.",
)
@states(
    "chapters/odd-group.md",
    "both rise together between -2 and 0; the solid curve goes on to 0.8 and stays above 0.5, the "
    "dashed one turns at 0.6 and falls to 0.2.",
)
@states(
    "chapters/odd-group.md",
    "the solid curve falls from 0.14 to -0.23 near -1 and rises to 0.4, the dashed one stays "
    "between -0.2 and 0.",
)
@pytest.mark.slow  # three to five seconds
def test_what_moves_with_trial_1():
    effect = np.log(RATIO)

    def curves(solve, reports):
        fits = [solve(np.append(x, effect[1:]), SIGMA, **PRIORS) for x in reports]
        theta = np.array([fit["theta"].mean().values for fit in fits])
        return np.array([fit["mu"].mean() for fit in fits]), reports - theta[:, 0], theta[:, 11]

    mean, short, twelfth = curves(exact.normal, np.arange(-6.0, 9))
    assert (mean[0], mean[-1]) == near(-0.94, -0.06)
    assert (np.diff(mean) > 0).all()
    assert short.max() == pytest.approx(0.8, abs=0.03)
    assert short[short.argmax() :].min() > 0.5
    assert (round(twelfth[0], 1), round(twelfth.min(), 2), round(twelfth[-1], 1)) == (0.1, -0.23, 0.4)
    assert twelfth.argmin() == 5
    reports = np.array([-6.0, -3, -1, 1, 2, 8])
    student = curves(lambda y, sigma, **priors: exact.student_t(y, sigma, nu=4, **priors), reports)
    assert (*student[0][:2], *student[0][4:]) == near(-0.72, -0.75, -0.57, -0.61)
    assert short[5] == pytest.approx(student[1][2], abs=0.03)  # they rise together
    assert (round(student[1].max(), 1), round(student[1][-1], 1)) == (0.6, 0.2)
    assert student[2].min() == pytest.approx(-0.2, abs=0.01)
    assert student[2].max() < 0.02


@states("chapters/odd-group.md", "and a dotted line at 0.09 for no pooling.")
@states(
    "chapters/odd-group.md",
    "Of the Student-t population we take the scale that is best when the truth is Normal.",
)
@states(
    "chapters/odd-group.md",
    "Both curves begin near 0.02 and cross the dotted line near 0.5, the dashed one of the "
    "Student-t population",
)
@states("chapters/odd-group.md", "the dashed one turns at 0.24 and falls.")
def test_risk_of_one_group():
    """By sums over the effect and over the report."""
    theta, noise = np.linspace(-12, 12, 2401), 0.3 * stats.norm.ppf((np.arange(400) + 0.5) / 400)

    def estimator(scale):
        report = np.linspace(-4, 4, 201)
        log = stats.t(4, scale=scale).logpdf(theta) - 0.5 * ((report[:, None] - theta) / 0.3) ** 2
        mass = np.exp(log - log.max(axis=1, keepdims=True))
        means = mass @ theta / mass.sum(axis=1)
        return lambda y: np.interp(y, report, means)

    def risk(rule, d):
        return ((rule(d + noise) - d) ** 2).mean()

    at = 0.3 * stats.norm.ppf((np.arange(200) + 0.5) / 200)
    best = optimize.minimize_scalar(
        lambda s: np.mean([risk(estimator(s), d) for d in at[::10]]),
        bounds=(0.1, 0.5),
        method="bounded",
        options={"xatol": 0.01},
    ).x
    student, distance = estimator(best), np.linspace(0, 2, 81)
    dashed = np.array([risk(student, d) for d in distance])
    solid = 0.25 * 0.09 + 0.25 * distance**2
    assert pytest.approx(0.09) == 0.3**2
    assert [solid[0], dashed[0]] == pytest.approx([0.02, 0.02], abs=0.006)
    crossing = [distance[(curve > 0.09).argmax()] for curve in (solid, dashed)]
    assert crossing == pytest.approx([0.5, 0.5], abs=0.06)
    assert dashed.max() == pytest.approx(0.24, abs=0.01)
    assert dashed[-1] < dashed.max() - 0.02


# -- rats and radon ----------------------------------------------------------------------------------------


@states("chapters/proportions.md", "31 of them at 20 and the others between 10 and 52.")
@states("chapters/proportions.md", "Shares of rats with a tumour run from 0 to 0.38.")
@states(
    "chapters/proportions.md",
    "A dashed line at 0.15 lies in a grey band that on the whole grows narrower with the number of rats.",
)
@states("chapters/proportions.md", "The circles of experiments 67 to 70 lie above the band.")
@states(
    "chapters/proportions.md",
    "Raw shares run from 0 to 0.38 along the horizontal axis, posterior means from 0.07 to 0.27 "
    "along the vertical",
)
@states(
    "chapters/proportions.md",
    "flatter than the dashed diagonal and cross it near 0.14; small circles lie along the flattest line.",
)
@states("chapters/proportions.md", "Experiments 70 and 68 are at the same height.")
@states(
    "chapters/proportions.md",
    "Without pooling all would lie on the dashed line, with complete pooling on the dotted one.",
)
def test_circles_of_rats():
    assert ((N == 20).sum(), N.min(), N.max()) == (31, 10, 52)
    share = Y.sum() / N.sum()
    assert ((Y / N).min(), round((Y / N).max(), 2), round(share, 2)) == (0, 0.38, 0.15)
    band = stats.binom(N, share).ppf(0.975) / N
    assert (np.flatnonzero(band < Y / N) + 1).tolist() == [67, 68, 69, 70]
    rats = np.arange(10, 53)
    width = np.ptp(stats.binom(rats, share).ppf(np.array([[0.025], [0.975]])), axis=0) / rats
    assert width[-1] < width[0]
    assert stats.spearmanr(rats, width).statistic < -0.95
    fit = exact.beta_binomial(Y, N, mean=stats.beta(1, 1), concentration=stats.gamma(2, scale=20))
    mean = fit["theta"].mean().values
    assert (mean.min(), mean.max()) == near(0.07, 0.27)
    assert mean[69] == pytest.approx(mean[67], abs=1e-3)
    slopes = {}
    for size in (20, 49):
        line = np.polyfit((Y / N)[size == N], mean[size == N], 1)
        slopes[size] = line[0]
        assert line[1] / (1 - line[0]) == pytest.approx(0.14, abs=0.012)
    assert slopes[20] < slopes[49] < 1


@states(
    "chapters/proportions.md",
    "The lines of the highest reach from 1 to about 25, those in the middle over most of the width, "
    "and those of the",
)
@states("chapters/proportions.md", "both with one top, at 0.14 and at 0.13, and close to each other.")
@states(
    "chapters/proportions.md",
    "To the far left the Beta curve, solid, lies higher, to the far right the dashed logit-Normal one.",
)
@states("chapters/proportions.md", "the raw shares of those 57 experiments that had a tumour")
@pytest.mark.slow  # three to five seconds
def test_ranks_and_two_densities():
    assert (Y > 0).sum() == 57
    beta = exact.beta_binomial(Y, N, mean=stats.beta(1, 1), concentration=stats.gamma(2, scale=20))
    draws = beta.sample(4000, np.random.default_rng(58))["theta"].values
    rank = (-draws).argsort(axis=1).argsort(axis=1) + 1
    ends = np.quantile(rank, [0.055, 0.945], axis=0)[:, np.argsort(-beta["theta"].mean().values)]
    assert ends[0, :4].max() <= 2
    assert ends[1, :4] == pytest.approx(np.full(4, 23), abs=5)
    assert np.ptp(ends[:, 33:38], axis=0).min() > 35
    assert ends[0, -5:] == pytest.approx(np.full(5, 31), abs=3)
    assert ends[1, -5:].min() >= 70
    logit = exact.logit_normal(Y, N, mu=stats.norm(-2, 1), tau=stats.halfnorm(scale=1))
    odds = np.linspace(np.log(0.002), np.log(1.5), 300)
    rate = 1 / (1 + np.exp(-odds))
    solid, dashed = (np.asarray(one["theta_new"].pdf(rate)) * rate * (1 - rate) for one in (beta, logit))
    assert [rate[solid.argmax()], rate[dashed.argmax()]] == pytest.approx([0.14, 0.13], abs=0.006)
    assert solid[0] > dashed[0]
    assert solid[-1] < dashed[-1]


@states(
    "chapters/radon.md",
    "Circles for 85 counties over the number of houses, from 1 to 116 on a logarithmic axis.",
)
@states(
    "chapters/radon.md",
    "Means of counties with few houses run from 1.4 to 13 pCi/L, those of the three with more than "
    "60 houses from 2 to 4.",
)
@states("chapters/radon.md", "The circle of Lac Qui Parle, with two houses, is the highest.")
@states("chapters/radon.md", "By its own five houses Redwood's line rises steeply")
def test_circles_of_counties():
    data = datasets.radon()
    county = data["of_county"].values
    frame = pd.DataFrame(
        {"log": np.log(data["radon"].values), "floor": data["floor"].values, "county": county}
    )
    means = frame.groupby("county")["log"].agg(["mean", "size"])
    assert (len(means), means["size"].min(), means["size"].max()) == (85, 1, 116)
    pci = np.exp(means["mean"])
    assert (round(pci.min(), 1), round(pci.max())) == (1.4, 13)
    large = pci[means["size"] > 60]
    assert len(large) == 3
    assert large.between(2, 4).all()
    assert (pci.idxmax(), means["size"][pci.idxmax()]) == ("Lac Qui Parle", 2)
    redwood = frame[frame["county"] == "Redwood"].groupby("floor")["log"].mean()
    assert redwood[1] - redwood[0] > np.log(4)
