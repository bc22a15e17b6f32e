"""Labels by subprocesses that abort, hang and die; runs that go on where they stopped."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from andersonn.errors import InputError, UsageError
from andersonn.labels.jobs import Job, jittered, structure_as_json, structure_from_json
from andersonn.labels.run import Effort, label, require_same
from andersonn.structures.structure import Structure
from andersonn.workers.journal import Journal
from tests.labels.fakes import labeler
from tests.workers.fakes import InThisProcess


def crystal(id, x=0.0):
    return Structure(np.array([11, 17]), np.array([[x, 0, 0], [2.8, 2.8, 2.8]]), 5.6 * np.eye(3), id=id)


def job(id, x=0.0):
    return Job(f"{id}.cif", id, crystal(id, x), group="NaCl")


@pytest.fixture
def in_this_process(monkeypatch):
    """Labels without worker processes, where they are not what is tested."""
    monkeypatch.setattr("andersonn.workers.pool.Worker", InThisProcess)


def run(jobs, how=None, journal=None, **effort):
    effort = {"seconds": 60.0} | effort
    return list(label(jobs, how or labeler(), journal or Journal(None), Effort(**effort)))


def test_one_bad_input_does_not_end_the_run():
    ids = ["fine", "abort always", "hang", "exit", "raise", "refuse", "nan", "last"]
    rows = {row["id"]: row for row in run([job(id) for id in ids], seconds=2.0)}
    assert rows["fine"]["sum_A"] == rows["last"]["sum_A"] == pytest.approx(8.4)
    assert rows["fine"]["attempts"] == 1
    assert rows["fine"]["jitter"] is None
    kinds = {id: rows[id]["error"]["kind"] for id in ids[1:-1]}
    assert kinds == {
        "abort always": "aborted",
        "hang": "timed_out",
        "exit": "aborted",
        "raise": "failed",
        "refuse": "odd",
        "nan": "not_finite",
    }
    assert "SIGABRT" in rows["abort always"]["error"]["message"]
    assert "voro++: internal error" in rows["abort always"]["error"]["message"]
    assert rows["abort always"]["attempts"] == 3
    assert rows["hang"]["attempts"] == rows["refuse"]["attempts"] == 1
    assert "ZeroDivisionError" in rows["raise"]["error"]["message"]
    assert "error" not in rows["fine"]


def test_an_abort_is_tried_again_with_moved_atoms_and_says_so():
    row, again = run([job("abort once")]), run([job("abort once")])
    assert row[0]["attempts"] == 2
    assert row[0]["jitter"] == 1e-5
    assert any("1e-05" in note for note in row[0]["notes"])
    assert row[0]["sum_A"] == again[0]["sum_A"]
    assert row[0]["sum_A"] == pytest.approx(8.4, abs=1e-3)
    assert row[0]["structure"] == structure_as_json(crystal("abort once"))


def test_a_molecule_is_not_moved():
    molecule = Structure(np.array([1, 17]), np.array([[0.0, 0, 0], [1.27, 0, 0]]), id="abort")
    rows = run([Job("m.xyz", "abort", molecule)])
    assert rows[0]["error"]["kind"] == "aborted"
    assert rows[0]["attempts"] == 1


def test_jitter_is_small_and_seeded():
    old = crystal("x")
    new, same, other = (jittered(old, 1e-5, seed) for seed in (1, 1, 2))
    move = np.abs((new.xyz - old.xyz) / 5.6)
    assert 0 < move.max() <= 1e-5
    assert np.array_equal(new.xyz, same.xyz)
    assert not np.array_equal(new.xyz, other.xyz)


def test_structures_survive_json():
    old = crystal("x", 1 / 3)
    new = structure_from_json(json.loads(json.dumps(structure_as_json(old))), "x")
    assert np.array_equal(old.xyz, new.xyz)
    assert np.array_equal(old.cell, new.cell)


def test_workers_work_at_the_same_time(tmp_path):
    jobs = [job(f"s{k}", 0.01 * k) for k in range(3)]
    rows = run(jobs, labeler(log=str(tmp_path / "log"), until=3), workers=3, seconds=60.0)
    assert {row["id"] for row in rows} == {j.id for j in jobs}
    assert not [row for row in rows if "error" in row]


def test_a_second_run_computes_nothing_again(tmp_path, in_this_process):
    how = labeler(log=str(tmp_path / "log"))
    jobs = [job("a"), job("refuse"), job("b", 0.5)]
    with Journal(tmp_path / "rows.jsonl") as journal:
        first = run(jobs, how, journal)
    with Journal(tmp_path / "rows.jsonl") as journal:
        second = run(jobs, how, journal)
    assert (tmp_path / "log").read_text().split() == ["a", "refuse", "b"]
    assert [row.pop("stored") for row in second] == [True] * 3
    assert second == first
    with Journal(tmp_path / "rows.jsonl") as journal:
        third = run(jobs, how, journal, retry_failed=True)
    assert (tmp_path / "log").read_text().split() == ["a", "refuse", "b", "refuse"]
    assert [bool(row.get("stored")) for row in third] == [True, False, True]


def test_other_atoms_or_settings_are_another_row(tmp_path):
    one, how = job("a"), labeler(x=1)
    keys = {one.key(how.name, how.settings), one.key(how.name, {"x": 2}), one.key("other", how.settings)}
    keys |= {job("a", 0.1).key(how.name, how.settings), replace(one, charge=1).key(how.name, how.settings)}
    assert len(keys) == 5
    assert replace(one, input="elsewhere.cif").key(how.name, how.settings) in keys


def test_a_file_holds_one_method(tmp_path, in_this_process):
    how = labeler(x=1)
    with Journal(tmp_path / "rows.jsonl") as journal:
        run([job("a")], how, journal)
        require_same(journal, how)
        for other in (labeler(x=2), replace(how, method="guessing")):
            with pytest.raises(UsageError, match="choose another --out"):
                require_same(journal, other)


def test_a_cut_line_is_dropped_and_the_rest_kept(tmp_path, in_this_process):
    path = tmp_path / "rows.jsonl"
    with Journal(path) as journal:
        run([job("a"), job("b", 0.5)], journal=journal)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with Journal(path) as journal:
        assert [row["id"] for row in journal.rows.values()] == ["a"]
        rows = run([job("a"), job("b", 0.5)], journal=journal)
    assert [bool(row.get("stored")) for row in rows] == [True, False]
    assert len(path.read_text().splitlines()) == 2


SCRIPT = """
import sys
from pathlib import Path
from andersonn.workers.journal import Journal
from andersonn.labels.run import Effort, label
from tests.labels.fakes import labeler
from tests.labels.test_run import job
jobs = [*(job(f"k{i}", 0.01 * i) for i in range(3)), job("hang")]
with Journal(Path(sys.argv[1])) as journal:
    for row in label(jobs, labeler(pid=sys.argv[2]), journal, Effort(seconds=600)):
        print(row["id"], flush=True)
