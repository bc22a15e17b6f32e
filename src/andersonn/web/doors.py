"""Who may ask: pages of the web lab itself and programs, under the names that the server has. A page of another site may not,
whether it asks across sites or has its own name lead to this machine (DNS rebinding).
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware

from andersonn.errors import UsageError
from andersonn.web.guard import App, Message, Receive, Send, refuse
from andersonn.web.limits import Refusal

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
EVERYWHERE = ("0.0.0.0", "::", "")
"""What is listened on for all addresses of a machine; no name of it."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
PORTS = {"http": 80, "https": 443}
TRUSTED = "andersonn.trusted_host"


def own_names(host: str, allowed: Iterable[str] = ()) -> list[str]:
    """The names under which a server that listens on ``host`` may be asked.

    Args:
        host: as the option has it.
        allowed: further names, such as that of a proxy; ``*.example.org`` for all below one, ``*`` for any.

    Raises:
        UsageError: a further name is none.
    """
    listens = [socket.gethostname()] if host in EVERYWHERE else [host]
    return list(dict.fromkeys([*LOOPBACK, *map(_name_of, [*listens, *allowed])]))


def _name_of(host: str) -> str:
    """A name as requests have it: IPv6 addresses in brackets."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        return f"[{address}]" if address.version == 6 else str(address)
    if host != "*" and not NAME.fullmatch(host.removeprefix("*.")):
        raise UsageError(
            "bad_option",
            f"{host!r} is no name of a machine",
            "leave out http:// and the port: --allowed-host lab.example.org",
        )
    return host.lower()


class Doors:
    """Refuses (403) requests under a name that is not the server's own, and those that a page of another site makes.

    Args:
        app: what it stands before.
        names: as :func:`own_names` gives them.
        allowed: of these, those that were named on purpose: a proxy may ask under its own name for a page under another.
    """

    def __init__(self, app: App, names: list[str], allowed: Iterable[str] = ()) -> None:
        self.app = app
        self.allowed = [name.lower() for name in allowed]
        self._trusted = TrustedHostMiddleware(_mark, names, www_redirect=False)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if not await self._is_own_name(scope, headers, receive):
                await refuse(_unknown_host(headers.get("host", "")), send)
                return
            if self._is_foreign(scope, headers):
                await refuse(FOREIGN, send)
                return
        await self.app(scope, receive, send)

    async def _is_own_name(self, scope: Message, headers: Headers, receive: Receive) -> bool:
        """By Starlette's middleware; the very address that was connected to is no name that could lead elsewhere."""
        reached = (scope.get("server") or ("", 0))[0]
        host, _, port = headers.get("host", "").rpartition(":")
        if reached and headers.get("host") in (reached, f"[{reached}]"):
            return True
        if reached and port.isdigit() and host in (reached, f"[{reached}]"):
            return True
        await self._trusted(scope, receive, _nothing)
        return bool(scope.pop(TRUSTED, False))

    def _is_foreign(self, scope: Message, headers: Headers) -> bool:
        """Whether a page of another site asks. Opening a page by a link from elsewhere is no such thing; it reads nothing."""
        if scope["method"] in SAFE_METHODS and not scope["path"].startswith("/api"):
            return False
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return True
        return any(not self._is_own_origin(origin, headers.get("host", "")) for origin in headers.getlist("origin"))

    def _is_own_origin(self, origin: str, host: str) -> bool:
        try:
            found, asked = urlsplit(origin), urlsplit(f"//{host}")
            if found.scheme not in PORTS or not found.hostname:
                return False
            port = PORTS[found.scheme]
            same = (found.hostname, found.port or port) == (asked.hostname, asked.port or port)
        except ValueError:  # a port that is no number
            return False
        return same or found.hostname in self.allowed


async def _mark(scope: Message, receive: Receive, send: Send) -> None:
    scope[TRUSTED] = True


async def _nothing(message: Message) -> None:
    """Says nothing: the middleware's own refusal is no JSON."""


FOREIGN = Refusal(403, "foreign_page", "a page of another site asked", "open the web lab itself, or ask by a program")


def _unknown_host(name: str) -> Refusal:
    return Refusal(
        403,
        "unknown_host",
        f"the web lab was asked under the name {name[:100]!r}, which is not its own",
        "use the address that andersonn serve printed, or start it with --allowed-host NAME",
    )
