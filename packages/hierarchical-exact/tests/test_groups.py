"""Exact comparisons of groups against closed forms and brute force that share no code with them."""

import numpy as np
import pytest
from scipy import stats

import hierarchical_exact as exact

Y, SIGMA = np.array([28, 8, -3, 7.0]), np.array([15, 10, 16, 5.0])
MU, TAU = stats.norm(0, 20), stats.halfnorm(scale=10)


@pytest.fixture(scope="module")
def posterior():
    return exact.normal(Y, SIGMA, mu=MU, tau=TAU)


def joint_given(tau, mu_sd=20.0):
    """Mean and covariance of (theta) given tau, from the joint Normal of theta and y."""
    prior = mu_sd**2 * np.ones((4, 4)) + tau**2 * np.eye(4)
    gain = prior @ np.linalg.inv(prior + np.diag(SIGMA**2))
    evidence = stats.multivariate_normal.logpdf(Y, np.zeros(4), prior + np.diag(SIGMA**2))
    return gain @ Y, prior - gain @ prior, evidence


@pytest.fixture(scope="module")
def brute_force():
    """Weights of a dense line of tau, and means and covariances of theta there."""
    u = np.linspace(-12, np.log(70), 1200)
    tau = np.exp(u)
    parts = [joint_given(t) for t in tau]
    mean, covariance, evidence = (np.array(part) for part in zip(*parts, strict=True))
    log_weight = evidence + TAU.logpdf(tau) + u
    weight = np.exp(log_weight - log_weight.max())
    return weight / weight.sum(), mean, covariance


def test_covariances_and_correlations(posterior, brute_force):
    weight, mean, covariance = brute_force
    middle = weight @ mean
    expected = np.einsum("k,kij->ij", weight, covariance)
    expected += np.einsum("k,ki,kj->ij", weight, mean - middle, mean - middle)
    found = posterior.groups.covariance()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.diagonal(found)), posterior["theta"].sd(), rtol=1e-7)
    sd = np.sqrt(np.diagonal(expected))
    np.testing.assert_allclose(posterior.groups.correlation(), expected / sd / sd[:, None], rtol=1e-6)
    assert found.dims == ("group", "other")


def test_contrasts_and_the_mean_of_the_groups(posterior, brute_force):
    weight, mean, covariance = brute_force
    groups = posterior.groups
    for marginal, a in (
        (groups.difference(0, 2), np.array([1, 0, -1, 0.0])),
        (groups.mean(), np.full(4, 0.25)),
        (groups.combination([1, 1, -1, -1]), np.array([1, 1, -1, -1.0])),
    ):
        centre = mean @ a
        sd = np.sqrt(np.einsum("kij,i,j->k", covariance, a, a))
        expected = weight @ centre
        assert marginal.mean() == pytest.approx(expected, rel=1e-6)
        assert marginal.sd() == pytest.approx(np.sqrt(weight @ (sd**2 + (centre - expected) ** 2)), rel=1e-6)
        assert marginal.sf(3.0) == pytest.approx(weight @ stats.norm.sf(3, centre, sd), abs=1e-6)
        low, high = marginal.hdi(0.89).values
        assert marginal.cdf(high) - marginal.cdf(low) == pytest.approx(0.89, abs=1e-8)


def test_which_is_greater(posterior):
    greater = posterior.groups.greater()
    for i, j in ((0, 1), (3, 2)):
        expected = posterior.groups.difference(i, j).sf(0.0)
        assert greater.sel(group=i, other=j) == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(greater + greater.values.T, 1 - np.eye(4), atol=1e-6)


def test_which_is_best():
    """P(all differences are positive) by SciPy's multivariate Normal distribution function, given tau."""
    best = exact.normal(Y, SIGMA, mu=MU, tau=6.0).groups.best()
    mean, covariance, _ = joint_given(6.0)
    for i in range(4):
        against = np.array([np.eye(4)[i] - np.eye(4)[j] for j in range(4) if j != i])
        expected = stats.multivariate_normal.cdf(
            against @ mean, np.zeros(3), against @ covariance @ against.T, abseps=1e-6, releps=1e-6
        )
        assert best[i] == pytest.approx(expected, abs=1e-5)
    assert best.sum() == pytest.approx(1, abs=1e-6)


def test_two_groups_agree_with_their_difference():
    two = exact.normal([5.0, 3.0], [1.0, 10.0], mu=None, tau=stats.halfnorm(scale=4)).groups
    assert two.best()[0] == pytest.approx(two.difference(0, 1).sf(0.0), abs=1e-5)


