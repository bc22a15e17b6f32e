"""Anderson acceleration of the implicit-layers tutorial (Kolter, Duvenaud and Johnson, *Deep Implicit Layers*, NeurIPS 2020,
chapter 4), written anew from the published formulas.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def tutorial_anderson(
    f: Callable[[Tensor], Tensor], z0: Tensor, m: int = 5, lam: float = 1e-4, max_iter: int = 50, tol: float = 1e-2
) -> Tensor:
    """The tutorial's Anderson: weights α of the last m states minimize ‖Σ α_i (f_i − z_i)‖² + λ ‖α‖² under Σ α_i = 1, the
    whole system built and solved anew at each step, in the state's precision; stops on the residual of the whole batch.

    Args:
        f: the map.
        z0: ``[B, …]``.
        m: states in the window.
        lam: λ, absolute.
        max_iter: evaluations of f at most, but at least 2.
        tol: relative residual of the batch as a whole at which to stop.

    Returns:
        The last state.
    """
    batch = len(z0)
    states = z0.new_zeros(batch, m, z0[0].numel())
    values = torch.zeros_like(states)
    states[:, 0], values[:, 0] = z0.flatten(1), f(z0).flatten(1)
    states[:, 1], values[:, 1] = values[:, 0], f(values[:, 0].view_as(z0)).flatten(1)
    system = z0.new_zeros(batch, m + 1, m + 1)
    system[:, 0, 1:] = system[:, 1:, 0] = 1
    right = z0.new_zeros(batch, m + 1, 1)
    right[:, 0] = 1
    latest = 1
    for k in range(2, max_iter):
        n, latest = min(k, m), k % m
        residuals = values[:, :n] - states[:, :n]
        ridge = lam * torch.eye(n, dtype=z0.dtype, device=z0.device)
        system[:, 1 : n + 1, 1 : n + 1] = residuals @ residuals.transpose(1, 2) + ridge
        alpha = torch.linalg.solve(system[:, : n + 1, : n + 1], right[:, : n + 1])[:, 1:, 0]
        # β = 1, but the tutorial computes the part that β = 1 multiplies by zero as well.
        states[:, latest] = (alpha[:, None] @ values[:, :n])[:, 0] + 0.0 * (alpha[:, None] @ states[:, :n])[:, 0]
        values[:, latest] = f(states[:, latest].view_as(z0)).flatten(1)
        size = (values[:, latest] - states[:, latest]).norm().item()
        if size / (1e-5 + values[:, latest].norm().item()) < tol:
            break
    return states[:, latest].view_as(z0)
