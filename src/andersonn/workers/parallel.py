"""A function over many arguments in several processes that share nothing but code; see :mod:`andersonn.workers`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from andersonn.launch import SafeChildren

R = TypeVar("R")


def parallel_map(
    function: Callable[..., R], arguments: Iterable[tuple[Any, ...]], processes: int | None, streamed: bool = False
) -> Iterator[R]:
    """The results of ``function(*a)`` for each ``a`` of the arguments, in their order.

    Args:
        function: of a module, since it is sent by name; a partial of one will do.
        arguments: of each call; sent by pickle, from this process to its own children.
        processes: how many, counted as joblib and scikit-learn do; None takes what ``joblib.parallel_config`` says, else
            works in this process.
        streamed: give each result when it and those before it are there, instead of all at the end. Not all backends
            that ``parallel_config`` may name can do that.

    Raises:
        Exception: what the function raises, or joblib's ``TerminatedWorkerError`` when a process is killed.
    """
    # joblib rather than concurrent.futures: its children do not run the caller's script again, as plain spawn would,
    # and are not forked from a process that has threads.
    from joblib import Parallel, delayed

    pool = Parallel(
        processes,
        return_as="generator" if streamed else "list",
        initializer=_exit_with_parent,
        initargs=(os.getpid(),),
    )
    with SafeChildren():
        yield from pool(delayed(function)(*each) for each in arguments)


def _exit_with_parent(parent: int) -> None:
    """Ends this process soon after the one that started it was killed; else it would wait for work for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    if os.getpid() != parent:  # backends without processes call this in the parent itself
        threading.Thread(target=watch, daemon=True).start()
