"""Processes that do the work which may hang or crash, and gates that bound how much of it waits."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from andersonn.errors import InputError
from andersonn.web.limits import busy
from andersonn.workers.pool import STARTING, Worker

MOST_GIGABYTES = 4.0
"""Address space of a process beyond what it has at its start."""


class Gate:
    """Lets so many in at a time and refuses the others at once: a queue that grows helps nobody.

    Args:
        most: inside at a time.
        what: they are called in the refusal.
    """

    def __init__(self, most: int, what: str) -> None:
        self.most, self.what, self.inside = most, what, 0

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Counts one in; all of it happens in the event loop, so that no lock is needed.

        Raises:
            Refusal: 429.
        """
        if self.inside >= self.most:
            raise busy(self.what, self.most)
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1


class Lane:
    """Some processes that answer payloads, each one at a time.

    Args:
        compute: ``"module:function"``, see :class:`~andersonn.workers.pool.Worker`.
        settings: handed to it.
        processes: how many.
        seconds: after which one is killed; it is started again.
    """

    def __init__(self, compute: str, settings: dict[str, Any], processes: int, seconds: float) -> None:
        self.seconds = seconds
        self._workers = [Worker(compute, settings, gigabytes=MOST_GIGABYTES) for _ in range(processes)]
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix=compute)

    async def ask(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The result for a payload.

        Raises:
            InputError: as the function has it; ``too_slow`` or ``aborted`` if its process had to be killed or died.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, payload, self.seconds)

    async def warm(self, payload: dict[str, Any]) -> None:
        """Starts all processes, with a payload that makes them load what they need."""
        loop = asyncio.get_running_loop()
        asked = [loop.run_in_executor(self._threads, self._ask, payload, STARTING) for _ in self._workers]
        await asyncio.gather(*asked)

    def close(self) -> None:
        """Ends the processes, also those at work."""
        for worker in self._workers:
            worker.close()
        self._threads.shutdown(cancel_futures=True)

    def _ask(self, payload: dict[str, Any], seconds: float) -> dict[str, Any]:
        worker = self._idle.get()
        try:
            return worker.ask(payload, seconds)
        except InputError as error:
            if error.kind == "timed_out":
                hint = "send something smaller, or use the command line, which has no limit"
                raise InputError("too_slow", f"it took longer than {seconds:g} s", hint) from None
            if error.kind == "out_of_memory":
                raise InputError(error.kind, "it needs too much memory", "send something smaller") from None
            raise
        finally:
            self._idle.put(worker)
