"""Make ``exercises/`` and ``support/data/forms.json`` from the pages in ``solutions/``.

A student's notebook has the introduction, the questions, the code cells tagged ``given``, and for each
code cell tagged ``answer`` a stub: the same cell with ``...`` in place of every value assigned.
"""

import ast
import hashlib
import json
import re
import sys
from itertools import count
from pathlib import Path

import jupytext
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from notebook_marking.scheme import read_scheme, read_schemes
from support.exercises.personal import NAMES
from tooling.environment import end_when_interrupted, replace

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = ROOT / "solutions"
EXERCISES = ROOT / "exercises"
FORMS = ROOT / "support" / "data" / "forms.json"
RECORD = EXERCISES / ".generated"  # how the pages were when they were last generated
TOC = ROOT / "_toc.yml"

PART = re.compile(r"## \(([a-z])\) ")
LABEL = re.compile(r"\([\w-]+\)=")
BACK_LINK = "This is the worked solution of"
ADMONITION = re.compile(
    r"^```(\{admonition\}[^\n]*\n(?::class:[^\n]*\n)?)(.*?)^```$", re.DOTALL | re.MULTILINE
)

HOW_IT_WORKS = """\
Fill in your answers where a cell has `...`, and run it: `record` says at once whether an answer has the right
form, not whether it is right. Give numbers as they are computed, or to three significant digits. Add as many
cells as you like. With your id in `student="…"` you get data of
your own, to which the questions then refer; without one, the data that the text names. Where notebooks are
marked there are the packages of this book (NumPy, SciPy, pandas, xarray, Matplotlib, ArviZ, PyMC): what you
record must not need others, such as seaborn, scikit-learn or statsmodels.

<!-- not for a class -->
`answers.check("b")` says whether what you recorded for part (b) is right, by the exact answers for your data:
at first with a hint, and with the reason when you ask again. (In the page the first time takes longer.)
<!-- end -->"""

HAND_IN = """\
## Hand in

Restart the kernel and run all cells, so that you see what the marker will see. Then hand in this notebook: it
is run again, in a fresh folder without internet, and only what `record` has recorded is marked. The same
answers are in `{path}`, beside this notebook, for you to look at.

:::{{seealso}}
[Worked solution](solution-{label})
:::"""


def main():
    """Write every generated file, or say what keeps a page from being an exercise and write none."""
    end_when_interrupted("What is not yet written is as it was.")
    EXERCISES.mkdir(exist_ok=True)
    try:
        wanted = generate()
    except ValueError as error:
        sys.exit(f"exercises: {error}")
    write(wanted)


def write(wanted):
    """Write the generated files; a page that was changed is kept aside, and other files stay."""
    others = [path for path in EXERCISES.glob("[!.]*.md") if path not in wanted]
    if others:
        sys.exit(
            f"exercises: {', '.join(path.name for path in others)} in {EXERCISES} has no solution of that "
            "name: remove it, or move it away; nothing was written"
        )
    generated = RECORD.read_text("utf-8").splitlines() if RECORD.is_file() else []
    for path, text in wanted.items():
        if path.suffix == ".md" and path.is_file():
            found = path.read_bytes()
            if found != text.encode() and line(path, found) not in generated:
                aside = next(
                    other
                    for number in count(1)
                    if not (other := path.with_name(f"{path.name}.changed-{number}")).exists()
                )
                path.replace(aside)
                print(f"{path.name} is not as it was generated: it is kept as {aside}")
        replace(path, text)
        print(path)


def line(path, content):
    """Return what the record says of a page, as `sha256sum` writes it."""
    return f"{hashlib.sha256(content).hexdigest()}  {path.name}"


def generate(folder=SOLUTIONS):
    """Return the generated files as they should be: path and text."""
    found = read_schemes(folder)
    files = {
        EXERCISES / f"{scheme.page}.md": exercise(folder / f"{scheme.page}.md") for scheme in found.values()
    }
    forms = {scheme.id: scheme.forms() for scheme in found.values()}
    record = "".join(f"{line(path, text.encode())}\n" for path, text in files.items())
    return files | {FORMS: json.dumps(forms, indent=1, ensure_ascii=False) + "\n", RECORD: record}


