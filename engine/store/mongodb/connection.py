"""The client of a store, and how its transactions run.

**What is read.** Everything is read from the primary, in transactions that see one moment of the whole database and are
committed to the majority, reads too: nobody is ever shown what a failover could take back. Sessions are causal, and each
begins where the last one of this connection ended. A primary that was elected a moment ago may not know yet how far the
majority is; without that it could show an older store than the change stream has told of.

**Who waits.** A transaction that another one has overtaken is told so by the server and begins again, after a pause, with
new eyes; its work is called again. It gives up after :data:`PATIENCE`. A commit that was cut off is asked for again:
the server knows whether it has happened. Only if no server answers in all that time, nobody can tell, and the error says
just that.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Self, TypeAlias, TypeVar

from bson.timestamp import Timestamp
from pymongo import ReadPreference, timeout
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from engine.store.mongodb import trouble
from engine.store.mongodb.address import Address, Client

ResultT = TypeVar("ResultT")
Row: TypeAlias = dict[str, Any]

PATIENCE: Final = 10.0
"""Seconds for which a transaction is tried again."""

BACKOFF: Final = (0.005, 0.25)
"""Seconds before it is tried again, first and at most; doubled each time, with jitter."""

FAREWELL: Final = 1.0
"""Seconds in which a server may hear that this connection ends. One that does not, finds out by itself."""

_MAJORITY: Final = WriteConcern("majority", wtimeout=10_000)


@dataclass(frozen=True, slots=True)
class Scope:
    """What the operations of one piece of work share."""

    database: AsyncDatabase[Row]
    session: AsyncClientSession

    def __getitem__(self, collection: str) -> AsyncCollection[Row]:
        return self.database[collection]


Work: TypeAlias = Callable[[Scope], Awaitable[ResultT]]


class Connection:
    """An open client. It survives every outage: who asks again later is answered."""

    def __init__(self, client: Client, address: Address) -> None:
        self.address = address
        self.database = client.get_database(
            address.database,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=_MAJORITY,
        )
        self._client = client
        self._time: Timestamp | None = None

    @classmethod
    async def connect(cls, address: Address) -> Self:
        """Reach the primary, and see that it will do. Raises UnavailableError; nothing is left open then."""
        client = address.client()
        connection = cls(client, address)
        try:
            with connection.explained():
                hello = await client.admin.command("hello")
            connection._check(hello)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def close(self) -> None:
        """Let go of all sockets; what still runs fails."""
        with timeout(FAREWELL):  # the driver looks for a server, to tell it which sessions have ended
            await self._client.close()

    @property
    def patience(self) -> int:
        """Milliseconds that the server may keep a question open before it says that there is nothing new."""
        limit = self._client.options.pool_options.socket_timeout
        return 5_000 if limit is None else max(1, min(5_000, int(limit * 500)))

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn errors of the driver into ours."""
        try:
            yield
        except PyMongoError as error:
            raise trouble.explain(error, self.address.shown) from error

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncClientSession]:
        """A session that sees at least what this connection has seen."""
        async with self._client.start_session(causal_consistency=True) as session:
            if self._time is not None:
                session.advance_operation_time(self._time)
            try:
                yield session
            finally:
                self.has_seen(session.operation_time)

    @contextlib.asynccontextmanager
    async def moment(self) -> AsyncIterator[Scope]:
        """Reads that all see one moment: that of the first of them, which the majority has, and may be a little old.

        It needs no transaction, so it may take as long as the server keeps a moment: five minutes, unless
        `minSnapshotHistoryWindowInSeconds` says otherwise.
        """
        async with self._client.start_session(snapshot=True) as session:
            yield Scope(self.database, session)

    def has_seen(self, time: Timestamp | None) -> None:
        """Whoever asks from now on sees at least what there was at that time of the server."""
        if time is not None and (self._time is None or time > self._time):
            self._time = time

    async def run(self, work: Work[ResultT]) -> ResultT:
        """Do something that needs no transaction. Raises what the work raises, errors of the driver explained."""
        with self.explained():
            async with self.session() as session:
                return await work(Scope(self.database, session))

    async def transact(self, work: Work[ResultT]) -> ResultT:
        """Do something whole or not at all, on one moment of the store; `work` may be called more than once.

        Raises what the work raises (nothing is written then), errors of the driver explained. Cancelled before the
        commit it has not happened; during the commit, nobody knows.
        """
        deadline = monotonic() + PATIENCE
        delay = BACKOFF[0]
        with self.explained():
            while True:
                try:
                    async with self.session() as session:
                        return await self._attempt(session, work, deadline)
                except PyMongoError as error:
                    if not trouble.is_transient(error) or monotonic() + delay > deadline:
                        raise
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                delay = min(delay * 2, BACKOFF[1])

    async def _attempt(self, session: AsyncClientSession, work: Work[ResultT], deadline: float) -> ResultT:
        await session.start_transaction(ReadConcern("snapshot"), _MAJORITY, ReadPreference.PRIMARY)
        try:
            result = await work(Scope(self.database, session))
        except BaseException:
            await session.abort_transaction()
            raise
        await self._commit(session, deadline)
        return result

    async def _commit(self, session: AsyncClientSession, deadline: float) -> None:
        delay = BACKOFF[0]
        while True:
            try:
                await session.commit_transaction()
            except PyMongoError as error:
                if not trouble.is_unknown(error):
                    raise
                if monotonic() + delay > deadline:
                    raise trouble.unknown_outcome(error, self.address.shown) from error
            else:
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, BACKOFF[1])

    def _check(self, hello: Row) -> None:
        store = self.address.shown
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise trouble.standalone(store)
        if not hello.get("isWritablePrimary"):
            raise trouble.read_only(store)
        if hello.get("maxWireVersion", 0) < trouble.OLDEST[0]:
            raise trouble.too_old(store)
