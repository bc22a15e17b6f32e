"""Images of many structures in flat arrays; for training, cached on disk.

The key of a cached store is a hash of the structures and of the image recipe, so that a changed file or recipe never reads an
outdated store. A prediction concatenates its images in memory (:meth:`ImageStore.from_images`) and touches no file.
"""

from __future__ import annotations

import json
import logging
import math
import mmap
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from andersonn.data.records import Records
from andersonn.errors import InputError, UsageError
from andersonn.io.files import from_json, write_whole
from andersonn.io.places import cache_folder
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.structure import Structure
from andersonn.workers.parallel import parallel_map

log = logging.getLogger(__name__)
Progress = Callable[[int, int], None]
Make = Callable[[Records, ImageRecipe], "ImageStore"]

PER_ROW = ("Z", "neighbor_index", "distance", "weight", "bonded", "multiplicity")


def _per_row(recipe: ImageRecipe) -> tuple[str, ...]:
    """Names of the arrays of images of a recipe that have one entry for each node."""
    return (*PER_ROW, *(["position"] if recipe.positions else []), *(["of_row"] if recipe.node_channels else []))


def _per_image(recipe: ImageRecipe) -> dict[str, type]:
    """Names and types of the values of images of a recipe that occur once for each structure."""
    return ({"charge": np.int32} if recipe.positions else {}) | (
        {"of_whole": np.float32} if recipe.graph_channels else {}
    )


