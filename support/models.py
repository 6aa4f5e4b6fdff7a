"""The PyMC models of the book, one builder per model.

Each builder takes a data set of :mod:`support.datasets` (or one of the same form) and returns a
:class:`pymc.Model` whose variables carry the dimension names and labels of the data. Priors are
those of the source, where it has the model. Names are the same everywhere:

========================  =========================================================
mu, tau                   mean and standard deviation of the population of groups
theta, theta_raw          group means, and the standard Normal they are built from
sigma                     standard deviation within groups, where it is not known
beta                      effect of a covariate, or of several
tau_county, u_county      standard deviation and effects of counties; tau_county_slope,
                          u_county_slope and rho_county those of slopes, and the correlation
pi0, alpha, pi            baseline, concentration and regional proportions
mu_log, sigma_log         mean and standard deviation of log rates
lam, lam_raw              rates, and the standard Normal they are built from
mean, concentration       those of a Beta population of proportions
y, counts                 the observations
========================  =========================================================
"""

import numpy as np
import pymc as pm
import xarray as xr


def instructors_complete(data: xr.Dataset) -> pm.Model:
    """One mean for all students (Section 5.8.1, complete pooling).

    Parameters
    ----------
    data : xarray.Dataset
        ``score`` over ``student`` (exam points) and ``instructor`` over ``student`` (labels).

    Returns
    -------
    pymc.Model
        ``mu``, ``sigma`` (scalars) and ``y`` (student), all in exam points.

    Raises
    ------
    ValueError
        If a variable is missing or holds values that are not finite.

    See Also
    --------
    support.datasets.instructors : The data.
    hierarchical_exact.normal_sample : The exact posterior.

    Examples
    --------
    >>> from support import datasets
    >>> instructors_complete(datasets.instructors()).named_vars_to_dims["y"]
    ('student',)
    """
    score, _, coords = _instructors(data)
    with pm.Model(coords=coords) as model:
        mu = pm.Normal("mu", mu=50, sigma=25)
        sigma = pm.HalfNormal("sigma", sigma=15)
        pm.Normal("y", mu=mu, sigma=sigma, observed=score, dims="student")
    return model


def instructors_none(data: xr.Dataset) -> pm.Model:
    """Each instructor with a mean and a spread of its own (Section 5.8.1, no pooling).

    Parameters
    ----------
    data : xarray.Dataset
        ``score`` over ``student`` (exam points) and ``instructor`` over ``student`` (labels).

    Returns
    -------
    pymc.Model
        ``theta`` and ``sigma`` (instructor), ``y`` (student), all in exam points.

    Raises
    ------
    ValueError
        If a variable is missing or holds values that are not finite.

    See Also
    --------
    support.datasets.instructors : The data.
    hierarchical_exact.normal_sample : The exact posterior, one instructor at a time.

    Examples
    --------
    >>> from support import datasets
    >>> instructors_none(datasets.instructors()).named_vars_to_dims["theta"]
    ('instructor',)
    """
    score, group, coords = _instructors(data)
    with pm.Model(coords=coords) as model:
        theta = pm.Normal("theta", mu=50, sigma=25, dims="instructor")
        sigma = pm.HalfNormal("sigma", sigma=15, dims="instructor")
        pm.Normal("y", mu=theta[group], sigma=sigma[group], observed=score, dims="student")
    return model


def instructors_partial(data: xr.Dataset) -> pm.Model:
    """Instructor means from a common population, non-centred (5.8.1, partial pooling).

    Parameters
    ----------
    data : xarray.Dataset
        ``score`` over ``student`` (exam points) and ``instructor`` over ``student`` (labels).

    Returns
    -------
    pymc.Model
        ``mu``, ``tau``, ``sigma`` (scalars), ``theta_raw`` and ``theta`` (instructor), ``y``
        (student); all but ``theta_raw`` in exam points.

    Raises
    ------
    ValueError
        If a variable is missing or holds values that are not finite.

    See Also
    --------
    support.datasets.instructors : The data.
    hierarchical_exact.normal_groups : The exact posterior.

    Examples
    --------
    >>> from support import datasets
    >>> list(instructors_partial(datasets.instructors()).coords["instructor"])[:2]
    ['Instructor 1', 'Instructor 2']
    """
    score, group, coords = _instructors(data)
    with pm.Model(coords=coords) as model:
        mu = pm.Normal("mu", mu=50, sigma=25)
        tau = pm.HalfNormal("tau", sigma=10)
        sigma = pm.HalfNormal("sigma", sigma=15)
        theta_raw = pm.Normal("theta_raw", mu=0, sigma=1, dims="instructor")
        theta = pm.Deterministic("theta", mu + tau * theta_raw, dims="instructor")
        pm.Normal("y", mu=theta[group], sigma=sigma, observed=score, dims="student")
    return model


