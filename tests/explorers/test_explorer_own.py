"""Groups of one's own: what the page reads, its integral against the exact posterior, and how it is moved."""

import json
import re

import numpy as np
import pytest
import reading
from browsing import open_explorer, page_with, settled
from scipy import stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from tooling import explorers

pytest_plugins = ["browsing"]

SCHOOLS = datasets.eight_schools()
EFFECT, ERROR = SCHOOLS["effect"], SCHOOLS["standard_error"]
PAGE = "chapters/eight-schools.html"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def exact_moments(effect, error, scale_mu=20.0, scale_tau=10.0):
    """Means and standard deviations of the effects, mu and tau."""
    priors = {"mu": stats.norm(0, scale_mu), "tau": stats.halfnorm(scale=scale_tau)}
    posterior = exact.normal(effect, error, **priors)
    found = [posterior[name] for name in ("theta", "mu", "tau")]
    return np.concatenate([[np.atleast_1d(one.mean()), np.atleast_1d(one.sd())] for one in found], axis=1)


# What the chart begins with ---------------------------------------------------------------------


def test_different_groups_are_refused():
    with pytest.raises(ValueError, match="different groups"):
        explorers.own(EFFECT, ERROR.assign_coords(school=list("HGFEDCBA")))
    with pytest.raises(ValueError, match="1 groups: give 2 to 50"):
        explorers.own(EFFECT[:1], ERROR[:1])


def test_the_chart_begins_with_the_exact_posterior_and_the_form_with_the_reports():
    explorer = explorers.own(EFFECT, ERROR)
    moments = exact_moments(EFFECT.values, ERROR.values).T
    text = json.dumps(explorer.spec())
    for mean, sd in moments:
        assert f'"mean": {mean}, "sd": {sd}' in text
    lines = [line.split("\t") for line in explorer.form["groups"].splitlines()]
    assert [name for name, _, _ in lines] == list("ABCDEFGH")
    assert [float(report) for _, report, _ in lines] == EFFECT.values.tolist()
    assert [float(error) for _, _, error in lines] == ERROR.values.tolist()


# The script by itself, in an empty page -----------------------------------------------------------


@pytest.fixture(scope="module")
def script(browser):
    with page_with(browser, "own.js") as page:
        yield page


def page_moments(script, cases):
    """Return what the page finds for many cases, each (effect, error, scale of mu, scale of tau)."""
    plain = [[np.asarray(part, float).tolist() for part in case] for case in cases]
    found = script.evaluate(
        """(cases) => cases.map(([effect, error, scaleMu, scaleTau]) => {
          const own = effect.map((report, i) => ({ report, error: error[i] }));
          const { theta, mu, tau } = groups.posterior(own, scaleMu, scaleTau);
          return [...theta, mu, tau].map(({ mean, sd }) => [mean, sd]);
        })""",
        plain,
    )
    return [np.array(one, float).T for one in found]


def agree(found, right):
    """Hold all to four digits of the posterior standard deviation."""
    assert found.shape == right.shape
    assert (np.abs(found - right) < 5e-5 * right[1]).all()


def random_case(rng):
    """Return groups of any number, size and spread, and priors that may be far from them."""
    size = rng.integers(2, 51)
    error = 10 ** (rng.uniform(-2, 2) + rng.uniform(0, 1) * rng.uniform(-1, 1, size))
    tau, mu = 10 ** rng.uniform(-2, 3), rng.normal() * 10 ** rng.uniform(-1, 3)
    effect = mu + tau * rng.normal(size=size) + error * rng.normal(size=size)
    return effect, error, 10 ** rng.uniform(-1, 3), 10 ** rng.uniform(-1, 3)


