from __future__ import annotations

import asyncio

import pytest

from engine.errors import DiagnosticsError, ErrorValue


@pytest.fixture(params=["cel", "slow"])
def language(request):
    return request.param


def build(bench, language, action="self[0] + self[1]", init="0"):
    return bench.flow(
        f"{{kind: reduce, name: r, language: {language}, action: '{action}', init: {init}, ports: {{out: [{{name: o}}]}}}}",
        o=lambda x: ("new", x),
    )


def test_every_packet_is_answered_with_the_new_total(run, bench, language):
    flow = build(bench, language)

    async def main():
        process = flow.process()
        assert [await flow.ask("r", n, process=process) for n in (1, 2, 3)] == [("new", 1), ("new", 3), ("new", 6)]
        await flow.end(process)
        await flow.close()

    run(main)


def test_the_total_belongs_to_the_process(run, bench, language):
    flow = build(bench, language, init="100")

    async def main():
        assert await flow.ask("r", 1) == ("new", 101)
        parent = flow.process()
        assert await flow.ask("r", 2, process=parent) == ("new", 102)
        child = parent.fork()
        assert await flow.ask("r", 3, process=child) == ("new", 103)
        await flow.end(child)
        assert await flow.ask("r", 4, process=parent) == ("new", 106)
        await flow.end(parent)

    run(main)


def test_the_index_counts_packets(run, bench, language):
    flow = build(bench, language, action="self[2]")

    async def main():
        process = flow.process()
        assert [await flow.ask("r", "x", process=process) for _ in range(3)] == [("new", 0), ("new", 1), ("new", 2)]
        await flow.end(process)

    run(main)


def test_a_failed_packet_is_not_counted(run, bench, language):
    flow = build(bench, language)

    async def main():
        process = flow.process()
        assert await flow.ask("r", 1, process=process) == ("new", 1)
        error = await flow.ask("r", "text", process=process)
        assert isinstance(error, ErrorValue)
        assert str(error.place).startswith("flow.yaml:1:")
        assert await flow.ask("r", 2, process=process) == ("new", 3)
        await flow.end(process)

    run(main)


def test_packets_sent_at_once_take_turns(run, bench, language):
    flow = build(bench, language)

    async def main():
        process = flow.process()
        answers = await asyncio.gather(*(flow.ask("r", n, process=process) for n in (1, 2, 3, 4)))
        assert answers == [("new", 1), ("new", 3), ("new", 6), ("new", 10)]
        await flow.end(process)

    run(main)


def test_falsy_totals_are_totals(run, bench, language):
    flow = build(bench, language, action="0 if self[2] else 5", init="7")

    async def main():
        process = flow.process()
        assert [await flow.ask("r", 1, process=process) for _ in range(3)] == [("new", 5), ("new", 0), ("new", 0)]
        await flow.end(process)

    run(main)


def test_init_is_null_without_one(run, bench):
    flow = bench.flow("{kind: reduce, name: r, action: 'self[0] is None'}")

    async def main():
        assert await flow.ask("r", 1) is True
        await flow.close()
        assert bench.languages.made[0].closed == 1

    run(main)


def test_action_is_required(bench):
    with pytest.raises(DiagnosticsError, match="action"):
        bench.one("{kind: reduce, name: r}")
