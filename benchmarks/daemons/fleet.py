"""Daemons on one store, each in a process of its own and asked all the time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Self

from benchmarks.daemons.asker import Asker
from benchmarks.daemons.flow import PORT, answer, web
from benchmarks.daemons.journal import Event, Journal
from benchmarks.mongod import free_port
from benchmarks.reload.daemon import PROGRAM, Daemon
from engine.store.protocol import PutSpec, Store
from engine.store.url import open_store

PATIENCE = 60.0
"""Seconds after which what should come never will."""


@dataclass(frozen=True, slots=True)
class Member:
    """One daemon, what it says, and who asks it."""

    daemon: Daemon
    journal: Journal
    asker: Asker

    async def health(self) -> Event:
        """What `/readyz` tells of its namespace."""
        found: Event = (await self.daemon.health())["namespaces"]["default"]
        return found

    async def until_lost(self) -> Event:
        """Wait until `/readyz` tells that the store is away, and since when; what it tells."""
        async with asyncio.timeout(PATIENCE):
            while True:
                health = await self.health()
                if health["store"] != "reached" and health["view_age"] > 0:
                    return health
                await asyncio.sleep(0.05)


class Fleet:
    """A daemon for each of `urls`, the stores as they see them; `url` is the same store as it is written from here.

    Entered, every daemon serves turn 1. `programs` take the place of the usual command, by the number of the daemon.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        urls: Sequence[str],
        *,
        programs: dict[int, Sequence[str]] | None = None,
        level: str = "debug",
    ) -> None:
        self.url = url
        self.turn = 0
        self.members = [
            self._member(folder / str(number), store, (programs or {}).get(number, PROGRAM), level)
            for number, store in enumerate(urls)
        ]
        self._stack = AsyncExitStack()
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The store, open."""
        assert self._store is not None, "enter the fleet first"
        return self._store

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._store = await stack.enter_async_context(open_store(self.url))
            await self.store.apply([PutSpec(web())])
            await self.put()
            await asyncio.gather(*(stack.enter_async_context(each.daemon) for each in self.members))
            for each in self.members:
                await stack.enter_async_context(each.asker)
            await self.until_live()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def put(self) -> int:
        """Apply the next turn; its revision."""
        [outcome] = await self.store.apply([PutSpec(answer(self.turn + 1))])
        self.turn += 1
        return outcome.revision

    async def until_live(self, *, within: float = PATIENCE) -> float:
        """Wait until every daemon answers with the last turn; how many seconds it took. TimeoutError if one does not."""
        since = monotonic()
        try:
            await asyncio.gather(*(each.asker.until(self.turn, within=within) for each in self.members))
        except TimeoutError:
            turns = [each.asker.turn for each in self.members]
            said = [each.journal.events[-5:] for each in self.members]
            raise TimeoutError(
                f"the last turn is {self.turn}, and after {within:g}s they answer {turns}: {said}"
            ) from None
        return monotonic() - since

    def failures(self) -> list[str]:
        """What those who ask complain of."""
        return [f"daemon {number}: {each}" for number, one in enumerate(self.members) for each in one.asker.failures]

    def _member(self, folder: Path, store: str, program: Sequence[str], level: str) -> Member:
        folder.mkdir(parents=True)
        journal, port = Journal(), free_port()
        daemon = Daemon(
            folder,
            level=level,
            hear=journal.hear,
            store=store,
            arguments=("--env", f"{PORT}={port}"),
            program=program,
        )
        return Member(daemon, journal, Asker(port))
