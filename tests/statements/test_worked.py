"""What else the worked solutions assert, by formulas, by simulation and by the exact posteriors."""

import inspect

import numpy as np
import pytest
from by_hand import EFFECT, ERROR, TAU, ByHand
from scipy import stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_LOG_PRIOR, MU_PRIOR, SIGMA_LOG_PRIOR, TAU_PRIOR
from support.exercises import personal
from tooling.audit import runs

OWN = ByHand()
A, E, H = 0, 4, 7
FOUR = (stats.halfnorm(scale=2), stats.halfnorm(scale=10), stats.halfcauchy(scale=25), None)


def schools(tau=TAU_PRIOR, y=EFFECT, sigma=ERROR):
    return exact.normal(y, sigma, mu=MU_PRIOR, tau=tau)


# -- the arithmetic of shrinkage ------------------------------------------------------------------------


@states("solutions/shrinkage-arithmetic.md", "So we can walk from one column to the other in three steps")
@states("solutions/shrinkage-arithmetic.md", "So there are two reasons, and now we know the size of each")
@states("solutions/shrinkage-arithmetic.md", r"That $\tau$ is uncertain matters more.")
@states("solutions/shrinkage-arithmetic.md", "To a posterior standard deviation plugging in does more harm")
@states("solutions/shrinkage-arithmetic.md", "Good values plugged in give nearly the posterior means")
@states("solutions/shrinkage-arithmetic.md", "The shrunk estimate is exact for known")
def test_three_steps():
    factor = OWN.mass @ OWN.factor
    together = OWN.mass @ (OWN.factor * OWN.mean_mu[:, None]) - factor * OWN.mu
    assert pytest.approx(OWN.theta) == EFFECT - factor * (EFFECT - OWN.mu) + together

    def plugged(mu, tau):
        b = ERROR**2 / (ERROR**2 + tau**2)
        return (1 - b) * EFFECT + b * mu

    at_mean = plugged(OWN.mu, OWN.tau) - OWN.theta
    # The steps of mu and of tau are tens of times the covariance's; the curve of B is in between.
    assert abs(plugged(OWN.mu, 6) - plugged(8, 6)).max() > 20 * abs(together).max()
    assert abs(at_mean).max() > 5 * abs(together).max()
    assert abs(at_mean).max() < 0.5 * abs(plugged(8, 6) - OWN.theta).max()
    sd = ERROR[A] * np.sqrt(OWN.tau**2 / (OWN.tau**2 + ERROR[A] ** 2))
    assert 1 - sd / OWN.sd[A] > 2 * abs(at_mean[A]) / OWN.theta[A]
    known = exact.normal(EFFECT, ERROR, mu=8.0, tau=6.0)["theta"].mean().values
    assert known == pytest.approx(plugged(8, 6))


@states(
    "solutions/shrinkage-arithmetic.md",
    "It says that the largest of eight noisy numbers is probably the largest",
)
@states(
    "solutions/shrinkage-arithmetic.md",
    "The largest of several noisy effects is probably large partly by luck.",
)
@states("solutions/shrinkage-arithmetic.md", "*true* effect of 28 would be one")
@states("solutions/shrinkage-arithmetic.md", "It does not accuse school A of anything.")
def test_the_largest_of_eight():
    rng = np.random.default_rng(58)
    for tau in (2, 5, 10):
        theta = rng.normal(8, tau, (20_000, 8))
        noise = rng.normal(0, ERROR, (20_000, 8))
        largest = (theta + noise).argmax(axis=1)
        assert (np.take_along_axis(noise, largest[:, None], axis=1) > 0).mean() > 0.85
    rest = ByHand(EFFECT[1:], ERROR[1:])
    new = np.hypot(TAU, np.sqrt(rest.variance_mu))
    assert rest.mass @ stats.norm.sf((28 - rest.mean_mu) / new) < 0.01
    # Whichever school has the report of 28 and its error, the estimate is the same.
    swap = [1, 0, *range(2, 8)]
    assert ByHand(EFFECT[swap], ERROR[swap]).theta[1] == pytest.approx(OWN.theta[A])


@states(
    "solutions/shrinkage-arithmetic.md", "averaged over what they leave possible, school I keeps only about"
)
@states("solutions/shrinkage-arithmetic.md", r"0.410 and 59% are right for $\tau = 6$")
@states(
    "solutions/shrinkage-arithmetic.md",
    "A precise study speaks for itself; a noisy one is spoken for by the others.",
)
@states("solutions/shrinkage-arithmetic.md", r"small *compared with* $\tau$")
@states("solutions/shrinkage-arithmetic.md", "The last line is a warning.")
def test_school_i():
    assert round(25 / 61, 3) == 0.410
    assert round(100 * 36 / 61) == 59
    kept = OWN.mass @ (TAU**2 / (TAU**2 + 25))
    assert kept < 0.5
    # With the same standard error, another tau: from next to nothing to nearly all of its own.
    weights = [t**2 / (t**2 + 25) for t in (1, 5, 25)]
    assert weights[0] < 0.05
    assert weights[1] == 0.5
    assert weights[2] > 0.95
    # What the others report moves a precise school less than a noisy one.
    moved = []
    for error in (5.0, 18.0):
        both = [
            ByHand(np.append(EFFECT + shift, 8.0), np.append(ERROR, error)).theta[-1] for shift in (0, 10)
        ]
        moved.append(both[1] - both[0])
    assert moved[0] < 0.7 * moved[1]


