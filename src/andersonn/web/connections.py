"""uvicorn's connections with limits: how many are open, and how long a client may take to send a request and to read the
answer.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from andersonn.web.guard import as_http
from andersonn.web.limits import Limits, Refusal

LINGER = 2.0
"""Seconds in which a client that was answered before it had sent its whole request may go on sending, so that it reads the
answer."""


def protocol_of(limits: Limits) -> type[H11Protocol]:
    """The protocol that uvicorn is to speak."""
    return type("Bounded", (_LimitedProtocol,), {"limits": limits})


class _LimitedProtocol(H11Protocol):
    """HTTP/1.1 with time limits for the head of a request and for reading the answer. A connection beyond the limit takes the
    place of the one that has been idle for longest; if none is idle, it is refused.
    """

    limits: Limits

    def connection_made(self, transport: Any) -> None:
        """A client connected."""
        super().connection_made(transport)
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._idle_since = self.loop.time()
        everyone = cast("set[_LimitedProtocol]", self.connections)  # of this server, which speaks no other protocol
        open_now = [each for each in everyone if not each.transport.is_closing() or each._has_unsent()]
        if len(open_now) > self.limits.connections:
            idle = [other for other in open_now if other is not self and other._is_idle()]
            if idle:
                min(idle, key=lambda other: other._idle_since)._evict()
            else:
                self._refuse(_too_many_connections(self.limits.connections))
                return
        self._start_head_timer()

    def data_received(self, data: bytes) -> None:
        """A part of a request arrived."""
        if self._close_timer is not None:  # it was answered, and the rest is of no use
            return
        if self.cycle is not None and self.cycle.more_body:
            self._idle_since = self.loop.time()
        self._watch_writing()
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.conn.their_state is not h11.IDLE:
            self._stop_head_timer()
        elif self._head_timer is None and self.cycle is not None and self.cycle.response_complete:
            self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client disconnected."""
        self._stop_head_timer()
        self._stop_write_timer()
        if self._close_timer is not None:
            self._close_timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read what it is sent."""
        super().pause_writing()
        self._idle_since = self.loop.time()
        self._watch_writing()

    def resume_writing(self) -> None:
        """It reads again; its time runs on until it has read all."""
        super().resume_writing()
        self._watch_writing()

    def on_response_complete(self) -> None:
        """An answer is complete; the client may send the next request, unless it still sends an unread body."""
        self._idle_since = self.loop.time()
        unread = self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing()
        super().on_response_complete()
        self._watch_writing()
        if unread:
            self._close_gracefully()

    def send_400_response(self, msg: str) -> None:
        """What was sent is no HTTP."""
        self._refuse(Refusal(400, "bad_request", "what was sent is no HTTP request", "send HTTP/1.1, see /#api"))

    def _is_idle(self) -> bool:
        """Whether no work is done for it: the request is incomplete, or the answer complete."""
        cycle = self.cycle
        asks = cycle is None or cycle.more_body
        return asks or cycle.response_complete or self.flow.write_paused or self.transport.is_closing()

    def _has_unsent(self) -> bool:
        """Whether it has not yet read all that it was sent."""
        return self.transport.get_write_buffer_size() > 0

    def _evict(self) -> None:
        if self._has_unsent():  # closing would wait until it is read
            self.transport.abort()
        elif self.cycle is None or not self.cycle.response_started:
            self._refuse(_too_many_connections(self.limits.connections))
        else:  # which has its answer, and would take this one for that to its next request
            self._stop_head_timer()
            self.transport.close()

    def _close_gracefully(self) -> None:
        """Closes a connection whose request stayed incomplete. Closed at once, the client could lose the answer."""
        self._unset_keepalive_if_required()
        self._close_timer = self.loop.call_later(LINGER, self.transport.close)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.head_seconds, self._head_timeout)

    def _head_timeout(self) -> None:
        seconds = self.limits.head_seconds
        self._refuse(Refusal(408, "too_slow", f"no request arrived within {seconds:g} s", "send it again"))

    def _refuse(self, refusal: Refusal) -> None:
        self._stop_head_timer()
        if not self.transport.is_closing():
            self.transport.write(as_http(refusal))
            self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _watch_writing(self) -> None:
        """Starts the time limit for reading an answer when the client first does not keep up."""
        if self._all_is_written():
            self._stop_write_timer()
        elif self._write_timer is None and self._has_unsent():
            self._write_timer = self.loop.call_later(self.limits.work_seconds, self._write_timeout)

    def _all_is_written(self) -> bool:
        return not self._has_unsent() and (self.cycle is None or self.cycle.response_complete)

    def _write_timeout(self) -> None:
        self._write_timer = None
        if self._has_unsent():  # else the client has read all there is of an answer that is still being made
            self.transport.abort()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def _too_many_connections(most: int) -> Refusal:
    return Refusal(503, "crowded", f"{most} connections are open already", "try again in a few seconds")
