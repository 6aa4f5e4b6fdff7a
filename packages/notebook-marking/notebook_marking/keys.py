"""The keys of a course: the exact answers to each exercise, computed by a module or kept as data."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from notebook_marking.scheme import Choice, Posterior, Text


@dataclass(frozen=True)
class Key:
    """The exact value of one answer.

    Parameters
    ----------
    value : float, array_like, str, sequence of str, or mapping
        What is true of the data: a number, the numbers, a choice, the choices that count as right, or an
        exact posterior: by variable, objects with methods ``mean`` and ``sd``.
    error : float or array_like
        The Monte Carlo standard error that `value` would have if it came from as many effective draws as
        the exercise asks for; of the shape of `value`, and 0 for what needs no draws.
    mistakes : mapping of str to float, array_like or str
        What typical misunderstandings lead to, by their names: feedback names the one that it sees.

    See Also
    --------
    notebook_marking.course.Course.key : The keys of one page.
    notebook_marking.marking.mark : What compares answers with it.

    Examples
    --------
    >>> Key(0.5).error
    0.0
    """

    value: Any
    error: Any = 0.0
    mistakes: Mapping[str, Any] = field(default_factory=dict)


def check(folder, scheme):
    """Refuse an exercise that has no key, or two; and a key in YAML that does not answer its scheme."""
    module, table = _module(folder, scheme.page), _table(folder, scheme.page)
    if module.exists() == table.exists():
        kind = "two keys" if table.exists() else "no key"
        raise ValueError(
            f"{scheme.page}.md has {kind}: write one of {module.name} and {table.name} in {folder}"
        )
    if not table.exists():
        return
    found = _read(table)
    asked = {name: answer for name, answer in scheme.entries() if not isinstance(answer, Text)}
    if set(found) != set(asked):
        odd = ", ".join(sorted(set(found) ^ set(asked)))
        raise ValueError(f"{table} and the scheme of {scheme.page}.md differ in {odd}: name the same in both")
    for name, key in found.items():
        for value in (key.value, *key.mistakes.values()):
            fault = _fault(asked[name], value)
            if fault:
                raise ValueError(f"{table}: {name} is {value!r}: {fault}")


def load(root, folder, page):
    """Return the key of one page, as a function of the data and of earlier answers."""
    path = _module(folder, page)
    if not path.exists():
        found = _read(_table(folder, page))
        return lambda data, earlier: found  # noqa: ARG005
    module = importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
    if Path(module.__file__).resolve() != path:
        raise ValueError(
            f"key is {module.__file__}, imported in place of {path}: give its folder another name"
        )
    return module.key


def _module(folder, page):
    return folder / f"{page.replace('-', '_')}.py"


def _table(folder, page):
    return folder / f"{page}.yaml"


def _read(table):
    """Read keys that are data."""
    try:
        entries = yaml.safe_load(table.read_text(encoding="utf-8"))
        return {name: Key(**entry) for name, entry in entries.items()}
    except (yaml.YAMLError, AttributeError, TypeError) as fault:
        raise ValueError(
            f"{table} is no key: give answers as `a.total: {{value: 3.2, error: 0, mistakes: {{}}}}`: {fault}"
        ) from fault


def _fault(answer, value):
    """Say what a value in YAML should be for an answer; empty if it is."""
    if isinstance(answer, Posterior):
        return "give the key of a posterior as a module"
    if isinstance(answer, Choice):
        values = [value] if isinstance(value, str) else value
        fits = isinstance(values, list) and values and set(map(str, values)) <= set(answer.options)
        return "" if fits else f"give one of {', '.join(map(repr, answer.options))}, or a list of them"
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    fits = array.dtype.kind in "iuf" and array.shape == answer.shape and np.isfinite(array).all()
    return "" if fits else "give numbers in the shape of the scheme (write 1.0e-3, not 1e-3)"
