"""Limits of the web lab, and how it refuses what exceeds them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields

from andersonn.errors import AndersonnError, InputError, UsageError


@dataclass(frozen=True)
class Limits:
    """Bounds that hold under load; each is an option of ``andersonn serve``.

    Attributes:
        megabytes: of one request, all its files together.
        files: in one request, pasted text and SMILES counted.
        structures: in one request; a file may hold many.
        atoms: of one structure.
        read_seconds: for reading and imaging one file.
        work_seconds: for one explanation or one inspection of a structure and its convergence.
        waiting: questions to the model at a time, a list being one; further ones get 429.
        working: explanations and inspections at a time; further ones get 429.
        readers: processes that read single inputs; lists have as many of their own.
        connections: open at a time; a further one takes the place of one that is quiet.
        head_seconds: in which a client has to say what it asks for.
        table_rows: of a table of which a scientist is to be constructed.
        construct_minutes: that a construction may take.
    """

    megabytes: float = 32.0
    files: int = 1000
    structures: int = 10_000
    atoms: int = 2000
    read_seconds: float = 20.0
    work_seconds: float = 60.0
    waiting: int = 256
    working: int = 16
    readers: int = 2
    connections: int = 256
    head_seconds: float = 10.0
    table_rows: int = 50_000
    construct_minutes: float = 120.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                name = field.name.replace("_", "-")
                raise UsageError("bad_option", f"--{name} is {getattr(self, field.name)}", "give a number above 0")

    def as_dict(self) -> dict[str, float]:
        """For the page, which says what it takes."""
        return asdict(self)


class Refusal(AndersonnError):
    """A request that is refused as a whole.

    Args:
        status: of the HTTP answer.
        kind, message, hint: as of every error of the package.
    """

    def __init__(self, status: int, kind: str, message: str, hint: str = "") -> None:
        super().__init__(kind, message, hint)
        self.status = status


class ConcurrencyLimit:
    """Admits so many at a time and refuses others at once, instead of a queue that grows.

    Args:
        most: inside at a time.
        what: they are called in the refusal.

    Attributes:
        inside: how many are inside now.
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


class Precedence:
    """Lets some work go first: other work waits for a moment while any of it is under way, but not for long."""

    def __init__(self) -> None:
        self._inside, self._free = 0, asyncio.Event()
        self._free.set()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Some work that goes first."""
        self._inside += 1
        self._free.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._free.set()

    async def give_way(self, seconds: float) -> None:
        """Waits until none of it is under way, at most so long: whatever others ask, who waits gets on."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._free.wait(), seconds)


class Count:
    """Structures of a request that are found only when they are read, such as those of a CIF of many blocks.

    Args:
        most: that there may be.
    """

    def __init__(self, most: int) -> None:
        self.most, self.found = most, 0

    def add(self, found: int) -> None:
        """Counts some more.

        Raises:
            InputError: there are too many.
        """
        self.found += found
        if self.found > self.most:
            told = f"more than {self.most} structures at once"
            raise InputError("too_many", told, "send fewer, or use andersonn predict, which has no limit")


def too_many(what: str, found: int, most: int) -> Refusal:
    """A request that holds more than is taken at a time."""
    return Refusal(
        413,
        "too_many",
        f"{found} {what} at once; at most {most}",
        "send fewer, or use andersonn predict, which has no limit",
    )


def busy(what: str, most: int) -> Refusal:
    """A request beyond the queue."""
    return Refusal(429, "busy", f"{most} {what} are waiting already", "try again in a few seconds")
