"""Make what a class gets: exercises, the sources of the book without solutions, and what they import.

No solutions, keys, model answers, tests, history or instructions for teachers are in it. Its links lead to
the class's own repository, if that is given.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

import yaml

from tooling.environment import end_when_interrupted
from tooling.scripts.build import copy_without_solutions

ROOT = Path(__file__).resolve().parents[2]
# Hidden files without which the book cannot be set up or edited.
NEEDED = (".jupytext.py", ".python-version", ".gitattributes", ".gitignore")
FOR_TEACHERS = ("INSTRUCTORS.md", "CONTRIBUTING.md", "CHANGELOG.md")
TEXTS = {".md", ".yml", ".yaml", ".cff", ".toml", ".html", ".py"}
OWNER_AND_NAME = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)/?")


def main():
    """Make the copy in a new folder, or say why not."""
    end_when_interrupted("No copy was made; what was begun, beside its place, goes with the next.")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="a folder that is not there yet")
    parser.add_argument("--repository", default="", help="address of the class's own repository on GitHub")
    options = parser.parse_args()
    out = options.out.expanduser()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        sys.exit(f"OUT={options.out} is there already: give a new folder")
    if options.repository and not OWNER_AND_NAME.fullmatch(options.repository):
        sys.exit(f"REPOSITORY={options.repository} is none: give one such as https://github.com/school/class")
    draft = out.with_name(f".{out.name}.part")  # of a command that was stopped, too
    shutil.rmtree(draft, ignore_errors=True)
    copy(ROOT, draft, options.repository)
    if out.exists():
        out.rmdir()
    draft.rename(out)
    print(f"{out} holds what a class gets. Try it there: make lab. Make a repository of it: git init.")


def copy(root, out, repository=""):
    """Copy a book for a class, with links to another repository if one is given."""
    copy_without_solutions(root, out)
    shutil.rmtree(out / "_build")
    for name in FOR_TEACHERS:
        (out / name).unlink(missing_ok=True)
    for name in NEEDED:
        shutil.copy2(root / name, out / name)
    for path in out.rglob("*"):
        if path.is_file() and path.suffix in TEXTS:
            path.write_text(with_links(path.read_text("utf-8"), root, repository), "utf-8")


def with_links(text, root, repository):
    """Let links to the book's own repository lead to another, Binder's too; those to files left out go."""
    text = re.sub(rf"\[([^\]]+)\]\((?:{'|'.join(map(re.escape, FOR_TEACHERS))})[^)]*\)", r"\1", text)
    if not repository:
        return text
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    old, new = (OWNER_AND_NAME.fullmatch(url)[1] for url in (config["repository"]["url"], repository))
    return text.replace(old, new)


if __name__ == "__main__":
    main()
