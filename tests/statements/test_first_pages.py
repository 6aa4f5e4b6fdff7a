"""What the introduction, the opening page and the recap say."""

import inspect
import re

import arviz as az
import numpy as np
import pymc as pm
import pytest
import yaml
from scipy import integrate, signal, stats
from statements import ROOT, states

import hierarchical_exact as exact
from support import datasets, sampling
from support.conventions import MU_PRIOR, TAILS, TAU_PRIOR

SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"].values, SCHOOLS["standard_error"].values
A, G = 0, 6
VERDICTS = ("agrees", "not reproduced")
CHAPTERS = [
    (ROOT / f"{chapter['file']}.md").read_text("utf-8")
    for chapter in yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))["parts"][0]["chapters"]
]


def weight(error, tau):
    return error**2 / (error**2 + tau**2)


@pytest.fixture(scope="module")
def posterior():
    return exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)


@pytest.fixture(scope="module")
def common():
    return exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0)


# -- the introduction ----------------------------------------------------------------------------------


@states("intro.md", "numbered as in the source, from 5.8 and 5.33 on")
@states("intro.md", "Figures that the source does not have begin at 5.37.")
def test_figures_of_the_source_and_of_the_book():
    pages = [*(ROOT / "chapters").glob("*.md"), *(ROOT / "solutions").glob("*.md")]
    found = {
        name for page in pages for name in re.findall(r'name: "?fig-5-(\d+\w?)', page.read_text("utf-8"))
    }
    assert {name for name in found if int(name[:2]) < 37} == {"33", "34", "34a", "35", "36"}
    assert {str(number) for number in range(37, 68)} <= found


@states("intro.md", "Each chapter ends with What to remember, the last of Section 5.8 with")
@states("intro.md", "Most cells are short; those that draw the figure at the head of a page are folded")
def test_how_pages_end_and_which_cells_are_folded():
    lengths = []
    for text in CHAPTERS:
        headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert headings[-1] in ("What to remember", "Key takeaways")
        cells = re.findall(r"^```\{code-cell\}.*?^```", text, re.DOTALL | re.MULTILINE)
        if text is CHAPTERS[0]:  # the routes, with nothing to run
            assert not cells
            continue
        assert "hide-input" in cells[0]
        assert "figures." in cells[0] or "calibration_plot(" in cells[0]
        lengths += [cell.split("---\n")[-1].count("\n") for cell in cells]
    assert np.mean(np.array(lengths) <= 20) > 0.75
    assert headings[-1] == "Key takeaways"


@states("intro.md", "Boxes titled Predict ask before the text explains. Choose an answer: each says why")
def test_each_answer_of_a_question_says_why():
    for text in CHAPTERS:
        for box in re.findall(r"^::::\{admonition\} Predict$.*?^::::$", text, re.DOTALL | re.MULTILINE):
            answers = re.findall(r"^:::\{dropdown\}.*?^:::$", box, re.DOTALL | re.MULTILINE)
            assert len(answers) == 3
            assert sum(":class-container: right" in answer for answer in answers) == 1
            assert all(len(answer.split("\n\n")) > 1 for answer in answers)


@states("intro.md", "You need Python 3.12 or later")
def test_the_version_of_python():
    assert 'requires-python = ">=3.12' in (ROOT / "pyproject.toml").read_text("utf-8")


@states("chapters/routes.md", "Exercise 5.8.1 needs no sampler")
def test_the_first_exercise_needs_no_sampler():
    text = (ROOT / "exercises/shrinkage-arithmetic.md").read_text("utf-8")
    assert "exact" in text
    assert not re.search(r"pymc|sample\(|sampling", text)


# -- the opening page ----------------------------------------------------------------------------------


@states(
    "chapters/hierarchical-models.md", "The pages from 5.8.1 to the practical considerations say at their top"
)
def test_each_page_of_a_section_has_its_part_of_the_road_map():
    assert all("oad map" in text for text in CHAPTERS[1:10])


