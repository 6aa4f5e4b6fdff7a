"""What the page on odd groups says, by exact posteriors, and by sums of another kind."""

import numpy as np
import pytest
from scipy import optimize, stats
from statements import states

import hierarchical_exact as exact
from support import datasets

DATA = datasets.bcg_trials()
EFFECT, ERROR, LATITUDE = (DATA[name].values for name in ("effect", "standard_error", "latitude"))
RATIO, INFORMATION = np.exp(EFFECT), ERROR**-2
PRIORS = {"mu": stats.norm(0, 1), "tau": stats.halfnorm(scale=1)}
SLOPE = stats.norm(0, 0.5)


def normal(y=EFFECT, sigma=ERROR):
    return exact.normal(y, sigma, **PRIORS)


def student(y=EFFECT, sigma=ERROR):
    return exact.student_t(y, sigma, nu=4, **PRIORS)


def at_latitude(degrees, kept=slice(None), sigma=ERROR):
    covariates = (LATITUDE[kept] - degrees) / 10
    return exact.normal(EFFECT[kept], sigma[kept], **PRIORS, covariates=covariates, beta=SLOPE)


class At:
    """A new trial at a latitude: a mixture over tau, with mu and beta by hand."""

    def __init__(self, degrees, kept=slice(None)):
        tau = np.linspace(0.002, 4, 1500)
        design = np.stack([np.ones(13), (LATITUDE - 33) / 10], axis=1)[kept]
        prior, y = np.diag([1.0, 0.25]), EFFECT[kept]
        at = np.array([1.0, (degrees - 33) / 10])
        log, self.mean, self.sd = [], [], []
        for t in tau:
            noise = np.diag(ERROR[kept] ** 2 + t**2)
            log.append(
                stats.multivariate_normal(np.zeros(len(y)), design @ prior @ design.T + noise).logpdf(y)
            )
            gain = prior @ design.T @ np.linalg.inv(design @ prior @ design.T + noise)
            left = prior - gain @ design @ prior
            self.mean.append(at @ gain @ y)
            self.sd.append(np.sqrt(at @ left @ at + t**2))
        weight = np.exp(np.array(log) - max(log)) * PRIORS["tau"].pdf(tau)
        self.weight, self.mean, self.sd = weight / weight.sum(), np.array(self.mean), np.array(self.sd)

    def cdf(self, x, noise=0.0):
        return self.weight @ stats.norm.cdf(x, self.mean, np.hypot(self.sd, noise))

    def quantile(self, q):
        return optimize.brentq(lambda x: self.cdf(x) - q, -6, 6)

    def moments(self):
        mean = self.weight @ self.mean
        return mean, np.sqrt(self.weight @ (self.sd**2 + self.mean**2) - mean**2)


def places(kept_of, latitude):
    """Probability of a report below the true one, given the trials kept for it."""
    found = []
    for j in range(13):
        kept = kept_of(j)
        if latitude:
            found.append(At(LATITUDE[j], kept).cdf(EFFECT[j], ERROR[j]))
        else:
            new = normal(EFFECT[kept], ERROR[kept])["theta_new"]
            found.append(new.expect(lambda x, j=j: stats.norm.cdf(EFFECT[j], x, ERROR[j])))
    return np.array(found)


def others(j):
    return np.delete(np.arange(13), j)


@pytest.fixture(scope="module")
def both():
    return normal(), student()


@pytest.fixture(scope="module")
def latitude():
    return at_latitude(33)


