"""Connections as uvicorn has them, with bounds: how many there are, and how long a client may take to ask and to listen."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from andersonn.web.guard import as_http
from andersonn.web.limits import Limits, Refusal

LINGER = 2.0
"""Seconds in which a client that was answered before it had sent all may go on sending, so that it reads the answer."""


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
        self._ending: asyncio.TimerHandle | None = None
        self._quiet_since = self.loop.time()
        here = [each for each in self.connections if not each.transport.is_closing() or each._owes()]
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
        if self._ending is not None:  # it was answered, and the rest is of no use
            return
        if self.cycle is not None and self.cycle.more_body:
            self._quiet_since = self.loop.time()
        self._watch_taking()
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
        if self._ending is not None:
            self._ending.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not take what it is sent."""
        super().pause_writing()
        self._quiet_since = self.loop.time()
        self._watch_taking()

    def resume_writing(self) -> None:
        """It takes some; the time runs on until it has taken all."""
        super().resume_writing()
        self._watch_taking()

    def on_response_complete(self) -> None:
        """An answer is out; the client may ask again, unless it still sends what was not waited for."""
        self._quiet_since = self.loop.time()
        unread = self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing()
        super().on_response_complete()
        self._watch_taking()
        if unread:
            self._hang_up()

    def send_400_response(self, msg: str) -> None:
        """What was sent is no HTTP."""
        self._leave(Refusal(400, "bad_request", "what was sent is no HTTP request", "send HTTP/1.1, see /#api"))

    def _is_quiet(self) -> bool:
        """Whether nothing is being done for it: the request is not whole, or the answer is made."""
        cycle = self.cycle
        asks = cycle is None or cycle.more_body
        return asks or cycle.response_complete or self.flow.write_paused or self.transport.is_closing()

    def _owes(self) -> bool:
        """Whether it has not taken all that it was sent."""
        return self.transport.get_write_buffer_size() > 0

    def _make_room(self) -> None:
        if self._owes():  # closing would wait until it is taken
            self.transport.abort()
        elif self.cycle is None or not self.cycle.response_started:
            self._leave(_crowded(self.limits.connections))
        else:  # which has its answer, and would take this one for that to its next request
            self._stop_waiting()
            self.transport.close()

    def _hang_up(self) -> None:
        """Ends a connection whose request never came whole. Closed at once, the client could lose the answer."""
        self._unset_keepalive_if_required()
        self._ending = self.loop.call_later(LINGER, self.transport.close)
        if self.transport.can_write_eof():
            self.transport.write_eof()

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

    def _watch_taking(self) -> None:
        """Gives a client the time of an answer to take the whole of it, from when it first does not take a part."""
        if self._has_taken():
            self._stop_taking()
        elif self._taking is None and self._owes():
            self._taking = self.loop.call_later(self.limits.work_seconds, self._not_taken)

    def _has_taken(self) -> bool:
        return not self._owes() and (self.cycle is None or self.cycle.response_complete)

    def _not_taken(self) -> None:
        self._taking = None
        if not self._has_taken():
            self.transport.abort()

    def _stop_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None


def _crowded(most: int) -> Refusal:
    return Refusal(503, "crowded", f"{most} connections are open already", "try again in a few seconds")
