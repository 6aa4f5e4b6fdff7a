"""What the page on proportions says, by draws and by data that are simulated."""

import numpy as np
import pytest
from scipy import special, stats
from statements import states

import hierarchical_exact as exact
from support import datasets

DATA = datasets.rat_tumours()
TUMOURS, RATS = DATA["tumours"].values, DATA["rats"].values
RAW = TUMOURS / RATS
CONCENTRATION = stats.gamma(2, scale=20)


def solve(concentration=CONCENTRATION, tumours=DATA["tumours"]):
    return exact.beta_binomial(tumours, DATA["rats"], mean=stats.beta(1, 1), concentration=concentration)


@pytest.fixture(scope="module")
def posterior():
    return solve()


@pytest.fixture(scope="module")
def draws(posterior):
    return posterior.sample(10_000, np.random.default_rng(17))


def higher(theta):
    """Share of draws in which the first of each pair is the higher one."""
    return np.array([(theta[:, [i]] > theta).mean(axis=0) for i in range(theta.shape[1])])


@states(
    "chapters/proportions.md", "Even a rate of 0.07 leaves 20 rats without a tumour nearly one time in four."
)
@states("chapters/proportions.md", "at a rate of 0.14 all of 20 rats escape one time in twenty.")
@states(
    "chapters/proportions.md",
    "The population counts like $\\kappa$ more rats, of which $m\\kappa$ have a tumour.",
)
@states(
    "chapters/proportions.md", "Twenty rats of their own weigh as much as the twenty that the population adds"
)
@states("chapters/proportions.md", "its prior has the mean 40, and 95% of it lies between 5 and 111.")
def test_a_known_population_counts_like_rats():
    assert 0.2 < 0.93**20 < 0.25
    assert 0.045 < 0.86**20 < 0.055
    known = exact.beta_binomial([0], [20], mean=stats.beta(1.4e9, 8.6e9), concentration=20)
    assert known["theta"].mean()[0] == pytest.approx(0.14 * 20 / (20 + 20), abs=1e-6)
    assert CONCENTRATION.mean() == 40
    assert CONCENTRATION.ppf([0.025, 0.975]).round().tolist() == [5, 111]


@states("chapters/proportions.md", "95 of 100 or more would lie in the band.")
@states("chapters/proportions.md", "four of them lie above the band")
def test_what_one_rate_allows():
    share = TUMOURS.sum() / RATS.sum()
    low, high = stats.binom.ppf([[0.025], [0.975]], RATS, share)
    inside = stats.binom.cdf(high, RATS, share) - stats.binom.cdf(low - 1, RATS, share)
    assert inside.min() >= 0.95
    assert (np.flatnonzero(high < TUMOURS) + 1).tolist() == [67, 68, 69, 70]
    assert not (low > TUMOURS).any()


@states(
    "chapters/proportions.md",
    "Experiments of one size lie on a straight line, the flatter the smaller they are, and each of these "
    "lines crosses the dashed one near the mean of the population.",
)
def test_experiments_of_one_size_lie_on_a_line(posterior):
    estimate, centre, slopes = posterior["theta"].mean().values, posterior["mean"].mean(), []
    for size in np.unique(RATS):
        x, y = RAW[size == RATS], estimate[size == RATS]
        own = posterior["concentration"].expect(lambda k, n=size: n / (k + n))
        intercept = y[0] - own * x[0]
        np.testing.assert_allclose(y, intercept + own * x, atol=1e-5)
        assert intercept / (1 - own) == pytest.approx(centre, abs=0.002)
        slopes.append(own)
    assert (np.diff(slopes) > 0).all()


