"""What the documents show runs, prints what they say, and is right."""

import ast
import contextlib
import doctest
import importlib
import io
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

import hierarchical_exact

PACKAGE = Path(__file__).resolve().parents[1]
MODULES = [module.name for module in pkgutil.iter_modules(hierarchical_exact.__path__)]


def blocks(name, language="python"):
    """The fenced blocks of a document in one language."""
    text = (PACKAGE / name).read_text(encoding="utf8")
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def own_model():
    """The names that the how-to defines."""
    names = {"__name__": "own_model"}
    for block in blocks("docs/own-model.md"):
        exec(block, names)
    return names


@pytest.mark.slow
def test_the_readme_prints_what_it_says():
    names = {}
    for code, expected in zip(blocks("README.md"), blocks("README.md", "text"), strict=True):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == expected


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_the_docstrings_hold(module):
    result = doctest.testmod(importlib.import_module(f"hierarchical_exact.{module}"))
    assert result.failed == 0


def test_importing_loads_numpy_scipy_and_xarray_only():
    """Pandas comes with xarray; what would be slow to load stays out."""
    heavy = ["matplotlib", "arviz", "pymc", "numba", "sklearn"]
    code = f"import sys, hierarchical_exact; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


REFUSALS = {"ValueError", "ArithmeticError", "KeyError", "TypeError"}
REMEDY = re.compile(r": (give|ask for|count in|drop|leave|pickle|rename|subtract|take|use) ")


def said(node):
    """A message as it stands in the code, with braces for what is put in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(said, node.values))
    return node.value if isinstance(node, ast.Constant) else "{}"


def refusals(module):
    """Line and message of each error that a module makes, and what else it raises."""
    path = Path(hierarchical_exact.__path__[0]) / f"{module}.py"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        made = node.exc if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) else node
        name = made.func.id if isinstance(made, ast.Call) and isinstance(made.func, ast.Name) else ""
        if name in REFUSALS:
            yield f"{module}.py:{made.lineno}", said(made.args[0])
        elif isinstance(node, ast.Raise) and name.endswith("Error"):
            yield f"{module}.py:{made.lineno}", name


def test_errors_say_the_cause_and_after_a_colon_what_to_do():
    found = {refusal for module in MODULES for refusal in refusals(module)}
    assert len(found) > 150
    assert [refusal for refusal in found if not REMEDY.search(refusal[1])] == []


@pytest.mark.slow
def test_the_intervals_of_the_how_to_hold_what_they_say(own_model):
    low, high = own_model["intervals"].values.T
    p = own_model["posterior"]["p"]
    inside = [float(p.sel(group=j).cdf(high[j]) - p.sel(group=j).cdf(low[j])) for j in range(71)]
    np.testing.assert_allclose(inside, 0.89, atol=1e-8)


@pytest.mark.slow
def test_the_how_to_s_model_agrees_with_brute_force(own_model):
    y, n = np.array([0, 3, 9, 4]), np.array([5, 8, 20, 5])
    mean, concentration = stats.beta(2, 3), stats.gamma(3, scale=4)
    posterior = own_model["beta_binomial"](y, n, mean=mean, concentration=concentration)
    # Midpoints of a dense rectangle; the ends of the priors vanish.
    m, k = (np.arange(600) + 0.5) / 600, (np.arange(2400) + 0.5) * 0.05
    a, b = m[:, None] * k, (1 - m)[:, None] * k
    joint = mean.pdf(m)[:, None] * concentration.pdf(k)
    for y_i, n_i in zip(y, n, strict=True):
        joint = joint * stats.betabinom.pmf(y_i, n_i, a, b)
    evidence = joint.sum() / 600 * 0.05
    joint /= joint.sum()
    assert posterior.log_evidence == pytest.approx(np.log(evidence), abs=1e-5)
    assert posterior["mean"].mean() == pytest.approx((joint.sum(axis=1) @ m), rel=1e-5)
    assert posterior["concentration"].mean() == pytest.approx((joint.sum(axis=0) @ k), rel=1e-5)
    for i, (y_i, n_i) in enumerate(zip(y, n, strict=True)):
        p = posterior["p"].sel(group=i)
        assert p.mean() == pytest.approx((joint * (a + y_i) / (k + n_i)).sum(), rel=1e-5)
        cdf = (joint * special.betainc(a + y_i, b + n_i - y_i, 0.3)).sum()
        assert p.cdf(0.3) == pytest.approx(cdf, abs=1e-5)
        assert p.quantile(cdf) == pytest.approx(0.3, abs=1e-4)


def test_the_reference_describes_all_that_there_is():
    listed = re.findall(
        r"^\.\. auto\w+:: ([\w.]+)$", "\n".join(blocks("docs/reference.md", "{eval-rst}")), re.M
    )
    assert set(hierarchical_exact.__all__) <= set(listed)
    for name in listed:
        module, _, last = name.rpartition(".")
        assert hasattr(importlib.import_module(module or "hierarchical_exact"), last)
