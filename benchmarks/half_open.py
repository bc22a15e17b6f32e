"""Connections to the web lab that never say what they ask for: how many stay, and how long others wait meanwhile.

Starts ``andersonn serve`` on 127.0.0.1, opens connections with half a head, half a body or no body each, or with a body that the
server does not wait for (``--kind``), and asks on a connection of its own every
half second, until all are closed or the time is up: ``python benchmarks/half_open.py --count 300 --seconds 45``.
"""

from __future__ import annotations

import argparse
import contextlib
import select
import socket
import subprocess
import sys
import time

HOST = "Host: 127.0.0.1\r\n"
FORM = f"POST /api/predict/polarity HTTP/1.1\r\n{HOST}Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n"
KINDS = {
    "head": f"GET /api/health HTTP/1.1\r\n{HOST}X: ",
    "body": FORM + "--x",
    "no-body": FORM,
    "unread": f"GET / HTTP/1.1\r\n{HOST}Content-Length: 1000000\r\n\r\n1",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--kind", choices=KINDS, default="head", help="what is sent of each request")
    parser.add_argument("--seconds", type=float, default=45.0, help="at most")
    parser.add_argument("options", nargs="*", help="of andersonn serve, after --")
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "andersonn.cli.main", "serve", "--port", "0", *arguments.options]
    serving = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        port = int(serving.stderr.readline().split()[3].rpartition(":")[2])
        answered(port, "tasks")  # when the models are loaded
        measure(port, KINDS[arguments.kind], arguments.count, arguments.seconds)
    finally:
        serving.terminate()
        serving.wait(60.0)


def measure(port: int, part: str, count: int, seconds: float) -> None:
    begun = time.monotonic()
    open_ones = [half_open(port, part) for _ in range(count)]
    print(f"{count} half requests sent in {time.monotonic() - begun:.1f} s")
    waits, begun = [], time.monotonic()
    while open_ones and time.monotonic() < begun + seconds:
        asked = time.monotonic()
        answered(port)
        waits.append(time.monotonic() - asked)
        open_ones = [each for each in open_ones if not closed(each)]
        print(
            f"after {time.monotonic() - begun:4.1f} s: {len(open_ones)} stand, an answer took {waits[-1]:.3f} s",
            flush=True,
        )
        time.sleep(0.5)
    print(
        f"{len(open_ones)} of {count} stand after {time.monotonic() - begun:.0f} s; the longest wait was {max(waits):.2f} s"
    )


def half_open(port: int, part: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 10.0)
    connection.sendall(part.encode())
    return connection


def answered(port: int, page: str = "health") -> None:
    with socket.create_connection(("127.0.0.1", port), 60.0) as connection:
        connection.sendall(f"GET /api/{page} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def closed(connection: socket.socket) -> bool:
    """Whether the server has ended a connection; what it said before is left out."""
    with contextlib.suppress(OSError):
        while select.select([connection], [], [], 0.0)[0]:
            if not connection.recv(65536):
                return True
        return False
    return True


if __name__ == "__main__":
    main()
