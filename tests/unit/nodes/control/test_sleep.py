from __future__ import annotations

import asyncio

import pytest

from engine.errors import Code, DiagnosticsError


@pytest.mark.parametrize(
    ("written", "seconds"), [("10", 0.01), ("10ms", 0.01), ("0.02s", 0.02), ("1m", 60.0), ("0", 0.0)]
)
def test_it_waits_that_long_and_passes_the_packet_on(run, bench, turn, written, seconds):
    flow = bench.flow(
        f"{{kind: sleep, name: s, interval: {written}, ports: {{out: [{{name: o}}]}}}}", o=lambda x: ["o", x]
    )
    payload = {"x": [1, None]}

    async def main():
        asking = asyncio.ensure_future(flow.ask("s", payload))
        await turn()
        if seconds:
            bench.clock.advance(seconds * 0.99)
            await turn()
            assert not asking.done()
        bench.clock.advance(seconds)
        assert await asking == ["o", payload]
        assert bench.clock.slept == [seconds]

    run(main)


def test_packets_of_one_process_wait_side_by_side(run, bench, turn):
    flow = bench.flow("{kind: wait, name: s, interval: 1s}")

    async def main():
        process = flow.process()
        asking = [asyncio.ensure_future(flow.ask("s", n, process=process)) for n in range(3)]
        await turn()
        assert len(bench.clock.sleepers) == 3
        bench.clock.advance(1)
        assert await asyncio.gather(*asking) == [0, 1, 2]
        await flow.end(process)

    run(main)


def test_cancelling_the_process_ends_the_waiting(run, bench, turn):
    flow = bench.flow("{kind: sleep, name: s, interval: 1h}")

    async def main():
        process = flow.process()
        asking = asyncio.ensure_future(flow.ask("s", 1, process=process))
        await turn()
        process.cancel()
        answer = await asking
        await flow.end(process, answer)
        assert answer.code is Code.CANCELLED
        assert bench.clock.sleepers == []

    run(main)


@pytest.mark.parametrize("fields", ["", ", interval: xyz", ", interval: -1s", ", interval: [1]"])
def test_a_bad_interval(bench, fields):
    with pytest.raises(DiagnosticsError, match="interval"):
        bench.one(f"{{kind: sleep, name: s{fields}}}")
