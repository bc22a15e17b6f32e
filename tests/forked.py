"""The program in a process of its own, forked from one that has loaded its libraries.

Loading them takes seconds of a core, anew for each command that is started. A forked process has its own streams, folder,
environment, signals and exit status, as a started one has. Python itself does not start in it: tests of that start (search
path, encodings of a console, missing packages) start the program as a user does.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import io
import os
import pickle
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import andersonn
from tests.small_fits import make_small

ROOT = Path(__file__).parents[1]
PROGRAM = "andersonn.cli.main:main"
NEED_TRITON = {"andersonn.solvers.fused"}
LIBRARIES = (
    "ase.io", "gemmi", "matplotlib.backends.backend_agg", "matplotlib.figure", "pyarrow.parquet", "rdkit.Chem.AllChem", "rich.progress",
    "rich.table", "scipy.stats", "sklearn.cluster", "sklearn.ensemble", "torch", "torch._dynamo", "torch.distributed.fsdp", "vesin",
)  # fmt: skip
"""What forked processes find loaded, besides all modules of ours."""
AT_START = ("PYTHON", "LC_", "LANG")
"""Variables that Python reads when it starts: what is forked cannot have others than this process, but for the next."""
CONSOLE = "PYTHONIOENCODING"
FORKABLE = {"jemalloc_bg_thd"}
"""Threads that forked processes get anew: jemalloc, which comes with pyarrow, sees to it."""
STREAMS = (0, 1, 2)


class Asked(NamedTuple):
    """What a forked process is to do, and with what."""

    call: str
    words: list[str]
    variables: dict[str, str]
    folder: str
    closed: list[int]
    session: bool


class Forked:
    """A process that was forked, with the attributes of :class:`subprocess.Popen`: ``pid``, ``returncode`` when it has ended, and
    ``stdin``, ``stdout``, ``stderr`` where they are pipes.
    """

    def __init__(self, reply: socket.socket, pipes: list[IO[str] | None]) -> None:
        self.stdin, self.stdout, self.stderr = pipes
        self._reply = reply
        self._asking = threading.Lock()  # the end is told once, to the first thread that asks
        self.returncode: int | None = None
        self.pid = self._number()

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status; TimeoutError if it still runs after so many seconds."""
        with self._asking:
            if self.returncode is None:
                self._reply.settimeout(timeout)
                self.returncode = os.waitstatus_to_exitcode(self._number())
                self._reply.close()
            return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Its exit status, if it has ended."""
        if self._asking.acquire(blocking=False):  # else another thread waits for it, so it runs as far as is known
            try:
                told = self.returncode is None and select.select([self._reply], [], [], 0)[0]
            finally:
                self._asking.release()
            if told:
                self.wait()
        return self.returncode

    def kill(self) -> None:
        """Ends it at once, if it still runs."""
        self.send_signal(signal.SIGKILL)

    def _number(self) -> int:
        told = self._reply.recv(64)
        if not told:
            raise RuntimeError("the process that forks has ended")
        return int(told)


def start(
    *words: Any,
    stdin: IO | int | None = subprocess.DEVNULL,
    stdout: IO | int | None = subprocess.DEVNULL,
    stderr: IO | int | None = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    call: str = PROGRAM,
    session: bool = False,
) -> Forked | subprocess.Popen[str]:
    """Starts ``andersonn WORDS…``, or another function without arguments, ``"module:function"``, that reads ``sys.argv``.

    Args:
        words: given as text, as in a shell.
        stdin, stdout, stderr: files, :data:`subprocess.PIPE` or :data:`subprocess.DEVNULL`; None for a closed stream.
        env, cwd: those of this process, if not given.
        session: make it the first of a group of processes, of which ``os.killpg`` ends all.

    Raises:
        ValueError: a variable differs that is read when Python starts.
    """
    if sys.platform != "linux":  # there, forking is not safe once libraries are loaded
        command = [sys.executable, "-c", STARTED, call, *map(str, words)]
        streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr, "text": True}
        return subprocess.Popen(command, **streams, env=env, cwd=cwd, start_new_session=session)
    variables = dict(os.environ if env is None else env)
    forker, known = _forker()
    for name in sorted(variables.keys() | known.keys()):
        if name != CONSOLE and name.startswith(AT_START) and variables.get(name) != known.get(name):
            raise ValueError(f"{name} is read when Python starts: use subprocess")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    closed = [number for number, each in zip(STREAMS, (stdin, stdout, stderr)) if each is None]
    asked = Asked(call, [str(word) for word in words], variables, os.fspath(cwd or os.getcwd()), closed, session)
    pipes: list[IO[str] | None] = []
    with theirs, contextlib.ExitStack() as given:
        numbers = []
        for mode, each in zip("wrr", (stdin, stdout, stderr)):
            pipe = None
            if each == subprocess.PIPE:
                ends = os.pipe()
                number, pipe = ends[mode == "r"], os.fdopen(ends[mode == "w"], mode, encoding="utf-8")
                given.callback(os.close, number)
            elif each is None or each == subprocess.DEVNULL:
                number = given.enter_context(open(os.devnull, "r+b")).fileno()
            else:
                number = each if isinstance(each, int) else each.fileno()
            numbers.append(number)
            pipes.append(pipe)
        socket.send_fds(forker, [pickle.dumps(asked)], [*numbers, theirs.fileno()])
    return Forked(ours, pipes)


def run(
    *words: Any,
    stdin: str = "",
    stdout: IO | int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 280.0,
    call: str = PROGRAM,
) -> subprocess.CompletedProcess[str]:
    """Runs ``andersonn WORDS…`` to its end, see :func:`start`.

    Args:
        stdin: text to read.
        stdout: where it writes to; what it writes is returned, if not given.

    Returns:
        As :func:`subprocess.run` returns it, with texts.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode("utf-8", "surrogateescape"))
        given.seek(0)
        options: dict[str, Any] = {"stdin": given, "stdout": out if stdout is None else stdout, "stderr": err}
        process = start(*words, **options, env=env, cwd=cwd, call=call)
        try:
            status = process.wait(timeout)
        finally:
            process.kill()
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(io.TextIOWrapper(stream, encoding="utf-8").read())
    return subprocess.CompletedProcess(list(words), status, *texts)


