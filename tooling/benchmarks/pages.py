"""Every page in Chromium, served on this machine: the worst of bytes, first content and readiness."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/helpers"))

import browsing
import reading

REDIRECT = "index.html"


def main():
    """Build the book, visit its pages and print one JSON line for each measurement."""
    folder = browsing.build_book()
    names = [name for name in browsing.pages(folder) if name != REDIRECT]
    with browsing.serving(folder) as host, browsing.offline() as browser:
        measured = {name: reading.fastest(browser, host, name) for name in names}
        shares = {name: [share_of(browser, host, name)] for name in names if name.startswith("chapters/")}
    report("first content", measured, 0, "s", reading.FIRST_CONTENT)
    report("ready", measured, 1, "s", reading.READY)
    report("code, part of the height", shares, 0, "", reading.MOST_CODE)
    report("bytes, compressed", measured, 2, "bytes", reading.MOST_BYTES)


def share_of(browser, host, name):
    """Return the part of a page's height that is code."""
    with reading.visiting(browser, host, name) as visit:
        return reading.code_share(visit.page)


def report(what, measured, place, unit, target):
    """Print the worst page; times are the least of several loads."""
    name = max(measured, key=lambda name: measured[name][place])
    value = measured[name][place]
    what = f"pages: {what}, worst of {len(measured)} ({name})"
    print(json.dumps({"what": what, "value": value, "unit": unit, "target": target}), flush=True)


if __name__ == "__main__":
    main()
