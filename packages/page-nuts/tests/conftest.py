"""Node for the tests: the machine's or, where it has none, the one that Playwright brings."""

import os
from pathlib import Path

import playwright

os.environ["PATH"] += os.pathsep + str(Path(playwright.__file__).parent / "driver")
