"""What else the opening page, the recap and the page on pooling assert, by sums and closed forms."""

import inspect

import arviz as az
import numpy as np
import pytest
from by_hand import EFFECT, ERROR, TAU, ByHand
from scipy import stats
from statements import states

import hierarchical_exact as exact
from support import checks, datasets
from support.conventions import MU_PRIOR, TAILS
from tooling.scripts import instructors

OWN = ByHand()
A, C, E, G, H = 0, 2, 4, 6, 7
SECTIONS = datasets.instructors()
SCORE, INSTRUCTOR = SECTIONS["score"].values, SECTIONS["instructor"].values
NAMES, SIZE = np.unique(INSTRUCTOR, return_counts=True)
SECTION = [SCORE[name == INSTRUCTOR] for name in NAMES]
TRUE = np.array([SECTIONS["true_mean"].values[name == INSTRUCTOR][0] for name in NAMES])


def at(tau):
    return np.searchsorted(TAU, tau)


def semester(means, sigma=12.0):
    """Posterior of the section means, in points from 50, for a known sigma."""
    return ByHand(means - 50, sigma / np.sqrt(SIZE), mu_sd=25.0)


# -- the opening page ----------------------------------------------------------------------------------


@states("chapters/hierarchical-models.md", "Not its own number, which is partly luck.")
@states("chapters/hierarchical-models.md", "Something in between, and **the data say how far**.")
@states(
    "chapters/hierarchical-models.md",
    "with a standard error of 15, goes from 28 to …, which is … of the way to the common value ….",
)
@states("chapters/hierarchical-models.md", "School G measured more precisely, with a standard error of 10.")
@states("chapters/hierarchical-models.md", "It goes from 18 to …, … of the way.")
@states("chapters/hierarchical-models.md", "The second, $\\tau$, is learned from the data.")
def test_how_far_a_and_g_go():
    weight = 1 / (ERROR**2)
    common = weight @ EFFECT / (weight.sum() + 20**-2)
    assert (EFFECT[A], ERROR[A], EFFECT[G], ERROR[G]) == (28, 15, 18, 10)
    way = (EFFECT - OWN.theta) / (EFFECT - common)
    assert 0.5 < way[G] < way[A] < 1
    # Reports three times as far apart are moved less, by the same errors and the same priors.
    wide = ByHand(common + 3 * (EFFECT - common))
    assert (wide.mass @ wide.factor < 0.7 * (OWN.mass @ OWN.factor)).all()


@states("chapters/hierarchical-models.md", "If it is zero, all schools are the same, which is complete")
@states("chapters/hierarchical-models.md", r"For any $\tau$ in between, the estimates follow from a formula")
@states("chapters/hierarchical-models.md", "This is one end of the dial.")
@states("chapters/hierarchical-models.md", "One dial, and a different gear for each school.")
@states("chapters/hierarchical-models.md", "In between is for those who do not know how much schools differ")
@states("chapters/hierarchical-models.md", "A hierarchical model does not choose one setting.")
def test_the_settings_of_the_dial():
    for tau in (0.0, 3.0, 12.0):
        # Jointly Normal, with no formula for shrinkage: the covariance of effects and reports.
        prior = 400 + tau**2 * np.eye(8)
        estimate = prior @ np.linalg.solve(prior + np.diag(ERROR**2), EFFECT)
        variance = ERROR**2 + tau**2
        mu = (EFFECT / variance).sum() / ((1 / variance).sum() + 1 / 400)
        factor = ERROR**2 / variance
        assert estimate == pytest.approx(factor * mu + (1 - factor) * EFFECT)
        assert np.ptp(estimate) < 1e-9 if tau == 0 else estimate[A] - mu > 0.5
        if tau:  # the order of the factors is that of the errors, with no two apart alike
            assert len(np.unique(factor)) == len(np.unique(ERROR))
    # No stretch of two points of tau has a third of the posterior.
    cumulative = OWN.mass.cumsum()
    assert (cumulative[40:] - cumulative[:-40]).max() < 1 / 3


@states(
    "chapters/hierarchical-models.md",
    "report, that of school H, keeps … of its distance from the mean, the most precise one, that of E, ….",
)
@states("chapters/hierarchical-models.md", "School A stands at …, … points below its report.")
@states("chapters/hierarchical-models.md", "School E measured with a standard error of 9, school H with 18.")
def test_the_dial_at_five():
    kept = 1 - ERROR**2 / (ERROR**2 + 25)
    assert (kept.argmin(), kept.argmax(), ERROR.argmax(), ERROR.argmin()) == (H, E, H, E)
    assert EFFECT[A] - OWN.given[at(5.0), A] > 15


