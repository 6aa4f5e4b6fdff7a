"""Sentences that stand alone: on calls of ArviZ and PyMC, on models, on what the audit found."""

import ast
import inspect
import re

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from scipy import optimize, stats
from statements import ROOT, states

import hierarchical_exact as exact
from myst_nbval.pages import code_cells, read
from support import datasets, models, sampling
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling.audit import calibration, explanations, numbers, posteriors, runs

TODAY = "chapters/todays-code.md"
AUDIT = "chapters/audit.md"
EIGHT = "chapters/eight-schools.md"
POOLING = "chapters/pooling-problem.md"
PRACTICE = "chapters/practical-considerations.md"
SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"].values, SCHOOLS["standard_error"].values


def sources(page):
    return [cell.source for cell, _ in code_cells(read(ROOT / page))]


# -- ArviZ and PyMC --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def draws():
    posterior = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)
    return posterior.to_datatree(draws=500, rng=np.random.default_rng(58))


@states(TODAY, "The last two columns are the Monte Carlo standard errors of mean and sd")
@states(TODAY, "Mean and sd have as many digits as these errors allow, the ends of intervals two")
def test_the_digits_of_a_summary(draws):
    table = az.summary(draws, var_names=["mu"])
    assert list(table.columns[-2:]) == ["mcse_mean", "mcse_sd"]
    shown = dict(
        zip(str(table).split()[: len(table.columns)], str(table).splitlines()[1].split()[1:], strict=True)
    )
    for name, error in (("mean", "mcse_mean"), ("sd", "mcse_sd")):
        last = 10.0 ** -len(shown[name].partition(".")[2])  # the worth of the last digit
        assert 0.2 * last < float(shown[error]) < 10 * last
    # Ten times as many draws tell the mean to one digit more, and the ends to no more.
    rng = np.random.default_rng(3)
    for draws_each in (500, 50_000):
        table = az.summary(az.from_dict({"posterior": {"x": rng.normal(5, 3, (4, draws_each))}}))
        row = dict(zip(table.columns, table.to_string().splitlines()[1].split()[1:], strict=True))
        ends = [row[name] for name in table.columns if name.endswith(("_lb", "_ub"))]
        assert max(len(end.strip("-0.").replace(".", "")) for end in ends) <= 2
        most = max(len(row[name].replace(".", "")) for name in ("mean", "sd"))
        assert (most > 3) == (draws_each > 500)


@states(TODAY, "are drawn only where visuals asks for them")
def test_divergences_are_drawn_where_they_are_asked_for(draws):
    stats_of = draws["posterior"].to_dataset()
    diverging = xr.zeros_like(stats_of["mu"], dtype=bool)
    diverging[:, :5] = True
    fit = az.from_dict(
        {
            "posterior": {name: stats_of[name].values for name in ("mu", "tau")},
            "sample_stats": {"diverging": diverging.values},
        }
    )
    plain = az.plot_pair(fit, var_names=["mu", "tau"], backend="none")
    asked = az.plot_pair(fit, var_names=["mu", "tau"], backend="none", visuals={"divergence": True})
    assert "divergence" not in plain.viz.data_vars
    assert "divergence" in asked.viz.data_vars


@states(TODAY, "idata_kwargs does, with a warning that the log likelihood in it will go.")
@pytest.mark.slow
def test_idata_kwargs_will_go():
    with pm.Model():
        pm.Normal("mu", 0, 1, observed=pm.draw(pm.Normal.dist(), random_seed=58))
        pm.Normal("nu", 0, 1)
        with pytest.warns(FutureWarning, match="idata_kwargs.*will be removed"):
            pm.sample(draws=4, tune=4, chains=1, progressbar=False, idata_kwargs={"log_likelihood": True})


@states(TODAY, "This is what support.sampling.sample does in the rest of the book: the same call")
def test_the_book_samples_by_pm_sample():
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(inspect.getsource(sampling.sample)))
        if isinstance(node, ast.Call)
    }
    assert {"pm.sample", "diagnose"} <= called
    assert sampling.Diagnostics.__dataclass_fields__.keys() >= {"divergences", "r_hat", "ess"}


