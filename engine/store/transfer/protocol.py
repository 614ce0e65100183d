"""What a store gives to be copied from, and to be copied into.

Both speak in records and in entries of the history, never in rows: each store keeps them in its own way, and opens and
seals values with keys of its own.

A store that is being copied into holds nothing for anybody until :meth:`Destination.finish`: it is empty, or it says that
it is half a copy and cannot be opened. Whatever ends a copy before that (an error, a cancellation, `kill -9`, a network that
goes) leaves it so, and the next copy begins anew.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from engine.store.change import LogEntry
from engine.store.record import Record


@dataclass(frozen=True, slots=True)
class Outline:
    """What there is to copy: which store it is, and how much, as far as it was there when somebody asked."""

    identity: str
    specs: int
    values: int
    changes: int


class Contents(Protocol):
    """All that a store holds, in parts as :mod:`~engine.store.transfer.parts` cuts them.

    Ask for the changes first, then for the records: a source that others write to chooses its moment in between.
    """

    def changes(self) -> AsyncGenerator[list[LogEntry], None]:
        """The history of specs, by revision. Values have none."""
        ...

    def records(self) -> AsyncGenerator[list[Record], None]:
        """What is stored now, specs before values, by id."""
        ...


class Source(Contents, Protocol):
    """One moment of a store; `async with` opens and closes it. Nothing is written to the store."""

    @property
    def url(self) -> str:
        """The store's URL, without its secrets."""
        ...

    async def begin(self, namespaces: frozenset[str] | None) -> Outline:
        """Look what there is in these namespaces; None is all.

        Raises UnavailableError if there is no store or it cannot be read, ConflictError if a trial runs.
        """
        ...

    @property
    def revision(self) -> int:
        """The last revision given at the moment of the copy; known when the last change was told."""
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Destination(Contents, Protocol):
    """An empty store that is filled. :meth:`begin` opens it, and makes it if it is not there; `async with` closes it.

    :meth:`changes` and :meth:`records` tell what has arrived.
    """

    @property
    def url(self) -> str:
        """The store's URL, without its secrets."""
        ...

    async def begin(self, source: str, outline: Outline) -> None:
        """Take hold of it for a copy from `source` (a URL without secrets), of which the outline tells.

        Raises ConflictError if it is that store itself, if it is not empty (with what is there), if a daemon runs on it,
        or if another copy into it is under way; UnavailableError if it cannot be reached or made; InvalidError if there
        are values and no key to seal them with.
        """
        ...

    async def add_changes(self, changes: list[LogEntry]) -> None:
        """Write down a part of the history; parts come in order."""
        ...

    async def add_records(self, records: list[Record]) -> None:
        """Write down a part of what is stored, after all changes."""
        ...

    async def finish(self, revision: int) -> None:
        """Let it count from `revision` on, and be a whole store, from one moment to the next."""
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
