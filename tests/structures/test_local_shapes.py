"""Lengths, angles and twists that MMFF94 and UFF get wrong, against measured ones."""

import numpy as np
import pytest
from rdkit import Chem

from andersonn.structures.readers import as_structure, from_smiles
from andersonn.structures.readers.molecules import local_shapes, ring_lengths
from andersonn.structures.readers.molecules.from_rdkit import further_conformers
from tests.structures.test_embedding import shape

LENGTHS = [
    ("S=C=S", 1.553), ("O=C=O", 1.162), ("N#N", 1.098), ("Cl", 1.275), ("[Li]F", 1.564), ("FB(F)F", 1.313), ("ClB(Cl)Cl", 1.742),
    ("O=S(=O)=O", 1.420), ("II", 2.666), ("N#CCl", 1.631),
]  # fmt: skip
"""The longest bond between heavy atoms, or to hydrogen, in Å; gas phase, CRC Handbook."""


@pytest.mark.parametrize(("smiles", "measured"), LENGTHS)
def test_lengths_are_as_measured(smiles, measured):
    found = from_smiles(smiles)
    i, j = found.bonds.T
    longest = np.linalg.norm(found.xyz[i] - found.xyz[j], axis=1).max()
    assert longest == pytest.approx(measured, abs=0.04)


def test_sulfur_trioxide_is_flat():
    found = from_smiles("O=S(=O)=O")
    arms = found.xyz[[0, 2, 3]] - found.xyz[1]
    assert abs(np.linalg.det(arms)) < 0.45  # Å³: sulfur less than 0.08 Å above the plane


@pytest.mark.parametrize("smiles", ["NN", "CNN", "CN(C)N", "CNNC", "NNCCO"])
def test_lone_pairs_of_hydrazines_avoid_each_other(smiles):
    first = from_smiles(smiles)
    pattern = Chem.MolFromSmarts(local_shapes.HYDRAZINE)
    (pair,) = Chem.MolFromSmiles(smiles).GetSubstructMatches(pattern)
    for found in (first, *further_conformers(first, 2)):
        around = [[int(k) for bond in found.bonds if atom in bond for k in bond if k not in pair] for atom in pair]
        assert 55 < abs(local_shapes.lone_pairs(found.xyz, *pair, *around)) < 125


@pytest.mark.parametrize("smiles", ["CC(=O)NN", "c1cn[nH]c1", "C1CNNC1", "CN=NC", "C[N+](C)(C)N", "Nn1cccc1"])
def test_nitrogen_without_a_free_lone_pair_keeps_its_twist(smiles):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert not mol.HasSubstructMatch(Chem.MolFromSmarts(local_shapes.HYDRAZINE))


@pytest.mark.parametrize("smiles", ["NN", "O=S=O", "CNN", "COS(=O)OC", "[N-]=[N+]=NCC", "FB(F)OC", "CC(F)NNC(C)Cl"])
def test_the_same_however_the_atoms_are_ordered(smiles):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    first, random = as_structure(mol), np.random.default_rng(3)
    assert {kind[:2] for kind in local_shapes.kinds_of(mol)}
    for _ in range(3):
        order = random.permutation(mol.GetNumAtoms()).tolist()
        other = Chem.RenumberAtoms(mol, order)
        assert sorted(k[:2] for k in local_shapes.kinds_of(other)) == sorted(k[:2] for k in local_shapes.kinds_of(mol))
        assert shape(as_structure(other)) == shape(first)


def test_what_was_put_right_is_told():
    assert "as in computed molecules" in " ".join(from_smiles("S=C=S").notes)
    assert "as in computed molecules" not in " ".join(from_smiles("CCO").notes)


