"""How sure answers are of molecules with a given geometry that are larger than those which intervals are fitted on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from andersonn.data.records import Records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.tails import ALL, LARGE, LEAST, Kinds
from andersonn.training.dataset import prepare
from andersonn.training.forward import forward
from andersonn.training.tails_fitting import TailReport, covered, lowest, needed_tails, parts_with_tails

ENOUGH = 50
"""Molecules from which on a tail is fitted."""


def fit_large(bundle: ModelBundle, records: Records, seed: int = 0) -> tuple[ModelBundle, TailReport]:
    """The model with an effect of large molecules with a given geometry on the tails of its intervals.

    The files of the training give no geometry of molecules with more than nine heavy atoms, so that nothing tells how much less a network knows
    of them. Such molecules, labeled apart, have one tail of their own.

    Args:
        bundle: a model whose tails depend on the kind of structure.
        records: with geometries, labels and groups.
        seed: of the halves.

    Raises:
        UsageError: the model has no such tails, or too few of the molecules are large.
    """
    calibration, usual, domain = parts_with_tails(bundle)
    dataset = prepare(records, bundle.task, bundle.config)
    chosen = dataset.usable[~dataset.made[dataset.usable]]
    kinds = Kinds.of_store(dataset.store, chosen)
    assert kinds.large is not None
    chosen, kinds = chosen[kinds.large], kinds.part(np.flatnonzero(kinds.large))
    if len(chosen) < ENOUGH:
        raise UsageError(
            "too_few", f"{len(chosen)} of the molecules have a geometry and more than nine heavy atoms", "give more"
        )
    group = np.unique(np.asarray(records.groups, dtype=str)[chosen], return_inverse=True)[1]
    first = (np.random.default_rng(seed).permutation(group.max() + 1) % 2 == 0)[group]
    outputs = forward(bundle.network, dataset.store, chosen)
    none_made, values = np.zeros(len(chosen), dtype=bool), dataset.values[chosen]
    found = calibration.distributions(outputs.scores, none_made, domain.distance(outputs.states, kinds.rows))
    needed = np.log(np.clip(needed_tails(found, values), LEAST, 1.0))
    base = dict(usual.effects)[ALL]
    halves = [np.exp(lowest(needed[part])) for part in (~first, first)]
    crossed = np.clip(np.where(first, *halves), LEAST, usual.widest)
    everything = np.ones(len(chosen), dtype=bool)
    before = covered(found, values, usual.of(kinds, found.cdf[:, 0], none_made), everything)
    report = TailReport(len(chosen), *before, *covered(found, values, crossed, everything))
    tails = usual.with_effect(LARGE, lowest(needed) - base)
    return replace(bundle, calibration=replace(calibration, tails=tails)), report
