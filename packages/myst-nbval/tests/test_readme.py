"""What the README shows is so."""

import re
import tomllib
from pathlib import Path

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf8")
PLUGINS = ("-p", "nbval", "-p", "myst_nbval", "-p", "no:cacheprovider")


def block(language):
    [(_, text)] = re.findall(rf"^(`{{3,}}){language}\n(.*?)^\1$", README, re.DOTALL | re.MULTILINE)
    return text


def test_the_example_is_what_pytest_says(pytester):
    pytester.path.joinpath("page.md").write_text(block("markdown"))
    result = pytester.runpytest(*PLUGINS, "--nbval-lax", "page.md")
    result.assert_outcomes(passed=1, failed=1)
    said = re.findall(
        r"^    (.*)$|^$", README.split("    $ pytest", 1)[1].split("\n\nWhere ", 1)[0], re.MULTILINE
    )
    result.stdout.fnmatch_lines([line.replace("[", "[[]") for line in said if line])


def test_the_settings_are_settings(pytester):
    pytester.path.joinpath("pyproject.toml").write_text(block("toml"))
    options = tomllib.loads(block("toml"))["tool"]["pytest"]["ini_options"]
    config = pytester.parseconfigure(*PLUGINS)
    for name, value in options.items():
        assert config.getini(name) == value
