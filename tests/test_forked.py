"""Forked processes are asked for their end by several threads, as a pool of workers does that is closed while one dies."""

from concurrent.futures import ThreadPoolExecutor

from tests import forked


def test_every_thread_that_waits_is_told_the_same_end():
    for _ in range(20):
        process = forked.start("--version")
        with ThreadPoolExecutor(4) as threads:
            ends = [threads.submit(process.wait, 60) for _ in range(4)]
            while process.poll() is None:
                pass
        assert [end.result() for end in ends] == [0] * 4
