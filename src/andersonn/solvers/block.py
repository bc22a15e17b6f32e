"""A state's memory, as torch and, where that is quicker, also as numpy sees it.

On a small state an operation costs its call, not its arithmetic, and numpy's calls cost a third of torch's. So states that
are small and lie in the host's memory are worked on in numpy; f still takes and gives tensors, and both share the memory.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

SMALL, SMALL_ROWS = 2**19, 2**11
"""Bytes and rows of the largest state worked on in numpy: beyond them torch's threads, vector units and batched products win."""
NUMPY_KNOWS = (torch.float32, torch.float64)
"""Precisions worked on in numpy; it lacks bfloat16, and its float16 is slow."""


class Block:
    """A matrix ``[R, D]``.

    Attributes:
        t: as a tensor.
        a: the same memory as an array, or None where the state is not worked on in numpy.
        shaped: the same memory in the shape that f takes and gives.
        counted: whether torch counts how often it is written to by torch (not for tensors made in inference mode, and
            numpy's writes are never counted).
    """

    __slots__ = ("a", "counted", "shaped", "t")

    def __init__(self, t: Tensor, shaped: Tensor, small: bool) -> None:
        self.t, self.shaped = t, shaped
        self.a: np.ndarray | None = t.numpy() if small else None
        self.counted = not t.is_inference()


def difference(one: Block, other: Block, out: Block) -> Block:
    """``out = one − other``."""
    if out.a is None:
        torch.sub(one.t, other.t, out=out.t)
    else:
        np.subtract(one.a, other.a, out=out.a)
    return out


def tensor_of(values: Tensor | np.ndarray) -> Tensor:
    """The same memory as a tensor, on the host if it is an array, whatever the default device."""
    return torch.from_numpy(values) if isinstance(values, np.ndarray) else values


def version(tensor: Tensor) -> int:
    """How often a tensor's memory was written to; tensors made in inference mode do not count that."""
    return 0 if tensor.is_inference() else tensor._version
