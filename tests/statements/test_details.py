"""Numbers and small facts that pages state in passing, by formulas, sums and simulation."""

import json
import re

import numpy as np
import pytest
from arviz_stats.ecdf_utils import ecdf_pit
from by_hand import EFFECT, ERROR, TAU, ByHand
from scipy import integrate, optimize, stats
from statements import ROOT, states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_LOG_PRIOR, MU_PRIOR, SIGMA_LOG_PRIOR, TAU_PRIOR
from support.exercises import personal
from tooling.audit import calibration, runs

OWN = ByHand()
A, C, E, G, H = 0, 2, 4, 6, 7
Z = stats.norm.ppf(0.945)


def schools(tau=TAU_PRIOR, mu=MU_PRIOR, y=EFFECT, sigma=ERROR):
    return exact.normal(y, sigma, mu=mu, tau=tau)


# -- the first pages -------------------------------------------------------------------------------------


@states(
    "chapters/hierarchical-models.md",
    "and against the reference posterior that others have published for the Eight Schools",
)
@states("chapters/hierarchical-models.md", "The exact answers are tested too: against adaptive integration")
def test_published_draws_and_adaptive_integration():
    """Posteriordb has mu ~ Normal(0, 5) and tau ~ half-Cauchy(5): by quad, and against its draws."""
    weigh = {"one": lambda _: 1.0, "tau": lambda tau: tau}

    def density(tau):
        v = ERROR**2 + tau**2
        variance = 1 / ((1 / v).sum() + 1 / 25)
        mean = variance * (EFFECT / v).sum()
        log = 0.5 * (np.log(variance) - np.log(v).sum() - (EFFECT**2 / v).sum() + mean**2 / variance)
        return np.exp(log + 40) / (1 + (tau / 5) ** 2)

    one, first = (integrate.quad(lambda t, f=f: f(t) * density(t), 0, np.inf)[0] for f in weigh.values())
    theirs = exact.normal(EFFECT, ERROR, mu=stats.norm(0, 5), tau=stats.halfcauchy(scale=5))
    assert theirs["tau"].mean() == pytest.approx(first / one, rel=1e-5)
    path = ROOT / "packages/hierarchical-exact/tests/data/posteriordb-eight-schools.json"
    reference = json.loads(path.read_text("utf-8"))
    mean = [*theirs["theta"].mean().values, theirs["mu"].mean(), theirs["tau"].mean()]
    assert abs((np.array(reference["mean_value"]) - mean) / reference["mcse_mean_value"]).max() < 4


@states(
    "chapters/recap.md",
    "Take school E of the Eight Schools, which measured an effect of $-1$ point with standard error 9",
)
@states("chapters/recap.md", r"The priors of the Eight Schools are $\mu \sim \text{Normal}(0, 20)$ and")
@states("chapters/hierarchical-models.md", r"It gives $\tau$ a prior, here $\text{HalfNormal}(10)$")
@states("chapters/recap.md", "rules out the absurd and leaves the rest to the data")
def test_priors_and_school_e():
    assert (EFFECT[E], ERROR[E]) == (-1, 9)
    assert (MU_PRIOR.mean(), MU_PRIOR.std(), TAU_PRIOR.kwds["scale"]) == (0, 20, 10)
    # An effect of 100 is next to impossible before the data; and mu is where a flat prior would leave it.
    tau = np.abs(stats.norm(0, 10).ppf((np.arange(4000) + 0.5) / 4000))
    assert (2 * stats.norm(0, np.hypot(20, tau)).sf(100)).mean() < 1e-3
    flat = exact.normal(EFFECT, ERROR, mu=None, tau=TAU_PRIOR)["mu"].mean()
    assert OWN.mu == pytest.approx(flat, abs=0.5)


