"""Tables as libraries: cut into the same rows whatever the size of a shard."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ase.build import bulk
from ase.io import write

from andersonn.errors import InputError, UsageError
from andersonn.screening.chunks import Chunk, shards
from andersonn.screening.library import Library
from andersonn.screening.parsing import Reader
from andersonn.structures.readers import Columns

CSV = 'Name;SMILES;note\nethanol;CCO;x\nwater;O;"two; parts\nand lines"\n\nbad;C(;\nmany;C;1;2;3\n;CC;5" pipe\n"open;C;\nlast;CCC;é\n'
FOUND = [
    (2, "ethanol"), (3, "water"), (5, "bad_smiles"), (6, "bad_row"), (7, "CC"), (8, "bad_row"), (9, "last"),
]  # fmt: skip


def read(where, size=3, columns=Columns()):
    found = []
    for shard in shards(Library(str(where), size, None, columns).chunks(), size):
        chunks = [Chunk(**json.loads(json.dumps(chunk.as_dict()))) for chunk in shard.chunks]
        for unit in Reader(chunks).units():
            try:
                found += [(unit.record, s.id) for s in unit.make()]
            except InputError as error:
                found.append((unit.record, error.kind))
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    "pack", [lambda content: content, gzip.compress, lambda content: content.replace(b"\n", b"\r\n")]
)
def test_csv(tmp_path, size, pack):
    content = pack(CSV.encode())
    path = tmp_path / ("lib.csv.gz" if content.startswith(b"\x1f\x8b") else "lib.csv")
    path.write_bytes(content)
    assert read(path, size) == FOUND


def test_columns_that_are_named(tmp_path):
    (tmp_path / "lib.csv").write_text("a,b\nethanol,CCO\n")
    assert read(tmp_path / "lib.csv") == [(None, "missing_column")]
    assert read(tmp_path / "lib.csv", columns=Columns(smiles="b")) == [(2, "CCO")]
    pq.write_table(pa.table({"b": ["CCO"], "Name": ["x"]}), tmp_path / "lib.parquet")
    assert read(tmp_path / "lib.parquet", columns=Columns(smiles="b")) == [(1, "x")]


def test_files_that_a_table_names(tmp_path):
    write(tmp_path / "NaCl.cif", bulk("NaCl", "rocksalt", a=5.64))
    (tmp_path / "lib.csv").write_text("id,cif_file\nsalt,NaCl.cif\nnone,x.cif\n")
    assert read(tmp_path / "lib.csv") == [(2, "salt"), (3, "missing_file")]
    assert read(tmp_path) == [(None, "NaCl")]  # beside structures, a table tells about them


def test_the_text_of_files_in_a_column(tmp_path):
    write(tmp_path / "NaCl.cif", bulk("NaCl", "rocksalt", a=5.64))
    text = (tmp_path / "NaCl.cif").read_text().replace('"', '""')
    for column in ("cif", "cif_string"):
        (tmp_path / "lib.csv").write_text(f'id,{column}\nsalt,"{text}"\nnamed,NaCl.cif\nagain,"{text}"\n')
        assert read(tmp_path / "lib.csv") == [(2, "salt"), (3, "named"), (4, "again")]


def test_a_folder_of_tables_alone_is_no_library(tmp_path):
    (tmp_path / "lib.csv").write_text(CSV)
    with pytest.raises(UsageError, match="holds no structure file"):
        read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "smiles,name\nCCO,ethanol\nO,water\n",
        "Name\tSMILES\nethanol\tCCO\nwater\tO\n",
        "canonical_smiles id\nCCO ethanol\nO water\n",
    ],
)
@pytest.mark.parametrize("size", [1, 5])
def test_lists_with_column_names(tmp_path, text, size):
    (tmp_path / "l.smi").write_text(text)
    assert read(tmp_path / "l.smi", size) == [(2, "ethanol"), (3, "water")]


def test_frames_with_text_between(tmp_path):
    frame = "2\nx\nF 0 0 0\nH 0 0 0.92\n"
    (tmp_path / "t.xyz").write_text(frame + "1.5\t2.5\nFH\n" + frame)
    assert read(tmp_path / "t.xyz", 1) == [(1, "t:1"), (2, "t:2")]


@pytest.mark.parametrize("content", ["smiles,name\nC,x\n".encode("utf-16"), b"a\0b,smiles\n"])
def test_other_codes_are_named(tmp_path, content):
    (tmp_path / "lib.csv").write_bytes(content)
    assert read(tmp_path / "lib.csv") == [(None, "not_text")]


def test_workbooks_are_named(tmp_path):
    book = pytest.importorskip("openpyxl").Workbook()
    book.active.append(["smiles"])
    book.active.append(["CCO"])
    book.save(tmp_path / "x.xlsx")
    assert read(tmp_path / "x.xlsx") == [(None, "unknown_format")]


@pytest.mark.parametrize("column", ["cif", "cif_string", "structure", "CIF text"])
def test_text_of_files_in_parquet_is_refused_by_name(tmp_path, column):
    pq.write_table(pa.table({"id": ["a"], column: ["data_x\n_cell_length_a 5\n"]}), tmp_path / "lib.parquet")
    ((chunk,),) = [shard.chunks for shard in shards(Library(str(tmp_path / "lib.parquet"), 3).chunks(), 3)]
    assert column in chunk.error["message"]
    assert "CSV" in chunk.error["hint"]


def test_long_text_of_a_structure_in_csv(tmp_path):
    write(tmp_path / "NaCl.cif", bulk("NaCl", "rocksalt", a=5.64))
    text = (tmp_path / "NaCl.cif").read_text().replace('"', "'") + "# a remark\n" * 20_000
    (tmp_path / "lib.csv").write_text("id,cif_string\n" + "".join(f'{name},"{text}"\n' for name in "ab"))
    assert read(tmp_path / "lib.csv", 1) == [(2, "a"), (3, "b")]
