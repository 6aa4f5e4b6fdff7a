"""What else the pages on practice, on calibration and on what comes after assert."""

from inspect import signature

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from by_hand import EFFECT, ERROR, TAU, ByHand
from scipy import optimize, stats
from statements import ROOT, states

import hierarchical_exact as exact
from support import checks, datasets, models
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling.audit import calibration
from tooling.explorers.prior import overlap

OWN = ByHand()
A = 0
FAMILIES = {
    "half-Normal": lambda scale: stats.halfnorm(scale=scale),
    "half-Cauchy": lambda scale: stats.halfcauchy(scale=scale),
    "uniform": lambda scale: stats.uniform(0, scale),
}


def schools(tau=TAU_PRIOR, **changes):
    known = {"y": EFFECT, "sigma": ERROR, "mu": MU_PRIOR} | changes
    return exact.normal(known["y"], known["sigma"], mu=known["mu"], tau=tau)


# -- which form -----------------------------------------------------------------------------------------


def condition(data):
    """Condition numbers of the correlations of both forms, with so many times as many pupils."""
    rng, error = np.random.default_rng(58), ERROR / np.sqrt(data)
    own = ByHand(error=error)
    k = rng.choice(TAU.size, 20_000, p=own.mass)
    mu = rng.normal(own.mean_mu[k], np.sqrt(own.variance_mu[k]))
    kept = 1 - own.factor[k]
    theta = kept * EFFECT + (1 - kept) * mu[:, None] + np.sqrt(kept) * error * rng.normal(size=(k.size, 8))
    tau = TAU[k][:, None]
    forms = {"centred": theta, "non-centred": (theta - mu[:, None]) / tau}
    found = {}
    for form, coordinates in forms.items():
        values = np.linalg.eigvalsh(np.corrcoef(np.hstack([mu[:, None], np.log(tau), coordinates]).T))
        found[form] = values[-1] / values[0]
    return found


@states("chapters/practical-considerations.md", "That is not a law")
@states(
    "chapters/practical-considerations.md",
    "Raw numbers like these differ from run to run. What does not differ",
)
@states(
    "chapters/practical-considerations.md",
    "Non-centred is the default; centred wins with much data per group.",
)
@states("chapters/practical-considerations.md", "showed the non-centred form winning on the Eight Schools.")
@states(
    "chapters/practical-considerations.md",
    "in which coordinates the posterior looks most like a round Normal",
)
@states("chapters/bringing-together.md", "with rich data per group the centred form is the better one.")
@states("chapters/practical-considerations.md", "Why they win can be seen without a sampler.")
@states("glossary.md", "Good with much data per group; with little data it makes a funnel")
@states("chapters/radon.md", "the centred form failed on $\\tau$.")
@states("chapters/eight-schools.md", "with plenty of data per group the tables turn")
def test_in_which_coordinates_the_posterior_is_round():
    poor, rich = condition(1), condition(256)
    assert poor["centred"] > 2 * poor["non-centred"]
    assert rich["non-centred"] > 2 * rich["centred"]


@states(
    "chapters/practical-considerations.md",
    "is 1 if the coordinates are uncorrelated, and large if the posterior is",
)
@states("chapters/practical-considerations.md", r"all coordinates but $\log\tau$ are Normal")
def test_condition_numbers():
    def number(r):
        values = np.linalg.eigvalsh(np.array([[1, r], [r, 1]]))
        return values[-1] / values[0]

    assert number(0) == 1
    length = [number(r) for r in (0.5, 0.9, 0.99)]
    assert (np.diff(length) > 0).all()
    x = np.random.default_rng(58).multivariate_normal([0, 0], [[1, 0.99], [0.99, 1]], 100_000)
    along, across = (x @ [1, 1]).std(), (x @ [1, -1]).std()
    assert length[-1] == pytest.approx((along / across) ** 2, rel=0.03)
    known = schools(4.0)["theta"]
    for share in (0.01, 0.2, 0.9):
        normal = known.mean().values + stats.norm.ppf(share) * known.sd().values
        assert known.quantile(share).values == pytest.approx(normal)