@states("chapters/pooling-problem.md", "students in the other sections are of no help")
@states("chapters/pooling-problem.md", "Now each instructor is judged by their own students only.")
@states("chapters/pooling-problem.md", "Written in one model or in five, it is the same thing.")
@states(
    "chapters/pooling-problem.md", "The intervals of no pooling cover … of them, those of partial pooling …."
)
def test_sections_by_themselves():
    data = datasets.instructors()
    score, instructor = data["score"].values, data["instructor"].values
    names = np.unique(instructor)
    priors = {"mu": stats.norm(50, 25), "sigma": stats.halfnorm(scale=15)}
    alone = [exact.normal_sample(score[instructor == name], **priors)["mu"] for name in names]
    true = [data["true_mean"].values[instructor == name][0] for name in names]
    covered = sum(one.quantile(0.055) < t < one.quantile(0.945) for one, t in zip(alone, true, strict=True))
    pooled = exact.normal_groups(score, instructor, tau=TAU_PRIOR, **priors)["theta"]
    low, high = (pooled.quantile(q).values for q in (0.055, 0.945))
    assert 3 <= covered <= 5
    assert 3 <= ((low < true) & (high > true)).sum() <= 5
    # In one model: five blocks of a posterior, of which each has the mean that it has by itself.
    mu, sigma = np.meshgrid(np.linspace(30, 100, 400), np.linspace(2, 40, 400))
    log = stats.norm(50, 25).logpdf(mu) + stats.halfnorm(scale=15).logpdf(sigma)
    own = score[instructor == names[0]]
    log += -own.size * np.log(sigma) - ((own - mu[..., None]) ** 2).sum(axis=-1) / (2 * sigma**2)
    mass = np.exp(log - log.max())
    assert (mass * mu).sum() / mass.sum() == pytest.approx(alone[0].mean(), abs=0.02)


# -- eight schools ---------------------------------------------------------------------------------------


@states(
    "chapters/eight-schools.md",
    "Under the model's own priors the highest-density interval of $\\mu$ is from … to ….",
)
@states("chapters/eight-schools.md", "Their posterior means are … and ….")
@states("chapters/eight-schools.md", "give or take … and ….")
def test_the_posterior_in_numbers():
    book = schools()
    low, high = np.ravel(book["mu"].hdi(0.89).values)
    sd = np.sqrt(OWN.variance_of_mu)
    assert (low, high) == pytest.approx((OWN.mu - Z * sd, OWN.mu + Z * sd), abs=0.4)
    assert OWN.theta[[A, G]] == pytest.approx(book["theta"].mean().values[[A, G]], abs=1e-3)
    hdi = book["theta"].hdi(0.89).values
    common = hdi[:, 1].min() - hdi[:, 0].max()
    assert common > 0.5 * np.ptp(hdi, axis=1).max()
    assert OWN.tau - np.sqrt(OWN.mass @ (TAU - OWN.tau) ** 2) > 0


@states("chapters/eight-schools.md", "The audit keeps a record of … runs of the centred form.")
@states(
    "chapters/eight-schools.md", "effective draws per leapfrog step, that is, per evaluation of the gradient"
)
@states("chapters/eight-schools.md", "It mostly misses small $\\tau$")
def test_effective_draws_for_each_step():
    recorded = runs.recorded()
    assert len(recorded) >= 40
    cost = {
        form: recorded[f"{form}/tau/ess_bulk"] / (8000 * recorded[f"{form}/steps_mean"])
        for form in ("centred-0.90", "centred-0.99", "non-centred")
    }
    assert (cost["non-centred"] > cost["centred-0.90"]).all()
    longest = cost["centred-0.99"].dropna()
    assert (cost["non-centred"][longest.index] > longest).all()
    assert (recorded["centred-0.90/tau_below_1"] < OWN.mass[TAU < 1].sum()).mean() > 0.5


@states(
    "chapters/eight-schools.md",
    "where a school's own report helps by what it says of $\\mu$ and $\\tau$ only",
)
def test_new_effects_for_the_same_schools():
    """Another report of A moves another school of its kind by far less than A itself."""
    other = ByHand(np.append(EFFECT[0] + 10, EFFECT[1:]))
    assert 0 < other.mu - OWN.mu < 0.7 * (other.theta[A] - OWN.theta[A])


# -- the survey, leaving out, when to pool -----------------------------------------------------------------


