"""What the glossary says of its words, and the audit of tables and ranges."""

import inspect

import arviz as az
import numpy as np
import pandas as pd
import pytest
from by_hand import EFFECT, ERROR, TAU, ByHand
from scipy import stats
from statements import ROOT, states

import hierarchical_exact as exact
from support import datasets
from support.conventions import LARGEST_Z, MU_PRIOR, TAILS, TAU_PRIOR
from tooling.audit import numbers, runs, sensitivity

OWN = ByHand()
A, E, H = 0, 4, 7


def schools(tau=TAU_PRIOR, mu=MU_PRIOR, sigma=ERROR):
    return exact.normal(EFFECT, sigma, mu=mu, tau=tau)


# -- the glossary ---------------------------------------------------------------------------------------


@states("glossary.md", r"The limit $\tau = 0$ of partial pooling")
@states("glossary.md", r"The limit $\tau \to \infty$ of partial pooling")
@states("glossary.md", "It is strong for groups with little data, and weak for groups with much")
@states("glossary.md", "toward which group estimates are pulled")
def test_limits_of_pooling():
    together, apart = schools(1e-6)["theta"].mean().values, schools(1e6)["theta"].mean().values
    assert together == pytest.approx(np.full(8, schools(0.0)["mu"].mean()), abs=1e-4)
    assert apart == pytest.approx(EFFECT, abs=1e-4)
    way = (EFFECT - OWN.theta) / (EFFECT - OWN.mu)
    far = abs(EFFECT - OWN.mu) > 3
    assert ((way > 0) & (way < 1))[far].all()
    little, much = (ByHand(error=np.where(np.arange(8) == A, error, ERROR)) for error in (30.0, 3.0))
    assert (28 - little.theta[A]) / (28 - little.mu) > 0.9
    assert (28 - much.theta[A]) / (28 - much.mu) < 0.4


@states("glossary.md", "Exchangeable quantities need not be independent: seeing some tells about the others")
@states("glossary.md", "The information passes through the hyperparameters")
def test_seeing_some_tells_about_others():
    before = np.sqrt(400 + 100)
    seen = exact.normal(EFFECT[:4], ERROR[:4], mu=MU_PRIOR, tau=TAU_PRIOR)["theta_new"]
    assert seen.sd() < 0.6 * before
    known = [exact.normal(y, ERROR[:4], mu=8.0, tau=6.0)["theta_new"] for y in (EFFECT[:4], 5 * EFFECT[:4])]
    assert [one.mean() for one in known] == pytest.approx([8, 8])
    assert [one.sd() for one in known] == pytest.approx([6, 6])


@states("glossary.md", "wide at large $\\tau$, a narrow neck at small $\\tau$.")
@states("glossary.md", "No single step size suits both ends")
@states("glossary.md", "because the step was too long for the local curvature.")
def test_the_funnel_and_its_steps():
    """The spread of an effect given tau, and what a leapfrog step twice as long as it does."""
    spread = {tau: schools(tau)["theta"].sd().values[A] for tau in (0.1, 10.0)}
    alone = {tau: (1 / 15**2 + 1 / tau**2) ** -0.5 for tau in spread}
    assert alone[10.0] > 50 * alone[0.1]

    def error_of_energy(step, sd):
        place, push = sd, 0.3
        for _ in range(20):
            push -= step / 2 * place / sd**2
            place += step * push
            push -= step / 2 * place / sd**2
        return abs((place / sd) ** 2 / 2 + push**2 / 2 - 0.5 - 0.045)

    suits = {tau: sd / 2 for tau, sd in alone.items()}
    assert error_of_energy(suits[10.0], alone[10.0]) < 1
    assert error_of_energy(suits[10.0], alone[0.1]) > 1000
    assert error_of_energy(suits[0.1], alone[10.0]) < 1
    assert 6 / suits[0.1] > 50 * 6 / suits[10.0]  # it would take that many more steps


