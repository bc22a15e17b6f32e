"""What stands before the application: bounds on the bodies of requests, and headers of every answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from andersonn.web.limits import Refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
SECONDS = 60.0
"""In which the body of a request has to arrive."""
PAUSE = 10.0
"""Seconds between two parts of it, at most."""
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}


class Guard:
    """Refuses bodies that are too large (413) or too slow (408), before or while they arrive. HEAD is answered as GET is; the
    server leaves the body out.

    Args:
        app: what it stands before.
        megabytes: the most a body may have.
        seconds: in which it must arrive.
        pause: between two parts of it, at most.
    """

    def __init__(self, app: App, megabytes: float, seconds: float = SECONDS, pause: float = PAUSE) -> None:
        self.app, self.most, self.seconds, self.pause = app, int(megabytes * 1e6), seconds, pause
        self.too_large = Refusal(
            413, "too_large", f"the request has more than {megabytes:g} MB", "send fewer or smaller files"
        )
        self.too_slow = Refusal(
            408,
            "too_slow",
            f"the request did not arrive within {seconds:g} s, or stopped for {pause:g} s",
            "send it again",
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self.most:
            await refuse(self.too_large, send)
            return
        watched = _Watched(self, receive, send)
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self.app(scope, watched.receive, watched.send)
        if watched.refusal and not watched.started:
            await refuse(watched.refusal, send)


def _answer(refusal: Refusal) -> tuple[dict[str, str], bytes]:
    """Headers and body."""
    body = json.dumps({"error": refusal.as_dict()}, ensure_ascii=False).encode(errors="replace")
    headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close", **HEADERS}
    return headers, body


async def refuse(refusal: Refusal, send: Send) -> None:
    """Answers a request with a refusal, in the shape of every error."""
    headers, body = _answer(refusal)
    await send({"type": "http.response.start", "status": refusal.status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": body})


def as_http(refusal: Refusal) -> bytes:
    """The same as it stands on the wire, for who has not yet asked."""
    headers, body = _answer(refusal)
    lines = [
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        *(f"{k}: {v}" for k, v in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Watched:
    """One request as the application sees it: a client that sends too much seems to have gone away."""

    def __init__(self, guard: Guard, receive: Receive, send: Send) -> None:
        self.guard, self._receive, self._send = guard, receive, send
        self.refusal: Refusal | None = None
        self.started, self._size, self._complete = False, 0, False
        self._until = asyncio.get_running_loop().time() + guard.seconds

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()  # waits for the client to go away, as long as that takes
        until = min(self._until, asyncio.get_running_loop().time() + self.guard.pause)
        try:
            async with asyncio.timeout_at(until):
                message = await self._receive()
        except TimeoutError:
            self.refusal = self.guard.too_slow
            return {"type": "http.disconnect"}
        self._size += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._size > self.guard.most:
            self.refusal = self.guard.too_large
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self.refusal and not self.started:
            return
        if message["type"] == "http.response.start":
            self.started = True
            own = {name for name, _ in message["headers"]}
            added = [(name, value) for name, value in _encoded(HEADERS) if name not in own]
            message["headers"] = [*message["headers"], *added]
        await self._send(message)


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
