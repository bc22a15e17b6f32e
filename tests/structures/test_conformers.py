"""Geometries made of molecules that have none: the first as ever, and further ones."""

from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, rdDistGeom

from andersonn.errors import InputError
from andersonn.structures.readers import from_smiles, read_file
from andersonn.structures.readers.molecules import embedding
from andersonn.structures.readers.molecules.embedding import CONFORMER_SEED
from andersonn.structures.readers.molecules.from_rdkit import further_conformers
from andersonn.structures.readers.molecules.reading import reading
from andersonn.structures.structure import Structure

FLEXIBLE = "NCCCC[C@H](N)C(=O)O"


def one_by_one(smiles: str, random_start: bool = False) -> np.ndarray:
    """The first geometry, by RDKit's functions for a single conformer, of the molecule in canonical order."""
    options = Chem.SmilesParserParams()
    options.removeHs = False
    mol = Chem.MolFromSmiles(Chem.MolToSmiles(Chem.AddHs(Chem.MolFromSmiles(smiles))), options)
    options = rdDistGeom.ETKDGv3()
    options.randomSeed, options.useRandomCoords = CONFORMER_SEED, random_start
    assert rdDistGeom.EmbedMolecule(mol, options) == 0
    if AllChem.MMFFHasAllMoleculeParams(mol):
        AllChem.MMFFOptimizeMolecule(mol, maxIters=2000)
    elif AllChem.UFFHasAllMoleculeParams(mol):
        AllChem.UFFOptimizeMolecule(mol, maxIters=2000)
    return mol.GetConformer().GetPositions()


def as_set(xyz: np.ndarray) -> list[list[float]]:
    """Positions in an order of their own."""
    return sorted(xyz.tolist())


def distances(structure: Structure) -> np.ndarray:
    return np.linalg.norm(structure.xyz[:, None] - structure.xyz[None], axis=-1)


@pytest.mark.parametrize("smiles", [FLEXIBLE, "CCO", "C[Se]CCO", "O", "CC(F)C(Cl)O", "c1ccccc1CCCCCNC"])
def test_the_first_geometry_is_that_of_a_single_conformer(smiles):
    found = from_smiles(smiles)
    assert as_set(found.xyz) == as_set(one_by_one(smiles))
    assert found.generated_geometry


def test_a_start_in_space_where_eigenvectors_fail(monkeypatch):
    real, starts = rdDistGeom.EmbedMultipleConfs, []

    def failing(mol, count, options):
        starts.append(options.useRandomCoords)
        return real(mol, count, options) if options.useRandomCoords else []

    monkeypatch.setattr(rdDistGeom, "EmbedMultipleConfs", failing)
    found = from_smiles("CCCO")
    assert as_set(found.xyz) == as_set(one_by_one("CCCO", random_start=True))
    assert len(further_conformers(found, 2)) == 2
    assert starts == [False, True, False, True]
    monkeypatch.setattr(rdDistGeom, "EmbedMultipleConfs", lambda mol, count, options: [])
    assert further_conformers(found, 2) == []
    with pytest.raises(InputError, match="no 3-D geometry"):
        from_smiles("CCCO")


def test_further_ones_are_other_geometries_of_the_same_molecule():
    first = from_smiles(FLEXIBLE, "lysine")
    others = further_conformers(first, 4)
    assert len(others) == 4
    shapes = [distances(s) for s in (first, *others)]
    for k, other in enumerate(others, start=1):
        assert np.array_equal(other.Z, first.Z)
        assert np.array_equal(other.bonds, first.bonds)
        assert (other.id, other.charge, other.notes) == ("lysine", first.charge, first.notes)
        assert other.generated_geometry
        assert all(np.abs(shapes[k] - shape).max() > 0.1 for shape in shapes[:k])
        i, j = first.bonds.T
        assert shapes[k][i, j] == pytest.approx(shapes[0][i, j], abs=0.06)


def test_further_ones_are_reproducible_and_the_same_for_every_count():
    first = from_smiles(FLEXIBLE)
    few, many = further_conformers(first, 2), further_conformers(from_smiles(FLEXIBLE), 5)
    assert all(np.array_equal(a.xyz, b.xyz) for a, b in zip(few, many[:2], strict=True))
    assert further_conformers(first, 0) == []


