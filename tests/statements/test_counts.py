"""What the pages on the survey say, and the two solutions about its regions."""

import numpy as np
import pytest
import xarray as xr
from scipy import integrate, optimize, stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import TAILS
from support.exercises import personal

COUNT = datasets.survey()["count"]
SIZE = COUNT.sum("response").values
FLAT = stats.dirichlet(np.ones(4))
SMALLEST = SIZE.min()


def solve(alpha, count=COUNT):
    return exact.dirichlet_multinomial(count, alpha=alpha, baseline=FLAT)


def share_weight(posterior, size=SMALLEST):
    return posterior["alpha"].expect(lambda alpha: alpha / (alpha + size))


def widths(marginal):
    """Lengths of 89% highest-density intervals, over regions and answers."""
    return np.ptp(marginal.hdi(0.89).transpose(..., "ci_bound").values, axis=-1)


@pytest.fixture(scope="module")
def fits():
    """Exact posteriors by the mean of the Exponential prior of alpha."""
    return {mean: solve(stats.expon(scale=mean)) for mean in (1, 5, 20, 50)}


@pytest.fixture(scope="module")
def likelihood():
    """Log likelihood of alpha, from that of regions that are all the same."""
    limit = solve(1e8).log_evidence
    return lambda alpha: solve(float(alpha)).log_evidence - limit


@pytest.fixture(scope="module")
def unequal():
    """The counts of the exercise, and their posterior."""
    count = personal.data("try-unequal-regions")[""][0]
    return count, solve(stats.expon(scale=1), count)


# -- the survey ----------------------------------------------------------------------------------------


@states(
    "chapters/dirichlet-multinomial.md", "All $\\alpha_k = 1$ is the uniform distribution over all vectors of"
)
@states("chapters/dirichlet-multinomial.md", "the larger the sum $\\alpha_0$, the closer draws stay to it")
@states(
    "chapters/dirichlet-multinomial.md",
    "A large $\\alpha$ makes all regions alike, a small one leaves each to itself",
)
@states(
    "chapters/dirichlet-multinomial.md",
    "regions fewer than one in ten would give it, and in one of eighteen more than nine in ten.",
)
@states("chapters/dirichlet-multinomial.md", "says so more nearly: two thirds of it lie above 8.")
@states("solutions/alpha-prior.md", "with variance $p(1 - p)/(\\alpha + 1)$")
def test_the_dirichlet_distribution():
    points = FLAT.rvs(5, random_state=58)
    assert np.ptp([FLAT.pdf(point) for point in points]) < 1e-9
    variances = [stats.dirichlet(alpha * np.array([0.25, 0.4, 0.2, 0.15])).var() for alpha in (1, 8, 73)]
    assert (np.diff(variances, axis=0) < 0).all()
    share = stats.beta(8 * 0.25, 8 * 0.75)
    assert share.var() == pytest.approx(0.25 * 0.75 / 9)
    prior_mean = stats.beta(0.25, 0.75)
    assert prior_mean.sf(0.9) == pytest.approx(1 / 18, abs=0.002)
    assert prior_mean.cdf(0.1) == pytest.approx(0.5, abs=0.02)
    assert stats.expon(scale=20).sf(8) == pytest.approx(2 / 3, abs=0.01)


@states(
    "chapters/dirichlet-multinomial.md",
    "The baseline counts like $\\alpha$ respondents against the region's own",
)
@states("chapters/dirichlet-multinomial.md", "a uniform prior pulls every share toward $\\tfrac14$")
@states(
    "chapters/dirichlet-multinomial.md", "A region is half way where $\\alpha = n_r$, the smaller the sooner"
)
@states(
    "chapters/dirichlet-multinomial.md",
    "So $\\alpha_k$ acts like a number of earlier respondents who gave answer $k$.",
)
def test_a_known_baseline_counts_like_respondents():
    base = np.array([0.25, 0.35, 0.25, 0.15])
    for alpha in (4.0, 35.0, 120.0):
        fit = exact.dirichlet_multinomial(COUNT, alpha=alpha, baseline=1e9 * base)["pi"].mean().values
        assert fit == pytest.approx((COUNT.values + alpha * base) / (SIZE[:, None] + alpha), abs=1e-6)
        if alpha == 35:
            raw = COUNT.values[4] / 35
            assert fit[4] == pytest.approx((raw + base) / 2, abs=1e-6)


