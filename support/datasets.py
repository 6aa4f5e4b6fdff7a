"""The data of the book, each with its units and where it comes from.

Every function returns an :class:`xarray.Dataset` with named dimensions. The unit of a
variable is in ``dataset["effect"].attrs["units"]``; the title, source, section, licence, who,
when and a note are in ``dataset.attrs``. The numbers themselves are in ``support/data``.

The simulators draw in the order in which the source's code draws, so that its seeds give here
exactly what they give there.
"""

from collections.abc import Sequence
from importlib import resources

import numpy as np
import pandas as pd
import xarray as xr
import yaml

RESPONSES = ("SA", "A", "D", "SD")
SURVEY_SIZES = (45, 120, 60, 80, 35, 95)
SURVEY_BASELINE = (0.25, 0.35, 0.25, 0.15)
HOSPITAL_EXPOSURE = (2.1, 5.0, 1.3, 8.2, 0.7, 3.5, 6.1, 4.0)


def eight_schools() -> xr.Dataset:
    """Effects of a coaching programme in eight schools (Rubin, 1981; Section 5.8.3).

    Returns
    -------
    xarray.Dataset
        ``effect`` and ``standard_error`` over ``school`` (A to H), in SAT points.

    See Also
    --------
    support.models.schools_noncentred : Model of these data.
    hierarchical_exact.normal : Its exact posterior.

    References
    ----------
    .. [1] Rubin, D. B. (1981). Estimation in parallel randomized experiments. Journal of Educational
       Statistics 6, 377-401.

    Examples
    --------
    >>> schools = eight_schools()
    >>> schools["effect"].sel(school="E").item()
    -1.0
    >>> schools["standard_error"].attrs["units"]
    'SAT points'
    """
    return _stored("eight_schools").astype(float)


def survey() -> xr.Dataset:
    """Survey responses in six regions, as the source prints them (Section 5.8.4).

    The code beside the printed counts gives other counts for the seed it names:
    :func:`simulate_survey` with ``numpy.random.default_rng(2025)`` shows them.

    Returns
    -------
    xarray.Dataset
        ``count`` over ``region`` and ``response`` (SA, A, D, SD: from strongly agree to
        strongly disagree), in respondents.

    See Also
    --------
    simulate_survey : Other data of this kind.
    support.models.survey_hierarchical : Model of these data.
    hierarchical_exact.dirichlet_multinomial : Its exact posterior.

    Examples
    --------
    >>> survey()["count"].sum("response").values.tolist()
    [45, 120, 60, 80, 35, 95]
    """
    table, attrs, units = _read("survey")
    count = ("region", "response"), table[list(RESPONSES)].to_numpy(np.int64)
    coords = {"region": table["region"].tolist(), "response": list(RESPONSES)}
    return _dataset({"count": count}, coords, attrs, units)


def hospitals() -> xr.Dataset:
    """Adverse events in eight hospitals, as the source prints them (Solution 5.8.3 (b)).

    The code beside the printed table gives other rates and counts for the seed it names:
    :func:`simulate_hospitals` with ``numpy.random.default_rng(42)`` shows them.

    Returns
    -------
    xarray.Dataset
        ``exposure`` (1000 patient-days), ``true_rate`` (adverse events per 1000 patient-days)
        and ``count`` (adverse events) over ``hospital``.

    See Also
    --------
    simulate_hospitals : Other data of this kind.
    support.models.hospitals_hierarchical : Model of these data.
    hierarchical_exact.poisson : Its exact posterior.

    Examples
    --------
    >>> hospitals()["exposure"].sel(hospital="hospital 5").item()
    0.7
    """
    return _stored("hospitals")


