"""Marking schemes: the front matter of worked solutions, read and checked."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator

# What `record` may tell the student.
PUBLIC = ("kind", "is", "unit", "shape", "range", "options", "of")


class _Strict(BaseModel):
    """A part of a scheme, in which a misspelt word is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _Answer(_Strict):
    """What all answers have: what they are, and in which unit."""

    meaning: str = Field(alias="is")
    unit: str = ""

    @property
    def out_of(self):
        """Points to be had."""
        return self.points

    def form(self):
        """Return the public part, from which nothing of what is right can be learnt."""
        entry = self.model_dump(by_alias=True, exclude_defaults=True)
        entry["kind"] = self.kind
        return {name: entry[name] for name in PUBLIC if name in entry}


class _Exact(_Answer):
    """What is held against a key, and on which other answers it rests."""

    points: PositiveFloat
    follows: tuple[str, ...] = ()
    # It has points only where these have some, or one of `a.x or b.y`: one could guess it, or all have it.
    only_with: tuple[str, ...] = ()


class _Numeric(_Exact):
    """Numbers, with the rule by which they are right."""

    range: tuple[float, float] = (-float("inf"), float("inf"))
    relative: PositiveFloat | None = None
    absolute: PositiveFloat | None = None
    sampled: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_rule(self):
        rules = [rule for rule in (self.relative, self.absolute, self.sampled) if rule is not None]
        if len(rules) != 1:
            raise ValueError("give one of `relative: 0.01`, `absolute: 0.01` and `sampled: true`")
        return self


class Number(_Numeric):
    """One number."""

    kind: Literal["number"]
    shape: tuple[int, ...] = ()


class Numbers(_Numeric):
    """Numbers in a given shape."""

    kind: Literal["numbers"]
    shape: tuple[int, ...]


class Interval(_Numeric):
    """Lower and upper end."""

    kind: Literal["interval"]
    shape: tuple[int, ...] = (2,)


class Choice(_Exact):
    """One of several options."""

    kind: Literal["choice"]
    options: tuple[str, ...]


class Criterion(_Strict):
    """What a text must say for some of its points."""

    points: PositiveFloat
    criterion: str = Field(alias="for")


class Text(_Answer):
    """Prose, which a human marks."""

    kind: Literal["text"]
    rubric: tuple[Criterion, ...] = Field(min_length=1)

    @property
    def out_of(self):
        """Points of all criteria."""
        return sum(criterion.points for criterion in self.rubric)


class Needs(_Strict):
    """How good a sample must be to mean something, and whether it must show the symptoms of a bad one."""

    ess: PositiveFloat = 400
    r_hat: PositiveFloat = 1.01
    divergences: int | None = None
    # For a fit that is to show what goes wrong: at least so many divergences, and nothing else.
    divergences_at_least: int | None = None


class Posterior(_Answer):
    """Draws, reduced to a summary of each variable."""

    kind: Literal["posterior"]
    of: dict[str, tuple[int, ...]]
    points: dict[str, PositiveFloat]
    needs: Needs = Needs()

    @property
    def out_of(self):
        """Points of all variables."""
        return sum(self.points.values())

    @model_validator(mode="after")
    def _points_for_variables(self):
        if set(self.points) - set(self.of):
            raise ValueError("`points` names variables that `of` does not")
        return self


Answer = Annotated[Number | Numbers | Interval | Choice | Text | Posterior, Field(discriminator="kind")]


class Part(_Strict):
    """A part of an exercise."""

    seconds: PositiveFloat = 1
    answers: dict[str, Answer] = Field(min_length=1)


