"""Connections as uvicorn has them, with bounds: how many there are, and how long a client may take to ask and to listen."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from andersonn.web.guard import as_http
from andersonn.web.limits import Limits, Refusal


def protocol_of(limits: Limits) -> type[H11Protocol]:
    """The protocol that uvicorn is to speak."""
    return type("Bounded", (_Bounded,), {"limits": limits})


class _Bounded(H11Protocol):
    """HTTP/1.1, where the head of a request has to arrive in time, answers have to be taken in time, and connections beyond
    the bound take the place of the one that has kept quiet for longest; if all are at work, they are refused.
    """

    limits: Limits

    def connection_made(self, transport: Any) -> None:
        """A client is there."""
        super().connection_made(transport)
        self._head: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._quiet_since = self.loop.time()
        here = [each for each in self.connections if not each.transport.is_closing()]
        if len(here) > self.limits.connections:
            quiet = [other for other in here if other is not self and other._is_quiet()]
            if quiet:
                min(quiet, key=lambda other: other._quiet_since)._make_room()
            else:
                self._leave(_crowded(self.limits.connections))
                return
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """A part of a request is there."""
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._head is None and self.cycle is not None and self.cycle.response_complete:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        self._stop_taking()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not take what it is sent."""
        super().pause_writing()
        self._stop_taking()
        self._taking = self.loop.call_later(self.limits.work_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        self._stop_taking()
        super().resume_writing()

    def on_response_complete(self) -> None:
        """An answer is out; the client may ask again."""
        self._quiet_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """What was sent is no HTTP."""
        self._leave(Refusal(400, "bad_request", "what was sent is no HTTP request", "send HTTP/1.1, see /#api"))

    def _is_quiet(self) -> bool:
        """Whether nothing is being done for it."""
        return self.conn.their_state is h11.IDLE and (self.cycle is None or self.cycle.response_complete)

    def _make_room(self) -> None:
        if self.cycle is None:
            self._leave(_crowded(self.limits.connections))
        else:  # which has its answer, and would take this one for that to its next request
            self._stop_waiting()
            self.transport.close()

    def _expect_head(self) -> None:
        self._head = self.loop.call_later(self.limits.head_seconds, self._too_late)

    def _too_late(self) -> None:
        seconds = self.limits.head_seconds
        self._leave(Refusal(408, "too_slow", f"no request arrived within {seconds:g} s", "send it again"))

    def _leave(self, refusal: Refusal) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.write(as_http(refusal))
            self.transport.close()

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _stop_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None


def _crowded(most: int) -> Refusal:
    return Refusal(503, "crowded", f"{most} connections are open already", "try again in a few seconds")
