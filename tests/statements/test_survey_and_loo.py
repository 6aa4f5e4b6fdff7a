"""What else the pages on the survey, on leaving out and on when to pool assert."""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from by_hand import EFFECT, ERROR, TAU, ByHand
from scipy import special, stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling.audit import runs

COUNT = datasets.survey()["count"].values
SIZE = COUNT.sum(axis=1)
FLAT = stats.dirichlet(np.ones(4))
BASE = np.array([0.25, 0.35, 0.25, 0.15])
A, E, H = 0, 4, 7


def survey(alpha, baseline=FLAT, count=COUNT):
    """The exact posterior; shares are a baseline that is known."""
    if isinstance(baseline, np.ndarray):
        baseline = 1e9 * baseline
    return exact.dirichlet_multinomial(count, alpha=alpha, baseline=baseline)


# -- the survey ----------------------------------------------------------------------------------------


@states(
    "chapters/dirichlet-multinomial.md", "Six regions answered a survey, one of them with 35 people, another"
)
@states("chapters/dirichlet-multinomial.md", "Region 5 has 35 respondents and region 2 has 120.")
@states("chapters/dirichlet-multinomial.md", "Region 5 has the fewest respondents.")
@states("chapters/dirichlet-multinomial.md", "Each chooses one of four answers")
@states(
    "chapters/dirichlet-multinomial.md",
    "where four people gave that answer, and … in region 2, which is twice",
)
@states("solutions/unequal-regions.md", "The regions of the survey had between 35 and 120 respondents.")
def test_who_was_asked():
    assert COUNT.shape == (6, 4)
    assert (SIZE.argmin(), SIZE[4], SIZE[1], SIZE.max()) == (4, 35, 120, 120)
    assert COUNT[2, 3] == 4
    assert SIZE[1] == 2 * SIZE[2]
    # Rarer in a region half as large, and yet better known: the widths of the intervals of SD.
    share = survey(stats.expon(scale=1))["pi"].sd().values[:, 3]
    assert share[2] < share[1]


@states("chapters/dirichlet-multinomial.md", "The weight is a share of all that speaks for the region")
@states(
    "chapters/dirichlet-multinomial.md",
    "the weight depends on the two numbers alone. How far the estimate moves",
)
@states("chapters/dirichlet-multinomial.md", r"As in $B_r = \alpha / (\alpha + n_r)$, which follows below.")
@states(
    "chapters/dirichlet-multinomial.md",
    r"This is the shrinkage formula of {ref}`hierarchical-structure` in other",
)
@states(
    "chapters/dirichlet-multinomial.md",
    r"has the posterior $\text{Dir}(\alpha\boldsymbol\pi_0 + \mathbf y_r)$",
)
@states("chapters/dirichlet-multinomial.md", "How far an estimate moves also depends on how far it was from")
@states("chapters/dirichlet-multinomial.md", "it adds each count to its exponent")
@states(
    "solutions/unequal-regions.md",
    r"The weight of the baseline, $\alpha/(\alpha + n_r)$, tells how much a region",
)
@states(
    "chapters/dirichlet-multinomial.md", r"| Weight of the centre | $\sigma_i^2 / (\sigma_i^2 + \tau^2)$ |"
)
@states("chapters/dirichlet-multinomial.md", "How far the estimate moves depends on the answers too.")
@states("chapters/dirichlet-multinomial.md", "with the posterior mean of the baseline in the place of")
def test_the_weight_of_a_baseline():
    for count in (COUNT, COUNT[:, ::-1]):
        one, other = (survey(8.0, base, count)["pi"] for base in (BASE, np.array([0.35, 0.25, 0.25, 0.15])))
        shift = (other.mean().values - one.mean().values)[:, 0] / 0.1  # what the baseline's share moves
        assert shift == pytest.approx(8 / (8 + SIZE))
        raw = count / SIZE[:, None]
        assert one.mean().values == pytest.approx(raw + shift[:, None] * (BASE - raw))
        law = stats.dirichlet(8 * BASE + count[4])
        assert one.sd().values[4] == pytest.approx(np.sqrt(law.var()))
    known = survey(8.0)  # with the baseline unknown: its posterior mean stands in its place
    b = (8 / (8 + SIZE))[:, None]
    assert known["pi"].mean().values == pytest.approx(
        (1 - b) * COUNT / SIZE[:, None] + b * known["pi0"].mean().values, abs=1e-5
    )
    moved = abs(survey(8.0, BASE)["pi"].mean().values - COUNT / SIZE[:, None]).sum(axis=1) / 2
    assert moved.argmax() != SIZE.argmin()


