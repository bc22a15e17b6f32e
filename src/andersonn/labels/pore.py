"""Pore diameters by Zeo++, through pyzeo."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from andersonn.errors import InputError
from andersonn.labels.jobs import structure_from_json
from andersonn.labels.run import Labeler, require
from andersonn.structures.structure import Structure

JITTER = 1e-5
"""Of fractional coordinates, before a second try."""
ACCURACIES = {"default": None, "high": "DEF"}
"""Name → what Zeo++'s high-accuracy option is set to: each atom replaced by small spheres, for radii that differ."""


def pore_labeler(accuracy: str = "default") -> Labeler:
    """The labeler of ``lcd_A``, the diameter of the largest sphere that fits in, and ``pld_A``, the diameter of the
    largest that passes through, in Å, with Zeo++'s own radii.

    Args:
        accuracy: ``"default"``, or ``"high"``, which takes a hundred times as long.

    Raises:
        UsageError: pyzeo is missing.
    """
    require("pyzeo", "label pore")
    words = "Zeo++, default radii" + (", high accuracy" if accuracy == "high" else "")
    return Labeler(
        "pore", "andersonn.labels.pore:compute", words, ("lcd_A", "pld_A"), {"accuracy": accuracy}, jitter=JITTER
    )


def compute(payload: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """What a worker does: the diameters in Å."""
    if payload["structure"] is None:
        raise InputError(
            "not_periodic", "SMILES name a molecule; pores are those of a crystal", "give a structure file"
        )
    structure = structure_from_json(payload["structure"], payload["id"])
    if not structure.periodic:
        raise InputError("not_periodic", "pores are those of a crystal; this is a molecule", "give a cell")
    with tempfile.TemporaryDirectory() as folder:
        values = _diameters(structure, Path(folder), ACCURACIES[settings["accuracy"]])
    return {"values": values, "provenance": {"program": f"pyzeo {version('pyzeo')}"}}


def _diameters(structure: Structure, folder: Path, accuracy: str | None) -> dict[str, float]:
    from ase import Atoms
    from ase.io import write
    from pyzeo.high_accuracy import high_accuracy_atomnet
    from pyzeo.netstorage import AtomNetwork

    file, result = folder / "structure.cif", folder / "structure.res"
    write(file, Atoms(structure.Z, structure.xyz, cell=structure.cell, pbc=True))
    network = AtomNetwork.read_from_CIF(str(file))
    if accuracy:
        high_accuracy_atomnet(network, accuracy)
    network.calculate_free_sphere_parameters(str(result))
    words = result.read_text(encoding="utf-8", errors="replace").split() if result.exists() else []
    if len(words) < 3:
        raise InputError("failed", "Zeo++ gave no diameters", "the structure may be degenerate")
    included, free = float(words[1]), float(words[2])
    return {"lcd_A": included, "pld_A": free}
