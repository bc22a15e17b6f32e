from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.forked import start

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
WAIT = 240.0
"""Seconds after which something hangs: a guard, far from what anything takes."""


class Serving:
    """A server in a process of its own."""

    def __init__(self, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = start("serve", "--port", port, *options, stderr=subprocess.PIPE)
        self.client = httpx.Client(base_url=self.url, timeout=WAIT)
        self._await()

    def _await(self) -> None:
        until = time.monotonic() + WAIT
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.client.get("/api/tasks").raise_for_status()
                return
            except httpx.TransportError:
                time.sleep(0.05)
        self.process.kill()
        raise RuntimeError(f"the server did not start: {self.process.stderr.read()}")

    def ask(self, verb: str, task: str, *paths: Path, params=None, **data):
        files = [("files", (path.name, path.read_bytes())) for path in paths]
        return self.client.post(f"/api/{verb}/{task}", files=files or None, data=data, params=params)

    def send(self, name: str, content: bytes, task: str = "conduction"):
        return self.client.post(f"/api/predict/{task}", files=[("files", (name, content))])

    def close(self) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(WAIT)
        self.process.stderr.close()


@pytest.fixture(scope="session")
def server():
    """Small bounds, so that they can be reached."""
    serving = Serving(
        "--atoms",
        "120",
        "--files",
        "6",
        "--structures",
        "6",
        "--megabytes",
        "1",
        "--read-seconds",
        "120",
        "--readers",
        "1",
    )
    yield serving
    serving.close()