@states(
    "chapters/dirichlet-multinomial.md",
    r"The uniform prior is the member of the hierarchy in which $\alpha = 4$",
)
@states("chapters/dirichlet-multinomial.md", r"$\sqrt{(35 + 4 + 1)/(35 + 8 + 1)}$, that is by …")
@states("chapters/dirichlet-multinomial.md", r"By the same rule, a gain of 20% needs an $\alpha$ of about")
@states(
    "chapters/dirichlet-multinomial.md",
    r"Pooling is slight, as the weights $B_r$ at $\alpha \approx 8$ told us.",
)
@states(
    "chapters/dirichlet-multinomial.md", "the part of the region's respondents who would have to change their"
)
def test_what_a_concentration_of_eight_gains():
    quarter = survey(4.0, np.full(4, 0.25))["pi"]
    for region in range(6):
        alone = stats.dirichlet(1 + COUNT[region])
        assert quarter.mean().values[region] == pytest.approx(alone.mean())
        assert quarter.sd().values[region] == pytest.approx(np.sqrt(alone.var()))
    # The rule, held against intervals at a known baseline that is what region 5 has alone.
    own = (1 + COUNT[4]) / 39
    lengths = {
        alpha: np.diff(
            stats.beta(*(alpha * p + y for p, y in ((own[0], 9), (1 - own[0], 26)))).ppf([0.055, 0.945])
        )
        for alpha in (4, 8, 26.5)
    }
    assert lengths[8] / lengths[4] == pytest.approx(np.sqrt(40 / 44), rel=0.01)
    assert lengths[26.5] / lengths[4] == pytest.approx(0.8, abs=0.01)
    assert (8 / (8 + SIZE)).max() < 0.2
    # People who change their answer, one by one, until the shares are the others'.
    people, target = np.repeat(range(4), COUNT[4]), np.array([11, 10, 9, 5])
    changes = np.clip(target - COUNT[4], 0, None).sum()
    assert changes / 35 == pytest.approx(abs(target - COUNT[4]).sum() / 35 / 2)
    assert len(people) == target.sum()


@states("chapters/dirichlet-multinomial.md", "The sampler does its work here without any trick")
@states("chapters/dirichlet-multinomial.md", "four dimensions in all.")
@states("chapters/dirichlet-multinomial.md", "the shares $\\boldsymbol\\pi_r$ can be integrated by hand.")
def test_the_survey_is_no_trouble():
    recorded = runs.recorded().dropna(subset=["survey/divergences"])
    assert (recorded["survey/divergences"] == 0).all()
    assert (recorded["survey/alpha/r_hat"] < 1.01).all()
    assert (recorded["survey/alpha/ess_bulk"] > 400).all()
    # Given alpha and the baseline nothing is left: the probability of counts by gamma functions alone.
    known = survey(8.0, BASE).log_evidence
    a = 8 * BASE
    log = special.gammaln(SIZE + 1) - special.gammaln(COUNT + 1).sum(axis=1) + special.gammaln(8)
    log += (special.gammaln(a + COUNT) - special.gammaln(a)).sum(axis=1) - special.gammaln(8 + SIZE)
    assert known == pytest.approx(log.sum(), abs=1e-3)


