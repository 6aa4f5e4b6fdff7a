"""Agreement with what other programs print: published results, and those of a run of our own."""

import json
from pathlib import Path

import numpy as np
import pytest
from peers import compare
from scipy import stats

import hierarchical_exact as exact

PACKAGE = Path(__file__).resolve().parents[1]
KEPT = json.loads(compare.KEPT.read_text(encoding="utf8"))
VIGNETTE = json.loads((PACKAGE / "tests/data/bayesmeta-vignette.json").read_text(encoding="utf8"))
PRIORS = {
    "mu normal(0, 50), tau halfcauchy(25)": (stats.norm(0, 50), stats.halfcauchy(scale=25)),
    "mu flat, tau flat": (None, None),
}


@pytest.mark.parametrize("name", PRIORS)
def test_bayesmeta_s_printed_results(name):
    mu, tau = PRIORS[name]
    posterior = exact.normal(VIGNETTE["effect"], VIGNETTE["stderr"], mu=mu, tau=tau)
    for quantity, printed in VIGNETTE[name].items():
        marginal = posterior[quantity]
        lower, upper = marginal.hdi(0.95).values
        found = {"median": marginal.quantile(0.5), "lower": lower, "upper": upper}
        found |= {"mean": marginal.mean(), "sd": marginal.sd()}
        # It approximates mu and theta by a mixture, with a divergence of delta = 0.01 between neighbours,
        # and leaves out a probability of epsilon = 1e-4 of the tail of tau; tau itself it integrates.
        allowed = 1e-5 if quantity == "tau" else 6e-3
        for statistic, value in printed.items():
            assert found[statistic] == pytest.approx(value, abs=allowed * printed["sd"]), (
                quantity,
                statistic,
            )


LIMITS = {
    "metafor": 1e-8,
    "lme4": 1e-8,
    "bayesmeta, finer": 2e-5,
    "bayesmeta": 2e-3,
    "JAGS": 4.0,
    "nutpie": 4.5,
}


@pytest.mark.parametrize("result", KEPT["results"], ids=lambda r: f"{r['peer']}: {r['problem']}")
def test_peers_agree(result):
    limit = next(limit for peer, limit in LIMITS.items() if result["peer"].startswith(peer))
    assert compare.difference(result)[0] < limit


def test_a_difference_is_found():
    result = {"peer": "other", "problem": "BCG", "values": compare.moments("BCG")}
    assert compare.difference(result)[0] == 0
    result["values"]["mu"] += 0.01 * result["values"]["mu_sd"]
    assert compare.difference(result)[0] == pytest.approx(0.01)


@pytest.mark.slow
def test_the_readme_has_the_table():
    readme = (PACKAGE / "README.md").read_text(encoding="utf8")
    assert compare.table(KEPT) in readme
    assert compare.sampler_table(KEPT) in readme
    for name in ("R", "metafor", "lme4", "bayesmeta", "JAGS", "nutpie"):
        assert f"{name} {KEPT['versions'][name]}" in " ".join(readme.split())
    assert KEPT["date"] in readme


def test_without_r_nothing_is_written(monkeypatch, capsys):
    drawn = [{"peer": "nutpie", "problem": "BCG", "seconds": 1.0, "values": compare.moments("BCG")}]
    drawn[0]["values"]["tau_ess"] = [1.0]
    monkeypatch.setattr(compare.shutil, "which", lambda _: None)
    monkeypatch.setattr(compare, "said", lambda _: (drawn, {}))
    monkeypatch.setattr(compare, "KEPT", None)
    compare.main()
    assert capsys.readouterr().out.startswith("There is no Rscript here: R's peers are left out")


def test_the_readme_s_trials_are_those_that_peers_had():
    readme = (PACKAGE / "README.md").read_text(encoding="utf8")
    for trial in compare.TRIALS:
        assert f"{', '.join(map(str, trial))})" in readme
    y, error, _ = compare.log_risk_ratios()
    # Printed by metafor's escalc for the first and the eighth trial.
    np.testing.assert_allclose(y[[0, 7]], [-0.8893113339, 0.0119523335], rtol=1e-8)
    np.testing.assert_allclose(error[[0, 7]] ** 2, [0.3255847650, 0.0039615793], rtol=1e-7)