def schools_centred(data: xr.Dataset) -> pm.Model:
    """Eight Schools, centred (Section 5.8.3, equation eight-schools-model).

    Parameters
    ----------
    data : xarray.Dataset
        ``effect`` and ``standard_error`` over ``school`` (SAT points).

    Returns
    -------
    pymc.Model
        ``mu``, ``tau`` (scalars), ``theta`` and ``y`` (school), all in SAT points.

    Raises
    ------
    ValueError
        If a variable is missing, not finite, or a standard error is not positive.

    See Also
    --------
    schools_noncentred : The same model in the other parameterisation.
    support.datasets.eight_schools : The data.
    hierarchical_exact.normal : The exact posterior.

    References
    ----------
    .. [1] Betancourt, M. and Girolami, M. (2015). Hamiltonian Monte Carlo for hierarchical models. In Current
       Trends in Bayesian Methodology with Applications, CRC Press, 79-101.

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in schools_centred(datasets.eight_schools()).free_RVs]
    ['mu', 'tau', 'theta']
    """
    effect, standard_error, coords = _effects(data, "school")
    with pm.Model(coords=coords) as model:
        mu = pm.Normal("mu", mu=0, sigma=20)
        tau = pm.HalfNormal("tau", sigma=10)
        theta = pm.Normal("theta", mu=mu, sigma=tau, dims="school")
        pm.Normal("y", mu=theta, sigma=standard_error, observed=effect, dims="school")
    return model


def schools_noncentred(data: xr.Dataset) -> pm.Model:
    """Eight Schools, non-centred (Section 5.8.3, equation noncentred-reparam).

    Parameters
    ----------
    data : xarray.Dataset
        ``effect`` and ``standard_error`` over ``school`` (SAT points).

    Returns
    -------
    pymc.Model
        ``mu``, ``tau`` (scalars), ``theta_raw``, ``theta`` and ``y`` (school); all but
        ``theta_raw`` in SAT points.

    Raises
    ------
    ValueError
        If a variable is missing, not finite, or a standard error is not positive.

    See Also
    --------
    schools_centred : The same model in the other parameterisation.
    support.datasets.eight_schools : The data.
    hierarchical_exact.normal : The exact posterior.

    References
    ----------
    .. [1] Papaspiliopoulos, O., Roberts, G. O. and Sköld, M. (2007). A general framework for the
       parametrization of hierarchical models. Statistical Science 22, 59-73.

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in schools_noncentred(datasets.eight_schools()).free_RVs]
    ['mu', 'tau', 'theta_raw']
    """
    effect, standard_error, coords = _effects(data, "school")
    with pm.Model(coords=coords) as model:
        mu = pm.Normal("mu", mu=0, sigma=20)
        tau = pm.HalfNormal("tau", sigma=10)
        theta_raw = pm.Normal("theta_raw", mu=0, sigma=1, dims="school")
        theta = pm.Deterministic("theta", mu + tau * theta_raw, dims="school")
        pm.Normal("y", mu=theta, sigma=standard_error, observed=effect, dims="school")
    return model