@states("chapters/dirichlet-multinomial.md", "Complete pooling has some … times the")
@states("chapters/dirichlet-multinomial.md", r"| Complete pooling | $\tau \to 0$ | $\alpha \to \infty$ |")
@states("chapters/dirichlet-multinomial.md", "where all regions share one set of proportions.")
@states("chapters/dirichlet-multinomial.md", r"A prior on $\alpha$ is a prior on the amount of pooling.")
@states("chapters/dirichlet-multinomial.md", "its posterior is made by the prior.")
@states("glossary.md", "The larger it is, the more the regions are pooled")
@states(
    "chapters/dirichlet-multinomial.md",
    "Because the exact posterior also gives the probability of the data, we can compute the",
)
def test_without_end():
    all_one = survey(1e8)
    total = 1 + COUNT.sum(axis=0)
    assert all_one["pi"].mean().values == pytest.approx(np.tile(total / total.sum(), (6, 1)), abs=1e-4)
    multinomial = special.gammaln(SIZE + 1).sum() - special.gammaln(COUNT + 1).sum()
    evidence = multinomial + special.gammaln(4) + special.gammaln(total).sum() - special.gammaln(total.sum())
    assert all_one.log_evidence == pytest.approx(evidence, abs=1e-3)
    assert all_one.log_evidence - survey(8.0).log_evidence > np.log(300)
    means, weights = [], []
    for scale in (1, 5, 20):
        alpha = survey(stats.expon(scale=scale))["alpha"]
        means.append(alpha.mean())
        weights.append(alpha.expect(lambda x: x / (x + 35)))
    assert (np.diff(means) > 5).all()
    assert (np.diff(weights) > 0.1).all()


@states("chapters/dirichlet-multinomial.md", "These are other counts than those")
@states("chapters/dirichlet-multinomial.md", "For the generated counts the model works as intended.")
@states("chapters/dirichlet-multinomial.md", r"$\alpha$ is … ± …, still held down by the prior.")
@states("chapters/dirichlet-multinomial.md", "With a prior mean of 10 it is … ± …, around the true 8.")
@states("chapters/dirichlet-multinomial.md", "The baseline's true shares lie within … posterior standard")
@states(
    "chapters/audit.md",
    "The printed survey regions are too much alike for the model they are said to come from",
)
@states("chapters/dirichlet-multinomial.md", "have regions as similar as the printed ones.")
def test_counts_that_the_code_gives():
    count = datasets.simulate_survey(np.random.default_rng(2025), concentration=8.0)["count"].values
    assert not (count == COUNT).all()

    def pearson(table):
        return stats.chi2_contingency(table, correction=False).pvalue

    assert pearson(count) < 1e-3 < 0.1 < pearson(COUNT)
    rng = np.random.default_rng(58)
    drawn = [
        pearson(np.array([rng.multinomial(n, rng.dirichlet(8 * BASE)) for n in SIZE]) + 1e-9)
        for _ in range(600)
    ]
    assert (np.array(drawn) >= pearson(COUNT)).mean() < 0.01
    tight, wide = (survey(stats.expon(scale=scale), FLAT, count) for scale in (1, 10))
    assert tight["alpha"].mean() < 8 - 1
    assert abs(wide["alpha"].mean() - 8) < wide["alpha"].sd()
    off = (tight["pi0"].mean().values - BASE) / tight["pi0"].sd().values
    assert abs(off).max() < 2.5


# -- leaving schools out --------------------------------------------------------------------------------

GRID = np.linspace(0, 60, 121)


def scores(y, error, prior_sd=20.0):
    """Leave-one-out log densities of complete, partial and no pooling, over a grid of tau."""
    variance = error**2 + GRID[:, None] ** 2
    precision = (1 / variance).sum(axis=1) + prior_sd**-2
    mean = (y / variance).sum(axis=1) / precision
    log = -0.5 * (np.log(variance).sum(axis=1) + np.log(precision) + (y**2 / variance).sum(axis=1))
    log += 0.5 * mean**2 * precision + stats.halfnorm(scale=10).logpdf(GRID)
    less = precision[:, None] - 1 / variance
    centre = (mean * precision)[:, None] - y / variance
    left = stats.norm(centre / less, np.sqrt(1 / less + variance)).logpdf(y)
    mass = np.exp(log - log.max())
    mass[0] /= 2  # the trapezoid rule
    partial = np.log(mass.sum()) - np.log((mass[:, None] / np.exp(left)).sum(axis=0))
    none = stats.norm(0, np.hypot(prior_sd, error)).logpdf(y)
    return np.array([left[0], partial, none])


