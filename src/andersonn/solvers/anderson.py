"""Anderson extrapolation (type II).

D. G. Anderson, J. ACM 12, 547 (1965); H. F. Walker and P. Ni, SIAM J. Numer. Anal. 49, 1715 (2011), eq. 2.1–2.2 in
the difference form: with residuals r_k = f(z_k) − z_k, γ = argmin ‖r_k − Σ γ_i Δr_i‖ over the last m differences and

    z_{k+1} = f(z_k) − Σ γ_i Δf_i − (1 − β) (r_k − Σ γ_i Δr_i).
"""

from __future__ import annotations

import torch
from torch import Tensor

from andersonn.solvers.layout import Layout
from andersonn.solvers.options import options, require_count, require_number
from andersonn.solvers.solver import Solver
from andersonn.solvers.window import Window


@options
class Anderson(Solver):
    """Anderson extrapolation over a window, each sample with its own weights.

    Attributes:
        window: m, how many past differences to combine.
        mixing: β in (0, 1]; 1 is the undamped step.
        rtol, atol: a sample converges when ‖f(z) − z‖ ≤ atol + rtol · ‖f(z)‖.
        max_steps: updates of z at most.
        ridge: regularization relative to the unit diagonal of the scaled Gram matrix; None takes ten times the
            rounding unit of the state's dtype.
    """

    window: int = 5
    mixing: float = 1.0
    rtol: float = 1e-3
    atol: float = 0.0
    max_steps: int = 50
    ridge: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count("window", self.window)
        require_number("mixing", self.mixing, above=0, most=1)
        if self.ridge is not None:
            require_number("ridge", self.ridge)

    def stepper(self, layout: Layout, like: Tensor) -> _Extrapolation:
        """The extrapolation with its window."""
        ridge = 10 * torch.finfo(like.dtype).eps if self.ridge is None else self.ridge
        return _Extrapolation(Window(min(self.window, self.max_steps), layout, like), self.mixing, ridge)


class _Extrapolation:
    def __init__(self, window: Window, mixing: float, ridge: float) -> None:
        self.window, self.mixing, self.ridge = window, mixing, ridge
        self.before: tuple[Tensor, Tensor] | None = None

    def advance(self, z: Tensor, g: Tensor, r: Tensor, out: Tensor) -> Tensor:
        window = self.window
        if self.before is None:
            torch.add(z, r, alpha=self.mixing, out=out)
        else:
            window.push(self.before[0], r, self.before[1], g)
            gamma = window.coefficients(self.ridge)
            window.combine(window.dG, gamma, g, out)
            if self.mixing < 1.0:
                damping = torch.empty_like(out)
                window.combine(window.dF, gamma, r, damping)
                out.sub_(damping, alpha=1.0 - self.mixing)
        self.before = (r, g)
        return out
