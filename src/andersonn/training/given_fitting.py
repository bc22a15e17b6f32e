"""How sure answers are of molecules that differ from those which most intervals are fitted on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from andersonn.data.records import Records
from andersonn.errors import UsageError
from andersonn.inference.distribution import Distributions
from andersonn.inference.model_bundle import ModelBundle
from andersonn.inference.tails import ALL, LEAST, MADE_FEW, Kinds
from andersonn.training.calibration_fitting import power_and_doubt
from andersonn.training.dataset import Dataset, prepare
from andersonn.training.forward import forward, forward_model
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
    chosen, kinds = _of_kind(dataset, chosen, kind)
    outputs = forward(bundle.network, dataset.store, chosen)
    none_made = np.zeros(len(chosen), dtype=bool)
    found = calibration.distributions(outputs.scores, none_made, domain.distance(outputs.states, kinds.rows))
    before = found, usual.of(kinds, found.cdf[:, 0], none_made)
    group = np.asarray(records.groups, dtype=str)[chosen]
    return _with_tail(bundle, kind, before, found, dataset.values[chosen], group, seed)


def fit_few_made(
    bundle: ModelBundle, records: Records, side: str = "validation", seed: int = 0
) -> tuple[ModelBundle, TailReport]:
    """The model with a power, a fraction of the usual distribution and a tail of their own for molecules of few heavy atoms whose geometry was
    generated. Those of all such molecules are fitted mostly to larger ones, which may have another conformation.

    Args:
        bundle: a model whose tails depend on the kind of structure.
        records: SMILES without a geometry, labels and groups.
        side: of the model's split that is used.
        seed: of the halves.

    Raises:
        UsageError: the model has no such tails, or too few of the molecules are of this kind.
    """
    calibration, usual, domain = parts_with_tails(bundle)
    dataset = prepare(records, bundle.task, bundle.config)
    chosen, kinds = _of_kind(dataset, dataset.sides[side], MADE_FEW)
    outputs = forward_model(bundle, dataset, chosen)
    made, values = np.ones(len(chosen), dtype=bool), dataset.values[chosen]
    distances = domain.distance(outputs.states, kinds.rows)
    old = calibration.distributions(outputs.scores, made, distances, kinds)
    power, doubt = power_and_doubt(calibration, outputs.scores, values, bundle.task)
    changed = replace(calibration, few_power=power, few_doubt=doubt)
    found = changed.distributions(outputs.scores, made, distances, kinds)
    before = old, usual.of(kinds, old.cdf[:, 0], made)
    group = np.asarray(records.groups, dtype=str)[chosen]
    return _with_tail(replace(bundle, calibration=changed), MADE_FEW, before, found, values, group, seed)


def _of_kind(dataset: Dataset, chosen: np.ndarray, kind: str) -> tuple[np.ndarray, Kinds]:
    """Those of some records that are of a kind, with their kinds."""
    kinds, made = Kinds.of_store(dataset.store, chosen), dataset.made[chosen]
    masks = kinds.given(made) | {MADE_FEW: kinds.few_made(made)}
    positions = np.flatnonzero(masks[kind])
    if len(positions) < ENOUGH:
        told = f"{len(positions)} of the molecules are of the kind {kind!r}"
        raise UsageError("too_few", told, f"give at least {ENOUGH}")
    return chosen[positions], kinds.part(positions)


def _with_tail(
    bundle: ModelBundle,
    kind: str,
    before: tuple[Distributions, np.ndarray],
    found: Distributions,
    values: np.ndarray,
    groups: np.ndarray,
    seed: int,
) -> tuple[ModelBundle, TailReport]:
    """The model with a tail fitted to distributions of one kind, and how each half of the groups is covered as fitted to the other."""
    calibration, usual, _ = parts_with_tails(bundle)
    group = np.unique(groups, return_inverse=True)[1]
    first = (np.random.default_rng(seed).permutation(group.max() + 1) % 2 == 0)[group]
    needed = np.log(np.clip(needed_tails(found, values), LEAST, 1.0))
    halves = [np.exp(lowest(needed[part])) for part in (~first, first)]
    crossed = np.clip(np.where(first, *halves), LEAST, usual.widest)
    everything = np.ones(len(values), dtype=bool)
    old, old_tails = before
    report = TailReport(
        len(values), *covered(old, values, old_tails, everything), *covered(found, values, crossed, everything)
    )
    tails = usual.with_effect(kind, lowest(needed) - dict(usual.effects)[ALL])
    return replace(bundle, calibration=replace(calibration, tails=tails)), report
