"""Subprocesses that may abort or hang without harm, and several of them side by side."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from andersonn import launch
from andersonn.errors import InputError
from andersonn.sanitize import lines_of

STARTING = 120.0
"""Seconds that a worker may take to import its libraries."""
T = TypeVar("T")
R = TypeVar("R")


class Worker:
    """One subprocess, started when first asked and again after it died.

    Args:
        compute: ``"module:function"``, see :data:`andersonn.workers.process.Compute`.
        settings: handed to the function with every payload; must be JSON.
        threads: that the libraries in it may use.
        gigabytes: of address space that it may take beyond what it has after importing the function's module; None for
            no bound. What needs more is an InputError of kind ``out_of_memory``, or ends the process.
    """

    def __init__(
        self, compute: str, settings: dict[str, Any], threads: int = 1, gigabytes: float | None = None
    ) -> None:
        self._module = compute.partition(":")[0]
        self._first = {"compute": compute, "settings": settings, "gigabytes": gigabytes}
        self._threads = threads
        self._process: subprocess.Popen[str] | None = None
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, payload: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The function's result for one payload.

        Args:
            payload: JSON.
            seconds: after which the process is killed.

        Raises:
            InputError: the function raised (its kind), the process died (``aborted``), or took too long
                (``timed_out``).
        """
        if self._process is None or self._process.poll() is not None:
            self._start()
        return self._exchange(payload, seconds)

    def close(self) -> None:
        """Ends the process, also from another thread while it is asked; it cannot be asked again."""
        with self._lock:
            self._closed = True
            self._kill()

    def _start(self) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(self._threads))
        with self._lock:
            if self._closed:
                raise InputError("stopped", "the run was stopped", "the same command goes on")
            self._process = launch.start(
                "andersonn.workers.process",
                needs=self._module,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
                encoding="utf-8",
                env=threads,
                start_new_session=True,  # an interrupt from the keyboard is ours to handle
            )
        self._exchange(self._first, STARTING)

    def _exchange(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._kill()

        self._said.seek(0)
        self._said.truncate()
        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (BrokenPipeError, ValueError):
            line = ""
        finally:
            timer.cancel()
        if not line.endswith("\n"):
            raise self._death(process, late.is_set(), seconds)
        answer = json.loads(line)
        if "error" in answer:
            raise InputError(*(answer["error"][key] for key in ("kind", "message", "hint")))
        return answer["result"]

    def _death(self, process: subprocess.Popen[str], late: bool, seconds: float) -> InputError:
        code = process.wait()  # also when it was killed: asked again before it is gone, it would seem to be alive
        if late:
            return InputError("timed_out", f"it took longer than {seconds:g} s", "give more --time-limit")
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        self._said.seek(0)
        lines = [line.strip() for line in lines_of(self._said.read()[-4000:]) if line.strip()]
        last = f": {lines[-1][:200]}" if lines else ""
        return InputError("aborted", f"the library ended its process ({how}){last}", "the structure may be degenerate")

    def _kill(self) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            if hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()


def side_by_side(
    items: Iterable[T], handle: Callable[[Worker, T], R], make_worker: Callable[[], Worker], workers: int
) -> Iterator[R]:
    """What ``handle`` returns for each item, in the order of completion.

    Args:
        items: read as workers become free, never far ahead.
        handle: given a worker of its own thread and an item; what it raises ends the run.
        make_worker: called once a thread.
        workers: how many threads with a worker each.
    """
    source, reading = iter(items), threading.Lock()
    results: queue.Queue[tuple[str, Any]] = queue.Queue()
    pool = [make_worker() for _ in range(workers)]
    stop = threading.Event()

    def work(worker: Worker) -> None:
        try:
            while not stop.is_set():
                with reading:
                    item = next(source, stop)
                if item is stop:
                    break
                results.put(("result", handle(worker, item)))  # type: ignore[arg-type]
        except BaseException as error:
            results.put(("error", error))
        finally:
            results.put(("end", None))

    threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in pool]
    try:
        for thread in threads:
            thread.start()
        running = len(threads)
        while running:
            kind, value = results.get()
            if kind == "error":
                raise value
            if kind == "end":
                running -= 1
            else:
                yield value
    finally:
        stop.set()
        for worker in pool:
            worker.close()
        for thread in threads:
            thread.join(5.0)
