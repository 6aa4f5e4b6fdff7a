"""The form of an answer: what `record` checks at once, without knowing what is right."""

from collections.abc import Iterator, Mapping, Sequence, ValuesView

import numpy as np

LONGEST_TEXT = 10_000  # characters
STATISTICS = ("mean", "sd", "mcse_mean", "mcse_sd", "ess_bulk", "ess_tail", "r_hat")


def plain(form: dict, value: object, of: Sequence | None = None) -> float | str | list | dict:
    """Bring one answer into its plain form, made of numbers and text only.

    Parameters
    ----------
    form : dict
        Kind, shape, range and unit of the answer, as in `notebook_marking.scheme.Scheme.forms`.
    value : object
        What the student gave.
    of : sequence of str, optional
        For a posterior: the names of the variables to reduce.

    Returns
    -------
    float, str, list or dict
        What JSON can hold.

    Raises
    ------
    ValueError
        If the answer has not the form asked for; the message says what to give, not what is right.

    Examples
    --------
    >>> plain({"kind": "number", "range": [0, 1]}, 0.5)
    0.5
    >>> plain({"kind": "number", "range": [0, 1]}, 50)
    Traceback (most recent call last):
    ValueError: 50 is outside the possible range, 0 to 1
    """
    if form["kind"] == "posterior":
        return _summary(form, value, of)
    return _CHECKS[form["kind"]](form, value)


def _number(form, value):
    """One finite number in range."""
    return _array(form, value, ()).item()


def _numbers(form, value):
    """Finite numbers in range, in the shape asked for."""
    return _array(form, value, tuple(form["shape"])).tolist()


def _interval(form, value):
    """Lower and upper end."""
    ends = _array(form, value, (2,))
    if ends[0] >= ends[1]:
        raise ValueError(f"{ends.tolist()} is no interval: give (lower, upper), the lower end first")
    return ends.tolist()


def _array(form, value, shape):
    """Finite numbers in range, as an array."""
    value = _content(value)
    if np.ma.is_masked(value):
        raise ValueError("some of the numbers are masked: give all of them")
    array = np.real_if_close(np.asarray(value))
    # Objects may be decimals or fractions, and ArviZ's tables hold numbers as text.
    if array.dtype.kind not in "iufOU":
        raise ValueError(f"give {_count(shape)}, not {_describe(value)}")
    try:
        array = array.astype(float)
    except (TypeError, ValueError):
        raise ValueError(f"give {_count(shape)}, not {_describe(value)}") from None
    if array.squeeze().shape != np.empty(shape).squeeze().shape:
        got = f"an array of shape {array.shape}" if array.ndim else "a single number"
        raise ValueError(f"give {_count(shape)}, not {got}")
    if not np.isfinite(array).all():
        raise ValueError("not every number is finite (nan, inf or None): look where it comes from")
    _check_range(form, array)
    return array.reshape(shape)


def _content(value):
    """Return what a dict, a dataset (of which a tree has several) or an iterator holds, as lists."""
    if isinstance(value, Mapping):
        value = value.values()
    return [_content(each) for each in value] if isinstance(value, (Iterator, ValuesView)) else value


def _check_range(form, array):
    """Refuse numbers that cannot be, such as a probability of 50."""
    lowest, highest = form.get("range", (-np.inf, np.inf))
    outside = array[(array < lowest) | (array > highest)]
    if outside.size:
        unit = f" {form['unit']}" if form.get("unit") else ""
        limits = f"at least {lowest:g}{unit}" if np.isinf(highest) else f"{lowest:g} to {highest:g}{unit}"
        raise ValueError(f"{outside.flat[0]:g} is outside the possible range, {limits}")


def _count(shape):
    """Say what to give for a shape."""
    if not shape:
        return "one number"
    if shape == (2,):
        return "two numbers"
    return f"{' x '.join(map(str, shape))} numbers"


