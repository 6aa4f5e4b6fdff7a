"""Sentences that a review had found wanting, as they stand now, with no code of the book but `by_hand`."""

import warnings

import numpy as np
import pymc as pm
import pytest
from by_hand import EFFECT, ERROR, ByHand
from scipy import linalg, stats
from statements import states

# -- what exchangeable means --------------------------------------------------------------------------


@states(
    "chapters/when-hierarchical.md",
    "Then nothing else hints at whose parameter is high or low: not the size of a group, not its standard "
    "error, not which is whose neighbour.",
)
@states("chapters/when-hierarchical.md", "if the labels of the groups were shuffled")
def test_nobody_knows_the_larger_one_and_still_the_labels_count():
    """Neighbours that are alike, and a group of which less is known beforehand: each pair is even."""
    neighbours = linalg.toeplitz(0.9 ** np.arange(4))
    uncertain = np.diag([1.0, 100.0, 1.0, 1.0])
    alike = 0.3 + 0.7 * np.eye(4)
    shuffled = np.ix_([2, 0, 3, 1], [2, 0, 3, 1])
    for covariance, exchangeable in ((neighbours, False), (uncertain, False), (alike, True)):
        theta = np.random.default_rng(58).multivariate_normal(np.zeros(4), covariance, 40_000)
        for i, j in ((0, 1), (1, 2), (0, 3)):
            assert (theta[:, i] > theta[:, j]).mean() == pytest.approx(0.5, abs=4 * 0.5 / 200)
        assert np.allclose(covariance, covariance[shuffled]) == exchangeable


# -- the step of the sampler, and what it does not say ---------------------------------------------------


@pytest.fixture(scope="module")
def centred():
    """A centred fit by nutpie as PyMC calls it, with what it warned of."""
    with warnings.catch_warnings(record=True) as caught, pm.Model():
        warnings.simplefilter("always")
        mu, tau = pm.Normal("mu", 0, 20), pm.HalfNormal("tau", 10)
        theta = pm.Normal("theta", mu, tau, shape=8)
        pm.Normal("y", theta, ERROR, observed=EFFECT)
        settings = {"draws": 2000, "tune": 1000, "chains": 4, "random_seed": 58, "progressbar": False}
        fit = pm.sample(nuts_sampler="nutpie", nuts={"target_accept": 0.9}, **settings)
    return fit, [str(one.message) for one in caught]


@states("chapters/eight-schools.md", "The default sampler of this book prints no warning by itself")
@states(
    "chapters/eight-schools.md",
    "The line that sample prints is the first thing to read, before any posterior mean.",
)
@states(
    "chapters/todays-code.md", "nutpie, which pm.sample takes where it is installed, as here, says nothing."
)
@pytest.mark.sampling
def test_a_fit_that_diverged_says_nothing_of_it(centred, capfd):
    fit, caught = centred
    assert int(fit["sample_stats"]["diverging"].sum()) > 0
    said = " ".join([*caught, *capfd.readouterr()]).lower()
    assert "diverg" not in said
    assert "r_hat" not in said
    assert "rhat" not in said


@states("chapters/todays-code.md", "PyMC's own sampler warns of them.")
@states("chapters/todays-code.md", "Not every sampler reports divergences")
@pytest.mark.sampling
def test_the_sampler_of_pymc_warns_of_divergences(caplog):
    with pm.Model():
        scale = pm.Normal("scale", 0, 3)
        pm.Normal("x", 0, pm.math.exp(scale / 2), shape=9)
        settings = {"draws": 200, "tune": 200, "chains": 2, "cores": 1, "random_seed": 58}
        fit = pm.sample(nuts_sampler="pymc", progressbar=False, **settings)
    assert int(fit["sample_stats"]["diverging"].sum()) > 0
    assert "divergences after tuning" in caplog.text


@states(
    "chapters/eight-schools.md",
    "NUTS takes steps of about the same size in the neck as in the mouth.",
)
@states("chapters/eight-schools.md", "A sampler takes steps of about one length, whatever $\\tau$ is")
@states(
    "chapters/eight-schools.md",
    "Tuning chooses this size so that steps are accepted about as often as target_accept asks, on average",
)
@states("chapters/eight-schools.md", "the average is made in the mouth, where most of the mass is")
@pytest.mark.sampling
def test_one_step_for_mouth_and_neck(centred):
    fit, _ = centred
    step, tau = (
        fit[group][name].values for group, name in (("sample_stats", "step_size"), ("posterior", "tau"))
    )
    # nutpie varies a step by chance, by a tenth, and so by no more from the neck to the mouth.
    for one, place in zip(step, tau, strict=True):
        assert np.abs(one / one.mean() - 1).max() < 0.15
        low, high = one[place < np.quantile(place, 0.1)], one[place > np.quantile(place, 0.9)]
        assert low.mean() == pytest.approx(high.mean(), rel=0.05)
    accepted = fit["sample_stats"]["mean_tree_accept"].values
    assert np.median(accepted.mean(axis=1)) == pytest.approx(0.9, abs=0.06)
    exact = ByHand()
    assert exact.mass[np.searchsorted(np.arange(1600) / 20, 1.0) :].sum() > 0.85
    # What is accepted in the neck is less, and hardly counts.
    assert accepted[tau < 0.5].mean() < accepted[tau > 2].mean()


