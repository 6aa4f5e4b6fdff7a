"""Debian's Chromium, for printing the book and for the tests that look at its pages."""

import os
import shutil
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATH = next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def opened(*arguments):
    """Start the browser with these arguments, and close it in the end."""
    # Shared memory is scarce in containers, and Chromium's sandbox is not for root.
    needed = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PATH, args=[*needed, *arguments])
        try:
            yield browser
        finally:
            browser.close()
