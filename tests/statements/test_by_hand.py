"""What pages say of the eight schools, by sums over mu and tau that need no other code of the book."""

import numpy as np
import pytest
from by_hand import EFFECT, ERROR, TAU, ByHand
from scipy import optimize, special, stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR

A, B, C, D, E, F, G, H = range(8)
FACTOR = ERROR**2 / (ERROR**2 + TAU[:, None] ** 2)


@pytest.fixture(scope="module")
def book():
    return ByHand()


def surprised(report, **changes):
    return ByHand(np.append(report, EFFECT[1:]), **changes)


@states("chapters/hierarchical-models.md", "A numerical integral over the grid confirms it")
@states(
    "chapters/hierarchical-models.md",
    "so few hyperparameters that their posteriors can be computed to many digits without any sampling, by "
    "integrating over $\\tau$ numerically",
)
@states("intro.md", "can be solved exactly, by numerical integration to many digits.")
@states("chapters/mathematical-structure.md", "averages it over all their values, weighted by how probable")
@states("chapters/mathematical-structure.md", "The posterior averages that formula over $\\mu$ and $\\tau$.")
@states("solutions/shrinkage-arithmetic.md", "The posterior mean averages it over all values of the two")
@states("chapters/practical-considerations.md", "is then the average of the shrinkage formula over the")
@states("chapters/eight-schools.md", "So $\\mu$ and all $\\theta_i$ can be integrated by hand")
def test_the_exact_posterior_is_this_average(book):
    posterior = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)
    assert (book.mu, book.tau) == pytest.approx((posterior["mu"].mean(), posterior["tau"].mean()), abs=1e-4)
    assert posterior["theta"].mean().values == pytest.approx(book.theta, abs=1e-4)
    assert posterior["theta"].sd().values == pytest.approx(book.sd, abs=1e-4)
    assert posterior["mu"].sd() ** 2 == pytest.approx(book.variance_of_mu, abs=1e-3)
    schools = datasets.eight_schools()
    assert schools["effect"].values.tolist() == EFFECT.tolist()
    assert schools["standard_error"].values.tolist() == ERROR.tolist()


@states("chapters/eight-schools.md", "the probability that $\\tau$ is below one")
@states("chapters/eight-schools.md", "The neck is not a far-off corner.")
@states("chapters/eight-schools.md", "The programme as a whole probably helps")
@states("chapters/eight-schools.md", "These data make a $\\tau$ of about 5 plausible.")
@states("solutions/shrinkage-arithmetic.md", "Its posterior has a long tail to the right, with mean")
@states("solutions/shrinkage-arithmetic.md", "$\\tau$ is probably below 6.")
def test_what_the_posterior_says_of_mu_and_tau(book):
    assert book.mass[TAU < 1].sum() == pytest.approx(0.13, abs=0.005)
    positive = book.mass @ stats.norm.cdf(book.mean_mu / np.sqrt(book.variance_mu))
    assert 0.9 < positive < 0.99
    assert 4 < book.tau < 6
    assert book.mass[TAU < 6].sum() > 0.6
    assert TAU[np.searchsorted(book.mass.cumsum(), 0.5)] < book.tau - 0.5


@states("chapters/eight-schools.md", "The factor $B_i$ grows with $\\sigma_i$, from")
@states("chapters/eight-schools.md", "has a smaller factor than the schools with larger standard errors, and")
@states("chapters/eight-schools.md", "both effects were near the grand mean to begin with.")
@states("chapters/eight-schools.md", "That would take $\\tau$ as large as A's standard error, 15.")
@states("chapters/eight-schools.md", "The widths do not follow $\\sigma_i$.")
@states("chapters/eight-schools.md", "A has the largest posterior mean.")
@states("chapters/eight-schools.md", "A good part of it is luck.")
@states("solutions/shrinkage-arithmetic.md", "$B_i$ grows with $\\sigma_i$ whatever $\\tau$ is.")
@states("solutions/shrinkage-arithmetic.md", "The order of the factors is the order of the standard errors")
@states("chapters/mathematical-structure.md", "So school E, with the smallest standard error, always has the")
def test_factors_and_moves(book):
    order = np.argsort(ERROR, kind="stable")
    assert (np.diff(FACTOR[:, order], axis=1) >= 0).all()
    assert (FACTOR[:, [E]] <= FACTOR).all()
    assert (FACTOR[:, [H]] >= FACTOR).all()
    average = book.mass @ book.factor
    assert set(np.flatnonzero(average < average[[A, C, D, F, H]].min())) == {B, E, G}
    assert 15**2 / (15**2 + 15**2) == 0.5
    assert abs(book.theta - EFFECT)[[B, D]].max() < 1
    assert abs(EFFECT - book.mu)[[B, D]].max() < 1
    assert (np.diff(book.sd[order]) < 0).any()
    assert book.theta.argmax() == A
    assert EFFECT[A] - book.theta[A] > 0.5 * EFFECT[A]