# -- coverage, by sums over tau ---------------------------------------------------------------------------

Z = stats.norm.ppf(0.945)


def intervals(y, error, scale=10.0):
    """Central 89% intervals of all effects: exact in tau, by bisection of the mixture's distribution."""
    posterior = ByHand(y, error, scale=scale)
    spread = np.sqrt((1 - posterior.factor) * error**2 + posterior.factor**2 * posterior.variance_mu[:, None])
    some = posterior.mass > posterior.mass.max() * 1e-6
    mass, mean, sd = posterior.mass[some], posterior.given[some], spread[some]

    def end(probability):
        low, high = (mean - 9 * sd).min(axis=0), (mean + 9 * sd).max(axis=0)
        for _ in range(22):
            middle = (low + high) / 2
            below = mass @ stats.norm.cdf((middle - mean) / sd) < probability
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (low + high) / 2

    return end(0.055), end(0.945)


def held(groups, tau, replicates, seed=58):
    """Mean probability of a true effect inside, given the data, and its error; over the prior without tau."""
    error, rng, inside = np.resize(ERROR, groups), np.random.default_rng(seed), []
    for _ in range(replicates):
        mu, sd = (8.0, tau) if tau is not None else (rng.normal(0, 20), abs(rng.normal(0, 10)))
        y = rng.normal(mu, np.hypot(sd, error))
        ends = intervals(y, error)
        # Who knows mu and tau knows each effect as well as can be.
        factor = error**2 / (error**2 + sd**2)
        known = stats.norm((1 - factor) * y + factor * mu, np.sqrt(1 - factor) * error)
        inside.append(np.mean(known.cdf(ends[1]) - known.cdf(ends[0])))
    return np.mean(inside), np.std(inside) / np.sqrt(replicates)


@states(
    "chapters/practical-considerations.md",
    "The full posterior does not hold 89% of the true effects at either value of $\\tau$: it holds more at "
    "the first and less at the second.",
)
@states(
    "chapters/practical-considerations.md",
    "Averaged over the prior its intervals have their level; at a single value of $\\tau$ nobody promised "
    "that.",
)
@pytest.mark.slow
def test_intervals_at_one_tau_and_over_the_prior():
    few, error_few = held(8, 5.0, 300)
    many, error_many = held(50, 10.0, 200)
    average, error_average = held(8, None, 400)
    assert few - 4 * error_few > 0.89 > many + 4 * error_many
    assert abs(average - 0.89) < 4 * error_average < 0.04
    # The two that the page's own simulation gives, and a fault of a twentieth would show.
    assert few == pytest.approx(0.92, abs=0.02 + 4 * error_few)
    assert many == pytest.approx(0.855, abs=0.02 + 4 * error_many)


@states("chapters/practical-considerations.md", "A plugged-in $\\hat\\tau$ is taken as if it were the truth")
@pytest.mark.slow
def test_intervals_with_tau_plugged_in_hold_less():
    rng, tau, inside = np.random.default_rng(58), np.linspace(0, 60, 601)[:, None], []
    for _ in range(1000):
        theta = rng.normal(8, 5, 8)
        y = rng.normal(theta, ERROR)
        weight = 1 / (ERROR**2 + tau**2)
        mean = (weight * y).sum(axis=1) / weight.sum(axis=1)
        log = np.log(weight).sum(axis=1) - np.log(weight.sum(axis=1))
        best = (log - (weight * (y - mean[:, None]) ** 2).sum(axis=1)).argmax()
        factor = ERROR**2 * weight[best]
        centre = (1 - factor) * y + factor * mean[best]
        sd = np.sqrt((1 - factor) * ERROR**2 + factor**2 / weight[best].sum())
        inside.append(np.mean(abs(centre - theta) < Z * sd))
    error = np.std(inside) / np.sqrt(1000)
    assert np.mean(inside) + 4 * error < 0.87
    assert np.mean(inside) == pytest.approx(0.82, abs=0.03 + 4 * error)


@pytest.fixture(scope="module")
def subjects():
    """Four of eight schools of another kind, twenty points off, and two of eight, 25 points off."""
    found = {}
    for reading, gap in ((4, 20.0), (2, 25.0)):
        rng, rows, losses, inside = np.random.default_rng(58), np.arange(8) >= 8 - reading, [], []
        error = np.where(rows, 10.0, 5.0)
        for _ in range(400):
            theta = rng.normal(5 + gap * rows, 2)
            y = rng.normal(theta, error)
            pooled = ByHand(y, error).theta
            known = with_subject(y, error, rows.astype(float))
            low, high = intervals(y, error)
            losses.append([((one - theta)[rows] ** 2).mean() for one in (y, pooled, known)])
            inside.append(((low < theta) & (theta < high))[rows].mean())
        square, noise = np.mean(losses, axis=0), np.std(losses, axis=0) / 20
        root = np.sqrt(square)
        found[reading] = root, noise / (2 * root), np.mean(inside), np.std(inside) / 20
    return found


