"""Whether removing the atoms that ``explain`` names changes an answer more than removing random ones.

python tools/deletion_test.py conduction src/andersonn/demo/crystals.parquet --n 200 --least 6 --most 30 --share 0.25

The electrons of what is left are counted as in the whole structure, as ``explain`` does; with --anew, of what is left alone.
"""

from __future__ import annotations

import argparse

import numpy as np

from andersonn import Explanation, Records, Scientist, Structure
from andersonn.errors import InputError
from andersonn.inference.explain import left_without, log_odds, without
from andersonn.structures.image import NodeNeighborImage

DRAWS = 4


def chosen(path: str, quantity: str, n: int, sizes: tuple[int, int], rng: np.random.Generator) -> list[Structure]:
    """n random structures of a table whose numbers of atoms lie within ``sizes``."""
    records, found = Records.read(path, (quantity,)), []
    for i in rng.permutation(len(records)):
        try:
            structure = records[int(i)]
        except InputError:
            continue
        if sizes[0] <= len(structure) <= sizes[1]:
            found.append(structure)
        if len(found) == n:
            break
    return found


def left(scientist: Scientist, explained: Explanation, draws: list[np.ndarray], anew: bool) -> np.ndarray:
    """ln(p / (1 − p)) of the class answered without the atoms of each draw."""
    recipe, structure, found = scientist.recipe, explained.structure, explained.prediction
    if anew:
        images = [NodeNeighborImage.from_structure(without(structure, atoms), recipe) for atoms in draws]
    else:
        images = [left_without(structure, atoms, recipe) for atoms in draws]
    label_index, counted = scientist.bundle.task.classes.index(found.label), None if anew else structure
    distance = None if found.domain is None else found.domain.distance
    return log_odds(scientist.bundle, images, label_index, structure.generated_geometry, counted, distance)


def main() -> None:
    """Prints the mean change of the log-odds by the atoms named and by random ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["conduction", "porosity"])
    parser.add_argument("data", help="Parquet records")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--least", type=int, default=6, help="atoms of a structure")
    parser.add_argument("--most", type=int, default=30)
    parser.add_argument("--share", type=float, default=0.0, help="of the atoms that is removed; 0: one atom")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--anew", action="store_true", help="count the electrons of what is left")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    scientist = Scientist.load(given.task)
    found = []
    structures = chosen(given.data, scientist.bundle.task.quantity, given.n, (given.least, given.most), rng)
    for explained in scientist.explanations(structures):
        if not explained.ok:
            continue
        structure = explained.structure
        k = max(1, round(given.share * len(structure)))
        draws = [explained.ranking[:k], *(rng.permutation(len(structure))[:k] for _ in range(DRAWS))]
        changes = np.abs(left(scientist, explained, draws, given.anew) - explained.total)
        found.append((changes[0], changes[1:].mean()))
    named, other = np.array(found).T
    error = (named - other).std(ddof=1) / len(found) ** 0.5
    print(
        f"{given.task}, n = {len(found)}: named {named.mean():.2f}, random {other.mean():.2f}, "
        f"ratio {named.mean() / other.mean():.1f}, standard error of the difference {error:.2f}, "
        f"more in {100 * (named > other).mean():.1f} %"
    )


if __name__ == "__main__":
    main()
