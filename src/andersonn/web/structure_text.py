"""A structure as the text of a file, to be taken from the page."""

from __future__ import annotations

import numpy as np

from andersonn.structures import elements
from andersonn.structures.structure import Structure


def files_of(structure: Structure) -> dict[str, str]:
    """Ending → text: ``cif`` and ``xyz`` (extended) of a crystal, ``xyz`` of a molecule; nothing of one without positions."""
    if not np.isfinite(structure.xyz).all():
        return {}
    return ({"cif": as_cif(structure)} if structure.periodic else {}) | {"xyz": as_xyz(structure)}


def as_cif(structure: Structure) -> str:
    """A CIF with all atoms of the cell, in P 1: symmetry is not looked for."""
    assert structure.cell is not None
    lengths = np.linalg.norm(structure.cell, axis=1)
    pairs = ((1, 2), (0, 2), (0, 1))
    cosines = [structure.cell[i] @ structure.cell[j] / (lengths[i] * lengths[j]) for i, j in pairs]
    angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    places = structure.xyz @ np.linalg.inv(structure.cell)
    symbols = [elements.symbols()[z] for z in structure.Z]
    name = "".join(letter if letter.isalnum() else "_" for letter in structure.id) or "structure"
    head = [f"data_{name}", f"_chemical_formula_sum '{structure.formula}'", "_space_group_name_H-M_alt 'P 1'"]
    head += [f"_cell_length_{axis} {length:.6f}" for axis, length in zip("abc", lengths, strict=True)]
    head += [f"_cell_angle_{n} {angle:.5f}" for n, angle in zip(("alpha", "beta", "gamma"), angles, strict=True)]
    loop = ["loop_", *(f"_atom_site_{n}" for n in ("label", "type_symbol", "fract_x", "fract_y", "fract_z"))]
    numbered = enumerate(zip(symbols, places, strict=True), start=1)
    rows = [f"{s}{k} {s} {x:.7f} {y:.7f} {z:.7f}" for k, (s, (x, y, z)) in numbered]
    return "\n".join([*head, *loop, *rows, ""])


def as_xyz(structure: Structure) -> str:
    """An xyz file; of a crystal with its lattice, as extended xyz has it."""
    cell = structure.cell
    lattice = "" if cell is None else f'Lattice="{" ".join(f"{x:.7f}" for x in cell.ravel())}" '
    name = " ".join(structure.id.replace('"', "'").split())
    rows = [
        f"{elements.symbols()[z]} {x:.7f} {y:.7f} {w:.7f}"
        for z, (x, y, w) in zip(structure.Z, structure.xyz, strict=True)
    ]
    comment = f'{lattice}Properties=species:S:1:pos:R:3 name="{name}"' if lattice else name
    return "\n".join([str(len(structure)), comment, *rows, ""])
