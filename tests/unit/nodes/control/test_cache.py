from __future__ import annotations

import asyncio

import pytest

from engine.errors import Code, DiagnosticsError, ErrorValue
from engine.flow import NONE, State


def build(bench, function, fields="", kind="cache"):
    return bench.flow(f"{{kind: {kind}, name: c{fields}, ports: {{out: [{{name: a}}]}}}}", a=function)


class Counter:
    def __init__(self):
        self.count = 0

    def __call__(self, _payload):
        self.count += 1
        return self.count


class Gate:
    """A stub whose answers wait until they are let through."""

    def __init__(self):
        self.waiting = []
        self.processes = []
        self.ended = []

    async def stub(self, payload, process):
        self.processes.append(process)
        process.on_exit(lambda error: self.ended.append(error and error.text))
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((payload, future))
        return await future

    def let(self, answer):
        self.waiting.pop(0)[1].set_result(answer)


def gated(bench, fields=""):
    gate = Gate()

    async def stub(payload, process):
        return await gate.stub(payload, process)

    return build(bench, stub, fields), gate


def test_the_same_payload_is_answered_from_memory(run, bench):
    counter = Counter()
    flow = build(bench, lambda x: counter(x))

    async def main():
        asked = ["a", "a", "b", "a", None, None, {"a": 1, "b": 2}, {"b": 2, "a": 1}, 1, 1.0, True]
        assert [await flow.ask("c", x) for x in asked] == [1, 1, 2, 1, 3, 3, 4, 4, 5, 6, 7]
        await flow.close()

    run(main)


def test_capacity(run, bench):
    counter = Counter()
    flow = build(bench, lambda x: counter(x), ", capacity: 2")

    async def main():
        assert [await flow.ask("c", x) for x in "abacab"] == [1, 2, 1, 3, 1, 4]

    run(main)


def test_interval(run, bench):
    counter = Counter()
    flow = build(bench, lambda x: counter(x), ", interval: 60ms")

    async def main():
        assert await flow.ask("c", "a") == 1
        bench.clock.advance(0.059)
        assert await flow.ask("c", "a") == 1
        bench.clock.advance(0.001)
        assert await flow.ask("c", "a") == 2

    run(main)


def test_errors_are_not_kept(run, bench):
    answers = iter([ErrorValue("cold"), 2, 3])
    flow = build(bench, lambda _: next(answers))

    async def main():
        assert (await flow.ask("c", "a")).text == "cold"
        assert [await flow.ask("c", "a") for _ in range(2)] == [2, 2]

    run(main)


@pytest.mark.parametrize("answer", [None, NONE, [], False])
def test_every_other_answer_is_kept(run, bench, answer):
    calls = []
    flow = build(bench, lambda x: calls.append(x) or answer)

    async def main():
        assert [await flow.ask("c", "a") for _ in range(2)] == [answer, answer]
        assert calls == ["a"]

    run(main)


@pytest.mark.parametrize("language", ["cel", "slow"])
def test_key(run, bench, language):
    counter = Counter()
    flow = build(bench, lambda x: counter(x), f", language: {language}, key: 'self[\"k\"]'")

    async def main():
        assert await flow.ask("c", {"k": 1, "x": 1}) == 1
        assert await flow.ask("c", {"k": 1, "x": 2}) == 1
        assert await flow.ask("c", {"k": 2}) == 2
        error = await flow.ask("c", {})
        assert isinstance(error, ErrorValue)
        assert str(error.place).startswith("flow.yaml:1:")
        await flow.close()
        assert bench.languages.made[0].closed == 1

    run(main)


def test_without_a_link_the_packet_comes_back(run, bench):
    flow = bench.flow("{kind: cache, name: c}")

    async def main():
        assert await flow.ask("c", 1) == 1

    run(main)


def test_those_who_ask_at_the_same_time_share_one_flight(run, bench, turn):
    flow, gate = gated(bench)

    async def main():
        asking = [asyncio.ensure_future(flow.ask("c", "a")) for _ in range(5)]
        await turn()
        assert len(gate.waiting) == 1
        gate.let("answer")
        assert await asyncio.gather(*asking) == ["answer"] * 5
        assert gate.ended == [None]
        assert not flow["c"].flights
        await flow.close()

    run(main)


def test_packets_of_one_process_do_not_wait_for_each_other(run, bench, turn):
    flow, gate = gated(bench)

    async def main():
        process = flow.process()
        asking = [asyncio.ensure_future(flow.ask("c", x, process=process)) for x in "ab"]
        await turn()
        assert len(gate.waiting) == 2
        gate.let("A")
        gate.let("B")
        assert await asyncio.gather(*asking) == ["A", "B"]
        await flow.end(process)

    run(main)


def test_one_waiters_cancellation_is_not_anothers(run, bench, turn):
    flow, gate = gated(bench)

    async def main():
        first = flow.process()
        asking_first = asyncio.ensure_future(flow.ask("c", "a", process=first))
        asking_second = asyncio.ensure_future(flow.ask("c", "a"))
        await turn()
        first.cancel()
        answer = await asking_first
        await flow.end(first, answer)
        assert answer.code is Code.CANCELLED
        assert not asking_second.done()
        gate.let("answer")
        assert await asking_second == "answer"
        await flow.close()

    run(main)


