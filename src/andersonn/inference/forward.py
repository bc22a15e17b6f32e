"""Forward passes of a network over many images, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from andersonn.data.conformers import ExtraConformers
from andersonn.data.store import ImageStore
from andersonn.implicit import Equilibrium
from andersonn.models import Ensemble, EquilibriumNetwork, ImageBatch, ModelConfig, Stack, members_of, row_batches
from andersonn.solvers import Solver, Status

MAX_ROWS = 4096


class Outputs(NamedTuple):
    """Raw outputs of n structures, and how their fixed points were found; over several conformers, the worst solve.

    Attributes:
        scores: float64 ``[n, C]``.
        quantiles: float64 ``[n, 3]``, in units of the calibration's scale.
        states: input of the head for each structure, float32 ``[n, S]``; of an ensemble, that of its first member.
        steps: solver updates, or layers of an explicit stack, int ``[n]``.
        residual: relative residual, float64 ``[n]``; NaN of a stack.
        status: :class:`andersonn.solvers.Status` values, int ``[n]``.
        evaluations: calls of the cell, over all batches.
    """

    scores: np.ndarray
    quantiles: np.ndarray
    states: np.ndarray
    steps: np.ndarray
    residual: np.ndarray
    status: np.ndarray
    evaluations: int

    def part(self, positions: np.ndarray) -> Outputs:
        """The outputs of some of the structures."""
        return self._replace(
            scores=self.scores[positions],
            quantiles=self.quantiles[positions],
            states=self.states[positions],
            steps=self.steps[positions],
            residual=self.residual[positions],
            status=self.status[positions],
        )


def how_solved(outputs: Outputs, solver_name: str, options: ModelConfig) -> dict[str, Any]:
    """How the fixed point of one structure was found, as in the JSON contract. An explicit stack solves nothing: its layers
    count as steps, and there is no residual.

    Args:
        outputs: of this structure alone.
        solver_name: of the network.
        options: of the network.
    """
    steps, residual, status = int(outputs.steps[0]), float(outputs.residual[0]), Status(outputs.status[0])
    early = status is Status.CONVERGED and residual > options.solver.rtol
    return {
        "name": solver_name,
        "steps": steps,
        "evaluations": steps if options.layers else steps + 1,
        "residual": None if options.layers else residual,
        "status": "settled" if early else status.name.lower(),
    }


@torch.no_grad()
def forward(
    network: EquilibriumNetwork | Ensemble,
    store: ImageStore,
    indices: np.ndarray,
    max_rows: int = MAX_ROWS,
    change: Callable[[ImageBatch], ImageBatch] | None = None,
) -> Outputs:
    """Outputs of a network, in evaluation mode, for the structures at ``indices`` of a store (at least one).

    Args:
        network: the network.
        store: images.
        indices: which.
        max_rows: of a batch.
        change: applied to each batch, on the CPU, before the network sees it.
    """
    device = next(network.parameters()).device
    was_training = network.training
    if was_training:
        network.eval()
    columns: list[tuple[np.ndarray, ...]] = []
    evaluations = 0
    for part in row_batches(store.n_rows, indices, max_rows):
        batch = ImageBatch.from_store(store, part)
        batch = change(batch) if change else batch
        output = network(batch if device.type == "cpu" else batch.to(device))
        solve = output.solution
        answers = (output.scores.double(), output.quantiles.double(), output.states.float())
        columns.append(tuple(tensor.cpu().numpy() for tensor in (*answers, solve.steps, solve.residual, solve.status)))
        evaluations += solve.evaluations
    if was_training:
        network.train()
    whole = (np.concatenate(column) for column in zip(*columns, strict=True))
    scores, quantiles, states, steps, residual, status = whole
    return Outputs(scores, quantiles, states, steps, residual, status, evaluations)


@contextmanager
def solvers_changed(network: EquilibriumNetwork | Ensemble, change: Callable[[Solver], Any]) -> Iterator[None]:
    """Inside this block the network, or each member of an ensemble, solves with ``change(solver)`` instead of its solver."""
    layers: list[Equilibrium] = []
    for member in members_of(network):
        assert not isinstance(member.equilibrium, Stack)  # which has no solver
        layers.append(member.equilibrium)
    own = [layer.solver for layer in layers]
    for layer, solver in zip(layers, own, strict=True):
        layer.solver = change(solver)
    try:
        yield
    finally:
        for layer, solver in zip(layers, own, strict=True):
            layer.solver = solver


def forward_conformers(
    network: EquilibriumNetwork | Ensemble,
    store: ImageStore,
    indices: np.ndarray,
    further: ExtraConformers | None = None,
) -> Outputs:
    """:func:`forward`, averaged for each structure over its image in ``store`` and those of its further conformers; structures
    without any keep the outputs of :func:`forward`.
    """
    first = forward(network, store, indices)
    if further is None:
        return first
    images, owner = further.those_of(indices)
    return averaged(first, forward(network, further.store, images), owner) if len(images) else first


def averaged(first: Outputs, others: Outputs, owner: np.ndarray) -> Outputs:
    """Outputs of n structures averaged over conformers: the mean of the probabilities, as scores, of the quantiles and of the
    states.

    Args:
        first: of one conformer of each, which stay as they are where there is no other.
        others: of m further ones.
        owner: which structure each further one belongs to, int64 ``[m]``.
    """
    n = 1 + np.bincount(owner, minlength=len(first.scores))[:, None]
    log_p, quantiles, states = log_softmax(first.scores), first.quantiles.copy(), first.states.copy()
    np.logaddexp.at(log_p, owner, log_softmax(others.scores))
    np.add.at(quantiles, owner, others.quantiles)
    np.add.at(states, owner, others.states)
    steps, residual, status = first.steps.copy(), first.residual.copy(), first.status.copy()
    for column, added in ((steps, others.steps), (residual, others.residual), (status, others.status)):
        np.maximum.at(column, owner, added)
    scores = np.where(n > 1, log_p - np.log(n), first.scores)
    evaluations = first.evaluations + others.evaluations
    return Outputs(scores, quantiles / n, states / n.astype(np.float32), steps, residual, status, evaluations)


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities from scores, both ``[n, C]``."""
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
