"""Exact Dirichlet-Multinomial posteriors against brute force, closed forms and invariances."""

from fractions import Fraction
from itertools import product
from math import comb, factorial, prod

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

import hierarchical_exact as exact
from hierarchical_exact import convolution, dirichlet

FLAT = stats.dirichlet(np.ones(4))
# A survey of six regions with four responses.
TABLE = xr.DataArray(
    [
        [8, 19, 10, 8],
        [28, 39, 28, 25],
        [13, 31, 12, 4],
        [21, 26, 15, 18],
        [9, 11, 9, 6],
        [27, 37, 17, 14],
    ],
    dims=("region", "response"),
    coords={"region": [f"region {r}" for r in range(1, 7)], "response": ["SA", "A", "D", "SD"]},
)
SURVEY = TABLE.values
PRIORS = [stats.expon(), stats.expon(scale=10), stats.gamma(2, scale=3), stats.lognorm(1.5)]
QUANTITIES = ("pi0", "pi", "pi_new", "y_rep")


@pytest.fixture(scope="module")
def survey():
    return exact.dirichlet_multinomial(TABLE, alpha=stats.expon(), baseline=FLAT)


# -- brute force ----------------------------------------------------------------------------------


def log_likelihood(table, alpha, pi0):
    """Log probability of a table, pi integrated out; pi0 has shape (..., K)."""
    total = 0.0
    for row in np.asarray(table, dtype=float):
        n, shape = row.sum(), alpha[..., None] * pi0
        total = total + special.gammaln(n + 1) - special.gammaln(row + 1).sum()
        total = total + special.gammaln(alpha) - special.gammaln(alpha + n)
        total = total + (special.gammaln(shape + row) - special.gammaln(shape)).sum(axis=-1)
    return total


def two_categories(table, prior, baseline, x):
    """Log evidence and expectations for K = 2, on a dense rectangle of (alpha, pi0)."""
    first, n = table[:, 0], table.sum(axis=1)
    log_alpha = np.linspace(np.log(1e-12), np.log(prior.isf(1e-14)), 600)
    alpha = np.exp(log_alpha)[:, None]
    # With p = sin(angle)^2 the ends are smooth for concentrations of a half and more, and the
    # distribution of pi is steepest at p = x.
    cut, (nodes, weights) = np.arcsin(np.sqrt(x)), np.polynomial.legendre.leggauss(150)
    ends = np.array([[0, cut], [cut, np.pi / 2]])
    half = 0.5 * np.diff(ends, axis=1)
    angle = (ends.mean(axis=1, keepdims=True) + half * nodes).ravel()
    p = np.sin(angle) ** 2
    log_density = log_likelihood(table, alpha, np.stack([p, 1 - p], axis=-1))
    log_density = log_density + stats.beta.logpdf(p, *baseline) + prior.logpdf(alpha)
    mass = np.exp(log_density) * alpha * (half * weights).ravel() * np.sin(2 * angle)
    mass *= log_alpha[1] - log_alpha[0]
    evidence = mass.sum()
    mass /= evidence

    def expectation(values):
        return float((mass * values).sum())

    shapes = [(alpha * p + y, alpha * (1 - p) + m - y) for y, m in zip(first, n, strict=True)]
    return np.log(evidence), {
        "alpha": (expectation(alpha), expectation(alpha**2)),
        "pi0": (expectation(p), expectation(p**2), expectation(p < x)),
        "mean": [expectation(a / (a + b)) for a, b in shapes],
        "square": [expectation(a * (a + 1) / ((a + b) * (a + b + 1))) for a, b in shapes],
        "cdf": [expectation(special.betainc(a, b, x)) for a, b in shapes],
        "new": expectation(special.betainc(alpha * p, alpha * (1 - p), x)),
        "one": [
            expectation(m * np.exp(special.betaln(a + 1, b + m - 1) - special.betaln(a, b))) if m else 0.0
            for m, (a, b) in zip(n, shapes, strict=True)
        ],
    }


def sd(mean, square):
    return np.sqrt(square - mean**2)


