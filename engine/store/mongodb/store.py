"""The MongoDB store: what each call does, and the watches.

What a call is about is checked, hashed and parsed in a thread, since an apply may have thousands of specs; all that speaks to
the server is on the event loop.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from engine.errors import UnavailableError
from engine.spec.model import Spec, Value
from engine.store.change import Batch, HistoryEntry, Resync, Retention
from engine.store.clock import Clock, moment
from engine.store.instance import Instance, dump_body
from engine.store.listing import compose
from engine.store.mongodb import changes, instances, records, rotation, trials
from engine.store.mongodb.address import Address
from engine.store.mongodb.connection import Connection, Scope, Work
from engine.store.mongodb.feed import Feed
from engine.store.mongodb.inspection import MongodbInspection
from engine.store.mongodb.schema import State, give_revision, prepare, read_state, take_turn
from engine.store.mongodb.time import time_of
from engine.store.mongodb.transfer import MongodbDestination, MongodbSource
from engine.store.plan import Draft, Plan, decide
from engine.store.protocol import Store
from engine.store.query import ANYTHING, Page, Query
from engine.store.record import Resource
from engine.store.trial import NOT_CONFIRMED, Applied, Reverted, Trial
from engine.store.trying import Onset, Reversal, begin
from engine.store.vault import Rotation, Vault
from engine.store.watch import Watch
from engine.store.write import PutValue, Write

ResultT = TypeVar("ResultT")
SubjectT = TypeVar("SubjectT", Spec, Value)

CLOSING: Final = 5.0
"""Seconds for which :meth:`MongodbStore.close` waits for what runs; what a server does not answer to by then is given up."""


class MongodbStore(Store):
    """The contract of :class:`~engine.store.protocol.Store`, kept by a database of a MongoDB replica set.

    Writes of one store go to the server one after another; those of other processes wait for each other there (see
    :mod:`~engine.store.mongodb.schema`). A write that has begun goes on to its end, cancelled or not: so an `apply` happens
    whole, and one that was cancelled before its turn does not happen. :attr:`url` is without password and options.

    Values are sealed with the first of the `keys` that are named; without any, none can be written.

    The time is the server's, whatever the clock of this machine says; a `clock` takes its place.
    """

    def __init__(
        self, url: str, *, clock: Clock | None = None, retention: Retention | None = None, keys: Sequence[str] = ()
    ) -> None:
        self._address = Address.parse(url)
        self.vault = Vault(keys)
        self._clock = clock
        self._retention = retention or Retention()
        self._connection: Connection | None = None
        self._feed: Feed | None = None
        self._watches: list[Watch] = []
        self._running: set[asyncio.Task[Any]] = set()
        self._turn = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._subscribing = asyncio.Lock()

    @property
    def url(self) -> str:
        return self._address.shown

    async def open(self) -> None:
        await self._do(self._open())

    async def close(self) -> None:
        for watch in self._watches:
            watch.end()
        self._watches = []
        feed, self._feed = self._feed, None
        connection, self._connection = self._connection, None
        if connection is not None:
            # Cancelling this does not leave the client behind.
            await asyncio.shield(asyncio.ensure_future(self._end(connection, feed, set(self._running))))

    async def specs(self, query: Query = ANYTHING) -> Page[Spec]:
        return await self._list("spec", Spec, query)

    async def values(self, query: Query = ANYTHING) -> Page[Value]:
        return await self._list("value", Value, query)

    async def apply(
        self,
        writes: Iterable[Write],
        *,
        author: str | None = None,
        message: str | None = None,
        dry_run: bool = False,
        trial: timedelta | None = None,
    ) -> Applied:
        listed = list(writes)
        self._connected()
        draft = await asyncio.to_thread(Draft.of, listed)
        records.check_sizes(draft, author, message)
        if any(isinstance(write, PutValue) for write in listed):
            await asyncio.to_thread(self.vault.check)

        async def work(scope: Scope) -> Applied:
            state = await (self._state if dry_run else self._take_turn)(scope)
            found = [self.vault.open(record) for record in await records.wanted(scope, draft.wants())]
            running = await trials.running(scope) if trial is not None else []

            def choose() -> tuple[Plan, Onset | None]:
                plan = decide(draft, found, revision=state.revision, time=state.time, author=author, message=message)
                if trial is None:
                    return plan, None
                return plan, begin(
                    draft, plan, found, length=trial, running=running, time=state.time, author=author, message=message
                )

            plan, onset = await asyncio.to_thread(choose)
            if not dry_run:
                await self._commit(scope, plan, state.time)
                if onset is not None:
                    await trials.put(scope, onset)
            return Applied(plan.outcomes, trial=onset.trial if onset is not None else None)

        return await (self._read(work) if dry_run else self._write(work))

    async def trials(self) -> list[Trial]:
        return await self._read(trials.running)

    async def confirm(self, id: str) -> Trial:
        async def work(scope: Scope) -> Trial:
            await self._take_turn(scope)
            return (await trials.take(scope, id)).trial

        return await self._write(work)

    async def revert(self, id: str, *, author: str | None = None, reason: str = NOT_CONFIRMED) -> Reverted:
        async def work(scope: Scope) -> Reverted:
            state = await self._take_turn(scope)
            onset = await trials.take(scope, id)
            reversal = Reversal(onset.trial, onset.before)
            found = await records.wanted(scope, reversal.wants())
            plan, left = reversal.decide(found, revision=state.revision, time=state.time, reason=reason, author=author)
            await self._commit(scope, plan, state.time)
            return Reverted(onset.trial, plan.outcomes, left)

        return await self._write(work)

    async def rotate(self, after: str | None = None) -> Rotation:
        async def work(scope: Scope) -> Rotation:
            await self._take_turn(scope)
            return await rotation.rotate(scope, self.vault, after)

        return await self._write(work)

    def watch(self, namespaces: frozenset[str] | None = None) -> Watch:
        return Watch(namespaces, subscribe=self._subscribe, unsubscribe=self._unsubscribe, heard=self._heard)

    async def history(self, namespace: str, known: str, *, limit: int | None = None) -> list[HistoryEntry]:
        found = await self._read(lambda scope: changes.history(scope, namespace, known, limit))
        return await asyncio.to_thread(lambda: [entry.history() for entry in found])

    async def put_instance(self, instance: Instance) -> None:
        body = dump_body(instance)
        now = time_of(self._clock)
        await self._do(self._connected().run(lambda scope: instances.put(scope, instance, body=body, now=now)))

    async def instances(self, namespace: str | None = None) -> list[Instance]:
        now = time_of(self._clock)
        return await self._do(self._connected().run(lambda scope: instances.alive(scope, namespace, now=now)))

    async def remove_instance(self, id: str) -> None:
        await self._do(self._connected().run(lambda scope: instances.remove(scope, id)))

    async def now(self) -> datetime:
        return moment((await self._do(self._connected().run(self._state))).time)

    def inspection(self) -> MongodbInspection:
        return MongodbInspection(self._address, vault=self.vault)

    def source(self) -> MongodbSource:
        return MongodbSource(self._address, vault=self.vault)

    def destination(self) -> MongodbDestination:
        return MongodbDestination(self._address, vault=self.vault)

    # Reading and writing.

    async def _open(self) -> None:
        async with self._opening:
            if self._connection is not None:
                return
            connection = await Connection.connect(self._address)
            try:
                await prepare(connection)
            except BaseException:
                await connection.close()
                raise
            self._connection = connection

    async def _list(self, resource: Resource, kind: type[SubjectT], query: Query) -> Page[SubjectT]:
        async def work(scope: Scope) -> Page[SubjectT]:
            revision = (await self._state(scope)).revision
            found = await records.select(scope, resource, query)
            opened = map(self.vault.open, found)
            return await asyncio.to_thread(compose, kind, opened, query=query, revision=revision)

        return await self._read(work)

    async def _commit(self, scope: Scope, plan: Plan, now: int) -> None:
        """Write down a plan, and forget what is too old."""
        if not plan.final and not plan.log:
            return
        if any(resource == "value" for resource, _ in plan.final):
            plan = await asyncio.to_thread(self.vault.closed, plan, may_make=lambda: False)
        ordinals = await changes.add(scope, plan, now=now, retention=self._retention)
        await records.write(scope, plan, ordinals)
        if plan.log:
            await give_revision(scope, plan.revision)

    async def _state(self, scope: Scope) -> State:
        return await read_state(scope, self._address.shown, now=time_of(self._clock))

    async def _take_turn(self, scope: Scope) -> State:
        return await take_turn(scope, self._address.shown, now=time_of(self._clock))

    async def _read(self, work: Work[ResultT]) -> ResultT:
        """Do something that sees one moment of the store."""
        return await self._do(self._connected().transact(work))

    async def _write(self, work: Work[ResultT]) -> ResultT:
        """Do something that takes effect whole or not at all."""
        self._connected()
        await self._turn.acquire()
        try:
            task = self._begin(self._connected().transact(work))
        except BaseException:
            self._turn.release()
            raise
        task.add_done_callback(lambda _: self._turn.release())
        return await asyncio.shield(task)

    async def _do(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Do something that ends with whoever asked for it.

        Nothing of the driver runs in the task of a caller. Up to Python 3.11 it may swallow a cancellation (it sends with
        `asyncio.wait_for`), and a caller that was cancelled must hear of it, at once.
        """
        task = self._begin(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise

    def _begin(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        """Work that :meth:`close` waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone

    def _connected(self) -> Connection:
        if self._connection is None:
            raise UnavailableError(f"the store {self._address.shown} is not open")
        return self._connection

    async def _end(self, connection: Connection, feed: Feed | None, running: set[asyncio.Task[Any]]) -> None:
        try:
            if feed is not None:
                await feed.stop()
            if running:
                _, late = await asyncio.wait(running, timeout=CLOSING)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
        finally:
            await connection.close()

    # Watching.

    async def _subscribe(self, watch: Watch) -> int:
        # First in the list, then the revision: whatever comes after the revision finds the watch.
        self._watches.append(watch)
        return await self._do(self._join(watch))

    async def _join(self, watch: Watch) -> int:
        # One watch at a time: the feed must not begin after the revision of another that waits here.
        async with self._subscribing:
            connection = self._connected()
            if self._feed is not None:
                watch.lost = self._feed.lost
                return (await connection.transact(self._state)).revision
            feed = Feed(connection, tell=self._tell, turn=self._see, show=self.vault.change)
            await feed.start()
            if self._connection is not connection or not self._watches:
                await feed.stop()
                raise UnavailableError(f"the store {self._address.shown} is not open")
            self._feed = feed
            return feed.position

    async def _unsubscribe(self, watch: Watch) -> None:
        if watch in self._watches:
            self._watches.remove(watch)
        if self._watches or self._feed is None:
            return
        feed, self._feed = self._feed, None
        await asyncio.shield(asyncio.ensure_future(feed.stop()))

    def _tell(self, item: Batch | Resync) -> None:
        for watch in self._watches:
            if isinstance(item, Batch):
                watch.offer(item)
            else:
                watch.resync(item.reason)

    def _heard(self) -> float:
        return self._feed.heard if self._feed is not None else -math.inf

    def _see(self, lost: UnavailableError | None) -> None:
        for watch in self._watches:
            watch.lost = lost