def test_the_last_who_gives_up_ends_the_flight_and_the_next_one_starts_anew(run, bench, turn):
    flow, gate = gated(bench)

    async def main():
        process = flow.process()
        asking = asyncio.ensure_future(flow.ask("c", "a", process=process))
        await turn()
        process.cancel()
        await turn(1)
        again = asyncio.ensure_future(flow.ask("c", "a"))
        await flow.end(process, await asking)
        await turn()
        assert gate.processes[0].state is State.CANCELLED
        assert gate.ended == ["cancelled"]
        assert len(gate.waiting) == 2
        gate.waiting.pop(0)
        gate.let("second")
        assert await again == "second"
        await flow.close()

    run(main)


def test_a_flight_is_a_process_of_its_own(run, bench, turn):
    flow, gate = gated(bench)

    async def main():
        process = flow.process()
        process.set("k", "mine")
        asking = asyncio.ensure_future(flow.ask("c", "a", process=process))
        await turn()
        [fetcher] = gate.processes
        assert fetcher is not process
        assert fetcher.parent is None
        assert fetcher.get("k") is None
        assert fetcher.generation is process.generation
        gate.let(1)
        await asking
        await flow.end(process)

    run(main)


def test_a_commit_that_fails_is_the_answer_and_is_not_kept(run, bench):
    counter = Counter()

    def refuse(_error):
        raise OSError("disk full")

    def opens(payload, process):
        if counter(payload) == 1:
            process.on_settle(refuse)
        return counter.count

    flow = build(bench, opens)

    async def main():
        assert (await flow.ask("c", "a")).text == "disk full"
        assert [str(error) for error in flow.reports] == ["disk full"]
        assert await flow.ask("c", "a") == 2

    run(main)


def test_a_new_generation_has_flights_of_its_own(run, bench, turn):
    flow, gate = gated(bench)
    flow["c"].out.link(2, [flow["a"].in_port("in")])

    async def main():
        old = asyncio.ensure_future(flow.ask("c", "a"))
        await turn()
        flow.generation = flow.make_generation(2)
        new = asyncio.ensure_future(flow.ask("c", "a"))
        await turn()
        assert [process.generation.number for process in gate.processes] == [1, 2]
        gate.let("old")
        gate.let("new")
        assert await asyncio.gather(old, new) == ["old", "new"]

    run(main)


SELF = "[{kind: cache, name: c, key: '1', ports: {out: [{name: a}]}}, {kind: snippet, name: a, code: self + 1, ports: {out: [{name: c}]}}]"
MUTUAL = """
- {kind: cache, name: c, key: '1', ports: {out: [{name: d}]}}
- {kind: cache, name: d, key: '1', ports: {out: [{name: c}]}}
"""


@pytest.mark.parametrize("text", [SELF, MUTUAL])
def test_a_flight_that_waits_for_itself_is_an_error(run, bench, text):
    flow = bench.flow(text)

    async def main():
        error = await flow.ask("c", 1)
        assert error.code is Code.LIMIT
        assert "own answer" in error.text
        await flow.close()

    run(main)


def test_two_flights_that_wait_for_each_other_are_an_error(run, bench):
    flow = bench.flow(MUTUAL)

    async def main():
        answers = await asyncio.gather(flow.ask("c", 1), flow.ask("d", 1))
        assert [answer.code for answer in answers] == [Code.LIMIT, Code.LIMIT]
        await flow.close()

    run(main)


def test_a_cycle_with_other_keys_is_fine(run, bench):
    flow = bench.flow(
        "[{kind: cache, name: c, ports: {out: [{name: i}]}}, "
        "{kind: if, name: i, when: self < 5, ports: {'out[0]': [{name: a}]}}, "
        "{kind: snippet, name: a, code: self + 1, ports: {out: [{name: c}]}}]"
    )

    async def main():
        assert await flow.ask("c", 1) == 5
        assert len(flow["c"].answers) == 5

    run(main)


def test_a_stream_is_refused(run, bench):
    async def stream():
        yield b"x"

    flow = build(bench, lambda _: {"body": stream()})

    async def main():
        error = await flow.ask("c", 1)
        assert error.code is Code.INVALID
        assert "stream" in error.text
        assert len(flow["c"].answers) == 0

    run(main)


def test_unload_ends_flights(run, bench, turn):
    flow, gate = gated(bench)

    async def main():
        asking = asyncio.ensure_future(flow.ask("c", "a"))
        await turn()
        await flow["c"].unload()
        assert (await asking).code is Code.CANCELLED
        await turn()
        assert gate.ended == ["cancelled"]
        await flow.close()

    run(main)


@pytest.mark.parametrize("fields", [", capacity: -1", ", interval: x", ", key: 'self +'"])
def test_bad_fields(bench, fields):
    with pytest.raises(DiagnosticsError):
        bench.one(f"{{kind: cache, name: c{fields}}}")
