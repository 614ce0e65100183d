"""A process from its making to the release of all that it opened."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.errors import Code, ErrorValue
from engine.flow import Generation, Mode, Process, State


def test_data_are_inherited_at_the_fork_and_not_shared_afterwards() -> None:
    parent = Process(Generation(1))
    parent.set("a", 1)
    child = parent.fork()
    grandchild = child.fork()
    parent.set("a", 2)
    child.set("b", 3)
    grandchild.remove("a")
    late = parent.fork()
    assert [each.get("a") for each in (parent, child, grandchild, late)] == [2, 1, None, 2]
    assert [each.get("b", "-") for each in (parent, child, grandchild, late)] == ["-", 3, "-", "-"]
    child.remove("nothing")
    for process in (late, grandchild, child, parent):
        process.exit()
    assert parent.state is State.DONE


def test_exit_hooks_run_newest_first_each_once_failing_and_async_ones_too(run) -> None:
    async def main() -> None:
        heard: list[str] = []
        process = Process(Generation(1, reporter=lambda _process, error: heard.append(str(error))))
        order: list[Any] = []
        gate = asyncio.get_running_loop().create_future()

        async def slow(error: ErrorValue | None) -> None:
            order.append("slow begins")
            await gate
            order.append("slow ends")

        def bad(_error: ErrorValue | None) -> None:
            order.append("bad")
            raise ValueError("bad hook")

        async def cancelled(_error: ErrorValue | None) -> None:
            order.append("cancelled")
            raise asyncio.CancelledError("foreign")

        process.on_exit(lambda error: order.append(("first", error)))
        process.on_exit(slow)
        process.on_exit(bad)
        process.on_exit(cancelled)
        process.exit()
        process.exit()
        for _ in range(5):
            await asyncio.sleep(0)
        assert order == ["cancelled", "bad", "slow begins"]
        assert process.state is State.ENDING
        assert process in process.generation.live
        gate.set_result(None)
        await process.join()
        assert order[3:] == ["slow ends", ("first", None)]
        assert heard == ["foreign", "bad hook"]
        assert process.state is State.DONE
        assert process not in process.generation.live

    run(main)


def test_a_hook_that_comes_after_the_end_runs_at_once(run) -> None:
    async def main() -> None:
        process = Process(Generation(1))
        error = ErrorValue("gone")
        process.exit(error)
        seen: list[Any] = []

        async def slow(each: ErrorValue | None) -> None:
            await asyncio.sleep(0)
            seen.append(each)

        process.on_exit(seen.append)
        assert seen == [error]
        process.on_exit(slow)
        for _ in range(3):
            await asyncio.sleep(0)
        assert seen == [error, error]
        assert process.state is State.FAILED

    run(main)


def test_settle_hooks_hear_the_outcome_and_a_failing_commit_rolls_the_others_back(run) -> None:
    async def main() -> None:
        heard: list[BaseException] = []
        process = Process(Generation(1, reporter=lambda _process, error: heard.append(error)))
        seen: list[Any] = []

        async def commit(error: ErrorValue | None) -> None:
            seen.append(("commit", error))
            raise ValueError("disk full")

        process.on_settle(lambda error: seen.append(("other", error)))
        process.on_settle(commit)
        failed = await process.settle()
        assert failed is not None
        assert failed.message == "disk full"
        assert seen == [("commit", None), ("other", failed)]
        assert await process.settle() is None
        assert len(heard) == 1
        process.exit(failed)
        await process.join()
        assert process.state is State.FAILED

    run(main)


def test_settle_hooks_that_nobody_ran_run_at_the_exit_with_its_error(run) -> None:
    async def main() -> None:
        seen: list[Any] = []
        error = ErrorValue("no")
        process = Process(Generation(1))
        process.on_settle(seen.append)
        process.on_exit(lambda _error: seen.append("exit"))
        process.exit(error)
        await process.join()
        assert seen == [error, "exit"]

    run(main)


def test_hooks_that_a_cancelled_settle_left_over_are_not_lost(run) -> None:
    async def main() -> None:
        seen: list[Any] = []
        process = Process(Generation(1))

        async def hangs(_error: ErrorValue | None) -> None:
            await asyncio.get_running_loop().create_future()

        process.on_settle(seen.append)
        process.on_settle(hangs)
        task = asyncio.ensure_future(process.settle())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        process.cancel()
        process.exit()
        await process.join()
        assert [error.code for error in seen] == [Code.CANCELLED]

    run(main)


def test_a_settle_hook_with_a_foreign_cancellation_does_not_keep_the_process_alive(run) -> None:
    async def main() -> None:
        heard: list[BaseException] = []
        seen: list[Any] = []
        process = Process(Generation(1, reporter=lambda _process, error: heard.append(error)))

        async def foreign(_error: ErrorValue | None) -> None:
            raise asyncio.CancelledError

        process.on_settle(seen.append)
        process.on_settle(foreign)
        process.exit()
        await process.join()
        assert seen[0].message == "CancelledError"
        assert len(heard) == 1
        assert process.state is State.FAILED

    run(main)


def test_a_clean_end_waits_for_the_children(run) -> None:
    async def main() -> None:
        order: list[str] = []
        parent = Process(Generation(1))
        parent.on_exit(lambda _error: order.append("parent"))
        child = parent.fork()
        child.on_exit(lambda _error: order.append("child"))
        grandchild = child.fork()
        parent.exit()
        child.exit()
        assert not order
        assert parent.state is State.ENDING
        assert child.state is State.ENDING
        assert grandchild.state is State.RUNNING
        grandchild.exit()
        await parent.join()
        assert order == ["child", "parent"]
        assert not parent.generation.live

    run(main)


def test_a_cancelled_parent_cancels_its_children_also_while_it_ends(run, probe) -> None:
    async def main() -> None:
        async def hang(_payload, _process):
            await asyncio.get_running_loop().create_future()

        node = probe(hang, Mode.COROUTINE)
        for ending in (False, True):
            parent = Process(Generation(1))
            child = parent.fork()
            question = asyncio.ensure_future(child.ask(node.input, 1))
            await asyncio.sleep(0)
            if ending:
                parent.exit()
            parent.cancel(ErrorValue("enough", Code.CANCELLED))
            answer = await question
            assert answer.message == "enough"
            child.exit()
            parent.exit()
            await parent.join()
            assert parent.state is child.state is State.CANCELLED
            assert parent.fork().state is not State.RUNNING

    run(main)


def test_a_child_of_a_cancelled_process_is_cancelled_from_the_start() -> None:
    parent = Process(Generation(1))
    parent.cancel()
    child = parent.fork()
    assert child.state is State.CANCELLING
    child.exit()
    parent.exit()
    assert parent.state is State.CANCELLED


def test_deadlines_of_children_are_never_later(run) -> None:
    parent = Process(Generation(1), deadline=10.0)
    assert [parent.fork(deadline=each).deadline for each in (None, 5.0, 50.0)] == [10.0, 5.0, 10.0]


def test_the_deadline_cancels_with_its_own_code(run, probe, monkeypatch) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def hang(_payload, _process):
            await loop.create_future()

        process = Process(Generation(1), deadline=loop.time() - 1)
        answer = await process.ask(probe(hang, Mode.COROUTINE).input, 1)
        assert answer.code is Code.DEADLINE
        process.exit()
        await process.join()
        assert process.state is State.CANCELLED

    run(main)


def test_a_handler_that_cancels_its_process_is_the_last_to_await_anything(run, probe) -> None:
    async def main() -> None:
        seen: list[str] = []

        def cancel(payload, process):
            process.cancel()
            return payload

        async def late(_payload, _process):
            seen.append("late")

        def generator(_payload, _process):
            try:
                yield asyncio.get_running_loop().create_future()
            finally:
                seen.append("closed")

        for last in (probe(late, Mode.COROUTINE), probe(generator, Mode.GENERATOR)):
            seen.clear()
            process = Process(Generation(1))
            first = probe(cancel, Mode.CALL).to(last, probe(late, Mode.COROUTINE), last)
            answer = await process.ask(first.input, 1)
            assert answer.code is Code.CANCELLED
            process.exit()
            await process.join()
            assert "late" not in seen
            assert not process.generation.live
            assert not any(reader.busy or reader.waiting for reader in (process.readers or {}).values())

    run(main)


def test_a_process_ends_only_when_its_last_task_is_gone(run, probe) -> None:
    async def main() -> None:
        gate = asyncio.get_running_loop().create_future()

        async def stubborn(_payload, _process):
            while not gate.done():
                try:
                    await asyncio.shield(gate)
                except asyncio.CancelledError:
                    continue

        after: list[Any] = []
        node = probe(stubborn, Mode.COROUTINE).to(probe(after.append, Mode.MAP))
        process = Process(Generation(1))
        question = asyncio.ensure_future(process.ask(node.input, 1))
        for _ in range(3):
            await asyncio.sleep(0)
        process.cancel()
        process.exit()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not process.state.is_over
        assert process in process.generation.live
        gate.set_result(None)
        assert (await question).code is Code.CANCELLED
        await process.join()
        assert not after, "a packet was sent after the end"

    run(main)


def test_a_future_that_a_cancelled_branch_has_not_begun_to_await_is_cancelled_too(run, probe) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()

        def generator(_payload, _process):
            yield future

        process = Process(Generation(1))
        exchange = process.start(probe(generator, Mode.GENERATOR).input, 1)
        process.cancel()
        assert (await exchange.wait()).code is Code.CANCELLED
        assert future.cancelled()
        process.exit()
        await process.join()

    run(main)


def test_questions_after_the_end_are_dropped(run, probe) -> None:
    async def main() -> None:
        process = Process(Generation(1))
        process.exit()
        answer = await process.ask(probe(lambda payload: payload, Mode.MAP).input, 1)
        assert answer.code is Code.DROPPED

    run(main)


def test_statistics_tell_what_it_waits_for(run, probe) -> None:
    async def main() -> None:
        gate = asyncio.get_running_loop().create_future()

        async def wait(_payload, _process):
            await gate

        node = probe(wait, Mode.COROUTINE, name="waiter")
        process = Process(Generation(7), origin="test")
        child = process.fork()
        questions = [asyncio.ensure_future(process.ask(node.input, 1)) for _ in range(2)]
        await asyncio.sleep(0)
        found = process.statistics()
        assert found["generation"] == 7
        assert found["origin"] == "test"
        assert found["state"] == "running"
        assert found["children"] == 1
        assert found["hops"] == 2
        assert found["waits"] == ["test/waiter.in"] * 2
        assert found["readers"] == [{"port": "test/waiter.in", "busy": True, "waiting": 1}]
        assert child.statistics()["parent"] == process.id
        gate.set_result(None)
        await asyncio.gather(*questions)
        child.exit()
        process.exit()
        await process.join()

    run(main)