@states(
    "chapters/dirichlet-multinomial.md",
    "the baseline has a weight of … in region 5, the smallest, and of … in region 2, the largest.",
)
@states(
    "chapters/dirichlet-multinomial.md",
    r"The Multinomial likelihood of counts $\mathbf y$ is proportional to $\prod_k \pi_k^{y_k}$.",
)
@states("chapters/dirichlet-multinomial.md", "say should count for something in region 5")
@states(
    "chapters/dirichlet-multinomial.md", "The posterior mean of $\\alpha$ is about …, the prior mean is 1."
)
def test_weights_and_the_likelihood_of_counts():
    count = datasets.survey()["count"].values
    weight = 8 / (8 + count.sum(axis=1))
    assert (weight.argmax(), weight.argmin()) == (4, 1)
    shares = np.random.default_rng(58).dirichlet(np.ones(4), 6)
    ratio = stats.multinomial(35, shares).pmf(count[4]) / np.prod(shares ** count[4], axis=1)
    assert ratio == pytest.approx(np.full(6, ratio[0]))
    fit = exact.dirichlet_multinomial(count, alpha=stats.expon(scale=1), baseline=np.ones(4))
    alone = np.sqrt(stats.dirichlet(1 + count[4]).var())
    assert (fit["pi"].sd().values[4] < alone).all()
    assert fit["alpha"].mean() == pytest.approx(8, abs=0.5)
    other = count.copy()
    other[1] = other[1][::-1]  # other answers in another region
    moved = (
        exact.dirichlet_multinomial(other, alpha=stats.expon(scale=1), baseline=np.ones(4))["pi"]
        .mean()
        .values
    )
    assert abs(moved - fit["pi"].mean().values)[4].max() > 1e-3


@states(
    "chapters/loo-comparison.md",
    'complete pooling "wins" by more than two standard errors in … of the data sets',
)
@states("chapters/loo-comparison.md", "At $\\tau = 10$, where partial pooling predicts better on average")
@states("chapters/loo-comparison.md", "**Two standard errors mean little here.**")
@states("chapters/loo-comparison.md", r"Given $\tau$, a left-out school is Normal")
def test_two_standard_errors():
    grid = np.linspace(0, 60, 121)

    def differences(y):
        variance = ERROR**2 + grid[:, None] ** 2
        precision = (1 / variance).sum(axis=1) + 1 / 400
        mean = (y / variance).sum(axis=1) / precision
        log = -0.5 * (np.log(variance).sum(axis=1) + np.log(precision) + (y**2 / variance).sum(axis=1))
        log += 0.5 * mean**2 * precision + stats.halfnorm(scale=10).logpdf(grid)
        less = precision[:, None] - 1 / variance
        left = stats.norm(
            ((mean * precision)[:, None] - y / variance) / less, np.sqrt(1 / less + variance)
        ).logpdf(y)
        mass = np.exp(log - log.max())
        mass[0] /= 2
        return np.log(mass.sum()) - np.log((mass[:, None] / np.exp(left)).sum(axis=0)) - left[0]

    rng, gain, error = np.random.default_rng(58), [], []
    for _ in range(600):
        one = differences(rng.normal(8, np.hypot(10, ERROR)))
        gain.append(one.sum())
        error.append(one.std(ddof=1) * np.sqrt(8))
    gain, error = np.array(gain), np.array(error)
    assert gain.mean() > 2 * gain.std() / np.sqrt(600)
    wrong, right = (gain < -2 * error).mean(), (gain > 2 * error).mean()
    # With a standard error that meant something one set in forty would be so far off in the wrong direction.
    assert wrong > 0.025 + 4 * np.sqrt(0.025 / 600)
    assert right < 0.25


@states("chapters/when-hierarchical.md", "and this pulls the effect of school H from 12 to …")
@states("chapters/when-hierarchical.md", "No pooling has nothing to offer but its prior.")
@states(
    "chapters/when-hierarchical.md",
    "differ with a standard deviation of 8, and each measurement adds noise with a standard deviation of 4.",
)
@states("chapters/when-hierarchical.md", "The narrowing is exact for each data set")
@states("chapters/when-hierarchical.md", "At the largest gap it wins clearly, … against ….")
def test_no_pooling_people_and_kinds():
    none = exact.normal(EFFECT, ERROR, mu=0.0, tau=20.0)
    assert none["theta"].mean().values[H] == pytest.approx(12 * 400 / 724)
    assert (none["theta_new"].mean(), none["theta_new"].sd()) == pytest.approx((0, 20))
    # What is left of the variance between repeated measurements, and within.
    rng = np.random.default_rng(58)
    y = rng.normal(0, 8, (30_000, 12))[..., None] + rng.normal(0, 4, (30_000, 12, 6))
    assert y.var(axis=2, ddof=1).mean() == pytest.approx(16, rel=0.02)
    assert y.mean(axis=2).var(axis=1, ddof=1).mean() == pytest.approx(64 + 16 / 6, rel=0.02)
    kind, loss = np.repeat([0.0, 1.0], 6), []
    for _ in range(150):
        theta = 8 + 30 * kind + rng.normal(0, 4, 12)
        report = rng.normal(theta, 10)
        estimate = ByHand(report, np.full(12, 10.0)).theta
        known = np.empty(12)
        for k in (0, 1):  # each kind by itself does nearly as well as a model of both
            known[kind == k] = ByHand(report[kind == k], np.full(6, 10.0)).theta
        loss.append([((one - theta) ** 2).mean() for one in (known, estimate)])
    with_kind, without = np.sqrt(np.mean(loss, axis=0))
    assert with_kind < 0.8 * without


