"""Sentences of the book that can be checked: each is quoted by the test that computes what it asserts."""

import ast
import re

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from statements import GLUED, ROOT, listed, plain, questions, stated, states

import hierarchical_exact as exact
from myst_nbval.pages import code_cells, read
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling.audit import runs, tables
from tooling.explorers.prior import overlap
from tooling.scripts.build import NOT_FOR_CLASS

SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"].values, SCHOOLS["standard_error"].values
CENTRED = "centred-0.90/"


@pytest.fixture(scope="module")
def posterior():
    return exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)


@pytest.mark.parametrize(("page", "words", "test"), stated())
def test_what_a_test_checks_still_stands_on_its_page(page, words, test):
    assert plain(words) in plain((ROOT / page).read_text("utf-8")), test


def test_the_audit_lists_what_tests_check():
    """When it does not: .venv/bin/python tests/helpers/statements.py."""
    rows = pd.read_csv(tables.STATEMENTS)
    assert list(rows.itertuples(index=False, name=None)) == [
        (page, listed(words), test) for page, words, test in stated()
    ]
    assert not rows["words"].str.contains(r"\$|mathbf|frac|operatorname|\b(?:term|ref|eq)[a-z-]+ ?<").any()


def test_formulas_are_listed_with_the_characters_that_they_name():
    for tex, text in (
        (r"at $\hat\theta_i = \tau^2$", "at θ-hat_i = τ^2"),
        (r"$\tfrac{3}{4} (1 - \rho^2)$", "3/4 (1 - ρ^2)"),
        (r"$\sigma_{\log} \sim \text{HalfNormal}(1)$", "σ_log ∼ HalfNormal(1)"),
        (r"once $\tau", "once τ"),
        (r"$\sqrt{1 - B}$ and $J^{1/4}$", "√(1 - B) and J^(1/4)"),
        ('{term}`a <b>` and `coords={"school": ["A"]}`', 'a and coords={"school": ["A"]}'),
        (r"$\tau_\text{school}$ and $\sqrt{(35 + 4)}$", "τ_school and √(35 + 4)"),
    ):
        assert listed(tex) == text


@pytest.mark.slow
def test_what_a_class_must_not_see_is_not_quoted_from_a_chapter():
    """The list of sentences stands in the edition for a class, too."""
    for page, words, test in stated():
        if not page.startswith("solutions/"):
            assert plain(words) in plain(NOT_FOR_CLASS.sub("", (ROOT / page).read_text("utf-8"))), test


ASKS = {
    path.relative_to(ROOT).as_posix(): [
        choice for choices in found for choice in choices if choice[1] == "right"
    ]
    for path in sorted((ROOT / "chapters").glob("*.md"))
    if (found := questions(path.read_text("utf-8")))
}
MATHS = re.compile(r"\$[^$]*\$")
NUMBER = re.compile(
    r"\d|\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|hundreds?|thousands?|twice|doubles?"
    r"|half|halves|thirds?|quarters?|fifths?|sixths?|tenths?|hundredths?|percent)\b",
    re.IGNORECASE,
)


def squeezed(text):
    return re.sub(r"\W", "", plain(text))


@pytest.mark.parametrize("page", ASKS)
def test_the_right_answer_of_each_question_is_checked(page):
    """Some sentence of it, or of its reason: a test computes afresh what it says."""
    quoted = [squeezed(words) for where, words, _ in stated() if where == page]
    for answer, _, reason in ASKS[page]:
        text = squeezed(f"{answer} {reason}")
        assert any(words in text for words in quoted), answer


@pytest.mark.parametrize("page", ASKS)
def test_the_right_answer_of_each_question_is_computed_on_its_page(page):
    """Its title types no number, and it or its reason shows what a cell of the page has computed."""
    for answer, _, reason in ASKS[page]:
        assert not NUMBER.search(MATHS.sub("", GLUED.sub("", answer))), answer
        assert GLUED.search(answer + reason), answer
    cells = "\n".join(cell.source for cell, _ in code_cells(read(ROOT / page)))
    for call in ast.walk(ast.parse(cells)):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "glue":
            assert not isinstance(call.args[1], ast.Constant), ast.unparse(call)


