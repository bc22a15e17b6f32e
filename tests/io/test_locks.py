"""Locks end with their process, are found held by threads and processes, and may be missing in a file system."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import filelock
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from andersonn.errors import UsageError
from andersonn.io import files
from andersonn.io.locks import Held, held
from andersonn.workers.journal import Journal

SOURCE = Path(__file__).parents[2] / "src/andersonn"


def without_locks(monkeypatch, number):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_lock_is_held_against_others_and_leaves_nothing(tmp_path):
    path = tmp_path / ".lock"
    with held(path) as locked:
        assert locked
        with pytest.raises(Held), held(path):
            pass
        code = f"from andersonn.io.locks import held; from pathlib import Path\nwith held(Path({str(path)!r})): pass"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "Held" in done.stderr
    assert not path.exists()
    with held(path) as locked:
        assert locked


def test_many_threads_are_never_inside_together(tmp_path):
    """Each removes the file in the end, under the feet of those that have opened it."""
    inside, most, entered, errors = 0, 0, 0, []
    counting = threading.Lock()

    def work():
        nonlocal inside, most, entered
        for _ in range(60):
            try:
                with held(tmp_path / ".lock"):
                    with counting:
                        inside += 1
                        entered += 1
                        most = max(most, inside)
                    with counting:
                        inside -= 1
            except Held:
                pass
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert most == 1
    assert entered >= 60


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks(tmp_path, monkeypatch, caplog, number):
    without_locks(monkeypatch, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # filelock may say that it uses the mere existence of its file
        with files.alone_in(tmp_path / "out"):
            files.write_text(tmp_path / "out/a.txt", "whole")
        with Journal(tmp_path / "out/rows.jsonl") as journal:
            journal.append({"key": "a"})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "rows.jsonl"]
    if number == errno.ENOLCK:
        assert "let no second run write to it" in caplog.text


def test_a_lock_that_may_not_be_made_is_no_missing_lock(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "x")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(PermissionError), held(tmp_path / ".lock"):
        pass
    with pytest.raises(UsageError) as caught:
        Journal(tmp_path / "rows.jsonl")
    assert caught.value.kind == "not_writable"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o027, 0o002])
def test_files_have_the_permissions_of_every_new_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        files.write_text(tmp_path / "text", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "text").stat().st_mode) == 0o666 & ~mask


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_libraries_keep_these_permissions(tmp_path):
    (tmp_path / "plain").write_text("x")
    files.write_whole(tmp_path / "a", lambda name: pq.write_table(pa.table({"x": [1]}), name))
    files.write_whole(tmp_path / "b", lambda name: save_file({"x": torch.zeros(2)}, name))
    plain = (tmp_path / "plain").stat().st_mode
    assert [(tmp_path / name).stat().st_mode for name in "ab"] == [plain, plain]


def test_no_lock_of_our_own_and_no_change_of_the_mask():
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "fcntl" not in text, path
        assert "os.umask" not in text, path
