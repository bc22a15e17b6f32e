"""Whatever a user gives as a table."""

import gzip
import math

import pandas as pd
import pyarrow as pa
import pytest
from ase.io import write
from rdkit import Chem
from rdkit.Chem import AllChem

from andersonn.constructing.understanding import understand
from andersonn.errors import UsageError
from andersonn.structures.readers.molecules.smiles import constitution
from tests.constructing.tables import FILE, LOG_S, SALTS, SMILES, salts, table_of

ROOTS = [k**0.5 for k in range(len(SALTS))]


def refusal(*given, **options):
    with pytest.raises(UsageError) as raised:
        understand(*given, **options)
    assert raised.value.hint
    return raised.value


@pytest.fixture
def folder(tmp_path):
    """Structure files of salts, without a table."""
    (tmp_path / "salts").mkdir()
    for name, atoms in zip(SALTS, salts(), strict=True):
        write(tmp_path / f"salts/{name}.cif", atoms)
    return tmp_path / "salts"


def lines(head, rows, mark=","):
    return "\n".join([head, *(mark.join(map(str, row)) for row in rows)]) + "\n"


ROWS = list(zip(SMILES, LOG_S, strict=True))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", lines("smiles,y", ROWS)), ("a.tsv", lines("smiles\ty", ROWS, "\t")), ("a.smi", lines("smiles y", ROWS, " ")),
        ("a.csv", lines("smiles;y", [(s, str(y).replace(".", ",")) for s, y in ROWS], ";")), ("a.txt", lines("smiles,y", ROWS)),
        ("a.csv", "\ufeff" + lines('"smiles","y"', ROWS)),
    ],
    ids=["csv", "tsv", "smi", "semicolons", "txt", "quoted"],
)  # fmt: skip
def test_text(put, name, text):
    found = understand(put(name, text), "y")
    assert found.values.tolist() == LOG_S
    assert found.source == name


def test_other_files_and_objects(tmp_path):
    frame = pd.DataFrame({"smiles": SMILES, "y": LOG_S})
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(FILE.read_bytes()))
    tables = [tmp_path / "a.xlsx", str(tmp_path / "a.parquet"), frame, pa.Table.from_pandas(frame), frame.to_dict("list"),
              frame.to_dict("records")]  # fmt: skip
    for table in tables:
        assert understand(table, "y").values.tolist() == LOG_S
    assert understand(tmp_path / "a.csv.gz", "logSolubility").values.tolist() == LOG_S
    found = understand(frame, "y")
    assert understand(found.records, "y").values.tolist() == LOG_S


def test_a_broken_line_is_one_unusable_row(put):
    rows = [(s, y, "more") if k == 3 else (s, y) for k, (s, y) in enumerate(ROWS)]
    found = understand(put("a.csv", lines("smiles,y", rows)), "y")
    assert found.unusable == {"row 5": "it has 3 fields, and the table 2 columns"}
    assert found.rows == 60


def sdf(path, count=24):
    with Chem.SDWriter(str(path)) as writer:
        for k in range(count):
            mol = Chem.AddHs(Chem.MolFromSmiles(SMILES[k]))
            if k % 2:
                assert AllChem.EmbedMolecule(mol, randomSeed=1) == 0
            for name, value in (("_Name", f"m{k}"), ("logS", LOG_S[k]), ("remark", "two\nlines")):
                mol.SetProp(name, str(value))
            writer.write(mol)
    return path


def test_sdf_with_properties(tmp_path):
    found = understand(sdf(tmp_path / "a.sdf"), "logS")
    assert found.values.tolist() == LOG_S[:24]
    assert found.records.ids == [f"m{k}" for k in range(24)]
    assert [constitution(s) for s in found.records.table["smiles"].to_pylist()] == [
        constitution(s) for s in SMILES[:24]
    ]
    assert found.records.is_null("positions").tolist() == [k % 2 == 0 for k in range(24)]
    assert found.records[1].formula == "C12H11NO2"
    assert "did you mean 'logS'?" in refusal(tmp_path / "a.sdf", "logP").hint


def test_a_broken_record_of_an_sdf(tmp_path):
    path = sdf(tmp_path / "a.sdf")
    path.write_text(path.read_text().replace("M  END", "M  ENE", 1))
    assert list(understand(path, "logS").unusable) == ["record 1"]


@pytest.mark.parametrize("name", ["energy", "gap"])
def test_extended_xyz(tmp_path, name):
    crystals = salts()
    for atoms, formula, root in zip(crystals, SALTS, ROOTS, strict=True):
        atoms.info |= {name: root, "name": formula}
    write(tmp_path / "a.extxyz", crystals)
    found = understand(tmp_path / "a.extxyz", name)
    assert found.periodic
    assert found.values == pytest.approx(ROOTS)
    assert found.records.ids == list(SALTS)
    assert found.records[1].formula == "MgO"


