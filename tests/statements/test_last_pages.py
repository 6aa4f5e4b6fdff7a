"""What the pages on when to use the models, on calibration and on Stein say, and two solutions."""

import inspect
import re

import numpy as np
import pytest
from scipy import integrate, stats
from statements import ROOT, states

import hierarchical_exact as exact
from support import datasets, sampling
from support.conventions import MU_PRIOR, SEED, TAU_PRIOR, USUAL_SEED
from tooling.audit import calibration, runs

SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"].values, SCHOOLS["standard_error"].values
A, G, H = 0, 6, 7
BRINGING = (ROOT / "chapters/bringing-together.md").read_text("utf-8")


def printed(label):
    """Numbers that a checked output of the last page has after a label."""
    line = re.search(rf"^  {re.escape(label)}(.*)$", BRINGING, re.MULTILINE)[1]
    return [float(number) for number in re.findall(r"-?\d+\.\d+", line)]


@pytest.fixture(scope="module")
def posterior():
    return exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)


# -- when to use ---------------------------------------------------------------------------------------


@states(
    "chapters/when-hierarchical.md",
    "With a $\\tau$ of 10 it holds even the mean $\\mu$ of all schools in only three quarters of data sets",
)
@states("chapters/when-hierarchical.md", "That is its coverage where $\\tau = 0$.")
@states("chapters/when-hierarchical.md", "School H has the largest standard error")
def test_complete_pooling_and_the_mean_of_all_schools():
    weights = ERROR**-2 / (ERROR**-2).sum()
    half = stats.norm.ppf(0.945) / np.sqrt((ERROR**-2).sum())
    held = [1 - 2 * stats.norm.sf(half / np.sqrt(weights**2 @ (ERROR**2 + tau**2))) for tau in (0, 10)]
    assert held == pytest.approx([0.89, 0.75], abs=0.01)
    assert ERROR.argmax() == H