@states("chapters/proportions.md", "its estimate is that of experiment 68, to less than a thousandth.")
@states(
    "chapters/proportions.md", "the population has more say than its own data, and its estimate is a fifth."
)
@states(
    "chapters/proportions.md",
    "Among priors with means or a scale of 20 and more these estimates move by less than a "
    "hundredth; one with the mean 1 is still felt.",
)
def test_three_estimates_and_other_priors(posterior):
    theta = posterior["theta"].mean()
    assert RAW.argmax() + 1 == theta.values.argmax() + 1 == 70
    assert 0 < theta.sel(experiment=70) - theta.sel(experiment=68) < 1e-3
    assert posterior["concentration"].expect(lambda k: k / (k + 14)) > 0.5
    assert theta.sel(experiment=71) == pytest.approx(0.2, abs=0.005)
    for prior in (stats.expon(scale=20), stats.expon(scale=50), stats.halfcauchy(scale=20)):
        moved = solve(prior)["theta"].mean() - theta
        assert abs(moved.sel(experiment=[1, 70, 71])).max() < 0.01
    moved = solve(stats.expon(scale=1))["theta"].mean() - theta
    assert (abs(moved.sel(experiment=[1, 70, 71])) > 0.02).all()


@states(
    "chapters/proportions.md",
    "Its estimate is the largest, but so many others may be higher that it probably is not the first.",
)
@states("chapters/proportions.md", "It may be higher than any one of the others.")
@states(
    "chapters/proportions.md",
    "The odds are even; and though 70 is the more probable winner, 68 has the better mean rank",
)
@states(
    "chapters/proportions.md",
    "the first by its estimate may be the twentieth, and the last may be in the middle.",
)
def test_ranks(posterior, draws):
    theta = draws["theta"].values
    best = np.bincount(theta.argmax(axis=1), minlength=71) / len(theta)
    assert best.argmax() + 1 == 70
    assert best[69] == pytest.approx(1 / 6, abs=0.02)
    pairs = higher(theta)
    assert pairs[69, 67] == pytest.approx(0.5, abs=0.02)
    assert (pairs[69, np.arange(71) != 69] > 0.48).all()
    mean_rank = 1 + pairs.sum(axis=0)
    assert mean_rank.argmin() + 1 == 68
    sd = posterior["theta"].sd()
    assert sd.sel(experiment=68) < sd.sel(experiment=70)
    rank = stats.rankdata(-theta, axis=1)
    last = posterior["theta"].mean().values.argmin()
    assert np.quantile(rank[:, 69], 0.945) > 20
    assert np.quantile(rank[:, last], 0.055) < 36


@states(
    "chapters/proportions.md", "Whoever tests all of them at the 5% level expects up to 124 false differences"
)
@states("chapters/proportions.md", "… pairs differ.")
@states("chapters/proportions.md", "It makes fewer claims and expects … of them to be wrong.")
@states("chapters/proportions.md", "Fewer: ….")
@states(
    "chapters/proportions.md", "Intervals get shorter, but the estimates move together by more than that."
)
@states("chapters/proportions.md", "and the differences are by more than a half larger than they should be.")
def test_pairs_that_differ(posterior, draws):
    """By draws; the page has sums over a grid."""
    assert 71 * 70 // 2 == 2485
    assert round(0.05 * 2485) == 124
    rng = np.random.default_rng(5)
    alone = higher(rng.beta(1 + TUMOURS, 1 + RATS - TUMOURS, (10_000, 71))) > 0.975
    pooled = higher(draws["theta"].values)
    assert alone.sum() == pytest.approx(430, abs=25)
    assert (pooled > 0.975).sum() < alone.sum() / 2
    assert (1 - pooled[pooled > 0.975]).mean() < (1 - pooled[alone]).mean() / 2
    i, j = np.nonzero(alone)
    flat, estimate = (1 + TUMOURS) / (2 + RATS), posterior["theta"].mean().values
    assert (flat[i] - flat[j]).mean() > 1.5 * (estimate[i] - estimate[j]).mean()
    assert (1 - pooled[alone]).mean() == pytest.approx(0.036, abs=0.003)
    sd = stats.beta(1 + TUMOURS, 1 + RATS - TUMOURS).std()
    narrower = (posterior["theta"].sd().values / sd).mean()
    assert np.std(estimate) / np.std(flat) < narrower < 1


