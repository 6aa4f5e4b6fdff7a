"""Sentences of many pages by closed forms, sums and simulations, with no code of the book but `by_hand`."""

import numpy as np
import pytest
from by_hand import EFFECT, ERROR, TAU, ByHand
from scipy import integrate, optimize, stats
from statements import states

from support import datasets
from tooling.audit import runs

OWN = ByHand()


def factor(error, tau):
    return error**2 / (error**2 + tau**2)


# -- eight schools, and what the data of some say of others ------------------------------------------------


@states("chapters/mathematical-structure.md", "Still they help to estimate $\\theta_H$, on a detour.")
@states("chapters/mathematical-structure.md", "They tell something about $\\mu$ and $\\tau$")
@states(
    "chapters/mathematical-structure.md", "The data of school A are no part of the likelihood of school H"
)
@states("chapters/mathematical-structure.md", "True of the likelihood, and yet H moves, by way of $\\mu$ and")
def test_a_s_report_moves_h_only_by_way_of_mu_and_tau():
    other = ByHand(effect=np.array([40.0, *EFFECT[1:]]))
    assert other.theta[7] > OWN.theta[7] + 0.2
    assert other.mu > OWN.mu
    assert other.tau > OWN.tau
    # With mu and tau held, H's own report is all that counts.
    at = np.searchsorted(TAU, 5.0)
    given = (1 - OWN.factor[at]) * EFFECT + OWN.factor[at] * 8
    moved = (1 - other.factor[at]) * np.array([40.0, *EFFECT[1:]]) + other.factor[at] * 8
    assert given[7] == moved[7]


@states(
    "chapters/loo-comparison.md",
    "The differences between schools are no larger than their standard errors lead one to expect",
)
@states("chapters/eight-schools.md", "which makes most of that difference unremarkable.")
@states(
    "chapters/hierarchical-models.md",
    "Then the difference of A from the others would be noise and nothing else",
)
def test_the_reports_differ_no_more_than_noise():
    weight = ERROR**-2
    q = (weight * (EFFECT - weight @ EFFECT / weight.sum()) ** 2).sum()
    assert 0.3 < stats.chi2(7).sf(q) < 0.9
    assert q < 7


@states("chapters/loo-comparison.md", "The score of no pooling depends on its prior $\\text{Normal}(0, 20)$.")
def test_a_wide_prior_costs_no_pooling():
    def none(prior_sd):
        return stats.norm(0, np.hypot(prior_sd, ERROR)).logpdf(EFFECT)

    # Ten times the width costs about two points for each school.
    assert none(20).sum() - none(200).sum() > 8
    assert none(200) - none(20) == pytest.approx(-np.log(10), abs=0.9)


@states("chapters/eight-schools.md", "The prior of $\\tau$ is densest at zero, where all schools are alike")
@states("chapters/eight-schools.md", "The prior of $\\mu$ takes no side on whether coaching helps or harms")
def test_what_the_priors_say():
    assert stats.halfnorm(scale=10).pdf(TAU).argmax() == 0
    assert stats.norm(0, 20).sf(0) == 0.5


@states(
    "chapters/eight-schools.md",
    "Chains that all miss the same region may agree about the rest.",
)
@states(
    "chapters/eight-schools.md",
    "with some seeds a chain at 0.95 or 0.99 creeps into the neck and cannot leave it.",
)
@states(
    "chapters/eight-schools.md",
    "Whoever reads a ranking out of the column of effects is mistaken.",
)
@states("chapters/eight-schools.md", "Not necessarily: all chains may miss the same region.")
def test_recorded_runs_and_ranks():
    recorded = runs.recorded()
    quiet = recorded[recorded["centred-0.90/tau/r_hat"] < 1.01]
    assert len(quiet) >= 3
    assert (quiet["centred-0.90/tau_below_1"] < OWN.mass[TAU < 1].sum()).mean() > 0.7
    stuck = recorded[["centred-0.95/tau_below_1", "centred-0.99/tau_below_1"]].max(axis=1)
    assert stuck.max() > 1.5 * OWN.mass[TAU < 1].sum()
    # Of the 28 pairs, no order is certain; and A is not the best with probability one half.
    sd = np.sqrt(abs(np.add.outer(OWN.sd**2, OWN.sd**2) - 2 * OWN.covariance))
    z = np.subtract.outer(OWN.theta, OWN.theta)[~np.eye(8, dtype=bool)] / sd[~np.eye(8, dtype=bool)]
    assert abs(z).max() < 0.7


