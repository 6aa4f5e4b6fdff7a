"""What the page on houses in counties says, by the exact posterior and by arithmetic."""

import re
import warnings
from pathlib import Path

import arviz as az
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
LKJ = stats.beta(2, 2, loc=-1, scale=2)
PAGE = (Path(__file__).parents[2] / "chapters" / "radon.md").read_text("utf-8")
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
@states(
    "chapters/radon.md", "Four readings of zero are entered as 0.1 pCi/L, three of them from first floors."
)
@states("chapters/radon.md", "Mean log radon of the basements of each county")
def test_raw_means():
    assert DATA["radon"].values[COUNTY == "Lac Qui Parle"].tolist() == [11.3, 16.0]
    assert (MEANS.idxmax(), len(MEANS)) == ("Lac Qui Parle", 85)
    assert HOUSES.median() == 5
    zero = DATA["radon"].values == 0.1
    assert DATA["radon"].values.min() == 0.1
    assert "readings of zero are 0.1" in DATA.attrs["note"]
    assert (zero.sum(), DATA["floor"].values[zero].sum()) == (4, 3)
    of_figure = PAGE.split("fig-5-81")[-1].split("def counties")[0]
    assert "posterior.predict(rows" in of_figure
    assert "noise" not in of_figure  # the mean, not a house
    large = np.exp(MEANS[HOUSES > 60])
    assert (len(large), large.min() > 2, large.max() < 4) == (3, True, True)


@states("chapters/radon.md", "On the first floor there is about half as much radon as in the basement")
@states("chapters/radon.md", "It becomes … times as large.")
@states(
    "chapters/radon.md",
    "$\\sigma$ hardly changes, because no predictor of counties tells the houses of one county apart.",
)
@states("chapters/radon.md", "LOO prefers the model with uranium.")
@states("chapters/radon.md", "A predictor of groups explains part of $\\tau$: here uranium halved it.")
def test_predictors(posterior):
    without = solve(["intercept", "floor"])
    assert 0.45 < np.exp(posterior["beta"].mean().values[1]) < 0.55
    assert 1.9 < without["tau_county"].mean() / posterior["tau_county"].mean() < 2.3
    assert abs(without["sigma"].mean() - posterior["sigma"].mean()) < 0.2 * posterior["sigma"].sd()
    assert posterior.elpd_loo.sum() > without.elpd_loo.sum() + 5


@states("chapters/radon.md", "By …: the sd is … in place of ….")
@states("chapters/radon.md", "Two and a half times as wide: nothing is known of the county.")
@states("chapters/radon.md", "which is known two and a half times as well with its 116 houses.")
@states("chapters/radon.md", "$\\tau$ is not zero, and St. Louis itself lies below the line.")
@states(
    "chapters/radon.md",
    "The median is less than half of the mean of the two houses (of which one was measured on its first",
)
@states("chapters/radon.md", "A third house there, in the basement, has a median of")
def test_predictions(posterior):
    uranium = DATA["uranium"].sel(county=["St. Louis", "Lac Qui Parle"]).values
    rows = np.column_stack([np.ones(3), np.zeros(3), uranium[[0, 0, 1]]])
    groups = {"county": ["St. Louis", None, "Lac Qui Parle"]}
    mean, house = posterior.predict(rows, groups), posterior.predict(rows, groups, noise=True)
    assert house.sd().values[:2].round(2).tolist() == [0.76, 0.78]
    assert mean.sd().values[1] / mean.sd().values[0] == pytest.approx(2.5, abs=0.05)
    assert posterior["u_county"].sel(county="St. Louis").cdf(0.0) > 0.95
    assert HOUSES["St. Louis"] == 116
    two = DATA["radon"].values[COUNTY == "Lac Qui Parle"]
    assert sorted(two) == [11.3, 16.0]
    assert sorted(DATA["floor"].values[COUNTY == "Lac Qui Parle"]) == [0, 1]
    assert np.exp(house.quantile(0.5).values[2]) < 0.5 * two.mean()
    weight = posterior.expect(lambda s: s["sigma"] ** 2 / (s["sigma"] ** 2 + 2 * s["tau_county"] ** 2))
    assert round(weight, 2) == 0.91


@states("chapters/radon.md", "For a county with a single house the two are the same.")
def test_one_house_is_its_county(posterior):
    """A closed form: the joint density of one house given the others is its predictive density."""
    kept = COUNTY != "Wilkin"
    fewer = solve(["intercept", "floor", "uranium"], kept)
    together = posterior.log_evidence - fewer.log_evidence
    assert together == pytest.approx(posterior.elpd_loo.values[~kept].item(), abs=1e-4)


def printed(label):
    """Numbers that a checked output of the section on slopes has after a label."""
    section = PAGE.split("(radon-slopes)=")[1].split("\n## ")[1]
    line = re.search(rf"^  {re.escape(label)}(.*)$", section, re.MULTILINE)[1]
    return [float(number) for number in re.findall(r"-?\d+\.\d+", line)]


