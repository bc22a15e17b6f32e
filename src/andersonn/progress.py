"""Progress of long work, reported to a listener."""

from __future__ import annotations

from typing import Protocol


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
