"""Records of a task made ready for training: images, labels, splits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from andersonn.config import TrainConfig
from andersonn.data.conformers import ExtraConformers, extra_conformers_of
from andersonn.data.plausible import check_unit, unit_hint
from andersonn.data.records import SPLITS, Records, content_of
from andersonn.data.splits import split_of
from andersonn.data.store import ImageStore, Progress, image_store, shared_image_store
from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.structures import oxidation
from andersonn.structures.descriptors import composition_features
from andersonn.structures.filling import DENSITY
from andersonn.structures.image import ImageRecipe
from andersonn.training.process_group import SINGLE, ProcessGroup

BESIDE_COMPOSITION = (*oxidation.BY_STRUCTURE, *DENSITY)
"""Channels of a structure that the baseline reads too."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a trainer needs.

    Attributes:
        records: all records, the unusable ones included.
        store: their images.
        values: the task's quantity, float64 ``[N]``.
        labels: class index, int64 ``[N]``; -1 where unusable.
        sides: split (``"train"``, ``"validation"``, ``"test"``) → indices of usable records.
        unusable: record index → reason.
        doubt: a warning about the labels as a whole, such as a suspected unit; empty if there is none.
        others: further conformers of training molecules, which an epoch may show instead; None if there are none.
    """

    records: Records
    store: ImageStore
    values: np.ndarray
    labels: np.ndarray
    sides: dict[str, np.ndarray]
    unusable: dict[int, str]
    doubt: str = ""
    others: ExtraConformers | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of all that training depends on: structures, values of the quantity, and the records of each split."""
        records = self.records
        content = hashlib.sha256((records.bonds_digest if self.by_bonds else records.made_digest).encode())
        content.update(content_of(self.values))
        for side in SPLITS:
            content.update(f"{side} {len(self.sides[side])}".encode())
            content.update(self.sides[side].astype(np.int64).tobytes())
        return content.hexdigest()

    @property
    def usable(self) -> np.ndarray:
        """Indices of all usable records."""
        return np.concatenate([self.sides[side] for side in SPLITS])

    @property
    def made(self) -> np.ndarray:
        """Of which records the geometry was generated from SMILES, bool ``[N]``; of none if they are read without one."""
        return self.records.is_null("positions") & (not self.by_bonds)

    @property
    def by_bonds(self) -> bool:
        """Whether molecules are read by their bonds alone."""
        return self.store.recipe.bonds

    def shown(self, balance: float) -> np.ndarray:
        """Indices of training records as an epoch shows them: those of a file ``(n_largest / n)^balance`` times, rounded,
        if several files of n records each were merged.
        """
        train, files = self.sides["train"], self.records.files
        if files is None or balance == 0.0:
            return train
        _, file, counts = np.unique(files[train], return_inverse=True, return_counts=True)
        times = np.rint((counts.max() / counts) ** balance).astype(np.int64)
        return np.repeat(train, times[file])

    def require_trainable(self, task: Task) -> None:
        """Checks that every split has records and every class is among the training ones.

        Raises:
            UsageError: one has not.
        """
        for side in SPLITS:
            if not len(self.sides[side]):
                raise UsageError(
                    "empty_split", f"no usable record on the {side} side of the split", "give more groups or records"
                )
        absent = [name for c, name in enumerate(task.classes) if not (self.labels[self.sides["train"]] == c).any()]
        if absent:
            raise UsageError(
                "empty_class",
                f"no training record of class {', '.join(absent)} at the thresholds "
                f"{', '.join(f'{cut:g}' for cut in task.thresholds)} {task.unit}",
                self.doubt or "move the thresholds (thresholds=…) or give more records",
            )

    def composition(self, indices: np.ndarray) -> np.ndarray:
        """Composition features of some records ``[n, F]``, for the baseline, with densities where the images hold them and what the
        count of electrons says where they were counted.
        """
        features = np.stack([composition_features(Z) for Z in atomic_numbers(self.records, indices)])
        shown = [c for c, name in enumerate(self.store.recipe.graph_channels) if name in BESIDE_COMPOSITION]
        if not shown:
            return features
        assert self.store.of_whole is not None  # as there are channels
        return np.hstack([features, self.store.of_whole[indices][:, shown]])

    @property
    def features(self) -> str:
        """What :meth:`composition` holds, in words."""
        recipe = self.store.recipe
        parts = [
            "composition",
            *(["oxidation states"] if recipe.oxidation else []),
            *(["density"] if recipe.voids or recipe.filling else []),
        ]
        return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]

    def computed(self, indices: np.ndarray, task: Task) -> dict[str, np.ndarray]:
        """What geometry alone says of a task's quantity: name of the channel → values ``[n]``; empty if it says nothing."""
        channels = self.store.recipe.graph_channels
        names = [name for name in channels if name in task.geometric_baselines]
        if not names:
            return {}
        assert self.store.of_whole is not None  # as there are channels
        return {name: self.store.of_whole[indices, channels.index(name)].astype(float) for name in names}