# -- practice, calibration, Stein ------------------------------------------------------------------------


@states(
    "chapters/practical-considerations.md",
    "With **little data per group** or a small $\\tau$, the prior dominates each",
)
@states(
    "chapters/practical-considerations.md",
    "With **much data per group** and $\\tau$ well away from zero, the data fix each",
)
@states("chapters/practical-considerations.md", "move whenever $\\mu$ or $\\tau$ moves")
@states("chapters/practical-considerations.md", "Squares, summed up beside it, give the sd")
@states("chapters/practical-considerations.md", "the overlap is …%, and school A's estimate is ….")
@states("chapters/practical-considerations.md", "With many well-measured groups they agree")
def test_who_fixes_an_effect():
    kept = {tau: tau**2 / (tau**2 + 15**2) for tau in (0.5, 5.0)}
    assert max(kept.values()) < 0.15
    assert 25 / (25 + (15 / 16) ** 2) > 0.95
    # An effect that is fixed by its report: theta-tilde follows mu and tau exactly.
    assert [(28 - mu) / tau for mu, tau in ((8, 5), (10, 5), (8, 10))] == [4, 3.6, 2]
    rng = np.random.default_rng(58)
    k = rng.choice(TAU.size, 40_000, p=OWN.mass)
    mu = rng.normal(OWN.mean_mu[k], np.sqrt(OWN.variance_mu[k]))
    b = OWN.factor[k]
    mean = b * mu[:, None] + (1 - b) * EFFECT
    second = (mean**2 + (1 - b) * ERROR**2).mean(axis=0)
    assert mean.mean(axis=0) == pytest.approx(OWN.theta, abs=0.15)
    assert np.sqrt(second - mean.mean(axis=0) ** 2) == pytest.approx(OWN.sd, rel=0.02)
    prior = 2 * stats.norm(0, 10).pdf(TAU) / 20
    assert 0.6 < np.minimum(prior, OWN.mass).sum() < 0.9


@states("chapters/calibration.md", "leaves its band at the left end only.")
@states("chapters/calibration.md", "it scatters by a whole standard deviation.")
@states("chapters/calibration.md", "has the root mean square of the distances in Monte Carlo")
@states("chapters/calibration.md", "One model stands out, and it is not the ranks that say so.")
@states("chapters/calibration.md", "A pass says as much as the number of data sets allows, which is little.")
def test_ranks_and_distances_of_recorded_fits():
    recorded = calibration.recorded()
    taus = recorded.query("quantity == 'tau'")
    centred = taus.query("model == 'schools_centred'").sort_values("set")["place"].to_numpy()
    below = (centred[:100] <= 0.02).mean()
    assert 0.02 < below < 0.15
    x, share, low, high = ecdf_pit(centred[:100], 0.95, 2000)
    outside = x[(share < low) | (share > high)]
    assert 0 < outside.max() < 0.1
    p = {
        name: min(stats.kstest(q["place"], "uniform").pvalue for _, q in one.groupby("quantity"))
        for name, one in recorded.groupby("model")
    }
    assert sorted(p, key=p.get).index("schools_centred") > 0
    z = (recorded["shift"] / recorded["mcse"]) ** 2
    distance = np.sqrt(z.groupby(recorded["model"]).mean())
    assert distance.idxmax() == "schools_centred"
    # A shift of a fifth of an sd is missed more often than not in a hundred data sets.
    rng = np.random.default_rng(58)
    missed = [
        stats.kstest(stats.norm.cdf(rng.normal(0.2, 1, 100)), "uniform").pvalue > 0.05 for _ in range(300)
    ]
    assert np.mean(missed) > 0.4


