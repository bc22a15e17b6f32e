"""Stored images of further conformers of molecules whose geometry was generated: predictions are averaged over them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial

import numpy as np

from andersonn.data.records import Records
from andersonn.data.store import ImageStore, Progress, kept, no_rows
from andersonn.structures.conformer_images import further_images
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers.molecules.embedding import FURTHER_PROTOCOL

CHUNK = 50
"""Records that a process takes at a time: the conformers of one take a tenth of a second."""
NOT_MADE = {"kind": "no_conformer", "message": "this conformer could not be made", "hint": "the others do without it"}


@dataclass(frozen=True, eq=False)
class ExtraConformers:
    """Images of further conformers of the structures of a store.

    Attributes:
        store: M images; conformers that could not be generated have no nodes.
        of: index of the structure of each image in that store, int64 ``[M]``.
    """

    store: ImageStore
    of: np.ndarray

    def those_of(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images of the structures at ``indices``: their numbers ``[m]``, and the position in ``indices`` of the structure of
        each ``[m]``.
        """
        order = np.argsort(indices, kind="stable")
        place = np.searchsorted(indices, self.of, sorter=order)
        owner = order[np.minimum(place, len(order) - 1)]
        images = np.flatnonzero((indices[owner] == self.of) & (self.store.n_rows > 0))
        return images, owner[images]


def extra_conformers_of(
    records: Records, indices: np.ndarray, recipe: ImageRecipe, count: int, progress: Progress | None = None
) -> ExtraConformers | None:
    """Up to ``count`` further conformers of each of the records at ``indices`` whose geometry is generated from SMILES; cached on
    disk. The records must be sound. None if there are no such records.
    """
    made = indices[records.is_null("positions")[indices]]
    if count < 1 or not len(made):
        return None
    part = records.take(made)
    protocol = hashlib.blake2b(f"{FURTHER_PROTOCOL}; {count}".encode(), digest_size=4).hexdigest()
    make = partial(_image_chunk, count=count)
    store = kept(
        f"{part.made_digest[:24]}-{recipe.key}-{protocol}",
        lambda: ImageStore.build(part, recipe, progress=progress, make=make, chunk=CHUNK),
    )
    return ExtraConformers(store, np.repeat(made, count))


def _image_chunk(records: Records, recipe: ImageRecipe, count: int) -> ImageStore:
    images: list[NodeNeighborImage] = []
    rejected: dict[int, dict[str, str]] = {}
    for i in range(len(records)):
        found = further_images(records[i], recipe, count)
        rejected |= {i * count + k: NOT_MADE for k in range(len(found), count)}
        images += [*found, *(no_rows(recipe) for _ in range(len(found), count))]
    return ImageStore.from_images(images, recipe, rejected)
