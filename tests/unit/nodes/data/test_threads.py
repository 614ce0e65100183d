"""Threads that make calls: every call is answered once, nobody goes on before his call is over, and few are awake."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

import pytest

from engine.errors import UnavailableError
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
            calls = [them.call(lambda number=number: number) for number in range(1000)]
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


def test_an_answer_is_told_though_the_next_call_lasts(run):
    async def main():
        with threads(1) as them:
            first_is_over, second_may_end, third_has_begun, third_may_end = (threading.Event() for _ in range(4))

            def last() -> None:
                third_has_begun.set()
                third_may_end.wait(10)

            calls = [them.call(first_is_over.set), them.call(lambda: second_may_end.wait(10)), them.call(last)]
            tell = calls[0].tell

            def tell_slowly(result, error) -> None:
                # While the loop is busy with one answer, its thread has the next one ready and goes on to what lasts.
                second_may_end.set()
                third_has_begun.wait(10)
                tell(result, error)

            calls[0].tell = tell_slowly
            await asyncio.to_thread(first_is_over.wait)
            try:
                assert await asyncio.wait_for(asyncio.shield(_await(calls[1])), 5)
            finally:
                third_may_end.set()
                await asyncio.gather(*calls)

    run(main)


def test_who_is_cancelled_before_a_thread_has_begun_goes_on_at_once(run):
    async def main():
        with threads(1) as them:
            gate, begun = threading.Event(), []
            first = them.call(gate.wait)
            second = asyncio.ensure_future(_await(them.call(lambda: begun.append(2), stop=lambda: None)))
            third = asyncio.ensure_future(_await(them.call(lambda: begun.append(3))))
            await asyncio.sleep(0)
            second.cancel()
            third.cancel()
            try:
                assert await asyncio.wait({second}, timeout=5) == ({second}, set())
                assert second.cancelled()
                assert not third.done()  # what cannot be stopped is not given up either
            finally:
                gate.set()
            assert await first
            with pytest.raises(asyncio.CancelledError):
                await third
            assert begun == [3]
            assert not them.busy

    run(main)


@pytest.mark.parametrize("started", [0, 1])
def test_a_system_without_threads_left(run, monkeypatch, started):
    start = threading.Thread.start
    left = [None] * started

    def scarce(thread) -> None:
        if thread.name.startswith("test-"):
            if not left:
                raise RuntimeError("can't start new thread")
            left.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)

    async def main():
        with threads(2) as them:
            gate = threading.Event()
            calls = [them.call(gate.wait), them.call(lambda: 2)]
            await asyncio.sleep(0.01)
            gate.set()
            answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
            assert answers == [True, 2] if started else all(isinstance(each, UnavailableError) for each in answers)
            assert not them.busy

    run(main)


async def _await(call):
    return await call
