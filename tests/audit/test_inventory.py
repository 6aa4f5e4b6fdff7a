"""The inventory of the source's numbers: none is left out, and each leads to what covers it."""

import pandas as pd
import pytest

from tooling.audit import claims, numbers
from tooling.audit.inventory import COVERAGE, inventory

STATED = {
    f"{group['id']}/{row}/{column}": text
    for group in numbers.stated()
    for row, values in group["rows"].items()
    for column, text in zip(group["columns"], values, strict=True)
}
# Two numbers stand in words for a whole column of a table.
IN_WORDS = {"thousands": "1841"}


@pytest.fixture(scope="module")
def found():
    return inventory()


def of(found, coverage):
    return found[found["coverage"] == coverage]


def test_every_number_has_its_place_and_its_coverage(found):
    assert set(found["coverage"]) == set(COVERAGE)
    covered = found["coverage"].isin(["number", "claim", "arithmetic"])
    assert ((found["of"] != "") == covered).all()
    for _, place in found.groupby("section", sort=False)["place"]:
        assert place.astype(int).tolist() == list(range(1, len(place) + 1))


def test_each_is_the_stated_number_that_it_is_said_to_be(found):
    rows = of(found, "number")
    assert set(rows["of"]) == set(STATED)
    printed = rows["token"].replace(IN_WORDS).str.removesuffix("%").astype(float)
    assert (printed.values == rows["of"].map(STATED).astype(float)).all()
    # The source prints effective sample sizes with a decimal that says nothing.
    sizes = rows["of"].str.contains("ess")
    exact = rows[~sizes & ~rows["token"].isin(IN_WORDS)]
    assert (exact["token"].str.removesuffix("%") == exact["of"].map(STATED)).all()


def test_each_claim_exists(found):
    assert set(of(found, "claim")["of"]) <= {claim["id"] for claim in claims.stated()}


def test_arithmetic_done_again(found):
    for row in of(found, "arithmetic").itertuples():
        places = len(row.token.partition(".")[2])
        assert f"{pd.eval(row.of):.{places}f}" == row.token, row.of