def test_fifty_questions_are_read_and_typed_numbers_seen():
    assert sum(map(len, ASKS.values())) >= 50
    for typed in ("About 0.2.", "By a good half again.", "It doubles.", "8 of 43, about 19 percent."):
        assert NUMBER.search(MATHS.sub("", typed))
    assert not NUMBER.search(MATHS.sub("", "A large $\\theta_1$ makes $\\theta_2$ larger."))


def test_words_that_are_not_there_are_missed():
    assert plain("**Bold** and {term}`pooled <pooling>`,\n{glue:text}`x:.1f` [points](a.md)") == (
        "Bold and pooled, … points"
    )


@states(
    "chapters/hierarchical-models.md",
    "lines of A, C and G, the reports farthest from the common value, are steepest",
)
def test_the_steepest_lines(posterior):
    steep = np.argsort(-abs(EFFECT - posterior["theta"].mean().values))[:3]
    common = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0)["mu"].mean()
    far = np.argsort(-abs(EFFECT - common))[:3]
    assert sorted(steep) == sorted(far) == [0, 2, 6]


@states("chapters/when-hierarchical.md", "partial pooling or none, which agree")
def test_with_large_equal_groups_two_strategies_agree_and_the_third_is_off():
    """Eight groups of 256 with sigma 20 and tau 8: in closed form, for known mu and tau."""
    groups, error, tau = 8, 20 / np.sqrt(256), 8
    none = error
    partial = error * np.sqrt(tau**2 / (tau**2 + error**2))
    complete = np.sqrt(tau**2 * (1 - 1 / groups) + error**2 / groups)
    assert abs(partial / none - 1) < 0.02
    assert complete > 5 * none


@states(
    "chapters/when-hierarchical.md",
    "leave about the same overlap (…) as these thirty noisy ones, though they leave the posterior wider",
)
@states(
    "chapters/when-hierarchical.md",
    "The four move the median of $\\tau$ up, the thirty hardly; the thirty give the lower upper limit.",
)
@states("chapters/when-hierarchical.md", "The upper limit of $\\tau$ stays wider.")
@states("chapters/when-hierarchical.md", "They share about as much.")
@states("chapters/when-hierarchical.md", "Each of them is worth a lot, but they are four.")
@states("chapters/when-hierarchical.md", "five groups is no magic number.")
@states("chapters/when-hierarchical.md", 'So "at least five groups" is no law.')
@states(
    "chapters/when-hierarchical.md", "each of them says little: its noise is larger than what is to be seen."
)
def test_four_precise_groups_are_no_thirty_noisy_ones():
    def typical(groups, error):
        y = 8 + np.hypot(8, error) * stats.norm.ppf((np.arange(groups) + 0.5) / groups)
        return exact.normal(y, error, mu=MU_PRIOR, tau=TAU_PRIOR)

    posteriors = typical(4, 2), typical(30, 10)
    near_prior = [overlap(TAU_PRIOR, one) for one in posteriors]
    assert abs(near_prior[0] - near_prior[1]) < 0.05
    four, thirty = (one["tau"] for one in posteriors)
    assert four.sd() > 1.2 * thirty.sd()
    assert four.quantile(0.95) > thirty.quantile(0.95) + 3
    assert four.mean() > thirty.mean() + 1
    assert four.mean() > TAU_PRIOR.mean()
    before = TAU_PRIOR.median()
    assert four.quantile(0.5) > before + 1.5
    assert abs(thirty.quantile(0.5) - before) < 0.8