@states("chapters/odd-group.md", "In seven of them it prevented more than half of the cases of tuberculosis.")
@states("chapters/odd-group.md", "505 cases among 88,391 vaccinated, 499 among as many others.")
@states(
    "chapters/odd-group.md",
    "1/\\sigma_j^2$ is … in trial 6 and … in trial 7, as if the former were … trials like the latter.",
)
@states("chapters/odd-group.md", "Trial 12 has ten times as many persons as trial 3, and knows less")
@states("chapters/odd-group.md", "two standard errors lead from there to below a half.")
@states(
    "chapters/odd-group.md",
    "Trials 6 and 7 had about 3,000 persons each. In the former there were 552 cases of tuberculosis, "
    "in the latter 18.",
)
def test_what_the_counts_say():
    assert (RATIO < 0.5).sum() == 7
    madras = DATA.sel(trial=8)
    assert [int(madras[name]) for name in ("vaccinated_cases", "vaccinated", "control_cases", "control")] == [
        505,
        88391,
        499,
        88391,
    ]
    persons = (DATA["vaccinated"] + DATA["control"]).values
    cases = (DATA["vaccinated_cases"] + DATA["control_cases"]).values
    assert persons.argmax() == 7
    assert [round(x, 1) for x in INFORMATION[[5, 6]]] == [144.8, 4.5]
    assert round(INFORMATION[5] / INFORMATION[6]) == 32
    assert persons[[5, 6]] == pytest.approx([3000, 3000], rel=0.06)
    assert cases[[5, 6, 11, 2]].tolist() == [552, 18, 8, 14]
    assert persons[11] > 10 * persons[2]
    assert INFORMATION[11] < INFORMATION[2]
    assert RATIO.argmax() == 11
    assert np.exp(EFFECT[11] - 2 * ERROR[11]) < 0.5


@states("chapters/odd-group.md", "The prior of $\\mu$ allows mean ratios from a seventh to seven (95%)")
@states("chapters/odd-group.md", "a standard deviation of up to the same factor of seven (95%).")
@states("chapters/odd-group.md", "On average the vaccine halves the risk.")
@states("chapters/odd-group.md", "But the trials' effects differ by nearly as much as they are from zero")
@states("chapters/odd-group.md", "With $\\tau$ near … the standard error of Madras hardly matters")
@states("chapters/odd-group.md", "It has the most cases of all.")
@states("chapters/odd-group.md", "with a probability of one in seven, the vaccine does not help at all where")
@states("chapters/odd-group.md", "Madras keeps its ratio, trial 12 is pulled from 1.56 to below 1.")
def test_one_population(both):
    assert np.exp(PRIORS["mu"].ppf([0.025, 0.975])) == pytest.approx([1 / 7, 7], rel=0.02)
    assert np.exp(PRIORS["tau"].ppf(0.95)) == pytest.approx(7, rel=0.02)
    mu, tau = both[0]["mu"].mean(), both[0]["tau"].mean()
    assert np.exp(mu) == pytest.approx(0.5, abs=0.01)
    assert 0.8 < tau / abs(mu) < 1
    assert both[0]["theta_new"].sf(0) == pytest.approx(1 / 7, abs=0.01)
    assert (DATA["vaccinated_cases"] + DATA["control_cases"]).values.argmax() == 7
    weight = 1 / (ERROR**2 + 0.6**2)
    assert weight[7] / weight.sum() == pytest.approx(0.1, abs=0.01)
    exactly_known = 1 / (np.where(np.arange(13) == 7, 0, ERROR**2) + 0.6**2)
    assert exactly_known[7] / exactly_known.sum() == pytest.approx(weight[7] / weight.sum(), abs=0.002)
    theta = np.exp(both[0]["theta"].mean().values)
    assert theta[7] == pytest.approx(RATIO[7], abs=0.01)
    assert theta[11] < 1 < RATIO[11] == pytest.approx(1.56, abs=0.005)


