"""Exact posteriors of mixed models against dense algebra, other functions, published fits and invariances."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import optimize, stats

import hierarchical_exact as exact
from hierarchical_exact.scales import lattice_grid

# Diameters of zones of inhibition (mm) of six samples of penicillin on each of 24 plates (Davies and
# Goldsmith, 1972, section 6.6), plate by plate.
PENICILLIN = np.array(
    """27 23 26 23 23 21  27 23 26 23 23 21  25 21 25 24 24 20  26 23 25 23 23 20
    25 22 26 22 23 20  24 22 25 23 22 19  24 20 23 21 22 19  26 22 26 24 24 21
    24 21 24 22 22 20  24 21 24 23 22 19  26 23 26 24 24 21  25 22 26 24 24 20
    26 24 26 24 25 22  26 23 26 23 23 20  26 23 25 24 24 22  25 22 25 23 23 20
    25 21 24 23 23 20  25 22 24 23 23 19  24 21 23 21 21 19  26 23 26 24 24 21
    25 21 24 22 22 18  25 22 25 22 22 20  24 21 24 22 24 19  24 21 24 22 21 18""".split(),  # noqa: SIM905
    dtype=float,
)
HALF = stats.halfnorm(scale=1.5)
LKJ = stats.beta(2, 2, loc=-1, scale=2)
RNG = np.random.default_rng(5)
GROUP, X = np.repeat(list("abcd"), [3, 1, 4, 2]), RNG.normal(size=10).round(1)
ITEM = np.array(list("pqrpqrpqrp"))
Y = (1 + 0.7 * X + np.repeat([0.5, -1.0, 1.2, 0.1], [3, 1, 4, 2]) + RNG.normal(0, 0.6, 10)).round(2)
DESIGN = np.column_stack([np.ones(10), X])
BETA = [stats.norm(0.5, 2), stats.norm(0, 1)]


class Dense:
    """Sums over rectangles of scales, by N x N matrices."""

    def __init__(self, covariance, axes, beta=BETA):
        """`covariance` takes scales and gives that of y and the covariances with y of what is asked for."""
        mean = np.array([prior.mean() for prior in beta])
        spread = DESIGN @ np.diag([prior.var() for prior in beta]) @ DESIGN.T
        mesh = [m.ravel() for m in np.meshgrid(*(axis for axis, _ in axes), indexing="ij")]
        weight = np.prod(np.meshgrid(*(w for _, w in axes), indexing="ij"), axis=0).ravel()
        left = Y - DESIGN @ mean
        log, wanted = [], []
        for point in zip(*mesh, strict=True):
            total, cross, own = covariance(*point)
            total = total + spread
            inverse = np.linalg.inv(total)
            log.append(
                -0.5 * (len(Y) * np.log(2 * np.pi) + np.linalg.slogdet(total)[1] + left @ inverse @ left)
            )
            wanted.append([cross @ inverse @ left, own - np.einsum("ij,jk,ik->i", cross, inverse, cross)])
        weight = weight * np.exp(np.array(log))
        self.evidence = weight.sum()
        weight /= self.evidence
        wanted = np.array(wanted)
        self.mean = weight @ wanted[:, 0]
        self.sd = np.sqrt(weight @ (wanted[:, 1] + wanted[:, 0] ** 2) - self.mean**2)
        self.points = np.array(mesh) @ weight


def panel(prior, low, high, nodes):
    """Gauss-Legendre rule in the log of a scale, with its prior."""
    z, w = np.polynomial.legendre.leggauss(nodes)
    x = np.exp(0.5 * (np.log(low) + np.log(high)) + 0.5 * np.log(high / low) * z)
    return x, 0.5 * np.log(high / low) * w * x * prior.pdf(x)


def line(prior, nodes):
    z, w = np.polynomial.legendre.leggauss(nodes)
    return z, w * prior.pdf(z)


SIGMA = panel(HALF, 0.15, 7, 40)
TAU = panel(HALF, 1e-4, 9, 60)


def test_dense_sums_agree_for_crossed_terms():
    groups, items = (np.equal.outer(one, np.unique(one)).astype(float) for one in (GROUP, ITEM))

    def covariance(sigma, tau, tau_item):
        total = sigma**2 * np.eye(10) + tau**2 * groups @ groups.T + tau_item**2 * items @ items.T
        cross = np.concatenate([tau**2 * groups.T, tau_item**2 * items.T])
        return total, cross, np.repeat([tau**2, tau_item**2], [4, 3])

    wanted = Dense(covariance, [panel(HALF, 0.15, 7, 24), panel(HALF, 1e-4, 9, 30), panel(HALF, 1e-4, 9, 30)])
    terms = {"group": GROUP, "item": ITEM}
    posterior = exact.mixed(Y, DESIGN, terms=terms, beta=BETA, sigma=HALF, tau=HALF)
    assert posterior.log_evidence == pytest.approx(np.log(wanted.evidence), abs=3e-4)
    found = [np.concatenate([getattr(posterior[f"u_{one}"], of)() for one in terms]) for of in ("mean", "sd")]
    np.testing.assert_allclose(found[0], wanted.mean, atol=3e-4)
    np.testing.assert_allclose(found[1], wanted.sd, rtol=3e-4)
    for name, value in zip(("sigma", "tau_group", "tau_item"), wanted.points, strict=True):
        assert posterior[name].mean() == pytest.approx(value, rel=3e-4), name


def test_dense_sums_agree_for_slopes_that_vary():
    groups = np.equal.outer(GROUP, np.unique(GROUP)).astype(float)
    both = np.concatenate([groups, groups * X[:, None]], axis=1)

    def covariance(tau, slope, rho, sigma=0.6):
        effects = np.kron([[tau**2, rho * tau * slope], [rho * tau * slope, slope**2]], np.eye(4))
        return sigma**2 * np.eye(10) + both @ effects @ both.T, effects @ both.T, np.diag(effects)

    wanted = Dense(covariance, [panel(HALF, 1e-4, 9, 32), panel(HALF, 1e-4, 9, 32), line(LKJ, 16)])
    posterior = exact.mixed(Y, DESIGN, terms={"group": (GROUP, X)}, beta=BETA, sigma=0.6, tau=HALF, rho=LKJ)
    assert posterior.log_evidence == pytest.approx(np.log(wanted.evidence), abs=3e-4)
    names = "u_group", "u_group_slope"
    np.testing.assert_allclose(
        np.concatenate([posterior[name].mean() for name in names]), wanted.mean, atol=3e-4
    )
    np.testing.assert_allclose(np.concatenate([posterior[name].sd() for name in names]), wanted.sd, rtol=4e-4)
    for name, value in zip(("tau_group", "tau_group_slope", "rho_group"), wanted.points, strict=True):
        assert posterior[name].mean() == pytest.approx(value, abs=4e-4), name


@pytest.mark.parametrize("sigma", [0.1, 1e-3, 1e-7, 1e-9])
def test_slopes_are_those_of_one_observation_each_however_small_sigma_is(sigma):
    rng = np.random.default_rng(3)
    y, x = rng.normal(size=(2, 6))
    tau, slope, rho = 0.8, 0.5, 0.4
    posterior = exact.mixed(
        y,
        np.ones((6, 1)),
        terms={"group": (np.arange(6), x)},
        beta=0.3,
        sigma=sigma,
        tau={"group": tau, "group_slope": slope},
        rho=rho,
    )
    total = tau**2 + 2 * rho * tau * slope * x + (slope * x) ** 2 + sigma**2
    shares = (tau**2 + rho * tau * slope * x) / total, (rho * tau * slope + slope**2 * x) / total
    for name, share in zip(("u_group", "u_group_slope"), shares, strict=True):
        np.testing.assert_allclose(posterior[name].mean(), share * (y - 0.3), rtol=1e-12, atol=1e-14)
    variance = tau**2 - shares[0] ** 2 * total
    np.testing.assert_allclose(posterior["u_group"].sd(), np.sqrt(variance), rtol=1e-12)


def test_one_term_without_predictors_is_normal_groups():
    priors = {"tau": stats.halfcauchy(scale=1), "sigma": stats.expon(scale=2)}
    other = exact.normal_groups(Y, GROUP, mu=stats.norm(0, 3), **priors)
    posterior = exact.mixed(Y, np.ones((10, 1)), terms={"group": GROUP}, beta=stats.norm(0, 3), **priors)
    assert posterior.log_evidence == pytest.approx(other.log_evidence, abs=1e-6)
    np.testing.assert_allclose(posterior.elpd_loo, other.elpd_loo, atol=2e-5)
    theta = posterior.predict(np.ones((5, 1)), {"group": ["a", "b", "c", "d", None]})
    pairs = [(posterior["sigma"], other["sigma"]), (posterior["tau_group"], other["tau"])]
    pairs += [(posterior["beta"].sel(predictor=0), other["mu"]), (theta.sel(row=4), other["theta_new"])]
    pairs += [(theta.sel(row=i), other["theta"].sel(group=name)) for i, name in enumerate("abcd")]
    pairs += [(posterior["y_rep"].sel(observation=3), other["y_rep"].sel(observation=3))]
    for ours, theirs in pairs:
        width = theirs.quantile(0.84) - theirs.quantile(0.16)
        for q in (0.001, 0.05, 0.5, 0.95, 0.999):
            apart = abs(ours.quantile(q) - theirs.quantile(q))
            assert apart < 1e-4 * width + 2e-6 * abs(theirs.quantile(q)), (theirs, q)
        assert ours.mean() == pytest.approx(theirs.mean(), abs=1e-5 * width)


@pytest.fixture(scope="module")
def penicillin():
    """Diameters by plate and batch."""
    plate, batch = np.repeat(list("abcdefghijklmnopqrstuvwx"), 6), np.tile(list("ABCDEF"), 24)
    return pd.DataFrame({"diameter": PENICILLIN, "plate": plate, "batch": batch})


def test_its_likelihood_is_greatest_at_the_published_reml_estimates(penicillin):
    """Under a flat prior of the mean it is REML's criterion; lme4 4 digits, as often printed."""

    def deviance(log_scales):
        sigma, plate, batch = np.exp(log_scales)
        known = exact.mixed(
            penicillin["diameter"],
            np.ones((144, 1)),
            terms=dict(penicillin[["plate", "batch"]]),
            beta=stats.norm(23, 1e5),
            sigma=float(sigma),
            tau={"plate": float(plate), "batch": float(batch)},
        )
        return -2 * (known.log_evidence + np.log(1e5) + 0.5 * np.log(2 * np.pi))

    found = optimize.minimize(
        deviance, np.log([0.6, 0.8, 2.0]), method="Nelder-Mead", options={"xatol": 1e-5}
    )
    np.testing.assert_allclose(np.exp(found.x), [0.5499, 0.8467, 1.9316], atol=6e-5)
    assert found.fun == pytest.approx(330.8606, abs=5e-4)  # of n - 1 observations, with no constant left out
    sigma, plate, batch = map(float, np.exp(found.x))
    known = exact.mixed(
        penicillin["diameter"],
        np.ones((144, 1)),
        terms=dict(penicillin[["plate", "batch"]]),
        beta=None,
        sigma=sigma,
        tau={"plate": plate, "batch": batch},
    )
    assert known["beta"].mean().item() == pytest.approx(22.9722, abs=5e-5)
    with pytest.raises(ValueError, match="improper"):
        _ = known.log_evidence


