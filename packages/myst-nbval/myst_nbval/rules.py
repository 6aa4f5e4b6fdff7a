"""What the header of a code cell may say, and what a book may add to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from myst_nbval import intervals

# MyST-NB's own tags, which say how a cell is shown.
SHOWN = {"hide-input", "hide-output", "hide-cell", "remove-input", "remove-output", "remove-cell"}
KEYS = {"expect", "tags", "mystnb"}
# Other keys below `mystnb` would show what is not compared, or hide what is.
MYSTNB_KEYS = {"image", "figure"}
# Settings of pytest: their types, and what `pytest --help` says of them.
SETTINGS = {
    "myst_nbval_uncompared": ("linelist", "tags of cells whose output is not compared, each 'tag: reason'"),
    "myst_nbval_tags": ("linelist", "other tags that cells may have"),
    "myst_nbval_keys": ("linelist", "other keys that headers of cells may have"),
}


@dataclass(frozen=True)
class Rules:
    """What headers of code cells may say.

    Attributes
    ----------
    uncompared : mapping of str to str
        The only reasons for which a cell may print without being compared, by the tag that gives each.
    tags, keys : iterable of str
        Tags and header keys of the book, beside those of MyST-NB and `expect`.

    Examples
    --------
    >>> rules = Rules({"timing": "a measured time differs from run to run"})
    >>> rules.faults({"tags": ["timing"]})
    []
    >>> rules.faults({"tags": ["slow"]})
    ["has the tag 'slow', which is not known: use timing, hide-cell, hide-input, ..."]
    """

    uncompared: Mapping[str, str] = field(default_factory=dict)
    tags: Iterable[str] = ()
    keys: Iterable[str] = ()

    KEY: ClassVar = pytest.StashKey()

    @classmethod
    def of(cls, config: pytest.Config) -> Rules:
        """Rules that the settings of a run of pytest make.

        Raises
        ------
        ValueError
            If an entry of ``myst_nbval_uncompared`` is not a tag and a reason.
        """
        uncompared = {}
        for entry in config.getini("myst_nbval_uncompared"):
            tag, _, reason = (part.strip() for part in entry.partition(":"))
            if not (tag and reason):
                raise ValueError(f"myst_nbval_uncompared is {entry!r}: give 'tag: reason'")
            uncompared[tag] = reason
        return cls(uncompared, config.getini("myst_nbval_tags"), config.getini("myst_nbval_keys"))

    def faults(self, header: Mapping) -> list:
        """Say what in a cell's header would keep its output from being compared as it should.

        Parameters
        ----------
        header : mapping
            The cell's metadata.

        Returns
        -------
        list of str
            Each completes a sentence that begins with the cell.
        """
        keys = KEYS | set(self.keys)
        faults = [
            f"has the header key {key!r}, which means nothing here: use {', '.join(sorted(keys))}"
            for key in header
            if key not in keys
        ]
        below = header.get("mystnb", {})
        if not isinstance(below, Mapping):
            faults.append(
                f"has `mystnb: {below}`: write below it {' or '.join(sorted(MYSTNB_KEYS))}, indented"
            )
            below = {}
        faults += [
            f"has `mystnb: {key}`, which changes what is shown: use {', '.join(sorted(MYSTNB_KEYS))}"
            for key in below
            if key not in MYSTNB_KEYS
        ]
        expect = header.get("expect", "none")
        if not (isinstance(expect, str) and expect.strip()):
            faults.append(
                f"states {expect!r} under `expect`: write `expect: |` and below it, indented, the text that "
                "the cell prints; a cell that prints nothing needs no `expect`"
            )
        else:
            faults += intervals.faults(expect)
        return faults + self._tag_faults(header)

    def _tag_faults(self, header):
        others = SHOWN | set(self.tags)
        tags = header.get("tags", [])
        faults = [
            f"has the tag {tag!r}, which is not known: use {', '.join([*self.uncompared, *sorted(others)])}"
            for tag in tags
            if tag not in others and tag not in self.uncompared
        ]
        if "expect" in header:
            faults += [
                f"states its output and has the tag {tag!r} ({self.uncompared[tag]}): keep one of the two"
                for tag in tags
                if tag in self.uncompared
            ]
        return faults
