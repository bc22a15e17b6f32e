"""An interrupt from the keyboard keeps what is done."""

import json
import os
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer

from andersonn.cli import label as verb
from andersonn.cli.console import Format
from andersonn.labels import inputs
from andersonn.labels.run import Effort
from andersonn.workers.journal import Journal
from tests.labels.fakes import labeler
from tests.labels.test_run import job


@pytest.mark.skipif(os.name == "nt", reason="no such signals")
def test_an_interrupted_run_keeps_its_rows_and_writes_its_table(tmp_path, monkeypatch, capsys):
    append = Journal.append

    def append_and_interrupt(self, row):
        append(self, row)
        if len(self.rows) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(inputs, "jobs", lambda names, reading: (job(f"k{i}", 0.01 * i) for i in range(200)))
    monkeypatch.setattr(inputs, "count", lambda names, reading: 200)
    monkeypatch.setattr(Journal, "append", append_and_interrupt)
    out = tmp_path / "rows.parquet"
    with pytest.raises(typer.Exit) as caught:
        verb._run(["x"], inputs.Reading(), labeler(), Effort(seconds=60.0), out, None, Format.json)
    assert caught.value.exit_code == 130
    said = capsys.readouterr()
    assert "the same command goes on" in said.err
    seen = [json.loads(line)["id"] for line in said.out.splitlines()]
    ids = pq.read_table(out)["id"].to_pylist()
    assert seen == ["k0", "k1"]
    assert ids == ["k0", "k1", "k2"]
    assert [json.loads(line)["id"] for line in Path(f"{out}.jsonl").read_text().splitlines()] == ids