@pytest.mark.browser
@pytest.mark.slow  # the exact posteriors take half a minute, the page's own a few seconds
def test_the_page_s_own_integral_is_exact_for_a_thousand_random_groups(script):
    rng = np.random.default_rng(516)
    cases = [random_case(rng) for _ in range(1000)]
    right = [exact_moments(*case) for case in cases]
    for found, known in zip(page_moments(script, cases), right, strict=True):
        agree(found, known)


CASES = {
    "the book's": (EFFECT.values, ERROR.values, 20.0, 10.0),
    # A prior so wide that a grid of its own size would pass over the data.
    "wide prior": (EFFECT.values, ERROR.values, 20.0, 200.0),
    "wider prior": (EFFECT.values, ERROR.values, 20.0, 1000.0),
    "a surprise": ([1000, 8, -3, 7, -1, 1, 18, 12], ERROR.values, 20.0, 10.0),
    "a great surprise": ([1e6, 8, -3, 7, -1, 1, 18, 12], ERROR.values, 20.0, 1.0),
    "uneven": ([60, 8, -3, 7, -1, 1, 18, 12.5], [1e-4, 10, 16, 3, 0.75, 11, 400, 18], 20.0, 10.0),
    "equal": ([5] * 8, [2] * 8, 20.0, 1.0),
    "two": ([5, 6], [0.01, 0.02], 20.0, 10.0),
}


@pytest.mark.browser
@pytest.mark.parametrize("case", CASES)
def test_no_data_vanish(script, case):
    [found] = page_moments(script, [CASES[case]])
    agree(found, exact_moments(*CASES[case]))


@pytest.mark.browser
def test_a_group_far_from_all_others_is_an_integral_by_brute_force(script):
    """On a plain grid of tau, by another way than both the page and the engine."""
    effect, error, scale_mu, scale_tau = np.array([40.0, 0, -5]), np.array([1.0, 2, 3]), 20.0, 8.0
    tau = np.linspace(0, 200, 400_001)[:, None]
    variance = error**2 + tau**2
    precision = (1 / variance).sum(axis=1) + scale_mu**-2
    mu = (effect / variance).sum(axis=1) / precision
    misfit = (np.log(variance) + (effect - mu[:, None]) ** 2 / variance).sum(axis=1)
    log_density = -0.5 * (misfit + np.log(precision) + (mu / scale_mu) ** 2 + (tau[:, 0] / scale_tau) ** 2)
    weight = np.exp(log_density - log_density.max())
    weight[0] /= 2
    weight /= weight.sum()
    [found] = page_moments(script, [(effect, error, scale_mu, scale_tau)])
    assert found[0, -1] == pytest.approx(weight @ tau[:, 0], rel=1e-6)
    assert found[0, -2] == pytest.approx(weight @ mu, rel=1e-6)
    kept = tau[:, 0] ** 2 / variance[:, 0]
    assert found[0, 0] == pytest.approx(weight @ (kept * 40 + (1 - kept) * mu), rel=1e-6)


READ = {
    "tabs": ("A\t28\t15\nB\t8\t10", [("A", 28, 15), ("B", 8, 10)]),
    "commas": ("A, 28.5, 15\nB,8,10", [("A", 28.5, 15), ("B", 8, 10)]),
    "semicolons": ("A; 28.5; 15\r\nB;8;10\r\n", [("A", 28.5, 15), ("B", 8, 10)]),
    "decimal commas": ("A\t28,5\t15\nB;-8,25;0,125", [("A", 28.5, 15), ("B", -8.25, 0.125)]),
    "a head": ("school\teffect\tstandard error\n\nA\t28\t15\nB\t8\t10", [("A", 28, 15), ("B", 8, 10)]),
    "names": ("St Mary's, 1\t.5\t1e1\n2 \u2013 b\t\N{MINUS SIGN}3\t+2.\t", None),
}


