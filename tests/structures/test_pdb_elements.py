"""PDB files without the column of elements: names in any column, told by distances or refused."""

from collections import Counter
from pathlib import Path

import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from andersonn.errors import InputError
from andersonn.structures.elements import hill_formula
from andersonn.structures.readers import read_content, read_each

FILES = Path(__file__).parents[1] / "fixtures/pdb"
MOLECULES = [
    "CCBr", "ClCCl", "ClCCBr", "C[Si](C)(C)C", "C[Si](C)(C)O[Si](C)(C)C", "CO[Si](OC)(OC)OC", "C[SiH2]C", "C[Se]C", "C1=CC=C[Se]1",
    "CS(C)=O", "CS(=O)(=O)C", "CSSC", "CSC", "c1ccsc1", "OB(O)c1ccccc1", "Brc1ccccc1", "Clc1ccccc1", "CC(Cl)=O", "Cl", "Br",
    "BrC(Br)Br", "ClC(Cl)Cl", "FC(Cl)Br", "C[As](C)C", "C[Hg]C", "C[Sn](C)(C)C", "ClN(C)C", "CC#N", "OS(=O)(=O)O", "CI", "CF",
    "CC(=O)Nc1ccc(O)cc1", "O=C(O)c1cc(Cl)ccc1Br", "C[Te]C", "CN1CCN(c2cc(Cl)cc(Cl)c2)CC1",
]  # fmt: skip


def pdb(smiles: str, shifted: bool, names: dict[str, str] | None = None) -> tuple[str, str]:
    """Lines without elements, the names where the format has them or always from column 14 on, and the right formula."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=7) == 0
    AllChem.MMFFOptimizeMolecule(mol) if AllChem.MMFFHasAllMoleculeParams(mol) else AllChem.UFFOptimizeMolecule(mol)
    lines, count = [], Counter()
    for atom, xyz in zip(mol.GetAtoms(), mol.GetConformer().GetPositions().tolist(), strict=True):
        symbol = atom.GetSymbol()
        count[symbol] += 1
        label = f"{symbol.upper()}{count[symbol]}"
        name = label.ljust(4) if len(label) > 3 or (len(symbol) == 2 and not shifted) else f" {label}".ljust(4)
        place = "".join(f"{x:8.3f}" for x in xyz)
        lines.append(f"HETATM{len(lines) + 1:5d} {name} UNL A   1    {place}  1.00  0.00")
    return "\n".join([*lines, "END", ""]), hill_formula([atom.GetAtomicNum() for atom in mol.GetAtoms()])


@pytest.mark.parametrize("smiles", MOLECULES)
@pytest.mark.parametrize("shifted", [False, True])
def test_names_in_and_beside_their_columns(smiles, shifted):
    text, formula = pdb(smiles, shifted)
    (found,) = read_content(text.encode(), Path("a.pdb"))
    assert found.formula == formula
    assert found.warnings == ()
    two_letters = any(len(s) == 2 for s in {a.GetSymbol() for a in Chem.MolFromSmiles(smiles).GetAtoms()})
    assert any("told by names and distances" in note for note in found.notes) == (shifted and two_letters)


@pytest.mark.parametrize("smiles", ["ClCl", "BrBr", "ClI"])
def test_what_distances_do_not_tell_is_refused_by_name(smiles):
    text, formula = pdb(smiles, True)
    with pytest.raises(InputError, match="may be .* or .*: its element columns are empty") as caught:
        read_content(text.encode(), Path("a.pdb"))
    assert caught.value.kind == "unknown_element"
    assert "77 and 78" in caught.value.hint
    assert read_content(pdb(smiles, False)[0].encode(), Path("a.pdb"))[0].formula == formula


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("br_noel_shifted", "C2H5Br"),
        ("cl_noel_shifted", "CH2Cl2"),
        ("br_noel", "C2H5Br"),
        ("br_noel_leftalign", "C2H5Br"),
    ],
)
def test_reported_files(name, formula):
    (found,) = read_each(FILES / f"{name}.pdb")
    assert found.formula == formula


@pytest.mark.parametrize("name", ["ca_left", "hg_left"])
def test_names_that_break_the_format_otherwise_are_refused(name):
    with pytest.raises(InputError, match="unknown element"):
        read_each(FILES / f"{name}.pdb")


@pytest.mark.parametrize(
    ("name", "residue", "formula"),
    [
        ("NA  ", " NA", "Na"), (" NA ", " NA", "Na"), (" CL ", " CL", "Cl"), (" CL ", "CL-", "Cl"), (" FE ", "HEM", "Fe"),
        (" PD1", "LIG", "Pd"), (" IN1", "IN3", "In"), (" IN1", "UNL", "In"), (" ZN ", "ZN2", "Zn"), (" CA ", "ION", "Ca"),
    ],
)  # fmt: skip
def test_lone_ions(name, residue, formula):
    line = f"HETATM    1 {name} {residue} A   1       5.000   5.000   5.000  1.00  0.00\nEND\n"
    assert read_content(line.encode(), Path("a.pdb"))[0].formula == formula


@pytest.mark.parametrize(
    "smiles", ["FC(F)(F)I", "ClC(Cl)=C(Cl)Cl", "O=C=O", "O=C(Cl)Cl", "N#CBr", "Fc1c(F)c(F)c(F)c(F)c1F", "S=C=S"]
)
def test_molecules_that_have_no_hydrogen(smiles):
    mol = Chem.MolFromSmiles(smiles)
    assert AllChem.EmbedMolecule(mol, randomSeed=3) == 0
    AllChem.UFFOptimizeMolecule(mol)
    (found,) = read_content(Chem.MolToPDBBlock(mol).encode(), Path("a.pdb"))
    assert len(found) == mol.GetNumAtoms()
    assert not found.warnings


@pytest.mark.parametrize(
    "smiles",
    ["c1ccccc1", "CC=O", "CC(=O)O", "CC#N", "C=C", "NC=O", "c1ccncc1C#N", "OC(F)(F)F", "c1cc[nH]c1", "FC(F)=C"],
)
def test_molecules_that_lack_their_hydrogens_are_refused(smiles):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=3) == 0
    AllChem.MMFFOptimizeMolecule(mol)
    with pytest.raises(InputError, match="has no hydrogen"):
        read_content(Chem.MolToPDBBlock(Chem.RemoveHs(mol)).encode(), Path("a.pdb"))


def test_peptides_without_elements_are_as_with_them():
    mol = Chem.AddHs(Chem.MolFromSequence("ACMSHE"), addResidueInfo=True)
    assert AllChem.EmbedMolecule(mol, randomSeed=3) == 0
    text = Chem.MolToPDBBlock(mol)
    (whole,) = read_content(text.encode(), Path("a.pdb"))
    (bare,) = read_content("\n".join(line[:76] for line in text.split("\n")).encode(), Path("a.pdb"))
    assert whole.formula == bare.formula == "C25H40N8O10S2"
    assert whole.notes == bare.notes == ()


def test_charges():
    (told,), (silent,) = read_each(FILES / "charge_col.pdb"), read_each(FILES / "charge_absent.pdb")
    assert (told.charge, silent.charge) == (1, 0)
    assert told.warnings[0].startswith("the charge is +1")
    assert silent.warnings == ("19 electrons, an odd number: a radical, or an ion whose charge is not given",)
