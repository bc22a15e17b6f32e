"""Fits intervals to molecules with a given geometry that are larger than those of the training.

    python tools/fit_large.py MODEL_DIR --data src/andersonn/data/sets/biomolecules.parquet

Prints coverage and width of intervals before and after; the latter for each half of the scaffolds as fitted to the other. The command is that of
tools/fit_seen.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from andersonn.training.large_fitting import fit_large
from fit_seen import fit

if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--data", action="append", required=True, type=Path, help="molecules with geometry and label; repeat"
    )
    fit(fit_large, options, "of more than nine heavy atoms", "each half as fitted to the other")
