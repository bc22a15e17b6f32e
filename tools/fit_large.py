"""Fits intervals to molecules with a given geometry that are larger than those of the training.

    python tools/fit_large.py MODEL_DIR --data src/andersonn/data/sets/biomolecules.parquet

Prints coverage and width of intervals before and after; the latter for each half of the scaffolds as fitted to the other. To be run before
tools/fit_seen.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.training.large_fitting import fit_large


def main() -> None:
    """Rewrites model.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of a model")
    parser.add_argument(
        "--data", action="append", required=True, type=Path, help="molecules with geometry and label; repeat"
    )
    given = parser.parse_args()
    try:
        old = ModelBundle.load(given.model)
        new, report = fit_large(old, read_records(given.data, (old.task.quantity,)))
    except UsageError as error:
        sys.exit(f"{error.message} ({error.hint})")
    new.save(given.model)
    print(f"{report.n} molecules of more than nine heavy atoms")
    print(f"before: {report.covered_before:.3f} covered, {report.width_before:.2f} {old.task.unit} wide on average")
    print(f"each half as fitted to the other: {report.covered:.3f}, {report.width:.2f} {old.task.unit}")


if __name__ == "__main__":
    main()
