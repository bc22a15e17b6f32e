"""How well ``--clean`` resolves disorder: frameworks that are refused for overlaps, and sound ones that were made disordered.

    nice python benchmarks/cleaning.py mofs_core2019.parquet [--records 400] [--made 60] [--seed 0] [--most 400] [--siblings]

Of records drawn at random, those refused without cleaning are counted, and with it. Pores of the cleaned ones are measured beside
the published ones, which had all alternatives as walls at once, so that the cleaned ones may be wider. A sibling (``--siblings``) is
another record of the same CSD family, not flagged as disordered, with the same volume: its diameters are those that cleaning should
give, where guests and bound solvent are the same, too. All families are searched.

Made disorder has a known answer. Of sound records some get every benzene ring of a linker a second time, turned about its axis;
every methyl group its hydrogens once more; or a water molecule or a chloride ion in the widest pore twice. Counted are those of
which cleaning leaves exactly the atoms that were there before. Sound records that are cleaned must lose none.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from andersonn import Records
from andersonn.errors import InputError
from andersonn.structures.alternatives import resolving
from andersonn.structures.distance_bonds import Bonds
from andersonn.structures.frameworks import read_frameworks
from andersonn.structures.guests import hold_alternatives
from andersonn.structures.pores.geometry import PoreOptions, diameters
from andersonn.structures.structure import Structure

DIAMETERS = ("pld_A", "lcd_A")
AGREES = 0.2
"""Å up to which diameters agree."""
SAME_VOLUME, MULTIPLES = 0.02, (1.0, 2.0, 4.0, 0.5, 0.25)
"""Share by which volumes of siblings differ at most, and cells of one that the other may have."""
FAMILY = re.compile(r"[A-Z]{6}")
TURN = np.radians(70.0)
"""By which rings are turned."""
ROOM = 2.4
"""Å from the place of a guest to the nearest atom, at least."""
TRIED = 400
Made = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Atomic numbers, positions in Å, and which atoms were there before."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="records with pld_A, lcd_A and, to find siblings, disordered")
    parser.add_argument("--records", type=int, default=400, help="drawn at random")
    parser.add_argument("--made", type=int, default=60, help="sound ones that are made disordered, of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=400, help="atoms of cleaned structures whose pores are measured")
    parser.add_argument("--siblings", action="store_true", help="compare with ordered records of the same family")
    arguments = parser.parse_args()
    records = Records.read(arguments.file, DIAMETERS)
    order = np.random.default_rng(arguments.seed).permutation(len(records)).tolist()
    sound = as_published(records, order[: arguments.records], arguments.most)
    made_disordered(records, sound, arguments.made)
    if arguments.siblings:
        beside_siblings(records, arguments.file, arguments.most)


def as_published(records: Records, rows: list[int], most: int) -> list[int]:
    """Prints what becomes of records with and without cleaning; returns the rows of sound ones."""
    refused, sound, crowded = [], [], []
    for row in rows:
        try:
            found = records[row]
        except InputError:
            refused.append(row)
            continue
        (crowded if hold_alternatives(found) else sound).append(row)
    print(f"{len(rows)} drawn: {len(refused)} refused, {len(crowded)} crowded, {len(sound)} sound")
    cleaned, why = {}, Counter()
    for row in refused + crowded:
        try:
            (found,) = read_frameworks(lambda row=row: [records[row]], strip_guests=False, clean=True)
            cleaned[row] = found
        except InputError as error:
            why[f"{'refused' if row in set(refused) else 'crowded'}: {error.message.split('(')[0][:90]}"] += 1
    left = sum(map(hold_alternatives, cleaned.values()))
    print(f"with cleaning {sum(why.values())} refused, {left} left with crowded atoms or atoms nearer than any bond")
    for text, count in why.most_common():
        print(f"  {count} × {text}")
    labels = np.stack([records.label(name) for name in DIAMETERS], axis=1)
    small = [row for row in refused if row in cleaned and len(cleaned[row]) <= most]
    pairs = [(np.array(diameters(cleaned[row], PoreOptions("zeo++-high"))), labels[row]) for row in small]
    compared("published, all alternatives at once", pairs)
    return sound


def compared(name: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Prints how many computed diameters agree with others, and are wider or narrower."""
    apart = np.array([one - other for one, other in pairs]).reshape(-1, 2)
    for column, diameter in enumerate(DIAMETERS):
        own = apart[:, column]
        near, wide = (np.abs(own) <= AGREES).sum(), (own > AGREES).sum()
        print(
            f"  {diameter} against {name}: {near} of {len(own)} agree, {wide} wider, {len(own) - near - wide} narrower"
        )


