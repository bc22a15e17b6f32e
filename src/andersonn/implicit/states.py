"""States on the way to a fixed point, for losses on them: fixed-point correction.

S. Bai, Z. Geng, Y. Savani and J. Z. Kolter, *Deep equilibrium optical flow estimation*, CVPR 2022: a loss on some states of the
forward solve, beside that on the last one, to make training stable and early states good.

The states are recorded where the solver calls the map, so solvers know nothing of it, and a solve without a recorder is the same
as before.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from andersonn.implicit.bound_cell import BoundCell, SubsettableBoundCell
from andersonn.solvers import GMRES, FixedPoint, Layout, NewtonKrylov, Solver, Status
from andersonn.solvers.options import require_count, require_number


class _Kept(NamedTuple):
    """A state as it was evaluated ``[r, …]``, where it and the cell's value are finite, and which rows of the whole batch these
    are, or None: all.
    """

    state: Tensor
    finite: Tensor
    rows: Tensor | None


class StateRecorder:
    """Keeps the states of certain evaluations of one solve.

    Args:
        at: which evaluations, increasing from 1 on.
        solver: that will solve.

    Attributes:
        states: the states after those evaluations, once the solve has ended; None before.

    Raises:
        TypeError, ValueError: ``at`` is no such sequence, or the solver evaluates at other points than its states.
    """

    def __init__(self, at: Sequence[int], solver: Solver) -> None:
        if isinstance(solver, GMRES | NewtonKrylov):
            raise TypeError(
                f"{solver.name} evaluates f at other points than its states, so none can be recorded; give the layer Anderson, "
                "Broyden or FixedPointIteration, or call it without states"
            )
        self.at = tuple(at)
        for n in self.at:
            require_count("at", n)
        if not self.at or any(late <= early for early, late in zip(self.at, self.at[1:], strict=False)):
            raise ValueError(f"at must name evaluations in increasing order, such as (2, 4), not {at!r}")
        self.kept: dict[int, _Kept] = {}
        self.states: list[Any] | None = None

    def watch(self, f: BoundCell, start: Tensor) -> Callable[[Tensor], Tensor]:
        """The map of a solve from the state ``start``, watched; it can leave samples out if f can."""
        if 1 in self.at:  # not at the first evaluation itself, whose cost a solver may count
            state = start.detach().clone()
            self.kept[1] = _Kept(state, state.isfinite(), None)
        return (_SubsettableWatchedMap if hasattr(f, "subset") else _WatchedMap)(self, f)

    def finish(self, f: BoundCell, solution: FixedPoint, offsets: Tensor | None) -> None:
        """Applies the map to the states kept, recording gradients if they are recorded now."""
        values = [f(self._whole(n, solution, offsets)) for n in self.at]
        self.states = values if f.tree is None else [f.tree.unpack(value) for value in values]

    def _whole(self, n: int, solution: FixedPoint, offsets: Tensor | None) -> Tensor:
        """The state of evaluation n; of samples that had stopped, and where it is not finite, that of the solution."""
        layout, kept = Layout(solution.z, offsets), self.kept.get(n)
        z = layout.flat(solution.z.detach()).clone()
        if kept is not None:  # else the solve was over
            status = solution.status
            going = (status == Status.MAX_STEPS) | (status == Status.OUT_OF_TIME) | (solution.steps >= n - 1)
            rows = torch.arange(layout.rows, device=z.device) if kept.rows is None else kept.rows
            unfit = torch.zeros(layout.rows, device=z.device)
            unfit[rows] = (~kept.finite).reshape(len(rows), layout.width).any(dim=1).to(unfit)
            fit = layout.to_rows(going & (layout.to_samples(unfit) == 0))[rows]
            z[rows[fit]] = kept.state.reshape(len(rows), layout.width)[fit]
        return z.view(solution.z.shape)


class _WatchedMap:
    """A map that counts its calls and lets a recorder keep the states of some of them."""

    def __init__(self, recorder: StateRecorder, f: BoundCell) -> None:
        self.recorder, self.f, self.calls = recorder, f, 0
        self.rows: Tensor | None = None  # of the whole batch; None: all

    def __call__(self, z: Tensor) -> Tensor:
        self.calls += 1
        value = self.f(z)
        if self.calls > 1 and self.calls in self.recorder.at:
            self.recorder.kept[self.calls] = _Kept(z.clone(), (value - z).isfinite(), self.rows)
        return value

    def cost_key(self) -> tuple[Any, tuple[Any, ...]]:
        """That of the map."""
        return self.f.cost_key()


class _SubsettableWatchedMap(_WatchedMap):
    f: SubsettableBoundCell

    def subset(self, samples: Tensor, rows: Tensor) -> _SubsettableWatchedMap:
        part = copy.copy(self)
        part.f = self.f.subset(samples, rows)
        part.rows = rows if self.rows is None else self.rows[rows]
        return part


def correction_loss(states: Sequence[Any], loss: Callable[[Any], Tensor], gamma: float = 0.8) -> Tensor:
    """Fixed-point correction: Σ_k γ^(n − 1 − k) loss(z_k), a scalar, over n states; the last one has the weight 1.

    S. Bai, Z. Geng, Y. Savani and J. Z. Kolter, *Deep equilibrium optical flow estimation*, CVPR 2022.

    Args:
        states: those of :meth:`andersonn.Equilibrium.states`, from early to late.
        loss: state → scalar.
        gamma: γ in [0, 1]; 0: the last state alone.

    Returns:
        The weighted sum, in the units of ``loss``.

    Raises:
        ValueError: there is no state, or γ is none.

    Examples:
        >>> import torch
        >>> import andersonn as an
        >>> layer = an.Equilibrium(lambda z, x: 0.5 * z + x, an.FixedPointIteration(rtol=1e-6))
        >>> states = layer.states(torch.ones(1, 1), at=(1, 2))  # 1, 1.5, and 2 in the limit
        >>> round(an.correction_loss(states, torch.sum, gamma=0.5).item(), 4)
        3.0
    """
    require_number("gamma", gamma, most=1)
    if not states:
        raise ValueError("correction_loss needs at least one state; give it those of layer.states(x, at=...)")
    terms = [gamma ** (len(states) - 1 - k) * loss(state) for k, state in enumerate(states)]
    return torch.stack(terms).sum()
