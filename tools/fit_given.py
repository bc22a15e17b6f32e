"""Fits intervals to molecules that most of the calibration differs from: larger or smaller ones than QM9's or those of other elements, with a
given geometry, and small ones whose geometry is generated.

    python tools/fit_given.py MODEL_DIR --kind large --data src/andersonn/data/sets/biomolecules.parquet
    python tools/fit_given.py MODEL_DIR --kind elements --side validation --data src/andersonn/data/sets/common_chemicals.parquet \
        --data src/andersonn/data/sets/small_molecules.parquet
    python tools/fit_given.py MODEL_DIR --kind small --side validation --data … (the same two)
    python tools/fit_given.py MODEL_DIR --kind generated --side validation --data common_smiles.parquet --data qm9_smiles.parquet \
        --data molecules_pereira2018.parquet

Prints coverage and width of intervals before and after; the latter for each half of the scaffolds as fitted to the other. The command is that of
tools/fit_seen.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from andersonn.data.splits import SPLITS
from andersonn.inference.tails import FEW, LARGE, MADE_FEW, UNUSUAL
from andersonn.training.given_fitting import fit_few_made, fit_given
from fit_seen import fit

KINDS = {"large": LARGE, "elements": UNUSUAL, "small": FEW, "generated": MADE_FEW}

if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--kind",
        choices=KINDS,
        required=True,
        help="more than nine heavy atoms, other elements than QM9 has, or up to six, given or generated",
    )
    options.add_argument(
        "--side", choices=SPLITS, default="", help="use one side of the model's split alone (default: all molecules)"
    )
    options.add_argument(
        "--data", action="append", required=True, type=Path, help="molecules with geometry and label; repeat"
    )
    fit(
        lambda model, records, given: (
            fit_few_made(model, records, given.side)
            if given.kind == "generated"
            else fit_given(model, records, KINDS[given.kind], given.side)
        ),
        options,
        "of this kind",
        "each half as fitted to the other",
    )
