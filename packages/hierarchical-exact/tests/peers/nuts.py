"""What nutpie makes of the problems of `compare.py`: one line of JSON each.

It needs PyMC, nutpie and ArviZ. Seconds are those of the processors, compilation left out, that sampling
takes until the Monte Carlo error of every mean is `ERROR` posterior sds, in proportion to a shorter run.
"""

import json
import logging
import time
import warnings
from importlib.metadata import version

import arviz as az
import numpy as np
import nutpie
import pymc as pm
from compare import BOOK, SCHOOLS, log_risk_ratios

# Half of a hundredth: means are right to a hundredth of a posterior sd when rounded to it.
ERROR = 0.005
ENOUGH = 10_000


def normal(y, error, mu_sd, tau_sd):
    """The Normal hierarchy with known standard errors, non-centred."""
    mu, tau = pm.Normal("mu", 0, mu_sd), pm.HalfNormal("tau", tau_sd)
    theta = pm.Deterministic("theta", mu + tau * pm.Normal("theta_raw", 0, 1, shape=len(y)))
    pm.Normal("y", theta, error, observed=y)


def student_t(y, error):
    """The same with a Student-t population; centred, as the trials are precise."""
    mu, tau = pm.Normal("mu", 0, 1), pm.HalfNormal("tau", 1)
    theta = pm.StudentT("theta", nu=4, mu=mu, sigma=tau, shape=len(y))
    pm.Normal("y", theta, error, observed=y)


def normal_groups(score, instructor):
    """Groups with an unknown sigma."""
    group = np.array(instructor) - 1
    mu, tau, sigma = pm.Normal("mu", 50, 25), pm.HalfNormal("tau", 10), pm.HalfNormal("sigma", 15)
    theta = pm.Deterministic("theta", mu + tau * pm.Normal("theta_raw", 0, 1, shape=int(group.max()) + 1))
    pm.Normal("y", theta[group], sigma, observed=score)


def mixed(diameter):
    """Crossed plates and batches."""
    beta, sigma = pm.Normal("beta", 23, 10, shape=1), pm.HalfNormal("sigma", 2)
    mean = beta[0]
    for name, index in (("plate", np.repeat(np.arange(24), 6)), ("batch", np.tile(np.arange(6), 24))):
        tau = pm.HalfNormal(f"tau_{name}", 2)
        raw = pm.Normal(f"{name}_raw", 0, 1, shape=int(index.max()) + 1)
        effect = pm.Deterministic(f"u_{name}", tau * raw)
        mean = mean + effect[index]
    pm.Normal("y", mean, sigma, observed=diameter)


def poisson(count, exposure):
    """Log-normal rates, non-centred."""
    mu, sigma = pm.Normal("mu_log", 0, 1), pm.HalfNormal("sigma_log", 1)
    lam = pm.Deterministic("lam", pm.math.exp(mu + sigma * pm.Normal("lam_raw", 0, 1, shape=len(count))))
    pm.Poisson("y", lam * np.array(exposure), observed=count)


def dirichlet_multinomial(count):
    """Counts in categories."""
    count = np.array(count)
    alpha, pi0 = pm.Exponential("alpha", 1), pm.Dirichlet("pi0", np.ones(count.shape[1]))
    pi = pm.Dirichlet("pi", alpha * pi0, shape=count.shape)
    pm.Potential("y", (count * pm.math.log(pi)).sum())


def beta_binomial(tumours, rats):
    """Proportions."""
    mean, concentration = pm.Beta("mean", 1, 1), pm.Gamma("concentration", 2, 0.05)
    theta = pm.Beta("theta", mean * concentration, (1 - mean) * concentration, shape=len(rats))
    pm.Binomial("y", rats, theta, observed=tumours)


def problems():
    """For each problem what makes its model."""
    trials = log_risk_ratios()[:2]
    yield "Eight Schools", lambda: normal(*SCHOOLS, 20, 10)
    yield "BCG, Student-t", lambda: student_t(*trials)
    yield "instructors", lambda: normal_groups(**BOOK["instructors"])
    yield "penicillin", lambda: mixed(**BOOK["penicillin"])
    yield "hospitals", lambda: poisson(**BOOK["hospitals"])
    yield "survey", lambda: dirichlet_multinomial(**BOOK["survey"])
    yield "rats", lambda: beta_binomial(**BOOK["rats"])


def sampled(compiled, draws):
    """Draws of all that has a name, their effective sizes for means, and processor seconds."""
    start = time.process_time()
    tree = nutpie.sample(compiled, draws=draws, chains=4, cores=2, seed=58, progress_bar=False)
    seconds = time.process_time() - start
    names = [name for name in tree.posterior.data_vars if not name.endswith("_raw")]
    posterior = tree.posterior.dataset[names]
    return posterior, az.ess(posterior, method="mean"), seconds


def main():
    """Sample each problem twice: for how many draws it needs, and to measure."""
    warnings.simplefilter("ignore")
    logging.disable()
    for problem, build in problems():
        with pm.Model() as model:
            build()
        compiled, draws = nutpie.compile_pymc_model(model), 2500
        for _ in range(2):
            posterior, sizes, seconds = sampled(compiled, draws)
            worst = min(float(size.min()) for size in sizes.data_vars.values())
            draws = int(draws * max(1.0, 1.2 * ENOUGH / worst))
        values = {name: posterior[name].mean(("chain", "draw")).values.ravel().tolist() for name in posterior}
        values |= {f"{name}_ess": sizes[name].values.ravel().tolist() for name in posterior}
        result = {"peer": "nutpie", "problem": problem, "seconds": seconds / (worst * ERROR**2)}
        print(json.dumps(result | {"values": values}), flush=True)
    print(json.dumps({"versions": {name: version(name) for name in ("nutpie", "pymc")}}))


if __name__ == "__main__":
    main()
