"""Submissions of an imaginary class: released exercises, filled in as tests/exercises/class.yaml says."""

import re
from pathlib import Path

import jupytext

from notebook_marking.course import Course

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = ROOT / "exercises"
SCHEMES = Course.read(ROOT).schemes


def notebook(entry):
    """The released exercise, filled in as a student would."""
    page = EXERCISES / f"{SCHEMES[entry['exercise']].page}.md"
    found = jupytext.read(page, fmt="md:myst")
    student = entry.get("data", "")
    for cell in found.cells:
        if cell.cell_type != "code":
            continue
        cell.source = cell.source.replace('student=""', f"student={student!r}")
        part = re.search(r'answers\.record\(\s*"(\w)"', cell.source)
        if not part:
            continue
        for name, value in entry["answers"].items():
            cell.source = re.sub(
                rf"^{name} = \.\.\.$", lambda _, n=name, v=value: f"{n} = {v}", cell.source, flags=re.M
            )
        cell.source = entry.get("before", {}).get(part[1], "") + "\n" + cell.source
    drop = entry.get("drop")
    found.cells = [cell for cell in found.cells if not (drop and drop in cell.source)]
    if entry.get("order") == "reversed":
        found.cells = [found.cells[i] for i in rearranged(found.cells)]
    if entry.get("suffix") == ".ipynb":
        return jupytext.writes(found, fmt="ipynb")
    return jupytext.writes(found, fmt="md:myst")


def rearranged(cells):
    """Part (d) to the front, as far as the set-up lets it."""
    last = max(i for i, cell in enumerate(cells) if ".record(" in cell.source)
    set_up = min(i for i, cell in enumerate(cells) if "Answers(" in cell.source)
    rest = [i for i in range(len(cells)) if i not in (last, set_up)]
    return [set_up, last, *rest]