@states(
    "chapters/when-hierarchical.md",
    "the usual test of equal effects at the 5% level rejects in 10% of data sets when $\\tau$ is 5, in 32% "
    "when it is 10, and in 82% when it is 20",
)
@states(
    "chapters/loo-comparison.md",
    "With noise of 9 to 18 points a difference of 5 is hard to see in eight reports.",
)
@pytest.mark.parametrize(("tau", "power"), [(5, 0.10), (10, 0.32), (20, 0.82)])
def test_the_power_of_the_test_of_equal_effects(tau, power):
    """Cochran's Q is a quadratic form of Normals: its distribution function by Imhof's integral."""
    weight = 1 / ERROR**2
    centring = np.eye(8) - np.outer(np.ones(8), weight) / weight.sum()
    scale = np.hypot(ERROR, tau)
    form = scale[:, None] * (centring.T @ np.diag(weight) @ centring) * scale
    eigenvalues = np.linalg.eigvalsh(form)
    eigenvalues = eigenvalues[eigenvalues > 1e-9]
    limit = stats.chi2(7).ppf(0.95)

    def integrand(u):
        angle = 0.5 * np.arctan(eigenvalues * u).sum() - 0.5 * limit * u
        return np.sin(angle) / (u * np.prod((1 + (eigenvalues * u) ** 2) ** 0.25))

    above = 0.5 + integrate.quad(integrand, 0, 50, limit=500)[0] / np.pi
    assert round(above, 2) == power


@states(
    "chapters/mathematical-structure.md",
    "settle at what the true effects of eight schools say about $\\tau^2$, which may be far from its true "
    "value. Only more schools bring it there.",
)
def test_more_pupils_do_not_tell_tau():
    """True effects of schools known exactly, for a true tau squared of 36."""

    def settles_at(schools, rng):
        tau = exact.normal(rng.normal(0, 6, schools), 1e-3, mu=MU_PRIOR, tau=TAU_PRIOR)["tau"]
        return tau.sd() ** 2 + tau.mean() ** 2

    rng = np.random.default_rng(58)
    eight = np.quantile([settles_at(8, rng) for _ in range(100)], [0.1, 0.9])
    many = np.quantile([settles_at(800, rng) for _ in range(20)], [0.1, 0.9])
    assert eight[0] < 36 / 1.5
    assert eight[1] > 36 * 1.5
    assert (abs(many / 36 - 1) < 0.15).all()


@states(
    "chapters/eight-schools.md",
    "runs of the centred form. Divergences occurred in … of them, the bulk or the tail ESS of $\\tau$ was "
    "below 400 in …, and its R-hat above 1.01 in …",
)
@states("chapters/eight-schools.md", "R-hat gives the alarm less reliably than the divergences do")
@states(
    "chapters/practical-considerations.md",
    "and its divergences say so more surely than anything else",
)
def test_divergences_are_the_surest_sign():
    recorded = runs.recorded()
    ess = recorded[[f"{CENTRED}tau/ess_bulk", f"{CENTRED}tau/ess_tail"]].min(axis=1)
    diverging = (recorded[f"{CENTRED}divergences"] > 0).sum()
    assert diverging == len(recorded) >= 40
    assert (recorded[f"{CENTRED}tau/r_hat"] > 1.01).sum() < diverging
    assert (ess < 400).sum() < diverging


@states(
    "chapters/eight-schools.md",
    "But then all eight highest-density intervals hold zero, A's and (just) G's among them.",
)
@states("chapters/eight-schools.md", "The central ones of A and G do not")
@states(
    "chapters/eight-schools.md",
    "All eight highest-density intervals overlap widely, and all of them hold zero.",
)
def test_which_intervals_hold_zero(posterior):
    theta = posterior["theta"]
    hdi, central = theta.hdi(0.89).values, theta.quantile([0.055, 0.945]).values
    assert (hdi[:, 0] < 0).all()
    assert (hdi[:, 1] > 0).all()
    assert hdi[6, 0] > -0.5
    assert hdi[:, 0].max() + 5 < hdi[:, 1].min()
    assert [school for school, ends in zip("ABCDEFGH", central, strict=True) if ends[0] > 0] == ["A", "G"]


@states(
    "solutions/shrinkage-arithmetic.md",
    "the estimate for A is … below its posterior mean, and that for C … above",
)
@states("chapters/mathematical-structure.md", "approximation of these means, not the same thing, and makes")
@states(
    "solutions/shrinkage-arithmetic.md", "so the factor at the mean of $\\tau$ is not the mean of the factor."
)
def test_plugging_in_moves_a_and_c(posterior):
    mu, tau = posterior["mu"].mean(), posterior["tau"].mean()
    factor = ERROR**2 / (ERROR**2 + tau**2)
    off = EFFECT - factor * (EFFECT - mu) - posterior["theta"].mean().values
    assert off[0] == pytest.approx(-0.45, abs=0.01)
    assert off[2] == pytest.approx(0.23, abs=0.01)
    assert abs(off).max() < 0.5
    sd = np.sqrt(1 / (1 / ERROR**2 + 1 / tau**2))
    assert (sd < 0.8 * posterior["theta"].sd().values).all()