@states("glossary.md", "Bulk ESS is about the centre of the distribution, tail ESS about its ends")
@states("glossary.md", "this book asks for less than 1.01")
def test_bulk_and_tail():
    """Chains that are independent in the middle, and stay long where they are far out."""
    rng = np.random.default_rng(58)
    scale = np.exp(np.repeat(rng.normal(0, 0.7, (4, 40)), 50, axis=1))  # lasts fifty draws
    draws = rng.normal(size=(4, 2000)) * scale
    assert float(az.ess(draws, method="tail", prob=(0.05, 0.95))) < 0.5 * float(az.ess(draws, method="bulk"))
    moved = draws + 50  # where the distribution lies is nothing to either
    assert float(az.ess(moved, method="tail", prob=(0.05, 0.95))) == pytest.approx(
        float(az.ess(draws, method="tail", prob=(0.05, 0.95)))
    )
    assert "1.01" in (ROOT / "support" / "sampling.py").read_text("utf-8") + (
        ROOT / "chapters" / "eight-schools.md"
    ).read_text("utf-8")


@states("glossary.md", "the same probability on either side: for 89%, from the 5.5% to the 94.5% quantile.")
@states("glossary.md", "The shortest interval that holds a stated probability.")
@states("chapters/pooling-problem.md", "hold 89%, with 5.5% of the probability left out at either end.")
def test_two_kinds_of_interval():
    assert TAILS.tolist() == [0.055, 0.945]
    survey = exact.dirichlet_multinomial(
        datasets.survey()["count"].values, alpha=stats.expon(scale=1), baseline=np.ones(4)
    )["pi"]
    data = datasets.hospitals()
    rate = exact.poisson(
        data["count"].values,
        data["exposure"].values,
        mu_log=stats.norm(0, 1),
        sigma_log=stats.halfnorm(scale=1),
    )["lam_new"]
    book = schools()

    def shorter(marginal):
        """By what part the shortest interval is shorter than the one with equal tails, at most."""
        hdi = np.ravel(np.ptp(marginal.hdi(0.89).transpose(..., "ci_bound").values, axis=-1))
        ends = [np.ravel(np.asarray(marginal.quantile(q))) for q in TAILS]
        return (1 - hdi / (ends[1] - ends[0])).max()

    assert 0 <= shorter(book["theta"]) < 0.02
    assert 0 <= shorter(survey) < 0.05
    assert shorter(book["tau"]) > 0.08
    assert shorter(rate) > 0.05


@states("glossary.md", "It depends on the prior, also where the posterior hardly does")
@states("glossary.md", "the likelihood averaged over the prior.")
@states("glossary.md", "It estimates elpd without new data")
def test_evidence_and_elpd():
    one, wide = schools(0.0), schools(0.0, mu=stats.norm(0, 200))
    assert one.log_evidence - wide.log_evidence > 2
    assert abs(one["mu"].mean() - wide["mu"].mean()) < 0.1 * one["mu"].sd()
    mu = stats.norm(0, 20).ppf((np.arange(200_000) + 0.5) / 200_000)
    likelihood = np.exp(stats.norm(mu[:, None], ERROR).logpdf(EFFECT).sum(axis=1))
    assert one.log_evidence == pytest.approx(np.log(likelihood.mean()), abs=1e-4)
    # On average over data, LOO is the score that new data will have, but for one school less to learn from.
    rng, told, kept = np.random.default_rng(58), [], []
    for _ in range(600):
        y = rng.normal(8, ERROR)
        precision = 1 / 400 + (ERROR**-2).sum()
        less = precision - ERROR**-2
        centre = (y @ ERROR**-2.0 - y / ERROR**2) / less
        told.append(stats.norm(centre, np.sqrt(1 / less + ERROR**2)).logpdf(y).sum())
        law = stats.norm(y @ ERROR**-2.0 / precision, np.sqrt(1 / precision + ERROR**2))
        kept.append(law.logpdf(rng.normal(8, ERROR)).sum())
    error = 4 * np.hypot(np.std(told), np.std(kept)) / np.sqrt(600)
    assert np.mean(told) == pytest.approx(np.mean(kept), abs=error + 0.15)