@states("chapters/hierarchical-models.md", "Many of those numbers do not hold.")
def test_many_numbers_of_the_source_do_not_hold():
    """By the counts that the audit's page computes and states."""
    text = (ROOT / "chapters/audit.md").read_text("utf-8")
    agrees, wrong = (int(re.search(rf"^  {verdict} +(\d+)$", text, re.MULTILINE)[1]) for verdict in VERDICTS)
    assert wrong > agrees


@states("chapters/hierarchical-models.md", "and all eight measurements are noisy")
@states(
    "chapters/hierarchical-models.md", "The lines of A, C and G, the reports farthest from the common value"
)
@states("chapters/hierarchical-models.md", "Dashed: the three schools with the largest standard errors")
@states(
    "chapters/hierarchical-models.md",
    "to eight estimates that lie close together between about 5 and 10, and on to one common value of about",
)
def test_the_picture_of_eight_lines(posterior, common):
    assert (EFFECT.min(), EFFECT.max()) == (-3, 28)
    assert (posterior["tau"].mean() < ERROR).all()
    assert sorted(np.argsort(-ERROR)[:3].tolist()) == [0, 2, 7]  # A, C and H are dashed
    means = posterior["theta"].mean().values
    assert 5 < means.min() < means.max() < 10
    assert round(common["mu"].mean()) == 7
    away = abs(EFFECT - common["mu"].mean())
    assert sorted(np.argsort(-away)[:3].tolist()) == [0, 2, 6]


@states(
    "chapters/hierarchical-models.md",
    "the posterior density of tau is highest at zero and falls to almost nothing at 20",
)
@states("chapters/hierarchical-models.md", "In Figure 5.38 these are the smaller ones")
@states(
    "chapters/hierarchical-models.md",
    "Each estimate is then the average of its curve, weighted by the density",
)
@states("chapters/hierarchical-models.md", "Stop at $\\tau = 5$, which the curve below calls plausible")
def test_which_settings_of_the_dial_are_plausible(posterior):
    tau = posterior["tau"]
    density = np.asarray(tau.pdf(np.linspace(0, 20, 81)))
    assert (np.diff(density) < 0).all()
    assert density[-1] < 0.02 * density[0]
    assert tau.cdf(10) > 0.85
    assert 0.05 < tau.cdf(5.0) < 0.95

    def product(t):
        return tau.pdf(t) * exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=t)["theta"].mean().values[A]

    nodes, weights = np.polynomial.legendre.leggauss(40)
    average = 30 * sum(w * product(30 * (x + 1)) for x, w in zip(nodes, weights, strict=True))
    assert average == pytest.approx(posterior["theta"].mean().values[A], abs=0.01)


@states("chapters/hierarchical-models.md", "Precision lets a school speak for itself earlier.")
@states("chapters/hierarchical-models.md", "Noisy groups go a larger part of the way than precise ones")
@states(
    "chapters/hierarchical-models.md",
    "The further a group's data are from settling its own question, the more it leans on the others.",
)
def test_half_of_the_say_comes_earlier_to_the_precise():
    half = [next(t for t in np.arange(0, 30, 0.01) if weight(e, t) <= 0.5) for e in np.unique(ERROR)]
    assert (np.diff(half) > 0).all()
    assert weight(ERROR.max(), 5.0) > 0.9 > weight(ERROR.min(), 5.0)


@states("chapters/hierarchical-models.md", "This is precise, and wrong for every group that differs.")
@states("chapters/hierarchical-models.md", "This is fair, and noisy wherever a group has little data.")
@states("chapters/hierarchical-models.md", "So each group learns from all the others.")
@states("chapters/hierarchical-models.md", "So it would be if all schools were alike.")
def test_what_each_strategy_does_with_one_report(posterior, common):
    moved = EFFECT.copy()
    moved[G] += 10
    one = exact.normal(moved, ERROR, mu=MU_PRIOR, tau=0)["mu"]
    assert one.sd() < posterior["theta"].sd().values.min()
    partial = exact.normal(moved, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)["theta"].mean().values
    assert (partial > posterior["theta"].mean().values).all()
    alone = [exact.normal(y, ERROR, mu=0, tau=20)["theta"].mean().values for y in (EFFECT, moved)]
    assert np.delete(alone[1] - alone[0], G) == pytest.approx(0)
    assert common["theta_new"].sd() == pytest.approx(common["mu"].sd(), rel=1e-6)
    assert posterior["theta_new"].sd() > 1.5 * common["mu"].sd()