@states("chapters/radon.md", "it is centred for $a_c = 1$ and non-centred for $a_c = 0$.")
@states("chapters/radon.md", "because of the 79 counties that it does not suit.")
@states(
    "chapters/radon.md",
    "The non-centred form passes: even St. Louis, whose $B$ is …, is not large enough to harm it.",
)
@states("chapters/radon.md", "These have less than half of the houses, and the others are … counties.")
@states("chapters/radon.md", "Only … of the … are large in this sense, with $B_c$ below a half.")
@states("chapters/radon.md", "The centred form fails on $\\tau$")
@states(
    "chapters/radon.md", "Where $B_c$ is small the data decide a county's mean, and the centred form suits"
)
def test_forms_of_counties(posterior):
    tau = np.linspace(0.1, 2, 5)
    for a in (0.0, 0.3, 1.0):
        np.testing.assert_allclose(tau ** (1 - a) * tau**a, tau)  # the sd of u, whatever the form
    line = [
        posterior.expect(lambda s, n=n: s["sigma"] ** 2 / (s["sigma"] ** 2 + n * s["tau_county"] ** 2)) >= 0.5
        for n in HOUSES
    ]
    assert (sum(line), len(line) - sum(line)) == (79, 6)
    large = HOUSES[~np.array(line)]
    assert large.index.tolist().count("St. Louis") == 1
    assert large.sum() < HOUSES.sum() / 2
    draws = posterior.sample(4000, np.random.default_rng(58))
    u, tau = draws["u_county"].sel(county="St. Louis").values, draws["tau_county"].values
    non_centred, centred = (abs(np.corrcoef(one, np.log(tau))[0, 1]) for one in (u / tau, u))
    assert non_centred + 0.1 < 0.35 < centred
    for name, enough in (("centred", "no"), ("non-centred", "yes"), ("each as suits it", "yes")):
        assert re.search(rf"^  {name} +{enough}$", PAGE, re.MULTILINE), name


@states(
    "chapters/radon.md",
    "For one correlation LKJ(2) has the density $\\tfrac{3}{4} (1 - \\rho^2)$: "
    "no sign is favoured, and $\\pm 1$ is excluded.",
)
@states(
    "chapters/radon.md",
    "So 153 houses on first floors cannot decide, and they say little about $\\rho$, "
    "of its sign next to nothing.",
)
def test_the_prior_of_a_correlation():
    rho = np.linspace(-1, 1, 11)
    np.testing.assert_allclose(LKJ.pdf(rho), 0.75 * (1 - rho**2), atol=1e-12)
    assert DATA["floor"].sum() == 153
    sd = printed("rho_county        sd  ")[0]
    assert 0.75 * LKJ.std() < sd < 0.9 * LKJ.std()
    assert abs(printed("rho_county        mean")[0]) < 0.3 * sd


@states("chapters/radon.md", "has … times the geometric mean of the others.")
@states("chapters/radon.md", "That would be so if one house could outweigh what all counties say.")
@states("chapters/radon.md", "With a $\\tau_v$ above zero each house counts a little.")
@states(
    "chapters/radon.md",
    "What changes is the mean of first floors in a new county, here with the uranium of St.",
)
@states("chapters/radon.md", "Less radon than in the basement, but not by as much as elsewhere.")
@states("chapters/radon.md", "It pulls the county's slope more than half of the way to zero, and not beyond:")
@states("chapters/radon.md", "it is more than twice as uncertain, since the slope there is not known either.")
@states("chapters/radon.md", "The evidence is for own slopes, by a factor of two or three.")
def test_the_printed_slopes():
    first = DATA["floor"].values[COUNTY == "Redwood"] == 1
    of_redwood = Y[COUNTY == "Redwood"]
    assert (first.sum(), first.size) == (1, 5)
    alone, one, own = printed("Redwood  ")
    assert alone == pytest.approx(of_redwood[first].mean() - of_redwood[~first].mean(), abs=0.005)
    assert np.exp(alone) > 4
    assert one < 0.5 * one < own < 0
    assert own > max(printed(f"{name}  ")[2] for name in ("Marshall", "Winona", "St. Louis"))
    sds, evidence = printed("sd of a new county's mean"), printed("log evidence")
    assert sds[1] > 2 * sds[0]
    assert 2 < np.exp(evidence[1] - evidence[0]) < 3


@pytest.mark.slow
@states(
    "chapters/radon.md",
    "By LOO one slope for all is ahead, by less than the standard error of the difference, and more than "
    "half of the lead is that of the four houses with a reading of zero.",
)
def test_slopes_by_leaving_out_houses(posterior):
    """By exact draws and Pareto-smoothed importance sampling; the exact sum is 3.0 below, and takes 23 s."""
    terms = {"county": (COUNTY, X["floor"].values)}
    slopes = exact.mixed(Y, X, terms=terms, beta=stats.norm(0, 2), sigma=HALF, tau=HALF, rho=LKJ)
    draws = slopes.to_datatree(draws=500, rng=np.random.default_rng(58))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a house or two with a large Pareto k
        found = az.loo(draws, pointwise=True).elpd_i.values
    behind = posterior.elpd_loo.values - found
    assert 1 < behind.sum() < behind.std() * np.sqrt(behind.size)
    assert behind[DATA["radon"].values == 0.1].sum() > 0.55 * behind.sum()


@pytest.mark.slow
@states(
    "chapters/radon.md",
    "and the lower one in these two; in half of all counties with two houses or more it is the higher.",
)
def test_counties_at_once_and_one_by_one(posterior):
    apart = {}
    for county in HOUSES.index[HOUSES > 1]:
        kept = county != COUNTY
        fewer = solve(["intercept", "floor", "uranium"], kept)
        one_by_one = posterior.elpd_loo.values[~kept].sum()
        apart[county] = posterior.log_evidence - fewer.log_evidence - one_by_one
    assert apart["St. Louis"] < 0 > apart["Lake"]
    assert np.mean([one > 0 for one in apart.values()]) == pytest.approx(0.5, abs=0.03)


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