@states("chapters/eight-schools.md", "for the effects are correlated: all of them move with $\\mu$.")
@states("chapters/eight-schools.md", "School A reported 31 points more than C.")
@states("chapters/eight-schools.md", "never eight columns drawn by themselves.")
@states("chapters/eight-schools.md", "and its variance is $\\sigma_i^2 + \\operatorname{Var}(\\theta_i \\mid")
def test_the_effects_are_correlated(book):
    correlation = book.covariance / np.outer(book.sd, book.sd)
    assert correlation.min() > 0.1
    # Columns drawn by themselves would make the average of the effects far too certain.
    assert book.covariance.sum() > 1.5 * np.trace(book.covariance)
    assert EFFECT[A] - EFFECT[C] == 31
    replicated = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)["y_rep"].sd().values
    assert replicated == pytest.approx(np.hypot(ERROR, book.sd), abs=1e-3)


@states("chapters/mathematical-structure.md", "A report that far away also makes a large $\\tau$ plausible")
@states("chapters/mathematical-structure.md", "But a wildly different report also raises $\\tau$.")
@states("chapters/mathematical-structure.md", "The schools now look diverse, H is pulled less, and the flow")
@states(
    "chapters/mathematical-structure.md", "a higher report from A raises $\\mu$, and with it $\\theta_H$."
)
@states("chapters/mathematical-structure.md", "The model decides by itself how far A is to be believed")
@states("chapters/mathematical-structure.md", "Under no pooling, school H does not care what A says.")
@states("chapters/mathematical-structure.md", "Only if these were known would the door be shut.")
@states("chapters/mathematical-structure.md", "follows at first, and up to about 75 even a little faster")
@states(
    "chapters/mathematical-structure.md", "H ends at … rather than 8.4, most of all because $\\mu$ is smaller"
)
@states(
    "chapters/mathematical-structure.md", "So it does under complete pooling, where every point of A counts"
)
@states("chapters/eight-schools.md", "the surprise can no longer be noise.")
def test_the_door_between_a_and_h(book):
    steps = np.array([surprised(report).theta[H] for report in (28.0, 40, 50, 58, 60)])
    assert (np.diff(np.diff(steps)[:3] / [12, 10, 8]) > 0).all()
    complete = ERROR[0] ** -2 / ((ERROR**-2).sum() + 20.0**-2)
    slopes = [surprised(at + 1.0).theta[H] - surprised(at - 1.0).theta[H] for at in (20.0, 50.0, 72.0, 80.0)]
    assert min(slopes[:3]) > 2 * complete > slopes[3]
    mu, tau = book.mu, book.tau
    by_mu, by_tau = (m + t**2 / (t**2 + 18**2) * (12 - m) for m, t in ((mu, 6), (8, tau)))
    assert 8.4 - by_mu > 3 * (8.4 - by_tau) > 0
    reports = np.array([28.0, 60, 110, 120])
    fits = [surprised(report) for report in reports]
    assert (np.diff([fit.tau for fit in fits[:3]]) > 2).all()
    assert fits[1].mu > fits[0].mu
    assert fits[1].theta[H] > fits[0].theta[H]
    pulled = [fit.mass @ fit.factor[:, H] for fit in fits]
    assert (np.diff(pulled) < 0).all()
    gains = np.diff([fit.theta[H] for fit in fits]) / np.diff(reports)
    assert gains[2] < gains[0] / 2
    known = [
        fit.factor[100] * 8 + (1 - fit.factor[100]) * np.append(r, EFFECT[1:])
        for fit, r in zip(fits, reports, strict=True)
    ]
    assert np.ptp([theta[H] for theta in known]) == 0
    alone = [400 / (400 + ERROR**2) * np.append(report, EFFECT[1:]) for report in reports]
    assert np.ptp([theta[H] for theta in alone]) == 0
    pooled = [(np.append(r, EFFECT[1:]) / ERROR**2).sum() for r in reports]
    assert np.ptp(np.diff(pooled) / np.diff(reports)) < 1e-9
    halved = surprised(60, error=ERROR / 2)
    assert halved.mass[TAU < 5].sum() < 0.02 < surprised(60).mass[TAU < 5].sum()


