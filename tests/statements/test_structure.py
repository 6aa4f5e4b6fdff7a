"""What else the pages on the structure and on the eight schools assert, of the models that they show."""

import inspect
from fractions import Fraction
from itertools import permutations

import arviz as az
import numpy as np
import pymc as pm
import pytest
from by_hand import EFFECT, ERROR, TAU, ByHand
from scipy import integrate, stats
from statements import states

import hierarchical_exact as exact
from support import checks, datasets, models
from support.conventions import LARGEST_Z, MU_PRIOR, TAU_PRIOR
from tooling.audit import builders, numbers, runs

OWN = ByHand()
A, B, C, D, E, F, G, H = range(8)
SCHOOLS = datasets.eight_schools()
POSTERIOR = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)


def log_density(model, last):
    """The log density of a model of schools, of mu, log tau and the schools' coordinates."""
    with model:
        compiled = model.compile_logp(mode="FAST_COMPILE")

    def log(mu, log_tau, schools):
        return float(compiled({"mu": mu, "tau_log__": log_tau, last: np.asarray(schools, float)}))

    return log


@pytest.fixture(scope="module")
def centred():
    return log_density(builders.schools_centred(SCHOOLS), "theta")


@pytest.fixture(scope="module")
def noncentred():
    return log_density(models.schools_noncentred(SCHOOLS), "theta_raw")


def together(log, one, other):
    """What two changes do together beyond what each does: zero where no factor holds both."""
    start = {"mu": 5.0, "log_tau": 1.0, "schools": np.linspace(-3, 12, 8)}

    def moved(*changes):
        place = {name: np.array(value) for name, value in start.items()}
        for name, school in changes:
            if name == "schools":
                place["schools"][school] += 2
            else:
                place[name] = place[name] + 0.7
        return log(float(place["mu"]), float(place["log_tau"]), place["schools"])

    return moved(one, other) - moved(one) - moved(other) + moved()


@states("chapters/mathematical-structure.md", "No factor holds the parameters of two groups.")
@states("chapters/mathematical-structure.md", r"parameters $\theta_1, \dots, \theta_J$ are independent.")
@states("chapters/mathematical-structure.md", "No factor holds both, *given*")
@states("chapters/mathematical-structure.md", r"All contact between groups goes through $\mu$ and $\tau$")
@states("chapters/mathematical-structure.md", "But both depend on these, and these are unknown.")
@states("chapters/mathematical-structure.md", "its joint density {eq}`hierarchical-joint` links the groups")
def test_which_factors_hold_what(centred):
    for one in range(8):
        for other in range(one):
            assert together(centred, ("schools", one), ("schools", other)) == pytest.approx(0, abs=1e-9)
        assert abs(together(centred, ("schools", one), ("mu", None))) > 0.05
        assert abs(together(centred, ("schools", one), ("log_tau", None))) > 1e-3


@states("chapters/mathematical-structure.md", r"No factor joins an observation to $\mu$ or $\tau$")
def test_observations_hold_on_to_their_effects_only(centred):
    """Another report of A moves the log density by as much whatever mu, tau and the other effects are."""
    other = SCHOOLS.copy(deep=True)
    other["effect"][A] = 60
    changed = log_density(builders.schools_centred(other), "theta")
    theta = np.linspace(-3, 12, 8)
    moved = [
        changed(mu, log_tau, np.append(theta[A], theta[1:] + shift))
        - centred(mu, log_tau, np.append(theta[A], theta[1:] + shift))
        for mu, log_tau, shift in ((0, 0, 0), (9, 0, 0), (0, 2, 0), (0, 0, 5))
    ]
    assert moved == pytest.approx(np.full(4, moved[0]))
    theta[A] += 1
    assert changed(0, 0, theta) - centred(0, 0, theta) != pytest.approx(moved[0])