@pytest.mark.slow
@states("chapters/odd-group.md", "it is no more extreme above than trial 4 is below.")
@states("chapters/odd-group.md", "Without latitude it was one of many strong effects.")
@states(
    "chapters/odd-group.md",
    "The others predict four fifths of the risk at 13°, with an sd of a half on the log scale: a ratio "
    "of 1, no effect, is well within that.",
)
@states("chapters/odd-group.md", "where the other trials predict ….")
@states("chapters/odd-group.md", "one as odd as this, on either side, is found about one time in ….)")
@states(
    "chapters/odd-group.md", "It lies farthest above the line; with a standard error of 0.73 that happens."
)
@states("chapters/odd-group.md", "the predictor explains Madras, and it makes trial 7 odd")
def test_odd_for_which_model(latitude):
    plain, given = places(others, latitude=False), places(others, latitude=True)
    assert min(plain.min(), 1 - plain.max()) > 0.08
    assert plain[7] - 0.5 < 0.5 - plain[3]
    oddest = np.minimum(given, 1 - given)
    assert oddest.argmin() == 6
    assert oddest[6] < 0.01 < np.delete(oddest, 6).min()
    assert given[7] == pytest.approx(0.7, abs=0.05)
    assert given[[3, 6, 7, 11, 12]].round(3).tolist() == pytest.approx(
        [0.223, 0.008, 0.711, 0.922, 0.957], abs=0.0015
    )  # as the page prints
    expected = [At(LATITUDE[j], others(j)).moments()[0] for j in (6, 7)]
    assert np.exp(expected) == pytest.approx([0.8, 0.8], abs=0.01)
    assert latitude["tau"].mean() == pytest.approx(1 / 3, abs=0.01)
    spread_there = At(LATITUDE[7], others(7)).moments()[1]
    assert spread_there == pytest.approx(0.5, abs=0.02)
    assert expected[1] + spread_there / 2 > EFFECT[7]
    line = latitude["mu"].mean() + latitude["beta"].mean() * (LATITUDE - 33) / 10
    assert (EFFECT - line).argmax() == 11
    # Trials that follow the model, with its line and tau known to the simulation only.
    rng, least = np.random.default_rng(3), []
    variance = ERROR**2 + latitude["tau"].mean() ** 2
    design = np.column_stack([np.ones(13), (LATITUDE - 33) / 10])
    reports = rng.normal(line, np.sqrt(variance), (2000, 13))
    for j in range(13):
        rest, weight = others(j), 1 / np.delete(variance, j)
        information = (design[rest].T * weight) @ design[rest]
        fitted = (reports[:, rest] * weight) @ design[rest] @ np.linalg.solve(information, design[j])
        spread = variance[j] + design[j] @ np.linalg.solve(information, design[j])
        least.append(stats.norm.sf(np.abs(reports[:, j] - fitted) / np.sqrt(spread)))
    assert (np.min(least, axis=0) < oddest[6]).mean() == pytest.approx(
        1 - (1 - 2 * oddest[6]) ** 13, abs=0.03
    )


@pytest.mark.slow
@states("chapters/odd-group.md", "The first five trials to be published were all made beyond 40°.")
@states(
    "chapters/odd-group.md",
    "Without latitude four of the seven look odd, each with less than 0.05 (trial 5 just so), Madras most of "
    "all.",
)
@states(
    "chapters/odd-group.md",
    "These six lie within 13 degrees of each other, and tell little of a slope: of $\\beta$ they leave … ± "
    "…, where the prior has 0 ± 0.5.",
)
@states(
    "chapters/odd-group.md", "In all six trials beyond 40° the vaccine prevented more than half of the cases"
)
@states(
    "chapters/odd-group.md",
    "of the four within 20° of the equator, three prevented less than a third, or none.",
)
def test_six_trials_far_from_the_equator():
    far = np.flatnonzero(LATITUDE > 40)
    assert (far + 1).tolist() == [1, 2, 3, 4, 6, 10]
    assert set(np.argsort(DATA["year"].values)[:5]) | {3} == set(far)
    assert (RATIO[far] < 0.5).all()
    assert ((RATIO > 2 / 3) & (LATITUDE < 20)).sum() == 3
    assert (LATITUDE < 20).sum() == 4
    assert np.ptp(LATITUDE[far]) == 13
    plain, given = (1 - places(lambda j: far, latitude) for latitude in (False, True))
    seven = np.setdiff1d(np.arange(13), far)
    assert (plain[seven] < 0.05).sum() == 4
    assert plain[seven].argmin() == list(seven).index(7)
    assert given[seven].min() > 0.1
    printed = [0.62, 0.92, 0.54, 0.54, 0.62, 0.12, 0.15]
    assert given[seven].tolist() == pytest.approx(printed, abs=0.006)
    beta = at_latitude(33, far)["beta"]
    assert (beta.mean(), beta.sd()) == pytest.approx((-0.36, 0.29), abs=0.006)
    assert (SLOPE.mean(), SLOPE.std()) == (0, 0.5)
    assert beta.sd() > 0.5 * SLOPE.std()


@states("chapters/odd-group.md", "The estimates are the same to 0.02")
@states("chapters/odd-group.md", "a population with room for one gives much the same answer.")
def test_the_populations_agree_where_no_group_is_odd(both):
    ratios = [np.exp(posterior["theta"].mean().values) for posterior in both]
    assert np.abs(ratios[0] - ratios[1]).max() < 0.025
    assert np.abs(both[0]["theta"].mean() - both[1]["theta"].mean()).max() < 0.2 * both[0]["theta"].sd().max()


