"""How a layer behaves where PyTorch captures graphs (torch.compile, torch.export)."""

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


def without_graph_capture(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which torch.compile leaves as it is and which torch.export and torch.jit refuse.

    ``torch._dynamo`` takes seconds to import, so ``torch.compiler.disable`` is called only where it has been imported.
    """
    disabled: list[Callable[P, R]] = []

    @functools.wraps(function)
    def outside(*args: P.args, **kwargs: P.kwargs) -> R:
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            raise NotImplementedError(
                "torch.export and torch.jit cannot hold an equilibrium layer, since the length of its solve depends on the data; export "
                "a module that calls layer.cell a fixed number of times, and check the residual of what it gives"
            )
        if "torch._dynamo" not in sys.modules:
            return function(*args, **kwargs)
        if not disabled:
            disabled.append(torch.compiler.disable(function))
        return disabled[0](*args, **kwargs)

    outside._torchdynamo_disable = True  # type: ignore[attr-defined]
    outside._torchdynamo_disable_msg = REASON  # type: ignore[attr-defined]
    return outside
