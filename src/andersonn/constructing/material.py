"""What candidates are made of: images, labels, sides and folds of a table, and what a shipped scientist sees of its structures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from andersonn.config import TrainConfig
from andersonn.constructing.understanding import Understanding
from andersonn.data.records import SPLITS, Records
from andersonn.data.store import image_store
from andersonn.data.tasks import Task
from andersonn.errors import UsageError
from andersonn.inference.forward import Outputs, forward
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import EquilibriumNetwork, KernelNetwork
from andersonn.models.trees_beside import without_trees
from andersonn.progress import Progress
from andersonn.scientists.registry import registered, weights_folder
from andersonn.structures import descriptors
from andersonn.structures.descriptors import FRAGMENTS, Kind
from andersonn.structures.image import ImageRecipe
from andersonn.training.dataset import Dataset
from andersonn.training.likeness import Features, Likeness

FOLDS = 10
"""Of training and validation structures; each is answered by the others."""
DIVIDED = 0.1
"""Share of the test side whose groups are in training too, from which a split is taken not to keep groups."""
FEWEST = 10
"""Usable structures; of fewer nothing can be learned."""


@dataclass(frozen=True, eq=False)
class Material:
    """A table as candidates see it.

    Attributes:
        task: what is asked.
        start: the shipped scientist that has seen the structures.
        config: of its training, with the images that were made.
        dataset: images, labels, sides.
        features: of the structures at ``fitted``, then at the test side.
        fitted: indices of training and validation structures, int64 ``[n]``.
        folds: number of the fold of each of them, ``[n]``.
        tested: indices of the test side.
        outputs: of the shipped network for ``fitted``.
        adapted: a second network, whose states follow those of the shipped one; None: there is none.
    """

    task: Task
    start: ModelBundle
    config: TrainConfig
    dataset: Dataset
    features: Features
    fitted: np.ndarray
    folds: np.ndarray
    tested: np.ndarray
    outputs: Outputs
    adapted: EquilibriumNetwork | None = None

    @property
    def values(self) -> np.ndarray:
        """Labels of the structures at ``fitted``, float64 ``[n]``."""
        return self.dataset.values[self.fitted]

    @property
    def of_fitted(self) -> Features:
        """Features of the structures at ``fitted``."""
        return self.features.of(np.arange(len(self.fitted)))

    @cached_property
    def likeness(self) -> Likeness:
        """The structures at ``fitted``, compared with each other."""
        return Likeness(self.of_fitted)

    @property
    def of_tested(self) -> Features:
        """Features of the test side."""
        return self.features.of(np.arange(len(self.fitted), len(self.features.states)))


def task_of(understood: Understanding) -> Task:
    """The question that a table asks."""
    values, name = understood.values, understood.name
    classes, thresholds = understood.classes, understood.thresholds
    if understood.kind == "labels":
        classes, thresholds = understood.classes, tuple(k + 0.5 for k in range(len(understood.classes) - 1))
        answer = "label"
    elif thresholds:
        answer = "class"
    else:
        answer, classes, thresholds = "number", ("lower_half", "upper_half"), (_middle(values),)
    bounded = understood.kind == "number" and float(values.min()) == 0.0 and float((values == 0.0).mean()) > ZEROS
    matter = "crystals" if understood.periodic else "molecules"
    return Task(
        name=name,
        quantity=understood.quantity,
        unit=understood.unit,
        classes=classes,
        thresholds=thresholds,
        periodic=understood.periodic,
        lowest=0.0 if bounded else -np.inf,
        noun=understood.target.replace("_", " "),
        summary=f"{matter}: {understood.target.replace('_', ' ')}, from {understood.source}",
        reference=understood.source,
        answer=answer,  # type: ignore[arg-type]  # one of the three
    )


ZEROS = 0.02
"""Fraction of zeros, with nothing below, from which zero is taken for the least possible value."""


def _middle(values: np.ndarray) -> float:
    """A threshold with labels on both sides, as near to the median as can be."""
    middle = float(np.median(values))
    return middle if (values < middle).any() else float(np.unique(values)[:2].mean())


@dataclass(frozen=True)
class Start:
    """A trained model from which a construction may start.

    Attributes:
        name: for people.
        folder: of its files.
        slow: whether its images take long, as those of pores.
    """

    name: str
    folder: Path
    slow: bool = False


def starts_for(understood: Understanding) -> list[Start]:
    """The shipped scientists of that kind of structure, those first whose images take least time. Molecules are read by their bonds
    where a scientist can.
    """
    specs = []
    for spec in registered().values():
        if spec.task.periodic is not understood.periodic or not spec.trained:
            continue
        by_bonds = not understood.periodic and "none" in spec.geometries and _has_bonds(understood)
        specs.append(spec.of_geometry("none") if by_bonds else spec)
    if not specs:
        kind = "crystals" if understood.periodic else "molecules"
        raise UsageError("no_start", f"no shipped scientist is about {kind}", "install the package anew")
    found = [Start(spec.name, weights_folder(spec), bool(spec.preset.get("image.voids"))) for spec in specs]
    return sorted(found, key=lambda start: (start.slow, start.name))


def _has_bonds(understood: Understanding) -> bool:
    """Whether all molecules are given by their bonds."""
    records = understood.records
    return "smiles" in records.table.column_names and not records.is_null("smiles").any()


def material_for(understood: Understanding, given: Start, seed: int, progress: Progress) -> Material:
    """Images, sides and features of a table, as one trained scientist sees its structures.

    Raises:
        UsageError: too few structures can be imaged.
    """
    start = ModelBundle.load(given.folder)
    if not isinstance(start.network, EquilibriumNetwork) or isinstance(start.network, KernelNetwork):
        told = f"{given.name} is an ensemble or was constructed itself, and nothing can start from it"
        raise UsageError("bad_start", told, "start from a shipped scientist, or from a model that train made")
    start = replace(start, network=without_trees(start.network))  # they answer the shipped question alone
    recipe = _recipe(start.config.image, understood.largest_part)
    config = start.config.model_copy(update={"image": recipe, "thresholds": None, "conformers": 1, "limit": None})
    task, records = task_of(understood), understood.records
    progress.start("graph images", len(records))
    store = image_store(records, recipe, progress=lambda done, _: progress.update(done))
    progress.finish()
    unusable = {i: error["message"] for i, error in store.rejected.items()}
    sides = {side: _usable(understood.sides[side], unusable) for side in SPLITS}
    labels = task.class_of(understood.values)
    dataset = Dataset(records, store, understood.values, labels, sides, unusable)
    fitted, tested = np.concatenate([sides["train"], sides["validation"]]), sides["test"]
    if len(fitted) < FEWEST or not len(tested):
        few = f"only {len(fitted) + len(tested)} of {len(records)} structures can be used"
        reasons = "; ".join(dict.fromkeys(unusable.values())) or "the table is small"
        raise UsageError("too_few", f"{few}: {reasons[:300]}", "give more rows, or correct these")
    whole = np.concatenate([fitted, tested])
    progress.start("shipped network", 1)
    outputs = forward(start.network, store, whole)
    progress.finish()
    numbers, fragments = _split(store.of_whole, recipe.descriptors, whole)
    return Material(
        task=task,
        start=start,
        config=config,
        dataset=dataset,
        features=Features(outputs.states, numbers, fragments),
        fitted=fitted,
        folds=folds_of(understood, fitted, seed),
        tested=tested,
        outputs=outputs.part(np.arange(len(fitted))),
    )


def _recipe(own: ImageRecipe, largest_part: bool) -> ImageRecipe:
    """The images of a scientist, with descriptors."""
    kind: Kind = "molecule" if own.bonds else "composition"
    return replace(own, descriptors=kind, largest_part=largest_part and own.bonds)


def _usable(indices: np.ndarray, unusable: dict[int, str]) -> np.ndarray:
    return indices[~np.isin(indices, list(unusable))]


def _split(of_whole: np.ndarray | None, kind: Kind, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers ``[n, G]`` and counts of fragments ``[n, F]`` among the channels of the whole."""
    assert of_whole is not None  # the recipe has descriptors
    count = len(descriptors.names_of(kind))
    own = of_whole[chosen][:, -count:]
    fragments = FRAGMENTS if kind == "molecule" else 0
    return own[:, : count - fragments], own[:, count - fragments :]