RINGS = [
    ("c1ccncc1", 1.338, "CN"), ("c1ccccc1", 1.395, "CC"), ("c1ncncn1", 1.338, "CN"), ("C1CCCO1", 1.428, "CO"), ("C1CCC1", 1.555, "CC"),
    ("C1CCCCN1", 1.464, "CN"), ("c1ccnnc1", 1.341, "CN"), ("C1CNC1", 1.482, "CN"),
]  # fmt: skip
"""The mean length of a kind of bonds, Å; gas phase, CRC Handbook and Landolt-Börnstein."""


def lengths_of(structure, pair):
    i, j = structure.bonds.T
    found = np.linalg.norm(structure.xyz[i] - structure.xyz[j], axis=1)
    symbols = {6: "C", 7: "N", 8: "O"}
    kinds = ["".join(sorted(symbols.get(int(z), "") for z in structure.Z[[a, b]])) for a, b in structure.bonds]
    return found[np.array(kinds) == pair]


@pytest.mark.parametrize(("smiles", "measured", "pair"), RINGS)
def test_bonds_in_rings_are_as_measured(smiles, measured, pair):
    first = from_smiles(smiles)
    for found in (first, *further_conformers(first, 2)):
        assert lengths_of(found, pair).mean() == pytest.approx(measured, abs=0.03)


def test_bonds_of_pyridine_are_nearer_to_the_measured_ones_than_by_the_force_field():
    assert lengths_of(from_smiles("c1ccncc1"), "CN").mean() == pytest.approx(1.338, abs=0.008)


@pytest.mark.parametrize(
    "smiles", ["c1ccncc1", "c1cnccn1", "Cc1ccccc1", "O=C1OC(=O)C=C1", "c1ccc2ccccc2c1", "O=c1cc[nH]cc1", "C1=CCC=C1"]
)
def test_flat_rings_stay_flat_and_closed(smiles):
    found, mol = from_smiles(smiles), Chem.MolFromSmiles(smiles)
    rings = [list(ring) for ring in mol.GetRingInfo().AtomRings()]
    atoms = sorted({k for ring in rings for k in ring})
    xyz = found.xyz[atoms] - found.xyz[atoms].mean(axis=0)
    assert np.linalg.svd(xyz)[1][-1] < 0.05
    for ring in rings:
        arms = [found.xyz[np.roll(ring, k)] for k in (-1, 0, 1)]
        one, other = arms[0] - arms[1], arms[2] - arms[1]
        cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
        assert np.degrees(np.arccos(cosine)).sum() == pytest.approx(180.0 * (len(ring) - 2), abs=0.5)


def test_larger_molecules_keep_the_lengths_of_the_force_field():
    small, large = (Chem.AddHs(Chem.MolFromSmiles(smiles)) for smiles in ("c1ccncc1CCCCCC", "c1ccncc1CCCCCCC"))
    assert ring_lengths.lengths(small, "MMFF94")
    assert not ring_lengths.lengths(large, "MMFF94")
    assert not ring_lengths.lengths(small, "UFF")


@pytest.mark.parametrize(
    ("smiles", "kinds"),
    [
        ("c1ccccc1", {"C3v4:C3v4 in a ring of 6 like benzene"}),
        ("C1CCC1", {"C4v4-C4v4 in a ring of 4"}),
        ("C1CO1", set()),
        ("CC=O", set()),
        ("O=c1cc[nH]cc1", {"C3v4:C3v4 in a ring of 6", "C3v4:N3v3 in a ring of 6"}),
    ],
)
def test_kinds_of_bonds_in_rings(smiles, kinds):
    assert {kind for kind, _ in ring_lengths.kinds_of(Chem.AddHs(Chem.MolFromSmiles(smiles)))} == kinds


def test_the_tables_are_sound():
    assert all(1.2 < value < 1.6 and " in a ring of " in kind for kind, value in ring_lengths.usual().items())

    for (force_field, kind), value in local_shapes.usual().items():
        assert force_field in ("MMFF94", "UFF")
        assert 0.7 < value < 3.5 or 60 < value <= 180, kind
