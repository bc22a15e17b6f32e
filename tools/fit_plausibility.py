"""Learns what sound crystals look like, for warnings about corrupted ones: ``plausibility.safetensors`` in a model's folder.

    python tools/fit_plausibility.py FOLDER FILE.parquet=TABLES+TREES... [--most 200] [--rate 0.01]

Of each file TABLES crystals of the training side are drawn for tables of lengths, sums of bonds and volumes, and TREES others for trees:
crystals that are in the tables look more usual than any later one will. 0.2 TREES are drawn of the validation side, and 0.1 TREES of the test side.

The trees see these crystals, and sound copies: as much smaller or larger as measured lattice constants are than computed ones, with layers
as much nearer, and with hydrogens where X-rays find them. They see corrupted copies: atoms exchanged at random, two elements exchanged,
every element another one, one element another one (this or the second); lengths 8 % shorter or longer; an atom left out. The limit is set on the
validation sides, and what is found on the test sides is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from andersonn.data.records import Records
from andersonn.data.splits import SplitRule, split_of
from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.distance_bonds import METALLOIDS
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.plausibility.model import KINDS, Plausibility, Trees
from andersonn.structures.plausibility.surroundings import CONTACT, NAMES, REACH, SIZE, UNKNOWN, Surroundings, Tables
from andersonn.structures.structure import Structure

FEW = 5
"""Crystals that the general trend counts for in each mean."""
USUAL_SPREAD, USUAL_SPREAD_OF_SUMS, USUAL_OFF = 0.12, 0.3, 0.08
"""Standard deviations before any is measured: of logarithms of lengths, sums of bonds and volumes."""
USUAL_VOLUME = 15.0
"""Å³ of an atom before any is measured."""
FURTHER = 1.1
"""Contacts up to so much more count for the shortest distances."""
OTHER_LENGTHS, MOST_OTHER = (-0.008, 0.012), (-0.035, 0.02)
"""Mean, standard deviation and bounds of the logarithm by which measured lengths differ from computed ones (PBE)."""
SOUND = ("sound", "strained", "nearer layers", "short hydrogens")
"""Crystals, and copies of other lengths, with layers nearer, and with hydrogens as near as X-rays find them, which see the electrons."""
COPIES = dict.fromkeys(SOUND, "sound") | {
    "atoms exchanged": "exchanged", "two elements exchanged": "exchanged", "elements at random": "exchanged",
    "one element another": "exchanged", "compressed": "compressed", "stretched": "stretched", "lacking": "lacking",
}  # fmt: skip
"""What is made of a crystal, and as what it is learned."""
WEIGHTS = {"two elements exchanged": 0.3, "one element another": 0.3}
"""Copies that count less, since many may be sound."""
GAP, NEARER = 2.5, 0.25
"""Å between layers of atoms from which on they are held together weakly, and up to which share measured gaps are narrower than PBE's."""
HEAVIEST = 83
"""Elements up to bismuth take others' places."""
ALIKE = 1e-3
"""Copies whose numbers differ by less are the crystal itself."""
VALIDATION, TEST = 0.2, 0.1
"""Crystals of these sides, by one for the trees."""
SHORTENED, HELD = (0.84, 0.9), 1.25
"""By which bonds to hydrogen are shorter then, and Å up to which it is bonded."""
SCALE = 0.08
"""By which lengths are made shorter or longer."""
ITERATIONS, LEAVES = 120, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("files", nargs="+", metavar="FILE=TABLES+TREES")
    parser.add_argument("--most", type=int, default=200, help="atoms of a crystal")
    parser.add_argument("--rate", type=float, default=0.01, help="of sound validation crystals that are doubted")
    given = parser.parse_args()
    files = [counted(word) for word in given.files]
    tables = learned([c for file, count, _ in files for c in crystals(file, "train", 0, count, given.most)])
    numbers = {}
    for file, count, more in files:
        for side, first, last, kinds in (
            ("train", count, count + more, COPIES),
            ("validation", 0, round(VALIDATION * more), SOUND),
            ("test", 0, round(TEST * more), COPIES),
        ):
            part = crystals(file, side, first, last, given.most)
            numbers[side, file.stem] = corrupted_numbers(part, tables, kinds)
    fit(given.folder, tables, numbers, given.rate)


