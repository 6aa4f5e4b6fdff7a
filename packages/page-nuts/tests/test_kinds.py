"""Models of every kind: log density and gradient are PyTensor's, or the operation is refused by name."""

import re
import warnings

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pymc.distributions import transforms
from pytensor.compile.mode import OPT_FAST_RUN, Mode
from pytensor.conditional.op import ifelse
from pytensor.gradient import disconnected_grad
from pytensor.raise_op import Assert
from scipy import stats

import page_nuts

pytestmark = pytest.mark.slow  # PyTensor works out each model's graph

# PyTensor's own results, by the code that its operations have in Python.
PYTHON = Mode("py", OPT_FAST_RUN.excluding("fusion"))
Y = np.array([0.3, -1.2, 0.8, 2.1, -0.4, 0.1])
GENERAL = np.arange(6.0).reshape(2, 3) / 3


def _ordered():
    cuts = pm.Normal("cuts", 0, 2, shape=3, transform=transforms.ordered, initval=[-1.0, 0, 1])
    pm.OrderedLogistic("y", eta=pm.Normal("eta"), cutpoints=cuts, observed=[0, 1, 3, 2])


def _simplex():
    """Of which parts underflow."""
    pm.Categorical("y", p=pm.Dirichlet("p", [1.0, 2, 3]), observed=[0, 2, 2])
    x = pm.Normal("x", 0, 500, shape=(4, 3))
    pm.Categorical("z", p=pm.math.softmax(x, axis=-1), observed=[0, 2, 2, 1])
    pm.Categorical("u", logit_p=x[0], observed=[0, 2])


def _correlated():
    sd = pm.HalfNormal.dist(1.0, shape=3)
    chol, _, _ = pm.LKJCholeskyCov("chol", n=3, eta=2.0, sd_dist=sd)
    pm.MvNormal("y", np.zeros(3), chol=chol, observed=GENERAL)
    pm.MvStudentT("t", nu=pm.Gamma("nu", 2, 0.1), mu=np.zeros(2), scale=np.array([[2, 0.5], [0.5, 1]]))


def _censored():
    rate = pm.Gamma("rate", 2, 1)
    pm.Censored("y", pm.Exponential.dist(rate), lower=0.5, upper=2, observed=[0.5, 1, 2, 2])
    pm.Truncated("z", pm.Exponential.dist(rate), lower=0.5, upper=2, observed=[0.6, 1, 1.9])


def _mixture():
    """One part of which may have no density, where the others do."""
    parts = [pm.Normal.dist(0, pm.Normal("s")), pm.Laplace.dist(0, 2)]
    pm.Mixture("y", w=pm.Dirichlet("w", [1.0, 1]), comp_dists=parts, observed=Y)


def _missing():
    gaps = np.ma.masked_array(Y, mask=[0, 0, 1, 0, 1, 0])
    pm.Normal("y", pm.Normal("m"), pm.HalfNormal("s"), observed=gaps)


def _walks():
    pm.Normal(
        "y", pm.GaussianRandomWalk("w", sigma=1, init_dist=pm.Normal.dist(0, 1), steps=5), 1, observed=Y
    )
    pm.AR("z", rho=pm.Normal("rho", shape=2), sigma=1, init_dist=pm.Normal.dist(0, 1, shape=2), observed=Y)
    pm.Normal("u", pm.ZeroSumNormal("sum", shape=(2, 3)), 1, observed=GENERAL)


def _intervals():
    pm.Uniform("b", 0, pt.exp(pm.Uniform("a", -1, 3)))
    pm.Triangular("t", 0, 2, 1)
    pm.Normal("x", transform=transforms.LogExpM1(), initval=1.0)


def _zeros():
    psi, mu = pm.Beta("psi", 1, 1), pm.Exponential("mu", 1)
    pm.ZeroInflatedPoisson("y", psi=psi, mu=mu, observed=[0, 0, 1, 4])
    pm.HurdleGamma("z", psi=psi, alpha=mu, beta=2, observed=[0, 0, 1, 4.0])
    pm.NegativeBinomial("u", mu=mu, alpha=mu, observed=[0, 0, 1, 4])
    pm.Geometric("v", p=psi, observed=[1, 3])