@states("chapters/loo-comparison.md", "the mixture of the models' predictions that would have predicted the")
@pytest.mark.slow
def test_stacking_weights():
    """Against the mixture that maximises the mean log density of what is left out."""
    rng, y = np.random.default_rng(58), np.random.default_rng(59).normal(0.6, 1, 60)
    fits, left_out = {}, []
    for name, centre in (("low", 0.0), ("high", 1.5)):
        mu = rng.normal(centre, 0.05, (4, 500))
        density = stats.norm(mu[..., None], 1).logpdf(y)
        fits[name] = az.from_dict({"posterior": {"mu": mu}, "log_likelihood": {"y": density}})
        left_out.append(az.loo(fits[name], pointwise=True).elpd_i.values)
    low, high = np.exp(left_out)
    best = optimize.minimize_scalar(
        lambda w: -np.log(w * low + (1 - w) * high).mean(), bounds=(0, 1), method="bounded"
    ).x
    assert 0.1 < best < 0.9
    assert az.compare(fits)["weight"]["low"] == pytest.approx(best, abs=0.02)


# -- models ----------------------------------------------------------------------------------------------


@states(EIGHT, "A step needs one gradient, and a gradient costs $O(J + N)$ operations for $J$ groups")
@states(EIGHT, "With tens of thousands of observations the sum over the likelihood dominates")
@pytest.mark.slow
def test_the_terms_of_a_gradient():
    """One term for each observation and one for each group, and no others, make PyMC's gradient."""
    rng = np.random.default_rng(58)
    for groups, observations in ((5, 20), (8, 20_000)):
        of = rng.integers(0, groups, observations)
        y, theta = rng.normal(size=observations), rng.normal(size=groups)
        with pm.Model() as model:
            pm.Normal("theta", 1.0, 2.0, shape=groups)
            pm.Normal("y", model["theta"][of], 3.0, observed=y)
        slope, terms = np.zeros(groups), 0
        for i in range(groups):
            slope[i] += (1.0 - theta[i]) / 4
            terms += 1
        for group, value in zip(of, y, strict=True):
            slope[group] += (value - theta[group]) / 9
            terms += 1
        np.testing.assert_allclose(model.compile_dlogp()({"theta": theta}), slope)
        assert terms == groups + observations
    assert observations / terms > 0.999


@states(EIGHT, "so that $L$ is nearly always one less than a power of two")
@pytest.mark.slow
def test_lengths_are_powers_of_two_less_one():
    with pm.Model() as model:
        tau = pm.HalfNormal("tau", 10)
        raw = pm.Normal("raw", shape=8)
        pm.Normal("y", 8 + tau * raw, ERROR, observed=EFFECT)
    steps = sampling.sample(model, draws=500, tune=500, chains=2, report=False)["sample_stats"]["n_steps"]
    exponent = np.log2(steps.values + 1)
    assert (exponent == exponent.round()).mean() > 0.95


@states(
    PRACTICE,
    "One model, written once with the standard errors as data that can be exchanged, serves all five",
)
@states(PRACTICE, "called directly, compiles it once per parameterisation")
def test_one_model_serves_all_data():
    """By the code of its page: nutpie compiles outside the loop over data, and what changes is data."""
    cell = next(source for source in sources(PRACTICE) if "def sweep(" in source)
    sweep = next(node for node in ast.parse(cell).body if isinstance(node, ast.FunctionDef))
    loop = next(node for node in sweep.body if isinstance(node, ast.For))
    outside = ast.unparse([node for node in sweep.body if node is not loop][1])
    assert "compile_pymc_model" in outside
    assert "compile_pymc_model" not in ast.unparse(loop)
    assert "with_data" in ast.unparse(loop)
    assert (
        len(
            next(
                ast.literal_eval(m) for s in sources(PRACTICE) for m in re.findall(r"sizes = .*?(\[.*?\])", s)
            )
        )
        == 5
    )


@states(PRACTICE, "From 10 to 1000 groups the trajectories become only a few times longer.")
@states(PRACTICE, "cost per draw therefore grows a little faster than $J$")
@states(PRACTICE, "Cost grows about linearly with the number of groups.")
@pytest.mark.slow
def test_trajectories_grow_slowly():
    lengths = []
    for groups in (10, 1000):
        effect = np.random.default_rng(58).normal(8, np.hypot(8, 10), groups)
        data = {"effect": ("school", effect), "standard_error": ("school", np.full(groups, 10.0))}
        model = models.schools_noncentred(xr.Dataset(data, {"school": np.arange(groups)}))
        fit = sampling.sample(model, draws=200, tune=300, chains=2, report=False)
        lengths.append(float(fit["sample_stats"]["n_steps"].mean()))
    growth = lengths[1] / lengths[0]
    assert 1.2 < growth < 6
    assert 1 < np.log(100 * growth) / np.log(100) < 1.4  # the power of J with which the cost grows


