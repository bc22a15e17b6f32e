"""A small library of molecules, a whole run over it, and one that was killed on its way."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from andersonn.scientists.registry import weights_folder
from andersonn.screening import Screening, Settings
from tests import forked
from tests.workers.fakes import InThisProcess

WATER = """{title}
  made

  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 O   0  0
    {a:.4f}    0.0000    0.0000 H   0  0
   -0.2400    {a:.4f}    0.0000 H   0  0
  1  2  1  0
  1  3  1  0
M  END
$$$$
"""
SETTINGS = Settings(str(weights_folder("polarity")), "andersonn/polarity")


def library(path: Path, titles) -> Path:
    path.write_text("".join(WATER.format(title=title, a=0.93 + 0.001 * (k % 40)) for k, title in enumerate(titles)))
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="session")
def waters(tmp_path_factory) -> Path:
    return library(tmp_path_factory.mktemp("library") / "waters.sdf", [*(f"w{k}" for k in range(40)), "", "bad"])


@pytest.fixture(scope="session")
def screening(waters, tmp_path_factory) -> Screening:
    text = waters.read_text().replace("bad\n  made\n\n  3  2", "bad\n  made\n\n  9  2")
    waters.write_text(text)
    out = tmp_path_factory.mktemp("out") / "whole"
    done = Screening(SETTINGS, str(waters), out, shard_size=10, top=3, by="-value", workers=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("andersonn.launch.start", forked.worker)
        done.run()
    return done


def mortal() -> None:
    """The program, killed before the third row that it would keep; what workers do is done in its own process."""
    from andersonn.cli.main import main
    from andersonn.workers import pool
    from andersonn.workers.journal import Journal

    pool.Worker = InThisProcess
    append, appended = Journal.append, []

    def append_or_die(self, row):
        if len(appended) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        appended.append(row)
        append(self, row)

    Journal.append = append_or_die
    main()


def words(library: Path, out: Path) -> list[str]:
    """Of a command that screens as the whole run does."""
    options = ["--shard-size", "10", "--workers", "1", "--top", "3", "--by=-value"]
    return ["screen", "polarity", str(library), "--out", str(out), *options]


@pytest.fixture(scope="session")
def killed(waters, tmp_path_factory) -> Path:
    """The folder of the same run, killed when two shards were done, and the third written but not in the journal."""
    out = tmp_path_factory.mktemp("killed") / "o"
    assert forked.start(*words(waters, out), call="tests.screening.conftest:mortal").wait() == -signal.SIGKILL
    return out


@pytest.fixture
def unfinished(killed, tmp_path) -> Path:
    """A copy of that folder, to go on with."""
    return shutil.copytree(killed, tmp_path / "unfinished")


@pytest.fixture
def in_this_process(monkeypatch, one_thread):
    """Runs do without worker processes; with one thread, as these have, so that the last digits are the same."""
    monkeypatch.setattr("andersonn.workers.pool.Worker", InThisProcess)
