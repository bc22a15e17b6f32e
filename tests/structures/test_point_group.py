"""Which molecules can have no dipole moment, by their symmetry."""

import numpy as np
import pytest
from ase.build import molecule

from andersonn.structures.point_group import forbids_dipole
from andersonn.structures.readers import as_structure, from_smiles
from andersonn.structures.structure import Structure
from tests.conftest import rotation

WITHOUT = [
    "H2",
    "N2",
    "O2",
    "CO2",
    "CS2",
    "C2H2",
    "C2H4",
    "C2H6",
    "CH4",
    "CF4",
    "SiF4",
    "BF3",
    "AlCl3",
    "C6H6",
    "C2F4",
    "trans-butane",
]
WITH = ["CO", "HF", "H2O", "NH3", "OCS", "N2O", "CH3Cl", "SO2", "O3", "ClF3", "H2O2", "N2H4", "C5H5N", "PH3", "HCN"]


@pytest.mark.parametrize("name", WITHOUT)
def test_symmetry_forbids_it(name):
    rng = np.random.default_rng(0)
    made = as_structure(molecule(name))
    order = rng.permutation(len(made))
    turned = Structure(made.Z[order], made.xyz[order] @ rotation(rng).T + [1.0, -2.0, 0.5])
    assert forbids_dipole(made)
    assert forbids_dipole(turned)


@pytest.mark.parametrize("name", WITH)
def test_symmetry_allows_it(name):
    assert not forbids_dipole(as_structure(molecule(name)))


def test_an_atom_moved_a_little_brings_one():
    methane = as_structure(molecule("CH4"))
    xyz = methane.xyz.copy()
    xyz[1] *= 1.1
    assert not forbids_dipole(Structure(methane.Z, xyz))


@pytest.mark.parametrize(
    "smiles", ["[Na+]", "[Ar]", "O=O", "N#N", "[NH4+]", "FB(F)F", "Cl[Ti](Cl)(Cl)Cl", "[O-][N+](=O)[O-]", "O=C=O"]
)
def test_generated_geometries_of_one_center_are_believed(smiles):
    assert forbids_dipole(from_smiles(smiles))


@pytest.mark.parametrize("smiles", ["NN", "OO", "FCCF", "O", "N", "[H]Cl", "O=C=S", "FC(F)F", "C1COCCO1"])
def test_others_may_turn(smiles):
    """A generated conformer may be symmetric where the molecule at large is not."""
    assert not forbids_dipole(from_smiles(smiles))


STIFF = "c1ccccc1 Clc1ccc(Cl)cc1 Fc1c(F)c(F)c(F)c(F)c1F c1ccc2ccccc2c1 C#C C=C N#CC#N c1cnccn1 C=C=C O=C1C=CC(=O)C=C1 c1ncncn1 FC(F)=C(F)F"
OTHERS = (
    "Oc1ccc(O)cc1 O=[N+]([O-])c1ccc(cc1)[N+](=O)[O-] C1COCCO1 c1ccccc1-c1ccccc1 ClC=CCl N=N FN=NF C1CCC1 Clc1ccccc1 ClC(Cl)=C "
    "C1=CC=CO1 CC"
)


@pytest.mark.parametrize("smiles", STIFF.split())
def test_generated_geometries_that_cannot_turn_are_believed(smiles):
    assert forbids_dipole(from_smiles(smiles))


@pytest.mark.parametrize("smiles", OTHERS.split())
def test_others_are_not(smiles):
    assert not forbids_dipole(from_smiles(smiles))