# -- many groups ----------------------------------------------------------------------------------------


@states("chapters/practical-considerations.md", "The number of sampled parameters grows like $J$")
@states(
    "chapters/practical-considerations.md", "the draws of the group parameters are what fills the memory."
)
@states(
    "chapters/practical-considerations.md", "a model with two parameters for any $J$, without any funnel."
)
@states("chapters/practical-considerations.md", "For Normal groups, integrate the group means out")
@states("chapters/practical-considerations.md", "Integrating out $\\theta_i$ leaves")
def test_what_is_sampled_and_what_is_summed():
    sizes = {}
    for groups in (8, 1000):
        data = xr.Dataset(
            {
                "effect": ("school", np.resize(EFFECT, groups)),
                "standard_error": ("school", np.resize(ERROR, groups)),
            },
            coords={"school": np.arange(groups)},
        )
        model = models.schools_noncentred(data)
        start = model.initial_point()
        sizes[groups] = {name: np.size(value) for name, value in start.items()}
    assert sizes[8] == {"mu": 1, "tau_log__": 1, "theta_raw": 8}
    assert sizes[1000]["theta_raw"] / sum(sizes[1000].values()) > 0.99
    # Integrated out: a density of y given mu and tau that has the posterior mean of tau of the whole.
    tau, mu = (np.arange(400) + 0.5) / 5, np.linspace(-60, 70, 261)
    log = stats.norm(mu[:, None, None], np.hypot(tau[:, None], ERROR)).logpdf(EFFECT).sum(axis=-1)
    log += stats.norm(0, 20).logpdf(mu)[:, None] + stats.halfnorm(scale=10).logpdf(tau)
    mass = np.exp(log - log.max())
    assert (mass.sum(axis=0) @ tau) / mass.sum() == pytest.approx(schools()["tau"].mean(), abs=0.02)


# -- the prior of tau -----------------------------------------------------------------------------------


@states(
    "chapters/practical-considerations.md", "The tail of the prior still counts a little with eight schools."
)
@states(
    "chapters/practical-considerations.md", "From scale 25 on, a prior is cut down to a limit between … and …"
)
@states(
    "chapters/practical-considerations.md",
    "at scale 1, under every family, … or more of the answer was there",
)
@states(
    "chapters/practical-considerations.md", "between half-Normal(5) and half-Normal(20) it moves from … to …."
)
@states(
    "chapters/practical-considerations.md",
    "At 100% the data changed nothing; the smaller it is, the more they",
)
@states("chapters/practical-considerations.md", "A small overlap does not mean that the prior has no say.")
@states("chapters/practical-considerations.md", "This is why half and twice the scale belong to the verdict.")
@states("chapters/practical-considerations.md", "eight schools do not speak loudly")
@states("solutions/tau-prior.md", "A prior narrower than the likelihood returns itself.")
def test_who_decides_tau():
    upper = [schools(tau)["theta"].quantile(0.945).values[A] for tau in (stats.halfcauchy(scale=25), None)]
    assert 0.1 < abs(upper[0] - upper[1]) < 2
    limits, shares = [], []
    for family in FAMILIES.values():
        limits += [schools(family(scale))["tau"].quantile(0.95) for scale in (25, 50, 100)]
        shares.append(overlap(family(1.0), schools(family(1.0))))
    assert max(limits) < 1.6 * min(limits)
    assert max(limits) < 25
    assert FAMILIES["half-Cauchy"](25).ppf(0.95) > 300
    assert min(shares) > 0.9
    half, twice = ByHand(scale=5.0).theta[A], ByHand(scale=20.0).theta[A]
    assert twice > half + 1
    # A wide prior of which little is left over still gives the flat part of the likelihood its shape.
    for scale in (25, 50):
        assert overlap(FAMILIES["half-Normal"](scale), schools(FAMILIES["half-Normal"](scale))) < 0.5
        low = schools(FAMILIES["half-Normal"](scale))["tau"].pdf(np.array([0.5, 4.0]))
        sharp = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=stats.gamma(2, scale=scale))["tau"].pdf(
            np.array([0.5, 4.0])
        )
        assert low[1] / low[0] < 1.1
        assert sharp[1] / sharp[0] > 3


