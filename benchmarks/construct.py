"""``andersonn construct`` beside what people use for small sets of molecules: accuracy, coverage and processor time.

    python benchmarks/construct.py --data FOLDER [--sets esol freesolv lipophilicity] [--kinds random scaffold]
        [--sizes 0 300 100] [--seeds 0 1 2 3 4] [--methods "ours, last layer" …] [--core 0] [--envs runs/peers/envs]
        [--out runs/construct]
    python benchmarks/construct.py --show [--figure FILE.png] [--out runs/construct]

FOLDER holds esol.csv, freesolv.csv and lipophilicity.csv of MoleculeNet: SMILES and the value, with a header. Each split is 80/10/10;
a size is the number of molecules for training and validation together, drawn from the training side of the same split, a tenth of
them for validation; 0 is the whole split. All methods get the same file with the column ``split``, one thread and one core. Seconds
are of the processor, of a process that starts with the file and ends with answers to the test side; ours starts without
images kept from before, but with the code that was compiled at the first use on the machine. chemprop is its authors' code from PyPI
in an environment of its own, trained by its command line with its own
defaults (D-MPNN, 50 epochs, the epoch that is best on validation). The forest learns from training and validation together.

Runs end up in OUT.jsonl, one line each; those that are there are not repeated. --show prints the tables as Markdown.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

from construct.running import METHODS, run_one
from construct.splits import KINDS, Molecules, Split
from construct.tables import figure, report

SETS = ("esol", "freesolv", "lipophilicity")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the CSV files")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[0, 300, 100], help="0: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4], help="of the splits")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--core", type=int, help="of the processor; default: any one that is free")
    parser.add_argument("--envs", type=Path, default=Path("runs/peers/envs"), help="environments of peers")
    parser.add_argument("--out", type=Path, default=Path("runs/construct"))
    parser.add_argument("--show", action="store_true", help="only print the tables of what has run")
    parser.add_argument("--figure", type=Path, help="PNG to write beside the tables")
    arguments = parser.parse_args()
    if not arguments.show:
        if arguments.data is None:
            parser.error("--data is needed, to run")
        run_all(arguments)
    runs = read_runs(arguments.out.with_suffix(".jsonl"))
    if not runs:
        parser.error(f"{arguments.out.with_suffix('.jsonl')} holds no runs")
    print(report(runs, list(METHODS)))
    if arguments.figure is not None:
        arguments.figure.write_bytes(figure(runs, list(METHODS)))


def read_runs(path: Path) -> list[dict[str, Any]]:
    """The runs that a file of JSON lines holds; none if there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run_all(arguments: argparse.Namespace) -> None:
    """All runs that are not there yet, one at a time."""
    out = arguments.out.with_suffix(".jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    molecules = {name: Molecules.read(arguments.data / f"{name}.csv") for name in arguments.sets}
    for name, size, seed, kind in product(arguments.sets, arguments.sizes, arguments.seeds, arguments.kinds):
        for method in arguments.methods:
            key = {"set": name, "kind": kind, "size": size, "seed": seed, "method": method}
            if any(key.items() <= run.items() for run in read_runs(out)):
                continue
            found = key | run_one(method, molecules[name], Split(kind, size, seed), arguments.core, arguments.envs)
            with out.open("a") as file:
                file.write(json.dumps(found) + "\n")
            told = {part: found[part] for part in ("rmse", "coverage", "cpu_seconds", "wall_seconds")}
            print(*key.values(), told, flush=True)


if __name__ == "__main__":
    main()