def isomer_of(structure: Structure) -> Chem.Mol:
    """The molecule that a geometry was made of, as the isomer that the geometry shows."""
    mol = Chem.Mol(structure.source_mol)
    mol.RemoveAllConformers()
    conformer = Chem.Conformer(len(structure))
    conformer.SetPositions(structure.xyz)
    mol.AddConformer(conformer)
    Chem.AssignStereochemistryFrom3D(mol)
    return mol


def handedness(structure: Structure) -> str:
    """The isomer of a geometry, as SMILES."""
    return Chem.MolToSmiles(Chem.RemoveHs(isomer_of(structure)))


def test_given_stereo_is_kept_and_open_stereo_stays_open():
    def isomers(smiles):
        first = from_smiles(smiles)
        return {handedness(s) for s in (first, *further_conformers(first, 9))}

    assert isomers("C[C@H](N)C(=O)O") == {Chem.CanonSmiles("C[C@H](N)C(=O)O")}
    assert len(isomers("CC(N)C(=O)O")) == 2


def test_drawings_too(tmp_path):
    mol = Chem.MolFromSmiles("C[C@H](N)C(=O)O")
    AllChem.Compute2DCoords(mol)
    (tmp_path / "a.mol").write_text(Chem.MolToMolBlock(mol))
    (drawn,) = read_file(tmp_path / "a.mol")
    found = further_conformers(drawn, 3)
    assert len(found) == 3
    assert all(np.ptp(s.xyz[:, 2]) > 0.5 for s in found)
    assert {handedness(s) for s in (drawn, *found)} == {Chem.CanonSmiles("C[C@H](N)C(=O)O")}


def test_given_geometries_have_no_further_ones(tmp_path):
    mol = Chem.AddHs(Chem.MolFromSmiles(FLEXIBLE))
    assert AllChem.EmbedMolecule(mol, randomSeed=1) == 0
    (tmp_path / "a.sdf").write_text(Chem.MolToMolBlock(mol))
    (given,) = read_file(tmp_path / "a.sdf")
    assert not given.generated_geometry
    assert further_conformers(given, 3) == []
    made = from_smiles(FLEXIBLE)
    assert further_conformers(Structure(made.Z, made.xyz, generated_geometry=True), 3) == []


def test_those_made_at_once_are_those_made_later(monkeypatch):
    later = further_conformers(from_smiles(FLEXIBLE), 3)
    with reading(conformers=4):
        first = from_smiles(FLEXIBLE)
    assert np.array_equal(first.xyz, from_smiles(FLEXIBLE).xyz)
    expected = [s.xyz.tolist() for s in later]
    fourth = further_conformers(first, 4)[3]
    monkeypatch.setattr(embedding, "placed", lambda *given: pytest.fail("embedded again"))
    assert [s.xyz.tolist() for s in further_conformers(first, 3)] == expected
    assert [s.xyz.tolist() for s in further_conformers(first, 2)] == expected[:2]
    assert fourth.xyz.tolist() not in expected
    assert all(s.further_xyz is None and s.notes == first.notes for s in later)


def test_the_first_does_not_depend_on_those_that_fail(monkeypatch):
    alone, real = from_smiles(FLEXIBLE), embedding.placed

    def without_the_first(mol, count):
        made = real(mol, count)
        if count > 1:
            mol.RemoveConformer(0)
            return made[1:]
        return made

    monkeypatch.setattr(embedding, "placed", without_the_first)
    with reading(conformers=4):
        first = from_smiles(FLEXIBLE)
    assert np.array_equal(first.xyz, alone.xyz)
    assert first.further_xyz is None
    assert len(further_conformers(first, 3)) == 3


def test_one_that_is_unsound_is_left_out():
    with reading(conformers=4):
        first = from_smiles(FLEXIBLE)
    sound = further_conformers(first, 3)
    spoiled = first.further_xyz.copy()
    spoiled[1] *= 0.1
    found = further_conformers(replace(first, further_xyz=spoiled), 3)
    assert [s.xyz.tolist() for s in found] == [sound[0].xyz.tolist(), sound[2].xyz.tolist()]