def counted(word: str) -> tuple[Path, int, int]:
    """A file, and how many crystals of it are for tables and for trees, of ``FILE=TABLES+TREES``."""
    file, _, counts = word.rpartition("=")
    tables, _, trees = counts.partition("+")
    return Path(file), int(tables), int(trees)


def fit(
    folder: Path, tables: Tables, numbers: dict[tuple[str, str], dict[str, np.ndarray]], rate: float
) -> Plausibility:
    """Grows the trees, sets the limit, writes the file and prints what is found.

    Args:
        folder: of the model.
        tables: learned.
        numbers: side and file → kind → numbers of its crystals.
        rate: of sound validation crystals that are doubted.
    """
    trees = grown([part for (side, _), part in numbers.items() if side == "train"])
    sound = [part[kind] for (side, _), part in numbers.items() if side == "validation" for kind in SOUND]
    found = np.concatenate([sound_share(trees, part) for part in sound])
    made = Plausibility(tables, trees, float(np.quantile(found, rate)), rate)
    made.save(folder / "plausibility.safetensors")
    print(f"{(folder / 'plausibility.safetensors').stat().st_size / 1e3:.0f} kB, limit {made.limit:.4f}")
    for (side, name), part in numbers.items():
        if side == "test":
            told = (
                f"{kind} {np.mean(sound_share(trees, part[kind]) < made.limit):.3f} of {len(part[kind])}"
                for kind in COPIES
                if len(part[kind])
            )
            print(f"{name}, doubted: {', '.join(told)}", flush=True)
    return made


def crystals(file: Path, side: str, first: int, last: int, most: int) -> Iterator[Structure]:
    """Crystals of a side in an order at random, from one number to another."""
    records = Records.read(file)
    rows = np.random.default_rng(0).permutation(split_of(records, SplitRule())[side])[first:last]
    for row in rows.tolist():
        try:
            crystal = records[row]
        except InputError:
            continue
        if len(crystal) <= most:
            yield crystal


def learned(sound: list[Structure]) -> Tables:
    """The tables of sound crystals."""
    shortest, spread, seen = _lengths(sound)
    blank = np.zeros(SIZE)
    found = Tables(shortest, spread, seen, blank, blank + 1.0, blank + 1.0)
    around = [Surroundings.of(crystal, found) for crystal in sound]
    volume, volume_slope, volume_spread = _volumes(around)
    bonding, bonding_spread, bonding_slope = _bonding(around)
    return Tables(
        shortest, spread, seen, bonding, bonding_spread, volume,
        bonding_slope, volume_slope, volume_spread, _together(sound),
    )  # fmt: skip


