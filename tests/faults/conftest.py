"""Small data, a finished run, the program in this process, and disks that are full or read-only."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.faults.runs import training


def few(demo_sample, folder, step):
    path = folder / "records.parquet"
    pq.write_table(demo_sample.take(np.arange(0, len(demo_sample), step)).table, path)
    return path


@pytest.fixture(scope="session")
def data(demo_sample, tmp_path_factory):
    """A hundred crystals with their band gaps."""
    return few(demo_sample, tmp_path_factory.mktemp("data"), 30)


@pytest.fixture(scope="session")
def model(data, tmp_path_factory):
    """A finished run on them."""
    out = tmp_path_factory.mktemp("model") / "m"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the runs that are compared
    assert status_of(*training(data, out)) == 0
    torch.set_num_threads(threads)
    return out


def status_of(*words) -> int:
    """The exit status of the program with these words, run in this process."""
    from andersonn.cli.main import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["andersonn", *map(str, words)])
        try:
            main()
        except SystemExit as error:
            return error.code or 0
    return 0


class Ended(NamedTuple):
    """How a run of the program ended."""

    status: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """Its one line about what is wrong; progress lines aside, it said nothing else."""
        told = [line for line in self.err.splitlines() if not re.match(r"[\w ,:;.]+: \d+ %|! ", line)]
        assert len(told) == 1, self.err
        assert told[0].startswith("error: "), self.err
        assert "unexpected" not in told[0]
        return told[0]


@pytest.fixture(autouse=True)
def alike(one_thread):
    """As the runs have that are compared."""


@pytest.fixture
def program(capfd):
    """Runs the program in this process, in which faults can be injected."""

    def run(*words) -> Ended:
        capfd.readouterr()
        status = status_of(*words)
        return Ended(status, *capfd.readouterr())

    return run


def mounted(folder: Path, options: str):
    """A small file system at a folder, for as long as a test wants it."""
    folder.mkdir()
    if (
        os.name == "nt"
        or os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder]).returncode
    ):
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def tight(tmp_path):
    """A folder on a disk of 16 kB with 4 kB left."""
    for folder in mounted(tmp_path / "tight", "size=16k"):
        (folder / "filler").write_bytes(bytes(12 * 1024))
        yield folder


@pytest.fixture
def fixed(tmp_path):
    """A folder on a read-only disk."""
    for folder in mounted(tmp_path / "fixed", "size=16k"):
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield folder
