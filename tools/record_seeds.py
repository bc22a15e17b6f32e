"""Writes into a model's card how trainings from other seeds came out, so that it can give means and deviations.

python tools/record_seeds.py MODEL_DIR OTHER_DIR … (folders that train wrote, alike but for their seed)
"""

import sys
from dataclasses import replace
from pathlib import Path

from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.training.recalibrate import each_seed


def main():
    folders = [Path(word) for word in sys.argv[1:]]
    if len(folders) < 2:
        sys.exit(__doc__)
    try:
        bundles = [ModelBundle.load(folder) for folder in folders]
        found = each_seed(bundles)
    except UsageError as error:
        sys.exit(f"{error.message} ({error.hint})")
    model = bundles[0]
    replace(model, provenance=model.provenance | {"each_seed": found}).save(folders[0])
    for run in found:
        print(run["seed"], {name: round(run["test"][name], 4) for name in ("accuracy", "balanced_accuracy", "mae")})


if __name__ == "__main__":
    main()
