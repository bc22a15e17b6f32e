"""How sure answers are of molecules with a given geometry that differ from those which intervals are fitted on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from andersonn.data.records import Records
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.tails import ALL, LEAST, Kinds
from andersonn.training.dataset import prepare
from andersonn.training.forward import forward
from andersonn.training.tails_fitting import TailReport, covered, lowest, needed_tails, parts_with_tails

ENOUGH = 50
"""Molecules from which on a tail is fitted."""


def fit_given(
    bundle: ModelBundle, records: Records, kind: str, side: str = "", seed: int = 0
) -> tuple[ModelBundle, TailReport]:
    """The model with an effect of one kind of molecules with a given geometry on the tails of its intervals.

    Nearly all geometries that are given in the files of a training are of QM9, so that nothing tells how much less a network knows of larger
    molecules and of other elements. Such molecules have one tail of their own, fitted to those that the network was not trained on.

    Args:
        bundle: a model whose tails depend on the kind of structure.
        records: with geometries, labels and groups.
        kind: one of :data:`~andersonn.inference.tails.GIVEN`.
        side: the only side of the model's split that is used, such as ``"validation"`` of files that it was trained on; all if empty.
        seed: of the halves.

    Raises:
        UsageError: the model has no such tails, or too few of the molecules are of this kind.
    """
    calibration, usual, domain = parts_with_tails(bundle)
    dataset = prepare(records, bundle.task, bundle.config)
    chosen = dataset.sides[side] if side else dataset.usable
    kinds, made = Kinds.of_store(dataset.store, chosen), dataset.made[chosen]
    of_kind = np.flatnonzero(kinds.given(made)[kind])
    chosen, kinds = chosen[of_kind], kinds.part(of_kind)
    if len(chosen) < ENOUGH:
        raise UsageError(
            "too_few", f"{len(chosen)} of the molecules are of the kind {kind!r}", f"give at least {ENOUGH}"
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
    tails = usual.with_effect(kind, lowest(needed) - base)
    return replace(bundle, calibration=replace(calibration, tails=tails)), report
