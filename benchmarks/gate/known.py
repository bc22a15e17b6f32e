"""Answers that everybody knows: crystals with tabulated PBE gaps, molecules with measured dipole moments, half-Heuslers."""

from __future__ import annotations

import csv
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from andersonn import Scientist
from andersonn.data.records import Records
from andersonn.errors import InputError
from andersonn.inference.prediction import Prediction
from gate.checks import Check

KNOWN = Path(__file__).parents[2] / "tests/known"
SOFT = 0.3
"""eV: a tabulated gap this near to a threshold may fall to either side."""
EVERYDAY = {"water", "ammonia", "HF", "HCN", "methanol", "DMSO", "acetonitrile"}
METALS = {21, 22, 23, 24, 25, 26, 27, 28, 39, 40, 41, 44, 45, 46, 57, 68, 71, 72, 73, 76, 77, 78}
"""Transition metals and rare earths of half-Heuslers."""


def textbook_crystals(scientist: Scientist) -> list[Check]:
    """Class and interval of crystals built from lattice constants."""
    table = pq.read_table(KNOWN / "crystals_textbook.parquet")
    table = table.append_column("id", table["name"]).append_column("group", table["name"])
    records = Records.of(table, "crystals_textbook.parquet")
    sound, structures = [], []
    for k in range(len(records)):
        with suppress(InputError):  # one has hydrogen 1.06 Å from lanthanum
            structures.append(records[k])
            sound.append(k)
    answers, gaps = answered(scientist, structures), records.label("pbe_gap_eV")[sound]
    thresholds = scientist.task.thresholds
    hard = np.array([all(abs(gap - cut) > SOFT for cut in thresholds if cut > SOFT) for gap in gaps])
    labels = scientist.task.class_of(gaps)
    right = np.array([a.label == scientist.task.classes[k] for a, k in zip(answers, labels, strict=True)])
    ends = np.array([a.interval90 for a in answers])
    inside = (gaps >= ends[:, 0] - 0.2) & (gaps <= ends[:, 1] + 0.2)  # tabulated values are known to ± 0.2 eV
    wrong = [structures[k].id for k in np.flatnonzero(hard & ~right)]
    return [
        Check(
            "textbook crystals: class", right[hard].mean(), 0.93, None, int(hard.sum()), False, ", ".join(wrong[:25])
        ),
        Check("textbook crystals: 90 % interval covers", inside.mean(), 0.85, None, len(gaps)),
        Check("textbook crystals: outside the domain", _outside(answers), None, 0.0, len(gaps)),
    ]


def half_heuslers(scientist: Scientist, file: Path) -> list[Check]:
    """Half-Heuslers among labelled crystals, most of which the model was trained on: gaps found and metals kept."""
    records = Records.read(file, ("band_gap_eV",))
    chosen = [k for k in range(len(records)) if _is_half_heusler(records, k)]
    gaps = records.label("band_gap_eV")[chosen]
    metal = np.array([a.label == "metal" for a in answered(scientist, [records[k] for k in chosen])])
    with_gap, without = gaps > 0.1, gaps == 0.0
    return [
        Check(
            "half-Heuslers with a gap above 0.1 eV: found", (~metal[with_gap]).mean(), 0.8, None, int(with_gap.sum())
        ),
        Check("half-Heuslers without a gap: lost", (~metal[without]).mean(), None, 0.15, int(without.sum())),
    ]


def _is_half_heusler(records: Records, k: int) -> bool:
    Z = records.atomic_numbers(k)
    if Z is None or len(Z) != 3 or len(set(Z.tolist())) != 3 or len(METALS & set(map(int, Z))) < 2:
        return False
    cell = np.asarray(records[k].cell)
    length = np.linalg.norm(cell, axis=1)
    cosine = [cell[i] @ cell[j] / length[i] / length[j] for i, j in ((0, 1), (0, 2), (1, 2))]
    return bool(length.std() / length.mean() < 0.01 and np.allclose(cosine, 0.5, atol=0.02))


def known_molecules(scientist: Scientist) -> list[Check]:
    """Dipole moments against gas-phase experiments."""
    with open(KNOWN / "molecules_known.csv", newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["family"] != "salt"]
    names = [row["name"] for row in rows]
    answers = answered(scientist, [row["smiles"] for row in rows])
    error = np.abs([a.value for a in answers] - np.array([float(row["dipole_D"]) for row in rows]))
    everyday = np.array([name in EVERYDAY for name in names])
    far = [f"{names[k]} {answers[k].value:.2f}" for k in np.argsort(-error) if error[k] > 0.4]
    with open(KNOWN / "molecules_cccbdb.csv", newline="", encoding="utf-8") as stream:
        measured = list(csv.DictReader(stream))
    more = answered(scientist, [row["smiles"] for row in measured])
    true = np.array([float(row["dipole_D"]) for row in measured])
    other = np.abs([a.value for a in more] - true)
    ends = np.array([a.interval90 for a in more])
    covered = (true >= ends[:, 0]) & (true <= ends[:, 1])
    return [
        Check("everyday molecules: largest error, D", error[everyday].max(), None, 0.25, int(everyday.sum())),
        Check(
            "everyday molecules: none off by more than this, D",
            error[everyday].max(),
            None,
            0.5,
            int(everyday.sum()),
            True,
        ),
        Check(
            "known molecules: within 0.4 D", (error <= 0.4).mean(), 0.95, None, len(rows), False, ", ".join(far[:25])
        ),
        Check("known molecules: outside the domain", _outside(answers), None, 0.0, len(rows)),
        Check("CCCBDB: within 0.4 D", (other <= 0.4).mean(), 0.95, None, len(more)),
        Check("CCCBDB: mean absolute error, D", other.mean(), None, 0.2, len(more)),
        Check("CCCBDB: 90 % interval covers", covered.mean(), 0.85, None, len(more)),
    ]


def answered(scientist: Scientist, inputs: list) -> list[Prediction]:
    """Answers to all inputs.

    Raises:
        ValueError: one of them was refused, which none of these should be.
    """
    found = scientist.predict(inputs)
    refused = [answer.error["message"] for answer in found if not isinstance(answer, Prediction)]
    if refused:
        raise ValueError(f"{len(refused)} known structures are refused, the first because {refused[0]}")
    return [answer for answer in found if isinstance(answer, Prediction)]


def _outside(answers: list[Prediction]) -> float:
    return float(np.mean([a.domain is not None and not a.domain.inside for a in answers]))
