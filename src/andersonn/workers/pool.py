"""Processes that may crash or hang without harm to this one, and pools of them; see :mod:`andersonn.workers`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

from andersonn import launch
from andersonn.errors import InputError
from andersonn.sanitize import lines_of

STARTING = 120.0
"""Seconds that a worker may take to start and import its libraries."""
T = TypeVar("T")
R = TypeVar("R")


class Worker:
    """One process that answers JSON payloads, one at a time. It starts when first asked, and again after it died.

    Args:
        compute: ``"module:function"``, see :data:`andersonn.workers.process.Compute`.
        settings: handed to the function with every payload; must be JSON.
        threads: that numerical libraries in the process may use.
        gigabytes: limit on its address space beyond what it has after importing the function's module, on Linux; None for
            no limit. A payload that needs more is an InputError of kind ``out_of_memory``, or ends the process.
    """

    def __init__(
        self, compute: str, settings: dict[str, Any], threads: int = 1, gigabytes: float | None = None
    ) -> None:
        self._first: dict[str, Any] = {"compute": compute, "settings": settings, "gigabytes": gigabytes}
        self._threads = threads
        self._process: subprocess.Popen[str] | None = None
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def ask(self, payload: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The function's result for one payload.

        Args:
            payload: JSON.
            seconds: time limit, after which the process is killed. Starting it has a limit of its own, :data:`STARTING`.

        Raises:
            InputError: the function raised (its kind, or ``failed`` for an error that is not ours), the process died
                (``aborted``) or took too long (``timed_out``), or the worker is closed (``stopped``).
        """
        if self._process is None or self._process.poll() is not None:
            self._start()
        return self._exchange(payload, seconds)

    def close(self) -> None:
        """Ends the process, also from another thread while it is asked; it cannot be asked again."""
        self._closed.set()
        with self._lock:  # a process that is being started now is there when the lock is free
            self._kill()

    def forget(self) -> None:
        """Closes the file of what the process said, once nobody asks the worker any more."""
        self._said.close()

    def wait(self, seconds: float) -> None:
        """Waits so long before the next try, or until the worker is closed."""
        self._closed.wait(seconds)

    def _start(self) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(self._threads))
        with self._lock:
            if self._closed.is_set():
                raise InputError("stopped", "the run was stopped", "the same command goes on")
            self._process = launch.start(
                "andersonn.workers.process",
                needs=self._first["compute"].partition(":")[0],
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


class WorkerPool:
    """Workers for one function, each asked by its own thread: payloads wait in a queue until a worker is free.

    Use it as a context manager, or call :meth:`close`.

    Args:
        compute, settings, threads, gigabytes: as of :class:`Worker`.
        processes: how many workers.
    """

    def __init__(
        self,
        compute: str,
        settings: dict[str, Any],
        processes: int,
        threads: int = 1,
        gigabytes: float | None = None,
    ) -> None:
        self.processes = processes
        self._workers = [Worker(compute, settings, threads, gigabytes) for _ in range(processes)]
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix=compute)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def submit(self, payload: dict[str, Any], seconds: float) -> Future[dict[str, Any]]:
        """The promised result of :meth:`Worker.ask`, by the next free worker. ``seconds`` count from when it is asked."""
        return self.lend(lambda worker, _: worker.ask(payload, seconds), None)

    def lend(self, use: Callable[[Worker, T], R], item: T) -> Future[R]:
        """The promised result of ``use(worker, item)``, called in a thread with a worker of its own: for an item that
        takes several questions to the same process.
        """
        return self._threads.submit(self._use, use, item)

    def map_unordered(self, use: Callable[[Worker, T], R], items: Iterable[T]) -> Iterator[R]:
        """What ``use(worker, item)`` returns for each item, in the order of completion.

        Args:
            use: as of :meth:`lend`; what it raises ends the iteration.
            items: read in the calling thread, at most two a worker ahead: their source may be larger than memory.
        """
        source, finished, pending = iter(items), SimpleQueue[Future[R]](), 0
        while True:
            for item in islice(source, 2 * self.processes - pending):
                self.lend(use, item).add_done_callback(finished.put)
                pending += 1
            if not pending:
                return
            result = finished.get().result()
            pending -= 1
            yield result

    def close(self) -> None:
        """Ends the processes, also those at work, and drops what waits: both raise InputError or are cancelled."""
        for worker in self._workers:
            worker.close()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.forget()

    def _use(self, use: Callable[[Worker, T], R], item: T) -> R:
        worker = self._idle.get()
        try:
            return use(worker, item)
        finally:
            self._idle.put(worker)