# -- recap ---------------------------------------------------------------------------------------------


@states(
    "chapters/recap.md",
    "The posterior lies between the other two, near the more precise one, and is narrower than both.",
)
@states("chapters/recap.md", "a posterior just a little narrower than the likelihood")
@states("chapters/recap.md", "Precisions, which are inverse variances, add up")
@states(
    "chapters/recap.md", "the posterior mean is the average of data and prior mean, weighted by precision"
)
@states("chapters/recap.md", "the data are more precise than the prior, so the posterior follows the data.")
@states("chapters/recap.md", "Posterior means of Normal models with known standard deviations are")
@states("chapters/recap.md", "For Normal distributions the compromise has a closed form.")
def test_one_school_from_prior_to_posterior():
    """By integration of prior times likelihood, with nothing taken from a formula."""

    def integral(function):
        product = lambda t: function(t) * stats.norm.pdf(t, 0, 20) * stats.norm.pdf(-1, t, 9)  # noqa: E731
        return integrate.quad(product, -120, 120, points=[0])[0]

    area = integral(lambda t: 1.0)
    mean = integral(lambda t: t) / area
    sd = np.sqrt(integral(lambda t: (t - mean) ** 2) / area)
    assert -1 < mean < -0.5
    assert 0.85 * 9 < sd < 9
    assert 1 / sd**2 == pytest.approx(1 / 9**2 + 1 / 20**2)
    assert mean == pytest.approx(-1 / 9**2 / (1 / 9**2 + 1 / 20**2))


@states(
    "chapters/recap.md",
    "The HDI does, from … on, the equal-tailed interval, from … on, does not: both hold 89%.",
)
@states(
    "chapters/recap.md",
    "The HDI is the shortest interval that holds 89%. For a symmetric posterior with one peak",
)
@states("glossary.md", "can begin exactly at zero for a scale such as $\\tau$")
@states("glossary.md", "It differs from the highest-density interval when a distribution is skewed")
@states("chapters/recap.md", "Every single value of $\\tau$ has probability zero.")
@states("chapters/recap.md", "The HDI includes zero, the equal-tailed interval cuts it off.")
@states("chapters/recap.md", "An interval may begin at zero all the same.")
@states("chapters/recap.md", "The equal-tailed interval cuts off 5.5% at each end.")
@states("chapters/recap.md", "cuts off the same probability at each end, and zero lies in what it cuts off.")
def test_two_kinds_of_interval(posterior):
    tau = posterior["tau"]
    tails, shortest = (np.asarray(ends) for ends in (tau.quantile(TAILS), tau.hdi(0.89)))
    for low, high in (tails, shortest):
        assert tau.cdf(high) - tau.cdf(low) == pytest.approx(0.89, abs=1e-4)
    assert shortest[0] == pytest.approx(0, abs=1e-6)
    assert tails[0] > 0.1
    assert [tau.cdf(tails[0]), 1 - tau.cdf(tails[1])] == pytest.approx([0.055, 0.055], abs=1e-4)
    others = [np.ptp(np.asarray(tau.quantile([p, p + 0.89]))) for p in np.linspace(0.001, 0.109, 30)]
    assert np.ptp(shortest) < min(others)
    one = exact.normal([-1], [9], mu=0, tau=20)["theta"]
    assert np.ravel(one.hdi(0.89)) == pytest.approx(np.ravel(one.quantile(TAILS)), abs=1e-3)
    assert tau.cdf(3.0) - tau.cdf(3.0 - 1e-9) < 1e-8


