"""Anderson extrapolation, types I and II.

D. G. Anderson, J. ACM 12, 547 (1965); H. F. Walker and P. Ni, SIAM J. Numer. Anal. 49, 1715 (2011), eq. 2.1–2.2 in
the difference form; H. Fang and Y. Saad, Numer. Linear Algebra Appl. 16, 197 (2009) for the two types. With residuals
r_k = f(z_k) − z_k and γ = argmin ‖r_k − Σ γ_i Δr_i‖ over the last m differences (type II), or γ that makes
r_k − Σ γ_i Δr_i orthogonal to all Δz_i (type I),

    z_{k+1} = f(z_k) − Σ γ_i Δf_i − (1 − β) (r_k − Σ γ_i Δr_i).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.automatic import Automatic
from andersonn.solvers.block import Block, tensor_of
from andersonn.solvers.layout import Layout
from andersonn.solvers.loop import Evaluation, Stepper
from andersonn.solvers.mixing import Mixing
from andersonn.solvers.options import options, require_choice, require_count, require_number
from andersonn.solvers.picard import damped
from andersonn.solvers.solver import Solver
from andersonn.solvers.window import SecantWindow, Window

WINDOW_DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@options
class Anderson(Solver):
    """Anderson extrapolation over a window, each sample with its own weights.

    Attributes:
        window: m, how many past differences to combine; ``"auto"`` watches what an evaluation and a mixing step cost and
            how fast residuals fall, and decides window, period, β and whether to extrapolate at all.
        mixing: β in (0, 1]; 1 is the undamped step. A tuple is a schedule, its last value kept; ``"adaptive"`` lowers a
            sample's β when a step expands what the extrapolation had left, and raises it again when it does not.
        ridge: regularization relative to the unit diagonal of the scaled Gram matrix; None takes ten times the
            rounding unit of the state's dtype.
        type: ``"II"`` (least squares) or ``"I"`` (orthogonality to the steps).
        period: extrapolate at every period-th evaluation only, with plain steps in between (alternating
            Anderson–Picard: Pratapa, Suryanarayana and Pask, J. Comput. Phys. 306, 43 (2016)); mixing costs that much less.
        restart: forget the window after this many extrapolations; None: the oldest difference makes room for the newest.
        safeguard: a sample whose residual exceeds this multiple of its least so far forgets its window and takes a plain
            step; None: never. Without it long windows can circle for good on maps with kinks, such as relu's.
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

    window: int | Literal["auto"] = 5
    mixing: float | tuple[float, ...] | Literal["adaptive"] = 1.0
    ridge: float | None = None
    type: Literal["I", "II"] = "II"
    period: int = 1
    restart: int | None = None
    safeguard: float | None = 4.0
    max_condition: float | None = None
    sketch: int = 1
    window_dtype: Literal["float64", "float32", "bfloat16", "float16"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window != "auto":
            require_count("window", self.window, other='"auto"')
        elif self.period != 1:
            raise ValueError('window="auto" decides the period as well; leave it out, or give a window')
        Mixing.check(self.mixing)
        require_choice("type", self.type, ("I", "II"))
        require_count("period", self.period)
        require_count("sketch", self.sketch)
        if self.ridge is not None:
            require_number("ridge", self.ridge)
        if self.restart is not None:
            require_count("restart", self.restart)
        if self.safeguard is not None:
            require_number("safeguard", self.safeguard, above=1)
        if self.max_condition is not None:
            require_number("max_condition", self.max_condition, above=1)
        if self.window_dtype is not None:
            require_choice("window_dtype", self.window_dtype, WINDOW_DTYPES)
        if self.sketch > 1 and (self.type == "I" or self.mixing != 1.0):
            raise ValueError(
                "sketch works with type II and mixing 1.0 only: the others need all coordinates; set sketch=1"
            )

    def stepper(self, layout: Layout, like: Tensor) -> Stepper:
        """The extrapolation with its window."""
        if self.window == "auto":
            return Automatic(self, layout, like)
        return Extrapolation(self, layout, like)


class Extrapolation(Stepper):
    """The stepper of :class:`Anderson`; its window is allocated when it is first needed."""

    def __init__(self, options: Anderson, layout: Layout, like: Tensor) -> None:
        self.options, self.layout, self.like = options, layout, like
        self.ridge = 10 * torch.finfo(like.dtype).eps if options.ridge is None else options.ridge
        self.mixing = Mixing(options.mixing, layout.samples, like.device)
        self.window: Window | None = None
        self.gamma: Tensor | np.ndarray | None = None  # of the latest extrapolation
        self.before: tuple[Block, Block] | None = None
        self.least: Tensor | np.ndarray | None = None
        self.period, self.since_mixing = options.period, 0

    def advance(self, now: Evaluation, out: Block) -> Block:
        """Extrapolates if its turn has come, else steps plainly."""
        self.since_mixing += 1
        if self.before is None or self.since_mixing < self.period:
            if self.before is None:
                self.before = (now.r, now.g)
            return damped(now, self.mixing.first, out)
        self.since_mixing = 0
        window = self._pushed(now)
        self.before = (now.r, now.g)
        if self.options.safeguard is not None:
            self._guard(now.norms[:, 0])
        self.gamma = gamma = window.coefficients(self.ridge, self.options.max_condition)
        window.extrapolate(gamma, now.g, out)
        if not self.mixing.plain:
            self._damp(gamma, now, out)
        return out

    def recall(self, history: Iterable[tuple[Block, Block]]) -> None:
        """Takes over residuals and values of plain steps, oldest first; the next step extrapolates. Of more than ``restart``
        the latest.
        """
        pairs = list(history)
        for r, g in pairs[-(self.options.restart or len(pairs)) :]:
            if self.before is not None:
                self._window().push(self.before[0], r, self.before[1], g)
            self.before = (r, g)
        self.since_mixing = self.period - 1

    def _damp(self, gamma: Tensor | np.ndarray, now: Evaluation, out: Block) -> None:
        """Takes (1 − β) (r − Σ γ_i Δr_i) off."""
        window, gamma = self.window, tensor_of(gamma)
        undone = self.mixing.undone(window, gamma, tensor_of(now.norms[:, 0]))
        if undone is not None:
            damping = window.combine(window.dF, gamma, now.r.t, torch.empty_like(out.t))
            out.t.addcmul_(damping, self.layout.to_rows(undone).to(damping.dtype).unsqueeze(1), value=-1.0)

    def _pushed(self, now: Evaluation) -> Window:
        window = self._window()
        if self.options.restart is not None and window.pushed >= self.options.restart:
            window.clear()
        r_before, g_before = self.before
        window.push(r_before, now.r, g_before, now.g)
        return window

    def _window(self) -> Window:
        if self.window is None:
            self.window = self._empty()
        return self.window

    def _empty(self) -> Window:
        options = self.options
        size = min(options.window, options.max_steps, options.restart or options.window)
        dtype = WINDOW_DTYPES.get(options.window_dtype)
        with torch.inference_mode(False):
            if options.type == "I":
                return SecantWindow(size, self.layout, self.like, dtype)
            return Window(size, self.layout, self.like, dtype, options.sketch)

    def _guard(self, size: Tensor | np.ndarray) -> None:
        if self.least is None:
            self.least = size
            return
        grown = size > self.options.safeguard * self.least
        if isinstance(size, Tensor):  # asking whether there is one would make the host wait
            self.window.drop(grown)
            self.least = torch.fmin(self.least, size)
        else:
            if np.count_nonzero(grown):
                self.window.drop(grown)
            self.least = np.fmin(self.least, size)

    def kept(self) -> tuple[Block, ...]:
        """Residual and value that the next difference is taken from."""
        return self.before or ()

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        self.layout = layout
        if self.before is not None:
            self.before = tuple(layout.block(each.shaped.index_select(0, rows)) for each in self.before)
        if self.window is not None:
            self.window.compact(samples, rows, layout)
        if self.least is not None:
            self.least = self.least[samples if isinstance(self.least, Tensor) else samples.numpy()]
        self.mixing.compact(samples)