def test_a_finer_lattice_changes_nothing(penicillin):
    posterior = exact.mixed(
        penicillin["diameter"],
        np.ones((144, 1)),
        terms=dict(penicillin[["plate", "batch"]]),
        beta=stats.norm(20, 10),
        sigma=HALF,
        tau=stats.halfcauchy(scale=2),
    )
    fitted = posterior._fitted
    priors = {"sigma": HALF, "tau_plate": stats.halfcauchy(scale=2), "tau_batch": stats.halfcauchy(scale=2)}
    finer = lattice_grid(
        fitted.model.log_likelihood, priors, fitted.model.hints(priors), step=0.6, light=1e-9
    )
    assert posterior.log_evidence == pytest.approx(finer.log_evidence, abs=posterior.error)
    for name in priors:
        sd = finer.sd(name)
        assert posterior[name].mean() == pytest.approx(
            finer.weights @ finer.points[name], abs=posterior.error * sd
        )
        assert posterior[name].sd() == pytest.approx(sd, abs=posterior.error * sd)


@pytest.mark.slow
def test_a_lattice_that_cannot_tell_an_sd_is_not_kept(monkeypatch):
    """The check of a lattice once passed over moments that could not be told, all of one effect."""
    rng = np.random.default_rng(4)
    group, x = np.repeat(np.arange(8), 4), np.tile([0, 0, 0, 1.0], 8)
    y = 2.2 * rng.normal(size=32) + 0.8 * rng.normal(size=8)[group] * x
    half = stats.halfnorm(scale=1)

    def sds():
        terms, design = {"group": (group, x)}, np.column_stack([np.ones(32), x])
        posterior = exact.mixed(y, design, terms=terms, beta=stats.norm(0, 2), sigma=half, tau=half, rho=LKJ)
        return np.stack([posterior[name].sd() for name in ("u_group", "u_group_slope")])

    found = sds()
    monkeypatch.setattr(sys.modules[exact.mixed.__module__], "_STEPS", (0.5,))
    np.testing.assert_allclose(found, sds(), rtol=1e-4)


