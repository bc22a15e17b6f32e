"""Lists give way: a single structure is answered between two pieces of a list, whatever else waits."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from andersonn.web.answering import MOMENT, MOST_AT_ONCE, Answerer

EACH = MOMENT / 5


class Slow:
    """A scientist that takes its time, and keeps what it was asked."""

    def __init__(self, each: float = EACH) -> None:
        self.each, self.batches, self.began = each, [], threading.Event()

    def asked(self, question):
        return self

    def answer(self, ready):
        self.began.set()
        self.batches.append(list(ready))
        time.sleep(self.each * len(ready))
        if "broken" in ready:
            raise ValueError("a defect")
        return [f"answer to {item}" for item in ready]


@pytest.fixture
def slow():
    return Slow()


def with_answerer(scientist, work):
    async def run():
        answerer = Answerer({"a": scientist, "b": scientist}, time.monotonic)
        try:
            return await work(answerer)
        finally:
            answerer.close()

    return asyncio.run(run())


def test_a_single_goes_between_two_pieces_of_a_list(slow):
    async def work(answerer):
        lists = [asyncio.ensure_future(answerer.answer("a", list(range(k, k + 60)), of_list=True)) for k in (0, 100)]
        await asyncio.to_thread(slow.began.wait)
        await asyncio.sleep(2 * EACH)
        assert await answerer.answer("b", ["one"]) == ["answer to one"]
        before = sum(len(batch) for batch in slow.batches) - 1
        assert not any(found.done() for found in lists)
        return before, await asyncio.gather(*lists)

    before, (first, second) = with_answerer(slow, work)
    assert before < 40, "it waited for too many of the list"
    assert first == [f"answer to {k}" for k in range(60)]
    assert second == [f"answer to {k}" for k in range(100, 160)]
    assert max(map(len, slow.batches)) <= round(MOMENT / EACH)


def test_singles_that_wait_are_answered_together(slow):
    async def work(answerer):
        busy = asyncio.ensure_future(answerer.answer("a", list(range(8)), of_list=True))
        await asyncio.to_thread(slow.began.wait)
        found = await asyncio.gather(*(answerer.answer("a", [f"s{k}"]) for k in range(5)))
        await busy
        return found

    assert with_answerer(slow, work) == [[f"answer to s{k}"] for k in range(5)]
    assert max(len([item for item in batch if str(item).startswith("s")]) for batch in slow.batches) >= 4


def test_pieces_grow_where_structures_take_little():
    fast = Slow(0.0)
    found = with_answerer(fast, lambda answerer: answerer.answer("a", list(range(200)), of_list=True))
    assert len(found) == 200
    assert max(map(len, fast.batches)) == MOST_AT_ONCE


def test_one_that_fails_in_a_list_costs_no_other(slow):
    async def work(answerer):
        return await answerer.answer("a", [("x", 1), "broken", ("y", 2)], of_list=True)

    first, broken, last = with_answerer(slow, work)
    assert (first, last) == ("answer to ('x', 1)", "answer to ('y', 2)")
    assert broken.error["kind"] == "internal"


def test_what_waits_is_answered_before_the_end(slow):
    async def run():
        answerer = Answerer({"a": slow}, time.monotonic)
        waiting = asyncio.ensure_future(answerer.answer("a", list(range(10)), of_list=True))
        await asyncio.to_thread(slow.began.wait)
        await asyncio.to_thread(answerer.close)
        return await waiting

    assert len(asyncio.run(run())) == 10


def test_a_list_that_nobody_waits_for_ends(slow):
    async def work(answerer):
        gone = asyncio.ensure_future(answerer.answer("a", list(range(1000)), of_list=True))
        await asyncio.to_thread(slow.began.wait)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        return await answerer.answer("b", ["one"])

    assert with_answerer(slow, work) == ["answer to one"]
    assert sum(map(len, slow.batches)) < 100
