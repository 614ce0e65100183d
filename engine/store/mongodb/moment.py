"""One moment of a whole store: how it is chosen, and who reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from time import monotonic
from types import TracebackType
from typing import Final, Self, TypeVar

from pymongo.errors import OperationFailure

from engine.store.mongodb.address import Address
from engine.store.mongodb.apart import apart
from engine.store.mongodb.connection import PATIENCE, Connection, Row, Scope, Work
from engine.store.mongodb.schema import check
from engine.store.mongodb.time import time_of
from engine.store.transfer.refusal import nothing_there
from engine.store.vault import Vault

ResultT = TypeVar("ResultT")

_RETRY: Final = 0.05
"""Seconds until another moment is chosen."""

_UNAVAILABLE: Final = 246
"""SnapshotUnavailable: a collection or an index was made a moment ago."""


async def choose(
    stack: AsyncExitStack, connection: Connection, look: Work[ResultT], *, fits: Callable[[ResultT], bool]
) -> tuple[Scope, ResultT]:
    """A moment at which what `look` reads fits, and what that is; `stack` ends it.

    A primary that was elected a moment ago may tell of one that is older than what others have told of before. It is
    asked again for :data:`~engine.store.mongodb.connection.PATIENCE`; what it says then is taken as it is.
    """
    deadline = monotonic() + PATIENCE
    with connection.explained():
        while True:
            scope = await stack.enter_async_context(connection.moment())
            try:
                found = await look(scope)
            except OperationFailure as error:
                if error.code != _UNAVAILABLE or monotonic() > deadline:
                    raise
            else:
                if fits(found) or monotonic() > deadline:
                    return scope, found
            await stack.aclose()
            await asyncio.sleep(_RETRY)


class Whole:
    """Reads a whole store, on a connection of its own; `async with` opens and closes it. Nothing is made or written."""

    def __init__(self, address: Address, *, vault: Vault) -> None:
        self._address = address
        self._vault = vault
        self._connection: Connection | None = None
        self._scope: Scope | None = None
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        return self._address.shown

    @property
    def vault(self) -> Vault:
        return self._vault

    @property
    def connection(self) -> Connection:
        assert self._connection is not None, "it is open"
        return self._connection

    @property
    def moment(self) -> Scope:
        """The moment that was chosen."""
        assert self._scope is not None, "it was chosen"
        return self._scope

    async def choose(self, least: int) -> Row:
        """Choose a moment that is not before this revision; the state at it."""
        self._scope, state = await choose(
            self._stack, self.connection, self.state, fits=lambda found: bool(found["revision"] >= least)
        )
        return state

    async def state(self, scope: Scope) -> Row:
        """The state, and what time it is. Raises UnavailableError if there is no store that this version can read."""
        fields = {"application": 1, "schema": 1, "identity": 1, "revision": 1, "copy": 1, "time": time_of(None)}
        state = await scope["state"].find_one({"_id": "state"}, fields, session=scope.session)
        if state is None:
            raise nothing_there(self.url)
        check(state, self.url)
        return state

    async def __aenter__(self) -> Self:
        self._connection = await apart(Connection.connect(self._address))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await self._stack.aclose()
        finally:
            await connection.close()