def test_molecules_among_crystals(tmp_path):
    from ase.build import molecule

    both = [*salts(), molecule("H2O"), molecule("CH4")]
    for k, atoms in enumerate(both):
        atoms.info["y"] = math.sqrt(k)
    write(tmp_path / "a.extxyz", both)
    found = understand(tmp_path / "a.extxyz", "y")
    assert found.periodic
    assert list(found.unusable.values()) == ["a molecule among crystals: it has no unit cell"] * 2


@pytest.mark.parametrize("head", ["", "id,gap (eV)\n", "material,gap (eV)\n"])
@pytest.mark.parametrize("ending", ["", ".cif"])
def test_a_folder(folder, head, ending):
    rows = "".join(f"{name}{ending},{root}\n" for name, root in zip(SALTS, ROOTS, strict=True))
    (folder / "id_prop.csv").write_text(f"{head}{rows}absent,3.0\n")
    found = understand(folder, "gap", unit="eV")
    assert found.values == pytest.approx(ROOTS)
    assert (found.source, found.unit) == ("salts", "eV")
    assert [s.formula for s in found.records][:2] == ["NaCl", "MgO"]
    assert list(found.unusable) == ["absent"]
    assert "there is no file" in found.unusable["absent"]


def test_folders_that_are_no_tables(folder):
    assert refusal(folder, "gap").kind == "no_table"
    for name in ("one.csv", "two.csv"):
        (folder / name).write_text("id,gap\n")
    assert "2 tables: one.csv, two.csv" in refusal(folder, "gap").message


def test_structures_in_a_folder_or_a_column(folder, put):
    table = put(
        "t.csv", lines("material,where,gap_eV", [(n, f"salts/{n}.cif", r) for n, r in zip(SALTS, ROOTS, strict=True)])
    )
    for structures in (folder, "where", None):
        found = understand(table, "gap", structures=structures)
        assert found.values == pytest.approx(ROOTS)
    assert refusal(table, "gap", structures="wheer").kind == "missing_column"
    assert refusal(table, "gap", structures="where", read_files=False).kind == "all_unusable"
    assert refusal(table, "gap", structures=folder, read_files=False).kind == "missing_column"
    (folder / "other").mkdir()
    (folder / "other/zzz.cif").write_text((folder / "NaCl.cif").read_text())
    assert refusal(table, "gap", structures=folder / "other").kind == "no_structures"


def test_columns_of_structures(tmp_path):
    odd = [{"mol_string": s, "y": y} for s, y in ROWS]
    found = understand(odd, "y")
    assert "structures are read from column 'mol_string', by what it holds" in found.findings
    two = [{"smiles_a": s, "smiles_b": "C" * (k + 1), "y": y} for k, (s, y) in enumerate(ROWS)]
    assert refusal(two, "y").hint == "name the one that counts: --structures NAME"
    assert understand(two, "y", structures="smiles_b", split="random").records.table["smiles"][1].as_py() == "CC"
    assert refusal([{"a": k, "y": y} for k, y in enumerate(LOG_S)], "y").kind == "no_structures"


def test_objects():
    mols = pd.DataFrame({"mol": [Chem.MolFromSmiles(s) for s in SMILES], "y": LOG_S})
    found = understand(mols, "y")
    assert found.records.is_null("positions").all()
    assert [Chem.CanonSmiles(s) for s in found.records.table["smiles"].to_pylist()] == [
        Chem.CanonSmiles(s) for s in SMILES
    ]
    crystals = understand(pd.DataFrame({"atoms": salts(), "y": ROOTS}), "y")
    assert [s.formula for s in crystals.records][:2] == ["NaCl", "MgO"]


@pytest.mark.parametrize("table", [[], 3, [1, 2], None, {}], ids=repr)
def test_no_tables(table):
    assert refusal(table, "y").kind in ("bad_table", "no_records", "missing_column")


def test_files_that_are_no_tables(put, folder):
    assert refusal(folder / "NaCl.cif", "y").kind == "bad_table"
    assert refusal(put("a.csv", "smiles,y\n"), "y").kind == "no_records"
    assert refusal(put("b.csv", ""), "y").kind == "empty_file"
    assert refusal(put("c.smi", lines("CCO ethanol", [("CC", "ethane")], " ")), "y").kind == "no_table"
    assert refusal(folder / "nothing.csv", "y").kind == "missing_file"
    assert refusal(table_of([None] * 60), "logS").kind == "empty_column"