def _laws():
    pm.LogNormal("a")
    pm.InverseGamma("b", 3, 1)
    pm.Logistic("c", 0, 1)
    pm.Gumbel("d", 0, 1)
    pm.Pareto("e", 2, 1)
    pm.Wald("f", 1, 1)
    pm.Kumaraswamy("g", 2, 3)
    pm.Weibull("h", 2, 1)
    pm.Moyal("i", 0, 1)
    pm.AsymmetricLaplace("j", b=1, kappa=2, mu=0)
    pm.StickBreakingWeights("k", 2.0, 4)


def _flat():
    pm.Flat("f")
    pm.HalfFlat("g")


def _custom():
    pm.CustomDist("y", pm.Normal("m"), logp=lambda value, m: -(pt.abs(value - m) ** 1.5), observed=Y)


def _fields():
    neighbours = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    pm.CAR("c", mu=np.zeros(3), W=neighbours, alpha=pm.Beta("alpha", 1, 1), tau=1.0)
    pm.ICAR("i", W=neighbours)


def _process():
    process = pm.gp.Latent(cov_func=pm.gp.cov.ExpQuad(1, pm.Gamma("scale", 2, 1)))
    pm.Normal("y", process.prior("f", X=np.arange(4.0)[:, None]), 1, observed=Y[:4])


def _backwards():
    x = pm.Normal("x", shape=(4, 5))
    pm.Potential("p", (x[::-1, 4:0:-2] * np.arange(8.0).reshape(4, 2)).sum())


def _chosen():
    x, repeated = pm.Normal("x", shape=(4, 5)), np.array([3, 0, 3])
    masked = x[np.array([True, False, True, False])]
    pm.Potential("p", (x[repeated[:, None], np.array([0, 4, 4])] ** 2).sum() + masked.sum())
    pm.Potential("q", x[:, repeated].prod() + x[1, repeated][None].sum())


def _put():
    x = pm.Normal("x", shape=5)
    z = pt.set_subtensor(pt.zeros((3, 5))[1], x)
    z = pt.inc_subtensor(z[:, np.array([0, 0, 2])], x[:3] ** 2)
    z = pt.set_subtensor(z[np.array([2, 2]), 3], x[:2])
    pm.Potential("p", (z * np.arange(15.0).reshape(3, 5)).sum() + pt.sin(z).sum())


def _truths():
    """Vectors made of truths and of short whole numbers, with more places than such numbers tell apart."""
    x = pm.Normal("x", shape=140)
    weights = np.arange(140.0) / 140
    pm.Potential("p", (pt.stack([x[i] > 0 for i in range(140)]) * weights).sum())
    pm.Potential("q", (pt.stack([pt.cast(x[i] > 0, "int8") for i in range(140)]) * weights).sum())
    pm.Potential("r", (pt.concatenate([x > 0, x > 0.5]) * np.r_[weights, weights]).sum() - (x**2).sum())


