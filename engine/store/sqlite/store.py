"""The SQLite store: coroutines outside, one thread with one connection inside."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from engine.errors import UnavailableError
from engine.spec.model import Spec, Value
from engine.store.change import Batch, HistoryEntry, Resync, Retention
from engine.store.clock import Clock, microseconds, utc_now
from engine.store.instance import Instance, dump_body
from engine.store.listing import compose
from engine.store.plan import Draft, decide
from engine.store.protocol import Store
from engine.store.query import ANYTHING, Page, Query
from engine.store.record import Resource
from engine.store.sqlite import rotation, tables
from engine.store.sqlite.feed import Feed
from engine.store.sqlite.file import BUSY_TIMEOUT, Connection, connect, explain, is_passing, prepare
from engine.store.sqlite.inspection import SqliteInspection
from engine.store.sqlite.transfer import SqliteDestination, SqliteSource
from engine.store.trial import NOT_CONFIRMED, Applied, Reverted, Trial
from engine.store.trying import Onset, Reversal, begin
from engine.store.vault import Rotation, Vault
from engine.store.watch import Watch
from engine.store.write import PutValue, Write

ResultT = TypeVar("ResultT")
SubjectT = TypeVar("SubjectT", Spec, Value)


class SqliteStore(Store):
    """The contract of :class:`~engine.store.protocol.Store`, kept by one SQLite file.

    A job that has begun in the thread runs to its end, cancelled or not: so an `apply` happens whole, and one that was
    cancelled before its turn does not happen. A write waits up to `busy_timeout` seconds for another process's.

    Values are sealed with the first of the `keys` that are named; without any, with one that stands beside the file
    (`weir.db.key`), which the first value makes.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Clock = utc_now,
        retention: Retention | None = None,
        busy_timeout: float = BUSY_TIMEOUT,
        keys: Sequence[str] = (),
    ) -> None:
        self._path = Path(path).absolute()
        real = self._path.resolve()  # one file has one key, whatever it is called
        self.vault = Vault(keys, beside=real.with_name(f"{real.name}.key"))
        self._clock = clock
        self._retention = retention or Retention()
        self._busy_timeout = busy_timeout
        self._thread: ThreadPoolExecutor | None = None
        self._connection: Connection | None = None  # of the thread, touched by it alone
        self._feed: Feed | None = None
        self._watches: list[Watch] = []
        self._subscribing = asyncio.Lock()

    @property
    def url(self) -> str:
        return self._path.as_uri().replace("file://", "sqlite:///", 1)

    async def open(self) -> None:
        if self._thread is not None:
            return
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"weir-store {self._path.name}")
        try:
            await self._do(self._create)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        for watch in self._watches:
            watch.end()
        self._watches = []
        feed, self._feed = self._feed, None
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if feed is not None:
            feed.stop()
        # The last job: what was asked before it has been done. Cancelling this does not leave the thread behind.
        last = thread.submit(self._end, feed)
        thread.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(last))
        thread.shutdown(wait=True)

    async def specs(self, query: Query = ANYTHING) -> Page[Spec]:
        return await self._do(lambda: self._read(lambda raw: _list(raw, "spec", Spec, query, self.vault)))

    async def values(self, query: Query = ANYTHING) -> Page[Value]:
        return await self._do(lambda: self._read(lambda raw: _list(raw, "value", Value, query, self.vault)))

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
        return await self._do(lambda: self._apply(listed, author, message, dry_run=dry_run, trial=trial))

    async def trials(self) -> list[Trial]:
        return await self._do(lambda: self._read(tables.trials))

    async def confirm(self, id: str) -> Trial:
        onset = await self._do(lambda: self._write(lambda raw: tables.take_trial(raw, id)))
        return onset.trial

    async def revert(self, id: str, *, author: str | None = None, reason: str = NOT_CONFIRMED) -> Reverted:
        return await self._do(lambda: self._revert(id, author, reason))

    async def rotate(self, after: str | None = None) -> Rotation:
        return await self._do(lambda: self._rotate(rotation.Step.of(after)))

    def watch(self, namespaces: frozenset[str] | None = None) -> Watch:
        return Watch(namespaces, subscribe=self._subscribe, unsubscribe=self._unsubscribe, heard=self._heard)

    async def history(self, namespace: str, known: str, *, limit: int | None = None) -> list[HistoryEntry]:
        def read(raw: sqlite3.Connection) -> list[HistoryEntry]:
            return [entry.history() for entry in tables.history(raw, namespace, known, limit)]

        return await self._do(lambda: self._read(read))

    async def put_instance(self, instance: Instance) -> None:
        def put() -> None:
            body = dump_body(instance)
            now = self._clock()
            self._write(lambda raw: tables.put_instance(raw, instance, body=body, now=now))

        await self._do(put)

    async def instances(self, namespace: str | None = None) -> list[Instance]:
        now = self._clock()
        return await self._do(lambda: self._read(lambda raw: tables.instances(raw, namespace, now=now)))

    async def remove_instance(self, id: str) -> None:
        await self._do(lambda: self._write(lambda raw: tables.remove_instance(raw, id)))

    async def now(self) -> datetime:
        if self._thread is None:
            raise UnavailableError(f"the store {self._path} is not open")
        return self._clock()

    def inspection(self) -> SqliteInspection:
        return SqliteInspection(self._path, url=self.url, vault=self.vault, clock=self._clock)

    def source(self) -> SqliteSource:
        return SqliteSource(self._path, url=self.url, vault=self.vault)

    def destination(self) -> SqliteDestination:
        return SqliteDestination(
            self._path, url=self.url, vault=self.vault, clock=self._clock, busy_timeout=self._busy_timeout
        )

    # On the event loop.

    async def _do(self, job: Callable[[], ResultT]) -> ResultT:
        """Run a job in the thread."""
        if self._thread is None:
            raise UnavailableError(f"the store {self._path} is not open")
        return await asyncio.wrap_future(self._thread.submit(job))

    async def _subscribe(self, watch: Watch) -> int:
        # First in the list, then the revision, then the feed: whatever comes after the revision finds the watch.
        # One watch at a time: the feed must not begin after the revision of another that waits here.
        self._watches.append(watch)
        async with self._subscribing:
            identity, revision, _ = await self._do(lambda: self._read(tables.state))
            if self._feed is None and watch in self._watches:
                self._feed = self._start_feed(identity, revision)
        return revision

    def _start_feed(self, identity: str, revision: int) -> Feed:
        loop = asyncio.get_running_loop()
        feed = Feed(
            self._path,
            identity=identity,
            revision=revision,
            tell=lambda item: _call(loop, self._tell, feed, item),
            lost=lambda error: _call(loop, self._lose, feed, error),
            show=self.vault.change,
        )
        feed.start()
        return feed

    async def _unsubscribe(self, watch: Watch) -> None:
        if watch in self._watches:
            self._watches.remove(watch)
        if self._watches or self._feed is None:
            return
        feed, self._feed = self._feed, None
        feed.stop()
        if self._thread is not None:
            await asyncio.shield(asyncio.wrap_future(self._thread.submit(feed.join)))

    def _tell(self, feed: Feed, item: Batch | Resync) -> None:
        if feed is not self._feed:
            return  # it was stopped meanwhile, and another tells the same
        for watch in self._watches:
            if isinstance(item, Batch):
                watch.offer(item)
            else:
                watch.lost = None
                watch.resync(item.reason)

    def _heard(self) -> float:
        return self._feed.heard if self._feed is not None else -math.inf

    def _lose(self, feed: Feed, error: UnavailableError) -> None:
        if feed is not self._feed:
            return
        for watch in self._watches:
            watch.lost = error

    # In the thread.

    def _create(self) -> None:
        prepare(self._path)
        self._connect()

    def _end(self, feed: Feed | None) -> None:
        self._disconnect()
        if feed is not None:
            feed.join()

    def _apply(
        self, writes: list[Write], author: str | None, message: str | None, *, dry_run: bool, trial: timedelta | None
    ) -> Applied:
        draft = Draft.of(writes)  # before the lock is taken: it is the longer part
        if any(isinstance(write, PutValue) for write in writes):
            self.vault.check()
        now = microseconds(self._clock())

        def work(raw: sqlite3.Connection) -> Applied:
            _, revision, _ = tables.state(raw)
            records = [self.vault.open(record) for record in tables.wanted(raw, draft.wants())]
            plan = decide(draft, records, revision=revision, time=now, author=author, message=message)
            onset: Onset | None = None
            if trial is not None:
                running = tables.trials(raw)
                onset = begin(
                    draft, plan, records, length=trial, running=running, time=now, author=author, message=message
                )
            if not dry_run:
                closed = self.vault.closed(plan, may_make=lambda: not rotation.has_sealed(raw))
                tables.commit(raw, closed, now=now, retention=self._retention)
                if onset is not None:
                    tables.put_trial(raw, onset)
            return Applied(plan.outcomes, trial=onset.trial if onset is not None else None)

        if dry_run:
            return self._read(work)
        applied = self._write(work)
        self._wake()
        return applied

    def _revert(self, id: str, author: str | None, reason: str) -> Reverted:
        now = microseconds(self._clock())

        def work(raw: sqlite3.Connection) -> Reverted:
            onset = tables.take_trial(raw, id)
            reversal = Reversal(onset.trial, onset.before)
            _, revision, _ = tables.state(raw)
            records = tables.wanted(raw, reversal.wants())
            plan, left = reversal.decide(records, revision=revision, time=now, reason=reason, author=author)
            tables.commit(raw, plan, now=now, retention=self._retention)
            return Reverted(onset.trial, plan.outcomes, left)

        reverted = self._write(work)
        self._wake()
        return reverted

    def _rotate(self, step: rotation.Step) -> Rotation:
        done, following = self._write(lambda raw: rotation.rotate(raw, self.vault, step))
        if following.table != rotation.END:
            return done
        return replace(done, left=rotation.clean(self._connect().raw, plain=following.plain))

    def _wake(self) -> None:
        feed = self._feed
        if feed is not None:
            feed.wake()

    def _read(self, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """Do something that sees one moment of the file."""
        return self._transact("BEGIN", work)

    def _write(self, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """Do something that takes effect whole or not at all."""
        return self._transact("BEGIN IMMEDIATE", work)

    def _transact(self, begin: str, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        raw = self._connect().raw
        try:
            raw.execute(begin)
            try:
                result = work(raw)
                raw.execute("COMMIT")
            except BaseException:
                if raw.in_transaction:  # some errors have rolled back already
                    raw.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            if not is_passing(error):
                self._disconnect()  # the next job begins afresh
            raise explain(error, self._path) from error
        return result

    def _connect(self) -> Connection:
        if self._connection is not None and self._connection.stale:
            self._disconnect()
        if self._connection is None:
            self._connection = connect(self._path, busy_timeout=self._busy_timeout)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _list(
    raw: sqlite3.Connection, resource: Resource, kind: type[SubjectT], query: Query, vault: Vault
) -> Page[SubjectT]:
    _, revision, _ = tables.state(raw)
    return compose(kind, map(vault.open, tables.select(raw, resource, query)), query=query, revision=revision)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    """Call a function on the loop, unless the loop was closed without closing the store."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *arguments)
