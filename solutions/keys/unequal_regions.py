"""Try It Yourself: the survey with a region of 10 and one of 500 respondents."""

import numpy as np
from scipy import stats

import hierarchical_exact as exact
from notebook_marking.keys import Key
from solutions.keys.common import mean_weight, width
from support.conventions import INTERVAL
from support.monte_carlo import monte_carlo_error

DRAWS = 500  # effective draws: the intervals end in tails, where there are fewer than in the middle


def key(data, earlier):
    """Exact answers; data: counts by region and response."""
    (count,) = data[""]
    sizes = count.sum("response")
    two = [int(np.argmin(sizes.values)), int(np.argmax(sizes.values))]
    n = sizes.values[two]
    posterior = exact.dirichlet_multinomial(count, alpha=stats.expon(scale=1), baseline=np.ones(4))
    alpha, pi = posterior["alpha"], posterior["pi"].sel(region=sizes["region"].values[two])
    widths = pi.hdi(INTERVAL).diff("ci_bound").values[..., 0]
    width_errors, ratio_error = errors_of_widths(pi)
    shift = abs(pi.mean().values - count.values[two] / n[:, None]).sum(axis=1) / 2
    return {
        "a.fit": Key(posterior),
        "b.widths": Key(widths, width_errors, {"interchanging the regions": widths[::-1]}),
        "b.ratio": Key(ratio(np.asarray(earlier.get("b.widths", widths))), ratio_error),
        "b.rule": Key(
            rule(alpha.mean(), n), monte_carlo_error(lambda x: rule(x.mean(), n), alpha, draws=DRAWS)
        ),
        "c.weights": Key(
            np.array([mean_weight(alpha, size) for size in n]),
            monte_carlo_error(lambda x: (x[:, None] / (x[:, None] + n)).mean(axis=0), alpha, draws=DRAWS),
        ),
        # At most the errors of the four means together, whatever their correlations.
        "c.moved": Key(shift, pi.sd().values.sum(axis=1) / 2 / np.sqrt(DRAWS)),
        "d.baseline": Key(posterior["pi0"].mean().values, posterior["pi0"].sd().values / np.sqrt(DRAWS)),
    }


def ratio(widths):
    """Mean width in the first region over that in the second."""
    first, second = widths.mean(axis=1)
    return float(first / second)


def rule(alpha, n):
    """Ratio of the standard deviations of equal shares in two regions of sizes n, given alpha."""
    first, second = n + alpha + 1
    return float(np.sqrt(second / first))


def errors_of_widths(pi):
    """Monte Carlo errors of the widths (2, 4) of the shares' intervals, and of their ratio."""
    labels = pi.mean().coords
    marginals = [
        pi.sel(region=region, response=response)
        for region in labels["region"].values
        for response in labels["response"].values
    ]

    def statistic(*draws):
        widths = np.reshape([width(values) for values in draws], (2, 4))
        return np.append(widths.ravel(), ratio(widths))

    errors = monte_carlo_error(statistic, *marginals, draws=DRAWS)
    return errors[:-1].reshape(2, 4), errors[-1]
