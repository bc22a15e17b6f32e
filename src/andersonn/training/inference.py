"""Asking a network about many images."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from andersonn.data.store import ImageStore
from andersonn.models import EquilibriumNetwork, ImageBatch, row_batches
from andersonn.models.heads import Dipole

MAX_ROWS = 4096


class Outputs(NamedTuple):
    """Raw outputs of n structures and how their fixed points were found.

    Attributes:
        scores: float64 ``[n, C]``.
        quantiles: float64 ``[n, 3]``, in units of the calibration's scale.
        states: what the head read of each structure, float32 ``[n, S]``.
        steps: solver updates, int ``[n]``.
        residual: relative residual, float64 ``[n]``.
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
        return Outputs(*(column[positions] for column in self[:-1]), self.evaluations)


@torch.no_grad()
def ask(
    network: EquilibriumNetwork,
    store: ImageStore,
    indices: np.ndarray,
    max_rows: int = MAX_ROWS,
    change: Callable[[ImageBatch], ImageBatch] | None = None,
) -> Outputs:
    """Outputs of a network, in evaluation mode, for the structures at ``indices`` of a store (at least one).

    Args:
        network: what is asked.
        store: images.
        indices: which.
        max_rows: of a batch.
        change: makes of each batch, on the CPU, the one the network is shown.
    """
    device = next(network.parameters()).device
    was_training = network.training
    if was_training:
        network.eval()
    columns: list[tuple[np.ndarray, ...]] = []
    evaluations = 0
    for part in row_batches(store.n_rows, indices, max_rows):
        batch = ImageBatch.from_store(store, part)
        output = network((change(batch) if change else batch).to(device))
        solve = output.solution
        answers = (output.scores.double(), output.quantiles.double(), output.states.float())
        columns.append(tuple(tensor.cpu().numpy() for tensor in (*answers, solve.steps, solve.residual, solve.status)))
        evaluations += solve.evaluations
    if was_training:
        network.train()
    return Outputs(*(np.concatenate(column) for column in zip(*columns, strict=True)), evaluations)


@torch.no_grad()
def dipole_of(network: EquilibriumNetwork, store: ImageStore, index: int) -> Dipole:
    """What a network with a dipole head takes the dipole moment of one structure to be made of, by row."""
    batch = ImageBatch.from_store(store, np.array([index])).to(next(network.parameters()).device)
    rows, features, _ = network.eval().solved(batch)
    return Dipole(*(part.cpu() for part in network.dipole.dipole(rows, features, batch)))
