"""What a store gives to be looked at: rows as they are kept, all of one moment."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeAlias

from engine.store.check.finding import Finding
from engine.store.vault import Vault

Row: TypeAlias = Mapping[str, Any]

Table: TypeAlias = Literal["changes", "documents", "trials", "trial_documents", "instances"]
"""
========================  =============================================================================================
`changes`                 revision, batch, action, resource, id, namespace, name, document, origin, time, author,
                          message, and `ordinal` where the store counts the changes of each spec; by revision
`documents`               resource, id, namespace, name, revision, labels (JSON), meaning, document, origin; `ordinal`;
                          `keys` and `own_keys`: what a row is found by beside those, and what that should be
`trials`                  id, deadline, body (JSON)
`trial_documents`         as `documents`, with `trial`
`instances`               id, namespace, body (JSON), time of the last heartbeat (None: none)
========================  =============================================================================================
"""


@dataclass(frozen=True, slots=True)
class Glance:
    """What is known of a store before its rows are read.

    `revision` is the last one given, `now` the store's time, in microseconds since 1970. All changes after `floor` are kept;
    None where that is not known. `sizes` tells how many rows there are. `findings` are what the store found out by
    itself; `readable` tells whether it makes sense to read the rows.
    """

    schema: int
    revision: int
    now: int
    floor: int | None
    sizes: Mapping[Table, int]
    findings: tuple[Finding, ...]
    readable: bool = True


class Inspection(Protocol):
    """One moment of a store; `async with` opens and closes it. Nothing in the store is changed."""

    @property
    def url(self) -> str:
        """The store's URL, without its secrets."""
        ...

    @property
    def vault(self) -> Vault:
        """The keys that are at hand."""
        ...

    async def begin(self) -> Glance:
        """Look at the store from outside: its file or servers, its schema, its indexes.

        Raises UnavailableError if there is no store, or if it is too badly damaged to be opened.
        """
        ...

    def rows(self, table: Table) -> AsyncGenerator[list[Row], None]:
        """All rows of a table, in parts. Raises UnavailableError where they cannot be read any further."""
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
