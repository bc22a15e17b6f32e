"""SMILES, SDF, MOL, MOL2, PDB and mmCIF, each against what is known of the molecule or another parser."""

import subprocess
import sys

import gemmi
import numpy as np
import pytest
from ase.io import read as ase_read
from rdkit import Chem
from rdkit.Chem import AllChem

from andersonn.errors import InputError
from andersonn.structures.graph import AtomBondGraph
from andersonn.structures.readers import Smiles, from_smiles, read_each, read_file
from andersonn.structures.readers.molecules.smiles import atomic_numbers, constitution
from andersonn.structures.structure import Structure


def embedded(smiles: str, seed: int = 1) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=seed) == 0
    return mol


def peptide_pdb(hydrogens: bool) -> str:
    mol = Chem.MolFromSequence("AGS")
    mol = Chem.AddHs(mol, addResidueInfo=True)
    assert AllChem.EmbedMolecule(mol, randomSeed=3) == 0
    return Chem.MolToPDBBlock(mol if hydrogens else Chem.RemoveHs(mol))


@pytest.mark.parametrize(
    ("smiles", "formula", "atoms", "charge"),
    [
        ("CCO", {6: 2, 1: 6, 8: 1}, 9, 0),
        ("c1ccccc1", {6: 6, 1: 6}, 12, 0),
        ("[NH4+]", {7: 1, 1: 4}, 5, 1),
        ("CC(=O)[O-]", {6: 2, 1: 3, 8: 2}, 7, -1),
        ("[2H]O[2H]", {8: 1, 1: 2}, 3, 0),
        ("C", {6: 1, 1: 4}, 5, 0),
    ],
)
def test_smiles(smiles, formula, atoms, charge):
    found = from_smiles(smiles)
    assert len(found) == atoms
    assert {z: int((z == found.Z).sum()) for z in set(found.Z.tolist())} == formula
    assert found.charge == charge
    assert found.id == smiles
    assert not found.periodic
    assert any("ETKDGv3" in note and "MMFF94" in note for note in found.notes)
    assert sorted(atomic_numbers(smiles)) == sorted(found.Z)


def test_geometry_is_seeded_and_sound():
    one, two = from_smiles("CC(C)Cc1ccc(cc1)C(C)C(=O)O"), from_smiles("CC(C)Cc1ccc(cc1)C(C)C(=O)O")
    assert np.array_equal(one.xyz, two.xyz)
    ethanol = from_smiles("CCO")
    i, j = ethanol.bonds.T
    length = np.linalg.norm(ethanol.xyz[i] - ethanol.xyz[j], axis=1)
    expected = {(6, 6): 1.52, (6, 8): 1.42, (1, 6): 1.09, (1, 8): 0.97}
    for a, b, d in zip(ethanol.Z[i], ethanol.Z[j], length, strict=True):
        assert d == pytest.approx(expected[tuple(sorted((int(a), int(b))))], abs=0.03)


def test_bonds_and_orders():
    benzene = from_smiles("c1ccccc1")
    assert sorted(benzene.bond_orders.tolist()) == [1.0] * 6 + [1.5] * 6
    graph = AtomBondGraph.from_structure(benzene)
    assert graph.n_bonds == 12
    by_distance = AtomBondGraph.from_structure(Structure(benzene.Z, benzene.xyz))
    assert by_distance.n_bonds == 12
    with pytest.raises(InputError, match="beyond the 2"):
        Structure([1, 1], [[0, 0, 0], [0.74, 0, 0]], bonds=[[0, 2]])
    with pytest.raises(InputError, match="orders"):
        Structure([1, 1], [[0, 0, 0], [0.74, 0, 0]], bonds=[[0, 1]], bond_orders=[1.0, 2.0])


def test_stereo_is_kept():
    def apart(smiles):
        found = from_smiles(smiles)
        a, b = np.flatnonzero(found.Z == 9)
        return np.linalg.norm(found.xyz[a] - found.xyz[b])

    assert apart("F/C=C/F") > 3.3
    assert apart("F/C=C\\F") < 3.0

    def handedness(smiles):
        found = from_smiles(smiles)
        center = int(np.flatnonzero(found.Z == 6)[0])
        arms = [int(np.flatnonzero(z == found.Z)[0]) for z in (9, 17, 35)]
        return np.sign(np.linalg.det(found.xyz[arms] - found.xyz[center]))

    assert handedness("[C@](F)(Cl)(Br)[H]") == -handedness("[C@@](F)(Cl)(Br)[H]")
    assert any("stereo" in note for note in from_smiles("FC(Cl)Br").notes)
    assert not any("stereo" in note for note in from_smiles("F[C@H](Cl)Br").notes)


