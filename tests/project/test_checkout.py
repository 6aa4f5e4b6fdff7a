"""A checkout works whatever the settings of git are, and without git."""

import re
import subprocess
from pathlib import Path

from repository import listed as known

ROOT = Path(__file__).resolve().parents[2]


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def test_every_checkout_has_the_line_ends_that_were_written(tmp_path):
    known()  # or skip
    settings = ["-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
    git("clone", "--quiet", "--no-local", "--depth=1", *settings, ROOT.as_uri(), str(tmp_path / "clone"))
    listed = git("-C", str(tmp_path / "clone"), "ls-files", "--eol").splitlines()
    assert len(listed) > 300
    assert [line for line in listed if re.search(r"i/(crlf|mixed)|w/(crlf|mixed)", line)] == []
    for name in (".gitattributes", "tooling/scripts/setup.sh", "_static/readme.png"):
        assert (tmp_path / "clone" / name).read_bytes() == (ROOT / name).read_bytes()