@pytest.mark.slow
@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    table=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=3),
    prior=st.sampled_from(PRIORS),
    baseline=st.tuples(st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([0.5, 1.0, 2.0])),
    x=st.sampled_from([0.1, 0.3, 0.8]),
)
def test_two_categories_on_a_dense_grid(table, prior, baseline, x):
    table = np.array(table, dtype=float)
    posterior = exact.dirichlet_multinomial(table, alpha=prior, baseline=baseline)
    log_evidence, expected = two_categories(table, prior, baseline, x)
    first = {name: posterior[name].sel(category=0) for name in QUANTITIES}
    assert posterior.log_evidence == pytest.approx(log_evidence, abs=1e-6)
    assert posterior["alpha"].mean() == pytest.approx(expected["alpha"][0], rel=1e-6)
    assert posterior["alpha"].sd() == pytest.approx(sd(*expected["alpha"]), rel=1e-5)
    assert first["pi0"].mean() == pytest.approx(expected["pi0"][0], rel=1e-6)
    assert first["pi0"].sd() == pytest.approx(sd(*expected["pi0"][:2]), rel=1e-5)
    assert first["pi0"].cdf(x) == pytest.approx(expected["pi0"][2], abs=1e-5)
    mean, square = np.array(expected["mean"]), np.array(expected["square"])
    np.testing.assert_allclose(first["pi"].mean(), mean, rtol=1e-6)
    np.testing.assert_allclose(first["pi"].sd(), sd(mean, square), rtol=1e-5)
    np.testing.assert_allclose(first["pi"].cdf(x), expected["cdf"], atol=1e-5)
    assert first["pi_new"].cdf(x) == pytest.approx(expected["new"], abs=1e-5)
    np.testing.assert_allclose(first["y_rep"].pdf(1), expected["one"], atol=1e-5)


class Importance:
    """Weighted draws of (alpha, pi0); every estimate comes with its standard error."""

    def __init__(self, table, prior, concentrations, *, size, seed, alpha=None):
        rng = np.random.default_rng(seed)
        self.table = np.asarray(table, dtype=float)
        # A widened proposal around what a crude look at the data suggests.
        proposal = concentrations + 0.1 * self.table.sum(axis=0)
        self.pi0 = rng.dirichlet(proposal, size)
        alpha = alpha or prior
        self.alpha = alpha.ppf(rng.uniform(size=size))
        log_weight = prior.logpdf(self.alpha) - alpha.logpdf(self.alpha)
        log_weight += log_likelihood(self.table, self.alpha, self.pi0)
        log_weight += stats.dirichlet.logpdf(self.pi0.T, concentrations)
        log_weight -= stats.dirichlet.logpdf(self.pi0.T, proposal)
        peak = log_weight.max()
        self.weight = np.exp(log_weight - peak)
        mean = self.weight.mean()
        self.log_evidence = peak + np.log(mean)
        self.log_evidence_error = self.weight.std() / mean / np.sqrt(size)
        self.weight /= self.weight.sum()

    def z(self, value, draws):
        """Deviation of an exact expectation from the estimated one, in standard errors."""
        estimate = self.weight @ draws
        error = np.sqrt((self.weight**2 * (draws - estimate) ** 2).sum())
        return (value - estimate) / error

    def shapes(self, r, k):
        a = self.alpha * self.pi0[:, k] + self.table[r, k]
        return a, self.alpha + self.table[r].sum() - a


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "prior", "concentrations", "proposal"),
    [
        (SURVEY, stats.expon(), np.ones(4), stats.gamma(6, scale=1.4)),
        (SURVEY, stats.expon(scale=20), np.ones(4), stats.gamma(3, scale=22)),
        ([[4, 0, 1], [7, 0, 0], [0, 0, 3]], PRIORS[2], np.array([0.7, 0.7, 2.0]), None),
    ],
    ids=["survey", "survey, weak prior", "zero counts"],
)
def test_importance_sampling(table, prior, concentrations, proposal):
    posterior = exact.dirichlet_multinomial(np.asarray(table), alpha=prior, baseline=concentrations)
    draws = Importance(table, prior, concentrations, size=100_000, seed=20250508, alpha=proposal)
    z = [(posterior.log_evidence - draws.log_evidence) / draws.log_evidence_error]
    centre = posterior["alpha"].mean()
    z.append(draws.z(centre, draws.alpha))
    z.append(draws.z(posterior["alpha"].sd() ** 2, (draws.alpha - centre) ** 2))
    r = len(draws.table) - 2
    for k in range(len(concentrations)):
        pi0 = posterior["pi0"].sel(category=k)
        z.append(draws.z(pi0.mean(), draws.pi0[:, k]))
        z.append(draws.z(0.2, draws.pi0[:, k] <= pi0.quantile(0.2)))
        a, b = draws.shapes(r, k)
        pi = posterior["pi"].sel(group=r, category=k)
        new = posterior["pi_new"].sel(category=k)
        y_rep = posterior["y_rep"].sel(group=r, category=k)
        z.append(draws.z(pi.mean(), a / (a + b)))
        for q in (0.055, 0.5, 0.945):
            z.append(draws.z(q, special.betainc(a, b, pi.quantile(q))))
            prior_a, prior_b = draws.alpha * draws.pi0[:, k], draws.alpha * (1 - draws.pi0[:, k])
            z.append(draws.z(q, special.betainc(prior_a, prior_b, new.quantile(q))))
        n = draws.table[r].sum()
        likely = np.round(y_rep.mean())
        z.append(draws.z(y_rep.pdf(likely), stats.betabinom.pmf(likely, n, a, b)))
    assert np.abs(np.array(z, dtype=float)).max() < 4.5


