"""Whole runs: what they write, and what is a wrong call."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from andersonn import Scientist
from andersonn.errors import UsageError
from andersonn.screening import Screening
from tests.screening.conftest import SETTINGS, content, library


def test_the_results_are_those_of_predict(screening, waters):
    out = screening.out
    files = {"manifest.json", "rejects.jsonl", "shards.jsonl", "top.parquet"}
    assert set(content(out)) == files | {f"shards/shard-{k:06d}.parquet" for k in range(5)}
    rows = [row for k in range(5) for row in pq.read_table(out / f"shards/shard-{k:06d}.parquet").to_pylist()]
    expected = Scientist.load("polarity").predict(waters)
    assert [row["id"] for row in rows] == [f"waters:w{k}" for k in range(40)] + ["waters:41"]
    assert [row["record"] for row in rows] == list(range(1, 42))
    for row, answer in zip(rows, expected, strict=False):
        assert row["class"] == answer.label
        assert row["dipole_D"] == pytest.approx(answer.value, rel=1e-4)
        assert row["p"] == pytest.approx(answer.probabilities[answer.label], rel=1e-4)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["counts"] == {"inputs": 42, "answered": 41, "kept": 41, "rejected": 1}
    assert manifest["rejects"] == {"bad_mol": 1}
    (reject,) = map(json.loads, (out / "rejects.jsonl").read_text().splitlines())
    assert (reject["record"], reject["kind"]) == (42, "bad_mol")
    assert reject["hint"]
    top = pq.read_table(out / "top.parquet").to_pylist()
    assert [row["dipole_D"] for row in top] == sorted(row["dipole_D"] for row in rows)[:3]


def test_a_finished_run_is_left_as_it_is(screening):
    before = content(screening.out)
    screening.run()
    assert content(screening.out) == before


@pytest.mark.parametrize("change", [{"shard_size": 11}, {"top": 2}, {"settings": replace(SETTINGS, where="p > 0.5")}])
def test_other_options_are_an_error_that_names_them(screening, change):
    with pytest.raises(UsageError, match="where was None, is p > 0.5" if "settings" in change else next(iter(change))):
        replace(screening, **change).run()


def test_another_library_is_an_error(screening, tmp_path):
    other = library(tmp_path / "waters.sdf", ["w1"])
    with pytest.raises(UsageError, match="library"):
        replace(screening, library=str(other)).run()


def test_conditions_keep_rows(waters, tmp_path, in_this_process):
    Screening(replace(SETTINGS, where="id in ('waters:w3', 'waters:w35')"), str(waters), tmp_path / "o", 30).run()
    kept = [pq.read_table(tmp_path / f"o/shards/shard-{k:06d}.parquet")["id"].to_pylist() for k in range(2)]
    assert kept == [["waters:w3"], ["waters:w35"]]
    counts = json.loads((tmp_path / "o/manifest.json").read_text())["counts"]
    assert counts == {"inputs": 42, "answered": 41, "kept": 2, "rejected": 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"library": "no such"}, "no library"),
        ({"engine": "spark"}, "known: local, ray"),
        ({"settings": replace(SETTINGS, where="clas == 'x'")}, "did you mean 'class'"),
        ({"by": "valeu"}, "did you mean 'value'"),
        ({"settings": replace(SETTINGS, conformers=0)}, "conformers"),
        ({"shard_size": 0}, "shard_size"),
    ],
)
def test_wrong_calls(waters, tmp_path, change, words):
    with pytest.raises(UsageError, match=words):
        replace(Screening(SETTINGS, str(waters), tmp_path / "o"), **change).run()


def test_results_are_not_inputs(tmp_path):
    with pytest.raises(UsageError, match="lies in the library"):
        Screening(SETTINGS, str(tmp_path), tmp_path / "out").run()
