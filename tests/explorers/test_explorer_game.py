"""The game of guesses: rounds are dealt from the population, and losses are those of the closed form."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from browsing import open_explorer, settled
from scipy import stats

import hierarchical_exact as exact
from tooling import explorers

pytest_plugins = ["browsing"]
SCRIPTS = Path(__file__).resolve().parents[2] / "tooling" / "extra" / "explorers"
SIGMA = np.array([3.0, 6.0, 9.0, 12.0, 15.0])
MU, TAU = 8, 6
B = SIGMA**2 / (SIGMA**2 + TAU**2)
MODEL = {"schools": list("ABCDE"), "error": SIGMA.tolist(), "mu": MU, "tau": TAU}
PAGE = "chapters/mathematical-structure.html"
ROUNDS = 20_000


@pytest.fixture(scope="module")
def spec():
    error = xr.DataArray(SIGMA, dims="school", coords={"school": list("ABCDE")})
    return explorers.game(error, mu=MU, tau=TAU, rng=np.random.default_rng(58)).spec()


def test_a_slider_for_each_school_begins_at_its_raw_effect(spec):
    (rows,) = [
        layer["data"]["values"] for layer in spec["layer"] if layer.get("data", {}).get("name") == "game"
    ][:1]
    sliders = {one["name"]: one for one in spec["params"]}
    assert set(sliders) == {f"guess_{row['place']}" for row in rows}
    for row in rows:
        slider = sliders[f"guess_{row['place']}"]
        assert slider["bind"]["name"].strip() == row["school"]
        assert abs(slider["value"] - row["raw"]) <= 0.5
        # Beyond the ends lies less than one report in two thousand.
        sd = np.hypot(TAU, row["error"])
        assert 2 * stats.norm.sf(slider["bind"]["max"] - MU, scale=sd) < 1 / 2000
        assert slider["bind"]["max"] - MU == MU - slider["bind"]["min"]
    for word in ("slider", "diamond", "open circle", "filled circles", "dashed", "upright strokes"):
        assert word in spec["description"]


# In the page -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine(browser):
    """Return an empty page with the scripts."""
    page = browser.new_page()
    for script in ("game.js", "explorers.js"):
        page.add_script_tag(path=SCRIPTS / script)
    yield page
    page.close()


@pytest.fixture(scope="module")
def rounds(engine):
    """Return many rounds: true effects, raw effects and the model's estimates."""
    dealt = engine.evaluate(
        """([model, count]) => Array.from({ length: count }, (_, i) => {
            const { truth, raw } = guessing.deal(i + 1, model);
            return [truth, raw, guessing.estimates(raw, model)];
        })""",
        [MODEL, ROUNDS],
    )
    return np.array(dealt).transpose(1, 0, 2)


@pytest.mark.browser
def test_rounds_are_dealt_from_the_population(rounds):
    truth, raw, _ = rounds
    assert stats.kstest(truth.ravel(), stats.norm(MU, TAU).cdf).pvalue > 1e-3
    noise = (raw - truth) / SIGMA
    assert stats.kstest(noise.ravel(), stats.norm.cdf).pvalue > 1e-3
    correlations = np.corrcoef(np.hstack([truth, noise]).T)[np.triu_indices(10, 1)]
    assert abs(correlations).max() < 4.5 / np.sqrt(ROUNDS)  # the largest of 45


@pytest.mark.browser
def test_the_model_s_estimates_are_the_exact_posterior_means(rounds):
    for raw, estimates in zip(*rounds[1:, :3], strict=True):
        for y, sd, estimate in zip(raw, SIGMA, estimates, strict=True):
            # A mean that is known is one with hardly any prior spread.
            known = exact.normal([y], [sd], mu=stats.norm(MU, 1e-6), tau=float(TAU))
            assert estimate == pytest.approx(known["theta"].mean().item(), abs=1e-6)


@pytest.mark.browser
def test_mean_losses_are_those_of_the_closed_form(rounds):
    truth, raw, estimates = rounds
    expected = {"raw": (SIGMA**2).sum(), "model": ((1 - B) * SIGMA**2).sum(), "mean": 5 * TAU**2}
    guesses = {"raw": raw, "model": estimates, "mean": np.full_like(raw, MU)}
    for name, guess in guesses.items():
        loss = ((guess - truth) ** 2).sum(axis=1)
        assert abs(loss.mean() - expected[name]) < 4 * stats.sem(loss), name