@states(
    "chapters/loo-comparison.md",
    "Exact leave-one-out on Eight Schools: complete pooling …, partial …, none ….",
)
@states("chapters/loo-comparison.md", "The weights would be unnecessary if the models could be integrated")
@states("chapters/loo-comparison.md", "On our data it must reproduce the exact values above, and does")
@states(
    "chapters/loo-comparison.md", "… ± … between complete and partial, … ± … between complete and no pooling."
)
@states("chapters/loo-comparison.md", "Three strategies predict a school whose report they have not seen.")
@states("chapters/loo-comparison.md", "That two recipes give such different weights to nearly equal")
@states(
    "solutions/leave-one-school-out.md",
    "And the posterior object knows the result under the name `elpd_loo`.",
)
@states("solutions/leave-one-school-out.md", "So average the Normal density over values of")
@states("solutions/leave-one-school-out.md", "Average densities, then take the logarithm.")
def test_scores_of_the_eight_schools():
    own = scores(EFFECT, ERROR)
    theirs = [
        exact.normal(EFFECT, ERROR, mu=mu, tau=tau).elpd_loo.values
        for mu, tau in ((MU_PRIOR, 0.0), (MU_PRIOR, TAU_PRIOR), (0.0, 20.0))
    ]
    assert own == pytest.approx(np.array(theirs), abs=2e-3)
    complete, partial, none = own.sum(axis=1)
    assert complete - 1 < partial < complete
    weight = np.exp([0, partial - complete, none - complete])
    assert 0.3 < (weight / weight.sum())[1] < 0.5
    # The mean of log densities is another, lower number than the log of their mean.
    rest = ByHand(EFFECT[1:], ERROR[1:])
    new = np.random.default_rng(58).choice(TAU.size, 20_000, p=rest.mass)
    theta = np.random.default_rng(59).normal(
        rest.mean_mu[new], np.hypot(TAU[new], np.sqrt(rest.variance_mu[new]))
    )
    density = stats.norm(theta, 15).pdf(28)
    assert np.log(density.mean()) == pytest.approx(own[1, A], abs=4 * density.std() / density.mean() / 141)
    assert np.log(density).mean() < own[1, A] - 0.1


@states("chapters/loo-comparison.md", "The seven others could be anything.")
@states("chapters/loo-comparison.md", 'That is what "no pooling" means.')
@states("chapters/loo-comparison.md", "So it would be, nearly, if each school had many reports.")
@states("chapters/loo-comparison.md", "leaving out one of them would leave the others to predict it.")
@states("chapters/loo-comparison.md", "No pooling: eight effects that have nothing to do with one another.")
@states(
    "solutions/leave-one-school-out.md",
    "This model predicts each school as if nobody had tried coaching before.",
)
def test_one_report_or_many():
    other = np.append(EFFECT[0], -3 * EFFECT[1:])
    found = [exact.normal(y, ERROR, mu=0.0, tau=20.0).elpd_loo.values[A] for y in (EFFECT, other)]
    assert found == pytest.approx([stats.norm(0, 25).logpdf(28)] * 2)
    # Twenty reports from each school, as noisy as to give the same standard errors.
    rng = np.random.default_rng(58)
    one = ERROR[:, None] * np.sqrt(20)
    reports = rng.normal(size=(8, 20))
    reports = EFFECT[:, None] + one * (reports - reports.mean(axis=1, keepdims=True))

    def score(prior_sd):
        precision = 19 / one**2 + prior_sd**-2
        mean = (reports.sum(axis=1, keepdims=True) - reports) / one**2 / precision
        return stats.norm(mean, np.sqrt(1 / precision + one**2)).logpdf(reports).sum()

    assert (
        abs(score(20) - score(200))
        < 2
        < scores(EFFECT, ERROR)[2].sum() - scores(EFFECT, ERROR, 200.0)[2].sum()
    )


