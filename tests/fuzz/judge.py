"""What became of an input: a structure, a named error, or something that must not be."""

from __future__ import annotations

import random
import tempfile
import traceback
from pathlib import Path

import numpy as np

from andersonn.errors import AndersonnError, InputError
from andersonn.sanitize import UNSEEN
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers import Smiles, read_content, read_each, structures_of
from andersonn.structures.structure import Structure
from tests.fuzz import packed

READ = "read"
IMAGED = 50
"""One readable input in so many becomes an image as well."""
LONGEST_MESSAGE = 1200
"""Characters; an error that says more than this quotes the input at length."""
RECIPES = (ImageRecipe(oxidation=True), ImageRecipe(fold=False, columns=8), ImageRecipe(fold=False, positions=True))
WITH_VOIDS = ImageRecipe(voids=True, oxidation=True)


class Finding(Exception):
    """Not as promised: of which kind, and the trace."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind)
        self.kind, self.detail = kind, detail


def judge(kind: str, name: str, content: bytes, folder: Path | None = None) -> tuple[str, list[Structure]]:
    """Reads an input and returns ``"read"`` or the kind of its error, and its sound structures.

    Args:
        kind: format.
        name: the file's name.
        content: what it holds.
        folder: write it to a file there, and read that.

    Raises:
        Finding: it ended neither in structures nor in named errors.
    """
    try:
        items = _read(kind, name, content, folder)
    except AndersonnError as error:
        _check_error(error)
        return error.kind, []
    except MemoryError:
        raise Finding("memory", traceback.format_exc()) from None
    except Exception as error:
        raise Finding(f"unnamed:{type(error).__name__}", traceback.format_exc()) from None
    if not isinstance(items, list) or not items:
        raise Finding("contract", f"neither structure nor error but {items!r:.200}")
    for item in items:
        if isinstance(item, InputError):
            _check_error(item)
        elif not isinstance(item, Structure) or not len(item) or not np.isfinite(item.xyz).all():
            raise Finding("contract", f"neither structure nor error but {item!r:.200}")
        else:
            f"{item.id} {item.formula} {item.notes}".encode()
    sound = [item for item in items if isinstance(item, Structure)]
    return (READ, sound) if sound else (items[0].kind, [])


def _read(kind: str, name: str, content: bytes, folder: Path | None) -> list[Structure | InputError]:
    if kind in packed.ENDS:
        if folder is not None:
            return packed.read_library(name, content, folder)
        with tempfile.TemporaryDirectory() as made:
            return packed.read_library(name, content, Path(made))
    if kind == "word":
        return structures_of(name, Smiles(content.decode("utf-8", "replace")))
    if folder is None:
        return read_content(content, Path(name))
    path = folder / name
    path.write_bytes(content)
    return read_each(path)


def _check_error(error: AndersonnError) -> None:
    text = str(error)
    if not error.kind or not error.message or not error.hint:
        raise Finding("contract", f"an error without kind, message or hint: {error.as_dict()}")
    if "MemoryError" in text or "bad_alloc" in text:
        raise Finding("memory", text)
    if len(text) > LONGEST_MESSAGE or UNSEEN.search(text):
        raise Finding("long or unshowable message", f"{len(text)} characters: {text[:2000]!r}")


def recipe_for(structure: Structure, rng: random.Random) -> ImageRecipe:
    """One of the recipes, drawn; that of voids for few atoms alone."""
    recipe = rng.choice(RECIPES)
    if structure.periodic and (recipe.positions or (len(structure) <= 60 and rng.random() < 0.2)):
        return WITH_VOIDS
    return recipe


def image(structure: Structure, recipe: ImageRecipe) -> None:
    """Makes an image of a structure, which it must give unless an error says why not.

    Raises:
        Finding: something else happened.
    """
    try:
        made = NodeNeighborImage.from_structure(structure, recipe)
    except AndersonnError as error:
        _check_error(error)
        return
    except Exception as error:
        raise Finding(f"image:{type(error).__name__}", traceback.format_exc()) from None
    if not all(np.isfinite(plane).all() for plane in (*made.channels().values(), made.neighbor_vector)):
        raise Finding("image:not finite", structure.id)