# -- closed forms ---------------------------------------------------------------------------------


def stirling(n):
    """Unsigned Stirling numbers of the first kind: coefficients of x (x + 1) ... (x + n - 1)."""
    coefficients = [1]
    for j in range(n):
        shifted = [0, *coefficients]
        coefficients = [a + j * b for a, b in zip(shifted, [*coefficients, 0], strict=True)]
    return coefficients


def multiply(first, second):
    result = [0] * (len(first) + len(second) - 1)
    for (i, a), (j, b) in product(enumerate(first), enumerate(second)):
        result[i + j] += a * b
    return result


def exact_evidence(table, alpha, baseline):
    """Evidence in rational arithmetic, for a known alpha and whole concentrations.

    Rising factorials are polynomials in pi0, whose integrals are Dirichlet moments.
    """
    series = [1]
    for b, column in zip(baseline, zip(*table, strict=True), strict=True):
        power = [1]
        for y in column:
            power = multiply(power, stirling(y))
        moments = [c * factorial(b + t - 1) * Fraction(alpha) ** t for t, c in enumerate(power)]
        series = multiply(series, moments)
    size = sum(baseline)
    integral = sum(c / Fraction(factorial(size + t - 1)) for t, c in enumerate(series))
    integral *= Fraction(factorial(size - 1), prod(factorial(b - 1) for b in baseline))
    for row in table:
        rising = prod(Fraction(alpha) + j for j in range(sum(row)))
        integral *= Fraction(factorial(sum(row)), prod(map(factorial, row))) / rising
    return integral


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    table=st.lists(st.tuples(*[st.integers(0, 12)] * 4), min_size=1, max_size=4),
    alpha=st.sampled_from([Fraction(1, 100), Fraction(1, 3), Fraction(7), Fraction(10_000)]),
    baseline=st.tuples(*[st.integers(1, 4)] * 4),
)
def test_known_alpha_in_rational_arithmetic(table, alpha, baseline):
    posterior = exact.dirichlet_multinomial(
        np.array(table), alpha=float(alpha), baseline=np.array(baseline, dtype=float)
    )
    evidence = exact_evidence(table, alpha, baseline)
    assert posterior.log_evidence == pytest.approx(float(np.log(float(evidence))), abs=1e-8)
    # E(pi0_k) is a ratio of evidences: p^b times p is p^(b + 1), up to its normaliser.
    for k in range(4):
        raised = [b + (j == k) for j, b in enumerate(baseline)]
        ratio = exact_evidence(table, alpha, raised) * Fraction(baseline[k], sum(baseline)) / evidence
        assert posterior["pi0"].mean().sel(category=k) == pytest.approx(float(ratio), rel=1e-7)


