"""Anderson extrapolation, types I and II, and :func:`fixed_point`, which uses it by default.

D. G. Anderson, J. ACM 12, 547 (1965); H. F. Walker and P. Ni, SIAM J. Numer. Anal. 49, 1715 (2011), eq. 2.1–2.2 in
the difference form; H. Fang and Y. Saad, Numer. Linear Algebra Appl. 16, 197 (2009) for the two types. With residuals
r_k = f(z_k) − z_k and γ = argmin ‖r_k − Σ γ_i Δr_i‖ over the last m differences (type II), or γ that makes
r_k − Σ γ_i Δr_i orthogonal to all Δz_i (type I),

    z_{k+1} = f(z_k) − Σ γ_i Δf_i − (1 − β) (r_k − Σ γ_i Δr_i).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from andersonn.solvers.automatic import AutomaticExtrapolation
from andersonn.solvers.compiled import solve_compiled
from andersonn.solvers.extrapolation import AndersonOptions, Extrapolation
from andersonn.solvers.guarded import Guarded
from andersonn.solvers.layout import Layout
from andersonn.solvers.options import options
from andersonn.solvers.result import FixedPoint
from andersonn.solvers.solver import Solver, Stepper


@options
class Anderson(AndersonOptions):
    """Anderson extrapolation over a window, each sample with its own weights.

    There are two methods, each a stepper of its own: :class:`~andersonn.solvers.extrapolation.Extrapolation` with a fixed
    window, and :class:`~andersonn.solvers.automatic.AutomaticExtrapolation` for ``window="auto"``. They share this one class
    of options, and the window alone chooses between them: so ``replace(solver, window=...)`` changes from either to the
    other, and options compare, print, copy and pickle alike. A guard watches both
    (:class:`~andersonn.solvers.guard.Guard`): where extrapolation makes no progress, a sample takes other steps.

    Attributes:
        window: m, how many past differences to combine; ``"auto"`` decides window, period, β and whether to extrapolate at
            all, from counts of what an evaluation and an extrapolation cost and from how fast residuals fall.
        mixing: β in (0, 1]; 1 is the undamped step. A tuple is a schedule, its last value kept; ``"adaptive"`` lowers a
            sample's β when a step expands what the extrapolation had left, and raises it again when it does not.
        ridge: regularization relative to the unit diagonal of the scaled Gram matrix; None takes ten times the
            rounding unit of the state's dtype, 1e-8 at least.
        type: ``"II"`` (least squares) or ``"I"`` (orthogonality to the steps).
        period: extrapolate at every period-th evaluation only, with Picard steps in between (alternating
            Anderson–Picard: Pratapa, Suryanarayana and Pask, J. Comput. Phys. 306, 43 (2016)); extrapolation then costs that
            much less.
        restart: clear the window after this many extrapolations; None: the oldest difference makes room for the newest.
        safeguard: a sample whose residual exceeds this multiple of its least so far clears its window and takes a Picard
            step; None: never. Without it long windows can cycle forever on maps with kinks, such as relu's.
        patience: a sample whose residual has not halved within so many evaluations goes back to its best iterate. It takes
            Broyden's steps, then damped Picard steps, then extrapolated ones again, each kind for as long as it makes
            progress. So it also goes on from a step that led to NaN or infinity. None: never.
        max_condition: leave out columns, older ones first, that depend on the others to within 1 / max_condition; None: the
            ridge alone deals with them.
        sketch: take the Gram matrix from one in so many coordinates, for cells as cheap as a pass over the window.
        window_dtype: of the window's memory, such as ``"bfloat16"``, half of float32's; None: the state's.

    Examples:
        >>> import andersonn as an
        >>> an.Anderson(window=10, rtol=1e-5).max_steps
        50
        >>> an.Anderson(windw=10)
        Traceback (most recent call last):
        TypeError: Anderson has no option 'windw'; did you mean 'window'?
    """

    def stepper(self, layout: Layout, like: Tensor) -> Stepper:
        """A fresh stepper, chosen by the window."""
        inner = (AutomaticExtrapolation if self.window == "auto" else Extrapolation)(self, layout, like)
        return inner if self.patience is None else Guarded(inner, self.patience, self.max_steps, layout, like)


def fixed_point(
    f: Callable[[Any], Any],
    z0: Any,
    solver: Solver | None = None,
    offsets: Tensor | None = None,
    compile: bool = False,
) -> FixedPoint:
    """Finds z with z = f(z), each sample of the batch on its own.

    Args:
        f: maps a state to a state of equal shape, dtype and device, sample by sample. It must not change the state
            it is given, nor keep it (the solver writes into that memory later), nor write again into a tensor that it
            has returned. If it has a method ``subset`` (see :class:`~andersonn.solvers.Solver`), converged samples cost
            nothing more.
        z0: initial state ``[B, …]`` with one sample an entry of dimension 0, or ``[R, …]`` with ``offsets``. A vector
            without offsets is a single sample. A pytree of tensors (dict, list, tuple, named tuple) with equal
            dimension 0 is one state of several parts; f then takes and returns such pytrees. States may be complex, and
            parts may differ in dtype (see :class:`~andersonn.solvers.PyTree`). An empty batch gives an empty result.
        solver: default ``Anderson("auto")``.
        offsets: int64 ``[B + 1]``: sample b owns rows ``offsets[b]`` to ``offsets[b + 1]`` of the state.
        compile: make one C++ program of f and the loop, for small states that are solved very often in one shape; see
            :func:`~andersonn.solvers.compiled.solve_compiled`.

    Returns:
        A :class:`~andersonn.solvers.FixedPoint`; check its ``status`` before you use ``z``.

    Raises:
        TypeError, ValueError: f does not keep shape, dtype or device, or changes memory it must leave alone; the state
            is neither floating-point nor complex.
        RuntimeError: with ``compile``, f cannot be compiled as one graph, or there is no C++ compiler.
        NotImplementedError: inside a transform of ``torch.func``; :class:`~andersonn.Equilibrium` has rules for them.

    Examples:
        >>> import torch
        >>> import andersonn as an
        >>> solution = an.fixed_point(torch.cos, torch.zeros(2, 3), an.Anderson(rtol=1e-6))
        >>> round(solution.z[0, 0].item(), 4), solution.all_converged
        (0.7391, True)
    """
    if solver is not None and not isinstance(solver, Solver):
        raise TypeError(f"solver must be a solver such as Anderson(), not {solver!r}")
    solver = solver or Anderson(window="auto")
    return solve_compiled(solver, f, (), z0, offsets) if compile else solver.solve(f, z0, offsets)
