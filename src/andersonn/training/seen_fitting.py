"""How sure answers from SMILES are of molecules that a network was trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from andersonn.data.records import Records
from andersonn.errors import UsageError
from andersonn.inference.distribution import DistributionCalibration, Distributions
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.tails import ALL, LEAST, SEEN, SURE, Kinds
from andersonn.inference.trained_molecules import TrainedMolecules
from andersonn.structures.readers.molecules.smiles import constitution
from andersonn.training.dataset import prepare
from andersonn.training.forward import forward_records
from andersonn.training.tails_fitting import covered, lowest, needed_tails

MISSED_LABELS = 0.05
"""Share of the labels that intervals may miss. Half of what they may miss elsewhere: labels of small molecules lie so near to the answers
that their own distance from measured values, 0.17 D, is no longer small beside it.
"""


class SeenReport(NamedTuple):
    """What :func:`fit_seen` finds, of n molecules of the training: intervals that cover, and their mean width in the task's unit, before and
    with an effect that was fitted to one random half, both on the other half.
    """

    n: int
    covered_before: float
    width_before: float
    covered: float
    width: float


def fit_seen(bundle: ModelBundle, records: Records, seed: int = 0) -> tuple[ModelBundle, SeenReport]:
    """The model with an effect of molecules of the training on the tails of its intervals.

    Labels of such molecules lie nearer to the answers than those of molecules that were held back, on which the other effects
    were fitted. So they have one tail of their own. Which they are is kept by :class:`~andersonn.inference.trained_molecules.TrainedMolecules`.

    Args:
        bundle: a model whose tails depend on the kind of structure.
        records: SMILES without a geometry and labels of the quantity; those of the training side are used, by the model's split.
        seed: of the halves.

    Raises:
        UsageError: the model has no such tails.
    """
    calibration = bundle.calibration
    if not isinstance(calibration, DistributionCalibration) or calibration.tails is None or bundle.domain is None:
        raise UsageError(
            "bad_model", "its intervals do not depend on the kind of molecule", "train it with more records"
        )
    dataset = prepare(records, bundle.task, bundle.config)
    chosen = dataset.sides["train"]
    outputs = forward_records(bundle.network, dataset, chosen, bundle.config.conformers)
    kinds, made = Kinds.of_store(dataset.store, chosen), np.ones(len(chosen), dtype=bool)
    found = calibration.distributions(outputs.scores, made, bundle.domain.distance(outputs.states, kinds.rows))
    open_ = np.flatnonzero(found.cdf[:, 0] < SURE)  # a sure zero has no width in any way
    usual = calibration.tails.of(kinds, found.cdf[:, 0], made)[open_]
    found, values = Distributions(found.edges, found.cdf[open_]), dataset.values[chosen][open_]
    needed, base = np.log(np.clip(needed_tails(found, values), LEAST, 1.0)), dict(calibration.tails.effects)[ALL]
    first = np.random.default_rng(seed).permutation(len(open_)) < len(open_) // 2
    tail = np.clip(np.exp(lowest(needed[first], MISSED_LABELS)), LEAST, calibration.tails.widest)
    halved = np.full(len(open_), tail)
    report = SeenReport(len(open_), *covered(found, values, usual, ~first), *covered(found, values, halved, ~first))
    smiles = [constitution(records.table["smiles"][int(k)].as_py()) for k in chosen]
    return (
        replace(
            bundle,
            calibration=replace(
                calibration, tails=calibration.tails.with_effect(SEEN, lowest(needed, MISSED_LABELS) - base)
            ),
            trained_on=TrainedMolecules.of(text for text in smiles if text is not None),
        ),
        report,
    )
