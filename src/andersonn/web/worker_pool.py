"""The web lab's worker pools: processes that read and inspect, asked from the event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from andersonn.errors import InputError
from andersonn.workers.pool import STARTING, WorkerPool

MAX_GIGABYTES = 4.0
"""Address space of a process beyond what it has at its start."""


class AsyncWorkerPool:
    """A :class:`~andersonn.workers.pool.WorkerPool` for coroutines, with errors in words for visitors of the web lab.

    Args:
        compute, settings: as of :class:`~andersonn.workers.pool.Worker`.
        processes: how many.
        seconds: time limit of a payload, from when a process begins with it.
    """

    def __init__(self, compute: str, settings: dict[str, Any], processes: int, seconds: float) -> None:
        self._seconds = seconds
        self._pool = WorkerPool(compute, settings, processes, gigabytes=MAX_GIGABYTES)

    async def ask(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The result for a payload.

        Raises:
            InputError: as the function raises it; ``too_slow`` or ``aborted`` if its process had to be killed or died.
        """
        try:
            return await asyncio.wrap_future(self._pool.submit(payload, self._seconds))
        except InputError as error:
            raise _for_visitors(error, self._seconds) from None

    async def warm(self, payload: dict[str, Any]) -> None:
        """Starts all processes, with a payload that makes them load what they need."""
        asked = [self._pool.submit(payload, STARTING) for _ in range(self._pool.processes)]
        await asyncio.gather(*map(asyncio.wrap_future, asked))

    def close(self) -> None:
        """Ends the processes, also those at work."""
        self._pool.close()


def _for_visitors(error: InputError, seconds: float) -> InputError:
    """The same error with advice for someone who cannot give the program other options."""
    if error.kind == "timed_out":
        hint = "send something smaller, or use the command line, which has no limit"
        return InputError("too_slow", f"it took longer than {seconds:g} s", hint)
    if error.kind == "out_of_memory":
        return InputError(error.kind, "it needs too much memory", "send something smaller")
    return error
