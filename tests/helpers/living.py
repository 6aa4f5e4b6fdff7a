"""Cells that run in the page, as a reader runs them: for tests and measurements."""

import shutil
import subprocess
import sys

import psutil
from browsing import HTML, ROOT, build_book
from playwright.sync_api import Error

from tooling import environment
from tooling.live.archives import link

MOST_MILLISECONDS = 600_000  # of a busy machine
MOST_BYTES = 900e6  # of memory, for a page
EIGHT_SCHOOLS = "chapters/eight-schools.html"
EXERCISE = "exercises/shrinkage-arithmetic.html"
# What a student writes into its first part.
ANSWER = """\
factors = error**2 / (error**2 + tau_hat**2)
ranks = stats.rankdata(-factors, method="min")
most, least = (str(error["school"].values[i]) for i in (np.argmax(factors.values), np.argmin(factors.values)))
answers.record("a", factors=factors, ranks=ranks, most=most, least=least)
answers.check("a")"""


def assemble(folder):
    """Copy the built book and put in what its cells need; tell whether that could be had."""
    build_book()
    with environment.alone(ROOT):
        shutil.copytree(HTML, folder, copy_function=link)
    command = [sys.executable, "tooling/live/assemble.py", folder]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return "Cells do not run" not in made.stdout


def write(cell, text):
    """Put other code into a cell."""
    if not cell.get_by_role("textbox").count():
        cell.get_by_role("button", name="Edit").click()
    cell.get_by_role("textbox").fill(text)


def code(cell):
    """Return the printed code of a cell."""
    return cell.locator(".cell_input pre").text_content()


def run(cell):
    """Press Run, and wait until it has ended; return what is said of it."""
    cell.get_by_role("button", name="Run", exact=True).click()
    return ended(cell)


def ended(cell):
    """Return what is said of a cell once nothing runs."""
    status = cell.locator(".live-status")
    try:
        cell.get_by_role("button", name="Run", exact=True).wait_for()
    except Error as error:
        raise AssertionError(f"the cell has not ended; it says: {status.inner_text()!r}") from error
    return status.inner_text()


def memory():
    """Return the bytes of the browser's largest process, which is the page's.

    What the browser's processes share, its own program above all, is divided among them.
    """
    processes = psutil.Process().children(recursive=True)
    return max(process.memory_full_info().pss for process in processes)


def change_the_prior(page):
    """Change the prior of tau in Eight Schools, and run both models up to the table of diagnostics."""
    for number in (2, 6):
        cell = page.locator(f".cell-{number}")
        write(cell, code(cell).replace("halfnorm(scale=10)", "halfnorm(scale=25)"))
    for number in (9, 15):
        cell = page.locator(f".cell-{number}")
        write(cell, code(cell).replace('HalfNormal("tau", 10)', 'HalfNormal("tau", 25)'))
    return run(page.locator(".cell-38"))


def do_exercise(page, student="student01"):
    """Name the student, answer a part of an exercise, and check it; return what is said of the cell."""
    first, answer = page.locator(".cell-2"), page.locator(".cell-5")
    write(first, code(first).replace('student=""', f'student="{student}"'))
    write(answer, ANSWER)
    return run(answer)