def schools_complete(data: xr.Dataset) -> pm.Model:
    """One effect for all schools (Section 5.8.5, complete pooling).

    Parameters
    ----------
    data : xarray.Dataset
        ``effect`` and ``standard_error`` over ``school`` (SAT points).

    Returns
    -------
    pymc.Model
        ``mu`` (scalar) and ``y`` (school), in SAT points.

    Raises
    ------
    ValueError
        If a variable is missing, not finite, or a standard error is not positive.

    See Also
    --------
    support.datasets.eight_schools : The data.
    hierarchical_exact.normal : The exact posterior, with ``tau=0.0``.

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in schools_complete(datasets.eight_schools()).free_RVs]
    ['mu']
    """
    effect, standard_error, coords = _effects(data, "school")
    with pm.Model(coords=coords) as model:
        mu = pm.Normal("mu", mu=0, sigma=20)
        pm.Normal("y", mu=mu, sigma=standard_error, observed=effect, dims="school")
    return model


def schools_none(data: xr.Dataset) -> pm.Model:
    """Each school with an effect of its own (Section 5.8.5, no pooling).

    Parameters
    ----------
    data : xarray.Dataset
        ``effect`` and ``standard_error`` over ``school`` (SAT points).

    Returns
    -------
    pymc.Model
        ``theta`` and ``y`` (school), in SAT points.

    Raises
    ------
    ValueError
        If a variable is missing, not finite, or a standard error is not positive.

    See Also
    --------
    support.datasets.eight_schools : The data.
    hierarchical_exact.normal : The exact posterior, with ``mu=0.0`` and ``tau=20.0``.

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in schools_none(datasets.eight_schools()).free_RVs]
    ['theta']
    """
    effect, standard_error, coords = _effects(data, "school")
    with pm.Model(coords=coords) as model:
        theta = pm.Normal("theta", mu=0, sigma=20, dims="school")
        pm.Normal("y", mu=theta, sigma=standard_error, observed=effect, dims="school")
    return model


def schools_covariate(data: xr.Dataset) -> pm.Model:
    """Schools whose mean effect depends on their kind, non-centred (Solution 5.8.4 (d)).

    Parameters
    ----------
    data : xarray.Dataset
        ``effect``, ``standard_error`` (SAT points) and ``private`` (1 or 0) over ``school``.

    Returns
    -------
    pymc.Model
        ``mu``, ``beta``, ``tau`` (scalars), ``theta_raw``, ``theta`` and ``y`` (school); all but
        ``theta_raw`` in SAT points. ``mu`` is the mean of public schools.

    Raises
    ------
    ValueError
        If a variable is missing, not finite, or a standard error is not positive.

    See Also
    --------
    support.datasets.simulate_schools_with_covariate : The data.
    hierarchical_exact.normal : The exact posterior, with `covariates`.

    Examples
    --------
    >>> from support import datasets
    >>> data = datasets.simulate_schools_with_covariate(np.random.default_rng(42))
    >>> [v.name for v in schools_covariate(data).free_RVs]
    ['mu', 'beta', 'tau', 'theta_raw']
    """
    effect, standard_error, coords = _effects(data, "school")
    private = _values(data, "private", ("school",))
    with pm.Model(coords=coords) as model:
        mu = pm.Normal("mu", mu=0, sigma=20)
        beta = pm.Normal("beta", mu=0, sigma=10)
        tau = pm.HalfNormal("tau", sigma=10)
        theta_raw = pm.Normal("theta_raw", mu=0, sigma=1, dims="school")
        theta = pm.Deterministic("theta", mu + beta * private + tau * theta_raw, dims="school")
        pm.Normal("y", mu=theta, sigma=standard_error, observed=effect, dims="school")
    return model


