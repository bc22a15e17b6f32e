"""A forked program ends, speaks and listens as a started one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import forked

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere programs are started")


def told() -> None:
    """Called by a forked process: says what it was given, and ends with a status of its own."""
    print(sys.argv[1:], sys.stdin.read(), os.environ["GIVEN"], os.getcwd())
    print("…", file=sys.stderr)
    sys.exit(7)


def waits() -> None:
    """Called by a forked process: says that it is there, and waits for a signal."""
    print(os.getpid(), os.getpgid(0), flush=True)
    signal.pause()


def test_words_streams_folder_environment_and_status(tmp_path):
    environment = os.environ | {"GIVEN": "it"}
    done = forked.run("ö", 1, stdin="in", env=environment, cwd=tmp_path, call="tests.test_forked:told")
    assert (done.returncode, done.stdout, done.stderr) == (7, f"['ö', '1'] in it {tmp_path}\n", "…\n")


def test_it_says_what_a_started_one_says():
    for words in (["--version"], ["nothing"], ["predict", "conductoin", "x.cif"]):
        command = [sys.executable, "-c", forked.STARTED, forked.PROGRAM, *words]
        started, done = subprocess.run(command, capture_output=True, text=True), forked.run(*words)
        assert done.returncode == started.returncode
        assert (done.stdout, done.stderr) == (started.stdout, started.stderr)


@linux
@pytest.mark.parametrize("session", [False, True])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15), (signal.SIGINT, 1)])
def test_signals_and_groups(number, status, session):
    process = forked.start(stdout=subprocess.PIPE, call="tests.test_forked:waits", session=session)
    with process.stdout as stream:
        pid, group = map(int, stream.readline().split())
    assert (pid, group == pid) == (process.pid, session)
    assert process.poll() is None
    with pytest.raises(TimeoutError):
        process.wait(0.01)
    process.send_signal(number)
    assert process.wait() == status  # an interrupt is an error where nobody expects it
    process.kill()  # does nothing any more


@linux
def test_what_python_reads_at_its_start_cannot_differ():
    with pytest.raises(ValueError, match="PYTHONUTF8"):
        forked.run("--version", env=os.environ | {"PYTHONUTF8": "0"})


@linux
def test_an_error_is_a_status_and_a_traceback():
    done = forked.run(call="tests.test_forked:nothing")
    assert done.returncode == 1
    assert "AttributeError" in done.stderr


@linux
def test_every_thread_that_waits_is_told_the_same_end():
    """A pool of workers that is closed while one of them dies asks from two threads."""
    for _ in range(20):
        process = forked.start("--version")
        with ThreadPoolExecutor(4) as threads:
            ends = [threads.submit(process.wait, 60) for _ in range(4)]
            while process.poll() is None:
                pass
        assert [end.result() for end in ends] == [0] * 4
