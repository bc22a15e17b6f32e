"""The extrapolated step of Anderson's method with a fixed window, its options, and its mixing parameter β."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from andersonn.solvers.device_window import DTYPES, DeviceWindow
from andersonn.solvers.layout import NUMPY_DTYPES, Block, Layout, NumpyLayout, PerSample, tensor_of, widest_dtype
from andersonn.solvers.options import options, require_choice, require_count, require_number
from andersonn.solvers.safeguard import Safeguard, SafeguardedStepper
from andersonn.solvers.secant_window import NumpySecantWindow, SecantWindow
from andersonn.solvers.solver import Evaluation, Solver
from andersonn.solvers.window import NumpyWindow, TorchWindow, Window

WINDOW_DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
LEAST_RIDGE = 1e-8
"""In double precision as well: where the window is as long as the state has unknowns, its columns depend on each other, and a
smaller ridge lets rounding choose among the combinations."""
LEAST_BETA, LOWER_BETA, RAISE_BETA = 0.1, 0.5, 1.25


@options
class AndersonOptions(Solver):
    """The options of :class:`~andersonn.solvers.Anderson`, which documents them, and their checks.

    They are apart from it because both of its steppers need them: :class:`Extrapolation` and
    :class:`~andersonn.solvers.automatic.AutomaticExtrapolation`.
    """

    window: int | Literal["auto"] = 5
    mixing: float | tuple[float, ...] | Literal["adaptive"] = 1.0
    ridge: float | None = None
    type: Literal["I", "II"] = "II"
    period: int = 1
    restart: int | None = None
    safeguard: float | None = 4.0
    patience: int | None = 30
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
        if self.patience is not None:
            require_count("patience", self.patience)
        if self.max_condition is not None:
            require_number("max_condition", self.max_condition, above=1)
        if self.window_dtype is not None:
            require_choice("window_dtype", self.window_dtype, WINDOW_DTYPES)
        if self.sketch > 1 and (self.type == "I" or self.mixing != 1.0):
            raise ValueError(
                "sketch works with type II and mixing 1.0 only: the others need all coordinates; set sketch=1"
            )


class Extrapolation(SafeguardedStepper):
    """The stepper of a fixed window, which is allocated when it is first needed.

    Attributes:
        period: extrapolates at every so many evaluations; may be changed during a solve.
        gamma: coefficients of the latest extrapolation, ``[B, filled]``.
    """

    def __init__(self, options: AndersonOptions, layout: Layout, like: Tensor, longest: int = 0) -> None:
        self.options, self.layout, self.like = options, layout, like
        self.longest = (
            longest if layout.on_host else 0
        )  # on an accelerator a longer ring costs as much when it is empty
        self.ridge = max(10 * torch.finfo(like.dtype).eps, LEAST_RIDGE) if options.ridge is None else options.ridge
        self.mixing = Mixing(options.mixing, layout.samples, like.device)
        self.window: Window | None = None
        self.gamma: PerSample | None = None
        self.before: tuple[Block, Block] | None = None  # residual and value that the next difference is taken from
        late = not layout.on_host and options.check_every is None
        self.late = late and like.dtype in DTYPES
        self.safeguard = None if options.safeguard is None else Safeguard(options.safeguard, late)
        self.period, self.since_extrapolation = options.period, 0
        if not layout.on_host:
            self._find_place()

    def _find_place(self) -> None:
        """On an accelerator residuals are written into the window, where it can hold them."""
        window = self._window()
        if isinstance(window, DeviceWindow):
            self.place = window.place_after(self.before)

    def advance(self, now: Evaluation, out: Block) -> Block:
        """An extrapolated step at every period-th call, else a Picard step."""
        self.since_extrapolation += 1
        if self.before is None or self.since_extrapolation < self.period:
            if self.before is None:
                self.before = (now.r, now.g)
                if self.place is not None:
                    self._find_place()
            return now.picard_step(self.mixing.present, out)
        self.since_extrapolation = 0
        window = self._pushed(now)
        self.before = (now.r, now.g)
        if self.place is not None:
            self._find_place()
        exceeding = None if self.safeguard is None else self.safeguard.exceeding(now.norms[:, 0])
        if exceeding is not None:
            window.forget(exceeding)
        if isinstance(window, DeviceWindow):
            window.careful = self.careful
        self.gamma = gamma = window.coefficients(self.ridge, self.options.max_condition)
        window.extrapolate(gamma, now.g, out)
        if not self.mixing.undamped:
            self._damp(window, gamma, now, out)
        return out

    def _damp(self, window: Window, gamma: PerSample, now: Evaluation, out: Block) -> None:
        """Subtracts (1 − β) (r − Σ γ_i Δr_i)."""
        factor = self.mixing.damping(window, gamma, now.norms[:, 0])
        if factor is not None:
            reduced = window.reduced_residual(gamma, now.r)
            out.t.addcmul_(reduced, self.layout.to_rows(factor).to(reduced.dtype).unsqueeze(1), value=-1.0)

    def _pushed(self, now: Evaluation) -> Window:
        window = self._window()
        if self.options.restart is not None and window.pushed >= self.options.restart:
            window.clear()
        elif window.filled == window.size < self.longest:
            window.grow(min(2 * window.size, self.longest))
        assert self.before is not None
        r_before, g_before = self.before
        window.push(r_before, now.r, g_before, now.g)
        return window

    def _window(self) -> Window:
        """The window, allocated when it is first needed."""
        if self.window is not None:
            return self.window
        options, layout = self.options, self.layout
        assert options.window != "auto"
        size = min(options.window, options.max_steps, options.restart or options.window)
        dtype = self.like.dtype if options.window_dtype is None else WINDOW_DTYPES[options.window_dtype]
        plain = options.sketch == 1 and dtype == self.like.dtype and options.max_condition is None
        with torch.inference_mode(False):
            if isinstance(layout, NumpyLayout) and dtype in NUMPY_DTYPES and options.sketch == 1:
                self.window = (NumpySecantWindow if options.type == "I" else NumpyWindow)(
                    size, layout, self.like, dtype
                )
            elif options.type == "I":
                self.window = SecantWindow(size, layout, self.like, dtype)
            elif not layout.on_host and dtype in DTYPES and plain and self.mixing.undamped:
                self.window = DeviceWindow(size, layout, self.like)
            else:
                self.window = TorchWindow(size, layout, self.like, dtype, options.sketch)
        return self.window

    def forget(self, samples: np.ndarray) -> None:
        """Clears the window of these samples."""
        if self.window is not None:
            mask = samples if self.layout.on_host else torch.from_numpy(samples).to(self.like.device)
            self.window.forget(mask)

    def blocks_in_use(self) -> tuple[Block, ...]:
        """Residual and value that the next difference is taken from."""
        return self.before or ()

    def compact(self, samples: Tensor, rows: Tensor, layout: Layout) -> None:
        """Goes on with these samples alone."""
        self.layout = layout
        if self.before is not None:
            r, g = (layout.block(each.t.index_select(0, rows)) for each in self.before)
            self.before = (r, g)
        if self.window is not None:
            self.window.compact(samples, rows, layout)
        if isinstance(self.window, DeviceWindow):
            if self.before is not None:
                self.before = (self.window.places[self.window.last], self.before[1])
            self._find_place()
        if self.safeguard is not None:
            self.safeguard.compact(samples)
        self.mixing.compact(samples)


class Mixing:
    """β of each extrapolation: constant, by schedule, or adapted to each sample.

    Args:
        rule: a number, a schedule (tuple; the last value is kept), or ``"adaptive"``: for a linear f the residual after a
            step is (1 − β + β J) r̄, with r̄ what the least squares left of the one before. If it is longer than r̄, the
            step has expanded, and the sample's β is halved; else it grows by a quarter, to 1 at most.
        samples: B.
        device: of the state.
    """

    def __init__(
        self, rule: float | tuple[float, ...] | Literal["adaptive"], samples: int, device: torch.device
    ) -> None:
        self.adaptive = rule == "adaptive"
        self.schedule: tuple[float, ...]
        self.schedule = (1.0,) if rule == "adaptive" else (rule if isinstance(rule, tuple) else (rule,))
        self.taken = 0
        self.beta = torch.ones(samples, dtype=widest_dtype(device.type), device=device) if self.adaptive else None
        self.remaining: Tensor | None = None

    @staticmethod
    def check(rule: object) -> None:
        """Raises a ValueError unless it is a rule."""
        if rule == "adaptive":
            return
        values = rule if isinstance(rule, tuple) else (rule,)
        if not values or isinstance(rule, str):
            raise ValueError(f'mixing must be a number, a tuple of numbers, or "adaptive", not {rule!r}')
        for value in values:
            require_number("mixing", value, above=0, most=1)

    @property
    def undamped(self) -> bool:
        """Whether β is always 1."""
        return self.schedule == (1.0,) and not self.adaptive

    @property
    def present(self) -> float:
        """β of Picard steps: the schedule's present value."""
        return self.schedule[min(self.taken, len(self.schedule) - 1)]

    def damping(self, window: Window, gamma: PerSample, size: PerSample) -> Tensor | None:
        """1 − β of this extrapolation for each sample, ``[B]``, or None if it is 0 for all.

        Args:
            window: of the extrapolation.
            gamma: its coefficients, ``[B, filled]``.
            size: ‖r‖, ``[B]``.
        """
        beta = self.present
        self.taken += 1
        if self.beta is None:
            return None if beta == 1.0 else torch.full_like(tensor_of(size), 1.0 - beta)
        if self.remaining is not None:
            grown = torch.where(tensor_of(size) > self.remaining, LOWER_BETA * self.beta, RAISE_BETA * self.beta)
            self.beta = grown.clamp(LEAST_BETA, 1.0)
        self.remaining = tensor_of(window.remaining(gamma, size))
        return 1.0 - self.beta

    def compact(self, samples: Tensor) -> None:
        """Goes on with these samples alone."""
        if self.beta is not None:
            self.beta = self.beta[samples]
            self.remaining = None if self.remaining is None else self.remaining[samples]
