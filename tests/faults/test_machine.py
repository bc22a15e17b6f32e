"""What a machine may do to a run besides its disk: too little memory, a clock that jumps, other processes, lost files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from andersonn.cli.system_errors import KEPT, of_machine, tell
from andersonn.data.store import image_store
from andersonn.io import files
from andersonn.structures.image import ImageRecipe
from andersonn.training.folder import CHECKPOINT
from tests.faults.runs import ONE_THREAD, PROGRAM, content, training
from tests.forked import run, start

NACL = Path(__file__).parents[2] / "examples/structures/NaCl.cif"


def test_training_that_needs_too_much_memory(program, data, tmp_path):
    resource = pytest.importorskip("resource")
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs /proc")
    size = int(status.read_text().partition("VmSize:")[2].split()[0]) * 1024
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**30, before[1]))
    try:
        end = program(*training(data, tmp_path / "m", "model.width=8192"))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert end.status == 1
    assert "memory of this machine does not suffice" in end.line
    assert "lower max_rows and max_images" in end.line
    assert not list((tmp_path / "m").iterdir())


def too_much_of(make):
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        make()
    return caught.value


def test_each_library_says_that_memory_ran_out():
    for make in (lambda: np.empty(10**15), lambda: torch.empty(10**15), lambda: bytearray(10**16)):
        assert of_machine(too_much_of(make)).kind == "out_of_memory"
    assert of_machine(OSError(12, os.strerror(12))).kind == "out_of_memory"  # as fork says it
    assert of_machine(RuntimeError("shapes do not fit")) is None
    assert of_machine(ValueError("x")) is None


def test_a_clock_that_jumps_to_1970_and_back(program, data, model, tmp_path, monkeypatch):
    begun = time.time()
    jumps = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: 0.0 if next(jumps) % 2 else begun)
    assert program(*training(data, tmp_path / "m")).status == 0
    assert content(tmp_path / "m") == content(model)


def test_a_library_newer_than_the_clock_is_screened(tmp_path, monkeypatch):
    from andersonn.screening import Screening
    from tests.screening.conftest import SETTINGS, library

    waters = library(tmp_path / "waters.sdf", ["a", "b"])
    run = Screening(SETTINGS, str(waters), tmp_path / "o")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert run._latest() == waters.stat().st_mtime
    assert list(run.shards(run._latest()))


def test_the_newest_log_is_kept_though_the_clock_went_back(tmp_path, monkeypatch):
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path))
    (tmp_path / "logs").mkdir()
    for k in range(KEPT):
        (tmp_path / f"logs/error-2999{k:04d}-x.log").write_text("of the future")
    said = tell(ValueError("odd"))
    log = Path(said.partition("report it with ")[2].rstrip(")"))
    assert "ValueError: odd" in log.read_text()
    assert len(list((tmp_path / "logs").iterdir())) == KEPT


def test_two_trainings_into_one_folder(program, data, tmp_path):
    with files.alone_in(tmp_path / "m"):
        end = program(*training(data, tmp_path / "m", "--resume"))
    assert end.status == 2
    assert f"another run (process {os.getpid()} on " in end.line
    assert "wait for it, or choose another --out" in end.line
    assert not list((tmp_path / "m").iterdir())


@pytest.mark.slow
def test_two_trainings_into_one_image_cache(data, model, tmp_path):
    environment = ONE_THREAD | {"ANDERSONN_CACHE": str(tmp_path / "cache")}
    outs = [tmp_path / "a", tmp_path / "b"]
    runs = [
        subprocess.Popen([*PROGRAM, *training(data, out)], env=environment, stdout=subprocess.DEVNULL, stderr=-1)
        for out in outs
    ]
    assert [(run.communicate()[1], run.returncode)[1] for run in runs] == [0, 0]
    one, other = map(
        content, outs
    )  # another number of threads may round otherwise, so they are not compared with `model`
    assert one == other
    assert one.keys() == content(model).keys()
    assert len(list((tmp_path / "cache/images").iterdir())) == 1


def test_a_lock_outlives_no_process(tmp_path):
    code = f"""
import os
from pathlib import Path
from andersonn.io.files import alone_in, write_whole
folder = Path({str(tmp_path)!r})
with alone_in(folder):
    write_whole(folder / "a.bin", lambda name: (Path(name).write_bytes(b"half"), os.kill(os.getpid(), 9)))