def exercise(page):
    """Return the student's notebook, as MyST, of one solution page."""
    scheme = read_scheme(page)
    source = jupytext.read(page, fmt="md:myst")
    check(source.cells, scheme)
    notebook = new_notebook(metadata={key: source.metadata[key] for key in ("jupytext", "kernelspec")})
    notebook.metadata["jupytext"].pop("notebook_metadata_filter", None)
    notebook.cells = [cell for cell in student_cells(source.cells, scheme) if cell.source]
    notebook.cells.append(
        new_markdown_cell(HAND_IN.format(path=f"answers/{scheme.id}.json", label=label(scheme)))
    )
    text = jupytext.writes(notebook, fmt="md:myst").rstrip() + "\n"
    # Not the version of the tool that wrote it, or a new one would make every file stale.
    text = re.sub(r"^    (format|jupytext)_version: .*\n", "", text, flags=re.MULTILINE)
    # What stubs print, `make test` compares; the book need not wait for it. A Jupyter without the
    # settings of the project keeps of a header only what its filter names.
    text = text.replace("  formats: md:myst\n", "  formats: md:myst\n  notebook_metadata_filter: mystnb\n", 1)
    return text.replace("\n---\n", '\nmystnb:\n  execution_mode: "off"\n---\n', 1)


def check(cells, scheme):
    """Refuse a page from which no exercise can be made; the message says where, and what to write."""
    page = f"solutions/{scheme.page}.md"
    if scheme.data not in NAMES:
        raise ValueError(f"{page}: `data` of the exercise is {scheme.data!r}: give one of {', '.join(NAMES)}")
    toc = re.findall(r"file: (\S+)", TOC.read_text("utf-8"))
    for name in (f"exercises/{scheme.page}", f"solutions/{scheme.page}"):
        if name not in toc:
            raise ValueError(f"{page}: {name} is not in _toc.yml: name it there")
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for needed in (
        f"(solution-{label(scheme)})=\n# Solution",
        f"{BACK_LINK} [",
        f"](exercise-{label(scheme)})",
    ):
        if needed not in text:
            raise ValueError(f"{page}: there is no {needed!r}: begin the page as the others begin")
    place, answered = Place(), []
    for cell in cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                place.enter(line)
        elif "answer" in cell.metadata.get("tags", []):
            check_answers(cell.source, scheme, place.part)
            answered.append(place.part)
    if answered != list(scheme.parts):
        raise ValueError(
            f"{page}: parts {', '.join(answered)} have a cell tagged `answer`, and the scheme has parts "
            f"{', '.join(scheme.parts)}: give each part one cell, in this order"
        )


def check_answers(source, scheme, part):
    """Refuse a cell that would be no stub without its values, or records other names than the scheme has."""
    place = f"solutions/{scheme.page}.md, part ({part})"
    try:
        *statements, last = ast.parse(source).body
    except SyntaxError as error:
        raise ValueError(f"{place}: the cell tagged `answer` is not Python: {error}") from error
    assigned = set()
    for node in statements:
        match node:
            case ast.Assign([ast.Name(name)]):
                assigned.add(name)
            case _:
                raise ValueError(
                    f"{place}: the cell tagged `answer` has {ast.unparse(node)!r}, which students would get: "
                    "give it assignments to one name each, and compute in another cell"
                )
    match last:
        case ast.Expr(
            ast.Call(ast.Attribute(ast.Name("answers"), "record"), [ast.Constant(letter)], keywords)
        ):
            recorded = {keyword.arg: keyword.value for keyword in keywords if keyword.arg != "of"}
        case _:
            letter, recorded = None, {}
    if letter != part:
        raise ValueError(
            f'{place}: the cell tagged `answer` does not end in answers.record("{part}", …): let it'
        )
    for name, value in recorded.items():
        if not (isinstance(value, ast.Name) and value.id in assigned):
            text = ast.unparse(value)
            raise ValueError(
                f"{place}: {name} is recorded as {text!r}, which the cell does not assign: assign it there"
            )
    asked = scheme.parts[part].answers if part in scheme.parts else {}
    if set(recorded) != set(asked):
        raise ValueError(
            f"{place}: it records {', '.join(recorded)}, the scheme has {', '.join(asked) or 'no part'}: "
            "name the same in both"
        )


