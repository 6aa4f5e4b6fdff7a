"""A reader answers questions: the reasons appear, and the first page knows of it until it is to forget."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from statements import questions, states

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]
PAGE = "chapters/when-hierarchical.html"
CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"
ASKED = {
    path.stem: found
    for path in sorted(CHAPTERS.glob("*.md"))
    if (found := questions(path.read_text("utf-8")))
}


@states("intro.md", "What you have answered is kept in this browser only, until you have it forgotten.")
def test_an_answer_opens_its_reason_and_is_remembered_on_the_first_page(page, site):
    page.goto(f"{site}intro.html")
    expect(page.locator("#progress")).to_have_text("You have opened no chapter yet.")
    page.goto(site + PAGE)
    questions = page.locator(".admonition.question")
    wrong, right = (questions.nth(0).locator(f"details.{kind}").first for kind in ("wrong", "right"))
    expect(right.locator("p").last).to_be_hidden()
    wrong.locator("summary").click()
    expect(wrong.locator("p").last).to_be_visible()
    right.locator("summary").focus()  # the second answer counts no more
    page.keyboard.press("Enter")
    expect(right.locator("p").last).to_be_visible()
    questions.nth(1).locator("details.right summary").click()
    mark = right.locator("p").first.evaluate("e => getComputedStyle(e, '::before').content")
    assert "Right" in mark
    page.goto(f"{site}intro.html")
    place = page.locator("#progress")
    expect(place).to_contain_text("5.8.6 When to Use Hierarchical Models: 2 of 3 answered, 1 right at once")
    place.get_by_role("link").click()
    expect(page).to_have_url(site + PAGE)
    page.goto(f"{site}intro.html")
    place.get_by_role("button").click()
    expect(place).to_have_text("You have opened no chapter yet.")


def test_a_storage_that_is_not_ours_does_no_harm(page, site):
    page.goto(f"{site}intro.html")
    page.evaluate("localStorage.setItem('questions', 'not JSON')")
    page.goto(site + PAGE)
    page.locator(".admonition.question details.right summary").first.click()
    page.goto(f"{site}intro.html")
    expect(page.locator("#progress")).to_contain_text("1 of 3 answered, 1 right at once")


@pytest.mark.parametrize("name", ASKED)
def test_every_question_answers_mouse_finger_and_keys(browser, site, name):
    """Each first choice by one of them in turn, each second and third by the others; then the count."""
    context = browser.new_context(has_touch=True)
    page = context.new_page()
    page.goto(f"{site}chapters/{name}.html")
    hands = [lambda e: e.click(), lambda e: e.tap(), lambda e: e.press("Enter")]
    asked = page.locator(".admonition.question").all()
    assert len(asked) == len(ASKED[name])
    for i, (question, choices) in enumerate(zip(asked, ASKED[name], strict=True)):
        for j, (_, verdict, _) in enumerate(choices):
            choice = question.locator("details").nth(j)
            title, reason = choice.locator("summary"), choice.locator("p").last
            assert re.search(rf"\b{verdict}\b", choice.get_attribute("class"))
            expect(reason).to_be_hidden()
            # A computed number, which the right one has, looks as others do; its error is in the reason.
            assert "±" not in title.inner_text()
            looks = "e => [e, ...e.querySelectorAll('*')].map((one) => getComputedStyle(one).fontWeight)"
            assert len(set(choice.locator(".sd-summary-text").evaluate(looks))) == 1
            hands[(i + j) % 3](title)
            expect(reason).to_be_visible()
            word = choice.locator("p").first.evaluate("e => getComputedStyle(e, '::before').content")
            assert {"right": "Right.", "wrong": "No."}[verdict] in word
            assert "{glue" not in choice.inner_text()
    at_once = sum(choices[0][1] == "right" for choices in ASKED[name])
    page.goto(f"{site}intro.html")
    count = f"{len(asked)} of {len(asked)} answered, {at_once} right at once"
    expect(page.locator("#progress")).to_contain_text(count)
    context.close()
