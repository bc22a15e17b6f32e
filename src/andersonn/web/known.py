"""Known substances: those of the data sets in this package, with the reference value of each, found by name or composition; and
those most similar to a structure, so that no prediction is read alone where a reference value is at hand.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from andersonn.errors import UsageError
from andersonn.scientists.registry import shipped
from andersonn.structures import elements
from andersonn.structures.descriptors import composition_features
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from rdkit.DataStructs import ExplicitBitVect

PACKAGE = Path(__file__).parents[1]
MOST_FOUND = 12
MOST_SIMILAR = 5
PART = re.compile(r"([A-Z][a-z]?)(\d*)")


@dataclass(frozen=True)
class KnownSet:
    """A file of records with reference values.

    Attributes:
        file: within the package, Parquet; columns as in data/README.md, one of them the quantity of a task.
        source: of the values, for people.
        names: file of further names, CSV with ``name``, ``smiles`` and ``formula``; without values.
    """

    file: str
    source: str
    names: str = ""


CRYSTALS = "DFT-PBE, Materials Project, release of 2018"
SETS = (
    KnownSet(
        "data/sets/common_chemicals.parquet",
        "B3LYP/6-31G(2df,p), common-chemicals",
        "data/sets/common_chemicals.csv",
    ),
    KnownSet("data/sets/biomolecules.parquet", "B3LYP/6-31G(2df,p), biomolecules", "data/sets/biomolecules.csv"),
    KnownSet("data/sets/small_molecules.parquet", "B3LYP/6-31G(2df,p), small-molecules"),
    KnownSet("demo/crystals.parquet", CRYSTALS),
)


@dataclass(frozen=True)
class Substance:
    """One known substance.

    Attributes:
        name: as people call it, or its number in the Materials Project, or the SMILES of what has no name.
        formula: as of :attr:`Structure.formula`.
        smiles: of a molecule; empty of a crystal.
        quantity: of which there is a reference value, its unit in the name; empty if there is none.
        value: of it.
        source: of the value.
        row: of a crystal, in its file.
    """

    name: str
    formula: str
    smiles: str = ""
    quantity: str = ""
    value: float | None = None
    source: str = ""
    row: int = -1

    def as_dict(self) -> dict[str, Any]:
        """As JSON, without what is empty."""
        own = {"name": self.name, "formula": self.formula, "smiles": self.smiles, "quantity": self.quantity}
        return {
            key: value
            for key, value in (own | {"value": self.value, "source": self.source}).items()
            if value not in ("", None)
        }


def find(query: str, most: int = MOST_FOUND) -> list[Substance]:
    """Known substances by a part of their name or by their composition, the best first.

    Args:
        query: such as ``"paracetamol"``, ``"SrTiO3"``, ``"C2H6O"`` or ``"mp-149"``.
        most: that are given.
    """
    wanted = query.strip().lower()
    if not wanted:
        return []
    composition = parsed(query.strip())
    found = []
    for substance in substances():
        name, nameless = (
            substance.name.lower(),
            substance.name == substance.smiles,
        )  # a part of SMILES is no part of a name
        rank = next((k for k, hit in enumerate((
            substance.name == query.strip() if nameless else name == wanted,
            composition is not None and parsed(substance.formula) == composition,
            not nameless and name.startswith(wanted), not nameless and wanted in name,
        )) if hit), None)  # fmt: skip
        if rank is not None:
            found.append((rank, substance.value is None, len(name), name, substance))
    return [substance for *_, substance in sorted(found, key=lambda row: row[:4])[:most]]


@cache
def parsed(formula: str) -> frozenset[tuple[str, float]] | None:
    """The fractions of the elements of a formula; None if it is none."""
    if PART.sub("", formula):
        return None
    counts: dict[str, int] = {}
    for symbol, count in PART.findall(formula):
        if symbol not in elements.atomic_number():
            return None
        counts[symbol] = counts.get(symbol, 0) + int(count or 1)
    total = sum(counts.values())
    return frozenset((symbol, round(count / total, 9)) for symbol, count in counts.items()) if total else None


def crystal(name: str) -> Structure:
    """A known crystal by its name.

    Raises:
        UsageError: there is none of that name.
    """
    substance = next((found for found in substances() if found.row >= 0 and found.name == name), None)
    if substance is None:
        raise UsageError("unknown_crystal", f"there is no known crystal {name!r}", "ask /api/known?q=SrTiO3 for names")
    (known,) = [known for known in SETS if known.source == substance.source]
    row = pq.read_table(PACKAGE / known.file).slice(substance.row, 1).to_pylist()[0]
    xyz, cell = np.reshape(row["positions"], (-1, 3)), np.reshape(row["cell"], (3, 3))
    return Structure(np.array(row["atomic_numbers"], dtype=np.uint8), xyz.astype(float), cell.astype(float), id=name)


def similar(structure: Structure, quantity: str, smiles: str | None, most: int = MOST_SIMILAR) -> list[dict[str, Any]]:
    """The known substances most like a structure, of which there are reference values of a quantity; the most similar first.

    Args:
        structure: a crystal, or a molecule.
        quantity: as tasks name it.
        smiles: of a molecule; without it nothing is similar.
        most: that are given.

    Returns:
        Each as :meth:`Substance.as_dict` with ``similarity`` (0 … 1; of molecules Tanimoto's of Morgan fingerprints, of crystals
        one that falls with the distance between compositions) and ``same`` (of molecules the same constitution, of crystals the
        same composition, perhaps in another structure).
    """
    found = [known for known in substances() if known.quantity == quantity and bool(known.smiles) != structure.periodic]
    if not found or (not structure.periodic and not smiles):
        return []
    scores, same = _of_crystals(structure, found) if structure.periodic else _of_molecules(smiles or "", found)
    rows = zip(same, scores, found, strict=True)
    best = sorted(rows, key=lambda row: (-row[0], -row[1], row[2].name))[:most]
    return [known.as_dict() | {"similarity": round(score, 3), "same": is_same} for is_same, score, known in best]


def _of_crystals(structure: Structure, found: list[Substance]) -> tuple[list[float], list[bool]]:
    """How similar each of some crystals is in composition, and whether it has the same."""
    apart = np.linalg.norm(_compositions() - composition_features(structure.Z), axis=1)
    own = parsed(structure.formula)
    return [1.0 / (1.0 + float(apart[known.row])) for known in found], [parsed(known.formula) == own for known in found]


def _of_molecules(smiles: str, found: list[Substance]) -> tuple[list[float], list[bool]]:
    """How similar each of some molecules is in its bonds, and whether it has the same."""
    from rdkit.DataStructs import BulkTanimotoSimilarity

    fingerprint, own = _fingerprint(smiles)
    if fingerprint is None:
        return [0.0] * len(found), [False] * len(found)
    others = [_fingerprint(known.smiles) for known in found]
    return BulkTanimotoSimilarity(fingerprint, [one for one, _ in others]), [name == own for _, name in others]


@cache
def substances() -> tuple[Substance, ...]:
    """All known substances; of those with several names or values the first."""
    seen: dict[tuple[str, str], Substance] = {}
    for substance in _all():
        seen.setdefault((substance.name, substance.formula), substance)
    return tuple(seen.values())


def _all() -> Iterator[Substance]:
    quantities = {spec.task.quantity for spec in shipped().values()}
    for known in SETS:
        there = pq.read_schema(PACKAGE / known.file).names
        quantity = next(name for name in there if name in quantities)
        wanted = [name for name in ("id", "smiles", "atomic_numbers", quantity) if name in there]
        for number, row in enumerate(pq.read_table(PACKAGE / known.file, columns=wanted).to_pylist()):
            smiles = row.get("smiles") or ""
            made = elements.hill_formula if smiles else elements.formula
            formula = made(np.array(row["atomic_numbers"]))
            value = row[quantity]
            yield Substance(row["id"], formula, smiles, quantity, value, known.source, -1 if smiles else number)
    for known in filter(lambda known: known.names, SETS):
        with (PACKAGE / known.names).open(encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                yield Substance(row["name"], row["formula"], row["smiles"])


@cache
def _compositions() -> np.ndarray:
    """Of all known crystals, ``[n, C]``."""
    known = next(known for known in SETS if known.source == CRYSTALS)
    column = pq.read_table(PACKAGE / known.file, columns=["atomic_numbers"])["atomic_numbers"].to_pylist()
    return np.stack([composition_features(np.array(Z)) for Z in column])


@cache
def _fingerprint(smiles: str) -> tuple[ExplicitBitVect | None, str]:
    """Morgan fingerprint and constitution of a molecule; None and nothing if it is no SMILES."""
    from rdkit import Chem, rdBase
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
        if mol is None:
            return None, ""
        return GetMorganGenerator(radius=2, fpSize=2048).GetFingerprint(mol), Chem.MolToSmiles(
            mol, isomericSmiles=False
        )