def _choice(form, value):
    """One of the options."""
    text = str(np.asarray(value).squeeze()).strip().casefold()
    known = {option.casefold(): option for option in form["options"]}
    if text not in known:
        options = ", ".join(repr(option) for option in form["options"])
        raise ValueError(f"{_describe(value)} is not among the options: give one of {options}")
    return known[text]


def _text(form, value):  # noqa: ARG001
    """Some words, of a length that a human can read."""
    if not isinstance(value, str):
        raise ValueError(f'give a text in quotes, """...""" if it has several lines, not {_describe(value)}')
    text = value.strip()
    if not text:
        raise ValueError("the text is empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"character {error.start + 1} of the text cannot be written: leave it out") from None
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"the text has {len(text)} characters: use at most {LONGEST_TEXT}")
    return text


def _describe(value):
    """Show a value in a message, without flooding it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{type(value).__name__} {text[:50]}…"


_CHECKS = {"number": _number, "numbers": _numbers, "interval": _interval, "choice": _choice, "text": _text}

# Posteriors ------------------------------------------------------------------------------------


def _summary(form, idata, of):
    """Statistics of each variable, and how many chains, draws and divergences there are."""
    wanted = form["of"]
    if of is not None and sorted(of) != sorted(wanted):
        raise ValueError(f"of={list(of)}: this answer is about of={list(wanted)}")
    draws = _draws(idata, wanted)
    first = draws[next(iter(wanted))]
    return {
        "chains": first.sizes["chain"],
        "draws": first.sizes["draw"],
        "divergences": _divergences(idata),
        "quantities": {name: _statistics(draws[name]) for name in wanted},
    }


def _draws(idata, wanted):
    """Draws of the variables, with chain and draw first."""
    try:
        posterior = idata["posterior"]
        present = list(posterior.data_vars)
    except (TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(
            "give the whole of what sample(...) or pm.sample(...) returned, not a part of it such as "
            f'fit["posterior"] (this is of type {type(idata).__name__})'
        ) from error
    draws = {}
    for name, shape in wanted.items():
        if name not in present:
            raise ValueError(
                f"the posterior has no variable {name!r}, only {', '.join(map(str, present))}: "
                "use the names of the question in your model"
            )
        array = posterior[name].transpose("chain", "draw", ...)
        if array.shape[2:] != tuple(shape):
            size = f"of shape {array.shape[2:]}" if array.ndim > 2 else "a single number"
            raise ValueError(f"{name} is {size}: the question asks for {_count(tuple(shape))}")
        if array.sizes["chain"] < 2 or array.sizes["draw"] < 4:
            raise ValueError(
                f"there are {array.sizes['chain']} chains of {array.sizes['draw']} draws: run at least two "
                "chains, or nothing can be said of their agreement"
            )
        if not np.isfinite(array.values).all():
            raise ValueError(f"some draws of {name} are not finite (nan or inf)")
        draws[name] = array
    return draws


def _divergences(idata):
    """Number of divergent transitions."""
    try:
        return int(idata["sample_stats"]["diverging"].sum())
    except (KeyError, AttributeError) as error:
        raise ValueError(
            "the fit has no sample_stats, where divergences are counted: give the whole of what "
            "sample(...) or pm.sample(...) returned"
        ) from error


def _statistics(array):
    """Summary of one variable, each statistic a number or a list in the variable's shape."""
    import arviz as az  # takes seconds, which notebooks without a fit should not wait for

    dims = ["chain", "draw"]
    values = {
        "mean": array.mean(dims),
        "sd": array.std(dims, ddof=1),
        "mcse_mean": az.mcse(array, method="mean"),
        "mcse_sd": az.mcse(array, method="sd"),
        "ess_bulk": az.ess(array, method="bulk"),
        "ess_tail": az.ess(array, method="tail"),
        "r_hat": az.rhat(array),
    }
    summary = {name: np.asarray(value, dtype=float) for name, value in values.items()}
    if not all(np.isfinite(value).all() for value in summary.values()):
        raise ValueError(f"{array.name} does not vary in some chain, so that its summary means nothing")
    return {name: value.tolist() for name, value in summary.items()}
