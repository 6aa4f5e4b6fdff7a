"""Monte Carlo errors against closed forms, and the shortest interval against ArviZ."""

import arviz as az
import numpy as np
import pytest
from scipy import stats

import hierarchical_exact as exact
from myst_nbval.intervals import KIND
from support.conventions import INTERVAL, TAILS
from support.monte_carlo import SETS, Estimate, Report, monte_carlo_error, shortest_interval
from support.outputs import STATED

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


@pytest.mark.parametrize("root", [False, True])
def test_other_runs_lie_in_the_intervals_of_one(root):
    """Errors and their errors are those that 400 repetitions show; intervals are nine of these wide."""
    results = stats.expon.rvs(scale=3, size=(400, 300), random_state=58)
    runs = [Estimate.of(sample) for sample in results]
    runs = [run.root() for run in runs] if root else runs
    values, errors = (np.array([getattr(run, name) for run in runs]) for name in ("value", "error"))
    assert errors.mean() == pytest.approx(values.std(), rel=4 / np.sqrt(800))
    one = runs[0]
    assert np.diff(one.within)[0] == pytest.approx(9 * np.sqrt(2) * one.error, rel=0.02)
    assert np.mean((values > one.within[0]) & (values < one.within[1])) == 1
    assert np.mean((errors > one.error_within[0]) & (errors < one.error_within[1])) > 0.99
    assert np.diff(one.error_within)[0] < 27 * errors.std()


def test_the_interval_of_a_known_expectation_lies_around_it():
    one = Estimate.of([1.0, 2.0, 3.0, 6.0], exact=2.5)
    assert sum(one.within) / 2 == 2.5
    assert np.diff(one.within)[0] == pytest.approx(9 * one.error)


def test_hits_without_a_miss_are_not_taken_for_certain():
    one = Estimate.of([True] * 50)
    assert (one.value, one.error) == (1, 1 / 50)
    assert one.within[0] < 0.9
    assert Estimate.of([3.0] * 50).error == 0


def test_intervals_are_rounded_outward_to_the_digits_printed():
    report = Report("a {heading}")
    report.line(
        "{:>6.1f}, {:.0%}",
        Estimate(7.0, 0.1, (6.61, 7.39), (0.05, 0.1)),
        Estimate(0.5, 0.01, (0.4, 0.601), (0, 1)),
    )
    assert str(report) == "a {heading}\n   7.0 ± 0.1, 50% ± 1%"
    assert report.stated().endswith("~[6.6, 7.4] ± ~[0.0, 0.1], ~[40, 61]% ± ~[0, 100]%")
    assert STATED == KIND, "pages import no package that tests them"


@pytest.mark.parametrize("sample", [[], [1.0], [1.0, np.nan], 3.0])
def test_what_has_no_error_is_no_estimate(sample):
    with pytest.raises(ValueError, match=r"^sample is .*: give two or more finite numbers"):
        Estimate.of(sample)


@pytest.mark.parametrize("sample", [[-1, -2], [0, 0]])
def test_a_root_is_taken_of_what_is_above_zero(sample):
    with pytest.raises(ValueError, match="take the root of one above 0"):
        Estimate.of(sample).root()


def test_an_estimate_prints_itself_to_the_first_digit_of_its_error():
    one = Estimate(0.8231, 0.0123, (0.7, 0.9), (0.01, 0.02))
    assert f"{one}" == str(one) == "0.82 ± 0.01"
    assert str(Estimate(823.1, 12.3, (0, 1), (0, 1))) == "823 ± 12"
    with pytest.raises(ValueError, match="form is 'd': give one with decimals"):
        f"{one:d}"


@pytest.mark.parametrize("draws", [0, -5, np.nan])
def test_draws_are_counted_from_one(draws):
    with pytest.raises(ValueError, match=r"^draws is .*: give numbers of draws"):
        monte_carlo_error(np.mean, exact.marginal(stats.norm()), draws=draws)


@pytest.mark.parametrize("draws", [[], [1.0, np.nan, 2.0]])
def test_no_interval_holds_what_is_not_a_number(draws):
    with pytest.raises(ValueError, match="draws is empty or contains NaN: give numbers"):
        shortest_interval(np.array(draws))
