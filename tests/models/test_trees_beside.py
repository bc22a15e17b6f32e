"""Boosted trees beside a network: they answer as scikit-learn's do, and move the network's distribution to the mean."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from andersonn import Scientist
from andersonn.config import config_of
from andersonn.errors import UsageError
from andersonn.inference.forward import forward
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import ImageBatch, lead
from andersonn.models.distribution import class_scores, positions_of
from andersonn.models.encoder import graph_channels
from andersonn.models.trees_beside import NEEDED, BoostedTrees, NetworkWithTrees, NumbersOfWhole, without_trees
from andersonn.scientists.conduction import SCIENTIST
from andersonn.structures.structure import Structure
from andersonn.training import trees_growing
from andersonn.training.dataset import prepare
from andersonn.training.metrics import log_loss
from andersonn.training.recalibrate import recalibrate

WORDS = ["epochs=1", "model.width=12", "image.columns=6", "model.radial=8", "model.gain=0.9", "device=cpu"]


@pytest.fixture(scope="module")
def records(demo_sample):
    return demo_sample.take(np.arange(0, len(demo_sample), 8))


@pytest.fixture(scope="module")
def plain(records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain") / "model"
    return Scientist.train("conduction", records, config_of(SCIENTIST, overrides=WORDS), folder).bundle


@pytest.fixture(scope="module")
def dataset(records, plain):
    return prepare(records, plain.task, plain.config)


@pytest.fixture(scope="module")
def joined(records, plain, dataset):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(trees_growing.OPTIONS, "max_iter", 8)
        network = trees_growing.with_trees(plain, dataset)
    return recalibrate(replace(plain, network=network), records)


def test_arrays_answer_as_the_trees_do(dataset, monkeypatch):
    monkeypatch.setitem(trees_growing.OPTIONS, "max_iter", 12)
    trees = trees_growing.grown(dataset)
    arrays = trees_growing.arrays_of(trees) | {"class_of": np.zeros(3, np.int64), "share": np.ones(1, np.float32)}
    mine = BoostedTrees({name: array.shape for name, array in arrays.items()})
    mine.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    x = trees_growing.numbers_of(dataset, dataset.usable)
    np.testing.assert_allclose(mine.probabilities(torch.from_numpy(x)).numpy(), trees.predict_proba(x), atol=1e-5)


def test_each_class_has_the_weighted_geometric_mean_of_both(joined, plain, dataset):
    batch = ImageBatch.from_store(dataset.store, dataset.sides["test"][:20])
    with torch.no_grad():
        alone, both = plain.network(batch), joined.network(batch)
        theirs = joined.network.trees.probabilities(joined.network.trees.numbers(batch))
    cuts = positions_of(np.asarray(joined.calibration.edges), joined.task.thresholds)
    mine, mean = (class_scores(o.scores, cuts).softmax(dim=1) for o in (alone, both))
    share = float(joined.network.trees.share)
    expected = mine ** (1.0 - share) * theirs**share
    torch.testing.assert_close(mean, expected / expected.sum(dim=1, keepdim=True), atol=1e-5, rtol=1e-4)
    first = both.scores[:, : cuts[0]].softmax(dim=1), alone.scores[:, : cuts[0]].softmax(dim=1)
    torch.testing.assert_close(*first, atol=1e-5, rtol=1e-4)  # within a class the network decides
    assert torch.equal(alone.states, both.states)


def test_the_share_is_that_of_least_loss_on_validation(joined, plain, dataset):
    trees, chosen = joined.network.trees, dataset.sides["validation"]
    share = trees_growing.best_share(plain, trees, dataset)
    assert float(trees.share) == pytest.approx(share)
    mine = class_scores(
        torch.from_numpy(forward(plain.network, dataset.store, chosen).scores),
        positions_of(np.asarray(plain.calibration.edges), plain.task.thresholds),
    ).softmax(dim=1)
    theirs = trees.probabilities(torch.from_numpy(trees_growing.numbers_of(dataset, chosen)))

    def loss(weight: float) -> float:
        return log_loss(dataset.labels[chosen], (mine ** (1 - weight) * theirs**weight).numpy())

    assert loss(share) <= min(loss(weight) for weight in (0.05, 0.25, 0.5, 0.75, 0.95)) + 1e-6


def test_a_supercell_and_another_order_of_atoms_read_the_same_numbers(structures, joined):
    read = NumbersOfWhole()
    from andersonn.data.store import ImageStore
    from andersonn.structures.image import NodeNeighborImage

    recipe = joined.config.image
    for structure in list(structures.values())[:8]:
        twice = Structure(
            np.tile(structure.Z, 2)[::-1].copy(),
            np.concatenate([structure.xyz, structure.xyz + structure.cell[0]])[::-1].copy(),
            structure.cell * [[2.0], [1.0], [1.0]],
        )
        images = [NodeNeighborImage.from_structure(s, recipe) for s in (structure, twice)]
        numbers = read(ImageBatch.from_store(ImageStore.from_images(images, recipe, {}), np.array([0, 1])))
        assert torch.equal(numbers[0], numbers[1])
        assert torch.isfinite(numbers).all()


def test_numbers_do_not_depend_on_the_batch(dataset):
    read, chosen = NumbersOfWhole(), dataset.usable[:60]
    together = read(ImageBatch.from_store(dataset.store, chosen))
    for k, one in enumerate(chosen.tolist()):
        assert torch.equal(read(ImageBatch.from_store(dataset.store, np.array([one])))[0], together[k])


def test_it_is_saved_loaded_asked_and_explained(joined, structures, tmp_path):
    joined.save(tmp_path)
    again = ModelBundle.load(tmp_path)
    assert all(torch.equal(value, again.weights()[name]) for name, value in joined.weights().items())
    chosen = list(structures.values())[:4]
    answers = [Scientist(bundle, "x").predict(chosen) for bundle in (joined, again)]
    for one, other in zip(*answers, strict=True):
        assert one.probabilities == other.probabilities
        assert one.interval90[0] <= one.value <= one.interval90[1]
    assert lead(again.network) is again.network
    assert Scientist(again, "x").explain(chosen[0]) is not None


def test_damaged_trees_are_refused(joined, tmp_path):
    joined.save(tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    shapes = card["trees"]["shapes"]
    endless = {"shapes": shapes | {"feature": [float("inf")]}}
    for changed in ({"shapes": {}}, {"shapes": shapes | {"value": [1]}}, endless, {}, None.__class__):
        wrong = changed if isinstance(changed, dict) else "trees"
        (tmp_path / "model.json").write_text(json.dumps(card | {"trees": wrong}))
        with pytest.raises(UsageError, match="damaged"):
            ModelBundle.load(tmp_path)


def test_the_network_alone_answers_as_before(joined, plain, dataset):
    batch = ImageBatch.from_store(dataset.store, dataset.sides["test"][:5])
    with torch.no_grad():
        assert torch.equal(without_trees(joined.network)(batch).scores, plain.network(batch).scores)
    assert without_trees(plain.network) is plain.network


def test_the_trees_alone_are_a_baseline(joined, dataset):
    test = json.loads(json.dumps(joined.provenance["metrics"]["test"]))
    trees_growing.beside_test(test, joined.network.trees, dataset, joined.task.classes)
    own = test["baselines"][trees_growing.BASELINE]
    side = dataset.sides["test"]
    p = joined.network.trees.probabilities(torch.from_numpy(trees_growing.numbers_of(dataset, side)))
    assert own["accuracy"] == pytest.approx((p.argmax(dim=1).numpy() == dataset.labels[side]).mean())
    assert set(own) == set(test["baselines"]["random_forest"]) - {"protocol"}


def test_other_options_after_the_training_keep_the_trees(joined, records):
    changed = recalibrate(joined, records, ["model.initializer=true"])
    assert isinstance(changed.network, NetworkWithTrees)
    assert torch.equal(changed.network.trees.value, joined.network.trees.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("branches", 10**6),
        ("branches", 0),
        ("feature", -1),
        ("feature", 5000),
        ("roots", 10**6),
        ("class_of", 9),
        ("share", 2.0),
        ("value", 1e38),
    ],
)
def test_arrays_that_are_no_trees_are_refused(joined, name, value):
    channels = len(graph_channels(joined.network.config))
    trees = BoostedTrees({key: tuple(shape) for key, shape in joined.network.trees.shapes().items()})
    trees.load_state_dict(joined.network.trees.state_dict())
    trees.check(joined.network.n_scores, channels)
    trees.get_buffer(name)[0] = value
    with pytest.raises(ValueError, match="boosted trees"):
        trees.check(joined.network.n_scores, channels)
    assert set(joined.network.trees.shapes()) == set(NEEDED)


@pytest.mark.parametrize(
    ("name", "shape"), [("threshold", (10,)), ("value", (10,)), ("feature", None), ("value", None)]
)
def test_arrays_of_other_shapes_are_refused(joined, name, shape):
    shapes = {key: tuple(value) for key, value in joined.network.trees.shapes().items()}
    trees = BoostedTrees(shapes | {name: shape or (*shapes[name], 2)})
    state = {key: value for key, value in joined.network.trees.state_dict().items() if key != name}
    trees.load_state_dict(state, strict=False)
    with pytest.raises(ValueError, match="boosted trees"):
        trees.check(joined.network.n_scores, len(graph_channels(joined.network.config)))
