"""What a solver returns: the state, and how each sample's solve ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor


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


@dataclass(frozen=True, eq=False)
class Trace:
    """What happened at each evaluation of f; row t belongs to the t-th.

    Attributes:
        residual: relative residual of every sample, float64 ``[T, B]`` on the CPU; a sample that has stopped keeps the value
            of the state it returned.
        seconds: time since the start of the solve, float64 ``[T]``. On an asynchronous device the work is known to be done
            at the solver's checks (``check_every``); in between this is the time at which it was queued.
    """

    residual: Tensor
    seconds: Tensor


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """The result of a solve, for each of the B samples.

    Attributes:
        z: the state, shaped as the initial one; of a sample that did not converge, its best iterate: the one with
            the least residual relative to the tolerance. Where f was not finite from the start, the initial state.
            A pytree of tensors if the initial state was one.
        status: :class:`Status` values, int8 ``[B]``.
        residual: relative residual ‖f(z) − z‖ / ‖f(z)‖ at the returned z, float64 ``[B]``.
        steps: updates made until the returned z, int64 ``[B]``.
        evaluations: calls of f, each for all samples that were still in the batch.
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

    @property
    def all_converged(self) -> bool:
        """Whether every sample met the tolerance."""
        return bool(self.converged.all())

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
        worst = float(torch.nan_to_num(self.residual, nan=float("inf"), posinf=float("inf")).max())
        return f"{'; '.join(parts)}; {self.evaluations} evaluations, largest residual {worst:.2e}"
