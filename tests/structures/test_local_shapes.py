"""Lengths, angles and twists that MMFF94 and UFF get wrong, against measured ones."""

import numpy as np
import pytest
from rdkit import Chem

from andersonn.structures.readers import as_structure, from_smiles
from andersonn.structures.readers.molecules import local_shapes
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


def test_the_table_is_sound():
    for (force_field, kind), value in local_shapes.usual().items():
        assert force_field in ("MMFF94", "UFF")
        assert 0.7 < value < 3.5 or 60 < value <= 180, kind