@states("chapters/eight-schools.md", "The remedy changes the coordinates and leaves the model as it is.")
@states("chapters/eight-schools.md", r"so the posterior of $(\mu, \tau, \theta)$ is the same")
@states(
    "chapters/eight-schools.md", "The non-centred form is the same model in coordinates without a funnel."
)
@states("chapters/practical-considerations.md", "It is the same distribution in other coordinates")
@states("chapters/practical-considerations.md", "Both forms are the same posterior in different coordinates")
@states("glossary.md", "The same model in other coordinates, where little data per group do no harm")
@states("chapters/pooling-problem.md", r"with standard Normal $\tilde\theta_i$ is the same statement")
@states("chapters/eight-schools.md", "Jacobian of the logarithm that frees")
@states("solutions/noncentred-reparameterisation.md", "In PyMC you never write this determinant.")
def test_two_forms_of_one_density(centred, noncentred):
    rng = np.random.default_rng(58)
    for _ in range(5):
        mu, log_tau, raw = rng.normal(8, 5), rng.normal(), rng.normal(size=8)
        theta = mu + np.exp(log_tau) * raw
        assert noncentred(mu, log_tau, raw) == pytest.approx(centred(mu, log_tau, theta) + 8 * log_tau)
        # Of log tau, the density of tau times tau.
        own = stats.norm(0, 20).logpdf(mu) + stats.halfnorm(scale=10).logpdf(np.exp(log_tau)) + log_tau
        own += stats.norm.logpdf(raw).sum() + stats.norm(theta, ERROR).logpdf(EFFECT).sum()
        assert noncentred(mu, log_tau, raw) == pytest.approx(own)


@states(
    "chapters/eight-schools.md", "`pm.Normal` are name, mean and standard deviation, as in the equations."
)
@states(
    "chapters/mathematical-structure.md", "Throughout this book the second number is a standard deviation."
)
@states("chapters/pooling-problem.md", r"No pooling gives each instructor a $\sigma_i$ of their own.")
@states("chapters/pooling-problem.md", r"Partial pooling has one $\sigma$ for all.")
def test_models_as_they_are_written():
    names = list(inspect.signature(pm.Normal.dist).parameters)
    assert names[:2] == ["mu", "sigma"]
    assert float(pm.logp(pm.Normal.dist(3, 2), 0.0).eval()) == pytest.approx(stats.norm(3, 2).logpdf(0))
    sections = datasets.instructors()
    ndim = {
        name: next(v.ndim for v in build(sections).free_RVs if v.name == "sigma")
        for name, build in (("none", builders.instructors_none), ("partial", builders.instructors_partial))
    }
    assert ndim == {"none": 1, "partial": 0}


# -- names, urns and averages --------------------------------------------------------------------------


@states(
    "chapters/mathematical-structure.md", "Swap the names of schools A and C, and the model does not change"
)
@states("chapters/mathematical-structure.md", "Exchangeable means that names carry no information.")
@states("chapters/mathematical-structure.md", r"$\theta_1$ and $\theta_2$ can swap names.")
@states("solutions/new-group-prediction.md", "treats the nine schools as exchangeable")
def test_names_may_be_swapped():
    swap = [C, B, A, D, E, F, G, H]
    other = exact.normal(EFFECT[swap], ERROR[swap], mu=MU_PRIOR, tau=TAU_PRIOR)
    assert other["theta"].mean().values == pytest.approx(POSTERIOR["theta"].mean().values[swap])
    assert other["theta"].sd().values == pytest.approx(POSTERIOR["theta"].sd().values[swap])
    assert other["theta_new"].sd() == pytest.approx(POSTERIOR["theta_new"].sd())