@states(
    "chapters/practical-considerations.md",
    "Then the standardised $\\tilde\\theta_i$ are nearly independent of $\\tau$",
)
@states(
    "chapters/practical-considerations.md",
    "Then $\\theta_i$ is nearly independent of $\\tau$, whereas $\\tilde\\theta_i = (\\theta_i - "
    "\\mu)/\\tau$ must move",
)
@states(
    "chapters/practical-considerations.md", "With so much data each $\\theta_i$ is fixed by its own school."
)
@states("chapters/practical-considerations.md", "near 1, the prior dominates; near 0, the data do")
def test_which_coordinates_hang_on_tau():
    rng = np.random.default_rng(58)

    def correlations(data):
        """Of log tau with theta and with theta-tilde of school A."""
        own = ByHand(error=ERROR / np.sqrt(data))
        at = rng.choice(TAU.size, 40_000, p=own.mass)
        mu = rng.normal(own.mean_mu[at], np.sqrt(own.variance_mu[at]))
        b = own.factor[at, 0]
        theta = b * mu + (1 - b) * EFFECT[0] + np.sqrt((1 - b) / data) * ERROR[0] * rng.normal(size=at.size)
        log_tau, raw = np.log(TAU[at]), (theta - mu) / TAU[at]
        return np.corrcoef(log_tau, theta)[0, 1], np.corrcoef(log_tau, raw)[0, 1], own

    poor, rich = correlations(1), correlations(256)
    assert abs(poor[1]) < 0.35
    assert abs(rich[0]) < 0.1 < 0.5 < abs(rich[1])
    # A's effect is where its report is, to within a point or so, and B says so.
    assert rich[2].theta[0] == pytest.approx(28, abs=0.5)
    assert rich[2].sd[0] < 1
    assert rich[2].mass @ rich[2].factor[:, 0] < 0.05 < 0.85 < poor[2].mass @ poor[2].factor[:, 0]


@states(
    "chapters/practical-considerations.md",
    "A prior that decides by itself does real harm where groups truly differ.",
)
def test_the_harm_of_a_tight_prior():
    rng, error = np.random.default_rng(58), np.full(8, 10.0)
    ratio = []
    for _ in range(150):
        theta = rng.normal(0, 20, 8)
        y = rng.normal(theta, error)
        tight, own = ByHand(y, error, scale=1.0).theta, ByHand(y, error).theta
        ratio.append([((one - theta) ** 2).mean() for one in (tight, own, y)])
    tight, own, raw = np.sqrt(np.mean(ratio, axis=0))
    assert tight > 1.5 * own
    assert own < raw < tight


@states(
    "chapters/when-hierarchical.md",
    "too wide when $\\tau$ is smaller than the prior expects, and too narrow when it is larger",
)
@states(
    "chapters/when-hierarchical.md",
    "Averaged over the prior of $\\mu$ and $\\tau$ the hierarchical interval is exact",
)
@pytest.mark.slow
def test_the_interval_for_a_ninth_school():
    rng, shares = np.random.default_rng(58), {1.0: [], 20.0: [], None: []}

    def new_school(own):
        """Ends of the central interval for a new effect, by bisection."""
        sd = np.sqrt(TAU**2 + own.variance_mu)

        def end(share):
            return optimize.brentq(lambda x: own.mass @ stats.norm.cdf(x, own.mean_mu, sd) - share, -300, 300)

        return np.array([end(0.055), end(0.945)])

    for tau, found in shares.items():
        for _ in range(300 if tau else 1000):
            mu, spread = (8.0, tau) if tau else (rng.normal(0, 20), abs(rng.normal(0, 10)))
            ends = new_school(ByHand(effect=rng.normal(mu, np.hypot(spread, ERROR))))
            found.append(np.diff(stats.norm.cdf(ends, mu, spread)).item())
    mean = {tau: np.mean(found) for tau, found in shares.items()}
    error = {tau: np.std(found) / np.sqrt(len(found)) for tau, found in shares.items()}
    assert mean[1.0] - 4 * error[1.0] > 0.89 > mean[20.0] + 4 * error[20.0]
    assert abs(mean[None] - 0.89) < 4 * error[None] < 0.05