# -- the prior of tau -----------------------------------------------------------------------------------


@states("solutions/tau-prior.md", "How far a hierarchical model pools hangs on")
@states("solutions/tau-prior.md", "So the data speak in one direction.")
@states("solutions/tau-prior.md", r"near zero $L(\tau)$ is nearly the constant")
@states("solutions/tau-prior.md", "it says what $\\tau$ is not, rather than")
@states(
    "solutions/tau-prior.md", "That is the fall of the likelihood in part (a), and it is the data's doing."
)
@states("solutions/tau-prior.md", "No prior of $\\tau$ has entered yet.")
def test_what_the_reports_say_of_tau():
    likelihood = OWN.mass / TAU_PRIOR.pdf(TAU)
    likelihood /= likelihood.max()
    assert (np.diff(likelihood) < 1e-9).all()
    assert likelihood[TAU < 0.5].min() > 0.99
    other = ByHand(scale=3.0)
    same = other.mass / stats.halfnorm(scale=3).pdf(TAU)
    low = TAU < 12
    assert same[low] / same[0] == pytest.approx(likelihood[low] / likelihood[0], rel=1e-6)
    known = [schools(float(tau)).log_evidence for tau in (0.025, 20.025)]
    way = [abs(EFFECT - schools(tau)["theta"].mean().values)[A] for tau in (0.1, 5.0, 50.0)]
    assert way[0] > 1.05 * way[1] > 5 * way[2]
    assert likelihood[400] / likelihood[0] == pytest.approx(np.exp(known[1] - known[0]), rel=0.01)


@states("solutions/tau-prior.md", "and the estimate of the same school goes from … to …")
@states("solutions/tau-prior.md", "Only the prior of $\\tau$ has changed")
@states("solutions/tau-prior.md", "A confident answer, and no school had a say in it.")
@states("solutions/tau-prior.md", "so its posterior *is* its prior")
@states("solutions/tau-prior.md", "whether the school keeps a few points above the mean or none")
@states("solutions/tau-prior.md", "The posterior looks precise, and is an echo.")
@states("solutions/tau-prior.md", "With eight, they cannot be brought together by reading the same")
def test_four_priors_of_tau():
    fits = [schools(tau) for tau in FOUR]
    effects = np.array([fit["theta"].mean().values[A] for fit in fits])
    means = np.array([fit["mu"].mean() for fit in fits])
    above = effects - means
    assert effects[-1] - effects[0] > 2
    assert above[0] < 1 < 2.5 < above[-1]
    tight, vague = fits[0]["tau"], fits[2]["tau"]
    grid = np.linspace(0, 8, 801)
    both = np.minimum(tight.pdf(grid), FOUR[0].pdf(grid))
    assert np.trapezoid(both, grid) > 0.95
    assert tight.sd() < 0.5 * vague.sd()
    assert vague.quantile(0.5) > 2.5 * tight.quantile(0.5)
    # Any eight reports with less noise than spread would have had a say.
    loud = schools(FOUR[0], sigma=ERROR / 8)["tau"]
    assert np.trapezoid(np.minimum(loud.pdf(grid), FOUR[0].pdf(grid)), grid) < 0.5


@states("solutions/tau-prior.md", "It is a slow limit, so that a cut-off may look harmless")
@states("solutions/tau-prior.md", r"A flat prior on $\tau$ has no such trouble at zero.")
@states("solutions/tau-prior.md", r"It never is, since no data can make $L(0)$ zero")
def test_flat_on_the_logarithm():
    below = [schools(stats.loguniform(low, 100))["tau"].cdf(1.0) for low in (1e-1, 1e-3, 1e-6)]
    assert (np.diff(below) > 0.1).all()
    assert below[0] < 0.7
    assert below[-1] < 0.95
    flat = [schools(stats.uniform(low, 100))["tau"].cdf(1.0) for low in (1e-3, 1e-6, 0)]
    assert np.ptp(flat) < 1e-3
    far = EFFECT * 8  # reports that no common effect explains
    assert np.isfinite(schools(0.0, y=far).log_evidence)
    assert schools(0.0, y=far).log_evidence < schools(40.0, y=far).log_evidence - 50


# -- leaving a school out --------------------------------------------------------------------------------