@states(
    "chapters/mathematical-structure.md", r"It hints at a large $\mu$, which is the mean of $\theta_2$ too."
)
@states("chapters/mathematical-structure.md", "Dependence is a property of the model's prior here.")
def test_one_effect_hints_at_another():
    """Before any data, by an integral over tau for two values of the first effect."""

    def mean_mu(theta):
        def weigh(tau, f):
            spread = np.sqrt(400 + tau**2)
            return f(tau) * stats.norm(0, spread).pdf(theta) * stats.halfnorm(scale=10).pdf(tau)

        top, bottom = (
            integrate.quad(weigh, 0, 80, (f,))[0]
            for f in (lambda tau: theta * 400 / (400 + tau**2), np.ones_like)
        )
        return top / bottom

    assert mean_mu(30.0) > mean_mu(10.0) + 10
    draws = np.random.default_rng(58).normal(size=(3, 400_000))
    tau = abs(10 * np.random.default_rng(59).normal(size=400_000))
    first, second = 20 * draws[0] + tau * draws[1], 20 * draws[0] + tau * draws[2]
    near = abs(first - 30) < 1
    assert second[near].mean() == pytest.approx(
        mean_mu(30.0), abs=4 * second[near].std() / np.sqrt(near.sum())
    )


def urn(colours, red=1, blue=1):
    """Probability of a sequence of draws."""
    probability = Fraction(1)
    for colour in colours:
        probability *= Fraction(red if colour == "r" else blue, red + blue)
        red, blue = red + (colour == "r"), blue + (colour == "b")
    return probability


@states("chapters/mathematical-structure.md", "The probability of any sequence can be computed exactly")
@states("chapters/mathematical-structure.md", "They are not independent")
@states("chapters/mathematical-structure.md", "The urn is even a hierarchical model in disguise.")
@states("chapters/mathematical-structure.md", "one in which they are independent given something hidden")
@states("chapters/mathematical-structure.md", "Pólya's urn shows the same with counting alone.")
def test_marbles_and_a_hidden_share():
    for colours in ("rrb", "rrrbb", "bbbbr"):
        red = colours.count("r")
        hidden = integrate.quad(lambda p: p**red * (1 - p) ** (len(colours) - red), 0, 1)[0]  # noqa: B023
        assert {float(urn(order)) for order in permutations(colours)} == {float(urn(colours))}
        assert float(urn(colours)) == pytest.approx(hidden)
    assert urn("rr") == Fraction(1, 3) != urn("r") * urn("r")
    # With a known share the second draw would not care for the first; what it learns is the share.
    assert urn("rrr") / urn("rr") == Fraction(3, 4) == Fraction(2 + 1, 2 + 2)


@states("chapters/mathematical-structure.md", "The posterior is Normal, and precisions add up")
@states("chapters/mathematical-structure.md", "becomes a weighted average")
@states("chapters/mathematical-structure.md", "The group's own data have the weight")
@states("chapters/mathematical-structure.md", "the estimate of a group is a weighted average")
@states("chapters/mathematical-structure.md", "Normal prior and a Normal observation.")
@states("glossary.md", r"when $\mu$ and $\tau$ are known; the group's own data get $1 - B_i$")
def test_the_weight_of_a_report():
    theta = np.linspace(-150, 170, 64_001)
    for error, tau in ((9, 6), (18, 6), (10, 25)):

        def posterior(report, error=error, tau=tau):
            density = stats.norm(8, tau).pdf(theta) * stats.norm(theta, error).pdf(report)
            density /= density.sum()
            mean = density @ theta
            return mean, density @ (theta - mean) ** 2, density @ (theta - mean) ** 3

        mean, variance, third = posterior(20.0)
        assert variance == pytest.approx(1 / (error**-2 + tau**-2), rel=1e-6)
        assert third == pytest.approx(0, abs=1e-4 * variance**1.5)
        own = posterior(21.0)[0] - mean  # what a point more in the report moves
        assert own == pytest.approx(tau**2 / (error**2 + tau**2), rel=1e-6)
        assert mean == pytest.approx(own * 20 + (1 - own) * 8)


