"""Standard streams of the program: unencodable characters and closed pipes are no errors. Standard library only."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from contextlib import suppress
from typing import cast

PLAIN = {
    "…": "...", "→": "->", "←": "<-", "↔": "<->", "≤": "<=", "≥": ">=", "≈": "~", "≠": "!=", "±": "+/-", "×": "x",
    "·": "*", "−": "-", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "Å": "A", "µ": "u", "μ": "u",
    "°": " deg", "²": "^2", "³": "^3", "√": "sqrt", "Δ": "Delta", "α": "alpha", "β": "beta", "λ": "lambda", "σ": "sigma",
    "\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " ", "\N{THIN SPACE}": " ",
}  # fmt: skip
"""What stands for the marks and units of our own texts on a console that lacks them."""
LEGIBLE = "andersonn.legible"
"""Name of the error handler that writes them so."""
LENIENT = frozenset({"replace", "ignore", "backslashreplace", "xmlcharrefreplace", "namereplace"})
"""Error handlers that never fail; who asked for one of them keeps it."""
GONE = frozenset({errno.EPIPE, errno.EINVAL} if os.name == "nt" else {errno.EPIPE})
"""What the system says to a writer whose reader went away."""


def legible(error: UnicodeError) -> tuple[str, int]:
    r"""An error handler: replacements from :data:`PLAIN`, other characters as escapes (``\xe9``)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(c) or exactly(c, "ascii") for c in text), error.end


def exactly(text: str, encoding: str) -> str:
    r"""A text whose characters outside an encoding are written by their numbers, so that no two texts become one."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def encoding_of(stream: object) -> str:
    """The encoding of a stream of text."""
    return getattr(stream, "encoding", None) or "utf-8"


class Output(io.TextIOWrapper):
    """Standard output. When its reader goes away, as in ``… | head``, the program has nothing left to do and ends well."""

    def write(self, text: str, /) -> int:  # noqa: D102
        try:
            return super().write(text)
        except OSError as error:
            self._lost(error)
            return len(text)

    def flush(self) -> None:  # noqa: D102
        try:
            super().flush()
        except OSError as error:
            self._lost(error)

    def _lost(self, error: OSError) -> None:
        _silence(self)
        if error.errno in GONE:
            raise SystemExit(0) from None
        raise error


class Talk(Output):
    """Standard error; if it cannot be written, the work goes on without messages."""

    def _lost(self, error: OSError) -> None:
        _silence(self)


def prepare() -> None:
    """Makes the streams of this process such; to be called once, at its start.

    Those that were closed (``>&-``) lead nowhere from then on. Streams that something else put in place, as tests do,
    stay as they are.
    """
    codecs.register_error(LEGIBLE, legible)
    _open_the_closed()
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    elif sys.stdin is sys.__stdin__:
        cast(io.TextIOWrapper, sys.stdin).reconfigure(errors="surrogateescape")  # names of files are bytes
    for name, kind in (("stdout", Output), ("stderr", Talk)):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif stream is getattr(sys, f"__{name}__") and hasattr(stream, "buffer"):
            setattr(sys, name, _like(stream, kind))


def _like(stream: io.TextIOWrapper, kind: type[Output]) -> Output:
    """The same stream as one of ours; the old one, which ``sys.__stdout__`` keeps, is empty."""
    stream.flush()
    errors = stream.errors if stream.errors in LENIENT - {"backslashreplace"} else LEGIBLE
    ours = kind(
        stream.buffer,
        encoding=stream.encoding,
        errors=errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    ours.mode = "w"  # type: ignore[misc]  # a text layer has none of its own
    return ours


def _open_the_closed() -> None:
    """Fills the first three descriptors, so that no file of ours gets the number of a standard stream."""
    while True:
        number = os.open(os.devnull, os.O_RDWR)
        if number > 2:
            os.close(number)
            return


def _silence(stream: io.TextIOWrapper) -> None:
    """Redirects a stream to the null device and drops its buffer."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
