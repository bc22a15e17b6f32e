"""What goes first, and that it does not hold up others for ever."""

from __future__ import annotations

import asyncio
import time

import pytest

from andersonn.web.limits import Precedence


def test_others_wait_until_none_is_under_way():
    async def run():
        first, order = Precedence(), []

        async def other():
            await first.give_way(60.0)
            order.append("other")

        with first.taken():
            with first.taken():
                waiting = asyncio.create_task(other())
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.05)
            order.append("first")
        await waiting
        await first.give_way(60.0)
        return order

    assert asyncio.run(run()) == ["first", "other"]


def test_they_wait_no_longer_than_told():
    async def run():
        first = Precedence()
        with first.taken():
            begin = time.monotonic()
            await first.give_way(0.1)
            return time.monotonic() - begin

    assert 0.09 <= asyncio.run(run()) < 30.0


def test_what_fails_holds_up_nobody():
    async def run():
        first = Precedence()
        with pytest.raises(ValueError), first.taken():
            raise ValueError
        await asyncio.wait_for(first.give_way(60.0), 30.0)

    asyncio.run(run())
