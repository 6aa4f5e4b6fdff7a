"""The explorer of the survey: its numbers are those of the exact posterior for each concentration."""

import numpy as np
import pytest
import xarray as xr
from scipy import special, stats

import hierarchical_exact as exact
from support import datasets
from tooling import explorers

COUNT = datasets.survey()["count"]
SETTINGS = (1, 8, 120, 1000)
RESPONSES = COUNT["response"].values.tolist()
COMPLETE = -52.0


def solve(alpha):
    return exact.dirichlet_multinomial(COUNT, alpha=float(alpha), baseline=stats.dirichlet(np.ones(4)))


def explore(known):
    curves = {"likelihood": ("alpha", [0.0, 2.0, 4.0]), "posterior": ("alpha", [0.1, 0.5, 0.2])}
    return explorers.survey(COUNT, known, xr.Dataset(curves, {"alpha": [1.0, 30.0, 1000.0]}), COMPLETE)


@pytest.fixture(scope="module")
def explorer():
    return explore({alpha: solve(alpha) for alpha in SETTINGS})


def rows_of(explorer):
    return {(row["alpha"], row["response"]): row for row in explorer.spec()["data"]["values"]}


def column(row, name):
    """Return a column of the table by its quantity, without what is missing."""
    pairs = zip(row["quantity"], row[name], strict=True)
    return {quantity: value for quantity, value in pairs if value is not None}


def test_every_setting_has_its_row_and_every_row_a_setting(explorer):
    parameters = {parameter["name"]: parameter for parameter in explorer.spec()["params"]}
    assert parameters["response"]["bind"]["options"] == RESPONSES
    assert parameters["alpha"]["expr"] == f"{list(SETTINGS)}[alpha_step]"
    assert set(rows_of(explorer)) == {(alpha, answer) for alpha in SETTINGS for answer in RESPONSES}


@pytest.mark.parametrize("alpha", SETTINGS)
def test_estimates_are_the_exact_posterior_means(explorer, alpha):
    posterior, rows = solve(alpha), rows_of(explorer)
    for answer in RESPONSES:
        estimate = column(rows[alpha, answer], "estimate")
        shares = posterior["pi"].mean().sel(response=answer)
        for region in COUNT["region"].values:
            assert estimate[region] == pytest.approx(shares.sel(region=region).item(), abs=6e-5)
        baseline = posterior["pi0"].mean().sel(response=answer).item()
        assert estimate["baseline"] == pytest.approx(baseline, abs=6e-5)
        relative = estimate["relative likelihood"]
        assert relative == pytest.approx(np.exp(posterior.log_evidence - COMPLETE), abs=6e-5)


def test_estimates_lie_where_the_shrinkage_formula_puts_them(explorer):
    for (alpha, _), row in rows_of(explorer).items():
        estimate, raw, n = (column(row, name) for name in ("estimate", "raw", "n"))
        for region, weight in column(row, "weight").items():
            assert weight == pytest.approx(alpha / (alpha + n[region]), abs=6e-5)
            between = (1 - weight) * raw[region] + weight * estimate["baseline"]
            assert estimate[region] == pytest.approx(between, abs=2e-4)


def test_own_shares_sum_to_one_and_belong_to_their_regions(explorer):
    rows = rows_of(explorer)
    for region in COUNT["region"].values:
        raw = {answer: column(rows[8, answer], "raw")[region] for answer in RESPONSES}
        assert sum(raw.values()) == pytest.approx(1, abs=2e-4)
        size = column(rows[8, "SA"], "n")[region]
        assert raw["SA"] == pytest.approx(COUNT.sel(region=region, response="SA").item() / size, abs=6e-5)


def test_small_regions_come_first(explorer):
    n = list(column(rows_of(explorer)[1, "SA"], "n").values())
    assert n == sorted(COUNT.sum("response").values.tolist())


def test_with_a_huge_concentration_all_regions_are_the_national_share():
    row = rows_of(explore({1e8: solve(1e8)}))[1e8, "SD"]
    # Of one Multinomial with a uniform prior.
    national = (COUNT.sel(response="SD").sum().item() + 1) / (COUNT.sum().item() + 4)
    estimate = column(row, "estimate")
    del estimate["relative likelihood"]
    np.testing.assert_allclose(list(estimate.values()), national, atol=6e-5)


def test_with_next_to_no_concentration_regions_keep_their_own_shares():
    row = rows_of(explore({1e-3: solve(1e-3)}))[1e-3, "A"]
    estimate = column(row, "estimate")
    for region, raw in column(row, "raw").items():
        assert estimate[region] == pytest.approx(raw, abs=1e-4)


def test_likelihood_of_complete_pooling_has_its_closed_form():
    total = COUNT.sum("region").values
    coefficients = special.gammaln(COUNT.sum("response") + 1).sum() - special.gammaln(COUNT + 1).sum()
    # The Dirichlet integral over one vector of shares with a uniform prior.
    pooled = special.gammaln(4) + special.gammaln(total + 1).sum() - special.gammaln(total.sum() + 4)
    row = rows_of(explore({1e8: solve(1e8)}))[1e8, "D"]
    likelihood = column(row, "estimate")["relative likelihood"]
    assert likelihood == pytest.approx(np.exp(float(coefficients + pooled) - COMPLETE), abs=1e-3)


def test_curves_are_parts_of_their_heights(explorer):
    drawn = explorer.spec()["vconcat"][1]["layer"][0]["data"]["values"]
    assert [point["likelihood"] for point in drawn] == [0.0, 0.5, 1.0]
    assert [point["posterior"] for point in drawn] == [0.2, 1.0, 0.4]


def test_description_names_what_there_is(explorer):
    for word in ("slider", "buttons", "own share", "estimate", "baseline", "likelihood", "posterior", "line"):
        assert word in explorer.description


def test_groups_and_answers_are_called_as_in_the_data():
    count = xr.DataArray(
        [[8, 5, 4], [2, 4, 9]], {"party": ["left", "right"], "county": ["Lake", "Lyon", "Ramsey"]}
    ).assign_attrs(units="voters")
    known = {
        alpha: exact.dirichlet_multinomial(
            count.transpose("county", "party"), alpha=alpha, baseline=stats.dirichlet(np.ones(2))
        )
        for alpha in (1.0, 10.0)
    }
    curves = xr.Dataset({name: ("alpha", [0.0, 1.0]) for name in ("likelihood", "posterior")})
    made = explorers.survey(count, known, curves.assign_coords(alpha=[1, 10]), -9.0)
    row = rows_of(made)[1.0, "right"]
    assert row["quantity"][:3] == ["Lyon", "Lake", "Ramsey"]
    assert row["n"][:3] == [9, 10, 13]
    text = str(made.spec()) + made.description
    assert "region" not in text
    assert "respondents" not in text
    assert "each county, from the fewest voters" in text
