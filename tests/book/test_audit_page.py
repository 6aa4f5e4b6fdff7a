"""The audit's page in a browser: what is closed, what opens it, the filter, and cards on a phone."""

import pytest
import reading

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]
NUMBERS = "div.audit:has(caption:text('The stated numbers'))"


@pytest.fixture
def audit(page, site):
    page.goto(site + "chapters/audit.html")
    return page.locator(NUMBERS)


def shown(audit):
    return audit.locator("tr[data-verdict]:visible").count()


def test_the_longest_table_is_closed_and_its_groups_open(audit):
    assert shown(audit) == 0
    button = audit.locator("tbody button").first
    count = int(button.inner_text().split()[0])
    assert button.get_attribute("aria-expanded") == "false"
    button.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    assert shown(audit) == count
    button.press("Enter")
    assert shown(audit) == 0


def test_a_link_to_a_group_opens_it(audit, page, site):
    for _ in range(2):
        page.goto(site + "chapters/audit.html#audit-eight-schools-summary")
        body = page.locator("#audit-eight-schools-summary")
        assert (
            body.locator("tr[data-verdict]:visible").count() == body.locator("tr[data-verdict]").count() > 0
        )
        page.wait_for_function(
            "(body) => body.getBoundingClientRect().top < innerHeight", arg=body.element_handle()
        )


def test_the_filter_takes_words_a_verdict_and_a_page(audit):
    choices = audit.locator("select[name=page] option")
    address = choices.filter(has_text="Eight Schools").first.get_attribute("value")
    assert "Todays code" not in choices.all_inner_texts()  # titles, not names of files
    audit.locator("select[name=page]").select_option(address)
    on_the_page = shown(audit)
    audit.locator("select[name=verdict]").select_option("not reproduced")
    both = shown(audit)
    audit.locator("input").fill("no such words")
    assert 0 < both < on_the_page
    assert shown(audit) == 0
    assert audit.locator("output").inner_text().startswith("0 of ")


def test_numbers_have_their_points_below_each_other(audit):
    audit.locator("select[name=verdict]").select_option("reproduced")
    wholes = audit.locator("tr[data-verdict]:visible td:nth-child(3) .whole")
    rights = wholes.evaluate_all("spans => spans.map(span => span.getBoundingClientRect().right)")
    assert len({len(whole) for whole in wholes.all_inner_texts()}) > 1
    assert max(rights) - min(rights) < 1
    audit.locator("select[name=verdict]").select_option("not reproduced")
    heights = audit.locator("tr[data-verdict]:visible td:has(> .whole)").evaluate_all(
        """cells => cells.map((cell) => {
            const words = document.createRange();
            words.selectNodeContents(cell);
            return words.getBoundingClientRect().height;
        })"""
    )
    assert len(heights) > 10
    assert max(heights) < 32, "a number stands on one line"


def test_the_heads_stay_in_sight_and_on_a_phone_rows_are_cards(audit, page):
    audit.locator("select[name=verdict]").select_option("reproduced")
    last = audit.locator("tr[data-verdict]:visible").last
    last.scroll_into_view_if_needed()
    head = audit.locator("thead th").first
    assert 0 <= head.evaluate("(head) => head.getBoundingClientRect().top") < 100
    page.set_viewport_size({"width": reading.PHONE[0], "height": reading.PHONE[1]})
    assert not head.is_visible()
    cell = last.locator("td").nth(2)
    label = cell.evaluate("(cell) => getComputedStyle(cell, '::before').content")
    assert "stated" in label
    assert cell.bounding_box()["height"] < 40, "a number does not break"
