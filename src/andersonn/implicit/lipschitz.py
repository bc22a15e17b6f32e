"""Bounds on weights that keep a cell convergent throughout training.

Each bound is a parametrization: the stored parameter is free, the weight that the cell sees is the stored one scaled
down as far as the bound asks and no further. An activation with slope between 0 and 1 (tanh, relu, ...) keeps the bound,
so z ← tanh(W z + x) with ‖W‖ ≤ 0.9 contracts by 0.9 a step in that norm and its Jacobian's spectral radius is at most 0.9.
All bounds hold from above, but for rounding; none is a power iteration, whose estimate is from below.
As any module with a parametrization, one so bounded is copied and saved by its state dict, but not pickled.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils import parametrize

from andersonn.errors import did_you_mean
from andersonn.implicit.bound_cell import held
from andersonn.implicit.bound_cell import hold_weights as hold_weights  # documented as a name of this module
from andersonn.solvers.options import require_count, require_number

SQUARINGS = 7
"""A matrix of rank r is bounded at most r^(1/512) too high: by 1.4 % for rank 1000."""
OVERSAMPLING = 12
"""Grid points a period for each degree of a convolution's transfer function."""


def bound_norm(module: nn.Module, name: str = "weight", limit: float = 0.9) -> nn.Module:
    """Holds the spectral norm of a linear map at or under ``limit``; a smaller one is left as it is.

    Matrices are bounded by :func:`norm_bound` (at most 1.4 % too high up to rank 1000). Convolutions of any stride,
    dilation and grouping, zero-padded, circular or unpadded, are bounded by :func:`convolution_bound` (at most 5 %, 9 % or
    13 % too high in one, two or three dimensions).

    Args:
        module: ``nn.Linear``, a (transposed) convolution, or any module that uses a matrix ``[O, I]`` as a linear map.
        name: the weight's name.
        limit: bound on the norm, above 0; under 1 for a contraction.

    Returns:
        ``module``, with a parametrization registered (``torch.nn.utils.parametrize``).

    Raises:
        TypeError, ValueError: no such tensor, or one whose norm cannot be bounded. That is neither matrix nor convolution, or
            a convolution whose padding repeats values and so can expand distances: reflected, replicated, or circular beyond
            what keeps the size.
    """
    kernel = _checked_norm(module, name, limit)
    parametrize.register_parametrization(module, name, _NormBound(limit, kernel))
    return module


def bound_norms(module: nn.Module, limit: float = 0.9) -> nn.Module:
    """Holds the spectral norm of every linear and convolutional layer of a module at or under ``limit``.

    A chain of such layers with activations of slopes between 0 and 1 then expands distances by at most the product of the
    limits. What else the module computes with is left as it is: recurrent units, attention's own matrices, the scale of
    normalizations. Give these a bound of their own, or none.

    Args:
        module: a cell, or any module; layers that have a bound keep theirs.
        limit: bound on the norm of each layer, above 0.

    Returns:
        ``module``, with parametrizations registered.

    Raises:
        ValueError: it has no such layer, or one whose norm cannot be bounded (see :func:`bound_norm`); then none is changed.

    Examples:
        >>> import torch
        >>> import andersonn as an
        >>> cell = an.bound_norms(torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Tanh(), torch.nn.Linear(8, 8)), limit=0.9)
        >>> bool(torch.linalg.matrix_norm(cell[2].weight, 2) <= 0.901)
        True
    """
    layers = {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear | _ConvNd)}
    if not layers:
        raise ValueError(
            f"{type(module).__name__} has no linear or convolutional layer; bound its weights by bound_norm"
        )
    free = {name: part for name, part in layers.items() if not _is_bounded(part)}
    for name, part in free.items():
        try:
            _checked_norm(part, "weight", limit)
        except ValueError as error:
            raise ValueError(f"layer {name or 'itself'!r}: {error}") from error
    for part in free.values():
        bound_norm(part, limit=limit)
    return module


