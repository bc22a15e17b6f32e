"""Broyden's method on an accelerator, where a step costs its launches: as few operations as torch allows.

The method is that of :mod:`~andersonn.solvers.broyden`. What is stored is not s_n but p_n = y_n s_n, with the pivot
y_n = 1 − c_{n−1}, so that the state takes the step and the division in one operation. With products G_jk = ⟨p_j, p_k⟩ and
D_j = G_jj / y_j, the weights x_k of p_k in p_n = r + Σ_{0<k<n} x_k p_k solve the triangular system

    D_j x_{j+1} − Σ_{0<k≤j+1} G_jk x_k = ⟨p_j, r⟩,  j < n − 1,  and  D_{n−1} c_{n−1} − Σ_{0<k<n} G_{n−1,k} x_k = ⟨p_{n−1}, r⟩.

The residual is written to slot n of the memory, where p_n replaces it. One batched product of the last three slots with all
has the new rows of G, and ⟨p_j, r⟩ as its row n. Steps that a sample has forgotten get a diagonal so large that their weights
vanish.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.device_window import LEAST_DIAGONAL
from andersonn.solvers.layout import Block, Layout
from andersonn.solvers.safeguard import Safeguard, SafeguardedStepper
from andersonn.solvers.solver import Evaluation

LEAST_PIVOT = 1e-4
"""Of 1 − c_{n−1}: below it the update is singular up to the rounding of products in single precision, and the sample restarts
with a Picard step. Rotations and non-normal maps pass through pivots of some 1e-3, which restarts would waste."""
FIRST_STEPS = 16
"""Steps that memory is allocated for at first; as much again is added when they are used up."""
FORGOTTEN = {torch.float64: 1e300, torch.float32: 1e30}
"""The diagonal of forgotten steps, by the dtype of the small systems."""


class DeviceBroydenStepper(SafeguardedStepper):
    """Broyden's steps of a state on an accelerator.

    Args:
        size: steps that it keeps; it restarts when they are as many.
        safeguard: when a sample forgets its steps, or None.
        layout, like: of the state, float32 or float64.
        late: whether it sees all norms, read one evaluation late.

    Attributes:
        memory: p_0 … p_{n−1} and the latest residual, ``[capacity + 1, R, D]``. Its last slot takes f's value beside the
            residual, as the loop writes both in one operation.
        products: G, ``[B, capacity, capacity]``.
        diagonal: D_j in row j, column j + 1, at least :data:`LEAST_DIAGONAL`; zeros elsewhere. Same shape.
        pivot: y of the latest step, ``[B, 1]``.
    """

    def __init__(
        self, size: int, safeguard: Safeguard | None, layout: Layout, like: Tensor, late: bool = False
    ) -> None:
        self.layout, self.safeguard, self.size, self.like, self.late = layout, safeguard, size, like, late
        self.n, self.capacity = 0, min(FIRST_STEPS, size)
        with torch.inference_mode(False):
            self._allocate(like)
        self._make_tables()
        self._find_place()

    def _allocate(self, like: Tensor) -> None:
        layout = self.layout
        kind: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
        self.memory = torch.empty(self.capacity + 1, layout.rows, layout.width, **kind)
        by_sample = layout.lengths is None  # products of rows are those of samples, and are written in place
        kind["dtype"] = like.dtype if by_sample else layout.exact
        self.products = torch.zeros(layout.samples, self.capacity, self.capacity, **kind)
        kind["dtype"] = layout.exact
        self.diagonal = torch.zeros(layout.samples, self.capacity, self.capacity, **kind)
        self.sound = torch.empty(layout.samples, 1, **kind)  # 1, or 0 where the pivot is singular
        self._clear_diagonal(0)
        self.pivot = torch.ones(layout.samples, 1, dtype=like.dtype, device=like.device)

    def _make_tables(self) -> None:
        """Signs of the products in the system, 0 where D_{n−1} stands alone; and weights of a Picard step, pivot last. Those of
        n steps are views of these.
        """
        n = self.capacity
        self.signs = self.diagonal.new_full((n + 1, n + 1), -1.0)
        self.signs[n - 1, n].zero_()
        self.picard = self.diagonal.new_zeros(1, n)
        self.picard[:, n - 1].fill_(1.0)

    def _find_place(self) -> None:
        pair = self.memory[self.n :: self.capacity - self.n][:2]
        self.place = self.layout.block(pair[0], pair)

    def advance(self, now: Evaluation, out: Block) -> Block:
        """The quasi-Newton step."""
        n, p = self.n, self.memory[self.n]
        if now.r is not self.place:
            p.copy_(now.r.t)
        exceeding = None if self.safeguard is None else self.safeguard.exceeding(now.norms[:, 0])
        if exceeding is not None:
            self._forget(exceeding)
        if n == 0:
            torch.add(now.z.t, p, out=out.t)
        else:
            self._measure(n)
            weights = self.layout.to_rows(self._solve(n))
            if n > 1:
                earlier = self.memory[1:n].transpose(0, 1)
                p.unsqueeze(1).baddbmm_(weights[:, : n - 1].unsqueeze(1), earlier, alpha=-1.0)
            torch.addcdiv(now.z.t, p, weights[:, n - 1 :], out=out.t)
        self._make_room()
        return out

    def _measure(self, n: int) -> None:
        """Takes the latest step and the residual into G, and the step into D."""
        first = max(n - 2, 0)
        latest, rows = self.memory[first : n + 1].transpose(0, 1), self.products[:, first : n + 1, : n + 1]
        everything = self.memory[: n + 1].permute(1, 2, 0)
        if self.layout.lengths is None:
            torch.bmm(latest, everything, out=rows)
        else:
            rows.copy_(self.layout.to_samples(torch.bmm(latest, everything)))
        self.diagonal[:, n - 1, n : n + 1].addcdiv_(self.products[:, n - 1, n - 1 : n], self.pivot)

    def _solve(self, n: int) -> Tensor:
        """−x_1 … −x_{n−1} and the pivot, ``[B, n]``: zeros and 1, a Picard step, where the pivot is singular."""
        start = self.capacity - n
        signs = self.signs[start:, start:]
        system = torch.addcmul(self.diagonal[:, : n + 1, : n + 1], self.products[:, : n + 1, : n + 1], signs)
        right = system[:, n, :n].unsqueeze(2)
        x = torch.linalg.solve_triangular(system[:, :n, 1:], right, upper=False).squeeze(2)
        if self.careful:
            x.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
        # The pivot is y = 1 + x_n, and x_n + x_n² / 2 = (y² − 1) / 2.
        square = torch.addcmul(x[:, n - 1 :], x[:, n - 1 :], x[:, n - 1 :], value=0.5)
        torch.gt(square, 0.5 * LEAST_PIVOT**2 - 0.5, out=self.sound)
        self._superdiagonal(n).div_(self.sound)  # infinite: forgotten
        weights = self.memory.new_empty(x.shape)
        torch.addcmul(self.picard[:, start:], x, self.sound, out=weights)
        self.pivot = weights[:, n - 1 :]
        return weights

    def forget(self, samples: np.ndarray) -> None:
        """Forgets all steps of these samples so far."""
        self._forget(torch.from_numpy(samples).to(self.memory.device))

    def _forget(self, samples: Tensor) -> None:
        """Of the samples in a mask ``[B]`` or ``[B, 1]``, all steps so far."""
        self._superdiagonal(self.n).add_(samples.view(-1, 1), alpha=FORGOTTEN[self.diagonal.dtype])

    def _superdiagonal(self, end: int, start: int = 0) -> Tensor:
        """D of the steps from ``start`` on, ``[B, end - start]``."""
        return self.diagonal.diagonal(1, 1, 2)[:, start:end]

    def _clear_diagonal(self, start: int) -> None:
        """D of the steps from ``start`` on, as if there were none."""
        self._superdiagonal(self.capacity - 1, start).fill_(LEAST_DIAGONAL[self.diagonal.dtype, self.memory.dtype])

    def _make_room(self) -> None:
        """For the next residual and step."""
        self.n += 1
        if self.n == self.size:
            self.n = 0
            self._clear_diagonal(0)
            self.pivot = torch.ones_like(self.pivot)
        elif self.n == self.capacity:
            self._grow(min(2 * self.capacity, self.size))
        self._find_place()

    def _grow(self, capacity: int) -> None:
        """Makes room for so many steps."""
        n, self.capacity = self.capacity, capacity
        with torch.inference_mode(False):
            memory = self.memory.new_empty(capacity + 1, *self.memory.shape[1:])
            products, diagonal = (
                each.new_zeros(len(each), capacity, capacity) for each in (self.products, self.diagonal)
            )
        memory[:n] = self.memory[:n]
        products[:, :n, :n], diagonal[:, :n, :n] = self.products, self.diagonal
        self.memory, self.products, self.diagonal = memory, products, diagonal
        self._clear_diagonal(n - 1)
        self._make_tables()

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        self.layout = layout
        self.memory = self.memory.index_select(1, rows)
        self.products, self.diagonal, self.pivot, self.sound = (
            each.index_select(0, samples) for each in (self.products, self.diagonal, self.pivot, self.sound)
        )
        if self.safeguard is not None:
            self.safeguard.compact(samples)
        self._find_place()
