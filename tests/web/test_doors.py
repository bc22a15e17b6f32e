"""Who may ask the web lab, and how many may keep it waiting."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time

import httpx
import pytest
from fastapi import FastAPI

from andersonn.errors import UsageError
from andersonn.web.doors import Doors, own_names
from tests.web.conftest import EXAMPLES, Serving

QUARTZ = EXAMPLES / "structures/quartz.cif"


def client_of(host="127.0.0.1", allowed=()):
    app = FastAPI()

    @app.get("/")
    @app.get("/api/tasks")
    @app.post("/api/predict/polarity")
    def answer():
        return {"answered": True}

    app.add_middleware(Doors, names=own_names(host, allowed), allowed=allowed)
    return app


def asked(app, path="/api/tasks", method="GET", **headers):
    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.request(
                method, path, headers={name.replace("_", "-"): headers[name] for name in headers}
            )

    answer = asyncio.run(ask())
    if answer.status_code == 200:
        return "answered"
    error = answer.json()["error"]
    assert answer.status_code == 403
    assert error["message"]
    assert error["hint"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    return error["kind"]


@pytest.mark.parametrize(
    "name",
    ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:8000"],
)  # fmt: skip
def test_names_of_this_machine(name):
    for path in ("/", "/api/tasks"):
        assert asked(client_of(), path, host=name) == "answered"


@pytest.mark.parametrize(
    "name",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.2", "0.0.0.0:8000", "localhost@evil",
     "evil#localhost", "[::2]:80", "[::1", "::1", "", "localhost:8000:1", "a/../localhost", "www.localhost", "xlocalhost", "2130706433"],
)  # fmt: skip
def test_names_that_lead_here_from_elsewhere(name):
    for path in ("/", "/api/tasks"):
        assert asked(client_of(), path, host=name) == "unknown_host"


def test_further_names():
    client = client_of("0.0.0.0", ["lab.example.org", "*.intern"])
    for name in ("lab.example.org", "LAB.example.org:443", "a.intern", "localhost", socket.gethostname()):
        assert asked(client, host=name) == "answered"
    for name in ("example.org", "x.lab.example.org", "intern", "evil"):
        assert asked(client, host=name) == "unknown_host"
    assert asked(client_of("192.168.7.7"), host="192.168.7.7:8000") == "answered"
    assert asked(client_of("fe80::1"), host="[fe80::1]:8000") == "answered"
    assert asked(client_of(allowed=["*"]), host="anything") == "answered"


@pytest.mark.parametrize("name", ["http://x", "a*", "*.*", "", "x/y", "*x.org", "lab:443", "[::1]:80", " "])
def test_what_is_no_name(name):
    with pytest.raises(UsageError, match="allowed-host"):
        own_names("127.0.0.1", [name])


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, "answered"), ({"origin": "http://localhost:8000"}, "answered"), ({"sec_fetch_site": "same-origin"}, "answered"),
        ({"sec_fetch_site": "none"}, "answered"), ({"origin": "null"}, "foreign_page"), ({"origin": "http://evil.example"}, "foreign_page"),
        ({"origin": "http://localhost:3000"}, "foreign_page"), ({"origin": "http://127.0.0.1:8000"}, "foreign_page"),
        ({"origin": "http://localhost"}, "foreign_page"), ({"origin": "http://localhost:8000.evil.example"}, "foreign_page"),
        ({"origin": "http://evil.example#localhost:8000"}, "foreign_page"), ({"origin": "http://localhost:x"}, "foreign_page"),
        ({"origin": "file://"}, "foreign_page"), ({"origin": "chrome-extension://localhost:8000"}, "foreign_page"), ({"origin": ""}, "foreign_page"),
        ({"sec_fetch_site": "cross-site"}, "foreign_page"), ({"sec_fetch_site": "same-site"}, "foreign_page"),
        ({"origin": "http://localhost:8000", "sec_fetch_site": "cross-site"}, "foreign_page"), ({"sec_fetch_site": "odd"}, "foreign_page"),
    ],
)  # fmt: skip
def test_pages_of_other_sites(method, headers, kind):
    path = "/api/tasks" if method == "GET" else "/api/predict/polarity"
    assert asked(client_of(), path, method, host="localhost:8000", **headers) == kind


def test_a_link_from_another_site_opens_the_page():
    assert asked(client_of(), "/", host="localhost:8000", sec_fetch_site="cross-site") == "answered"
    assert asked(client_of(), "/", "POST", host="localhost:8000", sec_fetch_site="cross-site") == "foreign_page"


def test_a_page_behind_a_proxy():
    client = client_of(allowed=["lab.example.org"])
    for host in ("lab.example.org", "127.0.0.1:8000"):
        assert asked(client, "/api/predict/polarity", "POST", host=host, origin="https://lab.example.org") == "answered"
    assert asked(client, host="lab.example.org", origin="https://evil.example") == "foreign_page"


@pytest.fixture(scope="module")
def narrow():
    """A server with few connections and little patience."""
    serving = Serving("--readers", "1", "--connections", "20", "--head-seconds", "8")
    yield serving
    serving.close()


def raw(serving, sent: bytes = b"") -> socket.socket:
    found = socket.create_connection(("127.0.0.1", int(serving.url.rpartition(":")[2])), 10.0)
    found.sendall(sent)
    return found


def heard(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    connection.settimeout(30.0)
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            found += part
    connection.close()
    return found


def error_of(answer: bytes) -> tuple[int, dict]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


def test_the_server_itself_refuses(narrow):
    assert narrow.client.get("/api/tasks", headers={"host": "evil.example"}).json()["error"]["kind"] == "unknown_host"
    assert narrow.client.get("/api/tasks", headers={"origin": "null"}).json()["error"]["kind"] == "foreign_page"
    origin = {"origin": narrow.url, "sec-fetch-site": "same-origin"}
    files = [("files", ("quartz.cif", QUARTZ.read_bytes()))]
    assert narrow.client.post("/api/predict/conduction", files=files, headers=origin).status_code == 200
    assert narrow.client.post("/api/predict/conduction", files=files).status_code == 200


def test_half_open_connections_keep_nobody_out(narrow):
    """Three hundred of them, where twenty may be open: each of ours is answered, and none of theirs stays."""
    theirs = []
    for k in range(300):
        with contextlib.suppress(ConnectionError):
            theirs.append(
                raw(narrow, (b"", b"GET / HT", b"POST /api/predict/polarity HTTP/1.1\r\nHost: localhost\r\nX: ")[k % 3])
            )
        if k % 50 == 49:
            assert status_of(narrow) == 200
    assert sum(not closed(each) for each in theirs) <= 20
    answers = [error_of(answer) for answer in map(heard, theirs) if answer]
    assert {(status, error["kind"]) for status, error in answers} == {(503, "crowded"), (408, "too_slow")}
    assert all(error["hint"] for _, error in answers)


def closed(connection: socket.socket) -> bool:
    """Whether the server has said something to a connection, which is always its last word, or has ended it."""
    try:
        connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


def status_of(serving) -> int:
    """What a client with a connection of its own is told."""
    connection = raw(serving, b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    return int(heard(connection).split()[1])


def test_a_head_that_trickles_is_not_waited_for(narrow):
    connection = raw(narrow, b"GET / HTTP/1.1\r\n")
    begun = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < begun + 25:
            connection.sendall(b"X")
            time.sleep(0.25)
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                answer = connection.recv(65536)
                break
            connection.setblocking(True)
    assert error_of(answer)[1]["kind"] == "too_slow"


def test_the_next_request_of_a_connection_has_to_come_in_time_too(narrow):
    connection = raw(narrow, b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    connection.settimeout(20.0)
    assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    connection.sendall(b"GET /api/hea")
    assert error_of(heard(connection))[0] == 408


def test_a_body_that_stops_is_not_waited_for(narrow):
    form = b"POST /api/predict/polarity HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 99\r\n"
    connection = raw(narrow, form + b"\r\n--x")
    status, error = error_of(heard(connection))
    assert (status, error["kind"]) == (408, "too_slow")


def test_what_is_no_http_is_told_so(narrow):
    assert error_of(heard(raw(narrow, b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03 hello\r\n\r\n")))[0] == 400
