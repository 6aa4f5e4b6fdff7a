"""Sentences computed once more from their definitions: urns, balls in the funnel, rats, and what shrinks."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from by_hand import EFFECT, ERROR, TAU, ByHand
from scipy import optimize, special, stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling import explorers

# -- an urn --------------------------------------------------------------------------------------------


def urn(colours):
    """Probability of a sequence of draws, each put back with another marble of its colour."""
    marbles, probability = {"R": 1, "B": 1}, Fraction(1)
    for colour in colours:
        probability *= Fraction(marbles[colour], sum(marbles.values()))
        marbles[colour] += 1
    return probability


@states("chapters/mathematical-structure.md", "The order does not matter: the draws are exchangeable")
@states("chapters/mathematical-structure.md", "each single draw is red with the same probability.")
@states("chapters/mathematical-structure.md", "Yet the first draw changes what to expect of the second.")
@states("chapters/mathematical-structure.md", "and that is precisely what the urn gives")
@states("chapters/mathematical-structure.md", "Exchangeable quantities may well depend on each other")
@states("chapters/mathematical-structure.md", "Nobody looking at the marbles can tell the two stories apart")
def test_an_urn_and_a_coin():
    orders = set(permutations("RRBBB"))
    assert len(orders) == 10
    both = special.beta(2 + 1, 3 + 1)  # the integral over the coin's hidden probability
    assert {urn(order) for order in orders} == {Fraction(both).limit_denominator(1000)}
    sequences = [tuple(f"{number:04b}".replace("0", "R").replace("1", "B")) for number in range(16)]
    for place in range(4):
        assert sum(urn(colours) for colours in sequences if colours[place] == "R") == Fraction(1, 2)
    assert urn("RR") / urn("R") == Fraction(2, 3)


@states(
    "chapters/mathematical-structure.md", "a large $\\theta_1$ hints at a large $\\mu$, and so at a large"
)
@states("chapters/mathematical-structure.md", "In the right-hand cloud a large $\\theta_1$ goes with a large")
@states("chapters/mathematical-structure.md", "Given $\\mu$ and $\\tau$ the covariance is zero.")
@states("chapters/mathematical-structure.md", "may be reflected at the diagonal without a change")
def test_two_effects_before_the_data():
    """The density of a pair by sums over mu and tau, and its mean of the second given the first."""
    mu, tau = np.linspace(-100, 100, 201), TAU_PRIOR.ppf((np.arange(60) + 0.5) / 60)

    def weights(first):
        return MU_PRIOR.pdf(mu)[:, None] * stats.norm.pdf(first, mu[:, None], tau)

    second = [(weights(first) * mu[:, None]).sum() / weights(first).sum() for first in (-20, 0, 20)]
    assert second == pytest.approx([-second[2], 0, second[2]], abs=1e-9)
    assert second[2] > 5

    def pair(one, other):
        return (weights(one) * stats.norm.pdf(other, mu[:, None], tau)).sum()

    assert pair(10, -30) == pytest.approx(pair(-30, 10))
    alone = [(weights(first)[120] * mu[120]).sum() / weights(first)[120].sum() for first in (-20, 20)]
    assert alone == pytest.approx([mu[120]] * 2)


# -- the game ------------------------------------------------------------------------------------------


@states("chapters/mathematical-structure.md", "a smaller expected loss than these posterior means.")
@states("chapters/mathematical-structure.md", "On average a round costs the raw effects")
def test_no_rule_does_better_than_the_posterior_mean():
    """By sums over effects and reports, for rules of many shapes."""
    theta, noise = (
        stats.norm.ppf((np.arange(400) + 0.5) / 400)[shape] for shape in ((slice(None), None), ...)
    )
    rules = {
        "posterior mean": lambda y, b: y + b * (8 - y),
        "raw": lambda y, b: y,
        "a little more": lambda y, b: y + 1.1 * b * (8 - y),
        "far reports only": lambda y, b: np.where(abs(y - 8) > 9, y + b * (8 - y), y),
        "clipped": lambda y, b: np.clip(y, 0, 16),
        "soft": lambda y, b: 8 + 6 * np.tanh((y - 8) / 9),
    }
    for error in (3.0, 9, 15):
        true = 8 + 6 * theta
        report, factor = true + error * noise, error**2 / (error**2 + 36)
        loss = {name: ((rule(report, factor) - true) ** 2).mean() for name, rule in rules.items()}
        assert min(loss, key=loss.get) == "posterior mean"
        assert loss["raw"] == pytest.approx(error**2, rel=0.01)
        assert loss["posterior mean"] == pytest.approx(error**2 * 36 / (error**2 + 36), rel=0.01)


# -- balls in the funnel -------------------------------------------------------------------------------

BOOK = ByHand()
CENTRED = np.append(np.sqrt(BOOK.variance_of_mu), BOOK.sd)  # units of mu and of theta


def raw_units():
    """Posterior standard deviations of mu and of theta-tilde, by sums over mu and tau."""
    nodes = stats.norm.ppf((np.arange(60) + 0.5) / 60)
    mu = BOOK.mean_mu[:, None] + np.sqrt(BOOK.variance_mu)[:, None] * nodes
    mean = (1 - BOOK.factor)[:, None, :] * (EFFECT - mu[..., None]) / TAU[:, None, None]
    variance = BOOK.factor[:, None, :]
    mass = BOOK.mass[:, None, None] / nodes.size
    first = (mass * mean).sum(axis=(0, 1))
    return np.append(CENTRED[0], np.sqrt((mass * (mean**2 + variance)).sum(axis=(0, 1)) - first**2))


def limit(tau, units, *, centred):
    """Twice the smallest standard deviation of the slice in any direction, in these units."""
    own = 1 / tau**2 if centred else 1.0
    slope = 1.0 if centred else tau  # of theta
    precision = np.diag(np.append(1 / 20**2, own + (slope / ERROR) ** 2))
    if centred:
        precision[0, 0] += 8 / tau**2
        precision[0, 1:] = precision[1:, 0] = -1 / tau**2
    else:
        precision[0, 0] += (ERROR**-2).sum()
        precision[0, 1:] = precision[1:, 0] = tau / ERROR**2
    return 2 / np.sqrt(np.linalg.eigvalsh(precision * np.outer(units, units))[-1])


@states(
    "chapters/eight-schools.md", "In the centred form the longest step shrinks as $\\tau$ does, once $\\tau$"
)
@states("chapters/eight-schools.md", "In the non-centred form the limit stays between")
@states("chapters/eight-schools.md", "has the centred form the longer step; there the schools' own reports")
@states("chapters/eight-schools.md", "A step that suits the mouth is many times too long for the neck.")
@states("chapters/eight-schools.md", "with one coordinate more, the largest eigenvalue can only grow.")
def test_the_longest_steps():
    taus, raw = np.array([0.05, 0.1, 0.5, 5, 10, 20, 40]), raw_units()
    mine = {
        "centred": np.array([limit(tau, CENTRED, centred=True) for tau in taus]),
        "non-centred": np.array([limit(tau, raw, centred=False) for tau in taus]),
    }
    tau = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)["tau"]
    for form, steps in explorers.step_limits(taus, EFFECT, ERROR, tau, mu_sd=20).items():
        assert steps == pytest.approx(mine[form], rel=0.02)
    centred, other = mine["centred"], mine["non-centred"]
    assert centred[1] / centred[0] == pytest.approx(2, rel=0.01)
    assert centred[3] > 20 * centred[1]
    assert other[taus < 20].max() < 3 * other[taus < 20].min()
    longer = centred > other
    assert not longer[:4].any()
    assert longer[-1]
    matrix = np.random.default_rng(58).normal(size=(10, 10))
    matrix = matrix @ matrix.T
    assert np.linalg.eigvalsh(matrix)[-1] >= np.linalg.eigvalsh(matrix[:9, :9])[-1]


def share_lost(start, step, balls=1500):
    """Share of balls in (mu, log tau, theta) whose energy is ever wrong by more than 1000, within time 6."""
    rng = np.random.default_rng(17)
    k = np.searchsorted(TAU, start)
    mu = BOOK.mean_mu[k] + np.sqrt(BOOK.variance_mu[k]) * rng.normal(size=(balls, 1))
    b = ERROR**2 / (ERROR**2 + start**2)
    theta = b * mu + (1 - b) * EFFECT + np.sqrt(1 - b) * ERROR * rng.normal(size=(balls, 8))
    log_sd = np.sqrt(BOOK.mass @ np.log(TAU) ** 2 - (BOOK.mass @ np.log(TAU)) ** 2)
    units = np.concatenate([CENTRED[:1], [log_sd], CENTRED[1:]])
    place = np.concatenate([mu, np.full((balls, 1), np.log(start)), theta], axis=1) / units

    def potential(place):
        mu, log, theta = np.split(place * units, [1, 2], axis=1)
        off = (theta - mu) / np.exp(log)
        total = (mu / 20) ** 2 + (np.exp(log) / 10) ** 2 + 14 * log  # tau^-8, and its Jacobian
        return 0.5 * (total[:, 0] + (off**2).sum(axis=1) + (((theta - EFFECT) / ERROR) ** 2).sum(axis=1))

    def slope(place):
        mu, log, theta = np.split(place * units, [1, 2], axis=1)
        off = (theta - mu) / np.exp(log)
        of_mu = mu / 400 - (off / np.exp(log)).sum(axis=1, keepdims=True)
        of_log = np.exp(2 * log) / 100 + 7 - (off**2).sum(axis=1, keepdims=True)
        of_theta = off / np.exp(log) + (theta - EFFECT) / ERROR**2
        return np.concatenate([of_mu, of_log, of_theta], axis=1) * units

    push = rng.normal(size=place.shape)
    energy = potential(place) + 0.5 * (push**2).sum(axis=1)
    lost = np.zeros(balls, bool)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(round(6 / step)):
            push = push - step / 2 * slope(place)
            place = place + step * push
            push = push - step / 2 * slope(place)
            lost |= ~(abs(potential(place) + 0.5 * (push**2).sum(axis=1) - energy) < 1000)
    return lost.mean()


@states("chapters/eight-schools.md", "about one ball in twenty diverges in the centred form, by")
@states("chapters/eight-schools.md", "it is about five in six, and from 0.5 nearly all.")
@states("chapters/eight-schools.md", "There the simulated trajectory shoots off, which is what a divergence")
def test_balls_by_another_program():
    shares = [share_lost(start, 0.2) for start in (5.0, 1.0, 0.5)]
    assert shares[:2] == pytest.approx([1 / 20, 5 / 6], abs=4 * np.sqrt(0.14 / 1500))
    assert shares[2] > 0.95


# -- tumours -------------------------------------------------------------------------------------------

RATS = datasets.rat_tumours()
PRIOR = stats.gamma(2, scale=20)
TWELVE = np.array([1, 15, 24, 32, 36, 37, 43, 44, 56, 58, 61, 70]) - 1


class Rates:
    """A Beta population by sums over its mean and its concentration."""

    def __init__(self, y, n, prior=PRIOR):
        m = (np.arange(160) + 0.5) / 320  # above 0.5 there is nothing
        kappa = np.geomspace(0.2, 3000, 240)
        self.m, self.kappa = (grid.ravel() for grid in np.meshgrid(m, kappa))
        a, b = (self.m * self.kappa)[:, None], ((1 - self.m) * self.kappa)[:, None]
        log = (special.betaln(a + y, b + n - y) - special.betaln(a, b)).sum(axis=1)
        log += prior.logpdf(self.kappa) + np.log(self.kappa)
        self.mass = np.exp(log - log.max())
        self.mass /= self.mass.sum()
        self.evidence = special.logsumexp(log + np.log((m[1] - m[0]) * np.log(kappa[1] / kappa[0])))
        self.a, self.b, self.y, self.n = a, b, y, n
        self.theta = self.mass @ ((a + y) / (a + b + n))

    def draws(self, size):
        rng = np.random.default_rng(58)
        k = rng.choice(self.mass.size, size, p=self.mass)
        return rng.beta(self.a[k] + self.y, self.b[k] + self.n - self.y)

    def none_of(self, n):
        """Probability that a new experiment with n rats has none with a tumour."""
        a, b = self.a[:, 0], self.b[:, 0]
        return self.mass @ np.exp(special.betaln(a, b + n) - special.betaln(a, b))


@pytest.fixture(scope="module")
def rats():
    return Rates(RATS["tumours"].values, RATS["rats"].values)


@states(
    "chapters/proportions.md", "Experiment 70 found tumours in 9 of its 24 rats, experiment 68 in 15 of 46."
)
@states("chapters/proportions.md", "And no pooling says that in 14 experiments tumours do not happen.")
@states("chapters/proportions.md", "Seven experiments had no tumour in 20 rats.")
@states("chapters/proportions.md", "Seventy-one experiments make 2485 pairs.")
@states("chapters/proportions.md", "71 experiments leave no doubt that their rates differ.")
@states("chapters/proportions.md", "Of all 71 estimates that of experiment 70 is the largest.")
@states("chapters/proportions.md", "Two dimensions remain, which")
@states("chapters/proportions.md", "here it is with one chance in six.")
@states("chapters/proportions.md", "A small group may have the largest raw share by chance.")
@states("chapters/proportions.md", "Its estimate is the largest, but so many others may be higher that it")
def test_rates_of_rats(rats):
    y, n = rats.y, rats.n
    assert (y[69], n[69], y[67], n[67], len(y)) == (9, 24, 15, 46, 71)
    assert (y == 0).sum() == 14
    assert ((y == 0) & (n == 20)).sum() == 7
    assert 71 * 70 / 2 == 2485
    share = y.sum() / n.sum()
    one_rate = special.betaln(1 + y.sum(), 1 + (n - y).sum())
    assert rats.evidence - one_rate > np.log(1e6)
    assert rats.theta.argmax() == 69
    theirs = exact.beta_binomial(y, n, mean=stats.beta(1, 1), concentration=PRIOR)
    assert theirs["theta"].mean().values == pytest.approx(rats.theta, abs=2e-5)
    winner = np.bincount(rats.draws(20_000).argmax(axis=1), minlength=71) / 20_000
    assert winner[69] == pytest.approx(1 / 6, abs=0.015)
    # Among experiments of one rate, the largest share is most often that of a small one.
    simulated = np.random.default_rng(58).binomial(n, share, (4000, 71)) / n
    assert n[simulated.argmax(axis=1)].mean() < n.mean() - 3


@states("chapters/proportions.md", "Corrected for 2485 tests it finds no pair at all")
def test_no_pair_is_left_by_fisher_s_test(rats):
    pairs = np.unique(np.stack([rats.y, rats.n - rats.y], axis=1), axis=0)
    share = pairs[:, 0] / pairs.sum(axis=1)
    low, high = pairs[share < 0.06], pairs[share > 0.2]
    smallest = min(stats.fisher_exact([one, other])[1] for one in low for other in high)
    assert 0.05 / 2485 < smallest < 0.05


@states("solutions/twelve-experiments.md", "it has to win eleven such comparisons at once.")
@states(
    "solutions/twelve-experiments.md",
    "With less concentration they differ more, and there are more low ones.",
)
@states("solutions/twelve-experiments.md", "averaged over its unknown rate, not computed at its mean.")
@states("solutions/twelve-experiments.md", "None of twenty is no rate of zero.")
@states("solutions/twelve-experiments.md", "something is left in every estimate.")
@states("solutions/twelve-experiments.md", "In one of them none of 20 rats had a tumour.")
@states("solutions/twelve-experiments.md", "The population has a say that goes with $\\kappa/(\\kappa + n)$.")
def test_twelve_experiments_once_more():
    """The numbers that the page states, by sums of another kind."""
    y, n = RATS["tumours"].values[TWELVE], RATS["rats"].values[TWELVE]
    assert [(count, size) for count, size in zip(y, n, strict=True) if count == 0] == [(0, 20)]
    book, low, high = (Rates(y, n, prior) for prior in (PRIOR, stats.expon(scale=5), stats.expon(scale=100)))
    assert [rates.theta[0] for rates in (book, low, high)] == pytest.approx([0.110, 0.065, 0.128], abs=6e-4)
    assert book.mass @ (book.kappa / (book.kappa + 20)) == pytest.approx(0.621, abs=6e-4)
    nones = [rates.none_of(20) for rates in (book, low, high)]
    assert nones == pytest.approx([0.061, 0.118, 0.049], abs=6e-4)
    assert (1 - book.mass @ book.m) ** 20 == pytest.approx(0.020, abs=6e-4)
    assert (abs(low.theta - high.theta) > 0.001).sum() >= 11
    draws = book.draws(40_000)
    assert (draws[:, 11] > draws[:, 7]).mean() == pytest.approx(0.826, abs=0.008)
    assert (draws.argmax(axis=1) == 11).mean() == pytest.approx(0.451, abs=0.012)


# -- what shrinks --------------------------------------------------------------------------------------


@states("chapters/bringing-together.md", "The obvious estimate $\\hat\\theta = y$ (no pooling) has risk $J$")
@states("chapters/bringing-together.md", "Two one-dimensional integrals.")
def test_the_risk_of_shrinking_is_two_integrals():
    rng = np.random.default_rng(58)
    theta = np.array([6.0, 0, 0, 0, 0, 0, 0, 0])
    y = rng.normal(theta, 1, (200_000, 8))
    squares = (y**2).sum(axis=1)
    kept = 1 - 6 / squares
    error = (kept[:, None] * y - theta) ** 2
    grid = np.linspace(0.05, 160, 40_000)

    def mean(values, freedom):
        return np.trapezoid(values * stats.ncx2.pdf(grid, freedom, 36), grid)

    shrunk = 1 - 6 / grid
    risk = mean(shrunk**2 * grid, 8) - 2 * 36 * mean(shrunk, 10) + 36
    total = error.sum(axis=1)
    assert total.mean() == pytest.approx(risk, abs=4 * total.std() / np.sqrt(len(total)) + 1e-3)
    assert risk < 8
    assert ((y - theta) ** 2).sum(axis=1).mean() == pytest.approx(8, abs=4 * 4 / np.sqrt(200_000))
    assert error[:, 0].mean() > 1.2  # the one that lies apart is estimated worse than by itself


@states(
    "chapters/bringing-together.md",
    "with variance $v / 5$ each, where $v = \\tau_\\text{school}^2 + \\sigma^2",
)
@states("chapters/bringing-together.md", "The spread between districts is added to the spread within.")
def test_averages_of_nested_groups():
    """Covariances of everything that is measured, and of its averages."""
    school, sigma, pupils = 3.0, 10.0, 8
    covariance = school**2 * np.kron(np.eye(5), np.ones((pupils, pupils))) + sigma**2 * np.eye(5 * pupils)
    assert covariance.mean() == pytest.approx((school**2 + sigma**2 / pupils) / 5)
    rng = np.random.default_rng(58)
    seen = rng.normal(0, 3, 100_000)
    assert (seen + rng.normal(0, 4, 100_000)).std() == pytest.approx(5, rel=4 / np.sqrt(2e5))


@states(
    "solutions/noncentred-reparameterisation.md", "the determinant of a triangular matrix is the product of"
)
@states("solutions/noncentred-reparameterisation.md", "cancels exactly the factors $1/\\tau$ of the Normal")
@states(
    "solutions/noncentred-reparameterisation.md", "the map $\\theta \\mapsto \\tilde\\theta$ has $\\tau^{-J}$"
)
def test_the_jacobian_determinant():
    mu, tau = 3.0, 2.5
    raw = np.random.default_rng(58).normal(size=8)

    def full(x):
        return np.concatenate([x[:2], x[0] + x[1] * x[2:]])

    derivatives = optimize.approx_fprime(np.concatenate([[mu, tau], raw]), full, 1e-6)
    assert np.linalg.det(derivatives) == pytest.approx(tau**8, rel=1e-4)
    assert np.linalg.det(derivatives[2:, 2:]) == pytest.approx(tau**8, rel=1e-4)
    assert np.triu(derivatives, 1) == pytest.approx(np.zeros((10, 10)), abs=1e-6)
    theta = mu + tau * raw
    there = stats.norm.logpdf(theta, mu, tau).sum() + 8 * np.log(tau)
    assert there == pytest.approx(stats.norm.logpdf(raw).sum())


@states("solutions/hierarchical-poisson.md", "its expected value is the number of hospitals, 8.")
@states(
    "solutions/hierarchical-poisson.md", "A table that fits its own expectations too well is unlikely to be"
)
@states("solutions/hierarchical-poisson.md", "Here hospital 5 saw no event at all.")
@states("solutions/hierarchical-poisson.md", "It had one event in 700 patient-days")
@states(
    "solutions/hierarchical-poisson.md",
    "Without pooling its rate is the lowest of all, and pooling raises it",
)
@states(
    "solutions/hierarchical-poisson.md",
    "The exposure of a new group matters for its count, not for its rate.",
)
def test_counts_of_hospitals():
    """Rates by sums over the mean and sd of the log rates, and over each log rate."""
    data = datasets.hospitals()
    count, exposure = data["count"].values, data["exposure"].values
    assert (count[4], exposure[4]) == (1, 0.7)
    generated = datasets.simulate_hospitals(np.random.default_rng(42))["count"].values
    assert generated[4] == 0
    expected = exposure * data["true_rate"].values
    drawn = np.random.default_rng(58).poisson(expected, (100_000, 8))
    pearson = ((drawn - expected) ** 2 / expected).sum(axis=1)
    assert pearson.mean() == pytest.approx(8, abs=4 * pearson.std() / np.sqrt(100_000))
    assert (pearson <= ((count - expected) ** 2 / expected).sum()).mean() < 0.001
    alone = (1 + count) / (0.5 + exposure)
    assert alone.argmin() == exposure.argmax() == 3
    z = stats.norm.ppf((np.arange(200) + 0.5) / 200)
    mu, sd = (grid.ravel() for grid in np.meshgrid(np.linspace(-1, 2, 61), np.linspace(0.02, 2.5, 60)))
    rate = np.exp(mu[:, None] + sd[:, None] * z)
    mass = stats.norm.logpdf(mu) + stats.halfnorm.logpdf(sd)
    means = []
    for y, e in zip(count, exposure, strict=True):
        density = stats.poisson.pmf(y, rate * e)
        mass += np.log(density.mean(axis=1))
        means.append((density * rate).mean(axis=1) / density.mean(axis=1))
    mass = np.exp(mass - mass.max())
    pooled = np.array(means) @ mass / mass.sum()
    theirs = exact.poisson(count, exposure, mu_log=stats.norm(0, 1), sigma_log=stats.halfnorm(scale=1))
    assert theirs["lam"].mean().values == pytest.approx(pooled, rel=0.01)
    assert pooled[3] > alone[3]


@states(
    "chapters/when-hierarchical.md",
    "exactly as much again as the variance $\\sigma^2 / J$ of the grand mean.",
)
@states("chapters/when-hierarchical.md", "it gives no posterior at all for fewer than three groups, and")
@states("chapters/when-hierarchical.md", "by the same factor, which depends on the data only through")
@states("chapters/when-hierarchical.md", "$\\chi^2$ variable with $J - 1$ degrees of freedom, independent of")
def test_groups_that_are_all_alike():
    groups, sigma = 4000, 10.0
    tau = np.linspace(0, 2, 4001)
    density = (1 + (tau / sigma) ** 2) ** (-(groups - 1) / 2)
    assert (density @ tau**2) / density.sum() == pytest.approx(sigma**2 / groups, rel=0.01)
    with pytest.raises(ValueError, match="no proper posterior"):
        exact.normal(EFFECT[:2], ERROR[:2], mu=None, tau=None)
    rng = np.random.default_rng(58)
    one, other = rng.normal(size=(2, 6))
    other = (other - other.mean()) * one.std() / other.std() + 40  # the same sum of squares
    shares = []
    for y in (one * 15, other * 15):
        theta = exact.normal(y, 10.0, mu=None, tau=TAU_PRIOR)["theta"].mean().values
        shares.append((theta - y) / (y.mean() - y))
    assert np.ptp(shares) < 1e-6
    y = rng.normal(5, 1, (50_000, 6))
    squares = ((y - y.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    assert stats.kstest(squares, stats.chi2(5).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(squares, y.mean(axis=1))[0, 1]) < 4 / np.sqrt(50_000)


@states("solutions/tau-prior.md", "which grows without limit, while the part above 1 stays as it is.")
@states(
    "solutions/tau-prior.md", "flat on $\\log\\tau$ never does, because the likelihood at $\\tau = 0$ is not"
)
@states("solutions/tau-prior.md", "They speak against large values, a $\\tau$ of 20 say.")
@states("solutions/tau-prior.md", "Only far out does it come down.")
@states("solutions/tau-prior.md", "complete pooling, decided by nobody but the $1/\\tau$.")
def test_the_likelihood_of_tau_and_what_is_flat():
    likelihood = BOOK.mass / TAU_PRIOR.pdf(TAU)
    likelihood /= likelihood[0]
    assert likelihood[TAU < 5].min() > 0.7
    assert likelihood[np.searchsorted(TAU, 20)] < 0.1
    assert likelihood[0] > 0.99 * likelihood[5]  # near zero it is a constant, and not zero
    above = (likelihood / TAU)[TAU > 1].sum() / 20
    below = [np.log(1 / low) * likelihood[TAU < 1].mean() for low in (1e-2, 1e-8, 1e-32)]
    assert (np.diff(below) > 10).all()
    assert below[-1] / (below[-1] + above) > 0.95
