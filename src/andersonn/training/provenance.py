"""Where a model comes from: data, elements, versions, as ``model.json`` keeps it."""

from __future__ import annotations

import platform
from collections import Counter
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from andersonn.data.records import Records
from andersonn.data.splits import split_by, split_digest
from andersonn.data.store import ImageStore
from andersonn.structures import elements
from andersonn.structures.pores import BY_STRUCTURE
from andersonn.training.dataset import Dataset
from andersonn.training.folder import LABELS_KEY, SPLIT_KEY
from andersonn.training.trainer import Trainer


def provenance_of(trainer: Trainer, records: Records, metrics: dict[str, Any]) -> dict[str, Any]:
    """What ``model.json`` tells of a training: the data, :func:`about` and the metrics.

    Args:
        trainer: at its end.
        records: it was trained on, the unusable ones included.
        metrics: of the validation and the test split.
    """
    dataset = trainer.dataset
    return {
        "data": {
            "file": Path(records.source).name,
            "sha256_of_structures": records.digest,
            "records": len(records),
            "unusable": len(dataset.unusable),
            **{side: len(indices) for side, indices in dataset.sides.items()},
            "split_by": split_by(records),
            SPLIT_KEY: split_digest(records, trainer.config.split),
            LABELS_KEY: records.label_digest(trainer.task.quantity),
        },
        **about(trainer),
        "metrics": metrics,
    }


def about(trainer: Trainer) -> dict[str, Any]:
    """What a model's provenance says of its training besides the data's origin and the metrics."""
    dataset = trainer.dataset
    train = dataset.sides["train"]
    majority = int(np.bincount(dataset.labels[train]).argmax())
    return {
        "majority_class": trainer.task.classes[majority],
        **of_structures(dataset, train),
        "parameters": sum(p.numel() for p in trainer.network.parameters()),
        "best_epoch": trainer.kept_epoch,
        "processes": trainer.processes.size,
        "versions": versions(),
        "trained": datetime.now(UTC).date().isoformat(),
    }


def of_structures(dataset: Dataset, train: np.ndarray) -> dict[str, Any]:
    """What a model's provenance says of the structures that it learned from, by which predictions of unlike ones are flagged.

    Args:
        dataset: all records.
        train: indices of those learned from.
    """
    store = dataset.store
    counts = Counter(z for i in train for z in set(store.Z[store.offsets[i] : store.offsets[i + 1]].tolist()))
    if store.recipe.bonds:
        counts[1] = int((_of_bonds(store, "hydrogens")[train] > 0).sum())
    return {
        "elements": {elements.symbols()[z]: counts[z] for z in sorted(counts)},
        "largest_image_rows": int(store.n_rows[train].max()),
        "charged_or_open_shell": _unusual_electrons(store, train),
        **_range_of_voids(dataset, train),
    }


def _unusual_electrons(store: ImageStore, train: np.ndarray) -> int:
    """How many training structures have a charge or an odd number of electrons."""
    before = np.concatenate([[0], np.cumsum(store.Z.astype(np.int64) * store.multiplicity)])
    electrons = np.diff(before[store.offsets])[train]
    charge = np.zeros(len(train), dtype=np.int64) if store.charge is None else store.charge[train].astype(np.int64)
    if store.recipe.bonds:
        electrons, charge = electrons + _of_bonds(store, "hydrogens")[train], _of_bonds(store, "formal_charge")[train]
    return int(((charge != 0) | ((electrons - charge) % 2 == 1)).sum())


def _of_bonds(store: ImageStore, name: str) -> np.ndarray:
    """Sum of a channel of :data:`~andersonn.structures.molecular_graph.BY_ATOM` over the atoms of each molecule, int64 ``[N]``."""
    assert store.of_row is not None  # images of bonds have these channels
    before = np.concatenate([[0.0], np.cumsum(store.of_row[:, store.recipe.node_channels.index(name)])])
    return np.rint(np.diff(before[store.offsets])).astype(np.int64)


def _range_of_voids(dataset: Dataset, train: np.ndarray) -> dict[str, Any]:
    """Least and greatest of each channel of a structure in training, by which predictions far outside are flagged."""
    if not dataset.store.recipe.voids:
        return {}
    columns = [dataset.store.recipe.graph_channels.index(name) for name in BY_STRUCTURE]
    assert dataset.store.of_whole is not None  # as there are channels
    values = dataset.store.of_whole[np.ix_(train, np.array(columns))].astype(float)
    ends = zip(values.min(axis=0).tolist(), values.max(axis=0).tolist(), strict=True)
    return {"range_of_voids": {name: list(pair) for name, pair in zip(BY_STRUCTURE, ends, strict=True)}}


def versions() -> dict[str, str]:
    """Of this package, of torch and of Python."""
    try:
        own = metadata.version("deep-andersonn")
    except metadata.PackageNotFoundError:
        own = "not installed"
    return {"andersonn": own, "torch": metadata.version("torch"), "python": platform.python_version()}