@states("chapters/mathematical-structure.md", r"learned through $\tau$, from the data and from its prior")
@states("chapters/mathematical-structure.md", "The population mean has the rest.")
@states("chapters/mathematical-structure.md", "It is the most precise of *these*.")
@states("chapters/mathematical-structure.md", r"both: $\tau^2 / (\sigma^2 + \tau^2)$.")
@states(
    "chapters/mathematical-structure.md", "E has the lowest shrinkage factor of the eight, but lowest is not"
)
@states("chapters/mathematical-structure.md", r"and the posterior probability of that is …%.")
@states("solutions/shrinkage-arithmetic.md", r"With $\tau^2 = 36$, school H has $B_H = 324 / (324 + 36)$")
@states("solutions/shrinkage-arithmetic.md", "Only the standard errors enter.")
@states("chapters/mathematical-structure.md", "School E has the smallest standard error of the eight.")
def test_the_weight_of_e():
    # The weights as what a point more does, from the exact posterior at a known scale.
    def weights(tau):
        one, more = (
            exact.normal(EFFECT + shift, ERROR, mu=8.0, tau=tau)["theta"].mean().values for shift in (0, 1)
        )
        return more - one

    at_six = weights(6.0)
    assert at_six.argmax() == E == ERROR.argmin()
    assert at_six[E] == pytest.approx(36 / 117)
    assert 1 - at_six[H] == pytest.approx(324 / 360)
    assert weights(8.9)[E] < 0.5 < weights(9.1)[E]
    assert OWN.mass[TAU > 9].sum() < 0.2
    assert exact.normal(3 * EFFECT, ERROR, mu=8.0, tau=6.0)["theta"].sd().values == pytest.approx(
        exact.normal(EFFECT, ERROR, mu=8.0, tau=6.0)["theta"].sd().values
    )
    book = OWN.mass @ OWN.factor
    wide, tight = ByHand(3 * EFFECT), ByHand(scale=2.0)
    assert (wide.mass @ wide.factor < book - 0.1).all()
    assert (tight.mass @ tight.factor > book + 0.05).all()


@states(
    "chapters/mathematical-structure.md",
    r"\operatorname{Var}(\mu \mid y) + \operatorname{E}[\tau^2 \mid y]$.",
)
@states("chapters/mathematical-structure.md", r"for each posterior draw of $(\mu, \tau)$.")
@states("solutions/new-group-prediction.md", "For a new group, draw one parameter per posterior draw of")
@states(
    "solutions/new-group-prediction.md", "so that the uncertainty about $\\mu$ and $\\tau$ is carried along."
)
@states("chapters/mathematical-structure.md", "and the same way leads to groups not yet seen")
@states("chapters/mathematical-structure.md", "averaged over the posterior of $\\mu$ and $\\tau$.")
def test_a_draw_for_each_draw():
    rng = np.random.default_rng(58)
    k = rng.choice(TAU.size, 200_000, p=OWN.mass)
    mu = rng.normal(OWN.mean_mu[k], np.sqrt(OWN.variance_mu[k]))
    new = rng.normal(mu, TAU[k])
    spread = np.sqrt(OWN.variance_of_mu + OWN.mass @ TAU**2)
    assert POSTERIOR["theta_new"].sd() == pytest.approx(spread, rel=1e-3)
    assert new.std() == pytest.approx(spread, rel=0.02)
    for share in (0.055, 0.5, 0.945):
        below = (new < POSTERIOR["theta_new"].quantile(share)).mean()
        assert below == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 200_000))
    # One value for mu and tau in all draws would be too sure.
    assert rng.normal(OWN.mu, OWN.tau, 200_000).std() < 0.8 * spread


# -- eight schools -------------------------------------------------------------------------------------


@states("chapters/eight-schools.md", "Eight schools report effects from −3 to 28 points")
@states("chapters/eight-schools.md", "hierarchical model moves every one of them, to the filled circles.")
@states("chapters/eight-schools.md", "The effects run from −3 to 28")
@states("chapters/eight-schools.md", "**A and G** reported the largest effects, 28 and 18.")
@states("chapters/eight-schools.md", "**C and E** reported negative effects")
@states("chapters/eight-schools.md", "how far the model moved that school.")
def test_reports_and_estimates():
    assert (EFFECT.min(), EFFECT.max()) == (-3, 28)
    assert sorted(np.argsort(-EFFECT)[:2]) == [A, G]
    assert EFFECT[[A, G]].tolist() == [28, 18]
    assert np.flatnonzero(EFFECT < 0).tolist() == [C, E]
    assert abs(POSTERIOR["theta"].mean().values - EFFECT).min() > 0.05