@states("chapters/mathematical-structure.md", "The spread has two sources, and they add up")
@states(
    "chapters/mathematical-structure.md", "More students in the same eight schools would, as a rule, make"
)
@states("chapters/mathematical-structure.md", "with eight schools it settles near an eighth of the second.")
@states("chapters/mathematical-structure.md", "a school differs from the mean of schools.")
@states(
    "solutions/new-group-prediction.md", "In part from not knowing $\\mu$, in part from schools not being"
)
@states("solutions/new-group-prediction.md", "The prediction contains the uncertainty about the mean and the")
@states("solutions/new-group-prediction.md", "School 9 keeps all of its $\\tau^2$.")
@states("solutions/new-group-prediction.md", "this turns the variance $\\tau^2$ into $\\tau^2 (1 - w)$ with")
def test_the_spread_of_a_new_school(book):
    new = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)["theta_new"]
    between = book.mass @ TAU**2
    assert new.sd() ** 2 == pytest.approx(book.variance_of_mu + between, rel=1e-3)
    assert min(book.variance_of_mu, between) > 0.2 * new.sd() ** 2
    more = ByHand(error=ERROR / 3)
    assert more.variance_of_mu < 0.8 * book.variance_of_mu
    most = ByHand(error=ERROR / 16)
    assert most.variance_of_mu == pytest.approx(most.mass @ TAU**2 / 8, rel=0.1)
    tau = np.array([1.0, 5, 20])
    own = tau**2 / (tau**2 + 9**2)
    assert 1 / (1 / tau**2 + 1 / 9**2) == pytest.approx(tau**2 * (1 - own))


@states("chapters/eight-schools.md", "begins at zero, under these priors and under the model's own, because")
@states(
    "chapters/practical-considerations.md", "up to a constant, the exact posterior density of $\\tau$ under"
)
@states("chapters/practical-considerations.md", "REML reports its highest point, Bayes the whole of it.")
@states(
    "chapters/practical-considerations.md", "lies above the highest point of a curve that leans to the left"
)
@states(
    "solutions/shrinkage-arithmetic.md", "These belong to flat priors, under which $\\tau$ has the posterior"
)
@states("chapters/recap.md", "The posterior density of $\\tau$ in the Eight Schools is highest at zero.")
def test_flat_priors_and_the_restricted_likelihood():
    flat = ByHand(scale=np.inf, mu_sd=np.inf)
    tau = exact.normal(EFFECT, ERROR, mu=None, tau=None)["tau"]
    inner = TAU < 40
    density = flat.mass[inner] / flat.mass[inner].sum()
    theirs = np.asarray(tau.pdf(TAU[inner]))
    assert density == pytest.approx(theirs / theirs.sum(), rel=1e-4)
    assert density.argmax() == 0
    assert ByHand().mass.argmax() == 0
    assert float(tau.hdi(0.89).values[0]) == pytest.approx(0, abs=1e-6)
    assert flat.tau > 5
    assert flat.mass[TAU < 6].sum() < 0.6 < ByHand().mass[TAU < 6].sum()


# -- leaving out, by multivariate Normal densities -----------------------------------------------------


def evidence(keep, tau=None, shared=400.0):
    """Log density of some reports: for a known tau, or averaged over its prior."""
    if tau is not None:
        covariance = np.diag(ERROR[keep] ** 2 + tau**2) + shared
        return stats.multivariate_normal(cov=covariance).logpdf(EFFECT[keep])
    middles = (np.arange(200) + 0.5) * 0.4
    return special.logsumexp(
        TAU_PRIOR.logpdf(middles) + np.log(0.4) + [evidence(keep, tau=t) for t in middles]
    )


