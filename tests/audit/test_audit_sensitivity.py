"""What a comparison can see: the record, and that it is what the comparison does."""

import numpy as np
import pytest

import hierarchical_exact as exact
from support import checks
from tooling.audit import sensitivity

MODELS = {model.title: model for model in sensitivity.models()}
TABLE = sensitivity.recorded().fillna({"entry": ""}).set_index(["model", "constant", "entry"])


def test_every_constant_of_every_model_is_recorded():
    for title, model in MODELS.items():
        for name, value in model.constants.items():
            rows = TABLE.loc[title].loc[name]
            assert list(rows["value"]) == list(np.ravel(value)), (title, name)
    assert ((TABLE["below"] < TABLE["value"]) | TABLE["below"].isna()).all()
    assert ((TABLE["above"] > TABLE["value"]) | TABLE["above"].isna()).all()


@pytest.mark.parametrize(
    ("title", "name", "entry"),
    [
        ("Eight Schools", "tau_scale", ""),
        ("Eight Schools", "effect", "2"),
        ("one effect for all", "error", "4"),
    ],
)
def test_what_is_recorded_is_what_is_measured(title, name, entry):
    comparer = sensitivity.Comparer(MODELS[title])
    position = tuple(map(int, entry.split()))
    for sign, side in ((-1, "below"), (1, "above")):
        found = comparer.noticed(name, position, sign)
        row = TABLE.loc[(title, name, entry)]
        assert abs(found - row[side]) < 0.05 * abs(row[side] - row["value"])


@pytest.mark.slow  # twenty samples of 4,000 draws and their errors
def test_nine_runs_in_ten_notice_what_is_called_noticed():
    """Draws from the changed model, held against the unchanged one by the book's own comparison."""
    model = MODELS["Eight Schools"]
    row = TABLE.loc[("Eight Schools", "tau_scale", "")]
    truth = model.fit(**model.constants)

    def share_noticed(scale):
        changed = model.fit(**{**model.constants, "tau_scale": scale})
        differs = []
        for seed in range(20):
            draws = changed.to_datatree(draws=sensitivity.ESS // 4, rng=np.random.default_rng(seed))
            table = checks.compare(draws, truth, ["mu", "tau"]).table
            differs.append((table["verdict"] == "differs").any())
        return np.mean(differs)

    assert share_noticed(row["below"]) > 0.7
    assert share_noticed((row["below"] + 3 * row["value"]) / 4) < 0.3


def test_an_unchanged_model_is_not_told_apart():
    model = MODELS["Eight Schools"]
    assert sensitivity.Comparer(model).distance() == pytest.approx(0, abs=1e-6)
    assert isinstance(model.fit(**model.constants), exact.Posterior)
