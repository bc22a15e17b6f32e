"""The geometry of pores against published diameters: accuracy by source and convention, and the quantiles of what is left.

    nice python benchmarks/pores.py zeo++-high=mofs_core2019.parquet zeo++-default=mofs_qmof.parquet [--records 300] [--seed 0]

Each file is named with the convention of its labels, and measured by both. ``--records`` are drawn at random from the test
side and as many from the other sides of the usual split by group. Accuracies are counted on the test side, which nothing was
fitted to; quantiles of published minus computed are those of the other sides, as
``andersonn.inference.by_geometry.LEFT`` has them for the file's own convention. Structures with overlapping atoms are
refused, and counted. IUPAC's classes are those of the published diameters.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from andersonn import Records
from andersonn.data.splits import SplitRule
from andersonn.errors import InputError
from andersonn.inference.by_geometry import CLASSES, LEVELS, PoreQuestion
from andersonn.scientists.porosity import SCIENTIST
from andersonn.structures.pores.diagram import PowerDiagram
from andersonn.structures.pores.geometry import CONVENTIONS, widths
from andersonn.structures.pores.probe import compact
from andersonn.structures.pores.radii import probe_radii
from andersonn.structures.structure import Structure

DIAMETERS = ("pld_A", "lcd_A")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="CONVENTION=FILE")
    parser.add_argument("--records", type=int, default=300, help="of the test side, and as many of the others")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for word in arguments.files:
        own, _, name = word.partition("=")
        found[name] = measured(Path(name), own, arguments.records, arguments.seed)
        show(Path(name).stem, own, found[name])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


def measured(file: Path, own: str, count: int, seed: int) -> dict[str, object]:
    """Labels and computed diameters of a sample of both sides, by convention ``[n, 2]``, and how many were refused."""
    records = Records.read(file, DIAMETERS)
    labels = np.stack([records.label(name) for name in DIAMETERS], axis=1)
    test = SplitRule().sides(records.groups) == "test"
    known = np.isfinite(labels).all(axis=1)
    rng = np.random.default_rng(seed)
    result: dict[str, object] = {"own": own}
    for side, rows in (("test", np.flatnonzero(test & known)), ("others", np.flatnonzero(~test & known))):
        drawn = np.sort(rng.permutation(rows)[:count])
        kept, diameters, refused = [], {name: [] for name in CONVENTIONS}, 0
        for row in drawn:
            try:
                each = both(records[int(row)])
            except InputError:
                refused += 1
                continue
            kept.append(labels[row].tolist())
            for name, found in each.items():
                diameters[name].append(found)
        result[side] = {"drawn": len(drawn), "refused": refused, "labels": kept, "computed": diameters}
    return result


def both(structure: Structure) -> dict[str, list[float]]:
    """PLD and LCD in Å by convention."""
    radius, cell = probe_radii()[structure.Z], compact(structure.cell)
    plain = PowerDiagram.of(structure.xyz, cell, radius)
    return {name: [2.0 * r for r in widths(plain, structure.xyz, cell, radius, name)] for name in CONVENTIONS}


def show(name: str, own: str, found: dict[str, object]) -> None:
    """Prints accuracies and quantiles."""
    test, others = found["test"], found["others"]
    print(f"{name}: {test['drawn']} of the test side drawn, {test['refused']} refused; labels by {own}")
    labels = np.array(test["labels"])
    for convention in CONVENTIONS:
        mine = np.array(test["computed"][convention])
        asked = [PoreQuestion.of(SCIENTIST, classes, convention=convention) for classes in CLASSES]
        of_width, of_pld = (
            np.mean([q.distribution(*row)[0].argmax() for row in mine] == q.task.class_of(q.published(labels)))
            for q in asked
        )
        errors = np.abs(mine - labels).mean(axis=0)
        told = f"accuracy by PLD {of_pld:.4f}, by IUPAC's widths {of_width:.4f}"
        print(f"  {convention}: {told}; mean error PLD {errors[0]:.4f} Å, LCD {errors[1]:.4f} Å")
    left = np.array(others["labels"]) - np.array(others["computed"][own])
    print(f"  quantiles of what is left, n = {len(left)} of the other sides:")
    for name, values in zip(DIAMETERS, left.T, strict=True):
        print(f"    {name}: " + ", ".join(f"{q:.4f}" for q in np.quantile(values, LEVELS)))


if __name__ == "__main__":
    main()