def instructors() -> xr.Dataset:
    """Exam scores in the sections of five instructors, simulated once (Section 5.8.1).

    The source describes the example but gives no data. These were drawn once and stored.

    Returns
    -------
    xarray.Dataset
        ``score`` and ``true_mean`` (exam points) and ``instructor`` (labels) over ``student``.
        ``true_mean`` is the section mean that the student's score was drawn around.

    See Also
    --------
    hierarchical_exact.normal_groups : Exact posterior of a model of these data.

    Examples
    --------
    >>> scores = instructors()
    >>> scores["score"].groupby(scores["instructor"]).count().values.tolist()
    [8, 12, 14, 16, 18]
    """
    return _stored("instructors")


def rat_tumours() -> xr.Dataset:
    """Tumours of rats in the control groups of 71 experiments (Tarone, 1982; Beyond 5.8).

    Returns
    -------
    xarray.Dataset
        ``tumours`` (rats that had one) and ``rats`` over ``experiment``, from 1 to 71, the current one.

    See Also
    --------
    hierarchical_exact.beta_binomial : Exact posterior of a model of these data.

    References
    ----------
    .. [1] Tarone, R. E. (1982). The use of historical control information in testing for a trend in
       proportions. Biometrics 38, 215-220.

    Examples
    --------
    >>> rat_tumours().sum().to_array().values.tolist()
    [267, 1739]
    """
    return _stored("rat_tumours")


def bcg_trials() -> xr.Dataset:
    """Trials of the BCG vaccine against tuberculosis (Colditz et al., 1994; Beyond 5.8).

    Returns
    -------
    xarray.Dataset
        Over ``trial``, from 1 to 13: the counts ``vaccinated_cases`` of ``vaccinated`` and
        ``control_cases`` of ``control``; ``year`` of publication; ``latitude``, in degrees from the equator;
        ``effect``, the log of the risk ratio, and its ``standard_error``; and ``author``, a label.

    See Also
    --------
    hierarchical_exact.student_t, hierarchical_exact.normal : Exact posteriors of models of these data.

    References
    ----------
    .. [1] Colditz, G. A. et al. (1994). Efficacy of BCG vaccine in the prevention of tuberculosis. Journal of
       the American Medical Association 271, 698-702.

    Examples
    --------
    >>> madras = bcg_trials().sel(trial=8)
    >>> np.exp(madras["effect"]).round(2).item(), madras["standard_error"].round(3).item()
    (1.01, 0.063)
    """
    data = _stored("bcg_trials")
    a, n, c, m = (data[name] for name in ("vaccinated_cases", "vaccinated", "control_cases", "control"))
    data = data.assign(effect=np.log(a / n) - np.log(c / m))
    data = data.assign(standard_error=np.sqrt(1 / a - 1 / n + 1 / c - 1 / m))
    for name in ("effect", "standard_error"):
        data[name].attrs["units"] = "log risk ratio"
    return data


def radon() -> xr.Dataset:
    """Radon in 919 houses of 85 counties of Minnesota (US Environmental Protection Agency; Beyond 5.8).

    Returns
    -------
    xarray.Dataset
        ``radon`` (pCi/L), ``log_radon``, ``floor`` (0 basement, 1 first floor) and ``of_county`` (name)
        over ``house``, and ``uranium`` (log ppm) over ``county``.

    See Also
    --------
    hierarchical_exact.mixed : Exact posteriors of models of these data.

    References
    ----------
    .. [1] Price, P. N., Nero, A. V. and Gelman, A. (1996). Bayesian prediction of mean indoor radon
       concentrations for Minnesota counties. Health Physics 71, 922-936.

    Examples
    --------
    >>> dict(radon().sizes)
    {'house': 919, 'county': 85}
    """
    table, attrs, units = _read("radon")
    columns = {name: ("house", table[name].to_numpy(float)) for name in ("floor", "radon")}
    counties = table.drop_duplicates("county")
    columns |= {
        "log_radon": ("house", np.log(table["radon"].to_numpy(float))),
        "of_county": ("house", table["county"].to_numpy(str)),
        "uranium": ("county", counties["uranium"].to_numpy(float)),
    }
    coords = {"house": np.arange(1, len(table) + 1), "county": counties["county"].to_numpy(str)}
    return _dataset(columns, coords, attrs, units)