def survey_hierarchical(data: xr.Dataset, *, alpha_rate: float = 1.0) -> pm.Model:
    """Regional proportions around a national baseline (Section 5.8.4).

    Parameters
    ----------
    data : xarray.Dataset
        ``count`` over ``region`` and ``response`` (respondents).
    alpha_rate : float
        Rate of the Exponential prior of ``alpha``; its prior mean is ``1 / alpha_rate``. The
        source has 1; the page varies it.

    Returns
    -------
    pymc.Model
        ``alpha`` (scalar), ``pi0`` (response), ``pi`` and ``counts`` (region, response).

    Raises
    ------
    ValueError
        If ``count`` is missing, negative or fractional, or ``alpha_rate`` is not positive.

    See Also
    --------
    support.datasets.survey, support.datasets.simulate_survey : The data.
    hierarchical_exact.dirichlet_multinomial : The exact posterior.

    Examples
    --------
    >>> from support import datasets
    >>> survey_hierarchical(datasets.survey()).named_vars_to_dims["pi"]
    ('region', 'response')
    """
    if not (np.isfinite(alpha_rate) and alpha_rate > 0):
        raise ValueError(f"alpha_rate is {alpha_rate!r}: give a finite number above 0")
    count, coords = _survey(data)
    with pm.Model(coords=coords) as model:
        alpha = pm.Exponential("alpha", lam=alpha_rate)
        pi0 = pm.Dirichlet("pi0", a=np.ones(count.shape[1]), dims="response")
        pi = pm.Dirichlet("pi", a=alpha * pi0, dims=("region", "response"))
        _multinomial(count, pi)
    return model


def hospitals_hierarchical(data: xr.Dataset) -> pm.Model:
    """Log-normal population of rates, Poisson counts, non-centred (Exercise 5.8.3).

    Parameters
    ----------
    data : xarray.Dataset
        ``count`` (adverse events) and ``exposure`` (1000 patient-days) over ``hospital``.

    Returns
    -------
    pymc.Model
        ``mu_log``, ``sigma_log`` (scalars), ``lam_raw``, ``lam`` (events per 1000 patient-days)
        and ``y`` (hospital).

    Raises
    ------
    ValueError
        If a variable is missing, a count negative or fractional, or an exposure not positive.

    See Also
    --------
    support.datasets.hospitals, support.datasets.simulate_hospitals : The data.
    hierarchical_exact.poisson : The exact posterior.
    hospitals_none : Without pooling.

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in hospitals_hierarchical(datasets.hospitals()).free_RVs]
    ['mu_log', 'sigma_log', 'lam_raw']
    """
    count, exposure, coords = _hospitals(data)
    with pm.Model(coords=coords) as model:
        mu_log = pm.Normal("mu_log", mu=0, sigma=1)
        sigma_log = pm.HalfNormal("sigma_log", sigma=1)
        lam_raw = pm.Normal("lam_raw", mu=0, sigma=1, dims="hospital")
        lam = pm.Deterministic("lam", pm.math.exp(mu_log + sigma_log * lam_raw), dims="hospital")
        pm.Poisson("y", mu=lam * exposure, observed=count, dims="hospital")
    return model


def hospitals_none(data: xr.Dataset) -> pm.Model:
    """Each hospital with a rate of its own (Solution 5.8.3 (c), no pooling).

    Parameters
    ----------
    data : xarray.Dataset
        ``count`` (adverse events) and ``exposure`` (1000 patient-days) over ``hospital``.

    Returns
    -------
    pymc.Model
        ``lam`` (events per 1000 patient-days) and ``y`` (hospital).

    Raises
    ------
    ValueError
        If a variable is missing, a count negative or fractional, or an exposure not positive.

    See Also
    --------
    support.datasets.hospitals : The data.
    hierarchical_exact.marginal : The exact posterior of each rate, which is a Gamma distribution.
    hospitals_hierarchical : Partial pooling.

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in hospitals_none(datasets.hospitals()).free_RVs]
    ['lam']
    """
    count, exposure, coords = _hospitals(data)
    with pm.Model(coords=coords) as model:
        lam = pm.Gamma("lam", alpha=1, beta=0.5, dims="hospital")
        pm.Poisson("y", mu=lam * exposure, observed=count, dims="hospital")
    return model