@pytest.mark.slow
@states("chapters/odd-group.md", "Each returns to its own report.")
@states(
    "chapters/odd-group.md",
    "The Normal population makes room for one report by a $\\tau$ that is more than three times as large",
)
@states("chapters/odd-group.md", "then $B$ of trial 3 is less than a fifth of what it was.")
@states("chapters/odd-group.md", "Under Student-t the mean comes along for a while, turns, and goes back")
@states(
    "chapters/odd-group.md",
    "what is odd enough counts no more for the mean. Its scale remembers: … in place of ….",
)
@states(
    "chapters/odd-group.md",
    "Up to about two standard deviations of the population both pull it equally hard.",
)
@states(
    "chapters/odd-group.md",
    "From about three on Student-t lets go. The Normal one, with this prior of $\\tau$, never does so "
    "altogether",
)
@states(
    "chapters/odd-group.md",
    "Under a Normal population a group that is a little off pulls the others. One that is far off does not "
    "so much pull them as it dissolves the pool",
)
def test_one_trial_is_moved(both):
    def moved(value, solve):
        return solve(np.append(value, EFFECT[1:]))

    far = moved(8.0, normal)
    before, after = (posterior["theta"].mean().values[1:] for posterior in (both[0], far))
    assert (np.abs(after - EFFECT[1:]) < np.abs(before - EFFECT[1:])).all()
    assert far["tau"].mean() > 3 * both[0]["tau"].mean()
    # A pull takes all the same way: the sum of the moves is as large as that of their sizes.
    middle = normal(EFFECT[1:], ERROR[1:])["theta"].mean().values
    little = moved(0.5, normal)["theta"].mean().values[1:] - middle
    assert little.sum() > 0.95 * np.abs(little).sum()
    assert abs((after - middle).sum()) < 0.3 * np.abs(after - middle).sum()

    def third(posterior):
        return posterior["tau"].expect(lambda t: ERROR[2] ** 2 / (ERROR[2] ** 2 + t**2))

    assert third(far) < third(both[0]) / 5
    # The scale of Student-t, and the share of the pool that is left: B of the other trials.
    odd = moved(8.0, student)
    assert (both[1]["tau"].mean(), odd["tau"].mean()) == pytest.approx((0.55, 0.85), abs=0.006)
    assert moved(100.0, student)["tau"].mean() > odd["tau"].mean()
    assert student(EFFECT[1:], ERROR[1:])["tau"].mean() < 0.6
    # The pull: it has its top near three, and tends to sigma² under the Normal population.
    mu, tau = both[0]["mu"].mean(), both[0]["tau"].mean()
    pull = [mu + k * tau - moved(mu + k * tau, student)["theta"].mean().values[0] for k in (2, 3, 3.2, 4.5)]
    assert pull[0] < pull[1]
    assert pull[3] < pull[2]
    kept = [value - moved(value, normal)["theta"].mean().values[0] for value in (20.0, 100.0)]
    assert ERROR[0] ** 2 < kept[1] < kept[0]
    means = [moved(value, student)["mu"].mean() for value in (-0.89, 1.75, 8.0)]
    assert means[0] < means[2] - 0.03 < means[1] - 0.06
    for sign in (-1, 1):
        value = both[0]["mu"].mean() + 2 * sign * both[0]["tau"].mean()
        pulls = [value - moved(value, solve)["theta"].mean().values[0] for solve in (normal, student)]
        assert pulls[0] / pulls[1] == pytest.approx(1, abs=0.15)