"""
    import sys

    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 4  # half a file, who writes to the folder, and the locks of both
    with files.alone_in(tmp_path):
        files.write_text(tmp_path / "b.txt", "whole")
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", ".writer", "b.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_what_another_process_is_writing_is_no_leftover(tmp_path):
    def write(name):
        Path(name).write_text("mine")
        files._clear_leftovers.__wrapped__(tmp_path)  # as another process would, on its first write
        assert Path(name).exists()

    (tmp_path / ".x.abcdefgh.tmp").write_text("left")
    (tmp_path / ".x.tmp").write_text("someone's own")
    files.write_whole(tmp_path / "x", write)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".x.tmp", "x"]


def test_a_checkpoint_that_goes_away_during_the_run(data, model, tmp_path, monkeypatch, program):
    from andersonn.training import run

    save = run.save_checkpoint

    def lose(path, trainer):
        save(path, trainer)
        shutil.rmtree(path.parent)

    monkeypatch.setattr(run, "save_checkpoint", lose)
    assert program(*training(data, tmp_path / "m")).status == 0
    assert content(tmp_path / "m") == content(model)


def test_data_that_change_between_start_and_resumption(data, demo_sample, tmp_path, program, monkeypatch):
    from andersonn.training import run
    from tests.faults.conftest import few

    monkeypatch.setattr(run, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    mine = tmp_path / "records.parquet"
    shutil.copy(data, mine)
    end = program(*training(mine, tmp_path / "m"))
    assert end.status == 130
    assert "the same command with --resume goes on" in end.err
    assert "unfinished run" in program(*training(mine, tmp_path / "m")).line
    few(demo_sample, tmp_path, 40)
    end = program(*training(mine, tmp_path / "m", "--resume"))
    assert end.status == 2
    assert "other data" in end.line
    mine.unlink()
    assert "no file" in program(*training(mine, tmp_path / "m", "--resume")).line
    (tmp_path / "m" / CHECKPOINT).write_bytes(b"broken")
    assert "delete it to start anew" in program(*training(data, tmp_path / "m", "--resume")).line


def test_a_finished_run_is_resumed_by_saying_so(data, model, program):
    before = {path: path.stat().st_mtime_ns for path in model.iterdir()}
    end = program(*training(data, model, "--resume"))
    assert end.status == 0
    assert "nothing is left to do" in end.err
    assert json.loads(end.out)["n"] > 0
    assert {path: path.stat().st_mtime_ns for path in model.iterdir()} == before
    end = program(*training(data, model, "--resume", "seed=1"))
    assert end.status == 2
    assert "made with other options seed" in end.line


def test_a_finished_run_of_other_labels_is_not_taken_for_this_one(data, model, tmp_path, program):
    table = pq.read_table(data)
    place = table.column_names.index("band_gap_eV")
    more = pc.add(table["band_gap_eV"], pa.scalar(0.25))
    pq.write_table(table.set_column(place, "band_gap_eV", more), tmp_path / data.name)
    end = program(*training(tmp_path / data.name, model, "--resume"))
    assert end.status == 2
    assert "made with other data: values of band_gap_eV" in end.line


@pytest.mark.parametrize("spoil", ["cut", "flipped", "folder", "closed"])
def test_a_damaged_or_absent_image_cache(demo_sample, tmp_path, monkeypatch, caplog, spoil):
    cache = tmp_path / "cache"
    monkeypatch.setenv("ANDERSONN_CACHE", str(cache))
    records, recipe = demo_sample.take(np.arange(8)), ImageRecipe(columns=8)
    made = image_store(records, recipe)
    (path,) = (cache / "images").iterdir()
    stored = bytearray(path.read_bytes())
    stored[-100] ^= 1
    if spoil == "closed":
        shutil.rmtree(cache)
        cache.write_text("no folder")
    elif spoil == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(stored[: 1000 if spoil == "cut" else None])
    again = image_store(records, recipe)
    assert ("made again" in caplog.text) == (spoil != "closed")
    assert ("set ANDERSONN_CACHE to a writable folder" in caplog.text) == (spoil in ("folder", "closed"))
    for name in ("offsets", "Z", "neighbor_index", "distance", "weight", "multiplicity"):
        assert np.array_equal(getattr(made, name), getattr(again, name))
    if spoil in ("cut", "flipped"):
        assert path.read_bytes() != stored
        caplog.clear()
        image_store(records, recipe)
        assert not caplog.text


@pytest.mark.parametrize("words", [("data", "list", "-f", "json"), ("card", "porosity")])
def test_a_reader_that_goes_away(words):
    """As in ``andersonn data list | head -0``."""
    unread, out = os.pipe()
    os.close(unread)
    done = run(*words, stdout=out)
    os.close(out)
    assert done.returncode in (0, 1)
    assert done.stderr == ""


@pytest.mark.parametrize("verb", ["train", pytest.param("evaluate", marks=pytest.mark.slow)])
def test_an_interrupt_from_the_keyboard(data, model, tmp_path, verb):
    words = {
        "train": training(data, tmp_path / "m", "epochs=500"),
        "evaluate": ["evaluate", "conduction", "--data", str(data), "--model", str(model), "--side", "all"],
    }[verb]
    environment = os.environ | {"ANDERSONN_CACHE": str(tmp_path / "cache")}
    process = start(*words, stderr=subprocess.PIPE, env=environment)
    with process.stderr as stream:
        said = stream.readline()  # the first of a bar
        process.send_signal(signal.SIGINT)
        said += stream.read()
    assert process.wait() == 130, said
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("*.tmp"))
    assert not (tmp_path / "m/.lock").exists()


def test_a_library_without_files_is_refused(tmp_path, program):
    (tmp_path / "library").mkdir()
    end = program("screen", "polarity", tmp_path / "library", "--out", tmp_path / "o")
    assert end.status == 2
    assert "holds no structure file" in end.line