@states(
    "chapters/proportions.md",
    "in data simulated from such a population ($\\kappa = 20$) its claims are wrong as seldom as it "
    "says, and those without pooling two to four times as often as they say.",
)
def test_claims_in_data_whose_truth_is_known():
    """A Beta population with the posterior means of the page, which each of 80 data sets must tell itself."""
    rng = np.random.default_rng(58)
    a, b = 0.143 * 20, 0.857 * 20
    found = {"pooled": [], "alone": []}
    for _ in range(80):
        theta = rng.beta(a, b, 71)
        y = rng.binomial(RATS, theta)
        draws = {
            "pooled": solve(tumours=y).sample(1000, rng)["theta"].values,
            "alone": rng.beta(1 + y, 1 + RATS - y, (1000, 71)),
        }
        for name, theta_given_y in draws.items():
            probability = higher(theta_given_y)
            i, j = np.nonzero(probability > 0.975)
            found[name].append([i.size, (1 - probability[i, j]).sum(), (theta[i] < theta[j]).sum()])
    for name, (low, high) in {"pooled": (0.75, 1.25), "alone": (2, 4)}.items():
        claims, said, wrong = np.sum(found[name], axis=0)
        assert claims > 8000
        assert low < wrong / said < high, name


@states("chapters/proportions.md", "One rate for all would leave two experiments without a tumour.")
@states(
    "chapters/proportions.md",
    "The population expects eight, and fourteen or more once in some thirteen times",
)
@states("chapters/proportions.md", "is nothing unusual.")
def test_experiments_without_a_tumour_and_the_last_one(posterior):
    share = TUMOURS.sum() / RATS.sum()
    assert round(((1 - share) ** RATS).sum()) == 2
    sizes, times = np.unique(RATS, return_counts=True)
    new = posterior["theta_new"]
    none = sum(
        count * new.expect(lambda theta, size=size: (1 - theta) ** size)
        for size, count in zip(sizes, times, strict=True)
    )
    assert round(none) == 8
    rng = np.random.default_rng(6)
    hyper = posterior.sample(10_000, rng)
    a = (hyper["mean"] * hyper["concentration"]).values[:, None]
    b = hyper["concentration"].values[:, None] - a
    zeros = (rng.binomial(RATS, rng.beta(a, b, (10_000, 71))) == 0).sum(axis=1)
    assert 1 / 13.6 < (zeros >= 14).mean() < 1 / 12.4
    assert new.expect(lambda theta: stats.binom.sf(3, 14, theta)) > 0.1


@states(
    "chapters/proportions.md",
    "The logit-Normal population expects still fewer experiments without a tumour, … of them",
)
@states(
    "chapters/proportions.md",
    "A new rate below one in a hundred is … times as probable under the Beta population",
)
@states("chapters/proportions.md", "one above 0.4 is … times as probable.")
@states(
    "chapters/proportions.md",
    "hardly depend on the choice, by less than a fifth of their standard deviations.",
)
@states("chapters/proportions.md", "given $\\mu$ and $\\tau$ each experiment has one integral")
@states("chapters/proportions.md", "prefers the Beta one by a trifle.")
def test_two_populations(posterior):
    """The logit-Normal population by Gauss and Hermite's rule, where the page has equal steps."""
    z, rule = np.polynomial.hermite_e.hermegauss(80)
    mu, tau = (m.ravel() for m in np.meshgrid(np.linspace(-2.7, -1.2, 31), np.linspace(0.05, 1.6, 32)))
    rate = special.expit(mu[:, None] + tau[:, None] * z)
    pairs, group = np.unique(np.stack([TUMOURS, RATS], axis=1), axis=0, return_inverse=True)
    likelihood = [stats.binom.pmf(y, n, rate) * rule / rule.sum() for y, n in pairs]
    each = np.stack([one.sum(axis=1) for one in likelihood], axis=1)[:, group]
    first = np.stack([(one * rate).sum(axis=1) for one in likelihood], axis=1)[:, group]
    weight = stats.norm(-2, 1).pdf(mu) * stats.halfnorm.pdf(tau) * np.exp(np.log(each).sum(axis=1) + 150)
    weight /= weight.sum()
    assert weight @ mu == pytest.approx(-1.949, abs=1e-3)  # as the page prints
    assert weight @ tau == pytest.approx(0.700, abs=1e-3)
    theta = weight @ (first / each)
    apart = np.abs(theta - posterior["theta"].mean().values) / posterior["theta"].sd().values
    assert apart.max() < 0.2
    new = posterior["theta_new"]
    below = weight @ stats.norm.cdf((np.log(0.01 / 0.99) - mu) / tau)
    above = weight @ stats.norm.sf((np.log(0.4 / 0.6) - mu) / tau)
    assert 4 < new.cdf(0.01) / below < 10
    assert new.sf(0.4) / above == pytest.approx(0.5, abs=0.07)
    # That of the Beta population, 8.2, is a sum over experiments of the same kind.
    sizes, times = np.unique(RATS, return_counts=True)
    none = sum(m * weight @ ((1 - rate) ** s @ rule) / rule.sum() for s, m in zip(sizes, times, strict=True))
    beta = sum(m * new.expect(lambda theta, s=s: (1 - theta) ** s) for s, m in zip(sizes, times, strict=True))
    assert round(none, 1) == 7.9
    assert none < beta
    gain = posterior.elpd_loo.sum().item() + np.log(weight @ (1 / each)).sum()
    assert 0 < gain < 2


