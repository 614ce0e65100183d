"""One connection, in one thread, for work of many steps: a transaction that stays open from one step to the next."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from engine.errors import UnavailableError
from engine.store.sqlite.file import Connection, explain
from engine.store.vault import Vault

ResultT = TypeVar("ResultT")


class Held:
    """A file that is open for one caller. Closing it rolls back what was not committed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"weir-store {path.name}")
        self._connection: Connection | None = None  # of the thread, touched by it alone
        self._closed = False

    async def open(self, connect: Callable[[], Connection]) -> None:
        """Open it in the thread. Raises what `connect` raises; it is closed then."""

        def keep() -> None:
            self._connection = connect()

        try:
            await self._submit(keep)
        except BaseException:
            await self.close()
            raise

    async def do(self, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """Do one step in the thread, errors of SQLite explained. Cancelled, a step that has begun runs to its end."""

        def step() -> ResultT:
            if self._connection is None:
                raise UnavailableError(f"the store {self.path} is not open")
            return work(self._connection.raw)

        return await self._submit(step)

    async def is_stale(self) -> bool:
        """Whether the file was removed or replaced since it was opened."""
        return await self._submit(lambda: self._connection is None or self._connection.stale)

    async def close(self) -> None:
        """Let go of it, once the last step has ended. What is closed stays so."""
        if self._closed:
            return
        self._closed = True
        last = self._thread.submit(self._end)
        self._thread.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(last))
        self._thread.shutdown(wait=True)

    async def _submit(self, job: Callable[[], ResultT]) -> ResultT:
        def explained() -> ResultT:
            try:
                return job()
            except sqlite3.Error as error:
                raise explain(error, self.path) from error

        return await asyncio.wrap_future(self._thread.submit(explained))

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class Holder:
    """Works with a whole file, on a connection of its own, until `async with` ends."""

    def __init__(self, path: Path, *, url: str, vault: Vault) -> None:
        self._url = url
        self._vault = vault
        self._held = Held(path)

    @property
    def url(self) -> str:
        return self._url

    @property
    def vault(self) -> Vault:
        return self._vault

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._held.close()
