"""How sure answers from SMILES are of molecules that a network was trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from andersonn.data.records import Records
from andersonn.inference.distribution import Distributions
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.tails import ALL, LEAST, SEEN, SURE, Kinds
from andersonn.inference.trained_molecules import TrainedMolecules
from andersonn.structures.readers.molecules.smiles import constitution
from andersonn.training.dataset import prepare
from andersonn.training.forward import forward_model
from andersonn.training.tails_fitting import TailReport, covered, lowest, needed_tails, parts_with_tails

MISSED_LABELS = 0.035
"""Share of the labels that intervals may miss. A third of what they may miss elsewhere: labels of small molecules lie so near to the answers
that their own distance from measured values, 0.17 D, is no longer small beside it.
"""


def fit_seen(bundle: ModelBundle, records: Records, seed: int = 0) -> tuple[ModelBundle, TailReport]:
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
    calibration, usual, domain = parts_with_tails(bundle)
    dataset = prepare(records, bundle.task, bundle.config)
    chosen = dataset.sides["train"]
    outputs = forward_model(bundle, dataset, chosen)
    kinds, made = Kinds.of_store(dataset.store, chosen), np.ones(len(chosen), dtype=bool)
    found = calibration.distributions(outputs.scores, made, domain.distance(outputs.states, kinds.rows), kinds)
    open_ = np.flatnonzero(found.cdf[:, 0] < SURE)  # a sure zero has no width in any way
    before = usual.of(kinds, found.cdf[:, 0], made)[open_]
    found, values = Distributions(found.edges, found.cdf[open_]), dataset.values[chosen][open_]
    needed, base = np.log(np.clip(needed_tails(found, values), LEAST, 1.0)), dict(usual.effects)[ALL]
    first = np.random.default_rng(seed).permutation(len(open_)) < len(open_) // 2
    tail = np.clip(np.exp(lowest(needed[first], MISSED_LABELS)), LEAST, usual.widest)
    halved = np.full(len(open_), tail)
    report = TailReport(len(open_), *covered(found, values, before, ~first), *covered(found, values, halved, ~first))
    smiles = [constitution(records.table["smiles"][int(k)].as_py()) for k in chosen]
    return (
        replace(
            bundle,
            calibration=replace(calibration, tails=usual.with_effect(SEEN, lowest(needed, MISSED_LABELS) - base)),
            trained_on=TrainedMolecules.of(text for text in smiles if text is not None),
        ),
        report,
    )