def test_infinite_alpha_is_complete_pooling():
    table = TABLE
    posterior = exact.dirichlet_multinomial(table, alpha=1e10, baseline=FLAT)
    pooled = table.sum("region").values
    shape = 1 + pooled
    for k, response in enumerate(table["response"].values):
        beta = stats.beta(shape[k], shape.sum() - shape[k])
        for name in ("pi0", "pi_new"):
            marginal = posterior[name].sel(response=response)
            assert marginal.mean() == pytest.approx(beta.mean(), rel=1e-6)
            assert marginal.sd() == pytest.approx(beta.std(), rel=1e-5)
            np.testing.assert_allclose(marginal.quantile([0.05, 0.9]), beta.ppf([0.05, 0.9]), rtol=1e-5)
    y_rep = posterior["y_rep"].sel(region="region 5", response="A")
    n = table.sel(region="region 5").sum().item()
    counts = np.arange(n + 1)
    expected = stats.betabinom.pmf(counts, n, shape[1], shape.sum() - shape[1])
    np.testing.assert_allclose(y_rep.pdf(counts), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [2e3, 1e5, 1e6])
def test_large_alpha_where_pi_follows_pi0_closely(alpha):
    table, baseline = np.array([[30, 70], [45, 55]]), (1.0, 1.0)
    posterior = exact.dirichlet_multinomial(table, alpha=alpha, baseline=baseline)

    # One dimension is left; a dense grid over it resolves even the narrowest law of pi given pi0.
    p = (np.arange(400_000) + 0.5) / 400_000
    log_density = log_likelihood(table, np.array(alpha), np.column_stack([p, 1 - p]))
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    for y, n, marginal in (
        (30, 100, posterior["pi"].sel(group=0, category=0)),
        (0, 0, posterior["pi_new"].sel(category=0)),
    ):
        for x in (0.3, 0.35, 0.42):
            expected = weight @ special.betainc(alpha * p + y, alpha * (1 - p) + n - y, x)
            assert marginal.cdf(x) == pytest.approx(expected, abs=1e-5)


def test_without_data_the_posterior_is_the_prior():
    prior, concentrations = stats.gamma(2, scale=4), np.array([0.6, 2.0, 3.0])
    posterior = exact.dirichlet_multinomial(
        np.zeros((2, 3)), alpha=prior, baseline=stats.dirichlet(concentrations)
    )
    assert posterior.log_evidence == pytest.approx(0, abs=1e-9)
    q = np.array([0.01, 0.5, 0.99])
    np.testing.assert_allclose(posterior["alpha"].quantile(q), prior.ppf(q), rtol=1e-6)
    for k, c in enumerate(concentrations):
        beta = stats.beta(c, concentrations.sum() - c)
        np.testing.assert_allclose(posterior["pi0"].sel(category=k).quantile(q), beta.ppf(q), rtol=1e-5)
        x = np.array([0.1, 0.6])
        np.testing.assert_allclose(posterior["pi0"].sel(category=k).pdf(x), beta.pdf(x), rtol=1e-5)
    assert posterior["y_rep"].sd().max() == 0
    np.testing.assert_allclose(posterior.elpd_loo, 0, atol=1e-9)


def test_one_respondent_per_region_tells_nothing_about_alpha():
    table = np.eye(3)[[0, 0, 1, 2, 0]]
    prior, concentrations = stats.expon(scale=3), np.array([1.0, 2.0, 0.5])
    posterior = exact.dirichlet_multinomial(table, alpha=prior, baseline=concentrations)
    assert posterior["alpha"].mean() == pytest.approx(3, rel=1e-6)
    shape = concentrations + table.sum(axis=0)
    np.testing.assert_allclose(posterior["pi0"].mean(), shape / shape.sum(), rtol=1e-7)
    beta = stats.beta(shape[2], shape.sum() - shape[2])
    np.testing.assert_allclose(
        posterior["pi0"].sel(category=2).quantile([0.1, 0.9]), beta.ppf([0.1, 0.9]), rtol=1e-5
    )