def folds_of(understood: Understanding, chosen: np.ndarray, seed: int) -> np.ndarray:
    """The fold of each structure: whole groups, as they are on one side; at random where a column divides groups among the sides, so
    that a fold is to the others what the test side is to training.
    """
    groups = np.array(understood.records.groups)
    tested = groups[understood.sides["test"]]
    divided = len(tested) > 0 and np.isin(tested, groups[chosen]).mean() > DIVIDED
    names = np.arange(len(chosen)) if divided else np.unique(groups[chosen], return_inverse=True)[1]
    return _evenly(names, np.random.default_rng(seed))


def _evenly(names: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Folds of about equal size from whole groups: the largest groups first, each to the smallest fold."""
    counts = np.bincount(names)
    order = random.permutation(len(counts))
    order = order[np.argsort(-counts[order], kind="stable")]
    sizes, fold = np.zeros(FOLDS, dtype=np.int64), np.zeros(len(counts), dtype=np.int64)
    for group in order:
        fold[group] = int(sizes.argmin())
        sizes[fold[group]] += counts[group]
    return fold[names]


def walk(fold: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions of those outside and inside each fold that has any."""
    for k in np.unique(fold):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)


def with_sides(understood: Understanding) -> Records:
    """The records with a column of their sides, so that trainings and tests divide them in the same way."""
    table = understood.records.table
    sides = np.full(len(table), "train", dtype=object)
    for side, indices in understood.sides.items():
        sides[indices] = side
    if "split" in table.column_names:
        table = table.drop_columns(["split"])
    table = table.append_column("split", pa.array(sides.tolist(), pa.string()))
    # Parquet names the content of lists "element"; so named here, a digest is the same before and after writing.
    fields = [
        pa.field(
            field.name,
            pa.list_(pa.field("element", field.type.value_type)) if pa.types.is_list(field.type) else field.type,
        )
        for field in table.schema
    ]
    return Records(table.cast(pa.schema(fields)), understood.records.source)
