"""Makes a model surer of molecules that it was trained on, where it is asked by SMILES, as far as their labels allow.

    python tools/common_chemicals.py drawn common_chemicals.parquet --out a.parquet
    python tools/common_chemicals.py drawn small_molecules.parquet --out b.parquet
    python tools/fit_seen.py MODEL_DIR --data a.parquet --data b.parquet

Prints coverage and width of intervals before and after, fitted to one half of the molecules and tested on the other.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.training.seen_fitting import fit_seen


def main() -> None:
    """Rewrites model.json and writes trained_on.safetensors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of a model")
    parser.add_argument(
        "--data", action="append", required=True, type=Path, help="SMILES and labels it was trained on; repeat"
    )
    given = parser.parse_args()
    try:
        old = ModelBundle.load(given.model)
        new, report = fit_seen(old, read_records(given.data, (old.task.quantity,)))
    except UsageError as error:
        sys.exit(f"{error.message} ({error.hint})")
    new.save(given.model)
    print(f"{report.n} molecules of the training that may be polar; on one half")
    print(f"before: {report.covered_before:.3f} covered, {report.width_before:.2f} {old.task.unit} wide on average")
    print(f"fitted to the other half: {report.covered:.3f}, {report.width:.2f} {old.task.unit}")


if __name__ == "__main__":
    main()