@pytest.mark.browser
@pytest.mark.parametrize("case", READ)
def test_what_a_spreadsheet_gives_is_read(script, case):
    text, groups = READ[case]
    groups = groups or [("St Mary's, 1", 0.5, 10), ("2 \u2013 b", -3, 2)]
    found = script.evaluate("(text) => groups.read(text)", text)
    assert [(one["name"], one["report"], one["error"]) for one in found] == groups
    assert script.evaluate("(text) => groups.read(groups.write(groups.read(text)))", text) == found


REFUSED = {
    "A,28,5,15\nB,8,10": "Line 1 has 4 of 3 parts: .* Where commas part them, decimals need a point",
    "A\t28\t15\nB\t1,250\t10": "Line 2: “1,250” can be read in two ways; write 1250 or 1.250",
    "A;28 500;15\nB;8;10": "Line 1: “28 500” is not a number",
    "A\t1.250,5\t15\nB\t8\t10": "Line 1: “1.250,5” is not a number",
    "A 28 15\nB 8 10": "Line 1 has 1 of 3 parts",
    "A\t28\t15\n\t8\t10": "Line 2 has no name",
    "A\t28\t15\nB\t8\t0": "Line 2: the standard error is 0, and must be above 0",
    "A\t28\t15\nB\t8\t-1": "Line 2: the standard error is -1",
    "A\t28\t15\nB\t\t10": "Line 2: “” is not a number",
    "A\t28\t15\nB\tInfinity\t10": "Line 2: “Infinity” is not a number",
    "A\t28\t15\nB\t8\t10\nA\t3\t5": "Line 3: there are two groups “A”",
    "A\t28\t15": "There are 1 groups: enter 2 to 50",
    "\n".join(f"{i}\t1\t1" for i in range(51)): "There are 51 groups: enter 2 to 50",
    "A\t1e300\t15\nB\t8\t10": "more than 100,000,000 times the smallest standard error, 10",
}


@states("chapters/eight-schools.md", "if a line cannot be read, the page says which, and why")
@pytest.mark.browser
@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_read_is_named_with_its_line(script, text):
    found = script.evaluate(
        "(text) => { try { return groups.read(text); } catch (error) { return error.message; } }", text
    )
    assert isinstance(found, str)
    assert re.search(REFUSED[text], found)


# In the book --------------------------------------------------------------------------------------

in_the_book = pytest.mark.slow  # the book is built first


@pytest.fixture
def own(page, site):
    return open_explorer(page, site + PAGE, "own")


def table(explorer):
    """Return the rows of the table: name to its cells."""
    rows = settled(explorer).locator("tbody tr").all()
    cells = [
        [text.replace("\N{MINUS SIGN}", "-") for text in row.locator("th, td").all_text_contents()]
        for row in rows
    ]
    return {first: rest for first, *rest in cells}


def shows_exactly(explorer, effect, error, *scales):
    """Hold all rows of the table to the exact posterior, as it is printed."""
    rows = table(explorer)
    means, sds = exact_moments(np.asarray(effect, float), np.asarray(error, float), *scales)
    decimals = 3 if min(error) < 1 else 2
    assert [row[2:] for row in rows.values()] == [
        [f"{mean:.{decimals}f}", f"{sd:.{decimals}f}"] for mean, sd in zip(means, sds, strict=True)
    ]
    assert [float(row[0]) for row in list(rows.values())[:-2]] == list(effect)


def handle(explorer, name):
    return explorer.get_by_role("slider", name=name, exact=True)


def middle(explorer, name):
    """Return the middle of a handle in the window; it lies on the mark that it moves."""
    box = handle(explorer, name).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def with_a(value):
    return [value, *EFFECT.values[1:]]