def bound_rows(module: nn.Module, name: str = "weight", limit: float = 0.9) -> nn.Module:
    """Holds the infinity norm of a linear map at or under ``limit``: each output's absolute weights sum to at most that.

    This is the well-posedness condition of L. El Ghaoui et al., *Implicit deep learning*, SIAM J. Math. Data Sci. 3, 930
    (2021), and of F. Gu et al., *Implicit graph neural networks*, NeurIPS 2020. z ← φ(A z Wᵀ + x) contracts
    by ``limit`` in the largest absolute value if the rows of the adjacency |A| sum to at most 1. Its spectral radius
    is at most ``limit`` if |A|'s is at most 1. Far cheaper than :func:`bound_norm`, but in a wide layer far stricter.

    Args:
        module: ``nn.Linear``, a (transposed) convolution, or any module that uses a matrix ``[O, I]`` as a linear map.
        name: the weight's name.
        limit: bound on the sums, above 0; under 1 for a contraction.

    Returns:
        ``module``, with a parametrization registered.

    Raises:
        TypeError, ValueError: no such tensor, or neither matrix nor convolution.
    """
    kernel = _checked(module, name, limit)
    parametrize.register_parametrization(module, name, _RowBound(limit, kernel))
    return module


def norm_bound(matrix: Tensor) -> Tensor:
    """Upper bound on the largest singular value, differentiable, by products of matrices alone.

    ‖W‖₂ = ‖(WWᴴ)^q‖₂^(1/2q) ≤ ‖(WWᴴ)^q‖_F^(1/2q) with q = 2^:data:`SQUARINGS`: the Gram iteration of B. Delattre et al.,
    *Efficient bound of Lipschitz constant for convolutional layers by Gram iteration*, ICML 2023.

    Args:
        matrix: ``[..., O, I]``, real or complex.

    Returns:
        ``[...]``, in float32 at least.
    """
    tiny = torch.finfo(torch.float32).tiny
    with torch.autocast(matrix.device.type, enabled=False):
        a = matrix.to(torch.promote_types(matrix.dtype, torch.float32))
        scale = a.detach().abs().amax(dim=(-2, -1), keepdim=True).clamp_min(tiny)  # squares neither over- nor underflow
        a = a / scale
        gram = a @ a.mH if a.shape[-2] <= a.shape[-1] else a.mH @ a
        logarithm = torch.zeros_like(scale[..., 0, 0])
        for k in range(SQUARINGS + 1):
            if k > 0:
                gram = gram @ gram
            length = torch.linalg.matrix_norm(gram).clamp_min(tiny)
            logarithm = logarithm + length.log() / 2 ** (k + 1)
            gram = gram / length[..., None, None]
        return scale[..., 0, 0] * logarithm.exp()


