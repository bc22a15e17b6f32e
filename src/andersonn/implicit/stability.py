"""How well-posed a layer is: the spectral radius of its Jacobian at the fixed point, and a penalty that lowers it.

Forward iteration converges near z* if and only if the spectral radius ρ of ∂f/∂z is below 1, by a factor of ρ a step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from andersonn.solvers import Layout


def spectral_radius(
    f: Callable[[Tensor], Tensor], z: Tensor, offsets: Tensor | None = None, iterations: int = 16, seed: int = 0
) -> Tensor:
    """Spectral radius of ∂f/∂z at ``z`` for each sample, by Arnoldi iteration on vector-Jacobian products.

    Unlike power iteration it is right for complex eigenvalues (a rotation has radius 1). It is exact, but for rounding,
    once ``iterations`` reaches the number of distinct eigenvalues. Before that it is an estimate: for symmetric
    Jacobians from below, for strongly non-normal ones it can miss on either side.

    Args:
        f: the map; each sample's value may depend on its own state only.
        z: where, usually the solution, ``[B, …]`` or ``[R, …]`` with ``offsets``.
        offsets: as in :func:`andersonn.solvers.fixed_point`.
        iterations: size of the Krylov space.
        seed: of the random start.

    Returns:
        float64 ``[B]``.
    """
    layout = Layout(z, offsets)
    with torch.inference_mode(False), torch.enable_grad():
        z = z.detach().clone().requires_grad_()
        value = f(z)
    if not value.requires_grad:  # f does not depend on z
        return torch.zeros(layout.samples, dtype=torch.float64)
    generator = torch.Generator(device="cpu").manual_seed(seed)
    start = torch.randn(layout.rows, layout.width, generator=generator, dtype=torch.float64).to(z.device, z.dtype)
    size = min(iterations, int(layout.width * (layout.lengths.max() if layout.lengths is not None else 1)))
    hessenberg = torch.zeros(layout.samples, size, size, dtype=torch.float64)
    basis = [_normalized(layout, start)[0]]
    for k in range(size):
        (product,) = torch.autograd.grad(value, z, basis[k].view(layout.shape), retain_graph=True, allow_unused=True)
        w = torch.zeros_like(start) if product is None else layout.flat(product)
        scale = layout.norms(w)[:, 0]
        for _ in range(2):  # orthogonalize twice: once loses orthogonality in single precision
            for i, v in enumerate(basis):
                overlap = layout.to_samples((w * v).sum(dim=1))
                hessenberg[:, i, k] += overlap.cpu()
                w = w - layout.to_rows(overlap).unsqueeze(1).to(w.dtype) * v
        following, length = _normalized(layout, w, floor=1e-5 * scale)
        if k + 1 < size:
            hessenberg[:, k + 1, k] = length.cpu()
            basis.append(following)
    return torch.linalg.eigvals(hessenberg).abs().amax(dim=1)


def _normalized(layout: Layout, w: Tensor, floor: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
    """Unit vectors and lengths by sample; a vector no longer than ``floor`` (an exhausted space) becomes zero."""
    length = layout.norms(w)[:, 0]
    alive = length > floor
    inverse = torch.where(alive, 1.0 / length.clamp_min(1e-300), 0.0)
    unit = torch.nan_to_num(w * layout.to_rows(inverse).unsqueeze(1).to(w.dtype))
    return unit, torch.where(alive, length, 0.0)


def jacobian_penalty(value: Tensor, z: Tensor) -> Tensor:
    """Hutchinson's estimate of ‖∂f/∂z‖²_F / n from one random vector, differentiable (Bai, Koltun and Kolter, *Stabilizing
    Equilibrium Models by Jacobian Regularization*, ICML 2021, eq. 4).

    Args:
        value: f(z), recorded with gradients.
        z: the state it was computed from, requiring gradients.
    """
    noise = torch.randn_like(value)
    (product,) = torch.autograd.grad(value, z, noise, create_graph=True)
    return product.square().sum() / value.numel()
