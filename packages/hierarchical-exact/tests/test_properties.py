"""What holds of every family whatever the numbers are: orders, units, and what is left out."""

import numpy as np
import pytest
from scipy import stats

import hierarchical_exact as exact

MU = (2.0, 20.0)
SEEDS = [11, 12]


def problem(family, seed):
    """Random data, as arrays with one entry (or row) per unit, by the names of the arguments."""
    rng = np.random.default_rng([seed, 99])
    size = int(rng.integers(2, 6))
    if family == "normal":
        return {"y": rng.normal(0, 10, size), "sigma": 10 ** rng.uniform(-1, 1.5, size)}
    if family == "covariates":
        data = problem("normal", seed)
        return data | {"covariates": rng.normal(0, 1, (len(data["y"]), 2))}
    if family == "normal_groups":
        group = np.repeat(np.arange(size), rng.integers(1, 4, size))
        return {"y": rng.normal(0, 10, size)[group] + rng.normal(0, 5, len(group)), "group": group}
    if family == "normal_sample":
        return {"y": rng.normal(3, 10, size + 1)}
    if family == "poisson":
        return {
            "counts": rng.poisson(10 ** rng.uniform(-1, 2, size)),
            "exposure": 10 ** rng.uniform(-1, 1, size),
        }
    trials = rng.integers(0, 30, size)
    successes = rng.binomial(trials, rng.beta(1, 3, size))
    if family == "beta_binomial":
        return {"successes": successes, "trials": trials}
    return {"counts": np.column_stack([successes, trials - successes])}


def posterior(family, data, shift=0.0, scale=1.0):
    """Answer of the package; the Normal models in other units too."""
    mu = stats.norm(shift + scale * MU[0], scale * MU[1])
    tau, sigma = stats.halfnorm(scale=10 * scale), stats.expon(scale=8 * scale)
    if family == "normal":
        return exact.normal(**data, mu=mu, tau=tau)
    if family == "covariates":
        return exact.normal(**data, mu=mu, tau=tau, beta=stats.norm(0, 5 * scale))
    if family == "normal_groups":
        return exact.normal_groups(**data, mu=mu, tau=tau, sigma=sigma)
    if family == "normal_sample":
        return exact.normal_sample(**data, mu=mu, sigma=sigma)
    if family == "poisson":
        return exact.poisson(**data, mu_log=stats.norm(0, 2), sigma_log=stats.halfnorm(scale=1))
    if family == "beta_binomial":
        return exact.beta_binomial(**data, mean=stats.beta(1, 2), concentration=stats.expon(scale=9))
    return exact.dirichlet_multinomial(**data, alpha=stats.expon(scale=9), baseline=[1, 2])


FAMILIES = [
    "normal",
    "covariates",
    "normal_groups",
    "normal_sample",
    "poisson",
    "beta_binomial",
    "dirichlet_multinomial",
]
TOLERANCE = {"normal": 1e-6, "covariates": 1e-6}


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_order_of_the_units_does_not_matter(family, seed):
    data, tolerance = problem(family, seed), TOLERANCE.get(family, 1e-5)
    size = len(next(iter(data.values())))
    order = np.random.default_rng(seed).permutation(size)
    one, other = posterior(family, data), posterior(family, {k: v[order] for k, v in data.items()})
    assert other.log_evidence == pytest.approx(one.log_evidence, abs=tolerance)
    np.testing.assert_allclose(other.elpd_loo, one.elpd_loo[order], atol=10 * tolerance)
    for name, marginal in one.items():
        mean, sd = marginal.mean(), marginal.sd()
        again = other[name].mean()
        if getattr(mean, "dims", ()) == ("group",) and family == "normal_groups":
            again = again.sel(group=mean.group)
        elif getattr(mean, "dims", ("beta",))[0] in ("group", "observation"):
            mean, sd = mean[order], sd[order]
        assert float(np.abs((np.asarray(again) - np.asarray(mean)) / np.asarray(sd)).max()) < 2 * tolerance, (
            name
        )


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_left_out_is_a_ratio_of_evidences(family, seed):
    data = problem(family, seed)
    whole = posterior(family, data)
    without = posterior(family, {name: values[1:] for name, values in data.items()})
    expected = whole.log_evidence - without.log_evidence
    assert float(whole.elpd_loo[0]) == pytest.approx(expected, abs=2 * TOLERANCE.get(family, 1e-5))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", FAMILIES[:4])
