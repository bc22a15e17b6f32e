"""Growing boosted trees beside a trained network, and the arrays that go with its weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from andersonn.data.store import ImageStore, image_store
from andersonn.inference.distribution import DistributionCalibration
from andersonn.inference.forward import forward
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models.batch import ImageBatch
from andersonn.models.distribution import positions_of
from andersonn.models.network import EquilibriumNetwork
from andersonn.models.trees_beside import BoostedTrees, NetworkWithTrees, NumbersOfWhole, without_trees
from andersonn.training.baselines import shown
from andersonn.training.dataset import Dataset
from andersonn.training.metrics import classification_metrics, log_loss
from andersonn.training.moved_atoms import moved

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

SHARES = np.arange(0.05, 1.0, 0.05)
"""Of the trees in the mean: among which the validation side chooses."""
OPTIONS: dict[str, Any] = {
    "learning_rate": 0.1,
    "max_leaf_nodes": 63,
    "max_iter": 240,
    "l2_regularization": 1.0,
    "min_samples_leaf": 10,
    "max_features": 0.3,
}
PART = 2000
COPIES = 1
"""Of each crystal with moved atoms."""
BASELINE = "boosted_trees"
"""Name of the trees alone among the baselines of a card."""


def numbers_of(dataset: Dataset, indices: np.ndarray, surroundings: bool = True) -> np.ndarray:
    """What the trees read of some records, float32 ``[n, F]``; with or without how atoms stand to each other."""
    return _read(dataset.store, indices, surroundings)


def _read(store: ImageStore, indices: np.ndarray, surroundings: bool) -> np.ndarray:
    read = NumbersOfWhole(surroundings)
    parts = np.array_split(indices, max(1, -(-len(indices) // PART)))
    return np.concatenate([read(ImageBatch.from_store(store, part)).numpy() for part in parts])


def beside_test(test: dict[str, Any], trees: BoostedTrees, dataset: Dataset, classes: tuple[str, ...]) -> None:
    """Adds what the trees alone answer to the baselines of a test and of its files.

    Args:
        test: metrics of a model's test side, as its card has them; changed.
        trees: are asked.
        dataset: the model's records, prepared.
        classes: names.
    """
    chosen, files = dataset.sides["test"], dataset.records.files
    p = trees.probabilities(torch.from_numpy(read_by(trees, dataset, chosen))).numpy()

    def told(part: np.ndarray) -> dict[str, Any]:
        return shown(classification_metrics(dataset.labels[chosen[part]], p[part], classes))

    test["baselines"][BASELINE] = told(np.ones(len(chosen), dtype=bool))
    for name, part in test.get("by_file", {}).items():
        assert files is not None  # else there were no parts
        part["baselines"][BASELINE] = told(files[chosen] == name)


def read_by(trees: BoostedTrees, dataset: Dataset, indices: np.ndarray) -> np.ndarray:
    """:func:`numbers_of` as these trees read them."""
    return numbers_of(dataset, indices, trees.numbers.surroundings is not None)


def grown(
    dataset: Dataset, seed: int = 0, surroundings: bool = True, copies: int = 0
) -> HistGradientBoostingClassifier:
    """Trees of the training side.

    Args:
        dataset: prepared.
        seed: of the trees.
        surroundings: whether they read how atoms stand to each other, or the composition alone.
        copies: of each crystal with its atoms moved a little, on which they are grown too, so that they do not learn what holds
            for exact symmetry alone.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    train = dataset.sides["train"]
    x, y = [numbers_of(dataset, train, surroundings)], [dataset.labels[train]]
    for copy in range(copies):
        store = image_store(moved(dataset.records, train, seed + copy), dataset.store.recipe)
        sound = np.flatnonzero(store.n_rows > 0)  # in some copies atoms overlap
        x.append(_read(store, sound, surroundings))
        y.append(dataset.labels[train[sound]])
    trees = HistGradientBoostingClassifier(early_stopping=False, random_state=seed, **OPTIONS)
    return trees.fit(np.concatenate(x), np.concatenate(y))


