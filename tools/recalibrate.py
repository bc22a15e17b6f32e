"""Calibrates and tests a trained model anew with options that do not enter training, and saves it in its place.

python tools/recalibrate.py MODEL_DIR --data molecules_qm9.parquet --data molecules_pereira2018.parquet conformers=6
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from andersonn.cli.console import Bars
from andersonn.data.merging import read_records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.io.files import write_json
from andersonn.training.recalibrate import recalibrate


def main() -> None:
    """Rewrites model.json, and metrics.json where there is one; says how the test came out before and after."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder that train wrote")
    parser.add_argument("options", nargs="*", help="key=value, such as conformers=6")
    parser.add_argument("--data", action="append", required=True, type=Path, help="what it was trained on; repeat")
    parser.add_argument("--device", default="auto")
    given = parser.parse_intermixed_args()
    try:
        old = ModelBundle.load(given.model, given.device)
        new = recalibrate(old, read_records(given.data, (old.task.quantity,)), given.options, Bars())
    except UsageError as error:
        sys.exit(f"{error.message} ({error.hint})")
    new.save(given.model)
    if (given.model / "metrics.json").exists():
        write_json(given.model / "metrics.json", new.provenance["metrics"])
    before, after = (bundle.provenance["metrics"]["test"] for bundle in (old, new))
    for name, part in {"all": after, **after.get("by_file", {})}.items():
        was = before if name == "all" else before["by_file"][name]
        told = (f"{key} {was[key]:.4f} → {part[key]:.4f}" for key in ("accuracy", "mae", "ece", "interval90_coverage"))
        print(f"{name}, n = {part['n']}: {', '.join(told)}")


if __name__ == "__main__":
    main()
