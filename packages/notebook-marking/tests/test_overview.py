"""The page of the class: it adds up, names what is behind wrong answers, and who needs help."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from notebook_marking import marking, overview
from notebook_marking.runs import Run
from notebook_marking.submissions import Submission


@pytest.fixture
def page(course):
    """Return the page of a class whose students recorded these parts."""

    def of(*students):
        marked = []
        for number, parts in enumerate(students):
            submission = Submission(f"student{number}", "1", Path("work.md"), absent=parts is None)
            content = {"exercise": "1", "student": "", "parts": parts or {}}
            one = marking.mark(submission, Run("finished", content), course.schemes["1"], course)
            marked.append(one)
        text = overview.page(marked, course)
        return BeautifulSoup(text, "html.parser")

    return of


def question(soup, label):
    return next(row for row in soup.select(".questions tbody tr") if label in row.th.get_text())


def test_every_submission_is_in_the_bar_of_every_question_once(page):
    soup = page({"a": {"total": 7.0}}, {"a": {"total": 10.0}}, {}, {"b": {"explanation": "Because."}}, None)
    for row in soup.select(".questions tbody tr"):
        assert sum(map(int, re.findall(r"(\d+) ", row.svg["aria-label"]))) == 4  # who is absent is in none
        assert sum(float(piece["width"].rstrip("%")) for piece in row.select("rect")) == pytest.approx(100)
    assert question(soup, "(a) total").svg["aria-label"] == "1 right, 1 not right, 2 missing"
    assert question(soup, "(b) explanation").svg["aria-label"] == "3 missing, 1 waits"
    assert sum(int(row.select("td")[1].get_text()) for row in soup.select(".bins tr")) == 4


def test_the_misunderstanding_behind_most_wrong_answers_comes_first(page):
    product = {"a": {"total": 8.0, "largest": "first"}}
    soup = page(product, product, {"a": {"total": 12.5}}, {"a": {"total": 13.5}}, {"a": {"total": 90.0}})
    causes = [item.get_text() for item in question(soup, "(a) total").select("li")]
    assert causes == ["3 × you gave …, too large", "2 × taking the product"]
    causes = [item.get_text() for item in question(soup, "(a) largest").select("li")]
    assert causes == ["2 × you chose first, which it is not"]


def test_who_needs_help_is_who_has_little_of_what_is_marked(page):
    soup = page({"a": {"total": 7.0, "largest": "third"}, "b": {"twice": 14.0, "explanation": "x"}}, {}, None)
    helped = soup.select("section")[-1]
    names = [row.bdi.get_text() for row in helped.select("tbody tr")]
    assert names == ["student1", "student2"]
    assert "nothing handed in" in helped.get_text()
    assert "(a) -3" in helped.get_text()


def test_nothing_of_a_stranger_is_live_on_the_page(course):
    submission = Submission("<script>alert(1)</script>", "1", Path("work.md"))
    one = marking.mark(submission, Run("finished", {}), course.schemes["1"], course)
    one = replace(one, marks=(replace(one.marks[0], reason="<img src=x onerror=alert(2)>"),))
    soup = BeautifulSoup(overview.page([one], course), "html.parser")
    assert not soup.select("script, img, [style]")
    assert "alert(1)" in soup.get_text()
