import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from andersonn.data.records import Records
from andersonn.data.splits import SplitRule, split_of
from andersonn.data.store import ImageStore, cache_folder, image_store
from andersonn.data.tasks import Task
from andersonn.errors import InputError, UsageError
from andersonn.scientists.conduction import CONDUCTION
from andersonn.scientists.polarity import POLARITY
from andersonn.scientists.registry import find
from andersonn.structures.image import ImageRecipe, NodeNeighborImage

RECIPE = ImageRecipe(columns=8)


def table(**changes) -> pa.Table:
    columns = {
        "id": ["a", "b", "c"],
        "group": ["NaCl", "NaCl", "Si"],
        "atomic_numbers": pa.array([[11, 17], [11, 17], [14]], pa.list_(pa.uint8())),
        "positions": pa.array([[0, 0, 0, 2.8, 0, 0], [0, 0, 0, 2.7, 0, 0], [0, 0, 0]], pa.list_(pa.float32())),
        "cell": pa.array([(5.6 * np.eye(3)).ravel().tolist()] * 2 + [None], pa.list_(pa.float32())),
        "band_gap_eV": [5.0, None, 0.6],
    }
    return pa.table(columns | changes)


@pytest.fixture
def write(tmp_path):
    def put(**changes):
        pq.write_table(table(**changes), tmp_path / "records.parquet")
        return tmp_path / "records.parquet"

    return put


def test_reading(write):
    records = Records.read(write(), labels=("band_gap_eV",))
    assert len(records) == 3
    assert records[0].formula == "NaCl"
    assert records[2].cell is None
    assert records.groups == ["NaCl", "NaCl", "Si"]
    assert np.isnan(records.label("band_gap_eV")[1])
    assert [s.id for s in records.take(np.array([2, 0]))] == ["c", "a"]


def test_bad_tables(write, tmp_path):
    with pytest.raises(UsageError, match="no file"):
        Records.read(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(UsageError, match="cannot read"):
        Records.read(tmp_path / "text.parquet")
    with pytest.raises(UsageError, match="no column pld_A"):
        Records.read(write(), labels=("pld_A",))
    odd = Records.read(write(positions=pa.array([[0.0] * 5, [0.0] * 6, [0.0] * 3], pa.list_(pa.float32()))))
    with pytest.raises(InputError, match="'a' does not hold"):
        odd[0]


def test_digest_is_of_structures_alone(write):
    first = Records.read(write()).digest
    assert Records.read(write(band_gap_eV=[1.0, 2.0, 3.0], group=["x", "y", "z"])).digest == first
    assert Records.read(write(id=["a", "b", "d"])).digest != first


def test_groups_are_never_divided(demo_sample):
    rule = SplitRule(split_seed=3, validation=0.2, test=0.2)
    sides = rule.sides(demo_sample.groups)
    by_group = {}
    for group, side in zip(demo_sample.groups, sides, strict=True):
        assert by_group.setdefault(group, side) == side
    shares = {side: np.mean([s == side for s in by_group.values()]) for side in ("train", "validation", "test")}
    assert shares["test"] == pytest.approx(0.2, abs=0.03)
    assert shares["validation"] == pytest.approx(0.2, abs=0.03)
    assert (SplitRule(split_seed=4).sides(demo_sample.groups) != sides).any()


def test_a_group_keeps_its_side_when_records_come_and_go(demo_sample):
    rule = SplitRule()
    assert rule.sides(demo_sample.groups[:50]).tolist() == rule.sides(demo_sample.groups).tolist()[:50]


def test_split_column(write):
    records = Records.read(write(split=["train", "test", "validation"]))
    assert {k: v.tolist() for k, v in split_of(records, SplitRule()).items()} == {
        "train": [0], "test": [1], "validation": [2]
    }  # fmt: skip
    with pytest.raises(UsageError, match="dev"):
        split_of(Records.read(write(split=["train", "dev", "test"])), SplitRule())


def test_embedded_sample(demo_sample):
    split = demo_sample.split_column
    for side in ("train", "validation", "test"):
        groups = {g for g, s in zip(demo_sample.groups, split, strict=True) if s == side}
        others = {g for g, s in zip(demo_sample.groups, split, strict=True) if s != side}
        assert groups
        assert not groups & others
    labels = CONDUCTION.class_of(demo_sample.label("band_gap_eV"))
    assert np.bincount(labels).min() > 200


def test_embedded_sample_is_small():
    from importlib import resources

    assert (resources.files("andersonn.demo") / "crystals.parquet").stat().st_size < 2_000_000


def test_store_holds_what_imaging_gives(demo_sample):
    records = demo_sample.take(np.arange(40))
    store = ImageStore.build(records, RECIPE)
    for index in range(40):
        image = NodeNeighborImage.from_structure(records[index], RECIPE)
        rows = slice(store.offsets[index], store.offsets[index + 1])
        for name in ("Z", "distance", "weight", "neighbor_index", "multiplicity", "bonded"):
            assert np.array_equal(getattr(store, name)[rows], getattr(image, name))


def test_workers_give_the_same_store(demo_sample, monkeypatch):
    monkeypatch.setattr("andersonn.data.store.CHUNK", 20)
    records = demo_sample.take(np.arange(50))
    one, two = ImageStore.build(records, RECIPE, workers=1), ImageStore.build(records, RECIPE, workers=2)
    assert np.array_equal(one.offsets, two.offsets)
    assert np.array_equal(one.distance, two.distance)


def test_unsound_records_are_rejected_not_fatal(write):
    positions = pa.array([[0.0] * 6, [0, 0, 0, 2.7, 0, 0], [0.0] * 3], pa.list_(pa.float32()))
    store = ImageStore.build(Records.read(write(positions=positions)), RECIPE)
    assert list(store.rejected) == [0]
    assert store.rejected[0]["kind"] == "overlapping_atoms"
    assert store.n_rows.tolist() == [0, 2, 1]


def test_store_is_made_once_and_never_stale(write, monkeypatch, tmp_path):
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path / "cache"))
    calls = []
    real = ImageStore.build.__func__
    monkeypatch.setattr(ImageStore, "build", classmethod(lambda cls, *a, **k: calls.append(1) or real(cls, *a, **k)))
    records = Records.read(write())
    first = image_store(records, RECIPE)
    second = image_store(records, RECIPE)
    assert len(calls) == 1
    assert np.array_equal(first.distance, second.distance)
    assert second.recipe == RECIPE
    image_store(records, ImageRecipe(columns=9))
    assert len(calls) == 2
    image_store(Records.read(write(id=["a", "b", "e"])), RECIPE)
    assert len(calls) == 3
    for path in (cache_folder() / "images").iterdir():
        path.write_bytes(b"broken")
    image_store(records, RECIPE)
    assert len(calls) == 4