@states(
    "solutions/tau-prior.md",
    "pairs of schools that differ by $5\\sqrt2 \\approx 7$ points in root mean square",
)
def test_the_difference_of_two_schools():
    apart = stats.norm(0, 5 * np.sqrt(2))
    assert np.sqrt(apart.moment(2)) == pytest.approx(7.07, abs=0.005)
    assert stats.halfnorm(scale=5 * np.sqrt(2)).median() == pytest.approx(4.8, abs=0.05)


@states(
    "chapters/bringing-together.md",
    "the hierarchical model has the smallest total risk of all estimators that follow the data when all of "
    "them are shifted alike",
)
def test_a_fixed_target_does_better_where_it_is_right():
    """At equal means of zero, shrinking to zero has the smaller risk: the condition is needed."""
    rng = np.random.default_rng(58)
    y = rng.normal(size=(4000, 8))
    prior = stats.halfnorm(scale=1)
    taus = prior.ppf((np.arange(60) + 0.5) / 60)
    factor = 1 / (1 + taus**2)

    def weight(squares, free):
        log = 0.5 * free * np.log(factor) - 0.5 * squares[:, None] * factor
        weights = np.exp(log - log.max(axis=1, keepdims=True))
        return (weights @ factor) / weights.sum(axis=1)

    centre = y.mean(axis=1, keepdims=True)
    squares = ((y - centre) ** 2).sum(axis=1)
    toward_average = y - weight(squares, 7)[:, None] * (y - centre)
    toward_zero = y - weight((y**2).sum(axis=1), 8)[:, None] * y
    saved = (toward_average**2).sum(axis=1) - (toward_zero**2).sum(axis=1)
    assert saved.mean() > 4 * saved.std() / np.sqrt(len(saved))


@states(
    "chapters/bringing-together.md",
    "the largest difference is that at the end of the grid: it approaches zero from below as the spread "
    "grows, without reaching it",
)
def test_the_gain_of_james_stein_fades_but_stays():
    """Four groups: by Stein's identity the risk falls by the mean of 1 / chi-square (3)."""

    def gain(spread):
        chi_square = stats.ncx2(3, 4 * spread**2)
        return integrate.quad(lambda x: chi_square.pdf(x) / x, 0, 40 + 8 * spread**2, limit=300)[0]

    gains = [gain(spread) for spread in (1, 2, 5, 10)]
    assert (np.diff(gains) < 0).all()
    assert gains[2] == pytest.approx(0.010, abs=0.001)
    assert 0 < gains[3] < 0.003


@states(
    "chapters/loo-comparison.md",
    "The same four schools (A, C, G and H) are hardest to predict for all three",
)
def test_the_schools_that_are_hardest_to_predict(posterior):
    models = [
        exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=0),
        posterior,
        exact.normal(EFFECT, ERROR, mu=0, tau=20),
    ]
    for model in models:
        hardest = np.argsort(model.elpd_loo.values)[:4]
        assert sorted(SCHOOLS["school"].values[hardest]) == ["A", "C", "G", "H"]


@states(
    "chapters/bringing-together.md",
    "Its curve stays below the line, however far out",
)
def test_the_risk_of_james_stein_is_below_that_of_the_measurements():
    """Its gain is (J - 2)^2 E[1/S], positive, and by Jensen at least (J - 2)^2 / E[S]."""
    groups = 8
    for spread in (0, 1, 5, 100):
        noncentrality = groups * spread**2
        extra = stats.poisson(noncentrality / 2)
        low, high = extra.ppf(1e-15), extra.ppf(1 - 1e-15)
        k = np.arange(low, high + 1)
        gain = (groups - 2) ** 2 * (extra.pmf(k) / (groups - 2 + 2 * k)).sum()
        assert gain >= (groups - 2) ** 2 / (groups + noncentrality) > 0