@dataclass(frozen=True, eq=False)
class ImageStore:
    """Images of N structures with R nodes in all; structure s owns nodes ``offsets[s]`` to ``offsets[s + 1]``.

    Attributes:
        offsets: int64 ``[N + 1]``.
        Z: uint8 ``[R]``.
        neighbor_index: node within the structure, int32 ``[R, K]``.
        distance: Å, float32 ``[R, K]``.
        weight: float32 ``[R, K]``.
        bonded: bool ``[R, K]``.
        multiplicity: number of atoms that a node stands for, int32 ``[R]``.
        rejected: record index → error; a rejected record has no nodes.
        recipe: settings of the images.
        position: Å, float32 ``[R, 3]``; None unless the recipe asks for positions.
        charge: in e, int32 ``[N]``; None unless the recipe asks for positions.
        of_row: channels of nodes, named by the recipe's ``node_channels``, float32 ``[R, C]``; None if there are none.
        of_whole: channels of structures, named by ``graph_channels``, float32 ``[N, G]``, zeros where rejected; None if there
            are none.
    """

    offsets: np.ndarray
    Z: np.ndarray
    neighbor_index: np.ndarray
    distance: np.ndarray
    weight: np.ndarray
    bonded: np.ndarray
    multiplicity: np.ndarray
    rejected: dict[int, dict[str, str]]
    recipe: ImageRecipe
    position: np.ndarray | None = None
    charge: np.ndarray | None = None
    of_row: np.ndarray | None = None
    of_whole: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_rows(self) -> np.ndarray:
        """Number of nodes of each structure, int64 ``[N]``."""
        return np.diff(self.offsets)

    @classmethod
    def from_images(
        cls, images: Sequence[NodeNeighborImage], recipe: ImageRecipe, rejected: dict[int, dict[str, str]] | None = None
    ) -> ImageStore:
        """Concatenates images in memory; rejected ones must already be left out or empty."""
        rows = np.array([len(image) for image in images], dtype=np.int64)
        arrays = {name: np.concatenate([getattr(image, name) for image in images]) for name in _per_row(recipe)}
        for name, dtype in _per_image(recipe).items():
            arrays[name] = np.array([getattr(image, name) for image in images], dtype=dtype)
        return cls(np.concatenate([[0], np.cumsum(rows)]), **arrays, rejected=rejected or {}, recipe=recipe)

    @classmethod
    def build(
        cls,
        records: Records,
        recipe: ImageRecipe,
        workers: int | None = None,
        progress: Progress | None = None,
        make: Make | None = None,
        chunk: int | None = None,
    ) -> ImageStore:
        """Images of all records; unsound records are rejected, not fatal.

        Args:
            records: the structures.
            recipe: settings of the images.
            workers: number of processes; default: one for each core, or this process alone if there are few records.
            progress: called with (records done, records in all).
            make: makes the images of some records, equally many of each; default: one of each.
            chunk: records that a process takes at a time; default :data:`CHUNK`.

        Raises:
            UsageError: there are no records.
        """
        records.require_some()
        chunk = chunk or CHUNK
        workers = workers or (1 if len(records) < 2 * chunk else os.cpu_count() or 1)
        starts = range(0, len(records), chunk)
        chunks = (records.take(np.arange(s, min(s + chunk, len(records)))) for s in starts)
        stores = []
        for start, store in zip(starts, _map_chunks(chunks, recipe, workers, make or _image_chunk), strict=True):
            stores.append(store)
            if progress:
                progress(min(start + chunk, len(records)), len(records))
        return cls.joined(stores, recipe)

    @classmethod
    def joined(cls, stores: Sequence[ImageStore], recipe: ImageRecipe) -> ImageStore:
        """The images of several stores of one recipe, one after the other."""
        rows = np.concatenate([store.n_rows for store in stores])
        names = (*_per_row(recipe), *_per_image(recipe))
        arrays = {name: np.concatenate([getattr(store, name) for store in stores]) for name in names}
        first = np.concatenate([[0], np.cumsum([len(store) for store in stores])])
        rejected = {int(f) + i: e for f, s in zip(first, stores, strict=False) for i, e in s.rejected.items()}
        return cls(np.concatenate([[0], np.cumsum(rows)]), **arrays, rejected=rejected, recipe=recipe)

    def save(self, path: Path) -> None:
        """Writes the store as one safetensors file, whole or not at all."""
        notes: dict[str, Any] = {
            "recipe": asdict(self.recipe),
            "rejected": {str(i): e for i, e in self.rejected.items()},
        }
        names = ("offsets", *_per_row(self.recipe), *_per_image(self.recipe))
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in names}
        notes["crc32"] = _checksum(arrays)
        write_whole(path, lambda name: save_file(arrays, name, metadata={"notes": json.dumps(notes)}))

    @classmethod
    def load(cls, path: Path, mapped: bool = False) -> ImageStore:
        """Reads a saved store.

        Args:
            path: of the file.
            mapped: whether to memory-map the arrays read-only: processes on one machine then share the memory.

        Raises:
            ValueError: its content is not what was saved.
        """
        with safe_open(path, "numpy") as file:  # checks that the header and the file fit each other
            notes = from_json(file.metadata()["notes"])
            recipe = ImageRecipe(**notes["recipe"])
            names = ("offsets", *_per_row(recipe), *_per_image(recipe))
            arrays = _mapped(path, names) if mapped else {name: file.get_tensor(name) for name in names}
        if notes.get("crc32", (found := _checksum(arrays))) != found:  # older stores had none
            raise ValueError("its checksum is wrong")
        rejected = {int(i): error for i, error in notes["rejected"].items()}
        return cls(**arrays, rejected=rejected, recipe=recipe)


