"""Training that starts from a trained model: with its options, and refused at once where that cannot be."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from andersonn.cli.main import app
from andersonn.config import TrainConfig, config_of
from andersonn.errors import UsageError
from andersonn.scientist import Scientist
from andersonn.scientists.registry import find
from andersonn.training import run
from tests.training.test_widening import NARROW, records  # noqa: F401  (a fixture)

CHEMICALS = Path(run.__file__).parents[1] / "data/sets/common_chemicals.parquet"


def test_network_and_images_are_those_of_the_start():
    start = TrainConfig.make(overrides=["model.radial=9", "model.width=12", "image.columns=7", "epochs=77"])
    spec = find("polarity")
    found = config_of(spec, None, ["model.gain=2.5"], start)
    assert (found.model.radial, found.model.width, found.image.columns) == (9, 12, 7)
    assert found.model.gain == 2.5
    assert found.epochs == config_of(spec).epochs != 77
    assert found.balance == config_of(spec).balance


@pytest.mark.parametrize("geometry", ["one", "none"])
def test_a_shipped_scientist_goes_on_without_a_word_about_its_options(geometry, tmp_path):
    words = ["train", "polarity", "--from", "polarity", "--data", str(CHEMICALS), "--out", str(tmp_path / "mine")]
    done = CliRunner().invoke(app, [*words, "--geometry", geometry, "limit=60", "epochs=1", "conformers=1"])
    assert done.exit_code == 0, done.output
    mine = json.loads((tmp_path / "mine/model.json").read_text())
    assert mine["config"]["model"] == Scientist.load("polarity", geometry=geometry).bundle.config.model.model_dump(
        mode="json"
    )
    assert mine["started_from"]["task"] == "polarity"


def test_other_options_are_refused_before_images_are_made(records, tmp_path, monkeypatch):  # noqa: F811
    narrow = run.train(find("conduction").task, records, TrainConfig.make(overrides=NARROW), tmp_path / "narrow")
    monkeypatch.setattr(run, "prepare", lambda *_: pytest.fail("images were made"))
    other = TrainConfig.make(overrides=[*NARROW, "model.radial=9"])
    with pytest.raises(UsageError, match=r"other options: model.radial=\d+"):
        run.train(narrow.task, records, other, tmp_path / "other", start=narrow)
    assert not (tmp_path / "other").exists()
    assert np.isfinite(narrow.provenance["metrics"]["test"]["accuracy"])
