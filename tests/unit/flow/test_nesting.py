"""Processes within processes, deeper than Python's stack."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import Code, WeirError
from engine.flow import Generation, Limits, Process, State

DEEP = 9_000


def nest(generation: Generation) -> list[Process]:
    chain = [Process(generation)]
    for _ in range(DEEP):
        chain.append(chain[-1].fork())
    return chain


def test_the_end_of_the_innermost_ends_all_that_waited_for_it():
    async def main():
        generation = Generation()
        chain = nest(generation)
        for process in chain[:-1]:
            process.exit()
        assert {process.state for process in chain[:-1]} == {State.ENDING}
        chain[-1].exit()
        assert {process.state for process in chain} == {State.DONE}
        assert not generation.live

    asyncio.run(main())


def test_a_cancellation_reaches_the_innermost():
    async def main():
        generation = Generation()
        chain = nest(generation)
        chain[0].cancel()
        assert chain[-1].state is State.CANCELLING
        for process in chain:
            process.exit()
        assert {process.state for process in chain} == {State.CANCELLED}
        assert not generation.live

    asyncio.run(main())


def test_nesting_has_a_limit():
    async def main():
        process = Process(Generation(limits=Limits(forks=3)))
        for _ in range(3):
            process = process.fork()
        with pytest.raises(WeirError, match="too deep") as caught:
            process.fork()
        assert caught.value.code is Code.LIMIT

    asyncio.run(main())