# -- evidence and leave-one-out -------------------------------------------------------------------


def tables(n, k):
    """All counts of n in k categories."""
    return [row for row in product(range(n + 1), repeat=k) if sum(row) == n]


@pytest.mark.slow
def test_evidence_sums_to_one_over_all_tables():
    total = 0.0
    for rows in product(tables(2, 3), tables(1, 3)):
        posterior = exact.dirichlet_multinomial(
            np.array(rows), alpha=stats.lognorm(1.0), baseline=[0.5, 1, 2]
        )
        total += np.exp(posterior.log_evidence)
    assert total == pytest.approx(1, abs=1e-8)


def test_elpd_loo_is_the_predictive_density_of_the_left_out_region():
    table = np.array([[5, 1, 2], [3, 0, 4], [0, 0, 0], [9, 2, 2]])
    prior, baseline = stats.expon(scale=4), np.ones(3)
    posterior = exact.dirichlet_multinomial(table, alpha=prior, baseline=baseline)
    draws = Importance(table[1:], prior, baseline, size=200_000, seed=58)
    density = np.exp(log_likelihood(table[:1], draws.alpha, draws.pi0))
    assert abs(draws.z(np.exp(posterior.elpd_loo[0].item()), density)) < 4.5
    rest = exact.dirichlet_multinomial(table[:3], alpha=prior, baseline=baseline)
    assert posterior.elpd_loo[3] == pytest.approx(posterior.log_evidence - rest.log_evidence, abs=1e-7)
    assert posterior.elpd_loo[2] == pytest.approx(0, abs=1e-7)


def test_predictive_density_of_every_next_region_sums_to_one():
    table, prior, baseline = [[3, 1], [0, 2]], stats.expon(scale=2), [1.0, 1.0]
    total = sum(
        np.exp(
            exact.dirichlet_multinomial(np.array([*table, row]), alpha=prior, baseline=baseline)
            .elpd_loo[2]
            .item()
        )
        for row in tables(3, 2)
    )
    assert total == pytest.approx(1, abs=1e-7)


# -- invariances ----------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    table=st.lists(st.tuples(*[st.integers(0, 15)] * 3), min_size=2, max_size=4),
    prior=st.sampled_from(PRIORS),
    seed=st.integers(0, 1000),
)
def test_order_and_empty_regions_do_not_matter(table, prior, seed):
    rng = np.random.default_rng(seed)
    table, baseline = np.array(table), np.array([0.5, 1.0, 3.0])
    rows, columns = rng.permutation(len(table)), rng.permutation(3)
    first = exact.dirichlet_multinomial(table, alpha=prior, baseline=baseline)
    shuffled = np.vstack([table[rows][:, columns], np.zeros(3)])
    second = exact.dirichlet_multinomial(shuffled, alpha=prior, baseline=baseline[columns])
    assert second.log_evidence == pytest.approx(first.log_evidence, abs=1e-7)
    assert second["alpha"].mean() == pytest.approx(first["alpha"].mean(), rel=1e-6)
    mean = first["pi"].mean().values[rows][:, columns]
    np.testing.assert_allclose(second["pi"].mean()[:-1], mean, rtol=1e-6)
    upper = first["pi_new"].quantile(0.9).values[columns]
    np.testing.assert_allclose(second["pi_new"].quantile(0.9), upper, rtol=1e-5)
    # A region without counts is a new region.
    np.testing.assert_allclose(second["pi"].sel(group=len(table)).quantile(0.9), upper, rtol=1e-5)


# -- degenerate data ------------------------------------------------------------------------------


