"""The equilibrium layer of our networks, solved and differentiated by torchdeq 0.1.0 (Geng and Kolter 2023).

    network.equilibrium = TorchdeqCore(network.equilibrium.cell, f_solver="anderson", f_tol=1e-3)

Everything around the solve stays: encoder, cell, parameters under the same names, head, trainer. The gradient is the
library's own by the implicit function theorem (``ift=True``).

How a ragged batch is shown to torchdeq. Its solvers take ``[samples, …]``, mix each sample with weights of its own, stop all
when the worst is below the tolerance, and know no offsets. Three ways are open:

- ``"structures"``, the default: ``[B, R_max, D]``, a structure a sample, as torchdeq is meant; rows that a structure lacks are
  zeros, which change no norm and no product. The weights and the criterion are those of our layer, so this is the fair one
  for evaluations and answers; mixing passes over the padding too (the cell never does), which costs it time where sizes differ.
- ``"batch"``: ``[1, R, D]``, all rows one sample. No padding, so the fair one for seconds a mixing step; but one set of weights
  serves all structures, and the criterion is the batch's: a small structure may be left far from its fixed point.
- ``"rows"``: ``[R, D]``, an atom a sample. Weights of its own for each atom, as if atoms did not hear each other: it is no
  extrapolation of the coupled system any more. Here to be measured, not to be compared with.

torchdeq regularizes its least squares by an absolute 1e-4, which the library does not let a layer change in the backward
pass. Adjoints are as small as the gradient of the loss: where their squares are under that, its backward Anderson takes plain
averages over the window and is slower than forward iteration, torchdeq's own default (``b_solver="fixed_point_iter"``). On 64
of the embedded crystals (trained conduction network, tolerances 1e-3 and 1e-2, ``"structures"``) it took 7 evaluations forward
and, backward, 15 with its Anderson, 6 with forward iteration; ours 7 and 4. A comparison should say which was taken.

At equal tolerance torchdeq's answers are the more exact ones: it returns f(z) where z met the tolerance, after the worst
structure has, and one recorded evaluation more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchdeq import get_deq

from andersonn.solvers import FixedPoint, Status, Trace

SOLVERS = ("anderson", "broyden", "fixed_point_iter")
SAMPLES = ("structures", "batch", "rows")


@dataclass(frozen=True)
class Named:
    """What answers name as the solver."""

    name: str


class TorchdeqCore(nn.Module):
    """Stands in for :class:`~andersonn.implicit.Equilibrium` in a network whose state is one tensor ``[R, D]``.

    Args:
        cell: as in Equilibrium; parameters have the same names, so state dicts load across.
        f_solver, b_solver: ``"anderson"``, ``"broyden"`` or ``"fixed_point_iter"``, of the forward and the adjoint problem.
        f_tol, b_tol: relative residuals at which they stop, by the worst sample (``stop_mode="rel"``).
        f_max_iter, b_max_iter: evaluations at most (Anderson makes three at least).
        samples: what a sample is to torchdeq: see the module.

    Attributes:
        last: of the last forward solve: ``evaluations`` of the cell in the solver; ``residual`` of each structure by the one
            more evaluation that is recorded for the gradient (NaN without gradients: nobody made it), ``converged`` by it and
            ``f_tol``.
        last_adjoint: of the last backward pass: ``evaluations`` are products with the Jacobian in the solver, ``residual`` is
            torchdeq's own, of the sample that a structure was part of.
        recorded: evaluations of the cell with a tape since it was made; torchdeq makes two a step, our layer one.

    Raises:
        ValueError: unknown solvers or samples (torchdeq takes misspelt options without a word).
    """

    def __init__(
        self,
        cell: nn.Module,
        f_solver: str = "anderson",
        b_solver: str = "anderson",
        f_max_iter: int = 50,
        f_tol: float = 1e-3,
        b_tol: float = 1e-2,
        b_max_iter: int = 50,
        samples: Literal["structures", "batch", "rows"] = "structures",
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("f_solver", f_solver, SOLVERS),
            ("b_solver", b_solver, SOLVERS),
            ("samples", samples, SAMPLES),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        self.cell = cell
        self.deq = get_deq(
            core="indexing", ift=True, f_solver=f_solver, b_solver=b_solver, f_max_iter=f_max_iter, b_max_iter=b_max_iter,
            f_tol=f_tol, b_tol=b_tol, f_stop_mode="rel", b_stop_mode="rel",
        )  # fmt: skip
        self.f_tol, self.b_tol, self.samples = f_tol, b_tol, samples
        self.name = f"torchdeq-{f_solver}"
        self.solver = Named(self.name)
        self.last: FixedPoint | None = None
        self.last_adjoint: FixedPoint | None = None
        self.recorded = 0

    def forward(self, x: Any, z0: Tensor | None = None, offsets: Tensor | None = None, keys: None = None) -> Tensor:
        """Solves for z*, as :meth:`Equilibrium.forward`."""
        return self.solve(x, z0, offsets, keys)[0]

    def solve(
        self, x: Any, z0: Tensor | None = None, offsets: Tensor | None = None, keys: None = None
    ) -> tuple[Tensor, FixedPoint]:
        """z* ``[R, D]`` and the record of this solve, as :meth:`Equilibrium.solve`.

        Raises:
            ValueError: keys are given; torchdeq remembers no solutions.
        """
        if keys is not None:
            raise ValueError("keys name samples in a store of solutions, and torchdeq has none: give no keys")
        start = self.cell.initial(x) if z0 is None else z0.detach()
        view = View.of(self.samples, start, offsets)
        watched = _Watched(self, x, view)
        self.deq.train(torch.is_grad_enabled())  # in evaluation mode torchdeq gives no gradients
        (z, *_), info = self.deq(watched, view.pack(start), backward_writer=watched.backward)
        z = view.unpack(z)
        residual = watched.residual
        if residual is None:
            residual = torch.full((view.n,), torch.nan, dtype=torch.float64)
            met = view.of_structures(info["rel_lowest"]) <= self.f_tol
        else:
            met = residual <= self.f_tol
        self.last = _record(z.detach(), residual, met, watched.evaluations)
        return z, self.last

    def __getstate__(self) -> dict[str, Any]:
        """Copies leave the records of past solves behind."""
        return super().__getstate__() | {"last": None, "last_adjoint": None}


class View:
    """A ragged state ``[R, D]`` of B structures as torchdeq's samples, and back.

    Args:
        structure: structure of each row, int64 ``[R]``.
        n: B.
    """

    def __init__(self, structure: Tensor, n: int) -> None:
        self.structure, self.n = structure, n

    @staticmethod
    def of(samples: str, state: Tensor, offsets: Tensor | None) -> View:
        """The view by its name; without ``offsets`` each row is a structure, as for our solvers."""
        counts = torch.ones(len(state), dtype=torch.int64) if offsets is None else offsets.diff()
        structure = torch.repeat_interleave(torch.arange(len(counts), device=state.device), counts.to(state.device))
        if samples == "structures":
            return _Padded(structure, counts.to(state.device))
        return (_Whole if samples == "batch" else View)(structure, len(counts))

    def pack(self, state: Tensor) -> Tensor:
        """``[R, D]`` → samples."""
        return state

    def unpack(self, packed: Tensor) -> Tensor:
        """Samples → ``[R, D]``."""
        return packed

    def of_structures(self, values: Tensor) -> Tensor:
        """The largest value of a structure's samples, float64 ``[B]`` on the CPU."""
        found = values.new_full((self.n,), -torch.inf).scatter_reduce(0, self.structure, values, "amax")
        return found.double().cpu()


