"""Monte Carlo errors against closed forms, and the shortest interval against ArviZ."""

import arviz as az
import numpy as np
import pytest
from scipy import stats

import hierarchical_exact as exact
from support.conventions import INTERVAL, TAILS
from support.monte_carlo import SETS, monte_carlo_error, shortest_interval

# Relative error of an error that is found from so many sets of draws.
TOLERANCE = 4 / np.sqrt(2 * SETS)


def test_errors_of_a_mean_of_a_standard_deviation_and_of_a_quantile():
    def statistics(draws):
        return np.array([draws.mean(), draws.std(ddof=1), np.quantile(draws, TAILS[0])])

    found = monte_carlo_error(statistics, exact.marginal(stats.norm(1, 3)), draws=2000)
    density = stats.norm.pdf(stats.norm.ppf(TAILS[0])) / 3
    expected = [3 / np.sqrt(2000), 3 / np.sqrt(4000), np.sqrt(TAILS.prod() / 2000) / density]
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE)


def test_marginals_are_drawn_independently_each_as_often_as_said():
    first, second = exact.marginal(stats.norm(0, 3)), exact.marginal(stats.norm(0, 4))
    found = monte_carlo_error(lambda x, y: x.mean() - y.mean(), first, second, draws=(900, 1600))
    assert found == pytest.approx(np.hypot(0.1, 0.1), rel=TOLERANCE)


@pytest.mark.parametrize("draws", [stats.expon.rvs(size=999, random_state=7), np.arange(40.0).reshape(4, 10)])
def test_the_shortest_interval_is_that_of_arviz(draws):
    np.testing.assert_array_equal(shortest_interval(draws), az.hdi(np.ravel(draws), prob=INTERVAL))