@states(
    "chapters/when-hierarchical.md",
    "Complete pooling gives every group the grand mean, however large the groups.",
)
@states("chapters/when-hierarchical.md", "partial pooling and none differ only in what else they tell you")
@states(
    "chapters/when-hierarchical.md",
    "As a rule, partial pooling helps a group the more, the less the group knows by itself",
)
def test_large_groups_and_small_ones():
    means = 8 * stats.norm.ppf((np.arange(8) + 0.5) / 8)
    partial, complete = (exact.normal(means, 20 / 16, mu=MU_PRIOR, tau=t)["theta"] for t in (TAU_PRIOR, 0))
    assert abs(partial.mean().values - means).max() < 0.4
    assert np.ptp(complete.mean().values) < 1e-6 < 20 < np.ptp(means)
    alone = 20 / np.sqrt(2.0 ** np.arange(1, 9))
    narrower = exact.normal(means, alone, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"].sd().values / alone
    assert (np.diff(narrower) > 0).all()


@states(
    "chapters/when-hierarchical.md",
    "for small groups and for new groups, and more among many groups than among few.",
)
def test_many_groups_gain_more_than_few():
    """Data as the model expects, with tau 8 and standard errors 10: the average narrowing of an interval."""
    narrower = []
    for groups in (4, 8, 30, 100):
        q = stats.norm.ppf((np.arange(groups) + 0.5) / groups)
        y = q / q.std(ddof=1) * np.hypot(8, 10)
        narrower.append(exact.normal(y, 10, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"].sd().values.mean())
    assert (np.diff(narrower) < 0).all()


@states(
    "chapters/loo-comparison.md",
    "Each report is predicted by a distribution … to … times as wide, and the score falls",
)
@states(
    "chapters/loo-comparison.md", "The estimates would hardly suffer: they come nearer to the raw reports."
)
@states("chapters/loo-comparison.md", "a school that was left out there are no data to speak.")
def test_a_prior_ten_times_as_wide():
    ratio = np.hypot(200, ERROR) / np.hypot(20, ERROR)
    assert (ratio.min().round(), ratio.max().round()) == (7, 9)
    alone = [exact.normal(EFFECT, ERROR, mu=0, tau=sd)["theta"].mean().values for sd in (20, 200)]
    assert (abs(alone[1] - EFFECT) < abs(alone[0] - EFFECT)).all()


@states("chapters/when-hierarchical.md", "likelihood is flat in $\\tau^2$ up to about $\\sigma^2\\sqrt{2/J}$")
def test_how_far_the_likelihood_is_flat():
    """With S = J - 1, in units of sigma^2, and tau^2 a multiple of the root of 2/J."""
    for groups in (1000, 100_000):

        def likelihood(square, groups=groups):
            v = 1 + square
            return np.exp(-(groups - 1) / 2 * (np.log(v) + 1 / v - 1))

        root = np.sqrt(2 / groups)
        assert likelihood(root / 4) > 0.95
        assert likelihood(4 * root) < 0.01
        assert root > 10 / groups


# -- calibration ---------------------------------------------------------------------------------------


@states("chapters/calibration.md", "The mean of fifty draws still has a standard error of a seventh")
@states("chapters/calibration.md", "With errors that seem … to … times as large the data say next to nothing")
@states("chapters/calibration.md", "among so many models, one of 0.04 is no surprise")
@states("chapters/calibration.md", "of the 200 data sets, where two would be expected")
@states("chapters/calibration.md", "One curve is far outside, that of a prior which is half as wide")
@states(
    "chapters/calibration.md", "Where an exact posterior is known, one to ten data sets are enough for these"
)
def test_small_facts_of_calibration():
    assert 1 / np.sqrt(50) == pytest.approx(1 / 7, rel=0.02)
    assert (ERROR.min(), ERROR.max()) == (9, 18)  # a variance is its standard deviation times as large
    assert 1 - 0.96 ** calibration.recorded()["model"].nunique() > 0.3
    assert calibration.RANKED + 1 == 100  # a true value lies below all draws once in a hundred data sets
    assert calibration.recorded_faults()["distances"].max() <= 10


@states(
    "chapters/calibration.md",
    "that under the narrow prior does not, and so it is with other seeds.",
)
def test_a_narrow_prior_is_found_with_other_seeds():
    """In 20 studies of 100 data sets, with posteriors by a sum over tau."""
    tau = (np.arange(300) + 0.5) / 5

    def places(true_tau, y, scale):
        variance = ERROR[:, None] ** 2 + tau**2
        precision = (1 / variance).sum(axis=0) + 1 / 20**2
        mean = (y[..., None] / variance).sum(axis=1) / precision
        left = (y[..., None] ** 2 / variance).sum(axis=1) - mean**2 * precision
        log = -0.5 * (np.log(variance).sum(axis=0) + np.log(precision) + left + (tau / scale) ** 2)
        mass = np.exp(log - log.max(axis=1, keepdims=True))
        below = (mass.cumsum(axis=1) - mass / 2) / mass.sum(axis=1, keepdims=True)
        return [np.interp(one, tau, row) for one, row in zip(true_tau, below, strict=True)]

    rng = np.random.default_rng(58)
    found = []
    for _ in range(20):
        mu, true_tau = rng.normal(0, 20, (100, 1)), abs(rng.normal(0, 10, 100))
        y = rng.normal(rng.normal(mu, true_tau[:, None], (100, 8)), ERROR)
        found.append([stats.kstest(places(true_tau, y, scale), "uniform").pvalue for scale in (10, 5)])
    right, narrow = np.transpose(found)
    assert right.min() > 0.001 > narrow.max()


@states("chapters/calibration.md", "leaves it by a little at the left end only")
@states("chapters/calibration.md", "For the distances the first five data sets of either hundred are")
@states("chapters/calibration.md", "the band finds something in one of the two only")
@states("chapters/calibration.md", "a test of the whole distribution sees it sooner, with some hundreds")
def test_what_the_recorded_study_shows_of_the_centred_form():
    table = calibration.recorded()
    taus = table[table["quantity"] == "tau"].set_index("model")
    for form, found in (("schools_noncentred", False), ("schools_centred", True)):
        one = taus.loc[form]
        for start in (0, 100):
            z = (one["shift"] / one["mcse"]).iloc[start : start + 5]
            assert (stats.chi2(5).sf((z**2).sum()) < 0.05) == found
    places = taus.loc["schools_centred"]["place"].to_numpy()
    rng = np.random.default_rng(58)
    noticed = {
        size: np.mean([stats.kstest(rng.choice(places, size), "uniform").pvalue < 0.05 for _ in range(1000)])
        for size in (100, 600)
    }
    assert noticed[100] < 0.5 < 0.9 < noticed[600]
    lowest = [(places[start : start + 100] < 0.01).sum() for start in (0, 100)]
    # A band of 95% for all points is wider than the binomial one of 95% for this point.
    limit = stats.binom(100, 0.01).ppf(0.9975)
    assert lowest[0] > limit >= lowest[1]
    middle = np.sort(places[:100])
    steps = (np.arange(100) + 1) / 100
    inner = (middle > 0.05) & (middle < 0.95)
    assert abs(steps - middle)[inner].max() < 1.36 / 10  # Kolmogorov's 5% limit


# -- Stein's paradox -----------------------------------------------------------------------------------


def shrinkage(prior, groups, squares):
    """Posterior mean of 1 / (1 + tau^2) given the sum of squares: a sum over the arc tangent of tau."""
    nodes, node_weights = np.polynomial.legendre.leggauss(400)
    angle = np.pi / 4 * (nodes + 1)
    tau, factor = np.tan(angle), np.cos(angle) ** 2
    log = 0.5 * (groups - 1) * np.log(factor) - 0.5 * squares[:, None] * factor
    weights = np.exp(log - log.max(axis=1, keepdims=True)) * prior(tau) * node_weights / factor
    return (weights @ factor) / weights.sum(axis=1)


ROOTS = np.linspace(1e-3, 26, 801)


def risk(weight, groups, spread):
    """Total risk of shrinking toward the average, from the weights at the squares of ROOTS."""
    noncentrality, squares = groups * spread**2, ROOTS**2

    def mean(values, freedom):
        return integrate.trapezoid(
            values * stats.ncx2.pdf(squares, freedom, noncentrality) * 2 * ROOTS, ROOTS
        )

    inner = mean((1 - weight) ** 2 * squares, groups - 1) + noncentrality
    return 1 + inner - 2 * noncentrality * mean(1 - weight, groups + 1)


@pytest.fixture(scope="module")
def weights():
    flat, half_normal = np.ones_like, stats.halfnorm(scale=1).pdf
    found = {f"flat {groups}": shrinkage(flat, groups, ROOTS**2) for groups in (4, 5, 8)}
    return found | {"half-Normal 8": shrinkage(half_normal, 8, ROOTS**2)}


@states("chapters/bringing-together.md", "which is $2$ at $\\theta = 0$ whatever $J$ is")
@states("chapters/bringing-together.md", "Its risk when all $\\theta_i$ are equal is $1 + 2 = 3$.")
@states("chapters/bringing-together.md", "off, shrinking toward it saves little")
@states("chapters/bringing-together.md", "while shrinkage toward the average is as good as before")
@states(
    "chapters/bringing-together.md",
    "From Stein's theorem to the paper of Lindley and Smith it was sixteen years.",
)
@states(
    "chapters/bringing-together.md",
    "It costs one dimension: the average is estimated without shrinkage (risk 1)",
)
@states("chapters/bringing-together.md", "With all means equal to the fixed point the risk is")
@states("chapters/bringing-together.md", "The average has to be estimated, which uses up one dimension.")
def test_risks_of_james_stein():
    for groups in (3, 8, 50):
        inverse = stats.chi2(groups).expect(lambda s: 1 / s) if groups > 3 else 1.0  # 1 / (J - 2)
        assert groups - (groups - 2) ** 2 * inverse == pytest.approx(2, abs=1e-4)
        if groups > 3:
            assert risk((groups - 3) / ROOTS**2, groups, 0) == pytest.approx(3, abs=0.01)
    off = stats.ncx2(8, 8 * 3**2).expect(lambda s: 1 / s)
    assert 36 * off < 0.1 * 6
    assert 1972 - 1956 == 16


@states("chapters/bringing-together.md", "its risk stays below that of no pooling at every spread shown")
@states("chapters/bringing-together.md", "With four groups it misses by a hair, and with five it succeeds.")
@states("chapters/bringing-together.md", "about half that of James-Stein toward the average.")
@states("chapters/bringing-together.md", "The half-Normal model is lowest at small spreads and rises above 8")
@states(
    "chapters/bringing-together.md", "the flat hierarchical model rises slightly above it near a spread of 2"
)
@states("chapters/bringing-together.md", "climbs to a maximum and then settles at $J - 2$")
@states("chapters/bringing-together.md", "It is worse than no pooling from a spread of about 2.3 on")
def test_risks_of_the_hierarchical_model(weights):
    spreads = np.linspace(0, 5, 11)
    risks = {
        name: np.array([risk(weight, int(name[-1]), spread) for spread in spreads])
        for name, weight in weights.items()
    }
    assert (risks["flat 8"] < 8).all()
    assert (risks["flat 5"] < 5).all()
    above = risks["flat 4"] - 4
    assert 0 < above.max() < 0.06
    assert 1.5 <= spreads[above.argmax()] <= 2.5
    half_normal = risks["half-Normal 8"]
    assert half_normal[0] < 3 - 1
    assert half_normal[0] < risks["flat 8"][0]
    assert half_normal[-1] > 8
    crossed = (risk(weights["half-Normal 8"], 8, spread) - 8 for spread in (2.1, 2.4))
    assert next(crossed) < 0 < next(crossed)
    assert stats.halfnorm.sf(2.3) < 0.025
    for groups in (4, 5, 8):
        curve = weights[f"flat {groups}"] * ROOTS**2
        assert curve[-1] == pytest.approx(groups - 2, rel=0.02)
        assert curve.max() > groups - 2 + 0.1
        top = curve.argmax()
        assert (np.diff(curve[: top + 1]) > 0).all()


@states(
    "glossary.md",
    "It needs at least three means to shrink toward a fixed point, and four to shrink toward their average",
)
@states(
    "chapters/bringing-together.md",
    "shrinking toward the average crosses above zero beyond a spread of about 1.3",
)
@states(
    "chapters/bringing-together.md", "From four groups on it does, though the gain at large spreads is small."
)
@states("chapters/bringing-together.md", "That is for a point fixed beforehand.")
@states(
    "chapters/bringing-together.md", "The table below has the two differences, for three groups and for four."
)
def test_three_groups_are_too_few_for_the_average():
    def excess(groups, constant, spread):
        return risk(np.minimum(1, constant / ROOTS**2), groups, spread) - groups

    assert excess(3, 1, 1.2) < 0 < excess(3, 1, 1.4)
    gains = [excess(4, 1, spread) for spread in (0, 1, 2, 3, 5)]
    for spread in (0, 1, 5):  # toward a fixed point, three: J - (J - 2)^2 E[1 / S]
        poisson = stats.poisson(3 * spread**2 / 2).pmf(np.arange(400))
        assert 0 < (poisson / (1 + 2 * np.arange(400))).sum() <= 1
    assert max(gains) < 0
    assert gains[-1] > -0.02


@states("chapters/bringing-together.md", "any other constant makes some configuration worse")
@states("chapters/bringing-together.md", "no curve of James-Stein touches 8")
def test_every_constant_is_worse_somewhere_for_three_groups():
    """Without a positive part two directions gain c (2 (J - 3) - c) E[1 / S], which is negative for J = 3."""
    for constant in (0.05, 0.3, 1, 2):
        weight = np.minimum(1, constant / ROOTS**2)
        assert max(risk(weight, 3, spread) for spread in (2, 3, 4)) > 3
    for spread in np.linspace(0, 5, 11):
        assert risk(5 / ROOTS**2, 8, spread) < 8
        noncentrality = 8 * spread**2
        inverse = integrate.quad(
            lambda s, n=noncentrality: stats.ncx2(8, n + 1e-12).pdf(s) / s, 0, 600, limit=300
        )[0]
        assert 8 - 36 * inverse < 8


@states(
    "chapters/bringing-together.md",
    "With seven means at 0 and one at 5, the squared error of the one is … by James-Stein instead of 1, and "
    "that of each of the seven ….",
)
@states("chapters/bringing-together.md", "It can: many small gains outweigh one loss.")
@states("chapters/bringing-together.md", "What counts is where the true values lie.")
def test_one_group_pays_for_seven():
    noise = np.random.default_rng(58).normal(size=(100_000, 8))

    def risks(theta):
        y = theta + noise
        from_centre = y - y.mean(axis=1, keepdims=True)
        kept = 1 - 5 / (from_centre**2).sum(axis=1, keepdims=True)
        return ((y - from_centre * (1 - kept) - theta) ** 2).mean(axis=0)

    assert risks(np.zeros(8)).max() < 1
    far = risks(np.array([0.0] * 7 + [5.0]))
    assert far[:7].max() < 1 < far[7]
    assert far.sum() < 8


@states("chapters/bringing-together.md", "Six batches tell their scale less well than 24 plates do theirs")
@states("chapters/bringing-together.md", "… times as large.")
@states(
    "chapters/bringing-together.md",
    "two of about the same size make the standard deviation $\\sqrt 2$ times as large",
)
@states("chapters/bringing-together.md", "A single group far from the rest can be estimated worse")
@states(
    "chapters/bringing-together.md",
    "The school is pulled toward its district, and the district toward the grand mean.",
)
def test_what_the_printed_numbers_of_the_last_page_show():
    plate, batch = printed("tau_plate"), printed("tau_batch")
    assert batch[1] / batch[0] > 1.2 * plate[1] / plate[0]
    seen, new = printed("a new school in district 1:")[0], printed("a new school in a new district:")[0]
    assert 1.5 < new / seen < 1.75
    for name in ("James-Stein, average", "hierarchical, flat"):
        low = printed(f"{name}  ")[
            4
        ]  # lower end of the outlier's interval, after two of the others and their error
        assert low > printed("no pooling             ")[5]
    labels = ("pupils' average", "posterior mean", "district's posterior", "district's average")
    school, estimate, district, district_mean = (printed(f"its {label}:")[0] for label in labels)
    grand = printed("the grand mean:")[0]
    assert district < estimate < school
    assert grand < district < district_mean


# -- leave one school out by hand ----------------------------------------------------------------------


@states("solutions/leave-one-school-out.md", "is nearly all of the uncertainty")
@states("solutions/leave-one-school-out.md", "lower in the middle and higher in the flanks")
@states("solutions/leave-one-school-out.md", "out in the flank, and there the wider curve wins, by a hair")
@states(
    "solutions/leave-one-school-out.md",
    "in the right flank, where partial pooling's curve is the highest and that of no pooling the lowest",
)
def test_the_report_of_school_a():
    def density(tau):
        new = exact.normal(EFFECT[1:], ERROR[1:], mu=MU_PRIOR, tau=tau)["theta_new"]
        at = (6, -40, EFFECT[A], 50)
        return np.array([new.expect(lambda t, x=x: stats.norm.pdf(x, t, ERROR[A])) for x in at])

    complete, partial = density(0.0), density(TAU_PRIOR)
    assert partial[0] < complete[0]
    assert (partial[1:] > complete[1:]).all()
    none = stats.norm.pdf(EFFECT[A], 0, np.hypot(20, ERROR[A]))
    assert none < complete[2] < partial[2] < 1.1 * complete[2]
    variance = 1 / (1 / 400 + (ERROR[1:] ** -2).sum())
    assert ERROR[A] > 0.95 * np.sqrt(variance + ERROR[A] ** 2)


@states("solutions/leave-one-school-out.md", "Partial pooling gains in A and G, whose reports lie farthest")
@states("solutions/leave-one-school-out.md", "No pooling lies three points behind")
@states(
    "solutions/leave-one-school-out.md",
    "Its value for partial pooling is nearly right, the two others are not",
)
@states("solutions/leave-one-school-out.md", "is little more than half of that")
def test_leaving_out_each_school(posterior):
    far = []
    for i in range(8):
        rest = np.arange(8) != i
        mu = exact.normal(EFFECT[rest], ERROR[rest], mu=MU_PRIOR, tau=0)["mu"]
        far.append(abs(EFFECT[i] - mu.mean()) / np.hypot(mu.sd(), ERROR[i]))
    complete, none = (
        exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0),
        exact.normal(EFFECT, ERROR, mu=0, tau=20),
    )
    elpd = [fit.elpd_loo.values for fit in (complete, posterior, none)]
    gain = elpd[1] - elpd[0]
    assert sorted(np.argsort(far)[-2:]) == sorted(np.flatnonzero(gain > 0)) == [A, G]
    behind = [(one - elpd[2]).sum() for one in elpd[:2]]
    assert [round(number) for number in behind] == [3, 3]
    off = abs(np.array([-31.9, -30.8, -31.4]) - [one.sum() for one in elpd])
    assert off[1] < 0.15 < 1 < min(off[0], off[2])

    def difference(y):
        fits = (exact.normal(y, ERROR, mu=MU_PRIOR, tau=tau) for tau in (TAU_PRIOR, 0))
        partial, pooled = (fit.elpd_loo.values.sum() for fit in fits)
        return partial - pooled

    changes = [difference(EFFECT + step) - gain.sum() for step in np.diag(ERROR)]
    assert 0.5 < np.sqrt(8) * gain.std(ddof=1) / np.linalg.norm(changes) < 0.6


@states("solutions/leave-one-school-out.md", "by seven points in root mean square")
@states(
    "chapters/practical-considerations.md",
    "differ by $\\tau\\sqrt2$ in root mean square, and about half of all pairs by less than $\\tau$.",
)
def test_schools_differ_by_seven_points():
    assert np.sqrt(2) * 5 == pytest.approx(7, abs=0.1)
    apart = stats.halfnorm(scale=np.sqrt(2))
    assert np.sqrt(apart.moment(2)) == pytest.approx(np.sqrt(2))
    assert 0.5 < apart.cdf(1) < 0.53


# -- the non-centred form ------------------------------------------------------------------------------


@states(
    "solutions/noncentred-reparameterisation.md",
    "Unless told otherwise, `sample` runs 4 chains of 2000 draws, after 1000 for tuning, from the seed 42.",
)
@states(
    "solutions/noncentred-reparameterisation.md",
    "with seed 42 and `target_accept` 0.90, which are what `sample` takes if not told otherwise",
)
def test_what_sample_does_unless_told_otherwise():
    defaults = {name: one.default for name, one in inspect.signature(sampling.sample).parameters.items()}
    assert [defaults[name] for name in ("chains", "draws", "tune", "target_accept")] == [4, 2000, 1000, 0.9]
    assert defaults["seed"] == SEED
    assert USUAL_SEED == 42


@states(
    "solutions/noncentred-reparameterisation.md",
    "schools with high effects have a $\\tilde\\theta$ that leans up",
)
@states("solutions/noncentred-reparameterisation.md", "all are a little narrower than the prior")
@states("solutions/noncentred-reparameterisation.md", "so its shortest interval begins at zero")
@states("solutions/noncentred-reparameterisation.md", "$\\tilde\\theta$ narrows as $\\tau$ grows")
@states(
    "solutions/noncentred-reparameterisation.md",
    "$\\tilde\\theta_i$ becomes standard Normal again, also given the data.",
)
@states("solutions/noncentred-reparameterisation.md", "the mean goes to 0 and the standard deviation to 1")
@states(
    "solutions/noncentred-reparameterisation.md", "For larger $\\tau$ the data narrow $\\tilde\\theta_i$."
)
def test_effects_in_units_of_tau(posterior):
    """By sums over mu and tau of the conditional moments."""
    mu, tau = np.meshgrid(np.linspace(-40, 50, 361), np.arange(0.05, 60, 0.1), indexing="ij")
    log = MU_PRIOR.logpdf(mu) + TAU_PRIOR.logpdf(tau)
    for y, error in zip(EFFECT, ERROR, strict=True):
        log += stats.norm.logpdf(y, mu, np.hypot(error, tau))
    mass = np.exp(log - log.max())
    mass /= mass.sum()
    for y, error in zip(EFFECT, ERROR, strict=True):
        variance = error**2 + tau**2
        mean = tau * (y - mu) / variance
        raw = (mass * mean).sum()
        sd = np.sqrt((mass * (mean**2 + error**2 / variance)).sum() - raw**2)
        assert 0.85 < sd < 1
        if abs(y - posterior["mu"].mean()) > 3:
            assert np.sign(raw) == np.sign(y - posterior["mu"].mean())
    assert posterior["tau"].hdi(0.89).values[0] == pytest.approx(0, abs=1e-3)
    precise = [1.5 / np.hypot(1.5, t) for t in (0.1, 1, 5, 20)]
    assert (np.diff(precise) < 0).all()
    assert 1e-3 * (28 - 8) / (15**2 + 1e-6) < 1e-3
    assert 15 / np.hypot(15, 1e-3) == pytest.approx(1)


@states(
    "solutions/noncentred-reparameterisation.md",
    "In most runs the centred draws stop short of the neck",
)
@states("solutions/noncentred-reparameterisation.md", "with some seeds it has a few")
@states("solutions/noncentred-reparameterisation.md", "Another seed or sampler changes both many times over")
def test_what_other_runs_show():
    recorded = runs.recorded()
    lowest = recorded["centred-0.90/tau_hdi_lower"], recorded["non-centred/tau_hdi_lower"]
    assert (lowest[0] > 10 * lowest[1]).mean() > 0.5
    few = recorded["non-centred/divergences"]
    assert 0 < (few > 0).sum() < len(few)
    assert few.max() < 40
    for name in ("divergences", "tau/ess_bulk"):
        values = recorded[f"centred-0.90/{name}"]
        assert values.max() > 5 * values[values > 0].min()


# -- a new group ------------------------------------------------------------------------------------------


@states("solutions/new-group-prediction.md", "As a rule it is wider than the posterior of an observed group")
@states(
    "solutions/new-group-prediction.md",
    "Only a group whose report lies far out may be known less well than a new one.",
)
def test_a_group_may_be_known_less_well_than_a_new_one(posterior):
    assert (posterior["theta"].sd() < posterior["theta_new"].sd()).all()
    wider = []
    for far in (0, 1, 3, 4):  # in standard errors of the eighth group
        y, error = np.append(np.linspace(-4, 4, 7), 15 * far), np.append(np.full(7, 5.0), 15)
        fit = exact.normal(y, error, mu=MU_PRIOR, tau=TAU_PRIOR)
        wider.append(float(fit["theta"].sd()[7]) > fit["theta_new"].sd())
    assert wider == [False, False, True, True]


# -- three single sentences ------------------------------------------------------------------------------


@states(
    "chapters/mathematical-structure.md", "That of H ends close to $\\mu$: nine tenths of the way are gone."
)
@states(
    "chapters/loo-comparison.md", "owes more than 70% of its estimate to its own datum cannot be left out"
)
@states(
    "chapters/eight-schools.md",
    "every effect but D's, which is drawn to a higher $\\mu$, stays closer to its own",
)
def test_shares_of_reports(posterior):
    assert ERROR[H] ** 2 / (ERROR[H] ** 2 + 6**2) == pytest.approx(0.9)
    # The k of a weight's tail is this share, and the estimate needs a k below 0.7.
    theta = exact.normal(EFFECT, ERROR, mu=0, tau=20)["theta"]
    assert (theta.sd().values / ERROR) ** 2 == pytest.approx(theta.mean().values / EFFECT)
    flat = exact.normal(EFFECT, ERROR, mu=None, tau=None)
    closer = abs(flat["theta"].mean() - EFFECT).values < abs(posterior["theta"].mean() - EFFECT).values
    assert np.flatnonzero(~closer).tolist() == [3]
    assert flat["mu"].mean() > posterior["mu"].mean()