class Scheme(_Strict):
    """An exercise: its parts, and in each part what is asked, and what it is worth."""

    id: str
    page: str
    title: str
    # For the course's own function of the data: which data.
    data: str = ""
    # The letter of a part is the first of an answer's name.
    parts: dict[Annotated[str, Field(pattern="^[a-z]$")], Part] = Field(min_length=1)

    @property
    def out_of(self):
        """Points to be had in the whole exercise."""
        return sum(answer.out_of for _, answer in self.entries())

    def entries(self):
        """Return pairs of the name, such as ``a.factors``, and what is known of the answer."""
        return [
            (f"{letter}.{name}", answer)
            for letter, part in self.parts.items()
            for name, answer in part.answers.items()
        ]

    def forms(self):
        """Return the public part of the scheme."""
        parts = {
            letter: {name: answer.form() for name, answer in part.answers.items()}
            for letter, part in self.parts.items()
        }
        return {"title": self.title, "page": self.page, "data": self.data, "parts": parts}

    @model_validator(mode="after")
    def _follows_earlier(self):
        known = []
        for name, answer in self.entries():
            unknown = set(getattr(answer, "follows", ())) - set(known)
            if unknown:
                raise ValueError(f"{name} follows {', '.join(sorted(unknown))}, which does not come before")
            known.append(name)
        for name, answer in self.entries():
            needed = getattr(answer, "only_with", ())
            unknown = {other for one in needed for other in one.split(" or ")} - set(known)
            if unknown:
                raise ValueError(
                    f"{name} has points only with {', '.join(sorted(unknown))}, which nobody asks for"
                )
        return self


def read_schemes(folder: Path) -> dict[str, Scheme]:
    """Marking schemes of all exercises, by id.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the solutions.

    Returns
    -------
    dict of str to Scheme
        In the order of the ids.

    Raises
    ------
    ValueError
        If a scheme is incomplete or wrong; the message names the page and the place in it.

    See Also
    --------
    read_scheme : One of them.
    notebook_marking.course.Course.read : A course with its schemes.
    """
    found = {}
    for page in sorted(folder.glob("[!.]*.md")):  # an editor's lock, `.#sums.md`, is no page
        scheme = read_scheme(page)
        if scheme.id in found:
            other = found[scheme.id].page
            raise ValueError(f"{page.name} has the id {scheme.id!r}, as {other}.md has: give another one")
        found[scheme.id] = scheme
    return dict(sorted(found.items()))


def read_scheme(page: Path) -> Scheme:
    r"""Read the marking scheme of one page.

    Parameters
    ----------
    page : pathlib.Path
        A worked solution, in MyST.

    Returns
    -------
    Scheme
        What its front matter says under ``exercise``.

    Raises
    ------
    ValueError
        If it says nothing there, or something wrong.

    Examples
    --------
    >>> import tempfile
    >>> page = Path(tempfile.mkdtemp(), "sums.md")
    >>> answer = "{kind: number, is: the sum, points: 1, absolute: 0.1}"
    >>> scheme = f"exercise: {{id: '1', parts: {{a: {{answers: {{total: {answer}}}}}}}}}"
    >>> _ = page.write_text(f"---\n{scheme}\n---\n# Solution 1: Sums\n")
    >>> read_scheme(page).title
    'Sums'
    """
    parts = page.read_text(encoding="utf-8").split("---\n", 2)
    front = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else None
    entry = front.get("exercise") if isinstance(front, dict) else None
    if not isinstance(entry, dict):
        raise ValueError(f"{page.name} has no `exercise` in its front matter: write its marking scheme there")
    if any(mark in parts[1] for mark in (" .inf", "-.inf", "[.inf")):
        raise ValueError(f"{page.name} has .inf, which no notebook can hold: write inf, without a dot")
    heading = next((line for line in parts[2].splitlines() if line.startswith("# ")), "")
    title = heading.removeprefix("# ").partition(": ")[2]
    if not title:
        raise ValueError(f"{page.name} has the heading {heading!r}: give one such as `# Solution 1: Title`")
    try:
        return Scheme(page=page.stem, **{"title": title} | entry)
    except ValidationError as error:
        raise ValueError(f"{page.name}, `exercise` in the front matter: {error}") from error