def _bonding(around: list[Surroundings]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of elements: mean of the logarithm of an atom's sum of bonds among equally electronegative atoms, its spread, and its slope."""
    rows: dict[int, list[tuple[float, float]]] = {}
    for crystal in around:
        Z, logs = crystal.structure.Z, np.log(crystal.total)
        for z in np.unique(Z).tolist():
            rows.setdefault(z, []).append((float(crystal.pull[z == Z].mean()), float(logs[z == Z].mean())))
    lines, left = {}, []
    for z, own in rows.items():
        pull, sums = np.array(own).T
        sums = np.clip(sums, np.median(sums) - 1.5, np.median(sums) + 1.5)
        lines[z] = pull, sums
        left.append(np.stack([pull - pull.mean(), sums - sums.mean()]))
    apart, rest = np.concatenate(left, axis=1)
    common, usual = float(apart @ rest / (apart @ apart)), float((apart @ apart) / len(apart))
    overall = float(np.mean(np.concatenate([sums - common * pull for pull, sums in lines.values()])))
    mean, deviation, slope = np.full(SIZE, overall), np.full(SIZE, 0.4), np.full(SIZE, common)
    for z, (pull, sums) in lines.items():
        off = pull - pull.mean()
        slope[z] = (off @ sums + FEW * usual * common) / (off @ off + FEW * usual)
        mean[z] = ((sums - slope[z] * pull).sum() + FEW * overall) / (len(sums) + FEW)
        squares = np.square(sums - slope[z] * pull - mean[z]).sum()
        deviation[z] = np.sqrt((squares + FEW * USUAL_SPREAD_OF_SUMS**2) / (len(sums) + FEW))
    return mean, deviation, slope


def _together(sound: list[Structure]) -> np.ndarray:
    """Logarithm of how much more often than by chance two elements are in one crystal, ``[104, 104]``."""
    has = np.zeros((len(sound), SIZE))
    for k, crystal in enumerate(sound):
        has[k, crystal.Z] = 1.0
    alone = has.sum(axis=0)
    expected = np.outer(alone, alone) / len(sound)
    return np.log((has.T @ has + 1.0) / (expected + 1.0))


def _lengths(sound: list[Structure]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of pairs of elements: mean and spread of the logarithm of the shortest distance over the sum of the radii, and a count."""
    radius = elements.column("covalent_radius_A")
    found: dict[tuple[int, int], list[float]] = {}
    for crystal in sound:
        i, j, distance, _ = pairs_within(crystal.xyz, crystal.cell, REACH)
        one, other = np.minimum(crystal.Z[i], crystal.Z[j]), np.maximum(crystal.Z[i], crystal.Z[j])
        ratio = distance / (radius[one] + radius[other])
        best: dict[tuple[int, int], float] = {}
        for a, b, value in zip(one.tolist(), other.tolist(), ratio.tolist(), strict=True):
            best[a, b] = min(value, best.get((a, b), np.inf))
        for pair, value in best.items():
            if value < FURTHER * CONTACT:
                found.setdefault(pair, []).append(float(np.log(value)))
    trend = _trend(found)
    mean, spread, count = trend.copy(), np.full((SIZE, SIZE), USUAL_SPREAD), np.zeros((SIZE, SIZE))
    for (a, b), values in found.items():
        near = np.clip(values, np.median(values) - 0.2, np.median(values) + 0.2)
        n, middle = len(near), (near.sum() + FEW * trend[a, b]) / (len(near) + FEW)
        size = np.sqrt((np.square(near - middle).sum() + FEW * USUAL_SPREAD**2) / (n + FEW))
        for pair in ((a, b), (b, a)):
            mean[pair], spread[pair], count[pair] = middle, size, n
    return mean, spread, count


def _trend(found: dict[tuple[int, int], list[float]]) -> np.ndarray:
    """What is expected of the logarithms of pairs: what each element adds, and what their electronegativities do, ``[104, 104]``."""
    polarity = np.nan_to_num(elements.column("electronegativity"), nan=UNKNOWN)
    apart = np.abs(polarity[:, None] - polarity)
    left, right = np.diag([3.0] * SIZE + [1e-3] * 2), np.zeros(SIZE + 2)
    for (a, b), values in found.items():
        row = np.zeros(SIZE + 2)
        row[a] += 1.0
        row[b] += 1.0
        row[SIZE:] = apart[a, b], apart[a, b] ** 2
        weight = min(len(values), 20)
        left += weight * np.outer(row, row)
        right += weight * row * np.median(values)
    solved = np.linalg.solve(left, right)
    return solved[:SIZE, None] + solved[:SIZE] + solved[SIZE] * apart + solved[SIZE + 1] * apart**2


def _volumes(around: list[Surroundings]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Volume of an atom of each element among equally electronegative ones, Å³, so that they add up, its slope, and the spread of the
    logarithm of a crystal's volume over the usual one. Open crystals count less.
    """
    n = np.array([len(crystal.structure) for crystal in around])
    shares = np.stack([np.bincount(each.structure.Z, minlength=SIZE) for each in around]) / n[:, None]
    pulls = np.stack([np.bincount(each.structure.Z, each.pull, minlength=SIZE) for each in around]) / n[:, None]
    volume = np.array([each.structure.volume or 0.0 for each in around]) / n
    rows = np.concatenate([shares, pulls, pulls.sum(axis=1, keepdims=True)], axis=1)
    prior = np.array([USUAL_VOLUME] * SIZE + [0.0] * (SIZE + 1))
    certain = np.diag([USUAL_OFF**2 / each**2 for each in [8.0] * SIZE + [3.0] * SIZE + [100.0]])
    weight = 1.0 / volume**2
    for _ in range(6):
        solved = np.linalg.solve(
            (rows * weight[:, None]).T @ rows + certain, (rows * weight[:, None]).T @ volume + certain @ prior
        )
        off = np.log(volume / np.maximum(rows @ solved, 3.0))
        weight = 1.0 / volume**2 / (1.0 + np.square(off / 0.1))
    squares = shares.T @ np.square(np.clip(off, -0.4, 0.4))
    spread = np.sqrt((squares + FEW * USUAL_OFF**2) / (shares.sum(axis=0) + FEW))
    return solved[:SIZE], solved[SIZE : 2 * SIZE] + solved[-1], spread


def copies(crystal: Structure, random: np.random.Generator) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """A crystal and its sound and corrupted copies: kind, atomic numbers, positions and cell."""
    Z, xyz, cell = crystal.Z, crystal.xyz, crystal.cell
    assert cell is not None
    yield "sound", Z, xyz, cell
    other = np.exp(np.clip(random.normal(*OTHER_LENGTHS), *MOST_OTHER))
    yield "strained", Z, xyz * other, cell * other
    if (nearer := with_nearer_layers(crystal, random)) is not None:
        yield "nearer layers", Z, nearer[0] * other, nearer[1] * other
    if (closer := with_short_hydrogens(crystal, random)) is not None:
        yield "short hydrogens", Z, closer, cell
    for kind, elements_now in exchanged(Z, random).items():
        yield kind, elements_now, xyz, cell
    for kind, factor in (("compressed", 1.0 - SCALE), ("stretched", 1.0 + SCALE)):
        yield kind, Z, xyz * factor, cell * factor
    if len(Z) > 2:
        left = np.arange(len(Z)) != random.integers(len(Z))
        yield "lacking", Z[left], xyz[left], cell


def exchanged(Z: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Atomic numbers by the way in which elements are exchanged."""
    kinds, own = np.unique(Z, return_inverse=True)
    one, two = random.choice(len(kinds), 2, replace=False)
    swapped, replaced = kinds.copy(), kinds.copy()
    swapped[[one, two]] = kinds[[two, one]]
    group = elements.column("group")
    others = [z for z in range(1, HEAVIEST + 1) if group[z] != group[kinds[one]] and z not in kinds]
    replaced[one] = random.choice(others)
    found = {
        "atoms exchanged": random.permutation(Z),
        "elements at random": random.choice(np.arange(1, HEAVIEST + 1), len(kinds), replace=False)[own],
    }
    if random.random() < 0.5:
        return found | {"two elements exchanged": swapped[own]}
    return found | {"one element another": replaced[own]}


def with_nearer_layers(crystal: Structure, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """Positions and cell with narrower gaps between layers that end in nonmetals; None where no plane of two lattice vectors has one."""
    cell, nonmetal = crystal.cell, elements.are_among(crystal.Z, METALLOIDS)
    assert cell is not None
    share = random.uniform(0.0, NEARER)
    for axis in range(3):
        normal = np.cross(cell[axis - 2], cell[axis - 1])
        normal *= np.sign(normal @ cell[axis]) / np.linalg.norm(normal)
        period = float(normal @ cell[axis])
        height = (crystal.xyz @ normal) % period
        order = np.argsort(height)
        apart = np.diff(height[order], append=height[order[0]] + period)
        ends = nonmetal[order] & nonmetal[np.roll(order, -1)]
        narrower = np.where((apart > GAP) & ends, share * apart, 0.0)
        if narrower.any():
            lower = np.zeros(len(order))
            lower[order[1:]] = np.cumsum(narrower)[:-1]
            moved, changed = crystal.xyz - (crystal.xyz @ normal - height)[:, None] * cell[axis] / period, cell.copy()
            changed[axis] -= narrower.sum() * normal
            return moved - lower[:, None] * normal, changed
    return None


def with_short_hydrogens(crystal: Structure, random: np.random.Generator) -> np.ndarray | None:
    """Positions with hydrogens nearer to the lightest atoms that hold them; None without such hydrogens."""
    i, j, distance, vector = pairs_within(crystal.xyz, crystal.cell, HELD)
    held = (crystal.Z[i] == 1) & (crystal.Z[j] > 4) & (crystal.Z[j] < 9)
    if not held.any():
        return None
    xyz, nearest = crystal.xyz.copy(), {}
    for atom, length, step in zip(i[held].tolist(), distance[held].tolist(), vector[held], strict=True):
        nearest[atom] = min(nearest.get(atom, (np.inf, None)), (length, step), key=lambda each: each[0])
    share = 1.0 - random.uniform(*SHORTENED)
    for atom, (_, step) in nearest.items():
        xyz[atom] += share * step
    return xyz


def corrupted_numbers(
    part: Iterable[Structure], tables: Tables, kinds: Iterable[str] = COPIES
) -> dict[str, np.ndarray]:
    """Kind of copies → numbers of crystals and of copies. Left out are those whose atoms overlap, as they are refused anyway,
    copies that are the crystal itself, and crystals of one element, which are not examined.
    """
    found: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    for crystal in part:
        if len(np.unique(crystal.Z)) == 1:
            continue
        random = np.random.default_rng(list(str(crystal.id).encode()))
        for kind, *atoms in copies(crystal, random):
            if kind not in found:
                continue
            with suppress(InputError):
                row = Surroundings.of(Structure(*atoms), tables).numbers
                if COPIES[kind] != "exchanged" or np.abs(row - found["sound"][-1]).max() > ALIKE:
                    found[kind].append(row)
    return {kind: np.array(rows).reshape(-1, len(NAMES)) for kind, rows in found.items()}


def grown(parts: list[dict[str, np.ndarray]]) -> Trees:
    """Trees that tell the kinds apart."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = np.concatenate([part[kind] for part in parts for kind in COPIES])
    counts = [(kind, len(part[kind])) for part in parts for kind in COPIES]
    labels = np.concatenate([np.full(count, KINDS.index(COPIES[kind])) for kind, count in counts])
    weights = np.concatenate([np.full(count, WEIGHTS.get(kind, 1.0)) for kind, count in counts])
    model = HistGradientBoostingClassifier(
        max_iter=ITERATIONS,
        learning_rate=0.15,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=30,
        l2_regularization=1.0,
        random_state=0,
    ).fit(rows, labels, weights)
    grouped = [(kind, each.nodes) for step in model._predictors for kind, each in enumerate(step)]
    most = max(len(nodes) for _, nodes in grouped)
    shape = (len(grouped), most)
    trees = Trees(
        np.array([kind for kind, _ in grouped]), np.full(shape, -1), np.zeros(shape), np.zeros(shape, int), np.zeros(shape, int),
        np.zeros(shape), np.asarray(model._baseline_prediction, float).ravel(),
    )  # fmt: skip
    for k, (_, nodes) in enumerate(grouped):
        n, leaf = len(nodes), nodes["is_leaf"].astype(bool)
        trees.feature[k, :n] = np.where(leaf, -1, nodes["feature_idx"])
        trees.threshold[k, :n] = np.where(leaf, 0.0, nodes["num_threshold"])
        trees.left[k, :n], trees.right[k, :n] = np.where(leaf, 0, nodes["left"]), np.where(leaf, 0, nodes["right"])
        trees.value[k, :n] = np.where(leaf, nodes["value"], 0.0)
    return trees


def sound_share(trees: Trees, numbers: np.ndarray) -> np.ndarray:
    """Probability of being sound ``[n]``."""
    return np.array([trees.probabilities(row)[0] for row in numbers])


if __name__ == "__main__":
    main()