@pytest.fixture(scope="module")
def densities():
    """Log densities of each report given the seven others: complete, partial and no pooling."""
    everyone = np.arange(8)
    models = ({"tau": 0.0}, {}, {"tau": 20.0, "shared": 0.0})
    return np.array(
        [
            [evidence(everyone, **model) - evidence(np.delete(everyone, i), **model) for i in everyone]
            for model in models
        ]
    )


@states("chapters/loo-comparison.md", "Complete pooling is the hierarchical model with $\\tau = 0$ known.")
@states("chapters/loo-comparison.md", "No pooling is the one with $\\mu = 0$ and $\\tau = 20$ known.")
@states("chapters/when-hierarchical.md", "Complete pooling is its case $\\tau = 0$.")
@states("chapters/when-hierarchical.md", "so that nothing passes from one school to another.")
@states("chapters/loo-comparison.md", "The left-out school is predicted from its prior alone")
@states("chapters/loo-comparison.md", "what remains says nothing about $\\theta_i$.")
@states("chapters/loo-comparison.md", "no pooling predicts a left-out group from its prior")
@states("chapters/loo-comparison.md", "They say nothing about A in this model.")
@states("solutions/leave-one-school-out.md", "and the prediction is the prior, $\\text{Normal}(0, 20)$, plus")
@states("solutions/leave-one-school-out.md", "without pooling there is no covariance.")
@states("solutions/leave-one-school-out.md", "There is a second way, which needs neither a refit nor a")
@states(
    "chapters/recap.md", "update $\\mu$ on the rest, and predict $y_i$ with the uncertainty of $\\mu$ and its"
)
@states("chapters/recap.md", "For the pooled model each term is a Normal density.")
def test_three_models_leave_schools_out(densities):
    solved = (
        exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0.0),
        exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR),
        exact.normal(EFFECT, ERROR, mu=0.0, tau=20.0),
    )
    for mine, theirs in zip(densities, solved, strict=True):
        assert theirs.elpd_loo.values == pytest.approx(mine, abs=2e-3)
    assert densities[2] == pytest.approx(stats.norm.logpdf(EFFECT, 0, np.hypot(20, ERROR)))
    for i in range(8):
        error, effect = np.delete(ERROR, i), np.delete(EFFECT, i)
        variance = 1 / (1 / 400 + (error**-2).sum())
        mean = variance * (effect / error**2).sum()
        assert densities[0, i] == pytest.approx(
            stats.norm.logpdf(EFFECT[i], mean, np.hypot(np.sqrt(variance), ERROR[i]))
        )


@states("chapters/loo-comparison.md", "The difference between the first two is small, the one to the third")
@states("chapters/loo-comparison.md", "Both are below 1, so complete pooling has the whole weight.")
@states(
    "chapters/loo-comparison.md", "complete pooling alone is the best mixture if adding a little of another"
)
@states("chapters/loo-comparison.md", "are less abrupt: they leave partial pooling a good part.")
@states("chapters/bringing-together.md", "On the Eight Schools it puts no pooling last, and cannot settle")
@states("solutions/leave-one-school-out.md", "Complete pooling comes first.")
@states(
    "solutions/leave-one-school-out.md", "partial pooling is a close second, and no pooling, with its prior"
)
def test_ranks_and_weights_of_three_strategies(densities):
    elpd = densities.sum(axis=1)
    assert 0 < elpd[0] - elpd[1] < 1 < 2.5 < elpd[1] - elpd[2]
    ratio = np.exp(densities[1:] - densities[0]).mean(axis=1)
    assert (ratio < 1).all()

    def score(raw):
        weights = special.softmax(np.append(0, raw))
        return -np.log(weights @ np.exp(densities)).sum()

    best = special.softmax(np.append(0, optimize.minimize(score, [0, 0]).x))
    assert best[0] > 0.99
    abrupt = special.softmax(elpd)
    assert 0.25 < abrupt[1] < abrupt[0]


