"""Makes a model surer of molecules that it was trained on, where it is asked by SMILES, as far as their labels allow.

    python tools/common_chemicals.py drawn common_chemicals.parquet --out a.parquet
    python tools/common_chemicals.py drawn small_molecules.parquet --out b.parquet
    python tools/fit_seen.py MODEL_DIR --data a.parquet --data b.parquet

Prints coverage and width of intervals before and after, fitted to one half of the molecules and tested on the other.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.training.seen_fitting import fit_seen


def fit(how: Callable[..., Any], parser: argparse.ArgumentParser, of: str, after: str) -> None:
    """Reads a model and records, fits one tail, saves the model and says what the tail does.

    Args:
        how: makes a model and a report of a model, records and the options.
        parser: with the option ``--data``.
        of: which molecules, after their number.
        after: what the second line of numbers is of.
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", type=Path, help="folder of a model")
    given = parser.parse_args()
    try:
        old = ModelBundle.load(given.model)
        new, report = how(old, read_records(given.data, (old.task.quantity,)), given)
    except UsageError as error:
        sys.exit(f"{error.message} ({error.hint})")
    new.save(given.model)
    print(f"{report.n} molecules {of}")
    print(f"before: {report.covered_before:.3f} covered, {report.width_before:.2f} {old.task.unit} wide on average")
    print(f"{after}: {report.covered:.3f}, {report.width:.2f} {old.task.unit}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--data", action="append", required=True, type=Path, help="SMILES and labels it was trained on; repeat"
    )
    fit(
        lambda model, records, _: fit_seen(model, records),
        options,
        "of the training that may be polar; on one half",
        "fitted to the other half",
    )
