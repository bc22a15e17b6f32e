"""Forked processes are asked for their end by several threads, as a pool of workers does that is closed while one dies."""

import threading

from tests import forked


def test_every_thread_that_waits_is_told_the_same_end():
    for _ in range(20):
        process = forked.start("--version")
        ends: list[int | None] = []
        threads = [threading.Thread(target=lambda: ends.append(process.wait(60))) for _ in range(4)]
        for thread in threads:
            thread.start()
        while process.poll() is None:
            pass
        for thread in threads:
            thread.join()
        assert ends == [0] * 4
