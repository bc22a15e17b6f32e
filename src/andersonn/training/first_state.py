"""The learned first state of a trained network's solver, fitted in one step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from andersonn.data.store import ImageStore
from andersonn.models import Ensemble, EquilibriumNetwork, ImageBatch, members_of, row_batches

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
        if member.config.layers or layer.initializer is None:
            continue
        solver = replace(layer.solver, rtol=min(RTOL, layer.solver.rtol))
        gram = toward = 0.0
        for part in row_batches(store.n_rows, chosen, ROWS):
            batch = ImageBatch.from_store(store, part).to(device)
            x = layer.cell.prepare(member.encoder(batch), batch)
            first = layer.cell.initial(x)
            z = solver.solve(lambda z, cell=layer.cell, x=x: cell(z, x), first, layer.cell.offsets(batch)).z
            s, rest = (values.flatten(end_dim=-2).double() for values in (first, z - first))
            gram, toward = gram + s.T @ s, toward + s.T @ rest
        ridge = RIDGE * gram.diagonal().mean().clamp_min(1e-12) * torch.eye(len(gram), device=device)
        weight = torch.linalg.solve(gram + ridge, toward).T
        if weight.isfinite().all():
            layer.initializer.linear.weight.copy_(weight)