@states(PRACTICE, "Such a tail is hard to sample as well.")
@pytest.mark.slow
def test_a_heavy_tail_is_hard_to_sample():
    three = SCHOOLS.isel(school=slice(0, 3))
    found = []
    for prior in (lambda: pm.HalfNormal("tau", 10), lambda: pm.Uniform("tau", 0, 1000)):
        with pm.Model() as model:
            mu, tau, z = pm.Normal("mu", 0, 20), prior(), pm.Normal("z", shape=3)
            pm.Normal("y", mu + tau * z, three["standard_error"].values, observed=three["effect"].values)
        fit = sampling.sample(model, report=False)
        found.append((sampling.diagnose(fit).divergences, sampling.diagnose(fit).ess))
    assert found[1][0] > found[0][0]
    assert found[1][1] < found[0][1]


@states(POOLING, "The models never see these.")
def test_models_do_not_see_the_true_means():
    seen = [
        ast.unparse(node)
        for source in sources(POOLING)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and re.match(r"(exact|models|pm)\.\w+$", ast.unparse(node.func))
    ]
    assert len(seen) > 3
    assert not [call for call in seen if re.search(r"\btruth\b|true_mean", call)]


@states(POOLING, "Partial pooling uses more data for each section.")
@states(POOLING, "Its interval has to hold both readings.")
@states(POOLING, "Its interval has to hold both possibilities.")
def test_two_readings_of_the_third_section():
    data = datasets.instructors()
    scores = data["score"].groupby(data["instructor"])
    mean, error = scores.mean().values, (scores.std(ddof=1) / np.sqrt(scores.count())).values
    priors = {"mu": stats.norm(50, 25)}
    fit = exact.normal(mean, error, **priors, tau=TAU_PRIOR)["theta"].sel(group=2)
    ends = np.ravel(fit.hdi(0.89).values)
    lower, upper = np.ravel(
        exact.normal(mean, error, **priors, tau=TAU_PRIOR)["tau"].quantile([0.055, 0.945])
    )
    readings = [
        float(exact.normal(mean, error, **priors, tau=tau)["theta"].sel(group=2).mean())
        for tau in (lower, upper)
    ]
    assert readings[0] - readings[1] > 1  # a small tau moves it a lot
    assert ends[0] < readings[1] < readings[0] < ends[1]
    moved = exact.normal(np.append(mean[:4], mean[4] + 5), error, **priors, tau=TAU_PRIOR)
    assert abs(float(moved["theta"].sel(group=2).mean()) - float(fit.mean())) > 0.05


@states("chapters/recap.md", "The book asks for $\\hat R < 1.01$.")
def test_the_r_hat_that_is_asked_for():
    assert "Ask for $\\hat R < 1.01$" in (ROOT / EIGHT).read_text("utf-8")


@states("chapters/radon.md", "Of each form there are 4,000 draws.")
@states(
    "chapters/radon.md",
    "With more houses the second is a joint density, of all its houses together, and the lower one",
)
def test_numbers_of_the_page_on_radon():
    text = (ROOT / "chapters" / "radon.md").read_text("utf-8")
    rows = re.findall(r"^  (\S.*?) {2,}(\d+) +(-\d+\.\d+) +(-\d+\.\d+)$", text, re.MULTILINE)
    assert len(rows) == 3
    for _, houses, alone, together in rows:
        assert float(together) <= float(alone)
        assert (float(together) < float(alone)) == (int(houses) > 1)
    code = "\n".join(sources("chapters/radon.md"))
    assert re.search(r"def sample|from support.sampling import sample", code)
    assert code.count("draws=1000") >= 3


