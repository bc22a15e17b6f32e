"""Spoilt structures, by kind: whether a scientist is less sure of them, or gives a warning.

    python -m gate.spoilt [--data TASK=FILE]... [--most 200]     (from benchmarks/)

Of each file so many structures of the test side are spoilt in each way of their task. A table: how many were refused, how sure the answers
are on average, and the share with a warning. Warnings about a charge or a generated geometry do not count; those that sound structures get
do, and stand in the first row.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from andersonn import Scientist
from andersonn.data.records import Records
from andersonn.data.splits import SplitRule, split_of
from andersonn.errors import InputError
from andersonn.inference.prediction import Prediction
from andersonn.structures import elements
from andersonn.structures.pores.diagram import PowerDiagram
from andersonn.structures.pores.radii import probe_radii
from andersonn.structures.structure import Structure

SURE = 0.65
"""Mean probability of the class up to which answers are unsure."""
TOLD = 0.8
"""Share of answers with a warning from which on the kind is told."""
LARGEST = 400
"""Atoms of the structures that are spoilt, at most."""
WATER = np.array([[0.0, 0.0, 0.0], [0.757, 0.586, 0.0], [-0.757, 0.586, 0.0]])
Change = Callable[[Structure, np.random.Generator], Structure | None]


@dataclass(frozen=True)
class Row:
    """One kind of spoilt structures.

    Attributes:
        kind: in words.
        refused: structures that get no answer, most because atoms overlap.
        answered: the others.
        certain: mean probability of their class.
        warned: share of them with a warning.
    """

    kind: str
    refused: int
    answered: int
    certain: float
    warned: float

    @property
    def met(self) -> bool:
        """Whether answers are unsure, or a warning tells."""
        return self.certain <= SURE or self.warned >= TOLD


def spoilt_rows(scientist: Scientist, structures: list[Structure], seed: int = 0, sound: bool = False) -> Iterator[Row]:
    """A row for each kind of the scientist's task.

    Args:
        scientist: is asked.
        structures: sound ones.
        seed: of the changes.
        sound: whether the structures as they are make the first row.
    """
    random = np.random.default_rng(seed)
    kinds: dict[str, Change] = {"as they are": lambda structure, _: structure} if sound else {}
    for kind, change in (kinds | changes_of(scientist)).items():
        changed, refused = [], 0
        for structure in structures:
            try:
                made = change(structure, random)
            except InputError:  # atoms overlap: nobody gets an answer to that
                refused += 1
                continue
            changed += [] if made is None else [made]
        answers = [answer for answer in scientist.predict(changed) if isinstance(answer, Prediction)] if changed else []
        if answers:
            certain = float(np.mean([max(answer.probabilities.values()) for answer in answers]))
            warned = float(np.mean([any(map(_counts, answer.warnings)) for answer in answers]))
            yield Row(kind, refused + len(changed) - len(answers), len(answers), certain, warned)


def changes_of(scientist: Scientist) -> dict[str, Change]:
    """The ways to spoil a structure of a scientist's task."""
    ways: dict[str, Change] = {
        "elements exchanged": _exchanged,
        "elements at random": _at_random,
        "compressed by 8 %": _compressed,
        "an atom deleted": _lacking,
    }
    if scientist.task.name == "porosity":
        ways["water in the largest cavity"] = _with_guest
    if scientist.task.name == "polarity":
        known = scientist.bundle.provenance["elements"]
        ways["an element that was never seen"] = lambda structure, random: _with_unseen(structure, random, known)
    return ways


def _counts(warning: str) -> bool:
    return not warning.startswith("the charge is")


def _exchanged(s: Structure, random: np.random.Generator) -> Structure | None:
    Z = random.permutation(s.Z)
    return None if (Z == s.Z).all() else Structure(Z, s.xyz, s.cell, id=s.id)


def _at_random(s: Structure, random: np.random.Generator) -> Structure:
    """Each element becomes another one, up to bismuth."""
    kinds, own = np.unique(s.Z, return_inverse=True)
    return Structure(random.choice(np.arange(1, 84), len(kinds), replace=False)[own], s.xyz, s.cell, id=s.id)


def _compressed(s: Structure, random: np.random.Generator) -> Structure:
    return Structure(s.Z, s.xyz * 0.92, None if s.cell is None else s.cell * 0.92, id=s.id)


def _lacking(s: Structure, random: np.random.Generator) -> Structure | None:
    if len(s) < 3:
        return None
    kept = np.arange(len(s)) != random.integers(len(s))
    return Structure(s.Z[kept], s.xyz[kept], s.cell, id=s.id)


def _with_guest(s: Structure, random: np.random.Generator) -> Structure | None:
    """A molecule of water where the largest sphere fits; none where it does not."""
    assert s.cell is not None  # of crystals
    found = PowerDiagram.of(s.xyz, s.cell, probe_radii()[s.Z])
    widest = int(found.clearance.argmax())
    if found.clearance[widest] < 1.4:
        return None
    place = found.center[widest] - (found.corners[0, 0] - s.xyz[found.atoms[0, 0]])
    return Structure(np.append(s.Z, [8, 1, 1]), np.concatenate([s.xyz, WATER + place]), s.cell, id=s.id)


def _with_unseen(s: Structure, random: np.random.Generator, known: dict[str, int]) -> Structure | None:
    """A heavy atom becomes one of the same group that is in no training structure."""
    group, symbols = elements.column("group"), elements.symbols()
    for atom in random.permutation(np.flatnonzero(s.Z > 1)).tolist():
        others = [z for z in range(3, 84) if group[z] == group[s.Z[atom]] and not known.get(symbols[z])]
        if others:
            Z = s.Z.copy()
            Z[atom] = random.choice(others)
            return Structure(Z, s.xyz, s.cell, id=s.id)
    return None


def held_back(scientist: Scientist, file: Path, most: int, seed: int = 0) -> list[Structure]:
    """Structures of the test side of a file, drawn at random."""
    records, found = Records.read(file, (scientist.task.quantity,)), []
    for row in np.random.default_rng(seed).permutation(split_of(records, SplitRule())["test"]).tolist():
        try:
            structure = records[row]
        except InputError:
            continue
        if len(structure) <= LARGEST:
            found.append(structure)
        if len(found) == most:
            break
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[], metavar="TASK=FILE", required=True)
    parser.add_argument("--most", type=int, default=200)
    given = parser.parse_args()
    print(
        "| task | file | spoilt | refused | answered | mean certainty | a warning | |\n|---|---|---|---|---|---|---|---|"
    )
    for each in given.data:
        task, _, file = each.partition("=")
        scientist = Scientist.load(task)
        for row in spoilt_rows(scientist, held_back(scientist, Path(file), given.most), sound=True):
            verdict = "" if row.kind == "as they are" else "met" if row.met else "missed"
            numbers = f"{row.refused} | {row.answered} | {row.certain:.2f} | {100 * row.warned:.0f} %"
            print(f"| {task} | {Path(file).stem} | {row.kind} | {numbers} | {verdict} |", flush=True)


if __name__ == "__main__":
    main()
