"""What conformers and force-field steps buy: accuracy and CPU time of a polarity model on molecules given as SMILES.

    python benchmarks/conformers.py --data molecules_qm9.parquet --data molecules_pereira2018.parquet [--n 500] [--json FILE]

Validation molecules without a geometry, never test ones: sides are divided as in training, which is why all files of the training
are needed. Each molecule is embedded once, each copy is relaxed by each number of steps, and the answer is the mean over the
first 1, 2, … conformers. ``CPU`` is the time of a molecule from SMILES to images, in turn over all settings, each from the
start, on a part of the molecules; the network comes on top, ``per image``. Differences are paired: of the same molecules.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem, rdBase

from andersonn import NodeNeighborImage, Scientist
from andersonn.data.merging import read_records
from andersonn.data.records import Records
from andersonn.data.splits import split_of
from andersonn.data.store import ImageStore
from andersonn.inference.forward import Outputs, averaged, forward
from andersonn.structures.readers.molecules.embedding import canonical, placed, relaxed
from andersonn.structures.readers.molecules.from_rdkit import finished, further_conformers

COUNTS = (1, 2, 3, 4, 6)
STEPS = (0, 5, 20, 50, 200, 2000)
"""Force-field steps; 0: distance geometry alone."""
REFERENCE = (6, 2000)
"""Count and steps that the others are compared with."""
TIMED = 60
"""Molecules on which CPU time is taken."""
CHUNK = 100
"""Molecules whose images are in memory at a time."""


def chosen(records: Records, scientist: Scientist, n: int) -> np.ndarray:
    """Indices of up to ``n`` validation records without a geometry, drawn by a fixed seed."""
    side = split_of(records, scientist.bundle.config.split)["validation"]
    made = side[records.is_null("positions")[side]]
    return np.sort(np.random.default_rng(0).permutation(made)[:n])


def conformers_of(smiles: str, count: int) -> Chem.Mol:
    """The molecule in canonical order with up to ``count`` embedded conformers."""
    mol, _ = canonical(Chem.AddHs(Chem.MolFromSmiles(smiles)))
    placed(mol, count)
    return mol


def images_of(mol: Chem.Mol, steps: int, scientist: Scientist) -> list[NodeNeighborImage]:
    """Images of all sound conformers of a molecule, relaxed by so many steps; the first must be sound."""
    mol = Chem.Mol(mol)
    if steps:
        relaxed(mol, steps)
    first = finished(mol, "", (), mol.ToBinary())
    structures = [first, *further_conformers(first, mol.GetNumConformers() - 1)]
    return [NodeNeighborImage.from_structure(structure, scientist.recipe) for structure in structures]


def answers(scientist: Scientist, smiles: list[str]) -> dict[tuple[int, int], Outputs]:
    """Outputs of all molecules by count and steps."""
    parts: dict[tuple[int, int], list[Outputs]] = {(count, steps): [] for steps in STEPS for count in COUNTS}
    for start in range(0, len(smiles), CHUNK):
        mols = [conformers_of(text, max(COUNTS)) for text in smiles[start : start + CHUNK]]
        for steps in STEPS:
            images = [images_of(mol, steps, scientist) for mol in mols]
            found = _forward(scientist, [image for each in images for image in each])
            begin = np.cumsum([0, *(len(each) for each in images)])
            for count in COUNTS:
                parts[count, steps].append(_mean(found, begin, count))
    return {setting: _joined(found) for setting, found in parts.items()}


def _forward(scientist: Scientist, images: list[NodeNeighborImage]) -> Outputs:
    store = ImageStore.from_images(images, scientist.recipe)
    return forward(scientist.bundle.network, store, np.arange(len(images)))


def _mean(found: Outputs, begin: np.ndarray, count: int) -> Outputs:
    """The mean over the first ``count`` conformers of each molecule, whose conformers begin at ``begin``."""
    further = [np.arange(a + 1, min(a + count, b)) for a, b in pairwise(begin)]
    owner = np.repeat(np.arange(len(further)), [len(each) for each in further])
    others = np.concatenate(further)
    first = found.part(begin[:-1])
    return averaged(first, found.part(others), owner) if len(others) else first


def _joined(parts: list[Outputs]) -> Outputs:
    columns = zip(*parts, strict=True)
    return Outputs(*(np.concatenate(c) if isinstance(c[0], np.ndarray) else sum(c) for c in columns))


def cpu_milliseconds(scientist: Scientist, smiles: list[str]) -> tuple[dict[tuple[int, int], list[float]], float]:
    """CPU time from SMILES to images of each molecule, by count and steps; and of the network, per image."""
    times: dict[tuple[int, int], list[float]] = {(count, steps): [] for count in COUNTS for steps in STEPS}
    images: list[NodeNeighborImage] = []

    def taken(run: Callable[[], Any]) -> float:
        begin = time.process_time()
        run()
        return 1e3 * (time.process_time() - begin)

    for text in smiles:
        for (count, steps), found in times.items():
            found.append(taken(lambda: images_of(conformers_of(text, count), steps, scientist)))  # noqa: B023
        images += images_of(conformers_of(text, 1), 0, scientist)
    return times, min(taken(lambda: _forward(scientist, images)) for _ in range(3)) / len(images)


def measured(scientist: Scientist, records: Records, indices: np.ndarray) -> list[dict[str, Any]]:
    """A row for each count and number of steps."""
    task, calibration = scientist.task, scientist.bundle.calibration
    smiles = [records.table["smiles"][int(i)].as_py() for i in indices]
    values = records.label(task.quantity)[indices]
    labels, made = task.class_of(values), np.ones(len(indices), dtype=bool)
    times, per_image = cpu_milliseconds(scientist, smiles[:TIMED])
    cells: dict[tuple[int, int], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    for setting, outputs in answers(scientist, smiles).items():
        estimates, intervals = calibration.estimates(outputs.scores, outputs.quantiles, made)
        inside = (values >= intervals[:, 0]) & (values <= intervals[:, 1])
        p = calibration.probabilities(outputs.scores, made)
        cells[setting] = (p.argmax(axis=1) == labels, np.abs(estimates - values), inside)
    reference = cells[REFERENCE]
    rows = []
    for (count, steps), (right, error, inside) in cells.items():
        taken = np.quantile(times[count, steps], (0.25, 0.5, 0.75))
        rows.append({
            "conformers": count, "steps": steps, "n": len(indices),
            "accuracy": float(right.mean()), "accuracy_error": _error(right),
            "accuracy_change": float(right.mean() - reference[0].mean()),
            "accuracy_change_error": _error(right.astype(float) - reference[0]),
            "mae": float(error.mean()), "mae_error": _error(error),
            "mae_change": float(error.mean() - reference[1].mean()), "mae_change_error": _error(error - reference[1]),
            "coverage": float(inside.mean()), "cpu_ms": float(np.mean(times[count, steps])), "cpu_ms_quartiles": taken.tolist(),
            "network_ms_per_image": per_image,
        })  # fmt: skip
    return rows


def _error(values: np.ndarray) -> float:
    """Standard error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    title = "| conformers | steps | CPU, ms (quartiles) | accuracy | change | mean error / D | change | 90 % interval covers |"
    lines = [title, "|---" * 8 + "|"]
    for row in rows:
        low, _, high = row["cpu_ms_quartiles"]
        lines.append(
            f"| {row['conformers']} | {row['steps']} | {row['cpu_ms']:.1f} ({low:.1f} to {high:.1f}) "
            f"| {row['accuracy']:.3f} ± {row['accuracy_error']:.3f} "
            f"| {row['accuracy_change']:+.3f} ± {row['accuracy_change_error']:.3f} | {row['mae']:.3f} ± {row['mae_error']:.3f} "
            f"| {row['mae_change']:+.3f} ± {row['mae_change_error']:.3f} | {row['coverage']:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="all files the model was trained on, in order")
    parser.add_argument("--model", help="folder; default the shipped weights")
    parser.add_argument("--n", type=int, default=500, help="validation molecules")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    given = parser.parse_args()
    rdBase.DisableLog("rdApp.*")
    scientist = Scientist.load(given.model or "polarity")
    records = read_records(given.data, (scientist.task.quantity,))
    rows = measured(scientist, records, chosen(records, scientist, given.n))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))
    print(f"\nnetwork: {rows[0]['network_ms_per_image']:.2f} ms per image; n = {rows[0]['n']}; timed on {TIMED}")


if __name__ == "__main__":
    main()
