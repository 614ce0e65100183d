from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext

import pytest
from pymongo.errors import OperationFailure

from engine.store.mongodb import moment
from engine.store.mongodb.moment import choose


class Server:
    """Stands for a connection: tells one thing after another, each in a moment of its own."""

    def __init__(self, *told: object) -> None:
        self._told: Iterator[object] = iter(told)
        self.open = 0

    def explained(self) -> nullcontext[None]:
        return nullcontext()

    @asynccontextmanager
    async def moment(self):
        self.open += 1
        yield object()
        self.open -= 1

    async def look(self, _scope: object) -> object:
        told = next(self._told)
        if isinstance(told, Exception):
            raise told
        return told


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moment, "_RETRY", 0)


async def take(server: Server, least: int) -> object:
    async with AsyncExitStack() as stack:
        _, found = await choose(stack, server, server.look, fits=lambda found: found >= least)
        assert server.open == 1
    assert server.open == 0
    return found


async def test_the_first_that_fits_is_taken():
    assert await take(Server(7), 5) == 7
    assert await take(Server(3, 4, 5, 6), 5) == 5


async def test_a_collection_that_was_made_a_moment_ago():
    assert await take(Server(OperationFailure("x", 246), 5), 5) == 5


async def test_what_else_is_wrong_is_told():
    with pytest.raises(OperationFailure):
        await take(Server(OperationFailure("x", 13), 5), 5)


async def test_what_is_told_after_a_while_is_taken_as_it_is(monkeypatch):
    monkeypatch.setattr(moment, "PATIENCE", -1)
    assert await take(Server(3, 5), 5) == 3
    with pytest.raises(OperationFailure):
        await take(Server(OperationFailure("x", 246), 5), 5)