@states(
    "chapters/odd-group.md",
    "under the Normal population the risk of a group grows as the square of its distance",
)
@states("chapters/odd-group.md", "Under Student-t it turns at 2.7 times the latter, and comes down.")
@states("chapters/odd-group.md", "averaged over a Normal population the risk is … larger, with a scale of …")
@states(
    "chapters/odd-group.md",
    "No estimator has a smaller expected squared error than the posterior mean under the population that "
    "is true.",
)
def test_the_risk_of_one_group():
    """With densities over a grid of effects, where the page has one over precisions."""
    sigma = tau = 0.3
    effect, report = np.linspace(-30, 30, 24001), np.linspace(-4, 6, 801)
    likelihood_step = effect[1] - effect[0]

    def estimated(population):
        near = [np.abs(effect - x) < 8 * sigma for x in report]
        weights = [
            stats.norm.pdf(x, effect[one], sigma) * population(effect[one])
            for x, one in zip(report, near, strict=True)
        ]
        return np.array([w @ effect[one] / w.sum() for w, one in zip(weights, near, strict=True)])

    def risk(estimate, distance):
        density = stats.norm.pdf(report, distance, sigma) * (report[1] - report[0])
        return density @ (estimate - distance) ** 2

    def averaged(estimate):
        distance = np.linspace(-1.6, 1.6, 161)
        weight = stats.norm.pdf(distance, 0, tau)
        return weight @ [risk(estimate, one) for one in distance] / weight.sum()

    assert likelihood_step < sigma / 50
    normal_estimate = report * tau**2 / (tau**2 + sigma**2)
    best = min(averaged(estimated(stats.t(4, 0, scale).pdf)) for scale in (0.23, 0.24, 0.25))
    assert averaged(normal_estimate) == pytest.approx(tau**2 / 2, rel=1e-3)
    assert best / averaged(normal_estimate) - 1 == pytest.approx(0.02, abs=0.005)
    estimate = estimated(stats.t(4, 0, 0.24).pdf)
    risks = np.array([risk(estimate, distance) for distance in np.linspace(0, 2, 41)])
    assert risks.max() / sigma**2 == pytest.approx(2.7, abs=0.1)
    assert risks[-1] < 0.8 * risks.max()
    assert risk(normal_estimate, 2) == pytest.approx(sigma**2 / 4 + 1, rel=1e-2)


@pytest.mark.slow
@states("chapters/odd-group.md", "Where no trial is odd, Student-t costs a few percent")
@states(
    "chapters/odd-group.md",
    "at five standard deviations the others gain less than a tenth, at ten more than a quarter, the odd "
    "one itself rather less than half, and the mean of the population three quarters.",
)
@states("chapters/odd-group.md", "In a wide population (sd 0.6) the same distance of 3 buys less.")
@states("chapters/odd-group.md", "By ….")
@states(
    "chapters/odd-group.md",
    "When no group is odd it costs a few percent; when one is, it keeps most of the pool for the others.",
)
def test_what_it_costs_and_buys():
    """By tables of each trial's density, from which thousands of data sets are read."""
    mu, tau = np.linspace(-2.5, 1.5, 33), np.geomspace(0.005, 4, 22)
    apart = np.linspace(-7, 7, 1401)
    log_w = np.arange(-9, 2.1, 0.25)
    w = np.exp(log_w)
    rules = {
        "Normal": (np.ones(1), np.ones(1)),
        "Student-t": (w, stats.gamma(2, scale=0.5).pdf(w) * w * 0.25),
    }
    tables = {}
    for name, (precision, share) in rules.items():
        total = ERROR[:, None, None] ** 2 + tau[:, None] ** 2 / precision
        density = share / np.sqrt(total) * np.exp(-0.5 * apart[:, None, None, None] ** 2 / total)
        of_each = density.sum(axis=-1) + 1e-300
        kept = (density * (1 - ERROR[:, None, None] ** 2 / total)).sum(axis=-1) / of_each
        tables[name] = np.log(of_each), kept
    log_prior = PRIORS["mu"].logpdf(mu)[:, None] + PRIORS["tau"].logpdf(tau) + np.log(tau)

    def solve(y, name):
        place = (y - mu[:, None] - apart[0]) / (apart[1] - apart[0])
        low = place.astype(int)
        part = (place - low)[..., None]
        groups = np.arange(13)
        log_each, kept = (
            (1 - part) * table[low, groups] + part * table[low + 1, groups] for table in tables[name]
        )
        log_weight = log_each.sum(axis=1) + log_prior
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        theta = mu[:, None, None] + kept * (y - mu[:, None])[..., None]
        return weight.sum(axis=1) @ mu, np.einsum("mt,mjt->j", weight, theta)

    centre, estimate = solve(EFFECT, "Student-t")
    assert centre == pytest.approx(student()["mu"].mean(), abs=2e-3)
    np.testing.assert_allclose(estimate, student()["theta"].mean(), atol=2e-3)

    def changes(sd, distance, sets=650):
        rng, found = np.random.default_rng(11), {"Normal": [], "Student-t": []}
        for odd in np.arange(sets) % 13:
            theta = rng.normal(-0.7, sd, 13)
            theta[odd] = -0.7 + distance if distance else theta[odd]
            y = rng.normal(theta, ERROR)
            for name in found:
                centre, estimate = solve(y, name)
                squares = (estimate - theta) ** 2
                found[name].append([np.delete(squares, odd).mean(), squares[odd], (centre + 0.7) ** 2])
        means = [np.mean(found[name], axis=0) for name in found]
        return means[1] / means[0] - 1

    for sd in (0.3, 0.6):
        assert (np.abs(changes(sd, 0.0)) < 0.08).all()
        assert 0 < changes(sd, 0.0)[0] < 0.04
    assert changes(0.3, 1.5)[0] == pytest.approx(-0.08, abs=0.025)
    rest, own, mean = changes(0.3, 3.0)
    assert rest < -0.25
    assert -0.49 < own < -0.39
    assert mean == pytest.approx(-0.75, abs=0.05)
    assert (changes(0.6, 3.0) > [rest, own, mean]).all()


