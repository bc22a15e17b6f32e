"""Many inputs of one request, answered as a stream: read by processes of their own, a few ahead, and answered in small batches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")
Row = dict[str, Any]
AHEAD = 16
"""Parts of a list that are read before they are answered: their images take memory."""
BATCH = 16
"""Structures of a list that are sent to the model together; it answers them in pieces that give way to others."""


class Listing(Generic[T]):
    """The answers to parts, as they come. They can be asked for once, by :meth:`rows`; who does not must :meth:`close` it.

    Args:
        parts: counted before anything is read.
        read: gives the structures of a part, each ``{"ready": …}`` or the row of an error.
        answer: gives a row for each of some structures.
        at_once: parts that are being read at a time.
        place: of the request among those that are answered at a time; it is left when all is answered, or nobody asks for
            more.
    """

    def __init__(
        self,
        parts: Sequence[T],
        read: Callable[[T], Awaitable[list[Row]]],
        answer: Callable[[list[Row]], Awaitable[list[Row]]],
        at_once: int,
        place: AbstractContextManager[Any, bool | None],
    ) -> None:
        self._parts, self._read, self._answer, self._place = parts, read, answer, place
        self._gate = asyncio.Semaphore(at_once)

    def __len__(self) -> int:
        return len(self._parts)

    def close(self) -> None:
        """Leaves the place of a list whose rows nobody asks for."""
        self._place.__exit__(None, None, None)

    async def rows(self) -> AsyncGenerator[list[Row], None]:
        """Answers and errors in the order of the parts, some at a time. Closing the iterator cancels what waits."""
        running: deque[asyncio.Task[list[Row]]] = deque()
        waiting = deque(self._parts)
        try:
            while running or waiting:
                while waiting and len(running) < AHEAD:
                    running.append(asyncio.create_task(self._one(waiting.popleft())))
                found = await running.popleft()
                while running and running[0].done() and len(found) < BATCH:
                    found += running.popleft().result()
                yield await self._answer(found)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            self.close()

    async def _one(self, part: T) -> list[Row]:
        async with self._gate:
            return await self._read(part)


async def until_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of some work for a client, which is cancelled when the client disconnects.

    Raises:
        ClientDisconnect: the client is gone, and nobody reads what is answered.
    """
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait([doing, leaving], return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise ClientDisconnect
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