@pytest.mark.slow
def test_draws_have_the_exact_laws():
    posterior = exact.mixed(
        Y,
        DESIGN,
        terms={"group": (GROUP, X), "item": ITEM},
        beta=[stats.norm(0, 2), 0.7],
        sigma=HALF,
        tau={"group": HALF, "group_slope": HALF, "item": 0.5},
        rho=LKJ,
    )
    n = 10_000
    draws = posterior.sample(n, np.random.default_rng(4))
    for name in posterior:
        if name == "tau_item" or name == "beta":
            continue
        for q in (0.1, 0.5, 0.9):
            below = (draws[name] < posterior[name].quantile(q)).mean("sample")
            assert np.abs(below - q).max() < 4.5 * np.sqrt(q * (1 - q) / n), (name, q)
    assert (draws["tau_item"] == 0.5).all()
    assert (draws["beta"].sel(predictor=1) == 0.7).all()
    assert posterior["beta"].sd().values[1] == 0
    share = posterior.expect(lambda s: s["tau_group"] / (s["tau_group"] + s["sigma"]))
    drawn = draws["tau_group"] / (draws["tau_group"] + draws["sigma"])
    assert share == pytest.approx(drawn.mean().item(), abs=4.5 * drawn.std().item() / np.sqrt(n))
    tree = posterior.to_datatree(chains=2, draws=50, rng=np.random.default_rng(1))
    assert tree["log_likelihood"]["y"].dims == ("chain", "draw", "observation")