def rats_hierarchical(data: xr.Dataset) -> pm.Model:
    """Beta population of proportions, Binomial counts (Beyond 5.8, proportions).

    Parameters
    ----------
    data : xarray.Dataset
        ``tumours`` and ``rats`` over ``experiment``.

    Returns
    -------
    pymc.Model
        ``mean``, ``concentration`` (scalars), ``theta`` and ``y`` (experiment).

    Raises
    ------
    ValueError
        If a variable is missing, a number negative or fractional, or there are more tumours than rats.

    See Also
    --------
    rats_logit_normal : With a Normal population of log odds.
    support.datasets.rat_tumours : The data.
    hierarchical_exact.beta_binomial : The exact posterior.

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in rats_hierarchical(datasets.rat_tumours()).free_RVs]
    ['mean', 'concentration', 'theta']
    """
    tumours, rats = _rats(data)
    with pm.Model(coords={"experiment": data["experiment"].values}) as model:
        mean = pm.Beta("mean", alpha=1, beta=1)
        concentration = pm.Gamma("concentration", alpha=2, beta=0.05)
        a, b = mean * concentration, (1 - mean) * concentration
        theta = pm.Beta("theta", alpha=a, beta=b, dims="experiment")
        pm.Binomial("y", n=rats, p=theta, observed=tumours, dims="experiment")
    return model


def rats_logit_normal(data: xr.Dataset) -> pm.Model:
    """Normal population of log odds, Binomial counts, non-centred (Beyond 5.8, proportions).

    Parameters
    ----------
    data : xarray.Dataset
        ``tumours`` and ``rats`` over ``experiment``.

    Returns
    -------
    pymc.Model
        ``mu``, ``tau`` (scalars, log odds), ``z``, ``theta`` and ``y`` (experiment).

    Raises
    ------
    ValueError
        As `rats_hierarchical`.

    See Also
    --------
    rats_hierarchical : With a Beta population.
    hierarchical_exact.logit_normal : The exact posterior.

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in rats_logit_normal(datasets.rat_tumours()).free_RVs]
    ['mu', 'tau', 'z']
    """
    tumours, rats = _rats(data)
    with pm.Model(coords={"experiment": data["experiment"].values}) as model:
        mu = pm.Normal("mu", mu=-2, sigma=1)
        tau = pm.HalfNormal("tau", sigma=1)
        z = pm.Normal("z", mu=0, sigma=1, dims="experiment")
        theta = pm.Deterministic("theta", pm.math.sigmoid(mu + tau * z), dims="experiment")
        pm.Binomial("y", n=rats, p=theta, observed=tumours, dims="experiment")
    return model


def trials_student(data: xr.Dataset) -> pm.Model:
    """Student-t population of effects with 4 degrees of freedom, centred (Beyond 5.8, odd groups).

    Parameters
    ----------
    data : xarray.Dataset
        ``effect`` and ``standard_error`` over ``trial`` (log risk ratios).

    Returns
    -------
    pymc.Model
        ``mu``, ``tau`` (scalars), ``theta`` and ``y`` (trial), all log risk ratios.

    Raises
    ------
    ValueError
        If a variable is missing, not finite, or a standard error is not positive.

    See Also
    --------
    support.datasets.bcg_trials : The data.
    hierarchical_exact.student_t : The exact posterior, with ``nu=4``.

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in trials_student(datasets.bcg_trials()).free_RVs]
    ['mu', 'tau', 'theta']
    """
    effect, standard_error, coords = _effects(data, "trial")
    with pm.Model(coords=coords) as model:
        mu = pm.Normal("mu", mu=0, sigma=1)
        tau = pm.HalfNormal("tau", sigma=1)
        theta = pm.StudentT("theta", nu=4, mu=mu, sigma=tau, dims="trial")
        pm.Normal("y", mu=theta, sigma=standard_error, observed=effect, dims="trial")
    return model


