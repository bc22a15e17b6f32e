"""What a worker process may take of time and memory."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Ends the process if the block takes longer: nothing else interrupts a library's endless loop. Not on Windows, which has
    no such timer.
    """
    if sys.platform == "win32":
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def bound_memory(gigabytes: float) -> None:
    """Lets this process reserve so much address space beyond what it has now; what needs more raises MemoryError. Linux
    alone can be held to that; on other systems the time limit has to do.
    """
    used = Path("/proc/self/statm")
    if used.exists():
        import resource

        most = int(used.read_text(encoding="utf-8").split()[0]) * resource.getpagesize() + int(gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def die_with_the_parent() -> None:
    """Has Linux end this process when the one that started it is killed, also in the midst of a library's endless loop;
    elsewhere it ends after the current payload, when its input closes.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)  # 1 is PR_SET_PDEATHSIG


def die_first() -> None:
    """Has Linux end this process, and no other, when the machine's memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")


def return_memory() -> None:
    """Gives memory that was freed back to the system, which the allocator of C would keep for later."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(AttributeError):  # musl has no such call
            ctypes.CDLL(None).malloc_trim(0)
