"""``tools/relabel_crystals.py``: which gap a record gets, and that groups hold across the files."""

import importlib.util
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from andersonn.data.merging import read_records
from andersonn.data.splits import SplitRule, split_of

ROOT = Path(__file__).parents[2]
NACL, TWO_NACL, SI, HEAVY = [11, 17], [17, 11, 11, 17], [14, 14], [26] * 30


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("relabel_crystals", ROOT / "tools/relabel_crystals.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(ids, Z, **labels):
    positions = pa.array([[0.5 * i for i in range(3 * len(z))] for z in Z], pa.list_(pa.float32()))
    columns = {"id": ids, "group": ["other"] * len(ids), "atomic_numbers": pa.array(Z, pa.list_(pa.uint8()))}
    cells = pa.array([[9.0, 0, 0, 0, 9, 0, 0, 0, 9]] * len(ids), pa.list_(pa.float32()))
    return pa.table({**columns, "positions": positions, "cell": cells, **labels})


@pytest.fixture
def sources(tmp_path):
    """Rows of the second file in another order than those of the first; some gaps of 2019 are null."""
    gaps = pa.array([None, 0.0, 1.1], pa.float64())
    files = {
        "crystals_mp2018": table(["a", "b", "c"], [NACL, SI, HEAVY], band_gap_eV=[0.02, 5.0, 0.9]),
        "crystals_mp_gap_versions": pa.table({"id": ["c", "a", "b"], "band_gap_2019_eV": gaps}),
        "crystals_mp_extra": table(
            ["d", "e", "f"],
            [TWO_NACL, SI, SI],
            band_gap_eV=[0.3, 0.4, 0.5],
            band_gap_2019_eV=pa.array([0.0, None, 0.7], pa.float64()),
            unbiased=[True, True, False],
        ),
        "mofs_qmof": table(["g"], [HEAVY], band_gap_eV=[2.5]),
    }
    for name, content in files.items():
        pq.write_table(content, tmp_path / f"{name}.parquet")
    return tmp_path


def made(tool, monkeypatch, sources, *options):
    out = sources / "out"
    monkeypatch.setattr("sys.argv", ["relabel_crystals", str(sources), "--out", str(out), *options])
    tool.main()
    return {path.stem: pq.read_table(path) for path in sorted(out.iterdir())}


def gaps(table):
    columns = (table[name].to_pylist() for name in ("id", "band_gap_eV", "release"))
    return {id: (gap, release) for id, gap, release in zip(*columns, strict=True)}


def test_gaps_are_of_2019_where_there_is_one(tool, monkeypatch, sources):
    found = made(tool, monkeypatch, sources)
    assert gaps(found["crystals_2018"]) == {"a": (0.0, "2019"), "b": (1.1, "2019"), "c": (0.9, "2018")}
    assert gaps(found["crystals_extra"]) == {"d": (0.0, "2019"), "e": (0.4, "2018")}
    assert gaps(found["qmof_gaps"]) == {"g": (2.5, "QMOF")}
    assert gaps(made(tool, monkeypatch, sources, "--biased")["crystals_extra"])["f"] == (0.7, "2019")


def test_a_formula_is_one_group_in_all_files(tool, monkeypatch, sources):
    made(tool, monkeypatch, sources)
    records = read_records(sorted((sources / "out").iterdir()), ("band_gap_eV",))
    group = dict(zip(records.ids, records.groups, strict=True))
    assert group["a"] == group["d"] == "Na1Cl1"
    assert group["b"] == group["e"] == "Si1"
    assert group["c"] == group["g"]
    assert len(set(group.values())) == 3


def test_large_ones_are_left_out_of_training_alone(tool):
    names = [f"X{i}" for i in range(40)]
    content = table(names, [HEAVY] * 20 + [SI] * 20, band_gap_eV=[1.0] * 40).set_column(1, "group", pa.array(names))
    sides = dict(zip(names, SplitRule().sides(names), strict=True))
    kept = tool.without_large(content, 10)["id"].to_pylist()
    assert set(names) - set(kept) == {name for name in names[:20] if sides[name] == "train"}
    assert len(split_of(read_back(content), SplitRule())["train"]) > len(set(names) - set(kept)) > 0


def read_back(content):
    from andersonn.data.records import Records

    return Records(content, "made up")


def test_an_unknown_crystal_is_refused(tool, monkeypatch, sources):
    pq.write_table(pa.table({"id": ["a"], "band_gap_2019_eV": [1.0]}), sources / "crystals_mp_gap_versions.parquet")
    with pytest.raises(SystemExit, match="2 records"):
        made(tool, monkeypatch, sources)
