"""Models joined to an ensemble: what it answers, how it is kept, and what cannot be joined."""

import json

import numpy as np
import pytest
import torch

from andersonn import Scientist
from andersonn.config import TrainConfig
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import Ensemble, EquilibriumNetwork, ModelConfig, lead
from andersonn.training.evaluate import evaluate
from andersonn.training.recalibrate import join

TINY = ["epochs=1", "model.width=12", "columns=8", "radial=8"]


@pytest.fixture(scope="module")
def records(demo_sample):
    return demo_sample.take(np.arange(0, len(demo_sample), 12))


@pytest.fixture(scope="module")
def parts(records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")

    def trained(seed: int, *options: str) -> ModelBundle:
        config = TrainConfig.make(overrides=[*TINY, f"seed={seed}", *options])
        return Scientist.train("conduction", records, config, folder / f"{seed}{len(options)}").bundle

    return {"0": trained(0), "1": trained(1), "wider": trained(2, "model.width=16")}


def test_the_mean_of_its_members(parts, records, structures, tmp_path):
    joined = join([parts["0"], parts["1"]], records)
    joined.save(tmp_path)
    loaded = ModelBundle.load(tmp_path)
    assert isinstance(loaded.network, Ensemble)
    assert lead(loaded.network) is loaded.network.members[0]
    chosen = list(structures.values())[:5]
    scientists = [Scientist(parts[name], name) for name in ("0", "1")]
    for scientist in scientists:
        scientist.bundle = ModelBundle(
            scientist.bundle.network, joined.task, joined.config, joined.calibration, joined.provenance
        )
    each = [scientist.predict(chosen) for scientist in scientists]
    for k, answer in enumerate(Scientist(loaded, "joined").predict(chosen)):
        assert answer.solver["steps"] == max(e[k].solver["steps"] for e in each)
        assert answer.solver["residual"] == max(e[k].solver["residual"] for e in each)
    report = evaluate(Scientist(loaded, "joined"), records, baselines=False)
    test = json.loads((tmp_path / "model.json").read_text())["metrics"]["test"]
    assert report["n"] == test["n"]
    assert report["accuracy"] == pytest.approx(test["accuracy"])


def test_its_scores_are_the_logarithm_of_mean_probabilities(parts, records, structures):
    from andersonn.data.store import ImageStore
    from andersonn.models import ImageBatch
    from andersonn.structures.image import NodeNeighborImage

    recipe = parts["0"].config.image
    images = [NodeNeighborImage.from_structure(s, recipe) for s in list(structures.values())[:4]]
    batch = ImageBatch.from_store(ImageStore.from_images(images, recipe), np.arange(4))
    members = [parts["0"].network, parts["1"].network]
    with torch.no_grad():
        found = Ensemble(members).eval()(batch)
        alone = [member(batch) for member in members]
    expected = torch.stack([output.scores.softmax(dim=1) for output in alone]).mean(dim=0)
    assert torch.allclose(found.scores.exp(), expected, atol=1e-6)
    assert torch.allclose(found.quantiles, torch.stack([output.quantiles for output in alone]).mean(dim=0))
    assert found.solution.evaluations == sum(output.solution.evaluations for output in alone)


def test_its_card(parts, records):
    joined = join([parts["0"], parts["1"]], records)
    provenance = joined.provenance
    assert [run["seed"] for run in provenance["each_seed"]] == [0, 1]
    assert provenance["parameters"] == 2 * parts["0"].provenance["parameters"]
    assert [run["test"] for run in provenance["each_seed"]] == [
        parts[name].provenance["metrics"]["test"] for name in ("0", "1")
    ]


def test_what_cannot_be_joined(parts, records):
    joined = join([parts["0"], parts["1"]], records)
    for models, reason in (
        ([parts["0"]], "two or more"),
        ([parts["0"], joined], "single models"),
        ([parts["0"], parts["0"]], "not all different"),
        ([parts["0"], parts["wider"]], "differ in model"),
    ):
        with pytest.raises(UsageError, match=reason):
            join(models, records)
    with pytest.raises(UsageError, match="not what the model was trained on"):
        join([parts["0"], parts["1"]], records.take(np.arange(len(records) - 1)))
    with pytest.raises(ValueError, match="equal options"):
        Ensemble([EquilibriumNetwork(ModelConfig(width=8 * k), 3) for k in (1, 2)])


def test_a_damaged_number_of_members(parts, records, tmp_path):
    join([parts["0"], parts["1"]], records).save(tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    for members in (3, 0, "two"):
        (tmp_path / "model.json").write_text(json.dumps(card | {"members": members}))
        with pytest.raises(UsageError, match="damaged"):
            ModelBundle.load(tmp_path)
