"""Peak memory of a piece of work, and a limit to it: of the process on a CPU, of the allocator on a GPU."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from andersonn.errors import UsageError
from andersonn.sanitize import lines_of

REFUSALS = ("can't allocate memory", "not enough memory", "could not create a memory")
"""What torch and oneDNN say on a CPU when the system gives no more memory; they raise plain RuntimeErrors."""


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


@contextmanager
def limited(extra: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """The process may take so many bytes more inside this block, and not one beyond: the system refuses what goes over.

    On a Linux CPU this is ``RLIMIT_DATA``, which counts memory when it is asked for, touched or not. On a GPU it is the
    allocator's share of the device; what it had reserved and not given out may be used besides.

    Raises:
        UsageError: this system cannot hold a process to a limit.
    """
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(device).total_memory
        share = (torch.cuda.memory_reserved(device) + extra) / total
        torch.cuda.set_per_process_memory_fraction(min(1.0, share), device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        return
    if not Path("/proc/self/status").exists():
        raise UsageError("no_limit", "this system does not hold a process to a limit of memory", "use Linux or a GPU")
    import resource  # not there on Windows

    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_status("VmData") + extra, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was refused, and nothing else."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in REFUSALS)


def _reset_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return False
    return True


def _status(field: str) -> int:
    for line in lines_of(Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")):
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"no {field} in /proc/self/status")
