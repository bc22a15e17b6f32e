"""Puts a network of bonds alone beside one that reads geometries, calibrates and tests both together, and saves them as one model.

python tools/join_bonds.py MODEL_DIR BONDS_DIR --data molecules.parquet [--data …] --out JOINED_DIR

Molecules without a geometry are then answered by both (docs/conformers.md). BONDS_DIR must have been trained with
``--geometry none model.answer=distribution`` on no record that is on the validation or test side of MODEL_DIR's data.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from andersonn.cli.console import Bars
from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.training.beside_fitting import with_bonds
from andersonn.training.recalibrate import recalibrate
from beside import save_beside


def main() -> None:
    """Writes the model's files, and says how its test came out without and with the network beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder that train wrote")
    parser.add_argument("bonds", type=Path, help="folder that train --geometry none wrote")
    parser.add_argument("--data", action="append", required=True, type=Path, help="what MODEL was trained on; repeat")
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)  # before minutes of work
    try:
        old, bonds = ModelBundle.load(given.model), ModelBundle.load(given.bonds)
        records = read_records(given.data, (old.task.quantity,))
        joined, losses = with_bonds(old, bonds, records)
        print(
            "log loss by share: " + ", ".join(f"{share:.2f} {loss:.4f}" for share, loss in losses.items()), flush=True
        )
        new = recalibrate(joined, records, (), Bars())
    except UsageError as error:
        sys.exit(f"{error.message} ({error.hint})")
    save_beside(new, given.out, {"geometry alone": old, "with bonds": new})


if __name__ == "__main__":
    main()
