"""A place that cannot be written to: one line with cause and cure, and no half-written file, whatever verb writes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from andersonn.io import files
from tests.faults.runs import content, training

NACL = Path(__file__).parents[2] / "examples/structures/NaCl.cif"
FILES = {
    "draw": ("draw", NACL, "--out", "{}/x.png"),
    "explain": ("explain", "conduction", NACL, "--picture", "--out", "{}/x.png"),
}
"""Verbs that write one file, with where it goes."""
FOLDERS = {
    "train": ("train", "conduction", "--data", "{data}", "--out", "{}/x"),
    "screen": ("screen", "conduction", NACL.parent, "--out", "{}/x"),
    "label": ("label", "pore", NACL, "--out", "{}/x.parquet"),
    "label --fill": ("label", "pore", "{data}", "--fill", "{}/x.parquet"),
    "measure": ("measure", "inference", "conduction", "--data", "{data}", "--out", "{}/x"),
    "measure solvers": ("measure", "solvers", "--out", "{}/x"),
    "demo": ("demo", "--out", "{}/x"),
    "data get": ("data", "get", "biomolecules", "--out", "{}/x"),
    "data get --records": ("data", "get", "qm9", "--records", "{}/x.parquet"),
}
"""Verbs that write more, some after hours: they look whether they can before."""
VERBS = FILES | FOLDERS


def words(verb: str, place: Path, data: Path) -> list[str]:
    return [str(word).format(place, data=data) for word in VERBS[verb]]


@pytest.fixture(autouse=True)
def labeler(monkeypatch):
    """One that is here, since Zeo++ need not be."""
    from tests.labels.fakes import labeler as fake

    monkeypatch.setattr("andersonn.labels.pore.pore_labeler", lambda accuracy: fake())


@pytest.mark.parametrize("verb", VERBS)
def test_a_read_only_disk(program, fixed, data, verb):
    end = program(*words(verb, fixed, data))
    assert end.status == 2
    assert "Read-only file system" in end.line
    assert "read-only: choose another" in end.line
    assert not list(fixed.iterdir())


@pytest.mark.parametrize("verb", VERBS)
def test_a_file_where_a_folder_should_be(program, tmp_path, data, verb):
    file = tmp_path / "file"
    file.write_text("mine")
    end = program(*words(verb, file, data))
    assert end.status == 2
    assert "a file stands where a folder should" in end.line
    assert file.read_text() == "mine"


@pytest.mark.parametrize("verb", ["train", "screen", "demo", "measure", "data get"])
def test_the_folder_is_a_file(program, tmp_path, data, verb):
    (tmp_path / "x").write_text("mine")
    end = program(*words(verb, tmp_path, data))
    assert end.status == 2
    assert "a file stands where a folder should" in end.line
    assert (tmp_path / "x").read_text() == "mine"


@pytest.mark.parametrize("verb", FILES)
def test_the_file_is_a_folder(program, tmp_path, data, verb):
    (tmp_path / "x.png").mkdir()
    end = program(*words(verb, tmp_path, data))
    assert end.status == 2
    assert "Is a directory" in end.line
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize("verb", [*FILES, "data get"])
def test_a_full_disk(program, tight, data, verb):
    end = program(*words(verb, tight, data))
    assert end.status in (1, 2)
    assert "No space left on device" in end.line
    assert "free some space" in end.line
    assert [path.name for path in tight.rglob("*") if path.is_file()] == ["filler"]


@pytest.mark.usefixtures("forked_workers")
def test_screening_on_a_full_disk_goes_on_when_there_is_room(program, tight):
    command = ("screen", "conduction", NACL.parent, "--shard-size", "1", "--workers", "1", "--out")
    end = program(*command, tight / "x")
    assert end.status == 1
    assert "No space left on device" in end.line
    assert not list(tight.rglob("*.tmp"))
    os.system(f"mount -o remount,size=10m {tight}")
    assert program(*command, tight / "x").status == 0
    assert not list(tight.rglob("*.tmp"))


def test_training_on_a_full_disk_goes_on_when_there_is_room(program, tight, data, model):
    end = program(*training(data, tight / "x"))
    assert end.status == 1
    assert "checkpoint.safetensors" in end.line
    assert "No space left on device" in end.line
    assert not list((tight / "x").iterdir())
    os.system(f"mount -o remount,size=10m {tight}")
    assert program(*training(data, tight / "x", "--resume")).status == 0
    assert content(tight / "x") == content(model)


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.EDQUOT, "free some space"),
        (errno.EACCES, "check its permissions"),
        (errno.EIO, "choose another place"),
    ],
)
def test_what_no_test_machine_has(program, data, tmp_path, monkeypatch, number, cure):
    """A quota that is used up, a missing permission (root has them all), a disk that fails: as the system tells them."""

    def fail(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "fsync", fail)
    end = program(*words("draw", tmp_path, data))
    assert end.status == 2
    assert os.strerror(number) in end.line
    assert cure in end.line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_of_someone_else(program, tmp_path, data, verb):
    (tmp_path / "theirs").mkdir(mode=0o555)
    end = program(*words(verb, tmp_path / "theirs", data))
    assert end.status == 2
    assert "check its permissions" in end.line
