"""The window of Anderson extrapolation on an accelerator, where a step costs its launches: as few operations as torch allows.

A ring of m + 1 slots holds m pairs of differences (ΔF, ΔG) and the latest pair (r, g), which the solver's loop writes there. A
step turns the pair before into a difference, in place; one batched product of the ring's first halves with themselves has both the Gram
matrix and the projections; and one system a sample, of all slots, gives the weights of the combination. The slot q of the
latest pair takes part in that system as

    [ G + ridge diag G   K p ] [ −γ  ]   [  0  ]
    [        0            1  ] [ 1/K ] = [ 1/K ]

so that no operation has to take G and p out of the product. K is so large that the latest g, which the combination adds to itself with
weight 1/K, is unchanged by it. Slots that are empty have zeros; those that a sample has forgotten get a diagonal so large that their
weight vanishes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from andersonn.solvers.layout import Block, Layout
from andersonn.solvers.window import Window

DTYPES = (torch.float32, torch.float64)
"""Dtypes of states: products of half precision need a wider one than the ring's."""
SCALES = {torch.float64: (1e20, 1e300), torch.float32: (1e12, 1e30)}
"""K and the diagonal of forgotten slots, by the dtype of the small systems."""
LEAST_DIAGONAL = {
    (torch.float64, torch.float64): 1e-307,
    (torch.float64, torch.float32): 1e-44,
    (torch.float32, torch.float32): 1e-37,
}
"""That of empty slots, by the dtypes of the small systems and of the ring: what its products hardly resolve, so that weights
are finite where products vanish."""
MOST_FUSED = 32
"""Slots of the largest system that the fused kernel solves."""


class Tables(NamedTuple):
    """What the systems have beside the products, for each slot q of the latest pair.

    Attributes:
        scale: factors of the products, ``[n, n, n]``.
        constant: added to them, ``[n, n, n]``.
        forget: from the slots at which a sample forgot its past to what is added for that, ``[n, n, n²]``.
        unit: right-hand sides, ``[n, n]``.
    """

    scale: Tensor
    constant: Tensor
    forget: Tensor
    unit: Tensor


@lru_cache(maxsize=32)
def tables_of(n: int, ridge: float, exact: torch.dtype, dtype: torch.dtype, device: torch.device) -> Tables:
    """For so many slots of a ring of ``dtype``, systems in ``exact``; made on the host, and kept, so that only the first solve
    copies them to the device.
    """
    (many, forgotten), empty = SCALES[exact], LEAST_DIAGONAL[exact, dtype]
    eye = torch.eye(n, dtype=torch.float64, device="cpu")
    scale, constant = (1.0 + ridge * eye).repeat(n, 1, 1), (empty * eye).repeat(n, 1, 1)
    forget = eye.new_zeros(n, n, n, n)
    for q in range(n):
        scale[q, :, q], scale[q, q], constant[q, q, q] = many, 0.0, 1.0
        for back in range(
            1, n
        ):  # the difference in slot q − back has been there since slot q − back + 1 was the latest
            column = (q - back) % n
            for since in range(back):
                forget[q, (q - since) % n, column, column] = forgotten
    parts = (scale, constant, forget.reshape(n, n, n * n), eye / many)
    return Tables(*(part.to(exact).to(device) for part in parts))


@lru_cache
def fused_weights(device: str) -> Callable[[Tensor, Tensor, Tensor, Tensor, torch.dtype], Tensor] | None:
    """:func:`~andersonn.solvers.fused.weights`, on CUDA where ``ANDERSONN_TRITON`` is 1; None elsewhere.

    Raises:
        ImportError: Triton is not installed.
    """
    if device != "cuda" or os.environ.get("ANDERSONN_TRITON") != "1":
        return None
    from andersonn.solvers.fused import weights  # Triton is optional

    return weights