@states("chapters/dirichlet-multinomial.md", "a share near zero is easier to pin down than one near a half")
@states("chapters/dirichlet-multinomial.md", "The solid ones are hardly shorter.")
@states("chapters/dirichlet-multinomial.md", "highest-density intervals are a little shorter")
@states("chapters/dirichlet-multinomial.md", "the baseline weighs about as much as eight respondents")
@states(
    "chapters/dirichlet-multinomial.md",
    "Region 3's intervals for agree lie to the right of the dashed baseline",
)
def test_intervals_of_the_survey(fits):
    fit = fits[1]
    alone = exact.dirichlet_multinomial(COUNT, alpha=4.0, baseline=1e9 * np.ones(4))
    shorter = 1 - widths(fit["pi"]) / widths(alone["pi"])
    assert abs(shorter).max() < 0.1
    central = np.ptp(fit["pi"].quantile(TAILS).transpose("region", "response", "quantile").values, axis=-1)
    assert (widths(fit["pi"]) <= central + 1e-6).all()
    assert widths(fit["pi"])[2, 3] < widths(fit["pi"])[1, 3]  # SD: 4 of 60 against 25 of 120
    assert round(fit["alpha"].mean()) == 8
    low = fit["pi"].hdi(0.89).sel(region="region 3", response="A", ci_bound="lower").item()
    assert low > fit["pi0"].mean().sel(response="A").item()


@states("chapters/dirichlet-multinomial.md", "So it is the prior alone that keeps $\\alpha$ down")
@states("chapters/dirichlet-multinomial.md", "A half-Cauchy prior leaves $\\alpha$ without a finite mean")
@states("chapters/dirichlet-multinomial.md", "since the likelihood does not fall off")
@states(
    "chapters/dirichlet-multinomial.md",
    "peaking near 8, 25, 60 and 100 as the mean of the exponential prior grows from 1 to 50",
)
@states(
    "solutions/alpha-prior.md", "The likelihood climbs, steeply at first, and never comes down in earnest"
)
@states("solutions/alpha-prior.md", "A hundred, a thousand, infinity")
@states(
    "solutions/alpha-prior.md",
    "Each row is a compromise between a prior that falls and a likelihood that rises",
)
@states("solutions/alpha-prior.md", "it moves with the prior")
@states("chapters/dirichlet-multinomial.md", "The likelihood has no peak that deserves the name.")
@states("chapters/dirichlet-multinomial.md", "The … is the prior's doing.")
@states("solutions/alpha-prior.md", "A posterior with a peak does not mean that the data have one.")
def test_a_likelihood_without_a_peak(likelihood, fits):
    alphas = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
    curve = np.array([likelihood(alpha) for alpha in alphas])
    assert (np.diff(curve) > 0).all()
    assert (np.diff(curve, n=2) < 0).all()  # per doubling: steep at first
    assert np.exp(curve[alphas >= 100].min()) > 0.3
    assert all(abs(likelihood(alpha)) < 0.01 for alpha in (1e4, 1e5, 1e6))
    # With a constant likelihood the mean is infinite under a half-Cauchy prior.
    cauchy = stats.halfcauchy(scale=10)
    parts = [integrate.quad(lambda a: a * cauchy.pdf(a), 10**k, 10 ** (k + 1))[0] for k in (4, 5, 6)]
    assert parts == pytest.approx([parts[0]] * 3, rel=1e-3)
    grid = np.geomspace(1, 1000, 400)
    peaks = [grid[np.argmax(grid * np.asarray(fit["alpha"].pdf(grid)))] for fit in fits.values()]
    assert peaks == pytest.approx([8, 25, 60, 100], rel=0.12)


@states(
    "solutions/alpha-prior.md",
    "such counts can show that regions do not differ much, but not how little they differ",
)
@states(
    "chapters/dirichlet-multinomial.md",
    "the likelihood of alpha rises from zero below 10 through one half near 115 toward a dashed line at 1",
)
@states("chapters/dirichlet-multinomial.md", "The curves hardly meet")
@states(
    "chapters/dirichlet-multinomial.md",
    "The baseline itself, the raw national shares and the values in the source's generating code are close",
)
def test_where_the_posterior_ends_and_the_likelihood_begins(likelihood, fits):
    assert np.exp(likelihood(10)) < 1e-3
    assert np.exp(likelihood(120)) == pytest.approx(0.5, abs=0.03)
    assert abs(likelihood(500) - likelihood(1e6)) < 0.1
    assert fits[1]["alpha"].cdf(15.0) > 0.98
    assert np.exp(likelihood(15)) < 0.01
    shares = np.array(
        [fits[1]["pi0"].mean().values, COUNT.sum("region") / COUNT.sum(), [0.25, 0.35, 0.25, 0.15]]
    )
    assert np.ptp(shares, axis=0).max() < 0.05


