"""What is in the files that strangers install: no journal of a run, nothing that is not needed or not ours to give."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEVER = (".jsonl", ".log", ".tmp", ".lock", ".pyc", ".csv.gz", ".pickle", ".pkl", ".env")
LARGEST = 5_000_000
"""Bytes that weights may have, the largest files."""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source distribution and the wheel: names and sizes of their files."""
    sdist = pytest.importorskip(
        "hatchling.builders.sdist", reason="hatchling is not installed: pip install -e '.[test]'"
    )
    wheel = pytest.importorskip("hatchling.builders.wheel")
    folder = tmp_path_factory.mktemp("dist")
    (archive,) = sdist.SdistBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    (package,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with tarfile.open(archive) as file:
        sources = {name.partition("/")[2]: member.size for member in file for name in [member.name] if member.isfile()}
    with zipfile.ZipFile(package) as file:
        return sources, {member.filename: member.file_size for member in file.infolist()}


def test_the_source_distribution(built):
    sources, _ = built
    assert {"pyproject.toml", "README.md", "LICENSE", "src/andersonn/__init__.py"} <= set(sources)
    assert {"benchmarks/solvers.py", "benchmarks/contest/contest.py", "benchmarks/contest/README.md"} <= set(sources)
    assert [name for name in sources if name.endswith(NEVER)] == []
    assert [name for name, size in sources.items() if size > LARGEST] == []


def test_the_wheel(built):
    _, files = built
    assert {"andersonn/__init__.py", "andersonn/data/sets/biomolecules.parquet"} <= set(files)
    names = ("common_chemicals", "small_molecules")
    assert {f"andersonn/data/sets/{name}.{kind}" for name in names for kind in ("csv", "parquet")} <= set(files)
    assert {"andersonn/measuring/pages/base.html", "andersonn/demo/report.html"} <= set(files)
    assert [name for name in files if "contest" in name or "benchmarks" in name] == []
    assert [name for name in files if name.endswith(NEVER)] == []
    assert [name for name in files if name.startswith("tests/")] == []