def test_units_origin_and_order_do_not_matter():
    posterior = exact.mixed(Y, DESIGN, terms={"group": GROUP}, beta=None, sigma=HALF, tau=HALF)
    order = RNG.permutation(10)
    wider = stats.halfnorm(scale=1500)
    moved = np.column_stack([np.ones(10), 1e-4 * X])
    other = exact.mixed(
        1e6 - 1000 * Y[order], moved[order], terms={"group": GROUP[order]}, beta=None, sigma=wider, tau=wider
    )
    np.testing.assert_allclose(
        other["beta"].quantile(0.3), [1e6, 0] - posterior["beta"].quantile(0.7) * [1000, 1e7], rtol=1e-6
    )
    for name in "abcd":
        ours, theirs = posterior["u_group"].sel(group=name), other["u_group"].sel(group=name)
        assert theirs.quantile(0.2) == pytest.approx(-1000 * ours.quantile(0.8), abs=0.05)
    assert other["tau_group"].quantile(0.7) == pytest.approx(
        1000 * posterior["tau_group"].quantile(0.7), rel=1e-4
    )
    expected = posterior.elpd_loo.values[order] - np.log(1000)
    np.testing.assert_allclose(other.elpd_loo, expected, atol=1e-4)


def test_leaving_one_out_is_the_evidence_without_it():
    call = {"beta": BETA, "sigma": HALF, "tau": HALF}
    posterior = exact.mixed(Y, DESIGN, terms={"group": GROUP}, **call)
    for i in (0, 3):  # the second is alone in its group
        kept = np.arange(10) != i
        without = exact.mixed(Y[kept], DESIGN[kept], terms={"group": GROUP[kept]}, **call)
        wanted = posterior.log_evidence - without.log_evidence
        assert posterior.elpd_loo.values[i] == pytest.approx(wanted, abs=1e-4)
        label = GROUP[i] if GROUP[i] in GROUP[kept] else None
        predicted = without.predict(DESIGN[[i]], {"group": [label]}, noise=True)
        assert np.log(predicted.pdf(Y[i]).item()) == pytest.approx(wanted, abs=1e-4)