@states("chapters/hierarchical-models.md", "The eight do not say that they are.")
@states("chapters/hierarchical-models.md", "If it is a school of the same kind, the eight tell it what to")
@states("chapters/hierarchical-models.md", "This needs an estimate of how much schools differ.")
@states("chapters/hierarchical-models.md", "It also has nothing to say about a group that is still to come.")
@states("chapters/mathematical-structure.md", "No pooling knows nothing about it beyond a prior.")
def test_what_a_ninth_school_learns():
    assert OWN.mass[TAU > 1].sum() > 0.8
    before, after = np.sqrt(400 + 100), np.sqrt(OWN.variance_of_mu + OWN.mass @ TAU**2)
    assert after < 0.45 * before
    # Most of that variance is tau's. With its sd at half or twice, the range is another one.
    assert OWN.mass @ TAU**2 > OWN.variance_of_mu
    # Eight effects with a prior each: a ninth has this prior, whatever the eight report.
    for effect in (EFFECT, 3 * EFFECT):
        alone = exact.normal(effect, ERROR, mu=0.0, tau=20.0)["theta_new"]
        assert (alone.mean(), alone.sd()) == pytest.approx((0, 20))


@states("chapters/hierarchical-models.md", "The further a group's data are from settling its own question")
def test_who_leans_on_the_others():
    """The more data, the less a report of another school moves the estimate."""
    moved = []
    for more in (1, 4, 16, 64):
        error = ERROR.copy()
        error[H] /= np.sqrt(more)
        other = EFFECT.copy()
        other[A] += 5
        moved.append(ByHand(other, error).theta[H] - ByHand(EFFECT, error).theta[H])
    assert (np.diff(moved) < 0).all()
    assert moved[-1] < 0.2 * moved[0]


# -- the recap -----------------------------------------------------------------------------------------


@states("chapters/recap.md", "With one parameter, all of this is arithmetic on a grid.")
@states("chapters/recap.md", "The answer is the shaded curve of")
@states("chapters/recap.md", "divided by whatever makes the area one")
@states("chapters/recap.md", r"The denominator $p(y)$ is the {term}`evidence`.")
def test_one_parameter_on_a_grid():
    step = 0.01
    theta = np.arange(-150, 150, step)
    both = stats.norm(0, 20).pdf(theta) * stats.norm(theta, 9).pdf(-1)
    area = both.sum() * step
    assert area == pytest.approx(stats.norm(0, np.hypot(20, 9)).pdf(-1))
    mean = theta @ both * step / area
    assert mean == pytest.approx(-400 / 481)
    assert abs(mean + 1) < abs(mean)  # nearer to the report than to the prior's mean


@states("chapters/recap.md", "That is what the shortest interval does.")
@states("chapters/recap.md", "An interval may begin at zero all the same.")
@states("chapters/recap.md", "In ArviZ the argument `ci_kind` decides.")
@states("chapters/recap.md", "So an interval must say which kind it is.")
@states("chapters/recap.md", "This book uses 89% intervals")
def test_two_kinds_of_interval():
    assert OWN.mass.argmax() == 0
    draws = np.random.default_rng(58).choice(TAU, (4, 4000), p=OWN.mass)
    low = {
        kind: az.summary(az.from_dict({"posterior": {"tau": draws}}), ci_kind=kind, round_to="none").iloc[
            0, 2
        ]
        for kind in ("hdi", "eti")
    }
    assert low["hdi"] < 0.05
    assert low["eti"] == pytest.approx(TAU[OWN.mass.cumsum() > 0.055][0], abs=0.05)
    assert TAILS[1] - TAILS[0] == pytest.approx(0.89)