@states(
    "solutions/leave-one-school-out.md", "report and effect have the same mean, and their variances differ by"
)
@states("solutions/leave-one-school-out.md", "and reports of school A are that noisy")
@states("solutions/leave-one-school-out.md", "the spread between schools and the noise of")
@states("solutions/leave-one-school-out.md", "With a Normal prior and Normal reports, precisions add.")
def test_a_report_of_a_new_school():
    rest = schools(y=EFFECT[1:], sigma=ERROR[1:])["theta_new"]
    rng = np.random.default_rng(58)
    own = ByHand(EFFECT[1:], ERROR[1:])
    k = rng.choice(TAU.size, 100_000, p=own.mass)
    report = rng.normal(rng.normal(own.mean_mu[k], np.hypot(TAU[k], np.sqrt(own.variance_mu[k]))), 15)
    sd = np.sqrt(rest.sd() ** 2 + 225)
    assert report.mean() == pytest.approx(rest.mean(), abs=4 * sd / np.sqrt(100_000))
    assert report.std() == pytest.approx(sd, rel=0.01)
    assert 225 / sd**2 > 0.75
    complete = schools(0.0, y=EFFECT[1:], sigma=ERROR[1:])["mu"]
    precision = 1 / 400 + (ERROR[1:] ** -2).sum()
    assert complete.mean() == pytest.approx((EFFECT[1:] / ERROR[1:] ** 2).sum() / precision)
    assert complete.sd() == pytest.approx(precision**-0.5)
    # Without the spread between schools the prediction is too narrow: by the effect's own variance.
    assert rest.sd() > 1.4 * complete.sd()


@states("solutions/leave-one-school-out.md", "That is more, but not beyond doubt, and it depends on the 20")
@states("solutions/leave-one-school-out.md", "The difference is … in size, and noise alone moves it by ….")
@states(
    "solutions/leave-one-school-out.md", 'Nor is "a first approximation" very good for a quantity that bends'
)
@states("solutions/leave-one-school-out.md", "The first two cannot be told apart.")
@states("solutions/leave-one-school-out.md", "each was computed with the help of the other seven schools")
def test_what_noise_does_to_the_difference():
    def elpd(y, mu, tau):
        return exact.normal(y, ERROR, mu=mu, tau=tau).elpd_loo.values

    def three(y):
        return [elpd(y, MU_PRIOR, 0.0), elpd(y, MU_PRIOR, TAU_PRIOR), elpd(y, 0.0, 20.0)]

    start = three(EFFECT)
    gap = start[1].sum() - start[0].sum()
    ups, downs, left = [], [], []
    for i in range(8):
        for sign, changes in ((1, ups), (-1, downs)):
            moved = three(EFFECT + sign * ERROR * (np.arange(8) == i))
            changes.append(moved[1].sum() - moved[0].sum() - gap)
            left.append(moved[0].sum() - moved[2].sum())
            if i == A and sign == 1:  # another report of A changes the terms of all others
                assert (abs((moved[1] - start[1])[1:]) > 1e-3).all()
    spread = np.sqrt(np.square(ups).sum())
    assert spread > abs(gap) / 2
    assert min(left) > 1
    lead = start[0].sum() - start[2].sum()
    assert spread / abs(gap) < 1 < lead / np.linalg.norm(np.array(left[::2]) - lead) < 2
    assert elpd(EFFECT, 0.0, 10.0).sum() - start[2].sum() > lead / 3
    # A straight line would give opposite changes.
    assert abs(np.array(ups) + downs).max() > 0.5 * spread


# -- a new group ----------------------------------------------------------------------------------------


@states("solutions/new-group-prediction.md", "About E we also know its own report.")
@states("solutions/new-group-prediction.md", "Because the report of E is noisy")
@states("solutions/new-group-prediction.md", "about both we know what the population tells")
def test_a_school_without_a_report():
    none = exact.normal(
        np.append(EFFECT[np.arange(8) != E], -1.0),
        np.append(ERROR[np.arange(8) != E], 1e7),
        mu=MU_PRIOR,
        tau=TAU_PRIOR,
    )
    rest = exact.normal(EFFECT[np.arange(8) != E], ERROR[np.arange(8) != E], mu=MU_PRIOR, tau=TAU_PRIOR)
    assert none["theta"].sd().values[-1] == pytest.approx(rest["theta_new"].sd(), rel=1e-4)
    ratio = []
    for error in (9.0, 3.0, 1.0):
        sigma = np.where(np.arange(8) == E, error, ERROR)
        fit = schools(sigma=sigma)
        ratio.append(fit["theta_new"].sd() / fit["theta"].sd().values[E])
    assert 1.2 < ratio[0] < 1.4
    assert (np.diff(ratio) > 0.3).all()


