"""What no solver can work on, refused by name with the way round."""

from __future__ import annotations

import torch
from torch import Tensor


def refuse_unsupported(state: Tensor) -> None:
    """Checks that a first state is one that an iteration can judge.

    Raises:
        TypeError: it is complex, no floating-point tensor, or holds no numbers (meta and fake tensors).
        NotImplementedError: a transform of ``torch.func`` is at work.
    """
    if _in_transform():
        raise NotImplementedError(
            "the fixed-point solve cannot run inside torch.func transforms (grad, vjp, jvp, jacrev, vmap): it stops by "
            "looking at numbers, which they hide. Use torch.autograd.grad, .backward() or "
            "torch.autograd.functional.jacobian around it; instead of vmap, give the batch as dimension 0, since every "
            "sample is solved on its own; for gradients of each sample, call torch.autograd.grad once a sample"
        )
    if isinstance(state, Tensor) and state.is_complex():
        raise TypeError(
            "complex states are not supported. Solve for real and imaginary parts together: "
            "f_real = lambda z: torch.view_as_real(f(torch.view_as_complex(z))), from torch.view_as_real(z0)"
        )
    if not isinstance(state, Tensor) or not state.is_floating_point():
        raise TypeError("the initial state must be a floating-point tensor; convert it with .float() or .double()")
    if state.device.type == "meta" or type(state).__name__ == "FakeTensor":
        raise TypeError(
            "the initial state holds no numbers (a meta or fake tensor), so that no solve can converge; give the layer "
            "real tensors, such as layer.to_empty(device='cpu') filled with weights"
        )


def _in_transform() -> bool:
    peek = getattr(torch._C._functorch, "peek_interpreter_stack", None)  # PyTorch has no public way to ask
    return peek is not None and peek() is not None