def trials_latitude(data: xr.Dataset) -> pm.Model:
    """Normal population whose mean depends on latitude, non-centred (Beyond 5.8, odd groups).

    Parameters
    ----------
    data : xarray.Dataset
        ``effect``, ``standard_error`` (log risk ratios) and ``latitude`` (degrees) over ``trial``.

    Returns
    -------
    pymc.Model
        ``mu`` (the mean at 33 degrees), ``beta`` (per ten degrees), ``tau`` (scalars), ``theta_raw``,
        ``theta`` and ``y`` (trial); all but ``theta_raw`` log risk ratios.

    Raises
    ------
    ValueError
        If a variable is missing, not finite, or a standard error is not positive.

    See Also
    --------
    support.datasets.bcg_trials : The data.
    hierarchical_exact.normal : The exact posterior, with `covariates`.

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in trials_latitude(datasets.bcg_trials()).free_RVs]
    ['mu', 'beta', 'tau', 'theta_raw']
    """
    effect, standard_error, coords = _effects(data, "trial")
    tens = (_values(data, "latitude", ("trial",)) - 33) / 10
    with pm.Model(coords=coords) as model:
        mu = pm.Normal("mu", mu=0, sigma=1)
        beta = pm.Normal("beta", mu=0, sigma=0.5)
        tau = pm.HalfNormal("tau", sigma=1)
        theta_raw = pm.Normal("theta_raw", mu=0, sigma=1, dims="trial")
        theta = pm.Deterministic("theta", mu + beta * tens + tau * theta_raw, dims="trial")
        pm.Normal("y", mu=theta, sigma=standard_error, observed=effect, dims="trial")
    return model


def houses_intercepts(data: xr.Dataset) -> pm.Model:
    """Houses in counties, with predictors of both and varying intercepts, non-centred (Beyond 5.8).

    Parameters
    ----------
    data : xarray.Dataset
        ``log_radon`` (log pCi/L), ``floor`` (0 or 1) and ``of_county`` (labels) over ``house``, and
        ``uranium`` (log ppm) over ``county``.

    Returns
    -------
    pymc.Model
        ``beta`` (predictor: intercept, floor, uranium), ``sigma``, ``tau_county`` (scalars), ``z`` and
        ``u_county`` (county) and ``y`` (house); all but ``z`` in logs of pCi/L.

    Raises
    ------
    ValueError
        If a variable is missing or not finite, or a house is in no county.

    See Also
    --------
    houses_slopes : With an effect of the floor in each county.
    support.datasets.radon : The data.
    hierarchical_exact.mixed : The exact posterior.

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in houses_intercepts(datasets.radon()).free_RVs]
    ['beta', 'sigma', 'tau_county', 'z']
    """
    log_radon, floor, uranium, county, coords = _houses(data)
    with pm.Model(coords=coords) as model:
        beta = pm.Normal("beta", mu=0, sigma=2, dims="predictor")
        sigma = pm.HalfNormal("sigma", sigma=1)
        tau = pm.HalfNormal("tau_county", sigma=1)
        z = pm.Normal("z", mu=0, sigma=1, dims="county")
        u = pm.Deterministic("u_county", tau * z, dims="county")
        mean = beta[0] + beta[1] * floor + beta[2] * uranium + u[county]
        pm.Normal("y", mu=mean, sigma=sigma, observed=log_radon, dims="house")
    return model


def houses_slopes(data: xr.Dataset) -> pm.Model:
    """Houses in counties, with varying intercepts and slopes of the floor that are correlated (Beyond 5.8).

    Parameters
    ----------
    data : xarray.Dataset
        As of `houses_intercepts`.

    Returns
    -------
    pymc.Model
        ``beta`` (predictor), ``sigma``, ``chol`` (Cholesky factor of the covariance of a county's two
        effects), ``z`` (effect, county), ``tau_county``, ``tau_county_slope`` and ``rho_county``
        (scalars), ``u_county`` and ``u_county_slope`` (county) and ``y`` (house).

    Raises
    ------
    ValueError
        If a variable is missing or not finite, or a house is in no county.

    See Also
    --------
    houses_intercepts : With the same effect of the floor in all counties.
    hierarchical_exact.mixed : The exact posterior, with a slope and ``rho``.

    References
    ----------
    .. [1] Lewandowski, D., Kurowicka, D. and Joe, H. (2009). Generating random correlation matrices based on
       vines and extended onion method. Journal of Multivariate Analysis 100, 1989-2001.

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in houses_slopes(datasets.radon()).free_RVs]
    ['beta', 'sigma', 'chol', 'z']
    """
    log_radon, floor, uranium, county, coords = _houses(data)
    with pm.Model(coords=coords | {"effect": ["intercept", "slope"]}) as model:
        beta = pm.Normal("beta", mu=0, sigma=2, dims="predictor")
        sigma = pm.HalfNormal("sigma", sigma=1)
        chol, correlation, scales = pm.LKJCholeskyCov("chol", n=2, eta=2, sd_dist=pm.HalfNormal.dist(1))
        pm.Deterministic("tau_county", scales[0])
        pm.Deterministic("tau_county_slope", scales[1])
        pm.Deterministic("rho_county", correlation[0, 1])
        z = pm.Normal("z", mu=0, sigma=1, dims=("effect", "county"))
        effects = chol @ z
        intercept = pm.Deterministic("u_county", effects[0], dims="county")
        slope = pm.Deterministic("u_county_slope", effects[1], dims="county")
        mean = beta[0] + beta[2] * uranium + intercept[county] + (beta[1] + slope[county]) * floor
        pm.Normal("y", mu=mean, sigma=sigma, observed=log_radon, dims="house")
    return model