@states("solutions/new-group-prediction.md", "so nothing can be learned about $\\beta$.")
@states("solutions/new-group-prediction.md", "So the covariate does not predict better by itself.")
@states(
    "solutions/new-group-prediction.md",
    r"The parameter $\mu$ is the mean of public schools, $\mu + \beta$ that of",
)
@states("solutions/new-group-prediction.md", "The schools are now exchangeable *within* each kind")
def test_a_kind_of_which_nothing_is_known():
    prior = stats.norm(0, 10)
    alone = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR, covariates=np.zeros(8), beta=prior)
    assert (alone["beta"].mean(), alone["beta"].sd()) == pytest.approx((0, 10), abs=1e-6)
    public = alone["theta_new"].sd()
    assert np.hypot(public, 10) > 1.5 * public
    kind = np.array([0, 0, 0, 0, 0, 1, 1, 1.0])
    both = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0.0, covariates=kind, beta=prior)
    assert both["theta"].mean().values == pytest.approx(both["mu"].mean() + kind * both["beta"].mean())
    swap = [1, 0, 2, 3, 4, 7, 6, 5]
    other = exact.normal(EFFECT[swap], ERROR[swap], mu=MU_PRIOR, tau=TAU_PRIOR, covariates=kind, beta=prior)
    within = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR, covariates=kind, beta=prior)
    assert other["theta"].mean().values == pytest.approx(within["theta"].mean().values[swap])
    across = [5, *range(1, 5), 0, 6, 7]
    crossed = exact.normal(
        EFFECT[across], ERROR[across], mu=MU_PRIOR, tau=TAU_PRIOR, covariates=kind, beta=prior
    )
    assert abs(crossed["beta"].mean() - within["beta"].mean()) > 0.5


def gap_of_kinds(y, error, kind):
    """Posterior mean and sd of beta, by a sum over tau and the Normal law of mu and beta."""
    design = np.stack([np.ones(kind.size), kind])
    tau = (np.arange(60) + 0.5) / 1.5
    weight = 1 / (error**2 + tau[:, None] ** 2)
    precision = np.einsum("pn,tn,qn->tpq", design, weight, design) + np.diag([1 / 400, 1 / 100])
    covariance = np.linalg.inv(precision)
    right = np.einsum("pn,tn,n->tp", design, weight, y)
    mean = np.einsum("tpq,tq->tp", covariance, right)
    log = 0.5 * (
        np.log(weight).sum(axis=1) + np.linalg.slogdet(covariance)[1] - weight @ y**2 - (tau / 10) ** 2
    )
    log += 0.5 * (mean * right).sum(axis=1)
    mass = np.exp(log - log.max())
    mass /= mass.sum()
    centre = mass @ mean[:, 1]
    return centre, np.sqrt(mass @ (covariance[:, 1, 1] + (mean[:, 1] - centre) ** 2))


def studies(public, private, beta, repeats=400):
    """Means and sds of beta, for true values of beta that are 5 or drawn from its prior."""
    rng, kind = np.random.default_rng(58), np.repeat([0.0, 1.0], [public, private])
    truth = np.full(repeats, beta) if beta is not None else rng.normal(0, 10, repeats)
    found = []
    for value in truth:
        error = rng.uniform(8, 16, kind.size)
        y = rng.normal(8 + value * kind, np.hypot(4, error))
        found.append(gap_of_kinds(y, error, kind))
    return truth, *np.array(found).T


@states("solutions/new-group-prediction.md", "simulates 8 public and 4 private schools, with")
@states("solutions/new-group-prediction.md", "But so do 0 and −5")
@states("solutions/new-group-prediction.md", "The twelve schools differ by more than 5 to begin with")
@states("solutions/new-group-prediction.md", "the average posterior mean is …, not 5.")
@states("solutions/new-group-prediction.md", "the intervals hold the truth even more often than 89%.")
@states(
    "solutions/new-group-prediction.md", "of the studies would show that private schools do better at all"
)
@states(
    "solutions/new-group-prediction.md",
    "One data set of twelve noisy schools cannot show that a model recovers",
)
@states("solutions/new-group-prediction.md", "with so little data it has a say")
@states(
    "solutions/new-group-prediction.md",
    "Whether a model recovers an effect is a question about many data sets, not about one",
)
@states("solutions/new-group-prediction.md", "lies well inside the interval.")
@states("solutions/new-group-prediction.md", "That is bias, chosen on purpose")
def test_studies_of_twelve_schools():
    defaults = inspect.signature(datasets.simulate_schools_with_covariate).parameters
    assert [defaults[name].default for name in ("mu", "beta", "tau")] == [8, 5, 4]
    data = datasets.simulate_schools_with_covariate(np.random.default_rng(42))
    kind = data["private"].values
    assert np.bincount(kind).tolist() == [8, 4]
    true = data["true_effect"].values
    assert true[kind == 1].mean() - true[kind == 0].mean() > 5
    mean, sd = gap_of_kinds(data["effect"].values, data["standard_error"].values, kind)
    z = stats.norm.ppf(0.945)
    assert mean - z * sd < -5 < 5 < mean + z * sd
    _, means, sds = studies(8, 4, 5.0)
    error = 4 * means.std() / 20
    assert means.mean() + error < 5
    held = (abs(means - 5) < z * sds).mean()
    assert held > 0.92
    assert (means - z * sds > 0).mean() < 0.3
    assert np.ptp(np.quantile(means, [0.1, 0.9])) > 5


