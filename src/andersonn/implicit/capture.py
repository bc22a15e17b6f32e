"""How a layer behaves where PyTorch captures graphs (torch.compile, torch.export, make_fx)."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")
REASON = (
    "an equilibrium layer cannot be part of a graph, since the length of its solve depends on the data; with torch.compile "
    "leave out fullgraph=True (the layer then runs between two graphs), and compile the cell: Equilibrium(torch.compile(cell))"
)


HOLDS_NONE = (
    "torch.export, torch.jit, make_fx and torch.func.linearize cannot hold an equilibrium layer, since the length of its solve depends "
    "on the data; in place of linearize call torch.func.jvp; for a graph, export a module that calls layer.cell a fixed number of "
    "times, and check the residual of what it gives"
)


def without_graph_capture(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which torch.compile leaves as it is and which everything else that records a graph refuses.

    ``torch._dynamo`` takes seconds to import, so ``torch.compiler.disable`` is called only where it has been imported.

    Raises:
        NotImplementedError: called while torch.export, torch.jit, make_fx or torch.func.linearize records.
    """
    disabled: list[Callable[P, R]] = []

    @functools.wraps(function)
    def outside(*args: P.args, **kwargs: P.kwargs) -> R:
        if torch.compiler.is_compiling() or torch.jit.is_tracing() or _is_recorded():
            raise NotImplementedError(HOLDS_NONE)
        if "torch._dynamo" not in sys.modules:
            return function(*args, **kwargs)
        if not disabled:
            disabled.append(torch.compiler.disable(function))
        return disabled[0](*args, **kwargs)

    outside._torchdynamo_disable = True  # type: ignore[attr-defined]
    outside._torchdynamo_disable_msg = REASON  # type: ignore[attr-defined]
    return outside


def _is_recorded() -> bool:
    """Whether make_fx records operations: of a solver it would record the steps on one input, or lose them (numpy's)."""
    proxies = torch._C._TorchDispatchModeKey.PROXY
    return (
        torch._C._get_dispatch_mode(proxies) is not None
        or torch._ops._get_dispatch_mode_pre_dispatch(proxies) is not None
    )


def in_compiled_autograd() -> bool:
    """Whether a backward pass is one that compiled autograd (``torch._dynamo.config.compiled_autograd``) has recorded. The graph
    that it was recorded from has given its saved tensors away and cannot be gone through again.
    """
    module = sys.modules.get("torch._dynamo.compiled_autograd")
    return bool(getattr(module, "in_compiled_autograd_region", False))
