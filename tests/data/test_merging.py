"""Records of molecules: SMILES in place of atoms, several files as one."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from andersonn.config import config_of
from andersonn.data.merging import merged, read_records
from andersonn.data.records import Records
from andersonn.data.store import ImageStore, image_store
from andersonn.errors import UsageError
from andersonn.scientists.polarity import POLARITY
from andersonn.scientists.registry import find
from andersonn.structures.readers import from_smiles
from andersonn.training.dataset import prepare

CONFIG = config_of(find("polarity"))
RECIPE = CONFIG.image


@pytest.fixture
def files(tmp_path):
    """One file with atoms and no cell, one of SMILES alone; ethanol is in both, under groups of different names."""
    found = [from_smiles(s) for s in ("CCO", "c1ccccc1", "O")]
    whole = pa.table(
        {
            "id": ["a", "b", "c"],
            "group": ["alcohols", "c1ccccc1", "O"],
            "smiles": ["OCC", "c1ccccc1", "O"],
            "atomic_numbers": pa.array([s.Z.tolist() for s in found], pa.list_(pa.uint8())),
            "positions": pa.array([s.xyz.ravel().tolist() for s in found], pa.list_(pa.float32())),
            "dipole_D": [1.7, 0.0, 1.85],
        }
    )
    bare = pa.table(
        {
            "id": ["d", "e", "f", "g"],
            "group": ["CCO", "CC", "broken", "CO"],
            "smiles": pa.array(["CCO", "CC", "C1C", None], pa.large_string()),
            "dipole_D": [1.6, 0.0, 1.0, 1.0],
        }
    )
    paths = [tmp_path / "whole.parquet", tmp_path / "bare.parquet"]
    for path, table in zip(paths, (whole, bare), strict=True):
        pq.write_table(table, path)
    return paths


def test_smiles_stand_in_for_atoms(files):
    records = Records.read(files[1], ("dipole_D",))
    assert records[0].formula == "C2H6O"
    assert records[0].id == "d"
    assert any("ETKDGv3" in note for note in records[0].notes)
    assert sorted(records.atomic_numbers(1)) == [1] * 6 + [6] * 2
    store = ImageStore.build(records, RECIPE)
    assert {i: e["kind"] for i, e in store.rejected.items()} == {2: "bad_smiles", 3: "bad_record"}
    assert store.n_rows.tolist() == [9, 8, 0, 0]
    assert store.position.shape == (17, 3)
    assert store.charge.tolist() == [0, 0, 0, 0]


def test_positions_win_over_smiles(files):
    records = Records.read(files[0])
    assert records[0].notes == ()
    assert np.allclose(records[0].xyz, from_smiles("CCO").xyz, atol=1e-5)


def test_merging_keeps_a_molecule_on_one_side(files):
    records = read_records(files, ("dipole_D",))
    assert records.ids == ["a", "b", "c", "d", "e", "f", "g"]
    assert records.groups[0] == records.groups[3] == "CCO"
    assert records.groups[1:3] == ["c1ccccc1", "O"]
    assert records.files.tolist() == ["whole.parquet"] * 3 + ["bare.parquet"] * 4
    assert records.source == "whole.parquet + bare.parquet"
    assert records[0].formula == records[3].formula == "C2H6O"
    assert read_records(files[:1]).files is None
    with pytest.raises(UsageError, match="at least one"):
        merged([])


def test_joined_groups_join_further(tmp_path):
    def write(name, groups, smiles):
        pq.write_table(pa.table({"id": smiles, "group": groups, "smiles": smiles}), tmp_path / name)
        return tmp_path / name

    paths = [write("1.parquet", ["x", "y"], ["CC", "CO"]), write("2.parquet", ["z", "z"], ["OC", "CC"])]
    assert read_records(paths).groups == ["x"] * 4


def test_digest_knows_what_structures_are_made_of(files):
    bare, whole = Records.read(files[1]), Records.read(files[0])
    renamed = Records(bare.table.set_column(2, "smiles", pa.array(["CCN", "CC", "C1C", None])), "other")
    assert bare.digest != renamed.digest
    smiles = whole.table.column_names.index("smiles")
    unread = Records(whole.table.set_column(smiles, "smiles", pa.array(["N", "N", "N"])), "other")
    assert whole.digest == unread.digest


def test_another_way_to_make_geometries_makes_images_anew_but_models_know_their_records(files, monkeypatch):
    before = {path: (Records.read(path).digest, Records.read(path).made_digest) for path in files}
    monkeypatch.setattr("andersonn.data.records.CONFORMER_PROTOCOL", "another")
    for path, (given, made) in before.items():
        records = Records.read(path)
        assert records.digest == given
        assert (records.made_digest == made) == (path.name == "whole.parquet")  # it has all its positions


def test_the_store_keeps_positions(files, monkeypatch, tmp_path):
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path / "cache"))
    records = read_records(files)
    made, read = image_store(records, RECIPE), image_store(records, RECIPE)
    assert np.array_equal(made.position, read.position)
    assert np.array_equal(made.charge, read.charge)
    assert read.rejected.keys() == {5, 6}


def test_polarity_is_about_molecules(files):
    records = read_records(files, ("dipole_D",))
    cell = pa.array([(9 * np.eye(3)).ravel().tolist()] + [None] * 6, pa.list_(pa.float64()))
    crystal = Records(records.table.set_column(records.table.column_names.index("cell"), "cell", cell), "x")
    dataset = prepare(crystal, POLARITY, CONFIG)
    assert set(dataset.unusable) == {0, 5, 6}
    assert "molecules without a cell" in dataset.unusable[0]
    assert POLARITY.class_of(np.array([0.0, 2.49, 2.5, 9.0])).tolist() == [0, 0, 1, 1]


def test_smaller_files_are_shown_oftener(files):
    dataset = prepare(read_records(files, ("dipole_D",)), POLARITY, CONFIG)
    train = np.array([0, 1, 2, 4])
    dataset.sides["train"] = train
    assert np.array_equal(dataset.shown(0.0), train)
    assert dataset.shown(1.0).tolist() == [0, 1, 2, 4, 4, 4]
    assert dataset.shown(0.5).tolist() == [0, 1, 2, 4, 4]
