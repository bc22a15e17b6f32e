"""The list of drugs and biomolecules, and what of it is labeled."""

import csv
import importlib.util
from importlib import resources

import numpy as np
import pyarrow.parquet as pq
import pytest

SETS = resources.files("andersonn.data").joinpath("sets")
with SETS.joinpath("biomolecules.csv").open() as stream:
    MOLECULES = list(csv.DictReader(stream))
KINDS = {"amino acid", "nucleobase", "sugar", "approved drug", "small peptide", "biomolecule"}
needs_rdkit = pytest.mark.skipif(importlib.util.find_spec("rdkit") is None, reason="needs rdkit")


def test_the_list_is_as_promised():
    assert len(MOLECULES) >= 150
    assert {m["kind"] for m in MOLECULES} == KINDS
    assert len({m["name"] for m in MOLECULES}) == len(MOLECULES)
    assert sum(m["kind"] == "amino acid" for m in MOLECULES) >= 20


@needs_rdkit
def test_every_smiles_makes_the_formula_that_stands_beside_it():
    from rdkit import Chem

    from andersonn.labels.molecules import formal_charge, molecular_formula

    for m in MOLECULES:
        assert molecular_formula(m["smiles"]) == m["formula"], m["name"]
        assert formal_charge(m["smiles"]) == 0, m["name"]
    assert len({Chem.CanonSmiles(m["smiles"]) for m in MOLECULES}) == len(MOLECULES)


def test_the_labeled_ones_come_from_the_list():
    table = pq.read_table(str(SETS.joinpath("biomolecules.parquet")))
    smiles = {m["name"]: m["smiles"] for m in MOLECULES}
    ids = table["id"].to_pylist()
    assert len(set(ids)) == len(ids)
    assert [smiles[id] for id in ids] == table["smiles"].to_pylist()
    dipoles = np.array(table["dipole_D"].to_pylist())
    assert np.isfinite(dipoles).all()
    assert dipoles.min() >= 0
    assert dipoles.max() < 15
    assert set(table["charge"].to_pylist()) == {0}
    assert all("optimized by GFN2-xTB" in g for g in table["geometry"].to_pylist())
    assert all("B3LYP/6-31G(2df,p)" in m for m in table["method"].to_pylist())
    assert set(table["kind"].to_pylist()) <= KINDS