def penicillin() -> xr.Dataset:
    """Zones around penicillin of six batches on 24 plates (Davies and Goldsmith, 1972; Section 5.8.7).

    Returns
    -------
    xarray.Dataset
        ``diameter`` (mm) over ``plate`` (a to x) and ``batch`` (A to F).

    See Also
    --------
    hierarchical_exact.mixed : Exact posterior with crossed groups.

    References
    ----------
    .. [1] Davies, O. L. and Goldsmith, P. L. (1972). Statistical Methods in Research and Production, 4th ed.
       Oliver and Boyd.

    Examples
    --------
    >>> dict(penicillin().sizes)
    {'plate': 24, 'batch': 6}
    """
    table, attrs, units = _read("penicillin")
    wide = table.pivot(index="plate", columns="batch", values="diameter")
    coords = {dim: getattr(wide, side).tolist() for dim, side in (("plate", "index"), ("batch", "columns"))}
    return _dataset({"diameter": (("plate", "batch"), wide.to_numpy(float))}, coords, attrs, units)


def simulate_survey(
    rng: np.random.Generator,
    *,
    sizes: Sequence[int] = SURVEY_SIZES,
    concentration: float = 8.0,
    baseline: Sequence[float] = SURVEY_BASELINE,
) -> xr.Dataset:
    """Simulate survey responses from a Dirichlet-Multinomial hierarchy (Section 5.8.4).

    For each region in turn, draws proportions from ``Dirichlet(concentration * baseline)`` and
    then counts from ``Multinomial(size, proportions)``, the order of the source's code.

    Parameters
    ----------
    rng : numpy.random.Generator
        ``numpy.random.default_rng(2025)`` gives what the source's code really gives.
    sizes : sequence of int, shape (R,)
        Respondents per region, each at least 1.
    concentration : float
        How tightly regions follow the baseline; positive.
    baseline : sequence of float, shape (K,)
        National proportions, positive and summing to 1.

    Returns
    -------
    xarray.Dataset
        ``count`` (respondents) and ``true_proportion`` over ``region`` and ``response``.

    Raises
    ------
    ValueError
        If an argument is out of its range; the message names it.

    See Also
    --------
    survey : The counts that the source prints.

    Examples
    --------
    >>> generated = simulate_survey(np.random.default_rng(2025))
    >>> generated["count"].sel(region="region 1").values.tolist()
    [3, 35, 1, 6]
    """
    _check_rng(rng)
    sizes = _whole_numbers(sizes, "sizes", minimum=1)
    concentration = _scale(concentration, "concentration", zero=False)
    baseline = _vector(baseline, "baseline", positive=True)
    if not np.isclose(baseline.sum(), 1.0, rtol=0, atol=1e-9):
        raise ValueError(f"baseline is {baseline.tolist()}, of sum {baseline.sum():g}: divide it by its sum")
    proportion = np.empty((sizes.size, baseline.size))
    count = np.empty(proportion.shape, dtype=np.int64)
    for region, size in enumerate(sizes):
        proportion[region] = rng.dirichlet(concentration * baseline)
        count[region] = rng.multinomial(size, proportion[region])
    dims = ("region", "response")
    known = baseline.size == len(RESPONSES)
    coords = {
        "region": _labels("region", sizes.size),
        "response": list(RESPONSES) if known else _labels("response", baseline.size),
    }
    attrs = _simulated_attrs(
        "Survey responses in regions, simulated",
        "simulate_survey",
        "5.8.4",
        f"sizes {sizes.tolist()}, concentration {concentration:g}, baseline {baseline.tolist()}",
    )
    columns = {"count": (dims, count), "true_proportion": (dims, proportion)}
    return _dataset(columns, coords, attrs, {"count": "respondents", "true_proportion": "1"})