def test_an_unwritable_cache_is_no_obstacle(write, monkeypatch, caplog):
    monkeypatch.setenv("ANDERSONN_CACHE", "/proc/nowhere")
    assert len(image_store(Records.read(write()), RECIPE)) == 3
    assert "ANDERSONN_CACHE" in caplog.text


def test_classes_of_conduction():
    values = np.array([0.0, 1e-4, 2.999, 3.0, 9.0])
    assert CONDUCTION.class_of(values).tolist() == [0, 0, 1, 2, 2]
    assert CONDUCTION.with_thresholds((0.0, 3.0)).class_of(values).tolist() == [0, 1, 1, 2, 2]
    assert CONDUCTION.with_thresholds((0.0, 5.0)).class_of(values).tolist() == [0, 1, 1, 1, 2]
    with pytest.raises(UsageError, match="rising"):
        CONDUCTION.with_thresholds((3.0, 0.0))
    with pytest.raises(UsageError, match="at least 0"):
        CONDUCTION.with_thresholds((-1.0, 3.0))
    for task, cuts in (
        (CONDUCTION, (0.1, 1e9)),
        (POLARITY, (0.0,)),
        (POLARITY, (-1.0,)),
        (POLARITY, (np.nan,)),
        (POLARITY, (np.inf,)),
    ):
        with pytest.raises(UsageError, match="cannot be cut at"):
            task.with_thresholds(cuts)
    with pytest.raises(UsageError, match="needs 1 threshold in D"):
        POLARITY.with_thresholds((1.0, 2.0))
    with pytest.raises(UsageError, match="did you mean 'conduction'"):
        find("conductoin")
    pores = Task("pores", "pld_A", "Å", ("none", "small", "large"), (2.4, 7.0))
    assert pores.class_of(np.array([2.3, 2.4, 7.0])).tolist() == [0, 1, 2]


def test_attribution_lies_beside_the_sample():
    from importlib import resources

    text = (resources.files("andersonn.demo") / "crystals.LICENSE.md").read_text()
    assert "CC BY 4.0" in text
    assert "Materials Project" in text
    json.dumps(text)