@pytest.mark.browser
@pytest.mark.parametrize("share", [0.0, 0.5, 0.73, 1.0])
def test_a_hundred_rounds_with_one_share_cost_what_they_should(engine, rounds, share):
    call = "([seed, count, share, model]) => guessing.repeat(seed, count, share, model)"
    found = engine.evaluate(call, [1, ROUNDS // 10, share, MODEL])
    truth, raw, estimates = rounds[:, : ROUNDS // 10]
    losses = {"you": raw + share * (MU - raw), "raw": raw, "model": estimates}
    for name, guess in losses.items():
        assert found[name] == pytest.approx(((guess - truth) ** 2).sum(axis=1).mean(), rel=1e-9)
    loss = ((losses["you"] - truth) ** 2).sum(axis=1)
    expected = ((1 - share) ** 2 * SIGMA**2 + share**2 * TAU**2).sum()
    assert abs(found["you"] - expected) < 4 * stats.sem(loss)


@pytest.mark.browser
def test_the_share_of_the_way_is_found_again(engine):
    raw = np.array([20.0, -3.0, 8.0, 31.0, 5.0])
    for share in (0.0, 0.4, 1.0):
        guess = raw + share * (MU - raw)
        call = "([guess, raw, model]) => guessing.pull(guess, raw, model)"
        assert engine.evaluate(call, [guess.tolist(), raw.tolist(), MODEL]) == pytest.approx(share, abs=1e-12)


# As a reader does it ---------------------------------------------------------------------------


def words(game):
    return game.locator(".explorer-words").inner_text()


def table(game):
    """Return the table's rows, as numbers."""
    rows = settled(game).locator("tbody tr").all()
    return np.array([[float(cell) for cell in row.locator("td").all_inner_texts() if cell] for row in rows])


@pytest.mark.browser
@pytest.mark.slow
def test_two_rounds_by_keyboard_and_the_tally_is_kept(page, site):
    game = open_explorer(page, site + PAGE, "game")
    assert words(game).startswith("Round 1:")
    assert table(game).shape == (5, 2)  # neither model nor truth
    sliders = game.get_by_role("slider")
    before = float(sliders.nth(4).input_value())
    sliders.nth(4).focus()
    page.keyboard.press("ArrowLeft")
    assert table(game)[4, 1] == before - 1
    for _ in range(1):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # show the truth
    totals = np.zeros(3)
    for played in (1, 2):
        raw, guess, model, truth = table(game).T
        losses = [((estimate - truth) ** 2).sum() for estimate in (guess, raw, model)]
        totals += losses
        assert sliders.nth(0).is_disabled()
        found = [int(number) for number in re.findall(r"(?:you|effects|model) (\d+)", words(game))]
        # The table has two decimals.
        np.testing.assert_allclose(found[:3], losses, atol=1)
        np.testing.assert_allclose(found[3:], totals / played, atol=1)
        if played == 1:
            page.keyboard.press("Enter")  # next round
            assert words(game).startswith("Round 2:")
            assert table(game).shape == (5, 2)
            page.keyboard.press("Enter")
    game = open_explorer(page, site + PAGE, "game")
    assert words(game).startswith("Round 3:")
    game.get_by_role("button", name="Forget the tally").click()
    assert words(game).startswith("Round 1:")


@pytest.mark.browser
@pytest.mark.slow
def test_a_hundred_rounds_by_mouse_at_the_mean(page, site):
    game = open_explorer(page, site + PAGE, "game")
    many = game.get_by_role("button", name="A hundred rounds")
    assert many.is_disabled()
    for slider in game.get_by_role("slider").all():
        slider.fill(str(MU))
    game.get_by_role("button", name="Show the truth").click()
    many.click()
    assert words(game).startswith("You moved 100% of the way to 8.")
    you, raw, model = [int(number) for number in re.findall(r"(?:you|effects|model) (\d+)", words(game))]
    sds = [
        np.sqrt(2 * (sizes**2).sum() / 100) for sizes in (np.full(5, TAU**2), SIGMA**2, (1 - B) * SIGMA**2)
    ]
    for found, expected, sd in zip((you, raw, model), (180, 495, 110), sds, strict=True):
        assert abs(found - expected) < 4 * sd


@pytest.mark.browser
@pytest.mark.slow
def test_a_guess_by_touch_on_a_phone(browser, site):
    context = browser.new_context(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844})
    page = context.new_page()
    game = open_explorer(page, site + PAGE, "game")
    slider = game.get_by_role("slider").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
    assert table(game)[0, 1] > 40
    game.get_by_role("button", name="Show the truth").tap()
    assert words(game).startswith("Squared errors: you")
    assert game.locator(".explorer-words").get_attribute("role") == "status"
    context.close()