def simulate_hospitals(
    rng: np.random.Generator,
    *,
    exposure: Sequence[float] = HOSPITAL_EXPOSURE,
    mu_log: float = 0.5,
    sigma_log: float = 0.6,
) -> xr.Dataset:
    """Simulate adverse events from a log-normal Poisson hierarchy (Solution 5.8.3 (b)).

    Draws all rates from ``LogNormal(mu_log, sigma_log)``, then all counts from
    ``Poisson(rate * exposure)``, the order of the source's code.

    Parameters
    ----------
    rng : numpy.random.Generator
        ``numpy.random.default_rng(42)`` gives what the source's code really gives.
    exposure : sequence of float, shape (J,)
        1000 patient-days per hospital, each positive.
    mu_log, sigma_log : float
        Mean and standard deviation of the log rates; ``sigma_log`` must not be negative.

    Returns
    -------
    xarray.Dataset
        ``exposure``, ``true_rate`` and ``count`` over ``hospital``, as in :func:`hospitals`.

    Raises
    ------
    ValueError
        If an argument is out of its range; the message names it.

    See Also
    --------
    hospitals : The counts that the source prints.

    Examples
    --------
    >>> simulate_hospitals(np.random.default_rng(42))["count"].values.tolist()
    [4, 4, 7, 23, 0, 4, 10, 4]
    """
    _check_rng(rng)
    exposure = _vector(exposure, "exposure", positive=True)
    mu_log = _number(mu_log, "mu_log")
    sigma_log = _scale(sigma_log, "sigma_log", zero=True)
    rate = rng.lognormal(mu_log, sigma_log, size=exposure.size)
    count = rng.poisson(rate * exposure)
    attrs = _simulated_attrs(
        "Adverse events in hospitals, simulated",
        "simulate_hospitals",
        "Solution 5.8.3 (b)",
        f"exposure {exposure.tolist()}, mu_log {mu_log:g}, sigma_log {sigma_log:g}",
    )
    columns = {
        "exposure": ("hospital", exposure),
        "true_rate": ("hospital", rate),
        "count": ("hospital", count),
    }
    units = {
        "exposure": "1000 patient-days",
        "true_rate": "adverse events per 1000 patient-days",
        "count": "adverse events",
    }
    return _dataset(columns, {"hospital": _labels("hospital", exposure.size)}, attrs, units)


def simulate_schools_with_covariate(
    rng: np.random.Generator,
    *,
    private: Sequence[int] = (0,) * 8 + (1,) * 4,
    mu: float = 8.0,
    beta: float = 5.0,
    tau: float = 4.0,
    standard_error_range: Sequence[float] = (8.0, 16.0),
) -> xr.Dataset:
    """Simulate public and private schools whose mean effects differ (Solution 5.8.4 (d)).

    Draws all true effects from ``Normal(mu + beta * private, tau)``, then all standard errors
    uniformly from their range, then all effects, the order of the source's code.

    Parameters
    ----------
    rng : numpy.random.Generator
        ``numpy.random.default_rng(42)`` gives what the source's code really gives.
    private : sequence of int, shape (J,)
        1 for a private school, 0 for a public one.
    mu, beta : float
        Mean effect of public schools, and what private schools have on top (SAT points).
    tau : float
        Standard deviation between schools of one kind (SAT points); not negative.
    standard_error_range : (float, float)
        Lowest and highest standard error (SAT points); positive, in this order.

    Returns
    -------
    xarray.Dataset
        ``effect``, ``standard_error``, ``private`` and ``true_effect`` over ``school``.

    Raises
    ------
    ValueError
        If an argument is out of its range; the message names it.

    See Also
    --------
    hierarchical_exact.normal : Exact posterior of a model of such data, with `covariates`.

    Examples
    --------
    >>> schools = simulate_schools_with_covariate(np.random.default_rng(42))
    >>> schools["effect"].values.round(1).tolist()[:4]
    [3.6, -1.3, 17.1, 15.4]
    """
    _check_rng(rng)
    private = _whole_numbers(private, "private", minimum=0, maximum=1)
    mu, beta = _number(mu, "mu"), _number(beta, "beta")
    tau = _scale(tau, "tau", zero=True)
    limits = _vector(standard_error_range, "standard_error_range", positive=True)
    if limits.size != 2 or limits[0] > limits[1]:
        raise ValueError(f"standard_error_range is {limits.tolist()}: give (lowest, highest), in this order")
    schools = private.size
    true_effect = mu + beta * private + rng.normal(0, tau, schools)
    standard_error = rng.uniform(limits[0], limits[1], schools)
    effect = rng.normal(true_effect, standard_error)
    attrs = _simulated_attrs(
        "Effects in public and private schools, simulated",
        "simulate_schools_with_covariate",
        "Solution 5.8.4 (d)",
        f"private {private.tolist()}, mu {mu:g}, beta {beta:g}, tau {tau:g}, "
        f"standard errors uniform in {limits.tolist()}",
    )
    columns = {
        "effect": ("school", effect),
        "standard_error": ("school", standard_error),
        "private": ("school", private),
        "true_effect": ("school", true_effect),
    }
    units = dict.fromkeys(("effect", "standard_error", "true_effect"), "SAT points")
    units["private"] = "1 = private, 0 = public"
    return _dataset(columns, {"school": _labels("school", schools)}, attrs, units)


