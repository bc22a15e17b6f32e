"""The Matbench runner keeps to the folds and writes what matbench's own checks ask for."""

import gzip
import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from andersonn.errors import UsageError
from andersonn.structures import elements

PATH = Path(__file__).parents[2] / "benchmarks" / "matbench.py"
SMALL = ["epochs=1", "model.width=8", "columns=6", "radial=4", "max_rows=600"]
TASK = "matbench_mp_is_metal"


@pytest.fixture(scope="module")
def matbench():
    spec = importlib.util.spec_from_file_location("matbench", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def records(demo_sample):
    return demo_sample.take(np.arange(0, len(demo_sample), 60))


def as_pymatgen(structure) -> dict:
    fractional = structure.xyz @ np.linalg.inv(structure.cell)
    names = [elements.symbols()[z] for z in structure.Z]
    sites = [{"species": [{"element": e, "occu": 1}], "abc": abc.tolist()} for e, abc in zip(names, fractional)]
    return {"lattice": {"matrix": structure.cell.tolist()}, "sites": sites}


def folds_file(path: Path, task: str, ids: list[str]) -> Path:
    halves = {f"fold_{k}": {"train": ids[1 - k :: 2], "test": ids[k::2]} for k in range(2)}
    path.write_text(json.dumps({"metadata": {}, "splits": {task: halves}}))
    return path


@pytest.fixture
def published(records, tmp_path):
    """A data set and its folds, as matbench publishes them."""
    rows = [[as_pymatgen(s), bool(gap == 0)] for s, gap in zip(records, records.label("band_gap_eV"))]
    content = {"index": list(range(len(rows))), "columns": ["structure", "is_metal"], "data": rows}
    with gzip.open(tmp_path / "data.json.gz", "wt") as stream:
        json.dump(content, stream)
    ids = [f"mb-mp-is-metal-{i + 1:02d}" for i in range(len(rows))]
    return tmp_path / "data.json.gz", folds_file(tmp_path / "folds.json", TASK, ids)


def test_classification(matbench, published, tmp_path, monkeypatch, capsys):
    data, folds = published
    words = [TASK, "--folds", str(folds), "--data", str(data), "--out", str(tmp_path / "results.json"), *SMALL]
    matbench.main(words)
    check_file(tmp_path / "results.json", folds, TASK, ("accuracy", "balanced_accuracy", "f1", "rocauc"))
    first = capsys.readouterr().out
    assert first.count("rocauc=") == 2
    monkeypatch.setattr(matbench, "fold_result", None)  # nothing is trained again
    matbench.main(words)
    assert capsys.readouterr().out == first
    with pytest.raises(UsageError, match="other options"):
        matbench.main([*words, "epochs=2"])
    (tmp_path / "results.json").write_text((tmp_path / "results.json").read_text().replace('"f1": 0.', '"f1": 1.'))
    with pytest.raises(UsageError, match="hash does not fit"):
        matbench.main(words)


def check_file(out: Path, folds: Path, task: str, scores: tuple[str, ...]) -> dict:
    """The checks that matbench makes when it reads a file, written anew from its source."""
    content = json.loads(out.read_text())
    assert content.keys() == {
        "@module", "@class", "version", "benchmark_name", "tasks", "user_metadata", "datestamp", "hash",
    }  # fmt: skip
    found = content.pop("hash")
    assert found == hashlib.sha256(json.dumps(in_order(content)).encode("utf-8")).hexdigest()
    (name, part), splits = *content["tasks"].items(), json.loads(folds.read_text())["splits"][task]
    assert part.keys() == {"@module", "@class", "dataset_name", "results", "benchmark_name"}
    assert name == part["dataset_name"] == task
    assert part["benchmark_name"] == content["benchmark_name"] == "matbench_v0.1"
    assert part["results"].keys() == splits.keys()
    for fold, result in part["results"].items():
        assert result.keys() == {"data", "parameters", "scores"}
        assert set(result["data"]) == set(splits[fold]["test"])
        assert all(isinstance(value, float) for value in result["data"].values())
        assert tuple(result["scores"]) == scores
        assert all(isinstance(value, float) for value in result["scores"].values())
    return part["results"]


def in_order(content):
    """Keys sorted at every depth, as matbench does before it hashes."""
    if isinstance(content, dict):
        return {key: in_order(content[key]) for key in sorted(content)}
    return content


def test_regression_of_records(matbench, records, tmp_path):
    pq.write_table(records.table, tmp_path / "records.parquet")
    folds = folds_file(tmp_path / "folds.json", "matbench_mp_gap", records.ids)
    out = tmp_path / "results.json"
    words = ["--folds", str(folds), "--data", str(tmp_path / "records.parquet"), "--out", str(out), *SMALL]
    matbench.main(["matbench_mp_gap", "--target", "band_gap_eV", *words])
    results = check_file(out, folds, "matbench_mp_gap", ("mae", "rmse", "mape", "max_error"))
    truth = dict(zip(records.ids, records.label("band_gap_eV")))
    for result in results.values():
        error = [abs(value - truth[id]) for id, value in result["data"].items()]
        assert result["scores"]["mae"] == pytest.approx(np.mean(error))
        assert result["scores"]["max_error"] == pytest.approx(max(error))


def test_a_fold_learns_of_its_training_ids_alone(matbench, records):
    data = {id: (s, bool(gap == 0)) for id, s, gap in zip(records.ids, records, records.label("band_gap_eV"))}
    fold = {"train": records.ids[::2], "test": records.ids[1::2]}
    first = matbench.fold_result(data, fold, True, SMALL, 1)
    turned = {id: (s, y != (id in fold["test"])) for id, (s, y) in data.items()}
    second = matbench.fold_result(turned, fold, True, SMALL, 1)
    assert first["data"] == second["data"]
    assert first["scores"] != second["scores"]


def test_what_is_refused(matbench, published, tmp_path):
    data, folds = published
    with pytest.raises(UsageError, match=f"did you mean '{TASK}'"):
        matbench.folds_of(folds, "matbench_mp_is_metl")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(UsageError, match="cannot read folds"):
        matbench.folds_of(tmp_path / "bad.json", TASK)
    with pytest.raises(UsageError, match="not in the data, as nobody"):
        matbench.fold_result({}, {"train": ["nobody"], "test": []}, True, [], 1)
