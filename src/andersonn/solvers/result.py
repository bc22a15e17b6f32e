"""What a solver returns: the state, and how each sample's solve ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Status(IntEnum):
    """How the solve of one sample ended."""

    CONVERGED = 0
    MAX_STEPS = 1
    NONFINITE = 2
    OUT_OF_TIME = 3
    UNJUDGED = 4
    """No solver gives it: an explicit stack of layers was applied, and no residual was measured."""

    @property
    def cure(self) -> str:
        """What to do about it."""
        return {
            Status.CONVERGED: "",
            Status.MAX_STEPS: "raise max_steps or loosen rtol; if the residual does not fall at all, the map may have "
            "no attracting fixed point (spectral radius ≥ 1): normalize or penalize the cell's Jacobian",
            Status.NONFINITE: "the iteration ran into NaN or infinity: scale the map or lower mixing; the best state "
            "before that is returned",
            Status.OUT_OF_TIME: "raise max_seconds or loosen rtol",
            Status.UNJUDGED: "",
        }[self]


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """What happened at each evaluation of f; row t belongs to the t-th.

    Attributes:
        residual: relative residual of every sample, float64 ``[T, B]`` on the CPU; a sample that has stopped keeps the value
            of the state it returned.
        seconds: time since the start of the solve, float64 ``[T]``. On an asynchronous device this is the time at which the
            work was queued, except at a check of ``check_every``, when it is known to be done.
    """

    residual: Tensor
    seconds: Tensor

    def __repr__(self) -> str:
        evaluations, samples = self.residual.shape
        return f"Trace({evaluations} evaluations, {samples} samples, {float(self.seconds[-1]):.3g} s)"

    def _repr_html_(self) -> str:
        from andersonn.solvers.trace_plot import html_of

        return html_of(self.residual, repr(self))

    def plot(self, ax: Axes | None = None, lines: int = 12) -> Axes:
        """Draws residuals against evaluations, the residual axis logarithmic; needs matplotlib.

        Args:
            ax: matplotlib axes to draw in; None: those of a new figure.
            lines: samples at most that are drawn as a line each; of more, the median and bands of the middle half and of
                all. A line ends where its sample has stopped. Residuals that are zero have no place on the axis.

        Returns:
            The axes.

        Examples:
            >>> import torch
            >>> import andersonn as an
            >>> trace = an.fixed_point(torch.cos, torch.zeros(2, 3), an.Anderson(rtol=1e-6)).trace
            >>> trace.plot().get_xlabel()
            'evaluations of f'
        """
        from andersonn.solvers.trace_plot import draw

        return draw(self.residual, ax, lines)


@dataclass(frozen=True, eq=False, repr=False)
class FixedPoint:
    """The result of a solve, for each of the B samples.

    Attributes:
        z: the state, shaped as the initial one. A sample that did not converge has its best iterate: the one with
            the least residual relative to the tolerance, of those whose ‖f(z) − z‖ is at most four times the least. Where f was
            not finite from the start, the initial state.
            A pytree of tensors if the initial state was one.
        status: :class:`Status` values, int8 ``[B]``.
        residual: relative residual ‖f(z) − z‖ / ‖f(z)‖ at the returned z, float64 ``[B]``. Where no sample converged it is that of
            each when it was best, which on a map that mixes samples need not be that of all put together; ``joint=True`` gives
            that.
        steps: updates made until the returned z, int64 ``[B]``.
        evaluations: calls of f, each for all samples that were still in the batch: ``max_steps`` + 1 at most, and one more where
            some samples converged while others ran out of steps (see ``joint`` of :class:`~andersonn.solvers.Solver`).
        trace: history by evaluation.
    """

    z: Tensor
    status: Tensor
    residual: Tensor
    steps: Tensor
    evaluations: int
    trace: Trace

    @property
    def converged(self) -> Tensor:
        """Which samples met the tolerance, bool ``[B]``."""
        return self.status == Status.CONVERGED

    def for_each(self, samples: int) -> FixedPoint:
        """The same for each of so many samples, of a solve whose state was one sample."""
        status, residual, steps = (each.expand(samples).clone() for each in (self.status, self.residual, self.steps))
        trace = Trace(self.trace.residual.expand(-1, samples).clone(), self.trace.seconds)
        return FixedPoint(self.z, status, residual, steps, self.evaluations, trace)

    @property
    def all_converged(self) -> bool:
        """Whether every sample met the tolerance."""
        return bool(self.converged.all())

    def __repr__(self) -> str:
        status = [int((self.status == each).sum()) for each in Status]
        ends = [f"{n}/{len(self.status)} {each.name.lower()}" for each, n in zip(Status, status, strict=True) if n]
        return (
            f"FixedPoint({', '.join(ends)}, {self.evaluations} evaluations, residual ≤ {self._largest_residual():.1e})"
        )

    def _repr_html_(self) -> str:
        from andersonn.solvers.trace_plot import html_of

        return html_of(self.trace.residual, self.describe())

    def _largest_residual(self) -> float:
        if not len(self.residual):
            return 0.0
        return float(torch.nan_to_num(self.residual, nan=float("inf"), posinf=float("inf")).max())

    def describe(self) -> str:
        """One line for a person: how many samples ended how, and the cure for those that failed."""
        parts = []
        for status in Status:
            n = int((self.status == status).sum())
            if n:
                cure = f" ({status.cure})" if status.cure else ""
                at_once = int(((self.status == status) & (self.steps == 0)).sum())
                if status is Status.NONFINITE and at_once:
                    cure = (
                        f" ({at_once} at the initial state itself: check f's weights and inputs there; {status.cure})"
                    )
                parts.append(f"{n} of {len(self.status)} {status.name.lower()}{cure}")
        if not parts:
            return "no samples; 0 evaluations"
        return f"{'; '.join(parts)}; {self.evaluations} evaluations, largest residual {self._largest_residual():.2e}"


def nothing_to_solve(z0: Tensor, samples: int) -> FixedPoint:
    """The result for a state without numbers: all samples, mostly none, have converged without an evaluation."""
    device = torch.device("cpu") if z0.device.type == "meta" else z0.device
    zeros = torch.zeros(samples, dtype=torch.float64, device=device)
    steps = zeros.to(torch.int64)
    trace = Trace(torch.zeros(0, samples, dtype=torch.float64, device="cpu"), zeros.new_zeros(0, device="cpu"))
    return FixedPoint(z0.detach().clone(), steps.to(torch.int8), zeros, steps, 0, trace)