@states("chapters/loo-comparison.md", "of all eight schools one after the other, starting from the prior")
@states("chapters/loo-comparison.md", "which is hardly anything, and complete over no pooling by")
@states("chapters/recap.md", "and the wide prior spread its probability over effects that no course has.")
@states("chapters/recap.md", "One of the two hardly notices; see the table.")
@states("chapters/recap.md", "how well the prior predicted all the data.")
def test_the_evidence_rewards_the_prior(densities):
    for model in ({"tau": 0.0}, {"tau": 20.0, "shared": 0.0}):
        one_by_one = sum(
            evidence(np.arange(n + 1), **model) - (evidence(np.arange(n), **model) if n else 0)
            for n in range(8)
        )
        assert one_by_one == pytest.approx(evidence(np.arange(8), **model))
    everyone = np.arange(8)
    complete = evidence(everyone, tau=0.0)
    assert 0 < complete - evidence(everyone) < np.log(3)
    assert complete - evidence(everyone, tau=20.0, shared=0.0) > np.log(10)
    wide = evidence(everyone, tau=0.0, shared=200.0**2)
    assert complete - wide == pytest.approx(np.log(10), abs=0.2)
    left = [wide - evidence(np.delete(everyone, i), tau=0.0, shared=200.0**2) for i in everyone]
    assert abs(np.sum(left) - densities[0].sum()) < 0.2


@states("chapters/loo-comparison.md", "then the tail of that weight is a power law with")
@states("chapters/loo-comparison.md", "This is the share of the data in the estimate: without pooling")
@states("chapters/loo-comparison.md", "A group whose estimate owes more than 70% to its own datum cannot be")
@states("chapters/loo-comparison.md", "$1 / p(y_i \\mid \\theta_i)$, which grows like")
def test_the_tail_of_a_weight():
    """Of exp{(theta - y)^2 / (2 sigma^2)}, theta being Normal with variance v: the slope of its tail."""
    for error in (9.0, 18.0):
        v = 1 / (1 / 400 + 1 / error**2)
        logs = np.array([2000.0, 4000.0])  # of the weight
        far = np.sqrt(2 * logs) * error / np.sqrt(v)
        slope = np.diff(stats.norm.logsf(far)) / np.diff(logs)
        assert -1 / slope[0] == pytest.approx(v / error**2, rel=0.01)
        assert v / error**2 == pytest.approx(400 / (400 + error**2))
    assert all(1e9 / (1e9 + error**2) > 0.7 for error in ERROR)  # without any prior it would be 1


# -- arithmetic ----------------------------------------------------------------------------------------


@states("chapters/mathematical-structure.md", "The negative effect of E becomes a positive one.")
@states("chapters/mathematical-structure.md", "both estimates are nearer to the grand mean than the reports")
@states("chapters/mathematical-structure.md", "Its standard error of 9 is still larger than $\\tau$, and the")
@states("chapters/mathematical-structure.md", "That would take $\\tau = \\sigma_E = 9$.")
@states("solutions/shrinkage-arithmetic.md", "The second percentage is $B_A$ itself.")
@states(
    "solutions/shrinkage-arithmetic.md", "depends on the standard error and on $\\tau$, never on the effect."
)
@states(
    "solutions/shrinkage-arithmetic.md",
    "The first is $B_A (y_A - \\mu) / y_A$: shrinkage pulls toward $\\mu$",
)
@states(
    "solutions/shrinkage-arithmetic.md", "a study is precise when its standard error is small compared with"
)
@states(
    "solutions/shrinkage-arithmetic.md", "by its precision, $1 / \\sigma_i^2$ for the school's own data and"
)
def test_mu_8_and_tau_6():
    factor = ERROR**2 / (ERROR**2 + 36)
    shrunk = EFFECT - factor * (EFFECT - 8)
    assert EFFECT[E] < 0 < shrunk[E]
    assert (abs(shrunk - 8) < abs(EFFECT - 8))[[E, H]].all()
    assert 9 > 6
    assert 81 / (81 + 9**2) == 0.5
    assert (28 - shrunk[A]) / 28 == pytest.approx(factor[A] * (28 - 8) / 28)
    assert (28 - shrunk[A]) / (28 - 8) == pytest.approx(factor[A])
    precision = np.array([ERROR**-2, np.full(8, 1 / 36)])
    weighted = (precision[0] * EFFECT + precision[1] * 8) / precision.sum(axis=0)
    assert weighted == pytest.approx(shrunk)
    known = exact.normal(EFFECT, ERROR, mu=8.0, tau=6.0)["theta"].mean().values
    assert known == pytest.approx(shrunk)
    moved = exact.normal(EFFECT + 100, ERROR, mu=8.0, tau=6.0)["theta"].mean().values
    assert moved - known == pytest.approx(100 * (1 - factor))
    assert [5**2 / (5**2 + tau**2) > 0.5 for tau in (1, 2, 4, 6, 10)] == [True, True, True, False, False]


