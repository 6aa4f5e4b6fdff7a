"""Exercise 5.8.8: twelve experiments with rats, one of them without a tumour."""

import numpy as np
import xarray as xr
from scipy import special, stats

import hierarchical_exact as exact
from notebook_marking.keys import Key
from solutions.keys.common import OWN, TURNED, mean_weight
from support.monte_carlo import monte_carlo_error

CONCENTRATION = stats.gamma(2, scale=20)
OTHERS = (5, 100)
NEW = 20
DRAWS = 500  # effective draws: with twelve experiments kappa's tail mixes slowly


def key(data, earlier):  # noqa: ARG001
    """Exact answers; data: tumours and rats of twelve experiments."""
    tumours, rats = data[""]
    posterior, empty = solve(tumours, rats, CONCENTRATION), tumours.idxmin().item()
    kappa, size = posterior["concentration"], rats.sel(experiment=empty).item()
    rate = posterior["theta"].sel(experiment=empty)
    others = [
        solve(tumours, rats, stats.expon(scale=scale))["theta"].sel(experiment=empty) for scale in OTHERS
    ]
    weight = mean_weight(kappa, size)
    higher, highest = chances(tumours, rats)
    new = posterior["theta_new"]
    none = new.expect(lambda theta: (1 - theta) ** NEW)
    return {
        "a.fit": Key(posterior),
        "b.estimate": Key(
            np.array([rate.mean(), rate.sd()]),
            monte_carlo_error(lambda x: np.array([x.mean(), x.std()]), rate, draws=DRAWS),
        ),
        "b.weight": Key(
            weight,
            monte_carlo_error(lambda x: (x / (x + size)).mean(), kappa, draws=DRAWS),
            {OWN: 1 - weight},
        ),
        "b.priors": Key(
            np.array([other.mean() for other in others]),
            np.array([other.sd() for other in others]) / np.sqrt(DRAWS),
        ),
        "c.higher": Key(higher, spread(higher), {TURNED: 1 - higher}),
        "c.highest": Key(highest, spread(highest)),
        "d.none": Key(
            none,
            monte_carlo_error(lambda x: ((1 - x) ** NEW).mean(), new, draws=DRAWS),
            {"taking the probability at the mean rate": (1 - new.mean()) ** NEW},
        ),
    }


def spread(probability):
    """Monte Carlo error of a share of draws."""
    return float(np.sqrt(probability * (1 - probability) / DRAWS))


def solve(tumours, rats, concentration):
    """Exact posterior with this prior of the concentration."""
    return exact.beta_binomial(tumours, rats, mean=stats.beta(1, 1), concentration=concentration)


def chances(
    tumours: xr.DataArray, rats: xr.DataArray, points: int = 31, step: float = 0.02
) -> tuple[float, float]:
    """Probabilities that the first in raw share is higher than the one with most rats, and than all.

    Given mean and concentration the rates are independent, each with a Beta law: sums over their log odds,
    and over a grid of the two.

    Examples
    --------
    Two experiments with the same counts:

    >>> counts = xr.DataArray([3, 3], dims="experiment", coords={"experiment": [1, 2]})
    >>> [round(chance, 3) for chance in chances(counts, counts + 7)]
    [0.5, 0.5]
    """
    y, n = tumours.values.astype(float), rats.values.astype(float)
    first = int((y / n).argmax())
    second = int(np.where(np.arange(y.size) == first, 0, n).argmax())
    posterior = solve(tumours, rats, CONCENTRATION)
    ends = [1e-7, 1 - 1e-7]
    m = special.expit(np.linspace(*special.logit(posterior["mean"].quantile(ends).values), points))[:, None]
    k = np.exp(np.linspace(*np.log(posterior["concentration"].quantile(ends).values), points))
    a, b = (m * k).reshape(-1, 1), ((1 - m) * k).reshape(-1, 1)
    log_weight = (special.betaln(a + y, b + n - y) - special.betaln(a, b)).sum(axis=1)
    # The last factors are the steps of the grid in m and in kappa.
    log_weight += np.log(CONCENTRATION.pdf(k) * m * (1 - m) * k).ravel()
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    x, found = np.arange(-14, 6, step), np.zeros(2)
    logs = special.log_expit(x), special.log_expit(-x)
    for node in np.flatnonzero(weight > 1e-8):
        density = np.exp(np.outer(a[node] + y, logs[0]) + np.outer(b[node] + n - y, logs[1]))
        density /= density.sum(axis=1, keepdims=True)
        below = density.cumsum(axis=1) - density / 2
        others = np.delete(below, first, axis=0).prod(axis=0)
        found += weight[node] * np.array([density[first] @ below[second], density[first] @ others])
    return float(found[0]), float(found[1])
