"""Answers averaged over conformers, and what the option for it may and may not change."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from andersonn.config import TrainConfig, config_of
from andersonn.data.records import Records
from andersonn.data.store import ImageStore
from andersonn.errors import UsageError
from andersonn.inference.forward import Outputs, averaged, forward, forward_conformers
from andersonn.inference.model_bundle import ModelBundle
from andersonn.scientists.polarity import POLARITY
from andersonn.scientists.registry import find
from andersonn.solvers import Status
from andersonn.structures.conformer_images import further_images
from andersonn.training.checkpoint import load_checkpoint, save_checkpoint
from andersonn.training.dataset import prepare
from andersonn.training.folder import CHECKPOINT
from andersonn.training.forward import forward_records
from andersonn.training.recalibrate import recalibrate
from andersonn.training.run import train
from andersonn.training.trainer import Trainer

SMALL = [
    "epochs=1",
    "model.width=8",
    "model.directions=4",
    "radial=8",
    "image.columns=8",
    "device=cpu",
    "model.answer=classes",
]
CONFIG = config_of(find("polarity"), overrides=[*SMALL, "conformers=3"])


@pytest.fixture(scope="module")
def records() -> Records:
    """Molecules of many lengths with made-up dipoles."""
    ends = ("C", "C#N", "O", "N", "F", "C=O")
    smiles = ["C" * n + "C(" + "C" * m + ")" + end for end in ends for n in range(1, 5) for m in range(1, 4)]
    table = {"id": smiles, "group": smiles, "smiles": smiles}
    table["dipole_D"] = [0.1 if s.endswith("C") else 1.9 if s.endswith(("O", "N")) else 3.9 for s in smiles]
    return Records(pa.table(table), "made-up.parquet")


@pytest.fixture(scope="module")
def dataset(records):
    return prepare(records, POLARITY, CONFIG)


@pytest.fixture(scope="module")
def trained(records, tmp_path_factory):
    """The same training with one conformer and with three."""
    folder = tmp_path_factory.mktemp("models")
    configs = {n: CONFIG.model_copy(update={"conformers": n}) for n in (1, 3)}
    return {n: train(POLARITY, records, config, folder / str(n)) for n, config in configs.items()}


def outputs(scores, quantiles, steps, residual, status, evaluations):
    columns = (
        np.array(scores, float),
        np.array(quantiles, float),
        np.array(quantiles, np.float32)[:, :2],  # states
        np.array(steps),
        np.array(residual),
        np.array(status),
    )
    return Outputs(*columns, evaluations)


def softmax(scores):
    powers = np.exp(scores)
    return powers / powers.sum(axis=1, keepdims=True)


FIRST = outputs(
    [[1.0, 2.0], [0.3, -0.4], [5.0, 5.0]], [[1, 2, 3], [2, 3, 4], [0, 1, 2]], [3, 9, 4], [1e-3] * 3, [0, 1, 0], 9
)
OTHERS = outputs(
    [[0.0, 4.0], [9.0, 1.0], [-3.0, 2.0]], [[4, 5, 6], [1, 1, 1], [0, 5, 9]], [5, 2, 4], [2e-3, 1e-4, 0], [1, 0, 0], 7
)


def test_the_mean_is_that_made_by_hand():
    found = averaged(FIRST, OTHERS, np.array([2, 0, 0]))
    p, q = softmax(FIRST.scores), softmax(OTHERS.scores)
    assert softmax(found.scores)[0] == pytest.approx((p[0] + q[1] + q[2]) / 3)
    assert softmax(found.scores)[2] == pytest.approx((p[2] + q[0]) / 2)
    assert found.quantiles.tolist() == [[2 / 3, 8 / 3, 13 / 3], [2, 3, 4], [2, 3, 4]]
    assert found.states == pytest.approx(found.quantiles[:, :2])
    assert np.array_equal(found.scores[1], FIRST.scores[1])  # not even rounding where there is no other
    assert (found.steps.tolist(), found.status.tolist()) == ([4, 9, 5], [Status.CONVERGED, *[Status.MAX_STEPS] * 2])
    assert found.residual.tolist() == [1e-3, 1e-3, 2e-3]
    assert found.evaluations == 16
    assert FIRST.quantiles[0].tolist() == [1, 2, 3]  # left as it was


def test_means_of_certainties_are_finite():
    sure = outputs([[2000.0, 0.0]], [[1, 2, 3]], [3], [0.0], [0], 1)
    found = averaged(sure, sure._replace(scores=np.array([[1990.0, 0.0]])), np.array([0]))
    assert np.isfinite(found.scores).all()
    found = averaged(sure, sure._replace(scores=-sure.scores), np.array([0]))
    assert softmax(found.scores)[0] == pytest.approx([0.5, 0.5])


def test_records_are_averaged_over_their_conformers(dataset, trained):
    network, indices = trained[3].network, np.array([40, 3, 17])
    found = forward_records(network, dataset, indices, 3)
    for k, index in enumerate(indices):
        structure = dataset.records[int(index)]
        images = further_images(structure, dataset.store.recipe, 2)
        own = forward(network, dataset.store, np.array([index]))
        others = forward(network, ImageStore.from_images(images, dataset.store.recipe), np.arange(2))
        p = softmax(np.concatenate([own.scores, others.scores])).mean(axis=0)
        assert softmax(found.scores)[k] == pytest.approx(p, abs=1e-5)
        expected = np.concatenate([own.quantiles, others.quantiles]).mean(axis=0)
        assert found.quantiles[k] == pytest.approx(expected, abs=1e-5)
    assert np.abs(found.quantiles - forward(network, dataset.store, indices).quantiles).max() > 1e-3
    back = forward_records(network, dataset, indices[::-1], 3)
    assert back.quantiles[::-1] == pytest.approx(found.quantiles, abs=1e-5)


def test_one_conformer_is_asked_as_ever(dataset, trained):
    network, side = trained[1].network, dataset.sides["test"]
    plain = forward(network, dataset.store, side)
    for found in (forward_records(network, dataset, side, 1), forward_conformers(network, dataset.store, side)):
        assert all(np.array_equal(a, b) for a, b in zip(found, plain, strict=True))


def test_training_is_the_same_calibration_and_tests_are_not(trained):
    one, three = trained[1], trained[3]
    weights = zip(one.network.state_dict().values(), three.network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)
    assert one.calibration.margin != three.calibration.margin
    for side in ("validation", "test"):
        assert one.provenance["metrics"][side]["mae"] != three.provenance["metrics"][side]["mae"]


def test_recalibrated_as_if_trained_with_the_option(records, trained):
    again = recalibrate(trained[1], records, ["conformers=3"])
    assert again.config == trained[3].config
    assert again.calibration.as_dict() == pytest.approx(trained[3].calibration.as_dict())
    assert again.provenance == trained[3].provenance
    assert trained[1].config.conformers == 1
    back = recalibrate(again, records, ["conformers=1"])
    assert back.calibration.as_dict() == pytest.approx(trained[1].calibration.as_dict())
    assert back.provenance == trained[1].provenance


def test_recalibration_needs_the_same_data_and_leaves_training_alone(records, trained):
    for other in (records.take(np.arange(len(records))[::-1]), records.take(np.arange(50))):
        with pytest.raises(UsageError, match="not what the model was trained on"):
            recalibrate(trained[1], other, ["conformers=3"])
    with pytest.raises(UsageError, match=r"seed, model\.width would need a new training"):
        recalibrate(trained[1], records, ["seed=5", "width=16", "conformers=2"])
    with pytest.raises(UsageError, match="there is no option"):
        recalibrate(trained[1], records, ["conformer=2"])


def test_a_run_may_go_on_with_another_number(records, dataset, tmp_path):
    save_checkpoint(tmp_path / CHECKPOINT, Trainer(dataset, POLARITY, CONFIG))
    other = CONFIG.model_copy(update={"conformers": 1})
    load_checkpoint(tmp_path / CHECKPOINT, Trainer(dataset, POLARITY, other))
    with pytest.raises(UsageError, match="other options epochs"):
        load_checkpoint(tmp_path / CHECKPOINT, Trainer(dataset, POLARITY, other.model_copy(update={"epochs": 2})))


def test_the_option_is_kept_with_the_model_and_checked(trained, tmp_path):
    trained[3].save(tmp_path)
    assert ModelBundle.load(tmp_path).config.conformers == 3
    assert TrainConfig().conformers == 1
    assert config_of(find("polarity")).conformers > 1
    for bad in ("0", "-2", "1.5", "many", "1000"):
        with pytest.raises(UsageError, match="conformers"):
            TrainConfig.make(overrides=[f"conformers={bad}"])
