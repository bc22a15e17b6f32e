"""MOL2 by atom types and bonds: each molecule against its SMILES, with all, polar or no hydrogens in the file."""

from pathlib import Path

import pytest
from rdkit import Chem

from andersonn.errors import InputError
from andersonn.structures.readers import read_content, read_each
from andersonn.structures.readers.molecules.from_rdkit import to_structure
from andersonn.structures.readers.molecules.mol2 import mol_of
from andersonn.structures.readers.molecules.mol2_types import element_of

FILES = Path(__file__).parents[1] / "fixtures/mol2"
START = "@<TRIPOS>MOLECULE"


def records(name: str) -> dict[str, str]:
    """Records of a file that Open Babel wrote, by their titles: SMILES."""
    return {p.split("\n", 2)[1]: START + p for p in (FILES / f"{name}.mol2").read_text().split(START)[1:]}


def plain(mol: Chem.Mol) -> str:
    mol = Chem.RemoveHs(mol)
    Chem.RemoveStereochemistry(mol)
    return Chem.MolToSmiles(Chem.MolFromSmiles(Chem.MolToSmiles(mol)))


def without_charges(record: str) -> str:
    """The record with zeros for partial charges and none for formal ones."""
    head, rest = record.replace("GASTEIGER", "NO_CHARGES").split("@<TRIPOS>ATOM\n")
    atoms, _, bonds = rest.partition("@<TRIPOS>BOND")
    lines = [line[:69] + "    0.0000" for line in atoms.partition("@<TRIPOS>UNITY")[0].strip("\n").split("\n")]
    return head + "@<TRIPOS>ATOM\n" + "\n".join(lines) + "\n@<TRIPOS>BOND" + bonds


@pytest.mark.parametrize("smiles", sorted(records("full")))
@pytest.mark.parametrize("name", ["full", "polar"])
def test_hydrogens_listed_or_only_the_polar_ones(name, smiles):
    mol, _ = mol_of(records(name)[smiles])
    if name == "polar" and smiles == "C1=CC=C[CH-]1":
        with pytest.raises(InputError, match="kekulize"):
            to_structure(mol)
        return
    found = to_structure(mol)
    assert plain(mol) == plain(Chem.MolFromSmiles(smiles))
    assert not found.generated_geometry
    assert found.charge == Chem.GetFormalCharge(Chem.MolFromSmiles(smiles))
    added = len(found) - len(mol.GetAtoms())
    assert any("added" in note for note in found.notes) == bool(added)


TAUTOMERS = "which nitrogen of an aromatic ring has its hydrogen cannot be told"
UNTOLD = dict.fromkeys(("[nH]1nnnc1", "Nc1nc(=O)c2nc[nH]c2[nH]1", "c1nc2cncnc2[nH]1"), TAUTOMERS)
UNTOLD["C1=CC=C[CH-]1"] = "kekulize"


@pytest.mark.parametrize("smiles", sorted(records("bare")))
def test_no_hydrogens(smiles):
    want, record = Chem.MolFromSmiles(smiles), records("bare")[smiles]
    if smiles in UNTOLD:
        with pytest.raises(InputError, match=UNTOLD[smiles]):
            to_structure(mol_of(record)[0])
        return
    mol, _ = mol_of(record)
    found = to_structure(mol)
    assert plain(mol) == plain(want)
    assert found.charge == Chem.GetFormalCharge(want)


NEUTRAL = [s for s in sorted(records("full")) if "+" not in s and "-]" not in s]


