from __future__ import annotations

import asyncio

import pytest

from engine.errors import ErrorValue
from engine.flow import NONE

STUBS = {"a": lambda x: x + 1, "b": lambda x: x * 10, "none": lambda _: NONE, "bad": lambda x: ErrorValue(f"e{x}")}
AB = "'out[0]': [{name: a}], 'out[1]': [{name: b}]"


@pytest.mark.parametrize(
    ("links", "payload", "answer"),
    [
        (AB, [1, 2], [2, 20]),
        (AB, [1, 2, 3], [2, 20]),
        (AB, [1], 2),
        (AB, 7, 8),
        (AB, [], []),
        ("", [1, 2], [1, 2]),
        ("", 7, 7),
        ("'out[1]': [{name: b}]", [1, 2], [1, 20]),
        ("'out[1]': [{name: b}]", [1], 1),
        ("'out[0]': [{name: none}], 'out[1]': [{name: b}]", [1, 2], 20),
        ("'out[0]': [{name: none}], 'out[1]': [{name: none}]", [1, 2], NONE),
    ],
)
def test_answers(run, bench, links, payload, answer):
    flow = bench.flow(f"{{kind: split, name: s, ports: {{{links}}}}}", **STUBS)

    async def main():
        assert await flow.ask("s", payload) == answer

    run(main)


def test_errors_are_joined(run, bench):
    flow = bench.flow("{kind: split, name: s, ports: {'out[0]': [{name: bad}], 'out[1]': [{name: bad}]}}", **STUBS)

    async def main():
        assert (await flow.ask("s", [1, 2])).text == "e1\ne2"

    run(main)


def test_all_are_under_way_at_the_same_time_and_the_order_is_kept(run, bench):
    both = asyncio.Barrier(2)

    async def slow(payload):
        await both.wait()
        for _ in range(3 - payload):
            await asyncio.sleep(0)
        return payload

    flow = bench.flow("{kind: split, name: s, ports: {'out[0]': [{name: w}], 'out[1]': [{name: w}]}}", w=slow)

    async def main():
        assert await flow.ask("s", [1, 2]) == [1, 2]

    run(main)


def test_the_width_is_that_of_the_processs_generation(run, bench):
    flow = bench.flow(f"{{kind: split, name: s, ports: {{{AB}}}}}", **STUBS)
    old = flow.process()
    flow["s"].out_at(1).link(2, [])

    async def main():
        assert await flow.ask("s", [1, 2], process=old) == [2, 20]
        await flow.end(old)
        flow.generation = flow.make_generation(2)
        assert await flow.ask("s", [1, 2]) == 2

    run(main)
