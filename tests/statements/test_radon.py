"""What the page on houses in counties says, by the exact posterior and by arithmetic."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statements import states

import hierarchical_exact as exact
from support import datasets
from support.exercises import personal

DATA = datasets.radon()
Y, COUNTY = np.log(DATA["radon"]).values, DATA["of_county"].values
X = pd.DataFrame({"intercept": 1.0, "floor": DATA["floor"].values})
X["uranium"] = DATA["uranium"].sel(county=COUNTY).values
HALF = stats.halfnorm(scale=1)
HOUSES, MEANS = (pd.Series(Y).groupby(COUNTY).agg(of) for of in ("size", "mean"))


def solve(columns, kept=slice(None)):
    return exact.mixed(
        Y[kept],
        X.loc[kept, columns],
        terms={"county": COUNTY[kept]},
        beta=stats.norm(0, 2),
        sigma=HALF,
        tau=HALF,
    )


@pytest.fixture(scope="module")
def posterior():
    return solve(["intercept", "floor", "uranium"])


@states(
    "chapters/radon.md",
    "more on average than in any other of 85 counties.",
)
@states("chapters/radon.md", "half of them have five houses or fewer.")
def test_raw_means():
    assert DATA["radon"].values[COUNTY == "Lac Qui Parle"].tolist() == [11.3, 16.0]
    assert (MEANS.idxmax(), len(MEANS)) == ("Lac Qui Parle", 85)
    assert HOUSES.median() == 5
    large = np.exp(MEANS[HOUSES > 60])
    assert (len(large), large.min() > 2, large.max() < 4) == (3, True, True)


@states("chapters/radon.md", "On the first floor there is about half as much radon as in the basement")
@states("chapters/radon.md", "It doubles.")
@states(
    "chapters/radon.md",
    "$\\sigma$ does not change, because no predictor of counties tells the houses of one county apart.",
)
@states("chapters/radon.md", "LOO prefers the model with uranium.")
@states("chapters/radon.md", "Here uranium halved $\\tau$.")
def test_predictors(posterior):
    without = solve(["intercept", "floor"])
    assert 0.45 < np.exp(posterior["beta"].mean().values[1]) < 0.55
    assert 1.9 < without["tau_county"].mean() / posterior["tau_county"].mean() < 2.3
    assert abs(without["sigma"].mean() - posterior["sigma"].mean()) < 0.2 * posterior["sigma"].sd()
    assert posterior.elpd_loo.sum() > without.elpd_loo.sum() + 5


@states("chapters/radon.md", "By two hundredths: the sd is 0.78 in place of 0.76.")
@states("chapters/radon.md", "which is known two and a half times as well with its 116 houses.")
@states("chapters/radon.md", "$\\tau$ is not zero, and St. Louis itself lies below the line.")
@states(
    "chapters/radon.md",
    "less than half of what the two houses had, since for two houses the shrinkage factor $B$ is 0.91.",
)
def test_predictions(posterior):
    uranium = DATA["uranium"].sel(county=["St. Louis", "Lac Qui Parle"]).values
    rows = np.column_stack([np.ones(3), np.zeros(3), uranium[[0, 0, 1]]])
    groups = {"county": ["St. Louis", None, "Lac Qui Parle"]}
    mean, house = posterior.predict(rows, groups), posterior.predict(rows, groups, noise=True)
    assert house.sd().values[:2].round(2).tolist() == [0.76, 0.78]
    assert mean.sd().values[1] / mean.sd().values[0] == pytest.approx(2.5, abs=0.05)
    assert posterior["u_county"].sel(county="St. Louis").cdf(0.0) > 0.95
    assert HOUSES["St. Louis"] == 116
    assert np.exp(house.quantile(0.5).values[2]) < 0.5 * np.exp(MEANS["Lac Qui Parle"])
    weight = posterior.expect(lambda s: s["sigma"] ** 2 / (s["sigma"] ** 2 + 2 * s["tau_county"] ** 2))
    assert round(weight, 2) == 0.91


@states("chapters/radon.md", "For a county with a single house the two are the same.")
def test_one_house_is_its_county(posterior):
    """A closed form: the joint density of one house given the others is its predictive density."""
    kept = COUNTY != "Wilkin"
    fewer = solve(["intercept", "floor", "uranium"], kept)
    together = posterior.log_evidence - fewer.log_evidence
    assert together == pytest.approx(posterior.elpd_loo.values[~kept].item(), abs=1e-4)


@states("solutions/ten-counties.md", "With two houses the county is all but on the line.")
@states("solutions/ten-counties.md", "With 46 the line still has half a say")
@states(
    "solutions/ten-counties.md", "The mean of a new county is far less certain than that of the known one."
)
@states("solutions/ten-counties.md", "For a single house it makes little difference.")
@states(
    "solutions/ten-counties.md",
    "Nearly half of the variance seemed to lie between counties, and uranium explains nearly all of that.",
)
def test_ten_counties():
    radon, floor, uranium = personal.data("5.8.10")[""]
    county = radon["county"].values
    design = np.stack([np.ones(143), floor.values, uranium.sel(county=county).values], axis=1)

    def solved(columns):
        call = {"terms": {"county": county}, "beta": stats.norm(0, 2), "sigma": HALF, "tau": HALF}
        return exact.mixed(np.log(radon.values), design[:, :columns], **call)

    both = solved(3), solved(2)
    for n, low, high in ((2, 0.9, 0.92), (46, 0.45, 0.55)):
        found = both[0].expect(lambda s, n=n: s["sigma"] ** 2 / (s["sigma"] ** 2 + n * s["tau_county"] ** 2))
        assert low < found < high
    rows, groups = [[1, 0, uranium.sel(county="Washington").item()]] * 2, {"county": ["Washington", None]}
    known, new = both[0].predict(rows, groups).sd().values
    assert new > 2 * known
    known, new = both[0].predict(rows, groups, noise=True).sf(np.log(4)).values
    assert abs(new - known) < 0.05
    shares = [
        one.expect(lambda s: s["tau_county"] ** 2 / (s["tau_county"] ** 2 + s["sigma"] ** 2)) for one in both
    ]
    assert shares[0] < 0.06 < 0.45 < shares[1] < 0.5
