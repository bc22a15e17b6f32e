"""Skeletal formulas, and structures as files."""

from __future__ import annotations

import numpy as np
import pytest

from andersonn.structures.readers import from_smiles, read_file
from andersonn.structures.structure import Structure
from andersonn.web.skeletal import skeletal
from andersonn.web.structure_text import as_cif, as_xyz, files_of
from tests.web.conftest import EXAMPLES

STRUCTURES = EXAMPLES / "structures"
WATER = "3\nwater\nO 0 0 0.117\nH 0 0.757 -0.471\nH 0 -0.757 -0.471\n"


@pytest.mark.parametrize(
    "smiles", ["CC(=O)Nc1ccc(O)cc1", "C[N+](=O)[O-]", "O", "[NH3+]CC(=O)[O-]", "C[C@H](N)C(=O)O", "F/C=C/F", "[H][H]", "c1ccc2[nH]ccc2c1"]
)  # fmt: skip
def test_molecules_of_smiles(smiles):
    from rdkit import Chem

    structure = from_smiles(smiles)
    found = skeletal(structure)
    assert found["smiles"] == Chem.CanonSmiles(smiles)
    assert len(found["shown_by"]) == len(structure)
    drawn = {atom for atom, _, _ in found["atoms"]}
    assert set(found["shown_by"]) == drawn
    assert all(by == atom for atom, by in enumerate(found["shown_by"]) if structure.Z[atom] != 1)
    assert all(0 <= x <= found["width"] and 0 <= y <= found["height"] for _, x, y in found["atoms"])
    assert all(stroke["d"] and stroke["fill"] and stroke["stroke"] for stroke in found["strokes"])


def test_molecules_of_files(tmp_path):
    found = [skeletal(structure)["smiles"] for structure in read_file(EXAMPLES / "molecules/solvents.sdf")]
    assert found == ["CC#N", "C1CCCCC1", "O", "CS(C)=O"]
    path = tmp_path / "water.xyz"
    path.write_text(WATER)
    assert skeletal(read_file(path)[0])["smiles"] == "O"


def test_nitro_groups_of_files_are_charged(tmp_path):
    from rdkit import Chem
    from rdkit.Chem import AllChem

    mol = Chem.AddHs(Chem.MolFromSmiles("C[N+](=O)[O-]"))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    path = tmp_path / "nitro.mol"
    path.write_text(Chem.MolToMolBlock(mol))
    assert skeletal(read_file(path)[0])["smiles"] == "C[N+](=O)[O-]"


def test_what_has_no_formula(tmp_path):
    assert skeletal(read_file(STRUCTURES / "quartz.cif")[0]) is None
    apart = Structure(np.full(90, 2), np.arange(270.0).reshape(90, 3) * 3)
    assert skeletal(apart) is None
    odd = Structure([9, 9, 9], [[0, 0, 0], [0, 0, 1.4], [0, 1.3, 2.2]])
    assert skeletal(odd) is None


@pytest.mark.parametrize("name", ["quartz.cif", "NaCl.cif", "SrTiO3.vasp", "Cu.cif"])
def test_crystals_come_back_from_their_files(name, tmp_path):
    structure = read_file(STRUCTURES / name)[0]
    texts = files_of(structure)
    assert texts.keys() == {"cif", "xyz"}
    for ending, text in texts.items():
        path = tmp_path / f"back.{ending}"
        path.write_text(text)
        (back,) = read_file(path)
        assert (back.formula, len(back)) == (structure.formula, len(structure))
        assert back.volume == pytest.approx(structure.volume, rel=1e-5)
        assert not [warning for warning in back.warnings if warning not in structure.warnings]


def test_molecules_come_back_from_their_file(tmp_path):
    structure = from_smiles("CCO")
    assert files_of(structure).keys() == {"xyz"}
    path = tmp_path / "back.xyz"
    path.write_text(as_xyz(structure))
    (back,) = read_file(path)
    assert np.allclose(back.xyz, structure.xyz, atol=1e-6)
    assert back.Z.tolist() == structure.Z.tolist()


def test_odd_names_do_not_break_files(tmp_path):
    structure = read_file(STRUCTURES / "NaCl.cif")[0]
    odd = Structure(structure.Z, structure.xyz, structure.cell, id='a "b"\nloop_ \'c')
    for ending, text in (("cif", as_cif(odd)), ("xyz", as_xyz(odd))):
        path = tmp_path / f"odd.{ending}"
        path.write_text(text)
        assert read_file(path)[0].formula == "NaCl"
