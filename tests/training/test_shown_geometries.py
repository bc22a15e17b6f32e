"""Molecules without geometry that each epoch shows in another one."""

from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from andersonn.config import TrainConfig
from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.scientists.polarity import POLARITY
from andersonn.training.dataset import prepare, with_conformers
from andersonn.training.run import train
from andersonn.training.shown_geometries import ShownGeometries
from andersonn.training.trainer import Trainer

SET = Path(str(resources.files("andersonn"))) / "data/sets/common_chemicals.parquet"
OPTIONS = [
    "epochs=2", "model.width=8", "radial=6", "model.directions=4", "model.head=dipole", "image.fold=false",
    "image.positions=true", "model.answer=distribution", "model.bins=16", "strain=0",
]  # fmt: skip


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Sixty molecules with a geometry and as many without."""
    folder, names = tmp_path_factory.mktemp("sets"), ["id", "group", "smiles", "dipole_D"]
    table = pq.read_table(SET).slice(300, 120)
    pq.write_table(table.slice(0, 60), folder / "given.parquet")
    pq.write_table(table.slice(60).select(names), folder / "smiles.parquet")
    return read_records([folder / "given.parquet", folder / "smiles.parquet"], (POLARITY.quantity,))


def test_each_epoch_draws_among_the_conformers_that_were_made(records):
    dataset = prepare(records, POLARITY, TrainConfig.make(overrides=OPTIONS))
    shown = ShownGeometries.of(with_conformers(dataset, 2))
    train_side, made = dataset.sides["train"], dataset.made
    assert shown.choices.shape == (120, 3)
    assert (shown.choices[:, 0] == np.arange(120)).all()
    fixed = np.setdiff1d(np.arange(120), train_side[made[train_side]])
    assert (shown.choices[fixed] == fixed[:, None]).all()
    moved = 0
    for i in train_side[made[train_side]]:
        for image in set(shown.choices[i].tolist()):
            a, b = (slice(*shown.store.offsets[k : k + 2]) for k in (i, image))
            assert sorted(shown.store.Z[a]) == sorted(shown.store.Z[b])
            moved += not np.allclose(shown.store.distance[a], shown.store.distance[b], atol=0.1)
    assert moved > 10  # others are stiff
    first, again, second = shown.drawn(0, 0), shown.drawn(0, 0), shown.drawn(0, 1)
    assert (first == again).all()
    assert (first != second).any()
    assert (first[fixed] == fixed).all()


def test_without_further_conformers_each_record_has_its_own_image(records):
    shown = ShownGeometries.of(prepare(records, POLARITY, TrainConfig.make(overrides=OPTIONS)))
    assert shown.store is not None
    assert (shown.drawn(3, 5) == np.arange(120)).all()


def test_training_shows_them_and_goes_on_the_same_after_a_break(records, tmp_path, monkeypatch):
    config = TrainConfig.make(overrides=[*OPTIONS, "shown_conformers=3"])
    whole = train(POLARITY, records, config, tmp_path / "whole")
    one = train(POLARITY, records, TrainConfig.make(overrides=OPTIONS), tmp_path / "one")
    assert any(not np.array_equal(a, b) for a, b in zip(whole.weights().values(), one.weights().values(), strict=True))

    run_epoch, seen = Trainer.run_epoch, []

    def stopped(self, progress=None):
        if self.epoch == 1:
            raise KeyboardInterrupt
        seen.append(self.drawn.copy())
        return run_epoch(self, progress)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run_epoch", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(POLARITY, records, config, tmp_path / "broken")
    assert (seen[0] != np.arange(120)).any()
    resumed = train(POLARITY, records, config, tmp_path / "broken", resume=True)
    for name, value in whole.weights().items():
        np.testing.assert_array_equal(value.numpy(), resumed.weights()[name].numpy(), err_msg=name)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["shown_conformers=3", "solving.warm_starts=true"], "warm_starts"),
        (
            ["shown_conformers=3", "strain=0", "image.fold=false", "image.bonds=true", "model.bonds=true"],
            "no conformers",
        ),
        (["shown_conformers=0"], "shown_conformers"),
    ],
)
def test_options_that_do_not_go_together(words, told):
    with pytest.raises(UsageError, match=told):
        TrainConfig.make(overrides=words)
