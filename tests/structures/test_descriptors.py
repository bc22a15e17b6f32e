"""Descriptors of the whole: against RDKit's own values, in images, and where there is none."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from andersonn.errors import InputError, UsageError
from andersonn.structures import descriptors
from andersonn.structures.descriptors import FRAGMENTS, descriptors_of, names_of
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.readers.molecules.smiles import from_smiles
from andersonn.structures.structure import Structure

BONDS = {"columns": 8, "fold": False, "bonds": True}


def molecule(smiles):
    with reading(bonds=True):
        return from_smiles(smiles)


@pytest.mark.parametrize("smiles", ["CCO", "c1ccccc1C(=O)O", "[Na+]", "C[N+](C)(C)CC([O-])=O", "[2H]CCl"])
def test_values_are_those_of_rdkit(smiles):
    from rdkit import Chem
    from rdkit.Chem import Descriptors, rdFingerprintGenerator

    found = dict(zip(names_of("molecule"), descriptors_of(molecule(smiles), "molecule").tolist(), strict=True))
    mol = Chem.MolFromSmiles(smiles.replace("[2H]C", "C"))
    known = dict(Descriptors.descList)
    for name in ("MolLogP", "TPSA", "MolMR", "NumHDonors", "RingCount", "fr_COO", "HallKierAlpha"):
        assert found[name] == pytest.approx(known[name](mol), abs=1e-4)
    by_use = rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
    counted = (
        rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=FRAGMENTS),
        rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=FRAGMENTS, atomInvariantsGenerator=by_use),
        rdFingerprintGenerator.GetTopologicalTorsionGenerator(fpSize=FRAGMENTS),
    )
    counts = [generator.GetCountFingerprintAsNumPy(mol).astype(int) for generator in counted]
    assert [found[f"fragment_{k}"] for k in range(FRAGMENTS)] == sum(counts).tolist()


def test_written_otherwise_a_molecule_has_the_same():
    first, second = (descriptors_of(molecule(text), "molecule") for text in ("OCC", "C(O)C"))
    assert np.allclose(first, second, atol=1e-5, equal_nan=True)


def test_composition_of_a_crystal_and_of_its_supercell():
    cell = np.array([[0, 2.82, 2.82], [2.82, 0, 2.82], [2.82, 2.82, 0]])
    salt = Structure([11, 17], [[0, 0, 0], [2.82, 0, 0]], cell)
    double = Structure([11, 17, 11, 17], np.concatenate([salt.xyz, salt.xyz + cell[0]]), cell * [[2], [1], [1]])
    first, second = (descriptors_of(each, "composition") for each in (salt, double))
    assert np.allclose(first, second, atol=1e-5)
    named = dict(zip(names_of("composition"), first.tolist(), strict=True))
    assert named["fraction_Na"] == named["fraction_Cl"] == 0.5
    assert named["volume_per_atom_A3"] == pytest.approx(2.82**3)
    assert named["electrons_per_A3"] == pytest.approx(28 / (2 * 2.82**3))
    assert named["atoms_in_formula"] == 2


def test_images_have_them_after_their_other_channels():
    bare, described = (
        NodeNeighborImage.from_structure(molecule("CCO"), ImageRecipe(**BONDS, descriptors=kind))
        for kind in ("none", "molecule")
    )
    assert bare.of_whole.tolist() == described.of_whole[:2].tolist()
    assert len(described.of_whole) == 2 + len(names_of("molecule")) == len(described.recipe.graph_channels)


def test_recipes_without_them_keep_their_key(monkeypatch):
    """Images that were cached before there were descriptors stay valid."""
    known = ImageRecipe(**BONDS)
    assert "descriptors" in asdict(known)  # and yet
    described = replace(known, descriptors="molecule")
    assert described.key != known.key
    monkeypatch.setattr(descriptors, "FORMAT", descriptors.FORMAT + 1)
    assert replace(known).key == known.key
    assert replace(described).key != described.key


def test_molecules_need_bonds():
    with pytest.raises(UsageError, match="bonds"):
        ImageRecipe(descriptors="molecule")
    water = Structure([8, 1, 1], [[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]])
    with pytest.raises(InputError, match="no list of bonds"):
        descriptors_of(water, "molecule")
