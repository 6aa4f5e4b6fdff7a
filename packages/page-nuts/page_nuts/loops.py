"""Puts loops over the same number of elements together: what one computes for another need not be stored."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

NAMES = re.compile(r"\bv\d+\b")
FIRST = re.compile(r"\b(v\d+)\[0\]")


@dataclass(frozen=True)
class Loop:
    """What is done to each of several elements, or lines that stand alone.

    Attributes
    ----------
    size : int or None
        The number of elements; None where `line` stands alone.
    to : str
        The array that it writes; empty if it writes none.
    line : str
        What is done to element ``i``; of a whole loop the value that ``to[i]`` is set to.
    whole : bool
        Whether it does nothing but set all elements of `to`, in order.
    begin : str
        What `to` is filled with before, where it takes in one element after another.
    """

    size: int | None
    to: str
    line: str
    whole: bool = False
    begin: str = ""


def merge(loops: list[Loop], last: list[str]) -> tuple[list[str], set[str]]:
    r"""Write loops as lines of JavaScript, those of the same size together where that changes nothing.

    Each computes what it would compute alone, from the same numbers in the same order.

    Parameters
    ----------
    loops : list of Loop
        In an order in which they can run; arrays are called ``v0``, ``v1`` and so on. Each is written in full
        before it is read, and never after. Lines are searched for names: they have no text in quotes.
    last : list of str
        The lines after them.

    Returns
    -------
    lines : list of str
        With those of `last`.
    gone : set of str
        The arrays in whose place numbers stand.

    Examples
    --------
    >>> twice = Loop(9, "v1", "2 * x[i]", whole=True)
    >>> total = Loop(9, "v2", "v2[0] = v2[0] + v1[i];", begin="0")
    >>> print("\n".join(merge([twice, total], ["out[0] = v2[0];"])[0]))
    let v2 = 0;
    for (let i = 0; i < 9; i++) { const e1 = 2 * x[i]; v2 = v2 + e1; }
    out[0] = v2;
    """
    numbers = _numbers(loops, last)
    loops = [replace(loop, line=_as_numbers(loop.line, numbers)) for loop in loops]
    last = [_as_numbers(line, numbers) for line in last]
    groups = _grouped(loops)
    reads = [{name for loop in group for name in NAMES.findall(loop.line)} for group in groups]
    users = Counter(name for names in (*reads, set(NAMES.findall(" ".join(last)))) for name in names)
    lines, gone = [], set(numbers)
    for group, read in zip(groups, reads, strict=True):
        lines += [_begun(loop, numbers) for loop in group if loop.begin]
        if group[0].size in (None, 1):
            lines += [_alone(loop, numbers) for loop in group]
        else:
            inside = {loop.to for loop in group if loop.whole and users[loop.to] == (loop.to in read)}
            lines.append(_together(group, inside))
            gone |= inside
    return [*lines, *last], gone


def _numbers(loops, last):
    """Return the arrays of which only the first element is used, and which are made at once."""
    text = "\n".join([*(loop.line for loop in loops), *last])
    bare = set(NAMES.findall(FIRST.sub("", text)))
    return {loop.to for loop in loops if loop.begin or (loop.whole and loop.size == 1)} - bare


def _as_numbers(line, numbers):
    return FIRST.sub(lambda found: found[1] if found[1] in numbers else found[0], line)


def _grouped(loops):
    """Put each loop into the first group of its size in which all that it reads is ready, or a new one."""
    groups, ready = [], {}  # in which group an array is written, and whether element by element
    for loop in loops:
        earliest = 0
        for name in set(NAMES.findall(loop.line)) & ready.keys():
            number, in_step = ready[name]
            in_step &= len(re.findall(rf"\b{name}\b", loop.line)) == loop.line.count(f"{name}[i]")
            earliest = max(earliest, number if in_step or loop.size == 1 or name == loop.to else number + 1)
        fitting = (n for n in range(earliest, len(groups)) if groups[n][0].size == loop.size is not None)
        number = next(fitting, len(groups))
        if number == len(groups):
            groups.append([])
        groups[number].append(loop)
        ready[loop.to] = number, loop.whole
    return groups


def _begun(loop, numbers):
    return f"let {loop.to} = {loop.begin};" if loop.to in numbers else f"{loop.to}.fill({loop.begin});"


def _alone(loop, numbers):
    """Write lines, or what is done to one element."""
    if loop.size is None:
        return loop.line
    line = loop.line.replace("[i]", "[0]")
    if not loop.whole:
        return line
    return f"const {loop.to} = {line};" if loop.to in numbers else f"{loop.to}[0] = {line};"


def _together(group, inside):
    """Write one loop, in which what it needs again has a name; what nobody else needs is not stored."""
    body, named = [], set()
    for loop in group:
        line = re.sub(r"\bv(\d+)\[i\]", lambda at: f"e{at[1]}" if f"v{at[1]}" in named else at[0], loop.line)
        if not loop.whole:
            body.append(line)
            continue
        named.add(loop.to)
        body.append(f"const e{loop.to[1:]} = {line};")
        if loop.to not in inside:
            body.append(f"{loop.to}[i] = e{loop.to[1:]};")
    return f"for (let i = 0; i < {group[0].size}; i++) {{ {' '.join(body)} }}"
