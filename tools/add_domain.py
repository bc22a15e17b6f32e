"""Gives a trained model of before there were domains what it takes to tell structures far from its training, without
training again: writes domain.safetensors, and what the card says of it, into the model's folder.

python tools/add_domain.py MODEL_DIR --data FILE.parquet … (the very files it was trained on, in the same order)
"""

import argparse
import sys
from pathlib import Path

from andersonn.data.merging import read_records
from andersonn.errors import AndersonnError, UsageError
from andersonn.scientists.evaluate import divided_as_in_training
from andersonn.training.artifact import Artifact
from andersonn.training.dataset import prepare
from andersonn.training.run import add_domain


def add(folder, files):
    """Adds the domain to the model in ``folder`` and returns what its card now says of it."""
    artifact = Artifact.load(folder)
    records = read_records(files, (artifact.task.quantity,))
    dataset = prepare(records, artifact.task, artifact.config)
    if not divided_as_in_training(artifact, dataset):
        raise UsageError(
            "other_records",
            f"{records.source} does not hold the records the model in {str(folder)!r} was trained on",
            f"give {artifact.provenance['data'].get('file')}, in that order",
        )
    found = add_domain(artifact, dataset)
    found.save_domain(folder)
    return found.provenance["domain"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="Parquet files of its records")
    given = parser.parse_args()
    try:
        print(add(given.model, given.data))
    except AndersonnError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
