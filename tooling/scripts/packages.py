"""Try each package as others will get it: its wheel, alone in a fresh environment, against its own tests.

``python tooling/scripts/packages.py packages/hierarchical-exact`` tries one, without a folder all of them,
and then a page as readers download it, in a fresh environment of what its first cell installs.
What is built, installed and run stays in _build/packages/, where nothing of the book can be imported.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tooling import environment

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "_build" / "packages"
DOWNLOAD = "chapters/hierarchical-models.ipynb"


def main():
    """Try the packages; exit with 1 unless all pass."""
    environment.end_when_interrupted("No package was changed.")
    parser = argparse.ArgumentParser(description="Build, install and test packages, each by itself.")
    parser.add_argument("folders", nargs="*", type=Path, help="folders of packages; all when left out")
    given = parser.parse_args().folders
    if not given and not ((ROOT / ".git").exists() and shutil.which("git")):
        sys.exit("make packages needs git and a clone: git says which files a downloaded page would get.")
    folders = given or sorted((ROOT / "packages").iterdir())
    failed = [folder.name for folder in folders if not try_alone(folder.resolve())]
    if not given and not try_download():
        failed.append(DOWNLOAD)
    if failed:
        sys.exit(f"packages: {', '.join(failed)} failed")


def try_alone(folder):
    """Whether the wheel of a package passes its tests in an environment of its own."""
    print(f"packages: {folder.name}", flush=True)
    out = OUT / folder.name
    shutil.rmtree(out, ignore_errors=True)
    settings = tomllib.loads((folder / "pyproject.toml").read_text())
    code = {name.split(".")[0] for name in settings["tool"]["setuptools"]["packages"]}
    leftovers = ("build", "__pycache__", "*.egg-info", ".*")
    shutil.copytree(folder, out / "source", ignore=shutil.ignore_patterns(*leftovers))
    # All that is no code: tests, documents and what they read.
    shutil.copytree(folder, out / "outside", ignore=shutil.ignore_patterns(*leftovers, *code))
    python = out / "env" / "bin" / "python"
    uv("build", "--wheel", "--python", sys.executable, "--out-dir", out, out / "source")
    uv("venv", "--python", sys.executable, out / "env")
    (wheel,) = out.glob("*.whl")
    uv("pip", "install", "--python", python, f"{wheel}[test]")
    for name in code:
        where = run(python, "-c", f"import {name}; print({name}.__file__)", capture_output=True).stdout
        if not where.startswith(str(out / "env")):
            sys.exit(f"packages: {name} is imported from {where.strip()}, not from its wheel")
    # With no file of settings, pytest would take those of the book in a folder above, and its conftest.py.
    tests = (python, "-m", "pytest", "-q", "-c", "pyproject.toml", "tests")
    own = environment.own(os.environ)
    return run(*tests, cwd=out / "outside", env=own, check=False).returncode == 0


def try_download():
    """Whether a downloaded page runs after the line of its first cell, with this folder as the repository."""
    print(f"packages: {DOWNLOAD} as it is downloaded", flush=True)
    run(sys.executable, ROOT / "tooling/scripts/build.py", cwd=ROOT)
    out = OUT / "download"
    shutil.rmtree(out, ignore_errors=True)
    tracked = run("git", "ls-files", "-z", cwd=ROOT, capture_output=True).stdout.split("\0")
    for name in filter(None, tracked):
        (out / "book" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, out / "book" / name)
    shutil.copy(ROOT / "_build/html/_sources" / DOWNLOAD, out / "page.ipynb")
    first = "".join(json.loads((out / "page.ipynb").read_text("utf-8"))["cells"][0]["source"])
    wanted = shlex.split(re.search(r"%pip install (.+)", first)[1])
    places = [out / "book" / one.partition("#subdirectory=")[2] for one in wanted]
    python = out / "env" / "bin" / "python"
    uv("venv", "--python", sys.executable, out / "env")
    uv("pip", "install", "--python", python, *places)
    own = environment.own(os.environ)
    return (
        run(python, "-m", "jupyter", "execute", "page.ipynb", cwd=out, env=own, check=False).returncode == 0
    )


def uv(*arguments):
    """Run uv, the machine's or that of the set-up, with the user's settings of where packages are."""
    given = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    if "PIP_INDEX_URL" in given:  # uv does not read pip's settings
        given.setdefault("UV_DEFAULT_INDEX", given["PIP_INDEX_URL"])
    run(shutil.which("uv") or ROOT / ".tools/bin/uv", *arguments, "--quiet", env=given)


def run(*command, cwd=OUT, env=None, check=True, **options):
    """Run a command where nothing of the book lies on the path."""
    clean = {key: value for key, value in (env or os.environ).items() if key != "PYTHONPATH"}
    return subprocess.run(command, cwd=cwd, env=clean, check=check, text=True, **options)


if __name__ == "__main__":
    main()
