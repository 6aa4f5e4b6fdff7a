"""The PyMC models that pages fit without writing them out, one builder per model.

Each builder takes a data set of :mod:`support.datasets` (or one of the same form) and returns a
:class:`pymc.Model` whose variables carry the dimension names and labels of the data. Priors are
those of the source. Names are the same in all models of the book:

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

from hierarchical_exact import arguments


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
    effect = _values(data, "effect", ("school",))
    standard_error = _values(data, "standard_error", ("school",), positive=True)
    with pm.Model(coords={"school": data["school"].values}) as model:
        mu = pm.Normal("mu", mu=0, sigma=20)
        tau = pm.HalfNormal("tau", sigma=10)
        theta_raw = pm.Normal("theta_raw", mu=0, sigma=1, dims="school")
        theta = pm.Deterministic("theta", mu + tau * theta_raw, dims="school")
        pm.Normal("y", mu=theta, sigma=standard_error, observed=effect, dims="school")
    return model


def survey_hierarchical(data: xr.Dataset) -> pm.Model:
    """Regional proportions around a national baseline (Section 5.8.4).

    Parameters
    ----------
    data : xarray.Dataset
        ``count`` over ``region`` and ``response`` (respondents).

    Returns
    -------
    pymc.Model
        ``alpha`` (scalar), ``pi0`` (response), ``pi`` and ``counts`` (region, response).

    Raises
    ------
    ValueError
        If ``count`` is missing, negative or fractional.

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
    dims = ("region", "response")
    count = _counts(data, "count", dims)
    with pm.Model(coords={dim: data[dim].values for dim in dims}) as model:
        alpha = pm.Exponential("alpha", lam=1)
        pi0 = pm.Dirichlet("pi0", a=np.ones(count.shape[1]), dims="response")
        pi = pm.Dirichlet("pi", a=alpha * pi0, dims=dims)
        pm.Multinomial("counts", n=count.sum(axis=1), p=pi, observed=count, dims=dims)
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

    Examples
    --------
    >>> from support import datasets
    >>> [v.name for v in hospitals_hierarchical(datasets.hospitals()).free_RVs]
    ['mu_log', 'sigma_log', 'lam_raw']
    """
    count = _counts(data, "count", ("hospital",))
    exposure = _values(data, "exposure", ("hospital",), positive=True)
    with pm.Model(coords={"hospital": data["hospital"].values}) as model:
        mu_log = pm.Normal("mu_log", mu=0, sigma=1)
        sigma_log = pm.HalfNormal("sigma_log", sigma=1)
        lam_raw = pm.Normal("lam_raw", mu=0, sigma=1, dims="hospital")
        lam = pm.Deterministic("lam", pm.math.exp(mu_log + sigma_log * lam_raw), dims="hospital")
        pm.Poisson("y", mu=lam * exposure, observed=count, dims="hospital")
    return model


def _variable(data, name, dims):
    if not isinstance(data, xr.Dataset):
        raise ValueError(f"data is a {type(data).__name__}: give an xarray.Dataset, as support.datasets has")
    if name not in data:
        raise ValueError(f"data has no variable {name!r}, only {list(data)}: add it")
    if set(data[name].dims) != set(dims):
        raise ValueError(f"data[{name!r}] has dims {data[name].dims}: give it dims {dims}")
    for dim in dims:
        labels = data[dim].to_index()
        if labels.has_duplicates:
            twice = labels[labels.duplicated()][0]
            raise ValueError(f"data has the label {twice!r} twice over {dim!r}: give each its own")
    return data[name].transpose(*dims)


def _values(data, name, dims, *, positive=False):
    values = _variable(data, name, dims).values.astype(float)
    if not np.isfinite(values).all():
        raise ValueError(f"data[{name!r}] contains {values[~np.isfinite(values)][0]}: give finite numbers")
    return arguments.positive(f"data[{name!r}]", values) if positive else values


def _counts(data, name, dims):
    return arguments.counts(f"data[{name!r}]", _variable(data, name, dims).values).astype(np.int64)
