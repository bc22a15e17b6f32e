"""Random and scaffold-balanced splits, 80/10/10, of public tables of molecules."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

KINDS = ("random", "scaffold")
SHARE = 0.1
"""Of the rows in the test, and as many in validation; of a small training set in validation too."""


@dataclass(frozen=True)
class Molecules:
    """A set of molecules, each of which is there once, stereochemistry aside: the first row of each.

    Attributes:
        smiles: as written.
        values: of the property.
        scaffolds: Murcko scaffolds; those without rings share one, as in the splits of MoleculeNet and chemprop.
        rows: of the file, before repeated molecules were left out.
    """

    smiles: list[str]
    values: list[float]
    scaffolds: list[str]
    rows: int

    @classmethod
    def read(cls, path: Path) -> Molecules:
        """Reads a file of SMILES and values, with a header."""
        with path.open(newline="") as file:
            rows = [(row[0].strip(), float(row[1])) for row in list(csv.reader(file))[1:]]
        found: dict[str, tuple[str, float, str]] = {}
        for smiles, value in rows:
            mol = Chem.MolFromSmiles(smiles)
            Chem.RemoveStereochemistry(mol)
            scaffold = MurckoScaffold.MurckoScaffoldSmiles(mol=mol)
            found.setdefault(Chem.MolToSmiles(mol), (smiles, value, scaffold))
        smiles_of, values, scaffolds = (list(column) for column in zip(*found.values(), strict=True))
        return cls(smiles_of, values, scaffolds, len(rows))


@dataclass(frozen=True)
class Split:
    """Which split: ``size`` molecules for training and validation, drawn from those of the whole split; 0: all of them."""

    kind: str
    size: int
    seed: int

    def of(self, molecules: Molecules) -> dict[str, np.ndarray]:
        """``train``, ``val`` and ``test`` → rows. The test side does not depend on the size."""
        sides = {"random": _random, "scaffold": _scaffold}[self.kind](molecules, self.seed)
        if not self.size:
            return sides
        drawn = np.random.default_rng([self.seed, self.size]).permutation(sides["train"])[: self.size]
        held = round(SHARE * self.size)
        return {"train": drawn[held:], "val": drawn[:held], "test": sides["test"]}

    def write(self, molecules: Molecules, path: Path) -> dict[str, int]:
        """Writes smiles, value and split of the rows that take part; the number of each side."""
        sides = self.of(molecules)
        side_of = {int(k): side for side, rows in sides.items() for k in rows}
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["smiles", "value", "split"])
            writer.writerows([molecules.smiles[k], molecules.values[k], side_of[k]] for k in sorted(side_of))
        return {side: len(rows) for side, rows in sides.items()}


def _random(molecules: Molecules, seed: int) -> dict[str, np.ndarray]:
    order = np.random.default_rng(seed).permutation(len(molecules.smiles))
    n = round(SHARE * len(order))
    return {"train": order[2 * n :], "val": order[n : 2 * n], "test": order[:n]}


def _scaffold(molecules: Molecules, seed: int) -> dict[str, np.ndarray]:
    """Scaffolds in random order, those with more molecules than half a test side first, each to the first side with room."""
    groups: dict[str, list[int]] = defaultdict(list)
    for k, scaffold in enumerate(molecules.scaffolds):
        groups[scaffold].append(k)
    shuffled = list(groups.values())
    order = [shuffled[k] for k in np.random.default_rng(seed).permutation(len(shuffled))]
    count = len(molecules.smiles)
    held = SHARE * count
    large, small = ([group for group in order if (len(group) > held / 2) == big] for big in (True, False))
    room = {"train": (1 - 2 * SHARE) * count, "val": held, "test": held}
    sides: dict[str, list[int]] = {side: [] for side in room}
    for group in large + small:
        side = next((side for side in ("train", "val") if len(sides[side]) + len(group) <= room[side]), "test")
        sides[side] += group
    return {side: np.array(rows) for side, rows in sides.items()}
