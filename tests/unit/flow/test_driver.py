"""The driver at its limits: length, depth, memory, fairness, order of turns, and handlers that break the rules."""

from __future__ import annotations

import asyncio
import sys
import tracemalloc
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from engine.errors import Code, ErrorValue
from engine.flow import NONE, Forward, Gather, Generation, Limits, Mode, OutPort, Process


@contextmanager
def low_stack(frames: int = 60):
    """Little of Python's stack is left."""
    depth, frame = 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + frames)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def chain(probe, length: int, handler: Any, mode: Mode) -> Any:
    nodes = [probe(handler, mode) for _ in range(length)]
    for first, second in pairwise(nodes):
        first.to(second)
    return nodes[0]


async def coroutine(payload: Any, _process: Process) -> Any:
    return payload + 1


async def suspended(payload: Any, _process: Process) -> Any:
    await asyncio.sleep(0)
    return payload + 1


@pytest.mark.parametrize("mode", [Mode.MAP, Mode.COROUTINE, Mode.GENERATOR])
def test_a_chain_of_ten_thousand_nodes(run, probe, mode) -> None:
    def generator(payload, process):
        answer = yield nodes[payload].out, payload + 1
        return answer

    handler = {Mode.MAP: lambda payload: payload + 1, Mode.COROUTINE: coroutine, Mode.GENERATOR: generator}[mode]
    nodes = [probe(handler, mode) for _ in range(10_000)]
    for first, second in pairwise(nodes):
        first.to(second)

    async def main() -> Any:
        with low_stack(120):
            process = Process(Generation(1))
            answer = await process.ask(nodes[0].input, 0)
            process.exit()
            await process.join()
            assert process.hops == 10_000
            return answer

    assert run(main) == 10_000