@states("chapters/recap.md", "the Dirichlet distribution, which is a Beta with more components")
@states(
    "chapters/recap.md",
    "A prior is {term}`conjugate <conjugate prior>` when the posterior belongs to the same",
)
@states("chapters/recap.md", "region 5 has 35 respondents")
@states("chapters/recap.md", '"Flat" always means flat in something.')
@states(
    "chapters/dirichlet-multinomial.md",
    "of such a vector is the Dirichlet distribution, which generalises the Beta",
)
def test_beta_and_dirichlet():
    for x in (0.2, 0.7):
        assert stats.dirichlet([3.0, 5]).pdf([x, 1 - x]) == pytest.approx(stats.beta(3, 5).pdf(x))
        slope = [stats.beta(1, 1).pdf(x) * x * (1 - x), stats.logistic.pdf(np.log(x / (1 - x)))]
        assert slope[0] == pytest.approx(slope[1])  # flat in the share, a hill in the log odds
    count, prior = datasets.survey()["count"].values[4], np.array([2.0, 1, 0.5, 3])
    assert count.sum() == 35
    shares = np.random.default_rng(58).dirichlet(np.ones(4), 5)
    ratio = [
        stats.dirichlet(prior).pdf(s)
        * stats.multinomial(35, s).pmf(count)
        / stats.dirichlet(prior + count).pdf(s)
        for s in shares
    ]
    assert ratio == pytest.approx(np.full(5, ratio[0]))


def roll(place, push, step, sd, steps):
    """Leapfrog in a Normal posterior: places and energies."""
    places, energies = [place], [(place / sd) ** 2 / 2 + push**2 / 2]
    for _ in range(steps):
        push -= step / 2 * place / sd**2
        place += step * push
        push -= step / 2 * place / sd**2
        places.append(place)
        energies.append((place / sd) ** 2 / 2 + push**2 / 2)
    return np.array(places), np.array(energies)


@states("chapters/recap.md", "How much depends on the step length relative to the width of the")
@states("chapters/recap.md", "In a narrow valley it lands high up on the other side.")
@states("chapters/recap.md", "Each step follows a straight piece of the path.")
@states("chapters/recap.md", "A computer rolls the ball in steps of finite length.")
@states("chapters/eight-schools.md", "An exact path would keep its energy")
def test_steps_and_widths():
    _, one = roll(0.4, 0.3, 1.0, 0.8, 12)
    _, twice = roll(0.8, 0.3, 2.0, 1.6, 12)
    assert one == pytest.approx(twice)
    places, _ = roll(0.4, 0.0, 1.0, 0.4, 1)
    assert places[1] < 0
    assert (places[1] / 0.4) ** 2 > 4 * (places[0] / 0.4) ** 2
    # Halving the step divides the energy's error by four, towards a path that keeps it.
    errors = [abs(np.ptp(roll(1.0, 0.5, step, 1.0, round(6 / step))[1])) for step in (0.1, 0.05, 0.025)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.03)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.03)


def chains(rng, rho, size=(4, 1000)):
    """Draws with standard deviation 1 whose neighbours have a correlation."""
    noise = rng.normal(size=size) * np.sqrt(1 - rho**2)
    draws = np.empty(size)
    draws[:, 0] = rng.normal(size=size[0])
    for k in range(1, size[1]):
        draws[:, k] = rho * draws[:, k - 1] + noise[:, k]
    return draws


@states("chapters/recap.md", r"ESS counts independent draws, MCSE says how far off a mean may be.")
@states("chapters/recap.md", r"posterior mean is $\text{sd} / \sqrt{\text{ESS}}$.")
@states("chapters/recap.md", "is the number of independent draws that would be as good")
@states(
    "chapters/recap.md", "From one run, without knowing the truth, ArviZ tells how far off the mean may be."
)
@states("chapters/recap.md", "in any other they would differ by as much as the error says.")
@states(
    "glossary.md",
    "for a mean, the posterior standard deviation divided by the square root of the effective sample size",
)
def test_what_ess_and_mcse_count():
    rng = np.random.default_rng(58)
    means, told = [], []
    for _ in range(60):
        draws = chains(rng, 0.6)
        means.append(draws.mean())
        told.append(float(az.mcse(draws)))
        assert told[-1] == pytest.approx(
            draws.std(ddof=1) / np.sqrt(float(az.ess(draws, method="mean"))), rel=1e-3
        )
    # The error that each run tells is the scatter of the means of all; 60 runs know it to a tenth.
    assert np.mean(told) == pytest.approx(np.std(means), rel=4 / np.sqrt(120))
    alone = [float(az.ess(rng.normal(size=(4, 1000)), method="mean")) for _ in range(20)]
    assert np.mean(alone) == pytest.approx(4000, rel=0.05)
    # Independent draws, as many as the ESS, have means that scatter as much.
    assert 1 / np.sqrt(1000) == pytest.approx(np.mean(told), rel=0.1)