def test_quantiles_below_the_smallest_normal_number():
    """Under so wide a prior of alpha, a hundredth of a new share's probability is below 1e-308."""
    table = [[1, 0], [0, 2], [2, 3]]
    alpha, baseline = stats.invgamma(0.5, scale=0.1736503), [104.74748, 5305.87148]
    share = exact.dirichlet_multinomial(table, alpha=alpha, baseline=baseline)["pi_new"].sel(category=0)
    for q in (0.0095, 0.01, 0.0105):
        assert 0 < share.quantile(q) < 1e-300
        assert share.cdf(share.quantile(q)) == pytest.approx(q, abs=1e-6)


def test_category_never_seen_piles_up_at_zero():
    table = [[50, 0, 30], [70, 0, 20]]
    posterior = exact.dirichlet_multinomial(table, alpha=stats.expon(), baseline=[1, 0.1, 1])
    unseen = posterior["pi"].sel(group=0, category=1)
    assert unseen.quantile(0.5) == 0  # below the smallest floating-point number
    assert 0 < unseen.mean() < 0.01
    upper = unseen.quantile(0.99)
    assert unseen.cdf(upper) == pytest.approx(0.99, abs=1e-8)
    assert unseen.hdi(0.89).sel(ci_bound="lower") == 0
    draws = Importance(table, stats.expon(), np.array([1, 0.1, 1]), size=200_000, seed=7)
    a, b = draws.shapes(0, 1)
    assert abs(draws.z(unseen.cdf(1e-10), special.betainc(a, b, 1e-10))) < 4.5
    y_rep = posterior["y_rep"].sel(group=0, category=1)
    assert abs(draws.z(y_rep.pdf(0), stats.betabinom.pmf(0, 80, a, b))) < 4.5


@pytest.mark.parametrize("alpha", [3.0, 50.0, 1e5])
@pytest.mark.parametrize("concentration", [0.05, 1.0])
def test_new_region_where_a_category_was_never_seen(alpha, concentration):
    posterior = exact.dirichlet_multinomial([[5, 0], [30, 0]], alpha=alpha, baseline=[1.0, concentration])
    # One dimension is left: a fine grid over the log odds of pi0.
    z = np.linspace(-60 / concentration - 20, 40, 100_001)
    other = alpha * special.expit(-z)
    log_density = concentration * special.log_expit(z) + special.log_expit(-z)
    for n in (5, 30):
        log_density += np.log(other[:, None] + np.arange(n)).sum(axis=1)
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    a = np.maximum(alpha * special.expit(z), 1e-300)
    for x in (1e-300, 1e-30, 1e-4, 0.05):
        expected = weight @ special.betainc(a, np.maximum(other, 1e-300), x)
        assert posterior["pi_new"].sel(category=1).cdf(x) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("concentration", [0.05, 1.0])
def test_complete_pooling_where_a_category_was_never_seen(concentration):
    posterior = exact.dirichlet_multinomial([[5, 0], [30, 0]], alpha=1e8, baseline=[1.0, concentration])
    x = np.array([1e-4, 0.01, 0.2])
    pooled = stats.beta(concentration, 1 + 35).cdf(x)
    for name in ("pi0", "pi_new"):
        cdf = posterior[name].sel(category=1).cdf(x)
        np.testing.assert_allclose(cdf, pooled, atol=1e-5)


def test_very_large_counts_pin_each_region_down():
    share = np.array([[0.2, 0.3, 0.5], [0.25, 0.25, 0.5], [0.3, 0.3, 0.4]])
    counts = 1_000_000 * share
    posterior = exact.dirichlet_multinomial(counts, alpha=stats.expon(scale=10), baseline=np.ones(3))
    spread = np.sqrt(share * (1 - share) / 1_000_000)
    np.testing.assert_allclose(posterior["pi"].mean(), share, atol=1e-4)
    np.testing.assert_allclose(posterior["pi"].sd(), spread, rtol=1e-3)
    np.testing.assert_allclose(posterior["y_rep"].sd(), 1_000_000 * np.sqrt(2) * spread, rtol=1e-3)
    # pi is then as good as observed, and the evidence its density over the number of tables.
    twice = exact.dirichlet_multinomial(2 * counts, alpha=stats.expon(scale=10), baseline=np.ones(3))
    ratio = twice.log_evidence - posterior.log_evidence
    assert ratio == pytest.approx(-3 * 2 * np.log(2), abs=1e-3)


