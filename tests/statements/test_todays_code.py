"""The page of today's calls: it needs nothing of the book, and its lists agree with the cells that run."""

import ast
import re

import arviz as az
import numpy as np
import pytest
from scipy import stats
from statements import ROOT, states

import hierarchical_exact as exact
from myst_nbval.pages import code_cells, read
from support import datasets
from support.conventions import MU_PRIOR, TAU_PRIOR

PAGE = "chapters/todays-code.md"
HIDDEN = "remove-cell"  # what the answers of questions are made of
CELLS = [cell for cell, _ in code_cells(read(ROOT / PAGE)) if HIDDEN not in cell.metadata.get("tags", [])]
TABLE = re.findall(r"^\| `(.*)` \| (.*) \|$", (ROOT / PAGE).read_text("utf-8"), re.MULTILINE)


@states("chapters/todays-code.md", "They need nothing of this book")
@states("chapters/recap.md", "does without sample, in PyMC and ArviZ alone):")
@states("chapters/todays-code.md", "its cells, in order, can be copied into an empty notebook.")
def test_its_cells_import_nothing_of_the_book():
    trees = [ast.parse(cell.source) for cell in CELLS]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    assert found == {"arviz", "numpy", "pymc", "warnings"}
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom)]


@states("chapters/todays-code.md", "Ten of the eleven fail")
@states("chapters/todays-code.md", "Each of the others raises, and the list below says what.")
@states("chapters/todays-code.md", "At the end eleven of their arguments are tried")
@states("chapters/todays-code.md", "Eleven arguments as printed")
def test_ten_of_eleven_fail():
    tried = [line for line in CELLS[-1].metadata["expect"].splitlines() if line]
    assert len(tried) == len(TABLE) == 11
    assert sum("runs" not in line for line in tried) == 10


@states(
    "chapters/todays-code.md",
    '| `az.summary(…, hdi_prob=0.89)` | `az.summary(…, ci_prob=0.89, ci_kind="hdi")` |',
)
@states("chapters/todays-code.md", "| `az.hdi(…, hdi_prob=0.89)` | `az.hdi(…, prob=0.89)` |")
@states("chapters/todays-code.md", '| `az.compare({…}, ic="loo")` | `az.compare({…})` |')
@states(
    PAGE,
    "| `az.plot_compare(…, insample_dev=False)` | `az.plot_compare(…, relative_scale=False)`, or differences "
    "are drawn |",
)
@states(
    PAGE, '| `az.plot_forest(…, hdi_prob=0.89)` | `az.plot_forest(…, ci_kind="hdi", ci_probs=(0.5, 0.89))` |'
)
@states(PAGE, "| `az.plot_forest(…, r_hat=True)` | `az.rhat(…)`, or the column `r_hat` of `az.summary` |")
@states(PAGE, '| `az.plot_pair(…, divergences=True)` | `az.plot_pair(…, visuals={"divergence": True})` |')
@states(PAGE, '| `az.plot_pair(…, kind="scatter")` | leave it out: a scatter is what is drawn |')
@states(PAGE, '| `az.plot_pair(…, figsize=(6, 6))` | `az.plot_pair(…, figure_kwargs={"figsize": (6, 6)})` |')
@states(
    PAGE, '| `coords={"theta_dim_0": [0]}` | `dims="school"` in the model, and `coords={"school": ["A"]}` |'
)
@states(
    PAGE,
    '| `pm.sample(…, idata_kwargs={"log_likelihood": True})` | `pm.compute_log_likelihood(idata)`',
)
def test_what_to_write_instead_runs_on_the_page():
    """Each call of the second column stands in a cell, with its arguments as they are written there."""
    trees = [ast.parse(cell.source) for cell in CELLS[:-1]]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {ast.unparse(call.func) for call in calls}
    written = {(ast.unparse(call.func), word) for call in calls for word in arguments(call)}
    for _, today in TABLE:
        for code in re.findall(r"`([^`]*)`", today):
            if "(" not in code:
                words = arguments(ast.parse(f"f({code})").body[0].value)
                assert words <= {word for _, word in written}, code
            for call in re.findall(r"(?:az|pm)\.\w+\(.*\)", code):
                parsed = ast.parse(call.replace("…, ", "").replace("…", "").replace("{}", "")).body[0].value
                name = ast.unparse(parsed.func)
                assert name in names, call
                assert {(name, word) for word in arguments(parsed)} <= written, call


def arguments(call):
    """Return the keyword arguments of a call as they are written, but for the size of figures."""
    return {ast.unparse(one) for one in call.keywords if one.arg not in ("figure_kwargs", None)}


@states("chapters/todays-code.md", "No: it has ….")
@states("chapters/todays-code.md", "The default is 0.89, in `az.rcParams`.")
def test_intervals_have_equal_tails_where_nothing_is_said():
    assert (az.rcParams["stats.ci_kind"], az.rcParams["stats.ci_prob"]) == ("eti", 0.89)


@states("chapters/todays-code.md", "There is no group log_likelihood in it")
@states("chapters/todays-code.md", "of those a posterior says nothing by itself.")
@states("chapters/todays-code.md", "ArviZ sees draws only")
def test_without_log_likelihood_nothing_is_compared():
    draws = az.from_dict({"posterior": {"mu": np.random.default_rng(1).normal(size=(2, 50))}})
    with pytest.raises((TypeError, ValueError, KeyError), match="ELPD"):
        az.compare({"one": draws, "two": draws})


@states(
    PAGE,
    "ArviZ rounds each score as coarsely as its standard error allows, here to whole points, and draws it so",
)
def test_scores_are_rounded_to_whole_points():
    schools = datasets.eight_schools()
    effect, error = schools["effect"].values, schools["standard_error"].values
    fits = {}
    for name, tau in (("complete", 0), ("partial", TAU_PRIOR)):
        joint = exact.normal(effect, error, mu=MU_PRIOR, tau=tau).sample(8000, np.random.default_rng(58))
        theta = joint["theta"].transpose("sample", ...).values.reshape(4, 2000, 8)
        density = stats.norm(theta, error).logpdf(effect)
        fits[name] = az.from_dict({"posterior": {"theta": theta}, "log_likelihood": {"y": density}})
    rounded = az.compare(fits)["elpd"]
    assert (rounded == rounded.round()).all()
    apart = az.compare(fits, round_to="none")["elpd"]
    assert 0.2 < apart["complete"] - apart["partial"] < 0.6


@states("chapters/todays-code.md", "The centred model is one line shorter.")
def test_the_centred_model_is_one_line_shorter():
    bodies = {}
    for cell in CELLS:
        for block in re.findall(
            r"^with pm\.Model\(.*\) as (\w+):\n((?:    .*\n?)+)", cell.source, re.MULTILINE
        ):
            bodies[block[0]] = block[1].split("    idata")[0].strip().count("\n") + 1
    assert bodies["noncentred"] == bodies["centred"] + 1
