"""The learned first state of a trained network's solver, fitted in one step."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from andersonn.data.store import ImageStore
from andersonn.models import Ensemble, EquilibriumNetwork, ImageBatch, Stack, members_of, row_batches
from andersonn.models.network import StateGuess

if TYPE_CHECKING:
    from andersonn.models.stack import Cell

STRUCTURES = 400
"""Training structures used: enough for a matrix of a hundred rows."""
ROWS = 2048
"""Image rows of a batch."""
RIDGE = 1e-3
"""Ridge penalty, relative to the mean of the diagonal."""
RTOL = 1e-5
"""Tolerance of the solutions it is fitted to."""


@torch.no_grad()
def fit_first_state(network: EquilibriumNetwork | Ensemble, store: ImageStore, indices: np.ndarray, seed: int) -> None:
    """Fits W of :class:`~andersonn.models.network.StateGuess`, in z* ≈ s + W s, by least squares over the rows of some training
    structures; in each member of an ensemble. Does nothing where there is none to fit.

    Args:
        network: in evaluation mode.
        store: images.
        indices: training structures, of which some are drawn.
        seed: of the draw.
    """
    chosen = np.random.default_rng(seed).permutation(indices)[:STRUCTURES]
    device = next(network.parameters()).device
    for member in members_of(network):
        layer = member.equilibrium
        if isinstance(layer, Stack) or not isinstance(layer.initializer, StateGuess):
            continue
        cell = cast("Cell", layer.cell)
        solver = replace(layer.solver, rtol=min(RTOL, layer.solver.rtol))
        width = member.config.width
        gram, toward = torch.zeros(2, width, width, dtype=torch.float64, device=device)
        for part in row_batches(store.n_rows, chosen, ROWS):
            batch = ImageBatch.from_store(store, part).to(device)
            x: Any = cell.prepare(member.encoder(batch), batch)
            first = cell.initial(x)
            z = solver.solve(partial(cell, x=x), first, cell.offsets(batch)).z
            s, rest = (values.flatten(end_dim=-2).double() for values in (first, z - first))
            gram, toward = gram + s.T @ s, toward + s.T @ rest
        ridge = RIDGE * gram.diagonal().mean().clamp_min(1e-12) * torch.eye(len(gram), device=device)
        weight = torch.linalg.solve(gram + ridge, toward).T
        if weight.isfinite().all():
            layer.initializer.linear.weight.copy_(weight)