def _multinomial(count, pi):
    respondents = count.sum(axis=1)
    pm.Multinomial("counts", n=respondents, p=pi, observed=count, dims=("region", "response"))


def _instructors(data):
    """Return scores, each student's instructor as an index, and the coordinates."""
    score = _values(data, "score", ("student",))
    labels = _variable(data, "instructor", ("student",)).values
    # The order of first appearance, so that tables list instructors as the data do.
    names, first, group = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(first)
    coords = {
        "student": data["student"].values,
        "instructor": names[order].tolist(),
    }
    return score, np.argsort(order)[group], coords


def _effects(data, dim):
    effect = _values(data, "effect", (dim,))
    standard_error = _values(data, "standard_error", (dim,), positive=True)
    return effect, standard_error, {dim: data[dim].values}


def _houses(data):
    """Return log radon, floor and uranium of each house, its county as an index, and the coordinates."""
    log_radon, floor = (_values(data, name, ("house",)) for name in ("log_radon", "floor"))
    uranium = _values(data, "uranium", ("county",))
    counties = data["county"].to_index()
    labels = _variable(data, "of_county", ("house",)).values
    county = counties.get_indexer(labels)
    if (county < 0).any():
        raise ValueError(
            f"data['of_county'] contains {str(labels[county < 0][0])!r}: give names in data['county'] only"
        )
    coords = {
        "predictor": ["intercept", "floor", "uranium"],
        "county": counties.values,
        "house": data["house"].values,
    }
    return log_radon, floor, uranium[county], county, coords


def _survey(data):
    count = _counts(data, "count", ("region", "response"))
    return count, {dim: data[dim].values for dim in ("region", "response")}


def _rats(data):
    tumours, rats = (_counts(data, name, ("experiment",)) for name in ("tumours", "rats"))
    if np.any(tumours > rats):
        raise ValueError("data has more tumours than rats: give no more tumours than rats in any experiment")
    return tumours, rats


def _hospitals(data):
    count = _counts(data, "count", ("hospital",))
    exposure = _values(data, "exposure", ("hospital",), positive=True)
    return count, exposure, {"hospital": data["hospital"].values}


def _variable(data, name, dims):
    if name not in data:
        raise ValueError(f"data has no variable {name!r}, only {list(data)}: add it")
    if set(data[name].dims) != set(dims):
        raise ValueError(f"data[{name!r}] has dims {data[name].dims}: give it dims {dims}")
    return data[name].transpose(*dims)


def _values(data, name, dims, *, positive=False):
    values = _variable(data, name, dims).values.astype(float)
    bad = ~np.isfinite(values) | (positive & (values <= 0))
    if bad.any():
        wanted = "finite values above 0" if positive else "finite values"
        raise ValueError(f"data[{name!r}] contains {values[bad][0]:g}: give {wanted} only")
    return values


def _counts(data, name, dims):
    values = _values(data, name, dims)
    bad = (values < 0) | (values != np.floor(values))
    if bad.any():
        raise ValueError(f"data[{name!r}] contains {values[bad][0]:g}: give whole numbers >= 0")
    return values.astype(np.int64)
