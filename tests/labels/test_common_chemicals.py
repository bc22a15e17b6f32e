"""The list of common chemicals: how it is made, and what of it is labeled."""

import csv
import importlib.util
import json
import sys
from collections import Counter
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("rdkit")
SETS = resources.files("andersonn.data").joinpath("sets")
TOOLS = Path(__file__).parents[2] / "tools"
with SETS.joinpath("common_chemicals.csv").open(encoding="utf-8") as stream:
    LISTED = list(csv.DictReader(stream))


with SETS.joinpath("small_molecules.csv").open(encoding="utf-8") as stream:
    SMALL = list(csv.DictReader(stream))


def program(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tool():
    return program("common_chemicals")


@pytest.fixture
def combining(tool, monkeypatch):
    monkeypatch.setitem(sys.modules, "common_chemicals", tool)
    return program("small_molecules")


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
    first = [
        row("water", "O", 1.9),
        row("not listed", "C", 1.0),
        row("acid", "C[C@H](O)C(=O)O", 2.0),
        row("bad", "C", 1.0, error={"kind": "x"}),
    ]
    second = [row("water", "O", 1.85), row("acid", "", 0.0, error={"kind": "x"})]
    for name, rows in (("a.jsonl", first), ("b.jsonl", second)):
        (tmp_path / name).write_text("".join(json.dumps(r) + "\n" for r in rows) + '{"id": "cut off', encoding="utf-8")
    (tmp_path / "known.csv").write_text("name,smiles,dipole_D\nlactic acid,CC(O)C(O)=O,2.1\n", encoding="utf-8")
    (tmp_path / "list.csv").write_text("name,smiles\nwater,O\nacid,C\nbad,C\n", encoding="utf-8")
    out, again = tmp_path / "out.parquet", tmp_path / "again.parquet"
    files = [str(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
    known = ["--known", str(tmp_path / "known.csv"), "--list", str(tmp_path / "list.csv")]
    for words in ([*files, *known, "--out", out], [files[1], "--earlier", out, *known, "--out", again]):
        monkeypatch.setattr("sys.argv", ["common_chemicals", "publish", *map(str, words)])
        tool.main()
    for path in (out, again):
        table = pq.read_table(path).select(["id", "dipole_D", "in_known"])
        found = {r["id"]: (r["dipole_D"], r["in_known"]) for r in table.to_pylist()}
        assert found == {"water": (1.85, False), "acid": (2.0, True)}


def test_molecules_of_qm9_come_with_its_geometry_and_label(tool, tmp_path, monkeypatch):
    qm9 = pa.table(
        {
            "id": ["gdb9-3", "gdb9-9", "gdb9-8"],
            "smiles": ["O", "C/C=C/C", "CO"],
            "atomic_numbers": [[8, 1, 1], [6] * 4, [6, 8]],
            "positions": [[float(i) for i in range(9)], [0.0] * 12, [0.0] * 6],
            "dipole_D": [1.85, 0.0, 1.53],
        }
    )
    pq.write_table(qm9, tmp_path / "qm9.parquet")
    listed = "name,smiles,formula,kind\nwater,O,H2O,oxygen\ncis,C/C=C\\C,C4H8,hydrocarbon\nmethanol,CO,CH4O,oxygen\n"
    (tmp_path / "list.csv").write_text(listed, encoding="utf-8")
    monkeypatch.setattr(tool, "LIST", tmp_path / "list.csv")
    (tmp_path / "a.jsonl").write_text(json.dumps(row("methanol", "CO", 1.6)) + "\n", encoding="utf-8")
    words = ["a.jsonl", "--list", "list.csv", "--qm9", "qm9.parquet", "--out", "out.parquet"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["common_chemicals", "publish", *words])
    tool.main()
    found = {r["id"]: r for r in pq.read_table("out.parquet").to_pylist()}
    assert {name: r["dipole_D"] for name, r in found.items()} == {
        "methanol": 1.6,
        "water": 1.85,
    }  # cis is another isomer
    assert found["water"]["program"].endswith("gdb9-3 of QM9")
    assert found["water"]["positions"] == list(range(9))


def test_stiff_molecules_without_geometry(tool, tmp_path, monkeypatch):
    rows = [
        row("benzene", "c1ccccc1", 0.0, geometry="GFN2-xTB"),
        row("diethyl ether", "CCOCC", 1.1, geometry="GFN2-xTB"),
        row("hydrazine", "NN", 0.0, geometry="GFN2-xTB"),
        row("hydrogen peroxide", "OO", 1.8, geometry="optimized by B3LYP"),
    ]
    journal = "".join(json.dumps(r) + "\n" for r in rows)
    (tmp_path / "a.jsonl").write_text(journal, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for words in (["publish", "a.jsonl", "--out", "a.parquet"], ["generated", "a.parquet", "--out", "b.parquet"]):
        monkeypatch.setattr("sys.argv", ["common_chemicals", *words])
        tool.main()
    found = pq.read_table("b.parquet").to_pylist()
    assert [r["id"] for r in found] == ["benzene", "hydrogen peroxide"]
    assert all(r["positions"] is None and r["dipole_D"] is not None for r in found)


def test_molecules_drawn_from_a_file_have_no_geometry(tool, tmp_path, monkeypatch):
    rows = [
        {"id": f"m{k}", "group": "g", "smiles": "C" * (k + 1), "dipole_D": 0.1 * k, "positions": [0.0]}
        for k in range(50)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "all.parquet")
    words = ["drawn", str(tmp_path / "all.parquet"), "--most", "20", "--out", str(tmp_path / "some.parquet")]
    monkeypatch.setattr("sys.argv", ["common_chemicals", *words])
    tool.main()
    found = pq.read_table(tmp_path / "some.parquet")
    assert found.column_names == ["id", "group", "smiles", "dipole_D"]
    names = found["id"].to_pylist()
    assert len(set(names)) == 20
    assert names != [f"m{k}" for k in range(20)]
    assert all(row["dipole_D"] == 0.1 * (len(row["smiles"]) - 1) for row in found.to_pylist())


def test_pairs_of_groups_are_joined_by_one_bond(combining):
    pairs = set(combining.pairs())
    assert {"CF", "FCl", "N#CC#N", "CC(=O)O", "O=NCl", "c1ccc(-c2ccccc2)cc1", "C[SiH3]", "BB"} <= pairs
    assert all("." not in smiles for smiles in pairs)


def test_small_molecules_are_none_that_are_listed_elsewhere(combining):
    rows = combining.listed(["P(F)(F)Cl", "FP(F)Cl", "IN", "CCF", "O", "[CH3]"], {"O"})
    assert [row["smiles"] for row in rows] == ["CCF", "FP(F)Cl"]
    listed = {row["smiles"] for row in LISTED}
    assert len(SMALL) == len({row["smiles"] for row in SMALL}) >= 800
    assert not any(row["smiles"] in listed for row in SMALL)
    assert {"O=P(F)(F)Cl", "CC#P", "FC(Cl)Br"} <= {row["smiles"] for row in SMALL}


@pytest.mark.parametrize(("file", "least"), [("common_chemicals", 700), ("small_molecules", 200)])
def test_the_labeled_ones_come_from_their_list(file, least):
    with SETS.joinpath(f"{file}.csv").open(encoding="utf-8") as stream:
        smiles = {row["name"]: row["smiles"] for row in csv.DictReader(stream)}
    table = pq.read_table(str(SETS.joinpath(f"{file}.parquet")))
    rows = table.select(["id", "smiles", "dipole_D"]).to_pylist()
    assert len({row["id"] for row in rows}) == len(rows) >= least
    assert all(smiles[row["id"]] == row["smiles"] for row in rows)
    dipoles = table["dipole_D"].to_numpy()
    assert np.isfinite(dipoles).all()
    assert dipoles.min() >= 0
    assert dipoles.max() < 15
    assert set(table["charge"].to_pylist()) == {0}
    assert all("optimized by" in text or "of QM9" in text for text in table["geometry"].to_pylist())


def test_labels_of_common_chemicals_are_near_to_measured_values():
    table = pq.read_table(str(SETS.joinpath("common_chemicals.parquet")))
    rows = {row["id"]: row for row in table.select(["id", "dipole_D", "in_known"]).to_pylist()}
    for name, measured in {
        "water": 1.85,
        "hydrogen cyanide": 2.98,
        "acetonitrile": 3.92,
        "carbon dioxide": 0.0,
    }.items():
        assert rows[name]["in_known"], name
        assert rows[name]["dipole_D"] == pytest.approx(measured, abs=0.25), name