@states("solutions/new-group-prediction.md", "Draw the truth from the prior as well, and the promise is kept")
@states(
    "solutions/new-group-prediction.md",
    "Even 2000 private schools bring the standard deviation down to … only.",
)
@states("solutions/new-group-prediction.md", "it takes about 70 of each kind.")
@states("solutions/new-group-prediction.md", "remains as uncertain as eight schools leave it")
def test_how_many_private_schools():
    truth, means, sds = studies(8, 4, None)
    held = (abs(means - truth) < stats.norm.ppf(0.945) * sds).mean()
    assert held == pytest.approx(0.89, abs=4 * np.sqrt(0.89 * 0.11 / 400))
    needed = 5 / (stats.norm.ppf(0.945) + stats.norm.ppf(0.8))
    sd = {
        pair: studies(*pair, 5.0, repeats=20)[2].mean()
        for pair in ((8, 2000), (50, 50), (70, 70), (100, 100))
    }
    assert sd[8, 2000] > 1.4 * needed
    assert sd[100, 100] < needed < sd[50, 50]
    assert sd[70, 70] == pytest.approx(needed, rel=0.06)


# -- both forms -----------------------------------------------------------------------------------------


@states(
    "solutions/noncentred-reparameterisation.md", "is not only standard Normal but also independent of both"
)
@states("solutions/noncentred-reparameterisation.md", "an affine function of a Normal variable is Normal.")
@states("solutions/noncentred-reparameterisation.md", r"are standard Normal at every $\tau$, by part (a).")
@states(
    "solutions/noncentred-reparameterisation.md",
    "are squeezed onto one point $\\mu$: the neck of the funnel.",
)
@states(
    "solutions/noncentred-reparameterisation.md",
    "The prior of $(\\mu, \\tau, \\tilde\\theta)$ is a cylinder.",
)
@states(
    "solutions/noncentred-reparameterisation.md",
    "Its mean is $(\\mu - \\mu)/\\tau = 0$ and its standard deviation is $\\tau/\\tau = 1$.",
)
def test_standardised_before_the_data():
    rng = np.random.default_rng(58)
    mu, tau = rng.normal(0, 20, 40_000), abs(rng.normal(0, 10, 40_000))
    theta = rng.normal(mu[:, None], tau[:, None], (40_000, 2))
    raw = (theta - mu[:, None]) / tau[:, None]
    for part in (tau < 1, tau > 10, mu > 20):
        assert stats.kstest(raw[part, 0], "norm").pvalue > 1e-4
    assert abs(np.corrcoef(raw[:, 0], raw[:, 1])[0, 1]) < 4 / np.sqrt(40_000)
    near = abs(theta[:, 0] - theta[:, 1])
    assert near[tau < 0.1].max() < 1 < np.median(near[tau > 10])


@states("solutions/noncentred-reparameterisation.md", "For the precise school it fails.")
@states("solutions/noncentred-reparameterisation.md", r"How much depends on $\sigma_i$.")
@states(
    "solutions/noncentred-reparameterisation.md",
    "so the data have nothing to say about it and leave its prior as it was.",
)
@states("solutions/noncentred-reparameterisation.md", "With little data per group, the posterior nearly is.")
@states("solutions/noncentred-reparameterisation.md", "the data would have taught us nothing about them")
def test_standardised_after_the_data():
    """The law of theta-tilde given mu = 7.4 and tau, on a grid, by prior times likelihood."""
    raw = np.linspace(-9, 9, 3601)

    def law(tau, error):
        log = -0.5 * raw**2 - 0.5 * ((28 - 7.4 - tau * raw) / error) ** 2
        mass = np.exp(log - log.max())
        mass /= mass.sum()
        mean = mass @ raw
        return mean, np.sqrt(mass @ (raw - mean) ** 2)

    assert law(1e-3, 15.0) == pytest.approx((0, 1), abs=1e-3)
    sds = {error: [law(tau, error)[1] for tau in (0.1, 1, 10)] for error in (15.0, 1.5)}
    assert min(sds[15.0]) > 0.8
    assert sds[1.5][2] < 0.2 < 0.8 < sds[1.5][0]
    # Averaged over mu and tau the means are not zero: that is what the data have taught.
    means = OWN.mass @ ((OWN.given - OWN.mean_mu[:, None]) / TAU[:, None])
    assert 0.1 < abs(means).max() < 1


@states("solutions/noncentred-reparameterisation.md", "The non-centred draws go on")
@states("solutions/noncentred-reparameterisation.md", "Another seed, sampler or machine gives other numbers.")
@states("solutions/noncentred-reparameterisation.md", "are facts about a run.")
@states("solutions/noncentred-reparameterisation.md", "Each fit has an exact answer to live up to.")
@states("chapters/eight-schools.md", "another machine or another seed gives others.")
def test_facts_about_a_run():
    recorded = runs.recorded()
    below = OWN.mass[TAU < 1].sum()
    assert recorded["non-centred/tau_below_1"].median() == pytest.approx(below, abs=0.01)
    assert recorded["centred-0.90/tau_below_1"].median() < 0.8 * below
    for name in ("divergences", "tau/r_hat", "tau/ess_bulk"):
        assert recorded[f"centred-0.90/{name}"].nunique() > 10
    assert schools()["tau"].quantile(0.89) == pytest.approx(TAU[OWN.mass.cumsum() > 0.89][0], abs=0.05)


# -- hospitals ------------------------------------------------------------------------------------------