@pytest.mark.slow
@states("chapters/odd-group.md", "is little more than half of what it was.")
@states(
    "chapters/odd-group.md",
    "both populations have the same line, and Student-t leaves it nearer to its own report.",
)
@states(
    "chapters/odd-group.md",
    "Had it been as large as trial 6, it would have flattened the line by a fifth under the Normal",
)
@states("chapters/odd-group.md", "under Student-t the line hardly moves.")
@states("chapters/odd-group.md", "its latitude matters more than the choice of Normal or Student-t")
def test_latitude_and_the_population(both, latitude):
    """The Student-t population with a slope, by the engine, once for each slope."""
    assert 0.5 < latitude["tau"].mean() / both[0]["tau"].mean() < 0.6
    tens = (LATITUDE - 33) / 10
    large = np.where(np.arange(13) == 6, ERROR[5], ERROR)

    def line(sigma):
        slopes = np.linspace(-0.58, 0.02, 9)
        parts = [student(EFFECT - slope * tens, sigma) for slope in slopes]
        weight = np.exp([part.log_evidence for part in parts]) * SLOPE.pdf(slopes)
        weight /= weight.sum()
        return weight @ slopes, weight @ [part["theta"].mean().values[6] for part in parts]

    by_normal = [at_latitude(33, sigma=sigma)["beta"].mean() for sigma in (ERROR, large)]
    slope, left = line(ERROR)
    assert slope == pytest.approx(by_normal[0], abs=0.01)
    own = left + slope * tens[6]
    assert EFFECT[6] < own < latitude["theta"].mean().values[6] - 0.05
    assert 1 - by_normal[1] / by_normal[0] == pytest.approx(0.2, abs=0.04)
    assert abs(line(large)[0] - slope) < 0.015
    assert at_latitude(33, sigma=large)["tau"].mean() > 1.5 * latitude["tau"].mean()
    new = [np.exp([At(one).quantile(q) for q in (0.055, 0.5, 0.945)]) for one in (10, 30, 50)]
    printed = [[0.47, 0.96, 1.83], [0.29, 0.55, 0.99], [0.16, 0.31, 0.60]]
    np.testing.assert_allclose(new, printed, atol=0.006)
    medians = [new[0][1], new[2][1]]
    assert medians[0] / medians[1] > 2.5
    ends = [posterior["theta_new"].quantile([0.055, 0.5, 0.945]).values for posterior in both]
    assert np.abs(ends[0] - ends[1]).max() < np.log(1.25)