@states("chapters/when-hierarchical.md", "When the kinds do not differ, the covariate costs little")
@states("chapters/when-hierarchical.md", "Pooling all schools is then hardly better than not pooling")
@states("chapters/when-hierarchical.md", "It costs little when it turns out not to matter.")
@states("chapters/when-hierarchical.md", "The model protects itself, at the price of its benefit.")
@pytest.mark.slow
def test_what_a_known_kind_costs_and_buys():
    kind, error = np.repeat([0.0, 1.0], 6), np.full(12, 10.0)

    def known(y):
        """Posterior means with beta Normal(0, 20), by a sum over tau."""
        log, means = [], []
        for tau in (np.arange(100) + 0.5) / 2:
            prior = 400 * (1 + np.outer(kind, kind)) + tau**2 * np.eye(12)
            inverse = np.linalg.inv(prior + np.diag(error**2))
            log.append((np.linalg.slogdet(inverse)[1] - y @ inverse @ y - (tau / 10) ** 2) / 2)
            means.append(prior @ inverse @ y)
        mass = np.exp(np.array(log) - max(log))
        return mass @ np.array(means) / mass.sum()

    root = {}
    for gap in (0.0, 30.0):
        rng, losses = np.random.default_rng(58), []
        for _ in range(150):
            theta = 8 + gap * kind + rng.normal(0, 4, 12)
            y = rng.normal(theta, error)
            losses.append([((one - theta) ** 2).mean() for one in (y, ByHand(y, error).theta, known(y))])
        root[gap] = np.sqrt(np.mean(losses, axis=0))
    assert root[0.0][2] - root[0.0][1] < 1
    raw, alike, kinds = root[30.0]
    assert 0.85 * raw < alike < raw
    assert kinds < 0.65 * alike


# -- five instructors -------------------------------------------------------------------------------------


@states("chapters/pooling-problem.md", "These eight scores lie close together")
@states(
    "chapters/pooling-problem.md", "That of no pooling spans nearly the whole scale of the exam, 0 to 100."
)
@states("chapters/pooling-problem.md", "So 8 and 18 are not small and large, they are both middling.")
@states("chapters/pooling-problem.md", "The prior of each mean is wide.")
def test_five_sections():
    data = datasets.instructors()
    score, instructor = data["score"].values, data["instructor"].values
    names, size = np.unique(instructor, return_counts=True)
    sd = np.array([score[instructor == name].std(ddof=1) for name in names])
    assert sd.argmin() == 0
    assert sd[0] < 0.8 * 12
    low, high = stats.norm(50, 25).ppf([0.055, 0.945])
    assert high - low > 75
    # With sigma = 12 and tau = 8 the two keep some eight tenths and nine tenths: neither nothing nor all.
    kept = 1 - factor(12 / np.sqrt(size), 8.0)
    assert 0.7 < kept.min() < kept.max() < 0.92
    assert 1 - factor(25.0, 12 / np.sqrt(8)) < 0.03  # what the prior moves the smallest section


# -- the survey -------------------------------------------------------------------------------------------


@states("chapters/dirichlet-multinomial.md", "Alone, region 5 has the posterior $\\text{Dir}(10, 12, 10, 7)$")
@states("chapters/dirichlet-multinomial.md", "There are 435 respondents but six regions")
@states("chapters/dirichlet-multinomial.md", "It has the largest weight on the baseline.")
@states("chapters/dirichlet-multinomial.md", "A Pearson test says so too")
@states(
    "chapters/dirichlet-multinomial.md",
    "a share with mean $m$ has the variance $m (1 - m) / (n_r + \\alpha + 1)$.",
)
@states("chapters/dirichlet-multinomial.md", "Analysing region 5 alone is the case $\\alpha = 4$.")
def test_counts_of_the_survey():
    count = datasets.survey()["count"].values
    size = count.sum(axis=1)
    assert count.sum() == 435
    assert list(count[4] + 1) == [10, 12, 10, 7]
    assert (8 / (8 + size)).argmax() == 4
    expected = np.outer(size, count.sum(axis=0)) / 435
    chi_square = ((count - expected) ** 2 / expected).sum()
    assert stats.chi2(15).sf(chi_square) > 0.1
    alpha, baseline = 8.0, np.array([0.2, 0.4, 0.25, 0.15])
    shares = np.random.default_rng(58).dirichlet(alpha * baseline + count[4], 200_000)
    m = (alpha * baseline + count[4]) / (alpha + 35)
    assert shares.var(axis=0) == pytest.approx(m * (1 - m) / (35 + alpha + 1), rel=0.02)
    assert np.allclose(4 * np.full(4, 0.25) + count[4], 1 + count[4])


# -- total risk --------------------------------------------------------------------------------------------


