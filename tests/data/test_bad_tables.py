"""Parquet files with unexpected types and contents: a clear refusal, or the record alone is unusable."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from andersonn.data.records import Records
from andersonn.data.splits import SplitRule, split_digest
from andersonn.data.store import ImageStore
from andersonn.data.tasks import Task
from andersonn.errors import InputError, UsageError
from andersonn.scientists.conduction import CONDUCTION
from andersonn.structures.image import ImageRecipe

CUBE = (5.6 * np.eye(3)).ravel().tolist()
SOUND = {
    "id": ["a", "b"],
    "group": ["NaCl", "Si"],
    "atomic_numbers": pa.array([[11, 17], [14]], pa.list_(pa.uint8())),
    "positions": pa.array([[0, 0, 0, 2.8, 0, 0], [0, 0, 0]], pa.list_(pa.float32())),
    "cell": pa.array([CUBE, CUBE], pa.list_(pa.float32())),
    "band_gap_eV": [5.0, 0.6],
}


@pytest.fixture
def read(tmp_path):
    def written(**changes):
        pq.write_table(pa.table(SOUND | changes), tmp_path / "records.parquet")
        return Records.read(tmp_path / "records.parquet", labels=("band_gap_eV",))

    return written


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"band_gap_eV": ["n/a", "0.6"]}, "band_gap_eV of .* is of type string, not numbers"),
        ({"band_gap_eV": [True, False]}, "type bool, not numbers"),
        ({"band_gap_eV": [[1.0], [2.0]]}, "not numbers"),
        ({"cell": ["a", "b"]}, "column cell of .* type string, not lists of numbers"),
        ({"cell": [1.0, 2.0]}, "not lists of numbers"),
        ({"cell": [["1"], ["2"]]}, "not lists of numbers"),
        ({"atomic_numbers": [11, 14]}, "column atomic_numbers of .* not lists of numbers"),
        ({"atomic_numbers": pa.nulls(2)}, "type null, not lists of numbers"),
        ({"positions": [[[0.0, 0.0, 0.0], [2.8, 0.0, 0.0]], [[0.0, 0.0, 0.0]]]}, "column positions of .* flat list"),
    ],
)
def test_columns_of_the_wrong_type_are_refused(read, changes, message):
    with pytest.raises(UsageError, match=message) as caught:
        read(**changes)
    assert caught.value.kind == "bad_column"


def test_tables_made_by_hand_are_checked_too():
    with pytest.raises(UsageError, match="not lists of numbers"):
        Records(pa.table(SOUND | {"cell": ["a", "b"]}), "memory")
    with pytest.raises(UsageError, match="no column cell"):
        Records(pa.table({name: SOUND[name] for name in SOUND if name != "cell"}), "memory")
    records = Records(pa.table(SOUND | {"band_gap_eV": ["a", "b"]}), "memory")
    with pytest.raises(UsageError, match="not numbers"):
        records.label("band_gap_eV")
    with pytest.raises(UsageError, match="no column pld_A"):
        records.label("pld_A")


def test_columns_of_the_null_type_are_all_null(read):
    molecules = read(cell=pa.nulls(2), band_gap_eV=pa.nulls(2))
    assert [s.cell for s in molecules] == [None, None]
    assert np.isnan(molecules.label("band_gap_eV")).all()
    assert molecules.is_null("band_gap_eV").all()
    assert ImageStore.build(molecules, ImageRecipe(columns=4)).rejected == {}


@pytest.mark.parametrize("kind", [pa.large_list(pa.float64()), pa.list_(pa.float64(), 9), pa.list_(pa.float16())])
def test_other_list_types_are_read(read, kind):
    cells = [np.array(CUBE, np.float16).tolist(), None]
    records = read(cell=pa.array(cells, kind))
    assert records[0].cell.ravel() == pytest.approx(CUBE, rel=1e-3)
    assert records[1].cell is None


def test_whole_numbers_stored_as_floats_are_atomic_numbers(read):
    records = read(atomic_numbers=[[11.0, 17.0], [14.0]])
    assert [s.formula for s in records] == ["NaCl", "Si"]
    assert records.atomic_numbers(0).dtype == np.int64


@pytest.mark.parametrize(("number", "told"), [(11.5, "11.5"), (None, "null or NaN"), (1e300, "1e\\+300"), (-1.0, "-1")])
def test_other_floats_make_a_record_unusable(read, number, told):
    records = read(atomic_numbers=[[11.0, number], [14.0]])
    with pytest.raises(InputError, match=told) as caught:
        records[0]
    assert caught.value.kind == "unknown_element"
    assert records[1].formula == "Si"
    assert list(ImageStore.build(records, ImageRecipe(columns=4)).rejected) == [0]


def test_files_without_records_are_refused(read):
    with pytest.raises(UsageError, match="holds no records") as caught:
        read(**{name: pa.array(values).slice(0, 0) for name, values in SOUND.items()})
    assert caught.value.kind == "no_records"
    with pytest.raises(UsageError, match="holds no records"):
        ImageStore.build(Records(pa.table(SOUND).slice(0, 0), "memory"), ImageRecipe())


def test_damaged_pages_are_told(read, tmp_path):
    many = {name: pa.concat_arrays([pa.array(values)] * 200) for name, values in SOUND.items()}
    read(**many)
    path = tmp_path / "records.parquet"
    content = bytearray(path.read_bytes())
    content[200:1200] = bytes(1000)
    path.write_bytes(content)
    with pytest.raises(UsageError, match="as Parquet") as caught:
        Records.read(path, labels=("band_gap_eV",))
    assert caught.value.kind == "bad_parquet"


def test_impossible_values():
    assert CONDUCTION.why_impossible(0.0) is None
    assert CONDUCTION.why_impossible(-1.0) == "band_gap_eV is negative"
    assert CONDUCTION.why_impossible(float("nan")) == "band_gap_eV is not finite"
    shares = Task("shares", "share", "%", ("low", "high"), (50.0,), lowest=1.0, highest=100.0)
    assert shares.why_impossible(0.5) == "share is below 1.0 %"
    assert shares.why_impossible(101.0) == "share is above 100.0 %"


def test_split_digest_is_of_structures_order_and_sides(read):
    rule = SplitRule()
    first = split_digest(read(), rule)
    assert split_digest(read(band_gap_eV=[1.0, 2.0]), rule) == first
    sides = rule.sides(["NaCl", "Si"])
    assert split_digest(read(split=sides), rule) == first
    assert split_digest(read(split=["test", "validation"]), rule) != first
    assert split_digest(read().take(np.array([1, 0])), rule) != first
    assert split_digest(read(id=["a", "c"]), rule) != first
