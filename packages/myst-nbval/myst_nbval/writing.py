"""Writes into the headers of a page what its cells say that these should state."""

from __future__ import annotations

import shutil


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
        block = _block(outputs[line])
        if lines[line] != "---":
            lines[line:line] = ["---", *block, "---"]
            continue
        end = lines.index("---", line + 1)
        header = lines[line + 1 : end]
        start = next((i for i, one in enumerate(header) if one.startswith("expect:")), len(header))
        after = next(
            (i for i in range(start + 1, len(header)) if header[i] and header[i][0] != " "), len(header)
        )
        lines[line + 1 : end] = header[:start] + block + header[after:]
    return "\n".join(lines)


def replace(path, content):
    """Write a file at once or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    shutil.copymode(path, draft)
    draft.replace(path)


def _block(output):
    """Return the lines of a header that state an output."""
    indented = [f"  {one}" if one else "" for one in output.split("\n")]
    return ["expect: |2" if output.startswith(" ") else "expect: |", *indented]