@pytest.mark.slow
def test_groups_with_one_sigma_in_common():
    """Equal sizes and equal means: nobody is better, by symmetry."""
    y, group = [1, 2, 3, 3, 2, 1, 2, 1, 3.0], list("aaabbbccc")
    groups = exact.normal_groups(y, group, mu=MU, tau=TAU, sigma=stats.halfnorm(scale=3)).groups
    np.testing.assert_allclose(groups.best(), 1 / 3, atol=1e-6)
    np.testing.assert_allclose(groups.greater(), 0.5 * (1 - np.eye(3)), atol=1e-6)
    assert groups.difference("a", "c").mean() == pytest.approx(0, abs=1e-9)


def test_adjusted_comparisons_with_covariates():
    """A contrast along a covariate holds beta; against a line of tau with dense algebra."""
    x = np.array([0.0, 1, 2, 5])
    posterior = exact.normal(Y, SIGMA, mu=MU, tau=4.0, covariates=x, beta=stats.norm(0, 3))
    prior = 400 * np.ones((4, 4)) + 9 * np.outer(x, x) + 16 * np.eye(4)
    gain = prior @ np.linalg.inv(prior + np.diag(SIGMA**2))
    covariance = prior - gain @ prior
    np.testing.assert_allclose(posterior.groups.covariance(), covariance, rtol=1e-9)
    difference = posterior.groups.difference(3, 0)
    assert difference.mean() == pytest.approx((gain @ Y)[3] - (gain @ Y)[0], rel=1e-9)
    with pytest.raises(ValueError, match="best compares groups without covariates"):
        posterior.groups.best()


def test_bad_comparisons_are_refused(posterior):
    with pytest.raises(ValueError, match=r"weights is an array of shape \(3,\): give one for each"):
        posterior.groups.combination([1, 2, 3])
    with pytest.raises(KeyError):
        posterior.groups.difference(0, 9)
    with pytest.raises(ValueError, match="tau is 0"):
        exact.normal(Y, SIGMA, mu=MU, tau=0).groups.best()
    with pytest.raises(ArithmeticError, match="known so unequally"):
        exact.normal(Y, [1e-4, 10, 1, 1], mu=MU, tau=TAU).groups.best()
    counts = exact.poisson([3, 5], 1.0, mu_log=0.0, sigma_log=0.5)
    with pytest.raises(ValueError, match="groups are compared exactly in"):
        _ = counts.groups


# -- by draws, in any model ---------------------------------------------------------------------------


def test_comparisons_by_draws_agree_with_the_exact_ones(posterior):
    found = posterior.compare("theta", 20_000, np.random.default_rng(3))
    for name, expected in (("greater", posterior.groups.greater()), ("best", posterior.groups.best())):
        assert found[name].dims == expected.dims
        z = (found[name] - expected) / found[f"{name}_error"]
        assert float(abs(z).max()) < 4
        assert float(found[f"{name}_error"].max()) < 0.5 / np.sqrt(20_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "name", "one"),
    [
        (lambda: exact.poisson([3, 5, 0], 1.0, mu_log=0.0, sigma_log=0.5), "lam", {}),
        (
            lambda: exact.beta_binomial([3, 1], [5, 9], mean=stats.beta(1e9, 1e9), concentration=4.0),
            "theta",
            {},
        ),
        (
            lambda: exact.dirichlet_multinomial([[3, 2, 0], [1, 8, 4]], alpha=4.0, baseline=[1e9] * 3),
            "pi",
            {"category": 1},
        ),
    ],
    ids=["poisson", "beta_binomial", "dirichlet_multinomial"],
)
def test_groups_that_tell_nothing_of_each_other_compare_by_an_integral(call, name, one):
    """Under a known population they are independent."""
    posterior = call()
    found = posterior.compare(name, 20_000, np.random.default_rng(4)).sel(one)
    first, second = (posterior[name].sel(group=j, **one) for j in (0, 1))
    expected = first.expect(lambda x: second.cdf(x.values).values)
    assert abs(float(found["greater"][0, 1]) - expected) < 4 * found["greater_error"][0, 1]
    assert float(found["best"].sum("group")) == pytest.approx(1)
    np.testing.assert_array_equal(np.diagonal(found["greater"].transpose("group", "other")), 0)


def test_what_has_no_groups_is_not_compared():
    rates = exact.poisson([3, 5], 1.0, mu_log=0.0, sigma_log=0.0)
    with pytest.raises(ValueError, match="name is 'lam_new', which has no groups"):
        rates.compare("lam_new", 10, np.random.default_rng(1))
    # All rates are one: none is greater, and each is the best as often as not.
    found = rates.compare("lam", 10, np.random.default_rng(1))
    assert not found["greater"].any()
    np.testing.assert_array_equal(found["best"], [0.5, 0.5])
