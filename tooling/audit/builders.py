"""The models that pages write out in full, each for any data of its form: for the calibration and the runs.

Those that pages fit without writing them out are in `support.models`, which explains the names too.
"""

import pandas as pd
import pymc as pm


def instructors_complete(data):
    """One mean for all students (Section 5.8.1, complete pooling)."""
    with pm.Model(coords={"student": data["student"].values}) as model:
        mu = pm.Normal("mu", mu=50, sigma=25)
        sigma = pm.HalfNormal("sigma", sigma=15)
        pm.Normal("y", mu=mu, sigma=sigma, observed=data["score"].values, dims="student")
    return model


def instructors_none(data):
    """Each instructor with a mean and a spread of its own (Section 5.8.1, no pooling)."""
    group, coords = _instructors(data)
    with pm.Model(coords=coords) as model:
        theta = pm.Normal("theta", mu=50, sigma=25, dims="instructor")
        sigma = pm.HalfNormal("sigma", sigma=15, dims="instructor")
        score = data["score"].values
        pm.Normal("y", mu=theta[group], sigma=sigma[group], observed=score, dims="student")
    return model


def instructors_partial(data):
    """Instructor means from a common population, non-centred (Section 5.8.1, partial pooling)."""
    group, coords = _instructors(data)
    with pm.Model(coords=coords) as model:
        mu = pm.Normal("mu", mu=50, sigma=25)
        tau = pm.HalfNormal("tau", sigma=10)
        sigma = pm.HalfNormal("sigma", sigma=15)
        theta_raw = pm.Normal("theta_raw", mu=0, sigma=1, dims="instructor")
        theta = pm.Deterministic("theta", mu + tau * theta_raw, dims="instructor")
        pm.Normal("y", mu=theta[group], sigma=sigma, observed=data["score"].values, dims="student")
    return model


def _instructors(data):
    """Each student's instructor as an index, and the coordinates: instructors as they come in the data."""
    group, names = pd.factorize(data["instructor"].values)
    return group, {"student": data["student"].values, "instructor": names.tolist()}


def schools_centred(data):
    """Eight Schools, centred (Section 5.8.3, equation eight-schools-model)."""
    with pm.Model(coords={"school": data["school"].values}) as model:
        mu = pm.Normal("mu", mu=0, sigma=20)
        tau = pm.HalfNormal("tau", sigma=10)
        theta = pm.Normal("theta", mu=mu, sigma=tau, dims="school")
        _observe_effects(data, theta, "school")
    return model


def schools_complete(data):
    """One effect for all schools (Section 5.8.5, complete pooling)."""
    with pm.Model(coords={"school": data["school"].values}) as model:
        mu = pm.Normal("mu", mu=0, sigma=20)
        _observe_effects(data, mu, "school")
    return model


def schools_none(data):
    """Each school with an effect of its own (Section 5.8.5, no pooling)."""
    with pm.Model(coords={"school": data["school"].values}) as model:
        theta = pm.Normal("theta", mu=0, sigma=20, dims="school")
        _observe_effects(data, theta, "school")
    return model


def schools_covariate(data):
    """Schools whose mean effect depends on their kind, non-centred (Solution 5.8.4 (d))."""
    with pm.Model(coords={"school": data["school"].values}) as model:
        mu = pm.Normal("mu", mu=0, sigma=20)
        beta = pm.Normal("beta", mu=0, sigma=10)
        tau = pm.HalfNormal("tau", sigma=10)
        theta_raw = pm.Normal("theta_raw", mu=0, sigma=1, dims="school")
        mean = mu + beta * data["private"].values
        theta = pm.Deterministic("theta", mean + tau * theta_raw, dims="school")
        _observe_effects(data, theta, "school")
    return model


def _observe_effects(data, mean, dim):
    """Add reported effects with known standard errors."""
    effect, error = data["effect"].values, data["standard_error"].values
    pm.Normal("y", mu=mean, sigma=error, observed=effect, dims=dim)


def hospitals_none(data):
    """Each hospital with a rate of its own (Solution 5.8.3 (c), no pooling)."""
    with pm.Model(coords={"hospital": data["hospital"].values}) as model:
        lam = pm.Gamma("lam", alpha=1, beta=0.5, dims="hospital")
        expected = lam * data["exposure"].values
        pm.Poisson("y", mu=expected, observed=data["count"].values, dims="hospital")
    return model


def rats_hierarchical(data):
    """Beta population of proportions, Binomial counts (Beyond 5.8, proportions)."""
    with pm.Model(coords={"experiment": data["experiment"].values}) as model:
        mean = pm.Beta("mean", alpha=1, beta=1)
        concentration = pm.Gamma("concentration", alpha=2, beta=0.05)
        a, b = mean * concentration, (1 - mean) * concentration
        theta = pm.Beta("theta", alpha=a, beta=b, dims="experiment")
        _observe_tumours(data, theta)
    return model