@states("chapters/mathematical-structure.md", "The estimate goes to $\\mu$, since the group's own data are")
@states("chapters/mathematical-structure.md", "for all groups at once, which is complete pooling.")
@states("chapters/mathematical-structure.md", "The group speaks for itself.")
@states(
    "chapters/mathematical-structure.md", "$B_i$ is the *shrinkage factor*: the weight of the grand mean."
)
@states("chapters/pooling-problem.md", "Complete pooling is total shrinkage, no pooling is none")
@states("chapters/hierarchical-models.md", "The two extremes are special cases of the third way.")
@states("chapters/hierarchical-models.md", "If all schools were alike, it would be … ± ….")
@states(
    "chapters/hierarchical-models.md", "the other schools say nothing about this one, which is no pooling."
)
@states(
    "chapters/hierarchical-models.md",
    "Which part of the way to the mean each group goes depends on its own noise and on how different",
)
def test_three_limits():
    alike = exact.normal(EFFECT, ERROR, mu=stats.norm(0, 20), tau=0.0)
    for moment in ("mean", "sd"):
        assert getattr(alike["theta_new"], moment)() == getattr(alike["mu"], moment)()

    def estimate(effect, error, tau):
        return exact.normal(effect, error, mu=8.0, tau=tau)["theta"].mean().values

    assert estimate([28.0, -3], [1e4, 15], 5.0)[0] == pytest.approx(8, abs=1e-3)
    assert estimate([28.0, -3], [1e-3, 15], 5.0)[0] == pytest.approx(28, abs=1e-3)
    assert estimate(EFFECT, ERROR, 1e-3) == pytest.approx(np.full(8, 8.0), abs=1e-3)
    factor = ERROR**2 / (ERROR**2 + 36)
    higher = exact.normal(EFFECT, ERROR, mu=9.0, tau=6.0)["theta"].mean().values
    assert higher - estimate(EFFECT, ERROR, 6.0) == pytest.approx(factor)
    for tau, moved in ((0.0, True), (1e6, False)):
        theta = [
            exact.normal(y, ERROR, mu=MU_PRIOR, tau=tau)["theta"].mean().values[H]
            for y in (EFFECT, np.append(60, EFFECT[1:]))
        ]
        assert (abs(np.diff(theta)[0]) > 1) == moved


@states(
    "chapters/eight-schools.md", "The standard errors run from 9 to 18, which makes most of that difference"
)
@states("chapters/practical-considerations.md", "Two of eight do not make $\\tau$ large enough.")
@states("chapters/recap.md", "Effects of 20 points are entirely possible, effects of 100 points are not.")
@states("chapters/mathematical-structure.md", "the correlation is …, as the cell below works out.")
def test_differences_beside_their_noise():
    weights = ERROR**-2
    common = weights @ EFFECT / weights.sum()
    assert weights @ (EFFECT - common) ** 2 < 7  # its expectation if all schools are alike
    assert (ERROR.min(), ERROR.max(), EFFECT.min(), EFFECT.max()) == (9, 18, -3, 28)
    apart = np.repeat([30.0, 5.0], [2, 6])  # two schools 25 points from six, measured as on the page
    assert ByHand(apart, np.repeat([10.0, 5.0], [2, 6])).tau < 18
    t = TAU_PRIOR.ppf((np.arange(4000) + 0.5) / 4000)
    beyond = [2 * stats.norm.sf(points, scale=np.hypot(20, t)).mean() for points in (20, 100)]
    assert beyond[0] > 0.3
    assert beyond[1] < 1e-3
    assert 20**2 / (20**2 + TAU_PRIOR.moment(2)) == pytest.approx(0.8)
