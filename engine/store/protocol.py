"""The contract of every store: where specs and values live.

A store is opened once and used by one event loop. All its methods but :meth:`Store.watch` are coroutines that never block
the loop. They raise

* :class:`~engine.errors.InvalidError` for something that cannot be stored or asked,
* :class:`~engine.errors.ConflictError` and :class:`~engine.errors.NotFoundError` as :meth:`Store.apply` says,
* :class:`~engine.errors.UnavailableError` when the store is closed or cannot be reached, is full, locked, read-only or
  broken, with what to do about it. The store works again as soon as the cause is gone; nobody needs to open it again.

**Revisions.** A store has one counter. Every write that changes a document takes the next number, and that is the
document's revision: a revision orders all changes of a store. The numbers say nothing across stores.

**Time.** Changes, trials and heartbeats are written with the store's own time, and judged by it. A store on a server takes
that server's clock: it does not matter whether those of the daemons agree.

**Secrets.** What a value says is sealed wherever a store keeps it (:mod:`engine.store.vault`). A value that cannot be opened is
no error of a listing or of a watch: it is among their `problems`, and can be written anew or deleted.

**Identity.** An id belongs to one document for good and stays in its namespace; within a namespace a name belongs to one
document at a time. Specs and values have ids and names apart. Ids are kept in lower case.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

from engine.spec.model import Spec, Value
from engine.store.change import Batch, Change, HistoryEntry, Resync, Retention
from engine.store.check.protocol import Inspection
from engine.store.instance import Instance, SpecState
from engine.store.query import ANYTHING, Example, Page, Query
from engine.store.transfer.protocol import Destination, Source
from engine.store.trial import NOT_CONFIRMED, Applied, Reverted, Trial
from engine.store.vault.rotation import Rotation
from engine.store.watch import Watch
from engine.store.write import DeleteSpec, DeleteValue, Outcome, PutSpec, PutValue, Write

__all__ = [
    "ANYTHING",
    "Applied",
    "Batch",
    "Change",
    "DeleteSpec",
    "DeleteValue",
    "Example",
    "HistoryEntry",
    "Instance",
    "Outcome",
    "Page",
    "PutSpec",
    "PutValue",
    "Query",
    "Resync",
    "Retention",
    "Reverted",
    "Rotation",
    "SpecState",
    "Store",
    "Trial",
    "Watch",
    "Write",
]


class Store(Protocol):
    """See the module. `async with store:` opens and closes it."""

    @property
    def url(self) -> str:
        """What :func:`~engine.store.url.open_store` makes this store from, without its secrets: for messages."""
        ...

    async def open(self) -> None:
        """Connect, and make or bring up to date what is there. An open store stays as it is.

        When it fails nothing is left open; it may be called again.
        """
        ...

    async def close(self) -> None:
        """End all watches, finish what runs, let go of everything. A closed store may be opened again."""
        ...

    async def specs(self, query: Query = ANYTHING) -> Page[Spec]:
        """The specs that a query asks for, each with id, namespace and revision.

        One page is one moment of the store. Pages one after another are not: what is written in between may be missed or
        not, but what stays as it is comes exactly once.
        """
        ...

    async def values(self, query: Query = ANYTHING) -> Page[Value]:
        """The values that a query asks for, as :meth:`specs`."""
        ...

    async def apply(
        self,
        writes: Iterable[Write],
        *,
        author: str | None = None,
        message: str | None = None,
        dry_run: bool = False,
        trial: timedelta | None = None,
    ) -> Applied:
        """Do all writes, one after another, in one transaction, or none of them; one outcome for each.

        A document that says what is stored already is `unchanged` and takes no revision; where it stands in its file is
        kept all the same. An unnamed spec without an id is a new one each time.

        With `dry_run` the answer, or the error, is what it would have been, and nothing is written.

        With `trial` (1 s to 24 h) the specs that it changes are on trial for so long: see :mod:`engine.store.trial`. The
        store itself takes nothing back; a daemon does, by :meth:`revert`. To write such a spec anew without `trial` takes
        it out of the trial; to say again what the trial has said leaves it there.

        Raises ConflictError for a stale `expect` (it names both revisions), for `create_only` when it is there, for an id
        of another namespace, for a name that another id holds, and for a second trial of one spec or name; NotFoundError
        when there is nothing to delete; InvalidError for documents that JSON cannot hold or that are over 4 MiB, and for
        values on trial. Cancelled, it has happened whole or not at all.
        """
        ...

    async def trials(self) -> list[Trial]:
        """The trials that nobody has confirmed or taken back yet, by deadline; those that are over, too."""
        ...

    async def confirm(self, id: str) -> Trial:
        """End a trial: what it wrote stays. Raises NotFoundError for one that has ended."""
        ...

    async def revert(self, id: str, *, author: str | None = None, reason: str = NOT_CONFIRMED) -> Reverted:
        """End a trial: what was there before it is written again, in one transaction, at any time.

        A spec that somebody has changed, deleted or made again since is left as it is, and one whose name is taken.
        `reason` begins the message in the history. Raises NotFoundError for a trial that has ended.
        """
        ...

    async def rotate(self, after: str | None = None) -> Rotation:
        """Seal values anew with the first key: one part of them, in one transaction, from `after` on (None: the first).

        Call it again with the `after` of its answer, until that is None. Nobody is told, and no revision is given: what
        values say has not changed. Cancelled, a part has happened whole or not at all; a rotation that begins again
        finds it done. Raises InvalidError if there are values and no key to seal with.
        """
        ...

    def watch(self, namespaces: frozenset[str] | None = None) -> Watch:
        """What is applied from now on, by anybody: one batch for each `apply`, in order.

        `async with` opens it; open it *before* listing, so that nothing is missed. None is all namespaces.
        """
        ...

    async def history(self, namespace: str, known: str, *, limit: int | None = None) -> list[HistoryEntry]:
        """The revisions of the spec with this name, or else this id, newest first; empty if there was none.

        By name it tells all of the spec that has the name (also from before it had it, if it was renamed) and what
        earlier specs of that name were, so that one that was deleted and made again is seen whole.
        """
        ...

    async def put_instance(self, instance: Instance) -> None:
        """Say that a worker is alive, and what it runs. To be repeated well within 30 s.

        Its `heartbeat` becomes the store's time, whatever it was.
        """
        ...

    async def instances(self, namespace: str | None = None) -> list[Instance]:
        """The workers that are alive, ordered by namespace, host and id; `read` is set in each."""
        ...

    async def remove_instance(self, id: str) -> None:
        """Forget a worker that ends. One that is not there is no error."""
        ...

    async def now(self) -> datetime:
        """The time of the store, with its zone."""
        ...

    def inspection(self) -> Inspection:
        """What looks for damage in this store: it opens the store by itself. Raises as :meth:`source`."""
        ...

    def source(self) -> Source:
        """What copies this store: it opens the store by itself. Raises InvalidError for one that is gone with its process."""
        ...

    def destination(self) -> Destination:
        """What fills this store with a copy: it opens the store by itself. Raises as :meth:`source`."""
        ...

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
