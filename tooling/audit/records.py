"""Tables of what long computations gave, kept in ``tooling/audit/data/``."""

from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd


def read(name: str, **options: Any) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    name : str
        Of its file, without the ending.
    **options
        Of `pandas.read_csv`.

    Returns
    -------
    pandas.DataFrame
        A copy, which may be changed.

    Examples
    --------
    >>> read("faults").columns[0]
    'fault'
    """
    return _read(name, **options).copy(deep=False)  # pandas copies what is written to


@cache
def _read(name, **options):
    with (files("tooling.audit") / "data" / f"{name}.csv").open(encoding="utf8") as file:
        return pd.read_csv(file, **options)