@states(
    "chapters/bringing-together.md",
    r"$S$ follows the noncentral chi-square distribution $\chi'^2_J(\lambda)$",
)
@states("chapters/bringing-together.md", "So its risk comes from the same two integrals.")
@states("chapters/bringing-together.md", "Shrinking toward the average $\\bar y$ avoids the choice.")
@states("chapters/bringing-together.md", "$J - 1$ directions are left to shrink, and three are needed.")
def test_two_integrals_for_other_estimators():
    rng, theta = np.random.default_rng(58), np.array([2.0, -1, 0, 3, 0.5, -2, 1, 1])
    y = rng.normal(theta, 1, (200_000, 8))
    lam = theta @ theta
    s = (y**2).sum(axis=1)
    for q in (0.1, 0.5, 0.9):
        assert (s < stats.ncx2(8, lam).ppf(q)).mean() == pytest.approx(
            q, abs=4 * np.sqrt(q * (1 - q) / 200_000)
        )
    g = 1 / (1 + s)
    other = 1 / (1 + stats.ncx2(10, lam).rvs(200_000, random_state=rng))
    left, right = (y * g[:, None]).mean(axis=0), theta * other.mean()
    assert left == pytest.approx(right, abs=4 * 0.15 / np.sqrt(200_000) * 2)

    # Toward the average: what it does is the same when everything is moved.
    def average(one):
        centre = one.mean()
        return centre + (1 - 5 / ((one - centre) ** 2).sum()) * (one - centre)

    assert average(y[0] + 100) == pytest.approx(average(y[0]) + 100)
    assert np.linalg.matrix_rank(np.eye(4) - 0.25) == 3


@states("chapters/bringing-together.md", "A hierarchical model uses five of the seven sections before it.")
@states("chapters/bringing-together.md", "The two standard deviations are printed below.")
@states("chapters/bringing-together.md", "PyMC needs a scale and a line of effects per grouping")
def test_what_is_printed_below_and_written_in_lines():
    text = (ROOT / "chapters/bringing-together.md").read_text("utf-8")
    arc = text[text.index("A hierarchical model uses five") : text.index("**The idea.**")]
    assert set(re.findall(r"5\.([1-7])\]", arc)) == set("12567")
    at = text.index("The two standard deviations are printed below.")
    assert at < text.index("a new school in a new district: sd") < at + 1200
    crossed = text[text.index("y_{pb} = \\mu + a_p + c_b") :]
    cell = crossed[crossed.index("pm.Model(") : crossed.index("exact.mixed")]
    assert cell.count("pm.HalfNormal(") + cell.count("pm.Exponential(") >= 2
    assert cell.count("dims=") >= 2


# -- beyond, and the solutions -----------------------------------------------------------------------------


@states("chapters/proportions.md", "For {ref}`six regions <how-much-pooling>` nearly all of it.")
def test_whose_doing_a_concentration_is():
    rats = datasets.rat_tumours()
    count = datasets.survey()["count"].values
    y, n = rats["tumours"].values, rats["rats"].values
    seventy = [
        exact.beta_binomial(y, n, mean=stats.beta(1, 1), concentration=stats.expon(scale=m))[
            "concentration"
        ].mean()
        for m in (10, 100)
    ]
    six = [
        exact.dirichlet_multinomial(count, alpha=stats.expon(scale=m), baseline=np.ones(4))["alpha"].mean()
        for m in (10, 100)
    ]
    assert seventy[1] < 2 * seventy[0]
    assert six[1] > 3 * six[0]


@states("chapters/odd-group.md", "The trial near Madras has … of all information $1/\\sigma_j^2$.")
@states("chapters/odd-group.md", "For the *population* a large trial is one trial.")
@states("chapters/odd-group.md", "Thirteen trials gave a vaccine to some persons and not to others.")
@states("chapters/odd-group.md", "For a trial's *own* estimate they say how far to trust its report")
def test_madras():
    data = datasets.bcg_trials()
    error, effect = data["standard_error"].values, data["effect"].values
    assert error.size == 13
    share = error**-2 / (error**-2).sum()
    assert share.argmax() == 7
    assert 0.35 < share[7] < 0.5
    weight = 1 / (error**2 + 0.6**2)
    assert (weight / weight.sum())[7] == pytest.approx(1 / 10, abs=0.015)
    fit = exact.normal(effect, error, mu=stats.norm(0, 1), tau=stats.halfnorm(scale=1))["theta"].mean().values
    assert abs(fit - effect)[7] < 0.02
    assert error.argmax() in np.argsort(-abs(fit - effect))[:2]