def test_nested_terms_and_known_scales_have_their_limits():
    part = np.array([f"{g}{i % 2}" for i, g in enumerate(GROUP)])
    nested = exact.mixed(
        Y,
        DESIGN,
        terms={"group": GROUP, "part": part},
        beta=BETA,
        sigma=HALF,
        tau={"group": HALF, "part": 0.0},
    )
    alone = exact.mixed(Y, DESIGN, terms={"group": GROUP}, beta=BETA, sigma=HALF, tau=HALF)
    assert nested.log_evidence == pytest.approx(alone.log_evidence, abs=1e-6)
    np.testing.assert_allclose(nested["u_group"].sd(), alone["u_group"].sd(), rtol=1e-5)
    assert (nested["u_part"].sd() == 0).all()
    # A slope that does not vary, whose correlation then means nothing.
    sloped = exact.mixed(
        Y,
        DESIGN,
        terms={"group": (GROUP, X)},
        beta=BETA,
        sigma=HALF,
        tau={"group": HALF, "group_slope": 0.0},
        rho=LKJ,
    )
    assert sloped.log_evidence == pytest.approx(alone.log_evidence, abs=1e-5)
    assert sloped["rho_group"].sd() == pytest.approx(LKJ.std(), rel=1e-4)


def test_labels_and_pickles():
    table = pd.DataFrame({"intercept": 1.0, "x": X})
    county = pd.Series(GROUP, name="county")
    posterior = exact.mixed(pd.Series(Y), table, terms={"county": county}, beta=BETA, sigma=HALF, tau=HALF)
    assert list(posterior["beta"].mean()["predictor"].values) == ["intercept", "x"]
    assert posterior["u_county"].sel(county="c").mean() > posterior["u_county"].sel(county="b").mean()
    again = pickle.loads(pickle.dumps(posterior))
    assert again["tau_county"].mean() == posterior["tau_county"].mean()
    rows = pd.DataFrame({"intercept": [1, 1], "x": [0, 0]}, index=pd.Index(["known", "new"], name="house"))
    sd = posterior.predict(rows, {"county": ["c", None]}, noise=True).sd()
    assert sd.sel(house="known") < sd.sel(house="new")
    assert isinstance(posterior.elpd_loo, xr.DataArray)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"X": X}, r"X is an array of shape \(10,\)"),
        ({"X": np.column_stack([DESIGN, X]), "beta": None}, "determine each other"),
        ({"terms": GROUP}, "terms is"),
        ({"terms": {"group": GROUP[:4]}}, r"group is an array of shape \(4,\)"),
        ({"terms": {"group": [*GROUP[:9], None]}}, "missing"),
        ({"terms": {"a": (GROUP, X), "b": (ITEM, X)}}, "two terms"),
        ({"terms": {"theta": GROUP}}, "'theta' is a dim"),
        ({"terms": {"group": (GROUP, X)}}, "rho is None"),
        ({"rho": 0.0}, "no slope varies"),
        ({"terms": {"group": (GROUP, X)}, "rho": 1.5}, "rho is 1.5"),
        ({"terms": {"group": (GROUP, X)}, "rho": stats.norm(0, 1)}, "rho is norm"),
        ({"terms": {"group": (GROUP, X), "item": ITEM}, "rho": LKJ}, "5 unknown"),
        ({"tau": {"item": HALF}}, "tau has 'item'"),
        ({"tau": None}, "tau is None"),
        ({"sigma": 0.0}, "sigma is 0"),
        ({"beta": [stats.norm(0, 1)]}, "beta is a list of 1"),
        ({"beta": stats.cauchy(0, 1)}, "beta is cauchy"),
    ],
)
def test_what_is_not_as_described_is_refused(changed, message):
    call = {
        "X": DESIGN,
        "terms": {"group": GROUP},
        "beta": stats.norm(0, 2),
        "sigma": HALF,
        "tau": HALF,
    } | changed
    with pytest.raises(ValueError, match=message):
        exact.mixed(Y, call.pop("X"), **call)


