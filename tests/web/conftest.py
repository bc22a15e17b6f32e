from __future__ import annotations

import importlib.util
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
CHROMIUM = Path("/usr/bin/chromium")
BROWSERS = CHROMIUM.exists() and importlib.util.find_spec("playwright") is not None
needs_browser = pytest.mark.skipif(not BROWSERS, reason=f"no playwright, or no {CHROMIUM} (apt install chromium)")
PATIENCE = 60_000
"""Milliseconds that the page may take for anything."""
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


@pytest.fixture(scope="session")
def wide():
    """The limits that a server has by itself."""
    serving = Serving("--read-seconds", "120")
    yield serving
    serving.close()


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, headless, by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        found = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser):
    """Opens the lab of a server in a window of its own; whatever a console says by the end is a failure."""
    contexts, said = [], []

    def open_lab(serving: Serving, address: str = "/", **options):
        context = browser.new_context(
            **{"viewport": {"width": 1300, "height": 900}, "accept_downloads": True, **options}
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda said_: said.append(said_.text) if said_.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        own = (serving.url, "blob:", "data:")
        page.on("request", lambda request: None if request.url.startswith(own) else said.append(request.url))
        page.goto(serving.url + address)
        page.wait_for_selector("#tasks input")
        return page

    yield open_lab
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture
def page(opened, server):
    """The lab with small limits, ready."""
    return opened(server)
