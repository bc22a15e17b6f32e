"""Structures and their images as text between the processes of the web lab: arrays as safetensors, the rest as JSON.

No pickle: the process that reads what strangers send may have been taken over by it, and what comes from there must not
be able to run anything in the server. Structures are checked again when they are unpacked.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from andersonn.errors import InputError
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.molecular_graph import MolecularGraph
from andersonn.structures.structure import Structure

Ready = tuple[str, Structure, list[NodeNeighborImage]]
BYTES = "source_mol"
"""The one field of a structure that is bytes: as JSON, base 64."""
TEXTS = ("notes", "warnings")
"""Its fields that are tuples of text: as JSON, lists."""


def packed(ready: Ready) -> dict[str, Any]:
    """What a scientist can be asked, as JSON: ``arrays`` (safetensors in base 64) and ``notes``.

    Args:
        ready: name, structure, its images, as :func:`andersonn.structures.conformer_images.images_for` makes them.
    """
    shown, structure, images = ready
    arrays, notes = _split(structure, "structure/")
    if notes[BYTES] is not None:
        notes[BYTES] = base64.b64encode(notes[BYTES]).decode("ascii")
    of_images = []
    for number, image in enumerate(images):
        own, rest = _split(image, f"{number}/")
        arrays |= own
        of_images.append(rest | {"recipe": asdict(image.recipe)})
    return {
        "notes": {"shown": shown, "structure": notes, "images": of_images},
        "arrays": base64.b64encode(save(arrays)).decode("ascii"),
    }


def unpacked(row: dict[str, Any]) -> Ready:
    """What :func:`packed` packed, bit for bit.

    Raises:
        InputError: it is nothing that :func:`packed` made, or its structure is unsound.
    """
    try:
        arrays, notes = load(base64.b64decode(row["arrays"], validate=True)), row["notes"]
        rest = dict(notes["structure"])
        rest[BYTES] = None if rest[BYTES] is None else base64.b64decode(rest[BYTES], validate=True)
        kind = MolecularGraph if "structure/by_atom" in arrays else Structure
        structure = kind(**_under(arrays, "structure/"), **rest | {name: tuple(rest[name]) for name in TEXTS})
        images = [
            NodeNeighborImage(**_under(arrays, f"{number}/"), **each | {"recipe": ImageRecipe(**each["recipe"])})
            for number, each in enumerate(notes["images"])
        ]
        return str(notes["shown"]), structure, images
    except (SafetensorError, binascii.Error, KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"the process that reads answered with something else than structures: {type(error).__name__}"
        raise InputError("bad_answer", told, "this is a defect; please report it") from None


def _split(item: Structure | NodeNeighborImage, prefix: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The fields of an item that are arrays, by their names under a prefix, and those that are not."""
    values = {field.name: getattr(item, field.name) for field in fields(item)}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    rest = {name: value for name, value in values.items() if name not in arrays and name != "recipe"}
    return {prefix + name: np.ascontiguousarray(value) for name, value in arrays.items()}, rest


def _under(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
