"""Stated outputs in which numbers may differ from run to run: each stands as an interval, ``~[6.9, 7.9]``."""

from __future__ import annotations

import re
from itertools import chain

NUMBER = r"-?\d+(?:\.\d+)?"
INTERVAL = re.compile(rf"~\[({NUMBER}), ({NUMBER})\]")
ATTEMPT = re.compile(r"~\[[^\]\n]*\]?")
# The kind of output by which a cell says what its header should state; it is shown nowhere.
KIND = "application/vnd.myst-nbval.expect"


def faults(expect: str) -> list:
    """Say what in a stated output is meant as an interval and is none.

    Parameters
    ----------
    expect : str
        The stated output.

    Returns
    -------
    list of str
        Each completes a sentence that begins with the cell.

    Examples
    --------
    >>> faults("mean ~[6.9, 7.9] ± ~[0.05, 0.1]")
    ["states '~[0.05, 0.1]', which is no interval: write ~[low, high], low first, with equally many decimals"]
    """
    found = []
    for attempt in ATTEMPT.findall(expect):
        match = INTERVAL.fullmatch(attempt)
        ends = match.groups() if match else ("1", "0")
        if _decimals(ends[0]) != _decimals(ends[1]) or float(ends[0]) > float(ends[1]):
            found.append(
                f"states {attempt!r}, which is no interval: write ~[low, high], low first, with equally many "
                "decimals"
            )
    return found


def outside(expect: str, printed: str) -> list | None:
    """Compare what is printed with what is stated, but for the numbers, and these with their intervals.

    A number has as many decimals as the ends of its interval. In a line with an interval, several blanks
    are as good as one, since numbers differ in width.

    Parameters
    ----------
    expect, printed : str
        The stated and the printed output.

    Returns
    -------
    list of str or None
        What is wrong with each number outside its interval; None if other text differs.

    Examples
    --------
    >>> outside("mean ~[6.9, 7.9]", "mean   7.4")
    []
    >>> outside("mean ~[6.9, 7.9]", "mean 10.2")
    ['10.2 where ~[6.9, 7.9] is stated']
    >>> outside("mean ~[6.9, 7.9]", "mean 7.41") is None
    True
    """
    stated, lines = expect.split("\n"), printed.split("\n")
    if len(stated) != len(lines):
        return None
    found = [_outside_in_line(one, line) for one, line in zip(stated, lines, strict=True)]
    return None if None in found else list(chain(*found))


def difference(expect: str, printed: str) -> tuple[list, list]:
    r"""Return the lines of both texts, those that agree written alike, for a comparison line by line.

    Examples
    --------
    >>> difference("a ~[1, 3]\nb", "a 2\nc")
    (['a 2', 'b'], ['a 2', 'c'])
    """
    stated, lines = expect.split("\n"), printed.split("\n")
    for i, (one, line) in enumerate(zip(stated, lines, strict=False)):
        if _outside_in_line(one, line) == []:
            stated[i] = line
    return stated, lines


def _outside_in_line(stated, printed):
    intervals = INTERVAL.findall(stated)
    if not intervals:
        return [] if stated == printed else None
    texts = INTERVAL.split(" ".join(stated.split()))[::3]
    pattern = re.escape(texts[0])
    for (low, _), text in zip(intervals, texts[1:], strict=True):
        digits = _decimals(low)
        pattern += rf"([-+]?\d+{rf'\.\d{{{digits}}}' if digits else ''})" + re.escape(text)
    match = re.fullmatch(pattern, " ".join(printed.split()))
    if match is None:
        return None
    return [
        f"{number} where ~[{low}, {high}] is stated"
        for number, (low, high) in zip(match.groups(), intervals, strict=True)
        if not float(low) <= float(number) <= float(high)
    ]


def _decimals(number):
    return len(number.partition(".")[2])