@states("chapters/eight-schools.md", "How much the schools differ is much less clear")
@states("chapters/eight-schools.md", r"$\mu$ is positive with probability ….")
@states("chapters/eight-schools.md", r"The exact posterior puts … of its mass at $\tau < 1$.")
@states("chapters/eight-schools.md", "Given $\\mu$ and $\\tau$, everything in this model is Normal.")
def test_how_much_is_clear():
    low, high = np.interp([0.055, 0.945], OWN.mass.cumsum(), TAU)
    assert high > 20 * low
    low, high = POSTERIOR["mu"].quantile(0.055), POSTERIOR["mu"].quantile(0.945)
    assert low > 0
    assert OWN.mass[TAU < 1].sum() == pytest.approx(POSTERIOR["tau"].cdf(1.0), abs=1e-3)
    # With tau known, the quantiles of an effect are those of the Normal with its mean and sd.
    known = exact.normal(EFFECT, ERROR, mu=8.0, tau=6.0)["theta"]
    assert known.quantile(0.945).values == pytest.approx(
        known.mean().values + stats.norm.ppf(0.945) * known.sd().values
    )
    # Averaged over tau it is none: A's effect leans to the right.
    theta = POSTERIOR["theta"]
    normal = stats.norm(theta.mean().values[A], theta.sd().values[A]).ppf(0.99)
    assert theta.quantile(0.99).values[A] > normal + 1


@states("chapters/eight-schools.md", "Often they do not look alarming, and that is the danger")
@states(
    "chapters/eight-schools.md",
    "A chain that never visits a region cannot know what it misses. Here the exact",
)
@states("chapters/eight-schools.md", "is estimated from the same draws.")
@states("chapters/eight-schools.md", "An exact answer, where there is one, settles it.")
@states("chapters/eight-schools.md", "because for this model the exact posterior is known.")
def test_chains_that_keep_out_of_the_neck():
    """Independent draws of tau above 1: four chains that agree, with an error of their own, and are wrong."""
    above = np.where(TAU > 1, OWN.mass, 0)
    draws = np.random.default_rng(58).choice(TAU, (4, 1000), p=above / above.sum())
    assert float(az.rhat(draws)) < 1.01
    assert float(az.ess(draws)) > 3000
    error = float(az.mcse(draws))
    assert draws.mean() == pytest.approx(TAU @ above / above.sum(), abs=4 * error)
    assert draws.mean() - OWN.tau > 6 * error
    verdict = checks.compare(az.from_dict({"posterior": {"tau": draws}}), POSTERIOR, ["tau"])
    assert not verdict.agrees


