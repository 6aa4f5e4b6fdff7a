"""A teacher marks prose by click and by keyboard: each mark is in the table at once, and counts."""

import csv
import io
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import reading
from playwright.sync_api import expect

from notebook_marking import desk, plain, reports
from notebook_marking.course import Course
from notebook_marking.marking import mark
from notebook_marking.runs import Run
from notebook_marking.submissions import Submission

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.browser]
COURSE = Course.read(Path(__file__).parents[2])
QUESTION = "5.8.1-b-explanation.html"  # two criteria, a point each
TEXTS = ("mu is not 8.", "The posterior averages over tau.", "A </script><b>bold</b> claim.")


def grade(out):
    """Mark a class of three, as the command does with what their notebooks recorded."""
    marked = []
    for number, text in enumerate(TEXTS):
        recorded = {"exercise": "5.8.1", "student": "", "parts": {"b": {"explanation": text}}}
        submission = Submission(f"student{number}", "5.8.1", Path("work.md"))
        marked.append(mark(submission, Run("finished", recorded), COURSE.schemes["5.8.1"], COURSE))
    reports.write(reports.report(marked, COURSE, out).files, out)


@pytest.fixture
def out(tmp_path):
    grade(tmp_path)
    return tmp_path


@pytest.fixture
def address(out):
    server, address = desk.serve(out / "review")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield address
    server.shutdown()
    server.server_close()


@pytest.fixture
def answers(page, address):
    page.goto(address)
    page.get_by_role("link", name=QUESTION.removesuffix(".html")).click()
    expect(page.get_by_text("0 of 3 marked")).to_be_visible()  # then it listens
    return page.locator("article")


def saved(out, answer, name="points"):
    """Return a cell of the row of an answer."""
    text = (out / "review/marks.csv").read_text(encoding="utf-8-sig")
    rows = {row["code"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}
    return rows[answer.get_attribute("id")][name]


def said(page, text="saved"):
    expect(page.get_by_role("status")).to_have_text(text)


def test_by_click(page, out, address, answers):
    first, second = answers.nth(0), answers.nth(1)
    buttons = first.get_by_role("button")
    for button, points in ((0, "1"), (1, "2"), (0, "1"), (2, "0")):
        buttons.nth(button).click()
        expect(first.locator("input")).to_have_value(points)
        assert saved(out, first) == points
    expect(buttons.nth(1)).to_have_attribute("aria-pressed", "false")
    second.locator("input").fill("1,5")
    second.locator("textarea").fill("And mu?")  # leaving a field saves it
    second.locator("textarea").blur()
    expect(page.get_by_text("2 of 3 marked")).to_be_visible()
    said(page)
    assert [saved(out, second, name) for name in ("points", "comment", "rubric")] == ["1,5", "And mu?", ""]
    page.get_by_role("link", name="All questions").click()
    expect(page.get_by_role("listitem").filter(has_text=QUESTION.removesuffix(".html"))).to_contain_text(
        "2 of 3"
    )
    before = page.request.get(f"{address}marks").json()
    grade(out)
    with (out / "grades.csv").open() as file:
        assert sorted(row["score"] for row in csv.DictReader(file)) == ["0.0", "0.0", "1.5"]
    page.goto(address + QUESTION)
    expect(answers.nth(2)).to_have_class(re.compile("current"))  # the first without a mark
    assert page.request.get(f"{address}marks").json() == before


def test_by_keyboard_with_steps_back(page, out, answers):
    keys = page.keyboard
    for key, points in (("1", "1"), ("2", "2"), ("2", "1"), ("f", "2"), ("0", "0")):
        keys.press(key)
        expect(answers.nth(0).locator("input")).to_have_value(points)
    keys.press("n")
    keys.press("c")
    keys.type("12 f u")  # a comment, and no marks
    keys.press("Escape")
    keys.press("j")
    keys.press("f")
    expect(page.get_by_text("2 of 3 marked")).to_be_visible()
    keys.press("k")
    keys.press("1")
    expect(page.get_by_text("3 of 3 marked")).to_be_visible()
    assert [saved(out, one) for one in answers.all()] == ["0", "1", "2"]
    assert saved(out, answers.nth(1), "comment") == "12 f u"
    for points in (["0", "", "2"], ["0", "", ""], ["0", "", ""], ["2", "", ""]):
        keys.press("u")
        for field, value in zip(page.locator("input").all(), points, strict=True):
            expect(field).to_have_value(value)
    expect(answers.nth(1).locator("textarea")).to_have_value("")
    assert saved(out, answers.nth(1), "comment") == ""
    assert [saved(out, one) for one in answers.all()] == ["2", "", ""]


def test_what_is_not_saved_is_said_and_what_was_there_stays(browser, out, address):
    page = browser.new_page()
    page.goto(address + QUESTION)
    answer = page.locator("article").nth(0)
    answer.locator("input").fill("3")
    answer.locator("input").press("Enter")
    said(page, "NOT saved: points is '3': give a number from 0 to 2")
    table = (out / "review/marks.csv").read_text(encoding="utf-8-sig")
    plain.write(out / "review/marks.csv", table.split("\n")[0] + "\n")  # a teacher's spreadsheet, emptied
    answer.get_by_role("button").nth(0).click()
    expect(page.get_by_role("status")).to_contain_text("run the marking again")
    expect(answer.locator("input")).to_have_value("")
    plain.write(out / "review/marks.csv", table)
    answer.get_by_role("button").nth(0).click()
    said(page)
    assert saved(out, answer) == "1"
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["", QUESTION])
def test_it_can_be_read_by_all_and_on_a_phone(browser, address, theme, name):
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=theme)
    page = context.new_page()
    page.goto(address + name)
    page.wait_for_load_state("networkidle")
    assert reading.sideways(SimpleNamespace(page=page)) == []
    assert page.locator("b", has_text="bold").count() == 0
    context.new_cdp_session(page).send("Page.setBypassCSP", {"enabled": True})  # for axe itself
    page.reload()
    page.wait_for_load_state("networkidle")
    assert reading.accessibility(SimpleNamespace(page=page)) == []
    context.close()
