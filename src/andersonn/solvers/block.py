"""A state's memory, as torch and, where that is quicker, also as numpy sees it.

On a small state an operation costs its call, not its arithmetic, and numpy's calls cost a third of torch's. So states that
are small and lie in the host's memory are worked on in numpy; f still takes and gives tensors, and both share the memory.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

SMALL = 2**19
"""Bytes of the largest state worked on in numpy: beyond it torch's threads and vector units win."""
NUMPY_KNOWS = (torch.float32, torch.float64)


class Block:
    """A matrix ``[R, D]``.

    Attributes:
        t: as a tensor.
        a: the same memory as an array, or None where the state is not worked on in numpy.
        shaped: the same memory in the shape that f takes and gives.
        counted: whether torch counts how often it is written to (not for tensors made in inference mode).
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


def version(tensor: Tensor) -> int:
    """How often a tensor's memory was written to; tensors made in inference mode do not count that."""
    return 0 if tensor.is_inference() else tensor._version
