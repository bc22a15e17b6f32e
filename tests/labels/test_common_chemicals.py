"""The list of common chemicals: how it is made, and what of it is labeled."""

import csv
import importlib.util
import json
from collections import Counter
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("rdkit")
SETS = resources.files("andersonn.data").joinpath("sets")
TOOL = Path(__file__).parents[2] / "tools/common_chemicals.py"
with SETS.joinpath("common_chemicals.csv").open(encoding="utf-8") as stream:
    LISTED = list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("common_chemicals", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_list_is_as_promised():
    assert len(LISTED) >= 2400
    assert len({row["name"] for row in LISTED}) == len({row["smiles"] for row in LISTED}) == len(LISTED)
    smiles = {row["smiles"] for row in LISTED}
    assert {"O", "N", "C#N", "CS(C)=O", "CC#N", "O=S=O", "[C-]#[O+]", "CN=[N+]=[N-]", "[C-]#[N+]C", "CI"} <= smiles
    kinds = Counter(row["kind"] for row in LISTED)
    rare = ("N-oxide", "azide", "isocyanide", "sulfoxide or sulfone", "phosphorus", "boron", "silicon", "ion pair")
    assert all(kinds[kind] >= 5 for kind in rare)


def test_listed_molecules_make_the_formula_beside_them():
    from andersonn.labels.molecules import formal_charge, molecular_formula

    for row in LISTED[::7]:
        assert molecular_formula(row["smiles"]) == row["formula"], row["name"]
        assert formal_charge(row["smiles"]) == 0, row["name"]


def test_the_list_is_of_neutral_closed_shells_by_size_each_once(tool):
    found = tool.listed(
        [
            ("chloride", "[Cl-]", None, 1),
            ("salt", "[Na+].[Cl-]", None, 1),
            ("radical", "C[CH2]", None, 1),
            ("argon", "[Ar]", None, 1),
            ("metal", "C[Al](C)C", None, 1),
            ("too large", "CCCCCCCC", None, 1),
            ("heavy water", "[2H]O[2H]", None, 1),
            ("ethanol", "OCC", None, 1),
            ("again", "CCO", None, 2),
            ("methanol", "CO", None, 1),
            ("sulfoxide", "CS(C)=O", "by hand", 0),
            ("nonsense", "C(C", None, 1),
        ],
        6,
    )
    assert [(row["name"], row["kind"]) for row in found] == [
        ("sulfoxide", "by hand"),
        ("methanol", "oxygen"),
        ("ethanol", "oxygen"),
    ]


def test_what_is_labeled_again_at_better_geometry(tool):
    from rdkit import Chem

    hard = Chem.MolFromSmarts(tool.HARD)
    for smiles, expected in {
        "OO": True, "NN": True, "CSSC": True, "CS(C)=O": True, "[Na]Cl": True, "COP(C)(=O)OC": True,
        "O": False, "CO": False, "CC=O": False, "C[N+](=O)[O-]": False, "CN=[N+]=[N-]": False,
    }.items():  # fmt: skip
        assert Chem.MolFromSmiles(smiles).HasSubstructMatch(hard) is expected, smiles


def row(id, smiles, dipole, **more):
    structure = {"atomic_numbers": [8, 1, 1], "positions": [[0, 0, 0], [0, 0, 1], [0, 1, 0]], "cell": None}
    fixed = {"formula": "H2O", "method": "B3LYP", "charge": 0, "notes": [], "structure": structure}
    return {"id": id, "key": id, "smiles": smiles, "dipole_D": dipole, **fixed, **more}


def test_published_rows_the_last_counts_and_known_ones_are_marked(tool, tmp_path, monkeypatch):
    first = [row("water", "O", 1.9), row("acid", "C[C@H](O)C(=O)O", 2.0), row("bad", "C", 1.0, error={"kind": "x"})]
    second = [row("water", "O", 1.85), row("acid", "", 0.0, error={"kind": "x"})]
    for name, rows in (("a.jsonl", first), ("b.jsonl", second)):
        (tmp_path / name).write_text("".join(json.dumps(r) + "\n" for r in rows) + '{"id": "cut off', encoding="utf-8")
    (tmp_path / "known.csv").write_text("name,smiles,dipole_D\nlactic acid,CC(O)C(O)=O,2.1\n", encoding="utf-8")
    out, again = tmp_path / "out.parquet", tmp_path / "again.parquet"
    files = [str(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
    known = ["--known", str(tmp_path / "known.csv")]
    for words in ([*files, *known, "--out", out], [files[1], "--earlier", out, *known, "--out", again]):
        monkeypatch.setattr("sys.argv", ["common_chemicals", "publish", *map(str, words)])
        tool.main()
    for path in (out, again):
        table = pq.read_table(path).select(["id", "dipole_D", "in_known"])
        found = {r["id"]: (r["dipole_D"], r["in_known"]) for r in table.to_pylist()}
        assert found == {"water": (1.85, False), "acid": (2.0, True)}


def test_the_labeled_ones_come_from_the_list():
    table = pq.read_table(str(SETS.joinpath("common_chemicals.parquet")))
    smiles = {row["name"]: row["smiles"] for row in LISTED}
    rows = {row["id"]: row for row in table.select(["id", "smiles", "dipole_D", "in_known"]).to_pylist()}
    assert len(rows) == len(table) >= 200
    assert all(smiles[id] == row["smiles"] for id, row in rows.items())
    dipoles = table["dipole_D"].to_numpy()
    assert np.isfinite(dipoles).all()
    assert dipoles.min() >= 0
    assert dipoles.max() < 15
    assert set(table["charge"].to_pylist()) == {0}
    assert all("optimized by" in geometry for geometry in table["geometry"].to_pylist())
    for name, measured in {
        "water": 1.85,
        "hydrogen cyanide": 2.98,
        "acetonitrile": 3.92,
        "carbon dioxide": 0.0,
    }.items():
        assert rows[name]["in_known"], name
        assert rows[name]["dipole_D"] == pytest.approx(measured, abs=0.25), name