# -- the audit -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@states(AUDIT, "What can be had by arithmetic from given numbers is right, with a few slips.")
@states(AUDIT, "But they fit another posterior, the one under flat priors on $\\mu$ and $\\tau$.")
@states(AUDIT, "The one entry that flat priors do not explain is the lower end of the interval of $\\tau$.")
@states(
    AUDIT, "Where the two differ, the number could come from the model only if the sampler was as poor as"
)
def test_what_the_audit_says_of_its_tables():
    verdicts = numbers.verdicts()
    by_hand = verdicts[verdicts["group"].str.startswith(("example-shrinkage", "exercise-1"))]
    slips = (by_hand["verdict"] != "reproduced").sum()
    assert 0 < slips < 0.2 * len(by_hand)
    flat = explanations.summary_under(posteriors.flat_posterior())["verdict"]
    own = explanations.summary_under(posteriors.schools_posterior())["verdict"]
    assert (own == "not reproduced").sum() > 20
    counted = [place for place in flat.index if place[1] in ("mean", "sd", "hdi_lower", "hdi_upper")]
    assert len(counted) == 40
    assert [place for place in counted if flat[place] == "not reproduced"] == [("tau", "hdi_lower")]
    lenient = verdicts[verdicts["verdict"] != verdicts["own_verdict"]]
    assert set(lenient["verdict"]) == {"agrees"}
    assert set(lenient["own_verdict"]) == {"not reproduced"}


@states(AUDIT, "The simulated data are not what the code beside them gives.")
@states(AUDIT, "None does, in either generator, if the draws are made in the order of the source's code.")
@pytest.mark.slow
def test_no_seed_gives_the_printed_data():
    assert list(explanations.seeds_that_give_the_survey(range(3000))) == []
    assert list(explanations.seeds_that_give_the_hospitals(range(3000))) == []


@states(AUDIT, "of … stated effective sizes lie below every run of ours.")
def test_stated_effective_sizes():
    verdicts = numbers.verdicts()
    sizes = verdicts[verdicts["column"].str.startswith("ess") & (verdicts["row"] != "centred")]
    below = sizes["stated"].astype(float) < sizes["low"]
    assert 0.5 < below.mean() < 1


@states(
    "chapters/calibration.md",
    "Each number is the smallest of a list of sizes with which nine of ten studies notice the fault",
)
def test_the_smallest_number_of_sets():
    """The fault is noticed by any study of ten sets or more, and by none of fewer."""
    places = pd.DataFrame({"mu": np.random.default_rng(58).random(400)})
    assert calibration.sets_needed(lambda rows: len(rows) >= 10, places) == 10
    assert np.isinf(calibration.sets_needed(lambda rows: False, places))
    assert calibration.LEVEL == 0.05


@states(
    "chapters/calibration.md",
    "The models that only one page has, such as those with groups within groups, are held there",
)
@states(
    "chapters/bringing-together.md",
    "Every sampled mean and every standard deviation lies within 4.5 Monte Carlo standard errors",
)
@states("chapters/bringing-together.md", "What remains is one integral over $\\tau_\\text{school}$")
def test_models_of_one_page_are_held_there():
    page = "chapters/bringing-together.md"
    nested = re.findall(
        r"^  (\w+) .*  (agrees|differs|too few draws)$", (ROOT / page).read_text("utf-8"), re.MULTILINE
    )
    assert {"mu", "tau_district", "tau_school", "phi", "theta"} <= {name for name, _ in nested}
    assert {found for _, found in nested} == {"agrees"}
    code = "\n".join(sources(page))
    assert "(abs(z_mean) < 4.5).all() and (abs(z_sd) < 4.5).all()" in code
    assert "with pm.Model" in code


@states("solutions/alpha-prior.md", "At the other end they are silent.")
def test_counts_say_nothing_of_large_concentrations():
    count = datasets.survey()["count"].values
    fits = [
        exact.dirichlet_multinomial(count, alpha=alpha, baseline=np.ones(4)).log_evidence
        for alpha in (8.0, 300.0, 1e3, 1e5)
    ]
    assert fits[1] - fits[0] > 5
    assert np.ptp(fits[1:]) < 0.5


@states("solutions/hierarchical-poisson.md", "are squeezed onto $\\mu_{\\log}$")
@states("solutions/hierarchical-poisson.md", "Small hospitals with few events say little about their rate")
def test_hospitals_with_few_events():
    data = datasets.hospitals()
    count, exposure = data["count"].values, data["exposure"].values
    tight = exact.poisson(count, exposure, mu_log=stats.norm(0, 1), sigma_log=0.01)["lam"]
    means = tight.mean().values
    assert np.ptp(np.log(means)) < 0.01
    wide = [stats.gamma(n + 1, scale=1 / e) for n, e in zip(count, exposure, strict=True)]
    relative = np.array([one.std() / one.mean() for one in wide])
    assert np.argsort(-relative)[0] == count.argmin()
    assert np.corrcoef(relative, count)[0, 1] < -0.8