@states("chapters/eight-schools.md", r"$(1/\sigma_A^2 + 1/\tau^2)^{-1/2}$, if $\mu$ is known too")
@states(
    "chapters/eight-schools.md", "the longest step is … in the centred form and … in the non-centred one."
)
@states("chapters/eight-schools.md", "jointly Gaussian, in either form, and their precision matrix is known.")
@states("chapters/recap.md", "Hierarchical models have exactly such parts")
@states("chapters/bringing-together.md", "The centred form makes a funnel when data per group are sparse.")
def test_the_width_of_the_funnel(centred, noncentred):
    """Second differences of the book's own densities, which a Gaussian has alike everywhere."""
    units = {"centred": np.append(np.sqrt(OWN.variance_of_mu), OWN.sd)}
    raw = (OWN.given - OWN.mean_mu[:, None]) / TAU[:, None]
    mean = OWN.mass @ raw
    given = OWN.factor + ((1 - OWN.factor) / TAU[:, None]) ** 2 * OWN.variance_mu[:, None]
    units["non-centred"] = np.append(units["centred"][0], np.sqrt(OWN.mass @ (given + (raw - mean) ** 2)))

    def longest(log, unit, tau, shift=0.0):
        def at(moves):
            place = 5.0 + shift + unit * moves
            return log(place[0], np.log(tau), place[1:])

        own, size = np.eye(9), 0.3
        hessian = np.array(
            [
                [
                    at(size * (a + b)) - at(size * (a - b)) - at(size * (b - a)) + at(-size * (a + b))
                    for a in own
                ]
                for b in own
            ]
        ) / (-4 * size**2)
        return 2 / np.sqrt(np.linalg.eigvalsh(hessian).max()), hessian

    steps = {}
    for form, log in (("centred", centred), ("non-centred", noncentred)):
        for tau in (0.1, 1.0, 5.0):
            steps[form, tau], hessian = longest(log, units[form], tau)
            assert longest(log, units[form], tau, shift=3.0)[1] == pytest.approx(hessian, rel=1e-3, abs=1e-3)
    sd_a = (1 / 15**2 + 1 / 0.1**2) ** -0.5
    assert steps["centred", 1.0] < 0.5 * steps["non-centred", 1.0]
    assert steps["centred", 0.1] < steps["centred", 1.0] / 8 < steps["centred", 5.0] / 8
    known = exact.normal(EFFECT, ERROR, mu=8.0, tau=0.1)["theta"].sd().values[A]
    assert known == pytest.approx(sd_a)


@states("chapters/eight-schools.md", "Values between −4 and 4 are what sampling noise can explain.")
@states("chapters/eight-schools.md", "means that a value lies within 4.5 standard errors of the exact one")
def test_the_largest_z():
    assert (numbers.ALLOWED, LARGEST_Z) == (4, 4.5)


@states("chapters/eight-schools.md", "They do not say how two schools compare")
@states("chapters/eight-schools.md", "The posterior of their difference is … ± … points")
@states(
    "chapters/eight-schools.md",
    r"But given $\mu$ and $\tau$ they are independent, and so the probability that a",
)
@states("chapters/eight-schools.md", "The average of the eight effects is … ± ….")
@states("chapters/eight-schools.md", "Whoever has to send a child somewhere may well choose A.")
@states("chapters/eight-schools.md", "A and G together have ….")
@states("chapters/eight-schools.md", "So a contrast, a rank or an average needs the *joint* posterior")
def test_two_schools_and_all_eight():
    own = OWN.covariance
    apart = np.sqrt(own[A, A] + own[C, C])
    sd = np.sqrt(own[A, A] + own[C, C] - 2 * own[A, C])
    difference = POSTERIOR.groups.difference(A, C)
    assert (difference.mean(), difference.sd()) == pytest.approx((OWN.theta[A] - OWN.theta[C], sd), rel=1e-3)
    assert sd < 0.95 * apart  # what the intervals by themselves would say
    average = np.sqrt(own.mean())
    assert average > 1.3 * np.sqrt(np.trace(own)) / 8
    # The best of all, by an integral over mu and tau: given these, a product of distribution functions.
    z = stats.norm.ppf((np.arange(60) + 0.5) / 60)
    x = np.linspace(-40, 80, 601)
    best = np.zeros(8)
    for t in range(0, TAU.size, 40):
        mass = OWN.mass[t : t + 40].sum() / len(z)
        for mu in OWN.mean_mu[t + 20] + np.sqrt(OWN.variance_mu[t + 20]) * z:
            if mass < 1e-7:
                break
            kept = 1 - OWN.factor[t + 20]
            law = stats.norm(kept * EFFECT + (1 - kept) * mu, np.sqrt(kept) * ERROR)
            below, density = law.cdf(x[:, None]), law.pdf(x[:, None])
            best += (
                mass
                * np.array([(density[:, i] * np.delete(below, i, 1).prod(1)).sum() for i in range(8)])
                * 0.2
            )
    assert best == pytest.approx(POSTERIOR.groups.best().values, abs=0.01)
    assert best.argmax() == A
    assert best[A] + best[G] < 0.5


