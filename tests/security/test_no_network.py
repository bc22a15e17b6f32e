"""No verb opens a connection that was not asked for: each runs with Python's sockets watched, in its worker processes too.

Watched are the calls that Python makes. What a compiled library connected to by itself would not be seen; the libraries that
the package loads unasked have no reason to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
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
import json, os, sys
from andersonn.cli.main import main

os.makedirs(sys.argv[2], exist_ok=True)
os.chdir(sys.argv[2])
for verb in json.loads(sys.argv[1]):
    sys.argv = ["andersonn", *verb]
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    print(f"STATUS {code} {verb}", flush=True)
"""


@pytest.fixture
def watched(tmp_path):
    """Runs verbs in one process; their statuses and what was opened."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch/sitecustomize.py").write_text(WATCH)
    log = tmp_path / "log"

    def run(*verbs: list[str]) -> tuple[list[int], str]:
        paths = [str(tmp_path / "watch"), str(ROOT / "src")]
        told = {"PYTHONPATH": os.pathsep.join(paths), "WATCHED": str(log), "ANDERSONN_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, "-c", RUN, json.dumps(verbs), str(tmp_path / "here")]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | told)
        codes = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("STATUS")]
        assert len(codes) == len(verbs), done.stderr
        return codes, log.read_text() if log.exists() else ""

    return run


def test_the_main_verbs_open_nothing(watched, tmp_path):
    table = tmp_path / "crystals.parquet"
    pq.write_table(pq.read_table(ROOT / "src/andersonn/demo/crystals.parquet").slice(0, 40), table)
    quartz, oxalate = str(EXAMPLES / "structures/quartz.cif"), str(EXAMPLES / "frameworks/calcium-oxalate.cif")
    verbs = [
        ["--help"], ["predict", "--help"], ["--version"], ["doctor"], ["data", "list"], ["data", "info", "qm9"],
        ["predict", "conduction", quartz], ["predict", "porosity", oxalate, "-f", "json"], ["predict", "polarity", "--smiles", "CCO"],
        ["card", "polarity"], ["draw", quartz, "--out", "quartz.png"], ["explain", "conduction", quartz],
        ["evaluate", "conduction", "--data", str(table), "--side", "all", "--no-baselines"],
        ["screen", "conduction", str(EXAMPLES / "structures"), "--out", "screened", "--workers", "1"],
        ["data", "get", "qm9", "--offline"],
    ]  # fmt: skip
    codes, opened = watched(*verbs)
    assert opened == ""
    assert codes[:-2] == [0] * (len(verbs) - 2)
    assert codes[-2] in (0, 1)  # some examples are no crystals
    assert codes[-1] == 1


def test_what_asks_for_the_network_is_seen(watched):
    codes, opened = watched(["data", "get", "qmof", "--tries", "1"])
    assert codes == [1]
    assert opened.startswith("urllib.Request")
