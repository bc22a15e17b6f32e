"""Every example file is what its name says."""

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from andersonn.scientists.registry import registered
from andersonn.structures import elements
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.readers import from_smiles, read_each

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
FORMULAS = {
    "structures/quartz.cif": ("O2Si", 9), "structures/Si.cif": ("Si", 2), "structures/SrTiO3.vasp": ("O3SrTi", 5),
    "structures/Cu.cif": ("Cu", 1), "structures/NaCl.cif": ("ClNa", 2),
    "frameworks/mof-5.cif": ("C24H12O13Zn4", 106), "frameworks/calcium-oxalate.cif": ("C2H2CaO5", 80),
    "frameworks/zinc-ultramicroporous.cif": ("C8H2N2O4Zn", None),
}  # fmt: skip
"""Reduced formula in Hill's order, and atoms in the cell."""
MOLECULES = {
    "aspirin": "O=C(C)Oc1ccccc1C(=O)O", "ibuprofen": "OC(=O)C(C)c1ccc(CC(C)C)cc1", "caffeine": "CN1C=NC2=C1C(=O)N(C)C(=O)N2C",
    "paracetamol": "CC(=O)NC1=CC=C(C=C1)O", "uracil": "O=C1C=CNC(=O)N1", "glycine": "C(C(=O)O)N", "benzene": "C1=CC=CC=C1",
    "cyclohexane": "C1CCCCC1", "water": "O", "dimethyl sulfoxide": "CS(=O)C", "acetonitrile": "CC#N",
}  # fmt: skip
"""As PubChem writes them."""


def reduced(Z: np.ndarray) -> str:
    numbers, counts = np.unique(Z, return_counts=True)
    return elements.hill_formula(np.repeat(numbers, counts // np.gcd.reduce(counts)))


def test_no_file_is_left_out():
    found = {
        f"{p.parent.name}/{p.name}"
        for p in EXAMPLES.rglob("*")
        if p.suffix in (".cif", ".vasp", ".sdf", ".smi", ".xyz")
    }
    assert found == {*FORMULAS, "molecules/drugs.smi", "molecules/solvents.sdf"}


@pytest.mark.parametrize("name", FORMULAS)
def test_crystals(name):
    (found,) = read_each(EXAMPLES / name)
    formula, atoms = FORMULAS[name]
    assert reduced(found.Z) == formula
    assert atoms in (None, len(found))
    assert found.warnings == ()


def bonds(found, one: int, two: int, longest: float) -> int:
    i, j, distance, _ = pairs_within(found.xyz, found.cell, longest)
    return int(((found.Z[i] == one) & (found.Z[j] == two) & (distance < longest)).sum())


def test_calcium_oxalate_is_an_oxalate():
    """Each C2O4 has a C-C bond; all hydrogen is water's. Formate, of nearly the same formula, has C-H bonds."""
    (found,) = read_each(EXAMPLES / "frameworks/calcium-oxalate.cif")
    carbon = int((found.Z == 6).sum())
    assert bonds(found, 6, 6, 1.65) == carbon
    assert bonds(found, 6, 8, 1.35) == 2 * carbon
    assert bonds(found, 6, 1, 1.25) == 0
    assert bonds(found, 8, 1, 1.15) == int((found.Z == 1).sum())


def test_quartz_is_a_network_of_tetrahedra():
    (found,) = read_each(EXAMPLES / "structures/quartz.cif")
    assert bonds(found, 14, 8, 1.8) == 4 * 3
    assert bonds(found, 8, 14, 1.8) == 2 * 6


@pytest.mark.parametrize("name", ["drugs.smi", "solvents.sdf"])
def test_molecules(name):
    lines = (EXAMPLES / "molecules" / name).read_text()
    if name.endswith(".smi"):
        told = {
            title: Chem.CanonSmiles(smiles) for smiles, title in (line.split(maxsplit=1) for line in lines.splitlines())
        }
    else:
        mols = list(Chem.SDMolSupplier(str(EXAMPLES / "molecules" / name), removeHs=False))
        told = {mol.GetProp("_Name"): Chem.MolToSmiles(Chem.RemoveHs(mol)) for mol in mols}
    assert told == {title: Chem.CanonSmiles(MOLECULES[title]) for title in told}
    read = {found.id.split(":")[1]: found for found in read_each(EXAMPLES / "molecules" / name)}
    assert set(read) == set(told)
    for title, found in read.items():
        assert found.formula == from_smiles(MOLECULES[title]).formula
        assert found.warnings == ()


def test_examples_of_the_web_lab():
    for name, source in (example for spec in registered().values() for example in spec.examples.items()):
        if name in MOLECULES:
            assert Chem.CanonSmiles(source) == Chem.CanonSmiles(MOLECULES[name])
        else:
            assert (ROOT / source).is_file()
    assert registered()["porosity"].examples["calcium oxalate"].endswith("calcium-oxalate.cif")
