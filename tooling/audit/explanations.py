"""Where stated numbers that are wrong may come from: each guess is computed, and can fail.

The guesses: another prior, another kind of interval, another seed or generator, and data that nobody drew.
"""

import itertools
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from scipy import stats

import hierarchical_exact as exact
from hierarchical_exact.posterior import Posterior
from support import datasets
from support.conventions import MU_PRIOR
from tooling.audit.numbers import DRAWS, group_named, judge, marginal_of, number, summary_truth
from tooling.audit.posteriors import flat_posterior, schools_posterior


def summary_under(posterior: Posterior) -> pd.DataFrame:
    """Hold the printed summary of Eight Schools against another posterior than that of its model.

    Parameters
    ----------
    posterior : Posterior
        With quantities mu, tau and theta by school.

    Returns
    -------
    pandas.DataFrame
        Indexed by quantity and statistic: stated (text), true, z, verdict. The statistics ``lower`` and
        ``upper`` hold the stated interval, said to be of highest density, against the central one.

    Examples
    --------
    >>> table = summary_under(flat_posterior())
    >>> bool((table["verdict"].unstack()["mean"] != "not reproduced").all())
    True
    """
    group = group_named("eight-schools-summary")
    # The column in which the source prints a statistic, and that of the effective draws behind it.
    sources = {
        "mean": ("mean", "ess_bulk"),
        "sd": ("sd", "ess_bulk"),
        "hdi_lower": ("hdi_lower", "ess_tail"),
        "hdi_upper": ("hdi_upper", "ess_tail"),
        "lower": ("hdi_lower", "ess_tail"),
        "upper": ("hdi_upper", "ess_tail"),
    }
    rows = {}
    for quantity, texts in group["rows"].items():
        printed = dict(zip(group["columns"], texts, strict=True))
        marginal = marginal_of(posterior, quantity)
        for statistic, (column, ess) in sources.items():
            truth = summary_truth(marginal, statistic, float(printed[ess]))
            text = printed[column]
            rows[quantity, statistic] = {
                "stated": text,
                "true": truth.value,
                "z": (float(text) - truth.value) / truth.error,
                "verdict": judge(text, truth),
            }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(index=["quantity", "statistic"])


def smallest_covariate_sds(standard_error: np.ndarray | float) -> dict[str, float]:
    """Smallest posterior sds that effects with these standard errors can give in Solution 5.8.4 (d).

    A posterior variance is at least its average given tau. Given tau it does not depend on the effects,
    and it is smallest for tau = 0.

    Parameters
    ----------
    standard_error : (12,) array or float
        Of eight public schools and four private ones, in SAT points.

    Returns
    -------
    dict of float
        For ``mu`` and ``beta``, in SAT points.

    Examples
    --------
    >>> smallest_covariate_sds(8.0)["beta"] > 4.27  # what the source prints
    True
    """
    private = np.repeat([0, 1], [8, 4])
    posterior = exact.normal(
        np.zeros(12), standard_error, mu=MU_PRIOR, tau=0, covariates=private, beta=stats.norm(0, 10)
    )
    return {"mu": float(posterior["mu"].sd()), "beta": float(np.ravel(posterior["beta"].sd())[0])}


def poisson_closeness() -> tuple[float, float]:
    """How close the printed hospital counts lie to exposure times true rate, and how rare that is.

    Returns
    -------
    statistic : float
        Pearson's, the sum over hospitals of (count - expected)^2 / expected.
    probability : float
        That Poisson counts lie as close or closer, by adding up all the counts that do.

    Examples
    --------
    >>> statistic, probability = poisson_closeness()
    >>> probability < 1e-5
    True
    """
    hospitals = datasets.hospitals()
    expected = (hospitals["exposure"] * hospitals["true_rate"]).values
    distances = (hospitals["count"].values - expected) ** 2 / expected
    # A hair more, or rounding might leave out the printed counts themselves.
    limit = float(distances.sum()) * (1 + 1e-9)
    candidates = []
    for mean in expected:
        reach = np.sqrt(limit * mean)
        counts = np.arange(max(0, np.ceil(mean - reach)), np.floor(mean + reach) + 1)
        candidates.append([((y - mean) ** 2 / mean, stats.poisson.pmf(y, mean)) for y in counts])
    probability = 0.0
    for choice in itertools.product(*candidates):
        if sum(distance for distance, _ in choice) <= limit:
            probability += float(np.prod([mass for _, mass in choice]))
    return float(distances.sum()), probability


# Old and new generators of NumPy, which draw in different ways from the same seed.
GENERATORS: dict[str, Callable] = {
    "default_rng": np.random.default_rng,
    "RandomState": np.random.RandomState,
}