@states("chapters/dirichlet-multinomial.md", "It takes many more regions to overrule it.")
@states("chapters/dirichlet-multinomial.md", "With six regions, $\\text{Exponential}(1)$ allows little")
def test_many_regions_overrule_the_prior(fits):
    """Sixteen times the same regions: the baseline then has most of the say in the smallest of them."""
    assert share_weight(fits[1]) < 0.2
    more = xr.concat([COUNT] * 16, "region").assign_coords(region=np.arange(96))
    assert share_weight(solve(stats.expon(), more)) > 0.5


@states("chapters/dirichlet-multinomial.md", "With $\\alpha = 8$ regions differ strongly.")
@states("chapters/dirichlet-multinomial.md", "Pearson's statistic measures how much")
def test_what_alpha_8_means_for_pearson():
    """In units of p (1 - p), shares vary between regions by 1/9, and in samples of n by 1/n + (1 - 1/n)/9."""
    degrees = 3
    per_region = degrees * (1 + (SIZE - 1) / 9)
    assert per_region.sum() - 3 > 8 * 15


# -- how much may regions differ? ----------------------------------------------------------------------


@states("solutions/alpha-prior.md", "At alpha 1 most bars consist of one or two answers only.")
@states("solutions/alpha-prior.md", "one region is nearly unanimous in favour and its neighbour against")
@states("solutions/alpha-prior.md", "one would have to think of an $\\alpha$ around")
@states("solutions/alpha-prior.md", "which is from 15 or so to 75 or so")
@states(
    "solutions/alpha-prior.md",
    "An Exponential prior with a mean of 20 to 70 has two fifths to a half of its probability there",
)
def test_what_an_alpha_claims():
    share = COUNT.sel(response="SA").values.sum() / COUNT.values.sum()
    needed = {
        sd: optimize.brentq(lambda a, sd=sd: stats.beta(a * share, a * (1 - share)).std() - sd, 1, 500)
        for sd in (0.05, 0.10)
    }
    assert needed[0.05] == pytest.approx(75, abs=4)
    assert needed[0.10] == pytest.approx(15, abs=4)
    for mean in (20, 30, 45, 70):
        assert 0.38 < np.diff(stats.expon(scale=mean).cdf([needed[0.10], needed[0.05]]))[0] < 0.5
    regions = stats.dirichlet(COUNT.sum("region").values / COUNT.values.sum()).rvs(20_000, random_state=58)
    assert (np.sort(regions)[:, 2:].sum(axis=1) > 0.9).mean() > 0.7
    favour = regions[:, :2].sum(axis=1)
    assert (favour > 0.95).mean() > 0.2
    assert (favour < 0.05).mean() > 0.05


@states("solutions/alpha-prior.md", "a hierarchical model in form, no pooling in substance")
@states("solutions/alpha-prior.md", "They rule out small values")
@states("solutions/alpha-prior.md", "A prior and a posterior so far apart are a warning")
def test_the_prior_that_looks_harmless(likelihood, fits):
    prior = stats.expon()
    assert prior.expect(lambda a: a / (a + SMALLEST)) < 0.03
    assert np.exp(-likelihood(8)) > 10_000
    assert prior.sf(fits[1]["alpha"].mean()) < 0.001


@states(
    "solutions/alpha-prior.md", "It is what becomes of these counts under a prior with a mean between 1 and 2"
)
@states("solutions/alpha-prior.md", "Under the prior with mean 20 the prediction is less than half as wide.")
@states(
    "solutions/alpha-prior.md",
    "they prefer the larger mean each time, by a factor of two to six",
)
@states("solutions/alpha-prior.md", "although nothing of the kind has been seen")
def test_what_the_prior_does_to_a_seventh_region(fits):
    assert fits[1]["alpha"].mean() < 10 < solve(stats.expon(scale=2))["alpha"].mean()
    new = {mean: fits[mean]["pi_new"].sel(response="SA") for mean in (1, 20)}
    ends = {mean: np.ravel(one.hdi(0.89)) for mean, one in new.items()}
    assert np.ptp(ends[20]) < np.ptp(ends[1]) / 2
    raw = COUNT.sel(response="SA").values / SIZE
    assert ends[1][1] > raw.max() + 0.1
    evidence = {mean: solve(stats.expon(scale=mean)).log_evidence for mean in (10, 20, 35, 40, 70, 140)}
    for mean in (10, 20, 35, 70):
        assert 1.5 < np.exp(evidence[2 * mean] - evidence[mean]) < 6.5
    assert solve(1e8).log_evidence > max(evidence.values())


# -- unequal regions -----------------------------------------------------------------------------------


