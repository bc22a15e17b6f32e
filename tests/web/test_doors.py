"""Who may ask the web lab, and how many may keep it waiting."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from andersonn.errors import UsageError
from andersonn.web.connections import protocol_of
from andersonn.web.doors import Doors, addresses, machine_names, own_names
from andersonn.web.limits import Limits
from tests.web.conftest import EXAMPLES, WAIT, Serving

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
    ["localhost", "localhost.", "localhost.:8000", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:8000"],
)  # fmt: skip
def test_names_of_this_machine(name):
    for path in ("/", "/api/tasks"):
        assert asked(client_of(), path, host=name) == "answered"


@pytest.mark.parametrize(
    "name",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.2", "0.0.0.0:8000", "localhost@evil",
     "evil#localhost", "[::2]:80", "[::1", "::1", "", "localhost:8000:1", "a/../localhost", "www.localhost", "localhost..", ".localhost", "xlocalhost", "2130706433"],
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


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0.0.0.0", "::", "::1", "192.168.7.7", "Fe80::1", "lab.example.org", "Lab.example.org."],
)
def test_what_is_printed_is_accepted(host):
    """And is what a browser makes of it: an address in brackets, a port, and no name for all addresses."""
    for address in addresses(host, 8933):
        found = urlsplit(address)
        assert (found.scheme, found.port) == ("http", 8933)
        assert found.hostname not in ("0.0.0.0", "::", None)
        assert asked(client_of(host), host=found.netloc, origin=address) == "answered"
    assert len(addresses(host, 1)) == (1 + bool(machine_names()) if host == "0.0.0.0" else 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1"])
def test_what_is_printed_is_listened_on(host):
    async def reached() -> None:
        try:
            server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, 0)
        except OSError:
            pytest.skip(f"this machine has no {host}")
        found = urlsplit(addresses(host, server.sockets[0].getsockname()[1])[0])
        _, writer = await asyncio.open_connection(found.hostname, found.port)
        writer.close()
        server.close()

    asyncio.run(reached())


def test_names_of_a_machine_that_listens_everywhere(monkeypatch):
    for name, own in {"box": ["box", "box.local"], "Box.lab.org": ["Box.lab.org"], "höhle": [], "": []}.items():
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        assert machine_names() == own
        for each in own:
            assert asked(client_of("0.0.0.0"), host=f"{each}:8000") == "answered"
            assert asked(client_of("127.0.0.1"), host=f"{each}:8000") == "unknown_host"


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
        ({"origin": "http://evil@localhost:8000"}, "foreign_page"), ({"origin": "http://localhost:8000/"}, "foreign_page"),
        ({"origin": "http://localhost:8000#"}, "foreign_page"), ({"origin": "http://localhost:8000 http://evil.example"}, "foreign_page"),
        ({"origin": "http://local\thost:8000"}, "foreign_page"), ({"origin": "http://localhost:08000"}, "foreign_page"),
        ({"origin": "http://[localhost:8000"}, "foreign_page"),
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
    """A server with few connections, a short queue and little patience."""
    serving = Serving(
        "--readers", "1", "--connections", "20", "--head-seconds", "8", "--waiting", "2", "--read-seconds", "120"
    )
    yield serving
    serving.close()


FORM = b"POST /api/predict/polarity HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
HALVES = (
    b"", b"GET / HT", b"POST /api/predict/polarity HTTP/1.1\r\nHost: localhost\r\nX: ",
    FORM + b"Content-Length: 1000\r\n\r\n", FORM + b"Content-Length: 1000\r\n\r\n--x",
    FORM + b"Transfer-Encoding: chunked\r\n\r\n", FORM + b"Transfer-Encoding: chunked\r\n\r\n3\r\n--x\r\n",
)  # fmt: skip
"""What a client may have sent of a request."""


def raw(serving, sent: bytes = b"") -> socket.socket:
    found = socket.create_connection(("127.0.0.1", int(serving.url.rpartition(":")[2])), WAIT)
    found.sendall(sent)
    return found


def heard(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    connection.settimeout(WAIT)
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
            theirs.append(raw(narrow, HALVES[k % len(HALVES)]))
        if k % 50 == 49:
            assert status_of(narrow) == 200
    assert sum(not closed(each) for each in theirs) <= 20
    answers = [error_of(answer) for answer in map(heard, theirs) if answer]
    assert {(status, error["kind"]) for status, error in answers} == {(503, "crowded"), (408, "too_slow")}
    assert all(error["hint"] for _, error in answers)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("GET /", 200), ("HEAD /", 200), ("GET /api/health", 200), ("POST /nosuch", 404), ("GET /nosuch", 404), ("PUT /api/health", 405),
        ("POST /api/health/", 307),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("length", "part"), [("Content-Length: 1000000", b"1"), ("Transfer-Encoding: chunked", b"1")])
def test_a_body_that_nobody_waits_for_keeps_nobody_out(narrow, asked, status, length, part):
    """Sixty clients are answered before they send their bodies, of which they send one byte and then nothing."""
    theirs = []
    for _ in range(60):
        connection = raw(narrow, f"{asked} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
        connection.settimeout(WAIT)
        assert int(connection.recv(65536).split()[1]) == status
        with contextlib.suppress(ConnectionError):
            connection.sendall(part)
        theirs.append(connection)
    assert status_of(narrow) == 200
    for connection in theirs:
        heard(connection)  # all are ended


def test_a_whole_body_that_nobody_waits_for_does_no_harm(narrow):
    """The client is told, however much it sends, and a small body does not even end the connection."""
    for megabytes in (0, 1, 7):
        # Not the client of other tests: the server may end its idle connection while this is on the way.
        answer = httpx.post(f"{narrow.url}/nosuch", content=b"x" * (megabytes * 1000000 + 100), timeout=WAIT)
        assert answer.status_code == 404
    request = b"POST /nosuch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
    last = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert heard(raw(narrow, request + request + last)).count(b"HTTP/1.1 404") == 2


def test_a_slow_reader_of_long_answers_is_left():
    """It takes a little of an answer again and again, and so never all of it."""
    size, parts = 100_000, 400

    async def large(scope, receive, send):
        length = str(size * parts).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for part in range(parts):
            await send({"type": "http.response.body", "body": bytes(size), "more_body": part < parts - 1})

    def narrow_one() -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        return made

    async def taken() -> int:
        config = uvicorn.Config(large, log_level="warning", lifespan="off")
        config.load()
        state, loop, listening, asking = ServerState(), asyncio.get_running_loop(), narrow_one(), narrow_one()
        listening.bind(("127.0.0.1", 0))
        speak = protocol_of(Limits(work_seconds=1.0))
        server = await loop.create_server(lambda: speak(config, state, {}), sock=listening)
        await loop.run_in_executor(None, asking.connect, listening.getsockname())
        reader, writer = await asyncio.open_connection(sock=asking)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        found = 0
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65536):
                found += len(part)
                await asyncio.sleep(0.01)
        writer.close()
        server.close()
        assert not state.connections
        return found

    assert size < asyncio.run(taken()) < size * parts


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
    with contextlib.suppress(ConnectionError):
        while True:  # until it is answered, or the test's own limit of time
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
    connection.settimeout(WAIT)
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


def test_questions_beyond_the_queue_are_told_so_and_the_others_answered(narrow):
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda k: narrow.ask("predict", "polarity", smiles="C" * (k % 5 + 8)), range(24)))
    codes = [answer.status_code for answer in found]
    assert set(codes) == {200, 429}
    refused = found[codes.index(429)]
    assert refused.json()["error"]["kind"] == "busy"
    assert refused.headers["retry-after"]


def test_a_graceful_stop_answers_what_was_asked(narrow):
    """The last test of this server, since it ends."""
    waiting = [sent(narrow, k) for k in range(2)]
    while narrow.client.get("/api/health").json()["waiting"] < 2:  # until both are in
        if all(future.done() for future in waiting):
            break
        time.sleep(0.02)
    narrow.process.send_signal(signal.SIGTERM)
    assert [future.result().status_code for future in waiting] == [200, 200]
    assert narrow.process.wait(WAIT) == 0


def sent(serving, k):
    """The answer to come to a question that is being sent."""
    begun, threads = Event(), ThreadPoolExecutor(1)

    def ask():
        with httpx.Client(base_url=serving.url, timeout=WAIT) as client:
            begun.set()
            return client.post("/api/predict/polarity", data={"smiles": "C" * (10 + k)})

    future = threads.submit(ask)
    begun.wait(WAIT)
    return future