def rats_logit_normal(data):
    """Normal population of log odds, Binomial counts, non-centred (Beyond 5.8, proportions)."""
    with pm.Model(coords={"experiment": data["experiment"].values}) as model:
        mu = pm.Normal("mu", mu=-2, sigma=1)
        tau = pm.HalfNormal("tau", sigma=1)
        z = pm.Normal("z", mu=0, sigma=1, dims="experiment")
        theta = pm.Deterministic("theta", pm.math.sigmoid(mu + tau * z), dims="experiment")
        _observe_tumours(data, theta)
    return model


def _observe_tumours(data, theta):
    """Add the tumours of each experiment."""
    tumours, rats = data["tumours"].values, data["rats"].values
    pm.Binomial("y", n=rats, p=theta, observed=tumours, dims="experiment")


def trials_student(data):
    """Student-t population of effects with 4 degrees of freedom, centred (Beyond 5.8, odd groups)."""
    with pm.Model(coords={"trial": data["trial"].values}) as model:
        mu = pm.Normal("mu", mu=0, sigma=1)
        tau = pm.HalfNormal("tau", sigma=1)
        theta = pm.StudentT("theta", nu=4, mu=mu, sigma=tau, dims="trial")
        _observe_effects(data, theta, "trial")
    return model


def trials_latitude(data):
    """Normal population whose mean depends on latitude, non-centred: mu is that at 33 degrees."""
    with pm.Model(coords={"trial": data["trial"].values}) as model:
        mu = pm.Normal("mu", mu=0, sigma=1)
        beta = pm.Normal("beta", mu=0, sigma=0.5)
        tau = pm.HalfNormal("tau", sigma=1)
        theta_raw = pm.Normal("theta_raw", mu=0, sigma=1, dims="trial")
        mean = mu + beta * (data["latitude"].values - 33) / 10
        theta = pm.Deterministic("theta", mean + tau * theta_raw, dims="trial")
        _observe_effects(data, theta, "trial")
    return model


def houses_intercepts(data):
    """Houses in counties, with predictors of both and varying intercepts, non-centred (Beyond 5.8)."""
    floor, uranium, county, coords = _houses(data)
    with pm.Model(coords=coords) as model:
        beta = pm.Normal("beta", mu=0, sigma=2, dims="predictor")
        sigma = pm.HalfNormal("sigma", sigma=1)
        tau = pm.HalfNormal("tau_county", sigma=1)
        z = pm.Normal("z", mu=0, sigma=1, dims="county")
        u = pm.Deterministic("u_county", tau * z, dims="county")
        mean = beta[0] + beta[1] * floor + beta[2] * uranium + u[county]
        pm.Normal("y", mu=mean, sigma=sigma, observed=data["log_radon"].values, dims="house")
    return model


def houses_slopes(data):
    """Houses in counties, with varying intercepts and slopes that are correlated (Beyond 5.8)."""
    floor, uranium, county, coords = _houses(data)
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
        pm.Normal("y", mu=mean, sigma=sigma, observed=data["log_radon"].values, dims="house")
    return model


def _houses(data):
    """Floor and uranium of each house, its county as an index, and the coordinates."""
    county = data["county"].to_index().get_indexer(data["of_county"].values)
    coords = {"predictor": ["intercept", "floor", "uranium"]}
    coords |= {dim: data[dim].values for dim in ("county", "house")}
    return data["floor"].values, data["uranium"].values[county], county, coords


def penicillin_crossed(data):
    """Zones on plates around the penicillin of batches, which are crossed, centred (Section 5.8.7)."""
    with pm.Model(coords={dim: data[dim].values for dim in ("plate", "batch")}) as model:
        mu = pm.Normal("mu", mu=20, sigma=10)
        tau_plate = pm.HalfNormal("tau_plate", sigma=2)
        tau_batch = pm.HalfNormal("tau_batch", sigma=2)
        u_plate = pm.Normal("u_plate", mu=0, sigma=tau_plate, dims="plate")
        batch_mean = pm.Normal("batch_mean", mu=mu, sigma=tau_batch, dims="batch")
        sigma = pm.HalfNormal("sigma", sigma=2)
        diameter = data["diameter"].transpose("plate", "batch").values
        mean = u_plate[:, None] + batch_mean[None, :]
        pm.Normal("y", mu=mean, sigma=sigma, observed=diameter, dims=("plate", "batch"))
    return model
