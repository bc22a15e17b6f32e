"""Joins models that differ in their seed alone to an ensemble, calibrated and tested anew.

python tools/join_models.py seed-0 seed-1 seed-2 --data crystals_mp2018.parquet --out joined [--half]

``--half`` rounds all weights to half precision first, so that the file of several members takes half the room. Calibration and test
are those of the rounded weights.
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
from andersonn.training.recalibrate import join


def main() -> None:
    """Writes the ensemble's model.safetensors, model.json and metrics.json; says how each did and all together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, help="folders that train wrote, the one whose seed is 0 first")
    parser.add_argument("--options", nargs="*", default=[], help="key=value, such as conformers=6")
    parser.add_argument("--data", action="append", required=True, type=Path, help="what they were trained on; repeat")
    parser.add_argument("--half", action="store_true", help="round the weights to 16 bits")
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)  # before minutes of work
    try:
        parts = [ModelBundle.load(folder) for folder in given.models]
        if given.half:
            for part in parts:
                part.network.half().float()
        joined = join(parts, read_records(given.data, (parts[0].task.quantity,)), given.options, Bars())
    except UsageError as error:
        sys.exit(f"{error.message} ({error.hint})")
    joined.save(given.out)
    write_json(given.out / "metrics.json", joined.provenance["metrics"])
    for name, bundle in {**dict(zip(map(str, given.models), parts, strict=True)), "joined": joined}.items():
        test = bundle.provenance["metrics"]["test"]
        told = (f"{key} {test[key]:.4f}" for key in ("accuracy", "balanced_accuracy", "mae", "ece"))
        print(f"{name}: {', '.join(told)}")


if __name__ == "__main__":
    main()