@pytest.mark.browser
@in_the_book
def test_a_mouse_drags_an_effect_and_all_estimates_follow(own, page):
    shows_exactly(own, EFFECT.values, ERROR.values)
    handle(own, "A").scroll_into_view_if_needed()
    x, y = middle(own, "A")
    per_point = (x - middle(own, "C")[0]) / 31  # A begins at 28, C at -3
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 9):
        page.mouse.move(x + step * 4 * per_point, y + step)
    page.mouse.up()
    page.mouse.move(x, y)
    moved = float(table(own)["A"][0])
    assert moved == pytest.approx(60, abs=0.2)
    shows_exactly(own, with_a(moved), ERROR.values)
    assert own.locator("textarea").input_value().startswith(f"A\t{moved:g}\t15\nB\t8\t10")
    assert float(handle(own, "A").get_attribute("aria-valuenow")) == moved
    # The handle is still where the mark is: the axis has become longer.
    at = own.locator("[class*=grip_] path").first.bounding_box()
    assert middle(own, "A") == pytest.approx((at["x"] + at["width"] / 2, at["y"] + at["height"] / 2), abs=1)


@pytest.mark.browser
@in_the_book
def test_a_finger_drags_an_effect_and_the_page_stays_where_it_is(browser, site):
    context = browser.new_context(**PHONE)
    page = context.new_page()
    own = open_explorer(page, site + PAGE, "own")
    handle(own, "G").scroll_into_view_if_needed()
    scrolled = page.evaluate("scrollY")
    x, y = middle(own, "G")
    touch = context.new_cdp_session(page)
    for kind, way in (("touchStart", 0), *(("touchMove", -4 * step) for step in range(1, 11))):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x + way, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    moved = float(table(own)["G"][0])
    assert moved < 12
    shows_exactly(own, [*EFFECT.values[:6], moved, 12], ERROR.values)
    assert page.evaluate("scrollY") == scrolled
    # The fields do not push the chart away.
    chart, form = own.locator(".explorer-chart svg").bounding_box(), own.locator("form").bounding_box()
    assert form["y"] >= chart["y"] + chart["height"]
    context.close()


@pytest.mark.browser
@in_the_book
def test_keys_move_an_effect_and_what_became_of_it_is_told(own, page):
    grip = handle(own, "A")
    own.locator("summary").focus()
    for _ in range(40):
        page.keyboard.press("Shift+Tab")
        if grip.evaluate("one => one === document.activeElement"):
            break
    assert grip.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    for key, value in {
        "ArrowUp": 29,
        "ArrowRight": 30,
        "PageUp": 40,
        "ArrowDown": 39,
        "PageDown": 29,
    }.items():
        page.keyboard.press(key)
        shows_exactly(own, with_a(value), ERROR.values)
    mean, sd = exact_moments(np.array(with_a(29.0)), ERROR.values).T[0]
    assert grip.get_attribute("aria-valuetext") == f"A: 29 ± 15, estimate {mean:.2f} ± {sd:.2f}"
    mean, sd = exact_moments(np.array(with_a(29.0)), ERROR.values).T[-1]
    own.get_by_text(f"posterior of τ: mean {mean:.2f}, sd {sd:.2f}").and_(
        own.locator(".explorer-says[role=status]")
    ).wait_for(state="attached")


@pytest.mark.browser
@in_the_book
@pytest.mark.parametrize(("scale_mu", "scale_tau"), [(20, 200), (5, 1000), (1000, 0.5)])
def test_scales_are_set_and_no_school_vanishes(own, scale_mu, scale_tau):
    own.locator("input[name=scale_mu]").fill(str(scale_mu))
    own.locator("input[name=scale_tau]").fill(str(scale_tau))
    shows_exactly(own, EFFECT.values, ERROR.values, scale_mu, scale_tau)


