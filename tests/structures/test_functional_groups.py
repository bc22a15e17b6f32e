"""Functional groups by atoms and bonds alone."""

import numpy as np
import pytest

from andersonn.inference.dipole_parts import bonded_pairs
from andersonn.structures.functional_groups import groups_of
from andersonn.structures.readers import from_smiles
from andersonn.structures.structure import Structure


@pytest.mark.parametrize(
    ("smiles", "functional", "skeleton"),
    [
        ("O", ["H2O"], []),
        ("[H][H]", ["H2"], []),
        ("CCO", ["OH"], ["C2H5"]),
        ("CC#N", ["CN"], ["CH3"]),
        ("C[N+]#[C-]", ["CN"], ["CH3"]),
        ("CC(C)=O", ["CO"], ["CH3", "CH3"]),
        ("O=Cc1ccccc1", ["CHO"], ["C6H5"]),
        ("CC(=O)OC", ["CO2"], ["CH3", "CH3"]),
        ("CC(N)=O", ["CONH2"], ["CH3"]),
        ("O=[N+]([O-])c1ccc(N)cc1", ["NH2", "NO2"], ["C6H4"]),
        ("ClC(Cl)Cl", ["Cl", "Cl", "Cl"], ["CH"]),
        ("c1ccncc1", ["N"], ["C5H5"]),
        ("c1ccoc1", ["O"], ["C4H4"]),
        ("CN=C(C)C", ["CN"], ["CH3", "CH3", "CH3"]),
        ("CS(C)=O", ["SO"], ["CH3", "CH3"]),
        ("O=C=O", ["CO2"], []),
        ("c1ccccc1", [], ["C6H6"]),
        ("O=S=O", ["SO2"], []),
        ("Cl", ["HCl"], []),
        ("[Li]F", ["LiF"], []),
        ("N", ["NH3"], []),
        ("S", ["H2S"], []),
        ("O[N+](=O)[O-]", ["HNO3"], []),
        ("NC=O", ["CHONH2"], []),
        ("NS(=O)(=O)c1ccccc1", ["SO2NH2"], ["C6H5"]),
        ("CC(=O)Cl", ["COCl"], ["CH3"]),
        ("CSC#N", ["CSN"], ["CH3"]),
        ("NCC(=O)O", ["CO2H", "NH2"], ["CH2"]),
    ],
)
def test_groups_of_known_molecules(smiles, functional, skeleton):
    molecule = from_smiles(smiles)
    groups = groups_of(molecule.Z, bonded_pairs(molecule))
    assert sorted(group.name for group in groups if group.functional) == functional
    assert sorted(group.name for group in groups if not group.functional) == skeleton
    assert sorted(atom for group in groups for atom in group.atoms) == list(range(len(molecule)))
    bare = Structure(molecule.Z, molecule.xyz)  # bonds by distance
    assert groups_of(bare.Z, bonded_pairs(bare)) == groups


def test_groups_follow_the_numbering():
    molecule = from_smiles("CC(=O)Nc1ccc(O)cc1")
    order = np.random.default_rng(0).permutation(len(molecule))
    groups = groups_of(molecule.Z, bonded_pairs(molecule))
    bonded = bonded_pairs(molecule)[order][:, order]
    moved = groups_of(molecule.Z[order], bonded)
    back = {(group.name, frozenset(order[list(group.atoms)].tolist())) for group in moved}
    assert back == {(group.name, frozenset(group.atoms)) for group in groups}


def test_hydrogen_between_two_boron_atoms_joins_them():
    bonded = np.zeros((8, 8), dtype=bool)
    for one, other in [(0, 2), (0, 3), (1, 4), (1, 5), (0, 6), (1, 6), (0, 7), (1, 7)]:
        bonded[one, other] = bonded[other, one] = True
    (group,) = groups_of(np.array([5, 5, 1, 1, 1, 1, 1, 1]), bonded)
    assert group.name == "B2H6"
