"""Turns: never more at one time than there are, in order, and none is lost to whoever gives up."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.data.turns import Turns, _late


def test_in_order_and_no_more_than_there_are(run):
    async def main():
        turns, order = Turns(2), []

        async def one(number: int) -> None:
            await turns.wait(10)
            order.append(number)

        tasks = [asyncio.ensure_future(one(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert (order, turns.waiting, turns.take()) == ([0, 1], 3, False)
        for _ in range(3):
            turns.give_back()
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3, 4]
        turns.give_back()
        assert turns.take()
        assert not turns.take()

    run(main)


def test_one_that_is_late_leaves_the_turn_to_others(run):
    async def main():
        turns = Turns(1)
        assert turns.take()
        with pytest.raises(TimeoutError):
            await turns.wait(0.001)
        assert turns.waiting == 0
        other = asyncio.ensure_future(turns.wait(10))
        await asyncio.sleep(0)
        turns.give_back()
        await other
        assert not turns.take()

    run(main)


@pytest.mark.parametrize("ended", [asyncio.CancelledError, TimeoutError])
def test_one_that_gives_up_while_a_turn_is_given_back(run, ended):
    async def main():
        turns = Turns(1)
        assert turns.take()
        task = asyncio.ensure_future(turns.wait(10))
        await asyncio.sleep(0)
        if ended is TimeoutError:
            _late(turns._waiting[0])
        else:
            task.cancel()
        turns.give_back()
        with pytest.raises(ended):
            await task
        assert turns.take()

    run(main)


@given(st.lists(st.sampled_from(["ask", "give", "cancel first", "cancel last", "step"]), max_size=30))
def test_no_turn_is_lost_or_made(steps):
    async def main() -> None:
        turns, held, tasks = Turns(2), 0, []

        def count() -> None:
            nonlocal held, tasks
            held += sum(task.done() and not task.cancelled() and task.result() is None for task in tasks)
            tasks = [task for task in tasks if not task.done()]

        for step in steps:
            if step == "ask":
                tasks.append(asyncio.ensure_future(turns.wait(100)))
            elif step == "give" and held:
                held -= 1
                turns.give_back()
            elif step.startswith("cancel") and tasks:
                tasks[0 if step == "cancel first" else -1].cancel()
            elif step == "step":
                await asyncio.sleep(0)
            count()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        held += sum(not task.cancelled() for task in tasks)
        assert held <= 2
        assert [turns.take() for _ in range(3)] == [True] * (2 - held) + [False] * (1 + held)
        assert turns.waiting == 0

    asyncio.run(main())
