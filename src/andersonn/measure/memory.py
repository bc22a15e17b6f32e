"""Peak memory of a piece of work: of the process on a CPU, of the allocator on a GPU."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import torch


def peak_bytes(work: Callable[[], object], device: torch.device | str = "cpu") -> int | None:
    """Most memory held during ``work`` beyond what was held before it, in bytes; None where it cannot be measured.

    On a GPU this is exact (the allocator's own count). On Linux CPUs it is the growth of the peak resident size,
    which the kernel lets a process reset; memory that the allocator already held is not seen, so run the work in a
    fresh process.
    """
    gc.collect()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    if not _reset_peak():
        work()
        return None
    before = _status("VmRSS")
    work()
    return max(0, _status("VmHWM") - before)


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


def _live_storages() -> list[torch.UntypedStorage]:
    """Of plain tensors: other kinds, such as those that torch.compile leaves behind, may have no memory."""
    gc.collect()
    plain = (torch.Tensor, torch.nn.Parameter)
    return [found.untyped_storage() for found in gc.get_objects() if type(found) in plain]


def _reset_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"no {field} in /proc/self/status")
