"""What a forward pass keeps for the backward pass, and what is held at all."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch


def tape_bytes(forward: Callable[[], object]) -> int:
    """Bytes that ``forward`` leaves for the backward pass: distinct tensors that autograd saves, and new ones that Python
    objects hold (custom functions keep theirs there), the result among them.
    """
    sizes: dict[int, int] = {}
    before = {storage.data_ptr() for storage in _live_storages()}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = forward()
    for storage in _live_storages():
        if storage.data_ptr() not in before:
            sizes[storage.data_ptr()] = storage.nbytes()
    del result
    return sum(sizes.values())


def live_bytes() -> int:
    """Bytes of all tensors that Python objects hold."""
    return sum({storage.data_ptr(): storage.nbytes() for storage in _live_storages()}.values())


def _live_storages() -> list[torch.UntypedStorage]:
    """Of plain tensors: other kinds, such as those that torch.compile leaves behind, may have no memory."""
    gc.collect()
    plain = (torch.Tensor, torch.nn.Parameter)
    found = [each for each in gc.get_objects() if type(each) in plain]
    return [each.untyped_storage() for each in found if not torch._C._functorch.is_functorch_wrapped_tensor(each)]
