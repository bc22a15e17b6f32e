"""An interrupt from the keyboard keeps what is done."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pathlib import Path
from andersonn.cli import label as verb
from andersonn.cli.console import Format
from andersonn.labels import inputs
from andersonn.labels.run import Effort
from tests.labels.fakes import labeler
from tests.labels.test_run import job
import typer
inputs.jobs = lambda names, reading: (job(f"k{i}", 0.01 * i) for i in range(200))
inputs.count = lambda names, reading: 200
app = typer.Typer()
@app.command()
def main():
    verb._run(["x"], inputs.Reading(), labeler(sleep=0.2), Effort(seconds=20), Path(sys.argv[1]), None, Format.json)
sys.argv = [sys.argv[0], sys.argv[1]]
app(args=[])
"""


@pytest.mark.skipif(os.name == "nt", reason="no such signals")
def test_an_interrupted_run_keeps_its_rows_and_writes_its_table(tmp_path):
    import pyarrow.parquet as pq

    out = tmp_path / "rows.parquet"
    command = [sys.executable, "-c", SCRIPT, str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen = [json.loads(process.stdout.readline())["id"] for _ in range(3)]
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert "the same command goes on" in errors
    ids = pq.read_table(out)["id"].to_pylist()
    assert set(seen) <= set(ids)
    kept = [json.loads(line)["id"] for line in Path(f"{out}.jsonl").read_text().splitlines()]
    assert set(ids) == set(kept)
    assert process.returncode == 130, rest
