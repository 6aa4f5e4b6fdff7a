"""The error estimates themselves: each guard must refuse what it is there for."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import hierarchical_exact as exact
from hierarchical_exact import accuracy
from hierarchical_exact.laws import NormalMixture
from hierarchical_exact.quadrature import Axis, integrate

# `hierarchical_exact.poisson` is the function; these are the modules.
poisson_module = importlib.import_module("hierarchical_exact.poisson")


def two_rules(fine, coarse):
    """Error of a mixture of Normal(0, 1) and Normal(3, 1) whose rules weigh the two differently."""

    def law(groups, weights):
        means = np.broadcast_to([[0.0], [3.0]], (2, len(groups)))
        return NormalMixture(weights, means, np.ones_like(means))

    grid = SimpleNamespace(weights=np.array(fine), coarse=np.array(coarse))
    return accuracy.error(law, np.arange(1), grid)


def test_the_error_is_how_far_the_two_rules_are_apart():
    assert two_rules([0.5, 0.5], [0.5, 0.5]) == 0
    # The means are 1.5 and 1.5 + 3e-4, the sd is sqrt(1 + 9 / 4); the quantiles in the dip move more.
    shift = 3e-4 / np.sqrt(3.25)
    assert shift <= two_rules([0.5, 0.5], [0.4999, 0.5001]) < 3 * shift


def test_a_posterior_above_its_tolerance_is_refused():
    levels = []

    def build(tolerance):
        levels.append(tolerance)
        return "built", 2e-6

    with pytest.raises(ArithmeticError, match=r"error 2.0e-06 of the posterior stays above 1e-06"):
        accuracy.refine(build, tolerance=1e-6)
    assert levels == [1e-9, 1e-11, 1e-13]


@pytest.mark.slow
@pytest.mark.parametrize("quantity", ["lam", "lam_new"])
def test_rates_whose_error_is_too_large_are_refused(monkeypatch, quantity):
    estimate, levels = poisson_module._rate_error, []

    def pessimist(grid, *arguments):
        levels.append(estimate(grid, *arguments))
        return 2e-5

    monkeypatch.setattr(poisson_module, "_rate_error", pessimist)
    posterior = exact.poisson([3], [2.0], mu_log=stats.norm(0, 1), sigma_log=stats.halfnorm(scale=1))
    with pytest.raises(ArithmeticError, match=r"error 2.0e-05 of the rates stays above 1e-05"):
        posterior[quantity].quantile(0.5)
    assert len(levels) == len(poisson_module._LEVELS)
    assert max(levels) < 1e-5


def test_moments_of_rates_whose_error_is_too_large_come_from_evidence_or_are_refused(monkeypatch):
    rates, levels = poisson_module._Rates, []
    estimate = rates._summed

    def pessimist(rates, groups, nodes):
        found, error = estimate(rates, groups, nodes)
        levels.append(error)
        return found, np.where(np.arange(2)[groups] == 0, 2e-5, 0.0)

    def of(group):
        posterior = exact.poisson(
            [3, 5], [2.0, 3.0], mu_log=stats.norm(0, 1), sigma_log=stats.halfnorm(scale=1)
        )
        lam = posterior["lam"].sel(group=group)
        return lam.mean(), lam.sd()

    summed = of(0)
    monkeypatch.setattr(rates, "_summed", pessimist)
    assert of(0) == pytest.approx(summed, rel=1e-8)
    # Finer nodes tell more.
    assert len(levels) == 2
    assert 1e-6 > levels[0].max() > levels[1].max()
    monkeypatch.setattr(rates, "_moment", lambda *_: np.nan)
    with pytest.raises(ArithmeticError, match="to tell this moment"):
        of(0)
    assert min(of(1)) > 0


@pytest.mark.parametrize(("difference", "afresh"), [(0.0, False), (1e-6, True)])
def test_leaving_out_is_integrated_afresh_where_the_two_rules_differ(difference, afresh):
    grid = integrate(lambda x: -0.5 * x**2, [Axis("x", np.zeros(1))])
    changed = SimpleNamespace(
        weights=grid.weights,
        coarse=grid.weights * (1 + difference),
        at_edge=grid.at_edge,
        log_evidence=grid.log_evidence,
    )
    result = accuracy.leave_one_out(
        changed, lambda units, nodes: np.zeros((len(nodes), 1)), lambda j: grid.log_evidence + 7.0, 1
    )
    assert result[0] == pytest.approx(-7.0 if afresh else 0.0, abs=1e-12)
