"""The program for an accelerator runs on a CPU, on which it measures nothing of interest."""

import runpy
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def test_the_table_is_complete():
    lines = runpy.run_path(str(PROGRAM))["table"]("cpu", True)
    rows = [line for line in lines if line.startswith("|") and not line.startswith("|---")]
    assert len(rows) == 2 + 4 + 3
    assert [row.split(",")[0].strip("| ") for row in rows[-3:]] == ["conduction", "polarity", "porosity"]
    assert all("evaluations" in row for row in rows[-3:])