@pytest.mark.slow
def test_heavy_prior_tail_has_no_mean_but_quantiles():
    """Counts in proportion say only that alpha is large, and the prior decides how large."""
    table = [[20, 30], [40, 60]]
    posterior = exact.dirichlet_multinomial(table, alpha=stats.halfcauchy(scale=100), baseline=[1.0, 1.0])
    assert posterior["alpha"].mean() == np.inf
    # Far out the likelihood is constant: the tail is the prior's.
    tail = 1 - posterior["alpha"].cdf(np.array([1e6, 1e7]))
    np.testing.assert_allclose(tail[0] / tail[1], 10, rtol=1e-3)
    assert np.isfinite(posterior["pi"].hdi(0.89)).all()


@pytest.mark.slow
def test_hdi_is_the_shortest_interval(survey):
    for name in ("pi0", "pi", "pi_new", "alpha"):
        marginal = survey[name]
        interval = marginal.hdi(0.89)
        width = interval.sel(ci_bound=["upper"]).values - interval.sel(ci_bound=["lower"]).values
        tails = np.linspace(0.005, 0.105, 11)
        other = marginal.quantile(tails + 0.89).values - marginal.quantile(tails).values
        assert np.all(width <= other + 1e-7)


# -- labels and errors ----------------------------------------------------------------------------


def test_labels(survey):
    assert survey["pi"].mean().dims == ("region", "response")
    assert survey["pi0"].mean().dims == ("response",)
    assert survey["pi_new"].hdi(0.89).dims == ("response", "ci_bound")
    assert survey["y_rep"].quantile([0.1, 0.9]).sizes == {
        "quantile": 2,
        "region": 6,
        "response": 4,
    }
    assert survey.elpd_loo.dims == ("region",)
    one = survey["pi"].sel(region="region 5", response="SA")
    assert one.mean() == survey["pi"].mean().sel(region="region 5", response="SA")
    assert isinstance(survey["alpha"].mean(), float)
    plain = exact.dirichlet_multinomial([[1, 2], [3, 4]], alpha=1, baseline=[1, 1])
    assert plain["pi"].mean().dims == ("group", "category")


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([[1, -2], [3, 4]], "counts .*-2"),
        ([[1, 2.5], [3, 4]], "counts .*2.5"),
        ([[1, np.nan], [3, 4]], "counts .*nan"),
        ([["a", "b"]], "counts"),
        ([1, 2, 3], r"counts .*\(3,\).*one row per group"),
        ([[1], [2]], r"counts .*two categories"),
        (np.empty((0, 3)), "counts .*empty"),
    ],
)
def test_bad_counts(counts, message):
    with pytest.raises(ValueError, match=message):
        exact.dirichlet_multinomial(counts, alpha=stats.expon(), baseline=[1, 1])


@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        (stats.norm(0, 1), "(?s)alpha is norm .*below zero"),
        (stats.poisson(3), "alpha .*frozen"),
        ("weak", "alpha .*frozen"),
        (None, "alpha .*frozen"),
        (0, "alpha .*positive"),
        (-1.0, "alpha .*positive"),
        (np.inf, "alpha .*1e8"),
        (np.nan, "alpha .*positive"),
    ],
)
def test_bad_alpha(alpha, message):
    with pytest.raises(ValueError, match=message):
        exact.dirichlet_multinomial([[1, 2]], alpha=alpha, baseline=[1, 1])


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ([1, 1, 1], "baseline is an array of 3: .*2 of them"),
        (stats.dirichlet([1, 1, 1]), "baseline is an array of 3: .*2 of them"),
        ([1, 0], r"baseline\[1\] is 0: give positive"),
        ([1, np.nan], r"baseline\[1\] is nan: give finite"),
        (stats.beta(1, 1), "baseline .*stats.dirichlet"),
        (1.0, "baseline"),
        (None, "baseline"),
    ],
)
def test_bad_baseline(baseline, message):
    with pytest.raises(ValueError, match=message):
        exact.dirichlet_multinomial([[1, 2]], alpha=stats.expon(), baseline=baseline)