@states("glossary.md", r"It can put $\hat\tau$ exactly at zero")
@states("glossary.md", r"For Normal groups it is the shrinkage formula with $\hat\mu$ and $\hat\tau$")
@states("glossary.md", "Usable only where the posterior it leads to does integrate")
@states(
    "chapters/practical-considerations.md",
    "REML reports the highest point of the curve over which Bayes averages.",
)
def test_reml_blup_and_improper_priors():
    curve = np.asarray(exact.normal(EFFECT, ERROR, mu=None, tau=None)["tau"].pdf(TAU))
    assert curve.argmax() == 0  # flat priors leave the restricted likelihood
    # BLUP by Henderson's equations, for tau = 6.
    n, tau = 8, 6.0
    weight = np.diag(ERROR**-2.0)
    left = np.block(
        [
            [np.array([[weight.sum()]]), np.diag(weight)[None]],
            [np.diag(weight)[:, None], weight + np.eye(n) / tau**2],
        ]
    )
    solved = np.linalg.solve(left, np.append((weight @ EFFECT).sum(), weight @ EFFECT))
    mu, effects = solved[0], solved[1:]
    b = ERROR**2 / (ERROR**2 + tau**2)
    assert mu + effects == pytest.approx((1 - b) * EFFECT + b * mu)
    with pytest.raises(ValueError, match="posterior"):
        exact.normal(EFFECT[:2], ERROR[:2], mu=None, tau=None)


@states("glossary.md", "it acts like a number of earlier observations.")
@states("glossary.md", "Beta for Binomial, Dirichlet for Multinomial data")
def test_concentration_counts_like_observations():
    base, early = np.array([0.25, 0.35, 0.25, 0.15]), np.array([5, 7, 5, 3])
    flat = stats.dirichlet([1e-9 + y for y in early])  # twenty observations and no prior to speak of
    assert flat.mean() == pytest.approx(stats.dirichlet(20 * base).mean())
    assert flat.var() == pytest.approx(stats.dirichlet(20 * base).var())
    x = np.linspace(0.05, 0.95, 7)
    ratio = stats.beta(2, 3).pdf(x) * stats.binom(9, x).pmf(4) / stats.beta(6, 8).pdf(x)
    assert ratio == pytest.approx(np.full(7, ratio[0]))


# -- the audit ------------------------------------------------------------------------------------------


@states(
    "chapters/audit.md",
    "it would fall outside their range with probability $2/(n+1)$ at most, whatever the distribution",
)
@states("chapters/audit.md", "with … of nutpie's once more by code that is compiled for any processor of the")
@states("chapters/audit.md", "So **inside** says only that the number is possible.")
@states("chapters/audit.md", "more runs have widened the range of the centred form's divergences")
@states("chapters/audit.md", "and one such number among many means little.")
def test_one_run_more():
    rng = np.random.default_rng(58)
    for law in (rng.normal, rng.standard_cauchy, rng.standard_exponential):
        many = law(size=(40_000, 31))
        last, rest = many[:, -1], many[:, :-1]
        outside = ((last < rest.min(axis=1)) | (last > rest.max(axis=1))).mean()
        assert outside == pytest.approx(2 / 31, abs=4 * np.sqrt(2 / 31 / 40_000))
    assert 1 - (1 - 2 / 31) ** 30 > 0.8  # of thirty such numbers one will
    recorded = runs.recorded()
    made = recorded.groupby(["sampler", "processor"]).size().to_dict()
    assert made == {("nutpie", "native"): 20, ("nutpie", "generic"): 5, ("pymc", "native"): 25}
    for _, of in recorded.groupby("sampler"):
        count = of["centred-0.90/divergences"].to_numpy()
        assert np.ptp(count) > np.ptp(count[:10])


@states("chapters/audit.md", "27 divergences only because nutpie has so few")
@states(
    "chapters/audit.md",
    "For the centred form a wide range of numbers is possible, and the stated ones lie in it",
)
@states(
    "chapters/audit.md", "Note the row for the centred mean of $\\tau$: … of … runs lie above the exact …."
)
@states("chapters/audit.md", "Divergences, effective sample sizes and $\\hat R$ have no true value.")
def test_stated_diagnostics_and_recorded_runs():
    recorded = runs.recorded()
    count = recorded.groupby("sampler")["centred-0.90/divergences"]
    assert count.min()["nutpie"] <= 27 <= count.max()["nutpie"] < count.min()["pymc"]
    ess = recorded["centred-0.90/tau/ess_bulk"]
    assert ess.min() < 312 < ess.max()
    above = (recorded["centred-0.90/tau_mean"] > OWN.tau).mean()
    assert 0.8 < above < 1
    assert np.ptp(recorded["centred-0.90/tau/r_hat"]) > 0.01