@states("solutions/unequal-regions.md", "these regions differ a lot")
@states(
    "solutions/unequal-regions.md",
    "Fifty times as many respondents make the intervals about five times as short",
)
@states("solutions/unequal-regions.md", "this helps a region of 10 a good deal and one of 500 not at all")
@states("solutions/unequal-regions.md", "A share close to zero is easy to pin down")
@states(
    "solutions/unequal-regions.md", "its interval is shorter than that of region 5 with its 35 respondents"
)
@states(
    "solutions/unequal-regions.md", "fifty times the respondents do not make an interval fifty times as short"
)
@states(
    "solutions/unequal-regions.md",
    "which would be $\\sqrt{50} \\approx 7$ if a region had its own respondents and nothing else",
)
@states("solutions/unequal-regions.md", "By itself the small region would have intervals as short")
@states("solutions/unequal-regions.md", "SA, which nobody in the small region chose, is the rest of the")
def test_two_regions_of_very_different_size(unequal):
    count, posterior = unequal
    found = widths(posterior["pi"])
    small, large = (int(count.sum("response").values.argmin()), int(count.sum("response").values.argmax()))
    assert found[small].mean() / found[large].mean() == pytest.approx(5.3, abs=0.1)
    assert np.sqrt(500 / 10) == pytest.approx(7, abs=0.1)
    by_itself = (stats.beta(1 + row[k], 3 + row.sum() - row[k]) for row in count.values for k in range(4))
    alone = np.reshape([widths(exact.marginal(law)) for law in by_itself], (-1, 4)).mean(axis=1)
    short, long = alone[small], alone[large]
    assert short == pytest.approx(found[small].mean(), rel=0.03)
    assert short / long == pytest.approx(5.4, abs=0.1)
    assert abs(found[small, 1:].mean() / found[large, 1:].mean() - np.sqrt(512 / 16)) < 0.6
    alpha = posterior["alpha"].mean()
    assert np.sqrt((10 + alpha + 1) / 11) > 1.15
    assert np.sqrt((500 + alpha + 1) / 501) < 1.01
    assert found[small, 0] < found[4, 0]
    assert found[small, 0] == found[small].min()
    raw = count.values / count.values.sum(axis=1, keepdims=True)
    assert np.ptp(raw, axis=0).max() > 0.5


@states("solutions/unequal-regions.md", "Five hundred respondents leave the baseline")
@states("solutions/unequal-regions.md", "Only the small one. What is assumed about all regions matters most")
@states("solutions/unequal-regions.md", "their estimates are the raw shares")
@states("solutions/unequal-regions.md", "The prior of $\\alpha$ is felt where there are few data.")
@states("solutions/unequal-regions.md", "With 10 respondents it is a good part, with 500 next to nothing.")
def test_which_region_notices_the_prior(unequal):
    count, posterior = unequal
    wide = solve(stats.expon(scale=20), count)
    change = [abs(share_weight(wide, n) - share_weight(posterior, n)) for n in (10, 500)]
    assert change[0] > 0.1 > 0.01 > change[1]
    assert share_weight(posterior, 500) < 0.01
    raw = count / count.sum("response")
    away = abs(posterior["pi"].mean() - raw).sel(region=count.sum("response").idxmax("region").item())
    assert away.max() < 0.005


@states("solutions/unequal-regions.md", "It lies close to the plain mean of the six regions")
@states("solutions/unequal-regions.md", "far from the 500")
@states(
    "solutions/unequal-regions.md", "the second term is the larger one as soon as $n$ exceeds $\\alpha + 1$"
)
@states("solutions/unequal-regions.md", "To learn about the country, ask in more regions.")
@states("solutions/unequal-regions.md", "A huge region does not take it over.")
@states("solutions/unequal-regions.md", "The baseline averages over regions, not over respondents.")
@states("solutions/unequal-regions.md", "The baseline is not the answer of the respondents.")
def test_who_decides_the_baseline(unequal):
    count, posterior = unequal
    baseline = posterior["pi0"].mean().values
    raw = (count / count.sum("response")).values
    largest = int(count.sum("response").values.argmax())
    away = [abs(baseline - other).sum() / 2 for other in (raw.mean(axis=0), raw[largest])]
    assert away[0] < 0.1 < 0.2 < away[1]
    assert posterior["alpha"].mean() + 1 < 6
    more = count.copy()
    more[largest] *= 20  # ten thousand respondents in the same region
    again = xr.concat([count] * 2, "region").assign_coords(region=np.arange(12))
    sds = [solve(stats.expon(scale=1), each)["pi0"].sd().values for each in (count, more, again)]
    assert sds[1] == pytest.approx(sds[0], rel=0.05)
    assert (sds[2] < 0.8 * sds[0]).all()