HOSPITALS = datasets.hospitals()
COUNT, EXPOSURE, RATE = (HOSPITALS[name].values for name in ("count", "exposure", "true_rate"))


def poisson(count):
    return exact.poisson(count, EXPOSURE, mu_log=MU_LOG_PRIOR, sigma_log=SIGMA_LOG_PRIOR)


@states("solutions/hierarchical-poisson.md", "A rate is positive, and so is every log-normal variable")
@states("solutions/hierarchical-poisson.md", "times the rate of the middle one.")
@states(
    "solutions/hierarchical-poisson.md",
    r"a Poisson count with mean $m$ has the standard deviation $\sqrt m$.",
)
@states("solutions/hierarchical-poisson.md", "a prior with mean 2 and standard deviation 2")
@states("solutions/hierarchical-poisson.md", "The Gamma prior is conjugate")
@states(
    "solutions/hierarchical-poisson.md",
    "The uncertainty about a rate estimated from counts grows with the rate itself",
)
def test_rates_and_counts():
    law = stats.lognorm(s=0.6, scale=np.exp(0.5))
    assert law.ppf(1e-9) > 0
    assert law.ppf(stats.norm.cdf(1)) / law.median() == pytest.approx(np.exp(0.6))
    assert stats.norm(law.mean(), law.std()).cdf(0) > 0.02  # a Normal population of the same mean and sd
    assert stats.poisson(7.3).std() == pytest.approx(np.sqrt(7.3))
    prior = stats.gamma(1, scale=2)
    assert (prior.mean(), prior.std()) == pytest.approx((2, 2))
    rate = np.linspace(0.01, 8, 50)
    ratio = prior.pdf(rate) * stats.poisson(5.0 * rate).pmf(10) / stats.gamma(11, scale=1 / 5.5).pdf(rate)
    assert ratio == pytest.approx(np.full(50, ratio[0]))
    sds = [stats.gamma(1 + y, scale=1 / 5.5).std() for y in (1, 4, 16)]
    assert (np.diff(sds) > 0.1).all()


@states("solutions/hierarchical-poisson.md", "The printed table is another data set.")
@states(
    "solutions/hierarchical-poisson.md",
    r"The simulated data were drawn with $\mu_{\log} = 0.5$ and $\sigma_{\log} = 0.6$.",
)
@states("solutions/hierarchical-poisson.md", "There the rates themselves differ less")
@states("solutions/hierarchical-poisson.md", "So pooling does not narrow every interval.")
@states(
    "solutions/hierarchical-poisson.md",
    "than the others lose: the root mean squared error of the posterior means is … without pooling",
)
@states("solutions/hierarchical-poisson.md", "Nor does it bring every estimate closer to the truth")
@states("solutions/hierarchical-poisson.md", 'No pooling takes "none in 700 patient-days" at its word')
@states("chapters/audit.md", "Of the eight counts, … are the expected number, rounded.")
def test_two_tables_of_hospitals():
    data = datasets.simulate_hospitals(np.random.default_rng(42))
    count, rate = data["count"].values, data["true_rate"].values
    assert (count != COUNT).any()
    assert ((EXPOSURE * RATE).round() == COUNT).sum() == 7
    assert np.log(RATE).std() < np.log(rate).std()
    many = datasets.simulate_hospitals(np.random.default_rng(7), exposure=[1.0] * 4000)
    log = np.log(many["true_rate"].values)
    assert (log.mean(), log.std()) == pytest.approx((0.5, 0.6), abs=4 * 0.6 / np.sqrt(4000))
    pooled, alone = (
        poisson(count)["lam"],
        [stats.gamma(1 + y, scale=1 / (0.5 + e)) for y, e in zip(count, EXPOSURE, strict=True)],
    )
    loss = [np.sqrt(((one - rate) ** 2).mean()) for one in ([a.mean() for a in alone], pooled.mean().values)]
    assert loss[1] < loss[0]
    assert count[2] / EXPOSURE[2] > 2 * rate[2]
    width = np.ptp(pooled.hdi(0.89).values, axis=-1)
    assert count[4] == 0
    assert width[4] > alone[4].ppf(0.89)  # that of a density which falls from zero
    assert alone[4].mean() < pooled.mean().values[4]


@states("solutions/hierarchical-poisson.md", "Over many the two errors are within a tenth of each other")
@states("solutions/hierarchical-poisson.md", "that of the raw rates $y/e$ is a quarter larger.")
@pytest.mark.slow  # so many data sets, each with its exact posterior
def test_the_gamma_prior_pools_nearly_as_well():
    """Its mean squared error, known to about 2% of itself from 150 data sets beside the other's."""
    losses = []
    for seed in range(150):
        data = datasets.simulate_hospitals(np.random.default_rng([58, seed]))
        count, rate = data["count"].values, data["true_rate"].values
        estimates = count / EXPOSURE, (1 + count) / (0.5 + EXPOSURE), poisson(count)["lam"].mean().values
        losses.append([((one - rate) ** 2).mean() for one in estimates])
    raw, gamma, pooled = np.sqrt(np.mean(losses, axis=0))
    assert abs(pooled / gamma - 1) < 0.1
    assert raw > 1.2 * gamma
    assert raw / pooled == pytest.approx(1.25, abs=0.08)


