"""The release gate: known answers, agreement of each answer with itself, doubt, slices.

    python -m gate [--models TASK=FOLDER]... [--data TASK=FILE]... [--most 3000]     (from benchmarks/)

Without ``--data`` the known answers alone are asked. Exit status 1 if an aim is missed without which weights are not shipped; other
missed aims are told.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from andersonn import Scientist
from andersonn.data.records import Records
from gate.checks import HEAD, Check
from gate.held_back import Asked, accuracy, coherence, corrupted, coverage, told_of
from gate.known import half_heuslers, known_molecules, textbook_crystals

KNOWN = {"conduction": textbook_crystals, "polarity": known_molecules}
LEAST = {"conduction": 0.88, "polarity": 0.98, "porosity": 0.99}
"""Aims of the accuracy on test sides."""


def main() -> int:
    """Prints a table a model; 1 if one must not be shipped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", action="append", default=[], metavar="TASK=FOLDER")
    parser.add_argument("--data", action="append", default=[], metavar="TASK=FILE")
    parser.add_argument("--tasks", nargs="+", default=["conduction", "polarity"])
    parser.add_argument("--most", type=int, default=3000)
    given = parser.parse_args()
    folders = dict(each.split("=", 1) for each in given.models)
    failed = False
    for task in given.tasks:
        scientist = Scientist.load(Path(folders[task])) if task in folders else Scientist.load(task)
        print(f"\n## {task}: {scientist.name}\n\n{HEAD}", flush=True)
        files = [Path(each.split("=", 1)[1]) for each in given.data if each.startswith(f"{task}=")]
        for check in checks(task, scientist, files, given.most):
            print(check.line(), flush=True)
            failed |= check.needed and not check.met
    return int(failed)


def checks(task: str, scientist: Scientist, files: list[Path], most: int) -> Iterator[Check]:
    """All checks of a scientist."""
    yield from KNOWN[task](scientist) if task in KNOWN else []
    for file in files:
        if task == "conduction" and "2018" in file.name:
            yield from half_heuslers(scientist, file)
        records = Records.read(file, (scientist.task.quantity,))
        asked = Asked(scientist, records, most, told=told_of(file))
        parts = [*accuracy(asked, LEAST[task]), *coherence(asked), *coverage(asked), *corrupted(asked)]
        yield from (replace(each, name=f"{file.stem}: {each.name}") for each in parts)


if __name__ == "__main__":
    sys.exit(main())