@states("glossary.md", "It tends to 1 when all chains explore the same distribution")
@states("chapters/recap.md", "ArviZ splits each chain in two and works on ranks")
def test_what_r_hat_compares():
    rng = np.random.default_rng(58)
    same = [np.mean([az.rhat(rng.normal(size=(4, n))) for _ in range(20)]) - 1 for n in (50, 500, 5000)]
    assert same[0] > 4 * same[1] > 16 * same[2] > 0
    drifting = rng.normal(size=(4, 1000)) + np.linspace(0, 3, 1000)
    assert az.rhat(drifting, method="identity") < 1.01 < float(az.rhat(drifting))  # the halves differ
    draws = rng.standard_cauchy((4, 500))
    assert float(az.rhat(draws)) == pytest.approx(float(az.rhat(np.arctan(draws))), abs=1e-3)


@states("chapters/pooling-problem.md", "*agrees* means that the two differ by at most 4.5")
@states(
    "chapters/recap.md", "what share of the draws lies below each exact one, and whether that is the share"
)
@states("chapters/recap.md", "the prior is conjugate, so precisions add up as in")
@states("chapters/pooling-problem.md", "The last line compares quantiles in the same way.")
def test_when_a_comparison_agrees():
    posterior = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0.0)
    precision = (ERROR**-2).sum() + 20**-2
    mean, sd = (EFFECT / ERROR**2).sum() / precision, precision**-0.5
    assert posterior["mu"].mean() == pytest.approx(mean)
    assert posterior["mu"].sd() == pytest.approx(sd)
    draws = np.random.default_rng(58).normal(size=(4, 2000))
    draws = mean + sd * (draws - draws.mean()) / draws.std(ddof=1)
    error = float(az.mcse(draws))
    for shift, verdict in ((4.4, "agrees"), (4.6, "differs")):
        moved = az.from_dict({"posterior": {"mu": draws + shift * error}})
        table = checks.compare(moved, posterior, ["mu"]).table.set_index("statistic")
        assert table.loc["mean", "verdict"] == verdict
        assert table.loc["below 5%", "exact"] == 0.05
        below = (draws + shift * error < stats.norm(mean, sd).ppf(0.05)).mean()
        assert table.loc["below 5%", "sampled"] == pytest.approx(below)


@states("chapters/recap.md", "Each term is a logarithm of a mean of weights.")
@states("chapters/recap.md", "LOO predicts each observation from the others.")
@states("chapters/recap.md", "ArviZ reuses the draws of the one fit instead.")
@states("chapters/recap.md", "up to about 0.7 all is well")
@states("glossary.md", "above about 0.7 the result is unreliable")
@states(
    "chapters/loo-comparison.md", "The draws of one fit are reweighted as if school $i$ had been left out"
)
def test_leave_one_out_from_one_fit():
    precision = (ERROR**-2).sum() + 20**-2
    mean, sd = (EFFECT / ERROR**2).sum() / precision, precision**-0.5
    z = (np.arange(200_000) + 0.5) / 200_000
    mu = stats.norm(mean, sd).ppf(z)
    score = []
    for i in range(8):
        less = precision - ERROR[i] ** -2
        centre = (mean * precision - EFFECT[i] / ERROR[i] ** 2) / less
        score.append(stats.norm(centre, np.hypot(less**-0.5, ERROR[i])).logpdf(EFFECT[i]))
        weight = 1 / stats.norm(mu, ERROR[i]).pdf(EFFECT[i])
        assert -np.log(weight.mean()) == pytest.approx(score[-1], abs=2e-3)
    draws = np.random.default_rng(58).permutation(mu)[:8000].reshape(4, 2000)
    log = stats.norm(draws[..., None], ERROR).logpdf(EFFECT)
    fit = az.from_dict({"posterior": {"mu": draws}, "log_likelihood": {"y": log}})
    found = az.loo(fit)
    assert found.good_k == pytest.approx(0.7)
    assert found.elpd == pytest.approx(sum(score), abs=0.05)


# -- five sections ------------------------------------------------------------------------------------


@states("chapters/pooling-problem.md", "Five sections of a course sat one exam.")
@states("chapters/pooling-problem.md", "so we also know the true means from which they were drawn")
@states("chapters/pooling-problem.md", "The scores are simulated, and stored with this book")
@states("chapters/pooling-problem.md", r"The scores were simulated with $\sigma = 12$ and $\tau = 8$.")
def test_where_the_scores_come_from():
    again = instructors.simulate(np.random.default_rng(58), tau=8.0, sigma=12.0)
    assert np.round(again["score"].values, 1) == pytest.approx(SCORE)
    assert len(NAMES) == len(np.unique(TRUE)) == 5
    many = instructors.simulate(np.random.default_rng(7), sizes=[50] * 200, mu=50.0)
    within = many["score"].values - many["true_mean"].values
    assert within.std() == pytest.approx(12, rel=4 / np.sqrt(20_000))
    assert np.unique(many["true_mean"].values).std() == pytest.approx(8, rel=4 / np.sqrt(400))
    assert inspect.signature(instructors.simulate).parameters["sigma"].default == 12.0


