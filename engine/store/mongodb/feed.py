"""Follows the change stream of `changes`, and tells what it says as batches.

**Whole.** A stream tells the rows of a transaction one by one. Each row says how far its apply goes, so the rows are kept
until it is complete. Revisions have no gaps: the first of a batch follows the last of the batch before it, or else
something was not told.

**Without a gap.** The stream is opened first, and the revision read after that; what the stream tells up to it is known
already. The resume token moves on with every batch, and also while nothing happens, so that it does not grow old in a
quiet store. A stream that ends for a reason that loses nothing (the network, a restart, a new primary, an operator who
killed it) goes on after that token, and readers only see that the store was away. Where the token is of no use any more
(the oplog does not reach back so far; the collection was dropped; the database is another one by now) the stream begins
anew, and readers are told to list again.

**For ever.** Whatever happens, the feed tries again, after a pause that grows and has jitter, so that all daemons do not
come back at once. The driver itself looks for a new primary before an error gets here; only then the store counts as lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from pymongo import timeout
from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError

from engine.errors import UnavailableError, WeirError
from engine.store.change import Batch, Change, LogEntry, Resync
from engine.store.mongodb import trouble
from engine.store.mongodb.changes import to_entry
from engine.store.mongodb.connection import Connection, Row, Scope
from engine.store.mongodb.schema import State, read_state
from engine.store.mongodb.time import time_of

BACKOFF: Final = (0.1, 5.0)
"""Seconds before the stream is opened again, first and at most; doubled each time, with jitter."""

ASIDE: Final = 64 * 1024
"""Characters of documents beyond which a batch is read in a thread, so that it does not hold the event loop."""

AGAIN: Final = 0.05
"""Seconds after which a stream that has not heard that it should end is told so again."""

AT_ONCE: Final = 256
"""Events that one answer may have: reading one holds the event loop."""

IN_A_ROW: Final = 64
"""Events of an answer that are taken before the event loop has its turn."""

_INSERTED: Final = "insert"
_WANTED: Final = [{"$match": {"operationType": {"$in": [_INSERTED, "drop", "rename", "dropDatabase", "invalidate"]}}}]

Stream = AsyncChangeStream[Row]


class Feed:
    """One stream for all watches of a store; :meth:`start` it, and :meth:`stop` it in the end.

    `tell` hears every batch after :attr:`position`, in order, and a Resync when changes may be missing. `turn` hears why
    the store cannot be reached, once, and None when it is back. `show` makes of an entry what a watch shows.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        tell: Callable[[Batch | Resync], None],
        turn: Callable[[UnavailableError | None], None],
        show: Callable[[LogEntry], Change],
    ) -> None:
        self.position = 0
        self.heard = monotonic()
        """When the stream has last said something, if only that there is nothing new: all before that was told."""
        self.lost: UnavailableError | None = None
        self._connection = connection
        self._tell = tell
        self._turn = turn
        self._show = show
        self._identity = ""
        self._stack = contextlib.AsyncExitStack()
        self._stream: Stream | None = None
        self._session: AsyncClientSession | None = None
        self._token: Any = None
        self._resumed = False  # whether the stream goes on after a token, so that it tells nothing twice
        self._reason: str | None = None  # why readers must list again, until they were told
        self._entries: list[LogEntry] = []
        self._delay = BACKOFF[0]
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the stream, and follow it from now on. Raises UnavailableError; nothing is left open then."""
        try:
            with self._connection.explained():
                await self._open()
            state = await self._state()
        except BaseException:
            await self._close()
            raise
        self._identity, self.position = state.identity, state.revision
        self._task = asyncio.get_running_loop().create_task(self._run(), name="weir-feed")

    async def stop(self) -> None:
        """End it; nothing is told any more when this returns."""
        while self._task is not None and not self._task.done():
            self._task.cancel()
            # More than once: the driver sends with `asyncio.wait_for`, which up to Python 3.11 may swallow it.
            await asyncio.wait([self._task], timeout=AGAIN)
        await self._close()

    async def _run(self) -> None:
        while True:
            try:
                if self._stream is None:
                    await self._reopen()
                await self._follow()
            except Exception as error:  # a watch that silently ended would be worse than any of them
                self._lose(error)
            await self._close()
            await asyncio.sleep(self._delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            self._delay = min(self._delay * 2, BACKOFF[1])

    # The stream.

    async def _open(self) -> None:
        session = await self._stack.enter_async_context(self._connection.session())
        self._resumed = self._token is not None
        with timeout(None):  # a stream waits for as long as nothing happens, whatever the URL says of time
            self._stream = await self._connection.database["changes"].watch(
                _WANTED,
                resume_after=self._token,
                max_await_time_ms=self._connection.patience,
                batch_size=AT_ONCE,
                session=session,
            )
        self._stack.push_async_callback(self._stream.close)
        self._session = session
        if self._token is None:
            self._token = self._stream.resume_token

    async def _close(self) -> None:
        self._stream = self._session = None
        self._entries = []
        stack, self._stack = self._stack, contextlib.AsyncExitStack()
        # What cannot be told to the server any more, it finds out by itself.
        with contextlib.suppress(PyMongoError, WeirError):
            await stack.aclose()

    async def _reopen(self) -> None:
        """Open the stream again, and find out whether anything may be missing."""
        await self._open()
        state = await self._state()
        reason = self._why(state)
        if reason is not None and self._resumed:
            # The token is one of the store that was here before: this one cannot find it, and would end the stream.
            self._reason = reason
            await self._close()
            self._token = None
            await self._open()
            state = await self._state()
        self._found()
        if reason is None:
            return
        self._reason = None
        self._identity, self.position = state.identity, state.revision
        self._tell(Resync(reason))

    def _why(self, state: State) -> str | None:
        """Why readers must list again; None if they need not."""
        store = self._connection.address.shown
        if state.identity != self._identity:
            return f"another store was put in the place of {store}"
        if state.revision < self.position:
            return f"the store {store} has gone back from revision {self.position} to {state.revision}"
        return self._reason

    async def _state(self) -> State:
        if self._session is not None:
            self._connection.has_seen(self._session.operation_time)
        store = self._connection.address.shown

        async def read(scope: Scope) -> State:
            return await read_state(scope, store, now=time_of(None))

        return await self._connection.transact(read)

    async def _follow(self) -> None:
        """Tell what the stream says, until it fails."""
        assert self._stream is not None
        assert self._session is not None
        events = 0
        while True:
            with timeout(None):
                event = await self._stream.try_next()
            self._delay = BACKOFF[0]
            self.heard = monotonic()
            if event is not None:
                await self._take(event)
                events += 1
                if events % IN_A_ROW == 0:
                    await asyncio.sleep(0)
            elif not self._stream.alive:
                raise UnavailableError(f"the store {self._connection.address.shown} has ended the stream of changes")
            if not self._entries:
                self._token = self._stream.resume_token
            self._connection.has_seen(self._session.operation_time)

    async def _take(self, event: Row) -> None:
        if event["operationType"] != _INSERTED:
            raise UnavailableError(
                f"the store {self._connection.address.shown} is not there any more: its changes were dropped or renamed"
            )
        row = event["fullDocument"]
        entry = to_entry(row)
        self._entries.append(entry)
        if entry.revision < row["last"]:
            return
        entries, self._entries = self._entries, []
        if entry.revision > self.position:
            await self._pass_on(entries)
        elif self._resumed:
            # An older store was put in its place, and has caught up before the stream was open again.
            store = self._connection.address.shown
            raise UnavailableError(f"the store {store} has given revision {entry.revision} a second time")

    async def _pass_on(self, entries: list[LogEntry]) -> None:
        size = sum(len(entry.document or "") + len(entry.origin or "") for entry in entries)
        batch = await asyncio.to_thread(self._batch, entries) if size > ASIDE else self._batch(entries)
        first = entries[0].revision
        if first != self.position + 1:
            self._tell(Resync(f"changes {self.position + 1} to {first - 1} were not told"))
        self.position = batch.revision
        self._tell(batch)

    # What comes between.

    def _lose(self, error: Exception) -> None:
        described = self._describe(error)
        if not trouble.loses_nothing(error):
            self._token = None
            self._reason = f"the store is back; before, {described}"
        if self.lost is None:
            self.lost = described
            self._turn(described)

    def _found(self) -> None:
        self.heard = monotonic()
        if self.lost is not None:
            self.lost = None
            self._turn(None)

    def _describe(self, error: Exception) -> UnavailableError:
        store = self._connection.address.shown
        told = trouble.explain(error, store) if isinstance(error, PyMongoError) else error
        if isinstance(told, UnavailableError):
            return told
        return UnavailableError(f"the store {store} holds a change that cannot be read", causes=(told,))

    def _batch(self, entries: list[LogEntry]) -> Batch:
        return Batch(entries[-1].revision, tuple(map(self._show, entries)))