def test_accuracy_that_is_not_reached_is_an_error(monkeypatch):
    posterior = exact.dirichlet_multinomial([[1, 2]], alpha=stats.expon(), baseline=[1, 1])
    monkeypatch.setattr(dirichlet, "_TOLERANCE", 1e-18)
    with pytest.raises(ArithmeticError, match="estimated error"):
        posterior["pi_new"].mean()
    with pytest.raises(ArithmeticError, match="estimated error"):
        exact.dirichlet_multinomial([[1, 2]], alpha=stats.expon(), baseline=[1, 1])


# -- convolutions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.3, 2.0), (40.0, 0.7), (1e4, 1e4)])
def test_convolved_powers_are_a_beta_function(a, b):
    factors = [convolution.Factor(c, np.zeros_like, 1.0) for c in (a, b)]
    x = np.array([0.0, 1e-9, 1.0, 1e6])
    np.testing.assert_allclose(convolution.convolve(*factors)(x), special.betaln(a, b), rtol=1e-10)


def test_convolution_of_three_against_adaptive_integration():
    roots = [(1.0, 4.0, 9.0), (2.0,), (1.0, 1.0, 1.0, 30.0)]

    def smooth(of):
        return lambda x: sum(np.log(x + root) for root in of)

    powers = (1.5, 1.0, 2.0)
    factors = [convolution.Factor(power, smooth(of), 1.0) for power, of in zip(powers, roots, strict=True)]
    tree = convolution.pair(factors)
    total, others = tree[0], convolution.leave_one_out(tree)
    s = 7.0

    def value(i, x):
        return x ** (powers[i] - 1) * np.prod([x + root for root in roots[i]])

    def pair(i, j, s):
        return integrate.quad(lambda x: value(i, x) * value(j, s - x), 0, s, epsrel=1e-11)[0]

    for i, (j, k) in enumerate([(1, 2), (0, 2), (0, 1)]):
        log_value = (others[i].power - 1) * np.log(s) + others[i](np.array([s]))[0]
        assert log_value == pytest.approx(np.log(pair(j, k, s)), abs=1e-9)
    everything = integrate.quad(lambda x: value(0, x) * pair(1, 2, s - x), 0, s, epsrel=1e-10)[0]
    log_value = (total.power - 1) * np.log(s) + total(np.array([s]))[0]
    assert log_value == pytest.approx(np.log(everything), abs=1e-8)


@pytest.mark.parametrize(("x", "n"), [(0, 0), (3, 2), (19, 500), (25, 25), (400, 3), (2000, 2000)])
def test_log_binomial(x, n):
    expected = np.log(float(comb(x + n, n))) if x + n < 1000 else _log_comb(x, n)
    assert convolution.log_binomial(float(x), float(n)) == pytest.approx(expected, abs=1e-10)


def _log_comb(x, n):
    """Log of a binomial coefficient too large for a float."""
    value = comb(x + n, n)
    shift = value.bit_length() - 60
    return np.log(float(value >> shift)) + shift * np.log(2)


def test_log_binomial_far_out_is_a_power():
    """C(x + n, n) tends to x^n / n!."""
    x = 1e40
    expected = 3 * np.log(x) - np.log(6)
    assert convolution.log_binomial(x, 3.0) == pytest.approx(expected, rel=1e-14)


def test_xarray_without_coords():
    counts = xr.DataArray([[1, 2], [3, 4]], dims=("ward", "vote"))
    posterior = exact.dirichlet_multinomial(counts, alpha=stats.expon(), baseline=[1, 1])
    assert posterior["pi"].mean().dims == ("ward", "vote")
