"""Drawings that their files mark as 3-D get a geometry; flat molecules keep theirs; other units are refused by name."""

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from andersonn.errors import InputError
from andersonn.structures.readers import as_structure, from_smiles, read_content, read_each

FILES = Path(__file__).parents[1] / "fixtures/sdf"
DRAWN = "its coordinates are a flat drawing"
ALL_KINDS = [
    "OC1CCCCC1", "CCO", "CC(C)C", "C1CCCC1", "CC(=O)Nc1ccc(O)cc1", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "c1ccccc1", "CC#N", "C=C",
    "Clc1ccccc1Cl", "CCCC", "CS(C)=O", "C[Si](C)(C)C", "OCC(O)CO", "c1ccc2ccccc2c1", "O=C=O", "C=CC=C", "CC(=O)O",
]  # fmt: skip


def drawn(smiles: str, hydrogens: bool, length: float = 1.5) -> Chem.Mol:
    """A flat drawing marked as 3-D, at a bond length that the program chose."""
    mol = Chem.MolFromSmiles(smiles)
    mol = Chem.AddHs(mol) if hydrogens else mol
    AllChem.Compute2DCoords(mol)
    conformer = mol.GetConformer()
    conformer.SetPositions(conformer.GetPositions() * length / 1.5)
    conformer.Set3D(True)
    return mol


def turned(mol: Chem.Mol, shift: float = 0.0) -> Chem.Mol:
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    mol = Chem.Mol(mol)
    mol.GetConformer().SetPositions(np.round(mol.GetConformer().GetPositions() @ rotation + shift, 4))
    return mol


@pytest.mark.parametrize("smiles", ALL_KINDS)
@pytest.mark.parametrize("hydrogens", [True, False])
def test_drawings_marked_as_geometries(smiles, hydrogens):
    want = from_smiles(smiles)
    for length in (1.5, 0.825, 1.0):
        mol = drawn(smiles, hydrogens, length)
        if smiles == "C=C" and not hydrogens:
            continue  # two atoms are no drawing: they lie in no plane
        for one in (mol, turned(mol), turned(mol, 5.0)):
            found = as_structure(one)
            assert found.generated_geometry, (smiles, length)
            assert DRAWN in found.notes
            assert found.formula == want.formula
            assert np.allclose(np.sort(pairs(found)), np.sort(pairs(want)), atol=1e-3)


def pairs(structure):
    return np.linalg.norm(structure.xyz[:, None] - structure.xyz[None], axis=-1).ravel()


FLAT = ["c1ccccc1", "C=O", "C=C", "O", "CO", "c1ccncc1", "C=CC=C", "O=CO", "NC=O", "c1cc[nH]c1", "c1ccc2ccccc2c1",
        "Cc1ccccc1", "OC(=O)c1ccccc1", "O=c1cc[nH]c(=O)[nH]1", "N#CC#N", "C#CC#C", "CC=O", "Oc1ccccc1", "c1ccoc1", "c1ccsc1",
        "[O-][N+](=O)c1ccccc1", "Clc1ccccc1", "NC(=[NH2+])N", "O=S=O"]  # fmt: skip