def atomic_numbers(records: Records, indices: np.ndarray) -> list[np.ndarray]:
    """Atomic numbers of some usable records, without making their structures."""
    found = []
    for i in indices:
        Z = records.atomic_numbers(int(i))
        assert Z is not None  # else the record were not usable
        found.append(Z)
    return found


def misfits(records: Records, task: Task) -> tuple[np.ndarray, str]:
    """Which records are not of the kind that a task is about, bool ``[N]``, and why, in words."""
    no_cell = records.is_null("cell")
    if task.periodic is None:
        return np.zeros(len(records), dtype=bool), ""
    if task.periodic:
        return no_cell, f"{task.name} needs a cell"
    return ~no_cell, f"{task.name} is about molecules without a cell"


def prepare(
    records: Records,
    task: Task,
    config: TrainConfig,
    progress: Progress | None = None,
    processes: ProcessGroup = SINGLE,
) -> Dataset:
    """Images, labels and split of the records of a task.

    Args:
        records: with the task's quantity as a column.
        task: what is asked of them.
        config: options.
        progress: listener.
        processes: that share the images: one makes them, unless they are cached, and all read the one file.

    Raises:
        UsageError: there are no records, a column is missing or of the wrong type, or the labels are in another unit than
            the task's.
    """
    values = records.label(task.quantity)
    doubt = check_unit(task, values)
    store = _store(records, config.image, progress, processes)
    unusable = {i: f"{error['message']}" for i, error in store.rejected.items()}
    unusable |= _bad_labels(records, values, task)
    unusable |= records.problems
    wrong, why = misfits(records, task)
    wrong[list(records.problems)] = False
    unusable |= {int(i): why for i in np.flatnonzero(wrong)}
    usable = np.ones(len(records), dtype=bool)
    usable[list(unusable)] = False
    if config.limit is not None and config.limit < usable.sum():
        chosen = np.random.default_rng(config.seed).permutation(np.flatnonzero(usable))[: config.limit]
        usable[:] = False
        usable[chosen] = True
    sides = {side: indices[usable[indices]] for side, indices in split_of(records, config.split).items()}
    labels = task.class_of(np.nan_to_num(values))
    labels[list(unusable)] = -1
    return Dataset(records, store, values, labels, sides, unusable, doubt)


def with_conformers(
    dataset: Dataset, count: int, progress: Progress | None = None, processes: ProcessGroup = SINGLE
) -> Dataset:
    """The same with up to ``count`` further conformers of each training molecule whose geometry was generated.

    Args:
        dataset: of :func:`prepare`.
        count: at least one.
        progress: listener, of molecules.
        processes: that share the images: one makes them, and all read them from the cache.
    """

    def make() -> ExtraConformers | None:
        recipe = dataset.store.recipe
        return extra_conformers_of(dataset.records, dataset.sides["train"], recipe, count, progress)

    return replace(dataset, others=make() if processes.is_single else processes.make_once(make, make))


def _store(records: Records, recipe: ImageRecipe, progress: Progress | None, processes: ProcessGroup) -> ImageStore:
    if processes.is_single:
        return image_store(records, recipe, progress=progress)
    return processes.make_once(
        lambda: shared_image_store(records, recipe, progress=progress),
        lambda: shared_image_store(records, recipe, make=False),
    )


def _bad_labels(records: Records, values: np.ndarray, task: Task) -> dict[int, str]:
    """Record index → what is wrong with its value of the task's quantity."""
    reasons = (
        f"{task.quantity} is null" if null else task.why_impossible(value)
        for null, value in zip(records.is_null(task.quantity), values.tolist(), strict=True)
    )
    found = {index: reason for index, reason in enumerate(reasons) if reason}
    beyond = [index for index in found if values[index] > task.highest]
    return found | {index: found[index] + unit_hint(task, values[index]) for index in beyond}