def _read(name):
    """Read the table of a stored data set, its provenance and the units of its columns."""
    folder = resources.files("support") / "data"
    attrs = yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
    with (folder / f"{name}.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file)
    return table, attrs, attrs.pop("units")


def _stored(name):
    """Return a stored data set of one dimension, whose labels are the first column of the table."""
    table, attrs, units = _read(name)
    dim, *others = table.columns
    columns = {column: (dim, table[column].tolist()) for column in others}
    return _dataset(columns, {dim: table[dim].tolist()}, attrs, units)


def _dataset(columns, coords, attrs, units):
    """Join columns, coordinates, provenance and units into one data set."""
    dataset = xr.Dataset(columns, coords=coords, attrs=attrs)
    for name, unit in units.items():
        dataset[name].attrs["units"] = unit
    return dataset


def _simulated_attrs(title, function, section, values):
    return {
        "title": title,
        "source": f"support.datasets.{function}",
        "section": section,
        "licence": "MIT, like the code that made it",
        "who": "Whoever ran the simulation",
        "when": "When it was run",
        "note": f"Generating values: {values}",
    }


def _labels(name, size):
    return [f"{name} {number}" for number in range(1, size + 1)]


def _check_rng(rng):
    # A bare seed would work once and then repeat itself in every later call.
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"rng is {rng!r}: give a numpy.random.Generator, made with numpy.random.default_rng(seed)"
        )


def _number(value, name):
    array = _array(value, name)
    if array.ndim or not np.isfinite(array):
        raise ValueError(f"{name} is {value!r}: give one finite number")
    return float(array)


def _scale(value, name, *, zero):
    number = _number(value, name)
    if number < 0 or (number == 0 and not zero):
        raise ValueError(f"{name} is {number:g}: give {'0 or ' if zero else ''}a number above 0")
    return number


def _vector(values, name, *, positive=False):
    vector = _array(values, name)
    if vector.ndim != 1 or vector.size == 0:
        raise ValueError(f"{name} has shape {vector.shape}: give a list of one or more numbers")
    bad = ~np.isfinite(vector) | (positive & (vector <= 0))
    if bad.any():
        wanted = "finite numbers above 0" if positive else "finite numbers"
        raise ValueError(f"{name} contains {vector[bad][0]:g}: give {wanted} only")
    return vector


def _whole_numbers(values, name, *, minimum, maximum=np.inf):
    vector = _vector(values, name)
    bad = (vector != np.floor(vector)) | (vector < minimum) | (vector > maximum)
    if bad.any():
        wanted = f"at least {minimum}" if maximum == np.inf else f"from {minimum} to {maximum}"
        raise ValueError(f"{name} contains {vector[bad][0]:g}: give whole numbers {wanted}")
    return vector.astype(np.int64)


def _array(values, name):
    try:
        return np.array(values, dtype=float)  # a copy: data keep it
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {values!r}: give numbers") from error