class _Whole(View):
    def pack(self, state: Tensor) -> Tensor:
        return state.unsqueeze(0)

    def unpack(self, packed: Tensor) -> Tensor:
        return packed[0]

    def of_structures(self, values: Tensor) -> Tensor:
        return values.expand(self.n).double().cpu()


class _Padded(View):
    def __init__(self, structure: Tensor, counts: Tensor) -> None:
        super().__init__(structure, len(counts))
        first = torch.cumsum(counts, 0) - counts
        place = torch.arange(len(structure), device=structure.device) - first[structure]
        self.width = int(counts.max())
        self.slot = structure * self.width + place

    def pack(self, state: Tensor) -> Tensor:
        room = state.new_zeros(self.n * self.width, state.shape[1])
        return room.index_copy(0, self.slot, state).view(self.n, self.width, -1)

    def unpack(self, packed: Tensor) -> Tensor:
        return packed.flatten(0, 1).index_select(0, self.slot)

    def of_structures(self, values: Tensor) -> Tensor:
        return values.double().cpu()


class _Watched:
    """The map that torchdeq iterates, with accounts of one step: called without a tape it is inside the forward solver; with
    one, first at the end of the forward pass, then once more at the start of the backward pass.
    """

    def __init__(self, core: TorchdeqCore, x: Any, view: View) -> None:
        self.core, self.x, self.view = core, x, view
        self.evaluations, self.products = 0, 0
        self.residual: Tensor | None = None
        self.adjoint_residual: Tensor | None = None

    def __call__(self, packed: Tensor) -> Tensor:
        value = self.view.pack(self.core.cell(self.view.unpack(packed), self.x))
        if not torch.is_grad_enabled():
            self.evaluations += 1
            return value
        self.core.recorded += 1
        if self.residual is None:
            self.residual = self._judged(packed.detach(), value.detach())
            if value.requires_grad:
                value.register_hook(self._solved)
        elif value.requires_grad:
            value.register_hook(self._product)
        return value

    def backward(self, info: dict[str, Tensor]) -> None:
        """Takes down what torchdeq says about its backward solve."""
        self.adjoint_residual = self.view.of_structures(info["rel_lowest"])

    def _product(self, gradient: Tensor) -> None:
        self.products += 1

    def _solved(self, gradient: Tensor) -> None:
        """The gradient that arrives at the recorded evaluation is the adjoint."""
        met = self.adjoint_residual <= self.core.b_tol
        self.core.last_adjoint = _record(self.view.unpack(gradient.detach()), self.adjoint_residual, met, self.products)

    def _judged(self, packed: Tensor, value: Tensor) -> Tensor:
        """Relative residual of each structure, as our solvers define it."""
        before, after = self.view.unpack(packed).double(), self.view.unpack(value).double()
        norms = [self._norm(after - before), self._norm(after)]
        return torch.where(norms[0] == 0, 0.0, norms[0] / norms[1]).cpu()

    def _norm(self, state: Tensor) -> Tensor:
        squares = state.square().sum(dim=1)
        return squares.new_zeros(self.view.n).index_add(0, self.view.structure, squares).sqrt()


def _record(z: Tensor, residual: Tensor, met: Tensor, evaluations: int) -> FixedPoint:
    n = len(residual)
    status = torch.where(met, int(Status.CONVERGED), int(Status.MAX_STEPS)).to(torch.int8)
    if not torch.isfinite(z).all():
        status = torch.where(met, status, int(Status.NONFINITE)).to(torch.int8)
    nothing = Trace(torch.zeros(0, n, dtype=torch.float64), torch.zeros(0, dtype=torch.float64))
    return FixedPoint(z, status, residual, torch.full((n,), evaluations), evaluations, nothing)
