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
    listens = machine_names() if host in EVERYWHERE else [host]
    return list(dict.fromkeys([*LOOPBACK, *map(_name_of, [*listens, *allowed])]))


def machine_names() -> list[str]:
    """What the machine is called in its network, the shortest way first; empty if it has no name that a browser can use."""
    name = socket.gethostname().rstrip(".")
    if not NAME.fullmatch(name):
        return []
    return [name] if "." in name else [name, f"{name}.local"]


def addresses(host: str, port: int) -> list[str]:
    """What to type into a browser for a server that listens on ``host``; :class:`Doors` lets all of it in.

    Args:
        host: as the option has it.
        port: the one that was found.
    """
    if host == "::":  # listens on addresses of IPv6 alone, and the machine's name may lead to another
        names = ["[::1]"]
    else:
        names = ["127.0.0.1", *machine_names()[:1]] if host in EVERYWHERE else [_name_of(host)]
    return [f"http://{name}:{port}" for name in names]


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
    return host.lower().removesuffix(".")


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
        asked = {"type": "http", "headers": [(b"host", _without_dot(headers.get("host", "")).encode("latin-1"))]}
        await self._trusted(asked, receive, _nothing)
        return TRUSTED in asked

    def _is_foreign(self, scope: Message, headers: Headers) -> bool:
        """Whether a page of another site asks. Opening a page by a link from elsewhere is no such thing; it reads nothing."""
        if scope["method"] in SAFE_METHODS and not scope["path"].startswith("/api"):
            return False
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return True
        return any(not self._is_own_origin(origin, headers.get("host", "")) for origin in headers.getlist("origin"))

    def _is_own_origin(self, origin: str, host: str) -> bool:
        """Whether an origin, which browsers write as scheme, name and any port but the usual one, is that of the request."""
        try:
            found = urlsplit(origin)
            if (
                found.scheme not in PORTS
                or not found.hostname
                or origin.lower() != f"{found.scheme}://{found.netloc}".lower()
            ):
                return False
            same = _without_usual_port(found.netloc, found.scheme) == _without_usual_port(host, found.scheme)
        except ValueError:  # a bracket that is not closed
            return False
        return same or found.hostname in self.allowed


def _without_dot(host: str) -> str:
    """The same without the dot that ends a whole name, ``localhost.:8000``."""
    name, colon, port = host.partition(":")
    return f"{name.removesuffix('.')}{colon}{port}"


def _without_usual_port(host: str, scheme: str) -> str:
    return host.lower().removesuffix(f":{PORTS[scheme]}")


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
