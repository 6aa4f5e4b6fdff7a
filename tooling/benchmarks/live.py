"""Cells that run in the page, in Chromium, served on this machine: seconds, and bytes as they are sent.

A reader's first number and first figure, on a cold and a warm cache, with their bytes; then Eight Schools
with another prior of tau, from an empty cache up to the diagnostics of both models; a part of an exercise to
its mark; then four chains by themselves.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/helpers"))

import browsing
import living

# Eight Schools in the form that samples well; what is imported and compiled before does not count.
SAMPLED = """\
import time
import page_nuts
with pm.Model() as noncentred:
    mu, tau = pm.Normal("mu", 0, 20), pm.HalfNormal("tau", 10)
    theta = pm.Deterministic("theta", mu + tau * pm.Normal("theta_raw", shape=8))
    pm.Normal("y", theta, error.values, observed=effect.values)
compiled = page_nuts.compile_pymc_model(noncentred)
begun = time.perf_counter()
page_nuts.sample(compiled, draws=2000, tune=1000, chains=4, seed=1)
print(time.perf_counter() - begun)"""

# The button says Stop while a cell runs.
ENDED = """cell => new Promise(resolve => {
  const look = () => [...cell.querySelectorAll("button")].some(button => button.textContent === "Stop")
    ? requestAnimationFrame(look) : resolve();
  look();
})"""


class Counting(browsing.Handler):
    """Counts what is sent, and lets browsers keep it."""

    sent = 0

    def send_header(self, keyword, value):
        """Send a header; its length tells how much follows."""
        if keyword == "Content-Length":
            Counting.sent += int(value)
            super().send_header("Cache-Control", "max-age=3600")
        super().send_header(keyword, value)


def main():
    """Measure and print one JSON object a line."""
    with tempfile.TemporaryDirectory() as folder:
        html = Path(folder, "html")
        if not living.assemble(html):
            sys.exit("What cells in the page need could not be fetched.")
        with browsing.serving(html, Counting) as address, browsing.offline() as browser:
            measure(browser, address)


def measure(browser, address):
    """Do what a reader does."""
    visit(browser, address, FIRST["figure and number"][0], run_first)  # so that all is compressed
    for what, (name, act) in FIRST.items():
        for cache, most in (("cold", None), ("warm", 5 if act is open_exercise else None)):
            context = browser.new_context()
            if cache == "warm":
                visit(browser, address, name, act, context)
            seconds, sent, _ = visit(browser, address, name, act, context)
            report(f"live: first {what}, {cache} cache ({name})", seconds, "s", most)
            if cache == "cold":
                report(f"live: first {what}, bytes", sent, "bytes", 30e6 if act is open_exercise else None)
            context.close()
    seconds, sent, memory = visit(browser, address, living.EIGHT_SCHOOLS, change_and_weigh)
    report("live: Eight Schools with another prior, both models, cold cache", seconds, "s", 60)
    report("live: Eight Schools with another prior, bytes", sent, "bytes", None)
    report("live: Eight Schools with another prior, memory of its tab", memory, "GB", living.MOST_BYTES / 1e9)
    seconds, sent, _ = visit(browser, address, living.EXERCISE, living.do_exercise)
    report("live: a part of an exercise to its mark, cold cache", seconds, "s", 60)
    report("live: a part of an exercise to its mark, bytes", sent, "bytes", None)
    *_, sampled = visit(browser, address, living.EIGHT_SCHOOLS, run_chains)
    report("live: Eight Schools, 4 chains of 1,000 + 2,000", float(sampled), "s", 3)


def visit(browser, address, name, act, context=None):
    """Open a page and do something there; return seconds and bytes from then on, and what came of it."""
    own = context or browser.new_context()
    page = own.new_page()
    page.set_default_timeout(living.MOST_MILLISECONDS)
    page.goto(address + name, wait_until="load")
    sent, begun = Counting.sent, time.perf_counter()
    outcome = act(page)
    measured = time.perf_counter() - begun, Counting.sent - sent, outcome
    page.close()
    if context is None:
        own.close()
    return measured


def run(cell):
    """Run a cell, and see that it has ended in the frame that shows it; others look twice a second."""
    cell.get_by_role("button", name="Run", exact=True).click()
    cell.evaluate(ENDED)


def run_first(page):
    """Run the first cell that states a number."""
    run(page.locator(".cell-4"))


def open_exercise(page):
    """Run the first cell of an exercise, which imports what is exact and says so."""
    cell = page.locator(".cell-2")
    living.write(cell, f"{living.code(cell)}\nexact.normal([1.0, 2.0], [1.0, 1.0], mu=None, tau=1.0)")
    run(cell)


# What a reader may want first: the page, and what is done there.
FIRST = {
    "exact number": (living.EXERCISE, open_exercise),
    "figure and number": ("chapters/recap.html", run_first),
}


def change_and_weigh(page):
    """Change the prior, and return the page's memory: GB."""
    living.change_the_prior(page)
    return living.memory() / 1e9


def run_chains(page):
    """Sample twice, for the first compiles; return the seconds of the second."""
    cell = page.locator(".cell-4")
    living.write(cell, SAMPLED)
    living.run(cell)
    living.write(cell, f"{SAMPLED}  # again")
    living.run(cell)
    return cell.locator(".live-text").inner_text()


def report(what, value, unit, target):
    """Print one measurement."""
    print(json.dumps({"what": what, "value": value, "unit": unit, "target": target}), flush=True)


if __name__ == "__main__":
    main()
