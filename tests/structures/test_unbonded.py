"""SDF, MOL and MOL2 records whose list of bonds is empty or has gaps."""

import io
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write
from ase.io.formats import ioformats
from rdkit import Chem

from andersonn.structures.readers import read_content
from andersonn.structures.readers.molecules.from_rdkit import to_structure

WATER = (("O", 0.0, 0.0, 0.1193), ("H", 0.0, 0.7632, -0.477), ("H", 0.0, -0.7632, -0.477))


def _mol_block(atoms, bonds=(), extra=()):
    rows = [f"{x:10.4f}{y:10.4f}{z:10.4f} {s:<3} 0  0  0  0  0  0  0  0  0  0  0  0" for s, x, y, z in atoms]
    rows += [f"{i:3d}{j:3d}{order:3d}  0" for i, j, order in bonds]
    head = ["", "  made by hand    3D", "", f"{len(atoms):3d}{len(bonds):3d}  0  0  0  0  0  0  0  0999 V2000"]
    return "\n".join([*head, *rows, *extra, "M  END", ""])


def _mol2(atoms, charges=None):
    kind = "NO_CHARGES" if charges is None else "USER_CHARGES"
    rows = [
        f"{k} {s}{k} {x} {y} {z} {s} 1 MOL {charges[k - 1] if charges else 0.0}"
        for k, (s, x, y, z) in enumerate(atoms, start=1)
    ]
    return "\n".join(["@<TRIPOS>MOLECULE", "m", f"{len(atoms)} 0", "SMALL", kind, "", "@<TRIPOS>ATOM", *rows, ""])


def _only(text, name):
    (found,) = read_content(text.encode(), Path(name))
    return found


@pytest.mark.parametrize("name", ["H2O", "CO2", "C6H6", "CH3CH2OH", "N2", "HCN", "CO"])
@pytest.mark.parametrize("ending", ["sdf", "mol"])
@pytest.mark.skipif(not ioformats["sdf"].can_write, reason="this ASE writes no SDF")
def test_what_ase_writes(name, ending):
    atoms, text = molecule(name), io.StringIO()
    write(text, atoms, format="sdf")
    found = _only(text.getvalue(), f"a.{ending}")
    assert sorted(found.Z) == sorted(atoms.numbers)
    assert found.bonds is None
    assert not found.warnings
    assert any("lists no bonds" in note for note in found.notes)


def test_mol2_without_bonds_and_its_charge():
    assert _only(_mol2(WATER), "a.mol2").formula == "H2O"
    hydroxide = _only(_mol2(WATER[:2], [-1.2, 0.2]), "a.mol2")
    assert hydroxide.formula == "HO"
    assert hydroxide.charge == -1
    assert hydroxide.charge_given


def test_the_charge_of_a_mol_block_is_kept():
    found = _only(_mol_block(WATER[:2], extra=("M  CHG  1   1  -1",)), "a.mol")
    assert found.formula == "HO"
    assert found.charge == -1


def test_heavy_atoms_alone_are_doubted():
    found = _only(_mol_block((("C", 0, 0, 0), ("C", 1.51, 0, 0.1), ("O", 2.0, 1.3, 0))), "a.mol")
    assert found.formula == "C2O"
    assert any("hydrogens are missing" in text for text in found.warnings)


def test_single_atoms_keep_getting_their_hydrogens():
    assert _only(_mol_block((("C", 0, 0, 0.1),)), "a.mol").formula == "CH4"
    assert _only(_mol_block((("O", 0, 0, 0.1), ("O", 3.0, 0, 0))), "a.mol").formula == "H4O2"


def test_gaps_in_the_list_are_told():
    found = _only(_mol_block(WATER, [(1, 2, 1)]), "a.mol")
    assert found.formula == "H2O"
    assert any("H3" in text and "lists no bond" in text for text in found.warnings)


def test_a_hydrogen_bond_is_no_gap():
    second = [("O", 0.0, 2.5, -1.6), ("H", 0.0, 3.3, -1.1), ("H", 0.0, 2.6, -2.55)]
    bonds = [(1, 2, 1), (1, 3, 1), (4, 5, 1), (4, 6, 1)]
    assert not _only(_mol_block([*WATER, *second], bonds), "a.mol").warnings


def test_objects_of_rdkit_without_bonds():
    mol = Chem.MolFromXYZBlock("3\n\n" + "\n".join(f"{s} {x} {y} {z}" for s, x, y, z in WATER) + "\n")
    found = to_structure(mol)
    assert found.formula == "H2O"
    assert found.bonds is None
    assert np.allclose(found.xyz[0], WATER[0][1:])