@pytest.mark.parametrize(
    ("smiles", "kind", "words"),
    [
        ("CC(C", "bad_smiles", "'\\('"),
        ("C1CC", "bad_smiles", "ring"),
        ("xyz", "bad_smiles", "symbol"),
        ("aspirin", "bad_smiles", "names are not read"),
        ("Citric-acid", "bad_smiles", "names are not read"),
        ("", "bad_smiles", "empty"),
        ("C(C)(C)(C)(C)C", "bad_valence", "valence"),
        ("c1cccc1", "bad_valence", "kekulize"),
        ("C*", "unknown_element", "placeholder"),
        ("C[#118]", "unknown_element", "is of the element 118; known are 1 to 103"),
        ("[#999]", "unknown_element", "is of the element"),
        ("CC(=O)[O-].[Na+]", "several_molecules", "2 separate"),
        ("C" * 300, "too_large", "902 atoms"),
    ],
)
def test_bad_smiles(smiles, kind, words):
    with pytest.raises(InputError, match=words) as caught:
        from_smiles(smiles)
    assert caught.value.kind == kind
    assert caught.value.hint


def test_constitution():
    assert constitution("OCC") == constitution("CCO") == "CCO"
    assert constitution("F/C=C/F") == constitution("F/C=C\\F")
    assert constitution("C1C") is None


def test_smi_files(tmp_path):
    path = tmp_path / "drugs.smi"
    path.write_text("smiles name\nCCO ethanol\n# comment\n\nC1C broken\nO\tmy water\nCCO ethanol\n")
    found = read_each(path)
    assert [f.id if isinstance(f, Structure) else f.kind for f in found] == [
        "drugs:ethanol (1)", "bad_smiles", "drugs:my water", "drugs:ethanol (4)",
    ]  # fmt: skip
    assert found[1].message.startswith("molecule broken:")
    path.write_text("\n# nothing\n")
    with pytest.raises(InputError, match="no SMILES"):
        read_file(path)


def test_sdf_keeps_its_geometry(tmp_path):
    path = tmp_path / "two.sdf"
    mols = [embedded("CC=O"), embedded("NCC(=O)O")]
    for mol, name in zip(mols, ("ethanal", "glycine"), strict=True):
        mol.SetProp("_Name", name)
    with Chem.SDWriter(str(path)) as writer:
        for mol in mols:
            writer.write(mol)
    found = read_file(path)
    assert [f.id for f in found] == ["two:ethanal", "two:glycine"]
    other = ase_read(path, format="sdf")  # the first record, by an independent parser
    assert np.array_equal(found[0].Z, other.numbers)
    assert np.allclose(found[0].xyz, other.positions)
    assert found[0].notes == ()
    assert len(found[1].bonds) == mols[1].GetNumBonds()


def test_broken_records_leave_the_others(tmp_path):
    good = Chem.MolToMolBlock(embedded("CO"))
    cut = "\n".join(good.splitlines()[:7])
    five = Chem.MolToMolBlock(embedded("C")).replace("  5  4  0", "  5  4  0")
    impossible = five.replace("M  END", "M  CHG  1   1  -3\nM  END")
    path = tmp_path / "some.sdf"
    path.write_text("\n$$$$\n".join([good, cut, "text\n\n\nrubbish", impossible, good]) + "\n$$$$\n")
    found = read_each(path)
    assert [isinstance(f, Structure) for f in found] == [True, False, False, False, True]
    assert "announces 11 atoms and bonds and lists 3" in found[1].message
    assert "line 4 should count" in found[2].message
    assert found[3].kind == "bad_valence"
    (tmp_path / "empty.sdf").write_text("$$$$\n")
    with pytest.raises(InputError):
        read_file(tmp_path / "empty.sdf")


def test_drawings_and_missing_hydrogens(tmp_path):
    flat = Chem.MolFromSmiles("C[C@H](N)C(=O)O")
    AllChem.Compute2DCoords(flat)
    path = tmp_path / "drawn.mol"
    path.write_text(Chem.MolToMolBlock(flat))
    (found,) = read_file(path)
    assert len(found) == 13
    assert any("ETKDGv3" in note for note in found.notes)
    assert not any("stereo" in note for note in found.notes)
    path.write_text(Chem.MolToMolBlock(Chem.RemoveHs(embedded("CCO"))))
    (found,) = read_file(path)
    assert len(found) == 9
    assert found.notes == ("6 hydrogen atoms were missing and have been added and relaxed by MMFF94",)


