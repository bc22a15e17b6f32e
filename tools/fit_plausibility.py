"""Learns what sound crystals look like, for warnings about corrupted ones: ``plausibility.safetensors`` in a model's folder.

    python tools/fit_plausibility.py FOLDER FILE.parquet=COUNT... [--trees 0.5] [--most 200] [--rate 0.012]

Of each file COUNT crystals of the training side are drawn, and a tenth as many of each other side.

Tables of lengths, sums of bonds and volumes are learned from them, and trees from other crystals of the training side, half as many or
another share: crystals that are in the tables look more usual than any later one will. The trees see these crystals, copies as much
smaller or larger as measured lattice constants are than computed ones, copies with hydrogens where X-rays find them, and corrupted copies:
elements exchanged, lengths 8 % shorter or longer, an atom left out. The limit is set on the validation sides, and what is found on the test sides is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from andersonn.data.records import Records
from andersonn.data.splits import SplitRule, split_of
from andersonn.errors import InputError
from andersonn.structures import elements
from andersonn.structures.neighbors import pairs_within
from andersonn.structures.plausibility.model import KINDS, Plausibility, Trees
from andersonn.structures.plausibility.surroundings import CONTACT, NAMES, REACH, Surroundings, Tables
from andersonn.structures.structure import Structure

SIZE = elements.MAX_Z + 1
FEW = 5
"""Crystals that the general trend counts for in each mean."""
USUAL_SPREAD, USUAL_SPREAD_OF_SUMS = 0.12, 0.3
"""Standard deviations before any is measured."""
FURTHER = 1.1
"""Contacts up to so much more count for the shortest distances."""
OTHER_LENGTHS, MOST_OTHER = (-0.008, 0.012), (-0.035, 0.02)
"""Mean, standard deviation and bounds of the logarithm by which measured lengths differ from computed ones (PBE)."""
STRAINED, SHORT = "strained", "short hydrogens"
"""Sound crystals of other lengths, and with hydrogens as near as X-rays find them, which see the electrons."""
SHORTENED, HELD = (0.84, 0.9), 1.25
"""By which bonds to hydrogen are shorter then, and Å up to which it is bonded."""
SCALE = 0.08
"""By which lengths are made shorter or longer."""
ITERATIONS, LEAVES = 120, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("files", nargs="+", metavar="FILE=COUNT")
    parser.add_argument("--trees", type=float, default=0.5, help="crystals for the trees, by one for the tables")
    parser.add_argument("--most", type=int, default=200, help="atoms of a crystal")
    parser.add_argument("--rate", type=float, default=0.012, help="of sound validation crystals that are doubted")
    given = parser.parse_args()
    files = [(Path(file), int(count)) for file, _, count in (word.rpartition("=") for word in given.files)]
    known = [crystal for file, count in files for crystal in crystals(file, "train", 0, count, given.most)]
    tables, numbers = learned(known), {}
    for side in ("train", "validation", "test"):
        for file, count in files:
            first, last = (count, count + round(given.trees * count)) if side == "train" else (0, count // 10)
            numbers[side, file.stem] = corrupted_numbers(list(crystals(file, side, first, last, given.most)), tables)
    fit(given.folder, tables, numbers, given.rate)


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
    sound = [
        part[kind] for (side, _), part in numbers.items() if side == "validation" for kind in ("sound", STRAINED, SHORT)
    ]
    sound = [part for part in sound if len(part)]
    found = np.concatenate([sound_share(trees, part) for part in sound])
    made = Plausibility(tables, trees, float(np.quantile(found, rate)), rate)
    made.save(folder / "plausibility.safetensors")
    print(f"{(folder / 'plausibility.safetensors').stat().st_size / 1e3:.0f} kB, limit {made.limit:.4f}")
    for (side, name), part in numbers.items():
        if side == "test":
            told = (
                f"{kind} {np.mean(sound_share(trees, part[kind]) < made.limit):.3f} of {len(part[kind])}"
                for kind in (STRAINED, SHORT, *KINDS)
                if len(part[kind])
            )
            print(f"{name}, doubted: {', '.join(told)}", flush=True)
    return made


def crystals(file: Path, side: str, first: int, last: int, most: int) -> Iterator[Structure]:
    """Crystals of a side in an order at random, from one number to another."""
    records = Records.read(file)
    rows = np.random.default_rng(0).permutation(split_of(records, SplitRule())[side])[first:last]
    for row in np.sort(rows).tolist():
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
    found = Tables(shortest, spread, seen, blank, blank + 1.0, _volumes(sound))
    sums: dict[int, list[float]] = {}
    for crystal in sound:
        logs = np.log(Surroundings.of(crystal, found).total)
        for z in np.unique(crystal.Z).tolist():
            sums.setdefault(z, []).append(float(logs[z == crystal.Z].mean()))
    overall = float(np.mean([value for own in sums.values() for value in own]))
    mean, deviation = blank.copy(), blank + 0.4
    for z, values in sums.items():
        near = np.clip(values, np.median(values) - 1.5, np.median(values) + 1.5)
        mean[z] = (near.sum() + FEW * overall) / (len(near) + FEW)
        prior = FEW * USUAL_SPREAD_OF_SUMS**2
        deviation[z] = np.sqrt((np.square(near - mean[z]).sum() + prior) / (len(near) + FEW))
    return Tables(shortest, spread, seen, mean, deviation, found.volume)


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
    mean, spread, count = trend[:, None] + trend, np.full((SIZE, SIZE), 0.1), np.zeros((SIZE, SIZE))
    for (a, b), values in found.items():
        n, middle = len(values), (np.sum(values) + FEW * (trend[a] + trend[b])) / (len(values) + FEW)
        size = np.sqrt((np.square(np.array(values) - middle).sum() + FEW * USUAL_SPREAD**2) / (n + FEW))
        for pair in ((a, b), (b, a)):
            mean[pair], spread[pair], count[pair] = middle, size, n
    return mean, spread, count


def _trend(found: dict[tuple[int, int], list[float]]) -> np.ndarray:
    """What each element adds to the logarithms of its pairs, ``[104]``."""
    left, right = 3.0 * np.eye(SIZE), np.zeros(SIZE)
    for (a, b), values in found.items():
        row = np.zeros(SIZE)
        row[a] += 1.0
        row[b] += 1.0
        weight = min(len(values), 20)
        left += weight * np.outer(row, row)
        right += weight * row * np.median(values)
    return np.linalg.solve(left, right)


def _volumes(sound: list[Structure]) -> np.ndarray:
    """Volume of an atom of each element, Å³, so that they add up, open crystals counting less."""
    shares = np.stack([np.bincount(crystal.Z, minlength=SIZE) / len(crystal) for crystal in sound])
    volume = np.array([(crystal.volume or 0.0) / len(crystal) for crystal in sound])
    weight, found = 1.0 / volume**2, np.zeros(SIZE)
    for _ in range(6):
        left = (shares * weight[:, None]).T @ shares + 1e-4 * np.eye(SIZE)
        found = np.linalg.solve(left, (shares * weight[:, None]).T @ volume)
        off = np.log(volume / np.maximum(shares @ found, 3.0))
        weight = 1.0 / volume**2 / (1.0 + np.square(off / 0.1))
    return found


def corrupted(crystal: Structure, random: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """A crystal and corrupted copies of it by kind: atomic numbers, positions and cell."""
    Z, xyz, cell = crystal.Z, crystal.xyz, crystal.cell
    assert cell is not None
    other = np.exp(np.clip(random.normal(*OTHER_LENGTHS), *MOST_OTHER))
    found = {"sound": (Z, xyz, cell), STRAINED: (Z, xyz * other, cell * other)}
    if (closer := with_short_hydrogens(crystal, random)) is not None:
        found[SHORT] = (Z, closer, cell)
    exchanged = random.permutation(Z)
    if (exchanged != Z).any():
        found["exchanged"] = (exchanged, xyz, cell)
    for kind, factor in (("compressed", 1.0 - SCALE), ("stretched", 1.0 + SCALE)):
        found[kind] = (Z, xyz * factor, cell * factor)
    if len(Z) > 2:
        left = np.arange(len(Z)) != random.integers(len(Z))
        found["lacking"] = (Z[left], xyz[left], cell)
    return found


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


def corrupted_numbers(part: list[Structure], tables: Tables) -> dict[str, np.ndarray]:
    """Kind → numbers of crystals and of corrupted copies; those whose atoms overlap are left out, as they are refused anyway."""
    random = np.random.default_rng(0)
    found: dict[str, list[np.ndarray]] = {kind: [] for kind in (*KINDS, STRAINED, SHORT)}
    for crystal in part:
        for kind, atoms in corrupted(crystal, random).items():
            with suppress(InputError):
                found[kind].append(Surroundings.of(Structure(*atoms), tables).numbers)
    return {kind: np.array(rows).reshape(-1, len(NAMES)) for kind, rows in found.items()}


def grown(parts: list[dict[str, np.ndarray]]) -> Trees:
    """Trees that tell the kinds apart."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    labeled = [(part[kind], max(k, 0)) for part in parts for k, kind in enumerate((SHORT, STRAINED, *KINDS), start=-2)]
    rows = np.concatenate([part for part, _ in labeled])
    labels = np.concatenate([np.full(len(part), k) for part, k in labeled])
    model = HistGradientBoostingClassifier(
        max_iter=ITERATIONS,
        learning_rate=0.15,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=30,
        l2_regularization=1.0,
        random_state=0,
    ).fit(rows, labels)
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