@states("chapters/recap.md", "The prior acts like $a$ earlier successes and $b$ earlier failures.")
@states("chapters/recap.md", "and so has the sum of several")
@states("chapters/recap.md", "A flat Dirichlet on four answers is not flat on the sum of two of them")
@states("chapters/recap.md", "Beta and Dirichlet priors are counts; updating them is addition.")
@states("chapters/recap.md", "Counts are added in the same way")
@states(
    "chapters/recap.md", "differs a little from the Beta-Binomial result above, though the data are the same."
)
def test_counts_are_added_to_beta_and_dirichlet():
    """The posterior of a share in steps of one trial, and of a sum of shares by its moments."""
    later = stats.beta(3 + 2, 2 + 1)
    grid = np.linspace(0.05, 0.95, 19)
    ratio = later.pdf(grid) / (stats.beta(3, 2).pdf(grid) * grid**2 * (1 - grid))
    assert np.ptp(ratio) < 1e-9 * ratio.mean()
    assert 0.001 < stats.beta(1 + 20, 1 + 15).mean() - stats.beta(2 + 20, 2 + 15).mean() < 0.005
    four = stats.dirichlet([10, 12, 10, 7])
    both = four.cov()[:2, :2].sum()
    assert (four.mean()[:2].sum(), both) == pytest.approx(stats.beta(22, 17).stats("mv"))
    assert stats.dirichlet(np.ones(4)).cov()[:2, :2].sum() < 0.7 / 12  # a flat one has 1/12


def largest_energy_error(scale, steps=400):
    position, momentum, errors = scale, 1.0, []
    for _ in range(steps):
        momentum -= position / scale**2 / 2
        position += momentum
        momentum -= position / scale**2 / 2
        errors.append(abs((position / scale) ** 2 / 2 + momentum**2 / 2 - 1))
    return max(errors)


@states("chapters/recap.md", "The step must be shorter than two standard deviations.")
@states(
    "chapters/recap.md",
    "A step of up to twice the scale works, more or less well. Beyond that the error explodes.",
)
@states("chapters/recap.md", "Steps of a tenth of the width would be very accurate")
@states("chapters/recap.md", "When it exceeds 1000, the sampler stops the path and records a divergence.")
@states("chapters/recap.md", "in the cell below, the error explodes.")
@states("chapters/recap.md", "along the computed path it wavers.")
@states("chapters/recap.md", "A divergence says that the step was too long for some narrow place.")
@states("chapters/eight-schools.md", "stays stable in a Gaussian only if its step is shorter than")
def test_when_steps_go_wild():
    """Leapfrog is a matrix; the path stays bounded while both eigenvalues lie on the unit circle."""
    for scale, stable in ((0.505, True), (0.495, False)):
        half = np.array([[1, 0], [-1 / (2 * scale**2), 1]])
        step = half @ np.array([[1, 1], [0, 1]]) @ half
        assert (abs(np.linalg.eigvals(step)).max() < 1 + 1e-9) == stable
        assert (largest_energy_error(scale) < 1000) == stable
    assert largest_energy_error(10) < 0.002 < largest_energy_error(1)
    with pm.Model():
        pm.Normal("x")
        assert pm.NUTS().Emax == 1000


