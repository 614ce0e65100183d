"""Threads that make calls: every call is answered once, nobody goes on before his call is over, and few are awake."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

import pytest

from nodes.data.threads import Threads


@contextmanager
def threads(most: int = 4):
    made = Threads(most, name="test")
    try:
        yield made
    finally:
        made.close()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("test-")]


def test_results_and_errors(run):
    async def main():
        with threads() as them:
            assert await them.call(lambda: 7) == 7
            with pytest.raises(ValueError, match="no"):
                await them.call(lambda: int("no"))
            with pytest.raises(RuntimeError, match="StopIteration"):
                await them.call(lambda: next(iter(())))
            assert not them.busy

    run(main)


def test_many_calls_are_answered_each_by_its_own(run):
    async def main():
        with threads() as them:
            calls = [them.call(lambda number=number: number, lasting=number % 7 == 0) for number in range(1000)]
            assert await asyncio.gather(*calls) == list(range(1000))
            assert not them.busy

    run(main)


def test_quick_calls_share_one_thread(run, monkeypatch):
    monkeypatch.setattr("nodes.data.threads.PATIENCE", 60.0)  # a thread that is slow to start is not a call that lasts

    async def main():
        with threads() as them:
            names = set()
            for _ in range(200):
                names.add(await them.call(lambda: threading.current_thread().name))
            assert names == {"test-0"}

    run(main)


def test_a_call_does_not_wait_long_behind_one_that_lasts(run):
    async def main():
        with threads() as them:
            gate = threading.Event()
            first = them.call(gate.wait)
            assert await them.call(lambda: "second") == "second"
            gate.set()
            assert await first

    run(main)


def test_as_many_as_there_may_be_wait_at_one_time(run):
    async def main():
        with threads(3) as them:
            together = threading.Barrier(4)
            calls = [them.call(together.wait) for _ in range(3)]
            last = them.call(lambda: "last")
            await asyncio.to_thread(together.wait)
            assert sorted(await asyncio.gather(*calls)) != []
            assert await last == "last"

    run(main)


def test_a_lasting_call_gets_a_thread_of_its_own_at_once(run):
    async def main():
        with threads(2) as them:
            meet = threading.Barrier(2)
            await asyncio.gather(them.call(meet.wait), them.call(meet.wait, lasting=True))

    run(main)


def test_with_one_thread_calls_come_in_order(run):
    async def main():
        with threads(1) as them:
            order: list[int] = []
            await asyncio.gather(*(them.call(lambda number=number: order.append(number)) for number in range(50)))
            assert order == list(range(50))

    run(main)


def test_who_is_cancelled_goes_on_when_the_thread_is_done(run):
    async def main():
        with threads() as them:
            begun, stopped, let = threading.Event(), threading.Event(), threading.Event()
            over: list[str] = []

            def work() -> None:
                begun.set()
                stopped.wait()
                let.wait()
                over.append("thread")
                raise ValueError("interrupted")

            async def caller() -> None:
                try:
                    await them.call(work, stop=stopped.set)
                finally:
                    over.append("caller")

            task = asyncio.ensure_future(caller())
            await asyncio.to_thread(begun.wait)
            task.cancel()
            await asyncio.to_thread(stopped.wait)
            assert not over
            let.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert over == ["thread", "caller"]

    run(main)


def test_a_stop_that_came_too_early_is_tried_again(run):
    async def main():
        with threads() as them:
            end = threading.Event()
            stops = 0

            def stop() -> None:
                nonlocal stops
                stops += 1
                if stops == 3:
                    end.set()

            task = asyncio.ensure_future(_await(them.call(end.wait, stop=stop)))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert stops >= 3

    run(main)


async def _await(call):
    return await call
