"""What a comparison with the exact posterior can see: the smallest change of a constant that it notices."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

import hierarchical_exact as exact
from support import datasets
from support.conventions import LARGEST_Z
from tooling.audit import records

FILE = Path(__file__).parent / "data" / "sensitivity.csv"
# What the fits of the book are worth, about: half of their 8,000 draws.
ESS = 4000
# So far apart, in standard errors, that nine runs in ten find a difference.
FAR = LARGEST_Z + stats.norm.ppf(0.9)
LEVELS = np.array([0.05, 0.50, 0.95])
LABELS = {
    "effect": "an effect",
    "error": "a standard error",
    "count": "a count",
    "exposure": "an exposure",
    "mu_mean": "prior mean of mu",
    "mu_sd": "prior sd of mu",
    "tau_scale": "prior scale of tau",
    "sigma_scale": "prior scale of sigma",
    "alpha_mean": "prior mean of alpha",
    "baseline": "prior of pi0",
}
FREE = ("effect", "mu_mean")  # of any sign; counts are whole, all others are scales


@dataclass(frozen=True)
class Model:
    """A model of the book as a function of its constants.

    Attributes
    ----------
    title : str
        Its name.
    fit : callable
        Takes the constants as keyword arguments, and gives the exact posterior.
    constants : dict of str to float or array
        Their values; each entry of an array is changed alone.
    quantities : tuple of str
        What is compared.
    """

    title: str
    fit: Callable
    constants: dict
    quantities: tuple


def models() -> list[Model]:
    """Models that the book samples and whose posterior is known, without those that differ by data alone.

    Returns
    -------
    list of Model
    """
    schools, survey, hospitals = datasets.eight_schools(), datasets.survey(), datasets.hospitals()
    exam = datasets.instructors()
    data = {"effect": schools["effect"].values, "error": schools["standard_error"].values}

    def of_schools(effect, error, mu_sd, tau_scale):
        return exact.normal(effect, error, mu=stats.norm(0, mu_sd), tau=stats.halfnorm(scale=tau_scale))

    def pooled(effect, error, mu_sd):
        return exact.normal(effect, error, mu=stats.norm(0, mu_sd), tau=0)

    def of_instructors(mu_mean, mu_sd, tau_scale, sigma_scale):
        return exact.normal_groups(
            exam["score"].values,
            exam["instructor"].values,
            mu=stats.norm(mu_mean, mu_sd),
            tau=stats.halfnorm(scale=tau_scale),
            sigma=stats.halfnorm(scale=sigma_scale),
        )

    def of_survey(count, alpha_mean, baseline):
        table = survey["count"].copy(data=np.asarray(count, dtype=int))
        prior = {"alpha": stats.expon(scale=alpha_mean), "baseline": np.full(4, baseline)}
        return exact.dirichlet_multinomial(table, **prior)

    def of_hospitals(count, exposure, mu_sd, sigma_scale):
        prior = {"mu_log": stats.norm(0, mu_sd), "sigma_log": stats.halfnorm(scale=sigma_scale)}
        return exact.poisson(np.asarray(count, dtype=int), exposure, **prior)

    exam_priors = {"mu_mean": 50.0, "mu_sd": 25.0, "tau_scale": 10.0, "sigma_scale": 15.0}
    counted = {"count": hospitals["count"].values, "exposure": hospitals["exposure"].values}
    rates_priors = {"mu_sd": 1.0, "sigma_scale": 1.0}
    asked = {"count": survey["count"].values, "alpha_mean": 1.0, "baseline": 1.0}
    schools_priors = {"mu_sd": 20.0, "tau_scale": 10.0}
    of_hierarchy = ("mu", "tau", "theta")
    return [
        Model("Eight Schools", of_schools, {**data, **schools_priors}, of_hierarchy),
        Model("one effect for all", pooled, {**data, "mu_sd": 20.0}, ("mu",)),
        Model("instructors", of_instructors, exam_priors, (*of_hierarchy, "sigma")),
        Model("survey", of_survey, asked, ("alpha", "pi0", "pi")),
        Model("hospitals", of_hospitals, {**counted, **rates_priors}, ("mu_log", "sigma_log", "lam")),
    ]


class Comparer:
    """A model's posterior, to hold those of changed models against.

    Parameters
    ----------
    model : Model
        The model.
    """

    def __init__(self, model):
        self.model = model
        self.posterior = model.fit(**model.constants)
        self.errors = {name: self._errors(self.posterior[name]) for name in model.quantities}

    def _errors(self, marginal):
        """Monte Carlo standard errors of mean and sd, from one independent draw."""
        mean, sd = marginal.mean(), marginal.sd()
        fourth = marginal.expect(lambda x: (x - mean) ** 4)
        return sd, np.sqrt(fourth - sd**4) / (2 * sd)

    def distance(self, **changed: float | np.ndarray) -> float:
        """Largest difference of means, sds and, of scalars, 5%, 50% and 95% quantiles.

        Parameters
        ----------
        **changed
            Constants of the other model that differ.

        Returns
        -------
        float
            In Monte Carlo standard errors of `ESS` independent draws from this one.
        """
        other, found = self.model.fit(**{**self.model.constants, **changed}), []
        for name, (of_mean, of_sd) in self.errors.items():
            one, two = self.posterior[name], other[name]
            found.append(np.max(np.abs(two.mean() - one.mean()) / of_mean))
            found.append(np.max(np.abs(two.sd() - one.sd()) / of_sd))
            if np.ndim(of_mean) == 0:
                moved = two.cdf(one.quantile(LEVELS).values) - LEVELS
                found.append(np.max(np.abs(moved) / np.sqrt(LEVELS * (1 - LEVELS))))
        return float(np.max(found) * np.sqrt(ESS))

    def noticed(self, name: str, position: tuple, sign: int) -> float:
        """Value that is first noticed, above or below the model's own.

        Parameters
        ----------
        name : str
            The constant.
        position : tuple of int
            Which entry of it, if it is an array.
        sign : {-1, 1}
            Below or above.

        Returns
        -------
        float
            Within a fiftieth of the distance; a whole number for a count. Not a number if a change to a
            thousandth or a thousandfold, or of a count to zero, passes unnoticed.
        """
        own = np.array(self.model.constants[name], dtype=float)
        start = own[position]

        def away(value):
            changed = own.copy()
            changed[position] = value
            return self.distance(**{name: changed[()]})

        if name == "count":
            values = start + sign * np.arange(1, 100 if sign > 0 else start + 1)
            return next((float(value) for value in values if away(value) > FAR), np.nan)
        free = name in FREE
        step = 1.0 if free else 0.05
        for _ in range(12):
            value = start + sign * step if free else start * np.exp(sign * step)
            try:
                ratio = away(value) / FAR
            except ArithmeticError:  # a tail too heavy for its moments: that is too far
                ratio = 2.0
            if abs(ratio - 1) < 0.02:
                return float(value)
            step *= np.clip(1 / ratio, 0.2, 5)
            if not free and step > np.log(1000):
                break
        return np.nan


def measure():
    """Yield a row for each constant of each model: its value, and what is noticed below and above it."""
    for model in models():
        comparer = Comparer(model)
        for name, value in model.constants.items():
            for position in np.ndindex(np.shape(value)):
                below, above = (comparer.noticed(name, position, sign) for sign in (-1, 1))
                yield {
                    "model": model.title,
                    "constant": name,
                    "entry": " ".join(str(i) for i in position),
                    "value": float(np.asarray(value)[position]),
                    "below": below,
                    "above": above,
                }


def write():
    """Measure all and keep it, which takes a few minutes."""
    pd.DataFrame(measure()).to_csv(FILE, index=False, float_format="%.4g")


def recorded() -> pd.DataFrame:
    """Rows as they were last measured.

    Returns
    -------
    pandas.DataFrame
        With the columns of `measure`; no number stands where no change is noticed.
    """
    return records.read(FILE.stem)


def summary() -> pd.DataFrame:
    """Of each constant the entry that the comparison sees least.

    Returns
    -------
    pandas.DataFrame
        By model and constant: its value, and the first that is noticed below and above it, as text.
    """
    table = recorded()
    apart = table["above"] - table["below"]
    ratio = np.log(table["above"] / table["below"].clip(lower=0.1))
    table["width"] = apart.where(table["constant"].isin(FREE), ratio).fillna(np.inf)
    least = table.loc[table.groupby(["model", "constant"], sort=False)["width"].idxmax()]
    least = least.assign(constant=least["constant"].map(LABELS))
    shown = least.set_index(["model", "constant"])[["value", "below", "above"]]
    return shown.map(lambda value: "none" if np.isnan(value) else f"{value:.3g}")