@states("solutions/hierarchical-poisson.md", "Hospital 4, the *largest*, loses: its HDI becomes …% wider.")
@states(
    "solutions/hierarchical-poisson.md", "Its HDI without pooling starts at zero and is *shorter* than with"
)
@states(
    "solutions/hierarchical-poisson.md",
    "in the first row, the HDI becomes …% narrower, the central interval …%.",
)
@states("solutions/hierarchical-poisson.md", "An interval may even become wider when its estimate moves up.")
@states("solutions/hierarchical-poisson.md", "But the rest of the table does not follow the simple rule")
@states(
    "solutions/hierarchical-poisson.md",
    "On the log scale, on which it pools, pooling gains most where events are fewest; exposure alone does",
)
def test_intervals_of_hospitals():
    data = datasets.hospitals()
    exposure = data["exposure"].values

    def shortest(law):
        low = optimize.minimize_scalar(
            lambda p: law.ppf(p + 0.89) - law.ppf(p), bounds=(0, 0.109), method="bounded"
        ).x
        low = min((0.0, low), key=lambda p: law.ppf(p + 0.89) - law.ppf(p))
        return law.ppf(low), law.ppf(low + 0.89)

    def gains(count, exposure=exposure):
        """How much narrower pooling makes the shortest and the central interval, and that of the log."""
        alone = [stats.gamma(1 + y, scale=1 / (0.5 + e)) for y, e in zip(count, exposure, strict=True)]
        fit = exact.poisson(count, exposure, mu_log=MU_LOG_PRIOR, sigma_log=SIGMA_LOG_PRIOR)["lam"]
        hdi = np.ptp(fit.hdi(0.89).values, axis=-1)
        low, high = (fit.quantile(q).values for q in (0.055, 0.945))
        ends = np.array([law.ppf([0.055, 0.945]) for law in alone])
        own = np.array([shortest(law) for law in alone])
        return (
            1 - hdi / np.ptp(own, axis=1),
            1 - (high - low) / np.ptp(ends, axis=1),
            1 - np.log(high / low) / np.log(ends[:, 1] / ends[:, 0]),
            own,
        )

    hdi, central, log, _ = gains(data["count"].values)
    assert exposure.argmax() == 3
    assert hdi[3] < 0 < hdi[4]
    assert 0 < hdi[4] < 1 > central[4] > 0
    assert hdi.argmax() != exposure.argmin() == log.argmax()
    for student in ("ada", "bea", "cyd", "dan", "eva", "fay"):
        count, given = (one.values for one in personal.data("5.8.3", student)[""])
        assert count[gains(count, given)[2].argmax()] == count.min()
    hdi, _, _, own = gains(datasets.simulate_hospitals(np.random.default_rng(42))["count"].values)
    assert own[4, 0] == pytest.approx(0, abs=1e-6)
    assert hdi[4] < 0


@states(
    "solutions/noncentred-reparameterisation.md",
    "The matrix then has ten rows and columns and is no longer diagonal",
)
@states("solutions/noncentred-reparameterisation.md", r"$1 \cdot 1 \cdot \tau \cdots \tau = \tau^J$ again.")
@states(
    "solutions/noncentred-reparameterisation.md",
    r"has the Jacobian determinant $\tau^J$, which cancels the $\tau^{-J}$ of",
)
@states("solutions/noncentred-reparameterisation.md", "**After the data**, the cylinder is no longer exact.")
@states(
    "solutions/noncentred-reparameterisation.md",
    "So the non-centred form is for groups with little data, like these eight.",
)
def test_ten_rows_and_columns():
    def effects(x):
        return np.concatenate([x[:2], x[0] + x[1] * x[2:]])

    start = np.append([8.0, 5.0], np.linspace(-1, 1, 8))
    matrix = optimize.approx_fprime(start, effects, 1e-6)
    assert matrix.shape == (10, 10)
    assert abs(matrix - np.diag(np.diag(matrix))).max() > 0.5
    assert np.diag(matrix) == pytest.approx([1, 1, *[5.0] * 8], rel=1e-4)
    assert np.linalg.det(matrix) == pytest.approx(5.0**8, rel=1e-3)
    raw = np.linspace(-1, 1, 8)
    assert stats.norm(8, 5).logpdf(8 + 5 * raw).sum() + 8 * np.log(5) == pytest.approx(
        stats.norm.logpdf(raw).sum()
    )
    # Given tau, a narrower theta-tilde at larger tau: hardly for these schools, and a lot for precise ones.
    sd = {error: [np.sqrt(error**2 / (error**2 + tau**2)) for tau in (0.5, 10.0)] for error in (15.0, 1.5)}
    assert sd[15.0][1] > 0.8
    assert sd[1.5][1] < 0.2