"""


def is_running(pid: str) -> bool:
    """Whether this process lives. An orphan that ended stays in /proc until its new parent asks, in some containers never."""
    try:
        status = Path("/proc", pid, "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def test_a_killed_run_goes_on_and_leaves_no_worker(tmp_path, in_this_process):
    path, note = tmp_path / "rows.jsonl", tmp_path / "pid"
    command = [sys.executable, "-c", SCRIPT, str(path), str(note)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert [process.stdout.readline().strip() for _ in range(3)] == ["k0", "k1", "k2"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    worker = note.read_text()
    assert worker.isdigit()
    if sys.platform == "linux":  # elsewhere workers end after their payload
        while is_running(worker):  # until the test's own limit of time
            time.sleep(0.05)
    with Journal(path) as journal:
        assert [row["id"] for row in journal.rows.values()] == ["k0", "k1", "k2"]
        rows = run([job(f"k{i}", 0.01 * i) for i in range(4)], labeler(pid=str(note)), journal)
    assert [bool(row.get("stored")) for row in rows] == [True, True, True, False]


def test_an_unreadable_input_is_a_row(tmp_path, in_this_process):
    error = InputError("missing_file", "there is no file", "check")
    rows = run([Job("x.cif", "x", error=error), job("fine")])
    assert rows[0]["error"]["kind"] == "missing_file"
    assert rows[0]["attempts"] == 0
    assert rows[1]["sum_A"]