def _short():
    """Whole numbers that begin anew, and numbers of half the length."""
    x = pm.Normal("x")
    count = pytensor.shared(np.array([100, 50], dtype="int8"))
    half = pytensor.shared(np.array([0.1, 0.5], dtype="float32"))
    pm.Potential("p", (count * np.int8(2) * x).sum() + (half * half * x).sum())
    pm.Potential("q", ((count // 7) * x).sum() + (count + count > 0).sum())


def _broadcast():
    x, y = pm.Normal("x", shape=(3, 1)), pm.Normal("y", shape=(1, 4))
    pm.Normal("z", x * y + x, pt.exp(y), observed=np.arange(12.0).reshape(3, 4))


def _powers():
    x = pm.Normal("x")
    pm.Potential("p", pt.pow(1.0, x) + pt.pow(pt.abs(x), 2.5) + x**3 + pt.sqr(x) ** 0)
    pm.Potential("q", (x * 10) // 0.1 + pt.floor(x * 3) + pt.clip(x, -0.5, 0.5) + pt.clip(x, 1, -1))
    pm.Potential("r", pt.switch(pt.log(x), -1.0, x) + pt.switch(pt.isnan(pt.log(x)), -1.0, x))


def _extremes():
    x = pm.Normal("x", 0, 500, shape=(2, 4))
    pm.Potential("p", (x.max(axis=0) - x.min(axis=0)).sum() + x.mean() + x.std() + x.var(axis=1).sum())
    pm.Potential("q", pm.math.logsumexp(x, axis=-1).sum() + pm.math.logaddexp(0, x).sum())
    pm.Bernoulli("y", logit_p=x[0], observed=[0, 1, 1, 0])


def _places():
    x = pm.Normal("x", shape=(2, 3))
    pm.Potential("p", (pt.repeat(x, 2, axis=0) ** 2).sum() + (pt.tile(x, (2, 2)) ** 3).sum())
    pm.Potential("q", pt.diff(x, axis=1).prod() + (pt.tril(x) ** 2).sum() + pt.diag(x[:, :2]).sum())
    pm.Potential("r", (pt.roll(x, 1, axis=1) * np.arange(3.0)).sum() + pt.cumsum(x[:, ::-1], axis=1)[0, 2])
    pm.Potential("s", pt.einsum("ij,ik->jk", x, x).sum() + pt.outer(x[0], x[1]).sum())


def _still():
    x = pm.Normal("x")
    pm.Potential("p", disconnected_grad(x) * x + pm.Normal("none", shape=0).sum())


def _scan():
    steps = pytensor.scan(
        lambda now, last: now + 0.5 * last,
        sequences=[pm.Normal("x", shape=5)],
        outputs_info=[pt.zeros(())],
        return_updates=False,
    )
    pm.Potential("p", -(steps**2).sum())


def _minibatch():
    batch = pm.Minibatch(Y, batch_size=3)
    pm.Normal("y", pm.Normal("m"), 1, observed=batch, total_size=6)


def _twice():
    z = pt.inc_subtensor(pt.zeros(3)[np.array([0, 0, 2])], pm.Normal("x", shape=3), ignore_duplicates=True)
    pm.Potential("p", z.sum())


def _branches():
    x = pm.Normal("x")
    pm.Potential("p", ifelse(x > 0, x, 2 * x))


SAME = [
    *(
        _ordered,
        _simplex,
        _correlated,
        _censored,
        _mixture,
        _missing,
        _walks,
        _intervals,
        _zeros,
        _laws,
        _flat,
    ),
    *(_custom, _fields, _process, _backwards, _chosen, _put, _truths, _short, _broadcast, _powers, _extremes),
    *(_places, _still),
]
REFUSED = {
    _scan: "the operation Scan cannot run in a page: write the loop as operations on whole arrays",
    _minibatch: "a draw of integers within the model: make it a variable .*minibatches are for pm.fit",
    _twice: "the operation AdvancedIncSubtensor cannot run in a page where it ignores duplicates",
    _branches: "the operation IfElse cannot run in a page.*: write pm.math.switch",
    lambda: pm.Deterministic(
        "d", pm.Normal("x") + pm.Normal.dist()
    ): "a draw of normal within the model: make",
    lambda: pm.TruncatedNormal("t", pm.Normal("m"), 1, lower=0): "the operation Erfc? cannot run in a page",
    lambda: pm.Censored("c", pm.Normal.dist(pm.Normal("m")), 0, None, observed=[0, 1.0]): "the operation Erf",
    lambda: pm.VonMises("v", 0, 1): "the operation ArcTan2 cannot run in a page: write the model without it",
    lambda: pm.Potential("s", pt.sort(pm.Normal("x", shape=4))[0]): "the operation ArgSort",
    lambda: pm.Potential("m", pm.Normal("x") % 0.7): "the operation Mod cannot run in a page",
    lambda: pm.Poisson("y", 1, observed=np.ma.masked_equal([1, -1], -1)): "y_unobserved: discrete parameters",
}


def model_of(build):
    with pm.Model() as model:
        build()
    return model


@pytest.mark.filterwarnings("ignore")  # of values that are imputed
@pytest.mark.parametrize("build", SAME, ids=lambda build: build.__name__)
def test_log_density_and_gradient_are_those_of_pytensor_to_the_last_digits(build):
    model = model_of(build)
    compiled = page_nuts.compile_pymc_model(model)
    reference = model.logp_dlogp_function(ravel_inputs=True, mode=PYTHON)
    reference.set_extra_values({})
    finite = 0
    for scale in (0.5, 1, -1, 3, 400):
        point = scale * np.random.default_rng(7).normal(size=compiled.start.size)
        with np.errstate(all="ignore"):
            value, gradient = reference(point)
        ours, slope = compiled.log_density(point)
        if np.isfinite(value) and np.isfinite(gradient).all():
            finite += 1
            assert ours == pytest.approx(float(value), rel=1e-12)
            np.testing.assert_allclose(slope, gradient, rtol=1e-12, atol=1e-12 * np.abs(gradient).max())
        else:
            assert not (np.isfinite(ours) and np.isfinite(slope).all())
    assert finite > 1


def test_shares_that_underflow_have_a_gradient():
    model = model_of(lambda: pm.Categorical("y", p=pm.Dirichlet("p", [1.0, 2, 3]), observed=[0, 2, 2]))
    # With the third, 1700, for a sum of zero: all but the last share are zero. Prior, Jacobian and data make
    # the log density twice the log of the first two shares and five times that of the last.
    _, gradient = page_nuts.compile_pymc_model(model).log_density([-800.0, -900.0])
    np.testing.assert_allclose(gradient, [2 - 5 + 9, 2 - 5 + 9], rtol=1e-12)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("build", "message"), REFUSED.items())
def test_what_has_no_such_density_is_refused_by_name_with_what_to_do(build, message):
    with pytest.raises(page_nuts.Unsupported, match=message):
        page_nuts.compile_pymc_model(model_of(build))


def test_what_is_written_wrongly_is_refused(monkeypatch):
    from pytensor.scalar import basic

    from page_nuts import graph

    monkeypatch.setitem(graph.ELEMENTS, basic.Sin, "Math.cos({0})")
    model = model_of(lambda: pm.Potential("p", pt.sin(pm.Normal("x"))))
    with pytest.raises(page_nuts.Unsupported, match=r"gives .* where PyTensor has .*: please report it"):
        page_nuts.compile_pymc_model(model)


def _asserting(limit):
    def build():
        x = pm.Normal("x")
        pm.Deterministic("d", Assert("x is low")(x, x > limit))

    return page_nuts.compile_pymc_model(model_of(build))


def test_an_assertion_that_fails_at_a_draw_is_an_error():
    with pytest.raises(RuntimeError, match=r"draw \d+ of chain 0: x is low"):
        page_nuts.sample(_asserting(0), draws=50, tune=50, chains=1, seed=1)
    draws = page_nuts.sample(_asserting(-100), draws=50, tune=50, chains=1, seed=1)["posterior"]
    assert np.array_equal(draws["d"], draws["x"])


def test_what_an_assertion_says_is_said_as_it_is():
    said = " ".join(f"v{n}[0] v{n} v{n}[i]" for n in range(30))

    def build():
        x = pm.Normal("x", shape=3)
        total = pt.exp(x).sum()
        pm.Deterministic("d", Assert(said)(x * total, total > 1e9))

    compiled = page_nuts.compile_pymc_model(model_of(build))
    with pytest.raises(RuntimeError, match=re.escape(said)):
        page_nuts.sample(compiled, draws=5, tune=5, chains=1, seed=1)


def test_a_sum_may_have_any_number_of_terms():
    scales = 1.0 + np.arange(40)  # of 64 bits, where PyTensor takes the logarithm of a short number in 32

    def build():
        terms = [pm.Normal(f"x{number}", 0, scale) for number, scale in enumerate(scales)]
        pm.Potential("product", -pt.sqr(sum(terms)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTensor's, of its own speed
        model = model_of(build)
        compiled = page_nuts.compile_pymc_model(model)
    point = np.linspace(-1, 1, 40)
    value, gradient = compiled.log_density(point)
    assert value == pytest.approx(stats.norm(0, scales).logpdf(point).sum() - point.sum() ** 2, rel=1e-12)
    np.testing.assert_allclose(gradient, -point / scales**2 - 2 * point.sum(), rtol=1e-12, atol=1e-14)


def test_what_is_not_a_number_at_a_draw_is_said():
    def build():
        x = pm.Normal("x", shape=2)
        pm.Deterministic("root", pt.sqrt(x))
        # A density of its own: minus infinity where its scale is none, as in PyMC.
        pm.Deterministic("density", pm.logp(pm.Normal.dist(0, x[0]), 1.0))

    compiled = page_nuts.compile_pymc_model(model_of(build))
    with pytest.warns(UserWarning, match=r"root is not a number in \d+ of 50 draws"):
        draws = page_nuts.sample(compiled, draws=50, tune=50, chains=1, seed=1)["posterior"]
    assert np.array_equal(np.isnan(draws["root"]), draws["x"] < 0)
    assert np.array_equal(draws["density"] == -np.inf, draws["x"][:, :, 0] < 0)
    assert np.isfinite(draws["x"]).all()


def test_bounds_are_not_checked_where_the_model_does_not_ask_for_it():
    with pm.Model(check_bounds=False) as model:
        pm.Normal("y", 0, pm.Flat("s"), observed=1.0)
    value = page_nuts.compile_pymc_model(model).log_density([-2.0])[0]
    assert np.isnan(value)  # a logarithm of a negative number, and no minus infinity
