"""Limits that a worker process sets for itself: time, memory, and when the system is to end it."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Ends the process by SIGALRM if the block takes longer: an endless loop inside a C library reacts to nothing else.
    Does nothing on Windows, which has no such timer.
    """
    if sys.platform == "win32":
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def limit_memory(gigabytes: float) -> None:
    """Limits the address space of this process to so much beyond what it has now; an allocation beyond that raises
    MemoryError. Linux only; on other systems the time limit has to suffice.
    """
    used = Path("/proc/self/statm")
    if used.exists():
        import resource

        most = int(used.read_text(encoding="utf-8").split()[0]) * resource.getpagesize() + int(gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def kill_with_parent() -> None:
    """Asks Linux to kill this process when its parent dies, even in the middle of a library's endless loop. On other
    systems it ends after the current payload, when its input closes.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)  # 1 is PR_SET_PDEATHSIG


def prefer_oom_kill() -> None:
    """Asks Linux to kill this process, before any other, when the machine runs out of memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")


def return_memory() -> None:
    """Returns freed memory to the system, which C's allocator would keep for later."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(AttributeError):  # musl has no such call
            ctypes.CDLL(None).malloc_trim(0)