def arrays_of(trees: HistGradientBoostingClassifier) -> dict[str, np.ndarray]:
    """The trees as arrays, named as :class:`~andersonn.models.trees_beside.BoostedTrees` has them, without class_of and share."""
    parts, roots, first = [], [], 0
    for predictor in (tree for rounds in trees._predictors for tree in rounds):
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        branches = np.stack([nodes["left"], nodes["right"]], axis=1).astype(np.int64) + first
        branches[leaf] = -1
        feature, threshold = np.where(leaf, 0, nodes["feature_idx"]), np.where(leaf, 0.0, nodes["num_threshold"])
        parts.append((feature, _rounded_down(threshold), branches, np.where(leaf, nodes["value"], 0.0)))
        roots.append(first)
        first += len(nodes)
    feature, threshold, branches, value = (np.concatenate(each) for each in zip(*parts, strict=True))
    return {
        "feature": feature.astype(np.int16),
        "threshold": threshold,
        "branches": branches.astype(np.int32),
        "value": value.astype(np.float32),
        "roots": np.array(roots, dtype=np.int32),
        "prior": trees._baseline_prediction.ravel().astype(np.float32),
    }


def _rounded_down(values: np.ndarray) -> np.ndarray:
    """The nearest float32 that is no larger: numbers are float32, and go left up to the threshold."""
    narrow = values.astype(np.float32)
    return np.where(narrow > values, np.nextafter(narrow, np.float32(-np.inf)), narrow)


def with_trees(
    bundle: ModelBundle, dataset: Dataset, seed: int = 0, grown_on: Dataset | None = None
) -> NetworkWithTrees:
    """The network of a model, with trees that are grown on a training side and weighted by its validation side.

    Args:
        bundle: a model that answers by one distribution.
        dataset: its records, prepared.
        seed: of the trees.
        grown_on: on whose training side they are grown, with the same split; None: on that of ``dataset``.

    Raises:
        ValueError: the model answers otherwise.
    """
    calibration, old = bundle.calibration, bundle.network
    if not (isinstance(calibration, DistributionCalibration) and isinstance(old, EquilibriumNetwork)):
        raise ValueError("trees are for models that answer by one distribution")
    alone = without_trees(old)  # trees that it had are replaced
    cuts = positions_of(np.asarray(calibration.edges), bundle.task.thresholds)
    found = arrays_of(grown(grown_on or dataset, seed, copies=COPIES if bundle.task.periodic else 0))
    found["class_of"] = np.searchsorted(cuts, np.arange(len(calibration.edges)), side="right").astype(np.int64)
    found["share"] = np.ones(1, dtype=np.float32)
    shapes = {name: array.shape for name, array in found.items()}
    network = NetworkWithTrees(bundle.config.model, len(bundle.task.classes), shapes)
    arrays = {f"trees.{name}": torch.from_numpy(array) for name, array in found.items()}
    network.load_state_dict(alone.state_dict() | arrays)
    network.check()
    share = best_share(replace(bundle, network=alone), network.trees, dataset)
    network.trees.get_buffer("share").fill_(share)
    return network.eval()


def best_share(bundle: ModelBundle, trees: BoostedTrees, dataset: Dataset) -> float:
    """Share of the trees in the geometric mean that has the least log loss on the validation side.

    Args:
        bundle: the model without trees.
        trees: grown on the training side.
        dataset: the model's records, prepared.
    """
    chosen = dataset.sides["validation"]
    assert isinstance(bundle.network, EquilibriumNetwork)
    scores = torch.from_numpy(forward(bundle.network, dataset.store, chosen).scores).double()
    theirs = trees.probabilities(torch.from_numpy(read_by(trees, dataset, chosen))).double()

    def loss(share: float) -> float:
        masses = trees.moved(scores, theirs, share).softmax(dim=1)
        return log_loss(dataset.labels[chosen], trees.classes(masses).numpy())

    return float(min(SHARES, key=loss))