def with_subject(y, error, x):
    """Posterior mean of the effects where the subject is known, beta being Normal(0, 20), by a sum."""
    weights, means = [], []
    for tau in (np.arange(80) + 0.5) / 4:
        prior = 400 * (1 + np.outer(x, x)) + tau**2 * np.eye(8)
        inverse = np.linalg.inv(prior + np.diag(error**2))
        _, log_determinant = np.linalg.slogdet(inverse)
        weights.append((log_determinant - y @ inverse @ y - (tau / 10) ** 2) / 2)
        means.append(prior @ inverse @ y)
    mass = np.exp(np.array(weights) - max(weights))
    return mass @ np.array(means) / mass.sum()


@states(
    "chapters/practical-considerations.md",
    "In that even split, the estimates of the reading schools are about as good as without pooling",
)
@states("chapters/practical-considerations.md", "Their 89% intervals are not good, and hold the truth …")
@states("chapters/practical-considerations.md", "The full damage comes with the noisy minority")
@states("chapters/practical-considerations.md", "against it pooling everything loses clearly")
@pytest.mark.slow
def test_what_pooling_two_kinds_does_to_the_noisy_one(subjects):
    (raw, pooled, known), error, inside, noise = subjects[4]
    assert abs(pooled - raw) < 0.1 * raw
    assert known + 4 * error[2] < 0.6 * pooled
    assert inside + 4 * noise < 0.85
    (raw, pooled, known), error, inside, noise = subjects[2]
    assert pooled - 4 * error[1] > 1.35 * raw
    assert known + 4 * error[2] < 0.6 * pooled
    assert inside + 4 * noise < 0.6
    # Beside the review's own numbers, found with forty times as many data sets.
    assert pooled == pytest.approx(15.3, abs=0.3 + 4 * error[1])
    assert known == pytest.approx(7.05, abs=0.2 + 4 * error[2])
    assert inside == pytest.approx(0.39, abs=0.02 + 4 * noise)
    assert subjects[4][2] == pytest.approx(0.67, abs=0.02 + 4 * subjects[4][3])


# -- leave-one-out on many sets of eight schools, by sums over tau ----------------------------------------

TAUS = np.linspace(0, 60, 241)


def elpd(y, tau, prior):
    """Leave-one-out score with mu Normal(0, 20) and weights of tau on a grid."""
    weight = prior(tau)
    total = 0.0
    for i in range(8):
        rest = np.delete(np.arange(8), i)
        precision = 1 / (ERROR[rest] ** 2 + tau[:, None] ** 2)
        variance = 1 / (precision.sum(axis=1) + 20**-2)
        mean = variance * (precision @ y[rest])
        log = (
            np.log(precision).sum(axis=1) + np.log(variance) + mean**2 / variance - precision @ y[rest] ** 2
        ) / 2
        mass = np.exp(log - log.max()) * weight
        spread = np.sqrt(variance + tau**2 + ERROR[i] ** 2)
        total += np.log(mass @ stats.norm.pdf(y[i], mean, spread) / mass.sum())
    return total


@states(
    "chapters/loo-comparison.md", "With eight schools, LOO often prefers complete pooling where it is wrong."
)
@states("chapters/loo-comparison.md", "Partial pooling seldom comes first, and seldom does badly.")
@states("chapters/loo-comparison.md", "since whichever extreme is nearer to the truth beats it slightly")
@states("chapters/loo-comparison.md", "That is what partial pooling is for: it is insurance.")
@pytest.mark.slow
@states("chapters/loo-comparison.md", "In about … of the data sets.")
def test_who_wins_on_eight_schools():
    found = {}
    for tau in (0.0, 5.0, 20.0):
        rng, scores = np.random.default_rng(58), []
        for _ in range(300):
            y = rng.normal(8, np.hypot(tau, ERROR))
            complete = elpd(y, np.zeros(1), np.ones_like)
            partial = elpd(y, TAUS, stats.halfnorm(scale=10).pdf)
            none = stats.norm(0, np.hypot(20, ERROR)).logpdf(y).sum()
            scores.append((complete, partial, none))
        found[tau] = np.array(scores)
    first = {tau: np.bincount(one.argmax(axis=1), minlength=3) / 300 for tau, one in found.items()}
    loss = {tau: (one.max(axis=1, initial=-np.inf)[:, None] - one).mean(axis=0) for tau, one in found.items()}
    assert first[5.0][0] > 0.5  # wrong, and still first more often than not
    assert max(one[1] for one in first.values()) < 0.3
    # Insurance: its worst average loss is a small part of that of either extreme.
    assert max(one[1] for one in loss.values()) < 0.6 * max(one[2] for one in loss.values())
    assert max(one[1] for one in loss.values()) < 0.3 * max(one[0] for one in loss.values())