@states("chapters/pooling-problem.md", "would be told that common mean, only with more confidence.")
@states("chapters/pooling-problem.md", "It is also the answer for everyone")
@states("chapters/pooling-problem.md", "All students form one group, with one mean")
@states("chapters/pooling-problem.md", "the same as for everybody, with the same certainty.")
@states("chapters/pooling-problem.md", "The interval of complete pooling is far too sure of itself")
def test_one_mean_for_all():
    once, ten = (
        exact.normal_sample(np.tile(SCORE, times), mu=stats.norm(50, 25), sigma=stats.halfnorm(scale=15))[
            "mu"
        ]
        for times in (1, 10)
    )
    assert ten.mean() == pytest.approx(once.mean(), abs=0.15)
    assert once.sd() / ten.sd() == pytest.approx(np.sqrt(10), rel=0.03)
    low, high = once.quantile(0.055), once.quantile(0.945)
    held = ((low < TRUE) & (high > TRUE)).sum()
    assert held <= 2
    # Scores that change hands between sections change nothing in it.
    mixed = exact.normal_sample(
        np.random.default_rng(58).permutation(SCORE), mu=stats.norm(50, 25), sigma=stats.halfnorm(scale=15)
    )["mu"]
    assert (mixed.mean(), mixed.sd()) == pytest.approx((once.mean(), once.sd()))


@states(
    "chapters/pooling-problem.md", "a prediction that has learnt from the data how much instructors differ"
)
@states("chapters/pooling-problem.md", "The data do not enter at all.")
@states("chapters/pooling-problem.md", r"nothing but the prior that each $\theta_i$ was given")
@states(
    "chapters/pooling-problem.md", "Five instructors are few to learn this from, and the interval is honest"
)
def test_a_sixth_instructor():
    """The width of the prediction for means as they are, and for means half and twice as far apart."""
    means = np.array([section.mean() for section in SECTION])
    sd = []
    for far in (0.25, 1.0, 2.0):
        own = semester(means.mean() + far * (means - means.mean()))
        sd.append(np.sqrt(own.variance_of_mu + own.mass @ TAU**2))
    assert sd[0] < 0.75 * sd[1]
    assert sd[1] < 0.8 * sd[2]
    # With fifty instructors who differ as much the prediction would be narrower by a fifth at least.
    fifty = ByHand(np.tile(means - 50, 10), np.tile(12 / np.sqrt(SIZE), 10), mu_sd=25.0)
    assert np.sqrt(fifty.variance_of_mu + fifty.mass @ TAU**2) < 0.85 * sd[1]
    for scores in (means, means + 10):
        alone = exact.normal(scores, 12 / np.sqrt(SIZE), mu=50.0, tau=25.0)["theta_new"]
        assert (alone.mean(), alone.sd()) == pytest.approx((50, 25))


@states("chapters/pooling-problem.md", "A narrower interval is the rule for small groups, not a law.")
@states("chapters/pooling-problem.md", "One semester proves nothing, either way.")
@states("chapters/pooling-problem.md", "The price is **variance**")
@states("chapters/pooling-problem.md", "their means are draws from one")
def test_many_semesters():
    rng = np.random.default_rng(58)
    error, alone = 12 / np.sqrt(SIZE), (SIZE / 144 + 1 / 625) ** -0.5
    narrower, better, total = [], [], []
    for _ in range(300):
        theta = rng.normal(75, 8, 5)
        means = rng.normal(theta, error)
        own = semester(means)
        narrower.append(own.sd < alone)
        loss = [((one - theta) ** 2).mean() for one in (own.theta + 50, means)]
        better.append(loss[0] < loss[1])
        total.append(loss)
    first = np.mean(narrower, axis=0)[0]
    assert 3 / 4 < first < 19 / 20  # the section of eight: the rule, and no law
    assert 0.55 < np.mean(better) < 0.85
    pooled, none = np.mean(total, axis=0)
    assert pooled < none
    assert none == pytest.approx((error**2).mean(), rel=0.15)