@states("chapters/audit.md", "So a half-Normal(10) that was typed as a half-Normal(9) may well escape")
@states(
    "chapters/audit.md", "so may, by a narrow margin, a prior of $\\mu$ that is a thousand times as wide."
)
@states(
    "chapters/audit.md",
    "The change counts as noticed when nine runs in ten would call a mean, a standard deviation or a "
    "quantile different, with 4,000 independent draws.",
)
@states("chapters/audit.md", "(Those of this book are worth less for $\\tau$, and more for $\\mu$.)")
@states("chapters/audit.md", "those move a posterior by more.")
def test_what_a_comparison_can_see():
    table = pd.read_csv(ROOT / "tooling/audit/data/sensitivity.csv").query("model == 'Eight Schools'")
    table = table.set_index("constant")
    assert table.loc["tau_scale", "below"] < 9
    assert np.isnan(table.loc["mu_sd", "above"])
    compared = sensitivity.Comparer(sensitivity.models()[0])
    assert compared.distance(tau_scale=9.0) < LARGEST_Z
    assert sensitivity.ESS == 4000
    assert stats.norm.sf(LARGEST_Z - sensitivity.FAR) == pytest.approx(0.9)
    assert 0.95 * sensitivity.FAR < compared.distance(mu_sd=20_000.0) < sensitivity.FAR
    ess = runs.recorded()[[f"non-centred/{name}/ess_bulk" for name in ("tau", "mu")]].median()
    assert ess.iloc[0] < sensitivity.ESS < ess.iloc[1]
    # In Monte Carlo errors of 4,000 draws: a narrower prior, and the faults that comparisons are for.
    book = schools()

    def z(other):
        return (
            abs(other["theta"].mean().values - book["theta"].mean().values)
            / book["theta"].sd().values
            * np.sqrt(4000)
        )

    nine = z(schools(stats.halfnorm(scale=9))).max()
    assert nine < LARGEST_Z
    wide = exact.normal(EFFECT, ERROR, mu=stats.norm(0, 20_000), tau=TAU_PRIOR)
    assert z(wide).max() < LARGEST_Z
    assert z(schools(sigma=ERROR**2)).max() > 4 * nine
    swapped = EFFECT[[1, 0, *range(2, 8)]]
    assert z(exact.normal(swapped, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)).max() > 4 * nine


@states("chapters/audit.md", "and 0.16 is too far above for that.")
@states(
    "chapters/audit.md",
    r"The density of $\tau$ is highest at zero under both, so that a shortest interval begins there",
)
def test_where_a_shortest_interval_begins():
    flat = exact.normal(EFFECT, ERROR, mu=None, tau=None)["tau"]
    curve = np.asarray(flat.pdf(TAU))
    for mass in (OWN.mass, curve / curve.sum()):
        assert mass.argmax() == 0
        rng = np.random.default_rng(58)
        begins = [float(az.hdi(rng.choice(TAU, 1841, p=mass), prob=0.89)[0]) for _ in range(100)]
        # The grid begins at a fortieth of a point.
        assert np.mean(np.array(begins) >= 0.16) < 0.02


def test_two_sds_of_e_and_a_slip():
    """What the audit says of them where a class does not see it, so that it is not quoted."""
    assert OWN.sd[E] == pytest.approx(5.7, abs=0.05)
    flat = exact.normal(EFFECT, ERROR, mu=None, tau=None)["theta"]
    assert abs(flat.sd().values[E] - 6.20) < abs(OWN.sd[E] - 6.20) / 2
    assert round(225 / (225 + 36) * 8 + 36 / (225 + 36) * 28, 2) == 10.76
    assert round(3.86 + 6.90, 2) == 10.76
    printed = {0: (0.862, 10.77), 2: (0.877, 6.49), 5: (0.771, 6.46)}
    for school, (factor, estimate) in printed.items():
        right = ERROR[school] ** 2 / (ERROR[school] ** 2 + 36)
        assert round(right, 3) == factor
        assert round(8 * right + (1 - right) * EFFECT[school], 2) != estimate
    assert round(100 * (28 - 10.77) / 28, 1) == 61.5
    assert round(100 * (28 - 10.76) / 28, 1) == 61.6


