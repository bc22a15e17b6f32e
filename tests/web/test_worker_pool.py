"""What hangs or takes too much memory in the web lab's processes is told in words for visitors, and costs nobody else."""

from __future__ import annotations

import asyncio
import sys

import pytest

from andersonn.errors import InputError
from andersonn.web.worker_pool import AsyncWorkerPool


def asked(*payloads, seconds):
    """What one process answers to payloads, one after the other."""

    async def ask():
        pool = AsyncWorkerPool("tests.workers.fakes:misbehave", {"seconds": 600.0}, 1, seconds)
        try:
            await pool.warm({})
            return await asyncio.gather(*map(pool.ask, payloads), return_exceptions=True)
        finally:
            pool.close()

    return asyncio.run(ask())


def test_what_hangs_is_ended_and_the_process_starts_again():
    slow, fine = asked({"sleep": 600}, {"x": 1}, seconds=5.0)
    assert isinstance(slow, InputError)
    assert slow.kind == "too_slow"
    assert "command line" in slow.hint
    assert fine == {"echo": {"x": 1}}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_what_needs_too_much_memory_is_told_so():
    large, fine = asked({"gigabytes": 6}, {"x": 1}, seconds=120.0)
    assert isinstance(large, InputError)
    assert (large.kind, large.hint) == ("out_of_memory", "send something smaller")
    assert fine == {"echo": {"x": 1}}