@states("chapters/loo-comparison.md", "For complete and no pooling, whose posteriors are Normal, $k$ can be")
@states(
    "chapters/loo-comparison.md", r"An estimate $\hat k$ from a few thousand draws is off by 0.1 or so, for"
)
@states(
    "chapters/loo-comparison.md", "So some of the five may pass, and school A, whose exact $k$ is …, is often"
)
@states("chapters/loo-comparison.md", "The error has a direction.")
@states(
    "chapters/loo-comparison.md", "and they are mostly missing, so that the model looks better than it is."
)
@states("chapters/loo-comparison.md", "The second decimals change from run to run.")
def test_draws_that_are_missing():
    v = 1 / (20**-2 + ERROR[H - 3] ** -2)  # school E
    k = v / ERROR[H - 3] ** 2
    assert k == pytest.approx(400 / (400 + 81))

    def log_tail(log_weight):  # of the weight, from the law of theta
        return stats.norm.logsf(np.sqrt(2 * log_weight * ERROR[4] ** 2 / v)) + np.log(2)

    slope = (log_tail(4e6) - log_tail(2e6)) / 2e6
    assert slope == pytest.approx(-1 / k, rel=1e-4)
    rng = np.random.default_rng(58)
    mean, sd = EFFECT[4] * v / ERROR[4] ** 2, np.sqrt(v)
    right = stats.norm(0, np.hypot(20, 9)).logpdf(EFFECT[4])
    theta = rng.normal(mean, sd, (300, 4000))
    told = -np.log(np.mean(1 / stats.norm(theta, 9).pdf(EFFECT[4]), axis=1))
    assert (told > right).mean() > 0.5 + 4 * 0.5 / np.sqrt(300)
    # What is lacking lies where the report made the posterior thin: there, a tenth and more of the mean, and
    # one draw in 4000 or none.
    x = np.linspace(mean - 12 * sd, mean + 12 * sd, 200_001)
    part = stats.norm(mean, sd).pdf(x) / stats.norm(x, 9).pdf(EFFECT[4])
    far = abs(x - mean) > stats.norm.isf(1 / 8000) * sd
    assert part[far].sum() > 0.1 * part.sum()
    assert part[abs(x - mean) > 2 * sd].sum() > 0.35 * part.sum()
    recorded = runs.recorded().dropna(subset=["loo/no pooling/k_above_0.7"])
    flagged = recorded["loo/no pooling/k_above_0.7"]
    assert flagged.min() < 5 <= flagged.max()
    variance = 1 / (20**-2 + ERROR**-2.0)
    middle = EFFECT * variance / ERROR**2
    told = []
    for _ in range(40):
        theta = rng.normal(middle, np.sqrt(variance), (8000, 8))
        log_likelihood = -(((theta - EFFECT) / ERROR) ** 2) / 2
        told.append([float(array_stats.psislw(column)[1]) for column in log_likelihood.T])
    off = np.mean(told, axis=0) - variance / ERROR**2
    assert 0.05 < off[A] < 0.15
    assert -0.15 < off[E] < -0.03
    assert 0.04 < np.std(told, axis=0).mean() < 0.15
    assert 0.4 < (np.array(told)[:, A] > 0.7).mean() < 0.9
    elpd = recorded["loo/partial pooling/elpd_loo"]
    assert 0.01 < elpd.std() < 0.05


@pytest.fixture(scope="module")
def worlds():
    """Scores of three strategies, by the true tau: (set, strategy)."""
    found = {}
    for tau in (0, 5, 10, 20):
        rng = np.random.default_rng(58)
        found[tau] = np.array(
            [scores(rng.normal(8, np.hypot(tau, ERROR)), ERROR).sum(axis=1) for _ in range(400)]
        )
    return found


@states("chapters/loo-comparison.md", "complete pooling still wins in … of the data sets and")
@states("chapters/loo-comparison.md", "More often, by a good deal: see the simulation.")
@states(
    "chapters/loo-comparison.md",
    r"That complete pooling comes first on the real data says little about the real",
)
@states(
    "chapters/loo-comparison.md", r"That complete pooling wins on our data says little about the real $\tau$."
)
@states("chapters/loo-comparison.md", "Eight points cannot rank complete against partial pooling.")
@states("chapters/loo-comparison.md", "points on average where $\\tau$ is 0, and … where it is 20")
@states(
    "chapters/loo-comparison.md",
    "Complete pooling loses … on average where $\\tau$ is 20, no pooling … where it is 0.",
)
@states(
    "chapters/loo-comparison.md",
    "Partial pooling loses little when groups are alike, and gains much when they are",
)
@states(
    "solutions/leave-one-school-out.md",
    "So this is what may be concluded: eight reports cannot tell the two models",
)
@states(
    "solutions/leave-one-school-out.md",
    "That complete pooling came first says neither that schools are alike",
)
@pytest.mark.slow  # hundreds of sets of schools
def test_who_wins_where(worlds):
    first = {tau: np.bincount(found.argmax(axis=1), minlength=3) / 400 for tau, found in worlds.items()}
    error = 4 * 0.5 / np.sqrt(400)
    assert first[5][0] - error > 0.5 > first[5][1] + error
    # Given that it wins, and the four values being as probable before, none of the first three is ruled out.
    chance = np.array([first[tau][0] for tau in worlds])
    assert (chance / chance.sum())[:3].min() > 0.15
    loss = {tau: (found.max(axis=1, keepdims=True) - found).mean(axis=0) for tau, found in worlds.items()}
    assert loss[0][1] < 1
    assert loss[20][1] < 1.5
    assert loss[20][0] > 3 * loss[20][1]
    assert loss[0][2] > 3 * loss[0][1]