def test_v3000_and_charge(tmp_path):
    mol = embedded("C[NH3+]")
    (tmp_path / "a.mol").write_text(Chem.MolToV3KMolBlock(mol))
    (found,) = read_file(tmp_path / "a.mol")
    assert found.charge == 1
    assert np.allclose(found.xyz, mol.GetConformer().GetPositions(), atol=1e-3)


MOL2 = """@<TRIPOS>MOLECULE
water
 3 2 0 0 0
SMALL
NO_CHARGES

@<TRIPOS>ATOM
      1 O1  0.0000  0.0000  0.1173 O.3 1 HOH 0.0
      2 H1  0.0000  0.7572 -0.4692 H   1 HOH 0.0
      3 H2  0.0000 -0.7572 -0.4692 H   1 HOH 0.0
@<TRIPOS>BOND
     1 1 2 1
     2 1 3 1
"""


def test_mol2(tmp_path):
    path = tmp_path / "w.mol2"
    path.write_text(MOL2 + MOL2.replace("water", "again").replace(" O.3", " Xx9"))
    good, bad = read_each(path)
    assert good.id == "w:water"
    assert good.Z.tolist() == [8, 1, 1]
    assert good.xyz[1] == pytest.approx([0, 0.7572, -0.4692])
    assert isinstance(bad, InputError)
    path.write_text("nothing of the kind")
    with pytest.raises(InputError, match="TRIPOS"):
        read_file(path)


def test_peptides(tmp_path):
    whole, bare = tmp_path / "whole.pdb", tmp_path / "bare.pdb"
    whole.write_text(peptide_pdb(True))
    bare.write_text(peptide_pdb(False))
    (a,), (b,) = read_file(whole), read_file(bare)
    other = ase_read(whole)
    ours, theirs = np.lexsort(a.xyz.T), np.lexsort(other.positions.T)  # residues may be listed in another order
    assert np.array_equal(a.Z[ours], other.numbers[theirs])
    assert np.allclose(a.xyz[ours], other.positions[theirs], atol=1e-3)
    assert a.notes == ()
    assert np.array_equal(np.sort(a.Z), np.sort(b.Z))  # RDKit's hydrogens make the same molecule
    assert any("hydrogen atoms were missing" in note for note in b.notes)
    as_mmcif = tmp_path / "whole.cif"
    gemmi.read_structure(str(whole)).make_mmcif_document().write_file(str(as_mmcif))
    (c,) = read_file(as_mmcif)
    assert np.array_equal(a.Z, c.Z)
    assert np.allclose(a.xyz, c.xyz, atol=1e-3)


def test_water_ligands_and_rubbish(tmp_path):
    path = tmp_path / "x.pdb"
    water = "HETATM  900  O   HOH A 900      30.000  30.000  30.000  1.00  0.00           O\n"
    path.write_text(peptide_pdb(True).replace("END\n", "") + water + "END\n")
    (found,) = read_file(path)
    assert any("water was left out" in note for note in found.notes)
    path.write_text(water)
    with pytest.raises(InputError, match="nothing but water, and 1 of 1 molecules lack hydrogens"):
        read_file(path)
    ligand = Chem.MolToPDBBlock(Chem.RemoveHs(embedded("c1ccccc1C(=O)O")))
    path.write_text(ligand)
    with pytest.raises(InputError, match="no hydrogen") as caught:
        read_file(path)
    assert caught.value.kind == "missing_hydrogens"
    path.write_text(Chem.MolToPDBBlock(embedded("c1ccccc1C(=O)O")))
    (found,) = read_file(path)
    assert len(found) == 15
    path.write_text("REMARK nothing\n")
    with pytest.raises(InputError, match="no atoms"):
        read_file(path)


COMPONENT = """data_FMT
_chem_comp.id FMT
loop_
_chem_comp_atom.comp_id
_chem_comp_atom.atom_id
_chem_comp_atom.type_symbol
_chem_comp_atom.charge
_chem_comp_atom.model_Cartn_x
_chem_comp_atom.model_Cartn_y
_chem_comp_atom.model_Cartn_z
FMT C  C 0  0.000 0.420 0.000
FMT O1 O 0  1.150 0.100 0.000
FMT O2 O -1 -1.040 -0.430 0.000
FMT H  H 0 -0.380 1.460 0.000
"""


def test_chemical_components(tmp_path):
    path = tmp_path / "FMT.cif"
    path.write_text(COMPONENT)
    (found,) = read_file(path)
    assert found.Z.tolist() == [6, 8, 8, 1]
    assert found.charge == -1
    assert found.xyz[1] == pytest.approx([1.15, 0.1, 0.0])


def test_help_needs_no_rdkit():
    code = "import sys, andersonn.cli.main, andersonn.structures.readers; sys.exit('rdkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_smiles_are_strings():
    assert Smiles("CCO") == "CCO"
