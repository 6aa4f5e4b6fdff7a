"""The balls of the funnel: what rolls in the page is what the leapfrog integrator in NumPy rolls."""

import leapfrog
import numpy as np
import pytest
from browsing import open_explorer, page_with, settled
from scipy import optimize, stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR
from tooling.explorers.funnel import FORMS, STEPS, rolling

pytest_plugins = ["browsing"]
SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"].values, SCHOOLS["standard_error"].values
POSTERIOR = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=TAU_PRIOR)
MODEL = rolling(EFFECT, ERROR, POSTERIOR["tau"], mu_sd=20, tau_sd=10)


def normals(seed):
    """Return a function that gives the next n of the page's Normal numbers: mulberry32, Box and Muller."""
    state = seed

    def uniform():
        nonlocal state
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        mixed = ((state ^ (state >> 15)) * (1 | state)) & 0xFFFFFFFF
        mixed = ((mixed + ((mixed ^ (mixed >> 7)) * (61 | mixed))) ^ mixed) & 0xFFFFFFFF
        return (mixed ^ (mixed >> 14)) / 2**32

    def one():
        return np.sqrt(-2 * np.log(1 - uniform())) * np.cos(2 * np.pi * uniform())

    return lambda count: np.array([one() for _ in range(count)])


def log_density(position, form):
    """By SciPy, of one position; up to a constant."""
    mu, log_tau, *schools = position
    tau, schools = np.exp(log_tau), np.array(schools)
    theta = schools if form == "centred" else mu + tau * schools
    schools_density = stats.norm(mu, tau) if form == "centred" else stats.norm()
    priors = MU_PRIOR.logpdf(mu) + TAU_PRIOR.logpdf(tau) + log_tau
    return priors + schools_density.logpdf(schools).sum() + stats.norm(theta, ERROR).logpdf(EFFECT).sum()


# In NumPy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_balls_roll_in_the_posterior(form):
    places, _ = leapfrog.starts(2.0, MODEL, 5, np.random.default_rng(58).standard_normal)
    energy, slope = leapfrog.potential(places[form], form, MODEL)
    exact_energy = [-log_density(place, form) for place in places[form]]
    np.testing.assert_allclose(np.diff(energy), np.diff(exact_energy), rtol=1e-10)
    for place, gradient in zip(places[form], slope, strict=True):
        np.testing.assert_allclose(
            gradient, -optimize.approx_fprime(place, log_density, 1e-6, form), rtol=1e-3, atol=1e-4
        )


@states(
    "chapters/eight-schools.md",
    "It starts at the chosen $\\tau$, at a place drawn from the posterior, with a random push",
)
def test_balls_start_in_the_posterior_given_tau():
    places, momentum = leapfrog.starts(5.0, MODEL, 20_000, np.random.default_rng(58).standard_normal)
    known = exact.normal(EFFECT, ERROR, mu=MU_PRIOR, tau=5.0)
    start = places["centred"]
    means = np.array([known["mu"].mean(), *known["theta"].mean().values])
    sds = np.array([known["mu"].sd(), *known["theta"].sd().values])
    found = np.delete(start, 1, axis=1)
    assert (abs(found.mean(axis=0) - means) < 4 * sds / np.sqrt(20_000)).all()
    np.testing.assert_allclose(found.std(axis=0), sds, rtol=4 / np.sqrt(40_000))
    assert (start[:, 1] == np.log(5.0)).all()
    theta = places["non-centred"][:, 2:] * 5 + start[:, :1]
    np.testing.assert_allclose(theta, start[:, 2:])
    np.testing.assert_allclose(momentum.std(axis=0), 1, rtol=4 / np.sqrt(40_000))


def test_units_are_the_posterior_standard_deviations():
    tau = POSTERIOR["tau"]
    mean = tau.expect(np.log)
    sd_log_tau = tau.expect(lambda value: (np.log(value) - mean) ** 2) ** 0.5
    sds = [POSTERIOR["mu"].sd(), sd_log_tau, *POSTERIOR["theta"].sd().values]
    np.testing.assert_allclose(MODEL["unit"]["centred"], sds, rtol=0.02)


@pytest.mark.parametrize("form", FORMS)
def test_leapfrog_is_reversible_and_its_error_goes_with_the_square_of_the_step(form):
    places, momentum = leapfrog.starts(5.0, MODEL, 50, np.random.default_rng(58).standard_normal)
    there, push, error, lost = leapfrog.roll(places[form], momentum, 0.02, form, MODEL, time=1)
    assert not lost.any()
    back, push, *_ = leapfrog.roll(there, -push, 0.02, form, MODEL, time=1)
    np.testing.assert_allclose(back, places[form], atol=1e-9)
    np.testing.assert_allclose(push, -momentum, atol=1e-9)
    half = leapfrog.roll(places[form], momentum, 0.01, form, MODEL, time=1)[2]
    assert abs(error).sum() / abs(half).sum() == pytest.approx(4, rel=0.05)


# In the page -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine(browser):
    """Return an empty page with the scripts."""
    with page_with(browser, "funnel.js", "explorers.js") as page:
        yield page


# Of each ball its ends, its number of steps, and whether it stayed on course before the last of them.
RELEASE = """([tau, step, model, seed, count]) => {
    const normal = normals(seed);
    const rolls = Array.from({ length: count }, () => balls.release(tau, step, normal, model)).flat();
    return rolls.map(({ form, path, diverged }) => ({
        form, diverged, first: path[0], last: path.at(-1), steps: path.length - 1,
        on: path.slice(0, -1).every(({ error }) => error < 1000), off: !(path.at(-1).error < 1000),
    }));
}"""


