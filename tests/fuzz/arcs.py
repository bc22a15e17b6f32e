"""Which steps from line to line of the readers an input takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import andersonn

FOLDER = str(Path(andersonn.__file__).parent)
READING = ("library", "parsing", "decompression", "splitting")
WATCHED = (
    f"{FOLDER}/structures/readers/",
    f"{FOLDER}/structures/structure.py",
    *(f"{FOLDER}/screening/{module}.py" for module in READING),
)

Arc = tuple[int, int, int]


class Arcs:
    """The arcs seen so far: (code, line before, line)."""

    def __init__(self) -> None:
        self.seen: set[Arc] = set()
        self._new = 0
        self._watched: dict[CodeType, bool] = {}

    def new_of(self, call: Callable[[], Any]) -> tuple[Any, int]:
        """What a call returns, and how many arcs it took that none had taken."""
        self._new = 0
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return call(), self._new
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        watched = self._watched.get(code)
        if watched is None:
            watched = self._watched[code] = code.co_filename.startswith(WATCHED)
        if not watched:
            return None
        number, last, seen = hash((code.co_filename, code.co_name, code.co_firstlineno)), 0, self.seen

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            arc = (number, last, frame.f_lineno)
            if arc not in seen:
                seen.add(arc)
                self._new += 1
            last = frame.f_lineno
            return step

        return step