@pytest.mark.parametrize("smiles", FLAT)
def test_true_geometries_stay(smiles):
    """Made by force fields, of which some are flat, and the flat ones of their heavy atoms alone."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=7) == 0
    AllChem.MMFFOptimizeMolecule(mol) if AllChem.MMFFHasAllMoleculeParams(mol) else AllChem.UFFOptimizeMolecule(mol)
    for one in (mol, Chem.RemoveHs(mol)):
        found = as_structure(turned(one))
        assert not found.generated_geometry
        assert found.formula == from_smiles(smiles).formula


@pytest.mark.parametrize(
    ("name", "formula", "made"),
    [
        ("flat_flag3d", "C6H12O", True), ("flat_allH_flag3d", "C6H12O", True), ("flat_flag2d", "C6H12O", True),
        ("planar_flag3d", "CH2O", False), ("zero3d_heavy", "C2H6O", True), ("partial_h", "C2H6O", False), ("carbene_co", "CO", False),
    ],
)  # fmt: skip
def test_reported_files(name, formula, made):
    (found,) = read_each(FILES / f"{name}.sdf")
    assert (found.formula, found.generated_geometry) == (formula, made)
    free = ("where the hydrogen of O3 points is not given: it was placed by MMFF94",)
    assert found.warnings == (free if name == "partial_h" else ())
    if name == "zero3d_heavy":
        assert "its file has all atoms in one place" in found.notes


def test_the_isomer_of_a_drawing_is_kept():
    for smiles in ("C[C@H](O)CC", "C[C@@H](O)CC", "F/C=C/F", "F/C=C\\F"):
        mol = Chem.MolFromSmiles(smiles)
        AllChem.Compute2DCoords(mol)
        block = Chem.MolToMolBlock(Chem.WedgeMolBonds(mol, mol.GetConformer()) or mol)
        block = block.replace("          2D", "          3D")
        (found,) = read_content(block.encode(), Path("a.mol"))
        assert found.generated_geometry
        back = Chem.Mol(found.source_mol)
        assert Chem.CanonSmiles(Chem.MolToSmiles(Chem.RemoveHs(back))) == Chem.CanonSmiles(smiles)


@pytest.mark.parametrize(("name", "unit", "factor"), [("bohr_units", "bohr", "0.529177"), ("nm_units", "nm", "10")])
def test_other_units(name, unit, factor):
    with pytest.raises(InputError, match=f"as where they are in {unit}") as caught:
        read_each(FILES / f"{name}.sdf")
    assert caught.value.kind == "wrong_unit"
    assert f"multiply the coordinates by {factor}" in caught.value.hint


@pytest.mark.parametrize("factor", [1 / 0.529177, 0.1, 100.0, 3.0])
def test_scaled_molecules_are_refused(factor):
    mol = Chem.AddHs(Chem.MolFromSmiles("CC(=O)NCCO"))
    assert AllChem.EmbedMolecule(mol, randomSeed=7) == 0
    mol.GetConformer().SetPositions(mol.GetConformer().GetPositions() * factor)
    with pytest.raises(InputError, match="bonds are") as caught:
        as_structure(mol)
    assert caught.value.kind == "wrong_unit"


def test_carbon_dioxide_keeps_its_geometry():
    mol = Chem.MolFromSmiles("O=C=O")
    conformer = Chem.Conformer(3)
    conformer.SetPositions(np.array([[-1.16, 0, 0], [0, 0, 0], [1.16, 0, 0]]))
    conformer.Set3D(True)
    mol.AddConformer(conformer)
    assert not as_structure(mol).generated_geometry


@pytest.mark.parametrize(
    "smiles",
    [
        "OP(O)(O)=O", "OCl(=O)(=O)=O", "O=S(=O)(F)F", "FS(F)(F)F", "Cl[Sn](Cl)(Cl)Cl", "OS(O)(=O)=O", "ON=O", "O", "OO",
        "Cl[Ge](Cl)(Cl)Cl", "C[Pb](C)(C)C", "C[Se](C)(=O)=O", "Cl[Si](Cl)(Cl)Cl",
    ],
)  # fmt: skip
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_drawings_of_other_centers_and_with_noise(smiles, noise):
    mol = turned(drawn(smiles, hydrogens=True))
    rough = np.random.default_rng(3).uniform(-noise, noise, size=(mol.GetNumAtoms(), 3))
    mol.GetConformer().SetPositions(mol.GetConformer().GetPositions() + rough)
    if noise and smiles in ("O", "OO", "ON=O"):
        return  # nothing but equal lengths tells these
    found = as_structure(mol)
    assert found.generated_geometry
    assert DRAWN in found.notes


def _placed(smiles: str, xyz: list) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    conformer = Chem.Conformer(len(xyz))
    conformer.SetPositions(np.array(xyz, dtype=float))
    conformer.Set3D(True)
    mol.AddConformer(conformer)
    return mol


SQUARE = [[1, 0, 0], [0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]


@pytest.mark.parametrize(
    ("smiles", "xyz"),
    [
        ("F[Xe](F)(F)F", np.multiply(SQUARE, 1.95)),
        ("Cl[Pt-2](Cl)(Cl)Cl", np.multiply(SQUARE, 2.33)),
        ("Cl[Pd-2](Cl)(Cl)Cl", np.multiply(SQUARE, 2.31)),
        ("FOF", [[1.09, 0.9, 0], [0, 0, 0], [-1.09, 0.9, 0]]),
        ("[O-][O+]=O", [[1.08, 0.67, 0], [0, 0, 0], [-1.08, 0.67, 0]]),
        ("FB(F)F", [[1.31, 0, 0], [0, 0, 0], [-0.655, 1.134, 0], [-0.655, -1.134, 0]]),
        ("O=S=O", [[1.24, 0.72, 0], [0, 0, 0], [-1.24, 0.72, 0]]),
        ("O", [[0, 0, 0.1193], [0, 0.7632, -0.477], [0, -0.7632, -0.477]]),
    ],
)
def test_flat_molecules_of_equal_bonds_stay(smiles, xyz):
    found = as_structure(_placed(smiles, xyz))
    assert not found.generated_geometry


def test_water_in_bohr_is_no_drawing():
    with pytest.raises(InputError, match="in bohr"):
        as_structure(_placed("O", np.divide([[0, 0, 0.1193], [0, 0.7632, -0.477], [0, -0.7632, -0.477]], 0.529177)))


@pytest.mark.parametrize("smiles", ["C=C", "C#C", "C#N", "CCO", "C", "O", "CC"])
@pytest.mark.parametrize("hydrogens", [True, False])
def test_small_drawings_with_noise(smiles, hydrogens):
    mol = drawn(smiles, hydrogens)
    xyz = mol.GetConformer().GetPositions()
    xyz[:, 2] = np.random.default_rng(3).uniform(-0.05, 0.05, len(xyz))
    mol.GetConformer().SetPositions(xyz)
    (found,) = read_content(Chem.MolToMolBlock(mol).encode(), Path("a.mol"))
    if hydrogens or smiles in ("C=C", "C#C", "C#N", "CCO"):
        assert DRAWN in found.notes
    lengths = np.linalg.norm(found.xyz[:, None] - found.xyz[None], axis=2)
    shortest = lengths[np.triu_indices(len(lengths), 1)].min()
    assert 0.9 < shortest < 1.12


@pytest.mark.parametrize("smiles", ["C=C", "C#C", "C#N", "c1ccccc1", "O", "[C-]#[O+]"])
def test_flat_molecules_stay_also_without_hydrogens(smiles):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    AllChem.MMFFOptimizeMolecule(mol)
    for kept in (mol, Chem.RemoveHs(mol)):
        (found,) = read_content(Chem.MolToMolBlock(kept).encode(), Path("a.mol"))
        assert not found.generated_geometry