@states("chapters/loo-comparison.md", "With 128 schools LOO settles the matter at $\\tau = 10$")
@states(
    "chapters/loo-comparison.md",
    "Dozens to hundreds of groups as noisy as these are the range in which a hierarchical model can be",
)
@pytest.mark.slow  # hundreds of sets of schools
def test_how_many_schools_it_takes():
    right = {}
    for tau in (5, 10):
        for times in (1, 4, 16):
            error, rng = np.tile(ERROR, times), np.random.default_rng(58)
            found = np.array(
                [scores(rng.normal(8, np.hypot(tau, error)), error).sum(axis=1) for _ in range(200)]
            )
            right[tau, 8 * times] = (found[:, 1] > found[:, 0]).mean()
    assert right[10, 128] > 0.95
    assert 0.5 < right[5, 128] < 0.95
    assert right[10, 8] < 0.7 < right[10, 32] < right[10, 128]


# -- when to pool --------------------------------------------------------------------------------------


@states(
    "chapters/when-hierarchical.md",
    "| Bias | high where groups differ | none with flat priors | some, toward the grand",
)
@states(
    "chapters/when-hierarchical.md",
    "| Variance | low: all data | high: one group's data | between: borrows strength |",
)
@states(
    "chapters/when-hierarchical.md", "| A new group | the grand mean, as if groups did not differ | the prior"
)
@states("chapters/when-hierarchical.md", "That holds for the raw effects, which a flat prior gives back.")
@states(
    "chapters/when-hierarchical.md", "Complete pooling gives a ninth school the interval of the grand mean."
)
@states("chapters/pooling-problem.md", "one answer for all; precise, and biased wherever groups differ.")
def test_bias_and_variance_of_three_strategies():
    """Over repeated reports from eight schools with given effects: estimates that are linear, at tau = 6."""
    theta = np.array([20.0, 8, 0, 7, 2, 4, 14, 9])

    def matrix(tau):
        weight = 1 / (ERROR**2 + tau**2)
        kept = tau**2 * weight
        return np.diag(kept) + np.outer(1 - kept, weight / weight.sum())

    rules = [matrix(0.0), matrix(6.0), np.eye(8)]
    bias = [rule @ theta - theta for rule in rules]
    variance = [np.diag(rule @ np.diag(ERROR**2) @ rule.T) for rule in rules]
    assert (abs(bias[0]) >= abs(bias[1])).all()
    assert abs(bias[1]).max() > 1 > abs(bias[2]).max() == 0
    assert (variance[0] < variance[1]).all()
    assert (variance[1] < variance[2]).all()
    away = theta - rules[0][0] @ theta
    assert np.all((bias[1] * away <= 0) | (abs(away) < 1.5))
    flat = exact.normal(EFFECT, ERROR, mu=0.0, tau=1e5)["theta"].mean().values
    assert flat == pytest.approx(EFFECT, abs=1e-3)
    new = [
        exact.normal(EFFECT, ERROR, mu=mu, tau=tau)["theta_new"]
        for mu, tau in ((MU_PRIOR, 0.0), (MU_PRIOR, TAU_PRIOR))
    ]
    assert new[0].sd() == pytest.approx(exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0.0)["mu"].sd())
    assert new[1].sd() > 1.5 * new[0].sd()