@states("solutions/twelve-experiments.md", "The prior of the concentration has the mean 40 and the sd 28")
@states(
    "solutions/twelve-experiments.md",
    "twelve experiments speak against a concentration below five or so, and say little of larger ones: from "
    "nine or so on, all have two fifths of the largest likelihood, or more.",
)
@states("solutions/twelve-experiments.md", "With all 71 experiments the same two priors give … and …")
@states("solutions/twelve-experiments.md", "and leaves the estimate nearer to zero.")
@states("solutions/twelve-experiments.md", "twelve do not overrule the prior so well.")
@states(
    "solutions/twelve-experiments.md", "the average over them is three times what the average rate gives."
)
def test_twelve_of_them():
    some = DATA.isel(experiment=np.array([1, 15, 24, 32, 36, 37, 43, 44, 56, 58, 61, 70]) - 1)
    found = [
        exact.beta_binomial(some["tumours"], some["rats"], mean=stats.beta(1, 1), concentration=prior)
        for prior in (CONCENTRATION, stats.expon(scale=5), stats.expon(scale=100))
    ]
    kappa = found[0]["concentration"]
    assert (kappa.mean(), kappa.sd()) == pytest.approx((40, 28), rel=0.12)
    assert round(CONCENTRATION.std()) == 28
    middle, low, high = (float(each["theta"].mean()[0]) for each in found)
    assert low < middle - 0.01 < middle + 0.01 < high
    # The likelihood of the concentration, averaged over means.
    m = (np.arange(1000)[:, None] + 0.5) / 1000
    y, n = some["tumours"].values, some["rats"].values

    def likelihood(k):
        log = special.betaln(m * k + y, (1 - m) * k + n - y) - special.betaln(m * k, (1 - m) * k)
        return np.exp(log.sum(axis=1) + 300).mean()

    at = {k: likelihood(k) for k in (2, 5, 8, 9, 12, 20, 30, 40, 60, 100, 1000, 10_000)}
    at = {k: one / max(at.values()) for k, one in at.items()}
    assert at[2] < 0.01 < at[5] < 0.15 < at[8] < 0.4
    assert min(at[20], at[60], at[100]) > 0.65
    assert min(one for k, one in at.items() if k > 8) > 0.385
    every = [solve(stats.expon(scale=scale))["theta"].mean()[0].item() for scale in (5, 100)]
    assert np.round(every, 3).tolist() == [0.059, 0.069]
    assert every[1] - every[0] < (high - low) / 4
    new = found[0]["theta_new"]
    ratio = new.expect(lambda theta: (1 - theta) ** 20) / (1 - new.mean()) ** 20
    assert round(ratio) == 3