def _weights(products: Tensor, scale: Tensor, constant: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """As :func:`~andersonn.solvers.fused.weights`, in torch, but what is not finite stays."""
    systems = torch.addcmul(constant, products, scale)
    found, _ = torch.linalg.solve_ex(systems, right.expand(len(products), -1).unsqueeze(2))
    return found.squeeze(2).to(dtype)


class DeviceWindow(Window):
    """The last m differences of residuals and values of a state on an accelerator, of least squares (type II), undamped.

    Args:
        size: m.
        layout, like: of the state, float32 or float64.

    Attributes:
        places: the slots, as blocks of their residuals.
        last: the slot of the residual that the next difference is taken from.
        careful: whether weights that are not finite are looked for, and replaced.
    """

    careful = True

    def __init__(self, size: int, layout: Layout, like: Tensor) -> None:
        self.layout, self.size, self.last = layout, size, -1
        kind: dict[str, Any] = {"device": like.device}
        self.ring = torch.zeros(size + 1, 2, layout.rows, layout.width, dtype=like.dtype, **kind)
        kind["dtype"] = layout.exact
        self.grown = torch.zeros(size + 1, layout.samples, **kind)  # whether a sample forgot its past then, by slot
        self.marked: set[int] = set()  # slots with such samples
        self.copied: Block | None = None
        self._find_places()

    def _find_places(self) -> None:
        self.places = [self.layout.block(pair[0], pair) for pair in self.ring]

    def place_after(self, before: tuple[Block, Block] | None) -> Block:
        """Where the residual (and value) after those go; the loop writes them there in an operation that it makes anyway."""
        return self.places[0 if before is None else (self._slot(*before) + 1) % len(self.places)]

    def _slot(self, r: Block, g: Block) -> int:
        """Where these are; copied there if they were not written there, in a window begun in the course of a solve."""
        if r in self.places:
            self.last = self.places.index(r)
        elif r is not self.copied:
            self.last, self.copied = (self.last + 1) % len(self.places), r
            torch.stack([r.t, g.t], out=self.ring[self.last])
        return self.last

    def push(self, r_before: Block, r: Block, g_before: Block, g: Block) -> None:
        """Adds the newest differences in place of the oldest."""
        before = self.ring[self._slot(r_before, g_before)]
        torch.sub(self.ring[self._slot(r, g)], before, out=before)
        if self.last in self.marked:  # what was forgotten then has left the ring
            self.grown[self.last].zero_()
            self.marked.remove(self.last)
        self.pushed += 1

    def forget(self, samples: Tensor) -> None:
        """Forgets the past of some samples, a mask ``[B]``."""
        torch.maximum(self.grown[self.last], samples, out=self.grown[self.last])
        self.marked.add(self.last)

    def clear(self) -> None:
        """Forgets the past of all samples."""
        self.pushed = 0
        self.grown[self.last].fill_(1.0)
        self.marked.add(self.last)

    def coefficients(self, ridge: float, max_condition: float | None = None) -> Tensor:
        """Weights of the slots' second halves in the combination, ``[B, m + 1]``: −γ, and 0 for that of the latest value. All 0, a
        Picard step, where products overflow, if it is ``careful``.
        """
        q, layout = self.last, self.layout
        tables = tables_of(self.size + 1, ridge, layout.exact, self.ring.dtype, self.ring.device)
        residuals = self.ring[:, 0].transpose(0, 1)
        products = torch.bmm(residuals, residuals.transpose(1, 2))
        if layout.lengths is not None:
            products = layout.to_samples(products)
        scale, constant = tables.scale[q], tables.constant[q]
        if self.marked:
            flat = torch.addmm(constant.view(1, -1), self.grown.T, tables.forget[q])
            constant = flat.view(layout.samples, *constant.shape)
        solve = fused_weights(self.ring.device.type) if len(scale) <= MOST_FUSED else None
        if solve is not None:
            return solve(products, scale, constant, tables.unit[q], self.ring.dtype)
        weights = _weights(products, scale, constant, tables.unit[q], self.ring.dtype)
        return weights.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0) if self.careful else weights

    def extrapolate(self, gamma: Tensor, g: Block, out: Block) -> None:
        """``out = g − Σ γ_i ΔG_i``, row by row."""
        by_row = self.layout.to_rows(gamma).unsqueeze(1)
        torch.baddbmm(g.t.unsqueeze(1), by_row, self.ring[:, 1].transpose(0, 1), out=out.t.unsqueeze(1))

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        self.layout, self.ring = layout, self.ring.index_select(2, rows)
        self.grown = self.grown.index_select(1, samples)
        self._find_places()