def test_a_cycle_of_a_million_turns_takes_no_memory(run, probe) -> None:
    def turn(payload, _process):
        return (None if payload == 1_000_000 else ring.out), payload + 1

    ring = probe(turn, Mode.ROUTE)
    ring.to(ring)

    async def main() -> Any:
        process = Process(Generation(1))
        assert await process.ask(ring.input, 999_000) == 1_000_001
        tracemalloc.start()
        try:
            with low_stack(120):
                answer = await process.ask(ring.input, 0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        process.exit()
        assert peak < 64_000
        return answer

    assert run(main) == 1_000_001


def test_a_cycle_through_tail_calls_and_awaits_takes_no_memory(run, probe) -> None:
    def tail(payload, _process):
        yield asyncio.sleep(0)
        return Forward(first.out, payload + 1)

    def stop(payload, _process):
        return (None if payload > 6_000 else second.out), payload

    first = probe(tail, Mode.GENERATOR)
    second = probe(stop, Mode.ROUTE)
    first.to(second)
    second.to(first)

    async def main() -> None:
        process = Process(Generation(1))
        await process.ask(first.input, 5_900)
        tracemalloc.start()
        try:
            assert await process.ask(first.input, 0) == 6_001
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 64_000
        process.exit()
        await process.join()

    run(main)


def test_too_deep_is_an_error_and_every_generator_is_closed(run, probe) -> None:
    closed = 0

    def waits(payload, _process):
        nonlocal closed
        try:
            return (yield node.out, payload + 1)
        finally:
            closed += 1

    node = probe(waits, Mode.GENERATOR)
    node.to(node)

    async def main() -> None:
        process = Process(Generation(1, limits=Limits(depth=1_000)))
        answer = await process.ask(node.input, 0)
        assert isinstance(answer, ErrorValue)
        assert answer.message == "too deep"
        assert answer.code is Code.LIMIT
        assert "a cycle" in str(answer.hint)
        assert closed == 1_000
        # The depth has been given back.
        assert await process.ask(probe(lambda p: p, Mode.MAP).input, 1) == 1
        process.exit()

    run(main)


def test_a_gather_that_is_too_deep_answers_each_of_its_sends(run, probe) -> None:
    def gather(_payload, _process):
        return (yield Gather([(node.out, index) for index in range(3)]))

    node = probe(gather, Mode.GENERATOR)

    async def main() -> None:
        process = Process(Generation(1, limits=Limits(depth=1)))
        answers = await process.ask(node.input, 0)
        assert [answer.message for answer in answers] == ["too deep"] * 3
        process.exit()

    run(main)


def test_a_cycle_that_doubles_ends_in_an_error(run, probe) -> None:
    one = probe(lambda payload: payload, Mode.MAP)
    two = probe(lambda payload: payload, Mode.MAP)
    one.to(one, two)
    two.to(one, two)

    async def main() -> None:
        process = Process(Generation(1, limits=Limits(hops=20_000)))
        answer = await process.ask(one.input, 0)
        assert isinstance(answer, ErrorValue)
        assert answer.message == "too many hops"
        assert answer.code is Code.LIMIT
        assert process.hops < 25_000
        process.exit()
        await process.join()

    run(main)


def test_a_doubling_cycle_of_coroutines_ends_in_an_error(run, probe) -> None:
    one = probe(suspended, Mode.COROUTINE, many=True)
    one.to(one, probe(suspended, Mode.COROUTINE, many=True).to(one))

    async def main() -> None:
        process = Process(Generation(1, limits=Limits(hops=2_000)))
        answer = await process.ask(one.input, 0)
        assert isinstance(answer, ErrorValue)
        assert answer.message == "too many hops"
        process.exit()
        await process.join()
        assert not process.generation.live

    run(main)


def test_a_full_queue_answers_with_an_error_at_the_error_port(run, probe) -> None:
    async def main() -> None:
        gate = asyncio.get_running_loop().create_future()

        async def wait(payload, _process):
            return await asyncio.shield(gate) + payload

        node = probe(wait, Mode.COROUTINE)
        process = Process(Generation(1, limits=Limits(queue=2)))
        exchanges = [process.start(node.input, index) for index in range(4)]
        assert [exchange.done for exchange in exchanges] == [False, False, False, True]
        refused = exchanges[3].answer
        assert refused.message == "too many packets wait"
        assert refused.code is Code.LIMIT
        assert refused.node == "test/probe"
        reader = node.input.open(process)
        assert [packet.payload for packet in reader.packets()] == [1, 2]
        assert reader.statistics() == {"port": "test/probe.in", "busy": True, "waiting": 2}
        node.error.link(1, [probe(lambda error: ("caught", error.message), Mode.MAP).input])
        assert process.start(node.input, 5).answer == ("caught", "too many packets wait")
        gate.set_result(10)
        assert [await exchange.wait() for exchange in exchanges[:3]] == [10, 11, 12]
        process.exit()
        await process.join()

    run(main)


class Ticker:
    """Another task, which counts the turns that it gets."""

    def __init__(self) -> None:
        self.turns = 0
        self.task = asyncio.ensure_future(self.tick())

    async def tick(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def test_others_get_turns_during_a_long_inline_cycle(run, probe) -> None:
    def turn(payload, _process):
        return (None if payload == 100_000 else ring.out), payload + 1

    ring = probe(turn, Mode.ROUTE)
    ring.to(ring)

    async def main() -> None:
        ticker = Ticker()
        process = Process(Generation(1, limits=Limits(loop_budget=3600)))
        await process.ask(ring.input, 0)
        assert ticker.turns >= 100_000 // 2_000 - 2
        process.exit()
        await ticker.stop()

    run(main)


def test_others_get_turns_when_the_time_is_over(run, probe) -> None:
    node = chain(probe, 1_000, lambda payload: payload + 1, Mode.MAP)

    async def main() -> None:
        ticker = Ticker()
        process = Process(Generation(1, limits=Limits(loop_budget=-1.0)))
        await process.ask(node.input, 0)
        assert ticker.turns >= 8  # one at every hundred hops, at least
        process.exit()
        await ticker.stop()

    run(main)


def test_others_get_turns_among_awaits_that_do_not_suspend(run, probe) -> None:
    node = chain(probe, 2_600, coroutine, Mode.COROUTINE)

    async def main() -> None:
        ticker = Ticker()
        process = Process(Generation(1, limits=Limits(loop_budget=3600)))
        await process.ask(node.input, 0)
        assert ticker.turns >= 10
        process.exit()
        await ticker.stop()

    run(main)


def test_hops_between_awaits_that_do_not_suspend_count_together(run, probe) -> None:
    """Two hundred awaits, each followed by a thousand inline hops: no await alone uses up a slice."""
    inline = chain(probe, 1_000, lambda payload: payload, Mode.MAP)
    last = inline
    while last.out.single is not None:
        last = last.out.single.node

    def count(payload, _process):
        return (None if payload >= 200 else router.out), payload

    router = probe(count, Mode.ROUTE)
    waiter = probe(coroutine, Mode.COROUTINE)
    last.to(router)
    router.to(waiter)
    waiter.to(inline)

    async def main() -> None:
        ticker = Ticker()
        process = Process(Generation(1, limits=Limits(loop_budget=3600)))
        await process.ask(inline.input, 0)
        assert ticker.turns >= 60
        process.exit()
        await ticker.stop()

    run(main)


@pytest.mark.parametrize("many", [False, True])
def test_turns_start_in_order_of_arrival_one_at_a_time(run, probe, many) -> None:
    async def main() -> None:
        gates = [asyncio.get_running_loop().create_future() for _ in range(5)]
        started: list[int] = []

        async def wait(payload, _process):
            started.append(payload)
            return await gates[payload]

        node = probe(wait, Mode.COROUTINE, many=many)
        process = Process(Generation(1))
        exchanges = [process.start(node.input, index) for index in range(5)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert started == ([0, 1, 2, 3, 4] if many else [0])
        for index in (4, 2, 0, 1, 3):
            gates[index].set_result(f"answer {index}")
        answers = [await exchange.wait() for exchange in exchanges]
        assert started == [0, 1, 2, 3, 4]
        assert answers == [f"answer {index}" for index in range(5)]
        process.exit()
        await process.join()

    run(main)


def test_a_turn_ends_at_the_first_send_and_not_at_its_answer(run, probe) -> None:
    async def main() -> None:
        gate = asyncio.get_running_loop().create_future()
        begun: list[Any] = []

        def sender(payload, _process):
            begun.append(payload)
            yield asyncio.sleep(0)
            return (yield node.out, payload)

        async def slow(payload, _process):
            await gate
            return payload

        node = probe(sender, Mode.GENERATOR)
        node.to(probe(slow, Mode.COROUTINE, many=True))
        process = Process(Generation(1))
        exchanges = [process.start(node.input, index) for index in range(3)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert begun == [0, 1, 2]
        gate.set_result(None)
        assert [await exchange.wait() for exchange in exchanges] == [0, 1, 2]
        process.exit()
        await process.join()

    run(main)


def test_a_fan_out_collects_in_the_order_of_links(run, probe) -> None:
    async def late(payload, _process):
        for _ in range(5):
            await asyncio.sleep(0)
        return ("late", payload)

    sender = probe(lambda payload: payload, Mode.MAP)
    quick = probe(lambda payload: ("quick", payload), Mode.MAP)
    none = probe(lambda payload: NONE, Mode.MAP)
    sender.to(probe(late, Mode.COROUTINE), none, quick, quick)

    async def main() -> None:
        process = Process(Generation(1))
        assert await process.ask(sender.input, 1) == [("late", 1), ("quick", 1)]
        process.exit()
        await process.join()

    run(main)


def test_a_gather_keeps_its_limit_and_its_order(run, probe) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        under_way = most = 0
        gates: dict[int, asyncio.Future[None]] = {}

        async def work(payload, _process):
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            gates[payload] = loop.create_future()
            await gates[payload]
            under_way -= 1
            return payload * 10

        def gather(payload, _process):
            return (yield Gather([(node.out, index) for index in range(payload)], limit=3))

        node = probe(gather, Mode.GENERATOR)
        node.to(probe(work, Mode.COROUTINE, many=True))
        process = Process(Generation(1))
        exchange = process.start(node.input, 7)
        while not exchange.done:
            await asyncio.sleep(0)
            for index in sorted(gates, reverse=True)[:1]:
                gates.pop(index).set_result(None)
        assert most == 3
        assert exchange.answer == [index * 10 for index in range(7)]
        assert await process.ask(node.input, 0) == []
        process.exit()
        await process.join()

    run(main)


def test_an_unlinked_port_answers_with_the_packet(run, probe) -> None:
    async def main() -> None:
        process = Process(Generation(1))
        assert await process.ask(OutPort(None, "nowhere"), 5) == 5
        assert await OutPort(None, "nowhere").open(process).send(None) is None
        process.exit()

    run(main)


def raise_it(error: BaseException) -> Any:
    def handler(*_: Any) -> Any:
        raise error

    return handler


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("error", [ValueError("no"), StopIteration("no"), asyncio.CancelledError("no"), KeyError()])
def test_whatever_a_handler_raises_when_it_is_called_is_an_error_packet(run, probe, mode, error) -> None:
    """Also where the handler of a coroutine or generator fails before it makes one."""
    node = probe(raise_it(error), mode)

    async def main() -> None:
        process = Process(Generation(1))
        for _ in range(2):  # the reader is free again
            answer = await process.ask(node.input, 1)
            assert isinstance(answer, ErrorValue)
            assert answer.message == ("KeyError" if isinstance(error, KeyError) else "no")
            assert answer.node == "test/probe"
        node.error.link(1, [probe(lambda value: ("caught", value.message), Mode.MAP).input])
        assert (await process.ask(node.input, 1))[0] == "caught"
        process.exit()
        await process.join()

    run(main)


def test_the_failing_handler_of_a_waiting_packet_frees_the_reader(run, probe) -> None:
    async def main() -> None:
        gate = asyncio.get_running_loop().create_future()

        def handler(payload, _process):
            if payload == "bad":
                raise ValueError("bad")
            return good(payload)

        async def good(payload):
            await gate
            return payload

        node = probe(handler, Mode.COROUTINE)
        process = Process(Generation(1))
        exchanges = [process.start(node.input, payload) for payload in (1, "bad", 2)]
        gate.set_result(None)
        answers = [await exchange.wait() for exchange in exchanges]
        assert answers[::2] == [1, 2]
        assert answers[1].message == "bad"
        process.exit()
        await process.join()

    run(main)


@pytest.mark.parametrize("waiting", [False, True])
def test_a_handler_that_breaks_the_rules_ends_the_exchange_with_an_error(run, probe, waiting) -> None:
    def malformed(_payload, _process):
        if waiting:
            yield asyncio.sleep(0)
        yield (1, 2, 3)

    node = probe(malformed, Mode.GENERATOR)

    async def main() -> None:
        heard: list[BaseException] = []
        process = Process(Generation(1, reporter=lambda _process, error: heard.append(error)))
        for _ in range(2):
            answer = await process.ask(node.input, 1)
            assert isinstance(answer, ErrorValue)
        assert len(heard) == 2
        process.exit()
        await process.join()
        assert not process.generation.live

    run(main)


def test_somebody_elses_cancellation_is_an_error_packet(run, probe) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()

        async def wait(_payload, _process):
            return await future

        def generate(_payload, _process):
            return (yield future)

        process = Process(Generation(1))
        first = process.start(probe(wait, Mode.COROUTINE).input, 1)
        second = process.start(probe(generate, Mode.GENERATOR).input, 1)
        await asyncio.sleep(0)
        future.cancel()
        for exchange in (first, second):
            answer = await exchange.wait()
            assert answer.message == "CancelledError"
        assert await process.ask(probe(lambda payload: payload, Mode.MAP).input, 7) == 7
        process.exit()
        await process.join()

    run(main)


def test_a_timeout_within_a_handler_works_as_anywhere(run, probe) -> None:
    async def main() -> None:
        async def wait(_payload, _process):
            async with asyncio.timeout(0):
                await asyncio.get_running_loop().create_future()

        process = Process(Generation(1))
        answer = await process.ask(probe(wait, Mode.COROUTINE).input, 1)
        assert answer.message == "TimeoutError"
        process.exit()
        await process.join()

    run(main)
