"""The game of guesses: rounds are dealt from the population, and losses are those of the closed form."""

import contextlib
import re

import numpy as np
import pytest
import xarray as xr
from browsing import open_explorer, page_with, settled
from playwright.sync_api import expect
from scipy import stats
from statements import states

import hierarchical_exact as exact
from tooling import explorers

pytest_plugins = ["browsing"]
SIGMA = np.array([3.0, 6.0, 9.0, 12.0, 15.0])
MU, TAU = 8, 6
B = SIGMA**2 / (SIGMA**2 + TAU**2)
MODEL = {"error": SIGMA.tolist(), "mu": MU, "tau": TAU}
PAGE = "chapters/mathematical-structure.html"
ROUNDS = 20_000


@pytest.fixture(scope="module")
def spec():
    error = xr.DataArray(SIGMA, dims="school", coords={"school": list("ABCDE")})
    return explorers.game(error, mu=MU, tau=TAU, rng=np.random.default_rng(58)).spec()


def test_a_round_to_begin_with_lies_within_the_axis(spec):
    model = spec["usermeta"]["explorer"]["model"]
    low, high = model["ends"]
    assert high - MU == MU - low
    # Beyond the ends lies less than one report in two thousand.
    assert 2 * stats.norm.sf(high - MU, scale=np.hypot(TAU, SIGMA).max()) < 1 / 2000
    for row, sd in zip(model["rows"], SIGMA, strict=True):
        assert row["error"] == sd
        assert low < row["raw"] == row["guess"] < high
    for word in ("diamond", "moved", "open circle", "filled circles", "dashed", "upright strokes"):
        assert word in spec["description"]


# In the page -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine(browser):
    """Return an empty page with the scripts."""
    with page_with(browser, "game.js", "explorers.js") as page:
        yield page


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
    diamond = game.get_by_role("slider").nth(4)
    before = table(game)[4, 1]
    diamond.press("ArrowLeft")
    assert table(game)[4, 1] == before - 1
    diamond.press("PageDown")
    assert table(game)[4, 1] == before - 11
    assert diamond.get_attribute("aria-valuenow") == f"{before - 11:g}"
    assert diamond.get_attribute("aria-valuetext") == f"E ± 15: guess {before - 11:g}".replace(
        "-", "\N{MINUS SIGN}"
    )
    game.get_by_role("button", name="Show the truth").focus()
    page.keyboard.press("Enter")
    totals = np.zeros(3)
    for played in (1, 2):
        raw, guess, model, truth = table(game).T
        losses = [((estimate - truth) ** 2).sum() for estimate in (guess, raw, model)]
        totals += losses
        diamond.press("ArrowRight")
        assert table(game)[4, 1] == guess[4]  # what was guessed is guessed
        game.get_by_role("button", name=re.compile("Next")).focus()
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
    game.get_by_role("button", name="Start again").click()
    assert words(game).startswith("Round 1:")


@states("chapters/mathematical-structure.md", "A hundred rounds more are played at once with the share")
@pytest.mark.browser
@pytest.mark.slow
def test_a_hundred_rounds_by_mouse_at_the_mean(page, site):
    game = open_explorer(page, site + PAGE, "game")
    many = game.get_by_role("button", name="A hundred rounds")
    assert many.is_disabled()
    # The head of the page, which stays, would cover the first row.
    game.locator(".explorer-chart").evaluate("chart => chart.scrollIntoView({block: 'center'})")
    chart = game.locator(
        ".explorer-chart svg .mark-rect path"
    ).first.bounding_box()  # mu and one tau to each side
    middle = chart["x"] + chart["width"] / 2
    for diamond in game.get_by_role("slider").all():
        box = diamond.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(middle, box["y"], steps=5)
        page.mouse.up()
    assert table(game)[:, 1] == pytest.approx(MU, abs=1)
    for diamond, guess in zip(game.get_by_role("slider").all(), table(game)[:, 1], strict=True):
        for _ in range(int(abs(guess - MU))):
            diamond.press("ArrowRight" if guess < MU else "ArrowLeft")
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
    diamond = game.get_by_role("slider").first
    diamond.scroll_into_view_if_needed()
    box, before = diamond.bounding_box(), table(game)[0, 1]
    assert min(box["width"], box["height"]) >= 24
    at = {"x": box["x"] + 12, "y": box["y"] + 12}
    touch = page.context.new_cdp_session(page)
    for kind, shift in (("touchStart", 0), ("touchMove", 15), ("touchMove", 40), ("touchEnd", None)):
        points = [] if shift is None else [{"x": at["x"] + shift, "y": at["y"]}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert table(game)[0, 1] > before + 5
    # Of a tap some hundredths of a second after a finger has left the page, which no hand makes, Chromium
    # takes some for a part of the gesture before it, and makes no click of it: on a busy machine even later.
    words, told = game.locator(".explorer-words[role=status]"), re.compile("^Squared errors: you")
    for _ in range(3):
        page.wait_for_timeout(400)
        game.get_by_role("button", name="Show the truth").tap()
        with contextlib.suppress(AssertionError):
            expect(words).to_contain_text(told, timeout=20_000)
            break
    expect(words).to_contain_text(told)
    context.close()