def convolution_bound(kernel: Tensor, groups: int = 1) -> Tensor:
    """Upper bound on the spectral norm of a convolution, zero-padded or circular, of any stride and dilation.

    It is that of the transfer function (H. Sedghi et al., *The singular values of convolutional layers*, ICLR 2019): a
    trigonometric polynomial, of degree m = k // 2 in a direction with k taps. Its maximum over a grid of n points a
    period is at least cos(πm/n) of the true one (H. Ehlich and K. Zeller, *Math. Z.* 86, 41, 1964); here n = 12 m.

    Args:
        kernel: ``[O, I / groups, taps...]``, or ``[I, O / groups, taps...]`` of a transposed one.
        groups: of the convolution.
    """
    taps = kernel.shape[2:]
    split = kernel.unflatten(0, (groups, -1)).to(torch.promote_types(kernel.dtype, torch.float32))
    grid = [OVERSAMPLING * (k // 2) or 1 for k in taps]
    transfer = torch.fft.rfftn(split, s=grid, dim=tuple(range(3, 3 + len(taps))))  # the other half: complex conjugates
    matrices = transfer.flatten(start_dim=3).permute(0, 3, 1, 2).flatten(end_dim=1)
    with torch.no_grad():
        largest = norm_bound(matrices).argmax().view(1)
    # Gradients pass the largest alone, so that the tape does not hold the powers of all the others.
    slack = math.cos(math.pi / OVERSAMPLING) ** sum(k > 1 for k in taps)
    return norm_bound(matrices.index_select(0, largest))[0] / slack


class _KernelLayout(NamedTuple):
    """How a convolution's kernel is laid out."""

    groups: int
    transposed: bool


class _Bound(nn.Module):
    """A parametrization that scales a weight by at most 1."""

    def __init__(self, limit: float, kernel: _KernelLayout | None) -> None:
        super().__init__()
        self.limit, self.kernel = float(limit), kernel

    def forward(self, weight: Tensor) -> Tensor:
        return held(self, weight, lambda: self._bounded(weight))

    def _bounded(self, weight: Tensor) -> Tensor:
        size = self.size(weight)
        return (weight * (self.limit / size.clamp_min(self.limit))).to(weight.dtype)

    def size(self, weight: Tensor) -> Tensor:
        """What must not exceed the limit, shaped to be broadcast over the weight."""
        raise NotImplementedError

    def right_inverse(self, weight: Tensor) -> Tensor:
        """An assigned weight is stored as it is, and seen scaled down if it exceeds the limit."""
        return weight

    def extra_repr(self) -> str:
        return f"limit={self.limit:g}"


class _NormBound(_Bound):
    def size(self, weight: Tensor) -> Tensor:
        return norm_bound(weight) if self.kernel is None else convolution_bound(weight, self.kernel.groups)


class _RowBound(_Bound):
    def size(self, weight: Tensor) -> Tensor:
        groups, transposed = self.kernel or _KernelLayout(1, False)
        split = weight.unflatten(0, (groups, -1)).abs()  # [groups, O or I a group, the other, taps...]
        wide = torch.promote_types(weight.dtype, torch.float32)
        sums = split.sum(dim=[1 if transposed else 2, *range(3, split.dim())], keepdim=True, dtype=wide)
        return sums.expand(-1, split.shape[1], -1, *sums.shape[3:]).flatten(end_dim=1)


def _checked(module: nn.Module, name: str, limit: float) -> _KernelLayout | None:
    """The layout of a convolution's kernel, None for a matrix; refuses everything else."""
    require_number("limit", limit, above=0)
    if not isinstance(module, nn.Module):
        raise TypeError(f"a bound needs the module that holds the weight, not {type(module).__name__}")
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        known = [key for key, _ in module.named_parameters(recurse=False)]
        raise ValueError(f"{type(module).__name__} has no tensor {name!r}; {did_you_mean(name, known)}")
    if isinstance(module, _ConvNd) and name == "weight":
        return _KernelLayout(module.groups, isinstance(module, _ConvTransposeNd))
    if weight.dim() != 2:
        raise ValueError(
            f"{name!r} of {type(module).__name__} has shape {tuple(weight.shape)}; a bound needs a matrix [O, I], "
            "or the weight of a convolution module such as nn.Conv2d"
        )
    return None


def _checked_norm(module: nn.Module, name: str, limit: float) -> _KernelLayout | None:
    """The same; refuses convolutions whose padding can expand distances, too."""
    kernel = _checked(module, name, limit)
    padding = getattr(module, "padding_mode", "zeros")
    if kernel and padding not in ("zeros", "circular"):
        raise ValueError(
            f"the norm of a convolution with padding_mode={padding!r} has no such bound; "
            "use 'zeros' or 'circular', or bound_rows, which allows every padding"
        )
    if padding == "circular" and _repeats(module):
        raise ValueError(
            f"circular padding={module.padding} gives more outputs than inputs, some of them twice; "
            "use padding='same', or bound_rows"
        )
    return kernel


def _is_bounded(module: nn.Module) -> bool:
    """Whether a layer's weight has a bound."""
    known = getattr(module, "parametrizations", {})
    return "weight" in known and any(isinstance(each, _Bound) for each in known["weight"])


def _repeats(module: Any) -> bool:
    """Whether a circular convolution, or a module with the attributes of one, pads more than keeps the size."""
    if isinstance(module.padding, str):
        return False
    pads = zip(module.padding, module.dilation, module.kernel_size)
    return any(2 * padding > dilation * (taps - 1) for padding, dilation, taps in pads)


class MonotoneLinear(nn.Module):
    """z ↦ z Wᵀ with W = (1 − m) I − AᵀA + B − Bᵀ, A and B free: I − W is m-strongly monotone throughout training (E.
    Winston and J. Z. Kolter, *Monotone operator equilibrium networks*, NeurIPS 2020, proposition 1).

    Then z = relu(W z + x) has exactly one solution, even where ‖W‖ is far above 1. Its own iteration may still diverge;
    :class:`MonotoneCell` has one that does not.

    Args:
        width: D.
        margin: m, above 0.

    Shape:
        ``[..., D]`` → ``[..., D]``.
    """

    def __init__(self, width: int, margin: float = 0.1) -> None:
        super().__init__()
        require_count("width", width)
        require_number("margin", margin, above=0)
        self.width, self.margin = width, float(margin)
        scale = (3 * width) ** -0.5
        self.damping = nn.Parameter(scale * torch.randn(width, width))
        self.turning = nn.Parameter(scale * torch.randn(width, width))

    def matrix(self) -> Tensor:
        """W, ``[D, D]``."""
        A, B = self.damping, self.turning
        diagonal = torch.eye(self.width, dtype=A.dtype, device=A.device) * (1 - self.margin)
        with torch.autocast(A.device.type, enabled=False):  # rounded products would break what step() promises
            return diagonal - A.T @ A + B - B.T

    @torch.no_grad()
    def step(self) -> tuple[Tensor, Tensor]:
        """The length α of a forward step that provably contracts, and the factor ρ it contracts by.

        For M = I − W with symmetric part S ≥ m, ‖S‖ ≤ λ, and skew part K, ‖K‖ ≤ κ,

            ‖(I − αM) v‖² = ‖v‖² − 2α ⟨v, Sv⟩ + α² ‖Mv‖²  ≤  (1 − 2αm + α²c) ‖v‖²

        holds with c = ‖M‖² (any α), and, since ‖Mv‖² ≤ (1 + t) λ ⟨v, Sv⟩ + (1 + 1/t) κ² ‖v‖² with t = κ / √(mλ), also
        with c = (√(mλ) + κ)² as long as α (1 + t) λ ≤ 2. The best step is α = m / c (which meets that), where ρ² = 1 − m²
        / c. The smaller c is taken.
        """
        symmetric = self.margin + norm_bound(self.damping).square()
        skew = norm_bound(self.turning - self.turning.T)
        identity = torch.eye(self.width, dtype=self.damping.dtype, device=self.damping.device)
        whole = norm_bound(identity - self.matrix())
        c = torch.minimum(whole, (self.margin * symmetric).sqrt() + skew).square()
        return self.margin / c, (1 - self.margin**2 / c).clamp_min(0).sqrt()

    def forward(self, z: Tensor) -> Tensor:
        """Multiplies each state by W."""
        return z @ held(self, self.damping, self.matrix).T

    def extra_repr(self) -> str:
        """Shown by print(layer)."""
        return f"width={self.width}, margin={self.margin:g}"


class MonotoneCell(nn.Module):
    """z ← relu((1 − α) z + α (W z + x)), a contraction whose fixed point is that of z = relu(W z + x), W monotone.

    This is forward-backward splitting (Winston and Kolter, NeurIPS 2020): relu is the proximal operator of z ≥ 0,
    for every α, and does not expand distances, so the cell contracts by the ρ < 1 of :meth:`MonotoneLinear.step` in the
    Euclidean norm, whatever the weights. ρ nears 1 where m is small beside them. To bound it too, bound A and B:
    ``bound_norm(bound_norm(cell.linear, "damping", 1.5), "turning", 1.0)`` holds ρ² ≤ 1 − m² / (√(m² + 2.25 m) + 2)².

    Args:
        width: D.
        margin: m, above 0.

    Shape:
        state and input ``[..., D]``; the input is added as it is, so put its ``nn.Linear`` before the layer.
    """

    def __init__(self, width: int, margin: float = 0.1) -> None:
        super().__init__()
        self.linear = MonotoneLinear(width, margin)

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """One evaluation."""
        # A constant to gradients: the fixed point does not depend on α.
        alpha = held(self, self.linear.damping, lambda: self.linear.step()[0]).to(z.dtype)
        return torch.relu(z + alpha * (self.linear(z) + x - z))

    def rate(self) -> float:
        """Factor by which one evaluation contracts distances at least, below 1 (but for rounding)."""
        return float(self.linear.step()[1])