def seeds_that_give_the_survey(seeds: Iterable[int]) -> list[tuple[str, int]]:
    """Seeds with which the code printed in Section 5.8.4 gives the counts printed beside it.

    Parameters
    ----------
    seeds : iterable of int

    Returns
    -------
    list of (generator, seed)
        Empty where no seed does.

    Examples
    --------
    >>> seeds_that_give_the_survey(range(2025, 2030))
    []
    """
    printed = datasets.survey()["count"].values
    concentrations = 8.0 * np.array(datasets.SURVEY_BASELINE)

    def gives(rng):
        draws = (rng.multinomial(size, rng.dirichlet(concentrations)) for size in datasets.SURVEY_SIZES)
        # Region by region: hardly any seed comes past the first.
        return all(np.array_equal(draw, counts) for draw, counts in zip(draws, printed, strict=True))

    return _seeds_for(gives, seeds)


def seeds_that_give_the_hospitals(seeds: Iterable[int]) -> list[tuple[str, int]]:
    """Seeds with which the code printed in Solution 5.8.3 (b) gives the printed true rates.

    Parameters
    ----------
    seeds : iterable of int

    Returns
    -------
    list of (generator, seed)
        Empty where no seed does.

    Examples
    --------
    >>> seeds_that_give_the_hospitals(range(40, 45))
    []
    """
    printed = datasets.hospitals()["true_rate"].values

    def gives(rng):
        return np.array_equal(rng.lognormal(0.5, 0.6, size=8).round(2), printed)

    return _seeds_for(gives, seeds)


def _seeds_for(gives, seeds):
    """Generators and seeds for which a condition on a fresh generator holds."""
    return [(name, seed) for seed in seeds for name, make in GENERATORS.items() if gives(make(seed))]


def school_e_twice() -> pd.DataFrame:
    """The two standard deviations that the source prints for school E, under two priors.

    Returns
    -------
    pandas.DataFrame
        One row per stated sd: where, stated, and the verdict under the model's priors and under flat ones.

    Examples
    --------
    >>> school_e_twice().loc["Solution 5.8.4", "model"]
    'reproduced'
    """
    rows = {}
    for where, name, row in (
        ("Section 5.8.3", "eight-schools-summary", "theta[E]"),
        ("Solution 5.8.4", "exercise-4-new-school", "school E"),
    ):
        group = group_named(name)
        text = group["rows"][row][group["columns"].index("sd")]
        ess = number(group_named("eight-schools-summary"), "theta[E]", "ess_bulk")
        rows[where] = {"stated": text}
        for prior, posterior in (("model", schools_posterior()), ("flat", flat_posterior())):
            truth = summary_truth(marginal_of(posterior, "theta[E]"), "sd", ess)
            rows[where][prior] = judge(text, truth)
    return pd.DataFrame.from_dict(rows, orient="index")


def replicated_means_agree() -> tuple[int, float]:
    """How many printed means of replicated effects are the printed posterior means, and how rare that is.

    A replicated mean is the mean of the draws of theta plus that of 8000 independent errors, which has the
    standard deviation sigma / sqrt(8000).

    Returns
    -------
    equal : int
        Schools whose replicated mean is the posterior mean of the summary, to the decimal that is printed.
    probability : float
        That this happens in all eight.

    Examples
    --------
    >>> equal, probability = replicated_means_agree()
    >>> equal, probability < 1e-3
    (8, True)
    """
    summary, predictive = group_named("eight-schools-summary"), group_named("eight-schools-predictive")
    schools = datasets.eight_schools()
    equal, probability = 0, 1.0
    for school in predictive["rows"]:
        mean = number(summary, f"theta[{school}]", "mean")
        replicated = number(predictive, school, "replicated_mean")
        equal += round(mean, 1) == replicated
        noise = schools["standard_error"].sel(school=school).item() / np.sqrt(DRAWS)
        ends = stats.norm(mean, noise).cdf([round(mean, 1) - 0.05, round(mean, 1) + 0.05])
        probability *= float(np.diff(ends)[0])
    return equal, probability


def replicated_sds_together() -> tuple[float, float]:
    """How far the eight printed sds of replicated effects are from the exact ones, taken together.

    A replicated effect is mostly noise of its own, so that its 8000 draws are nearly independent.

    Returns
    -------
    chi_square : float
        Sum over schools of the squared distance in standard errors, which follow from the kurtosis.
    probability : float
        That a fit of the model gives as large a sum or a larger one.

    Examples
    --------
    >>> chi_square, probability = replicated_sds_together()
    >>> chi_square > 20
    True
    """
    group = group_named("eight-schools-predictive")
    total = 0.0
    for school in group["rows"]:
        marginal = schools_posterior()["y_rep"].sel(school=school)
        mean, sd = float(marginal.mean()), float(marginal.sd())
        kurtosis = float(marginal.expect(lambda y, mean=mean: (y - mean) ** 4)) / sd**4
        error = sd * np.sqrt((kurtosis - 1) / (4 * DRAWS))
        total += ((number(group, school, "replicated_sd") - sd) / error) ** 2
    return total, float(stats.chi2(len(group["rows"])).sf(total))
