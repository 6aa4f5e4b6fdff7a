"""The exact answers of every exercise, for the source's data or a student's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

# Misunderstandings that several exercises know.
TURNED = "taking the difference the other way round"
OWN = "giving the weight of a group's own data"


@dataclass(frozen=True)
class Key:
    """The exact value of one answer.

    Parameters
    ----------
    value : float, array_like, str or Posterior
        What is true of the data: a number, the numbers, a choice, or an exact posterior.
    error : float or array_like
        The Monte Carlo standard error that `value` would have if it came from as many effective draws as
        the exercise asks for; of the shape of `value`, and 0 for what needs no draws.
    mistakes : mapping of str to float, array_like or str
        What typical misunderstandings lead to, by their names: feedback names the one that it sees.

    Examples
    --------
    >>> Key(0.5).error
    0.0
    """

    value: Any
    error: Any = 0.0
    mistakes: Mapping[str, Any] = field(default_factory=dict)


def key(page: str, data, earlier=None) -> dict[str, Key]:
    """Answers of one exercise, by part and name.

    Parameters
    ----------
    page : str
        Name of the exercise's page, such as ``"shrinkage-arithmetic"``.
    data : tuple or dict
        The exercise's data, as in :func:`support.exercises.personal.data`.
    earlier : dict, optional
        What to take for earlier answers in place of what is right, by part and name.

    Returns
    -------
    dict of str to Key
        Exact answers by part and name, such as ``"a.factors"``.

    Examples
    --------
    >>> from support.exercises import personal
    >>> key("shrinkage-arithmetic", personal.data("5.8.1"))["a.most"].value
    'H'
    """
    module = import_module(f"solutions.keys.{page.replace('-', '_')}")
    return module.key(data, earlier or {})