@pytest.mark.browser
@in_the_book
def test_groups_are_pasted_linked_copied_and_given_up(own, page, site):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    before = table(own)
    page.evaluate(
        "navigator.clipboard.writeText('name\\teffect\\terror\\nNorth\\t2,5\\t1\\nSouth\\t−4\\t0,5\\n')"
    )
    own.locator("textarea").press("Control+A")
    page.keyboard.press("Control+V")
    pasted = table(own)
    assert list(pasted) == ["North", "South", "μ", "τ"]
    shows_exactly(own, [2.5, -4], [1, 0.5])
    own.get_by_role("button", name="Copy the numbers").click()
    own.get_by_text("Copied").wait_for(state="attached")
    head, *lines = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert head == "group\treport\terror\tmean\tsd"
    assert {name: cells for name, *cells in (line.split("\t") for line in lines)} == pasted
    again = open_explorer(page, own.locator(".explorer-link").get_attribute("href"), "own")
    assert table(again) == pasted
    again.get_by_role("button", name="Start again").click()
    again.locator("tbody th", has_text=re.compile("^H$")).wait_for()
    assert table(again) == before


@pytest.mark.browser
@in_the_book
def test_the_numbers_are_copied_where_a_page_may_not_use_the_clipboard(page, site):
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    own = open_explorer(page, site + PAGE, "own")
    own.get_by_role("button", name="Copy the numbers").click()
    own.get_by_text("Copied").wait_for(state="attached")
    own.locator("textarea").fill("")
    page.keyboard.press("Control+V")
    assert own.locator("textarea").input_value().startswith("group\treport\terror\tmean\tsd\nA\t28\t15\t")


@pytest.mark.browser
@in_the_book
def test_what_is_wrong_is_said_and_nothing_is_lost(own):
    before = table(own)
    fault, lines = own.locator(".explorer-fault[role=status]"), own.locator("textarea")
    lines.fill("A\t28\t15\nB\t1,250\t10")
    assert "Line 2: “1,250” can be read in two ways" in fault.text_content()
    assert lines.get_attribute("aria-invalid") == "true"
    assert table(own) == before
    lines.fill("A\t28\t15\nB\t8\t10")
    own.locator("input[name=scale_tau]").fill("0")
    assert "The scale of a prior must be a number above 0" in fault.text_content()
    own.locator("input[name=scale_tau]").fill("10")
    assert fault.text_content() == ""
    shows_exactly(own, [28, 8], [15, 10])


@pytest.mark.browser
@in_the_book
def test_fifty_groups_fit_a_phone_and_axe_finds_nothing(browser, site):
    rng = np.random.default_rng(50)
    effect, error = rng.normal(0, 10, 50).round(1), rng.uniform(2, 9, 50).round(1)
    text = "\n".join(f"a long name, {i};{y};{s}" for i, (y, s) in enumerate(zip(effect, error, strict=True)))
    with reading.visiting(browser, site, PAGE, size=reading.PHONE) as visit:
        own = visit.page.locator("#explorer-own")
        own.locator("textarea").fill(text)
        own.locator("summary").click()
        shows_exactly(own, effect, error)
        assert own.get_by_role("slider").count() == 50
        chart, last = own.locator("svg").bounding_box(), handle(own, "a long name, 49").bounding_box()
        assert last["y"] + last["height"] < chart["y"] + chart["height"]
        names = own.locator("svg .role-axis-label text").filter(has_text="a long").all()
        assert len(names) == 50
        assert all(name.bounding_box()["x"] >= chart["x"] for name in names)
        assert reading.sideways(visit) == []
        assert reading.accessibility(visit) == []
        own.locator("textarea").fill("A\t28\t15\nB\t1,250\t10")
        assert reading.accessibility(visit) == []
        visit.restyle("dark", reading.DESKTOP)
        assert reading.accessibility(visit) == []
        assert visit.errors == []


@pytest.mark.browser
@in_the_book
def test_paper_has_the_chart_as_it_was_left(own, page):
    handle(own, "A").press("PageUp")
    left = own.locator("svg").text_content()
    page.emulate_media(media="print")
    assert own.locator("svg").is_visible()
    assert own.locator("svg").text_content() == left
    assert not own.locator(".explorer-picture").is_visible()
    for part in ("form", "table", "button", ".explorer-link", ".explorer-grip"):
        assert not own.locator(part).first.is_visible()
