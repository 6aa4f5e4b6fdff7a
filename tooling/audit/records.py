"""Tables of what long computations gave, kept in ``tooling/audit/data/``."""

from functools import cache
from importlib.resources import files

import pandas as pd


def read(name: str) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    name : str
        Of its file, without the ending.

    Returns
    -------
    pandas.DataFrame
        A copy, which may be changed.

    Examples
    --------
    >>> read("faults").columns[0]
    'fault'
    """
    return _read(name).copy()


@cache
def _read(name):
    with (files("tooling.audit") / "data" / f"{name}.csv").open(encoding="utf8") as file:
        return pd.read_csv(file)
