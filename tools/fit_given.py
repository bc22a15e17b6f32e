"""Fits intervals to molecules that most of the calibration differs from: larger or smaller ones than QM9's or those of other elements, with a
given geometry, and small ones whose geometry is generated.

    python tools/fit_given.py MODEL_DIR --kind large --data src/andersonn/data/sets/biomolecules.parquet
    python tools/fit_given.py MODEL_DIR --kind elements --side validation --data src/andersonn/data/sets/common_chemicals.parquet \
        --data src/andersonn/data/sets/small_molecules.parquet
    python tools/fit_given.py MODEL_DIR --kind small --side validation --data … (the same two)
    python tools/fit_given.py MODEL_DIR --kind generated --side validation --data common_smiles.parquet --data qm9_smiles.parquet \
        --data molecules_pereira2018.parquet

Prints coverage and width of intervals before and after; the latter for each half of the scaffolds as fitted to the other.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from andersonn.data.merging import read_records
from andersonn.data.splits import SPLITS
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.tails import FEW, LARGE, MADE_FEW, UNUSUAL
from andersonn.training.given_fitting import fit_few_made, fit_given

KINDS = {"large": LARGE, "elements": UNUSUAL, "small": FEW, "generated": MADE_FEW}


def main() -> None:
    """Reads a model and records, fits one tail, saves the model and says what the tail does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of a model")
    parser.add_argument(
        "--kind",
        choices=KINDS,
        required=True,
        help="more than nine heavy atoms, other elements than QM9 has, or up to six, given or generated",
    )
    parser.add_argument(
        "--side", choices=SPLITS, default="", help="use one side of the model's split alone (default: all molecules)"
    )
    parser.add_argument(
        "--data", action="append", required=True, type=Path, help="molecules with geometry and label; repeat"
    )
    given = parser.parse_args()
    try:
        old = ModelBundle.load(given.model)
        records = read_records(given.data, (old.task.quantity,))
        if given.kind == "generated":
            new, report = fit_few_made(old, records, given.side)
        else:
            new, report = fit_given(old, records, KINDS[given.kind], given.side)
    except UsageError as error:
        sys.exit(f"{error.message} ({error.hint})")
    new.save(given.model)
    print(f"{report.n} molecules of this kind")
    print(f"before: {report.covered_before:.3f} covered, {report.width_before:.2f} {old.task.unit} wide on average")
    print(f"each half as fitted to the other: {report.covered:.3f}, {report.width:.2f} {old.task.unit}")


if __name__ == "__main__":
    main()