@states(
    "chapters/audit.md",
    "so that even over 8,000 draws the noise leaves its mark on the mean: … points for school A.",
)
@states("chapters/audit.md", "events expected would be off by … in root mean square.")
def test_bounds_and_noise():
    """The sd of beta from the precisions of mu and beta, given tau."""
    data = datasets.simulate_schools_with_covariate(np.random.default_rng(42))
    kind, error = data["private"].values, data["standard_error"].values

    def sd(tau, error):
        weight = 1 / (error**2 + tau**2)
        mean, both = weight.sum() + 1 / 400, (weight * kind).sum()
        return np.sqrt(mean / (mean * (both + 1 / 100) - both**2))

    known = [sd(tau, error) for tau in (0.0, 2.0, 5.0, 10.0)]
    assert (np.diff(known) > 0).all()
    assert known[0] > 6
    best = sd(0.0, np.full(12, 8.0))
    assert (
        4.27 < best < 4.27 * (1 + 4 / np.sqrt(2 * 500))
    )  # near enough for luck, with some hundreds of draws
    noise = np.sqrt(15**2 + OWN.sd[A] ** 2) / np.sqrt(8000)
    assert noise > 0.1  # a decimal that is printed
    expected = 8.2 * 1.05
    assert np.random.default_rng(58).poisson(expected, 100_000).std() == pytest.approx(
        np.sqrt(expected), rel=0.01
    )


@states("chapters/audit.md", "So the means were copied from the table above them rather than drawn.")
@states(
    "chapters/audit.md",
    "Each single standard deviation is within four standard errors of the model's; taken together they are",
)
@states("chapters/audit.md", "with its section, its place there and what covers it.")
def test_replicated_effects_as_printed():
    predictive, summary = (numbers.group_named(f"eight-schools-{name}") for name in ("predictive", "summary"))
    names = list("ABCDEFGH")
    means = np.array([numbers.number(predictive, name, "replicated_mean") for name in names])
    table = np.array([numbers.number(summary, f"theta[{name}]", "mean") for name in names])
    assert abs(means - table).max() <= 0.0501
    noise = np.sqrt(ERROR**2 + OWN.sd**2) / np.sqrt(8000)
    by_chance = np.prod(stats.norm.cdf(0.05 / noise) - stats.norm.cdf(-0.05 / noise))
    assert by_chance < 1e-3
    sds = np.array([numbers.number(predictive, name, "replicated_sd") for name in names])
    model = np.sqrt(ERROR**2 + OWN.sd**2)
    z = (sds - model) / (model / np.sqrt(2 * 8000))
    assert abs(z).max() < 4
    assert stats.chi2(8).sf(z @ z) < 1e-4
    inventory = pd.read_csv(ROOT / "tooling/audit/data/inventory.csv")
    assert inventory[["section", "place", "coverage"]].notna().all(axis=None)


# -- today's calls --------------------------------------------------------------------------------------


@states("chapters/todays-code.md", "The words are `ci_prob` and `ci_kind` now.")
@states("chapters/todays-code.md", "There is one criterion, leave-one-out, and `ic` is gone.")
@states("chapters/todays-code.md", "without a word about intervals, shows one of 89%.")
@states(
    "chapters/todays-code.md",
    'an interval leaves out as much below as above, unless `ci_kind="hdi"` asks for the',
)
@states("chapters/todays-code.md", "whose density is high near zero, the two differ visibly.")
@states(
    "chapters/todays-code.md",
    "The words for an interval are `ci_prob` with `ci_kind`, and `prob` in `az.hdi`.",
)
@states("chapters/todays-code.md", "The share is the same, the interval is not.")
def test_words_of_today():
    words = {
        name: set(inspect.signature(getattr(az, name)).parameters) for name in ("summary", "compare", "hdi")
    }
    assert {"ci_prob", "ci_kind"} <= words["summary"]
    assert "hdi_prob" not in words["summary"]
    assert "ic" not in words["compare"]
    assert "prob" in words["hdi"]
    draws = np.random.default_rng(58).choice(TAU, (4, 2000), p=OWN.mass)
    tree = az.from_dict({"posterior": {"tau": draws}})
    plain = az.summary(tree, round_to="none")
    assert [name for name in plain if name.endswith("lb")] == ["eti89_lb"]
    low, high = plain.iloc[0][["eti89_lb", "eti89_ub"]]
    assert [(draws < low).mean(), (draws > high).mean()] == pytest.approx([0.055, 0.055], abs=0.003)
    shortest = az.summary(tree, ci_kind="hdi", round_to="none").iloc[0]
    ends = shortest.filter(like="hdi").to_numpy(float)
    assert ((draws >= ends[0]) & (draws <= ends[1])).mean() == pytest.approx(0.89, abs=0.01)
    assert high - low > 1.08 * np.ptp(ends)
