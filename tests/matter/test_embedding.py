"""A geometry that is made depends on the molecule, not on how it is written or on how busy the machine is."""

import logging

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from andersonn.errors import InputError
from andersonn.matter.readers import as_structure, embedding, from_smiles
from andersonn.matter.readers.molecules import further_conformers
from andersonn.matter.structure import Structure
from tests.fuzz.variants import smiles_variants

MOLECULES = [
    "CC(C)C[C@H](N)C(=O)N1CCC[C@H]1C(=O)O", "CC(N)C(F)Cl", "C/C=C\\C(O)Cc1ccncc1", "C1CC2CC1CN2", "[2H]C([2H])([2H])O",
    "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O", "C[N+]1=CC=CC=C1", "[CH2]C", "C1=CC2=CC=CC2=C1", "O",
]  # fmt: skip
FULLERENE = (
    "c12c3c4c5c1c1c6c7c2c2c8c3c3c9c4c4c%10c5c5c1c1c6c6c%11c7c2c2c7c8c3c3c8c9c4c4c9c%10c5c5c1c1c6c6c%11c2c2c7c3c3"
    "c8c4c4c9c5c1c1c6c2c3c41"
)


def shape(structure: Structure) -> list[list[float]]:
    """Elements and positions, in an order of their own."""
    return sorted([float(z), *xyz] for z, xyz in zip(structure.Z, structure.xyz.tolist(), strict=True))


@pytest.mark.parametrize("smiles", MOLECULES)
def test_the_same_geometry_for_every_way_to_write_a_molecule(smiles):
    first = from_smiles(smiles)
    further = [shape(s) for s in further_conformers(first, 2)]
    for name, other in smiles_variants(smiles, np.random.default_rng(len(smiles))).items():
        assert shape(other) == shape(first), name
        assert [shape(s) for s in further_conformers(other, 2)] == further, name


def test_atoms_stay_in_the_order_they_are_written_in():
    found = from_smiles("OC(F)CCl")
    assert found.Z[:5].tolist() == [8, 6, 9, 6, 17]
    i, j = found.bonds.T
    assert np.linalg.norm(found.xyz[i] - found.xyz[j], axis=1).max() < 1.9
    for conformer in further_conformers(found, 2):
        assert np.linalg.norm(conformer.xyz[i] - conformer.xyz[j], axis=1).max() < 1.9


def test_names_of_atoms_do_not_matter():
    assert shape(from_smiles("[CH3:7][CH2:3][OH:1]")) == shape(from_smiles("CCO"))


def test_a_molecule_that_smiles_cannot_hold_is_embedded_as_it_is(monkeypatch, caplog):
    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    monkeypatch.setattr(Chem, "MolFromSmiles", lambda text, options: None)
    with caplog.at_level(logging.WARNING):
        found = as_structure(mol)
    assert found.made_geometry
    assert "depends on the order of its atoms" in caplog.text


def test_embedding_is_bounded_by_attempts():
    with pytest.raises(InputError, match="attempts") as caught:
        from_smiles(FULLERENE)
    assert caught.value.kind == "no_conformer"
    mol = Chem.AddHs(Chem.MolFromSmiles(FULLERENE))
    structure = Structure([6], np.zeros((1, 3)), made_from=mol.ToBinary())
    assert further_conformers(structure, 1) == []


def test_no_answer_of_a_halted_machine_is_taken(monkeypatch):
    clock = iter([0.0, 1e6])
    monkeypatch.setattr(embedding.time, "monotonic", lambda: next(clock))
    with pytest.raises(InputError, match="try again") as caught:
        from_smiles("CCO")
    assert caught.value.kind == "no_conformer"


def test_what_rdkit_takes_for_impossible_while_embedding_is_named(monkeypatch):
    def failing(mol, count, options):
        raise ValueError("bad")

    monkeypatch.setattr(rdDistGeom, "EmbedMultipleConfs", failing)
    with pytest.raises(InputError, match="impossible: bad"):
        from_smiles("CCO")
