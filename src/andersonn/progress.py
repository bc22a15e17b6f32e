"""Progress of long work, reported to a listener."""

from __future__ import annotations

import sys
import time
from typing import Protocol

WIDTH = 24
"""Characters of a bar."""
PATIENCE = 0.2
"""Seconds between two looks of a bar."""


class Progress(Protocol):
    """A listener; the command line shows bars, a library call by default nothing."""

    def start(self, task: str, total: float) -> None:
        """A piece of work of size ``total`` begins."""

    def update(self, done: float, note: str = "") -> None:
        """So much of it is done."""

    def finish(self) -> None:
        """It is complete."""

    def say(self, text: str) -> None:
        """A message."""


class Silent:
    """A listener that shows nothing."""

    def start(self, task: str, total: float) -> None:
        """Nothing."""

    def update(self, done: float, note: str = "") -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


class Bar:
    """A listener that shows a bar in one line on stderr, in a terminal and in a notebook alike."""

    def __init__(self) -> None:
        self._task, self._total, self._begin, self._shown = "", 0.0, 0.0, 0.0

    def start(self, task: str, total: float) -> None:
        """A piece of work begins; ``total`` 0: how large it is, is not known."""
        self._task, self._total, self._begin, self._shown = task, total, time.monotonic(), 0.0
        self._show(0.0, "")

    def update(self, done: float, note: str = "") -> None:
        """Shows how much is done, a few times a second at most."""
        if time.monotonic() - self._shown >= PATIENCE:
            self._show(done, note)

    def finish(self) -> None:
        """Shows that it is complete, and how long it took."""
        took = time.monotonic() - self._begin
        self._write(f"{self._task}: done in {took:.1f} s", "\n")

    def say(self, text: str) -> None:
        """A message in a line of its own."""
        self._write(text, "\n")

    def _show(self, done: float, note: str) -> None:
        self._shown = time.monotonic()
        if not self._total:
            self._write(f"{self._task}: {done:g} {note}")
            return
        share = min(done / self._total, 1.0)
        filled = round(share * WIDTH)
        bar = "█" * filled + "░" * (WIDTH - filled)
        left = (self._shown - self._begin) * (1.0 / share - 1.0) if share else 0.0
        ahead = f", {left:.0f} s left" if share and left >= 1.0 else ""
        self._write(f"{self._task} {bar} {done:g}/{self._total:g}{ahead} {note}")

    def _write(self, line: str, end: str = "") -> None:
        line = line.strip()
        sys.stderr.write(f"\r{line}{' ' * max(self._last - len(line), 0)}{end}")
        sys.stderr.flush()
        self._last = 0 if end else len(line)

    _last = 0
