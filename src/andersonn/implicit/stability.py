"""How well-posed a layer is: the spectral radius of its Jacobian at the fixed point, a penalty that lowers it, and how
fast a solve converged.

Fixed-point iteration converges near z* if and only if the spectral radius ρ of ∂f/∂z is below 1, by a factor of ρ a step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from andersonn.solvers import Layout
from andersonn.solvers.options import require_count
from andersonn.solvers.pytree import tree_of

TINY = 1e-300
"""Stands for a residual of zero in logarithms."""


def spectral_radius(
    f: Callable[[Tensor], Tensor], z: Tensor, offsets: Tensor | None = None, iterations: int = 16, seed: int = 0
) -> Tensor:
    """Spectral radius of ∂f/∂z at ``z`` for each sample, by Arnoldi iteration on vector-Jacobian products.

    Unlike power iteration it is right for complex eigenvalues (a rotation has radius 1). It is exact, but for rounding,
    once ``iterations`` reaches the number of distinct eigenvalues. Before that it is an estimate: for symmetric
    Jacobians from below, for strongly non-normal ones it can miss on either side.

    Args:
        f: the map; each sample's value may depend on its own state only.
        z: where, usually the solution, ``[B, …]`` or ``[R, …]`` with ``offsets``; it may be complex, or a pytree, as in
            :func:`andersonn.solvers.fixed_point`.
        offsets: as there.
        iterations: size of the Krylov space.
        seed: of the random start.

    Returns:
        float64 ``[B]``, on the CPU; NaN for a sample whose Jacobian is not finite.
    """
    require_count("iterations", iterations)
    tree = tree_of(z, offsets)
    if tree is not None:
        f, z = tree.lift(f), tree.pack(z)
    if z.numel() == 0:
        return torch.zeros(Layout(z, offsets).samples, dtype=torch.float64)
    with torch.inference_mode(False), torch.enable_grad():
        z = z.detach().clone().requires_grad_()
        value = f(z)
    return radius_on_tape(value, z, offsets, iterations, seed)


def radius_on_tape(value: Tensor, z: Tensor, offsets: Tensor | None, iterations: int = 16, seed: int = 0) -> Tensor:
    """:func:`spectral_radius` of ∂value/∂z, on the tape that leads from the leaf z to value; the tape stays."""
    layout = Layout(z, offsets)
    if not value.requires_grad:  # f does not depend on z
        return torch.zeros(layout.samples, dtype=torch.float64)
    wide = torch.promote_types(z.dtype, torch.float32)  # half precision holds no orthogonal basis
    generator = torch.Generator(device="cpu").manual_seed(seed)
    start = torch.randn(layout.rows, layout.width, generator=generator, dtype=torch.float64).to(wide).to(z.device)
    size = min(iterations, layout.width * layout.longest)
    hessenberg = torch.zeros(layout.samples, size, size, dtype=layout.exact, device=z.device)  # read once, at the end
    basis = [_normalized(layout, start)[0]]
    for k in range(size):
        vector = basis[k].view(layout.shape).to(value.dtype)
        (product,) = torch.autograd.grad(value, z, vector, retain_graph=True, allow_unused=True)
        w = torch.zeros_like(start) if product is None else layout.flat(product).to(wide)
        scale = layout.norms(w)[:, 0]
        for _ in range(2):  # orthogonalize twice: once loses orthogonality in single precision
            for i, v in enumerate(basis):
                overlap = layout.to_samples((w * v).sum(dim=1))
                hessenberg[:, i, k] += overlap
                w = w - layout.to_rows(overlap).unsqueeze(1).to(w.dtype) * v
        following, length = _normalized(layout, w, floor=1e-5 * scale)
        if k + 1 < size:
            hessenberg[:, k + 1, k] = length
            basis.append(following)
    hessenberg = hessenberg.cpu().double()
    sound = hessenberg.isfinite().all(dim=2).all(dim=1)
    radius = torch.linalg.eigvals(hessenberg.where(sound[:, None, None], 0.0)).abs().amax(dim=1)
    return radius.where(sound, torch.nan)


def _normalized(layout: Layout, w: Tensor, floor: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
    """Unit vectors and lengths by sample; a vector no longer than ``floor`` (an exhausted space) becomes zero."""
    length = layout.norms(w)[:, 0]
    alive = length > floor
    inverse = torch.where(alive, 1.0 / length.clamp_min(torch.finfo(length.dtype).tiny), 0.0)
    unit = torch.nan_to_num(w * layout.to_rows(inverse).unsqueeze(1).to(w.dtype))
    return unit, torch.where(alive, length, 0.0)


def radius_report(radius: Tensor) -> str:
    """One line for a person on what :func:`spectral_radius` found.

    Args:
        radius: ``[B]``.
    """
    if not isinstance(radius, Tensor) or radius.numel() == 0:
        raise ValueError("a report needs the radius of at least one sample, as spectral_radius gives it")
    finite = radius[radius.isfinite()]
    parts = []
    if len(finite):
        parts.append(f"spectral radius at z*: median {float(finite.median()):.3f}, largest {float(finite.max()):.3f}")
        beyond = int((finite >= 1).sum())
        if beyond:
            parts.append(f"{beyond} of {radius.numel()} at 1 or above, where fixed-point iteration does not converge")
    if len(finite) < radius.numel():
        parts.append(f"{radius.numel() - len(finite)} of {radius.numel()} not finite")
    return "; ".join(parts)


def contraction_rate(residual: Tensor, last: int = 5) -> Tensor:
    """Factor by which a solve's residual fell at each of its last evaluations, from its trace: costs no evaluation.

    It is what the *solver* achieved: with extrapolation less than the Jacobian's spectral radius, which only an
    undamped fixed-point iteration tends to (:func:`spectral_radius` measures it).

    Args:
        residual: ``[T, B]``, the ``trace.residual`` of a :class:`~andersonn.solvers.FixedPoint`.
        last: evaluations to use, at least 2: those before a sample stopped, by least squares on the logarithm.

    Returns:
        float64 ``[B]``; 1 and above where nothing was gained, NaN where a sample has no two finite residuals.
    """
    if not isinstance(residual, Tensor) or residual.dim() != 2:
        raise TypeError("residual must be a tensor [T, B], such as solution.trace.residual")
    require_count("last", last)
    if last < 2:
        raise ValueError("last must be at least 2: a rate needs two residuals")
    residual = residual.double()
    time = torch.arange(len(residual), dtype=torch.float64, device=residual.device).unsqueeze(1)
    moved = torch.ones_like(residual, dtype=torch.bool)
    moved[1:] = residual[1:] != residual[:-1]  # a sample that has stopped keeps its value
    end = torch.where(moved, time, 0.0).amax(dim=0)
    used = (time <= end) & (time > end - last) & residual.isfinite() & (residual >= 0)
    count = used.sum(dim=0)
    height = torch.where(used, residual.clamp_min(TINY).log(), 0.0)
    offset = torch.where(used, time - torch.where(used, time, 0.0).sum(dim=0) / count, 0.0)
    slope = (offset * height).sum(dim=0) / offset.square().sum(dim=0)
    return torch.where(count >= 2, slope.exp(), torch.nan)


def jacobian_penalty(value: Tensor, z: Tensor, samples: int = 1) -> Tensor:
    """Hutchinson's estimate of ‖∂f/∂z‖²_F / n, differentiable (Bai, Koltun and Kolter, *Stabilizing Equilibrium Models by
    Jacobian Regularization*, ICML 2021, eq. 4).

    Args:
        value: f(z), recorded with gradients.
        z: the state it was computed from, requiring gradients.
        samples: random vectors to average over; each costs a vector-Jacobian product, forward and backward.
    """
    require_count("samples", samples)
    total = value.real.new_zeros(())
    for _ in range(samples):
        (product,) = torch.autograd.grad(value, z, torch.randn_like(value), create_graph=True)
        total = total + (product.conj() * product).real.sum()
    return total / (samples * value.numel())