@states("solutions/leave-one-school-out.md", "looks at how the eight differences scatter around their mean")
def test_the_usual_standard_error_looks_at_scatter():
    complete, partial = (
        exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=tau).elpd_loo.values for tau in (0.0, TAU_PRIOR)
    )
    difference = partial - complete
    shifted = difference + 3
    usual = [np.sqrt(8) * one.std(ddof=1) for one in (difference, shifted, difference[::-1])]
    assert usual == pytest.approx([usual[0]] * 3)


@states("solutions/noncentred-reparameterisation.md", "The same model can be easy or hard to sample")
def test_easy_and_hard_coordinates():
    recorded = runs.recorded()
    assert (recorded["centred-0.90/tau/ess_bulk"] < recorded["non-centred/tau/ess_bulk"]).all()


@states("chapters/bringing-together.md", "The idea works with counts and with shares as well.")
def test_counts_and_shares_are_pooled_too():
    hospitals, rats = datasets.hospitals(), datasets.rat_tumours()
    count, exposure = hospitals["count"].values, hospitals["exposure"].values
    tumours, number = rats["tumours"].values, rats["rats"].values
    rates = exact.poisson(count, exposure, mu_log=stats.norm(0, 1), sigma_log=stats.halfnorm(scale=1))["lam"]
    shares = exact.beta_binomial(
        tumours, number, mean=stats.beta(1, 1), concentration=stats.gamma(2, scale=20)
    )["theta"]
    for estimate, raw in ((rates, count / exposure), (shares, tumours / number)):
        assert estimate.mean().values.std() < 0.95 * raw.std()


# -- arithmetic ----------------------------------------------------------------------------------------------


@states("solutions/shrinkage-arithmetic.md", "Even its own rounded terms, 3.86 and 6.90, add up to 10.76.")
@states("solutions/shrinkage-arithmetic.md", "And the other seven effects do not average nearly 8, but 6")
@states("solutions/shrinkage-arithmetic.md", "The factors are equal, so these are ties")
@states("solutions/unequal-regions.md", "Most of the 805 respondents live in one region.")
@states(
    "chapters/dirichlet-multinomial.md",
    "the raw shares of region 5 lie close to the baseline, those of region 3",
)
@states("chapters/dirichlet-multinomial.md", "though region 5 has nine respondents for each")
@states(EIGHT, "312 is more than a sixth of 1841")
@states(EIGHT, "Nor does a larger standard error always mean a wider interval:")
@states(EIGHT, "School A reported 28 points, with a standard error of 15.")
@states(PRACTICE, "so that all standard errors are divided by 2, 4, 8 and 16")
@states(
    "solutions/new-group-prediction.md",
    "No posterior of twelve schools with these standard errors is as narrow as",
)
@states(
    "solutions/noncentred-reparameterisation.md",
    "0.04 to 13.87 and 0.16 to 14.34, are not highest-density intervals",
)
def test_sums_and_shares():
    assert round(3.86 + 6.90, 2) == 10.76
    assert EFFECT[1:].mean() == pytest.approx(6)
    assert (ERROR[1], ERROR[3]) == (ERROR[6], ERROR[5])
    assert 500 > 805 / 2
    count = datasets.survey()["count"].values
    share = count / count.sum(axis=1, keepdims=True)
    baseline = exact.dirichlet_multinomial(count, alpha=stats.expon(scale=1), baseline=np.ones(4))[
        "pi0"
    ].mean()
    off = abs(share - baseline.values).sum(axis=1)
    assert off[4] < off[2] / 2
    assert (count[4] == 9).sum() == 2
    assert 312 > 1841 / 6
    assert (EFFECT[0], ERROR[0]) == (28, 15)
    posterior = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)
    width = np.ptp(posterior["theta"].hdi(0.89).values, axis=-1)
    assert ERROR[0] < ERROR[7]
    assert width[0] > width[7]
    assert np.sqrt([4, 16, 64, 256]).tolist() == [2, 4, 8, 16]
    drawn = datasets.simulate_schools_with_covariate(np.random.default_rng(42))["standard_error"].values
    assert explanations.smallest_covariate_sds(drawn)["beta"] > 4.27
    assert posterior["tau"].hdi(0.89).values[0] == pytest.approx(0, abs=1e-3)
    assert posterior["tau"].hdi(0.89).values[1] < 13
