from __future__ import annotations

import asyncio

import pytest

from engine.store.mongodb.apart import apart


async def test_what_comes_of_it():
    async def work() -> int:
        return 7

    assert await apart(work()) == 7


async def test_what_it_raises():
    async def work() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        await apart(work())


async def test_a_cancelled_caller_hears_of_it_even_if_the_work_swallows_it():
    steps = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            steps.append("ended")

    task = asyncio.create_task(apart(work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["ended"]