@states(
    "solutions/hierarchical-poisson.md",
    "Hospital 5 has one event on top, which fits in with the population and narrows",
)
@states("solutions/hierarchical-poisson.md", "The new hospital is the wider one")
@states("solutions/hierarchical-poisson.md", "For skewed distributions like these the two differ")
@states("solutions/hierarchical-poisson.md", "how many patients will come has no bearing on the events")
@states("solutions/hierarchical-poisson.md", "which adds the scatter of counting")
def test_a_ninth_hospital():
    fit = poisson(COUNT)
    new, fifth = fit["lam_new"], fit["lam"]
    central = [
        np.ptp([float(np.ravel(one.quantile(q))[i]) for q in (0.055, 0.945)])
        for one, i in ((new, 0), (fifth, 4))
    ]
    assert 1 < central[0] / central[1] < 1.5
    low, high = np.ravel(new.hdi(0.89).values)
    assert low < float(new.quantile(0.055)) - 0.03
    assert high < float(new.quantile(0.945)) - 0.1
    more = exact.poisson(
        np.append(COUNT, 0), np.append(EXPOSURE, 1e-9), mu_log=MU_LOG_PRIOR, sigma_log=SIGMA_LOG_PRIOR
    )
    for share in (0.1, 0.9):  # whatever its exposure is to be
        assert np.ravel(more["lam"].quantile(share).values)[8] == pytest.approx(
            float(new.quantile(share)), rel=1e-3
        )
    rng = np.random.default_rng(58)
    rate = np.exp(rng.normal(0.5, 0.4, 100_000))
    assert (rng.poisson(3 * rate) / 3).var() == pytest.approx(rate.var() + rate.mean() / 3, rel=0.05)


# -- regions, trials, counties --------------------------------------------------------------------------


@states("solutions/alpha-prior.md", r"gives $\alpha = p(1 - p)/0.05^2 - 1$.")
@states("solutions/alpha-prior.md", "a probability of …, and the posterior mean is above 8")
@states("solutions/alpha-prior.md", "the baseline has … of the say or ….")
@states("solutions/alpha-prior.md", "Nor does the first row sit still where the prior put it.")
@states("solutions/alpha-prior.md", "the prior is in the way")
@states("solutions/alpha-prior.md", "Whoever writes Exponential(1) says just that of the")
@states("solutions/alpha-prior.md", "have raw shares within … points of each other")
def test_priors_of_alpha():
    count = datasets.survey()["count"].values
    share = count[:, 0] / count.sum(axis=1)
    assert np.ptp(share) < 0.12
    p = count[:, 0].sum() / count.sum()
    needed = p * (1 - p) / 0.05**2 - 1
    assert stats.beta(needed * p, needed * (1 - p)).std() == pytest.approx(0.05)
    fits = {
        m: exact.dirichlet_multinomial(count, alpha=stats.expon(scale=m), baseline=np.ones(4))["alpha"]
        for m in (1, 50)
    }
    assert fits[1].mean() > 8
    assert stats.expon.sf(8) < 0.0005
    weight = [fit.expect(lambda a: a / (a + 35)) for fit in fits.values()]
    assert weight[1] - weight[0] > 0.4
    # Regions from that prior: in half of them and more a single answer has four fifths.
    rng = np.random.default_rng(58)
    alphas = rng.exponential(size=2000)
    shares = np.array(
        [rng.dirichlet(np.maximum(a * np.array([0.25, 0.35, 0.25, 0.15]), 1e-3)) for a in alphas]
    )
    assert (shares.max(axis=1) > 0.8).mean() > 0.5
    # Five points and ten: what these alphas are, and how much of the priors lies between half and twice them.
    low, high = (p * (1 - p) / sd**2 - 1 for sd in (0.1, 0.05))
    assert 10 < low < high < 100
    for mean in (20, 70):
        law = stats.expon(scale=mean)
        assert law.cdf(2 * high) - law.cdf(low / 2) > 0.6
        assert min(law.cdf(low / 2), law.sf(high)) > 0.01


