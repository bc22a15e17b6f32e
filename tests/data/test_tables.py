"""Labelled tables as people have them → records."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ase.io import write as ase_write

from andersonn.config import TrainConfig
from andersonn.data.merging import read_records
from andersonn.data.records import Records
from andersonn.errors import InputError, UsageError
from andersonn.scientists.polarity import POLARITY
from andersonn.structures.readers import Columns
from andersonn.structures.readers.molecules.smiles import scaffold
from andersonn.training.dataset import prepare

CSV = "SMILES,Name,Dipole (D)\nCc1ccccc1,toluene,0.36\nCCO,ethanol,1.69\nO,water,1.85\n"


def records_of(path, **options):
    return read_records([path], ("dipole_D",), **options)


@pytest.mark.parametrize("pack", [False, True])
def test_csv(put, pack):
    said = []
    path = put("t.csv.gz", gzip.compress(CSV.encode())) if pack else put("t.csv", CSV)
    records = records_of(path, say=said.append)
    assert records.ids == ["toluene", "ethanol", "water"]
    assert records.groups == [scaffold("Cc1ccccc1"), "CCO", "O"]
    assert records.label("dipole_D").tolist() == [0.36, 1.69, 1.85]
    assert [s.formula for s in records] == [s.formula for s in records_of(path)]
    assert [len(s) for s in records] == [15, 9, 3]
    assert len(said) == 1
    assert "scaffold" in said[0]


def test_csv_and_parquet_are_the_same_records(put, tmp_path):
    pq.write_table(
        pa.table({"id": ["a", "b"], "group": ["g", "h"], "smiles": ["CCO", "O"], "dipole_D": [1.0, 2.0]}),
        tmp_path / "t.parquet",
    )
    by_csv = records_of(put("t.csv", "id,group,smiles,dipole_D\na,g,CCO,1\nb,h,O,2\n"))
    by_parquet = records_of(tmp_path / "t.parquet")
    assert by_csv.groups == by_parquet.groups
    assert by_parquet.digest == Records.read(tmp_path / "t.parquet", ("dipole_D",)).digest
    assert [s.Z.tolist() for s in by_csv] == [s.Z.tolist() for s in by_parquet]


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ({"SMILES": ["CCO", "O"], "dipole_D": [1.0, 2.0]}, {}),
        ({"smiles": ["CCO", "O"], "Dipole_d": [1, 2], "id": ["a", "b"]}, {}),
        ({"smiles": ["CCO", "O"], "mu": [1.0, 2.0], "group": ["a", "b"]}, {"label_column": "mu"}),
        ({"stuff": ["CCO", "O"], "dipole_D": [1.0, 2.0]}, {"columns": Columns(smiles="stuff")}),
        ({"atomic_numbers": [[2], [10]], "positions": [[0.0, 0, 0], [0.0, 0, 0]], "dipole_D": [1.0, 2.0]}, {}),
    ],
)
def test_parquet_that_lacks_columns(columns, options, tmp_path):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    records = records_of(tmp_path / "t.parquet", **options)
    assert records.label("dipole_D").tolist() == [1.0, 2.0]
    assert len(set(records.groups)) == 2
    assert len(set(records.ids)) == 2
    assert [len(s) for s in records] in ([9, 3], [1, 1])


def test_crystals_by_their_files(put, atoms, tmp_path):
    for name in ("NaCl", "Si"):
        ase_write(tmp_path / f"{name}.cif", atoms[name])
    path = put("t.csv", "name,file,dipole_D\nsalt,NaCl.cif,5\n,Si.cif,0.6\nnone,x.cif,1\n")
    records = records_of(path)
    assert records.ids == ["salt", "row 3", "none"]
    assert records.groups == ["NaCl", "Si", "row 4"]
    assert records[0].cell is not None
    with pytest.raises(InputError, match="x.cif"):
        records[2]
    assert records.problems == {2: records.problems[2]}


def test_decimal_commas_and_odd_labels(put):
    path = put(
        "t.csv", "smiles;dipole_D;split\nCCO;1,69;train\nO;n/a;test\nC;>3;Train\nC(;1;train\n;2;train\nCC;1;2;3\n"
    )
    records = records_of(path)
    assert np.isnan(records.label("dipole_D")[1:3]).all()
    assert records.label("dipole_D")[0] == 1.69
    dataset = prepare(
        records.take(np.arange(5)), POLARITY, TrainConfig(**{"columns": 8, "radial": 8}) if False else TrainConfig()
    )
    assert set(dataset.unusable) == {1, 2, 3, 4}
    assert "'>3', no number" in dataset.unusable[2]
    assert "no SMILES" in dataset.unusable[4]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("smiles,mu,x\nC,1,a\n", "no column dipole_D.*'mu'.*--label-column"),
        ("smiles,dipole_D,Dipole_d\nC,1,2\n", None),
        ("name,dipole_D\nmethane,1\n", "no column of SMILES"),
        ("smiles,dipole_D\n", "holds no"),
    ],
)
def test_tables_that_cannot_be_used(text, match, put):
    path = put("t.csv", text)
    if match is None:
        assert records_of(path).label("dipole_D").tolist() == [1.0]
        return
    with pytest.raises(UsageError) as caught:
        records_of(path)
    assert __import__("re").search(match, f"{caught.value.message} {caught.value.hint}")


def test_files_are_merged(put, tmp_path):
    records = read_records([put("a.csv", CSV), put("b.tsv", "smiles\tdipole_D\nOCC\t1.7\n")], ("dipole_D",))
    assert len(records) == 4
    assert records.groups[1] == records.groups[3]