@states("solutions/shrinkage-arithmetic.md", "The effects $y_i$ play no part.")
@states("solutions/shrinkage-arithmetic.md", "The formula is right *given* $\\mu$ and $\\tau$.")
@states("solutions/shrinkage-arithmetic.md", "is true of the model.")
@states("solutions/shrinkage-arithmetic.md", "of the column of means that it is meant to explain.")
def test_factors_under_two_priors():
    at_six = ERROR**2 / (ERROR**2 + 36)
    book = OWN.mass @ OWN.factor
    flat = exact.normal(EFFECT, ERROR, mu=None, tau=None)["tau"]
    averaged = np.array([flat.expect(lambda t, e=e: e**2 / (e**2 + t**2)) for e in ERROR])
    assert (book > at_six).all()
    assert OWN.mass[TAU < 6].sum() > 0.5
    assert (averaged < at_six).sum() == 7
    assert (averaged > at_six).nonzero()[0].tolist() == [E]
    for y in (EFFECT, EFFECT[::-1]):
        fit = exact.normal(y, ERROR, mu=8.0, tau=6.0)["theta"].mean().values
        assert fit == pytest.approx(8 + (1 - at_six) * (y - 8))


@states("solutions/unequal-regions.md", "they tell ever more exactly what *that region* thinks")
@states("solutions/tau-prior.md", "No computation changes that, and no better sampler does.")
@states("solutions/leave-one-school-out.md", "One integral over $\\tau$ is left for partial pooling.")
@states(
    "solutions/leave-one-school-out.md",
    "A model does well if it puts its curve high where the report turns out to be.",
)
def test_what_more_of_the_same_does_not_tell():
    count = datasets.survey()["count"].values.copy()

    def baseline(times):
        many = count.copy()
        many[1] *= times
        return exact.dirichlet_multinomial(many, alpha=8.0, baseline=np.ones(4))

    once, hundred = baseline(1), baseline(100)
    assert hundred["pi"].sd().values[1].max() < 0.2 * once["pi"].sd().values[1].max()
    assert hundred["pi0"].sd().values.min() > 0.8 * once["pi0"].sd().values.min()
    # Exact posteriors, with no error of computing: the two medians of tau are as far apart as ever.
    tight, vague = schools(stats.halfnorm(scale=2))["tau"], schools(stats.halfcauchy(scale=25))["tau"]
    assert vague.quantile(0.5) - tight.quantile(0.5) > 2

    # Leaving A out by p(y) / p(y without A), each an integral over tau of a joint Normal density.
    def joint(kept):
        log = []
        for tau in TAU:
            cov = 400 + np.diag(ERROR[kept] ** 2 + tau**2)
            root = np.linalg.cholesky(cov)
            half = np.linalg.solve(root, EFFECT[kept])
            log.append(-np.log(np.diag(root)).sum() - half @ half / 2 - kept.size * np.log(2 * np.pi) / 2)
        return np.log(np.exp(log) @ TAU_PRIOR.pdf(TAU) / 20)

    score = joint(np.arange(8)) - joint(np.arange(1, 8))
    assert score == pytest.approx(float(schools().elpd_loo.values[A]), abs=1e-3)


@states("chapters/calibration.md", "This page has a test that needs ten data sets to say no.")
def test_ten_fits_of_the_centred_form():
    """Studies of so many recorded fits, by the sum of squared distances of mu, tau and school A."""
    recorded = calibration.recorded().query("model == 'schools_centred'")
    z = (
        (recorded["shift"] / recorded["mcse"])
        .groupby([recorded["set"], recorded["quantity"]])
        .first()
        .unstack()
    )
    watched = z[[name for name in z if name in ("mu", "tau") or str(name).endswith("[A]")]].to_numpy()
    assert watched.shape[1] >= 2
    rng = np.random.default_rng(58)

    def power(size):
        chosen = rng.integers(len(watched), size=(2000, size))
        p = stats.chi2(size).sf((watched[chosen] ** 2).sum(axis=1)).min(axis=1) * watched.shape[1]
        return (p < 0.05).mean()

    assert power(10) > 0.85
    assert power(2) < 0.85