@states(
    "chapters/recap.md",
    "so that it also notices chains that drift or differ in spread, and holds where tails are heavy",
)
@states("chapters/recap.md", "the square root of the ratio, $\\hat R$, is close to 1")
def test_what_splitting_and_ranks_notice():
    """Chains that drift alike, and chains that differ in their scale: means alone say nothing of these."""

    def by_hand(chains):
        within, between = chains.var(axis=1, ddof=1).mean(), chains.mean(axis=1).var(ddof=1)
        return np.sqrt((chains.shape[1] - 1) / chains.shape[1] + between / within)

    chains = np.random.default_rng(58).normal(size=(4, 1000))
    assert by_hand(chains) < 1.01
    assert az.rhat(chains) < 1.01
    drift = chains + np.linspace(-1, 1, 1000)
    wide = chains * np.array([[1], [1], [1], [3]])
    for faulty in (drift, wide):
        assert by_hand(faulty) < 1.01 < az.rhat(faulty)
    heavy = np.random.default_rng(58).standard_cauchy(size=(60, 4, 1000))
    assert max(map(az.rhat, heavy)) < 1.01
    moved = heavy + 1.5 * np.array([[1], [0], [0], [0]])
    assert min(map(az.rhat, moved)) > 1.01


@states("chapters/recap.md", "Draws that resemble the ones before them tell less than independent ones")
def test_draws_that_lean_the_other_way_tell_more():
    """Chains in which each draw is rho times the one before it, and noise."""
    rng = np.random.default_rng(58)
    for rho, worth in ((0.6, 1 / 4), (-0.6, 4)):
        noise = rng.normal(size=(4, 4000)) * np.sqrt(1 - rho**2)
        chains = signal.lfilter([1], [1, -rho], noise, axis=1)
        assert az.ess(chains, method="mean") / chains.size == pytest.approx(worth, rel=0.2)


@states("chapters/recap.md", "four chains of 2000 draws after 1000 to tune")
def test_the_settings_of_the_book():
    defaults = {k: v.default for k, v in inspect.signature(sampling.sample).parameters.items()}
    assert (defaults["chains"], defaults["draws"], defaults["tune"]) == (4, 2000, 1000)


@states("chapters/recap.md", "each divided by its average and summed over the schools")
def test_the_error_of_a_score_from_weights(common):
    rng = np.random.default_rng(58)
    mu = rng.normal(common["mu"].mean(), common["mu"].sd(), (200, 4000, 1))
    weight = 1 / stats.norm.pdf(EFFECT, mu, ERROR)
    mean = weight.mean(axis=1, keepdims=True)
    z = (-np.log(mean).sum(axis=(1, 2)) - common.elpd_loo.values.sum()) / stats.sem(
        (weight / mean).sum(axis=2), axis=1
    )
    assert abs(z.mean()) < 4 / np.sqrt(200)
    assert abs(z.std() - 1) < 4 / np.sqrt(400)


@states("chapters/recap.md", "so draws get weights $1 / p(y_i \\mid \\mu)$")
@states(
    "chapters/recap.md",
    "It predicts each school from the seven others, which settle $\\mu$ under either prior.",
)
@states(
    "chapters/recap.md", "because the wider prior spent most of its probability on effects that no course has"
)
def test_leaving_out_by_reweighting(common):
    mean, sd = common["mu"].mean(), common["mu"].sd()
    for i in range(8):
        weighted = integrate.quad(
            lambda mu, i=i: stats.norm.pdf(mu, mean, sd) / stats.norm.pdf(EFFECT[i], mu, ERROR[i]),
            mean - 14 * sd,
            mean + 14 * sd,
            limit=200,
        )[0]
        assert -np.log(weighted) == pytest.approx(common.elpd_loo.values[i], abs=1e-6)
    wide = exact.normal(EFFECT, ERROR, mu=stats.norm(0, 200), tau=0)
    assert common.log_evidence - wide.log_evidence > 2
    assert abs(wide.elpd_loo.sum() - common.elpd_loo.sum()) < 0.05
    assert abs(wide.elpd_loo - common.elpd_loo).max() < 0.1
    for i in range(8):
        rest = np.arange(8) != i
        narrow, wider = (
            exact.normal(EFFECT[rest], ERROR[rest], mu=stats.norm(0, sd), tau=0)["mu"] for sd in (20, 200)
        )
        assert abs(wider.mean() - narrow.mean()) < 0.12 * narrow.sd()
        assert wider.sd() < 1.03 * narrow.sd()
    assert 2 * stats.norm.sf(100, scale=200) > 0.5
