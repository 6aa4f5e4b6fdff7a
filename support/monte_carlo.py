"""What draws are worth: the Monte Carlo error of what is computed from them, in numbers and in print."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from scipy import special, stats

from hierarchical_exact import Marginal
from support.conventions import INTERVAL, LARGEST_Z, SEED, USUAL_SEED
from support.outputs import STATED

SETS = 200  # sets of draws; the error is then known to 5%
# Dense in both tails; between quantiles this close, a straight line is as good as the distribution.
PROBABILITIES = special.ndtr(np.linspace(-5, 5, 401))


@dataclass(frozen=True)
class Estimate:
    """A number found by simulation; prints as ``0.82 ± 0.01``, in the format asked for.

    Attributes
    ----------
    value, error : float
        The number and its Monte Carlo standard error.
    within, error_within : (float, float)
        Intervals in which the two must lie in any other run.

    See Also
    --------
    Report : Prints it, and says in which interval it must lie.

    Examples
    --------
    >>> heads = Estimate.of([0, 1] * 50)
    >>> f"{heads:.2f}, {heads:.0%}"
    '0.50 ± 0.05, 50% ± 5%'
    """

    value: float
    error: float
    within: tuple
    error_within: tuple

    @classmethod
    def of(cls, sample: Sequence[float], exact: float | None = None) -> Self:
        """Mean of independent results.

        Parameters
        ----------
        sample : sequence of float
            The results.
        exact : float, optional
            Their expectation, if it is known.

        Returns
        -------
        Estimate
            Other runs lie within 4.5 standard errors: of their distance from `exact`, or from this run.

        Raises
        ------
        ValueError
            If `sample` has fewer than two numbers, or one that is not finite.
        """
        sample = np.asarray(sample, dtype=float)
        if sample.ndim != 1 or sample.size < 2 or not np.isfinite(sample).all():
            raise ValueError(f"sample is {sample}: give two or more finite numbers")
        value, error = sample.mean(), stats.sem(sample)
        if error == 0 and np.isin(sample, (0, 1)).all():  # all hits or all misses: the next may be none
            error = 1 / sample.size
        far = LARGEST_Z * np.array([-1, 1])
        centre, distance = (value, np.sqrt(2) * error) if exact is None else (exact, error)
        kurtosis = stats.kurtosis(sample, fisher=False) if np.ptp(sample) > 0 else sample.size
        relative = np.sqrt(2) * np.sqrt((kurtosis - 1) / (4 * sample.size))
        errors = error * np.maximum(0, 1 + far * relative)
        return cls(float(value), float(error), tuple(centre + far * distance), tuple(errors))

    def root(self) -> Self:
        """Square root, of a mean square for example.

        Returns
        -------
        Estimate

        Raises
        ------
        ValueError
            If the number is not above 0.
        """
        if not self.value > 0:
            raise ValueError(f"the estimate is {self.value:g}: take the root of one above 0")
        roots = np.sqrt(np.maximum(0, self.within))
        slope = 1 / (2 * self.value**0.5)
        errors = slope * np.array(self.error_within)
        return type(self)(self.value**0.5, slope * self.error, tuple(roots), tuple(errors))

    def __str__(self):
        """Return number and error."""
        return format(self)

    def __format__(self, form):
        """Number and error with equally many decimals; without a format, the error has one digit."""
        if not form:
            digits = 0 if not self.error > 0 else max(0, -int(np.floor(np.log10(self.error))))
            form = f".{digits}f"
        elif "." not in form:
            raise ValueError(f"form is {form!r}: give one with decimals, such as '.2f' or '.0%'")
        return f"{self.value:{form}} ± {self.error:{form[form.index('.') :]}}"


class Report:
    """Text in which each number from a simulation stands with its error; the last line of a cell shows it.

    Beside the text it has, for the tests of pages, the same with an interval in place of each such number.

    Parameters
    ----------
    head : str, optional
        The first line.

    See Also
    --------
    Estimate : Such a number.

    Examples
    --------
    >>> report = Report("sides   share of sixes")
    >>> report.line("{:<5}   {:.2f}", 6, Estimate.of([0, 1, 0, 0, 0, 0] * 100, exact=1 / 6))
    >>> report
    sides   share of sixes
    6       0.17 ± 0.02
    >>> print(report.stated())
    sides   share of sixes
    6       ~[0.09, 0.24] ± ~[0.01, 0.02]
    """

    def __init__(self, head=None):
        self._lines = [] if head is None else [(head.replace("{", "{{").replace("}", "}}"), ())]

    def line(self, text: str, *numbers: object) -> None:
        """Add a line: a text with fields in braces, as `str.format` has them, and what goes into these.

        Parameters
        ----------
        text : str
            The text.
        *numbers
            Of `Estimate` or anything else that can be formatted.
        """
        self._lines.append((text, numbers))

    def __repr__(self):
        """Return the text."""
        return "\n".join(text.format(*numbers) for text, numbers in self._lines)

    def stated(self) -> str:
        """Text with the interval in place of each number that was simulated.

        Returns
        -------
        str
        """
        return "\n".join(
            text.format(*(_Stated(one) if isinstance(one, Estimate) else one for one in numbers))
            for text, numbers in self._lines
        )

    def _repr_mimebundle_(self, include=None, exclude=None):  # noqa: ARG002
        """Show the text; with the usual seed, state the intervals too: they are worked out from its run."""
        usual = {STATED: self.stated()} if SEED == USUAL_SEED else {}
        return {"text/plain": repr(self), **usual}


@dataclass(frozen=True)
class _Stated:
    """An estimate that prints as intervals, each rounded outward."""

    estimate: Estimate

    def __str__(self):
        """Return number and error."""
        return format(self)

    def __format__(self, form):
        digits, percent = re.search(r"\.(\d+)(%?)", form).groups()
        scale = 10 ** (int(digits) + 2 * bool(percent))
        texts = []
        for low, high in (self.estimate.within, self.estimate.error_within):
            ends = np.array([np.floor(low * scale + 1e-6), np.ceil(high * scale - 1e-6)]) + 0.0
            low, high = (f"{end / 10 ** int(digits):.{digits}f}" for end in ends)
            texts.append(f"~[{low}, {high}]{percent}")
        return " ± ".join(texts)


def monte_carlo_error(
    statistic: Callable, *marginals: Marginal, draws: float | Sequence[float]
) -> float | np.ndarray:
    """Standard error of a statistic of draws, found by drawing from exact marginals.

    Parameters
    ----------
    statistic : callable
        Takes one array of draws for each marginal, and returns a number or an array. The draws come in
        ascending order, each marginal's by itself: nothing may depend on their order.
    *marginals : hierarchical_exact.Marginal
        Scalar marginals, drawn from independently.
    draws : float or sequence of float
        Effective draws in a sample: one number, or one for each marginal.

    Returns
    -------
    float or numpy.ndarray
        Standard deviation of the statistic over repeated samples, in its units and of its shape.

    Raises
    ------
    ValueError
        If `draws` has a number below 1.

    See Also
    --------
    support.checks.compare : Verdicts on a posterior that was sampled, from the errors that ArviZ finds.

    Examples
    --------
    The mean of standard Normal draws has the error one over the root of their number:

    >>> import hierarchical_exact as exact
    >>> from scipy import stats
    >>> error = monte_carlo_error(np.mean, exact.marginal(stats.norm()), draws=2000)
    >>> bool(abs(error * 2000**0.5 - 1) < 0.2)
    True
    """
    sizes = np.broadcast_to(draws, len(marginals))
    if not (sizes >= 1).all() or not np.isfinite(sizes).all():  # nor NaN
        raise ValueError(f"draws is {draws}: give numbers of draws, from 1")
    uniforms = [_uniforms(58 + position, round(size)) for position, size in enumerate(sizes)]
    quantiles = [_quantiles(marginal) for marginal in marginals]
    found = [
        statistic(*(np.interp(u, PROBABILITIES, of) for u, of in zip(row, quantiles, strict=True)))
        for row in zip(*uniforms, strict=True)
    ]
    return np.std(found, axis=0, ddof=1)


def shortest_interval(draws: np.ndarray) -> np.ndarray:
    """Shortest interval that holds 89% of the draws.

    Parameters
    ----------
    draws : numpy.ndarray
        Draws of one quantity, of any shape.

    Returns
    -------
    numpy.ndarray
        Its ends, (2,), as `arviz.hdi` has them, but quick enough for thousands of samples.

    Raises
    ------
    ValueError
        If there are no draws, or one is not a number.

    See Also
    --------
    arviz.hdi : The same, of labelled draws.
    hierarchical_exact.Marginal.hdi : That of an exact marginal.

    Examples
    --------
    >>> shortest_interval(np.arange(101.0)).tolist()
    [0.0, 89.0]
    """
    ordered = np.sort(np.ravel(draws), kind="stable")  # made for what is in order
    if not ordered.size or np.isnan(ordered[-1]):  # where NaN is put in order
        raise ValueError("draws is empty or contains NaN: give numbers")
    inside = int(np.floor(INTERVAL * ordered.size))
    start = np.argmin(ordered[inside:] - ordered[: ordered.size - inside])
    return ordered[[start, start + inside]]


# Several statistics of a marginal are asked for in a row.
@lru_cache(maxsize=4)
def _quantiles(marginal):
    """Quantiles of a scalar marginal at `PROBABILITIES`, (401,)."""
    return np.asarray(marginal.quantile(PROBABILITIES))


@lru_cache(maxsize=2)
def _uniforms(seed, size):
    """Sets of uniform draws, each in order: what is made of them is then in order too, and quick to sort.

    Sums of exponential waits are in order as they come, and as shares of the last of them uniform.
    """
    waited = np.random.default_rng(seed).standard_exponential((SETS, size + 1))
    np.cumsum(waited, axis=1, out=waited)
    waited /= waited[:, -1:].copy()
    return waited[:, :-1]