def beside_siblings(records: Records, file: Path, most: int) -> None:
    """Prints how far refused records, as published and cleaned, agree with the published diameters of ordered siblings."""
    flagged = pq.read_table(file, columns=["disordered"])["disordered"].to_pylist()
    volumes = [abs(np.linalg.det(np.reshape(cell, (3, 3)))) for cell in records.table["cell"].to_pylist()]
    labels = np.stack([records.label(name) for name in DIAMETERS], axis=1)
    families = defaultdict(list)
    for row, name in enumerate(records.groups):
        if FAMILY.fullmatch(str(name)):
            families[name].append(row)
    pairs = []
    for rows in families.values():
        for row in [row for row in rows if flagged[row] and is_refused(records, row)]:
            near = [k for k in rows if not flagged[k] and is_same(volumes[row] / volumes[k])]
            sibling = next((k for k in near if not is_refused(records, k) and not hold_alternatives(records[k])), None)
            if sibling is not None:
                pairs.append((row, sibling))
    found = {}
    for row, _ in pairs:
        try:
            (structure,) = read_frameworks(lambda row=row: [records[row]], strip_guests=False, clean=True)
            if len(structure) <= most:
                found[row] = np.array(diameters(structure, PoreOptions("zeo++-high")))
        except InputError:
            continue
    print(f"{len(pairs)} refused records have an ordered sibling, {len(found)} of them are cleaned and no larger")
    pairs = [pair for pair in pairs if pair[0] in found]
    compared("the sibling, as published with all alternatives", [(labels[row], labels[k]) for row, k in pairs])
    compared("the sibling, cleaned", [(found[row], labels[k]) for row, k in pairs])


def is_refused(records: Records, row: int) -> bool:
    try:
        return records[row] is None
    except InputError:
        return True


def is_same(ratio: float) -> bool:
    return any(abs(ratio / multiple - 1.0) < SAME_VOLUME for multiple in MULTIPLES)


def made_disordered(records: Records, rows: list[int], count: int) -> None:
    """Prints of how many sound records, cleaned after they were made disordered, exactly the atoms of before are left."""
    kinds: dict[str, Callable[[Structure], Made | None]] = {
        "nothing done": untouched,
        "benzene rings in two places": with_turned_rings,
        "hydrogens of methyl groups doubled": with_doubled_methyls,
        "water overlapping itself": partial(with_guest, [8, 1, 1], [[0, 0, 0], [0.76, 0, 0.59], [-0.76, 0, 0.59]]),
        "chloride in two places": partial(with_guest, [17], [[0.0, 0.0, 0.0]]),
    }
    for name, make in kinds.items():
        done, same, refused = 0, 0, 0
        for row in rows:
            structure = records[row]
            made = make(structure)
            if made is None:
                continue
            done += 1
            try:
                with resolving():
                    found = Structure(made[0], made[1], structure.cell)
                wanted = made[2]
                same += len(found) == wanted.sum() and np.allclose(found.xyz, made[1][wanted])
            except InputError:
                refused += 1
            if done == count and make is not untouched:
                break
        print(f"{name}: {same} of {done} as before, {refused} refused")


def untouched(structure: Structure) -> Made:
    return structure.Z, structure.xyz, np.ones(len(structure), dtype=bool)


def with_turned_rings(structure: Structure) -> Made | None:
    """With every benzene ring between two groups a second time, turned about the axis between these."""
    bonds = Bonds.of(structure)
    Z, more, new = structure.Z, [], []
    near = [[(int(bonds.j[k]), bonds.vector[k]) for k in range(*slice_of(bonds, atom))] for atom in range(len(Z))]
    for start in np.flatnonzero(Z == 6).tolist():
        ring = ring_from(start, near, Z)
        if ring is None:
            continue
        places = structure.xyz[start] + ring[1]
        axis = places[3] - places[0]
        for k in (1, 2, 4, 5):
            hydrogens = [v for j, v in near[ring[0][k]] if Z[j] == 1]
            if len(hydrogens) != 1:
                break
            more += [turned(places[k], places[0], axis), turned(places[k] + hydrogens[0], places[0], axis)]
            new += [6, 1]
    return added(structure, new, more) if len(new) and len(new) % 8 == 0 else None


