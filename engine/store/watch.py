"""The reader's end of a watch: a buffer that a store fills and one task empties.

A watch is open from the moment `async with` has been entered: whatever is applied later comes out of it, once and in order.
So a caller opens first, lists then, and skips batches up to the revision of the listing.

The buffer has a bound. A reader that falls too far behind loses its batches for a :class:`~engine.store.change.Resync`: it
must list again, which is cheaper by then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from types import TracebackType
from typing import Final, Self

from engine.errors import UnavailableError
from engine.store.change import Batch, Resync

BACKLOG: Final = 50_000
"""Changes that may wait for a reader."""


class Watch:
    """An asynchronous context manager and iterator over :class:`Batch` and :class:`Resync`; for one task.

    Iteration ends when the watch or its store is closed. Cancelling a waiting `anext` loses nothing. `lost` says why the
    store cannot be reached at the moment, and is None while all is well. A Resync follows if anything was missed meanwhile.
    """

    def __init__(
        self,
        namespaces: frozenset[str] | None,
        *,
        subscribe: Callable[[Watch], Awaitable[int]],
        unsubscribe: Callable[[Watch], Awaitable[None]],
        heard: Callable[[], float] = monotonic,
        backlog: int = BACKLOG,
    ) -> None:
        self.namespaces = namespaces
        self.lost: UnavailableError | None = None
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._heard = heard
        self._last_heard: float | None = None
        self._backlog = backlog
        self._start: int | None = None
        self._buffer: deque[Batch | Resync] = deque()
        self._waiting = 0
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False

    async def __aenter__(self) -> Self:
        if self._start is not None or self._ended:
            raise RuntimeError("a watch can be entered only once")
        try:
            start = await self._subscribe(self)
        except BaseException:
            self.end()
            await self._unsubscribe(self)
            raise
        if self._start is None:  # otherwise the store was lost and found while this waited
            self._start = start
            early = [item for item in self._buffer if isinstance(item, Batch) and item.revision > start]
            self._buffer = deque(early)
            self._waiting = sum(len(batch.changes) for batch in early)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._buffer.clear()
        self.end()
        await self._unsubscribe(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch | Resync:
        if self._start is None and not self._ended:
            raise RuntimeError("enter the watch first: async with store.watch() as changes")
        if self._waiter is not None:
            raise RuntimeError("a watch is for one task")
        while not self._buffer:
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        item = self._buffer.popleft()
        if isinstance(item, Batch):
            self._waiting -= len(item.changes)
        return item

    @property
    def heard(self) -> float:
        """The moment up to which the store is known to have told all; of a watch that has ended, the last one."""
        return self._heard() if self._last_heard is None else self._last_heard

    def offer(self, batch: Batch) -> None:
        """Take a batch from the store, as far as it is about this watch's namespaces."""
        if self._ended or (self._start is not None and batch.revision <= self._start):
            return
        part = batch.within(self.namespaces)
        if part is None:
            return
        if self._waiting + len(part.changes) > self._backlog:
            self.resync(f"more than {self._backlog:,} changes waited for this watch")
            return
        self._waiting += len(part.changes)
        self._buffer.append(part)
        self._wake()

    def resync(self, reason: str) -> None:
        """Tell the reader to list again, in the place of all that it has not read yet."""
        if self._ended:
            return
        self._start = -1  # revisions of a store that was put in the place of another may be lower
        self._waiting = 0
        self._buffer.clear()
        self._buffer.append(Resync(reason))
        self._wake()

    def end(self) -> None:
        """Take nothing more; the reader gets what is there, and then the end."""
        if self._last_heard is None:
            self._last_heard = self._heard()
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
