"""Reading and imaging in a process apart, which may hang, crash or run out of memory without harm to the server.

It imports no torch, so that it starts fast and is small. See :class:`andersonn.workers.pool.Worker` for how it is asked.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

# What parsers load when they are first used; loaded here, it does not count as time of reading.
import ase.io.extxyz
import ase.io.vasp
import rdkit.Chem.AllChem
import scipy.spatial

from andersonn.data.tasks import Task
from andersonn.errors import InputError
from andersonn.structures.conformer_images import images_for
from andersonn.structures.frameworks import read_frameworks
from andersonn.structures.image import ImageRecipe
from andersonn.structures.readers import from_smiles, read_each
from andersonn.structures.readers.crystals import poscar
from andersonn.structures.readers.crystals.cif import parse
from andersonn.structures.readers.molecules import molfiles, pdb
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.readers.molecules.smiles import atomic_numbers
from andersonn.structures.readers.xyz import frames
from andersonn.structures.structure import Structure
from andersonn.web.inputs import ending_of
from andersonn.web.packing import packed
from andersonn.web.splitting import split, too_many

LOADED = (ase, rdkit, scipy, parse, frames, molfiles, pdb, poscar)
_PLACE: list[str] = []


def read(payload: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The structures of one item with their images, or what is wrong with it; or the parts of an item.

    Args:
        payload: ``known`` (``recipe``, ``conformers`` and ``task`` of who is asked) and an item as
            :meth:`andersonn.web.inputs.Item.as_payload` gives it, or a part of one, perhaps with ``strip_guests`` and ``clean``; with
            ``what`` ``"split"``, its parts are asked for.
        settings: ``atoms`` and ``structures`` (the most there may be), ``folder`` (where this process may write).

    Returns:
        ``{"found": [...]}``; each is ``{"ready": {...}}``, of which :func:`andersonn.web.packing.unpacked` makes what a
        scientist can be asked, or ``{"error": {...}}``. ``{"parts": [...]}``, as :func:`andersonn.web.splitting.split` gives
        them, if they are asked for.

    Raises:
        InputError: ``too_many`` structures; the item as a whole cannot be read.
    """
    confine(settings["folder"])
    if payload.get("what") == "split":
        return {"parts": split(payload, settings["structures"])}
    known = payload["known"]
    chosen = Task.from_dict(known["task"])
    recipe, found = ImageRecipe(**known["recipe"]), []
    with reading(recipe.bonds, known["conformers"], recipe.largest_part):
        structures = structures_of(payload, settings)
    for structure in structures:
        try:
            if isinstance(structure, InputError):
                raise structure
            chosen.require_kind(structure)
            ready = (payload["shown"], structure, images_for(structure, recipe, known["conformers"]))
            found.append({"ready": packed(ready)})
        except InputError as error:
            found.append({"error": error.as_dict()})
    return {"found": found}


def structures_of(payload: dict[str, Any], settings: dict[str, Any]) -> list[Structure | InputError]:
    """The structures of an item, or of a part of one, cleaned and stripped as ``clean`` and ``strip_guests`` of the payload ask; those
    with too many atoms are errors.

    Raises:
        InputError: as :func:`read`.
    """
    strip_guests, clean = payload.get("strip_guests", False), payload.get("clean", False)
    read_all = partial(read_frameworks, partial(_structures_of, payload, settings), strip_guests, clean)
    if "within" not in payload:
        return read_all()
    try:
        if "error" in payload:
            raise InputError(**payload["error"])
        found = read_all()
    except InputError as error:
        raise error.within(payload["within"]) from None
    (item,) = found  # a part is one SMILES, record or frame
    if isinstance(item, InputError):
        return [item.within(payload["within"])]
    return [replace(item, id=payload["id"]) if payload["id"] else item]


def one_of(payload: dict[str, Any], settings: dict[str, Any], number: int) -> Structure:
    """One structure of an item, counted from 0; of a list, no other is read.

    Raises:
        InputError: ``no_such_structure``; it is unsound, or as :func:`read`.
    """
    parts = split(payload, settings["structures"])
    found = structures_of(payload, settings) if parts is None else []
    count = len(found) if parts is None else len(parts)
    if not 0 <= number < count:
        told = f"there is no structure {number}; the input has {count}"
        raise InputError("no_such_structure", told, "count from 0")
    (structure,) = [found[number]] if parts is None else structures_of(_asked(payload) | parts[number], settings)
    if isinstance(structure, InputError):
        raise structure
    return structure


def _asked(payload: dict[str, Any]) -> dict[str, Any]:
    """What a payload asks of pores."""
    return {name: payload[name] for name in ("strip_guests", "clean") if name in payload}


def _structures_of(payload: dict[str, Any], settings: dict[str, Any]) -> list[Structure | InputError]:
    content = payload["content"].encode("latin-1")
    ending = ending_of(content, payload["shown"]) if payload["ending"] is None else payload["ending"]
    if not ending:
        text = content.decode("utf-8", errors="replace").strip()
        _check_size(text, len(atomic_numbers(text)), settings["atoms"])  # before a geometry, which may take minutes
        found: list[Structure | InputError] = [from_smiles(text, payload.get("id", ""))]
    else:
        path = Path(payload["stem"] + ending)  # in the folder of our own, see confine
        path.write_bytes(content)
        try:
            found = read_each(path)
        finally:
            path.unlink(missing_ok=True)
    if len(found) > settings["structures"]:
        raise too_many(settings["structures"])
    return [_bounded(item, settings["atoms"]) for item in found]


def confine(folder: str) -> None:
    """Moves this process to an empty folder of its own, once: a parser that looked for files beside the one it was given
    would find none.

    Args:
        folder: in which that one is made; who started this process removes it.
    """
    if _PLACE:
        return
    _PLACE.append(tempfile.mkdtemp(dir=folder))
    os.chdir(_PLACE[0])


def _bounded(item: Structure | InputError, most: int) -> Structure | InputError:
    try:
        if isinstance(item, Structure):
            _check_size(item.id or item.formula, len(item), most)
    except InputError as error:
        return error
    return item


def _check_size(name: str, atoms: int, most: int) -> None:
    if atoms > most:
        hint = "use andersonn predict, which has no limit"
        raise InputError("too_large", f"{name[:80]} has {atoms} atoms; the web lab takes at most {most}", hint)
