from __future__ import annotations

import asyncio

import pytest

from engine.errors import DiagnosticsError, ErrorValue
from engine.flow import NONE

STUBS = {
    "inc": lambda x: x + 1,
    "done": lambda x: {"done": x},
    "odd": lambda x: ErrorValue(f"e{x}") if x % 2 else x,
    "small": lambda x: x if x > 2 else NONE,
    "h": lambda e: "caught " + e.text,
}


@pytest.fixture(params=[1, 3], ids=["sequential", "concurrent"])
def concurrency(request):
    return request.param


def build(bench, concurrency, links, **stubs):
    text = f"{{kind: for, name: f, concurrency: {concurrency}, ports: {{{links}}}}}"
    return bench.flow(text, **(STUBS | stubs))


EACH = "'out[0]': [{name: inc}]"
DONE = "'out[1]': [{name: done}]"


@pytest.mark.parametrize(
    ("links", "payload", "answer"),
    [
        (f"{EACH}, {DONE}", [1, 2, 3], {"done": [2, 3, 4]}),
        (EACH, [1, 2], [2, 3]),
        ("", [1, None, [2]], [1, None, [2]]),
        (EACH, [], []),
        (f"{EACH}, {DONE}", [], {"done": []}),
        (f"{EACH}, {DONE}", [1], {"done": [2]}),
        (f"{EACH}, {DONE}", 5, {"done": 6}),
        (EACH, 5, 6),
        (f"'out[0]': [{{name: small}}], {DONE}", [1, 3, 2, 4], {"done": [3, 4]}),
        (f"'out[0]': [{{name: small}}], {DONE}", [1], {"done": []}),
        (f"'out[0]': [{{name: small}}], {DONE}", 1, {"done": None}),
        ("'out[0]': [{name: small}]", 1, NONE),
        ("'out[0]': [{name: odd}], error: [{name: h}]", [1, 2, 3], "caught e1\ne3"),
        ("'out[0]': [{name: odd}], error: [{name: h}]", 1, "caught e1"),
        (f"'out[0]': [{{name: odd}}], error: [{{name: h}}], {DONE}", [2, 4], {"done": [2, 4]}),
    ],
)
def test_answers(run, bench, concurrency, links, payload, answer):
    flow = build(bench, concurrency, links)

    async def main():
        assert await flow.ask("f", payload) == answer

    run(main)


def test_errors_are_the_answer_without_a_handler(run, bench, concurrency):
    flow = build(bench, concurrency, f"'out[0]': [{{name: odd}}], {DONE}")

    async def main():
        assert (await flow.ask("f", [1, 2, 3])).text == "e1\ne3"
        assert (await flow.ask("f", 3)).text == "e3"

    run(main)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_so_many_are_under_way_and_the_order_is_kept(run, bench, count):
    now = most = 0

    async def slow(payload):
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(payload):
            await asyncio.sleep(0)
        now -= 1
        return payload

    flow = build(bench, count, "'out[0]': [{name: slow}]", slow=slow)

    async def main():
        assert await flow.ask("f", [5, 1, 4, 2, 3]) == [5, 1, 4, 2, 3]
        assert most == count

    run(main)


def test_nested(run, bench, concurrency):
    flow = bench.flow(
        f"[{{kind: loop, name: f, concurrency: {concurrency}, ports: {{'out[0]': [{{name: g}}]}}}},"
        " {kind: foreach, name: g, ports: {'out[0]': [{name: inc}]}}]",
        **STUBS,
    )

    async def main():
        assert await flow.ask("f", [[1, 2], [3], []]) == [[2, 3], [4], []]

    run(main)


def test_cancelling_the_process_ends_the_loop(run, bench, concurrency, turn):
    seen = []

    async def hang(payload):
        seen.append(payload)
        await asyncio.get_running_loop().create_future()

    flow = build(bench, concurrency, "'out[0]': [{name: hang}]", hang=hang)

    async def main():
        process = flow.process()
        asking = asyncio.ensure_future(flow.ask("f", list(range(9)), process=process))
        await turn()
        process.cancel()
        answer = await asking
        await flow.end(process, answer)
        assert isinstance(answer, ErrorValue)
        assert len(seen) == concurrency
        await flow.close()

    run(main)


@pytest.mark.parametrize("value", [0, -1, "many", True])
def test_concurrency_is_a_positive_number(bench, value):
    with pytest.raises(DiagnosticsError, match="concurrency"):
        bench.one(f"{{kind: for, name: f, concurrency: {value}}}")


def test_there_is_no_third_port(bench):
    assert bench.one("{kind: for, name: f}").out_port("out[2]") is None