@pytest.mark.parametrize("other", ["X", "labels", "slope"])
def test_labels_in_another_order_are_refused(other):
    first, second = pd.RangeIndex(10), pd.RangeIndex(10)[::-1]
    index = {name: second if name == other else first for name in ("X", "labels", "slope")}
    term = pd.Series(GROUP, index=index["labels"]), pd.Series(X, index=index["slope"])
    call = {"beta": BETA, "sigma": HALF, "tau": HALF, "rho": LKJ, "terms": {"group": term}}
    with pytest.raises(ValueError, match="along 'observation', but y"):
        exact.mixed(pd.Series(Y), pd.DataFrame(DESIGN, index=index["X"]), **call)


def test_what_cannot_be_told_is_refused():
    call = {"terms": {"group": GROUP}, "beta": stats.norm(0, 2), "sigma": HALF, "tau": HALF}
    constant = np.repeat([1.0, 2.0, 4.0, 7.0], [3, 1, 4, 2])
    with pytest.raises(ArithmeticError):  # nothing is left for sigma
        exact.mixed(constant, np.ones((10, 1)), **call)
    posterior = exact.mixed(Y, DESIGN, **call)
    with pytest.raises(ValueError, match="'z' is no group"):
        posterior.predict([[1, 0]], {"group": ["z"]})
    with pytest.raises(ValueError, match="X has 1 columns"):
        posterior.predict([[1]], {"group": ["a"]})
    with pytest.raises(ValueError, match="give a dict of labels for each term"):
        posterior.predict([[1, 0]], {})
    with pytest.raises(ArithmeticError):  # one group says nothing of a scale with a Cauchy prior
        exact.mixed(Y, DESIGN, **call | {"terms": {"one": np.zeros(10)}, "tau": stats.halfcauchy()})[
            "tau_one"
        ].sd()


def test_nothing_leaves_no_density_under_a_flat_prior():
    one = {"X": np.ones((1, 1)), "terms": {"group": [0]}, "sigma": 1.0, "tau": 1.0}
    assert float(exact.mixed([1.0], beta=stats.norm(0, 1), **one).elpd_loo[0]) == pytest.approx(
        stats.norm.logpdf(1, 0, np.sqrt(3)), abs=1e-12
    )
    with pytest.raises(ValueError, match="leaves of one observation has no proper posterior"):
        exact.mixed([1.0], beta=None, **one).elpd_loo.sum()
