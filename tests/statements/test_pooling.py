"""What the first pages say of the eight schools and the five instructors."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAILS, TAU_PRIOR
from tooling.audit import runs

SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"].values, SCHOOLS["standard_error"].values
EXAM = {"mu": stats.norm(50, 25), "sigma": stats.halfnorm(scale=15)}


def weight(error, tau):
    return error**2 / (error**2 + tau**2)


def width(marginal):
    low, high = np.asarray(marginal.quantile(TAILS)).T
    return high - low


@pytest.fixture(scope="module")
def posterior():
    return exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)


@pytest.fixture(scope="module")
def exam():
    """Raw means and the five widths of intervals, in the order of the sections."""
    data = datasets.instructors()
    score, instructor = data["score"], data["instructor"]
    partial = exact.normal_groups(score, instructor, tau=stats.halfnorm(scale=10), **EXAM)
    names = partial["theta"].mean()["instructor"].values
    sections = [score[instructor == name] for name in names]
    return {
        "raw": np.array([section.mean().item() for section in sections]),
        "sd": np.array([section.std(ddof=1).item() for section in sections]),
        "size": np.array([section.size for section in sections]),
        "truth": data["true_mean"].groupby(instructor).mean().sel(instructor=names).values,
        "partial": partial,
        "complete": exact.normal_sample(score, **EXAM),
        "one sigma": exact.normal_groups(score, instructor, mu=50.0, tau=25.0, sigma=EXAM["sigma"]),
        "alone": [exact.normal_sample(section, **EXAM)["mu"] for section in sections],
    }


# -- the opening page --------------------------------------------------------------------------------


@states(
    "chapters/hierarchical-models.md",
    "every school moves toward the others, but not all equally",
)
@states("chapters/hierarchical-models.md", "at $\\tau = 50$ each is almost back at its raw effect")
@states(
    "intro.md",
    "At the left end all eight share one answer; at the right end each is almost back at its own report",
)
@states("chapters/hierarchical-models.md", "At $\\tau = 0$ all eight estimates sit on the common mean")
@states(
    "chapters/hierarchical-models.md",
    "it contains both as limits",
)
@states(
    "chapters/hierarchical-models.md",
    "Nothing is left in which A could differ: the estimate is …, for A as for all.",
)
def test_the_dial_from_one_end_to_the_other(posterior):
    common = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0)["mu"].mean()
    moved = EFFECT - posterior["theta"].mean().values
    assert (np.sign(moved) == np.sign(EFFECT - common)).all()
    assert np.ptp(moved / (EFFECT - common)) > 0.1
    still = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0.0)["theta"].mean().values
    assert still == pytest.approx(np.full(8, common), abs=1e-6)
    free = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=50.0)["theta"].mean().values
    assert abs(free - EFFECT).max() < 0.1 * np.ptp(EFFECT)
    alone = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=1e4)["theta"].mean().values
    assert alone == pytest.approx(EFFECT, abs=0.01)


@states("chapters/hierarchical-models.md", "A range: the common value, give or take how much schools differ.")
def test_a_new_school_is_the_common_value_give_or_take_tau(posterior):
    new, mu, tau = (posterior[name] for name in ("theta_new", "mu", "tau"))
    assert new.mean() == pytest.approx(mu.mean(), abs=1e-6)
    assert new.sd() ** 2 == pytest.approx(mu.sd() ** 2 + tau.sd() ** 2 + tau.mean() ** 2, rel=1e-6)


@states("chapters/hierarchical-models.md", "which is the larger the noisier the school")
@states("chapters/hierarchical-models.md", "Noisy groups go a larger part of the way than precise ones")
def test_the_weight_grows_with_the_noise():
    order = np.argsort(ERROR, kind="stable")
    assert (np.diff(weight(ERROR, 5.0)[order]) >= 0).all()
    assert weight(ERROR, 5.0).min() > 0.5


# -- five instructors --------------------------------------------------------------------------------


@states(
    "chapters/pooling-problem.md",
    "the scores of section 5 scatter more than twice as much as those of section 1",
)
@states(
    "chapters/pooling-problem.md",
    "Instructor 1 has the fewest students, and their scores happen to lie close together. Instructor 3 is "
    "far below the rest.",
)
@states("chapters/pooling-problem.md", "Step 1 has by far its *shortest* interval.")
@states(
    "chapters/pooling-problem.md",
    "Their eight scores happen to lie close together, and a model that looks at these eight",
)
@states("chapters/pooling-problem.md", "Number is half of the story.")
@states("chapters/pooling-problem.md", "Sharing $\\sigma$ over all sections corrects that")
@states("chapters/pooling-problem.md", "The data decide, and they differ between sections.")
def test_two_sections_to_keep_an_eye_on(exam):
    assert exam["sd"][4] > 2 * exam["sd"][0]
    assert exam["sd"].argmin() == 0
    rest = np.delete(exam["raw"], 2)
    assert rest.min() - exam["raw"][2] > 7
    first = [float(width(exam["alone"][0])), width(exam["one sigma"]["theta"])[0]]
    first.append(width(exam["partial"]["theta"])[0])
    assert first[0] < 0.7 * min(first[1:])
    assert np.argmin([float(width(one)) for one in exam["alone"]]) == 0


@states(
    "chapters/pooling-problem.md",
    "Each estimate now lies between the mean of its own section and the grand mean $\\mu$.",
)
@states(
    "chapters/pooling-problem.md",
    "The share of the way from its own mean to the grand mean that a section travels *is* ordered by size, "
    "from the smallest section to the largest",
)
@states("chapters/pooling-problem.md", "with a middling share, makes the longest journey")
@states("chapters/pooling-problem.md", "The more students a section has, the less it is pulled")
@states("chapters/pooling-problem.md", "Groups with little data go a larger share of the way.")
@states(
    "chapters/pooling-problem.md",
    "each estimate has moved toward the dashed line, Instructor 3 by the largest step",
)
@states(
    "chapters/pooling-problem.md", "The smaller a group, the larger the share of its way to the grand mean"
)
@states("chapters/pooling-problem.md", "The distance in points is another matter.")
def test_how_far_each_section_moves(exam):
    mu, theta = exam["partial"]["mu"].mean(), exam["partial"]["theta"].mean().values
    share = (theta - exam["raw"]) / (mu - exam["raw"])
    assert ((share > 0) & (share < 1)).all()
    assert (np.diff(share) < 0).all()
    assert (np.diff(exam["size"]) > 0).all()
    assert abs(theta - exam["raw"]).argmax() == 2


@states("chapters/pooling-problem.md", "one of the five sections pays for that with a longer interval")
@states("chapters/pooling-problem.md", "The two largest sections gain too.")
@states("chapters/pooling-problem.md", "Were $\\mu$ and $\\tau$ known, it would be shorter")
@states(
    "chapters/pooling-problem.md",
    "That complete pooling has the narrowest intervals of all is true here, and so is the bias.",
)
@states("chapters/pooling-problem.md", "Pooling makes this interval longer, by")
@states("chapters/pooling-problem.md", "Then pooling the means shortens it, to")
@states(
    "chapters/pooling-problem.md",
    "Size is only half of the reason: with $\\mu$ and $\\tau$ known it would be …%.",
)
@states("chapters/pooling-problem.md", "gains …%, more than Instructor 2 with 12")
@states("chapters/pooling-problem.md", "Instructor 4 gains more than Instructor 2, and the outlying")
@states("chapters/pooling-problem.md", "That would hold if $\\mu$ and $\\tau$ were known.")
@states("chapters/pooling-problem.md", "an outlying group may pay for the uncertainty about $\\tau$.")
@states("chapters/pooling-problem.md", "scores inform one number, so its interval is narrow.")
@states("chapters/pooling-problem.md", "Complete pooling has the shortest intervals and misses")
def test_who_gains_and_who_pays(exam):
    before, after = width(exam["one sigma"]["theta"]), width(exam["partial"]["theta"])
    longer = after > before
    assert longer.tolist() == [False, False, True, False, False]
    gain = 1 - after / before
    assert (gain[3:] > 0).all()
    assert gain[4] < gain[0]
    data = datasets.instructors()
    known = exact.normal_groups(
        data["score"],
        data["instructor"],
        mu=exam["partial"]["mu"].mean(),
        tau=exam["partial"]["tau"].mean(),
        sigma=EXAM["sigma"],
    )
    assert (width(known["theta"]) < before).all()
    by_size = 1 - width(known["theta"]) / before
    assert (np.diff(by_size) < 0).all()
    assert gain[4] / by_size[4] == pytest.approx(0.5, abs=0.1)
    assert gain[0] > gain[3] > gain[1] > gain[4]
    alone = [float(width(one)) for one in exam["alone"]]
    assert float(width(exam["complete"]["mu"])) < min(*alone, *before, *after)
    assert abs(exam["complete"]["mu"].mean() - exam["truth"]).max() > 8


@states("chapters/pooling-problem.md", "four of the five crosses for the true means lie outside them")
@states(
    "chapters/pooling-problem.md",
    "from 56 for Instructor 3 to 72 for Instructor 2, the shortest for Instructor 1",
)
@states("chapters/pooling-problem.md", "with intervals of similar lengths; all crosses lie inside them")
@states("chapters/pooling-problem.md", "the prior on $\\theta_i$ draws each of them a little toward 50")
@states("chapters/pooling-problem.md", "hardly biased, noisy where data are few, silent about new groups.")
@states(
    "chapters/pooling-problem.md",
    "Instructor 2, whose students did best, and Instructor 3, whose students did worst",
)
def test_the_picture_of_three_panels(exam):
    def inside(marginals):
        ends = np.array([np.ravel(one.quantile(TAILS)) for one in marginals])
        return (ends[:, 0] < exam["truth"]) & (exam["truth"] < ends[:, 1])

    complete, alone = exam["complete"]["mu"], exam["alone"]
    theta = exam["partial"]["theta"]
    partial = np.asarray(theta.quantile(TAILS))
    assert round(complete.mean()) == 66
    assert inside([complete] * 5).sum() == 1
    means = np.array([one.mean() for one in alone])
    assert [round(means[i]) for i in (means.argmin(), means.argmax())] == [56, 72]
    assert [means.argmin(), means.argmax(), np.argmin([width(one) for one in alone])] == [2, 1, 0]
    assert (np.argsort(theta.mean().values) == np.argsort(means)).all()
    assert [exam["raw"].argmin(), exam["raw"].argmax()] == [2, 1]
    assert ((partial[:, 0] < exam["truth"]) & (exam["truth"] < partial[:, 1])).all()
    assert width(theta).max() < 1.4 * width(theta).min()
    moved = abs(exam["raw"] - 50) - abs(means - 50)
    assert (moved > 0).all()
    assert moved.max() < 0.5


@states(
    "chapters/pooling-problem.md",
    "the more alike the sections are as a whole, the smaller $\\tau$ comes out, and the harder all of them "
    "are pulled",
)
@states("chapters/pooling-problem.md", "from the data and from the prior of $\\tau$")
@states(
    "chapters/pooling-problem.md",
    "How far an outlying section should move depends on $\\tau$ more than that of any other",
)
@states(
    "chapters/pooling-problem.md", "nobody depends on them like the section that lies far from the others"
)
@states("chapters/pooling-problem.md", "the more alike the groups, the stronger the pull on all.")
def test_what_decides_how_hard_sections_are_pulled(exam):
    data = datasets.instructors()
    score, instructor = data["score"], data["instructor"]
    means = score.groupby(instructor).map(lambda one: one - one + one.mean())

    def fit(nearer, tau):
        moved = score - nearer * (means - exam["raw"].mean())
        posterior = exact.normal_groups(moved, instructor, tau=tau, **EXAM)
        raw = exam["raw"] - nearer * (exam["raw"] - exam["raw"].mean())
        theta = posterior["theta"].mean().values
        return posterior["tau"].mean(), theta, (theta - raw) / (posterior["mu"].mean() - raw)

    prior = stats.halfnorm(scale=10)
    (tau, _, share), (smaller, _, harder) = fit(0.0, prior), fit(0.5, prior)
    assert smaller < tau / 2
    assert (harder > share + 0.2).all()
    assert (fit(0.0, stats.halfnorm(scale=2))[2] > share + 0.05).all()
    theta = [fit(0.0, known)[1] for known in (4.0, 6.0)]
    assert abs(theta[1] - theta[0]).argmax() == 2


@states(
    "chapters/pooling-problem.md",
    "$\\sqrt{1 - B}$ times as wide as before, where $B = (\\sigma^2/n) / (\\sigma^2/n + \\tau^2)$",
)
@states("chapters/pooling-problem.md", '"Barely affected" is a fair description at 200 students')
def test_the_width_after_pooling_when_all_is_known():
    for size in (1, 8, 200):
        error = 12 / np.sqrt(size)
        pooled = exact.normal([60.0], [error], mu=70.0, tau=8.0)["theta"].sd().item()
        assert pooled == pytest.approx(error * np.sqrt(1 - weight(error, 8)))
    assert 1 - np.sqrt(1 - weight(12 / np.sqrt(200), 8)) < 0.01


@states(
    "chapters/pooling-problem.md",
    "the common answer is wrong for all but those who happen to be near the common mean, and more students",
)
@states("chapters/pooling-problem.md", "Did moving help? In this one semester it did not")
@states("chapters/pooling-problem.md", "which more students do not shorten.")
@states("chapters/pooling-problem.md", "The distance to the truth would hardly change.")
@states("chapters/pooling-problem.md", "The interval would become narrower around the same wrong place.")
@states("chapters/pooling-problem.md", "More data make the common mean precise.")
def test_more_students_do_not_mend_complete_pooling(exam):
    data = datasets.instructors()
    tenfold = exact.normal_sample(xr.concat([data["score"]] * 10, "student"), **EXAM)["mu"]
    off = [abs(fit.mean() - exam["truth"]) for fit in (exam["complete"]["mu"], tenfold)]
    assert (off[1] > 0.9 * off[0]).all()
    low, high = exam["complete"]["mu"].quantile([0.055, 0.945]).values
    assert ((low < exam["truth"]) & (exam["truth"] < high)).sum() == 1
    assert tenfold.sd() < exam["complete"]["mu"].sd() / 3

    def rmse(estimate):
        return np.sqrt(((estimate - exam["truth"]) ** 2).mean())

    assert rmse(exam["partial"]["theta"].mean().values) > rmse(
        np.array([one.mean() for one in exam["alone"]])
    )


# -- the mathematical structure -----------------------------------------------------------------------


@states("chapters/mathematical-structure.md", "The curves never cross, as $B_i$ grows with $\\sigma_i$")
@states("chapters/mathematical-structure.md", "The standard deviation is $\\sigma_i \\sqrt{1 - B_i}$")
@states(
    "chapters/mathematical-structure.md",
    "\\tau^2 / (\\sigma_E^2 + \\tau^2) = 6^2 / (9^2 + 6^2)$. The population mean has the rest.",
)
@states("chapters/mathematical-structure.md", "In this data set no school speaks mainly for itself.")
def test_the_factor(posterior):
    taus = np.geomspace(0.1, 100, 50)[:, None]
    assert (np.diff(weight(np.unique(ERROR), taus)) > 0).all()
    one = exact.normal(EFFECT, ERROR, mu=8.0, tau=6.0)["theta"]
    assert one.sd().values == pytest.approx(ERROR * np.sqrt(1 - weight(ERROR, 6)))
    assert round(100 * (1 - weight(9, 6))) == 31
    assert min(posterior["tau"].expect(lambda tau, e=e: weight(e, tau)) for e in ERROR) > 0.5


@states("chapters/mathematical-structure.md", "It rises more slowly: a wild report is believed less.")
@states(
    "chapters/mathematical-structure.md",
    "Under complete pooling each point more from A raises H by the same amount.",
)
@states("chapters/mathematical-structure.md", "And if $\\mu$ and $\\tau$ were known, the door")
def test_how_far_a_is_believed_about_h():
    def estimate(report, **priors):
        changed = EFFECT.copy()
        changed[0] = report
        return exact.normal(changed, ERROR, **priors)["theta"].mean().values[7]

    reports = (28, 60, 120)
    h = [estimate(report, mu=MU_PRIOR, tau=TAU_PRIOR) for report in reports]
    slopes = np.diff(h) / np.diff(reports)
    assert 0 < slopes[1] < slopes[0]
    pooled = [estimate(report, mu=MU_PRIOR, tau=0) for report in reports]
    assert np.ptp(np.diff(pooled) / np.diff(reports)) < 1e-6
    assert np.ptp([estimate(report, mu=8.0, tau=6.0) for report in reports]) < 1e-9


@states("chapters/mathematical-structure.md", "Where $\\tau$ probably lies, all factors exceed one half.")
@states(
    "chapters/mathematical-structure.md",
    "Partial pooling is steepest in the middle, runs just above complete pooling there, and flattens at both "
    "ends, where it even turns back on the left.",
)
@states("chapters/mathematical-structure.md", "highest near 0 and nearly gone beyond 15")
def test_the_pictures_of_factors_and_of_the_flow(posterior):
    tau = posterior["tau"]
    assert weight(ERROR, 9 - 1e-9).min() > 0.5
    assert tau.cdf(9.0) > 0.85
    assert tau.pdf(15.0) < 0.05 * tau.pdf(0.0)
    reports = np.arange(-60, 121, 12)

    def curve(prior):
        changed = [np.append(report, EFFECT[1:]) for report in reports]
        return np.array(
            [exact.normal(y, ERROR, mu=MU_PRIOR, tau=prior)["theta"].mean().values[7] for y in changed]
        )

    partial, complete = curve(TAU_PRIOR), curve(0)
    slope = np.diff(partial)
    assert 0 < reports[slope.argmax()] < 60
    assert slope[0] < 0 < slope[-1] < slope.max() / 4
    middle = (reports >= 0) & (reports <= 48)
    assert ((partial - complete > 0) & (partial - complete < 1)).all(where=middle)


# -- the eight schools ---------------------------------------------------------------------------------


@states("chapters/eight-schools.md", "The common mean, about …, has a weight of … in it")
@states("chapters/eight-schools.md", "The other seven schools saw less, 6 on average, and 28 is hardly two")
@states("chapters/eight-schools.md", "The six others saw less, 4 points on average")
@states("chapters/eight-schools.md", "The replicated means are the shrunken effects.")
def test_school_a_among_the_others(posterior):
    assert 0.85 < posterior["tau"].expect(lambda tau: weight(15.0, tau)) < 0.9
    assert round(posterior["mu"].mean()) == 7
    assert EFFECT[1:].mean() == 6
    assert (EFFECT[1:] < 28).all()
    assert 1.5 < 28 / 15 < 2
    assert EFFECT[[1, 2, 3, 4, 5, 7]].mean() == 4
    assert posterior["y_rep"].mean().values == pytest.approx(posterior["theta"].mean().values)


@states(
    "chapters/eight-schools.md",
    "A is the most probable best school, and yet the odds are more than three to one against it",
)
@states("chapters/eight-schools.md", "is not even one posterior standard deviation from zero")
@states("chapters/eight-schools.md", "what the schools have in common does not average out")
@states("chapters/eight-schools.md", "A is the most probable, and the odds are … to one against it.")
@states("chapters/eight-schools.md", "each of the eight schools may be the best one.")
def test_which_school_is_best(posterior):
    rng = np.random.default_rng(58)
    size = 40_000
    tau = np.asarray(posterior["tau"].quantile((np.arange(size) + 0.5) / size))
    precision = 1 / (ERROR**2 + tau[:, None] ** 2)
    variance = 1 / (precision.sum(axis=1) + 1 / 400)
    mu = variance * (precision @ EFFECT) + np.sqrt(variance) * rng.normal(size=size)
    kept = weight(ERROR, tau[:, None])
    spread = ERROR * np.sqrt(1 - kept)
    theta = kept * mu[:, None] + (1 - kept) * EFFECT + spread * rng.normal(size=(size, 8))
    best = np.bincount(theta.argmax(axis=1), minlength=8) / size
    assert best.argmax() == 0
    assert best.min() > 0.02
    assert best[0] + 4 * np.sqrt(best[0] / size) < 0.25
    difference = theta[:, 0] - theta[:, 2]
    assert difference.mean() < difference.std()
    assert theta.mean(axis=1).std() > 1.3 * np.sqrt((theta.std(axis=0) ** 2).sum()) / 8


@states(
    "chapters/eight-schools.md",
    "A single surprising school makes a larger $\\tau$ plausible",
)
@states("chapters/eight-schools.md", "the weight $B_i$ of the common mean falls in *every* school")
@states("chapters/eight-schools.md", "The common mean rises too, to")
@states("chapters/eight-schools.md", "the other schools follow by less than four points, E not at all")
def test_a_surprising_school(posterior):
    changed = EFFECT.copy()
    changed[0] = 60
    surprised = exact.normal(changed, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)
    assert surprised["tau"].mean() > posterior["tau"].mean() + 2
    for error in ERROR:
        after, before = (
            fit["tau"].expect(lambda tau, e=error: weight(e, tau)) for fit in (surprised, posterior)
        )
        assert after < before
    assert surprised["mu"].mean() > posterior["mu"].mean()
    followed = (surprised["theta"].mean().values - posterior["theta"].mean().values)[1:]
    assert followed.max() < 4
    assert followed.argmin() == 3
    assert -0.5 < followed[3] < 0


@states("chapters/eight-schools.md", "at 0.99 most trajectories are longer")
@states("chapters/eight-schools.md", "it is nearly always 7 or 15, within the range of 5 to 20")
def test_the_length_of_trajectories():
    recorded = runs.recorded()
    shares = recorded[["centred-0.99/steps_5_to_20", "non-centred/steps_5_to_20"]].dropna().median()
    assert shares.iloc[0] < 0.5
    assert shares.iloc[1] > 0.95


@states(
    "chapters/eight-schools.md",
    "whose standard deviation given $\\tau$ tends to 1 instead of to 0. Nothing narrows.",
)
@states(
    "solutions/noncentred-reparameterisation.md",
    "The standard deviation of $\\theta_A$ changes by a factor of a hundred, that of $\\tilde\\theta_A$ by "
    "less than two",
)
@states(
    "solutions/noncentred-reparameterisation.md",
    "and a slice at one $\\tau$ looks like a slice at any other",
)
@states("chapters/eight-schools.md", "the posterior has a wide mouth and a narrow neck: a funnel.")
@states("chapters/eight-schools.md", "each of them is tied to $\\mu$ within a tenth of a point.")
@states("solutions/noncentred-reparameterisation.md", "The first standard deviation goes to 0 like $\\tau$.")
@states(
    "solutions/noncentred-reparameterisation.md",
    "the effects collapse onto $\\mu$, but $\\tilde\\theta$ returns to its prior.",
)
def test_what_narrows_and_what_does_not():
    taus = np.array([0.1, 1, 5, 10, 20])
    theta = 15 * np.sqrt(1 - weight(15, taus))
    raw = np.sqrt(weight(15, taus))
    assert theta[0] < taus[0] == 0.1
    assert 100 < theta[-1] / theta[0] < 150
    assert raw[0] / raw[-1] < 2
    assert np.sqrt(weight(15, 1e-4)) == pytest.approx(1)


@states("chapters/eight-schools.md", "Chains of 2000 draws are not there yet.")
@states("chapters/eight-schools.md", "It mostly misses small $\\tau$, and then reports too large a $\\tau$")
@states("chapters/eight-schools.md", "The non-centred form is far ahead each time.")
@states("chapters/eight-schools.md", "and all of these saw too little of small $\\tau$.")
@states("chapters/eight-schools.md", "at 0.99 a draw takes several times as many steps")
@states("chapters/eight-schools.md", "even at 0.99 chains scatter far more around the dashed line")
def test_what_recorded_runs_show_of_the_neck(posterior):
    recorded = runs.recorded()
    below, mean = posterior["tau"].cdf(1.0), posterior["tau"].mean()
    quiet = recorded[recorded["centred-0.90/tau/r_hat"] <= 1.01]
    assert (quiet["centred-0.90/tau_below_1"] < below).all()
    misses = recorded["centred-0.90/tau_below_1"] < 0.8 * below
    assert misses.mean() > 0.8
    assert (recorded["centred-0.90/tau_mean"][misses] > mean).mean() > 0.9
    ahead = recorded["non-centred/tau/ess_bulk"] / recorded["centred-0.90/tau/ess_bulk"]
    assert ahead.min() > 4
    steps = recorded["centred-0.99/steps_mean"] / recorded["centred-0.90/steps_mean"]
    assert steps.median() > 3
    scatter = recorded[["centred-0.99/tau_below_1", "non-centred/tau_below_1"]].std()
    assert scatter.iloc[0] > 4 * scatter.iloc[1]


@states(
    "chapters/eight-schools.md", "Every posterior mean lies between the reported effect and the dashed line"
)
@states(
    "chapters/eight-schools.md",
    "all of similar length and all reaching from zero or up to four points below to between 14 and 21",
)
@states("chapters/eight-schools.md", "lie close together between 5.5 and 10")
@states(
    "chapters/todays-code.md",
    "The dots lie between 5 and 10, the outer intervals reach from about minus 4 to 20, and all of "
    "them overlap.",
)
@states("chapters/eight-schools.md", "the eight effects can move by seven to nine points")
@states("chapters/eight-schools.md", "Eight wide intervals overlap.")
@states("chapters/eight-schools.md", "The rule holds for a known $\\tau$.")
@states("chapters/eight-schools.md", "and most of their probability is on the positive side")
def test_the_forest(posterior):
    theta, mu = posterior["theta"], posterior["mu"].mean()
    mean, hdi = theta.mean().values, theta.hdi(0.89).values
    assert (np.sign(mean - EFFECT) == np.sign(mu - mean)).all()
    assert (hdi[:, 0] > -4).all()
    assert (hdi[:, 0] < 0).all()
    assert (hdi[:, 1] > 14).all()
    assert (hdi[:, 1] < 21).all()
    assert np.ptp(hdi, axis=1).max() < 1.25 * np.ptp(hdi, axis=1).min()
    assert hdi[:, 0].max() < hdi[:, 1].min()
    assert [hdi.min(), hdi.max()] == pytest.approx([-4, 20], abs=0.5)
    assert 5.5 < mean.min() < mean.max() < 10
    spread = ERROR * np.sqrt(1 - weight(ERROR, 10))
    assert [round(spread.min()), round(spread.max())] == [7, 9]
    known = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=5.0)["theta"].sd().values
    assert (np.diff(known[np.argsort(ERROR, kind="stable")]) > -1e-6).all()
    assert (theta.cdf(0.0).values[[2, 4]] < 0.25).all()


@states(
    "chapters/eight-schools.md",
    "lie nearer to these than to what the standard deviations in its summary table would give",
)
@states("chapters/eight-schools.md", "Those of schools E and F look equal-tailed, that of G like a")
def test_the_printed_intervals_and_replications(posterior):
    """What the source prints: standard deviations of replications and of effects, and ends of intervals."""
    replicated = np.array([16.2, 11.3, 17.4, 12.2, 10.4, 12.3, 11.5, 19.3])
    table = np.hypot(ERROR, [8.41, 6.18, 7.61, 6.50, 6.20, 6.58, 6.78, 7.61])
    assert (abs(replicated - posterior["y_rep"].sd().values) < abs(replicated - table)).all()
    flat = exact.normal(EFFECT, ERROR, mu=None, tau=None)["theta"]
    printed = {0: (-2.51, 24.90), 2: (-7.70, 17.71), 4: (-5.89, 14.44), 5: (-5.32, 16.22), 6: (-0.14, 21.23)}
    off = {
        school: [
            abs(np.asarray(ends)[school] - interval).max() for ends in (flat.hdi(0.89), flat.quantile(TAILS))
        ]
        for school, interval in printed.items()
    }
    assert all(off[school][1] < 0.3 < off[school][0] for school in (4, 5))
    assert off[6][0] < 0.3 < off[6][1]
    assert all(min(off[school]) > 0.5 for school in (0, 2))


@states("chapters/eight-schools.md", "none is in a tail")
@states("chapters/eight-schools.md", "They are larger in every school")
def test_the_predictive_check(posterior):
    sd = posterior["y_rep"].sd().values
    assert (sd > ERROR).all()
    place = [posterior["y_rep"].cdf(y).values[i] for i, y in enumerate(EFFECT)]
    assert 0.2 < min(place) < max(place) < 0.9


@states("chapters/pooling-problem.md", "are both told about 75, which is neither's mean")
def test_complete_pooling_tells_two_instructors_the_mean_of_theirs():
    means = np.array([85.0, 65.0])
    score = np.repeat(means, 2000) + np.tile(np.linspace(-20, 20, 2000), 2)
    told = exact.normal_sample(score, **EXAM)["mu"]
    assert told.mean() == pytest.approx(75, abs=0.1)
    assert (np.abs(means - told.mean()) > 20 * told.sd()).all()