def worker(module: str, *words: str, needs: str = "", **options: Any) -> Forked | subprocess.Popen[str]:
    """Takes the place of :func:`andersonn.launch.start` where a worker process is wanted, but not how it starts."""
    env = os.environ | options["env"]
    streams = {name: options[name] for name in ("stdin", "stdout", "stderr")}
    return start(*words, **streams, env=env, call=f"{module}:main", session=options["start_new_session"])


def module(name: str, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Takes the place of :func:`andersonn.launch.run`, where the C library need not read what the environment sets for it."""
    return run(*words, env=os.environ | options.get("env", {}), call=f"{name}:main")


STARTED = f"""
import importlib, sys
sys.path.insert(0, {str(ROOT)!r})
module, _, function = sys.argv.pop(1).partition(":")
sys.argv[0] = "andersonn"
importlib.import_module("tests.small_fits").make_small()
getattr(importlib.import_module(module), function)()
"""


@functools.cache
def _forker() -> tuple[socket.socket, dict[str, str]]:
    """The socket to the process that forks, which ends with this one, and the environment it was started with."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    variables = dict(os.environ) | threads
    paths = os.pathsep.join([str(ROOT), *(each for each in sys.path if each)])
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.forked", str(theirs.fileno())],
            env=variables | {"PYTHONPATH": paths},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours, variables


def _serve(requests: socket.socket) -> Asked | None:
    """Forks for every request until nobody asks any more; in the forked processes, gives what is to be done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ours = {found.name for found in pkgutil.walk_packages(andersonn.__path__, "andersonn.")}
    for name in (*LIBRARIES, *sorted(ours - NEED_TRITON)):
        importlib.import_module(name)
    make_small()
    gc.freeze()
    tasks = Path("/proc/self/task")
    others = {path.read_text().strip() for path in tasks.glob("[0-9]*/comm") if path.parent.name != str(os.getpid())}
    if others - FORKABLE:
        raise RuntimeError(f"a library starts threads, which forked processes would lack: {others - FORKABLE}")
    running: dict[int, tuple[int, socket.socket]] = {}
    """By the descriptor of each process: its number, and where its end is told."""
    while True:
        ready, _, _ = select.select([requests, *running], [], [])
        for handle in set(ready) & running.keys():
            _tell_end(handle, *running.pop(handle))
        if requests in ready:
            message, numbers, _, _ = socket.recv_fds(requests, 2**20, len(STREAMS) + 1)
            if not message:
                return None
            child = os.fork()
            if not child:
                _take(numbers)
                return pickle.loads(message)
            for number in numbers[:-1]:
                os.close(number)
            reply = socket.socket(fileno=numbers[-1])
            reply.send(b"%d" % child)
            running[os.pidfd_open(child)] = child, reply


def _tell_end(handle: int, child: int, reply: socket.socket) -> None:
    os.close(handle)
    status = os.waitpid(child, 0)[1]
    with reply, contextlib.suppress(BrokenPipeError):  # who asked has gone
        reply.send(b"%d" % status)


def _take(numbers: list[int]) -> None:
    """Takes the streams that were sent for its own, and keeps no other file of the process it was forked from."""
    for wanted, number in zip(STREAMS, numbers):
        os.dup2(number, wanted)
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= len(STREAMS):
            with contextlib.suppress(OSError):  # that of the list itself
                os.close(int(name))


def _become(asked: Asked) -> None:
    """Does what was asked for, as a program that was just started, and ends as one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if asked.session:
        os.setsid()
    os.chdir(asked.folder)
    os.environ.clear()
    os.environ.update(asked.variables)
    sys.argv[:] = ["andersonn", *asked.words]
    sys.modules["__main__"].__package__ = ""  # else it would call itself by the name of this module
    _open_streams(asked)
    module, _, function = asked.call.partition(":")
    status = 0
    try:
        getattr(importlib.import_module(module), function)()
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        status = 1
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)  # without taking apart a thousand modules, for which their memory would be copied first


def _open_streams(asked: Asked) -> None:
    """As Python does when it starts, with encoding and errors of ``PYTHONIOENCODING``; None where one is closed."""
    encoding, _, errors = asked.variables.get(CONSOLE, "").partition(":")
    for number in asked.closed:
        os.close(number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = None
        if number not in asked.closed:
            stream = open(  # noqa: SIM115
                number,
                "w" if number else "r",
                1 if number == 2 else -1,
                encoding=encoding or "utf-8",
                errors="backslashreplace" if number == 2 else errors or "strict",
                closefd=False,
            )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


if __name__ == "__main__":
    sys.modules["tests.forked"] = sys.modules["__main__"]  # by which what is asked for is called
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        _become(asked)