@pytest.mark.parametrize("smiles", NEUTRAL)
def test_no_charge_is_invented_where_the_file_gives_none(smiles):
    for name in ("full", "polar"):
        mol, warnings = mol_of(without_charges(records(name)[smiles]))
        assert to_structure(mol).charge == 0
        assert not warnings
        assert plain(mol) == plain(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize(
    ("name", "formula", "charge", "added"),
    [
        ("ethanol_noH", "C2H6O", 0, 6), ("amide_noH", "C3H7NO", 0, 7), ("aceticacid_nohyd", "C2H4O2", 0, 4),
        ("acetate_oco2", "C2H3O2", -1, 0), ("acetate_oco2_dbl", "C2H3O2", -1, 0), ("aceticacid", "C2H4O2", 0, 0),
        ("guanidinium", "CH6N3", 1, 0), ("nitro_nar", "CH3NO2", 0, 0), ("nitro_oco2", "CH3NO2", 0, 0),
        ("amide_am", "C3H7NO", 0, 0), ("dmso", "C2H6OS", 0, 0), ("pyridine_ar", "C5H5N", 0, 0),
        ("pyrrole_ar", "C4H5N", 0, 0), ("pyrrole_pl3_ar", "C4H5N", 0, 0), ("gaff_ether", "C2H6O2", 0, 0),
        ("gaff_aniline", "C6H7N", 0, 0), ("upper_types", "C2H4BrCl", 0, 0), ("dummy_lp", "C2H6O", 0, 0),
        ("comment_head", "C2H4O2", 0, 0), ("crlf", "C2H4O2", 0, 0), ("lowercase_tripos", "C2H4O2", 0, 0),
        ("planar", "CH2O", 0, 0), ("planar_z5", "CH2O", 0, 0),
    ],
)  # fmt: skip
def test_reported_files(name, formula, charge, added):
    (found,) = read_each(FILES / f"{name}.mol2")
    assert (found.formula, found.charge) == (formula, charge)
    assert not found.generated_geometry
    assert found.notes == (
        (f"{added} hydrogen atoms were missing and have been added and relaxed by MMFF94",) if added else ()
    )


def test_charges_of_the_file_decide_between_an_ion_and_missing_hydrogens():
    text = (FILES / "ethanol_noH.mol2").read_text()
    atoms = text.split("@<TRIPOS>ATOM\n")[1].split("@<TRIPOS>BOND")[0]
    assert read_content(text.encode(), Path("a.mol2"))[0].charge == 0
    full = records("full")["CC[O-]"].replace("O.co2", "O.3").replace("@<TRIPOS>UNITY_ATOM_ATTR\n3 1\ncharge -1\n", "")
    (found,) = read_content(full.encode(), Path("a.mol2"))
    assert (found.formula, found.charge, found.notes) == ("C2H5O", -1, ())
    (neutral,) = read_content(without_charges(full).encode(), Path("a.mol2"))
    assert (neutral.formula, neutral.charge) == ("C2H6O", 0)
    assert neutral.notes == ("1 hydrogen atom was missing and has been added and relaxed by MMFF94",)
    odd = text.replace(atoms, atoms.replace("0.0000\n", "0.6667\n"))  # 2 e, which no missing bond explains
    (doubted,) = read_content(odd.encode(), Path("a.mol2"))
    assert any("add up to +2" in warning for warning in doubted.warnings)


@pytest.mark.parametrize(
    ("old", "new", "kind", "words"),
    [
        ("C.3 ", "CT  ", "unknown_element", "atom C1 has the unknown type 'CT'"),
        ("C.3 ", "Du  ", "unknown_element", "'Du'"),
        ("C.3 ", "CA  ", "unknown_element", "'CA'"),
        ("     1     1     2 1", "     1     1     9 1", "bad_mol2", "bond line"),
        ("     1     1     2 1", "     1     1     2 7", "bad_mol2", "type '7'"),
        ("@<TRIPOS>ATOM", "@<TRIPOS>ATOMS", "bad_mol2", "no @<TRIPOS>ATOM"),
        (" 3 2 1 0 0", " 4 2 1 0 0", "bad_mol2", "announces 4"),
        ("0.9011", "nan", "bad_mol2", "atom line"),
    ],
)
def test_broken_records_are_refused_by_name(old, new, kind, words):
    text = (FILES / "ethanol_noH.mol2").read_text()
    assert old in text
    with pytest.raises(InputError, match=words) as caught:
        read_content(text.replace(old, new).encode(), Path("a.mol2"))
    assert caught.value.kind == kind
    assert caught.value.hint


@pytest.mark.parametrize(
    ("kind", "name", "symbol"),
    [
        ("C.3", "C1", "C"), ("c.ar", "C1", "C"), ("CL", "Cl1", "Cl"), ("BR", "BR2", "Br"), ("cl", "X", "Cl"),
        ("ca", "C1", "C"), ("Ca", "Ca1", "Ca"), ("CA", "CA1", "Ca"), ("na", "N1", "N"), ("Na", "Na", "Na"), ("os", "O1", "O"),
        ("n4", "N1", "N"), ("hn", "H1", "H"), ("H.spc", "H", "H"), ("Co.oh", "Co", "Co"), ("D", "D1", "H"), ("S.O2", "S1", "S"),
    ],
)  # fmt: skip
def test_types(kind, name, symbol):
    assert element_of(kind, name) == symbol