def ring_from(start: int, near: list, Z: np.ndarray) -> tuple[list[int], np.ndarray] | None:
    """The six carbon atoms of a ring from one that bears no hydrogen to the opposite one, if that bears none, too, and is listed
    later; with their places from the first on.
    """

    def bare(atom: int) -> bool:
        return len(near[atom]) == 3 and all(Z[j] != 1 for j, _ in near[atom])

    if not bare(start):
        return None
    arms = [(j, v) for j, v in near[start] if Z[j] == 6 and any(Z[k] == 1 for k, _ in near[j])]
    if len(arms) != 2:
        return None
    ways = []
    for first, v in arms:
        steps = [(second, v + w) for second, w in near[first] if Z[second] == 6 and second != start]
        if len(steps) != 1:
            return None
        ways.append(((first, v), steps[0]))
    ends = [{(k, *np.round(v + w, 1)): v + w for k, w in near[second]} for (_, (second, v)) in ways]
    shared = [(key[0], ends[0][key]) for key in ends[0] if key in ends[1] and Z[key[0]] == 6 and bare(key[0])]
    if len(shared) != 1 or shared[0][0] <= start:
        return None
    (a, b), (d, c) = ways
    path = [(start, np.zeros(3)), a, b, shared[0], c, d]
    return [atom for atom, _ in path], np.array([v for _, v in path])


def with_doubled_methyls(structure: Structure) -> Made | None:
    """With the hydrogens of every methyl group once more, turned by 60°."""
    bonds, new, more = Bonds.of(structure), [], []
    for atom in np.flatnonzero((structure.Z == 6) & (bonds.count == 4)).tolist():
        own = range(*slice_of(bonds, atom))
        hydrogens = [bonds.vector[k] for k in own if structure.Z[bonds.j[k]] == 1]
        if len(hydrogens) == 3:
            axis = next(bonds.vector[k] for k in own if structure.Z[bonds.j[k]] != 1)
            more += [turned(structure.xyz[atom] + v, structure.xyz[atom], axis, np.pi / 3) for v in hydrogens]
            new += [1, 1, 1]
    return added(structure, new, more) if new else None


def with_guest(Z: list[int], shape: list[list[float]], structure: Structure) -> Made | None:
    """With a guest in the widest of some places drawn at random, and once more 0.7 Å beside and turned."""
    rng = np.random.default_rng(len(structure))
    tried = rng.random((TRIED, 3)) @ structure.cell
    shifts = np.array(list(np.ndindex(3, 3, 3))) - 1
    images = (structure.xyz[:, None] + shifts @ structure.cell).reshape(-1, 3)
    room = np.array([np.linalg.norm(images - place, axis=1).min() for place in tried])
    if room.max() < ROOM + 0.7:
        return None
    first = np.array(shape) + tried[room.argmax()]
    second = np.array(shape)[:, [1, 2, 0]] + tried[room.argmax()] + np.array([0.4, 0.4, 0.4])
    Z_all, xyz = np.concatenate([structure.Z, Z, Z]), np.concatenate([structure.xyz, first, second])
    return Z_all, xyz, np.arange(len(Z_all)) < len(structure) + len(Z)


def turned(place: np.ndarray, origin: np.ndarray, axis: np.ndarray, angle: float = TURN) -> np.ndarray:
    """A place after a turn about an axis through the origin, by Rodrigues' formula."""
    u, v = axis / np.linalg.norm(axis), place - origin
    return origin + v * np.cos(angle) + np.cross(u, v) * np.sin(angle) + u * (u @ v) * (1.0 - np.cos(angle))


def slice_of(bonds: Bonds, atom: int) -> tuple[int, int]:
    own = bonds.around(atom)
    return own.start, own.stop


def added(structure: Structure, Z: list[int], xyz: list[np.ndarray]) -> Made:
    there = np.arange(len(structure) + len(Z)) < len(structure)
    return np.concatenate([structure.Z, Z]), np.concatenate([structure.xyz, xyz]), there


if __name__ == "__main__":
    main()