@states(
    "chapters/bringing-together.md",
    "With four groups the maximum is …, above the bound of 2; with five it is …, below the bound of 4.",
)
@states(
    "chapters/bringing-together.md", "As it does not increase all the way, the theorem alone does not decide"
)
def test_the_theorem_of_baranchik():
    def shrinkage(s, groups):
        """Posterior mean of B given S for a flat tau and a flat mu, by quadrature over tau."""

        def weight(tau, power):
            b = 1 / (1 + tau**2)
            return b ** ((groups - 1) / 2 + power) * np.exp(-(b * s) / 2)

        upper, lower = (integrate.quad(weight, 0, np.inf, (power,), limit=500)[0] for power in (1, 0))
        return upper / lower * s

    grid = np.geomspace(0.5, 400, 400)
    for groups, bound, above in ((4, 2, True), (5, 4, False)):
        curve = np.array([shrinkage(s, groups) for s in grid])
        assert (curve.max() > bound) == above
        assert curve.argmax() < grid.size - 1


# -- calibration -------------------------------------------------------------------------------------------


@pytest.mark.slow
@states("chapters/calibration.md", "Five such draws say nothing about a shift of a twentieth of one.")
@states(
    "chapters/calibration.md",
    "The standard error of a mean of $S$ draws is $1/\\sqrt S$ standard deviations.",
)
@states(
    "chapters/calibration.md",
    "The test of Kolmogorov and Smirnov gives a p below 0.001 to one right posterior in a thousand.",
)
@states("chapters/calibration.md", "that scatter is the same whether the sampler is right or wrong")
def test_how_little_ranks_see():
    rng = np.random.default_rng(58)
    # Power of the best test of a shift by a twentieth, at 5%, with five draws: hardly more than the level.
    assert stats.norm.sf(1.645 - 0.05 * np.sqrt(5)) < 0.07
    assert rng.normal(size=(20_000, 25)).mean(axis=1).std() == pytest.approx(0.2, rel=0.03)
    p = np.array([stats.kstest(rng.random(50), "uniform").pvalue for _ in range(4000)])
    assert abs((p < 0.05).mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 4000)
    assert (p < 0.001).sum() <= stats.binom(4000, 0.001).ppf(0.9999)


# -- thirteen trials ---------------------------------------------------------------------------------------


@states("chapters/odd-group.md", "A ratio of 1, no effect, is $y_j = 0$; half the risk is $y_j = -0.69$.")
@states("chapters/odd-group.md", "that is, $1.4\\,\\tau$.)")
@states("chapters/odd-group.md", "the mean at 33°, where two of the trials are")
@states(
    "chapters/odd-group.md",
    "Persons who stay healthy in both groups say next to nothing about a ratio of risks.",
)
@states(
    "chapters/odd-group.md",
    "A strong effect leaves few cases among the vaccinated, which makes the ratio harder to know.",
)
@states(
    "chapters/odd-group.md", "Given $\\tau$ the weights are in proportion to $1/(\\sigma_j^2 + \\tau^2)$."
)
@states(
    "chapters/odd-group.md",
    "A Normal population has no room for a group five standard deviations out, and will rather widen.",
)
def test_ratios_of_risks():
    assert np.log([1, 0.5]) == pytest.approx([0, -0.69], abs=0.005)
    assert stats.t(4).std() == pytest.approx(1.4, abs=0.02)
    trials = datasets.bcg_trials()
    assert (trials["latitude"] == 33).sum() == 2

    def sigma(a, n, c, m):
        return np.sqrt(1 / a - 1 / n + 1 / c - 1 / m)

    a, n, c, m = (
        trials[name].values for name in ("vaccinated_cases", "vaccinated", "control_cases", "control")
    )
    assert sigma(a, n, c, m) == pytest.approx(trials["standard_error"].values)
    # Ten thousand healthy persons more in both groups, and half of the cases among the vaccinated.
    assert sigma(a, n + 10_000, c, m + 10_000) / sigma(a, n, c, m) == pytest.approx(np.ones(13), abs=0.12)
    assert (sigma(a / 2, n, c, m) > 1.1 * sigma(a, n, c, m)).all()
    # The weights of the mean are those of generalised least squares.
    error, tau = sigma(a, n, c, m), 0.6
    inverse = np.linalg.inv(np.diag(error**2 + tau**2))
    assert inverse.sum(axis=0) / inverse.sum() == pytest.approx(
        1 / (error**2 + tau**2) / (1 / (error**2 + tau**2)).sum()
    )
    effect = trials["effect"].values
    calm, odd = effect.copy(), effect.copy()
    odd[3] = effect.mean() + 5 * 0.62
    spread = [ByHand(y * 10, error * 10, scale=10.0, mu_sd=10.0).tau / 10 for y in (calm, odd)]
    assert spread[1] > 1.3 * spread[0]
