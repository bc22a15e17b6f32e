"""POSCAR, xyz and extended xyz, by ASE."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

from andersonn.errors import InputError
from andersonn.matter.readers.objects import as_structure
from andersonn.matter.structure import Structure


def parse_poscar(text: str, name: str) -> list[Structure]:
    """The one structure of a VASP POSCAR or CONTCAR (version 5, with element symbols)."""
    from ase.io.vasp import read_vasp

    hint = "check the cell, the line of element symbols (VASP 5), the counts, and that no line is missing"
    return _structures("bad_poscar", "POSCAR", hint, lambda: [read_vasp(io.StringIO(text))], name)


def parse_xyz(text: str, name: str) -> list[Structure]:
    """All frames of an xyz or extended xyz file; a ``Lattice`` makes a frame periodic."""
    from ase.io.extxyz import read_xyz

    hint = "the first line gives the number of atoms, the third and following one atom each: symbol x y z"
    return _structures("bad_xyz", "xyz file", hint, lambda: list(read_xyz(io.StringIO(text), slice(None))), name)


def _structures(kind: str, what: str, hint: str, read: Callable[[], list[Any]], name: str) -> list[Structure]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frames = read()
    except KeyError as error:
        raise InputError("unknown_element", f"the {what} names the unknown element {error}", hint) from None
    except Exception as error:  # ASE's parsers raise whatever the broken line runs into
        raise InputError(kind, f"cannot read the {what}: {type(error).__name__}: {error}", hint) from None
    if not frames:
        raise InputError(kind, f"the {what} has no atoms", hint)
    names = [name] if len(frames) == 1 else [f"{name}:{k}" for k in range(1, len(frames) + 1)]
    return [as_structure(frame, id) for frame, id in zip(frames, names, strict=True)]
