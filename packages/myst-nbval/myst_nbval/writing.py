"""Writes into the headers of a page what its cells say that these should state."""

from __future__ import annotations

import os
import re
import shutil

import yaml

# What a block of YAML cannot hold, or not in a page: characters that end a line or are refused, a line that
# ends the cell, and lines of blanks, which MyST empties.
NO_BLOCK = re.compile(
    r"[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    r"|^[ \t]*(`{3,}|~{3,})|^[ \t]+$",
    re.MULTILINE,
)


def with_stated(text: str, outputs: dict) -> str:
    r"""Return a page with other stated outputs.

    Parameters
    ----------
    text : str
        The page.
    outputs : dict of int to str
        The output to state, by the line, from 1, at which its cell begins.

    Returns
    -------
    str
        The page, all else as it was.

    Raises
    ------
    ValueError
        If a cell's header is not YAML between two lines of dashes.

    Examples
    --------
    >>> print(with_stated("```{code-cell}\nprint(7)\n```", {1: "~[5, 9]"}))
    ```{code-cell}
    ---
    expect: |
      ~[5, 9]
    ---
    print(7)
    ```
    """
    lines = text.split("\n")
    for line in sorted(outputs, reverse=True):
        if lines[line].startswith(":"):
            raise ValueError(f"line {line + 1}: write the header between two lines ---, so that it can state")
        end_of_line = "\r" if lines[line].endswith("\r") else ""
        block = [f"{one}{end_of_line}" for one in _block(outputs[line])]
        rule = f"---{end_of_line}"
        if lines[line].rstrip() != "---":
            lines[line:line] = [rule, *block, rule]
            continue
        end = next(i for i in range(line + 1, len(lines)) if lines[i].rstrip() == "---")
        header = lines[line + 1 : end]
        start = next((i for i, one in enumerate(header) if one.startswith("expect:")), len(header))
        after = next(
            (i for i in range(start + 1, len(header)) if header[i].strip() and header[i][0] != " "),
            len(header),
        )
        lines[line + 1 : end] = header[:start] + block + header[after:]
    return "\n".join(lines)


def replace(path, content):
    """Write a file at once or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    draft.write_bytes(content)
    shutil.copymode(path, draft)
    draft.replace(path)


def _block(output):
    """Return the lines of a header that state an output."""
    if NO_BLOCK.search(output):
        quoted = yaml.safe_dump(output, default_style='"', allow_unicode=True, width=float("inf"))
        return [f"expect: {quoted.rstrip()}"]
    indented = [f"  {one}" if one else "" for one in output.split("\n")]
    first = output.lstrip("\n")  # by which YAML tells how far a block is indented
    return ["expect: |2" if first.startswith(" ") else "expect: |", *indented]
