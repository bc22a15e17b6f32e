"""Samples as scikit-learn passes them → graph images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from andersonn.data.conformers import ExtraConformers
from andersonn.data.store import ImageStore
from andersonn.data.tasks import Task
from andersonn.errors import InputError, UsageError
from andersonn.structures import elements
from andersonn.structures.conformer_images import further_images
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers import one_structure
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.structure import Structure
from andersonn.workers.parallel import parallel_map

CHUNK = 100
"""Samples a process takes at a time."""


class DataError(UsageError, ValueError):
    """X or y cannot be used: a ValueError too, as scikit-learn expects it."""


class Samples(NamedTuple):
    """Images of n samples.

    Attributes:
        store: of one image each.
        further: images of further conformers of those whose geometry a reader made; None if there are none.
        made: whose geometry a reader made, bool ``[n]``.
        formulas: reduced formula of each.
    """

    store: ImageStore
    further: ExtraConformers | None
    made: np.ndarray
    formulas: list[str]

    def __len__(self) -> int:
        return len(self.made)


def listed_samples(X: Any) -> list[Any]:
    """The samples of X: a list, an array of objects, a pandas Series, or a table of one column.

    Raises:
        DataError: X is a single structure, a table of several columns, or empty.
    """
    if hasattr(X, "columns"):
        if len(X.columns) != 1:
            raise DataError(
                "bad_samples",
                f"X is a table of {len(X.columns)} columns",
                "give its column of structures: a sample is one structure",
            )
        X = X.iloc[:, 0] if hasattr(X, "iloc") else X[X.columns[0]]
    alone = isinstance(X, (str, os.PathLike, Structure, NodeNeighborImage)) or not isinstance(X, Iterable)
    if alone or hasattr(X, "get_positions") or hasattr(X, "cart_coords"):
        raise DataError("bad_samples", f"X is a single {type(X).__name__}", "give a list of structures")
    samples = list(X)
    if not samples:
        raise DataError("no_samples", "X holds 0 samples, and at least 1 is required", "give a list of structures")
    return samples


def samples_of(
    X: Any, recipe: ImageRecipe, task: Task | None = None, conformers: int = 1, n_jobs: int | None = None
) -> Samples:
    """The images of the samples of X.

    Args:
        X: files, SMILES, Structures, objects of ASE, pymatgen or RDKit, or images of that recipe.
        recipe: how images are made.
        task: whose kind the structures must be of; images are taken as they are.
        conformers: geometries of a molecule that has none, at most.
        n_jobs: processes, as scikit-learn counts them; None: this one.

    Raises:
        DataError: X is no list of samples.
        InputError: a sample cannot be read or imaged, or is an image of another recipe; the message says which.
    """
    made = made_images(listed_samples(X), recipe, task, conformers, n_jobs)
    images = [own[0] for own, _ in made]
    others = [(image, i) for i, (own, _) in enumerate(made) for image in own[1:]]
    further = None
    if others:
        of = np.array([i for _, i in others], dtype=np.int64)
        further = ExtraConformers(ImageStore.from_images([image for image, _ in others], recipe), of)
    store = ImageStore.from_images(images, recipe)
    formulas = [elements.formula(np.repeat(image.Z, image.multiplicity)) for image in images]
    return Samples(store, further, np.array([is_made for _, is_made in made]), formulas)


def made_images(
    samples: Sequence[Any], recipe: ImageRecipe, task: Task | None, conformers: int, n_jobs: int | None
) -> list[tuple[list[NodeNeighborImage], bool]]:
    """Of each sample its images, and whether its geometry was made by a reader; see :func:`samples_of`."""
    starts = range(0, len(samples), CHUNK)
    work = ((samples[s : s + CHUNK], s, recipe, task, conformers) for s in starts)
    return [made for part in parallel_map(_chunk, work, n_jobs) for made in part]


def _chunk(
    samples: Sequence[Any], start: int, recipe: ImageRecipe, task: Task | None, conformers: int
) -> list[tuple[list[NodeNeighborImage], bool]]:
    return [_images(item, start + k, recipe, task, conformers) for k, item in enumerate(samples)]


def _images(
    item: Any, position: int, recipe: ImageRecipe, task: Task | None, conformers: int
) -> tuple[list[NodeNeighborImage], bool]:
    if isinstance(item, NodeNeighborImage):
        if item.recipe != recipe:
            raise InputError(
                "other_recipe",
                f"sample {position} is an image made as {item.recipe}, and {recipe} is asked for",
                "give GraphImager the task and options of the estimator",
            )
        return [item], False
    with reading(recipe.bonds, largest_part=recipe.largest_part):
        structure = one_structure(item, position)
    try:
        if task is not None:
            task.require_kind(structure)
        image = NodeNeighborImage.from_structure(structure, recipe)
    except InputError as error:
        raise error.within(f"sample {position}") from None
    return [image, *further_images(structure, recipe, conformers - 1)], structure.generated_geometry