@states("chapters/eight-schools.md", "The scales of the two priors are in the unit of the effects")
@states(
    "chapters/practical-considerations.md",
    "Its scale has units: choose it for the problem at hand, and vary it.",
)
def test_priors_have_units():
    tenth = exact.normal(EFFECT / 10, ERROR / 10, mu=stats.norm(0, 2), tau=stats.halfnorm(scale=1))
    assert tenth["theta"].mean().values * 10 == pytest.approx(POSTERIOR["theta"].mean().values, rel=1e-5)
    forgotten = exact.normal(EFFECT / 10, ERROR / 10, mu=MU_PRIOR, tau=TAU_PRIOR)
    assert abs(forgotten["theta"].mean().values * 10 - POSTERIOR["theta"].mean().values).max() > 0.5


@states("chapters/eight-schools.md", "a lenient one, since each $y_i$ has already helped to estimate its")
@states("chapters/eight-schools.md", "Another run gives other numbers")
@states(
    "chapters/eight-schools.md", "is an effect and noise, and the noise has a standard deviation of 9 to 18."
)
def test_a_report_that_has_helped():
    seen = stats.norm.cdf((EFFECT - OWN.theta) / np.sqrt(ERROR**2 + OWN.sd**2))
    left = []
    for i in range(8):
        rest = ByHand(np.delete(EFFECT, i), np.delete(ERROR, i))
        sd = np.sqrt(ERROR[i] ** 2 + rest.variance_of_mu + rest.mass @ TAU**2)
        left.append(stats.norm.cdf((EFFECT[i] - rest.mu) / sd))
    far = abs(np.array(left) - 0.5) > 0.05
    assert (abs(seen - 0.5)[far] < abs(np.array(left) - 0.5)[far]).all()
    assert (ERROR.min(), ERROR.max()) == (9, 18)
    recorded = runs.recorded()
    for name in ("centred-0.90/tau_mean", "centred-0.90/divergences", "centred-0.90/tau/ess_bulk"):
        assert recorded[name].nunique() > 0.6 * len(recorded)


@states("chapters/eight-schools.md", "A higher `target_accept` makes the steps shorter.")
@states("chapters/eight-schools.md", "lessen the trouble and raise the price")
@states("chapters/eight-schools.md", "Raising `target_accept` treats the symptom.")
@states("chapters/eight-schools.md", "Such a chain spends far more than")
def test_what_a_higher_target_buys_in_recorded_runs():
    recorded = runs.recorded()
    steps = [recorded[f"centred-{target}/steps_mean"].median() for target in ("0.90", "0.95", "0.99")]
    diverging = [recorded[f"centred-{target}/divergences"].median() for target in ("0.90", "0.95", "0.99")]
    assert steps[0] < steps[1] < steps[2] / 2
    assert diverging[0] > diverging[2]
    # The symptom is less, the posterior no better known: chains still miss or overdo the neck.
    neck = OWN.mass[TAU < 1].sum()
    off = abs(recorded["centred-0.99/tau_below_1"] - neck)
    assert off.median() > 3 * abs(recorded["non-centred/tau_below_1"] - neck).median()
    assert recorded["centred-0.99/tau_below_1"].max() > 1.5 * neck


@states("chapters/eight-schools.md", r"That is why the posterior of $\tau$ reaches down to zero.")
def test_a_larger_spread_would_leave_zero():
    """The density at zero, in units of its peak, with the reports as they are and with twice the spread."""

    def at_zero(far):
        one = ByHand(EFFECT.mean() + far * (EFFECT - EFFECT.mean()))
        return one.mass[0] / one.mass.max()

    assert at_zero(1.0) > 0.95
    assert at_zero(2.0) < 0.5
    assert at_zero(3.0) < 0.01