@states("chapters/practical-considerations.md", "and the same prior is practically flat")
@states("chapters/practical-considerations.md", "in hundredths of a point and it becomes tight at zero")
def test_a_default_with_a_unit():
    prior = stats.halfcauchy(scale=25)

    def school_a(unit):
        fit = exact.normal(EFFECT / unit, ERROR / unit, mu=stats.norm(0, 20 / unit), tau=prior)
        return fit["theta"].mean().values[A] * unit

    flat = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=None)["theta"].mean().values[A]
    common = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0.0)["mu"].mean()
    assert school_a(100) == pytest.approx(flat, abs=0.05)
    assert school_a(1) < school_a(100)
    assert abs(school_a(0.01) - common) < 0.3 * abs(school_a(1) - common)


@states("chapters/practical-considerations.md", "The prior of $\\tau$ matters when groups are few or noisy.")
@states("chapters/bringing-together.md", "and from the prior of $\\tau$ where the data are few")
@states("chapters/bringing-together.md", "proportions that the data and the prior of $\\tau$ determine")
def test_when_the_prior_matters():
    def ratio(effect, error):
        """How many times as large tau is under a prior of four times the scale."""
        return ByHand(effect, error, scale=20.0).tau / ByHand(effect, error, scale=5.0).tau

    z = np.random.default_rng(58).permutation(stats.norm.ppf((np.arange(64) + 0.5) / 64))
    base = ratio(EFFECT, ERROR)
    assert base > 1.5
    assert ratio(EFFECT, ERROR / 8) - 1 < (base - 1) / 2
    error = np.tile(ERROR, 8)
    assert ratio(8 + np.hypot(8, error) * z, error) - 1 < (base - 1) / 2
    far = [abs(ByHand(scale=scale).theta - EFFECT)[A] for scale in (5.0, 20.0)]
    assert far[0] > far[1] + 1


# -- mixed models ---------------------------------------------------------------------------------------


def reml(y, error):
    """The highest point of the restricted likelihood, by the flat posterior of tau on a grid."""

    def loss(tau):
        v = error**2 + tau**2
        mu = (y / v).sum() / (1 / v).sum()
        return np.log(v).sum() + np.log((1 / v).sum()) + ((y - mu) ** 2 / v).sum()

    return optimize.minimize_scalar(loss, bounds=(0, 60), method="bounded").x


@states("chapters/practical-considerations.md", "Agreement needs many groups *relative to their noise*")
@states("chapters/practical-considerations.md", "with few, the difference is the uncertainty about $\\tau$.")
@states("chapters/practical-considerations.md", "what matters is again how well the data determine $\\tau$")
@states(
    "chapters/practical-considerations.md",
    "no group's estimate differs by more than … points while the smallest",
)
def test_when_reml_and_bayes_agree():
    def compare(groups, error):
        """Plug-in standard deviations over full ones, and the difference of estimates in these."""
        z = np.random.default_rng(58).permutation(stats.norm.ppf((np.arange(groups) + 0.5) / groups))
        y, errors = 8 + np.hypot(10, error) * z / z.std(ddof=1), np.full(groups, float(error))
        tau, full = reml(y, errors), ByHand(y, errors)
        kept = tau**2 / (tau**2 + errors**2)
        mu = y.mean()
        sd = np.sqrt(kept) * errors
        off = abs(kept * y + (1 - kept) * mu - full.theta) / full.sd
        return (sd / full.sd).mean(), off.max()

    many, few, noisy = compare(50, 5), compare(6, 12), compare(50, 40)
    assert many[0] > 0.97
    assert many[1] < 0.1
    assert 1 - few[0] > 2 * (1 - many[0])
    assert few[1] > 3 * many[1]
    assert noisy[1] > 3 * many[1]


