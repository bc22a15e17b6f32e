"""A training that goes on from a trained network with more rounds or another gain begins as the same function."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from andersonn.config import TrainConfig
from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.forward import forward
from andersonn.scientists.polarity import POLARITY
from andersonn.training.dataset import prepare
from andersonn.training.run import train
from andersonn.training.trainer import Trainer

MOLECULES = Path(str(resources.files("andersonn"))) / "data/sets/small_molecules.parquet"
OPTIONS = [
    "epochs=1",
    "model.width=12",
    "columns=8",
    "radial=8",
    "max_rows=400",
    "model.head=dipole",
    "model.directions=4",
    "model.answer=distribution",
    "model.gain=0.5",
    "image.fold=false",
    "image.positions=true",
    "rtol=1e-6",
]


@pytest.fixture(scope="module")
def records():
    return read_records([MOLECULES], ("dipole_D",))


@pytest.fixture(scope="module")
def trained(records, tmp_path_factory):
    config = TrainConfig.make(overrides=[*OPTIONS, "learning_rate=0.05"])  # so that the bound on the gain is reached
    return train(POLARITY, records, config, tmp_path_factory.mktemp("start"))


@pytest.mark.parametrize("changed", [["model.rounds=2"], ["model.gain=4"], ["model.rounds=1", "model.gain=0.9"]])
def test_more_rounds_or_another_gain_begin_as_the_same_function(changed, records, trained):
    old = trained.network
    assert old.equilibrium.cell.norm() > 0.5, "the bound must be at work, or there is nothing to keep"
    config = TrainConfig.make(overrides=[*OPTIONS, *changed])
    dataset = prepare(records, POLARITY, config)
    trainer = Trainer(dataset, POLARITY, config, start=trained)
    some = np.arange(30)
    before, after = (forward(each.eval(), dataset.store, some).scores for each in (old, trainer.network))
    assert np.abs(before - after).max() < 1e-4
    row = trainer.run_epoch()
    assert np.isfinite(row["train_loss"])
    assert np.abs(before - forward(trainer.network.eval(), dataset.store, some).scores).max() > 1e-3


def test_trained_rounds_stay_as_many(records, trained, tmp_path):
    config = TrainConfig.make(overrides=[*OPTIONS, "model.rounds=1"])
    bundle = train(POLARITY, records, config, tmp_path / "one", start=trained)
    other = TrainConfig.make(overrides=[*OPTIONS, "model.rounds=2"])
    with pytest.raises(UsageError, match=r"model\.rounds"):
        Trainer(prepare(records, POLARITY, other), POLARITY, other, start=bundle)
