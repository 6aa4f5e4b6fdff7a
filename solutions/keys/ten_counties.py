"""Exercise 5.8.10: houses in ten counties, with a predictor of houses and one of counties."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

import hierarchical_exact as exact
from notebook_marking.keys import Key
from solutions.keys.common import NEW_DRAWS, OWN

ACTION = np.log(4.0)
DRAWS = 500  # effective draws, when as many as are asked for are few


def key(data, earlier):  # noqa: ARG001
    """Exact answers; data: radon and floor of houses, and the uranium of ten counties."""
    radon, floor, uranium = data[""]
    posterior = solve(radon, floor, uranium)
    without = solve(radon, floor)
    houses = pd.Series(radon["county"].values).value_counts()
    largest = houses.idxmax()
    row = [1.0, 0.0, uranium.sel(county=largest).item()]
    groups = {"county": [largest, None]}
    of_house, of_mean = (posterior.predict([row, row], groups, noise=noise) for noise in (True, False))
    above = of_house.sf(ACTION).values
    weights = [_scaled(posterior, weight(n)) for n in (houses.min(), houses.max())]
    shares = [_scaled(one, share) for one in (posterior, without)]
    return {
        "a.fit": Key(posterior),
        "b.weights": _pair(weights, {OWN: 1 - np.array([value for value, _ in weights])}),
        "c.above": Key(
            above,
            _spread_of_above(posterior, row, largest) / np.sqrt(DRAWS),
            {"taking the mean of the county for a house": of_mean.sf(ACTION).values},
        ),
        "d.shares": _pair(
            shares, {"giving the share within counties": 1 - np.array([value for value, _ in shares])}
        ),
    }


def solve(radon: xr.DataArray, floor: xr.DataArray, uranium: xr.DataArray | None = None) -> exact.Posterior:
    """Exact posterior of log radon, with uranium as a predictor of counties or without.

    Examples
    --------
    >>> county = xr.DataArray(list("aabb"), dims="house")
    >>> radon = xr.DataArray([4.0, 5.0, 1.0, 2.0], {"county": county}, "house")
    >>> bool(solve(radon, 0 * radon)["u_county"].sel(county="a").mean() > 0)
    True
    """
    columns = [np.ones(floor.size), floor.values]
    if uranium is not None:
        columns.append(uranium.sel(county=radon["county"]).values)
    half = stats.halfnorm(scale=1)
    return exact.mixed(
        np.log(radon.values),
        np.stack(columns, axis=1),
        terms={"county": radon["county"].values},
        beta=stats.norm(0, 2),
        sigma=half,
        tau=half,
    )


def weight(n: int) -> Callable:
    """Weight of the line in the mean of a county with n houses, as a function of the scales.

    Examples
    --------
    >>> weight(3)({"sigma": 1.0, "tau_county": 1.0})
    0.25
    """
    return lambda scales: scales["sigma"] ** 2 / (scales["sigma"] ** 2 + n * scales["tau_county"] ** 2)


def share(scales: dict) -> np.ndarray:
    """Part of the variance that lies between counties.

    Examples
    --------
    >>> share({"sigma": 2.0, "tau_county": 1.0})
    0.2
    """
    return 1 - weight(1)(scales)


def _spread_of_above(posterior, row, county):
    """Sds of the probabilities that are averaged over draws, for a known county and for a new one."""
    rng = np.random.default_rng(58)
    draws = posterior.sample(NEW_DRAWS, rng)
    new = draws["tau_county"].values * rng.standard_normal(NEW_DRAWS)
    line = draws["beta"].values @ row
    means = line + np.array([draws["u_county"].sel(county=county), new])
    return stats.norm.sf(ACTION, means, draws["sigma"]).std(axis=1)


def _scaled(posterior, f):
    """Posterior mean of a function of the scales, and the error of a sampled one."""
    mean = posterior.expect(f)
    return mean, np.sqrt((posterior.expect(lambda scales: f(scales) ** 2) - mean**2) / DRAWS)


def _pair(found, mistakes):
    values, errors = np.transpose(found)
    return Key(values, errors, mistakes)
