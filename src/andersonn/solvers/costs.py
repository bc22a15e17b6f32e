"""What an evaluation of f and an extrapolation cost, by counts alone: no clock, so the same input takes the same path always.

The operations of one evaluation are counted once for each map and shape: how many, the bytes they read and write, and the
multiplications of matrix products and convolutions. Rates of an ordinary core, or of an accelerator, turn counts into
seconds. They need not be right for the machine at hand: only whether an evaluation costs much or little beside an
extrapolation decides anything.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from andersonn.solvers.layout import Layout, NumpyLayout

CALL_SECONDS, BANDWIDTH, FLOPS = 4e-6, 1e10, 2e10
"""Of an operation on the host: its call, bytes and floating-point operations a second."""
DEVICE_CALL_SECONDS, DEVICE_BANDWIDTH, DEVICE_FLOPS = 8e-6, 1e12, 2e13
STEP_CALLS, NUMPY_STEP_CALLS = 24, 12
"""Operations of an extrapolation, in torch and in numpy, besides its passes over the window."""

_known: weakref.WeakKeyDictionary[Any, dict[tuple[Any, ...], float]] = weakref.WeakKeyDictionary()
"""Seconds of an evaluation by map, then by shape, dtype and device of the state."""


class EvaluationCost:
    """Counts what one evaluation of f costs, or knows it from an earlier solve.

    Args:
        f: the map. A method ``cost_key()``, if it has one, gives an object that lives longer than the map, such as the cell,
            and what else the cost depends on, such as the shapes of the cell's input.
        state: that it is evaluated at.
    """

    def __init__(self, f: Callable[[Tensor], Tensor], state: Tensor) -> None:
        owner, more = f.cost_key() if hasattr(f, "cost_key") else (f, ())
        self.key = (type(f).__name__, tuple(state.shape), state.dtype, state.device.type, *more)
        self.counter: _Counter | None = None
        try:
            known = _known.setdefault(owner, {})
        except TypeError:  # it takes no weak references, or no hash
            known = {}
        self.known = known

    @property
    def seconds(self) -> float | None:
        """Seconds by the rates above; None before the evaluation."""
        if self.counter is not None and self.counter.calls:
            self.known[self.key] = self.counter.seconds()
            self.counter = None
        return self.known.get(self.key)

    def counting(self, device: str) -> AbstractContextManager[Any]:
        """Within it the evaluation is counted, unless it is known."""
        if self.key in self.known:
            return nullcontext()
        self.counter = _Counter(device)
        return self.counter


class _Counter(TorchDispatchMode):
    """Counts calls, bytes and floating-point operations."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.calls, self.bytes, self.flops = device, 0, 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.is_view:
            return out
        self.calls += 1
        leaves = [leaf for leaf in tree_leaves((args, out)) if isinstance(leaf, Tensor)]
        self.bytes += sum(leaf.numel() * leaf.element_size() for leaf in leaves)
        rule = flop_registry.get(func._overloadpacket)
        if rule is not None:
            self.flops += rule(*args, **(kwargs or {}), out_val=out)
        return out

    def seconds(self) -> float:
        if self.device == "cpu":
            return self.calls * CALL_SECONDS + self.bytes / BANDWIDTH + self.flops / FLOPS
        return self.calls * DEVICE_CALL_SECONDS + self.bytes / DEVICE_BANDWIDTH + self.flops / DEVICE_FLOPS


def extrapolation_seconds(layout: Layout, itemsize: int, window: int) -> float:
    """What an extrapolation with a full window adds to an evaluation, in the same seconds."""
    moved = (2 * window + 16) * layout.rows * layout.width * itemsize
    equations = layout.samples * window**3
    if not layout.on_host:
        return STEP_CALLS * DEVICE_CALL_SECONDS + moved / DEVICE_BANDWIDTH + equations / DEVICE_FLOPS
    calls = NUMPY_STEP_CALLS if isinstance(layout, NumpyLayout) else STEP_CALLS
    return calls * CALL_SECONDS + moved / BANDWIDTH + equations / FLOPS