@states("chapters/eight-schools.md", "by leapfrog steps of the length that you set, for six units of time")
@pytest.mark.browser
@pytest.mark.parametrize(("tau", "step"), [(5.0, 0.05), (1.0, 0.02), (5.0, 0.2)])
def test_the_page_s_leapfrog_is_numpy_s(engine, tau, step):
    rolls = engine.evaluate(RELEASE, [tau, step, MODEL, 58, 10])
    places, momentum = leapfrog.starts(tau, MODEL, 10, normals(58))
    for form in FORMS:
        position, push, error, lost = leapfrog.roll(places[form], momentum, step, form, MODEL)
        own = [roll for roll in rolls if roll["form"] == form]
        assert [roll["diverged"] for roll in own] == lost.tolist()
        np.testing.assert_allclose([roll["first"]["position"] for roll in own], places[form], rtol=1e-12)
        kept = np.flatnonzero(~lost)
        assert len(kept) > 5
        ends = [own[i]["last"] for i in kept]
        np.testing.assert_allclose([end["position"] for end in ends], position[kept], atol=1e-8)
        np.testing.assert_allclose([end["momentum"] for end in ends], push[kept], atol=1e-8)
        np.testing.assert_allclose([end["error"] for end in ends], error[kept], atol=1e-8)


@pytest.mark.browser
@pytest.mark.parametrize("tau", [0.05, 1.0, 5.0])
@pytest.mark.parametrize("step", STEPS)
def test_as_many_of_a_hundred_diverge_as_in_numpy(engine, tau, step):
    rolls = engine.evaluate(RELEASE, [tau, step, MODEL, 7, 100])
    lost = leapfrog.diverging(tau, step, MODEL, 100, normals(7))
    for form in FORMS:
        own = [roll for roll in rolls if roll["form"] == form]
        assert sum(roll["diverged"] for roll in own) == lost[form].sum()
        for roll in own:
            assert roll["on"]
            assert roll["diverged"] == roll["off"]
            assert roll["diverged"] or roll["steps"] == round(6 / step)


@pytest.mark.browser
def test_the_page_s_normal_numbers_are_normal(engine):
    numbers = engine.evaluate("() => { const n = normals(58); return Array.from({ length: 5000 }, n); }")
    np.testing.assert_allclose(numbers, normals(58)(5000), rtol=1e-12)
    assert stats.kstest(numbers, stats.norm.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 4 / np.sqrt(5000)


# As a reader does it ---------------------------------------------------------------------------


def balls_in(funnel):
    """Return what the chart shows of the balls."""
    return settled(funnel).evaluate("one => one.view.data('balls').map(({ ...row }) => row)")


def words(funnel):
    return funnel.locator(".explorer-words")


@pytest.mark.browser
@pytest.mark.slow
def test_a_hundred_by_keyboard(page, site):
    funnel = open_explorer(page, site + "chapters/eight-schools.html", "funnel")
    funnel.locator("input[name=tau_step]").focus()
    page.keyboard.press("ArrowLeft")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    words(funnel).filter(has_text="Of 100 balls").wait_for()
    lost = leapfrog.diverging(0.5, 0.2, MODEL, 100, normals(1))
    counts = " and ".join(f"{lost[form].sum()} in the {form} form" for form in FORMS)
    assert words(funnel).inner_text() == f"Of 100 balls from τ = 0.5 with steps of 0.2, {counts} diverged."
    assert lost["centred"].sum() > 90
    crosses = balls_in(funnel)
    assert [row["form"] for row in crosses] == ["centred"] * lost["centred"].sum()
    assert {row["kind"] for row in crosses} == {"lost"}
    # Another setting, and nothing is left of them.
    funnel.locator("input[name=epsilon_step]").press("ArrowRight")
    assert balls_in(funnel) == []
    assert words(funnel).inner_text() == ""


@pytest.mark.browser
@pytest.mark.slow
def test_a_ball_by_mouse_rolls_before_the_reader_s_eyes(page, site):
    funnel = open_explorer(page, site + "chapters/eight-schools.html", "funnel")
    funnel.get_by_role("button", name="Release a ball").click()
    places, momentum = leapfrog.starts(1.0, MODEL, 1, normals(1))
    assert words(funnel).inner_text() == ""
    shown = len(balls_in(funnel))
    more = "([one, shown]) => one.view.data('balls').length > shown"
    page.wait_for_function(more, arg=[funnel.element_handle(), shown])
    words(funnel).filter(has_text="Non-centred").wait_for()
    rows = balls_in(funnel)
    for form in FORMS:
        position, _, error, lost = leapfrog.roll(places[form], momentum, 0.2, form, MODEL)
        (end,) = [row for row in rows if row["form"] == form and row["kind"] != "path"]
        assert end["kind"] == ("lost" if lost[0] else "ball")
        if not lost[0]:
            mu, log_tau, first = position[0, :3]
            assert end["tau"] == pytest.approx(np.exp(log_tau))
            assert end["value"] == pytest.approx(first - mu if form == "centred" else first)
            assert f"wrong by {abs(error[0]):#.2g};" in words(funnel).inner_text()


@pytest.mark.browser
@pytest.mark.slow
def test_a_ball_by_touch_without_motion(browser, site):
    context = browser.new_context(
        has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844}, reduced_motion="reduce"
    )
    page = context.new_page()
    funnel = open_explorer(page, site + "chapters/eight-schools.html", "funnel")
    button = funnel.get_by_role("button", name="Release a ball")
    assert button.bounding_box()["height"] >= 24
    button.tap()
    words(funnel).filter(has_text="Non-centred").wait_for()
    assert sum(row["kind"] != "path" for row in balls_in(funnel)) == 2
    assert words(funnel).get_attribute("role") == "status"
    context.close()
