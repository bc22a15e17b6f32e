"""Learns which bond lengths and angles the force fields get wrong, and what they usually are: ``local_shapes.csv``.

    python tools/fit_local_shapes.py FILE.parquet[=COUNT]...

Each file has computed geometries and SMILES. Of each, all molecules of the training and validation sides are taken, or COUNT drawn at
random. Each is made anew from its SMILES, without the table. A kind of bond or angle enters where the force field is off by more
than a limit on average and the median of the computed ones is off by less than half as much; kinds that do not name what else
their atoms are bonded to, and those of larger molecules, from some molecules on.
``--check`` prints the errors on the test sides, without and with the table.

``--rings`` learns ``ring_lengths.csv`` instead, from the training sides alone: kinds of bonds in rings that MMFF94 misses by
more than a smaller limit on average, and of which the median is nearer.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolTransforms

from andersonn.data.records import Records
from andersonn.data.splits import SplitRule, split_of
from andersonn.errors import InputError
from andersonn.structures.readers.molecules import embedding, local_shapes, ring_lengths

OFF = {2: 0.065, 3: 8.0}
"""Å and degrees: a force field that is off by more on average is put right."""
HALF = 0.5
"""Of its mean error: that of the usual value must be less."""
ENOUGH, SMALL = 3, 10
"""Molecules from which on any kind counts; one that names its surroundings also from one, if that has so few atoms."""
RING_OFF, RING_ENOUGH = 0.005, 10
"""Å and molecules: the limits for bonds in rings."""
CLOSE = 1.25
"""Atoms nearer than this times the sum of their covalent radii are bonded; those in rings are learned where the list of bonds says so too."""
Row = tuple[str, str, str, str, int]
"""Of the table: force field, kind, usual value, mean error of the force field, molecules."""
BONDED = 1.3
"""Atoms of a bond are nearer than this times the sum of their covalent radii, or the order of atoms is another."""


@dataclass(frozen=True)
class Example:
    """A bond or an angle: what kind, by which force field, how long or wide it was made, and how it was computed."""

    side: str
    force_field: str
    near: str
    wide: str
    atoms: int
    made: float
    true: float
    size: int
    record: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE[=COUNT]")
    parser.add_argument("--check", action="store_true", help="fit nothing, but print the errors on the test sides")
    parser.add_argument("--rings", action="store_true", help="learn the lengths of bonds in rings")
    given = parser.parse_args()
    files = [(Path(name), int(count) if count else None) for name, _, count in (f.partition("=") for f in given.files)]
    if given.rings:
        return _write_lengths(ring_rows(list(of_lengths(files))))
    if not given.check:
        _write(table_of(list(examples(files, False))))
    for name, with_table in (("without", False), ("with", True)) if given.check else ():
        found = list(examples(files, with_table, ("test",)))
        known = {kind for _, kind in local_shapes.usual()}
        for atoms, unit in ((2, "Å"), (3, "°")):
            part = [each for each in found if each.atoms == atoms]
            own = [abs(each.made - each.true) for each in part if known & {each.near, each.wide}]
            every = [abs(each.made - each.true) for each in part]
            told = f"kinds of the table {np.mean(own):.3f} {unit} (n = {len(own)}), all {np.mean(every):.3f} {unit} (n = {len(every)})"
            print(f"test side, {name} the table: {told}")


def table_of(found: list[Example]) -> list[Row]:
    """Rows of the table, sorted."""
    true, made = defaultdict(list), defaultdict(list)
    for each in found:
        for kind in {each.near, each.wide}:
            true[kind].append((each.true, each.record))
            made[each.force_field, kind].append(each)
    rows = []
    for (force_field, kind), those in sorted(made.items()):
        records = len({record for _, record in true[kind]})
        own = kind == those[0].near and min(each.size for each in those) <= SMALL
        if not force_field or (records < ENOUGH and not own):
            continue
        usual = float(np.median([value for value, _ in true[kind]]))
        off = np.mean([abs(each.made - each.true) for each in those])
        left = np.mean([abs(usual - each.true) for each in those])
        if off > OFF[those[0].atoms] and left < HALF * off:
            rows.append((force_field, kind, f"{usual:.4g}", f"{off:.2g}", records))
    return rows


def _write(rows: list[Row]) -> None:
    path = Path(local_shapes.__file__).with_name(local_shapes.TABLE)
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("force_field", "kind", "usual", "off", "records"))
        writer.writerows(rows)


def examples(
    files: list[tuple[Path, int | None]], with_table: bool, sides: tuple[str, ...] = ("train", "validation")
) -> Iterator[Example]:
    """Bonds and angles of molecules, made from SMILES and computed."""
    for side, number, twin, true in molecules(files, sides):
        how = embedding.relaxed(twin) if with_table else embedding.by_force_field(twin)
        force_field = next((name for name in ("UFF", "MMFF94") if name in how.split(", since")[0]), "")
        made, size = twin.GetConformer(0), twin.GetNumAtoms()
        for near, wide, atoms in local_shapes.kinds_of(twin):
            measure = rdMolTransforms.GetBondLength if len(atoms) == 2 else rdMolTransforms.GetAngleDeg
            of_both = measure(made, *atoms), measure(true, *atoms)
            yield Example(side, force_field, near, wide, len(atoms), *of_both, size, number)


def molecules(
    files: list[tuple[Path, int | None]], sides: tuple[str, ...]
) -> Iterator[tuple[str, int, Chem.Mol, Chem.Conformer]]:
    """Side, number, the molecule with an embedded conformer, and its computed one."""
    number = 0
    for file, count in files:
        records = Records.read(file, ("dipole_D",))
        for side in sides:
            rows = np.random.default_rng(0).permutation(split_of(records, SplitRule())[side])[:count].tolist()
            for row in rows:
                number += 1
                with suppress(InputError):
                    structure = records[row]
                    both = _embedded(records.table["smiles"][row].as_py(), structure.Z, structure.xyz)
                    if both is not None:
                        yield side, number, *both


def _embedded(smiles: str, Z: np.ndarray, xyz: np.ndarray) -> tuple[Chem.Mol, Chem.Conformer] | None:
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        return None
    twin, place = embedding.canonical(Chem.AddHs(mol))
    order = np.argsort(place)
    if len(Z) != len(order) or [atom.GetAtomicNum() for atom in twin.GetAtoms()] != Z[order].tolist():
        return None
    true = Chem.Conformer(len(Z))
    true.SetPositions(xyz[order])
    return (twin, true) if _bonded(twin, xyz[order]) and embedding.placed(twin, 1) else None


def of_lengths(files: list[tuple[Path, int | None]]) -> Iterator[tuple[str, int, float, float]]:
    """Kind, number of the molecule, and the lengths that MMFF94 gives and that were computed, Å, of bonds of the training sides."""
    for _, number, twin, true in molecules(files, ("train",)):
        if embedding.by_force_field(twin) != embedding.FORCE_FIELD or not _as_listed(twin, true.GetPositions()):
            continue
        made = twin.GetConformer(0)
        for kind, atoms in ring_lengths.kinds_of(twin):
            length = rdMolTransforms.GetBondLength
            yield kind, number, length(made, *atoms), length(true, *atoms)


def ring_rows(found: list[tuple[str, int, float, float]]) -> list[tuple[str, str, str, int]]:
    """Kind, usual length, mean error of MMFF94 and molecules, sorted."""
    those = defaultdict(list)
    for kind, *each in found:
        those[kind].append(each)
    rows = []
    for kind, examples_of_it in sorted(those.items()):
        number, made, true = np.array(examples_of_it).T
        usual, off, records = np.median(true), np.abs(made - true).mean(), len(set(number))
        if records >= RING_ENOUGH and off > RING_OFF and np.abs(usual - true).mean() < off:
            rows.append((kind, f"{usual:.4g}", f"{off:.2g}", records))
    return rows


def _write_lengths(rows: list[tuple[str, str, str, int]]) -> None:
    path = Path(ring_lengths.__file__).with_name(ring_lengths.TABLE)
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("kind", "usual", "off", "records"))
        writer.writerows(rows)


def _as_listed(mol: Chem.Mol, xyz: np.ndarray) -> bool:
    """Whether the atoms that are near are those that are bonded."""
    table = Chem.GetPeriodicTable()
    radius = np.array([table.GetRcovalent(atom.GetAtomicNum()) for atom in mol.GetAtoms()])
    apart = np.linalg.norm(xyz[:, None] - xyz[None], axis=2)
    near = np.triu(apart < CLOSE * (radius[:, None] + radius[None]), 1)
    return bool((near == np.triu(Chem.GetAdjacencyMatrix(mol) > 0, 1)).all())


def _bonded(mol: Chem.Mol, xyz: np.ndarray) -> bool:
    table = Chem.GetPeriodicTable()
    for bond in mol.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        radii = sum(table.GetRcovalent(mol.GetAtomWithIdx(k).GetAtomicNum()) for k in (i, j))
        if np.linalg.norm(xyz[i] - xyz[j]) > BONDED * radii:
            return False
    return True


if __name__ == "__main__":
    main()
