"""Let ``{glue:text}`` format NumPy's numbers.

MyST-NB formats the text that Python shows for a glued value, and NumPy shows a number as
``np.float64(0.3)``, which it cannot read. So take the number out of it first.
"""

import re

from myst_nb.core.variables import format_plain_text
from myst_nb.ext.glue import crossref, roles

NUMPY_NUMBER = re.compile(r"np\.(?:float|int|uint)\d+\((.*)\)")


def format_number(text, format_spec):
    """Format glued text as MyST-NB does, reading NumPy's numbers as plain ones."""
    match = NUMPY_NUMBER.fullmatch(text)
    return format_plain_text(match[1] if match else text, format_spec)


def setup(app):  # noqa: ARG001 (Sphinx passes it)
    """Put the formatter in the place of MyST-NB's own."""
    crossref.format_plain_text = format_number
    roles.format_plain_text = format_number
    return {"parallel_read_safe": True, "parallel_write_safe": True}