@states("solutions/unequal-regions.md", "Ten respondents keep about … of the say in their own region")
@states(
    "solutions/unequal-regions.md",
    r"One $\alpha$, learned from six regions, weighs each of them by what it knows.",
)
@states("solutions/unequal-regions.md", "ten people without a single SA are no proof that a region has none")
@states("solutions/unequal-regions.md", r"and they scatter around the baseline with $m(1 - m)/(\alpha + 1)$.")
@states(
    "solutions/unequal-regions.md", "The rule has equal shares on both sides, and the shares are not equal."
)
@states("solutions/unequal-regions.md", "Now one region has only 10 and another has 500.")
def test_ten_respondents():
    count = personal.data("try-unequal-regions")[""][0].values
    size = count.sum(axis=1)
    assert (size[0], size[-1], count[0, 0]) == (10, 500, 0)
    fit = exact.dirichlet_multinomial(count, alpha=stats.expon(scale=1), baseline=np.ones(4))
    weight = [fit["alpha"].expect(lambda a, n=n: a / (a + n)) for n in size]
    assert (np.argsort(weight) == np.argsort(-size)).all()
    assert 0.5 < 1 - weight[0] < 0.9
    estimate = fit["pi"].mean().values
    assert estimate[0, 0] > 0.03
    assert (1 - estimate[0, 0]) ** 10 > 0.3
    assert np.ptp(estimate[0]) > 0.1
    shares = np.random.default_rng(58).dirichlet(4 * np.array([0.25, 0.35, 0.25, 0.15]), 100_000)
    assert shares[:, 0].var() == pytest.approx(0.25 * 0.75 / 5, rel=0.03)


@states(
    "solutions/one-of-seven.md", "Six trials of a vaccine were made beyond 40°, all with a strong effect."
)
@states("solutions/one-of-seven.md", "The seventh, near Madras, found none.")
@states("solutions/one-of-seven.md", r"the sd of the Student-t one is $\sqrt 2\, \tau$.")
@states(
    "solutions/one-of-seven.md", "One precise and odd trial enlarges the scale of a Normal population for all"
)
@states(
    "solutions/one-of-seven.md",
    "The noisier an odd trial, the more it is pulled in, and on the whole the less it moves the others.",
)
@states("solutions/one-of-seven.md", "A noisy report need not be far from the others in truth.")
def test_seven_trials():
    data = datasets.bcg_trials()
    beyond = data["latitude"].values > 40
    assert beyond.sum() == 6
    assert np.exp(data["effect"].values[beyond]).max() < 0.5
    y, sigma = (one.values for one in personal.data("5.8.9")[""])
    madras = y.argmax()
    assert abs(y[madras]) < 0.02
    assert stats.t(4).std() == pytest.approx(np.sqrt(2))
    priors = {"mu": stats.norm(0, 1), "tau": stats.halfnorm(scale=1)}
    rest = np.arange(7) != madras
    without = exact.normal(y[rest], sigma[rest], **priors)
    fits = {}
    for error in (sigma[madras], 0.5):
        fits[error] = exact.normal(y, np.where(rest, sigma, error), **priors)
    precise, noisy = fits.values()
    assert precise["tau"].mean() > 1.3 * noisy["tau"].mean()
    moved = [
        abs(fit["theta"].mean().values[rest] - without["theta"].mean().values).max()
        for fit in (precise, noisy)
    ]
    assert moved[1] < min(0.15, moved[0])
    assert abs(y[madras] - without["mu"].mean()) < 2 * np.hypot(0.5, without["tau"].mean())
    own = noisy["theta"].mean().values[madras]
    assert own < 0.5 * without["mu"].mean()  # more than half of the way to the others
    assert own < precise["theta"].mean().values[madras]
    assert abs(own - without["mu"].mean()) < 2 * noisy["theta"].sd().values[madras] + 0.1


@states("solutions/ten-counties.md", "Radon was measured in 143 houses of ten counties of Minnesota")
@states("solutions/ten-counties.md", "Each house takes the uranium of its county.")
@states("solutions/ten-counties.md", "The fewer houses a county has, the more its mean is that of the line.")
def test_houses_of_ten_counties():
    houses = personal.data("5.8.10")[""][0]
    county, size = np.unique(houses["county"].values, return_counts=True)
    assert (len(county), size.sum()) == (10, 143)
    data = datasets.radon()
    assert set(data["uranium"].dims) == {"county"}
    sigma, tau = 0.7, 0.15
    weight = sigma**2 / (sigma**2 + np.sort(size) * tau**2)
    assert (np.diff(weight) <= 0).all()
    # The same by the covariance of houses: a point more in each house of a county moves it by the rest.
    for n in (2, 46):
        cov = tau**2 + sigma**2 * np.eye(n)
        assert tau**2 * np.linalg.solve(cov, np.ones(n)).sum() == pytest.approx(
            1 - sigma**2 / (sigma**2 + n * tau**2)
        )


@states(
    "solutions/twelve-experiments.md", "To be higher than one other and to be the highest are two questions"
)
@states("solutions/twelve-experiments.md", "Several rates have part in each of these events")
def test_higher_and_highest():
    y, n = (one.values for one in personal.data("5.8.8")[""])
    draws = (
        exact.beta_binomial(y, n, mean=stats.beta(1, 1), concentration=stats.gamma(2, scale=20))
        .sample(20_000, np.random.default_rng(58))["theta"]
        .values
    )
    assert draws.shape == (20_000, 12)
    order = np.argsort(-draws.mean(axis=0))
    pair = (draws[:, order[0]] > draws[:, order[1]]).mean()
    first = (draws.argmax(axis=1) == order[0]).mean()
    assert pair > first + 0.1
    product = np.prod([(draws[:, order[0]] > draws[:, k]).mean() for k in order[1:]])
    assert abs(product - first) > 0.05  # the eleven comparisons are no independent events