def student_cells(cells, scheme):
    """Yield the cells that the student gets."""
    place = Place()
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            yield new_markdown_cell(text_for_student(cell.source, place, scheme))
        elif "given" in tags:
            yield new_code_cell(cell.source)
            if place.part is None:
                yield new_markdown_cell(HOW_IT_WORKS)
        elif "answer" in tags:
            names = ", ".join(scheme.parts[place.part].answers)
            stated = f"({place.part}) not answered yet: {names}"
            yield new_code_cell(blank(cell.source), metadata={"expect": stated})


class Place:
    """Where in the page we are: in which part, and whether what stands there is for the student."""

    def __init__(self):
        self.part = None
        self.for_student = True

    def enter(self, line):
        """Go on to a line."""
        if match := PART.match(line):
            self.part, self.for_student = match[1], True
        elif line.startswith(("## ", "### ")):
            self.for_student = False


def text_for_student(text, place, scheme):
    """Keep what stands before the solution of each part; say what the part is worth."""
    kept = []
    for line in text.splitlines():
        place.enter(line)
        # A label before the heading of a solution goes with it, and so does the page's own.
        if place.for_student and not LABEL.fullmatch(line) and not line.startswith(BACK_LINK):
            kept.append(heading(scheme) if line.startswith("# Solution") else line)
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return ADMONITION.sub(lambda match: question(match, place, scheme), text)


def label(scheme):
    """Name under which other pages refer to the exercise, without the word before it."""
    return scheme.id.replace(".", "-")


def heading(scheme):
    """Return label and title of the exercise's page."""
    return f"(exercise-{label(scheme)})=\n# {name(scheme)}"


def name(scheme):
    """Return the title of the exercise, with its number if it has one."""
    if scheme.id.startswith("try-"):
        return f"Try It Yourself: {scheme.title}"
    return f"Exercise {scheme.id}: {scheme.title}"


def question(match, place, scheme):
    """Return a question in a form that Jupyter shows as text, with what to record, points and time."""
    part = scheme.parts[place.part]
    time = "a second or less" if part.seconds <= 1 else f"about {part.seconds:g} seconds"
    asked = "\n".join(f"- `{name}`: {describe(answer)}" for name, answer in part.answers.items())
    return (
        f":::{match[1]}\n{match[2].strip()}\n:::\n\nRecord:\n\n{asked}\n\n"
        f"The cells of a worked solution run in {time}."
    )


def describe(answer):
    """Say what an answer is, in which form, and what it is worth."""
    form = {
        "number": "a number",
        "numbers": f"{' x '.join(map(str, getattr(answer, 'shape', ())))} numbers",
        "interval": "lower and upper end",
        "choice": "one of " + ", ".join(f'`"{option}"`' for option in getattr(answer, "options", ())),
        "text": 'some sentences in quotes, `"""…"""`',
        "posterior": "what `sample` returned, with " + ", ".join(f"`{v}`" for v in getattr(answer, "of", ())),
    }[answer.kind]
    unit = f", in {answer.unit}" if answer.unit else ""
    if not unit and getattr(answer, "range", None) == (0, 1):  # no per cent
        unit = ", each from 0 to 1" if getattr(answer, "shape", ()) else ", from 0 to 1"
    if answer.kind == "posterior" and answer.needs.divergences_at_least is None:
        unit = f"; at least {answer.needs.ess:g} effective draws"
    points = "1 point" if answer.out_of == 1 else f"{answer.out_of:g} points"
    only = " and ".join(re.sub(r"(\w)\.(\w+)", r"(\1) `\2`", one) for one in getattr(answer, "only_with", ()))
    points += f", only with {only}" if only else ""
    return f"{answer.meaning} ({form}{unit}; {points})"


def blank(source):
    """Put ``...`` in place of every value that a cell records; leave out its other assignments."""
    statements = ast.parse(source).body
    recorded = {node.id for node in ast.walk(statements[-1]) if isinstance(node, ast.Name)}
    lines = source.splitlines()
    for node in reversed(statements):
        if isinstance(node, ast.Assign):
            name = node.targets[0].id
            lines[node.lineno - 1 : node.end_lineno] = [f"{name} = ..."] if name in recorded else []
    return "\n".join(lines)


if __name__ == "__main__":
    main()