@states("chapters/when-hierarchical.md", "The group with 256 gains ….")
@states(
    "chapters/when-hierarchical.md", "At $\\tau = 10$ its 89% interval holds the new effect … of the time"
)
@states("chapters/when-hierarchical.md", "The interval knows how well the mean is known.")
@states(
    "chapters/when-hierarchical.md", "reports a standard deviation … times smaller than the model that does."
)
@states("chapters/when-hierarchical.md", "Several measurements of each person make the people groups.")
def test_sizes_new_groups_and_people():
    kept = 8**2 / (8**2 + 20**2 / np.array([2, 256]))
    assert 1 - np.sqrt(kept[0]) > 0.3
    assert 1 - np.sqrt(kept[1]) < 0.02
    z = stats.norm.ppf(0.945)
    shares = []
    for times in (1, 4, 16):
        error = np.tile(ERROR, times)
        se = (error**-2).sum() ** -0.5  # as the model without differences has it
        weight = 1 / error**2 / (error**-2).sum()
        true = np.sqrt(weight**2 @ (error**2 + 100) + 100)
        shares.append(1 - 2 * stats.norm.sf(z * se / true))
    assert 0.3 < shares[0] < 0.5
    assert (np.diff(shares) < 0).all()  # the better the mean is known, the less it holds
    rng = np.random.default_rng(58)
    person = rng.normal(0, 8, (40_000, 12))
    means = (person[..., None] + rng.normal(0, 4, (40_000, 12, 6))).mean(axis=(1, 2))
    assert means.std() == pytest.approx(np.sqrt(64 / 12 + 16 / 72), rel=4 / np.sqrt(80_000))
    assert means.std() / np.sqrt((64 + 16) / 72) > 2


@states("chapters/when-hierarchical.md", "The data inform $\\tau$ through the spread of the group means.")
@states("chapters/when-hierarchical.md", "limit for two groups hangs on the prior")
@states("chapters/when-hierarchical.md", "So far the warning against fewer than five groups holds.")
@states("chapters/when-hierarchical.md", "A flat prior on $\\tau$ is not a way out.")
@states("solutions/tau-prior.md", "It can only fail at the other end, where it has infinite mass.")
def test_few_groups_and_the_prior_of_tau():
    def typical(groups, error=10.0):
        z = stats.norm.ppf((np.arange(groups) + 0.5) / groups)
        return 8 + np.hypot(8, error) * z / z.std(ddof=1)

    def limit(groups, prior):
        return exact.normal(typical(groups), 10.0, mu=MU_PRIOR, tau=prior)["tau"].quantile(0.95)

    half_normal, half_cauchy = TAU_PRIOR, stats.halfcauchy(scale=25)
    ratio = [limit(groups, half_cauchy) / limit(groups, half_normal) for groups in (2, 5, 30)]
    assert ratio[0] > 2 > ratio[1] > 1.2 > ratio[2]
    with pytest.raises(ValueError, match="posterior"):
        exact.normal(typical(2), 10.0, mu=None, tau=None)
    three = exact.normal(typical(3), 10.0, mu=None, tau=None)["tau"].quantile(0.95)
    assert three > 5 * exact.normal(typical(30), 10.0, mu=None, tau=None)["tau"].quantile(0.95)
    tau = [exact.normal(typical(8) + move, 10.0, mu=None, tau=TAU_PRIOR)["tau"].mean() for move in (0, 500)]
    assert tau[0] == pytest.approx(tau[1], rel=1e-6)
    wide = exact.normal(8 + 2 * (typical(8) - 8), 10.0, mu=None, tau=TAU_PRIOR)["tau"].mean()
    assert wide > 1.5 * tau[0]


@states("chapters/when-hierarchical.md", "$\\tau$ is known to be *small*.")
@states(
    "chapters/when-hierarchical.md", "If all groups have the same mean, complete pooling is the right model."
)
@states("chapters/when-hierarchical.md", "With $\\tau$ near zero the hierarchical model comes close to")
def test_ten_thousand_groups_alike():
    y = 10 * stats.norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    posterior = exact.normal(y, 10.0, mu=None, tau=TAU_PRIOR)
    assert posterior["tau"].quantile(0.95) < 2
    assert posterior["tau"].mean() > 3 * 10 / np.sqrt(10_000)
    assert posterior["theta"].sd().values.max() < 2 < 10
    # Complete pooling errs least, as it assumes what is true.
    rng, loss = np.random.default_rng(58), []
    for _ in range(200):
        y = rng.normal(8, ERROR)
        common = (y / ERROR**2).sum() / (ERROR**-2).sum()
        loss.append([(common - 8) ** 2, ((ByHand(y).theta - 8) ** 2).mean(), ((y - 8) ** 2).mean()])
    complete, partial, none = np.mean(loss, axis=0)
    assert complete < partial < none / 2
