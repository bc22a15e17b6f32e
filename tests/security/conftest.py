"""Every verb, run once: in a folder of Python files that nobody asked for, and with the sockets watched that it opens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/andersonn"
EXAMPLES = ROOT / "examples"
PACKAGES = [
    "andersonn", "ase", "click", "cloudpickle", "cycler", "fastapi", "filelock", "fsspec", "gemmi", "h11", "joblib", "markdown_it",
    "matplotlib", "multipart", "numpy", "packaging", "PIL", "pip", "psutil", "pyarrow", "pydantic", "pyscf", "pyzeo", "ray", "rdkit",
    "rich", "safetensors", "scipy", "setuptools", "sitecustomize", "sklearn", "starlette", "tblite", "threadpoolctl", "torch", "typer",
    "typing_extensions", "usercustomize", "uvicorn", "uvloop", "vesin", "conftest", "evil", "__main__", "_virtualenv", "uvicorn_worker",
    "httptools", "websockets", "codecarbon", "pynvml", "jax", "torchdeq", "tests", "main", "setup",
]  # fmt: skip
"""And what those look for that may not be there."""
HOSTILE = """import os, sys
with open(os.environ["MARKER"], "a") as log:
    log.write(f"{__name__} in {sys.orig_argv}\\n")
"""
WATCH = """
import os, sys

EVENTS = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind", "urllib.Request"}


def hook(event, args):
    if event not in EVENTS:
        return
    if event in ("socket.connect", "socket.bind", "socket.sendto") and isinstance(args[1], (str, bytes)):
        return  # a socket of this machine's file system
    with open(os.environ["WATCHED"], "a") as log:
        log.write(f"{event} {args[1:]} {sys.argv}\\n")
    raise OSError(f"watched: {event}")


sys.addaudithook(hook)
"""
RUN = """
import sys
sys.argv[0], words = "andersonn", sys.argv[1]
from andersonn.cli.main import main  # cleans the search path, as of the program, before anything else is imported
import json

