from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch

from andersonn.config import TrainConfig
from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.forward import forward
from andersonn.models import EquilibriumNetwork, ImageBatch, ModelConfig
from andersonn.scientists.conduction import CONDUCTION
from andersonn.scientists.polarity import POLARITY
from andersonn.training.dataset import prepare
from andersonn.training.run import train
from andersonn.training.trainer import Trainer
from andersonn.training.widening import can_widen, widened

MOLECULES = Path(str(resources.files("andersonn"))) / "data/sets/small_molecules.parquet"
NARROW = ["epochs=1", "model.width=12", "columns=8", "radial=8", "dropout=0", "max_rows=400"]
KINDS = {
    "plain": [],
    "as shipped": ["model.electrons=true", "model.answer=distribution", "image.oxidation=true", "model.oxidation=true"],
    "lean": ["model.encoder=lean"],
    "layers": ["model.layers=3", "model.tied=false"],
    "dipole": [
        "model.head=dipole",
        "image.fold=false",
        "model.directions=4",
        "image.positions=true",
        "model.answer=distribution",
    ],
    "rounds": [
        "model.head=dipole",
        "image.fold=false",
        "model.directions=5",
        "model.rounds=2",
        "image.positions=true",
        "model.answer=distribution",
    ],
    "initializer": ["model.initializer=true"],
}


def network_of(model: ModelConfig, seed: int) -> EquilibriumNetwork:
    torch.manual_seed(seed)
    network = EquilibriumNetwork(model, 3).double().eval()
    for weight in network.parameters():
        if not weight.any():  # of what begins silent
            torch.nn.init.normal_(weight, std=0.1)
    return network


@pytest.fixture(scope="module")
def records(demo_sample):
    return demo_sample.take(np.arange(0, len(demo_sample), 12))


@pytest.mark.parametrize("kind", KINDS)
def test_a_wider_network_begins_as_the_same_function(kind, records):
    tight = ["rtol=1e-10", "max_steps=400"]
    config = TrainConfig.make(overrides=[*NARROW, *tight, *KINDS[kind]])
    wide = TrainConfig.make(overrides=[*NARROW, *tight, *KINDS[kind], "model.width=24"])
    task = CONDUCTION
    if kind in ("dipole", "rounds"):
        task, records = POLARITY, read_records([MOLECULES], ("dipole_D",))
    store = prepare(records.take(np.arange(20)), task, config).store
    old, new = network_of(config.model, 1), network_of(wide.model, 2)
    before = forward(new, store, np.arange(20))
    assert can_widen(config.model, wide.model)
    new.load_state_dict(widened(old, new))
    after, expected = forward(new, store, np.arange(20)), forward(old, store, np.arange(20))
    assert np.abs(before.scores - expected.scores).max() > 1e-2  # so that agreement is not that of all networks
    np.testing.assert_allclose(after.scores, expected.scores, atol=1e-7)
    np.testing.assert_allclose(after.quantiles, expected.quantiles, atol=1e-7)


def test_copies_are_told_apart_by_training(records):
    config, wide = (TrainConfig.make(overrides=[*NARROW, f"model.width={width}"]) for width in (12, 24))
    store = prepare(records.take(np.arange(20)), CONDUCTION, config).store
    new = network_of(wide.model, 2)
    new.load_state_dict(widened(network_of(config.model, 1), new))
    output = new(ImageBatch.from_store(store, np.arange(20)))
    output.scores.logsumexp(dim=1).sum().backward()
    gradient = new.encoder.embedding.weight.grad.view(-1, 2, 2, 6)  # blocks of half the old width, each twice
    first, second = gradient[:, :, 0], gradient[:, :, 1]
    assert (first - second).norm() > 0.1 * first.norm() > 0.0


@pytest.mark.parametrize("width", [18, 36, 48])
def test_other_widths_are_refused(width, records, tmp_path):
    narrow = train(CONDUCTION, records, TrainConfig.make(overrides=NARROW), tmp_path / "narrow")
    wide = TrainConfig.make(overrides=[*NARROW, f"model.width={width}"])
    with pytest.raises(UsageError, match=r"other options: model.width") as refused:
        Trainer(prepare(records, CONDUCTION, wide), CONDUCTION, wide, start=narrow)
    assert "twice as large" in refused.value.hint


@pytest.mark.parametrize(
    "other",
    [
        ["model.filling=whole", "image.filling=true"],
        ["model.cell=convolution"],
        ["model.rounds=1", "model.directions=4", "image.positions=true", "image.fold=false", "model.width=14"],
    ],
)
def test_networks_that_cannot_be_widened(other):
    config = TrainConfig.make(overrides=[*NARROW, *other])
    wide = TrainConfig.make(overrides=[*NARROW, *other, f"model.width={2 * config.model.width}"])
    assert not can_widen(config.model, wide.model)


def test_training_goes_on_twice_as_wide(records, tmp_path):
    narrow = train(CONDUCTION, records, TrainConfig.make(overrides=NARROW), tmp_path / "narrow")
    wide = TrainConfig.make(overrides=[*NARROW, "model.width=24", "learning_rate=1e-6", "averaging=0"])
    found = train(CONDUCTION, records, wide, tmp_path / "wide", start=narrow)
    assert found.provenance["started_from"]["task"] == "conduction"
    assert found.provenance["parameters"] > 2 * narrow.provenance["parameters"]
    data = prepare(records, CONDUCTION, wide)
    some = data.sides["test"]
    before, after = (forward(bundle.network, data.store, some).scores for bundle in (narrow, found))
    np.testing.assert_allclose(after, before, atol=0.02)  # one pass at a tiny rate