def test_units_and_origin_of_normal_data_do_not_matter(family, seed):
    data, tolerance = problem(family, seed), TOLERANCE.get(family, 1e-5)
    shift, scale = 1e4, 1e-3
    moved = data | {"y": shift + scale * data["y"]}
    if "sigma" in data:
        moved["sigma"] = scale * data["sigma"]
    one, other = posterior(family, data), posterior(family, moved, shift, scale)
    assert other.log_evidence == pytest.approx(
        one.log_evidence - len(data["y"]) * np.log(scale), abs=2 * tolerance
    )
    for name, marginal in one.items():
        origin = 0.0 if name in ("tau", "sigma", "beta") else shift
        sd = np.asarray(marginal.sd())
        off = (np.asarray(other[name].mean()) - origin) / scale - np.asarray(marginal.mean())
        # What is 1e4 from zero has its digits to 2e-12, or 2e-9 in the other units.
        assert float(np.abs(off / sd).max()) < 2 * tolerance, name
        np.testing.assert_allclose(np.asarray(other[name].sd()) / scale, sd, rtol=2 * tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_where_groups_are_equal_their_data_may_be_split_and_joined(seed):
    """One mean for all: two halves of the information are the whole, and labels tell nothing."""
    data = problem("normal", seed)
    twice = {"y": np.repeat(data["y"], 2), "sigma": np.repeat(data["sigma"], 2) * np.sqrt(2)}
    known = {"mu": stats.norm(*MU), "tau": 0.0}
    one, split = exact.normal(**data, **known)["mu"], exact.normal(**twice, **known)["mu"]
    assert split.mean() == pytest.approx(one.mean(), abs=1e-6 * one.sd())
    assert split.sd() == pytest.approx(one.sd(), rel=1e-6)
    data = problem("normal_groups", seed)
    known["sigma"] = stats.expon(scale=8)
    one = exact.normal_groups(**data, **known)
    split = exact.normal_groups(data["y"], np.arange(len(data["y"])) % 2, **known)
    assert split.log_evidence == pytest.approx(one.log_evidence, abs=1e-5)
    assert split["sigma"].mean() == pytest.approx(one["sigma"].mean(), rel=1e-5)
    data = problem("poisson", seed)
    half = {"counts": np.repeat(data["counts"], 2), "exposure": np.repeat(data["exposure"], 2) / 2}
    half["counts"][::2] = half["counts"][::2] // 2
    half["counts"][1::2] -= half["counts"][::2]
    known = {"mu_log": stats.norm(0, 2), "sigma_log": 0.0}
    one, split = exact.poisson(**data, **known)["mu_log"], exact.poisson(**half, **known)["mu_log"]
    assert split.mean() == pytest.approx(one.mean(), abs=1e-5 * one.sd())
    assert split.sd() == pytest.approx(one.sd(), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_failures_are_successes_seen_from_the_other_side(seed):
    data, priors = problem("beta_binomial", seed), {"concentration": stats.expon(scale=9)}
    one = exact.beta_binomial(**data, mean=stats.beta(1, 2), **priors)
    data["successes"] = data["trials"] - data["successes"]
    other = exact.beta_binomial(**data, mean=stats.beta(2, 1), **priors)
    assert other.log_evidence == pytest.approx(one.log_evidence, abs=1e-5)
    for name in ("mean", "theta", "theta_new"):
        sd = one[name].sd()
        off = np.asarray(1 - one[name].mean() - other[name].mean()) / np.asarray(sd)
        assert float(np.abs(off).max()) < 2e-5
        q, turned = one[name].quantile(0.1), other[name].quantile(0.9)
        np.testing.assert_allclose(1 - np.asarray(q), np.asarray(turned), atol=1e-4 * np.asarray(sd).max())


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_group_of_which_nothing_is_known_is_a_new_one(seed):
    """It changes nothing else, and its law is that of a new group."""
    cases = [
        ("normal", {"y": 0.0, "sigma": 1e9}, "theta", "theta_new"),
        ("poisson", {"counts": 0, "exposure": 1e-12}, "lam", "lam_new"),
        ("beta_binomial", {"successes": 0, "trials": 0}, "theta", "theta_new"),
        ("dirichlet_multinomial", {"counts": np.zeros((1, 2))}, "pi", "pi_new"),
    ]
    for family, nothing, name, new in cases:
        data = problem(family, seed)
        without = posterior(family, data)
        grown = {k: np.concatenate([v, np.reshape(nothing[k], (1, *v.shape[1:]))]) for k, v in data.items()}
        last = posterior(family, grown)[name].sel(group=len(without.elpd_loo))
        x = np.asarray(without[new].quantile(np.array([0.1, 0.5, 0.9]))).reshape(-1, 3)[0]
        for some in (last, without[new]):
            some = some.sel(category=0) if family == "dirichlet_multinomial" else some
            np.testing.assert_allclose(np.asarray(some.cdf(x)), [0.1, 0.5, 0.9], atol=2e-5, err_msg=family)