verbs = json.loads(words)
for verb in verbs:
    sys.argv = ["andersonn", *verb]
    if verb[:2] == ["measure", "memory"]:  # which starts processes all alike: one of them is enough
        import functools
        from andersonn.measuring import memory
        point = functools.cache(memory._point)
        memory._point = lambda plan, kind, depth: point(plan, "anderson", depth)
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    print(f"STATUS {code} {verb}", flush=True)
"""
SMALL = ["epochs=1", "model.width=8", "columns=8", "radial=8", "max_rows=400", "device=cpu"]
EXTRA = {0, 2}
"""2 where the extra is not installed."""
VERBS = [
    ({0}, "--help"), ({0}, "predict", "--help"), ({0}, "--version"), ({0}, "doctor"),
    ({1}, "predict", "conduction", "quartz.cif", "sub"),  # in the folder are molecules, which are no crystals
    ({0}, "predict", "polarity", "--smiles", "CCO", "-f", "json"), ({0}, "predict", "porosity", "calcium-oxalate.cif", "-f", "json"),
    ({0}, "explain", "conduction", "quartz.cif"), ({0}, "draw", "quartz.cif", "--out", "quartz.png"), ({0}, "card", "polarity"),
    ({0}, "data", "list"), ({0}, "data", "info", "qm9"), ({1}, "data", "get", "qm9", "--offline"),
    ({0}, "evaluate", "conduction", "--data", "few.parquet", "--side", "all", "--no-baselines"),
    ({0}, "train", "conduction", "--data", "few.parquet", "--out", "model", *SMALL),
    ({1}, "screen", "conduction", "sub", "--out", "screened", "--workers", "1"),
    ({0}, "measure", "memory", "--depths", "1", "--batch", "1", "--out", "memory"),
    (EXTRA, "label", "pore", "mof-5.cif", "--out", "pores.parquet"),
    (EXTRA, "label", "dipole", "--smiles", "O", "--out", "dipoles.parquet"),
]  # fmt: skip
"""Verbs after the statuses that they may have."""


class Ran(NamedTuple):
    """All verbs in one process, which imports each module once, from the same folder as each by itself would.

    Attributes:
        statuses: of each verb, beside the ones expected.
        said: what it printed.
        imported: what hostile modules wrote down.
        opened: what the watch saw.
    """

    statuses: list[tuple[int, set[int]]]
    said: str
    imported: str
    opened: str


def run(folder: Path, env: dict[str, str], *verbs: list[str]) -> tuple[list[int], str]:
    """Verbs in one process: their statuses, and what it printed."""
    command = [sys.executable, "-P", "-c", RUN, json.dumps(verbs)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    codes = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("STATUS")]
    assert len(codes) == len(verbs), done.stderr
    return codes, done.stdout + done.stderr


def surroundings_at(folder: Path) -> dict[str, str]:
    """The environment of a run, which cannot import from anywhere but what is installed."""
    told = {
        "PYTHONPATH": str(SOURCE.parent),
        "MARKER": str(folder / "marker"),
        "ANDERSONN_CACHE": str(folder / "cache"),
    }
    return os.environ | told | {"OMP_NUM_THREADS": "1", "HOME": str(folder)}


def watched(env: dict[str, str], folder: Path) -> dict[str, str]:
    """That environment for a process whose connections, and those of its worker processes, are written down and refused."""
    (folder / "watch").mkdir()
    (folder / "watch/sitecustomize.py").write_text(WATCH)
    paths = [str(folder / "watch"), env["PYTHONPATH"]]
    return env | {"PYTHONPATH": os.pathsep.join(paths), "WATCHED": str(folder / "opened")}


def written(path: str) -> str:
    """The text of a file; of none if it is not there."""
    return Path(path).read_text() if Path(path).exists() else ""


def shadow(folder: Path, names) -> Path:
    """Fills a folder with hostile modules of these names, and with something to ask about."""
    folder.mkdir()
    for name in names:
        (folder / f"{name}.py").write_text(HOSTILE)
    for name in ("andersonn", "numpy", "torch", "joblib", "ray", "matplotlib"):
        if name in names:
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(HOSTILE)
    if "andersonn" in names:
        for part in ("workers", "cli", "web"):
            (folder / "andersonn" / part).mkdir()
            (folder / "andersonn" / part / "__init__.py").write_text(HOSTILE)
        (folder / "andersonn/workers/process.py").write_text(HOSTILE)
    (folder / "matplotlibrc").write_text("backend: module://evil\ntext.usetex: True\nfont.size: 999\n")
    (folder / ".pyscf_conf.py").write_text(HOSTILE)
    (folder / "pyvenv.cfg").write_text("home = .\n")
    (folder / ".env").write_text("PYTHONPATH=.\n")
    (folder / "sub").mkdir()
    for name in ("structures/quartz.cif", "structures/Cu.cif", "frameworks/mof-5.cif", "molecules/solvents.sdf"):
        (folder / Path(name).name).write_bytes((EXAMPLES / name).read_bytes())
        (folder / "sub" / Path(name).name).write_bytes((EXAMPLES / name).read_bytes())
    oxalate = EXAMPLES / "frameworks/calcium-oxalate.cif"
    (folder / oxalate.name).write_bytes(oxalate.read_bytes())
    table = pq.read_table(SOURCE / "demo/crystals.parquet")
    pq.write_table(table.take(np.arange(0, len(table), 30)), folder / "few.parquet")
    return folder


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    return shadow(tmp_path_factory.mktemp("hostile") / "here", [*sys.stdlib_module_names, *PACKAGES])


@pytest.fixture(scope="session")
def ran(hostile, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ran")
    env = watched(surroundings_at(folder), folder)
    codes, said = run(hostile, env, *([*words] for _, *words in VERBS))
    statuses = [(code, expected) for code, (expected, *_) in zip(codes, VERBS, strict=True)]
    return Ran(statuses, said, written(env["MARKER"]), written(env["WATCHED"]))
