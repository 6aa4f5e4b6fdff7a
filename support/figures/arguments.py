"""What a figure is given: the form of each argument, checked before anything is drawn.

A form is one of these:

- words with blanks between them, one for each dim of an array of finite numbers. A number is a length; a
  letter is a length that is the same wherever it stands; a longer word is a dim of a DataArray, whose
  labels are the same wherever it stands, in any order; with ``=`` and a length behind it, so long. ``~``
  before a word lets the dim have any name. ``+`` asks for numbers above zero, ``text`` for words, ``*`` for
  an array with any dims. Without a dim it is one number;
- a dict, for what has entries of these names; a tuple, for as many entries in order; `Each`, for a dict of
  any names; or a type.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

SIGNS = {"+", "text", "*"}
OWN = ("chain", "draw")  # two samples need not be of one size


@dataclass(frozen=True)
class Each:
    """The form of a dict in which all entries are alike.

    Attributes
    ----------
    form : str, dict, tuple or Each
        Of each entry.
    most : int, optional
        How many there may be.
    exactly : bool
        Whether so many there must be.
    names : str
        Dicts with the same word here must have the same names.
    among : collection of str
        What a name, or its first word, must be; if empty, any.
    """

    form: object
    most: int | None = None
    exactly: bool = False
    names: str = ""
    among: Collection[str] = ()


def checked(arguments: dict, forms: dict) -> dict:
    """Return the arguments that have their forms, with labels in one order, or say which has not.

    Parameters
    ----------
    arguments : dict
        Those of one call, by name.
    forms : dict
        The forms of some of them, by name.

    Returns
    -------
    dict
        All arguments.

    Raises
    ------
    ValueError
        If one has not its form; the message begins with its name.

    Examples
    --------
    >>> checked({"x": [1, 2], "y": [1, 2, 3]}, {"x": "n", "y": "n"})
    Traceback (most recent call last):
    ValueError: y has the length 3: give 2, as x has
    """
    seen = {}
    return arguments | {
        name: _checked(name, arguments[name], form, seen)
        for name, form in forms.items()
        if arguments.get(name) is not None
    }


def _checked(name, value, form, seen):
    """Return one value, or an entry of one, that has its form."""
    if isinstance(form, type):
        if not isinstance(value, form):
            raise ValueError(f"{name} is {_kind(value)}: give {form.__name__}")
        return value
    if isinstance(form, Each):
        return _entries(name, value, form, seen)
    if isinstance(form, dict):
        return {
            key: _checked(f"{name}[{key!r}]", _entry(name, value, key), f, seen) for key, f in form.items()
        }
    if isinstance(form, tuple):
        if not hasattr(value, "__len__") or len(value) != len(form):
            raise ValueError(f"{name} is {_kind(value)}: give {len(form)} entries")
        return tuple(_checked(f"{name}[{i}]", value[i], f, seen) for i, f in enumerate(form))
    words = form.split()
    dims = [word for word in words if word not in SIGNS]
    labelled = any(len(word.partition("=")[0]) > 1 and not word.isdigit() for word in dims)
    array = _labelled(name, value, words, dims, seen) if labelled else _plain(name, value, words, dims, seen)
    return array if dims or "*" in words else value


def _kind(value):
    return f"a {type(value).__name__}"


def _entry(name, value, key):
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        raise ValueError(f"{name} has no {key!r}: give it") from None


def _entries(name, value, form, seen):
    """Return a dict whose entries are alike, in the order of the first that has these names."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is {_kind(value)}: give a dict")
    if not value:
        raise ValueError(f"{name} is empty: give at least one entry")
    at_most(form.most, exactly=form.exactly, **{name: value})
    for key in value:
        if form.among and not {str(key), str(key).lower().partition(" ")[0]} & {*form.among}:
            raise ValueError(f"{name} has the name {key!r}: give only {', '.join(form.among)}")
    names = _like(f"names {form.names}", name, [*value], seen) if form.names else value
    return {key: _checked(f"{name}[{key!r}]", value[key], form.form, seen) for key in names}


def at_most(number: int | None, *, exactly: bool = False, **given: Collection) -> None:
    """Refuse an argument of more entries than a figure has looks or panels for.

    Examples
    --------
    >>> at_most(2, names=["a", "b", "c"])
    Traceback (most recent call last):
    ValueError: names has 3 entries: give at most 2
    """
    for name, entries in given.items():
        if number and (len(entries) > number or (exactly and len(entries) < number)):
            limit = "" if exactly else "at most "
            raise ValueError(f"{name} has {len(entries)} entries: give {limit}{number}")


def _labelled(name, value, words, dims, seen):
    """Return a DataArray with these dims, in their order, and with the labels in the order of the first."""
    if not isinstance(value, xr.DataArray):
        raise ValueError(f"{name} is {_kind(value)}: give a DataArray over {', '.join(dims)}")
    sizes = {}
    for word in dims:
        dim, _, size = word.partition("=")
        if dim.startswith("~"):  # the first that has it says how it is called
            dim = seen.setdefault(dim, value.dims[0] if value.ndim == 1 else dim[1:])
        sizes[dim] = size
    if {*value.dims} != {*sizes}:
        got = ", ".join(map(str, value.dims)) or "none"
        raise ValueError(f"{name} has the dims {got}: give {', '.join(map(str, sizes))}")
    value = value.transpose(*sizes)
    _check_numbers(name, value.values, words)
    for dim, size in sizes.items():
        place = f"{dim} of {name.partition('[')[0]}" if dim in OWN else dim
        if size:
            _length(name, size, value.sizes[dim], seen)
        if dim in value.coords:
            order = _like(place, name, value[dim].values.tolist(), seen, over=f" over {dim}")
            value = value.sel({dim: order})
        _length(name, f"length of {place}", value.sizes[dim], seen)
    return value


def _like(what, name, labels, seen, over=""):
    """Return the labels in the order of the first argument that has some, which has the same."""
    if len({*labels}) < len(labels):
        raise ValueError(f"{name} has a label twice{over}, {labels}: give each once")
    first, order = seen.setdefault(what, (name, labels))
    if {*order} != {*labels}:
        raise ValueError(
            f"{name} has the labels {labels}{over}, not those of {first}, {order}: give both the same"
        )
    return order


def _plain(name, value, words, dims, seen):
    """Return an array of these lengths."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} is no array: give rows of one length") from None
    if "*" not in words and array.ndim != len(dims):
        asked = f"an array of {len(dims)} dims" if dims else "one number"
        raise ValueError(f"{name} has the shape {array.shape}: give {asked}")
    _check_numbers(name, array, words)
    for word, size in zip(dims, array.shape, strict=False):
        _length(name, word, size, seen)
    return array


def _length(name, word, size, seen):
    """Refuse a length other than asked for, or than that of an earlier argument."""
    first, wanted = ("", int(word)) if word.isdigit() else seen.setdefault(word, (name, size))
    if size != wanted:
        raise ValueError(f"{name} has the length {size}: give {wanted}{f', as {first} has' if first else ''}")


def _check_numbers(name, array, words):
    if not array.size:
        raise ValueError(f"{name} is empty: give at least one entry")
    if "text" in words:
        return
    if array.dtype.kind not in "iufb":
        raise ValueError(f"{name} holds {array.dtype}: give numbers")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are not finite (NaN or inf): give finite ones")
    if "+" in words and (array <= 0).any():
        raise ValueError(f"{name} holds {array.min()}: give numbers above zero")
