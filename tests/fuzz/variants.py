"""The same matter written in other ways: what a prediction must not depend on."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
from ase import Atoms
from ase.build.tools import niggli_reduce
from ase.io import write
from ase.units import Bohr as BOHR
from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Geometry import Point3D

from andersonn.structures.readers import as_structure, from_smiles, read_content
from andersonn.structures.structure import Structure
from tests.conftest import rotation
from tests.fuzz.corpus import mol2

Random = np.random.Generator
MOST_ATOMS = 400
"""Atoms of a supercell."""


def renumbered(s: Structure, rng: Random) -> Structure:
    order = rng.permutation(len(s))
    place = np.argsort(order)
    return Structure(
        s.Z[order], s.xyz[order], s.cell, charge=s.charge, bonds=None if s.bonds is None else place[s.bonds],
        bond_orders=s.bond_orders,
    )  # fmt: skip


def rotated(s: Structure, rng: Random) -> Structure:
    return _turned(s, rotation(rng))


def mirrored(s: Structure, rng: Random) -> Structure:
    return _turned(s, -rotation(rng))


def _turned(s: Structure, turn: np.ndarray) -> Structure:
    cell = None if s.cell is None else s.cell @ turn
    return Structure(s.Z, s.xyz @ turn, cell, charge=s.charge, bonds=s.bonds, bond_orders=s.bond_orders)


def translated(s: Structure, rng: Random) -> Structure:
    """Another origin; atoms of a crystal also go to other cells."""
    xyz = s.xyz + rng.normal(size=3) * 5.0
    if s.cell is not None:
        xyz = xyz + rng.integers(-2, 3, size=xyz.shape) @ s.cell
    return Structure(s.Z, xyz, s.cell, charge=s.charge, bonds=s.bonds, bond_orders=s.bond_orders)


def repeated(s: Structure, rng: Random) -> Structure:
    """A supercell along one to three of the lattice vectors."""
    return tiled(s, np.diag(_times(s, rng)))


def other_supercell(s: Structure, rng: Random) -> Structure:
    """A supercell whose vectors are not parallel to the old ones, as a conventional cell's to a primitive one's."""
    return tiled(s, np.diag(_times(s, rng)) @ _unimodular(rng))


def other_vectors(s: Structure, rng: Random) -> Structure:
    """Other vectors of the same lattice: the same volume, longer and more skewed."""
    return tiled(s, _unimodular(rng))


def conventional(s: Structure, rng: Random) -> Structure:
    """Four cells in the way in which a face-centered cubic cell holds four primitive ones."""
    return tiled(s, np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]))


def niggli(s: Structure, rng: Random) -> Structure:
    atoms = _atoms(s)
    niggli_reduce(atoms)
    return as_structure(atoms)


def _times(s: Structure, rng: Random) -> list[int]:
    choices = [(1, 1, 2), (2, 1, 1), (1, 3, 1), (2, 2, 1), (2, 2, 2), (1, 2, 3)]
    fitting = [c for c in choices if np.prod(c) * len(s) <= MOST_ATOMS] or choices[:1]
    return list(fitting[rng.integers(len(fitting))])


def _unimodular(rng: Random) -> np.ndarray:
    matrix = np.eye(3, dtype=int)
    for _ in range(3):
        i, j = rng.permutation(3)[:2]
        matrix[i] += rng.choice((-1, 1)) * matrix[j]
    return matrix


def tiled(s: Structure, matrix: np.ndarray) -> Structure:
    """The crystal in the cell of which ``matrix @ s.cell`` are the vectors."""
    corners = np.array(list(np.ndindex(2, 2, 2))) @ matrix
    low, high = corners.min(axis=0) - 1, corners.max(axis=0) + 2
    steps = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1).reshape(-1, 3)
    # Lattice points inside the new cell are told by whole numbers, so that none is taken twice or lost by rounding.
    adjugate = np.rint(np.linalg.inv(matrix) * np.linalg.det(matrix)).astype(int)
    volume = round(np.linalg.det(matrix))
    coordinates = steps @ adjugate * np.sign(volume)
    steps = steps[((coordinates >= 0) & (coordinates < abs(volume))).all(axis=1)]
    assert len(steps) == abs(volume)
    xyz = (s.xyz[None] + (steps @ s.cell)[:, None]).reshape(-1, 3)
    return Structure(np.tile(s.Z, len(steps)), xyz, matrix @ s.cell)


def _atoms(s: Structure) -> Atoms:
    return Atoms(s.Z, s.xyz, cell=s.cell, pbc=s.periodic)


def through_ase(form: str, name: str, **options: object) -> Callable[[Structure, Random], Structure]:
    """Written by ASE and read here."""

    def through(s: Structure, rng: Random) -> Structure:
        stream = io.BytesIO() if form == "cif" else io.StringIO()
        write(stream, _atoms(s), format=form, **options)
        return _read(stream.getvalue(), name)

    return through


def cif_by_gemmi(s: Structure, rng: Random) -> Structure:
    small = gemmi.SmallStructure()
    small.cell.set(*_atoms(s).cell.cellpar())
    small.spacegroup_hm = "P 1"
    small.determine_and_set_spacegroup("H")
    for k, (Z, position) in enumerate(zip(s.Z, s.xyz @ np.linalg.inv(s.cell), strict=True)):
        site = gemmi.SmallStructure.Site()
        site.element = gemmi.Element(int(Z))
        site.type_symbol, site.label = site.element.name, f"{site.element.name}{k}"
        site.fract = gemmi.Fractional(*position)
        small.add_site(site)
    return _read(small.make_cif_block().as_string(), "a.cif")


def poscar_in_bohr(s: Structure, rng: Random) -> Structure:
    """Numbers in Bohr, and the factor that makes Å of them in the second line."""
    lines = ["scaled", f"{BOHR:.12f}", *(" ".join(f"{x:.12f}" for x in row) for row in s.cell / BOHR)]
    order = np.argsort(s.Z, kind="stable")
    kinds, counts = np.unique(s.Z, return_counts=True)
    lines += [" ".join(gemmi.Element(int(z)).name for z in kinds), " ".join(map(str, counts)), "Cartesian"]
    lines += [" ".join(f"{x:.12f}" for x in row) for row in s.xyz[order] / BOHR]
    return _read("\n".join(lines) + "\n", "POSCAR")


CRYSTAL = {
    "atoms renumbered": renumbered, "rotated": rotated, "mirrored": mirrored, "translated, other cells": translated,
    "supercell": repeated, "skewed supercell": other_supercell, "other lattice vectors": other_vectors,
    "four cells, face-centered": conventional, "Niggli cell": niggli, "CIF by ASE": through_ase("cif", "a.cif"), "CIF by gemmi": cif_by_gemmi,
    "POSCAR, fractional": through_ase("vasp", "POSCAR", direct=True), "POSCAR, Cartesian": through_ase("vasp", "POSCAR"),
    "POSCAR in Bohr": poscar_in_bohr, "extended xyz": through_ase("extxyz", "a.xyz"),
}  # fmt: skip


def _rebuilt(mol: Chem.Mol, s: Structure) -> Chem.Mol:
    """The molecule with the positions of a variant of it."""
    other = Chem.Mol(mol)
    for k, position in enumerate(s.xyz):
        other.GetConformer().SetAtomPosition(k, Point3D(*position.tolist()))
    return other


def molecule_variants(mol: Chem.Mol, rng: Random) -> dict[str, Structure]:
    """Variants of an RDKit molecule with hydrogens and a geometry."""
    s = as_structure(mol)
    order = rng.permutation(len(s)).tolist()
    found = {
        "atoms renumbered": renumbered(s, rng), "rotated": rotated(s, rng), "mirrored": mirrored(s, rng),
        "translated": translated(s, rng), "SDF": _read(Chem.MolToMolBlock(mol), "a.sdf"),
        "SDF V3000": _read(Chem.MolToV3KMolBlock(mol), "a.sdf"),
        "SDF, renumbered and rotated": _read(
            Chem.MolToMolBlock(Chem.RenumberAtoms(_rebuilt(mol, rotated(s, rng)), order)), "a.sdf"
        ),
        "PDB": _read(Chem.MolToPDBBlock(mol), "a.pdb"), "xyz": through_ase("extxyz", "a.xyz")(s, rng),
    }  # fmt: skip
    if not Chem.GetFormalCharge(mol) and not any(a.GetIsAromatic() or a.GetFormalCharge() for a in mol.GetAtoms()):
        found["MOL2"] = _read(mol2(mol, "m"), "a.mol2")
    return found


def smiles_variants(smiles: str, rng: Random) -> dict[str, Structure]:
    """A molecule without a geometry, written in other ways."""
    mol = Chem.MolFromSmiles(smiles)
    whole = Chem.AddHs(mol)
    order = rng.permutation(whole.GetNumAtoms()).tolist()
    drawn = Chem.Mol(mol)
    rdDepictor.Compute2DCoords(drawn)
    return {
        "SMILES from another atom": from_smiles(_begun_anywhere(mol, rng)),
        "SMILES without aromatic letters": from_smiles(_begun_anywhere(mol, rng, kekuleSmiles=True)),
        "SMILES with all hydrogens, in any order": from_smiles(Chem.MolToSmiles(Chem.RenumberAtoms(whole, order), canonical=False)),
        "SMILES with numbered atoms": from_smiles(_numbered(mol, rng)),
        "drawing (MOL)": _read(Chem.MolToMolBlock(drawn), "a.mol"),
        "RDKit molecule, renumbered": as_structure(Chem.RenumberAtoms(whole, order)),
    }  # fmt: skip


def _begun_anywhere(mol: Chem.Mol, rng: Random, **options: bool) -> str:
    order = rng.permutation(mol.GetNumAtoms()).tolist()
    return Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False, **options)


def _numbered(mol: Chem.Mol, rng: Random) -> str:
    named = Chem.Mol(mol)
    for atom, number in zip(named.GetAtoms(), rng.permutation(mol.GetNumAtoms()).tolist(), strict=True):
        atom.SetAtomMapNum(number + 1)
    return Chem.MolToSmiles(named)


def _read(content: str | bytes, name: str) -> Structure:
    (found,) = read_content(content.encode() if isinstance(content, str) else content, Path(name))
    if not isinstance(found, Structure):
        raise found
    return found