@states(
    "solutions/one-of-seven.md",
    "Under Student-t the odd trial counts less for the mean, which therefore lies lower, "
    "and the noisy trial follows it.",
)
@states("solutions/one-of-seven.md", "One in fifty, or so; a noisier trial has more room.")
@states(
    "solutions/one-of-seven.md",
    "The noisier an odd trial, the more it is pulled in, and on the whole the less it moves the others.",
)
@states(
    "solutions/one-of-seven.md",
    "It leaves $\\tau$ smaller, and goes more than half of the way to the common mean itself.",
)
def test_one_of_seven():
    kept = np.array([1, 2, 3, 4, 6, 8, 10]) - 1
    y, sigma = EFFECT[kept], ERROR[kept]
    by_normal, by_student = normal(y, sigma), student(y, sigma)
    assert by_student["tau"].mean() < by_normal["tau"].mean()
    noisy = [posterior["theta"].mean().values[2] for posterior in (by_normal, by_student)]
    assert noisy[1] < noisy[0]
    assert by_student["mu"].mean() < by_normal["mu"].mean()
    assert 1 - places(lambda j: np.delete(kept, 5), latitude=False)[7] == pytest.approx(0.02, abs=0.003)
    six = normal(y[kept != 7], sigma[kept != 7])["theta_new"]
    precise, noisy = (six.expect(lambda x, sd=sd: stats.norm.sf(y[5], x, sd)) for sd in (sigma[5], 0.5))
    assert precise == pytest.approx(0.02, abs=0.003)
    assert noisy > 2 * precise
    without, pulls, moves = normal(y[kept != 7], sigma[kept != 7])["theta"].mean().values, [], []
    for error in (0.06, 0.15, 0.3, 0.5, 0.8, 1.2):
        theta = normal(y, np.where(kept == 7, error, sigma))["theta"].mean().values
        pulls.append(y[5] - theta[5])
        moves.append(np.mean((theta[kept != 7] - without) ** 2))
    assert np.all(np.diff(pulls) > 0)
    assert np.all(np.diff(moves) < 0)
    small = np.where(kept == 7, 0.5, sigma)
    for solve, before in ((normal, by_normal), (student, by_student)):
        after = solve(y, small)
        assert after["tau"].mean() < 0.8 * before["tau"].mean()
        own = after["theta"].mean().values[5]
        assert 0.5 < (y[5] - own) / (y[5] - after["mu"].mean()) < 0.6


def given(tau):
    """Mean of mu, and of each effect, for a known tau: by hand."""
    weights = 1 / (ERROR**2 + tau**2)
    mean = weights @ EFFECT / (weights.sum() + 1)
    factor = ERROR**2 / (ERROR**2 + tau**2)
    return mean, factor * mean + (1 - factor) * EFFECT


@states("chapters/odd-group.md", "Trial 12 reported the largest ratio, with the logarithm $y_{12} =$ ….")
@states("chapters/odd-group.md", "From … at $\\tau = 0$ to … at $\\tau =$ …, and only then upwards.")
@states(
    "chapters/odd-group.md",
    "It is nearly all common mean there, and the mean moves: at $\\tau = 0$ Madras holds it up.",
)
def test_an_estimate_goes_away_from_its_report_with_the_mean():
    settings = np.arange(31) / 20
    twelve = np.array([given(tau)[1][11] for tau in settings])
    assert EFFECT.argmax() == 11
    turn = twelve.argmin()
    assert turn > 0
    assert (np.diff(twelve[: turn + 1]) < 0).all()
    assert (np.diff(twelve[turn:]) > 0).all()
    assert (ERROR[11] ** 2 / (ERROR[11] ** 2 + settings[: turn + 1] ** 2) > 0.9).all()
    others = np.arange(13) != 7
    without_madras = INFORMATION[others] @ EFFECT[others] / (INFORMATION[others].sum() + 1)
    assert without_madras < given(0.0)[0] - 0.3


@states(
    "chapters/odd-group.md",
    "the more trials differ, the less it counts how well each is known, "
    "and the two that are known best, trial 6 and above all Madras, lose their lead.",
)
def test_large_trials_lose_their_lead_as_the_population_widens():
    shares = np.array([1 / (ERROR**2 + tau**2) for tau in np.arange(31) / 20])
    shares /= shares.sum(axis=1, keepdims=True)
    assert (np.diff(np.ptp(shares, axis=1)) < 0).all()
    assert sorted(shares[0].argsort()[-2:]) == [5, 7]
    assert shares[0].argmax() == 7
    assert (np.diff(shares[:, [5, 7]], axis=0) < 0).all()
    assert given(0.6)[0] < given(0.0)[0]
