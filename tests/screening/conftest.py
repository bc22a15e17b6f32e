"""A small library of molecules, and a whole run over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from andersonn.scientists.registry import weights_folder
from andersonn.screening import Screening, Settings

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
    done.run()
    return done
