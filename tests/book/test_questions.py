"""A reader answers a question: the reason appears, and the first page knows of it until it is to forget."""

import pytest
from playwright.sync_api import expect

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]
PAGE = "chapters/when-hierarchical.html"


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