@states("chapters/practical-considerations.md", "From six others that are of another kind.")
@states(
    "chapters/practical-considerations.md",
    "Two of eight schools coach reading, with standard errors of 10, six",
)
@states(
    "chapters/practical-considerations.md", "the reading schools are still pulled about half of the way to"
)
@states(
    "chapters/practical-considerations.md",
    "Pooling groups that differ in kind still helps where they differ by little compared with their noise.",
)
@states("chapters/when-hierarchical.md", "show a case where pooling the wrong groups does real damage.")
def test_two_of_another_kind():
    """On average over reports: where the two go, and where the others are."""
    rng, error = np.random.default_rng(58), np.where(np.arange(8) < 2, 10.0, 5.0)
    pulled, loss = [], []
    for _ in range(150):
        theta = np.where(np.arange(8) < 2, 25.0, 0.0) + rng.normal(0, 2, 8)
        y = rng.normal(theta, error)
        estimate = ByHand(y, error).theta
        pulled.append((estimate - y)[:2].mean())
        loss.append([((one - theta)[:2] ** 2).mean() for one in (estimate, y)])
    assert np.mean(pulled) < -5  # toward the six at zero
    pooled, raw = np.mean(loss, axis=0)
    assert pooled > 1.5 * raw
    for reading in (2, 4):
        loss, weight, error = [], [], np.where(np.arange(8) < reading, 10.0, 5.0)
        for _ in range(150):
            near, far = (np.where(np.arange(8) < reading, gap, 0.0) + rng.normal(0, 2, 8) for gap in (5, 25))
            y = rng.normal(near, error)
            estimate = exact.normal(y, error, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"].mean().values
            loss.append([((one - near)[:reading] ** 2).mean() for one in (estimate, y)])
            tau = exact.normal(rng.normal(far, error), error, mu=MU_PRIOR, tau=TAU_PRIOR)["tau"]
            weight.append(tau.expect(lambda tau: 100 / (100 + tau**2)))
        pooled, raw = np.mean(loss, axis=0)
        assert pooled < 0.5 * raw
    assert np.mean(weight) == pytest.approx(0.5, abs=0.06)


# -- calibration ----------------------------------------------------------------------------------------


@states("chapters/calibration.md", "the parameters are a draw from the *posterior* of these data")
@states("chapters/calibration.md", "below its 10% quantile in 10% of data sets, below its median in half.")
@states("chapters/calibration.md", "but over all data sets the true values are draws from the prior.")
@states(
    "chapters/calibration.md",
    "Parameters drawn from the prior are draws from the posteriors of the data that they",
)
@states("chapters/calibration.md", "its distribution function at the true value takes the place of the rank.")
@states("glossary.md", "the places of the true parameters in their posteriors must be uniform")
def test_the_true_value_is_a_draw():
    """One school with a Normal prior: places in the posterior, in the prior, and ranks among draws."""
    rng, size = np.random.default_rng(58), 20_000
    theta = rng.normal(0, 20, size)
    y = rng.normal(theta, 15)
    kept = 400 / 625
    posterior = stats.norm(kept * y, np.sqrt(kept) * 15)
    for share in (0.1, 0.5):
        error = 4 * np.sqrt(share * (1 - share) / size)
        assert (theta < posterior.ppf(share)).mean() == pytest.approx(share, abs=error)
        assert (theta < stats.norm(0, 20).ppf(share)).mean() == pytest.approx(share, abs=error)
    draws = posterior.rvs((999, size), random_state=rng)
    rank = (draws < theta).mean(axis=0)
    assert rank == pytest.approx(posterior.cdf(theta), abs=5 * 0.5 / np.sqrt(999))
    # Beside the likelihood the prior is found out: its draws do not go with the data.
    assert (
        abs(np.corrcoef(rng.permutation(theta), y)[0, 1])
        < 0.05
        < np.corrcoef(posterior.rvs(random_state=rng), y)[0, 1]
    )


@states("chapters/calibration.md", "Two of the four ways are wrong.")
@states(
    "chapters/calibration.md",
    "The exact mean does not scatter at all, and the sampled mean only by the Monte Carlo",
)
@states(
    "chapters/calibration.md", "Both look at the same fits; but each compares the draws with something else."
)
@states("chapters/calibration.md", "The recorded study fitted each form to 200 data sets")
@states("chapters/calibration.md", "and not sufficient. One must also look at quantities that bind")
def test_what_the_study_recorded():
    recorded = calibration.recorded()
    taus = recorded[recorded["quantity"] == "tau"].set_index(["model", "set"]).sort_index()
    both = [taus.loc[f"schools_{form}"] for form in ("noncentred", "centred")]
    assert [len(one) for one in both] == [200, 200]
    # The centred draws are off by more than their errors; the other ones are not.
    z = [one["shift"] / one["mcse"] for one in both]
    assert np.sqrt((z[0] ** 2).mean()) < 1.2 < 1.5 < np.sqrt((z[1] ** 2).mean())
    narrow = schools(stats.halfnorm(scale=5))["tau"].mean()
    assert narrow < 0.8 * OWN.tau
    # Against the width of the posterior the distances are small: a twentieth, not one.
    assert both[0]["shift"].std() < 0.1
    assert stats.norm.ppf(both[0]["exact_place"].clip(1e-4, 1 - 1e-4)).std() == pytest.approx(
        1, abs=4 / np.sqrt(400)
    )


@states("chapters/calibration.md", "Five were built into the exact posterior of Eight Schools")
@states("chapters/calibration.md", "Other faults are larger, or of another kind.")
@states("chapters/calibration.md", "eight groups say little about $\\tau$, and is found soon.")
@states("chapters/calibration.md", "only ranks are left, and a small fault takes hundreds of fits.")
@states("chapters/calibration.md", "Test a sampler where the answer is known.")
@states("chapters/calibration.md", "So the places are nearly uniform, as in the first question")
@states("chapters/calibration.md", "More stands for more than 800, and for more than 100 in the last row")
@states("chapters/calibration.md", "These ranks do not even see a fault that makes the data all but useless")
@states(
    "chapters/calibration.md", "are those of fits with 400 effective draws, which checks.compare asks for"
)
def test_what_each_fault_took():
    asked = [signature(f).parameters["ess"].default for f in (calibration.faults, checks.compare)]
    assert asked == [400, 400]
    assert signature(calibration.faults).parameters["sets"].default == 5000
    assert calibration.SIZES[-1] == 800
    faults = pd.read_csv(ROOT / "tooling/audit/data/faults.csv", index_col="fault")
    assert len(faults) == 5
    ranks = faults["ranks"]
    half, fifth = ranks["half-Normal(5) for 10"], ranks["half-Normal(8) for 10"]
    assert half < 100 < fifth
    assert (ranks >= 100).sum() == 3
    assert faults["distances"].max() <= 10
    assert np.isinf(ranks["variances taken for sds"])
    shift = taken = (
        calibration.recorded().query("model == 'schools_centred' and quantity == 'tau'")["shift"].mean()
    )
    assert (abs(faults["shift"]) > 2 * shift).sum() >= 3
    assert taken > 0
    # With variances for sds the estimates are as far from the exact ones as they can be: the prior's.
    vague = exact.normal(EFFECT, ERROR**2, mu=MU_PRIOR, tau=TAU_PRIOR)
    assert overlap(TAU_PRIOR, vague) > 0.95
    assert vague["theta"].sd().values.min() > 2 * OWN.sd.max()


@states("chapters/calibration.md", "The study is repeated every week, with the newest versions of everything")
def test_the_weekly_study():
    text = (ROOT / ".github/workflows/weekly.yml").read_text("utf-8")
    assert "make calibration" in text
    assert "cron" in text


# -- Stein, and groups within groups ---------------------------------------------------------------------


@states("chapters/bringing-together.md", "some estimator has a smaller risk *for every* $\\theta$")
@states(
    "chapters/bringing-together.md",
    "No prior was involved, and the means may have nothing to do with each other.",
)
@states("chapters/bringing-together.md", "In the language of decision theory, no pooling is inadmissible.")
@states("chapters/bringing-together.md", "Then its risk needs no simulation.")
@states("chapters/bringing-together.md", "Can estimates that mix the eight be better, in total squared error")
@states(
    "glossary.md",
    "and that has a smaller total expected squared error than the raw means, whatever the truth.",
)
@states(
    "chapters/bringing-together.md",
    "$R(\\theta) = \\mathbb{E} \\sum_i (\\hat\\theta_i - \\theta_i)^2$, depends on the truth.",
)
def test_james_stein_gains_everywhere():
    """Risk by Poisson weights: S is a chi square with J + 2K degrees of freedom, K a Poisson variable."""

    def risk(squares, groups):
        k = np.arange(0, 4000)
        weight = stats.poisson(squares / 2).pmf(k)
        return groups - (groups - 2) ** 2 * (weight / (groups + 2 * k - 2)).sum()

    for groups in (3, 4, 8):
        risks = [risk(squares, groups) for squares in (0, 1, 10, 100, 1000)]
        assert risks[0] == pytest.approx(2)
        assert (np.diff(risks) > 0).all()
        assert risks[-1] < groups
    rng = np.random.default_rng(58)
    theta = np.array([3.0, -40, 0.5, 7, 19, -6, 1, 11])  # prices of tea and heights of towers
    y = rng.normal(theta, 1, (400_000, 8))
    gain = ((y - theta) ** 2).sum(axis=1) - (((1 - 6 / (y**2).sum(axis=1)[:, None]) * y - theta) ** 2).sum(
        axis=1
    )
    assert gain.mean() == pytest.approx(8 - risk(theta @ theta, 8), abs=4 * gain.std() / np.sqrt(400_000))
    assert gain.mean() > 4 * gain.std() / np.sqrt(400_000)


@states(
    "chapters/bringing-together.md", "half-Normal(10) with standard errors from 9 to 18, is of that kind."
)
@states("chapters/bringing-together.md", "A fixed point has to be chosen beforehand.")
@states("chapters/bringing-together.md", "It says how much to shrink when standard errors differ")
@states("chapters/bringing-together.md", "it gives intervals and not only points")
def test_what_the_bayesian_version_adds():
    ratio = ERROR / 10
    assert (ratio.min(), ratio.max()) == (0.9, 1.8)
    factor = OWN.mass @ OWN.factor
    assert (np.argsort(factor) == np.argsort(ERROR, kind="stable")).sum() >= 6
    assert np.ptp(factor) > 0.1
    # Intervals hold their share, over data that the model makes.
    rng, held = np.random.default_rng(58), []
    for _ in range(400):
        mu, tau = rng.normal(0, 20), abs(rng.normal(0, 10))
        theta = rng.normal(mu, tau, 8)
        own = ByHand(rng.normal(theta, ERROR))
        held.append((abs(theta - own.theta) < stats.norm.ppf(0.945) * own.sd).mean())
    assert np.mean(held) == pytest.approx(0.89, abs=4 * np.std(held) / np.sqrt(400) + 0.01)
    # With another fixed point the same reports give other estimates.
    y = np.array([3.0, 1, 4, 2, 5, 3, 2, 4])

    def toward(point):
        return point + (1 - 6 / ((y - point) ** 2).sum()) * (y - point)

    assert abs(toward(0.0) - toward(6.0)).max() > 0.3


@states("chapters/bringing-together.md", "so that the shrinkage formula does change")
@states("chapters/bringing-together.md", "Each grouping gets its own population and its own scale")
@states(
    "chapters/bringing-together.md",
    "The first borrows from the schools of its district, which tell where the district",
)
@states("chapters/bringing-together.md", "Shrinkage now has two stages")
@states("chapters/bringing-together.md", "The design is balanced, so there is an exact answer.")
def test_two_stages():
    """Six districts of five schools: jointly Normal, with no formula for shrinkage."""
    district, school, noise = 7.0, 4.0, 10 / np.sqrt(8)
    place = np.repeat(np.arange(6), 5)
    same = (place[:, None] == place).astype(float)
    theta = 400 + district**2 * same + school**2 * np.eye(30)
    y = np.random.default_rng(58).multivariate_normal(np.zeros(30), theta + noise**2 * np.eye(30))
    weights = theta @ np.linalg.inv(theta + noise**2 * np.eye(30))
    estimate = weights @ y
    own = school**2 / (school**2 + noise**2)
    phi = (400 + district**2 * same) @ np.linalg.inv(theta + noise**2 * np.eye(30)) @ y
    assert estimate == pytest.approx(own * y + (1 - own) * phi)
    assert weights[0, 1:5].min() > 3 * abs(weights[0, 5:]).max()
    means = y.reshape(6, 5).mean(axis=1)
    v = school**2 / 5 + noise**2 / 5
    known = exact.normal(means, np.sqrt(v), mu=stats.norm(0, 20), tau=district)["theta"].mean().values
    assert phi[::5] == pytest.approx(known)
    # A new school: where the district was seen, the other schools of it say more than the prior of districts.
    inverse = np.linalg.inv(theta + noise**2 * np.eye(30))
    seen = 400 + district**2 * same[0]
    sd = [
        np.sqrt(400 + district**2 + school**2 - with_ @ inverse @ with_)
        for with_ in (seen, np.full(30, 400.0))
    ]
    assert sd[0] < 0.8 * sd[1]


@states("chapters/bringing-together.md", "have six batches, each put once on each of 24 plates.")
@states("chapters/bringing-together.md", "Each $\\tau$ decides how much its own effects are pooled.")
@states("chapters/bringing-together.md", "But each new group comes with the scale of its own kind.")
@states("chapters/bringing-together.md", "When the groupings cross, effects add.")
@states("chapters/bringing-together.md", "given these all is Normal, whatever the groupings are.")
def test_crossed_effects():
    data = datasets.penicillin()
    frame = data.to_dataframe().reset_index()
    plate, batch = (next(c for c in frame if c in names) for names in (("plate",), ("batch", "sample")))
    table = frame.groupby([plate, batch]).size()
    assert len(table) == 24 * 6
    assert (table == 1).all()

    def estimates(tau_plate, tau_batch, sigma=0.55):
        p, b = np.divmod(np.arange(144), 6)
        of_plate, of_batch = (
            (p[:, None] == np.arange(24)).astype(float),
            (b[:, None] == np.arange(6)).astype(float),
        )
        y = np.random.default_rng(58).normal(size=144)
        cov = (
            1e4
            + tau_plate**2 * of_plate @ of_plate.T
            + tau_batch**2 * of_batch @ of_batch.T
            + sigma**2 * np.eye(144)
        )
        left = np.linalg.solve(cov, y)
        return tau_plate**2 * of_plate.T @ left, tau_batch**2 * of_batch.T @ left, y

    plates, batches, y = estimates(0.85, 1.8)
    raw = y.reshape(24, 6).mean(axis=1) - y.mean()
    kept = 0.85**2 / (0.85**2 + 0.55**2 / 6)
    assert plates == pytest.approx(kept * raw, abs=1e-6)
    other, moved, _ = estimates(0.85, 0.2)
    assert other == pytest.approx(plates, abs=1e-6)  # whatever the scale of the batches
    assert abs(moved).max() < 0.95 * abs(batches).max()


@states("chapters/bringing-together.md", "each scale is estimated from the number of *its own* groups.")
@states("chapters/bringing-together.md", "but they remain six when $\\tau_\\text{district}$ is")
@states(
    "chapters/bringing-together.md",
    "Five groups is a rule of thumb; the noise of the groups counts as much as their",
)
@states("chapters/bringing-together.md", "then the variation between groups is something to estimate.")
def test_six_remain_six():
    def known(groups, error):
        z = stats.norm.ppf((np.arange(groups) + 0.5) / groups)
        y = np.hypot(8, error) * z / z.std(ddof=1)
        tau = exact.normal(y, float(error), mu=None, tau=TAU_PRIOR)["tau"]
        return tau.sd() / tau.mean()

    six = [known(6, error) for error in (4, 1, 0.1)]
    assert six[0] > six[1] > six[2] > 0.25  # more pupils, to no end
    assert known(100, 1) < 0.1
    # As much is told of tau by few precise groups as by more noisy ones.
    assert known(6, 1) == pytest.approx(known(30, 10), abs=0.12)
    assert known(6, 1) < known(6, 15)