def _mapped(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Arrays of a safetensors file by their names, mapped read-only."""
    kept = {"U8": np.uint8, "I32": np.int32, "I64": np.int64, "F32": np.float32, "BOOL": np.bool_}
    with path.open("rb") as stream:
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    begin = 8 + int.from_bytes(content[:8], "little")
    header = from_json(content[8:begin])
    arrays = {}
    for name in names:
        dtype, shape = kept[header[name]["dtype"]], header[name]["shape"]
        first = begin + header[name]["data_offsets"][0]
        arrays[name] = np.frombuffer(content, dtype, math.prod(shape), first).reshape(shape)
    return arrays


CHUNK = 500


def _checksum(arrays: dict[str, np.ndarray]) -> int:
    """Checksum of the content of arrays in their order, against corruption on disk."""
    found = 0
    for array in arrays.values():
        found = zlib.crc32(array.reshape(-1).view(np.uint8).data, found)
    return found


def image_store(
    records: Records, recipe: ImageRecipe, workers: int | None = None, progress: Progress | None = None
) -> ImageStore:
    """The store of these records under this recipe: read from the cache, else made and cached."""
    return kept(_key(records, recipe), lambda: ImageStore.build(records, recipe, workers, progress))


def keep_plain(records: Records, store: ImageStore) -> ImageStore:
    """Caches the images of a store without their descriptors, so that they are not made again for who asks for them.

    Args:
        records: that were imaged.
        store: their images, with descriptors.
    """
    recipe = replace(store.recipe, descriptors="none")
    count = len(recipe.graph_channels)
    of_whole = np.ascontiguousarray(store.of_whole[:, :count]) if store.of_whole is not None and count else None
    return kept(_key(records, recipe), lambda: replace(store, recipe=recipe, of_whole=of_whole))


def shared_image_store(
    records: Records, recipe: ImageRecipe, make: bool = True, progress: Progress | None = None
) -> ImageStore:
    """:func:`image_store` for one of several processes: mapped from the file that all read.

    Args:
        records: what to image.
        recipe: how.
        make: whether it is made if there is none.
        progress: called with (records done, records in all) while it is made.

    Raises:
        UsageError: there is none, or it could not be cached.
    """
    path = _path(_key(records, recipe))
    try:
        try:
            return ImageStore.load(path, mapped=True)
        except (OSError, SafetensorError, ValueError):
            if not make:
                raise
        image_store(records, recipe, progress=progress)
        return ImageStore.load(path, mapped=True)
    except (OSError, SafetensorError, ValueError) as error:
        raise UsageError(
            "no_shared_images",
            f"the images that another process made are not at {str(path)!r}: {error}",
            "set ANDERSONN_CACHE to a writable folder that all processes of a machine see",
        ) from None


def _key(records: Records, recipe: ImageRecipe) -> str:
    return f"{(records.bonds_digest if recipe.bonds else records.made_digest)[:24]}-{recipe.key}"


def _path(key: str) -> Path:
    return cache_folder() / "images" / f"{key}.safetensors"


def kept(key: str, build: Callable[[], ImageStore]) -> ImageStore:
    """The store cached under a key; built and cached if there is none."""
    path = _path(key)
    try:
        return ImageStore.load(path)
    except FileNotFoundError:
        pass
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        log.warning("the stored images %s are unreadable (%s) and are made again", path, error)
    store = build()
    try:
        store.save(path)
    except OSError as error:
        log.warning("the images cannot be kept in %s (%s); set ANDERSONN_CACHE to a writable folder", path, error)
    return store


def _map_chunks(chunks: Iterable[Records], recipe: ImageRecipe, workers: int, make: Make) -> Iterator[ImageStore]:
    if workers == 1:
        yield from (make(chunk, recipe) for chunk in chunks)
        return
    yield from parallel_map(make, ((chunk, recipe) for chunk in chunks), workers, streamed=True)


def _image_chunk(records: Records, recipe: ImageRecipe) -> ImageStore:
    images, rejected = [], {}
    for i in range(len(records)):
        try:
            with reading(recipe.bonds, largest_part=recipe.largest_part):
                structure = records[i]
            images.append(NodeNeighborImage.from_structure(structure, recipe))
        except InputError as error:
            rejected[i] = error.as_dict()
            images.append(no_rows(recipe))
    return ImageStore.from_images(images, recipe, rejected)


def no_rows(recipe: ImageRecipe) -> NodeNeighborImage:
    """The image of a rejected record: no nodes."""
    simple = replace(recipe, voids=False, filling=False, bonds=False, descriptors="none", largest_part=False)
    lone = NodeNeighborImage.from_structure(Structure(np.array([1]), np.zeros((1, 3))), simple)
    if recipe.node_channels:
        lone = replace(lone, of_row=np.zeros((1, len(recipe.node_channels)), dtype=np.float32))
    if recipe.graph_channels:
        lone = replace(lone, of_whole=np.zeros(len(recipe.graph_channels), dtype=np.float32))
    names = (*_per_row(recipe), "neighbor_vector", "color", "atom_row")
    return replace(lone, **{name: getattr(lone, name)[:0] for name in names}, id="", recipe=recipe)
