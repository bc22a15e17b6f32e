"""What compiled libraries print: it must not get among the output of a command, whose JSON others parse."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

OUT, ERRORS = 1, 2
_one_at_a_time = Lock()


@contextmanager
def printing_elsewhere() -> Iterator[None]:
    """Inside this block, what C and C++ write to the standard output goes to the standard error stream.

    They write to a descriptor of the process, whatever ``sys.stdout`` is, and so do other threads meanwhile. What Python has not
    written yet goes out first. Where a stream is closed there is nothing to protect, and nothing is done.
    """
    with _one_at_a_time:
        _flush()
        try:
            kept = os.dup(OUT)
        except OSError:  # closed
            kept = -1
        try:
            if kept >= 0:
                _send_to_errors()
            yield
        finally:
            _flush_compiled()
            if kept >= 0:
                os.dup2(kept, OUT)
                os.close(kept)


def _send_to_errors() -> None:
    """Lets the output descriptor stand for the error stream; for nothing, where that is closed."""
    try:
        os.dup2(ERRORS, OUT)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, OUT)
        os.close(nowhere)


def _flush() -> None:
    """Writes out what Python and C hold back for the output."""
    for stream in (sys.stdout, sys.__stdout__):
        try:
            if stream is not None:  # as of a program without a console
                stream.flush()
        except (OSError, ValueError):  # a reader that went, or a closed stream: those who write next find out
            continue
    _flush_compiled()


def _flush_compiled() -> None:
    try:
        ctypes.CDLL(None).fflush(None)
    except (OSError, TypeError, AttributeError):  # no such C library, as on Windows: it may hold lines back
        return
